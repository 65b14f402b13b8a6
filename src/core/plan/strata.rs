//! Assignment of values to strata, in one forward pass because operands come before the values that use them.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::liveness::{Liveness, is_trivial, needed_nodes};
use super::materialization::MaterializedValues;
use crate::Level;
use crate::check::DefinitionRole;
use crate::ir::{Ir, IrId, Program};

/// Strata of a step.
#[derive(Debug)]
pub(super) struct Strata {
    /// Stratum of each node.
    stage: Vec<u32>,
    /// Grouping stratum or, in a step without groups, the first stratum that can contain windows.
    pub main: u32,
    /// Stratum whose select filters rows.
    pub filter: u32,
    /// Stratum that filters groups: the grouping stratum, or a later stratum that reads the tested values as columns.
    pub having: u32,
    pub last: u32,
}

impl Strata {
    pub fn stratum_of(&self, id: IrId) -> u32 {
        self.stage[id.index()]
    }
}

#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
pub(super) fn assign_strata(
    step: &StepPlan<'_>,
    reach: &Liveness,
    cuts: &MaterializedValues,
    aliases: &FxHashMap<IrId, String>,
    joined: bool,
) -> Strata {
    let program = step.program;
    let Liveness { rows, live } = reach;
    let tested_by = used_by_having(step);
    let mut stage = vec![0u32; program.len()];
    let after = |stage: &[u32], id: IrId| stage[cuts.representative(id).index()] + u32::from(cuts.contains(id));
    // Returns the earliest stratum in which a node's operands are available. For a definition, this is the stratum of
    // its root.
    let need = |stage: &[u32], id: IrId| -> u32 {
        match program.node(id) {
            Ir::Definition(used) => after(stage, program.definitions[used as usize].root),
            _ => program.operands(id).map(|o| after(stage, o)).max().unwrap_or(0),
        }
    };
    let mut nodes: Vec<IrId> = Vec::new();
    for index in &program.order {
        let index = *index as usize;
        let definition = &program.definitions[index];
        if live[index] && !definition.failed {
            nodes.extend(needed_nodes(program, definition.first, definition.root));
        }
    }
    // Assign row-level values first: filters, keys, helpers and arguments of aggregates.
    let mut filter = 0;
    let mut main = 0;
    let windowed = |id: IrId| program.meta(id).level == Level::Window;
    for id in nodes.iter().copied() {
        let before = if step.grouped { rows[id.index()] } else { !windowed(id) };
        if before {
            stage[id.index()] = need(&stage, id);
        }
    }
    for (index, definition) in program.definitions.iter().enumerate() {
        if !live[index] || definition.failed {
            continue;
        }
        match step.roles[index] {
            DefinitionRole::Where => filter = filter.max(stage[definition.root.index()]),
            DefinitionRole::GroupBy => main = main.max(key_stratum(step, cuts, &stage, index)),
            _ if step.keys[index] => main = main.max(after(&stage, definition.root)),
            _ => {}
        }
    }
    main = main.max(filter);
    // A window over rows must read the filtered rows, and values that use the window must be computed after it.
    for id in nodes.iter().copied().filter(|id| rows[id.index()]) {
        let least = if let Ir::GroupWindow { .. } = program.node(id) {
            filter
        } else {
            0
        };
        stage[id.index()] = stage[id.index()].max(need(&stage, id)).max(least);
    }
    if step.grouped {
        for id in nodes.iter().copied() {
            if let Ir::Aggregate { .. } = program.node(id) {
                main = main.max(need(&stage, id));
            }
        }
    }
    // Constants become columns in the grouping select or later.
    if step.grouped {
        for index in 0..program.definitions.len() {
            let root = step.definition_root(index);
            if step.outputs[index] && !step.keys[index] && rows[root.index()] {
                stage[root.index()] = main;
            }
        }
    }
    // The `order by` clause of a query refers to columns by name. Only windows use the expressions of the keys.
    let (windows, ordered_windows) = (step.has_windows(), step.has_ordered_windows());
    let named = |root: IrId| match program.node(root) {
        Ir::Definition(used) => step.outputs[used as usize],
        Ir::Column(_) => true,
        _ => aliases.contains_key(&root),
    };
    let names_only = |index: usize| {
        let by_name = named(step.definition_root(index)) || !step.has_role(index, DefinitionRole::OrderBy);
        by_name && step.is_unused_window_key(index, windows, ordered_windows)
    };
    // First assign the values that `having` tests, because windows depend on them. Then assign the keys, because
    // lookups read them.
    let keys = if step.has_lookups() || step.has_own_row_lookups() {
        used_by_role(step, DefinitionRole::orders_groups)
    } else {
        Vec::new()
    };
    let turn = |index: usize| match (tested_by[index], keys.get(index)) {
        (true, _) => 0,
        (false, Some(true)) => 1,
        _ => 2,
    };
    let mut each_of: Vec<(IrId, usize)> = Vec::new();
    for now in 0..3 {
        for index in &program.order {
            let index = *index as usize;
            let definition = &program.definitions[index];
            if live[index] && !definition.failed && turn(index) == now && !names_only(index) {
                each_of.extend(
                    needed_nodes(program, definition.first, definition.root)
                        .into_iter()
                        .map(|id| (id, index)),
                );
            }
        }
    }
    // Finally assign groups and windows. A key that is read by name is available as a column after the grouping
    // stratum.
    let mut last = main;
    let mut having = main;
    // Windows sort and partition by the keys.
    let computed = |index: usize| !is_plain_column(program, cuts, step.definition_root(index));
    let key = |index: usize| step.has_role(index, DefinitionRole::GroupBy) && !program.definitions[index].failed;
    let by_name = step.grouped && (0..program.definitions.len()).any(|i| key(i) && computed(i));
    let ordered = if by_name { main + 1 } else { main };
    let of_keys = key_reading_helpers(step, cuts, aliases);
    // Joined relations are a single relation from the second stratum on.
    let filtered = joined || step.roles.contains(&DefinitionRole::Where);
    // First stratum in which the keys are columns.
    let mut parted = None;
    let mut keyed: Option<u32> = None;
    for (id, of) in each_of {
        let before = if step.grouped { rows[id.index()] } else { !windowed(id) };
        if before {
            if !step.grouped {
                last = last.max(stage[id.index()]);
            }
            continue;
        }
        let own = match program.node(id) {
            Ir::Definition(used)
                if step.grouped
                    && step.keys[used as usize]
                    && !cuts.contains(program.definitions[used as usize].root) =>
            {
                if is_plain_column(program, cuts, program.definitions[used as usize].root) {
                    main
                } else {
                    main + 1
                }
            }
            Ir::Definition(used) if of_keys.get(used as usize) == Some(&true) => main + 1,
            Ir::Aggregate { .. } => main,
            // A repeated key expression also needs a later stratum, because not every engine recognizes a key inside an
            // expression.
            _ if step.grouped && aliases.contains_key(&id) => main + 1,
            _ => need(&stage, id),
        };
        let own = match program.node(id) {
            // Windows read the groups that `having` keeps, in the order of their keys.
            Ir::Window { .. } => own.max(having).max(ordered),
            // Lookups read the filtered rows or groups from an earlier stratum in which their keys are columns.
            Ir::PeriodLookup { .. } => {
                let keyed = *keyed.get_or_insert_with(|| {
                    let roots = (0..program.definitions.len()).filter(|i| step.roles[*i].orders_groups());
                    roots
                        .map(|i| after(&stage, program.resolve_names(step.definition_root(i))))
                        .max()
                        .unwrap_or(0)
                });
                let left = if step.grouped {
                    having + 1
                } else {
                    filter + u32::from(filtered)
                };
                own.max(left).max(keyed)
            }
            // A lookup in the sheet itself searches the filtered rows.
            Ir::RowLookup { find, .. } if program.finds.get(find as usize).is_some_and(|find| find.tab.is_none()) => {
                let parted = *parted.get_or_insert_with(|| {
                    let roots =
                        (0..program.definitions.len()).filter(|i| step.has_role(*i, DefinitionRole::PartitionBy));
                    roots
                        .map(|i| after(&stage, program.resolve_names(step.definition_root(i))))
                        .max()
                        .unwrap_or(0)
                });
                own.max(if step.grouped {
                    having + 1
                } else {
                    filter + u32::from(filtered)
                })
                .max(parted)
            }
            _ => own,
        };
        stage[id.index()] = own.max(main);
        if step.has_role(of, DefinitionRole::Having) && id == program.definitions[of].root {
            having = stage[id.index()];
        }
        last = last.max(own);
    }
    last = last.max(having);
    Strata {
        stage,
        main,
        filter,
        having,
        last,
    }
}

