//! What is written so in SQL or elsewhere, and differently here: reported with the form that is meant, once each.

use super::Token;
use super::layout::Pass;
use crate::diag::{Code, Diagnostic};
use crate::lex::Mode;
use crate::span::Span;

/// Aggregates that a line `view.name = SUM(…)` surely defines.
const AGGREGATES: [&str; 6] = ["SUM", "COUNT", "AVERAGE", "COUNTIF", "SUMIF", "MEDIAN"];

pub(super) fn ends_operand(token: Token) -> bool {
    use Token::{Cell, Close, CloseSquare, Fault, Model, Name, Number, Percent, Text};
    matches!(token, Name | Number | Text | Model | Cell | Close | CloseSquare | Fault | Percent)
}

pub(super) fn begins_operand(token: Token) -> bool {
    use Token::{Cell, Fault, Model, Name, Number, Open, Tab, Text};
    matches!(token, Name | Number | Text | Model | Cell | Tab | Open | Fault)
}

impl Pass<'_> {
    pub(super) fn token(&self, at: usize) -> Option<Token> {
        self.tokens.get(at).map(|t| t.0)
    }

    /// The text of a token; empty past the end.
    pub(super) fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |(_, span)| span.text(self.source))
    }

    pub(super) fn is_word(&self, at: usize, word: &str) -> bool {
        self.token(at) == Some(Token::Name) && self.text(at).eq_ignore_ascii_case(word)
    }

    pub(super) fn after_operand(&self) -> bool {
        self.out.tokens.last().is_some_and(|(_, token, _)| ends_operand(*token))
    }

    pub(super) fn operand_comes(&self, at: usize) -> bool {
        self.token(at).is_some_and(begins_operand) && !self.is_definition(at)
    }

    pub(super) fn syntax(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::new(Code::NotFormulaSyntax, span, message).with_help(help));
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.broken = true;
        self.diagnostics.push(diagnostic);
    }

    /// Something reported, with `next` after it: read as what tears two expressions apart, as an operand, or not at all.
    pub(super) fn odd(&mut self, next: usize, span: Span) {
        let joins = self.operand_comes(next);
        match (self.after_operand(), joins) {
            (true, true) => self.push(Token::Odd, span),
            (false, false) => self.push(Token::Fault, span),
            _ => {}
        }
    }

    /// `let x = …` and `view.x = …` at the beginning of a line: how many tokens stand before the name.
    pub(super) fn before_definition(&mut self, at: usize) -> usize {
        let defines = |at: usize| {
            self.token(at) == Some(Token::Name) && matches!(self.token(at + 1), Some(Token::Equal | Token::ColonEqual))
        };
        match self.token(at + 1) {
            Some(Token::Name) if defines(at + 1) => {
                let (word, span) = (self.text(at).to_ascii_lowercase(), self.tokens[at].1);
                if !["let", "var", "const", "def", "set"].contains(&word.as_str()) || !self.first_of_line(span.start) {
                    return 0;
                }
                let name = self.tokens[at + 1].1;
                self.report(
                    Diagnostic::new(
                        Code::NotFormulaSyntax,
                        span,
                        format!("a definition has no `{}` before its name", span.text(self.source)),
                    )
                    .with_help(format!("write `{} = …`", name.text(self.source)))
                    .with_fix(Span::new(span.start, name.start), ""),
                );
                self.named = Some(at + 1);
                1
            }
            Some(Token::Dot) if defines(at + 2) => {
                let span = self.tokens[at].1;
                // A single formula may compare a field.
                let sure = at > 0
                    || (self.token(at + 5) == Some(Token::Open) && AGGREGATES.iter().any(|a| self.is_word(at + 4, a)));
                if !sure || !self.first_of_line(span.start) {
                    return 0;
                }
                let name = self.tokens[at + 2].1;
                self.report(
                    Diagnostic::new(Code::NotFormulaSyntax, span.to(name), "a definition's name has no view")
                        .with_help(format!("write `{} = …`", name.text(self.source)))
                        .with_fix(Span::new(span.start, name.start), ""),
                );
                self.named = Some(at + 2);
                2
            }
            _ => 0,
        }
    }

    /// Names, colons, percent signs, dots and tabs that stand where they cannot; how many tokens were dealt with.
    #[inline]
    pub(super) fn foreign(&mut self, at: usize, single: bool) -> usize {
        match (self.token(at), self.token(at + 1)) {
            (Some(Token::Name), next) => {
                let dotted = self.out.tokens.last().is_some_and(|t| t.1 == Token::Dot);
                if dotted {
                    return 0;
                }
                if self.after_operand() {
                    return self.infix_word(at, single);
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
                    ) => self.prefix_word(at, single),
                    _ => 0,
                }
            }
            (Some(Token::Colon), _) => {
                if self.until.last() == Some(&(":", self.open.len())) {
                    self.until.pop();
                    self.odd(at + 1, self.tokens[at].1);
                    return 1;
                }
                0
            }
            (Some(Token::Percent), _) if self.after_operand() && self.operand_comes(at + 1) => self.modulo(at),
            (Some(Token::Dot), next)
                if next != Some(Token::Name) && self.out.tokens.last().is_some_and(|t| t.1 == Token::Name) =>
            {
                let span = self.tokens[at].1;
                self.report(
                    Diagnostic::new(Code::UnexpectedToken, span, "expected a field's name after `.`")
                        .with_help("write `view.field`, or `${view.field}` when the name has blanks"),
                );
                1
            }
            (Some(Token::Tab), next) if next != Some(Token::Bang) => {
                let span = self.tokens[at].1;
                let text = span.text(self.source);
                let inner =
                    text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap_or(text).replace("''", "'");
                let straight = crate::parse::quote(&inner);
                self.report(
                    Diagnostic::new(Code::SingleQuotes, span, "single quotes enclose the name of a tab, not a text")
                        .with_help(format!("write `{straight}`"))
                        .with_fix(span, straight),
                );
                self.push(Token::Text, span);
                1
            }
            _ => 0,
        }
    }

    #[cold]
    fn modulo(&mut self, at: usize) -> usize {
        let span = self.tokens[at].1;
        let help = match (self.whole_operand(at), self.single(at + 1)) {
            (Some(left), Some(right)) => format!("write `MOD({}, {right})`", left.text(self.source)),
            _ => "write `MOD(a, b)`".to_owned(),
        };
        self.syntax(span, "`%` after a value is a hundredth of it, and not a remainder", help);
        self.push(Token::Odd, span);
        1
    }

    /// The operand before this token, when it is a name, a field, a reference, a number or a text with nothing tighter before it.
    fn whole_operand(&self, at: usize) -> Option<Span> {
        let last = at.checked_sub(1)?;
        let (token, span) = self.tokens.get(last).copied()?;
        if !matches!(token, Token::Name | Token::Model | Token::Number | Token::Text) {
            return None;
        }
        let dotted = last >= 2 && self.token(last - 1) == Some(Token::Dot);
        Some(if dotted { self.tokens[last - 2].1.to(span) } else { span })
    }

    /// The text of an operand of one token, with nothing after it that belongs to it.
    pub(super) fn single(&self, at: usize) -> Option<&str> {
        let leaf = matches!(self.token(at), Some(Token::Name | Token::Model | Token::Number | Token::Text));
        let more = matches!(self.token(at + 1), Some(Token::Open | Token::Dot | Token::OpenSquare | Token::Colon));
        (leaf && !more).then(|| self.text(at))
    }

    /// A name right before another operand.
    #[cold]
    fn prefix_word(&mut self, at: usize, single: bool) -> usize {
        let span = self.tokens[at].1;
        let word = self.text(at).to_ascii_uppercase();
        match word.as_str() {
            "NOT" => {
                let mut diagnostic = Diagnostic::new(Code::NotFormulaSyntax, span, "`NOT` is a function");
                diagnostic = match self.negated(at + 1) {
                    Some(condition) => {
                        let call = format!("NOT({})", condition.text(self.source));
                        diagnostic.with_help(format!("write `{call}`")).with_fix(span.to(condition), call)
                    }
                    None => diagnostic.with_help("write `NOT(condition)`"),
                };
                self.report(diagnostic);
                1
            }
            "DISTINCT" | "INTERVAL" => self.modifier(at, single).unwrap_or(0),
            "CASE" => {
                let help = if self.is_word(at + 1, "when") {
                    "write `IFS(condition, value, …, TRUE, otherwise)`"
                } else {
                    "write `SWITCH(x, value, result, …, otherwise)`"
                };
                self.syntax(span, "`CASE` is not part of the language", help);
                let mut end = at + 1;
                let mut depth = 0_i32;
                while let Some(token) = self.token(end) {
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
                self.push(Token::Fault, span.to(self.tokens[end - 1].1));
                end - at
            }
            "SELECT" if self.out.tokens.last().is_some_and(|t| t.1 == Token::Start) => {
                let mut end = at + 1;
                let mut from = None;
                while end < self.tokens.len() && (single || !self.is_definition(end)) {
                    if from.is_none() && self.is_word(end, "from") && end > at + 1 {
                        from = Some(self.tokens[at + 1].1.to(self.tokens[end - 1].1));
                    }
                    end += 1;
                }
                let inner = from.map_or("", |f| f.text(self.source));
                let help = if inner.is_empty() || inner.len() > 60 || inner.contains('\n') {
                    "write what is between `SELECT` and `FROM`, without these".to_owned()
                } else {
                    format!("write `{inner}`; `--from` or a spec says of which relation")
                };
                self.syntax(span, "a formula is one expression, and not a query", help);
                self.push(Token::Fault, span.to(self.tokens[end - 1].1));
                end - at
            }
            _ if !single => self.before_definition(at),
            _ => 0,
        }
    }

    /// A name right after an operand.
    #[cold]
    fn infix_word(&mut self, at: usize, single: bool) -> usize {
        let span = self.tokens[at].1;
        let word = self.text(at).to_ascii_uppercase();
        let operand = self.whole_operand(at);
        let shown = operand.map_or("x", |o| o.text(self.source)).to_owned();
        if self.until.last().is_some_and(|u| u.0.eq_ignore_ascii_case(&word) && u.1 == self.open.len()) {
            self.until.pop();
            self.odd(at + 1, span);
            return 1;
        }
        let negated = word == "NOT";
        let verb = at + usize::from(negated);
        let not = |text: String| if negated { format!("NOT({text})") } else { text };
        let words = span.to(self.tokens.get(verb).map_or(span, |t| t.1));
        match self.text(verb).to_ascii_uppercase().as_str() {
            "AND" | "OR" if !negated => {
                self.syntax(span, format!("`{word}` is a function, not an operator"), format!("write `{word}(a, b)`"));
                self.odd(at + 1, span);
                1
            }
            "IN" => {
                let list = self.in_list(verb + 1, &shown);
                self.syntax(words, "`IN` is not part of the language", format!("write `{}`", not(list)));
                let mut end = verb + 1;
                if self.token(end) == Some(Token::Open) {
                    let mut depth = 0_i32;
                    while let Some(token) = self.token(end) {
                        if !single && self.is_definition(end) {
                            break;
                        }
                        depth += i32::from(token == Token::Open) - i32::from(token == Token::Close);
                        end += 1;
                        if depth == 0 {
                            break;
                        }
                    }
                }
                end - at
            }
            "IS" if !negated => {
                let negated = self.is_word(at + 1, "not");
                let last = at + 1 + usize::from(negated);
                if !self.is_word(last, "null") {
                    self.syntax(span, "`IS` is not part of the language", "compare with `=`, or write `ISBLANK(x)`");
                    self.odd(at + 1, span);
                    return 1;
                }
                let call = if negated { format!("NOT(ISBLANK({shown}))") } else { format!("ISBLANK({shown})") };
                let whole = span.to(self.tokens[last].1);
                let mut diagnostic = Diagnostic::new(
                    Code::NotFormulaSyntax,
                    whole,
                    format!("`IS {}NULL` is not part of the language", if negated { "NOT " } else { "" }),
                )
                .with_help(format!("write `{call}`"));
                if let Some(operand) = operand {
                    diagnostic = diagnostic.with_fix(operand.to(whole), call);
                }
                self.report(diagnostic);
                last + 1 - at
            }
            "LIKE" | "ILIKE" | "RLIKE" => {
                let help = format!(
                    "wildcards `*` and `?` stand in criteria: `COUNTIFS({shown}, \"a*\")`, `SUMIFS(…)`; or search with `SEARCH`"
                );
                self.syntax(words, "`LIKE` is not part of the language", help);
                let pattern =
                    matches!(self.token(verb + 1), Some(Token::Text | Token::Tab | Token::Name | Token::Number));
                verb + 1 + usize::from(pattern && !self.is_definition(verb + 1)) - at
            }
            "BETWEEN" => {
                let bounds = self.single(verb + 1).zip(self.single(verb + 3)).filter(|_| self.is_word(verb + 2, "and"));
                let call = match bounds {
                    Some((low, high)) => not(format!("AND({low} <= {shown}, {shown} <= {high})")),
                    None => not(format!("AND(a <= {shown}, {shown} <= b)")),
                };
                let mut diagnostic =
                    Diagnostic::new(Code::NotFormulaSyntax, words, "`BETWEEN` is not part of the language")
                        .with_help(format!("write `{call}`"));
                if let (Some(operand), Some(_)) = (operand, bounds) {
                    diagnostic = diagnostic.with_fix(operand.to(self.tokens[verb + 3].1), call);
                }
                self.report(diagnostic);
                self.until.push(("and", self.open.len()));
                self.odd(verb + 1, words);
                verb + 1 - at
            }
            _ => match self.clause(at, single) {
                0 => self.side_by_side(at, single),
                count => count,
            },
        }
    }

    /// Two formulas without names, each on its own line; or a definition with something before its name.
    fn side_by_side(&mut self, at: usize, single: bool) -> usize {
        if single {
            return 0;
        }
        let skipped = self.before_definition(at);
        let span = self.tokens[at].1;
        if skipped > 0
            || self.part.mode != Mode::File
            || self.is_named
            || !self.open.is_empty()
            || !self.first_of_line(span.start)
        {
            return skipped;
        }
        self.report(
            Diagnostic::new(Code::UnexpectedToken, span, "a second formula begins here")
                .with_help("give each a name, `name = …`: a text with several formulas holds definitions"),
        );
        self.push(Token::Odd, Span::new(span.start, span.start));
        self.push(Token::Name, span);
        // One report is enough.
        self.is_named = true;
        1
    }

    /// `OR(x = a, x = b)` from a list of single tokens.
    fn in_list(&self, open: usize, operand: &str) -> String {
        let mut at = open;
        let mut parts = Vec::new();
        while parts.len() < 4 && matches!(self.token(at), Some(Token::Open | Token::Comma)) {
            let Some(value) = self.single(at + 1) else { break };
            parts.push(format!("{operand} = {value}"));
            at += 2;
        }
        if self.token(at) == Some(Token::Close) && parts.len() > 1 {
            return format!("OR({})", parts.join(", "));
        }
        format!("OR({operand} = a, {operand} = b)")
    }

    /// Marks that no formula holds; how many tokens were dealt with.
    #[cold]
    pub(super) fn mark(&mut self, at: usize) -> usize {
        let (token, span) = self.tokens[at];
        let replaced = |what: &str, right: &str| {
            Diagnostic::new(Code::NotFormulaSyntax, span, format!("`{what}` is not an operator"))
                .with_help(format!("write `{right}`"))
                .with_fix(span, right.to_owned())
        };
        match token {
            Token::Semicolon if self.open.is_empty() => {
                self.report(
                    Diagnostic::new(Code::NotFormulaSyntax, span, "`;` does not end a formula")
                        .with_help("remove it")
                        .with_fix(span, ""),
                );
                if self.after_operand() {
                    self.odd(at + 1, span);
                }
            }
            Token::Semicolon => {
                self.report(
                    Diagnostic::new(Code::NotFormulaSyntax, span, "`;` does not separate arguments")
                        .with_help("write `,` between arguments")
                        .with_fix(span, ","),
                );
                self.push(Token::Comma, span);
            }
            Token::DoublePipe => {
                self.report(replaced("||", "&"));
                self.push(Token::Ampersand, span);
            }
            Token::DoubleStar => {
                self.report(replaced("**", "^"));
                self.push(Token::Caret, span);
            }
            Token::DoubleAmpersand => {
                self.syntax(span, "`&&` is not an operator", "write `AND(a, b)`");
                self.odd(at + 1, span);
            }
            Token::ColonEqual => {
                self.colon_equal(span);
                self.push(Token::Equal, span);
            }
            Token::DoubleColon => return self.cast(at, span),
            Token::OpenBrace => return self.braces(at, span),
            _ => {
                self.report(
                    Diagnostic::new(Code::SurplusBracket, span, "`}` closes nothing")
                        .with_help("remove it")
                        .with_fix(span, ""),
                );
                self.odd(at + 1, span);
            }
        }
        1
    }

    #[cold]
    pub(super) fn colon_equal(&mut self, span: Span) {
        self.report(
            Diagnostic::new(Code::NotFormulaSyntax, span, "`:=` is not part of the language")
                .with_help("a definition is written `name = …`")
                .with_fix(span, "="),
        );
    }

    /// `x::type`, `x::type(10, 2)`.
    fn cast(&mut self, at: usize, span: Span) -> usize {
        let mut end = at + 1;
        if self.token(end) == Some(Token::Name) && !self.is_definition(end) {
            end += 1;
            if self.token(end) == Some(Token::Open) {
                let close = (end + 1..end + 6).find(|i| self.token(*i) == Some(Token::Close));
                end = close.map_or(end, |c| c + 1);
            }
        }
        let whole = span.to(self.tokens[end - 1].1);
        self.report(
            Diagnostic::new(Code::NotFormulaSyntax, span, "`::` is not part of the language")
                .with_help(format!("remove `{}`: types are converted where it is safe", whole.text(self.source)))
                .with_fix(whole, ""),
        );
        if !self.after_operand() || self.operand_comes(end) {
            self.odd(end, whole);
        }
        end - at
    }

    /// `{1, 2, 3}`.
    fn braces(&mut self, at: usize, span: Span) -> usize {
        let jinja = self.jinja(at);
        if jinja > 0 {
            return jinja;
        }
        let mut end = at + 1;
        let mut found = false;
        while at >= self.braces && end < self.tokens.len() && !self.is_definition(end) {
            found = self.token(end) == Some(Token::CloseBrace);
            end += 1;
            if found {
                break;
            }
        }
        if !found {
            self.braces = self.braces.max(end);
            end = at + 1;
        }
        let whole = span.to(self.tokens[end - 1].1);
        self.syntax(
            whole,
            "array literals `{…}` are not part of the language",
            "write the values as separate arguments",
        );
        if self.after_operand() {
            self.odd(end, whole);
        } else {
            self.push(Token::Fault, whole);
            if self.operand_comes(end) {
                self.push(Token::Odd, Span::new(whole.end, whole.end));
            }
        }
        end - at
    }

    /// `d[]`, `d["month"]`: square brackets after an operand without a name in them.
    #[inline]
    pub(super) fn no_timeframe(&self, at: usize) -> bool {
        match self.token(at + 1) {
            Some(Token::CloseSquare) => true,
            Some(Token::Text | Token::Number) => self.token(at + 2) == Some(Token::CloseSquare),
            _ => false,
        }
    }

    #[cold]
    pub(super) fn skipped_timeframe(&mut self, at: usize) -> usize {
        let inside = self.tokens[at + 1];
        let message = "expected a timeframe, such as `month`";
        if inside.0 == Token::CloseSquare {
            let span = self.tokens[at].1.to(inside.1);
            let help = "write `[day]`, `[week]`, `[month]`, `[quarter]` or `[year]`, or remove the brackets";
            self.report(Diagnostic::new(Code::ExpectedExpression, span, message).with_help(help));
            return 2;
        }
        let text = inside.1.text(self.source);
        let name = text.trim_matches('"');
        let shown: String = text.chars().take(24).collect();
        let mut diagnostic = Diagnostic::new(Code::UnexpectedToken, inside.1, format!("{message}, found `{shown}`"));
        let known = ["day", "week", "month", "quarter", "year"].contains(&name);
        diagnostic = if known {
            diagnostic.with_help(format!("write it without quotes, `[{name}]`")).with_fix(inside.1, name.to_owned())
        } else {
            diagnostic.with_help("write `[day]`, `[week]`, `[month]`, `[quarter]` or `[year]`")
        };
        self.report(diagnostic);
        3
    }
}
