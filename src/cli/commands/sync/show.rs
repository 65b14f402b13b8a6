//! Formats a plan for users.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use formulac::diag::lists::join_words;
use formulac::diag::render::escape_hidden;
use formulac::sync::{
    Exposures, ManualEdit, ModelAction, ModelEffects, ModelPlan, Plan, PushState, STATE_FOLDER, TextChange, diff_lines,
};
use formulac_syntax::text::collapse_whitespace;

use super::agreement::describe_agreement;
use super::conflict;
use super::planner::PlannedModels;
use crate::cli::commands::generate::summarize_known_facts_changes;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;

/// Maximum number of lines shown per diff; `--json` contains all lines.
pub const MAX_DIFF_LINES: usize = 40;

/// Formats the whole plan.
pub fn format_plan(session: &Session, workspace: &Workspace, planned_models: &PlannedModels) -> String {
    let plan = &planned_models.plan;
    let mut out = String::new();
    let models = plan.models.iter().filter(|model| model.conflicts.is_empty());
    let (upgraded, changed): (Vec<&ModelPlan>, Vec<&ModelPlan>) = models.partition(|model| model.pushed_by.is_some());
    for model in changed {
        write_model(&mut out, model, session.global.quiet);
    }
    write_upgraded_models(&mut out, &upgraded, session.global.quiet);
    let written_paths: Vec<&str> = plan
        .models
        .iter()
        .filter(|model| are_files_already_written(model))
        .map(|model| &*model.model)
        .collect();
    if !written_paths.is_empty() {
        let _ = writeln!(
            out,
            "Files that are already written and that `push` commits: {}\n",
            written_paths.join(", ")
        );
    }
    let total = plan.conflicts();
    let mut number = 0;
    for model in &plan.models {
        for conflict in &model.conflicts {
            number += 1;
            conflict::write_conflict(&mut out, workspace, planned_models, model, conflict, number, total);
        }
    }
    write_unknown_exposures(&mut out, plan);
    if let Some(facts_change) = &plan.known {
        summarize_known_facts_changes(&facts_change.facts)
            .iter()
            .for_each(|line| {
                let _ = writeln!(out, "{line}");
            });
    }
    if let Some(omni) = &plan.omni {
        let _ = writeln!(
            out,
            "Files of the Omni model that `push` commits in {}:",
            omni.repository
        );
        for file in &omni.files {
            let _ = writeln!(out, "  {file}");
        }
        out.push('\n');
    }
    if !plan.metric_sets.is_empty() {
        out.push_str("Metric sets that `push` commits; no model reads what changed:\n");
        for path in &plan.metric_sets {
            let _ = writeln!(out, "  {path}");
        }
        out.push('\n');
    }
    if plan.models.is_empty() && plan.is_empty() {
        out.push_str(&describe_agreement(workspace, planned_models));
    }
    let _ = writeln!(out, "{}", plan.summary());
    escape_hidden(&out).into_owned()
}

/// Prints the models that change only because another version of formulac pushed them.
fn write_upgraded_models(out: &mut String, models: &[&ModelPlan], brief: bool) {
    if models.is_empty() {
        return;
    }
    let versions: BTreeSet<&str> = models.iter().filter_map(|model| model.pushed_by.as_deref()).collect();
    let versions: Vec<&str> = versions
        .into_iter()
        .map(|version| {
            if version.is_empty() {
                "an earlier version"
            } else {
                version
            }
        })
        .collect();
    let _ = writeln!(
        out,
        "Changed only by the upgrade of formulac from {} to {} (`formulac push --upgrade` commits only these models):\n",
        join_words(&versions, "and"),
        env!("CARGO_PKG_VERSION")
    );
    for model in models {
        write_model(out, model, brief);
    }
}

