//! Calendar ranges, such as `SUM(FIRST(x, "year"):x)`, and the first or last row in the period of the current row, such
//! as `FIRST(x, "year")`.

use super::{RangeEnd, RangeEndKind};
use crate::Type;
use crate::ast::{Ast, Expr, ExprId};
use crate::catalog::{self, Function, Lowering};
use crate::check::dates::period::suggest_calendar_unit;
use crate::check::lower::Lowerer;
use crate::check::names::{NameTarget, ResolvedNames};
use crate::check::{CheckScope, DefinitionRole};
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::{
    CalendarPeriod, CalendarRange, CalendarRangeEnd, CalendarUnit, FrameBound, FrameOrder, IrId, PeriodBoundary,
    RangeBound, WindowFrame,
};
use crate::span::Span;

/// Makes definitions depend on the sort keys if they use the dates in these keys.
pub(in crate::check) fn add_sort_key_dependencies(ast: &Ast, scope: &CheckScope<'_>, names: &mut ResolvedNames) {
    let keys: Vec<u32> = (0u32..)
        .zip(&ast.definitions)
        .filter(|(_, d)| scope.role(d.part) == DefinitionRole::OrderBy)
        .map(|(index, _)| index)
        .collect();
    for (user, definition) in (0u32..).zip(&ast.definitions) {
        let ids = (definition.first.0..definition.body.0 + 1).map(ExprId);
        let reads_calendar = ids
            .into_iter()
            .any(|id| match (ast.expr(id), names.targets[id.index()]) {
                (Expr::Call(call), NameTarget::RangeEnd(function)) => {
                    may_use_sort_key_dates(catalog::get(function), ast.call(call).count)
                }
                // A PERIODOFFSET that is not in a range adds no dependency here, because the planner looks up its key.
                (Expr::Call(call), NameTarget::Function(function)) => {
                    let function = catalog::get(function);
                    function.lower != Some(Lowering::PeriodOffset)
                        && may_use_sort_key_dates(function, ast.call(call).count)
                }
                _ => false,
            });
        if reads_calendar && !keys.contains(&user) {
            names.uses.extend(keys.iter().map(|key| (user, *key)));
        }
    }
    // Later passes require this order.
    names.uses.as_mut_slice().sort_by_key(|(user, _)| *user);
}

/// Returns whether a call may use the dates in the sort keys.
pub(in crate::check) fn may_use_sort_key_dates(function: &Function, arguments: u32) -> bool {
    match function.lower {
        Some(Lowering::First | Lowering::Last) => arguments > 1,
        Some(Lowering::PeriodOffset) => true,
        _ => false,
    }
}

/// Sort key of a calendar range: the first date of `order_by`.
#[derive(Clone, Copy)]
pub(in crate::check) struct CalendarKey {
    definition: u32,
    ty: Type,
    nullable: bool,
    descending: bool,
}

/// Window frame of a calendar range, with its partition and sort keys.
pub(in crate::check) struct CalendarWindow {
    pub keys: Vec<IrId>,
    pub key: CalendarKey,
}

