//! Lineage of the `from` clause: tables, subqueries, joins, functions and pivots.

use std::rc::Rc;

use rustc_hash::FxHashSet;
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    TableAlias, TableFactor, TableWithJoins,
};

use super::query::{QueryReader, name_parts};
use super::relation::{LineageRelation, RelationColumn, UnknownColumns};
use super::scope::{ExpressionInputs, QueryScope, ScopeItem};
use super::values::{Leaf, ValueIndex, fingerprint_of};

/// Properties of a join.
struct JoinProperties<'j> {
    constraint: &'j JoinConstraint,
    /// Whether the columns of the joined table are part of the result.
    returns_columns: bool,
    /// Whether a `using` column takes its value from the left side and from the right side.
    kept_sides: (bool, bool),
}

impl QueryReader<'_> {
    /// Adds a table and the tables joined to it.
    pub(super) fn add_joined_tables(
        &mut self,
        from: &TableWithJoins,
        scope: &mut QueryScope<'_>,
        rows: &mut Vec<ValueIndex>,
    ) {
        self.add_factor(&from.relation, scope, rows);
        for join in &from.joins {
            self.add_join(join, scope, rows);
        }
    }

    fn add_join(&mut self, join: &Join, scope: &mut QueryScope<'_>, rows: &mut Vec<ValueIndex>) {
        let none = &JoinConstraint::None;
        let of = |constraint, gives, keeps| {
            Some(JoinProperties {
                constraint,
                returns_columns: gives,
                kept_sides: keeps,
            })
        };
        let kind = match &join.join_operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::StraightJoin(on) => {
                of(on, true, (true, true))
            }
            JoinOperator::CrossJoin(on) => of(on, true, (true, true)),
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => of(on, true, (true, false)),
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) => of(on, true, (false, true)),
            JoinOperator::FullOuter(on) => of(on, true, (true, true)),
            JoinOperator::Semi(on)
            | JoinOperator::LeftSemi(on)
            | JoinOperator::Anti(on)
            | JoinOperator::LeftAnti(on) => of(on, false, (true, false)),
            JoinOperator::AsOf {
                match_condition,
                constraint,
            } => {
                self.add_factor(&join.relation, scope, rows);
                self.collect_row_values([match_condition], scope, rows);
                let kind = JoinProperties {
                    constraint,
                    returns_columns: true,
                    kept_sides: (true, false),
                };
                return self.add_join_condition(&kind, &join.join_operator, scope, rows);
            }
            JoinOperator::CrossApply | JoinOperator::OuterApply => of(none, true, (true, true)),
            JoinOperator::RightSemi(_)
            | JoinOperator::RightAnti(_)
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => None,
        };
        let Some(kind) = kind else {
            return self.record_fault("this kind of join is not supported");
        };
        let before = scope.items.len();
        self.add_factor(&join.relation, scope, rows);
        self.add_join_condition(&kind, &join.join_operator, scope, rows);
        // The columns of a semi-join's right side are accessible only in its condition.
        while !kind.returns_columns && scope.items.len() > before {
            rows.extend(scope.pop().into_iter().flat_map(|item| item.relation.rows.clone()));
        }
    }

    /// Adds the values that determine which rows match in a join.
    fn add_join_condition(
        &mut self,
        kind: &JoinProperties<'_>,
        operator: &JoinOperator,
        scope: &mut QueryScope<'_>,
        rows: &mut Vec<ValueIndex>,
    ) {
        // Add the kind of join to the fingerprint, because left and inner joins of the same tables return different
        // rows.
        let word = match operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) => "inner",
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => "left",
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => "right",
            JoinOperator::FullOuter(_) => "full",
            JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) => "semi",
            JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) => "anti",
            _ => "other",
        };
        rows.push(self.values.add(&[], fingerprint_of(word)));
        match kind.constraint {
            JoinConstraint::On(expr) => self.collect_row_values([expr], scope, rows),
            JoinConstraint::Using(names) => {
                let names: Vec<(String, String)> = names.iter().filter_map(last_name_part).collect();
                names
                    .into_iter()
                    .for_each(|(name, shown)| self.merge_columns(&name, &shown, kind, scope, rows));
            }
            JoinConstraint::Natural => {
                let Some((last, before)) = scope.items.split_last() else {
                    return;
                };
                let is_known = scope.items.iter().all(|item| item.relation.is_complete());
                let is_common = |given: &&RelationColumn| {
                    before
                        .iter()
                        .any(|item| item.relation.column(&given.name.to_lowercase()).is_some())
                };
                let common: Vec<Rc<str>> = last
                    .relation
                    .columns
                    .iter()
                    .filter(is_common)
                    .map(|given| Rc::clone(&given.name))
                    .collect();
                if !is_known {
                    self.record_fault("a natural join is only supported if the columns of the relations are known");
                }
                common
                    .iter()
                    .for_each(|name| self.merge_columns(&name.to_lowercase(), name, kind, scope, rows));
            }
            JoinConstraint::None => {}
        }
    }

    /// Merges the columns of both sides for a name in `using`.
    fn merge_columns(
        &mut self,
        name: &str,
        shown: &str,
        kind: &JoinProperties<'_>,
        scope: &mut QueryScope<'_>,
        rows: &mut Vec<ValueIndex>,
    ) {
        let Some((last, before)) = scope.items.split_last() else {
            return;
        };
        let mut left = ExpressionInputs::default();
        match scope.merged.get(name) {
            Some(given) => left.add_columns(given),
            None => {
                let known: Vec<&ScopeItem> = before
                    .iter()
                    .filter(|item| item.relation.column(name).is_some())
                    .collect();
                let of = if known.is_empty() {
                    before.iter().collect()
                } else {
                    known
                };
                of.into_iter()
                    .for_each(|item| self.add_column(&item.relation, name, &mut left));
            }
        }
        let mut right = ExpressionInputs::default();
        self.add_column(&Rc::clone(&last.relation), name, &mut right);
        rows.extend(left.of.iter().chain(&right.of).chain(&left.by).chain(&right.by));
        let mut made = ExpressionInputs::default();
        for (part, is_kept) in [(left, kind.kept_sides.0), (right, kind.kept_sides.1)] {
            if is_kept {
                made.of.extend(part.of);
                made.by.extend(part.by);
            }
        }
        let of = self.values.add_unordered(made.of);
        let by = (!made.by.is_empty()).then(|| self.values.add_unordered(made.by));
        scope.merged.insert(
            name.to_owned(),
            RelationColumn {
                name: shown.into(),
                of,
                by,
            },
        );
    }

    fn add_column(&mut self, relation: &LineageRelation, name: &str, made: &mut ExpressionInputs) {
        if let Some(given) = relation.column(name) {
            self.values.name_value(given.of);
            return made.add_columns(given);
        }
        for table in relation.tables_that_may_have_column(name) {
            let at = self.add_leaf(Leaf {
                table,
                column: Some(name.into()),
            });
            self.values.name_value(at);
            made.of.push(at);
        }
        made.of.extend(&relation.rest);
    }

    /// Adds one item of `from` to the scope.
    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    fn add_factor(&mut self, factor: &TableFactor, scope: &mut QueryScope<'_>, rows: &mut Vec<ValueIndex>) {
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
                let relation = self.function_relation(&args.args, scope);
                let relation = self.name_unknown_columns(relation, alias.as_ref());
                self.add_relation(name_parts(name), relation, alias.as_ref(), scope);
            }
            TableFactor::Function { name, args, alias, .. } => {
                let relation = self.function_relation(args, scope);
                let relation = self.name_unknown_columns(relation, alias.as_ref());
                self.add_relation(name_parts(name), relation, alias.as_ref(), scope);
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
                    self.record_fault("a join in brackets with an alias is not supported");
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
                let mut own = QueryScope::nested(scope.outer);
                own.push(inner.clone());
                let mut of = Vec::new();
                let aggregates = aggregate_functions.iter().map(|aggregate| &aggregate.expr);
                self.collect_row_values(aggregates.chain(value_column).chain(default_on_null), &own, &mut of);
                of.push(self.values.add(&[], fingerprint_of(value_source.to_string())));
                let pivoted = self.pivot_relation(&inner.relation, &of);
                self.record_gap("the columns of a pivot are named after values".to_owned());
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
                let mut own = QueryScope::nested(scope.outer);
                own.push(inner.clone());
                let mut of = Vec::new();
                self.collect_row_values(columns.iter().map(|column| &column.expr), &own, &mut of);
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
                        of,
                        by: None,
                    }),
                    None => relation.rest.push(of),
                }
                let names = self.values.add(&[], fingerprint_of("column names"));
                relation.push(RelationColumn {
                    name: name.value.as_str().into(),
                    of: names,
                    by: None,
                });
                self.add_relation(inner.path, Rc::new(relation), alias.as_ref(), scope);
            }
            TableFactor::UnpivotExpr { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::SemanticView { .. } => self.record_fault("an item in the `from` clause is not supported"),
        }
    }

    /// Adds a column for each name in the alias if the names of a relation's columns are unknown, as for a pivot. The
    /// added columns come last.
    fn name_unknown_columns(
        &mut self,
        mut relation: LineageRelation,
        alias: Option<&TableAlias>,
    ) -> Rc<LineageRelation> {
        let named = alias.map_or(0, |alias| alias.columns.len());
        if relation.passed.is_empty() && named > relation.columns.len() {
            let of = std::mem::take(&mut relation.rest);
            let of = self.values.add_unordered(of);
            while relation.columns.len() < named {
                relation.push(RelationColumn {
                    name: "".into(),
                    of,
                    by: None,
                });
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
            None => ScopeItem { path, relation },
            Some(alias) => {
                let relation = match alias.columns.is_empty() {
                    true => relation,
                    false => Rc::new(self.rename_columns((*relation).clone(), alias)),
                };
                ScopeItem {
                    path: vec![alias.name.value.to_lowercase()],
                    relation,
                }
            }
        };
        scope.push(item);
    }

    /// Resolves a table name to a CTE, an array column of an earlier table (in BigQuery) or a table of the warehouse.
    fn resolve_table(&mut self, name: &ObjectName, path: &[String], scope: &QueryScope<'_>) -> Rc<LineageRelation> {
        if let [one] = path {
            if let Some(relation) = self.find_cte(one) {
                return relation;
            }
        } else if let Some(first) = path.first()
            && scope.items.iter().any(|item| item.path.last() == Some(first))
        {
            let made = self.column(path, scope);
            let rows = made.of.clone();
            return Rc::new(LineageRelation {
                rest: made.of,
                rows,
                ..LineageRelation::default()
            });
        }
        if path.is_empty() {
            self.record_fault(format!("`{name}` is not a table name"));
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
                } if self.facts.names_by_equals && matches!(**left, Expr::Identifier(_)) => right,
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
        let mut of = Vec::new();
        self.collect_row_values(exprs, scope, &mut of);
        let of = self.values.add(&of, 0);
        LineageRelation {
            rest: vec![of],
            rows: vec![of],
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
        let of = relation.rows.first().copied().unwrap_or_default();
        let alias_name = alias.map(|alias| alias.name.value.as_str());
        let columns = alias.map(|alias| alias.columns.as_slice()).unwrap_or_default();
        if columns.is_empty() {
            relation.push(RelationColumn {
                name: alias_name.unwrap_or("unnest").into(),
                of,
                by: None,
            });
        }
        for column in columns {
            relation.push(RelationColumn {
                name: column.name.value.as_str().into(),
                of,
                by: None,
            });
        }
        if let Some(offset) = offset.or(is_numbered.then_some("ordinality")) {
            relation.push(RelationColumn {
                name: offset.into(),
                of,
                by: None,
            });
        }
        let path = alias_name.map(|name| vec![name.to_lowercase()]).unwrap_or_default();
        scope.push(ScopeItem {
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
    ) -> Option<ScopeItem> {
        let before = scope.items.len();
        self.add_factor(table, scope, rows);
        let mut item = None;
        while scope.items.len() > before {
            item = scope.pop();
        }
        item
    }

    /// Returns the relation of a pivot. The pivot groups by all input columns that it does not use otherwise.
    fn pivot_relation(&mut self, relation: &LineageRelation, of: &[ValueIndex]) -> LineageRelation {
        let used: FxHashSet<ValueIndex> = of.iter().copied().collect();
        let parts: FxHashSet<ValueIndex> = of
            .iter()
            .flat_map(|at| self.values.parts_at(*at).to_vec())
            .chain(used)
            .collect();
        let mut pivoted = LineageRelation {
            rows: relation.rows.clone(),
            ..LineageRelation::default()
        };
        for given in relation.columns.iter().filter(|given| !parts.contains(&given.of)) {
            pivoted.rows.push(given.of);
            pivoted.push(given.clone());
        }
        pivoted.passed.clone_from(&relation.passed);
        pivoted.rest.clone_from(&relation.rest);
        let of = self.values.add(of, fingerprint_of("pivot"));
        pivoted.rest.push(of);
        pivoted.rows.push(of);
        pivoted
    }
}

fn without_columns(relation: &LineageRelation, taken: &FxHashSet<String>) -> LineageRelation {
    let mut kept = LineageRelation {
        rows: relation.rows.clone(),
        rest: relation.rest.clone(),
        ..LineageRelation::default()
    };
    let columns = relation
        .columns
        .iter()
        .filter(|given| !taken.contains(&given.name.to_lowercase()));
    columns.cloned().for_each(|given| kept.push(given));
    let passed = |passed: &UnknownColumns| {
        let but: FxHashSet<String> = passed.but.iter().chain(taken).cloned().collect();
        UnknownColumns {
            table: passed.table,
            but: Rc::new(but),
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

/// Returns the last part of a name, in lower case and as spelled.
fn last_name_part(name: &ObjectName) -> Option<(String, String)> {
    let shown = &name.0.last()?.as_ident()?.value;
    Some((shown.to_lowercase(), shown.clone()))
}
