//! Numbers with a decimal comma or with thousands separators, as they are written in many countries.

use super::Token;
use super::layout::LayoutPass;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Returns the number that contains a comma, without thousands separators and with a decimal point: `1000.50` for
/// `1.000,50`, and `1234567` for `1,234,567`. `None` if the text is not a number.
///
/// ```
/// use formulac_syntax::lex::number_around_comma;
/// assert_eq!(number_around_comma("a > 12.345,60", 10).as_deref(), Some("12345.60"));
/// ```
#[must_use]
pub fn number_around_comma(source: &str, comma: u32) -> Option<String> {
    const MAX_DIGITS: usize = 40;
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(*byte, b'.' | b',');
    let (before, after) = source.as_bytes().split_at_checked(comma as usize)?;
    let before = before.iter().rev().take(MAX_DIGITS).take_while(|b| is_part(b)).count();
    let after = after.iter().take(MAX_DIGITS).take_while(|b| is_part(b)).count();
    let number = source
        .get(comma as usize - before..comma as usize + after)?
        .trim_end_matches(',');
    let is_percent = source
        .get(comma as usize + after..)
        .is_some_and(|rest| rest.starts_with('%'));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let number = match has_groups(whole, ',') && is_digits(fraction) {
        true => number.replace(',', ""),
        false => with_decimal_point(number)?,
    };
    Some(if is_percent { number + "%" } else { number })
}

/// Returns the number without separators if a space or `_` before `group` separates groups of three digits.
#[must_use]
pub fn number_with_groups(source: &str, group: Span) -> Option<String> {
    const MAX_DIGITS: usize = 40;
    [' ', '_', '\u{a0}', '\u{202f}'].into_iter().find_map(|separator| {
        let is_part = |c: &char| c.is_ascii_digit() || *c == separator;
        let (before, after) = source.split_at_checked(group.start as usize)?;
        let begin: usize = before
            .chars()
            .rev()
            .take(MAX_DIGITS)
            .take_while(is_part)
            .map(char::len_utf8)
            .sum();
        let end: usize = after
            .chars()
            .take(MAX_DIGITS)
            .take_while(is_part)
            .map(char::len_utf8)
            .sum();
        let number = source
            .get(before.len() - begin..before.len() + end)?
            .trim_matches(separator);
        has_groups(number, separator).then(|| number.replace(separator, ""))
    })
}

/// Replaces the decimal comma of a number, and removes its thousands separators.
fn with_decimal_point(number: &str) -> Option<String> {
    let (whole, fraction) = number.split_once(',')?;
    let is_number = is_digits(fraction) && (is_digits(whole) || has_groups(whole, '.'));
    is_number.then(|| format!("{}.{fraction}", whole.replace('.', "")))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a separator divides the digits into groups of three.
fn has_groups(text: &str, separator: char) -> bool {
    let mut groups = text.split(separator);
    let first = groups.next().unwrap_or_default();
    let mut count = 0;
    let is_group = |group: &str| group.len() == 3 && is_digits(group);
    is_digits(first) && first.len() <= 3 && groups.inspect(|_| count += 1).all(is_group) && count > 0
}

impl LayoutPass<'_, '_> {
    /// Reports the semicolons between the arguments of a formula whose tokens begin at `frame`. In such a formula, a
    /// comma between digits is a decimal comma.
    #[cold]
    pub(super) fn report_semicolons(&mut self, frame: usize) {
        // Maximum number of tokens in a number such as `1.234.567,8`.
        const MAX_TOKENS: usize = 16;
        let tokens = self.layout.tokens.split_off(frame);
        let is_text = |token: &(Token, Span), text: &str| token.0 == Token::Comma && token.1.text(self.source) == text;
        let mut faults = Vec::new();
        let (mut decimals, mut is_mixed, mut ambiguous_number, mut at) = (0, false, None, 0);
        while let Some(&(token, span)) = tokens.get(at) {
            let run = tokens.get(at..).unwrap_or_default();
            let touching = run.windows(2).take(MAX_TOKENS).take_while(|pair| match pair {
                [(_, a), (b, next)] => a.end == next.start && (*b == Token::Number || is_text(&(*b, *next), ",")),
                _ => false,
            });
            let run = if token == Token::Number {
                1 + touching.count()
            } else {
                1
            };
            let whole = span.to(tokens.get(at + run - 1).map_or(span, |last| last.1));
            if token == Token::Number
                && let Some(number) = with_decimal_point(whole.text(self.source))
            {
                decimals += 1;
                faults.push((whole, "in formulas, `,` is not a decimal separator", number));
                self.push(Token::Fault, whole);
                at += run;
                continue;
            }
            if is_text(&(token, span), ";") {
                faults.push((span, "`;` does not separate arguments", ",".to_owned()));
            }
            is_mixed |= is_text(&(token, span), ",");
            // `1.000` could mean one thousand.
            if token == Token::Number && has_groups(span.text(self.source), '.') {
                ambiguous_number = ambiguous_number.or(Some(span.text(self.source)));
            }
            self.push(token, span);
            at += 1;
        }
        // If some commas separate arguments and others are decimal commas, only the author knows which ones.
        let is_sure = ambiguous_number.is_none() && (decimals == 0 || !is_mixed);
        let note = ambiguous_number.map_or_else(String::new, |number| {
            let thousands = number.replace('.', "");
            format!("; `.` is the decimal point, so write `{thousands}` if `{number}` has a thousands separator")
        });
        for (span, message, replacement) in faults {
            let diagnostic =
                Diagnostic::new(Code::NotFormulaSyntax, span, message).with_help(match replacement.as_str() {
                    "," => format!("write `,` between arguments{note}"),
                    number => format!("write decimals with a point: `{number}`"),
                });
            self.report(match is_sure {
                true => diagnostic.with_fix(span, replacement),
                false => diagnostic,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_other_countries() {
        for (text, expected) in [
            ("1,5", Some("1.5")),
            ("1.000,50", Some("1000.50")),
            ("12.345,60", Some("12345.60")),
            ("1.234.567,8", Some("1234567.8")),
            ("1,000", Some("1000")),
            ("1,234,567", Some("1234567")),
            ("1,234.50", Some("1234.50")),
            ("5,5%", Some("5.5%")),
            ("1,2,3", None),
            ("1.5,5", None),
            ("a,5", None),
        ] {
            let comma = text.find(',').unwrap() as u32;
            assert_eq!(number_around_comma(text, comma).as_deref(), expected, "{text}");
        }
    }
}
