//! Reads the specs and metric sets of a project, and groups the specs that can share a metric set.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ExtractRequest;
use super::draft::{CandidateSpec, ExistingMetricSet, rows_fingerprint, rows_fingerprint_before_filter};
use super::names::first_item_with_highest_count;
use super::proposals::ExtractionRun;
use super::spec_text::SpecEntries;
use crate::arena::Arena;
use crate::compiler::Compiler;
use crate::model::shared_definitions::{
    FirstStepDefinition, FormulaTrees, read_first_step, read_metric_set_as_step, read_step_over_metric_set,
};
use crate::schema::Column;
use crate::yaml_edit::{YamlValue, parse_value};
use crate::{CompiledSpec, Level};

impl<'r> ExtractionRun<'r> {
    pub fn new(compiler: &'r Compiler, request: &'r ExtractRequest<'r>, before: &'r [CompiledSpec]) -> Self {
        let mut run = Self {
            compiler,
            request,
            compiled_before: before,
            candidates: Arena::new(),
            entries: Arena::new(),
            specs: request.specs.iter().copied().collect(),
            groups: Arena::new(),
            sets: Arena::new(),
            set_of_group: Arena::new(),
            left_out: BTreeMap::new(),
            changed_properties: HashSet::new(),
        };
        let mut trees = FormulaTrees::default();
        let mut group_of_key: HashMap<String, usize> = HashMap::new();
        let entries = || request.specs.iter().zip(before).enumerate();
        for (spec, (text, _)) in entries().filter(|(_, (_, spec))| spec.metric_set().is_some() && !spec.has_errors()) {
            run.sets
                .extend(read_metric_set(compiler, &mut trees, (spec, text.text)));
        }
        for (spec, (text, compiled)) in entries() {
            if !request.may_change.get(spec).copied().unwrap_or_default() {
                continue;
            }
            let is_set = || parse_value(text.text).is_some_and(|root| root.get("metric_set").is_some());
            let set = |name: &str| {
                let mut sets = run.sets.iter().map(|set| &set.step);
                sets.find(|set| set.model.eq_ignore_ascii_case(name))
            };
            let over_set = read_step_over_metric_set(compiler, &mut trees, text.text, set).map(Ok);
            let over_set = over_set.filter(|_| !compiled.has_errors());
            let step = match over_set.or_else(|| read_first_step(compiler, &mut trees, text.text)) {
                step if !compiled.has_errors() || is_set() => step,
                _ => Some(Err("the spec has errors; `formulac check` shows the errors".to_owned())),
            };
            match step {
                None => {}
                Some(Err(reason)) => drop(run.left_out.insert(spec, reason)),
                Some(Ok(step)) => {
                    let group = *group_of_key.entry(rows_fingerprint(&step)).or_insert(run.groups.len());
                    if group == run.groups.len() {
                        run.groups.push(Vec::new());
                    }
                    run.groups[group].push(run.candidates.len());
                    let columns = compiled.columns().iter().map(Column::name);
                    run.entries.push(SpecEntries::new(text.text, &step, columns));
                    run.candidates.push(CandidateSpec {
                        spec,
                        group,
                        step,
                        has_bare_keys: true,
                    });
                }
            }
        }
        run.set_of_group = run.groups.iter().map(|group| run.best_metric_set(group)).collect();
        run.merge_groups_by_set();
        run
    }

    /// Returns the metric set that reads the same rows as the group and contains the most formulas of the group's
    /// specs. If there is no such metric set, returns a metric set without `where` that contains formulas of the specs.
    /// The specs then keep their own `where`. If the request names a metric set, only this metric set is considered.
    fn best_metric_set(&self, group: &[usize]) -> Option<usize> {
        let steps = group.iter().map(|candidate| &self.candidates[*candidate].step);
        let first = steps.clone().next()?;
        let is_named = |name: &str| {
            self.request
                .name
                .is_none_or(|set_name| set_name.eq_ignore_ascii_case(name))
        };
        let candidate_sets = || (0..self.sets.len()).filter(|set| is_named(&self.sets[*set].step.model));
        let definitions = steps.flat_map(|step| &step.definitions);
        let count = |set: usize| {
            let is_metric = |definition: &FirstStepDefinition| definition.level > Level::Row;
            let is_known = |tree: u32| self.sets[set].definition(tree).is_some_and(is_metric);
            let known_definitions = definitions.clone().filter(|definition| is_known(definition.tree));
            known_definitions.count()
        };
        if let Some(set) = &first.metric_set {
            return candidate_sets().find(|set_index| self.sets[*set_index].step.model.eq_ignore_ascii_case(set));
        }
        let of_rows = candidate_sets().filter(|set| rows_fingerprint(&self.sets[*set].step) == rows_fingerprint(first));
        let of_all_rows = candidate_sets().filter(|set| {
            let step = &self.sets[*set].step;
            step.filter.is_none()
                && rows_fingerprint_before_filter(step) == rows_fingerprint_before_filter(first)
                && count(*set) > 0
        });
        first_item_with_highest_count(of_rows, |set| count(*set))
            .or_else(|| first_item_with_highest_count(of_all_rows, |set| count(*set)))
    }

    /// Merges groups that use the same metric set, because the file of a metric set is written only once.
    fn merge_groups_by_set(&mut self) {
        let mut first_group: HashMap<usize, usize> = HashMap::new();
        for group in 0..self.groups.len() {
            let Some(set) = self.set_of_group[group] else { continue };
            let first = *first_group.entry(set).or_insert(group);
            if first == group {
                continue;
            }
            let merged = std::mem::take(&mut self.groups[group]);
            for candidate in &merged {
                self.candidates[*candidate].group = first;
            }
            self.groups[first].extend(merged);
            self.groups[first].sort_unstable();
            self.set_of_group[group] = None;
        }
    }
}

/// Reads an existing metric set. `None` if specs that now read a relation could not read the metric set instead.
fn read_metric_set(
    compiler: &Compiler,
    trees: &mut FormulaTrees,
    (spec, text): (usize, &str),
) -> Option<ExistingMetricSet> {
    let step = read_metric_set_as_step(compiler, trees, text)?;
    let root = parse_value(text)?;
    let time = root.get("time").and_then(|time| match time {
        YamlValue::Map(..) => time.get("column")?.as_text(),
        time => time.as_text(),
    });
    let entries = SpecEntries::new(text, &step, std::iter::empty());
    Some(ExistingMetricSet::new(spec, step, time.map(str::to_owned), entries))
}
