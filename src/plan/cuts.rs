//! Which values get a column of their own.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::names::Taken;
use crate::catalog;
use crate::check::Role;
use crate::dialect::{Cell, Dialect};
use crate::ir::{Ir, IrId, Program};
use crate::types::Level;

/// Values that are computed once, under a name, by their node.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    names: FxHashMap<IrId, String>,
}

impl Cuts {
    pub fn name(&self, id: IrId) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    pub fn contains(&self, id: IrId) -> bool {
        self.names.contains_key(&id)
    }
}

/// How often a definition's value is read.
#[derive(Clone, Copy, Default)]
struct Reads {
    /// By expressions of rows: filters, keys, arguments of aggregates.
    rows: u32,
    /// By expressions of groups.
    groups: u32,
}

pub(super) fn cuts(step: &StepPlan<'_>, dialect: Dialect, taken: &mut Taken) -> Cuts {
    let program = step.program;
    let in_rows = row_context(step);
    let live = live_definitions(step);
    let mut reads = vec![Reads::default(); program.definitions.len()];
    for (index, definition) in program.definitions.iter().enumerate() {
        if !live[index] || definition.failed || step.is(index, Role::GroupBy) {
            continue;
        }
        for node in needed(program, definition.first, definition.root) {
            if let Ir::Definition(used) = program.node(node) {
                let reads = &mut reads[used as usize];
                if in_rows[node.index()] { reads.rows += 1 } else { reads.groups += 1 }
            }
        }
    }
    let mut cuts = Cuts::default();
    for index in 0..program.definitions.len() {
        let root = step.root(index);
        if !step.is(index, Role::Definitions) || !live[index] || is_trivial(program, root) {
            continue;
        }
        let Reads { rows, groups } = reads[index];
        let row_value = step.grouped && step.level(index) == Level::Row;
        let constant = step.level(index) == Level::Const;
        let cut = if step.grouped && constant && rows > 0 {
            // A constant per row could not stand beside the groups again; it is short, and written twice.
            false
        } else if row_value && step.keys[index] {
            // A key is written in the select and in GROUP BY; whoever reads it before grouping needs it earlier.
            rows > 0
        } else if row_value && !step.outputs[index] {
            rows + groups > 1
        } else {
            rows + groups + u32::from(step.outputs[index]) > 1
        };
        if cut {
            let name = program.definitions[index].name.clone().unwrap_or_default();
            cuts.names.insert(root, taken.column(&name, step.outputs[index]));
        }
    }
    for (index, definition) in program.definitions.iter().enumerate() {
        if live[index] && !definition.failed {
            let owner = definition.name.clone().unwrap_or_else(|| role_name(step.roles[index]).to_owned());
            inner_cuts(program, dialect, definition.first, definition.root, &owner, taken, &mut cuts);
        }
    }
    cuts
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Where => "row_filter",
        Role::Having => "group_filter",
        _ => "key",
    }
}

