//! Writes names and strings in the syntax of a dialect. User text enters the generated SQL only here.

use std::borrow::Cow;

use super::{CaseFolding, Dialect};
use crate::hash;

/// Bits that indicate the kinds of bytes in a name.
const LOWER_CASE_BIT: u8 = 1;
const UPPER_CASE_BIT: u8 = 2;
const NEEDS_QUOTES_BIT: u8 = 4;
const NAME_BYTES: [u8; 256] = {
    let mut kinds = [NEEDS_QUOTES_BIT; 256];
    let mut byte = 0u8;
    while byte < 128 {
        kinds[byte as usize] = match byte {
            b'a'..=b'z' => LOWER_CASE_BIT,
            b'A'..=b'Z' => UPPER_CASE_BIT,
            b'0'..=b'9' | b'_' => 0,
            _ => NEEDS_QUOTES_BIT,
        };
        byte += 1;
    }
    kinds
};

/// Bytes that at least one dialect escapes in a string.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    escaped[b'\'' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped[b'\n' as usize] = true;
    escaped[b'\r' as usize] = true;
    escaped[0] = true;
    escaped
};

/// `Dialect::dialects_accepting_unquoted` has one bit for each dialect.
const _: () = assert!(crate::tables::DIALECTS.len() <= u32::BITS as usize);

/// Returns the kind of a byte in a name.
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has an entry for each value of a byte")]
fn name_byte_kind(byte: u8) -> u8 {
    NAME_BYTES[byte as usize]
}

/// Returns `true` if at least one dialect escapes the byte in a string.
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has an entry for each value of a byte")]
fn is_escaped(byte: u8) -> bool {
    ESCAPED[byte as usize]
}

impl Dialect {
    /// Returns `true` if double quotes can also enclose strings, with a backslash before each quote inside.
    pub fn accepts_double_quoted_texts(self) -> bool {
        self.0.text_backslash
    }

    /// Returns `true` if a backslash in a string is an escape.
    pub fn has_backslash_escapes(self) -> bool {
        self.0.backslash
    }

