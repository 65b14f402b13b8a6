//! The value of another period in one expression: a frame of the one row whose key is this row's, moved.

use super::Emitter;
use crate::catalog::{self, internal};
use crate::diag::{Code, Diagnostic};
use crate::dialect::Cell;
use crate::ir::{IrId, Meta, Period};
use crate::sql::{Sql, SqlId};

/// What tells the rows apart of which one is looked for.
#[derive(Clone, Debug)]
pub struct ShiftedDate {
    /// What is equal in both.
    pub partition: Vec<SqlId>,
    /// What is moved.
    pub key: SqlId,
    pub nullable: bool,
}

impl Emitter<'_> {
    pub(super) fn in_period(&mut self, value: IrId, period: Period, meta: Meta) -> SqlId {
        let span = meta.span;
        let overload = catalog::get(internal::PERIOD_FRAME).overloads[0].id;
        let framed = matches!(self.dialect.cell(overload), Cell::Template(_));
        let Some(moved) = self.windows.moved.clone().filter(|_| framed) else {
            let message = "`PERIODOFFSET` looks up another row, which needs a join";
            self.report(
                Diagnostic::new(Code::NeedsQuery, span, message)
                    .with_help("write a spec with `order_by` and compile it with `formulac query`, which joins"),
            );
            return self.unwritten(span);
        };
        let words = self.program.args(period.words);
        words.iter().for_each(|word| self.emit(*word));
        let distance = self.apply(overload, words, span);
        let side = if period.count < 0 { "preceding" } else { "following" };
        let tree = &mut self.work.tree;
        let parts = [tree.word("range between", span), distance, tree.word(side, span), tree.word("and", span)];
        let parts = [parts[0], parts[1], parts[2], parts[3], distance, parts[2]];
        let parts = tree.slice(&parts);
        let rows = Some(tree.add(Sql::Spaced(parts), span));
        let first = catalog::get(internal::FIRST_VALUE).overloads[0].id;
        let x = self.apply(first, &[value], span);
        let tree = &mut self.work.tree;
        let (partition, order) = (tree.slice(&moved.partition), tree.slice(&[moved.key]));
        let window = tree.add(Sql::Over { x, partition, order, rows }, span);
        if !moved.nullable {
            return window;
        }
        // Rows without a key are peers, and none is a period before another.
        let there = tree.add(Sql::Postfix { op: "is not null", x: moved.key }, span);
        let arms = tree.slice(&[there, window]);
        tree.add(Sql::Case { subject: None, arms }, span)
    }
}
