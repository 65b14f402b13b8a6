//! Lineage of expressions. The traversal uses an explicit stack instead of recursion, except for subqueries. The
//! depth of subqueries is bounded by the limit on brackets.

use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::rc::Rc;

use rustc_hash::FxHasher;
use sqlparser::ast::{
    AccessExpr, CeilFloorKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator,
    FunctionArgumentClause, FunctionArguments, Ident, JsonPathElem, LambdaFunction, LambdaSyntax, ObjectName,
    OrderByExpr, Subscript, WindowSpec, WindowType,
};

use super::query::{QueryReader, name_parts};
use super::relation::{LineageRelation, RelationColumn};
use super::scope::{ExpressionInputs, QueryScope, ScopeItem};
use super::values::{ValueIndex, fingerprint_of};

/// Window functions whose values are computed from the sort order.
const RANKS: &[&str] = &["rank", "dense_rank", "percent_rank", "cume_dist"];

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

/// Expressions that have not been visited yet. The flag is `true` for an expression that only partitions or orders a
/// window.
type Stack<'e> = Vec<(bool, &'e Expr)>;

impl QueryReader<'_> {
    /// Returns the value of an expression.
    pub(super) fn expression_value(&mut self, name: &str, expr: &Expr, scope: &QueryScope<'_>) -> RelationColumn {
        let (made, print) = self.expression_sources(expr, scope);
        let is_copy = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        let of = match made.of.as_slice() {
            // A column that is copied unchanged keeps its value.
            [at] if is_copy => *at,
            of => self.values.add(of, print),
        };
        let by = (!made.by.is_empty()).then(|| self.values.add_unordered(made.by));
        RelationColumn {
            name: name.into(),
            of,
            by,
        }
    }

    /// Collects the values of expressions that determine the rows.
    pub(super) fn collect_row_values<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        scope: &QueryScope<'_>,
        into: &mut Vec<ValueIndex>,
    ) {
        for expr in exprs {
            let given = self.expression_value("", expr, scope);
            // A plain column is added unchanged, because the column already has a fingerprint.
            into.push(given.of);
            into.extend(given.by);
        }
    }

    fn expression_sources(&mut self, expr: &Expr, scope: &QueryScope<'_>) -> (ExpressionInputs, u64) {
        let mut made = ExpressionInputs::default();
        let mut print = FxHasher::default();
        let mut stack: Stack<'_> = vec![(false, expr)];
        while let Some((is_window, expr)) = stack.pop() {
            let mut part = ExpressionInputs::default();
            self.visit_part(expr, scope, &mut stack, is_window, &mut part, &mut print);
            let into = if is_window { &mut made.by } else { &mut made.of };
            into.extend(part.of);
            made.by.extend(part.by);
        }
        (made, print.finish())
    }

    /// Visits one node, records the columns that the node itself reads, and pushes the node's children onto the stack.
    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    fn visit_part<'e>(
        &mut self,
        expr: &'e Expr,
        scope: &QueryScope<'_>,
        stack: &mut Stack<'e>,
        is_window: bool,
        made: &mut ExpressionInputs,
        print: &mut FxHasher,
    ) {
        let before = stack.len();
        let mut below = |expr: &'e Expr| stack.push((is_window, expr));
        if !matches!(expr, Expr::Nested(_)) {
            discriminant(expr).hash(print);
        }
        match expr {
            Expr::Identifier(ident) => {
                *made = self.column(&[ident.value.to_lowercase()], scope);
                // If a word is not a column, add the word's text to the fingerprint.
                if made.of.is_empty() {
                    ident.value.hash(print);
                }
            }
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| part.value.to_lowercase()).collect();
                *made = self.column(&parts, scope);
            }
            Expr::CompoundFieldAccess { root, access_chain } => {
                match (&**root, access_chain.first()) {
                    (Expr::Identifier(word), Some(AccessExpr::Dot(Expr::Function(_)))) => {
                        self.add_receiver_column(&[word.value.to_lowercase()], scope, made);
                    }
                    _ => below(root),
                }
                for access in access_chain {
                    match access {
                        // The name of a struct field is not a column.
                        AccessExpr::Dot(Expr::Identifier(field)) => field.value.hash(print),
                        AccessExpr::Dot(field) => below(field),
                        AccessExpr::Subscript(Subscript::Index { index }) => below(index),
                        AccessExpr::Subscript(Subscript::Slice {
                            lower_bound,
                            upper_bound,
                            stride,
                        }) => {
                            [lower_bound, upper_bound, stride]
                                .into_iter()
                                .flatten()
                                .for_each(&mut below);
                        }
                    }
                }
            }
            Expr::JsonAccess { value, path } => {
                below(value);
                for element in &path.path {
                    match element {
                        JsonPathElem::Dot { key, .. } => key.hash(print),
                        JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => below(key),
                    }
                }
            }
            Expr::Nested(inner) => below(inner),
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::OuterJoin(inner)
            | Expr::Prior(inner) => below(inner),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                below(left);
                below(right);
            }
            Expr::IsJson {
                expr: inner,
                kind,
                negated,
                ..
            } => {
                (format!("{kind:?}"), negated).hash(print);
                below(inner);
            }
            Expr::IsNormalized {
                expr: inner,
                form,
                negated,
            } => {
                (format!("{form:?}"), negated).hash(print);
                below(inner);
            }
            Expr::InList {
                expr: inner,
                list,
                negated,
            } => {
                (negated, list.len()).hash(print);
                below(inner);
                list.iter().for_each(below);
            }
            Expr::InSubquery {
                expr: inner,
                subquery,
                negated,
            } => {
                negated.hash(print);
                below(inner);
                self.visit_subquery(subquery, scope, made);
            }
            Expr::InUnnest {
                expr: inner,
                array_expr,
                negated,
            } => {
                negated.hash(print);
                below(inner);
                below(array_expr);
            }
            Expr::Between {
                expr: inner,
                negated,
                low,
                high,
            } => {
                negated.hash(print);
                [inner, low, high].into_iter().for_each(|expr| below(expr));
            }
            Expr::BinaryOp { left, op, right } => {
                op.to_string().hash(print);
                below(left);
                below(right);
            }
            Expr::Like {
                negated,
                any,
                expr: inner,
                pattern,
                escape_char,
            }
            | Expr::ILike {
                negated,
                any,
                expr: inner,
                pattern,
                escape_char,
            } => {
                (negated, any).hash(print);
                below(inner);
                below(pattern);
                escape_char.iter().for_each(|expr| below(expr));
            }
            Expr::SimilarTo {
                negated,
                expr: inner,
                pattern,
                escape_char,
            } => {
                negated.hash(print);
                below(inner);
                below(pattern);
                escape_char.iter().for_each(|expr| below(expr));
            }
            Expr::RLike {
                negated,
                expr: inner,
                pattern,
                regexp,
            } => {
                (negated, regexp).hash(print);
                below(inner);
                below(pattern);
            }
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            }
            | Expr::AllOp {
                left,
                compare_op,
                right,
            } => {
                compare_op.to_string().hash(print);
                below(left);
                below(right);
            }
            Expr::UnaryOp { op, expr: inner } => {
                op.to_string().hash(print);
                below(inner);
            }
            Expr::Convert {
                is_try,
                expr: inner,
                data_type,
                styles,
                ..
            } => {
                (is_try, data_type.as_ref().map(ToString::to_string)).hash(print);
                below(inner);
                styles.iter().for_each(below);
            }
            Expr::Cast {
                kind,
                expr: inner,
                data_type,
                format,
            } => {
                let is_safe = !matches!(
                    kind,
                    sqlparser::ast::CastKind::Cast | sqlparser::ast::CastKind::DoubleColon
                );
                let format = format.as_ref().map(ToString::to_string);
                (is_safe, data_type.to_string().to_lowercase(), format).hash(print);
                below(inner);
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                below(timestamp);
                below(time_zone);
            }
            Expr::Extract { field, expr: inner, .. } => {
                field.to_string().to_lowercase().hash(print);
                below(inner);
            }
            Expr::Ceil { expr: inner, field } | Expr::Floor { expr: inner, field } => {
                match field {
                    CeilFloorKind::DateTimeField(field) => field.to_string().hash(print),
                    CeilFloorKind::Scale(scale) => scale.to_string().hash(print),
                }
                below(inner);
            }
            Expr::Position { expr: inner, r#in } => {
                below(inner);
                below(r#in);
            }
            Expr::Substring {
                expr: inner,
                substring_from,
                substring_for,
                ..
            } => {
                (substring_from.is_some(), substring_for.is_some()).hash(print);
                below(inner);
                [substring_from, substring_for]
                    .into_iter()
                    .flatten()
                    .for_each(|expr| below(expr));
            }
            Expr::Trim {
                trim_where,
                trim_what,
                expr: inner,
                trim_characters,
            } => {
                (format!("{trim_where:?}"), trim_what.is_some()).hash(print);
                below(inner);
                trim_what.iter().for_each(|expr| below(expr));
                trim_characters.iter().flatten().for_each(below);
            }
            Expr::Overlay {
                expr: inner,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                [inner, overlay_what, overlay_from]
                    .into_iter()
                    .for_each(|expr| below(expr));
                overlay_for.iter().for_each(|expr| below(expr));
            }
            Expr::Collate { expr: inner, collation } => {
                collation.to_string().hash(print);
                below(inner);
            }
            Expr::Value(value) => value.to_string().hash(print),
            Expr::Prefixed { prefix, value } => {
                prefix.value.hash(print);
                below(value);
            }
            Expr::TypedString(typed) => typed.to_string().hash(print),
            Expr::Function(function) => self.visit_function(function, scope, stack, is_window, made, print),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                (operand.is_some(), conditions.len(), else_result.is_some()).hash(print);
                operand.iter().for_each(|expr| below(expr));
                for when in conditions {
                    below(&when.condition);
                    below(&when.result);
                }
                else_result.iter().for_each(|expr| below(expr));
            }
            Expr::Exists { subquery, negated } => {
                negated.hash(print);
                self.visit_subquery(subquery, scope, made);
            }
            Expr::Subquery(subquery) => self.visit_subquery(subquery, scope, made),
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                sets.iter().for_each(|set| set.len().hash(print));
                sets.iter().flatten().for_each(below);
            }
            Expr::Tuple(values) => {
                values.len().hash(print);
                values.iter().for_each(below);
            }
            Expr::Struct { values, fields } => {
                fields.iter().for_each(|field| field.to_string().hash(print));
                values.iter().for_each(below);
            }
            Expr::Named { expr: inner, name } => {
                name.value.hash(print);
                below(inner);
            }
            Expr::Dictionary(fields) => {
                for field in fields {
                    field.key.value.hash(print);
                    below(&field.value);
                }
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    below(&entry.key);
                    below(&entry.value);
                }
            }
            Expr::Array(array) => {
                array.elem.len().hash(print);
                array.elem.iter().for_each(below);
            }
            Expr::Interval(interval) => {
                for field in [&interval.leading_field, &interval.last_field] {
                    field.as_ref().map(|field| field.to_string().to_lowercase()).hash(print);
                }
                below(&interval.value);
            }
            Expr::MatchAgainst {
                columns, match_value, ..
            } => {
                match_value.to_string().hash(print);
                for column in columns {
                    add_name_sources(self, column, scope, made);
                }
            }
            Expr::Wildcard(_) => self.add_all_columns(scope, made),
            Expr::QualifiedWildcard(name, _) => add_name_sources(self, name, scope, made),
            // At this point, `data -> 'key'` accesses a JSON document. Lambdas are handled by the calls that contain
            // them.
            Expr::Lambda(lambda) => {
                lambda.to_string().hash(print);
                below(&lambda.body);
                lambda_parameters(lambda).for_each(|name| self.merge_column(&[name], scope, made));
            }
            Expr::MemberOf(member) => {
                below(&member.value);
                below(&member.array);
            }
        }
        // Visit the children from first to last, so that the fingerprint depends on their order.
        if let Some(new) = stack.get_mut(before..) {
            new.reverse();
            new.len().hash(print);
        }
        for at in &made.of {
            self.values.fingerprint_at(*at).hash(print);
        }
    }

    fn visit_subquery(&mut self, query: &sqlparser::ast::Query, scope: &QueryScope<'_>, made: &mut ExpressionInputs) {
        let relation = self.query_relation(query, Some(scope));
        relation.columns.iter().for_each(|given| made.add_columns(given));
        made.of.extend(&relation.rest);
        made.by.extend(&relation.rows);
    }

    fn visit_function<'e>(
        &mut self,
        function: &'e Function,
        scope: &QueryScope<'_>,
        stack: &mut Stack<'e>,
        is_window: bool,
        made: &mut ExpressionInputs,
        print: &mut FxHasher,
    ) {
        let name = function.name.to_string().to_lowercase();
        name.hash(print);
        if self.facts.has_columns && name == "columns" {
            self.is_several = true;
            self.add_all_columns(scope, made);
        }
        if let [of @ .., _] = name_parts(&function.name).as_slice()
            && !of.is_empty()
        {
            self.add_receiver_column(of, scope, made);
        }
        let before = stack.len();
        for arguments in [&function.parameters, &function.args] {
            match arguments {
                FunctionArguments::None => {}
                FunctionArguments::Subquery(query) => self.visit_subquery(query, scope, made),
                FunctionArguments::List(list) => {
                    (list.args.len(), format!("{:?}", list.duplicate_treatment)).hash(print);
                    for argument in &list.args {
                        if let Some(expr) = self.visit_argument(&name, argument, scope, made, print) {
                            stack.push((is_window, expr));
                        }
                    }
                    list.clauses
                        .iter()
                        .for_each(|clause| visit_clause(clause, stack, is_window, print));
                }
            }
        }
        visit_orders(&function.within_group, stack, is_window, print);
        stack.extend(function.filter.iter().map(|filter| (is_window, &**filter)));
        format!("{:?}", function.null_treatment).hash(print);
        let has_arguments = stack.len() > before;
        match &function.over {
            None => {}
            Some(WindowType::NamedWindow(window)) => self.add_named_window(window, scope, made),
            Some(WindowType::WindowSpec(window)) => {
                if let Some(named) = &window.window_name {
                    self.add_named_window(named, scope, made);
                }
                hash_frame(window, print);
                stack.extend(window.partition_by.iter().map(|expr| (true, expr)));
                let is_rank = !has_arguments && RANKS.contains(&name.as_str());
                visit_orders(&window.order_by, stack, !is_rank, print);
            }
        }
    }

    /// Adds the column that precedes a function name, if the dialect allows function calls on columns. In other
    /// dialects, the prefix is a schema.
    fn add_receiver_column(&mut self, parts: &[String], scope: &QueryScope<'_>, made: &mut ExpressionInputs) {
        if self.facts.chains_calls {
            self.merge_column(parts, scope, made);
        }
    }

    fn add_named_window(&self, name: &Ident, scope: &QueryScope<'_>, made: &mut ExpressionInputs) {
        made.by
            .extend(scope.windows.get(&name.value.to_lowercase()).into_iter().flatten());
    }

    /// Returns the values that partition and order a named window.
    pub(super) fn window_values(&mut self, window: &WindowSpec, scope: &QueryScope<'_>) -> Vec<ValueIndex> {
        let mut by = Vec::new();
        let orders = window.order_by.iter().map(|order| &order.expr);
        self.collect_row_values(window.partition_by.iter().chain(orders), scope, &mut by);
        let mut print = FxHasher::default();
        hash_frame(window, &mut print);
        by.push(self.values.add(&[], print.finish()));
        by
    }

    /// Visits an argument of a call. Returns the expression to visit next, if any.
    fn visit_argument<'e>(
        &mut self,
        function: &str,
        argument: &'e FunctionArg,
        scope: &QueryScope<'_>,
        made: &mut ExpressionInputs,
        print: &mut FxHasher,
    ) -> Option<&'e Expr> {
        let argument = match argument {
            // `key VALUE value` in a JSON constructor.
            FunctionArg::Named { name, arg, operator } if is_key(operator) => {
                self.merge_column(&[name.value.to_lowercase()], scope, made);
                arg
            }
            FunctionArg::ExprNamed { name, arg, operator } if is_key(operator) => {
                let (of, key) = self.expression_sources(name, scope);
                key.hash(print);
                made.of.extend(of.of);
                made.by.extend(of.by);
                arg
            }
            FunctionArg::Named { name, arg, .. } => {
                name.value.hash(print);
                arg
            }
            FunctionArg::ExprNamed { name, arg, .. } => {
                name.to_string().hash(print);
                arg
            }
            FunctionArg::Unnamed(arg) => arg,
        };
        match argument {
            FunctionArgExpr::Expr(Expr::Identifier(word)) if is_date_part(word, scope) => {
                word.value.to_lowercase().hash(print);
                None
            }
            FunctionArgExpr::Expr(Expr::Lambda(lambda)) if is_lambda(function, lambda) => {
                self.visit_lambda(lambda, scope, made, print);
                None
            }
            FunctionArgExpr::Expr(expr) => Some(expr),
            FunctionArgExpr::QualifiedWildcard(name) => {
                add_name_sources(self, name, scope, made);
                None
            }
            FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_) => {
                // `count(*)` only counts rows and does not read columns.
                if function != "count" {
                    self.add_all_columns(scope, made);
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
        made: &mut ExpressionInputs,
        print: &mut FxHasher,
    ) {
        let mut relation = LineageRelation::default();
        for name in lambda_parameters(lambda) {
            let of = self.values.add(&[], fingerprint_of(&name));
            relation.push(RelationColumn {
                name: name.into(),
                of,
                by: None,
            });
        }
        let mut inner = QueryScope::nested(Some(scope));
        inner.push(ScopeItem {
            path: Vec::new(),
            relation: Rc::new(relation),
        });
        let (of, body) = self.expression_sources(&lambda.body, &inner);
        body.hash(print);
        made.of.extend(of.of);
        made.by.extend(of.by);
    }

    /// Adds all columns that `*` represents.
    fn add_all_columns(&mut self, scope: &QueryScope<'_>, made: &mut ExpressionInputs) {
        for item in &scope.items {
            item.relation.columns.iter().for_each(|given| made.add_columns(given));
            made.of.extend(&item.relation.rest);
            if !item.relation.is_complete() {
                made.of.extend(&item.relation.rows);
            }
        }
    }

    fn merge_column(&mut self, parts: &[String], scope: &QueryScope<'_>, made: &mut ExpressionInputs) {
        let of = self.column(parts, scope);
        made.of.extend(of.of);
        made.by.extend(of.by);
    }
}

