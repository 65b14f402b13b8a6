//! Description of a merge request: the evidence for a plan, its impact, and the required approvals.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use formulac::impact::{self, ColumnChange, NodeChanges, show};
use formulac::sync::{
    ComparisonVerdict, CurrentSpec, Log, MergeRequest, ModelAction, ModelPlan, PlannedChange, Property, TestCounts,
    VerificationEvidence, VerifiedModelSummary,
};
use formulac::team::required_approvers_of_spec;
use formulac_syntax::text::format_count;

use super::dbt_check::ParsedProject;
use super::planner::PlannedModels;
use super::push;
use super::read_project_file;
use super::repository::Repository;
use crate::cli::commands::impact::ImpactContext;
use crate::cli::environment::Environment;
use crate::cli::exit::Failure;
use crate::cli::models::CompiledModel;
use crate::cli::session::Session;
use crate::cli::source::read_text;
use crate::cli::workspace::Workspace;

/// Path of the file that a push writes, relative to the project's folder.
pub const MERGE_REQUEST_FILE: &str = ".formulac/local/merge_request.md";

/// Creates the description of a merge request, before or after the push. `log` is the log from before the push.
pub fn new(
    session: &Session,
    workspace: &Workspace,
    planned_models: &PlannedModels,
    parsed: &ParsedProject,
    log: &Log,
    title: Option<&str>,
) -> Result<MergeRequest, Failure> {
    let mut request = MergeRequest::default();
    let is_one = planned_models.plan.models.len() == 1;
    request.title = title
        .map(str::to_owned)
        .or_else(|| (!is_one).then(|| push::push_title(&planned_models.plan)))
        .unwrap_or_default();
    request
        .checks
        .push(format!("compiles{}", format_warnings(planned_models)));
    match parsed {
        ParsedProject::Yes => request.checks.push("dbt parses the project".to_owned()),
        ParsedProject::No(why) => request.not_run.push(format!("`dbt parse` ({why})")),
        ParsedProject::Refused(..) => {}
    }
    let written_models = planned_models
        .plan
        .models
        .iter()
        .filter_map(|model| Some((model, planned_models.ours.get(&model.model)?)));
    let promised = written_models.map(|(model, ours)| TestCounts::new(&model.model, &ours.files));
    if let Some(tests) = promised.fold(TestCounts::default(), TestCounts::combine).section() {
        let built = planned_models
            .plan
            .models
            .iter()
            .filter(|model| model.action != ModelAction::Delete);
        let names: Vec<&str> = built.map(|model| model.model.as_str()).collect();
        request
            .not_run
            .push(format!("{tests} (`dbt build --select {}`)", names.join(" ")));
    }
    add_evidence_to_request(workspace, planned_models, &mut request);
    request.reaches = impact_markdown(session, workspace, planned_models)?;
    let approvals = planned_models
        .environment
        .as_ref()
        .map(|environment| environment.approvals.as_slice())
        .unwrap_or_default();
    request.needs = approvals
        .iter()
        .map(|(role, count)| (role.to_string(), *count))
        .collect();
    request.approvers = named_approvers(workspace, planned_models);
    let is_reviewed = planned_models
        .environment
        .as_ref()
        .is_some_and(Environment::is_reviewed);
    let omni = planned_models.plan.omni.as_ref().filter(|_| is_reviewed);
    request.omni = omni.map(|omni| omni.repository.clone());
    request.undo = match log.latest_entry_hashes().as_slice() {
        [head] => log
            .entries
            .iter()
            .find(|entry| entry.hash == *head)
            .map(|entry| format!("formulac rollback {}", entry.number)),
        _ => None,
    };
    Ok(request)
}