    /// Returns `true` if the string can only be a type, such as `numeric(12, 2)` or `array<string>`, so that it is safe
    /// to use in a cast.
    pub fn is_type_text(text: &str) -> bool {
        let plain =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | ',' | '(' | ')' | '<' | '>' | '[' | ']');
        let mut open = Vec::new();
        let mut fits = |c: char| {
            match c {
                '(' => open.push(')'),
                '<' => open.push('>'),
                '[' => open.push(']'),
                ')' | '>' | ']' => return open.pop() == Some(c),
                // A comma outside of brackets would end the type and start another argument.
                ',' => return !open.is_empty(),
                _ => {}
            }
            true
        };
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| plain(c) && fits(c))
            && open.is_empty()
    }

    /// Returns a name in the dialect's syntax. The name is unquoted if it is plain, not reserved and unchanged by the
    /// dialect's case folding. Otherwise the name is quoted. The case of a name that is unquoted in the source is
    /// folded first.
    ///
    /// ```
    /// use formulac_catalog::Dialect;
    /// let [big, snow] = ["bigquery", "snowflake"].map(|d| d.parse::<Dialect>().unwrap());
    /// assert_eq!(snow.name_text("revenue", true), "revenue");
    /// assert_eq!(snow.name_text("Net Revenue", true), "\"Net Revenue\"");
    /// assert_eq!(big.name_text("order", true), "`order`");
    /// assert_eq!(snow.name_text("order", true), "\"ORDER\"");
    /// assert_eq!(snow.name_text("order", false), "\"order\"");
    /// ```
    #[must_use]
    pub fn name_text(self, name: &str, unquoted_in_source: bool) -> String {
        let mut out = String::with_capacity(name.len() + 2);
        self.push_name(&mut out, name, unquoted_in_source);
        out
    }

    /// Returns `true` if the dialect writes the name in quotes.
    pub fn requires_quotes(self, name: &str, unquoted_in_source: bool) -> bool {
        let kinds = name.bytes().fold(0, |kinds, b| kinds | name_byte_kind(b));
        !self.is_plain(name, kinds, unquoted_in_source)
    }

    /// Writes a name, in quotes if necessary.
    pub fn push_name(self, output: &mut String, name: &str, unquoted_in_source: bool) {
        let kinds = name.bytes().fold(0, |kinds, b| kinds | name_byte_kind(b));
        if self.is_plain(name, kinds, unquoted_in_source) {
            let start = output.len();
            output.push_str(name);
            // The case of an unquoted name is insignificant, so the name is written in lower case.
            if kinds & UPPER_CASE_BIT != 0
                && let Some(output_name) = output.get_mut(start..)
            {
                output_name.make_ascii_lowercase();
            }
            return;
        }
        self.push_quoted(output, &self.escape_quoted_name(name, unquoted_in_source));
    }

    /// Escapes a name for use between quotes, and returns the escaped name without the quotes. A name that is unquoted
    /// in the source is folded to the dialect's case.
    pub fn escape_quoted_name(self, name: &str, unquoted_in_source: bool) -> Cow<'_, str> {
        let stands_bare = |b: u8| name_byte_kind(b) & NEEDS_QUOTES_BIT == 0;
        match self.0.fold {
            CaseFolding::Upper if unquoted_in_source && name.bytes().all(stands_bare) => {
                name.to_ascii_uppercase().into()
            }
            CaseFolding::Lower if unquoted_in_source && name.bytes().all(stands_bare) => {
                name.to_ascii_lowercase().into()
            }
            _ => name.into(),
        }
    }

    /// Writes a name in quotes, without changes to its letter case.
    pub fn push_quoted(self, output: &mut String, name: &str) {
        let data = self.0;
        output.push(data.quote);
        for c in name.chars() {
            match c {
                c if data.quote_backslash && (c == data.quote || c == '\\') => output.extend(['\\', c]),
                '\n' if data.quote_backslash => output.push_str("\\n"),
                '\r' if data.quote_backslash => output.push_str("\\r"),
                c if c == data.quote => output.extend([c, c]),
                '\0' => {}
                c => output.push(c),
            }
        }
        output.push(data.quote);
    }

    /// Returns `true` if the name keeps its meaning without quotes. The name must consist of plain letters and must not
    /// be reserved. Its case must be insignificant, or must be the case to which the dialect folds names.
    #[inline]
    fn is_plain(self, name: &str, kinds: u8, unquoted_in_source: bool) -> bool {
        let begins = name.as_bytes().first().is_some_and(|b| !b.is_ascii_digit());
        let other_case = if unquoted_in_source { 0 } else { self.folded_case_bit() };
        begins && kinds & (NEEDS_QUOTES_BIT | other_case) == 0 && !self.is_reserved(name)
    }

    /// Returns the kind of letters that the dialect folds to the other case in an unquoted name.
    #[inline]
    fn folded_case_bit(self) -> u8 {
        match self.0.fold {
            CaseFolding::Keep => 0,
            CaseFolding::Lower => UPPER_CASE_BIT,
            CaseFolding::Upper => LOWER_CASE_BIT,
        }
    }

    /// Returns `true` if the name needs quotes because the dialect would otherwise change its case.
    pub fn would_change_case(self, name: &str) -> bool {
        name.bytes().any(|b| name_byte_kind(b) & self.folded_case_bit() != 0)
    }

    /// Returns a bit set of the dialects that accept the name without quotes, assuming that its case is insignificant.
    /// [`Self::accepts_unquoted`] also considers the case.
    pub fn dialects_accepting_unquoted(name: &str) -> u32 {
        let kinds = name.bytes().fold(0, |kinds, b| kinds | name_byte_kind(b));
        let is_plain = |dialect: &Self| kinds & UPPER_CASE_BIT == 0 && dialect.is_plain(name, kinds, true);
        Self::all()
            .filter(is_plain)
            .fold(0, |bits, dialect| bits | 1_u32 << dialect.0.index)
    }

    /// Returns `true` if the dialect accepts the name without quotes. `dialects` is the result of
    /// `dialects_accepting_unquoted`.
    #[inline]
    pub fn accepts_unquoted(self, dialects: u32, is_case_sensitive: bool) -> bool {
        dialects >> self.0.index & 1 != 0 && !(is_case_sensitive && self.0.fold == CaseFolding::Upper)
    }

    /// Returns `true` if the dialect would read the unquoted name as a keyword.
    #[must_use]
    pub fn is_reserved(self, name: &str) -> bool {
        // The first letter and the length are compared first, because few names share both with a keyword.
        let letter = name.bytes().next().map_or(0, |b| b & 31);
        let lengths = self
            .0
            .reserved_lengths
            .get(usize::from(letter))
            .copied()
            .unwrap_or_default();
        let keyword = |i: usize| self.0.reserved.get(i).copied().unwrap_or_default();
        lengths >> name.len().min(31) & 1 != 0 && hash::find(self.0.reserved_slots, name, keyword).is_some()
    }

    /// Returns a text literal.
    ///
    /// ```
    /// use formulac_catalog::Dialect;
    /// let big: Dialect = "bigquery".parse().unwrap();
    /// let postgres = Dialect::default();
    /// assert_eq!(big.text_literal(r"it's \ "), r#""it's \\ ""#);
    /// assert_eq!(postgres.text_literal(r"it's \ "), r"'it''s \ '");
    /// assert_eq!(postgres.text_literal("a\r\n\\"), r"E'a\r\n\\'");
    /// ```
    #[must_use]
    pub fn text_literal(self, value: &str) -> String {
        let mut out = String::with_capacity(value.len() + 2);
        self.push_text(&mut out, value);
        out
    }

    /// Writes a string literal.
    pub fn push_text(self, output: &mut String, value: &str) {
        if !value.bytes().any(is_escaped) {
            output.push('\'');
            output.push_str(value);
            output.push('\'');
            return;
        }
        let data = self.0;
        if !data.raw.is_empty() && prefers_raw_literal(value) {
            output.push_str(data.raw);
            output.push('\'');
            output.push_str(value);
            output.push('\'');
            return;
        }
        // dbt converts every line break in a file to `\n`, so a carriage return is written as an escape.
        let escapes = !data.backslash && value.contains('\r');
        if escapes {
            output.push_str(data.facts.escaped_text);
        }
        let backslash = data.backslash || escapes;
        // If both kinds of quotes can enclose strings, use the kind that does not occur in the text, because the
        // literal is then easier to read.
        let doubled = data.text_backslash && value.contains('\'') && !value.contains('"');
        let quote = if doubled { '"' } else { '\'' };
        output.push(quote);
        for c in value.chars() {
            match c {
                '\'' if doubled => output.push(c),
                '\'' if data.text_backslash => output.push_str("\\'"),
                '\'' => output.push_str("''"),
                '\\' if backslash => output.push_str("\\\\"),
                // A literal with backslash escapes cannot contain these two characters unescaped: one would break
                // the line, and the other would start an escape.
                '\n' if backslash => output.push_str("\\n"),
                '\r' if backslash => output.push_str("\\r"),
                '\0' => {}
                c => output.push(c),
            }
        }
        output.push(quote);
    }
}

