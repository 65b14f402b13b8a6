//! Reports unmatched brackets and brackets with invalid contents.

use super::Token;
use super::layout::{HIDDEN_BRACKET_FLAG, LayoutPass};
use super::names::quote_formula_name;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

impl LayoutPass<'_, '_> {
    pub(super) fn close_bracket(&mut self, token: Token, span: Span) {
        let Some(opening) = self.open_brackets.pop() else {
            // Report a run of surplus brackets only once.
            if self.surplus.is_some_and(|end| span.start < end) {
                return;
            }
            let row = self.source.get(span.start as usize..).unwrap_or_default();
            let row = row.bytes().take_while(|b| matches!(b, b')' | b']')).count() as u32;
            let span = Span::new(span.start, span.end.max(span.start + row));
            self.surplus = Some(span.end);
            self.broken = true;
            let message = match span.text(self.source) {
                one if one.chars().nth(1).is_none() => format!("`{one}` has no matching opening bracket"),
                few if few.len() <= 24 => format!("`{few}` have no matching opening brackets"),
                _ => format!("{row} brackets have no matching opening brackets"),
            };
            self.diagnostics.push(
                Diagnostic::new(Code::SurplusBracket, span, message).with_help(if row > 1 {
                    "remove the brackets, or add the missing opening brackets"
                } else {
                    "remove the bracket, or add the missing opening bracket"
                }),
            );
            self.has_unmatched_bracket = true;
            return;
        };
        if opening & HIDDEN_BRACKET_FLAG != 0 && token == Token::CloseSquare {
            return;
        }
        let Some((open_token, open_span)) = self.tokens.get((opening & !HIDDEN_BRACKET_FLAG) as usize).copied() else {
            return;
        };
        let wanted = closing_token(open_token);
        if wanted != token {
            let right = if wanted == Token::Close { ")" } else { "]" };
            self.diagnostics.push(
                Diagnostic::new(
                    Code::UnclosedBracket,
                    span,
                    format!("expected `{right}`, found `{}`", span.text(self.source)),
                )
                .with_secondary_label(open_span, "opened here")
                .with_help(format!("write `{right}`"))
                .with_fix(span, right),
            );
        }
        if opening & HIDDEN_BRACKET_FLAG == 0 {
            self.push(wanted, span);
        }
    }

    /// Returns `true` if the token at `at` is the only argument, as in `(*)`.
    pub(super) fn is_sole_argument(&self, at: usize) -> bool {
        let token = |at: usize| self.tokens.get(at).map(|t| t.0);
        token(at + 1) == Some(Token::Close) && at > 0 && token(at - 1) == Some(Token::Open)
    }

    /// Reports `COUNT(*)`, which is SQL syntax. The formula is parsed as if the star were missing.
    #[cold]
    pub(super) fn report_sole_star(&mut self, at: usize, span: Span) {
        let name = at
            .checked_sub(2)
            .and_then(|i| self.tokens.get(i))
            .map_or("", |(_, s)| s.text(self.source));
        let diagnostic = Diagnostic::new(Code::NotFormulaSyntax, span, "`*` does not select all columns");
        self.diagnostics.push(match name.eq_ignore_ascii_case("count") {
            true => diagnostic
                .with_help("write `COUNT()`, which counts rows")
                .with_fix(span, ""),
            false => diagnostic.with_help("use the column's name"),
        });
    }

    pub(super) fn follows_operand(&self) -> bool {
        use Token::{Cell, Close, CloseSquare, Model, Name};
        self.layout
            .tokens
            .last()
            .is_some_and(|(token, _)| matches!(token, Name | Model | Close | CloseSquare | Cell))
    }

    /// Reports `[view].[field]` and returns the number of tokens consumed. Returns 0 for other references.
    #[cold]
    pub(super) fn report_square_field(&mut self, at: usize) -> usize {
        use Token::{CloseSquare, Dot, Name, OpenSquare};
        let pattern = [OpenSquare, Name, CloseSquare, Dot, OpenSquare, Name, CloseSquare];
        if (0..pattern.len()).any(|index| self.token_at(at + index) != pattern.get(index).copied()) {
            return 0;
        }
        let whole = self.span_at(at).to(self.span_at(at + 6));
        let field = format!("{}.{}", self.text_at(at + 1), self.text_at(at + 5));
        self.report(
            Diagnostic::new(
                Code::NotFormulaSyntax,
                whole,
                "references cannot be written in square brackets",
            )
            .with_help(format!("write `{field}`"))
            .with_fix(whole, field),
        );
        self.push(Token::Fault, whole);
        pattern.len()
    }

