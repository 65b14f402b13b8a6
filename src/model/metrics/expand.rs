//! Expands a model built on metric sets to a spec with `from` and `definitions`.

use std::ops::Range;
use std::sync::Arc;

use super::columns::ColumnBuilder;
use super::fill::FillSetting;
use super::formulas::MetricFormula;
use super::graph::{MetricId, ModelNameTarget};
use super::keys::ModelKeys;
use super::metric_set::{MetricSet, MetricSets};
use super::model_on_metric_sets::{ListedMetric, ModelOnMetricSets, read_model};
use super::non_additive::RowGroup;
use super::period_steps::read_period_step;
use super::stages::{StepBuilder, aggregate_definitions, union_step};
use super::step_names::{grouped_step_name, names_of_steps, row_group_suffix};
use super::step_text::StepText;
use super::text_with_origins::SourceMappedText;
use super::write_spec::write_spec;
use crate::compiler::Compiler;
use crate::diag::Diagnostic;
use crate::load::SpecKind;
use crate::plan::shorten_name;
use crate::span::Span;
use crate::time_range::CalendarDuration;
use crate::yaml::Node;

/// Spec with the definitions of metric sets written out.
#[derive(Clone, Debug)]
pub struct SpecExpansion {
    pub text: SourceMappedText,
    /// Metric sets from which the text is generated, in the order of their file numbers. The file numbers start at 1.
    pub sets: Vec<Arc<MetricSet>>,
    /// Position in the model's spec at which diagnostics about the metric sets are reported.
    pub span: Span,
    /// Positions of the steps that have a row for every period. Empty if there is no such step.
    pub filled_steps: Range<u32>,
    /// Whether `partition_by` and the ordering key identify the model's rows, although the checks of later steps cannot
    /// infer this.
    pub are_all_keys_determined: bool,
    /// Metrics that the model reads, as `set.metric`, sorted.
    pub metrics: Vec<String>,
    /// Columns that are computed from metrics, each with all metrics from which it is computed.
    pub metrics_of_columns: Vec<(String, Vec<String>)>,
    /// Metrics that determine which rows the model has.
    pub metrics_of_rows: Vec<String>,
    /// Keys that are periods because not all columns of the metric set's relation are known, each with the relation.
    pub assumed_periods: Vec<(String, String)>,
    /// Columns that contain metrics, each with the indexes of the metric set and the definition.
    pub metric_columns: Vec<(String, usize, usize)>,
    /// Columns in `metrics`, each with the indexes of the metric set and the definition.
    pub listed_columns: Vec<(String, usize, usize)>,
    /// Steps of the spec that are expanded.
    pub steps: Vec<StepExpansion>,
}

/// Step of a spec, with the steps to which it is expanded.
#[derive(Clone, Debug)]
pub struct StepExpansion {
    /// Name of the step in the spec. `None` if the spec has no `steps`.
    pub name: Option<String>,
    /// Names of the steps in the expansion. The name of a spec's only step is empty.
    pub names: Vec<String>,
    /// Names of the steps that find the last or first rows of each group for metrics with `non_additive`.
    pub last_row_steps: Vec<String>,
    /// Definitions as written in the metric sets and in the step, by name.
    pub formulas: Vec<(String, String)>,
    /// Whether the steps contain the formulas as written.
    pub is_as_written: bool,
    pub span: Span,
}

/// Expanded step of a spec.
pub struct ExpandedStep<'y> {
    pub model: ModelOnMetricSets<'y>,
    /// Index of the step in the spec.
    pub step_index: usize,
    pub steps: Vec<StepText>,
    are_all_keys_determined: bool,
    metrics: Vec<String>,
    metric_columns: Vec<(String, usize, usize)>,
    listed_columns: Vec<(String, usize, usize)>,
    /// Keys that are dimensions of the metric sets.
    pub key_dimensions: Vec<ListedMetric>,
    metrics_of_columns: Vec<(String, Vec<String>)>,
    metrics_of_rows: Vec<String>,
    assumed_periods: Vec<(String, String)>,
    /// Whether all columns are computed from the same rows, so that the steps contain the formulas as written.
    is_single: bool,
}

