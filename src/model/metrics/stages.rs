//! Steps of a model built on metric sets after the rows are aggregated.

use formulac_syntax::lex::quote_formula_name;
use rustc_hash::FxHashSet;

use super::columns::{ColumnBuilder, MetricColumn, ModelColumns, WindowOrderAndPartition};
use super::formulas::MetricFormula;
use super::keys::ModelKeys;
use super::model_on_metric_sets::{ModelKey, ModelOnMetricSets};
use super::rows::conjunction;
use super::step_text::{DefinitionText, StepText, StepTextProjection, TextWithPosition, format_node_inline};
use super::text_with_origins::SourceMappedText;
use crate::arena::Arena;
use crate::load::SpecKind;
use crate::plan::shorten_name;

/// Columns and windows of one step.
#[derive(Clone, Debug, Default)]
struct ColumnStage {
    columns: Vec<usize>,
    windows: Option<WindowOrderAndPartition>,
}

/// Assigns each column to the first step that can compute it. All windows in a step share one order and one partition.
fn assign_stages(columns: &mut Arena<MetricColumn>) -> Arena<ColumnStage> {
    let mut stages = Arena::filled(ColumnStage::default(), 1);
    for index in 0..columns.len() {
        let least = columns[index]
            .uses
            .iter()
            .map(|column_use| columns[column_use.column].stage)
            .max()
            .unwrap_or(0);
        let column = &mut columns[index];
        let mut stage = if column.aggregates { 0 } else { least.max(column.stage) };
        let merged = |index: usize, candidate: &ColumnStage| match (candidate.windows, column.windows) {
            (Some(rows), Some(other)) => rows.merge_window_order(other, index == 0).map(Some),
            (rows, other) => Some(rows.or(other)),
        };
        if !column.aggregates {
            while stages
                .try_get(stage)
                .is_some_and(|candidate| merged(stage, candidate).is_none())
            {
                stage += 1;
            }
        }
        stages.resize(stages.len().max(stage + 1), ColumnStage::default());
        stages[stage].windows = merged(stage, &stages[stage]).unwrap_or(stages[stage].windows);
        stages[stage].columns.push(index);
        column.stage = stage;
    }
    stages
}

/// Assigns each column to a step. Windows in the model's order come after the columns by which they are sorted.
fn assign_ordered_stages(columns: &mut Arena<MetricColumn>, order: &[Vec<usize>]) -> Arena<ColumnStage> {
    // The windows in the sort keys themselves are not ordered, so every window that is ordered by these keys reads all
    // rows.
    let reads_window = |uses: &Vec<usize>| uses.iter().any(|column| columns[*column].windows.is_some());
    if !order.is_empty() && order.iter().all(reads_window) {
        let ranks = columns
            .iter_mut()
            .filter(|column| column.windows == Some(WindowOrderAndPartition::Ranked));
        ranks.for_each(|column| column.windows = Some(WindowOrderAndPartition::Model));
    }
    let ordered_by = order.concat();
    let stages = assign_stages(columns);
    let mut reads_model_windows: Arena<bool> = Arena::new();
    for column in columns.iter() {
        let reads = column
            .uses
            .iter()
            .any(|column_use| reads_model_windows[column_use.column]);
        reads_model_windows.push(reads || column.windows == Some(WindowOrderAndPartition::Model));
    }
    let before = ordered_by.iter().filter(|column| !reads_model_windows[**column]);
    let least = before
        .map(|column| columns[*column].stage + usize::from(columns[*column].windows.is_some()))
        .max();
    let Some(least) = least.filter(|least| *least > 0) else {
        return stages;
    };
    for column in columns
        .iter_mut()
        .filter(|column| column.windows == Some(WindowOrderAndPartition::Model))
    {
        column.stage = column.stage.max(least);
    }
    assign_stages(columns)
}

/// Order, partition, condition and limit of the model.
pub struct StepBuilder<'m> {
    pub model: &'m ModelOnMetricSets<'m>,
    pub keys: &'m ModelKeys,
    pub columns: ModelColumns,
    pub order_by: Option<Vec<TextWithPosition>>,
    pub partition_by: Option<Vec<TextWithPosition>>,
    /// Condition, and the columns to which it refers. `None` if the first step applies the condition.
    having: Option<(SourceMappedText, Vec<usize>)>,
    /// Condition on columns of the first step.
    first_having: Option<SourceMappedText>,
    stages: Arena<ColumnStage>,
    /// Stage that applies `having`.
    filtered: Option<usize>,
    /// Columns to which each entry of `order_by` refers.
    pub ordered_by: Vec<Vec<usize>>,
    /// Condition of `since`, if it is applied after the windows.
    late_since: Option<SourceMappedText>,
    /// Value of `since` in a step with `fill`. `None` if the step does not keep the key, because later steps compute
    /// windows.
    kept_since: Option<TextWithPosition>,
}

