// Tables of names that are looked up without ASCII case: slots found by a hash, the next ones tried on a clash.
// The build script includes this file to fill the tables.

/// The same for a name in any case; eight bytes at a time. Setting the bit of small letters in each byte makes some
/// others alike too, which does no harm.
#[inline]
pub fn hash(name: &str) -> u32 {
    const SMALL: u64 = 0x2020_2020_2020_2020;
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let bytes = name.as_bytes();
    let mut hash = bytes.len() as u64;
    let mut take = |word: u64| hash = (hash.rotate_left(5) ^ (word | SMALL)).wrapping_mul(FACTOR);
    // The last words overlap those before, so that no byte is taken by itself.
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        take(u64::from_le_bytes(*first));
        // Few names are longer than those two.
        let mut at = 8;
        while let (true, Some(word)) = (at + 8 < bytes.len(), bytes[at..].first_chunk::<8>()) {
            take(u64::from_le_bytes(*word));
            at += 8;
        }
        take(u64::from_le_bytes(*last));
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        take(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)));
    } else {
        take(bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }
    (hash >> 32) as u32
}

/// Whether two names are the same; mostly a name is written in one way.
#[inline]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && (equal(a, b) || same_letters(a, b))
}

#[cold]
fn same_letters(a: &[u8], b: &[u8]) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether bytes of one length are the same: short ones without a call, by words that may overlap.
#[inline]
fn equal(a: &[u8], b: &[u8]) -> bool {
    match a.len() {
        8..=16 => a.first_chunk::<8>() == b.first_chunk::<8>() && a.last_chunk::<8>() == b.last_chunk::<8>(),
        4..=7 => a.first_chunk::<4>() == b.first_chunk::<4>() && a.last_chunk::<4>() == b.last_chunk::<4>(),
        2..=3 => a.first_chunk::<2>() == b.first_chunk::<2>() && a.last() == b.last(),
        _ => a == b,
    }
}

/// The index of a name, by the slots that [`slots`] made; `at` gives the name of an index.
#[allow(dead_code)]
#[inline]
pub fn find(slots: &[u16], name: &str, at: impl Fn(usize) -> &'static str) -> Option<usize> {
    let mask = slots.len().checked_sub(1)?;
    let mut slot = hash(name) as usize & mask;
    loop {
        match slots[slot] {
            0 => return None,
            index if same(at(index as usize - 1).as_bytes(), name.as_bytes()) => return Some(index as usize - 1),
            _ => slot = (slot + 1) & mask,
        }
    }
}

/// Slots for these names: at least four times as many, a power of two; 0 is free, else the index and one.
#[allow(dead_code)]
pub fn slots(names: &[String]) -> Vec<u16> {
    let mut slots = vec![0u16; (names.len().max(1) * 4).next_power_of_two()];
    let mask = slots.len() - 1;
    for (index, name) in names.iter().enumerate() {
        let mut slot = hash(name) as usize & mask;
        while slots[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        slots[slot] = index as u16 + 1;
    }
    slots
}
