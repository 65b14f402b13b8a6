//! Reverses the compiler's translation of literals: derives masks, regular expressions and wildcard strings from SQL
//! literals. The functions return candidates. The caller compiles each candidate and compares the result with the SQL,
//! because a candidate may compile to different SQL.

use super::mask::{LEADING_ZERO_PATTERN, MaskDatePart, SIGN_AND_ZERO_PATTERN, SIGN_PATTERN, is_unquoted_literal};
use super::number_mask::{MAX_DECIMALS, MAX_ZEROS, NumberMask};
use super::regex::{METACHARACTERS, class_members};

/// Maximum number of groups in a pattern. If the pattern has more groups, no candidates with a single capturing group
/// are created.
const MAX_GROUPS: usize = 6;

/// All date parts except literals, each with its letters in a mask.
const PARTS: [(MaskDatePart, &str); 19] = [
    (MaskDatePart::Year4, "yyyy"),
    (MaskDatePart::Year2, "yy"),
    (MaskDatePart::MonthName, "mmmm"),
    (MaskDatePart::MonthShort, "mmm"),
    (MaskDatePart::Month2, "mm"),
    (MaskDatePart::Month, "m"),
    (MaskDatePart::DayName, "dddd"),
    (MaskDatePart::DayShort, "ddd"),
    (MaskDatePart::Day2, "dd"),
    (MaskDatePart::Day, "d"),
    (MaskDatePart::Hour2, "hh"),
    (MaskDatePart::Hour, "h"),
    (MaskDatePart::Twelve2, "hh"),
    (MaskDatePart::Twelve, "h"),
    (MaskDatePart::Minute2, "mm"),
    (MaskDatePart::Minute, "m"),
    (MaskDatePart::Second2, "ss"),
    (MaskDatePart::Second, "s"),
    (MaskDatePart::AmPm, "AM/PM"),
];

/// Returns the date masks that can compile to the given SQL format.
pub fn date_masks_from_sql(sql_format: &str) -> Vec<String> {
    type DatePartWriter = fn(&MaskDatePart, &mut String);
    let writers: [DatePartWriter; 3] = [
        MaskDatePart::write_strftime,
        MaskDatePart::write_to_char_format,
        |part, out| {
            part.write_plain_to_char(out);
        },
    ];
    let mut masks: Vec<String> = writers
        .into_iter()
        .filter_map(|spell| date_mask_from_sql(sql_format, spell))
        .collect();
    masks.dedup();
    masks
}

/// Returns the date mask for an SQL format in the given notation. `None` if the format contains no date part.
fn date_mask_from_sql(sql_format: &str, spell: fn(&MaskDatePart, &mut String)) -> Option<String> {
    let spelling = |part: &MaskDatePart| {
        let mut out = String::new();
        spell(part, &mut out);
        out
    };
    let mut parts: Vec<(String, &str)> = PARTS.iter().map(|(part, letters)| (spelling(part), *letters)).collect();
    parts.retain(|(spelling, _)| !spelling.is_empty());
    parts.sort_by_key(|(spelling, _)| std::cmp::Reverse(spelling.len()));
    let is_quoted = spelling(&MaskDatePart::Literal("a".to_owned())).starts_with('"');
    let percent = spelling(&MaskDatePart::Literal("%".to_owned()));
    let (mut mask, mut literal, mut rest, mut has_part) = (String::new(), String::new(), sql_format, false);
    while let Some(c) = rest.chars().next() {
        if let Some((part, letters)) = parts.iter().find(|(part, _)| rest.starts_with(part.as_str())) {
            push_affix(&mut mask, &std::mem::take(&mut literal), false);
            mask.push_str(letters);
            has_part = true;
            rest = rest.get(part.len()..)?;
        } else if rest.starts_with(&percent) {
            literal.push('%');
            rest = rest.get(percent.len()..)?;
        } else if c == '"' && is_quoted {
            // Quoted text is literal. Quotes inside it are escaped with a backslash.
            let mut chars = rest.char_indices().skip(1);
            let end = loop {
                match chars.next()? {
                    (offset, '"') => break offset + 1,
                    (_, '\\') => literal.push(chars.next()?.1),
                    (_, c) => literal.push(c),
                }
            };
            rest = rest.get(end..)?;
        } else {
            literal.push(c);
            rest = rest.get(c.len_utf8()..)?;
        }
    }
    push_affix(&mut mask, &literal, false);
    has_part.then_some(mask)
}

