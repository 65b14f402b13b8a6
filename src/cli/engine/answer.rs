//! The rows of an answer, and its JSON.

use formulac::Type;
use serde_json::{Value, json};

/// What an engine answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// The engine with its version, as people are told.
    pub engine: String,
    pub version: String,
    pub columns: Vec<AnswerColumn>,
    /// Values as the engine writes them; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there are more rows than were asked for.
    pub more: bool,
    /// How long the other query took, where one was to be timed.
    pub seconds: Option<f64>,
}

/// A column of an answer.
#[derive(Debug)]
pub struct AnswerColumn {
    pub name: String,
    pub ty: Type,
}

impl Answer {
    /// With at most so many rows; one more was asked for, to see whether there are more.
    pub fn limited(mut self, limit: u32) -> Self {
        self.more = self.rows.len() > limit as usize;
        self.rows.truncate(limit as usize);
        for row in &mut self.rows {
            for (value, column) in row.iter_mut().zip(&self.columns) {
                if let (Some(text), true) = (value, column.ty.is_temporal()) {
                    blank_before_time(text);
                }
            }
        }
        self
    }

    /// The value of a column in a row, however the engine writes its name; `None` if it is NULL.
    pub fn value(&self, row: &[Option<String>], name: &str) -> Option<String> {
        let place = self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))?;
        row.get(place)?.clone()
    }

    /// The columns as JSON.
    pub fn columns_object(&self) -> Vec<Value> {
        self.columns.iter().map(|column| json!({"name": column.name, "type": column.ty.name()})).collect()
    }

    /// The rows as JSON, a list of values each.
    pub fn rows_object(&self) -> Vec<Value> {
        let row = |row: &Vec<Option<String>>| {
            row.iter().zip(&self.columns).map(|(text, column)| value(text.as_deref(), column.ty)).collect()
        };
        self.rows.iter().map(row).collect()
    }

    /// How many rows these are, and whose.
    pub fn summary(&self) -> String {
        let count = match (self.more, self.rows.len()) {
            (false, 1) => "1 row".to_owned(),
            (false, n) => format!("{n} rows"),
            (true, 1) => "the first row, and there are more".to_owned(),
            (true, n) => format!("the first {n} rows, and there are more"),
        };
        format!("{count}; by {}", self.engine)
    }
}

/// `2024-01-31T10:00:00` is `2024-01-31 10:00:00`, as the language writes it.
fn blank_before_time(text: &mut String) {
    if text.as_bytes().get(10) == Some(&b'T') {
        text.replace_range(10..11, " ");
    }
}

/// Booleans, integers and floats are JSON's own. A decimal is a text, since a JSON number would be read as a float; so
/// is what JSON has no value for: an integer past 64 bits, NaN, infinities.
fn value(text: Option<&str>, ty: Type) -> Value {
    let Some(text) = text else { return Value::Null };
    let exact = match ty {
        Type::Boolean => match text {
            "true" => Some(json!(true)),
            "false" => Some(json!(false)),
            _ => None,
        },
        Type::Integer => text.parse::<i64>().ok().map(|n| json!(n)),
        Type::Float | Type::Time => text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| json!(n)),
        _ => None,
    };
    exact.unwrap_or_else(|| json!(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_what_they_are() {
        for (text, ty, expected) in [
            (None, Type::Integer, Value::Null),
            (Some("true"), Type::Boolean, json!(true)),
            (Some("12"), Type::Integer, json!(12)),
            (Some("123456789012345678901234567890"), Type::Integer, json!("123456789012345678901234567890")),
            (Some("1.50"), Type::Decimal, json!("1.50")),
            (Some("1e+300"), Type::Float, json!(1e300)),
            (Some("NaN"), Type::Float, json!("NaN")),
            (Some("12"), Type::Text, json!("12")),
            (Some(""), Type::Text, json!("")),
        ] {
            assert_eq!(value(text, ty), expected);
        }
    }

    #[test]
    fn a_row_too_many_says_that_there_are_more() {
        let column = AnswerColumn { name: "t".to_owned(), ty: Type::Timestamp };
        let rows = vec![vec![Some("2024-01-31T10:00:00".to_owned())], vec![None]];
        let answer = Answer { engine: "E".to_owned(), columns: vec![column], rows, ..Answer::default() };
        let answer = answer.limited(1);
        assert_eq!(answer.rows, [[Some("2024-01-31 10:00:00".to_owned())]]);
        assert_eq!(answer.summary(), "the first row, and there are more; by E");
    }
}
