//! Columns of a model built on metric sets, each with the stage that computes it.

use std::ops::Range;

use formulac_syntax::lex::quote_formula_name;
use formulac_syntax::text::collapse_whitespace;
use rustc_hash::{FxHashMap, FxHashSet};

use super::aggregates::{AggregateColumns, MetricSetAggregate};
use super::fill::FillSetting;
use super::formulas::{MetricFormula, NameOccurrence};
use super::graph::{MetricId, ModelNameTarget, SetNameTarget};
use super::keys::ModelKeys;
use super::model_on_metric_sets::ModelOnMetricSets;
use super::non_additive::RowGroup;
use super::step_text::DefinitionText;
use super::text_with_origins::SourceMappedText;
use crate::arena::Arena;
use crate::diag::{Code, Diagnostic};
use crate::load::SpecKind;
use crate::span::Span;
use crate::time_range::CalendarDuration;
use crate::write;

/// Order and partition of the windows in a stage, which is one of the generated steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowOrderAndPartition {
    /// Ordered by the time key, partitioned by the other keys.
    Time,
    /// As specified by the model's `order_by` and `partition_by`.
    Model,
    /// All rows in one partition.
    Whole,
    /// Ranks over all rows, without an order or a partition.
    Ranked,
}

impl WindowOrderAndPartition {
    /// Returns the order and partition of a step that computes both kinds of windows. In a grouped step, ranks can be
    /// combined with any other windows, because the step specifies no partition that ranks would have to ignore.
    pub fn merge_window_order(self, other: Self, is_grouped: bool) -> Option<Self> {
        match (self, other) {
            (own_rows, other) if own_rows == other => Some(own_rows),
            (Self::Ranked, rows) | (rows, Self::Ranked) if is_grouped || rows == Self::Whole => Some(rows),
            _ => None,
        }
    }
}

/// Column that the model needs.
#[derive(Clone, Debug)]
pub struct MetricColumn {
    pub text: DefinitionText,
    /// Columns to which the formula refers, each with the byte range of the reference.
    pub uses: Vec<ColumnUse>,
    /// Formula of the column, with replacements for some of its names. `text` contains the result of the replacements.
    /// `None` if the formula is generated.
    pub source: Option<(MetricFormula, Vec<FormulaReplacement>)>,
    /// Whether the formula aggregates rows. If `true`, only the step that reads the rows of the metric set can compute
    /// the column.
    pub aggregates: bool,
    pub windows: Option<WindowOrderAndPartition>,
    /// First stage that can compute the column. Stage 0 aggregates the rows.
    pub stage: usize,
    /// Position among the columns of the model. `None` if the column is used only by other columns.
    pub output_position: Option<usize>,
}

/// Column to which a formula refers, and the byte range of the reference in the formula.
#[derive(Clone, Debug)]
pub struct ColumnUse {
    pub column: usize,
    pub range: Range<usize>,
}

/// Bytes of a formula, and the text that replaces them.
pub type FormulaReplacement = (Range<usize>, SourceMappedText);

/// Columns of a model, in dependency order.
#[derive(Clone, Debug, Default)]
pub struct ModelColumns {
    pub all: Arena<MetricColumn>,
    pub aggregates: Vec<MetricSetAggregate>,
    /// Column of each metric whose formula is not inlined.
    pub metrics: FxHashMap<MetricId, usize>,
    pub definitions: FxHashMap<usize, usize>,
    /// Columns whose formulas are inlined into other formulas.
    pub inlined: Vec<usize>,
    used_names: FxHashSet<String>,
}

impl ModelColumns {
    /// Returns the longest time by which a column looks back to earlier periods. `None` if a column may depend on rows
    /// from any time.
    pub fn lookback_duration(&self) -> Option<CalendarDuration> {
        let mut lengths: Arena<CalendarDuration> = Arena::new();
        for column in &self.all {
            let used = column
                .uses
                .iter()
                .filter_map(|column_use| lengths.try_get(column_use.column));
            let inner = used
                .copied()
                .fold(CalendarDuration::default(), CalendarDuration::longer);
            let own = match (column.windows, &column.source) {
                (None, _) => CalendarDuration::default(),
                (Some(_), Some((formula, _))) => formula.lookback_duration?,
                (Some(_), None) => return None,
            };
            lengths.push(own.combine(inner));
        }
        Some(
            lengths
                .iter()
                .copied()
                .fold(CalendarDuration::default(), CalendarDuration::longer),
        )
    }
}

