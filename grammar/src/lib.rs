//! The parser of formulac's formulas: tokens of `formulac-syntax` to its tree. The only crate that knows LALRPOP.
//!
//! [`parse()`] takes a file of definitions or one formula and always gives a tree: what is broken is an error node and a
//! diagnostic, and the formulas beside it are whole. The language is permissive on purpose: which functions there are, how
//! many arguments they take and what types are right is asked later.
//!
//! `formula.lalrpop` in this folder is the one statement of the language. Operators come as a flat chain there, and the
//! builder settles precedence. What is well formed is read by a loop that knows what may follow, in a third of the time;
//! what that refuses goes through the grammar's parser, which recovers. A property test holds the two together.
//!
//! [`reference()`], [`quote`] and [`unquote`] read and write the small forms inside a token: `${view.field[month]}` and texts.
//!
//! ```
//! use formulac_syntax::ast;
//!
//! let (parsed, diagnostics) = formulac_grammar::parse("x = ((a + b)) * -(c ^ d)%");
//! assert!(diagnostics.is_empty());
//! let body = parsed.ast().definitions[0].body;
//! assert_eq!(ast::print(parsed.ast(), parsed.source(), body), "(a + b) * -(c ^ d)%");
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::todo, clippy::unimplemented)]

mod builder;
mod doc;
mod faults;
mod reference;
mod terminal;
mod well_formed;

use std::sync::Arc;

pub use doc::description;
pub use formulac_syntax::lex::{quote, unquote};
pub use reference::{CellReference, reference};

use terminal::Terminal;

use formulac_syntax::ast::Ast;
use formulac_syntax::diag::{Code, Diagnostic};
use formulac_syntax::lex::{self, LayoutMode, Token};
use formulac_syntax::limits::Limits;
use formulac_syntax::span::Span;

#[allow(clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs, unused)]
#[allow(unused_qualifications, unreachable_pub, dead_code)]
mod tables {
    include!(concat!(env!("OUT_DIR"), "/formula.rs"));
}

/// A tree with the source that its spans point into.
#[derive(Clone, Debug)]
pub struct ParsedSource {
    source: Arc<str>,
    ast: Ast,
}