/// Expands the first step of a model built on metric sets. Later steps are copied. Reports errors and returns `None` if
/// this is not possible.
pub fn expand(
    compiler: &Compiler,
    sets: &MetricSets,
    (root, source): (&Node, &str),
    kind: SpecKind,
    faults: &mut Vec<Diagnostic>,
) -> Option<SpecExpansion> {
    let mut model = read_model(compiler, sets, (root, source), kind, faults)?;
    model.taken_names = names_of_steps(root);
    model.check_names(faults);
    model.check_settings(compiler, faults);
    let step = expand_step(compiler, model, 0, (faults, 0))?;
    SpecExpansion::new(compiler, root, vec![step])
}

/// Expands steps that specify their periods, each with its index. Reports errors and returns `None` if this is not
/// possible.
pub fn expand_periods(
    compiler: &Compiler,
    (root, source): (&Node, &str),
    periods: &[(usize, &Node)],
    faults: &mut Vec<Diagnostic>,
) -> Option<SpecExpansion> {
    let mut expanded: Vec<ExpandedStep<'_>> = Vec::new();
    let mut step_names = names_of_steps(root);
    let before = faults.len();
    for (index, node) in periods {
        let model = read_period_step(compiler, (root, source), (*index, node), faults);
        let Some(mut model) = model else { continue };
        let names = expanded
            .last_mut()
            .map(|step| step.steps.iter().map(|step| step.name.to_lowercase()));
        step_names.extend(names.into_iter().flatten());
        model.taken_names = std::mem::take(&mut step_names);
        let of_step = faults.len();
        if let Some(mut step) = expand_step(compiler, model, *index, (faults, of_step)) {
            step_names = std::mem::take(&mut step.model.taken_names);
            expanded.push(step);
        }
    }
    match faults.iter().skip(before).any(Diagnostic::is_error) {
        true => None,
        false => SpecExpansion::new(compiler, root, expanded),
    }
}

impl SpecExpansion {
    /// Writes the expanded steps of a spec.
    fn new(compiler: &Compiler, root: &Node, expanded: Vec<ExpandedStep<'_>>) -> Option<Self> {
        let mut text = SourceMappedText::default();
        write_spec(compiler, &expanded, &mut text);
        let is_filled = |step: &&ExpandedStep<'_>| step.model.step.get("fill").is_some();
        let step_name = |step: &ExpandedStep<'_>| step.model.step.text_at("name").map(str::to_owned);
        let steps = expanded.iter().map(|step| StepExpansion {
            name: step_name(step).filter(|_| root.get("steps").is_some()),
            names: step.steps.iter().map(|step| step.name.clone()).collect(),
            last_row_steps: step
                .steps
                .iter()
                .filter(|step| step.finds_last_rows)
                .map(|step| step.name.clone())
                .collect(),
            formulas: step.model.original_definitions(),
            is_as_written: step.is_single,
            span: step.model.step.span,
        });
        let steps = steps.collect();
        let start = |step: &ExpandedStep<'_>| step.model.step.span.start;
        let from = expanded.iter().find(is_filled).map_or(u32::MAX, start);
        let mut removing = expanded
            .iter()
            .filter(|step| start(step) >= from && step.model.having_may_remove_periods());
        let filled = from..removing.next().map_or(u32::MAX, start);
        let first = expanded.into_iter().next()?;
        Some(Self {
            text,
            sets: match first.model.kind {
                SpecKind::Periods => Vec::new(),
                _ => first.model.sets.into_iter().collect(),
            },
            span: first.model.span,
            filled_steps: filled,
            are_all_keys_determined: first.are_all_keys_determined,
            metrics: first.metrics,
            metric_columns: first.metric_columns,
            listed_columns: first.listed_columns,
            metrics_of_columns: first.metrics_of_columns,
            metrics_of_rows: first.metrics_of_rows,
            assumed_periods: first.assumed_periods,
            steps,
        })
    }
}