/// Returns `true` if the string contains backslashes and a raw literal, which is easier to read, can contain all of its
/// characters.
fn prefers_raw_literal(value: &str) -> bool {
    let mut escaped = value.bytes().filter(|b| is_escaped(*b));
    !value.ends_with('\\') && value.contains('\\') && escaped.all(|b| b == b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test checks the case of names without an engine, because no test engine folds names as Snowflake does.
    #[test]
    fn names_have_the_case_that_the_warehouse_expects() {
        let dialects = ["snowflake", "postgres", "bigquery", "duckdb"].map(|name| name.parse::<Dialect>().unwrap());
        let cases = [
            // Each entry holds a name, a flag for whether it is quoted in the source, and the result for each
            // dialect.
            ("start", false, [r#""START""#, "start", "start", "start"]),
            ("Order", false, [r#""ORDER""#, r#""order""#, "`Order`", r#""Order""#]),
            ("ORDER", true, [r#""ORDER""#, r#""ORDER""#, "`ORDER`", r#""ORDER""#]),
            ("order", true, [r#""order""#, r#""order""#, "`order`", r#""order""#]),
            (
                "window",
                false,
                [r#""WINDOW""#, r#""window""#, "`window`", r#""window""#],
            ),
            (
                "graph_table",
                false,
                ["graph_table", "graph_table", "`graph_table`", "graph_table"],
            ),
            ("amount", true, [r#""amount""#, "amount", "amount", "amount"]),
            ("AMOUNT", true, ["amount", r#""AMOUNT""#, "amount", "amount"]),
            ("Amount", false, ["amount", "amount", "amount", "amount"]),
            (
                "Net Revenue",
                false,
                [
                    r#""Net Revenue""#,
                    r#""Net Revenue""#,
                    "`Net Revenue`",
                    r#""Net Revenue""#,
                ],
            ),
            ("2024", false, [r#""2024""#, r#""2024""#, "`2024`", r#""2024""#]),
        ];
        for (name, quoted, expected) in cases {
            let texts = dialects.map(|dialect| dialect.name_text(name, !quoted));
            assert_eq!(texts.each_ref().map(String::as_str), expected, "{name}");
        }
    }
}
