//! Compiles specs for all commands.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use formulac::dbt::RelationReference;
use formulac::{Column, CompiledSpec, Compiler, Declared, SemanticModel, SpecText};

use super::cache;
use super::exit::{Exit, Failure, FileDiagnostics};
use super::source::SourceText;
use formulac::diag::{self, Code, Diagnostic};
use formulac::span::Span;

/// Positions of specs by the canonical paths of their files.
pub struct SpecPaths(BTreeMap<PathBuf, usize>);

impl SpecPaths {
    /// Maps the file of each spec to the position of the spec. `files` contains the files in the order of the specs.
    pub fn new(files: impl IntoIterator<Item = impl AsRef<Path>>) -> Self {
        let mut paths = BTreeMap::new();
        for (index, file) in files.into_iter().enumerate() {
            if let Ok(path) = fs::canonicalize(file) {
                paths.entry(path).or_insert(index);
            }
        }
        Self(paths)
    }

    pub fn index_of(&self, file: &Path) -> Option<usize> {
        // Skip the system call, because commands without named specs look up every spec of the project.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&fs::canonicalize(file).ok()?).copied()
    }
}

/// A compiled spec with its file.
#[derive(Debug, Default)]
pub struct Spec {
    /// Name of the model, if the spec specifies one.
    pub name: Option<String>,
    /// Span of the name.
    pub name_span: Span,
    /// Query in plain SQL.
    pub query: Option<String>,
    /// Reason why the spec cannot be compiled to a model, although it can be compiled to a query.
    pub model_fault: Option<Diagnostic>,
    pub model_warnings: Vec<Diagnostic>,
    /// SQL file of the dbt model.
    pub sql: Option<String>,
    /// Query that returns the model's rows in order. The limit is appended later.
    pub ordered: Option<String>,
    pub limit: Option<u64>,
    /// Properties file of the model.
    pub yml: Option<String>,
    /// File with the docs blocks of the model, if the model has docs blocks.
    pub md: Option<String>,
    /// Other nodes that the spec's files declare.
    pub declared: Vec<Declared>,
    pub semantic: Option<SemanticModel>,
    /// Columns of the result.
    pub columns: Vec<Column>,
    /// Relations that the spec reads, resolved to dbt sources and models. `tables` contains the names of these
    /// relations as written in the spec.
    pub reads: Vec<RelationReference>,
    pub tables: Vec<String>,
    pub tags: Vec<String>,
    pub config: Vec<(String, String)>,
    /// Standalone test files, each with its name and contents.
    pub tests: Vec<(String, String)>,
    pub file_diagnostics: FileDiagnostics,
    /// Result of the compilation; `None` if the source could not be read.
    pub compiled: Option<CompiledSpec>,
}

impl Spec {
    /// Adds the diagnostics that apply only if the spec is a dbt model.
    pub fn add_model_diagnostics(&mut self) {
        // Skip the warning, because the model has a test for this problem.
        self.file_diagnostics
            .diagnostics
            .retain(|diagnostic| diagnostic.kind() != Code::JoinMayMultiply);
        self.append_model_diagnostics();
    }

    fn append_model_diagnostics(&mut self) {
        let faults = self
            .model_fault
            .take()
            .into_iter()
            .chain(std::mem::take(&mut self.model_warnings));
        self.file_diagnostics.diagnostics.extend(faults);
        diag::sort(&mut self.file_diagnostics.diagnostics);
    }

    /// Of the warnings that apply only to models, adds the one about a key that may be NULL. Used if a spec of a
    /// project runs as a query.
    pub fn add_model_warnings(&mut self) {
        if self.model_fault.is_none() {
            self.model_warnings
                .retain(|diagnostic| diagnostic.kind() == Code::NullableKey);
            self.append_model_diagnostics();
        }
    }

    pub fn is_metric_set(&self) -> bool {
        self.compiled
            .as_ref()
            .is_some_and(|compiled| compiled.metric_set().is_some())
    }

    /// Returns an error if the file is a metric set, which is neither a query nor a model.
    pub fn reject_metric_set(&self) -> Result<(), Failure> {
        let Some(set) = self.compiled.as_ref().and_then(CompiledSpec::metric_set) else {
            return Ok(());
        };
        let message = format!(
            "`{}` is the metric set `{set}`, which has no rows of its own",
            self.file_diagnostics.file
        );
        let help = format!(
            "specify the metrics of the set: `formulac query --metrics {set}.* --by month`, or list the metrics in a \
             spec under `metrics`"
        );
        Err(Failure::new(Exit::Faulty, message).with_help(help))
    }
}

