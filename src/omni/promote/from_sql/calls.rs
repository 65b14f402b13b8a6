//! Converts calls that no rule converts.

use formulac_core::check::literals_from_sql::date_masks_from_sql;
use formulac_core::check::sql_functions::find_equivalent;
use sqlparser::ast::{Expr, Function, FunctionArguments};

use super::super::patterns;
use super::super::term::{FormulaTerm, is_aggregate};
use super::form::{call_arguments, single_branch};
use super::literals::{literal_text, unsupported_sql};
use super::plain_sql::OPERATORS;
use super::reader::SqlConverter;
use crate::catalog;

impl SqlConverter<'_> {
    pub(super) fn convert_call(&mut self, function: &Function, expr: &Expr) -> Result<FormulaTerm, String> {
        let name = function.name.to_string().to_lowercase();
        if function.over.is_some() {
            return Err(format!(
                "`{name} … over` reads other rows, but only a calculation in a query can read other rows"
            ));
        }
        if function.null_treatment.is_some() || !matches!(function.parameters, FunctionArguments::None) {
            return Err(unsupported_sql(expr));
        }
        let (args, is_distinct) = call_arguments(function).ok_or_else(|| unsupported_sql(expr))?;
        if let Some(term) = self.convert_with_rules(expr)? {
            return Ok(term);
        }
        let equivalent = find_equivalent(&name, self.dialect, args.len()).map(|function| function.formula);
        let aggregates = equivalent.is_some_and(|formula| is_aggregate(formula, args.len()));
        if is_distinct || !function.within_group.is_empty() || function.filter.is_some() && !aggregates {
            return Err(unsupported_sql(expr));
        }
        if let Some(formula) = name.strip_prefix("omni_fx_") {
            return self.convert_formula_call(&formula.to_uppercase(), &args);
        }
        if name.starts_with("omni_") {
            return self.convert_row_operator(&name, &args, expr);
        }
        if let Some(term) = self.convert_zero_default(&name, &args)? {
            return Ok(term);
        }
        let texts: Vec<Option<String>> = args.iter().map(|arg| literal_text(arg)).collect();
        match (name.as_str(), args.as_slice(), texts.as_slice()) {
            ("starts_with" | "startswith", [x, _], [_, Some(text)]) => {
                return Ok(patterns::starts_with(self.convert_term(x)?, text));
            }
            ("concat", ..) if self.dialect.facts().concat_skips_null => {
                return Ok(FormulaTerm::function_call("CONCAT", &self.convert_terms(&args)?));
            }
            (name, [x, y], _) if name == self.dialect.facts().safe_divide => return self.convert_division(x, y),
            ("to_char" | "to_varchar" | "strftime", [x, _], [_, Some(format)])
            | ("format_date" | "format_datetime", [_, x], [Some(format), _]) => {
                if let Some(mask) = self.date_mask(&name, format) {
                    let args = [self.convert_term(x)?, FormulaTerm::string_literal(&mask)];
                    return Ok(FormulaTerm::function_call("TEXT", &args));
                }
            }
            _ => {}
        }
        if let Some((condition, result, otherwise)) = single_branch(expr, self.dialect) {
            return self.convert_case(None, &[(condition, result)], otherwise);
        }
        let formula = equivalent.ok_or_else(|| unsupported_sql(expr))?;
        let filter = function.filter.as_deref().map(|filter| self.convert_term(filter));
        let filter = filter.transpose()?;
        let keep = |x: FormulaTerm| match &filter {
            Some(filter) => FormulaTerm::call("IF", &[filter.clone(), x]),
            None => x,
        };
        let args: Vec<FormulaTerm> = self.convert_terms(&args)?.into_iter().map(keep).collect();
        Ok(FormulaTerm::function_call(formula, &args))
    }

    /// Converts a formula function that is called by its name in Omni's SQL, such as `OMNI_FX_SUM_IF(…)`.
    fn convert_formula_call(&mut self, name: &str, args: &[&Expr]) -> Result<FormulaTerm, String> {
        let operator = match name {
            "POWER" => Some("^"),
            "AMPERSAND" => Some("&"),
            _ => OPERATORS
                .iter()
                .find(|(operator_name, _)| *operator_name == name)
                .map(|(_, sign)| *sign),
        };
        if let (Some(sign), [left, right]) = (operator, args) {
            let (left, right) = (self.convert_term(left)?, self.convert_term(right)?);
            return Ok(FormulaTerm::binary(left, sign, &right).with_never_null(false));
        }
        let formula_name = match name {
            name if name.ends_with("_IF") || name.ends_with("_IFS") => name.replace('_', ""),
            "COUNT_BLANK" | "COUNT_UNIQUE" | "PIVOT_INDEX" | "PIVOT_OFFSET" | "PIVOT_ROW" => name.replace('_', ""),
            _ => name.to_owned(),
        };
        let function = catalog::lookup(&formula_name).or_else(|| catalog::lookup(&formula_name.replace('_', ".")));
        let function = function.ok_or_else(|| format!("formulas have no function for `OMNI_FX_{name}`"))?;
        Ok(FormulaTerm::call(function.name, &self.convert_terms(args)?))
    }

    /// Converts an Omni operator on the rows of a result.
    fn convert_row_operator(&self, name: &str, args: &[&Expr], expr: &Expr) -> Result<FormulaTerm, String> {
        let reference = match args {
            [Expr::Identifier(ident)] => self.reference_of_placeholder(&ident.value),
            _ => None,
        };
        let letter = reference.and_then(|reference| self.names.worksheet_column_letter(&reference));
        let letter = letter.ok_or_else(|| unsupported_sql(expr))?;
        Ok(match name {
            "omni_running_total" => FormulaTerm::atom(format!("SUM({letter}$1:{letter}1)")),
            "omni_rank" => FormulaTerm::atom(format!("RANK({letter}1, {letter}:{letter}, 0)")),
            "omni_percent_of_total" => FormulaTerm::compound(format!("{letter}1 / SUM({letter}:{letter})")),
            "omni_percent_of_previous" => FormulaTerm::compound(format!("{letter}1 / {letter}0")),
            "omni_percent_change_from_previous" => {
                FormulaTerm::compound(format!("({letter}1 - {letter}0) / {letter}0"))
            }
            _ => return Err(unsupported_sql(expr)),
        })
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
}
