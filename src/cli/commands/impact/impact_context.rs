//! Reads the project that a command analyzes: dbt's artifacts, specs and Omni's files.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use formulac::artifacts::{Manifest, ManifestReadOptions, last_results};
use formulac::diag::suggest;
use formulac::impact::{Graph, GraphSources, ImpactTarget, LineageCache, NameError, OmniFields, SpecModel};
use formulac::{CompiledSpec, Compiler, Dialect, Project, SpecText};
use formulac_syntax::text::format_count;

use crate::cli::artifacts::TargetArtifacts;
use crate::cli::branch_names::short_name;
use crate::cli::cache;
use crate::cli::context;
use crate::cli::dbt_project::{self, DbtProject};
use crate::cli::exit::{Exit, Failure};
use crate::cli::folder;
use crate::cli::human::DEFAULT_PRINTED_DIAGNOSTICS;
use crate::cli::metric_name::MetricName;
use crate::cli::project;
use crate::cli::session::Session;
use crate::cli::source::SourceText;

use super::compiled_files::add_compiled_files;
use super::omni::omni_fields;

/// Project data that `impact` and `lineage` use.
pub struct ImpactContext {
    /// Folder of the project.
    pub root: PathBuf,
    pub project: Project,
    pub dbt: Option<DbtProject>,
    artifacts: Option<TargetArtifacts>,
    nothing: Manifest,
    /// Facts from `known.yml`.
    committed: formulac::KnownFacts,
    pub specs: Vec<SpecModel>,
    /// Compiled metric sets.
    pub sets: Vec<CompiledSpec>,
    /// Paths and contents of the specs.
    pub texts: Vec<(PathBuf, String)>,
    /// Compiler for the specs. The compiler is built only if the project has specs, because its schema is as large as
    /// the manifest.
    compiler: OnceCell<Compiler>,
    omni: OmniFields,
    dialect: Option<Dialect>,
    /// Variables that `dbt_project.yml` sets.
    variables: Vec<(String, String)>,
    /// Status of each node in the last run, by id.
    pub status_by_node: BTreeMap<String, String>,
    /// Cached lineage of SQL, read in a separate thread while the other data is read.
    lineages: Cell<Option<JoinHandle<LineageCache>>>,
}

/// Part of the project to which a name on the command line refers.
pub enum NamedTarget<'c> {
    /// Model, column or definition.
    Target(ImpactTarget),
    Metric(ResolvedMetric<'c>),
}

/// Metric, or all metrics of a metric set.
pub struct ResolvedMetric<'c> {
    /// Compiled metric set.
    pub set: &'c CompiledSpec,
    /// Name of the metric set, or `set.metric`.
    pub name: String,
    /// Names of the metrics in the metric set.
    pub metrics: Vec<&'c str>,
}

