//! What dbt left in its target folder: the manifest, how old it is, and whether models are newer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use formulac::dbt::{Manifest, spec_of};
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;
use jiff::Timestamp;

use super::dbt_project::{self, DbtProject};
use super::exit::{Failure, Found};
use super::folder;
use super::session::Session;

/// Files that are named before the others are counted.
const NAMED: usize = 3;

/// The manifest with the place where it stands.
#[derive(Debug)]
pub struct Artifacts {
    pub path: PathBuf,
    pub manifest: Manifest,
}

/// The manifest of a project; none where dbt has left none.
pub fn read(project: &DbtProject) -> Result<Option<Artifacts>, Failure> {
    let path = project.manifest_path();
    let Ok(text) = fs::read_to_string(&path) else { return Ok(None) };
    match Manifest::from_text(&text) {
        Ok(manifest) => Ok(Some(Artifacts { path, manifest })),
        Err(error) => Err(broken(&path, &text, &error)),
    }
}

fn broken(path: &Path, text: &str, error: &serde_json::Error) -> Failure {
    let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    let at = (line_start + error.column().saturating_sub(1)).min(text.len());
    let message = format!("dbt's manifest is broken: {error}");
    let fault = Diagnostic::new(Code::UnreadableFile, Span::new(at as u32, at as u32), message)
        .with_help("let dbt write it again with `dbt parse`");
    // Of hundreds of megabytes in one line nothing is shown.
    Failure::Found(vec![Found {
        file: path.to_string_lossy().into_owned(),
        text: String::new(),
        diagnostics: vec![fault],
    }])
}

/// Tells how old the manifest is that a command was given as a schema; of another file nothing.
pub fn tell_of_schema(session: &Session, schema: Option<&Path>) {
    let Some(path) = schema.filter(|path| path.extension().is_some_and(|end| end == "json")) else {
        return;
    };
    let project = dbt_project::find(session.global.project_dir.as_deref()).ok().flatten();
    let own = project.filter(|project| is_same(&project.manifest_path(), path));
    tell(session, path, dbt_project::time_of(path).as_deref(), own.as_ref());
}

fn is_same(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).ok().is_some_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}

impl Artifacts {
    /// Tells how old the manifest is, and of files of the project that are newer.
    pub fn tell(&self, session: &Session, project: &DbtProject) {
        tell(session, &self.path, self.manifest.generated_at.as_deref(), Some(project));
    }
}

fn tell(session: &Session, path: &Path, generated_at: Option<&str>, project: Option<&DbtProject>) {
    let Some(generated) = generated_at.and_then(|text| text.parse::<Timestamp>().ok()) else { return };
    let path = path.strip_prefix("./").unwrap_or(path).display();
    session.note(&format!("{path} is {} old", age(Timestamp::now(), generated)));
    let newer = project.map(|project| newer(project, generated.into())).unwrap_or_default();
    if newer.is_empty() {
        return;
    }
    let named: Vec<String> = newer.iter().take(NAMED).map(|path| format!("{}", path.display())).collect();
    let more = match newer.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let verb = if newer.len() == 1 { "is" } else { "are" };
    session.warn(&format!(
        "warning: {}{more} {verb} newer than {path}; `dbt parse` brings it up to date",
        named.join(", ")
    ));
}

/// `3 hours`, `2 days`: the greatest unit that is there once at least.
pub fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (count, unit) = units
        .into_iter()
        .find(|(size, _)| seconds >= *size)
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, unit));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The files that dbt reads, and that were changed since then; what formulac wrote is known without dbt.
fn newer(project: &DbtProject, then: SystemTime) -> Vec<PathBuf> {
    let is_newer =
        |path: &Path| fs::metadata(path).and_then(|data| data.modified()).is_ok_and(|changed| changed > then);
    let is_read = |path: &Path| {
        path.extension().is_some_and(|end| ["sql", "yml", "yaml", "csv", "py", "md"].iter().any(|known| end == *known))
    };
    let is_own = |path: &Path| fs::read_to_string(path).is_ok_and(|text| spec_of(&text).is_some());
    let folders = project.model_paths.iter().chain(&project.seed_paths).map(|path| project.folder.join(path));
    let files = folders.flat_map(|path| folder::files(&path, |path| is_read(path) && is_newer(path) && !is_own(path)));
    let mut found: Vec<PathBuf> =
        files.map(|path| path.strip_prefix("./").map(Path::to_owned).unwrap_or(path)).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_the_greatest_unit() {
        let then: Timestamp = "2026-11-20T10:00:00.123456Z".parse().unwrap();
        for (now, expected) in [
            ("2026-11-20T10:00:00Z", "0 seconds"),
            ("2026-11-20T10:01:05Z", "1 minute"),
            ("2026-11-20T12:59:05Z", "2 hours"),
            ("2026-11-23T09:00:00Z", "2 days"),
        ] {
            assert_eq!(age(now.parse().unwrap(), then), expected);
        }
    }
}
