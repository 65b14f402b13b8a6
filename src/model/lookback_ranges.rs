//! Determines how far back a run of an incremental model must read and write, because values depend on other rows.

use super::compile::SpecCompilation;
use super::lookback::{approximate_unit_seconds, is_coarser};
use super::source_time::SourceTimeColumn;
use super::time_range::{CalendarDuration, CrossRowDependency, TruncatedValue};
use crate::diag::{Code, Diagnostic};
use crate::ir::CalendarUnit;
use crate::span::Span;

impl SpecCompilation<'_> {
    /// Returns two lengths of time. A run must also write rows that are older than the requested rows by up to the
    /// first length. The run must also read rows that are older than the written rows by up to the second length.
    pub(super) fn compute_lookback_durations(
        &self,
        time: &SourceTimeColumn,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(CalendarDuration, CalendarDuration)> {
        let cut_to = time.units.first().copied();
        let is_time = |step: usize, key: &TruncatedValue| {
            self.trace_key_to_first_step(step, key)
                .filter(|traced| traced.base == time.base)
        };
        let (mut out, mut back) = (CalendarDuration::default(), CalendarDuration::default());
        let mut unsupported: Vec<Span> = Vec::new();
        for (step, times) in self.times.iter().enumerate() {
            let (mut further_out, mut further_back) = (CalendarDuration::default(), CalendarDuration::default());
            for cross_row_dependency in &times.cross_row_dependencies {
                let (span, why) = match cross_row_dependency {
                    CrossRowDependency::Period {
                        span,
                        key,
                        back,
                        forward: forth,
                    } => {
                        if key.as_ref().is_some_and(|key| is_time(step, key).is_some()) {
                            further_back = further_back.longer(*back);
                            // A row whose values depend on later rows changes when those rows arrive, so a run must
                            // write it again.
                            further_out = further_out.longer(*forth);
                            continue;
                        }
                        (*span, "it looks up rows by a time other than `event_time`")
                    }
                    CrossRowDependency::Window {
                        span,
                        partition_keys,
                        inner,
                    } => {
                        let parts = partition_keys.iter().filter_map(|key| is_time(step, key));
                        let units: Option<Vec<Option<CalendarUnit>>> =
                            Some(parts.map(|traced| traced.units.first().copied()).collect())
                                .filter(|u: &Vec<_>| !u.is_empty());
                        if let Some(units) = units {
                            // All rows of a window are within one period of its finest calendar unit, so it is
                            // sufficient to write and read one more period.
                            let coarse = units.iter().map(|unit| unit.filter(|unit| is_coarser(*unit, cut_to)));
                            let finest = coarse.min_by_key(|unit| unit.map_or(0, approximate_unit_seconds));
                            if let Some(Some(unit)) = finest {
                                let length = CalendarDuration::new(unit, 1);
                                further_out = further_out.longer(inner.1.combine(length));
                                further_back = further_back.longer(length.combine(inner.0));
                            }
                            continue;
                        }
                        (*span, "it may read rows from any time")
                    }
                    CrossRowDependency::Joined {
                        span,
                        step: step_index,
                        equal,
                    } => {
                        let is_same_time = |(key, other): &(TruncatedValue, String)| {
                            let time_column = self.trace_column_to_first_step(*step_index, other);
                            is_time(step, key).is_some()
                                && time_column.is_ok_and(|time_column| time_column.base == time.base)
                        };
                        if equal.iter().any(is_same_time) {
                            continue;
                        }
                        (*span, "it joins rows of an earlier step that may be from any time")
                    }
                    CrossRowDependency::Filter { span } => {
                        let text = span.excerpt(self.source);
                        let message = format!(
                            "`{text}` may exclude a row that an earlier run added, but no run removes that row"
                        );
                        diagnostics.push(Diagnostic::new(Code::RowsMayLeave, *span, message).with_help(
                            "return the condition as a column, and filter by it when you read the model, or write \
                                `materialized: table`",
                        ));
                        continue;
                    }
                    CrossRowDependency::Unbounded { span, why } => (*span, *why),
                };
                if !unsupported.contains(&span) {
                    unsupported.push(span);
                    diagnostics.push(unbounded_read_error(span, why, time, self));
                }
            }
            out = out.combine(further_out);
            back = further_back.combine(back);
        }
        unsupported.is_empty().then_some((out, back))
    }
}

fn unbounded_read_error(span: Span, reason: &str, time: &SourceTimeColumn, run: &SpecCompilation<'_>) -> Diagnostic {
    let text = span.excerpt(run.source);
    let message = format!(
        "`{text}` is not allowed in an incremental model: {reason}, but an incremental run reads only new \
        and late rows"
    );
    let period = period_to_date_formula(&text, time.units.first().copied());
    let first = period.map_or_else(
        || "read an earlier or later period with `PERIODOFFSET`".to_owned(),
        |period| format!("start the range in the current period, as in `{period}`"),
    );
    Diagnostic::new(Code::UnboundedInTime, span, message).with_help(format!(
        "{first}, partition the rows by `{}`, or write `materialized: table`",
        time.name
    ))
}

/// Returns the total since the start of a period for a total over all earlier rows: `SUM(FIRST(x, "year"):x)` for
/// `SUM(FIRST(x):x)`. `None` for other formulas, and if each row is already a year. `unit` is the period of a row.
fn period_to_date_formula(text: &str, unit: Option<CalendarUnit>) -> Option<String> {
    let (before, range) = text.split_once("FIRST(")?;
    let (value, after) = range.split_once(')')?;
    let is_total = !value.contains([',', '(']) && after.trim_start().starts_with(':');
    let period = match unit {
        Some(CalendarUnit::Year) => return None,
        Some(CalendarUnit::Week | CalendarUnit::Month | CalendarUnit::Quarter) => "year",
        _ => "month",
    };
    is_total.then(|| format!("{before}FIRST({value}, \"{period}\"){after}"))
}
