//! Finds the operands of reported syntax, and writes them as formulas, so that help text contain the user's own
//! expressions. Each search examines only a few tokens, so that the total time is linear.

use std::ops::Range;

use super::Token;
use super::layout::LayoutPass;
use crate::span::Span;

/// Maximum number of tokens that a search examines.
const MAX_TOKENS: usize = 64;

/// Words that begin or end an operand in SQL.
pub(super) const OPERAND_BOUNDARY_KEYWORDS: [&str; 13] = [
    "and", "or", "not", "is", "in", "like", "ilike", "between", "case", "when", "then", "else", "where",
];

impl LayoutPass<'_, '_> {
    /// Returns the first token of the value that ends before `at`: a name, a literal, a call or an expression in
    /// brackets.
    pub(super) fn start_of_value_before(&self, at: usize) -> Option<usize> {
        let mut last = at.checked_sub(1)?;
        if self.token_at(last) == Some(Token::CloseSquare) {
            last = self.opening_bracket(last)?.checked_sub(1)?;
        }
        let mut start = match self.token_at(last)? {
            Token::Name | Token::Model | Token::Number | Token::Text | Token::Tab | Token::Cell => last,
            Token::Close => {
                let open = self.opening_bracket(last)?;
                let name = open.checked_sub(1).filter(|name| {
                    self.token_at(*name) == Some(Token::Name) && !self.is_any_keyword(*name, &OPERAND_BOUNDARY_KEYWORDS)
                });
                name.unwrap_or(open)
            }
            _ => return None,
        };
        while start >= self.formula_start + 2
            && [start - 2, start]
                .iter()
                .all(|at| self.token_at(*at) == Some(Token::Name))
            && self.token_at(start - 1) == Some(Token::Dot)
        {
            start -= 2;
        }
        (start >= self.formula_start).then_some(start)
    }

    /// Returns the index after the value that begins at `at`: a name, a literal, a call or an expression in brackets.
    pub(super) fn value_end_after(&self, at: usize) -> Option<usize> {
        let mut end = at + 1;
        while self.token_at(end) == Some(Token::Dot) && self.token_at(end + 1) == Some(Token::Name) {
            end += 2;
        }
        match (self.token_at(at)?, self.token_at(end)) {
            (Token::Open, _) => self.end_of_brackets(at),
            (Token::Name, Some(Token::Open)) => self.end_of_brackets(end),
            (Token::Name, Some(Token::OpenSquare)) => None,
            (Token::Name | Token::Model | Token::Number | Token::Text, _) => Some(end),
            _ => None,
        }
    }

    /// Returns the index after the closing bracket that belongs to an opening bracket.
    fn end_of_brackets(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in open..open + MAX_TOKENS {
            match self.token_at(at)? {
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(at + 1);
            }
        }
        None
    }

    /// Returns the opening bracket that belongs to a closing bracket.
    fn opening_bracket(&self, close: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for at in (self.formula_start.max(close.saturating_sub(MAX_TOKENS))..=close).rev() {
            match self.token_at(at)? {
                Token::Close | Token::CloseSquare => depth += 1,
                Token::Open | Token::OpenSquare => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(at);
            }
        }
        None
    }

    /// Returns the operand on the left of a comparison that is a word, such as `IN`: all tokens up to the previous
    /// comparison, comma or opening bracket.
    pub(super) fn operand_before(&self, at: usize) -> Option<Range<usize>> {
        let start = self.expression_start(at, true)?;
        (start < at).then_some(start..at)
    }

    /// Returns the condition around `AND` or `OR`, inside the innermost brackets.
    pub(super) fn condition_around(&self, at: usize, is_single_formula: bool) -> Option<Range<usize>> {
        let (start, end) = (
            self.expression_start(at, false)?,
            self.expression_end(at + 1, false, is_single_formula)?,
        );
        (start < at && at + 1 < end).then_some(start..end)
    }

    /// Returns the first token of the expression that ends before `at`.
    fn expression_start(&self, at: usize, is_operand: bool) -> Option<usize> {
        let mut depth = 0_usize;
        let mut start = at;
        while start > self.formula_start {
            match self.token_at(start - 1)? {
                _ if at - start >= MAX_TOKENS => return None,
                Token::Close | Token::CloseSquare => depth += 1,
                Token::Open | Token::OpenSquare if depth == 0 => break,
                Token::Open | Token::OpenSquare => depth -= 1,
                token if depth == 0 && self.ends_expression(start - 1, token, is_operand) => break,
                _ => {}
            }
            start -= 1;
        }
        Some(start)
    }

