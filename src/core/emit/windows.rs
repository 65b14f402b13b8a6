//! SQL generation for window calls: partitions, sort order and frames.

use std::fmt::Write as _;

use super::Emitter;
use super::period::PeriodLookupKeys;
use super::template::WindowSpec;
use crate::Type;
use crate::catalog::{self, internal};
use crate::dialect::{Cell, Template};
use crate::ir::{CellFrame, FrameBound, GroupWindowKind, Ir, IrId, WindowFrame};
use crate::span::Span;
use crate::sql::{Sql, SqlId, SqlSlice};

/// Keys of the windows in a select.
#[derive(Clone, Debug, Default)]
pub struct SelectWindowKeys {
    /// Partition keys for windows that use the step's order, including the default partition keys.
    pub partition: Vec<SqlId>,
    /// Partition keys that the spec specifies, without the default partition keys. Rankings use these keys, unless the
    /// ranking is limited to the step's partition.
    pub own_partition: Vec<SqlId>,
    pub order: Vec<SqlId>,
    /// Keys that identify the rows of a pivoted sheet. The order of its columns is in `pivot_order`.
    pub pivot_rows: Vec<SqlId>,
    pub pivot_order: Vec<SqlId>,
    /// Whether each value of the only sort key occurs once per partition.
    pub is_order_unique: bool,
    /// Grouping keys.
    pub groups: Vec<SqlId>,
    /// Name of the window in the select's `window` clause that defines the partition and the order.
    pub name: Option<SqlId>,
    /// Keys for looking up values of other periods in a single expression. `None` if the lookups require a join.
    pub period_lookup_keys: Option<PeriodLookupKeys>,
}

