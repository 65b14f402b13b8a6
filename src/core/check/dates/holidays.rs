//! NETWORKDAYS and WORKDAY with holidays that are literal dates. `holiday_columns` supports holidays in a column of a
//! tab.
//!
//! Each holiday adds one CASE to the SQL. WORKDAY counts the days that are neither weekends nor holidays. The holiday
//! `h` with rank `r` among the holidays follows working day number `weekday_count(h) - r`, so each later target is
//! shifted by one day.

use super::days_since_year_one;
use crate::Type;
use crate::ast::ExprId;
use crate::catalog::{Function, FunctionId, internal};
use crate::check::lower::Lowerer;
use crate::ir::{Ir, IrId};
use crate::span::Span;

/// Holiday on a weekday (Monday to Friday).
#[derive(Clone, Copy)]
struct Holiday {
    /// Number of weekdays from 0001-01-01, a Monday, up to and including the holiday.
    count: i64,
    date: IrId,
}

/// Counter for the holidays' ranks, which start at 1.
struct HolidayRankCounter {
    last: i64,
    rank: i64,
}

impl HolidayRankCounter {
    fn new(holidays: &[Holiday]) -> Self {
        Self {
            last: holidays.len() as i64,
            rank: 0,
        }
    }

    /// Returns two numbers for the next holiday: the number of working days before it if days are counted forward, and
    /// the equivalent number if days are counted backward.
    fn next(&mut self, holiday: &Holiday) -> [i64; 2] {
        self.rank += 1;
        [holiday.count - self.rank, holiday.count + self.last + 1 - self.rank]
    }
}

