//! TEXT: formats numbers, dates and times with a mask.

use crate::calendar::civil_date;
use crate::exact::round_to_significant_digits;
use crate::functions::CallArgs;
use crate::functions::conversion::as_date;
use crate::functions::text::{evaluate_strict, text};
use crate::functions::timeframes;
use crate::uncertainty;
use crate::value::{SECONDS_PER_DAY, Value};

pub fn call(name: &str, args: CallArgs<'_>) -> Option<Value> {
    (name == "TEXT").then(|| evaluate_strict(args, evaluate_text))
}

fn evaluate_text(args: CallArgs<'_>) -> Option<Value> {
    let mask = text(&args[1]);
    if ["E+0", "E-0", "e+0", "e-0"]
        .iter()
        .any(|exponent| mask.contains(exponent))
    {
        return Some(Value::Text(report_unsupported(&mask, "as a mask with an exponent")));
    }
    let forms = split_sections(&mask);
    let parts = mask_parts(forms.first().map_or("", String::as_str));
    if let Value::Text(text) = &args[0] {
        let form = forms.get(3).map_or(parts, |form| self::mask_parts(form));
        let texts = form.iter().map(|part| match part {
            MaskPart::Plain(plain) => plain.clone(),
            MaskPart::General => text.clone(),
            _ => report_unsupported(text, "in a number mask"),
        });
        return Some(Value::Text(texts.collect()));
    }
    if parts.iter().any(|part| matches!(part, MaskPart::Elapsed(_))) {
        return Some(Value::Text(format_elapsed(&args[0], &parts)));
    }
    if parts
        .iter()
        .any(|part| matches!(part, MaskPart::Letters(_) | MaskPart::Clock12))
    {
        return Some(Value::Text(format_date(&as_date(&args[0]), &parts)));
    }
    // The second section formats negative numbers and omits the sign. The third section formats 0.
    let number = match &args[0] {
        Value::Number(number) => Value::Number(round_to_significant_digits(*number)).text(),
        other => other.text(),
    };
    let is_zero = !number.bytes().any(|b| (b'1'..=b'9').contains(&b));
    Some(Value::Text(match (number.strip_prefix('-'), forms.as_slice()) {
        (Some(positive), [_, negative_mask, ..]) if !is_zero => {
            format_number(positive, &self::mask_parts(negative_mask))
        }
        (_, [_, _, zero, ..]) if is_zero => format_number(&number, &self::mask_parts(zero)),
        _ => format_number(&number, &parts),
    }))
}

