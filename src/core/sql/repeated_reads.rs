//! Finds calls that a warehouse may evaluate several times: each select that reads a CTE may evaluate the CTE again.
//! Also measures the subexpressions that occur several times in an expression.

use std::collections::HashMap;

use rustc_hash::FxHashSet;

use super::query::{Cte, SelectSource};
use super::relational_plan::{Operator, RowPlan};
use super::tree::{Sql, SqlId, SqlTree};

/// Returns whether a CTE that is evaluated several times contains one of these calls.
pub fn has_reevaluated_call(tree: &SqlTree, ctes: &[Cte], body: &RowPlan, calls: &[&str]) -> bool {
    let mut repeated = ctes
        .iter()
        .zip(count_evaluations(ctes, body))
        .filter(|(_, count)| *count > 1);
    repeated.any(|(cte, _)| contains_call(tree, &cte.body, calls))
}

impl SqlTree {
    /// Returns how many bytes of an expression's SQL are repetitions. A subexpression is repeated if several parents
    /// share its node. Names and literals are not counted.
    pub fn count_repeated_bytes(&self, root: SqlId) -> u64 {
        let mut open = vec![root];
        let mut seen = FxHashSet::default();
        let mut bytes = 0u64;
        while let Some(id) = open.pop() {
            if matches!(self.node(id), Sql::Word(_) | Sql::Text { .. } | Sql::Field { .. }) {
                continue;
            }
            if seen.insert(id) {
                self.add_operands(id, &mut open);
            } else {
                bytes = bytes.saturating_add(u64::from(self.width(id)));
            }
        }
        bytes
    }
}

fn contains_call(tree: &SqlTree, plan: &RowPlan, calls: &[&str]) -> bool {
    let is_call = |id: &SqlId| matches!(tree.node(*id), Sql::Call { name, .. } if calls.contains(name));
    let expressions = plan.operators.iter().flat_map(Operator::expressions);
    tree.reachable_nodes(expressions).iter().any(is_call)
}

/// Returns the number of evaluations of each CTE.
fn count_evaluations(ctes: &[Cte], body: &RowPlan) -> Vec<u32> {
    let names = ctes.iter().enumerate().map(|(index, cte)| (cte.name.as_str(), index));
    let places: HashMap<&str, usize> = names.collect();
    let mut counts = vec![0u32; ctes.len()];
    let add_reads = |counts: &mut [u32], plan: &RowPlan, times: u32| {
        for name in plan.sources().filter_map(SelectSource::cte_name) {
            if let Some(count) = places.get(name).and_then(|place| counts.get_mut(*place)) {
                *count = count.saturating_add(times);
            }
        }
    };
    add_reads(&mut counts, body, 1);
    // Each CTE reads only earlier CTEs.
    for (index, cte) in ctes.iter().enumerate().rev() {
        let times = counts.get(index).copied().unwrap_or_default();
        add_reads(&mut counts, &cte.body, times);
    }
    counts
}
