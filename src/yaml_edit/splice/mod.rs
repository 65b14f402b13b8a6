//! Splices: byte ranges in a file, each with its replacement. All other bytes are unchanged.

mod block;
mod flow;
mod text;
use std::collections::HashMap;
use std::ops::Range;

use super::YamlEditError;
use super::changes::{AddedNode, YamlChanges};
use super::render::{RenderStyle, RenderedValue};
use super::tree::{NodeRef, Parent, YamlTree};
use crate::yaml::{ChildNode, Layout, Node, YamlValue, format_flow, lines};

/// Applies the changes, parses the result again, and checks that it has the expected value and still has every comment.
pub(super) fn apply_changes<'t>(tree: &'t YamlTree<'_>, changes: &YamlChanges<'t>) -> Result<String, YamlEditError> {
    if changes.is_empty() {
        return Ok(tree.source.to_owned());
    }
    let mut splicer = YamlSplicer {
        tree,
        changes,
        parents: tree.parents(),
        style: RenderStyle::from_tree(tree),
        splices: Vec::new(),
    };
    splicer.reject_shared_values()?;
    if let Some(value) = &changes.new_contents {
        splicer.replace_document(value);
    }
    for (node, value) in &changes.replacements {
        splicer.replace_value(*node, value)?;
    }
    for node in changes.collections() {
        match node.layout {
            Layout::Block => splicer.splice_block(node),
            Layout::Flow => splicer.splice_flow(node)?,
            Layout::Implied => {
                return Err(tree.edit_error_at(node.start(), "a key-value pair without braces would be changed"));
            }
        }
    }
    let (text, removed_ranges) = write_splices(tree, splicer.splices)?;
    check_result(tree, changes, &text, &removed_ranges)?;
    Ok(text)
}

/// Byte range of the file, and its replacement.
#[derive(Debug)]
struct Splice {
    range: Range<usize>,
    text: String,
}

fn write_splices(tree: &YamlTree<'_>, mut splices: Vec<Splice>) -> Result<(String, Vec<Range<usize>>), YamlEditError> {
    // At the same offset, insertions come before replacements. Otherwise, splices keep their original order.
    splices.sort_by_key(|splice| (splice.range.start, !splice.range.is_empty()));
    let source = tree.source;
    let mut out = String::with_capacity(source.len() + splices.iter().map(|splice| splice.text.len()).sum::<usize>());
    let mut at = 0;
    for splice in &splices {
        let kept = source.get(at..splice.range.start);
        let kept = kept.ok_or_else(|| tree.edit_error_at(splice.range.start, "two changes overlap here"))?;
        out.push_str(kept);
        out.push_str(&splice.text);
        at = splice.range.end;
    }
    out.push_str(source.get(at..).unwrap_or_default());
    Ok((
        out,
        splices
            .into_iter()
            .map(|splice| splice.range)
            .filter(|range| !range.is_empty())
            .collect(),
    ))
}

/// Parses the new file and compares it with the expected value.
fn check_result<'t>(
    tree: &'t YamlTree<'_>,
    changes: &YamlChanges<'t>,
    text: &str,
    removed_ranges: &[Range<usize>],
) -> Result<(), YamlEditError> {
    let start = || {
        changes
            .replacements
            .keys()
            .chain(&changes.collections())
            .map(|node| node.start())
            .min()
    };
    let edit_error = |why: &str| tree.edit_error_at(start().unwrap_or_default(), why);
    let after = super::tree::read(text).map_err(|fault| {
        edit_error(&format!(
            "the edited file could not be parsed again ({})",
            fault.reason()
        ))
    })?;
    let yaml_value = after
        .root()
        .map_or_else(|| YamlValue::Bare(String::new()), |root| after.value(root));
    if !yaml_value.is_same_value(&changes.changed_value(tree)) {
        return Err(edit_error("the edit would also change other values in the file"));
    }
    let is_kept = |comment: &&Range<usize>| {
        let next = removed_ranges.partition_point(|range| range.end <= comment.start);
        removed_ranges.get(next).is_none_or(|range| range.start >= comment.end)
    };
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for comment in &after.comments {
        *counts.entry(text.get(comment.clone()).unwrap_or_default()).or_default() += 1;
    }
    for comment in tree.comments.iter().filter(is_kept) {
        let written = tree.source.get(comment.clone()).unwrap_or_default();
        match counts.get_mut(written) {
            Some(count) if *count > 0 => *count -= 1,
            _ => return Err(tree.edit_error_at(comment.start, "a comment would be lost")),
        }
    }
    Ok(())
}

