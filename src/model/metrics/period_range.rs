//! Periods that a model shows: `since` and `until`.

use super::columns::ModelColumns;
use super::keys::{ModelKeys, SetKey, first_day};
use super::request::ModelOverSets;
use super::spelled::SpelledText;
use crate::check;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml::Node;

/// Bound of the periods: a formula for a date.
#[derive(Clone, Debug)]
pub struct PeriodBound {
    formula: String,
    /// Year, month and day of an ISO date.
    date: Option<(u32, u32, u32)>,
    span: Span,
}

impl PeriodBound {
    /// Reads a bound: a date `YYYY-MM-DD` or a constant formula.
    pub fn read(node: &Node) -> Option<Self> {
        let text = node.text()?.trim();
        let date = iso_date(text);
        let formula = match date {
            Some((year, month, day)) => format!("DATE({year}, {month}, {day})"),
            None => format!("({text})"),
        };
        Some(Self {
            formula,
            date,
            span: node.span,
        })
    }

    /// Returns the fault of a text that looks like a date but is none.
    pub fn fault(node: &Node) -> Option<Diagnostic> {
        let text = node.text()?.trim();
        let looks_like_date = text.len() == 10 && text.chars().all(|c| c.is_ascii_digit() || c == '-');
        (looks_like_date && iso_date(text).is_none()).then(|| {
            Diagnostic::new(
                Code::WrongShape,
                node.span,
                format!("`{text}` is not a date of the calendar"),
            )
            .with_help("write a date as YYYY-MM-DD")
        })
    }

    /// Returns the first day of the period that contains the date. `frame` is the timeframe of the key.
    pub fn period(&self, frame: &str) -> String {
        match (self.date, frame) {
            (Some((year, month, _)), "month") => format!("DATE({year}, {month}, 1)"),
            (Some((year, month, _)), "quarter") => format!("DATE({year}, {}, 1)", (month.max(1) - 1) / 3 * 3 + 1),
            (Some((year, ..)), "year") => format!("DATE({year}, 1, 1)"),
            (Some(_), "day" | "date") => self.formula.clone(),
            _ => format!("{}[{frame}]", self.formula),
        }
    }
}

impl ModelOverSets<'_> {
    fn bound(&self, key: &str) -> Option<PeriodBound> {
        PeriodBound::read(self.step.get(key)?)
    }

    /// Returns whether the step that reads the rows cannot filter by `since`, because windows read earlier periods.
    pub fn filters_since_last(&self, keys: &ModelKeys, columns: &ModelColumns) -> bool {
        keys.time.is_some()
            && self.step.get("since").is_some()
            && columns.all.iter().any(|column| column.windows.is_some())
    }

    /// Returns the conditions on the rows of a set. A bound that the set cannot apply is left out.
    pub fn period_filters(
        &self,
        set: usize,
        keys: &[SetKey],
        time: Option<usize>,
        with_since: bool,
    ) -> Vec<SpelledText> {
        let key = time.and_then(|time| keys.get(time));
        let key = key.and_then(|key| Some((&key.column, key.timeframe()?)));
        let mut filters = Vec::new();
        for (name, operator) in [("since", ">="), ("until", "<=")] {
            let Some(bound) = self.bound(name).filter(|_| name == "until" || with_since) else {
                continue;
            };
            let condition = match (key, &self.sets[set].time) {
                (Some((column, frame)), _) => format!("{column} {operator} {}", bound.period(frame)),
                (None, Some(time)) => format!("{}[day] {operator} {}", time.column, bound.formula),
                (None, None) => continue,
            };
            filters.push(SpelledText::generated(&condition, 0, bound.span));
        }
        filters
    }

    /// Returns the condition of `since` on the model's time key.
    pub fn since_filter(&self, keys: &ModelKeys) -> Option<SpelledText> {
        let bound = self.bound("since")?;
        let time = keys.time?;
        let frame = keys.of_sets.iter().find_map(|keys| keys.get(time)?.timeframe())?;
        let period = first_day(&bound.period(frame), frame, keys.fiscal_offset);
        let condition = format!("{} >= {period}", keys.names[time]);
        Some(SpelledText::generated(&condition, 0, bound.span))
    }

    /// Reports bounds that no set can apply, and texts that are no dates.
    pub fn check_bounds(&self, keys: &ModelKeys, used: &[usize], faults: &mut Vec<Diagnostic>) {
        for key in ["since", "until"] {
            let Some(bound) = self.bound(key) else { continue };
            faults.extend(self.step.get(key).and_then(PeriodBound::fault));
            let lacks_time = |set: &&usize| self.sets[**set].time.is_none();
            if let (None, Some(set)) = (keys.time, used.iter().find(lacks_time)) {
                let name = &self.sets[*set].name;
                faults.push(
                    Diagnostic::new(
                        Code::MetricWindow,
                        bound.span,
                        format!("`{key}` needs the time of the set `{name}`, which has no `time`"),
                    )
                    .with_help(format!("add `time: column` to the set `{name}`")),
                );
            }
        }
    }
}

/// Parses a date of the calendar, `YYYY-MM-DD`.
fn iso_date(text: &str) -> Option<(u32, u32, u32)> {
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse().ok();
    check::is_iso_date(text).then_some((part(0..4)?, part(5..7)?, part(8..10)?))
}
