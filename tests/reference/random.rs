//! Random numbers from a seed, the same on every machine.

use crate::split_mix::SplitMix;

pub struct Random(SplitMix);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Consecutive seeds result in unrelated series.
        Self(SplitMix::new(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
        ))
    }

    /// Returns a number from 0 up to, but not including, `end`.
    pub fn random_below(&mut self, end: usize) -> usize {
        self.0.random_below(end)
    }

    pub fn next_between(&mut self, low: i64, high: i64) -> i64 {
        low + self.random_below((high - low + 1) as usize) as i64
    }

    /// Returns `true` with a probability of `percent`.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.random_below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.random_below(from.len())]
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.random_below(i + 1));
        }
    }
}
