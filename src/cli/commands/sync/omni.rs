//! Finds descriptions in the Omni model that users have changed since the last pull.

use std::collections::BTreeSet;

use formulac::sync::{DescriptionActions, PulledView, changed_descriptions as of_views};

use super::read_project_file;
use crate::cli::commands::pull::{pull_records, unreadable_omni_files, yaml_failure};
use crate::cli::exit::{Failure, FileDiagnostics};
use crate::cli::workspace::Workspace;

/// Parses a view file whose path is relative to the project's folder. Returns `None` if no pull wrote the file.
pub fn pulled_view(workspace: &Workspace, file: &str, text: String) -> Option<PulledView> {
    let path = file.strip_prefix(&workspace.omni_folder())?.strip_prefix('/')?;
    let record = pull_records(&workspace.root).find(|record| record.path == path)?;
    Some(PulledView::new(record, file, &text))
}

/// Plans the transfer of descriptions from Omni to dbt, and returns an error for each Omni file that cannot be parsed.
/// The plan is empty if the project was never pulled or has no manifest.
pub fn plan_descriptions(
    workspace: &Workspace,
    is_spec: impl Fn(&str) -> bool,
) -> Result<(DescriptionActions, Vec<FileDiagnostics>), Failure> {
    let omni = workspace.omni_folder();
    let mut unchanged = BTreeSet::new();
    let views = pull_records(&workspace.root).filter_map(|record| {
        let file = format!("{omni}/{}", record.path);
        let text = read_project_file(&workspace.root, &file)?;
        // Parse only files that changed after the pull, because most files have not changed.
        if text == record.view {
            unchanged.insert(record.path);
            return None;
        }
        Some(PulledView::new(record, &file, &text))
    });
    let views: Vec<PulledView> = views.collect();
    let omni = workspace.root.join(omni);
    let unreadable = unreadable_omni_files(&omni, |path, _| unchanged.contains(path));
    let faults = unreadable
        .iter()
        .map(|(path, refusal)| yaml_failure(&omni, path, refusal));
    let faults: Vec<FileDiagnostics> = faults.collect();
    match workspace.manifest()?.filter(|_| !views.is_empty() && faults.is_empty()) {
        Some(manifest) => {
            let read = |path: &str| read_project_file(&workspace.root, path);
            Ok((of_views(manifest, &views, is_spec, read), faults))
        }
        None => Ok((DescriptionActions::default(), faults)),
    }
}
