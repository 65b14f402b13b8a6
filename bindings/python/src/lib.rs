//! Native part of the Python module `formulac`. The file `python/formulac/__init__.pyi` contains the types.

mod class;
mod diagnostic;
mod results;
mod schema;

use std::fmt::Display;

use formulac::{Compiler as RustCompiler, Context, Dialect};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use diagnostic::{Diagnostic, Offsets, fail};
use results::{Compiled, CompiledSpec};
use schema::read_schema;

/// Compiler for formulas and specs in one dialect. Several threads can share a compiler.
#[pyclass(frozen, module = "formulac")]
struct Compiler {
    compiler: RustCompiler,
}

fn invalid(fault: impl Display) -> PyErr {
    PyValueError::new_err(fault.to_string())
}

fn context_of(name: &str) -> PyResult<Context> {
    match name {
        "row" => Ok(Context::Row),
        "measure" => Ok(Context::Measure),
        "worksheet" => Ok(Context::Worksheet),
        _ => Err(invalid(format_args!(
            "unknown context `{name}`: use row, measure or worksheet"
        ))),
    }
}

#[pymethods]
impl Compiler {
    #[new]
    #[pyo3(signature = (dialect = "postgres", *, schema = None, relation = None, context = "measure", group_by = vec![],
        order_by = vec![], partition_by = vec![], columns = None, row = None, timezone = None, blanks_as_zero = false,
        week_start = "monday", fiscal_month_offset = None, dbt_version = None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments in Python
    fn new(
        dialect: &str,
        schema: Option<Bound<'_, PyAny>>,
        relation: Option<String>,
        context: &str,
        group_by: Vec<String>,
        order_by: Vec<String>,
        partition_by: Vec<String>,
        columns: Option<Vec<String>>,
        row: Option<u32>,
        timezone: Option<String>,
        blanks_as_zero: bool,
        week_start: &str,
        fiscal_month_offset: Option<u8>,
        dbt_version: Option<&str>,
    ) -> PyResult<Self> {
        let dialect: Dialect = dialect.parse().map_err(invalid)?;
        let week_start = week_start
            .parse()
            .map_err(|fault| invalid(format_args!("week_start: {fault}")))?;
        if row == Some(0) {
            return Err(invalid("row: the first row is 1"));
        }
        let mut builder = RustCompiler::builder().dialect(dialect).context(context_of(context)?);
        builder = builder.group_by(group_by).order_by(order_by).partition_by(partition_by);
        builder = builder.blanks_as_zero(blanks_as_zero).week_start(week_start);
        if let Some(schema) = schema {
            builder = builder.schema(read_schema(&schema, dialect)?);
        }
        builder = relation.into_iter().fold(builder, |it, relation| it.from(relation));
        builder = columns.into_iter().fold(builder, |it, columns| it.columns(columns));
        builder = row.into_iter().fold(builder, |it, row| it.row(row));
        if let Some(zone) = timezone {
            let zone = formulac::parse_time_zone(&zone).map_err(|fault| invalid(format_args!("timezone: {fault}")))?;
            builder = builder.timezone(zone);
        }
        builder = fiscal_month_offset
            .into_iter()
            .fold(builder, |it, months| it.fiscal_month_offset(months));
        builder = dbt_version
            .into_iter()
            .fold(builder, |it, version| it.dbt_version(version));
        Ok(Self {
            compiler: builder.build(),
        })
    }

    /// Name of the SQL dialect.
    #[getter]
    fn dialect(&self) -> &'static str {
        self.compiler.dialect().name()
    }

    /// Compiles definitions or a single formula. Raises `FormulaError` if the text has an error.
    fn compile(&self, py: Python<'_>, text: &str) -> PyResult<Compiled> {
        let compiled = py.detach(|| self.compiler.compile(text));
        let offsets = Offsets::new(text);
        let diagnostics = offsets.diagnostics(compiled.diagnostics());
        if compiled.has_errors() {
            return Err(fail(py, diagnostics, text, ""));
        }
        Ok(Compiled::from_compiled(&compiled, diagnostics, &offsets))
    }

    /// Returns the errors and warnings of definitions or a single formula.
    fn check(&self, py: Python<'_>, text: &str) -> Vec<Diagnostic> {
        let compiled = py.detach(|| self.compiler.compile(text));
        Offsets::new(text).diagnostics(compiled.diagnostics())
    }

    /// Compiles a spec in YAML. Raises `FormulaError` if the spec has an error.
    fn compile_spec(&self, py: Python<'_>, text: &str) -> PyResult<CompiledSpec> {
        let compiled = py.detach(|| self.compiler.compile_spec(text));
        let diagnostics = results::diagnostics_of_spec(&compiled, text);
        if compiled.query().is_none() {
            return Err(fail(py, diagnostics, text, ""));
        }
        Ok(CompiledSpec::from_compiled(&compiled, diagnostics))
    }

    /// Returns the errors and warnings of a spec and its dbt model.
    fn check_spec(&self, py: Python<'_>, text: &str) -> Vec<Diagnostic> {
        results::diagnostics_of_spec(&py.detach(|| self.compiler.compile_spec(text)), text)
    }

    fn __repr__(&self) -> String {
        format!("Compiler(dialect='{}')", self.dialect())
    }
}

#[pymodule]
mod _formulac {
    #[pymodule_export]
    use super::Compiler;
    #[pymodule_export]
    use super::diagnostic::{Diagnostic, Fix, FormulaError, Label, Span};
    #[pymodule_export]
    use super::results::{Column, Compiled, CompiledSpec, Definition};

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
