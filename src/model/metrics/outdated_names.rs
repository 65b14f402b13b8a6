//! Deprecated metrics and dimensions, and former names of metrics and dimensions: the keys `deprecated` and
//! `renamed_from`. Models and metric sets can still use these names, but each use causes a warning.

use formulac_syntax::lex::quote_formula_name;

use super::formulas::{MetricFormula, NameOccurrence};
use super::graph::{MetricId, SetNameTarget};
use super::keys::{MetricSetKey, ModelKeys};
use super::metric_set::{MetricSet, MetricSets};
use super::model_on_metric_sets::ModelOnMetricSets;
use super::set_names::ResolvedSetName;
use crate::arena::Arena;
use crate::diag::{Code, Diagnostic};
use crate::load::SpecKind;
use crate::plan::{key_name, split_timeframe};
use crate::schema::lookups::{self, RecordedLookup};
use crate::span::Span;

impl MetricSet {
    /// Returns the position of a dimension or metric by its current or former name. A current name takes precedence.
    pub fn position_by_any_name(&self, name: &str) -> Option<usize> {
        let renamed = || self.position(self.renamed.get(&name.to_lowercase())?);
        self.position(name).or_else(renamed)
    }

    /// Returns the current name of a metric or dimension that a model calls by its former name. `None` for other names.
    pub fn current_name(&self, former: &str) -> Option<&str> {
        let renamed = self.renamed.get(&former.to_lowercase())?;
        let is_former = self.position(former).is_none() && self.position(renamed).is_some();
        is_former.then_some(renamed)
    }

    /// Returns the current name of a dimension that a model calls by its former name.
    pub fn current_dimension(&self, former: &str) -> Option<&str> {
        let current = self.current_name(former)?;
        let index = self.position(current)?;
        (!self.is_metric(&self.definitions[index])).then_some(current)
    }

    /// Returns a key with the current name of its dimension: `region` becomes `sales_region`. `None` if the key does
    /// not use the former name of a dimension.
    pub fn key_with_current_name(&self, key: &str) -> Option<String> {
        let (name, frame) = split_timeframe(key);
        let current = quote_formula_name(self.current_dimension(name)?);
        Some(match frame {
            "" => current,
            frame => format!("{current}[{frame}]"),
        })
    }

    /// Warns about the former name of a dimension.
    pub fn renamed_dimension_warning(&self, former: &str, current: &str, span: Span) -> Diagnostic {
        let message = format!(
            "the dimension `{former}` of the set `{}` has been renamed to `{current}`",
            self.name
        );
        Diagnostic::new(Code::DeprecatedMetric, span, message)
    }

    /// Warns about the former name of a metric.
    pub fn renamed_metric_warning(&self, former: &str, current: &str, span: Span) -> Diagnostic {
        let message = format!("the metric `{}.{former}` has been renamed to `{current}`", self.name);
        Diagnostic::new(Code::DeprecatedMetric, span, message)
    }

    /// Warns about formulas of the metric set that use deprecated metrics or former names of metrics. `today` is the
    /// current date.
    pub fn check_outdated_metrics(&self, sets: &MetricSets, today: Option<&str>) -> Vec<Diagnostic> {
        self.outdated_metrics_in(&self.definitions, |set| sets.get(set).map(|set| &**set), today)
    }

