//! Lists that are indexed only with ids. The ids are created when the list is filled.

use std::ops::{Index, IndexMut, Range};

/// List that is indexed with ids, such as the nodes of a tree or a value for each node.
///
/// Using an id of another arena is a bug and causes a panic. Use [`Arena::try_get`] for a position that depends on the
/// input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arena<T>(Vec<T>);

impl<T> Arena<T> {
    /// Creates an arena without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Creates an arena with `count` copies of an entry.
    #[must_use]
    pub fn filled(entry: T, count: usize) -> Self
    where
        T: Clone,
    {
        Self(vec![entry; count])
    }

    /// Returns the entry at a position that may not exist.
    #[inline]
    pub fn try_get(&self, id: usize) -> Option<&T> {
        self.0.get(id)
    }

    /// Returns the entry at a position that may not exist.
    #[inline]
    pub fn try_get_mut(&mut self, id: usize) -> Option<&mut T> {
        self.0.get_mut(id)
    }

    /// Returns a range of entries.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the code that fills an arena creates its ids")]
    pub fn range(&self, ids: Range<usize>) -> &[T] {
        &self.0[ids]
    }

    /// Returns the entries as a slice.
    #[inline]
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// Returns the entries as a mutable slice.
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.0
    }

    /// Returns the number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if the arena has no entries.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of entries for which memory is allocated.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Allocates memory for more entries.
    pub fn reserve(&mut self, more: usize) {
        self.0.reserve(more);
    }

    /// Iterates over the entries.
    #[inline]
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Iterates over mutable references to the entries.
    #[inline]
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }

    /// Adds an entry after the others.
    #[inline]
    pub fn push(&mut self, entry: T) {
        self.0.push(entry);
    }

    /// Adds copies of entries after the others.
    #[inline]
    pub fn extend_from_slice(&mut self, entries: &[T])
    where
        T: Clone,
    {
        self.0.extend_from_slice(entries);
    }

    /// Removes the entries for which `keep` returns `false`.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }

    /// Removes all entries at or after a position.
    pub fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// Removes all entries but keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Removes all entries and iterates over them, but keeps the memory.
    pub fn drain(&mut self) -> std::vec::Drain<'_, T> {
        self.0.drain(..)
    }

    /// Changes the number of entries. New entries are copies of `entry`.
    pub fn resize(&mut self, count: usize, entry: T)
    where
        T: Clone,
    {
        self.0.resize(count, entry);
    }
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Index<usize> for Arena<T> {
    type Output = T;

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the code that fills an arena creates its ids")]
    fn index(&self, id: usize) -> &T {
        &self.0[id]
    }
}

impl<T> IndexMut<usize> for Arena<T> {
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the code that fills an arena creates its ids")]
    fn index_mut(&mut self, id: usize) -> &mut T {
        &mut self.0[id]
    }
}

impl<T> From<Vec<T>> for Arena<T> {
    fn from(entries: Vec<T>) -> Self {
        Self(entries)
    }
}

impl<T> FromIterator<T> for Arena<T> {
    fn from_iter<E: IntoIterator<Item = T>>(entries: E) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<T> Extend<T> for Arena<T> {
    fn extend<E: IntoIterator<Item = T>>(&mut self, entries: E) {
        self.0.extend(entries);
    }
}

impl<T> IntoIterator for Arena<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Arena<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut Arena<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}
