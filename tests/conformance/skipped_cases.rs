//! Cases that a test run skips to save time.

/// A test run checks one in `SHARES` cases.
const SHARES: usize = 8;

/// Returns the number of the share of the cases that this test run checks: 0 to 7, from `FORMULAC_EIGHTH`. `None` for
/// all cases.
pub fn number() -> Option<usize> {
    std::env::var("FORMULAC_EIGHTH").ok()?.parse().ok()
}

/// Selects the cases that this test run checks. Every run checks at least one case.
#[allow(dead_code, reason = "not every test has a list of cases")]
pub fn select_cases<T>(cases: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let cases: Vec<T> = cases.into_iter().collect();
    let count = cases.len();
    let numbered = cases.into_iter().enumerate();
    numbered.filter_map(move |(number, case)| (!is_left_out(number, count)).then_some(case))
}

/// Returns `true` if this test run skips a numbered case. Every run checks at least one of `count` cases.
#[allow(dead_code, reason = "random cases are not left out")]
pub fn is_left_out(number: usize, count: usize) -> bool {
    let shares = count.clamp(1, SHARES);
    self::number().is_some_and(|share| number % shares != share % shares)
}
