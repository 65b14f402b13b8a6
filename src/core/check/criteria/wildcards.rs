//! Spreadsheet wildcards `*` and `?`, and their escape character `~`.

use crate::check::text::regex::{METACHARACTERS, RegexPattern};

/// Parsed character of a string with wildcards.
pub(in crate::check) enum WildcardChar {
    /// `*`, which matches any number of characters.
    Any,
    /// `?`, which matches one character.
    One,
    /// Literal character.
    Plain(char),
}

pub(in crate::check) fn wildcard_chars(text: &str) -> impl Iterator<Item = WildcardChar> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        Some(match chars.next()? {
            '*' => WildcardChar::Any,
            '?' => WildcardChar::One,
            '~' => WildcardChar::Plain(chars.next_if(|c| matches!(c, '*' | '?' | '~')).unwrap_or('~')),
            c => WildcardChar::Plain(c),
        })
    })
}

/// Converts a string with spreadsheet wildcards to a regular expression. `None` if the string contains no wildcards.
pub(in crate::check) fn wildcards_to_regex(text: &str) -> Option<RegexPattern> {
    let mut pattern = RegexPattern {
        re2: "(?is)".into(),
        are: "(?i)".into(),
        ignore_case: true,
        ..RegexPattern::default()
    };
    let mut body = String::new();
    let mut wild = false;
    for character in wildcard_chars(text) {
        wild |= !matches!(character, WildcardChar::Plain(_));
        match character {
            WildcardChar::Any => body.push_str(".*"),
            WildcardChar::One => body.push('.'),
            WildcardChar::Plain(c) => {
                if METACHARACTERS.contains(c) {
                    body.push('\\');
                }
                body.push(c);
            }
        }
    }
    pattern.re2.push_str(&body);
    pattern.are.push_str(&body);
    pattern.ere = body;
    wild.then_some(pattern)
}

/// Removes the escape character `~` before `*`, `?` and `~`.
pub(in crate::check) fn unescape_tildes(text: &str) -> String {
    let plain = |character| match character {
        WildcardChar::Any => '*',
        WildcardChar::One => '?',
        WildcardChar::Plain(c) => c,
    };
    wildcard_chars(text).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tildes_escape_wildcards() {
        assert_eq!(wildcards_to_regex("a*b?").unwrap().ere, "a.*b.");
        assert_eq!(wildcards_to_regex("1.5~*"), None);
        assert_eq!(unescape_tildes("1~*~~~a"), "1*~~a");
    }
}
