//! Aggregates that sort their values. Some dialects restrict which aggregates can be in the same select.

use rustc_hash::FxHashMap;

use super::{Ir, Program};
use crate::catalog::{self, FunctionId, OverloadId, internal};

/// Returns whether an aggregate sorts its values: a median, a percentile or joined text.
pub fn sorts_values(overload: OverloadId) -> bool {
    let owner = catalog::overload_owner(overload);
    owner == internal::STRING_AGG || catalog::get(owner).window.is_some()
}

/// Aggregates of a program or a definition that may not be allowed in the same select.
#[derive(Clone, Copy, Debug, Default)]
pub struct SortedAggregates {
    /// First aggregate that sorts its values, and the value that it sorts.
    sorted: Option<(FunctionId, Ir)>,
    /// Whether a second aggregate sorts different values.
    has_others: bool,
    /// Whether there is an aggregate of distinct values.
    has_distinct: bool,
    /// Whether a conflict was already reported for another definition that this definition uses.
    pub is_reported: bool,
}

impl SortedAggregates {
    fn add_sorting_aggregate(&mut self, function: FunctionId, value: Ir) {
        self.has_others |= self.sorted.get_or_insert((function, value)).1 != value;
    }

    fn merge_aggregates(&mut self, other: Self) {
        if let Some((function, value)) = other.sorted {
            self.add_sorting_aggregate(function, value);
        }
        self.has_others |= other.has_others;
        self.has_distinct |= other.has_distinct;
        self.is_reported |= other.find_conflict().is_some();
    }

    pub fn has_sorting_aggregate(&self) -> bool {
        self.sorted.is_some()
    }

    /// Returns an aggregate that sorts its values and conflicts with another aggregate, because the other aggregate
    /// sorts different values or aggregates distinct values. `None` if all aggregates are allowed in the same select.
    pub fn find_conflict(&self) -> Option<FunctionId> {
        let (function, _) = self.sorted?;
        (self.has_others || self.has_distinct).then_some(function)
    }
}

impl Program {
    /// Returns whether the program contains aggregates that sort different values, or an aggregate that sorts its
    /// values and an aggregate of distinct values.
    pub fn sorts_different_values(&self) -> bool {
        self.sorted_aggregates(self.nodes()).find_conflict().is_some()
    }

    /// Returns two sets of aggregates: the definition's own aggregates, and all aggregates including those of the
    /// definitions that it uses. `earlier` contains all aggregates of these definitions.
    pub fn sorted_aggregates_of(
        &self,
        definition: u32,
        earlier: &FxHashMap<u32, SortedAggregates>,
    ) -> [SortedAggregates; 2] {
        let definition = &self.definitions[definition as usize];
        let nodes = || {
            self.entries(definition.first, definition.root)
                .map(|(_, entry)| entry.0)
        };
        let own = self.sorted_aggregates(nodes());
        let mut all = own;
        for node in nodes() {
            if let Ir::Definition(used) = node
                && let Some(used) = earlier.get(&used)
            {
                all.merge_aggregates(*used);
            }
        }
        [own, all]
    }

    fn sorted_aggregates(&self, nodes: impl Iterator<Item = Ir>) -> SortedAggregates {
        let mut found = SortedAggregates::default();
        for node in nodes {
            let Ir::Aggregate {
                overload,
                args,
                distinct,
            } = node
            else {
                continue;
            };
            let function = catalog::overload_owner(overload);
            found.has_distinct |= distinct || function == internal::COUNTUNIQUE;
            let value = self.args(args).first().filter(|_| sorts_values(overload));
            if let Some(value) = value {
                found.add_sorting_aggregate(function, self.node(self.resolve_references(*value)));
            }
        }
        found
    }
}
