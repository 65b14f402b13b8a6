//! Liveness analysis of a step: the definitions that the step needs, and the nodes that are computed per row or per
//! group.

use super::StepPlan;
use crate::Level;
use crate::arena::Arena;
use crate::check::DefinitionRole;
use crate::ir::{Ir, IrId, Program};

/// Live definitions and row-level nodes of a step.
pub(super) struct Liveness {
    /// Whether each node is computed per row of the input, before grouping.
    pub rows: Arena<bool>,
    /// Whether each definition is needed by the step's columns, filters or keys.
    pub live: Arena<bool>,
}

impl Liveness {
    pub fn from_step(step: &StepPlan<'_>) -> Self {
        Self {
            rows: row_level_nodes(step),
            live: live_definitions(step),
        }
    }
}

/// Returns `true` if a value is simple, or is a reference to a definition that is computed elsewhere, so that repeating
/// the value costs nothing.
pub(super) fn is_trivial_value(program: &Program, id: IrId) -> bool {
    program.is_cheap_to_repeat(id) || matches!(program.node(id), Ir::Definition(_) | Ir::Error)
}

/// Returns the nodes on which a definition's value depends, in node order.
pub fn dependency_nodes(program: &Program, first: IrId, root: IrId) -> Vec<IrId> {
    computed_nodes(program, first, root, |_| false)
}

/// Returns, in node order, the nodes on which a definition's value depends. Excludes columns and their operands,
/// because the SQL contains only the name of a column.
pub(super) fn computed_nodes(
    program: &Program,
    first: IrId,
    root: IrId,
    is_column: impl Fn(IrId) -> bool,
) -> Vec<IrId> {
    let base = first.index();
    let mut arena = Arena::filled(false, root.index() - base + 1);
    arena[root.index() - base] = true;
    for node_index in (first.0..=root.0).rev() {
        arena[node_index as usize - base] &= !is_column(IrId(node_index));
        if arena[node_index as usize - base] {
            program.operands(IrId(node_index)).for_each(|o| {
                // If the node refers to another definition, the ids of its operands are not between `first` and `root`.
                if let Some(mark) = o.index().checked_sub(base).and_then(|i| arena.try_get_mut(i)) {
                    *mark = true;
                }
            });
        }
    }
    (first.0..=root.0)
        .map(IrId)
        .filter(|id| arena[id.index() - base])
        .collect()
}

/// Returns the nodes of the live definitions, each with the index of its definition. Definitions precede the
/// definitions that use them.
pub(super) fn live_nodes<'s>(step: &StepPlan<'s>, live: &'s Arena<bool>) -> impl Iterator<Item = (IrId, usize)> + 's {
    let program = step.program;
    let order = program.order.iter().map(|index| *index as usize);
    order
        .filter(|index| live[*index] && !program.definitions[*index].failed)
        .flat_map(|index| {
            let definition = &program.definitions[index];
            let nodes = dependency_nodes(program, definition.first, definition.root);
            nodes.into_iter().map(move |id| (id, index))
        })
}

/// Returns, for each node, whether it is computed per row of the input, before grouping.
fn row_level_nodes(step: &StepPlan<'_>) -> Arena<bool> {
    let program = step.program;
    let mut rows = Arena::filled(false, program.len());
    if !step.grouped {
        return rows;
    }
    for (index, definition) in program.definitions.iter().enumerate() {
        if definition.failed {
            continue;
        }
        let root = definition.root;
        let before = match step.roles[index] {
            DefinitionRole::Where | DefinitionRole::On(_) | DefinitionRole::GroupBy => true,
            DefinitionRole::Definitions => step.level(index) <= Level::Row,
            DefinitionRole::Having
            | DefinitionRole::OrderBy
            | DefinitionRole::PartitionBy
            | DefinitionRole::Rule
            | DefinitionRole::Check => false,
        };
        rows[root.index()] |= before;
        for node_index in (definition.first.0..=root.0).rev() {
            let id = IrId(node_index);
            let inside = rows[id.index()] || matches!(program.node(id), Ir::Aggregate { .. });
            if inside {
                program.operands(id).for_each(|o| rows[o.index()] = true);
            }
        }
    }
    rows
}

/// Returns, for each definition, whether it is needed by the step's columns, filters or keys. Definitions that are read
/// only by join conditions are not included, because they are inlined into the join conditions.
pub fn live_definitions(step: &StepPlan<'_>) -> Arena<bool> {
    needed_definitions(step, |role| {
        !matches!(role, DefinitionRole::Definitions | DefinitionRole::On(_))
    })
}

/// Returns, for each definition, whether it is needed by the step's columns, filters, keys or joins.
pub fn used_definitions(step: &StepPlan<'_>) -> Arena<bool> {
    needed_definitions(step, |role| role != DefinitionRole::Definitions)
}

fn needed_definitions(step: &StepPlan<'_>, needs: impl Fn(DefinitionRole) -> bool) -> Arena<bool> {
    let program = step.program;
    let mut live: Arena<bool> = (0..program.definitions.len())
        .map(|i| step.outputs[i] || needs(step.roles[i]))
        .collect();
    for index in program.order.iter().rev() {
        let definition = &program.definitions[*index as usize];
        if !live[*index as usize] || definition.failed {
            continue;
        }
        for node in dependency_nodes(program, definition.first, definition.root) {
            if let Ir::Definition(definition_index) = program.node(node) {
                live[definition_index as usize] = true;
            }
        }
    }
    live
}
