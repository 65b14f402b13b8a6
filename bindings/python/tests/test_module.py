"""The module, as installed by the wheel."""

import ast
import copy
import doctest
import inspect
import pickle
import re
import threading
from importlib.metadata import version
from pathlib import Path

import formulac
import pytest

HERE = Path(__file__).parent
SCHEMA = {"orders": {"id": "integer", "amount": "decimal", "status": "text", "paid_at": "date"}}
SPEC = """
model: revenue_by_month
from: orders
group_by: paid_at[month]
definitions: |
  /// All that was paid
  revenue = SUM(amount)
"""


def test_definitions():
    compiled = formulac.compile(
        "/// Paid\nrevenue = SUMIF(status = \"paid\", amount)\naov = revenue / COUNT()",
        dialect="duckdb",
        schema=SCHEMA,
        relation="orders",
    )
    revenue, aov = compiled.definitions
    assert compiled["revenue"].sql == revenue.sql == "coalesce(sum(case when status = 'paid' then amount end), 0)"
    assert (revenue.type, revenue.level, revenue.nullable) == ("decimal", "aggregate", False)
    assert revenue.columns == ["orders.status", "orders.amount"]
    assert revenue.description == "Paid"
    assert (aov.name, aov.nullable) == ("aov", True)
    assert formulac.compile("COUNT()").definitions[0].name is None
    assert (compiled.dialect, compiled.diagnostics) == ("duckdb", [])
    with pytest.raises(KeyError, match="costs"):
        compiled["costs"]


def test_places_are_characters():
    text = 'größe = "ü🎈" & "x"\ntotal = SUMM(amount)'
    with pytest.raises(formulac.FormulaError) as raised:
        formulac.compile(text)
    (error,) = raised.value.diagnostics
    span = error.span
    assert text[span.start : span.end] == "SUMM"
    assert (span.line, span.column) == (2, 9)
    assert (error.code, error.name, error.severity) == ("F0301", "unknown-function", "error")
    assert error.message in str(raised.value)
    assert str(error).startswith("2:9: error F0301: ")


def test_fixes():
    text = 'ö = 1\nopen = COUNTIF(status; "open")'
    fix = next(it.fix for it in formulac.Compiler().check(text) if it.fix)
    fixed = text[: fix.span.start] + fix.text + text[fix.span.end :]
    assert formulac.compile(fixed)["open"].sql == "count(case when lower(status) = 'open' then 1 end)"


def test_labels_have_places():
    text = "a = SUM(é)\na = SUM(y)"
    error = formulac.Compiler().check(text)[0]
    assert [text[it.span.start : it.span.end] for it in error.labels] == ["a"]
    assert error.labels[0].span.line != error.span.line


def test_warnings_do_not_raise():
    text = "share = COUNTIF(status = \"open\") / COUNT() * 0"
    schema = "relations: {orders: {columns: {status: {type: text, values: [Open, Paid]}}}}"
    (warning,) = formulac.compile(text, schema=schema, relation="orders").diagnostics
    assert (warning.severity, warning.code) == ("warning", "W0470")


def test_spec():
    compiled = formulac.compile_spec(SPEC, dialect="duckdb", schema=SCHEMA)
    assert (compiled.name, compiled.key, compiled.tables) == ("revenue_by_month", ["paid_at_month"], ["orders"])
    assert [(it.name, it.type, it.description) for it in compiled.columns] == [
        ("paid_at_month", "date", "paid_at[month]"),
        ("revenue", "decimal", "All that was paid"),
    ]
    assert "from orders" in compiled.query
    assert "ref(" not in compiled.query
    assert "revenue" in compiled.model_sql
    assert "- unique" in compiled.model_yml
    assert compiled.model_tests == {}


def test_a_spec_with_errors():
    compiler = formulac.Compiler("duckdb", schema=SCHEMA)
    wrong = SPEC.replace("SUM(amount)", "SUM(amout)")
    with pytest.raises(formulac.FormulaError, match="amout") as raised:
        compiler.compile_spec(wrong)
    assert [it.code for it in raised.value.diagnostics] == [it.code for it in compiler.check_spec(wrong)]
    span = raised.value.diagnostics[0].span
    assert wrong[span.start : span.end] == "amout"


def test_results_can_be_copied_and_pickled():
    formulas = formulac.compile("a = SUM(amount)\nb = COUNT()", schema=SCHEMA, relation="orders")
    spec = formulac.compile_spec(SPEC, schema=SCHEMA)
    found = formulac.Compiler().check("a = SUM(x)\na = SUM(y);")
    for result in [formulas, formulas["a"], formulas["a"].span, spec, spec.columns[0], *found, found[0].labels[0]]:
        for same in [pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)]:
            assert same == result and hash(same) == hash(result) and repr(same) == repr(result)
    assert formulas["a"] != formulas["b"]
    with pytest.raises(formulac.FormulaError) as raised:
        formulac.compile("SUMM(x)")
    for same in [pickle.loads(pickle.dumps(raised.value)), copy.copy(raised.value)]:
        assert (str(same), same.diagnostics, same.text) == (str(raised.value), raised.value.diagnostics, "SUMM(x)")