impl Lowerer<'_> {
    /// Lowers `FIRST(x, unit)` and `LAST(x, unit)`: the value in the first or last row of the partition in the same
    /// period as the current row. NULL if the current row has no date.
    pub(in crate::check) fn lower_first_or_last_of_period(
        &mut self,
        (value, unit): (ExprId, ExprId),
        function: &Function,
        bound: FrameBound,
        span: Span,
    ) -> IrId {
        let period = self.resolve_period(function.name, self.lowered_node(unit));
        let value = self.lower_value(value);
        if self.is_error(value) || !self.check_window_allowed(function.name, Some(value), span) {
            return self.add_error(span);
        }
        let (Some(key), Some(period)) = (self.calendar_key(span), period) else {
            return self.add_error(span);
        };
        self.convert_decimal_literal_to_float(value);
        let meta = self.program.meta(value);
        let start = self.build_period_start(period, key, span);
        if self.is_error(start) {
            return start;
        }
        let node = self.build_value_at_bound(value, bound, &[start], meta.nullable, span);
        self.wrap_in_null_calendar_key_case(node, key, None, span)
    }

    /// Lowers a range that has a calendar end to a range marker.
    pub(in crate::check) fn lower_calendar_range(&mut self, ends: [RangeEnd; 2], span: Span) -> IrId {
        for end in &ends {
            if let RangeEndKind::Offset { rows, .. } = end.at {
                let [name, rows] = [end.name, rows].map(|part| self.source_text(self.ast.span(part)));
                let message = "`OFFSET` counts rows, but the other end of the range is a calendar period";
                let help = format!(
                    "write `PERIODOFFSET({name}, {rows}, \"month\")` instead of `OFFSET({name}, {rows})`, or use OFFSET \
                     for both ends"
                );
                return self.report_invalid_range(span, message, &help);
            }
        }
        let text = self.source_text(span);
        if !self.has_order(&text, span) {
            return self.add_error(span);
        }
        let Some(key) = self.calendar_key(span) else {
            return self.add_error(span);
        };
        let name = ends[0].name;
        let ends = ends.map(|end| self.resolve_calendar_end(end, key));
        let [Some(first), Some(last)] = ends else {
            return self.add_error(span);
        };
        let range = CalendarRange::new(first, last, key.descending);
        if range.frame().is_none() && range.split_at_current_row().is_none() {
            return self.report_crossing_ends(range, &text, span);
        }
        self.build_range_marker(name, WindowFrame::Calendar(range), span)
    }

    /// Returns the end of a range in row order. `None` if an error was reported.
    fn resolve_calendar_end(&mut self, end: RangeEnd, key: CalendarKey) -> Option<CalendarRangeEnd> {
        match end.at {
            RangeEndKind::Bare | RangeEndKind::Offset { .. } => Some(CalendarRangeEnd::CURRENT_ROW),
            RangeEndKind::FirstOrLast(bound) => Some(CalendarRangeEnd::Partition(bound)),
            RangeEndKind::Period { bound, unit } => {
                let first = bound == FrameBound::First;
                let name = if first { "FIRST" } else { "LAST" };
                let period = self.resolve_period(name, self.lowered_node(unit))?;
                let side = if first {
                    PeriodBoundary::Start
                } else {
                    PeriodBoundary::End
                };
                Some(CalendarRangeEnd::Period(period, side))
            }
            RangeEndKind::PeriodOffset { count, unit } => {
                let (count_node, unit_node) = (self.lowered_node(count), self.lowered_node(unit));
                let (count, unit) = self.parse_period_arguments(count_node, unit_node)?;
                if key.ty == Type::Date && unit.is_shorter_than_day() {
                    let span = self.ast.span(end.name);
                    let key = self.key_text(key);
                    let message = format!(
                        "`{key}` is a date without a time, so it cannot be moved by {}s",
                        unit.name()
                    );
                    self.report(
                        Diagnostic::new(Code::PeriodKey, self.program.meta(unit_node).span, message)
                            .with_secondary_label(span, "moved here")
                            .with_help("use the unit \"day\", or order by a column that contains a time"),
                    );
                    return None;
                }
                // If the distance leads to a date outside of the calendar, the range ends at the last or first row of
                // the partition.
                Some(match crate::check::dates::period::is_outside_calendar(count, unit) {
                    true if (count < 0) == key.descending => CalendarRangeEnd::Partition(FrameBound::Last),
                    true => CalendarRangeEnd::Partition(FrameBound::First),
                    false => CalendarRangeEnd::Moved(count, unit),
                })
            }
        }
    }

    /// Reports a range if no window frame contains exactly its rows: a range that does not contain the current row and
    /// reaches beyond a period, or a range whose ends are in the opposite order in some rows.
    #[cold]
    fn report_crossing_ends(&mut self, range: CalendarRange, text: &str, span: Span) -> IrId {
        let message = format!("SQL cannot express `{text}`, because either end of the range may be the earlier end");
        let help = if range.has_frame_if_swapped() {
            "swap the ends; the range is then empty in rows where the first end is after the last end"
        } else {
            "make the range contain the current row, as `PERIODOFFSET(x, -2, \"month\"):LAST(x, \"year\")` does"
        };
        self.report_invalid_range(span, &message, help)
    }

    /// Returns the sort key of calendar ranges, and the span of the first sort key that has no errors.
    fn find_calendar_key(&self) -> (Option<CalendarKey>, Option<Span>) {
        let (mut calendar_key, mut other): (Option<CalendarKey>, Option<Span>) = (None, None);
        for (index, definition) in self.ast.definitions.iter().enumerate() {
            let lowered = &self.program.definitions[index];
            if self.scope.role(definition.part) != DefinitionRole::OrderBy || lowered.failed {
                continue;
            }
            let meta = self.program.meta(lowered.root);
            let key = CalendarKey {
                definition: index as u32,
                ty: meta.ty,
                nullable: meta.nullable,
                descending: self.scope.is_descending(definition.part),
            };
            other = other.or(Some(definition.span));
            match meta.ty {
                ty if ty.is_temporal() => {
                    calendar_key = Some(key);
                    break;
                }
                Type::Unknown => calendar_key = calendar_key.or(Some(key)),
                _ => {}
            }
        }
        (calendar_key, other)
    }

    /// Returns a value that is not NULL in any row that PERIODOFFSET finds: the sort key or, without a sort key, 1.
    pub(in crate::check) fn build_found_row_marker(&mut self, span: Span) -> IrId {
        match self.find_calendar_key().0 {
            Some(key) => self.lower_calendar_key(key, span),
            None => self.program.add_integer("1", span),
        }
    }

    /// Returns the sort key of calendar ranges: the first key that is a date or, if no key is a date, the first key of
    /// unknown type. Reports a missing key and a key without a date.
    fn calendar_key(&mut self, span: Span) -> Option<CalendarKey> {
        let range_text = self.source_text(span);
        if !self.has_order(&range_text, span) {
            return None;
        }
        let (calendar_key, other) = self.find_calendar_key();
        // If all keys have errors, these errors have already been reported.
        let first = other?;
        let Some(key) = calendar_key else {
            let message = format!("`{range_text}` is a range of calendar periods, but `order_by` has no date");
            self.report(
                Diagnostic::new(Code::PeriodKey, span, message)
                    .with_secondary_label(first, "not a date")
                    .with_help("order by a date, such as `created_at[month]`"),
            );
            return None;
        };
        if key.ty == Type::Timestamptz {
            let text = self.key_text(key);
            let message = format!("`{text}` is a timestamp with time zone, so its date depends on the time zone");
            self.report(
                Diagnostic::new(Code::PeriodKey, span, message)
                    .with_secondary_label(first, key.ty.describe())
                    .with_help(format!("order by `{text}[date]`, which is in the configured time zone")),
            );
            return None;
        }
        Some(key)
    }

    fn key_text(&self, key: CalendarKey) -> String {
        self.source_text(self.ast.definition(key.definition).span)
    }

    pub(in crate::check) fn lower_calendar_key(&mut self, key: CalendarKey, span: Span) -> IrId {
        self.lower_definition_use(key.definition, span)
    }

    /// Builds the start of the period that contains the current row's key.
    fn build_period_start(&mut self, period: CalendarPeriod, key: CalendarKey, span: Span) -> IrId {
        let node = self.lower_calendar_key(key, span);
        self.build_timeframe_call(node, period.name(), span, span)
    }

    /// Resolves the unit of `FIRST(x, unit)` or `LAST(x, unit)`. Reports other values.
    fn resolve_period(&mut self, function: &str, id: IrId) -> Option<CalendarPeriod> {
        if self.is_error(id) {
            return None;
        }
        let span = self.program.meta(id).span;
        let Some(text) = self.literal_text(id).map(str::to_ascii_lowercase) else {
            self.report_non_constant(id, function, "unit", &format!("{function}(x, \"year\")"));
            return None;
        };
        let singular = text.trim().strip_suffix('s').unwrap_or(text.trim());
        if let Some(period) = CalendarPeriod::from_name(singular) {
            return Some(period);
        }
        let near = suggest_calendar_unit(singular)
            .filter(|near| CalendarPeriod::from_name(near).is_some())
            .or_else(|| suggest::nearest_name(singular, CalendarPeriod::NAMES));
        let unit_text = self.source_text(span);
        let message = format!("`{function}` does not support the unit `{unit_text}`");
        let help = match near {
            Some(near) => format!("write \"{near}\""),
            None => "write \"day\", \"week\", \"month\", \"quarter\", \"year\", \"fiscal_quarter\" or \"fiscal_year\""
                .to_owned(),
        };
        self.report(Diagnostic::new(Code::UnknownUnit, span, message).with_help(help));
        None
    }

    /// Builds the partition and sort keys of a range's window frame.
    pub(in crate::check) fn calendar_window(&mut self, range: CalendarRange, span: Span) -> Option<CalendarWindow> {
        let key = self.calendar_key(span)?;
        let frame = range.frame()?;
        let mut keys = Vec::new();
        match frame.period {
            Some(period) => keys.push(self.build_period_start(period, key, span)),
            // Rows without a key are in no range, so an unbounded frame must not contain them.
            None if key.nullable && [frame.from, frame.to].contains(&RangeBound::Unbounded) => {
                let x = self.lower_calendar_key(key, span);
                let id = self.build_not_null(x, span);
                keys.push(id);
            }
            None => {}
        }
        match frame.order {
            FrameOrder::Nothing => {}
            FrameOrder::Key => keys.push(self.lower_calendar_key(key, span)),
            FrameOrder::StartOf(period) => keys.push(self.build_period_start(period, key, span)),
        }
        for bound in [frame.from, frame.to] {
            let of_bound = match bound {
                RangeBound::After if key.ty == Type::Date => Some((1, CalendarUnit::Day)),
                bound => bound.distance(),
            };
            if let Some((count, unit)) = of_bound {
                self.add_frame_distance(count, unit, span);
            }
        }
        let failed = keys.iter().any(|id| self.is_error(*id));
        (!failed).then_some(CalendarWindow { keys, key })
    }

    /// Wraps a node in a CASE for rows without a key, whose ranges are empty. `empty` is the value of the aggregate
    /// over no rows, or `None` for NULL.
    pub(in crate::check) fn wrap_in_null_calendar_key_case(
        &mut self,
        node: IrId,
        key: CalendarKey,
        empty: Option<&str>,
        span: Span,
    ) -> IrId {
        if !key.nullable || self.is_error(node) {
            return node;
        }
        let key = self.lower_calendar_key(key, span);
        self.wrap_in_null_key_case(node, &[key], empty, span)
    }
}
