//! Proposes metric sets, and compiles the project again to verify that the SQL of all specs remains the same.

use std::collections::{BTreeMap, HashSet};

use super::draft::{
    CandidateSpec, DraftDefinition, ExistingMetricSet, MetricSetDraft, MetricSetReader, draft_metric_set,
};
use super::names::{find_name_conflicts, first_item_with_highest_count};
use super::set_text::{MetricSetText, SharedProperties};
use super::spec_text::{SpecEntries, rewrite_spec};
use super::{ExtractRequest, ExtractedMetricSet, Extraction, RewrittenSpec, SkippedSpec};
use crate::arena::Arena;
use crate::compiler::Compiler;
use crate::dbt::RelationReference;
use crate::model::SpecText;
use crate::model::shared_definitions::{
    FirstStep, FirstStepDefinitionSource, FormulaTrees, read_metric_set_as_step, relation_identity,
};
use crate::yaml_edit::parse_value;
use crate::{CompiledSpec, lines};

/// Maximum number of compilations of the project. After each compilation, specs whose SQL has changed are rewritten in
/// a different way or left out.
const MAX_COMPILATIONS: usize = 12;

/// Proposes a metric set for each relation whose specs contain the same definitions.
#[must_use]
pub fn extract(compiler: &Compiler, request: &ExtractRequest<'_>) -> Extraction {
    let before = compiler.compile_specs(request.specs);
    let mut run = ExtractionRun::new(compiler, request, &before);
    for _ in 0..MAX_COMPILATIONS {
        let proposals = run.build_proposals();
        if run.verify_proposals(&proposals) {
            return run.result(proposals);
        }
    }
    run.groups.clear();
    run.result(Vec::new())
}

pub(super) struct ExtractionRun<'r> {
    pub compiler: &'r Compiler,
    pub request: &'r ExtractRequest<'r>,
    pub compiled_before: &'r [CompiledSpec],
    /// All specs of the project.
    pub specs: Arena<SpecText<'r>>,
    pub candidates: Arena<CandidateSpec>,
    /// Parsed specs of the candidates.
    pub entries: Arena<SpecEntries>,
    /// Candidates that may share a metric set, in the order of their first spec.
    pub groups: Arena<Vec<usize>>,
    pub sets: Arena<ExistingMetricSet>,
    /// Existing metric set of each group.
    pub set_of_group: Arena<Option<usize>>,
    pub left_out: BTreeMap<usize, String>,
    /// Specs whose properties files change.
    pub changed_properties: HashSet<usize>,
}

/// Metric set for a group, with the new contents of the group's specs.
struct MetricSetProposal {
    draft: MetricSetDraft,
    name: String,
    path: String,
    set: MetricSetText,
    /// Index of the metric set's file among the specs. `None` if the metric set is new.
    spec: Option<usize>,
    /// New text of each member.
    texts: Vec<String>,
}

