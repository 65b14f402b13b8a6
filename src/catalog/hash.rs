// Tables of names that are looked up without ASCII case: slots found by a hash, the next ones tried on a clash.
// `grammar/build.rs` includes this file to fill the tables.

/// FNV-1a over the name in capitals.
fn hash(name: &str) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in name.bytes() {
        hash = (hash ^ u32::from(byte.to_ascii_uppercase())).wrapping_mul(0x0100_0193);
    }
    (hash ^ (hash >> 15)) as usize
}

/// The index of a name, by the slots that [`slots`] made; `at` gives the name of an index.
#[allow(dead_code)]
pub fn find(slots: &[u16], name: &str, at: impl Fn(usize) -> &'static str) -> Option<usize> {
    let mask = slots.len().checked_sub(1)?;
    let mut slot = hash(name) & mask;
    loop {
        match slots[slot] {
            0 => return None,
            index if at(index as usize - 1).eq_ignore_ascii_case(name) => return Some(index as usize - 1),
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
        let mut slot = hash(name) & mask;
        while slots[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        slots[slot] = index as u16 + 1;
    }
    slots
}
