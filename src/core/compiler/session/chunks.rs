//! Splits a formula file into chunks of whole lines, each of which contains a definition and the comments above it.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::diag::Code;
use crate::lex::{self, LayoutMode, LayoutPart, LexedSource, TextLayout, Token};
use crate::limits::Limits;
use crate::span::Span;

/// Part of a file that can be compiled separately. A chunk consists of whole lines, and begins with a definition and
/// the comments above it. Definitions that share a line are in the same chunk.
#[derive(Debug)]
pub(super) struct Chunk {
    pub span: Span,
    /// Names of the definitions, relative to the start of the chunk.
    pub names: Vec<Span>,
    /// Hashes of the names of the definitions.
    pub defines: Vec<u64>,
    /// Hashes of all names in the chunk, sorted.
    pub mentions: Vec<u64>,
    /// Whether the chunk contains an unmatched bracket.
    pub is_unbalanced: bool,
}

/// Splits a part of the source text. The part begins at the start of a chunk and ends at the end of a line. Returns
/// `None` if the meaning of the part could depend on the text after it, for example because of an unclosed string, or
/// if the first formula has no name.
pub(super) fn split_chunks(text: &str, part: Span, limits: &Limits) -> Option<Vec<Chunk>> {
    let (mut lexed, mut layout, mut diagnostics) = (LexedSource::default(), TextLayout::default(), Vec::new());
    lex::lex_part(text, part, &mut lexed, &mut diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }
    let whole_part = LayoutPart {
        mode: LayoutMode::File,
        name: None,
        index: 0,
    };
    lex::layout_part(text, &lexed, whole_part, limits, &mut layout, &mut diagnostics);
    // The parser recovers from unmatched brackets at the end of the definition. Other errors in the layout are rare.
    let is_bracket = |code| matches!(code, Code::UnclosedBracket | Code::SurplusBracket);
    if diagnostics.iter().any(|diagnostic| !is_bracket(diagnostic.kind())) {
        return None;
    }
    let mut chunks: Vec<Chunk> = Vec::with_capacity(layout.heads.len());
    let mut before: Option<Span> = None;
    for head in &layout.heads {
        let name = head.name?;
        let start = match before {
            None => Some(part.start),
            Some(before) => next_line_start(text, before.end).filter(|start| *start <= head.span.start),
        };
        if let Some(start) = start {
            if let Some(last) = chunks.last_mut() {
                last.span.end = start;
            }
            chunks.push(Chunk {
                span: Span::new(start, part.end),
                names: Vec::new(),
                defines: Vec::new(),
                mentions: Vec::new(),
                is_unbalanced: false,
            });
        }
        let chunk = chunks.last_mut()?;
        let start = chunk.span.start;
        chunk.names.push(Span::new(name.start - start, name.end - start));
        chunk.defines.push(hash_name(name.text(text)));
        before = Some(head.span);
    }
    for diagnostic in diagnostics {
        chunk_at(&mut chunks, diagnostic.span().start)?.is_unbalanced = true;
    }
    for (token, span) in &lexed.tokens {
        let mentions = &mut chunk_at(&mut chunks, span.start)?.mentions;
        add_mention_hashes(*token, span.text(text), mentions);
    }
    for chunk in &mut chunks {
        chunk.mentions.sort_unstable();
        chunk.mentions.dedup();
    }
    // Comments after the last definition belong to the next chunk.
    let is_whole_file = part.end as usize == text.len();
    let is_complete = is_whole_file || next_line_start(text, before?.end) == Some(part.end);
    (is_complete && !chunks.is_empty()).then_some(chunks)
}

/// Returns the hashes of the names in a formula.
pub(super) fn hash_mentioned_names(formula: &str) -> Vec<u64> {
    let mut mentions = Vec::new();
    for (token, span) in lex::lex(formula, &mut Vec::new()).tokens {
        add_mention_hashes(token, span.text(formula), &mut mentions);
    }
    mentions
}

/// Adds to `mentions` the hashes of the names that a token may refer to. For a reference such as
/// `${view.field[month]}`, adds the hash of each part.
fn add_mention_hashes(token: Token, text: &str, mentions: &mut Vec<u64>) {
    match token {
        Token::Name => mentions.push(hash_name(text)),
        Token::Model => {
            let parts = text.split(['$', '{', '}', '.', '[', ']', ':']).map(str::trim);
            mentions.extend(parts.filter(|part| !part.is_empty()).map(hash_name));
        }
        _ => {}
    }
}

/// Returns a hash of a name, ignoring case.
fn hash_name(name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    name.bytes().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
    hasher.finish()
}

fn chunk_at(chunks: &mut [Chunk], offset: u32) -> Option<&mut Chunk> {
    let span = chunks.partition_point(|chunk| chunk.span.start <= offset);
    chunks.get_mut(span.checked_sub(1)?)
}

/// Returns the start of the line after an offset. `None` if the offset is in the last line, or in a line that looks
/// like the description of the next definition, which is possible in a string with several lines.
fn next_line_start(text: &str, offset: u32) -> Option<u32> {
    let (before, after) = text.split_at_checked(offset as usize)?;
    let line = before.rfind('\n').map_or(0, |newline| newline + 1);
    let is_description = before.get(line..)?.trim_start().starts_with("///");
    let end = after.find('\n').filter(|_| !is_description)?;
    Some(offset + end as u32 + 1)
}
