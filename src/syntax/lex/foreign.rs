//! Reports syntax from SQL and other languages that formulas do not support. Each construct is reported once, with the
//! equivalent formula.

use super::Token;
use super::layout::LayoutPass;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Aggregates that indicate that a line such as `view.name = SUM(…)` is a definition.
const AGGREGATES: [&str; 6] = ["SUM", "COUNT", "AVERAGE", "COUNTIF", "SUMIF", "MEDIAN"];

pub(super) fn ends_operand(token: Token) -> bool {
    use Token::{Cell, Close, CloseSquare, Fault, Model, Name, Number, Percent, Text};
    matches!(
        token,
        Name | Number | Text | Model | Cell | Close | CloseSquare | Fault | Percent
    )
}

pub(super) fn begins_operand(token: Token) -> bool {
    use Token::{Cell, Fault, Model, Name, Number, Open, Tab, Text};
    matches!(token, Name | Number | Text | Model | Cell | Tab | Open | Fault)
}

impl LayoutPass<'_, '_> {
    pub(super) fn token_at(&self, at: usize) -> Option<Token> {
        self.tokens.get(at).map(|t| t.0)
    }

    /// Returns the text of a token, or an empty string for a position after the last token.
    pub(super) fn text_at(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |(_, span)| span.text(self.source))
    }

    /// Returns the span of a token, or an empty span for a position after the last token.
    pub(super) fn span_at(&self, at: usize) -> Span {
        self.tokens.get(at).map_or_else(Span::default, |(_, span)| *span)
    }

    pub(super) fn is_keyword(&self, at: usize, word: &str) -> bool {
        self.token_at(at) == Some(Token::Name) && self.text_at(at).eq_ignore_ascii_case(word)
    }

    pub(super) fn is_after_operand(&self) -> bool {
        self.layout.tokens.last().is_some_and(|(token, _)| ends_operand(*token))
    }

    pub(super) fn is_operand_next(&self, at: usize) -> bool {
        self.token_at(at).is_some_and(begins_operand) && !self.is_definition(at)
    }

    pub(super) fn report_syntax_error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::new(Code::NotFormulaSyntax, span, message).with_help(help));
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.broken = true;
        self.diagnostics.push(diagnostic);
    }

    /// Emits a token for reported syntax before `next`: a separator between two operands, an invalid operand, or no
    /// token.
    pub(super) fn emit_error_token(&mut self, next: usize, span: Span) {
        let joins = self.is_operand_next(next);
        match (self.is_after_operand(), joins) {
            (true, true) => self.push(Token::Odd, span),
            (false, false) => self.push(Token::Fault, span),
            _ => {}
        }
    }

    /// Reports `let x = …` and `view.x = …` at the beginning of a line and returns the number of tokens before the
    /// name.
    pub(super) fn report_definition_prefix(&mut self, at: usize) -> usize {
        let defines = |at: usize| {
            self.token_at(at) == Some(Token::Name)
                && matches!(self.token_at(at + 1), Some(Token::Equal | Token::ColonEqual))
        };
        match self.token_at(at + 1) {
            Some(Token::Name) if defines(at + 1) => {
                let (word, span) = (self.text_at(at).to_ascii_lowercase(), self.span_at(at));
                if !["let", "var", "const", "def", "set"].contains(&word.as_str()) || !self.is_first_on_line(span.start)
                {
                    return 0;
                }
                let name = self.span_at(at + 1);
                self.report(
                    Diagnostic::new(
                        Code::NotFormulaSyntax,
                        span,
                        format!("a definition does not start with `{}`", span.text(self.source)),
                    )
                    .with_help(format!("write `{} = …`", name.text(self.source)))
                    .with_fix(Span::new(span.start, name.start), ""),
                );
                self.name_index = Some(at + 1);
                1
            }
            Some(Token::Dot) if defines(at + 2) => {
                let span = self.span_at(at);
                // If the source is a single formula, this text may be a comparison with a field.
                let sure = at > 0
                    || (self.token_at(at + 5) == Some(Token::Open)
                        && AGGREGATES.iter().any(|a| self.is_keyword(at + 4, a)));
                if !sure || !self.is_first_on_line(span.start) {
                    return 0;
                }
                let name = self.span_at(at + 2);
                self.report(
                    Diagnostic::new(
                        Code::NotFormulaSyntax,
                        span.to(name),
                        "the name of a definition cannot include the name of a view",
                    )
                    .with_help(format!("write `{} = …`", name.text(self.source)))
                    .with_fix(Span::new(span.start, name.start), ""),
                );
                self.name_index = Some(at + 2);
                2
            }
            _ => 0,
        }
    }

    /// Reports names, colons, percent signs, dots and tabs in invalid positions and returns the number of tokens
    /// consumed.
    #[inline]
    pub(super) fn report_foreign_syntax(&mut self, at: usize, is_single_formula: bool) -> usize {
        match (self.token_at(at), self.token_at(at + 1)) {
            (Some(Token::Name), next) => {
                let dotted = self.layout.tokens.last().is_some_and(|t| t.0 == Token::Dot);
                if dotted {
                    return 0;
                }
                if self.is_after_operand() {
                    return match self.report_dollar_name(at) {
                        0 => self.report_infix_keyword(at, is_single_formula),
                        skipped => skipped,
                    };
                }
                match next {
                    Some(
                        Token::Name
                        | Token::Number
                        | Token::Text
                        | Token::Model
                        | Token::Cell
                        | Token::Fault
                        | Token::Tab,
                    ) if is_single_formula || !self.starts_definition(at + 1) => {
                        self.report_prefix_keyword(at, is_single_formula)
                    }
                    _ => 0,
                }
            }
            (Some(Token::Colon), _) => {
                if self.expected_closers.last() == Some(&(":", self.open_brackets.len())) {
                    self.expected_closers.pop();
                    self.emit_error_token(at + 1, self.span_at(at));
                    return 1;
                }
                0
            }
            (Some(Token::Percent), _) if self.is_after_operand() && self.is_operand_next(at + 1) => {
                self.report_modulo(at)
            }
            (Some(Token::Dot), next)
                if next != Some(Token::Name) && self.layout.tokens.last().is_some_and(|t| t.0 == Token::Name) =>
            {
                let span = self.span_at(at);
                self.report(
                    Diagnostic::new(Code::UnexpectedToken, span, "expected a field name after `.`")
                        .with_help("write `view.field`, or `${view.field}` if its name contains spaces"),
                );
                1
            }
            (Some(Token::Tab), next) if next != Some(Token::Bang) => {
                let end = self.end_of_doubled_quotes(at);
                let span = self.span_at(at).to(self.span_at(end));
                let straight = match end {
                    _ if end == at => super::with_double_quotes(span.text(self.source)),
                    _ => super::quote(span.text(self.source).trim_matches('\'')),
                };
                self.report(
                    Diagnostic::new(
                        Code::SingleQuotes,
                        span,
                        "single quotes enclose the name of a tab, not text",
                    )
                    .with_help(format!("write `{straight}`"))
                    .with_fix(span, straight),
                );
                self.push(Token::Text, span);
                end + 1 - at
            }
            _ => 0,
        }
    }

    /// Reports a name that begins with `$`, such as `$amount`, whose first letters look like a column of a worksheet.
    fn report_dollar_name(&mut self, at: usize) -> usize {
        let rest = self.span_at(at);
        let Some((Token::Cell, begin)) = self.layout.tokens.last().copied() else {
            return 0;
        };
        let whole = begin.to(rest);
        let name = whole.text(self.source).trim_start_matches('$').to_owned();
        if begin.end != rest.start || name.contains('$') {
            return 0;
        }
        self.report(
            Diagnostic::new(Code::NotFormulaSyntax, whole, "a name does not begin with `$`")
                .with_help(format!("write `{name}`"))
                .with_fix(whole, name),
        );
        self.layout.tokens.pop();
        self.push(Token::Fault, whole);
        1
    }

    /// Returns the index of the last token of a string in doubled single quotes, as in `''text''`. For other tokens,
    /// returns `at`.
    fn end_of_doubled_quotes(&self, at: usize) -> usize {
        const MAX_TOKENS: usize = 8;
        let is_empty = |at: usize| self.token_at(at) == Some(Token::Tab) && self.text_at(at) == "''";
        let touches = |at: &usize| self.span_at(*at - 1).end == self.span_at(*at).start;
        let mut after = (at + 1..at + MAX_TOKENS).take_while(touches);
        let end = if is_empty(at) {
            after.find(|at| is_empty(*at))
        } else {
            None
        };
        end.unwrap_or(at)
    }

    /// Reports symbols that cannot occur in a formula and returns the number of tokens consumed.
    #[cold]
    pub(super) fn report_invalid_symbol(
        &mut self,
        at: usize,
        token: Token,
        span: Span,
        is_single_formula: bool,
    ) -> usize {
        let replaced = |what: &str, right: &str| {
            Diagnostic::new(Code::NotFormulaSyntax, span, format!("`{what}` is not an operator"))
                .with_help(format!("write `{right}`"))
                .with_fix(span, right.to_owned())
        };
        match token {
            Token::Semicolon if self.open_brackets.is_empty() => {
                let diagnostic = Diagnostic::new(Code::NotFormulaSyntax, span, "`;` does not end a formula");
                if self.is_definition(at + 1) && !self.is_first_on_line(self.span_at(at + 1).start) {
                    self.report(diagnostic.with_help("remove `;`, and write each definition on its own line"));
                    return 1;
                }
                let diagnostic = diagnostic.with_help("remove `;`");
                // Without `;`, a sign after it would become an operator.
                let is_last = at + 1 >= self.tokens.len() || self.is_definition(at + 1);
                self.report(if is_last {
                    diagnostic.with_fix(span, "")
                } else {
                    diagnostic
                });
                if self.is_after_operand() {
                    self.emit_error_token(at + 1, span);
                }
            }
            Token::Semicolon => {
                self.has_semicolons = true;
                self.push(Token::Comma, span);
            }
            Token::DoublePipe => {
                let is_text = |at: usize| matches!(self.token_at(at), Some(Token::Text | Token::Tab));
                if at.checked_sub(1).is_some_and(is_text) || is_text(at + 1) {
                    self.report(replaced("||", "&"));
                    self.push(Token::Ampersand, span);
                } else {
                    let help = "write `&` to join text, or `OR(a, b)` for alternatives";
                    self.report_syntax_error(span, "`||` is not an operator", help);
                    self.emit_error_token(at + 1, span);
                }
            }
            Token::DoubleStar => {
                // In other languages, `-2 ** 2` is negative, and `2 ** 3 ** 2` is `2 ** 9`.
                let sign = self.start_of_value_before(at).and_then(|start| start.checked_sub(1));
                let is_sign = |at: usize| matches!(self.token_at(at), Some(Token::Minus | Token::DoubleStar));
                let chain = (at + 1..at + 4).any(|at| self.token_at(at) == Some(Token::DoubleStar));
                let diagnostic = replaced("**", "^");
                let is_ambiguous = chain || sign.is_none_or(is_sign);
                self.report(if is_ambiguous {
                    diagnostic.without_fix()
                } else {
                    diagnostic
                });
                self.push(Token::Caret, span);
            }
            Token::EqualGreater => {
                self.report(replaced("=>", ">="));
                self.push(Token::GreaterEqual, span);
            }
            Token::EqualLess => {
                self.report(replaced("=<", "<="));
                self.push(Token::LessEqual, span);
            }
            Token::DoubleAmpersand if at < self.connectives_end => self.emit_error_token(at + 1, span),
            Token::DoubleAmpersand => return self.report_connective(at, is_single_formula),
            Token::ColonEqual => {
                self.report_colon_equal(span);
                self.push(Token::Equal, span);
            }
            Token::DoubleColon => return self.report_cast(at, span),
            Token::OpenBrace => return self.report_array_literal(at, span),
            _ => {
                self.report(
                    Diagnostic::new(Code::SurplusBracket, span, "`}` has no matching opening bracket")
                        .with_help("remove the bracket"),
                );
                self.emit_error_token(at + 1, span);
            }
        }
        1
    }

    #[cold]
    pub(super) fn report_colon_equal(&mut self, span: Span) {
        self.report(
            Diagnostic::new(Code::NotFormulaSyntax, span, "`:=` is not part of the language")
                .with_help("write a definition in the form `name = …`")
                .with_fix(span, "="),
        );
    }

    /// Reports an array literal such as `{1, 2, 3}`.
    fn report_array_literal(&mut self, at: usize, span: Span) -> usize {
        let jinja = self.report_jinja(at);
        if jinja > 0 {
            return jinja;
        }
        let mut end = at + 1;
        let mut found = false;
        while at >= self.brace_search_start && end < self.tokens.len() && !self.is_definition(end) {
            found = self.token_at(end) == Some(Token::CloseBrace);
            end += 1;
            if found {
                break;
            }
        }
        if !found {
            self.brace_search_start = self.brace_search_start.max(end);
            end = at + 1;
        }
        let whole = span.to(self.span_at(end - 1));
        let help = if self.token_at(at + 1) == Some(Token::Number) {
            "write the numbers as separate arguments, or a call for each number, such as `LARGE(x, 1) + LARGE(x, 2)`"
        } else {
            "write the values as separate arguments; for criteria, compare with each value, such as \
             `COUNTIF(OR(status = \"a\", status = \"b\"))`"
        };
        self.report_syntax_error(whole, "array literals `{…}` are not part of the language", help);
        if self.is_after_operand() {
            self.emit_error_token(end, whole);
        } else {
            self.push(Token::Fault, whole);
            if self.is_operand_next(end) {
                self.push(Token::Odd, Span::new(whole.end, whole.end));
            }
        }
        end - at
    }

    /// Returns `true` if the square brackets after an operand contain no name, as in `d[]` or `d["month"]`.
    #[inline]
    pub(super) fn has_invalid_timeframe(&self, at: usize) -> bool {
        match self.token_at(at + 1) {
            Some(Token::CloseSquare) => true,
            Some(Token::Text | Token::Number) if self.token_at(at + 2) == Some(Token::CloseSquare) => true,
            _ => self.table_column(at).is_some() || self.end_of_square_arguments(at).is_some(),
        }
    }

    /// Returns the column in a spreadsheet's reference to a table column, such as `[[#All],[column]]`, and the index
    /// after the brackets.
    fn table_column(&self, at: usize) -> Option<(Span, usize)> {
        const MAX_TOKENS: usize = 24;
        if self.token_at(at + 1) != Some(Token::OpenSquare) {
            return None;
        }
        let mut depth = 0_usize;
        let mut inner = at;
        for end in at..at + MAX_TOKENS {
            match self.token_at(end)? {
                Token::OpenSquare => (depth, inner) = (depth + 1, end),
                Token::CloseSquare if depth == 1 => {
                    let name = self.span_at(inner + 1).to(self.span_at(end - 2));
                    return (inner + 1 < end - 1).then_some((name, end + 1));
                }
                Token::CloseSquare => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// Returns the index after `[a, b]`, whose brackets enclose the arguments of a call.
    fn end_of_square_arguments(&self, at: usize) -> Option<usize> {
        const MAX_TOKENS: usize = 64;
        if matches!(self.token_at(at + 2), None | Some(Token::CloseSquare)) {
            return None;
        }
        let (mut depth, mut commas) = (0_usize, 0);
        for end in at..at + MAX_TOKENS {
            match self.token_at(end)? {
                Token::OpenSquare | Token::Open => depth += 1,
                Token::Comma if depth == 1 => commas += 1,
                Token::CloseSquare if depth == 1 => return (commas > 0).then_some(end + 1),
                Token::CloseSquare | Token::Close if depth > 1 => depth -= 1,
                Token::CloseSquare | Token::Close => return None,
                _ if self.is_definition(end) => return None,
                _ => {}
            }
        }
        None
    }

    #[cold]
    pub(super) fn report_invalid_timeframe(&mut self, at: usize) -> usize {
        if let Some((column, end)) = self.table_column(at) {
            let table = self.layout.tokens.pop().map_or(Span::default(), |(_, table)| table);
            let whole = table.to(self.span_at(end - 1));
            let column = column.text(self.source);
            let name = match column.contains(' ') {
                true => format!("${{{column}}}"),
                false => column.to_owned(),
            };
            let message = format!(
                "references to spreadsheet tables, such as `{}`, are not part of the language",
                whole.text(self.source)
            );
            self.report_syntax_error(whole, message, format!("write `{name}`"));
            self.push(Token::Fault, whole);
            return end - at;
        }
        if let Some(end) = self.end_of_square_arguments(at) {
            let name = self.layout.tokens.pop().map_or(Span::default(), |(_, name)| name);
            let whole = name.to(self.span_at(end - 1));
            let help = format!(
                "write `{}({})`",
                name.text(self.source),
                self.formula_text(at + 1..end - 1)
            );
            self.report_syntax_error(whole, "the arguments of a function are in round brackets", help);
            self.push(Token::Fault, whole);
            return end - at;
        }
        let inside = self.span_at(at + 1);
        let message = "expected a timeframe, such as `month`";
        if self.token_at(at + 1) == Some(Token::CloseSquare) {
            let span = self.span_at(at).to(inside);
            let help = "write `[day]`, `[week]`, `[month]`, `[quarter]` or `[year]`, or remove the brackets";
            self.report(Diagnostic::new(Code::ExpectedExpression, span, message).with_help(help));
            return 2;
        }
        let text = inside.text(self.source);
        let name = text.trim_matches('"');
        let shown: String = text.chars().take(24).collect();
        let mut diagnostic = Diagnostic::new(Code::UnexpectedToken, inside, format!("{message}, found `{shown}`"));
        let known = ["day", "week", "month", "quarter", "year"].contains(&name);
        diagnostic = if known {
            diagnostic
                .with_help(format!("write the timeframe without quotes: `[{name}]`"))
                .with_fix(inside, name.to_owned())
        } else {
            diagnostic.with_help("write `[day]`, `[week]`, `[month]`, `[quarter]` or `[year]`")
        };
        self.report(diagnostic);
        3
    }
}
