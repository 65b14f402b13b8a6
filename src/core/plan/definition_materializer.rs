//! Selects the values of one definition that become named columns.

use rustc_hash::FxHashMap;

use super::StepPlan;
use super::common_subexpressions::SharedArguments;
use super::formula_names::{NamedCall, argument_name, name_from_formula, row_range_name, value_name};
use super::key_lookups::lookup_values;
use super::liveness::{computed_nodes, is_trivial_value};
use super::materialized_values::MaterializedValues;
use super::names::UsedNames;
use crate::Level;
use crate::arena::Arena;
use crate::catalog;
use crate::check::DefinitionRole;
use crate::dialect::{Cell, Dialect};
use crate::ir::{GroupWindowKind, Ir, IrId, LookupMatchMode, PoolRange, Program, WindowFrame, WindowFrameId};

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

/// Definition whose values are materialized, with the columns of its step.
pub(super) struct MaterializationTarget<'t, 's> {
    pub definition: usize,
    pub names: &'t mut UsedNames,
    pub materialized: &'t mut MaterializedValues,
    pub shared: &'t mut SharedArguments<'s>,
}

impl MaterializationTarget<'_, '_> {
    fn materialize(&mut self, id: IrId, name: impl FnOnce(&mut UsedNames) -> String) {
        self.shared
            .materialize_argument(id, self.definition, self.materialized, self.names, name);
    }
}