pub struct ColumnBuilder<'m> {
    pub model: &'m ModelOnMetricSets<'m>,
    pub keys: &'m ModelKeys,
    pub is_single: bool,
    /// `fill`, if the expanded step keeps it.
    pub kept_fill: Option<FillSetting>,
    /// Whether a metric whose formula was rewritten has the original formula as its description.
    pub describes_formulas: bool,
    pub columns: ModelColumns,
    pub faults: Vec<Diagnostic>,
    /// Row groups that the aggregates read.
    pub groups: Arena<RowGroup>,
    needed: &'m [MetricId],
    /// Positions of each metric in `metrics`. Metrics that the model overrides are not included.
    positions: FxHashMap<MetricId, Vec<usize>>,
    /// Lower-case names of the columns, dimensions and metrics that the formulas of the metric sets read.
    names_used_in_sets: FxHashSet<String>,
    pub aggregates: AggregateColumns,
}

impl<'m> ColumnBuilder<'m> {
    pub fn new(
        model: &'m ModelOnMetricSets<'m>,
        keys: &'m ModelKeys,
        groups: Arena<RowGroup>,
        is_single: bool,
        metric_ids: &'m [MetricId],
    ) -> Self {
        let mut columns = ModelColumns::default();
        let reserved = keys
            .names
            .iter()
            .chain(model.listed_metrics.iter().map(|listed_metric| &listed_metric.name));
        let reserved = reserved.chain(model.definitions.iter().map(|definition| &definition.name));
        columns.used_names.extend(reserved.map(|name| name.to_lowercase()));
        Self {
            model,
            keys,
            is_single,
            kept_fill: None,
            describes_formulas: false,
            columns,
            faults: Vec::new(),
            groups,
            needed: metric_ids,
            positions: positions_of_metrics(model),
            names_used_in_sets: names_used_in_sets(model, metric_ids),
            aggregates: AggregateColumns::default(),
        }
    }

    /// Builds the columns of all needed metrics and of the model's definitions.
    pub fn build_columns(&mut self) {
        self.find_metrics_of_aggregates(self.needed);
        for id in self.needed.iter().copied() {
            if !self.columns.metrics.contains_key(&id) {
                self.add_metric(id);
            }
        }
        for index in self.definition_order() {
            self.add_definition(index);
        }
        self.set_output_positions();
        self.inline_single_use_formulas();
    }

    /// Returns a name that no other column has.
    pub fn unused_metric_column_name(&mut self, set: usize, expected: &str) -> String {
        let mut name = expected.to_owned();
        if self.columns.used_names.contains(&name.to_lowercase()) {
            name = format!("{}_{expected}", self.model.sets[set].name);
        }
        while !self.columns.used_names.insert(name.to_lowercase()) {
            name.push_str("_value");
        }
        name
    }

    fn has_explicit_windows(&self) -> bool {
        self.model.order_by.is_some() || self.model.partition_by.is_some()
    }

    /// Returns whether `order_by` or `partition_by` partitions the rows of totals such as `SUM(x:x)`. In a model built
    /// on metric sets, an `order_by` without keys, such as `revenue desc`, only sorts the result, because otherwise
    /// each row would be a separate partition.
    fn partitions_totals(&self) -> bool {
        let order = self.model.order_by.as_ref();
        let has_key = |order: &Vec<MetricFormula>| !self.model.keys_in_order(self.keys, order).is_empty();
        self.model.partition_by.is_some()
            || order.is_some_and(|order| self.model.kind == SpecKind::Periods || has_key(order))
    }

    fn has_keys_besides_time(&self) -> bool {
        self.keys.names.len() > usize::from(self.keys.time.is_some())
    }

