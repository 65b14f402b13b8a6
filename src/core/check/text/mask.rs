//! Masks for TEXT, such as `#,##0.00` and `yyyy-mm-dd`. Masks are parsed at compile time, so that unsupported masks are
//! reported as errors instead of producing wrong text.

use std::ops::Range;

/// Regular expressions for the sign of a formatted number. `SIGN_AND_ZERO_PATTERN` also matches a leading zero, to
/// remove it if the mask has no digit for it.
pub(in crate::check) const SIGN_PATTERN: &str = "^(-?)";
pub(in crate::check) const SIGN_AND_ZERO_PATTERN: &str = "^(-?)0?";
/// Regular expression for the leading zero of an hour, which masks such as `h` omit.
pub(in crate::check) const LEADING_ZERO_PATTERN: &str = "^0";

/// Part of a date or time.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) enum MaskDatePart {
    Year4,
    Year2,
    MonthName,
    MonthShort,
    Month2,
    Month,
    DayName,
    DayShort,
    Day2,
    Day,
    Hour2,
    Hour,
    /// Hour of the 12-hour clock, with two digits.
    Twelve2,
    Twelve,
    Minute2,
    Minute,
    Second2,
    Second,
    AmPm,
    Literal(String),
}

/// Reason why a mask is rejected, with the position of the error.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) struct MaskError {
    pub at: Range<usize>,
    pub why: String,
}

pub(in crate::check) fn mask_error<T>(range: Range<usize>, why: impl Into<String>) -> Result<T, MaskError> {
    Err(MaskError {
        at: range,
        why: why.into(),
    })
}

/// Returns whether a character can be literal text without quotes.
pub(in crate::check) fn is_unquoted_literal(c: char) -> bool {
    " $€£¥-+/():!^&'~{}<>=".contains(c) || (!c.is_ascii() && !c.is_alphanumeric())
}

/// Returns the text that a bracketed part produces: an empty string for a color, or the currency symbol for a currency
/// such as `[$€-407]`. `None` for conditions and elapsed times.
fn text_of_bracketed_part(inner: &str) -> Option<String> {
    const COLOURS: [&str; 8] = ["black", "blue", "cyan", "green", "magenta", "red", "white", "yellow"];
    if let Some(currency) = inner.strip_prefix('$') {
        return Some(currency.split_once('-').map_or(currency, |(sign, _)| sign).to_owned());
    }
    let lower = inner.to_ascii_lowercase();
    let numbered = lower
        .strip_prefix("color")
        .is_some_and(|number| number.trim().parse::<u8>().is_ok());
    (numbered || COLOURS.contains(&lower.as_str())).then(String::new)
}

/// Parses literal text: text in quotes, a character after a backslash, a bracketed part, or a space such as `_)`.
/// Returns the text and its end. `None` if there is no literal at this position.
pub(in crate::check) fn parse_quoted(mask: &str, offset: usize) -> Option<Result<(String, usize), MaskError>> {
    let rest = mask.get(offset..)?;
    if let Some(rest) = rest.strip_prefix('"') {
        return Some(match rest.split_once('"') {
            Some((inner, _)) => Ok((inner.to_owned(), offset + inner.len() + 2)),
            None => mask_error(offset..offset + 1, "this quote is not closed"),
        });
    }
    if let Some((inner, _)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return text_of_bracketed_part(inner).map(|text| Ok((text, offset + inner.len() + 2)));
    }
    if let Some(rest) = rest.strip_prefix('_') {
        return Some(match rest.chars().next() {
            // In a cell, `_` produces a space with the width of the next character. In a string, the result is a single
            // space.
            Some(c) => Ok((" ".to_owned(), offset + 1 + c.len_utf8())),
            None => mask_error(offset..offset + 1, "`_` must be followed by a character, as in `_)`"),
        });
    }
    let rest = rest.strip_prefix('\\')?;
    Some(match rest.chars().next() {
        Some(c) => Ok((c.to_string(), offset + 1 + c.len_utf8())),
        None => mask_error(
            offset..offset + 1,
            "a backslash must be followed by a literal character",
        ),
    })
}

