//! Reports names of definitions that are not identifiers, such as `my metric = …`.

use super::layout::LayoutPass;
use super::{LayoutMode, Token};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;
use crate::text::split_words;

/// Words at the start of a line that continue a formula in SQL.
const CONTINUATION_KEYWORDS: [&str; 16] = [
    "and", "or", "not", "is", "in", "like", "ilike", "between", "when", "then", "else", "where", "over", "filter",
    "having", "case",
];

/// Maximum number of diagnostics that are examined for each name, so that many errors take linear time.
const MAX_EXAMINED_DIAGNOSTICS: usize = 200;

impl LayoutPass<'_, '_> {
    /// Returns the index of the `=` after a name that is not an identifier. The name must begin a line.
    #[cold]
    pub(super) fn end_of_invalid_name(&self, at: usize) -> Option<usize> {
        const MAX_TOKENS: usize = 12;
        let span = self.span_at(at);
        if self.part.mode != LayoutMode::File
            || !self.open_brackets.is_empty()
            || self.is_any_keyword(at, &CONTINUATION_KEYWORDS)
            || !self.is_first_on_line(span.start)
        {
            return None;
        }
        let is_part = |at: &usize| {
            use Token::{Ampersand, Dot, Hash, Minus, Name, Number, Odd, Percent, Plus, Slash, Star, Tab, Text};
            let kinds = [
                Ampersand, Dot, Hash, Minus, Name, Number, Odd, Percent, Plus, Slash, Star, Tab, Text,
            ];
            self.token_at(*at).is_some_and(|token| kinds.contains(&token))
        };
        let equal = at + (at..at + MAX_TOKENS).take_while(is_part).count();
        let name = Span::new(span.start, self.span_at(equal).start);
        let is_name = equal > at
            && self.token_at(equal) == Some(Token::Equal)
            && !self.is_definition(at)
            && !name.text(self.source).contains('\n')
            && name.text(self.source).contains(char::is_alphabetic);
        is_name.then_some(equal)
    }

    /// Returns whether source text with definitions begins with a name that is not an identifier. `my-metric = 1` alone
    /// is a comparison.
    #[cold]
    pub(super) fn begins_with_invalid_name(&self, at: usize) -> bool {
        self.end_of_invalid_name(at).is_some_and(|equal| {
            self.is_invalid_name(at, equal) || (equal..self.tokens.len()).any(|at| self.is_definition(at))
        })
    }

    /// Returns whether the tokens up to `=` cannot be an expression, so that they are the name of a definition.
    fn is_invalid_name(&self, at: usize, equal: usize) -> bool {
        let is_adjacent = |at: usize| {
            let is_operand = |at| matches!(self.token_at(at), Some(Token::Name | Token::Number | Token::Text));
            is_operand(at) && is_operand(at + 1)
        };
        (at..equal.saturating_sub(1)).any(is_adjacent)
            || matches!(self.token_at(at), Some(Token::Percent | Token::Odd))
            || matches!(
                self.token_at(equal - 1),
                Some(Token::Percent | Token::Odd | Token::Minus)
            )
    }

    /// Returns the span of a name that is not an identifier, after an error in the name has been reported.
    pub(super) fn report_invalid_name(&mut self, at: usize, equal: usize) -> Span {
        let span = self.span_at(at).to(self.span_at(equal - 1));
        let name = span.text(self.source);
        let words = split_words(name).filter(|word| !word.is_empty());
        let mut identifier = words.collect::<Vec<_>>().join("_");
        if identifier.starts_with(|c: char| c.is_ascii_digit()) {
            identifier.insert(0, '_');
        }
        // Remove earlier diagnostics about unexpected characters in the name.
        if self.diagnostics.len() <= MAX_EXAMINED_DIAGNOSTICS {
            self.diagnostics.retain(|diagnostic| !span.contains(diagnostic.span()));
        }
        self.diagnostics.push(
            Diagnostic::new(
                Code::NotFormulaSyntax,
                span,
                format!("`{name}` cannot be the name of a definition"),
            )
            .with_help(format!(
                "write `{identifier} = …`, because a name consists of letters, digits and `_`"
            )),
        );
        span
    }
}