impl<'m> StepBuilder<'m> {
    /// Writes the model's order, partition and condition with the names of the columns.
    pub fn new(builder: &ColumnBuilder<'m>) -> Self {
        let columns = builder.columns.clone();
        let model = builder.model;
        let mut read_by = Vec::new();
        let mut entries = |formulas: &Option<Vec<MetricFormula>>| {
            formulas.as_ref().map(|formulas| {
                let entry = |formula: &MetricFormula| {
                    let (replaced, uses) = builder.replacements_and_column_uses(None, formula);
                    read_by.push(uses.iter().map(|column_use| column_use.column).collect());
                    let direction = if formula.descending { " desc" } else { "" };
                    let text = format!("{}{direction}", formula.with_replacements(0, &replaced).text);
                    TextWithPosition::new(text, 0, formula.span)
                };
                formulas.iter().map(entry).collect::<Vec<TextWithPosition>>()
            })
        };
        let (order_by, partition_by) = (entries(&model.order_by), entries(&model.partition_by));
        read_by.truncate(order_by.as_ref().map_or(0, Vec::len));
        let having = model.having.as_ref().map(|formula| {
            let (replaced, uses) = builder.replacements_and_column_uses(None, formula);
            (
                formula.with_replacements(0, &replaced),
                uses.iter().map(|column_use| column_use.column).collect(),
            )
        });
        let is_late = model.is_since_applied_after_windows(builder.keys, &columns);
        let since = model.step.get("since").filter(|_| builder.can_keep_bounds());
        let mut step_builder = Self {
            kept_since: since.map(|node| TextWithPosition::new(format_node_inline(node), 0, node.span)),
            late_since: is_late.then(|| model.since_filter(builder.keys)).flatten(),
            model,
            keys: builder.keys,
            columns,
            order_by,
            partition_by,
            having,
            ordered_by: read_by,
            first_having: None,
            stages: Arena::new(),
            filtered: None,
        };
        step_builder.assign_columns_to_stages();
        step_builder
    }

    fn assign_columns_to_stages(&mut self) {
        self.stages = assign_ordered_stages(&mut self.columns.all, &self.ordered_by);
        // A condition on windows or on columns of later steps cannot be applied in the first step.
        let is_late =
            |column: &usize| self.columns.all[*column].windows.is_some() || self.columns.all[*column].stage > 0;
        let first_having = self.having.take_if(|(_, uses)| !uses.iter().any(is_late));
        self.first_having = first_having.map(|(condition, _)| condition);
        self.filtered = self.move_windows_after_having();
        if self.stages.len() > 1 {
            self.kept_since = None;
        }
        if self.kept_since.is_some() {
            self.late_since = None;
        }
    }

    /// Returns whether the first step itself leaves out the periods before `since`.
    pub fn keeps_since(&self) -> bool {
        self.kept_since.is_some()
    }

    /// Returns the steps that compute the columns: first `base`, which aggregates the rows of the metric sets, then the
    /// steps that read `base`.
    pub fn steps(mut self, mut base: StepText, base_name: &str) -> Vec<StepText> {
        let stages = std::mem::take(&mut self.stages);
        base.having = self.first_having.take();
        if let Some(since) = self.kept_since.take() {
            base.copied.push(("since".to_owned(), since));
        }
        let mut order: Vec<usize> = stages[0].columns.clone();
        order.sort_by_key(|column| self.columns.all[*column].output_position.unwrap_or(usize::MAX));
        base.definitions
            .extend(order.iter().map(|column| self.columns.all[*column].text.clone()));
        base.name = base_name.to_owned();
        self.write_windows(&mut base, stages[0].windows, 0);
        let mut steps = vec![base];
        for (index, stage) in stages.iter().enumerate().skip(1) {
            let mut step = StepText {
                keep: Some(StepTextProjection::All),
                ..StepText::default()
            };
            step.definitions.extend(
                stage
                    .columns
                    .iter()
                    .map(|column| self.columns.all[*column].text.clone()),
            );
            if let Some(first) = self.naming_column(&stage.columns) {
                let name = format!("with_{}", self.columns.all[first].text.name);
                let short = shorten_name(&name);
                let is_taken = steps.iter().any(|step| step.name == short);
                step.name = self.model.unused_step_name(if is_taken { &name } else { &short });
            }
            self.write_windows(&mut step, stage.windows, index);
            if self.filtered == Some(index) {
                step.filter = self.having.take().map(|(condition, _)| condition);
            }
            steps.push(step);
        }
        self.finish_last_step(&stages, &mut steps);
        steps
    }

