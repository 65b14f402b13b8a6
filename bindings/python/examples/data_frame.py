"""Compiles a spec, runs its query with DuckDB and returns a pandas data frame.

    pip install formulac duckdb pandas
    python data_frame.py
"""

import duckdb
import formulac

ORDERS = """
create table orders as
from (values (1, date '2026-01-05', 20.0), (2, date '2026-01-20', 30.0), (3, date '2026-02-11', 40.0)) t(id, paid_at, amount)
"""

SPEC = """
model: revenue_by_month
from: orders
group_by: paid_at[month]
order_by: paid_at[month]
definitions: |
  revenue = SUM(amount)
  growth = revenue / PERIODOFFSET(revenue, -1, "month") - 1
"""


def types(connection):
    """Returns the types of all columns, by table and column."""
    schema = {}
    for table, column, data_type in connection.sql(
        "select table_name, column_name, data_type from duckdb_columns() where not internal order by column_index"
    ).fetchall():
        schema.setdefault(table, {})[column] = data_type
    return schema


def data_frame(connection, spec):
    """Returns the rows of a spec as a data frame."""
    compiled = formulac.compile_spec(spec, dialect="duckdb", schema=types(connection))
    return connection.sql(compiled.query).df()


if __name__ == "__main__":
    with duckdb.connect() as connection:
        connection.execute(ORDERS)
        print(data_frame(connection, SPEC))
