//! Expands a model over metric sets to a spec with `from` and `definitions`.

use std::sync::Arc;

use super::columns::ColumnBuilder;
use super::fill::Fill;
use super::filled_step::read_filled_step;
use super::formulas::MetricFormula;
use super::graph::MetricId;
use super::keys::{ModelKeys, period_rank, relation_name};
use super::non_additive::RowGroup;
use super::request::{ModelOverSets, read_model};
use super::set::{MetricSet, MetricSets};
use super::spelled::SpelledText;
use super::stages::{StepWriter, aggregates_of, union_step};
use super::step_text::StepText;
use crate::compiler::Compiler;
use crate::diag::Diagnostic;
use crate::load::SpecKind;
use crate::span::Span;
use crate::yaml::{self, Node};

/// Spec with the definitions of metric sets written out.
#[derive(Clone, Debug)]
pub struct Expansion {
    pub text: SpelledText,
    /// Metric sets of the text, in the order of their file numbers, which begin with 1.
    pub sets: Vec<Arc<MetricSet>>,
    /// Place in the model's spec for diagnostics about the sets.
    pub span: Span,
    /// Whether the only set stands for a step of the spec itself.
    pub is_own: bool,
    /// Whether the model has a row for every period.
    pub is_filled: bool,
    /// Metrics that the model reads, as `set.metric`, sorted.
    pub metrics: Vec<String>,
    /// Columns that are computed from metrics, each with all these metrics.
    pub metrics_of_columns: Vec<(String, Vec<String>)>,
    /// Columns that hold metrics, each with the index of the set and of its definition.
    pub metric_columns: Vec<(String, usize, usize)>,
    /// Columns in `metrics`, each with the index of the set and of its definition.
    pub listed: Vec<(String, usize, usize)>,
    /// Definitions as they are written in the sets and in the model, by name.
    pub formulas: Vec<(String, String)>,
    /// Name of the step that is expanded, if it has one.
    pub step: Option<String>,
    /// Names of the spec's steps that are copied.
    pub other_steps: Vec<String>,
    /// Whether the text has only keys that a person may write.
    pub is_spec: bool,
}

/// Expands a model over metric sets. Returns `None` and reports faults if that is not possible.
pub fn expand(
    compiler: &Compiler,
    sets: &MetricSets,
    (root, source): (&Node, &str),
    kind: SpecKind,
    faults: &mut Vec<Diagnostic>,
) -> Option<Expansion> {
    let model = match kind {
        SpecKind::Filled => read_filled_step(compiler, root, source, faults)?,
        _ => {
            let mut model = read_model(compiler, sets, root, source, faults)?;
            model.kind = kind;
            model.check_names(faults);
            model.check_settings(faults);
            model
        }
    };
    let listed = model
        .listed
        .iter()
        .map(|listed| ((listed.set, listed.metric), listed.span));
    let mut first: Vec<(MetricId, Span)> = listed.collect();
    // Keys are named after the sets are known, but which metrics the model needs does not depend on their names.
    let named = model.metrics_named(&model.possible_key_names(), faults);
    first.extend(named);
    for (id, span) in &first {
        model.check_deprecated(*id, *span, compiler.specs.current_date.as_deref(), faults);
    }
    let first: Vec<MetricId> = first.into_iter().map(|(id, _)| id).collect();
    let needed = model.needed_metrics(&first, faults);
    if faults.iter().any(Diagnostic::is_error) {
        return None;
    }
    let groups = model.row_groups(&needed);
    let mut used: Vec<usize> = groups.iter().map(|group| group.set).collect();
    used.dedup();
    let is_single = groups.len() == 1 && model.sets.len() == 1;
    let keys = model.resolve_keys(compiler, &used, is_single, faults);
    model.check_key_names(&keys, faults);
    if faults.iter().any(Diagnostic::is_error) {
        return None;
    }
    model.check_bounds(&keys, &used, faults);
    let fill = model.read_fill(&keys, &used, faults);
    let is_single = is_single && fill.is_none();
    let mut builder = ColumnBuilder::new(&model, &keys, groups, is_single, &needed);
    builder.build();
    faults.append(&mut builder.faults);
    if faults.iter().any(Diagnostic::is_error) {
        return None;
    }
    let with_since = !model.filters_since_last(&keys, &builder.columns);
    let bounds = |set: usize| model.period_filters(set, &keys.of_sets[set], keys.time, with_since);
    let steps = match builder.groups.as_slice() {
        [RowGroup { set, rule }] if is_single => {
            let formulas: Vec<&MetricFormula> = needed.iter().map(|id| model.formula(*id)).collect();
            let own = &keys.of_sets[*set];
            let base = model.rows_step(compiler, *set, &formulas, (own, bounds(*set)), Vec::new());
            let name = model.free_step_name(&grouped_name(&[&model.sets[*set].name], &keys));
            let writer = StepWriter::new(&builder);
            match rule {
                None => writer.steps(base, &name),
                Some(rule) => {
                    let [rows, base] = model.with_rule((*set, rule), &formulas, own, base);
                    let mut steps = vec![rows];
                    steps.append(&mut writer.steps(base, &name));
                    steps
                }
            }
        }
        _ => model.steps_over_sets(compiler, &needed, &keys, (&builder, fill.as_ref()), bounds),
    };
    let columns = builder.columns.metrics.iter();
    let mut metric_columns: Vec<(String, usize, usize)> = columns
        .map(|(id, column)| (builder.columns.all[*column].text.name.clone(), id.0, id.1))
        .collect();
    metric_columns.sort();
    let listed = model.listed.iter();
    let listed = listed.map(|listed| (listed.name.clone(), listed.set, listed.metric));
    let mut text = SpelledText::default();
    model.write_spec(&steps, &mut text);
    let mut metrics: Vec<String> = needed.iter().map(|id| model.metric_name(*id)).collect();
    metrics.sort_unstable();
    Some(Expansion {
        text,
        sets: model.sets.clone(),
        span: model.span,
        metrics,
        metric_columns,
        listed: listed.collect(),
        metrics_of_columns: model.metrics_of_columns(&keys.names),
        formulas: model.written_formulas(),
        step: model.step.get("name").and_then(Node::text).map(str::to_owned),
        other_steps: model.other_steps(),
        is_own: kind == SpecKind::Filled,
        is_filled: fill.is_some(),
        is_spec: is_single,
    })
}