/// Appends literal text to a mask. The text is unquoted if possible. `%` can be unquoted only if `has_percents` is set.
fn push_affix(mask: &mut String, text: &str, has_percents: bool) {
    if text
        .chars()
        .all(|c| is_unquoted_literal(c) || (c == '%' && has_percents))
    {
        mask.push_str(text);
    } else if text.contains('"') {
        text.chars().for_each(|c| mask.extend(['\\', c]));
    } else {
        mask.extend(["\"", text, "\""]);
    }
}

/// Returns the possible mask notations of a string that comes before or after the digits, or that replaces the number.
pub fn affix_masks_from_sql(text: &str) -> Vec<String> {
    let text = text
        .strip_prefix("\\1")
        .map_or_else(|| text.to_owned(), |text| text.replace("\\\\", "\\"));
    let mut masks = vec![affix_mask(&text, true), affix_mask(&text, false)];
    masks.dedup();
    masks
}

/// Returns literal text in the notation of a date mask.
pub fn mask_literal_from_sql(text: &str) -> String {
    affix_mask(text, false)
}

fn affix_mask(text: &str, has_percents: bool) -> String {
    let mut mask = String::new();
    push_affix(&mut mask, text, has_percents);
    mask
}

/// Returns the mask of a date part that the SQL formats separately. `texts` contains the text literals of the SQL.
pub fn date_part_mask_from_sql(texts: &[&str]) -> Option<String> {
    let mask = texts.iter().find_map(|text| date_masks_from_sql(text).pop())?;
    let twelve = MaskDatePart::Twelve2.plain_to_char_format()?;
    let is_short = texts.contains(&LEADING_ZERO_PATTERN) && texts.contains(&twelve);
    Some(if is_short { "h".to_owned() } else { mask })
}

/// Returns whether a string is a regular expression that removes digits or signs that the number mask does not show.
pub fn is_digit_pattern(text: &str) -> bool {
    let optional = text.strip_suffix("}$").map(|text| text.trim_start_matches("\\.?"));
    matches!(text, SIGN_PATTERN | SIGN_AND_ZERO_PATTERN)
        || digit_group_sizes(text).is_some()
        || optional.is_some_and(|text| text.starts_with("0{1,"))
}

/// Returns the digit placeholders of the number masks that may compile to the given SQL strings.
pub fn digit_masks_from_sql(sql_texts: &[&str]) -> Vec<String> {
    let mut placeholders = Vec::new();
    let takes_zero = sql_texts.contains(&SIGN_AND_ZERO_PATTERN);
    for grouped in [false, true] {
        for zeros in u32::from(!takes_zero)..=if grouped { 1 } else { MAX_ZEROS } {
            for decimals in 0..=MAX_DECIMALS {
                let mask = NumberMask {
                    zeros,
                    decimals,
                    grouped,
                    decimal_zeros: decimals,
                    ..NumberMask::default()
                };
                let mask_texts = [
                    mask.to_char_format(),
                    mask.to_printf_format(false),
                    mask.to_printf_format(true),
                    mask.to_python_format(false),
                    mask.to_python_format(true),
                ];
                if mask_texts
                    .iter()
                    .any(|mask_text| sql_texts.contains(&mask_text.as_str()))
                {
                    if zeros > 1 && decimals == 0 {
                        placeholders.extend(code_masks_from_sql(zeros, sql_texts));
                    }
                    placeholders.extend(digit_placeholders(&mask, sql_texts));
                }
            }
        }
    }
    placeholders
}

/// Returns the group sizes in the regular expression of a code mask. For example, returns `[3]` for `([0-9]{3})$`.
fn digit_group_sizes(pattern: &str) -> Option<Vec<usize>> {
    let groups = pattern
        .strip_suffix('$')
        .filter(|groups| !groups.is_empty())?
        .split_inclusive(')');
    groups
        .map(|group| group.strip_prefix("([0-9]{")?.strip_suffix("})")?.parse().ok())
        .collect()
}

/// Returns code masks such as `0000-000`. Each mask contains `zeros` zeros and the separators that the replacement text
/// inserts between the groups.
fn code_masks_from_sql(zeros: u32, sql_texts: &[&str]) -> Vec<String> {
    let code_mask = |(sizes, new): (&[usize], &str)| {
        let first = (zeros as usize).checked_sub(sizes.iter().sum())?;
        let (mut mask, mut rest) = ("0".repeat(first), new);
        for (index, size) in sizes.iter().enumerate() {
            let (between, more) = rest.split_once(&format!("\\{}", index + 1))?;
            mask += &mask_literal_from_sql(&between.replace("\\\\", "\\"));
            mask += &"0".repeat(*size);
            rest = more;
        }
        (first > 0 && rest.is_empty()).then_some(mask)
    };
    let patterns: Vec<Vec<usize>> = sql_texts.iter().filter_map(|text| digit_group_sizes(text)).collect();
    patterns
        .iter()
        .flat_map(|sizes| sql_texts.iter().map(|new| (sizes.as_slice(), *new)))
        .filter_map(code_mask)
        .collect()
}

