//! dbt's artifacts in its target folder: the manifest, its age, and the project files that are newer than the manifest.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use formulac::artifacts::{ArtifactError, Catalog, Manifest, ManifestReadOptions, RunResults, SourceResults};
use formulac::dbt::spec_in_header;
use formulac::diag::lists::join_words_up_to;
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;
use formulac::{Dialect, KnownFacts};
use formulac_syntax::text::format_count;
use jiff::Timestamp;

use super::cache;
use super::dbt_project::{self, DbtProject};
use super::exit::{Failure, FileDiagnostics};
use super::folder;
use super::session::Session;
use super::source::{MAX_ARTIFACT_BYTES, SourceText, read_text};

/// Maximum number of files listed by name; the remaining files are only counted.
const MAX_LISTED_FILES: usize = 3;

/// Age in seconds at which a manifest is considered old and its age is reported: one day.
const MAX_MANIFEST_AGE: i64 = 86_400;

/// Minimum size in bytes of a catalog that is read in parallel with the manifest.
const MIN_PARALLEL_BYTES: u64 = 1 << 20;

/// A manifest with its path, and the catalog in the same folder.
#[derive(Debug)]
pub struct TargetArtifacts {
    pub path: PathBuf,
    pub manifest: Manifest,
    catalog: OnceCell<Result<Option<Catalog>, FileDiagnostics>>,
}

/// Reads an artifact from a file with `reader`. Returns `None` if the file does not exist.
fn read<T>(path: &Path, reader: impl FnOnce(&str) -> Result<T, ArtifactError>) -> Result<Option<T>, FileDiagnostics> {
    if !path.is_file() {
        return Ok(None);
    }
    let source = SourceText::read_with_size_limit(path, MAX_ARTIFACT_BYTES);
    if let Some(fault) = source.fault.clone() {
        return Err(diagnose_artifact(source, fault));
    }
    reader(&source.text)
        .map(Some)
        .map_err(|error| artifact_failure(source, &error))
}

/// Reads the catalog in a file. Returns `None` if the file does not exist.
pub fn read_catalog(path: &Path) -> Result<Option<Catalog>, Failure> {
    read(path, Catalog::from_text).map_err(|file_diagnostics| Failure::Found(vec![file_diagnostics]))
}

fn artifact_failure(source: SourceText, error: &ArtifactError) -> FileDiagnostics {
    let start = error.offset(&source.text) as u32;
    let fault =
        Diagnostic::new(Code::UnreadableFile, Span::new(start, start), error.to_string()).with_help(error.help());
    diagnose_artifact(source, fault)
}

/// Returns the error for an artifact. Omits the text of a large artifact, because a single line can be hundreds of
/// megabytes long.
fn diagnose_artifact(mut source: SourceText, fault: Diagnostic) -> FileDiagnostics {
    if source.text.len() as u64 > MIN_PARALLEL_BYTES {
        source.text = String::new();
    }
    source.with_diagnostics(vec![fault])
}

fn is_same_path(path: &Path, other: &Path) -> bool {
    fs::canonicalize(path)
        .ok()
        .is_some_and(|canonical_path| fs::canonicalize(other).is_ok_and(|other| canonical_path == other))
}

/// Results of dbt runs and source freshness checks, if dbt has written them.
#[derive(Debug, Default)]
pub struct RunArtifacts {
    pub runs: Vec<RunResults>,
    pub freshness: Option<SourceResults>,
}

impl RunArtifacts {
    /// Reads the results of dbt runs and source freshness checks from dbt's target folder.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let failed = |file_diagnostics: FileDiagnostics| Failure::Found(vec![file_diagnostics]);
        Ok(Self {
            runs: read(&folder.join("run_results.json"), RunResults::from_text)
                .map_err(failed)?
                .into_iter()
                .collect(),
            freshness: read(&folder.join("sources.json"), SourceResults::from_text).map_err(failed)?,
        })
    }
}

impl TargetArtifacts {
    pub fn new(path: PathBuf, manifest: Manifest) -> Self {
        Self {
            path,
            manifest,
            catalog: OnceCell::new(),
        }
    }

    /// Reads the manifest at a path. Returns `None` if the file does not exist.
    pub fn read(path: PathBuf) -> Result<Option<Self>, FileDiagnostics> {
        Self::read_manifest_with_options(path, ManifestReadOptions::default())
    }

    /// Reads the manifest in a folder. Returns `None` if the file does not exist.
    pub fn read_folder(folder: &Path) -> Result<Option<Self>, Failure> {
        Self::read(folder.join("manifest.json")).map_err(|file_diagnostics| Failure::Found(vec![file_diagnostics]))
    }

