#!/usr/bin/env python3
"""Compares generated SQL with handwritten SQL on DuckDB and Postgres, and writes docs/performance.md.

  . target/test-tools/env.sh && "$FORMULAC_PYTHON" benches/engines/measure.py          all metrics with a million orders
  … benches/engines/measure.py --rows 100000 cohorts percentiles                        two metrics; only prints

Each query runs three times, in turn with its counterpart; the shortest time counts. Before that, both queries run on a
thousandth of the rows, but at least 1,000, and must return equal rows.
"""
import argparse
import copy
import decimal
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))
import engine_duckdb  # noqa: E402
import engine_postgres  # noqa: E402

# Both engines accept these statements. Every 97th order has no customer.
TABLES = """
create table orders as
select n as order_id, case when n % 97 <> 0 then (n * 48271) % {customers} + 1 end as customer_id,
    (n * 13) % 5 + 1 as quantity, cast((n * 16807) % 50000 as decimal(18, 2)) / 100 as amount,
    'region ' || (n * 7919) % 40 % 8 as region, 'store ' || (n * 7919) % 40 as store,
    case (n * 31) % 4 when 0 then 'web' when 1 then 'app' when 2 then 'phone' else 'branch' end as channel,
    case (n * 17) % 10 when 0 then 'open' when 1 then 'cancelled' else 'paid' end as status,
    'ab' || (n * 11) % 9 || '-' || (n * 101) % 9000 + 1000 as sku,
    cast(date '2022-01-01' + cast((n * 69621) % 1096 as integer) as date) as ordered_on
from (select cast(i as bigint) as n from generate_series(1, {rows}) as g(i)) as numbers;
create table customers as
select cast(i as integer) as customer_id, 'segment ' || i % 5 as segment,
    cast(date '2021-01-01' + cast(i % 700 as integer) as date) as joined_on
from generate_series(1, {customers}) as g(i);
create table tiers as select cast(i * 25 as decimal(18, 2)) as at_least, 'tier ' || i as tier from generate_series(0, 19) as g(i)
"""
# Columns that dbt's tests prove to be non-NULL or unique.
NOT_NULL = {"orders": ["order_id", "quantity", "amount", "region", "store", "channel", "status", "sku", "ordered_on"],
            "customers": ["customer_id", "segment", "joined_on"], "tiers": ["at_least", "tier"]}
UNIQUE = {"orders": "order_id", "customers": "customer_id", "tiers": "at_least"}
# Seconds after which a query is stopped.
LIMIT = 60


