//! Parses a YAML file into a tree of nodes with byte ranges, so that single values can be replaced.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::value::{CollectionStyle, YamlValue};
use super::{YamlRefusal, lines};
use crate::yaml::{CONFLICT_MARKER, YamlStyle, character_offsets::CharacterOffsets, conflict_marker_span};

/// Maximum nesting of lists and mappings. The recursion depth of functions that traverse a tree does not exceed this
/// number.
pub(super) const MAX_NESTING: usize = 64;
/// Maximum file size in bytes. Edited files are smaller, and other modules use 32-bit offsets.
const MAX_FILE_BYTES: usize = 64 << 20;

pub(super) type YamlNodeId = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum YamlLayout {
    Block,
    Flow,
    /// Mapping without braces inside brackets: `q: r` in `[p, q: r]`.
    Implied,
}

#[derive(Debug)]
pub(super) enum YamlKind {
    Scalar {
        value: String,
        style: YamlStyle,
    },
    List {
        items: Vec<ChildNode>,
        layout: YamlLayout,
    },
    Map {
        pairs: Vec<ChildNode>,
        layout: YamlLayout,
        complex: bool,
    },
    /// Alias, with the node that has the anchor.
    Alias(YamlNodeId),
}

/// List item or key-value pair.
#[derive(Debug)]
pub(super) struct ChildNode {
    /// Key of a pair. Empty for an item.
    pub key: String,
    /// Offset of the dash or the key. For an item in brackets, the offset of the item itself.
    pub start: usize,
    /// Offset after the dash or the colon.
    pub value_offset: usize,
    pub value: YamlNodeId,
}

#[derive(Debug)]
pub(super) struct YamlNode {
    pub kind: YamlKind,
    /// Start of the node, including an anchor `&a`, a tag `!t` or a block header `|-`. For an empty node, the offset
    /// after the dash or the colon.
    pub start: usize,
    /// Offset after the last character, excluding the comments and line breaks that follow.
    pub end: usize,
    /// Start of a block scalar's contents.
    pub content: usize,
    /// Offset after the dash or the colon before the node.
    pub value_offset: usize,
    pub anchored: bool,
    pub tagged: bool,
}

#[derive(Debug)]
pub(super) struct YamlTree<'s> {
    pub source: &'s str,
    pub nodes: Vec<YamlNode>,
    pub root: Option<YamlNodeId>,
    /// Ranges of the comments in order, each from `#` to the end of its line.
    pub comments: Vec<Range<usize>>,
}

impl YamlNode {
    /// Returns the items or the pairs.
    pub fn children(&self) -> &[ChildNode] {
        match &self.kind {
            YamlKind::List { items: children, .. } | YamlKind::Map { pairs: children, .. } => children,
            _ => &[],
        }
    }

    pub fn layout(&self) -> YamlLayout {
        match self.kind {
            YamlKind::List { layout, .. } | YamlKind::Map { layout, .. } => layout,
            _ => YamlLayout::Block,
        }
    }

    pub fn is_list(&self) -> bool {
        matches!(self.kind, YamlKind::List { .. })
    }

    pub fn is_map(&self) -> bool {
        matches!(self.kind, YamlKind::Map { .. })
    }
}