impl ParsedSource {
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
/// let (parsed, diagnostics) = formulac_grammar::parse("a = 1 +\nb = (2");
/// assert_eq!(parsed.ast().definitions.len(), 2);
/// let codes: Vec<_> = diagnostics.iter().map(|d| d.code()).collect();
/// assert_eq!(codes, ["F0201", "F0203"]);
/// ```
#[must_use]
pub fn parse(source: &str) -> (ParsedSource, Vec<Diagnostic>) {
    parse_with(source, LayoutMode::File, &Limits::default())
}

/// Parses with a mode and limits. The tree is whole whatever the faults: error nodes stand in the holes.
#[must_use]
pub fn parse_with(source: &str, mode: LayoutMode, limits: &Limits) -> (ParsedSource, Vec<Diagnostic>) {
    let (mut ast, mut diagnostics) = (Ast::default(), Vec::new());
    let whole = SourcePart { span: Span::new(0, source.len() as u32), mode, name: None };
    parse_parts(source, &[whole], limits, &mut ParseBuffers::default(), &mut ast, &mut diagnostics);
    // Where there is nothing to parse, what the lexer said comes before that in the list and not in the text: `=/*`.
    formulac_syntax::diag::sort(&mut diagnostics);
    (ParsedSource { source: Arc::from(source), ast }, diagnostics)
}

/// What parsing needs besides its result, kept from one text to the next.
#[derive(Debug, Default)]
pub struct ParseBuffers {
    lexed: lex::Lexed,
    layout: lex::TextLayout,
    stacks: builder::Stacks,
    levels: Vec<well_formed::BracketLevel>,
}

/// A part of a source that is made of several, such as the formulas of a spec.
#[derive(Clone, Copy, Debug)]
pub struct SourcePart {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub mode: LayoutMode,
    /// What the formula of this part defines, when its name stands elsewhere.
    pub name: Option<Span>,
}

/// Parses several parts of a source into one tree; each definition says which part it is of. What was in the tree before
/// is dropped.
pub fn parse_parts(
    source: &str,
    parts: &[SourcePart],
    limits: &Limits,
    buffers: &mut ParseBuffers,
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
    let ParseBuffers { lexed, layout, stacks, levels } = buffers;
    layout.clear();
    for (index, part) in parts.iter().enumerate() {
        lex::lex_part(source, part.span, lexed, diagnostics);
        let before = layout.heads.len();
        let frame = lex::LayoutPart { mode: part.mode, name: part.name, index: index as u32 };
        lex::layout_part(source, lexed, frame, limits, layout, diagnostics);
        if layout.heads.len() > before {
            // What the layout has taken over need not wait beside it.
            lexed.give_back();
            continue;
        }
        if part.mode == LayoutMode::Formula || part.span.text(source).trim_start().starts_with('=') {
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
    let mut builder = builder::AstBuilder::new(source, &layout.heads, stacks, ast, diagnostics);
    if well_formed::parse(&mut builder, &layout.tokens, levels).is_none() {
        // Something is wrong: the whole once more, by the parser that goes on after a fault.
        ast.clear();
        diagnostics.truncate(before);
        let mut builder = builder::AstBuilder::new(source, &layout.heads, stacks, ast, diagnostics);
        let result = tables::FileParser::new().parse(&mut builder, terminals(layout));
        if result.is_err() && !diagnostics.iter().any(Diagnostic::is_error) {
            // Recovery takes every stream that the layout pass makes; were one refused, it is said and not hidden.
            diagnostics.push(Diagnostic::new(
                Code::Internal,
                Span::new(0, end),
                "the parser could not go on after a fault",
            ));
        }
    }
    formulac_syntax::diag::sort(diagnostics);
}

fn terminals(layout: &lex::TextLayout) -> impl Iterator<Item = (u32, Terminal, u32)> {
    layout.tokens.iter().map(|(token, span)| (span.start, Terminal::from_token(*token), span.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    type ParseOutcome = Option<(Ast, Vec<Diagnostic>)>;

    /// What the parser of well-formed texts and the one of the grammar make of a text, nothing where it refuses it, and
    /// whether something in it is reported before either.
    fn read(text: &str) -> (bool, ParseOutcome, ParseOutcome) {
        let whole = Span::new(0, text.len() as u32);
        let (mut lexed, mut layout, mut said) = Default::default();
        lex::lex_part(text, whole, &mut lexed, &mut said);
        let part = lex::LayoutPart { mode: LayoutMode::File, name: None, index: 0 };
        lex::layout_part(text, &lexed, part, &Limits::default(), &mut layout, &mut said);
        layout.tokens.push((Token::Last, Span::new(whole.end, whole.end)));
        let read = |parse: &dyn Fn(&mut builder::AstBuilder<'_>) -> bool| {
            let (mut stacks, mut ast, mut diagnostics) = Default::default();
            let mut builder = builder::AstBuilder::new(text, &layout.heads, &mut stacks, &mut ast, &mut diagnostics);
            parse(&mut builder).then_some((ast, diagnostics))
        };
        let well_formed = read(&|b| well_formed::parse(b, &layout.tokens, &mut Vec::new()).is_some());
        let by_grammar = read(&|b| tables::FileParser::new().parse(b, terminals(&layout)).is_ok());
        (said.iter().any(Diagnostic::is_error), well_formed, by_grammar)
    }

    #[test]
    fn both_parsers_give_the_same_tree() {
        let texts = [
            "a = -x ^ 2% + +(b - 3) * SUM(IF(c > 1, d, -e))\nb = \"te\"\"xt\" & view.field <> TODAY()",
            "${a.b c[month]:row_total} = 'a tab'!B2:$C$3",
            "x[month] >= A1:A3 / f(g(), (1), --2, TRUE)",
            "IF(a, , -1) + f(,) + g(a, ) - h()",
            "1 != 2\n",
            "=a = b",
        ];
        for text in texts {
            let (_, well_formed, by_grammar) = read(text);
            assert!(well_formed.is_some(), "{text}");
            assert_eq!(well_formed, by_grammar, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever tokens stand in a row, sense or none.
        #[test]
        fn both_parsers_take_the_same_texts(words in prop::collection::vec(prop::sample::select(vec![
            "a", "b", "view.f", "f(", "g(", "(", ")", ")", ",", "+", "-", "*", "^", "=", "!=", "==", "&", "%", ":", "[month]", "[", "]",
            "'t'!", "A1", "B$2", "${v.x}", "1", "2.5", "\"t\"", "TRUE", ".", "!", "#", "@", "x =", "\n",
        ]), 1..12)) {
            let text = words.join(" ");
            let (faulty, well_formed, by_grammar) = read(&text);
            match (&well_formed, &by_grammar) {
                // What the layout pass has reported already, the grammar takes in silence.
                (None, Some((_, said))) => prop_assert!(faulty || said.iter().any(Diagnostic::is_error), "{}", text),
                _ => prop_assert_eq!(well_formed, by_grammar, "{}", text),
            }
        }
    }
}
