//! Selection of the values that become named columns because several expressions use them.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::common_subexpressions::SharedArguments;
use super::formula_names::{NamedCall, argument_name, function_based_name, name_from_formula, row_range_name};
use super::liveness::{Liveness, is_trivial, needed_nodes};
use super::long_keys::is_long;
use super::lookup_by_key::lookup_values;
use super::names::UsedNames;
use super::outputs::key_name;
use super::value_numbering::equal_values;
use crate::Level;
use crate::arena::Arena;
use crate::catalog;
use crate::check::DefinitionRole;
use crate::dialect::{Cell, Dialect};
use crate::ir::{GroupWindowKind, Ir, IrDefinition, IrId, KeyMatching, PoolRange, Program, WindowFrame};

/// Cut values. Each cut value is computed once, as a named column.
#[derive(Debug, Default)]
pub(super) struct MaterializedValues {
    names: FxHashMap<IrId, String>,
    /// Nodes that are not computed, each with the equal node that is computed instead.
    same: FxHashMap<IrId, IrId>,
    /// Definitions over grouping keys that become columns of the groups. The map contains the computed reference for
    /// each definition.
    helpers: FxHashMap<usize, IrId>,
}

impl MaterializedValues {
    /// Returns the node that is computed for the given node: the node itself or an equal node.
    pub fn representative(&self, id: IrId) -> IrId {
        self.same.get(&id).copied().unwrap_or(id)
    }

    pub fn name(&self, id: IrId) -> Option<&str> {
        self.names.get(&self.representative(id)).map(String::as_str)
    }

    pub fn contains(&self, id: IrId) -> bool {
        self.names.contains_key(&self.representative(id))
    }

    pub fn insert(&mut self, id: IrId, name: String) {
        self.names.insert(id, name);
    }

    /// Records that `id` uses the value of `chosen`, which is an equal node.
    pub fn reuse_value(&mut self, id: IrId, chosen: IrId) {
        self.same.insert(id, chosen);
    }

    pub fn has_helpers(&self) -> bool {
        !self.helpers.is_empty()
    }

    /// Returns the node of a definition over grouping keys that is a column of the groups.
    pub fn helper_node(&self, definition: usize) -> Option<IrId> {
        self.helpers.get(&definition).map(|id| self.representative(*id))
    }

