"""Neutral types of the contract, the name of each type on each engine, and literals."""

import re

TYPES = {
    "bigquery": dict(
        boolean="BOOL", integer="INT64", decimal="NUMERIC", float="FLOAT64", text="STRING",
        date="DATE", timestamp="DATETIME", timestamptz="TIMESTAMP",
    ),
    "snowflake": dict(
        boolean="BOOLEAN", integer="NUMBER(38,0)", decimal="NUMBER(38,9)", float="FLOAT",
        text="VARCHAR", date="DATE", timestamp="TIMESTAMP_NTZ", timestamptz="TIMESTAMP_TZ",
    ),
    "postgres": dict(
        boolean="boolean", integer="bigint", decimal="numeric", float="double precision",
        text="text", date="date", timestamp="timestamp", timestamptz="timestamptz",
    ),
    "duckdb": dict(
        boolean="BOOLEAN", integer="BIGINT", decimal="DECIMAL(38,9)", float="DOUBLE",
        text="VARCHAR", date="DATE", timestamp="TIMESTAMP", timestamptz="TIMESTAMPTZ",
    ),
}


def native(engine, neutral):
    """Returns the engine's name of a neutral type. Other types are returned unchanged."""
    return TYPES[engine].get(neutral.lower(), neutral)


def quoted(engine, text):
    if engine == "bigquery":
        for plain, escaped in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n"), ("\r", "\\r")):
            text = text.replace(plain, escaped)
        return f"'{text}'"
    if engine == "snowflake":
        text = text.replace("\\", "\\\\")
    return "'" + text.replace("'", "''") + "'"


def literal(engine, value, neutral):
    if value is None:
        body = "NULL"
    elif isinstance(value, bool):
        body = "TRUE" if value else "FALSE"
    elif isinstance(value, (int, float)):
        body = repr(value)
    else:
        body = quoted(engine, str(value))
    return f"CAST({body} AS {native(engine, neutral)})"


def rows_of(engine, table):
    """Returns the rows of a table as lists of literals without brackets."""
    types = [column["type"] for column in table["columns"]]
    return [
        ", ".join(literal(engine, value, kind) for value, kind in zip(row, types, strict=True))
        for row in table["rows"]
    ]


PLAIN_NAME = re.compile(r"[A-Za-z_]\w*$", re.A)     # any other name needs quotes


def quoted_name(column, fold=str):
    """Returns the quoted name of a column.

    A plain name is folded to the engine's default case, unless the column is marked `quoted`.
    """
    name = column["name"]
    if PLAIN_NAME.match(name) and not column.get("quoted"):
        name = fold(name)
    return '"' + name.replace('"', '""') + '"'


def qualified(name, run, quote='"'):
    """Creates the schema of a dotted table name, and returns the quoted name without the project or database."""
    parts = name.split(".")[-2:]
    if len(parts) == 2:
        run(f"CREATE SCHEMA IF NOT EXISTS {quote}{parts[0]}{quote}")
    return ".".join(f"{quote}{part}{quote}" for part in parts)
