//! Which values are certain to the last digit.
//!
//! Engines may differ in the last bits of a float, and a formula may make much of them: ROUND of a half, `=` of two
//! quotients, the text of a third. So what is computed is computed again with such bits changed at random; where that
//! changes the value nobody can say what is right, and it is not compared.

use std::cell::{Cell, RefCell};

thread_local! {
    static NOISE: Cell<Option<Noise>> = const { Cell::new(None) };
    static DOUBTED: Cell<bool> = const { Cell::new(false) };
    static OVERSIZED: Cell<bool> = const { Cell::new(false) };
    static UNSHOWN: Cell<bool> = const { Cell::new(false) };
    static LEVELS: Cell<u32> = const { Cell::new(0) };
    static TAKEN: Cell<u64> = const { Cell::new(0) };
    static UNKNOWN: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Which way the last bits are changed. What one makes larger the other makes smaller, so that no value that hangs on
/// them is the same in both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    One,
    Opposite,
}

/// What a computation gave, and what is to be thought of it.
pub struct Settled<T> {
    pub value: T,
    /// A step of it hung on the last bits.
    pub doubted: bool,
    /// A step of it was so large that an engine may fail, as the contract lets it.
    pub oversized: bool,
    /// What the interpreter knows no value of, the first of it.
    pub unknown: Option<String>,
    /// How many digits of a decimal an engine shows is not known.
    pub unshown: bool,
    /// How many steps it took.
    pub steps: u64,
}

/// Runs with noise, or without any.
pub fn with_noise<T>(noise: Option<Noise>, work: impl FnOnce() -> T) -> Settled<T> {
    NOISE.set(noise);
    DOUBTED.set(false);
    OVERSIZED.set(false);
    UNKNOWN.take();
    TAKEN.set(0);
    UNSHOWN.set(false);
    let value = work();
    NOISE.set(None);
    Settled {
        value,
        doubted: DOUBTED.get(),
        oversized: OVERSIZED.get(),
        unknown: UNKNOWN.take(),
        unshown: UNSHOWN.get(),
        steps: TAKEN.get(),
    }
}

/// A float whose last bits are not the same everywhere.
pub fn inexact(x: f64) -> f64 {
    blurred(x, x)
}

/// One that was computed from numbers of this size.
pub fn blurred(x: f64, size: f64) -> f64 {
    let Some(noise) = NOISE.get().filter(|_| x.is_finite()) else { return x };
    // Equal values stay equal, and one that is near a step goes over it either way. What noise changed already is taken
    // for what it was, so that both ways stay apart.
    let mixed = ((x.to_bits() >> 18) ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let part = 0.5 + (mixed >> 40) as f64 / (1u64 << 25) as f64;
    let up = (mixed & (1 << 39) == 0) == (noise == Noise::One);
    x + size * 2e-13 * if up { part } else { -part }
}

/// The last bits decide here.
pub fn mark() {
    DOUBTED.set(true);
}

/// A decimal went into a value of which nobody here knows how many digits are shown.
pub fn unshown() {
    UNSHOWN.set(true);
}

/// There is something that nobody here knows the value of; it is taken for NULL, and the result is not to be used.
pub fn unknown(what: impl FnOnce() -> String) {
    UNKNOWN.with_borrow_mut(|known| {
        known.get_or_insert_with(what);
    });
}

/// How deep expressions and the definitions that they name are followed, and how many steps one computation takes.
const DEPTH: u32 = 256;
const STEPS: u64 = 50_000_000;

/// A level down, until it is dropped.
pub struct Deeper(());

/// None where it is too deep, or goes on for too long.
pub fn deeper() -> Option<Deeper> {
    let (depth, steps) = (LEVELS.get() + 1, TAKEN.get() + 1);
    if depth > DEPTH || steps > STEPS {
        unknown(|| "what is nested so deep".to_owned());
        return None;
    }
    LEVELS.set(depth);
    TAKEN.set(steps);
    Some(Deeper(()))
}

impl Drop for Deeper {
    fn drop(&mut self) {
        LEVELS.set(LEVELS.get().saturating_sub(1));
    }
}

/// Results of ordinary size pass; an engine's own limits are not what is tested.
pub fn sized(x: f64) -> f64 {
    if x.is_nan() || x.abs() >= 1e15 {
        OVERSIZED.set(true);
    }
    x
}

pub fn oversize() {
    OVERSIZED.set(true);
}

/// A comparison of two numbers that are equal but for the last bits is in doubt.
pub fn compared(a: f64, b: f64) {
    if a != b && (a - b).abs() <= 1e-11 * a.abs().max(b.abs()) {
        mark();
    }
}

/// Whether nothing was lost in `a + b`.
pub fn sum(a: f64, b: f64) -> f64 {
    let s = a + b;
    let t = s - a;
    let lost = (a - (s - t)) + (b - t);
    if lost == 0.0 && is_short(a) && is_short(b) { s } else { blurred(s, a.abs().max(b.abs())) }
}

pub fn product(a: f64, b: f64) -> f64 {
    let p = a * b;
    if a.mul_add(b, -p) == 0.0 && is_short(a) && is_short(b) { p } else { inexact(p) }
}

pub fn ratio(a: f64, b: f64) -> f64 {
    let q = a / b;
    if q.mul_add(b, -a) == 0.0 && is_short(q) { q } else { inexact(q) }
}

/// Whether it is what it prints as: a sum of few powers of two, as 0.25 is and 0.1 is not.
fn is_short(x: f64) -> bool {
    let scaled = x * 1_048_576.0;
    scaled == scaled.trunc()
}
