//! Tokens as the grammar tells them apart.

use formulac_syntax::ast::BinaryOp;
use formulac_syntax::lex::Token;

/// A token with the column of the parser's tables that it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    pub kind: Kind,
    pub token: Token,
}

/// All operators between operands are one terminal, and the two that are also signs another: what they are matters to
/// the builder only, and a rule for each would be a reduction for each operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
    /// `==` and `!=`.
    Misspelt,
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
    /// In no rule; the layout pass lets none through.
    Other,
}

/// By token: one load, where a `match` compares first.
const KINDS: [Kind; 256] = {
    let known = [
        (Token::Start, Kind::Start),
        (Token::End, Kind::End),
        (Token::Name, Kind::Name),
        (Token::Number, Kind::Number),
        (Token::Text, Kind::Text),
        (Token::Model, Kind::Model),
        (Token::Cell, Kind::Cell),
        (Token::Tab, Kind::Tab),
        (Token::Plus, Kind::Sign),
        (Token::Minus, Kind::Sign),
        (Token::Star, Kind::Infix),
        (Token::Slash, Kind::Infix),
        (Token::Caret, Kind::Infix),
        (Token::Ampersand, Kind::Infix),
        (Token::Equal, Kind::Infix),
        (Token::NotEqual, Kind::Infix),
        (Token::Less, Kind::Infix),
        (Token::LessEqual, Kind::Infix),
        (Token::Greater, Kind::Infix),
        (Token::GreaterEqual, Kind::Infix),
        (Token::DoubleEqual, Kind::Misspelt),
        (Token::BangEqual, Kind::Misspelt),
        (Token::Percent, Kind::Percent),
        (Token::Open, Kind::Open),
        (Token::Close, Kind::Close),
        (Token::OpenSquare, Kind::OpenSquare),
        (Token::CloseSquare, Kind::CloseSquare),
        (Token::Comma, Kind::Comma),
        (Token::Colon, Kind::Colon),
        (Token::Bang, Kind::Bang),
        (Token::Dot, Kind::Dot),
        (Token::Hash, Kind::Hash),
        (Token::Odd, Kind::Odd),
        (Token::Fault, Kind::Fault),
        (Token::Last, Kind::Last),
    ];
    let mut kinds = [Kind::Other; 256];
    let mut at = 0;
    while at < known.len() {
        kinds[known[at].0 as usize] = known[at].1;
        at += 1;
    }
    kinds
};

impl Terminal {
    #[inline]
    pub fn of(token: Token) -> Self {
        Self { kind: KINDS[token as usize], token }
    }

    /// The operator that it stands for between two operands.
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
