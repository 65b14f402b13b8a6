//! Converts the syntax tree of an SQL expression to a formula.

use sqlparser::ast::{CeilFloorKind, DataType, DateTimeField, Expr, UnaryOperator, Value};

use super::super::filters::{is_number, number_term};
use super::super::term::FormulaTerm;
use super::SqlNames;
use super::literals::{date_term, unsupported_sql};
use super::plain_sql::PLACEHOLDER_PREFIX;
use crate::Type;
use crate::dialect::Dialect;

/// Replaces NULL with `FALSE`.
fn coalesce_to_false(condition: FormulaTerm) -> FormulaTerm {
    FormulaTerm::call("COALESCE", &[condition, FormulaTerm::boolean_literal(false)])
}

/// State for converting the syntax tree of an expression.
pub(super) struct SqlConverter<'n> {
    pub dialect: Dialect,
    pub names: &'n dyn SqlNames,
    /// References, by the number of their placeholder.
    pub references: Vec<String>,
    pub caveats: Vec<String>,
    pub computes: bool,
    pub depth: usize,
    /// Number of searches for a proven formula so far.
    pub proofs: usize,
}

/// Maximum depth of the expression tree. A chain of the same operator has one level per operand.
const MAX_DEPTH: usize = 2_000;

impl SqlConverter<'_> {
    pub fn convert_term(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        self.depth += 1;
        let term = if self.depth > MAX_DEPTH {
            Err("the SQL is nested too deeply".to_owned())
        } else if self.depends_on_time_zone(expr) {
            let reason = "the formula would convert the point in time to the time zone of the project";
            self.find_equivalent_formula(expr, reason.to_owned())
        } else {
            let (caveats, computes) = (self.caveats.len(), self.computes);
            self.convert_by_rules(expr).or_else(|reason| {
                self.caveats.truncate(caveats);
                self.computes = computes;
                self.find_equivalent_formula(expr, reason)
            })
        };
        self.depth -= 1;
        term
    }

    pub fn convert_terms(&mut self, exprs: &[&Expr]) -> Result<Vec<FormulaTerm>, String> {
        exprs.iter().map(|expr| self.convert_term(expr)).collect()
    }

    fn convert_by_rules(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        match expr {
            Expr::Nested(inner) => self.convert_term(inner),
            Expr::Identifier(ident) => match self.reference_of_placeholder(&ident.value) {
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
            Expr::IsNotDistinctFrom(left, right) => self.convert_not_distinct(left, right),
            Expr::IsDistinctFrom(left, right) => Ok(self.convert_not_distinct(left, right)?.negate()),
            Expr::IsTrue(inner) => Ok(coalesce_to_false(self.convert_term(inner)?)),
            Expr::IsFalse(inner) => Ok(coalesce_to_false(self.convert_term(inner)?.negate())),
            Expr::InList { expr, list, negated } => self.convert_in_list(expr, list, *negated),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => self.convert_between([expr, low, high], *negated),
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
                self.date_part(&unit, x).ok_or_else(|| unsupported_sql(expr))
            }
            Expr::Ceil { expr: inner, field } if has_no_unit(field) => {
                Ok(FormulaTerm::call("CEILING", &[self.convert_term(inner)?]).with_type(Some(Type::Integer)))
            }
            Expr::Floor { expr: inner, field } if has_no_unit(field) => {
                Ok(FormulaTerm::call("FLOOR", &[self.convert_term(inner)?]).with_type(Some(Type::Integer)))
            }
            Expr::Substring {
                expr: inner,
                substring_from: Some(from),
                substring_for: length,
                ..
            } => self.convert_substring(inner, from, length.as_deref()),
            Expr::Position { expr: needle, r#in } => self.convert_position(needle, r#in),
            Expr::Trim {
                trim_what: None,
                trim_characters: None,
                ..
            } => Err("`TRIM` in a formula also merges the spaces inside the text".to_owned()),
            Expr::Function(function) => self.convert_call(function, expr),
            _ => Err(unsupported_sql(expr)),
        }
    }

    /// Converts `a is not distinct from b`, an equality in which two NULLs are equal.
    fn convert_not_distinct(&mut self, left: &Expr, right: &Expr) -> Result<FormulaTerm, String> {
        let is_null = |expr: &Expr| matches!(expr, Expr::Value(value) if matches!(value.value, Value::Null));
        if let (false, true) | (true, false) = (is_null(left), is_null(right)) {
            let other = if is_null(left) { right } else { left };
            return Ok(self.convert_term(other)?.isblank_call());
        }
        let (left, right) = (self.convert_term(left)?, self.convert_term(right)?);
        let equal = coalesce_to_false(left.clone().compare_with("=", &right))
            .with_type(Some(Type::Boolean))
            .with_never_null(true);
        if left.is_never_null || right.is_never_null {
            return Ok(equal);
        }
        let term = FormulaTerm::call("IF", &[left.isblank_call(), right.isblank_call(), equal]);
        Ok(term.with_type(Some(Type::Boolean)).with_never_null(true))
    }

    fn convert_in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<FormulaTerm, String> {
        let x = self.convert_term(expr)?;
        let (op, joined) = if negated { ("<>", "AND") } else { ("=", "OR") };
        let mut parts = Vec::with_capacity(list.len());
        for value in list {
            parts.push(x.clone().compare_with(op, &self.convert_term(value)?));
        }
        Ok(FormulaTerm::combine_conditions(joined, parts))
    }

    fn convert_between(&mut self, [expr, low, high]: [&Expr; 3], negated: bool) -> Result<FormulaTerm, String> {
        let (x, low, high) = (
            self.convert_term(expr)?,
            self.convert_term(low)?,
            self.convert_term(high)?,
        );
        let (joined, low_operator, high_operator) = if negated { ("OR", "<", ">") } else { ("AND", ">=", "<=") };
        let parts = vec![
            x.clone().compare_with(low_operator, &low),
            x.compare_with(high_operator, &high),
        ];
        Ok(FormulaTerm::combine_conditions(joined, parts))
    }

    pub fn reference_of_placeholder(&self, name: &str) -> Option<String> {
        let number: usize = name.strip_prefix(PLACEHOLDER_PREFIX)?.parse().ok()?;
        self.references.get(number).cloned()
    }

    fn convert_literal(&self, value: &Value) -> Result<FormulaTerm, String> {
        match value {
            Value::Number(text, _) if is_number(text) => Ok(number_term(text)),
            Value::SingleQuotedString(text) if text.contains(PLACEHOLDER_PREFIX) => {
                Err("a reference is inside a string".to_owned())
            }
            Value::SingleQuotedString(text) => Ok(FormulaTerm::string_literal(text)),
            // In BigQuery, double quotes also enclose strings.
            Value::DoubleQuotedString(text) if !text.contains(PLACEHOLDER_PREFIX) => {
                Ok(FormulaTerm::string_literal(text))
            }
            Value::Boolean(value) => Ok(FormulaTerm::boolean_literal(*value)),
            Value::Null => Ok(FormulaTerm::null()),
            other => Err(format!("formulas do not support the value `{other}`")),
        }
    }
}

fn has_no_unit(field: &CeilFloorKind) -> bool {
    matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime))
}
