//! Terminal symbols of the grammar.

use formulac_syntax::ast::BinaryOp;
use formulac_syntax::lex::Token;

/// Token and its column in the parser's tables.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    pub kind: TerminalKind,
    pub token: Token,
}

/// Terminal kind. All infix operators share one terminal, except `+` and `-`, which share another terminal because they
/// can also be signs. Only the builder distinguishes the operators. Separate grammar rules would cost one reduction per
/// operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminalKind {
    Start,
    End,
    Name,
    Number,
    Text,
    Model,
    Cell,
    Tab,
    Infix,
    Sign,
    /// Operators from other languages: `==` and `!=`.
    ForeignOperator,
    Percent,
    Open,
    Close,
    OpenSquare,
    CloseSquare,
    Comma,
    Colon,
    Bang,
    Dot,
    Hash,
    Odd,
    Fault,
    Last,
    /// Token that does not occur in any rule. The layout pass never emits such a token.
    Other,
}

/// Terminal kinds by token. A table lookup needs a single load, whereas a `match` needs comparisons.
const KINDS: [TerminalKind; 256] = {
    let known = [
        (Token::Start, TerminalKind::Start),
        (Token::End, TerminalKind::End),
        (Token::Name, TerminalKind::Name),
        (Token::Number, TerminalKind::Number),
        (Token::Text, TerminalKind::Text),
        (Token::Model, TerminalKind::Model),
        (Token::Cell, TerminalKind::Cell),
        (Token::Tab, TerminalKind::Tab),
        (Token::Plus, TerminalKind::Sign),
        (Token::Minus, TerminalKind::Sign),
        (Token::Star, TerminalKind::Infix),
        (Token::Slash, TerminalKind::Infix),
        (Token::Caret, TerminalKind::Infix),
        (Token::Ampersand, TerminalKind::Infix),
        (Token::Equal, TerminalKind::Infix),
        (Token::NotEqual, TerminalKind::Infix),
        (Token::Less, TerminalKind::Infix),
        (Token::LessEqual, TerminalKind::Infix),
        (Token::Greater, TerminalKind::Infix),
        (Token::GreaterEqual, TerminalKind::Infix),
        (Token::DoubleEqual, TerminalKind::ForeignOperator),
        (Token::BangEqual, TerminalKind::ForeignOperator),
        (Token::Percent, TerminalKind::Percent),
        (Token::Open, TerminalKind::Open),
        (Token::Close, TerminalKind::Close),
        (Token::OpenSquare, TerminalKind::OpenSquare),
        (Token::CloseSquare, TerminalKind::CloseSquare),
        (Token::Comma, TerminalKind::Comma),
        (Token::Colon, TerminalKind::Colon),
        (Token::Bang, TerminalKind::Bang),
        (Token::Dot, TerminalKind::Dot),
        (Token::Hash, TerminalKind::Hash),
        (Token::Odd, TerminalKind::Odd),
        (Token::Fault, TerminalKind::Fault),
        (Token::Last, TerminalKind::Last),
    ];
    let mut kinds = [TerminalKind::Other; 256];
    let mut at = 0;
    while at < known.len() {
        let (token, kind) = known[at];
        kinds[token as usize] = kind;
        at += 1;
    }
    kinds
};

impl Terminal {
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the table has an entry for each value of a byte")]
    pub fn from_token(token: Token) -> Self {
        Self {
            kind: KINDS[token as usize],
            token,
        }
    }

    /// Returns the operator that the token represents between two operands.
    #[inline]
    pub fn operator(self) -> BinaryOp {
        match self.token {
            Token::Plus => BinaryOp::Add,
            Token::Minus => BinaryOp::Subtract,
            Token::Star => BinaryOp::Multiply,
            Token::Slash => BinaryOp::Divide,
            Token::Caret => BinaryOp::Power,
            Token::Ampersand => BinaryOp::Concat,
            Token::NotEqual | Token::BangEqual => BinaryOp::NotEqual,
            Token::Less => BinaryOp::Less,
            Token::LessEqual => BinaryOp::LessEqual,
            Token::Greater => BinaryOp::Greater,
            Token::GreaterEqual => BinaryOp::GreaterEqual,
            _ => BinaryOp::Equal,
        }
    }
}
