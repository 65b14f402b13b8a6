//! Reports words from SQL and other languages: `LIKE`, `IN`, `IS NULL`, `CASE`, `NOT x`, `MOD`, and adjacent names.

use super::Token;
use super::layout::LayoutPass;
use crate::diag::{Code, Diagnostic};
use crate::lex::LayoutMode;
use crate::span::Span;

/// SQL operator that is a word, such as `NOT IN`.
struct InfixWord {
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
}

impl InfixWord {
    fn negate(&self, text: String) -> String {
        if self.negated { format!("NOT({text})") } else { text }
    }
}

impl LayoutPass<'_, '_> {
    #[cold]
    pub(super) fn report_modulo(&mut self, at: usize) -> usize {
        let span = self.span_at(at);
        let help = match (self.whole_operand(at), self.single_token_operand(at + 1)) {
            (Some(left), Some(right)) => format!("write `MOD({}, {right})`", left.text(self.source)),
            _ => "write `MOD(a, b)`".to_owned(),
        };
        self.report_syntax(
            span,
            "`%` after a value divides it by 100 and does not return a remainder",
            help,
        );
        self.push(Token::Odd, span);
        1
    }

    /// Returns the operand before this token, if the operand is a name, field, reference, number or string, and no
    /// operator that binds more tightly precedes the operand.
    pub(super) fn whole_operand(&self, at: usize) -> Option<Span> {
        let last = at.checked_sub(1)?;
        let (token, span) = self.tokens.get(last).copied()?;
        if !matches!(token, Token::Name | Token::Model | Token::Number | Token::Text) {
            return None;
        }
        let dotted = last >= 2 && self.token_at(last - 1) == Some(Token::Dot);
        Some(if dotted { self.span_at(last - 2).to(span) } else { span })
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
    pub(super) fn report_prefix_word(&mut self, at: usize, single: bool) -> usize {
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
            "DISTINCT" | "INTERVAL" => self.report_modifier(at, single).unwrap_or(0),
            "CASE" => {
                let help = if self.is_word(at + 1, "when") {
                    "write `IFS(condition, value, …, TRUE, otherwise)`"
                } else {
                    "write `SWITCH(x, value, result, …, otherwise)`"
                };
                self.report_syntax(span, "`CASE` is not part of the language", help);
                let mut end = at + 1;
                let mut depth = 0_i32;
                while let Some(token) = self.token_at(end) {
                    if !single && self.is_definition(end) {
                        break;
                    }
                    match token {
                        Token::Open => depth += 1,
                        Token::Close if depth == 0 => break,
                        Token::Close => depth -= 1,
                        _ => {}
                    }
                    end += 1;
                    if depth == 0 && self.is_word(end - 1, "end") {
                        break;
                    }
                }
                self.push(Token::Fault, span.to(self.span_at(end - 1)));
                end - at
            }
            "SELECT" if self.layout.tokens.last().is_some_and(|t| t.0 == Token::Start) => {
                let mut end = at + 1;
                let mut from = None;
                while end < self.tokens.len() && (single || !self.is_definition(end)) {
                    if from.is_none() && self.is_word(end, "from") && end > at + 1 {
                        from = Some(self.span_at(at + 1).to(self.span_at(end - 1)));
                    }
                    end += 1;
                }
                let inner = from.map_or("", |f| f.text(self.source));
                let help = if inner.is_empty() || inner.len() > 60 || inner.contains('\n') {
                    "write only the expression between `SELECT` and `FROM`".to_owned()
                } else {
                    format!("write `{inner}`, and specify the relation with `--from` or in a spec")
                };
                self.report_syntax(span, "a formula is one expression, not a query", help);
                self.push(Token::Fault, span.to(self.span_at(end - 1)));
                end - at
            }
            _ if !single => self.report_definition_prefix(at),
            _ => 0,
        }
    }

    /// Reports a word directly after an operand and returns the number of tokens consumed.
    #[cold]
    pub(super) fn report_infix_word(&mut self, at: usize, single: bool) -> usize {
        let span = self.span_at(at);
        let word = self.text_at(at).to_ascii_uppercase();
        if self
            .until
            .last()
            .is_some_and(|u| u.0.eq_ignore_ascii_case(&word) && u.1 == self.open_brackets.len())
        {
            self.until.pop();
            self.emit_reported(at + 1, span);
            return 1;
        }
        let negated = word == "NOT";
        let verb = at + usize::from(negated);
        let operand = self.whole_operand(at);
        let infix = InfixWord {
            at,
            verb,
            negated,
            words: span.to(self.tokens.get(verb).map_or(span, |t| t.1)),
            operand,
            operand_text: operand.map_or("x", |o| o.text(self.source)).to_owned(),
        };
        match self.text_at(verb).to_ascii_uppercase().as_str() {
            "AND" | "OR" if !negated => {
                self.report_syntax(
                    span,
                    format!("`{word}` is a function, not an operator"),
                    format!("write `{word}(a, b)`"),
                );
                self.emit_reported(at + 1, span);
                1
            }
            "IN" => self.report_in_operator(&infix, single),
            "IS" if !negated => self.report_is_operator(&infix),
            "LIKE" | "ILIKE" | "RLIKE" => self.report_like(&infix),
            "BETWEEN" => self.report_between(&infix),
            _ => match self.report_clause(at, single) {
                0 => self.report_adjacent_formula(at, single),
                count => count,
            },
        }
    }

