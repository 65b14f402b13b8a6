//! The lookups by key in a step, and the properties that lookups must have in common to share a join or a CTE.

use rustc_hash::FxHashMap;

use super::liveness::dependency_nodes;
use crate::arena::Arena;
use crate::ir::{Ir, IrId, LookupMatchMode, LookupSpec, Program};

/// Properties that must be equal for lookups to share a join: the tab, the compared key, the kind of matching and the
/// lookup value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LookupJoinKey {
    pub tab: Option<u32>,
    /// Value number of the compared key.
    by: u32,
    matching: LookupMatchMode,
    /// Value numbers of the lookup values. `None` if the key covers lookups of any value.
    lookup_value_numbers: Option<(u32, Option<u32>)>,
}

/// Lookups of a step, grouped by the join that they can share.
#[derive(Debug, Default)]
pub(super) struct KeyLookups {
    /// Lookups that find the same rows. If a key has no `lookup_value_numbers`, its lookups can have different lookup
    /// values.
    pub lookups_by_join: FxHashMap<LookupJoinKey, Vec<IrId>>,
    /// Value number of each node.
    numbers: Arena<u32>,
    /// Existing CTEs with row numbers. Each entry contains the numbered rows, the value number of the key that
    /// partitions them, and the CTE.
    pub numbered_row_ctes: Vec<(String, Option<u32>, NumberedRowsCte)>,
    /// Existing CTEs with the key of the next row. The sheet's own rows differ between strata, so their entries also
    /// contain the name of the stratum.
    pub next_key_ctes: FxHashMap<(LookupJoinKey, Option<String>), NextKeyCte>,
}

/// CTE with the numbered rows of a sheet.
#[derive(Clone, Debug)]
pub(super) struct NumberedRowsCte {
    pub name: String,
    /// Name of the CTE that contains only the first row of each key.
    pub first: Option<String>,
    pub row_number: Option<String>,
    pub position: String,
}

/// CTE in which each row has the key of the next row.
#[derive(Clone, Debug)]
pub(super) struct NextKeyCte {
    pub name: String,
    /// Column with the key of the next row.
    pub next: String,
    /// Column with the row numbers, if a lookup returns a row number.
    pub position: Option<String>,
}

impl LookupJoinKey {
    /// Returns the key of lookups that differ only in the lookup value.
    pub fn without_lookup_value(self) -> Self {
        Self {
            lookup_value_numbers: None,
            ..self
        }
    }
}

impl KeyLookups {
    pub fn new(step: &super::StepPlan<'_>, live: &Arena<bool>) -> Self {
        let program = step.program;
        if program.lookups.is_empty() {
            return Self::default();
        }
        let numbers = super::value_numbering::number_values(step, live, |_, _| ());
        let mut lookups = Self {
            numbers,
            ..Self::default()
        };
        for index in program.order.iter().map(|index| *index as usize) {
            let definition = &program.definitions[index];
            if live[index] && !definition.failed {
                let nodes = dependency_nodes(program, definition.first, definition.root);
                for (id, parts) in nodes
                    .into_iter()
                    .filter_map(|id| Some((id, LookupOperands::new(program, id)?)))
                {
                    let key = lookups.key_of_operands(parts);
                    lookups.lookups_by_join.entry(key).or_default().push(id);
                    lookups
                        .lookups_by_join
                        .entry(key.without_lookup_value())
                        .or_default()
                        .push(id);
                }
            }
        }
        lookups
    }

    /// Returns the key of the join that a lookup needs. `None` for other nodes.
    pub fn join_key(&self, program: &Program, id: IrId) -> Option<LookupJoinKey> {
        Some(self.key_of_operands(LookupOperands::new(program, id)?))
    }

    pub(super) fn key_of_operands(
        &self,
        LookupOperands {
            lookup,
            lookup_value,
            by: searched_key,
            second_lookup_value,
            ..
        }: LookupOperands,
    ) -> LookupJoinKey {
        let lookup_value_numbers = Some((
            self.lookup_value_number(lookup_value),
            second_lookup_value.map(|value| self.lookup_value_number(value)),
        ));
        LookupJoinKey {
            tab: lookup.tab,
            by: self.lookup_value_number(searched_key),
            matching: lookup.matching,
            lookup_value_numbers,
        }
    }

    /// Returns whether a lookup searches this column of a tab.
    pub fn has_searched_column(&self, program: &Program, tab: u32, column: u32) -> bool {
        let searched_keys = self
            .lookups_by_join
            .values()
            .flatten()
            .filter_map(|id| LookupOperands::new(program, *id))
            .map(|parts| parts.by);
        searched_keys
            .map(|searched_key| program.node(searched_key))
            .any(|key_node| key_node == Ir::TabColumn { tab, column })
    }

    pub fn lookup_value_number(&self, id: IrId) -> u32 {
        self.numbers.try_get(id.index()).copied().unwrap_or_default()
    }
}

/// Operands of a lookup.
#[derive(Clone, Copy)]
pub(super) struct LookupOperands {
    pub lookup: LookupSpec,
    pub lookup_value: IrId,
    pub by: IrId,
    /// Value to return. `None` for the row number.
    pub returned: Option<IrId>,
    /// Second lookup value, for lookups that count rows.
    pub second_lookup_value: Option<IrId>,
}

/// Lookup, and the select that reads the row that the lookup finds.
#[derive(Clone, Copy)]
pub(super) struct LookupSelect<'a> {
    pub parts: LookupOperands,
    pub stratum: u32,
    /// Relation that the select reads.
    pub from: &'a str,
}

/// Returns the lookup values among a lookup's operands.
pub(super) fn lookup_values(args: &[IrId]) -> impl Iterator<Item = IrId> + '_ {
    args.iter().step_by(3).copied()
}

impl LookupOperands {
    pub(super) fn new(program: &Program, id: IrId) -> Option<Self> {
        let Ir::RowLookup { args, lookup } = program.node(id) else {
            return None;
        };
        let lookup = *program.lookups.try_get(lookup as usize)?;
        let [lookup_value, by, rest @ ..] = program.args(args) else {
            return None;
        };
        (rest.len() <= 2).then(|| Self {
            lookup,
            lookup_value: *lookup_value,
            by: *by,
            returned: rest.first().copied(),
            second_lookup_value: rest.get(1).copied(),
        })
    }
}
