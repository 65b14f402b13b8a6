//! Finds files that were generated from a spec but are no longer needed: tests whose condition is now proven or was
//! removed, and docs files without content.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use formulac::dbt::{is_unmodified, spec_in_header};
use formulac::sync::{PushState, STATE_FOLDER};

use super::folder;
use super::moved_files::former_output_folders;
use super::project;
use super::source::read_text;
use super::workspace::Workspace;
use super::writable_folders::absolute_path;

/// Number of bytes at the beginning of a file that contain its header.
const HEADER_BYTES: u64 = 4096;

/// Generated files that are outside the folders set by `models:` and `tests:`, because an earlier version of the
/// project file named other folders.
#[derive(Debug, Default)]
pub struct MisplacedFiles {
    /// Files of existing specs, which the next push moves to the folders of the project file.
    pub moved_by_push: Vec<PathBuf>,
    /// Files of specs that do not exist, and files that also exist in the folders of the project file.
    pub obsolete: Vec<PathBuf>,
}

/// Finds generated files outside the folders set by `models:` and `tests:`. The search covers the folders that dbt
/// reads and the default folders. Files that users moved to another folder are omitted.
pub fn find_misplaced_files(workspace: &Workspace) -> MisplacedFiles {
    let (models, tests) = workspace.output_folders();
    let own_folders = [&models, &tests].map(|folder| absolute_path(&workspace.root.join(folder)));
    let dbt = workspace.dbt.as_ref();
    let dbt_folders = dbt.iter().flat_map(|dbt| {
        dbt.model_paths
            .iter()
            .chain(&dbt.test_paths)
            .map(|path| dbt.folder.join(path))
    });
    let folders = dbt_folders.chain(
        [project::DEFAULT_MODELS_FOLDER, project::DEFAULT_TESTS_FOLDER].map(|folder| workspace.root.join(folder)),
    );
    let specs = workspace.specs_folder();
    let pushed_specs = OnceCell::new();
    // Whether the spec of a file exists and the file is outside of the folders in the project file. `None` if formulac
    // did not generate the file, or if the next push removes it because the pushed spec no longer exists.
    let is_current = |path: &Path| {
        let mut head = Vec::new();
        let outcome = File::open(path).and_then(|file| file.take(HEADER_BYTES).read_to_end(&mut head));
        let head = String::from_utf8_lossy(&head);
        let spec = spec_in_header(&head).filter(|_| outcome.is_ok())?;
        spec.strip_prefix(specs.as_str()).filter(|rest| rest.starts_with('/'))?;
        let is_twice = path
            .file_name()
            .is_none_or(|name| own_folders.iter().any(|folder| folder.join(name).exists()));
        let is_spec = workspace.root.join(spec).is_file();
        let was_pushed = || pushed_specs.get_or_init(|| read_pushed_specs(workspace)).contains(spec);
        (is_twice || is_spec || !was_pushed()).then_some(!is_twice && is_spec)
    };
    let is_elsewhere = |path: &Path| {
        let is_kind = path
            .extension()
            .is_some_and(|end| ["sql", "yml", "md"].iter().any(|kind| end == *kind));
        is_kind && !own_folders.iter().any(|folder| absolute_path(path).starts_with(folder))
    };
    let files: BTreeSet<PathBuf> = folders
        .flat_map(|folder| folder::find_files(&folder, is_elsewhere))
        .collect();
    let mut outside_folders = MisplacedFiles::default();
    for path in files {
        match is_current(&path) {
            Some(true) => outside_folders.moved_by_push.push(path),
            Some(false) => outside_folders.obsolete.push(path),
            None => {}
        }
    }
    if !outside_folders.moved_by_push.is_empty() {
        let former = former_output_folders(workspace).into_iter().flatten();
        let former: Vec<PathBuf> = former
            .map(|folder| absolute_path(&workspace.root.join(folder)))
            .collect();
        let is_moved = |path: &PathBuf| former.iter().any(|folder| absolute_path(path).starts_with(folder));
        outside_folders.moved_by_push.retain(is_moved);
    }
    outside_folders
}

/// Returns the specs of the models that the last push wrote.
fn read_pushed_specs(workspace: &Workspace) -> BTreeSet<String> {
    let files = folder::read_yaml_files(&workspace.root.join(STATE_FOLDER));
    let states = files.iter().flat_map(|(_, text)| PushState::versions(text));
    states.map(|state| state.spec).collect()
}

/// Returns the leftover tests of a model. These tests have the model's name, were generated from its spec, have not
/// been edited since, and are no longer generated (`is_generated` returns `false`).
pub fn find_orphaned_tests(
    folder: &Path,
    model: &str,
    spec: &str,
    is_generated: impl Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    // A missing folder contains no tests.
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let begin = format!("assert_{}_", model.to_lowercase());
    let is_left = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&begin)
            && name.ends_with(".sql")
            && !is_generated(path)
            && read_text(path).is_ok_and(|text| spec_in_header(&text) == Some(spec) && is_unmodified(&text))
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_left).collect();
    paths.sort();
    paths
}

/// Returns the docs of a model that were generated from its spec, unless they were edited since.
pub fn find_orphaned_docs(folder: &Path, model: &str, spec: &str) -> Option<PathBuf> {
    let path = folder.join(format!("{model}.md"));
    let text = read_text(&path).ok()?;
    (spec_in_header(&text) == Some(spec) && is_unmodified(&text)).then_some(path)
}
