//! Lint for the first day of the week: WEEKDAY and WEEKNUM use Sunday by default, but timeframes use Monday.

use super::Lints;
use crate::ast::BinaryOp;
use crate::calendar::{Calendar, Weekday};
use crate::catalog::{self, FunctionId, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, PoolRange, Program};
use crate::span::Span;

/// Kind of a call whose result depends on the first day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::check) enum WeekCallKind {
    Weeknum,
    Weekday,
    /// `day[week]`.
    Week,
    /// `day[day_of_week_num]`.
    DayOfWeek,
}

impl WeekCallKind {
    /// Returns the kind of a call. `None` if the call specifies the first day of the week, or does not depend on this
    /// day.
    #[inline]
    pub(in crate::check) fn from_call(program: &Program, function: FunctionId, args: PoolRange) -> Option<Self> {
        match function {
            internal::WEEKNUM if has_default_week_type(program, args) => Some(Self::Weeknum),
            internal::WEEKDAY if has_default_week_type(program, args) => Some(Self::Weekday),
            internal::TRUNC_WEEK | internal::TRUNC_WEEK_FROM => Some(Self::Week),
            internal::DAY_OF_WEEK_NUM | internal::DAY_OF_WEEK_NUM_FROM => Some(Self::DayOfWeek),
            _ => None,
        }
    }
}

/// Span of the first call of each kind in a program.
#[derive(Default)]
pub(super) struct WeekCalls {
    weeknum: Option<Span>,
    weekday: Option<Span>,
    week: Option<Span>,
    day_of_week: Option<Span>,
}

impl WeekCalls {
    #[inline]
    pub(super) fn record_week_call(&mut self, program: &Program, id: IrId, function: FunctionId, args: PoolRange) {
        let slot = match WeekCallKind::from_call(program, function, args) {
            Some(WeekCallKind::Weeknum) => &mut self.weeknum,
            Some(WeekCallKind::Weekday) => &mut self.weekday,
            Some(WeekCallKind::Week) => &mut self.week,
            Some(WeekCallKind::DayOfWeek) => &mut self.day_of_week,
            None => return,
        };
        slot.get_or_insert(program.meta(id).span);
    }

    /// Warns if weeks in a program start on different days.
    pub(super) fn check(self, calendar: Calendar, source: &str, diagnostics: &mut Vec<Diagnostic>) {
        let first = calendar.week_start;
        if first == Weekday::Sunday || (self.weeknum.is_none() && self.weekday.is_none()) {
            return;
        }
        for (call, frame, name) in [
            (self.weeknum, self.week, "WEEKNUM"),
            (self.weekday, self.day_of_week, "WEEKDAY"),
        ] {
            let Some(call) = call else { continue };
            // Without a timeframe in the program, warn only if the first day of the week is not the default, Monday.
            if frame.is_none() && first == Weekday::Monday {
                continue;
            }
            let day = capitalize(first.name());
            let call_text = call.excerpt(source);
            let message = format!("in `{call_text}`, weeks start on Sunday, but in timeframes they start on {day}");
            let kind = 11 + Weekday::ALL.iter().position(|d| *d == first).unwrap_or(0);
            let kind = if kind == 11 { 2 } else { kind };
            let inside = call_text.strip_suffix(')').unwrap_or(&call_text);
            let help = format!(
                "specify the first day of the week: `{inside}, {kind})` for {day}, or `{inside}, 1)` for Sunday"
            );
            let diagnostic = Diagnostic::new(Code::WeekBegins, call, message).with_help(help);
            diagnostics.push(match frame {
                Some(frame) => {
                    diagnostic.with_secondary_label(frame, format!("weeks start on a different day than in {name}"))
                }
                None => diagnostic,
            });
        }
    }
}

impl Lints<'_> {
    /// Warns about comparisons such as `WEEKDAY(d) > 5`, which selects the weekend if weeks start on Monday, but Friday
    /// and Saturday if weeks start on Sunday.
    pub(super) fn check_weekday_comparison(
        &mut self,
        id: IrId,
        comparison: BinaryOp,
        operand: IrId,
        digits: PoolRange,
    ) {
        let program = self.program;
        let Ir::Apply { overload, args } = program.node(operand) else {
            return self.warn_of_weekday_name(id, comparison, operand, digits);
        };
        if catalog::overload_owner(overload) != internal::WEEKDAY || !has_default_week_type(program, args) {
            return;
        }
        let days = match (comparison, program.text(digits)) {
            (BinaryOp::Greater, "5") | (BinaryOp::GreaterEqual, "6") => "6 and 7 are Friday and Saturday",
            (BinaryOp::Less, "6") | (BinaryOp::LessEqual, "5") => "1 to 5 are Sunday to Thursday",
            _ => return,
        };
        let span = program.meta(operand).span;
        let call_text = span.excerpt(self.source);
        let inside = call_text.strip_suffix(')').unwrap_or(&call_text);
        let message = format!("`{call_text}` counts from Sunday, so {days}");
        let help = format!("write `{inside}, 2)`, which counts from Monday");
        self.warn(Code::WeekBegins, id, message, help);
    }

    fn warn_of_weekday_name(&mut self, id: IrId, comparison: BinaryOp, operand: IrId, digits: PoolRange) {
        if let Ir::Definition(_) = self.program.node(operand) {
            let root = self.resolve_name(operand);
            if let Ir::Apply { .. } = self.program.node(root) {
                self.check_weekday_comparison(id, comparison, root, digits);
            }
        }
    }
}

/// Returns `true` if a call does not specify the week type and therefore uses the default.
fn has_default_week_type(program: &Program, args: PoolRange) -> bool {
    matches!(program.args(args), [_, kind] if program.meta(*kind).span == Span::default())
}

fn capitalize(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
