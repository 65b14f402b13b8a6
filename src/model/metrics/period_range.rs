//! Range of periods that a step shows: `since` and `until`.

use formulac_syntax::lex::quote_formula_name;

use super::columns::ModelColumns;
use super::formulas::analyze;
use super::keys::{MetricSetKey, ModelKeys, first_day_formula};
use super::metric_set::MetricSetTime;
use super::model_on_metric_sets::ModelOnMetricSets;
use super::text_with_origins::SourceMappedText;
use crate::check;
use crate::compiler::Compiler;
use crate::diag::{Code, Diagnostic};
use crate::load::{SpannedText, SpecKind, Step};
use crate::span::Span;
use crate::time_range::CalendarDuration;
use crate::yaml::Node;

/// Value of `since` or `until`, as a formula for a date.
#[derive(Clone, Debug)]
pub struct PeriodBound {
    formula: String,
    /// Year, month and day of an ISO date.
    date: Option<(u32, u32, u32)>,
    span: Span,
}

impl PeriodBound {
    /// Reads a bound: a date `YYYY-MM-DD` or a constant formula, which may begin with `=`.
    pub fn read(node: &Node) -> Option<Self> {
        let text = node.text()?.trim();
        let date = parse_iso_date(text);
        let formula = match date {
            Some((year, month, day)) => format!("DATE({year}, {month}, {day})"),
            None => format!("({})", text.strip_prefix('=').unwrap_or(text)),
        };
        Some(Self {
            formula,
            date,
            span: node.span,
        })
    }

    /// Returns the error message for a bound that is not a constant: text that looks like a date but is not a valid
    /// date, a formula with a syntax error, or a formula that depends on rows.
    pub fn bound_error(compiler: &Compiler, name: &str, node: &Node, source: &str) -> Option<Diagnostic> {
        let text = node.text()?.trim();
        let separators = text.chars().filter(|c| "-/.".contains(*c)).count();
        let is_digits = text.chars().all(|c| c.is_ascii_digit() || "-/.".contains(c));
        let looks_like_date = is_digits && separators == 2;
        if looks_like_date {
            let fault = Diagnostic::new(Code::WrongShape, node.span, format!("`{text}` is not a valid date"));
            return parse_iso_date(text)
                .is_none()
                .then(|| fault.with_help("write a date as YYYY-MM-DD"));
        }
        let filter = Some(SpannedText { text, node });
        let step = Step {
            filter,
            ..Step::default()
        };
        let (formulas, faults) = analyze(compiler, &step, source);
        // Report a syntax error here, because a later report would show the generated condition that contains the
        // bound.
        let syntax = faults.into_iter().find(|fault| fault.is_error() && fault.is_syntax());
        if syntax.is_some() {
            // If YAML cut the bound at a comma, the loader reports it.
            let rest = source.get(node.span.end as usize..).unwrap_or_default();
            let is_truncated = rest.starts_with(',') && text.matches('(').count() > text.matches(')').count();
            return syntax.filter(|_| !is_truncated);
        }
        let column = formulas.into_iter().flat_map(|formula| formula.names).next()?.name;
        let message = format!("`{name}` must be the same for all rows, but `{column}` is a column");
        Some(
            Diagnostic::new(Code::PeriodRange, node.span, message)
                .with_help("write a date as YYYY-MM-DD, or a constant formula such as `TODAY() - 90`"),
        )
    }

    /// Returns an error if two dates are in the wrong order and therefore select no period. `None` if one of them is a
    /// formula.
    pub fn reversed_bounds_error([(first, from), (last, to)]: [(&str, &Node); 2]) -> Option<Diagnostic> {
        let date = |node: &Node| Self::read(node)?.date;
        if date(from)? <= date(to)? {
            return None;
        }
        let [earlier, later] = [from, to].map(|node| node.text().unwrap_or_default().trim());
        let message = format!("`{first}` ({earlier}) is after `{last}` ({later}), so the range contains no period");
        Some(
            Diagnostic::new(Code::PeriodRange, from.span, message)
                .with_secondary_label(to.span, format!("the earlier date is the value of `{last}`"))
                .with_help(format!("swap the values of `{first}` and `{last}`")),
        )
    }

