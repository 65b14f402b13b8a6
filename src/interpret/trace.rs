//! Coverage of a computation: the outcomes of conditions, comparisons and joins.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::value::Value;

/// Covered outcomes. Each entry contains the text of a subexpression and one of its outcomes.
pub type CoverageEvents = BTreeSet<(String, &'static str)>;

/// Outcomes of a comparison.
pub const LEFT_IS_LESS: &str = "has a left side that is less than the right side";
pub const SIDES_ARE_EQUAL: &str = "has equal sides";
pub const LEFT_IS_GREATER: &str = "has a left side that is greater than the right side";

thread_local! {
    static RECORDED_COVERAGE: RefCell<Option<CoverageEvents>> = const { RefCell::new(None) };
}

/// Runs a computation and records its coverage.
pub fn record_coverage<T>(work: impl FnOnce() -> T) -> (T, CoverageEvents) {
    RECORDED_COVERAGE.set(Some(CoverageEvents::new()));
    let value = work();
    (value, RECORDED_COVERAGE.take().unwrap_or_default())
}

pub fn record_outcome(event_name: impl FnOnce() -> String, outcome: &'static str) {
    RECORDED_COVERAGE.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            seen.insert((event_name(), outcome));
        }
    });
}

/// Returns whether coverage is currently recorded.
pub fn is_recording_coverage() -> bool {
    RECORDED_COVERAGE.with_borrow(Option::is_some)
}

/// Returns the outcome to record for a value.
pub fn outcome_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "is empty",
        Value::Bool(true) => "is true",
        Value::Bool(false) => "is false",
        _ => "has a value",
    }
}

pub const BRANCH_OUTCOMES: [&str; 8] = [
    "takes branch 1",
    "takes branch 2",
    "takes branch 3",
    "takes branch 4",
    "takes branch 5",
    "takes branch 6",
    "takes branch 7",
    "takes a branch after branch 7",
];

pub fn branch_outcome(branch_index: usize) -> &'static str {
    BRANCH_OUTCOMES
        .get(branch_index)
        .or(BRANCH_OUTCOMES.last())
        .copied()
        .unwrap_or_default()
}
