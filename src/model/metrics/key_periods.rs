//! Keys that are periods of a date, and keys that have the same value for all dates of a period.

use std::ops::Range;

use super::formulas::NameOccurrence;
use super::keys::timeframe_unit;
use super::metric_set::MetricSet;
use crate::check::constant_period;
use crate::compiler::Compiler;
use crate::ir::CalendarPeriod;
use crate::plan::split_timeframe;

/// Formula that computes a key from a period that determines the key.
#[derive(Clone, Debug, PartialEq)]
pub enum PeriodDerivedFormula {
    Timeframe(String),
    /// Parts of a formula, with the name of the period between them.
    Parts {
        parts: Vec<String>,
        /// Shortest timeframe that the formula computes.
        timeframe: String,
    },
}

impl MetricSet {
    /// Returns the column and the timeframe of a key. The key may be a dimension such as `month = ordered_at[month]`,
    /// or the metric set's `time` if it has a grain. `None` if the key does not truncate a time.
    pub fn column_and_timeframe<'s>(&'s self, compiler: &Compiler, key: &'s str) -> Option<(&'s str, String)> {
        let date_part = self.column_and_date_part(compiler, key);
        date_part.filter(|(_, frame)| timeframe_unit(frame).is_some())
    }

    /// Returns the column and the timeframe of a key like [`Self::column_and_timeframe`]. The timeframe may be a part
    /// of a date that is not a period, such as `month_name`.
    pub fn column_and_date_part<'s>(&'s self, compiler: &Compiler, key: &'s str) -> Option<(&'s str, String)> {
        // The time column can be a dimension that is computed from a number, for example from a year.
        if let ((column, ""), Some(grain)) = (
            split_timeframe(key),
            self.time_column_grain(compiler, split_timeframe(key).0),
        ) {
            return Some((column, grain.to_owned()));
        }
        let mut text = key;
        // A definition may consist only of another definition's name. The limit prevents endless loops.
        for _ in 0..=self.definitions.len() {
            match self.definition_of_key(text) {
                Some(formula) if formula.is_operation => return None,
                Some(formula) => text = &formula.text,
                None => break,
            }
        }
        let (column, frame) = split_timeframe(text);
        if frame.is_empty() {
            let frame = self
                .time_column_grain(compiler, column)
                .or_else(|| Some(self.periods.get(&column.to_lowercase())?.frame.as_str()));
            return Some((column, frame?.to_owned()));
        }
        let frame = match frame.to_lowercase() {
            date if date == "date" => "day".to_owned(),
            frame => frame,
        };
        Some((column, frame))
    }

    /// Returns the timeframe of a key if the key has the same value for all dates of a period, such as `year` for
    /// `ordered_at[year]` and the period `ordered_at[month]`. The period may also be a date.
    pub fn timeframe_derived_from_period(
        &self,
        compiler: &Compiler,
        key: &str,
        period: &str,
        fiscal_month_offset: Option<u8>,
    ) -> Option<String> {
        let (column, timeframe) = self.column_and_date_part(compiler, key)?;
        let is_date = || split_timeframe(period).1.is_empty() && self.definition_of_key(period).is_none();
        let date = || is_date().then(|| (period, "day".to_owned()));
        let (of_period, frame) = self.column_and_timeframe(compiler, period).or_else(date)?;
        let is_within = containing_period(&frame)?.is_nested_in(constant_period(&timeframe)?, fiscal_month_offset);
        let origins = self
            .timeframe_source_date(column, &timeframe)
            .zip(self.timeframe_source_date(of_period, &frame));
        let is_same = self.is_same_column(compiler, column, of_period)
            || self.is_same_period(compiler, column, period)
            || origins.is_some_and(|(first_origin, other)| first_origin == other);
        (is_within && is_same).then_some(timeframe)
    }

    /// Returns the formula of a key if the key has the same value for all dates of a period, such as `YEAR(ordered_at)`
    /// for the period `ordered_at[month]`.
    pub fn formula_derived_from_period(
        &self,
        compiler: &Compiler,
        key: &str,
        period: &str,
        fiscal_month_offset: Option<u8>,
    ) -> Option<PeriodDerivedFormula> {
        if let Some(timeframe) = self.timeframe_derived_from_period(compiler, key, period, fiscal_month_offset) {
            return Some(PeriodDerivedFormula::Timeframe(timeframe));
        }
        let (column, frame) = self.column_and_timeframe(compiler, period)?;
        let frame = containing_period(&frame)?;
        let formula = self
            .definition_of_key(key)
            .filter(|formula| !formula.names.is_empty())?;
        let (mut parts, mut end) = (Vec::new(), 0);
        let mut shortest = CalendarPeriod::Year;
        for name in &formula.names {
            let constant = match name.frame.trim_matches(['[', ']']) {
                "" => constant_period_of_call(&formula.text, &name.range).map(|(period, _)| period),
                timeframe => constant_period(timeframe),
            }?;
            if constant.is_nested_in(shortest, fiscal_month_offset) {
                shortest = constant;
            }
            let is_within = !name.contains_frame && frame.is_nested_in(constant, fiscal_month_offset);
            if !is_within || !self.is_same_column(compiler, formula.text.get(name.range.clone())?, column) {
                return None;
            }
            parts.push(formula.text.get(end..name.range.start)?.to_owned());
            end = name.range.end;
        }
        parts.push(formula.text.get(end..)?.to_owned());
        let timeframe = shortest.name().to_owned();
        Some(PeriodDerivedFormula::Parts { parts, timeframe })
    }

    /// Returns whether a key is computed only from the date of a period, and is itself a period or contains a year.
    /// Other parts of a date, such as the weekday, recur in every long period.
    pub fn is_period_of_same_date(&self, compiler: &Compiler, key: &str, period: &str) -> bool {
        let Some((column, _)) = self.column_and_timeframe(compiler, period) else {
            return false;
        };
        let Some(formula) = self.definition_of_key(key) else {
            let key = self.column_and_timeframe(compiler, key);
            return key.is_some_and(|(of_key, _)| self.is_same_column(compiler, of_key, column));
        };
        let is_of_date = |name: &NameOccurrence| {
            let text = formula.text.get(name.range.clone());
            text.is_some_and(|text| self.is_same_column(compiler, text, column))
        };
        let has_year = |name: &NameOccurrence| match name.frame.trim_matches(['[', ']']) {
            "" => constant_period_of_call(&formula.text, &name.range).is_some_and(|(_, has_year)| has_year),
            timeframe => CalendarPeriod::from_name(timeframe).is_some(),
        };
        formula.names.iter().all(is_of_date) && formula.names.iter().any(has_year)
    }

    /// Returns the date from which an earlier step has computed a column with this timeframe.
    pub fn timeframe_source_date(&self, column: &str, frame: &str) -> Option<&str> {
        let input_timeframe = self.periods.get(&column.to_lowercase())?;
        (input_timeframe.frame == frame).then_some(input_timeframe.origin.as_str())
    }

    /// Returns the grain of the metric set's `time`, if `time` names this column and has a grain.
    pub fn time_column_grain(&self, compiler: &Compiler, column: &str) -> Option<&str> {
        let grain = self.time.as_ref()?.grain.as_deref();
        grain.filter(|_| self.is_time(compiler, column))
    }

    /// Returns whether two keys are the same period of the same column, such as `orders.ordered_at[month]` and a
    /// dimension `ordered_at[month]`.
    pub fn is_same_period(&self, compiler: &Compiler, first_key: &str, other: &str) -> bool {
        let (Some((first_column, frame)), Some((other, of_other))) = (
            self.column_and_timeframe(compiler, first_key),
            self.column_and_timeframe(compiler, other),
        ) else {
            return false;
        };
        frame == of_other && self.is_same_column(compiler, first_column, other)
    }

    /// Returns whether two names refer to the same column.
    pub fn is_same_column(&self, compiler: &Compiler, left_name: &str, other: &str) -> bool {
        self.resolve_column(compiler, left_name) == self.resolve_column(compiler, other)
    }
}

