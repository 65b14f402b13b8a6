"""DuckDB, the engine itself."""
import duckdb

from literals import native, qualified, quoted_name, rows_of
from values import to_json


class Engine:
    name = "duckdb"

    def __init__(self):
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("SET TimeZone = 'UTC'")

    def load(self, table):
        execute = self.connection.execute
        columns = ", ".join(
            f'{quoted_name(column)} {native(self.name, column["type"])}' for column in table["columns"]
        )
        name = qualified(table["name"], execute)
        execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
        rows = rows_of(self.name, table)
        for start in range(0, len(rows), 500):
            values = ", ".join(f"({row})" for row in rows[start:start + 500])
            execute(f"INSERT INTO {name} VALUES {values}")

    def query(self, sql):
        cursor = self.connection.execute(sql)
        description = cursor.description or []
        rows = [[to_json(value) for value in row] for row in cursor.fetchall()]
        return [d[0] for d in description], [str(d[1]) for d in description], rows

    def close(self):
        self.connection.close()