/// Returns whether a mask is a date mask. A date mask contains date letters outside of quotes and is not a mask for
/// elapsed time.
pub(in crate::check) fn is_date_mask(mask: &str) -> bool {
    if find_elapsed(mask).is_some() {
        return false;
    }
    let mut offset = 0;
    while let Some(c) = mask.get(offset..).and_then(|rest| rest.chars().next()) {
        offset = match parse_quoted(mask, offset) {
            Some(Ok((_, next))) => next,
            Some(Err(_)) => return false,
            // Skip letters inside a condition, because conditions are rejected elsewhere.
            None if c == '[' => mask
                .get(offset..)
                .and_then(|rest| rest.find(']'))
                .map_or(mask.len(), |end| offset + end + 1),
            None if "ymdhsYMDHS".contains(c) => return true,
            None => offset + c.len_utf8(),
        };
    }
    false
}

/// Finds an elapsed time (`[h]`, `[mm]` or `[ss]`) in a mask.
pub(in crate::check) fn find_elapsed(mask: &str) -> Option<Range<usize>> {
    let mut offset = 0;
    while let Some(c) = mask.get(offset..).and_then(|rest| rest.chars().next()) {
        let inner = mask
            .get(offset..)?
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .map(|(inner, _)| inner);
        offset = match (parse_quoted(mask, offset), inner) {
            (Some(text), _) => text.ok()?.1,
            (None, Some(inner)) if !inner.is_empty() && inner.bytes().all(|b| b"hmsHMS".contains(&b)) => {
                return Some(offset..offset + inner.len() + 2);
            }
            _ => offset + c.len_utf8(),
        };
    }
    None
}

/// Part of an elapsed time.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) enum ElapsedPart {
    /// Number of whole units in the remainder of the previous unit. Each unit is `seconds` seconds long.
    Units {
        seconds: i64,
        /// Size of the previous unit in seconds. `None` for the first unit.
        within: Option<i64>,
        digits: u32,
    },
    Literal(String),
}

/// Parses an elapsed time such as `[h]:mm:ss`: the first unit in brackets, then smaller units.
pub(in crate::check) fn parse_elapsed_time(mask: &str) -> Result<Vec<ElapsedPart>, MaskError> {
    let mut parts: Vec<ElapsedPart> = Vec::new();
    let (mut offset, mut before) = (0, None);
    while let Some(c) = mask.get(offset..).and_then(|rest| rest.chars().next()) {
        let rest = mask.get(offset..).unwrap_or_default();
        if let Some(text) = parse_quoted(mask, offset) {
            let (text, next) = text?;
            parts.push(ElapsedPart::Literal(text));
            offset = next;
            continue;
        }
        let inner = rest
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .map(|(inner, _)| inner);
        let letters = inner.unwrap_or(rest);
        let letter = letters.chars().next().map_or(c, |letter| letter.to_ascii_lowercase());
        let count = letters
            .chars()
            .take_while(|other| other.to_ascii_lowercase() == letter)
            .count();
        let end = offset + if inner.is_some() { count + 2 } else { count };
        let seconds = match letter {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ if is_unquoted_literal(c) || c == '.' => {
                parts.push(ElapsedPart::Literal(c.to_string()));
                offset += c.len_utf8();
                continue;
            }
            '0' | '#' => return mask_error(offset..offset + 1, "fractions of seconds are not supported"),
            _ => {
                return mask_error(
                    offset..offset + c.len_utf8(),
                    "an elapsed time consists of hours, minutes and seconds, for example `[h]:mm:ss`",
                );
            }
        };
        let is_known = inner.is_none_or(|inner| inner.len() == count) && count <= 2;
        if !is_known || inner.is_some() != before.is_none() || before.is_some_and(|before| before <= seconds) {
            return mask_error(
                offset..end,
                "only the first and largest unit may be in brackets, for example `[h]:mm:ss` or `[mm]:ss`",
            );
        }
        parts.push(ElapsedPart::Units {
            seconds,
            within: before,
            digits: count as u32,
        });
        (before, offset) = (Some(seconds), end);
    }
    Ok(parts)
}