impl Emitter<'_> {
    /// Returns a partition key in a form that the dialect accepts for the key's type.
    pub fn partition_key(&mut self, id: IrId, key_sql: SqlId) -> SqlId {
        let meta = self.program.meta(id);
        if meta.ty.sql_type() != Type::Float {
            return key_sql;
        }
        self.set_sql(id, key_sql);
        self.emit_call(catalog::first_overload(internal::PARTITION_KEY).id, &[id], meta.span)
    }

    pub(super) fn emit_window(&mut self, call: IrId, over: WindowFrame, window_keys: &[IrId], span: Span) -> SqlId {
        let x = self.buffers.sql[call.index()];
        let window = match over {
            WindowFrame::Ranked {
                descending,
                nulls_apart: apart,
                in_step_partition: within,
            } => {
                let partition = if within {
                    &self.windows.partition
                } else {
                    &self.windows.own_partition
                };
                let partition = self.add_partition_keys(partition.clone(), window_keys);
                return self.emit_ranked_window(x, call, partition, (descending, apart), span);
            }
            WindowFrame::Across(CellFrame::Ranked { descending }) => {
                return self.emit_ranked_window(x, call, self.windows.pivot_rows.clone(), (descending, false), span);
            }
            WindowFrame::Across(across) => self.build_cell_window(call, across, span),
            WindowFrame::PivotColumns => {
                let order = self.buffers.tree.add_slice(&self.windows.pivot_order);
                WindowSpec {
                    order,
                    ..WindowSpec::default()
                }
            }
            WindowFrame::Calendar(range) => self.calendar_window(range, window_keys, span),
            _ => self.build_row_window(call, over, window_keys, span),
        };
        if let Ir::Apply { overload, args } = self.program.node(call)
            && let Cell::Template(Template { windowed: true, .. }) = self.dialect.cell(overload)
        {
            self.buffers.template.window = Some(window);
            let args = self.program.args(args);
            let x = self.emit_call(overload, args, span);
            self.buffers.template.window = None;
            return x;
        }
        self.buffers.tree.add(window.apply_window(x), span)
    }

    /// Returns a window over rows. If the window uses the step's order, its rows are sorted by that order.
    fn build_row_window(&mut self, call: IrId, over: WindowFrame, window_keys: &[IrId], span: Span) -> WindowSpec {
        let (partition_keys, ahead) = match (over, window_keys.split_last()) {
            (WindowFrame::Ahead { descending, .. }, Some((key, partition_keys))) => {
                (partition_keys, Some((*key, descending)))
            }
            _ => (window_keys, None),
        };
        let mut divided_by = self.add_partition_keys(self.windows.partition.clone(), partition_keys);
        if over == WindowFrame::SameValue
            && let Some(value) = self.program.operands(call).next()
        {
            let key = self.buffers.sql[value.index()];
            divided_by.push(self.partition_key(value, key));
            self.set_sql(value, key);
        }
        let partition = self.buffers.tree.add_slice(&divided_by);
        let order = match ahead {
            // The position of NULLs does not matter, because rows without a value do not affect the result.
            Some((key, descending)) => {
                let key = self.emit_order_by_key(self.buffers.sql[key.index()], descending, false);
                self.buffers.tree.add_slice(&[key])
            }
            None if over.is_row_window() => self.buffers.tree.add_slice(&self.windows.order),
            None => SqlSlice::default(),
        };
        let rows = match over {
            WindowFrame::Ahead { .. } if !self.dialect.facts().range_frames => {
                return self.report_unsupported_range_frame(span);
            }
            WindowFrame::Ahead { own: false, .. } => {
                let rows = "range between unbounded preceding and 1 preceding";
                Some(self.buffers.tree.add_text(span, |out| out.push_str(rows)))
            }
            // Write a `rows` frame explicitly, because SQL's default frame is a `range` frame, which includes all rows
            // with an equal key.
            WindowFrame::Rows { from, to } => {
                Some(self.buffers.tree.add_text(span, |out| push_rows_frame(out, from, to)))
            }
            _ => self.first_value_frame(call, order, span),
        };
        let name = self
            .windows
            .name
            .filter(|_| over.is_row_window() && partition_keys.is_empty());
        WindowSpec {
            partition,
            order,
            rows,
            name,
        }
    }

    /// Appends keys to a partition.
    pub(super) fn add_partition_keys(&mut self, mut partition: Vec<SqlId>, partition_keys: &[IrId]) -> Vec<SqlId> {
        for key_id in partition_keys {
            let key = self.buffers.sql[key_id.index()];
            partition.push(self.partition_key(*key_id, key));
        }
        partition
    }

    /// Returns a window over the cells in one row of a pivoted sheet.
    fn build_cell_window(&mut self, call: IrId, across: CellFrame, span: Span) -> WindowSpec {
        let order = match across {
            CellFrame::All | CellFrame::Ranked { .. } => SqlSlice::default(),
            CellFrame::Ordered | CellFrame::Cells { .. } => self.buffers.tree.add_slice(&self.windows.pivot_order),
        };
        let rows = match across {
            CellFrame::Cells { from, to } => {
                Some(self.buffers.tree.add_text(span, |out| push_rows_frame(out, from, to)))
            }
            _ => self.first_value_frame(call, order, span),
        };
        let partition = self.buffers.tree.add_slice(&self.windows.pivot_rows);
        WindowSpec {
            partition,
            order,
            rows,
            name: None,
        }
    }

    /// Returns the `rows` frame of a window that reads the first value in sort order, if the dialect requires an
    /// explicit frame. A `rows` frame and a `range` frame that end at the current row have the same first value.
    fn first_value_frame(&mut self, call: IrId, order: SqlSlice, span: Span) -> Option<SqlId> {
        (self.is_first_value_call(call) && self.requires_rows_frame(order)).then(|| {
            let tree = &mut self.buffers.tree;
            tree.add_text(span, |out| push_rows_frame(out, FrameBound::First, FrameBound::At(0)))
        })
    }

    fn is_first_value_call(&self, call: IrId) -> bool {
        let first = catalog::get(internal::FIRST_VALUE).overloads.first().map(|o| o.id);
        matches!(self.program.node(call), Ir::Apply { overload, .. } if Some(overload) == first)
    }

    /// Returns whether the dialect requires an explicit `rows` frame for this order.
    fn requires_rows_frame(&self, order: SqlSlice) -> bool {
        let tree = &self.buffers.tree;
        let places_nulls = |key: &SqlId| match tree.node(*key) {
            Sql::Spaced(parts) => tree.specifies_null_order(*parts),
            _ => false,
        };
        let facts = self.dialect.facts();
        match facts.range_frames {
            true => !facts.ranges_place_nulls && tree.args(order).iter().any(places_nulls),
            false => !tree.args(order).is_empty(),
        }
    }

    /// Emits a window over the rows of each group.
    pub(super) fn emit_group_window(&mut self, args: &[IrId], role: GroupWindowKind, span: Span) -> SqlId {
        let Some((call, keys)) = args.split_first() else {
            return self.null_placeholder(span);
        };
        let x = self.buffers.sql[call.index()];
        let mut partition = self.windows.groups.clone();
        partition.extend(keys.iter().map(|key_id| self.buffers.sql[key_id.index()]));
        let mut order = Vec::new();
        if let (GroupWindowKind::ExpressionPlace { descending }, Some(value)) =
            (role, self.program.operands(*call).next())
        {
            let key = self.buffers.sql[value.index()];
            let key = self.emit_order_by_key(key, descending, self.program.meta(value).nullable);
            order.push(key);
        }
        self.buffers.tree.add_window(x, &partition, &order, span)
    }

    /// Emits a window that is sorted by the call's argument.
    fn emit_ranked_window(
        &mut self,
        x: SqlId,
        call: IrId,
        mut partition: Vec<SqlId>,
        (descending, apart): (bool, bool),
        span: Span,
    ) -> SqlId {
        let Some(value) = self.program.operands(call).next() else {
            return self.null_placeholder(span);
        };
        let nullable = self.program.meta(value).nullable;
        let key = self.buffers.sql[value.index()];
        if nullable {
            // The SQL of a ranking contains the value twice, because it also tests the value for NULL outside of the
            // window.
            self.record_repeated_arguments(&[2], &[value], span);
        }
        if nullable && apart {
            partition.push(self.buffers.tree.add(Sql::Postfix { op: "is null", x: key }, span));
        }
        // If `nulls_apart` is set, the position of NULLs does not matter, because NULLs are in a separate partition.
        let key = self.emit_order_by_key(key, descending, nullable && !apart);
        self.buffers.tree.add_window(x, &partition, &[key], span)
    }

    /// Returns the call inside a window, or the node itself.
    pub(super) fn unwrap_window(&self, id: IrId) -> IrId {
        match self.program.node(id) {
            Ir::Window { call, .. } => call,
            _ => id,
        }
    }
}

