//! Names and texts as a dialect writes them: the only place where user text enters SQL.

use std::borrow::Cow;

use super::{Dialect, Fold};
use crate::hash;

/// What a byte of a name asks for, as bits.
const SMALL: u8 = 1;
const CAPITAL: u8 = 2;
const QUOTES: u8 = 4;
const NAME: [u8; 256] = {
    let mut kinds = [QUOTES; 256];
    let mut byte = 0u8;
    while byte < 128 {
        kinds[byte as usize] = match byte {
            b'a'..=b'z' => SMALL,
            b'A'..=b'Z' => CAPITAL,
            b'0'..=b'9' | b'_' => 0,
            _ => QUOTES,
        };
        byte += 1;
    }
    kinds
};

/// The bytes of texts that some dialect writes otherwise.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    escaped[b'\'' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped[b'\n' as usize] = true;
    escaped[b'\r' as usize] = true;
    escaped[0] = true;
    escaped
};

/// `Dialect::bare_in` has a bit for each dialect.
const _: () = assert!(crate::tables::DIALECTS.len() <= u8::BITS as usize);

impl Dialect {
    /// Whether texts may stand in double quotes too, a quote in them behind a backslash.
    pub fn texts_in_both_quotes(self) -> bool {
        self.0.text_backslash
    }

    /// Whether a backslash in a text is an escape.
    pub fn escapes_in_texts(self) -> bool {
        self.0.backslash
    }

    /// Whether a text can only be a type, so that it may stand in a cast: `numeric(12, 2)`, `array<string>`.
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
                // More than one type would be more than one argument.
                ',' => return !open.is_empty(),
                _ => {}
            }
            true
        };
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| plain(c) && fits(c))
            && open.is_empty()
    }

    /// A name: bare when it is plain, not reserved and equal to what the dialect folds it to; else in quotes, where a name
    /// that the source writes bare has the case that the dialect gives to bare names.
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

    /// Whether the name is written in quotes.
    pub fn quotes(self, name: &str, unquoted_in_source: bool) -> bool {
        let kinds = name.bytes().fold(0, |kinds, b| kinds | NAME[b as usize]);
        !self.is_plain(name, kinds, unquoted_in_source)
    }

    /// Writes a name, in quotes where it needs them.
    pub fn push_name(self, out: &mut String, name: &str, unquoted_in_source: bool) {
        let kinds = name.bytes().fold(0, |kinds, b| kinds | NAME[b as usize]);
        if self.is_plain(name, kinds, unquoted_in_source) {
            let start = out.len();
            out.push_str(name);
            // The case of a bare name says nothing; lower case is how it is written.
            if kinds & CAPITAL != 0
                && let Some(written) = out.get_mut(start..)
            {
                written.make_ascii_lowercase();
            }
            return;
        }
        self.push_quoted(out, &self.name_in_quotes(name, unquoted_in_source));
    }

    /// The name as it is spelled between quotes: one that the source writes bare, in the case that bare names get.
    pub fn name_in_quotes<'n>(self, name: &'n str, unquoted_in_source: bool) -> Cow<'n, str> {
        let stands_bare = |b: u8| NAME[b as usize] & QUOTES == 0;
        match self.0.fold {
            Fold::Upper if unquoted_in_source && name.bytes().all(stands_bare) => name.to_ascii_uppercase().into(),
            Fold::Lower if unquoted_in_source && name.bytes().all(stands_bare) => name.to_ascii_lowercase().into(),
            _ => name.into(),
        }
    }

    /// A name in quotes, exactly as it is spelled.
    pub fn push_quoted(self, out: &mut String, name: &str) {
        let data = self.0;
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
    #[inline]
    fn is_plain(self, name: &str, kinds: u8, unquoted_in_source: bool) -> bool {
        let begins = name.as_bytes().first().is_some_and(|b| !b.is_ascii_digit());
        let other_case = if unquoted_in_source { 0 } else { self.other_case() };
        begins && kinds & (QUOTES | other_case) == 0 && !self.is_reserved(name)
    }

    /// The letters that a bare name cannot hold: the dialect would take others for them.
    #[inline]
    fn other_case(self) -> u8 {
        match self.0.fold {
            Fold::Keep => 0,
            Fold::Lower => CAPITAL,
            Fold::Upper => SMALL,
        }
    }

    /// Whether the name, written without quotes, would mean another one because of its case.
    pub fn folds(self, name: &str) -> bool {
        name.bytes().any(|b| NAME[b as usize] & self.other_case() != 0)
    }

    /// The dialects, as one bit each, in which the name is written as it is, unless its case matters and the dialect folds it.
    pub fn bare_in(name: &str) -> u8 {
        let kinds = name.bytes().fold(0, |kinds, b| kinds | NAME[b as usize]);
        let is_bare = |dialect: &Self| kinds & CAPITAL == 0 && dialect.is_plain(name, kinds, true);
        Self::all().filter(is_bare).fold(0, |bits, dialect| bits | 1 << dialect.0.index)
    }

    /// Whether it is in this one, by those bits.
    #[inline]
    pub fn is_bare(self, bits: u8, cased: bool) -> bool {
        bits >> self.0.index & 1 != 0 && !(cased && self.0.fold == Fold::Upper)
    }

    /// Whether a bare name would be a keyword.
    #[must_use]
    pub fn is_reserved(self, name: &str) -> bool {
        // Few names share the first letter and the length with a keyword.
        let letter = name.bytes().next().map_or(0, |b| b & 31);
        self.0.reserved_lengths[letter as usize] >> name.len().min(31) & 1 != 0
            && hash::find(self.0.reserved_slots, name, |i| self.0.reserved[i]).is_some()
    }

    /// A text literal.
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

    /// Writes a text literal.
    pub fn push_text(self, out: &mut String, value: &str) {
        let data = self.0;
        if !data.raw.is_empty() && is_plainly_raw(value) {
            out.push_str(data.raw);
            out.push('\'');
            out.push_str(value);
            out.push('\'');
            return;
        }
        // dbt reads files with `\n` for every line end, so a carriage return is written as an escape.
        let escapes = !data.backslash && value.contains('\r');
        if escapes {
            out.push_str(data.facts.escaped_text);
        }
        let backslash = data.backslash || escapes;
        // Where both quotes hold texts, the one that the text does not hold reads better.
        let doubled = data.text_backslash && value.contains('\'') && !value.contains('"');
        let quote = if doubled { '"' } else { '\'' };
        out.push(quote);
        if !value.bytes().any(|b| ESCAPED[b as usize]) {
            out.push_str(value);
        } else {
            for c in value.chars() {
                match c {
                    '\'' if doubled => out.push(c),
                    '\'' if data.text_backslash => out.push_str("\\'"),
                    '\'' => out.push_str("''"),
                    '\\' if backslash => out.push_str("\\\\"),
                    // A literal of these two may not span lines, or would read differently.
                    '\n' if backslash => out.push_str("\\n"),
                    '\r' if backslash => out.push_str("\\r"),
                    '\0' => {}
                    c => out.push(c),
                }
            }
        }
        out.push(quote);
    }
}