/// Splits a mask into its sections for positive numbers, negative numbers, zero and strings. Returns each section with
/// its start.
pub(in crate::check) fn split_sections(mask: &str) -> Result<Vec<(usize, &str)>, MaskError> {
    let mut ends = Vec::new();
    let mut offset = 0;
    while let Some(c) = mask.get(offset..).and_then(|rest| rest.chars().next()) {
        offset = match parse_quoted(mask, offset) {
            Some(text) => text?.1,
            None => {
                if c == ';' {
                    ends.push(offset);
                }
                offset + c.len_utf8()
            }
        };
    }
    if let Some(fifth) = ends.get(3) {
        let why = "a mask has at most four sections: for positive numbers, negative numbers, 0 and text";
        return mask_error(*fifth..fifth + 1, why);
    }
    ends.push(mask.len());
    let mut first = 0;
    let section = |end: usize| {
        let from = std::mem::replace(&mut first, end + 1);
        (from, mask.get(from..end).unwrap_or_default())
    };
    Ok(ends.into_iter().map(section).collect())
}

/// Returns the text of a section that contains no digits. `None` if the section has digits or characters that masks
/// do not support.
pub(in crate::check) fn text_of_literal_section(section: &str) -> Option<String> {
    let (mut out, mut offset) = (String::new(), 0);
    while let Some(c) = section.get(offset..).and_then(|rest| rest.chars().next()) {
        match parse_quoted(section, offset) {
            Some(text) => {
                let (text, next) = text.ok()?;
                out.push_str(&text);
                offset = next;
            }
            None if is_unquoted_literal(c) => {
                out.push(c);
                offset += c.len_utf8();
            }
            None => return None,
        }
    }
    Some(out)
}

