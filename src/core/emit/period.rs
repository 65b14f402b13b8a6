//! Value from another period as a single expression: a window whose frame contains a single row. The key of that row is
//! the current row's key, shifted by the period.

use super::Emitter;
use crate::catalog::{self, internal};
use crate::diag::{Code, Diagnostic};
use crate::dialect::{Cell, Dialect};
use crate::ir::{CalendarOffset, IrId, NodeMeta};
use crate::sql::{Sql, SqlId};

/// Columns that identify the row of the other period.
#[derive(Clone, Debug)]
pub struct PeriodLookupKeys {
    /// Partition keys, which have the same values in both rows.
    pub partition: Vec<SqlId>,
    /// Sort key, which is shifted by the period.
    pub key: SqlId,
    pub nullable: bool,
}

/// Returns whether the dialect has window frames in calendar units.
pub fn supports_calendar_frames(dialect: Dialect) -> bool {
    let overload = catalog::first_overload(internal::PERIOD_FRAME).id;
    matches!(dialect.cell(overload), Cell::Template(_))
}

impl Emitter<'_> {
    pub(super) fn emit_period_lookup(&mut self, value: IrId, period: CalendarOffset, meta: NodeMeta) -> SqlId {
        let span = meta.span;
        let overload = catalog::first_overload(internal::PERIOD_FRAME).id;
        let moved = self.windows.period_lookup_keys.clone();
        let Some(moved) = moved.filter(|_| supports_calendar_frames(self.dialect)) else {
            let message = match supports_calendar_frames(self.dialect) {
                true => {
                    "`PERIODOFFSET` looks up another row, which needs a join unless `group_by` or the relation's key \
                     identifies each row"
                }
                false => "`PERIODOFFSET` looks up another row, which needs a join",
            };
            self.report(
                Diagnostic::new(Code::NeedsQuery, span, message).with_help(
                    "write a spec with `order_by` and compile it with `formulac query`, which adds the join",
                ),
            );
            return self.null_placeholder(span);
        };
        let words = self.program.args(period.words);
        words.iter().for_each(|word| self.emit(*word));
        let distance = self.emit_call(overload, words, span);
        let side = if period.count < 0 { "preceding" } else { "following" };
        let tree = &mut self.buffers.tree;
        let parts = [
            tree.add_word("range between", span),
            distance,
            tree.add_word(side, span),
            tree.add_word("and", span),
        ];
        let parts = [parts[0], parts[1], parts[2], parts[3], distance, parts[2]];
        let parts = tree.add_slice(&parts);
        let rows = Some(tree.add(Sql::Spaced(parts), span));
        let first = catalog::first_overload(internal::FIRST_VALUE).id;
        let x = self.emit_call(first, &[value], span);
        let tree = &mut self.buffers.tree;
        let (partition, order) = (tree.add_slice(&moved.partition), tree.add_slice(&[moved.key]));
        let window = tree.add(
            Sql::Over {
                x,
                partition,
                order,
                rows,
            },
            span,
        );
        if !moved.nullable {
            return window;
        }
        // Return NULL for rows with a NULL key. These rows are peers in the window, but must not match each other.
        let sql = tree.add(
            Sql::Postfix {
                op: "is not null",
                x: moved.key,
            },
            span,
        );
        let arms = tree.add_slice(&[sql, window]);
        tree.add(Sql::Case { subject: None, arms }, span)
    }
}
