//! Lowering of TEXT, which formats a number or a date with a mask.

use std::ops::Range;

use super::mask::{self, ElapsedPart, MaskDatePart};
use super::number_mask::{Exponent, NumberMask, parse_number_mask};
use crate::Type;
use crate::ast::ExprId;
use crate::catalog::internal;
use crate::check::calls::help_with_unsupported_type;
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;

/// Ways to format a number's sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MaskSign {
    Written,
    /// The sign is omitted.
    Omitted,
}

impl Lowerer<'_> {
    pub(in crate::check) fn lower_text(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let [value, mask] = *values.as_slice() else {
            return self.add_error(span);
        };
        self.recycle_list(values);
        let Some(text) = self.literal_text(mask).map(str::to_owned) else {
            return self.report_non_constant(mask, "TEXT", "format", "TEXT(x, \"#,##0.00\")");
        };
        if mask::find_elapsed(&text).is_some() {
            let Some(value) = self.convert_for_mask(value, false) else {
                return self.add_error(span);
            };
            return match mask::parse_elapsed_time(&text) {
                Ok(parts) => self.format_elapsed(value, &parts, span),
                Err(error) => self.report_invalid_mask(mask, error.at, &error.why),
            };
        }
        if let Some(id) = self.format_text_section(value, &text, span) {
            return id;
        }
        let of_dates = mask::is_date_mask(&text);
        let Some(value) = self.convert_for_mask(value, of_dates) else {
            return self.add_error(span);
        };
        if of_dates {
            match mask::parse_date_mask(&text) {
                Ok(parts) => self.format_date(value, &parts, span),
                Err(error) => self.report_invalid_mask(mask, error.at, &error.why),
            }
        } else {
            match mask::split_sections(&text) {
                Ok(sections) if sections.len() > 1 => self.format_by_sign(value, mask, &sections, span),
                Ok(_) => match parse_number_mask(&text) {
                    Ok(number) => self.format_number(value, &number, MaskSign::Written, span),
                    Err(error) => self.report_invalid_mask(mask, error.at, &error.why),
                },
                Err(error) => self.report_invalid_mask(mask, error.at, &error.why),
            }
        }
    }

    /// Formats a text value with the fourth section of a mask, or with its only section. `None` if the value is not
    /// text, or if the section does not contain `@` or `General`.
    fn format_text_section(&mut self, value: IrId, mask: &str, span: Span) -> Option<IrId> {
        if self.program.meta(value).ty != Type::Text {
            return None;
        }
        let sections = mask::split_sections(mask).ok()?;
        let ([(_, section)] | [_, _, _, (_, section)]) = sections.as_slice() else {
            return None;
        };
        let form = parse_number_mask(section).ok().filter(|form| form.general)?;
        let mut text = value;
        if !form.prefix.is_empty() {
            let prefix = self.text_literal(&form.prefix, span);
            text = self.add_scalar_call(internal::TEXT_JOINED, &[prefix, text], span, "TEXT");
        }
        Some(self.append_mask_suffix(text, &form, span))
    }

    fn append_mask_suffix(&mut self, text: IrId, mask: &NumberMask, span: Span) -> IrId {
        if mask.suffix.is_empty() {
            return text;
        }
        let suffix = self.text_literal(&mask.suffix, span);
        self.add_scalar_call(internal::TEXT_JOINED, &[text, suffix], span, "TEXT")
    }

    /// Formats a number with the mask section for its sign. The first section applies to positive numbers, the second
    /// to negative numbers (including the sign), and an optional third section to 0.
    fn format_by_sign(&mut self, value: IrId, mask: IrId, sections: &[(usize, &str)], span: Span) -> IrId {
        let mut texts = self.take_list();
        // The fourth section applies to text values.
        for (index, (from, section)) in sections.iter().take(3).enumerate() {
            let text = match (mask::text_of_literal_section(section), parse_number_mask(section)) {
                (Some(words), _) => self.text_literal(&words, span),
                (None, Ok(number)) => {
                    let id = if index == 1 {
                        self.add_scalar_call(internal::ABS, &[value], span, "TEXT")
                    } else {
                        value
                    };
                    self.format_number(id, &number, MaskSign::Omitted, span)
                }
                (None, Err(error)) => {
                    self.report_invalid_mask(mask, from + error.at.start..from + error.at.end, &error.why)
                }
            };
            texts.push(text);
        }
        let node = match *texts.as_slice() {
            [positive, negative] => {
                self.add_scalar_call(internal::TEXT_BY_SIGN, &[value, positive, negative], span, "TEXT")
            }
            [positive, negative, zero] => {
                self.add_scalar_call(internal::TEXT_BY_SIGN, &[value, positive, negative, zero], span, "TEXT")
            }
            _ => self.add_error(span),
        };
        self.recycle_list(texts);
        node
    }

    /// Converts a value to the type that the mask formats. Reports values of other types and returns `None`.
    fn convert_for_mask(&mut self, value: IrId, of_dates: bool) -> Option<IrId> {
        let meta = self.program.meta(value);
        match meta.ty {
            Type::Unknown => Some(value),
            // Add the time of day to a fixed date, because date masks format timestamps.
            Type::Time if of_dates => {
                let day = self.program.add_text("1899-12-30");
                let day = self
                    .program
                    .add(Ir::Date(day), NodeMeta::constant(Type::Date, meta.span));
                let midnight = self.convert_to(day, Type::Timestamp);
                Some(self.add_scalar_call(internal::ADD, &[midnight, value], meta.span, "TEXT"))
            }
            ty if ty.is_number() && (!of_dates || self.is_null(value)) => Some(value),
            ty if ty.is_temporal() && of_dates => Some(value),
            Type::Text if of_dates && self.literal_text(value).is_some() => {
                let date = self.convert_date_literal(value, true);
                (!self.is_error(date)).then_some(date)
            }
            ty => {
                let text = self.source_text(meta.span);
                let (expected, help) = match (ty, of_dates) {
                    (Type::Text, true) => ("a date", format!("convert the text first: `DATEVALUE({text})`")),
                    (Type::Text, false) => ("a number", format!("convert the text first: `VALUE({text})`")),
                    (ty, false) if ty.is_temporal() => {
                        ("a number", "use a mask for dates, for example `yyyy-mm-dd`".to_owned())
                    }
                    (ty, true) if ty.is_number() => {
                        ("a date", "use a mask for numbers, for example `#,##0.00`".to_owned())
                    }
                    (_, true) => ("a date", "use a date column".to_owned()),
                    (Type::Other, false) => ("a number", help_with_unsupported_type(&text)),
                    (_, false) => ("a number", format!("convert the value to text: `{text} & \"\"`")),
                };
                self.report(
                    Diagnostic::new(
                        Code::TypeMismatch,
                        meta.span,
                        format!("this `TEXT` mask formats {expected}, but `{text}` is {}", ty.describe()),
                    )
                    .with_help(help),
                );
                None
            }
        }
    }

    fn report_invalid_mask(&mut self, id: IrId, range: Range<usize>, why: &str) -> IrId {
        let span = self.span_of_literal_part(id, range);
        let text = self.source_text(span);
        self.report(
            Diagnostic::new(
                Code::UnsupportedMask,
                span,
                format!("`TEXT` does not support the mask `{text}`: {why}"),
            )
            .with_help(
                "for numbers, use `0 # , . % E+0` or `General`, with up to three sections separated by `;`. For \
                    dates, use `yyyy yy mmmm mmm mm m dddd ddd dd d hh h mm m ss s AM/PM`. For elapsed times, use \
                    `[h]:mm:ss`. Put other text in quotes",
            ),
        );
        self.add_error(span)
    }

    /// Formats a number. The number is rounded first, so that halves are rounded away from zero and zero has no sign.
    /// Then the digits are formatted, and the mask's prefix and suffix are added.
    fn format_number(&mut self, value: IrId, mask: &NumberMask, sign: MaskSign, span: Span) -> IrId {
        if let Some(exponent) = mask.exponent {
            return self.format_scientific(value, mask, exponent, sign, span);
        }
        let places = i64::from(mask.decimals) + 2 * i64::from(mask.percents) - 3 * i64::from(mask.thousands);
        let is_whole = self.program.meta(value).ty == Type::Integer && mask.percents == 0 && mask.thousands == 0;
        let is_text = mask.general || (is_whole && mask.decimals == 0 && !mask.grouped && mask.zeros == 1);
        let mut number = value;
        if !is_whole && !mask.general {
            let places = self.program.add_integer(&places.to_string(), span);
            number = self.add_scalar_call(internal::ROUND, &[value, places], span, "TEXT");
        }
        let rounded = number;
        // Add the sign separately, because the padded width would include it.
        let padded = mask.zeros > 1 && sign == MaskSign::Written;
        if padded {
            number = self.add_scalar_call(internal::ABS, &[number], span, "TEXT");
        }
        for (entry, zeros) in [
            (internal::MULTIPLY, 2 * mask.percents),
            (internal::DIVIDE, 3 * mask.thousands),
        ] {
            if zeros > 0 {
                let factor = self
                    .program
                    .add_integer(&format!("1{}", "0".repeat(zeros as usize)), span);
                number = self.add_scalar_call(entry, &[number, factor], span, "TEXT");
            }
        }
        let mut text = if is_text {
            self.convert_to_text(number)
        } else {
            self.format_digits(number, mask, is_whole && mask.decimals == 0, span)
        };
        if let Some(pattern) = mask.optional_decimals() {
            text = self.replace_match(text, &pattern, "", span);
        }
        if let Some((pattern, new)) = mask.code_pattern() {
            text = self.replace_match(text, &pattern, &new, span);
        }
        if padded {
            let mut around = self.add_scalar_call(internal::SIGN_TEXT, &[rounded], span, "TEXT");
            if !mask.prefix.is_empty() {
                let prefix = self.text_literal(&mask.prefix, span);
                around = self.add_scalar_call(internal::TEXT_JOINED, &[around, prefix], span, "TEXT");
            }
            text = self.add_scalar_call(internal::TEXT_JOINED, &[around, text], span, "TEXT");
        } else if mask.zeros > 0 && sign == MaskSign::Omitted {
            if !mask.prefix.is_empty() {
                let prefix = self.text_literal(&mask.prefix, span);
                text = self.add_scalar_call(internal::TEXT_JOINED, &[prefix, text], span, "TEXT");
            }
        } else if mask.zeros == 0 || !mask.prefix.is_empty() {
            // Insert the prefix after the sign. The prefix also replaces the leading zero of the formatted number if
            // the mask has no digit for it.
            let pattern = if mask.zeros == 0 {
                mask::SIGN_AND_ZERO_PATTERN
            } else {
                mask::SIGN_PATTERN
            };
            let new = format!("\\1{}", mask.prefix.replace('\\', "\\\\"));
            text = self.replace_match(text, pattern, &new, span);
        }
        self.append_mask_suffix(text, mask, span)
    }

    /// Calls the formatting function of the engine. Integers and decimals have their own functions in the catalogue,
    /// because engines without a format for decimals would convert them to floats.
    fn format_digits(&mut self, number: IrId, mask: &NumberMask, is_integer: bool, span: Span) -> IrId {
        let is_exact = matches!(self.program.meta(number).ty, Type::Integer | Type::Decimal);
        let is_plain = !mask.grouped && mask.zeros <= 1;
        let entry = match (is_integer, is_exact) {
            (true, _) => internal::WHOLE_TEXT,
            (_, false) => internal::NUMBER_TEXT,
            _ if is_plain => internal::EXACT_TEXT,
            _ if mask.decimals > 0 => internal::GROUPED_TEXT,
            _ => internal::ROUNDED_TEXT,
        };
        let mut call_args = vec![number];
        call_args.extend(
            [mask.to_printf_format(is_integer), mask.to_char_format()].map(|text| self.text_literal(&text, span)),
        );
        if entry == internal::EXACT_TEXT || entry == internal::GROUPED_TEXT {
            let decimals = mask.decimals.to_string();
            call_args.push(self.program.add_integer(&decimals, span));
        }
        let last = match entry {
            internal::EXACT_TEXT => mask.truncation_pattern(),
            internal::GROUPED_TEXT | internal::ROUNDED_TEXT => mask.integer_python_format(),
            _ => mask.to_python_format(is_integer),
        };
        call_args.push(self.text_literal(&last, span));
        self.add_scalar_call(entry, &call_args, span, "TEXT")
    }

    /// Formats a number with one digit before the decimal point and a power of ten after the digits.
    fn format_scientific(
        &mut self,
        value: IrId,
        mask: &NumberMask,
        exponent: Exponent,
        sign: MaskSign,
        span: Span,
    ) -> IrId {
        let apply = |pass: &mut Self, entry, args: &[IrId]| pass.add_scalar_call(entry, args, span, "TEXT");
        // Use the next power of ten if the digits would be rounded up to 10. For example, with two decimals the limit
        // is 9.995, so 9.996 is formatted as `1.00E+1`.
        let limit = match mask.decimals {
            0 => "9.5".to_owned(),
            decimals => format!("9.{}5", "9".repeat(decimals as usize)),
        };
        let limit = self.program.add_text(&limit);
        let limit = self
            .program
            .add(Ir::Number(limit), NodeMeta::constant(Type::Decimal, span));
        let power = apply(self, internal::POWER_OF_TEN, &[value, limit]);
        let power = apply(self, internal::OR_ZERO, &[power]);
        let digits = apply(self, internal::OVER_POWER_OF_TEN, &[value, power]);
        let digits_mask = NumberMask {
            suffix: "E".to_owned(),
            exponent: None,
            ..mask.clone()
        };
        let digits = self.format_number(digits, &digits_mask, sign, span);
        let power_mask = NumberMask {
            zeros: exponent.digits,
            ..NumberMask::default()
        };
        let size = apply(self, internal::ABS, &[power]);
        let size = self.format_number(size, &power_mask, MaskSign::Omitted, span);
        let sign = apply(
            self,
            if exponent.signed {
                internal::BOTH_SIGNS_TEXT
            } else {
                internal::SIGN_TEXT
            },
            &[power],
        );
        let signed = apply(self, internal::TEXT_JOINED, &[sign, size]);
        let text = apply(self, internal::TEXT_JOINED, &[digits, signed]);
        self.append_mask_suffix(text, mask, span)
    }

    /// Formats a number of days as hours, minutes and seconds. The number is rounded to seconds, then truncated to the
    /// smallest unit, as in spreadsheets.
    fn format_elapsed(&mut self, days: IrId, parts: &[ElapsedPart], span: Span) -> IrId {
        let a_day = self.program.add_integer("86400", span);
        let mut signed = self.add_scalar_call(internal::MULTIPLY, &[days, a_day], span, "TEXT");
        if self.program.meta(signed).ty != Type::Integer {
            let places = self.program.add_integer("0", span);
            signed = self.add_scalar_call(internal::ROUND, &[signed, places], span, "TEXT");
            signed = self.add_scalar_call(internal::INT, &[signed], span, "TEXT");
        }
        let seconds = self.add_scalar_call(internal::ABS, &[signed], span, "TEXT");
        let mut text = self.add_scalar_call(internal::SIGN_TEXT, &[signed], span, "TEXT");
        for part in parts {
            let part = match part {
                ElapsedPart::Literal(text) => self.text_literal(text, span),
                ElapsedPart::Units {
                    seconds: unit,
                    within,
                    digits,
                } => {
                    let mut units = seconds;
                    if *unit > 1 {
                        let size = self.program.add_integer(&unit.to_string(), span);
                        units = self.add_scalar_call(internal::QUOTIENT, &[seconds, size], span, "TEXT");
                    }
                    if let Some(within) = within {
                        let most = self.program.add_integer(&(within / unit).to_string(), span);
                        units = self.add_scalar_call(internal::REMAINDER, &[units, most], span, "TEXT");
                    }
                    let mask = NumberMask {
                        zeros: *digits,
                        ..NumberMask::default()
                    };
                    self.format_number(units, &mask, MaskSign::Omitted, span)
                }
            };
            text = self.add_scalar_call(internal::TEXT_JOINED, &[text, part], span, "TEXT");
        }
        text
    }

    /// Replaces the only match of a pattern in a string.
    fn replace_match(&mut self, text: IrId, pattern: &str, new: &str, span: Span) -> IrId {
        let (pattern, new) = (self.text_literal(pattern, span), self.text_literal(new, span));
        self.add_scalar_call(internal::TEXT_REPLACED, &[text, pattern, new], span, "TEXT")
    }

    /// Formats a date. Engines that support all parts of the mask use a single format string. For other engines, the
    /// SQL concatenates the parts.
    fn format_date(&mut self, value: IrId, parts: &[MaskDatePart], span: Span) -> IrId {
        let timed = parts.iter().any(MaskDatePart::is_time_part);
        let is_instant = self.program.meta(value).ty == Type::Timestamptz;
        let value = if timed || is_instant {
            self.convert_to(value, Type::Timestamp)
        } else {
            value
        };
        if self.is_error(value) {
            return value;
        }
        let (mut strftime, mut to_char, mut plain) = (String::new(), String::new(), Some(String::new()));
        for part in parts {
            part.write_strftime(&mut strftime);
            part.write_to_char_format(&mut to_char);
            plain = plain.and_then(|mut plain| part.write_plain_to_char(&mut plain).map(|()| plain));
        }
        let [strftime, to_char] = [strftime, to_char].map(|text| self.text_literal(&text, span));
        match plain {
            Some(plain) => {
                let plain = self.text_literal(&plain, span);
                self.add_scalar_call(internal::DATE_TEXT, &[value, strftime, to_char, plain], span, "TEXT")
            }
            None => {
                let joined = self.format_date_parts(value, parts, span);
                self.add_scalar_call(
                    internal::DATE_TEXT_IN_PARTS,
                    &[value, strftime, to_char, joined],
                    span,
                    "TEXT",
                )
            }
        }
    }

    /// Uses a single call to format consecutive parts that a plain `TO_CHAR` supports, formats all other parts
    /// separately, and concatenates the results.
    fn format_date_parts(&mut self, value: IrId, parts: &[MaskDatePart], span: Span) -> IrId {
        let mut texts = self.take_list();
        let mut run: Vec<&MaskDatePart> = Vec::new();
        for part in parts {
            if part.write_plain_to_char(&mut String::new()).is_some() {
                run.push(part);
                continue;
            }
            self.format_plain_date_parts(value, &mut run, &mut texts, span);
            let number = match part {
                MaskDatePart::Literal(text) => {
                    texts.push(self.text_literal(text, span));
                    continue;
                }
                MaskDatePart::DayName => {
                    texts.push(self.add_scalar_call(internal::DAY_OF_WEEK_NAME, &[value], span, "TEXT"));
                    continue;
                }
                MaskDatePart::Twelve => {
                    let hour = self.text_literal("HH12", span);
                    let hour = self.add_scalar_call(internal::PLAIN_DATE_TEXT, &[value, hour], span, "TEXT");
                    texts.push(self.replace_match(hour, mask::LEADING_ZERO_PATTERN, "", span));
                    continue;
                }
                MaskDatePart::Month => internal::MONTH_NUM,
                MaskDatePart::Day => internal::DAY_OF_MONTH,
                MaskDatePart::Minute => internal::MINUTE,
                MaskDatePart::Second => internal::SECOND,
                _ => internal::HOUR_OF_DAY,
            };
            let number = self.add_scalar_call(number, &[value], span, "TEXT");
            texts.push(self.convert_to_text(number));
        }
        self.format_plain_date_parts(value, &mut run, &mut texts, span);
        let mut joined: Option<IrId> = None;
        for text in &texts {
            joined = Some(match joined {
                None => *text,
                Some(id) => self.add_scalar_call(internal::TEXT_JOINED, &[id, *text], span, "TEXT"),
            });
        }
        self.recycle_list(texts);
        joined.unwrap_or(value)
    }

    fn format_plain_date_parts(
        &mut self,
        value: IrId,
        run: &mut Vec<&MaskDatePart>,
        texts: &mut Vec<IrId>,
        span: Span,
    ) {
        let text = match run.as_slice() {
            [] => return,
            [MaskDatePart::Literal(text)] => self.text_literal(text, span),
            parts => {
                let mut plain = String::new();
                for part in parts {
                    part.write_plain_to_char(&mut plain);
                }
                let plain = self.text_literal(&plain, span);
                self.add_scalar_call(internal::PLAIN_DATE_TEXT, &[value, plain], span, "TEXT")
            }
        };
        run.clear();
        texts.push(text);
    }
}