/// Returns whether the name before the operator is a value rather than an argument name.
fn is_key(operator: &FunctionArgOperator) -> bool {
    matches!(operator, FunctionArgOperator::Value | FunctionArgOperator::Colon)
}

/// Functions that call a lambda for each element, listed without the prefix `list_` or `array_`.
const ELEMENT_FUNCTIONS: &[&str] = &["apply", "filter", "reduce", "transform"];

/// Returns whether an argument `x -> …` is a lambda. In calls of other functions, `->` accesses a JSON document.
fn is_lambda(function: &str, lambda: &LambdaFunction) -> bool {
    let name = function
        .strip_prefix("list_")
        .or(function.strip_prefix("array_"))
        .unwrap_or(function);
    lambda.syntax == LambdaSyntax::LambdaKeyword || ELEMENT_FUNCTIONS.contains(&name)
}

fn lambda_parameters(lambda: &LambdaFunction) -> impl Iterator<Item = String> + '_ {
    lambda
        .params
        .iter()
        .map(|parameter| parameter.name.value.to_lowercase())
}

/// Returns whether a word is a date part and not a known column.
fn is_date_part(word: &Ident, scope: &QueryScope<'_>) -> bool {
    let name = word.value.to_lowercase();
    word.quote_style.is_none()
        && DATE_PARTS.contains(&name.as_str())
        && !scope.merged.contains_key(&name)
        && !scope.items.iter().any(|item| item.relation.column(&name).is_some())
}