/// Compiles a spec, unless its source could not be read. The headers of generated files contain `path`.
pub fn compile(compiler: &Compiler, source: SourceText, path: Option<&str>) -> Spec {
    match source.fault.clone() {
        Some(fault) => spec_with_error(source, fault),
        None => new(compiler.compile_spec_at(&source.text, path), source),
    }
}

/// Compiles specs that may read each other's models. Each source has a path for the headers of generated files. `root`
/// is the folder of the project, where results are kept for the next call.
pub fn compile_all(
    compiler: &Compiler,
    root: &Path,
    sources: Vec<(SourceText, Option<String>)>,
    on_progress: impl Fn() + Sync,
) -> Vec<Spec> {
    let count = sources.len();
    compile_with_context_specs(compiler, Some(root), sources, count, on_progress)
}

/// Like [`compile_all`], but compiles only the first `count` sources. The compiled specs may read the models of the
/// other sources.
pub fn compile_with_context_specs(
    compiler: &Compiler,
    root: Option<&Path>,
    mut sources: Vec<(SourceText, Option<String>)>,
    count: usize,
    on_progress: impl Fn() + Sync,
) -> Vec<Spec> {
    let is_sound = |(source, _): &&(SourceText, Option<String>)| source.fault.is_none();
    let sound_count = sources.iter().take(count).filter(is_sound).count();
    let sound = sources.iter().filter(is_sound);
    let texts: Vec<SpecText<'_>> = sound
        .map(|(source, path)| SpecText {
            text: &source.text,
            path: path.as_deref(),
        })
        .collect();
    let mut compiled = compile_texts(compiler, root, &texts, sound_count, on_progress).into_iter();
    drop(texts);
    sources.truncate(count);
    let spec = |(source, _): (SourceText, Option<String>)| match source.fault.clone() {
        Some(fault) => spec_with_error(source, fault),
        None => compiled
            .next()
            .map_or_else(Spec::default, |compiled| new(compiled, source)),
    };
    sources.into_iter().map(spec).collect()
}

/// Compiles the first `count` specs, with the results of the previous call if `root` is the folder of a project.
pub fn compile_texts(
    compiler: &Compiler,
    root: Option<&Path>,
    texts: &[SpecText<'_>],
    count: usize,
    on_progress: impl Fn() + Sync,
) -> Vec<CompiledSpec> {
    let Some(root) = root else {
        return compiler.compile_specs_with_dependencies(texts, count, on_progress);
    };
    let compiled = cache::with_spec_session(root, compiler, texts.len(), |session| {
        session.compile_specs_with_dependencies(compiler, texts, count, on_progress)
    });
    // The session is dropped, so each result has one owner and is not cloned.
    compiled.into_iter().map(Arc::unwrap_or_clone).collect()
}

fn spec_with_error(source: SourceText, fault: Diagnostic) -> Spec {
    Spec {
        file_diagnostics: source.with_diagnostics(vec![fault]),
        ..Spec::default()
    }
}

fn new(compiled: CompiledSpec, source: SourceText) -> Spec {
    let owned_text = |text: Option<&str>| text.map(str::to_owned);
    Spec {
        name: owned_text(compiled.name()),
        name_span: compiled.name_span(),
        query: owned_text(compiled.query()),
        model_fault: compiled.model_fault().cloned(),
        model_warnings: compiled.model_warnings().to_vec(),
        sql: owned_text(compiled.model_sql()),
        ordered: owned_text(compiled.ordered_model_sql()),
        limit: compiled.limit(),
        yml: owned_text(compiled.model_yml()),
        md: owned_text(compiled.model_md()),
        declared: compiled.declared().to_vec(),
        semantic: compiled.semantic_model().cloned(),
        columns: compiled.columns().to_vec(),
        reads: compiled.reads().to_vec(),
        tables: compiled.tables().to_vec(),
        tags: compiled.tags().to_vec(),
        config: compiled.config().to_vec(),
        tests: compiled
            .model_tests()
            .iter()
            .map(|test| (test.name().to_owned(), test.sql().to_owned()))
            .collect(),
        file_diagnostics: source.with_diagnostics(compiled.diagnostics().to_vec()),
        compiled: Some(compiled),
    }
}
