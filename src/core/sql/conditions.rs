//! Formats join conditions and `order by` keys in a consistent style.

use super::relational_plan::{Operator, RowPlan};
use super::tree::{Sql, SqlId, SqlSlice, SqlTree};
use crate::dialect::op::Op;
use crate::span::Span;

impl SqlTree {
    /// Adds the negation of a condition. A comparison gets the opposite operator.
    pub fn add_negation(&mut self, condition: SqlId) -> SqlId {
        let span = self.meta(condition).span;
        if let Sql::Binary { op, left, right } = *self.node(condition)
            && let Some(op) = op.negated()
        {
            return self.add_binary(op, left, right, span);
        }
        self.add(Sql::Not(condition), span)
    }

    /// Adds `asc` to keys of `order by` if another key is descending.
    pub fn add_missing_asc_keywords(&mut self, keys: &mut [SqlId]) {
        let says = |tree: &Self, key: SqlId, direction: &'static str| {
            let Sql::Spaced(parts) = *tree.node(key) else {
                return false;
            };
            tree.args(parts)
                .iter()
                .any(|part| tree.node(*part) == &Sql::Word(direction))
        };
        if !keys.iter().any(|key| says(self, *key, "desc")) {
            return;
        }
        // Keys that an earlier select also uses already have sort directions.
        let bare: Vec<bool> = keys
            .iter()
            .map(|key| !says(self, *key, "desc") && !says(self, *key, "asc"))
            .collect();
        for (key, _) in keys.iter_mut().zip(bare).filter(|(_, is_bare)| *is_bare) {
            let span = self.meta(*key).span;
            let mut parts = match *self.node(*key) {
                Sql::Spaced(parts) if self.specifies_null_order(parts) => self.args(parts).to_vec(),
                _ => vec![*key],
            };
            parts.insert(1, self.add_word("asc", span));
            let parts = self.add_slice(&parts);
            *key = self.add(Sql::Spaced(parts), span);
        }
    }

    /// Qualifies each key of `order by` that refers to a qualified column without an alias in the select list.
    pub fn qualify_sort_keys(&mut self, plan: &mut RowPlan) {
        let is_sort = |operator: &Operator| matches!(operator, Operator::Sort(_));
        let index = plan.operators.iter().position(is_sort).unwrap_or_default();
        let (before, sort) = plan.operators.split_at_mut(index);
        let list = before.iter().find_map(Operator::list);
        let (Some(list), [Operator::Sort(keys), ..], true) = (list, sort, before.iter().any(Operator::is_join)) else {
            return;
        };
        for key in keys {
            let (sql, rest) = match *self.node(*key) {
                Sql::Spaced(parts) => match self.args(parts).to_vec().as_slice() {
                    [bare, rest @ ..] => (*bare, rest.to_vec()),
                    [] => continue,
                },
                _ => (*key, Vec::new()),
            };
            let Sql::Text { first, len } = *self.node(sql) else {
                continue;
            };
            let is_it = |expr: SqlId| match *self.node(expr) {
                Sql::Field { name, .. } => self.is_text(name, self.str(first, len)),
                _ => false,
            };
            let mut items = list.items.iter();
            let item = items.find(|item| item.alias.is_none() && is_it(item.expr));
            let Some(field) = item.map(|item| item.expr) else {
                continue;
            };
            let parts: Vec<SqlId> = std::iter::once(field).chain(rest).collect();
            *key = match parts.as_slice() {
                [column] => *column,
                parts => {
                    let parts = self.add_slice(parts);
                    self.add(Sql::Spaced(parts), Span::default())
                }
            };
        }
    }

    /// Returns whether a key of `order by` specifies the position of its NULLs.
    pub fn specifies_null_order(&self, key: SqlSlice) -> bool {
        self.args(key)
            .last()
            .is_some_and(|part| self.node(*part) == &Sql::Word("nulls last"))
    }

    /// Rewrites a condition so that each comparison of two columns has the column of the `joined` relation on the
    /// right-hand side.
    pub fn put_joined_column_last(&mut self, condition: SqlId, joined: &str) -> SqlId {
        let mut parts = Vec::new();
        let mut open = vec![condition];
        while let Some(id) = open.pop() {
            match *self.node(id) {
                Sql::Binary {
                    op: Op::And,
                    left: sql,
                    right,
                } => open.extend([right, sql]),
                _ => parts.push(id),
            }
        }
        let mut turned = false;
        for part in &mut parts {
            if let Sql::Binary { op, left, right } = *self.node(*part)
                && let Some(op) = op.swapped()
                && self.is_column_of_relation(left, joined) == Some(true)
                && self.is_column_of_relation(right, joined) == Some(false)
            {
                *part = self.add_binary(op, right, left, Span::default());
                turned = true;
            }
        }
        if turned {
            self.add_conjunction(parts).unwrap_or(condition)
        } else {
            condition
        }
    }

    /// Returns whether a qualified column belongs to this relation.
    fn is_column_of_relation(&self, field: SqlId, relation: &str) -> Option<bool> {
        let Sql::Field { qualifier, .. } = *self.node(field) else {
            return None;
        };
        Some(self.is_text(qualifier, relation))
    }
}
