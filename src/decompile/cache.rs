//! Cache for results that take a long time to compute.

use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of values in a cache.
const MAX_CACHE_ENTRIES: usize = 32;

/// Cache of values by name. When the cache is full, the least recently used values are dropped.
pub(super) type RecentlyUsedCache<T> = Mutex<Vec<(String, Arc<T>)>>;

/// Returns the value with this name. `new` computes the value if it is missing.
pub(super) fn get_or_insert_with<T>(cache: &RecentlyUsedCache<T>, key: String, new: impl FnOnce() -> T) -> Arc<T> {
    // Ignore poisoning, because no code panics while it holds this lock.
    let mut entries = cache.lock().unwrap_or_else(PoisonError::into_inner);
    let index = entries.iter().position(|(other, _)| *other == key);
    let entry = index.map_or_else(|| (key, Arc::new(new())), |position| entries.remove(position));
    let value = Arc::clone(&entry.1);
    entries.truncate(MAX_CACHE_ENTRIES - 1);
    entries.insert(0, entry);
    value
}