impl ImpactContext {
    /// Reads the context. Also reads the source code of models and the descriptions of columns if `reads_code` is set,
    /// or if the project has specs, because specs are compiled with this data.
    pub fn read(session: &Session, reads_code: bool) -> Result<Self, Failure> {
        let given_folder = session.global.project_dir.as_deref();
        let found_project = project::read_project_with_folder(given_folder)?;
        let dbt = dbt_project::find(found_project.as_ref().map(|(_, root)| root.as_path()).or(given_folder))?;
        let (project, root) = match (found_project, &dbt) {
            (Some((project, root)), _) => (project, root),
            (None, Some(dbt)) => (Project::default(), dbt.folder.clone()),
            (None, None) => {
                return Err(Failure::new(
                    Exit::Usage,
                    "there is no formulac.yml or dbt project here or in a parent folder",
                )
                .with_help("specify the project's folder with `--project-dir`"));
            }
        };
        let folder = root.clone();
        let lineages = thread::Builder::new().spawn(move || cache::read_lineages(&folder)).ok();
        let texts = spec_texts(&project, &root)?;
        let parts = ManifestReadOptions::default().with_raw_code().with_compiled_code();
        let keep = if reads_code || !texts.is_empty() {
            parts
        } else {
            cache::for_compiled_sql_and_column_names()
        };
        let path = dbt.as_ref().map(DbtProject::manifest_path);
        let artifacts = path.map(|path| TargetArtifacts::read_cached_manifest(path, keep, &root));
        let mut artifacts = artifacts
            .transpose()
            .map_err(|file_diagnostics| Failure::Found(vec![file_diagnostics]))?
            .flatten();
        if let (Some(artifacts), Some(dbt)) = (&mut artifacts, &dbt) {
            add_compiled_files(artifacts, dbt);
        }
        match &artifacts {
            Some(artifacts) => artifacts.report_manifest_age(session, dbt.as_ref()),
            None => {
                session.warn("there is no dbt manifest, so only specs are known; run `dbt compile` to write one");
            }
        }
        // Read the catalog now, so that an error in it is reported immediately.
        artifacts.as_ref().map(TargetArtifacts::catalog).transpose()?;
        let results = artifacts
            .as_ref()
            .map(TargetArtifacts::run_results)
            .transpose()?
            .flatten();
        let status_by_node = last_results(results.as_slice()).into_iter().map(|(id, last)| {
            let rows = last.result.failures.filter(|rows| *rows > 0);
            let rows = rows.map(|rows| format!(" ({})", format_count(rows, "row", "rows")));
            (
                id.to_owned(),
                format!("{}{}", last.result.status.name(), rows.unwrap_or_default()),
            )
        });
        let status_by_node = status_by_node.collect();
        let adapter = artifacts
            .as_ref()
            .and_then(|artifacts| artifacts.manifest.metadata.adapter_type.clone());
        let dialect = match adapter {
            Some(adapter) => adapter.parse().ok(),
            None => project.dialect(),
        };
        let compiler = OnceCell::new();
        let committed = context::read_known_yml_in(&root)?;
        let facts = (&project, &committed, artifacts.as_ref(), dialect);
        let (specs, sets) = compile_texts(|| compiler.get_or_init(|| build_compiler(facts)), &texts, &root);
        let faulty: Vec<&SpecModel> = specs.iter().filter(|spec| spec.compiled.has_errors()).collect();
        for spec in faulty.iter().take(DEFAULT_PRINTED_DIAGNOSTICS) {
            session.warn(&format!(
                "{} has errors (run `formulac check`), so it has no column-level lineage",
                spec.path
            ));
        }
        let more = faulty.len().saturating_sub(DEFAULT_PRINTED_DIAGNOSTICS);
        if more > 0 {
            let text = format!("{} with errors", format_count(more, "more spec", "more specs"));
            session.warn(&format!("{text} (run `formulac check`)"));
        }
        let omni = omni_fields(session, &project, &root, dialect);
        let variables = dbt.as_ref().map(DbtProject::variables).unwrap_or_default();
        Ok(Self {
            root,
            project,
            dbt,
            artifacts,
            nothing: Manifest::default(),
            committed,
            specs,
            sets,
            texts,
            compiler,
            omni,
            dialect,
            variables,
            status_by_node,
            lineages: Cell::new(lineages),
        })
    }

