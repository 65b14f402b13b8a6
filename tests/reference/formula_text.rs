//! Parses a formula with the grammar crate and evaluates it for a row with the interpreter.

use formulac::Type;
use formulac::interpret::from_ast::{self, FormulaContext, UnsupportedFormula, fold_case};
use formulac::interpret::temporal::{TemporalKind, make_date_operators_explicit};
use formulac::interpret::walk::{NamePrecedence, ValueRow, evaluate_row_expression};
use formulac::parse::ParsedSource;
use serde_json::Value as Json;

use crate::arithmetic::parse_moment;
use crate::expr::{InterpreterExpr, InterpreterOp};
use crate::spec::InterpreterStep;
use crate::uncertainty::with_noise;
use crate::value::Value;

/// Parses a cell in the notation of the case files.
pub fn cell(ty: Type, json: &Json) -> Result<Value, UnsupportedFormula> {
    let text = || {
        json.as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("{json} as {ty}"))
    };
    // Decimals are quoted to preserve their digits.
    let number = || {
        json.as_f64()
            .or_else(|| json.as_str()?.parse().ok())
            .ok_or_else(|| format!("{json} as {ty}"))
    };
    if json
        .as_str()
        .is_some_and(|text| ty == Type::Decimal && text.len() > f64::DIGITS as usize)
    {
        return Err("a decimal with more digits than a float".to_owned());
    }
    Ok(match (ty, json) {
        (_, Json::Null) => Value::Null,
        (Type::Boolean, Json::Bool(b)) => Value::Bool(*b),
        (Type::Integer, Json::Number(n)) if n.is_i64() => Value::Int(n.as_i64().unwrap_or_default()),
        (Type::Integer | Type::Decimal | Type::Float, _) => Value::Number(number()?),
        (Type::Text, _) => Value::Text(text()?),
        // Test sessions use UTC.
        (Type::Date | Type::Timestamp | Type::Timestamptz, _) => {
            parse_moment(text()?.trim_end_matches("+00:00")).ok_or("a fraction of a second")?
        }
        _ => return Err(format!("a column of type {ty}")),
    })
}

/// Returns the value of a formula for a row. The values of the row must be in the order of the columns, and the parsed
/// source must have exactly one definition.
pub fn value(parsed: &ParsedSource, columns: &[(String, Type)], row: &[Value]) -> Result<Value, UnsupportedFormula> {
    let [definition] = parsed.ast().definitions.as_slice() else {
        return Err("not one sound formula".to_owned());
    };
    let reading = FormulaContext {
        plain_calendar: true,
        ..FormulaContext::default()
    };
    let mut formula = from_ast::convert_formula(parsed.ast(), parsed.source(), definition, reading)?;
    let kind = |ty: Type| match ty {
        Type::Date => TemporalKind::Date,
        Type::Timestamp | Type::Timestamptz => TemporalKind::Time,
        _ => TemporalKind::Other,
    };
    let kinds: Vec<(String, TemporalKind)> = columns.iter().map(|(name, ty)| (fold_case(name), kind(*ty))).collect();
    make_date_operators_explicit(&mut formula, &kinds);
    let is_of = |name: &str, ty: Type| {
        columns
            .iter()
            .any(|(column, of)| fold_case(column) == name && *of == ty)
    };
    if adds_decimals_to_compare(&formula, &|name| is_of(name, Type::Decimal)) {
        return Err("a sum of decimals compared, which floats miss by a bit".to_owned());
    }
    let row: ValueRow = columns
        .iter()
        .map(|(name, _)| fold_case(name))
        .zip(row.iter().cloned())
        .collect();
    let run = with_noise(None, || {
        evaluate_row_expression(
            &InterpreterStep::default(),
            &formula,
            &row,
            NamePrecedence::ColumnsFirst,
        )
    });
    let of_texts = |x: &InterpreterExpr| matches!(x, InterpreterExpr::Call("T", args) if !matches!(&args[..], [InterpreterExpr::Name(name)] if is_of(name, Type::Text)));
    if run.is_uncertain && contains_node(&formula, &of_texts) {
        return Err("T of NULL, of which the type decides".to_owned());
    }
    run.unsupported_part.map_or(Ok(run.value), Err)
}

fn contains_node(x: &InterpreterExpr, wanted: &dyn Fn(&InterpreterExpr) -> bool) -> bool {
    wanted(x) || x.children().into_iter().any(|child| contains_node(child, wanted))
}

fn adds_decimals_to_compare(x: &InterpreterExpr, is_decimal: &dyn Fn(&str) -> bool) -> bool {
    let is_sum = |x: &InterpreterExpr| match x {
        InterpreterExpr::Binary(InterpreterOp::Add, a, b) => [a, b]
            .into_iter()
            .all(|x| matches!(&**x, InterpreterExpr::Name(name) if is_decimal(name))),
        _ => false,
    };
    let compares = |op: InterpreterOp| {
        matches!(
            op,
            InterpreterOp::Equal
                | InterpreterOp::NotEqual
                | InterpreterOp::Less
                | InterpreterOp::LessOrEqual
                | InterpreterOp::Greater
                | InterpreterOp::GreaterOrEqual
        )
    };
    contains_node(
        x,
        &|x| matches!(x, InterpreterExpr::Binary(op, a, _) if compares(*op) && is_sum(a)),
    )
}
