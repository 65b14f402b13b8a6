//! Files of Omni models in the project's git repository.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use formulac::Project;
use formulac_syntax::text::format_count;

use super::{PULL_RECORDS_FOLDER, pull_record_paths};
use crate::cli::commands::sync::Repository;
use crate::cli::environment::quote_for_shell;
use crate::cli::folder::{display_path, relative_path};
use crate::cli::health::summarize_names;
use crate::cli::omni_files::omni_paths;
use crate::cli::project;

/// Returns a command that commits the files of the Omni model and the records of the last pull. `None` if all files are
/// committed, if git ignores them, or if a push commits them because the Omni model has its own repository.
pub fn commit_command(root: &Path, project: Option<&Project>) -> Option<String> {
    let records = pull_record_paths(root);
    if records.is_empty() || project.is_some_and(Project::omni_is_repository) {
        return None;
    }
    let repository = Repository::find(root).ok()?;
    let omni = root.join(project.and_then(Project::omni).unwrap_or(project::DEFAULT_OMNI_FOLDER));
    let has_uncommitted_changes = |files: &[PathBuf]| {
        let paths: Vec<String> = files.iter().map(|path| relative_path(root, path)).collect();
        !paths.is_empty()
            && repository
                .uncommitted_paths(&paths)
                .is_ok_and(|found| !found.is_empty())
    };
    let folders = [(omni_paths(&omni), omni), (records, root.join(PULL_RECORDS_FOLDER))];
    let uncommitted = folders.into_iter().filter(|(files, _)| has_uncommitted_changes(files));
    let names: Vec<String> = uncommitted
        .map(|(_, folder)| quote_for_shell(&display_path(&folder)))
        .collect();
    (!names.is_empty()).then(|| format!("git add {} && git commit", names.join(" ")))
}

/// Describes the committed view files outside the default folder of the Omni model, which the first pull of a project
/// without `omni:` creates. `None` if there are no such files.
pub fn describe_other_views(root: &Path) -> Option<String> {
    let repository = Repository::find(root).ok()?;
    let listed = repository
        .run_git(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD"])
        .ok()?;
    let own_folder = format!("{}{}/", repository.project_prefix, project::DEFAULT_OMNI_FOLDER);
    let files: Vec<&str> = listed
        .split('\0')
        .filter(|path| path.ends_with(".view.yaml") && !path.starts_with(&own_folder))
        .collect();
    let parents: BTreeSet<&Path> = files.iter().filter_map(|path| Path::new(path).parent()).collect();
    let folders: Vec<String> = parents.into_iter().map(display_path).collect();
    (!files.is_empty()).then(|| {
        format!(
            "the repository already has {} of an Omni model, which this pull does not read: {}; to use that model, \
             move its folder into the project, unless it is already there, and write `omni: FOLDER` in formulac.yml",
            format_count(files.len(), "view file", "view files"),
            summarize_names(&folders)
        )
    })
}
