//! Layout pass: finds definitions, matches brackets and checks the nesting depth.
//!
//! The resulting tokens have a closing bracket for every opening bracket, and enclose every formula between
//! [`Token::Start`] and [`Token::End`]. Each missing or surplus bracket is reported here, but only once.

use super::brackets::matched_brackets;
use super::foreign::{begins_operand, ends_operand};
use super::{LexedSource, Token};
use crate::diag::{Code, Diagnostic};
use crate::limits::Limits;
use crate::span::Span;

/// Expected content of source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutMode {
    /// Definitions, or a single formula if there are no definitions.
    File,
    /// Single formula, in which `=` is a comparison.
    Formula,
}

/// Formula or definition found in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefinitionHead {
    /// Defined name. `None` for a formula without a name.
    pub name: Option<Span>,
    /// Span from the name (or the first token, if the formula has no name) to the last token.
    pub span: Span,
    /// `true` if the tokens were not parsed because their nesting is too deep.
    pub too_deep: bool,
    /// `true` if the tokens contain an error.
    pub broken: bool,
    /// `true` if the definition contains an unclosed string or an unmatched bracket, so that brackets and commas of the
    /// formula may be in the wrong place.
    pub hides_errors: bool,
    /// Index of the source part that contains the definition.
    pub part: u32,
}

/// Tokens for the parser.
#[derive(Clone, Debug, Default)]
pub struct TextLayout {
    /// Tokens with their spans.
    pub tokens: Vec<(Token, Span)>,
    /// Names and spans of the formulas, in source order.
    pub heads: Vec<DefinitionHead>,
    /// Open brackets of the current formula. The vector is reused for the next text to avoid allocations.
    open_brackets: Vec<u32>,
}

impl TextLayout {
    /// Clears the layout but keeps its allocated memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.heads.clear();
    }
}

/// Finds the definitions in source text and balances its brackets.
pub fn layout_text(
    source: &str,
    lexed: &LexedSource,
    mode: LayoutMode,
    limits: &Limits,
    diagnostics: &mut Vec<Diagnostic>,
) -> TextLayout {
    let mut out = TextLayout::default();
    let part = LayoutPart {
        mode,
        name: None,
        index: 0,
    };
    layout_part(source, lexed, part, limits, &mut out, diagnostics);
    out
}

/// Part of source text that is laid out separately, such as a single formula.
#[derive(Clone, Copy, Debug)]
pub struct LayoutPart {
    /// Expected content of the part.
    pub mode: LayoutMode,
    /// Name that the formula in this part defines, if the part itself does not contain the name.
    pub name: Option<Span>,
    /// Index of the part.
    pub index: u32,
}

/// Adds the tokens and formulas of one part to the layout.
pub fn layout_part(
    source: &str,
    lexed: &LexedSource,
    part: LayoutPart,
    limits: &Limits,
    out: &mut TextLayout,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let tokens = &lexed.tokens;
    out.tokens.reserve(tokens.len() + 16);
    let mut open = std::mem::take(&mut out.open_brackets);
    open.clear();
    let mut pass = LayoutPass {
        source,
        tokens,
        unclosed_string_starts: &lexed.unclosed_string_starts,
        part,
        limits,
        diagnostics,
        layout: out,
        open_brackets: open,
        closed: None,
        surplus: None,
        name_index: None,
        formula_start: 0,
        connectives_end: 0,
        has_semicolons: false,
        has_unmatched_bracket: false,
        brace_search_start: 0,
        expected_closers: Vec::new(),
        broken: false,
        is_named: false,
    };
    pass.run();
    let open = std::mem::take(&mut pass.open_brackets);
    out.open_brackets = open;
}

/// Returns whether only whitespace precedes an offset on its line.
pub fn is_first_on_line(source: &str, offset: u32) -> bool {
    let before = source.get(..offset as usize).unwrap_or_default();
    before
        .chars()
        .rev()
        .find(|c| *c == '\n' || !(c.is_whitespace() || *c == '\u{feff}' || *c == '\u{200b}'))
        .is_none_or(|c| c == '\n')
}

/// Flag that marks an open bracket as hidden from the parser.
pub(super) const HIDDEN_BRACKET_FLAG: u32 = 1 << 31;

