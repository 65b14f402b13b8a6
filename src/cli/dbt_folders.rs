//! Checks whether dbt searches the folders to which formulac writes generated files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use formulac::diag::lists::join_words_up_to;
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;
use formulac::sync::Plan;
use formulac_syntax::text::format_count;

use super::dbt_project::{self, DbtProject};
use super::exit::{Failure, FileDiagnostics};
use super::folder::display_path;
use super::orphans;
use super::project;
use super::session::Session;
use super::source::read_text;
use super::workspace::Workspace;
use super::writable_folders::absolute_path;

/// Subfolders of `test-paths` that do not contain singular tests.
const NON_SINGULAR_TEST_FOLDERS: [&str; 2] = ["generic", "fixtures"];

/// Maximum number of files listed by name; the remaining files are only counted.
const MAX_LISTED_FILES: usize = 5;

/// Kind of generated files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FolderKind {
    Models,
    Tests,
}

impl FolderKind {
    fn description(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Tests => "tests",
        }
    }

    /// Returns the key in formulac.yml that sets the folder.
    fn key(self) -> &'static str {
        if self == Self::Tests { "tests" } else { "models" }
    }

    /// Returns the key in `dbt_project.yml` and the folders that it lists.
    fn paths(self, dbt: &DbtProject) -> (&'static str, &[String]) {
        match self {
            Self::Models => ("model-paths", &dbt.model_paths),
            Self::Tests => ("test-paths", &dbt.test_paths),
        }
    }
}

impl Workspace {
    /// Rejects each folder in the project file that is outside the project or in which dbt would not find generated
    /// models and tests.
    pub fn check_folders(&self) -> Result<(), Failure> {
        let bounds = self.writable_folders()?;
        let (models, tests) = self.output_folders();
        for folder in [&models, &tests] {
            bounds.resolve_path(&self.root.join(folder))?;
        }
        self.reject_unsearched_folders(&[(FolderKind::Models, &models), (FolderKind::Tests, &tests)])
    }

    /// Warns about generated files outside the folders `models:` and `tests:`, except for files that a plan removes.
    /// Also warns if dbt disables the generated models.
    pub fn warn_of_unsearched_folders(&self, session: &Session, plan: Option<&Plan>) {
        let files = plan
            .into_iter()
            .flat_map(|plan| &plan.models)
            .flat_map(|model| &model.files);
        let removed = files.filter(|change| change.after.is_none());
        let removed: BTreeSet<&str> = removed.map(|change| change.path.as_str()).collect();
        let outside = orphans::find_misplaced_files(self);
        for (files, advice) in [
            (outside.moved_by_push, "`formulac push` moves them to these folders"),
            (outside.obsolete, "remove them, because `push` does not"),
        ] {
            let remaining = files.iter().map(|path| self.relative_path(path));
            let remaining: Vec<String> = remaining.filter(|path| !removed.contains(path.as_str())).collect();
            if remaining.is_empty() {
                continue;
            }
            let files = format_count(remaining.len(), "generated file is", "generated files are");
            session.warn(&format!(
                "{files} outside the folders `models:` and `tests:` of formulac.yml: {}; {advice}",
                join_words_up_to(&remaining, MAX_LISTED_FILES)
            ));
        }
        let Some(dbt) = &self.dbt else { return };
        let models = absolute_path(&self.root.join(self.output_folders().0));
        let inner = dbt
            .model_paths
            .iter()
            .find_map(|path| models.strip_prefix(absolute_path(&dbt.folder.join(path))).ok());
        if inner.is_some_and(|inner| !dbt.is_enabled("models", inner)) {
            session.warn("dbt_project.yml disables the models in the folder `models:`, so dbt builds none of them");
        }
    }

    fn reject_unsearched_folders(&self, folders: &[(FolderKind, &String)]) -> Result<(), Failure> {
        let Some(dbt) = &self.dbt else { return Ok(()) };
        let path = self.root.join(project::PROJECT_FILE);
        let text = read_text(&path).unwrap_or_default();
        let fault = |(kind, folder): &(FolderKind, &String)| {
            let (message, help) = unsearched_folder_problem(dbt, *kind, &self.root, folder)?;
            Some(Diagnostic::new(Code::FolderNotRead, yaml_value_span(&text, kind.key()), message).with_help(help))
        };
        let diagnostics: Vec<Diagnostic> = folders.iter().filter_map(fault).collect();
        if diagnostics.is_empty() {
            return Ok(());
        }
        Err(Failure::Found(vec![FileDiagnostics {
            file: display_path(&path),
            text,
            diagnostics,
        }]))
    }
}

