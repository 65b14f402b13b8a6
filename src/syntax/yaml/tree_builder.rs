//! Builds the tree of a YAML file from the parser's events. The builder uses an explicit stack and limits the nesting
//! depth and the size of repeated values.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use saphyr_parser::ScalarStyle;

use super::document::{Document, MAX_NESTING, YamlFault};
use super::{Layout, Node, NodeKind, YamlStyle, lines};
use crate::span::Span;

/// Maximum total size of the values that aliases in a file repeat, computed as the number of nodes plus the number of
/// bytes of text (1 MiB).
const MAX_ALIASED_SIZE: usize = 1 << 20;

/// List or mapping that is being parsed.
struct OpenNode {
    /// The node with its children up to now.
    node: Node,
    anchor: usize,
    /// Offset after the last child. If there are no children yet, the earliest possible offset of the first child.
    cursor: usize,
    /// Spans of the keys.
    keys: HashMap<String, Span>,
    /// Key whose value comes next.
    key: Option<Node>,
    /// Whether `key` repeats an earlier key.
    is_duplicate: bool,
}

/// Tree under construction.
pub struct TreeBuilder<'s, R> {
    pub document: Document<'s>,
    pub report: R,
    stack: Vec<OpenNode>,
    anchors: HashMap<usize, Node>,
    /// Anchors of scalars that no alias has used yet.
    pub unused_anchors: BTreeMap<usize, Span>,
    /// Total size of the values that aliases repeat.
    repeated: usize,
    /// Offset after the last scalar. Comments may occur between this offset and the next scalar.
    comment_search_start: usize,
}