    /// Returns the value of a key in the period that contains the date.
    pub fn key_value_at_bound(&self, key: &MetricSetKey) -> Option<String> {
        let frame = key.frame.as_deref()?;
        Some(match key.fiscal_offset {
            Some(_) => self.boundaries(frame, key.fiscal_offset).0,
            None => self.period(frame),
        })
    }

    /// Returns the value of a key in the earlier of two periods.
    pub fn earlier_key_value(&self, other: &Self, key: &MetricSetKey) -> Option<String> {
        let (first_value, two) = (self.key_value_at_bound(key)?, other.key_value_at_bound(key)?);
        Some(match (self.date, other.date) {
            (Some(of_one), Some(of_two)) if of_one <= of_two => first_value,
            (Some(_), Some(_)) => two,
            _ => format!("IF({first_value} < {two}, {first_value}, {two})"),
        })
    }

    /// Returns a day that is at least this length before the period that contains the date. `None` for a day before the
    /// first year of the calendar.
    fn day_before(&self, length: CalendarDuration, (frame, fiscal_offset): (&str, Option<u8>)) -> Option<String> {
        let seconds = length.seconds.saturating_add(86_399) / 86_400;
        let days = length.days.saturating_add(length.clamped_days).saturating_add(seconds);
        let months = length.months;
        if months > 120_000 || days > 4_000_000 {
            return None;
        }
        if let (Some((year, month, day)), Some((period, offset))) = (
            self.date,
            timeframe_months_and_offset(frame, fiscal_offset).or((frame == "day").then_some((0, 0))),
        ) {
            let (month, day) = match period {
                0 => (i64::from(month), day),
                _ => (
                    i64::from(month) - i64::from((year * 12 + month - 1 - offset) % period),
                    1,
                ),
            };
            // If the month is too short to contain the day, use the last day of the month.
            let last = (1..=day).rev();
            let first_of_month = check::shift_date(&format!("{year:04}-01-01"), month - 1 - months, 0)?;
            let (year, month, _) = parse_iso_date(&first_of_month)?;
            let date = last
                .map(|day| format!("{year:04}-{month:02}-{day:02}"))
                .find(|date| check::is_iso_date(date))?;
            let (year, month, day) = parse_iso_date(&check::shift_date(&date, 0, -days)?)?;
            return Some(format!("DATE({year}, {month}, {day})"));
        }
        let (mut start, _) = self.boundaries(frame, fiscal_offset);
        if months > 0 {
            start = format!("EDATE({start}, -{months})");
        }
        Some(if days > 0 { format!("{start} - {days}") } else { start })
    }

    /// Returns the formula for the period that contains the date. A fiscal year is a number.
    fn period(&self, frame: &str) -> String {
        match (self.date, timeframe_months_and_offset(frame, None)) {
            (Some(_), Some(_)) => self.boundaries(frame, None).0,
            (Some(_), None) if frame == "day" => self.formula.clone(),
            _ => format!("{}[{frame}]", self.formula),
        }
    }

    /// Returns the first day of the period that contains the date, and the first day after the period. `None` for a day
    /// after the last year of the calendar.
    fn boundaries(&self, frame: &str, fiscal_offset: Option<u8>) -> (String, Option<String>) {
        let formula = &self.formula;
        let months = timeframe_months_and_offset(frame, fiscal_offset);
        if let (Some((year, month, _)), Some((length, offset))) = (self.date, months) {
            let month_index = (year * 12 + month - 1).saturating_sub(offset);
            let start = month_index - month_index % length + offset;
            let day = |months: u32| format!("DATE({}, {}, 1)", months / 12, months % 12 + 1);
            let after = start + length;
            return (day(start), (after < 10_000 * 12).then(|| day(after)));
        }
        let start = match frame {
            "fiscal_year" => first_day_formula(&format!("{formula}[{frame}]"), fiscal_offset),
            _ => self.period(frame),
        };
        let after = match (months, self.date) {
            (Some((length, _)), _) => Some(format!("EDATE({start}, {length})")),
            (None, Some((9999, ..))) if frame == "week" => None,
            (None, _) if frame == "week" => Some(format!("{start} + 7")),
            (None, Some(date)) => next_day_formula(date),
            (None, None) => Some(format!("{start} + 1")),
        };
        (start, after)
    }
}

