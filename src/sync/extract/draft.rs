//! Drafts of metric sets: for each group of specs, the definitions to move from the specs to a shared metric set.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use formulac_syntax::text::split_words;

use super::spec_text::SpecEntries;
use crate::Level;
use crate::arena::Arena;
use crate::model::shared_definitions::{FirstStep, FirstStepDefinition, FirstStepDefinitionSource, is_identifier};

/// Spec whose definitions may move to a metric set.
#[derive(Debug)]
pub(super) struct CandidateSpec {
    /// Index of the spec.
    pub spec: usize,
    /// Index of the group of specs that read the same rows.
    pub group: usize,
    pub step: FirstStep,
    /// Whether keys such as `ordered_at[month]` are replaced with `month`.
    pub has_bare_keys: bool,
}

/// Existing metric set that has the same rows as some specs of the project, so that these specs can read the metric set
/// instead.
#[derive(Debug)]
pub(super) struct ExistingMetricSet {
    /// Index of the metric set's file among the specs.
    pub spec: usize,
    pub step: FirstStep,
    /// Time column of the metric set.
    pub time: Option<String>,
    pub entries: SpecEntries,
    /// Formulas of the definitions by lower-case name.
    pub trees_by_name: HashMap<String, u32>,
    /// Index of the first definition with each formula, by the id of the formula's tree.
    by_tree: HashMap<u32, usize>,
}

impl ExistingMetricSet {
    pub fn new(spec: usize, step: FirstStep, time: Option<String>, entries: SpecEntries) -> Self {
        let (mut by_tree, mut trees_by_name) = (HashMap::new(), HashMap::new());
        for (index, definition) in step.definitions.iter().enumerate() {
            by_tree.entry(definition.tree).or_insert(index);
            trees_by_name.insert(definition.name.to_lowercase(), definition.tree);
        }
        Self {
            spec,
            step,
            time,
            entries,
            trees_by_name,
            by_tree,
        }
    }

    /// Returns the definition that has this formula.
    pub fn definition(&self, tree: u32) -> Option<&FirstStepDefinition> {
        self.step.definitions.try_get(*self.by_tree.get(&tree)?)
    }
}

/// Metric set that a group of specs could read.
#[derive(Debug)]
pub(super) struct MetricSetDraft {
    pub members: Vec<MetricSetReader>,
    /// Definitions, in dependency order.
    pub definitions: Arena<DraftDefinition>,
    /// Time column of the metric set.
    pub time: Option<String>,
}

impl MetricSetDraft {
    /// Returns the first step of the first spec that reads the metric set.
    pub fn first_step<'c>(&self, candidates: &'c Arena<CandidateSpec>) -> Option<&'c FirstStep> {
        self.members.first().map(|member| &candidates[member.candidate].step)
    }

    /// Returns the names of added definitions that occur in a spec, which may conflict with the names of the spec.
    /// Empty if the spec names none of them or, with `orders.*`, reads all of them. `text` is in lower case.
    pub fn added_names_used_in(&self, text: &str) -> HashSet<&String> {
        let words: HashSet<&str> = split_words(text).collect();
        let is_named = |name: &String| match is_identifier(name) {
            true => words.contains(name.to_lowercase().as_str()),
            false => text.contains(&name.to_lowercase()),
        };
        let added = self
            .definitions
            .iter()
            .filter(|definition| definition.is_new && !text.contains(".*"));
        added
            .map(|definition| &definition.name)
            .filter(|name| is_named(name))
            .collect()
    }
}

/// Spec that reads the metric set.
#[derive(Debug)]
pub(super) struct MetricSetReader {
    /// Index of the candidate.
    pub candidate: usize,
    /// For each definition of the spec, the index of the metric set's definition that replaces it. `None` if the spec
    /// keeps the definition.
    pub definitions_to_move: Vec<Option<usize>>,
    /// `true` if the metric set has no `where`, so the spec keeps its own.
    pub keeps_filter: bool,
}

/// Definition in the draft of a metric set.
#[derive(Debug)]
pub(super) struct DraftDefinition {
    pub name: String,
    /// Source of the formula: the indexes of the candidate and its definition.
    pub source: (usize, usize),
    /// All spec definitions that this definition replaces.
    pub replaced_definitions: Vec<(usize, usize)>,
    /// Whether the definition is missing from the existing metric set.
    pub is_new: bool,
}

/// Specs of a group that cannot read the metric set, each with the reason.
pub(super) type RejectedSpecs = Vec<(usize, String)>;

/// Returns a description of the rows that a step reads. Specs with equal descriptions can share a metric set.
pub(super) fn rows_fingerprint(step: &FirstStep) -> String {
    if let Some(set) = &step.metric_set {
        return format!("metric set {}", set.to_lowercase());
    }
    format!("{:?} {}", filter_tree_id(step), rows_fingerprint_before_filter(step))
}

