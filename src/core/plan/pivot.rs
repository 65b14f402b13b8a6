//! Windows of a pivoted worksheet: partitions for its rows, and sort keys for its columns.

use super::planner::Planner;
use super::step::{InputColumn, PivotOrder};
use crate::emit::SelectWindowKeys;
use crate::ir::IrId;

impl Planner<'_> {
    /// Sets the keys of the windows in a pivoted worksheet. The rows are identified by the sort keys and the other
    /// columns of the grain, except for the pivot's keys. The pivot's keys order the columns, ascending unless
    /// `order_by` specifies otherwise.
    pub(super) fn set_pivot_window_keys(&mut self, windows: &mut SelectWindowKeys, stratum: u32) {
        let keys = self.roles.partition.clone();
        let names: Vec<String> = keys
            .iter()
            .map(|id| self.sort_key_column_name(*id).to_ascii_lowercase())
            .collect();
        let is_key = |planner: &Self, id: IrId| {
            let name = planner.sort_key_column_name(id).to_ascii_lowercase();
            names.iter().position(|key| !name.is_empty() && *key == name)
        };
        let mut order: Vec<(IrId, bool)> = Vec::new();
        let mut directions = vec![false; keys.len()];
        for (id, descending) in self.roles.order.clone() {
            match is_key(self, id) {
                Some(index) => {
                    if let Some(direction) = directions.get_mut(index) {
                        *direction = descending;
                    }
                }
                None => order.push((id, descending)),
            }
        }
        let key_names: Vec<String> = order
            .iter()
            .map(|(id, _)| self.sort_key_column_name(*id).to_ascii_lowercase())
            .collect();
        let is_used = |column: &InputColumn| {
            let name = column.name.to_ascii_lowercase();
            key_names.contains(&name) || names.contains(&name)
        };
        let rest: Vec<InputColumn> = self
            .input_grain()
            .into_iter()
            .filter(|column| !is_used(column))
            .collect();
        let sort_nodes: Vec<IrId> = self.dedup_nodes(order.iter().map(|(id, _)| *id));
        self.emit_nodes(&sort_nodes, stratum);
        windows.pivot_rows = sort_nodes.iter().map(|id| self.partition_key(*id, stratum)).collect();
        windows.order.clear();
        for (id, descending) in order {
            windows.order.push(self.emit_sort_key(id, descending, stratum));
        }
        for column in rest {
            let (column_sql, key) = self.emit_column_and_sort_key(&column, stratum);
            windows.pivot_rows.push(column_sql);
            windows.order.push(key);
        }
        if let Some(PivotOrder::ByColumn(name)) = self.spec.pivot {
            windows.pivot_order = vec![self.emitter.emit_column_by_name(name, false)];
            return;
        }
        for (id, descending) in keys.into_iter().zip(directions) {
            windows.pivot_order.push(self.emit_sort_key(id, descending, stratum));
        }
    }
}
