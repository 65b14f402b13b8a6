//! Cases that a test run skips to save time.

/// Returns `true` if this test run skips a numbered case. `FORMULAC_QUARTER=0` to `FORMULAC_QUARTER=3` runs one quarter
/// of the cases.
pub fn is_left_out(number: usize) -> bool {
    let quarter = std::env::var("FORMULAC_QUARTER").ok();
    let quarter = quarter.and_then(|quarter| quarter.parse::<usize>().ok());
    quarter.is_some_and(|quarter| number % 4 != quarter)
}
