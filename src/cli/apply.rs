//! Generated files brought to their places: what differs is written, what is left over removed, what people changed kept.

use std::path::{Path, PathBuf};

use formulac::Dialect;
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;
use formulac::sync::in_layout_of;

use super::atomic_write::{ChangedFile, Planned, Present, change_all};
use super::bounds::Bounds;
use super::exit::{Exit, Failure, FailureKind};
use super::session::Session;

/// What is to be done to files.
#[derive(Debug, Default)]
pub struct Delivery {
    pub created: Vec<Planned>,
    pub updated: Vec<Planned>,
    pub unchanged: Vec<PathBuf>,
    pub removed: Vec<PathBuf>,
    /// Files that somebody changed since formulac wrote them.
    pub by_hand: Vec<PathBuf>,
}

/// Compares files with the files that are in their places. `left` are files that no spec makes any more.
pub fn compare(
    files: impl IntoIterator<Item = Planned>,
    left: Vec<PathBuf>,
    dialect: Dialect,
) -> Result<Delivery, Failure> {
    let mut delivery = Delivery { removed: left, ..Delivery::default() };
    for planned in files {
        match planned.present()? {
            Present::Same => delivery.unchanged.push(planned.path),
            Present::Nothing => delivery.created.push(planned),
            Present::Other(bytes) => {
                let found = std::str::from_utf8(&bytes).ok();
                let name = planned.path.to_string_lossy();
                match found.and_then(|found| in_layout_of(&name, found, &planned.text, dialect)) {
                    Some(text) if found == Some(&text) => delivery.unchanged.push(planned.path),
                    Some(text) => delivery.updated.push(Planned { path: planned.path, text }),
                    None => {
                        delivery.by_hand.push(planned.path.clone());
                        delivery.updated.push(planned);
                    }
                }
            }
        }
    }
    Ok(delivery)
}

impl Delivery {
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.updated.is_empty() && self.removed.is_empty()
    }

    /// Adds a file that is written whatever stands in its place.
    pub fn add(&mut self, planned: Planned) -> Result<(), Failure> {
        match planned.present()? {
            Present::Same => self.unchanged.push(planned.path),
            Present::Nothing => self.created.push(planned),
            Present::Other(_) => self.updated.push(planned),
        }
        Ok(())
    }

    /// Says what would be done, in the way of a check.
    pub fn report(&self, session: &Session) -> Exit {
        let mut all: Vec<(&Path, &str)> = self.created.iter().map(|file| (&*file.path, "is missing")).collect();
        all.extend(self.updated.iter().map(|file| (&*file.path, "differs from its spec")));
        all.extend(self.removed.iter().map(|path| (&**path, "is no longer made by its spec")));
        all.sort();
        for (path, what) in &all {
            session.warn(&format!("{} {what}", path.display()));
        }
        if all.is_empty() { Exit::Done } else { Exit::Faulty }
    }

    /// What people changed, as faults of these files.
    pub fn conflicts(&self) -> Vec<FailureKind> {
        self.by_hand.iter().map(|path| by_hand(path)).collect()
    }

    /// Does it.
    pub fn write(&self, bounds: &Bounds) -> Result<ChangedFile, Failure> {
        let files: Vec<&Planned> = self.created.iter().chain(&self.updated).collect();
        change_all(bounds, &files, &self.removed)
    }

    /// What was done, a line each.
    pub fn notes(&self) -> Vec<String> {
        if self.is_empty() {
            return vec!["everything is up to date".to_owned()];
        }
        let mut wrote: Vec<&Path> = self.created.iter().chain(&self.updated).map(|file| &*file.path).collect();
        wrote.sort();
        let wrote = wrote.into_iter().map(|path| format!("wrote {}", path.display()));
        wrote.chain(self.removed.iter().map(|path| format!("removed {}", path.display()))).collect()
    }
}

fn by_hand(path: &Path) -> FailureKind {
    let file = path.to_string_lossy().into_owned();
    let message = format!("`{file}` is not as formulac wrote it");
    let fault = Diagnostic::new(Code::EditedByHand, Span::default(), message).with_help(
        "`formulac adopt` takes the edit into the spec, and `formulac push` keeps an edit of a model that was pushed \
         before; else remove the file, or write to another folder",
    );
    FailureKind { file, text: String::new(), diagnostics: vec![fault] }
}