/// Expands a step that reads metric sets or is treated like a metric set. Returns `None` if `faults` contains an error
/// at or after the index `before`.
fn expand_step<'y>(
    compiler: &Compiler,
    model: ModelOnMetricSets<'y>,
    index: usize,
    (faults, before): (&mut Vec<Diagnostic>, usize),
) -> Option<ExpandedStep<'y>> {
    let has_faults = |faults: &[Diagnostic]| faults.iter().skip(before).any(Diagnostic::is_error);
    let listed_spans = model
        .listed_metrics
        .iter()
        .map(|listed_metric| ((listed_metric.set, listed_metric.metric), listed_metric.span));
    let mut first: Vec<(MetricId, Span)> = listed_spans.collect();
    // The names of keys are assigned later, when the metric sets are known. The metrics that the model needs do not
    // depend on these names.
    let formula_metrics = model.metrics_used_in_formulas(&model.possible_key_names(), faults);
    first.extend(formula_metrics);
    // If the metric set itself is checked, `check_outdated_metrics` reports the outdated metrics in its formulas.
    for (id, span) in first.iter().filter(|_| model.kind != SpecKind::WholeSet) {
        let today = compiler.specs.current_date.as_deref();
        faults.extend(model.sets[id.0].deprecation_warning(id.1, *span, today));
    }
    let first: Vec<MetricId> = first.into_iter().map(|(id, _)| id).collect();
    let metric_ids = model.needed_metrics(&first, faults);
    if model.kind == SpecKind::OverSets {
        model.check_metrics_used_in_sets(&metric_ids, compiler.specs.current_date.as_deref(), faults);
    }
    let groups = model.row_groups(&metric_ids);
    let mut set_indexes: Vec<usize> = groups.iter().map(|group| group.set).collect();
    set_indexes.dedup();
    if has_faults(faults) {
        // Report wrong keys even if a formula or a metric has an error. If the list of metrics has errors, `read_model`
        // has already reported the wrong keys.
        let wrong_keys = model.keys.iter();
        faults.extend(wrong_keys.filter_map(|key| model.unknown_key_error(compiler, key, &set_indexes)));
        return None;
    }
    faults.extend(model.incremental_error(&groups));
    faults.extend(model.having_error(&groups));
    let keys = model.resolve_keys(compiler, &set_indexes, model.sets.len() == 1, faults);
    model.check_key_names(&keys, faults);
    model.check_shared_filters(compiler, &set_indexes, faults);
    model.check_outdated_dimensions(&set_indexes, compiler.specs.current_date.as_deref(), faults);
    model.report_keys_shadowing_time(&set_indexes, &keys, faults);
    if has_faults(faults) {
        return None;
    }
    model.check_bounds(compiler, &keys, &set_indexes, faults);
    model.check_hidden_periods(compiler, &keys, &metric_ids, faults);
    model.check_partitions(compiler, &keys, &metric_ids, faults);
    let fill = model.read_fill(compiler, &keys, faults);
    let can_keep_fill = model.can_keep_fill(fill.as_ref(), &keys);
    let is_single = groups.len() <= 1 && model.sets.len() == 1 && can_keep_fill;
    if model.kind == SpecKind::OverSets {
        model.check_window_units(&keys, &metric_ids, faults);
    }
    let mut builder = ColumnBuilder::new(&model, &keys, groups.into(), is_single, &metric_ids);
    builder.kept_fill = fill.clone().filter(|_| is_single);
    builder.describes_formulas = !is_single && model.kind != SpecKind::Periods;
    builder.build_columns();
    faults.append(&mut builder.faults);
    if has_faults(faults) {
        return None;
    }
    let mut steps = model.steps_for_columns(compiler, &builder, fill.as_ref(), &metric_ids);
    model.name_last_step(&mut steps);
    let columns = builder.columns.metrics.iter();
    let mut metric_columns: Vec<(String, usize, usize)> = columns
        .map(|(id, column)| (builder.columns.all[*column].text.name.clone(), id.0, id.1))
        .collect();
    metric_columns.sort();
    let listed = model.listed_metrics.iter();
    let list_columns =
        listed.map(|listed_metric| (listed_metric.name.clone(), listed_metric.set, listed_metric.metric));
    let listed_columns = list_columns.collect();
    let mut metrics: Vec<String> = metric_ids.iter().map(|id| model.metric_name(*id)).collect();
    metrics.sort_unstable();
    Some(ExpandedStep {
        step_index: index,
        steps,
        are_all_keys_determined: model.are_all_keys_determined(compiler, &keys),
        metrics,
        metric_columns,
        listed_columns,
        key_dimensions: model.key_dimensions(&keys),
        metrics_of_columns: model.metrics_of_columns(keys.names.as_slice()),
        metrics_of_rows: model.metrics_of_rows(keys.names.as_slice()),
        assumed_periods: model.assumed_periods(compiler, &set_indexes),
        is_single,
        model,
    })
}

