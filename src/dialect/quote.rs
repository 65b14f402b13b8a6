//! Names and texts as a dialect writes them: the only place where user text enters SQL.

use super::{Dialect, Fold};
use crate::catalog::hash;

/// The bytes of names that need no quotes.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < plain.len() {
        plain[byte] = (byte as u8).is_ascii_alphanumeric() || byte == b'_' as usize;
        byte += 1;
    }
    plain
};

impl Dialect {
    /// Whether a backslash in a text is an escape.
    pub(crate) fn escapes_in_texts(self) -> bool {
        self.0.backslash
    }

    /// A name: bare when it is plain, not reserved and equal to what the dialect folds it to; else quoted as spelled.
    ///
    /// ```
    /// use formulac::Dialect;
    /// let [big, snow] = ["bigquery", "snowflake"].map(|d| d.parse::<Dialect>().unwrap());
    /// assert_eq!(snow.name_text("revenue", true), "revenue");
    /// assert_eq!(snow.name_text("Net Revenue", true), "\"Net Revenue\"");
    /// assert_eq!(big.name_text("order", true), "`order`");
    /// ```
    #[must_use]
    pub fn name_text(self, name: &str, unquoted_in_source: bool) -> String {
        let mut out = String::with_capacity(name.len() + 2);
        self.push_name(&mut out, name, unquoted_in_source);
        out
    }

    pub(crate) fn push_name(self, out: &mut String, name: &str, unquoted_in_source: bool) {
        let data = self.0;
        if self.is_plain(name, unquoted_in_source) {
            // The case of a bare name says nothing; lower case is how it is written.
            let start = out.len();
            out.push_str(name);
            if let Some(written) = out.get_mut(start..) {
                written.make_ascii_lowercase();
            }
            return;
        }
        out.push(data.quote);
        for c in name.chars() {
            match c {
                c if data.quote_backslash && (c == data.quote || c == '\\') => out.extend(['\\', c]),
                '\n' if data.quote_backslash => out.push_str("\\n"),
                '\r' if data.quote_backslash => out.push_str("\\r"),
                c if c == data.quote => out.extend([c, c]),
                '\0' => {}
                c => out.push(c),
            }
        }
        out.push(data.quote);
    }

    /// A bare name means what was meant: plain letters, not reserved, and the case either does not matter,
    /// or is the one that the dialect gives to bare names.
    fn is_plain(self, name: &str, unquoted_in_source: bool) -> bool {
        let data = self.0;
        let begins = name.as_bytes().first().is_some_and(|b| !b.is_ascii_digit());
        if !begins || !name.bytes().all(|b| PLAIN[b as usize]) {
            return false;
        }
        let cased = match data.fold {
            Fold::Keep => true,
            _ if unquoted_in_source => true,
            Fold::Lower => !name.bytes().any(|b| b.is_ascii_uppercase()),
            Fold::Upper => !name.bytes().any(|b| b.is_ascii_lowercase()),
        };
        cased && !self.is_reserved(name)
    }

    /// Whether a bare name would be a keyword.
    #[must_use]
    pub fn is_reserved(self, name: &str) -> bool {
        hash::find(self.0.reserved_slots, name, |i| self.0.reserved[i]).is_some()
    }

    /// A text literal.
    ///
    /// ```
    /// use formulac::Dialect;
    /// let big: Dialect = "bigquery".parse().unwrap();
    /// let postgres = Dialect::default();
    /// assert_eq!(big.text_literal(r"it's \ "), r"'it\'s \\ '");
    /// assert_eq!(postgres.text_literal(r"it's \ "), r"'it''s \ '");
    /// ```
    #[must_use]
    pub fn text_literal(self, value: &str) -> String {
        let mut out = String::with_capacity(value.len() + 2);
        self.push_text(&mut out, value);
        out
    }

    pub(crate) fn push_text(self, out: &mut String, value: &str) {
        let data = self.0;
        out.push('\'');
        if !value.bytes().any(|b| matches!(b, b'\'' | b'\\' | b'\n' | b'\r' | 0)) {
            out.push_str(value);
        } else {
            for c in value.chars() {
                match c {
                    '\'' if data.text_backslash => out.push_str("\\'"),
                    '\'' => out.push_str("''"),
                    '\\' if data.backslash => out.push_str("\\\\"),
                    // A literal of these two may not span lines, or would read differently.
                    '\n' if data.backslash => out.push_str("\\n"),
                    '\r' if data.backslash => out.push_str("\\r"),
                    '\0' => {}
                    c => out.push(c),
                }
            }
        }
        out.push('\'');
    }
}
