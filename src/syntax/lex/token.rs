//! Tokens of the formula language.

use logos::Logos;

/// Token. Its text is the source text at its span.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip(r"[ \t\r\n\u{a0}\u{feff}\u{2000}-\u{200a}\u{202f}\u{3000}]+"))]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum Token {
    /// Name. If a non-ASCII letter follows, the lexer extends the name.
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Name,
    #[regex(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")]
    #[regex(r"\.[0-9]+([eE][+-]?[0-9]+)?")]
    Number,
    /// Text, `"text"`. The lexer finds the end of the text, starting from the first quote.
    Text,
    /// Reference, `${view.field[timeframe]:total}`. The lexer finds the end of the reference, starting from `${`.
    Model,
    /// Cell reference with a `$`. The lexer recognizes `A$1` when it reaches the `$`. A cell without `$` is treated as
    /// a name until name resolution.
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
    #[token("=>")]
    EqualGreater,
    #[token("=<")]
    EqualLess,
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
    /// Reported syntax that cannot occur in a formula. After the layout pass, this token occurs only between two
    /// expressions.
    Odd,
    /// Operand whose error has already been reported.
    Fault,
    /// Start of a formula or definition, inserted by the layout pass. Its span is the name of the definition.
    Start,
    /// End of a formula or definition, inserted by the layout pass.
    End,
    /// End of the text, inserted for the parser.
    Last,
    // The lexer examines all following tokens again, and may report them.
    /// First quote of a string.
    #[token("\"")]
    UnclosedText,
    /// Start of a reference.
    #[token("${")]
    UnclosedModel,
    /// Name of a tab in single quotes, `'tab'`.
    #[regex(r"'([^'\n]|'')*'")]
    Tab,
    #[regex(r"'([^'\n]|'')*", priority = 1)]
    UnclosedTab,
    /// Curly quotation mark that a word processor inserted in place of `"` or `'`.
    #[regex("[\u{201c}\u{201d}\u{201e}\u{201f}\u{ab}\u{bb}\u{2018}-\u{201b}\u{b4}\u{2032}\u{2033}]")]
    CurlyQuote,
    /// Number whose thousands are separated by apostrophes, such as `1'000`.
    #[regex("[0-9]{1,3}(['\u{2019}][0-9]{3})+(\\.[0-9]+)?")]
    NumberWithApostrophes,
    /// Name in backticks, as in some SQL dialects.
    #[regex(r"`[^`\n]*`")]
    Backtick,
    /// `--`: two signs, or the start of an SQL comment.
    #[token("--")]
    DoubleMinus,
    /// `/*`, the start of a block comment in other languages.
    #[token("/*")]
    BlockComment,
    #[token("#")]
    Hash,
    /// `$` that neither belongs to a reference nor precedes a column.
    #[token("$")]
    Dollar,
    /// Any other non-ASCII character.
    #[regex(r"[\u{80}-\u{10ffff}]", priority = 1)]
    NonAscii,
}

impl Token {
    /// Returns `true` if the lexer accepts the token without examining it again.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        (self as u8) < Self::UnclosedText as u8
    }

    /// Returns the name that messages use for the token.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Name => "a name",
            Self::Number | Self::NumberWithApostrophes => "a number",
            Self::Text | Self::UnclosedText | Self::CurlyQuote => "a string",
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
