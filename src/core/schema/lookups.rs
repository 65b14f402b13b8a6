//! Records what a compilation looks up by name. A result can be reused as long as the same lookups return the same
//! values.

use std::cell::RefCell;
use std::collections::BTreeSet;

/// Lookup by name, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RecordedLookup {
    Relation(String),
    MetricSet(String),
    CurrentDate,
    /// All relations or all metric sets were read, for example to find a similar name.
    Everything,
}

thread_local! {
    /// Lookups of the compilation on this thread. `None` if they are not recorded.
    static RECORDED_LOOKUPS: RefCell<Option<BTreeSet<RecordedLookup>>> = const { RefCell::new(None) };
}

/// Calls a function. Returns the function's result and all lookups that the function made on this thread.
pub fn record_lookups<T>(work: impl FnOnce() -> T) -> (T, BTreeSet<RecordedLookup>) {
    let outer = RECORDED_LOOKUPS.replace(Some(BTreeSet::new()));
    let result = work();
    let recorded = RECORDED_LOOKUPS.replace(outer).unwrap_or_default();
    (result, recorded)
}

/// Adds a lookup, if lookups are recorded.
pub fn record_lookup(lookup: impl FnOnce() -> RecordedLookup) {
    RECORDED_LOOKUPS.with_borrow_mut(|recorded| {
        if let Some(recorded) = recorded {
            recorded.insert(lookup());
        }
    });
}
