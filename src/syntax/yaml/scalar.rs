//! Writes YAML scalars and keys that every YAML parser reads back unchanged.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::YamlStyle;
use crate::diag::hidden::is_hidden;

/// Characters that have a special meaning in a one-line list or mapping. Strings with these characters need quotes.
pub const FLOW_INDICATORS: [char; 5] = [',', '[', ']', '{', '}'];

/// Formats a string for a one-line list or mapping. Quotes the string if it contains a comma or bracket.
pub fn format_flow_scalar(value: &str) -> String {
    let mut out = String::new();
    write_in_flow(&mut out, value);
    out
}

/// Writes a string in a one-line list or mapping. Quotes the string if it contains a comma or bracket.
pub fn write_in_flow(output: &mut String, value: &str) {
    let clean = with_unix_line_ends(value);
    if is_plain(&clean) && !clean.contains(FLOW_INDICATORS) && !clean.contains('#') {
        output.push_str(&clean);
    } else {
        write_quoted(output, &clean);
    }
}

/// Formats a mapping key on one line.
pub fn key_text(key: &str) -> String {
    let mut out = String::new();
    write_key(&mut out, key);
    out
}

/// Writes a mapping key on one line.
pub fn write_key(output: &mut String, key: &str) {
    if is_plain(key) {
        output.push_str(key);
    } else {
        write_quoted(output, key);
    }
}

/// Removes the carriage returns of line endings, because generated files use one style of line endings.
fn with_unix_line_ends(value: &str) -> Cow<'_, str> {
    match value.contains('\r') {
        true => Cow::Owned(value.replace("\r\n", "\n")),
        false => Cow::Borrowed(value),
    }
}

/// Returns `true` if PyYAML, dbt's YAML parser, rejects the character or treats it as a line break, or if an editor
/// interprets the character instead of displaying it.
fn is_special_char(c: char) -> bool {
    is_hidden(c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Returns whether PyYAML rejects the text without quotes, or reads one of its characters as a line break.
pub fn has_special_char(value: &str) -> bool {
    // Blocks of bytes are checked without a branch per byte, because most strings have no special characters.
    #[allow(
        clippy::needless_bitwise_bool,
        reason = "without branches, the compiler checks many bytes at once"
    )]
    let is_usual = |byte: &u8| matches!(byte, b' '..=b'~') | (*byte == b'\n') | (*byte == b'\t');
    let all_usual = value
        .as_bytes()
        .chunks(32)
        .all(|some| some.iter().fold(true, |all, byte| all & is_usual(byte)));
    !all_usual && value.contains(is_special_char)
}

/// Formats a scalar: without quotes if that is safe, as a literal block if it has several lines, otherwise in quotes.
pub fn format_scalar(value: &str, indent: usize) -> String {
    let mut out = String::new();
    write_scalar(&mut out, value, indent);
    out
}

/// Writes a scalar in the format of [`format_scalar`].
pub fn write_scalar(output: &mut String, value: &str, indent: usize) {
    let clean = with_unix_line_ends(value);
    if is_plain(&clean) {
        output.push_str(&clean);
        return;
    }
    let blanks_count = |line: &str| line.ends_with([' ', '\t']);
    let is_block = clean.contains('\n')
        && !has_special_char(&clean)
        && !clean.starts_with([' ', '\t', '\n'])
        && !clean.ends_with('\n')
        && !clean.lines().any(blanks_count);
    if !is_block {
        write_quoted(output, &clean);
        return;
    }
    output.push_str("|-");
    for line in clean.lines() {
        output.push('\n');
        if !line.is_empty() {
            write_spaces(output, indent);
            output.push_str(line);
        }
    }
}

/// Formats a string in double quotes.
pub fn quote_scalar(value: &str) -> String {
    let mut out = String::new();
    write_quoted(&mut out, value);
    out
}

/// Writes a string in double quotes.
pub fn write_quoted(output: &mut String, clean: &str) {
    output.push('"');
    let mut rest = clean;
    while let Some((at, escaped)) = rest
        .char_indices()
        .find(|(_, c)| matches!(c, '\\' | '"' | '\n' | '\t') || is_special_char(*c))
    {
        output.push_str(rest.get(..at).unwrap_or_default());
        match escaped {
            '\t' => output.push_str("\\t"),
            '\n' => output.push_str("\\n"),
            '"' | '\\' => output.extend(['\\', escaped]),
            _ => {
                let _ = write!(output, "\\u{:04X}", escaped as u32);
            }
        }
        rest = rest.get(at + escaped.len_utf8()..).unwrap_or_default();
    }
    output.push_str(rest);
    output.push('"');
}

