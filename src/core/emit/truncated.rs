//! Comparisons of truncated dates with constants, in dialects whose engine returns wrong results.

use super::Emitter;
use crate::check::next_day;
use crate::dialect::op::Op;
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::sql::{Sql, SqlId};
use crate::{Level, Type};

impl Emitter<'_> {
    /// Emits `truncated <= constant` as `truncated < next` if the dialect requires it. `next` is the day after the
    /// constant, or the first instant after the constant.
    #[inline]
    pub(super) fn emit_truncated_comparison(&mut self, op: Op, left: IrId, right: IrId, span: Span) -> Option<SqlId> {
        match op {
            Op::LessEqual => self.emit_truncated_before_next(left, right, span),
            Op::GreaterEqual => self.emit_truncated_before_next(right, left, span),
            _ => None,
        }
    }

    fn emit_truncated_before_next(&mut self, truncated: IrId, constant: IrId, span: Span) -> Option<SqlId> {
        if self.dialect.facts().truncated_at_most.is_empty() {
            return None;
        }
        let sql = self.buffers.sql[truncated.index()];
        if self.program.meta(constant).level != Level::Const || !self.is_truncated(sql) {
            return None;
        }
        let next = self.emit_next_value(constant)?;
        Some(self.buffers.tree.add_binary(Op::Less, sql, next, span))
    }

    /// Emits `not (truncated > constant)`, which the engine converts to `truncated <= constant`.
    pub(super) fn emit_negated_truncated(&mut self, negated: IrId, span: Span) -> Option<SqlId> {
        let Sql::Binary { op, .. } = self.buffers.tree.node(self.buffers.sql[negated.index()]) else {
            return None;
        };
        let op = match op {
            Op::Greater => Op::LessEqual,
            Op::Less => Op::GreaterEqual,
            _ => return None,
        };
        let Ir::Apply { args, .. } = self.program.node(self.program.resolve_references(negated)) else {
            return None;
        };
        match self.program.args(args) {
            [left, right] => self.emit_truncated_comparison(op, *left, *right, span),
            _ => None,
        }
    }

    fn is_truncated(&self, sql: SqlId) -> bool {
        match self.buffers.tree.node(sql) {
            Sql::Cast { x, .. } => self.is_truncated_call(*x),
            _ => self.is_truncated_call(sql),
        }
    }

    fn is_truncated_call(&self, sql: SqlId) -> bool {
        matches!(self.buffers.tree.node(sql), Sql::Call { name: "date_trunc", .. })
    }

    /// Emits the first value of the constant's type that is after the constant. `None` if the constant is neither a
    /// date nor a time.
    fn emit_next_value(&mut self, constant: IrId) -> Option<SqlId> {
        let meta = self.program.meta(constant);
        let (sql, span) = (self.buffers.sql[constant.index()], meta.span);
        let step = match (self.program.node(constant), meta.ty) {
            (Ir::Date(slice), Type::Date) => {
                let next = next_day(self.program.text(slice))?;
                let form = &self.dialect.forms().date;
                return Some(self.buffers.tree.add_text(span, |out| form.push(out, &next)));
            }
            (_, Type::Date) => "1",
            (_, Type::Timestamp | Type::Timestamptz) => self.dialect.facts().truncated_at_most,
            _ => return None,
        };
        let step = self.buffers.tree.add_word(step, span);
        Some(self.buffers.tree.add_binary(Op::Add, sql, step, span))
    }
}