impl ExtractionRun<'_> {
    /// Returns a proposal for each group with shared definitions.
    fn build_proposals(&mut self) -> Vec<MetricSetProposal> {
        let mut proposals = Vec::new();
        let sets = self.compiled_before.iter().filter_map(CompiledSpec::metric_set);
        let mut used_names: HashSet<String> = sets.map(str::to_lowercase).collect();
        let paths = self.request.specs.iter().filter_map(|spec| spec.path);
        let mut paths: HashSet<String> = paths.map(str::to_lowercase).collect();
        for group in 0..self.groups.len() {
            while let Some(draft) = self.draft(group) {
                let existing = self.set_of_group[group].map(|set| &self.sets[set]);
                let shared = draft.shared_properties(&self.entries, &self.candidates, existing);
                let set_text = match existing {
                    Some(set) => self.extended_metric_set(set, &draft, &shared),
                    None => {
                        let name = self.set_name(&draft, &mut used_names, proposals.is_empty());
                        let path = unused_metric_set_path(self.request.folder, &name, &mut paths);
                        let text = draft.text(&name, &self.candidates, &shared);
                        Some((name, path, text))
                    }
                };
                let spec = existing.map(|set| set.spec);
                let Some((name, path, set)) = set_text else {
                    // The metric set's file cannot be edited.
                    self.set_of_group[group] = None;
                    continue;
                };
                let texts = draft.members.iter().map(|member| {
                    let text = self.specs[self.candidates[member.candidate].spec].text;
                    let entries = &self.entries[member.candidate];
                    rewrite_spec(
                        text,
                        &draft,
                        member,
                        &self.candidates,
                        ((&name, &set.text), entries, &shared),
                    )
                    .map_err(|error| (member.candidate, format!("the spec cannot be edited: {error}")))
                });
                let texts: Result<Vec<String>, (usize, String)> = texts.collect();
                match texts {
                    Err((candidate, reason)) => {
                        // Allow the next draft of the group to use the same name and path.
                        if spec.is_none() {
                            used_names.remove(&name.to_lowercase());
                            paths.remove(&path.to_lowercase());
                        }
                        self.reject_candidate(candidate, reason);
                    }
                    Ok(texts) => {
                        proposals.push(MetricSetProposal {
                            draft,
                            name,
                            path,
                            set,
                            spec,
                            texts,
                        });
                        break;
                    }
                }
            }
        }
        proposals
    }

    /// Returns the draft of a group. The draft excludes specs that cannot be its members.
    fn draft(&mut self, group: usize) -> Option<MetricSetDraft> {
        loop {
            let set = self.set_of_group.try_get(group)?.map(|set| &self.sets[set]);
            match draft_metric_set(&self.candidates, self.groups.try_get(group)?, set) {
                Ok(draft) => return draft,
                Err(rejected) => rejected
                    .into_iter()
                    .for_each(|(candidate, reason)| self.reject_candidate(candidate, reason)),
            }
        }
    }

    /// Returns the name, path and new text of an existing metric set. `None` if its file cannot be edited.
    fn extended_metric_set(
        &self,
        set: &ExistingMetricSet,
        draft: &MetricSetDraft,
        shared: &[SharedProperties],
    ) -> Option<(String, String, MetricSetText)> {
        let spec = self.specs[set.spec];
        let text = draft
            .extended_metric_set_text(spec.text, set, &self.candidates, shared)
            .ok()?;
        let after = read_metric_set_as_step(self.compiler, &mut FormulaTrees::default(), &text);
        let after = after.map_or_else(Arena::new, |step| step.definitions);
        let span = |definition: &DraftDefinition| {
            let own = after
                .iter()
                .find(|candidate| candidate.name.eq_ignore_ascii_case(&definition.name));
            let definition_range = own.filter(|_| definition.is_new);
            definition_range.map_or(0..0, |set_definition| {
                set_definition.span.start as usize..set_definition.span.end as usize
            })
        };
        let definitions = draft.definitions.iter().map(span).collect();
        let path = spec.path.unwrap_or_default().to_owned();
        Some((set.step.model.clone(), path, MetricSetText { text, definitions }))
    }

    fn reject_candidate(&mut self, candidate: usize, reason: String) {
        let group = self.candidates[candidate].group;
        self.groups[group].retain(|other| *other != candidate);
        self.left_out.insert(self.candidates[candidate].spec, reason);
    }

    /// Returns an unused name for a metric set: the name of the relation, combined with the name of a definition if
    /// several metric sets read that relation.
    fn set_name(&self, draft: &MetricSetDraft, used_names: &mut HashSet<String>, is_first: bool) -> String {
        let first = draft.first_step(&self.candidates);
        let relation = first.map_or("", |step| step.relation_name.as_str());
        let plain = |c: char| {
            if c.is_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        };
        let relation: String = relation.chars().map(plain).collect();
        let most_used = first_item_with_highest_count(draft.definitions.iter(), |definition| {
            definition.replaced_definitions.len()
        });
        let metric = most_used.map_or("metrics", |definition| definition.name.as_str());
        let requested_name = self.request.name.filter(|_| is_first).map(str::to_owned);
        let mut name = requested_name.unwrap_or_else(|| match relation.starts_with(|c: char| c.is_ascii_digit()) {
            true => format!("set_{relation}"),
            false => relation,
        });
        if used_names.contains(&name.to_lowercase()) {
            name = format!("{name}_{}", metric.to_lowercase());
        }
        while !used_names.insert(name.to_lowercase()) {
            name.push_str("_metrics");
        }
        name
    }

    /// Compiles the project with the proposals. Returns `true` if all SQL remains the same. Otherwise, changes or omits
    /// the specs whose SQL differs.
    fn verify_proposals(&mut self, proposals: &[MetricSetProposal]) -> bool {
        let mut specs: Arena<SpecText<'_>> = self.specs.clone();
        for proposal in proposals {
            for (member, text) in proposal.draft.members.iter().zip(&proposal.texts) {
                specs[self.candidates[member.candidate].spec].text = text;
            }
            match proposal.spec {
                Some(spec) => specs[spec].text = &proposal.set.text,
                None => specs.push(SpecText {
                    text: &proposal.set.text,
                    path: Some(&proposal.path),
                }),
            }
        }
        let after = self.compiler.compile_specs(specs.as_slice());
        let (after, new_sets) = after.split_at(self.request.specs.len());
        let mut new_sets = new_sets.iter();
        let mut failures: Vec<(usize, String)> = Vec::new();
        for proposal in proposals {
            let set = match proposal.spec {
                Some(spec) => after.get(spec),
                None => new_sets.next(),
            };
            let Some(set) = set else { continue };
            let of_set = self.metric_set_failures(proposal, set);
            let is_valid = of_set.is_empty();
            failures.extend(of_set);
            for member in proposal.draft.members.iter().filter(|_| is_valid) {
                let spec = self.candidates[member.candidate].spec;
                let pair = self.compiled_before.get(spec).zip(after.get(spec));
                let difference = pair.and_then(|(before, after)| difference(before, after));
                let reason = difference.map(|reason| self.repeated_formula_reason(member).unwrap_or(reason));
                failures.extend(reason.map(|reason| (member.candidate, reason)));
            }
        }
        let of_readers = self.dependent_spec_failures(proposals, after);
        let is_same = failures.is_empty() && of_readers.is_empty();
        let files = |spec: &CompiledSpec| {
            let tests = spec.model_tests().iter();
            let tests: Vec<String> = tests.map(|test| format!("{}\n{}", test.name(), test.sql())).collect();
            (
                spec.model_yml().map(str::to_owned),
                spec.model_md().map(str::to_owned),
                tests,
            )
        };
        let spec_pairs = self.compiled_before.iter().zip(after).enumerate();
        let changed = spec_pairs.filter(|(_, (before, after))| files(before) != files(after));
        self.changed_properties = changed.map(|(spec, _)| spec).collect();
        for (candidate, reason) in failures {
            match &mut self.candidates[candidate].has_bare_keys {
                is_bare @ true => *is_bare = false,
                false => self.reject_candidate(candidate, reason),
            }
        }
        for (candidate, reason) in of_readers {
            self.reject_candidate(candidate, reason);
        }
        is_same
    }

    /// Returns the reason why a spec cannot read a metric set: two of the spec's definitions have the same formula, but
    /// the metric set contains each formula only once. `None` if no formula is repeated.
    fn repeated_formula_reason(&self, member: &MetricSetReader) -> Option<String> {
        let definitions = &self.candidates[member.candidate].step.definitions;
        let moved = || member.definitions_to_move.iter().enumerate();
        moved().find_map(|(index, place)| {
            let (first, _) = moved().find(|(_, other)| place.is_some() && *other == place)?;
            (first < index).then(|| {
                let (name, repeated) = (&definitions[index].name, &definitions[first].name);
                format!("`{name}` repeats the formula of `{repeated}`, so the SQL would need another step")
            })
        })
    }

    /// Returns the specs whose definitions cannot be added to an existing metric set without changing a model that
    /// already reads the metric set. For example, `metrics: [orders.*]` selects all metrics of a metric set.
    fn dependent_spec_failures(&self, proposals: &[MetricSetProposal], after: &[CompiledSpec]) -> Vec<(usize, String)> {
        let rewritten = proposals.iter().flat_map(|proposal| {
            let members = proposal.draft.members.iter();
            let members = members.map(|member| self.candidates[member.candidate].spec);
            members.chain(proposal.spec)
        });
        let rewritten: HashSet<usize> = rewritten.collect();
        let others = self.compiled_before.iter().zip(after).enumerate();
        let changed = others
            .filter(|(spec, (before, _))| !rewritten.contains(spec) && !before.has_errors())
            .filter_map(|(spec, (before, after))| Some((spec, difference(before, after)?)));
        let mut failures = Vec::new();
        for (spec, reason) in changed {
            let SpecText { text, path } = self.specs[spec];
            let path = path.unwrap_or_default();
            let text = text.to_lowercase();
            for MetricSetProposal { draft, name, .. } in proposals.iter().filter(|proposal| proposal.spec.is_some()) {
                let reads_set = text.contains(&name.to_lowercase());
                let causes = draft.added_names_used_in(&text);
                let adds = |moved: &Option<usize>| {
                    moved.is_some_and(|index| {
                        let definition = &draft.definitions[index];
                        definition.is_new && (causes.is_empty() || causes.contains(&definition.name))
                    })
                };
                for member in draft
                    .members
                    .iter()
                    .filter(|member| reads_set && member.definitions_to_move.iter().any(adds))
                {
                    let reason =
                        format!("moving definitions of the spec to the set {name} would change {path}: {reason}");
                    failures.push((member.candidate, reason));
                }
            }
        }
        failures
    }

    /// Returns the specs whose definitions cause an error in the metric set.
    fn metric_set_failures(&self, proposal: &MetricSetProposal, set: &CompiledSpec) -> Vec<(usize, String)> {
        let Some(fault) = set.diagnostics().iter().find(|fault| fault.is_error()) else {
            return Vec::new();
        };
        let offset = fault.span().start as usize;
        let index = proposal
            .set
            .definitions
            .iter()
            .position(|range| range.contains(&offset));
        let reason = format!("the set would have an error: {}", fault.message());
        let cause = index.and_then(|index| proposal.draft.definitions.try_get(index));
        let members = proposal.draft.members.iter().map(|member| member.candidate);
        let of_cause = |candidate: &usize| {
            cause.is_none_or(|cause| {
                cause
                    .replaced_definitions
                    .iter()
                    .any(|(cause_candidate, _)| cause_candidate == candidate)
            })
        };
        members
            .filter(of_cause)
            .map(|candidate| (candidate, reason.clone()))
            .collect()
    }

    /// Returns the names of the project's metric sets that read a relation.
    fn metric_sets_over_relation(&self, relation: &str) -> Vec<String> {
        let specs = self.request.specs.iter().zip(self.compiled_before);
        let names = specs.filter_map(|(spec, compiled)| {
            let name = compiled.metric_set()?;
            let root = parse_value(spec.text)?;
            let from = RelationReference::read(root.get("from")?.as_text()?)?;
            (relation_identity(&from) == relation).then(|| name.to_owned())
        });
        names.collect()
    }

    /// Returns the steps of all specs and metric sets, each with the index of its file.
    fn steps(&self) -> impl Iterator<Item = (usize, &FirstStep)> {
        let specs = self
            .candidates
            .iter()
            .map(|candidate| (candidate.spec, &candidate.step));
        specs.chain(self.sets.iter().map(|set| (set.spec, &set.step)))
    }

    fn result(self, proposals: Vec<MetricSetProposal>) -> Extraction {
        let mut extraction = Extraction {
            differing: find_name_conflicts(self.steps()),
            ..Extraction::default()
        };
        let mut texts: Vec<(usize, &MetricSetProposal, &String)> = Vec::new();
        for proposal in &proposals {
            let members = proposal.draft.members.iter().zip(&proposal.texts);
            texts.extend(members.map(|(member, text)| (self.candidates[member.candidate].spec, proposal, text)));
            let specs_of = |index: usize| {
                let replaced = proposal.draft.definitions[index].replaced_definitions.iter();
                replaced
                    .map(|(candidate, _)| *candidate)
                    .collect::<HashSet<usize>>()
                    .len()
            };
            // Do not count metrics that the models already read.
            let is_moved = |index: &usize| {
                let mut replaced = proposal.draft.definitions[*index].replaced_definitions.iter();
                replaced.any(|(candidate, index)| {
                    self.candidates[*candidate].step.definitions[*index].origin == FirstStepDefinitionSource::Spec
                })
            };
            let indices: Vec<usize> = (0..proposal.draft.definitions.len()).filter(is_moved).collect();
            let is_new = |index: usize| proposal.draft.definitions[index].is_new;
            let is_shared = |index: &usize| specs_of(*index) > 1 || !is_new(*index);
            let shared: Vec<usize> = indices.iter().copied().filter(is_shared).collect();
            let first = proposal.draft.first_step(&self.candidates);
            let added = proposal.draft.definitions.iter().filter(|definition| definition.is_new);
            extraction.sets.push(ExtractedMetricSet {
                name: proposal.name.clone(),
                path: proposal.path.clone(),
                text: proposal.set.text.clone(),
                others: indices.len() - shared.len(),
                spec: proposal.spec,
                added: added.map(|definition| definition.name.clone()).collect(),
                other_sets: match proposal.spec {
                    None => first.map_or_else(Vec::new, |step| self.metric_sets_over_relation(&step.relation)),
                    Some(_) => Vec::new(),
                },
                shared: shared
                    .into_iter()
                    .map(|index| proposal.draft.definitions[index].name.clone())
                    .collect(),
            });
        }
        texts.sort_unstable_by_key(|(spec, ..)| *spec);
        extraction.specs = texts
            .into_iter()
            .map(|(spec, proposal, text)| RewrittenSpec {
                spec,
                text: text.clone(),
                set: proposal.name.clone(),
                changes_properties: self.changed_properties.contains(&spec),
            })
            .collect();
        extraction.left_out = self
            .left_out
            .into_iter()
            .map(|(spec, reason)| SkippedSpec { spec, reason })
            .collect();
        extraction
    }
}

