//! Unquoted words that YAML does not interpret as strings.

/// Returns the type of a plain scalar in YAML. Returns `None` for a string. Names of any other type must be quoted.
/// Because parsers differ, the result includes every type that a common parser, old or new, may choose.
pub fn non_text_type(plain: &str) -> Option<&'static str> {
    match plain.to_ascii_lowercase().as_str() {
        "" | "~" | "null" => return Some("null"),
        _ if parse_boolean(plain).is_some() => return Some("a boolean"),
        _ => {}
    }
    if is_date(plain) {
        return Some("a date");
    }
    let digits = plain.trim_start_matches(['+', '-']);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.contains(|c: char| c.is_ascii_digit())
        && (digits.replace('_', "").parse::<f64>().is_ok() || digits.starts_with("0x") || digits.starts_with("0o"));
    is_number.then_some("a number")
}

/// Returns the boolean value of a plain scalar. Also accepts other words, such as `yes`, which formatters rewrite
/// to `true`.
pub fn parse_boolean(plain: &str) -> Option<bool> {
    match plain.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn is_date(plain: &str) -> bool {
    let mut parts = plain.split('-');
    let digits = |part: Option<&str>, lengths: [usize; 2]| {
        part.is_some_and(|p| lengths.contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))
    };
    digits(parts.next(), [4, 4])
        && digits(parts.next(), [1, 2])
        && digits(parts.next(), [1, 2])
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::non_text_type;

    #[test]
    fn typed_words_are_distinguished_from_texts() {
        for (plain, reading) in [
            ("2024", Some("a number")),
            ("-1.5e3", Some("a number")),
            ("0x1F", Some("a number")),
            ("1_000", Some("a number")),
            ("2024-01-31", Some("a date")),
            ("No", Some("a boolean")),
            ("~", Some("null")),
            ("x2024", None),
            ("2024q1", None),
            ("1-2", None),
            ("norway", None),
            (".", None),
        ] {
            assert_eq!(non_text_type(plain), reading, "{plain}");
        }
    }
}