/// Returns the name of a step that groups the rows of sets by keys.
fn grouped_name(sets: &[&str], keys: &ModelKeys) -> String {
    let from = match sets {
        [one] => (*one).to_owned(),
        [one, other] => format!("{one}_and_{other}"),
        [one, ..] => format!("{one}_and_more"),
        [] => "metrics".to_owned(),
    };
    match keys.names.as_slice() {
        [] => format!("{from}_in_total"),
        [key] => format!("{from}_by_{key}"),
        [one, two] => format!("{from}_by_{one}_and_{two}"),
        [one, ..] => format!("{from}_by_{one}_and_more"),
    }
}

impl ModelOverSets<'_> {
    /// Returns the names that the keys may have in formulas.
    fn possible_key_names(&self) -> Vec<String> {
        self.keys
            .iter()
            .map(|key| match self.sets.first().and_then(|set| set.time.as_ref()) {
                Some(time) => crate::plan::key_name(&format!("{}[{}]", time.column, key.text)),
                None => crate::plan::key_name(&key.text),
            })
            .zip(self.keys.iter().map(|key| crate::plan::key_name(&key.text)))
            .flat_map(|(one, other)| [one, other])
            .collect()
    }

    /// Returns the definitions of the model's columns as they are written. A step with `fill` also has its dimensions.
    fn written_formulas(&self) -> Vec<(String, String)> {
        let own = self
            .sets
            .iter()
            .filter(|_| self.kind == SpecKind::Filled)
            .flat_map(|set| &set.definitions);
        let own = own.map(|formula| (formula.name.clone(), formula.text.clone()));
        let is_overridden = |name: &str| {
            self.definitions
                .iter()
                .any(|definition| definition.name.eq_ignore_ascii_case(name))
        };
        let listed = self.listed.iter();
        let listed = listed.filter(|listed| self.kind != SpecKind::Filled && !is_overridden(&listed.name));
        let listed = listed.map(|listed| {
            (
                listed.name.clone(),
                self.formula((listed.set, listed.metric)).text.clone(),
            )
        });
        let defined = self
            .definitions
            .iter()
            .map(|formula| (formula.name.clone(), formula.text.clone()));
        own.chain(listed).chain(defined).collect()
    }

    fn other_steps(&self) -> Vec<String> {
        let steps = self.root.get("steps").and_then(Node::items).unwrap_or_default().iter();
        let others = steps.filter(|step| !std::ptr::eq(*step, self.step));
        others
            .filter_map(|step| step.get("name")?.text())
            .map(str::to_owned)
            .collect()
    }

    /// Returns each column that is computed from metrics, with all these metrics.
    fn metrics_of_columns(&self, keys: &[String]) -> Vec<(String, Vec<String>)> {
        let names = |first: &[MetricId]| {
            let all = self.needed_metrics(first, &mut Vec::new());
            all.iter().map(|id| self.metric_name(*id)).collect()
        };
        let listed = self
            .listed
            .iter()
            .map(|listed| (listed.name.clone(), names(&[(listed.set, listed.metric)])));
        let defined = (0..self.definitions.len()).map(|place| {
            let first = self.metrics_of_definition(place, keys);
            (self.definitions[place].name.clone(), names(&first))
        });
        listed.chain(defined).collect()
    }

    /// Returns a step name that is not the name of a relation or of another step.
    pub fn free_step_name(&self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let relations = self.sets.iter().flat_map(|set| {
            let joins = set.root.get("joins").and_then(Node::items).unwrap_or_default().iter();
            let joins = joins.flat_map(|join| [join.get("to"), join.get("as")]).flatten();
            set.root
                .get("from")
                .into_iter()
                .chain(joins)
                .filter_map(Node::text)
                .map(relation_name)
        });
        let steps = self.root.get("steps").and_then(Node::items).unwrap_or_default().iter();
        let steps = steps
            .filter_map(|step| step.get("name").and_then(Node::text))
            .map(str::to_owned);
        let taken: Vec<String> = relations.chain(steps).collect();
        while taken.iter().any(|taken| taken.eq_ignore_ascii_case(&name)) {
            name.push_str("_metrics");
        }
        name
    }

    /// Returns the steps of a model over several sets: one for each set, and those that put them together.
    fn steps_over_sets(
        &self,
        compiler: &Compiler,
        needed: &[MetricId],
        keys: &ModelKeys,
        (builder, fill): (&ColumnBuilder<'_>, Option<&Fill>),
        bounds: impl Fn(usize) -> Vec<SpelledText>,
    ) -> Vec<StepText> {
        let mut steps = Vec::new();
        let mut names = Vec::new();
        for (place, RowGroup { set, rule }) in builder.groups.iter().enumerate() {
            let own = &keys.of_sets[*set];
            let read = needed.iter().filter(|id| self.row_group(**id) == builder.groups[place]);
            let formulas: Vec<&MetricFormula> = read.map(|id| self.formula(*id)).collect();
            let aggregates = aggregates_of(&builder.columns, place);
            let mut step = self.rows_step(compiler, *set, &formulas, (own, bounds(*set)), aggregates);
            let mut name = self.free_step_name(&grouped_name(&[&self.sets[*set].name], keys));
            if let Some(rule) = rule {
                name = format!("{}_{name}", if rule.takes_last { "last" } else { "first" });
            }
            while names.contains(&name) {
                name.push_str("_rows");
            }
            step.name.clone_from(&name);
            names.push(name);
            match rule {
                None => steps.push(step),
                Some(rule) => steps.extend(self.with_rule((*set, rule), &formulas, own, step)),
            }
        }
        let mut together: Vec<&str> = builder
            .groups
            .iter()
            .map(|group| self.sets[group.set].name.as_str())
            .collect();
        together.dedup();
        let name = self.free_step_name(&grouped_name(&together, keys));
        let name = match (names.contains(&name), fill) {
            (_, Some(_)) => format!("{name}_filled"),
            (true, None) => format!("{name}_combined"),
            (false, None) => name,
        };
        if let Some(fill) = fill {
            let mut periods = self.period_steps(fill, keys, &names);
            names.extend(periods.last().map(|step| step.name.clone()));
            steps.append(&mut periods);
        }
        let base = union_step(self, keys, &names);
        steps.extend(StepWriter::new(builder).steps(base, &name));
        steps
    }
}

