from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, Optional, TypedDict, Union, final

from typing_extensions import TypeAlias, Unpack

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

__version__: Final[str]

_Dialect: TypeAlias = Literal["bigquery", "duckdb", "postgres", "snowflake"]

class _Options(TypedDict, total=False):
    schema: Union[str, Mapping[str, Mapping[str, str]], None]
    """Types by relation and column, `{"orders": {"amount": "decimal"}}`, or the text of a schema file or dbt properties
    file. By default, types are inferred from use."""
    relation: Optional[str]
    """Relation of unqualified names."""
    context: Literal["row", "measure", "worksheet"]
    """Use of the formulas: `row` for a value per row, `measure` for aggregates (default), `worksheet` for cells."""
    group_by: Sequence[str]
    """Names that the query groups by."""
    order_by: Sequence[str]
    """Order of rows, `name` or `name desc`, for functions that read other rows."""
    partition_by: Sequence[str]
    """Names that partition the windows."""
    columns: Optional[Sequence[str]]
    """Columns of the worksheet, in the order A, B, C and so on. The columns of the relation by default."""
    row: Optional[int]
    """Row of the worksheet for which the formulas are written, 1 by default."""
    timezone: Optional[str]
    """Time zone in which instants are converted to dates, such as `Europe/Berlin`."""
    blanks_as_zero: bool
    """Treat blanks as zero in `+ - *` and in numerators, as Omni's engine does."""
    week_start: str
    """First day of the week, `monday` by default."""
    fiscal_month_offset: Optional[int]
    """Number of months from January to the first month of the fiscal year."""
    dbt_version: Optional[str]
    """Version of dbt that reads the models, the newest by default."""

def compile(text: str, dialect: _Dialect = "postgres", **options: Unpack[_Options]) -> Compiled:
    """Compiles definitions or one formula. Raises `FormulaError` if there is an error."""

def compile_spec(text: str, dialect: _Dialect = "postgres", **options: Unpack[_Options]) -> CompiledSpec:
    """Compiles a spec, which is YAML text, to a query and a dbt model. Raises `FormulaError` if there is an error."""

@final
class Compiler:
    """Compiles formulas and specs for one dialect. Threads can share a compiler."""

    def __new__(cls, dialect: _Dialect = "postgres", **options: Unpack[_Options]) -> Compiler: ...
    @property
    def dialect(self) -> str:
        """Name of the SQL dialect."""
    def compile(self, text: str) -> Compiled:
        """Compiles definitions or one formula. Raises `FormulaError` if there is an error."""
    def check(self, text: str) -> list[Diagnostic]:
        """Returns the errors and warnings of definitions or one formula."""
    def compile_spec(self, text: str) -> CompiledSpec:
        """Compiles a spec, which is YAML text. Raises `FormulaError` if there is an error."""
    def check_spec(self, text: str) -> list[Diagnostic]:
        """Returns the errors and warnings of a spec and its dbt model."""

@final
class Compiled:
    """Compiled definitions and their warnings. `compiled[name]` returns a definition; `in`, `len()` and iteration use the
    names."""

    def __new__(cls, dialect: str, definitions: Sequence[Definition], diagnostics: Sequence[Diagnostic]) -> Compiled: ...

    @property
    def dialect(self) -> str:
        """Name of the SQL dialect."""
    @property
    def definitions(self) -> list[Definition]:
        """Definitions in the order of the text."""
    @property
    def diagnostics(self) -> list[Diagnostic]:
        """Warnings in the order of the text."""
    def __getitem__(self, name: Optional[str], /) -> Definition:
        """Returns the definition with this name. Raises `KeyError` if there is none."""
    def __contains__(self, name: object, /) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Optional[str]]:
        """Iterates over the names in the order of the text. A formula without a name is `None`."""

@final
class Definition:
    """A compiled definition."""

    def __new__(
        cls,
        name: Optional[str],
        sql: str,
        type: str,
        level: str,
        nullable: bool,
        columns: Sequence[str],
        description: Optional[str],
        span: Span,
    ) -> Definition: ...

    @property
    def name(self) -> Optional[str]:
        """Name, `None` for a bare formula."""
    @property
    def sql(self) -> str:
        """One SQL expression in one line."""
    @property
    def type(self) -> str:
        """Type of the values: boolean, integer, decimal, float, text, date, timestamp, timestamptz, other or unknown."""
    @property
    def level(self) -> str:
        """Level at which the definition is computed: const, row, aggregate or window."""
    @property
    def nullable(self) -> bool:
        """True if a value may be NULL."""
    @property
    def columns(self) -> list[str]:
        """Columns that the definition reads: `orders.amount`, or `amount` if the relation is not known."""
    @property
    def description(self) -> Optional[str]:
        """Text of the `///` lines above the definition."""
    @property
    def span(self) -> Span:
        """Span of the definition."""

