//! Rows of a draft, and a portable random number generator.

use crate::interpret::value::Value;

/// Rows of each relation. A row contains one value for each column that has values to try.
pub type RelationRows = Vec<Vec<Vec<Value>>>;

/// `SplitMix64` random number generator.
#[derive(Clone, Debug)]
pub struct RandomGenerator(u64);

impl RandomGenerator {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a random number from 0 to `end`, exclusive.
    pub fn random_below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }

    pub fn pick_random<'a, T>(&mut self, candidates: &'a [T]) -> Option<&'a T> {
        candidates.get(self.random_below(candidates.len()))
    }
}
