//! Reads the records of the last pull.

use std::path::{Path, PathBuf};

use formulac::omni::PullRecord;

use crate::cli::folder;
use crate::cli::source::read_text;

/// Folder with the records of the last pull, relative to the project's folder.
pub const PULL_RECORDS_FOLDER: &str = ".formulac/state/omni";

/// Returns the records of views and topics from the last pull of the project in a folder.
pub fn pull_records(root: &Path) -> impl Iterator<Item = PullRecord> {
    pull_record_files(root).map(|(_, _, record)| record)
}

/// Returns the records, each with the path and the contents of its file.
pub fn pull_record_files(root: &Path) -> impl Iterator<Item = (PathBuf, String, PullRecord)> {
    let files = pull_record_paths(root).into_iter();
    files.filter_map(|path| {
        let text = read_text(&path).ok()?;
        let record = PullRecord::from_text(&text)?;
        Some((path, text, record))
    })
}

/// Returns the paths of the records.
pub fn pull_record_paths(root: &Path) -> Vec<PathBuf> {
    folder::find_files(&root.join(PULL_RECORDS_FOLDER), |path| {
        path.extension().is_some_and(|end| end == "yml")
    })
}

/// Returns the dbt name of each model and source table, together with the columns that the last pull recorded for it.
pub fn pulled_columns(root: &Path) -> Vec<(String, Vec<String>)> {
    let records = pull_records(root).filter_map(|record| {
        // `model.shop.orders`, `model.shop.orders.v2`, `source.shop.raw.orders`
        let mut parts = record.node.split('.');
        let name = if parts.next() == Some("source") {
            parts.nth(2)
        } else {
            parts.nth(1)
        };
        Some((
            name?.to_owned(),
            record.columns.into_iter().map(|(column, _)| column).collect(),
        ))
    });
    records.collect()
}
