//! Masks of TEXT for numbers, such as `#,##0.00`.

use std::ops::Range;

use super::mask::{MaskError, is_unquoted_literal, mask_error, parse_quoted};

/// Maximum number of digits after the decimal point, and maximum number of zeros before the point.
pub(in crate::check) const MAX_DECIMALS: u32 = 9;
pub(in crate::check) const MAX_ZEROS: u32 = 15;
/// Largest number of decimals in scientific notation. BigQuery's decimals have nine digits after the decimal point, and
/// the threshold for the next power of ten needs one digit more than the result.
const MAX_EXPONENT_DECIMALS: u32 = 8;
/// Number of decimal places in the text of a decimal, before the text is truncated to the digits of the mask.
const TEXT_DECIMALS: u32 = MAX_DECIMALS + 1;
/// Number of digits before the decimal point in SQL formats.
const INTEGER_DIGITS: u32 = 18;
/// Parsed number mask.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::check) struct NumberMask {
    pub prefix: String,
    pub suffix: String,
    /// Minimum numbers of digits before and after the decimal point. Missing digits are padded with zeros.
    pub zeros: u32,
    pub decimal_zeros: u32,
    /// Largest number of digits after the decimal point.
    pub decimals: u32,
    /// Separators in a code such as `000-000`, each with the number of digits before it.
    pub breaks: Vec<(u32, String)>,
    /// Whether the value is formatted in the same way as by the operator `&`. Set for the masks `General` and `@`.
    pub general: bool,
    /// Whether the number has thousands separators.
    pub grouped: bool,
    /// Number of multiplications by 100, and number of divisions by 1000.
    pub percents: u32,
    pub thousands: u32,
    pub exponent: Option<Exponent>,
}

/// Exponent of a number in scientific notation, such as `1.5E+3`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::check) struct Exponent {
    /// Minimum number of digits.
    pub digits: u32,
    /// Whether positive exponents have a sign.
    pub signed: bool,
}

/// Mask for a number without formatting.
const GENERAL_MASK: &str = "General";

/// Position of the parser in a number mask.
#[derive(Clone, Copy, PartialEq)]
enum MaskPosition {
    Before,
    Whole,
    Decimals,
    After,
}

struct NumberMaskParser<'m> {
    mask: &'m str,
    at: usize,
    position: MaskPosition,
    /// Number of digits before the decimal point.
    digits: u32,
    /// Number of commas since the last digit.
    commas: u32,
    has_point: bool,
    out: NumberMask,
}

pub(in crate::check) fn parse_number_mask(mask: &str) -> Result<NumberMask, MaskError> {
    let mut parser = NumberMaskParser {
        mask,
        at: 0,
        position: MaskPosition::Before,
        digits: 0,
        commas: 0,
        has_point: false,
        out: NumberMask::default(),
    };
    while let Some(c) = mask.get(parser.at..).and_then(|rest| rest.chars().next()) {
        if parser.position == MaskPosition::Before && parser.skip_general_format(c) {
            continue;
        }
        let literal = match parse_quoted(mask, parser.at) {
            Some(text) => {
                let (text, next) = text?;
                parser.at = next;
                Some(text)
            }
            None => parser.parse_character(c)?,
        };
        if let Some(literal) = literal {
            parser.add_literal(&literal);
        }
    }
    parser.finish()
}

