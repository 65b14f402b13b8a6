//! Values in the notation of case files and engines.

use serde_json::{Value as Json, json};

use crate::value::Value;

pub trait ToJson {
    fn json(&self) -> Json;
}

impl ToJson for Value {
    fn json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(b) => json!(b),
            Self::Int(i) => json!(i),
            Self::Number(n) => json!(n),
            Self::Decimal(exact) => json!(exact.to_f64()),
            Self::Text(t) => json!(t),
            Self::Date(_) | Self::Time(_) => json!(self.text()),
        }
    }
}
