//! Converts the syntax tree of an SQL expression to a formula.

use sqlparser::ast::{Expr, Value};

use super::super::filters::{is_number, number_term};
use super::super::term::FormulaTerm;
use super::SqlNames;
use super::form::SqlForm;
use super::literals::{date_term, date_text, unsupported_sql};
use super::operators::chain_operands;
use super::plain_sql::PLACEHOLDER_PREFIX;
use crate::dialect::Dialect;

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
            self.convert_operation(expr).or_else(|reason| {
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

    fn convert_operation(&mut self, expr: &Expr) -> Result<FormulaTerm, String> {
        if let Some(term) = self.term_of_name(expr) {
            return term;
        }
        if let Some(text) = date_text(expr) {
            return date_term(&text);
        }
        match expr {
            Expr::Nested(inner) => return self.convert_term(inner),
            Expr::Value(value) => return self.convert_literal(&value.value),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let whens = conditions.iter().map(|when| (&when.condition, &when.result));
                return self.convert_case(operand.as_deref(), &whens.collect::<Vec<_>>(), else_result.as_deref());
            }
            Expr::Function(function) => return self.convert_call(function, expr),
            _ => {}
        }
        let form = SqlForm::of(expr, self.dialect).ok_or_else(|| unsupported_sql(expr))?;
        let name = form.name.as_str();
        match (name, form.operands.as_slice()) {
            ("AND" | "OR", _) => Ok(FormulaTerm::combine_conditions(
                name,
                self.convert_terms(&chain_operands(expr, name))?,
            )),
            ("/", [left, right]) => self.convert_division(left, right),
            ("||", _) => self.convert_concatenation(expr),
            ("+" | "-", [x, Expr::Interval(interval)]) => self.convert_interval_shift(x, interval, name == "-"),
            ("in", [x, list @ ..]) => self.convert_in_list(x, list, "=", "OR"),
            ("not in", [x, list @ ..]) => self.convert_in_list(x, list, "<>", "AND"),
            ("like" | "ilike", [x, pattern, escape @ ..]) => {
                self.convert_like(x, pattern, escape.first(), name == "ilike")
            }
            ("not like" | "not ilike", [x, pattern, escape @ ..]) => {
                let condition = self.convert_like(x, pattern, escape.first(), name == "not ilike");
                condition.map(FormulaTerm::negate)
            }
            _ => self.convert_with_rules(expr)?.ok_or_else(|| match expr {
                Expr::BinaryOp { op, .. } => format!("the operator `{op}` is not supported"),
                _ => unsupported_sql(expr),
            }),
        }
    }

    /// Returns the term of a column or reference. `None` if the expression is not a name.
    pub fn term_of_name(&self, expr: &Expr) -> Option<Result<FormulaTerm, String>> {
        Some(match expr {
            Expr::Identifier(ident) => self.term_of_word(&ident.value),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, column] => self.names.column(Some(&relation.value), &column.value),
                _ => Err(format!("the name `{expr}` has more than two parts")),
            },
            _ => return None,
        })
    }

    /// Returns the term of a column without a relation or of a reference.
    pub fn term_of_word(&self, word: &str) -> Result<FormulaTerm, String> {
        match self.reference_of_placeholder(word) {
            Some(reference) => self.names.field(&reference),
            None => self.names.column(None, word),
        }
    }

    fn convert_in_list(&mut self, x: &Expr, list: &[&Expr], op: &str, joined: &str) -> Result<FormulaTerm, String> {
        let x = self.convert_term(x)?;
        let values = self.convert_terms(list)?;
        let parts = values.iter().map(|value| x.clone().compare_with(op, value));
        Ok(FormulaTerm::combine_conditions(joined, parts.collect()))
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