pub(super) struct LayoutPass<'a, 't> {
    pub(super) source: &'a str,
    pub(super) tokens: &'t [(Token, Span)],
    /// Start positions of unclosed strings in the current formula and after it.
    unclosed_string_starts: &'a [u32],
    limits: &'a Limits,
    pub(super) part: LayoutPart,
    pub(super) diagnostics: &'a mut Vec<Diagnostic>,
    pub(super) layout: &'a mut TextLayout,
    /// Token indices of open brackets.
    pub(super) open_brackets: Vec<u32>,
    /// Whether each opening bracket has a closing bracket. Computed on first use.
    closed: Option<Vec<bool>>,
    /// End of the most recent run of surplus brackets.
    pub(super) surplus: Option<u32>,
    /// Index of a name that begins a definition, although it is not the first token on its line.
    pub(super) name_index: Option<usize>,
    /// Index of the first token of the current formula.
    pub(super) formula_start: usize,
    /// Index after the last condition with `AND` or `OR` that has been reported.
    pub(super) connectives_end: usize,
    /// `true` if semicolons separate arguments of the current formula.
    pub(super) has_semicolons: bool,
    /// `true` if the current formula has an unmatched bracket.
    pub(super) has_unmatched_bracket: bool,
    /// Index of the first token from which a search for a closing brace is still necessary.
    pub(super) brace_search_start: usize,
    /// Words and symbols that complete an already reported construct, each with the number of open brackets around it.
    pub(super) expected_closers: Vec<(&'static str, usize)>,
    /// `true` if the current formula has an error.
    pub(super) broken: bool,
    /// `true` if the current formula has a name, or if a missing name has been reported.
    pub(super) is_named: bool,
}

impl<'t> LayoutPass<'_, 't> {
    fn run(&mut self) {
        let mut at = 0;
        let leading_equal = matches!(self.tokens.first(), Some((Token::Equal | Token::DoubleEqual, _)));
        let is_single_formula = self.part.mode == LayoutMode::Formula || leading_equal;
        if leading_equal {
            at = 1;
            if let Some((Token::DoubleEqual, span)) = self.tokens.first().copied() {
                self.report(
                    Diagnostic::new(Code::NotFormulaSyntax, span, "a formula does not begin with `==`")
                        .with_help("write `=`")
                        .with_fix(span, "="),
                );
            }
        }
        while !is_single_formula && matches!(self.tokens.get(at), Some((Token::Name, _))) {
            match self.report_definition_prefix(at) {
                0 => break,
                skipped => at += skipped,
            }
        }
        if is_single_formula || !(self.is_definition(at) || self.begins_with_invalid_name(at)) {
            if at >= self.tokens.len() {
                return;
            }
            let first = self.layout.heads.len();
            let stop = self.layout_formula(self.part.name, at, is_single_formula);
            if stop < self.tokens.len() {
                let span = self.layout.heads.get(first).map_or(Span::default(), |h| h.span);
                self.diagnostics.push(
                    Diagnostic::new(Code::StrayFormula, span, "expected a definition, found a formula")
                        .with_help("give the formula a name, as in `name = …`, or remove it"),
                );
            }
            at = stop;
        }
        while let Some((_, name)) = self.tokens.get(at).copied() {
            let wrong = if self.is_definition(at) {
                None
            } else {
                self.end_of_invalid_name(at)
            };
            let Some(equal) = wrong else {
                at = self.layout_formula(Some(name), at + 2, false);
                continue;
            };
            let name = self.report_invalid_name(at, equal);
            at = self.layout_formula(Some(name), equal + 1, false);
            if let Some(head) = self.layout.heads.last_mut() {
                head.broken = true;
            }
        }
    }

    /// Returns `true` if the token begins a definition: a name that is the first token on its line and is followed by
    /// `=`. Also returns `true` after a semicolon, although it is reported, because the name is not part of the formula
    /// before it.
    pub(super) fn is_definition(&self, at: usize) -> bool {
        matches!(self.tokens.get(at), Some((Token::Name, _)))
            && matches!(self.tokens.get(at + 1), Some((Token::Equal | Token::ColonEqual, _)))
            && (self.name_index == Some(at)
                || self.is_first_on_line(self.span_at(at).start)
                || self.follows_formula_end(at))
    }