pub(in crate::check) fn parse_date_mask(mask: &str) -> Result<Vec<MaskDatePart>, MaskError> {
    /// Part of a mask in which the letters `m` and `h` have not been resolved yet.
    enum UnresolvedMaskPart {
        Letters(char, usize, Range<usize>),
        AmPm,
        Literal(String),
    }
    let mut runs: Vec<UnresolvedMaskPart> = Vec::new();
    let mut offset = 0;
    while let Some(c) = mask.get(offset..).and_then(|rest| rest.chars().next()) {
        let rest = mask.get(offset..).unwrap_or_default();
        if let Some(text) = parse_quoted(mask, offset) {
            let (text, next) = text?;
            runs.push(UnresolvedMaskPart::Literal(text));
            offset = next;
        } else if rest.get(..5).is_some_and(|five| five.eq_ignore_ascii_case("am/pm")) {
            runs.push(UnresolvedMaskPart::AmPm);
            offset += 5;
        } else if "ymdhs".contains(c.to_ascii_lowercase()) {
            let count = rest.chars().take_while(|other| other.eq_ignore_ascii_case(&c)).count();
            runs.push(UnresolvedMaskPart::Letters(
                c.to_ascii_lowercase(),
                count,
                offset..offset + count,
            ));
            offset += count;
        } else if is_unquoted_literal(c) || matches!(c, '.' | ',') {
            runs.push(UnresolvedMaskPart::Literal(c.to_string()));
            offset += c.len_utf8();
        } else {
            let range = offset..offset + c.len_utf8();
            return match c {
                '0' | '#' => mask_error(
                    range,
                    "digit placeholders are for numbers; fractions of seconds are not supported",
                ),
                '[' => mask_error(range, "conditions are not supported; write `IF(…)`"),
                'q' | 'Q' => mask_error(range, "write the quarter as `\"Q\" & QUARTER(date)`"),
                c if c.is_alphabetic() => mask_error(range, "put letters that are not part of a date in quotes"),
                _ => mask_error(range, "this character is not part of a date mask; put it in quotes"),
            };
        }
    }
    let letters = |run: Option<&UnresolvedMaskPart>, letter: char| matches!(run, Some(UnresolvedMaskPart::Letters(c, ..)) if *c == letter);
    let twelve = runs.iter().any(|run| matches!(run, UnresolvedMaskPart::AmPm));
    let timed = |index: usize| {
        let is_part = |run: &&UnresolvedMaskPart| !matches!(run, UnresolvedMaskPart::Literal(_));
        let before = runs.iter().take(index).rev().find(is_part);
        let after = runs.iter().skip(index + 1).find(is_part);
        letters(before, 'h') || letters(after, 's')
    };
    let mut parts: Vec<MaskDatePart> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let part = match run {
            UnresolvedMaskPart::Literal(text) => match parts.last_mut() {
                Some(MaskDatePart::Literal(before)) => {
                    before.push_str(text);
                    continue;
                }
                _ => MaskDatePart::Literal(text.clone()),
            },
            UnresolvedMaskPart::AmPm => MaskDatePart::AmPm,
            UnresolvedMaskPart::Letters(c, count, run_range) => match (c, count) {
                ('y', 1 | 2) => MaskDatePart::Year2,
                ('y', 3 | 4) => MaskDatePart::Year4,
                ('m', 2) if timed(index) => MaskDatePart::Minute2,
                ('m', 1) if timed(index) => MaskDatePart::Minute,
                ('m', 1) => MaskDatePart::Month,
                ('m', 2) => MaskDatePart::Month2,
                ('m', 3) => MaskDatePart::MonthShort,
                ('m', 4) => MaskDatePart::MonthName,
                ('d', 1) => MaskDatePart::Day,
                ('d', 2) => MaskDatePart::Day2,
                ('d', 3) => MaskDatePart::DayShort,
                ('d', 4) => MaskDatePart::DayName,
                ('h', 1) if twelve => MaskDatePart::Twelve,
                ('h', 2) if twelve => MaskDatePart::Twelve2,
                ('h', 1) => MaskDatePart::Hour,
                ('h', 2) => MaskDatePart::Hour2,
                ('s', 2) => MaskDatePart::Second2,
                ('s', 1) => MaskDatePart::Second,
                _ => return mask_error(run_range.clone(), "a date part cannot have this many letters"),
            },
        };
        parts.push(part);
    }
    if parts.iter().all(|part| matches!(part, MaskDatePart::Literal(_))) {
        return mask_error(0..mask.len(), "the mask has no date part");
    }
    Ok(parts)
}

impl MaskDatePart {
    /// Returns whether the part belongs to the time of day.
    pub fn is_time_part(&self) -> bool {
        use MaskDatePart::{AmPm, Hour, Hour2, Minute, Minute2, Second, Second2, Twelve, Twelve2};
        matches!(
            self,
            Hour | Hour2 | Twelve | Twelve2 | Minute | Minute2 | Second | Second2 | AmPm
        )
    }

    /// Appends the part in the notation of C's strftime.
    pub fn write_strftime(&self, out: &mut String) {
        out.push_str(match self {
            Self::Year4 => "%Y",
            Self::Year2 => "%y",
            Self::MonthName => "%B",
            Self::MonthShort => "%b",
            Self::Month2 => "%m",
            Self::Month => "%-m",
            Self::DayName => "%A",
            Self::DayShort => "%a",
            Self::Day2 => "%d",
            Self::Day => "%-d",
            Self::Hour2 => "%H",
            Self::Hour => "%-H",
            Self::Twelve2 => "%I",
            Self::Twelve => "%-I",
            Self::Minute2 => "%M",
            Self::Minute => "%-M",
            Self::Second2 => "%S",
            Self::Second => "%-S",
            Self::AmPm => "%p",
            Self::Literal(text) => {
                out.push_str(&text.replace('%', "%%"));
                return;
            }
        });
    }

