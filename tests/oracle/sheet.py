"""Evaluates spreadsheet formulas with LibreOffice Calc (headless), many small sheets in one start.

A job is (columns, rows, formulas): the columns' names and neutral types, their rows, and formulas in
Excel syntax where `[x]` is this row's cell of column x and `[x:]` the whole column. The answer is one
list of values per formula: one value per row, or one value when the formula has no `[x]`.
"""
import csv
import datetime as dt
import io
import os
import re
import shutil
import subprocess
import tempfile
from xml.sax.saxutils import escape, quoteattr

EPOCH = dt.datetime(1899, 12, 30)
ERRORS = {"1": "#NULL!", "2": "#DIV/0!", "3": "#VALUE!", "4": "#REF!", "5": "#NAME?", "6": "#NUM!",
          "7": "#N/A"}
# functions that are newer than the file format's first list have a prefix in files
YOUNG = re.compile(
    r"(?<![A-Za-z0-9_.])(CONCAT|IFNA|IFS|MAXIFS|MINIFS|SWITCH|DAYS|XOR|BITAND|BITOR|BITXOR|BITRSHIFT|"
    r"BITLSHIFT|COT|TEXTJOIN|NUMBERVALUE|UNICHAR|UNICODE|"
    r"ISOWEEKNUM|(?:FLOOR|CEILING)\.(?:MATH|PRECISE)|COVARIANCE\.[PS]|STDEV\.[PS]|VAR\.[PS]|"
    r"(?:PERCENTILE|QUARTILE|PERCENTRANK)\.(?:INC|EXC)|RANK\.(?:EQ|AVG)|NORM\.(?:S\.)?DIST|MODE\.SNGL)(?=\()", re.I)
# and LibreOffice's own functions have the prefix of their vendor
OWN = re.compile(r"(?<![A-Za-z0-9_.])(REGEX)(?=\()", re.I)
REFERENCE = re.compile(r"\[([A-Za-z_][A-Za-z0-9_]*)(:?)\]")

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"
 xmlns:number="urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0"
 xmlns:msoxl="http://schemas.microsoft.com/office/excel/formula"
 office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.spreadsheet">
<office:automatic-styles><number:date-style style:name="N1"><number:year number:style="long"/>
</number:date-style><style:style style:name="dt" style:family="table-cell"
 style:data-style-name="N1"/></office:automatic-styles>
<office:body><office:spreadsheet><table:calculation-settings table:case-sensitive="false"
 table:search-criteria-must-apply-to-whole-cell="true" table:automatic-find-labels="false"
 table:use-regular-expressions="false" table:use-wildcards="true"/>
"""
TAIL = "</office:spreadsheet></office:body></office:document>"


class NotInstalled(Exception):
    """The spreadsheet program is not installed."""


def evaluate(jobs):
    """Returns the results of all jobs, in order."""
    cells = run(sheet(f"S{number}", *job) for number, job in enumerate(jobs))
    return (answers(found, *job) for found, job in zip(cells, jobs, strict=True))


def run(sheets):
    """Returns the cells of all sheets. Each sheet is the text of a table that is named after its position: `S0`, `S1`."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if not program:
        raise NotInstalled("LibreOffice Calc is not installed (Debian package libreoffice-calc)")
    directory = tempfile.mkdtemp(prefix="formulac-sheet-")
    try:
        path = os.path.join(directory, "in.fods")
        count = 0
        with open(path, "w", encoding="utf-8") as file:
            file.write(HEAD)
            for count, text in enumerate(sheets, 1):
                file.write(text)
            file.write(TAIL)
        subprocess.run(
            [program, f"-env:UserInstallation=file://{directory}/profile", "--headless",
             "--norestore", "--convert-to",
             # the last token: write every sheet to a separate file
             "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,true,false,false,false,false,-1",
             "--outdir", directory, path],
            check=True, stdout=subprocess.DEVNULL, timeout=600,
        )
        for number in range(count):
            with open(os.path.join(directory, f"in-S{number}.csv"), encoding="utf-8") as file:
                yield list(csv.reader(io.StringIO(file.read())))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def letters(number):
    name = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name


TEXT = re.compile(r'("(?:[^"]|"")*")')


