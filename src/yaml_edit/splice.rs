//! Splices: byte ranges in a file, each with its replacement. All other bytes are unchanged.

use std::collections::HashMap;
use std::ops::Range;

use super::changes::{AddedNode, YamlChanges, parents};
use super::render::{RenderStyle, Rendered, flow_pair, format_flow, split_lines};
use super::tree::{Child, EditNode, YamlKind, YamlLayout, YamlNodeId, YamlTree};
use super::value::{CollectionStyle, YamlValue};
use super::{YamlRefusal, blocks, lines};
use crate::yaml::{self, is_plain};

/// Applies the changes, parses the result again, and checks that it has the expected value and still has every comment.
pub(super) fn apply_changes(tree: &YamlTree<'_>, changes: &YamlChanges) -> Result<String, YamlRefusal> {
    if changes.is_empty() {
        return Ok(tree.source.to_owned());
    }
    let mut splicer = Splicer {
        tree,
        changes,
        parents: parents(tree),
        style: RenderStyle::from_tree(tree),
        splices: Vec::new(),
    };
    splicer.reject_shared_values()?;
    if let Some(value) = &changes.whole {
        splicer.replace_all(value);
    }
    for (id, value) in &changes.replaced {
        splicer.replace(*id, value)?;
    }
    for id in changes.collections() {
        match tree.node(id).layout() {
            YamlLayout::Block => splicer.splice_block(id),
            YamlLayout::Flow => splicer.splice_flow(id)?,
            YamlLayout::Implied => {
                return Err(tree.new_refusal(tree.node(id).start, "a key-value pair without braces would be changed"));
            }
        }
    }
    let (text, gone) = write_splices(tree, splicer.splices)?;
    check_result(tree, changes, &text, &gone)?;
    Ok(text)
}

/// Byte range of the file, and its replacement.
#[derive(Debug)]
struct Splice {
    range: Range<usize>,
    text: String,
}