/// Returns a description of the rows that a step reads before its `where`.
pub(super) fn rows_fingerprint_before_filter(step: &FirstStep) -> String {
    let inner = step
        .joins
        .iter()
        .filter(|join| join.is_inner)
        .map(|join| &join.identity);
    let inner: BTreeSet<&String> = inner.collect();
    format!("{} {inner:?} {:?}", step.relation, step.settings)
}

fn filter_tree_id(step: &FirstStep) -> Option<u32> {
    step.filter.as_ref().map(|filter| filter.tree)
}

/// Returns the draft of a metric set for a group of specs. `set` is the existing metric set with the same rows, if any.
/// `None` if no definition is in two specs, or in a spec and the existing metric set.
///
/// # Errors
///
/// Returns the specs that cannot read the metric set.
pub(super) fn draft_metric_set(
    candidates: &Arena<CandidateSpec>,
    group: &[usize],
    set: Option<&ExistingMetricSet>,
) -> Result<Option<MetricSetDraft>, RejectedSpecs> {
    let mut specs_of_tree: HashMap<u32, usize> = HashMap::new();
    for candidate in group {
        let step_definitions = candidates[*candidate].step.definitions.iter();
        let definitions =
            step_definitions.filter(|step_definition| step_definition.origin == FirstStepDefinitionSource::Spec);
        let trees: BTreeSet<u32> = definitions.map(|step_definition| step_definition.tree).collect();
        trees
            .into_iter()
            .for_each(|tree| *specs_of_tree.entry(tree).or_default() += 1);
    }
    let in_set = |tree: u32| set.and_then(|set| set.definition(tree));
    let is_shared = |definition: &FirstStepDefinition| {
        specs_of_tree.get(&definition.tree).is_some_and(|count| *count > 1) || in_set(definition.tree).is_some()
    };
    let members = group.iter().copied();
    let members: Vec<usize> = members
        .filter(|candidate| {
            let mut definitions = candidates[*candidate].step.definitions.iter();
            definitions.any(|step_definition| {
                step_definition.origin == FirstStepDefinitionSource::Spec && is_shared(step_definition)
            })
        })
        .collect();
    if members.len() < if set.is_some() { 1 } else { 2 } {
        return Ok(None);
    }
    check_joins(candidates, &members, set)?;
    let moved: Vec<Arena<bool>> = members
        .iter()
        .map(|candidate| definitions_to_move(&candidates[*candidate].step, is_shared))
        .collect();
    let trees = formulas_to_move_by_tree(candidates, &members, &moved);
    let names = super::names::choose_name_per_formula(candidates, &trees, set)?;
    let sources: HashMap<u32, (usize, usize)> = trees
        .iter()
        .map(|(tree, replaced)| (*tree, choose_definition_to_copy(candidates, names.get(tree), replaced)))
        .collect();
    let mut definitions: Arena<DraftDefinition> = Arena::new();
    let mut place_of_tree: HashMap<u32, usize> = HashMap::new();
    for tree in formulas_in_dependency_order(candidates, &trees, &sources) {
        place_of_tree.insert(tree, definitions.len());
        definitions.push(DraftDefinition {
            name: names.get(&tree).cloned().unwrap_or_default(),
            source: sources.get(&tree).copied().unwrap_or_default(),
            replaced_definitions: trees.get(&tree).cloned().unwrap_or_default(),
            is_new: in_set(tree).is_none(),
        });
    }
    let members: Vec<MetricSetReader> = members
        .iter()
        .zip(&moved)
        .map(|(candidate, moved)| {
            let definitions = candidates[*candidate].step.definitions.iter().zip(moved);
            MetricSetReader {
                candidate: *candidate,
                definitions_to_move: definitions
                    .map(|(step_definition, moved)| {
                        place_of_tree.get(&step_definition.tree).copied().filter(|_| *moved)
                    })
                    .collect(),
                keeps_filter: set
                    .is_some_and(|set| filter_tree_id(&set.step) != filter_tree_id(&candidates[*candidate].step)),
            }
        })
        .collect();
    let time = match set {
        Some(set) => set.time.clone(),
        None => common_time_column(members.iter().map(|member| &candidates[member.candidate].step)),
    };
    Ok(Some(MetricSetDraft {
        members,
        definitions,
        time,
    }))
}

/// Rejects specs that join a relation under a name that the metric set or an earlier spec already uses for another
/// relation.
fn check_joins(
    candidates: &Arena<CandidateSpec>,
    members: &[usize],
    set: Option<&ExistingMetricSet>,
) -> Result<(), RejectedSpecs> {
    let of_set = set.into_iter().flat_map(|set| &set.step.joins);
    let mut names: HashMap<&str, &str> = of_set
        .map(|join| (join.name.as_str(), join.identity.as_str()))
        .collect();
    let mut rejected = RejectedSpecs::new();
    for candidate in members {
        for join in &candidates[*candidate].step.joins {
            let first = names.entry(&join.name).or_insert(&join.identity);
            if *first != join.identity {
                rejected.push((
                    *candidate,
                    match set {
                        Some(set) => format!(
                            "the join `{}` differs from the join in the set {}",
                            join.name, set.step.model
                        ),
                        None => format!("the join `{}` differs from the join in other specs", join.name),
                    },
                ));
                break;
            }
        }
    }
    if rejected.is_empty() { Ok(()) } else { Err(rejected) }
}

