//! SQL of a spec in which candidates have replaced the formulas of definitions.

use std::cell::OnceCell;
use std::collections::HashSet;

use crate::edits::{ColumnEdit, SqlEdits, compare_files};
use crate::file::SqlFile;

/// SQL of the spec with candidate formulas.
pub(crate) struct CandidateFile<'s> {
    pub file: SqlFile<'s>,
    edits: OnceCell<SqlEdits>,
    /// Definitions with a candidate formula, in lower case. May be empty if only one definition has a candidate.
    definitions: HashSet<String>,
}

impl<'s> CandidateFile<'s> {
    pub fn new(file: SqlFile<'s>) -> Self {
        Self::with_definitions(file, HashSet::new())
    }

    /// Creates the SQL of a spec in which several definitions have candidate formulas.
    pub fn with_definitions(file: SqlFile<'s>, definitions: HashSet<String>) -> Self {
        Self {
            file,
            edits: OnceCell::new(),
            definitions,
        }
    }

    /// Returns the differences between this SQL and the edited file.
    pub fn edits(&self, edited_file: &SqlFile<'_>) -> &SqlEdits {
        self.edits.get_or_init(|| compare_files(&self.file, edited_file))
    }

    /// Returns whether an edited column belongs to another definition with a candidate formula.
    pub fn is_edit_of_other_definition(&self, item: &ColumnEdit, definition: &str) -> bool {
        !item.column.eq_ignore_ascii_case(definition) && self.definitions.contains(&item.column.to_ascii_lowercase())
    }
}
