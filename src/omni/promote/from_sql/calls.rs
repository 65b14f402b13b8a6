//! Converts calls of functions and aggregates.

use sqlparser::ast::{DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Value};

use super::super::sql_functions::SqlResultType;
use super::super::term::FormulaTerm;
use super::super::{patterns, sql_functions};
use super::empty_sums::EMPTY_SUM_CAVEAT;
use super::literals::{integer_literal, literal_text, unsupported_sql};
use super::plain_sql::PLACEHOLDER_PREFIX;
use super::proven_formulas::FormulaFinder;
use super::reader::SqlConverter;
use crate::{Type, catalog};

/// Difference between `round` in SQL and `ROUND`, which rounds the decimal digits of a float.
const ROUNDED_FLOAT: &str = "SQL rounds the binary value of a float, so halves may be rounded in the other direction";

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
        let (args, is_distinct) = call_arguments(&function.args).ok_or_else(|| unsupported_sql(expr))?;
        if let Some(term) = self.convert_aggregate(&name, function, &args, is_distinct, expr)? {
            return Ok(term);
        }
        if is_distinct || function.filter.is_some() || !function.within_group.is_empty() {
            return Err(unsupported_sql(expr));
        }
        if let Some(formula) = name.strip_prefix("omni_fx_") {
            return self.convert_formula_call(&formula.to_uppercase(), &args);
        }
        if name.starts_with("omni_") {
            return self.convert_omni_call(&name, &args, expr);
        }
        if let Some(term) = self.convert_zero_default(&name, &args)? {
            return Ok(term);
        }
        if let Some(term) = self.convert_text_call(&name, &args)? {
            return Ok(term);
        }
        let texts: Vec<Option<String>> = args.iter().map(|arg| literal_text(arg)).collect();
        match (name.as_str(), args.as_slice()) {
            ("nullif", [x, y]) => {
                let (x, y) = (self.convert_term(x)?, self.convert_term(y)?);
                let ty = x.ty;
                Ok(FormulaTerm::call("IF", &[x.clone().compare_with("=", &y), FormulaTerm::null(), x]).with_type(ty))
            }
            ("round", [x, digits @ ..]) if digits.len() < 2 => {
                let x = self.convert_term(x)?;
                let ty = x.ty.filter(|_| !digits.is_empty());
                let digits = digits
                    .first()
                    .map_or_else(|| Ok(FormulaTerm::integer(0)), |digits| self.convert_term(digits))?;
                if !x.ty.is_some_and(|ty| matches!(ty, Type::Integer | Type::Decimal)) {
                    self.caveats.push(ROUNDED_FLOAT.to_owned());
                }
                Ok(FormulaTerm::call("ROUND", &[x, digits]).with_type(ty))
            }
            ("left" | "right", [x, count]) if self::integer_literal(count).is_some_and(|count| count >= 0) => {
                let args = [self.convert_term(x)?, self.convert_term(count)?];
                Ok(FormulaTerm::call(&name.to_uppercase(), &args).with_type(Some(Type::Text)))
            }
            ("starts_with" | "startswith", [x, _]) => match texts.get(1).cloned().flatten() {
                Some(text) => Ok(patterns::starts_with(self.convert_term(x)?, &text)),
                None => Err(unsupported_sql(expr)),
            },
            ("concat", _) if self.dialect.facts().concat_skips_null => {
                let args = self.convert_terms(&args)?;
                Ok(FormulaTerm::call("CONCAT", &args)
                    .with_type(Some(Type::Text))
                    .with_never_null(true))
            }
            (name, [x, y]) if name == self.dialect.facts().safe_divide => self.convert_division(x, y),
            ("now" | "current_timestamp", []) => Ok(FormulaTerm::call("NOW", &[])),
            ("date", [x]) => Ok(self.convert_term(x)?.timeframe("date")),
            ("date_trunc", [first, second]) => {
                // In BigQuery, the unit is the last argument and is not quoted.
                let (unit, x) = match texts.first().cloned().flatten() {
                    Some(unit) => (unit, second),
                    None => (second.to_string(), first),
                };
                let frame = sql_functions::unit_timeframe(&unit_name(&unit));
                let frame = frame.ok_or_else(|| format!("`date_trunc` to `{unit}` is not supported"))?;
                Ok(self.convert_term(x)?.timeframe(frame))
            }
            ("date_part", [_, x]) => {
                let unit = unit_name(&texts.first().cloned().flatten().unwrap_or_default());
                let x = self.convert_term(x)?;
                self.date_part(&unit, x).ok_or_else(|| unsupported_sql(expr))
            }
            ("datediff" | "date_diff", [unit, from, to]) => {
                let unit = unit_name(&literal_text(unit).unwrap_or_else(|| unit.to_string()));
                let (from, to) = (self.convert_term(from)?, self.convert_term(to)?);
                days_between(&unit, from, to).ok_or_else(|| unsupported_sql(expr))
            }
            _ => match self.single_branch(expr) {
                Some((condition, result, otherwise)) => self.convert_case(None, &[(condition, result)], otherwise),
                None => self.convert_function(&name, &args, expr),
            },
        }
    }

    pub(super) fn convert_function(&mut self, name: &str, args: &[&Expr], expr: &Expr) -> Result<FormulaTerm, String> {
        let sql_function = sql_functions::find_equivalent(name, self.dialect, args.len());
        let known_function = sql_function.ok_or_else(|| unsupported_sql(expr))?;
        let args = self.convert_terms(args)?;
        let ty = match known_function.gives {
            SqlResultType::First => args.first().and_then(|arg| arg.ty),
            SqlResultType::Of(ty) => Some(ty),
            SqlResultType::Unknown => None,
        };
        let is_never_null = known_function.formula == "COALESCE" && args.iter().any(|arg| arg.is_never_null);
        let term = FormulaTerm::call(known_function.formula, &args)
            .with_type(ty)
            .with_never_null(is_never_null);
        Ok(if known_function.aggregates {
            term.into_aggregate()
        } else {
            term
        })
    }

    /// Converts an aggregate, including its filter, DISTINCT and ordering. `None` if the function is not an aggregate,
    /// or if its name is sufficient to convert it.
    pub(super) fn convert_aggregate(
        &mut self,
        name: &str,
        function: &Function,
        args: &[&Expr],
        is_distinct: bool,
        expr: &Expr,
    ) -> Result<Option<FormulaTerm>, String> {
        let filter_term = function
            .filter
            .as_deref()
            .map(|filter| self.convert_term(filter))
            .transpose()?;
        let keep = |x: FormulaTerm| match &filter_term {
            Some(filter) => FormulaTerm::call("IF", &[filter.clone(), x]),
            None => x,
        };
        let term = match (name, args) {
            ("percentile_cont", [share]) if function.within_group.len() == 1 && !is_distinct => {
                let Some(sort_key) = function.within_group.first() else {
                    return Ok(None);
                };
                if !matches!(sort_key.options.sort, None | Some(sqlparser::ast::OrderBySort::Asc)) {
                    return Err(unsupported_sql(expr));
                }
                let (x, share) = (self.convert_term(&sort_key.expr)?, self.convert_term(share)?);
                FormulaTerm::call("PERCENTILE", &[keep(x), share]).with_type(Some(Type::Float))
            }
            _ if !function.within_group.is_empty() => return Ok(None),
            ("count", []) => match filter_term {
                Some(filter) => FormulaTerm::call("COUNTIF", &[filter])
                    .with_type(Some(Type::Integer))
                    .with_never_null(true),
                None => FormulaTerm::call("COUNT", &[])
                    .with_type(Some(Type::Integer))
                    .with_never_null(true),
            },
            ("count", [x]) => {
                // `count` also counts rows for which the CASE returns the default 0.
                let split = self.split_conditional(x)?.filter(|(.., is_zero)| !is_zero);
                let count = match (split, is_distinct, &filter_term) {
                    (Some((condition, x, _)), false, None) if x.is_never_null => {
                        FormulaTerm::call("COUNTIF", &[condition])
                    }
                    (Some((condition, x, _)), ..) => {
                        self.count_term(keep(FormulaTerm::call("IF", &[condition, x])), is_distinct)
                    }
                    (None, ..) => {
                        let x = self.convert_term(x)?;
                        self.count_term(keep(x), is_distinct)
                    }
                };
                count.with_type(Some(Type::Integer)).with_never_null(true)
            }
            ("sum", [x]) if !is_distinct => {
                let (term, ty, is_never_null) = match (self.split_conditional(x)?, &filter_term) {
                    (Some((condition, x, otherwise_zero)), None) => (
                        FormulaTerm::call("SUMIF", &[condition, x.clone()]),
                        x.ty,
                        x.is_never_null && otherwise_zero,
                    ),
                    (Some((condition, x, _)), Some(_)) => {
                        let ty = x.ty;
                        (
                            FormulaTerm::call("SUM", &[keep(FormulaTerm::call("IF", &[condition, x]))]),
                            ty,
                            false,
                        )
                    }
                    (None, _) => {
                        let x = self.convert_term(x)?;
                        let (ty, is_never_null) = (x.ty, x.is_never_null && filter_term.is_none());
                        (FormulaTerm::call("SUM", &[keep(x)]), ty, is_never_null)
                    }
                };
                if !is_never_null {
                    self.caveats.push(EMPTY_SUM_CAVEAT.to_owned());
                }
                term.with_type(ty).with_never_null(true)
            }
            _ => {
                let sql_function = sql_functions::find_equivalent(name, self.dialect, args.len())
                    .filter(|sql_function| sql_function.aggregates);
                let Some((known_function, Some(_))) =
                    sql_function.map(|sql_function| (sql_function, filter_term.as_ref()))
                else {
                    return Ok(None);
                };
                if is_distinct {
                    return Err(unsupported_sql(expr));
                }
                let args = self.convert_terms(args)?.into_iter().map(keep).collect::<Vec<_>>();
                FormulaTerm::call(known_function.formula, &args)
            }
        };
        Ok(Some(term.into_aggregate()))
    }

    pub(super) fn count_term(&self, x: FormulaTerm, is_distinct: bool) -> FormulaTerm {
        let x = if is_distinct {
            FormulaTerm::call("DISTINCT", &[x])
        } else {
            x
        };
        FormulaTerm::call("COUNT", &[x])
    }

    /// Splits `case when c then x end` and `if(c, x, NULL)` into the condition and the result. The flag is `true` if
    /// the default of the conditional is 0.
    pub(super) fn split_conditional(&mut self, x: &Expr) -> Result<Option<(FormulaTerm, FormulaTerm, bool)>, String> {
        let Some((condition, result, otherwise)) = self.single_branch(x) else {
            return Ok(None);
        };
        let is_zero = match otherwise {
            None => false,
            Some(Expr::Value(value)) => match &value.value {
                Value::Null => false,
                Value::Number(text, _) if text == "0" => true,
                _ => return Ok(None),
            },
            Some(_) => return Ok(None),
        };
        Ok(Some((
            self.convert_term(condition)?,
            self.convert_term(result)?,
            is_zero,
        )))
    }

    /// Returns the condition, the result and the default of a conditional expression with one condition.
    pub(super) fn single_branch<'e>(&self, expr: &'e Expr) -> Option<(&'e Expr, &'e Expr, Option<&'e Expr>)> {
        match expr {
            Expr::Case {
                operand: None,
                conditions,
                else_result,
                ..
            } => match conditions.as_slice() {
                [when] => Some((&when.condition, &when.result, else_result.as_deref())),
                _ => None,
            },
            Expr::Function(function) => {
                let (args, _) = call_arguments(&function.args)?;
                let [condition, result, otherwise] = args.as_slice() else {
                    return None;
                };
                let name = function.name.to_string().to_lowercase();
                let sql_function = sql_functions::find_equivalent(&name, self.dialect, args.len())?;
                (sql_function.formula == "IF").then_some((*condition, *result, Some(*otherwise)))
            }
            _ => None,
        }
    }

    /// Converts a formula function that is called by its name in Omni's SQL, such as `OMNI_FX_SUM_IF(…)`.
    pub(super) fn convert_formula_call(&mut self, name: &str, args: &[&Expr]) -> Result<FormulaTerm, String> {
        let operator = match name {
            "PLUS" => Some(("+", 3)),
            "MINUS" => Some(("-", 3)),
            "MULTIPLY" => Some(("*", 4)),
            "SAFE_DIVIDE" | "DIVIDE" => Some(("/", 4)),
            "EQUALS" => Some(("=", 1)),
            "NOT_EQUALS" => Some(("<>", 1)),
            "AMPERSAND" => Some(("&", 2)),
            "POWER" => Some(("^", 5)),
            _ => None,
        };
        let plain =
            |expr: &&Expr| matches!(expr, Expr::Identifier(ident) if ident.value.starts_with(PLACEHOLDER_PREFIX));
        if let (Some((sign, strength)), [left, right]) = (operator, args) {
            let (left, right) = (self.convert_term(left)?, self.convert_term(right)?);
            return Ok(FormulaTerm::binary(left, sign, strength, &right).with_never_null(false));
        }
        let formula_name = match name {
            name if name.ends_with("_IF") || name.ends_with("_IFS") => name.replace('_', ""),
            "COUNT_BLANK" | "COUNT_UNIQUE" => name.replace('_', ""),
            "PIVOT_INDEX" | "PIVOT_OFFSET" | "PIVOT_ROW" => name.replace('_', ""),
            _ => name.to_owned(),
        };
        let function = catalog::lookup(&formula_name).or_else(|| catalog::lookup(&formula_name.replace('_', ".")));
        let function = function.ok_or_else(|| format!("formulas have no function for `OMNI_FX_{name}`"))?;
        if function.describe_level().contains("aggregate") && args.iter().any(plain) {
            return Err(format!(
                "the argument of `OMNI_FX_{name}` may mean a cell or a column; for the column, write a range such as `B:B`"
            ));
        }
        let args = self.convert_terms(args)?;
        Ok(FormulaTerm::call(function.name, &args))
    }

    /// Converts the extraction of a part of a date.
    pub(super) fn date_part(&self, unit: &str, x: FormulaTerm) -> Option<FormulaTerm> {
        let call = |name: &str, args: &[FormulaTerm]| FormulaTerm::call(name, args).with_type(Some(Type::Integer));
        let function = match unit {
            "year" => "YEAR",
            "quarter" => "QUARTER",
            "month" => "MONTH",
            "day" => "DAY",
            "hour" => "HOUR",
            "minute" => "MINUTE",
            "doy" | "dayofyear" => return Some(x.timeframe("day_of_year")),
            "isodow" => return Some(call("WEEKDAY", &[x, FormulaTerm::integer(2)])),
            "dow"
                if self
                    .names
                    .proven_formulas()
                    .is_some_and(FormulaFinder::extracts_days_from_zero) =>
            {
                let day = FormulaTerm::binary(call("WEEKDAY", &[x]), "-", 3, &FormulaTerm::integer(1));
                return Some(day.with_type(Some(Type::Integer)));
            }
            _ => return None,
        };
        Some(call(function, &[x]))
    }

    /// Converts operators that exist only in Omni: operators on times and on the rows of a result.
    pub(super) fn convert_omni_call(&mut self, name: &str, args: &[&Expr], expr: &Expr) -> Result<FormulaTerm, String> {
        let [x] = args else { return Err(unsupported_sql(expr)) };
        if let Some(frame) = sql_functions::operator_timeframe(name) {
            return self.names.timeframe(self.convert_term(x)?, Some(frame));
        }
        let reference = match x {
            Expr::Identifier(ident) => self.reference_of_placeholder(&ident.value),
            _ => None,
        };
        let letter = reference.and_then(|reference| self.names.worksheet_column_letter(&reference));
        let letter = letter.ok_or_else(|| unsupported_sql(expr))?;
        let text = match name {
            "omni_running_total" => format!("SUM({letter}$1:{letter}1)"),
            "omni_percent_of_total" => format!("{letter}1 / SUM({letter}:{letter})"),
            "omni_percent_of_previous" => format!("{letter}1 / {letter}0"),
            "omni_percent_change_from_previous" => format!("({letter}1 - {letter}0) / {letter}0"),
            "omni_rank" => format!("RANK({letter}1, {letter}:{letter}, 0)"),
            _ => return Err(unsupported_sql(expr)),
        };
        let is_call = text.ends_with(')');
        Ok(if is_call {
            FormulaTerm::atom(text)
        } else {
            FormulaTerm::compound(text)
        })
    }
}

