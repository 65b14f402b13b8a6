//! Converts warehouse SQL that contains Omni references to a formula.

use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DataType, DuplicateTreatment, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Interval, SelectItem, SetExpr, Statement, UnaryOperator, Value,
};
use sqlparser::parser::Parser;

use super::filters::{is_number, number_term};
use super::patterns;
use super::sql_functions::{self, CONCAT_SKIPS_NULL, DIVIDES_WHOLE, SqlResultType};
use super::term::FormulaTerm;
use crate::Type;
use crate::catalog;
use crate::dialect::Dialect;
use crate::lineage;

/// Maximum length of an SQL expression in bytes. Longer expressions would not result in useful formulas.
const MAX_SQL_BYTES: usize = 16 << 10;
/// Maximum nesting depth of parentheses.
const BRACKETS: usize = 100;
/// Prefix of the placeholders that replace references while SQL is parsed.
const MARK: &str = "omni_ref_";

/// Resolves names in SQL.
pub(super) trait SqlNames {
    /// Resolves an Omni reference without its `${}`.
    fn field(&self, reference: &str) -> Result<FormulaTerm, String>;
    /// Resolves a column with an optional qualifier.
    fn column(&self, relation: Option<&str>, column: &str) -> Result<FormulaTerm, String>;
    /// Returns the letter of a worksheet column, for operators on the rows of a result. `None` outside of worksheets.
    fn column_letter(&self, _reference: &str) -> Option<String> {
        None
    }
}

/// Formula converted from SQL.
#[derive(Debug)]
pub(super) struct ConvertedSql {
    pub term: FormulaTerm,
    /// Ways in which the formula may differ from the SQL.
    pub doubts: Vec<String>,
    /// Whether the formula does arithmetic with values that may be NULL, for which SQL returns NULL.
    pub computes: bool,
}

/// Converts an SQL expression. The current thread must have a large stack.
///
/// # Errors
///
/// Returns an error with the part of the SQL that formulas cannot express.
pub(super) fn convert(sql: &str, dialect: Dialect, names: &dyn SqlNames) -> Result<ConvertedSql, String> {
    if sql.len() > MAX_SQL_BYTES {
        return Err("the SQL is too long for a formula".to_owned());
    }
    if ["{{", "{%", "{#"].iter().any(|mark| sql.contains(mark)) {
        return Err("it is a template".to_owned());
    }
    let (text, references) = mark_references(sql)?;
    let expr = parse(&infix_operators(&text), dialect)?;
    let mut reader = SqlReader {
        family: dialect.facts().sql_family,
        names,
        references,
        doubts: Vec::new(),
        computes: false,
        depth: 0,
    };
    let term = reader.convert_term(&expr);
    let references = &reader.references;
    let term = term.map_err(|reason| {
        let named = references.iter().enumerate().rev();
        named.fold(reason, |reason, (at, name)| {
            reason.replace(&format!("{MARK}{at}"), &format!("${{{name}}}"))
        })
    })?;
    reader.doubts.dedup();
    Ok(ConvertedSql {
        term,
        doubts: reader.doubts,
        computes: reader.computes,
    })
}

/// Replaces each reference with a placeholder name.
fn mark_references(sql: &str) -> Result<(String, Vec<String>), String> {
    if sql.contains(MARK) {
        return Err(format!("it contains a name that begins with `{MARK}`"));
    }
    let mut parts = sql.split("${");
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut references = Vec::new();
    for part in parts {
        let (name, rest) = part.split_once('}').ok_or("a reference is not closed")?;
        if name.trim().eq_ignore_ascii_case("table") {
            return Err("`${TABLE}` is a Looker reference, which Omni does not have".to_owned());
        }
        out.push_str(&format!("{MARK}{}", references.len()));
        references.push(name.trim().to_owned());
        out.push_str(rest);
    }
    Ok((out, references))
}

/// Replaces Omni's infix operators, as in `a OMNI_FX_PLUS b`, with the usual operators, as in `a + b`.
fn infix_operators(sql: &str) -> String {
    const OPERATORS: &[(&str, &str)] = &[
        ("PLUS", "+"),
        ("MINUS", "-"),
        ("MULTIPLY", "*"),
        ("SAFE_DIVIDE", "/"),
        ("DIVIDE", "/"),
        ("EQUALS", "="),
        ("NOT_EQUALS", "<>"),
        ("GREATER_THAN", ">"),
        ("GREATER_THAN_OR_EQUAL", ">="),
        ("GREATER_THAN_OR_EQUAL_TO", ">="),
        ("LESS_THAN", "<"),
        ("LESS_THAN_OR_EQUAL", "<="),
        ("LESS_THAN_OR_EQUAL_TO", "<="),
        ("AMPERSAND", "||"),
    ];
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => rest
                .get(1..)
                .and_then(|inside| inside.find('\''))
                .map_or(rest.len(), |end| end + 2),
            c if c.is_alphanumeric() || c == '_' => rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (word, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let operator = word
            .strip_prefix("OMNI_FX_")
            .filter(|_| !after.trim_start().starts_with('('));
        let operator = operator.and_then(|name| OPERATORS.iter().find(|(known, _)| *known == name));
        out.push_str(operator.map_or(word, |(_, sign)| sign));
        rest = after;
    }
    out
}

fn parse(sql: &str, dialect: Dialect) -> Result<Expr, String> {
    let no = || "its SQL is not a valid expression".to_owned();
    let dialect = lineage::parser_dialect(Some(dialect));
    let text = format!("select {sql}\n");
    let parser = Parser::new(&*dialect)
        .with_recursion_limit(BRACKETS)
        .try_with_sql(&text);
    let statements = parser
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|_| no())?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return Err(no());
    };
    let SetExpr::Select(select) = &*query.body else {
        return Err(no());
    };
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr)] if select.from.is_empty() && select.selection.is_none() => Ok(expr.clone()),
        _ => Err(no()),
    }
}