fn write_splices(tree: &YamlTree<'_>, mut splices: Vec<Splice>) -> Result<(String, Vec<Range<usize>>), YamlRefusal> {
    // At the same offset, insertions come before replacements. Otherwise, splices keep their original order.
    splices.sort_by_key(|splice| (splice.range.start, !splice.range.is_empty()));
    let source = tree.source;
    let mut out = String::with_capacity(source.len() + splices.iter().map(|splice| splice.text.len()).sum::<usize>());
    let mut at = 0;
    for splice in &splices {
        let kept = source.get(at..splice.range.start);
        let kept = kept.ok_or_else(|| tree.new_refusal(splice.range.start, "two changes overlap here"))?;
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
fn check_result(
    tree: &YamlTree<'_>,
    changes: &YamlChanges,
    text: &str,
    gone: &[Range<usize>],
) -> Result<(), YamlRefusal> {
    let place = || {
        changes
            .replaced
            .keys()
            .chain(&changes.collections())
            .map(|id| tree.node(*id).start)
            .min()
    };
    let refusal = |why: &str| tree.new_refusal(place().unwrap_or_default(), why);
    let after = super::tree::read(text).map_err(|fault| {
        refusal(&format!(
            "the edited file could not be parsed again ({})",
            fault.reason()
        ))
    })?;
    let found = after
        .root
        .map_or_else(|| YamlValue::Bare(String::new()), |root| after.value(root));
    if !found.is_same_value(&changes.changed_value(tree)) {
        return Err(refusal("the edited file would have another meaning"));
    }
    let is_kept = |comment: &&Range<usize>| {
        let next = gone.partition_point(|range| range.end <= comment.start);
        gone.get(next).is_none_or(|range| range.start >= comment.end)
    };
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for comment in &after.comments {
        *counts.entry(text.get(comment.clone()).unwrap_or_default()).or_default() += 1;
    }
    for comment in tree.comments.iter().filter(is_kept) {
        let written = tree.source.get(comment.clone()).unwrap_or_default();
        match counts.get_mut(written) {
            Some(count) if *count > 0 => *count -= 1,
            _ => return Err(tree.new_refusal(comment.start, "a comment would be lost")),
        }
    }
    Ok(())
}

struct Splicer<'t, 's> {
    tree: &'t YamlTree<'s>,
    changes: &'t YamlChanges,
    parents: HashMap<YamlNodeId, (YamlNodeId, usize)>,
    style: RenderStyle,
    splices: Vec<Splice>,
}

impl<'t> Splicer<'t, '_> {
    fn add_splice(&mut self, range: Range<usize>, text: String) {
        self.splices.push(Splice { range, text });
    }

    fn child(&self, id: YamlNodeId) -> Option<&'t Child> {
        let (parent, number) = self.parents.get(&id)?;
        self.tree.node(*parent).children().get(*number)
    }

    /// Refuses changes to aliases, and to values that have an anchor or a tag or are inside such a value.
    fn reject_shared_values(&self) -> Result<(), YamlRefusal> {
        let tree = self.tree;
        let mut anchors: Vec<usize> = tree.nodes.iter().filter(|n| n.anchored).map(|n| n.start).collect();
        anchors.sort_unstable();
        let goes = |range: Range<usize>| {
            let next = anchors.partition_point(|start| *start < range.start);
            match anchors
                .get(next)
                .filter(|start| **start < range.end.max(range.start + 1))
            {
                Some(at) => Err(tree.new_refusal(*at, "a value with an anchor would be changed")),
                None => Ok(()),
            }
        };
        for id in self.changes.replaced.keys() {
            let node = tree.node(*id);
            goes(node.start..node.end)?;
            if matches!(node.kind, YamlKind::Alias(_)) {
                return Err(tree.new_refusal(node.start, "an alias would be changed"));
            }
            if node.tagged {
                return Err(tree.new_refusal(node.start, "a value with a tag would be changed"));
            }
        }
        for (id, number) in &self.changes.removed {
            if let Some(child) = tree.node(*id).children().get(*number) {
                goes(child.start..tree.node(child.value).end)?;
            }
        }
        for id in self.changes.replaced.keys().copied().chain(self.changes.collections()) {
            let mut above = Some(id);
            while let Some(id) = above {
                let node = tree.node(id);
                if node.anchored {
                    return Err(tree.new_refusal(node.start, "a value with an anchor would be changed"));
                }
                if node.tagged || matches!(node.kind, YamlKind::Map { complex: true, .. } | YamlKind::Alias(_)) {
                    return Err(
                        tree.new_refusal(node.start, "a value with a tag, an alias or `?` keys would be changed")
                    );
                }
                above = self.parents.get(&id).map(|(parent, _)| *parent);
            }
        }
        Ok(())
    }

    /// Replaces a file that was empty or contained only comments.
    fn replace_all(&mut self, value: &YamlValue) {
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

    fn in_flow(&self, id: YamlNodeId) -> bool {
        self.parents
            .get(&id)
            .is_some_and(|(parent, _)| self.tree.node(*parent).layout() != YamlLayout::Block)
    }

    fn replace(&mut self, id: YamlNodeId, value: &YamlValue) -> Result<(), YamlRefusal> {
        let node = self.tree.node(id);
        let source = self.tree.source;
        if self.in_flow(id) {
            let blank = if node.start == node.end { " " } else { "" };
            self.add_splice(node.start..node.end, format!("{blank}{}", format_flow(value)));
            return Ok(());
        }
        let (after, rendered) = match self.child(id) {
            Some(child) => {
                let is_item = self
                    .parents
                    .get(&id)
                    .is_some_and(|(parent, _)| self.tree.node(*parent).is_list());
                let column = lines::column_at(source, child.start);
                let rendered = match self.format_like_previous(node, value) {
                    Some(rendered) => rendered,
                    None if is_item => self.style.format_after_dash(value, column + self.gap(child).len() + 1),
                    None => self.style.format_after_key(value, column),
                };
                (child.after, rendered)
            }
            // A value at the top level follows no dash or key, so it consists only of complete lines.
            None if node.layout() == YamlLayout::Flow && node.children().is_empty() => {
                let text = self.format_top_value(value);
                self.add_splice(node.start..node.end, text);
                return Ok(());
            }
            None => return Err(self.tree.new_refusal(node.start, "the complete file would be replaced")),
        };
        self.put_value(node, after, &rendered);
        Ok(())
    }

    /// Inserts a value after its dash or colon. The value starts on the same line and may continue on the lines below.
    fn put_value(&mut self, node: &EditNode, after: usize, rendered: &Rendered) {
        let source = self.tree.source;
        let tail = self.join_lines(&rendered.lines);
        let head = if rendered.head.is_empty() {
            String::new()
        } else {
            format!(" {}", rendered.head)
        };
        let line = lines::line_end(source, after);
        if node.start > line {
            self.add_splice(after..after, head);
            self.add_splice(line..lines::line_end(source, node.end), tail);
            return;
        }
        let from = if head.is_empty() || node.start == node.end {
            after
        } else {
            node.start
        };
        let head = if from == node.start && node.start != node.end {
            rendered.head.clone()
        } else {
            head
        };
        if from < node.end || !head.is_empty() {
            self.add_splice(from..node.end.max(from), head);
        }
        let end = lines::line_end(source, node.end);
        if !tail.is_empty() {
            self.add_splice(end..end, tail);
        }
    }

    /// Formats a string with the quotes or the block style of the previous value. Quotes that only the previous value
    /// needed are omitted, so that an edited file is identical to a newly written file.
    fn format_like_previous(&self, node: &EditNode, value: &YamlValue) -> Option<Rendered> {
        let YamlValue::Text(text) = value else { return None };
        let YamlKind::Scalar { style, value: before } = &node.kind else {
            return None;
        };
        let text = text.trim_end_matches('\n');
        let is_line = !text.is_empty() && !text.contains(['\n', '\r', '\t']) && !text.chars().any(char::is_control);
        let by_choice = is_plain(before);
        match style {
            yaml::YamlStyle::Single if is_line && (by_choice || !is_plain(text)) => {
                Some(split_lines(&format!("'{}'", text.replace('\'', "''"))))
            }
            yaml::YamlStyle::Double if is_line && by_choice => Some(split_lines(&format!(
                "\"{}\"",
                text.replace('\\', "\\\\").replace('"', "\\\"")
            ))),
            yaml::YamlStyle::Block if !before.trim().is_empty() => self.text_block(node, text),
            _ => None,
        }
    }

    fn text_block(&self, node: &EditNode, text: &str) -> Option<Rendered> {
        let source = self.tree.source;
        let counts = |line: &str| line.ends_with([' ', '\t']);
        let is_fit = !text.starts_with([' ', '\t', '\n'])
            && !text.is_empty()
            && !text.lines().any(counts)
            && !text.chars().any(|c| c.is_control() && c != '\n');
        if !is_fit {
            return None;
        }
        let header = source.get(node.start..lines::line_end(source, node.start))?;
        // A folded scalar would join several lines.
        let sign = if header.starts_with('>') && !text.contains('\n') {
            '>'
        } else {
            '|'
        };
        let chomp = if header
            .get(1..)
            .is_some_and(|rest| rest.split('#').next().unwrap_or_default().contains('-'))
        {
            "-"
        } else {
            ""
        };
        let pad = " ".repeat(lines::column_at(source, node.content));
        let body = text.lines().map(|line| {
            if line.is_empty() {
                String::new()
            } else {
                format!("{pad}{line}")
            }
        });
        Some(Rendered {
            head: format!("{sign}{chomp}"),
            lines: body.collect(),
        })
    }

    /// Returns the blanks after a dash.
    fn gap(&self, child: &Child) -> String {
        let node = self.tree.node(child.value);
        let between = self.tree.source.get(child.after..node.start).unwrap_or_default();
        let is_gap = !between.is_empty() && between.len() <= 8 && between.bytes().all(|b| b == b' ');
        if is_gap { between.to_owned() } else { " ".to_owned() }
    }

    /// Returns the groups of children to add to a collection, each with the index of the remaining child before which
    /// the group is inserted.
    fn additions(&self, id: YamlNodeId) -> Vec<(usize, &'t [AddedNode])> {
        let Some(added) = self.changes.added.get(&id) else {
            return Vec::new();
        };
        let behind = |mut slot: usize| {
            while slot > 0 && self.changes.removed.contains(&(id, slot - 1)) {
                slot -= 1;
            }
            slot
        };
        added
            .iter()
            .map(|(slot, added)| (behind(*slot), added.as_slice()))
            .collect()
    }

    fn render_added(&self, added: &AddedNode, column: usize, gap: &str) -> Rendered {
        let mut rendered = match &added.key {
            Some(key) => self.style.format_pair(key, &added.value, column),
            None => self.style.format_item(&added.value, column, gap),
        };
        if let Some(note) = &added.note {
            rendered.head.push_str(&format!("  # {note}"));
        }
        rendered
    }

    fn splice_block(&mut self, id: YamlNodeId) {
        let node = self.tree.node(id);
        let source = self.tree.source;
        let Some(first) = node.children().first() else { return };
        let column = lines::column_at(source, first.start);
        let gap = self.gap(first);
        let is_top = lines::line_above(source, first.start).is_none();
        let is_inline = !lines::is_first_in_line(source, first.start);
        let added = self.additions(id);
        let stays = |number: usize| !self.changes.removed.contains(&(id, number));
        let first_kept = (0..node.children().len()).find(|number| stays(*number));
        if first_kept.is_none() && (is_inline || added.is_empty()) {
            self.replace_emptied_block(id, node, &added, is_inline);
            if is_inline {
                return;
            }
        }
        let spaced = self.has_blank_lines_between_children(node);
        let line_break = self.style.line_break;
        for (slot, added) in added {
            for one in added {
                let rendered = self.render_added(one, column, &gap);
                let text = format!("{}{}", rendered.head, self.join_lines(&rendered.lines));
                let pad = " ".repeat(column);
                let blank = if spaced { line_break } else { "" };
                match slot.checked_sub(1).and_then(|before| node.children().get(before)) {
                    Some(before) => {
                        let at =
                            self.insertion_offset_below(self.tree.node(before.value).end.max(before.after), column);
                        self.add_splice(at..at, format!("{line_break}{blank}{pad}{text}"));
                    }
                    None if is_inline => {
                        self.add_splice(first.start..first.start, format!("{text}{line_break}{blank}{pad}"));
                    }
                    None => match lines::line_above(source, self.insertion_offset_above(first.start, column)) {
                        Some(at) => self.add_splice(at..at, format!("{line_break}{pad}{text}{blank}")),
                        None => self.add_splice(0..0, format!("{pad}{text}{line_break}{blank}")),
                    },
                }
            }
        }
        for (number, child) in node.children().iter().enumerate() {
            if self.changes.removed.contains(&(id, number)) {
                let is_from_top = is_top && first_kept.is_none_or(|kept| number < kept);
                self.remove_lines(node, number, child, first_kept.filter(|_| is_inline), is_from_top);
            }
        }
    }

    /// Removes the lines of a child. If the first child is on the line of a dash, the first remaining child moves to
    /// that line.
    fn remove_lines(
        &mut self,
        node: &EditNode,
        number: usize,
        child: &Child,
        first_kept: Option<usize>,
        is_from_top: bool,
    ) {
        let source = self.tree.source;
        let end = lines::line_end(source, self.tree.node(child.value).end.max(child.after));
        if let Some(kept) = first_kept.filter(|kept| number < *kept)
            && let Some(next) = node.children().get(kept)
        {
            let last = node
                .children()
                .get(kept - 1)
                .map_or(end, |last| self.tree.node(last.value).end.max(last.after));
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
        // The line break before each line is also removed or, at the top of the file, the line break after the line.
        match lines::line_above(source, child.start).filter(|_| !is_from_top) {
            Some(at) => self.add_splice(at..end, String::new()),
            None => self.add_splice(
                lines::line_start(source, child.start)..lines::next_line_start(source, end),
                String::new(),
            ),
        }
    }

    /// Replaces a block whose children are all removed.
    fn replace_emptied_block(
        &mut self,
        id: YamlNodeId,
        node: &EditNode,
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
        let Some(child) = self.child(id) else {
            let first = node.children().first().map_or(0, |child| child.start);
            match lines::line_above(self.tree.source, first) {
                Some(at) => self.add_splice(at..at, format!("{}{}", self.style.line_break, format_flow(&value))),
                None => self.add_splice(0..0, format!("{}{}", format_flow(&value), self.style.line_break)),
            }
            return;
        };
        if is_inline {
            let column = lines::column_at(self.tree.source, child.start) + 1 + self.gap(child).len();
            let rendered = self.style.format_after_dash(&value, column);
            self.put_value(node, child.after, &rendered);
        } else {
            self.add_splice(child.after..child.after, format!(" {}", format_flow(&value)));
        }
    }

    /// Returns `true` if all children are separated by blank lines.
    fn has_blank_lines_between_children(&self, node: &EditNode) -> bool {
        let source = self.tree.source;
        let is_blank = |pair: &[Child]| {
            let [before, next] = pair else { return false };
            let end = lines::line_end(source, self.tree.node(before.value).end.max(before.after));
            let between = source
                .get(end..lines::line_start(source, next.start))
                .unwrap_or_default();
            between.lines().skip(1).any(|line| line.trim().is_empty())
        };
        node.children().len() > 1 && node.children().windows(2).all(is_blank)
    }

    /// Returns the offset for new lines below a value, after the comments that belong to the value.
    fn insertion_offset_below(&self, end: usize, indent: usize) -> usize {
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
    fn insertion_offset_above(&self, start: usize, indent: usize) -> usize {
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

    fn splice_flow(&mut self, id: YamlNodeId) -> Result<(), YamlRefusal> {
        let node = self.tree.node(id);
        let added = self.additions(id);
        let count = node.children().len();
        let stays = |number: usize| !self.changes.removed.contains(&(id, number));
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
    fn replace_flow_contents(
        &mut self,
        id: YamlNodeId,
        node: &EditNode,
        added: &[(usize, &'t [AddedNode])],
    ) -> Result<(), YamlRefusal> {
        let all = || added.iter().flat_map(|(_, added)| added.iter());
        let is_plain = all().all(|one| one.key.is_none() && one.value.is_scalar());
        if node.children().is_empty() && !is_plain && !self.in_flow(id) {
            let under_key = self.child(id).filter(|child| !child.key.is_empty());
            if let Some(child) = under_key {
                let column = self
                    .style
                    .indent_below_key(lines::column_at(self.tree.source, child.start), node.is_list());
                let lines = all()
                    .flat_map(|one| self.render_added(one, column, " ").into_lines(column))
                    .collect();
                self.put_value(
                    node,
                    child.after,
                    &Rendered {
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
            return self.replace(id, &value);
        }
        let items: Vec<String> = all().map(in_flow).collect();
        let open = lines::skip_properties(self.tree.source, node.start, node.anchored || node.tagged) + 1;
        self.add_splice(open..node.end.saturating_sub(1).max(open), items.join(", "));
        Ok(())
    }

    fn flow_places(&self, child: &Child) -> (usize, usize, Option<usize>) {
        flow_places(self.tree, child)
    }

    /// Returns `true` if the rest of the line is empty or a comment.
    fn ends_line(&self, at: usize) -> bool {
        let source = self.tree.source;
        let rest = source
            .get(at..lines::line_end(source, at))
            .unwrap_or_default()
            .trim_start();
        rest.is_empty() || rest.starts_with('#')
    }

    fn add_to_flow(
        &mut self,
        node: &EditNode,
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
            let (start, end, comma) = self.flow_places(child);
            let pad = " ".repeat(lines::column_at(source, start));
            let is_line = lines::is_first_in_line(source, start);
            let items: Vec<String> = added.iter().map(in_flow).collect();
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

    fn remove_from_flow(&mut self, node: &EditNode, run: Range<usize>, last_kept: usize) {
        let source = self.tree.source;
        let children: Vec<&Child> = run.clone().filter_map(|number| node.children().get(number)).collect();
        let own: Option<Vec<Range<usize>>> = children.iter().map(|child| own_lines(self.tree, child)).collect();
        if let Some(own) = own {
            for lines in own {
                let above = lines::line_above(source, lines.start).unwrap_or(lines.start);
                self.add_splice(above..lines.end, String::new());
            }
            return;
        }
        let end_of = |number: usize| node.children().get(number).map(|child| self.flow_places(child).1);
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
fn flow_places(tree: &YamlTree<'_>, child: &Child) -> (usize, usize, Option<usize>) {
    let source = tree.source;
    let end = tree.node(child.value).end.max(child.after);
    let next = lines::skip_blanks_and_comments(source, end);
    let comma = source
        .get(next..)
        .is_some_and(|rest| rest.starts_with(','))
        .then_some(next + 1);
    (child.start, end, comma)
}

/// Returns the lines of a child between brackets. `None` if these lines contain other text, except for a comment.
pub(super) fn own_lines(tree: &YamlTree<'_>, child: &Child) -> Option<Range<usize>> {
    let (start, end, comma) = flow_places(tree, child);
    let line_end = lines::line_end(tree.source, end);
    let comma = comma.filter(|comma| *comma <= line_end);
    let rest = tree.source.get(comma.unwrap_or(end)..line_end)?.trim_start();
    let is_alone = lines::is_first_in_line(tree.source, start) && (rest.is_empty() || rest.starts_with('#'));
    is_alone.then_some(start..line_end)
}

/// Formats an item or a pair between brackets.
fn in_flow(added: &AddedNode) -> String {
    match &added.key {
        Some(key) => flow_pair(key, &added.value),
        None => format_flow(&added.value),
    }
}
