//! Conditions of joins, as a style guide has them.

use super::tree::{Sql, SqlId, Tree};
use crate::dialect::op::Op;
use crate::span::Span;

impl Tree {
    /// A condition in which each equality of two columns names the one of the `joined` relation last.
    pub fn earlier_first(&mut self, on: SqlId, joined: &str) -> SqlId {
        let mut parts = Vec::new();
        let mut open = vec![on];
        while let Some(id) = open.pop() {
            match *self.node(id) {
                Sql::Binary { op: Op::And, left, right } => open.extend([right, left]),
                _ => parts.push(id),
            }
        }
        let mut turned = false;
        for part in &mut parts {
            if let Sql::Binary { op, left, right } = *self.node(*part)
                && matches!(op, Op::Equal | Op::NotDistinct)
                && self.is_field_of(left, joined) == Some(true)
                && self.is_field_of(right, joined) == Some(false)
            {
                *part = self.binary(op, right, left, Span::default());
                turned = true;
            }
        }
        let all = |tree: &mut Self, parts: Vec<SqlId>| {
            parts.into_iter().reduce(|a, b| tree.binary(Op::And, a, b, Span::default()))
        };
        if turned { all(self, parts).unwrap_or(on) } else { on }
    }

    /// Whether a column of one of several relations is of this one.
    fn is_field_of(&self, field: SqlId, relation: &str) -> Option<bool> {
        let Sql::Field { qualifier, .. } = *self.node(field) else { return None };
        Some(self.is_text(qualifier, relation))
    }
}