    /// Returns the cut nodes, in node order.
    pub fn sorted_nodes(&self) -> Vec<IrId> {
        let mut ids: Vec<IrId> = self.names.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}

/// Number of expressions that read a definition's value.
#[derive(Clone, Copy, Default)]
struct ReadCounts {
    /// Expressions at row level: filters, keys and arguments of aggregates.
    rows: u32,
    /// Expressions at group level.
    groups: u32,
}

pub(super) fn materialize_values(
    step: &StepPlan<'_>,
    reach: &Liveness,
    dialect: Dialect,
    source: &str,
    aliases: &FxHashMap<IrId, String>,
    taken: &mut UsedNames,
    found_are_columns: bool,
) -> MaterializedValues {
    let program = step.program;
    let Liveness { rows: in_rows, live } = reach;
    let (windows, ordered) = (step.has_windows(), step.has_ordered_windows());
    let mut reads = Arena::filled(ReadCounts::default(), program.definitions.len());
    // Visit each definition before the definitions that it uses.
    for index in program.order.iter().rev().map(|index| *index as usize) {
        let definition = &program.definitions[index];
        // The `order by` clause of a query refers to its keys by column name. Only windows use the expressions of the
        // keys.
        let only_names =
            step.has_role(index, DefinitionRole::GroupBy) || step.is_unused_window_key(index, windows, ordered);
        if !live[index] || definition.failed || only_names {
            continue;
        }
        let own = reads[index];
        for node in needed_nodes(program, definition.first, definition.root) {
            if let Ir::Definition(used) = program.node(node) {
                let reads = &mut reads[used as usize];
                if step.is_helper(index) {
                    // A helper is inlined into the expressions that read it.
                    reads.rows += own.rows.min(1);
                    reads.groups += own.groups.min(1);
                } else if in_rows[node.index()] {
                    reads.rows += 1;
                } else {
                    reads.groups += 1;
                }
            }
        }
    }
    let mut cuts = MaterializedValues::default();
    share_equal_values(step, live, source, taken, &mut cuts);
    for index in 0..program.definitions.len() {
        let root = step.definition_root(index);
        let is_column = found_are_columns && matches!(program.node(root), Ir::RowLookup { .. });
        let simple = is_column || is_trivial(program, root);
        if !step.has_role(index, DefinitionRole::Definitions) || !live[index] || simple || cuts.contains(root) {
            continue;
        }
        let ReadCounts { rows, groups } = reads[index];
        let row_value = step.grouped && step.level(index) == Level::Row;
        let constant = step.level(index) == Level::Const;
        let cut = if step.grouped && constant && rows > 0 {
            // A constant that is computed per row is not available after grouping. Constants are short, so the SQL
            // repeats the expression.
            false
        } else if row_value && step.keys[index] {
            // GROUP BY repeats a short key and refers to a long key by name. If an expression reads the key before
            // grouping, the key must be computed earlier.
            rows > 0 || is_long(program, dialect, &cuts, root)
        } else if row_value && !step.outputs[index] {
            // Expressions at group level can read this value only through grouping keys, because no other row-level
            // values remain after grouping.
            groups == 0 && rows > 1
        } else {
            rows + groups + u32::from(step.outputs[index]) > 1
        };
        if cut {
            let name = program.definitions[index].name.clone().unwrap_or_default();
            let column = if step.outputs[index] {
                taken.output_name(&name)
            } else {
                taken.column(&name, &name)
            };
            cuts.insert(root, column);
        }
    }
    let mut shared = SharedArguments::new(step, live, in_rows);
    for index in &program.order {
        let index = *index as usize;
        let definition = &program.definitions[index];
        if live[index] && !definition.failed {
            let owner = definition
                .name
                .as_deref()
                .unwrap_or_else(|| role_name(step.roles[index]))
                .to_owned();
            let inner = DefinitionMaterializer {
                program,
                dialect,
                source,
                owner: &owner,
                grouped: step.grouped,
                aliases,
            };
            inner.materialize_value(index, taken, &mut cuts, &mut shared);
            // Both sides of a lookup's comparison must be columns.
            let compared = step.has_lookups()
                && matches!(step.roles[index], DefinitionRole::OrderBy | DefinitionRole::PartitionBy);
            let named = matches!(program.node(definition.root), Ir::Definition(_));
            if compared && !named && !inner.is_column(definition.root, step) && !cuts.contains(definition.root) {
                let text = definition.span.text(source);
                let name = taken.column(&key_name(text), text);
                cuts.insert(definition.root, name);
            }
        }
    }
    cuts
}

fn role_name(role: DefinitionRole) -> &'static str {
    match role {
        DefinitionRole::Where => "row_filter",
        DefinitionRole::Having => "group_filter",
        _ => "key",
    }
}

/// Cuts repeated aggregates and windows, so that they are computed only once. If one of the equal nodes is the root of
/// a definition, the column has the definition's name. Otherwise, the name of the column is derived from the formula.
fn share_equal_values(
    step: &StepPlan<'_>,
    live: &Arena<bool>,
    source: &str,
    taken: &mut UsedNames,
    cuts: &mut MaterializedValues,
) {
    let program = step.program;
    let roots: FxHashMap<IrId, usize> = (0..program.definitions.len())
        .filter(|i| step.outputs[*i])
        .map(|i| (step.definition_root(i), i))
        .collect();
    for equal in equal_values(step, live) {
        // If two definitions have the same formula, the SQL contains a separate line for each.
        let named = equal.iter().copied().find(|id| roots.contains_key(id));
        let equal: Vec<IrId> = equal
            .into_iter()
            .filter(|id| named == Some(*id) || !roots.contains_key(id))
            .collect();
        let [first, others @ ..] = equal.as_slice() else {
            continue;
        };
        if others.is_empty() {
            continue;
        }
        let name = match named.and_then(|id| roots.get(&id)) {
            Some(index) => taken.output_name(program.definitions[*index].name.as_deref().unwrap_or_default()),
            None => {
                let text = program.meta(*first).span.text(source);
                let wanted = name_from_formula(program, *first, source)
                    .unwrap_or_else(|| function_based_name(program, *first, owner_name(program, *first)));
                taken.column(&wanted, text)
            }
        };
        // The list contains a node that occurs several times twice.
        for id in others.iter().filter(|id| *id != first) {
            cuts.reuse_value(*id, *first);
        }
        cuts.insert(*first, name);
    }
}