/// Returns the name of a unit of time: lower-case and singular.
fn unit_name(text: &str) -> String {
    let name = text.trim().to_lowercase();
    name.strip_suffix('s').unwrap_or(&name).to_owned()
}

/// Returns the number of day, month or year boundaries between two dates, which is how warehouses define the difference
/// between dates.
pub(super) fn days_between(unit: &str, from: FormulaTerm, to: FormulaTerm) -> Option<FormulaTerm> {
    let part =
        |name: &str, x: &FormulaTerm| FormulaTerm::call(name, std::slice::from_ref(x)).with_type(Some(Type::Integer));
    let years =
        |from: &FormulaTerm, to: &FormulaTerm| FormulaTerm::binary(part("YEAR", to), "-", 3, &part("YEAR", from));
    Some(match unit {
        "day" => {
            let day = |x: FormulaTerm| {
                if x.ty == Some(Type::Date) {
                    x
                } else {
                    x.timeframe("date")
                }
            };
            FormulaTerm::call("DAYS", &[day(to), day(from)]).with_type(Some(Type::Integer))
        }
        "month" => {
            let months = FormulaTerm::binary(years(&from, &to), "*", 4, &FormulaTerm::integer(12));
            let sum = FormulaTerm::binary(months, "+", 3, &part("MONTH", &to));
            FormulaTerm::binary(sum, "-", 3, &part("MONTH", &from)).with_type(Some(Type::Integer))
        }
        "year" => years(&from, &to).with_type(Some(Type::Integer)),
        _ => return None,
    })
}

/// Returns the unnamed arguments, and whether `distinct` precedes them. `*` is not counted as an argument.
pub(super) fn call_arguments(args: &FunctionArguments) -> Option<(Vec<&Expr>, bool)> {
    let list = match args {
        FunctionArguments::None => return Some((Vec::new(), false)),
        FunctionArguments::Subquery(_) => return None,
        FunctionArguments::List(list) => list,
    };
    if !list.clauses.is_empty() {
        return None;
    }
    let mut exprs = Vec::with_capacity(list.args.len());
    for arg in &list.args {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {}
            _ => return None,
        }
    }
    Some((
        exprs,
        matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct)),
    ))
}
