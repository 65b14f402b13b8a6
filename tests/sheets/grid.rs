//! What a sheet gives, worked out cell by cell: each reference is a row and a column of the grid.

use std::cmp::Ordering;

use crate::formula::{Aggregate, Criterion, Expr, Fold, Op, Range, Row};
use crate::sheet::Sheet;
use crate::table::Table;
use crate::value::Value;

struct Grid<'a> {
    sheet: &'a Sheet,
    /// The sheet's own columns, by row in its order.
    own: Vec<Vec<Value>>,
    /// What has been worked out of each calculation, by row.
    known: Vec<Vec<Option<Value>>>,
}

/// The rows of the sheet in its order, each with its columns and its calculations.
pub fn rows(sheet: &Sheet, table: &Table) -> Vec<Vec<Value>> {
    let place = |name: &str| table.columns.iter().position(|c| c.name == name).expect("a column of the table");
    let mut order: Vec<(usize, bool)> = sheet.order_by.iter().map(|(name, desc)| (place(name), *desc)).collect();
    // The key breaks ties.
    order.push((place("id"), false));
    let mut sorted = table.rows.clone();
    sorted.sort_by(|a, b| {
        let by = order.iter().map(|(at, descending)| a[*at].order(&b[*at], *descending));
        by.fold(Ordering::Equal, Ordering::then)
    });
    let own: Vec<Vec<Value>> =
        sorted.iter().map(|row| sheet.columns.iter().map(|(name, _)| row[place(name)].clone()).collect()).collect();
    let known = vec![vec![None; own.len()]; sheet.calculations.len()];
    let mut grid = Grid { sheet, own, known };
    let count = grid.own.len() as i64;
    (1..=count).map(|row| (0..sheet.width()).map(|column| grid.cell(column, row)).collect()).collect()
}

impl Grid<'_> {
    /// The value in a column and a row; outside the sheet there is none.
    fn cell(&mut self, column: usize, row: i64) -> Value {
        let Some(at) = usize::try_from(row - 1).ok().filter(|at| *at < self.own.len()) else { return Value::Null };
        let Some(calculation) = column.checked_sub(self.sheet.columns.len()) else {
            return self.own[at][column].clone();
        };
        if let Some(known) = &self.known[calculation][at] {
            return known.clone();
        }
        let sheet = self.sheet;
        let value = self.value(&sheet.calculations[calculation].formula, row);
        self.known[calculation][at] = Some(value.clone());
        value
    }

    /// The rows that a range holds for this one, cut off at the ends of the sheet.
    fn rows(&self, range: &Range, here: i64) -> std::ops::RangeInclusive<i64> {
        let number = |row: Row| match row {
            Row::At(by) => here + by,
            Row::Fixed(row) => row,
            Row::Unsaid => unreachable!("asked before"),
        };
        let (first, last) = match (range.from.1, range.to.1) {
            (Row::Unsaid, Row::Unsaid) => (i64::MIN, i64::MAX),
            (Row::Unsaid, to) => (i64::MIN, number(to)),
            (from, Row::Unsaid) => (number(from), i64::MAX),
            // The sheet begins with `B$1`: a range from it does not turn.
            (Row::Fixed(1), to @ Row::At(_)) => (i64::MIN, number(to)),
            (from @ Row::At(_), Row::Fixed(1)) => (i64::MIN, number(from)),
            (from, to) => (number(from).min(number(to)), number(from).max(number(to))),
        };
        first.max(1)..=last.min(self.own.len() as i64)
    }

    fn cells(&mut self, range: &Range, here: i64) -> Vec<Value> {
        let columns = range.from.0.min(range.to.0)..=range.from.0.max(range.to.0);
        let rows: Vec<i64> = self.rows(range, here).collect();
        columns
            .flat_map(|column| rows.iter().map(move |row| (column, *row)))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|(column, row)| self.cell(column, row))
            .collect()
    }

    fn value(&mut self, x: &Expr, here: i64) -> Value {
        match x {
            Expr::Int(n) => Value::Int(*n),
            Expr::Text(text) => Value::Text((*text).to_owned()),
            Expr::RowNumber => Value::Int(here),
            Expr::Cell(cell) => match cell.row {
                Row::Unsaid => self.cell(cell.column, here),
                Row::At(by) => self.cell(cell.column, here + by),
                Row::Fixed(row) => self.cell(cell.column, row),
            },
            Expr::Binary(op, a, b) => {
                let (a, b) = (self.value(a, here), self.value(b, here));
                binary(*op, &a, &b)
            }
            Expr::Call(name, args) => {
                let args: Vec<Value> = args.iter().map(|x| self.value(x, here)).collect();
                call(name, &args)
            }
            Expr::Aggregate(aggregate, ranges, beside) => {
                let mut cells: Vec<Value> = ranges.iter().flat_map(|range| self.cells(range, here)).collect();
                cells.extend(beside.iter().map(|x| self.value(x, here)));
                aggregated(*aggregate, &cells)
            }
            Expr::SumProduct(a, b) => {
                let (a, b) = (self.cells(a, here), self.cells(b, here));
                let products: Vec<Value> = a.iter().zip(&b).map(|(a, b)| binary(Op::Multiply, a, b)).collect();
                aggregated(Aggregate::Sum, &products)
            }
            Expr::Nth { largest, range, nth } => {
                let mut cells = self.cells(range, here);
                cells.retain(|cell| !cell.is_null());
                cells.sort_by(|a, b| a.order(b, *largest));
                usize::try_from(nth - 1).ok().and_then(|at| cells.get(at).cloned()).unwrap_or(Value::Null)
            }
            Expr::Rank { column, ascending } => {
                let own = self.cell(*column, here);
                if own.is_null() {
                    return Value::Null;
                }
                let before = if *ascending { Ordering::Less } else { Ordering::Greater };
                let count = self.own.len() as i64;
                let ahead = (1..=count).filter(|row| self.cell(*column, *row).compare(&own) == Some(before)).count();
                Value::Int(ahead as i64 + 1)
            }
            Expr::Where { fold, pairs, value, .. } => {
                let rows: Vec<i64> = self.rows(&pairs[0].0, here).collect();
                let chosen: Vec<i64> = rows
                    .into_iter()
                    .filter(|row| pairs.iter().all(|(range, criterion)| self.holds(range, criterion, *row, here)))
                    .collect();
                if *fold == Fold::Count {
                    return Value::Int(chosen.len() as i64);
                }
                let column = value.as_ref().unwrap_or(&pairs[0].0).from.0;
                let cells: Vec<Value> = chosen.into_iter().map(|row| self.cell(column, row)).collect();
                let aggregate = match fold {
                    Fold::Average => Aggregate::Average,
                    Fold::Min => Aggregate::Min,
                    Fold::Max => Aggregate::Max,
                    _ => Aggregate::Sum,
                };
                aggregated(aggregate, &cells)
            }
        }
    }

    /// Whether a row of a range is one of those that are looked for in this row.
    fn holds(&mut self, range: &Range, criterion: &Criterion, row: i64, here: i64) -> bool {
        let column = range.from.0;
        let cell = self.cell(column, row);
        let text = |value: &Value| match value {
            Value::Text(text) => Value::Text(text.to_lowercase()),
            other => other.clone(),
        };
        let met = match criterion {
            Criterion::Number(Op::NotEqual, n) => return cell.compare(&Value::Int(*n)) != Some(Ordering::Equal),
            Criterion::Number(op, n) | Criterion::FirstCell(op, n) => binary(*op, &cell, &Value::Int(*n)),
            Criterion::Text(word) => binary(Op::Equal, &text(&cell), &Value::Text(word.to_lowercase())),
            Criterion::SameAsHere => {
                let own = self.cell(column, here);
                binary(Op::Equal, &text(&cell), &text(&own))
            }
        };
        met == Value::Bool(true)
    }
}

