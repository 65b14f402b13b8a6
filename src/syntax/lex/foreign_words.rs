//! Reports words from SQL and other languages: `LIKE`, `IN`, `IS NULL`, `CASE`, `NOT x`, `MOD`, and adjacent names.

use std::ops::Range;

use super::Token;
use super::layout::LayoutPass;
use crate::diag::{Code, Diagnostic};
use crate::lex::LayoutMode;
use crate::span::Span;
use crate::text::collapse_whitespace;

/// SQL operator that is a word, such as `NOT IN`.
struct InfixKeyword {
    /// Index of the first word.
    at: usize,
    /// Index of the word after `NOT`.
    verb: usize,
    negated: bool,
    /// Span of both words.
    words: Span,
    /// Operand on the left.
    operand: Option<Span>,
    /// Text of the operand in the suggestion.
    operand_text: String,
    /// `true` if the text contains only one formula.
    is_single_formula: bool,
}

impl InfixKeyword {
    fn negate(&self, text: String) -> String {
        if self.negated { format!("NOT({text})") } else { text }
    }
}

impl LayoutPass<'_, '_> {
    #[cold]
    pub(super) fn report_modulo(&mut self, at: usize) -> usize {
        use Token::{Caret, Percent, Slash, Star};
        let span = self.span_at(at);
        // The left operand of a remainder is the whole product before it.
        let is_factor = |start: usize| {
            start > self.formula_start && matches!(self.token_at(start - 1), Some(Star | Slash | Percent | Caret))
        };
        let left = self.start_of_value_before(at).filter(|start| !is_factor(*start));
        let left = left.map(|start| self.formula_text(start..at));
        let right = self.value_end_after(at + 1).map(|end| self.formula_text(at + 1..end));
        let help = match left.zip(right) {
            Some((left, right)) => format!("write `MOD({left}, {right})`"),
            None => "write `MOD(a, b)`".to_owned(),
        };
        self.report_syntax_error(
            span,
            "`%` after a value divides it by 100 and does not return a remainder",
            help,
        );
        self.push(Token::Odd, span);
        1
    }

    /// Returns the text of an operand that is a single token. Returns `None` if the next token also belongs to the
    /// operand.
    pub(super) fn single_token_operand(&self, at: usize) -> Option<&str> {
        let leaf = matches!(
            self.token_at(at),
            Some(Token::Name | Token::Model | Token::Number | Token::Text)
        );
        let more = matches!(
            self.token_at(at + 1),
            Some(Token::Open | Token::Dot | Token::OpenSquare | Token::Colon)
        );
        (leaf && !more).then(|| self.text_at(at))
    }

    /// Reports a word directly before an operand and returns the number of tokens consumed.
    #[cold]
    pub(super) fn report_prefix_keyword(&mut self, at: usize, is_single_formula: bool) -> usize {
        let span = self.span_at(at);
        let word = self.text_at(at).to_ascii_uppercase();
        match word.as_str() {
            "NOT" => {
                let mut diagnostic =
                    Diagnostic::new(Code::NotFormulaSyntax, span, "`NOT` is a function, not a keyword");
                diagnostic = match self.negated_operand(at + 1) {
                    Some(condition) => {
                        let call = format!("NOT({})", condition.text(self.source));
                        diagnostic
                            .with_help(format!("write `{call}`"))
                            .with_fix(span.to(condition), call)
                    }
                    None => diagnostic.with_help("write `NOT(condition)`"),
                };
                self.report(diagnostic);
                1
            }
            "DISTINCT" | "INTERVAL" => self.report_sql_modifier(at, is_single_formula).unwrap_or(0),
            "CASE" => self.report_case(at, is_single_formula),
            "DATE" | "TIMESTAMP" if matches!(self.token_at(at + 1), Some(Token::Text | Token::Tab)) => {
                self.report_date_literal(at)
            }
            "SELECT" if self.layout.tokens.last().is_some_and(|t| t.0 == Token::Start) => {
                self.report_select(at, is_single_formula)
            }
            "SELECT" if self.layout.tokens.last().is_some_and(|t| t.0 == Token::Open) => {
                self.report_subquery(at, is_single_formula)
            }
            _ if !is_single_formula => self.report_definition_prefix(at),
            _ => 0,
        }
    }