/// Returns the name of the definition that contains a node.
fn owner_name(program: &Program, id: IrId) -> &str {
    let inside = |definition: &&IrDefinition| definition.first <= id && id <= definition.root;
    program
        .definitions
        .iter()
        .find(inside)
        .and_then(|definition| definition.name.as_deref())
        .unwrap_or("group")
}

/// Cuts the aggregates in values that can only be computed after the grouping stratum, so that the grouping stratum
/// computes the aggregates.
pub(super) fn materialize_late_aggregates(
    step: &StepPlan<'_>,
    reach: &Liveness,
    cuts: &mut MaterializedValues,
    main: u32,
    stage_of: &dyn Fn(IrId) -> u32,
    source: &str,
    taken: &mut UsedNames,
) {
    if !step.grouped {
        return;
    }
    let program = step.program;
    let Liveness { rows, live } = reach;
    // The SQL repeats `count(*)` because it is short. If a later stratum needs the count, all occurrences share one
    // column.
    let counted = (0..program.definitions.len())
        .filter(|i| {
            step.outputs[*i] && step.has_role(*i, DefinitionRole::Definitions) && !program.definitions[*i].failed
        })
        .find(|i| matches!(program.node(step.definition_root(*i)), Ir::CountRows));
    let mut row_count: Option<IrId> = None;
    for (index, definition) in program.definitions.iter().enumerate() {
        if !live[index] || definition.failed || rows[definition.root.index()] {
            continue;
        }
        let base = definition.first.index();
        // Stratum in which each node is written: the stratum of the enclosing value, unless the node is already a
        // column there.
        let mut written = Arena::filled(0u32, definition.root.index() - base + 1);
        let nodes = needed_nodes(program, definition.first, definition.root);
        for id in nodes.iter().rev() {
            let own = written[id.index() - base].max(stage_of(*id));
            written[id.index() - base] = own;
            let below = if cuts.contains(*id) { stage_of(*id) } else { own };
            for operand in program.operands(*id) {
                if let Some(stage) = operand.index().checked_sub(base).and_then(|i| written.try_get_mut(i)) {
                    *stage = (*stage).max(below);
                }
            }
        }
        for id in nodes {
            let aggregate = matches!(program.node(id), Ir::Aggregate { .. } | Ir::CountRows);
            if aggregate && written[id.index() - base] > main && !cuts.contains(id) {
                let is_count = matches!(program.node(id), Ir::CountRows);
                if let (Some(counted), true, None) = (counted, is_count, row_count) {
                    let root = step.definition_root(counted);
                    if !cuts.contains(root) {
                        let name = taken.output_name(program.definitions[counted].name.as_deref().unwrap_or_default());
                        cuts.insert(root, name);
                    }
                    row_count = Some(root);
                }
                if let (Some(counted), true) = (row_count.filter(|c| *c != id), is_count) {
                    cuts.reuse_value(id, cuts.representative(counted));
                    continue;
                }
                let text = program.meta(id).span.text(source);
                let owner = definition.name.as_deref().unwrap_or("group");
                let wanted =
                    name_from_formula(program, id, source).unwrap_or_else(|| function_based_name(program, id, owner));
                let name = taken.column(&wanted, text);
                cuts.insert(id, name);
                if is_count {
                    row_count = Some(id);
                }
            }
        }
    }
}