struct SqlReader<'n> {
    /// Family of the dialect's SQL (`sql_family`).
    family: &'static str,
    names: &'n dyn SqlNames,
    references: Vec<String>,
    doubts: Vec<String>,
    computes: bool,
    depth: usize,
}

/// Maximum depth of the expression tree. A chain of the same operator has one level per operand.
const MAX_DEPTH: usize = 2_000;

impl SqlReader<'_> {
    fn convert_term(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        self.depth += 1;
        let term = if self.depth > MAX_DEPTH {
            Err("its SQL is nested too deeply".to_owned())
        } else {
            self.convert_part(expr)
        };
        self.depth -= 1;
        term
    }

    fn convert_terms(&mut self, exprs: &[&Expr]) -> Result<Vec<FormulaTerm>, String> {
        exprs.iter().map(|expr| self.convert_term(expr)).collect()
    }

    #[allow(
        clippy::too_many_lines,
        reason = "this is one list of cases, to be split when a case is added"
    )]
    fn convert_part(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        match expr {
            Expr::Nested(inner) => self.convert_term(inner),
            Expr::Identifier(ident) => match self.marked_reference(&ident.value) {
                Some(reference) => self.names.field(&reference),
                None => self.names.column(None, &ident.value),
            },
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, column] => self.names.column(Some(&relation.value), &column.value),
                _ => Err(format!("the name `{expr}` has more than two parts")),
            },
            Expr::Value(value) => self.convert_literal(&value.value),
            Expr::TypedString(typed) => match (&typed.data_type, typed.value.clone().into_string()) {
                (DataType::Date, Some(text)) => date_term(&text),
                _ => Err(unsupported_sql(expr)),
            },
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => Ok(self.convert_term(expr)?.negate()),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => Ok(self.convert_term(expr)?.negative()),
            Expr::UnaryOp {
                op: UnaryOperator::Plus,
                expr,
            } => self.convert_term(expr),
            Expr::BinaryOp { left, op, right } => self.convert_binary(left, op, right),
            Expr::IsNull(inner) => Ok(self.convert_term(inner)?.isblank_call()),
            Expr::IsNotNull(inner) => Ok(self.convert_term(inner)?.isblank_call().negate()),
            Expr::IsTrue(inner) => Ok(FormulaTerm::call(
                "COALESCE",
                &[self.convert_term(inner)?, FormulaTerm::boolean_literal(false)],
            )),
            Expr::IsFalse(inner) => {
                let no = self.convert_term(inner)?.negate();
                Ok(FormulaTerm::call(
                    "COALESCE",
                    &[no, FormulaTerm::boolean_literal(false)],
                ))
            }
            Expr::InList { expr, list, negated } => {
                let x = self.convert_term(expr)?;
                let (op, joined) = if *negated { ("<>", "AND") } else { ("=", "OR") };
                let mut parts = Vec::with_capacity(list.len());
                for value in list {
                    parts.push(x.clone().compare_with(op, &self.convert_term(value)?));
                }
                Ok(FormulaTerm::combine_conditions(joined, parts))
            }
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let (x, low, high) = (
                    self.convert_term(expr)?,
                    self.convert_term(low)?,
                    self.convert_term(high)?,
                );
                Ok(match negated {
                    false => FormulaTerm::combine_conditions(
                        "AND",
                        vec![x.clone().compare_with(">=", &low), x.compare_with("<=", &high)],
                    ),
                    true => FormulaTerm::combine_conditions(
                        "OR",
                        vec![x.clone().compare_with("<", &low), x.compare_with(">", &high)],
                    ),
                })
            }
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.convert_like(expr, pattern, escape_char.as_deref(), *negated, false),
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.convert_like(expr, pattern, escape_char.as_deref(), *negated, true),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let whens: Vec<(&Expr, &Expr)> =
                    conditions.iter().map(|when| (&when.condition, &when.result)).collect();
                self.convert_case(operand.as_deref(), &whens, else_result.as_deref())
            }
            Expr::Cast {
                kind,
                expr: inner,
                data_type,
                format: None,
            } => self.convert_cast(kind, inner, data_type, expr),
            Expr::Extract { field, expr: inner, .. } => {
                let unit = field.to_string().to_lowercase();
                let x = self.convert_term(inner)?;
                date_part(&unit, x).ok_or_else(|| unsupported_sql(expr))
            }
            Expr::Ceil { expr: inner, field } if is_plain(field) => {
                Ok(FormulaTerm::call("CEILING", &[self.convert_term(inner)?]).with_type(Some(Type::Integer)))
            }
            Expr::Floor { expr: inner, field } if is_plain(field) => {
                Ok(FormulaTerm::call("FLOOR", &[self.convert_term(inner)?]).with_type(Some(Type::Integer)))
            }
            Expr::Substring {
                expr: inner,
                substring_from: Some(from),
                substring_for: Some(length),
                ..
            } => match (integer_literal(from), integer_literal(length)) {
                (Some(from), Some(length)) if from >= 1 && length >= 0 => {
                    let args = [
                        self.convert_term(inner)?,
                        FormulaTerm::integer(from),
                        FormulaTerm::integer(length),
                    ];
                    Ok(FormulaTerm::call("MID", &args).with_type(Some(Type::Text)))
                }
                _ => Err(unsupported_sql(expr)),
            },
            Expr::Function(function) => self.convert_call(function, expr),
            _ => Err(unsupported_sql(expr)),
        }
    }

    fn marked_reference(&self, name: &str) -> Option<String> {
        let number: usize = name.strip_prefix(MARK)?.parse().ok()?;
        self.references.get(number).cloned()
    }

    fn convert_literal(&self, value: &Value) -> Result<FormulaTerm, String> {
        match value {
            Value::Number(text, _) if is_number(text) => Ok(number_term(text)),
            Value::SingleQuotedString(text) if text.contains(MARK) => Err("a reference is inside a string".to_owned()),
            Value::SingleQuotedString(text) => Ok(FormulaTerm::string_literal(text)),
            // In BigQuery, double quotes also enclose strings.
            Value::DoubleQuotedString(text) if !text.contains(MARK) => Ok(FormulaTerm::string_literal(text)),
            Value::Boolean(value) => Ok(FormulaTerm::boolean_literal(*value)),
            Value::Null => Ok(FormulaTerm::null()),
            other => Err(format!("formulas do not support the value `{other}`")),
        }
    }

    fn convert_binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<FormulaTerm, String> {
        let joined = match op {
            BinaryOperator::And => Some("AND"),
            BinaryOperator::Or => Some("OR"),
            _ => None,
        };
        if let Some(joined) = joined {
            let mut parts = Vec::new();
            collect_chain(left, op, &mut parts);
            collect_chain(right, op, &mut parts);
            return Ok(FormulaTerm::combine_conditions(joined, self.convert_terms(&parts)?));
        }
        match op {
            BinaryOperator::Divide => return self.convert_division(left, right),
            BinaryOperator::StringConcat => return self.convert_concatenation(left, right),
            BinaryOperator::Plus | BinaryOperator::Minus => {
                if let Expr::Interval(interval) = right {
                    return self.convert_interval_shift(left, interval, matches!(op, BinaryOperator::Minus));
                }
            }
            _ => {}
        }
        let sign = match op {
            BinaryOperator::Plus => ("+", 3),
            BinaryOperator::Minus => ("-", 3),
            BinaryOperator::Multiply => ("*", 4),
            BinaryOperator::Eq => ("=", 1),
            BinaryOperator::NotEq => ("<>", 1),
            BinaryOperator::Lt => ("<", 1),
            BinaryOperator::LtEq => ("<=", 1),
            BinaryOperator::Gt => (">", 1),
            BinaryOperator::GtEq => (">=", 1),
            other => return Err(format!("the operator `{other}` is not supported")),
        };
        let (left, right) = (self.convert_term(left)?, self.convert_term(right)?);
        if sign.1 == 1 {
            return Ok(left.compare_with(sign.0, &right));
        }
        self.computes |= !left.is_there || !right.is_there;
        let ty = arithmetic_type(left.ty, right.ty);
        Ok(FormulaTerm::binary(left, sign.0, sign.1, &right).with_type(ty))
    }

    /// Converts a division. In formulas, division by 0 is an error, and division never truncates.
    fn convert_division(&mut self, left: &Expr, right: &Expr) -> Result<FormulaTerm, String> {
        let (left, left_is_real) = strip_widening(left);
        let (right, right_is_real) = strip_widening(strip_nullif_zero(right));
        let (left, right) = (self.convert_term(left)?, self.convert_term(right)?);
        let is_real = |term: &FormulaTerm| matches!(term.ty, Some(Type::Decimal | Type::Float));
        let is_whole = |term: &FormulaTerm| term.ty == Some(Type::Integer);
        if DIVIDES_WHOLE.contains(&self.family) && !(left_is_real || right_is_real || is_real(&left) || is_real(&right))
        {
            if is_whole(&left) && is_whole(&right) {
                return Ok(FormulaTerm::call("QUOTIENT", &[left, right]).with_type(Some(Type::Integer)));
            }
            self.doubts.push(
                "the warehouse drops the fraction when it divides integers, but `/` in a formula never does".to_owned(),
            );
        }
        self.computes |= !left.is_there;
        Ok(FormulaTerm::binary(left, "/", 4, &right)
            .with_type(Some(Type::Float))
            .with_presence(false))
    }

    /// Converts `a || b`, which is NULL if an operand is NULL, whereas the formula operator `&` treats NULL as empty
    /// text.
    fn convert_concatenation(&mut self, left: &Expr, right: &Expr) -> Result<FormulaTerm, String> {
        let mut parts = Vec::new();
        collect_chain(left, &BinaryOperator::StringConcat, &mut parts);
        collect_chain(right, &BinaryOperator::StringConcat, &mut parts);
        let parts = self.convert_terms(&parts)?;
        let is_formula = self.names.column_letter("").is_some();
        let blanks: Vec<FormulaTerm> = parts
            .iter()
            .filter(|part| !part.is_there && !is_formula)
            .map(|part| part.clone().isblank_call())
            .collect();
        let joined = parts
            .into_iter()
            .reduce(|a, b| FormulaTerm::binary(a, "&", 2, &b))
            .unwrap_or_else(FormulaTerm::null);
        let joined = joined.with_type(Some(Type::Text));
        if blanks.is_empty() {
            return Ok(joined.with_presence(true));
        }
        Ok(FormulaTerm::call(
            "IF",
            &[
                FormulaTerm::combine_conditions("OR", blanks),
                FormulaTerm::null(),
                joined,
            ],
        )
        .with_type(Some(Type::Text)))
    }

    /// Converts `x + interval '7 days'`.
    fn convert_interval_shift(&mut self, left: &Expr, interval: &Interval, back: bool) -> Result<FormulaTerm, String> {
        let text = match &*interval.value {
            Expr::Value(value) => value.value.to_string().trim_matches('\'').to_owned(),
            _ => String::new(),
        };
        let unit = interval
            .leading_field
            .as_ref()
            .map(|field| format!(" {field}"))
            .unwrap_or_default();
        let text = format!("{text}{unit}").to_lowercase();
        let mut words = text.split_whitespace();
        let (count, unit) = (words.next().and_then(|count| count.parse::<i64>().ok()), words.next());
        let days = match (count, unit.map(|unit| unit.trim_end_matches('s'))) {
            (Some(count), Some("day")) => count.checked_abs().map(|_| count),
            (Some(count), Some("week")) => count.checked_mul(7),
            _ => None,
        };
        let days = days.filter(|_| words.next().is_none() && interval.last_field.is_none());
        let days = days.ok_or_else(|| format!("an interval of `{text}` is not supported, only days and weeks are"))?;
        let x = self.convert_term(left)?;
        let days = if back { -days } else { days };
        let (op, count) = if days < 0 { ("-", -days) } else { ("+", days) };
        let ty = x.ty;
        Ok(FormulaTerm::binary(x, op, 3, &FormulaTerm::integer(count)).with_type(ty))
    }

    fn convert_like(
        &mut self,
        x: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
        ignore_case: bool,
    ) -> Result<FormulaTerm, String> {
        let text = |expr: &Expr| match expr {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) if !text.contains(MARK) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        };
        let pattern = text(pattern).ok_or("a pattern that is not a literal is not supported")?;
        let escape = match escape {
            None if self.family == "duckdb" => None,
            None => Some('\\'),
            Some(escape) => text(escape).and_then(|text| text.chars().next()),
        };
        let condition = patterns::like_pattern(self.convert_term(x)?, &pattern, escape, ignore_case);
        Ok(if negated { condition.negate() } else { condition })
    }

    fn convert_case(
        &mut self,
        operand: Option<&Expr>,
        whens: &[(&Expr, &Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<FormulaTerm, String> {
        let mut args = Vec::with_capacity(whens.len() * 2 + 2);
        let operand = operand.map(|operand| self.convert_term(operand)).transpose()?;
        for (condition, result) in whens {
            args.push(self.convert_term(condition)?);
            args.push(self.convert_term(result)?);
        }
        let otherwise = match otherwise {
            Some(Expr::Value(value)) if matches!(value.value, Value::Null) => None,
            Some(otherwise) => Some(self.convert_term(otherwise)?),
            None => None,
        };
        let results: Vec<&FormulaTerm> = args.iter().skip(1).step_by(2).chain(&otherwise).collect();
        let is_there = otherwise.is_some() && results.iter().all(|term| term.is_there);
        let ty = results
            .first()
            .and_then(|first| first.ty)
            .filter(|ty| results.iter().all(|it| it.ty == Some(*ty)));
        let name = match (&operand, whens.len()) {
            (Some(_), _) => "SWITCH",
            (None, 1) => "IF",
            (None, _) => "IFS",
        };
        if let Some(otherwise) = otherwise {
            if name == "IFS" {
                args.push(FormulaTerm::boolean_literal(true));
            }
            args.push(otherwise);
        }
        let args: Vec<FormulaTerm> = operand.into_iter().chain(args).collect();
        Ok(FormulaTerm::call(name, &args).with_type(ty).with_presence(is_there))
    }

    fn convert_cast(
        &mut self,
        kind: &CastKind,
        inner: &Expr,
        data_type: &DataType,
        whole: &Expr,
    ) -> Result<FormulaTerm, String> {
        let x = self.convert_term(inner)?;
        let is_number = matches!(x.ty, Some(Type::Integer | Type::Decimal | Type::Float));
        match data_type {
            DataType::Date if matches!(kind, CastKind::Cast | CastKind::DoubleColon) => match (x.ty, inner) {
                (Some(Type::Text), Expr::Value(value)) => {
                    date_term(&value.value.clone().into_string().unwrap_or_default())
                }
                (Some(Type::Text), _) => Err(unsupported_sql(whole)),
                _ => Ok(x.timeframe("date")),
            },
            _ if is_real(data_type) && (is_number || x.aggregates) => Ok(x.with_type(Some(Type::Float))),
            _ => Err(unsupported_sql(whole)),
        }
    }

    fn convert_call(&mut self, function: &Function, whole: &Expr) -> Result<FormulaTerm, String> {
        let name = function.name.to_string().to_lowercase();
        if function.over.is_some() {
            return Err(format!(
                "`{name} … over` reads other rows, which only a calculation of a query can do"
            ));
        }
        if function.null_treatment.is_some() || !matches!(function.parameters, FunctionArguments::None) {
            return Err(unsupported_sql(whole));
        }
        let (args, is_distinct) = call_arguments(&function.args).ok_or_else(|| unsupported_sql(whole))?;
        if let Some(term) = self.convert_aggregate(&name, function, &args, is_distinct, whole)? {
            return Ok(term);
        }
        if is_distinct || function.filter.is_some() || !function.within_group.is_empty() {
            return Err(unsupported_sql(whole));
        }
        if let Some(formula) = name.strip_prefix("omni_fx_") {
            return self.convert_formula_call(&formula.to_uppercase(), &args);
        }
        if name.starts_with("omni_") {
            return self.convert_omni_call(&name, &args, whole);
        }
        let texts: Vec<Option<String>> = args.iter().map(|arg| literal_text(arg)).collect();
        match (name.as_str(), args.as_slice()) {
            ("nullif", [x, y]) => {
                let (x, y) = (self.convert_term(x)?, self.convert_term(y)?);
                let ty = x.ty;
                Ok(FormulaTerm::call("IF", &[x.clone().compare_with("=", &y), FormulaTerm::null(), x]).with_type(ty))
            }
            ("round", [x]) => Ok(FormulaTerm::call(
                "ROUND",
                &[self.convert_term(x)?, FormulaTerm::integer(0)],
            )),
            ("round", [x, digits]) => {
                let x = self.convert_term(x)?;
                let ty = x.ty;
                Ok(FormulaTerm::call("ROUND", &[x, self.convert_term(digits)?]).with_type(ty))
            }
            ("left" | "right", [x, count]) if self::integer_literal(count).is_some_and(|count| count >= 0) => {
                let args = [self.convert_term(x)?, self.convert_term(count)?];
                Ok(FormulaTerm::call(&name.to_uppercase(), &args).with_type(Some(Type::Text)))
            }
            ("starts_with" | "startswith", [x, _]) => match texts.get(1).cloned().flatten() {
                Some(text) => Ok(patterns::starts_with(self.convert_term(x)?, &text)),
                None => Err(unsupported_sql(whole)),
            },
            ("concat", _) if CONCAT_SKIPS_NULL.contains(&self.family) => {
                let args = self.convert_terms(&args)?;
                Ok(FormulaTerm::call("CONCAT", &args)
                    .with_type(Some(Type::Text))
                    .with_presence(true))
            }
            ("safe_divide", [x, y]) if self.family == "bigquery" => self.convert_division(x, y),
            ("zeroifnull", [x]) => Ok(
                FormulaTerm::call("COALESCE", &[self.convert_term(x)?, FormulaTerm::integer(0)]).with_presence(true),
            ),
            ("now" | "current_timestamp", []) => Ok(FormulaTerm::call("NOW", &[])),
            ("date", [x]) => Ok(self.convert_term(x)?.timeframe("date")),
            ("date_trunc", [first, second]) => {
                // In BigQuery, the unit is the last argument and is not quoted.
                let (unit, x) = match texts.first().cloned().flatten() {
                    Some(unit) => (unit, second),
                    None => (second.to_string(), first),
                };
                let frame = sql_functions::unit_timeframe(&unit.to_lowercase());
                let frame = frame.ok_or_else(|| format!("`date_trunc` to `{unit}` is not supported"))?;
                Ok(self.convert_term(x)?.timeframe(frame))
            }
            ("date_part", [_, x]) => {
                let unit = texts.first().cloned().flatten().unwrap_or_default().to_lowercase();
                let x = self.convert_term(x)?;
                date_part(&unit, x).ok_or_else(|| unsupported_sql(whole))
            }
            ("datediff" | "date_diff", [unit, from, to]) => {
                let unit = literal_text(unit).unwrap_or_else(|| unit.to_string()).to_lowercase();
                let (from, to) = (self.convert_term(from)?, self.convert_term(to)?);
                days_between(&unit, from, to).ok_or_else(|| unsupported_sql(whole))
            }
            _ => match self.single_branch(whole) {
                Some((condition, result, otherwise)) => self.convert_case(None, &[(condition, result)], otherwise),
                None => self.convert_function(&name, &args, whole),
            },
        }
    }

    fn convert_function(&mut self, name: &str, args: &[&Expr], whole: &Expr) -> Result<FormulaTerm, String> {
        let known = sql_functions::find(name, self.family, args.len());
        let known = known.ok_or_else(|| unsupported_sql(whole))?;
        let args = self.convert_terms(args)?;
        let ty = match known.gives {
            SqlResultType::First => args.first().and_then(|arg| arg.ty),
            SqlResultType::Of(ty) => Some(ty),
            SqlResultType::Unknown => None,
        };
        let is_there = known.formula == "COALESCE" && args.iter().any(|arg| arg.is_there);
        let term = FormulaTerm::call(known.formula, &args)
            .with_type(ty)
            .with_presence(is_there);
        Ok(if known.aggregates { term.into_aggregate() } else { term })
    }

    /// Converts an aggregate, including its filter, DISTINCT and ordering. `None` if the function is not an aggregate,
    /// or if its name is sufficient to convert it.
    fn convert_aggregate(
        &mut self,
        name: &str,
        function: &Function,
        args: &[&Expr],
        is_distinct: bool,
        whole: &Expr,
    ) -> Result<Option<FormulaTerm>, String> {
        let kept = function
            .filter
            .as_deref()
            .map(|filter| self.convert_term(filter))
            .transpose()?;
        let keep = |x: FormulaTerm| match &kept {
            Some(kept) => FormulaTerm::call("IF", &[kept.clone(), x]),
            None => x,
        };
        let term = match (name, args) {
            ("percentile_cont", [share]) if function.within_group.len() == 1 && !is_distinct => {
                let Some(by) = function.within_group.first() else {
                    return Ok(None);
                };
                if !matches!(by.options.sort, None | Some(sqlparser::ast::OrderBySort::Asc)) {
                    return Err(unsupported_sql(whole));
                }
                let (x, share) = (self.convert_term(&by.expr)?, self.convert_term(share)?);
                FormulaTerm::call("PERCENTILE", &[keep(x), share]).with_type(Some(Type::Float))
            }
            _ if !function.within_group.is_empty() => return Ok(None),
            ("count", []) => match kept {
                Some(kept) => FormulaTerm::call("COUNTIF", &[kept])
                    .with_type(Some(Type::Integer))
                    .with_presence(true),
                None => FormulaTerm::call("COUNT", &[])
                    .with_type(Some(Type::Integer))
                    .with_presence(true),
            },
            ("count", [x]) => {
                let counted = match (self.split_conditional(x)?, is_distinct, &kept) {
                    (Some((condition, x, _)), false, None) if x.is_there => FormulaTerm::call("COUNTIF", &[condition]),
                    (Some((condition, x, _)), ..) => {
                        self.count_term(keep(FormulaTerm::call("IF", &[condition, x])), is_distinct)
                    }
                    (None, ..) => {
                        let x = self.convert_term(x)?;
                        self.count_term(keep(x), is_distinct)
                    }
                };
                counted.with_type(Some(Type::Integer)).with_presence(true)
            }
            ("sum", [x]) if !is_distinct => {
                let (term, ty, is_there) = match (self.split_conditional(x)?, &kept) {
                    (Some((condition, x, otherwise_zero)), None) => (
                        FormulaTerm::call("SUMIF", &[condition, x.clone()]),
                        x.ty,
                        x.is_there && otherwise_zero,
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
                        let (ty, is_there) = (x.ty, x.is_there && kept.is_none());
                        (FormulaTerm::call("SUM", &[keep(x)]), ty, is_there)
                    }
                };
                if !is_there {
                    self.doubts
                        .push("in SQL the sum of no rows is NULL, in a formula it is 0".to_owned());
                }
                term.with_type(ty).with_presence(true)
            }
            _ => {
                let known = sql_functions::find(name, self.family, args.len()).filter(|known| known.aggregates);
                let Some((known, Some(_))) = known.map(|known| (known, kept.as_ref())) else {
                    return Ok(None);
                };
                if is_distinct {
                    return Err(unsupported_sql(whole));
                }
                let args = self.convert_terms(args)?.into_iter().map(keep).collect::<Vec<_>>();
                FormulaTerm::call(known.formula, &args)
            }
        };
        Ok(Some(term.into_aggregate()))
    }

    fn count_term(&self, x: FormulaTerm, is_distinct: bool) -> FormulaTerm {
        let x = if is_distinct {
            FormulaTerm::call("DISTINCT", &[x])
        } else {
            x
        };
        FormulaTerm::call("COUNT", &[x])
    }

    /// Splits `case when c then x end` and `if(c, x, NULL)` into the condition and the result. The flag is `true` if
    /// the default of the conditional is 0.
    fn split_conditional(&mut self, x: &Expr) -> Result<Option<(FormulaTerm, FormulaTerm, bool)>, String> {
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
    fn single_branch<'e>(&self, expr: &'e Expr) -> Option<(&'e Expr, &'e Expr, Option<&'e Expr>)> {
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
                let known = sql_functions::find(&name, self.family, args.len())?;
                (known.formula == "IF").then_some((*condition, *result, Some(*otherwise)))
            }
            _ => None,
        }
    }

    /// Converts a formula function that is called by its name in Omni's SQL, such as `OMNI_FX_SUM_IF(…)`.
    fn convert_formula_call(&mut self, name: &str, args: &[&Expr]) -> Result<FormulaTerm, String> {
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
        let plain = |expr: &&Expr| matches!(expr, Expr::Identifier(ident) if ident.value.starts_with(MARK));
        if let (Some((sign, strength)), [left, right]) = (operator, args) {
            let (left, right) = (self.convert_term(left)?, self.convert_term(right)?);
            return Ok(FormulaTerm::binary(left, sign, strength, &right).with_presence(false));
        }
        let written = match name {
            name if name.ends_with("_IF") || name.ends_with("_IFS") => name.replace('_', ""),
            "COUNT_BLANK" | "COUNT_UNIQUE" => name.replace('_', ""),
            "PIVOT_INDEX" | "PIVOT_OFFSET" | "PIVOT_ROW" => name.replace('_', ""),
            _ => name.to_owned(),
        };
        let function = catalog::lookup(&written).or_else(|| catalog::lookup(&written.replace('_', ".")));
        let function = function.ok_or_else(|| format!("formulas have no function for `OMNI_FX_{name}`"))?;
        if function.describe_level().contains("aggregate") && args.iter().any(plain) {
            return Err(format!(
                "`OMNI_FX_{name}` of a field may refer to its cell or its column; write a range, `B:B`"
            ));
        }
        let args = self.convert_terms(args)?;
        Ok(FormulaTerm::call(function.name, &args))
    }

    /// Converts operators that exist only in Omni: operators on times and on the rows of a result.
    fn convert_omni_call(&mut self, name: &str, args: &[&Expr], whole: &Expr) -> Result<FormulaTerm, String> {
        let [x] = args else { return Err(unsupported_sql(whole)) };
        if let Some(frame) = sql_functions::operator_timeframe(name) {
            return Ok(self.convert_term(x)?.timeframe(frame));
        }
        let reference = match x {
            Expr::Identifier(ident) => self.marked_reference(&ident.value),
            _ => None,
        };
        let letter = reference.and_then(|reference| self.names.column_letter(&reference));
        let letter = letter.ok_or_else(|| unsupported_sql(whole))?;
        let text = match name {
            "omni_running_total" => format!("SUM({letter}$1:{letter}1)"),
            "omni_percent_of_total" => format!("{letter}1 / SUM({letter}:{letter})"),
            "omni_percent_of_previous" => format!("{letter}1 / {letter}0"),
            "omni_percent_change_from_previous" => format!("({letter}1 - {letter}0) / {letter}0"),
            "omni_rank" => format!("RANK({letter}1, {letter}:{letter}, 0)"),
            _ => return Err(unsupported_sql(whole)),
        };
        let is_call = text.ends_with(')');
        Ok(if is_call {
            FormulaTerm::atom(text)
        } else {
            FormulaTerm::compound(text)
        })
    }
}

