#!/usr/bin/env python3
"""Counts processor instructions with callgrind. Fails if the count of a fixed input exceeds its record by more than 5 %, or if
four times the input takes far more than four times the instructions.

  benches/instructions.py          compares the counts with benches/instructions.toml, and checks the growth
  benches/instructions.py --write  records the counts; the message of the commit says why they changed
  benches/instructions.py growth   only checks the growth

Instructions do not depend on the load of the machine, so 5 % is enough, unlike for times. The programs are built as for the
tests. Needs the Debian packages `valgrind` and `libc6-dbg`, which tests/setup.sh installs.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORD = ROOT / "benches" / "instructions.toml"
# Largest allowed ratio of a count to its recorded value.
TOLERANCE = 1.05
# Largest allowed growth of a count if the input grows by a factor of four. Quadratic growth gives a factor of 16.
GROWTH = 5.5
# The same environment variables as in `.ci/run`, so that cargo reuses its build.
BUILD = {"CARGO_INCREMENTAL": "0", "CARGO_PROFILE_DEV_CODEGEN_UNITS": "1"}

FORMULAS = """\
revenue_{n} = SUM(amount)
orders_{n} = COUNT(DISTINCT(order_id))
value_{n} = revenue_{n} / orders_{n}
churn_{n} = COUNT(IF(last_activity < TODAY() - 30, customer_id)) / COUNT(DISTINCT(customer_id))
size_{n} = IF(revenue_{n} > 1000, "large", IF(revenue_{n} > {n}, "middle", "small"))
north_{n} = SUMIFS(amount, region, "north", status, "paid") / SUM(amount)
"""
SCHEMA = """\
models:
  - name: orders
    columns:
      - {name: order_id, data_type: integer}
      - {name: customer_id, data_type: integer}
      - {name: amount, data_type: "decimal(18, 2)"}
      - {name: region, data_type: text}
      - {name: status, data_type: text}
      - {name: last_activity, data_type: date}