@final
class CompiledSpec:
    """A compiled spec: a query and the files of a dbt model. `compiled[name]` returns a column of the result; `in`, `len()` and
    iteration use the names of the columns."""

    def __new__(
        cls,
        name: str,
        dialect: str,
        query: str,
        model_sql: Optional[str],
        model_yml: Optional[str],
        model_md: Optional[str],
        model_tests: Mapping[str, str],
        columns: Sequence[Column],
        tables: Sequence[str],
        key: Sequence[str],
        tags: Sequence[str],
        diagnostics: Sequence[Diagnostic],
    ) -> CompiledSpec: ...

    @property
    def name(self) -> str:
        """Name of the model."""
    @property
    def dialect(self) -> str:
        """Name of the SQL dialect."""
    @property
    def query(self) -> str:
        """SQL that reads the tables themselves."""
    @property
    def model_sql(self) -> Optional[str]:
        """Text of the dbt model's `.sql` file. `None` if the spec cannot be a dbt model."""
    @property
    def model_yml(self) -> Optional[str]:
        """Text of the `.yml` file next to it."""
    @property
    def model_md(self) -> Optional[str]:
        """Text of the `.md` file next to it, if a description needs one."""
    @property
    def model_tests(self) -> dict[str, str]:
        """SQL of the model's singular tests, by name."""
    @property
    def columns(self) -> list[Column]:
        """Columns of the result."""
    @property
    def tables(self) -> list[str]:
        """Tables that the query reads."""
    @property
    def key(self) -> list[str]:
        """Columns that identify a row. Empty if the result has one row or if the key is not known."""
    @property
    def tags(self) -> list[str]:
        """Tags of the model."""
    @property
    def diagnostics(self) -> list[Diagnostic]:
        """Diagnostics of the query, then those of the dbt model."""
    def __getitem__(self, name: str, /) -> Column:
        """Returns the column with this name. Raises `KeyError` if there is none."""
    def __contains__(self, name: object, /) -> bool: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]:
        """Iterates over the names of the columns, in their order in the result."""

@final
class Column:
    """A column in the result of a spec."""

    def __new__(cls, name: str, type: str, nullable: bool, description: Optional[str]) -> Column: ...
    @property
    def name(self) -> str:
        """Name."""
    @property
    def type(self) -> str:
        """Type of the values, such as `decimal`."""
    @property
    def nullable(self) -> bool:
        """True if a value may be NULL."""
    @property
    def description(self) -> Optional[str]:
        """Description from the spec or the schema."""

@final
class Span:
    """A part of source text: `text[span.start:span.end]`."""

    def __new__(cls, start: int, end: int, line: int, column: int) -> Span: ...

    @property
    def start(self) -> int:
        """Offset of the first character."""
    @property
    def end(self) -> int:
        """Offset after the last character."""
    @property
    def line(self) -> int:
        """Line of the first character, from 1."""
    @property
    def column(self) -> int:
        """Column of the first character, from 1."""

@final
class Label:
    """Additional span with a label that explains a diagnostic."""

    def __new__(cls, span: Span, text: str) -> Label: ...
    @property
    def span(self) -> Span:
        """Span that the label explains."""
    @property
    def text(self) -> str:
        """Text of the label."""

@final
class Fix:
    """Edit that fixes the error by replacing `span` with `text`. The fixes for the same source never overlap."""

    def __new__(cls, span: Span, text: str) -> Fix: ...
    @property
    def span(self) -> Span:
        """Span that the fix replaces."""
    @property
    def text(self) -> str:
        """Replacement text."""

@final
class Diagnostic:
    """An error or a warning. `str()` returns one line with the position, code, message and help."""

    def __new__(
        cls,
        code: str,
        name: str,
        severity: Literal["error", "warning"],
        message: str,
        label: Optional[str],
        help: Optional[str],
        span: Span,
        labels: Sequence[Label],
        fix: Optional[Fix],
    ) -> Diagnostic: ...

    @property
    def code(self) -> str:
        """Stable code, such as `F0301`. `formulac explain F0301` has more about it."""
    @property
    def name(self) -> str:
        """Readable name of the code, such as `unknown-function`."""
    @property
    def severity(self) -> Literal["error", "warning"]:
        """Severity."""
    @property
    def message(self) -> str:
        """What is wrong."""
    @property
    def label(self) -> Optional[str]:
        """Text for the place of the error."""
    @property
    def help(self) -> Optional[str]:
        """How to fix the error."""
    @property
    def span(self) -> Span:
        """Place of the error."""
    @property
    def labels(self) -> list[Label]:
        """Other places that explain the error."""
    @property
    def fix(self) -> Optional[Fix]:
        """Change that fixes the error, if there is a safe one."""

class FormulaError(Exception):
    """Raised if formulas, a spec or a schema have errors. Its message has one line per error."""

    diagnostics: list[Diagnostic]
    """Errors and warnings."""
    text: str
    """Text to which the spans of the diagnostics refer: the formulas, the spec or the schema."""
