//! Plan for a push. Creating a plan changes no files.

mod model_plan;

use formulac_syntax::text::format_count;
use serde_json::{Value, json};

use super::merge_files::TextChange;

pub use model_plan::{ModelAction, ModelPlan, PlannedModel};

/// Path of `known.yml`, relative to the project's folder. The file records which facts about the data were used when
/// models were last generated.
pub const KNOWN_FACTS_PATH: &str = ".formulac/state/known.yml";

/// Plan for a push.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Environment of the push. `None` if the project has no environments.
    pub environment: Option<String>,
    /// Models, sorted by name. Models without changes are omitted.
    pub models: Vec<ModelPlan>,
    /// Change to `known.yml`.
    pub known: Option<KnownFactsChange>,
    /// Uncommitted files of metric sets whose change affects no model. A push commits them.
    pub metric_sets: Vec<String>,
    /// Files to commit in the repository of the Omni model. `None` if the model has no repository of its own, or if all
    /// files are already committed.
    pub omni: Option<OmniChange>,
}

/// Files of the Omni model that the last pull wrote and that a push commits in the Omni model's own repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmniChange {
    /// Folder of the repository, relative to the project's folder.
    pub repository: String,
    /// Files to commit, relative to the repository's folder.
    pub files: Vec<String>,
    /// Uncommitted records of the pull, relative to the project's folder. The commit in dbt's repository contains these
    /// files.
    pub records: Vec<String>,
}

/// Change to `known.yml`, which stores the facts about the data that were used to generate the models.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownFactsChange {
    /// The change to the file itself.
    pub file: TextChange,
    /// Changed facts, one line per fact.
    pub facts: Vec<String>,
}

impl Plan {
    /// Creates a plan for these models.
    #[must_use]
    pub fn new(environment: Option<String>, models: impl IntoIterator<Item = ModelPlan>) -> Self {
        let is_listed = |plan: &ModelPlan| plan.action != ModelAction::Nothing || !plan.conflicts.is_empty();
        let mut models: Vec<ModelPlan> = models.into_iter().filter(is_listed).collect();
        models.sort_by(|one, other| one.model.cmp(&other.model));
        Self {
            environment,
            models,
            known: None,
            metric_sets: Vec::new(),
            omni: None,
        }
    }

    /// Keeps only the models that change only because another version of formulac pushed them.
    pub fn retain_upgraded_models(&mut self) {
        self.models.retain(|model| model.pushed_by.is_some());
        (self.known, self.metric_sets, self.omni) = (None, Vec::new(), None);
    }

    /// Returns the number of models with this action. Models with conflicts are not counted.
    #[must_use]
    pub fn count(&self, action: ModelAction) -> usize {
        self.models
            .iter()
            .filter(|plan| plan.action == action && plan.conflicts.is_empty())
            .count()
    }

    /// Returns the number of conflicts.
    #[must_use]
    pub fn conflicts(&self) -> usize {
        self.models.iter().map(|plan| plan.conflicts.len()).sum()
    }

    /// Returns `true` if no files have to be written or committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let is_rest_empty = self.known.is_none() && self.metric_sets.is_empty() && self.omni.is_none();
        is_rest_empty && self.changed_models().next().is_none()
    }

    /// Returns the models with files to write or to commit.
    pub fn changed_models(&self) -> impl Iterator<Item = &ModelPlan> {
        let is_changed =
            |plan: &&ModelPlan| !(plan.files.is_empty() && plan.uncommitted.is_empty() && plan.written.is_empty());
        self.models.iter().filter(is_changed)
    }

    /// Returns a summary, for example `Plan: 2 to create, 1 to update, 0 to delete, 1 conflict`.
    #[must_use]
    pub fn summary(&self) -> String {
        let conflicts = self.conflicts();
        let kept: usize = self.models.iter().map(|plan| plan.kept.len()).sum();
        let (create, update, delete) = (
            self.count(ModelAction::Create),
            self.count(ModelAction::Update),
            self.count(ModelAction::Delete),
        );
        let conflicts = format_count(conflicts, "conflict", "conflicts");
        let mut out = format!("Plan: {create} to create, {update} to update, {delete} to delete, {conflicts}");
        if kept > 0 {
            out.push_str(&format!("; {} kept", format_count(kept, "manual edit", "manual edits")));
        }
        let uncommitted: usize = self.models.iter().map(|plan| plan.uncommitted.len()).sum();
        if uncommitted > 0 {
            let files = format_count(uncommitted, "edited file", "edited files");
            out.push_str(&format!("; {files} to commit"));
        }
        let written: usize = self.models.iter().map(|plan| plan.written.len()).sum();
        if written > 0 {
            let files = format_count(written, "pushed file", "pushed files");
            out.push_str(&format!("; {files} to commit"));
        }
        if !self.metric_sets.is_empty() {
            let sets = format_count(self.metric_sets.len(), "metric set", "metric sets");
            out.push_str(&format!("; {sets} to commit"));
        }
        if let Some(OmniChange { repository, files, .. }) = &self.omni {
            let files = format_count(files.len(), "file", "files");
            out.push_str(&format!("; {files} to commit in {repository}"));
        }
        out
    }

    /// Returns the complete plan in the format of a saved plan.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "formulac_plan": 1,
            "summary": self.summary(),
            "environment": self.environment,
            "models": self.models.iter().map(ModelPlan::json).collect::<Vec<_>>(),
            "known": self.known.as_ref().map(|facts_change| &facts_change.facts),
            "metric_sets": self.metric_sets,
            "omni": self.omni.as_ref().map(|omni| json!({"repository": omni.repository, "files": omni.files})),
        })
    }
}
