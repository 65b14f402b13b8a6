//! Parser for formulas: builds the syntax tree from the tokens that `formulac-syntax` returns. Only this crate uses
//! LALRPOP.
//!
//! [`parse()`] reads a file of definitions or a single formula and always returns a tree. A syntax error becomes an
//! error node and a diagnostic, and the other formulas remain complete. The grammar is deliberately permissive: later
//! passes check function names, numbers of arguments and types.
//!
//! `formula.lalrpop` in this folder defines the grammar. The generated parser parses operators as a flat chain, and the
//! builder resolves precedence. A hand-written loop parses well-formed text three times as fast, directly from the
//! lexer's tokens. If the loop rejects the text, the layout pass and the LALRPOP parser read the text again and recover
//! from the errors. A property test checks that both parsers agree.
//!
//! [`reference()`], [`quote`] and [`unquote`] read and write the contents of single tokens: references such as
//! `${view.field[month]}`, and strings.
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
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod builder;
mod doc;
mod faults;
mod reference;
mod terminal;
mod well_formed;

use std::sync::Arc;

pub use doc::description;
pub use formulac_syntax::lex::{quote, unquote};
pub use reference::{FieldReference, reference};

use terminal::Terminal;

use formulac_syntax::ast::Ast;
use formulac_syntax::diag::{Code, Diagnostic};
use formulac_syntax::lex::{self, LayoutMode, Token};
use formulac_syntax::limits::{Limits, format_bytes};
use formulac_syntax::span::Span;

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes_without_reason,
    missing_docs,
    unused,
    reason = "the code is generated"
)]
#[allow(unused_qualifications, unreachable_pub, dead_code, reason = "the code is generated")]
mod tables {
    include!(concat!(env!("OUT_DIR"), "/formula.rs"));
}

/// Syntax tree, with the source text to which its spans refer.
#[derive(Clone, Debug)]
pub struct ParsedSource {
    source: Arc<str>,
    ast: Ast,
}

impl ParsedSource {
    /// Returns the syntax tree.
    #[must_use]
    pub fn ast(&self) -> &Ast {
        &self.ast
    }

    /// Returns the source text.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Parses a file of definitions, or a single formula, with the default limits.
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

/// Parses with the given mode and limits. The tree is always complete, because error nodes replace everything that
/// cannot be parsed.
#[must_use]
pub fn parse_with(source: &str, mode: LayoutMode, limits: &Limits) -> (ParsedSource, Vec<Diagnostic>) {
    let (mut ast, mut diagnostics) = (Ast::default(), Vec::new());
    let part = SourcePart {
        span: Span::new(0, source.len() as u32),
        mode,
        name: None,
    };
    parse_parts(
        source,
        &[part],
        limits,
        &mut ParseBuffers::default(),
        &mut ast,
        &mut diagnostics,
    );
    // Sort the diagnostics, because those of source text without a formula, such as `=/*`, are not in source order.
    formulac_syntax::diag::sort(&mut diagnostics);
    (
        ParsedSource {
            source: Arc::from(source),
            ast,
        },
        diagnostics,
    )
}

/// The parser's buffers, which are reused for the next text.
#[derive(Debug, Default)]
pub struct ParseBuffers {
    lexed: lex::LexedSource,
    layout: lex::TextLayout,
    stacks: builder::BuilderStacks,
    levels: Vec<well_formed::BracketLevel>,
}

/// One part of a source that consists of several parts, such as one formula of a spec.
#[derive(Clone, Copy, Debug)]
pub struct SourcePart {
    /// Span of the part.
    pub span: Span,
    /// Kind of text in the part: a file of definitions or a single formula.
    pub mode: LayoutMode,
    /// Name that the formula in this part defines, if the part itself does not contain the name.
    pub name: Option<Span>,
}

impl SourcePart {
    fn layout(&self, index: u32) -> lex::LayoutPart {
        lex::LayoutPart {
            mode: self.mode,
            name: self.name,
            index,
        }
    }
}

/// Parses several parts of a source into one tree. The tree is cleared first. Each definition holds the index of its
/// part.
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
                format!("the input is longer than {}", format_bytes(limits.source)),
            )
            .with_help("split the input into several files"),
        );
        return;
    }
    let before = diagnostics.len();
    if !parse_well_formed(source, parts, limits, buffers, ast, diagnostics) {
        ast.clear();
        diagnostics.truncate(before);
        parse_with_errors(source, parts, limits, buffers, ast, diagnostics);
    }
    formulac_syntax::diag::sort(diagnostics);
}

/// Parses parts that contain no errors. Returns `false` if the lexer or the parser reports anything. The caller must
/// then discard the tree.
fn parse_well_formed(
    source: &str,
    parts: &[SourcePart],
    limits: &Limits,
    buffers: &mut ParseBuffers,
    ast: &mut Ast,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    let ParseBuffers {
        lexed, stacks, levels, ..
    } = buffers;
    let before = diagnostics.len();
    let is_well_formed = parts.iter().zip(0..).all(|(part, index)| {
        lex::lex_part(source, part.span, lexed, diagnostics);
        if diagnostics.len() > before {
            return false;
        }
        ast.reserve(lexed.tokens.len());
        let mut builder = builder::AstBuilder::new(source, &[], stacks, ast, diagnostics);
        let parsed = well_formed::parse(&mut builder, &lexed.tokens, part.layout(index), limits.nesting, levels);
        parsed.is_some() && diagnostics.len() == before
    });
    lexed.free_large_buffers();
    is_well_formed
}

