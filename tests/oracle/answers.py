#!/usr/bin/env python3
"""Recorded results of the slow engines, so that a test run queries them only for SQL that has changed.

  answers.py merge FOLDER    replaces the recorded results and the keys of checked statements with those in FOLDER, which
                             `tests/run.sh record` has written

The key of a result is a hash of the SQL, its tables, the versions of the engine's packages and the statements in the engine's
files here. Therefore a query always runs if the query, a table, a package or a file has changed. One query in 20 runs although
it has a record. The commit determines these queries, and a result that differs from its record is an error.

  FORMULAC_ANSWERS=none    runs all queries
  FORMULAC_RECORD=FOLDER   writes the results to FOLDER
"""
import ast
import hashlib
import importlib.metadata
import json
import lzma
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
RECORDS = HERE / "answers"
# The packages that compute the results. Other engines compute results as fast as records are read.
PACKAGES = {
    "bigquery": ["zetasql", "wasmtime"],
    "snowflake": ["fakesnow", "duckdb", "sqlglot"],
}
SHARE = 20
KEY_BYTES = 8
# Functions whose results differ from run to run, so that the results are not stored.
VOLATILE = re.compile(r"current_|sysdate|getdate|localtime|now\(|rand|uuid", re.IGNORECASE)


def fingerprint(engine):
    """Returns a hash of the packages and files that compute an engine's results."""
    hashed = hashlib.sha256()
    for name in PACKAGES[engine]:
        try:
            hashed.update(f"{name} {importlib.metadata.version(name)}\n".encode())
        except importlib.metadata.PackageNotFoundError:
            pass
    files = [*HERE.glob(f"{engine}_*.py"), HERE / f"engine_{engine}.py", HERE / "literals.py", HERE / "values.py"]
    for path in sorted(files):
        hashed.update(statements(path).encode())
    return hashed.hexdigest()


def statements(path):
    """Returns a program without its comments, docstrings and line breaks, which do not affect results."""
    program = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(program):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.unparse(program)


def read(path):
    if not path.exists():
        return {}
    with lzma.open(path, "rt", encoding="utf-8") as file:
        return dict(json.loads(line) for line in file)


def commit():
    """Returns the number of the commit, which determines the records that a run checks."""
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True)
    return int(git.stdout.strip() or "0", 16) if git.returncode == 0 else 0


def comparable(answer):
    """Returns the result without unspecified properties: the order of its rows, and the last digits of floats."""
    rows = [[f"{round(v, 9):.9g}" if isinstance(v, float) else v for v in row] for row in answer.get("rows", [])]
    return {**answer, "rows": sorted(map(json.dumps, rows))}


class Answers:
    """Returns an engine's results from the records, and calls `ask` for queries without a record."""

    def __init__(self, engine):
        self.record = os.environ.get("FORMULAC_RECORD")
        self.engine = engine
        self.known = {}
        self.used = {}
        self.asked = 0
        self.differing = []
        self.active = engine in PACKAGES
        if self.active:
            self.fingerprint = fingerprint(engine)
            self.turn = commit() % SHARE
            if os.environ.get("FORMULAC_ANSWERS") != "none":
                self.known = read(RECORDS / f"{engine}.jsonl.xz")

    def answer(self, sql, tables, ask):
        if not self.active or VOLATILE.search(sql):
            self.asked += 1
            return ask(sql, tables)
        question = json.dumps([self.fingerprint, sql, tables])
        key = hashlib.sha256(question.encode()).hexdigest()[:20]
        known = self.known.get(key)
        if known is not None and int(key, 16) % SHARE != self.turn:
            self.used[key] = known
            return known
        self.asked += 1
        answer = ask(sql, tables)
        if known is not None and comparable(known) != comparable(answer):
            self.differing.append(f"{sql}\nrecorded: {json.dumps(known)}\nanswered: {json.dumps(answer)}")
        self.used[key] = answer
        return answer

    def finish(self):
        """Writes the results of this run to the records. Returns an error if a record was wrong."""
        if self.record and self.active:
            folder = pathlib.Path(self.record)
            folder.mkdir(parents=True, exist_ok=True)
            with open(folder / f"{self.engine}-{os.getpid()}.jsonl", "w", encoding="utf-8") as file:
                file.writelines(json.dumps(pair) + "\n" for pair in self.used.items())
        differing, self.differing = self.differing, []
        if differing:
            return "answers differ from their records; see tests/oracle/answers.py\n" + "\n\n".join(differing[:3])
        return None


def merge(folder):
    RECORDS.mkdir(exist_ok=True)
    for engine in PACKAGES:
        answers = {}
        for path in sorted(pathlib.Path(folder).glob(f"{engine}-*.jsonl")):
            with open(path, encoding="utf-8") as file:
                answers.update(json.loads(line) for line in file)
        target = RECORDS / f"{engine}.jsonl.xz"
        with lzma.open(target, "wt", encoding="utf-8", preset=9) as file:
            file.writelines(json.dumps(pair, ensure_ascii=False) + "\n" for pair in sorted(answers.items()))
        print(f"{target}: {len(answers)} answers, {target.stat().st_size:,} bytes")
    # Keys of the statements that keep all rules (tests/conformance/checked_statements.rs).
    files = [path.read_bytes() for path in pathlib.Path(folder).glob("statements-*.bin")]
    keys = sorted({file[i:i + KEY_BYTES] for file in files for i in range(0, len(file), KEY_BYTES)})
    (RECORDS / "statements.bin").write_bytes(b"".join(keys))
    print(f"{RECORDS / 'statements.bin'}: {len(keys)} statements")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "merge":
        sys.exit(__doc__)
    merge(sys.argv[2])
