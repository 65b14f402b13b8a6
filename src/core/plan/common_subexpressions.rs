//! Common subexpression elimination: equal arguments share a column.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::liveness::live_nodes;
use super::materialized_values::MaterializedValues;
use super::names::UsedNames;
use super::strata::definitions_used_by_having;
use super::value_numbering::number_values;
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::ir::{Ir, IrId};

/// Arguments that are computed in separate columns. Arguments that are equal to each other or to a definition share a
/// column.
pub(super) struct SharedArguments<'s> {
    pub step: &'s StepPlan<'s>,
    pub live: &'s Arena<bool>,
    pub rows: &'s Arena<bool>,
    /// Value numbering, computed when it is first needed.
    values: Option<SharedValues>,
}

pub(super) struct SharedValues {
    pub numbers: Arena<u32>,
    /// Output definition that computes each value, by value number.
    definitions: FxHashMap<u32, usize>,
    /// Position of each definition in the order of computation.
    places: Arena<usize>,
    /// For each definition, whether it is the `having` condition or is read by that condition.
    pub tested: Arena<bool>,
    /// Existing columns. The key contains the value number and two flags: whether the value is at row level, and
    /// whether `having` tests it.
    columns: FxHashMap<(u32, bool, bool), IrId>,
}

impl<'s> SharedArguments<'s> {
    pub fn new(step: &'s StepPlan<'s>, live: &'s Arena<bool>, rows: &'s Arena<bool>) -> Self {
        Self {
            step,
            live,
            rows,
            values: None,
        }
    }

    pub fn shared_values(&mut self) -> &mut SharedValues {
        let Self { step, live, .. } = *self;
        self.values.get_or_insert_with(|| {
            let program = step.program;
            let numbers = number_values(step, live, |_, _| {});
            let mut places = Arena::filled(0, program.definitions.len());
            let mut definitions = FxHashMap::default();
            for (position, index) in program.order.iter().enumerate() {
                let index = *index as usize;
                places[index] = position;
                let column =
                    step.has_role(index, DefinitionRole::Definitions) && step.outputs[index] && !step.keys[index];
                if live[index] && column && !program.definitions[index].failed {
                    definitions
                        .entry(numbers[step.definition_root(index).index()])
                        .or_insert(index);
                }
            }
            SharedValues {
                numbers,
                definitions,
                places,
                tested: definitions_used_by_having(step),
                columns: FxHashMap::default(),
            }
        })
    }

    /// Materializes an argument in the definition `definition_index`: assigns the argument to a new column, or to the
    /// column of an equal value.
    pub fn materialize_argument(
        &mut self,
        arg: IrId,
        definition_index: usize,
        materialized: &mut MaterializedValues,
        used_names: &mut UsedNames,
        name: impl FnOnce(&mut UsedNames) -> String,
    ) {
        let (step, rows) = (self.step, self.rows);
        let program = step.program;
        if program.meta(arg).volatile {
            materialized.insert(arg, name(used_names));
            return;
        }
        let values = self.shared_values();
        let number = values.numbers[arg.index()];
        // Values that `having` tests are computed first, regardless of the order of definitions.
        let tested = values.tested[definition_index];
        if let Some(column) = values.columns.get(&(number, rows[arg.index()], tested)) {
            materialized.record_equal_value(arg, *column);
            return;
        }
        let position = |index: usize| values.places[index];
        let equal_definition = values.definitions.get(&number).copied().filter(|index| {
            let root = step.definition_root(*index);
            rows[root.index()] == rows[arg.index()]
                && values.tested[*index] == tested
                && (position(*index) < position(definition_index) || !materialized.contains(root))
        });
        let column = match equal_definition {
            Some(index) => {
                let root = step.definition_root(index);
                let (first, other) = if position(index) < position(definition_index) {
                    (root, arg)
                } else {
                    (arg, root)
                };
                let first = materialized.representative(first);
                if !materialized.contains(first) {
                    let name = used_names.output_name(program.definition_name(index as u32));
                    materialized.insert(first, name);
                }
                materialized.record_equal_value(other, first);
                first
            }
            None => {
                materialized.insert(arg, name(used_names));
                arg
            }
        };
        values.columns.insert((number, rows[arg.index()], tested), column);
    }
    /// Replaces the remaining values that are equal to a column. The roots of definitions are not replaced, because the
    /// SQL contains a separate line for each definition.
    pub fn reuse_columns(&self, materialized: &mut MaterializedValues, is_alias: impl Fn(IrId) -> bool) {
        let Some(values) = &self.values else { return };
        let (step, program) = (self.step, self.step.program);
        for (id, definition) in live_nodes(step, self.live) {
            let is_computed = matches!(program.node(id), Ir::Apply { .. } | Ir::Case(_) | Ir::Switch { .. });
            if !is_computed || id == step.definition_root(definition) || materialized.contains(id) || is_alias(id) {
                continue;
            }
            let key = (
                values.numbers[id.index()],
                self.rows[id.index()],
                values.tested[definition],
            );
            if let Some(column) = values.columns.get(&key) {
                materialized.record_equal_value(id, *column);
            }
        }
    }
}
