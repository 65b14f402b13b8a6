//! Totals of steps that combine the results of other steps, such as the steps that are generated for `fill` and for
//! several metric sets. A total recomputes a measure from rows, so it needs the step that aggregates these rows.

use super::aggregates::parse_union_column_formula;
use super::text_with_origins::referenced_name;
use crate::compile::SpecCompilation;
use crate::load::{ColumnProjection, SpannedText, Step};
use crate::plan::key_name;

/// Step that computes a measure from rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregatingStep {
    /// Index of the step.
    pub step: usize,
    /// Name of the measure in this step.
    pub column: String,
    /// Whether the measure is 0 in groups without rows.
    pub is_zero_without_rows: bool,
}

impl SpecCompilation<'_> {
    /// Goes back from a step through the steps that are not grouped, and returns the first of these steps that filters
    /// the rows of a measure.
    pub(crate) fn filtering_step(&self, step: usize, measure: &str) -> Option<usize> {
        let (mut step, mut column) = (step, measure.to_owned());
        loop {
            let source_step = self
                .spec
                .steps
                .get(step)
                .filter(|input_step| input_step.group_by.is_empty())?;
            column = self.renamed_column(source_step, &column)?;
            if source_step.filter.is_some() {
                return Some(step);
            }
            step = step.checked_sub(1)?;
        }
    }

    /// Follows a measure of a step to the step that aggregates its rows. Returns `None` if the total of this step is
    /// not the total of the measure.
    pub(crate) fn aggregating_step(&self, step: usize, measure: &str) -> Option<AggregatingStep> {
        let mut aggregating_step = AggregatingStep {
            step,
            column: measure.to_owned(),
            is_zero_without_rows: false,
        };
        loop {
            let step = self.spec.steps.get(aggregating_step.step)?;
            if step.having.is_some() || step.limit.is_some() || step.sheet.is_some() {
                return None;
            }
            if step.group_by.is_empty() {
                if step.filter.is_some() {
                    return None;
                }
                aggregating_step.column = self.renamed_column(step, &aggregating_step.column)?;
                aggregating_step.step = aggregating_step.step.checked_sub(1)?;
                continue;
            }
            let combined = self
                .find_formula_in_step(step, &aggregating_step.column)
                .and_then(parse_union_column_formula);
            let members = step.union.iter().filter_map(|member| self.spec.find_step(member.text));
            let Some((reference, empty)) = combined else { break };
            let column = referenced_name(reference)?;
            // If this step has the same keys as the step that computes the column, each group contains only one row of
            // that step.
            let has_column = |member: &usize| {
                let member = self.spec.steps.get(*member);
                member.is_some_and(|member| {
                    self.find_formula_in_step(member, column).is_some() && key_names(member) == key_names(step)
                })
            };
            let owners: Vec<usize> = members.filter(has_column).collect();
            let [owner] = owners.as_slice() else { break };
            if step.filter.is_some() {
                return None;
            }
            (aggregating_step.step, aggregating_step.column) = (*owner, column.to_owned());
            aggregating_step.is_zero_without_rows |= empty == Some("0");
        }
        (!self.reads_only_one_period(aggregating_step.step)).then_some(aggregating_step)
    }

    /// Returns the column that a step without groups only copies from the previous step.
    fn renamed_column(&self, step: &Step<'_>, name: &str) -> Option<String> {
        let is_copy = step.from.is_none() && step.union.is_empty() && step.joins.is_empty();
        if !is_copy || step.series.is_some() {
            return None;
        }
        let Some(formula) = self.find_formula_in_step(step, name) else {
            let is_kept = match &step.keep {
                ColumnProjection::Nothing => false,
                ColumnProjection::All => true,
                ColumnProjection::Columns(columns) => columns
                    .iter()
                    .any(|column_name| column_name.text.eq_ignore_ascii_case(name)),
            };
            return is_kept.then(|| name.to_owned());
        };
        let column = referenced_name(formula)?;
        let is_input = column.eq_ignore_ascii_case(name) || self.find_formula_in_step(step, column).is_none();
        is_input.then(|| column.to_owned())
    }

    /// Returns whether a step reads only the rows of the last or first period of each group. The measures of such a
    /// step are not additive over time. With fewer keys, the step would read other rows.
    fn reads_only_one_period(&self, step: usize) -> bool {
        let steps = &self.spec.steps;
        let before = step.checked_sub(1).and_then(|before| steps.get(before));
        let (Some(step), Some(before)) = (steps.get(step), before) else {
            return false;
        };
        let partition = before.partition_by.as_deref();
        let is_per_group = partition.is_some_and(|partition| lowercase_key_names(partition) == key_names(step));
        step.from.is_none() && step.filter.is_some() && is_per_group
    }

    /// Returns the formula of a definition of an earlier step.
    fn find_formula_in_step(&self, step: &Step<'_>, name: &str) -> Option<&str> {
        let step = step.name.map(|name| name.text);
        let mut definitions = self.definitions.iter();
        let definition =
            definitions.find(|definition| definition.step() == step && definition.name().eq_ignore_ascii_case(name))?;
        Some(definition.formula())
    }
}

fn key_names(step: &Step<'_>) -> Vec<String> {
    lowercase_key_names(&step.group_by)
}

fn lowercase_key_names(keys: &[SpannedText<'_>]) -> Vec<String> {
    keys.iter().map(|key| key_name(key.text).to_lowercase()).collect()
}