    /// Returns the order and partition of a formula's windows. `is_model` is `true` if the model defines the formula.
    fn window_order_and_partition(&self, formula: &MetricFormula, is_model: bool) -> Option<WindowOrderAndPartition> {
        let default_rows = || match (self.partitions_totals(), self.has_keys_besides_time()) {
            (true, _) => WindowOrderAndPartition::Model,
            (false, true) => WindowOrderAndPartition::Whole,
            (false, false) => WindowOrderAndPartition::Time,
        };
        match (formula.is_ordered, formula.totals.is_empty()) {
            (true, _) if is_model && self.has_explicit_windows() => Some(WindowOrderAndPartition::Model),
            (true, _) => Some(WindowOrderAndPartition::Time),
            (false, false) => Some(default_rows()),
            (false, true) if !formula.is_ranked => None,
            (false, true) if self.model.partition_by.is_some() => Some(WindowOrderAndPartition::Model),
            (false, true) => Some(WindowOrderAndPartition::Ranked),
        }
    }

    pub fn add_metric(&mut self, id: MetricId) {
        let formula = self.model.formula(id);
        let file = self.model.file_number_of_set(id.0);
        let first_position = self.positions_in_metrics(id).first().copied();
        let is_own = self.model.kind == SpecKind::Periods;
        if formula.is_ordered && self.keys.time.is_none() && !is_own {
            let span = first_position.map_or(self.model.span, |index| self.model.listed_metrics[index].span);
            let message = format!(
                "`{}` reads other periods, but the model has no time key",
                self.model.metric_name(id)
            );
            let column = self.keys.columns_with_period_name.first();
            let column = column.filter(|_| self.model.sets.len() == 1);
            let help = match (&self.model.sets[id.0].time, column) {
                (Some(time), Some(key)) => {
                    let word = &self.model.keys[*key].text;
                    let period = time.period(word);
                    format!("`{word}` is a column, so write `{period}` in `group_by` for the period")
                }
                (Some(time), None) => format!(
                    "add a period of `{}` to `group_by`, such as `{}`",
                    time.column,
                    time.grain.as_deref().unwrap_or("month")
                ),
                (None, _) => format!(
                    "add `time: …` to the set `{}` and a period such as `month` to `group_by`",
                    self.model.sets[id.0].name
                ),
            };
            self.faults
                .push(Diagnostic::new(Code::MetricWindow, span, message).with_help(help));
        }
        let mut replaced: Vec<FormulaReplacement> = Vec::new();
        let mut uses = Vec::new();
        if self.has_separate_aggregates(id) {
            self.add_aggregates(id, &mut replaced, &mut uses);
        } else if self.is_single {
            replaced = self
                .model
                .column_replacements(id, &(0..formula.text.len()), &self.keys.set_keys[id.0]);
        }
        let within = |range: &Range<usize>, replacements: &[FormulaReplacement]| {
            replacements
                .iter()
                .any(|(outer_range, _)| outer_range.start <= range.start && range.end <= outer_range.end)
        };
        for name in &formula.names {
            if within(&name.range, &replaced) {
                continue;
            }
            // Formulas refer to the key by name after the rows are aggregated, or if the key is a definition.
            let is_column = |key: &usize| {
                let key = self.keys.key_in_first_set(*key);
                !self.is_single || key.is_some_and(|key| key.definition.is_some())
            };
            let key = self.model.find_timeframe_key(name).filter(is_column);
            if let Some(key) = key.filter(|_| is_own) {
                let range = name.range_with_timeframe();
                let output = quote_formula_name(&self.keys.names[key]);
                let text = SourceMappedText::generated(&output, file, formula.file_span(&range));
                replaced.push((range, text));
                continue;
            }
            if let SetNameTarget::Metric(metric_id) = self.model.resolve_in_set(id.0, &formula.name, name) {
                let text = self.metric_reference(metric_id, name, (file, formula.file_span(&name.range)), &mut uses);
                replaced.extend(text.map(|text| (name.range.clone(), text)));
            }
        }
        replaced.sort_by_key(|(range, _)| range.start);
        // If a metric consists of a single aggregate, both share one column.
        if let ([(range, _)], [column_use]) = (replaced.as_slice(), uses.as_slice())
            && *range == (0..formula.text.len())
            && self.columns.all[column_use.column].text.span == formula.span
        {
            self.columns.metrics.insert(id, column_use.column);
            return self.describe_column(column_use.column, formula, first_position.is_some());
        }
        let windows = self.window_order_and_partition(formula, is_own);
        if windows == Some(WindowOrderAndPartition::Time) && !formula.totals.is_empty() && self.has_keys_besides_time()
        {
            self.move_totals_to_columns(formula, (file, id.0), &mut replaced, &mut uses);
        }
        let name = self.metric_column_name(id);
        let column = self.columns.all.len();
        self.columns.all.push(MetricColumn {
            text: self.definition_text(
                name,
                formula.with_replacements(file, &replaced),
                formula,
                (file, first_position.is_some()),
            ),
            uses,
            source: Some((formula.clone(), replaced)),
            aggregates: self.is_single && !formula.aggregates.is_empty(),
            windows,
            stage: usize::from(!self.is_single),
            output_position: None,
        });
        self.columns.metrics.insert(id, column);
    }