fn unsupported_sql(expr: &Expr) -> String {
    let text = expr.to_string();
    let short: String = text.chars().take(60).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("no formula expresses `{short}{more}`")
}

/// Collects the operands of a chain of the same operator, in order.
fn collect_chain<'e>(expr: &'e Expr, op: &BinaryOperator, parts: &mut Vec<&'e Expr>) {
    let mut open = vec![expr];
    while let Some(expr) = open.pop() {
        match expr {
            Expr::BinaryOp { left, op: inner, right } if inner == op => open.extend([&**right, &**left]),
            Expr::Nested(inner) if matches!(&**inner, Expr::BinaryOp { op: of, .. } if of == op) => open.push(inner),
            _ => parts.push(expr),
        }
    }
}

/// Returns `x` from `nullif(x, 0)`, an SQL idiom that avoids division by 0. Returns any other expression unchanged.
fn strip_nullif_zero(expr: &Expr) -> &Expr {
    let mut inner = expr;
    while let Expr::Nested(nested) = inner {
        inner = nested;
    }
    let Expr::Function(function) = inner else { return expr };
    if !function.name.to_string().eq_ignore_ascii_case("nullif") {
        return expr;
    }
    let FunctionArguments::List(list) = &function.args else {
        return expr;
    };
    match list.args.as_slice() {
        [
            FunctionArg::Unnamed(FunctionArgExpr::Expr(x)),
            FunctionArg::Unnamed(FunctionArgExpr::Expr(zero)),
        ] if is_zero(zero) => x,
        _ => expr,
    }
}