    /// Returns the graph of the whole project, using the cached SQL lineage.
    pub fn graph(&self) -> Graph<'_> {
        let stored = self.lineages.take().and_then(|thread| thread.join().ok());
        Graph::new(self.sources()).with_stored_lineages(stored.unwrap_or_else(|| cache::read_lineages(&self.root)))
    }

    /// Caches the SQL lineage in the graph.
    pub fn cache_lineage(&self, graph: &Graph<'_>) {
        cache::write_lineages(&self.root, graph);
    }

    fn sources(&self) -> GraphSources<'_> {
        GraphSources {
            manifest: self
                .artifacts
                .as_ref()
                .map_or(&self.nothing, |artifacts| &artifacts.manifest),
            catalog: self
                .artifacts
                .as_ref()
                .and_then(|artifacts| artifacts.catalog().ok().flatten()),
            known: &self.committed.schema,
            specs: &self.specs,
            omni: &self.omni,
            dialect: self.dialect,
            variables: &self.variables,
        }
    }

    /// Resolves a name. A known model or column takes precedence over a metric. A metric takes precedence over a
    /// possible column of a model whose columns are not all known.
    pub fn resolve_name(&self, session: &Session, graph: &Graph<'_>, name: &str) -> Result<NamedTarget<'_>, Failure> {
        let fault = match graph.resolve_target(name) {
            Ok(target) => return Ok(NamedTarget::Target(target)),
            Err(fault) => fault,
        };
        let of_file = self.node_name_of_file(name);
        if let Some(target) = of_file.and_then(|name| graph.resolve_target(&name).ok()) {
            return Ok(NamedTarget::Target(target));
        }
        let metric = self.find_metric(name);
        if let Some(Ok(metric)) = metric {
            return Ok(NamedTarget::Metric(metric));
        }
        if let Some((target, warning)) = graph.resolve_column_of_partial_model(name) {
            session.warn(&warning);
            return Ok(NamedTarget::Target(target));
        }
        metric
            .unwrap_or_else(|| Err(unresolved_name_failure(fault)))
            .map(NamedTarget::Metric)
    }

    /// Returns the name of the model with this spec, or the id of the model, seed or snapshot with this file.
    fn node_name_of_file(&self, path: &str) -> Option<String> {
        let path = project::path_in_project(Path::new(path), Some(&self.root))?;
        if let Some(spec) = self.specs.iter().find(|spec| spec.path == path) {
            return Some(spec.name.clone());
        }
        let manifest = &self.artifacts.as_ref()?.manifest;
        let name = self.dbt.as_ref().map(|dbt| dbt.name.as_str())?;
        let mut nodes = manifest
            .nodes
            .iter()
            .filter(|node| node.resource_type.is_referenceable());
        let node = nodes.find(|node| *node.original_file_path == *path && *node.package == *name)?;
        Some(node.unique_id.to_string())
    }

    /// Returns the metric or metric set to which a name refers: `metric:orders.revenue`, `metric_set:orders`, or the
    /// same without a prefix. `None` if the name has no prefix and does not begin with the name of a metric set. Also
    /// `None` if a model has the same name as the metric set and the metric set does not contain the metric.
    pub fn find_metric(&self, name: &str) -> Option<Result<ResolvedMetric<'_>, Failure>> {
        let MetricName {
            prefix,
            set: set_name,
            metric,
        } = match MetricName::read(name) {
            Ok(name) => name,
            Err(failure) => return Some(Err(failure)),
        };
        let is_named = |set: &&CompiledSpec| {
            set.metric_set()
                .is_some_and(|own_set_name| own_set_name.eq_ignore_ascii_case(set_name))
        };
        let Some(set) = self.sets.iter().find(is_named) else {
            let names: Vec<&str> = self.sets.iter().filter_map(CompiledSpec::metric_set).collect();
            let message = format!("there is no metric set `{set_name}`");
            return prefix.map(|_| Err(unknown_name_failure(message, set_name, &names)));
        };
        let metrics: Vec<&str> = set.metrics_of_set().map(|(metric, _)| metric).collect();
        let name = set.metric_set().unwrap_or_default();
        let Some(metric) = metric else {
            let name = name.to_owned();
            return Some(Ok(ResolvedMetric { set, name, metrics }));
        };
        let known_name = metrics.iter().find(|name| name.eq_ignore_ascii_case(metric)).copied();
        Some(match known_name {
            Some(metric_name) => Ok(ResolvedMetric {
                set,
                name: format!("{name}.{metric_name}"),
                metrics: vec![metric_name],
            }),
            None if prefix.is_none() && self.specs.iter().any(|spec| spec.name == set_name) => return None,
            None => {
                let message = format!("the metric set `{name}` has no metric `{metric}`");
                Err(unknown_name_failure(message, metric, &metrics))
            }
        })
    }

    /// Returns the model columns that are computed from a metric, as `model.column`. A model that uses the metric in a
    /// condition, such as `having`, is also returned as a whole.
    pub fn readers_of_metric(&self, metric: &ResolvedMetric<'_>) -> Vec<String> {
        let mut readers = Vec::new();
        for spec in &self.specs {
            let columns = spec.compiled.columns_of_metric(&metric.name);
            readers.extend(columns.map(|column| format!("{}.{column}", spec.name)));
            if spec.compiled.has_rows_of_metric(&metric.name) {
                readers.push(spec.name.clone());
            }
        }
        readers
    }

    /// Compiles other versions of the specs to models.
    pub fn compile_specs(&self, texts: &[(PathBuf, String)]) -> Vec<SpecModel> {
        let facts = (&self.project, &self.committed, self.artifacts.as_ref(), self.dialect);
        let compiler = || self.compiler.get_or_init(|| build_compiler(facts));
        compile_texts(compiler, texts, &self.root).0
    }

    /// Returns the lines about the base revision for the HTML report.
    pub fn base_revision_messages(&self, since: Option<&str>) -> Vec<String> {
        since
            .map(|revision| format!("Changes since `{}`.", short_name(revision)))
            .into_iter()
            .collect()
    }
}

