//! One run at a time writes a project, and what a run was killed in is finished by the next.

use std::fs::{self, File, TryLockError};

use formulac::sync::{Left, left};

use super::carried_out;
use super::disk::Files;
use crate::cli::exit::{Exit, Failure};
use crate::cli::place::Place;
use crate::cli::session::Session;

const LOCAL: &str = ".formulac/local";
const LOCK: &str = ".formulac/local/lock";

/// Held as long as something is written; the system lets go of it when the process ends, however that is.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// The lock of the project. What an earlier run was killed in is finished or undone first.
    pub fn take(session: &Session, place: &Place) -> Result<Self, Failure> {
        let failed = |path: &str, error: &std::io::Error| Failure::io("write", path, error);
        fs::create_dir_all(place.root.join(LOCAL)).map_err(|error| failed(LOCAL, &error))?;
        // What is for this work tree alone is no part of the repository, whatever that is told to ignore.
        let ignore = place.root.join(LOCAL).join(".gitignore");
        if !ignore.is_file() {
            fs::write(&ignore, "*\n").map_err(|error| failed(LOCAL, &error))?;
        }
        let file = File::options().write(true).create(true).truncate(false).open(place.root.join(LOCK));
        let file = file.map_err(|error| failed(LOCK, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(Exit::Failed, "another formulac is writing in this project")
                    .with_help("wait until it is done"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(LOCK, &error)),
        }
        carried_out::recover(session, place)?;
        Ok(Self { _file: file })
    }
}

/// Tells of a run that was killed, where nothing is to be written.
pub fn tell_what_waits(session: &Session, place: &Place) -> Result<(), Failure> {
    let waits = !matches!(left(&mut Files::of(&place.root)), Ok(Left::Nothing));
    if waits {
        session.warn("warning: a push was interrupted here; `formulac push` finishes or undoes it first");
    }
    Ok(())
}
