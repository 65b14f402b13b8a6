//! Parses a YAML file into one tree, which readers and editors of the file share.

use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser};

use super::character_offsets::CharacterOffsets;
use super::tree_builder::{TreeBuilder, to_span};
use super::{Node, NodeKind};
use crate::span::Span;

/// Maximum nesting of sequences and mappings. No realistic spec or dbt file reaches this depth.
pub const MAX_NESTING: usize = 64;
/// Maximum number of nodes in a file. The tests of this crate use a smaller limit, because large files take long there.
pub(super) const MAX_NODES: usize = if cfg!(test) { 20_000 } else { 2_000_000 };

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
    /// Key that the mapping already contains, with the span of the first key. If the key is a string, the parser
    /// ignores the pair.
    DuplicateKey(&'f Node, Span),
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
    let mut builder = TreeBuilder::new(source, report);
    if let Some(at) = source.find('\0') {
        (builder.report)(YamlFault::Nul, to_span(&(at..at + 1)))?;
    }
    let offsets = CharacterOffsets::new(source);
    let offset = |mark: &Marker| offsets.byte_offset(mark.index());
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
                (builder.report)(YamlFault::Syntax(fault.info()), to_span(&(at..at + width)))?;
                break;
            }
        };
        let start = offset(&marker.start);
        let range = start..offset(&marker.end).max(start);
        if count == MAX_NODES {
            (builder.report)(YamlFault::TooManyNodes, to_span(&range))?;
        }
        let is_read = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    (builder.report)(YamlFault::SecondDocument, to_span(&range))?;
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
    for anchor in builder.unused_anchors.values() {
        (builder.report)(YamlFault::AnchorOrTag, *anchor)?;
    }
    Ok(builder.document)
}
