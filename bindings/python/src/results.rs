//! Results of compiling formulas and specs.

use std::collections::BTreeMap;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};

use crate::class::result_class;
use crate::diagnostic::{Diagnostic, Offsets, Span};

result_class! {
    /// Compiled definition.
    Definition {
        /// Name. `None` for a formula without a name.
        name: Option<String>,
        /// SQL expression on one line.
        sql: String,
        /// Type of the values, such as `decimal`.
        r#type: String,
        /// Level at which the definition is computed: const, row, aggregate or window.
        level: String,
        /// Whether a value may be NULL.
        nullable: bool,
        /// Columns that the definition reads, such as `orders.amount`.
        columns: Vec<String>,
        /// Text of the `///` lines above the definition.
        description: Option<String>,
        /// Span of the definition.
        span: Span,
    }
    {
        fn __repr__(&self) -> String {
            let name = self.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            format!("<Definition {name}{}>", self.sql)
        }
    }
}

result_class! {
    /// Compiled definitions and their warnings. `compiled[name]` returns a definition; `in`, `len()` and iteration use
    /// the names.
    Compiled {
        /// Name of the SQL dialect.
        dialect: String,
        /// Definitions in the order of the text.
        definitions: Vec<Definition>,
        /// Warnings in the order of the text.
        diagnostics: Vec<Diagnostic>,
    }
    {
        fn __getitem__(&self, name: Option<&str>) -> PyResult<Definition> {
            let found = self.definitions.iter().find(|it| it.name.as_deref() == name);
            found
                .cloned()
                .ok_or_else(|| PyKeyError::new_err(name.map(str::to_owned)))
        }

        fn __contains__(&self, name: &Bound<'_, PyAny>) -> bool {
            let name = name.extract::<Option<String>>();
            name.is_ok_and(|name| self.definitions.iter().any(|it| it.name == name))
        }

        fn __len__(&self) -> usize {
            self.definitions.len()
        }

        fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
            PyList::new(py, self.definitions.iter().map(|it| it.name.clone()))?.try_iter()
        }

        fn __repr__(&self) -> String {
            let count = self.definitions.len();
            let noun = if count == 1 { "definition" } else { "definitions" };
            format!("<Compiled of {count} {noun} for {}>", self.dialect)
        }
    }
}

impl Compiled {
    pub fn from_compiled(from: &formulac::Compiled, diagnostics: Vec<Diagnostic>, offsets: &Offsets<'_>) -> Self {
        let one = |it: &formulac::Definition| Definition {
            name: it.name().map(str::to_owned),
            sql: it.sql().to_owned(),
            r#type: it.ty().to_string(),
            level: it.level().to_string(),
            nullable: it.nullable(),
            columns: it.columns().map(formulac::ReadColumn::path).collect(),
            description: it.description().map(str::to_owned),
            span: offsets.span(it.span()),
        };
        let definitions = from.definitions().iter().map(one).collect();
        Self {
            dialect: from.dialect().name().to_owned(),
            definitions,
            diagnostics,
        }
    }
}

result_class! {
    /// Column in a spec's result.
    Column {
        /// Name.
        name: String,
        /// Type of the values, such as `decimal`.
        r#type: String,
        /// Whether a value may be NULL.
        nullable: bool,
        /// Description from the spec or the schema.
        description: Option<String>,
    }
    {
        fn __repr__(&self) -> String {
            format!("<Column {}: {}>", self.name, self.r#type)
        }
    }
}

result_class! {
    /// Compiled spec: a query and the files of a dbt model. `compiled[name]` returns a column of the result; `in`,
    /// `len()` and iteration use the names of the columns.
    CompiledSpec {
        /// Name of the model.
        name: String,
        /// Name of the SQL dialect.
        dialect: String,
        /// SQL query that contains the names of the tables instead of dbt's `ref` and `source`.
        query: String,
        /// Text of the dbt model's `.sql` file. `None` if the spec cannot be a dbt model.
        model_sql: Option<String>,
        /// Text of the model's `.yml` file.
        model_yml: Option<String>,
        /// Text of the model's `.md` file, if a description needs one.
        model_md: Option<String>,
        /// SQL of the model's singular tests, by name.
        model_tests: BTreeMap<String, String>,
        /// Columns of the result.
        columns: Vec<Column>,
        /// Tables that the query reads.
        tables: Vec<String>,
        /// Columns that identify a row. Empty if the result has one row or if the key is unknown.
        key: Vec<String>,
        /// Tags of the model.
        tags: Vec<String>,
        /// Diagnostics of the query, followed by the diagnostics of the dbt model.
        diagnostics: Vec<Diagnostic>,
    }
    {
        fn __getitem__(&self, name: &str) -> PyResult<Column> {
            let found = self.columns.iter().find(|it| it.name == name);
            found.cloned().ok_or_else(|| PyKeyError::new_err(name.to_owned()))
        }

        fn __contains__(&self, name: &Bound<'_, PyAny>) -> bool {
            let name = name.extract::<String>();
            name.is_ok_and(|name| self.columns.iter().any(|it| it.name == name))
        }

        fn __len__(&self) -> usize {
            self.columns.len()
        }

        fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
            PyList::new(py, self.columns.iter().map(|it| it.name.clone()))?.try_iter()
        }

        fn __repr__(&self) -> String {
            format!("<CompiledSpec {} for {}>", self.name, self.dialect)
        }
    }
}

impl CompiledSpec {
    pub fn from_compiled(from: &formulac::CompiledSpec, diagnostics: Vec<Diagnostic>) -> Self {
        let text = |it: Option<&str>| it.map(str::to_owned);
        let column = |it: &formulac::Column| Column {
            name: it.name().to_owned(),
            r#type: it.ty().to_string(),
            nullable: it.is_nullable(),
            description: text(it.description_text()),
        };
        Self {
            name: from.name().unwrap_or_default().to_owned(),
            dialect: from.dialect().name().to_owned(),
            query: from.query().unwrap_or_default().to_owned(),
            model_sql: text(from.model_sql()),
            model_yml: text(from.model_yml()),
            model_md: text(from.model_md()),
            model_tests: from
                .model_tests()
                .iter()
                .map(|it| (it.name().to_owned(), it.sql().to_owned()))
                .collect(),
            columns: from.columns().iter().map(column).collect(),
            tables: from.tables().to_vec(),
            key: from.key().to_vec(),
            tags: from.tags().to_vec(),
            diagnostics,
        }
    }
}

/// Returns the diagnostics of a spec: first the diagnostics of its query, then the diagnostics of its dbt model.
pub fn diagnostics_of_spec(compiled: &formulac::CompiledSpec, text: &str) -> Vec<Diagnostic> {
    let of_model = compiled.model_fault().into_iter().chain(compiled.model_warnings());
    Offsets::new(text).diagnostics(compiled.diagnostics().iter().chain(of_model))
}
