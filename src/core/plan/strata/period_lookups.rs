//! Lookups that refer to the same earlier or later period. If their values are computed in different strata, all of
//! these lookups wait for the last value, so that one join reads all values.

use rustc_hash::FxHashMap;

use super::StratumAssignment;
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::ir::{Ir, IrId};

impl StratumAssignment<'_> {
    /// Delays period lookups to the last stratum with a lookup in the same period, unless an earlier stratum needs the
    /// value. `last` is the last stratum of the step. Returns whether a lookup is delayed.
    pub(super) fn delay_period_lookups(&mut self, last: u32) -> bool {
        let (step, program) = (self.step, self.step.program);
        if program.periods.len() < 2 {
            return false;
        }
        let nodes = self.live_nodes_in_use_order();
        let distance = |id: IrId| match program.node(id) {
            Ir::PeriodLookup { period, .. } => Some(program.periods.try_get(period as usize)?.distance()),
            _ => None,
        };
        let mut joins: FxHashMap<(i64, bool), u32> = FxHashMap::default();
        for (id, _) in &nodes {
            if let Some(distance) = distance(*id) {
                let stratum = joins.entry(distance).or_default();
                *stratum = (*stratum).max(self.stratum[id.index()]);
            }
        }
        // Last stratum that can compute each node without moving another node past the stratum `last`.
        let mut latest = Arena::filled(last, program.len());
        // Visit each node after the nodes that use it.
        for (id, owner) in nodes.into_iter().rev() {
            if self.is_before_windows(id) {
                continue;
            }
            let stratum = self.stratum[id.index()];
            let is_root = id == program.definitions[owner].root;
            let own = match (program.node(id), distance(id).and_then(|distance| joins.get(&distance))) {
                (_, Some(join)) if *join > stratum && *join <= latest[id.index()] => {
                    self.strata_of_delayed_lookups.insert(id, *join);
                    *join
                }
                (Ir::PeriodLookup { .. } | Ir::RowLookup { .. } | Ir::Window { .. } | Ir::Aggregate { .. }, _) => {
                    stratum
                }
                // Filters and keys cannot move to a later stratum.
                _ if is_root && !step.has_role(owner, DefinitionRole::Definitions) => stratum,
                _ => latest[id.index()],
            };
            let used: Vec<IrId> = match program.node(id) {
                Ir::Definition(index) => vec![program.definition_root(index)],
                _ => program.operands(id).collect(),
            };
            for operand in used {
                let operand = self.materialized.representative(operand);
                let before = own.saturating_sub(u32::from(self.materialized.contains(operand)));
                latest[operand.index()] = latest[operand.index()].min(before);
            }
        }
        !self.strata_of_delayed_lookups.is_empty()
    }
}