/// Returns the failure for a name that is unknown or ambiguous.
pub(super) fn unresolved_name_failure(fault: NameError) -> Failure {
    let failure = Failure::new(Exit::Faulty, fault.message);
    if fault.help.is_empty() {
        failure
    } else {
        failure.with_help(fault.help)
    }
}

fn unknown_name_failure(message: String, name: &str, names: &[&str]) -> Failure {
    let failure = Failure::new(Exit::Faulty, message);
    match suggest::nearest_name(name, names.iter().copied()) {
        Some(near) => failure.with_help(suggest::similar_name_help(near)),
        None if names.is_empty() => failure,
        None => failure.with_help(format!("specify one of {}", names.join(", "))),
    }
}

/// Facts from which the compiler for the specs is built.
type CompilerInputs<'f> = (
    &'f Project,
    &'f formulac::KnownFacts,
    Option<&'f TargetArtifacts>,
    Option<Dialect>,
);

fn build_compiler((project, committed, artifacts, dialect): CompilerInputs<'_>) -> Compiler {
    let dialect = project.dialect().or(dialect).or(committed.dialect).unwrap_or_default();
    let facts = artifacts
        .and_then(|artifacts| artifacts.known_relations(dialect, None).ok())
        .unwrap_or_default();
    context::builder_with_known_facts(project, dialect, committed.clone().merged_with(&facts)).build()
}

/// Returns the paths and contents of the project's specs. The list is empty if there is no specs folder.
fn spec_texts(project: &Project, root: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let folder = root.join(project.specs().unwrap_or(project::DEFAULT_SPECS_FOLDER));
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut texts = Vec::new();
    for path in project::find_specs(&folder)? {
        let source = SourceText::from_file(&path);
        if source.fault.is_some() {
            return Err(Failure::from_source(source));
        }
        texts.push((path, source.text));
    }
    Ok(texts)
}

/// Compiles specs to models and metric sets. Without specs, no compiler is built.
fn compile_texts<'c>(
    compiler: impl FnOnce() -> &'c Compiler,
    texts: &[(PathBuf, String)],
    root: &Path,
) -> (Vec<SpecModel>, Vec<CompiledSpec>) {
    if texts.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let paths: Vec<String> = texts
        .iter()
        .map(|(path, _)| folder::relative_path(root, path))
        .collect();
    let specs: Vec<SpecText<'_>> = texts
        .iter()
        .zip(&paths)
        .map(|((_, text), path)| SpecText { text, path: Some(path) })
        .collect();
    let mut models = Vec::new();
    let mut sets = Vec::new();
    for (compiled, path) in compiler().compile_specs(&specs).into_iter().zip(paths) {
        if compiled.metric_set().is_some() {
            sets.push(compiled);
        } else if let Some(name) = compiled.name().map(str::to_owned) {
            models.push(SpecModel { name, path, compiled });
        }
    }
    (models, sets)
}
