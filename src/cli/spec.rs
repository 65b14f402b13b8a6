//! The one place that calls `compile_spec`.

use formulac::{Column, Compiler};

use super::exit::Found;
use super::source::Source;
use formulac::diag::Diagnostic;
use formulac::span::Span;

/// A compiled spec with its file.
#[derive(Debug)]
pub struct Spec {
    /// The model's name, where the spec says one.
    pub name: Option<String>,
    /// Where it says it.
    pub name_span: Span,
    /// Plain SQL.
    pub query: Option<String>,
    /// Why it can be a query and no model.
    pub model_fault: Option<Diagnostic>,
    pub model_warnings: Vec<Diagnostic>,
    /// The dbt model.
    pub sql: Option<String>,
    /// Its rows in order, without the limit that comes next.
    pub ordered: Option<String>,
    pub limit: Option<u64>,
    /// Its properties file.
    pub yml: Option<String>,
    /// The columns of its rows.
    pub columns: Vec<Column>,
    /// The tables that it reads.
    pub tables: Vec<String>,
    /// Its tests that are files of their own: name and text.
    pub tests: Vec<(String, String)>,
    pub found: Found,
}

/// Compiles a spec, unless its source is none. `path` is what headers of generated files name.
pub fn compile(compiler: &Compiler, source: Source, path: Option<&str>) -> Spec {
    if let Some(fault) = source.fault.clone() {
        let name_span = Span::default();
        return Spec {
            name: None,
            name_span,
            query: None,
            model_fault: None,
            model_warnings: Vec::new(),
            sql: None,
            ordered: None,
            limit: None,
            yml: None,
            columns: Vec::new(),
            tables: Vec::new(),
            tests: Vec::new(),
            found: source.found(vec![fault]),
        };
    }
    let compiled = compiler.compile_spec_at(&source.text, path);
    let own = |text: Option<&str>| text.map(str::to_owned);
    Spec {
        name: own(compiled.name()),
        name_span: compiled.name_span(),
        query: own(compiled.query()),
        model_fault: compiled.model_fault().cloned(),
        model_warnings: compiled.model_warnings().to_vec(),
        sql: own(compiled.model_sql()),
        ordered: own(compiled.ordered_model_sql()),
        limit: compiled.limit(),
        yml: own(compiled.model_yml()),
        columns: compiled.columns().to_vec(),
        tables: compiled.tables().to_vec(),
        tests: compiled.model_tests().iter().map(|test| (test.name().to_owned(), test.sql().to_owned())).collect(),
        found: source.found(compiled.diagnostics().to_vec()),
    }
}
