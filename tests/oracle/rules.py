#!/usr/bin/env python3
"""Reports generated statements that a real warehouse rejects or evaluates differently, unlike its stand-in.

  rules.py --statements in.jsonl     prints a JSON line per violation: rule, dialect, from, what, sql
  rules.py --examples                prints the examples of rules.toml that are judged wrongly

A line of in.jsonl: {"dialect": ..., "from": ..., "sql": ..., "tables": [{"name": ..., "columns": [{"name": ...,
"type": ..., "quoted": ...}]}], "outputs": [[name, type], ...]}. The rules are data (rules.toml), with the reason and
the source of each; here is how each finds its violations. Exit status 3 if sqlglot is not installed.
"""
import decimal
import functools
import json
import logging
import pathlib
import re
import sys
import tomllib
import unicodedata

from missing import EXIT_STATUS

try:
    import sqlglot.parsers.snowflake
    from sqlglot import exp
except ModuleNotFoundError:
    sys.exit(EXIT_STATUS)

import bigquery_refusals
import snowflake_refusals
from literals import PLAIN_NAME
from rule_types import Number, kinds_of

logging.getLogger("sqlglot").setLevel(logging.ERROR)
# The parser would add the frame that Snowflake has by default, and then a frame that was written could not be
# distinguished from it.
sqlglot.parsers.snowflake.RANKING_WINDOW_FUNCTIONS_WITH_FRAME = ()


def _parse_ordered(self, *arguments, _parse=sqlglot.parsers.snowflake.SnowflakeParser._parse_ordered):
    """The parser does not record whether NULLS FIRST or NULLS LAST is written."""
    ordered = _parse(self, *arguments)
    if ordered:
        ordered.meta["nulls_written"] = self._tokens[self._index - 2].text.upper() == "NULLS"
    return ordered


sqlglot.parsers.snowflake.SnowflakeParser._parse_ordered = _parse_ordered
# Cache the last parsed statement, because several checks parse the same statement.
sqlglot.parse_one = functools.lru_cache(maxsize=1)(sqlglot.parse_one)
HERE = pathlib.Path(__file__).parent
DATA = tomllib.loads((HERE / "rules.toml").read_text(encoding="utf-8"))
RULES = {}
for _rule in DATA["rule"]:
    RULES.setdefault(_rule["dialect"], []).append(_rule)


class Statement:
    """A parsed statement, its nodes by class, and the value type of each expression."""

    def __init__(self, line):
        self.sql, self.dialect = line["sql"], line["dialect"]
        self.tables, self.outputs = line["tables"], line["outputs"]
        self.tree = sqlglot.parse_one(self.sql, dialect=self.dialect)
        self.nodes = {}
        for node in self.tree.walk():
            self.nodes.setdefault(type(node), []).append(node)
        self.inferred = None

    def all(self, *classes):
        return (node for wanted in classes for node in self.nodes.get(wanted, ()))

    def infer(self):
        if self.inferred is None:
            self.inferred = kinds_of(self.tree, self.tables, self.dialect)
        return self.inferred

    def kind(self, node):
        return self.infer()[0][id(node)]

    def outputs_inferred(self):
        return self.infer()[1]

    def may_be_null(self, node):
        return id(node) in self.infer()[2]


def names_of(call):
    """Returns the names by which a function can be called, in upper case."""
    if isinstance(call, exp.Anonymous):
        return {call.name.upper()}
    return set(call.sql_names()) if isinstance(call, exp.Func) else set()


def windows(statement, *names):
    """Returns the windows over one of these functions: the window, its function, its order and its frame."""
    for window in statement.all(exp.Window):
        call = window.this
        while isinstance(call, (exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls, exp.Filter)):
            call = call.this
        if call is not None and (not names or names_of(call) & set(names)):
            yield window, call, window.args.get("order"), window.args.get("spec")


# ---- BigQuery ----

def outer_join_equality(statement):
    for join in statement.all(exp.Join):
        try:
            bigquery_refusals.check_join(join)
        except bigquery_refusals.Refused:
            yield join.sql("bigquery")


SYSTEM_COLUMNS = (
    "_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier", "_change_sequence_number",
    "_change_type", "_change_timestamp",
)


def is_allowed(character):
    kind = unicodedata.category(character)
    return kind[0] in "LNMZ" or kind in ("Pc", "Pd") or character in "&%=+:'<>#|"