/// Prints a line if it is unknown which exposures depend on the changed models.
fn write_unknown_exposures(out: &mut String, plan: &Plan) {
    let models = plan.models.iter();
    let unknown = |kind: Exposures| {
        let is_unknown = move |model: &&ModelPlan| {
            model
                .effects
                .as_ref()
                .is_some_and(|model_effects| model_effects.exposures == kind)
        };
        models.clone().filter(is_unknown).map(|model| model.model.as_str())
    };
    if unknown(Exposures::NoManifest).next().is_some() {
        out.push_str("Exposures are not known, because there is no dbt manifest; run `dbt parse` to write one\n");
    }
    let missing: Vec<&str> = unknown(Exposures::NotInManifest).collect();
    if !missing.is_empty() {
        let _ = writeln!(
            out,
            "Exposures of {} are not known, because the dbt manifest is out of date; run `dbt parse` to update it",
            missing.join(", ")
        );
    }
}

/// Warns about a plan that ignores Omni's files because the clone of the Omni model is incomplete.
pub fn report_missing_omni_commit(session: &Session, planned_models: &PlannedModels) {
    if let Some(missing) = &planned_models.missing_in_omni {
        session.warn(&format!(
            "{}, so the plan ignores the files of the Omni model; run `{}`",
            missing.message, missing.fix
        ));
    }
}

/// Prints the descriptions in Omni that cannot be transferred to dbt: one line per file and reason.
pub fn print_rejected_descriptions(session: &Session, rejected: &[(String, String)]) {
    let mut counts: Vec<(&str, &str, &str, usize)> = Vec::new();
    for (location, reason) in rejected {
        let file = location.rsplit_once(':').map_or(location.as_str(), |(file, _)| file);
        let known = counts
            .iter_mut()
            .find(|(_, of_file, of_reason, _)| (*of_file, *of_reason) == (file, reason));
        match known {
            Some((.., count)) => *count += 1,
            None => counts.push((location, file, reason, 1)),
        }
    }
    for (location, file, reason, count) in counts {
        session.warn(&match count {
            1 => format!("{location}: this description exists in Omni only: {reason}"),
            count => format!("{file}: {count} descriptions exist in Omni only: {reason}"),
        });
    }
}

fn write_model(out: &mut String, model: &ModelPlan, brief: bool) {
    let sign = match model.action {
        ModelAction::Create => '+',
        ModelAction::Update => '~',
        ModelAction::Delete => '-',
        _ => '=',
    };
    let _ = writeln!(
        out,
        "{sign} {:6}  {}  ({})",
        model.action.name(),
        model.model,
        model.spec
    );
    for change in &model.changes {
        let text = change.to_string();
        let _ = writeln!(out, "    {}", collapse_whitespace(&text));
    }
    let effects = model.effects.iter().flat_map(ModelEffects::effect_phrases);
    let effects: Vec<String> = effects.collect();
    if !effects.is_empty() {
        let _ = writeln!(out, "    {}", effects.join("; "));
    }
    let edit = |out: &mut String, label: &str, edit: &ManualEdit| {
        let part = edit.describe_part(&model.model);
        let _ = writeln!(out, "    {label}: {part}, {}:{}", edit.file, edit.line);
    };
    for manual_edit in &model.carried {
        let label = if manual_edit.is_removal() {
            "removed from the spec"
        } else {
            "copied into the spec"
        };
        edit(out, label, manual_edit);
        if let Some(rewritten) = manual_edit.describe_rewritten_sql() {
            let _ = writeln!(out, "      {rewritten}");
        }
    }
    for manual_edit in &model.kept {
        edit(out, "remains a manual edit", manual_edit);
        if let Some(why) = manual_edit.reason_to_keep() {
            let _ = writeln!(out, "      {why}");
        }
    }
    let moved_by_push = model.moved.iter().map(|(new, old)| (old.clone(), new.clone()));
    for (old, new) in moved_by_push.chain(files_moved_by_user(model)) {
        let _ = writeln!(out, "  {old} → {new}  moved");
    }
    for file in displayed_files(model) {
        write_file(out, &file, brief);
    }
    for path in &model.uncommitted {
        let _ = writeln!(out, "  {path}  edited manually, not committed yet");
    }
    if let Some(source) = changed_source_without_effect(model) {
        let _ = writeln!(out, "    {source} changed, but no generated file changes");
    }
    out.push('\n');
}