impl ModelOnMetricSets<'_> {
    pub fn bound(&self, key: &str) -> Option<PeriodBound> {
        PeriodBound::read(self.step.get(key)?)
    }

    /// Returns whether `since` must be applied after the windows. This is the case if windows or `fill` read earlier
    /// periods, so the step that reads the rows must not remove these periods.
    pub fn is_since_applied_after_windows(&self, keys: &ModelKeys, columns: &ModelColumns) -> bool {
        keys.time.is_some()
            && self.step.get("since").is_some()
            && (self.step.get("fill").is_some() || columns.all.iter().any(|column| column.windows.is_some()))
    }

    /// Returns how far before `since` the model reads rows, because windows along the time key read earlier periods.
    /// `None` if the model may read rows from any time.
    pub fn lookback_duration(&self, keys: &ModelKeys, columns: &ModelColumns) -> Option<CalendarDuration> {
        let is_along_time = match &self.order_by {
            None => self.kind != SpecKind::Periods,
            Some(order) => {
                let ordered = self.keys_in_order(keys, order);
                let is_period = |index: &usize| keys.key_in_first_set(*index).is_some_and(|key| key.frame.is_some());
                // The formulas of a step with periods were analyzed with the step's own order. For all other models,
                // the lengths assume an ascending order.
                let is_ascending = self.kind == SpecKind::Periods || order.iter().all(|entry| !entry.descending);
                let are_keys = ordered.len() == order.len();
                is_ascending && are_keys && ordered.into_iter().find(is_period) == keys.time
            }
        };
        let length = columns.lookback_duration().filter(|_| is_along_time)?;
        self.step.get("fill").is_none().then_some(length)
    }

    /// Returns the conditions on the rows of a metric set. A bound that the metric set cannot apply is omitted. The
    /// conditions compare the column itself if it is known to be a date or time, so that warehouses can skip
    /// partitions.
    pub fn period_filters(
        &self,
        compiler: &Compiler,
        set: usize,
        (keys, time): (&[MetricSetKey], Option<usize>),
        look_back: Option<CalendarDuration>,
    ) -> Vec<SourceMappedText> {
        let frame = time.and_then(|time| keys.get(time)?.timeframe());
        let Some(time) = &self.sets[set].time else {
            return Vec::new();
        };
        // Without a time key, a row of a metric set with `grain: month` represents its whole month.
        let frame = frame.or(time.grain.as_deref()).unwrap_or("day");
        let fiscal_offset = self.fiscal_offset(compiler, &self.sets[set]);
        let defined = self.sets[set].definition_shadowing_time();
        let column = self.time_column_text(set, time);
        let is_column = self.sets[set].position(&time.column).is_none();
        let is_plain = defined.is_some() || is_column && self.sets[set].is_temporal(compiler, &time.column);
        let mut filters = Vec::new();
        for (name, operator) in [("since", ">="), ("until", "<=")] {
            let Some(bound) = self.bound(name).filter(|_| name == "until" || look_back.is_some()) else {
                continue;
            };
            let (start, after) = bound.boundaries(frame, fiscal_offset);
            let condition = match (
                is_plain,
                name,
                after,
                look_back.filter(|length| *length != CalendarDuration::default()),
            ) {
                (true, "since", _, None) => format!("{column} >= {start}"),
                (_, "since", _, Some(length)) => match bound.day_before(length, (frame, fiscal_offset)) {
                    Some(day) if is_plain => format!("{column} >= {day}"),
                    _ => continue,
                },
                (true, _, Some(after), _) => format!("{column} < {after}"),
                _ => {
                    let period = self.sets[set].qualify_time_in_key(compiler, time, &time.period(frame));
                    format!("{period} {operator} {}", bound.period(frame))
                }
            };
            filters.push(SourceMappedText::generated(&condition, 0, bound.span));
        }
        if filters.is_empty() {
            filters.extend(self.blank_time_filter(compiler, set));
        }
        filters
    }

    /// Returns the condition of `since` on the rows of a metric set without a time. Rows without a period are not
    /// shown, so windows must not read them. `None` if every row has a time, or if the model has no `since`.
    pub fn blank_time_filter(&self, compiler: &Compiler, set: usize) -> Option<SourceMappedText> {
        let (since, time) = (self.bound("since")?, self.sets[set].time.as_ref()?);
        let condition = format!("NOT(ISBLANK({}))", self.time_column_text(set, time));
        let has_time = self.sets[set].has_time_in_every_row(compiler);
        (!has_time).then(|| SourceMappedText::generated(&condition, 0, since.span))
    }

    /// Returns the text that refers to the time column in a condition on rows. There, a name refers to a column before
    /// a definition, so a reference to a definition with this name is replaced with the definition's formula.
    fn time_column_text(&self, set: usize, time: &MetricSetTime) -> String {
        let defined = self.sets[set].definition_shadowing_time();
        defined.map_or_else(|| time.reference(), |formula| format!("({})", formula.text))
    }

    /// Returns the condition that `since` places on the model's time key.
    pub fn since_filter(&self, keys: &ModelKeys) -> Option<SourceMappedText> {
        let bound = self.bound("since")?;
        let time = keys.time?;
        let key = keys.key_in_first_set(time)?;
        // A key that is not a period, such as a column of instants, is compared with the day of the bound.
        let value = bound
            .key_value_at_bound(key)
            .unwrap_or_else(|| bound.boundaries("day", None).0);
        let condition = format!("{} >= {value}", quote_formula_name(&keys.names[time]));
        Some(SourceMappedText::generated(&condition, 0, bound.span))
    }

    /// Reports bounds that no metric set can apply, and bounds that are not constants.
    pub fn check_bounds(
        &self,
        compiler: &Compiler,
        keys: &ModelKeys,
        set_indexes: &[usize],
        faults: &mut Vec<Diagnostic>,
    ) {
        for key in ["since", "until"] {
            let Some(node) = self.step.get(key) else { continue };
            faults.extend(PeriodBound::bound_error(compiler, key, node, self.source));
            let lacks_time = |set: &&usize| self.sets[**set].time.is_none();
            if let (None, Some(set)) = (keys.time, set_indexes.iter().find(lacks_time)) {
                let name = &self.sets[*set].name;
                faults.push(
                    Diagnostic::new(
                        Code::MetricWindow,
                        node.span,
                        format!("`{key}` needs a time column, but the set `{name}` has no `time`"),
                    )
                    .with_help(format!("add `time: …` to the set `{name}`")),
                );
            }
        }
        let bounds = ["since", "until"].map(|name| Some((name, self.step.get(name)?)));
        if let [Some(since), Some(until)] = bounds {
            faults.extend(PeriodBound::reversed_bounds_error([since, until]));
        }
        let since = self.step.get("since").filter(|_| self.incremental_node().is_some());
        if let Some((since, None)) = since.and_then(|node| Some((node, PeriodBound::read(node)?.date))) {
            faults.push(
                Diagnostic::new(
                    Code::UnboundedInTime,
                    since.span,
                    "in an incremental model, `since` must be a date, because no run removes the periods that an earlier \
                     run has added",
                )
                .with_help("write a date as YYYY-MM-DD, filter when you read the model, or write `materialized: table`"),
            );
        }
    }
}

/// Returns the length of a period in months, and the number of months from January to the first month of the fiscal
/// year. `None` for other periods.
fn timeframe_months_and_offset(frame: &str, fiscal_offset: Option<u8>) -> Option<(u32, u32)> {
    let offset = fiscal_offset.map(u32::from);
    match frame {
        "month" => Some((1, 0)),
        "quarter" => Some((3, 0)),
        "year" => Some((12, 0)),
        "fiscal_quarter" => Some((3, offset?)),
        "fiscal_year" => Some((12, offset?)),
        _ => None,
    }
}

/// Returns the formula for the day after a date.
fn next_day_formula((year, month, day): (u32, u32, u32)) -> Option<String> {
    let (year, month, day) = parse_iso_date(&check::next_day(&format!("{year:04}-{month:02}-{day:02}"))?)?;
    Some(format!("DATE({year}, {month}, {day})"))
}

/// Parses a calendar date, `YYYY-MM-DD`.
pub fn parse_iso_date(text: &str) -> Option<(u32, u32, u32)> {
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse().ok();
    check::is_iso_date(text).then_some((part(0..4)?, part(5..7)?, part(8..10)?))
}