fn add_name_sources(
    reader: &mut QueryReader<'_>,
    name: &ObjectName,
    scope: &QueryScope<'_>,
    made: &mut ExpressionInputs,
) {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| Some(part.as_ident()?.value.to_lowercase()))
        .collect();
    reader.merge_column(&parts, scope, made);
}

fn visit_orders<'e>(orders: &'e [OrderByExpr], stack: &mut Stack<'e>, is_window: bool, print: &mut FxHasher) {
    orders.len().hash(print);
    for order in orders {
        format!("{:?}", order.options).hash(print);
        stack.push((is_window, &order.expr));
    }
}

fn visit_clause<'e>(clause: &'e FunctionArgumentClause, stack: &mut Stack<'e>, is_window: bool, print: &mut FxHasher) {
    match clause {
        FunctionArgumentClause::Where(expr) | FunctionArgumentClause::Limit(expr) => stack.push((is_window, expr)),
        FunctionArgumentClause::OrderBy(by) => visit_orders(by, stack, is_window, print),
        FunctionArgumentClause::Having(bound) => stack.push((is_window, &bound.1)),
        other => other.to_string().hash(print),
    }
}

fn hash_frame(window: &WindowSpec, print: &mut FxHasher) {
    if let Some(frame) = &window.window_frame {
        (frame.units.to_string(), frame.start_bound.to_string()).hash(print);
        frame.end_bound.as_ref().map(ToString::to_string).hash(print);
    }
}
