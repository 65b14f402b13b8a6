// Hash tables of names, with lookups that ignore ASCII case. After a collision, a name is stored in the next free slot.
// The build script includes this file to fill the tables.

/// Returns a hash of a name that does not depend on the name's case. The function reads eight bytes at a time and sets
/// the lower-case bit of each byte. Some bytes that are not letters become equal too, which merely causes more
/// collisions.
#[inline]
pub fn hash(name: &str) -> u32 {
    const ASCII_CASE_BITS: u64 = 0x2020_2020_2020_2020;
    const HASH_MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let bytes = name.as_bytes();
    let mut hash = bytes.len() as u64;
    let mut take = |word: u64| hash = (hash.rotate_left(5) ^ (word | ASCII_CASE_BITS)).wrapping_mul(HASH_MULTIPLIER);
    // The last word overlaps the word before it, so no bytes have to be read one at a time.
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        take(u64::from_le_bytes(*first));
        // Few names are longer than two eight-byte words.
        let mut offset = 8;
        while let (true, Some(word)) = (offset + 8 < bytes.len(), read_word(bytes, offset)) {
            take(u64::from_le_bytes(*word));
            offset += 8;
        }
        take(u64::from_le_bytes(*last));
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        take(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)));
    } else {
        take(bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    (hash >> 32) as u32
}

#[inline]
fn read_word(bytes: &[u8], offset: usize) -> Option<&[u8; 8]> {
    bytes.get(offset..)?.first_chunk()
}

/// Returns `true` if two names are equal, ignoring ASCII case. The exact bytes are compared first, because most names
/// have the same case.
#[inline]
pub fn names_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && (bytes_equal(a, b) || equal_ignoring_ascii_case(a, b))
}

#[cold]
fn equal_ignoring_ascii_case(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Returns `true` if two slices of equal length have the same bytes. Short slices are compared as overlapping words,
/// without a function call.
#[inline]
fn bytes_equal(a: &[u8], b: &[u8]) -> bool {
    match a.len() {
        8..=16 => a.first_chunk::<8>() == b.first_chunk::<8>() && a.last_chunk::<8>() == b.last_chunk::<8>(),
        4..=7 => a.first_chunk::<4>() == b.first_chunk::<4>() && a.last_chunk::<4>() == b.last_chunk::<4>(),
        2..=3 => a.first_chunk::<2>() == b.first_chunk::<2>() && a.last() == b.last(),
        _ => a == b,
    }
}

/// Returns the index of a name in the table that [`build_slots`] built. `name_at` returns the name at an index.
#[allow(dead_code, reason = "the build script uses a part of this file")]
#[inline]
pub fn find(slots: &[u16], name: &str, name_at: impl Fn(usize) -> &'static str) -> Option<usize> {
    let mask = slots.len().checked_sub(1)?;
    let mut slot = hash(name) as usize & mask;
    loop {
        match slots.get(slot).copied() {
            None | Some(0) => return None,
            Some(index) if names_equal(name_at(index as usize - 1).as_bytes(), name.as_bytes()) => {
                return Some(index as usize - 1);
            }
            _ => slot = (slot + 1) & mask,
        }
    }
}

/// Builds the hash table of the names. The size of the table is a power of two and at least four times the number of
/// names. A free slot holds 0. Any other slot holds an index plus one.
#[allow(dead_code, reason = "the build script uses a part of this file")]
pub fn build_slots(names: &[String]) -> Vec<u16> {
    let mut slots = vec![0u16; (names.len().max(1) * 4).next_power_of_two()];
    let mask = slots.len() - 1;
    for (index, name) in names.iter().enumerate() {
        let mut slot = hash(name) as usize & mask;
        while slots.get(slot).is_some_and(|entry| *entry != 0) {
            slot = (slot + 1) & mask;
        }
        if let Some(free) = slots.get_mut(slot) {
            *free = index as u16 + 1;
        }
    }
    slots
}
