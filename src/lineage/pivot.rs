//! Lineage of `pivot` and `unpivot`.

use std::rc::Rc;

use rustc_hash::FxHashSet;
use sqlparser::ast::{Expr, ExprWithAlias, Ident, PivotValueSource};

use super::query::QueryAnalyzer;
use super::relation::{LineageRelation, RelationColumn, UnknownColumns};
use super::scope::{QueryScope, ScopeRelation};
use super::values::{ValueIndex, fingerprint_of};

impl QueryAnalyzer<'_> {
    /// Returns the relation of a pivot. The pivot groups by all input columns that it does not use otherwise.
    pub(super) fn pivot_relation<'e>(
        &mut self,
        inner: &ScopeRelation,
        inputs: impl IntoIterator<Item = &'e Expr>,
        value_source: &PivotValueSource,
        outer: Option<&QueryScope<'_>>,
    ) -> LineageRelation {
        let mut input_values = self.values_of_pivot(inner, inputs, outer);
        input_values.push(self.values.add(&[], fingerprint_of(value_source.to_string())));
        let used_values: FxHashSet<ValueIndex> = input_values.iter().copied().collect();
        let parts: FxHashSet<ValueIndex> = input_values
            .iter()
            .flat_map(|index| self.values.parts_of_value(*index).to_vec())
            .chain(used_values)
            .collect();
        let mut pivoted = LineageRelation {
            rows: inner.relation.rows.clone(),
            ..LineageRelation::default()
        };
        for relation_column in inner
            .relation
            .columns
            .iter()
            .filter(|column| !parts.contains(&column.value))
        {
            pivoted.rows.push(relation_column.value);
            pivoted.push(relation_column.clone());
        }
        pivoted
            .unknown_column_tables
            .clone_from(&inner.relation.unknown_column_tables);
        pivoted.unnamed_values.clone_from(&inner.relation.unnamed_values);
        let value_index = self.values.add(&input_values, fingerprint_of("pivot"));
        pivoted.unnamed_values.push(value_index);
        pivoted.rows.push(value_index);
        self.record_overestimate_reason("the columns of a pivot are named after values".to_owned());
        pivoted
    }

    /// Returns the relation that an unpivot returns: a column with the values, a column with the names, and all other
    /// input columns.
    pub(super) fn unpivot_relation(
        &mut self,
        inner: &ScopeRelation,
        columns: &[ExprWithAlias],
        value: &Expr,
        name: &Ident,
        outer: Option<&QueryScope<'_>>,
    ) -> LineageRelation {
        let input_values = self.values_of_pivot(inner, columns.iter().map(|column| &column.expr), outer);
        let unpivoted_names = columns
            .iter()
            .filter_map(|column| identifier_text(&column.expr))
            .map(str::to_lowercase);
        let removed_columns: FxHashSet<String> = unpivoted_names.collect();
        let mut relation = without_columns(&inner.relation, &removed_columns);
        let value_index = self.values.add(&input_values, fingerprint_of("unpivot"));
        relation.rows.push(value_index);
        match identifier_text(value) {
            Some(value) => relation.push(RelationColumn::new(value, value_index)),
            None => relation.unnamed_values.push(value_index),
        }
        let names = self.values.add(&[], fingerprint_of("column names"));
        relation.push(RelationColumn::new(name.value.as_str(), names));
        relation
    }

    /// Returns the values of the expressions inside a pivot, which read only the pivot's input.
    fn values_of_pivot<'e>(
        &mut self,
        inner: &ScopeRelation,
        exprs: impl IntoIterator<Item = &'e Expr>,
        outer: Option<&QueryScope<'_>>,
    ) -> Vec<ValueIndex> {
        let mut inner_scope = QueryScope::nested(outer);
        inner_scope.push(inner.clone());
        let mut input_values = Vec::new();
        self.collect_row_values(exprs, &inner_scope, &mut input_values);
        input_values
    }
}

fn without_columns(relation: &LineageRelation, removed_columns: &FxHashSet<String>) -> LineageRelation {
    let mut reduced_relation = LineageRelation {
        rows: relation.rows.clone(),
        unnamed_values: relation.unnamed_values.clone(),
        ..LineageRelation::default()
    };
    let columns = relation
        .columns
        .iter()
        .filter(|column| !removed_columns.contains(&column.name.to_lowercase()));
    columns.cloned().for_each(|column| reduced_relation.push(column));
    let without_removed = |unknown: &UnknownColumns| {
        let excluded: FxHashSet<String> = unknown.excluded.iter().chain(removed_columns).cloned().collect();
        UnknownColumns {
            table: unknown.table,
            excluded: Rc::new(excluded),
        }
    };
    reduced_relation.unknown_column_tables = relation.unknown_column_tables.iter().map(without_removed).collect();
    reduced_relation
}

fn identifier_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Identifier(Ident { value, .. }) => Some(value),
        Expr::CompoundIdentifier(parts) => Some(&parts.last()?.value),
        _ => None,
    }
}
