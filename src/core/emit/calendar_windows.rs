//! Window frames of calendar ranges.

use super::Emitter;
use super::template::WindowSpec;
use super::windows::push_rows_frame;
use crate::Type;
use crate::catalog::{self, FunctionId, internal};
use crate::diag::{Code, Diagnostic};
use crate::dialect::Cell;
use crate::ir::{CalendarRange, CalendarUnit, FrameBound, FrameOrder, IrId, RangeBound, RangeFrame};
use crate::span::Span;
use crate::sql::{Sql, SqlId, SqlSlice};

/// Unit of the distance between the current row and a bound of the frame.
#[derive(Clone, Copy)]
enum FrameDistanceUnit {
    /// Interval, because the window is ordered by a date or time.
    Interval,
    /// Number, because the window is ordered by a number of months, days or microseconds.
    Months,
    Days,
    Microseconds,
}

impl FrameDistanceUnit {
    /// Returns a distance in this unit.
    fn count_in_unit(self, count: i64, unit: CalendarUnit) -> u64 {
        let length = count.unsigned_abs().saturating_mul(unit.unit_length().0.unsigned_abs());
        match self {
            Self::Interval | Self::Months => length,
            Self::Days => length / 86_400,
            Self::Microseconds => length.saturating_mul(1_000_000),
        }
    }
}

