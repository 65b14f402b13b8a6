//! Metrics that a model built on metric sets needs, in dependency order.

use formulac_syntax::diag::lists::{join_words, quote_names};
use rustc_hash::FxHashSet;

use super::formulas::{MetricFormula, NameOccurrence};
use super::metric_set::MetricSet;
use super::model_on_metric_sets::{ModelOnMetricSets, unknown_metric_error};
use super::rows::parse_name_occurrence;
use super::set_names::ResolvedSetName;
use crate::Level;
use crate::arena::Arena;
use crate::diag::{Code, Diagnostic};
use crate::load::SpecKind;
use crate::plan::{key_name, split_timeframe};
use crate::span::Span;

/// Identifies a metric: the index of its metric set, and the index of its definition in the set.
pub type MetricId = (usize, usize);

/// Target of a name in a formula of a metric set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetNameTarget {
    Metric(MetricId),
    /// Dimension of the metric set.
    Dimension(usize),
    /// Column of one of the metric set's relations.
    Column,
    Unknown,
}

/// Target of a name in a formula of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelNameTarget {
    /// Definition of the model.
    Definition(usize),
    Metric(MetricId),
    /// Key in `group_by`.
    Key(usize),
}

impl ModelOnMetricSets<'_> {
    pub fn formula(&self, id: MetricId) -> &MetricFormula {
        &self.sets[id.0].definitions[id.1]
    }

    /// Returns the qualified name of a metric, such as `orders.revenue`.
    pub fn metric_name(&self, id: MetricId) -> String {
        format!("{}.{}", self.sets[id.0].name, self.formula(id).name)
    }

    /// Resolves a name in a formula of a metric set.
    pub fn resolve_in_set(&self, set: usize, formula_name: &str, name: &NameOccurrence) -> SetNameTarget {
        let metric_set = &self.sets[set];
        match metric_set.resolve_name_in_formula(formula_name, name, |name| self.find_set(name)) {
            ResolvedSetName::Own(index) if metric_set.is_metric(&metric_set.definitions[index]) => {
                SetNameTarget::Metric((set, index))
            }
            ResolvedSetName::Own(index) => SetNameTarget::Dimension(index),
            ResolvedSetName::Column => SetNameTarget::Column,
            ResolvedSetName::OfSets(candidates) => match candidates.as_slice() {
                [(owner, index)] => self
                    .index_of_metric_set(&owner.name)
                    .map_or(SetNameTarget::Unknown, |set| SetNameTarget::Metric((set, *index))),
                _ => SetNameTarget::Unknown,
            },
        }
    }

    fn find_set(&self, name: &str) -> Option<&MetricSet> {
        Some(&self.sets[self.index_of_metric_set(name)?])
    }

    /// Returns the given metrics and the metrics from which they are computed, in dependency order. Reports names that
    /// cannot be resolved.
    pub fn needed_metrics(&self, first: &[MetricId], faults: &mut Vec<Diagnostic>) -> Vec<MetricId> {
        let mut order: Vec<MetricId> = Vec::new();
        let mut visited_ids: FxHashSet<MetricId> = FxHashSet::default();
        let mut open: FxHashSet<MetricId> = FxHashSet::default();
        let mut stack: Vec<(MetricId, bool)> = first.iter().rev().map(|id| (*id, false)).collect();
        while let Some((id, is_left)) = stack.pop() {
            if is_left {
                open.remove(&id);
                if visited_ids.insert(id) {
                    order.push(id);
                }
                continue;
            }
            if visited_ids.contains(&id) {
                continue;
            }
            if !open.insert(id) {
                let path = stack.iter().filter(|(_, is_left)| *is_left).map(|(id, _)| *id);
                faults.push(self.cycle_error(path.skip_while(|other| *other != id).chain([id])));
                continue;
            }
            stack.push((id, true));
            let formula = self.formula(id);
            for name in formula.names.iter().rev() {
                match self.resolve_in_set(id.0, &formula.name, name) {
                    SetNameTarget::Metric(dependency) if !visited_ids.contains(&dependency) => {
                        stack.push((dependency, false));
                    }
                    SetNameTarget::Unknown => {
                        let set = &self.sets[id.0];
                        faults.push(
                            set.unresolved_metric_error(&formula.name, name, self.span, |name| self.find_set(name)),
                        );
                    }
                    _ => {}
                }
            }
        }
        order
    }

    fn cycle_error(&self, path: impl Iterator<Item = MetricId>) -> Diagnostic {
        let names: Vec<String> = path.map(|id| self.metric_name(id)).collect();
        let message = format!("these metrics depend on each other in a cycle: {}", names.join(" → "));
        Diagnostic::new(Code::DefinitionCycle, self.span, message)
            .with_help("compute one of the metrics from columns only")
    }

    /// Returns the metrics with this name in the metric sets to which the model refers.
    fn find_metrics(&self, name: &str) -> Vec<MetricId> {
        let named_sets = self.sets.iter().take(self.set_count).enumerate();
        named_sets
            .filter_map(|(set, metric_set)| {
                let index = metric_set.position_by_any_name(name)?;
                metric_set
                    .is_metric(&metric_set.definitions[index])
                    .then_some((set, index))
            })
            .collect()
    }

    /// Returns whether the model has `overrides` for a name.
    pub fn is_overridden(&self, name: &str) -> bool {
        self.overrides
            .iter()
            .any(|(override_name, _)| override_name.eq_ignore_ascii_case(name))
    }

    /// Resolves a name in a formula of the model. `own_definition` is the definition that contains the name. `keys`
    /// contains the output name of each key.
    pub fn resolve_in_model(
        &self,
        own_definition: Option<usize>,
        name: &NameOccurrence,
        span: Span,
        keys: &[String],
    ) -> Result<ModelNameTarget, Diagnostic> {
        let has_same_name = |other_name: &str| other_name.eq_ignore_ascii_case(&name.name);
        if let Some(key) = self.find_timeframe_key(name) {
            return Ok(ModelNameTarget::Key(key));
        }
        if let Some(qualifier) = &name.qualifier {
            let qualified_name = format!("{qualifier}.{}", name.name);
            if let Some(key) = self
                .keys
                .iter()
                .position(|key| key.text.eq_ignore_ascii_case(&qualified_name))
            {
                return Ok(ModelNameTarget::Key(key));
            }
            let Some(set) = self.index_of_metric_set(qualifier).filter(|set| *set < self.set_count) else {
                return Err(self.unknown_name_error(&qualified_name, span));
            };
            let metric_set = &self.sets[set];
            let index = metric_set
                .position_by_any_name(&name.name)
                .filter(|index| metric_set.is_metric(&metric_set.definitions[*index]));
            return index
                .map(|index| ModelNameTarget::Metric((set, index)))
                .ok_or_else(|| unknown_metric_error(metric_set, &name.name, span));
        }
        let defined = self
            .definitions
            .iter()
            .position(|definition| has_same_name(&definition.name));
        if let Some(index) = defined.filter(|index| Some(*index) != own_definition) {
            return Ok(ModelNameTarget::Definition(index));
        }
        if let Some(list_entry) = self
            .listed_metrics
            .iter()
            .find(|listed_metric| has_same_name(&listed_metric.name))
        {
            return Ok(ModelNameTarget::Metric((list_entry.set, list_entry.metric)));
        }
        let key = keys
            .iter()
            .position(|key| has_same_name(key))
            .or_else(|| self.keys.iter().position(|key| has_same_name(&key.text)));
        if let Some(key) = key {
            return Ok(ModelNameTarget::Key(key));
        }
        match self.find_metrics(&name.name).as_slice() {
            [metric_id] => match self
                .listed_metrics
                .iter()
                .find(|listed_metric| (listed_metric.set, listed_metric.metric) == *metric_id)
            {
                // A former name of the metric causes only a warning.
                Some(listed_metric) if !listed_metric.name.eq_ignore_ascii_case(&self.formula(*metric_id).name) => {
                    let message = format!(
                        "the metric `{}` is called `{}` in this model",
                        self.metric_name(*metric_id),
                        listed_metric.name
                    );
                    Err(Diagnostic::new(Code::UnknownMetric, span, message)
                        .with_help(format!("write `{}`", listed_metric.name)))
                }
                _ => Ok(ModelNameTarget::Metric(*metric_id)),
            },
            [] => Err(self.unknown_name_error(&name.name, span)),
            several => {
                let sets: Vec<String> = several
                    .iter()
                    .map(|(set, _)| format!("`{}.{}`", self.sets[*set].name, name.name))
                    .collect();
                let message = format!(
                    "`{}` is ambiguous: several metric sets have a metric with this name",
                    name.name
                );
                Err(Diagnostic::new(Code::UnknownMetric, span, message)
                    .with_help(format!("write {}", join_words(&sets, "or"))))
            }
        }
    }

    /// Returns the key to which a name with a timeframe refers, such as `ordered_at[month]`. The key may be spelled
    /// differently: `${orders.ordered_at[month]}`. Also returns the key to which the name of a period refers.
    pub fn find_timeframe_key(&self, name: &NameOccurrence) -> Option<usize> {
        let frame = split_timeframe(&name.frame).1;
        let is_input = |qualifier: &str| match self.kind {
            SpecKind::Periods => self.sets[0].name.eq_ignore_ascii_case(qualifier),
            _ => self
                .sets
                .iter()
                .any(|set| set.input_name().eq_ignore_ascii_case(qualifier)),
        };
        let is_same_key = |key: &super::model_on_metric_sets::ModelKey| {
            let (key_frame, column) = (split_timeframe(&key.text).1, parse_name_occurrence(&key.text));
            let same_relation = match (column.qualifier.as_deref(), name.qualifier.as_deref()) {
                (None, None) => true,
                (Some(key_qualifier), Some(other)) => key_qualifier.eq_ignore_ascii_case(other),
                (Some(qualifier), None) | (None, Some(qualifier)) => is_input(qualifier),
            };
            key_frame.eq_ignore_ascii_case(frame) && column.name.eq_ignore_ascii_case(&name.name) && same_relation
        };
        match frame.is_empty() {
            true => self.key_with_period_of_time(name),
            false => self.keys.iter().position(is_same_key),
        }
    }

    /// Returns the key that is a period of `time`, such as `orders.ordered_at[month]`, if the name is this period and
    /// no key, metric or definition has the same name.
    fn key_with_period_of_time(&self, name: &NameOccurrence) -> Option<usize> {
        let is_name = |other: &str| other.eq_ignore_ascii_case(&name.name);
        let mut keys = self.keys.iter();
        let index = keys.position(|key| key.period_of_time.as_deref().is_some_and(is_name))?;
        let is_taken = self.keys.iter().any(|key| is_name(&key_name(&key.text)))
            || self.definitions.iter().any(|definition| is_name(&definition.name))
            || self.listed_metrics.iter().any(|metric| is_name(&metric.name))
            || !self.find_metrics(&name.name).is_empty();
        (name.qualifier.is_none() && !is_taken).then_some(index)
    }

    fn unknown_name_error(&self, name: &str, span: Span) -> Diagnostic {
        let metrics = || self.sets.iter().take(self.set_count).flat_map(|set| set.metrics());
        let keys = self.keys.iter().map(|key| key.text.as_str());
        let names: Vec<&str> = metrics().map(|metric| metric.name.as_str()).chain(keys).collect();
        let fault = Diagnostic::new(
            Code::UnknownMetric,
            span,
            format!("`{name}` is not a metric, key or definition of the model"),
        );
        match crate::diag::suggest::nearest_name(name, names.iter().copied()) {
            Some(near) => fault.with_help(crate::diag::suggest::similar_name_help(near)),
            None => {
                let names = quote_names(names.iter().take(12)).join(", ");
                fault.with_help(format!(
                    "use {names}; a formula over columns must be a metric or dimension of a set"
                ))
            }
        }
    }

    /// Returns the metrics to which the model's formulas refer, and reports names that cannot be resolved.
    pub fn metrics_used_in_formulas(&self, keys: &[String], faults: &mut Vec<Diagnostic>) -> Vec<(MetricId, Span)> {
        let mut metrics = Vec::new();
        for (own_definition, formula) in self.model_formulas() {
            // Skip names in an aggregate, because they are columns and the aggregate itself is reported.
            let calls = &formula.aggregates;
            let in_call = |name: &&NameOccurrence| {
                own_definition.is_some()
                    && formula.level < Level::Window
                    && calls
                        .iter()
                        .any(|call| call.range.start <= name.range.start && name.range.end <= call.range.end)
            };
            for name in formula.names.iter().filter(|name| !in_call(name)) {
                let span = formula.file_span(&name.range);
                match self.resolve_in_model(own_definition, name, span, keys) {
                    Ok(ModelNameTarget::Metric(id)) => {
                        self.check_former_name(id, name, span, faults);
                        metrics.push((id, span));
                    }
                    // The names of a step that is treated like a metric set are checked by compiling the step.
                    Err(fault) if self.kind != SpecKind::Periods => faults.push(fault),
                    _ => {}
                }
            }
        }
        metrics
    }

    /// Returns the metrics to which a definition of the model refers, directly or through other definitions.
    pub fn metrics_of_definition(&self, index: usize, keys: &[String]) -> Vec<MetricId> {
        let mut seen = Arena::filled(false, self.definitions.len());
        let mut stack = vec![index];
        let mut metrics = Vec::new();
        while let Some(index) = stack.pop() {
            if std::mem::replace(&mut seen[index], true) {
                continue;
            }
            for name in &self.definitions[index].names {
                match self.resolve_in_model(Some(index), name, Span::default(), keys) {
                    Ok(ModelNameTarget::Metric(id)) => metrics.push(id),
                    Ok(ModelNameTarget::Definition(definition_index)) => stack.push(definition_index),
                    _ => {}
                }
            }
        }
        metrics
    }

    /// Returns the formulas that are computed from metrics, each with its index if the formula is a definition.
    pub fn model_formulas(&self) -> impl Iterator<Item = (Option<usize>, &MetricFormula)> {
        let definitions = self.definitions.iter().enumerate();
        let definitions = definitions.map(|(index, formula)| (Some(index), formula));
        let orders = self.order_by.iter().chain(&self.partition_by).flatten();
        definitions.chain(self.having.iter().chain(orders).map(|formula| (None, formula)))
    }
}
