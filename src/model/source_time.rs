//! Traces the time column of an incremental model back to the first step.

use super::compile::SpecCompilation;
use super::load::SpannedText;
use super::time_range::{OutputColumnSource, TimeSource, TruncatedValue};
use crate::Type;
use crate::diag::{Code, Diagnostic};
use crate::ir::CalendarUnit;
use crate::schema::Column;
use crate::span::Span;

/// Value in the first step from which a time column originates, and the calendar units to which this value is
/// truncated. The last truncation comes first.
pub(super) struct SourceTimeColumn {
    pub base: TimeSource,
    pub name: String,
    pub units: Vec<CalendarUnit>,
}

impl SpecCompilation<'_> {
    /// Traces the time column back to the first step.
    pub(super) fn find_source_time_column(
        &self,
        time: &Column,
        time_name: SpannedText<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<SourceTimeColumn> {
        let name = time.name();
        let mut refuse = |span: Span, message: String, help: String| {
            let diagnostic = Diagnostic::new(Code::IncrementalTime, span, message).with_help(help);
            diagnostics.push(match span == time_name.node.span {
                true => diagnostic,
                false => diagnostic.with_secondary_label(time_name.node.span, "the time column"),
            });
        };
        if time.ty() == Type::Unknown {
            let help = format!("provide a schema with `--schema`, or truncate `{name}` to a unit, as in `{name}[day]`");
            refuse(
                time_name.node.span,
                format!("cannot tell whether `{name}` is a date or a timestamp"),
                help,
            );
            return None;
        }
        if !time.ty().is_temporal() {
            let help = "use a column that contains dates or times".to_owned();
            refuse(
                time_name.node.span,
                format!("`{name}` is {}, not a date or time", time.ty().describe()),
                help,
            );
            return None;
        }
        let last = self.times.len().checked_sub(1)?;
        match self.trace_column_to_first_step(last, name) {
            Ok(traced) => Some(traced),
            Err((step, time_value)) => {
                let suffix = self
                    .spec
                    .steps
                    .get(step)
                    .and_then(|step| step.name)
                    .map_or_else(String::new, |n| format!(" in step `{}`", n.text));
                let (span, message, help) = match time_value {
                    Some(time_value) if !time_value.of_rows => (
                        time_value.span,
                        format!(
                            "`{name}` is computed from several rows{suffix}, so it cannot be used to select late input rows"
                        ),
                        "either group by a time column and use this column as `event_time`, or write `materialized: table`",
                    ),
                    Some(time_value) => (
                        time_value.span,
                        format!("`{name}` is computed{suffix}, so it cannot be used to select late input rows"),
                        "keep a time column of the first step in all later steps, unchanged or truncated to a \
                            unit as in `day[month]`, or write `materialized: table`",
                    ),
                    None => (
                        time_name.node.span,
                        format!("the origin of `{name}` is unknown{suffix}"),
                        "keep a time column of the first step in all later steps, or write `materialized: table`",
                    ),
                };
                refuse(span, message, help.to_owned());
                None
            }
        }
    }

    /// Traces a column of a step back to the first step. If this fails, returns the step in which the column has no
    /// origin.
    pub(super) fn trace_column_to_first_step(
        &self,
        step: usize,
        name: &str,
    ) -> Result<SourceTimeColumn, (usize, Option<OutputColumnSource>)> {
        let mut name = name.to_lowercase();
        let mut units = Vec::new();
        for step_index in (0..=step).rev() {
            let Some(times) = self.times.get(step_index) else {
                return Err((step_index, None));
            };
            let key = match times.source_by_column.get(&name) {
                Some(time_value) if time_value.of_rows => time_value.key.clone(),
                Some(time_value) => return Err((step_index, Some(time_value.clone()))),
                None if times.has_undeclared_columns => TruncatedValue {
                    base: TimeSource::Column(0, name.clone()),
                    unit: None,
                },
                None => return Err((step_index, None)),
            };
            units.extend(key.unit);
            match (step_index, key.base) {
                (0, base) => return Ok(SourceTimeColumn { base, name, units }),
                (_, TimeSource::Column(0, before)) => name = before,
                _ => return Err((step_index, times.source_by_column.get(&name).cloned())),
            }
        }
        Err((0, None))
    }

    /// Traces a key of a step back to the first step.
    pub(super) fn trace_key_to_first_step(&self, step: usize, key: &TruncatedValue) -> Option<SourceTimeColumn> {
        let mut traced = match (step.checked_sub(1), &key.base) {
            (None, base) => SourceTimeColumn {
                base: base.clone(),
                name: String::new(),
                units: Vec::new(),
            },
            (Some(before), TimeSource::Column(0, name)) => self.trace_column_to_first_step(before, name).ok()?,
            _ => return None,
        };
        traced.units.splice(0..0, key.unit);
        Some(traced)
    }
}
