//! Parser for well-formed formulas: a loop with a stack of open levels.
//!
//! `formula.lalrpop` defines the grammar. The generated parser recovers from errors and explains them, but is three
//! times as slow because of its tables. This parser accepts all error-free source text that the generated parser
//! accepts, and gives up at the first unexpected token. The generated parser then parses the text from the start. Tests
//! check that both parsers agree.

use super::builder::{Arguments, AstBuilder, Chain, PendingList};
use super::terminal::{Terminal, TerminalKind};
use formulac_syntax::ast::{BinaryOp, ExprId};
use formulac_syntax::lex::{self, DefinitionHead, LayoutMode, LayoutPart, Token};
use formulac_syntax::span::Span;

/// Maximum number of dots in a field such as `events.device.category`.
const MAX_DOTS: u32 = 3;
/// Maximum number of dots in the name of a function such as `NORM.S.DIST`.
const MAX_FUNCTION_DOTS: u32 = 2;

/// Construct that contains the operand and is still open.
#[derive(Clone, Copy, Debug)]
enum Opener {
    Formula,
    Bracket {
        l: u32,
    },
    /// Call, whose name is at `l..m`.
    Call {
        l: u32,
        m: u32,
    },
    /// Sign. Like `Tab`, it ends after one operand.
    Sign {
        terminal: Terminal,
        l: u32,
    },
    Tab {
        l: u32,
        m: u32,
    },
}

/// Element to the left of the next operand.
#[derive(Clone, Copy, Debug)]
enum PrecedingElement {
    Nothing,
    Operator(Chain, BinaryOp, u32),
    Colon(Chain),
}

/// Nesting level: one per open bracket, call or prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct BracketLevel {
    opener: Opener,
    before: PrecedingElement,
    /// Arguments before the last comma, if any.
    args: Option<PendingList>,
}

impl BracketLevel {
    #[inline]
    fn new(opener: Opener) -> Self {
        Self {
            opener,
            before: PrecedingElement::Nothing,
            args: None,
        }
    }

    /// Returns `true` if a sign may come next. A sign cannot precede the right end of a range or the reference after a
    /// tab.
    fn takes_sign(&self) -> bool {
        !matches!(self.opener, Opener::Tab { .. }) && !matches!(self.before, PrecedingElement::Colon(_))
    }

    /// Returns `true` if the next argument has no tokens yet and may therefore be empty.
    fn awaits_argument(&self) -> bool {
        matches!(self.opener, Opener::Call { .. }) && matches!(self.before, PrecedingElement::Nothing)
    }
}

struct WellFormedReader<'p, 'b, 's> {
    /// All tokens of the part.
    tokens: &'p [(Token, Span)],
    unread: std::slice::Iter<'p, (Token, Span)>,
    part: LayoutPart,
    /// Whether the part consists of one formula, in which `=` is a comparison.
    is_single_formula: bool,
    /// Maximum number of open brackets.
    nesting: usize,
    open_brackets: usize,
    builder: &'b mut AstBuilder<'s>,
    level: BracketLevel,
    /// Levels outside the current level.
    outer: &'b mut Vec<BracketLevel>,
}

/// Parses one part of a source from the lexer's tokens, which the layout pass would not change. Returns `None` if the
/// part has an error. The caller must then discard the tree.
pub(super) fn parse(
    builder: &mut AstBuilder<'_>,
    tokens: &[(Token, Span)],
    part: LayoutPart,
    nesting: usize,
    outer: &mut Vec<BracketLevel>,
) -> Option<()> {
    outer.clear();
    let mut reader = WellFormedReader {
        tokens,
        unread: tokens.iter(),
        part,
        is_single_formula: part.mode == LayoutMode::Formula,
        nesting,
        open_brackets: 0,
        builder,
        level: BracketLevel::new(Opener::Formula),
        outer,
    };
    reader.is_single_formula |= reader.take(Token::Equal).is_some();
    if reader.is_single_formula || !reader.begins_definition() {
        reader.parse_formula(part.name)?;
        return reader.unread.as_slice().is_empty().then_some(());
    }
    while let Some((Token::Name, name)) = reader.next() {
        reader.take(Token::Equal)?;
        reader.parse_formula(Some(name))?;
    }
    Some(())
}