def references(formula):
    """Returns the columns that the formula reads, and whether it reads whole columns. Strings are skipped."""
    return [found for part in TEXT.split(formula)[::2] for found in REFERENCE.findall(part)]


def is_row_level(formula):
    return any(not whole for _, whole in references(formula))


def expand(formula, names, row, last):
    def one(match):
        column = letters(names.index(match.group(1)))
        return f"${column}$2:${column}${last}" if match.group(2) else f"{column}{row}"
    parts = TEXT.split(formula)
    return "".join(part if at % 2 else with_prefixes(REFERENCE.sub(one, part)) for at, part in enumerate(parts))


def with_prefixes(part):
    """Returns part of a formula without strings, with the prefixes that some functions have in files."""
    part = OWN.sub(r"_xlfn.ORG.LIBREOFFICE.\1", part)
    return YOUNG.sub(lambda m: "_xlfn." + m.group(1).upper(), part)


def cell(value, kind):
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, bool):
        return (f'<table:table-cell office:value-type="boolean" '
                f'office:boolean-value="{str(value).lower()}"/>')
    if kind in ("date", "timestamp"):
        iso = str(value).replace(" ", "T")
        return (f'<table:table-cell table:style-name="dt" office:value-type="date" '
                f'office:date-value="{iso}"/>')
    if kind in ("integer", "decimal", "float"):
        return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
    body = escape(str(value))
    body = re.sub(r" ( +)", lambda m: f' <text:s text:c="{len(m.group(1))}"/>', body)
    body = re.sub(r"^ ", "<text:s/>", body)
    body = re.sub(r" $", "<text:s/>", body)
    return f'<table:table-cell office:value-type="string"><text:p>{body}</text:p></table:table-cell>'


def formula_cell(formula, is_array=False):
    """As an array formula, it computes `x:x > 0` for each row instead of only for its own row."""
    array = ' table:number-matrix-columns-spanned="1" table:number-matrix-rows-spanned="1"' if is_array else ""
    return f'<table:table-cell{array} table:formula={quoteattr("msoxl:" + formula)}/>'


def as_text(address):
    """Returns a formula that writes a cell together with its type, so that cell formats lose no information."""
    return (f'=IF(ISERROR({address}),"E"&IFERROR(ERROR.TYPE({address}),6),IF(ISLOGICAL({address}),'
            f'"B"&IF({address},1,0),IF(ISNUMBER({address}),"N"&TEXT({address},'
            f'"0.00000000000000E+000"),"S"&{address})))')


def sheet(name, columns, rows, formulas):
    names = [column["name"] for column in columns]
    count = max(len(rows), 1)
    lines = ["".join(cell(column, "text") for column in names)]
    for at in range(count):
        row = at + 2
        values = rows[at] if at < len(rows) else [None] * len(names)
        line = "".join(cell(v, column["type"]) for v, column in zip(values, columns))
        wanted = [at == 0 or is_row_level(formula) for formula in formulas]
        for formula, is_wanted in zip(formulas, wanted):
            plain = expand(formula, names, row, count + 1)
            is_array = not is_row_level(formula)
            line += formula_cell(plain, is_array) if is_wanted else "<table:table-cell/>"
        for number, is_wanted in enumerate(wanted):
            address = f"{letters(len(names) + number)}{row}"
            line += formula_cell(as_text(address)) if is_wanted else "<table:table-cell/>"
        lines.append(line)
    body = "\n".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    return f'<table:table table:name="{name}">\n{body}\n</table:table>\n'


def answers(cells, columns, rows, formulas):
    first = len(columns) + len(formulas)
    found = []
    for number, formula in enumerate(formulas):
        lines = cells[1:len(rows) + 1] if is_row_level(formula) else cells[1:2]
        found.append([decoded(line[first + number]) for line in lines])
    return found


def decoded(text):
    kind, body = text[:1], text[1:]
    if kind == "N":
        return float(body)
    if kind == "B":
        return body == "1"
    if kind == "E":
        return ERRORS.get(body, "#ERROR" + body)
    return body


def as_date(number, with_time):
    """Returns a spreadsheet's day number as an ISO date."""
    moment = EPOCH + dt.timedelta(seconds=round(number * 86400))
    return moment.isoformat(sep=" ") if with_time else moment.date().isoformat()