    /// Returns the column after which a step is named: the first column on which another column depends. The query may
    /// compute the other columns in its last select.
    fn naming_column(&self, columns: &[usize]) -> Option<usize> {
        let uses = self.columns.all.iter().flat_map(|other| &other.uses);
        let source_columns: FxHashSet<usize> = uses.map(|column_use| column_use.column).collect();
        let first_read = columns.iter().find(|column| source_columns.contains(column));
        first_read.or_else(|| columns.first()).copied()
    }

    /// Moves windows to stages after the columns of `having`, so that the windows read only the groups that this
    /// condition keeps. Returns the stage that applies the condition. `None` if the condition reads windows, or if no
    /// stage follows its columns.
    fn move_windows_after_having(&mut self) -> Option<usize> {
        let (_, uses) = self.having.as_ref()?;
        let mut reads_windows: Arena<bool> = Arena::new();
        for column in &self.columns.all {
            let reads = column.uses.iter().any(|column_use| reads_windows[column_use.column]);
            reads_windows.push(reads || column.windows.is_some());
        }
        if uses.iter().any(|column| reads_windows[*column]) {
            return None;
        }
        let filtered = uses.iter().map(|column| self.columns.all[*column].stage).max()? + 1;
        let windows = self.columns.all.iter_mut().filter(|column| column.windows.is_some());
        windows.for_each(|column| column.stage = column.stage.max(filtered));
        self.stages = assign_ordered_stages(&mut self.columns.all, &self.ordered_by);
        (filtered < self.stages.len()).then_some(filtered)
    }

    /// Writes the order and partition of a step's windows.
    fn write_windows(&self, step: &mut StepText, windows: Option<WindowOrderAndPartition>, stage: usize) {
        let is_grouped = stage == 0;
        let others = || {
            let others = self
                .keys
                .names
                .iter()
                .enumerate()
                .filter(|(index, _)| Some(*index) != self.keys.time);
            others
                .map(|(_, name)| self.generated_text(name))
                .collect::<Vec<TextWithPosition>>()
        };
        match windows {
            None | Some(WindowOrderAndPartition::Ranked) => {}
            Some(WindowOrderAndPartition::Time) => {
                step.order_by = self.default_time_order_in_step(step);
                step.partition_by = (!is_grouped).then(others).filter(|others| !others.is_empty());
            }
            Some(WindowOrderAndPartition::Whole) => step.partition_by = Some(Vec::new()),
            Some(WindowOrderAndPartition::Model) => {
                let is_known = |column: &usize| {
                    let column = &self.columns.all[*column];
                    column.stage < stage || column.stage == stage && column.windows.is_none()
                };
                step.order_by = match &self.order_by {
                    Some(entries) => {
                        let sort_entries = entries
                            .iter()
                            .zip(&self.ordered_by)
                            .filter(|(_, uses)| uses.iter().all(is_known));
                        sort_entries.map(|(entry, _)| entry.clone()).collect()
                    }
                    None => self.default_time_order_in_step(step),
                };
                // The spec may enclose a name in `${}` even if this is not necessary.
                let bare = |text: &str| text.trim_start_matches("${").trim_end_matches('}').to_owned();
                let ordered = |key: &TextWithPosition| {
                    let entries = step.order_by.iter().map(|entry| &entry.text);
                    let mut names = entries.map(|text| bare(text.strip_suffix(" desc").unwrap_or(text)));
                    names.any(|name| name == bare(&key.text))
                };
                let key_texts = self.keys.names.iter().map(|name| self.generated_text(name));
                let default = || key_texts.filter(|key| !ordered(key)).collect();
                step.partition_by = match &self.partition_by {
                    Some(partition) => Some(partition.clone()),
                    None if is_grouped => None,
                    None if step.order_by.is_empty() => Some(Vec::new()),
                    // Without `partition_by`, windows read only rows with the same other keys, as in a grouped step.
                    None => Some(default()).filter(|names: &Vec<TextWithPosition>| !names.is_empty()),
                };
            }
        }
    }

    /// Returns the key that orders the model by default. A step with `from` has no default order.
    fn ordering_key(&self) -> Option<usize> {
        self.keys.time.filter(|_| self.model.kind != SpecKind::Periods)
    }

    fn default_time_order(&self) -> Vec<TextWithPosition> {
        let time = self.ordering_key().and_then(|time| self.keys.names.try_get(time));
        time.map(|name| self.generated_text(name)).into_iter().collect()
    }

