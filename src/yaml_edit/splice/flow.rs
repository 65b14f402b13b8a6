//! Adds and removes the children of flow collections.

use super::super::YamlEditError;
use super::super::changes::AddedNode;
use super::super::render::RenderedValue;
use super::super::tree::{NodeRef, YamlTree};
use super::{YamlSplicer, own_line_range};
use crate::yaml::{ChildNode, Node, YamlValue, format_flow, format_flow_pair, lines};
use std::ops::Range;

impl<'t> YamlSplicer<'t, '_> {
    pub(super) fn splice_flow(&mut self, node: NodeRef<'t>) -> Result<(), YamlEditError> {
        let added = self.additions_by_position(node);
        let count = node.child_count();
        let stays = |number: usize| !self.changes.removed_children.contains(&(node, number));
        let remaining: Vec<usize> = (0..count).filter(|number| stays(*number)).collect();
        if remaining.is_empty() {
            return self.replace_flow_contents(node, &added);
        }
        self.add_to_flow(&node, &added, &remaining)?;
        let last_remaining = remaining.last().copied().unwrap_or_default();
        let mut number = 0;
        while number < count {
            let run = (number..count).take_while(|n| !stays(*n)).count();
            if run > 0 {
                self.remove_from_flow(&node, number..number + run, last_remaining);
            }
            number += run + 1;
        }
        Ok(())
    }

    /// Replaces the contents of brackets whose children are all removed.
    pub(super) fn replace_flow_contents(
        &mut self,
        node: NodeRef<'t>,
        added: &[(usize, &'t [AddedNode])],
    ) -> Result<(), YamlEditError> {
        let all = || added.iter().flat_map(|(_, added)| added.iter());
        let is_plain = all().all(|one| one.key.is_none() && one.value.is_scalar());
        if node.child_count() == 0 && !is_plain && !self.is_in_flow(node) {
            let under_key = self
                .child(node)
                .filter(|child| !child.name(self.tree.source).is_empty());
            if let Some(child) = under_key {
                let column = self
                    .style
                    .indent_below_key(lines::column_at(self.tree.source, child.start), node.is_list());
                let lines = all()
                    .flat_map(|one| self.render_added(one, column, " ").into_lines(column))
                    .collect();
                self.insert_value(
                    &node,
                    node.indicator_end(),
                    &RenderedValue {
                        head: String::new(),
                        lines,
                    },
                );
                return Ok(());
            }
            let value = if node.is_list() {
                YamlValue::list(all().map(|one| one.value.clone()).collect())
            } else {
                YamlValue::map(all().map(|one| (one.key.clone().unwrap_or_default(), one.value.clone())))
            };
            return self.replace_value(node, &value);
        }
        let items: Vec<String> = all().map(format_in_flow).collect();
        let open = lines::skip_properties(self.tree.source, node.start(), node.is_anchored || node.is_tagged) + 1;
        self.add_splice(open..node.end().saturating_sub(1).max(open), items.join(", "));
        Ok(())
    }

    /// Returns `true` if the rest of the line is empty or a comment.
    pub(super) fn ends_line(&self, at: usize) -> bool {
        let source = self.tree.source;
        let rest = source
            .get(at..lines::line_end(source, at))
            .unwrap_or_default()
            .trim_start();
        rest.is_empty() || rest.starts_with('#')
    }

    pub(super) fn add_to_flow(
        &mut self,
        node: &Node,
        added: &[(usize, &'t [AddedNode])],
        remaining: &[usize],
    ) -> Result<(), YamlEditError> {
        let source = self.tree.source;
        let line_break = self.style.line_break;
        for (slot, added) in added {
            let anchor = slot.checked_sub(1).or(remaining.first().copied());
            let Some(child) = anchor.and_then(|number| node.child(number)) else {
                continue;
            };
            let (start, end, comma) = flow_child_range(self.tree, child);
            let pad = " ".repeat(lines::column_at(source, start));
            let is_line = lines::is_first_in_line(source, start);
            let items: Vec<String> = added.iter().map(format_in_flow).collect();
            if *slot == 0 {
                let between = if is_line {
                    format!(",{line_break}{pad}")
                } else {
                    ", ".to_owned()
                };
                self.add_splice(
                    start..start,
                    items.iter().map(|item| format!("{item}{between}")).collect(),
                );
                continue;
            }
            match comma {
                Some(comma) if is_line && self.ends_line(comma) => {
                    let at = lines::line_end(source, comma);
                    self.add_splice(
                        at..at,
                        items.iter().map(|item| format!("{line_break}{pad}{item},")).collect(),
                    );
                }
                None if is_line && self.ends_line(end) => {
                    self.add_splice(end..end, ",".to_owned());
                    let at = lines::line_end(source, end);
                    let text: Vec<String> = items.iter().map(|item| format!("{line_break}{pad}{item}")).collect();
                    self.add_splice(at..at, text.join(","));
                }
                _ => self.add_splice(end..end, items.iter().map(|item| format!(", {item}")).collect()),
            }
        }
        Ok(())
    }

    pub(super) fn remove_from_flow(&mut self, node: &Node, run: Range<usize>, last_remaining: usize) {
        let source = self.tree.source;
        let children = run.clone().filter_map(|number| node.child(number));
        let own: Option<Vec<Range<usize>>> = children.map(|child| own_line_range(self.tree, child)).collect();
        if let Some(own) = own {
            for lines in own {
                let above = lines::previous_line_end(source, lines.start).unwrap_or(lines.start);
                self.add_splice(above..lines.end, String::new());
            }
            return;
        }
        let end_of = |number: usize| node.child(number).map(|child| flow_child_range(self.tree, child).1);
        let range = if run.start > last_remaining {
            end_of(last_remaining)
                .zip(end_of(run.end - 1))
                .map(|(from, to)| from..to)
        } else {
            let start_of = |number: usize| node.child(number).map(|child| child.start);
            start_of(run.start).zip(start_of(run.end)).map(|(from, to)| from..to)
        };
        if let Some(range) = range {
            self.add_splice(range, String::new());
        }
    }
}

/// Returns the start and end of a child between brackets, and the offset after the comma that follows.
pub(super) fn flow_child_range(tree: &YamlTree<'_>, child: ChildNode<'_>) -> (usize, usize, Option<usize>) {
    let source = tree.source;
    let end = child.end();
    let next = lines::skip_blanks_and_comments(source, end);
    let comma = source
        .get(next..)
        .is_some_and(|rest| rest.starts_with(','))
        .then_some(next + 1);
    (child.start, end, comma)
}

/// Formats an item or a pair between brackets.
pub(super) fn format_in_flow(added: &AddedNode) -> String {
    match &added.key {
        Some(key) => format_flow_pair(key, &added.value),
        None => format_flow(&added.value),
    }
}