impl WellFormedReader<'_, '_, '_> {
    #[inline]
    fn next(&mut self) -> Option<(Token, Span)> {
        self.unread.next().copied()
    }

    /// Consumes the next token if it has this kind.
    #[inline]
    fn take(&mut self, token: Token) -> Option<Span> {
        let (next_token, span) = self.unread.as_slice().first()?;
        (*next_token == token).then(|| {
            self.unread.next();
            *span
        })
    }

    /// Returns whether the next tokens begin a definition.
    fn begins_definition(&self) -> bool {
        matches!(self.unread.as_slice(), [(Token::Name, name), (Token::Equal, _), ..]
            if !self.is_single_formula && lex::is_first_on_line(self.builder.source, name.start))
    }

    /// Returns the token before the next `count` tokens.
    fn token_before(&self, count: usize) -> Option<(Token, Span)> {
        let position = self.tokens.len() - self.unread.len();
        self.tokens.get(position.checked_sub(count + 1)?).copied()
    }

    /// Adds a formula that ends before the next token.
    fn add_formula(&mut self, name: Option<Span>, first: Span, body: ExprId) -> Option<()> {
        let (_, last) = self.token_before(0)?;
        let head = DefinitionHead {
            name,
            span: Span::new(first.start, last.end.max(first.end)),
            too_deep: false,
            broken: false,
            hides_errors: false,
            part: self.part.index,
        };
        self.builder.add_definition(head, body);
        Some(())
    }

    fn parse_formula(&mut self, name: Option<Span>) -> Option<()> {
        let first = name.or_else(|| self.unread.as_slice().first().map(|(_, span)| *span))?;
        self.level = BracketLevel::new(Opener::Formula);
        loop {
            let Some(mut operand) = self.parse_operand()? else {
                continue;
            };
            // Each iteration closes one level. The value of the level is an operand of the next outer level.
            loop {
                operand = match self.level.opener {
                    Opener::Sign { terminal, l } => self.builder.add_sign(terminal, l, operand),
                    Opener::Tab { l, m } => self.builder.tab(l, m, operand),
                    Opener::Formula | Opener::Bracket { .. } | Opener::Call { .. } => {
                        let chain = match self.level.before {
                            PrecedingElement::Nothing => self.builder.begin(operand),
                            PrecedingElement::Operator(chain, op, l) => self.builder.extend(chain, op, l, operand),
                            PrecedingElement::Colon(chain) => self.builder.range(chain, operand),
                        };
                        match self.parse_after_operand(chain, name.is_some())? {
                            NextStep::Operand => break,
                            NextStep::Formula(body) => return self.add_formula(name, first, body),
                            NextStep::Closed(value) => value,
                        }
                    }
                };
                self.level = self.outer.pop()?;
            }
        }
    }

    #[inline]
    fn open_level(&mut self, opener: Opener) {
        self.outer.push(self.level);
        self.level = BracketLevel::new(opener);
    }

    /// Opens a level in brackets. Returns `None` if the brackets are nested too deeply.
    #[inline]
    fn open_brackets(&mut self, opener: Opener) -> Option<()> {
        self.open_brackets += 1;
        self.open_level(opener);
        (self.open_brackets <= self.nesting).then_some(())
    }

    /// Parses an operand of one or three tokens, or opens a new level.
    #[inline]
    fn parse_operand(&mut self) -> Option<Option<ExprId>> {
        let unread = self.unread.clone();
        let (token, Span { start: l, end: r }) = self.next()?;
        Some(Some(match token {
            Token::Name => {
                let (mut m, mut dots) = (r, 0);
                while dots < MAX_DOTS && self.take(Token::Dot).is_some() {
                    m = self.take(Token::Name)?.end;
                    dots += 1;
                }
                if self.take(Token::Open).is_some() {
                    if dots > MAX_FUNCTION_DOTS {
                        return None;
                    }
                    if let Some(Span { start: c, end: r }) = self.take(Token::Close) {
                        if self.open_brackets >= self.nesting {
                            return None;
                        }
                        return Some(Some(self.builder.call(l, m, Arguments::None, c, r)));
                    }
                    self.open_brackets(Opener::Call { l, m })?;
                    return Some(None);
                }
                // Outside of brackets, a name before `=` at the beginning of a line begins a definition.
                if matches!(self.unread.as_slice(), [(Token::Equal, _), ..]) && self.open_brackets == 0 && dots == 0 {
                    let after_name = std::mem::replace(&mut self.unread, unread);
                    if self.begins_definition() {
                        return None;
                    }
                    self.unread = after_name;
                }
                if dots > 0 {
                    self.builder.field(l, m)
                } else {
                    self.builder.name(l, m)
                }
            }
            Token::Number => self.builder.number(l, r),
            Token::Text => self.builder.text(l, r),
            Token::Model => self.builder.model(l, r),
            Token::Cell => self.builder.cell(l, r),
            Token::Open => {
                self.open_brackets(Opener::Bracket { l })?;
                return Some(None);
            }
            Token::Plus | Token::Minus if self.level.takes_sign() => {
                self.open_level(Opener::Sign {
                    terminal: Terminal::from_token(token),
                    l,
                });
                return Some(None);
            }
            Token::Tab => {
                self.take(Token::Bang)?;
                self.open_level(Opener::Tab { l, m: r });
                return Some(None);
            }
            Token::Comma | Token::Close if self.level.awaits_argument() => {
                self.unread = unread;
                self.builder.blank(l)
            }
            _ => return None,
        }))
    }

    /// Parses the tokens after an operand, up to the next operand or the end of the level.
    #[inline]
    fn parse_after_operand(&mut self, mut chain: Chain, is_named: bool) -> Option<NextStep> {
        loop {
            let at_end = self.unread.as_slice().is_empty() || self.begins_definition();
            if at_end {
                let Opener::Formula = self.level.opener else {
                    return None;
                };
                return Some(NextStep::Formula(self.builder.finish(chain)));
            }
            let (token, Span { start: l, end: r }) = self.next()?;
            let terminal = Terminal::from_token(token);
            match terminal.kind {
                TerminalKind::Infix | TerminalKind::Sign => {
                    // The text before this `=` may be a name that is not an identifier, such as `my-metric = 1`.
                    if token == Token::Equal && self.open_brackets == 0 && !is_named && !self.is_single_formula {
                        return None;
                    }
                    self.level.before = PrecedingElement::Operator(chain, terminal.operator(), l);
                    return Some(NextStep::Operand);
                }
                TerminalKind::Colon => {
                    self.level.before = PrecedingElement::Colon(chain);
                    return Some(NextStep::Operand);
                }
                TerminalKind::Percent => chain = self.builder.percent(chain, r),
                TerminalKind::OpenSquare => {
                    // In other places, square brackets enclose a reference of another language.
                    let takes_timeframe = matches!(
                        self.token_before(1)?.0,
                        Token::Name | Token::Model | Token::Close | Token::CloseSquare | Token::Cell
                    );
                    if !takes_timeframe || self.open_brackets >= self.nesting {
                        return None;
                    }
                    let frame = self.take(Token::Name)?;
                    let r = self.take(Token::CloseSquare)?.end;
                    chain = self.builder.timeframe(chain, frame.start, frame.end, r);
                }
                TerminalKind::Comma => {
                    let Opener::Call { .. } = self.level.opener else {
                        return None;
                    };
                    let value = self.builder.finish(chain);
                    self.level.args = Some(match self.level.args {
                        None => self.builder.first_arg(value),
                        Some(list) => self.builder.push_call_argument(list, value),
                    });
                    self.level.before = PrecedingElement::Nothing;
                    return Some(NextStep::Operand);
                }
                TerminalKind::Close => {
                    let value = self.builder.finish(chain);
                    self.open_brackets = self.open_brackets.checked_sub(1)?;
                    return Some(NextStep::Closed(match self.level.opener {
                        Opener::Bracket { l } => self.builder.record_brackets(l, value, r),
                        Opener::Call { l: name, m } => {
                            let args = match self.level.args {
                                None => Arguments::One(value),
                                Some(list) => Arguments::Several(self.builder.push_call_argument(list, value)),
                            };
                            self.builder.call(name, m, args, l, r)
                        }
                        _ => return None,
                    }));
                }
                _ => return None,
            }
        }
    }
}

/// Next step after an operand and its operators.
enum NextStep {
    Operand,
    /// The formula ends and has this value.
    Formula(ExprId),
    /// The level is closed and has this value.
    Closed(ExprId),
}
