//! Lineage of the items in the `from` clause: tables, subqueries, functions and pivots.

use std::rc::Rc;

use sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, ObjectName, TableAlias, TableFactor};

use super::query::{QueryAnalyzer, name_parts};
use super::relation::{LineageRelation, RelationColumn};
use super::scope::{QueryScope, ScopeRelation};
use super::values::ValueIndex;

impl QueryAnalyzer<'_> {
    /// Adds one item of `from` to the scope.
    pub(super) fn add_table_factor(
        &mut self,
        factor: &TableFactor,
        scope: &mut QueryScope<'_>,
        rows: &mut Vec<ValueIndex>,
    ) {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let path = name_parts(name);
                let relation = self.resolve_table(name, &path, scope);
                self.add_relation(path, relation, alias.as_ref(), scope);
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                ..
            } => {
                self.add_table_function(name, &args.args, alias.as_ref(), scope);
            }
            TableFactor::Function { name, args, alias, .. } => {
                self.add_table_function(name, args, alias.as_ref(), scope);
            }
            TableFactor::TableFunction { expr, alias } => {
                let relation = self.relation_of_arguments([expr], scope);
                let relation = self.name_unknown_columns(relation, alias.as_ref());
                self.add_relation(Vec::new(), relation, alias.as_ref(), scope);
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                ..
            } => {
                let outer = if *lateral { Some(&*scope) } else { scope.outer };
                let relation = self.query_relation(subquery, outer);
                self.add_relation(Vec::new(), Rc::new(relation), alias.as_ref(), scope);
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset,
                with_offset_alias,
                with_ordinality,
            } => {
                let offset = with_offset.then(|| with_offset_alias.as_ref().map_or("offset", |name| &name.value));
                self.unnest_relation(array_exprs, alias.as_ref(), offset, *with_ordinality, scope);
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                if alias.is_some() {
                    self.record_lineage_error("a join in brackets with an alias is not supported");
                }
                self.add_joined_tables(table_with_joins, scope, rows);
            }
            TableFactor::Pivot {
                table,
                aggregate_functions,
                value_column,
                value_source,
                default_on_null,
                alias,
            } => {
                let Some(inner) = self.pivot_input(table, scope, rows) else {
                    return;
                };
                let aggregates = aggregate_functions.iter().map(|aggregate| &aggregate.expr);
                let inputs = aggregates.chain(value_column).chain(default_on_null);
                let pivoted = self.pivot_relation(&inner, inputs, value_source, scope.outer);
                let pivoted = self.name_unknown_columns(pivoted, alias.as_ref());
                self.add_relation(inner.path, pivoted, alias.as_ref(), scope);
            }
            TableFactor::Unpivot {
                table,
                value,
                name,
                columns,
                alias,
                ..
            } => {
                let Some(inner) = self.pivot_input(table, scope, rows) else {
                    return;
                };
                let relation = self.unpivot_relation(&inner, columns, value, name, scope.outer);
                self.add_relation(inner.path, Rc::new(relation), alias.as_ref(), scope);
            }
            TableFactor::UnpivotExpr { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => {
                self.record_lineage_error("an item in the `from` clause is not supported");
            }
        }
    }

    /// Adds the relation of a table function to the scope.
    fn add_table_function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
        scope: &mut QueryScope<'_>,
    ) {
        let relation = match file_reader_path(name, args) {
            Some(path) => self.table_relation(path),
            None => {
                let relation = self.function_relation(args, scope);
                self.name_unknown_columns(relation, alias)
            }
        };
        self.add_relation(name_parts(name), relation, alias, scope);
    }

    /// If the names of a relation's columns are unknown, as for a pivot, adds a column to the relation for each name in
    /// the alias. The added columns come last.
    fn name_unknown_columns(
        &mut self,
        mut relation: LineageRelation,
        alias: Option<&TableAlias>,
    ) -> Rc<LineageRelation> {
        let alias_count = alias.map_or(0, |alias| alias.columns.len());
        if relation.unknown_column_tables.is_empty() && alias_count > relation.columns.len() {
            let parts = std::mem::take(&mut relation.unnamed_values);
            let value = self.values.add_unordered_value(parts);
            while relation.columns.len() < alias_count {
                relation.push(RelationColumn::new("", value));
            }
        }
        Rc::new(relation)
    }

    fn add_relation(
        &mut self,
        path: Vec<String>,
        relation: Rc<LineageRelation>,
        alias: Option<&TableAlias>,
        scope: &mut QueryScope<'_>,
    ) {
        let item = match alias {
            None => ScopeRelation { path, relation },
            Some(alias) => {
                let relation = match alias.columns.is_empty() {
                    true => relation,
                    false => Rc::new(self.rename_columns((*relation).clone(), alias)),
                };
                ScopeRelation {
                    path: vec![alias.name.value.to_lowercase()],
                    relation,
                }
            }
        };
        scope.push(item);
    }

    /// Resolves a table name to a CTE, an array column of an earlier table (in BigQuery) or a table of the warehouse.
    fn resolve_table(&mut self, name: &ObjectName, path: &[String], scope: &QueryScope<'_>) -> Rc<LineageRelation> {
        if let [cte_name] = path {
            if let Some(relation) = self.find_cte(cte_name) {
                return relation;
            }
        } else if let Some(first) = path.first()
            && scope.items.iter().any(|item| item.path.last() == Some(first))
        {
            let expression_inputs = self.column(path, scope);
            let rows = expression_inputs.values.clone();
            return Rc::new(LineageRelation {
                unnamed_values: expression_inputs.values,
                rows,
                ..LineageRelation::default()
            });
        }
        if path.is_empty() {
            self.record_lineage_error(format!("`{name}` is not a table name"));
        }
        self.table_relation(path.to_vec())
    }

    /// Returns the relation of a table function. All columns of this relation are computed from the arguments.
    fn function_relation(&mut self, args: &[FunctionArg], scope: &QueryScope<'_>) -> LineageRelation {
        let exprs = args.iter().filter_map(|argument| match argument {
            FunctionArg::Named {
                arg: FunctionArgExpr::Expr(expr),
                ..
            }
            | FunctionArg::ExprNamed {
                arg: FunctionArgExpr::Expr(expr),
                ..
            } => Some(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(match expr {
                Expr::BinaryOp {
                    left,
                    op: BinaryOperator::Eq,
                    right,
                } if self.has_dialect_property(|facts| facts.arguments_by_equals)
                    && matches!(**left, Expr::Identifier(_)) =>
                {
                    right
                }
                expr => expr,
            }),
            _ => None,
        });
        let exprs: Vec<&Expr> = exprs.collect();
        self.relation_of_arguments(exprs, scope)
    }

    fn relation_of_arguments<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        scope: &QueryScope<'_>,
    ) -> LineageRelation {
        let mut parts = Vec::new();
        self.collect_row_values(exprs, scope, &mut parts);
        let value = self.values.add(&parts, 0);
        LineageRelation {
            unnamed_values: vec![value],
            rows: vec![value],
            ..LineageRelation::default()
        }
    }

    fn unnest_relation(
        &mut self,
        arrays: &[Expr],
        alias: Option<&TableAlias>,
        offset: Option<&str>,
        is_numbered: bool,
        scope: &mut QueryScope<'_>,
    ) {
        let mut relation = self.relation_of_arguments(arrays, scope);
        let value = relation.rows.first().copied().unwrap_or_default();
        let alias_name = alias.map(|alias| alias.name.value.as_str());
        let columns = alias.map(|alias| alias.columns.as_slice()).unwrap_or_default();
        if columns.is_empty() {
            relation.push(RelationColumn::new(alias_name.unwrap_or("unnest"), value));
        }
        for column in columns {
            relation.push(RelationColumn::new(column.name.value.as_str(), value));
        }
        if let Some(offset) = offset.or(is_numbered.then_some("ordinality")) {
            relation.push(RelationColumn::new(offset, value));
        }
        let path = alias_name.map(|name| vec![name.to_lowercase()]).unwrap_or_default();
        scope.push(ScopeRelation {
            path,
            relation: Rc::new(relation),
        });
    }

    /// Returns the input of a pivot.
    fn pivot_input(
        &mut self,
        table: &TableFactor,
        scope: &mut QueryScope<'_>,
        rows: &mut Vec<ValueIndex>,
    ) -> Option<ScopeRelation> {
        let before = scope.items.len();
        self.add_table_factor(table, scope, rows);
        let mut item = None;
        while scope.items.len() > before {
            item = scope.pop();
        }
        item
    }
}

/// Returns the path of the relation that a function such as `read_csv('orders.csv')` reads: the call itself, in lower
/// case and without spaces. dbt-duckdb uses such a call as the name of a source. `None` for other functions, and if an
/// argument is not a literal.
fn file_reader_path(name: &ObjectName, args: &[FunctionArg]) -> Option<Vec<String>> {
    let name = name.to_string().to_lowercase();
    let is_literal = |argument: &FunctionArg| match argument {
        FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } | FunctionArg::Unnamed(arg) => match arg {
            FunctionArgExpr::Expr(Expr::BinaryOp { right, .. }) => matches!(**right, Expr::Value(_)),
            arg => matches!(arg, FunctionArgExpr::Expr(Expr::Value(_))),
        },
    };
    let reads_file = (name.starts_with("read_") || name.ends_with("_scan")) && args.iter().all(is_literal);
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    let call = format!("{name}({})", args.join(","));
    reads_file.then(|| vec![call.to_lowercase().split_whitespace().collect()])
}
