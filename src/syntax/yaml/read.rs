//! Parses YAML into nodes. The parser uses an explicit stack and limits the nesting depth and the number of nodes.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::character_offsets::CharacterOffsets;
use super::diagnostics::{self, invalid_yaml_diagnostic};
use super::{Node, NodeKind, YamlStyle};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Maximum nesting of sequences and mappings. No realistic spec or dbt file reaches this depth.
const MAX_NESTING: usize = 64;
/// Maximum number of nodes in a file.
const MAX_NODES: usize = 2_000_000;
/// Maximum total size of the values that aliases in a file repeat, computed as the number of nodes plus the number of
/// bytes of text (1 MiB).
const MAX_REPEATED: usize = 1 << 20;

enum OpenNode {
    Sequence(Vec<Node>),
    /// Pairs, the spans of their keys, and the key whose value comes next, if any.
    Mapping(Vec<(Node, Node)>, HashMap<String, Span>, Option<Node>),
}

/// Reads the first document in a string. Returns `None` if the text is empty. Errors that do not prevent parsing, such
/// as a duplicate key, are added to `faults`. If two keys are equal, the first key is used.
///
/// # Errors
///
/// Returns the first error that prevents further parsing.
pub fn read(source: &str, faults: &mut Vec<Diagnostic>) -> Result<Option<Node>, Diagnostic> {
    // The YAML parser treats NUL as the end of the file and ignores all text after it.
    if let Some(at) = source.find('\0') {
        let at = at as u32;
        return Err(Diagnostic::new(
            Code::InvalidYaml,
            Span::new(at, at + 1),
            "the file contains the control character U+0000",
        )
        .with_help("remove the character; a YAML file can contain only text"));
    }
    let places = CharacterOffsets::new(source);
    let offset = |mark: &Marker| places.byte_offset(mark.index()) as u32;
    let mut reader = NodeReader {
        source,
        faults,
        stack: Vec::new(),
        anchors: HashMap::new(),
        unused: BTreeMap::new(),
        repeated: 0,
        document: None,
    };
    for (count, event) in Parser::new_from_str(source).enumerate() {
        let (event, marker) = event.map_err(|fault| {
            let at = offset(fault.marker());
            let width = source
                .get(at as usize..)
                .and_then(|t| t.chars().next())
                .map_or(0, char::len_utf8);
            invalid_yaml_diagnostic(source, Span::new(at, at + width as u32), fault.info())
        })?;
        let (start, end) = (offset(&marker.start), offset(&marker.end));
        let span = Span::new(start, end.max(start));
        if count >= MAX_NODES {
            return Err(invalid_yaml_diagnostic(source, span, "the file is too large"));
        }
        let (node, anchor) = match event {
            Event::Scalar(value, style, anchor, tag) => {
                let span = reader.skip_properties(span, anchor, tag.is_some());
                (reader.scalar(value.into_owned(), style, span)?, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                reader.stack.push((OpenNode::Sequence(Vec::new()), start, anchor));
                check_depth(reader.stack.len(), span)?;
                continue;
            }
            Event::MappingStart(anchor, _) => {
                let open = OpenNode::Mapping(Vec::new(), HashMap::new(), None);
                reader.stack.push((open, start, anchor));
                check_depth(reader.stack.len(), span)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match reader.close(end) {
                Some(closed) => closed,
                None => continue,
            },
            Event::Alias(anchor) => (reader.alias(anchor, span)?, 0),
            _ => continue,
        };
        if anchor > 0 {
            reader.anchors.insert(anchor, node.clone());
        }
        if !reader.add(node) {
            return Ok(reader.document);
        }
    }
    let NodeReader {
        faults,
        unused,
        document: done,
        ..
    } = reader;
    faults.extend(
        unused
            .values()
            .map(|anchor| diagnostics::anchor_or_tag_diagnostic(source, *anchor)),
    );
    Ok(done.filter(|n| !n.is_null()))
}

/// Returns the first document in a string. `None` if the text is empty or is not valid YAML.
pub fn parse_root(source: &str) -> Option<Node> {
    read(source, &mut Vec::new()).ok().flatten()
}

/// State of the reader: the open nodes and the anchors.
struct NodeReader<'s> {
    source: &'s str,
    faults: &'s mut Vec<Diagnostic>,
    /// Open sequences and mappings, each with its start and anchor.
    stack: Vec<(OpenNode, u32, usize)>,
    anchors: HashMap<usize, Node>,
    /// Anchors of scalars that no alias has used yet.
    unused: BTreeMap<usize, Span>,
    /// Total size of the values that aliases repeat.
    repeated: usize,
    /// First document, if it is complete.
    document: Option<Node>,
}

impl NodeReader<'_> {
    /// Returns the span of a value without the anchor and the tag before it.
    fn skip_properties(&mut self, mut span: Span, anchor: usize, has_tag: bool) -> Span {
        let source = self.source;
        while let Some(property) = anchor_or_tag_span(source, span).filter(|_| anchor > 0 || has_tag) {
            if property.text(source).starts_with('&') {
                self.unused.insert(anchor, property);
            } else if !property.text(source).starts_with("!!") {
                self.faults
                    .push(diagnostics::anchor_or_tag_diagnostic(source, property));
            }
            span.start = skip_blanks(source, property.end).min(span.end);
        }
        span
    }

    fn scalar(&self, value: String, style: ScalarStyle, span: Span) -> Result<Node, Diagnostic> {
        let style = match style {
            ScalarStyle::SingleQuoted => YamlStyle::Single,
            ScalarStyle::DoubleQuoted => YamlStyle::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => YamlStyle::Block,
            ScalarStyle::Plain => YamlStyle::Plain,
        };
        if style == YamlStyle::Block
            && value.is_empty()
            && let Some(fault) = diagnostics::empty_block_diagnostic(self.source, span)
        {
            return Err(fault);
        }
        Ok(Node {
            kind: NodeKind::Scalar { value, style },
            span,
        })
    }

    /// Closes the innermost sequence or mapping, and returns the closed node with its anchor.
    fn close(&mut self, end: u32) -> Option<(Node, usize)> {
        let (open, start, anchor) = self.stack.pop()?;
        let kind = match open {
            OpenNode::Sequence(items) => NodeKind::Sequence(items),
            OpenNode::Mapping(pairs, ..) => NodeKind::Mapping(pairs),
        };
        let span = Span::new(start, end.max(start));
        Some((Node { kind, span }, anchor))
    }

    /// Returns a copy of the anchored node.
    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, Diagnostic> {
        let node = self.anchors.get(&anchor).cloned();
        let node = node.ok_or_else(|| invalid_yaml_diagnostic(self.source, span, "the alias has no anchor"))?;
        let (size, depth) = node_size(&node);
        self.repeated += size;
        if self.repeated > MAX_REPEATED {
            let message = "the aliases in this file expand to more than 1 MiB of values";
            return Err(Diagnostic::new(Code::InvalidYaml, span, message)
                .with_help("use an alias only for a short value that contains no aliases"));
        }
        check_depth(self.stack.len() + depth, span)?;
        self.unused.remove(&anchor);
        // A repeated scalar keeps the span of the anchored scalar, because a formula cannot be located in the text of
        // the alias.
        let is_text = matches!(node.kind, NodeKind::Scalar { .. });
        Ok(if is_text { node } else { Node { span, ..node } })
    }

    /// Adds a node to the innermost sequence or mapping, or as a document. Returns `false` if reading stops because the
    /// node belongs to a second document.
    fn add(&mut self, node: Node) -> bool {
        match self.stack.last_mut() {
            None if self.document.is_some() && !node.is_null() => {
                self.faults.push(
                    Diagnostic::new(Code::InvalidYaml, node.span, "the file contains a second YAML document")
                        .with_help("keep one document per file: remove the text after `---`"),
                );
                return false;
            }
            None => {
                self.document.get_or_insert(node);
            }
            Some((OpenNode::Sequence(items), ..)) => items.push(node),
            Some((OpenNode::Mapping(pairs, keys, key), ..)) => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    if let Some(text) = key.text() {
                        if let Some(first) = keys.get(text) {
                            let message = format!("the key `{text}` appears more than once");
                            self.faults.push(
                                Diagnostic::new(Code::InvalidYaml, key.span, message)
                                    .with_secondary_label(*first, "the first")
                                    .with_help(format!("keep only one `{text}`")),
                            );
                            return true;
                        }
                        keys.insert(text.to_owned(), key.span);
                    }
                    pairs.push((key, node));
                }
            },
        }
        true
    }
}

