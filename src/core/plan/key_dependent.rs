//! What the select that groups reads of an earlier stratum outside of its aggregates: values made of the keys alone.

use rustc_hash::FxHashSet;

use super::planner::Planner;
use crate::ir::{Ir, IrId};

impl Planner<'_> {
    /// Columns that these values read beside the groups and that are no keys. Each has one value in a group, since it is
    /// made of the keys, so that grouping by it too makes the same groups, and engines take it for told.
    pub(super) fn key_dependents(&self, roots: &[IrId], keys: &[IrId], stage: u32) -> Vec<IrId> {
        let program = self.step.program;
        let meant = |id: IrId| self.canonical(id);
        let keys: FxHashSet<IrId> = keys.iter().copied().map(meant).collect();
        let mut found: Vec<IrId> = Vec::new();
        let mut seen: FxHashSet<IrId> = FxHashSet::default();
        let mut stack: Vec<IrId> = roots.to_vec();
        let mut windows = false;
        if self.is_ordered(stage) {
            stack.extend(self.roles.order.iter().map(|(id, _)| *id));
        }
        while let Some(id) = stack.pop() {
            let id = meant(id);
            if !seen.insert(id) || keys.contains(&id) || self.aliases.contains_key(&id) {
                continue;
            }
            if self.column_in(id, stage).is_some() {
                found.push(id);
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
        found.sort_unstable();
        found
    }
}