def test_names_of_definitions():
    compiled = formulac.compile("a = SUM(x)\nb = COUNT()")
    assert ("a" in compiled, "c" in compiled, 1 in compiled) == (True, False, False)
    assert (list(compiled), len(compiled)) == (["a", "b"], 2)
    formula = formulac.compile("SUM(x)")
    assert (list(formula), formula[None].name) == ([None], None)
    assert repr(formula) == "<Compiled of 1 definition for postgres>"


def test_names_of_columns():
    compiled = formulac.compile_spec(SPEC, dialect="duckdb", schema=SCHEMA)
    assert ("revenue" in compiled, "amount" in compiled, None in compiled) == (True, False, False)
    assert (list(compiled), len(compiled)) == (["paid_at_month", "revenue"], 2)
    assert compiled["revenue"] == compiled.columns[1]
    with pytest.raises(KeyError, match="amount"):
        compiled["amount"]


def test_wrong_schemas():
    for schema, error, message in [
        ({"orders": {"x": "decimel"}}, ValueError, 'schema["orders"]["x"]: unknown type `decimel`; did you mean `decimal`?'),
        ({"orders": {"x": 1}}, TypeError, 'schema["orders"]["x"]: expected a type, such as \'decimal\', found int'),
        ({"orders": ["x"]}, TypeError, 'schema["orders"]: expected a mapping from columns to types, found list'),
        ({1: {}}, TypeError, "schema: expected names as keys, found int"),
        (7, TypeError, "schema: expected a string or a mapping, found int"),
    ]:
        with pytest.raises(error) as raised:
            formulac.Compiler(schema=schema)
        assert str(raised.value) == message
    text = "relations:\n  orders:\n    columns: {x: decimel}\n"
    with pytest.raises(formulac.FormulaError, match="^schema: 3:18: error F0821") as raised:
        formulac.compile("SUM(x)", schema=text)
    (fault,) = raised.value.diagnostics
    assert raised.value.text[fault.span.start : fault.span.end] == "decimel"


def test_wrong_arguments_are_named():
    for options, error in [
        ({"row": 0}, ValueError),
        ({"row": "1"}, TypeError),
        ({"group_by": "month"}, TypeError),
        ({"blanks_as_zero": 1}, TypeError),
        ({"timezone": "Europe/Belin"}, ValueError),
        ({"fiscal_month_offset": 300}, OverflowError),
    ]:
        (name,) = options
        with pytest.raises(error, match=name):
            formulac.Compiler(**options)


def test_schemas():
    text = "relations: {orders: {columns: {amount: float}}}"
    assert formulac.compile("SUM(amount)", schema=text, relation="orders").definitions[0].type == "float"
    with pytest.raises(formulac.FormulaError) as raised:
        formulac.compile("SUM(amount)", schema="relations: {orders: {columns: {amount: {type: flot}}}}")
    assert raised.value.diagnostics[0].severity == "error"


def test_options():
    sheet = formulac.Compiler(context="worksheet", columns=["month", "revenue"], order_by=["month"])
    assert sheet.compile("=B1 - B0").definitions[0].sql == "revenue - lag(revenue, 1) over (order by month)"
    for options in [{"dialect": "oracle"}, {"context": "cell"}, {"week_start": "someday"}]:
        with pytest.raises(ValueError, match=next(iter(options))):
            formulac.Compiler(**options)
    with pytest.raises(TypeError):
        formulac.Compiler(colour="red")


def test_threads_share_a_compiler():
    compiler, results = formulac.Compiler("bigquery"), []
    work = [threading.Thread(target=lambda: results.append(compiler.compile("SUM(x)").definitions[0].sql)) for _ in range(8)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert results == ["coalesce(sum(x), 0)"] * 8


def test_nested_input_is_an_error():
    with pytest.raises(formulac.FormulaError):
        formulac.compile("(" * 100_000)


def test_everything_has_a_docstring():
    for name in formulac.__all__:
        it = getattr(formulac, name)
        assert name == "__version__" or inspect.getdoc(it), name
        for attribute, value in vars(it).items() if inspect.isclass(it) else ():
            assert attribute.startswith("_") or inspect.getdoc(value), f"{name}.{attribute}"
    assert doctest.testmod(formulac).attempted > 1
    assert doctest.testmod(formulac).failed == 0


def test_stubs_list_the_options():
    stubs = ast.parse((Path(formulac.__file__).parent / "__init__.pyi").read_text())
    options = next(it for it in stubs.body if isinstance(it, ast.ClassDef) and it.name == "_Options")
    listed = [it.target.id for it in options.body if isinstance(it, ast.AnnAssign)]
    assert listed == list(inspect.signature(formulac.Compiler).parameters)[1:]
    page = (HERE.parents[2] / "docs" / "python.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, re.M) == listed


def test_the_page_of_the_manual():
    page = (HERE.parents[2] / "docs" / "python.md").read_text()
    code = "".join(re.findall(r"```python\n(.*?)```", page, re.S))
    printed = []
    exec(code, {"print": lambda *values: printed.append(" ".join(map(str, values)))})
    assert printed == re.findall(r"  # (.+)$", code, re.M)


def test_versions_agree():
    assert formulac.__version__ == version("formulac")
