//! Aggregates a metric set's rows in a separate step, whose results later steps combine.

use std::ops::Range;

use formulac_syntax::lex::quote_formula_name;
use rustc_hash::FxHashMap;

use super::columns::{ColumnBuilder, ColumnUse, FormulaReplacement, MetricColumn};
use super::graph::MetricId;
use super::step_text::DefinitionText;
use super::text_with_origins::SourceMappedText;

/// Aggregate over the rows of a metric set.
#[derive(Clone, Debug)]
pub struct MetricSetAggregate {
    /// Index of the row group that the aggregate reads.
    pub group: usize,
    pub text: DefinitionText,
}

/// Index of the row group, and the formula of an aggregate.
type AggregateKey = (usize, String);

/// Columns of aggregates. An aggregate that several metrics contain is computed once.
#[derive(Default)]
pub struct AggregateColumns {
    columns: FxHashMap<AggregateKey, usize>,
    /// Metrics that consist of a single aggregate. Their names are the names of the aggregates' columns.
    metrics: FxHashMap<AggregateKey, MetricId>,
}

impl ColumnBuilder<'_> {
    /// Finds the metrics that consist of a single aggregate. If several metrics have the same formula, a listed metric
    /// is preferred.
    pub fn find_metrics_of_aggregates(&mut self, metric_ids: &[MetricId]) {
        let is_aggregate = |id: &&MetricId| {
            let formula = self.model.formula(**id);
            self.has_separate_aggregates(**id)
                && matches!(formula.aggregates.as_slice(), [call] if call.range == (0..formula.text.len()))
        };
        let mut aggregate_metrics: Vec<MetricId> = metric_ids.iter().filter(is_aggregate).copied().collect();
        aggregate_metrics.sort_by_key(|id| self.positions_in_metrics(*id).is_empty());
        for id in aggregate_metrics {
            let (key, _) = self.extract_aggregate(id, &(0..self.model.formula(id).text.len()));
            self.aggregates.metrics.entry(key).or_insert(id);
        }
    }

    /// Returns whether a separate step, which reads the rows of the metric set, computes the aggregates of a metric.
    pub fn has_separate_aggregates(&self, id: MetricId) -> bool {
        !self.is_single && self.model.sets[id.0].sets.is_empty()
    }

    /// Returns an aggregate from a metric's formula, as the formula of a column in the step that reads the metric set's
    /// rows.
    fn extract_aggregate(&self, id: MetricId, range: &Range<usize>) -> (AggregateKey, SourceMappedText) {
        let group = self.model.row_group(id);
        let group = self
            .groups
            .iter()
            .position(|other_group| *other_group == group)
            .unwrap_or_default();
        let replaced = self.model.column_replacements(id, range, &self.keys.set_keys[id.0]);
        let file = self.model.file_number_of_set(id.0);
        let text = self
            .model
            .formula(id)
            .copy_range_with_replacements(file, range, &replaced);
        ((group, text.text.clone()), text)
    }

    /// Adds a column for each aggregate of a metric to the step that reads the rows of the metric set.
    pub fn add_aggregates(&mut self, id: MetricId, replaced: &mut Vec<FormulaReplacement>, uses: &mut Vec<ColumnUse>) {
        let formula = self.model.formula(id);
        let file = self.model.file_number_of_set(id.0);
        for call in &formula.aggregates {
            let is_whole = call.range == (0..formula.text.len());
            let (key, text) = self.extract_aggregate(id, &call.range);
            let owner = self.aggregates.metrics.get(&key).copied();
            if let Some(owner) = owner.filter(|owner| *owner != id && !self.columns.metrics.contains_key(owner)) {
                self.add_metric(owner);
            }
            let span = if is_whole {
                formula.span
            } else {
                formula.file_span(&call.range)
            };
            let column = match self.aggregates.columns.get(&key) {
                Some(column) => *column,
                None => {
                    let name = match is_whole {
                        true => self.metric_column_name(id),
                        false => self.unused_metric_column_name(
                            id.0,
                            &format!("{}_{}", formula.name, call.function.replace('.', "_")),
                        ),
                    };
                    self.columns.aggregates.push(MetricSetAggregate {
                        group: key.0,
                        text: DefinitionText::new(name.clone(), text, file, span),
                    });
                    let reference = quote_formula_name(&name);
                    let combined = union_column_formula(&reference, call.empty);
                    let combined = SourceMappedText::generated(&combined, file, span);
                    let column = self.columns.all.len();
                    self.columns.all.push(MetricColumn {
                        text: DefinitionText::new(name, combined, file, span),
                        uses: Vec::new(),
                        source: None,
                        aggregates: true,
                        windows: None,
                        stage: 0,
                        output_position: None,
                    });
                    self.aggregates.columns.insert(key, column);
                    column
                }
            };
            uses.push(ColumnUse {
                column,
                range: call.range.clone(),
            });
            let reference = quote_formula_name(&self.columns.all[column].text.name);
            replaced.push((call.range.clone(), SourceMappedText::generated(&reference, file, span)));
        }
    }
}

/// Returns the formula that reads a column of one step from the union of several steps. The column is NULL in the rows
/// of the other steps. `empty` is the value of groups without rows.
fn union_column_formula(reference: &str, empty: Option<&str>) -> String {
    match empty {
        Some(empty) => format!("COALESCE(MAX({reference}), {empty})"),
        None => format!("MAX({reference})"),
    }
}

/// Returns the reference, and the value of groups without rows, from a formula that [`union_column_formula`] returned.
pub fn parse_union_column_formula(formula: &str) -> Option<(&str, Option<&str>)> {
    match formula.strip_prefix("COALESCE(MAX(") {
        Some(rest) => {
            let (reference, empty) = rest.strip_suffix(')')?.split_once("), ")?;
            Some((reference, Some(empty)))
        }
        None => Some((formula.strip_prefix("MAX(")?.strip_suffix(')')?, None)),
    }
}
