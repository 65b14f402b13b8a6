//! A YAML text to nodes, by an explicit stack and within limits.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::{Kind, Node, Style};
use crate::diag::{Code, Diagnostic};
use crate::span::{LineIndex, Span};

/// Sequences and mappings inside each other; no spec or dbt file comes near it.
const NESTING: usize = 64;
/// Nodes of one file, those that aliases repeat included.
const NODES: usize = 2_000_000;

enum Open {
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>, Option<Node>),
}

/// The first document of a text; none for an empty one.
pub(crate) fn read(source: &str) -> Result<Option<Node>, Diagnostic> {
    let index = LineIndex::new(source);
    let lines: Vec<&str> = source.split('\n').collect();
    let offset = |mark: &Marker| {
        let line = lines.get(mark.line().saturating_sub(1)).copied().unwrap_or_default();
        let within = line.char_indices().nth(mark.col()).map_or(line.len(), |(i, _)| i);
        index.line_start(mark.line() as u32) + within as u32
    };
    let mut stack: Vec<(Open, u32, usize)> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut count = 0usize;
    let mut done: Option<Node> = None;
    for event in Parser::new_from_str(source) {
        let (event, place) = event.map_err(|fault| {
            let at = offset(fault.marker());
            invalid(source, Span::new(at, (at + 1).min(source.len() as u32)), fault.info())
        })?;
        let (start, end) = (offset(&place.start), offset(&place.end));
        let span = Span::new(start, end.max(start));
        count += 1;
        if count > NODES {
            return Err(invalid(source, span, "the file is too large"));
        }
        let (node, anchor) = match event {
            Event::Scalar(value, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                    ScalarStyle::Plain => Style::Plain,
                };
                (Node { kind: Kind::Scalar { value: value.into_owned(), style }, span }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                stack.push((Open::Sequence(Vec::new()), start, anchor));
                check_depth(source, stack.len(), span)?;
                continue;
            }
            Event::MappingStart(anchor, _) => {
                stack.push((Open::Mapping(Vec::new(), None), start, anchor));
                check_depth(source, stack.len(), span)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((open, start, anchor)) = stack.pop() else { continue };
                let kind = match open {
                    Open::Sequence(items) => Kind::Sequence(items),
                    Open::Mapping(pairs, _) => Kind::Mapping(pairs),
                };
                (Node { kind, span: Span::new(start, end.max(start)) }, anchor)
            }
            Event::Alias(anchor) => {
                let node = anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| invalid(source, span, "an alias to nothing"))?;
                count += size(&node);
                (Node { span, ..node }, 0)
            }
            _ => continue,
        };
        if anchor > 0 {
            anchors.insert(anchor, node.clone());
        }
        match stack.last_mut() {
            None => {
                done = Some(node);
                break;
            }
            Some((Open::Sequence(items), ..)) => items.push(node),
            Some((Open::Mapping(pairs, key), ..)) => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    if let Some(text) = key.text() {
                        if pairs.iter().any(|(k, _)| k.text() == Some(text)) {
                            return Err(invalid(source, key.span, &format!("the key `{text}` stands twice")));
                        }
                    }
                    pairs.push((key, node));
                }
            },
        }
    }
    Ok(done.filter(|n| !n.is_null()))
}

fn size(node: &Node) -> usize {
    // Depth is bounded by NESTING when the node is made.
    match &node.kind {
        Kind::Scalar { .. } => 1,
        Kind::Sequence(items) => items.iter().map(size).sum::<usize>() + 1,
        Kind::Mapping(pairs) => pairs.iter().map(|(k, v)| size(k) + size(v)).sum::<usize>() + 1,
    }
}

fn check_depth(source: &str, depth: usize, span: Span) -> Result<(), Diagnostic> {
    if depth > NESTING { Err(invalid(source, span, "lists and mappings nest too deep")) } else { Ok(()) }
}

fn invalid(source: &str, span: Span, what: &str) -> Diagnostic {
    let line = LineIndex::new(source).position(span.start).line;
    let text = source.split('\n').nth(line as usize - 1).unwrap_or_default();
    let mut help = "check the indentation, and put formulas into a block text: `definitions: |`".to_owned();
    // `a: IF(x = "b: c", 1, 2)`: the second colon ends a plain text.
    if let Some((key, value)) = text.split_once(": ") {
        let value = value.trim();
        let formula = value.contains(['(', '=', '"', '&']);
        if formula && (value.contains(": ") || value.starts_with(['{', '[', '&', '*', '!', '%', '@', '`', '"', '\''])) {
            help = format!("put the formula in quotes: `{}: '{}'`", key.trim(), value.replace('\'', "''"));
        }
    }
    Diagnostic::new(Code::InvalidYaml, span, format!("not valid YAML: {what}")).with_help(help)
}
