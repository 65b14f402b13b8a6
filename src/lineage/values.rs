//! Values of a query. Each value comes after the values from which it is computed.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

/// Index of a value in the arena.
pub(super) type ValueIndex = u32;

/// Source of values: a column of a relation, or the rows of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LineageLeaf {
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
    /// Fingerprint of each value, which also covers the values from which it is computed. Values that are computed in
    /// the same way have equal fingerprints.
    pub(super) fingerprints: Vec<u64>,
    pub leaves: FxHashMap<ValueIndex, LineageLeaf>,
    leaf_indices: FxHashMap<LineageLeaf, ValueIndex>,
    /// For each value, whether the SQL refers to the column explicitly. `false` if the column is selected only by `*`.
    pub is_named: Vec<bool>,
}

impl ValueArena {
    /// Adds a value to the arena. `parts` contains the values from which it is computed, and `fingerprint` is a
    /// fingerprint of the computation without these values.
    pub fn add(&mut self, parts: &[ValueIndex], fingerprint: u64) -> ValueIndex {
        let start = self.parts.len() as u32;
        let mut hasher = FxHasher::default();
        fingerprint.hash(&mut hasher);
        for part in parts {
            self.fingerprint_at(*part).hash(&mut hasher);
        }
        self.parts.extend_from_slice(parts);
        self.push((start, self.parts.len() as u32), hasher.finish())
    }

    /// Combines the expressions by which the windows of a column are partitioned and ordered into one value, and adds
    /// this value to the arena. `None` if there are no windows.
    pub fn combine_window_values(&mut self, parts: Vec<ValueIndex>) -> Option<ValueIndex> {
        (!parts.is_empty()).then(|| self.add_unordered_value(parts))
    }

    /// Adds a value to the arena. The fingerprint of the value does not depend on the order of the values in `parts`.
    pub fn add_unordered_value(&mut self, mut parts: Vec<ValueIndex>) -> ValueIndex {
        parts.sort_unstable();
        parts.dedup();
        if let [part] = parts.as_slice() {
            return *part;
        }
        let sum = parts
            .iter()
            .fold(0u64, |sum, part| sum.wrapping_add(self.fingerprint_at(*part)));
        let start = self.parts.len() as u32;
        self.parts.extend(parts);
        let mut hasher = FxHasher::default();
        sum.hash(&mut hasher);
        self.push((start, self.parts.len() as u32), hasher.finish())
    }

    fn push(&mut self, range: (u32, u32), fingerprint: u64) -> ValueIndex {
        self.part_ranges.push(range);
        self.fingerprints.push(fingerprint);
        self.is_named.push(false);
        self.part_ranges.len() as ValueIndex - 1
    }

    pub fn push_leaf(&mut self, leaf: LineageLeaf, table: &str) -> ValueIndex {
        if let Some(value_index) = self.leaf_indices.get(&leaf) {
            return *value_index;
        }
        let mut hasher = FxHasher::default();
        (table, &leaf.column).hash(&mut hasher);
        let value_index = self.push((0, 0), hasher.finish());
        self.leaf_indices.insert(leaf.clone(), value_index);
        self.leaves.insert(value_index, leaf);
        value_index
    }

    pub fn fingerprint_at(&self, value_index: ValueIndex) -> u64 {
        self.fingerprints.get(value_index as usize).copied().unwrap_or_default()
    }

    pub fn mark_value_as_named(&mut self, value_index: ValueIndex) {
        if let Some(is_named) = self.is_named.get_mut(value_index as usize) {
            *is_named = true;
        }
    }

    pub fn parts_of_value(&self, value_index: ValueIndex) -> &[ValueIndex] {
        let (start, end) = self.part_ranges.get(value_index as usize).copied().unwrap_or_default();
        self.parts.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Recomputes these values directly from leaves, without intermediate values. Returns the new arena and the new
    /// indices of the values. `None` if the result would be much larger than the original.
    pub fn flatten(&self, roots: &[ValueIndex]) -> Option<(Self, Vec<ValueIndex>)> {
        let mut flat = Self::default();
        let mut places: FxHashMap<ValueIndex, ValueIndex> = FxHashMap::default();
        let mut room = 4 * (self.parts.len() + self.part_ranges.len()) + 64;
        // Leaves have smaller indices than the values that are computed from them.
        let mut leaves: Vec<(&ValueIndex, &LineageLeaf)> = self.leaves.iter().collect();
        leaves.sort_unstable_by_key(|(value_index, _)| **value_index);
        for (value_index, leaf) in leaves {
            let new = flat.push((0, 0), self.fingerprint_at(*value_index));
            if self.is_named.get(*value_index as usize) == Some(&true) {
                flat.mark_value_as_named(new);
            }
            flat.leaves.insert(new, leaf.clone());
            places.insert(*value_index, new);
        }
        for root in roots {
            if places.contains_key(root) {
                continue;
            }
            let mut seen = rustc_hash::FxHashSet::default();
            let mut stack = vec![*root];
            let start = flat.parts.len() as u32;
            while let Some(value_index) = stack.pop() {
                room = room.checked_sub(1)?;
                if !seen.insert(value_index) {
                    continue;
                }
                match places
                    .get(&value_index)
                    .filter(|_| self.leaves.contains_key(&value_index))
                {
                    Some(leaf) => flat.parts.push(*leaf),
                    None => stack.extend(self.parts_of_value(value_index).iter().rev()),
                }
            }
            let new = flat.push((start, flat.parts.len() as u32), self.fingerprint_at(*root));
            places.insert(*root, new);
        }
        let new_roots = roots
            .iter()
            .map(|root| places.get(root).copied())
            .collect::<Option<_>>()?;
        Some((flat, new_roots))
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.part_ranges.len()
    }

    /// Returns the leaves from which values are computed, without duplicates, in index order.
    pub fn leaves_of_values(&self, from: &[ValueIndex]) -> Vec<&LineageLeaf> {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut stack = from.to_vec();
        let mut leaves = Vec::new();
        while let Some(value_index) = stack.pop() {
            if seen.insert(value_index) {
                leaves.extend(self.leaves.get(&value_index).map(|leaf| (value_index, leaf)));
                stack.extend_from_slice(self.parts_of_value(value_index));
            }
        }
        leaves.sort_unstable_by_key(|(value_index, _)| *value_index);
        leaves.into_iter().map(|(_, leaf)| leaf).collect()
    }
}

/// Returns the fingerprint of a string.
pub(super) fn fingerprint_of(text: impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}