impl Emitter<'_> {
    /// Returns the window for a range. The last value in `window_keys` is the sort key of the frame, if the frame
    /// has one.
    pub(super) fn calendar_window(&mut self, range: CalendarRange, window_keys: &[IrId], span: Span) -> WindowSpec {
        let Some(frame) = range.frame() else {
            return WindowSpec::default();
        };
        let (partition_keys, key) = match window_keys.split_last() {
            Some((key, rest)) if frame.order != FrameOrder::Nothing => (rest, Some(*key)),
            _ => (window_keys, None),
        };
        let partition = self.add_partition_keys(self.windows.partition.clone(), partition_keys);
        let partition = self.buffers.tree.add_slice(&partition);
        let Some(key) = key else {
            return WindowSpec {
                partition,
                ..WindowSpec::default()
            };
        };
        if !self.dialect.facts().range_frames {
            return self.build_calendar_rows_window(frame, partition, key, span);
        }
        let (order, scale) = self.emit_frame_sort_key(frame, key, span);
        let from = self.emit_frame_bound(frame.from, "unbounded preceding", (key, scale), span);
        let to = self.emit_frame_bound(frame.to, "unbounded following", (key, scale), span);
        let tree = &mut self.buffers.tree;
        let (range, and) = (tree.add_word("range between", span), tree.add_word("and", span));
        let parts = tree.add_slice(&[range, from, and, to]);
        WindowSpec {
            partition,
            order: tree.add_slice(&[order]),
            rows: Some(tree.add(Sql::Spaced(parts), span)),
            name: None,
        }
    }

    /// Returns a window with a `rows` frame that contains the rows of a calendar range. Reports the range if no such
    /// window exists.
    fn build_calendar_rows_window(
        &mut self,
        frame: RangeFrame,
        partition: SqlSlice,
        key: IrId,
        span: Span,
    ) -> WindowSpec {
        let row_of = |bound| match bound {
            RangeBound::Unbounded => Some(None),
            RangeBound::Moved(0, _) => Some(Some(0)),
            RangeBound::After => Some(Some(1)),
            RangeBound::Moved(..) => None,
        };
        let is_by_row = self.windows.is_order_unique && frame.order == FrameOrder::Key;
        let (Some(from), Some(to), true) = (row_of(frame.from), row_of(frame.to), is_by_row) else {
            return self.report_unsupported_range_frame(span);
        };
        let from = from.map_or(FrameBound::First, FrameBound::At);
        let to = to.map_or(FrameBound::Last, FrameBound::At);
        WindowSpec {
            partition,
            order: self.buffers.tree.add_slice(&[self.buffers.sql[key.index()]]),
            rows: Some(self.buffers.tree.add_text(span, |out| push_rows_frame(out, from, to))),
            name: None,
        }
    }

    /// Reports that the dialect does not support frames over a range of values. Returns a placeholder for the window.
    #[cold]
    pub(super) fn report_unsupported_range_frame(&mut self, span: Span) -> WindowSpec {
        let message = format!("dialect `{}` has no window frames over a range of values", self.dialect);
        self.report(
            Diagnostic::new(Code::UnsupportedFunction, span, message).with_help(
                "use a range that counts rows in the step's order, such as `FIRST(x):x` or `OFFSET(x, -2):x`",
            ),
        );
        WindowSpec::default()
    }

    /// Emits the sort key of a frame. The key is a number if the dialect does not support intervals in frames.
    fn emit_frame_sort_key(&mut self, frame: RangeFrame, key: IrId, span: Span) -> (SqlId, FrameDistanceUnit) {
        let interval_order = (self.buffers.sql[key.index()], FrameDistanceUnit::Interval);
        let bounds = [frame.from, frame.to];
        let overload = catalog::first_overload(internal::RANGE_DISTANCE).id;
        let is_moved = bounds.contains(&RangeBound::After) || bounds.iter().any(|bound| bound.distance().is_some());
        if !is_moved || matches!(self.dialect.cell(overload), Cell::Template(_)) {
            return interval_order;
        }
        let is_time = self.program.meta(key).ty == Type::Timestamp;
        let has = |months: bool| {
            let mut units = bounds.into_iter().filter_map(RangeBound::distance);
            units.any(|(_, unit)| unit.unit_length().1 == months)
        };
        let (entry, scale) = match (has(true), has(false), is_time) {
            // Months cannot be converted to a number of days, because they have different lengths.
            (true, true, _) => return self.report_unsupported_frame(span),
            (true, false, _) if !self.program.is_month_start(key) => return self.report_unsupported_frame(span),
            (true, false, _) => (internal::RANGE_MONTH_NUMBER, FrameDistanceUnit::Months),
            (false, _, true) => (internal::RANGE_NUMBER, FrameDistanceUnit::Microseconds),
            (false, _, false) => (internal::RANGE_NUMBER, FrameDistanceUnit::Days),
        };
        let overloads = catalog::get(entry).overloads;
        match overloads.get(usize::from(is_time)).or(overloads.first()) {
            Some(overload) => (self.emit_call(overload.id, &[key], span), scale),
            None => interval_order,
        }
    }

    /// Reports a range whose frame the dialect does not support.
    #[cold]
    fn report_unsupported_frame(&mut self, span: Span) -> (SqlId, FrameDistanceUnit) {
        let message = format!("dialect `{}` has no window frames in months", self.dialect);
        self.report(
            Diagnostic::new(Code::UnsupportedFunction, span, message)
                .with_help("order by the first day of a month, such as `created_at[month]`, or move by days"),
        );
        (self.null_placeholder(span), FrameDistanceUnit::Interval)
    }

    fn emit_frame_bound(
        &mut self,
        bound: RangeBound,
        unbounded: &'static str,
        (key, scale): (IrId, FrameDistanceUnit),
        span: Span,
    ) -> SqlId {
        let (distance, side) = match bound {
            RangeBound::Unbounded => return self.buffers.tree.add_word(unbounded, span),
            RangeBound::Moved(0, _) => return self.buffers.tree.add_word("current row", span),
            RangeBound::Moved(count, unit) => (
                self.emit_frame_distance(count, unit, scale, span),
                if count < 0 { "preceding" } else { "following" },
            ),
            RangeBound::After => (self.emit_smallest_distance(key, scale, span), "following"),
        };
        let side = self.buffers.tree.add_word(side, span);
        let parts = self.buffers.tree.add_slice(&[distance, side]);
        self.buffers.tree.add(Sql::Spaced(parts), span)
    }

    fn emit_frame_distance(&mut self, count: i64, unit: CalendarUnit, scale: FrameDistanceUnit, span: Span) -> SqlId {
        match (scale, self.program.distance(count, unit)) {
            (FrameDistanceUnit::Interval, Some(distance)) => {
                let words = self.program.args(distance.words);
                words.iter().for_each(|word| self.emit(*word));
                self.emit_frame_interval(internal::RANGE_DISTANCE, words, span)
            }
            _ => {
                let number = scale.count_in_unit(count, unit).to_string();
                self.buffers.tree.add_text(span, |out| out.push_str(&number))
            }
        }
    }

    /// Emits the distance between a value of the sort key and the next possible value.
    fn emit_smallest_distance(&mut self, key: IrId, scale: FrameDistanceUnit, span: Span) -> SqlId {
        match scale {
            FrameDistanceUnit::Interval if self.program.meta(key).ty == Type::Date => {
                self.emit_frame_distance(1, CalendarUnit::Day, scale, span)
            }
            FrameDistanceUnit::Interval => self.emit_frame_interval(internal::NEXT_INSTANT, &[], span),
            _ => self.buffers.tree.add_word("1", span),
        }
    }

    fn emit_frame_interval(&mut self, entry: FunctionId, words: &[IrId], span: Span) -> SqlId {
        let overload = catalog::first_overload(entry).id;
        match self.dialect.cell(overload) {
            Cell::Template(_) => self.emit_call(overload, words, span),
            // The missing frame has already been reported.
            _ => self.null_placeholder(span),
        }
    }
}
