//! Adds and removes the children of block collections.

use super::super::blocks;
use super::super::changes::AddedNode;
use super::super::tree::NodeRef;
use super::YamlSplicer;
use crate::yaml::{ChildNode, CollectionStyle, Node, YamlValue, format_flow, lines};

impl<'t> YamlSplicer<'t, '_> {
    pub(super) fn splice_block(&mut self, node: NodeRef<'t>) {
        let source = self.tree.source;
        let Some(first) = node.child(0) else { return };
        let column = lines::column_at(source, first.start);
        let spacing = self.spacing(first);
        let is_top = lines::previous_line_end(source, first.start).is_none();
        let is_inline = !lines::is_first_in_line(source, first.start);
        let added = self.additions_by_position(node);
        let stays = |number: usize| !self.changes.removed_children.contains(&(node, number));
        let first_remaining = (0..node.child_count()).find(|number| stays(*number));
        if first_remaining.is_none() && (is_inline || added.is_empty()) {
            self.replace_emptied_block(node, &added, is_inline);
            if is_inline {
                return;
            }
        }
        let spaced = self.has_blank_lines_between_children(&node);
        let line_break = self.style.line_break;
        for (slot, added) in added {
            for one in added {
                let rendered = self.render_added(one, column, &spacing);
                let text = format!("{}{}", rendered.head, self.join_lines(&rendered.lines));
                let pad = " ".repeat(column);
                let blank = if spaced { line_break } else { "" };
                match slot.checked_sub(1).and_then(|before| node.child(before)) {
                    Some(before) => {
                        let at = self.insertion_offset_below(before.end(), column);
                        self.add_splice(at..at, format!("{line_break}{blank}{pad}{text}"));
                    }
                    None if is_inline => {
                        self.add_splice(first.start..first.start, format!("{text}{line_break}{blank}{pad}"));
                    }
                    None => match lines::previous_line_end(source, self.insertion_offset_above(first.start, column)) {
                        Some(at) => self.add_splice(at..at, format!("{line_break}{pad}{text}{blank}")),
                        None => self.add_splice(0..0, format!("{pad}{text}{line_break}{blank}")),
                    },
                }
            }
        }
        for (number, child) in node.children().enumerate() {
            if self.changes.removed_children.contains(&(node, number)) {
                let is_from_top = is_top && first_remaining.is_none_or(|kept| number < kept);
                self.remove_lines(&node, number, child, first_remaining.filter(|_| is_inline), is_from_top);
            }
        }
    }

    /// Removes the lines of a child. If the first child is on the line of a dash, the first remaining child moves to
    /// that line.
    pub(super) fn remove_lines(
        &mut self,
        node: &Node,
        number: usize,
        child: ChildNode<'_>,
        first_remaining: Option<usize>,
        is_from_top: bool,
    ) {
        let source = self.tree.source;
        let end = lines::line_end(source, child.end());
        if let Some(kept) = first_remaining.filter(|kept| number < *kept)
            && let Some(next) = node.child(kept)
        {
            let last = node.child(kept - 1).map_or(end, |last| last.end());
            let between = source
                .get(lines::line_end(source, last)..next.start)
                .unwrap_or_default();
            if between.trim().is_empty() {
                if number == 0 {
                    self.add_splice(child.start..next.start, String::new());
                }
                return;
            }
            if number == 0 {
                let before = source
                    .get(..child.start)
                    .unwrap_or_default()
                    .trim_end_matches(' ')
                    .len();
                self.add_splice(before..end, String::new());
                return;
            }
        }
        // Also remove the line break before each line or, at the top of the file, the line break after the line.
        match lines::previous_line_end(source, child.start).filter(|_| !is_from_top) {
            Some(at) => self.add_splice(at..end, String::new()),
            None => self.add_splice(
                lines::line_start(source, child.start)..lines::next_line_start(source, end),
                String::new(),
            ),
        }
    }

    /// Replaces a block whose children are all removed.
    pub(super) fn replace_emptied_block(
        &mut self,
        node: NodeRef<'t>,
        added: &[(usize, &'t [AddedNode])],
        is_inline: bool,
    ) {
        let is_list = node.is_list();
        let added = added.iter().flat_map(|(_, added)| added.iter());
        let value = if is_list {
            YamlValue::List(added.map(|added| added.value.clone()).collect(), CollectionStyle::Block)
        } else {
            YamlValue::Map(
                added
                    .map(|a| (a.key.clone().unwrap_or_default(), a.value.clone()))
                    .collect(),
                CollectionStyle::Block,
            )
        };
        let Some(child) = self.child(node) else {
            let first = node.child(0).map_or(0, |child| child.start);
            match lines::previous_line_end(self.tree.source, first) {
                Some(at) => self.add_splice(at..at, format!("{}{}", self.style.line_break, format_flow(&value))),
                None => self.add_splice(0..0, format!("{}{}", format_flow(&value), self.style.line_break)),
            }
            return;
        };
        if is_inline {
            let column = lines::column_at(self.tree.source, child.start) + 1 + self.spacing(child).len();
            let rendered = self.style.format_after_dash(&value, column);
            self.insert_value(&node, node.indicator_end(), &rendered);
        } else {
            self.add_splice(
                node.indicator_end()..node.indicator_end(),
                format!(" {}", format_flow(&value)),
            );
        }
    }

    /// Returns `true` if all children are separated by blank lines.
    pub(super) fn has_blank_lines_between_children(&self, node: &Node) -> bool {
        let source = self.tree.source;
        let is_blank = |(before, next): (ChildNode<'_>, ChildNode<'_>)| {
            let end = lines::line_end(source, before.end());
            let between = source
                .get(end..lines::line_start(source, next.start))
                .unwrap_or_default();
            between.lines().skip(1).any(|line| line.trim().is_empty())
        };
        node.child_count() > 1 && node.children().zip(node.children().skip(1)).all(is_blank)
    }

    /// Returns the offset for new lines below a value, after the comments that belong to the value.
    pub(super) fn insertion_offset_below(&self, end: usize, indent: usize) -> usize {
        let source = self.tree.source;
        let mut point = lines::line_end(source, end);
        let mut comments: Vec<(usize, usize)> = Vec::new();
        let mut at = lines::next_line_start(source, point);
        let mut next_indent = None;
        while at < source.len() {
            let line = source.get(at..lines::line_end(source, at)).unwrap_or_default();
            let text = line.trim_start();
            if text.starts_with('#') && !blocks::is_block_start_marker(line) {
                comments.push((line.len() - text.len(), lines::line_end(source, at)));
            } else if !text.is_empty() {
                next_indent = Some(line.len() - text.len());
                break;
            }
            at = lines::next_line_start(source, at);
        }
        for (column, end) in comments {
            if column < indent || next_indent.is_some_and(|next| column <= next) {
                break;
            }
            point = end;
        }
        point
    }

    /// Returns the offset for new lines above a value, before the comments directly above it.
    pub(super) fn insertion_offset_above(&self, start: usize, indent: usize) -> usize {
        let source = self.tree.source;
        let mut at = lines::line_start(source, start);
        while at > 0 {
            let above = lines::line_start(source, at - 1);
            let line = source.get(above..at).unwrap_or_default();
            let text = line.trim_start();
            if !text.starts_with('#') || line.len() - text.len() != indent {
                break;
            }
            at = above;
        }
        at
    }
}
