//! SQL of join keys, grouping keys and sort keys.

use super::Emitter;
use crate::catalog::{self, internal};
use crate::dialect::Cell;
use crate::dialect::op::Op;
use crate::ir::IrId;
use crate::span::Span;
use crate::sql::{Sql, SqlId};

impl Emitter<'_> {
    /// Emits a comparison of two join keys. If the keys are nullable, two NULLs count as equal.
    pub fn emit_key_comparison(&mut self, left: SqlId, right: SqlId, nullable: bool) -> SqlId {
        let overload = catalog::first_overload(if nullable { internal::SAME_KEY } else { internal::EQUAL }).id;
        let Cell::Template(template) = self.dialect.cell(overload) else {
            return self.null_placeholder(Span::default());
        };
        // The operands are not nodes of the program, so store them temporarily after the program's nodes.
        let end = self.buffers.sql.len();
        self.buffers.sql.extend([left, right]);
        let operands = [IrId(end as u32), IrId(end as u32 + 1)];
        let equality = self.instantiate(template, &operands, false, Span::default());
        self.buffers.sql.truncate(end);
        equality
    }

    /// Wraps a constant in an aggregate expression, such as `case when count(*) >= 0 then 1 end`, so that a grouped
    /// select accepts the constant.
    pub fn emit_constant_as_aggregate(&mut self, constant: SqlId) -> SqlId {
        let tree = &mut self.buffers.tree;
        let span = tree.meta(constant).span;
        let (rows, zero) = (tree.add_row_count(span), tree.add_word("0", span));
        let always = tree.add_binary(Op::GreaterEqual, rows, zero, span);
        let arms = tree.add_slice(&[always, constant]);
        tree.add(Sql::Case { subject: None, arms }, span)
    }

    /// Emits an `order by` key, with NULLs last in either direction.
    pub fn emit_order_by_key(&mut self, key: SqlId, descending: bool, nullable: bool) -> SqlId {
        let facts = self.dialect.facts();
        let default = if descending {
            facts.nulls_sort_descending
        } else {
            facts.nulls_sort
        };
        let span = self.buffers.tree.meta(key).span;
        let mut parts = vec![key];
        if descending {
            parts.push(self.buffers.tree.add_word("desc", span));
        }
        if nullable && default != "last" {
            parts.push(self.buffers.tree.add_word("nulls last", span));
        }
        if parts.len() == 1 {
            return key;
        }
        let parts = self.buffers.tree.add_slice(&parts);
        self.buffers.tree.add(Sql::Spaced(parts), span)
    }
}