"""
# Each workload is a command, the folder in which it runs, and the functions whose counts are compared in addition to
# that of the process. The count of a function includes the functions that it calls.
WORKLOADS = {
    "formulas": (["compile", "--file", "formulas.txt", "--schema", "schema.yml", "--from", "orders"], "formulas", [
        "formulac_syntax::lex::lexer::lex_part",
        "formulac_grammar::parse_parts",
        "formulac_core::check::names::resolve",
        "formulac_core::check::check",
        "formulac_core::compiler::Compiler::compile",
    ]),
    "formulas without a schema": (["compile", "--file", "formulas.txt"], "formulas", ["formulac_core::check::infer::infer"]),
    "formulas with errors": (["check", "misspelled.txt", "--schema", "schema.yml", "--from", "orders"], "formulas", []),
    "example project": (["generate"], "project", [
        "formulac_syntax::yaml::read::read",
        "formulac_core::plan::planner::plan_step",
        "formulac_core::sql::select::write_plan",
    ]),
    "manifest": (["pull", "--dry-run"], "shop", [
        "formulac_dbt::artifacts::manifest::Manifest::from_text_incremental",
    ]),
    "impact": (["impact", "model_0"], "shop", []),
}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def manifest(models):
    """Returns a dbt manifest in which each model reads the model before it."""
    nodes = {}
    for n in range(models):
        columns = {f"column_{c}": {"name": f"column_{c}", "description": f"Column {c} of model {n}.", "data_type": "integer"}
                   for c in range(10)}
        before = [f"model.shop.model_{n - 1}"] if n else []
        source = f"select {', '.join(columns)} from " + (f"main.model_{n - 1}" if n else "main.events")
        nodes[f"model.shop.model_{n}"] = {
            "name": f"model_{n}", "resource_type": "model", "package_name": "shop", "unique_id": f"model.shop.model_{n}",
            "schema": "main", "alias": f"model_{n}", "relation_name": f"main.model_{n}", "description": f"Model {n}.",
            "original_file_path": f"models/model_{n}.sql", "path": f"model_{n}.sql", "config": {"materialized": "table"},
            "columns": columns, "depends_on": {"nodes": before}, "raw_code": source, "compiled_code": source,
        }
    metadata = {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
                "adapter_type": "duckdb"}
    return {"metadata": metadata, "nodes": nodes, "sources": {}, "exposures": {}, "metrics": {}}


def inputs(folder, command):
    """Writes the inputs of all workloads to a folder."""
    many = "".join(FORMULAS.replace("{n}", str(n)) for n in range(200))
    write(folder / "formulas" / "formulas.txt", many)
    write(folder / "formulas" / "misspelled.txt", many.replace("(amount", "(amout").replace("COUNT(IF", "CUONT(IF"))
    write(folder / "formulas" / "schema.yml", SCHEMA)
    subprocess.run([command, "init", "--example", folder / "project"], check=True, capture_output=True)
    write(folder / "shop" / "dbt_project.yml", "name: shop\nprofile: shop\n")
    write(folder / "shop" / "formulac.yml", "dialect: duckdb\nomni: omni\n")
    write(folder / "shop" / "target" / "manifest.json", json.dumps(manifest(100)))


def build():
    """Builds the command and the bench `growth` as the tests do, and returns their paths."""
    built = subprocess.run(["cargo", "test", "--quiet", "--all-features", "--no-run", "--test", "levels", "--bench", "growth",
                            "--message-format", "json"], cwd=ROOT, env=os.environ | BUILD, stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    programs = {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}
    return programs["formulac"], programs["growth"]


def count(command, arguments, folder, functions, home):
    """Returns the instructions of a process and of these functions."""
    counts = folder / "callgrind.out"
    # Run on one processor, because waiting threads execute a varying number of instructions.
    ran = subprocess.run(["taskset", "--cpu-list", "0", "valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}",
                          command, *arguments], cwd=folder, env=os.environ | home, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if found is None or ran.returncode not in (0, 1):
        sys.exit(f"instructions: `formulac {' '.join(arguments)}` failed:\n{ran.stdout}{ran.stderr}")
    printed = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--auto=no", counts],
                             capture_output=True, text=True, check=True).stdout
    result = {"process": int(found[1])}
    for function in functions:
        lines = re.findall(rf"^ *([\d,]+) \([^)]*\) +\S+:{re.escape(function)} \[", printed, re.MULTILINE)
        if not lines:
            sys.exit(f"instructions: no function is called `{function}`; correct its name in {__file__}")
        result[function] = max(int(line.replace(",", "")) for line in lines)
    return result


def check_growth(program, folder):
    """Returns whether the instructions of all shapes of benches/growth.rs grow linearly."""
    counts = folder / "growth.out"
    call = "growth::run_shape"
    ran = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}", f"--zero-before={call}",
                          f"--dump-after={call}", program], capture_output=True, text=True)
    shapes = ran.stdout.splitlines()
    dumps = [folder / f"growth.out.{number}" for number in range(1, 2 * len(shapes) + 1)]
    if ran.returncode or not shapes or not all(dump.exists() for dump in dumps):
        sys.exit(f"instructions: the bench `growth` failed:\n{ran.stdout}{ran.stderr}")
    linear = True
    totals = [int(re.search(r"^(?:totals|summary): (\d+)", dump.read_text(), re.MULTILINE)[1]) for dump in dumps]
    for shape, small, large in zip(shapes, totals[::2], totals[1::2]):
        factor = large / max(small, 1)
        linear &= factor <= GROWTH
        print(f"{'ok' if factor <= GROWTH else 'GROWS':7}{factor:7.1f} x{small:15,}{large:15,}  {shape}")
    return linear


def compiler():
    return subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def check_counts(command, folder, record):
    """Compares the counts of all workloads with their records, or records them. Returns whether all are within the tolerance."""
    inputs(folder, command)
    home = {"HOME": str(folder), "XDG_CACHE_HOME": f"{folder}/cache", "NO_COLOR": "1"}
    counts = {workload: count(command, arguments, folder / place, functions, home)
              for workload, (arguments, place, functions) in WORKLOADS.items()}
    if record is None:
        tables = [f"\n[\"{workload}\"]\n" + "".join(f"\"{name}\" = {number:_}\n" for name, number in numbers.items())
                  for workload, numbers in counts.items()]
        RECORD.write_text("# Instructions, written by benches/instructions.py --write.\n"
                          f"compiler = \"{compiler()}\"\n" + "".join(tables))
        return True
    within = True
    for workload, numbers in counts.items():
        for name, number in numbers.items():
            recorded = record.get(workload, {}).get(name, 0)
            change = (number / recorded - 1) * 100 if recorded else float("inf")
            slower = number > recorded * TOLERANCE
            within &= not slower
            print(f"{'SLOWER' if slower else 'ok':7}{change:+7.1f} %{number:15,}  {workload}: {name}")
    return within


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", nargs="?", choices=["growth"])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    record = None if given.write else tomllib.loads(RECORD.read_text())
    if record and record["compiler"] != compiler():
        sys.exit(f"instructions: recorded with {record['compiler']}, but this is {compiler()}; record the counts again")
    command, growth = build()
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor() as pool:
        folder = pathlib.Path(name)
        linear = pool.submit(check_growth, growth, folder)
        within = given.task == "growth" or check_counts(command, folder, record)
        linear = linear.result()
    if not within:
        print("instructions: more than 5 % over the record; if this is intended, run benches/instructions.py --write, and say "
              "why in the commit")
    if not linear:
        print(f"instructions: four times the input takes more than {GROWTH} times the instructions")
    sys.exit(not (within and linear))


if __name__ == "__main__":
    main()
