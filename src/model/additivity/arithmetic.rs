//! Arithmetic over totals: what adds up again, and how the rest is written over columns.

use super::Lost;
use super::classes::{Total, TotalKind, Value, unit};
use crate::catalog::{self, internal};
use crate::ir::{Ir, IrId, Program};

/// The longest formula that is written.
const MOST: usize = 300;

/// How tightly the outermost operator of a text binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binds {
    Sum,
    Product,
    Name,
}

#[derive(Clone)]
pub(super) struct Written {
    pub sql: String,
    pub columns: Vec<String>,
    pub binds: Binds,
    pub ratio: Option<(String, String)>,
}

/// What values are together that only are together: of rows where one is, lost where one is a total.
pub(super) fn together(values: &mut dyn Iterator<Item = Value>, lost: Lost) -> Value {
    let mut all = Value::Constant;
    for value in values {
        all = match (all, value) {
            (Value::Lost(lost), _) | (_, Value::Lost(lost)) => Value::Lost(lost),
            (Value::Total(_), _) | (_, Value::Total(_)) => return Value::Lost(lost),
            (Value::Row, _) | (_, Value::Row) => Value::Row,
            (Value::Dimension(_), _) | (_, Value::Dimension(_)) => Value::Dimension(None),
            (Value::Constant, Value::Constant) => Value::Constant,
        };
    }
    all
}

/// The zero that stands for a value that is not there adds nothing.
pub(super) fn coalesce(program: &Program, args: &[IrId], values: &[Value]) -> Value {
    let of = |id: &IrId| values.get(id.index()).cloned().unwrap_or(Value::Lost(Lost::Function));
    let is_zero = |id: &IrId| match program.node(*id) {
        Ir::Number(digits) => program.text(digits).parse::<f64>() == Ok(0.0),
        _ => false,
    };
    match args {
        [one, zero] if is_zero(zero) => match of(one) {
            Value::Total(Total { kind: TotalKind::Sum, written }) => {
                Value::Total(Total { kind: TotalKind::Sum, written: written.map(|one| call("coalesce", one, "0")) })
            }
            Value::Total(Total { written, .. }) => {
                Value::Total(Total { kind: TotalKind::Formula, written: written.map(|one| call("coalesce", one, "0")) })
            }
            other => other,
        },
        args => together(&mut args.iter().map(of), Lost::Function),
    }
}

fn call(name: &str, of: Written, second: &str) -> Written {
    Written { sql: format!("{name}({}, {second})", of.sql), binds: Binds::Name, ratio: None, ..of }
}

