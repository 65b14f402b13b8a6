//! Values that become named columns.

use rustc_hash::FxHashMap;

use crate::ir::IrId;

/// Materialized values. Each materialized value is computed once, as a named column.
#[derive(Debug, Default)]
pub(super) struct MaterializedValues {
    names: FxHashMap<IrId, String>,
    /// Nodes that are not computed, each with the equal node that is computed instead.
    same: FxHashMap<IrId, IrId>,
    /// Definitions that are computed from grouping keys and become columns of the groups. Maps each definition to the
    /// node that is computed, which refers to the definition.
    pub helpers: FxHashMap<usize, IrId>,
}

impl MaterializedValues {
    /// Returns the node that is computed for the given node: the node itself or an equal node.
    pub fn representative(&self, id: IrId) -> IrId {
        self.same.get(&id).copied().unwrap_or(id)
    }

    pub fn name(&self, id: IrId) -> Option<&str> {
        self.names.get(&self.representative(id)).map(String::as_str)
    }

    pub fn contains(&self, id: IrId) -> bool {
        self.names.contains_key(&self.representative(id))
    }

    pub fn insert(&mut self, id: IrId, name: String) {
        self.names.insert(id, name);
    }

    /// Records that `id` uses the value of `representative`, which is an equal node.
    pub fn record_equal_value(&mut self, id: IrId, representative: IrId) {
        self.same.insert(id, representative);
    }

    pub fn has_intermediate_definitions(&self) -> bool {
        !self.helpers.is_empty()
    }

    /// Returns the node that computes a definition from grouping keys, if the definition is a column of the groups.
    pub fn intermediate_definition_node(&self, definition: usize) -> Option<IrId> {
        self.helpers.get(&definition).map(|id| self.representative(*id))
    }

    /// Returns the materialized nodes, in node order.
    pub fn sorted_nodes(&self) -> Vec<IrId> {
        let mut ids: Vec<IrId> = self.names.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}
