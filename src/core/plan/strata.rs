//! In which stratum each value is computed: one forward pass, since operands come before what is made of them.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::liveness::{Reach, is_trivial, needed};
use super::materialization::Cuts;
use crate::Level;
use crate::check::DefinitionRole;
use crate::ir::{Ir, IrId, Program};

/// The strata of a step.
#[derive(Debug)]
pub(super) struct Stages {
    /// By node.
    stage: Vec<u32>,
    /// The stratum that groups, or, in a step that does not, the first that may hold windows.
    pub main: u32,
    /// The stratum whose select filters rows.
    pub filter: u32,
    /// The stratum that filters groups: the grouping one, or a later one that has what it tests as columns.
    pub having: u32,
    pub last: u32,
}

impl Stages {
    pub fn stratum_of(&self, id: IrId) -> u32 {
        self.stage[id.index()]
    }
}

pub(super) fn stages(
    step: &StepPlan<'_>,
    reach: &Reach,
    cuts: &Cuts,
    aliases: &FxHashMap<IrId, String>,
    joined: bool,
) -> Stages {
    let program = step.program;
    let Reach { rows, live } = reach;
    let tested_by = read_by_having(step);
    let mut stage = vec![0u32; program.len()];
    let after = |stage: &[u32], id: IrId| stage[cuts.chosen(id).index()] + u32::from(cuts.contains(id));
    // What a node needs of its operands; a definition stands for its root.
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
            nodes.extend(needed(program, definition.first, definition.root));
        }
    }
    // Rows first: filters, keys, helpers, what aggregates take.
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
            DefinitionRole::GroupBy => main = main.max(need_of_key(step, cuts, &stage, index)),
            _ if step.keys[index] => main = main.max(after(&stage, definition.root)),
            _ => {}
        }
    }
    main = main.max(filter);
    // A window over rows must see the filtered ones, and what is made of it comes after.
    for id in nodes.iter().copied().filter(|id| rows[id.index()]) {
        let least = if let Ir::GroupWindow { .. } = program.node(id) { filter } else { 0 };
        stage[id.index()] = stage[id.index()].max(need(&stage, id)).max(least);
    }
    if step.grouped {
        for id in nodes.iter().copied() {
            if let Ir::Aggregate { .. } = program.node(id) {
                main = main.max(need(&stage, id));
            }
        }
    }
    // Constants become columns in the grouping select at the earliest.
    if step.grouped {
        for index in 0..program.definitions.len() {
            let root = step.root(index);
            if step.outputs[index] && !step.keys[index] && rows[root.index()] {
                stage[root.index()] = main;
            }
        }
    }
    // The order of the rows of a query goes by column names; only windows compute with it.
    let (windows, ordered_windows) = (step.has_windows(), step.has_ordered_windows());
    let named = |root: IrId| match program.node(root) {
        Ir::Definition(used) => step.outputs[used as usize],
        Ir::Column(_) => true,
        _ => aliases.contains_key(&root),
    };
    let names_only = |index: usize| {
        let by_name = named(step.root(index)) || !step.is(index, DefinitionRole::OrderBy);
        by_name && step.only_names(index, windows, ordered_windows)
    };
    // What is tested of groups comes first, since windows depend on it, then the keys, since lookups read them.
    let keys = if step.has_lookups() || step.finds_own_rows() {
        read_by(step, DefinitionRole::orders_groups)
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
                each_of.extend(needed(program, definition.first, definition.root).into_iter().map(|id| (id, index)));
            }
        }
    }
    // Then groups and windows. A key read by its name is a column from the stratum after the grouping one.
    let mut last = main;
    let mut having = main;
    // The keys order and part what windows see.
    let computed = |index: usize| !is_bare(program, cuts, step.root(index));
    let key = |index: usize| step.is(index, DefinitionRole::GroupBy) && !program.definitions[index].failed;
    let by_name = step.grouped && (0..program.definitions.len()).any(|i| key(i) && computed(i));
    let ordered = if by_name { main + 1 } else { main };
    let of_keys = helpers_of_keys(step, cuts, aliases);
    // Several relations are one from the second stratum on.
    let filtered = joined || step.roles.contains(&DefinitionRole::Where);
    // The stratum from which on the keys are columns.
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
                if is_bare(program, cuts, program.definitions[used as usize].root) { main } else { main + 1 }
            }
            Ir::Definition(used) if of_keys.get(used as usize) == Some(&true) => main + 1,
            Ir::Aggregate { .. } => main,
            // Likewise a key that is written out again: not every engine knows it as one inside of an expression.
            _ if step.grouped && aliases.contains_key(&id) => main + 1,
            _ => need(&stage, id),
        };
        let own = match program.node(id) {
            // Windows see the groups that are left, in the order of their keys.
            Ir::Window { .. } => own.max(having).max(ordered),
            // Lookups read the rows and groups that are left from an earlier stratum, where their keys are columns.
            Ir::Lookup { .. } => {
                let keyed = *keyed.get_or_insert_with(|| {
                    let roots = (0..program.definitions.len()).filter(|i| step.roles[*i].orders_groups());
                    roots.map(|i| after(&stage, program.behind_names(step.root(i)))).max().unwrap_or(0)
                });
                let left = if step.grouped { having + 1 } else { filter + u32::from(filtered) };
                own.max(left).max(keyed)
            }
            // Of the sheet's own rows those that are left are looked among.
            Ir::Find { find, .. } if program.finds.get(find as usize).is_some_and(|find| find.tab.is_none()) => {
                let parted = *parted.get_or_insert_with(|| {
                    let roots = (0..program.definitions.len()).filter(|i| step.is(*i, DefinitionRole::PartitionBy));
                    roots.map(|i| after(&stage, program.behind_names(step.root(i)))).max().unwrap_or(0)
                });
                own.max(if step.grouped { having + 1 } else { filter + u32::from(filtered) }).max(parted)
            }
            _ => own,
        };
        stage[id.index()] = own.max(main);
        if step.is(of, DefinitionRole::Having) && id == program.definitions[of].root {
            having = stage[id.index()];
        }
        last = last.max(own);
    }
    last = last.max(having);
    Stages { stage, main, filter, having, last }
}