/// `+ - * /` over totals and numbers.
pub(super) fn arithmetic(
    program: &Program,
    id: IrId,
    function: catalog::FunctionId,
    args: &[IrId],
    values: &[Value],
) -> Value {
    let of = |id: &IrId| values.get(id.index()).cloned().unwrap_or(Value::Lost(Lost::Function));
    let all: Vec<Value> = args.iter().map(of).collect();
    let has_total = all.iter().any(|value| matches!(value, Value::Total(_)));
    if !has_total {
        return match together(&mut all.into_iter(), Lost::Function) {
            // What is cut to a unit is known by the call that cuts it.
            Value::Dimension(_) => Value::Dimension(unit(program, id)),
            other => other,
        };
    }
    if let Some(lost) = all.iter().find_map(|value| if let Value::Lost(lost) = value { Some(lost) } else { None }) {
        return Value::Lost(lost.clone());
    }
    if all.iter().any(|value| matches!(value, Value::Row | Value::Dimension(_))) {
        return Value::Lost(Lost::Mixed);
    }
    let nullable = |id: &IrId| program.meta(*id).nullable;
    let adds_up = |value: &Value| matches!(value, Value::Total(Total { kind: TotalKind::Sum, .. }));
    let is_number = |id: &IrId| matches!(program.node(*id), Ir::Number(_));
    let (sign, binds) = match (function, all.len()) {
        (internal::ADD, 2) => (" + ", Binds::Sum),
        (internal::SUBTRACT, 2) => (" - ", Binds::Sum),
        (internal::MULTIPLY, 2) => (" * ", Binds::Product),
        (internal::DIVIDE, 2) => (" / ", Binds::Product),
        // A number of another type is that number.
        (internal::TO_FLOAT | internal::TO_DECIMAL, 1) => return all.into_iter().next().unwrap_or(Value::Row),
        (internal::NEGATE, 1) => {
            let Some(Value::Total(total)) = all.into_iter().next() else { return Value::Lost(Lost::Function) };
            let kind = if total.kind == TotalKind::Sum { TotalKind::Sum } else { TotalKind::Formula };
            let negated = |of: Written| Written {
                sql: format!("-{}", bracketed(&of, Binds::Name)),
                binds: Binds::Sum,
                ratio: None,
                ..of
            };
            return Value::Total(Total { kind, written: total.written.map(negated) });
        }
        (
            internal::EQUAL
            | internal::NOT_EQUAL
            | internal::LESS
            | internal::LESS_EQUAL
            | internal::GREATER
            | internal::GREATER_EQUAL,
            _,
        ) => return Value::Lost(Lost::Condition),
        _ => return Value::Lost(Lost::Function),
    };
    // A sum that is not there is not 0, and would take the whole with it in its row only.
    let kind = match function {
        internal::ADD | internal::SUBTRACT if all.iter().all(adds_up) && !args.iter().any(nullable) => TotalKind::Sum,
        internal::MULTIPLY if all.iter().any(adds_up) && args.iter().any(is_number) => TotalKind::Sum,
        _ => TotalKind::Formula,
    };
    let mut sides = all.into_iter().zip(args).map(|(value, id)| match value {
        Value::Total(total) => total.written,
        _ => number(program, *id),
    });
    let (Some(left), Some(right)) = (sides.next(), sides.next()) else { return Value::Lost(Lost::Function) };
    let written = match (left, right) {
        (Err(lost), _) | (_, Err(lost)) => Err(lost),
        (Ok(left), Ok(right)) => joined(left, right, sign, binds, function == internal::DIVIDE),
    };
    Value::Total(Total { kind, written })
}

fn number(program: &Program, id: IrId) -> Result<Written, Lost> {
    match program.node(id) {
        Ir::Number(digits) => {
            let sql = program.text(digits).to_owned();
            let binds = if sql.starts_with('-') { Binds::Sum } else { Binds::Name };
            Ok(Written { sql, columns: Vec::new(), binds, ratio: None })
        }
        _ => Err(Lost::Function),
    }
}

fn bracketed(of: &Written, least: Binds) -> String {
    if of.binds < least { format!("({})", of.sql) } else { of.sql.clone() }
}

fn joined(left: Written, right: Written, sign: &str, binds: Binds, divides: bool) -> Result<Written, Lost> {
    let is_name = |of: &Written| of.binds == Binds::Name && of.columns.len() == 1 && of.columns.contains(&of.sql);
    let ratio = (divides && is_name(&left) && is_name(&right)).then(|| (left.sql.clone(), right.sql.clone()));
    let sql = if divides {
        // Whole numbers are divided as numbers, and nothing by nothing is nothing.
        format!("1.0 * {} / nullif({}, 0)", bracketed(&left, Binds::Product), right.sql)
    } else {
        // `a - (b - c)`, but `a + b - c`.
        let tighter = if binds == Binds::Sum && sign == " + " { Binds::Sum } else { next(binds) };
        format!("{}{sign}{}", bracketed(&left, binds), bracketed(&right, tighter))
    };
    if sql.len() > MOST {
        return Err(Lost::TooLong);
    }
    let mut columns = left.columns;
    columns.extend(right.columns.into_iter().filter(|name| !columns.contains(name)).collect::<Vec<_>>());
    Ok(Written { sql, columns, binds, ratio })
}

fn next(binds: Binds) -> Binds {
    if binds == Binds::Sum { Binds::Product } else { Binds::Name }
}