    fn report_in_operator(&mut self, infix: &InfixWord, single: bool) -> usize {
        let open = infix.verb + 1;
        let list = self.in_list_as_or(open, &infix.operand_text);
        self.report_syntax(
            infix.words,
            "`IN` is not part of the language",
            format!("write `{}`", infix.negate(list)),
        );
        let end = if self.token_at(open) == Some(Token::Open) {
            self.group_end(open, single)
        } else {
            open
        };
        end - infix.at
    }

    fn report_is_operator(&mut self, infix: &InfixWord) -> usize {
        let (at, shown) = (infix.at, &infix.operand_text);
        let span = self.span_at(at);
        let negated = self.is_word(at + 1, "not");
        let last = at + 1 + usize::from(negated);
        if !self.is_word(last, "null") {
            self.report_syntax(
                span,
                "`IS` is not part of the language",
                "compare with `=`, or write `ISBLANK(x)`",
            );
            self.emit_reported(at + 1, span);
            return 1;
        }
        let (not, call) = if negated {
            ("NOT ", format!("NOT(ISBLANK({shown}))"))
        } else {
            ("", format!("ISBLANK({shown})"))
        };
        let whole = span.to(self.span_at(last));
        let message = format!("`IS {not}NULL` is not part of the language");
        let mut diagnostic =
            Diagnostic::new(Code::NotFormulaSyntax, whole, message).with_help(format!("write `{call}`"));
        if let Some(operand) = infix.operand {
            diagnostic = diagnostic.with_fix(operand.to(whole), call);
        }
        self.report(diagnostic);
        last + 1 - at
    }

    fn report_like(&mut self, infix: &InfixWord) -> usize {
        let next = infix.verb + 1;
        let help = format!(
            "use the wildcards `*` and `?` in a criterion, as in `COUNTIFS({}, \"a*\")`, or use `SEARCH`",
            infix.operand_text
        );
        self.report_syntax(infix.words, "`LIKE` is not part of the language", help);
        let pattern = matches!(
            self.token_at(next),
            Some(Token::Text | Token::Tab | Token::Name | Token::Number)
        );
        next + usize::from(pattern && !self.is_definition(next)) - infix.at
    }

    fn report_between(&mut self, infix: &InfixWord) -> usize {
        let (verb, shown) = (infix.verb, &infix.operand_text);
        let bounds = self
            .single_token_operand(verb + 1)
            .zip(self.single_token_operand(verb + 3))
            .filter(|_| self.is_word(verb + 2, "and"));
        let call = infix.negate(match bounds {
            Some((low, high)) => format!("AND({low} <= {shown}, {shown} <= {high})"),
            None => format!("AND(a <= {shown}, {shown} <= b)"),
        });
        let message = "`BETWEEN` is not part of the language";
        let mut diagnostic =
            Diagnostic::new(Code::NotFormulaSyntax, infix.words, message).with_help(format!("write `{call}`"));
        if let (Some(operand), Some(_)) = (infix.operand, bounds) {
            diagnostic = diagnostic.with_fix(operand.to(self.span_at(verb + 3)), call);
        }
        self.report(diagnostic);
        self.until.push(("and", self.open_brackets.len()));
        self.emit_reported(verb + 1, infix.words);
        verb + 1 - infix.at
    }

    /// Reports a second formula that has its own line but no name, or a word before the name of a definition.
    pub(super) fn report_adjacent_formula(&mut self, at: usize, single: bool) -> usize {
        if single {
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
                "give each formula a name, as in `name = …`: if there are several formulas, each must be a definition",
            ),
        );
        self.push(Token::Odd, Span::new(span.start, span.start));
        self.push(Token::Name, span);
        // Report the missing name of a formula only once.
        self.is_named = true;
        1
    }

    /// Returns `OR(x = a, x = b)` for a list whose items are single tokens.
    pub(super) fn in_list_as_or(&self, open: usize, operand: &str) -> String {
        let mut at = open;
        let mut parts = Vec::new();
        while parts.len() < 4 && matches!(self.token_at(at), Some(Token::Open | Token::Comma)) {
            let Some(value) = self.single_token_operand(at + 1) else {
                break;
            };
            parts.push(format!("{operand} = {value}"));
            at += 2;
        }
        if self.token_at(at) == Some(Token::Close) && parts.len() > 1 {
            return format!("OR({})", parts.join(", "));
        }
        format!("OR({operand} = a, {operand} = b)")
    }
}
