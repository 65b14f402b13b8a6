//! Parses a YAML file into one tree, which readers and editors of the file share. The parser uses an explicit stack and
//! limits the nesting depth and the size of repeated values.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::character_offsets::CharacterOffsets;
use super::{Layout, Node, NodeKind, YamlStyle, lines};
use crate::span::Span;

/// Maximum nesting of sequences and mappings. No realistic spec or dbt file reaches this depth.
pub const MAX_NESTING: usize = 64;
/// Maximum number of nodes in a file.
const MAX_NODES: usize = 2_000_000;
/// Maximum total size of the values that aliases in a file repeat, computed as the number of nodes plus the number of
/// bytes of text (1 MiB).
const MAX_ALIASED_SIZE: usize = 1 << 20;

/// Parsed YAML file.
#[derive(Debug)]
pub struct Document<'s> {
    /// Text of the file.
    pub source: &'s str,
    /// Value of the first document. `None` if the file contains no document.
    pub root: Option<Node>,
    /// Ranges of the comments in order, each from `#` to the end of its line.
    pub comments: Vec<Range<usize>>,
    /// Number of nodes in the file. The id of each node is less than this number.
    pub node_count: usize,
}

/// Fault in a YAML file. The caller decides which faults end the parsing.
#[derive(Clone, Copy, Debug)]
pub enum YamlFault<'f> {
    /// NUL character, which the YAML parser treats as the end of the file.
    Nul,
    /// Text that is not YAML, with the reason.
    Syntax(&'f str),
    /// More nodes than the limit.
    TooManyNodes,
    /// Lists and mappings that are nested too deeply. The parser ignores the rest of the file.
    TooDeep,
    /// Alias that refers to no complete value.
    UnknownAlias,
    /// Alias whose value would be nested too deeply.
    AliasTooDeep,
    /// Aliases whose values are too large.
    AliasTooLarge,
    /// Block scalar without contents.
    EmptyBlock,
    /// Tag at the beginning of a value, or an anchor that no alias uses.
    AnchorOrTag,
    /// Key that the mapping already contains, with the span of the first key.
    DuplicateKey(&'f Node, Span),
    /// Duplicate key with its value, which may contain other faults. If the key is a string, the parser ignores the
    /// pair.
    DuplicatePair(&'f Node, Span),
    /// Start of a second document.
    SecondDocument,
    /// Value of a second document. The parser ignores the rest of the file.
    SecondValue,
}

/// Parses a file. Faults are reported in the order of the file.
///
/// # Errors
///
/// Returns the first error that `report` returns.
pub fn parse<E>(source: &str, report: impl FnMut(YamlFault<'_>, Span) -> Result<(), E>) -> Result<Document<'_>, E> {
    let mut builder = TreeBuilder {
        document: Document {
            source,
            root: None,
            comments: Vec::new(),
            node_count: 0,
        },
        report,
        stack: Vec::new(),
        anchors: HashMap::new(),
        unused: BTreeMap::new(),
        repeated: 0,
        comment_search_start: 0,
    };
    if let Some(at) = source.find('\0') {
        (builder.report)(YamlFault::Nul, span_of_tokens(&(at..at + 1)))?;
    }
    let places = CharacterOffsets::new(source);
    let offset = |mark: &Marker| places.byte_offset(mark.index());
    let mut documents = 0;
    for (count, event) in Parser::new_from_str(source).enumerate() {
        let (event, marker) = match event {
            Ok(event) => event,
            Err(fault) => {
                let at = offset(fault.marker());
                let width = source
                    .get(at..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(0, char::len_utf8);
                (builder.report)(YamlFault::Syntax(fault.info()), span_of_tokens(&(at..at + width)))?;
                break;
            }
        };
        let start = offset(&marker.start);
        let range = start..offset(&marker.end).max(start);
        if count == MAX_NODES {
            (builder.report)(YamlFault::TooManyNodes, span_of_tokens(&range))?;
        }
        let is_read = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    (builder.report)(YamlFault::SecondDocument, span_of_tokens(&range))?;
                }
                true
            }
            Event::Scalar(value, style, anchor, tag) => {
                let node = builder.scalar(value.into_owned(), style, range, anchor, tag.is_some())?;
                builder.add(node, anchor)?
            }
            Event::SequenceStart(anchor, tag) => {
                builder.open(NodeKind::Sequence(Vec::new()), range, anchor, tag.is_some())?
            }
            Event::MappingStart(anchor, tag) => {
                builder.open(NodeKind::Mapping(Vec::new()), range, anchor, tag.is_some())?
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(range)?,
            Event::Alias(anchor) => {
                let node = builder.alias(anchor, range)?;
                builder.add(node, 0)?
            }
            _ => true,
        };
        if !is_read {
            return Ok(builder.document);
        }
    }
    builder.record_comments_until(source.len());
    for anchor in builder.unused.values() {
        (builder.report)(YamlFault::AnchorOrTag, *anchor)?;
    }
    Ok(builder.document)
}

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
    /// Span of the first key that is equal to `key`.
    first: Option<Span>,
}

struct TreeBuilder<'s, R> {
    document: Document<'s>,
    report: R,
    stack: Vec<OpenNode>,
    anchors: HashMap<usize, Node>,
    /// Anchors of scalars that no alias has used yet.
    unused: BTreeMap<usize, Span>,
    /// Total size of the values that aliases repeat.
    repeated: usize,
    /// Offset after the last scalar. Comments may occur between this offset and the next scalar.
    comment_search_start: usize,
}

impl<E, R: FnMut(YamlFault<'_>, Span) -> Result<(), E>> TreeBuilder<'_, R> {
    /// Records the comments between the last scalar and this offset.
    fn record_comments_until(&mut self, end: usize) {
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

    fn scalar(
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
            let span = span_of_tokens(&property);
            if span.text(source).starts_with('&') {
                self.unused.insert(anchor, span);
            } else if !span.text(source).starts_with("!!") {
                (self.report)(YamlFault::AnchorOrTag, span)?;
            }
        }
        let trimmed_end = range.start + source.get(range.clone()).unwrap_or_default().trim_end().len();
        let (style, end) = match style {
            ScalarStyle::SingleQuoted => (YamlStyle::Single, lines::quoted_scalar_end(source, start)),
            ScalarStyle::DoubleQuoted => (YamlStyle::Double, lines::quoted_scalar_end(source, start)),
            ScalarStyle::Plain => (YamlStyle::Plain, trimmed_end),
            ScalarStyle::Literal | ScalarStyle::Folded if value.trim_end().is_empty() => {
                (YamlStyle::Block, range.start)
            }
            // Only whitespace follows the last character of a block scalar on its line, so the scalar ends at the end
            // of the line.
            ScalarStyle::Literal | ScalarStyle::Folded => (YamlStyle::Block, lines::line_end(source, trimmed_end)),
        };
        let span = span_of_tokens(&(start.min(range.end)..range.end));
        if style == YamlStyle::Block && value.is_empty() {
            (self.report)(YamlFault::EmptyBlock, span)?;
        }
        self.comment_search_start = self.comment_search_start.max(end);
        Ok(Node {
            written: span_of_tokens(&(range.start..end)),
            is_anchored: anchor > 0,
            is_tagged,
            ..Node::new(NodeKind::Scalar { value, style }, span)
        })
    }

    /// Returns a copy of the anchored node.
    fn alias(&mut self, anchor: usize, range: Range<usize>) -> Result<Node, E> {
        let span = span_of_tokens(&range);
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
        self.unused.remove(&anchor);
        // A repeated scalar keeps the span of the anchored scalar, because a formula cannot be located in the text of
        // the alias.
        let is_text = matches!(node.kind, NodeKind::Scalar { .. });
        Ok(Node {
            span: if is_text { node.span } else { span },
            written: span,
            is_anchored: false,
            is_alias: true,
            ..node
        })
    }

    /// Opens a list or mapping. Returns `false` if reading stops because the list or mapping is nested too deeply.
    fn open(&mut self, kind: NodeKind, range: Range<usize>, anchor: usize, is_tagged: bool) -> Result<bool, E> {
        let source = self.document.source;
        if self.stack.len() >= MAX_NESTING {
            (self.report)(YamlFault::TooDeep, span_of_tokens(&range))?;
            return Ok(false);
        }
        self.record_comments_until(range.start);
        let has_properties = anchor > 0 || is_tagged;
        let first = lines::skip_properties(source, range.start, has_properties);
        let is_list = matches!(kind, NodeKind::Sequence(_));
        let above = self.stack.last();
        let in_flow = above.is_some_and(|open| open.node.layout != Layout::Block);
        let layout = match source
            .get(first..)
            .unwrap_or_default()
            .starts_with(if is_list { '[' } else { '{' })
        {
            true => Layout::Flow,
            false if in_flow => Layout::Implied,
            false => Layout::Block,
        };
        // If dashes are not indented below their key, the parser's position is after the first dash.
        let key = above
            .and_then(|open| open.key.as_ref())
            .filter(|_| is_list && layout == Layout::Block);
        let behind_key = key.and_then(|key| {
            let after = lines::skip_colon(source, key.end(), true)?;
            let value = lines::skip_blanks_and_comments(source, after);
            lines::next_dash_offset(source, lines::skip_properties(source, value, has_properties))
        });
        let start = behind_key.map_or(range.start, |dash| dash.min(range.start));
        self.stack.push(OpenNode {
            node: Node {
                written: span_of_tokens(&(start..start)),
                layout,
                is_anchored: anchor > 0,
                is_tagged,
                ..Node::new(kind, span_of_tokens(&range))
            },
            anchor,
            cursor: behind_key.unwrap_or(first + usize::from(layout == Layout::Flow)),
            keys: HashMap::new(),
            key: None,
            first: None,
        });
        Ok(true)
    }

    /// Closes the innermost list or mapping.
    fn close(&mut self, range: Range<usize>) -> Result<bool, E> {
        let Some(OpenNode {
            mut node,
            anchor,
            cursor,
            ..
        }) = self.stack.pop()
        else {
            return Ok(true);
        };
        node.span.end = node.span.start.max(range.end as u32);
        let end = match node.layout {
            Layout::Flow => range.start + 1,
            _ => cursor,
        };
        node.written.end = node.written.start.max(end as u32);
        if node.layout == Layout::Flow {
            self.record_comments_until(range.start);
        }
        self.add(node, anchor)
    }

    /// Adds a complete node as the document, a list item, a key, or the value of a key. Returns `false` if reading
    /// stops because the node belongs to a second document.
    fn add(&mut self, mut node: Node, anchor: usize) -> Result<bool, E> {
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
                    _ => node.written.text(source),
                };
                open.first = open.keys.get(name).copied();
                match open.first {
                    Some(first) => (self.report)(YamlFault::DuplicateKey(&node, first), node.span)?,
                    None => drop(open.keys.insert(name.to_owned(), node.span)),
                }
                open.key = Some(node);
            }
            (NodeKind::Mapping(pairs), Some(key)) => {
                let after = lines::skip_colon(source, key.end(), layout == Layout::Block);
                open.node.has_complex_keys |= after.is_none();
                open.cursor = node.place_after(source, after.unwrap_or(key.end()));
                if let Some(first) = open.first {
                    (self.report)(YamlFault::DuplicatePair(&key, first), key.span)?;
                }
                if open.first.is_none() || key.text().is_none() {
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
        self.lead = after as u32;
        match &self.kind {
            _ if self.requires_no_approval() => self.written = span_of_tokens(&(after..after)),
            NodeKind::Scalar {
                style: YamlStyle::Block,
                ..
            } if !self.is_alias => {
                let content = self.written.start;
                self.written.start = content.min(lines::skip_blanks_and_comments(source, after) as u32);
                if self.written.end <= content {
                    self.written.end = lines::block_header_end(source, self.start()) as u32;
                }
            }
            _ => {}
        }
        self.end().max(after)
    }
}

fn span_of_tokens(range: &Range<usize>) -> Span {
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
