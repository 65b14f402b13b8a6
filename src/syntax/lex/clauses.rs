//! Reports Jinja, and SQL clauses around an expression. Each construct is reported once, with the equivalent formula or
//! spec.

use super::Token;
use super::layout::{HIDDEN_BRACKET_FLAG, LayoutPass};
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

impl LayoutPass<'_, '_> {
    /// Reports a clause after an operand, such as `filter (where …)`, `over (…)`, `as name` or `group by …`. Returns
    /// the number of tokens consumed. Returns 0 if there is no such clause.
    #[cold]
    pub(super) fn report_sql_clause(&mut self, at: usize, is_single_formula: bool) -> usize {
        let span = self.span_at(at);
        let word = self.text_at(at).to_ascii_uppercase();
        let bracket = self.token_at(at + 1) == Some(Token::Open);
        let named = self.token_at(at + 1) == Some(Token::Name);
        let by = self.is_keyword(at + 1, "by");
        let inside = self.enclosing_call();
        let (shown, help) = match word.as_str() {
            // The enclosing call is not supported either, and the error for the call includes this clause.
            "AS" if matches!(inside.as_str(), "CAST" | "TRY_CAST" | "SAFE_CAST") => {
                return self.formula_end(at, is_single_formula) - at;
            }
            "FROM" if inside == "EXTRACT" => {
                if let Some(unit) = self.layout.tokens.last_mut() {
                    unit.0 = Token::Fault;
                }
                return self.formula_end(at, is_single_formula) - at;
            }
            "FILTER" if bracket => ("FILTER", self.filter_help(at, is_single_formula)),
            "OVER" if bracket => return self.report_window_function(at, is_single_formula),
            "AS" if named => ("AS", format!("write the name first: `{} = …`", self.text_at(at + 1))),
            "GROUP" if by => (
                "GROUP BY",
                "write `group_by: name` in a spec, or pass `--group-by name`".to_owned(),
            ),
            "ORDER" if by => (
                "ORDER BY",
                "write `order_by: name` in a spec, or pass `--order-by name`".to_owned(),
            ),
            "WHERE" if !bracket => (
                "WHERE",
                "write `where: condition` in a spec, or use `SUMIF(condition, value)` for a single aggregate"
                    .to_owned(),
            ),
            "HAVING" if named => ("HAVING", "write `having: condition` in a spec".to_owned()),
            "LIMIT" if self.token_at(at + 1) == Some(Token::Number) => {
                ("LIMIT", "write `limit: 10` in a spec".to_owned())
            }
            "FROM" if named => (
                "FROM",
                "write `from: relation` in a spec, or pass `--from relation`".to_owned(),
            ),
            _ => return 0,
        };
        let words = if by { span.to(self.span_at(at + 1)) } else { span };
        self.report_syntax_error(words, format!("`{shown}` is not part of the language"), help);
        let end = match word.as_str() {
            "FILTER" => self.end_of_bracket_group(at + 1, is_single_formula),
            "AS" => at + 2,
            _ => self.formula_end(at, is_single_formula),
        };
        if self.is_operand_next(end) {
            self.emit_error_token(end, words);
        }
        end - at
    }

    /// Returns the name of the innermost open call, in upper case. The name is empty outside of calls.
    fn enclosing_call(&self) -> String {
        let name = self
            .open_brackets
            .last()
            .and_then(|open| ((open & !HIDDEN_BRACKET_FLAG) as usize).checked_sub(1));
        name.filter(|at| self.token_at(*at) == Some(Token::Name))
            .map_or("", |at| self.text_at(at))
            .to_ascii_uppercase()
    }

    /// Returns the index after the bracket that closes the bracket at `open`.
    pub(super) fn end_of_bracket_group(&self, open: usize, is_single_formula: bool) -> usize {
        let mut end = open + 1;
        let mut depth = 1_i32;
        while let Some(token) = self
            .token_at(end)
            .filter(|_| depth > 0 && (is_single_formula || !self.is_definition(end)))
        {
            depth += i32::from(token == Token::Open) - i32::from(token == Token::Close);
            end += 1;
        }
        end
    }

    /// Returns the index at which the brackets around this token close, or the index at which the formula ends.
    pub(super) fn formula_end(&self, at: usize, is_single_formula: bool) -> usize {
        let mut end = at + 1;
        let mut depth = 0_i32;
        while let Some(token) = self
            .token_at(end)
            .filter(|_| is_single_formula || !self.is_definition(end))
        {
            depth += i32::from(token == Token::Open) - i32::from(token == Token::Close);
            if depth < 0 {
                break;
            }
            end += 1;
        }
        end
    }

