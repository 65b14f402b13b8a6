//! Parts of a model's SQL: columns and clauses, with their positions.

use std::ops::Range;

/// Kind of a part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FilePartKind {
    /// The expression of a column.
    Column(String),
    /// `*`, `relation.*`, or anything else that is not a named column.
    Unnamed,
    /// `from`, `where`, `group by` and so on, without these keywords. The keywords are the name of the clause.
    Clause(String),
    /// Text before `with` or `select`: the configuration.
    Config,
    /// Text that is not part of a query.
    Other,
}

/// Position of a part in a file: its CTE, the position of its select in a `union` (`branch`), its kind, and the number
/// of preceding parts with the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FilePartPosition {
    /// Name of the CTE that contains the part. `None` for the last select.
    pub(crate) cte: Option<String>,
    pub(crate) branch: usize,
    pub(crate) kind: FilePartKind,
    pub(crate) nth: usize,
}

impl FilePartPosition {
    /// Returns the name of an output column of the query: a column of the last select, or a column of the CTE `output`
    /// if the last select returns all columns of this CTE. `None` if the part is something else, or if the select has
    /// several columns with this name.
    #[must_use]
    pub fn output_column_name(&self, output: Option<&str>) -> Option<&str> {
        self.column_name_if_column()
            .filter(|_| self.cte.is_none() || self.cte.as_deref() == output)
    }

    /// Returns whether the part is a column of the last select without a known name, such as `*`.
    #[must_use]
    pub fn is_unnamed_output_column(&self) -> bool {
        self.cte.is_none() && self.kind == FilePartKind::Unnamed
    }

    /// Returns the name of the CTE whose `from` clause this part is. `None` if the part is something else.
    #[must_use]
    pub fn cte_if_from_clause(&self) -> Option<&str> {
        self.cte.as_deref().filter(|_| self.is_from_clause())
    }

    /// Returns whether the part is the `from` clause of a select.
    #[must_use]
    pub fn is_from_clause(&self) -> bool {
        self.clause() == Some("from") && self.branch == 0
    }

    /// Returns the name of a column of any select. `None` if the part is something else.
    #[must_use]
    pub fn column_name_if_column(&self) -> Option<&str> {
        match &self.kind {
            FilePartKind::Column(name) if self.branch == 0 && self.nth == 0 => Some(name),
            _ => None,
        }
    }

    /// Returns the CTE and the name of a column of any select. Names that differ only in case or in quotes are equal.
    #[must_use]
    pub fn case_insensitive_column(&self) -> Option<(Option<&str>, String)> {
        let name = self.column_name_if_column()?.trim_matches('"');
        Some((self.cte.as_deref(), name.to_ascii_lowercase()))
    }

    /// Returns whether the part is a `group by`.
    #[must_use]
    pub fn is_group_by(&self) -> bool {
        self.clause() == Some("group by") && self.branch == 0
    }

    /// Returns `where` or `having` if the part is the condition of this clause. `None` if the part is something else.
    #[must_use]
    pub fn clause_name_if_condition(&self) -> Option<&'static str> {
        ["where", "having"]
            .into_iter()
            .find(|name| self.clause() == Some(*name) && self.branch == 0)
    }

    /// Returns the name of the clause. `None` if the part is not a clause.
    pub(crate) fn clause(&self) -> Option<&str> {
        match &self.kind {
            FilePartKind::Clause(clause) => Some(clause),
            _ => None,
        }
    }
}

/// Part of a file.
#[derive(Clone, Debug)]
pub(crate) struct FilePart {
    pub position: FilePartPosition,
    /// Tokens of the part, as a range of indices in the file's tokens.
    pub tokens: Range<usize>,
    /// End of the part. For a column, the part includes the name after the expression.
    pub end: usize,
}
