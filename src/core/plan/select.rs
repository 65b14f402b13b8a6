//! `SELECT` statements of a step: one per stratum, in order.

use rustc_hash::{FxHashMap, FxHashSet};

use super::joins::PassthroughColumns;
use super::lookup_by_key::to_identifier_fragment;
use super::outputs::OutputColumn;
use super::planner::Planner;
use super::step::{InputColumn, InputProjection};
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::sql::{Cte, Item, RowPlan, SelectList, SelectSource, SqlId, Star, implicit_name};

impl Planner<'_> {
    /// Returns the CTEs, the last select, and the index of the first stratum's CTE. The index is `None` if the first
    /// stratum is the last select.
    pub(super) fn build_selects(&mut self) -> (Vec<Cte>, RowPlan, Option<usize>) {
        let last = self.strata.last;
        let mut ctes = Vec::new();
        let mut from = self.input.name.to_owned();
        let mut first = None;
        for stratum in 0..last {
            let (select, first_new) = self.build_stratum_select(stratum, &from);
            ctes.append(&mut self.lookups.sources);
            let name = self.stratum_name(stratum, first_new.as_deref());
            from.clone_from(&name);
            first = first.or(Some(ctes.len()));
            ctes.push(Cte::new(self.quoted_name(&name), select));
        }
        let body = self.build_last_select(&from);
        ctes.append(&mut self.lookups.sources);
        (ctes, body, first)
    }

    /// Adds a CTE and returns it as the source of other plans.
    pub(super) fn add_cte(&self, name: &str, body: RowPlan, ctes: &mut Vec<Cte>) -> SelectSource {
        let name = self.quoted_name(name);
        ctes.push(Cte::new(name.clone(), body));
        SelectSource::Name(name)
    }

    pub(super) fn quoted_name(&self, name: &str) -> String {
        self.emitter.dialect.name_text(name, true)
    }

    /// Returns the name of a stratum's CTE. The CTE has the step's own name if the step is the last step and the CTE
    /// has the rows that an analyst expects under that name. Otherwise, its name is an unused name derived from the
    /// added columns. The name of any other step belongs to the CTE with all columns of the step.
    fn stratum_name(&mut self, stratum: u32, first_new: Option<&str>) -> String {
        let step = self.spec.name;
        let is_main = stratum == self.strata.main && self.step.grouped;
        if self.spec.last && (is_main || stratum == 0 && !self.step.grouped) {
            return step.to_owned();
        }
        let preferred_name = match first_new {
            _ if is_main => format!("{step}_grouped"),
            // If several steps add a column with the same name, the name of the input distinguishes their CTEs.
            Some(name) => match format!("with_{name}") {
                name if self.cte_names.is_free(&name) => name,
                name => format!("{}_{name}", to_identifier_fragment(self.input.name)),
            },
            // A stratum that adds no columns is a filter.
            None => format!("{step}_filtered"),
        };
        self.cte_names.choose_short_name(&preferred_name)
    }

    /// Returns the expressions that a stratum computes, with the names of their columns.
    pub(super) fn requested_columns(&self, stratum: u32) -> Vec<(String, IrId)> {
        let grouping = self.step.grouped && stratum == self.strata.main;
        let mut requested: Vec<(String, IrId)> = Vec::new();
        if stratum == self.strata.last {
            requested.extend(self.outputs.iter().map(|output| (output.name.clone(), output.root)));
            return requested;
        }
        if grouping {
            let mut seen = FxHashSet::default();
            for output in &self.outputs {
                let is_grouped_here = output.key || self.strata.stratum_of(output.root) == stratum;
                // If two keys are equal, later selects read only one of them.
                let is = if output.key {
                    self.canonical_node(output.root)
                } else {
                    self.materialized.representative(output.root)
                };
                if is_grouped_here && seen.insert(is) {
                    let name = self
                        .columns
                        .get(&self.canonical_node(output.root))
                        .map_or(&output.name, |(_, name)| name);
                    requested.push((name.clone(), output.root));
                }
            }
        }
        let grouped: rustc_hash::FxHashSet<IrId> = requested
            .iter()
            .map(|(_, id)| self.materialized.representative(*id))
            .collect();
        for id in self
            .materialized_by_stratum
            .get(stratum as usize)
            .into_iter()
            .flatten()
            .filter(|id| !grouped.contains(id))
        {
            requested.push((self.materialized.name(*id).unwrap_or_default().to_owned(), *id));
        }
        requested
    }

    /// Returns the conditions that a stratum tests.
    pub(super) fn stratum_conditions(&self, stratum: u32) -> impl Iterator<Item = IrId> {
        let filter = self.roles.filter.filter(|_| stratum == self.strata.filter);
        filter
            .into_iter()
            .chain(self.roles.having.filter(|_| stratum == self.strata.having))
    }

    /// Returns the grouping select, or a select that passes on all input columns and adds new columns.
    fn build_stratum_select(&mut self, stratum: u32, from: &str) -> (RowPlan, Option<String>) {
        let grouping = self.step.grouped && stratum == self.strata.main;
        let requested = self.requested_columns(stratum);
        let first_new = requested.first().map(|(name, _)| name.clone());
        let mut select = self.build_select(stratum, from, &requested);
        // If several relations are joined, pass on only the columns that later strata read, because two relations can
        // have columns with the same name.
        let (items, has_star) = if grouping {
            (Vec::new(), false)
        } else if self.joined_input(stratum).is_some() {
            let has_star = matches!(self.spec.keep, InputProjection::All);
            (self.passthrough_select_items(), has_star)
        } else if stratum == 0 && self.input_shadows_computed_value() {
            (self.expand_star_items(), false)
        } else {
            (Vec::new(), true)
        };
        if let Some(list) = select.list_mut() {
            list.items.splice(..0, items);
            list.star.take_if(|_| !has_star);
        }
        (select, first_new)
    }

    /// Returns the select with the step's columns, in their order.
    fn build_last_select(&mut self, from: &str) -> RowPlan {
        let stratum = self.strata.last;
        let grouping = self.step.grouped && stratum == self.strata.main;
        let requested = self.requested_columns(stratum);
        let mut select = self.build_select(stratum, from, &requested);
        let input_columns = match grouping {
            true => Some(Vec::new()),
            false => self.passthrough_columns(stratum),
        };
        let carried_count = match input_columns {
            Some(_) => 0,
            None => self.count_outputs_in_star(stratum),
        };
        if let Some(list) = select.list_mut() {
            list.items.drain(..carried_count.min(list.items.len()));
            if let Some(mut columns) = input_columns {
                let output_names = requested.into_iter().map(|(name, _)| name);
                columns.extend(output_names.zip(list.items.drain(..)));
                if !self.spec.first.is_empty() {
                    columns.sort_by_key(|(name, _)| self.spec.leading_position(name));
                }
                list.star = None;
                list.items.extend(columns.into_iter().map(|(_, item)| item));
            }
        }
        if self.is_ordered(stratum) {
            select = select.sort(self.emit_order_by(from));
        }
        select.limit(self.spec.limit)
    }

    /// Returns the input columns that the step keeps, with their names, except those that an output replaces. `None` if
    /// the columns are unknown.
    fn passthrough_columns(&mut self, stratum: u32) -> Option<Vec<(String, Item)>> {
        let outputs = self.output_names();
        let is_replaced = |name: &str| outputs.contains(&name.to_ascii_lowercase());
        let names: Vec<String> = match &self.spec.keep {
            InputProjection::Nothing => Vec::new(),
            InputProjection::Joined(columns) => {
                let columns = columns.iter().filter(|column| !is_replaced(&column.name));
                let item = |column: &InputColumn| {
                    let expr = self.emit_input_column(column, stratum);
                    let alias = self.passthrough_column_name(column);
                    (column.name.clone(), self.select_item(expr, alias))
                };
                return Some(columns.map(item).collect());
            }
            InputProjection::Some(names) => names.iter().map(|name| (*name).to_owned()).collect(),
            InputProjection::All => {
                let input_relation = self
                    .input
                    .relation
                    .filter(|relation| !relation.is_marked_incomplete())?;
                let columns = input_relation.without_struct_fields();
                columns.columns().iter().map(|c| c.name().to_owned()).collect()
            }
        };
        let item = |name: String| {
            let sql_name = self.passthrough_column_name(&InputColumn {
                relations: Vec::new(),
                name: name.clone(),
            });
            let column_sql = self.emitter.tree().add_raw_text(&sql_name);
            let expr = self.emitter.qualify_if_shadowed(column_sql, Span::default());
            (name, Item::unnamed(expr))
        };
        Some(names.into_iter().filter(|name| !is_replaced(name)).map(item).collect())
    }

    /// Returns the number of the step's outputs that `*` already includes because earlier strata add them. The number
    /// is used if no schema specifies the columns. A column that `*` would include twice, or that is not an output, is
    /// stored in `star_conflict`.
    fn count_outputs_in_star(&mut self, stratum: u32) -> usize {
        let added: Vec<IrId> = self
            .materialized_by_stratum
            .iter()
            .take(stratum as usize)
            .flatten()
            .copied()
            .collect();
        let is_output = |(id, output): &(&IrId, &OutputColumn)| {
            self.materialized.representative(output.root) == **id
                && self.materialized.name(**id) == Some(output.name.as_str())
        };
        let count = added.iter().zip(&self.outputs).take_while(is_output).count();
        let passed_on = self.passed_on.first_column_name().map(str::to_owned);
        let helper = added
            .get(count)
            .and_then(|id| self.materialized.name(*id))
            .map(str::to_owned);
        // Ignore a column that the source qualifies with another relation.
        let is_step_input = |relation: &str| self.input.joined.is_none() || relation == self.input.name;
        let columns = self.program().columns.iter();
        let read_names: FxHashSet<String> = columns
            .filter(|column| column.relation.as_deref().is_none_or(is_step_input))
            .map(|column| column.name.to_ascii_lowercase())
            .collect();
        let is_read = |output: &&OutputColumn| read_names.contains(&output.name.to_ascii_lowercase());
        let shadowed = || self.outputs.iter().find(is_read).map(|o| o.name.clone());
        self.star_conflict = shadowed().or(passed_on).or(helper);
        count
    }

    /// Returns a select of the given expressions, with the filters and grouping keys of its stratum.
    fn build_select(&mut self, stratum: u32, from: &str, requested: &[(String, IrId)]) -> RowPlan {
        let grouping = self.step.grouped && stratum == self.strata.main;
        let filter = self.roles.filter.filter(|_| stratum == self.strata.filter);
        let tested = self.roles.having.filter(|_| stratum == self.strata.having);
        let mut keys: Vec<IrId> = if grouping { self.group_keys() } else { Vec::new() };
        if grouping {
            let groups: Vec<IrId> = requested.iter().map(|(_, id)| *id).chain(tested).collect();
            keys.extend(self.find_functionally_dependent_columns(&groups, &keys, stratum));
        }
        let joined = self.joined_input(stratum);
        let mut roots: Vec<IrId> = requested.iter().map(|(_, id)| *id).collect();
        roots.extend(filter.iter().chain(&tested).chain(&keys));
        let key_nodes: Vec<IrId> = keys.iter().chain(&tested).copied().collect();
        if self.step.grouped && stratum > self.strata.main {
            // After grouping, the keys are the only remaining columns of the first select. The selected columns have
            // their output names.
            self.passed_on = PassthroughColumns::default();
            self.emitter.clear_renamed_columns();
            self.emitter.rename_struct_fields();
        }
        // Columns of several relations are qualified with their relations.
        self.emitter.set_input_kind(joined.is_some(), stratum > 0);
        self.emitter.qualifier = if grouping && joined.is_none() {
            self.grouping_qualifier(&key_nodes, stratum, from, requested)
        } else {
            None
        };
        let shadows = self.emitter.dialect.facts().relation_shadows_column && joined.is_none();
        self.lookups = self.find_lookups(&roots, stratum, from);
        self.add_lookup_ctes(stratum, from);
        // If two relations are read, each column is qualified with its relation.
        self.emitter.shadowed = !self.lookups.is_empty() || (shadows && self.has_column_named(from, stratum));
        if self.emitter.shadowed {
            self.emitter.qualifier = Some(self.emitter.emit_name(from, Span::default()));
        }
        self.named_window = None;
        self.emitter.windows.period_lookup_keys = self.emit_period_frame_keys(stratum);
        self.emit_nodes(&roots, stratum);
        let source = self.select_source(stratum, from);
        let mut rows = RowPlan::scan(source.clone());
        let window = self.named_window.take();
        let mut star = Some(Star(None));
        if !self.lookups.is_empty() {
            star = Some(Star(Some(self.quoted_name(from))));
            rows = rows.join(self.build_lookup_joins(stratum, from, &source));
        }
        if let Some(joined) = joined {
            rows = rows.join(self.emit_joins(joined));
            star = Some(Star(Some(self.quoted_name(self.input.name))));
        }
        let mut items = Vec::with_capacity(requested.len());
        for (name, id) in requested {
            let is_computed = self.stratum_column(*id, stratum).is_none();
            let expr = if is_computed {
                self.emitter.emit_root(*id)
            } else {
                self.emit_column_or_value(*id, stratum)
            };
            let alias = self.emitter.generated_name_text(name);
            items.push(self.select_item(expr, alias));
        }
        if grouping && keys.is_empty() {
            self.ensure_one_row(requested, stratum, &mut items);
        }
        // Groups are filtered by HAVING in the grouping select, and by WHERE on their columns in a later stratum.
        let before = filter.into_iter().chain(tested.filter(|_| !grouping));
        let conditions: Vec<SqlId> = before.map(|id| self.emit_column_or_value(id, stratum)).collect();
        let rows = rows.filter(self.emitter.tree().add_conjunction(conditions));
        if stratum == 0 && self.spec.times {
            self.times = self.find_time_columns();
        }
        if !grouping {
            return rows.project_list(SelectList { star, items, window });
        }
        let keys = keys.iter().map(|id| self.emit_column_or_value(*id, stratum)).collect();
        let condition = tested.map(|id| self.emit_column_or_value(id, stratum));
        let star = None;
        rows.aggregate_list(keys, SelectList { star, items, window })
            .filter(condition)
    }

    /// Ensures that a grouped select without keys returns one row, even if its SQL contains no aggregates.
    fn ensure_one_row(&mut self, requested: &[(String, IrId)], stratum: u32, items: &mut [Item]) {
        let roots: Vec<IrId> = requested.iter().map(|(_, id)| *id).collect();
        let is_aggregate = |node: Ir| matches!(node, Ir::Aggregate { .. } | Ir::CountRows);
        if !self.computed_sql_nodes(roots, stratum).any(is_aggregate)
            && let Some(item) = items.first_mut()
        {
            item.expr = self.emitter.emit_constant_as_aggregate(item.expr);
        }
    }

    /// Returns a select item with the given column name, as written in SQL. The item has an alias unless its expression
    /// already has that name. For example, `revenue.shop` has the name `shop`.
    pub(super) fn select_item(&mut self, expr: SqlId, name: String) -> Item {
        let has_name = implicit_name(self.emitter.tree(), expr) == name;
        Item::new(expr, (!has_name).then_some(name))
    }

    /// Returns the source that a stratum reads.
    pub(super) fn select_source(&self, stratum: u32, from: &str) -> SelectSource {
        if let (0, Some(source)) = (stratum, self.input.source) {
            SelectSource::Input(source)
        } else {
            SelectSource::Name(self.quoted_name(from))
        }
    }

    /// Returns the relation whose name must qualify column references. `None` unless GROUP BY or HAVING reads a column
    /// with the same name as an output of the same select, because engines differ in how they resolve such a name.
    pub(super) fn grouping_qualifier(
        &mut self,
        roots: &[IrId],
        stratum: u32,
        from: &str,
        requested: &[(String, IrId)],
    ) -> Option<SqlId> {
        let program = self.step.program;
        let outputs: FxHashMap<String, IrId> = requested
            .iter()
            .map(|(name, root)| (name.to_ascii_lowercase(), *root))
            .collect();
        let clashes = |node: Ir| {
            let Ir::Column(column) = node else { return false };
            let output = outputs.get(&program.columns[column as usize].name.to_ascii_lowercase());
            output.is_some_and(|root| program.node(*root) != Ir::Column(column))
        };
        let clash = self.computed_nodes(roots, stratum).any(clashes);
        clash.then(|| self.emitter.emit_name(from, Span::default()))
    }

    /// Returns whether this stratum returns its rows in the step's order.
    pub(super) fn is_ordered(&self, stratum: u32) -> bool {
        stratum == self.strata.last && (self.spec.last || self.spec.limit.is_some())
    }

    /// Returns the grouping keys of the step.
    fn group_keys(&self) -> Vec<IrId> {
        self.dedup_nodes(self.outputs.iter().filter(|o| o.key).map(|o| o.root))
    }

    /// Removes nodes that are equal to an earlier node.
    pub(super) fn dedup_nodes(&self, ids: impl Iterator<Item = IrId>) -> Vec<IrId> {
        let mut seen = rustc_hash::FxHashSet::default();
        ids.filter(|id| seen.insert(self.canonical_node(*id))).collect()
    }

    pub(super) fn emit_column_or_value(&mut self, id: IrId, stratum: u32) -> SqlId {
        match self.stratum_column(id, stratum).map(str::to_owned) {
            Some(name) => self.emitter.emit_column_name(&name, self.step.program.meta(id).span),
            None => self.emitter.emitted_sql(id),
        }
    }

    /// Emits all nodes that the roots need in this stratum, in order. Nodes that an earlier stratum computes are
    /// emitted as columns.
    pub(super) fn emit_nodes(&mut self, roots: &[IrId], stratum: u32) {
        let program = self.step.program;
        let ids = self.nodes_in_order(roots, stratum);
        let is = |kind: fn(Ir) -> bool| {
            ids.iter()
                .any(|id| kind(program.node(*id)) && self.stratum_column(*id, stratum).is_none())
        };
        let windows = is(|node| matches!(node, Ir::Window { .. }));
        let groups = is(|node| matches!(node, Ir::GroupWindow { .. }));
        if windows && !self.in_windows {
            self.in_windows = true;
            self.set_window_keys(stratum);
            self.in_windows = false;
            self.add_step_window(&ids, stratum);
        }
        if groups {
            let keys = self.group_keys();
            self.emit_nodes(&keys, stratum);
            self.emitter.windows.groups = keys.iter().map(|id| self.partition_key(*id, stratum)).collect();
        }
        for id in ids {
            match (self.stratum_column(id, stratum).map(str::to_owned), program.node(id)) {
                (Some(name), _) => self.emitter.emit_node_as_column(id, &name),
                (None, Ir::PeriodLookup { .. } | Ir::RowLookup { .. }) => self.emit_lookup_value(id, stratum),
                (None, _) => self.emitter.emit(id),
            }
        }
    }
}