impl NumberMaskParser<'_> {
    /// Skips `General` or `@`. Returns `false` if neither is at the current position.
    fn skip_general_format(&mut self, c: char) -> bool {
        let is_general = self
            .mask
            .get(self.at..self.at + GENERAL_MASK.len())
            .is_some_and(|word| word.eq_ignore_ascii_case(GENERAL_MASK));
        if !is_general && c != '@' {
            return false;
        }
        (self.out.general, self.out.zeros, self.digits) = (true, 1, 1);
        self.position = MaskPosition::After;
        self.at += if is_general { GENERAL_MASK.len() } else { c.len_utf8() };
        true
    }

    /// Parses a character that is not quoted. Returns the literal text that it produces, if any.
    fn parse_character(&mut self, c: char) -> Result<Option<String>, MaskError> {
        let range = self.at..self.at + c.len_utf8();
        self.at = range.end;
        let is_inside = matches!(self.position, MaskPosition::Whole | MaskPosition::Decimals);
        match c {
            '0' | '#' => self.parse_digit(c, range)?,
            '.' if self.position == MaskPosition::After => {
                return mask_error(range, "write the digits without other characters between them");
            }
            ',' if is_inside => self.commas += 1,
            '.' if self.position != MaskPosition::Decimals => {
                (self.position, self.has_point) = (MaskPosition::Decimals, true);
                self.out.thousands = std::mem::take(&mut self.commas);
            }
            '%' => {
                self.out.percents += 1;
                return Ok(Some("%".to_owned()));
            }
            c if is_unquoted_literal(c) => return Ok(Some(c.to_string())),
            'E' | 'e' if is_inside => {
                let (exponent, end) = parse_exponent(self.mask, range)?;
                self.out.exponent = Some(exponent);
                (self.at, self.position) = (end, MaskPosition::After);
            }
            '[' => return mask_error(range, "conditions are not supported; write `IF(x > 5, TEXT(x, …), …)`"),
            '?' => return mask_error(range, "write digits as `0` or `#`; fractions are not supported"),
            '*' => {
                let why = "the result has no width to fill; remove `*` and the character after it";
                return mask_error(range, why);
            }
            c if c.is_alphabetic() => return mask_error(range, "put letters in quotes"),
            _ => return mask_error(range, "this character is not part of a number mask; put it in quotes"),
        }
        Ok(None)
    }

    fn parse_digit(&mut self, c: char, range: Range<usize>) -> Result<(), MaskError> {
        let out = &mut self.out;
        match self.position {
            MaskPosition::After if !self.has_point && !out.general && out.exponent.is_none() => {
                out.breaks.push((self.digits, std::mem::take(&mut out.suffix)));
                self.position = MaskPosition::Whole;
                // Parse the character again as a digit.
                self.at = range.start;
            }
            MaskPosition::After => {
                return mask_error(range, "write the digits without other characters between them");
            }
            MaskPosition::Decimals if self.commas > 0 => {
                let why = "write a comma between thousands and a point before decimals: `#,##0.00`";
                return mask_error(range, why);
            }
            MaskPosition::Decimals => {
                out.decimals += 1;
                out.decimal_zeros = if c == '0' { out.decimals } else { out.decimal_zeros };
                if out.decimals > MAX_DECIMALS {
                    return mask_error(range, format!("use at most {MAX_DECIMALS} digits after the point"));
                }
            }
            MaskPosition::Before | MaskPosition::Whole => {
                self.position = MaskPosition::Whole;
                out.grouped |= self.commas > 0;
                self.commas = 0;
                self.digits += 1;
                out.zeros += u32::from(c == '0' || out.zeros > 0);
                if out.zeros > MAX_ZEROS {
                    return mask_error(range, format!("use at most {MAX_ZEROS} zeros before the point"));
                }
            }
        }
        Ok(())
    }

    fn add_literal(&mut self, literal: &str) {
        match self.position {
            MaskPosition::Before => self.out.prefix.push_str(literal),
            _ => {
                self.position = MaskPosition::After;
                self.out.suffix.push_str(literal);
            }
        }
    }

    /// Checks the whole mask.
    fn finish(self) -> Result<NumberMask, MaskError> {
        let Self {
            digits,
            commas,
            has_point,
            mut out,
            ..
        } = self;
        let full_range = 0..self.mask.len();
        out.thousands += commas;
        if digits == 0 && out.decimals == 0 {
            return mask_error(full_range, "the mask has no digit placeholder, `0` or `#`");
        }
        if out.grouped && out.zeros > 1 {
            return mask_error(full_range, "leading zeros cannot be combined with thousands separators");
        }
        let is_scientific = digits == 1 && out.zeros == 1 && out.decimals == out.decimal_zeros && out.thousands == 0;
        if out.exponent.is_some() && (!is_scientific || out.percents > 0 || out.decimals > MAX_EXPONENT_DECIMALS) {
            let why = "a number with an exponent has one digit before the point and at most 8 after it, for example `0.00E+0`";
            return mask_error(full_range, why);
        }
        let is_code = out.zeros == digits && !has_point && !out.grouped && out.thousands == 0 && out.percents == 0;
        if !out.breaks.is_empty() && (!is_code || out.breaks.len() > 9) {
            let why = "other characters between digits are allowed only in masks of zeros, such as `000-000`; `#,##0` separates thousands";
            return mask_error(full_range, why);
        }
        if out.percents > 2 || out.thousands > 4 {
            return mask_error(full_range, "the mask moves the decimal point too far");
        }
        Ok(out)
    }
}

/// Parses an exponent such as `E+0` or `E-00`. Returns the exponent and its end.
fn parse_exponent(mask: &str, range: Range<usize>) -> Result<(Exponent, usize), MaskError> {
    let rest = mask.get(range.end..).unwrap_or_default();
    let digits = rest.bytes().skip(1).take_while(|digit| *digit == b'0').count();
    let end = range.end + 1 + digits;
    match rest.bytes().next() {
        Some(sign @ (b'+' | b'-')) if (1..=3).contains(&digits) => Ok((
            Exponent {
                digits: digits as u32,
                signed: sign == b'+',
            },
            end,
        )),
        _ => mask_error(range, "write the exponent as `E+0` or `E+00`"),
    }
}

impl NumberMask {
    /// Returns the digit format for engines that have `TO_CHAR`, including thousands separators: `FM999,990.00`.
    pub fn to_char_format(&self) -> String {
        let mut out = String::from("FM");
        for digit in (0..INTEGER_DIGITS).rev() {
            out.push(if digit < self.zeros.max(1) { '0' } else { '9' });
            if self.grouped && digit > 0 && digit % 3 == 0 {
                out.push(',');
            }
        }
        if self.decimals > 0 {
            out.push('.');
            out.extend(std::iter::repeat_n('0', self.decimals as usize));
        }
        out
    }

