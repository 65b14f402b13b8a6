//! The value of a formula's text over a row.
//!
//! The text is read by the crate's own parser, which knows no meaning; what calls give is said by `functions` alone.

use std::collections::HashMap;

use formulac::Type;
use formulac::ast::{Ast, BinaryOp, Expr as Node, ExprId, Sign};
use formulac::parse::{Parsed, unquote};
use serde_json::Value as Json;

use crate::arithmetic::binary;
use crate::calendar::{civil, days};
use crate::expr::Op;
use crate::functions;
use crate::value::{DAY, Value};

/// Why a formula says nothing about a function of one row.
pub type Unread = String;

/// A cell as case files write it.
pub fn cell(ty: Type, json: &Json) -> Result<Value, Unread> {
    let text = || json.as_str().map(str::to_owned).ok_or_else(|| format!("{json} as {ty}"));
    // Decimals are quoted to keep their digits.
    let number = || json.as_f64().or_else(|| json.as_str()?.parse().ok()).ok_or_else(|| format!("{json} as {ty}"));
    if json.as_str().is_some_and(|text| ty == Type::Decimal && text.len() > f64::DIGITS as usize) {
        return Err("a decimal with more digits than a float".to_owned());
    }
    Ok(match (ty, json) {
        (_, Json::Null) => Value::Null,
        (Type::Boolean, Json::Bool(b)) => Value::Bool(*b),
        (Type::Integer, Json::Number(n)) if n.is_i64() => Value::Int(n.as_i64().unwrap_or_default()),
        (Type::Integer | Type::Decimal | Type::Float, _) => Value::Number(number()?),
        (Type::Text, _) => Value::Text(text()?),
        // The sessions of the tests are in UTC.
        (Type::Date | Type::Timestamp | Type::Timestamptz, _) => {
            moment(text()?.trim_end_matches("+00:00")).ok_or("a fraction of a second")?
        }
        _ => return Err(format!("a column of type {ty}")),
    })
}

/// `2024-02-29`, `2024-02-29 12:30:00`; no fraction of a second that is not 0.
fn moment(text: &str) -> Option<Value> {
    let parts = |text: &str, sign: char| text.split(sign).map(|part| part.parse().ok()).collect::<Option<Vec<i64>>>();
    let (date, time) = text.split_once(' ').map_or((text, None), |(date, time)| (date, Some(time)));
    let [year, month, day] = parts(date, '-')?[..] else { return None };
    let date = days(year, month, day);
    if civil(date) != (year, month, day) {
        return None;
    }
    let Some(time) = time else { return Some(Value::Date(date)) };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = parts(time, ':')?[..] else { return None };
    (fraction.trim_end_matches('0').is_empty()).then_some(Value::Time(date * DAY + hour * 3600 + minute * 60 + second))
}

/// A formula over one row.
pub struct Reader<'a> {
    parsed: &'a Parsed,
    columns: &'a [(String, Type)],
    row: HashMap<&'a str, Value>,
}

impl<'a> Reader<'a> {
    /// The columns have the values of the row, in order.
    pub fn new(parsed: &'a Parsed, columns: &'a [(String, Type)], row: &[Value]) -> Self {
        let row = columns.iter().map(|(name, _)| name.as_str()).zip(row.iter().cloned()).collect();
        Self { parsed, columns, row }
    }

    /// The value of a formula of which the parser made one definition.
    pub fn formula(&self) -> Result<Value, Unread> {
        match self.ast().definitions.as_slice() {
            [definition] if !definition.broken => self.value(definition.body),
            _ => Err("not one sound formula".to_owned()),
        }
    }

    fn ast(&self) -> &Ast {
        self.parsed.ast()
    }

    fn said(&self, id: ExprId) -> &str {
        self.ast().span(id).text(self.parsed.source())
    }

