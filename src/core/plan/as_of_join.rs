//! CTEs that choose the row whose key is nearest to the lookup value.

use super::key_lookups::{LookupOperands, LookupSelect, NextKeyCte};
use super::lookup_by_key::{LookupJoin, LookupJoinKind, QuotableColumnName, SearchedRows, to_identifier_fragment};
use super::planner::Planner;
use crate::dialect::op::Op;
use crate::ir::{IrId, LookupMatchMode};
use crate::span::Span;
use crate::sql::{Cte, Item, Join, JoinKind, RowPlan, SelectSource, Sql, SqlId};

/// Columns of the CTE with the candidates for each lookup value.
struct LookupCandidateColumns {
    /// Column of the sheet that contains the lookup values.
    sheet_column: QuotableColumnName,
    /// Name of the lookup values' column in the CTE.
    cte_column: String,
    /// Columns that the lookups read.
    columns: Vec<(QuotableColumnName, IrId)>,
    /// Column of the row numbers, if a lookup returns a row number.
    position: Option<String>,
    /// Column that numbers the candidates of each lookup value. The row with number 1 is chosen.
    row_number: String,
}

/// Rows that nearest-key lookups search, sorted so that the row to choose comes first.
struct NearestRows {
    source: SelectSource,
    /// Columns that the lookups read.
    columns: Vec<(QuotableColumnName, IrId)>,
    items: Vec<Item>,
    key: SqlId,
    key_name: String,
    order: Vec<SqlId>,
    partition: Vec<SqlId>,
    /// Column of the row numbers, if a lookup returns a row number.
    position: Option<String>,
}