/// Splits a mask into its sections, at unquoted semicolons.
fn split_sections(mask: &str) -> Vec<String> {
    let mut forms = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in mask.chars() {
        if c == ';' && !quoted && !escaped {
            forms.push(String::new());
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped && !quoted;
        if let Some(form) = forms.last_mut() {
            form.push(c);
        }
    }
    forms
}

#[derive(Clone, Debug, PartialEq)]
enum MaskPart {
    /// Text that is copied to the result.
    Plain(String),
    /// Run of the same date letter, such as `yyyy`, in lower case.
    Letters(String),
    Clock12,
    /// First unit of an elapsed time, such as `[h]`, in lower case and without brackets.
    Elapsed(String),
    /// Digit placeholders and the separators between them, such as `#,##0.00`.
    Digits(String),
    Percent,
    /// The value in its default format.
    General,
}

fn mask_parts(mask: &str) -> Vec<MaskPart> {
    let signs: Vec<char> = mask.chars().collect();
    let run = |from: usize, predicate: &dyn Fn(char) -> bool| -> String {
        signs.iter().skip(from).copied().take_while(|c| predicate(*c)).collect()
    };
    let mut parts = Vec::new();
    let mut position = 0;
    while let Some(sign) = signs.get(position) {
        let (part, length) = match *sign {
            '"' => {
                let quoted = run(position + 1, &|c| c != '"');
                let length = quoted.chars().count() + 2;
                (MaskPart::Plain(quoted), length)
            }
            'G' | 'g' => (MaskPart::General, "General".len()),
            '@' => (MaskPart::General, 1),
            // Write one space for `_x`, which is whitespace as wide as the character `x`.
            '_' => (MaskPart::Plain(" ".to_owned()), 2),
            '[' => {
                let inner = run(position + 1, &|c| c != ']');
                let length = inner.chars().count() + 2;
                if inner.starts_with(|c: char| "hmsHMS".contains(c)) && inner.len() <= 2 {
                    parts.push(MaskPart::Elapsed(inner.to_ascii_lowercase()));
                    position += length;
                    continue;
                }
                let sign = inner.strip_prefix('$').and_then(|currency| currency.split('-').next());
                (MaskPart::Plain(sign.unwrap_or_default().to_owned()), length)
            }
            '\\' => (
                MaskPart::Plain(signs.get(position + 1).map_or_else(String::new, char::to_string)),
                2,
            ),
            'A' | 'a' => (MaskPart::Clock12, "AM/PM".len()),
            letter @ ('y' | 'm' | 'd' | 'h' | 's' | 'Y' | 'M' | 'D' | 'H' | 'S') => {
                let letters = run(position, &|c| c.eq_ignore_ascii_case(&letter));
                (MaskPart::Letters(letters.to_ascii_lowercase()), letters.len())
            }
            '0' | '#' | '.' | ',' if signs.iter().any(|c| matches!(c, '0' | '#')) => {
                let digits = run(position, &|c| matches!(c, '0' | '#' | '.' | ','));
                let length = digits.len();
                (MaskPart::Digits(digits), length)
            }
            '%' => (MaskPart::Percent, 1),
            other => (MaskPart::Plain(other.to_string()), 1),
        };
        parts.push(part);
        position += length;
    }
    parts
}

/// Formats a number of days as an elapsed time, rounded to seconds.
fn format_elapsed(days: &Value, parts: &[MaskPart]) -> String {
    let Some(days) = days.number() else {
        return report_unsupported(&days.text(), "as a number");
    };
    let seconds = (days * 86400.0).round();
    let mut rest = seconds.abs() as i64;
    let mut output = String::from(if seconds < 0.0 { "-" } else { "" });
    for part in parts {
        let (MaskPart::Elapsed(letters) | MaskPart::Letters(letters)) = part else {
            match part {
                MaskPart::Plain(text) => output += text,
                _ => return report_unsupported("a sign", "in an elapsed-time mask"),
            }
            continue;
        };
        let unit = match letters.as_bytes().first() {
            Some(b'h') => 3600,
            Some(b'm') => 60,
            _ => 1,
        };
        output += &format!("{:0width$}", rest / unit, width = letters.len());
        rest %= unit;
    }
    output
}

/// Formats a date or time. `m` and `mm` mean minutes next to hours or seconds.
fn format_date(value: &Value, parts: &[MaskPart]) -> String {
    let Some(seconds) = value.seconds() else {
        return report_unsupported(&value.text(), "as a date");
    };
    let (date, time) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let ((year, month, day), (hour, minute, second)) = (civil_date(date), (time / 3600, time / 60 % 60, time % 60));
    let twelve = parts.contains(&MaskPart::Clock12);
    let shown_hour = if twelve { (hour + 11) % 12 + 1 } else { hour };
    let letters: Vec<&str> = parts.iter().filter_map(MaskPart::date_mask_letters).collect();
    let name_of_month = timeframes::month_name(month);
    let name_of_day = timeframes::day_name(date);
    let mut seen: usize = 0;
    let mut output = String::new();
    for part in parts {
        let Some(run) = part.date_mask_letters() else {
            match part {
                MaskPart::Clock12 => output += if hour < 12 { "AM" } else { "PM" },
                MaskPart::Plain(text) => output += text,
                MaskPart::Digits(sign) => return report_unsupported(sign, "in a date mask"),
                _ => return report_unsupported("%", "in a date mask"),
            }
            continue;
        };
        let beside = |run_index: Option<usize>, letter: char| {
            run_index
                .and_then(|index| letters.get(index))
                .is_some_and(|l| l.starts_with(letter))
        };
        let is_minute = beside(seen.checked_sub(1), 'h') || beside(Some(seen + 1), 's');
        output += &match run {
            "yyyy" | "yyy" => format!("{year:04}"),
            "yy" => format!("{:02}", year % 100),
            "m" if is_minute => minute.to_string(),
            "mm" if is_minute => format!("{minute:02}"),
            "m" => month.to_string(),
            "mm" => format!("{month:02}"),
            "mmm" => name_of_month.chars().take(3).collect(),
            "mmmm" => name_of_month.to_owned(),
            "d" => day.to_string(),
            "dd" => format!("{day:02}"),
            "ddd" => name_of_day.chars().take(3).collect(),
            "dddd" => name_of_day.to_owned(),
            "h" => shown_hour.to_string(),
            "hh" => format!("{shown_hour:02}"),
            "ss" => format!("{second:02}"),
            "s" => second.to_string(),
            other => return report_unsupported(other, "in a mask"),
        };
        seen += 1;
    }
    output
}

impl MaskPart {
    fn date_mask_letters(&self) -> Option<&str> {
        match self {
            Self::Letters(letters) => Some(letters),
            _ => None,
        }
    }
}

/// Reports an unsupported mask.
fn report_unsupported(description: &str, position: &str) -> String {
    uncertainty::report_unsupported(|| format!("`{description}` {position}"));
    String::new()
}

/// Formats a number with one section of the mask.
fn format_number(number: &str, parts: &[MaskPart]) -> String {
    let digits: Vec<&String> = parts
        .iter()
        .filter_map(|part| {
            if let MaskPart::Digits(digits) = part {
                Some(digits)
            } else {
                None
            }
        })
        .collect();
    let (negative, shown_digits) = match digits.as_slice() {
        [digits] => displayed_digits(number, digits, parts),
        // A section may consist only of literal text.
        [] => match number.strip_prefix('-') {
            Some(positive) if parts.contains(&MaskPart::General) => (true, positive.to_owned()),
            _ => (false, number.to_owned()),
        },
        // Several digit runs form a code, as in a phone number. Each run after the first run receives one digit per
        // placeholder. The first run receives the remaining digits.
        runs => displayed_digits(number, &runs.iter().map(|run| run.as_str()).collect::<String>(), parts),
    };
    let mut left = digits.iter().map(|run| run.len()).sum::<usize>();
    let mut from = 0;
    let text = parts.iter().map(|part| match part {
        MaskPart::Plain(text) => text.as_str(),
        MaskPart::Digits(run) if digits.len() > 1 => {
            left -= run.len();
            let until = shown_digits.len() - left;
            shown_digits
                .get(std::mem::replace(&mut from, until)..until)
                .unwrap_or_default()
        }
        MaskPart::Digits(_) | MaskPart::General => &shown_digits,
        MaskPart::Percent => "%",
        MaskPart::Letters(letters) | MaskPart::Elapsed(letters) => letters,
        MaskPart::Clock12 => "AM/PM",
    });
    // The sign precedes all other parts.
    [if negative { "-" } else { "" }].into_iter().chain(text).collect()
}

/// Returns the digits to display, and whether the displayed number is negative.
fn displayed_digits(number: &str, digits: &str, parts: &[MaskPart]) -> (bool, String) {
    let percents = parts.iter().filter(|part| **part == MaskPart::Percent).count() as i32;
    // Each comma after the digits divides the number by 1,000.
    let mask = digits.trim_end_matches(',');
    let thousands = (digits.len() - mask.len()) as i32;
    let (whole_mask, fraction_mask) = mask.split_once('.').unwrap_or((mask, ""));
    let least = |mask: &str| mask.chars().filter(|c| matches!(c, '0' | '#')).collect::<String>();
    let whole_digits = least(whole_mask);
    let least_whole = whole_digits.find('0').map_or(0, |first| whole_digits.len() - first);
    let least_fraction = fraction_mask.rfind('0').map_or(0, |last| last + 1);

    let (negative, integer_part, fraction) = round_digits(number, 2 * percents - 3 * thousands, fraction_mask.len());
    let integer_digits = format!("{:0>least_whole$}", integer_part.trim_start_matches('0'));
    let fraction_length = fraction.trim_end_matches('0').len().max(least_fraction);
    let mut number = if whole_mask.contains(',') {
        group_thousands(&integer_digits)
    } else {
        integer_digits
    };
    if fraction_length > 0 {
        number.push('.');
        number.extend(fraction.chars().chain(std::iter::repeat('0')).take(fraction_length));
    }
    (negative, number)
}

/// Multiplies a printed number by a power of ten and rounds the result to a number of decimal places, with halves
/// rounded away from zero. Returns a flag that is `true` for a negative number, the digits before the point, and the
/// digits after the point.
fn round_digits(number: &str, power: i32, places: usize) -> (bool, String, String) {
    let unsigned = number.trim_start_matches('-');
    let (integer_part, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut digits: Vec<u8> = [integer_part, fraction]
        .concat()
        .bytes()
        .map(|b| b.saturating_sub(b'0'))
        .collect();
    let mut point = integer_part.len() as i32 + power;
    while point < 1 {
        digits.insert(0, 0);
        point += 1;
    }
    let (mut point, end) = (point as usize, point as usize + places);
    while digits.len() < end + 1 {
        digits.push(0);
    }
    let up = digits.get(end).is_some_and(|digit| *digit >= 5);
    digits.truncate(end);
    if up {
        let nines = digits.iter().rev().take_while(|d| **d == 9).count();
        digits.truncate(end.saturating_sub(nines));
        match digits.last_mut() {
            Some(last) => *last += 1,
            None => {
                digits.push(1);
                point += 1;
            }
        }
        digits.resize(point + places, 0);
    }
    let text: String = digits.iter().map(|d| char::from(b'0' + d)).collect();
    let negative = number.starts_with('-') && digits.iter().any(|d| *d != 0);
    let (integer_digits, fraction) = text.split_at_checked(point).unwrap_or((&text, ""));
    (negative, integer_digits.to_owned(), fraction.to_owned())
}

fn group_thousands(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