/// Rejects a models folder that the user named, if the folder is in a dbt project that does not search it.
pub fn check_named_models_folder(dbt: &DbtProject, folder: &Path) -> Result<(), Failure> {
    let (root, full_path) = (absolute_path(&dbt.folder), absolute_path(folder));
    let Ok(inner) = full_path.strip_prefix(&root) else {
        return Ok(());
    };
    let Some((message, help)) = unsearched_folder_problem(dbt, FolderKind::Models, &root, &inner.to_string_lossy())
    else {
        return Ok(());
    };
    let path = dbt.folder.join(dbt_project::PROJECT_FILE);
    let text = read_text(&path).unwrap_or_default();
    let diagnostics =
        vec![Diagnostic::new(Code::FolderNotRead, yaml_value_span(&text, "model-paths"), message).with_help(help)];
    Err(Failure::Found(vec![FileDiagnostics {
        file: display_path(&path),
        text,
        diagnostics,
    }]))
}

/// Returns the reason why dbt does not find files of this kind in a folder, and a fix. `None` if dbt finds the files,
/// or if this cannot be determined.
fn unsearched_folder_problem(
    dbt: &DbtProject,
    kind: FolderKind,
    root: &Path,
    folder: &str,
) -> Option<(String, String)> {
    let (key, paths) = kind.paths(dbt);
    let full_path = absolute_path(&root.join(folder));
    let mut reason = None;
    for path in paths {
        let top = absolute_path(&dbt.folder.join(path));
        let Ok(inner) = full_path.strip_prefix(&top) else {
            continue;
        };
        let mut inner_folders = inner.components().scan(top, |scanned_path, part| {
            scanned_path.push(part);
            Some(scanned_path.clone())
        });
        if inner_folders.any(|inner_path| fs::symlink_metadata(inner_path).is_ok_and(|data| data.is_symlink())) {
            let help = format!(
                "after `{}:` in formulac.yml, write the folder that the link points to",
                kind.key()
            );
            reason = Some((
                format!(
                    "dbt does not follow the link `{folder}`, so it finds no {} there",
                    kind.description()
                ),
                help,
            ));
            continue;
        }
        let first = inner.components().next();
        let is_other = |name: &&str| first.is_some_and(|first| first.as_os_str() == *name);
        let other = NON_SINGULAR_TEST_FOLDERS
            .iter()
            .find(|name| kind == FolderKind::Tests && is_other(name))?;
        let message =
            format!("dbt does not look for singular tests in `{folder}`: `{other}` is a folder of another kind");
        reason = Some((
            message,
            format!("write `tests: {}/formulac/` in formulac.yml", normalize_path(path)),
        ));
    }
    if reason.is_none() && dbt.unresolved.iter().any(|(unresolved, _)| unresolved == key) {
        return None;
    }
    reason.or_else(|| {
        let names: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        let list = match names.as_slice() {
            [] => "is empty".to_owned(),
            _ => format!("lists {}", names.join(", ")),
        };
        let help = match paths.first() {
            Some(first) => format!(
                "`{key}` in dbt_project.yml {list}; write `{}: {}/formulac/` in formulac.yml",
                kind.key(),
                normalize_path(first)
            ),
            None => format!("`{key}` in dbt_project.yml is empty; specify a folder there"),
        };
        Some((
            format!("dbt does not look for {} in `{folder}`", kind.description()),
            help,
        ))
    })
}

fn normalize_path(path: &str) -> &str {
    path.trim_start_matches("./").trim_end_matches('/')
}

/// Returns the span of the value after a key at the start of a line, or the start of the file if the key is missing.
fn yaml_value_span(text: &str, key: &str) -> Span {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(value) = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(':')) {
            let from = start + line.len() - value.trim_start().len();
            let value = value.trim().split(" #").next().unwrap_or_default().trim_end();
            return Span::new(from as u32, (from + value.len()) as u32);
        }
        start += line.len();
    }
    Span::default()
}