pub(super) fn push_rows_frame(out: &mut String, from: FrameBound, to: FrameBound) {
    out.push_str("rows between ");
    push_frame_bound(out, from);
    out.push_str(" and ");
    push_frame_bound(out, to);
}

fn push_frame_bound(out: &mut String, bound: FrameBound) {
    match bound {
        FrameBound::First => out.push_str("unbounded preceding"),
        FrameBound::Last => out.push_str("unbounded following"),
        FrameBound::At(0) => out.push_str("current row"),
        FrameBound::At(rows) => {
            let side = if rows < 0 { "preceding" } else { "following" };
            // Writing to a `String` cannot fail.
            let _ = write!(out, "{} {side}", rows.unsigned_abs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::push_rows_frame;
    use crate::ir::FrameBound;

    #[test]
    fn frames_are_written() {
        for (from, to, words) in [
            (
                FrameBound::First,
                FrameBound::At(0),
                "rows between unbounded preceding and current row",
            ),
            (
                FrameBound::At(-2),
                FrameBound::At(0),
                "rows between 2 preceding and current row",
            ),
            (
                FrameBound::At(1),
                FrameBound::Last,
                "rows between 1 following and unbounded following",
            ),
            (
                FrameBound::At(-3),
                FrameBound::At(-1),
                "rows between 3 preceding and 1 preceding",
            ),
        ] {
            let mut text = String::new();
            push_rows_frame(&mut text, from, to);
            assert_eq!(text, words);
        }
    }
}