fn is_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(text, _) if text.parse() == Ok(0.0)))
}

/// Removes `1.0 *` or `::float`, SQL idioms that prevent truncation in a division. The flag is `true` if an idiom was
/// removed.
fn strip_widening(expr: &Expr) -> (&Expr, bool) {
    let is_one = |expr: &Expr| {
        matches!(expr, Expr::Value(value)
            if matches!(&value.value, Value::Number(text, _) if text.contains('.') && text.parse() == Ok(1.0)))
    };
    match expr {
        Expr::Nested(inner) => strip_widening(inner),
        Expr::Cast {
            expr: inner,
            data_type,
            kind: CastKind::Cast | CastKind::DoubleColon,
            ..
        } if is_real(data_type) => (inner, true),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Multiply,
            right,
        } if is_one(left) => (right, true),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Multiply,
            right,
        } if is_one(right) => (left, true),
        _ => (expr, false),
    }
}

fn is_real(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float(..)
        | DataType::Float4
        | DataType::Float8
        | DataType::Float64
        | DataType::Real
        | DataType::Double(..)
        | DataType::DoublePrecision => true,
        // Accept a numeric type only without a precision, because a type with a precision rounds.
        DataType::Numeric(info) | DataType::Decimal(info) => info.to_string().is_empty(),
        _ => false,
    }
}