    /// Reports `DISTINCT x` or `INTERVAL 3 day` and returns the number of tokens consumed.
    #[cold]
    pub(super) fn report_sql_modifier(&mut self, at: usize, is_single_formula: bool) -> Option<usize> {
        let span = self.span_at(at);
        match self.text_at(at).to_ascii_uppercase().as_str() {
            "DISTINCT" => {
                let mut diagnostic =
                    Diagnostic::new(Code::NotFormulaSyntax, span, "`DISTINCT` is a function, not a keyword");
                let closes = matches!(self.token_at(at + 2), Some(Token::Close | Token::Comma) | None);
                diagnostic = match self.single_token_operand(at + 1).filter(|_| closes) {
                    Some(operand) => {
                        let call = format!("DISTINCT({operand})");
                        diagnostic
                            .with_help(format!("write `{call}`"))
                            .with_fix(span.to(self.span_at(at + 1)), call)
                    }
                    None => diagnostic.with_help("write `DISTINCT(value)`"),
                };
                self.report(diagnostic);
                Some(1)
            }
            "INTERVAL" if matches!(self.token_at(at + 1), Some(Token::Number | Token::Text | Token::Tab)) => {
                let unit =
                    self.token_at(at + 2) == Some(Token::Name) && (is_single_formula || !self.is_definition(at + 2));
                let count = 2 + usize::from(unit);
                let whole = span.to(self.span_at(at + count - 1));
                let help =
                    "add a number of days, as in `date + 3`, or use `EOMONTH(date, months)` for the end of a month";
                self.report_syntax_error(whole, "`INTERVAL` is not part of the language", help);
                self.push(Token::Fault, whole);
                Some(count)
            }
            _ => None,
        }
    }

    /// Reports Jinja such as `{{ ref('orders') }}.amount` and returns the number of tokens consumed. Returns 0 if there
    /// is no Jinja.
    #[cold]
    pub(super) fn report_jinja(&mut self, at: usize) -> usize {
        if self.token_at(at + 1) != Some(Token::OpenBrace) {
            return 0;
        }
        let closes = |i: &usize| {
            self.token_at(*i) == Some(Token::CloseBrace) && self.token_at(*i + 1) == Some(Token::CloseBrace)
        };
        // The search is limited to the length of a `ref` or `var` call, so that many calls take linear time.
        let Some(close) = (at + 2..at + 16).find(closes) else {
            return 0;
        };
        let dotted = self.token_at(close + 2) == Some(Token::Dot) && self.token_at(close + 3) == Some(Token::Name);
        let end = close + 2 + if dotted { 2 } else { 0 };
        let whole = self.span_at(at).to(self.span_at(end - 1));
        let help = if dotted {
            format!(
                "write `{}`, and move the `ref` to `from` in a spec",
                self.text_at(close + 3)
            )
        } else {
            let call = self.text_at(at + 2);
            match ["ref", "source"].contains(&call) {
                true => "use column names in formulas, and move `ref` and `source` to `from` in a spec".to_owned(),
                false => format!(
                    "write the value itself, because formulas cannot read `{call}`, or add the value as a column in a dbt model"
                ),
            }
        };
        self.report_syntax_error(whole, "formulas cannot contain Jinja (`{{ … }}`)", help);
        self.emit_reported_token(end, whole);
        end - at
    }

    /// Emits a token for a reported construct that takes the place of an operand.
    fn emit_reported_token(&mut self, next: usize, whole: Span) {
        if self.is_after_operand() {
            self.emit_error_token(next, whole);
        } else {
            self.push(Token::Fault, whole);
            if self.is_operand_next(next) {
                self.push(Token::Odd, Span::new(whole.end, whole.end));
            }
        }
    }

    /// Returns the span of the operand after `NOT`, including a comparison if there is one. Returns `None` if the
    /// operand might include other tokens.
    pub(super) fn negated_operand(&self, at: usize) -> Option<Span> {
        use Token::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        self.single_token_operand(at)?;
        let compares = matches!(
            self.token_at(at + 1),
            Some(Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
        );
        let last = if compares { at + 2 } else { at };
        self.single_token_operand(last)?;
        let ends =
            matches!(self.token_at(last + 1), Some(Token::Close | Token::Comma) | None) || self.is_definition(last + 1);
        ends.then(|| self.span_at(at).to(self.span_at(last)))
    }
}