    /// Reports a word directly after an operand and returns the number of tokens consumed.
    #[cold]
    pub(super) fn report_infix_keyword(&mut self, at: usize, is_single_formula: bool) -> usize {
        let span = self.span_at(at);
        let word = self.text_at(at).to_ascii_uppercase();
        if self
            .expected_closers
            .last()
            .is_some_and(|u| u.0.eq_ignore_ascii_case(&word) && u.1 == self.open_brackets.len())
        {
            self.expected_closers.pop();
            self.emit_error_token(at + 1, span);
            return 1;
        }
        if at < self.connectives_end && self.is_any_keyword(at, &["and", "or"]) {
            self.emit_error_token(at + 1, span);
            return 1;
        }
        let skipped = self.skip_case_keyword(at);
        if skipped > 0 {
            return skipped;
        }
        let negated = word == "NOT";
        let verb = at + usize::from(negated);
        let operand = self.operand_before(at);
        let infix = InfixKeyword {
            at,
            verb,
            negated,
            words: span.to(self.tokens.get(verb).map_or(span, |t| t.1)),
            operand_text: operand
                .as_ref()
                .map_or_else(|| "x".to_owned(), |o| self.formula_text(o.clone())),
            operand: operand.map(|operand| self.span_of_tokens(&operand)),
            is_single_formula,
        };
        match self.text_at(verb).to_ascii_uppercase().as_str() {
            "AND" | "OR" if !negated => self.report_connective(at, is_single_formula),
            "IN" => self.report_in_operator(&infix),
            "IS" if !negated => self.report_is_operator(&infix),
            "LIKE" | "ILIKE" | "RLIKE" => self.report_like(&infix),
            "BETWEEN" => self.report_between(&infix),
            _ => match self.report_sql_clause(at, is_single_formula) {
                0 => self.report_adjacent_formula(at, is_single_formula),
                count => count,
            },
        }
    }

    /// Reports `AND`, `OR` or `&&` between two conditions, together with the other operators of this kind in the same
    /// brackets.
    pub(super) fn report_connective(&mut self, at: usize, is_single_formula: bool) -> usize {
        let span = self.span_at(at);
        let word = self.text_at(at).to_ascii_uppercase();
        let has_between = |whole: &Range<usize>| whole.clone().any(|at| self.is_keyword(at, "between"));
        let whole = self
            .condition_around(at, is_single_formula)
            .filter(|whole| !has_between(whole));
        let help = match &whole {
            Some(whole) => self.condition(whole.clone()),
            None => format!("{}(a, b)", if word == "OR" { "OR" } else { "AND" }),
        };
        let message = match word.as_str() {
            "&&" => "`&&` is not an operator".to_owned(),
            _ => format!("`{word}` is a function, not an operator"),
        };
        self.report_syntax_error(span, message, format!("write `{help}`"));
        self.emit_error_token(at + 1, span);
        if let Some(whole) = whole {
            self.connectives_end = self.connectives_end.max(whole.end);
        }
        1
    }

    /// Reports `DATE '2024-01-31'`.
    fn report_date_literal(&mut self, at: usize) -> usize {
        let whole = self.span_at(at).to(self.span_at(at + 1));
        let text = self.text_at(at + 1).trim_matches(['"', '\'']);
        let parts: Option<Vec<u32>> = text.split('-').map(|part| part.parse().ok()).collect();
        let help = match parts.as_deref() {
            Some([year, month, day]) => format!("write `DATE({year}, {month}, {day})`"),
            _ => format!("write `DATEVALUE({})`", super::quote(text)),
        };
        let message = format!(
            "`{}` literals are not part of the language",
            self.text_at(at).to_ascii_uppercase()
        );
        self.report_syntax_error(whole, message, help);
        self.push(Token::Fault, whole);
        2
    }

