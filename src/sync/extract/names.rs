//! Names of a metric set's definitions, and names that have different formulas.

use std::collections::{BTreeMap, HashMap};

use super::NameConflict;
use super::draft::{CandidateSpec, ExistingMetricSet, RejectedSpecs};
use crate::arena::Arena;
use crate::model::shared_definitions::{FirstStep, FirstStepDefinitionSource};

/// Returns the most frequent item. If several items are equally frequent, returns the first of them.
pub(super) fn most_frequent<T>(items: impl Iterator<Item = T>, is_same: impl Fn(&T, &T) -> bool) -> Option<T> {
    let mut counts: Vec<(T, usize)> = Vec::new();
    for item in items {
        match counts.iter_mut().find(|(counted_item, _)| is_same(counted_item, &item)) {
            Some((_, count)) => *count += 1,
            None => counts.push((item, 1)),
        }
    }
    first_item_with_highest_count(counts.into_iter(), |(_, count)| *count).map(|(item, _)| item)
}

/// Returns the item with the highest count. If several items have the highest count, returns the first of them.
pub(super) fn first_item_with_highest_count<T>(
    items: impl Iterator<Item = T>,
    count: impl Fn(&T) -> usize,
) -> Option<T> {
    items.reduce(|best, item| if count(&item) > count(&best) { item } else { best })
}

/// Chooses a name for each formula: the name in the existing metric set, otherwise the name that most specs use or, if
/// there is a tie, the first name. Rejects specs whose formulas would need a name that another formula has.
pub(super) fn choose_name_per_formula(
    candidates: &Arena<CandidateSpec>,
    trees: &BTreeMap<u32, Vec<(usize, usize)>>,
    set: Option<&ExistingMetricSet>,
) -> Result<HashMap<u32, String>, RejectedSpecs> {
    let mut chosen_names: Vec<(u32, String)> = Vec::new();
    for (tree, places) in trees {
        if let Some(definition) = set.and_then(|set| set.definition(*tree)) {
            chosen_names.push((*tree, definition.name.clone()));
            continue;
        }
        let names = places
            .iter()
            .map(|(candidate, index)| candidates[*candidate].step.definitions[*index].name.as_str());
        let name = most_frequent(names, |first_name, other| first_name.eq_ignore_ascii_case(other));
        chosen_names.extend(name.map(|name| (*tree, name.to_owned())));
    }
    let mut owners: HashMap<String, u32> = set.map(|set| set.trees_by_name.clone()).unwrap_or_default();
    let set_with = |name: &str| set.filter(|set| set.trees_by_name.contains_key(&name.to_lowercase()));
    let weight = |tree: u32| trees.get(&tree).map_or(0, Vec::len);
    for (tree, name) in &chosen_names {
        let owner = owners.entry(name.to_lowercase()).or_insert(*tree);
        if set_with(name).is_none() && weight(*tree) > weight(*owner) {
            *owner = *tree;
        }
    }
    let mut rejected: BTreeMap<usize, String> = BTreeMap::new();
    for (tree, name) in &chosen_names {
        if owners.get(&name.to_lowercase()) == Some(tree) {
            continue;
        }
        for (candidate, _) in trees.get(tree).into_iter().flatten() {
            let reason = || match set_with(name) {
                Some(set) => format!("`{name}` has a different formula in the set {}", set.step.model),
                None => format!("`{name}` has a different formula in other specs"),
            };
            rejected.entry(*candidate).or_insert_with(reason);
        }
    }
    if rejected.is_empty() {
        Ok(chosen_names.into_iter().collect())
    } else {
        Err(rejected.into_iter().collect())
    }
}

/// Returns the names that have different formulas in specs and metric sets with the same relation. Each step is paired
/// with the index of its file.
pub(super) fn find_name_conflicts<'s>(steps: impl Iterator<Item = (usize, &'s FirstStep)>) -> Vec<NameConflict> {
    type FormulaSpecs = Vec<(u32, String, Vec<usize>)>;
    let mut names: BTreeMap<(String, String), (String, String, FormulaSpecs)> = BTreeMap::new();
    for (spec, step) in steps {
        for definition in step
            .definitions
            .iter()
            .filter(|step_definition| step_definition.origin == FirstStepDefinitionSource::Spec)
        {
            let key = (step.relation.to_lowercase(), definition.name.to_lowercase());
            let (.., formulas) = names
                .entry(key)
                .or_insert_with(|| (definition.name.clone(), step.relation_name.clone(), FormulaSpecs::new()));
            match formulas.iter_mut().find(|(tree, ..)| *tree == definition.tree) {
                Some((.., specs)) => specs.push(spec),
                None => formulas.push((definition.tree, definition.formula.clone(), vec![spec])),
            }
        }
    }
    let several = names.into_values().filter(|(.., formulas)| formulas.len() > 1);
    several
        .map(|(name, relation, formulas)| NameConflict {
            name,
            relation,
            formulas: formulas
                .into_iter()
                .map(|(_, formula, specs)| (formula, specs))
                .collect(),
        })
        .collect()
}