/// Returns, for each definition, whether it is a helper that reads a key from the grouping stratum. Group-level
/// expressions can read these helpers only in later strata. Empty if the step does not group rows.
fn key_reading_helpers(step: &StepPlan<'_>, cuts: &MaterializedValues, aliases: &FxHashMap<IrId, String>) -> Vec<bool> {
    let program = step.program;
    if !step.grouped {
        return Vec::new();
    }
    let mut of_keys = vec![false; program.definitions.len()];
    for index in program.order.iter().map(|index| *index as usize) {
        let definition = &program.definitions[index];
        if !step.is_helper(index) || definition.failed {
            continue;
        }
        let computed_key = |id: IrId| match program.node(id) {
            Ir::Definition(used) if step.keys[used as usize] => {
                let root = program.definitions[used as usize].root;
                !cuts.contains(root) && !is_plain_column(program, cuts, root)
            }
            Ir::Definition(used) => of_keys[used as usize],
            _ => aliases.contains_key(&id),
        };
        of_keys[index] = needed_nodes(program, definition.first, definition.root)
            .into_iter()
            .any(computed_key);
    }
    of_keys
}

/// Returns whether the SQL of a key is a column name, which every engine recognizes as a key even inside an expression.
fn is_plain_column(program: &Program, cuts: &MaterializedValues, root: IrId) -> bool {
    // Resolve a helper that is not a column to its value.
    let root = program.resolve_names_until(root, |name, _| cuts.contains(name));
    if cuts.contains(root) {
        return true;
    }
    let merged = |column: u32| !program.columns[column as usize].merged.is_empty();
    is_trivial(program, root) && !matches!(program.node(root), Ir::Column(column) if merged(column))
}

