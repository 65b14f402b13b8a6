//! Error messages from the recovering parser.

use lalrpop_util::{ErrorRecovery, ParseError};

use super::builder::AstBuilder;
use super::terminal::Terminal;
use formulac_syntax::ast::{Expr, ExprId};
use formulac_syntax::diag::{Code, Diagnostic};
use formulac_syntax::lex::{self, Token, quote_formula_name};
use formulac_syntax::span::Span;
use formulac_syntax::text::{is_word_char, words_at};

type Recovery = ErrorRecovery<u32, Terminal, ()>;

impl AstBuilder<'_> {
    /// Reports a missing operand and returns an error node for it.
    pub fn report_missing_operand(&mut self, recovery: Recovery) -> ExprId {
        let (span, token) = self.fault_span(&recovery);
        if !is_operand_expected(&recovery) {
            self.report_surplus(recovery);
            return self.add(Expr::Error, span);
        }
        let missing = Span::new(span.start, span.start);
        if span.is_empty() && self.follows_open_bracket(span) {
            // Do not report the missing operand, because the unclosed bracket has been reported.
            self.has_syntax_error = true;
            return self.add(Expr::Error, missing);
        }
        if self.is_inside_comparison_operator(span) {
            self.report_unknown_operator(span);
            return self.add(Expr::Error, span);
        }
        let at_end = matches!(token, Token::End | Token::Close | Token::Comma | Token::CloseSquare);
        let diagnostic = match token {
            Token::Hash => Diagnostic::new(Code::NotFormulaSyntax, span, "`#` does not start a comment")
                .with_help("start a comment with `//`"),
            _ => {
                let message = format!("expected an expression, found {}", self.display_token(token, span));
                let help = match token {
                    Token::End | Token::Close if span.is_empty() => {
                        "complete the formula, or remove the last operator".to_owned()
                    }
                    _ => self
                        .criterion_help(token, span)
                        .unwrap_or_else(|| "write a name, a number, text or a function call here".to_owned()),
                };
                Diagnostic::new(Code::ExpectedExpression, if at_end { missing } else { span }, message).with_help(help)
            }
        };
        self.report(diagnostic);
        self.add(Expr::Error, if at_end { missing } else { span })
    }

    /// Returns the help for a second `=`, and for a criterion without quotes, such as `> 50` after a comma.
    fn criterion_help(&self, token: Token, span: Span) -> Option<String> {
        use Token::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        let before = self.source.get(..span.start as usize)?.trim_end();
        let after = self.source.get(span.end as usize..)?.trim_start();
        match token {
            Equal if before.ends_with('=') => Some("remove the second `=`".to_owned()),
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual if before.ends_with([',', '(']) => {
                let operand = after
                    .split(|c: char| !(is_word_char(c) || matches!(c, '.' | '-')))
                    .next()?;
                let is_number = operand.parse::<f64>().is_ok();
                let operator = span.text(self.source);
                is_number.then(|| format!("write the condition in quotes: `\"{operator}{operand}\"`"))
            }
            _ => None,
        }
    }

    /// Returns whether a comparison directly follows another comparison, as in `><`.
    fn is_inside_comparison_operator(&self, span: Span) -> bool {
        let before = self.source.as_bytes().get(..span.start as usize).unwrap_or_default();
        before.last().is_some_and(|byte| b"<>=!".contains(byte))
            && span.text(self.source).starts_with(['<', '>', '=', '!'])
    }

    /// Reports an unknown operator such as `><`. `span` is the position of the operator's second part.
    fn report_unknown_operator(&mut self, span: Span) {
        let before = self.source.get(..span.start as usize).unwrap_or_default();
        let start = before.trim_end_matches(['<', '>', '=', '!']).len() as u32;
        let whole = Span::new(start, span.end);
        let text = whole.text(self.source);
        let operator = match text {
            "><" | "=!" => "<>",
            "===" | "<=>" | "<==>" => "=",
            "!==" | "<>=" => "<>",
            _ => "",
        };
        let diagnostic = Diagnostic::new(Code::NotFormulaSyntax, whole, format!("`{text}` is not an operator"));
        self.replace_reports_in(whole);
        self.report(match operator {
            "" => diagnostic.with_help("write one of the operators `=`, `<>`, `<`, `<=`, `>` and `>=`"),
            operator => diagnostic.with_help(format!("write `{operator}`")),
        });
    }

    /// Returns `true` if the text before the span ends with an opening bracket.
    fn follows_open_bracket(&self, span: Span) -> bool {
        self.source
            .get(..span.start as usize)
            .unwrap_or_default()
            .trim_end()
            .ends_with(['(', '['])
    }

    /// Reports a token that cannot follow the expression before it.
    pub fn report_surplus(&mut self, recovery: Recovery) {
        let (span, token) = self.fault_span(&recovery);
        if span.is_empty() && self.follows_open_bracket(span) {
            self.has_syntax_error = true;
            return;
        }
        let diagnostic = match token {
            Token::Hash => Diagnostic::new(Code::NotFormulaSyntax, span, "`#` does not start a comment")
                .with_help("start a comment with `//`"),
            Token::Equal => Diagnostic::new(Code::UnexpectedToken, span, "unexpected `=`").with_help(
                "write a definition in the form `name = formula`, with the name at the start of a line and outside brackets",
            ),
            Token::Dot => Diagnostic::new(Code::UnexpectedToken, span, "unexpected `.`")
                .with_help("write a field as `view.field`, or as `${view.field}` if its name contains spaces"),
            _ => Diagnostic::new(
                Code::UnexpectedToken,
                span,
                format!("expected an operator, found {}", self.display_token(token, span)),
            )
            .with_help(self.adjacent_expressions_help(token, span)),
        };
        self.report(diagnostic);
    }

    /// Returns the help for two adjacent expressions.
    #[cold]
    fn adjacent_expressions_help(&self, token: Token, span: Span) -> String {
        let before = self.source.get(..span.start as usize).unwrap_or_default();
        let after = self.source.get(span.end as usize..).unwrap_or_default();
        if token == Token::Comma
            && let Some(number) = lex::number_around_comma(self.source, span.start)
        {
            return format!("write the number with a decimal point and without separators: `{number}`");
        }
        if let Some(number) = lex::number_with_groups(self.source, span) {
            return format!("write the number without separators: `{number}`");
        }
        if token == Token::Comma {
            let rest = after.lines().next().unwrap_or_default().trim();
            let is_definition = |rest: &str| {
                let equal = rest.trim_start_matches(is_word_char).trim_start();
                equal.len() < rest.len() && equal.starts_with('=')
            };
            return if rest.is_empty() || is_definition(rest) {
                "remove the comma, and write each definition on its own line"
            } else {
                "replace the comma with an operator, because a comma only separates the arguments of a function"
            }
            .to_owned();
        }
        let name: String = before
            .trim_end()
            .chars()
            .rev()
            .take_while(|c| is_word_char(*c))
            .take(40)
            .collect();
        if token == Token::Bang && !name.is_empty() {
            let name: String = name.chars().rev().collect();
            let line = after.lines().next().unwrap_or_default();
            let cells: String = line
                .trim_start()
                .chars()
                .take_while(|c| is_word_char(*c) || matches!(c, ':' | '$'))
                .take(40)
                .collect();
            return format!(
                "in a worksheet, put the tab name in single quotes: `'{name}'!{cells}`; other formulas cannot read tabs"
            );
        }
        if token == Token::Name && name.ends_with(|c: char| !c.is_ascii_digit()) {
            let is_path = |c: &char| is_word_char(*c) || *c == '.';
            let first = before.trim_end().chars().rev().take_while(is_path).map(char::len_utf8);
            let start = before.trim_end().len() - first.sum::<usize>();
            let name = words_at(self.source, start as u32);
            if name
                .split(' ')
                .next()
                .is_some_and(|word| word.eq_ignore_ascii_case("if"))
            {
                return "write `IF(condition, then, else)`".to_owned();
            }
            let name = quote_formula_name(name);
            return format!(
                "put an operator or a comma between the two names, or write `{name}` if this is one name with spaces"
            );
        }
        "put an operator or a comma between the two expressions, or remove one of them".to_owned()
    }

    fn display_token(&self, token: Token, span: Span) -> String {
        let text = span.text(self.source);
        match token {
            Token::Start | Token::End => "the end of the formula".to_owned(),
            // An empty span means that the layout pass added the missing closing bracket.
            Token::Close | Token::CloseSquare if text.is_empty() => "the end of the formula".to_owned(),
            _ if text.is_empty() => token.describe().to_owned(),
            _ if text.chars().count() > 24 => {
                format!("`{}…`", text.chars().take(24).collect::<String>().replace('\n', " "))
            }
            _ => format!("`{}`", text.replace('\n', " ")),
        }
    }

    /// Returns the span of an error, and the token at which the error occurred.
    fn fault_span(&self, recovery: &Recovery) -> (Span, Token) {
        match &recovery.error {
            ParseError::UnrecognizedToken {
                token: (l, terminal, r),
                ..
            }
            | ParseError::ExtraToken {
                token: (l, terminal, r),
            } => (Span::new(*l, *r), terminal.token),
            ParseError::UnrecognizedEof { location, .. } | ParseError::InvalidToken { location } => {
                (Span::new(*location, *location), Token::End)
            }
            ParseError::User { .. } => (Span::default(), Token::End),
        }
    }
}

/// Returns `true` if the parser expected an operand here. The function checks the parser's list of expected tokens,
/// because recovery may also insert an error node where an operator was expected.
fn is_operand_expected(recovery: &Recovery) -> bool {
    match &recovery.error {
        ParseError::UnrecognizedToken { expected, .. } | ParseError::UnrecognizedEof { expected, .. } => {
            expected.iter().any(|e| e == "\"number\"")
        }
        _ => true,
    }
}
