//! Removes definitions and the properties of their columns from the text of a spec.

use std::collections::HashSet;
use std::ops::Range;

use super::separated_list::ranges_to_remove;
use super::spec_edit::EditableSpec;
use super::spec_structure::definition_name_range;
use super::substitute::{Substitution, apply_replacements};
use crate::model::outline::DefinitionWithPosition;
use crate::yaml::Node;

impl EditableSpec<'_> {
    /// Returns the spec without some definitions, which are given by the offsets of their formulas. `None` if the
    /// definitions cannot be removed without a change to other definitions.
    pub fn without_definitions(&self, removed: &HashSet<u32>) -> Option<String> {
        let is_removed = |definition: &DefinitionWithPosition| removed.contains(&definition.formula_span.start);
        let mut ranges = Vec::new();
        let nodes = self.root().items_at("steps");
        let nodes = if nodes.is_empty() {
            std::slice::from_ref(self.root())
        } else {
            nodes
        };
        for (step, node) in self.outline.steps.iter().zip(nodes) {
            let (alone, in_block): (Vec<_>, Vec<_>) = step
                .definitions
                .iter()
                .filter(|definition| is_removed(definition))
                .partition(|definition| definition.alone);
            for definition in in_block {
                let name = definition_name_range(self.source, definition)?;
                let is_quoted = self.source.get(..name.start)?.ends_with('"');
                ranges.push(name.start - usize::from(is_quoted)..definition.formula_span.end as usize);
            }
            let names: HashSet<&str> = alone.into_iter().map(|definition| definition.name.as_str()).collect();
            ranges.extend(ranges_of_pairs(node.pairs_at("definitions"), |name| {
                names.contains(name)
            }));
        }
        let definitions = || self.outline.steps.iter().flat_map(|step| &step.definitions);
        let (removed, kept): (Vec<_>, Vec<_>) = definitions().partition(|definition| is_removed(definition));
        let mut names: HashSet<&str> = removed.iter().map(|definition| definition.name.as_str()).collect();
        for definition in &kept {
            names.remove(definition.name.as_str());
        }
        ranges.extend(ranges_of_pairs(self.root().pairs_at("columns"), |name| {
            names.contains(name)
        }));
        let removals: Vec<Substitution> = ranges.into_iter().map(|range| (range, String::new())).collect();
        let spec = apply_replacements(self.source, removals.iter().collect())?;
        let reduced = self.with_text(&spec)?;
        let remaining: Vec<_> = reduced
            .outline
            .steps
            .iter()
            .flat_map(|step| &step.definitions)
            .collect();
        let is_same =
            |(a, b): (&&DefinitionWithPosition, &&DefinitionWithPosition)| a.name == b.name && a.formula == b.formula;
        (remaining.len() == kept.len() && remaining.iter().zip(&kept).all(is_same)).then_some(spec)
    }
}

/// Returns the ranges to remove from a mapping, so that it has no pairs with some keys.
fn ranges_of_pairs(pairs: &[(Node, Node)], is_removed: impl Fn(&str) -> bool) -> Vec<Range<usize>> {
    let range = |(key, value): &(Node, Node)| key.full_span.start as usize..value.full_span.end as usize;
    let items: Vec<_> = pairs
        .iter()
        .map(|pair| (range(pair), pair.0.text().is_some_and(&is_removed)))
        .collect();
    ranges_to_remove(&items)
}
