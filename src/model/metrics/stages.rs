//! Steps of a model over metric sets after the rows are aggregated.

use super::columns::{ColumnBuilder, MetricColumn, ModelColumns, WindowRows, reference_text};
use super::formulas::MetricFormula;
use super::keys::ModelKeys;
use super::request::ModelOverSets;
use super::spelled::SpelledText;
use super::step_text::{DefinitionText, PlacedText, StepText};
use crate::yaml::Node;

/// Columns and windows of one step.
#[derive(Clone, Debug, Default)]
struct Stage {
    columns: Vec<usize>,
    windows: Option<WindowRows>,
}

/// Distributes the columns over steps. A step has one order and one partition for its windows.
fn assign_stages(columns: &mut [MetricColumn]) -> Vec<Stage> {
    let mut stages = vec![Stage::default()];
    for place in 0..columns.len() {
        let least = columns[place].uses.iter().map(|used| columns[used.column].stage).max().unwrap_or(0);
        let column = &mut columns[place];
        let mut stage = if column.aggregates { 0 } else { least.max(column.stage) };
        if let (Some(rows), false) = (column.windows, column.aggregates) {
            while stages.get(stage).is_some_and(|it| it.windows.is_some_and(|other| other != rows)) {
                stage += 1;
            }
        }
        stages.resize_with(stages.len().max(stage + 1), Stage::default);
        stages[stage].windows = stages[stage].windows.or(column.windows);
        stages[stage].columns.push(place);
        column.stage = stage;
    }
    stages
}

/// Order, partition, condition and limit of the model.
pub struct StepWriter<'m> {
    pub model: &'m ModelOverSets<'m>,
    pub keys: &'m ModelKeys,
    pub columns: ModelColumns,
    pub order_by: Option<Vec<PlacedText>>,
    pub partition_by: Option<Vec<PlacedText>>,
    pub having: Option<(SpelledText, usize)>,
    /// Columns that `order_by` and `partition_by` read.
    pub ordered_by: Vec<usize>,
}

impl<'m> StepWriter<'m> {
    /// Spells the model's order, partition and condition with the names of the columns.
    pub fn new(builder: &ColumnBuilder<'m>) -> Self {
        let columns = builder.columns.clone();
        let model = builder.model;
        let mut ordered_by = Vec::new();
        let mut entries = |formulas: &Option<Vec<MetricFormula>>| {
            formulas.as_ref().map(|formulas| {
                let entry = |formula: &MetricFormula| {
                    let (replaced, uses) = builder.spelled_names(None, formula);
                    ordered_by.extend(uses.iter().map(|used| used.column));
                    let direction = if formula.descending { " desc" } else { "" };
                    PlacedText {
                        text: format!("{}{direction}", formula.spell(0, &replaced).text),
                        file: 0,
                        span: formula.span,
                    }
                };
                formulas.iter().map(entry).collect::<Vec<PlacedText>>()
            })
        };
        let (order_by, partition_by) = (entries(&model.order_by), entries(&model.partition_by));
        let having = model.having.as_ref().map(|formula| {
            let (replaced, uses) = builder.spelled_names(None, formula);
            let stage = uses.iter().map(|used| columns.all[used.column].stage).max().unwrap_or(0);
            (formula.spell(0, &replaced), stage)
        });
        Self {
            model,
            keys: builder.keys,
            columns,
            order_by,
            partition_by,
            having,
            ordered_by,
        }
    }

    /// Returns the steps after the rows of each set: first `base`, which aggregates, then those that read it.
    pub fn steps(mut self, mut base: StepText, base_name: &str) -> Vec<StepText> {
        let stages = assign_stages(&mut self.columns.all);
        if let Some((condition, _)) = self.having.take() {
            base.having = Some(condition);
        }
        let mut order: Vec<usize> = stages[0].columns.clone();
        order.sort_by_key(|column| self.columns.all[*column].place.unwrap_or(usize::MAX));
        base.definitions.extend(order.iter().map(|column| self.columns.all[*column].text.clone()));
        base.name = base_name.to_owned();
        self.write_windows(&mut base, stages[0].windows, true);
        let mut steps = vec![base];
        for stage in stages.iter().skip(1) {
            let mut step = StepText {
                keep: Some(vec!["*".to_owned()]),
                ..StepText::default()
            };
            step.definitions.extend(stage.columns.iter().map(|column| self.columns.all[*column].text.clone()));
            if let Some(first) = step.definitions.first() {
                step.name = format!("with_{}", first.name);
            }
            self.write_windows(&mut step, stage.windows, false);
            steps.push(step);
        }
        self.finish(&stages, &mut steps);
        steps
    }

