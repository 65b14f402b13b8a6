"""Sheet cases (tests/conformance/sheets) as sheets of LibreOffice Calc: the same columns and rows, the formula as it is
written, filled down.

A formula is written for one row, the anchor, and the references move with the row: in row 3 `B0` is `B2`. Above the first
row stand empty ones, so that a range may begin before it; a single cell outside the sheet is `NA()`, as a reference that a
spreadsheet has lost. Whole columns are cut to the rows of the sheet, and names are this row's cell.
"""
import pathlib
import re

import sheet

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHEETS = ROOT / "tests" / "conformance" / "sheets"
TOP = 50
LAST_ROW = 1_048_576
CELL = r"\$?[A-Za-z]{1,3}\$?[0-9]+"
COLUMN = r"\$?[A-Z]{1,2}"


class Case:
    def __init__(self, path, document, case):
        self.name = f"{path.relative_to(ROOT)}: {case['case']}"
        self.formula = case.get("sheet", case.get("formula"))
        self.columns = document["columns"]
        self.rows = document["rows"]
        self.calculations = [*case.get("with", {}).items(), ("result", self.formula)]
        self.anchor = case.get("row", 1)
        self.expected = case.get("is", [])
        self.rule = case["source"].startswith("contract-differs") if "source" in case else False
        self.differs_in = case.get("differs_in", [])
        self.is_asked = case.get("source", "hand") != "hand" and bool(self.rows)
        self.names = [*self.columns, *(name for name, _ in self.calculations[:-1])]

    def letter(self, name):
        return sheet.letters([known.lower() for known in self.names].index(name.lower()))

    def in_row(self, formula, at):
        """Returns the formula as written in this row of the sheet, counted from 1."""
        names = "|".join(sorted(map(re.escape, self.names), key=len, reverse=True))
        reference = re.compile(
            rf"(?<![\w.$])(?:(?P<from>{CELL}|{COLUMN}):(?P<to>{CELL}|{COLUMN})"
            rf"|(?i:(?P<name>{names}))|(?P<cell>{CELL})|(?P<column>{COLUMN}))(?![\w(.])")
        parts = re.split(r'("(?:[^"]|"")*")', formula)       # texts stay as they are
        for number in range(0, len(parts), 2):
            plain = re.sub(r"\bROW\(\)", f"(ROW()-{TOP})", parts[number])
            parts[number] = sheet.with_prefixes(reference.sub(lambda match: self.address(match, at), plain))
        return "".join(parts)

    def address(self, match, at):
        if match["name"]:
            return f"{self.letter(match['name'])}{TOP + at}"
        if match["column"]:
            return f"{match['column'].replace('$', '')}{TOP + at}"
        if match["cell"]:
            column, row = self.place(match["cell"], at)
            return f"{column}{TOP + row}" if 1 <= row <= len(self.rows) else "NA()"
        (first, a), (last, b) = self.place(match["from"], at), self.place(match["to"], at)
        whole = a is None and b is None
        a, b = (1, len(self.rows)) if whole else (min(1, b) if a is None else a, max(len(self.rows), a) if b is None else b)
        rows = [min(max(TOP + row, 1), LAST_ROW) for row in sorted((a, b))]
        return f"${first}${rows[0]}:${last}${rows[1]}"

    def place(self, text, at):
        letters, fixed, row = re.fullmatch(r"\$?([A-Za-z]+)(\$?)([0-9]*)", text).groups()
        if not row:
            return letters.upper(), None
        return letters.upper(), int(row) if fixed else int(row) + at - self.anchor

    def text(self, number):
        """Returns the sheet as XML for the document."""
        kinds = [kind.rstrip("!") for kind in self.columns.values()]
        lines = ["<table:table-row/>"] * TOP
        for at, row in enumerate(self.rows, 1):
            line = "".join(sheet.cell(value, kind) for value, kind in zip(row, kinds, strict=True))
            line += "".join(sheet.formula_cell(self.in_row(formula, at)) for _, formula in self.calculations)
            result = sheet.letters(len(self.columns) + len(self.calculations) - 1)
            line += sheet.formula_cell(sheet.as_text(f"{result}{TOP + at}"))
            lines.append(f"<table:table-row>{line}</table:table-row>")
        body = "\n".join(lines)
        return f'<table:table table:name="S{number}">\n{body}\n</table:table>\n'

    def answers(self, cells):
        place = len(self.columns) + len(self.calculations)
        return [sheet.decoded(line[place]) for line in cells[TOP:TOP + len(self.rows)]]


def cases_in(path, load, picked):
    document = load(path)
    cases = [Case(path, document, case) for case in document["cases"]]
    return [case for case in cases if case.is_asked and picked in case.name.lower()]
