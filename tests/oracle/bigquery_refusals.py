"""Rejects statements that BigQuery rejects but the evaluator accepts, because the evaluator supports all of GoogleSQL."""
import re

import sqlglot
from sqlglot import exp

SYNTAX = (
    (r"\bwithin\s+group\b", "BigQuery has no WITHIN GROUP"),
    (r"\|>", "pipe syntax is left out"),
    (r"\bfilter\s*\(\s*where\b", "BigQuery has no FILTER (WHERE ...) on aggregates"),
    (r"\barray_(filter|transform|find|zip)\s*\(", "BigQuery has no functions that take a lambda"),
    (r"\bsafe\.(sum|avg|min|max|count|countif|string_agg|array_agg|stddev\w*|var\w*|corr|covar\w*)\s*\(",
     "SAFE. stands before scalar functions only"),
)
WINDOW_ONLY = re.compile(r"\bpercentile_(?:cont|disc)\s*\(", re.I)


class Refused(ValueError):
    pass


def check(sql):
    bare = re.sub(r"'(?:[^'\\]|\\.)*'", "''", sql, flags=re.S)
    for pattern, why in SYNTAX:
        if re.search(pattern, bare, re.I):
            raise Refused(why)
    for call in WINDOW_ONLY.finditer(bare):
        if not re.match(r"\s*over\b", bare[closing(bare, call.end()):], re.I):
            raise Refused("PERCENTILE_CONT and PERCENTILE_DISC are windows only")
    if re.search(r"\bnulls\s+(first|last)\b", bare, re.I):
        for ordered in sqlglot.parse_one(sql, dialect="bigquery").find_all(exp.Ordered):
            check_order(ordered)
    if re.search(r"\b(left|right|full)\s+(outer\s+)?join\b", bare, re.I):
        for join in sqlglot.parse_one(sql, dialect="bigquery").find_all(exp.Join):
            check_join(join)
    if re.search(r"\(\s*select\b", bare, re.I):
        for select in sqlglot.parse_one(sql, dialect="bigquery").find_all(exp.Select):
            check_subquery(select)


def closing(text, at):
    """Returns the position after the bracket that closes the bracket before `at`."""
    depth = 1
    while depth and at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at


# numbering and navigation functions do not use a frame, so they have no RANGE frame
NO_FRAME = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead)


def check_order(ordered):
    """Checks NULLS FIRST and NULLS LAST.

    A position that differs from BigQuery's default is allowed only in the ORDER BY of a query and of a window with a ROWS frame.
    """
    if bool(ordered.args.get("desc")) != bool(ordered.args.get("nulls_first")):
        return                                                     # the default position in BigQuery
    place = ordered.find_ancestor(exp.Window, exp.AggFunc, exp.Select)
    if isinstance(place, exp.AggFunc):
        raise Refused("NULLS LAST not supported with ascending sort order in aggregate functions")
    if not isinstance(place, exp.Window):
        return
    if place.arg_key == "windows":
        # A named window has no frame. Check the frames of the windows that refer to it.
        through = (w for w in place.parent.find_all(exp.Window) if w is not place and w.alias == place.name)
        for window in through:
            check_frame(window)
    else:
        check_frame(place)


def check_frame(window):
    call, frame = window.this, window.args.get("spec")
    while isinstance(call, (exp.IgnoreNulls, exp.RespectNulls)):
        call = call.this
    is_range = frame is None or (frame.args.get("kind") or "").upper() == "RANGE"
    if is_range and not isinstance(call, NO_FRAME):
        raise Refused("NULLS LAST not supported with ascending sort order in RANGE clauses of analytic functions")


def check_join(join):
    """Checks that an outer join has a condition that can be hashed.

    Such a condition is `a = b` or, for two columns, `a = b or (a is null and b is null)`.
    """
    side, on = join.side.upper(), join.args.get("on")
    if not side or join.args.get("using") or (on is not None and any(can_hash(part) for part in parts_of(on, exp.And))):
        return
    raise Refused(f"{side} OUTER JOIN cannot be used without a condition that is an equality of fields from both sides of the join")


def can_hash(condition):
    either = parts_of(condition, exp.Or)
    equal = either[0].unnest()
    if not isinstance(equal, exp.EQ):
        return False
    sides = [equal.this.unnest(), equal.expression.unnest()]
    if not all(relations(side) for side in sides) or relations(sides[0]) & relations(sides[1]):
        return False
    if len(either) == 1:
        return True
    if len(either) > 2 or not all(isinstance(side, exp.Column) for side in sides):
        return False
    nulls = [part for part in parts_of(either[1], exp.And) if isinstance(part, exp.Is) and isinstance(part.expression, exp.Null)]
    return len(nulls) == 2 and {part.this.sql() for part in nulls} == {side.sql() for side in sides}


def relations(side):
    """Returns the relations of the columns on one side.

    An unqualified column belongs to the only relation, whose name is the empty string here.
    """
    return {column.table.lower() for column in side.find_all(exp.Column)}


def parts_of(condition, kind):
    condition = condition.unnest()
    return [part.unnest() for part in condition.flatten()] if isinstance(condition, kind) else [condition]


def check_subquery(select):
    """Rejects a correlated subquery over a table, which BigQuery would have to convert to a join.

    Subqueries over arrays of the row are allowed.
    """
    if not isinstance(select.parent, (exp.Subquery, exp.Exists)):
        return
    if isinstance(select.parent.parent, (exp.From, exp.Join, exp.CTE, exp.Union, type(None))):
        return
    tables = {table.alias_or_name.lower() for table in select.find_all(exp.Table)}
    others = (column for column in select.find_all(exp.Column) if column.table and column.table.lower() not in tables)
    if tables and any(others):
        raise Refused("a correlated subquery over a table: BigQuery refuses those that it cannot make a join of")
