//! Parser for well-formed formulas: a loop with a stack of open levels.
//!
//! `formula.lalrpop` defines the grammar. The generated parser recovers from errors and explains them, but is three
//! times as slow because of its tables. This parser accepts every error-free text that the generated parser accepts,
//! and gives up at the first unexpected token. The generated parser then parses the text from the start. Tests check
//! that both parsers agree.

use super::builder::{Arguments, AstBuilder, Chain, PendingList};
use super::terminal::{Terminal, TerminalKind};
use formulac_syntax::ast::{BinaryOp, ExprId};
use formulac_syntax::lex::Token;
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
    tokens: std::slice::Iter<'p, (Token, Span)>,
    builder: &'b mut AstBuilder<'s>,
    level: BracketLevel,
    /// Levels outside the current level.
    outer: &'b mut Vec<BracketLevel>,
}

/// Parses all formulas in the tokens, which end with [`Token::Last`]. Returns `None` if the text has an error. The
/// caller must then discard the tree.
pub(super) fn parse(
    builder: &mut AstBuilder<'_>,
    tokens: &[(Token, Span)],
    outer: &mut Vec<BracketLevel>,
) -> Option<()> {
    outer.clear();
    let level = BracketLevel::new(Opener::Formula);
    let mut reader = WellFormedReader {
        tokens: tokens.iter(),
        builder,
        level,
        outer,
    };
    loop {
        match reader.next()? {
            (Token::Start, _) => reader.parse_formula()?,
            (Token::Last, _) => return Some(()),
            _ => return None,
        }
    }
}

impl WellFormedReader<'_, '_, '_> {
    #[inline]
    fn next(&mut self) -> Option<(Token, Span)> {
        self.tokens.next().copied()
    }

    /// Consumes the next token if it has this kind.
    #[inline]
    fn take(&mut self, token: Token) -> Option<Span> {
        let (next_token, span) = self.tokens.as_slice().first()?;
        (*next_token == token).then(|| {
            self.tokens.next();
            *span
        })
    }

    fn parse_formula(&mut self) -> Option<()> {
        if self.take(Token::End).is_some() {
            self.builder.empty_formula();
            return Some(());
        }
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
                        match self.parse_after_operand(chain)? {
                            NextStep::Operand => break,
                            NextStep::Formula => return Some(()),
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

    /// Parses an operand of one or three tokens, or opens a new level.
    #[inline]
    fn parse_operand(&mut self) -> Option<Option<ExprId>> {
        let unread = self.tokens.clone();
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
                        return Some(Some(self.builder.call(l, m, Arguments::None, c, r)));
                    }
                    self.open_level(Opener::Call { l, m });
                    return Some(None);
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
            Token::Fault => self.builder.add_error(l, r),
            Token::Open => {
                self.open_level(Opener::Bracket { l });
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
                self.tokens = unread;
                self.builder.blank(l)
            }
            _ => return None,
        }))
    }

    /// Parses the tokens after an operand, up to the next operand or the end of the level.
    #[inline]
    fn parse_after_operand(&mut self, mut chain: Chain) -> Option<NextStep> {
        loop {
            let (token, Span { start: l, end: r }) = self.next()?;
            let terminal = Terminal::from_token(token);
            match terminal.kind {
                TerminalKind::Infix | TerminalKind::Sign => {
                    self.level.before = PrecedingElement::Operator(chain, terminal.operator(), l);
                    return Some(NextStep::Operand);
                }
                TerminalKind::ForeignOperator => {
                    let op = self.builder.report_misspelled_operator(terminal, l, r);
                    self.level.before = PrecedingElement::Operator(chain, op, l);
                    return Some(NextStep::Operand);
                }
                TerminalKind::Colon => {
                    self.level.before = PrecedingElement::Colon(chain);
                    return Some(NextStep::Operand);
                }
                TerminalKind::Percent => chain = self.builder.percent(chain, r),
                TerminalKind::OpenSquare => {
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
                TerminalKind::End => {
                    let Opener::Formula = self.level.opener else {
                        return None;
                    };
                    let body = self.builder.finish(chain);
                    self.builder.formula(body);
                    return Some(NextStep::Formula);
                }
                _ => return None,
            }
        }
    }
}

/// Next step after an operand and its operators.
enum NextStep {
    Operand,
    Formula,
    /// The level is closed and has this value.
    Closed(ExprId),
}
