//! Finds descriptions in the Omni model that users have changed since Omni and dbt last agreed.

use std::collections::BTreeSet;

use formulac::omni::PullRecord;
use formulac::sync::{DescriptionActions, PulledView, TextChange, changed_descriptions};

use super::read_project_file;
use crate::cli::commands::pull::{pull_record_files, pull_record_paths, unreadable_omni_files, yaml_failure};
use crate::cli::exit::{Failure, FileDiagnostics};
use crate::cli::source::read_text;
use crate::cli::workspace::Workspace;

/// Parses a view file whose path is relative to the project's folder. Returns `None` if no pull wrote the file.
pub fn pulled_view(workspace: &Workspace, file: &str, text: String) -> Option<PulledView> {
    let path = file.strip_prefix(&workspace.omni_folder())?.strip_prefix('/')?;
    records(workspace)
        .find(|(record, _)| record.path == path)
        .map(|(record, record_file)| PulledView::new(record, record_file, (file, &text)))
}

/// Returns the records of the last pull, each with the path and the contents of its file.
fn records(workspace: &Workspace) -> impl Iterator<Item = (PullRecord, (String, String))> {
    pull_record_files(&workspace.root).map(|(path, text, record)| (record, (workspace.relative_path(&path), text)))
}

/// Returns the descriptions in the Omni model that a rollback removes from dbt and from specs but not from Omni, each
/// with its position. The next push would transfer them again. `changes` contains the changes that the rollback makes.
pub fn find_returning_descriptions(workspace: &Workspace, changes: &[TextChange]) -> Vec<(String, String)> {
    let omni = workspace.omni_folder();
    let of_rollback = |file: &str| changes.iter().find(|change| change.path == file);
    let is_removed = |text: &str| {
        let line = text.lines().next().unwrap_or_default();
        let count = |text: &Option<String>| text.as_deref().map_or(0, |text| text.matches(line).count());
        let mut dbt = changes.iter().filter(|change| !change.path.starts_with(&omni));
        !line.is_empty() && dbt.any(|change| count(&change.before) > count(&change.after))
    };
    let mut descriptions = Vec::new();
    for (record, record_file) in records(workspace) {
        // The rollback also restores records that a push changed.
        let restored = of_rollback(&record_file.0).and_then(|change| PullRecord::from_text(change.after.as_deref()?));
        let record = restored.unwrap_or(record);
        let file = format!("{omni}/{}", record.path);
        let text = match of_rollback(&file) {
            Some(change) => change.after.clone(),
            None => read_project_file(&workspace.root, &file),
        };
        // Parse only files that differ from their record.
        let Some(text) = text.filter(|text| *text != record.view) else {
            continue;
        };
        let view = PulledView::new(record, record_file, (&file, &text));
        let changed = view.changed_descriptions().into_iter();
        let returning = changed.filter(|(_, text)| is_removed(text));
        descriptions.extend(returning.map(|(line, text)| (format!("{file}:{line}"), text)));
    }
    descriptions
}

/// Plans the transfer of descriptions from Omni to dbt, and returns an error for each Omni file that cannot be parsed.
/// The plan is empty if the project was never pulled or has no manifest.
pub fn plan_descriptions(
    workspace: &Workspace,
    is_spec: impl Fn(&str) -> bool,
) -> Result<(DescriptionActions, Vec<FileDiagnostics>), Failure> {
    let omni = workspace.omni_folder();
    let mut unchanged = BTreeSet::new();
    let views = pull_record_paths(&workspace.root)
        .into_iter()
        .filter_map(|record_path| {
            let record_text = read_text(&record_path).ok()?;
            let read_view = |path: &str| read_project_file(&workspace.root, &format!("{omni}/{path}"));
            // Parse only files that differ from their records, and the records of these files, because most files have
            // not changed.
            if let Some(path) = PullRecord::view_path_in_record(&record_text)
                && read_view(path).is_some_and(|view| PullRecord::is_recorded_view(&record_text, &view))
            {
                unchanged.insert(path.to_owned());
                return None;
            }
            let record = PullRecord::from_text(&record_text)?;
            let text = read_view(&record.path)?;
            if text == record.view {
                unchanged.insert(record.path);
                return None;
            }
            let file = format!("{omni}/{}", record.path);
            let record_file = (workspace.relative_path(&record_path), record_text);
            Some(PulledView::new(record, record_file, (&file, &text)))
        });
    let views: Vec<PulledView> = views.collect();
    let omni = workspace.root.join(omni);
    let unreadable = unreadable_omni_files(&omni, |path, _| unchanged.contains(path));
    let faults = unreadable.iter().map(|(path, error)| yaml_failure(&omni, path, error));
    let faults: Vec<FileDiagnostics> = faults.collect();
    match workspace.manifest()?.filter(|_| !views.is_empty() && faults.is_empty()) {
        Some(manifest) => {
            let read_file = |path: &str| read_project_file(&workspace.root, path);
            Ok((changed_descriptions(manifest, &views, is_spec, read_file), faults))
        }
        None => Ok((DescriptionActions::default(), faults)),
    }
}
