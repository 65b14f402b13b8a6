//! Determines when models were built and how fresh their sources are, in every environment that has artifacts. The
//! artifacts of the current environment are in dbt's target folder. The artifacts of other environments are in
//! subfolders named after the environments.

use std::collections::BTreeMap;
use std::time::SystemTime;

use formulac::artifacts::{Manifest, ResourceType, SourceResult, SourceResults, Status, last_results};
use jiff::Timestamp;

use crate::cli::artifacts::{RunArtifacts, format_age};
use crate::cli::engine::Engine;
use crate::cli::environment::{self, Environment};
use crate::cli::exit::Failure;
use crate::cli::last_run;
use crate::cli::workspace::Workspace;

/// Artifacts of each environment.
#[derive(Default)]
pub struct EnvironmentBuilds<'k> {
    manifest: Option<&'k Manifest>,
    /// Indexes of the parents of each node in the manifest.
    parents: Vec<Vec<usize>>,
    environments: Vec<EnvironmentRunResults>,
}

struct EnvironmentRunResults {
    environment: Option<String>,
    /// Last result of each model, by name.
    builds: BTreeMap<String, LastBuild>,
    freshness: Option<SourceResults>,
}

/// Last result of a model.
struct LastBuild {
    /// Time and status.
    built: Option<(SystemTime, String)>,
    /// Duration in seconds, if the build succeeded.
    seconds: Option<f64>,
}

impl EnvironmentRunResults {
    fn new(environment: Option<&str>, artifacts: RunArtifacts) -> Self {
        let mut builds = BTreeMap::new();
        for (id, last) in last_results(&artifacts.runs) {
            let Some(model) = model_name_from_id(id) else { continue };
            let result = last.result;
            let duration = result.execute.map(|span| span.duration().as_secs_f64());
            let seconds = duration.or(result.execution_time);
            builds.entry(model.to_owned()).or_insert(LastBuild {
                built: last.finished_at.map(|time| (time, result.status.name().to_owned())),
                seconds: seconds.filter(|_| result.status == Status::Success),
            });
        }
        Self {
            environment: environment.map(str::to_owned),
            builds,
            freshness: artifacts.freshness,
        }
    }
}

/// State of a model in an environment.
#[derive(Debug, Default)]
pub struct BuildState {
    /// Name of the environment; `None` if the project has no environments.
    pub environment: Option<String>,
    /// Time and status of the last build.
    pub last_build: Option<(SystemTime, String)>,
    /// Duration of the build in seconds.
    pub seconds: Option<f64>,
    /// The stalest source among the model's direct and indirect inputs.
    pub source: Option<FreshnessSource>,
}

/// Freshness of a source according to dbt.
#[derive(Debug)]
pub struct FreshnessSource {
    pub name: String,
    pub status: Status,
    pub loaded: Option<SystemTime>,
}

impl<'k> EnvironmentBuilds<'k> {
    /// Reads dbt's artifacts if the engine is dbt. Otherwise, returns no artifacts.
    pub fn read(workspace: &'k Workspace, engine: &Engine, environment: Option<&str>) -> Result<Self, Failure> {
        let Some(dbt) = workspace.dbt.as_ref().filter(|_| engine.runs_models()) else {
            return Ok(Self::default());
        };
        let target = dbt.target_folder();
        let folder_of =
            |environment: &Environment| environment::artifacts_folder(&workspace.root, &target, environment);
        let all_environments = workspace.project.environments();
        let selected_environment = all_environments
            .iter()
            .find(|candidate| Some(candidate.name.as_str()) == environment);
        let own_folder = environment::last_run_folder(&workspace.root, &target, selected_environment);
        let artifacts = last_run::read_last_run(&workspace.root, dbt, &own_folder)?;
        let mut environments = vec![EnvironmentRunResults::new(environment, artifacts)];
        for other in all_environments
            .iter()
            .filter(|candidate| Some(candidate.name.as_str()) != environment)
        {
            let folder = folder_of(other);
            if folder.is_dir() {
                let artifacts = last_run::read_last_run(&workspace.root, dbt, &folder)?;
                environments.push(EnvironmentRunResults::new(Some(&other.name), artifacts));
            }
        }
        let manifest = workspace.manifest()?;
        // Only the freshness of sources needs the parents.
        let has_freshness = environments.iter().any(|artifacts| artifacts.freshness.is_some());
        let parents = manifest.filter(|_| has_freshness).map(Manifest::parents);
        Ok(Self {
            manifest,
            parents: parents.unwrap_or_default(),
            environments,
        })
    }

