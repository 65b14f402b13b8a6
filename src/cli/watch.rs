//! `--watch`: repeats a command after each change to a file that the command reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use super::exit::{Exit, Failure};
use super::project;
use super::session::Session;
use super::workspace::Workspace;

/// Time between two checks of the files.
const INTERVAL: Duration = Duration::from_millis(200);

/// Runs a command, and runs it again after each change to one of `files`, the specs, the settings or dbt's artifacts.
/// Ends if the output is no longer being read. Users stop the command with Ctrl+C.
pub fn repeat(
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
        let before = inputs.states();
        let exit = command().unwrap_or_else(|failure| session.report_failure(&failure));
        if session.is_closed() {
            return Ok(exit);
        }
        session.report_action("waiting for changes; press Ctrl+C to stop");
        inputs.wait_for_change(&before);
    }
}

/// Size of each file, and the time of its last change.
type FileStates = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Files that a command reads and does not write.
struct CommandInputs {
    files: Vec<PathBuf>,
    specs: Option<PathBuf>,
}

impl CommandInputs {
    fn new(session: &Session, named: &[PathBuf]) -> Result<Self, Failure> {
        let mut files = named.to_vec();
        let root = project::project_folder(session.global.project_dir.as_deref())?;
        if let Some(root) = root {
            let settings = ["formulac.yml", "formulac.local.yml", "dbt_project.yml"];
            files.extend(settings.map(|name| root.join(name)));
        }
        // If the project file has errors, only the settings are watched.
        let place = Workspace::find_workspace(session).ok().flatten();
        let target = place
            .as_ref()
            .and_then(|place| Some(place.dbt.as_ref()?.target_folder()));
        if let Some(target) = target {
            files.extend(["manifest.json", "catalog.json"].map(|name| target.join(name)));
        }
        let specs = place.map(|place| place.root.join(place.specs_folder()));
        Ok(Self { files, specs })
    }

    /// Waits until the files have changed and are no longer changing, because a branch or a file may be half written.
    fn wait_for_change(&self, before: &FileStates) {
        let mut last = before.clone();
        loop {
            thread::sleep(INTERVAL);
            let now = self.states();
            if now != *before && now == last {
                return;
            }
            last = now;
        }
    }

    fn states(&self) -> FileStates {
        let specs = self
            .specs
            .iter()
            .flat_map(|folder| project::find_specs(folder).unwrap_or_default());
        let state = |path: PathBuf| {
            let data = fs::metadata(&path).ok()?;
            Some((path, (data.len(), data.modified().ok())))
        };
        self.files.iter().cloned().chain(specs).filter_map(state).collect()
    }
}
