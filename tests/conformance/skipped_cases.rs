//! Cases that a test run skips to save time.

/// A test run checks one in `SHARES` cases.
const SHARES: usize = 8;

/// Returns the number of the share of the cases that this test run checks: 0 to 7, from `FORMULAC_EIGHTH`. `None` for
/// all cases.
pub fn number() -> Option<usize> {
    std::env::var("FORMULAC_EIGHTH").ok()?.parse().ok()
}

/// Returns the cases that this test run checks, each with its number. Every run checks at least one case.
#[allow(dead_code, reason = "not every test has a list of cases")]
pub fn checked<T>(cases: &[T]) -> impl Iterator<Item = (usize, &T)> {
    let cases = cases.iter().enumerate();
    let count = cases.len();
    cases.filter(move |(number, _)| !is_left_out(*number, count))
}

/// Returns `true` if this test run skips a numbered case. Every run checks at least one of `count` cases.
#[allow(dead_code, reason = "random cases are not left out")]
pub fn is_left_out(number: usize, count: usize) -> bool {
    let shares = count.clamp(1, SHARES);
    self::number().is_some_and(|share| number % shares != share % shares)
}