/// Returns the approvers named in uncommitted specs and metric sets, and the approvers of models that change because of
/// a metric set.
fn named_approvers(workspace: &Workspace, planned_models: &PlannedModels) -> Vec<(String, Vec<String>)> {
    let mut now: BTreeMap<String, Option<String>> = BTreeMap::new();
    let sets = |model: &ModelPlan| -> Vec<String> {
        let ours = planned_models.ours.get(&model.model).into_iter();
        ours.flat_map(|ours| ours.compiled.metric_set_files().map(|(path, _)| path.to_owned()))
            .collect()
    };
    for model in &planned_models.plan.models {
        for path in sets(model).into_iter().chain([model.spec.clone()]) {
            match model.files.iter().find(|file| file.path == path) {
                Some(planned) => {
                    now.insert(path, planned.after.clone());
                }
                None => {
                    let read_file = |path: &String| read_project_file(&workspace.root, path);
                    now.entry(path).or_insert_with_key(read_file);
                }
            }
        }
    }
    let paths: Vec<String> = now.keys().cloned().collect();
    // All files are new if there is no repository or no commit.
    let committed =
        Repository::find(&workspace.root).and_then(|repository| repository.file_contents_at_commit("HEAD", &paths));
    let committed = committed.unwrap_or_else(|_| vec![None; paths.len()]);
    let committed: BTreeMap<String, Option<String>> = paths.into_iter().zip(committed).collect();
    let is_changed = |path: &String| committed.get(path) != now.get(path);
    let mut paths_to_read: BTreeSet<String> = now.keys().filter(|path| is_changed(path)).cloned().collect();
    let of_sets = planned_models
        .plan
        .models
        .iter()
        .filter(|model| model.effects.is_some());
    let of_sets = of_sets.filter(|model| sets(model).iter().any(is_changed));
    paths_to_read.extend(of_sets.map(|model| model.spec.clone()));
    let names = |path: String| {
        let text = |texts: &BTreeMap<String, Option<String>>| texts.get(&path).cloned().flatten();
        let names = required_approvers_of_spec(text(&committed).as_deref(), text(&now).as_deref());
        (path, names)
    };
    let approver_lists = paths_to_read.into_iter().map(names);
    approver_lists.filter(|(_, names)| !names.is_empty()).collect()
}

/// Quotes the results of `verify` for the exact specs that are pushed. For all other specs, reports that their values
/// were not verified.
fn add_evidence_to_request(workspace: &Workspace, planned_models: &PlannedModels, request: &mut MergeRequest) {
    let changed = |model: &&ModelPlan| matches!(model.action, ModelAction::Create | ModelAction::Update);
    let models: Vec<&ModelPlan> = planned_models.plan.models.iter().filter(changed).collect();
    let mut unverified = Vec::new();
    for model in &models {
        let name = model.model.clone();
        let evidence = planned_models
            .ours
            .get(&name)
            .and_then(|ours| find_evidence(workspace, &name, &ours.source));
        let Some(model_evidence) = evidence else {
            unverified.push(name);
            continue;
        };
        let about = [&model_evidence.environment, &model_evidence.engine]
            .into_iter()
            .filter(|part| !part.is_empty());
        let about = about.map(String::as_str).collect::<Vec<_>>().join(", ");
        let start = if models.len() > 1 {
            format!("`{name}` ")
        } else {
            String::new()
        };
        request.values.push(VerifiedModelSummary {
            model: name,
            environment: Some(about),
            summary: model_evidence.describe_values(),
        });
        for proof in &model_evidence.proofs {
            let other = match &proof.with {
                Some(with) => format!("`{with}`"),
                None => proof.compared_name().to_owned(),
            };
            let message = proof.message();
            let first_line = message.lines().next().unwrap_or_default();
            match proof.verdict {
                ComparisonVerdict::Agrees => request.checks.push(format!("{start}agrees with {other}: {first_line}")),
                ComparisonVerdict::Differs => request
                    .checks
                    .push(format!("{start}differs from {other}: {first_line}")),
                ComparisonVerdict::NotCompared => request
                    .not_run
                    .push(format!("{start}not compared with {other} ({first_line})")),
            }
        }
    }
    if !unverified.is_empty() {
        let message = format!("not verified (`formulac verify {}`)", unverified.join(" "));
        request.values.push(VerifiedModelSummary {
            model: unverified.join(", "),
            environment: None,
            summary: message,
        });
    }
}

/// Returns the saved evidence for exactly this version of a spec, or `None` if there is none.
fn find_evidence(workspace: &Workspace, model: &str, source: &str) -> Option<VerificationEvidence> {
    let text = read_text(workspace.root.join(VerificationEvidence::evidence_path(model))).ok()?;
    let versions = VerificationEvidence::versions(&text)
        .into_iter()
        .filter(|evidence| evidence.is_for_spec(source) && evidence.model == model);
    // If two branches have different evidence, quote the failed comparison.
    versions.max_by_key(|evidence| evidence.verdict() != ComparisonVerdict::Agrees)
}