/// Parses parts that may contain errors, and reports the errors.
fn parse_with_errors(
    source: &str,
    parts: &[SourcePart],
    limits: &Limits,
    buffers: &mut ParseBuffers,
    ast: &mut Ast,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let ParseBuffers {
        lexed, layout, stacks, ..
    } = buffers;
    layout.clear();
    for (part, index) in parts.iter().zip(0..) {
        lex::lex_part(source, part.span, lexed, diagnostics);
        let before = layout.heads.len();
        lex::layout_part(source, lexed, part.layout(index), limits, layout, diagnostics);
        if layout.heads.len() > before {
            // The layout has its own copy of these tokens, so their memory can be freed.
            lexed.free_large_buffers();
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
    ast.reserve(layout.tokens.len());
    let mut builder = builder::AstBuilder::new(source, &layout.heads, stacks, ast, diagnostics);
    let result = tables::FileParser::new().parse(&mut builder, terminals(layout));
    if result.is_err() && !diagnostics.iter().any(Diagnostic::is_error) {
        // The recovering parser accepts every token stream that the layout pass creates. If it rejects a token
        // stream, an internal error is reported.
        diagnostics.push(Diagnostic::new(
            Code::Internal,
            Span::new(0, end),
            "the parser could not continue after an error",
        ));
    }
}

fn terminals(layout: &lex::TextLayout) -> impl Iterator<Item = (u32, Terminal, u32)> {
    layout
        .tokens
        .iter()
        .map(|(token, span)| (span.start, Terminal::from_token(*token), span.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    /// Parses a text with both parsers. The first result is `None` if the text has an error.
    fn read(text: &str, nesting: usize) -> (Option<Ast>, (Ast, Vec<Diagnostic>)) {
        let parts = [SourcePart {
            span: Span::new(0, text.len() as u32),
            mode: LayoutMode::File,
            name: None,
        }];
        let limits = Limits::default().with_nesting(nesting);
        let run_parser = |parse: &dyn Fn(&mut ParseBuffers, &mut Ast, &mut Vec<Diagnostic>) -> bool| {
            let (mut buffers, mut ast, mut diagnostics) = Default::default();
            let is_parsed = parse(&mut buffers, &mut ast, &mut diagnostics);
            is_parsed.then_some((ast, diagnostics))
        };
        let well_formed =
            run_parser(&|buffers, ast, found| parse_well_formed(text, &parts, &limits, buffers, ast, found));
        let by_grammar = run_parser(&|buffers, ast, found| {
            parse_with_errors(text, &parts, &limits, buffers, ast, found);
            true
        });
        (well_formed.map(|(ast, _)| ast), by_grammar.unwrap_or_default())
    }

    #[test]
    fn both_parsers_return_the_same_tree() {
        let texts = [
            "a = -x ^ 2% + +(b - 3) * SUM(IF(c > 1, d, -e))\nb = \"te\"\"xt\" & view.field <> TODAY()",
            "=${a.b c[month]:row_total} = 'a tab'!B2:$C$3",
            "x[month] >= A1:A3 / f(g(), (1), --2, TRUE)",
            "IF(a, , -1) + f(,) + g(a, ) - h()",
            "=a = b",
            "a = IF(\n  b = 1,\n  (-\n c = 2), d)\n  e = f",
            "IF(a = 1, b, c)",
        ];
        for text in texts {
            let (well_formed, by_grammar) = read(text, 4);
            assert_eq!(well_formed.map(|ast| (ast, Vec::new())), Some(by_grammar), "{text}");
        }
    }

    #[test]
    fn help_for_a_tab_does_not_read_the_next_definition() {
        let (_, diagnostics) = parse("a = Sheet1!\nb = 2");
        let help: Vec<_> = diagnostics.iter().filter_map(Diagnostic::help).collect();
        assert_eq!(
            help,
            ["in a worksheet, put the tab name in single quotes: `'Sheet1'!`; other formulas cannot read tabs"]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Both parsers accept the same source text, for any sequence of tokens.
        #[test]
        fn both_parsers_accept_the_same_texts(words in prop::collection::vec(prop::sample::select(vec![
            "a", "b", "view.f", "f(", "g(", "f.g.h(", "(", ")", ")", ",", "+", "-", "*", "^", "=", "!=", "==", "&", "%", ":", "[month]", "[", "]",
            "'t'!", "A1", "B$2", "${v.x}", "1", "2.5", "\"t\"", "TRUE", ".", "!", "#", "@", "x =", "\n",
            "CASE", "WHEN", "THEN", "END", "IN", "IS", "NULL", "AND", "OVER", "SELECT", "BETWEEN", "::int", "||", ";", "1,5", "'t'", "\"t", "\u{2018}t",
            "[[", "$abcd", "><", "my x =",
        ]), 1..12)) {
            let text = words.join(" ");
            let (well_formed, (ast, diagnostics)) = read(&text, 4);
            match well_formed {
                Some(well_formed) => prop_assert_eq!((well_formed, Vec::new()), (ast, diagnostics), "{}", text),
                // A formula without a name may also be a definition whose name is not an identifier.
                None => {
                    let is_ambiguous = text.contains('=') && ast.definitions.iter().any(|d| d.name.is_none());
                    prop_assert!(!diagnostics.is_empty() || is_ambiguous || ast.definitions.is_empty(), "{}", text);
                }
            }
        }
    }
}
