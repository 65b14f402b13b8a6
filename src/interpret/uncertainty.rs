//! Detects values whose last digits differ between engines.
//!
//! Engines may differ in the last bits of a float, and a formula may amplify the difference, for example by rounding a
//! value near 0.5, by comparing two quotients with `=`, or by converting 1/3 to text. Each computation is therefore
//! repeated with pseudorandom changes to the last bits. If the result changes, no single result is correct, so the
//! value is not compared.

use std::cell::{Cell, RefCell};

thread_local! {
    static NOISE_DIRECTION: Cell<Option<NoiseDirection>> = const { Cell::new(None) };
    static IS_UNCERTAIN: Cell<bool> = const { Cell::new(false) };
    static IS_RESULT_TOO_LARGE: Cell<bool> = const { Cell::new(false) };
    static HAS_UNKNOWN_DIGITS: Cell<bool> = const { Cell::new(false) };
    static RECURSION_DEPTH: Cell<u32> = const { Cell::new(0) };
    static STEP_COUNT: Cell<u64> = const { Cell::new(0) };
    static UNSUPPORTED_EXPRESSION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Direction in which the last bits are changed. The directions are opposite, so a value that depends on the last bits
/// differs between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoiseDirection {
    One,
    Opposite,
}

/// Result of a computation, with flags for its reliability.
pub struct CheckedResult<T> {
    pub value: T,
    /// Whether any step of the computation depended on the last bits of a float.
    pub is_uncertain: bool,
    /// Whether a number was so large that the contract allows engines to fail.
    pub is_too_large: bool,
    /// Description of the first expression that the interpreter could not evaluate. `None` if all expressions were
    /// evaluated.
    pub unsupported_part: Option<String>,
    /// Whether engines may display a decimal with different numbers of digits.
    pub has_unknown_digits: bool,
    /// Number of steps that the computation took.
    pub steps: u64,
}

/// Runs a computation with noise, or without noise if `noise` is `None`.
pub fn with_noise<T>(noise: Option<NoiseDirection>, work: impl FnOnce() -> T) -> CheckedResult<T> {
    NOISE_DIRECTION.set(noise);
    IS_UNCERTAIN.set(false);
    IS_RESULT_TOO_LARGE.set(false);
    UNSUPPORTED_EXPRESSION.take();
    STEP_COUNT.set(0);
    HAS_UNKNOWN_DIGITS.set(false);
    let value = work();
    NOISE_DIRECTION.set(None);
    CheckedResult {
        value,
        is_uncertain: IS_UNCERTAIN.get(),
        is_too_large: IS_RESULT_TOO_LARGE.get(),
        unsupported_part: UNSUPPORTED_EXPRESSION.take(),
        has_unknown_digits: HAS_UNKNOWN_DIGITS.get(),
        steps: STEP_COUNT.get(),
    }
}

/// Adds noise to a float whose last bits may differ between engines.
pub fn with_float_noise(x: f64) -> f64 {
    add_noise(x, x)
}

/// Adds noise to a float, in proportion to the size of the operands.
pub fn add_noise(x: f64, size: f64) -> f64 {
    let Some(noise) = NOISE_DIRECTION.get().filter(|_| x.is_finite()) else {
        return x;
    };
    // The noise is a function of the value, so equal values remain equal, and a value near a rounding boundary crosses
    // the boundary in one of the directions. The hash ignores the low bits because earlier noise may have changed them,
    // so the two directions remain opposite.
    let mixed = ((x.to_bits() >> 18) ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let part = 0.5 + (mixed >> 40) as f64 / (1u64 << 25) as f64;
    // If the operands cancel out, the digits that remain are noise, so a hash of them does not have two opposite
    // directions.
    let is_cancelled = x.abs() < size.abs() * 1e-9;
    let up = (is_cancelled || mixed & (1 << 39) == 0) == (noise == NoiseDirection::One);
    x + size * 2e-13 * if up { part } else { -part }
}

/// Marks the computation as dependent on the last bits of a float.
pub fn mark_uncertain() {
    IS_UNCERTAIN.set(true);
}

/// Records that the computation contains a decimal that engines may display with different numbers of digits.
pub fn mark_unknown_digits() {
    HAS_UNKNOWN_DIGITS.set(true);
}

/// Records an expression that the interpreter cannot evaluate. The value of the expression is NULL, and the caller must
/// discard the result.
pub fn report_unsupported(description: impl FnOnce() -> String) {
    UNSUPPORTED_EXPRESSION.with_borrow_mut(|unknown_part| {
        unknown_part.get_or_insert_with(description);
    });
}

/// Maximum depth of expressions, including the definitions to which they refer.
const MAX_DEPTH: u32 = 256;
/// Maximum number of steps of a computation.
pub const MAX_STEPS: u64 = 50_000_000;

/// Guard for a level of recursion. The level ends when the guard is dropped.
pub struct RecursionGuard(());

/// Enters a level of recursion. `None` if the recursion is too deep or the computation has too many steps.
pub fn enter_recursion() -> Option<RecursionGuard> {
    let (depth, steps) = (RECURSION_DEPTH.get() + 1, STEP_COUNT.get() + 1);
    if depth > MAX_DEPTH || steps > MAX_STEPS {
        report_unsupported(|| "such deep nesting".to_owned());
        return None;
    }
    RECURSION_DEPTH.set(depth);
    STEP_COUNT.set(steps);
    Some(RecursionGuard(()))
}

impl Drop for RecursionGuard {
    fn drop(&mut self) {
        RECURSION_DEPTH.set(RECURSION_DEPTH.get().saturating_sub(1));
    }
}

/// Returns a number unchanged. A very large number marks the computation as oversized, because the tests do not cover
/// the numeric limits of engines.
pub fn check_size(x: f64) -> f64 {
    if x.is_nan() || x.abs() >= 1e15 {
        IS_RESULT_TOO_LARGE.set(true);
    }
    x
}

pub fn mark_result_too_large() {
    IS_RESULT_TOO_LARGE.set(true);
}

/// Marks the computation as uncertain if it compares two numbers that differ only in the last bits.
pub fn mark_close_comparison(a: f64, b: f64) {
    if a != b && (a - b).abs() <= 1e-11 * a.abs().max(b.abs()) {
        mark_uncertain();
    }
}

/// Returns `a + b`. Noise is added if the sum is not exact.
pub fn noisy_sum(a: f64, b: f64) -> f64 {
    let s = a + b;
    let t = s - a;
    let lost = (a - (s - t)) + (b - t);
    if lost == 0.0 && is_exact_decimal(a) && is_exact_decimal(b) {
        s
    } else {
        add_noise(s, a.abs().max(b.abs()))
    }
}

pub fn product_with_rounding_error(a: f64, b: f64) -> f64 {
    let p = a * b;
    if a.mul_add(b, -p) == 0.0 && is_exact_decimal(a) && is_exact_decimal(b) {
        p
    } else {
        with_float_noise(p)
    }
}

pub fn noisy_ratio(a: f64, b: f64) -> f64 {
    let q = a / b;
    if q.mul_add(b, -a) == 0.0 && is_exact_decimal(q) {
        q
    } else {
        with_float_noise(q)
    }
}

/// Returns whether a float equals its printed decimal. Sums of a few powers of two, such as 0.75, equal their printed
/// decimals, but 0.1 does not. The fraction of a large number may have been rounded off.
fn is_exact_decimal(x: f64) -> bool {
    let scaled = x * 1_048_576.0;
    scaled == scaled.trunc() && scaled.abs() < 9e15
}
