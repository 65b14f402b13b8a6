//! Which values get a column of their own.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::equal::{equal_values, name_of_offset, name_of_range, name_of_text, numbers};
use super::names::Taken;
use super::outputs::key_name;
use super::stages::read_by_having;
use crate::catalog;
use crate::check::Role;
use crate::dialect::{Cell, Dialect};
use crate::ir::{GroupRole, Ir, IrId, Over, Program};
use crate::types::Level;

/// Values that are computed once, under a name, by their node.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    names: FxHashMap<IrId, String>,
    /// Nodes that say the same as another, which is computed for them.
    same: FxHashMap<IrId, IrId>,
}

impl Cuts {
    /// The node that is computed for this one: itself, or one that says the same.
    pub fn chosen(&self, id: IrId) -> IrId {
        self.same.get(&id).copied().unwrap_or(id)
    }

    pub fn name(&self, id: IrId) -> Option<&str> {
        self.names.get(&self.chosen(id)).map(String::as_str)
    }

    pub fn contains(&self, id: IrId) -> bool {
        self.names.contains_key(&self.chosen(id))
    }

    fn insert(&mut self, id: IrId, name: String) {
        self.names.insert(id, name);
    }

    /// All of them, in the order of the nodes.
    pub fn sorted(&self) -> Vec<IrId> {
        let mut ids: Vec<IrId> = self.names.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

/// What of a step is computed, and where; found once.
pub(super) struct Reach {
    /// By node: it is computed per row of the input, before grouping.
    pub rows: Vec<bool>,
    /// By definition: the step's columns, filters and keys need it.
    pub live: Vec<bool>,
}

impl Reach {
    pub fn of(step: &StepPlan<'_>) -> Self {
        Self { rows: row_context(step), live: live_definitions(step) }
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

pub(super) fn cuts(
    step: &StepPlan<'_>,
    reach: &Reach,
    dialect: Dialect,
    source: &str,
    aliases: &FxHashMap<IrId, String>,
    taken: &mut Taken,
) -> Cuts {
    let program = step.program;
    let Reach { rows: in_rows, live } = reach;
    let (windows, ordered) = (step.has_windows(), step.has_ordered_windows());
    let mut reads = vec![Reads::default(); program.definitions.len()];
    for (index, definition) in program.definitions.iter().enumerate() {
        // The order of the rows of a query goes by column names; only windows compute with it.
        let only_names = step.is(index, Role::GroupBy) || step.only_names(index, windows, ordered);
        if !live[index] || definition.failed || only_names {
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
    share_equals(step, live, source, taken, &mut cuts);
    for index in 0..program.definitions.len() {
        let root = step.root(index);
        if !step.is(index, Role::Definitions) || !live[index] || is_trivial(program, root) || cuts.contains(root) {
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
            // What groups read of it is made of their keys, which is all that is left of it then.
            groups == 0 && rows > 1
        } else {
            rows + groups + u32::from(step.outputs[index]) > 1
        };
        if cut {
            let name = program.definitions[index].name.clone().unwrap_or_default();
            let column = if step.outputs[index] { taken.output(&name) } else { taken.column(&name, &name) };
            cuts.insert(root, column);
        }
    }
    let mut shared = Shared { step, live, rows: in_rows, values: None };
    for index in &program.order {
        let index = *index as usize;
        let definition = &program.definitions[index];
        if live[index] && !definition.failed {
            let owner = definition.name.as_deref().unwrap_or_else(|| role_name(step.roles[index])).to_owned();
            let inner = Inner { program, dialect, source, owner: &owner, grouped: step.grouped, aliases };
            inner.cut(index, taken, &mut cuts, &mut shared);
            // What lookups compare is a column on both sides.
            let compared = step.has_lookups() && matches!(step.roles[index], Role::OrderBy | Role::PartitionBy);
            let named = matches!(program.node(definition.root), Ir::Definition(_));
            if compared && !named && !inner.is_column(definition.root) && !cuts.contains(definition.root) {
                let text = definition.span.text(source);
                let name = taken.column(&key_name(text), text);
                cuts.insert(definition.root, name);
            }
        }
    }
    cuts
}

/// Arguments with columns of their own, so that one which says the same as another, or as a definition, is that one.
struct Shared<'s> {
    step: &'s StepPlan<'s>,
    live: &'s [bool],
    rows: &'s [bool],
    /// Made when the first argument is cut.
    values: Option<Values>,
}

struct Values {
    numbers: Vec<u32>,
    /// The definition with this value.
    definitions: FxHashMap<u32, usize>,
    /// The place of each definition in the order of computing.
    places: Vec<usize>,
    /// By definition: `having` is, or reads, it.
    tested: Vec<bool>,
    /// What is a column already: by value, whether it is one of rows, and whether `having` tests it.
    columns: FxHashMap<(u32, bool, bool), IrId>,
}

impl Shared<'_> {
    fn values(&mut self) -> &mut Values {
        let Self { step, live, .. } = *self;
        self.values.get_or_insert_with(|| {
            let program = step.program;
            let numbers = numbers(step, live, |_, _| {});
            let mut places = vec![0; program.definitions.len()];
            let mut definitions = FxHashMap::default();
            for (place, index) in program.order.iter().enumerate() {
                let index = *index as usize;
                places[index] = place;
                let column = step.is(index, Role::Definitions) && step.outputs[index] && !step.keys[index];
                if live[index] && column && !program.definitions[index].failed {
                    definitions.entry(numbers[step.root(index).index()]).or_insert(index);
                }
            }
            Values { numbers, definitions, places, tested: read_by_having(step), columns: FxHashMap::default() }
        })
    }

    /// Cuts an argument of this definition.
    fn cut(
        &mut self,
        arg: IrId,
        of: usize,
        cuts: &mut Cuts,
        taken: &mut Taken,
        name: impl FnOnce(&mut Taken) -> String,
    ) {
        let (step, rows) = (self.step, self.rows);
        let program = step.program;
        if program.meta(arg).volatile {
            cuts.insert(arg, name(taken));
            return;
        }
        let values = self.values();
        let number = values.numbers[arg.index()];
        // What `having` tests is computed first, whatever the order of the definitions.
        let tested = values.tested[of];
        if let Some(column) = values.columns.get(&(number, rows[arg.index()], tested)) {
            cuts.same.insert(arg, *column);
            return;
        }
        let place = |index: usize| values.places[index];
        let same = values.definitions.get(&number).copied().filter(|index| {
            let root = step.root(*index);
            rows[root.index()] == rows[arg.index()]
                && values.tested[*index] == tested
                && (place(*index) < place(of) || !cuts.contains(root))
        });
        let column = match same {
            Some(index) => {
                let root = step.root(index);
                let (first, other) = if place(index) < place(of) { (root, arg) } else { (arg, root) };
                let first = cuts.chosen(first);
                if !cuts.contains(first) {
                    let name = taken.output(program.definitions[index].name.as_deref().unwrap_or_default());
                    cuts.insert(first, name);
                }
                cuts.same.insert(other, first);
                first
            }
            None => {
                cuts.insert(arg, name(taken));
                arg
            }
        };
        values.columns.insert((number, rows[arg.index()], tested), column);
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Where => "row_filter",
        Role::Having => "group_filter",
        _ => "key",
    }
}

/// Aggregates and windows that stand more than once are computed once, under the name of the definition that one of
/// them is, or one made of the formula.
fn share_equals(step: &StepPlan<'_>, live: &[bool], source: &str, taken: &mut Taken, cuts: &mut Cuts) {
    let program = step.program;
    let roots: FxHashMap<IrId, usize> =
        (0..program.definitions.len()).filter(|i| step.outputs[*i]).map(|i| (step.root(i), i)).collect();
    for equal in equal_values(step, live) {
        // Two definitions of the same formula are the analyst's; each keeps its line.
        let named = equal.iter().copied().find(|id| roots.contains_key(id));
        let equal: Vec<IrId> = equal.into_iter().filter(|id| named == Some(*id) || !roots.contains_key(id)).collect();
        if equal.len() < 2 {
            continue;
        }
        let name = match named.and_then(|id| roots.get(&id)) {
            Some(index) => taken.output(program.definitions[*index].name.as_deref().unwrap_or_default()),
            None => {
                let text = program.meta(equal[0]).span.text(source);
                let wanted = name_of_offset(text).or_else(|| name_of_range(text)).or_else(|| name_of_text(text));
                let wanted = wanted.unwrap_or_else(|| "shared_value".to_owned());
                taken.column(&wanted, text)
            }
        };
        for id in &equal[1..] {
            cuts.same.insert(*id, equal[0]);
        }
        cuts.insert(equal[0], name);
    }
}

/// Aggregates below a value that only a later stratum can compute: they are finished where the groups are made.
pub(super) fn cut_late_aggregates(
    step: &StepPlan<'_>,
    reach: &Reach,
    cuts: &mut Cuts,
    main: u32,
    stage_of: &dyn Fn(IrId) -> u32,
    source: &str,
    taken: &mut Taken,
) {
    if !step.grouped {
        return;
    }
    let program = step.program;
    let Reach { rows, live } = reach;
    // A count of rows is short, and written again where that needs no column; as a column it is one.
    let counted = (0..program.definitions.len())
        .filter(|i| step.outputs[*i] && step.is(*i, Role::Definitions) && !program.definitions[*i].failed)
        .find(|i| matches!(program.node(step.root(*i)), Ir::CountRows));
    let mut row_count: Option<IrId> = None;
    for (index, definition) in program.definitions.iter().enumerate() {
        if !live[index] || definition.failed || rows[definition.root.index()] {
            continue;
        }
        let base = definition.first.index();
        // In which stratum each node is written: with what it is part of, unless it is a column by then.
        let mut written = vec![0u32; definition.root.index() - base + 1];
        let nodes = needed(program, definition.first, definition.root);
        for id in nodes.iter().rev() {
            let own = written[id.index() - base].max(stage_of(*id));
            written[id.index() - base] = own;
            let below = if cuts.contains(*id) { stage_of(*id) } else { own };
            for operand in program.operands(*id) {
                if let Some(stage) = operand.index().checked_sub(base).and_then(|i| written.get_mut(i)) {
                    *stage = (*stage).max(below);
                }
            }
        }
        for id in nodes {
            let aggregate = matches!(program.node(id), Ir::Aggregate { .. } | Ir::CountRows);
            if aggregate && written[id.index() - base] > main && !cuts.contains(id) {
                let is_count = matches!(program.node(id), Ir::CountRows);
                if let (Some(counted), true, None) = (counted, is_count, row_count) {
                    let root = step.root(counted);
                    if !cuts.contains(root) {
                        let name = taken.output(program.definitions[counted].name.as_deref().unwrap_or_default());
                        cuts.insert(root, name);
                    }
                    row_count = Some(root);
                }
                if let (Some(counted), true) = (row_count.filter(|c| *c != id), is_count) {
                    cuts.same.insert(id, cuts.chosen(counted));
                    continue;
                }
                let text = program.meta(id).span.text(source);
                let owner = definition.name.as_deref().unwrap_or("group");
                let rows = matches!(program.node(id), Ir::CountRows).then(|| "row_count".to_owned());
                let wanted = rows.or_else(|| name_of_text(text)).unwrap_or_else(|| format!("{owner}_part"));
                let name = taken.column(&wanted, text);
                cuts.insert(id, name);
                if is_count {
                    row_count = Some(id);
                }
            }
        }
    }
}

/// Cuts inside one definition.
struct Inner<'i> {
    program: &'i Program,
    dialect: Dialect,
    source: &'i str,
    /// What generated names begin with.
    owner: &'i str,
    grouped: bool,
    /// Keys written out again, which are columns.
    aliases: &'i FxHashMap<IrId, String>,
}

impl Inner<'_> {
    fn name(&self, what: &str, id: IrId, taken: &mut Taken) -> String {
        taken.column(&format!("{}_{what}", self.owner), self.program.meta(id).span.text(self.source))
    }

    /// Arguments that a template repeats, windows over rows, windows inside windows.
    fn cut(&self, of: usize, taken: &mut Taken, cuts: &mut Cuts, shared: &mut Shared<'_>) {
        let program = self.program;
        let definition = &program.definitions[of];
        for node in needed(program, definition.first, definition.root) {
            match program.node(node) {
                Ir::Apply { overload, args } => {
                    let Cell::Template(template) = self.dialect.cell(overload) else { continue };
                    if !template.repeats {
                        continue;
                    }
                    let params = catalog::overload(overload).map_or(&[][..], |o| o.params);
                    for ((arg, uses), param) in program.args(args).iter().zip(template.uses).zip(params) {
                        // A constant per row could not stand beside groups.
                        let constant = self.grouped && program.meta(*arg).level == Level::Const;
                        let column = is_trivial(program, *arg) || self.aliases.contains_key(arg);
                        if *uses > 1 && !constant && !column && !cuts.contains(*arg) {
                            shared.cut(*arg, of, cuts, taken, |taken| self.name(param.name, *arg, taken));
                        }
                    }
                }
                Ir::GroupWindow { args, role } => {
                    let call = program.args(args).first().copied();
                    let value =
                        call.and_then(|call| program.operands(call).next()).filter(|_| role != GroupRole::Value);
                    // What is put in order and counted is computed before.
                    let column = |value: IrId| is_trivial(program, value) || self.aliases.contains_key(&value);
                    if let Some(value) = value.filter(|value| !column(*value) && !cuts.contains(*value)) {
                        shared.cut(value, of, cuts, taken, |taken| self.name("value", value, taken));
                    }
                    let name = self.name(role.name(), node, taken);
                    cuts.insert(node, name);
                }
                Ir::Window { call, over } => {
                    let Some(value) = program.operands(call).next() else { continue };
                    let meta = program.meta(value);
                    if meta.level != Level::Window {
                        // What is ranked is also asked whether it is there.
                        let asked = matches!(program.over(over), Over::Ranked { .. }) && meta.nullable;
                        let column = is_trivial(program, value) || self.aliases.contains_key(&value);
                        if asked && !column && !cuts.contains(value) {
                            shared.cut(value, of, cuts, taken, |taken| self.name("value", value, taken));
                        }
                        continue;
                    }
                    // What another window gives is finished first.
                    self.finish(value, taken, cuts, shared.step);
                }
                // What is looked up is a column of the other row.
                Ir::Lookup { value, .. } if !self.is_column(value) => self.finish(value, taken, cuts, shared.step),
                _ => {}
            }
        }
    }

    /// Gives a value a column of its own, under its definition's name where it has one.
    fn finish(&self, value: IrId, taken: &mut Taken, cuts: &mut Cuts, step: &StepPlan<'_>) {
        let program = self.program;
        let (finished, name) = match program.node(value) {
            Ir::Definition(used) => {
                let definition = &program.definitions[used as usize];
                let name = definition.name.as_deref().filter(|_| !cuts.contains(definition.root));
                let output = step.outputs[used as usize];
                let name = name.map(|n| if output { taken.output(n) } else { taken.column(n, n) });
                (definition.root, name)
            }
            _ => (value, None),
        };
        if !cuts.contains(finished) {
            let name = match name {
                Some(name) => name,
                None => self.name("value", value, taken),
            };
            cuts.insert(finished, name);
        }
    }

    /// It is a column of what is read already, or of the groups.
    fn is_column(&self, mut value: IrId) -> bool {
        while let Ir::Definition(used) = self.program.node(value) {
            value = self.program.definitions[used as usize].root;
        }
        matches!(self.program.node(value), Ir::Column(_)) || self.aliases.contains_key(&value)
    }
}

/// A value that costs nothing to write again, or is computed elsewhere.
pub(super) fn is_trivial(program: &Program, id: IrId) -> bool {
    program.is_simple(id) || matches!(program.node(id), Ir::Definition(_) | Ir::Error)
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
fn row_context(step: &StepPlan<'_>) -> Vec<bool> {
    let program = step.program;
    let mut rows = vec![false; program.len()];
    if !step.grouped {
        return rows;
    }
    for (index, definition) in program.definitions.iter().enumerate() {
        if definition.failed {
            continue;
        }
        let root = definition.root;
        let before = match step.roles[index] {
            Role::Where | Role::On(_) | Role::GroupBy => true,
            Role::Definitions => step.level(index) <= Level::Row,
            Role::Having | Role::OrderBy | Role::PartitionBy | Role::Rule => false,
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

/// Definitions that the step's columns, filters and keys need. A join is written with its condition in place, so what
/// only that reads is computed nowhere else.
pub(crate) fn live_definitions(step: &StepPlan<'_>) -> Vec<bool> {
    needed_definitions(step, |role| !matches!(role, Role::Definitions | Role::On(_)))
}

/// The same, and those that joins need.
pub(crate) fn used_definitions(step: &StepPlan<'_>) -> Vec<bool> {
    needed_definitions(step, |role| role != Role::Definitions)
}

fn needed_definitions(step: &StepPlan<'_>, needs: impl Fn(Role) -> bool) -> Vec<bool> {
    let program = step.program;
    let mut live: Vec<bool> = (0..program.definitions.len()).map(|i| step.outputs[i] || needs(step.roles[i])).collect();
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
