//! Columns of an earlier stratum that the grouping select reads outside of its aggregates. The values of these columns
//! are computed only from the grouping keys.

use rustc_hash::FxHashSet;

use super::planner::Planner;
use crate::ir::{Ir, IrId};

impl Planner<'_> {
    /// Returns the columns, other than keys, that these values read outside of aggregates. Such columns have one value
    /// per group, because they are computed from the keys. Engines accept the columns only if they are in GROUP BY,
    /// where they do not change the groups.
    pub(super) fn find_functionally_dependent_columns(&self, roots: &[IrId], keys: &[IrId], stratum: u32) -> Vec<IrId> {
        let program = self.step.program;
        let canonical = |id: IrId| self.canonical_node(id);
        let keys: FxHashSet<IrId> = keys.iter().copied().map(canonical).collect();
        let mut ids: Vec<IrId> = Vec::new();
        let mut seen: FxHashSet<IrId> = FxHashSet::default();
        let mut stack: Vec<IrId> = roots.to_vec();
        let mut windows = false;
        if self.is_ordered(stratum) {
            stack.extend(self.roles.order.iter().map(|(id, _)| *id));
        }
        while let Some(id) = stack.pop() {
            let id = canonical(id);
            if !seen.insert(id) || keys.contains(&id) || self.aliases.contains_key(&id) {
                continue;
            }
            if self.stratum_column(id, stratum).is_some() {
                ids.push(id);
                continue;
            }
            match program.node(id) {
                Ir::Aggregate { .. } => {}
                Ir::Window { .. } if !windows => {
                    windows = true;
                    stack.extend(program.operands(id));
                    stack.extend(self.roles.order.iter().map(|(id, _)| *id));
                    stack.extend(self.roles.partition.iter().copied());
                }
                _ => stack.extend(program.operands(id)),
            }
        }
        ids.sort_unstable();
        ids
    }
}
