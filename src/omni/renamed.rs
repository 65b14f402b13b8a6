//! Records of views whose names have changed since the last pull.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::pull::OmniFiles;
use super::pull_state::PullRecord;

/// Records whose names are not the names of views or topics.
pub(super) struct RenamedRecords {
    /// Name and text of each renamed view's record, by the path of the view.
    by_path: FxHashMap<String, (String, String)>,
    /// Names of the other records. Their views and topics no longer exist in dbt.
    pub obsolete: Vec<String>,
}

impl RenamedRecords {
    /// Finds the records among the names in `recorded`. `paths` contains the paths of all current views and topics.
    pub fn find(recorded: BTreeSet<String>, paths: &FxHashSet<&str>, files: &impl OmniFiles) -> Self {
        let mut records = Self {
            by_path: FxHashMap::default(),
            obsolete: Vec::new(),
        };
        for name in recorded {
            let text = files.read_record(&name);
            let path = text
                .as_deref()
                .and_then(PullRecord::from_text)
                .map(|record| record.path);
            match (path, text) {
                (Some(path), Some(text)) if paths.contains(path.as_str()) => {
                    records.by_path.insert(path, (name, text));
                }
                _ => records.obsolete.push(name),
            }
        }
        records
    }

    /// Returns the name and text of a renamed view's record.
    pub fn record_of_view(&self, path: &str) -> Option<&(String, String)> {
        self.by_path.get(path)
    }
}