    /// Writes the order and partition of a step's windows.
    fn write_windows(&self, step: &mut StepText, windows: Option<WindowRows>, is_grouped: bool) {
        let others = || {
            let others = self.keys.names.iter().enumerate().filter(|(place, _)| Some(*place) != self.keys.time);
            others.map(|(_, name)| self.generated(name)).collect::<Vec<PlacedText>>()
        };
        match windows {
            None => {}
            Some(WindowRows::Time) => {
                step.order_by = self.time_order();
                if let (true, Some(time)) = (is_grouped, self.keys.time.and_then(|time| step.group_by.get(time))) {
                    step.order_by = vec![time.clone()];
                }
                step.partition_by = (!is_grouped).then(others).filter(|others| !others.is_empty());
            }
            Some(WindowRows::Whole) => step.partition_by = Some(Vec::new()),
            Some(WindowRows::Model) => {
                step.order_by = self.order_by.clone().unwrap_or_else(|| self.time_order());
                let ordered = |key: &PlacedText| {
                    let same = |entry: &PlacedText| entry.text.split(' ').next() == Some(key.text.as_str());
                    step.order_by.iter().any(same)
                };
                let all = self.keys.names.iter().map(|name| self.generated(name));
                let default = || all.filter(|key| !ordered(key)).collect();
                step.partition_by = match &self.partition_by {
                    Some(written) => Some(written.clone()),
                    None if is_grouped => None,
                    None => Some(default()),
                };
            }
        }
    }

    fn time_order(&self) -> Vec<PlacedText> {
        let time = self.keys.time.and_then(|time| self.keys.names.get(time));
        time.map(|name| self.generated(name)).into_iter().collect()
    }

    fn generated(&self, name: &str) -> PlacedText {
        PlacedText {
            text: name.to_owned(),
            file: 0,
            span: self.model.span,
        }
    }

    /// Makes the last step return the model's columns in their order, sorted as the model says.
    fn finish(&self, stages: &[Stage], steps: &mut Vec<StepText>) {
        let last = stages.len() - 1;
        let mut outputs: Vec<usize> = (0..self.columns.all.len()).filter(|column| self.columns.all[*column].place.is_some()).collect();
        outputs.sort_by_key(|column| self.columns.all[*column].place);
        let in_last = |column: &usize| self.columns.all[*column].stage == last;
        let has_hidden = stages[last].columns.iter().any(|column| self.columns.all[*column].place.is_none());
        let order = self.order_by.clone().unwrap_or_else(|| self.time_order());
        let same = |one: &[PlacedText], other: &[PlacedText]| {
            one.iter().map(|it| &it.text).eq(other.iter().map(|it| &it.text))
        };
        let is_ordered = stages[last].windows.is_none()
            || stages[last].windows == Some(WindowRows::Whole)
            || self.order_by.is_none()
            || steps.last().is_some_and(|step| same(&step.order_by, &order));
        // A step cannot order its rows by its own windows, and a grouped step has no columns that it does not return.
        let is_late = |column: &usize| {
            let column = &self.columns.all[*column];
            column.stage == last && column.windows.is_some() || last == 0 && column.place.is_none()
        };
        let orders_late = self.ordered_by.iter().any(is_late);
        let since = match self.model.filters_since_last(self.keys, &self.columns) {
            true => self.model.since_filter(self.keys),
            false => None,
        };
        if has_hidden || !is_ordered || orders_late || since.is_some() {
            steps.push(StepText {
                keep: Some(self.kept(&outputs)),
                filter: since,
                order_by: order,
                ..StepText::default()
            });
        } else if let Some(step) = steps.last_mut() {
            let time = self.keys.time.and_then(|time| step.group_by.get(time));
            step.order_by = match (time, &self.order_by) {
                (Some(time), None) => vec![time.clone()],
                _ => order,
            };
            if last > 0 {
                // A column of an earlier step after a new one is written as `name = name`, so that it keeps its place.
                let kept = outputs.iter().position(in_last).unwrap_or(outputs.len());
                let (before, after) = outputs.split_at(kept);
                step.keep = Some(self.kept(before));
                let definition = |column: &usize| {
                    let mut text = self.columns.all[*column].text.clone();
                    if !in_last(column) {
                        text.formula = SpelledText::default();
                        text.formula.write(&reference_text(&text.name), 0, self.model.span);
                    }
                    text
                };
                step.definitions = after.iter().map(definition).collect();
            }
        }
        if let Some(step) = steps.last_mut() {
            let limit = self.model.step.get("limit").and_then(|node| Some((node, node.text()?)));
            step.copied.extend(limit.map(|(node, text)| ("limit".to_owned(), placed(node, text))));
        }
    }

    fn kept(&self, columns: &[usize]) -> Vec<String> {
        let names = columns.iter().map(|column| self.columns.all[*column].text.name.clone());
        self.keys.names.iter().cloned().chain(names).collect()
    }
}

fn placed(node: &Node, text: &str) -> PlacedText {
    PlacedText {
        text: text.to_owned(),
        file: 0,
        span: node.span,
    }
}

/// Returns the step that puts the aggregates of several sets together by key.
pub fn union_step(keys: &ModelKeys, span: crate::span::Span, names: &[String]) -> StepText {
    let entry = |name: &String| PlacedText {
        text: name.clone(),
        file: 0,
        span,
    };
    StepText {
        union: names.to_vec(),
        group_by: keys.names.iter().map(entry).collect(),
        ..StepText::default()
    }
}

/// Returns the definitions of the aggregates in the step over a group of rows.
pub fn aggregates_of(columns: &ModelColumns, group: usize) -> Vec<DefinitionText> {
    let own = columns.aggregates.iter().filter(|aggregate| aggregate.group == group);
    own.map(|aggregate| aggregate.text.clone()).collect()
}
