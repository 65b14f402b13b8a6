//! Helper functions for words, names and counts in messages.

use std::fmt::Display;

/// Replaces each run of whitespace with one space, and removes whitespace at both ends.
///
/// ```
/// use formulac_syntax::text::collapse_whitespace;
/// assert_eq!(collapse_whitespace("  a =\n    b "), "a = b");
/// ```
#[must_use]
pub fn collapse_whitespace(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Formats a number with its noun, such as `1 file` or `3 files`.
///
/// ```
/// use formulac_syntax::text::format_count;
/// assert_eq!(format_count(1, "entry", "entries"), "1 entry");
/// assert_eq!(format_count(0, "entry", "entries"), "0 entries");
/// ```
#[must_use]
pub fn format_count<N: Display + PartialEq + From<bool>>(number: N, singular: &str, plural: &str) -> String {
    let noun = if number == N::from(true) { singular } else { plural };
    format!("{number} {noun}")
}

/// Returns whether a character may occur in a name without quotes: a letter, a digit or `_`.
#[must_use]
pub fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Splits a string at all characters that are not part of a word. The words may be empty.
///
/// ```
/// use formulac_syntax::text::split_words;
/// assert_eq!(split_words("SUM(a_b)").collect::<Vec<_>>(), ["SUM", "a_b", ""]);
/// ```
pub fn split_words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|c| !is_word_char(c))
}