/// Determines which definitions move to the metric set: shared definitions, definitions that read columns, and the
/// definitions that these two kinds use. A model built on metric sets cannot contain definitions that read columns.
/// Definitions before a moved column also move, because metrics are the first columns of a model.
fn definitions_to_move(step: &FirstStep, is_shared: impl Fn(&FirstStepDefinition) -> bool) -> Arena<bool> {
    let definitions = &step.definitions;
    let is_column = |index: usize| definitions[index].level > Level::Row;
    let mut moved = Arena::filled(false, definitions.len());
    let first = |step_definition: &FirstStepDefinition| {
        step_definition.level == Level::Row || step_definition.has_aggregates || is_shared(step_definition)
    };
    let mut next: Vec<usize> = (0..definitions.len())
        .filter(|index| first(&definitions[*index]))
        .collect();
    let mut columns = 0;
    while let Some(index) = next.pop() {
        if std::mem::replace(&mut moved[index], true) {
            continue;
        }
        next.extend(definitions[index].uses.iter().map(|(_, dependency)| *dependency));
        if is_column(index) && index >= columns {
            next.extend((columns..index).filter(|before| is_column(*before)));
            columns = index + 1;
        }
    }
    moved
}

/// Returns the definitions that move to the metric set, by the id of the formula's tree.
fn formulas_to_move_by_tree(
    candidates: &Arena<CandidateSpec>,
    members: &[usize],
    moved: &[Arena<bool>],
) -> BTreeMap<u32, Vec<(usize, usize)>> {
    let mut trees: BTreeMap<u32, Vec<(usize, usize)>> = BTreeMap::new();
    for (candidate, moved) in members.iter().zip(moved) {
        for (index, definition) in candidates[*candidate].step.definitions.iter().enumerate() {
            if moved[index] {
                trees.entry(definition.tree).or_default().push((*candidate, index));
            }
        }
    }
    trees
}

/// Returns the formulas in dependency order. Where possible, dimensions come first, and the formulas are in the order
/// of their first definitions.
fn formulas_in_dependency_order(
    candidates: &Arena<CandidateSpec>,
    trees: &BTreeMap<u32, Vec<(usize, usize)>>,
    sources: &HashMap<u32, (usize, usize)>,
) -> Vec<u32> {
    let step = |tree: u32| {
        sources
            .get(&tree)
            .map(|(candidate, index)| (&candidates[*candidate].step, *index))
    };
    let is_metric = |tree: u32| step(tree).is_some_and(|(step, index)| step.definitions[index].level > Level::Row);
    let dependency = |tree: u32, next: usize| {
        let (step, index) = step(tree)?;
        let (_, used_index) = step.definitions[index].uses.get(next)?;
        Some(step.definitions[*used_index].tree)
    };
    let mut first: Vec<u32> = trees.keys().copied().collect();
    first.sort_by_key(|tree| (is_metric(*tree), trees.get(tree).and_then(|places| places.first())));
    let mut order = Vec::new();
    let mut seen: HashSet<u32> = HashSet::new();
    for tree in first {
        let mut stack = vec![(tree, 0)];
        while let Some((tree, next)) = stack.pop() {
            if next == 0 && !seen.insert(tree) {
                continue;
            }
            match dependency(tree, next) {
                Some(inner) => {
                    stack.push((tree, next + 1));
                    stack.push((inner, 0));
                }
                None => order.push(tree),
            }
        }
    }
    order
}

/// Returns the definition from which the formula is copied: if possible, a definition that has the name in the metric
/// set and refers to other definitions by name instead of repeating their formulas. A definition that only refers to
/// another definition with the same formula cannot be the source.
fn choose_definition_to_copy(
    candidates: &Arena<CandidateSpec>,
    name: Option<&String>,
    replaced: &[(usize, usize)],
) -> (usize, usize) {
    let rank = |(candidate, index): &(usize, usize)| {
        let step = &candidates[*candidate].step;
        let definition = &step.definitions[*index];
        let is_alias = definition
            .uses
            .iter()
            .any(|(_, used_index)| step.definitions[*used_index].tree == definition.tree);
        (is_alias, Some(&definition.name) != name, definition.uses.is_empty())
    };
    replaced.iter().copied().min_by_key(rank).unwrap_or_default()
}

/// Returns the column from which all period keys are derived. `None` unless there is exactly one such column.
fn common_time_column<'s>(steps: impl Iterator<Item = &'s FirstStep>) -> Option<String> {
    let keys = steps.flat_map(|step| &step.keys);
    let mut columns = keys.filter_map(|key| Some(&key.period.as_ref()?.0));
    let first = columns.next()?;
    columns
        .all(|column| column.eq_ignore_ascii_case(first))
        .then(|| first.clone())
}
