//! CTEs that lookups join: the first row of each key, and numbered rows.

use rustc_hash::FxHashSet;

use super::key_lookups::{LookupOperands, LookupSelect, NumberedRowsCte};
use super::lookup_by_key::{LookupJoin, LookupJoinKind, QuotableColumnName};
use super::names::unused_name;
use super::planner::Planner;
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::ir::{IrId, LookupMatchMode};
use crate::schema::Column;
use crate::span::Span;
use crate::sql::{Cte, Item, RowPlan, SelectSource, SqlId};

impl Planner<'_> {
    /// Returns the sort keys of the searched rows, qualified with `qualifier`. If `behind_key` is set, the result
    /// excludes the compared key, because the caller already sorts by it.
    pub(super) fn emit_search_sort_keys(
        &mut self,
        parts: LookupOperands,
        stratum: u32,
        qualifier: Option<&str>,
        behind_key: bool,
    ) -> Vec<SqlId> {
        let Some(tab) = self.tab(parts.lookup.tab) else {
            // The lookup searches the sheet's own rows.
            if self.roles.order.is_empty() {
                self.report_missing_lookup_order(parts, stratum);
            }
            let name = qualifier.map(|name| self.emitter.emit_name(name, Span::default()));
            let saved = self.take_qualifier();
            (self.emitter.qualifier, self.emitter.shadowed) = (name, qualifier.is_some());
            self.in_windows = true;
            self.set_window_keys(stratum);
            self.in_windows = false;
            self.restore_qualifier(saved);
            return std::mem::take(&mut self.emitter.windows.order);
        };
        let mut keys: Vec<(Column, bool)> = tab.order.clone();
        let searched = self.searched_column(parts.by, stratum);
        let is_key = |column: &Column| {
            let name = searched.as_ref().map(|(name, _)| name);
            name.is_some_and(|name| column.name().eq_ignore_ascii_case(name))
        };
        if keys.is_empty() {
            // Sort by all other columns if no order is specified, so that the same row is chosen each time.
            let others = tab.columns.iter().filter(|column| !is_key(column));
            keys.extend(others.map(|column| (column.clone(), false)));
        }
        let mut order = Vec::with_capacity(keys.len());
        if behind_key {
            keys.retain(|(column, _)| !is_key(column));
        }
        for (column, descending) in keys {
            let key = match qualifier {
                Some(name) => self
                    .emitter
                    .emit_qualified_column(name, column.name(), column.is_quoted()),
                None => self.emitter.emit_column_by_name(column.name(), column.is_quoted()),
            };
            order.push(self.emitter.emit_order_by_key(key, descending, column.is_nullable()));
        }
        if order.is_empty() && parts.lookup.matching == LookupMatchMode::Exact {
            order.extend(searched.map(|(name, is_quoted)| self.emitter.emit_column_by_name(&name, is_quoted)));
        }
        order
    }

    #[cold]
    pub(super) fn report_missing_lookup_order(&mut self, parts: LookupOperands, stratum: u32) {
        let key = self
            .searched_column(parts.by, stratum)
            .map(|(name, _)| name)
            .unwrap_or_default();
        let span = self.step.program.meta(parts.by).span;
        let message = format!("several rows may have the same `{key}`, but their order is not specified");
        let help = "add `order_by:` to the step, for example `order_by: month`";
        self.emitter
            .report(Diagnostic::new(Code::OrderNeeded, span, message).with_help(help));
    }

    pub(super) fn emit_row_number(&mut self, partition: &[SqlId], order: &[SqlId]) -> SqlId {
        self.emit_window_call("row_number", &[], partition, order)
    }

    pub(super) fn emit_window_call(
        &mut self,
        name: &'static str,
        args: &[SqlId],
        partition: &[SqlId],
        order: &[SqlId],
    ) -> SqlId {
        let tree = self.emitter.tree();
        let x = tree.add_call(name, args, Span::default());
        let mut order = order.to_vec();
        tree.add_missing_asc_keywords(&mut order);
        tree.add_window(x, partition, &order, Span::default())
    }

    /// Returns a name that no other column of the CTE uses.
    pub(super) fn unused_column_name(
        &self,
        preferred_name: &str,
        columns: &[(QuotableColumnName, IrId)],
        tab: Option<u32>,
    ) -> String {
        let of_tab = self.tab(tab).map_or(&[][..], |tab| tab.columns.as_slice());
        let in_use = columns.iter().map(|((column, _), _)| column.as_str());
        let in_use = in_use.chain(of_tab.iter().map(Column::name));
        unused_name(preferred_name, in_use, self.emitter.dialect.max_bytes())
    }

    pub(super) fn alias_text(&self, (name, quoted): &QuotableColumnName) -> String {
        self.emitter.dialect.name_text(name, !quoted)
    }

    /// Adds a CTE that numbers the searched rows in their sort order, both overall and among the rows with the same
    /// key. `sharing_lookups` contains the lookups that read the CTE.
    pub(super) fn add_row_number_cte(
        &mut self,
        lookup: LookupSelect<'_>,
        sharing_lookups: &[LookupOperands],
        ctes: &mut Vec<Cte>,
    ) -> NumberedRowsCte {
        let LookupSelect { parts, stratum, from } = lookup;
        let by_number = parts.lookup.by_number;
        let exact = parts.lookup.matching == LookupMatchMode::Exact;
        let key = (!by_number).then(|| self.key_lookups.lookup_value_number(parts.by));
        // The rows of another tab are the same in all strata. The sheet's own rows come from the previous stratum, so
        // they differ between strata.
        let rows = match parts.lookup.tab {
            Some(tab) => tab.to_string(),
            None => format!("of {from}"),
        };
        let existing = self
            .key_lookups
            .numbered_row_ctes
            .iter()
            .find(|(existing_rows, existing_key, _)| exact && (existing_rows, existing_key) == (&rows, &key));
        if let Some((.., numbered_rows)) = existing {
            return numbered_rows.clone();
        }
        let searched = self.searched_rows(parts.lookup.tab, stratum, from);
        let columns = self.columns_read_by_lookups(sharing_lookups, true, stratum);
        let unique = by_number || !exact || self.is_lookup_key_unique(parts, stratum);
        let counts = by_number || sharing_lookups.iter().any(|other| other.returned.is_none());
        let key_name = self
            .searched_column(parts.by, stratum)
            .map(|(name, _)| name)
            .unwrap_or_default();
        let shown_key = self.key_name(parts, stratum);
        let row_number =
            (!unique).then(|| self.unused_column_name(&format!("{shown_key}_row"), &columns, parts.lookup.tab));
        let position = self.unused_column_name("position", &columns, parts.lookup.tab);
        let alone = self.set_select_qualifier(parts.lookup.tab, stratum, from);
        let order = self.emit_search_sort_keys(parts, stratum, alone.as_deref(), false);
        let mut items = Vec::new();
        let parted = self.emit_search_partition_keys(parts.lookup.tab, stratum);
        let mut partition = parted.clone();
        for (column, id) in &columns {
            let expr = self.emitter.emit_column_by_name(&column.0, column.1);
            if *id == parts.by || column.0.eq_ignore_ascii_case(&key_name) {
                partition.push(self.emitter.partition_key(parts.by, expr));
            }
            items.push(Item::unnamed(expr));
        }
        if let Some(row_number) = &row_number {
            let expr = self.emit_row_number(&partition, &order);
            items.push(Item::named(expr, self.quoted_name(row_number)));
        }
        if counts {
            let expr = self.emit_row_number(&parted, &order);
            items.push(Item::named(expr, self.quoted_name(&position)));
        }
        let preferred_name = match key {
            Some(_) if exact && !unique => format!("{}_numbered_by_{shown_key}", searched.name),
            _ => format!("{}_numbered", searched.name),
        };
        let name = self.cte_names.choose_short_name(&preferred_name);
        let body = RowPlan::scan(searched.source.clone()).project(items);
        self.add_cte(&name, body, ctes);
        self.reset_qualifier();
        let with_others = sharing_lookups
            .iter()
            .any(|other| !self.step.program.meta(other.lookup_value).is_constant());
        let first = row_number.as_ref().filter(|_| with_others).map(|row_number| {
            let first = self
                .cte_names
                .choose_short_name(&format!("{}_by_{shown_key}", searched.name));
            let items = self.build_lookup_result_items(&columns, counts.then_some(position.as_str()));
            let body = self.build_first_rows_select(&name, row_number, items);
            self.add_cte(&first, body, ctes);
            first
        });
        if row_number.is_some() {
            self.warn_of_multiple_matches(parts, &key_name);
        }
        let new_rows = NumberedRowsCte {
            name,
            first,
            row_number,
            position,
        };
        if exact {
            self.key_lookups.numbered_row_ctes.push((rows, key, new_rows.clone()));
        }
        new_rows
    }

    /// Returns a select list with the columns that lookups read from a CTE. Includes the column of row numbers, if
    /// there is one.
    pub(super) fn build_lookup_result_items(
        &mut self,
        columns: &[(QuotableColumnName, IrId)],
        position: Option<&str>,
    ) -> Vec<Item> {
        let columns = columns.iter().map(|((name, quoted), _)| (name.as_str(), *quoted));
        columns
            .chain(position.map(|position| (position, false)))
            .map(|(name, quoted)| Item::unnamed(self.emitter.emit_column_by_name(name, quoted)))
            .collect()
    }

    /// Returns a select that reads a CTE with numbered rows and keeps the first row of each key.
    pub(super) fn build_first_rows_select(&mut self, numbered: &str, row_number: &str, items: Vec<Item>) -> RowPlan {
        let filter = Some(self.emit_first_row_test(row_number));
        RowPlan::scan_cte(self.quoted_name(numbered))
            .filter(filter)
            .project(items)
    }

    /// Returns the partition keys of the searched rows, for a select that reads only these rows.
    pub(super) fn emit_search_partition_keys(&mut self, tab: Option<u32>, stratum: u32) -> Vec<SqlId> {
        let mut partition = Vec::new();
        for ((name, quoted), id) in self.partition_columns(tab, stratum) {
            let key_sql = self.emitter.emit_column_by_name(&name, quoted);
            partition.push(self.emitter.partition_key(id, key_sql));
        }
        partition
    }

    /// Emits `row_number = 1`.
    pub(super) fn emit_first_row_test(&mut self, row_number: &str) -> SqlId {
        let row_number = self.emitter.emit_column_by_name(row_number, false);
        let one = self.emitter.tree().add_text(Span::default(), |out| out.push('1'));
        self.emitter
            .tree()
            .add_binary(Op::Equal, row_number, one, Span::default())
    }

    pub(super) fn warn_of_multiple_matches(&mut self, parts: LookupOperands, key: &str) {
        let Some(tab) = self.tab(parts.lookup.tab).filter(|tab| !tab.ordered) else {
            return;
        };
        let span = self.step.program.meta(parts.by).span;
        let message = format!(
            "several rows of `{}` may have the same `{key}`, but their order is not specified",
            tab.name
        );
        let help = format!(
            "add `order_by` to the tab, or add `primary_key: [{key}]` to `{}` in the schema",
            tab.name
        );
        self.emitter
            .diagnostics
            .push(Diagnostic::new(Code::SeveralMatches, span, message).with_help(help));
    }

    /// Adds the CTEs that look up a constant key once for all rows. The values are NULL if no row has that key.
    pub(super) fn add_constant_key_ctes(
        &mut self,
        lookup_join: &mut LookupJoin,
        lookup: LookupSelect<'_>,
        ctes: &mut Vec<Cte>,
    ) {
        let LookupSelect { parts, stratum, from } = lookup;
        let sharing_lookups = self.lookups_sharing_cte(parts, true);
        let counts = sharing_lookups.iter().any(|other| other.returned.is_none());
        let direct = !parts.lookup.by_number && !counts && self.is_lookup_key_unique(parts, stratum);
        let (source, row_number) = if direct {
            self.set_select_qualifier(parts.lookup.tab, stratum, from);
            (self.searched_rows(parts.lookup.tab, stratum, from).source, None)
        } else {
            let lookups = self.lookups_sharing_cte(parts, false);
            let numbered = self.add_row_number_cte(lookup, &lookups, ctes);
            lookup_join.position = numbered.position;
            (
                SelectSource::Name(self.quoted_name(&numbered.name)),
                numbered.row_number,
            )
        };
        let test = self.emit_lookup_key_condition(parts, stratum, &lookup_join.position);
        let filter = match row_number {
            Some(row_number) => {
                let first = self.emit_first_row_test(&row_number);
                self.emitter.tree().add_binary(Op::And, test, first, Span::default())
            }
            None => test,
        };
        self.add_single_match_cte(lookup_join, lookup, &sharing_lookups, source, filter, ctes);
    }

    /// Emits the condition that tests the key, for a select that reads only the searched rows.
    pub(super) fn emit_lookup_key_condition(&mut self, parts: LookupOperands, stratum: u32, position: &str) -> SqlId {
        let (name, quoted) = match parts.lookup.by_number {
            true => (position.to_owned(), false),
            false => self.searched_column(parts.by, stratum).unwrap_or_default(),
        };
        let key = self.emitter.emit_column_by_name(&name, quoted);
        self.emitter.set_sql(parts.by, key);
        self.emit_condition(parts.lookup.test, &[parts.by])
    }

    /// Adds a CTE with a single row: the values that lookups read from the row that meets the condition, or NULLs if no
    /// row meets it. If the sheet has partition keys, the CTE contains one row for each partition in which a row meets
    /// the condition.
    pub(super) fn add_single_match_cte(
        &mut self,
        lookup_join: &mut LookupJoin,
        lookup: LookupSelect<'_>,
        sharing_lookups: &[LookupOperands],
        source: SelectSource,
        filter: SqlId,
        ctes: &mut Vec<Cte>,
    ) {
        let LookupSelect { parts, stratum, from } = lookup;
        let mut items = Vec::new();
        let value_lookups: Vec<LookupOperands> = sharing_lookups
            .iter()
            .filter(|other| other.returned.is_some())
            .copied()
            .collect();
        let read_columns = value_lookups
            .iter()
            .filter_map(|other| self.searched_column(other.returned?, stratum));
        let read_names: FxHashSet<String> = read_columns.map(|(name, _)| name.to_ascii_lowercase()).collect();
        let parted = self.partition_columns(parts.lookup.tab, stratum);
        for (column, id) in self.columns_read_by_lookups(sharing_lookups, false, stratum) {
            let column_sql = self.emitter.emit_column_by_name(&column.0, column.1);
            let is_part = parted.iter().any(|(part, _)| part.0.eq_ignore_ascii_case(&column.0));
            if is_part || (!parted.is_empty() && read_names.contains(&column.0.to_ascii_lowercase())) {
                items.push(Item::unnamed(column_sql));
                continue;
            }
            let expr = self.emitter.emit_maximum(id, column_sql);
            items.push(Item::named(expr, self.alias_text(&column)));
        }
        if value_lookups.len() < sharing_lookups.len() {
            let position = lookup_join.position.clone();
            let position_sql = self.emitter.emit_column_by_name(&position, false);
            items.push(match parted.is_empty() {
                true => {
                    let expr = self.emitter.tree().add_call("max", &[position_sql], Span::default());
                    Item::named(expr, self.quoted_name(&position))
                }
                false => Item::unnamed(position_sql),
            });
        }
        let searched = self.searched_rows(parts.lookup.tab, stratum, from);
        let name = self.cte_names.choose_short_name(&format!(
            "{}_for_{}",
            searched.name,
            self.lookup_value_identifier(parts.lookup_value)
        ));
        let rows = RowPlan::scan(source).filter(filter);
        let body = match parted.is_empty() {
            true => rows.aggregate(Vec::new(), items),
            false => rows.project(items),
        };
        lookup_join.source = Some(self.add_cte(&name, body, ctes));
        lookup_join.alias = name;
        lookup_join.how = LookupJoinKind::One;
    }
}
