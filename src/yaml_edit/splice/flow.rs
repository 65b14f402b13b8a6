//! Adds and removes the children of flow collections.

use super::super::changes::AddedNode;
use super::super::render::{RenderedValue, flow_pair, format_flow};
use super::super::tree::{ChildNode, YamlNode, YamlNodeId, YamlTree};
use super::super::value::YamlValue;
use super::super::{YamlRefusal, lines};
use super::{YamlSplicer, separate_lines};
use std::ops::Range;

impl<'t> YamlSplicer<'t, '_> {
    pub(super) fn splice_flow(&mut self, id: YamlNodeId) -> Result<(), YamlRefusal> {
        let node = self.tree.node(id);
        let added = self.grouped_additions(id);
        let count = node.children().len();
        let stays = |number: usize| !self.changes.removed_children.contains(&(id, number));
        let kept: Vec<usize> = (0..count).filter(|number| stays(*number)).collect();
        if kept.is_empty() {
            return self.replace_flow_contents(id, node, &added);
        }
        self.add_to_flow(node, &added, &kept)?;
        let last_kept = kept.last().copied().unwrap_or_default();
        let mut number = 0;
        while number < count {
            let run = (number..count).take_while(|n| !stays(*n)).count();
            if run > 0 {
                self.remove_from_flow(node, number..number + run, last_kept);
            }
            number += run + 1;
        }
        Ok(())
    }

    /// Replaces the contents of brackets whose children are all removed.
    pub(super) fn replace_flow_contents(
        &mut self,
        id: YamlNodeId,
        node: &YamlNode,
        added: &[(usize, &'t [AddedNode])],
    ) -> Result<(), YamlRefusal> {
        let all = || added.iter().flat_map(|(_, added)| added.iter());
        let is_plain = all().all(|one| one.key.is_none() && one.value.is_scalar());
        if node.children().is_empty() && !is_plain && !self.is_in_flow(id) {
            let under_key = self.child(id).filter(|child| !child.key.is_empty());
            if let Some(child) = under_key {
                let column = self
                    .style
                    .indent_below_key(lines::column_at(self.tree.source, child.start), node.is_list());
                let lines = all()
                    .flat_map(|one| self.render_added(one, column, " ").into_lines(column))
                    .collect();
                self.insert_value(
                    node,
                    child.value_offset,
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
            return self.replace_value(id, &value);
        }
        let items: Vec<String> = all().map(format_in_flow).collect();
        let open = lines::skip_properties(self.tree.source, node.start, node.anchored || node.tagged) + 1;
        self.add_splice(open..node.end.saturating_sub(1).max(open), items.join(", "));
        Ok(())
    }

    pub(super) fn flow_item_range(&self, child: &ChildNode) -> (usize, usize, Option<usize>) {
        flow_item_range(self.tree, child)
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
        node: &YamlNode,
        added: &[(usize, &'t [AddedNode])],
        kept: &[usize],
    ) -> Result<(), YamlRefusal> {
        let source = self.tree.source;
        let line_break = self.style.line_break;
        for (slot, added) in added {
            let anchor = slot.checked_sub(1).or(kept.first().copied());
            let Some(child) = anchor.and_then(|number| node.children().get(number)) else {
                continue;
            };
            let (start, end, comma) = self.flow_item_range(child);
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

    pub(super) fn remove_from_flow(&mut self, node: &YamlNode, run: Range<usize>, last_kept: usize) {
        let source = self.tree.source;
        let children: Vec<&ChildNode> = run.clone().filter_map(|number| node.children().get(number)).collect();
        let own: Option<Vec<Range<usize>>> = children.iter().map(|child| separate_lines(self.tree, child)).collect();
        if let Some(own) = own {
            for lines in own {
                let above = lines::previous_line_end(source, lines.start).unwrap_or(lines.start);
                self.add_splice(above..lines.end, String::new());
            }
            return;
        }
        let end_of = |number: usize| node.children().get(number).map(|child| self.flow_item_range(child).1);
        let range = if run.start > last_kept {
            end_of(last_kept).zip(end_of(run.end - 1)).map(|(from, to)| from..to)
        } else {
            let start_of = |number: usize| node.children().get(number).map(|child| child.start);
            start_of(run.start).zip(start_of(run.end)).map(|(from, to)| from..to)
        };
        if let Some(range) = range {
            self.add_splice(range, String::new());
        }
    }
}

/// Returns the start and end of a child between brackets, and the offset after the comma that follows.
pub(super) fn flow_item_range(tree: &YamlTree<'_>, child: &ChildNode) -> (usize, usize, Option<usize>) {
    let source = tree.source;
    let end = tree.node(child.value).end.max(child.value_offset);
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
        Some(key) => flow_pair(key, &added.value),
        None => format_flow(&added.value),
    }
}
