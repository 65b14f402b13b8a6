//! Window calls: their partitions, their order, the rows that they see.

use std::fmt::Write as _;

use super::Emitter;
use super::period::Moved;
use crate::catalog::{self, internal};
use crate::ir::{Ir, IrId, Over, Place};
use crate::span::Span;
use crate::sql::{Slice, Sql, SqlId};
use crate::types::Type;

/// The rows of windows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Windows {
    /// What divides the rows in whose order values are looked up.
    pub partition: Vec<SqlId>,
    /// What the spec says to divide by: all that divides the rows that are ranked.
    pub own_partition: Vec<SqlId>,
    pub order: Vec<SqlId>,
    /// The keys that rows are grouped by.
    pub groups: Vec<SqlId>,
    /// What values of other periods are found by, where one expression holds them.
    pub moved: Option<Moved>,
}

impl Emitter<'_> {
    /// What divides the rows of windows, as the dialect takes a value of its type there.
    pub fn partition_key(&mut self, id: IrId, written: SqlId) -> SqlId {
        let meta = self.program.meta(id);
        if meta.ty != Type::Float {
            return written;
        }
        self.set(id, written);
        self.apply(catalog::get(internal::PARTITION_KEY).overloads[0].id, &[id], meta.span)
    }

    pub(super) fn window(&mut self, call: IrId, over: Over, span: Span) -> SqlId {
        let x = self.work.sql[call.index()];
        if let Over::Ranked { descending, apart, within } = over {
            let partition = if within { &self.windows.partition } else { &self.windows.own_partition };
            return self.ranked(x, call, partition.clone(), (descending, apart), span);
        }
        let partition = self.work.tree.slice(&self.windows.partition);
        let order = if over.ordered() { self.work.tree.slice(&self.windows.order) } else { Slice::default() };
        let rows = match over {
            // What engines take when nothing is said is a range, which takes rows of an equal key along.
            Over::Rows { from, to } => Some(self.work.tree.text(span, |out| push_rows(out, from, to))),
            _ => None,
        };
        self.work.tree.add(Sql::Over { x, partition, order, rows }, span)
    }

    /// A window in the order of the call's argument.
    fn ranked(
        &mut self,
        x: SqlId,
        call: IrId,
        mut partition: Vec<SqlId>,
        (descending, apart): (bool, bool),
        span: Span,
    ) -> SqlId {
        let Some(value) = self.program.operands(call).next() else { return self.unwritten(span) };
        let nullable = self.program.meta(value).nullable;
        let key = self.work.sql[value.index()];
        if nullable {
            // Whether it is there is asked outside of the window as well.
            self.count_repetition(&[2], &[value], span);
        }
        if nullable && apart {
            partition.push(self.work.tree.add(Sql::Postfix { op: "is null", x: key }, span));
        }
        // Apart, there are no NULLs beside values.
        let key = self.order_key(key, descending, nullable && !apart);
        let partition = self.work.tree.slice(&partition);
        let order = self.work.tree.slice(&[key]);
        self.work.tree.add(Sql::Over { x, partition, order, rows: None }, span)
    }

    /// The call that a window is made of, or the node itself.
    pub(super) fn in_window(&self, id: IrId) -> IrId {
        match self.program.node(id) {
            Ir::Window { call, .. } => call,
            _ => id,
        }
    }
}

fn push_rows(out: &mut String, from: Place, to: Place) {
    out.push_str("rows between ");
    push_place(out, from);
    out.push_str(" and ");
    push_place(out, to);
}

fn push_place(out: &mut String, place: Place) {
    match place {
        Place::First => out.push_str("unbounded preceding"),
        Place::Last => out.push_str("unbounded following"),
        Place::At(0) => out.push_str("current row"),
        Place::At(rows) => {
            let side = if rows < 0 { "preceding" } else { "following" };
            // Writing to a text cannot fail.
            let _ = write!(out, "{} {side}", rows.unsigned_abs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::push_rows;
    use crate::ir::Place;

    #[test]
    fn rows_in_words() {
        for (from, to, words) in [
            (Place::First, Place::At(0), "rows between unbounded preceding and current row"),
            (Place::At(-2), Place::At(0), "rows between 2 preceding and current row"),
            (Place::At(1), Place::Last, "rows between 1 following and unbounded following"),
            (Place::At(-3), Place::At(-1), "rows between 3 preceding and 1 preceding"),
        ] {
            let mut text = String::new();
            push_rows(&mut text, from, to);
            assert_eq!(text, words);
        }
    }
}
