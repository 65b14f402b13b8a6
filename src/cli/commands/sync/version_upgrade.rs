//! Finds the models that change only because another version of formulac generates their files.

use std::collections::{BTreeMap, BTreeSet};

use formulac::known::KnownFacts;
use formulac::sync::{
    CurrentSpec, KNOWN_FACTS_PATH, LOG_FOLDER, Log, ModelAction, ModelPlan, NumberedEntry, PushState,
};

use super::planner::{ModelStates, PlannedModels};
use super::repository::Repository;
use super::restored_states::last_recorded_hashes;
use super::{history, read_project_file};
use crate::cli::models::CompiledModel;
use crate::cli::project;
use crate::cli::workspace::Workspace;

/// Marks the models that were pushed by another version of formulac and whose spec, metric sets, settings, entries in
/// `known.yml` and parents have not changed since. If git cannot determine this, the model is not marked.
pub fn mark_upgraded_models(workspace: &Workspace, planned_models: &mut PlannedModels, states: &ModelStates) {
    let is_candidate =
        |plan: &ModelPlan| plan.action == ModelAction::Update && has_unchanged_source(plan, planned_models, states);
    let mut candidates: BTreeSet<String> = planned_models
        .plan
        .models
        .iter()
        .filter(|plan| is_candidate(plan))
        .map(|plan| plan.model.clone())
        .collect();
    if candidates.is_empty() {
        return;
    }
    let versions = differing_push_versions(workspace, planned_models, &candidates);
    candidates.retain(|model| versions.contains_key(model));
    let others = planned_models.plan.models.iter().map(|plan| &plan.model);
    let others: Vec<String> = others.filter(|model| !candidates.contains(*model)).cloned().collect();
    remove_downstream_models(&mut candidates, &planned_models.models, others);
    for plan in &mut planned_models.plan.models {
        if candidates.contains(&plan.model) {
            plan.pushed_by = versions.get(&plan.model).cloned();
        }
    }
}

/// Returns whether the spec and the metric sets of a model are the same as in the last push although the generated
/// files differ.
fn has_unchanged_source(plan: &ModelPlan, planned_models: &PlannedModels, states: &ModelStates) -> bool {
    let Some((ours, [base])) = planned_models
        .ours
        .get(&plan.model)
        .zip(states.get(&plan.model).map(|state| state.bases.as_slice()))
    else {
        return false;
    };
    let now = PushState::from_pushed(&plan.model, ours);
    let is_same = (&now.spec, &now.source, &now.sets) == (&base.spec, &base.source, &base.sets);
    is_same && now.files != base.files && plan.carried.is_empty() && plan.conflicts.is_empty()
}

/// Returns the versions of formulac that pushed these models, if they differ from this version, and if neither the
/// settings nor the models' entries in `known.yml` have changed since that push.
fn differing_push_versions(
    workspace: &Workspace,
    planned_models: &PlannedModels,
    candidates: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    let Ok(repository) = Repository::find(&workspace.root) else {
        return versions;
    };
    let settings = read_project_file(&workspace.root, project::PROJECT_FILE).map(|text| text.replace('\r', ""));
    let planned = planned_models
        .plan
        .known
        .as_ref()
        .map(|facts_change| facts_change.file.after.clone());
    let facts = read_facts(planned.unwrap_or_else(|| read_project_file(&workspace.root, KNOWN_FACTS_PATH)));
    let log = history::read_log(workspace);
    let mut entries = entries_of_states(&log, candidates);
    entries.retain(|(logged, _)| logged.entry.version != env!("CARGO_PKG_VERSION"));
    if entries.is_empty() {
        return versions;
    }
    let commits = repository.commits_that_added(LOG_FOLDER).unwrap_or_default();
    for (logged, pushed) in entries {
        let Some(commit) = commits.get(&logged.path()) else {
            continue;
        };
        let text_at_push = |path: &str| {
            repository
                .file_contents_at_commit(commit, &[path.to_owned()])
                .ok()?
                .pop()?
        };
        if text_at_push(project::PROJECT_FILE).map(|text| text.replace('\r', "")) != settings {
            continue;
        }
        let before = read_facts(text_at_push(KNOWN_FACTS_PATH));
        for model in pushed {
            if planned_models
                .ours
                .get(&model)
                .is_some_and(|ours| has_same_known_facts(&before, &facts, ours))
            {
                versions.insert(model, logged.entry.version.clone());
            }
        }
    }
    versions
}

/// Returns the entries that first recorded the current states of these models, each with its models. A rollback records
/// a state again, but the first entry contains the version that generated the files.
fn entries_of_states<'l>(log: &'l Log, models: &BTreeSet<String>) -> Vec<(&'l NumberedEntry, Vec<String>)> {
    let mut current = last_recorded_hashes(log);
    current.retain(|_, state| models.contains(&state.model));
    let mut entries = Vec::new();
    for logged in &log.entries {
        let mut models_of_entry = Vec::new();
        for (path, hash) in &logged.entry.files {
            let is_current = current
                .get(path)
                .is_some_and(|state| hash.as_ref() == Some(&state.hash));
            let state = is_current.then(|| current.remove(path)).flatten();
            models_of_entry.extend(state.map(|state| state.model));
        }
        if !models_of_entry.is_empty() {
            entries.push((logged, models_of_entry));
        }
    }
    entries
}

fn read_facts(text: Option<String>) -> KnownFacts {
    KnownFacts::from_text(&text.unwrap_or_default()).0
}

/// Returns whether two versions of `known.yml` agree about everything on which the files of a spec depend.
fn has_same_known_facts(before: &KnownFacts, now: &KnownFacts, ours: &CurrentSpec) -> bool {
    let mut relation_names = ours.compiled.known_relations().iter().map(formulac::Relation::name);
    (before.dialect, &before.dbt_version, &before.generic_tests) == (now.dialect, &now.dbt_version, &now.generic_tests)
        && relation_names.all(|name| before.schema.relation(name) == now.schema.relation(name))
}

/// Removes the models that read a changed model, directly or through other models.
fn remove_downstream_models(candidates: &mut BTreeSet<String>, models: &[CompiledModel], mut changed: Vec<String>) {
    let mut children: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for model in models.iter().filter(|model| candidates.contains(&model.name)) {
        for read_relation in &model.reads {
            let name = read_relation.unversioned_model().unwrap_or(read_relation.name());
            children.entry(name.to_lowercase()).or_default().push(&model.name);
        }
    }
    while let Some(parent) = changed.pop() {
        for child in children.get(&parent.to_lowercase()).into_iter().flatten() {
            if candidates.remove(*child) {
                changed.push((*child).clone());
            }
        }
    }
}