class DuckDb(engine_duckdb.Engine):
    def create(self, rows):
        self.connection.execute("set threads = 1")
        for statement in TABLES.format(rows=rows, customers=max(rows // 20, 1)).split(";"):
            self.connection.execute(statement)

    def seconds(self, sql):
        begin = time.perf_counter()
        self.connection.execute(f"create or replace temp table result as {sql}")
        return time.perf_counter() - begin


class Postgres(engine_postgres.Engine):
    def create(self, rows):
        for setting in ("max_parallel_workers_per_gather = 0", "work_mem = '256MB'", f"statement_timeout = '{LIMIT}s'"):
            self.connection.execute(f"set {setting}")
        for statement in TABLES.format(rows=rows, customers=max(rows // 20, 1)).split(";"):
            self.connection.execute(statement)
        self.connection.execute("analyze")

    def seconds(self, sql):
        try:
            lines = self.connection.execute(f"explain (analyze, timing off) {sql}".encode()).fetchall()
        except engine_postgres.psycopg.errors.QueryCanceled:
            return float("inf")
        return float(lines[-1][0].split()[2]) / 1000


ENGINES = {"duckdb": DuckDb, "postgres": Postgres}


def schemas(folder):
    """Writes two schemas: one with the types, the other with what tests prove, too."""
    types = yaml.safe_load((HERE / "schema.yml").read_text())
    facts = copy.deepcopy(types)
    for model in facts["models"]:
        for column in model["columns"]:
            tests = ["not_null"] if column["name"] in NOT_NULL[model["name"]] else []
            column["data_tests"] = tests + (["unique"] if column["name"] == UNIQUE[model["name"]] else [])
    paths = {}
    for name, schema in (("types", types), ("facts", facts)):
        paths[name] = folder / f"{name}.yml"
        paths[name].write_text(yaml.safe_dump(schema))
    return paths


def compile_spec(command, spec, schema, dialect):
    compiled = subprocess.run([command, "query", "-", "--no-project", "--schema", schema, "--dialect", dialect], input=spec, text=True,
                              capture_output=True)
    if compiled.returncode:
        sys.exit(f"{spec}\n{compiled.stderr}")
    return compiled.stdout


def normal(value):
    """Returns a value in which the last digits of floats do not count."""
    if isinstance(value, (float, int, decimal.Decimal)) and not isinstance(value, bool):
        return f"{float(value):.9g}"
    return str(value)


def rows(engine, sql, columns=None):
    """Returns the names of the columns, and the sorted rows with the columns in this order."""
    cursor = engine.connection.execute(sql)
    names = [column[0] for column in cursor.description]
    order = [names.index(column) for column in columns or names]
    return names, sorted(tuple(normal(row[i]) for i in order) for row in cursor.fetchall())


def shortest(engine, queries):
    """Returns the shortest time of three runs of each query, in turn."""
    times = {query: float("inf") for query in queries}
    for _ in range(3):
        for query in times:
            times[query] = min(times[query], engine.seconds(query))
        if float("inf") in times.values():
            break
    return times


def measure(name, count, metrics, command, schema):
    """Returns the times of each metric on an engine: with types, with facts, by hand."""
    small, large = ENGINES[name](), ENGINES[name]()
    small.create(max(count // 1000, 1000))
    large.create(count)
    results = {}
    for metric, texts in metrics.items():
        by_hand = texts["by_hand"] if isinstance(texts["by_hand"], str) else texts["by_hand"][name]
        generated = {kind: compile_spec(command, texts["spec"], path, name) for kind, path in schema.items()}
        columns, expected = rows(small, by_hand)
        for kind, sql in generated.items():
            if rows(small, sql, columns)[1] != expected:
                sys.exit(f"{metric} on {name} with {kind}: the rows differ from those of the query by hand\n{sql}")
        times = shortest(large, [*generated.values(), by_hand])
        results[metric] = times[generated["types"]], times[generated["facts"]], times[by_hand]
        print(name, metric, *(f"{seconds:.3f}" for seconds in results[metric]), flush=True)
    small.close()
    large.close()
    return results


def ratio(seconds, by_hand):
    return f"> {LIMIT / by_hand:.0f}" if seconds == float("inf") else f"{seconds / by_hand:.2f}"


def page(results, count):
    """Returns docs/performance.md."""
    lines = [
        "# Cost of the generated SQL", "",
        f"This page compares generated SQL with handwritten SQL, on {count:,} orders. A ratio of 1.1 means that the generated query takes 10 % longer",
        "than the handwritten query. *Types*: the schema contains only types. *Facts*: in addition, tests prove which columns are unique or never NULL.",
        "Both queries return the same rows.", "",
        "`benches/engines/measure.py` writes this page; the queries are in `benches/engines/metrics.yml`. Each engine uses one core.", "",
        "| metric | " + " | ".join(f"{name}: types | facts | by hand" for name in results) + " |",
        "|---|" + "--:|--:|--:|" * len(results),
    ]
    for metric in next(iter(results.values())):
        cells = []
        for times in results.values():
            types, facts, by_hand = times[metric]
            cells += [ratio(types, by_hand), ratio(facts, by_hand), f"{by_hand:.2f} s"]
        lines.append(f"| {metric.replace('_', ' ')} | " + " | ".join(cells) + " |")
    cells = []
    for times in results.values():
        for place in (0, 1):
            ratios = [seconds[place] / seconds[2] for seconds in times.values()]
            cells.append(f"{statistics.median(ratios):.2f}, at most {max(ratios):.1f}")
        cells.append("")
    lines.append("| **median** | " + " | ".join(cells) + " |")
    lines += ["", "Criteria such as `SUMIFS(amount, status, \"paid\")` ignore case, so the SQL compares `lower(status)`, which is slow on Postgres. The",
              "condition in `SUM(IF(status = \"paid\", amount))` does not ignore case, so this condition costs as much as the handwritten SQL."]
    return "\n".join(lines) + "\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--engine", choices=ENGINES)
    arguments.add_argument("metrics", nargs="*")
    given = arguments.parse_args()
    metrics = yaml.safe_load((HERE / "metrics.yml").read_text())
    chosen = {name: metrics[name] for name in given.metrics or metrics}
    command = os.environ.get("FORMULAC")
    if not command:
        subprocess.run(["cargo", "build", "--quiet"], cwd=ROOT, check=True)
        command = ROOT / "target" / "debug" / "formulac"
    with tempfile.TemporaryDirectory() as folder:
        schema = schemas(pathlib.Path(folder))
        results = {name: measure(name, given.rows, chosen, command, schema) for name in ENGINES if given.engine in (None, name)}
    text = page(results, given.rows)
    if given.metrics or given.engine:
        print(text)
    else:
        (ROOT / "docs" / "performance.md").write_text(text)


if __name__ == "__main__":
    main()