    /// Appends the part in the notation of `TO_CHAR` in Postgres and Oracle, with `FM` for parts without padding.
    pub fn write_to_char_format(&self, out: &mut String) {
        out.push_str(match self {
            Self::MonthName => "FMMonth",
            Self::MonthShort => "Mon",
            Self::Month => "FMMM",
            Self::DayName => "FMDay",
            Self::DayShort => "Dy",
            Self::Day => "FMDD",
            Self::Hour => "FMHH24",
            Self::Twelve => "FMHH12",
            Self::Minute => "FMMI",
            Self::Second => "FMSS",
            Self::Literal(text) => return push_literal(out, text, "\\\""),
            other => other.plain_to_char_format().unwrap_or_default(),
        });
    }

    /// Returns the part in a `TO_CHAR` notation without `FM` and without full day names. `None` if that notation cannot
    /// express the part.
    pub fn plain_to_char_format(&self) -> Option<&'static str> {
        Some(match self {
            Self::Year4 => "YYYY",
            Self::Year2 => "YY",
            Self::MonthName => "MMMM",
            Self::MonthShort => "MON",
            Self::Month2 => "MM",
            Self::DayShort => "DY",
            Self::Day2 => "DD",
            Self::Hour2 => "HH24",
            Self::Twelve2 => "HH12",
            Self::Minute2 => "MI",
            Self::Second2 => "SS",
            Self::AmPm => "AM",
            _ => return None,
        })
    }

    /// Appends the part or literal in a `TO_CHAR` notation without `FM`. `None` if that notation cannot express the
    /// part.
    pub fn write_plain_to_char(&self, out: &mut String) -> Option<()> {
        match self {
            Self::Literal(text) if text.contains('"') => return None,
            Self::Literal(text) => push_literal(out, text, ""),
            part => out.push_str(part.plain_to_char_format()?),
        }
        Some(())
    }
}

/// Appends a literal for `TO_CHAR`. Omits the quotes if the text consists only of spaces and punctuation.
fn push_literal(out: &mut String, text: &str, quote: &str) {
    if text.chars().all(|c| matches!(c, ' ' | '-' | '/' | ':' | '.' | ',')) {
        out.push_str(text);
        return;
    }
    out.push('"');
    out.push_str(&text.replace('\\', "\\\\").replace('"', quote));
    out.push('"');
}

#[cfg(test)]
pub(in crate::check) mod tests {
    use super::*;

    /// Returns a date mask in the notations of strftime and `TO_CHAR`.
    pub fn date_notations(mask: &str) -> (String, String) {
        let (mut strftime, mut to_char) = (String::new(), String::new());
        for part in parse_date_mask(mask).unwrap() {
            part.write_strftime(&mut strftime);
            part.write_to_char_format(&mut to_char);
        }
        (strftime, to_char)
    }

    #[test]
    fn date_masks_are_parsed() {
        for (mask, strftime, to_char) in [
            ("YYYY-MM-DD", "%Y-%m-%d", "YYYY-MM-DD"),
            ("mmmm d, yyyy", "%B %-d, %Y", "FMMonth FMDD, YYYY"),
            ("hh:mm:ss", "%H:%M:%S", "HH24:MI:SS"),
            ("h:mm am/pm", "%-I:%M %p", "FMHH12:MI AM"),
            ("mm:ss", "%M:%S", "MI:SS"),
            ("m/d/yy h:mm", "%-m/%-d/%y %-H:%M", "FMMM/FMDD/YY FMHH24:MI"),
            ("dddd\"%\"", "%A%%", "FMDay\"%\""),
        ] {
            assert_eq!(date_notations(mask), (strftime.into(), to_char.into()), "{mask}");
        }
    }

    #[test]
    fn unknown_masks_are_refused() {
        for mask in ["mmmmm", "yyyyy", "q", "[h]", "sss", "ss.000", "T", "\"d", "-"] {
            assert!(parse_date_mask(mask).is_err(), "{mask}");
        }
        assert!(is_date_mask("\\T yy") && !is_date_mask("\"dm\"0"));
    }
}
