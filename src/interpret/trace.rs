//! Which ways a computation took: whether a condition held, where a comparison stood, whether a row was found.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::interpret::value::Value;

/// A part of a formula, as it is written, with what became of it.
pub type TraceEvents = BTreeSet<(String, &'static str)>;

thread_local! {
    static SEEN: RefCell<Option<TraceEvents>> = const { RefCell::new(None) };
}

/// What this gives, and what was seen meanwhile.
pub fn during<T>(work: impl FnOnce() -> T) -> (T, TraceEvents) {
    SEEN.set(Some(TraceEvents::new()));
    let value = work();
    (value, SEEN.take().unwrap_or_default())
}

pub fn record(of: impl FnOnce() -> String, outcome: &'static str) {
    SEEN.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            seen.insert((of(), outcome));
        }
    });
}

/// Whether anybody watches.
pub fn is_watched() -> bool {
    SEEN.with_borrow(Option::is_some)
}

/// What can be told of any value.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "is empty",
        Value::Bool(true) => "is true",
        Value::Bool(false) => "is false",
        _ => "has a value",
    }
}

pub const BRANCHES: [&str; 8] = [
    "takes branch 1",
    "takes branch 2",
    "takes branch 3",
    "takes branch 4",
    "takes branch 5",
    "takes branch 6",
    "takes branch 7",
    "takes a branch behind the seventh",
];

pub fn branch(at: usize) -> &'static str {
    BRANCHES.get(at).or(BRANCHES.last()).copied().unwrap_or_default()
}