impl YamlTree<'_> {
    #[expect(clippy::indexing_slicing, reason = "ids are created only by this tree")]
    pub fn node(&self, id: YamlNodeId) -> &YamlNode {
        &self.nodes[id]
    }

    /// Returns the value of a node. The recursion is bounded because the parser limits the nesting depth.
    pub fn value(&self, id: YamlNodeId) -> YamlValue {
        let node = self.node(id);
        if node.tagged {
            return self.verbatim(node);
        }
        match &node.kind {
            YamlKind::Alias(_) | YamlKind::Map { complex: true, .. } => self.verbatim(node),
            YamlKind::Scalar {
                value,
                style: YamlStyle::Plain,
            } => YamlValue::plain_scalar(value),
            YamlKind::Scalar { value, .. } => YamlValue::Text(value.clone()),
            YamlKind::List { items, layout } => YamlValue::List(
                items.iter().map(|item| self.value(item.value)).collect(),
                collection_style(*layout),
            ),
            YamlKind::Map { pairs, layout, .. } => {
                let pairs = pairs.iter().map(|pair| (pair.key.clone(), self.value(pair.value)));
                YamlValue::Map(pairs.collect(), collection_style(*layout))
            }
        }
    }

    fn verbatim(&self, node: &YamlNode) -> YamlValue {
        YamlValue::Verbatim(self.source.get(node.start..node.end).unwrap_or_default().to_owned())
    }

    /// Returns `true` if the node is empty and has no tag or anchor.
    pub fn is_empty_node(&self, id: YamlNodeId) -> bool {
        let node = self.node(id);
        let is_empty = matches!(&node.kind, YamlKind::Scalar { value, style: YamlStyle::Plain } if value.is_empty());
        is_empty && !node.tagged && !node.anchored
    }

    /// Returns the values of these keys, which identify an item of a list. Without keys, returns the value of the item
    /// itself.
    pub fn item_identity(&self, id: YamlNodeId, keys: &[String]) -> Option<Vec<String>> {
        let text = |id: YamlNodeId| self.value(id).as_text().map(str::to_owned);
        let node = self.node(id);
        if keys.is_empty() {
            return matches!(node.kind, YamlKind::Scalar { .. })
                .then(|| text(id))?
                .map(|text| vec![text]);
        }
        let value = |key: &String| {
            node.children()
                .iter()
                .find(|pair| pair.key == *key)
                .map(|pair| pair.value)
                .or_else(|| self.merged_value(id, key))
        };
        keys.iter()
            .map(|key| {
                value(key)
                    .filter(|id| matches!(self.node(*id).kind, YamlKind::Scalar { .. }))
                    .and_then(text)
            })
            .collect()
    }

    /// Returns the value that a mapping inherits for a key through `<<`. The first mapping that has the key takes
    /// precedence.
    pub fn merged_value(&self, id: YamlNodeId, key: &str) -> Option<YamlNodeId> {
        let merged = |id: YamlNodeId| {
            let pairs = self.node(id).children().iter().rev();
            pairs.filter(|pair| pair.key == "<<").map(|pair| pair.value)
        };
        let mut seen = HashSet::new();
        let mut left: Vec<YamlNodeId> = merged(id).collect();
        while let Some(id) = left.pop() {
            if !seen.insert(id) {
                continue;
            }
            match &self.node(id).kind {
                YamlKind::Alias(target) => left.push(*target),
                YamlKind::List { items, .. } => left.extend(items.iter().rev().map(|item| item.value)),
                YamlKind::Map { pairs, .. } => match pairs.iter().find(|pair| pair.key == key) {
                    Some(pair) => return Some(pair.value),
                    None => left.extend(merged(id)),
                },
                YamlKind::Scalar { .. } => {}
            }
        }
        None
    }

    /// Returns the comments that begin in this range.
    pub fn comments_in(&self, range: &Range<usize>) -> &[Range<usize>] {
        let from = self.comments.partition_point(|comment| comment.start < range.start);
        let to = self.comments.partition_point(|comment| comment.start < range.end);
        self.comments.get(from..to).unwrap_or_default()
    }

    pub fn new_refusal(&self, at: usize, reason: impl Into<String>) -> YamlRefusal {
        YamlRefusal::at(self.source, at, reason)
    }
}

pub(super) fn collection_style(layout: YamlLayout) -> CollectionStyle {
    if layout == YamlLayout::Block {
        CollectionStyle::Block
    } else {
        CollectionStyle::Flow
    }
}

/// List or mapping that is being parsed.
struct OpenCollection {
    children: Vec<ChildNode>,
    keys: HashMap<String, usize>,
    is_map: bool,
    layout: YamlLayout,
    complex: bool,
    anchor: usize,
    tagged: bool,
    start: usize,
    /// Offset after the last child. If there are no children yet, the earliest possible offset of the first child.
    cursor: usize,
    /// Key whose value comes next: the key's name, start and end.
    key: Option<(String, usize, usize)>,
}

struct YamlTreeReader<'s> {
    tree: YamlTree<'s>,
    stack: Vec<OpenCollection>,
    anchors: HashMap<usize, YamlNodeId>,
    /// Offset after the last scalar. Comments may occur between this offset and the next scalar.
    comment_search_start: usize,
}