fn is_plain(field: &CeilFloorKind) -> bool {
    matches!(
        field,
        CeilFloorKind::DateTimeField(sqlparser::ast::DateTimeField::NoDateTime)
    )
}

fn date_term(text: &str) -> Result<FormulaTerm, String> {
    super::relative_dates::DayStart::read(text)
        .ok()
        .filter(|_| super::relative_dates::is_date(text))
        .map(super::relative_dates::DayStart::to_term)
        .ok_or_else(|| format!("`{text}` is not a date"))
}

fn date_part(unit: &str, x: FormulaTerm) -> Option<FormulaTerm> {
    let function = match unit {
        "year" => "YEAR",
        "quarter" => "QUARTER",
        "month" => "MONTH",
        "day" => "DAY",
        "hour" => "HOUR",
        "minute" => "MINUTE",
        "doy" | "dayofyear" => return Some(x.timeframe("day_of_year")),
        _ => return None,
    };
    Some(FormulaTerm::call(function, &[x]).with_type(Some(Type::Integer)))
}

/// Returns the number of day, month or year boundaries between two dates, which is how warehouses define the difference
/// between dates.
fn days_between(unit: &str, from: FormulaTerm, to: FormulaTerm) -> Option<FormulaTerm> {
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

fn arithmetic_type(left: Option<Type>, right: Option<Type>) -> Option<Type> {
    match (left?, right?) {
        (Type::Integer, Type::Integer) => Some(Type::Integer),
        (Type::Float, Type::Integer | Type::Decimal | Type::Float) | (Type::Integer | Type::Decimal, Type::Float) => {
            Some(Type::Float)
        }
        (Type::Decimal, Type::Integer | Type::Decimal) | (Type::Integer, Type::Decimal) => Some(Type::Decimal),
        _ => None,
    }
}

fn integer_literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn literal_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) if !text.contains(MARK) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the unnamed arguments, and whether `distinct` precedes them. `*` is not counted as an argument.
fn call_arguments(args: &FunctionArguments) -> Option<(Vec<&Expr>, bool)> {
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

/// Returns the column name if the SQL consists of nothing else, as in `amount`, `"AMOUNT"` or `orders.amount`.
pub(super) fn plain_column(sql: &str) -> Option<(Option<String>, String)> {
    let part = |text: &str| {
        let text = text.trim();
        let quoted = ['"', '`'].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q));
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        match quoted {
            Some(inside) if !inside.is_empty() && !inside.contains(['"', '`', '.']) => Some(inside.to_owned()),
            Some(_) => None,
            None => {
                let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
                let is_known = ["true", "false", "null", "current_date", "current_timestamp"];
                (begins && text.chars().all(is_word) && !is_known.contains(&text.to_lowercase().as_str()))
                    .then(|| text.to_owned())
            }
        }
    };
    match sql.trim().split_once('.') {
        Some((relation, column)) => Some((Some(part(relation)?), part(column)?)),
        None => Some((None, part(sql)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test columns. The first letter of a column's name specifies its type.
    struct TestColumns;

    impl SqlNames for TestColumns {
        fn field(&self, reference: &str) -> Result<FormulaTerm, String> {
            self.column(None, reference)
        }

        fn column(&self, _: Option<&str>, column: &str) -> Result<FormulaTerm, String> {
            let ty = match column.chars().next() {
                Some('i') => Some(Type::Integer),
                Some('d') => Some(Type::Date),
                Some('t') => Some(Type::Text),
                Some('n') => Some(Type::Decimal),
                _ => None,
            };
            Ok(FormulaTerm::atom(column).with_type(ty))
        }
    }

    #[test]
    fn sql_is_converted_to_formulas() {
        for (dialect, sql, expected) in [
            ("postgres", "${i} / NULLIF(${i2}, 0)", "QUOTIENT(i, i2)"),
            ("postgres", "1.0 * ${i} / i2", "i / i2"),
            ("postgres", "i::float / (i2)", "i / i2"),
            ("duckdb", "i / i2", "i / i2"),
            ("postgres", "(i + 1) * -n - (n - i)", "(i + 1) * -n - (n - i)"),
            (
                "postgres",
                "t || '-' || t2",
                "IF(OR(ISBLANK(t), ISBLANK(t2)), 1/0, t & \"-\" & t2)",
            ),
            ("postgres", "concat(t, '\"')", "CONCAT(t, \"\"\"\")"),
            (
                "postgres",
                "NOT (i = 1 OR i2 IN (2, 3)) AND t IS NOT NULL",
                "AND(NOT(OR(i = 1, OR(i2 = 2, i2 = 3))), NOT(ISBLANK(t)))",
            ),
            ("snowflake", "iff(i > 1, 'a', NULL)", "IF(i > 1, \"a\")"),
            (
                "duckdb",
                "COALESCE(${t} = 'jaffle', FALSE)",
                "COALESCE(t = \"jaffle\", FALSE)",
            ),
            (
                "duckdb",
                "COALESCE(t = 'a' OR i = 1, FALSE)",
                "COALESCE(OR(t = \"a\", i = 1), FALSE)",
            ),
            ("duckdb", "count(if(${t} = 'food', 1, NULL))", "COUNTIF(t = \"food\")"),
            ("bigquery", "count(if(t = 'food', 1, NULL))", "COUNTIF(t = \"food\")"),
            ("bigquery", "sum(if(t = 'food', i, 0))", "SUMIF(t = \"food\", i)"),
            ("duckdb", "if(t = 'food', 1, 2)", "IF(t = \"food\", 1, 2)"),
            (
                "snowflake",
                "datediff('month', d, d2)",
                "(YEAR(d2) - YEAR(d)) * 12 + MONTH(d2) - MONTH(d)",
            ),
            ("snowflake", "nvl(i, 0)", "COALESCE(i, 0)"),
            ("bigquery", "safe_divide(sum(n), count(*))", "SUM(n) / COUNT()"),
            ("bigquery", "date_trunc(d, month)", "d[month]"),
            ("bigquery", "countif(i > 1)", "COUNTIF(i > 1)"),
            ("postgres", "date_trunc('quarter', d)", "d[quarter]"),
            ("postgres", "d + interval '7 days'", "d + 7"),
            ("postgres", "d - INTERVAL '2' WEEK", "d - 14"),
            ("postgres", "d >= DATE '2024-02-29'", "d >= DATE(2024, 2, 29)"),
            ("postgres", "extract(year from d)", "YEAR(d)"),
            (
                "postgres",
                "case t when 'a' then 1 else 2 end",
                "SWITCH(t, \"a\", 1, 2)",
            ),
            ("postgres", "i between 1 and 5", "AND(i >= 1, i <= 5)"),
            ("postgres", "t not like 'a%'", "NOT(LEFT(t, 1) = \"a\")"),
            ("postgres", "t ilike '%A%'", "CONTAINS(LOWER(t), \"a\")"),
            ("postgres", "count(distinct t)", "COUNT(DISTINCT(t))"),
            ("postgres", "sum(n) filter (where i > 1)", "SUM(IF(i > 1, n))"),
            ("postgres", "count(case when i > 1 then 1 end)", "COUNTIF(i > 1)"),
            ("postgres", "substring(t from 2 for 3)", "MID(t, 2, 3)"),
            ("postgres", "OMNI_MONTH(d)", "d[month]"),
            (
                "postgres",
                "OMNI_FX_IF(${i} OMNI_FX_GREATER_THAN 1, 'a', 'b')",
                "IF(i > 1, \"a\", \"b\")",
            ),
            ("postgres", "${i} OMNI_FX_PLUS 2", "i + 2"),
        ] {
            let made = convert(sql, dialect.parse().unwrap_or_default(), &TestColumns);
            assert_eq!(made.map(|it| it.term.text).as_deref(), Ok(expected), "{dialect}: {sql}");
        }
        for (dialect, sql) in [
            ("postgres", "trim(t)"),
            ("postgres", "i % 2"),
            ("postgres", "sum(n) over ()"),
            ("postgres", "(select 1)"),
            ("postgres", "t::int"),
            ("snowflake", "concat(t, t2)"),
            ("snowflake", "greatest(i, i2)"),
            ("postgres", "d + interval '1 month'"),
            ("postgres", "'${t}'"),
            ("postgres", "{{ x }}"),
            ("postgres", "${t"),
            ("postgres", "1; drop table x"),
            ("postgres", "a.b.c"),
            ("postgres", ""),
        ] {
            assert!(
                convert(sql, dialect.parse().unwrap_or_default(), &TestColumns).is_err(),
                "{sql}"
            );
        }
        let doubts = |sql: &str| convert(sql, Dialect::default(), &TestColumns).map(|it| it.doubts.len());
        assert_eq!(doubts("x / y"), Ok(1));
        assert_eq!(doubts("sum(n)"), Ok(1));
        assert_eq!(doubts("n / i"), Ok(0));
    }

    #[test]
    fn deep_or_long_sql_is_refused() {
        let work = || {
            for sql in [
                "(".repeat(5_000),
                "1 + ".repeat(4_000),
                format!("{}1", "1 + ".repeat(4_000)),
                "a".repeat(20_000),
            ] {
                assert!(convert(&sql, Dialect::default(), &TestColumns).is_err());
            }
        };
        assert!(crate::lineage::with_large_stack(work).is_some());
    }
}
