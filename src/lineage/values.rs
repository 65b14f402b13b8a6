//! Values of a query. Each value comes after the values from which it is computed.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

/// Index of a value in the arena.
pub(super) type ValueIndex = u32;

/// Source of values: a column of a relation, or the rows of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leaf {
    pub table: u32,
    /// Name of the column, in lower case. `None` for the rows.
    pub column: Option<Box<str>>,
}

/// All values of a query.
#[derive(Clone, Debug, Default)]
pub(super) struct ValueArena {
    /// For each value, the range in `parts` of the values from which it is computed.
    pub(super) part_ranges: Vec<(u32, u32)>,
    pub(super) parts: Vec<ValueIndex>,
    /// Fingerprint of each value, which covers the value's parts. Values that are computed in the same way have equal
    /// fingerprints.
    pub(super) fingerprints: Vec<u64>,
    pub leaves: FxHashMap<ValueIndex, Leaf>,
    leaf_indices: FxHashMap<Leaf, ValueIndex>,
    /// For each value, whether the SQL refers to the column explicitly. `false` if the column is selected only by `*`.
    pub is_named: Vec<bool>,
}

impl ValueArena {
    /// Adds a value. `print` is a fingerprint of the computation without the parts.
    pub fn add(&mut self, of: &[ValueIndex], print: u64) -> ValueIndex {
        let start = self.parts.len() as u32;
        let mut hasher = FxHasher::default();
        print.hash(&mut hasher);
        for at in of {
            self.fingerprint_at(*at).hash(&mut hasher);
        }
        self.parts.extend_from_slice(of);
        self.push((start, self.parts.len() as u32), hasher.finish())
    }

    /// Adds a value whose fingerprint does not depend on the order of its parts.
    pub fn add_unordered(&mut self, mut of: Vec<ValueIndex>) -> ValueIndex {
        of.sort_unstable();
        of.dedup();
        if let [at] = of.as_slice() {
            return *at;
        }
        let sum = of
            .iter()
            .fold(0u64, |sum, at| sum.wrapping_add(self.fingerprint_at(*at)));
        let start = self.parts.len() as u32;
        self.parts.extend(of);
        let mut hasher = FxHasher::default();
        sum.hash(&mut hasher);
        self.push((start, self.parts.len() as u32), hasher.finish())
    }

    fn push(&mut self, range: (u32, u32), print: u64) -> ValueIndex {
        self.part_ranges.push(range);
        self.fingerprints.push(print);
        self.is_named.push(false);
        self.part_ranges.len() as ValueIndex - 1
    }

    pub fn push_leaf(&mut self, leaf: Leaf, table: &str) -> ValueIndex {
        if let Some(at) = self.leaf_indices.get(&leaf) {
            return *at;
        }
        let mut hasher = FxHasher::default();
        (table, &leaf.column).hash(&mut hasher);
        let at = self.push((0, 0), hasher.finish());
        self.leaf_indices.insert(leaf.clone(), at);
        self.leaves.insert(at, leaf);
        at
    }

    pub fn fingerprint_at(&self, at: ValueIndex) -> u64 {
        self.fingerprints.get(at as usize).copied().unwrap_or_default()
    }

    pub fn name_value(&mut self, at: ValueIndex) {
        if let Some(named) = self.is_named.get_mut(at as usize) {
            *named = true;
        }
    }

    pub fn parts_at(&self, at: ValueIndex) -> &[ValueIndex] {
        let (start, end) = self.part_ranges.get(at as usize).copied().unwrap_or_default();
        self.parts.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Recomputes these values directly from leaves, without intermediate values. Returns the new arena and the new
    /// indices of the values. `None` if the result would be much larger than the original.
    pub fn flatten(&self, of: &[ValueIndex]) -> Option<(Self, Vec<ValueIndex>)> {
        let mut flat = Self::default();
        let mut places: FxHashMap<ValueIndex, ValueIndex> = FxHashMap::default();
        let mut room = 4 * (self.parts.len() + self.part_ranges.len()) + 64;
        // Leaves have smaller indices than the values that are computed from them.
        let mut leaves: Vec<(&ValueIndex, &Leaf)> = self.leaves.iter().collect();
        leaves.sort_unstable_by_key(|(at, _)| **at);
        for (at, leaf) in leaves {
            let new = flat.push((0, 0), self.fingerprint_at(*at));
            if self.is_named.get(*at as usize) == Some(&true) {
                flat.name_value(new);
            }
            flat.leaves.insert(new, leaf.clone());
            places.insert(*at, new);
        }
        for root in of {
            if places.contains_key(root) {
                continue;
            }
            let mut seen = rustc_hash::FxHashSet::default();
            let mut stack = vec![*root];
            let start = flat.parts.len() as u32;
            while let Some(at) = stack.pop() {
                room = room.checked_sub(1)?;
                if !seen.insert(at) {
                    continue;
                }
                match places.get(&at).filter(|_| self.leaves.contains_key(&at)) {
                    Some(leaf) => flat.parts.push(*leaf),
                    None => stack.extend(self.parts_at(at).iter().rev()),
                }
            }
            let new = flat.push((start, flat.parts.len() as u32), self.fingerprint_at(*root));
            places.insert(*root, new);
        }
        let at = of.iter().map(|root| places.get(root).copied()).collect::<Option<_>>()?;
        Some((flat, at))
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.part_ranges.len()
    }

    /// Returns the leaves from which values are computed, without duplicates, in index order.
    pub fn reached_leaves(&self, from: &[ValueIndex]) -> Vec<&Leaf> {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut stack = from.to_vec();
        let mut found = Vec::new();
        while let Some(at) = stack.pop() {
            if seen.insert(at) {
                found.extend(self.leaves.get(&at).map(|leaf| (at, leaf)));
                stack.extend_from_slice(self.parts_at(at));
            }
        }
        found.sort_unstable_by_key(|(at, _)| *at);
        found.into_iter().map(|(_, leaf)| leaf).collect()
    }
}

/// Returns the fingerprint of a string.
pub(super) fn fingerprint_of(text: impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}