    fn report_in_operator(&mut self, infix: &InfixKeyword) -> usize {
        let open = infix.verb + 1;
        let end = match self.token_at(open) {
            Some(Token::Open) => self.end_of_bracket_group(open, infix.is_single_formula),
            _ => open,
        };
        let help = match self.is_keyword(open + 1, "select") {
            true => super::queries::EXISTS_HELP.to_owned(),
            false => {
                let list = self.in_list_as_or(open, infix);
                format!("write `{}`", infix.negate(list))
            }
        };
        self.report_predicate(infix.words, "`IN` is not part of the language", help);
        end - infix.at
    }

    /// Reports a comparison that is a word. The comparison becomes an error, so no type error is reported for its left
    /// operand.
    fn report_predicate(&mut self, words: Span, message: &str, help: String) {
        self.report_syntax_error(words, message, help);
        self.mark_operand_as_invalid(words);
    }

    /// Reports `IS NULL`, `IS TRUE`, `IS DISTINCT FROM` and their negations.
    fn report_is_operator(&mut self, infix: &InfixKeyword) -> usize {
        let (at, x) = (infix.at, &infix.operand_text);
        let is_negated = self.is_keyword(at + 1, "not");
        let last = at + 1 + usize::from(is_negated);
        let words = self.span_at(at).to(self.span_at(last));
        let call = match (self.text_at(last).to_ascii_uppercase().as_str(), is_negated) {
            ("NULL", false) => format!("ISBLANK({x})"),
            ("NULL", true) => format!("NOT(ISBLANK({x}))"),
            ("TRUE", false) => x.clone(),
            ("TRUE", true) => format!("NOT(IFNA({x}, FALSE))"),
            ("FALSE", false) => format!("NOT({x})"),
            ("FALSE", true) => format!("IFNA({x}, TRUE)"),
            ("DISTINCT", _) if self.is_keyword(last + 1, "from") => {
                let end = self
                    .expression_end(last + 2, true, infix.is_single_formula)
                    .unwrap_or(last + 2);
                let y = self.formula_text(last + 2..end);
                let help = match is_negated {
                    true => format!("write `OR({x} = {y}, AND(ISBLANK({x}), ISBLANK({y})))`"),
                    false => format!("write `NOT(IFNA({x} = {y}, AND(ISBLANK({x}), ISBLANK({y}))))`"),
                };
                self.report_predicate(words, "`IS DISTINCT FROM` is not part of the language", help);
                return end - at;
            }
            _ => {
                let span = self.span_at(at);
                self.report_syntax_error(
                    span,
                    "`IS` is not part of the language",
                    "compare with `=`, or write `ISBLANK(x)`",
                );
                self.emit_error_token(at + 1, span);
                return 1;
            }
        };
        let shown = collapse_whitespace(words.text(self.source));
        let message = format!("`{}` is not part of the language", shown.to_ascii_uppercase());
        let mut diagnostic =
            Diagnostic::new(Code::NotFormulaSyntax, words, message).with_help(format!("write `{call}`"));
        if let (Some(operand), true) = (infix.operand, self.is_keyword(last, "null")) {
            diagnostic = diagnostic.with_fix(operand.to(words), call);
        }
        self.report(diagnostic);
        self.mark_operand_as_invalid(words);
        last + 1 - at
    }

    fn report_like(&mut self, infix: &InfixKeyword) -> usize {
        let next = infix.verb + 1;
        let ignores_case = !self.is_keyword(infix.verb, "like");
        let call = match self.token_at(next) {
            Some(Token::Text | Token::Tab) if !self.is_keyword(infix.verb, "rlike") => {
                like_as_call(&self.formula_text(next..next + 1), &infix.operand_text, ignores_case)
            }
            _ => None,
        };
        let help = match call {
            Some(call) => format!("write `{}`", infix.negate(call)),
            None => format!(
                "use the wildcards `*` and `?` in a criterion, as in `COUNTIFS({}, \"a*\")`, or use `SEARCH`",
                infix.operand_text
            ),
        };
        self.report_predicate(infix.words, "`LIKE` is not part of the language", help);
        let pattern = matches!(
            self.token_at(next),
            Some(Token::Text | Token::Tab | Token::Name | Token::Number)
        );
        next + usize::from(pattern && !self.is_definition(next)) - infix.at
    }