impl<'s, E, R: FnMut(YamlFault<'_>, Span) -> Result<(), E>> TreeBuilder<'s, R> {
    /// Creates a builder for a file, which reports faults to `report`.
    pub fn new(source: &'s str, report: R) -> Self {
        let document = Document {
            source,
            root: None,
            comments: Vec::new(),
            node_count: 0,
        };
        Self {
            document,
            report,
            stack: Vec::new(),
            anchors: HashMap::new(),
            unused_anchors: BTreeMap::new(),
            repeated: 0,
            comment_search_start: 0,
        }
    }

    /// Records the comments between the last scalar and this offset.
    pub fn record_comments_until(&mut self, end: usize) {
        let source = self.document.source;
        let mut at = self.comment_search_start;
        while let Some(found) = source.get(at..end).and_then(|gap| gap.find('#')) {
            let start = at + found;
            let before = source.get(..start).and_then(|text| text.chars().next_back());
            if before.is_none_or(char::is_whitespace) {
                at = lines::line_end(source, start);
                self.document.comments.push(start..at);
            } else {
                at = start + 1;
            }
        }
        self.comment_search_start = self.comment_search_start.max(end);
    }

    /// Returns the node of a scalar.
    pub fn scalar(
        &mut self,
        value: String,
        style: ScalarStyle,
        range: Range<usize>,
        anchor: usize,
        is_tagged: bool,
    ) -> Result<Node, E> {
        let source = self.document.source;
        self.record_comments_until(range.start);
        let mut start = range.start;
        while let Some(property) = lines::property(source, start..range.end).filter(|_| anchor > 0 || is_tagged) {
            start = lines::skip_blanks_and_comments(source, property.end);
            let span = to_span(&property);
            if span.text(source).starts_with('&') {
                self.unused_anchors.insert(anchor, span);
            } else if !span.text(source).starts_with("!!") {
                (self.report)(YamlFault::AnchorOrTag, span)?;
            }
        }
        let text = source.get(range.clone()).unwrap_or_default();
        let trimmed_end = range.start + text.trim_end_matches(lines::BLANKS).len();
        let (style, end) = match style {
            ScalarStyle::SingleQuoted => (YamlStyle::Single, lines::quoted_scalar_end(source, start)),
            ScalarStyle::DoubleQuoted => (YamlStyle::Double, lines::quoted_scalar_end(source, start)),
            ScalarStyle::Plain => (YamlStyle::Plain, trimmed_end),
            ScalarStyle::Literal | ScalarStyle::Folded if value.trim_matches(lines::BLANKS).is_empty() => {
                (YamlStyle::Block, range.start)
            }
            // Only whitespace follows the last character of a block scalar on its line, so the scalar ends at the end
            // of the line.
            ScalarStyle::Literal | ScalarStyle::Folded => (YamlStyle::Block, lines::line_end(source, trimmed_end)),
        };
        let span = to_span(&(start.min(range.end)..range.end));
        if style == YamlStyle::Block && value.is_empty() {
            (self.report)(YamlFault::EmptyBlock, span)?;
        }
        self.comment_search_start = self.comment_search_start.max(end);
        Ok(Node {
            full_span: to_span(&(range.start..end)),
            is_anchored: anchor > 0,
            is_tagged,
            ..Node::new(NodeKind::Scalar { value, style }, span)
        })
    }

    /// Returns a copy of the anchored node.
    pub fn alias(&mut self, anchor: usize, range: Range<usize>) -> Result<Node, E> {
        let span = to_span(&range);
        self.record_comments_until(range.start);
        self.comment_search_start = range.end;
        let mut node = self.anchors.get(&anchor).cloned();
        if let Some(anchored) = &node {
            let (size, depth) = node_size(anchored);
            self.repeated += size;
            let mut fault = None;
            if self.repeated > MAX_ALIASED_SIZE {
                fault = Some(YamlFault::AliasTooLarge);
            } else if self.stack.len() + depth > MAX_NESTING {
                fault = Some(YamlFault::AliasTooDeep);
            }
            if let Some(fault) = fault {
                (self.report)(fault, span)?;
                node = None;
            }
        } else {
            (self.report)(YamlFault::UnknownAlias, span)?;
        }
        let node = node.unwrap_or_else(|| Node::plain_scalar(""));
        self.unused_anchors.remove(&anchor);
        // A repeated scalar keeps the span of the anchored scalar, because a formula cannot be located in the text of
        // the alias.
        let is_text = matches!(node.kind, NodeKind::Scalar { .. });
        Ok(Node {
            span: if is_text { node.span } else { span },
            full_span: span,
            is_anchored: false,
            is_alias: true,
            ..node
        })
    }

    /// Opens a list or mapping. Returns `false` if reading stops because the list or mapping is nested too deeply.
    pub fn open(&mut self, kind: NodeKind, range: Range<usize>, anchor: usize, is_tagged: bool) -> Result<bool, E> {
        let source = self.document.source;
        if self.stack.len() >= MAX_NESTING {
            (self.report)(YamlFault::TooDeep, to_span(&range))?;
            return Ok(false);
        }
        self.record_comments_until(range.start);
        let has_properties = anchor > 0 || is_tagged;
        let is_list = matches!(kind, NodeKind::Sequence(_));
        let parent = self.stack.last();
        let is_in_flow = parent.is_some_and(|open| open.node.layout != Layout::Block);
        // If dashes are not indented below their key, the parser's position is after the first dash.
        let key = parent
            .and_then(|open| open.key.as_ref())
            .filter(|_| is_list && !is_in_flow);
        let first_dash = key.and_then(|key| {
            let after = lines::skip_colon(source, key.end(), true)?;
            let value = lines::skip_blanks_and_comments(source, after);
            lines::next_dash_offset(source, lines::skip_properties(source, value, has_properties))
        });
        let content = lines::skip_properties(source, range.start, has_properties);
        let bracket = if is_list { '[' } else { '{' };
        let has_bracket = first_dash.is_none() && source.get(content..).unwrap_or_default().starts_with(bracket);
        let layout = match has_bracket {
            true => Layout::Flow,
            false if is_in_flow => Layout::Implied,
            false => Layout::Block,
        };
        let start = first_dash.map_or(range.start, |dash| dash.min(range.start));
        self.stack.push(OpenNode {
            node: Node {
                full_span: to_span(&(start..start)),
                layout,
                is_anchored: anchor > 0,
                is_tagged,
                ..Node::new(kind, to_span(&range))
            },
            anchor,
            cursor: first_dash.unwrap_or(content + usize::from(layout == Layout::Flow)),
            keys: HashMap::new(),
            key: None,
            is_duplicate: false,
        });
        Ok(true)
    }

    /// Closes the innermost list or mapping.
    pub fn close(&mut self, range: Range<usize>) -> Result<bool, E> {
        let Some(OpenNode {
            mut node,
            anchor,
            cursor,
            ..
        }) = self.stack.pop()
        else {
            return Ok(true);
        };
        let (mut span_end, mut end) = (range.end, cursor);
        if node.layout == Layout::Flow {
            // After a comma at the end of a mapping, the parser's position is the comma.
            let source = self.document.source;
            let bracket = match source.get(range.start..).unwrap_or_default().strip_prefix(',') {
                Some(_) => lines::skip_blanks_and_comments(source, range.start + 1),
                None => range.start,
            };
            self.record_comments_until(bracket);
            end = bracket + 1;
            span_end = end;
        }
        node.span.end = node.span.start.max(span_end as u32);
        node.full_span.end = node.full_span.start.max(end as u32);
        self.add(node, anchor)
    }

    /// Adds a complete node as the document, a list item, a key, or the value of a key. Returns `false` if reading
    /// stops because the node belongs to a second document.
    pub fn add(&mut self, mut node: Node, anchor: usize) -> Result<bool, E> {
        let source = self.document.source;
        node.id = self.document.node_count as u32;
        self.document.node_count += 1;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            let root = &mut self.document.root;
            if root.is_some() && !node.is_null() {
                (self.report)(YamlFault::SecondValue, node.span)?;
                return Ok(false);
            }
            root.get_or_insert(node);
            return Ok(true);
        };
        let layout = open.node.layout;
        match (&mut open.node.kind, open.key.take()) {
            (NodeKind::Mapping(_), None) => {
                open.node.has_complex_keys |= !node.is_simple_key();
                open.cursor = node.end();
                let name = match &node.kind {
                    NodeKind::Scalar { value, .. } => value,
                    _ => node.full_span.text(source),
                };
                let first = open.keys.get(name).copied();
                open.is_duplicate = first.is_some();
                match first {
                    Some(first) => (self.report)(YamlFault::DuplicateKey(&node, first), node.span)?,
                    None => drop(open.keys.insert(name.to_owned(), node.span)),
                }
                open.key = Some(node);
            }
            (NodeKind::Mapping(pairs), Some(key)) => {
                let after = lines::skip_colon(source, key.end(), layout == Layout::Block);
                open.node.has_complex_keys |= after.is_none();
                open.cursor = node.place_after(source, after.unwrap_or(key.end()));
                if !open.is_duplicate || key.text().is_none() {
                    pairs.push((key, node));
                }
            }
            (NodeKind::Sequence(items), _) => {
                let after = match layout {
                    Layout::Block => lines::next_dash_offset(source, open.cursor).unwrap_or(node.start()) + 1,
                    _ => node.start(),
                };
                open.cursor = node.place_after(source, after);
                items.push(node);
            }
            (NodeKind::Scalar { .. }, _) => {}
        }
        Ok(true)
    }
}

