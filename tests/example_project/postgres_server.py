"""A throw-away Postgres server, and what is in it.

  postgres_server.py serve                 prints the folder of its socket; stops when standard input ends
  postgres_server.py rows FOLDER < queries.jsonl   as duckdb_rows.py

The user is `oracle`, the database `postgres`.
"""
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "oracle"))
import psycopg  # noqa: E402
from plain import plain  # noqa: E402


def serve():
    from engine_postgres import Engine

    os.environ.pop("FORMULAC_POSTGRES_DSN", None)  # dbt is told a folder
    engine = Engine()
    try:
        print(engine.directory, flush=True)
        sys.stdin.read()
    finally:
        engine.close()


def rows(folder):
    with psycopg.connect(f"host={folder} user=oracle dbname=postgres") as connection:
        for line in sys.stdin:
            query = json.loads(line)
            cursor = connection.execute(query["sql"].encode())
            columns = [column.name for column in cursor.description or []]
            values = [[plain(value) for value in row] for row in cursor.fetchall()] if columns else []
            print(json.dumps({"id": query["id"], "columns": columns, "rows": values}, ensure_ascii=False))


if sys.argv[1] == "serve":
    serve()
else:
    rows(sys.argv[2])