    /// Returns the index after the expression that begins at `at`. An operand ends before a comparison, and also
    /// before `AND` and `OR`. Returns `None` if the end is not among the next tokens.
    pub(super) fn expression_end(&self, at: usize, is_operand: bool, is_single_formula: bool) -> Option<usize> {
        let mut depth = 0_usize;
        let mut end = at;
        while let Some(token) = self.token_at(end) {
            match token {
                _ if end - at >= MAX_TOKENS => return None,
                Token::Open | Token::OpenSquare => depth += 1,
                Token::Close | Token::CloseSquare if depth == 0 => break,
                Token::Close | Token::CloseSquare => depth -= 1,
                token if depth == 0 && end > at && self.ends_expression(end, token, is_operand) => break,
                _ if !is_single_formula && self.is_definition(end) => break,
                _ => {}
            }
            end += 1;
        }
        Some(end)
    }

    fn ends_expression(&self, at: usize, token: Token, is_operand: bool) -> bool {
        use Token::{
            BangEqual, Comma, DoubleAmpersand, DoubleEqual, Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual,
            Semicolon,
        };
        match token {
            Comma | Semicolon => true,
            Equal | DoubleEqual | NotEqual | BangEqual | Less | LessEqual | Greater | GreaterEqual
            | DoubleAmpersand => is_operand,
            Token::Name if is_operand => {
                self.is_any_keyword(at, &OPERAND_BOUNDARY_KEYWORDS) || self.is_any_keyword(at, &["end", "from"])
            }
            Token::Name => self.is_any_keyword(at, &["case", "when", "then", "else", "end", "where"]),
            _ => false,
        }
    }

    pub(super) fn is_any_keyword(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_keyword(at, word))
    }

    pub(super) fn span_of_tokens(&self, tokens: &Range<usize>) -> Span {
        self.span_at(tokens.start)
            .to(self.span_at(tokens.end.saturating_sub(1)))
    }

    /// Writes tokens as formula text: with double quotes around text literals, and with the operators of formulas.
    pub(super) fn formula_text(&self, tokens: Range<usize>) -> String {
        let mut out = String::new();
        let mut before = None;
        for (token, span) in self.tokens.get(tokens).unwrap_or_default() {
            if let Some(before) = before {
                out.push_str(Span::new(before, span.start).text(self.source));
            }
            before = Some(span.end);
            let text = span.text(self.source);
            match token {
                Token::Tab => out.push_str(&super::with_double_quotes(text)),
                Token::DoubleEqual => out.push('='),
                Token::BangEqual => out.push_str("<>"),
                _ => out.push_str(text),
            }
        }
        out
    }

    /// Returns an SQL condition as a formula, with calls instead of `AND`, `OR`, `NOT` and `IS NULL`.
    pub(super) fn condition(&self, tokens: Range<usize>) -> String {
        for word in ["OR", "AND"] {
            let parts = self.split(tokens.clone(), |at| {
                self.is_keyword(at, word) || (word == "AND" && self.token_at(at) == Some(Token::DoubleAmpersand))
            });
            if parts.len() > 1 && !tokens.clone().any(|at| self.is_keyword(at, "between")) {
                // Conditions are split first at `OR`, then at `AND`, so the depth of this recursion is at most 3.
                let parts: Vec<String> = parts.into_iter().map(|part| self.condition(part)).collect();
                return format!("{word}({})", parts.join(", "));
            }
        }
        let (start, end) = (tokens.start, tokens.end);
        if self.is_keyword(start, "not") && self.token_at(start + 1) != Some(Token::Open) && start + 1 < end {
            return format!("NOT({})", self.format_null_test(start + 1..end));
        }
        self.format_null_test(tokens)
    }

    fn format_null_test(&self, tokens: Range<usize>) -> String {
        let (start, end) = (tokens.start, tokens.end);
        let is = |back: usize, word: &str| end >= start + back && self.is_keyword(end - back, word);
        match () {
            () if is(1, "null") && is(2, "is") => format!("ISBLANK({})", self.formula_text(start..end - 2)),
            () if is(1, "null") && is(2, "not") && is(3, "is") => {
                format!("NOT(ISBLANK({}))", self.formula_text(start..end - 3))
            }
            () => self.formula_text(tokens),
        }
    }

    /// Splits tokens at separators outside brackets.
    pub(super) fn split(&self, tokens: Range<usize>, is_separator: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
        let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, tokens.start);
        for at in tokens.clone() {
            match self.token_at(at) {
                Some(Token::Open | Token::OpenSquare) => depth += 1,
                Some(Token::Close | Token::CloseSquare) => depth -= 1,
                _ if depth == 0 && is_separator(at) => {
                    parts.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
        }
        parts.push(start..tokens.end);
        parts
    }

    /// Returns the arguments in the brackets that open at `open`. `None` if there are none.
    pub(super) fn arguments(&self, open: usize, is_single_formula: bool) -> Option<Vec<Range<usize>>> {
        let end = self.end_of_bracket_group(open, is_single_formula);
        let closes = self.token_at(end - 1) == Some(Token::Close) && end > open + 2 && end - open < MAX_TOKENS;
        closes.then(|| self.split(open + 1..end - 1, |at| self.token_at(at) == Some(Token::Comma)))
    }
}