struct YamlSplicer<'t, 's> {
    tree: &'t YamlTree<'s>,
    changes: &'t YamlChanges<'t>,
    parents: Vec<Option<Parent<'t>>>,
    style: RenderStyle,
    splices: Vec<Splice>,
}

impl<'t> YamlSplicer<'t, '_> {
    fn add_splice(&mut self, range: Range<usize>, text: String) {
        self.splices.push(Splice { range, text });
    }

    fn parent(&self, node: NodeRef<'_>) -> Option<Parent<'t>> {
        self.parents.get(node.id as usize).copied().flatten()
    }

    fn child(&self, node: NodeRef<'_>) -> Option<ChildNode<'t>> {
        let (parent, number) = self.parent(node)?;
        parent.0.child(number)
    }

    /// Refuses changes to aliases, and to values that have an anchor or a tag or are inside such a value.
    fn reject_shared_values(&self) -> Result<(), YamlEditError> {
        let tree = self.tree;
        let anchored = tree.nodes().into_iter().filter(|node| node.is_anchored);
        let mut anchors: Vec<usize> = anchored.map(Node::start).collect();
        anchors.sort_unstable();
        let check_range = |range: Range<usize>| {
            let next = anchors.partition_point(|start| *start < range.start);
            match anchors
                .get(next)
                .filter(|start| **start < range.end.max(range.start + 1))
            {
                Some(at) => Err(tree.edit_error_at(*at, "a value with an anchor would be changed")),
                None => Ok(()),
            }
        };
        for node in self.changes.replacements.keys() {
            check_range(node.full_span.range())?;
            if node.is_alias {
                return Err(tree.edit_error_at(node.start(), "an alias would be changed"));
            }
            if node.is_tagged {
                return Err(tree.edit_error_at(node.start(), "a value with a tag would be changed"));
            }
        }
        for (node, number) in &self.changes.removed_children {
            if let Some(child) = node.child(*number) {
                check_range(child.start..child.value.end())?;
            }
        }
        let replaced = self.changes.replacements.keys().copied();
        for node in replaced.chain(self.changes.collections()) {
            let mut above = Some(node);
            while let Some(node) = above {
                if node.is_anchored {
                    return Err(tree.edit_error_at(node.start(), "a value with an anchor would be changed"));
                }
                if node.is_opaque() {
                    let reason = "a value with a tag, an alias or `?` keys would be changed";
                    return Err(tree.edit_error_at(node.start(), reason));
                }
                above = self.parent(node).map(|(parent, _)| parent);
            }
        }
        Ok(())
    }

    /// Replaces a file that was empty or contained only comments.
    fn replace_document(&mut self, value: &YamlValue) {
        let source = self.tree.source;
        let text = self.format_top_value(value);
        let at = source.find("\n...").map_or(source.len(), |at| at + 1);
        let is_broken = at == 0 || source.get(..at).is_some_and(|before| before.ends_with('\n'));
        let before = if is_broken { "" } else { self.style.line_break };
        let text = format!("{before}{text}{}", self.style.line_break);
        self.add_splice(at..at, text);
    }

    /// Formats a value at the top of the file.
    fn format_top_value(&self, value: &YamlValue) -> String {
        let rendered = self.style.format_after_dash(value, 0);
        let first = Some(rendered.head).filter(|head| !head.is_empty());
        let lines: Vec<String> = first.into_iter().chain(rendered.lines).collect();
        lines.join(self.style.line_break)
    }

    fn join_lines(&self, lines: &[String]) -> String {
        lines
            .iter()
            .map(|line| format!("{}{line}", self.style.line_break))
            .collect()
    }

    fn is_in_flow(&self, node: NodeRef<'_>) -> bool {
        self.parent(node)
            .is_some_and(|(parent, _)| parent.layout != Layout::Block)
    }

    fn replace_value(&mut self, node: NodeRef<'_>, value: &YamlValue) -> Result<(), YamlEditError> {
        let source = self.tree.source;
        if self.is_in_flow(node) {
            let blank = if node.full_span.is_empty() { " " } else { "" };
            self.add_splice(node.full_span.range(), format!("{blank}{}", format_flow(value)));
            return Ok(());
        }
        let like_previous = text::format_like_previous(source, &node, value);
        if let Some(wrapped) = like_previous.as_ref().filter(|text| text::is_wrapped(&node, text)) {
            let text = format!("{}{}", wrapped.head, self.join_lines(&wrapped.lines));
            self.add_splice(node.full_span.range(), text);
            return Ok(());
        }
        let (after, rendered) = match self.child(node) {
            Some(child) => {
                let column = lines::column_at(source, child.start);
                let mut rendered = match like_previous {
                    Some(rendered) => rendered,
                    None if child.key.is_none() => self
                        .style
                        .format_after_dash(value, column + self.spacing(child).len() + 1),
                    None => self.style.format_after_key(value, column),
                };
                rendered.head.push_str(text::comment_after_block_header(source, &node));
                (node.indicator_end(), rendered)
            }
            // A value at the top level follows no dash or key, so it consists only of complete lines.
            None if node.layout == Layout::Flow && node.child_count() == 0 => {
                let text = self.format_top_value(value);
                self.add_splice(node.full_span.range(), text);
                return Ok(());
            }
            None => {
                return Err(self
                    .tree
                    .edit_error_at(node.start(), "the complete file would be replaced"));
            }
        };
        self.insert_value(&node, after, &rendered);
        Ok(())
    }

    /// Inserts a value after its dash or colon. The value starts on the same line and may continue on the lines below.
    fn insert_value(&mut self, node: &Node, after: usize, rendered: &RenderedValue) {
        let source = self.tree.source;
        let tail = self.join_lines(&rendered.lines);
        let head = if rendered.head.is_empty() {
            String::new()
        } else {
            format!(" {}", rendered.head)
        };
        let line = lines::line_end(source, after);
        if node.start() > line {
            let comment = text::comment_after(source, node)
                .filter(|_| source.get(after..line).is_some_and(|rest| rest.trim().is_empty()));
            self.add_splice(after..after, format!("{head}{}", comment.unwrap_or_default()));
            self.add_splice(line..lines::line_end(source, node.end()), tail);
            return;
        }
        // The parser accepts a tab only before some values, such as quoted strings.
        let has_tab = source.get(after..node.start()).is_some_and(|gap| gap.contains('\t'));
        let (from, head) = if head.is_empty() || node.full_span.is_empty() || has_tab {
            (after, head)
        } else {
            (node.start(), rendered.head.clone())
        };
        if from < node.end() || !head.is_empty() {
            self.add_splice(from..node.end().max(from), head);
        }
        let end = lines::line_end(source, node.end());
        if !tail.is_empty() {
            self.add_splice(end..end, tail);
        }
    }

    /// Returns the whitespace after a dash.
    fn spacing(&self, child: ChildNode<'_>) -> String {
        let node = child.value;
        let between = self
            .tree
            .source
            .get(node.indicator_end()..node.start())
            .unwrap_or_default();
        let is_gap = !between.is_empty() && between.len() <= 8 && between.bytes().all(|b| b == b' ');
        if is_gap { between.to_owned() } else { " ".to_owned() }
    }

    /// Returns the groups of children to add to a collection, each with the index of the remaining child before which
    /// the group is inserted.
    fn additions_by_position(&self, node: NodeRef<'t>) -> Vec<(usize, &'t [AddedNode])> {
        let Some(added) = self.changes.added.get(&node) else {
            return Vec::new();
        };
        let behind = |mut slot: usize| {
            while slot > 0 && self.changes.removed_children.contains(&(node, slot - 1)) {
                slot -= 1;
            }
            slot
        };
        added
            .iter()
            .map(|(slot, added)| (behind(*slot), added.as_slice()))
            .collect()
    }

    fn render_added(&self, added: &AddedNode, column: usize, spacing: &str) -> RenderedValue {
        let mut rendered = match &added.key {
            Some(key) => self.style.format_pair(key, &added.value, column),
            None => self.style.format_item(&added.value, column, spacing),
        };
        if let Some(note) = &added.note {
            rendered.head.push_str(&format!("  # {note}"));
        }
        rendered
    }
}

/// Returns the lines of a child between brackets. `None` if these lines contain other text, except for a comment.
pub(super) fn own_line_range(tree: &YamlTree<'_>, child: ChildNode<'_>) -> Option<Range<usize>> {
    let (start, end, comma) = flow::flow_child_range(tree, child);
    let line_end = lines::line_end(tree.source, end);
    if comma.is_some_and(|comma| comma > line_end) {
        return None;
    }
    let rest = tree.source.get(comma.unwrap_or(end)..line_end)?.trim_start();
    let is_alone = lines::is_first_in_line(tree.source, start) && (rest.is_empty() || rest.starts_with('#'));
    is_alone.then_some(start..line_end)
}