/// Parses a file with a single document.
pub(super) fn read(source: &str) -> Result<YamlTree<'_>, YamlRefusal> {
    if let Some(at) = source.find('\0') {
        return Err(YamlRefusal::at(
            source,
            at,
            "the file contains a control character, U+0000",
        ));
    }
    if source.len() > MAX_FILE_BYTES {
        return Err(YamlRefusal::at(source, 0, "the file is too large to be edited"));
    }
    let places = CharacterOffsets::new(source);
    let tree = YamlTree {
        source,
        nodes: Vec::new(),
        root: None,
        comments: Vec::new(),
    };
    let mut reader = YamlTreeReader {
        tree,
        stack: Vec::new(),
        anchors: HashMap::new(),
        comment_search_start: 0,
    };
    let mut documents = 0;
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|fault| match conflict_marker_span(source) {
            Some(marker) => YamlRefusal::at(source, marker.start as usize, CONFLICT_MARKER),
            None => {
                let reason = format!("the text is not valid YAML: {}", fault.info());
                YamlRefusal::at(source, places.byte_offset(fault.marker().index()), reason)
            }
        })?;
        let (start, end) = (
            places.byte_offset(span.start.index()),
            places.byte_offset(span.end.index()),
        );
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(YamlRefusal::at(
                        source,
                        start,
                        "the file contains a second YAML document",
                    ));
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                reader.add_scalar(value.into_owned(), style, start..end.max(start), anchor, tag.is_some())?;
            }
            Event::SequenceStart(anchor, tag) => reader.open_collection(false, start, anchor, tag.is_some())?,
            Event::MappingStart(anchor, tag) => reader.open_collection(true, start, anchor, tag.is_some())?,
            Event::SequenceEnd | Event::MappingEnd => reader.close_collection(start)?,
            Event::Alias(anchor) => {
                let target = reader.anchors.get(&anchor).copied();
                let target = target.ok_or_else(|| YamlRefusal::at(source, start, "an alias inside its own anchor"))?;
                reader.record_comments_until(start);
                reader.comment_search_start = end;
                reader.add_node(YamlNode::new(YamlKind::Alias(target), start, end), 0)?;
            }
            _ => {}
        }
    }
    reader.record_comments_until(source.len());
    Ok(reader.tree)
}

impl YamlNode {
    fn new(kind: YamlKind, start: usize, end: usize) -> Self {
        Self {
            kind,
            start,
            end,
            content: start,
            value_offset: start,
            anchored: false,
            tagged: false,
        }
    }
}