/// Returns the span of an anchor `&name` or a tag `!tag` at the beginning of a value.
fn anchor_or_tag_span(source: &str, span: Span) -> Option<Span> {
    let text = span.text(source);
    if !text.starts_with(['&', '!']) {
        return None;
    }
    let length = text.find(|c: char| c.is_whitespace()).unwrap_or(text.len());
    Some(Span::new(span.start, span.start + length as u32))
}

fn skip_blanks(source: &str, from: u32) -> u32 {
    let rest = source.get(from as usize..).unwrap_or_default();
    from + (rest.len() - rest.trim_start().len()) as u32
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

fn check_depth(depth: usize, span: Span) -> Result<(), Diagnostic> {
    if depth <= MAX_NESTING {
        return Ok(());
    }
    let message = format!("lists and mappings are nested more than {MAX_NESTING} levels deep");
    Err(Diagnostic::new(Code::InvalidYaml, span, message).with_help("remove brackets that are not needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns nested lists in which each list has ten aliases of the previous list. Each level needs few bytes, but
    /// has ten times as many values as the previous level.
    fn levels(count: usize) -> String {
        let list = |level: usize| {
            format!(
                "l{level}: &l{level} [{}]\n",
                vec![format!("*l{}", level - 1); 10].join(", ")
            )
        };
        let first = "l0: &l0 [a, b, c]\n".to_owned();
        first + &(1..=count).map(list).collect::<String>()
    }

    #[test]
    fn repeated_aliases_have_a_size_limit() {
        let read = |text: &str| read(text, &mut Vec::new());
        assert!(read(&levels(3)).is_ok());
        assert!(read(&levels(6)).unwrap_err().message().contains("1 MiB"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 20].join(", "));
        assert!(read(&long).unwrap_err().message().contains("1 MiB"));
    }

    /// The depth of an alias inside a list is the depth of the list plus the depth of the repeated value.
    #[test]
    fn aliases_nest_no_deeper_than_lists() {
        let nested = |level: usize| {
            let inside = if level == 0 {
                "a".to_owned()
            } else {
                format!("*l{}", level - 1)
            };
            format!("l{level}: &l{level} {}{inside}{}\n", "[".repeat(20), "]".repeat(20))
        };
        let text = |levels: usize| (0..levels).map(nested).collect::<String>();
        assert!(read(&text(3), &mut Vec::new()).is_ok());
        let fault = read(&text(4), &mut Vec::new()).unwrap_err();
        assert!(fault.message().contains("levels deep"), "{fault:?}");
    }
}
