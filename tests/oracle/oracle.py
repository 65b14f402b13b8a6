#!/usr/bin/env python3
"""Run SQL on a stand-in for a warehouse and print JSON rows.

  oracle.py --engine bigquery|snowflake|postgres|duckdb [--table t.json]... --sql q.sql|-
  oracle.py --engine E [--table t.json]... --batch in.jsonl|- [--out out.jsonl] [--time]
  oracle.py --engine E --serve

table.json: {"name": "t", "columns": [{"name": "a", "type": "integer"}, ...], "rows": [[1, ...]]}
   or {"tables": [several of these]}, or a list of them. Types are the contract's: boolean integer
   decimal float text date timestamp timestamptz; any other type text goes to the engine as it is.
   A dotted name ("project.dataset.t") is `project.dataset.t` for BigQuery, dataset.t elsewhere.
batch line in:  {"id": ..., "sql": ..., "tables": [tables to load first]}
batch line out: {"id": ..., "columns": [...], "types": [...], "rows": [[...]]}
             or {"id": ..., "error": "..."}

--serve runs many batches, because an engine needs seconds to start: it reads a line [in.jsonl, out.jsonl] per batch, and
prints a line [exit status, message].

answers.py keeps the answers of slow engines to the questions of a batch.

Exit status: 0 the run is done (errors of single queries are answers), 1 the query of --sql failed,
or an answer differs from its record, 3 the engine is not installed.
"""
import argparse
import importlib
import json
import re
import sys
import time

from answers import Answers
from missing import EXIT_STATUS, NotInstalled

ENGINES = ("bigquery", "snowflake", "postgres", "duckdb")
PACKAGES = {"zetasql", "wasmtime", "fakesnow", "snowflake", "sqlglot", "psycopg", "duckdb"}


def start(name):
    try:
        return importlib.import_module(f"engine_{name}").Engine()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in PACKAGES:
            raise NotInstalled(f"no Python package {error.name}; tests/setup.sh installs it")
        raise


class Runner:
    """Loads tables (unchanged tables only once) and runs queries. The first query starts the engine."""

    def __init__(self, name):
        self.name = name
        self.engine = None
        self.loaded = {}
        self.answers = Answers(name)

    def started(self):
        if self.engine is None:
            self.engine = start(self.name)
        return self.engine

    def forget_tables(self):
        """Loads all tables again before the next queries of them."""
        self.loaded = {}
        # The catalog of this stand-in contains all loaded tables.
        if self.name == "bigquery" and self.engine is not None:
            self.engine.tables.clear()
            self.engine.forget_catalog()

    def load(self, table):
        content = json.dumps(table)
        if self.loaded.get(table["name"]) != content:
            self.loaded.pop(table["name"], None)
            self.started().load(table)
            self.loaded[table["name"]] = content

    def answer(self, sql, tables=()):
        engine = self.started()
        try:
            for table in tables:
                self.load(table)
            columns, types, rows = engine.query(sql)
            return {"columns": columns, "types": types, "rows": rows}
        except Exception as error:      # whatever an engine raises is the answer to this query
            # The stand-in for BigQuery builds one catalog of all loaded tables. If it does not produce a catalog, it
            # has rejected one of the tables, so all later queries would fail.
            if self.name == "bigquery" and engine.catalog is None:
                for table in tables:
                    self.loaded.pop(table["name"], None)
                    engine.tables.pop(table["name"].lower(), None)
            return {"error": re.sub(r"\s+", " ", f"{type(error).__name__}: {error}")[:600]}


def read(path):
    if path == "-":
        return sys.stdin.read()
    with open(path, encoding="utf-8") as file:
        return file.read()


def tables_in(document):
    if isinstance(document, list):
        return document
    return document["tables"] if "tables" in document else [document]


def run_batch(runner, lines, out):
    """Returns the number of queries, the number of queries that the engine ran, and an error."""
    queries = [json.loads(line) for line in lines if line.strip()]
    asked = runner.answers.asked
    answers = {}
    # Loading a table often takes longer than a query, so queries of the same tables run one after another.
    for at in sorted(range(len(queries)), key=lambda at: json.dumps(queries[at].get("tables", []))):
        query = queries[at]
        answers[at] = runner.answers.answer(query["sql"], query.get("tables", []), runner.answer)
    for at, query in enumerate(queries):
        print(json.dumps({"id": query.get("id"), **answers[at]}, ensure_ascii=False), file=out)
    out.flush()
    return len(queries), runner.answers.asked - asked, runner.answers.finish()


def serve(runner):
    for line in sys.stdin:
        batch, path = json.loads(line)
        runner.forget_tables()
        try:
            with open(path, "w", encoding="utf-8") as out:
                error = run_batch(runner, read(batch).split("\n"), out)[2]
            reply = [int(error is not None), error or ""]
        except NotInstalled as missing:
            reply = [EXIT_STATUS, str(missing)]
        print(json.dumps(reply), flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", required=True, choices=ENGINES)
    parser.add_argument("--table", action="append", default=[])
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--sql")
    work.add_argument("--batch")
    work.add_argument("--serve", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--time", action="store_true", help="print seconds on standard error")
    options = parser.parse_args()
    out = open(options.out, "w", encoding="utf-8") if options.out else sys.stdout
    begin = time.time()
    runner = Runner(options.engine)
    try:
        if options.serve:
            return serve(runner)
        for path in options.table:
            for table in tables_in(json.loads(read(path))):
                runner.load(table)
        status, count, asked = 0, 1, 1
        if options.batch:
            count, asked, error = run_batch(runner, read(options.batch).split("\n"), out)
            if error:
                print(error, file=sys.stderr)
                status = 1
        else:
            answer = runner.answer(read(options.sql))
            print(json.dumps(answer, ensure_ascii=False), file=out)
            status = int("error" in answer)
        if options.time:
            print(f"{count} queries, {asked} asked, {time.time() - begin:.2f} s", file=sys.stderr)
        return status
    except NotInstalled as error:
        print(error, file=sys.stderr)
        return EXIT_STATUS
    finally:
        if runner.engine is not None:
            runner.engine.close()


if __name__ == "__main__":
    sys.exit(main())