/// Returns the shortest period that contains a timeframe: the timeframe itself if it is a period, or the day for a
/// timeframe that is shorter than a day, such as an hour.
fn containing_period(frame: &str) -> Option<CalendarPeriod> {
    let of_clock = timeframe_unit(frame).filter(|unit| unit.is_shorter_than_day());
    CalendarPeriod::from_name(frame).or(of_clock.map(|_| CalendarPeriod::Day))
}

/// Returns the longest period in which the call around a name has the same value for all days, such as a year for
/// `YEAR(name)` and a month for `TEXT(name, "yyyy-mm")`. Also returns whether the value contains the year.
fn constant_period_of_call(text: &str, name: &Range<usize>) -> Option<(CalendarPeriod, bool)> {
    let before = text.get(..name.start)?.trim_end().strip_suffix('(')?.trim_end();
    let (rest, _) = text.get(name.end..)?.split_once(')')?;
    let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.'));
    let function = before.get(start.map_or(0, |offset| offset + 1)..)?.to_ascii_uppercase();
    match (function.as_str(), rest.trim()) {
        ("YEAR", "") => Some((CalendarPeriod::Year, true)),
        ("QUARTER", "") => Some((CalendarPeriod::Quarter, false)),
        ("MONTH", "") => Some((CalendarPeriod::Month, false)),
        ("EOMONTH", rest) => {
            let months: Option<i32> = rest.strip_prefix(',')?.trim().parse().ok();
            months.map(|_| (CalendarPeriod::Month, true))
        }
        ("TEXT", rest) => {
            let mask = rest.strip_prefix(',')?.trim().strip_prefix('"')?.strip_suffix('"')?;
            let letters: Vec<char> = mask.to_lowercase().chars().filter(|c| c.is_alphabetic()).collect();
            let is_known = letters.iter().all(|c| matches!(c, 'y' | 'm'));
            let period = if letters.contains(&'m') {
                CalendarPeriod::Month
            } else {
                CalendarPeriod::Year
            };
            is_known.then_some((period, letters.contains(&'y')))
        }
        _ => None,
    }
}