def allowed_names(statement):
    for item in statement.tree.selects:
        name = item.alias_or_name
        if name.lower().startswith(SYSTEM_COLUMNS) or not isinstance(item, exp.Star) and not all(map(is_allowed, name)):
            yield name


def is_long_number(digits):
    number = decimal.Decimal(digits)
    return number.adjusted() >= 29 or -number.as_tuple().exponent > 9


def numeric_literals(statement):
    for literal in statement.all(exp.Literal):
        parent = literal.parent
        if isinstance(parent, exp.Cast):
            is_wrong = literal.is_string and parent.to.is_type(exp.DType.DECIMAL) and is_long_number(literal.name)
        elif isinstance(parent, exp.Binary) and not literal.is_string and is_long_number(literal.name):
            other = statement.kind(parent.right if parent.left is literal else parent.left)
            is_wrong = isinstance(other, Number) and other.scale > 0
        else:
            is_wrong = False
        if is_wrong:
            yield parent.sql("bigquery")


def literal_delimiter(statement):
    for call in statement.all(exp.GroupConcat):
        if not isinstance(call.args.get("separator"), (exp.Literal, exp.RawString, type(None))):
            yield call.sql(statement.dialect)


# ---- Snowflake: windows ----

WHOLE = {
    "MEDIAN", "MODE", "PERCENTILE_CONT", "PERCENTILE_DISC", "LISTAGG", "OBJECT_AGG", "CORR", "COVAR_POP",
    "COVAR_SAMP", "REGR_AVGX", "REGR_AVGY", "REGR_COUNT", "REGR_INTERCEPT", "REGR_R2", "REGR_SLOPE", "REGR_SXX",
    "REGR_SXY", "REGR_SYY", "BOOLAND_AGG", "BOOLOR_AGG", "BOOLXOR_AGG", "BITAND_AGG", "BITOR_AGG", "BITXOR_AGG",
    "ANY_VALUE", "MIN_BY", "MAX_BY", "KURTOSIS", "SKEW", "HASH_AGG", "APPROX_COUNT_DISTINCT", "APPROX_PERCENTILE",
}
ORDERED = ("FIRST_VALUE", "LAST_VALUE", "NTH_VALUE", "LAG", "LEAD", "ROW_NUMBER", "RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE")


def whole_partition(statement):
    for window, call, order, frame in windows(statement):
        whole = names_of(call) & WHOLE or isinstance(call.this, exp.Distinct)
        if whole and (order or frame):
            yield window.sql("snowflake")


def constant_frame(statement):
    for frame in statement.all(exp.WindowSpec):
        for bound in (frame.args.get("start"), frame.args.get("end")):
            if isinstance(bound, exp.Expression) and not isinstance(bound.unnest(), (exp.Literal, exp.Interval)):
                yield frame.sql("snowflake")


def nth_value_limit(statement):
    for _, call, _, _ in windows(statement, "NTH_VALUE"):
        place = call.args.get("offset")
        if not (isinstance(place, exp.Literal) and 1 <= int(place.name) <= 1000):
            yield call.sql("snowflake")


def ordered_window(statement):
    return (window.sql("snowflake") for window, _, order, _ in windows(statement, *ORDERED) if not order)


def written_frame(statement):
    found = windows(statement, "LAST_VALUE", "NTH_VALUE")
    return (window.sql("snowflake") for window, _, _, frame in found if not frame)


# ---- Snowflake: arguments ----

def try_cast_text(statement):
    for cast in statement.all(exp.TryCast):
        kind = statement.kind(cast.this)
        if kind not in ("text", "null"):
            yield f"{cast.sql('snowflake')} of {kind}"


OF_PLACES = (exp.FirstValue, exp.LastValue, exp.NthValue, exp.Lag, exp.Lead)


def ancestors(node, wanted):
    while node := node.parent:
        if isinstance(node, wanted):
            yield node


def period_of(node):
    """Returns the date that a partition key truncates. NULL dates form a separate partition."""
    while isinstance(node, (exp.Cast, exp.DateTrunc, exp.TimestampTrunc)):
        node = node.this
    return node


def is_inside(node, condition):
    return any(branch.this == condition for branch in ancestors(node, exp.If))


