#!/usr/bin/env python3
"""Asks LibreOffice Calc for the values of the conformance cases marked `source: sheet`.

  check_sheet.py [CASE FILE...]     default: all of tests/conformance/cases

A formula is given to the sheet as it is, each column name replaced by this row's cell (or by the whole
column where the case is an aggregate); a case with another spelling has it in `sheet:`. Errors of the
sheet are NULL. Rows that hold a blank are left out: a sheet reads blanks as 0 or "", SQL does not.
Exit status 1 when a value differs.
"""
import math
import pathlib
import re
import sys

import yaml

import sheet

CASES = pathlib.Path(__file__).resolve().parent.parent / "conformance" / "cases"


class Loader(yaml.SafeLoader):
    """YAML 1.2: `no` is text, and so is a date."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


def in_sheet_terms(case, names, is_aggregate):
    if "sheet" in case:
        return case["sheet"]
    parts = re.split(r'("(?:[^"]|"")*")', case["formula"])       # texts stay as they are
    pattern = re.compile(r"(?<![\w.])(" + "|".join(names) + r")(?![\w(])") if names else None
    for at in range(0, len(parts), 2):
        if pattern:
            parts[at] = pattern.sub(r"[\1:]" if is_aggregate else r"[\1]", parts[at])
    formula = "".join(parts)
    return formula if formula.startswith("=") else "=" + formula


def jobs_in(path):
    """(case, columns, rows, formula, expected values) of each case that a sheet can check."""
    document = yaml.load(path.read_text(encoding="utf-8"), Loader)
    for case in document["cases"]:
        if case.get("source") != "sheet":
            continue
        types = case.get("types", document.get("types")) or {}
        rows = case.get("rows", document.get("rows") if "types" not in case else None) or []
        columns = [{"name": name, "type": kind.rstrip("!")} for name, kind in types.items()]
        is_aggregate = "is" in case
        if is_aggregate and not rows:
            sys.exit(f"{path}: {case['case']}: a sheet cannot sum no rows; source: hand")
        expected = [case["is"]] if is_aggregate else [row["is"] for row in rows]
        values = [[row[name] for name in types] for row in rows]
        yield case, columns, values, in_sheet_terms(case, list(types), is_aggregate), expected


def agrees(expected, got, ty):
    if isinstance(got, str) and got.startswith("#"):
        got = None
    if isinstance(got, float) and isinstance(expected, str):
        got = sheet.as_date(got, ty == "timestamp" or " " in expected)
    if isinstance(expected, bool) and isinstance(got, float):
        return got in (0, 1) and bool(got) is expected     # IF forgets that TRUE is a truth value
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, (int, float)) and isinstance(got, float):
        return math.isclose(expected, got, rel_tol=1e-9, abs_tol=1e-9)
    return expected == got


def main():
    paths = [pathlib.Path(name) for name in sys.argv[1:]] or sorted(CASES.rglob("*.yml"))
    jobs = [(path, *job) for path in paths for job in jobs_in(path)]
    results = sheet.evaluate([(columns, rows, [f]) for _, _, columns, rows, f, _ in jobs])
    checked = left_out = wrong = 0
    for (path, case, _, rows, formula, expected), (got,) in zip(jobs, results, strict=True):
        by_row = "is" not in case
        for at, (want, have) in enumerate(zip(expected, got, strict=False)):
            if by_row and None in rows[at]:
                left_out += 1
                continue
            checked += 1
            if not agrees(want, have, case.get("type")):
                wrong += 1
                row = rows[at] if by_row else ""
                print(f"{path.name}: {case['case']}: {formula} {row}: expected {want!r}, "
                      f"the sheet says {have!r}")
        if len(got) < len(expected):
            wrong += 1
            print(f"{path.name}: {case['case']}: {formula}: only {len(got)} values came back")
    print(f"{checked} values checked, {left_out} rows with blanks left out, {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
