#!/usr/bin/env python3
"""Computes the values of the conformance cases marked `source: sheet` with LibreOffice Calc.

  check_sheet.py [CASE FILE...]     default: all of tests/conformance/cases and tests/conformance/sheets
  FORMULAC_CASES=round              only cases whose `path: name` holds this text

A formula is given to the sheet as it is, each column name replaced by this row's cell (or by the whole
column where the case is an aggregate); a case with another spelling has it in `sheet:`. Errors of the
sheet are NULL. Rows that hold a blank are left out: a sheet reads blanks as 0 or "", SQL does not.
A group of an aggregate is a sheet of its own. Cases of `source: contract-differs(rule)` are asked too,
rows with blanks included, and fault when the sheet gives all their values. So are those of `source: hand`:
they fault where the sheet has something to say, for or against.
A sheet case (worksheets.py) is a sheet as people see it; where the contract differs, it says in which rows.
Exit status 1 when a value differs, 3 when LibreOffice is not installed.
"""
import math
import os
import pathlib
import re
import sys

import yaml

import sheet
import worksheets

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CASES = ROOT / "tests" / "conformance" / "cases"
NUMBERS = ("integer", "decimal", "float")
NOT_INSTALLED = 3


class Loader(yaml.SafeLoader):
    """Loads YAML 1.2, in which `no` and dates are strings."""


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
    parts = re.split(r'("(?:[^"]|"")*")', case["formula"])       # strings are not changed
    pattern = re.compile(r"(?<![\w.])(" + "|".join(names) + r")(?![\w(])") if names else None
    for at in range(0, len(parts), 2):
        if pattern:
            parts[at] = pattern.sub(r"[\1:]" if is_aggregate else r"[\1]", parts[at])
    formula = re.sub(r"\[(\w+)\]:\[\1\]", r"[\1:]", "".join(parts).removeprefix("="))
    if not is_aggregate and names and ":]" in formula and not sheet.is_row_level(formula):
        formula = f"IF(TRUE,{formula},[{names[0]}])"      # one value, repeated in each row
    return "=" + formula


def wanted(value, ty):
    """Cells contain booleans, numbers and strings; a decimal may be in quotes to keep its digits."""
    return float(value) if isinstance(value, str) and ty in NUMBERS else value


def load(path):
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


def jobs_in(path, picked):
    """Yields (case, where, columns, rows, formula, expected values) for each table to evaluate in a sheet."""
    document = load(path)
    for case in document["cases"]:
        source = case.get("source", "hand")
        if "refused" in case or "sql" in case or picked not in f"{path.relative_to(ROOT)}: {case['case']}".lower():
            continue
        types = case.get("types", document.get("types")) or {}
        rows = case.get("rows", document.get("rows") if "types" not in case else None) or []
        columns = [{"name": name, "type": kind.rstrip("!")} for name, kind in types.items()]
        is_aggregate = "is" in case or "groups" in case
        formula = in_sheet_terms(case, list(types), is_aggregate)
        if source == "hand" and not can_be_asked(columns, rows, formula, is_aggregate):
            continue
        if is_aggregate and not rows:
            sys.exit(f"{path}: {case['case']}: a sheet cannot sum no rows; source: hand")
        keys = case.get("group_by", [])
        keys = [key.strip() for key in keys.split(",")] if isinstance(keys, str) else keys
        for group in case.get("groups", [case]):
            mine = [row for row in rows if all(row[key] == group[key] for key in keys)]
            expected = [group["is"]] if is_aggregate else [row["is"] for row in mine]
            where = ", ".join(str(group[key]) for key in keys)
            expected = [wanted(value, case.get("type")) for value in expected]
            yield case, where, columns, [[row[name] for name in types] for row in mine], formula, expected


def can_be_asked(columns, rows, formula, is_aggregate):
    """Returns whether a sheet can evaluate the formula.

    A sheet has no instants, empty tables, control characters or columns outside the table.
    """
    names = [column["name"] for column in columns]
    values = [formula, *(value for row in rows for value in row.values())]
    return (
        (rows if is_aggregate else len(rows) < 2 or sheet.is_row_level(formula))
        and not any(column["type"] == "timestamptz" for column in columns)
        and not has_control_characters(values)
        and all(name in names for name, _ in sheet.references(formula))
    )


def has_control_characters(values):
    return any(ord(character) < 32 for value in values if isinstance(value, str) for character in value)


def agrees(expected, got, ty):
    if isinstance(got, str) and got.startswith("#"):
        got = None
    if isinstance(got, float) and isinstance(expected, str):
        if not -693593 <= got < 2958466:                          # days of the years 1 to 9999
            return False
        got = sheet.as_date(got, ty == "timestamp" or " " in expected)
    if isinstance(expected, bool) and isinstance(got, float):
        return got in (0, 1) and bool(got) is expected     # IF returns TRUE as the number 1
    if isinstance(expected, bool) or isinstance(got, bool):
        return expected is got
    if isinstance(expected, (int, float)) and isinstance(got, float):
        return math.isclose(expected, got, rel_tol=1e-9, abs_tol=1e-9)
    return expected == got


