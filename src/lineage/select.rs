//! Lineage of a select: its select list, and the keys and filters that determine its rows.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, GroupByWithModifier, NamedWindowExpr, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Value, WildcardAdditionalOptions,
};

use super::query::QueryAnalyzer;
use super::relation::LineageRelation;
use super::scope::QueryScope;
use super::values::{ValueIndex, fingerprint_of};
use crate::relation::RelationColumn;

impl QueryAnalyzer<'_> {
    /// Returns the relation of a select. `sorted` contains the select's `order by` keys, which determine the rows only
    /// if there is a limit or a `distinct on`.
    pub(super) fn select_relation(
        &mut self,
        select: &Select,
        outer: Option<&QueryScope<'_>>,
        sorted: &[&Expr],
        is_cut: bool,
    ) -> LineageRelation {
        let mut scope = QueryScope::nested(outer);
        let mut rows = Vec::new();
        for from in &select.from {
            self.add_joined_tables(from, &mut scope, &mut rows);
        }
        if !select.lateral_views.is_empty() || !select.connect_by.is_empty() || select.exclude.is_some() {
            self.record_lineage_error(
                "lateral views, `connect by` and `exclude` after a select list are not supported",
            );
        }
        for item in &scope.items {
            rows.extend(&item.relation.rows);
        }
        for window in &select.named_window {
            let key_values = match &window.1 {
                NamedWindowExpr::NamedWindow(other) => scope
                    .windows
                    .get(&other.value.to_lowercase())
                    .cloned()
                    .unwrap_or_default(),
                NamedWindowExpr::WindowSpec(spec) => self.window_values(spec, &scope),
            };
            scope.windows.insert(window.0.value.to_lowercase(), key_values);
        }
        let mut output = LineageRelation::default();
        for item in &select.projection {
            self.add_projection(item, &mut scope, &mut output);
        }
        if select.projection.is_empty() {
            // DuckDB allows `from orders` without a select list.
            self.expand_star(&mut scope, None, &WildcardAdditionalOptions::default(), &mut output);
        }
        let filters = [&select.prewhere, &select.selection, &select.having, &select.qualify];
        self.collect_row_values(filters.into_iter().flatten(), &scope, &mut rows);
        self.add_group_keys(&select.group_by, &output, &scope, &mut rows);
        let mut is_sorted = is_cut || select.top.is_some();
        match &select.distinct {
            Some(Distinct::Distinct) => {
                let output_values: Vec<ValueIndex> = output.columns.iter().flat_map(RelationColumn::values).collect();
                rows.push(self.values.add(&output_values, fingerprint_of("distinct")));
            }
            Some(Distinct::On(keys)) => {
                is_sorted = true;
                self.add_keys(keys.iter(), &output, &scope, &mut rows);
            }
            Some(Distinct::All) | None => {}
        }
        if is_sorted {
            self.add_keys(sorted.iter().copied(), &output, &scope, &mut rows);
        }
        if let Some(top) = &select.top {
            rows.push(self.values.add(&[], fingerprint_of(top.to_string())));
        }
        rows.sort_unstable();
        rows.dedup();
        output.rows = rows;
        output
    }

    fn add_group_keys(
        &mut self,
        group_by: &GroupByExpr,
        output: &LineageRelation,
        scope: &QueryScope<'_>,
        rows: &mut Vec<ValueIndex>,
    ) {
        let modifiers = match group_by {
            GroupByExpr::All(modifiers) => {
                // `group by all` groups by every column that is not an aggregate. Add all columns, because only the
                // engine can determine which columns are grouped.
                rows.extend(output.columns.iter().map(|column| column.value));
                modifiers
            }
            GroupByExpr::Expressions(keys, modifiers) => {
                let before = rows.len();
                self.add_keys(keys.iter(), output, scope, rows);
                let keys = rows.split_off(before);
                if !keys.is_empty() {
                    let keys = self.values.add_unordered_value(keys);
                    rows.push(self.values.add(&[keys], fingerprint_of("group by")));
                }
                modifiers
            }
        };
        for modifier in modifiers {
            match modifier {
                GroupByWithModifier::GroupingSets(sets) => self.collect_row_values([sets], scope, rows),
                other => rows.push(self.values.add(&[], fingerprint_of(other.to_string()))),
            }
        }
    }

    /// Collects the values of the keys in `group by`, `order by` or `distinct on`. A number such as `1` refers to a
    /// column of the select list.
    pub(super) fn add_keys<'e>(
        &mut self,
        keys: impl IntoIterator<Item = &'e Expr>,
        output: &LineageRelation,
        scope: &QueryScope<'_>,
        rows: &mut Vec<ValueIndex>,
    ) {
        for key in keys {
            let index = match key {
                Expr::Value(value) => match &value.value {
                    Value::Number(number, _) => number.parse::<usize>().ok(),
                    _ => None,
                },
                _ => None,
            };
            match index.and_then(|index| output.columns.get(index.checked_sub(1)?)) {
                Some(column) => rows.extend(column.values()),
                // The number refers to an unknown column.
                None if index.is_some() => {
                    self.record_overestimate_reason(
                        "a column is referenced by position, but the columns before it are not known".to_owned(),
                    );
                    rows.extend(&output.unnamed_values);
                }
                None => self.collect_row_values([key], scope, rows),
            }
        }
    }

    fn add_projection(&mut self, item: &SelectItem, scope: &mut QueryScope<'_>, output: &mut LineageRelation) {
        let relation_column = match item {
            SelectItem::UnnamedExpr(expr) => self.expression_value(&implicit_name(expr), expr, scope),
            SelectItem::ExprWithAlias { expr, alias } => self.expression_value(&alias.value, expr, scope),
            SelectItem::ExprWithAliases { expr, aliases } => {
                for alias in aliases {
                    let column = self.expression_value(&alias.value, expr, scope);
                    self.push(output, column);
                }
                return;
            }
            SelectItem::Wildcard(options) => return self.expand_star(scope, None, options, output),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                return self.expand_star(scope, Some(name), options, output);
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                // The item expands the fields of a struct.
                let column = self.expression_value("", expr, scope);
                output.unnamed_values.extend(column.values());
                return;
            }
        };
        if std::mem::take(&mut self.is_several) {
            self.record_overestimate_reason("the column names of `columns(…)` are not supported".to_owned());
            output.unnamed_values.extend(relation_column.values());
            return;
        }
        scope
            .aliases
            .entry(relation_column.name.to_lowercase())
            .or_insert_with(|| relation_column.clone());
        self.push(output, relation_column);
    }
}

/// Returns the name that most engines give to a column without an alias.
fn implicit_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
        Expr::Function(function) => function.name.to_string(),
        Expr::Cast { expr, .. } | Expr::Nested(expr) if !matches!(**expr, Expr::Cast { .. } | Expr::Nested(_)) => {
            implicit_name(expr)
        }
        other => other.to_string(),
    }
}