    /// Reads the manifest at a path and retains the optional parts that `keep` specifies.
    pub fn read_manifest_with_options(
        path: PathBuf,
        keep: ManifestReadOptions,
    ) -> Result<Option<Self>, FileDiagnostics> {
        let manifest = read(&path, |text| Manifest::from_text(text, keep))?;
        Ok(manifest.map(|manifest| Self::new(path, manifest)))
    }

    /// Reads the manifest at a path and retains the parts that `keep` specifies. For a large manifest, uses the cache
    /// of the project in `folder`.
    pub fn read_cached_manifest(
        path: PathBuf,
        keep: ManifestReadOptions,
        folder: &Path,
    ) -> Result<Option<Self>, FileDiagnostics> {
        let catalog_path = path.with_file_name("catalog.json");
        let is_large = fs::metadata(&catalog_path).is_ok_and(|data| data.len() >= MIN_PARALLEL_BYTES);
        let (manifest, catalog) = thread::scope(|scope| {
            let read_catalog = || read(&catalog_path, Catalog::from_text);
            let thread = is_large
                .then(|| thread::Builder::new().spawn_scoped(scope, read_catalog).ok())
                .flatten();
            let manifest = cache::read_manifest(&path, keep, folder, |outline, before| {
                let file = (!outline.is_empty()).then(|| File::open(&path).ok()).flatten();
                let updated = file.and_then(|file| {
                    Manifest::from_reader_incremental(file.take(MAX_ARTIFACT_BYTES as u64), keep, outline, &mut *before)
                });
                match updated {
                    Some(updated) => Ok(Some(updated)),
                    None => read(&path, |text| {
                        Manifest::from_text_incremental(text, keep, outline, before)
                    }),
                }
            });
            (manifest, thread.and_then(|thread| thread.join().ok()))
        });
        let catalog = catalog.map_or_else(OnceCell::new, OnceCell::from);
        Ok(manifest?.map(|manifest| Self {
            path,
            manifest,
            catalog,
        }))
    }

    /// Returns the catalog in the manifest's folder.
    pub fn catalog(&self) -> Result<Option<&Catalog>, Failure> {
        let path = self.path.with_file_name("catalog.json");
        // If the file's name does not contain `manifest`, the catalog in the same folder may be unrelated.
        let is_named = self
            .path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("manifest"));
        if !is_named || path == self.path {
            return Ok(None);
        }
        let cached_catalog = self.catalog.get_or_init(|| read(&path, Catalog::from_text));
        cached_catalog
            .as_ref()
            .map(Option::as_ref)
            .map_err(|file_diagnostics| Failure::Found(vec![file_diagnostics.clone()]))
    }

    /// Reads the results of the last run from the manifest's folder.
    pub fn run_results(&self) -> Result<Option<RunResults>, Failure> {
        let path = self.path.with_file_name("run_results.json");
        read(&path, RunResults::from_text).map_err(|file_diagnostics| Failure::Found(vec![file_diagnostics]))
    }

    /// Returns the relations that the manifest and the catalog next to it describe. `fetched` contains the columns
    /// that `schema fetch` wrote.
    pub fn known_relations(&self, dialect: Dialect, fetched: Option<&Catalog>) -> Result<KnownFacts, Failure> {
        let mut facts = self.known_facts_from_manifest();
        facts.schema = formulac::known::from_dbt(&self.manifest, self.catalog()?, dialect);
        if let Some(fetched) = fetched {
            facts.schema =
                formulac::known::from_dbt(&self.manifest, Some(fetched), dialect).fill_missing_from(facts.schema);
        }
        Ok(facts)
    }

    /// Returns the dialect, the dbt version, the generic tests and the groups that the manifest records.
    pub fn known_facts_from_manifest(&self) -> KnownFacts {
        let metadata = &self.manifest.metadata;
        let mut facts = KnownFacts::default();
        facts.dialect = metadata.dialect();
        facts.dbt_version.clone_from(&metadata.dbt_version);
        facts.generic_tests = self.manifest.generic_tests().collect();
        facts.groups = Some(
            self.manifest
                .groups
                .iter()
                .map(|group| group.name.to_string())
                .collect(),
        );
        facts
    }

    /// Returns the age of the manifest, or `None` if the manifest does not record when it was generated.
    pub fn age(&self) -> Option<String> {
        let generated = Timestamp::try_from(self.manifest.metadata.generated_at()?).ok()?;
        Some(format_age(Timestamp::now(), generated))
    }

    /// Returns the files that dbt reads and that are newer than the manifest. Files that formulac wrote are skipped,
    /// because formulac can read them without dbt.
    pub fn files_newer_than_manifest(&self, project: &DbtProject) -> Vec<PathBuf> {
        let time = self.manifest.metadata.generated_at();
        time.map(|time| non_generated_files_newer_than(project, time))
            .unwrap_or_default()
    }

    /// Returns the files that dbt reads and that are newer than the manifest or the last run, whichever is older.
    /// Includes the files that formulac wrote, because the run did not test them.
    pub fn files_newer_than_last_run(&self, project: &DbtProject, runs: &[RunResults]) -> Vec<PathBuf> {
        let runs = runs
            .iter()
            .filter(|run| run.is_run_command())
            .filter_map(|run| run.metadata.generated_at());
        let oldest = self.manifest.metadata.generated_at().into_iter().chain(runs).min();
        oldest.map(|time| files_newer_than(project, time)).unwrap_or_default()
    }

    /// Reports the age of a manifest that was passed to a command. The manifest is compared with the project's files
    /// only if it is the project's own manifest.
    pub fn report_age_of_given_manifest(&self, session: &Session) {
        let project = dbt_project::find(session.global.project_dir.as_deref()).ok().flatten();
        let own_project = project.filter(|project| is_same_path(&project.manifest_path(), &self.path));
        self.report_manifest_age(session, own_project.as_ref());
    }

    /// Warns if files of the project are newer than the manifest, if the manifest is older than a day, or if its
    /// version is unknown.
    pub fn report_manifest_age(&self, session: &Session, project: Option<&DbtProject>) {
        if let Some(newer) = self.manifest.metadata.newer_version_notice() {
            session.warn(newer);
        }
        report_file_manifest_age(session, &self.path, self.manifest.metadata.generated_at(), project);
    }
}