    /// Returns the padding width for leading zeros as in `printf`, such as `05`. Empty if the mask has no leading
    /// zeros.
    fn padded_width(&self) -> String {
        let behind = if self.decimals > 0 { self.decimals + 1 } else { 0 };
        if self.zeros > 1 {
            format!("0{}", self.zeros + behind)
        } else {
            String::new()
        }
    }

    /// Returns the format for C's printf, with `'` for thousands separators: `%'.2f`, or `%'d` for integers.
    pub fn to_printf_format(&self, is_integer: bool) -> String {
        let group = if self.grouped { "'" } else { "" };
        let padded = self.padded_width();
        if is_integer {
            format!("%{group}{padded}d")
        } else {
            format!("%{group}{padded}.{}f", self.decimals)
        }
    }

    /// Returns the format for Python's `format`: `{:,.2f}`, or `{:,d}` for integers.
    pub fn to_python_format(&self, is_integer: bool) -> String {
        let group = if self.grouped { "," } else { "" };
        let padded = self.padded_width();
        if is_integer {
            format!("{{:{padded}{group}d}}")
        } else {
            format!("{{:{padded}{group}.{}f}}", self.decimals)
        }
    }

    /// Returns Python's format for the digits before the decimal point, without the sign: `{:,d}` or `{:05d}`.
    pub fn integer_python_format(&self) -> String {
        match self.grouped {
            true => "{:,d}".to_owned(),
            false => format!("{{:0{}d}}", self.zeros),
        }
    }

    /// Returns a regular expression for the characters to remove from the end of text with ten decimals.
    pub fn truncation_pattern(&self) -> String {
        let point = if self.decimals == 0 { "[.]" } else { "" };
        format!("{point}[0-9]{{{}}}$", TEXT_DECIMALS - self.decimals)
    }

    /// Returns a regular expression for the last digits of a code, and a replacement that inserts the separators. For
    /// `0000-000`, these are `([0-9]{3})$` and `-\1`.
    pub fn code_pattern(&self) -> Option<(String, String)> {
        let ends = self.breaks.iter().skip(1).map(|(end, _)| *end).chain([self.zeros]);
        let (mut pattern, mut new) = (String::new(), String::new());
        for (group, ((start, between), end)) in self.breaks.iter().zip(ends).enumerate() {
            pattern += &format!("([0-9]{{{}}})", end.saturating_sub(*start));
            new += &format!("{}\\{}", between.replace('\\', "\\\\"), group + 1);
        }
        (!pattern.is_empty()).then(|| (pattern + "$", new))
    }

    /// Returns a regular expression for the trailing zeros to remove. `None` if the mask has no optional decimals.
    pub fn optional_decimals(&self) -> Option<String> {
        let optional = self.decimals.checked_sub(self.decimal_zeros).filter(|n| *n > 0)?;
        let point = if self.decimal_zeros == 0 { "\\.?" } else { "" };
        Some(format!("{point}0{{1,{optional}}}$"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_masks_are_parsed() {
        for (mask, to_char, printf, braces) in [
            ("0", "FM999999999999999990", "%.0f", "{:.0f}"),
            ("#,##0.00", "FM999,999,999,999,999,990.00", "%'.2f", "{:,.2f}"),
            ("$0.0#", "FM999999999999999990.00", "%.2f", "{:.2f}"),
            ("00000", "FM999999999999900000", "%05.0f", "{:05.0f}"),
            ("000.0", "FM999999999999999000.0", "%05.1f", "{:05.1f}"),
        ] {
            let parsed_mask = parse_number_mask(mask).unwrap();
            let formats = (
                parsed_mask.to_char_format(),
                parsed_mask.to_printf_format(false),
                parsed_mask.to_python_format(false),
            );
            assert_eq!(formats, (to_char.into(), printf.into(), braces.into()), "{mask}");
        }
        assert_eq!(parse_number_mask("0.0 0").unwrap_err().at, 4..5);
        let parsed_mask = parse_number_mask("-#,,.0\" Mio\"%").unwrap();
        assert_eq!(
            (
                parsed_mask.prefix.as_str(),
                parsed_mask.suffix.as_str(),
                parsed_mask.thousands,
                parsed_mask.percents
            ),
            ("-", " Mio%", 2, 1)
        );
    }

    #[test]
    fn optional_digits_are_parsed() {
        for (mask, pattern) in [("0.00", None), ("0.0#", Some("0{1,1}$")), ("#.##", Some("\\.?0{1,2}$"))] {
            assert_eq!(
                parse_number_mask(mask).unwrap().optional_decimals().as_deref(),
                pattern,
                "{mask}"
            );
        }
    }

    #[test]
    fn unknown_number_masks_are_refused() {
        for mask in [
            "",
            "abc",
            "0;0",
            "00.0E+0",
            "0.0E0",
            "0.0E+0000",
            "0.0#E+0",
            "0.0E+0%",
            "[>5]0",
            "# ##0",
            "#.##0,00",
            "0-0.0",
            "General0",
            "_0",
            "*0",
            "0,000",
            "0.0000000000",
            "\"0",
            "0\\",
            "?0",
            "0%%%",
        ] {
            assert!(parse_number_mask(mask).is_err(), "{mask}");
        }
    }
}