/// Arguments that a template repeats, and windows inside windows.
fn inner_cuts(
    program: &Program,
    dialect: Dialect,
    first: IrId,
    root: IrId,
    owner: &str,
    taken: &mut Taken,
    cuts: &mut Cuts,
) {
    for node in needed(program, first, root) {
        match program.node(node) {
            Ir::Apply { overload, args } => {
                let Cell::Template(template) = dialect.cell(overload) else { continue };
                let function = catalog::get(catalog::owner(overload));
                let params = function.overloads.iter().find(|o| o.id == overload).map_or(&[][..], |o| o.params);
                for ((arg, uses), param) in program.args(args).iter().zip(template.uses).zip(params) {
                    if *uses > 1 && !is_trivial(program, *arg) && !cuts.contains(*arg) {
                        let name = taken.column(&format!("{owner}_{}", param.name), false);
                        cuts.names.insert(*arg, name);
                    }
                }
            }
            Ir::GroupWindow { .. } => {
                let name = taken.column(&format!("{owner}_in_group"), false);
                cuts.names.insert(node, name);
            }
            Ir::Window { call } => {
                let value = program.operands(call).next();
                if let Some(value) = value.filter(|v| program.meta(*v).level == Level::Window) {
                    // A definition's own name serves; an expression gets one.
                    if !matches!(program.node(value), Ir::Definition(_)) && !cuts.contains(value) {
                        let name = taken.column(&format!("{owner}_value"), false);
                        cuts.names.insert(value, name);
                    }
                }
            }
            _ => {}
        }
    }
    // A window that reads a definition which is itself a window needs that one finished, though nobody else reads it.
    for node in needed(program, first, root) {
        if let Ir::Window { call } = program.node(node) {
            if let Some(value) = program.operands(call).next() {
                if let (Ir::Definition(used), Level::Window) = (program.node(value), program.meta(value).level) {
                    let root = program.definitions[used as usize].root;
                    if !cuts.contains(root) {
                        let name = program.definitions[used as usize].name.clone().unwrap_or_default();
                        cuts.names.insert(root, taken.column(&name, false));
                    }
                }
            }
        }
    }
}

/// A value that costs nothing to write again.
pub(super) fn is_trivial(program: &Program, id: IrId) -> bool {
    match program.node(id) {
        Ir::Column(_) | Ir::Number(_) | Ir::Text(_) | Ir::Date(_) | Ir::Bool(_) | Ir::Null | Ir::Definition(_) | Ir::Error => true,
        Ir::Apply { args, .. } => args.count == 0 && !program.meta(id).volatile,
        _ => false,
    }
}

/// The nodes of a definition that its value is made of, in order.
pub(super) fn needed(program: &Program, first: IrId, root: IrId) -> Vec<IrId> {
    let base = first.index();
    let mut wanted = vec![false; root.index() - base + 1];
    wanted[root.index() - base] = true;
    for at in (first.0..=root.0).rev() {
        if wanted[at as usize - base] {
            program.operands(IrId(at)).for_each(|o| {
                // A definition that is another's value has its nodes elsewhere.
                if let Some(mark) = o.index().checked_sub(base).and_then(|i| wanted.get_mut(i)) {
                    *mark = true;
                }
            });
        }
    }
    (first.0..=root.0).map(IrId).filter(|id| wanted[id.index() - base]).collect()
}

/// By node: it is computed per row of the input, before grouping.
pub(super) fn row_context(step: &StepPlan<'_>) -> Vec<bool> {
    let program = step.program;
    let mut rows = vec![false; program.nodes.len()];
    if !step.grouped {
        return rows;
    }
    for (index, definition) in program.definitions.iter().enumerate() {
        if definition.failed {
            continue;
        }
        let root = definition.root;
        let before = match step.roles[index] {
            Role::Where | Role::GroupBy => true,
            Role::Definitions => step.level(index) <= Level::Row,
            Role::Having | Role::OrderBy | Role::PartitionBy => false,
        };
        rows[root.index()] |= before;
        for at in (definition.first.0..=root.0).rev() {
            let id = IrId(at);
            let inside = rows[id.index()] || matches!(program.node(id), Ir::Aggregate { .. });
            if inside {
                program.operands(id).for_each(|o| rows[o.index()] = true);
            }
        }
    }
    rows
}

/// Definitions that the step's columns, filters and keys need.
pub(super) fn live_definitions(step: &StepPlan<'_>) -> Vec<bool> {
    let program = step.program;
    let mut live: Vec<bool> =
        (0..program.definitions.len()).map(|i| step.outputs[i] || !step.is(i, Role::Definitions)).collect();
    for index in program.order.iter().rev() {
        let definition = &program.definitions[*index as usize];
        if !live[*index as usize] || definition.failed {
            continue;
        }
        for node in needed(program, definition.first, definition.root) {
            if let Ir::Definition(used) = program.node(node) {
                live[used as usize] = true;
            }
        }
    }
    live
}