/// Returns a path that no spec uses yet.
fn unused_metric_set_path(folder: &str, name: &str, used_paths: &mut HashSet<String>) -> String {
    let folder = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let mut path = format!("{folder}{name}");
    while !used_paths.insert(format!("{path}.yml").to_lowercase()) {
        path.push_str("_metrics");
    }
    format!("{path}.yml")
}

/// Returns the reason why a spec must not be replaced with the new version: the new version has an error, or its SQL is
/// different.
fn difference(before: &CompiledSpec, after: &CompiledSpec) -> Option<String> {
    if let Some(fault) = after.diagnostics().iter().find(|fault| fault.is_error()) {
        return Some(format!(
            "the spec would have an error if it read the set: {}",
            fault.message()
        ));
    }
    let texts = [
        (before.query(), after.query()),
        (before.model_sql(), after.model_sql()),
        (before.ordered_model_sql(), after.ordered_model_sql()),
    ];
    let (before, after) = texts.into_iter().find(|(before, after)| before != after)?;
    let diff = lines::diff(before.unwrap_or_default(), after.unwrap_or_default());
    let line = |sign: char| {
        let changed_line = diff.lines().find_map(|line| Some(line.strip_prefix(sign)?.trim()));
        changed_line.map_or_else(|| "no line".to_owned(), |line| format!("`{line}`"))
    };
    Some(format!(
        "the SQL would change: {} would become {}",
        line('-'),
        line('+')
    ))
}
