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
    /// Pairs, the keys among them with their places, and the key whose value comes next.
    Mapping(Vec<(Node, Node)>, HashMap<String, Span>, Option<Node>),
}

/// Where the last mark was: marks come in order, so a long line is walked once.
#[derive(Default)]
struct Cursor {
    line: usize,
    column: usize,
    byte: usize,
}

impl Cursor {
    /// The byte of a mark within its line.
    fn within(&mut self, line: &str, mark: &Marker) -> usize {
        if mark.line() != self.line || mark.col() < self.column {
            *self = Self { line: mark.line(), column: 0, byte: 0 };
        }
        let rest = line.get(self.byte..).unwrap_or_default();
        let step = mark.col() - self.column;
        self.byte += rest.char_indices().nth(step).map_or(rest.len(), |(i, _)| i);
        self.column = mark.col();
        self.byte
    }
}

/// The first document of a text; none for an empty one. Faults that keep nothing from being read, such as a key that
/// stands twice, are reported beside it: the first of the two counts.
pub(crate) fn read(source: &str, faults: &mut Vec<Diagnostic>) -> Result<Option<Node>, Diagnostic> {
    let index = LineIndex::new(source);
    let lines: Vec<&str> = source.split('\n').collect();
    let mut cursor = Cursor::default();
    let mut offset = |mark: &Marker| {
        let line = lines.get(mark.line().saturating_sub(1)).copied().unwrap_or_default();
        index.line_start(mark.line() as u32) + cursor.within(line, mark) as u32
    };
    let mut stack: Vec<(Open, u32, usize)> = Vec::new();
    let mut anchors: HashMap<usize, Node> = HashMap::new();
    let mut count = 0usize;
    let mut done: Option<Node> = None;
    for event in Parser::new_from_str(source) {
        let (event, place) = event.map_err(|fault| {
            let mut at = (offset(fault.marker()) as usize).min(source.len());
            while !source.is_char_boundary(at) {
                at -= 1;
            }
            let at = at as u32;
            let width = source.get(at as usize..).and_then(|t| t.chars().next()).map_or(0, char::len_utf8);
            invalid(source, Span::new(at, at + width as u32), fault.info())
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
                stack.push((Open::Mapping(Vec::new(), HashMap::new(), None), start, anchor));
                check_depth(source, stack.len(), span)?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((open, start, anchor)) = stack.pop() else { continue };
                let kind = match open {
                    Open::Sequence(items) => Kind::Sequence(items),
                    Open::Mapping(pairs, ..) => Kind::Mapping(pairs),
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
            None if done.is_some() && !node.is_null() => {
                faults.push(
                    Diagnostic::new(Code::InvalidYaml, node.span, "the file holds a second YAML document")
                        .with_help("keep one document in a file: remove what stands behind `---`"),
                );
                return Ok(done);
            }
            None => {
                done.get_or_insert(node);
            }
            Some((Open::Sequence(items), ..)) => items.push(node),
            Some((Open::Mapping(pairs, keys, key), ..)) => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    if let Some(text) = key.text() {
                        if let Some(first) = keys.get(text) {
                            let message = format!("the key `{text}` stands twice");
                            faults.push(
                                Diagnostic::new(Code::InvalidYaml, key.span, message)
                                    .with_other(*first, "the first")
                                    .with_help("remove one of them"),
                            );
                            continue;
                        }
                        keys.insert(text.to_owned(), key.span);
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
    if let Some(line) = unindented(source).filter(|line| line.start <= span.start) {
        return Diagnostic::new(Code::InvalidYaml, line, "not valid YAML: a text block is indented below its key")
            .with_help("indent the lines below `|`, by two blanks more than the key");
    }
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
    if let Some(mended) = quoted_timeframes(text) {
        help = format!("put the timeframe in quotes: `{mended}`");
    }
    Diagnostic::new(Code::InvalidYaml, span, format!("not valid YAML: {what}")).with_help(help)
}

/// The first line of a block text that is indented no more than its key, so that the text is empty to YAML.
fn unindented(source: &str) -> Option<Span> {
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut key: Option<usize> = None;
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_end();
        if let Some(outer) = key.filter(|_| !text.trim().is_empty()) {
            let is_formula = text.contains('=') && !text.contains(": ") && !text.ends_with(':');
            if indent(text) <= outer && is_formula {
                let first = start + indent(text);
                return Some(Span::new(first as u32, (start + text.len()) as u32));
            }
            key = None;
        }
        if text.ends_with(": |") || text.ends_with(": |-") || text.ends_with(": >") {
            key = Some(indent(text));
        }
        start += line.len();
    }
    None
}

/// `group_by: [region, billing_date[month]]` with the timeframe quoted, in which YAML sees a list.
fn quoted_timeframes(line: &str) -> Option<String> {
    let (key, list) = line.split_once(": [")?;
    let list = list.trim_end().strip_suffix(']')?;
    let is_timeframe = |item: &str| {
        let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        item.strip_suffix(']').and_then(|i| i.split_once('[')).is_some_and(|(name, frame)| word(name) && word(frame))
    };
    let items: Vec<&str> = list.split(',').map(str::trim).collect();
    if !items.iter().any(|item| is_timeframe(item)) {
        return None;
    }
    let quoted = items.iter().map(|i| if is_timeframe(i) { format!("\"{i}\"") } else { (*i).to_owned() });
    Some(format!("{}: [{}]", key.trim(), quoted.collect::<Vec<_>>().join(", ")))
}
