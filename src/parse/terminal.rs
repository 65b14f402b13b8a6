//! Tokens as the grammar tells them apart.

use crate::ast::BinaryOp;
use crate::lex::Token;

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
    /// In no rule; the layout pass lets none through.
    Other,
}

impl Terminal {
    #[inline]
    pub fn of(token: Token) -> Self {
        let kind = match token {
            Token::Start => Kind::Start,
            Token::End => Kind::End,
            Token::Name => Kind::Name,
            Token::Number => Kind::Number,
            Token::Text => Kind::Text,
            Token::Model => Kind::Model,
            Token::Cell => Kind::Cell,
            Token::Tab => Kind::Tab,
            Token::Plus | Token::Minus => Kind::Sign,
            Token::Star
            | Token::Slash
            | Token::Caret
            | Token::Ampersand
            | Token::Equal
            | Token::NotEqual
            | Token::Less
            | Token::LessEqual
            | Token::Greater
            | Token::GreaterEqual => Kind::Infix,
            Token::DoubleEqual | Token::BangEqual => Kind::Misspelt,
            Token::Percent => Kind::Percent,
            Token::Open => Kind::Open,
            Token::Close => Kind::Close,
            Token::OpenSquare => Kind::OpenSquare,
            Token::CloseSquare => Kind::CloseSquare,
            Token::Comma => Kind::Comma,
            Token::Colon => Kind::Colon,
            Token::Bang => Kind::Bang,
            Token::Dot => Kind::Dot,
            Token::Hash => Kind::Hash,
            Token::Odd => Kind::Odd,
            Token::Fault => Kind::Fault,
            _ => Kind::Other,
        };
        Self { kind, token }
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
