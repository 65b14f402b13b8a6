//! Tokens of SQL with Jinja. Layout, comments and trailing commas are not tokens.

use std::borrow::Cow;

use formulac_syntax::text::is_word_char;

use crate::dialect::Dialect;
use crate::{has_jinja, jinja_parts, normalized_jinja};

/// Kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlTokenKind {
    /// Keyword or unquoted name.
    Word,
    /// Quoted name.
    Quoted,
    /// String literal, including a prefix before the quote.
    Text,
    /// Number literal.
    Number,
    /// Operator or punctuation.
    Sign,
    /// Jinja: `{{ … }}` or `{% … %}`.
    Jinja,
    /// Comment that changes the query: an optimizer hint, or a comment with Jinja, which dbt renders. Also the rest of
    /// the source, from the first comment that does not end at the same position in every engine.
    Hint,
}

/// Token, with its byte range in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlToken {
    /// Kind of token.
    pub kind: SqlTokenKind,
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

impl SqlToken {
    /// Returns the text of the token in `source`.
    pub fn text(self, source: &str) -> &str {
        source.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns a normalized string, which is equal for equivalent tokens. Words are in lower case, and Jinja has no
    /// unnecessary whitespace.
    pub fn comparison_key(self, source: &str) -> Cow<'_, str> {
        let text = self.text(source);
        match self.kind {
            SqlTokenKind::Word if text.bytes().any(|b| b.is_ascii_uppercase()) => Cow::Owned(text.to_ascii_lowercase()),
            SqlTokenKind::Jinja => Cow::Owned(normalized_jinja(text)),
            SqlTokenKind::Sign if text == "!=" => Cow::Borrowed("<>"),
            SqlTokenKind::Number if text.bytes().any(|b| b == b'E') => Cow::Owned(text.to_ascii_lowercase()),
            _ => Cow::Borrowed(text),
        }
    }
}

/// Operators of several characters. Longer operators come first.
const MULTI_CHAR_OPERATORS: [&str; 18] = [
    "!~*", "#>>", "->>", "<=>", "<>", "!=", "<=", ">=", "||", "::", "->", "#>", "~*", "!~", "<<", ">>", "=>", "//",
];

/// Splits SQL into tokens. A comma after the last item of a list is not a token.
pub fn tokens(source: &str, dialect: Dialect) -> Vec<SqlToken> {
    tokenize_with_unclosed(source, dialect).0
}

/// Splits SQL into tokens, and returns the offset of the first quote, comment or Jinja tag that is never closed.
pub(crate) fn tokenize_with_unclosed(source: &str, dialect: Dialect) -> (Vec<SqlToken>, Option<usize>) {
    let mut lexer = Lexer {
        source,
        at: 0,
        dialect,
        unclosed: None,
    };
    let mut tokens: Vec<SqlToken> = Vec::with_capacity(source.len() / 5);
    let is_comma = |token: &mut SqlToken| token.kind == SqlTokenKind::Sign && token.text(source) == ",";
    while let Some(token) = lexer.next() {
        if can_follow_trailing_comma(token, source) {
            tokens.pop_if(is_comma);
        }
        tokens.push(token);
    }
    tokens.pop_if(is_comma);
    (tokens, lexer.unclosed)
}

/// Replaces tokens of SQL. `with` receives all tokens and the index of one token, and returns the text that replaces
/// this token.
pub fn replace_tokens(source: &str, dialect: Dialect, with: impl Fn(&[SqlToken], usize) -> Option<String>) -> String {
    let sql_tokens = tokens(source, dialect);
    let mut out = String::with_capacity(source.len());
    let mut copied_end = 0;
    for (token_index, token) in sql_tokens.iter().enumerate() {
        if let Some(text) = with(&sql_tokens, token_index) {
            out.push_str(source.get(copied_end..token.start).unwrap_or_default());
            out.push_str(&text);
            copied_end = token.end;
        }
    }
    out + source.get(copied_end..).unwrap_or_default()
}

/// Returns whether a token can follow a list, so that a comma before it is a trailing comma.
fn can_follow_trailing_comma(token: SqlToken, source: &str) -> bool {
    let text = token.text(source);
    match token.kind {
        SqlTokenKind::Sign => matches!(text, ")" | "]"),
        SqlTokenKind::Word => text.eq_ignore_ascii_case("from") || text.eq_ignore_ascii_case("select"),
        _ => false,
    }
}