impl Lowerer<'_> {
    pub(in crate::check) fn lower_workdays(
        &mut self,
        function: &'static Function,
        args: &[ExprId],
        span: Span,
    ) -> IrId {
        let (dates, rest) = args.split_at(args.len().min(2));
        let of_tab = rest
            .iter()
            .any(|holiday| self.is_tab_column(self.lowered_node(*holiday)));
        let Some(values) = self.lower_arguments(if of_tab { dates } else { args }) else {
            return self.add_error(span);
        };
        let counts = Self::is_internal(function, internal::NETWORKDAYS);
        let of_weekdays = if counts {
            internal::WEEKDAYS_BETWEEN
        } else {
            internal::WEEKDAY_AFTER
        };
        let &[start, other, ref holidays @ ..] = values.as_slice() else {
            return self.add_error(span);
        };
        let plain = self.add_scalar_call(of_weekdays, &[start, other], span, function.name);
        if of_tab {
            self.recycle_list(values);
            let value = self.lower_workdays_with_tab(function, args, plain, [start, other], span);
            return value.unwrap_or_else(|| self.add_error(span));
        }
        let holidays = self.collect_holidays(function, holidays);
        self.recycle_list(values);
        let Some(holidays) = holidays.filter(|_| !self.is_error(plain)) else {
            return self.add_error(span);
        };
        match holidays.is_empty() || self.is_null(plain) {
            true => plain,
            false if counts => {
                let within = |pass: &mut Self, holiday: &Holiday| {
                    pass.add_scalar_call(
                        internal::HOLIDAY_BETWEEN,
                        &[start, other, holiday.date],
                        span,
                        function.name,
                    )
                };
                self.add_holiday_terms(internal::SUBTRACT, plain, &holidays, span, within)
            }
            false => self.build_workday(function, start, other, plain, &holidays, span),
        }
    }

    /// Collects the distinct holidays on weekdays in ascending order. Reports invalid holidays and returns `None`.
    fn collect_holidays(&mut self, function: &'static Function, values: &[IrId]) -> Option<Vec<Holiday>> {
        let mut holidays = Vec::new();
        let mut failed = false;
        for value in values.iter().copied() {
            if self.is_null(value) {
                continue;
            }
            let date = self.convert_date_literal(value, false);
            let days = match self.program.node(date) {
                Ir::Date(text) if self.program.meta(date).ty == Type::Date => {
                    days_since_year_one(self.program.text(text))
                }
                Ir::Error => {
                    failed = true;
                    continue;
                }
                _ => None,
            };
            match days {
                Some(days) if days % 7 < 5 => holidays.push(Holiday {
                    count: days / 7 * 5 + days % 7 + 1,
                    date,
                }),
                Some(_) => {}
                None => {
                    let example = format!("{}(…, …, \"2024-12-25\", \"2024-12-26\")", function.name);
                    self.report_non_constant(value, function.name, "holidays", &example);
                    failed = true;
                }
            }
        }
        holidays.sort_by_key(|holiday| holiday.count);
        holidays.dedup_by_key(|holiday| holiday.count);
        (!failed).then_some(holidays)
    }

    /// Adjusts a number of days by one term per holiday. `change` is the function that adds or subtracts the term.
    fn add_holiday_terms(
        &mut self,
        change: FunctionId,
        days: IrId,
        holidays: &[Holiday],
        span: Span,
        mut term: impl FnMut(&mut Self, &Holiday) -> IrId,
    ) -> IrId {
        holidays.iter().fold(days, |days, holiday| {
            let term = term(self, holiday);
            self.add_call(change, &[days, term], span)
        })
    }

    fn build_workday(
        &mut self,
        function: &'static Function,
        start: IrId,
        days: IrId,
        plain: IrId,
        holidays: &[Holiday],
        span: Span,
    ) -> IrId {
        let days = match self.program.meta(days).ty {
            Type::Integer => days,
            _ => self.add_scalar_call(internal::TO_INTEGER, &[days], span, function.name),
        };
        if let Some(literal) = self.literal_integer(days) {
            return match literal {
                0 => plain,
                _ => self.build_directed_workday(literal > 0, start, days, holidays, span),
            };
        }
        let zero = self.program.add_integer("0", span);
        let [is_later, is_earlier, is_start] = [internal::GREATER, internal::LESS, internal::EQUAL]
            .map(|compare| self.add_scalar_call(compare, &[days, zero], span, function.name));
        let [later, earlier] =
            [internal::WEEKDAY_COUNT, internal::WEEKDAY_COUNT_FROM].map(|count| self.add_call(count, &[start], span));
        let from = self.build_case(&[is_later, is_earlier], &mut [later, earlier], span, function.name);
        let target = self.add_call(internal::ADD, &[from, days], span);
        let target = self.add_holiday_terms(internal::ADD, target, holidays, span, |pass, holiday| {
            pass.add_call(internal::HOLIDAY_PASSED, &[start, days, holiday.date], span)
        });
        let mut ranks = HolidayRankCounter::new(holidays);
        let weekday = self.add_holiday_terms(internal::ADD, target, holidays, span, |pass, holiday| {
            let [later, earlier] = ranks
                .next(holiday)
                .map(|number| pass.program.add_integer(&number.to_string(), span));
            pass.add_call(internal::COUNT_PASSED, &[target, days, later, earlier], span)
        });
        let reached = self.add_call(internal::WEEKDAY_AT, &[weekday], span);
        let start = self.convert_to(start, Type::Date);
        self.build_case(&[is_start], &mut [start, reached], span, function.name)
    }

    /// Returns the date that is the given number of working days after the start if `later` is set, otherwise before
    /// the start.
    fn build_directed_workday(
        &mut self,
        later: bool,
        start: IrId,
        days: IrId,
        holidays: &[Holiday],
        span: Span,
    ) -> IrId {
        // If the start is on a weekend, counting forward starts at the previous Friday, and counting backward starts at
        // the next Monday.
        let (count_function, passed, is_passed, out, back) = match later {
            true => (
                internal::WEEKDAY_COUNT,
                internal::HOLIDAY_UP_TO,
                internal::COUNT_ABOVE,
                internal::SUBTRACT,
                internal::ADD,
            ),
            false => (
                internal::WEEKDAY_COUNT_FROM,
                internal::HOLIDAY_FROM,
                internal::COUNT_BELOW,
                internal::ADD,
                internal::SUBTRACT,
            ),
        };
        let from = self.add_call(count_function, &[start], span);
        let target = self.add_call(internal::ADD, &[from, days], span);
        let target = self.add_holiday_terms(out, target, holidays, span, |pass, h| {
            pass.add_call(passed, &[start, h.date], span)
        });
        let mut ranks = HolidayRankCounter::new(holidays);
        let weekday = self.add_holiday_terms(back, target, holidays, span, |pass, holiday| {
            let [later_number, earlier_number] = ranks.next(holiday);
            let number = if later { later_number } else { earlier_number };
            let number = pass.program.add_integer(&number.to_string(), span);
            pass.add_call(is_passed, &[target, number], span)
        });
        self.add_call(internal::WEEKDAY_AT, &[weekday], span)
    }
}