    /// Returns the state of a model in each environment that has artifacts. The current environment comes first.
    pub fn build_states(&self, model: &str) -> Vec<BuildState> {
        let build_state = |artifacts: &EnvironmentRunResults| {
            let last = artifacts.builds.get(model);
            BuildState {
                environment: artifacts.environment.clone(),
                last_build: last.and_then(|last| last.built.clone()),
                seconds: last.and_then(|last| last.seconds),
                source: artifacts
                    .freshness
                    .as_ref()
                    .and_then(|results| self.stalest_source(model, results)),
            }
        };
        self.environments.iter().map(build_state).collect()
    }

    /// Returns the stalest source among the direct and indirect inputs of a model.
    fn stalest_source(&self, model: &str, results: &SourceResults) -> Option<FreshnessSource> {
        let manifest = self.manifest?;
        let mut nodes = manifest.nodes.iter();
        let start = nodes.position(|node| model_name_from_id(&node.unique_id) == Some(model))?;
        let (mut seen, mut waiting) = (vec![false; manifest.nodes.len()], vec![start]);
        let mut worst: Option<(u8, &SourceResult, String)> = None;
        while let Some(index) = waiting.pop() {
            match seen.get_mut(index) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            waiting.extend(self.parents.get(index).into_iter().flatten());
            let Some(node) = manifest
                .nodes
                .get(index)
                .filter(|node| node.resource_type == ResourceType::Source)
            else {
                continue;
            };
            let Some(result) = results.source(&node.unique_id) else {
                continue;
            };
            let rank = match result.status {
                Status::Pass => 0,
                Status::Warn => 1,
                _ => 2,
            };
            let group = node.source().map(|source| &*source.source_name).unwrap_or_default();
            let name = format!("{group}.{}", node.name);
            let is_worse = |(worst, other, other_name): &(u8, &SourceResult, String)| {
                let key = |rank: u8, result: &SourceResult| (rank, result.max_loaded_at.map(std::cmp::Reverse));
                (key(rank, result), &name) > (key(*worst, other), other_name)
            };
            if worst.as_ref().is_none_or(is_worse) {
                worst = Some((rank, result, name));
            }
        }
        let (_, result, name) = worst?;
        Some(FreshnessSource {
            name,
            status: result.status.clone(),
            loaded: result.max_loaded_at,
        })
    }
}

/// Returns the name of the model with this node id. The id may also be the id of one of the model's versions.
fn model_name_from_id(id: &str) -> Option<&str> {
    id.strip_prefix("model.")?.split('.').nth(1)
}

impl BuildState {
    /// Returns whether a source exceeds its own error threshold, according to dbt.
    pub fn is_stale(&self) -> bool {
        self.source
            .as_ref()
            .is_some_and(|source| source.status == Status::Error)
    }

    /// Describes the state of the model, or returns `None` if nothing is known about the model.
    pub fn message(&self, is_here: bool) -> Option<String> {
        let mut parts = Vec::new();
        if let Some((build_time, status)) = &self.last_build {
            let status_suffix = if status == Status::Success.name() {
                String::new()
            } else {
                format!(", which ended in {status}")
            };
            let took = self
                .seconds
                .map(|seconds| format!(" in {seconds:.2} s"))
                .unwrap_or_default();
            parts.push(format!("built{took} {} ago{status_suffix}", display_age(*build_time)));
        }
        if let Some(source) = &self.source {
            let state = if source.status == Status::Pass {
                String::new()
            } else {
                format!(" ({})", source.status.name())
            };
            parts.push(match source.loaded {
                Some(load_time) => format!(
                    "the source {} was loaded {} ago{state}",
                    source.name,
                    display_age(load_time)
                ),
                None => format!("the age of the source {} is unknown{state}", source.name),
            });
        }
        if parts.is_empty() {
            return None;
        }
        let location = self
            .environment
            .as_ref()
            .filter(|_| !is_here)
            .map(|name| format!("in {name} "))
            .unwrap_or_default();
        Some(format!("{location}{}", parts.join(", ")))
    }
}

fn display_age(system_time: SystemTime) -> String {
    Timestamp::try_from(system_time).map_or_else(
        |_| "an unknown time".to_owned(),
        |then| format_age(Timestamp::now(), then),
    )
}
