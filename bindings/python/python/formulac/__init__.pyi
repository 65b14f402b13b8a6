from collections.abc import Mapping, Sequence
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
    """Types by relation and column, `{"orders": {"amount": "decimal"}}`, or the text of a schema file or of a properties
    file of dbt. Without a schema, types are inferred from use."""
    relation: Optional[str]
    """Relation of unqualified names."""
    context: Literal["row", "measure", "worksheet"]
    """Where formulas are used: one value per row, aggregates, or calculations over the rows of a result."""
    group_by: Sequence[str]
    """Names that the query groups by."""
    order_by: Sequence[str]
    """Order of rows, `name` or `name desc`, for functions that read other rows."""
    partition_by: Sequence[str]
    """Names that partition the windows."""
    columns: Optional[Sequence[str]]
    """Columns of the worksheet: A, B, C and so on."""
    row: Optional[int]
    """Row of the worksheet for which the formulas are written, 1 by default."""
    timezone: Optional[str]
    """Time zone used to convert instants to dates."""
    blanks_as_zero: bool
    """Treat blanks as zero in `+ - *` and numerators, as Omni's engine does."""
    week_start: str
    """First day of the week, `monday` by default."""
    fiscal_month_offset: Optional[int]
    """Number of months from January to the first month of the fiscal year."""
    dbt_version: Optional[str]
    """Version of dbt that reads the models, the newest by default."""

def compile(text: str, dialect: _Dialect = "postgres", **options: Unpack[_Options]) -> Compiled:
    """Compiles definitions or one formula. Raises `FormulaError` if there is an error."""

def compile_spec(text: str, dialect: _Dialect = "postgres", **options: Unpack[_Options]) -> CompiledSpec:
    """Compiles a spec, a text in YAML, to a query and a dbt model. Raises `FormulaError` if there is an error."""

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
        """Compiles a spec, a text in YAML. Raises `FormulaError` if there is an error."""
    def check_spec(self, text: str) -> list[Diagnostic]:
        """Returns the errors and warnings of a spec and its dbt model."""

@final
class Compiled:
    """Compiled definitions, with warnings."""

    @property
    def dialect(self) -> str: ...
    @property
    def definitions(self) -> list[Definition]:
        """Definitions in the order of the text."""
    @property
    def diagnostics(self) -> list[Diagnostic]:
        """Warnings in the order of the text."""
    def __getitem__(self, name: str, /) -> Definition:
        """Returns the definition of this name. Raises `KeyError` if there is none."""

@final
class Definition:
    """A compiled definition."""

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
    def span(self) -> Span: ...

@final
class CompiledSpec:
    """A compiled spec: a query and the files of a dbt model."""

    @property
    def name(self) -> str:
        """Name of the model."""
    @property
    def dialect(self) -> str: ...
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
    def tags(self) -> list[str]: ...
    @property
    def diagnostics(self) -> list[Diagnostic]:
        """Diagnostics of the query, then those of the dbt model."""

@final
class Column:
    """A column of the result of a spec."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def nullable(self) -> bool:
        """True if a value may be NULL."""
    @property
    def description(self) -> Optional[str]: ...

@final
class Span:
    """A part of a text: `text[span.start:span.end]`."""

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
    """Another place that explains a diagnostic."""

    @property
    def span(self) -> Span: ...
    @property
    def text(self) -> str: ...

@final
class Fix:
    """A change of the text that fixes the error: replace `span` with `text`."""

    @property
    def span(self) -> Span: ...
    @property
    def text(self) -> str: ...

@final
class Diagnostic:
    """An error or a warning. `str()` gives one line with place, code, message and help."""

    @property
    def code(self) -> str:
        """Stable code, such as `F0301`. `formulac explain F0301` has more about it."""
    @property
    def name(self) -> str:
        """Readable name of the code, such as `unknown-function`."""
    @property
    def severity(self) -> Literal["error", "warning"]: ...
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
    """Raised if formulas, a spec or a schema have errors. Its text has a line per error."""

    diagnostics: list[Diagnostic]
    """Errors and warnings."""
