//! Converts SQL with the rules in `rules.txt`, which explains their format.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;
use sqlparser::ast::Expr;

use super::super::filters::number_term;
use super::super::term::FormulaTerm;
use super::empty_sums::EMPTY_SUM_CAVEAT;
use super::form::{SqlForm, strip_parentheses};
use super::literals::{integer_literal, literal_text, unsupported_sql};
use super::plain_sql::parse;
use super::proven_formulas::FormulaFinder;
use super::reader::SqlConverter;
use crate::Type;
use crate::ast;
use crate::dialect::Dialect;
use crate::parse::{self as formulas, ParsedSource};

const RULES_TEXT: &str = include_str!("rules.txt");
/// Unit or type that stands for any other.
const ANY_WORD: &str = "unit";

/// SQL with placeholders, and the formula that replaces it.
struct ConversionRule {
    sql: Expr,
    /// Formula, or the reason why there is none.
    formula: Result<ParsedSource, &'static str>,
    options: Vec<&'static str>,
}

/// Expression that a placeholder stands for.
type BoundExpr<'e> = (&'static str, &'e Expr);

impl ConversionRule {
    fn read(line: &'static str) -> Option<Self> {
        let (sql, rest) = line.split_once("  ->  ")?;
        let mut columns = rest.split("  ");
        let formula = columns.next()?;
        let formula = match formula.strip_prefix('!') {
            Some(reason) => Err(reason.trim_start()),
            None => {
                let (parsed, diagnostics) = formulas::parse(&format!("={formula}"));
                Ok(diagnostics.is_empty().then_some(parsed)?)
            }
        };
        Some(Self {
            sql: parse(sql, Dialect::default()).ok()?,
            formula,
            options: columns.collect(),
        })
    }

    fn has_option(&self, name: &str) -> bool {
        self.options.contains(&name)
    }
}

/// Returns the rules by the name of the operation that they convert.
fn rules() -> &'static FxHashMap<String, Vec<ConversionRule>> {
    static RULES: OnceLock<FxHashMap<String, Vec<ConversionRule>>> = OnceLock::new();
    RULES.get_or_init(|| {
        let mut rules: FxHashMap<String, Vec<ConversionRule>> = FxHashMap::default();
        for rule in RULES_TEXT.lines().filter_map(ConversionRule::read) {
            if let Some(name) = SqlForm::of(&rule.sql, Dialect::default()).map(|form| form.name) {
                rules.entry(name).or_default().push(rule);
            }
        }
        rules
    })
}

/// Returns whether an expression has the form of a rule's SQL, and collects the expressions of the placeholders.
fn matches_sql<'e>(sql: &'static Expr, expr: &'e Expr, dialect: Dialect, bound: &mut Vec<BoundExpr<'e>>) -> bool {
    let expr = strip_parentheses(expr);
    match sql {
        Expr::Identifier(placeholder) => {
            bound.push((&placeholder.value, expr));
            match placeholder_kind(&placeholder.value) {
                "natural" => integer_literal(expr).is_some_and(|number| number >= 0),
                "positive" => integer_literal(expr).is_some_and(|number| number > 0),
                "literal" => literal_text(expr).is_some_and(|text| !text.is_empty()),
                _ => true,
            }
        }
        Expr::Value(_) => sql.to_string() == expr.to_string(),
        _ => match (SqlForm::of(sql, dialect), SqlForm::of(expr, dialect)) {
            (Some(sql), Some(form)) => {
                sql.name == form.name
                    && sql.operands.len() == form.operands.len()
                    && (sql.word == ANY_WORD || unit_name(&sql.word) == unit_name(&form.word))
                    && sql
                        .operands
                        .iter()
                        .zip(form.operands)
                        .all(|(sql, expr)| matches_sql(sql, expr, dialect, bound))
            }
            _ => false,
        },
    }
}

/// Returns the name of a unit of time: lower-case and singular.
fn unit_name(text: &str) -> String {
    let name = text.trim().to_lowercase();
    name.strip_suffix('s').unwrap_or(&name).to_owned()
}