def final_uses(statement, window, condition):
    """Returns the expressions that read a window's value, directly or through columns of later steps."""
    uses, seen, open_uses = [], set(), [window]
    while open_uses:
        use = open_uses.pop()
        item = use.find_ancestor(exp.Alias)
        if item is None or not item.find_ancestor(exp.CTE) or is_inside(use, condition):
            uses.append(use)
        elif item.alias not in seen:
            seen.add(item.alias)
            open_uses += [column for column in statement.all(exp.Column) if column.name == item.alias] or [item]
    return uses


def nulls_written(statement):
    # A filter or a join may exclude the rows in which the column is NULL.
    conditions = [*statement.all(exp.Where), *(join.args["on"] for join in statement.all(exp.Join) if join.args.get("on"))]
    filtered = {column.name for condition in conditions for column in condition.find_all(exp.Column)}
    # The column may have another name in a later step.
    for item in (item for step in statement.all(exp.CTE) for item in step.this.selects):
        if isinstance(item, exp.Alias) and isinstance(item.this, exp.Column) and item.this.name in filtered:
            filtered.add(item.alias)
    for ordered in statement.all(exp.Ordered):
        of = ordered.parent.parent
        if filtered & {column.name for column in ordered.find_all(exp.Column)}:
            continue
        # A window may separate the rows in which the key is NULL, or exclude their values from the sum.
        apart = isinstance(of, exp.Window) and (
            exp.Is(this=ordered.this, expression=exp.Null()) in of.args["partition_by"]
            or any(period_of(part) == ordered.this for part in of.args["partition_by"])
            or isinstance(of.this, exp.AggFunc) and not isinstance(of.this, OF_PLACES) and not of.args.get("spec")
        )
        # A RANGE frame never extends from a row with a key to a row whose key is NULL, and a CASE excludes the rows
        # whose key is NULL.
        if isinstance(of, exp.Window) and of.args.get("spec") and of.args["spec"].args.get("kind", "").upper() == "RANGE":
            there = exp.Not(this=exp.Is(this=ordered.this, expression=exp.Null()))
            apart = apart or all(is_inside(use, there) for use in final_uses(statement, of, there))
        if not apart and not isinstance(of, exp.WithinGroup) and not ordered.meta["nulls_written"] and statement.may_be_null(ordered.this):
            yield ordered.this.sql("snowflake")


def coalesce_two(statement):
    return (call.sql("snowflake") for call in statement.all(exp.Coalesce) if not call.expressions)


def sum_of_booleans(statement):
    for call in statement.all(exp.Sum, exp.Avg):
        if statement.kind(call.this) == "boolean":
            yield call.sql("snowflake")


def session_weeks(statement):
    plain = re.sub(r"'(?:[^'\\]|''|\\.)*'", lambda found: found[0] if len(found[0]) < 12 else "''", statement.sql)
    for found in re.finditer(
        r"\b(?:dayofweek|week|weekofyear|yearofweek)\s*\(|\b(?:date_trunc|date_part|last_day|datediff|dateadd)\s*\([^()]*'?\bweek\b"
        r"|\bextract\s*\(\s*(?:week|dayofweek|dow)\b", plain, re.I
    ):
        if not re.match(r"date(diff|add)\s*\(\s*'?week", found[0], re.I) or "diff" in found[0].lower():
            yield found[0]


def session_formats(statement):
    for cast in statement.all(exp.Cast, exp.TryCast):
        if cast.to.is_type(*exp.DataType.TEMPORAL_TYPES, exp.DataType.Type.TIME) and not isinstance(cast.this, exp.Literal):
            if statement.kind(cast.this) == "text":
                yield cast.sql("snowflake")
    for call in statement.all(exp.TsOrDsToDate, exp.TsOrDsToTime, exp.TsOrDsToTimestamp):
        if not call.args.get("format") and statement.kind(call.this) == "text":
            yield call.sql("snowflake")


def plain_pattern(statement):
    for call in statement.all(
        exp.RegexpReplace, exp.RegexpExtract, exp.RegexpInstr, exp.RegexpCount, exp.RegexpLike, exp.RegexpFullMatch
    ):
        pattern = call.args.get("expression")
        if isinstance(pattern, exp.Literal):
            bare = re.sub(r"\[\^?\]?[^]]*\]", "[]", re.sub(r"\\.", "x", pattern.name))
            if re.search(r"\(\?|[+*?}]\?", bare):
                yield pattern.sql("snowflake")