    /// Adds the description and dbt keys of a metric to the column of its aggregate.
    fn describe_column(&mut self, column: usize, formula: &MetricFormula, is_output: bool) {
        let description = self.description(formula, is_output);
        let text = &mut self.columns.all[column].text;
        text.description = description;
        text.keys.clone_from(&formula.keys);
    }

    /// Returns the description of a column whose formula differs from the written formula.
    fn description(&self, formula: &MetricFormula, is_output: bool) -> Option<String> {
        let formula_text = || collapse_whitespace(&write::strip_comments(&formula.text));
        let is_shown = self.describes_formulas && is_output;
        formula.description.clone().or_else(|| is_shown.then(formula_text))
    }

    fn definition_text(
        &self,
        name: String,
        text: SourceMappedText,
        formula: &MetricFormula,
        (file, is_output): (u16, bool),
    ) -> DefinitionText {
        let is_changed = text.text != formula.text;
        DefinitionText {
            description: self.description(formula, is_output && is_changed),
            keys: formula.keys.clone(),
            ..DefinitionText::new(name, text, file, formula.span)
        }
    }

    /// Returns the positions of a metric in `metrics`.
    pub fn positions_in_metrics(&self, id: MetricId) -> &[usize] {
        self.positions.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Returns the name of a metric's column: the name in `metrics`, or another name if the metric is not listed. If a
    /// formula of the metric set reads a column with the new name, the new name is assigned in a later stage.
    pub fn metric_column_name(&mut self, id: MetricId) -> String {
        let metric_name = self.model.formula(id).name.clone();
        let Some(first) = self.positions_in_metrics(id).first() else {
            return self.unused_metric_column_name(id.0, &metric_name);
        };
        let name = self.model.listed_metrics[*first].name.clone();
        if self.is_single && !name.eq_ignore_ascii_case(&metric_name) && self.is_used_in_metric_sets(&name) {
            return self.unused_metric_column_name(id.0, &metric_name);
        }
        name
    }

    /// Returns whether a formula of a metric set reads a column or dimension with this name.
    fn is_used_in_metric_sets(&self, name: &str) -> bool {
        self.names_used_in_sets.contains(&name.to_ascii_lowercase())
    }

    /// Returns the text of a reference to a metric. `None` if the name can remain unchanged.
    fn metric_reference(
        &self,
        id: MetricId,
        name_occurrence: &NameOccurrence,
        (file, span): (u16, Span),
        uses: &mut Vec<ColumnUse>,
    ) -> Option<SourceMappedText> {
        let column = *self.columns.metrics.get(&id)?;
        uses.push(ColumnUse {
            column,
            range: name_occurrence.range.clone(),
        });
        let name = &self.columns.all[column].text.name;
        if name_occurrence.qualifier.is_none() && name.eq_ignore_ascii_case(&name_occurrence.name) {
            return None;
        }
        let text = SourceMappedText::generated(&quote_formula_name(name), file, span);
        Some(text)
    }

    /// Moves windows over all rows to separate columns, because the formula also has partitioned windows.
    fn move_totals_to_columns(
        &mut self,
        formula: &MetricFormula,
        (file, set): (u16, usize),
        replaced: &mut Vec<FormulaReplacement>,
        uses: &mut Vec<ColumnUse>,
    ) {
        for range in &formula.totals {
            let inner: Vec<_> = replaced
                .iter()
                .filter(|(replaced_range, _)| range.start <= replaced_range.start && replaced_range.end <= range.end)
                .cloned()
                .collect();
            let name = self.unused_metric_column_name(set, &format!("{}_total", formula.name));
            let part = formula.copy_range_with_replacements(file, range, &inner);
            let text = SourceMappedText::generated(&quote_formula_name(&name), file, formula.file_span(range));
            replaced.retain(|(replaced_range, _)| replaced_range.start < range.start || replaced_range.end > range.end);
            replaced.push((range.clone(), text));
            let column = self.columns.all.len();
            self.columns.all.push(MetricColumn {
                text: DefinitionText::new(name, part, file, formula.span),
                uses: uses.clone(),
                source: None,
                aggregates: false,
                windows: Some(WindowOrderAndPartition::Whole),
                stage: 0,
                output_position: None,
            });
            uses.push(ColumnUse {
                column,
                range: range.clone(),
            });
        }
        replaced.sort_by_key(|(range, _)| range.start);
    }

    /// Returns the model's definitions in dependency order. Definitions that form a cycle keep their order.
    fn definition_order(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut seen = Arena::filled(false, self.model.definitions.len());
        let mut stack: Vec<(usize, bool)> = (0..seen.len()).rev().map(|index| (index, false)).collect();
        while let Some((index, is_left)) = stack.pop() {
            if is_left {
                order.push(index);
                continue;
            }
            if std::mem::replace(&mut seen[index], true) {
                continue;
            }
            stack.push((index, true));
            for name in &self.model.definitions[index].names {
                let target =
                    self.model
                        .resolve_in_model(Some(index), name, Span::default(), self.keys.names.as_slice());
                if let Ok(ModelNameTarget::Definition(definition_index)) = target
                    && !seen[definition_index]
                {
                    stack.push((definition_index, false));
                }
            }
        }
        order
    }

    fn add_definition(&mut self, index: usize) {
        let formula = &self.model.definitions[index];
        let (mut replaced, mut uses) = self.replacements_and_column_uses(Some(index), formula);
        let windows = self.window_order_and_partition(formula, true);
        if windows == Some(WindowOrderAndPartition::Time) && !formula.totals.is_empty() && self.has_keys_besides_time()
        {
            self.move_totals_to_columns(formula, (0, 0), &mut replaced, &mut uses);
        }
        // In stage 0, the name would hide a column that a formula of the metric set reads.
        let is_hiding = self.is_single && self.is_used_in_metric_sets(&formula.name);
        // A grouped step evaluates formulas over its keys for each input row and does not return their values, so a
        // later step must compute them.
        let reads_keys = uses.is_empty() && !formula.names.is_empty();
        let column = self.columns.all.len();
        self.columns.all.push(MetricColumn {
            text: self.definition_text(
                formula.name.clone(),
                formula.with_replacements(0, &replaced),
                formula,
                (0, true),
            ),
            uses,
            source: Some((formula.clone(), replaced)),
            aggregates: false,
            windows,
            stage: usize::from(is_hiding || reads_keys || !self.is_single),
            output_position: None,
        });
        self.columns.definitions.insert(index, column);
    }

    /// Returns the replacements for the names in a model formula, and the columns to which the formula refers.
    pub fn replacements_and_column_uses(
        &self,
        own_definition: Option<usize>,
        formula: &MetricFormula,
    ) -> (Vec<FormulaReplacement>, Vec<ColumnUse>) {
        let mut replaced = Vec::new();
        let mut uses = Vec::new();
        for name in &formula.names {
            let span = formula.file_span(&name.range);
            match self
                .model
                .resolve_in_model(own_definition, name, span, self.keys.names.as_slice())
            {
                Ok(ModelNameTarget::Metric(id)) => {
                    let text = self.metric_reference(id, name, (0, span), &mut uses);
                    replaced.extend(text.map(|text| (name.range.clone(), text)));
                }
                Ok(ModelNameTarget::Definition(definition_index)) => {
                    uses.extend(self.columns.definitions.get(&definition_index).map(|column| ColumnUse {
                        column: *column,
                        range: name.range.clone(),
                    }));
                }
                Ok(ModelNameTarget::Key(key)) => {
                    let output = &self.keys.names[key];
                    let is_timeframe = self.model.find_timeframe_key(name).is_some();
                    let range = match is_timeframe {
                        true => name.range_with_timeframe(),
                        false => name.range.clone(),
                    };
                    if is_timeframe || name.qualifier.is_some() || !output.eq_ignore_ascii_case(&name.name) {
                        let text = SourceMappedText::generated(&quote_formula_name(output), 0, span);
                        replaced.push((range, text));
                    }
                }
                Err(_) => {}
            }
        }
        (replaced, uses)
    }

    /// Sets the positions of the output columns, and adds columns for metrics that are listed under several names.
    fn set_output_positions(&mut self) {
        let mut index = 0;
        for (list_index, listed_metric) in self.model.listed_metrics.iter().enumerate() {
            let overriding = self
                .model
                .definitions
                .iter()
                .position(|metric_formula| metric_formula.name.eq_ignore_ascii_case(&listed_metric.name));
            let column = match overriding.and_then(|formula_index| self.columns.definitions.get(&formula_index)) {
                Some(column) => Some(*column),
                None => self.output_column(list_index),
            };
            if let Some(column) = column {
                self.columns.all[column].output_position.get_or_insert(index);
            }
            index += 1;
        }
        for definition in 0..self.model.definitions.len() {
            if let Some(column) = self.columns.definitions.get(&definition) {
                self.columns.all[*column].output_position.get_or_insert(index);
                index += 1;
            }
        }
    }

    /// Returns the column of a listed metric. If the metric's own column has a different name, adds a column with the
    /// listed name.
    fn output_column(&mut self, index: usize) -> Option<usize> {
        let listed_metric = &self.model.listed_metrics[index];
        let id = (listed_metric.set, listed_metric.metric);
        let column = *self.columns.metrics.get(&id)?;
        if self.columns.all[column]
            .text
            .name
            .eq_ignore_ascii_case(&listed_metric.name)
        {
            return Some(column);
        }
        let mut text = self.columns.all[column].text.clone();
        text.formula = SourceMappedText::generated(&quote_formula_name(&text.name), 0, listed_metric.span);
        text.name.clone_from(&listed_metric.name);
        (text.file, text.span) = (0, listed_metric.span);
        self.columns.all.push(MetricColumn {
            text,
            uses: vec![ColumnUse { column, range: 0..0 }],
            source: None,
            aggregates: false,
            windows: None,
            stage: 1,
            output_position: None,
        });
        Some(self.columns.all.len() - 1)
    }
}

fn positions_of_metrics(model: &ModelOnMetricSets<'_>) -> FxHashMap<MetricId, Vec<usize>> {
    let mut positions: FxHashMap<MetricId, Vec<usize>> = FxHashMap::default();
    let overridden: FxHashSet<String> = model
        .overrides
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    for (index, listed_metric) in model.listed_metrics.iter().enumerate() {
        if !overridden.contains(&listed_metric.name.to_ascii_lowercase()) {
            let id = (listed_metric.set, listed_metric.metric);
            positions.entry(id).or_default().push(index);
        }
    }
    positions
}

fn names_used_in_sets(model: &ModelOnMetricSets<'_>, metric_ids: &[MetricId]) -> FxHashSet<String> {
    let metrics = metric_ids.iter().map(|id| model.formula(*id));
    let others = model.sets.iter().flat_map(|set| {
        let dimensions = set.definitions.iter().filter(|formula| !set.is_metric(formula));
        dimensions.chain(&set.filter)
    });
    let names = metrics.chain(others).flat_map(|formula| &formula.names);
    names
        .map(|name_occurrence| name_occurrence.name.to_ascii_lowercase())
        .collect()
}