/// Whether a text has backslashes, which read better as they are, and nothing else that a raw literal could not hold.
fn is_plainly_raw(value: &str) -> bool {
    let escaped = |b: &u8| ESCAPED[*b as usize];
    !value.ends_with('\\') && value.contains('\\') && value.bytes().filter(escaped).all(|b| b == b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No engine of the tests minds the case of a name as Snowflake does.
    #[test]
    fn names_have_the_case_that_the_warehouse_looks_for() {
        let dialects = ["snowflake", "postgres", "bigquery", "duckdb"].map(|name| name.parse::<Dialect>().unwrap());
        let spelled = [
            // The name, whether the source writes it in quotes, and what each dialect writes.
            ("start", false, [r#""START""#, "start", "start", "start"]),
            ("Order", false, [r#""ORDER""#, r#""order""#, "`Order`", r#""Order""#]),
            ("ORDER", true, [r#""ORDER""#, r#""ORDER""#, "`ORDER`", r#""ORDER""#]),
            ("order", true, [r#""order""#, r#""order""#, "`order`", r#""order""#]),
            ("window", false, [r#""WINDOW""#, r#""window""#, "`window`", r#""window""#]),
            ("graph_table", false, ["graph_table", "graph_table", "`graph_table`", "graph_table"]),
            ("amount", true, [r#""amount""#, "amount", "amount", "amount"]),
            ("AMOUNT", true, ["amount", r#""AMOUNT""#, "amount", "amount"]),
            ("Amount", false, ["amount", "amount", "amount", "amount"]),
            ("Net Revenue", false, [r#""Net Revenue""#, r#""Net Revenue""#, "`Net Revenue`", r#""Net Revenue""#]),
            ("2024", false, [r#""2024""#, r#""2024""#, "`2024`", r#""2024""#]),
        ];
        for (name, quoted, wanted) in spelled {
            let written = dialects.map(|dialect| dialect.name_text(name, !quoted));
            assert_eq!(written.each_ref().map(String::as_str), wanted, "{name}");
        }
    }
}