    fn report_between(&mut self, infix: &InfixKeyword) -> usize {
        let (low, x) = (infix.verb + 1, &infix.operand_text);
        let middle = self
            .expression_end(low, true, infix.is_single_formula)
            .filter(|middle| self.is_keyword(*middle, "and") && *middle > low);
        let bounds = middle.and_then(|middle| {
            let end = self.expression_end(middle + 1, true, infix.is_single_formula)?;
            (end > middle + 1).then_some((middle, end))
        });
        let call = infix.negate(match bounds {
            Some((middle, end)) => format!(
                "AND({} <= {x}, {x} <= {})",
                self.formula_text(low..middle),
                self.formula_text(middle + 1..end)
            ),
            None => format!("AND(a <= {x}, {x} <= b)"),
        });
        let message = "`BETWEEN` is not part of the language";
        let mut diagnostic =
            Diagnostic::new(Code::NotFormulaSyntax, infix.words, message).with_help(format!("write `{call}`"));
        if let (Some(operand), Some((_, end))) = (infix.operand, bounds) {
            diagnostic = diagnostic.with_fix(operand.to(self.span_at(end - 1)), call);
        }
        self.report(diagnostic);
        self.expected_closers.push(("and", self.open_brackets.len()));
        self.emit_error_token(infix.verb + 1, infix.words);
        infix.verb + 1 - infix.at
    }

    /// Reports a second formula that has its own line but no name, or a word before the name of a definition.
    pub(super) fn report_adjacent_formula(&mut self, at: usize, is_single_formula: bool) -> usize {
        if is_single_formula {
            return 0;
        }
        let skipped = self.report_definition_prefix(at);
        let span = self.span_at(at);
        if skipped > 0
            || self.part.mode != LayoutMode::File
            || self.is_named
            || !self.open_brackets.is_empty()
            || !self.is_first_on_line(span.start)
        {
            return skipped;
        }
        self.report(
            Diagnostic::new(Code::UnexpectedToken, span, "a second formula starts here").with_help(
                "give each formula a name, as in `name = …`; only a single formula can be written without a name",
            ),
        );
        self.push(Token::Odd, Span::new(span.start, span.start));
        self.push(Token::Name, span);
        // Report the missing name of a formula only once.
        self.is_named = true;
        1
    }

    /// Returns `IN` with a list as `OR(x = a, x = b)`.
    fn in_list_as_or(&self, open: usize, infix: &InfixKeyword) -> String {
        const MAX_LIST_ITEMS: usize = 12;
        let x = &infix.operand_text;
        let items = (self.token_at(open) == Some(Token::Open))
            .then(|| self.arguments(open, infix.is_single_formula))
            .flatten();
        let tests = items.filter(|items| items.len() <= MAX_LIST_ITEMS && items.iter().all(|item| !item.is_empty()));
        let tests: Vec<String> = tests
            .into_iter()
            .flatten()
            .map(|item| format!("{x} = {}", self.formula_text(item)))
            .collect();
        match tests.as_slice() {
            [] => format!("OR({x} = a, {x} = b)"),
            [test] => test.clone(),
            tests => format!("OR({})", tests.join(", ")),
        }
    }
}

/// Returns the call for an SQL pattern whose wildcards are only at its ends. `pattern` is a text literal.
fn like_as_call(pattern: &str, x: &str, ignores_case: bool) -> Option<String> {
    let pattern = pattern.trim_matches('"');
    let inner = pattern.trim_matches('%');
    if inner.is_empty() || inner.contains(['%', '_', '\\', '*', '?']) {
        return None;
    }
    let (x, inner) = match ignores_case {
        true => (format!("LOWER({x})"), inner.to_lowercase()),
        false => (x.to_owned(), inner.to_owned()),
    };
    Some(match (pattern.starts_with('%'), pattern.ends_with('%')) {
        (true, true) => format!("CONTAINS({x}, \"{inner}\")"),
        (false, true) => format!("STARTSWITH({x}, \"{inner}\")"),
        (true, false) => format!("ENDSWITH({x}, \"{inner}\")"),
        (false, false) => format!("{x} = \"{inner}\""),
    })
}
