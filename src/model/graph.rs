//! Dependencies between specs, and the order in which specs are compiled.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::SemanticModels;
use super::load::Spec;
use crate::arena::Arena;
use crate::dbt::RelationReference;
use crate::span::Span;
use crate::yaml::Node;

/// Model that a spec reads: the model's lower-case name, and the span of the name in the spec.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ModelRead {
    pub model: String,
    pub span: Span,
}

/// Name and inputs of a spec.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SpecInputs {
    /// Name of the model, and its position. `None` for a metric set.
    pub name: Option<(String, Span)>,
    pub reads: Vec<ModelRead>,
    /// Value of `semantic_model`, if the spec has this key.
    pub semantic: Option<SemanticModels>,
}

/// Returns the models that a spec may read. Names of the spec's own steps are omitted.
pub(super) fn model_reads(spec: &Spec<'_>) -> Vec<ModelRead> {
    let steps: FxHashSet<String> = spec
        .steps
        .iter()
        .filter_map(|s| Some(s.name?.text.to_lowercase()))
        .collect();
    let is_step = |from: &RelationReference| matches!(from, RelationReference::Table(table) if steps.contains(&table.to_lowercase()));
    spec.relations_read_by_spec()
        .filter(|(from, _)| !is_step(from))
        .filter_map(|(from, span)| {
            Some(ModelRead {
                model: from.unversioned_model()?.to_lowercase(),
                span,
            })
        })
        .collect()
}

/// Returns the models that a metric set reads.
pub(super) fn metric_set_reads(root: &Node) -> Vec<ModelRead> {
    let joins = root.items_at("joins").iter();
    let joins = joins.filter_map(|join| join.get("to"));
    let model_read = |node: &Node| {
        let from = RelationReference::read(node.text()?)?;
        Some(ModelRead {
            model: from.unversioned_model()?.to_lowercase(),
            span: node.span,
        })
    };
    root.get("from")
        .into_iter()
        .chain(joins)
        .filter_map(model_read)
        .collect()
}

/// Specs in dependency order.
#[derive(Debug, Default)]
pub(super) struct SpecOrder {
    /// Specs by dependency level. The specs in a level read only models from earlier levels.
    pub levels: Vec<Vec<usize>>,
    /// Cycles of specs. In each cycle, the specs are in dependency order.
    pub cycles: Vec<Vec<usize>>,
    /// Specs that depend on a cycle.
    pub dependents_of_cycles: Vec<usize>,
}

/// Orders specs by dependency. `parents` contains the indexes of the specs that each spec reads.
pub(super) fn sort_specs_by_dependency(parents: &Arena<Vec<usize>>) -> SpecOrder {
    let mut children: Arena<Vec<usize>> = Arena::filled(Vec::new(), parents.len());
    let mut waiting: Arena<usize> = Arena::filled(0, parents.len());
    for (child, spec_parents) in parents.iter().enumerate() {
        waiting[child] = spec_parents.len();
        spec_parents.iter().for_each(|parent| children[*parent].push(child));
    }
    let mut order = SpecOrder::default();
    let mut level: Vec<usize> = (0..parents.len()).filter(|number| waiting[*number] == 0).collect();
    while !level.is_empty() {
        let mut next = Vec::new();
        for child in level.iter().flat_map(|parent| &children[*parent]) {
            waiting[*child] -= 1;
            if waiting[*child] == 0 {
                next.push(*child);
            }
        }
        next.sort_unstable();
        order.levels.push(std::mem::replace(&mut level, next));
    }
    let mut left: FxHashSet<usize> = (0..parents.len()).filter(|number| waiting[*number] > 0).collect();
    // Remove specs that no remaining spec reads, because they are not in a cycle.
    let mut reading: FxHashMap<usize, usize> = FxHashMap::default();
    for number in &left {
        for parent in parents[*number].iter().filter(|parent| left.contains(parent)) {
            *reading.entry(*parent).or_default() += 1;
        }
    }
    let mut unread: VecDeque<usize> = left.iter().copied().filter(|n| !reading.contains_key(n)).collect();
    while let Some(number) = unread.pop_front() {
        left.remove(&number);
        order.dependents_of_cycles.push(number);
        for parent in parents[number].iter().filter(|parent| left.contains(parent)) {
            if let Some(count) = reading.get_mut(parent) {
                *count -= 1;
                if *count == 0 {
                    unread.push_back(*parent);
                }
            }
        }
    }
    let mut circled: Vec<usize> = left.iter().copied().collect();
    circled.sort_unstable();
    for first in circled {
        if let Some(circle) = find_shortest_cycle(first, parents, &left) {
            circle.iter().for_each(|number| {
                left.remove(number);
            });
            order.cycles.push(circle);
        } else if left.remove(&first) {
            order.dependents_of_cycles.push(first);
        }
    }
    order.dependents_of_cycles.sort_unstable();
    order
}

