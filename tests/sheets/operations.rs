//! Results of operators, functions and aggregates on values.

use std::cmp::Ordering;

use crate::formula::{Aggregate, Op};
use crate::value::Value;

pub fn binary(op: Op, a: &Value, b: &Value) -> Value {
    if op == Op::Concat {
        return Value::Text(a.text() + &b.text());
    }
    let whole = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some((*a, *b)),
        _ => None,
    };
    let of = |whole_of: fn(i64, i64) -> i64, of: fn(f64, f64) -> f64| match (whole, a.number(), b.number()) {
        (Some((a, b)), ..) => Value::Int(whole_of(a, b)),
        (None, Some(a), Some(b)) => Value::Number(of(a, b)),
        _ => Value::Null,
    };
    let compared = |is: fn(Ordering) -> bool| a.compare(b).map_or(Value::Null, |order| Value::Bool(is(order)));
    match (op, a, b) {
        (Op::Subtract, Value::Date(a), Value::Date(b)) => Value::Int(a - b),
        (Op::Add, Value::Date(a), Value::Int(b)) => Value::Date(a + b),
        (Op::Subtract, Value::Date(a), Value::Int(b)) => Value::Date(a - b),
        (Op::Add, ..) => of(|a, b| a + b, |a, b| a + b),
        (Op::Subtract, ..) => of(|a, b| a - b, |a, b| a - b),
        (Op::Multiply, ..) => of(|a, b| a * b, |a, b| a * b),
        (Op::Divide, ..) => match (a.number(), b.number()) {
            (Some(a), Some(b)) if b != 0.0 => Value::Number(a / b),
            _ => Value::Null,
        },
        (Op::Equal, ..) => compared(Ordering::is_eq),
        (Op::NotEqual, ..) => compared(Ordering::is_ne),
        (Op::Less, ..) => compared(Ordering::is_lt),
        (Op::LessEqual, ..) => compared(Ordering::is_le),
        (Op::Greater, ..) => compared(Ordering::is_gt),
        (Op::GreaterEqual, ..) => compared(Ordering::is_ge),
        (Op::Concat, ..) => unreachable!("done before"),
    }
}

pub fn call(name: &str, args: &[Value]) -> Value {
    let truths = || args.iter().map(Value::as_condition);
    match (name, args) {
        ("IF", [condition, then, rest @ ..]) => match condition.as_condition() {
            Some(true) => then.clone(),
            _ => rest.first().cloned().unwrap_or(Value::Null),
        },
        ("IFERROR", [value, otherwise]) => {
            if value.is_null() {
                otherwise.clone()
            } else {
                value.clone()
            }
        }
        ("ISBLANK", [value]) => Value::Bool(value.is_null()),
        ("NOT", [value]) => value.as_condition().map_or(Value::Null, |truth| Value::Bool(!truth)),
        ("AND", _) if truths().any(|t| t == Some(false)) => Value::Bool(false),
        ("OR", _) if truths().any(|t| t == Some(true)) => Value::Bool(true),
        ("AND" | "OR", _) if truths().any(|t| t.is_none()) => Value::Null,
        ("AND" | "OR", _) => Value::Bool(name == "AND"),
        _ => panic!("no function {name}"),
    }
}

pub fn aggregate_cells(aggregate: Aggregate, cells: &[Value]) -> Value {
    let there: Vec<&Value> = cells.iter().filter(|cell| !cell.is_null()).collect();
    let numbers = || there.iter().filter_map(|cell| cell.number());
    let count = there.len() as f64;
    match aggregate {
        Aggregate::Sum => there
            .iter()
            .fold(Value::Int(0), |sum, cell| binary(Op::Add, &sum, cell)),
        Aggregate::Count => Value::Int(there.len() as i64),
        Aggregate::CountBlank => {
            let empty = |cell: &&Value| cell.is_null() || **cell == Value::Text(String::new());
            Value::Int(cells.iter().filter(empty).count() as i64)
        }
        Aggregate::CountUnique => {
            let mut different: Vec<&Value> = Vec::new();
            for cell in there {
                if !different
                    .iter()
                    .any(|known| known.compare(cell) == Some(Ordering::Equal))
                {
                    different.push(cell);
                }
            }
            Value::Int(different.len() as i64)
        }
        _ if there.is_empty() => Value::Null,
        Aggregate::Average => Value::Number(numbers().sum::<f64>() / count),
        Aggregate::Min | Aggregate::Max => {
            let mut ordered = there.clone();
            ordered.sort_by(|a, b| a.sort_order(b, aggregate == Aggregate::Max));
            ordered[0].clone()
        }
        Aggregate::Median => {
            let mut ordered: Vec<f64> = numbers().collect();
            ordered.sort_by(f64::total_cmp);
            let middle = ordered.len() / 2;
            let upper = ordered[middle];
            Value::Number(if ordered.len() % 2 == 1 {
                upper
            } else {
                f64::midpoint(ordered[middle - 1], upper)
            })
        }
        Aggregate::StDev if there.len() < 2 => Value::Null,
        Aggregate::StDev => {
            let average = numbers().sum::<f64>() / count;
            let squares: f64 = numbers().map(|n| (n - average).powi(2)).sum();
            Value::Number((squares / (count - 1.0)).sqrt())
        }
    }
}