/// Returns the shortest period that all sets with rows have, of those over which a set is defined. `None` if one of
/// them has no time.
fn probe_period(set: &MetricSet, sets: &MetricSets) -> Option<String> {
    let mut all = vec![set];
    let mut next = 0;
    while let Some(set) = all.get(next).copied() {
        for name in &set.sets {
            let used = &**sets.get(name)?;
            if !all.iter().any(|known| known.name.eq_ignore_ascii_case(&used.name)) {
                all.push(used);
            }
        }
        next += 1;
    }
    let mut periods = Vec::new();
    for set in all.iter().filter(|set| set.sets.is_empty()) {
        periods.push(set.time.as_ref()?.grain.as_deref().unwrap_or("day"));
    }
    periods
        .into_iter()
        .max_by_key(|period| period_rank(period))
        .map(str::to_owned)
}

/// Returns the text of a model that uses all metrics and dimensions of a set, to check the set.
pub fn probe_text(set: &MetricSet, sets: &MetricSets) -> String {
    let quoted = |name: &str| yaml::flow_text(name);
    let mut keys: Vec<String> = probe_period(set, sets).into_iter().collect();
    let dimensions = set.definitions.iter().filter(|formula| !set.is_metric(formula));
    keys.extend(dimensions.map(|formula| quoted(&formula.name)));
    format!(
        "model: {}_metrics\nmetrics: [{}.*]\ngroup_by: [{}]\n",
        set.name,
        set.name,
        keys.join(", ")
    )
}
