//! Sentence that says, for a plan without changes, that specs, dbt and Omni agree.

use formulac_syntax::text::format_count;

use super::planner::PlannedModels;
use crate::cli::commands::pull;
use crate::cli::omni_files;
use crate::cli::workspace::Workspace;

/// Describes a project in which a push changes nothing. Omni is part of the sentence only if its files exist, are
/// committed, and define no field that a spec also defines.
pub fn describe_agreement(workspace: &Workspace, planned_models: &PlannedModels) -> String {
    let omni = workspace.root.join(workspace.omni_folder());
    let reads_omni = omni.is_dir() && planned_models.missing_in_omni.is_none();
    let mut notes = Vec::new();
    if reads_omni {
        let command = pull::commit_command(&workspace.root, Some(&workspace.project));
        notes.extend(command.map(|command| format!(" Files of the Omni model are not committed: run `{command}`.")));
        let duplicates = count_duplicates(workspace, planned_models);
        if duplicates > 0 {
            let fields = format_count(duplicates, "field", "fields");
            notes.push(format!(" Specs and Omni both define {fields}: run `formulac status`."));
        }
    }
    let parts = if reads_omni && notes.is_empty() {
        "Specs, dbt and Omni"
    } else {
        "Specs and dbt"
    };
    let kept: usize = planned_models.plan.models.iter().map(|model| model.kept.len()).sum();
    if kept > 0 {
        let remain = format_count(kept, "manual edit remains", "manual edits remain");
        notes.push(format!(" {remain}."));
    }
    format!("{parts} agree.{}\n", notes.concat())
}

/// Returns the number of fields that are defined both in a spec and in Omni.
fn count_duplicates(workspace: &Workspace, planned_models: &PlannedModels) -> usize {
    let specs = planned_models.ours.values();
    let specs: Vec<(String, String)> = specs.map(|ours| (ours.spec.clone(), ours.source.clone())).collect();
    // Pass no compiled specs, because only the help of the diagnostics depends on them.
    let duplicates = omni_files::find_omni_duplicates(&workspace.project, &workspace.root, &specs, |_| None);
    let silenced = workspace.project.silenced();
    let is_shown = |kind| !silenced.contains(&kind);
    duplicates.iter().filter(|(_, fault)| is_shown(fault.kind())).count()
}
