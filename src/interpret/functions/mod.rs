//! Functions of one row, by their names in the catalogue: from the values of the arguments to a value.
//!
//! They are written from the contract and from what spreadsheets do, for comparison with the SQL that the compiler
//! writes: none of them knows SQL, and none asks the compiler.

mod conversion;
mod criteria;
mod dates;
mod logic;
mod masks;
mod math;
mod patterns;
pub mod statistics;
mod text;
mod timeframes;

use std::ops::{Deref, Index};

use crate::interpret::value::Value;

pub use patterns::regex_argument_name;
pub use timeframes::timeframe;

/// The values of a call's arguments; one that is not given is NULL.
#[derive(Clone, Copy)]
pub struct CallArgs<'a>(&'a [Value]);

impl Deref for CallArgs<'_> {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        self.0
    }
}

impl Index<usize> for CallArgs<'_> {
    type Output = Value;

    fn index(&self, at: usize) -> &Value {
        self.0.get(at).unwrap_or(&Value::Null)
    }
}

/// The value of a call; none for a name that is no function of one row.
pub fn call(name: &str, args: &[Value]) -> Option<Value> {
    let args = CallArgs(args);
    text::call(name, args)
        .or_else(|| patterns::call(name, args))
        .or_else(|| masks::call(name, args))
        .or_else(|| conversion::call(name, args))
        .or_else(|| dates::call(name, args))
        .or_else(|| math::call(name, args))
        .or_else(|| logic::call(name, args))
        .or_else(|| statistics::across(name, args))
}
