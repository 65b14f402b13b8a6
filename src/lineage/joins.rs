//! Lineage of joins: their conditions, and the columns that `using` and natural joins merge.

use std::rc::Rc;

use sqlparser::ast::{Join, JoinConstraint, JoinOperator, ObjectName, TableWithJoins};

use super::query::QueryAnalyzer;
use super::relation::{LineageRelation, RelationColumn};
use super::scope::{ExpressionInputs, QueryScope, ScopeRelation};
use super::values::{ValueIndex, fingerprint_of};

/// Properties of a join.
struct JoinProperties<'j> {
    constraint: &'j JoinConstraint,
    /// Whether the columns of the joined table are part of the result.
    returns_columns: bool,
    /// Whether a `using` column takes its value from the left side, and whether it takes its value from the right side.
    kept_sides: (bool, bool),
}

impl QueryAnalyzer<'_> {
    /// Adds a table and the tables joined to it.
    pub(super) fn add_joined_tables(
        &mut self,
        from: &TableWithJoins,
        scope: &mut QueryScope<'_>,
        rows: &mut Vec<ValueIndex>,
    ) {
        self.add_table_factor(&from.relation, scope, rows);
        for join in &from.joins {
            self.add_join(join, scope, rows);
        }
    }

    fn add_join(&mut self, join: &Join, scope: &mut QueryScope<'_>, rows: &mut Vec<ValueIndex>) {
        let none = &JoinConstraint::None;
        let properties = |constraint, gives, keeps| {
            Some(JoinProperties {
                constraint,
                returns_columns: gives,
                kept_sides: keeps,
            })
        };
        let kind = match &join.join_operator {
            JoinOperator::Join(join_constraint)
            | JoinOperator::Inner(join_constraint)
            | JoinOperator::StraightJoin(join_constraint) => properties(join_constraint, true, (true, true)),
            JoinOperator::CrossJoin(join_constraint) => properties(join_constraint, true, (true, true)),
            JoinOperator::Left(join_constraint) | JoinOperator::LeftOuter(join_constraint) => {
                properties(join_constraint, true, (true, false))
            }
            JoinOperator::Right(join_constraint) | JoinOperator::RightOuter(join_constraint) => {
                properties(join_constraint, true, (false, true))
            }
            JoinOperator::FullOuter(join_constraint) => properties(join_constraint, true, (true, true)),
            JoinOperator::Semi(join_constraint)
            | JoinOperator::LeftSemi(join_constraint)
            | JoinOperator::Anti(join_constraint)
            | JoinOperator::LeftAnti(join_constraint) => properties(join_constraint, false, (true, false)),
            JoinOperator::AsOf {
                match_condition,
                constraint,
            } => {
                self.add_table_factor(&join.relation, scope, rows);
                self.collect_row_values([match_condition], scope, rows);
                let kind = JoinProperties {
                    constraint,
                    returns_columns: true,
                    kept_sides: (true, false),
                };
                return self.add_join_condition(&kind, &join.join_operator, scope, rows);
            }
            JoinOperator::CrossApply | JoinOperator::OuterApply => properties(none, true, (true, true)),
            JoinOperator::RightSemi(_)
            | JoinOperator::RightAnti(_)
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => None,
        };
        let Some(kind) = kind else {
            return self.record_lineage_error("this kind of join is not supported");
        };
        let before = scope.items.len();
        self.add_table_factor(&join.relation, scope, rows);
        self.add_join_condition(&kind, &join.join_operator, scope, rows);
        // The columns of a semi-join's right side are accessible only in its condition, so remove them from the scope.
        while !kind.returns_columns && scope.items.len() > before {
            rows.extend(scope.pop().into_iter().flat_map(|item| item.relation.rows.clone()));
        }
    }

    /// Adds to `rows` the values that determine which rows match in a join.
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
                    .for_each(|(name, display_name)| self.merge_columns(&name, &display_name, kind, scope, rows));
            }
            JoinConstraint::Natural => {
                let Some((last, before)) = scope.items.split_last() else {
                    return;
                };
                let is_known = scope.items.iter().all(|item| item.relation.is_complete());
                let is_common = |column: &&RelationColumn| {
                    before
                        .iter()
                        .any(|item| item.relation.column(&column.name.to_lowercase()).is_some())
                };
                let common: Vec<Rc<str>> = last
                    .relation
                    .columns
                    .iter()
                    .filter(is_common)
                    .map(|column| Rc::clone(&column.name))
                    .collect();
                if !is_known {
                    self.record_lineage_error(
                        "a natural join is supported only if the columns of the relations are known",
                    );
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
        display_name: &str,
        kind: &JoinProperties<'_>,
        scope: &mut QueryScope<'_>,
        rows: &mut Vec<ValueIndex>,
    ) {
        let Some((last, before)) = scope.items.split_last() else {
            return;
        };
        let mut expression_inputs = ExpressionInputs::default();
        match scope.merged_columns.get(name) {
            Some(column) => expression_inputs.add_columns(column),
            None => {
                let scope_items: Vec<&ScopeRelation> = before
                    .iter()
                    .filter(|item| item.relation.column(name).is_some())
                    .collect();
                let side_items = if scope_items.is_empty() {
                    before.iter().collect()
                } else {
                    scope_items
                };
                side_items
                    .into_iter()
                    .for_each(|item| self.add_column(&item.relation, name, &mut expression_inputs));
            }
        }
        let mut right = ExpressionInputs::default();
        self.add_column(&Rc::clone(&last.relation), name, &mut right);
        rows.extend(
            expression_inputs
                .values
                .iter()
                .chain(&right.values)
                .chain(&expression_inputs.window_values)
                .chain(&right.window_values),
        );
        let mut merged_inputs = ExpressionInputs::default();
        for (part, is_kept) in [(expression_inputs, kind.kept_sides.0), (right, kind.kept_sides.1)] {
            if is_kept {
                merged_inputs.values.extend(part.values);
                merged_inputs.window_values.extend(part.window_values);
            }
        }
        let value = self.values.add_unordered_value(merged_inputs.values);
        let window_value = self.values.combine_window_values(merged_inputs.window_values);
        scope.merged_columns.insert(
            name.to_owned(),
            RelationColumn {
                name: display_name.into(),
                value,
                window_value,
            },
        );
    }

    fn add_column(&mut self, relation: &LineageRelation, name: &str, inputs: &mut ExpressionInputs) {
        match relation.column(name) {
            Some(column) => self.add_named_column(column, inputs),
            None => self.add_unknown_column(relation, name, inputs),
        }
    }
}

/// Returns the last part of a name, in lower case and in its original case.
fn last_name_part(name: &ObjectName) -> Option<(String, String)> {
    let display_name = &name.0.last()?.as_ident()?.value;
    Some((display_name.to_lowercase(), display_name.clone()))
}
