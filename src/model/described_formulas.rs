//! Finds the formulas that describe the columns of a spec's output.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::compile::SpecCompilation;
use super::load::{Step, StepInputs};
use super::sources::JoinTarget;
use crate::schema::Relation;

/// Formulas of definitions and grouping keys on one line, by lower-case name and index of the step.
pub(super) type FormulasByName = FxHashMap<String, BTreeMap<usize, String>>;

/// Inputs of a step.
struct TracedStep<'r> {
    read: StepInputs<'r>,
    /// Indexes of the earlier steps that the step joins.
    joined: Vec<usize>,
}

/// Traces columns to the steps that compute them.
pub(super) struct FormulaTrace<'s, 'r> {
    run: &'s SpecCompilation<'r>,
    inputs: Vec<TracedStep<'r>>,
}

impl<'s, 'r> FormulaTrace<'s, 'r> {
    pub(super) fn new(run: &'s SpecCompilation<'r>) -> Self {
        let inputs = |(index, step): (usize, &Step<'_>)| {
            let joined = step.joins.iter();
            let joined = joined.filter_map(
                |join| match run.sources.resolve_join_target(run.spec, index, &join.to) {
                    JoinTarget::Step(joined) => Some(joined),
                    JoinTarget::Source(_) | JoinTarget::Later => None,
                },
            );
            TracedStep {
                read: run.spec.step_input(index),
                joined: joined.collect(),
            }
        };
        let inputs = run.spec.steps.iter().enumerate().map(inputs).collect();
        Self { run, inputs }
    }

    /// Returns the formula of a column in the last step that computes it, up to and including the given step. A column
    /// of a union has the formulas of all combined steps. `None` if the column comes from relations only.
    pub(super) fn formula(&self, step: usize, name: &str) -> Option<String> {
        let formulas = self.run.formulas.get(&name.to_ascii_lowercase())?;
        let mut texts: Vec<&str> = Vec::new();
        let mut seen = FxHashSet::default();
        let mut steps = vec![step];
        while let Some(index) = steps.pop() {
            if !seen.insert(index) || self.is_period_series(index, name) {
                continue;
            }
            let text = formulas.get(&index).map_or(name, String::as_str);
            let inputs = match text.eq_ignore_ascii_case(name) {
                true => self.steps_with_column(index, name),
                false => Vec::new(),
            };
            if inputs.is_empty() && !texts.contains(&text) {
                texts.push(text);
            }
            steps.extend(inputs.into_iter().rev());
        }
        let is_computed = texts.iter().any(|text| !text.eq_ignore_ascii_case(name));
        is_computed.then(|| texts.join(" or "))
    }

    /// Returns the earlier steps from which a step may take a column. Empty if the column comes from a relation.
    fn steps_with_column(&self, index: usize, name: &str) -> Vec<usize> {
        let has_column = |relation: Option<&Relation>| Some(relation?.column(name).is_some());
        let step_has_column = |step: &usize| has_column(self.run.facts.get(*step)?.relation.as_ref());
        let Some(TracedStep { read, joined }) = self.inputs.get(index) else {
            return Vec::new();
        };
        let (steps, is_in_relation) = match read {
            StepInputs::Relation(from) => (Vec::new(), has_column(self.run.schema_relation(from))),
            StepInputs::Step(before) => (vec![*before], step_has_column(before)),
            StepInputs::Union(steps) => {
                let with_column = steps.iter().filter(|step| step_has_column(step) != Some(false));
                (with_column.copied().collect(), Some(true))
            }
        };
        match joined.iter().find(|step| step_has_column(step) == Some(true)) {
            Some(joined) if is_in_relation != Some(true) => vec![*joined],
            _ => steps,
        }
    }

    /// Returns whether a column of a step lists the periods of a series, so that it has no formula.
    fn is_period_series(&self, index: usize, name: &str) -> bool {
        let series = self.run.spec.steps.get(index).and_then(|step| step.series.as_ref());
        series.is_some_and(|series| series.name.text.eq_ignore_ascii_case(name))
    }
}