/// Context for cutting nodes inside one definition.
struct DefinitionMaterializer<'i> {
    program: &'i Program,
    dialect: Dialect,
    source: &'i str,
    /// Prefix of generated names.
    owner: &'i str,
    grouped: bool,
    /// Nodes that repeat a grouping key, with the name of the key's column.
    aliases: &'i FxHashMap<IrId, String>,
}

impl DefinitionMaterializer<'_> {
    fn name(&self, what: &str, id: IrId, taken: &mut UsedNames) -> String {
        taken.column(
            &format!("{}_{what}", self.owner),
            self.program.meta(id).span.text(self.source),
        )
    }

    /// Returns a name for a value, derived from its formula or, if that is not possible, from its purpose.
    fn value_name(&self, id: IrId, what: &str, taken: &mut UsedNames) -> String {
        let wanted =
            name_from_formula(self.program, id, self.source).unwrap_or_else(|| format!("{what}_for_{}", self.owner));
        taken.column(&wanted, self.program.meta(id).span.text(self.source))
    }

    /// Cuts long values that are used several times, arguments that a template repeats, windows over the rows of a
    /// group, and windows inside windows.
    fn materialize_value(
        &self,
        of: usize,
        taken: &mut UsedNames,
        cuts: &mut MaterializedValues,
        shared: &mut SharedArguments<'_>,
    ) {
        let program = self.program;
        let definition = &program.definitions[of];
        let nodes = needed_nodes(program, definition.first, definition.root);
        let mut uses: FxHashMap<IrId, u32> = FxHashMap::default();
        for operand in nodes.iter().flat_map(|node| program.operands(*node)) {
            *uses.entry(operand).or_default() += 1;
        }
        for node in nodes {
            if uses.get(&node).is_some_and(|uses| *uses > 1) {
                self.materialize_repeated(node, of, taken, cuts, shared);
            }
            match program.node(node) {
                Ir::Apply { overload, args } => {
                    let Cell::Template(template) = self.dialect.cell(overload) else {
                        continue;
                    };
                    if template.subquery {
                        self.materialize_subquery_operands(node, of, taken, cuts, shared);
                    }
                    if !template.repeats {
                        continue;
                    }
                    let params = catalog::overload(overload).map_or(&[][..], |o| o.params);
                    let function =
                        Some(catalog::get(catalog::overload_owner(overload))).filter(|function| !function.internal);
                    let uses = program.args(args).iter().zip(template.uses).zip(params).enumerate();
                    for (place, ((arg, uses), param)) in uses {
                        // A constant that is computed per row is not available after grouping.
                        let constant = self.grouped && program.meta(*arg).level == Level::Const;
                        let column = is_trivial(program, *arg) || self.aliases.contains_key(arg);
                        if *uses > 1 && !constant && !column && !cuts.contains(*arg) {
                            shared.materialize_argument(*arg, of, cuts, taken, |taken| {
                                let function = function.map(|function| function.name);
                                let call = NamedCall {
                                    function,
                                    param: param.name,
                                    is_first: place == 0,
                                    of: self.owner,
                                };
                                let name = argument_name(program, *arg, self.source, call);
                                taken.column(&name, program.meta(*arg).span.text(self.source))
                            });
                        }
                    }
                }
                Ir::GroupWindow { args, role } => {
                    let call = program.args(args).first().copied();
                    let value = call
                        .and_then(|call| program.operands(call).next())
                        .filter(|_| role != GroupWindowKind::Value);
                    // If the window sorts or counts a value, an earlier stratum must compute that value.
                    let column = |value: IrId| is_trivial(program, value) || self.aliases.contains_key(&value);
                    if let Some(value) = value.filter(|value| !column(*value) && !cuts.contains(*value)) {
                        shared.materialize_argument(value, of, cuts, taken, |taken| {
                            self.value_name(value, "value", taken)
                        });
                    }
                    shared.materialize_argument(node, of, cuts, taken, |taken| self.name(role.name(), node, taken));
                }
                Ir::Window { call, over } => {
                    // A partition key that reads other rows must be a column.
                    let late = |by: &&IrId| program.meta(**by).level == Level::Window;
                    for by in program.partition_keys(over).iter().filter(late) {
                        self.finish(*by, of, taken, cuts, shared);
                    }
                    let Some(value) = program.operands(call).next() else {
                        continue;
                    };
                    let meta = program.meta(value);
                    if meta.level != Level::Window {
                        // The SQL contains a ranked value twice because it also tests the value for NULL. A value whose
                        // duplicates are counted also occurs twice.
                        let over = program.window_frame(over);
                        let asked = (over.is_ranked() && meta.nullable) || over == WindowFrame::SameValue;
                        let column = is_trivial(program, value) || self.aliases.contains_key(&value);
                        if asked && !column && !cuts.contains(value) {
                            shared.materialize_argument(value, of, cuts, taken, |taken| {
                                self.value_name(value, "value", taken)
                            });
                        }
                        continue;
                    }
                    // An earlier stratum must compute the inner window.
                    self.finish(value, of, taken, cuts, shared);
                }
                Ir::RowLookup { args, find } => self.materialize_lookup_operands(args, find, of, taken, cuts, shared),
                // A helper over grouping keys becomes a column of the groups, because the value of a lookup must be a
                // column of the other row.
                Ir::PeriodLookup { value, .. } if !self.is_column(value, shared.step) => {
                    match self.key_helper(value, shared.step) {
                        Some((helper, name)) => {
                            shared.materialize_argument(value, of, cuts, taken, |taken| taken.column(name, name));
                            cuts.helpers.insert(helper, value);
                        }
                        None => self.finish(value, of, taken, cuts, shared),
                    }
                }
                _ => {}
            }
        }
    }

    /// Cuts a value that several parts of a formula use, unless it is short or constant. A volatile value is always cut,
    /// because each occurrence in the SQL would have another value.
    fn materialize_repeated(
        &self,
        node: IrId,
        of: usize,
        taken: &mut UsedNames,
        cuts: &mut MaterializedValues,
        shared: &mut SharedArguments<'_>,
    ) {
        let program = self.program;
        let is_computed = matches!(program.node(node), Ir::Apply { .. } | Ir::Case(_) | Ir::Switch { .. });
        let meta = program.meta(node);
        let is_short = meta.level == Level::Const || !is_long(program, self.dialect, cuts, node);
        if is_computed && (meta.volatile || !is_short) && !self.aliases.contains_key(&node) && !cuts.contains(node) {
            shared.materialize_argument(node, of, cuts, taken, |taken| self.value_name(node, "value", taken));
        }
    }

    /// Materializes the compared key, the returned value and the sheet's partition keys as columns of the searched
    /// rows. If the lookup chooses the nearest key, also materializes the lookup value as a column of the current row.
    fn materialize_lookup_operands(
        &self,
        args: PoolRange,
        find: u32,
        of: usize,
        taken: &mut UsedNames,
        cuts: &mut MaterializedValues,
        shared: &mut SharedArguments<'_>,
    ) {
        let program = self.program;
        let Some(find) = program.finds.try_get(find as usize) else {
            return;
        };
        let found = program.args(args).iter().skip(1).take(2);
        let is_column = |id: IrId| self.is_column(id, shared.step) || matches!(program.node(id), Ir::TabColumn { .. });
        let step = shared.step;
        let parts = (0..step.roles.len())
            .filter(|index| find.tab.is_none() && step.has_role(*index, DefinitionRole::PartitionBy));
        let parts: Vec<IrId> = parts.map(|index| step.definition_root(index)).collect();
        for id in found.chain(&parts).filter(|id| !is_column(**id)) {
            self.finish(*id, of, taken, cuts, shared);
        }
        for sought in lookup_values(program.args(args)) {
            let meta = program.meta(sought);
            let in_place = find.matching == KeyMatching::Exact && meta.level < Level::Window && !meta.volatile;
            if meta.is_constant() || in_place || self.is_column(sought, shared.step) || cuts.contains(sought) {
                continue;
            }
            if let Ir::Definition(_) = program.node(sought) {
                self.finish(sought, of, taken, cuts, shared);
            } else {
                shared.materialize_argument(sought, of, cuts, taken, |taken| {
                    self.value_name(sought, "lookup_key", taken)
                });
            }
        }
    }

    /// Cuts the operands that a template's subquery must read as columns: windows, and aggregates that the subquery
    /// cannot contain.
    fn materialize_subquery_operands(
        &self,
        node: IrId,
        of: usize,
        taken: &mut UsedNames,
        cuts: &mut MaterializedValues,
        shared: &mut SharedArguments<'_>,
    ) {
        let program = self.program;
        let aggregates = self.dialect.facts().aggregate_in_subquery;
        for arg in program
            .operands(node)
            .filter(|arg| !program.meta(*arg).fits_subquery(aggregates))
        {
            if matches!(program.node(arg), Ir::Definition(_)) {
                self.finish(arg, of, taken, cuts, shared);
            } else if !is_trivial(program, arg) && !cuts.contains(arg) {
                shared.materialize_argument(arg, of, cuts, taken, |taken| self.value_name(arg, "value", taken));
            }
        }
    }

    /// Cuts a value. If a definition consists of the value, the column has the definition's name.
    fn finish(
        &self,
        value: IrId,
        of: usize,
        taken: &mut UsedNames,
        cuts: &mut MaterializedValues,
        shared: &mut SharedArguments<'_>,
    ) {
        let (program, step) = (self.program, shared.step);
        let mut named = None;
        // If a definition's formula is only the name of another definition, use the name of that other definition.
        let finished = program.resolve_names_until(value, |_, definition| {
            named = Some(definition);
            false
        });
        if cuts.contains(finished) {
            return;
        }
        let named = named.and_then(|of: usize| Some((program.definitions[of].name.as_deref()?, step.outputs[of])));
        match named {
            Some((name, true)) => cuts.insert(finished, taken.output_name(name)),
            Some((name, false)) => cuts.insert(finished, taken.column(name, name)),
            None => shared.materialize_argument(finished, of, cuts, taken, |taken| {
                match row_range_name(program, value) {
                    Some(name) => taken.column(&name, program.meta(value).span.text(self.source)),
                    None => match self.window_suffix(finished) {
                        Some(kind) => self.name(kind, value, taken),
                        None => {
                            let wanted = name_from_formula(program, value, self.source)
                                .unwrap_or_else(|| function_based_name(program, finished, self.owner));
                            taken.column(&wanted, program.meta(value).span.text(self.source))
                        }
                    },
                }
            }),
        }
    }

    /// Returns the column suffix of a window that counts equal values or ranks values. `None` for a window that
    /// returns a value.
    fn window_suffix(&self, value: IrId) -> Option<&'static str> {
        match self.program.node(value) {
            Ir::Window { over, .. } => match self.program.window_frame(over) {
                WindowFrame::SameValue => Some(GroupWindowKind::Occurrences.name()),
                WindowFrame::Ranked { descending, .. } => Some(GroupWindowKind::Place { descending }.name()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the helper that a value refers to, with its name. A helper is a row-level definition of a grouped step
    /// that is not an output.
    fn key_helper(&self, value: IrId, step: &StepPlan<'_>) -> Option<(usize, &str)> {
        let Ir::Definition(used) = self.program.node(value) else {
            return None;
        };
        let used = used as usize;
        self.program.definitions[used]
            .name
            .as_deref()
            .filter(|_| step.is_helper(used))
            .map(|name| (used, name))
    }

    /// Returns whether a value is an input column or a column of the groups.
    fn is_column(&self, value: IrId, step: &StepPlan<'_>) -> bool {
        let is_key = |_, definition: usize| step.grouped && step.keys[definition];
        let value = self.program.resolve_names_until(value, is_key);
        let named = matches!(self.program.node(value), Ir::Column(_) | Ir::Definition(_));
        named || self.aliases.contains_key(&value)
    }
}