    /// Warns about outdated metrics in formulas of the metric set. `find` returns the metric set with a given name.
    fn outdated_metrics_in<'m>(
        &'m self,
        formulas: impl IntoIterator<Item = &'m MetricFormula>,
        find: impl Fn(&str) -> Option<&'m Self>,
        today: Option<&str>,
    ) -> Vec<Diagnostic> {
        let mut faults = Vec::new();
        let formulas = formulas.into_iter();
        for (formula, name) in formulas.flat_map(|formula| formula.names.iter().map(move |name| (formula, name))) {
            let span = formula.file_span(&name.range);
            let (owner, index) = match self.resolve_name_in_formula(&formula.name, name, &find) {
                ResolvedSetName::Own(index) => (self, index),
                ResolvedSetName::OfSets(candidates) => match candidates.as_slice() {
                    [candidate] => *candidate,
                    _ => continue,
                },
                _ => continue,
            };
            if let Some(current) = owner.current_name(&name.name) {
                let fault = owner.renamed_metric_warning(&name.name, current, span);
                faults.push(fault.with_help(match name.qualifier {
                    Some(_) => format!("write `{}.{current}`", owner.name),
                    None => format!("write `{current}`"),
                }));
            }
            // A deprecated metric may use other deprecated metrics, because all of them will be removed.
            if !self.is_deprecated(&formula.name) {
                faults.extend(owner.deprecation_warning(index, span, today));
            }
        }
        faults
    }

    fn is_deprecated(&self, name: &str) -> bool {
        self.properties(name)
            .is_some_and(|node| node.get("deprecated").is_some())
    }

    /// Warns about a use of a metric or dimension that the metric set marks as deprecated. On and after the `until`
    /// date, the use is an error.
    pub fn deprecation_warning(&self, index: usize, span: Span, today: Option<&str>) -> Option<Diagnostic> {
        let definition = self.definitions.try_get(index)?;
        let kind = if self.is_metric(definition) {
            "metric"
        } else {
            "dimension"
        };
        let name = &definition.name;
        let deprecated = self.properties(name)?.get("deprecated")?;
        let until = deprecated.text_at("until");
        if until.is_some() {
            lookups::record_lookup(|| RecordedLookup::CurrentDate);
        }
        let is_over = until.is_some_and(|until| today.is_some_and(|today| until <= today));
        let full = format!("{}.{name}", self.name);
        let (code, message) = match (is_over, until) {
            (true, Some(until)) => (
                Code::UnknownMetric,
                format!("the {kind} `{full}` is deprecated, and using it has been an error since {until}"),
            ),
            (_, Some(until)) => (
                Code::DeprecatedMetric,
                format!("the {kind} `{full}` is deprecated, and using it becomes an error on {until}"),
            ),
            (_, None) => (Code::DeprecatedMetric, format!("the {kind} `{full}` is deprecated")),
        };
        let fault = Diagnostic::new(code, span, message);
        Some(match deprecated.text_at("use") {
            Some(other) => fault.with_help(format!("use `{other}`")),
            None => fault.with_help(format!("use another {kind}")),
        })
    }
}