impl Planner<'_> {
    /// Returns the rows that a nearest-key lookup searches. The rows are numbered if a lookup with the same join
    /// returns a row number.
    pub(super) fn build_candidate_rows(
        &mut self,
        lookup_join: &mut LookupJoin,
        lookup: LookupSelect<'_>,
        sharing_lookups: &[LookupOperands],
        ctes: &mut Vec<Cte>,
    ) -> (SearchedRows, bool) {
        let LookupSelect { parts, stratum, from } = lookup;
        if !sharing_lookups.iter().any(|other| other.returned.is_none()) {
            return (self.searched_rows(parts.lookup.tab, stratum, from), false);
        }
        let numbered = self.add_row_number_cte(lookup, sharing_lookups, ctes);
        lookup_join.position = numbered.position;
        let source = SelectSource::Name(self.quoted_name(&numbered.name));
        (
            SearchedRows {
                name: numbered.name,
                source,
                renamed: false,
            },
            true,
        )
    }

    /// Returns sort keys that put the row to choose first.
    pub(super) fn emit_nearest_sort_keys(
        &mut self,
        parts: LookupOperands,
        key: SqlId,
        stratum: u32,
        row_position: Option<&str>,
        qualifier: Option<&str>,
    ) -> Vec<SqlId> {
        let mut order = Vec::new();
        match parts.lookup.matching {
            LookupMatchMode::Below => order.push(self.emitter.emit_order_by_key(key, true, false)),
            LookupMatchMode::Above => order.push(self.emitter.emit_order_by_key(key, false, false)),
            LookupMatchMode::Exact | LookupMatchMode::Pattern | LookupMatchMode::Count => {}
        }
        match row_position {
            Some(position) => order.push(match qualifier {
                Some(name) => self.emitter.emit_qualified_column(name, position, false),
                None => self.emitter.emit_column_by_name(position, false),
            }),
            None if !order.is_empty() && self.is_lookup_key_unique(parts, stratum) => {}
            None => {
                let rest = self.emit_search_sort_keys(parts, stratum, qualifier, !order.is_empty());
                order.extend(rest);
                let key_name = self
                    .searched_column(parts.by, stratum)
                    .map(|(name, _)| name)
                    .unwrap_or_default();
                self.warn_of_multiple_matches(parts, &key_name);
            }
        }
        order
    }

    /// Returns the rows that nearest-key lookups search, sorted so that the row to choose comes first. Sets the
    /// emitter's qualifier for a select that reads only these rows.
    fn build_nearest_rows(
        &mut self,
        lookup_join: &mut LookupJoin,
        lookup: LookupSelect<'_>,
        (sharing_lookups, with_key): (&[LookupOperands], bool),
        ctes: &mut Vec<Cte>,
    ) -> NearestRows {
        let LookupSelect { parts, stratum, from } = lookup;
        let (rows, is_numbered) = self.build_candidate_rows(lookup_join, lookup, sharing_lookups, ctes);
        let columns = self.columns_read_by_lookups(sharing_lookups, with_key, stratum);
        let position = is_numbered.then(|| lookup_join.position.clone());
        let alone = if is_numbered {
            None
        } else {
            self.set_select_qualifier(parts.lookup.tab, stratum, from)
        };
        let (key_name, quoted) = self.searched_column(parts.by, stratum).unwrap_or_default();
        let key = self.emitter.emit_column_by_name(&key_name, quoted);
        NearestRows {
            order: self.emit_nearest_sort_keys(parts, key, stratum, position.as_deref(), alone.as_deref()),
            partition: self.emit_search_partition_keys(parts.lookup.tab, stratum),
            items: self.build_lookup_result_items(&columns, position.as_deref()),
            source: rows.source,
            columns,
            key,
            key_name,
            position,
        }
    }

    /// Joins the row with the nearest key: a CTE adds the key of the next row to each row, and a row matches the lookup
    /// values between these two keys. Lookups with different lookup values share the CTE.
    pub(super) fn join_next_key(
        &mut self,
        lookup_join: &mut LookupJoin,
        lookup: LookupSelect<'_>,
        ctes: &mut Vec<Cte>,
    ) {
        let LookupSelect { parts, from, .. } = lookup;
        let sheet_cte = parts.lookup.tab.is_none().then(|| from.to_owned());
        let key = (lookup_join.key.without_lookup_value(), sheet_cte);
        let rows = match self.key_lookups.next_key_ctes.get(&key) {
            Some(rows) => rows.clone(),
            None => self.add_next_key_cte(lookup_join, lookup, ctes),
        };
        lookup_join.source = Some(SelectSource::Name(self.quoted_name(&rows.name)));
        lookup_join.alias.clone_from(&rows.name);
        lookup_join.how = LookupJoinKind::BetweenKeys(rows.next.clone());
        if let Some(position) = &rows.position {
            lookup_join.position.clone_from(position);
        }
        self.key_lookups.next_key_ctes.insert(key, rows);
    }

    fn add_next_key_cte(
        &mut self,
        lookup_join: &mut LookupJoin,
        lookup: LookupSelect<'_>,
        ctes: &mut Vec<Cte>,
    ) -> NextKeyCte {
        let LookupSelect { parts, stratum, from } = lookup;
        let mut sharing_lookups = self.lookups_sharing_cte(parts, false);
        sharing_lookups.retain(|other| !self.step.program.meta(other.lookup_value).is_constant());
        let mut rows = self.build_nearest_rows(lookup_join, lookup, (&sharing_lookups, true), ctes);
        let side = match parts.lookup.matching {
            LookupMatchMode::Above => "previous",
            _ => "next",
        };
        let preferred_name = format!("{side}_{}", to_identifier_fragment(&rows.key_name));
        let next = self.unused_column_name(&preferred_name, &rows.columns, parts.lookup.tab);
        let one = self.emitter.tree().add_raw_text("1");
        // If several rows have the same key, the first of them is the row to choose, so the row before it has the next
        // key.
        rows.items.push(Item::named(
            self.emit_window_call("lag", &[rows.key, one], &rows.partition, &rows.order),
            self.quoted_name(&next),
        ));
        let origin = self.searched_rows(parts.lookup.tab, stratum, from).name;
        let name = self.cte_names.choose_short_name(&format!("{origin}_with_{side}"));
        self.add_cte(&name, RowPlan::scan(rows.source).project(rows.items), ctes);
        self.reset_qualifier();
        NextKeyCte {
            name,
            next,
            position: rows.position,
        }
    }

    /// Returns a condition that is true if the lookup value has reached the key of a row but not the key of the next
    /// row.
    pub(super) fn emit_key_interval_condition(
        &mut self,
        reached: SqlId,
        next: &str,
        lookup_join: &LookupJoin,
        parts: LookupOperands,
    ) -> SqlId {
        let next = self.emitter.emit_qualified_column(&lookup_join.alias, next, false);
        self.emitter.set_sql(parts.by, next);
        let next_reached = self.emit_condition(parts.lookup.test, &[parts.lookup_value, parts.by]);
        let alias = self.quoted_name(&lookup_join.alias);
        let tree = self.emitter.tree();
        let before_next = tree.add_negation(next_reached);
        let [reached, before_next] = [reached, before_next].map(|test| tree.put_joined_column_last(test, &alias));
        let is_last = tree.add(Sql::Postfix { op: "is null", x: next }, Span::default());
        let ends = tree.add_binary(Op::Or, before_next, is_last, Span::default());
        tree.add_binary(Op::And, reached, ends, Span::default())
    }

    /// Adds the CTEs that choose the row with the nearest key for each lookup value. The CTEs need only left joins on
    /// equality conditions.
    pub(super) fn add_chosen_row_ctes(
        &mut self,
        lookup_join: &mut LookupJoin,
        lookup: LookupSelect<'_>,
        ctes: &mut Vec<Cte>,
    ) {
        let LookupSelect { parts, stratum, from } = lookup;
        let Some(value_column) = self.input_column_name(parts.lookup_value, stratum) else {
            return;
        };
        let sharing_lookups = self.lookups_sharing_cte(parts, true);
        let (searched, is_numbered) = self.build_candidate_rows(lookup_join, lookup, &sharing_lookups, ctes);
        let columns = self.columns_read_by_lookups(&sharing_lookups, false, stratum);
        let position = is_numbered.then(|| lookup_join.position.clone());
        let mut in_use = columns.iter().map(|((name, _), _)| name).chain(&position);
        let candidate_name = match in_use.any(|name| name.eq_ignore_ascii_case(&value_column.0)) {
            true => self.unused_column_name(&format!("{}_sought", value_column.0), &columns, parts.lookup.tab),
            false => value_column.0.clone(),
        };
        let row_number = self.unused_column_name(
            &format!("{}_row", to_identifier_fragment(&candidate_name)),
            &columns,
            parts.lookup.tab,
        );
        let rows = LookupCandidateColumns {
            sheet_column: value_column,
            cte_column: candidate_name,
            columns,
            position,
            row_number,
        };
        let (values, source) = self.add_lookup_values_cte(&rows.sheet_column, lookup, ctes);
        let body = self.build_candidates_select(&rows, searched, parts, stratum, (&values, source));
        let origin = self.searched_rows(parts.lookup.tab, stratum, from).name;
        let side = match parts.lookup.matching {
            LookupMatchMode::Above => "from",
            _ => "up_to",
        };
        let name_part = to_identifier_fragment(&rows.sheet_column.0);
        let candidates = self
            .cte_names
            .choose_short_name(&format!("{origin}_{side}_{name_part}"));
        self.add_cte(&candidates, body, ctes);
        let quoted_there = rows.sheet_column.1 && rows.cte_column == rows.sheet_column.0;
        let mut items = vec![Item::unnamed(
            self.emitter.emit_column_by_name(&rows.cte_column, quoted_there),
        )];
        items.extend(self.build_lookup_result_items(&rows.columns, rows.position.as_deref()));
        let body = self.build_first_rows_select(&candidates, &rows.row_number, items);
        let name = self.cte_names.choose_short_name(&format!("{origin}_for_{name_part}"));
        lookup_join.source = Some(self.add_cte(&name, body, ctes));
        lookup_join.alias = name;
        lookup_join.how = LookupJoinKind::ByValues(vec![(rows.sheet_column, (rows.cte_column, quoted_there))]);
    }

    /// Adds a CTE with the distinct lookup values, because the next select repeats each value for all rows whose keys
    /// are on the requested side of the value. Returns the name and the source of the rows that contain the lookup
    /// values. If the lookup values of the sheet are already distinct, adds no CTE and returns the sheet itself.
    fn add_lookup_values_cte(
        &mut self,
        (name, quoted): &QuotableColumnName,
        lookup: LookupSelect<'_>,
        ctes: &mut Vec<Cte>,
    ) -> (String, SelectSource) {
        let LookupSelect { parts, stratum, from } = lookup;
        let source = self.select_source(stratum, from);
        let mut columns = vec![(name.clone(), *quoted)];
        columns.extend(
            self.partition_columns(parts.lookup.tab, stratum)
                .into_iter()
                .map(|(column, _)| column),
        );
        let grain = self.input_grain();
        let is_column = |key: &str| columns.iter().any(|(column, _)| column.eq_ignore_ascii_case(key));
        if !grain.is_empty() && grain.iter().all(|key| is_column(&key.name)) {
            return (from.to_owned(), source);
        }
        let body = self.build_distinct_select(&columns, stratum, from);
        let values = self
            .cte_names
            .choose_short_name(&format!("{}_values", to_identifier_fragment(name)));
        let source = self.add_cte(&values, body, ctes);
        (values, source)
    }

    /// Returns the select that joins each lookup value to the rows whose keys are on the requested side of the value,
    /// and that numbers these rows, starting with the nearest row.
    fn build_candidates_select(
        &mut self,
        rows: &LookupCandidateColumns,
        searched: SearchedRows,
        parts: LookupOperands,
        stratum: u32,
        (from, source): (&str, SelectSource),
    ) -> RowPlan {
        let LookupCandidateColumns {
            sheet_column: value_column,
            cte_column: candidate_name,
            columns,
            position,
            row_number,
        } = rows;
        let mut alias = searched.name;
        let is_same_alias = alias.eq_ignore_ascii_case(from);
        if is_same_alias {
            alias.push_str("_rows");
        }
        let lookup_value = self
            .emitter
            .emit_qualified_column(from, &value_column.0, value_column.1);
        let (key_name, quoted) = self.searched_column(parts.by, stratum).unwrap_or_default();
        let key = self.emitter.emit_qualified_column(&alias, &key_name, quoted);
        self.emitter.set_sql(parts.lookup_value, lookup_value);
        self.emitter.set_sql(parts.by, key);
        let test = self.emit_condition(parts.lookup.test, &[parts.lookup_value, parts.by]);
        let mut conditions = self.emit_partition_conditions(parts.lookup.tab, stratum, from, &alias);
        conditions.push(test);
        let written_alias = self.quoted_name(&alias);
        let tree = self.emitter.tree();
        let join_condition = tree
            .add_conjunction(conditions)
            .map(|condition| tree.put_joined_column_last(condition, &written_alias));
        let order = self.emit_nearest_sort_keys(parts, key, stratum, position.as_deref(), Some(&alias));
        let value_alias = (*candidate_name != value_column.0).then(|| self.quoted_name(candidate_name));
        let mut items = vec![Item::new(lookup_value, value_alias)];
        let columns = columns.iter().map(|((name, quoted), _)| (name.as_str(), *quoted));
        for (name, quoted) in columns.chain(position.as_deref().map(|position| (position, false))) {
            items.push(Item::unnamed(self.emitter.emit_qualified_column(&alias, name, quoted)));
        }
        let mut partition = vec![self.emitter.partition_key(parts.lookup_value, lookup_value)];
        for ((name, quoted), id) in self.partition_columns(parts.lookup.tab, stratum) {
            let key_sql = self.emitter.emit_qualified_column(&alias, &name, quoted);
            partition.push(self.emitter.partition_key(id, key_sql));
        }
        let expr = self.emit_row_number(&partition, &order);
        items.push(Item::named(expr, self.quoted_name(row_number)));
        let join = Join::new(JoinKind::Inner, searched.source, join_condition)
            .with_alias((is_same_alias || searched.renamed).then_some(written_alias));
        RowPlan::scan(source).join([join]).project(items)
    }

    /// Adds the CTEs that choose the row with the nearest key if the lookup value is the same for all rows.
    pub(super) fn add_single_nearest_ctes(
        &mut self,
        lookup_join: &mut LookupJoin,
        lookup: LookupSelect<'_>,
        ctes: &mut Vec<Cte>,
    ) {
        let LookupSelect { parts, stratum, from } = lookup;
        let sharing_lookups = self.lookups_sharing_cte(parts, true);
        let mut rows = self.build_nearest_rows(lookup_join, lookup, (&sharing_lookups, false), ctes);
        let test = self.emit_lookup_key_condition(parts, stratum, &lookup_join.position);
        let preferred_name = format!("{}_row", to_identifier_fragment(&rows.key_name));
        let row_number = self.unused_column_name(&preferred_name, &rows.columns, parts.lookup.tab);
        rows.items.push(Item::named(
            self.emit_row_number(&rows.partition, &rows.order),
            self.quoted_name(&row_number),
        ));
        let origin = self.searched_rows(parts.lookup.tab, stratum, from).name;
        let side = match parts.lookup.matching {
            LookupMatchMode::Below => "up_to",
            LookupMatchMode::Above => "from",
            LookupMatchMode::Exact | LookupMatchMode::Pattern | LookupMatchMode::Count => "like",
        };
        let name = self.cte_names.choose_short_name(&format!(
            "{origin}_{side}_{}",
            self.lookup_value_identifier(parts.lookup_value)
        ));
        let body = RowPlan::scan(rows.source).filter(test).project(rows.items);
        let source = self.add_cte(&name, body, ctes);
        self.reset_qualifier();
        let filter = self.emit_first_row_test(&row_number);
        self.add_single_match_cte(lookup_join, lookup, &sharing_lookups, source, filter, ctes);
    }
}
