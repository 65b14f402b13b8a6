//! Row-level functions, which are looked up by name. Each function computes a value from the values of its arguments.
//!
//! The functions implement the documented contract and the behavior of spreadsheets, so that they can be compared
//! with the compiler's SQL. The functions use neither SQL nor the compiler.

mod conversion;
mod criteria;
mod dates;
mod distributions;
mod financial;
mod logic;
mod masks;
mod math;
mod patterns;
pub mod statistics;
mod text;
mod timeframes;

use std::ops::Index;

use crate::value::Value;

pub use patterns::function_variant_name;
pub use timeframes::timeframe;

/// Argument values of a call. The value of a missing argument is NULL.
#[derive(Clone, Copy)]
pub struct CallArgs<'a>(&'a [Value]);

impl<'a> CallArgs<'a> {
    /// Returns the values of all arguments in the call.
    pub fn values(self) -> &'a [Value] {
        self.0
    }
}

impl Index<usize> for CallArgs<'_> {
    type Output = Value;

    fn index(&self, arg_index: usize) -> &Value {
        self.0.get(arg_index).unwrap_or(&Value::Null)
    }
}

/// Evaluates a call. `None` if no row-level function has the name.
pub fn call(name: &str, args: &[Value]) -> Option<Value> {
    let args = CallArgs(args);
    text::call(name, args)
        .or_else(|| patterns::call(name, args))
        .or_else(|| masks::call(name, args))
        .or_else(|| conversion::call(name, args))
        .or_else(|| dates::call(name, args))
        .or_else(|| math::call(name, args))
        .or_else(|| distributions::call(name, args))
        .or_else(|| financial::call(name, args))
        .or_else(|| logic::call(name, args))
        .or_else(|| statistics::evaluate_aggregate_across_row(name, args))
}