fn report_file_manifest_age(
    session: &Session,
    path: &Path,
    generated: Option<SystemTime>,
    project: Option<&DbtProject>,
) {
    let Some((time, generated)) = generated.and_then(|time| Some((time, Timestamp::try_from(time).ok()?))) else {
        return;
    };
    let path = folder::display_path(path);
    let newer = project
        .map(|project| non_generated_files_newer_than(project, time))
        .unwrap_or_default();
    if newer.is_empty() {
        let now = Timestamp::now();
        if now.as_second().saturating_sub(generated.as_second()) >= MAX_MANIFEST_AGE {
            session.report_action(&format!(
                "{path} is {} old; run `dbt parse` to update it",
                format_age(now, generated)
            ));
        }
        return;
    }
    let names: Vec<String> = newer.iter().map(|path| path.display().to_string()).collect();
    let verb = if newer.len() == 1 { "is" } else { "are" };
    session.warn(&format!(
        "{} {verb} newer than {path}; run `dbt parse` to update it",
        join_words_up_to(&names, MAX_LISTED_FILES)
    ));
}

/// Formats a time for files and JSON, in UTC and without fractions of a second.
pub fn format_timestamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Formats an age in the largest unit that is not zero, such as `3 hours` or `2 days`.
pub fn format_age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (count, unit) = units
        .into_iter()
        .find(|(size, _)| seconds >= *size)
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, unit));
    format_count(count, unit, &format!("{unit}s"))
}

/// Returns the files that dbt reads and that changed after `then`, except files that formulac wrote.
fn non_generated_files_newer_than(project: &DbtProject, then: SystemTime) -> Vec<PathBuf> {
    let mut paths = files_newer_than(project, then);
    paths.retain(|path| read_text(path).is_ok_and(|text| spec_in_header(&text).is_none()));
    paths
}

/// Returns the files that dbt reads and that changed after `then`.
fn files_newer_than(project: &DbtProject, then: SystemTime) -> Vec<PathBuf> {
    let is_newer = |path: &Path| {
        fs::metadata(path)
            .and_then(|data| data.modified())
            .is_ok_and(|changed| changed > then)
    };
    let is_read = |path: &Path| {
        path.extension().is_some_and(|end| {
            ["sql", "yml", "yaml", "csv", "py", "md"]
                .iter()
                .any(|name| end == *name)
        })
    };
    let folders = project.all_paths.iter().map(|path| project.folder.join(path));
    let files = folders.flat_map(|path| folder::find_files(&path, |path| is_read(path) && is_newer(path)));
    let mut paths: Vec<PathBuf> = files
        .map(|path| path.strip_prefix("./").map(Path::to_owned).unwrap_or(path))
        .collect();
    paths.sort();
    // Remove duplicates, because the same folder may be listed for two kinds of files.
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_formatted_in_the_largest_unit() {
        let then: Timestamp = "2026-11-20T10:00:00.123456Z".parse().unwrap();
        for (now, expected) in [
            ("2026-11-20T10:00:00Z", "0 seconds"),
            ("2026-11-20T10:01:05Z", "1 minute"),
            ("2026-11-20T12:59:05Z", "2 hours"),
            ("2026-11-23T09:00:00Z", "2 days"),
        ] {
            assert_eq!(format_age(now.parse().unwrap(), then), expected);
        }
    }
}