/// Returns the digit placeholders of a mask. Includes the variants with optional decimals (`#`) if one of the patterns
/// removes trailing zeros.
fn digit_placeholders(mask: &NumberMask, patterns: &[&str]) -> Vec<String> {
    let integer_part = match (mask.grouped, mask.zeros) {
        (true, 0) => "#,###".to_owned(),
        (true, _) => "#,##0".to_owned(),
        (false, 0) => "#".to_owned(),
        (false, zeros) => "0".repeat(zeros as usize),
    };
    let placeholder = |decimal_zeros: u32| {
        let fewer = NumberMask {
            decimal_zeros,
            ..mask.clone()
        };
        let matches_pattern = fewer
            .optional_decimals()
            .is_none_or(|pattern| patterns.contains(&pattern.as_str()));
        let (zeros, others) = (decimal_zeros as usize, (mask.decimals - decimal_zeros) as usize);
        let point = if mask.decimals > 0 { "." } else { "" };
        matches_pattern.then(|| format!("{integer_part}{point}{}{}", "0".repeat(zeros), "#".repeat(others)))
    };
    (0..=mask.decimals).filter_map(placeholder).collect()
}

/// Returns the wildcard text that may compile to a regular expression. `None` if wildcards cannot express the regular
/// expression.
pub fn wildcards_from_regex(pattern: &str) -> Option<String> {
    let body = ["(?is)", "(?i)"]
        .into_iter()
        .find_map(|flags| pattern.strip_prefix(flags))
        .unwrap_or(pattern);
    let mut out = String::new();
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '.' => out.push(if chars.next_if_eq(&'*').is_some() { '*' } else { '?' }),
            '\\' => push_wildcard_escaped(&mut out, chars.next()?),
            c if METACHARACTERS.contains(c) => return None,
            c => push_wildcard_escaped(&mut out, c),
        }
    }
    Some(out)
}

/// Returns the wildcard text that may compile to a LIKE pattern.
pub fn wildcards_from_like(like: &str) -> String {
    let mut out = String::with_capacity(like.len());
    let mut chars = like.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => out.push('*'),
            '_' => out.push('?'),
            '\\' => out.extend(chars.next()),
            c => push_wildcard_escaped(&mut out, c),
        }
    }
    out
}

fn push_wildcard_escaped(out: &mut String, c: char) {
    if matches!(c, '*' | '?' | '~') {
        out.push('~');
    }
    out.push(c);
}

/// Returns the regular expressions in formulas that may compile to the given regular expression in SQL.
pub fn regexes_from_sql(sql_pattern: &str) -> Vec<String> {
    let plain = sql_pattern.strip_prefix("(?i)").unwrap_or(sql_pattern);
    let mut short = plain.replace("[^\\n]", ".");
    for class in ['d', 'w', 's'] {
        short = short.replace(
            &format!("[^{}]", class_members(class)),
            &format!("\\{}", class.to_ascii_uppercase()),
        );
        short = short.replace(&format!("[{}]", class_members(class)), &format!("\\{class}"));
        short = short.replace(class_members(class), &format!("\\{class}"));
    }
    let mut patterns = vec![plain.to_owned(), short];
    // In dialects in which all groups capture, the compiler translates non-capturing groups to capturing groups.
    let of_one: Vec<String> = patterns
        .iter()
        .flat_map(|pattern| single_group_variants(pattern))
        .collect();
    patterns.extend(of_one);
    patterns.dedup();
    let ignoring: Vec<String> = patterns.iter().map(|pattern| format!("(?i){pattern}")).collect();
    patterns.extend(ignoring);
    patterns
}

/// Returns one pattern for each group. In each pattern, only the respective group captures.
fn single_group_variants(pattern: &str) -> Vec<String> {
    let mut groups = Vec::new();
    let (mut is_escaped, mut in_class) = (false, false);
    for (offset, c) in pattern.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class && !pattern[offset..].starts_with("(?") => groups.push(offset + 1),
            _ => {}
        }
    }
    let of_one = |group_start: &usize| {
        let mut out = pattern.to_owned();
        groups
            .iter()
            .rev()
            .filter(|other_start| *other_start != group_start)
            .for_each(|other_start| out.insert_str(*other_start, "?:"));
        out
    };
    if (2..=MAX_GROUPS).contains(&groups.len()) {
        groups.iter().map(of_one).collect()
    } else {
        Vec::new()
    }
}

