//! The tokens of the formula language.

use logos::Logos;

/// One token; its text is the source at its span.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip(r"[ \t\r\n\u{a0}\u{feff}\u{2000}-\u{200a}\u{202f}\u{3000}]+"))]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
#[allow(missing_docs)]
pub enum Token {
    /// The lexer goes on where a letter follows that is not of ASCII.
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Name,
    #[regex(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")]
    #[regex(r"\.[0-9]+([eE][+-]?[0-9]+)?")]
    Number,
    /// `"text"`; found by the lexer from its first quote.
    Text,
    /// `${view.field[timeframe]:total}`; found by the lexer from its beginning.
    Model,
    /// A cell with a `$` in it, `A$1` found by the lexer from its `$`; a cell without one is a name until it is resolved.
    #[regex(r"\$[A-Za-z]{1,3}(\$?[0-9]+)?")]
    Cell,
    #[token("||")]
    DoublePipe,
    #[token("**")]
    DoubleStar,
    #[token("&&")]
    DoubleAmpersand,
    #[token("::")]
    DoubleColon,
    #[token(":=")]
    ColonEqual,
    #[token("+")]
    Plus,
    #[token("-")]
    #[token("\u{2212}")]
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
    #[token("==")]
    DoubleEqual,
    #[token("<>")]
    NotEqual,
    #[token("!=")]
    BangEqual,
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
    #[token(";")]
    Semicolon,
    #[token("{")]
    OpenBrace,
    #[token("}")]
    CloseBrace,
    /// Something reported that no formula holds; in the layout, what stands between two expressions.
    Odd,
    /// An operand that is reported already.
    Fault,
    /// Begins a formula or a definition; put in by the layout pass, its span is the definition's name.
    Start,
    /// Ends a formula or a definition; put in by the layout pass.
    End,
    /// Ends the text; put in for the parser.
    Last,
    // From here on what the lexer looks at again, and may report.
    /// The first quote of a text.
    #[token("\"")]
    UnclosedText,
    /// The beginning of a reference.
    #[token("${")]
    UnclosedModel,
    /// `'tab'`.
    #[regex(r"'([^'\n]|'')*'")]
    Tab,
    #[regex(r"'([^'\n]|'')*", priority = 1)]
    UnclosedTab,
    /// A quotation mark that a word processor has put in place of `"`.
    #[regex("[\u{201c}\u{201d}\u{201e}\u{201f}\u{ab}\u{bb}]")]
    CurlyQuote,
    /// A name in backticks, as some kinds of SQL write it.
    #[regex(r"`[^`\n]*`")]
    Backtick,
    /// `--`: two signs, or what SQL begins a comment with.
    #[token("--")]
    DoubleMinus,
    /// `/*`.
    #[token("/*")]
    BlockComment,
    #[token("#")]
    Hash,
    /// Not in a reference, nor before a column.
    #[token("$")]
    Dollar,
    /// Any other character that is not of ASCII.
    #[regex(r"[\u{80}-\u{10ffff}]", priority = 1)]
    NonAscii,
}

impl Token {
    /// Whether the lexer takes it as it is.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        (self as u8) < Self::UnclosedText as u8
    }

    /// How messages name it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Name => "a name",
            Self::Number => "a number",
            Self::Text | Self::UnclosedText | Self::CurlyQuote => "a text",
            Self::Model | Self::UnclosedModel => "a reference",
            Self::Cell => "a cell",
            Self::Tab | Self::UnclosedTab => "a tab name",
            Self::Open => "`(`",
            Self::Close => "`)`",
            Self::Comma => "`,`",
            Self::Start | Self::End | Self::Last => "the end of the formula",
            _ => "an operator",
        }
    }
}
