//! Baseline for ratios: a plain logos lexer that scans a string and drops the tokens.
//!
//! The compiler's own lexer is not used, so that changes to it do not change the baseline.

use logos::Logos;

#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip(r"[ \t\r\n]+"))]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
enum Plain {
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Name,
    #[regex(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")]
    Number,
    #[regex(r#""([^"]|"")*""#)]
    Text,
    #[regex(r"\$\{[^}\n]*\}")]
    Reference,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("^")]
    Caret,
    #[token("%")]
    Percent,
    #[token("&")]
    Ampersand,
    #[token("=")]
    Equal,
    #[token("<>")]
    NotEqual,
    #[token("<")]
    Less,
    #[token("<=")]
    LessEqual,
    #[token(">")]
    Greater,
    #[token(">=")]
    GreaterEqual,
    #[token("(")]
    Open,
    #[token(")")]
    Close,
    #[token("[")]
    OpenSquare,
    #[token("]")]
    CloseSquare,
    #[token(",")]
    Comma,
    #[token(":")]
    Colon,
    #[token("!")]
    Bang,
    #[token(".")]
    Dot,
}

/// Scans a string and returns the number of tokens.
pub fn walk(text: &str) -> usize {
    let mut count = 0;
    for token in Plain::lexer(text) {
        std::hint::black_box(token.is_ok());
        count += 1;
    }
    count
}
