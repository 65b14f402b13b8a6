//! Checks the keys of a metric set.

use super::formulas::{MetricFormula, NameOccurrence};
use super::metric_set::MetricSet;
use super::period_range::parse_iso_date;
use crate::checks::is_identifier;
use crate::diag::suggest::{nearest_name, similar_name_help};
use crate::diag::{Code, Diagnostic};
use crate::load::SpecLoader;
use crate::plan::split_timeframe;
use crate::span::Span;
use crate::yaml::Node;

impl MetricSet {
    /// Reports `non_additive` for a definition without an aggregate. The key selects the rows that aggregates read.
    pub(super) fn check_has_aggregate(&self, index: usize, node: &Node, faults: &mut Vec<Diagnostic>) {
        let formula = &self.definitions[index];
        if !formula.aggregates.is_empty() || formula.is_broken {
            return;
        }
        let message = match self.is_metric(formula) {
            true => format!(
                "`{}` aggregates no rows itself, so `non_additive` has no effect",
                formula.name
            ),
            false => format!("`{}` is a dimension, so `non_additive` has no effect", formula.name),
        };
        faults.push(
            Diagnostic::new(Code::WrongShape, node.span, message)
                .with_help("move `non_additive` to the aggregates from which this definition is computed"),
        );
    }

    /// Returns whether a formula aggregates rows although the metric set combines other sets and therefore has no rows.
    pub(super) fn aggregates_other_sets(&self) -> bool {
        !self.sets.is_empty() && self.definitions.iter().any(|formula| !formula.aggregates.is_empty())
    }

    /// Returns the errors about aggregates in a metric set that combines other sets and therefore has no rows.
    pub(super) fn aggregate_errors(&self) -> Vec<Diagnostic> {
        let [first, ..] = self.sets.as_slice() else {
            return Vec::new();
        };
        let error = |formula: &MetricFormula| {
            let span = formula.file_span(&formula.aggregates.first()?.range);
            let message = "a set that combines other sets cannot aggregate rows itself; its formulas use their metrics";
            let help = format!(
                "define the aggregate as a metric of a set with rows, such as `{first}`, and use the metric here"
            );
            Some(Diagnostic::new(Code::AggregateOverSets, span, message).with_help(help))
        };
        self.definitions.iter().filter_map(error).collect()
    }

    /// Warns if a metric with `non_additive` also reads metrics without this key, because those metrics aggregate all
    /// rows.
    pub(super) fn check_mixed_additivity(&self, index: usize, node: &Node, faults: &mut Vec<Diagnostic>) {
        let formula = &self.definitions[index];
        let of_all_rows = |name: &&NameOccurrence| {
            let other_index = self
                .position(&name.name)
                .filter(|metric_index| *metric_index != index && name.qualifier.is_none());
            let other_metric = other_index.map(|metric_index| &self.definitions[metric_index]);
            other_metric.is_some_and(|metric| {
                let has_rule = self
                    .properties(&metric.name)
                    .is_some_and(|keys| keys.get("non_additive").is_some());
                !metric.aggregates.is_empty() && !has_rule
            })
        };
        if let Some(name) = formula
            .names
            .iter()
            .find(of_all_rows)
            .filter(|_| !formula.aggregates.is_empty())
        {
            let message = format!(
                "`non_additive` has no effect on `{}`, which aggregates all rows",
                name.name
            );
            faults.push(
                Diagnostic::new(Code::KeyWithoutEffect, node.span, message)
                    .with_secondary_label(formula.file_span(&name.range), "aggregates all rows")
                    .with_help(format!(
                        "add `non_additive` to `{0}` as well, or write the formula of `{0}` in `{1}`",
                        name.name, formula.name
                    )),
            );
        }
    }
}

/// Reports a metric set without rows and without other sets, and keys that do not fit the set's input.
pub(super) fn report_invalid_input(root: &Node, loader: &mut SpecLoader<'_, '_>) {
    match (root.get("from"), root.get("sets")) {
        (None, None) => loader.report_missing_key(
            root,
            "from",
            "add the table that the rows come from, such as `from: orders`, or combine other metric sets with `sets`"
                .to_owned(),
        ),
        (None, Some(sets)) if sets.texts().is_empty() => {
            let help = "list the sets whose metrics this set uses, such as `sets: [orders, refunds]`";
            loader.report(Diagnostic::new(Code::WrongShape, sets.span, "`sets` lists no metric set").with_help(help));
        }
        (Some(_), Some(sets)) => loader.report(
            Diagnostic::new(
                Code::UnknownKey,
                sets.span,
                "a metric set has `from` or `sets`, not both",
            )
            .with_help("remove one of the two keys; a set that combines other sets has no rows of its own"),
        ),
        _ => {}
    }
    if let (Some(_), Some(node)) = (
        root.get("sets"),
        root.get("where").or(root.get("joins")).or(root.get("time")),
    ) {
        loader.report(
            Diagnostic::new(
                Code::UnknownKey,
                node.span,
                "a set that combines other sets has no rows, so it cannot have `joins`, `where` or `time`",
            )
            .with_help("move the key to the sets that have rows"),
        );
    }
}