def faults_of_sheet(case, got):
    """Returns the error in a sheet case; each row must agree, or differ if the case specifies this."""
    for at, (want, have) in enumerate(zip(case.expected, got, strict=True), 1):
        agreed = agrees(want, have, None)
        if agreed and at in case.differs_in:
            yield f"row {at}: the sheet also returns {want!r}; remove the row from `differs_in`"
        elif not agreed and at not in case.differs_in:
            yield f"row {at}: expected {want!r}, the sheet returns {have!r}"


def ask_again_when_time_passed(jobs, results):
    """Evaluates formulas with several calls of NOW again, because a busy machine may compute the calls at different times."""
    for at, (_, case, _, columns, rows, formula, expected) in enumerate(jobs):
        for _ in range(3 if formula.count("NOW()") > 1 else 0):
            (got,) = results[at]
            if all(agrees(want, have, case.get("type")) for want, have in zip(expected, got, strict=False)):
                break
            (found,) = sheet.run([sheet.sheet("S0", columns, rows, [formula])])
            results[at] = sheet.answers(found, columns, rows, [formula])


def main():
    picked = os.environ.get("FORMULAC_CASES", "").lower()
    paths = [pathlib.Path(name).resolve() for name in sys.argv[1:]]
    paths = paths or [*sorted(CASES.rglob("*.yml")), *sorted(worksheets.SHEETS.rglob("*.yml"))]
    jobs, sheets = [], []
    for path in paths:
        if worksheets.SHEETS in path.parents:
            sheets += worksheets.cases_in(path, load, picked)
        else:
            jobs += [(path, *job) for job in jobs_in(path, picked)]
    try:
        texts = [sheet.sheet(f"S{at}", columns, rows, [f]) for at, (_, _, _, columns, rows, f, _) in enumerate(jobs)]
        texts += [case.text(at) for at, case in enumerate(sheets, len(jobs))]
        cells = list(sheet.run(texts)) if texts else []
    except sheet.NotInstalled as missing:
        print(missing, file=sys.stderr)
        sys.exit(NOT_INSTALLED)
    results = [sheet.answers(found, columns, rows, [f])
               for found, (_, _, _, columns, rows, f, _) in zip(cells, jobs, strict=False)]
    ask_again_when_time_passed(jobs, results)
    checked = left_out = wrong = 0
    for case, found in zip(sheets, cells[len(jobs):], strict=True):
        checked += len(case.expected)
        for fault in faults_of_sheet(case, case.answers(found)):
            wrong += 1
            print(f"{case.name}: {case.formula}: {fault}")
    differing = {}          # by case marked `contract-differs`: whether the sheet differs
    # for each value of each handwritten case: whether the row contains a blank, the sheet's value, and whether the values
    # agree
    by_hand = {}
    for (path, case, where, _, rows, formula, expected), (got,) in zip(jobs, results, strict=True):
        name = f"{path.relative_to(ROOT)}: {case['case']}"
        by_row = "is" not in case and "groups" not in case
        rule = case["source"].startswith("contract-differs")
        if len(got) < len(expected):
            wrong += 1
            print(f"{name}: {formula}: the sheet returned only {len(got)} values")
        if case["source"] == "hand":
            compared = [(by_row and None in rows[at], have, agrees(want, have, case.get("type")))
                    for at, (want, have) in enumerate(zip(expected, got, strict=False))]
            by_hand.setdefault(name, []).extend(compared)
            continue
        for at, (want, have) in enumerate(zip(expected, got, strict=False)):
            if by_row and not rule and (None in rows[at] or has_control_characters(rows[at])):
                left_out += 1
                continue
            checked += 1
            agreed = agrees(want, have, case.get("type"))
            if rule:
                differing[name] = differing.get(name, False) or not agreed
            elif not agreed:
                wrong += 1
                row = rows[at] if by_row else where
                print(f"{name}: {formula} {row}: expected {want!r}, the sheet returns {have!r}")
    for name in (name for name, differs in differing.items() if not differs):
        wrong += 1
        print(f"{name}: the sheet returns the same values; write `source: sheet`")
    for name, compared in by_hand.items():
        if any(have == "#NAME?" for _, have, _ in compared):
            continue                                              # the sheet does not have this function
        of_values = [agreed for blank, _, agreed in compared if not blank]
        if of_values and all(of_values):
            wrong += 1
            print(f"{name}: the sheet returns the same values; write `source: sheet`")
        elif not all(of_values or [agreed for _, _, agreed in compared]):
            wrong += 1
            print(f"{name}: the sheet returns {[have for _, have, _ in compared]!r}; write `source: contract-differs(rule)`")
    print(f"{checked} values checked, {left_out} rows with blanks left out, {wrong} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