/// Converts the replacement text of an SQL regex function back to the syntax of formulas: `\1` to `$1`.
pub fn replacement_from_sql(sql_replacement: &str) -> String {
    let mut out = String::new();
    let mut chars = sql_replacement.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some(digit)) if digit.is_ascii_digit() => out.extend(['$', digit]),
            ('\\', next) => out.extend(next),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::criteria::wildcards::wildcards_to_regex;
    use crate::check::text::mask::tests::date_notations;
    use crate::check::text::number_mask::parse_number_mask;
    use crate::check::text::regex::{self, RegexPattern};

    #[test]
    fn sql_formats_convert_back_to_masks() {
        for mask in [
            "yyyy-mm-dd",
            "dddd, d mmmm \"of\" yyyy",
            "hh:mm:ss",
            "h:mm AM/PM",
            "d\\\"\\\\m",
            "\"100%\" yy",
        ] {
            let (strftime, to_char) = date_notations(mask);
            assert!(
                date_masks_from_sql(&strftime)
                    .iter()
                    .any(|back| date_notations(back) == date_notations(mask)),
                "{mask}: {strftime}"
            );
            assert!(
                date_masks_from_sql(&to_char)
                    .iter()
                    .any(|back| date_notations(back) == date_notations(mask)),
                "{mask}: {to_char}"
            );
        }
        for mask in ["0", "#,##0.00", "#", "00000", "0.0#", "#.##", "#,###.000"] {
            let parsed_mask = parse_number_mask(mask).unwrap();
            for sql_format in [
                parsed_mask.to_char_format(),
                parsed_mask.to_printf_format(false),
                parsed_mask.to_python_format(false),
            ] {
                let optional = parsed_mask.optional_decimals().unwrap_or_default();
                let masks = digit_masks_from_sql(&[
                    &sql_format,
                    &optional,
                    if parsed_mask.zeros == 0 {
                        SIGN_AND_ZERO_PATTERN
                    } else {
                        SIGN_PATTERN
                    },
                ]);
                assert!(
                    masks.iter().any(|back| parse_number_mask(back).unwrap() == parsed_mask),
                    "{mask}: {sql_format} {masks:?}"
                );
            }
        }
        assert_eq!(affix_masks_from_sql("\\1$"), ["$"]);
        assert_eq!(affix_masks_from_sql(" Mio %"), ["\" Mio %\""]);
        assert_eq!(affix_masks_from_sql(" %"), [" %", "\" %\""]);
        for mask in ["0.0#", "#.##", "#,##0.000####"] {
            let optional = parse_number_mask(mask).unwrap().optional_decimals().unwrap();
            assert!(is_digit_pattern(&optional), "{mask}: {optional}");
        }
        assert_eq!(date_part_mask_from_sql(&["HH12", "^0"]).as_deref(), Some("h"));
        assert_eq!(date_part_mask_from_sql(&["HH12"]).as_deref(), Some("hh"));
        assert_eq!(mask_literal_from_sql(" of "), "\" of \"");
    }

    #[test]
    fn like_patterns_convert_back() {
        for text in ["a*b?", "(1.5~**", "~~?~?"] {
            let RegexPattern { re2, ere, are, .. } = wildcards_to_regex(text).unwrap();
            for pattern in [re2, ere, are] {
                assert_eq!(wildcards_from_regex(&pattern).as_deref(), Some(text), "{pattern}");
            }
        }
        assert_eq!(wildcards_from_regex("[a-z]"), None);
    }

    #[test]
    fn regular_expressions_convert_back() {
        for text in [r"(\w+), (\w+)", r"(?i)^a.c[^\d]\s$", r"@(\w+)\.(?:com|org)"] {
            let pattern = regex::read(text).unwrap();
            for sql_pattern in [&pattern.re2, &pattern.ere, &pattern.are] {
                let is_it = |back: &String| {
                    regex::read(back).is_ok_and(|back| [back.re2, back.ere, back.are].contains(sql_pattern))
                };
                assert!(regexes_from_sql(sql_pattern).iter().any(is_it), "{text}: {sql_pattern}");
            }
        }
        let (plain, _) = regex::replacement_to_sql("$2 \\x $1", &[1, 2]).unwrap();
        assert_eq!(replacement_from_sql(&plain), "$2 \\x $1");
        assert_eq!(
            single_group_variants(r"(a|\()([(]b)"),
            [r"(a|\()(?:[(]b)", r"(?:a|\()([(]b)"]
        );
    }
}
