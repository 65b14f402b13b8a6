//! Aggregates that sort their values. Some dialects restrict which aggregates can be in the same select.

use super::{Ir, IrId, Program};
use crate::catalog::{self, OverloadId, internal};

/// Returns whether an aggregate sorts its values: a median, a percentile or joined text.
pub fn sorts_values(overload: OverloadId) -> bool {
    let owner = catalog::overload_owner(overload);
    owner == internal::STRING_AGG || catalog::get(owner).window.is_some()
}

impl Program {
    /// Returns whether the program contains aggregates that sort different values, or an aggregate that sorts its
    /// values and an aggregate of distinct values.
    pub fn sorts_different_values(&self) -> bool {
        let mut sorted: Option<Ir> = None;
        let mut is_distinct = false;
        for node in self.nodes() {
            let Ir::Aggregate {
                overload,
                args,
                distinct,
            } = node
            else {
                continue;
            };
            is_distinct |= distinct || catalog::overload_owner(overload) == internal::COUNTUNIQUE;
            let value = self
                .args(args)
                .first()
                .map(|value: &IrId| self.node(self.resolve_names(*value)));
            let Some(value) = value.filter(|_| sorts_values(overload)) else {
                continue;
            };
            if *sorted.get_or_insert(value) != value {
                return true;
            }
        }
        is_distinct && sorted.is_some()
    }
}
