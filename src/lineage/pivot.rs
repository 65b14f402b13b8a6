//! Lineage of `pivot` and `unpivot`.

use std::rc::Rc;

use rustc_hash::FxHashSet;
use sqlparser::ast::{Expr, ExprWithAlias, Ident, PivotValueSource};

use super::query::QueryReader;
use super::relation::{LineageRelation, RelationColumn, UnknownColumns};
use super::scope::{QueryScope, ScopeItem};
use super::values::{ValueIndex, fingerprint_of};

impl QueryReader<'_> {
    /// Returns the relation of a pivot. The pivot groups by all input columns that it does not use otherwise.
    pub(super) fn pivot_relation<'e>(
        &mut self,
        inner: &ScopeItem,
        inputs: impl IntoIterator<Item = &'e Expr>,
        value_source: &PivotValueSource,
        outer: Option<&QueryScope<'_>>,
    ) -> LineageRelation {
        let mut of = self.values_of_pivot(inner, inputs, outer);
        of.push(self.values.add(&[], fingerprint_of(value_source.to_string())));
        let used: FxHashSet<ValueIndex> = of.iter().copied().collect();
        let parts: FxHashSet<ValueIndex> = of
            .iter()
            .flat_map(|at| self.values.parts_at(*at).to_vec())
            .chain(used)
            .collect();
        let mut pivoted = LineageRelation {
            rows: inner.relation.rows.clone(),
            ..LineageRelation::default()
        };
        for given in inner
            .relation
            .columns
            .iter()
            .filter(|given| !parts.contains(&given.value))
        {
            pivoted.rows.push(given.value);
            pivoted.push(given.clone());
        }
        pivoted.passed.clone_from(&inner.relation.passed);
        pivoted.unnamed_values.clone_from(&inner.relation.unnamed_values);
        let of = self.values.add(&of, fingerprint_of("pivot"));
        pivoted.unnamed_values.push(of);
        pivoted.rows.push(of);
        self.record_gap("the columns of a pivot are named after values".to_owned());
        pivoted
    }

    /// Returns the relation that an unpivot returns: a column with the values, a column with the names, and all other
    /// input columns.
    pub(super) fn unpivot_relation(
        &mut self,
        inner: &ScopeItem,
        columns: &[ExprWithAlias],
        value: &Expr,
        name: &Ident,
        outer: Option<&QueryScope<'_>>,
    ) -> LineageRelation {
        let of = self.values_of_pivot(inner, columns.iter().map(|column| &column.expr), outer);
        let taken = columns
            .iter()
            .filter_map(|column| identifier_text(&column.expr))
            .map(str::to_lowercase);
        let taken: FxHashSet<String> = taken.collect();
        let mut relation = without_columns(&inner.relation, &taken);
        let of = self.values.add(&of, fingerprint_of("unpivot"));
        relation.rows.push(of);
        match identifier_text(value) {
            Some(value) => relation.push(RelationColumn {
                name: value.into(),
                value: of,
                window_value: None,
            }),
            None => relation.unnamed_values.push(of),
        }
        let names = self.values.add(&[], fingerprint_of("column names"));
        relation.push(RelationColumn {
            name: name.value.as_str().into(),
            value: names,
            window_value: None,
        });
        relation
    }

    /// Returns the values of the expressions inside a pivot, which read only the pivot's input.
    fn values_of_pivot<'e>(
        &mut self,
        inner: &ScopeItem,
        exprs: impl IntoIterator<Item = &'e Expr>,
        outer: Option<&QueryScope<'_>>,
    ) -> Vec<ValueIndex> {
        let mut own = QueryScope::nested(outer);
        own.push(inner.clone());
        let mut of = Vec::new();
        self.collect_row_values(exprs, &own, &mut of);
        of
    }
}

fn without_columns(relation: &LineageRelation, taken: &FxHashSet<String>) -> LineageRelation {
    let mut kept = LineageRelation {
        rows: relation.rows.clone(),
        unnamed_values: relation.unnamed_values.clone(),
        ..LineageRelation::default()
    };
    let columns = relation
        .columns
        .iter()
        .filter(|given| !taken.contains(&given.name.to_lowercase()));
    columns.cloned().for_each(|given| kept.push(given));
    let passed = |passed: &UnknownColumns| {
        let but: FxHashSet<String> = passed.excluded.iter().chain(taken).cloned().collect();
        UnknownColumns {
            table: passed.table,
            excluded: Rc::new(but),
        }
    };
    kept.passed = relation.passed.iter().map(passed).collect();
    kept
}

fn identifier_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Identifier(Ident { value, .. }) => Some(value),
        Expr::CompoundIdentifier(parts) => Some(&parts.last()?.value),
        _ => None,
    }
}
