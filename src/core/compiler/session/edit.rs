//! Finds the difference between two versions of text.

/// Range of bytes that changed between two versions of text. The parts before and after the range are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextEdit {
    pub start: usize,
    pub old_end: usize,
    pub new_end: usize,
}

impl TextEdit {
    /// Returns the smallest edit that changes the old text into the new text, in whole characters. `None` if both are
    /// the same.
    pub fn between(old: &str, new: &str) -> Option<Self> {
        if old == new {
            return None;
        }
        let (old_bytes, new_bytes) = (old.as_bytes(), new.as_bytes());
        let mut start = common_prefix(old_bytes, new_bytes);
        while !(old.is_char_boundary(start) && new.is_char_boundary(start)) {
            start -= 1;
        }
        let mut behind = common_suffix(bytes_after(old_bytes, start), bytes_after(new_bytes, start));
        while !(old.is_char_boundary(old.len() - behind) && new.is_char_boundary(new.len() - behind)) {
            behind -= 1;
        }
        Some(Self {
            start,
            old_end: old.len() - behind,
            new_end: new.len() - behind,
        })
    }

    /// Converts an offset in the old text to an offset in the new text. The offset must not be before the change.
    pub fn shift(self, offset: u32) -> u32 {
        (offset as usize + self.new_end - self.old_end) as u32
    }
}

/// Number of bytes to compare at once.
const BLOCK_BYTES: usize = 1024;

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let blocks = a.chunks_exact(BLOCK_BYTES).zip(b.chunks_exact(BLOCK_BYTES));
    let equal = blocks.take_while(|(a, b)| a == b).count() * BLOCK_BYTES;
    let pairs = bytes_after(a, equal).iter().zip(bytes_after(b, equal));
    equal + pairs.take_while(|(a, b)| a == b).count()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let blocks = a.rchunks_exact(BLOCK_BYTES).zip(b.rchunks_exact(BLOCK_BYTES));
    let equal = blocks.take_while(|(a, b)| a == b).count() * BLOCK_BYTES;
    let before = |bytes: &[u8]| bytes.len() - equal;
    let rest = (
        a.get(..before(a)).unwrap_or_default(),
        b.get(..before(b)).unwrap_or_default(),
    );
    let pairs = rest.0.iter().rev().zip(rest.1.iter().rev());
    equal + pairs.take_while(|(a, b)| a == b).count()
}

fn bytes_after(bytes: &[u8], start: usize) -> &[u8] {
    bytes.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_minimal() {
        let long = "x".repeat(3 * BLOCK_BYTES);
        let edit = |start, old_end, new_end| {
            Some(TextEdit {
                start,
                old_end,
                new_end,
            })
        };
        assert_eq!(TextEdit::between("a", "a"), None);
        assert_eq!(TextEdit::between("ab", "acb"), edit(1, 1, 2));
        assert_eq!(TextEdit::between("aa", "aaa"), edit(2, 2, 3));
        assert_eq!(TextEdit::between("", "a"), edit(0, 0, 1));
        // The second bytes of these letters differ, and the third bytes of the last letters are equal.
        assert_eq!(TextEdit::between("aéb", "aèb"), edit(1, 3, 3));
        assert_eq!(TextEdit::between("a\u{2019}", "a\u{2119}"), edit(1, 4, 4));
        let (old, new) = (format!("{long}a{long}"), format!("{long}b{long}"));
        assert_eq!(
            TextEdit::between(&old, &new),
            edit(3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 1)
        );
        assert_eq!(
            TextEdit::between(&old, &long),
            edit(3 * BLOCK_BYTES, 6 * BLOCK_BYTES + 1, 3 * BLOCK_BYTES)
        );
    }
}