def date_differences(statement):
    for difference in statement.all(exp.Sub):
        if statement.kind(difference.left) == statement.kind(difference.right) == "date":
            yield difference.sql("snowflake")


# ---- Snowflake: names and numbers ----

def name_in_its_case(statement):
    stored, known = set(), {table["name"].lower() for table in statement.tables}
    made = {table.alias.lower() for table in statement.all(exp.CTE)}
    read = {".".join(part.name for part in table.parts).lower() for table in statement.all(exp.Table) if table.name}
    if read - known - made:
        return
    for table in statement.tables:
        for column in table["columns"]:
            bare = PLAIN_NAME.match(column["name"]) and not column.get("quoted")
            stored.add(column["name"].upper() if bare else column["name"])
    for alias in statement.all(exp.Alias, exp.TableAlias, exp.Lambda):
        made = [alias.args.get("alias"), alias.this, *(alias.args.get("columns") or ()), *alias.expressions]
        stored.update(spelled(name) for name in made if isinstance(name, exp.Identifier))
    for column in statement.all(exp.Column):
        if isinstance(column.this, exp.Identifier) and spelled(column.this) not in stored:
            yield column.sql("snowflake")


def spelled(identifier):
    return identifier.name if identifier.args.get("quoted") else identifier.name.upper()


def number_scale(statement):
    outputs = dict(statement.outputs)
    for name, kind in statement.outputs_inferred().items():
        wanted = outputs.get(name) or outputs.get(name.lower())
        if kind is None and wanted in ("float", "integer"):
            yield f"the type of `{name}` is unknown: add it to rule_types.py"
        elif wanted == "float" and isinstance(kind, Number):
            yield f"`{name}` is a float, and NUMBER with {kind.scale} digits after the point"
        elif wanted == "integer" and kind not in (Number(0), "null", "any"):
            yield f"`{name}` is an integer, and {kind}"
    # When a quotient is converted to text, its digits are visible: 2 / 2 is 1.000000.
    for cast in statement.all(exp.Cast):
        kind = statement.kind(cast.this)
        if cast.to.is_type(*exp.DataType.TEXT_TYPES) and isinstance(kind, Number) and kind.scale and is_quotient(cast.this):
            yield f"the text of `{cast.this.sql('snowflake')}` has {kind.scale} digits after the point"


def is_quotient(node):
    node = node.unnest()
    return isinstance(node, exp.Div) and not node.find(exp.Cast)


# ---- Redshift ----

RANKING = {"RANK", "DENSE_RANK", "ROW_NUMBER", "PERCENT_RANK", "CUME_DIST", "NTILE", "LAG", "LEAD"}
ROUNDING = (exp.Ceil, exp.Floor, exp.Round, exp.Trunc, exp.Anonymous)


def rows_frames(statement):
    for window, call, order, spec in windows(statement):
        is_framed = spec is not None and spec.args.get("kind", "").upper() == "ROWS"
        if spec is not None and not is_framed or order is not None and not is_framed and not names_of(call) & RANKING:
            yield window.sql("redshift")


def short_intervals(statement):
    for interval in statement.all(exp.Interval):
        if re.search("month|quarter|year", interval.sql("redshift"), re.IGNORECASE):
            yield interval.sql("redshift")


def boolean_texts(statement):
    for cast in statement.all(exp.Cast):
        if cast.to.is_type(*exp.DataType.TEXT_TYPES) and statement.kind(cast.this) == "boolean":
            yield cast.sql("redshift")


def is_in_window(node):
    return isinstance(node.find_ancestor(exp.Window, exp.Select), exp.Window)


def sorted_together(statement):
    for select in statement.all(exp.Select):
        own = [n for n in select.find_all(exp.WithinGroup, exp.Median, exp.Distinct) if n.parent_select is select]
        own = [node for node in own if node.parent is not select and not is_in_window(node)]
        orders = {(node.args.get("expression") or node.this).sql("redshift").replace("ORDER BY ", "").strip()
                  for node in own if not isinstance(node, exp.Distinct)}
        if len(orders) > 1 or orders and any(isinstance(node, exp.Distinct) for node in own):
            yield "; ".join(node.sql("redshift") for node in own)


def kept_empty_texts(statement):
    for call in statement.all(exp.GroupConcat):
        if isinstance(call.this, exp.Coalesce) and call.this.expressions[0].sql() == "''":
            yield call.sql("redshift")