/// Returns the number of warnings in the specs and metric sets that the push changes, with their codes.
fn format_warnings(planned_models: &PlannedModels) -> String {
    let PlannedModels { plan, models, .. } = planned_models;
    let changed_models: BTreeSet<&str> = plan.changed_models().map(|model| model.model.as_str()).collect();
    let is_changed = |model: &&CompiledModel| changed_models.contains(model.name.as_str());
    let specs: BTreeSet<usize> = models.iter().filter(is_changed).map(|model| model.spec).collect();
    let is_set = |file: &str| plan.metric_sets.iter().any(|set| Path::new(file).ends_with(set));
    let files = planned_models.diagnostics.iter().enumerate();
    let files = files.filter(|(index, of_file)| specs.contains(index) || is_set(&of_file.file));
    let all_codes: Vec<&str> = files
        .map(|(_, of_file)| of_file)
        .flat_map(|file_diagnostics| &file_diagnostics.diagnostics)
        .filter(|diagnostic| !diagnostic.is_error())
        .map(formulac::Diagnostic::code)
        .collect();
    let mut codes = all_codes.clone();
    codes.sort_unstable();
    codes.dedup();
    match all_codes.len() {
        0 => String::new(),
        count => {
            let warnings = format_count(count, "warning", "warnings");
            format!(" with {warnings} ({})", codes.join(", "))
        }
    }
}

/// Formats the impact of the changed definitions as Markdown. Returns `None` if there is no manifest.
fn impact_markdown(
    session: &Session,
    workspace: &Workspace,
    planned_models: &PlannedModels,
) -> Result<Option<String>, Failure> {
    if workspace.artifacts()?.is_none() {
        return Ok(None);
    }
    let (context, plan) = (ImpactContext::read(session, false)?, &planned_models.plan);
    let graph = context.graph();
    let start = |(name, change): (String, ColumnChange)| {
        Some(graph.initial_changes_of_target(&graph.resolve_target(&name).ok()?, change))
    };
    let starts: Vec<NodeChanges> = plan
        .models
        .iter()
        .flat_map(|model| changed_columns(model, planned_models.ours.get(&model.model)))
        .filter_map(start)
        .collect();
    let impact = impact::compute_impact(&graph, &starts, &context.status_by_node);
    context.cache_lineage(&graph);
    Ok(Some(show::format_brief(&impact)))
}

/// Returns the names of models and definitions that are removed or whose values change.
fn changed_columns(model: &ModelPlan, ours: Option<&CurrentSpec>) -> Vec<(String, ColumnChange)> {
    let model_change = |change: ColumnChange| vec![(model.model.clone(), change)];
    match model.action {
        ModelAction::Delete => return model_change(ColumnChange::Removed),
        ModelAction::Update => {}
        _ => return Vec::new(),
    }
    let formulas = model
        .changes
        .iter()
        .filter(|change| change.property == Property::Formula);
    // A new definition has no readers yet.
    let old = formulas.filter(|change| change.before.is_some() || change.metric.is_some());
    let mut names: Vec<(String, ColumnChange)> = Vec::new();
    for change in old {
        let kind = match change.after {
            Some(_) => ColumnChange::Values,
            None => ColumnChange::Removed,
        };
        // A changed metric changes all columns that are computed from it.
        let columns: Vec<&str> = match (&change.metric, ours) {
            (Some(metric), Some(ours)) => ours.compiled.columns_of_metric(metric).collect(),
            _ => change.definition.as_deref().into_iter().collect(),
        };
        // The dimensions and the condition of a metric set determine which rows are aggregated.
        if columns.is_empty() {
            return model_change(ColumnChange::Values);
        }
        let columns = columns.iter().map(|column| format!("{}.{column}", model.model));
        names.extend(columns.map(|column| (column, kind)));
    }
    let model_file = format!("{}.sql", model.model);
    let is_made_otherwise = model.files.iter().any(|file| {
        Path::new(&file.path)
            .file_name()
            .is_some_and(|name| name == model_file.as_str())
    });
    let is_clause = |change: &PlannedChange| matches!(change.property, Property::Clause(_));
    let is_old = |change: &PlannedChange| change.before.is_some() || is_clause(change);
    if names.is_empty() && is_made_otherwise && model.changes.iter().all(is_old) {
        return model_change(ColumnChange::Values);
    }
    names
}

/// Explains how to create the merge request with this description on the forge.
pub fn merge_request_instruction(branch: &str, base_branch: &str) -> String {
    format!(
        "the text of the merge request is in {MERGE_REQUEST_FILE}: `gh pr create --base {base_branch} --head {branch} --body-file \
        {MERGE_REQUEST_FILE}`, or `glab mr create`"
    )
}
