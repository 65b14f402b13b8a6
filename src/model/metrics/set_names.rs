//! Meaning of names in the formulas of metric sets.

use super::formulas::NameOccurrence;
use super::metric_set::{MetricSet, MetricSets};
use super::model_on_metric_sets::{unknown_metric_error, unknown_set_error};
use crate::diag::{Code, Diagnostic, suggest};
use crate::span::Span;
use formulac_syntax::diag::lists::join_names;

/// Meaning of a name in a formula of a metric set.
pub enum ResolvedSetName<'s> {
    /// Definition of the metric set itself.
    Own(usize),
    /// Column of the metric set's relations.
    Column,
    /// Definitions with this name in the metric sets on which the set is built. The name is valid only if there is
    /// exactly one such definition.
    OfSets(Vec<(&'s MetricSet, usize)>),
}

impl MetricSet {
    /// Resolves a name in the formula of the metric set's definition `formula_name`. `find` looks up a metric set by
    /// name.
    pub fn resolve_name_in_formula<'s>(
        &'s self,
        formula_name: &str,
        name: &NameOccurrence,
        find: impl Fn(&str) -> Option<&'s MetricSet>,
    ) -> ResolvedSetName<'s> {
        let qualifier = name.qualifier.as_deref();
        let is_of = |set: &str| qualifier.is_none_or(|qualifier| qualifier.eq_ignore_ascii_case(set));
        // In a metric set with rows, a qualifier refers to a relation, even if the set has the same name.
        let may_be_own = match self.sets.is_empty() {
            true => qualifier.is_none(),
            false => is_of(&self.name),
        };
        let index = self.position(&name.name).filter(|_| may_be_own);
        if let Some(index) = index.filter(|_| !formula_name.eq_ignore_ascii_case(&name.name)) {
            return ResolvedSetName::Own(index);
        }
        if self.sets.is_empty() {
            return ResolvedSetName::Column;
        }
        let sets = self.sets.iter().filter(|set| is_of(set)).filter_map(|set| find(set));
        ResolvedSetName::OfSets(
            sets.filter_map(|set| Some((set, set.position_by_any_name(&name.name)?)))
                .collect(),
        )
    }

    /// In a metric set built on other metric sets, reports references to metric sets and metrics that do not exist.
    pub fn check_names_of_other_sets(&self, sets: &MetricSets) -> Vec<Diagnostic> {
        let mut faults = Vec::new();
        let nodes = self.root.get("sets").into_iter();
        for node in nodes.flat_map(|node| node.items().unwrap_or(std::slice::from_ref(node))) {
            let Some(name) = node.text().filter(|name| self.sets.iter().any(|set| set == name)) else {
                continue;
            };
            if name.eq_ignore_ascii_case(&self.name) {
                faults.push(
                    Diagnostic::new(
                        Code::UnknownMetric,
                        node.span,
                        format!("the metric set `{name}` is built on itself"),
                    )
                    .with_help("remove the name; the set's own metrics need no `sets`"),
                );
            } else if sets.get(name).is_none() {
                faults.push(unknown_set_error(name, node.span, sets, Some(self)));
            }
        }
        // If a metric set does not exist, an unknown name may be one of its metrics, so it is not reported.
        let is_complete = faults.is_empty();
        let find = |set: &str| sets.get(set).map(|set| &**set);
        for formula in &self.definitions {
            for name in &formula.names {
                let candidate_count = match self.resolve_name_in_formula(&formula.name, name, find) {
                    ResolvedSetName::OfSets(candidates) if candidates.len() != 1 => candidates.len(),
                    _ => continue,
                };
                let span = formula.file_span(&name.range);
                let is_named = |qualifier: &&str| self.sets.iter().any(|set| set.eq_ignore_ascii_case(qualifier));
                let qualifier = name.qualifier.as_deref().filter(is_named);
                match qualifier.map(|qualifier| sets.get(qualifier)) {
                    Some(Some(metric_set)) if candidate_count == 0 => {
                        faults.push(unknown_metric_error(metric_set, &name.name, span));
                    }
                    Some(None) => {}
                    _ if is_complete => {
                        faults.push(self.unresolved_metric_error(&formula.name, name, span, find));
                    }
                    _ => {}
                }
            }
        }
        faults
    }

    /// Reports a name in the formula `formula` that is not a metric of exactly one of the metric sets on which the set
    /// is built.
    pub fn unresolved_metric_error<'s>(
        &'s self,
        formula: &str,
        name: &NameOccurrence,
        span: Span,
        find: impl Fn(&str) -> Option<&'s MetricSet>,
    ) -> Diagnostic {
        let set_metrics = match self.resolve_name_in_formula(formula, name, &find) {
            ResolvedSetName::OfSets(candidates) => candidates,
            _ => Vec::new(),
        };
        let name_text = &name.name;
        let set_name = name.qualifier.as_deref();
        let other = set_name.filter(|qualifier| !self.sets.iter().any(|set| set.eq_ignore_ascii_case(qualifier)));
        let (subject, problem, help) = match (set_metrics.as_slice(), other) {
            ([], Some(other)) => (
                other,
                "is not one of the combined sets",
                format!("add `{other}` to `sets`"),
            ),
            ([], None) => {
                let sets = self.sets.iter().filter_map(|set| find(set));
                let names = sets.flat_map(|set| set.metrics().map(|metric| metric.name.as_str()));
                let other = || format!("use a metric of {}", join_names(&self.sets, "or"));
                let help = suggest::similar_name_help_or(name_text, names, other);
                (name_text.as_str(), "is not a metric of the combined sets", help)
            }
            (several, _) => {
                let names: Vec<String> = several
                    .iter()
                    .map(|(set, _)| format!("{}.{name_text}", set.name))
                    .collect();
                let help = format!("write {}", join_names(&names, "or"));
                (
                    name_text.as_str(),
                    "is ambiguous: several of the combined sets have a metric with this name",
                    help,
                )
            }
        };
        let message = format!("`{subject}` in the metric `{}.{formula}` {problem}", self.name);
        Diagnostic::new(Code::UnknownMetric, span, message).with_help(help)
    }
}
