//! `--watch`: repeats a command after each change to a file that the command reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use super::exit::{Exit, Failure};
use super::folder;
use super::project;
use super::session::Session;
use super::workspace::Workspace;

/// Time between two looks at the files.
const INTERVAL: Duration = Duration::from_millis(200);

/// Runs a command, and runs it again after each change to one of `files`, the specs, the settings or dbt's artifacts. Does
/// not return; users stop the command with Ctrl+C.
pub fn repeat(
    session: &Session,
    files: &[PathBuf],
    command: impl Fn() -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    loop {
        let inputs = CommandInputs::new(session, files)?;
        // A file that changes while the command runs differs from this state, so the command runs again.
        let before = inputs.states();
        command().unwrap_or_else(|failure| session.report_failure(&failure));
        session.report_action("waiting for changes; press Ctrl+C to stop");
        while inputs.states() == before {
            thread::sleep(INTERVAL);
        }
    }
}

/// Files that a command reads and does not write.
struct CommandInputs {
    files: Vec<PathBuf>,
    folder: Option<PathBuf>,
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
        let folder = place.map(|place| place.root.join(place.specs_folder()));
        Ok(Self { files, folder })
    }

    /// Returns the size of each existing file, and the time of its last change.
    fn states(&self) -> BTreeMap<PathBuf, (u64, Option<SystemTime>)> {
        let specs = self
            .folder
            .iter()
            .flat_map(|folder| folder::find_files(folder, |_| true));
        let state = |path: PathBuf| {
            let data = fs::metadata(&path).ok()?;
            Some((path, (data.len(), data.modified().ok())))
        };
        self.files.iter().cloned().chain(specs).filter_map(state).collect()
    }
}
