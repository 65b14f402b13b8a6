//! `--watch`: repeats a command after each change to a file that the command reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use super::commands::pull::pull_record_paths;
use super::context::KNOWN_FACTS_PATH;
use super::dbt_project;
use super::exit::{Exit, Failure};
use super::omni_files::omni_paths;
use super::project;
use super::session::Session;
use super::workspace::Workspace;

/// Time between two checks of the files.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Runs a command, and runs it again after each change to one of `files`, the specs, the settings, `known.yml` or dbt's
/// artifacts. Ends if the output is no longer being read. Users stop the command with Ctrl+C.
pub fn run_on_changes(
    session: &Session,
    files: &[PathBuf],
    command: impl Fn() -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    if files.iter().any(|file| file.as_os_str() == "-") {
        let message = "`--watch` waits for changes to files, but standard input is not a file";
        return Err(Failure::new(Exit::Usage, message));
    }
    loop {
        let inputs = CommandInputs::new(session, files)?;
        // A file that changes while the command runs differs from this state, so the command runs again.
        let mut before = inputs.read_file_states();
        let exit = command().unwrap_or_else(|failure| session.report_failure(&failure));
        if session.is_closed() {
            return Ok(exit);
        }
        inputs.ignore_own_changes(&mut before);
        session.report_action("waiting for changes; press Ctrl+C to stop");
        inputs.wait_for_change(&before);
        session.forget_printed();
    }
}

/// Size of each file, and the time of its last change.
type FileStates = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Files that a command reads.
struct CommandInputs {
    files: Vec<PathBuf>,
    /// The project, unless the project file has errors.
    workspace: Option<Workspace>,
}

impl CommandInputs {
    fn new(session: &Session, paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut files = paths.to_vec();
        let root = project::project_folder(session.global.project_dir.as_deref())?;
        if let Some(root) = root {
            let settings = [
                project::PROJECT_FILE,
                project::LOCAL_SETTINGS_FILE,
                dbt_project::PROJECT_FILE,
            ];
            files.extend(settings.map(|name| root.join(name)));
        }
        let workspace = Workspace::find_workspace(session).ok().flatten();
        files.extend(workspace.iter().flat_map(Workspace::known_facts_files));
        Ok(Self { files, workspace })
    }

    /// Updates the recorded state of `known.yml`, so that the command's own changes to this file do not start the
    /// command again.
    fn ignore_own_changes(&self, before: &mut FileStates) {
        let facts_files = self
            .workspace
            .iter()
            .map(|workspace| workspace.root.join(KNOWN_FACTS_PATH));
        for path in facts_files {
            match file_state(path.clone()) {
                Some((path, state)) => drop(before.insert(path, state)),
                None => drop(before.remove(&path)),
            }
        }
    }

    /// Waits until the files have changed and are no longer changing, because git may still be switching branches, or a
    /// file may be half written.
    fn wait_for_change(&self, before: &FileStates) {
        let mut last = before.clone();
        loop {
            thread::sleep(POLL_INTERVAL);
            let now = self.read_file_states();
            if now != *before && now == last {
                return;
            }
            last = now;
        }
    }

    fn read_file_states(&self) -> FileStates {
        let workspace_files = self.workspace.iter().flat_map(|workspace| {
            let specs = workspace.root.join(workspace.specs_folder());
            let omni = omni_paths(&workspace.root.join(workspace.omni_folder()));
            let specs = project::find_specs(&specs).unwrap_or_default();
            specs.into_iter().chain(omni).chain(pull_record_paths(&workspace.root))
        });
        self.files
            .iter()
            .cloned()
            .chain(workspace_files)
            .filter_map(file_state)
            .collect()
    }
}

fn file_state(path: PathBuf) -> Option<(PathBuf, (u64, Option<SystemTime>))> {
    let data = fs::metadata(&path).ok()?;
    Some((path, (data.len(), data.modified().ok())))
}