/// Returns a normalized string, which is equal for all strings with the same tokens.
///
/// A string with a backslash is tokenized once for each dialect, because the meaning of a backslash in quotes depends
/// on the dialect.
pub fn canonical_text(source: &str) -> String {
    let readings = if source.contains('\\') { usize::MAX } else { 1 };
    let mut out = String::with_capacity(source.len());
    for dialect in Dialect::all().take(readings) {
        for token in tokens(source, dialect) {
            out.push_str(&token.comparison_key(source));
            out.push('\0');
        }
    }
    out
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    dialect: Dialect,
    /// Offset of the first quote, comment or Jinja tag without an end.
    unclosed: Option<usize>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<SqlToken> {
        loop {
            // Only some engines skip other whitespace, such as a no-break space.
            self.at += self
                .rest()
                .bytes()
                .take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t'))
                .count();
            let comment = self.comment_length();
            if comment.is_some() && self.is_unclosed_comment() {
                self.unclosed.get_or_insert(self.at);
            }
            match comment {
                None => break,
                Some(length) if self.is_significant_comment(length) => {
                    let start = self.at;
                    self.at += length;
                    return Some(SqlToken {
                        kind: SqlTokenKind::Hint,
                        start,
                        end: self.at,
                    });
                }
                Some(length) => self.at += length,
            }
        }
        let rest = self.rest();
        let first = rest.chars().next()?;
        let start = self.at;
        let kind = if rest.starts_with("{{") || rest.starts_with("{%") {
            self.read_jinja();
            SqlTokenKind::Jinja
        } else if first.is_ascii_digit() || (first == '.' && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit)) {
            self.at += number_length(rest);
            SqlTokenKind::Number
        } else if first.is_alphabetic() || first == '_' {
            self.read_word()
        } else if first == '\'' || (first == '"' && self.dialect.accepts_double_quoted_texts()) {
            self.read_quoted(first, self.dialect.has_backslash_escapes());
            SqlTokenKind::Text
        } else if first == '"' || first == '`' {
            self.read_quoted(first, first == '`' && self.dialect.accepts_double_quoted_texts());
            SqlTokenKind::Quoted
        } else if rest.starts_with("$$") {
            let end = rest.get(2..).and_then(|inner| inner.find("$$"));
            if end.is_none() {
                self.unclosed.get_or_insert(start);
            }
            self.at += end.map_or(rest.len(), |offset| offset + 4);
            SqlTokenKind::Text
        } else {
            let second = rest.as_bytes().get(1);
            let mut signs = MULTI_CHAR_OPERATORS
                .iter()
                .filter(|_| second.is_some_and(u8::is_ascii_punctuation));
            let sign = signs.find(|sign| rest.starts_with(**sign));
            self.at += sign.map_or(first.len_utf8(), |sign| sign.len());
            SqlTokenKind::Sign
        };
        Some(SqlToken {
            kind,
            start,
            end: self.at,
        })
    }

    /// Returns the length of the SQL or Jinja comment at the current position.
    fn comment_length(&self) -> Option<usize> {
        let rest = self.rest();
        let to = |end: &str| {
            rest.get(2..)
                .and_then(|r| r.find(end))
                .map_or(rest.len(), |offset| offset + 2 + end.len())
        };
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("{#") {
            return Some(to("#}"));
        } else if rest.starts_with("/*") {
            to("*/")
        } else {
            return None;
        };
        let comment = rest.get(..length).unwrap_or_default();
        Some(if has_unambiguous_end(comment) {
            length
        } else {
            rest.len()
        })
    }

    /// Returns whether the comment at the current position has no end.
    fn is_unclosed_comment(&self) -> bool {
        let inner = self.rest().get(2..).unwrap_or_default();
        match self.rest() {
            rest if rest.starts_with("{#") => !inner.contains("#}"),
            rest if rest.starts_with("/*") => !inner.contains("*/"),
            _ => false,
        }
    }

    /// Returns whether the comment at the current position is code: an optimizer hint, or an SQL comment that contains
    /// Jinja or has no certain end. `length` is the length of the comment. Returns `false` for a Jinja comment.
    fn is_significant_comment(&self, length: usize) -> bool {
        let comment = self.rest().get(..length).unwrap_or_default();
        !comment.starts_with("{#")
            && (comment.starts_with("/*+") || has_jinja(comment) || !has_unambiguous_end(comment))
    }

    /// Moves past a word, or past a string literal with a prefix, such as `r'\d'`.
    fn read_word(&mut self) -> SqlTokenKind {
        let rest = self.rest();
        let is_part = |c: char| is_word_char(c) || c == '$';
        let is_ascii_part = |b: &u8| b.is_ascii() && is_part(char::from(*b));
        let mut length = rest.bytes().take_while(is_ascii_part).count();
        let others = rest.get(length..).unwrap_or_default();
        length += others.find(|c| !is_part(c)).unwrap_or(others.len());
        self.at += length;
        let quote = self.rest().chars().next().filter(|c| *c == '\'' || *c == '"');
        let Some(quote) = quote else { return SqlTokenKind::Word };
        let word = rest.get(..length).unwrap_or_default().to_ascii_lowercase();
        let ("r" | "b" | "rb" | "br" | "e" | "n" | "x") = word.as_str() else {
            return SqlTokenKind::Word;
        };
        if quote == '"' && !self.dialect.accepts_double_quoted_texts() {
            return SqlTokenKind::Word;
        }
        // In BigQuery's raw strings, a backslash also prevents the next quote from ending the string.
        let escapes = word == "e" || self.dialect.has_backslash_escapes();
        self.read_quoted(quote, escapes);
        SqlTokenKind::Text
    }

    /// Moves past a string literal or a quoted name. Quotes inside Jinja do not end it.
    fn read_quoted(&mut self, quote: char, escapes: bool) {
        let start = self.at;
        self.at += quote.len_utf8();
        while let Some(c) = self.rest().chars().next() {
            if self.rest().starts_with("{{") {
                self.read_jinja();
                continue;
            }
            self.at += c.len_utf8();
            if escapes && c == '\\' {
                self.at += self.rest().chars().next().map_or(0, char::len_utf8);
            } else if c == quote {
                if !self.rest().starts_with(quote) {
                    return;
                }
                self.at += quote.len_utf8();
            }
        }
        self.unclosed.get_or_insert(start);
    }

    fn read_jinja(&mut self) {
        let Some(tag) = jinja_parts(self.rest()).next() else {
            return;
        };
        if !tag.is_closed {
            self.unclosed.get_or_insert(self.at);
        }
        self.at += tag.end;
    }
}