fn placeholder_kind(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Returns whether a term meets the condition of a placeholder.
fn meets_condition(placeholder: &str, term: &FormulaTerm) -> bool {
    match placeholder_kind(placeholder) {
        "integer" => term.ty == Some(Type::Integer),
        "text" => term.ty == Some(Type::Text),
        "date" => term.ty == Some(Type::Date),
        "number" => matches!(term.ty, Some(Type::Integer | Type::Decimal | Type::Float)),
        "exact" => matches!(term.ty, Some(Type::Integer | Type::Decimal)),
        "known" => term.ty.is_some(),
        "filled" => term.is_never_null,
        "aggregate" => term.aggregates,
        _ => true,
    }
}

impl SqlConverter<'_> {
    /// Converts an expression with the first rule that matches it. `None` if no rule matches.
    pub(super) fn convert_with_rules(&mut self, expr: &Expr) -> Result<Option<FormulaTerm>, String> {
        let Some(form) = SqlForm::of(expr, self.dialect) else {
            return Ok(None);
        };
        let mut converted: Vec<(&Expr, FormulaTerm)> = Vec::new();
        for rule in rules().get(&form.name).into_iter().flatten() {
            let mut bound = Vec::new();
            if !self.is_allowed(rule, &form.name) || !matches_sql(&rule.sql, expr, self.dialect, &mut bound) {
                continue;
            }
            let mut terms: Vec<(&str, FormulaTerm)> = Vec::with_capacity(bound.len());
            for (placeholder, operand) in bound {
                // If an unrestricted operand has no formula either, the reason of the rule is more helpful.
                if rule.formula.is_err() && matches!(placeholder, "x" | "y" | "z") {
                    continue;
                }
                let known = converted.iter().find(|(other, _)| std::ptr::eq(*other, operand));
                let term = match known {
                    Some((_, term)) => term.clone(),
                    None => {
                        let term = self.convert_term(operand)?;
                        converted.push((operand, term.clone()));
                        term
                    }
                };
                terms.push((placeholder, term));
            }
            if !terms
                .iter()
                .all(|(placeholder, term)| meets_condition(placeholder, term))
            {
                continue;
            }
            return match &rule.formula {
                Ok(formula) => self.apply_rule(rule, formula, &terms).map(Some),
                Err("") => Err(unsupported_sql(expr)),
                Err(reason) => Err(reason.replace("`unit`", &format!("`{}`", form.word))),
            };
        }
        Ok(None)
    }

    fn is_allowed(&self, rule: &ConversionRule, name: &str) -> bool {
        let finder = self.names.proven_formulas();
        (!rule.has_option("own") || self.dialect.own_functions().contains(&name))
            && (!rule.has_option("days from zero") || finder.is_some_and(FormulaFinder::extracts_days_from_zero))
    }

    fn apply_rule(
        &mut self,
        rule: &ConversionRule,
        formula: &ParsedSource,
        terms: &[(&str, FormulaTerm)],
    ) -> Result<FormulaTerm, String> {
        let body = formula.ast().definitions.first().map(|definition| definition.body);
        let mut term = body.map_or_else(|| Ok(FormulaTerm::null()), |body| self.build_term(formula, body, terms))?;
        for option in &rule.options {
            match (*option, option.strip_prefix("as ")) {
                (_, Some(name)) => {
                    let placeholder = terms.iter().find(|(placeholder, _)| *placeholder == name);
                    term.ty = placeholder.map_or_else(|| name.parse().ok(), |(_, term)| term.ty);
                    term.ty = term.ty.filter(|ty| *ty != Type::Unknown);
                }
                ("arithmetic", _) => self.computes |= terms.iter().any(|(_, term)| !term.is_never_null),
                ("empty sum", _) => self.caveats.push(EMPTY_SUM_CAVEAT.to_owned()),
                ("own" | "days from zero", _) => {}
                (difference, _) => self.caveats.push(difference.to_owned()),
            }
        }
        Ok(term)
    }

    /// Returns the term for a node of a rule's formula. The nesting of the formulas in `rules.txt` limits the
    /// recursion.
    fn build_term(
        &self,
        formula: &ParsedSource,
        id: ast::ExprId,
        terms: &[(&str, FormulaTerm)],
    ) -> Result<FormulaTerm, String> {
        let (ast, source) = (formula.ast(), formula.source());
        let text = ast.span(id).text(source);
        let build = |id| self.build_term(formula, id, terms);
        Ok(match ast.expr(id) {
            ast::Expr::Name => {
                let bound = terms.iter().find(|(placeholder, _)| *placeholder == text);
                bound.map_or_else(FormulaTerm::null, |(_, term)| term.clone())
            }
            ast::Expr::Number => number_term(text),
            ast::Expr::Text => FormulaTerm::string_literal(&formulas::unquote(text)),
            ast::Expr::Bool(value) => FormulaTerm::boolean_literal(value),
            ast::Expr::Sign { operand, .. } => build(operand)?.negative(),
            ast::Expr::Timeframe { base, frame } => {
                self.names.timeframe(build(base)?, Some(ast.name(frame).text(source)))?
            }
            ast::Expr::Binary { op, left, right } => FormulaTerm::binary(build(left)?, op.symbol(), &build(right)?),
            ast::Expr::Call(index) => {
                let call = ast.call(index);
                let args: Vec<FormulaTerm> = ast
                    .arguments(call)
                    .iter()
                    .map(|arg| build(*arg))
                    .collect::<Result<_, _>>()?;
                match (call.name.text(source), args.as_slice()) {
                    ("UNLESSBLANK", [x, operands @ ..]) => {
                        x.clone().null_if_blank(&operands.iter().collect::<Vec<_>>())
                    }
                    (name, args) => FormulaTerm::function_call(name, args),
                }
            }
            _ => FormulaTerm::null(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line with a mistake would not be a rule.
    #[test]
    fn lines_are_rules() {
        for line in RULES_TEXT
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let rule = ConversionRule::read(line);
            assert!(
                rule.is_some_and(|rule| SqlForm::of(&rule.sql, Dialect::default()).is_some()),
                "{line}"
            );
        }
    }
}
