//! Changes to nodes, and their severity.

use std::collections::BTreeMap;

use crate::lineage::ColumnChange;

/// All changes to one node, from which the effects on other nodes are derived.
#[derive(Clone, Debug, Default)]
pub struct NodeChanges {
    /// Index of the node.
    pub node_index: usize,
    /// Changed columns by name, in lower case.
    pub columns: BTreeMap<String, ColumnChange>,
    /// Whether the rows change. If `true`, the values of all columns change.
    pub rows: bool,
    /// Whether the node is removed.
    pub is_removed: bool,
    /// Whether the code of the node changes. If `true`, unit tests of the node may expect the old values.
    pub redefined: bool,
    /// Reason why rows or values change. `None` if the report does not have to give a reason.
    pub reason: Option<String>,
    /// Other changes to the node, which do not affect downstream nodes.
    pub notes: Vec<ChangeNote>,
}

impl NodeChanges {
    /// Adds another change to the same node. Of two changes to a column, the more severe change is kept.
    pub fn merge(&mut self, other: Self) {
        self.rows |= other.rows;
        self.is_removed |= other.is_removed;
        self.redefined |= other.redefined;
        self.reason = self.reason.take().or(other.reason);
        self.notes.extend(other.notes);
        for (column, change) in other.columns {
            let column_change = self.columns.entry(column).or_insert(change);
            *column_change = (*column_change).max(change);
        }
    }
}

/// Change that does not affect a node's values, such as a removed test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeNote {
    /// Name of the node or of one of its columns.
    pub name: String,
    /// Description of the change.
    pub description: String,
    /// Severity of the change.
    pub severity: ChangeSeverity,
    /// Reason for the severity.
    pub reason: String,
}

/// Severity of a change or an effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeSeverity {
    /// The change has no visible effect.
    #[default]
    Harmless,
    /// Values change, but nothing fails.
    Changing,
    /// The change makes at least one node fail.
    Breaking,
}

impl ChangeSeverity {
    /// Returns the words that messages use for this severity.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::Changing => "changing values",
            Self::Breaking => "breaking",
        }
    }
}
