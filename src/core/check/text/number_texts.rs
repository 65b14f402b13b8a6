//! Text that VALUE and NUMBERVALUE convert to numbers. The regular expressions in the templates of both functions
//! accept the same text: change both together.

use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::IrId;
use crate::span::Span;

impl Lowerer<'_> {
    /// Warns if VALUE converts a literal that is not a number.
    pub(in crate::check) fn warn_of_value_without_number(&mut self, text: IrId, span: Span) {
        if self.literal_text(text).is_some_and(|text| !is_number(text)) {
            self.report_text_without_number(
                span,
                "write a number with a decimal point, such as `1234.5`; for a decimal comma, write \
                `NUMBERVALUE(text, \",\", \".\")`",
            );
        }
    }

    /// Warns if NUMBERVALUE converts a literal that is not a number with these separators.
    pub(super) fn warn_of_number_value_without_number(&mut self, [text, point, group]: [IrId; 3], span: Span) {
        let [Some(text), Some(point), Some(group)] = [text, point, group].map(|id| self.literal_text(id)) else {
            return;
        };
        if !point.is_empty() && !is_number_with_separators(text, point, group) {
            self.report_text_without_number(span, "write a number with these separators, such as `1,234.5`");
        }
    }

    fn report_text_without_number(&mut self, span: Span, help: &str) {
        let message = format!(
            "`{}` returns NULL, because the function does not accept the text as a number",
            self.source_text(span)
        );
        self.report(Diagnostic::new(Code::TextIsNoDate, span, message).with_help(help));
    }
}

/// Returns whether VALUE converts the text to a number.
fn is_number(text: &str) -> bool {
    let amount = without_sign(text.trim_ascii());
    let amount = amount.strip_prefix('$').unwrap_or(amount);
    let digits = match amount.strip_suffix('%') {
        Some(share) => share.trim_end_matches(' '),
        None => without_exponent(amount),
    };
    let (integer_digits, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let groups: Vec<&str> = integer_digits.split(',').collect();
    match groups.as_slice() {
        [_] => is_decimal(digits),
        [first, others @ ..] => {
            (1..=3).contains(&first.len())
                && others.iter().all(|group| group.len() == 3)
                && groups.iter().copied().chain([fraction]).all(are_digits)
        }
        [] => false,
    }
}

/// Returns whether NUMBERVALUE converts the text to a number. The decimal separator must not be empty.
fn is_number_with_separators(text: &str, point: &str, group: &str) -> bool {
    let has_group = |text: &str| !group.is_empty() && text.contains(group);
    if text.split_once(point).is_some_and(|(_, fraction)| has_group(fraction)) {
        return false;
    }
    let joined = match group {
        "" => text.to_owned(),
        group => text.replace(group, ""),
    };
    // A point that is not the decimal separator is not part of a number.
    if point != "." && joined.contains('.') {
        return false;
    }
    let joined = joined.replace(point, ".").replace(' ', "");
    let amount = without_sign(joined.trim_ascii());
    let mut share = amount;
    for _ in 0..2 {
        share = share
            .strip_suffix('%')
            .map_or(share, |share| share.trim_end_matches(' '));
    }
    is_decimal(if share == amount {
        without_exponent(amount)
    } else {
        share
    })
}

fn without_sign(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

/// Removes an exponent such as `e-12` from a number. Keeps exponents above 199.
fn without_exponent(text: &str) -> &str {
    let is_exponent = |exponent: &str| {
        let exponent = without_sign(exponent);
        let is_possible = match exponent.len() {
            1 | 2 => true,
            3 => exponent.starts_with('1'),
            _ => false,
        };
        is_possible && are_digits(exponent)
    };
    match text.split_once(['e', 'E']) {
        Some((digits, exponent)) if is_exponent(exponent) => digits,
        _ => text,
    }
}

/// Returns whether the text consists of digits and at most one decimal point.
fn is_decimal(text: &str) -> bool {
    let (integer_digits, fraction) = text.split_once('.').unwrap_or((text, ""));
    are_digits(integer_digits) && are_digits(fraction) && !(integer_digits.is_empty() && fraction.is_empty())
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{is_number, is_number_with_separators};

    #[test]
    fn numbers_in_texts() {
        let numbers = "12|-12.5|+5|5.|.5|1e3|1e199|1E-3| 12 |$1,234.50|-$1,234,567.89|0,123|1,234e2|$.5|-12.5 %|.5%";
        for text in numbers.split('|') {
            assert!(is_number(text), "{text}");
        }
        let others = "abc||-|.|e5|1e|1e200|12\u{a0}|1.2.3|12a|1 2|11 000|23€|nan|1_000|１２|1,23|1.234,50|1,2345|,123|1,234,|1e3%|%5|(5)";
        for text in others.split('|') {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn numbers_with_separators_in_texts() {
        for (text, point, group, is_one) in [
            ("1.234,5", ",", ".", true),
            ("1,2,3", ",", ".", false),
            ("1,2,3.4", ".", ",", true),
            ("1.2,3", ".", ",", false),
            ("--5", ".", ",", false),
            ("abc", ".", ",", false),
            ("3.5%", ".", ",", true),
            ("3.5 % %", ".", ",", true),
            ("-3.5", ",", "", false),
            ("1 234;5", ";", " ", true),
            ("1.5", ";", " ", false),
            ("12e3", ".", ",", true),
        ] {
            assert_eq!(is_number_with_separators(text, point, group), is_one, "{text}");
        }
    }
}
