//! Values of the interpreter. An error in a spreadsheet formula is NULL.

use std::cmp::Ordering;

use crate::calendar::civil_date;
use crate::exact::ExactDecimal;
use crate::uncertainty;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Decimal or float without a display scale.
    Number(f64),
    /// Decimal with its display scale.
    Decimal(ExactDecimal),
    Text(String),
    /// Date as days since 1970-01-01.
    Date(i64),
    /// Local time as seconds since 1970-01-01.
    Time(i64),
}

pub const SECONDS_PER_DAY: i64 = 86_400;

impl Value {
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::Number(n) => Some(*n),
            Self::Decimal(exact) => Some(exact.to_f64()),
            _ => None,
        }
    }

    /// Returns the seconds of a date or time since 1970-01-01.
    pub fn seconds(&self) -> Option<i64> {
        match self {
            Self::Date(days) => Some(days * SECONDS_PER_DAY),
            Self::Time(seconds) => Some(*seconds),
            _ => None,
        }
    }

    /// Returns the text of a value, formatted as in a concatenation with `&`.
    pub fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(b) => if *b { "TRUE" } else { "FALSE" }.to_owned(),
            Self::Int(i) => i.to_string(),
            // Negative zero is printed as 0.
            Self::Number(n) => {
                let number_text = (n + 0.0).to_string();
                // The last digit may differ between engines if the number has more than 15 digits.
                if number_text.bytes().filter(u8::is_ascii_digit).count() > 15 {
                    uncertainty::mark_uncertain();
                }
                number_text
            }
            Self::Decimal(exact) => Self::Number(exact.to_f64()).text(),
            Self::Text(t) => t.clone(),
            Self::Date(days) => {
                let (year, month, day) = civil_date(*days);
                format!("{year:04}-{month:02}-{day:02}")
            }
            Self::Time(seconds) => {
                let (date, rest) = (
                    Self::Date(seconds.div_euclid(SECONDS_PER_DAY)).text(),
                    seconds.rem_euclid(SECONDS_PER_DAY),
                );
                format!("{date} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
            }
        }
    }

    /// Returns the value as a condition. A number is true unless it is 0.
    pub fn as_condition(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => self.number().map(|n| n != 0.0),
        }
    }

    /// Compares two values. `None` if a value is NULL or the types cannot be compared.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) | (Self::Time(a), Self::Time(b)) => Some(a.cmp(b)),
            // A date that is compared with a time represents midnight on that date.
            (Self::Date(a), Self::Time(b)) => Some((a * SECONDS_PER_DAY).cmp(b)),
            (Self::Time(a), Self::Date(b)) => Some(a.cmp(&(b * SECONDS_PER_DAY))),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            _ => {
                let (a, b) = (self.number()?, other.number()?);
                uncertainty::mark_close_comparison(a, b);
                a.partial_cmp(&b)
            }
        }
    }

    /// Returns the sort order of two values. NULLs come last in both directions.
    pub fn sort_order(&self, other: &Self, descending: bool) -> Ordering {
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

    /// Returns a string that identifies the value in a group key. The string for NULL differs from the strings for all
    /// other values.
    pub fn key(&self) -> String {
        match self.number() {
            Some(number) => format!("{}", number + 0.0),
            None => format!("{self:?}"),
        }
    }
}