def posix_patterns(statement):
    for text in statement.all(exp.Literal):
        if "(?" in text.name and text.is_string and isinstance(text.parent, (exp.Func, exp.Binary)):
            if not any("p" in other.name for other in text.parent.find_all(exp.Literal) if other is not text):
                yield text.parent.sql("redshift")


def is_extracted(node):
    node = node.unnest()
    is_float = isinstance(node, exp.Cast) and node.to.is_type(exp.DType.DOUBLE)
    return node.find(exp.Extract) is not None and not is_float


def is_widest_decimal(node):
    node = node.unnest()
    node = node.this if isinstance(node, exp.Nullif) else node
    return isinstance(node, exp.Cast) and node.to.sql("redshift") == "DECIMAL(38, 9)"


def ascii_characters(statement):
    for call in statement.all(exp.Chr):
        if any(isinstance(code, exp.Literal) and int(code.name) > 127 for code in call.expressions):
            yield call.sql("redshift")


def short_quotients(statement):
    for quotient in statement.all(exp.Div):
        left, right = quotient.this, quotient.expression
        if is_widest_decimal(left) and is_widest_decimal(right):
            yield quotient.sql("redshift")
        is_rounded = isinstance(quotient.parent, ROUNDING)
        if isinstance(right, exp.Literal) and ("." in right.name and not is_rounded or right.is_int and is_extracted(left)):
            yield quotient.sql("redshift")


def typed_unions(statement):
    for union in statement.all(exp.Union):
        selects = [union.this.expression if isinstance(union.this, exp.Union) else union.this, union.expression]
        if isinstance(union.this, exp.Union) or not isinstance(union.parent, exp.Union):
            continue  # only the first two branches of a longer union
        nulls = [{at for at, item in enumerate(select.selects) if isinstance(item.unalias(), exp.Null)} for select in selects]
        for at in nulls[0] & nulls[1]:
            yield selects[0].selects[at].alias_or_name


# sqlglot's error for syntax that it cannot parse, but that the BigQuery evaluator of the tests accepts.
UNREAD = "INTERVAL expression expected but got"
# An operator that Redshift has, but sqlglot's parser for Redshift does not.
XOR = " # "


def violations(line):
    try:
        statement = Statement(line)
    except sqlglot.errors.SqlglotError as error:
        if UNREAD not in str(error) and not (line["dialect"] == "redshift" and XOR in line["sql"]):
            yield "parses", str(error).splitlines()[0]
        return
    try:
        if statement.dialect == "bigquery":
            bigquery_refusals.check(statement.sql)
        elif statement.dialect == "snowflake":
            snowflake_refusals.check(statement.sql, statement.tree)
    except ValueError as error:
        yield "refusals", str(error)
    for rule in RULES[statement.dialect]:
        for what in dict.fromkeys(globals()[rule["name"]](statement)):
            yield rule["name"], what


def judge(path):
    why = {rule["name"]: rule["why"] for rule in DATA["rule"]}
    with open(path, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if line["dialect"] not in RULES:
                continue
            for name, what in violations(line):
                found = {"rule": name, "dialect": line["dialect"], "from": line["from"], "sql": line["sql"],
                         "what": f"{why.get(name, '')}: {what}"}
                print(json.dumps(found, ensure_ascii=False))


def examples():
    tables = [
        {"name": table["name"],
         "columns": [{"name": n, "type": t, "nullable": n != "n"} for n, t in table["columns"].items()]}
        for table in DATA["table"]
    ]
    for rule in DATA["rule"]:
        if not (rule["wrong"] and rule["right"] and rule["why"] and rule["source"].startswith("https://")):
            print(f"{rule['name']} needs wrong and right examples, a reason and a source")
        for expected in ("wrong", "right"):
            for sql in rule[expected]:
                outputs = list(rule.get("outputs", {}).items())
                line = {"dialect": rule["dialect"], "sql": sql, "tables": tables, "outputs": outputs}
                found = {name for name, _ in violations(line)}
                # The engine of the tests may also reject the statement.
                if found - {"refusals"} != ({rule["name"]} if expected == "wrong" else set()):
                    print(f"{rule['name']}, {expected}: {sql}: reported by {sorted(found)}")


if __name__ == "__main__":
    examples() if sys.argv[1] == "--examples" else judge(sys.argv[2])