impl ModelOnMetricSets<'_> {
    /// Reports deprecated metrics whose `until` date has passed, if formulas of the metric sets use them to compute the
    /// needed metrics.
    pub fn check_metrics_used_in_sets(
        &self,
        metric_ids: &[MetricId],
        today: Option<&str>,
        faults: &mut Vec<Diagnostic>,
    ) {
        let find = |name: &str| {
            let mut sets = self.sets.iter().map(|set| &**set);
            sets.find(|set| set.name.eq_ignore_ascii_case(name))
        };
        for id in metric_ids {
            let set = &self.sets[id.0];
            let diagnostics = set.outdated_metrics_in([self.formula(*id)], find, today);
            let errors = diagnostics.into_iter().filter(Diagnostic::is_error);
            faults.extend(errors.map(|fault| self.to_model_error(set, fault)));
        }
    }

    /// Warns about a metric that a formula of the model calls by its former name. A name that the model gives to a
    /// column is not reported.
    pub fn check_former_name(&self, id: MetricId, name: &NameOccurrence, span: Span, faults: &mut Vec<Diagnostic>) {
        let set = &self.sets[id.0];
        let is_column = name.qualifier.is_none()
            && self
                .listed_metrics
                .iter()
                .any(|listed_metric| listed_metric.name.eq_ignore_ascii_case(&name.name));
        let Some(current) = set.current_name(&name.name).filter(|_| !is_column) else {
            return;
        };
        // Formulas refer to a listed metric by the name of its column.
        let list_entry = self
            .listed_metrics
            .iter()
            .find(|listed_metric| (listed_metric.set, listed_metric.metric) == id);
        let column_name = list_entry.map_or(current, |listed_metric| &listed_metric.name);
        let help = match name.qualifier {
            Some(_) => format!("write `{}.{current}`", set.name),
            None => format!("write `{column_name}`"),
        };
        faults.push(set.renamed_metric_warning(&name.name, current, span).with_help(help));
    }

    /// Warns about deprecated dimensions, and about former names of dimensions, in the model's keys and filters.
    /// `set_indexes` contains the metric sets that have rows.
    pub fn check_outdated_dimensions(&self, set_indexes: &[usize], today: Option<&str>, faults: &mut Vec<Diagnostic>) {
        for set in set_indexes {
            let metric_set = &self.sets[*set];
            let deprecation = |name: &str, span: Span| {
                let index = metric_set
                    .position_by_any_name(name)
                    .filter(|_| self.kind != SpecKind::WholeSet);
                metric_set.deprecation_warning(index?, span, today)
            };
            for key in &self.keys {
                let part = key.key_column_of_set(metric_set);
                let (text, span) = part.map_or((&key.text, key.span), |part| (&part.column, part.span));
                let former = split_timeframe(text).0;
                faults.extend(deprecation(former, span));
                let (Some(current), Some(entry)) = (
                    metric_set.current_dimension(former),
                    metric_set.key_with_current_name(text),
                ) else {
                    continue;
                };
                let help = match part {
                    Some(_) => format!("write `{entry}`"),
                    None => {
                        let name = key_name(text);
                        let entry = crate::yaml::format_flow_scalar(&entry);
                        format!(
                            "write `{entry}`, or `- {name}: {{{}: {entry}}}` to keep the name of the column",
                            metric_set.name
                        )
                    }
                };
                faults.push(
                    metric_set
                        .renamed_dimension_warning(former, current, span)
                        .with_help(help),
                );
            }
            for (_, filter) in self.filters_of_set(*set) {
                for name in filter
                    .names
                    .iter()
                    .filter(|name| self.key_of_filter_name(name).is_none())
                {
                    let plain = name.qualifier.is_none().then_some(&name.name);
                    faults.extend(plain.and_then(|plain| deprecation(plain, filter.file_span(&name.range))));
                    if let Some(current) = self.current_name_in_filter(*set, name) {
                        let fault =
                            metric_set.renamed_dimension_warning(&name.name, current, filter.file_span(&name.range));
                        faults.push(fault.with_help(format!("write `{}`", name.replacement_text(current))));
                    }
                }
            }
        }
    }

    /// Returns the current name of a dimension that a filter of the model calls by its former name.
    pub fn current_name_in_filter(&self, set: usize, name: &NameOccurrence) -> Option<&str> {
        let is_plain = name.qualifier.is_none();
        self.sets[set].current_dimension(&name.name).filter(|_| is_plain)
    }

    /// Returns the position of the key to which a name in a filter of the model refers.
    pub fn key_of_filter_name(&self, name: &NameOccurrence) -> Option<usize> {
        let is_key = |text: &str| name.qualifier.is_none() && text.eq_ignore_ascii_case(&name.name);
        self.keys.iter().position(|key| is_key(&key.text))
    }

    /// Returns how the step that reads the metric set's rows must spell a name from one of the set's formulas. A key
    /// may have the name of a column from which the metric set computes other values, for example after `region` has
    /// been renamed to `sales_region`. In this case, the column is qualified with the name of its relation.
    /// `formula_name` is the name of the formula.
    pub fn column_name_distinct_from_keys(
        &self,
        set: usize,
        formula_name: &str,
        name: &NameOccurrence,
        keys: &Arena<MetricSetKey>,
    ) -> NameOccurrence {
        let is_hidden = name.qualifier.is_none()
            && position_of_shadowing_key(&name.name, keys).is_some()
            && self.resolve_in_set(set, formula_name, name) == SetNameTarget::Column;
        NameOccurrence {
            qualifier: match is_hidden {
                true => Some(self.sets[set].input_name()),
                false => name.qualifier.clone(),
            },
            ..name.clone()
        }
    }

    /// Reports a key that has the name of its metric set's `time`, but a different value.
    pub fn report_keys_shadowing_time(&self, set_indexes: &[usize], keys: &ModelKeys, faults: &mut Vec<Diagnostic>) {
        for set in set_indexes {
            let metric_set = &self.sets[*set];
            let Some(time) = metric_set.time.as_ref() else { continue };
            let set_keys = &keys.set_keys[*set];
            let is_column = metric_set.position(&time.column).is_none();
            let hiding = position_of_shadowing_key(&time.column, set_keys);
            // In a model built on several metric sets, a period of `time` is computed from the qualified time column.
            let is_period = |index: &usize| self.sets.len() > 1 && set_keys[*index].period.is_some();
            if is_column && let Some(index) = hiding.filter(|index| !is_period(index)) {
                let (name, column) = (&time.column, &set_keys[index].column);
                let message = format!(
                    "the model computes the key `{name}` from `{column}`, but `{name}` is also the time of the set \
                     `{}`",
                    metric_set.name
                );
                faults.push(
                    Diagnostic::new(Code::MetricKey, self.keys[index].span, message)
                        .with_help(format!("group by `{column}`")),
                );
            }
        }
    }
}

/// Returns the position of the key that hides this name. In the step that reads the metric set's rows, this key is a
/// definition with the same name.
fn position_of_shadowing_key(name: &str, keys: &Arena<MetricSetKey>) -> Option<usize> {
    keys.iter().position(|key| {
        let definition = key.definition.as_ref();
        definition.is_some_and(|definition| definition.name.eq_ignore_ascii_case(name))
    })
}