/// Returns the files whose contents change, except push states, which are internal.
fn displayed_files(model: &ModelPlan) -> impl Iterator<Item = TextChange> {
    let is_old_path = |path: &String| model.moved.values().any(|old| old == path);
    let files = model
        .files
        .iter()
        .filter(move |file| !file.path.starts_with(STATE_FOLDER) && !is_old_path(&file.path));
    files.filter_map(|file| {
        let old = model.moved.get(&file.path);
        let before = old.and_then(|old| model.files.iter().find(|file| file.path == *old));
        let before = before.map_or(&file.before, |before| &before.before);
        (*before != file.after).then(|| TextChange::new(&file.path, before.clone(), file.after.clone()))
    })
}

/// Returns the former and the current path of each generated file that a user moved since the last push. The push
/// records only the new path.
fn files_moved_by_user(model: &ModelPlan) -> Vec<(String, String)> {
    let Some((before, after)) = push_states_before_and_after(&model.files).filter(|_| model.moved.is_empty()) else {
        return Vec::new();
    };
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let only_in = |one: &PushState, other: &PushState| -> Vec<String> {
        let paths = one.files.keys().filter(|path| !other.files.contains_key(*path));
        paths.cloned().collect()
    };
    let new = only_in(&after, &before);
    let moved = only_in(&before, &after).into_iter().filter_map(|old| {
        let now = new.iter().find(|now| name(now) == name(&old))?.clone();
        Some((old, now))
    });
    moved.collect()
}

/// Returns the state of a model before and after a push that changes the state.
fn push_states_before_and_after(files: &[TextChange]) -> Option<(PushState, PushState)> {
    let change = files.iter().find(|file| file.path.starts_with(STATE_FOLDER))?;
    let state = |text: &Option<String>| PushState::versions(text.as_deref()?).into_iter().next();
    Some((state(&change.before)?, state(&change.after)?))
}

/// Returns the name of the changed source, which is the spec or a metric set, if the generated files of the model do
/// not change.
fn changed_source_without_effect(model: &ModelPlan) -> Option<&'static str> {
    let is_silent = model.changes.is_empty() && model.carried.is_empty() && model.effects.is_none();
    if !is_silent || model.action != ModelAction::Update || displayed_files(model).next().is_some() {
        return None;
    }
    let (before, after) = push_states_before_and_after(&model.files).filter(|_| model.files.len() == 1)?;
    if before.source != after.source {
        Some("the spec")
    } else if before.sets != after.sets {
        Some("a metric set")
    } else {
        None
    }
}

/// Returns whether all files of a new model already exist, for example because `generate` wrote them.
fn are_files_already_written(model: &ModelPlan) -> bool {
    let is_created =
        model.action == ModelAction::Create && model.conflicts.is_empty() && displayed_files(model).next().is_none();
    is_created || !model.written.is_empty()
}

fn write_file(out: &mut String, file: &TextChange, brief: bool) {
    let lines = |text: &Option<String>| text.as_deref().map_or(0, |text| text.lines().count());
    let action = match (&file.before, &file.after) {
        (None, _) => format!("{} lines", lines(&file.after)),
        (_, None) => "removed".to_owned(),
        _ => "changed".to_owned(),
    };
    let _ = writeln!(out, "  {}  {action}", file.path);
    let (Some(before), Some(after)) = (&file.before, &file.after) else {
        return;
    };
    if brief {
        return;
    }
    write_diff(
        out,
        &diff_lines(&before.replace('\r', ""), &after.replace('\r', "")),
        MAX_DIFF_LINES,
    );
}

/// Prints the first lines of a diff, and the number of remaining lines.
pub fn write_diff(out: &mut String, diff: &str, limit: usize) {
    for line in diff.lines().take(limit) {
        let _ = writeln!(out, "    {line}");
    }
    let more = diff.lines().count().saturating_sub(limit);
    if more > 0 {
        let _ = writeln!(out, "    … {more} more lines");
    }
}
