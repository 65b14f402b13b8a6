//! What dbt says of a plan before anything is written: it parses a copy of the project, made of links but for what changes.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use formulac::sync::{Plan, TextChange};
use tempfile::TempDir;

use super::planned::Made;
use crate::cli::exit::{Failure, Found};
use crate::cli::place::Place;
use crate::cli::session::Session;
use crate::cli::{dbt_run, validate};

/// What dbt and git leave, which a project is not made of.
const LEFT: [&str; 4] = ["target", "logs", ".git", ".formulac"];

/// Whether dbt has parsed a plan.
pub enum Parsed {
    Yes,
    /// What it says against it.
    Refused(Vec<Found>),
    /// Why it was not asked.
    No(&'static str),
}

/// Lets dbt parse the project as the plan would leave it. Where there is no dbt it is said.
pub fn check(session: &Session, place: &Place, made: &Made) -> Result<Parsed, Failure> {
    if place.dbt.is_none() {
        return Ok(Parsed::No("no dbt project"));
    }
    if !dbt_run::is_there() {
        session.warn("not parsed by dbt: there is no program `dbt` (FORMULAC_DBT says where it is instead)");
        return Ok(Parsed::No("no program `dbt`"));
    }
    let copy = Copy::of(&place.root, &made.plan)
        .map_err(|error| Failure::io("write", &std::env::temp_dir().to_string_lossy(), &error))?;
    let refused = validate::parsed(made.environment.as_ref(), copy.folder.path(), &made.models, &made.found)?;
    Ok(if refused.is_empty() { Parsed::Yes } else { Parsed::Refused(refused) })
}

/// A copy of a project that goes when it is dropped. Links in it are removed, not what they lead to.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn of(root: &Path, plan: &Plan) -> io::Result<Self> {
        let root = fs::canonicalize(if root.as_os_str().is_empty() { Path::new(".") } else { root })?;
        let copy = Self { folder: tempfile::Builder::new().prefix("formulac-").tempdir()? };
        let goal = copy.folder.path();
        let changes: Vec<&TextChange> = plan.models.iter().flat_map(|model| &model.files).collect();
        let changed: BTreeSet<&Path> = changes.iter().map(|change| Path::new(&change.path)).collect();
        let own: BTreeSet<&Path> = changed.iter().flat_map(|path| path.ancestors().skip(1)).collect();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            fs::create_dir_all(goal.join(&folder))?;
            let Ok(entries) = fs::read_dir(root.join(&folder)) else { continue };
            for entry in entries {
                let name = entry?.file_name();
                let path = folder.join(&name);
                if changed.contains(path.as_path())
                    || (folder.as_os_str().is_empty() && LEFT.iter().any(|it| name == *it))
                {
                    continue;
                }
                if own.contains(path.as_path()) {
                    folders.push(path);
                } else {
                    link(&root.join(&path), &goal.join(&path))?;
                }
            }
        }
        for change in changes.iter().filter(|change| !change.path.starts_with(".formulac/")) {
            let path = goal.join(&change.path);
            let Some(text) = &change.after else { continue };
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, text)?;
        }
        Ok(copy)
    }
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let path = entry?.path();
            let goal = to.join(path.file_name().unwrap_or_default());
            if path.is_dir() { folders.push((path, goal)) } else { fs::copy(&path, goal).map(|_| ())? }
        }
    }
    Ok(())
}
