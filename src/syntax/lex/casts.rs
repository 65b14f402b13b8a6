//! Reports casts such as `x::type`, and returns the formulas that convert values.

use super::Token;
use super::layout::LayoutPass;
use crate::diag::{Code, Diagnostic};
use crate::span::Span;

/// Returns the help for a conversion of `value` to an SQL type. `digits` is the number of decimal places of the type.
#[must_use]
pub fn conversion_help(value: &str, type_name: &str, digits: Option<&str>) -> String {
    let ty = type_name.to_ascii_lowercase();
    match ty.as_str() {
        "date" => format!("write `{value}[date]` for the date of a time, or `DATEVALUE({value})` for text"),
        "int" | "int2" | "int4" | "int8" | "int64" | "integer" | "bigint" | "smallint" => {
            format!("write `ROUND({value}, 0)` for a number, or `VALUE({value})` for text")
        }
        "text" | "varchar" | "string" | "char" | "nvarchar" => format!("write `{value} & \"\"`"),
        "numeric" | "decimal" | "number" if digits.is_some() => {
            format!("write `ROUND({value}, {})`", digits.unwrap_or("0"))
        }
        "numeric" | "decimal" | "number" | "float" | "float64" | "double" | "real" => {
            format!("write `{value}` if it is a number, or `VALUE({value})` for text")
        }
        "bool" | "boolean" => format!("write a comparison, such as `{value} <> 0` or `{value} = \"true\"`"),
        "timestamp" | "timestamptz" | "datetime" => {
            format!("write `{value}` if it is a date or a time, or `DATEVALUE({value})` for text")
        }
        _ => "write `x & \"\"` for text, `VALUE(x)` for a number, or `DATEVALUE(x)` for a date".to_owned(),
    }
}

impl LayoutPass<'_, '_> {
    /// Reports a cast such as `x::type` or `x::type(10, 2)`, and returns the number of tokens consumed.
    pub(super) fn report_cast(&mut self, at: usize, span: Span) -> usize {
        let mut end = at + 1;
        let mut digits = None;
        if self.token_at(end) == Some(Token::Name) && !self.is_definition(end) {
            end += 1;
            if self.token_at(end) == Some(Token::Open) {
                let close = (end + 1..end + 6).find(|i| self.token_at(*i) == Some(Token::Close));
                digits = close
                    .filter(|close| *close == end + 4)
                    .map(|close| self.text_at(close - 1).to_owned());
                end = close.map_or(end, |c| c + 1);
            }
        }
        let whole = span.to(self.span_at(end - 1));
        let value = self
            .start_of_value_before(at)
            .map_or_else(|| "x".to_owned(), |start| self.formula_text(start..at));
        let help = conversion_help(&value, self.text_at(at + 1), digits.as_deref());
        self.report(Diagnostic::new(Code::NotFormulaSyntax, span, "`::` is not part of the language").with_help(help));
        self.mark_operand_as_invalid(whole);
        if self.is_operand_next(end) {
            self.push(Token::Odd, Span::new(whole.end, whole.end));
        }
        end - at
    }
}
