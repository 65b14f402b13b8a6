//! Planner: translates steps to selects, and determines the select that computes each value, so that no value is
//! computed twice.
//!
//! A step becomes a chain of one or more selects, which are called *strata*. A new stratum begins only if an expression
//! needs a value as a column: a definition that is used several times, an argument that a template repeats, or a window
//! inside a window. Such nodes are *materialized*: a stratum computes them under a name, and later strata read them as
//! columns.

mod as_of_join;
mod common_subexpressions;
mod definition_materializer;
mod empty_cells;
mod first_row_of_key;
mod first_select_columns;
mod formula_names;
mod holidays;
mod identifying_columns;
mod joins;
mod key_dependent_columns;
mod key_lookups;
mod liveness;
mod long_keys;
mod lookup_by_key;
mod lookup_by_period;
mod lookups;
mod materialization;
mod materialized_values;
mod names;
mod order;
mod output_relation;
mod outputs;
mod pivot;
mod planner;
mod repeated_values;
mod select;
mod step;
mod strata;
mod time_columns;
mod value_numbering;
mod walk;

pub use empty_cells::{definitions_constant_across_pivot, needs_all_pivot_cells};
pub use liveness::{dependency_nodes, used_definitions};
pub use names::snake_case;
pub use names::{CteNames, grouped_rows_name, shorten_name, truncate_name, truncate_with_hash, unused_name};
pub use outputs::{key_name, split_timeframe};
pub use planner::plan_step;
pub use step::{
    InputColumn, InputProjection, JoinInput, JoinedInput, PivotOrder, StepInput, StepOutput, StepSpec, TabSource,
};
pub use time_columns::TimeColumn;

use crate::Level;
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::dialect::{Cell, Dialect};
use crate::ir::{Ir, IrId, Program, sorts_values};

/// Properties of a step that the planner needs in addition to the program.
#[derive(Debug)]
pub struct StepPlan<'p> {
    pub program: &'p Program,
    /// Role of each definition.
    pub roles: Arena<DefinitionRole>,
    pub grouped: bool,
    /// Whether each definition is a grouping key.
    pub keys: Arena<bool>,
    /// Whether each definition is a column of the step.
    pub outputs: Arena<bool>,
}

/// Replaces aggregates and windows that the dialect does not support with equivalent expressions.
pub fn rewrite_unsupported(program: &mut Program, dialect: Dialect) {
    let is_separated = !dialect.facts().sorted_aggregates_combine && program.sorts_different_values();
    for (id, other) in std::mem::take(&mut program.other_forms) {
        let is_sorted = matches!(program.node(id), Ir::Aggregate { overload, .. } if sorts_values(overload));
        let needs_other_form = is_separated && is_sorted || is_unsupported(program, id, dialect);
        if needs_other_form && !is_unsupported(program, other, dialect) {
            program.replace(id, program.node(other));
        }
    }
}

/// Returns whether the dialect does not support a call.
fn is_unsupported(program: &Program, id: IrId, dialect: Dialect) -> bool {
    let call = match program.node(id) {
        Ir::Window { call, .. } => program.node(call),
        call => call,
    };
    let (Ir::Aggregate { overload, .. } | Ir::Apply { overload, .. }) = call else {
        return false;
    };
    matches!(dialect.cell(overload), Cell::Unsupported(_))
}

impl StepPlan<'_> {
    /// Iterates over the roots of the definitions with a role, except definitions with errors.
    pub fn roots_with_role(&self, role: DefinitionRole) -> impl Iterator<Item = IrId> + Clone {
        let definitions = self.program.definitions.iter().zip(&self.roles);
        let with_role = definitions.filter(move |(definition, other)| **other == role && !definition.failed);
        with_role.map(|(definition, _)| definition.root)
    }

    fn definition_root(&self, definition: usize) -> IrId {
        self.program.definitions[definition].root
    }

    /// Returns whether at least one value reads other rows.
    fn has_windows(&self) -> bool {
        self.has_lookups()
            || self.has_lookups_in_own_sheet()
            || self.program.nodes().any(|n| matches!(n, Ir::Window { .. }))
    }

    /// Returns whether at least one value is looked up in another period.
    fn has_lookups(&self) -> bool {
        !self.program.periods.is_empty()
    }

    /// Returns whether at least one lookup by key or row number searches the sheet itself. If several rows match, such
    /// a lookup returns the first row in the sheet's order.
    fn has_lookups_in_own_sheet(&self) -> bool {
        self.program.lookups.iter().any(|lookup| lookup.tab.is_none())
    }

    /// Returns whether at least one value reads other rows in the step's order.
    fn has_ordered_windows(&self) -> bool {
        let ordered = |n| matches!(n, Ir::Window { over, .. } if self.program.window_frame(over).is_ordered());
        self.has_lookups() || self.has_lookups_in_own_sheet() || self.program.nodes().any(ordered)
    }

    /// Returns `true` if the definition is a sort or partition key whose expression no window uses. The SQL refers to
    /// such a key only by name.
    fn is_unused_sort_or_partition_key(&self, definition: usize, windows: bool, ordered: bool) -> bool {
        match self.roles[definition] {
            DefinitionRole::OrderBy => !ordered,
            DefinitionRole::PartitionBy => !windows,
            _ => false,
        }
    }

    fn level(&self, definition: usize) -> Level {
        self.program.meta(self.definition_root(definition)).level
    }

    /// Returns whether a definition is a helper: a row-level definition of a grouped step that is neither a key nor an
    /// output.
    fn is_intermediate_definition(&self, definition: usize) -> bool {
        let column = self.keys[definition] || self.outputs[definition];
        self.grouped
            && !column
            && self.has_role(definition, DefinitionRole::Definitions)
            && self.level(definition) <= Level::Row
    }

    fn has_role(&self, definition: usize, role: DefinitionRole) -> bool {
        self.roles[definition] == role
    }
}