/// Reports joins that may change the number of the metric set's rows, because all metrics of the set are computed over
/// these rows.
pub(super) fn report_unsupported_joins(root: &Node, loader: &mut SpecLoader<'_, '_>) {
    let joins = root.items_at("joins");
    for (key, values) in [("type", ["full", "cross"].as_slice()), ("cardinality", &["many"])] {
        for node in joins.iter().filter_map(|join| join.get(key)) {
            let Some(value) = node.text().filter(|value| values.contains(value)) else {
                continue;
            };
            loader.report(
                Diagnostic::new(
                    Code::WrongShape,
                    node.span,
                    format!("a metric set cannot have the join `{key}: {value}`, because each row may have at most one match"),
                )
                .with_help("use a left or inner join whose relation has at most one match, or build the set on a model that contains the joined rows"),
            );
        }
    }
}

/// Reports a timeframe as the `time` of a metric set. The keys of models determine the timeframe.
pub(super) fn report_time_with_timeframe(root: &Node, loader: &mut SpecLoader<'_, '_>) {
    let Some(time) = root.get("time") else { return };
    let column = time.get("column").unwrap_or(time);
    let Some((name, frame)) = column
        .text()
        .map(split_timeframe)
        .filter(|(_, frame)| !frame.is_empty())
    else {
        return;
    };
    let message = format!("`time` must be a column or dimension, found the timeframe `{name}[{frame}]`");
    loader.report(
        Diagnostic::new(Code::WrongShape, column.span, message).with_help(format!(
            "write `{name}`; models choose the timeframe, such as `group_by: month`"
        )),
    );
}

/// Reports a value in `deprecated` that must be a date but is not.
pub(super) fn report_invalid_dates(root: &Node, loader: &mut SpecLoader<'_, '_>) {
    for (_, keys) in root.pairs_at("columns") {
        let until = keys.get("deprecated").and_then(|deprecated| deprecated.get("until"));
        let Some((node, text)) = until.and_then(|node| Some((node, node.text()?))) else {
            continue;
        };
        if parse_iso_date(text).is_none() {
            let message = format!("`until` must be a date, found `{text}`");
            loader.report(
                Diagnostic::new(Code::WrongShape, node.span, message).with_help("write a date such as `2026-12-31`"),
            );
        }
    }
}

impl MetricSet {
    /// Returns an error if the metric set does not define the replacement of a deprecated definition. A metric of
    /// another metric set has a qualified name.
    pub(super) fn replacement_error(&self, keys: &Node) -> Option<Diagnostic> {
        let node = keys.get("deprecated")?.get("use")?;
        let text = node.text()?;
        let name = match text.split_once('.') {
            Some((set, name)) if set.eq_ignore_ascii_case(&self.name) => name,
            _ => text,
        };
        if !is_identifier(name) || self.position(name).is_some() {
            return None;
        }
        let message = format!("`use` names `{name}`, but the set does not define it");
        let near = nearest_name(name, self.definitions.iter().map(|definition| &*definition.name));
        let help = match near {
            Some(near) => similar_name_help(near),
            None => {
                "use the name of a metric or dimension, or write `set.metric` for a metric of another set".to_owned()
            }
        };
        Some(Diagnostic::new(Code::UnknownName, node.span, message).with_help(help))
    }

    /// Returns an error if a former name is also the former name of another definition.
    pub(super) fn former_name_error(&self, (former, span): (&str, Span), name: &str) -> Option<Diagnostic> {
        let other = self
            .renamed
            .get(&former.to_lowercase())
            .filter(|other| *other != name)?;
        let message = format!("`{former}` is also the former name of `{other}`");
        Some(Diagnostic::new(Code::WrongShape, span, message).with_help("remove this `renamed_from`"))
    }
}
