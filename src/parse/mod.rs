//! Tokens to a tree. The only module that knows LALRPOP.

mod builder;
mod doc;
mod faults;
mod machine;
mod reference;
mod terminal;
mod text;

use std::sync::Arc;

pub use doc::description;
pub use reference::{Reference, reference};
pub use text::{quote, unquote};

use terminal::Terminal;

use crate::ast::Ast;
use crate::diag::{Code, Diagnostic};
use crate::lex::{self, Mode, Token};
use crate::limits::Limits;
use crate::span::Span;

macro_rules! generated {
    ($name:ident) => {
        #[allow(
            clippy::all,
            clippy::pedantic,
            clippy::unwrap_used,
            clippy::panic,
            clippy::expect_used,
            missing_docs,
            unused
        )]
        #[allow(unused_qualifications, unreachable_pub, dead_code)]
        mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        }
    };
}
generated!(recovering);
generated!(strict);

/// A tree with the source that its spans point into.
#[derive(Clone, Debug)]
pub struct Parsed {
    source: Arc<str>,
    ast: Ast,
}

impl Parsed {
    /// The tree.
    #[must_use]
    pub fn ast(&self) -> &Ast {
        &self.ast
    }

    /// The text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Parses a file of definitions, or one formula, with the usual limits.
///
/// ```
/// let (parsed, diagnostics) = formulac::parse::parse("a = 1 +\nb = (2");
/// assert_eq!(parsed.ast().definitions.len(), 2);
/// let codes: Vec<_> = diagnostics.iter().map(|d| d.code()).collect();
/// assert_eq!(codes, ["F0201", "F0203"]);
/// ```
#[must_use]
pub fn parse(source: &str) -> (Parsed, Vec<Diagnostic>) {
    parse_with(source, Mode::File, &Limits::default())
}

/// Parses with a mode and limits. The tree is whole whatever the faults: error nodes stand in the holes.
#[must_use]
pub fn parse_with(source: &str, mode: Mode, limits: &Limits) -> (Parsed, Vec<Diagnostic>) {
    let (mut ast, mut diagnostics) = (Ast::default(), Vec::new());
    let whole = SourcePart { span: Span::new(0, source.len() as u32), mode, name: None };
    parse_parts(source, &[whole], limits, &mut Buffers::default(), &mut ast, &mut diagnostics);
    // Where there is nothing to parse, what the lexer said comes before that in the list and not in the text: `=/*`.
    crate::diag::sort(&mut diagnostics);
    (Parsed { source: Arc::from(source), ast }, diagnostics)
}

/// What parsing needs besides its result, kept from one text to the next.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    lexed: lex::Lexed,
    layout: lex::Layout,
    stacks: builder::Stacks,
}

/// A part of a source that is made of several, such as the formulas of a spec.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourcePart {
    pub span: Span,
    pub mode: Mode,
    /// What the formula of this part defines, when its name stands elsewhere.
    pub name: Option<Span>,
}

/// Parses several parts of a source into one tree; each definition says which part it is of. What was in the tree before
/// is dropped.
pub(crate) fn parse_parts(
    source: &str,
    parts: &[SourcePart],
    limits: &Limits,
    buffers: &mut Buffers,
    ast: &mut Ast,
    diagnostics: &mut Vec<Diagnostic>,
) {
    ast.clear();
    if source.len() > limits.source.min(u32::MAX as usize / 2) {
        diagnostics.push(
            Diagnostic::new(
                Code::SourceTooLarge,
                Span::default(),
                format!("the source is {} bytes long, more than the limit of {}", source.len(), limits.source),
            )
            .with_help("split it into several files"),
        );
        return;
    }
    let Buffers { lexed, layout, stacks } = buffers;
    layout.clear();
    for (index, part) in parts.iter().enumerate() {
        lex::lex_part(source, part.span, lexed, diagnostics);
        let before = layout.heads.len();
        let frame = lex::Part { mode: part.mode, name: part.name, index: index as u32 };
        lex::layout_part(source, lexed, frame, limits, layout, diagnostics);
        if layout.heads.len() > before {
            continue;
        }
        if part.mode == Mode::Formula || part.span.text(source).trim_start().starts_with('=') {
            diagnostics.push(
                Diagnostic::new(Code::ExpectedExpression, part.span, "the formula is empty")
                    .with_help("write an expression, such as `SUM(amount)`"),
            );
        }
    }
    if layout.heads.is_empty() {
        return;
    }
    let end = source.len() as u32;
    layout.tokens.push((Token::Last, Span::new(end, end)));
    ast.reserve(layout.tokens.len(), layout.heads.len());
    let before = diagnostics.len();
    let mut builder = builder::Builder::new(source, &layout.heads, stacks, ast, diagnostics);
    if strict::FileParser::new().parse(&mut builder, terminals(layout)).is_err() {
        // Something is wrong: the whole once more, by the parser that goes on after a fault.
        ast.clear();
        diagnostics.truncate(before);
        let mut builder = builder::Builder::new(source, &layout.heads, stacks, ast, diagnostics);
        let result = recovering::FileParser::new().parse(&mut builder, terminals(layout));
        if result.is_err() && !diagnostics.iter().any(Diagnostic::is_error) {
            // Recovery takes every stream that the layout pass makes; were one refused, it is said and not hidden.
            diagnostics.push(Diagnostic::new(
                Code::Internal,
                Span::new(0, end),
                "the parser could not go on after a fault",
            ));
        }
    }
    crate::diag::sort(diagnostics);
}

fn terminals(layout: &lex::Layout) -> impl Iterator<Item = (u32, Terminal, u32)> {
    layout.tokens.iter().map(|(token, span)| (span.start, Terminal::of(*token), span.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the strict parser reads, the recovering one reads alike.
    #[test]
    fn both_parsers_give_the_same_tree() {
        let texts = [
            "a = -x ^ 2% + +(b - 3) * SUM(IF(c > 1, d, -e))\nb = \"te\"\"xt\" & view.field <> TODAY()",
            "${a.b c[month]:row_total} = 'a tab'!B2:$C$3",
            "x[month] >= A1:A3 / f(g(), (1), --2, TRUE)",
            "1 != 2\n",
            "=a = b",
        ];
        for text in texts {
            let whole = Span::new(0, text.len() as u32);
            let (mut lexed, mut layout, mut diagnostics) = Default::default();
            lex::lex_part(text, whole, &mut lexed, &mut diagnostics);
            let part = lex::Part { mode: Mode::File, name: None, index: 0 };
            lex::layout_part(text, &lexed, part, &Limits::default(), &mut layout, &mut diagnostics);
            layout.tokens.push((Token::Last, Span::new(whole.end, whole.end)));
            let read = |strictly: bool| {
                let (mut stacks, mut ast, mut diagnostics) = Default::default();
                let mut builder = builder::Builder::new(text, &layout.heads, &mut stacks, &mut ast, &mut diagnostics);
                let tokens = terminals(&layout);
                let read = if strictly {
                    strict::FileParser::new().parse(&mut builder, tokens).is_ok()
                } else {
                    recovering::FileParser::new().parse(&mut builder, tokens).is_ok()
                };
                assert!(read, "{text}");
                (ast, diagnostics)
            };
            assert_eq!(read(true), read(false), "{text}");
        }
    }
}
