//! Generates man pages, one per command: `FORMULAC_MAN_PAGES=DIR formulac` in builds with the feature `man`.

use std::fs;
use std::process::ExitCode;

use super::args::command;

/// Writes the man pages if the environment variable requests them.
pub fn write_man_pages() -> Option<ExitCode> {
    let folder = std::env::var_os("FORMULAC_MAN_PAGES")?;
    let written = fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(command(), &folder));
    Some(written.map_or_else(
        |fault| {
            eprintln!("the man pages cannot be written to {}: {fault}", folder.display());
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    ))
}