    /// Reports `[view.field]`, which is the syntax of other tools, and returns the number of tokens consumed. One name
    /// is parsed as if the brackets were missing, so no token is consumed.
    #[cold]
    pub(super) fn report_square_reference(&mut self, at: usize, span: Span) -> usize {
        const MAX_TOKENS: usize = 12;
        let inside = self
            .tokens
            .get(at + 1..(at + MAX_TOKENS).min(self.tokens.len()))
            .unwrap_or_default();
        let end = inside.iter().position(|(t, _)| *t == Token::CloseSquare);
        let whole = end.and_then(|n| inside.get(n)).map(|(_, close)| span.to(*close));
        let diagnostic = Diagnostic::new(
            Code::NotFormulaSyntax,
            whole.unwrap_or(span),
            "references cannot be written in square brackets",
        );
        let (Some(whole), Some(end)) = (whole, end) else {
            self.diagnostics
                .push(diagnostic.with_help("write `view.field` or `${view.field}`"));
            return 0;
        };
        let name = whole.text(self.source).trim_matches(['[', ']']).trim();
        let quoted = quote_formula_name(name);
        let is_quoted = quoted != name;
        self.diagnostics.push(
            diagnostic
                .with_help(format!("write `{quoted}`"))
                .with_fix(whole, quoted),
        );
        if !is_quoted {
            return 0;
        }
        self.push(Token::Fault, whole);
        end + 2
    }

    pub(super) fn close_all_brackets(&mut self, end: u32, silent: bool) {
        while let Some(opening) = self.open_brackets.pop() {
            let Some((token, span)) = self.tokens.get((opening & !HIDDEN_BRACKET_FLAG) as usize).copied() else {
                continue;
            };
            let right = if token == Token::Open { ")" } else { "]" };
            if opening & HIDDEN_BRACKET_FLAG == 0 {
                self.push(closing_token(token), Span::new(end, end));
            }
            if silent {
                continue;
            }
            let message = format!("`{}` is not closed", span.text(self.source));
            let diagnostic = Diagnostic::new(Code::UnclosedBracket, span, message)
                .with_label("opened here")
                .with_secondary_label(
                    Span::new(end, end),
                    format!("expected `{right}` before the end of the formula"),
                );
            self.has_unmatched_bracket = true;
            // The missing bracket may belong to an earlier position, so there is no fix.
            self.diagnostics
                .push(diagnostic.with_help(match self.last_words_between(span.end, end) {
                    "" => format!("complete the expression, and add `{right}`"),
                    shown => format!("add `{right}` after `{shown}`, or earlier in the formula"),
                }));
        }
    }

    /// Returns the last words between two positions.
    fn last_words_between(&self, from: u32, end: u32) -> &str {
        let text = Span::new(from.max(end.saturating_sub(64)), end);
        let mut start = text.start as usize;
        while !self.source.is_char_boundary(start) {
            start += 1;
        }
        let text = self.source.get(start..end as usize).unwrap_or_default();
        let line = text.rsplit('\n').next().unwrap_or_default().trim();
        let skipped = line.chars().count().saturating_sub(24);
        if skipped == 0 && start as u32 == from {
            return line;
        }
        // Begin at the start of a word.
        let cut = line.char_indices().nth(skipped).map_or(0, |c| c.0);
        let tail = line.get(cut..).unwrap_or_default();
        if cut == 0 && start as u32 == from {
            tail
        } else {
            tail.split_once(' ').map_or(tail, |t| t.1)
        }
    }
}

fn closing_token(token: Token) -> Token {
    if token == Token::Open {
        Token::Close
    } else {
        Token::CloseSquare
    }
}

/// Returns whether each opening bracket in the text has a closing bracket. Matches the brackets with a simple stack.
pub(super) fn matched_brackets(tokens: &[(Token, Span)]) -> Vec<bool> {
    let mut closed = vec![false; tokens.len()];
    let mut stack = Vec::new();
    for (index, (token, _)) in tokens.iter().enumerate() {
        match token {
            Token::Open | Token::OpenSquare => stack.push(index),
            Token::Close | Token::CloseSquare => {
                if let Some(closed) = stack.pop().and_then(|opening: usize| closed.get_mut(opening)) {
                    *closed = true;
                }
            }
            _ => {}
        }
    }
    closed
}
