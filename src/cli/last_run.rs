//! The results of dbt's last run of a target folder, kept because `dbt docs generate` writes its own over them.

use std::fs;
use std::path::{Path, PathBuf};

use formulac::artifacts::RunResults;
use formulac::sync::{content_hash, short};

use super::artifacts::Beside;
use super::bounds::Bounds;
use super::source::{LIMIT, Source};
use super::sync::make_local;
use super::write::{Planned, write_all};

/// The folder of what is kept, seen from the project's.
const KEPT: &str = ".formulac/local/run_results";

/// Keeps the results that a target folder holds, if they are of a run. A failure costs only the convenience.
pub fn keep(root: &Path, folder: &Path, beside: &Beside) {
    if !beside.runs.iter().any(RunResults::is_of_run) {
        return;
    }
    let (source, path) = (folder.join("run_results.json"), path(root, folder));
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if changed(&path) >= changed(&source) {
        return;
    }
    let Source { text, fault: None, .. } = Source::large_file(&source, LIMIT) else { return };
    let _ = Bounds::of_project(root).and_then(|bounds| {
        make_local(&bounds, root)?;
        write_all(&bounds, &[Planned { path, text }])
    });
}

/// The results of the last run that was kept of a target folder.
pub fn kept(root: &Path, folder: &Path) -> Option<RunResults> {
    RunResults::from_text(&Source::large_file(&path(root, folder), LIMIT).text).ok()
}

fn path(root: &Path, folder: &Path) -> PathBuf {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    root.join(KEPT).join(format!("{}.json", short(&content_hash(whole.to_string_lossy().as_bytes()))))
}
