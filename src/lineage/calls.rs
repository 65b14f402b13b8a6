//! Lineage of function calls: arguments, windows and lambdas.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use rustc_hash::FxHasher;
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentClause, FunctionArguments,
    Ident, LambdaFunction, LambdaSyntax, OrderByExpr, WindowSpec, WindowType,
};

use super::expression::{ExpressionStack, add_name_sources, lambda_parameters};
use super::query::{QueryAnalyzer, name_parts};
use super::relation::{LineageRelation, RelationColumn};
use super::scope::{ExpressionInputs, QueryScope, ScopeRelation};
use super::values::{ValueIndex, fingerprint_of};

/// Window functions whose values are computed from the sort order.
const RANK_FUNCTIONS: &[&str] = &["rank", "dense_rank", "percent_rank", "cume_dist"];

/// Words that date functions accept as arguments. If a column has the same name, the word refers to the column.
const DATE_PARTS: &[&str] = &[
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "dayofweek",
    "dayofyear",
    "dow",
    "doy",
    "week",
    "isoweek",
    "weekday",
    "month",
    "quarter",
    "year",
    "isoyear",
    "epoch",
    "date",
    "time",
];

impl QueryAnalyzer<'_> {
    pub(super) fn visit_function<'e>(
        &mut self,
        function: &'e Function,
        scope: &QueryScope<'_>,
        stack: &mut ExpressionStack<'e>,
        is_window: bool,
        inputs: &mut ExpressionInputs,
        hasher: &mut FxHasher,
    ) {
        let name = function.name.to_string().to_lowercase();
        name.hash(hasher);
        if name == "columns" && self.has_dialect_property(|facts| facts.columns_function) {
            self.is_several = true;
            self.add_all_columns(scope, inputs);
        }
        if let [receiver @ .., _] = name_parts(&function.name).as_slice()
            && !receiver.is_empty()
        {
            self.add_receiver_column(receiver, scope, inputs);
        }
        let before = stack.len();
        for arguments in [&function.parameters, &function.args] {
            match arguments {
                FunctionArguments::None => {}
                FunctionArguments::Subquery(query) => self.visit_subquery(query, scope, inputs),
                FunctionArguments::List(list) => {
                    (list.args.len(), format!("{:?}", list.duplicate_treatment)).hash(hasher);
                    for argument in &list.args {
                        if let Some(expr) = self.visit_argument(&name, argument, scope, inputs, hasher) {
                            stack.push((is_window, expr));
                        }
                    }
                    list.clauses
                        .iter()
                        .for_each(|clause| visit_argument_clause(clause, stack, is_window, hasher));
                }
            }
        }
        visit_sort_keys(&function.within_group, stack, is_window, hasher);
        stack.extend(function.filter.iter().map(|filter| (is_window, &**filter)));
        format!("{:?}", function.null_treatment).hash(hasher);
        let has_arguments = stack.len() > before;
        match &function.over {
            None => {}
            Some(WindowType::NamedWindow(window)) => self.add_named_window(window, scope, inputs),
            Some(WindowType::WindowSpec(window)) => {
                if let Some(ident) = &window.window_name {
                    self.add_named_window(ident, scope, inputs);
                }
                hash_window_frame(window, hasher);
                stack.extend(window.partition_by.iter().map(|expr| (true, expr)));
                let is_rank = !has_arguments && RANK_FUNCTIONS.contains(&name.as_str());
                visit_sort_keys(&window.order_by, stack, !is_rank, hasher);
            }
        }
    }

    /// Adds to `inputs` the column that precedes a function name, if the dialect allows function calls on columns. In
    /// other dialects, the prefix is a schema.
    pub(super) fn add_receiver_column(
        &mut self,
        parts: &[String],
        scope: &QueryScope<'_>,
        inputs: &mut ExpressionInputs,
    ) {
        if self.has_dialect_property(|facts| facts.calls_on_columns) {
            self.merge_column(parts, scope, inputs);
        }
    }

    fn add_named_window(&self, name: &Ident, scope: &QueryScope<'_>, inputs: &mut ExpressionInputs) {
        inputs
            .window_values
            .extend(scope.windows.get(&name.value.to_lowercase()).into_iter().flatten());
    }

    /// Returns the values that partition and order a named window.
    pub(super) fn window_values(&mut self, window: &WindowSpec, scope: &QueryScope<'_>) -> Vec<ValueIndex> {
        let mut key_values = Vec::new();
        let orders = window.order_by.iter().map(|order| &order.expr);
        self.collect_row_values(window.partition_by.iter().chain(orders), scope, &mut key_values);
        let mut hasher = FxHasher::default();
        hash_window_frame(window, &mut hasher);
        key_values.push(self.values.add(&[], hasher.finish()));
        key_values
    }

    /// Visits an argument of a call. Returns the expression to visit next, if any.
    fn visit_argument<'e>(
        &mut self,
        function: &str,
        argument: &'e FunctionArg,
        scope: &QueryScope<'_>,
        inputs: &mut ExpressionInputs,
        hasher: &mut FxHasher,
    ) -> Option<&'e Expr> {
        let argument = match argument {
            // In a JSON constructor such as `json_object(key VALUE value)`, the key is a value and not an argument
            // name.
            FunctionArg::Named { name, arg, operator } if is_key(operator) => {
                self.merge_column(&[name.value.to_lowercase()], scope, inputs);
                arg
            }
            FunctionArg::ExprNamed { name, arg, operator } if is_key(operator) => {
                let (argument_inputs, key) = self.analyze_expression(name, scope);
                key.hash(hasher);
                inputs.values.extend(argument_inputs.values);
                inputs.window_values.extend(argument_inputs.window_values);
                arg
            }
            FunctionArg::Named { name, arg, .. } => {
                name.value.hash(hasher);
                arg
            }
            FunctionArg::ExprNamed { name, arg, .. } => {
                name.to_string().hash(hasher);
                arg
            }
            FunctionArg::Unnamed(arg) => arg,
        };
        match argument {
            FunctionArgExpr::Expr(Expr::Identifier(word)) if is_date_part(word, scope) => {
                word.value.to_lowercase().hash(hasher);
                None
            }
            FunctionArgExpr::Expr(Expr::Lambda(lambda)) if is_lambda_argument(function, lambda) => {
                self.visit_lambda(lambda, scope, inputs, hasher);
                None
            }
            FunctionArgExpr::Expr(expr) => Some(expr),
            FunctionArgExpr::QualifiedWildcard(name) => {
                add_name_sources(self, name, scope, inputs);
                None
            }
            FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_) => {
                // `count(*)` only counts rows and does not read columns.
                if function != "count" {
                    self.add_all_columns(scope, inputs);
                }
                None
            }
        }
    }

    /// Visits the body of a lambda. The parameters hide columns with the same names. Their values come from the list,
    /// which is another argument of the call.
    fn visit_lambda(
        &mut self,
        lambda: &LambdaFunction,
        scope: &QueryScope<'_>,
        inputs: &mut ExpressionInputs,
        hasher: &mut FxHasher,
    ) {
        let mut relation = LineageRelation::default();
        for name in lambda_parameters(lambda) {
            let value = self.values.add(&[], fingerprint_of(&name));
            relation.push(RelationColumn::new(name, value));
        }
        let mut inner = QueryScope::nested(Some(scope));
        inner.push(ScopeRelation {
            path: Vec::new(),
            relation: Rc::new(relation),
        });
        let (body_inputs, body) = self.analyze_expression(&lambda.body, &inner);
        body.hash(hasher);
        inputs.values.extend(body_inputs.values);
        inputs.window_values.extend(body_inputs.window_values);
    }
}