impl Node {
    /// Sets the positions of a value that follows a dash or a colon, which ends at `after`. Returns the end of the
    /// value.
    fn place_after(&mut self, source: &str, after: usize) -> usize {
        self.indicator_end = after as u32;
        match &self.kind {
            _ if self.is_empty_scalar() => self.full_span = to_span(&(after..after)),
            NodeKind::Scalar {
                style: YamlStyle::Block,
                ..
            } if !self.is_alias => {
                let content = self.full_span.start;
                self.full_span.start = content.min(lines::skip_blanks_and_comments(source, after) as u32);
                if self.full_span.end <= content {
                    self.full_span.end = lines::block_header_end(source, self.start()) as u32;
                }
            }
            _ => {}
        }
        self.end().max(after)
    }
}

/// Returns the span of a byte range.
pub fn to_span(range: &Range<usize>) -> Span {
    Span::new(range.start as u32, range.end as u32)
}

/// Returns the size of a value in nodes plus bytes of text, and the nesting depth of its sequences and mappings.
fn node_size(node: &Node) -> (usize, usize) {
    // This recursion is bounded because `MAX_NESTING` limits the depth when a node is created, including nodes from
    // aliases.
    let sum = |(size, depth): (usize, usize), node: &Node| {
        let (more, inner) = node_size(node);
        (size + more, depth.max(inner + 1))
    };
    match &node.kind {
        NodeKind::Scalar { value, .. } => (value.len() + 1, 0),
        NodeKind::Sequence(items) => items.iter().fold((1, 1), sum),
        NodeKind::Mapping(pairs) => pairs.iter().flat_map(|(k, v)| [k, v]).fold((1, 1), sum),
    }
}
