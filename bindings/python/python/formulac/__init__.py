"""Compiles spreadsheet-style formulas to SQL and dbt models.

>>> import formulac
>>> compiled = formulac.compile("aov = SUM(revenue) / COUNT()", dialect="duckdb")
>>> compiled["aov"].sql
'coalesce(sum(revenue), 0) / nullif(count(*), 0)'

Positions in text are character offsets, as in Python's own indexing: ``text[span.start:span.end]``.
"""

from ._formulac import (
    VERSION as __version__,
    Column,
    Compiled,
    CompiledSpec,
    Compiler,
    Definition,
    Diagnostic,
    Fix,
    FormulaError,
    Label,
    Span,
)

__all__ = [
    "Column",
    "Compiled",
    "CompiledSpec",
    "Compiler",
    "Definition",
    "Diagnostic",
    "Fix",
    "FormulaError",
    "Label",
    "Span",
    "__version__",
    "compile",
    "compile_spec",
]


def compile(text, dialect="postgres", **options):
    """Compiles definitions or one formula. The options are those of `Compiler`.

    Raises `FormulaError` if there is an error.
    """
    return Compiler(dialect, **options).compile(text)


def compile_spec(text, dialect="postgres", **options):
    """Compiles a spec, which is YAML text, to a query and a dbt model. The options are those of `Compiler`.

    Raises `FormulaError` if there is an error.
    """
    return Compiler(dialect, **options).compile_spec(text)