    fn value(&self, id: ExprId) -> Result<Value, Unread> {
        let said = self.said(id);
        Ok(match self.ast().expr(id) {
            Node::Number => match said.parse() {
                Ok(int) => Value::Int(int),
                Err(_) => Value::Number(said.parse().map_err(|_| format!("the number {said}"))?),
            },
            Node::Text => Value::Text(unquote(said).into_owned()),
            Node::Bool(b) => Value::Bool(b),
            Node::Name if said.eq_ignore_ascii_case("null") => Value::Null,
            Node::Name => self.row.get(said).cloned().ok_or("a name that is no column")?,
            Node::Sign { sign: Sign::Plus, operand } => self.value(operand)?,
            Node::Sign { sign: Sign::Minus, operand } => match self.value(operand)? {
                Value::Null => Value::Null,
                other => operated(BinaryOp::Subtract, &Value::Int(0), &other)?,
            },
            Node::Percent(operand) => operated(BinaryOp::Divide, &self.value(operand)?, &Value::Int(100))?,
            Node::Binary { op, left, .. } if op.compares() && self.is_sum_of_decimals(left) => {
                return Err("a sum of decimals compared, which floats miss by a bit".to_owned());
            }
            Node::Binary { op, left, right } => operated(op, &self.value(left)?, &self.value(right)?)?,
            Node::Call(call) => self.call(call)?,
            Node::Timeframe { base, frame } => {
                let frame = self.ast().names[frame as usize].text(self.parsed.source());
                functions::timeframe(frame, &self.value(base)?).ok_or_else(|| format!("the timeframe {frame}"))?
            }
            other => return Err(format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned()),
        })
    }

    fn call(&self, index: u32) -> Result<Value, Unread> {
        let call = self.ast().call(index);
        let name = call.name.text(self.parsed.source()).to_uppercase();
        let ids = self.ast().arguments(call);
        let args = ids.iter().map(|id| self.value(*id)).collect::<Result<Vec<Value>, Unread>>()?;
        if name == "T" && args == [Value::Null] && !self.is_text(ids[0]) {
            return Err("T of NULL, of which the type decides".to_owned());
        }
        let is_written = |at: usize| ids.get(at).is_some_and(|id| self.ast().expr(*id) == Node::Text);
        functions::call(functions::spelled(&name, is_written), &args).ok_or_else(|| format!("the function {name}"))
    }

    fn is_text(&self, id: ExprId) -> bool {
        self.is_column(id, Type::Text)
    }

    fn is_column(&self, id: ExprId, ty: Type) -> bool {
        self.columns.iter().any(|(name, of)| name == self.said(id) && *of == ty)
    }

    fn is_sum_of_decimals(&self, id: ExprId) -> bool {
        match self.ast().expr(id) {
            Node::Binary { op: BinaryOp::Add, left, right } => {
                [left, right].iter().all(|id| self.is_column(*id, Type::Decimal))
            }
            _ => false,
        }
    }
}

fn operated(op: BinaryOp, a: &Value, b: &Value) -> Result<Value, Unread> {
    let (is_moment, is_text) = (|v: &Value| v.seconds().is_some(), |v: &Value| matches!(v, Value::Text(_)));
    // ISO text beside a date is a date.
    let beside = |v: &Value, other: &Value| match v {
        Value::Text(text) if is_moment(other) => moment(text).ok_or_else(|| format!("the text {text} beside a date")),
        _ => Ok(v.clone()),
    };
    let (a, b) = if op == BinaryOp::Concat { (a.clone(), b.clone()) } else { (beside(a, b)?, beside(b, a)?) };
    if op.symbol() != "&" && op.symbol() != "=" && op.symbol() != "<>" && !op.compares() && (is_text(&a) || is_text(&b))
    {
        return Err("arithmetic with text".to_owned());
    }
    let op = match op {
        BinaryOp::Power => {
            return functions::call("POWER", &[a, b]).ok_or_else(|| "the function POWER".to_owned());
        }
        BinaryOp::Add if is_moment(&b) => return operated(op, &b, &a),
        BinaryOp::Add if is_moment(&a) => Op::Later,
        BinaryOp::Subtract if is_moment(&a) && is_moment(&b) => Op::Apart,
        BinaryOp::Subtract if is_moment(&a) => Op::Earlier,
        BinaryOp::Add => Op::Add,
        BinaryOp::Subtract => Op::Subtract,
        BinaryOp::Multiply => Op::Multiply,
        BinaryOp::Divide => Op::Divide,
        BinaryOp::Concat => Op::Join,
        BinaryOp::Equal => Op::Equal,
        BinaryOp::NotEqual => Op::NotEqual,
        BinaryOp::Less => Op::Less,
        BinaryOp::LessEqual => Op::LessOrEqual,
        BinaryOp::Greater => Op::Greater,
        BinaryOp::GreaterEqual => Op::GreaterOrEqual,
    };
    Ok(binary(op, &a, &b))
}
