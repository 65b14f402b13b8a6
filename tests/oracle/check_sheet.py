#!/usr/bin/env python3
"""Asks LibreOffice Calc for the values of the conformance cases marked `source: sheet`.

  check_sheet.py [CASE FILE...]     default: all of tests/conformance/cases
  FORMULAC_CASES=round              only cases whose `path: name` holds this text

A formula is given to the sheet as it is, each column name replaced by this row's cell (or by the whole
column where the case is an aggregate); a case with another spelling has it in `sheet:`. Errors of the
sheet are NULL. Rows that hold a blank are left out: a sheet reads blanks as 0 or "", SQL does not.
A group of an aggregate is a sheet of its own. Cases of `source: contract-differs(rule)` are asked too,
rows with blanks included, and fault when the sheet gives all their values.
Exit status 1 when a value differs, 3 when LibreOffice is not installed.
"""
import math
import os
import pathlib
import re
import sys

import yaml

import sheet

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CASES = ROOT / "tests" / "conformance" / "cases"
NUMBERS = ("integer", "decimal", "float")
NOT_INSTALLED = 3


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


def wanted(value, ty):
    """Cells hold booleans, numbers and texts; a decimal may stand in quotes to keep its digits."""
    return float(value) if isinstance(value, str) and ty in NUMBERS else value


def jobs_in(path, picked):
    """(case, where, columns, rows, formula, expected values) of each table that a sheet is asked about."""
    document = yaml.load(path.read_text(encoding="utf-8"), Loader)
    for case in document["cases"]:
        source = case.get("source", "hand")
        if source == "hand" or picked not in f"{path.relative_to(ROOT)}: {case['case']}".lower():
            continue
        types = case.get("types", document.get("types")) or {}
        rows = case.get("rows", document.get("rows") if "types" not in case else None) or []
        columns = [{"name": name, "type": kind.rstrip("!")} for name, kind in types.items()]
        is_aggregate = "is" in case or "groups" in case
        if is_aggregate and not rows:
            sys.exit(f"{path}: {case['case']}: a sheet cannot sum no rows; source: hand")
        formula = in_sheet_terms(case, list(types), is_aggregate)
        keys = case.get("group_by", [])
        keys = [key.strip() for key in keys.split(",")] if isinstance(keys, str) else keys
        for group in case.get("groups", [case]):
            mine = [row for row in rows if all(row[key] == group[key] for key in keys)]
            expected = [group["is"]] if is_aggregate else [row["is"] for row in mine]
            where = ", ".join(str(group[key]) for key in keys)
            expected = [wanted(value, case.get("type")) for value in expected]
            yield case, where, columns, [[row[name] for name in types] for row in mine], formula, expected


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
    picked = os.environ.get("FORMULAC_CASES", "").lower()
    paths = [pathlib.Path(name).resolve() for name in sys.argv[1:]] or sorted(CASES.rglob("*.yml"))
    jobs = [(path, *job) for path in paths for job in jobs_in(path, picked)]
    try:
        results = sheet.evaluate([(columns, rows, [f]) for _, _, _, columns, rows, f, _ in jobs])
        results = list(results) if jobs else []
    except sheet.NotInstalled as missing:
        print(missing, file=sys.stderr)
        sys.exit(NOT_INSTALLED)
    checked = left_out = wrong = 0
    differing = {}          # by case that says so: whether the sheet does
    for (path, case, where, _, rows, formula, expected), (got,) in zip(jobs, results, strict=True):
        name = f"{path.relative_to(ROOT)}: {case['case']}"
        by_row = "is" not in case and "groups" not in case
        rule = case["source"].startswith("contract-differs")
        if len(got) < len(expected):
            wrong += 1
            print(f"{name}: {formula}: only {len(got)} values came back")
        for at, (want, have) in enumerate(zip(expected, got, strict=False)):
            if by_row and None in rows[at] and not rule:
                left_out += 1
                continue
            checked += 1
            agreed = agrees(want, have, case.get("type"))
            if rule:
                differing[name] = differing.get(name, False) or not agreed
            elif not agreed:
                wrong += 1
                row = rows[at] if by_row else where
                print(f"{name}: {formula} {row}: expected {want!r}, the sheet says {have!r}")
    for name in (name for name, differs in differing.items() if not differs):
        wrong += 1
        print(f"{name}: the sheet agrees in all values; say `source: sheet`")
    print(f"{checked} values checked, {left_out} rows with blanks left out, {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