/// Formats a string in single or double quotes, without a change of its line breaks.
pub fn quote_with_style(text: &str, style: YamlStyle) -> String {
    let escaped = escape_for_style(text, style, true).unwrap_or_default();
    let quote = if style == YamlStyle::Single { '\'' } else { '"' };
    format!("{quote}{escaped}{quote}")
}

/// Escapes a part of a scalar's value for the scalar's style. Returns `None` if a scalar without quotes would have a
/// different value. `first` specifies whether the part is at the beginning of the scalar.
pub fn escape_for_style(part: &str, style: YamlStyle, first: bool) -> Option<Cow<'_, str>> {
    let part = Cow::Borrowed(part);
    match style {
        YamlStyle::Block => Some(part),
        YamlStyle::Single => Some(match part.contains('\'') {
            true => part.replace('\'', "''").into(),
            false => part,
        }),
        YamlStyle::Double => Some(match part.contains(['"', '\\']) {
            true => part.replace('\\', "\\\\").replace('"', "\\\"").into(),
            false => part,
        }),
        YamlStyle::Plain => {
            let is_special = part.contains(": ") || part.contains(" #") || part.contains('\n');
            let begins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '(');
            (!is_special && (!first || part.starts_with(begins))).then_some(part)
        }
    }
}

/// Returns `true` if the text without quotes has the same value in every YAML parser.
pub fn is_plain(value: &str) -> bool {
    let bytes = value.as_bytes();
    let starts_well = match bytes.first() {
        Some(first) if first.is_ascii() => first.is_ascii_alphabetic() || *first == b'_',
        _ => value.chars().next().is_some_and(char::is_alphabetic),
    };
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_word = || value.len() <= 5 && words.iter().any(|word| value.eq_ignore_ascii_case(word));
    // Colons and spaces are special only before certain characters or at the end of the string.
    let is_usual = |(at, byte): (usize, &u8)| match byte {
        b'\t' | b'\n' | b'{' | b'}' => false,
        b':' => bytes.get(at + 1).is_some_and(|next| *next != b' '),
        b' ' => bytes.get(at + 1).is_some_and(|next| *next != b'#'),
        _ => true,
    };
    starts_well && !is_word() && bytes.iter().enumerate().all(is_usual) && !has_special_char(value)
}

/// Writes `count` spaces.
pub fn write_spaces(output: &mut String, count: usize) {
    output.extend(std::iter::repeat_n(' ', count));
}

#[cfg(test)]
mod tests {
    use super::{format_scalar, is_hidden, key_text};

    #[test]
    fn scalars_round_trip() {
        for value in [
            "plain words",
            "yes",
            "a: b",
            "x #y",
            "- item",
            "\"quoted\"",
            "it's",
            "{{ x }}",
            "50%",
            "é à ü",
            "ends:",
            "12",
            "two\nlines",
            "  indented\n  lines",
            "ends with a line\n",
            "a\n\nb",
            "blanks  \nat ends",
            "a\\b",
            "*star",
            "@at",
            "tab\there",
            "\u{85}",
            "\u{2028}",
            "one\u{2029}two\nlines\u{7f}",
            "\u{feff}begins",
            "from \u{202e}right\u{202c} to left",
            "nul\0",
            "one\rtwo",
        ] {
            let text = format!("k: {}\n", format_scalar(value, 2));
            assert!(!text.contains(is_hidden), "{text:?}");
            let node = crate::yaml::read(&text, &mut Vec::new()).unwrap().unwrap();
            assert_eq!(node.get("k").unwrap().text(), Some(value), "{text}");
        }
        let text = format!("{}: 1\n", key_text("Net\r\nRevenue"));
        let node = crate::yaml::read(&text, &mut Vec::new()).unwrap().unwrap();
        assert!(node.get("Net\r\nRevenue").is_some(), "{text}");
    }
}
