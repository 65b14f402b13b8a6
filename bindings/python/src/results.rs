//! Results of compiling formulas and specs.

use std::collections::BTreeMap;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;

use crate::diagnostic::{Diagnostic, Offsets, Span};

/// Compiled definition.
#[pyclass(frozen, get_all, module = "formulac")]
#[derive(Clone)]
pub struct Definition {
    name: Option<String>,
    sql: String,
    r#type: String,
    level: String,
    nullable: bool,
    columns: Vec<String>,
    description: Option<String>,
    span: Span,
}

#[pymethods]
impl Definition {
    fn __repr__(&self) -> String {
        let name = self.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        format!("<Definition {name}{}>", self.sql)
    }
}

/// Compiled definitions and their warnings.
#[pyclass(frozen, get_all, module = "formulac")]
pub struct Compiled {
    dialect: &'static str,
    definitions: Vec<Definition>,
    diagnostics: Vec<Diagnostic>,
}

impl Compiled {
    pub fn new(from: &formulac::Compiled, diagnostics: Vec<Diagnostic>, offsets: &Offsets<'_>) -> Self {
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
            dialect: from.dialect().name(),
            definitions,
            diagnostics,
        }
    }
}

#[pymethods]
impl Compiled {
    fn __getitem__(&self, name: &str) -> PyResult<Definition> {
        let found = self.definitions.iter().find(|it| it.name.as_deref() == Some(name));
        found.cloned().ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn __repr__(&self) -> String {
        format!(
            "<Compiled of {} definitions for {}>",
            self.definitions.len(),
            self.dialect
        )
    }
}

/// Column in a spec's result.
#[pyclass(frozen, get_all, module = "formulac")]
#[derive(Clone)]
pub struct Column {
    name: String,
    r#type: String,
    nullable: bool,
    description: Option<String>,
}

#[pymethods]
impl Column {
    fn __repr__(&self) -> String {
        format!("<Column {}: {}>", self.name, self.r#type)
    }
}

/// Compiled spec: a query and the files of a dbt model.
#[pyclass(frozen, get_all, module = "formulac")]
pub struct CompiledSpec {
    name: String,
    dialect: &'static str,
    query: String,
    model_sql: Option<String>,
    model_yml: Option<String>,
    model_md: Option<String>,
    model_tests: BTreeMap<String, String>,
    columns: Vec<Column>,
    tables: Vec<String>,
    key: Vec<String>,
    tags: Vec<String>,
    diagnostics: Vec<Diagnostic>,
}

impl CompiledSpec {
    pub fn new(from: &formulac::CompiledSpec, diagnostics: Vec<Diagnostic>) -> Self {
        let text = |it: Option<&str>| it.map(str::to_owned);
        let column = |it: &formulac::Column| Column {
            name: it.name().to_owned(),
            r#type: it.ty().to_string(),
            nullable: it.is_nullable(),
            description: text(it.description_text()),
        };
        Self {
            name: from.name().unwrap_or_default().to_owned(),
            dialect: from.dialect().name(),
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

#[pymethods]
impl CompiledSpec {
    fn __repr__(&self) -> String {
        format!("<CompiledSpec {} for {}>", self.name, self.dialect)
    }
}

/// Returns the diagnostics of a spec: first the diagnostics of its query, then the diagnostics of its dbt model.
pub fn diagnostics_of_spec(compiled: &formulac::CompiledSpec, text: &str) -> Vec<Diagnostic> {
    let of_model = compiled.model_fault().into_iter().chain(compiled.model_warnings());
    Offsets::new(text).diagnostics(compiled.diagnostics().iter().chain(of_model))
}
