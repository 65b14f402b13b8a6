//! Traversal of the nodes that appear in the SQL of a stratum.

use rustc_hash::FxHashSet;

use super::key_lookups::lookup_values;
use super::planner::Planner;
use crate::dialect::Cell;
use crate::ir::{Ir, IrId};

/// Iterator over the nodes that a stratum's SQL needs for the given roots. Each node is visited once, from the roots
/// down. The iterator includes columns from earlier strata of the step. The inputs of these columns, and columns that a
/// lookup reads from another row, are not included.
pub(super) struct StratumWalk<'w, 'p> {
    planner: &'w Planner<'p>,
    stratum: u32,
    open: Vec<IrId>,
    seen: FxHashSet<IrId>,
    /// Whether to skip arguments that are omitted in the SQL of their call.
    only_in_sql: bool,
}

impl<'p> Planner<'p> {
    pub(super) fn walk_stratum(&self, roots: impl Into<Vec<IrId>>, stratum: u32) -> StratumWalk<'_, 'p> {
        StratumWalk {
            planner: self,
            stratum,
            open: roots.into(),
            seen: FxHashSet::default(),
            only_in_sql: false,
        }
    }

    /// Returns the visited nodes in the order of computation.
    pub(super) fn nodes_in_order(&self, roots: &[IrId], stratum: u32) -> Vec<IrId> {
        let mut nodes: Vec<IrId> = self.walk_stratum(roots, stratum).map(|(id, _)| id).collect();
        nodes.sort_unstable();
        nodes
    }

    /// Returns the visited nodes that the stratum computes.
    pub(super) fn computed_nodes(&self, roots: impl Into<Vec<IrId>>, stratum: u32) -> impl Iterator<Item = Ir> {
        self.walk_stratum(roots, stratum).filter_map(|(_, computed)| computed)
    }

    /// Returns the nodes that the stratum computes, excluding arguments that do not appear in the SQL of their call.
    pub(super) fn computed_sql_nodes(&self, roots: impl Into<Vec<IrId>>, stratum: u32) -> impl Iterator<Item = Ir> {
        let walk = StratumWalk {
            only_in_sql: true,
            ..self.walk_stratum(roots, stratum)
        };
        walk.filter_map(|(_, computed)| computed)
    }
}

impl Iterator for StratumWalk<'_, '_> {
    /// Visited node, with its operation if this stratum computes the node.
    type Item = (IrId, Option<Ir>);

    fn next(&mut self) -> Option<Self::Item> {
        let program = self.planner.program();
        while let Some(id) = self.open.pop() {
            if !self.seen.insert(id) {
                continue;
            }
            if self.planner.stratum_column(id, self.stratum).is_some() {
                return Some((id, None));
            }
            let node = program.node(id);
            match node {
                Ir::Definition(definition_index) => self.open.push(program.definition_root(definition_index)),
                Ir::PeriodLookup { .. } => {}
                // Only the lookup values belong to the current row. All other operands belong to the row that the
                // lookup finds.
                Ir::RowLookup { args, .. } => self.open.extend(lookup_values(program.args(args))),
                Ir::Apply { overload, args } if self.only_in_sql => {
                    let args = program.args(args).iter().enumerate();
                    // The SQL of `T(number)` is an empty string, so it does not contain the argument.
                    let uses: &[u8] = match self.planner.emitter.dialect.cell(overload) {
                        Cell::Template(template) => template.uses,
                        _ => &[],
                    };
                    let is_written = |index: usize| uses.get(index).is_none_or(|uses| *uses > 0);
                    self.open
                        .extend(args.filter(|(index, _)| is_written(*index)).map(|(_, arg)| *arg));
                }
                _ => self.open.extend(program.operands(id)),
            }
            return Some((id, Some(node)));
        }
        None
    }
}