    /// Returns whether a semicolon outside brackets precedes the token.
    pub(super) fn follows_formula_end(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.token_at(before));
        before == Some(Token::Semicolon) && self.open_brackets.is_empty()
    }

    pub(super) fn is_first_on_line(&self, offset: u32) -> bool {
        is_first_on_line(self.source, offset)
    }

    /// Copies one formula, up to the next definition or the end of the tokens, and returns the index after it.
    fn layout_formula(&mut self, name: Option<Span>, from: usize, is_single_formula: bool) -> usize {
        let first = name.or_else(|| self.tokens.get(from).map(|t| t.1)).unwrap_or_default();
        let frame = self.layout.tokens.len();
        self.layout.tokens.push((Token::Start, first));
        let mut at = from;
        let mut end = name.map_or(first.start, |n| n.end);
        self.formula_start = from;
        self.broken = false;
        self.is_named = name.is_some();
        self.expected_closers.clear();
        if let (None, Some(_), Some((token, equal))) =
            (self.part.name, name, self.tokens.get(from.wrapping_sub(1)).copied())
        {
            end = equal.end;
            if token == Token::ColonEqual {
                self.report_colon_equal(equal);
            }
        }
        let mut too_deep = false;
        while let Some((token, span)) = self.tokens.get(at).copied() {
            let run = self.take_valid_tokens(at);
            if let Some((_, last)) = run.last() {
                self.layout.tokens.extend_from_slice(run);
                end = last.end;
                at += run.len();
                continue;
            }
            if token == Token::Name && !is_single_formula && self.starts_definition(at) {
                break;
            }
            if matches!(
                token,
                Token::Name | Token::Number | Token::Text | Token::Percent | Token::Odd
            ) && !is_single_formula
                && self.is_after_operand()
                && self.end_of_invalid_name(at).is_some()
            {
                break;
            }
            match token {
                Token::OpenSquare if !self.follows_operand() => {
                    let mut count = self.report_square_field(at);
                    if count == 0 {
                        count = self.report_square_reference(at, span);
                    }
                    if count > 0 {
                        end = self.span_at(at + count - 1).end;
                        at += count;
                        continue;
                    }
                    self.open_brackets.push(at as u32 | HIDDEN_BRACKET_FLAG);
                }
                Token::OpenSquare if self.has_invalid_timeframe(at) => {
                    let count = self.report_invalid_timeframe(at);
                    end = self.span_at(at + count - 1).end;
                    at += count;
                    continue;
                }
                Token::Open | Token::OpenSquare => {
                    self.open_brackets.push(at as u32);
                    if self.open_brackets.len() > self.limits.nesting && !too_deep {
                        too_deep = true;
                        self.report_deep_nesting(span);
                    }
                    self.push(token, span);
                }
                Token::Star if self.is_sole_argument(at) => self.report_sole_star(at, span),
                Token::Close | Token::CloseSquare => self.close_bracket(token, span),
                Token::Name | Token::Colon | Token::Percent | Token::Dot | Token::Tab => {
                    let skipped = self.report_foreign_syntax(at, is_single_formula);
                    if skipped == 0 {
                        self.push(token, span);
                    } else {
                        end = self.span_at(at + skipped - 1).end;
                        at += skipped;
                        continue;
                    }
                }
                Token::Odd => self.report_invalid_character(at, span),
                Token::Semicolon
                | Token::OpenBrace
                | Token::CloseBrace
                | Token::DoublePipe
                | Token::DoubleStar
                | Token::DoubleAmpersand
                | Token::DoubleColon
                | Token::ColonEqual
                | Token::EqualGreater
                | Token::EqualLess => {
                    let skipped = self.report_invalid_symbol(at, token, span, is_single_formula);
                    end = self.span_at(at + skipped - 1).end;
                    at += skipped;
                    continue;
                }
                _ => self.push(token, span),
            }
            end = span.end;
            at += 1;
        }
        self.end_formula(frame, (name, first), end, too_deep);
        at
    }

    /// Closes the open brackets of a formula whose tokens begin at `frame`, and adds its head. `first` is the span of
    /// the formula's name or first token.
    fn end_formula(&mut self, frame: usize, (name, first): (Option<Span>, Span), end: u32, too_deep: bool) {
        let swallowed = self.skip_unclosed_strings(end);
        self.close_all_brackets(end, too_deep || swallowed);
        let hides_errors = swallowed | std::mem::take(&mut self.has_unmatched_bracket);
        if std::mem::take(&mut self.has_semicolons) {
            self.report_semicolons(frame);
        }
        if too_deep {
            self.layout.tokens.truncate(frame + 1);
        }
        self.layout.tokens.push((Token::End, Span::new(end, end)));
        self.layout.heads.push(DefinitionHead {
            name,
            span: Span::new(first.start, end.max(first.end)),
            too_deep,
            broken: self.broken || swallowed,
            hides_errors,
            part: self.part.index,
        });
    }

    /// Reports a character that is not part of the language. `?` may begin a conditional, which continues with `:`.
    #[cold]
    fn report_invalid_character(&mut self, at: usize, span: Span) {
        self.broken = true;
        if span.text(self.source) == "?" {
            self.expected_closers.push((":", self.open_brackets.len()));
        }
        self.emit_error_token(at + 1, span);
    }

    #[cold]
    fn report_deep_nesting(&mut self, span: Span) {
        let levels = match self.limits.nesting {
            1 => "1 level".to_owned(),
            nesting => format!("{nesting} levels"),
        };
        let message = format!("brackets are nested more than {levels} deep");
        self.diagnostics.push(
            Diagnostic::new(Code::NestingTooDeep, span, message)
                .with_help("move parts of the formula to definitions of their own"),
        );
    }

    /// Skips the unclosed strings before an offset. Returns whether at least one string was skipped.
    fn skip_unclosed_strings(&mut self, end: u32) -> bool {
        let count = self
            .unclosed_string_starts
            .iter()
            .take_while(|start| **start < end)
            .count();
        self.unclosed_string_starts = self.unclosed_string_starts.get(count..).unwrap_or_default();
        count > 0
    }

    /// Returns the run of tokens, starting at `at`, in which every token is valid in its position and needs no special
    /// handling. Most formulas consist entirely of these tokens. Also pushes and pops their brackets.
    fn take_valid_tokens(&mut self, at: usize) -> &'t [(Token, Span)] {
        use Token::{
            Ampersand, Caret, Cell, Close, CloseSquare, ColonEqual, Comma, Dot, Equal, Greater, GreaterEqual, Less,
            LessEqual, Minus, Model, Name, NotEqual, Number, Open, Plus, Slash, Star, Text,
        };
        let rest = self.tokens.get(at..).unwrap_or_default();
        let mut before = self.layout.tokens.last().map_or(Token::Start, |t| t.0);
        for (index, (token, _)) in rest.iter().enumerate() {
            let ordinary = match *token {
                Number | Text => !ends_operand(before),
                Model | Cell | Comma | Plus | Minus | Slash | Caret | Ampersand | Equal | NotEqual | Less
                | LessEqual | Greater | GreaterEqual => true,
                Name => {
                    let next = rest.get(index + 1).map_or(Token::End, |t| t.0);
                    let is_next_to_operand =
                        before == Dot || ends_operand(before) || begins_operand(next) && next != Open;
                    !(is_next_to_operand || matches!(next, Equal | ColonEqual))
                }
                Star => !self.is_sole_argument(at + index),
                Open if self.open_brackets.len() < self.limits.nesting => {
                    self.open_brackets.push((at + index) as u32);
                    true
                }
                Close | CloseSquare => self.pop_if_closed(*token),
                _ => false,
            };
            if !ordinary {
                return rest.get(..index).unwrap_or_default();
            }
            before = *token;
        }
        rest
    }

    /// Pops the innermost open bracket if the token closes it.
    fn pop_if_closed(&mut self, token: Token) -> bool {
        let opening = self
            .open_brackets
            .last()
            .and_then(|at| self.tokens.get(*at as usize))
            .map(|t| t.0);
        let closes = opening
            == Some(if token == Token::Close {
                Token::Open
            } else {
                Token::OpenSquare
            });
        if closes {
            self.open_brackets.pop();
        }
        closes
    }

    pub(super) fn push(&mut self, token: Token, span: Span) {
        self.layout.tokens.push((token, span));
    }

    /// Returns `true` if a definition begins at the token. A definition inside brackets is possible only if the
    /// innermost bracket is never closed.
    pub(super) fn starts_definition(&mut self, at: usize) -> bool {
        if !self.is_definition(at) {
            return false;
        }
        let Some(innermost) = self.open_brackets.last().copied() else {
            return true;
        };
        // A name cannot follow an operand, so it begins a definition even if a later line closes the bracket.
        let before = at.saturating_sub(1);
        if self.token_at(before).is_some_and(ends_operand)
            && !self.is_any_keyword(before, &super::operands::OPERAND_BOUNDARY_KEYWORDS)
        {
            return true;
        }
        let tokens = self.tokens;
        let closed = self.closed.get_or_insert_with(|| matched_brackets(tokens));
        !closed
            .get((innermost & !HIDDEN_BRACKET_FLAG) as usize)
            .copied()
            .unwrap_or(false)
    }
}
