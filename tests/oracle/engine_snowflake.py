"""Snowflake emulator: fakesnow (Snowflake to DuckDB by sqlglot) with the documented corrections.

Deviations that remain are listed in tests/oracle/README.md.
"""
import logging
import sys
import warnings

warnings.filterwarnings("ignore")
logging.getLogger("sqlglot").setLevel(logging.ERROR)

import fakesnow
import fakesnow.rowtype
import snowflake.connector

from literals import PLAIN_NAME, native, qualified, quoted_name, rows_of
from snowflake_functions import FUNCTIONS
from snowflake_rewrite import rewrite
from values import to_json

# sqlglot visits a chain of operators recursively.
sys.setrecursionlimit(10_000)

TYPE_NAMES = {
    0: "NUMBER", 1: "FLOAT", 2: "VARCHAR", 3: "DATE", 5: "VARIANT", 6: "TIMESTAMP_LTZ",
    7: "TIMESTAMP_TZ", 8: "TIMESTAMP_NTZ", 9: "OBJECT", 10: "ARRAY", 11: "BINARY", 12: "TIME",
    13: "BOOLEAN",
}


class Engine:
    name = "snowflake"

    def __init__(self):
        types = fakesnow.rowtype.duckdb_to_sf_type
        for small in ("TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "UINTEGER", "UHUGEINT"):
            types.setdefault(small, "fixed")
        types.setdefault("FLOAT", "real")
        self.patch = fakesnow.patch()
        self.patch.__enter__()
        self.schema = {}
        connection = snowflake.connector.connect(database="db1", schema="s1")
        # the emulator interprets `$name` in a string as a session variable
        connection.variables.inline_variables = lambda sql: sql
        self.cursor = connection.cursor()
        for name, function, arguments, result in FUNCTIONS:
            connection._duck_conn.create_function(
                name, function, arguments, result, null_handling="special"
            )

    def load(self, table):
        columns = ", ".join(
            f'{quoted_name(column, str.upper)} {native(self.name, column["type"])}'
            for column in table["columns"]
        )
        quote = "" if all(map(PLAIN_NAME.match, table["name"].split("."))) else '"'
        name = qualified(table["name"], self.cursor.execute, quote)
        if "." not in table["name"]:
            self.schema[folded(table["name"])] = {
                spelled(column): native(self.name, column["type"])
                for column in table["columns"]
            }
        self.cursor.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
        rows = rows_of(self.name, table)
        for start in range(0, len(rows), 200):
            values = " UNION ALL SELECT ".join(rows[start:start + 200])
            self.cursor.execute(f"INSERT INTO {name} SELECT {values}")

    def query(self, sql):
        self.cursor.execute(rewrite(sql, self.schema))
        rows = [[to_json(value) for value in row] for row in self.cursor.fetchall()]
        description = self.cursor.description or []
        types = [TYPE_NAMES.get(d.type_code, str(d.type_code)) for d in description]
        return [d.name for d in description], types, rows

    def close(self):
        self.patch.__exit__(None, None, None)


def spelled(column):
    return column["name"] if column.get("quoted") else folded(column["name"])


def folded(name):
    return name.upper() if PLAIN_NAME.match(name) else name
