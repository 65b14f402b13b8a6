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

/// Returns the adjacent words that begin at a position: names, separated by single spaces.
#[must_use]
pub fn words_at(source: &str, start: u32) -> &str {
    let after = source.get(start as usize..).unwrap_or_default();
    let is_name_end = |(at, c): &(usize, char)| {
        let follows_word = after
            .get(at + 1..)
            .is_some_and(|rest| rest.starts_with(char::is_alphabetic));
        !(is_word_char(*c) || *c == '.' || (*c == ' ' && follows_word))
    };
    let end = after.char_indices().find(is_name_end).map_or(after.len(), |(at, _)| at);
    after.get(..end).unwrap_or_default()
}
