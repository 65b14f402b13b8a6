"""Refuses what the real BigQuery refuses and its stand-in, which has every feature of GoogleSQL, accepts."""
import re

import sqlglot
from sqlglot import exp

SYNTAX = (
    (r"\bwithin\s+group\b", "BigQuery has no WITHIN GROUP"),
    (r"\|>", "pipe syntax is left out"),
    (r"\bfilter\s*\(\s*where\b", "BigQuery has no FILTER (WHERE ...) on aggregates"),
    (r"\barray_(filter|transform|find|zip)\s*\(", "BigQuery has no functions that take a lambda"),
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
    if re.search(r"\(\s*select\b", bare, re.I):
        for select in sqlglot.parse_one(sql, dialect="bigquery").find_all(exp.Select):
            check_subquery(select)


def closing(text, at):
    """The place behind the bracket that closes the one before `at`."""
    depth = 1
    while depth and at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return at


def check_subquery(select):
    """One inside an expression may read arrays of its row; over a table of which it picks rows by the outer row, a join is due."""
    if not isinstance(select.parent, (exp.Subquery, exp.Exists)):
        return
    if isinstance(select.parent.parent, (exp.From, exp.Join, exp.CTE, exp.Union, type(None))):
        return
    tables = {table.alias_or_name.lower() for table in select.find_all(exp.Table)}
    others = (column for column in select.find_all(exp.Column) if column.table and column.table.lower() not in tables)
    if tables and any(others):
        raise Refused("a correlated subquery over a table: BigQuery refuses those that it cannot make a join of")
