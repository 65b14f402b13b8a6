//! Rows that an engine returns for a query, and their JSON form.

use formulac::Type;
use serde_json::{Value, json};

/// Result of a query, as returned by an engine.
#[derive(Debug, Default)]
pub struct QueryResult {
    /// Name and version of the engine, for messages.
    pub engine: String,
    pub version: String,
    pub columns: Vec<ResultColumn>,
    /// Values in the engine's notation. `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether the query has more rows than requested.
    pub more: bool,
    /// Duration of the timed query in seconds, if one was requested.
    pub seconds: Option<f64>,
}

/// A column of a query result.
#[derive(Debug)]
pub struct ResultColumn {
    pub name: String,
    pub ty: Type,
}

impl QueryResult {
    /// Keeps at most `limit` rows. The query requests one more row than `limit`, to determine whether there are more
    /// rows.
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.more = self.rows.len() > limit as usize;
        self.rows.truncate(limit as usize);
        for row in &mut self.rows {
            for (value, column) in row.iter_mut().zip(&self.columns) {
                if let (Some(text), true) = (value, column.ty.is_temporal()) {
                    put_space_before_time(text);
                }
            }
        }
        self
    }

    /// Returns a row's value in the named column, ignoring the case of the name. Returns `None` if the value is NULL.
    pub fn value(&self, row: &[Option<String>], name: &str) -> Option<String> {
        let index = self
            .columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name))?;
        row.get(index)?.clone()
    }

    /// Returns the columns as JSON.
    pub fn columns_json(&self) -> Vec<Value> {
        self.columns
            .iter()
            .map(|column| json!({"name": column.name, "type": column.ty.name()}))
            .collect()
    }

    /// Returns the rows as JSON, each as a list of values.
    pub fn rows_json(&self) -> Vec<Value> {
        let row = |row: &Vec<Option<String>>| {
            row.iter()
                .zip(&self.columns)
                .map(|(text, column)| value_json(text.as_deref(), column.ty))
                .collect()
        };
        self.rows.iter().map(row).collect()
    }

    /// Describes the number of rows and the engine.
    pub fn summary(&self) -> String {
        let count = match (self.more, self.rows.len()) {
            (false, 1) => "1 row".to_owned(),
            (false, n) => format!("{n} rows"),
            (true, 1) => "the first row (there are more)".to_owned(),
            (true, n) => format!("the first {n} rows (there are more)"),
        };
        format!("{count}, computed by {}", self.engine)
    }
}

/// Replaces the `T` in `2024-01-31T10:00:00` with a space, because formulac's language writes `2024-01-31 10:00:00`.
fn put_space_before_time(text: &mut String) {
    if text.as_bytes().get(10) == Some(&b'T') {
        text.replace_range(10..11, " ");
    }
}

/// Converts a value to JSON. Booleans, integers and floats become JSON booleans and numbers. A decimal becomes a
/// string, because a JSON number would be parsed as a float. Values that JSON cannot represent also become strings: an
/// integer of more than 64 bits, NaN and infinities.
fn value_json(text: Option<&str>, ty: Type) -> Value {
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
    fn values_keep_their_types() {
        for (text, ty, expected) in [
            (None, Type::Integer, Value::Null),
            (Some("true"), Type::Boolean, json!(true)),
            (Some("12"), Type::Integer, json!(12)),
            (
                Some("123456789012345678901234567890"),
                Type::Integer,
                json!("123456789012345678901234567890"),
            ),
            (Some("1.50"), Type::Decimal, json!("1.50")),
            (Some("1e+300"), Type::Float, json!(1e300)),
            (Some("NaN"), Type::Float, json!("NaN")),
            (Some("12"), Type::Text, json!("12")),
            (Some(""), Type::Text, json!("")),
        ] {
            assert_eq!(value_json(text, ty), expected);
        }
    }

    #[test]
    fn an_extra_row_marks_the_result_as_truncated() {
        let column = ResultColumn {
            name: "t".to_owned(),
            ty: Type::Timestamp,
        };
        let rows = vec![vec![Some("2024-01-31T10:00:00".to_owned())], vec![None]];
        let answer = QueryResult {
            engine: "E".to_owned(),
            columns: vec![column],
            rows,
            ..QueryResult::default()
        };
        let answer = answer.with_limit(1);
        assert_eq!(answer.rows, [[Some("2024-01-31 10:00:00".to_owned())]]);
        assert_eq!(answer.summary(), "the first row (there are more), computed by E");
    }
}