/// Returns the shortest cycle that contains a spec, starting with that spec. `None` if no cycle contains the spec.
fn find_shortest_cycle(first: usize, parents: &Arena<Vec<usize>>, left: &FxHashSet<usize>) -> Option<Vec<usize>> {
    if !left.contains(&first) {
        return None;
    }
    let mut came_from: FxHashMap<usize, usize> = FxHashMap::default();
    let mut queue = VecDeque::from([first]);
    while let Some(number) = queue.pop_front() {
        for parent in parents[number].iter().copied().filter(|parent| left.contains(parent)) {
            if parent == first {
                let mut circle = vec![number];
                while let Some(before) = circle.last().and_then(|last| came_from.get(last)) {
                    circle.push(*before);
                }
                circle.reverse();
                return Some(circle);
            }
            if let std::collections::hash_map::Entry::Vacant(entry) = came_from.entry(parent) {
                entry.insert(number);
                queue.push_back(parent);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::sort_specs_by_dependency;
    use crate::{Compiler, SpecText};

    #[test]
    fn each_wave_reads_earlier_waves() {
        let order = sort_specs_by_dependency(&vec![vec![1, 2], vec![2], vec![], vec![0]].into());
        assert_eq!(order.levels, [vec![2], vec![1], vec![0], vec![3]]);
        assert!(order.cycles.is_empty() && order.dependents_of_cycles.is_empty());
    }

    #[test]
    fn cycles_exclude_their_readers() {
        // 0 and 1 read each other, 2 reads 0, 3 reads itself, 4 reads nothing, and 5 is between two cycles.
        let order = sort_specs_by_dependency(&vec![vec![1], vec![0, 5], vec![0], vec![3], vec![], vec![3]].into());
        assert_eq!(order.levels, [vec![4]]);
        assert_eq!(order.cycles, [vec![0, 1], vec![3]]);
        assert_eq!(order.dependents_of_cycles, [2, 5]);
    }

    #[test]
    fn messages_about_long_cycles_are_short() {
        let texts: Vec<String> = (0..12)
            .map(|number| format!("model: m{number}\nfrom: m{}\nkeep: all\n", (number + 1) % 12))
            .collect();
        let specs: Vec<SpecText<'_>> = texts.iter().map(|text| SpecText { text, path: None }).collect();
        let compiled = Compiler::default().compile_specs(&specs);
        let message = |index: usize| compiled[index].diagnostics()[0].message().to_owned();
        assert_eq!(
            message(0),
            "these models depend on each other in a cycle: `m0` reads `m1` reads `m2` reads `m3` reads `m4` reads `m5` \
             reads `m6` reads `m7` reads … reads `m0`"
        );
        assert!(message(10).ends_with(
            "`m10` reads `m11` reads `m0` reads `m1` reads `m2` reads `m3` reads `m4` \
            reads `m5` reads … reads `m10`"
        ));
    }
}