/// By definition: it is a helper that reads a key which is computed where the groups are made, so that what is asked of
/// groups reads it from the stratum after that. Empty in a step that makes no groups.
fn helpers_of_keys(step: &StepPlan<'_>, cuts: &Cuts, aliases: &FxHashMap<IrId, String>) -> Vec<bool> {
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
                !cuts.contains(root) && !is_bare(program, cuts, root)
            }
            Ir::Definition(used) => of_keys[used as usize],
            _ => aliases.contains_key(&id),
        };
        of_keys[index] = needed(program, definition.first, definition.root).into_iter().any(computed_key);
    }
    of_keys
}

/// Whether a key is written as a name, by which every engine knows it in an expression too.
fn is_bare(program: &Program, cuts: &Cuts, root: IrId) -> bool {
    // A helper that is no column stands for what it is.
    let root = program.behind_names_until(root, |name, _| cuts.contains(name));
    if cuts.contains(root) {
        return true;
    }
    let merged = |column: u32| !program.columns[column as usize].merged.is_empty();
    is_trivial(program, root) && !matches!(program.node(root), Ir::Column(column) if merged(column))
}

/// By definition: `having` is, or reads, it.
pub(super) fn read_by_having(step: &StepPlan<'_>) -> Vec<bool> {
    read_by(step, |role| role == DefinitionRole::Having)
}

/// By definition: it is of such a role, or one of these reads it.
fn read_by(step: &StepPlan<'_>, role: impl Fn(DefinitionRole) -> bool) -> Vec<bool> {
    let program = step.program;
    let mut read: Vec<bool> = step.roles.iter().map(|own| role(*own)).collect();
    for index in program.order.iter().rev() {
        let definition = &program.definitions[*index as usize];
        if read[*index as usize] && !definition.failed {
            for node in needed(program, definition.first, definition.root) {
                if let Ir::Definition(used) = program.node(node) {
                    read[used as usize] = true;
                }
            }
        }
    }
    read
}

fn need_of_key(step: &StepPlan<'_>, cuts: &Cuts, stage: &[u32], index: usize) -> u32 {
    let root = step.root(index);
    match step.program.node(root) {
        Ir::Definition(used) => {
            let root = step.program.definitions[used as usize].root;
            stage[root.index()] + u32::from(cuts.contains(root))
        }
        _ => stage[root.index()],
    }
}
