//! Lineage of expressions. The traversal uses an explicit stack instead of recursion, except for subqueries. The
//! depth of subqueries is bounded by the limit on brackets.

use std::hash::{Hash, Hasher};
use std::mem::discriminant;

use rustc_hash::FxHasher;
use sqlparser::ast::{Expr, LambdaFunction, ObjectName};

use super::expression_nodes::{accessed_name, call_receiver, for_each_child, hash_node_attributes};
use super::query::QueryAnalyzer;
use super::relation::RelationColumn;
use super::scope::{ExpressionInputs, QueryScope};
use super::values::ValueIndex;

/// Expressions that have not been visited yet. The flag is `true` for an expression that only partitions or orders a
/// window.
pub(super) type ExpressionStack<'e> = Vec<(bool, &'e Expr)>;

impl QueryAnalyzer<'_> {
    /// Adds the value of an expression to the query's values, and returns it as a column with this name.
    pub(super) fn expression_value(&mut self, name: &str, expr: &Expr, scope: &QueryScope<'_>) -> RelationColumn {
        let (expression_inputs, fingerprint) = self.analyze_expression(expr, scope);
        let is_copy = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let value = match expression_inputs.values.as_slice() {
            // A column that is copied unchanged keeps its value.
            [part] if is_copy => *part,
            parts => self.values.add(parts, fingerprint),
        };
        let window_value = self.values.combine_window_values(expression_inputs.window_values);
        RelationColumn {
            name: name.into(),
            value,
            window_value,
        }
    }

    /// Collects the values of expressions that determine the rows.
    pub(super) fn collect_row_values<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        scope: &QueryScope<'_>,
        row_values: &mut Vec<ValueIndex>,
    ) {
        for expr in exprs {
            let column = self.expression_value("", expr, scope);
            // A plain column is added unchanged, because the column already has a fingerprint.
            row_values.extend(column.values());
        }
    }

    pub(super) fn analyze_expression(&mut self, expr: &Expr, scope: &QueryScope<'_>) -> (ExpressionInputs, u64) {
        let mut expression_inputs = ExpressionInputs::default();
        let mut hasher = FxHasher::default();
        let mut stack: ExpressionStack<'_> = vec![(false, expr)];
        while let Some((is_window, expr)) = stack.pop() {
            let mut part = ExpressionInputs::default();
            self.visit_expression_node(expr, scope, &mut stack, is_window, &mut part, &mut hasher);
            let target_values = if is_window {
                &mut expression_inputs.window_values
            } else {
                &mut expression_inputs.values
            };
            target_values.extend(part.values);
            expression_inputs.window_values.extend(part.window_values);
        }
        (expression_inputs, hasher.finish())
    }

    /// Visits one node, records the columns that the node itself reads, and pushes the node's children onto the stack.
    fn visit_expression_node<'e>(
        &mut self,
        expr: &'e Expr,
        scope: &QueryScope<'_>,
        stack: &mut ExpressionStack<'e>,
        is_window: bool,
        inputs: &mut ExpressionInputs,
        hasher: &mut FxHasher,
    ) {
        let before = stack.len();
        if !matches!(expr, Expr::Nested(_)) {
            discriminant(expr).hash(hasher);
        }
        hash_node_attributes(expr, hasher);
        match expr {
            Expr::Function(function) => self.visit_function(function, scope, stack, is_window, inputs, hasher),
            _ => {
                self.add_columns_of_node(expr, scope, inputs, hasher);
                for_each_child(expr, |child| stack.push((is_window, child)));
            }
        }
        // Visit the children from first to last, so that the fingerprint depends on their order.
        if let Some(new) = stack.get_mut(before..) {
            new.reverse();
            new.len().hash(hasher);
        }
        for value_index in &inputs.values {
            self.values.fingerprint_at(*value_index).hash(hasher);
        }
    }

    /// Adds to `inputs` the columns that a node itself reads, for example as a name, a wildcard or a subquery. The
    /// columns of its children are not added.
    fn add_columns_of_node(
        &mut self,
        expr: &Expr,
        scope: &QueryScope<'_>,
        inputs: &mut ExpressionInputs,
        hasher: &mut FxHasher,
    ) {
        match expr {
            Expr::Identifier(ident) => {
                *inputs = self.column(&[ident.value.to_lowercase()], scope);
                // If a word is not a column, add the word's text to the fingerprint.
                if inputs.values.is_empty() {
                    ident.value.hash(hasher);
                }
            }
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| part.value.to_lowercase()).collect();
                *inputs = self.column(&parts, scope);
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                if let Some(word) = call_receiver(root, access_chain) {
                    self.add_receiver_column(&[word.value.to_lowercase()], scope, inputs);
                } else if let Some(name) = accessed_name(root, access_chain) {
                    *inputs = self.column(&name, scope);
                }
            }
            Expr::InSubquery { subquery, .. } | Expr::Exists { subquery, .. } | Expr::Subquery(subquery) => {
                self.visit_subquery(subquery, scope, inputs);
            }
            Expr::MatchAgainst { columns, .. } => {
                for column in columns {
                    add_name_sources(self, column, scope, inputs);
                }
            }
            Expr::Wildcard(_) => self.add_all_columns(scope, inputs),
            Expr::QualifiedWildcard(name, _) => add_name_sources(self, name, scope, inputs),
            // At this point, `data -> 'key'` accesses a JSON document. Lambdas are handled by the calls that contain
            // them.
            Expr::Lambda(lambda) => {
                lambda_parameters(lambda).for_each(|name| self.merge_column(&[name], scope, inputs));
            }
            _ => {}
        }
    }

    pub(super) fn visit_subquery(
        &mut self,
        query: &sqlparser::ast::Query,
        scope: &QueryScope<'_>,
        inputs: &mut ExpressionInputs,
    ) {
        let relation = self.query_relation(query, Some(scope));
        relation.columns.iter().for_each(|column| inputs.add_columns(column));
        inputs.values.extend(&relation.unnamed_values);
        inputs.window_values.extend(&relation.rows);
    }

    /// Adds to `inputs` all columns that `*` represents.
    pub(super) fn add_all_columns(&mut self, scope: &QueryScope<'_>, inputs: &mut ExpressionInputs) {
        for item in &scope.items {
            item.relation
                .columns
                .iter()
                .for_each(|column| inputs.add_columns(column));
            inputs.values.extend(&item.relation.unnamed_values);
            if !item.relation.is_complete() {
                inputs.values.extend(&item.relation.rows);
            }
        }
    }

    pub(super) fn merge_column(&mut self, parts: &[String], scope: &QueryScope<'_>, inputs: &mut ExpressionInputs) {
        let column_inputs = self.column(parts, scope);
        inputs.values.extend(column_inputs.values);
        inputs.window_values.extend(column_inputs.window_values);
    }
}

pub(super) fn lambda_parameters(lambda: &LambdaFunction) -> impl Iterator<Item = String> + '_ {
    lambda
        .params
        .iter()
        .map(|parameter| parameter.name.value.to_lowercase())
}

pub(super) fn add_name_sources(
    reader: &mut QueryAnalyzer<'_>,
    name: &ObjectName,
    scope: &QueryScope<'_>,
    inputs: &mut ExpressionInputs,
) {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| Some(part.as_ident()?.value.to_lowercase()))
        .collect();
    reader.merge_column(&parts, scope, inputs);
}
