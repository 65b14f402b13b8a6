//! Keeps the results of dbt's last run in a target folder, because commands such as `dbt docs generate` overwrite them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use formulac::artifacts::{LastResult, RunResults, Status};
use formulac::sync::{content_hash, short_hash};
use jiff::Timestamp;

use super::artifacts::RunArtifacts;
use super::atomic_write::{PlannedFile, write_all};
use super::dbt_project::DbtProject;
use super::exit::Failure;
use super::folder;
use super::source::{MAX_ARTIFACT_BYTES, SourceText};
use super::writable_folders::WritableFolders;
use crate::cli::commands::sync::create_local_folder;

/// Folder of the saved results, relative to the project's folder.
const RESULTS_FOLDER: &str = ".formulac/local/run_results";

/// Reads the results of dbt's last run and of the source freshness check from a target folder, even if another command
/// has overwritten the run's results. All commands read the results through this function, so all of them use the same
/// results.
pub fn read_last_run(root: &Path, dbt: &DbtProject, folder: &Path) -> Result<RunArtifacts, Failure> {
    Ok(add_overwritten_results(root, dbt, folder, RunArtifacts::read(folder)?))
}

/// Returns the names of the nodes that failed in their last run, each with the number of rows that violate the test.
pub fn failed_nodes<'r>(
    last: &'r BTreeMap<&'r str, LastResult<'r>>,
) -> impl Iterator<Item = (&'r str, Option<u64>)> + 'r {
    let is_failed = |status: &Status| matches!(status, Status::Fail | Status::Error | Status::RuntimeError);
    let failed = last.iter().filter(move |(_, last)| is_failed(&last.result.status));
    failed.map(|(id, last)| (node_name_from_id(id), last.result.failures.filter(|rows| *rows > 0)))
}

/// Returns the name in a node's id. For a test, omits the hash.
pub fn node_name_from_id(id: &str) -> &str {
    id.splitn(3, '.').nth(2).map_or(id, |rest| match rest.rsplit_once('.') {
        Some((name, hash)) if id.starts_with("test.") && hash.len() == 10 => name,
        _ => rest,
    })
}

/// Adds to the results in a target folder the results that another command has overwritten.
pub fn add_overwritten_results(
    root: &Path,
    dbt: &DbtProject,
    folder: &Path,
    mut current: RunArtifacts,
) -> RunArtifacts {
    save_last_run(root, folder, &current);
    let overwritten = find_overwritten_results(root, dbt, folder, &current);
    current.runs.extend(overwritten);
    current
}

/// Saves the results in a target folder if `dbt run` or a similar command wrote them. Errors are ignored, because
/// saving the results is only a convenience.
fn save_last_run(root: &Path, folder: &Path, current: &RunArtifacts) {
    if !current.runs.iter().any(RunResults::is_run_command) {
        return;
    }
    let (source, path) = (folder.join("run_results.json"), saved_results_path(root, folder));
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    if changed(&path) >= changed(&source) {
        return;
    }
    let SourceText { text, fault: None, .. } = SourceText::read_with_size_limit(&source, MAX_ARTIFACT_BYTES) else {
        return;
    };
    let _ = WritableFolders::from_project(root).and_then(|bounds| {
        create_local_folder(&bounds, root)?;
        write_all(&bounds, &[PlannedFile { path, text }])
    });
}

/// Returns the results of the last run if another command has overwritten them: the saved results, if they belong to
/// the last run, otherwise the results in dbt's log. The saved results are more precise.
fn find_overwritten_results(
    root: &Path,
    dbt: &DbtProject,
    folder: &Path,
    current: &RunArtifacts,
) -> Option<RunResults> {
    if current.runs.iter().any(RunResults::is_run_command) {
        return None;
    }
    let saved = read_saved_results(root, folder);
    let changed = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
    let files = folder::find_files(&folder.join("run"), |_| true);
    let Some(run_time) = files.iter().filter_map(changed).max() else {
        return saved;
    };
    let is_last = |saved: &RunResults| {
        saved
            .metadata
            .generated_at()
            .is_some_and(|timestamp| timestamp >= run_time)
    };
    match saved {
        Some(saved) if is_last(&saved) => Some(saved),
        saved => read_results_from_log(dbt, folder, current, run_time).or(saved),
    }
}

/// Returns the results in dbt's current log and in the previous log. The log contains no dates, so the time of the run
/// is `run_time`, the modification time of the newest file in the folder `run`. If dbt's other artifacts are older, as
/// in a copied folder, their time is used instead.
fn read_results_from_log(
    dbt: &DbtProject,
    folder: &Path,
    current: &RunArtifacts,
    run_time: SystemTime,
) -> Option<RunResults> {
    let first_write = current.runs.iter().filter_map(|run| run.metadata.generated_at()).min();
    let read_log = |name: &str| SourceText::read_with_size_limit(&dbt.log_path().join(name), MAX_ARTIFACT_BYTES).text;
    let log = read_log("dbt.log.1") + &read_log("dbt.log");
    let is_here = |target_path: Option<&str>| {
        let path = target_path.map_or_else(|| dbt.target_folder(), |target_path| dbt.folder.join(target_path));
        fs::canonicalize(path)
            .ok()
            .is_some_and(|path| fs::canonicalize(folder).is_ok_and(|folder| folder == path))
    };
    let mut results = RunResults::from_log(&log, is_here)?;
    let result_time = first_write.map_or(run_time, |write_time| write_time.min(run_time));
    results.metadata.generated_at = Timestamp::try_from(result_time)
        .ok()
        .map(|timestamp| timestamp.to_string());
    Some(results)
}

/// Returns the saved results of the last run in a target folder.
fn read_saved_results(root: &Path, folder: &Path) -> Option<RunResults> {
    RunResults::from_text(&SourceText::read_with_size_limit(&saved_results_path(root, folder), MAX_ARTIFACT_BYTES).text)
        .ok()
}

fn saved_results_path(root: &Path, folder: &Path) -> PathBuf {
    let full_path = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    root.join(RESULTS_FOLDER).join(format!(
        "{}.json",
        short_hash(&content_hash(full_path.to_string_lossy().as_bytes()))
    ))
}
