"""Runs the queries of standard input on a DuckDB file that dbt has built.

  duckdb_rows.py FILE < queries.jsonl      a line in:  {"id": …, "sql": …}
                                           a line out: {"id": …, "columns": […], "rows": [[…]]}

Numbers come back as JSON numbers, dates and times as ISO text.
"""
import datetime
import decimal
import json
import sys

import duckdb


def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.date, datetime.time)):  # a datetime is a date
        return value.isoformat()
    return value


with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for line in sys.stdin:
        query = json.loads(line)
        cursor = connection.execute(query["sql"])
        columns = [column[0] for column in cursor.description]
        rows = [[plain(value) for value in row] for row in cursor.fetchall()]
        print(json.dumps({"id": query["id"], "columns": columns, "rows": rows}, ensure_ascii=False))
