//! Compares seeds at two revisions. The first line contains the columns, and all other lines contain rows.

use super::{FileRevisions, RevisionComparer};
use crate::lineage::ColumnChange;

impl RevisionComparer<'_, '_> {
    pub(super) fn compare_seed(&mut self, file: &FileRevisions) {
        let name = file.name();
        let index = self.index_of(name);
        let (Some(before), Some(now)) = (&file.before, &file.now) else {
            let change_kind = if file.now.is_some() { "added" } else { "removed" };
            self.report_change(name, change_kind, "", "");
            if let Some(index) = index.filter(|_| file.now.is_none()) {
                self.node_changes_mut(index).is_removed = true;
            }
            return;
        };
        let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        let (old, new) = (lines(before), lines(now));
        if old == new {
            return self.report_change(name, "layout", "", "");
        }
        let (was, is) = (header_columns(before), header_columns(now));
        let removed: Vec<&String> = was.iter().filter(|column| !is.contains(column)).collect();
        self.report_change(name, "seed", &format_row_count(old.len()), &format_row_count(new.len()));
        let Some(index) = index else { return };
        for column in removed {
            self.node_changes_mut(index)
                .columns
                .insert(column.clone(), ColumnChange::Removed);
        }
        // Assume that the rows change, because a comparison of lines does not show whether only columns were added or
        // removed.
        self.mark_rows_as_changed(index, "the rows of the seed's file change".to_owned());
    }
}

fn format_row_count(lines: usize) -> String {
    match lines.saturating_sub(1) {
        1 => "1 row".to_owned(),
        count => format!("{count} rows"),
    }
}

/// Returns the column names in the first line, in lower case.
fn header_columns(text: &str) -> Vec<String> {
    let first = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
    first
        .split([',', ';', '\t', '|'])
        .map(|name| name.trim().trim_matches('"').to_lowercase())
        .collect()
}
