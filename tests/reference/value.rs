//! Values as a spreadsheet has them: an error is no value.

use std::cmp::Ordering;

use serde_json::{Value as Json, json};

use crate::calendar::civil;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Decimals and floats.
    Number(f64),
    Text(String),
    /// Days since 1970-01-01.
    Date(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    /// Numbers whose digits every engine keeps: they can be compared and grouped by.
    Exact,
    /// Quotients and averages: the last bits differ.
    Float,
    Text,
    Date,
}

impl Kind {
    pub const ALL: [Self; 6] = [Self::Bool, Self::Int, Self::Exact, Self::Float, Self::Text, Self::Date];

    pub fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Exact | Self::Float)
    }
}

impl Value {
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// As a condition; a number is true unless it is zero.
    pub fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => self.number().map(|n| n != 0.0),
        }
    }

    /// None beside a NULL.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(b)),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }

    /// The order of rows: NULLs last either way.
    pub fn order(&self, other: &Self, descending: bool) -> Ordering {
        match (self.is_null(), other.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let ascending = self.compare(other).unwrap_or(Ordering::Equal);
                if descending { ascending.reverse() } else { ascending }
            }
        }
    }

    /// As text for keys of groups: NULL is a value of its own.
    pub fn key(&self) -> String {
        format!("{self:?}")
    }

    pub fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(b) => json!(b),
            Self::Int(i) => json!(i),
            Self::Number(n) => json!(n),
            Self::Text(t) => json!(t),
            Self::Date(d) => {
                let (year, month, day) = civil(*d);
                json!(format!("{year:04}-{month:02}-{day:02}"))
            }
        }
    }
}
