//! States of the nodes that a change affects.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::changes::ChangeSeverity;
use crate::lineage::ColumnChange;

/// Origin of a change: the previous node and, if known, its column.
pub(crate) type ChangeOrigin = Option<(usize, Option<String>)>;

/// State of an affected node.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeState {
    /// Changed columns, or changed elements of a semantic model.
    pub columns: BTreeMap<String, (ColumnChange, ChangeOrigin)>,
    /// Origin of the changed rows, which change the values of all columns. `None` if the rows do not change.
    pub rows: Option<ChangeOrigin>,
    /// Origin of a failure. `None` if the node does not fail.
    pub fails: Option<ChangeOrigin>,
    pub severity: ChangeSeverity,
    pub reason: String,
    /// Origin of the first change with the highest severity.
    pub origin: ChangeOrigin,
    /// Reason why the effect is known only for the whole node.
    pub reason_for_whole_node: Option<String>,
    /// Reasons why the effect may be smaller than reported.
    pub gaps: Vec<String>,
}

impl NodeState {
    pub fn is_affected(&self) -> bool {
        self.rows.is_some() || self.fails.is_some() || !self.columns.is_empty() || !self.reason.is_empty()
    }

    /// Adds the effect of other changes to this state. Of two changes to a column, the more severe change is kept with
    /// its origin. If they are equally severe, the existing origin takes precedence.
    fn merge(&mut self, other: Self) {
        self.rows = self.rows.take().or(other.rows);
        self.fails = self.fails.take().or(other.fails);
        for (column, change) in other.columns {
            match self.columns.entry(column) {
                Entry::Vacant(entry) => {
                    entry.insert(change);
                }
                Entry::Occupied(mut entry) if change.0 > entry.get().0 => {
                    entry.insert(change);
                }
                Entry::Occupied(_) => {}
            }
        }
        if !other.reason.is_empty() {
            self.raise_severity(other.severity, other.reason, other.origin);
        }
        self.reason_for_whole_node = self.reason_for_whole_node.take().or(other.reason_for_whole_node);
        self.gaps.extend(other.gaps);
    }

    /// Returns the change to a column or, if the column is `None`, to the rows.
    pub fn column_change(&self, column: Option<&str>) -> Option<ColumnChange> {
        let rows = self.rows.is_some().then_some(ColumnChange::Values);
        match column {
            None => rows,
            Some(column) => self.columns.get(column).map(|(change, _)| *change).or(rows),
        }
    }

    /// Sets the severity, reason and origin if the new severity is higher than the current one.
    pub fn raise_severity(&mut self, severity: ChangeSeverity, reason: impl Into<String>, via: ChangeOrigin) {
        if self.reason.is_empty() || severity > self.severity {
            self.severity = severity;
            self.reason = reason.into();
            self.origin = via;
        }
    }
}

/// States by node index. `None` for unaffected nodes.
#[derive(Debug, Default)]
pub(crate) struct NodeStates(Vec<Option<Box<NodeState>>>);

impl NodeStates {
    pub fn new(count: usize) -> Self {
        Self(std::iter::repeat_with(|| None).take(count).collect())
    }

    pub fn get(&self, index: &usize) -> Option<&NodeState> {
        self.0.get(*index)?.as_deref()
    }

    /// Iterates over the affected nodes in index order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &NodeState)> {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(index, state)| Some((index, state.as_deref()?)))
    }

    pub fn add(&mut self, index: usize, state: NodeState) {
        match self.0.get_mut(index) {
            // The node also has its own changes.
            Some(Some(changed)) => changed.merge(state),
            Some(unaffected) => *unaffected = Some(Box::new(state)),
            None => {}
        }
    }

    /// Returns the names of the columns that were removed from a node.
    pub fn removed_columns(&self, index: usize) -> Vec<String> {
        let columns = self.get(&index).into_iter().flat_map(|state| &state.columns);
        let removed = columns.filter(|(_, (change, _))| *change == ColumnChange::Removed);
        removed.map(|(name, _)| name.clone()).collect()
    }

    pub fn state_mut(&mut self, index: usize) -> Option<&mut NodeState> {
        self.0.get_mut(index).map(|state| &mut **state.get_or_insert_default())
    }
}

#[cfg(test)]
mod tests {
    use super::NodeState;
    use crate::lineage::ColumnChange;

    /// A node can have its own change and also be downstream of another changed node.
    #[test]
    fn the_most_severe_change_to_a_column_is_kept() {
        let state = |change: ColumnChange, parent: Option<usize>, gaps: &[&str]| NodeState {
            columns: [("a".to_owned(), (change, parent.map(|parent| (parent, None))))].into(),
            gaps: gaps.iter().map(|gap| (*gap).to_owned()).collect(),
            ..NodeState::default()
        };
        for (own, upstream, expected) in [
            (
                ColumnChange::Values,
                ColumnChange::Removed,
                (ColumnChange::Removed, Some((1, None))),
            ),
            (
                ColumnChange::Removed,
                ColumnChange::Values,
                (ColumnChange::Removed, None),
            ),
            (ColumnChange::Type, ColumnChange::Type, (ColumnChange::Type, None)),
        ] {
            let mut merged = state(own, None, &[]);
            merged.merge(state(upstream, Some(1), &["a pivot"]));
            assert_eq!(merged.columns.get("a"), Some(&expected));
            assert_eq!(merged.gaps, ["a pivot"]);
        }
    }
}