    /// Returns the default order in a step. A grouped step cannot refer to its key by the name of the key's column.
    fn default_time_order_in_step(&self, step: &StepText) -> Vec<TextWithPosition> {
        let time = self.ordering_key().and_then(|time| step.group_by.get(time));
        time.map_or_else(|| self.default_time_order(), |time| vec![time.clone()])
    }

    fn generated_text(&self, name: &str) -> TextWithPosition {
        TextWithPosition::new(quote_formula_name(name), 0, self.model.span)
    }

    /// Makes the last step return the model's columns in order, and sort its rows as the model specifies.
    fn finish_last_step(&mut self, stages: &Arena<ColumnStage>, steps: &mut Vec<StepText>) {
        let last = stages.len() - 1;
        let mut outputs: Vec<usize> = (0..self.columns.all.len())
            .filter(|column| self.columns.all[*column].output_position.is_some())
            .collect();
        outputs.sort_by_key(|column| self.columns.all[*column].output_position);
        let in_last = |column: &usize| self.columns.all[*column].stage == last;
        let has_hidden = stages[last]
            .columns
            .iter()
            .any(|column| self.columns.all[*column].output_position.is_none());
        let order = self.order_by.clone().unwrap_or_else(|| self.default_time_order());
        let is_same_order = |first_order: &[TextWithPosition], other: &[TextWithPosition]| {
            first_order
                .iter()
                .map(|with_position| &with_position.text)
                .eq(other.iter().map(|with_position| &with_position.text))
        };
        let is_ordered = matches!(
            stages[last].windows,
            None | Some(WindowOrderAndPartition::Whole | WindowOrderAndPartition::Ranked)
        ) || self.order_by.is_none()
            || steps.last().is_some_and(|step| is_same_order(&step.order_by, &order));
        // A step cannot sort its rows by its own windows, and a grouped step has only the columns that it returns.
        let is_late = |column: &usize| {
            let column = &self.columns.all[*column];
            column.stage == last && column.windows.is_some() || last == 0 && column.output_position.is_none()
        };
        let orders_late = self.ordered_by.iter().flatten().any(is_late);
        let filters: Vec<SourceMappedText> = self
            .having
            .iter()
            .map(|(having, _)| having.clone())
            .chain(self.late_since.take())
            .collect();
        let filter = conjunction(filters, self.model.span);
        if has_hidden || !is_ordered || orders_late || filter.is_some() {
            steps.push(StepText {
                keep: Some(StepTextProjection::Columns(self.projected_names(&outputs))),
                filter,
                order_by: order,
                ..StepText::default()
            });
        } else if let Some(step) = steps.last_mut() {
            step.order_by = match &self.order_by {
                None => self.default_time_order_in_step(step),
                Some(_) => order,
            };
            if last > 0 {
                // A column of an earlier step that follows a new column is written as `name = name`, so that it keeps
                // its position.
                let split_index = outputs.iter().position(in_last).unwrap_or(outputs.len());
                let (before, after) = outputs.split_at(split_index);
                step.keep = Some(StepTextProjection::Columns(self.projected_names(before)));
                let definition = |column: &usize| {
                    let mut text = self.columns.all[*column].text.clone();
                    if !in_last(column) {
                        text.formula = SourceMappedText::generated(&quote_formula_name(&text.name), 0, self.model.span);
                    }
                    text
                };
                step.definitions = after.iter().map(definition).collect();
            }
        }
        if let Some(step) = steps.last_mut() {
            let limit = self.model.step.get("limit").and_then(|node| Some((node, node.text()?)));
            step.copied
                .extend(limit.map(|(node, text)| ("limit".to_owned(), TextWithPosition::new(text, 0, node.span))));
        }
    }

    fn projected_names(&self, columns: &[usize]) -> Vec<String> {
        let names = columns.iter().map(|column| self.columns.all[*column].text.name.clone());
        self.keys.names.iter().cloned().chain(names).collect()
    }
}

/// Returns the step that combines the aggregates of several metric sets by key.
pub fn union_step(model: &ModelOnMetricSets<'_>, keys: &ModelKeys, names: &[String]) -> StepText {
    let entry = |(name, key): (&String, &ModelKey)| TextWithPosition::new(quote_formula_name(name), 0, key.span);
    StepText {
        union: names.to_vec(),
        group_by: keys.names.iter().zip(&model.keys).map(entry).collect(),
        ..StepText::default()
    }
}

/// Returns the definitions of the aggregates in the step that reads a row group.
pub fn aggregate_definitions(columns: &ModelColumns, group: usize) -> Vec<DefinitionText> {
    let group_aggregates = columns.aggregates.iter().filter(|aggregate| aggregate.group == group);
    group_aggregates.map(|aggregate| aggregate.text.clone()).collect()
}
