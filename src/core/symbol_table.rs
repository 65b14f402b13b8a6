//! Index from names to positions in the caller's list. Lookups ignore the case of ASCII letters.

use std::sync::Arc;

use crate::arena::Arena;
use crate::catalog::hash::{hash, names_equal};

/// Name with its hash, so that lookups in several indices compute the hash only once.
#[derive(Clone, Copy, Debug)]
pub struct HashedName<'n> {
    pub name: &'n str,
    hash: u32,
}

impl<'n> From<&'n str> for HashedName<'n> {
    #[inline]
    fn from(name: &'n str) -> Self {
        Self { name, hash: hash(name) }
    }
}

/// Hash table with open addressing. The table contains positions in a list, and the caller provides the name at each
/// position.
#[derive(Clone, Debug, Default)]
pub struct NameIndex {
    /// Slots with the hash of a name and the name's position plus 1. A value of 0 marks a free slot. The number of
    /// slots is a power of two and at least twice the number of names.
    slots: Arena<(u32, u32)>,
    names: usize,
}

/// All indices compare as equal, because an index is derived from names that are compared elsewhere.
impl PartialEq for NameIndex {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for NameIndex {}

/// Minimum number of slots.
const MIN_SLOTS: usize = 32;

impl NameIndex {
    /// Clears the index and allocates slots for the given number of names.
    pub fn reset(&mut self, names: usize) {
        self.names = 0;
        self.slots.clear();
        self.slots
            .resize((names * 4).next_power_of_two().max(MIN_SLOTS), (0, 0));
    }

    /// Returns the position of a name.
    #[inline]
    pub fn find<'n>(&self, name: HashedName<'_>, name_at: impl Fn(usize) -> &'n [u8]) -> Option<usize> {
        let slot = self.find_slot(name, name_at);
        Some(self.slots.try_get(slot)?.1.checked_sub(1)? as usize)
    }

    /// Adds a name and returns its position, which is `index` if the name is new.
    #[inline]
    pub fn find_or_add<'n>(
        &mut self,
        name: HashedName<'_>,
        index: usize,
        name_at: impl Fn(usize) -> &'n [u8],
    ) -> usize {
        if self.slots.is_empty() {
            self.grow_slots();
        }
        let HashedName { hash, .. } = name;
        let slot = self.find_slot(name, name_at);
        if let Some(stored_index) = self.slots[slot].1.checked_sub(1) {
            return stored_index as usize;
        }
        self.slots[slot] = (hash, index as u32 + 1);
        self.names += 1;
        if self.names * 2 > self.slots.len() {
            self.grow_slots();
        }
        index
    }

    /// Returns the slot that contains the name. If the name is missing, returns the free slot for it.
    #[inline]
    fn find_slot<'n>(&self, HashedName { name, hash }: HashedName<'_>, name_at: impl Fn(usize) -> &'n [u8]) -> usize {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash as usize & mask;
        while let Some((stored_hash, index)) = self.slots.try_get(slot).filter(|s| s.1 > 0) {
            if *stored_hash == hash && names_equal(name_at(*index as usize - 1), name.as_bytes()) {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[cold]
    fn grow_slots(&mut self) {
        let size = (self.slots.len() * 2).max(MIN_SLOTS);
        let before = std::mem::replace(&mut self.slots, Arena::filled((0, 0), size));
        for entry in before.into_iter().filter(|s| s.1 > 0) {
            let mut slot = entry.0 as usize & (size - 1);
            while self.slots[slot].1 > 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = entry;
        }
    }
}

/// Names of earlier sources. A later source shares the memory of an equal name, because sources often use the same
/// columns.
#[derive(Debug, Default)]
pub struct SharedNames {
    index: NameIndex,
    names: Arena<Arc<str>>,
}

/// Maximum number of names to keep.
const MAX_SHARED_NAMES: usize = 10_000;

impl SharedNames {
    /// Returns the name, and keeps it for later sources.
    pub fn share(&mut self, name: &str) -> Arc<str> {
        if self.names.len() == MAX_SHARED_NAMES {
            *self = Self::default();
        }
        let names = &self.names;
        let index = self
            .index
            .find_or_add(name.into(), names.len(), |i| names[i].as_bytes());
        if index == self.names.len() {
            self.names.push(Arc::from(name));
        } else if *self.names[index] != *name {
            // The names differ only in case.
            self.names[index] = Arc::from(name);
        }
        Arc::clone(&self.names[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let names: Vec<String> = (0..1000).map(|i| format!("Name_of_{i}")).collect();
        let mut index = NameIndex::default();
        assert_eq!(index.find("name_of_0".into(), |_| b""), None);
        for (position, name) in names.iter().enumerate() {
            assert_eq!(
                index.find_or_add(name.as_str().into(), position, |i| names[i].as_bytes()),
                position
            );
        }
        assert_eq!(index.find_or_add("NAME_of_7".into(), 1000, |i| names[i].as_bytes()), 7);
        for position in 0..1000 {
            assert_eq!(
                index.find(format!("NAME_OF_{position}").as_str().into(), |i| names[i].as_bytes()),
                Some(position)
            );
        }
        assert_eq!(index.find("name_of_1000".into(), |i| names[i].as_bytes()), None);
    }

    #[test]
    fn equal_names_share_memory() {
        let mut names = SharedNames::default();
        let revenue = names.share("revenue");
        assert!(Arc::ptr_eq(&revenue, &names.share("revenue")));
        assert_eq!(&*names.share("Revenue"), "Revenue");
        for i in 0..MAX_SHARED_NAMES {
            assert_eq!(*names.share(&format!("name_{i}")), format!("name_{i}"));
        }
        assert!(names.names.len() < MAX_SHARED_NAMES);
    }
}