/// Returns whether every engine agrees on the end of an SQL comment. Postgres and DuckDB nest block comments, and end a
/// line comment at a carriage return. BigQuery does not nest block comments. Engines may also treat other control
/// characters as line ends, and a backslash at the end of a line as a continuation.
fn has_unambiguous_end(comment: &str) -> bool {
    if let Some(inner) = comment.strip_prefix("/*") {
        return inner.ends_with("*/") && !inner.contains("/*");
    }
    let is_line_end = |c: char| (c.is_control() && c != '\t') || matches!(c, '\u{2028}' | '\u{2029}');
    let line = comment.strip_suffix('\r').unwrap_or(comment);
    !line.ends_with('\\') && !line.contains(is_line_end)
}

fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|b| b.is_ascii_digit()).count();
    let mut length = digits(0);
    if bytes.get(length) == Some(&b'.') {
        length += 1 + digits(length + 1);
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

/// Returns the value of a string or name token without its quotes. `None` if the token is not terminated, or if it
/// contains Jinja, which only dbt can evaluate.
pub fn unquote_token(token: &str, dialect: Dialect) -> Option<String> {
    let open = token.find(['\'', '"', '`'])?;
    let prefix = token.get(..open)?.to_ascii_lowercase();
    let quote = token.get(open..)?.chars().next()?;
    let inner = token.get(open + 1..)?.strip_suffix(quote)?;
    let is_name = quote == '`' || (quote == '"' && !dialect.accepts_double_quoted_texts());
    let escapes = !prefix.contains('r')
        && (prefix == "e"
            || if is_name {
                dialect.accepts_double_quoted_texts()
            } else {
                dialect.has_backslash_escapes()
            });
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        // Unescape a Jinja marker that `dbt::jinja` has escaped.
        let escaped = rest.strip_prefix("{{ '").and_then(|r| r.split_once("' }}"));
        if let Some((marker, behind)) = escaped.filter(|(marker, _)| !marker.contains('\'')) {
            out.push_str(marker);
            rest = behind;
            continue;
        }
        if ["{{", "{%", "{#"].iter().any(|mark| rest.starts_with(mark)) {
            return None;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        let next = rest.chars().next();
        match (c, next) {
            ('\\', Some(n)) if escapes => {
                out.push(match n {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                });
                rest = rest.get(n.len_utf8()..).unwrap_or_default();
            }
            (c, Some(n)) if c == quote && n == quote => {
                out.push(c);
                rest = rest.get(n.len_utf8()..).unwrap_or_default();
            }
            _ => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{canonical_text, tokens, unquote_token};
    use crate::dialect::Dialect;

    fn keys(sql: &str, dialect: &str) -> Vec<String> {
        let dialect = dialect.parse::<Dialect>().unwrap_or_default();
        tokens(sql, dialect)
            .into_iter()
            .map(|t| t.comparison_key(sql).into_owned())
            .collect()
    }

    #[test]
    fn blanks_case_and_comments_do_not_count() {
        let first_keys = keys("select a, -- why\n 'X' || \"B\" from {{ ref('t') }}", "postgres");
        let other = keys(
            "SELECT A,'X'||\"B\" /* no */ FROM {{ref( \"t\" )}}{# end #}",
            "postgres",
        );
        assert_eq!(first_keys, other);
        assert_eq!(
            first_keys,
            ["select", "a", ",", "'X'", "||", "\"B\"", "from", "{{ref('t')}}"]
        );
    }

    #[test]
    fn hints_and_jinja_in_comments_are_code() {
        assert_eq!(keys("select /*+ x */ a", "snowflake"), ["select", "/*+ x */", "a"]);
        assert_eq!(keys("a -- {{ x }}\n/* {% if y %} */ -- {# z #}", "duckdb").len(), 4);
        assert_eq!(keys("a {# {{ x }} #}", "duckdb"), ["a"]);
    }

    /// Engines disagree on the end of these comments, so the code after them is compared byte by byte.
    #[test]
    fn comments_without_a_certain_end_are_code() {
        for comment in [
            "/* /* */ a -- */ 1\n",
            "/* /* */ */ a",
            "/*/* */ a",
            "/* a",
            "-- gross\r * 2\n a",
            "-- gross\u{b} * 2\n a",
            "-- gross\u{2028} * 2\n a",
            "-- gross \\\n a",
        ] {
            let sql = format!("select {comment} as b, 'c'");
            for dialect in ["postgres", "duckdb", "bigquery", "snowflake"] {
                assert_eq!(keys(&sql, dialect), ["select", &sql["select ".len()..]], "{dialect}");
            }
        }
        assert_eq!(keys("a -- b\r\n/**/ /* - /\r\n * */ /***/ -- c\td", "postgres"), ["a"]);
    }

    #[test]
    fn only_common_whitespace_is_layout() {
        assert_eq!(keys("a\t\r\n b", "duckdb"), ["a", "b"]);
        for blank in ["\u{a0}", "\u{b}", "\u{c}", "\u{2003}", "\u{feff}"] {
            assert_eq!(keys(&format!("a{blank} b"), "duckdb"), ["a", blank, "b"]);
        }
    }

    #[test]
    fn trailing_commas_do_not_count() {
        let first_keys = keys(
            "with a as (select b, c from d), e as (select f(1)) select g",
            "bigquery",
        );
        let other = keys(
            "with a as (select b, c, from d,), e as (select f(1,)), select g,",
            "bigquery",
        );
        assert_eq!(first_keys, other);
        assert_ne!(
            keys("select a, from_date from t", "duckdb"),
            keys("select a from_date from t", "duckdb")
        );
    }

    #[test]
    fn texts_with_backslashes_are_read_as_each_dialect_reads_them() {
        assert_eq!(canonical_text("SELECT 'A'"), canonical_text("select   'A'"));
        // On Postgres, the string ends before the comma. On Snowflake, it ends after the comma.
        assert_ne!(canonical_text(r"select '\', 'A'"), canonical_text(r"select '\', 'a'"));
        assert_ne!(
            canonical_text(r"select '\', A, ' b'"),
            canonical_text(r"select '\', a, ' b'")
        );
    }

    #[test]
    fn strings_may_contain_sql() {
        assert_eq!(keys("'it''s -- {# x'", "postgres"), ["'it''s -- {# x'"]);
        assert_eq!(keys(r"'it\'s' r'\'' x", "bigquery"), [r"'it\'s'", r"r'\''", "x"]);
        assert_eq!(keys("'{{ '{{' }} a'", "duckdb"), ["'{{ '{{' }} a'"]);
        assert_eq!(keys("1.5e-3 .5 1e a1", "duckdb"), ["1.5e-3", ".5", "1", "e", "a1"]);
        assert_eq!(keys("a!=b::text", "duckdb"), ["a", "<>", "b", "::", "text"]);
    }

    #[test]
    fn string_values_are_unquoted() {
        let string_value =
            |text: &str, dialect: &str| unquote_token(text, dialect.parse().unwrap_or_default()).unwrap_or_default();
        assert_eq!(string_value("'it''s'", "postgres"), "it's");
        assert_eq!(string_value(r"'it\'s\n'", "bigquery"), "it's\n");
        assert_eq!(string_value(r"r'\d'", "bigquery"), r"\d");
        assert_eq!(string_value("'a {{ '{{' }} b'", "duckdb"), "a {{ b");
    }
}
