//! Selects the values of one definition that become named columns.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::common_subexpressions::SharedArguments;
use super::formula_names::{NamedCall, argument_name, name_from_formula, row_range_name, value_name};
use super::key_lookups::lookup_values;
use super::liveness::{computed_nodes, is_trivial};
use super::materialized_values::MaterializedValues;
use super::names::UsedNames;
use crate::Level;
use crate::arena::Arena;
use crate::catalog;
use crate::check::DefinitionRole;
use crate::dialect::{Cell, Dialect};
use crate::ir::{GroupWindowKind, Ir, IrId, KeyMatching, PoolRange, Program, WindowFrame};

/// Context for materializing nodes inside one definition.
pub(super) struct DefinitionMaterializer<'i> {
    pub program: &'i Program,
    pub dialect: Dialect,
    pub source: &'i str,
    /// Prefix of generated names.
    pub owner: &'i str,
    pub grouped: bool,
    /// Nodes that repeat a grouping key, with the name of the key's column.
    pub aliases: &'i FxHashMap<IrId, String>,
    /// Whether each node is a value that the SQL must not repeat. Empty if there are no such values.
    pub repeated: &'i Arena<bool>,
}

impl DefinitionMaterializer<'_> {
    pub(super) fn name(&self, kind: &str, id: IrId, used_names: &mut UsedNames) -> String {
        used_names.column(
            &format!("{}_{kind}", self.owner),
            self.program.meta(id).span.text(self.source),
        )
    }

    fn value_name(&self, id: IrId, used_names: &mut UsedNames) -> String {
        let preferred_name = value_name(self.program, id, self.source, self.owner);
        used_names.column(&preferred_name, self.program.meta(id).span.text(self.source))
    }

    /// Materializes long values that are used several times, arguments that a template repeats, windows over the rows
    /// of a group, and windows inside windows.
    pub fn materialize_value(
        &self,
        definition_index: usize,
        names: &mut UsedNames,
        cuts: &mut MaterializedValues,
        shared: &mut SharedArguments<'_>,
    ) {
        let program = self.program;
        let definition = &program.definitions[definition_index];
        // After grouping, a node that repeats a key is the key's column.
        let is_key = |id: IrId| self.aliases.contains_key(&id) && !shared.rows[id.index()];
        let nodes = computed_nodes(program, definition.first, definition.root, is_key);
        for node in nodes {
            let is_repeated = self.repeated.try_get(node.index()) == Some(&true);
            if is_repeated && !self.aliases.contains_key(&node) && !cuts.contains(node) {
                shared.materialize_argument(node, definition_index, cuts, names, |used_names| {
                    self.value_name(node, used_names)
                });
            }
            match program.node(node) {
                Ir::Apply { overload, args } => {
                    let Cell::Template(template) = self.dialect.cell(overload) else {
                        continue;
                    };
                    if template.subquery {
                        self.materialize_subquery_operands(node, definition_index, names, cuts, shared);
                    }
                    if !template.repeats {
                        continue;
                    }
                    let params = catalog::overload(overload).map_or(&[][..], |o| o.params);
                    let function =
                        Some(catalog::get(catalog::overload_owner(overload))).filter(|function| !function.internal);
                    let uses = program.args(args).iter().zip(template.uses).zip(params).enumerate();
                    for (index, ((arg, uses), param)) in uses {
                        // A constant that is computed per row is not available after grouping.
                        let constant = self.grouped && program.meta(*arg).level == Level::Const;
                        let column = is_trivial(program, *arg) || self.aliases.contains_key(arg);
                        if *uses > 1 && !constant && !column && !cuts.contains(*arg) {
                            shared.materialize_argument(*arg, definition_index, cuts, names, |used_names| {
                                let function = function.map(|function| function.name);
                                let call = NamedCall {
                                    function,
                                    param: param.name,
                                    is_first: index == 0,
                                    of: self.owner,
                                };
                                let name = argument_name(program, *arg, self.source, call);
                                used_names.column(&name, program.meta(*arg).span.text(self.source))
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
                        shared.materialize_argument(value, definition_index, cuts, names, |used_names| {
                            self.value_name(value, used_names)
                        });
                    }
                    shared.materialize_argument(node, definition_index, cuts, names, |used_names| {
                        self.name(role.name(), node, used_names)
                    });
                }
                Ir::Window { call, over } => {
                    // A partition key that reads other rows must be a column.
                    let late = |key_id: &&IrId| program.meta(**key_id).level == Level::Window;
                    for key_id in program.partition_keys(over).iter().filter(late) {
                        self.finish(*key_id, definition_index, names, cuts, shared);
                    }
                    let Some(value) = program.operands(call).next() else {
                        continue;
                    };
                    let meta = program.meta(value);
                    if meta.level != Level::Window {
                        // The SQL contains a ranked value twice because it also tests the value for NULL. A count of
                        // equal values contains the value twice: as the argument and as a partition key.
                        let over = program.window_frame(over);
                        let is_tested = (over.is_ranked() && meta.nullable) || over == WindowFrame::SameValue;
                        let column = is_trivial(program, value) || self.aliases.contains_key(&value);
                        if is_tested && !column && !cuts.contains(value) {
                            shared.materialize_argument(value, definition_index, cuts, names, |used_names| {
                                self.value_name(value, used_names)
                            });
                        }
                        continue;
                    }
                    // An earlier stratum must compute the inner window.
                    self.finish(value, definition_index, names, cuts, shared);
                }
                Ir::RowLookup { args, find } => {
                    self.materialize_lookup_operands(args, find, definition_index, names, cuts, shared);
                }
                // A helper that is computed from grouping keys becomes a column of the groups, because a lookup can
                // only read columns of the other row.
                Ir::PeriodLookup { value, .. } if !self.is_column(value, shared.step) => {
                    match self.key_helper(value, shared.step) {
                        Some((helper, name)) => {
                            shared.materialize_argument(value, definition_index, cuts, names, |used_names| {
                                used_names.column(name, name)
                            });
                            cuts.helpers.insert(helper, value);
                        }
                        None => self.finish(value, definition_index, names, cuts, shared),
                    }
                }
                _ => {}
            }
        }
    }

    /// Materializes the compared key, the returned value and the sheet's partition keys as columns of the searched
    /// rows. If the lookup chooses the nearest key, also materializes the lookup value as a column of the current row.
    fn materialize_lookup_operands(
        &self,
        args: PoolRange,
        find: u32,
        definition_index: usize,
        names: &mut UsedNames,
        cuts: &mut MaterializedValues,
        shared: &mut SharedArguments<'_>,
    ) {
        let program = self.program;
        let Some(find) = program.finds.try_get(find as usize) else {
            return;
        };
        let lookup_args = program.args(args).iter().skip(1).take(2);
        let is_column = |id: IrId| self.is_column(id, shared.step) || matches!(program.node(id), Ir::TabColumn { .. });
        let step = shared.step;
        let parts = (0..step.roles.len())
            .filter(|index| find.tab.is_none() && step.has_role(*index, DefinitionRole::PartitionBy));
        let parts: Vec<IrId> = parts.map(|index| step.definition_root(index)).collect();
        for id in lookup_args.chain(&parts).filter(|id| !is_column(**id)) {
            self.finish(*id, definition_index, names, cuts, shared);
        }
        for sought in lookup_values(program.args(args)) {
            let meta = program.meta(sought);
            let in_place = find.matching == KeyMatching::Exact && meta.level < Level::Window && !meta.volatile;
            if meta.is_constant() || in_place || self.is_column(sought, shared.step) || cuts.contains(sought) {
                continue;
            }
            if let Ir::Definition(_) = program.node(sought) {
                self.finish(sought, definition_index, names, cuts, shared);
            } else {
                shared.materialize_argument(sought, definition_index, cuts, names, |used_names| {
                    let preferred_name = name_from_formula(program, sought, self.source)
                        .unwrap_or_else(|| format!("lookup_key_for_{}", self.owner));
                    used_names.column(&preferred_name, meta.span.text(self.source))
                });
            }
        }
    }

    /// Materializes the operands that a template's subquery must read as columns: windows, and aggregates that the
    /// subquery cannot contain.
    fn materialize_subquery_operands(
        &self,
        node: IrId,
        definition_index: usize,
        names: &mut UsedNames,
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
                self.finish(arg, definition_index, names, cuts, shared);
            } else if !is_trivial(program, arg) && !cuts.contains(arg) {
                shared.materialize_argument(arg, definition_index, cuts, names, |used_names| {
                    self.value_name(arg, used_names)
                });
            }
        }
    }

    /// Materializes a value. If a definition consists of the value, the column has the definition's name.
    fn finish(
        &self,
        value: IrId,
        definition_index: usize,
        names: &mut UsedNames,
        cuts: &mut MaterializedValues,
        shared: &mut SharedArguments<'_>,
    ) {
        let (program, step) = (self.program, shared.step);
        let mut named_definition = None;
        // If a definition's formula is only the name of another definition, use the name of that other definition.
        let finished = program.resolve_names_until(value, |_, definition| {
            named_definition = Some(definition);
            false
        });
        if cuts.contains(finished) {
            return;
        }
        let definition_name = named_definition
            .and_then(|index: usize| Some((program.definitions[index].name.as_deref()?, step.outputs[index])));
        match definition_name {
            Some((name, true)) => cuts.insert(finished, names.output_name(name)),
            Some((name, false)) => cuts.insert(finished, names.column(name, name)),
            None => {
                shared.materialize_argument(
                    finished,
                    definition_index,
                    cuts,
                    names,
                    |used_names| match row_range_name(program, value) {
                        Some(name) => used_names.column(&name, program.meta(value).span.text(self.source)),
                        None => match self.window_suffix(finished) {
                            Some(kind) => self.name(kind, value, used_names),
                            None => self.value_name(finished, used_names),
                        },
                    },
                );
            }
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
        let Ir::Definition(index) = self.program.node(value) else {
            return None;
        };
        let definition_index = index as usize;
        self.program.definitions[definition_index]
            .name
            .as_deref()
            .filter(|_| step.is_helper(definition_index))
            .map(|name| (definition_index, name))
    }

    /// Returns whether a value is an input column or a column of the groups.
    pub fn is_column(&self, value: IrId, step: &StepPlan<'_>) -> bool {
        let is_key = |_, definition: usize| step.grouped && step.keys[definition];
        let value = self.program.resolve_names_until(value, is_key);
        let is_name = matches!(self.program.node(value), Ir::Column(_) | Ir::Definition(_));
        is_name || self.aliases.contains_key(&value)
    }
}
