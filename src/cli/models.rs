//! Compiles specs to models and their files.

use std::path::{Path, PathBuf};

use formulac::dbt::RelationReference;
use formulac::span::Span;
use formulac::{CompiledSpec, Compiler, Declared, SemanticModel, SemanticModels};
use serde_json::{Value, json};

use super::atomic_write::PlannedFile;
use super::exit::FileDiagnostics;
use super::project;
use super::source::SourceText;
use super::spec::{self, Spec};

/// Model that a spec describes.
pub struct CompiledModel {
    pub name: String,
    /// Path of the spec, relative to the project.
    pub path: String,
    /// Contents of the model's files; `None` if the spec has errors.
    pub files: Option<ModelFiles>,
    /// Index of the spec.
    pub spec: usize,
    /// Position of the model's name in the spec.
    pub name_span: Span,
    /// Relations that the model reads.
    pub reads: Vec<RelationReference>,
    pub tags: Vec<String>,
    pub config: Vec<(String, String)>,
}

/// Contents of a model's files.
pub struct ModelFiles {
    pub sql: String,
    pub yml: String,
    pub md: Option<String>,
    /// Other nodes that the model's properties and docs files declare.
    pub declared: Vec<Declared>,
    pub semantic: Option<SemanticModel>,
    /// Path of the spec, as it appears in the headers of the files.
    pub path: String,
    /// Standalone test files, each with its name and contents.
    pub tests: Vec<(String, String)>,
    pub compiled: CompiledSpec,
}

/// Models that specs describe.
pub struct CompiledModels {
    pub models: Vec<CompiledModel>,
    /// Diagnostics of each spec.
    pub diagnostics: Vec<FileDiagnostics>,
    pub sets: Vec<CompiledMetricSet>,
}

/// Metric set that a spec defines.
pub struct CompiledMetricSet {
    /// Path of the spec, relative to the project.
    pub path: String,
    /// Index of the spec.
    pub spec: usize,
    pub compiled: CompiledSpec,
}

/// Reads specs, each with its path relative to the project in the folder `root`.
pub fn read_sources(specs: &[PathBuf], root: Option<&Path>) -> Vec<(SourceText, Option<String>)> {
    let display_paths = project::paths_in_project(specs, root);
    specs
        .iter()
        .zip(display_paths)
        .map(|(path, display_path)| (SourceText::from_file(path), display_path))
        .collect()
}

/// Compiles the specs of the project in the folder `root`. `on_progress` is called after each spec.
pub fn compile_models(
    compiler: &Compiler,
    root: &Path,
    sources: Vec<(SourceText, Option<String>)>,
    on_progress: impl Fn() + Sync,
) -> CompiledModels {
    let specs = spec::compile_all(compiler, root, sources.clone(), on_progress);
    let set = |(number, (spec, (_, path))): (usize, (&Spec, &(SourceText, Option<String>)))| {
        let compiled = spec
            .compiled
            .as_ref()
            .filter(|compiled| compiled.metric_set().is_some());
        Some(CompiledMetricSet {
            path: path.clone()?,
            spec: number,
            compiled: compiled?.clone(),
        })
    };
    let sets = specs.iter().zip(&sources).enumerate().filter_map(set).collect();
    let (models, diagnostics) = models_from_specs(specs, &sources);
    CompiledModels {
        models,
        diagnostics,
        sets,
    }
}

/// Returns the models of compiled specs, and the diagnostics of each spec.
pub fn models_from_specs(
    specs: Vec<Spec>,
    sources: &[(SourceText, Option<String>)],
) -> (Vec<CompiledModel>, Vec<FileDiagnostics>) {
    let mut models = Vec::new();
    let mut diagnostics = Vec::new();
    for (mut spec, (_, path)) in specs.into_iter().zip(sources) {
        let is_model = spec.model_fault.is_none();
        spec.add_model_diagnostics();
        let Spec {
            name,
            sql,
            yml,
            md,
            declared,
            semantic,
            compiled,
            ..
        } = spec;
        let files = match (sql, yml, compiled) {
            (Some(sql), Some(yml), Some(compiled)) if is_model => {
                let path = formulac::dbt::spec_in_header(&sql).unwrap_or_default().to_owned();
                Some(ModelFiles {
                    sql,
                    yml,
                    md,
                    declared,
                    semantic,
                    path,
                    tests: spec.tests,
                    compiled,
                })
            }
            _ => None,
        };
        if let Some(name) = name {
            models.push(CompiledModel {
                name,
                path: path.clone().unwrap_or_default(),
                files,
                spec: diagnostics.len(),
                name_span: spec.name_span,
                reads: spec.reads,
                tags: spec.tags,
                config: spec.config,
            });
        }
        diagnostics.push(spec.file_diagnostics);
    }
    (models, diagnostics)
}

/// Returns the models that could be built, each with the index of its spec.
pub fn compiled_model_specs(models: &[CompiledModel]) -> impl Iterator<Item = (usize, &CompiledSpec)> {
    models_with_files(models).map(|(model, built)| (model.spec, &built.compiled))
}

/// Returns the models that could be built.
pub fn models_with_files(models: &[CompiledModel]) -> impl Iterator<Item = (&CompiledModel, &ModelFiles)> {
    models.iter().filter_map(|model| Some((model, model.files.as_ref()?)))
}

impl CompiledModel {
    /// Returns the model's files, each with its path. The model and its tests have separate folders.
    pub fn planned_files<'m>(&'m self, models: &'m Path, tests: &'m Path) -> impl Iterator<Item = PlannedFile> + 'm {
        let file = |folder: &Path, name: &str, end: &str, text: &str| PlannedFile {
            path: folder.join(format!("{name}.{end}")),
            text: text.to_owned(),
        };
        self.files.iter().flat_map(move |built| {
            let model_files = [
                file(models, &self.name, "sql", &built.sql),
                file(models, &self.name, "yml", &built.yml),
            ];
            let docs = built.md.iter().map(|text| file(models, &self.name, "md", text));
            let docs: Vec<PlannedFile> = docs.collect();
            let own_files = model_files.into_iter().chain(docs);
            own_files.chain(built.tests.iter().map(move |(name, sql)| file(tests, name, "sql", sql)))
        })
    }
}

impl ModelFiles {
    /// Returns the model's part of dbt's semantic layer, as JSON.
    pub fn semantics_json(&self) -> Value {
        let Some(semantic) = &self.semantic else {
            return Value::Null;
        };
        let form = match semantic.form() {
            SemanticModels::Latest => "latest",
            _ => "legacy",
        };
        let left_out = semantic
            .left_out()
            .iter()
            .map(|(column, reason)| json!({"column": column, "reason": reason}));
        json!({"form": form, "metrics": semantic.metrics(), "left_out": left_out.collect::<Vec<_>>()})
    }

    /// Returns messages about the columns that are not part of the semantic layer.
    pub fn semantic_omissions<'b>(&'b self, model: &'b str) -> impl Iterator<Item = String> + 'b {
        let omissions = self.semantic.iter().flat_map(formulac::SemanticModel::left_out);
        omissions.map(move |(column, reason)| format!("not a metric or dimension: `{column}` of {model}: {reason}"))
    }
}
