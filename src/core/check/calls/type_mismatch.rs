//! Errors about values that must have the same type.

use super::convert::SameTypeReason;
use crate::catalog::{self, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::{Level, Type};

impl Lowerer<'_> {
    /// Reports two values whose types differ.
    #[cold]
    pub(super) fn report_mismatch(&mut self, first: IrId, second: IrId, reason: SameTypeReason<'_>) {
        let is_if = matches!(reason, SameTypeReason::Branches("IF"));
        let tests_blank = matches!(reason, SameTypeReason::Values("="));
        let tests_filled = matches!(reason, SameTypeReason::Values("<>"));
        let rule_text = match reason {
            SameTypeReason::Values("criterion") => "the criterion must have the type of the column".to_owned(),
            SameTypeReason::Values(display_name) if display_name.starts_with(|c: char| c.is_alphabetic()) => {
                format!("all values of `{display_name}` must have the same type")
            }
            SameTypeReason::Values(display_name) => format!("both sides of `{display_name}` must have the same type"),
            SameTypeReason::Branches(display_name) => format!("the branches of `{display_name}` have different types"),
        };
        let (a, b) = (self.program.meta(first), self.program.meta(second));
        let (left, right) = (self.source_text(a.span), self.source_text(b.span));
        let (left_type, right_type) = (a.ty.describe(), b.ty.describe());
        // A range of several columns may contain several types.
        let types_text = match left == right {
            true => format!("`{left}` contains {left_type} and {right_type}"),
            false => format!("`{left}` is {left_type}, `{right}` is {right_type}"),
        };
        let help = match (a.ty, b.ty) {
            (Type::Text, x) | (x, Type::Text) if x.is_number() => {
                let (number, text) = if a.ty == Type::Text {
                    (&right, &left)
                } else {
                    (&left, &right)
                };
                let literal_text = text.trim_matches('"');
                match (
                    self.literal_integer(first).or(self.literal_integer(second)),
                    a.ty == Type::Text,
                ) {
                    (None, _) if literal_text.parse::<i64>().is_ok() => {
                        format!("write the number without quotes: `{literal_text}`")
                    }
                    _ if text == "\"\"" && tests_filled => format!("test for a value with `NOT(ISBLANK({number}))`"),
                    _ if text == "\"\"" && tests_blank => format!("test for an empty value with `ISBLANK({number})`"),
                    _ if text == "\"\"" && is_if && b.ty == Type::Text => {
                        "remove the last argument to return NULL (an empty value)".to_owned()
                    }
                    _ if text == "\"\"" => "write `1/0` to return NULL (an empty value)".to_owned(),
                    (Some(n), _) => format!("write the number as text, `\"{n}\"`"),
                    (None, _) if text.starts_with('"') => format!("write a number instead of `{text}`"),
                    (None, _) => {
                        format!(
                            "convert the number to text with `{number} & \"\"`, or the text to a number with `VALUE({text})`"
                        )
                    }
                }
            }
            (Type::Boolean, _) | (_, Type::Boolean) => {
                "compare a condition with TRUE or FALSE, or use it alone".to_owned()
            }
            (x, y) if x.is_temporal() && y.is_number() && self.is_constant_before_variable(first, second) => {
                self.help_with_number_for_date(first, second)
            }
            (x, y) if y.is_temporal() && x.is_number() && self.is_constant_before_variable(second, first) => {
                self.help_with_number_for_date(second, first)
            }
            (x, _) | (_, x) if x.is_temporal() => {
                "write a date, such as `DATE(2024, 1, 31)` or `\"2024-01-31\"`".to_owned()
            }
            _ => "convert one side to the type of the other".to_owned(),
        };
        let fix = self
            .requote_fix(first, second)
            .or_else(|| self.requote_fix(second, first))
            // Suggest no fix in a formula with a syntax error, because its operands may not be the ones that the author
            // intended.
            .filter(|_| !self.has_syntax_error);
        let diagnostic = Diagnostic::new(Code::TypeMismatch, b.span, format!("{rule_text}: {types_text}"))
            .with_secondary_label(a.span, left_type)
            .with_label(right_type)
            .with_help(help);
        self.report(match fix {
            Some((span, text)) => diagnostic.with_fix(span, text),
            None => diagnostic,
        });
    }

    /// Returns whether the first value is a constant, and the second value is not.
    fn is_constant_before_variable(&self, constant: IrId, value: IrId) -> bool {
        let is_constant = |id: IrId| self.program.meta(id).level == Level::Const;
        is_constant(constant) && !is_constant(value)
    }

    /// Returns the help for a constant date that is compared with a number, such as a fiscal year.
    fn help_with_number_for_date(&self, date: IrId, number: IrId) -> String {
        let function = match self.program.node(number) {
            Ir::Apply { overload, .. } => Some(catalog::overload_owner(overload)),
            _ => None,
        };
        let year = match self.program.node(date) {
            Ir::Date(date) => self.program.text(date).get(..4).unwrap_or_default(),
            _ => "",
        };
        let year = year.trim_start_matches('0');
        match function {
            Some(internal::YEAR) if !year.is_empty() => format!("write the number of the year: `{year}`"),
            // The fiscal year of the date may differ from its calendar year, so the year is only an example.
            Some(internal::FISCAL_YEAR) if !year.is_empty() => format!("write the number of a year, such as `{year}`"),
            _ => format!(
                "write a number instead of `{}`",
                self.source_text(self.program.meta(date).span)
            ),
        }
    }

    /// Returns a fix that quotes or unquotes a literal to match the type of the other operand, such as a quoted number
    /// next to a number or an integer next to a string. `None` if the type of the text operand is only an assumption.
    fn requote_fix(&self, literal: IrId, other: IrId) -> Option<(Span, String)> {
        let (ty, span) = (self.program.meta(other).ty, self.program.meta(literal).span);
        let assumed = matches!(self.program.node(other), Ir::Column(column)
            if self.program.columns.try_get(column as usize).is_none_or(|c| c.assumed));
        match self.program.node(literal) {
            Ir::Text(text) if ty.is_number() => {
                let number = self.program.text(text);
                number.parse::<i64>().is_ok().then(|| (span, number.to_owned()))
            }
            Ir::Number(_) if ty == Type::Text && !assumed && !matches!(self.program.node(other), Ir::Text(_)) => self
                .literal_integer(literal)
                .map(|number| (span, format!("\"{number}\""))),
            _ => None,
        }
    }
}