/// Returns, for each definition, whether it is the `having` condition or is read by that condition.
pub(super) fn used_by_having(step: &StepPlan<'_>) -> Vec<bool> {
    used_by_role(step, |role| role == DefinitionRole::Having)
}

/// Returns, for each definition, whether its role matches or the role of a definition that reads it.
fn used_by_role(step: &StepPlan<'_>, role: impl Fn(DefinitionRole) -> bool) -> Vec<bool> {
    let program = step.program;
    let mut read: Vec<bool> = step.roles.iter().map(|own| role(*own)).collect();
    for index in program.order.iter().rev() {
        let definition = &program.definitions[*index as usize];
        if read[*index as usize] && !definition.failed {
            for node in needed_nodes(program, definition.first, definition.root) {
                if let Ir::Definition(used) = program.node(node) {
                    read[used as usize] = true;
                }
            }
        }
    }
    read
}

fn key_stratum(step: &StepPlan<'_>, cuts: &MaterializedValues, stage: &[u32], index: usize) -> u32 {
    let root = step.definition_root(index);
    match step.program.node(root) {
        Ir::Definition(used) => {
            let root = step.program.definitions[used as usize].root;
            stage[root.index()] + u32::from(cuts.contains(root))
        }
        _ => stage[root.index()],
    }
}
