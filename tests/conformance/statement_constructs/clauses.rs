//! Looks up the SQL constructs of queries: joins, groups, windows and sort orders.

use sqlparser::ast::{
    BinaryOperator, Distinct, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, Join, JoinConstraint, JoinOperator,
    NamedWindowExpr, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier,
    TableAlias, TableFactor, WindowFrameBound, WindowFrameUnits, WindowSpec,
};

use super::{Class, Columns, Reader, common_class, unquoted_name};
use crate::known_calls::called_names;

impl Reader<'_> {
    /// Looks up the constructs of a query, and returns the query's columns.
    pub(super) fn query(&mut self, query: &Query) -> Vec<(String, Class)> {
        if let Some(with) = &query.with {
            self.need("clauses", "with");
            for table in &with.cte_tables {
                let columns = self.query(&table.query).into_iter().collect();
                self.relations.insert(table.alias.name.value.to_lowercase(), columns);
            }
        }
        let columns = self.body(&query.body);
        match query.order_by.as_ref().map(|order| &order.kind) {
            None => {}
            Some(OrderByKind::Expressions(keys)) => {
                self.need("clauses", "order by an output column");
                let output = columns.iter().cloned().collect();
                let sources = self.sources_of(&query.body);
                self.scopes.push([vec![(String::new(), output)], sources].concat());
                self.order(keys);
                self.scopes.pop();
            }
            Some(OrderByKind::All(_)) => self.need("clauses", "order by all"),
        }
        if query.limit_clause.is_some() {
            self.need("clauses", "limit");
        }
        columns
    }

    fn body(&mut self, body: &SetExpr) -> Vec<(String, Class)> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let (mut columns, others) = (self.body(left), self.body(right));
                for ((_, class), (_, other)) in columns.iter_mut().zip(others) {
                    *class = common_class(&[std::mem::take(class), other]);
                }
                let is_all = *op == SetOperator::Union && *set_quantifier == SetQuantifier::All;
                self.need("clauses", if is_all { "union all" } else { "another set operation" });
                columns
            }
            SetExpr::Values(values) => {
                for value in values.rows.iter().flat_map(|row| row.content.iter()) {
                    self.class(value);
                }
                Vec::new()
            }
            other => {
                self.missing.insert(format!("clauses: {other}"));
                Vec::new()
            }
        }
    }

    /// Returns the relations of a select, for the sort order that follows it.
    fn sources_of(&mut self, body: &SetExpr) -> Vec<(String, Columns)> {
        let SetExpr::Select(select) = body else {
            return Vec::new();
        };
        let factors = select.from.iter().flat_map(|from| {
            let joined = from.joins.iter().map(|join| &join.relation);
            [&from.relation].into_iter().chain(joined)
        });
        let factors: Vec<&TableFactor> = factors.collect();
        // These relations have already been read, so a second pass must not report further constructs.
        let missing = self.missing.clone();
        let sources = factors.into_iter().map(|factor| self.source(factor)).collect();
        self.missing = missing;
        sources
    }

    fn select(&mut self, select: &Select) -> Vec<(String, Class)> {
        match &select.distinct {
            None => {}
            Some(Distinct::Distinct) => self.need("clauses", "select distinct"),
            Some(_) => self.need("clauses", "another distinct"),
        }
        self.scopes.push(Vec::new());
        for from in &select.from {
            self.add_source(&from.relation);
            for join in &from.joins {
                self.add_source(&join.relation);
                self.join(join);
            }
        }
        if select.from.len() > 1 {
            self.need("clauses", "cross join");
        }
        for window in &select.named_window {
            self.need("clauses", "window name as (…)");
            if let NamedWindowExpr::WindowSpec(spec) = &window.1 {
                self.window(spec);
            }
        }
        let mut columns = Vec::new();
        for item in &select.projection {
            self.item(item, &mut columns);
        }
        // Aliases can be used in the clauses below. Columns of the sources come first.
        let aliases = columns.iter().cloned().collect();
        self.scopes.last_mut().expect("a scope").push((String::new(), aliases));
        if let Some(condition) = &select.selection {
            self.class(condition);
        }
        match &select.group_by {
            GroupByExpr::Expressions(keys, _) => {
                for key in keys {
                    self.class(key);
                    if !matches!(key, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
                        self.need("clauses", "group by an expression");
                    }
                }
            }
            GroupByExpr::All(_) => self.need("clauses", "group by all"),
        }
        if let Some(condition) = &select.having {
            self.need("clauses", "having");
            self.class(condition);
        }
        if let Some(condition) = &select.qualify {
            self.need("facts", "qualify = true");
            self.class(condition);
        }
        self.scopes.pop();
        columns
    }

    fn item(&mut self, item: &SelectItem, columns: &mut Vec<(String, Class)>) {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let name = match expr {
                    Expr::Identifier(name) => name.value.to_lowercase(),
                    Expr::CompoundIdentifier(names) => {
                        names.last().map_or_else(String::new, |name| name.value.to_lowercase())
                    }
                    _ => String::new(),
                };
                columns.push((name, self.class(expr)));
            }
            SelectItem::ExprWithAlias { expr, alias } => columns.push((alias.value.to_lowercase(), self.class(expr))),
            SelectItem::Wildcard(_) => {
                let scope = self.scopes.last().cloned().unwrap_or_default();
                columns.extend(scope.into_iter().flat_map(|(_, columns)| columns));
            }
            SelectItem::QualifiedWildcard(kind, _) => {
                let name = kind
                    .to_string()
                    .trim_end_matches(".*")
                    .trim_matches(['"', '`'])
                    .to_lowercase();
                let scope = self.scopes.last().cloned().unwrap_or_default();
                let of = scope.into_iter().filter(|(alias, _)| *alias == name);
                columns.extend(of.flat_map(|(_, columns)| columns));
            }
            SelectItem::ExprWithAliases { expr, .. } => {
                self.class(expr);
            }
        }
    }

    fn add_source(&mut self, factor: &TableFactor) {
        let source = self.source(factor);
        self.scopes.last_mut().expect("a scope").push(source);
    }

    fn source(&mut self, factor: &TableFactor) -> (String, Columns) {
        let named = |alias: &Option<TableAlias>| alias.as_ref().map(|alias| alias.name.value.to_lowercase());
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let name = unquoted_name(name);
                let name = name.rsplit('.').next().unwrap_or_default().to_owned();
                let columns = self.relations.get(&name).cloned().unwrap_or_default();
                (named(alias).unwrap_or(name), columns)
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let columns = self.query(subquery).into_iter().collect();
                (named(alias).unwrap_or_default(), columns)
            }
            TableFactor::UNNEST { alias, array_exprs, .. } => {
                // A list in a template, or a series of periods, which the entry `series` of `dialects/facts` covers.
                self.lists(array_exprs);
                (named(alias).unwrap_or_default(), Columns::new())
            }
            TableFactor::Table {
                name,
                args: Some(arguments),
                alias,
                ..
            } if unquoted_name(name) == "unnest" => {
                let lists = arguments.args.iter().filter_map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(list)) => Some(list),
                    _ => None,
                });
                self.lists(lists);
                (named(alias).unwrap_or_default(), Columns::new())
            }
            // A series of periods, which the entry `series` of `dialects/facts` covers.
            TableFactor::Table { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::TableFunction { alias, .. } => {
                let names = called_names(&factor.to_string().to_lowercase(), self.facts.dialect);
                let unknown = names.into_iter().filter(|name| !self.facts.series.contains(name));
                self.missing.extend(unknown.map(|name| format!("calls: {name}")));
                (named(alias).unwrap_or_default(), Columns::new())
            }
            other => {
                self.missing
                    .insert(format!("a relation that the test cannot read: {other}"));
                (String::new(), Columns::new())
            }
        }
    }

    /// Looks up the constructs in the arguments of `unnest`.
    fn lists<'e>(&mut self, lists: impl IntoIterator<Item = &'e Expr>) {
        for list in lists {
            match list {
                Expr::Function(call) if self.facts.series.contains(&unquoted_name(&call.name)) => {}
                _ => {
                    self.class(list);
                }
            }
        }
    }

    fn join(&mut self, join: &Join) {
        let (text, constraint) = match &join.join_operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) => ("inner join", on),
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => ("left join", on),
            JoinOperator::FullOuter(on) => ("full join", on),
            JoinOperator::CrossJoin(on) => ("cross join", on),
            other => {
                self.missing.insert(format!("clauses: {other:?}"));
                return;
            }
        };
        self.need("clauses", text);
        let JoinConstraint::On(condition) = constraint else {
            return;
        };
        self.class(condition);
        if matches!(text, "left join" | "full join") && !has_operator(condition, BinaryOperator::Eq) {
            let without = "conditions without an equality";
            let forms =
                [condition_of_nulls(condition).unwrap_or(without), without].map(|form| format!("{text} on {form}"));
            if !forms.iter().any(|form| self.facts.patterns.has_fact("clauses", form)) {
                self.missing.insert(format!("clauses: {}", forms[0]));
            }
        }
    }

    pub(super) fn window(&mut self, spec: &WindowSpec) {
        for key in &spec.partition_by {
            self.class(key);
        }
        self.order(&spec.order_by);
        let Some(frame) = &spec.window_frame else { return };
        let is_counted = |bound: &WindowFrameBound| {
            matches!(
                bound,
                WindowFrameBound::Preceding(Some(_)) | WindowFrameBound::Following(Some(_))
            )
        };
        if spec.window_name.is_some() {
            self.need("clauses", "over (name rows …)");
        }
        if frame.units == WindowFrameUnits::Range {
            self.need("clauses", "range between unbounded preceding and 1 preceding");
        } else if [Some(&frame.start_bound), frame.end_bound.as_ref()]
            .into_iter()
            .flatten()
            .any(is_counted)
        {
            self.need("clauses", "rows between n preceding and n following");
        }
    }

    fn order(&mut self, keys: &[OrderByExpr]) {
        self.sort_keys(keys);
        if keys.iter().any(|key| key.options.nulls_first == Some(false)) {
            self.need("clauses", "order by … nulls last");
        }
    }
}

/// Returns whether one of the AND operands of a condition is a comparison with this operator.
fn has_operator(condition: &Expr, binary_operator: BinaryOperator) -> bool {
    match condition {
        Expr::Nested(inner) => has_operator(inner, binary_operator),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => has_operator(left, binary_operator.clone()) || has_operator(right, binary_operator),
        Expr::BinaryOp { op, .. } => *op == binary_operator,
        _ => false,
    }
}

/// Returns the construct by which a condition treats two NULLs as equal, if there is one.
fn condition_of_nulls(condition: &Expr) -> Option<&'static str> {
    match condition {
        Expr::Nested(inner) => condition_of_nulls(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => condition_of_nulls(left).or_else(|| condition_of_nulls(right)),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Or,
            ..
        } if has_operator(left, BinaryOperator::Eq) => Some("`a = b or (a is null and b is null)`"),
        Expr::IsNotDistinctFrom(..) => Some("`is not distinct from`"),
        _ => None,
    }
}
