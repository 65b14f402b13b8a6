"""The contract's neutral types, what each engine calls them, and values written as literals."""

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
    """The engine's name of a neutral type; any other type text is passed on."""
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
    """The rows of a table as bracketless lists of literals."""
    types = [column["type"] for column in table["columns"]]
    return [
        ", ".join(literal(engine, value, kind) for value, kind in zip(row, types, strict=True))
        for row in table["rows"]
    ]


PLAIN_NAME = re.compile(r"[A-Za-z_]\w*$", re.A)     # any other needs quotes


def quoted_name(column, fold=str):
    """A column's name in quotes, as the engine spells one that was made without them.

    One that says `quoted`, or that is not plain, was made with them.
    """
    name = column["name"]
    if PLAIN_NAME.match(name) and not column.get("quoted"):
        name = fold(name)
    return '"' + name.replace('"', '""') + '"'


def qualified(name, run, quote='"'):
    """A dotted table name: make its schema, give back the quoted name.

    A leading project or database part is dropped.
    """
    parts = name.split(".")[-2:]
    if len(parts) == 2:
        run(f"CREATE SCHEMA IF NOT EXISTS {quote}{parts[0]}{quote}")
    return ".".join(f"{quote}{part}{quote}" for part in parts)
