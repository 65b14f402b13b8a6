//! Converts text functions whose arguments or results differ from those of formula functions.

use sqlparser::ast::{Expr, UnaryOperator};

use super::super::term::FormulaTerm;
use super::literals::{integer_literal, literal_text};
use super::reader::SqlConverter;
use crate::Type;
use formulac_core::check::literals_from_sql::date_masks_from_sql;

impl SqlConverter<'_> {
    /// Converts a call to a text function. `None` for any other call.
    pub(super) fn convert_text_call(&mut self, name: &str, args: &[&Expr]) -> Result<Option<FormulaTerm>, String> {
        let exists = self.dialect.own_functions().contains(&name);
        let term = match (name, args) {
            ("initcap", [x]) => {
                self.caveats.push(
                    "in PROPER, every character that is not a letter separates words, as in `2Nd` and `O'Neil`, but \
                     `initcap` has other separators"
                        .to_owned(),
                );
                FormulaTerm::call("PROPER", &[self.convert_term(x)?]).with_type(Some(Type::Text))
            }
            ("position" | "charindex", [needle, text]) if exists => self.convert_position(needle, text)?,
            ("split_part", [text, delimiter, index]) if integer_literal(index).is_some_and(|index| index > 0) => {
                let Some(delimiter) = literal_text(delimiter).filter(|delimiter| !delimiter.is_empty()) else {
                    return Err("a delimiter of `split_part` that is not a literal is not supported".to_owned());
                };
                let text = self.convert_term(text)?;
                let args = [
                    text.clone(),
                    FormulaTerm::string_literal(&delimiter),
                    self.convert_term(index)?,
                ];
                // `split_part` returns an empty string if there are fewer parts, but `TEXTSPLIT` returns NULL.
                let part = FormulaTerm::call(
                    "COALESCE",
                    &[FormulaTerm::call("TEXTSPLIT", &args), FormulaTerm::string_literal("")],
                );
                part.null_if_blank(&[&text]).with_type(Some(Type::Text))
            }
            ("strpos", [text, needle]) => self.convert_position(needle, text)?,
            ("replace", [x, old]) => {
                let args = [
                    self.convert_term(x)?,
                    self.convert_term(old)?,
                    FormulaTerm::string_literal(""),
                ];
                FormulaTerm::call("SUBSTITUTE", &args).with_type(Some(Type::Text))
            }
            ("to_char" | "to_varchar" | "strftime", [x, format]) | ("format_date" | "format_datetime", [format, x]) => {
                let mask = literal_text(format).and_then(|format| self.date_mask(name, &format));
                let Some(mask) = mask else { return Ok(None) };
                let args = [self.convert_term(x)?, FormulaTerm::string_literal(&mask)];
                FormulaTerm::call("TEXT", &args).with_type(Some(Type::Text))
            }
            _ => return Ok(None),
        };
        Ok(Some(term))
    }

    /// Returns the `TEXT` mask for a date format. `None` if the format contains literal text or a part that masks
    /// cannot express.
    fn date_mask(&self, function: &str, format: &str) -> Option<String> {
        if format.contains('%') == function.starts_with("to_") {
            return None;
        }
        let has_only_numbers = |c: char| !c.is_alphabetic() || "ymdhis".contains(c.to_ascii_lowercase());
        let format = match format.contains('%') {
            false if self.dialect.facts().date_format_ignores_case || format.chars().all(has_only_numbers) => {
                format.to_uppercase()
            }
            // Upper-case parts such as `MON` produce upper-case names, which no mask of TEXT can produce.
            false if ["MON", "DAY", "DY", "MMMM"].iter().any(|name| format.contains(name)) => return None,
            _ => format.to_owned(),
        };
        let mut masks = date_masks_from_sql(&format).into_iter();
        // A letter that is not part of a date format is treated as text, which masks enclose in quotes.
        let has_text = |mask: &str| {
            mask.split('"')
                .skip(1)
                .step_by(2)
                .any(|text| text.contains(char::is_alphabetic))
        };
        masks.find(|mask| !mask.contains(['\\', '%']) && !has_text(mask))
    }

    /// Converts a function that returns the position of a string in another string. In SQL, the position is 0 if the
    /// string is not found, whereas `FIND` returns NULL.
    pub(super) fn convert_position(&mut self, needle: &Expr, text: &Expr) -> Result<FormulaTerm, String> {
        let (needle, text) = (self.convert_term(needle)?, self.convert_term(text)?);
        let found = FormulaTerm::call("FIND", &[needle.clone(), text.clone()]);
        let position = FormulaTerm::call("COALESCE", &[found, FormulaTerm::integer(0)]);
        Ok(position.null_if_blank(&[&needle, &text]).with_type(Some(Type::Integer)))
    }

    /// Converts a substring. Without a length, the substring extends to the end of the string.
    pub(super) fn convert_substring(
        &mut self,
        text: &Expr,
        from: &Expr,
        length: Option<&Expr>,
    ) -> Result<FormulaTerm, String> {
        let minus = UnaryOperator::Minus;
        if matches!(from, Expr::UnaryOp { op, .. } if *op == minus) {
            let reason = "warehouses count a negative start in different ways; `RIGHT` returns the last characters";
            return Err(reason.to_owned());
        }
        let is_from_valid = integer_literal(from).is_some_and(|from| from >= 1);
        let is_length_valid = length.is_none_or(|length| integer_literal(length).is_some_and(|length| length >= 0));
        if !(is_from_valid && is_length_valid) {
            self.caveats.push(
                "MID returns NULL if the start is below 1 or the length is negative, but the SQL may return text"
                    .to_owned(),
            );
        }
        let text = self.convert_term(text)?;
        let length = match length {
            Some(length) => self.convert_term(length)?,
            None => FormulaTerm::call("LEN", std::slice::from_ref(&text)),
        };
        let args = [text, self.convert_term(from)?, length];
        Ok(FormulaTerm::call("MID", &args).with_type(Some(Type::Text)))
    }
}
