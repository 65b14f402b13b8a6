"""Rejects statements that Snowflake rejects but its emulator accepts."""
import re

from sqlglot import exp

# functions that the emulator accepts but that Snowflake does not have
FOREIGN = set("""
GCD LCM STRPOS INSTR PRINTF FORMAT FORMAT_DATE STRFTIME STRPTIME LIST_TRANSFORM LIST STRING_SPLIT
SAFE_DIVIDE SAFE_CAST IF COUNTIF DATE_DIFF DATE_SUB DATE_ADD LOG10 LOG2 MAKE_DATE MAKE_INTERVAL
GENERATE_SERIES GENERATE_DATE_ARRAY GENERATE_ARRAY UNNEST PRODUCT REGEXP_MATCHES REGEXP_CONTAINS
REGEXP_EXTRACT QUANTILE_CONT MEDIAN_CONT ISODOW TO_MONTHS TO_DAYS ARRAY_TO_STRING_AGG
STRING_TO_ARRAY AGE TODAY EPOCH_MS BIT_AND BIT_OR BIT_XOR XOR LAST_DAY_OF_MONTH DATETIME_DIFF
TIMESTAMP_DIFF DATE_PARSE PARSE_DATE APPROX_QUANTILES FIRST LAST ARG_MAX ARG_MIN
""".split())

SYNTAX = (
    (r"\bFILTER\s*\(\s*WHERE\b", "Snowflake has no FILTER (WHERE ...) on aggregates"),
    (r"\^", "Snowflake has no ^ operator"),
    (r"\b(ROWS|RANGE)\b[^()]*\bEXCLUDE\b|\bGROUPS\s+(BETWEEN|UNBOUNDED|\d)",
     "Snowflake has no GROUPS frame and no EXCLUDE in frames"),
    (r"PERCENTILE_(CONT|DISC)\s*\([^()]*,", "PERCENTILE_CONT takes one argument and WITHIN GROUP"),
    (r"//", "// starts a comment in Snowflake"),
    (r"(?<![<>&|])[&|](?![&|])|<<|>>", "bit operators are functions in Snowflake (BITAND ...)"),
)


class Refused(ValueError):
    pass


def check(sql, tree):
    bare = re.sub(r"'(?:[^'\\]|''|\\.)*'", "''", sql, flags=re.S)
    bare = re.sub(r'"(?:[^"]|"")*"', '"name"', bare)
    called = {name.upper() for name in re.findall(r"\b([A-Za-z_][A-Za-z_0-9]*)\s*\(", bare)}
    if called & FOREIGN:
        raise Refused(f"not a Snowflake function: {sorted(called & FOREIGN)}")
    for pattern, why in SYNTAX:
        if re.search(pattern, bare, re.I):
            raise Refused(why)
    for window in tree.find_all(exp.Window):
        check_window(window)
    for select in tree.find_all(exp.Select):
        check_correlation(select)


def check_window(window):
    function = window.this.this if isinstance(window.this, exp.WithinGroup) else window.this
    unordered = isinstance(
        function, (exp.Median, exp.PercentileCont, exp.PercentileDisc, exp.GroupConcat)
    ) or (isinstance(function, exp.AggFunc) and isinstance(function.this, exp.Distinct))
    if window.args.get("order") and unordered:
        raise Refused("Snowflake allows no ORDER BY in OVER with this function")


def check_correlation(select):
    if not isinstance(select.parent, exp.Subquery):
        return
    if not (select.args.get("limit") or select.args.get("order")):
        return
    if isinstance(select.parent.parent, (exp.From, exp.Join, exp.CTE, exp.Union, type(None))):
        return
    inner = {table.alias_or_name.lower() for table in select.find_all(exp.Table)}
    columns = select.find_all(exp.Column)
    if any(column.table and column.table.lower() not in inner for column in columns):
        raise Refused("Unsupported subquery type (correlated with LIMIT or ORDER BY)")
