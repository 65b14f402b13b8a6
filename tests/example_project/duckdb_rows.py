"""Runs the queries of standard input on a DuckDB file that dbt has built.

  duckdb_rows.py FILE < queries.jsonl      a line in:  {"id": …, "sql": …}
                                           a line out: {"id": …, "columns": […], "rows": [[…]]}

plain.py says how values are written.
"""
import json
import sys

import duckdb
from plain import plain

with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for line in sys.stdin:
        query = json.loads(line)
        cursor = connection.execute(query["sql"])
        columns = [column[0] for column in cursor.description]
        rows = [[plain(value) for value in row] for row in cursor.fetchall()]
        print(json.dumps({"id": query["id"], "columns": columns, "rows": rows}, ensure_ascii=False))
