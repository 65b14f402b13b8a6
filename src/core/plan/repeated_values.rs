//! Values whose SQL would otherwise occur several times, and that are long enough for a column of their own.

use super::StepPlan;
use super::common_subexpressions::{SharedArguments, SharedValues};
use super::liveness::live_nodes;
use super::long_keys::{MAX_REPEATED_OPERATIONS, count_operations};
use super::materialized_values::MaterializedValues;
use crate::Level;
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::dialect::Dialect;
use crate::ir::{Ir, IrId, Program};

/// Maximum number of calls, operators and branches in a CASE that the SQL may repeat. The limit is higher than for
/// other expressions, because `sum(case when … then … end)` is easy to read.
const MAX_REPEATED_CASE: usize = 4;

/// Maximum number of calls, operators and branches in a condition that the SQL may repeat. Conditions of several
/// aggregates are often equal. Without the limit, the SQL would grow exponentially if each name in LET is a condition
/// that contains the previous name twice.
const MAX_REPEATED_CONDITION: usize = 16;

/// Equal values that can share a column.
#[derive(Clone, Default)]
struct EqualValues {
    /// First node with the value, and the definition that contains it.
    first: Option<(IrId, usize)>,
    /// Number of times that the SQL would contain the value.
    occurrences: u32,
    /// Whether one of the values is a key of the groups. The select that groups computes and names the key.
    is_key: bool,
    is_repeated: bool,
}

/// Returns, for each node, whether it is a long or volatile value whose SQL would occur more than once. Empty if there
/// is no such value.
pub(super) fn repeated_values(
    shared: &mut SharedArguments<'_>,
    dialect: Dialect,
    materialized: &MaterializedValues,
    is_alias: impl Fn(IrId) -> bool,
) -> Arena<bool> {
    let step = shared.step;
    let program = step.program;
    let lengths = count_operations_per_node(step, dialect, materialized);
    let needs_column = |id: IrId, length: usize| {
        let limit = match program.node(id) {
            Ir::Apply { .. } => MAX_REPEATED_OPERATIONS,
            Ir::Case(_) | Ir::Switch { .. } => MAX_REPEATED_CASE,
            Ir::And(_) | Ir::Or(_) | Ir::Not(_) | Ir::Coalesce(_) => MAX_REPEATED_CONDITION,
            _ => return false,
        };
        let meta = program.meta(id);
        meta.volatile || meta.level != Level::Const && length > limit
    };
    let is_candidate = |id: IrId| needs_column(id, lengths[id.index()]);
    let candidates = (0..program.len()).filter(|index| is_candidate(IrId(*index as u32)));
    if candidates.take(2).count() < if program.shares_nodes { 1 } else { 2 } {
        return Arena::new();
    }
    let nodes: Vec<(IrId, usize)> = live_nodes(step, shared.live).collect();
    let rows = shared.rows;
    let SharedValues { numbers, tested, .. } = shared.shared_values();
    // Values before and after grouping, and values that `having` tests, cannot share a column.
    let class_of = |id: IrId, definition: usize| {
        let number = numbers[id.index()] as usize;
        number << 2 | usize::from(rows[id.index()]) << 1 | usize::from(tested[definition])
    };
    let last = nodes.iter().map(|(id, index)| class_of(*id, *index)).max();
    let mut classes = vec![EqualValues::default(); last.map_or(0, |last| last + 1)];
    let (windows, ordered) = (step.has_windows(), step.has_ordered_windows());
    // Keys that are definitions, and sort keys that no window reads, are referred to by name.
    let is_written = |definition: usize| match step.roles[definition] {
        DefinitionRole::Definitions => step.outputs[definition],
        DefinitionRole::GroupBy => !matches!(program.node(step.definition_root(definition)), Ir::Definition(_)),
        _ => !step.is_unused_sort_or_partition_key(definition, windows, ordered),
    };
    for (id, index) in &nodes {
        if let Some(class) = classes.get_mut(class_of(*id, *index)) {
            class.first.get_or_insert((*id, *index));
            let is_root = *id == step.definition_root(*index) && is_written(*index);
            class.occurrences += u32::from(is_root);
            class.is_key |= is_root && step.grouped && step.roles[*index] == DefinitionRole::GroupBy;
        }
    }
    // The operands of a value have lower numbers than the value.
    for class_index in (0..classes.len()).rev() {
        let Some(class) = classes.get_mut(class_index) else {
            continue;
        };
        let Some((id, index)) = class.first.filter(|(id, _)| !is_alias(*id)) else {
            continue;
        };
        class.is_repeated = class.occurrences > 1 && !class.is_key && is_candidate(id);
        let is_column = class.is_repeated || materialized.contains(id);
        let occurrences = if is_column { 1 } else { class.occurrences };
        for operand in column_candidate_operands(program, id) {
            if let Some(class) = classes.get_mut(class_of(operand, index)) {
                class.occurrences = class.occurrences.saturating_add(occurrences);
            }
        }
    }
    // A value that becomes short because its operands are columns needs no column.
    let mut final_lengths: Vec<usize> = vec![0; classes.len()];
    for class_index in 0..classes.len() {
        let Some(class) = classes.get_mut(class_index) else {
            continue;
        };
        let Some((id, index)) = class.first else { continue };
        let operands = column_candidate_operands(program, id);
        let of_operands = operands
            .iter()
            .map(|id| final_lengths.get(class_of(*id, index)).copied().unwrap_or(0));
        let length = of_operands.fold(count_operations(program, dialect, id), usize::saturating_add);
        class.is_repeated &= needs_column(id, length);
        let is_column = class.is_repeated || materialized.contains(id);
        if let Some(final_length) = final_lengths.get_mut(class_index).filter(|_| !is_column) {
            *final_length = length;
        }
    }
    let mut repeated = Arena::filled(false, program.len());
    for (id, index) in nodes {
        let class = classes.get(class_of(id, index));
        repeated[id.index()] = class.is_some_and(|class| class.is_repeated) && is_candidate(id);
    }
    repeated
}

/// Returns the operands that can be columns of the select that computes a value. A window's call is part of the window,
/// and a lookup's operands belong to other rows.
fn column_candidate_operands(program: &Program, id: IrId) -> Vec<IrId> {
    match program.node(id) {
        Ir::Window { call, over } => {
            let keys = program.window_keys(over).iter().copied();
            program.operands(call).chain(keys).collect()
        }
        Ir::GroupWindow { .. } | Ir::RowLookup { .. } | Ir::PeriodLookup { .. } => Vec::new(),
        _ => program.operands(id).collect(),
    }
}

/// Returns the number of calls, operators and branches in the SQL of each node.
fn count_operations_per_node(step: &StepPlan<'_>, dialect: Dialect, materialized: &MaterializedValues) -> Arena<usize> {
    let program = step.program;
    let mut lengths = Arena::filled(0_usize, program.len());
    let definitions = program.order.iter().map(|index| &program.definitions[*index as usize]);
    // Operands precede the nodes that use them.
    for id in definitions
        .flat_map(|ir_definition| ir_definition.first.0..=ir_definition.root.0)
        .map(IrId)
    {
        let length = |id: IrId| {
            if materialized.contains(id) {
                0
            } else {
                lengths[id.index()]
            }
        };
        lengths[id.index()] = match program.node(id) {
            Ir::Definition(definition_index) if !step.keys[definition_index as usize] => {
                length(program.definition_root(definition_index))
            }
            _ => {
                let operation_count = count_operations(program, dialect, id);
                program
                    .operands(id)
                    .map(length)
                    .fold(operation_count, usize::saturating_add)
            }
        };
    }
    lengths
}