/// Returns whether the name before the operator is a value rather than an argument name.
fn is_key(operator: &FunctionArgOperator) -> bool {
    matches!(operator, FunctionArgOperator::Value | FunctionArgOperator::Colon)
}

/// Functions that call a lambda for each element, listed without the prefix `list_` or `array_`.
const ELEMENT_FUNCTIONS: &[&str] = &["apply", "filter", "reduce", "transform"];

/// Returns whether an argument `x -> …` is a lambda. In calls to other functions, `->` accesses a JSON document.
fn is_lambda_argument(function: &str, lambda: &LambdaFunction) -> bool {
    let name = function
        .strip_prefix("list_")
        .or(function.strip_prefix("array_"))
        .unwrap_or(function);
    lambda.syntax == LambdaSyntax::LambdaKeyword || ELEMENT_FUNCTIONS.contains(&name)
}

/// Returns whether a word is a date part and not a known column.
fn is_date_part(word: &Ident, scope: &QueryScope<'_>) -> bool {
    let name = word.value.to_lowercase();
    word.quote_style.is_none()
        && DATE_PARTS.contains(&name.as_str())
        && !scope.merged_columns.contains_key(&name)
        && !scope.items.iter().any(|item| item.relation.column(&name).is_some())
}

fn visit_sort_keys<'e>(
    orders: &'e [OrderByExpr],
    stack: &mut ExpressionStack<'e>,
    is_window: bool,
    hasher: &mut FxHasher,
) {
    orders.len().hash(hasher);
    for order in orders {
        format!("{:?}", order.options).hash(hasher);
        stack.push((is_window, &order.expr));
    }
}

fn visit_argument_clause<'e>(
    clause: &'e FunctionArgumentClause,
    stack: &mut ExpressionStack<'e>,
    is_window: bool,
    hasher: &mut FxHasher,
) {
    match clause {
        FunctionArgumentClause::Where(expr) | FunctionArgumentClause::Limit(expr) => stack.push((is_window, expr)),
        FunctionArgumentClause::OrderBy(orders) => visit_sort_keys(orders, stack, is_window, hasher),
        FunctionArgumentClause::Having(bound) => stack.push((is_window, &bound.1)),
        other => other.to_string().hash(hasher),
    }
}

fn hash_window_frame(window: &WindowSpec, hasher: &mut FxHasher) {
    if let Some(frame) = &window.window_frame {
        (frame.units.to_string(), frame.start_bound.to_string()).hash(hasher);
        frame.end_bound.as_ref().map(ToString::to_string).hash(hasher);
    }
}
