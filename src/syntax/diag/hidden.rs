//! Escapes hidden characters, which a terminal or page interprets instead of displaying them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Replaces control characters and characters that change the writing direction with escapes such as `\u{1b}`, so that
/// a terminal does not receive them. Line breaks and tabs are kept.
#[must_use]
pub fn escape_hidden(text: &str) -> Cow<'_, str> {
    escape_hidden_with(text, |out, code| write!(out, "\\u{{{code:x}}}"))
}

/// Replaces each hidden character with the text that `escape` writes for its character code.
pub(super) fn escape_hidden_with(text: &str, escape: fn(&mut String, u32) -> std::fmt::Result) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            let _ = escape(&mut out, c as u32);
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Returns `true` if a terminal would interpret the character instead of displaying it.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}
