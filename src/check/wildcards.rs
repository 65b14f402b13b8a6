//! The wildcards of spreadsheets, `*` and `?`, which `~` makes plain characters.

use super::regex::Pattern;

/// A text with `*`, `?` and `~` of spreadsheets as a pattern; none without wildcards that matter.
pub(super) fn wildcards(text: &str) -> Option<Pattern> {
    let mut pattern = Pattern { re2: "(?is)".into(), are: "(?i)".into(), ignore_case: true, ..Pattern::default() };
    let mut body = String::new();
    let mut wild = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' => body.push_str(".*"),
            '?' => body.push('.'),
            _ => {
                let c = if c == '~' { chars.next_if(|c| matches!(c, '*' | '?' | '~')).unwrap_or(c) } else { c };
                if "\\.+*?()|[]{}^$".contains(c) {
                    body.push('\\');
                }
                body.push(c);
                continue;
            }
        }
        wild = true;
    }
    pattern.re2.push_str(&body);
    pattern.are.push_str(&body);
    pattern.ere = body;
    wild.then_some(pattern)
}

/// The same text without the signs that make `*` and `?` characters.
pub(super) fn without_tildes(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(if c == '~' { chars.next_if(|c| matches!(c, '*' | '?' | '~')).unwrap_or(c) } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tildes_make_plain_characters() {
        assert_eq!(wildcards("a*b?").unwrap().ere, "a.*b.");
        assert_eq!(wildcards("1.5~*"), None);
        assert_eq!(without_tildes("1~*~~~a"), "1*~~a");
    }
}