impl DefinitionMaterializer<'_> {
    pub(super) fn name(&self, kind: &str, id: IrId, used_names: &mut UsedNames) -> String {
        used_names.value_column_name(
            &format!("{}_{kind}", self.owner),
            self.program.meta(id).span.text(self.source),
        )
    }

    fn value_name(&self, id: IrId, used_names: &mut UsedNames) -> String {
        let preferred_name = value_name(self.program, id, self.source, self.owner);
        used_names.value_column_name(&preferred_name, self.program.meta(id).span.text(self.source))
    }

    /// Materializes long values that are used several times, arguments that a template repeats, windows over the rows
    /// of a group, and windows inside windows.
    pub fn materialize_values(&self, target: &mut MaterializationTarget<'_, '_>) {
        let program = self.program;
        let definition = &program.definitions[target.definition];
        // After grouping, a node that repeats a key is the key's column.
        let rows = target.shared.rows;
        let is_key = |id: IrId| self.aliases.contains_key(&id) && !rows[id.index()];
        for node in computed_nodes(program, definition.first, definition.root, is_key) {
            let is_repeated = self.repeated.try_get(node.index()) == Some(&true);
            if is_repeated && !self.aliases.contains_key(&node) && !target.materialized.contains(node) {
                self.materialize_named_for_value(node, target);
            }
            match program.node(node) {
                Ir::Apply { overload, args } => self.materialize_call_operands(node, overload, args, target),
                Ir::GroupWindow { args, role } => self.materialize_group_window(node, args, role, target),
                Ir::Window { call, over } => self.materialize_window_operands(call, over, target),
                Ir::RowLookup { args, lookup } => self.materialize_lookup_operands(args, lookup, target),
                Ir::PeriodLookup { value, .. } => self.materialize_period_lookup(value, target),
                _ => {}
            }
        }
    }

    /// Materializes a value as a column that is named after the value.
    fn materialize_named_for_value(&self, value: IrId, target: &mut MaterializationTarget<'_, '_>) {
        target.materialize(value, |used_names| self.value_name(value, used_names));
    }

    /// Returns whether a value needs no new column.
    fn is_existing_column(&self, value: IrId, target: &MaterializationTarget<'_, '_>) -> bool {
        is_trivial_value(self.program, value)
            || self.aliases.contains_key(&value)
            || target.materialized.contains(value)
    }

    /// Materializes the arguments that a template repeats, and the operands of its subquery.
    fn materialize_call_operands(
        &self,
        node: IrId,
        overload: catalog::OverloadId,
        args: PoolRange,
        target: &mut MaterializationTarget<'_, '_>,
    ) {
        let program = self.program;
        let Cell::Template(template) = self.dialect.cell(overload) else {
            return;
        };
        if template.subquery {
            self.materialize_subquery_operands(node, target);
        }
        if !template.repeats {
            return;
        }
        let params = catalog::overload(overload).map_or(&[][..], |o| o.params);
        let function = Some(catalog::get(catalog::overload_owner(overload))).filter(|function| !function.internal);
        let uses = program.args(args).iter().zip(template.uses).zip(params).enumerate();
        for (index, ((arg, uses), param)) in uses {
            // A constant that is computed per row is not available after grouping.
            let constant = self.grouped && program.meta(*arg).level == Level::Const;
            if *uses > 1 && !constant && !self.is_existing_column(*arg, target) {
                target.materialize(*arg, |used_names| {
                    let call = NamedCall {
                        function: function.map(|function| function.name),
                        param: param.name,
                        is_first: index == 0,
                        owner: self.owner,
                    };
                    let name = argument_name(program, *arg, self.source, call);
                    used_names.value_column_name(&name, program.meta(*arg).span.text(self.source))
                });
            }
        }
    }

    /// Materializes a window over the rows of a group. If the window sorts or counts a value, an earlier stratum must
    /// compute that value.
    fn materialize_group_window(
        &self,
        node: IrId,
        args: PoolRange,
        role: GroupWindowKind,
        target: &mut MaterializationTarget<'_, '_>,
    ) {
        let call = self.program.args(args).first().copied();
        let value = call
            .and_then(|call| self.program.operands(call).next())
            .filter(|_| role != GroupWindowKind::Value);
        if let Some(value) = value.filter(|value| !self.is_existing_column(*value, target)) {
            self.materialize_named_for_value(value, target);
        }
        target.materialize(node, |used_names| self.name(role.name(), node, used_names));
    }

    fn materialize_window_operands(&self, call: IrId, over: WindowFrameId, target: &mut MaterializationTarget<'_, '_>) {
        let program = self.program;
        // A partition key that reads other rows must be a column.
        let late = |key_id: &&IrId| program.meta(**key_id).level == Level::Window;
        for key_id in program.window_keys(over).iter().filter(late) {
            self.materialize_node(*key_id, target);
        }
        let Some(value) = program.operands(call).next() else {
            return;
        };
        let meta = program.meta(value);
        if meta.level == Level::Window {
            // An earlier stratum must compute the inner window.
            self.materialize_node(value, target);
            return;
        }
        // The SQL contains a ranked value twice because it also tests the value for NULL. The SQL of a count of equal
        // values, `count(x) over (partition by x)`, contains the value twice too.
        let over = program.window_frame(over);
        let is_tested = (over.is_sorted_by_argument() && meta.nullable) || over == WindowFrame::SameValue;
        if is_tested && !self.is_existing_column(value, target) {
            self.materialize_named_for_value(value, target);
        }
    }

    /// Materializes the value of another period. A helper definition that is computed from grouping keys becomes a
    /// column of the groups, because a lookup can read only columns of the other row.
    fn materialize_period_lookup(&self, value: IrId, target: &mut MaterializationTarget<'_, '_>) {
        if self.is_column(value, target.shared.step) {
            return;
        }
        match self.find_intermediate_definition(value, target.shared.step) {
            Some((helper, name)) => {
                target.materialize(value, |used_names| used_names.value_column_name(name, name));
                target.materialized.helpers.insert(helper, value);
            }
            None => self.materialize_node(value, target),
        }
    }

    /// Materializes the compared key, the returned value and the sheet's partition keys as columns of the searched
    /// rows. If the lookup chooses the nearest key, also materializes the lookup value as a column of the current row.
    fn materialize_lookup_operands(&self, args: PoolRange, lookup: u32, target: &mut MaterializationTarget<'_, '_>) {
        let program = self.program;
        let Some(lookup) = program.lookups.try_get(lookup as usize) else {
            return;
        };
        let step = target.shared.step;
        let lookup_args = program.args(args).iter().skip(1).take(2);
        let is_column = |id: IrId| self.is_column(id, step) || matches!(program.node(id), Ir::TabColumn { .. });
        let parts = (0..step.roles.len())
            .filter(|index| lookup.tab.is_none() && step.has_role(*index, DefinitionRole::PartitionBy));
        let parts: Vec<IrId> = parts.map(|index| step.definition_root(index)).collect();
        for id in lookup_args.chain(&parts).filter(|id| !is_column(**id)) {
            self.materialize_node(*id, target);
        }
        for lookup_value in lookup_values(program.args(args)) {
            let meta = program.meta(lookup_value);
            let in_place = lookup.matching == LookupMatchMode::Exact && meta.level < Level::Window && !meta.volatile;
            if meta.is_constant()
                || in_place
                || self.is_column(lookup_value, step)
                || target.materialized.contains(lookup_value)
            {
                continue;
            }
            if let Ir::Definition(_) = program.node(lookup_value) {
                self.materialize_node(lookup_value, target);
            } else {
                target.materialize(lookup_value, |used_names| {
                    let preferred_name = name_from_formula(program, lookup_value, self.source)
                        .unwrap_or_else(|| format!("lookup_key_for_{}", self.owner));
                    used_names.value_column_name(&preferred_name, meta.span.text(self.source))
                });
            }
        }
    }

    /// Materializes the operands that a template's subquery must read as columns: windows, and aggregates that the
    /// subquery cannot contain.
    fn materialize_subquery_operands(&self, node: IrId, target: &mut MaterializationTarget<'_, '_>) {
        let program = self.program;
        let aggregates = self.dialect.facts().aggregate_in_subquery;
        for arg in program
            .operands(node)
            .filter(|arg| !program.meta(*arg).is_allowed_in_subquery(aggregates))
        {
            if matches!(program.node(arg), Ir::Definition(_)) {
                self.materialize_node(arg, target);
            } else if !is_trivial_value(program, arg) && !target.materialized.contains(arg) {
                self.materialize_named_for_value(arg, target);
            }
        }
    }

    /// Materializes a value. If a definition consists of the value, the column has the definition's name.
    fn materialize_node(&self, value: IrId, target: &mut MaterializationTarget<'_, '_>) {
        let (program, step) = (self.program, target.shared.step);
        let mut named_definition = None;
        // If a definition's formula is only the name of another definition, use the name of that other definition.
        let finished = program.resolve_references_until(value, |_, definition| {
            named_definition = Some(definition);
            false
        });
        if target.materialized.contains(finished) {
            return;
        }
        let definition_name = named_definition
            .and_then(|index: usize| Some((program.definitions[index].name.as_deref()?, step.outputs[index])));
        match definition_name {
            Some((name, true)) => target.materialized.insert(finished, target.names.output_name(name)),
            Some((name, false)) => target
                .materialized
                .insert(finished, target.names.value_column_name(name, name)),
            None => target.materialize(finished, |used_names| match row_range_name(program, value) {
                Some(name) => used_names.value_column_name(&name, program.meta(value).span.text(self.source)),
                None => match self.window_suffix(finished) {
                    Some(kind) => self.name(kind, value, used_names),
                    None => self.value_name(finished, used_names),
                },
            }),
        }
    }

    /// Returns the column suffix of a window that counts equal values or ranks values. `None` for a window that
    /// returns a value.
    fn window_suffix(&self, value: IrId) -> Option<&'static str> {
        match self.program.node(value) {
            Ir::Window { over, .. } => match self.program.window_frame(over) {
                WindowFrame::SameValue => Some(GroupWindowKind::Occurrences.name()),
                WindowFrame::Ranked { descending, .. } => Some(GroupWindowKind::ExpressionPlace { descending }.name()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the helper that a value refers to, with its name. In a grouped step, a helper is a row-level definition
    /// that is not an output.
    fn find_intermediate_definition(&self, value: IrId, step: &StepPlan<'_>) -> Option<(usize, &str)> {
        let Ir::Definition(index) = self.program.node(value) else {
            return None;
        };
        let definition_index = index as usize;
        self.program.definitions[definition_index]
            .name
            .as_deref()
            .filter(|_| step.is_intermediate_definition(definition_index))
            .map(|name| (definition_index, name))
    }

    /// Returns whether a value is an input column or a column of the groups.
    pub fn is_column(&self, value: IrId, step: &StepPlan<'_>) -> bool {
        let is_key = |_, definition: usize| step.grouped && step.keys[definition];
        let value = self.program.resolve_references_until(value, is_key);
        let is_name = matches!(self.program.node(value), Ir::Column(_) | Ir::Definition(_));
        is_name || self.aliases.contains_key(&value)
    }
}
