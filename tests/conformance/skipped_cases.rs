//! Cases that a test run skips to save time.

/// Returns the quarter of the cases that this test run checks: 0 to 3, from `FORMULAC_QUARTER`. `None` for all cases.
pub fn number() -> Option<usize> {
    std::env::var("FORMULAC_QUARTER").ok()?.parse().ok()
}

/// Returns `true` if this test run skips a numbered case.
#[allow(dead_code, reason = "random cases are not left out")]
pub fn is_left_out(number: usize) -> bool {
    self::number().is_some_and(|quarter| number % 4 != quarter)
}