fn binary(op: Op, a: &Value, b: &Value) -> Value {
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

fn call(name: &str, args: &[Value]) -> Value {
    let truths = || args.iter().map(Value::truth);
    match (name, args) {
        ("IF", [condition, then, rest @ ..]) => match condition.truth() {
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
        ("NOT", [value]) => value.truth().map_or(Value::Null, |truth| Value::Bool(!truth)),
        ("AND", _) if truths().any(|t| t == Some(false)) => Value::Bool(false),
        ("OR", _) if truths().any(|t| t == Some(true)) => Value::Bool(true),
        ("AND" | "OR", _) if truths().any(|t| t.is_none()) => Value::Null,
        ("AND" | "OR", _) => Value::Bool(name == "AND"),
        _ => panic!("no function {name}"),
    }
}

fn aggregated(aggregate: Aggregate, cells: &[Value]) -> Value {
    let there: Vec<&Value> = cells.iter().filter(|cell| !cell.is_null()).collect();
    let numbers = || there.iter().filter_map(|cell| cell.number());
    let count = there.len() as f64;
    match aggregate {
        Aggregate::Sum => there.iter().fold(Value::Int(0), |sum, cell| binary(Op::Add, &sum, cell)),
        Aggregate::Count => Value::Int(there.len() as i64),
        Aggregate::CountBlank => {
            let empty = |cell: &&Value| cell.is_null() || **cell == Value::Text(String::new());
            Value::Int(cells.iter().filter(empty).count() as i64)
        }
        Aggregate::CountUnique => {
            let mut different: Vec<&Value> = Vec::new();
            for cell in there {
                if !different.iter().any(|known| known.compare(cell) == Some(Ordering::Equal)) {
                    different.push(cell);
                }
            }
            Value::Int(different.len() as i64)
        }
        _ if there.is_empty() => Value::Null,
        Aggregate::Average => Value::Number(numbers().sum::<f64>() / count),
        Aggregate::Min | Aggregate::Max => {
            let mut ordered = there.clone();
            ordered.sort_by(|a, b| a.order(b, aggregate == Aggregate::Max));
            ordered[0].clone()
        }
        Aggregate::Median => {
            let mut ordered: Vec<f64> = numbers().collect();
            ordered.sort_by(f64::total_cmp);
            let middle = ordered.len() / 2;
            let upper = ordered[middle];
            Value::Number(if ordered.len() % 2 == 1 { upper } else { (ordered[middle - 1] + upper) / 2.0 })
        }
        Aggregate::StDev if there.len() < 2 => Value::Null,
        Aggregate::StDev => {
            let average = numbers().sum::<f64>() / count;
            let squares: f64 = numbers().map(|n| (n - average).powi(2)).sum();
            Value::Number((squares / (count - 1.0)).sqrt())
        }
    }
}
