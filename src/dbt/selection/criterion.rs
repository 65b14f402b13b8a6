//! One criterion of a selection, such as `2+tag:finance+`.

use std::collections::VecDeque;

use super::methods::{SELECTION_METHODS, SUPPORTED_STATES, matches_method};
use super::{SelectableNode, SelectionError};

/// One criterion of a selection: a method, a value and graph operators.
#[derive(Debug, Default)]
pub(super) struct SelectionCriterion<'s> {
    method: &'s str,
    value: &'s str,
    /// Maximum distance of the ancestors. `None` if there is no leading `+`. `children` is the maximum distance of the
    /// descendants, for a trailing `+`.
    parents: Option<usize>,
    children: Option<usize>,
    childrens_parents: bool,
}

pub(super) fn parse_criterion(text: &str) -> SelectionCriterion<'_> {
    let mut criterion = SelectionCriterion {
        value: text,
        ..SelectionCriterion::default()
    };
    if let Some(rest) = criterion.value.strip_prefix('@') {
        (criterion.value, criterion.childrens_parents) = (rest, true);
    }
    if let Some((depth, rest)) = criterion
        .value
        .split_once('+')
        .and_then(|(depth, rest)| Some((parse_steps(depth)?, rest)))
    {
        (criterion.value, criterion.parents) = (rest, Some(depth));
    }
    if let Some((rest, depth)) = criterion
        .value
        .rsplit_once('+')
        .and_then(|(rest, depth)| Some((rest, parse_steps(depth)?)))
    {
        (criterion.value, criterion.children) = (rest, Some(depth));
    }
    let is_method = |method: &str| {
        method
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
    };
    match criterion.value.split_once(':').filter(|(method, _)| is_method(method)) {
        Some((method, value)) => (criterion.method, criterion.value) = (method, value),
        // The following cases are dbt's rules for a criterion without a method.
        None if criterion.value.contains(['/', '\\']) => criterion.method = "path",
        None if [".sql", ".yml", ".yaml", ".csv", ".py"]
            .iter()
            .any(|end| criterion.value.ends_with(end)) =>
        {
            criterion.method = "file";
        }
        None => criterion.method = "fqn",
    }
    criterion
}

/// Parses the maximum distance next to a `+`. If the text is empty, the distance is unlimited.
fn parse_steps(text: &str) -> Option<usize> {
    if text.is_empty() {
        Some(usize::MAX)
    } else {
        text.parse().ok()
    }
}

impl SelectionCriterion<'_> {
    /// Returns, for each node, whether the criterion selects it.
    pub fn nodes(&self, nodes: &[SelectableNode]) -> Result<Vec<bool>, SelectionError> {
        let (method, key) = self.method.split_once('.').unwrap_or((self.method, ""));
        if !SELECTION_METHODS.contains(&method) {
            return Err(SelectionError::UnknownMethod(self.method.to_owned()));
        }
        if method == "state" && !SUPPORTED_STATES.contains(&self.value) {
            return Err(SelectionError::UnknownState(self.value.to_owned()));
        }
        if method == "state" && nodes.iter().all(|node| node.change.is_none()) {
            return Err(SelectionError::NoEarlierManifest);
        }
        let matched: Vec<bool> = nodes
            .iter()
            .map(|node| matches_method(node, method, key, self.value))
            .collect();
        let mut chosen = matched.clone();
        let mut add = |more: Vec<bool>| chosen.iter_mut().zip(more).for_each(|(chosen, more)| *chosen |= more);
        let parents: Vec<&[usize]> = nodes.iter().map(|node| node.parents.as_slice()).collect();
        if let Some(depth) = self.parents {
            add(nodes_within_distance(&matched, depth, &parents));
        }
        if self.children.is_some() || self.childrens_parents {
            let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
            for (number, parents) in parents.iter().enumerate() {
                for parent in *parents {
                    if let Some(children) = children.get_mut(*parent) {
                        children.push(number);
                    }
                }
            }
            if let Some(depth) = self.children {
                add(nodes_within_distance(&matched, depth, &children));
            }
            if self.childrens_parents {
                let below = nodes_within_distance(&matched, usize::MAX, &children);
                add(nodes_within_distance(&below, usize::MAX, &parents));
            }
        }
        Ok(chosen)
    }
}

/// Returns which nodes are at most `depth` edges away from the start nodes. The start nodes are included.
fn nodes_within_distance(from: &[bool], depth: usize, edges: &[impl AsRef<[usize]>]) -> Vec<bool> {
    let mut seen = from.to_vec();
    let starts = from.iter().enumerate().filter(|(_, is_start)| **is_start);
    let mut queue: VecDeque<(usize, usize)> = starts.map(|(at, _)| (at, 0)).collect();
    while let Some((at, far)) = queue.pop_front() {
        if far == depth {
            continue;
        }
        for to in edges.get(at).map(AsRef::as_ref).unwrap_or_default() {
            if let Some(new) = seen.get_mut(*to).filter(|seen| !**seen) {
                *new = true;
                queue.push_back((*to, far + 1));
            }
        }
    }
    seen
}
