#!/usr/bin/env python3
"""Counts the processor instructions of fixed inputs with callgrind, and fails if a count exceeds its record by more than 5 %.

  benches/instructions.py          compares the counts with benches/instructions.toml
  benches/instructions.py --write  records the counts; the message of the commit says why they changed

Instructions do not depend on the load of the machine, so 5 % is enough, unlike for times. The command is built as for the
tests. Needs the Debian packages `valgrind` and `libc6-dbg`, which tests/setup.sh installs.
"""
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
# Factor by which a count may exceed its record.
TOLERANCE = 1.05
# Settings of `.ci/run`, so that its build is used.
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
# Each workload is a command, the folder in which it runs, and the functions whose counts are compared in addition to that of
# the process. A count includes all functions that the function calls.
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
        "formulac_core::sql::select::write_select",
    ]),
    "manifest": (["pull", "--dry-run"], "shop", [
        "formulac_dbt::artifacts::manifest::Manifest::from_text_and_earlier",
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
    write(folder / "shop" / "formulac.yml", "dialect: duckdb\nomni: {path: omni}\n")
    write(folder / "shop" / "target" / "manifest.json", json.dumps(manifest(100)))


def build():
    """Builds the command as the tests do, and returns its path."""
    env = os.environ | BUILD
    target = pathlib.Path(env.get("CARGO_TARGET_DIR", ROOT / "target"))
    subprocess.run(["cargo", "test", "--quiet", "--all-features", "--no-run", "--test", "levels"], cwd=ROOT, env=env, check=True)
    return (ROOT / target / "debug" / "formulac").resolve()


def count(command, arguments, folder, functions, home):
    """Returns the instructions of a process and of these functions."""
    counts = folder / "callgrind.out"
    # On one processor, because waiting threads execute a varying number of instructions.
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


def compiler():
    return subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def main():
    command = build()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        inputs(folder, command)
        home = {"HOME": name, "XDG_CACHE_HOME": f"{name}/cache", "NO_COLOR": "1"}
        counts = {}
        for workload, (arguments, place, functions) in WORKLOADS.items():
            counts[workload] = count(command, arguments, folder / place, functions, home)
    if sys.argv[1:] == ["--write"]:
        tables = [f"\n[\"{workload}\"]\n" + "".join(f"\"{name}\" = {number:_}\n" for name, number in numbers.items())
                  for workload, numbers in counts.items()]
        RECORD.write_text("# Instructions, written by benches/instructions.py --write.\n"
                          f"compiler = \"{compiler()}\"\n" + "".join(tables))
        return
    record = tomllib.loads(RECORD.read_text())
    if record["compiler"] != compiler():
        sys.exit(f"instructions: recorded with {record['compiler']}, but this is {compiler()}; record the counts again")
    failed = False
    for workload, numbers in counts.items():
        for name, number in numbers.items():
            recorded = record.get(workload, {}).get(name, 0)
            change = (number / recorded - 1) * 100 if recorded else float("inf")
            slower = number > recorded * TOLERANCE
            failed |= slower
            print(f"{'SLOWER' if slower else 'ok':7}{change:+7.1f} %{number:15,}  {workload}: {name}")
    if failed:
        sys.exit("instructions: more than 5 % over the record; if this is intended, run benches/instructions.py --write, and say "
                 "why in the commit")


if __name__ == "__main__":
    main()