impl<'s> YamlTreeReader<'s> {
    fn source(&self) -> &'s str {
        self.tree.source
    }

    /// Records the comments between the last scalar and this offset.
    fn record_comments_until(&mut self, end: usize) {
        let source = self.source();
        let mut at = self.comment_search_start;
        while let Some(found) = source.get(at..end).and_then(|gap| gap.find('#')) {
            let start = at + found;
            let before = source.get(..start).and_then(|text| text.chars().next_back());
            if before.is_none_or(char::is_whitespace) {
                at = lines::line_end(source, start);
                self.tree.comments.push(start..at);
            } else {
                at = start + 1;
            }
        }
        self.comment_search_start = self.comment_search_start.max(end);
    }

    fn add_scalar(
        &mut self,
        value: String,
        style: ScalarStyle,
        span: Range<usize>,
        anchor: usize,
        tagged: bool,
    ) -> Result<(), YamlRefusal> {
        let source = self.source();
        self.record_comments_until(span.start);
        let text = lines::skip_properties(source, span.start, anchor > 0 || tagged);
        let written = source.get(span.clone()).unwrap_or_default();
        let (style, end) = match style {
            ScalarStyle::SingleQuoted => (YamlStyle::Single, lines::quoted_scalar_end(source, text)),
            ScalarStyle::DoubleQuoted => (YamlStyle::Double, lines::quoted_scalar_end(source, text)),
            ScalarStyle::Plain => (YamlStyle::Plain, span.start + written.trim_end().len()),
            // Only whitespace follows the last character of a block scalar on its line, so the scalar ends at the end
            // of the line.
            ScalarStyle::Literal | ScalarStyle::Folded => (
                YamlStyle::Block,
                lines::line_end(source, span.start + written.trim_end().len()),
            ),
        };
        let end = if style == YamlStyle::Block && value.trim_end().is_empty() {
            span.start
        } else {
            end
        };
        self.comment_search_start = self.comment_search_start.max(end);
        let mut node = YamlNode::new(YamlKind::Scalar { value, style }, span.start, end);
        node.tagged = tagged;
        self.add_node(node, anchor)
    }

    fn open_collection(&mut self, is_map: bool, start: usize, anchor: usize, tagged: bool) -> Result<(), YamlRefusal> {
        let source = self.source();
        if self.stack.len() >= MAX_NESTING {
            return Err(YamlRefusal::at(
                source,
                start,
                "lists and mappings are nested too deeply",
            ));
        }
        self.record_comments_until(start);
        let first = lines::skip_properties(source, start, anchor > 0 || tagged);
        let bracket = if is_map { '{' } else { '[' };
        let in_flow = self.stack.last().is_some_and(|open| open.layout != YamlLayout::Block);
        let layout = match source.get(first..).unwrap_or_default().starts_with(bracket) {
            true => YamlLayout::Flow,
            false if in_flow => YamlLayout::Implied,
            false => YamlLayout::Block,
        };
        // If dashes are not indented below their key, the parser's position is after the first dash.
        let key_end = self
            .stack
            .last()
            .and_then(|open| open.key.as_ref())
            .map(|(_, _, end)| *end);
        let behind_key = key_end
            .filter(|_| !is_map && layout == YamlLayout::Block)
            .and_then(|end| {
                let after = lines::skip_blanks_and_comments(source, lines::skip_colon(source, end, true)?);
                lines::next_dash_offset(source, lines::skip_properties(source, after, anchor > 0 || tagged))
            });
        let start = behind_key.map_or(start, |dash| dash.min(start));
        let cursor = behind_key.unwrap_or(first + usize::from(layout == YamlLayout::Flow));
        let keys = HashMap::new();
        let (children, key, complex) = (Vec::new(), None, false);
        self.stack.push(OpenCollection {
            children,
            keys,
            is_map,
            layout,
            complex,
            anchor,
            tagged,
            start,
            cursor,
            key,
        });
        Ok(())
    }

    fn close_collection(&mut self, at: usize) -> Result<(), YamlRefusal> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let end = if open.layout == YamlLayout::Flow {
            at + 1
        } else {
            open.cursor
        };
        let kind = if open.is_map {
            YamlKind::Map {
                pairs: open.children,
                layout: open.layout,
                complex: open.complex,
            }
        } else {
            YamlKind::List {
                items: open.children,
                layout: open.layout,
            }
        };
        let mut node = YamlNode::new(kind, open.start, end.max(open.start));
        node.tagged = open.tagged;
        if open.layout == YamlLayout::Flow {
            self.record_comments_until(at);
        }
        self.add_node(node, open.anchor)
    }

    /// Adds a complete node as the document, a list item, a key, or the value of a key.
    fn add_node(&mut self, mut node: YamlNode, anchor: usize) -> Result<(), YamlRefusal> {
        let source = self.source();
        node.anchored = anchor > 0;
        let id = self.tree.nodes.len();
        if node.anchored {
            self.anchors.insert(anchor, id);
        }
        let Some(open) = self.stack.last_mut() else {
            if !matches!(&node.kind, YamlKind::Scalar { value, style: YamlStyle::Plain } if value.is_empty()) {
                self.tree.root = Some(id);
            }
            self.tree.nodes.push(node);
            return Ok(());
        };
        if open.is_map && open.key.is_none() {
            let text = match &node.kind {
                YamlKind::Scalar { value, .. } if !node.anchored && !node.tagged => value.clone(),
                _ => {
                    open.complex = true;
                    self.tree.verbatim(&node).to_string()
                }
            };
            if let Some(first) = open.keys.insert(text.clone(), node.start) {
                let (line, _) = lines::position(source, first);
                let reason = format!("the key `{text}` is duplicated, first in line {line}");
                return Err(YamlRefusal::at(source, node.start, reason));
            }
            open.key = Some((text, node.start, node.end));
            open.cursor = node.end;
            return Ok(());
        }
        let (key, start, after) = match open.key.take() {
            Some((text, start, end)) => match lines::skip_colon(source, end, open.layout == YamlLayout::Block) {
                Some(after) => (text, start, after),
                None => {
                    open.complex = true;
                    (text, start, end)
                }
            },
            None if open.layout == YamlLayout::Block => {
                let dash = lines::next_dash_offset(source, open.cursor).unwrap_or(node.start);
                (String::new(), dash, (dash + 1).min(source.len()))
            }
            None => (String::new(), node.start, node.start),
        };
        match &node.kind {
            YamlKind::Scalar {
                value,
                style: YamlStyle::Plain,
            } if value.is_empty() && !node.anchored && !node.tagged => {
                (node.start, node.end) = (after, after);
            }
            YamlKind::Scalar {
                style: YamlStyle::Block,
                ..
            } => {
                node.content = node.start;
                node.start = lines::skip_blanks_and_comments(source, after).min(node.start);
                if node.end <= node.content {
                    node.end = lines::block_header_end(source, node.start);
                }
            }
            _ => {}
        }
        node.value_offset = after;
        open.cursor = node.end.max(after);
        open.children.push(ChildNode {
            key,
            start,
            value_offset: after,
            value: id,
        });
        self.tree.nodes.push(node);
        Ok(())
    }
}
