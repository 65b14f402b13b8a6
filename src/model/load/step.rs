//! Keys of a step.

use super::{ColumnProjection, PeriodSeries, SpannedText, SpecKind, SpecLoader, Step};
use crate::diag::{Code, Diagnostic};
use crate::keys::{METRIC_SET_STEP, MODEL, STEP, STEP_INPUT};
use crate::span::Span;
use crate::yaml::Node;

impl<'y> SpecLoader<'y, '_> {
    pub(crate) fn read_step(&mut self, node: &'y Node, at_top: bool) -> Step<'y> {
        let before = self.diagnostics.len();
        let mut step = Step {
            span: Span::new(node.span.start, node.span.start),
            ..Step::default()
        };
        if node.pairs().is_none() {
            self.report(
                Diagnostic::new(
                    Code::WrongShape,
                    node.span,
                    format!("a step must be a mapping, found {}", node.kind_name()),
                )
                .with_help("write `- name: …` with `definitions:` below it"),
            );
            step.has_invalid_keys = true;
            return step;
        }
        if !at_top {
            match node.get("metrics") {
                Some(_) if self.kind == SpecKind::OverSets => self.check_keys(node, &[&METRIC_SET_STEP, &STEP]),
                _ => self.check_keys(node, &[&STEP_INPUT, &STEP]),
            }
        }
        let strange = |key: &Node| {
            let known_key = key.text().and_then(|name| {
                STEP.get(name)
                    .or_else(|| MODEL.get(name))
                    .or_else(|| METRIC_SET_STEP.get(name))
                    .or_else(|| STEP_INPUT.get(name))
            });
            known_key.is_none()
        };
        step.has_invalid_keys = node.pairs().unwrap_or_default().iter().any(|(key, _)| strange(key));
        step.name = self.text(node, "name");
        if let Some(name) = step.name {
            self.check_name("a step's name", name.text, name.node);
        }
        if !at_top {
            let from = self.text(node, "from");
            step.from = from.and_then(|from| Some((self.parse_relation("from", from)?, from.node.span)));
            step.union = self.list(node, "union").unwrap_or_default();
            if let Some(series) = node.get("series") {
                step.series = self.read_series(series);
                step.has_invalid_keys |= step.series.is_none();
            }
        }
        let (joins, sound) = self.read_joins(node);
        step.joins = joins;
        step.has_invalid_keys |= !sound;
        step.filter = self.text(node, "where");
        step.having = self.text(node, "having");
        step.group_by = self.list(node, "group_by").unwrap_or_default();
        step.order_by = self.list(node, "order_by").unwrap_or_default();
        step.order_by.iter_mut().for_each(|entry| self.check_sort_entry(entry));
        step.partition_by = self.list(node, "partition_by");
        if let Some(keep) = node.get("keep") {
            step.keep_span = keep.span;
            step.keep = match keep.text() {
                Some("all") => ColumnProjection::All,
                _ => {
                    let names = self.list(node, "keep").unwrap_or_default();
                    let (timeframes, names) = names.into_iter().partition(SpannedText::is_timeframe);
                    step.timeframes = timeframes;
                    ColumnProjection::Columns(names)
                }
            };
        }
        if let Some(limit) = node.get("limit") {
            step.limit_span = limit.span;
            step.limit = limit.text().and_then(|t| t.parse().ok());
        }
        if let Some(definitions) = node.get("definitions") {
            self.read_definitions(definitions, &mut step);
        }
        self.read_sheet(node, &mut step);
        // If the step is not a worksheet, `columns` describes the columns of the model.
        let keys = ["group_by", "keep"]
            .into_iter()
            .chain(step.sheet.as_ref().map(|_| "columns"));
        let mut lists = keys.filter_map(|key| node.get(key));
        let since = if at_top { 0 } else { before };
        step.has_invalid_keys |= lists.any(|list| self.has_error_in_span(list.span, since));
        step.has_errors = self.has_step_errors_since(before, node, at_top);
        step
    }

    fn read_series(&mut self, series: &'y Node) -> Option<PeriodSeries<'y>> {
        Some(PeriodSeries {
            name: self.text(series, "name")?,
            unit: self.text(series, "unit")?.text,
            first: self.text(series, "first")?,
            last: self.text(series, "last")?,
        })
    }

    /// Returns whether an error in the step was reported after the first `before` diagnostics. If the step's keys are
    /// at the top level, errors in keys of the model are ignored.
    fn has_step_errors_since(&self, before: usize, node: &Node, at_top: bool) -> bool {
        if !at_top {
            let mut since = self.diagnostics.iter().skip(before);
            return since.any(Diagnostic::is_error);
        }
        let is_step_key = |key: &Node| {
            key.text()
                .is_some_and(|name| MODEL.get(name).is_none() && STEP.get(name).is_some())
        };
        let pairs = node
            .pairs()
            .unwrap_or_default()
            .iter()
            .filter(|(key, _)| is_step_key(key));
        let mut places = pairs.map(|(key, value)| Span::new(key.span.start, value.span.end));
        places.any(|span| self.has_error_in_span(span, 0))
    }

    /// Returns whether any diagnostic after the first `since` diagnostics is an error in this span.
    fn has_error_in_span(&self, span: Span, since: usize) -> bool {
        let later = self.diagnostics.iter().skip(since);
        let mut faults = later.filter(|d| d.is_error()).map(Diagnostic::span);
        faults.any(|fault| span.contains(fault))
    }

    /// Checks a name that is used in SQL. Names that are empty or contain control characters are invalid even in
    /// quotes.
    pub(crate) fn check_name(&mut self, description: &str, name: &str, node: &Node) {
        let fault = match name.chars().find(|c| c.is_control()) {
            Some(c) => format!("{description} contains the control character U+{:04X}", c as u32),
            None if name.trim().is_empty() => format!("{description} is empty"),
            None => return,
        };
        self.report(Diagnostic::new(Code::WrongShape, node.span, fault).with_help("use letters, digits and `_`"));
    }

    /// Reports entries such as `revenue desc nulls last` and `revenue descending`, and reduces them to the name.
    pub(crate) fn check_sort_entry(&mut self, entry: &mut SpannedText<'y>) {
        let text = entry.text;
        let Some((name, words)) = text.split_once(char::is_whitespace) else {
            return;
        };
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let order_words = ["asc", "ascending", "desc", "descending", "nulls", "first", "last"];
        if matches!(words.as_slice(), [one] if one == "asc" || one == "desc")
            || !words.iter().all(|word| order_words.contains(&word.as_str()))
        {
            return;
        }
        let descending = words.first().is_some_and(|word| word.starts_with("desc"));
        let corrected = format!("{name}{}", if descending { " desc" } else { "" });
        entry.text = name;
        self.report(
            Diagnostic::new(
                Code::WrongShape,
                entry.node.span,
                format!("only `asc` or `desc` may follow a name in `order_by`, found `{text}`"),
            )
            .with_help(format!("write `{corrected}`; NULLs are sorted last in both directions")),
        );
    }
}