impl ModelOnMetricSets<'_> {
    /// Returns the names by which formulas may refer to the keys.
    pub fn possible_key_names(&self) -> Vec<String> {
        self.keys
            .iter()
            .map(
                |key| match self.sets.as_slice().first().and_then(|set| set.time.as_ref()) {
                    Some(time) => crate::plan::key_name(&time.period(&key.text)),
                    None => crate::plan::key_name(&key.text),
                },
            )
            .zip(self.keys.iter().map(|key| crate::plan::key_name(&key.text)))
            .flat_map(|(name, other)| [name, other])
            .collect()
    }

    /// Returns the definitions of the model's columns as written. For a step that is treated like a metric set, the
    /// result also contains the step's dimensions.
    fn original_definitions(&self) -> Vec<(String, String)> {
        let model_formulas = self
            .sets
            .iter()
            .filter(|_| self.kind == SpecKind::Periods)
            .flat_map(|set| &set.definitions);
        let own_formulas = model_formulas.map(|formula| (formula.name.clone(), formula.text.clone()));
        let is_overridden = |name: &str| {
            self.definitions
                .iter()
                .any(|definition| definition.name.eq_ignore_ascii_case(name))
        };
        let list_entries = self.listed_metrics.iter();
        let listed_metrics =
            list_entries.filter(|listed_metric| self.kind != SpecKind::Periods && !is_overridden(&listed_metric.name));
        let listed_formulas = listed_metrics.map(|listed_metric| {
            (
                listed_metric.name.clone(),
                self.formula((listed_metric.set, listed_metric.metric)).text.clone(),
            )
        });
        let defined = self
            .definitions
            .iter()
            .map(|formula| (formula.name.clone(), formula.text.clone()));
        own_formulas.chain(listed_formulas).chain(defined).collect()
    }

    /// Returns the columns that are computed from metrics, each with all metrics from which it is computed.
    fn metrics_of_columns(&self, keys: &[String]) -> Vec<(String, Vec<String>)> {
        let names = |first: &[MetricId]| self.names_of_needed_metrics(first);
        let listed_columns = self.listed_metrics.iter().map(|listed_metric| {
            (
                listed_metric.name.clone(),
                names(&[(listed_metric.set, listed_metric.metric)]),
            )
        });
        let defined = (0..self.definitions.len()).map(|index| {
            let first = self.metrics_of_definition(index, keys);
            (self.definitions[index].name.clone(), names(&first))
        });
        listed_columns.chain(defined).collect()
    }

    /// Returns whether `having` may remove some of the periods. This is the case if its condition depends on more than
    /// keys.
    fn having_may_remove_periods(&self) -> bool {
        let formulas = self.original_definitions();
        let mut names = self.having.iter().flat_map(|formula| &formula.names);
        names.any(|name| {
            formulas
                .iter()
                .any(|(formula, _)| formula.eq_ignore_ascii_case(&name.name))
        })
    }

    /// Returns the metrics in the formulas that determine which rows the step has: `having`, and `order_by` if the step
    /// also has `limit`.
    fn metrics_of_rows(&self, keys: &[String]) -> Vec<String> {
        let order = self.order_by.iter().flatten();
        let order = order.filter(|_| self.step.get("limit").is_some());
        let names = self.having.iter().chain(order).flat_map(|formula| &formula.names);
        let mut first = Vec::new();
        for name in names {
            match self.resolve_in_model(None, name, Span::default(), keys) {
                Ok(ModelNameTarget::Metric(id)) => first.push(id),
                Ok(ModelNameTarget::Definition(index)) => first.append(&mut self.metrics_of_definition(index, keys)),
                _ => {}
            }
        }
        self.names_of_needed_metrics(&first)
    }

    fn names_of_needed_metrics(&self, first: &[MetricId]) -> Vec<String> {
        let metric_ids = self.needed_metrics(first, &mut Vec::new());
        metric_ids.iter().map(|id| self.metric_name(*id)).collect()
    }

    /// Returns the steps that compute the columns.
    fn steps_for_columns(
        &self,
        compiler: &Compiler,
        builder: &ColumnBuilder<'_>,
        fill: Option<&FillSetting>,
        metric_ids: &[MetricId],
    ) -> Vec<StepText> {
        let keys = builder.keys;
        let look_back = match self.is_since_applied_after_windows(keys, &builder.columns) {
            true => self.lookback_duration(keys, &builder.columns),
            false => Some(CalendarDuration::default()),
        };
        let bounds = |set: usize| match builder.can_keep_bounds() {
            true => Vec::new(),
            false => self.period_filters(compiler, set, (keys.set_keys[set].as_slice(), keys.time), look_back),
        };
        let (true, [RowGroup { set, rule }]) = (builder.is_single, builder.groups.as_slice()) else {
            return self.steps_over_metric_sets(compiler, metric_ids, keys, (builder, fill), bounds);
        };
        let formulas: Vec<&MetricFormula> = metric_ids.iter().map(|id| self.formula(*id)).collect();
        let set_keys = &keys.set_keys[*set];
        let step_builder = StepBuilder::new(builder);
        let mut filters = bounds(*set);
        // A step with `since` or `until` also leaves out rows without a time.
        if filters.is_empty() && !step_builder.keeps_since() && self.bound("until").is_none() {
            filters.extend(self.blank_time_filter(compiler, *set));
        }
        let mut base = self.grouped_rows_step(compiler, *set, (&formulas, rule.as_ref()), (set_keys, filters));
        let name = self.unused_step_name(&grouped_step_name(&[&self.sets[*set].name], keys));
        let mut steps = Vec::new();
        if let Some(rule) = rule {
            let rule = (*set, rule, "");
            let [rows, grouped] =
                self.split_by_non_additive_rule(compiler, rule, &formulas, set_keys, (base, Vec::new()));
            steps.push(rows);
            base = grouped;
        }
        base.copied = self.fill_and_until_entries(builder, &base.group_by);
        steps.append(&mut step_builder.steps(base, &name));
        steps
    }

    /// Returns the steps of a model built on several metric sets: one step for each metric set, and the steps that
    /// combine their results.
    fn steps_over_metric_sets(
        &self,
        compiler: &Compiler,
        metric_ids: &[MetricId],
        keys: &ModelKeys,
        (builder, fill): (&ColumnBuilder<'_>, Option<&FillSetting>),
        bounds: impl Fn(usize) -> Vec<SourceMappedText>,
    ) -> Vec<StepText> {
        let mut steps = Vec::new();
        let mut names = Vec::new();
        for (index, RowGroup { set, rule }) in builder.groups.iter().enumerate() {
            let set_keys = &keys.set_keys[*set];
            let group_metrics = metric_ids
                .iter()
                .filter(|id| self.row_group(**id) == builder.groups[index]);
            let formulas: Vec<&MetricFormula> = group_metrics.map(|id| self.formula(*id)).collect();
            let aggregates = aggregate_definitions(&builder.columns, index);
            let mut step = self.grouped_rows_step(compiler, *set, (&formulas, rule.as_ref()), (set_keys, bounds(*set)));
            let mut name = self.unused_step_name(&grouped_step_name(&[&self.sets[*set].name], keys));
            let end_of_name = row_group_suffix(&builder.groups[index], builder.groups.as_slice());
            if let Some(rule) = rule {
                let end = if rule.takes_last { "last" } else { "first" };
                name = self.unused_step_name(&format!("{end}_{name}{end_of_name}"));
            }
            while names.contains(&name) {
                name.push_str("_rows");
            }
            step.name.clone_from(&name);
            names.push(name);
            match rule {
                None => {
                    step.definitions.extend(aggregates);
                    steps.push(step);
                }
                Some(rule) => {
                    let rule = (*set, rule, end_of_name.as_str());
                    let step = (step, aggregates);
                    steps.extend(self.split_by_non_additive_rule(compiler, rule, &formulas, set_keys, step));
                }
            }
        }
        let mut together: Vec<&str> = builder
            .groups
            .iter()
            .map(|group| self.sets[group.set].name.as_str())
            .collect();
        together.dedup();
        let name = self.unused_step_name(&grouped_step_name(&together, keys));
        let name = match (names.contains(&name), fill) {
            (_, Some(_)) => self.unused_step_name(&shorten_name(&format!("{name}_filled"))),
            (true, None) => self.unused_step_name(&shorten_name(&format!("{name}_combined"))),
            (false, None) => name,
        };
        if let Some(fill) = fill {
            let mut periods = self.period_steps(fill, keys, &names);
            names.extend(periods.last().map(|step| step.name.clone()));
            steps.append(&mut periods);
        }
        let base = union_step(self, keys, &names);
        steps.extend(StepBuilder::new(builder).steps(base, &name));
        steps
    }
}
