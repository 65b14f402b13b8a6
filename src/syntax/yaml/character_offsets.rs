//! Converts character positions to byte offsets. The YAML parser reports positions as numbers of characters.

/// Number of characters between two stored offsets.
const OFFSET_INTERVAL: usize = 16;

/// Byte offsets of the characters in a string.
pub struct CharacterOffsets<'s> {
    source: &'s str,
    /// Byte offset of every 16th character. Empty if every character is one byte long.
    stored_offsets: Vec<u32>,
}

impl<'s> CharacterOffsets<'s> {
    /// Computes the offsets for a string.
    pub fn new(source: &'s str) -> Self {
        let stored_offsets = if source.is_ascii() {
            Vec::new()
        } else {
            source
                .char_indices()
                .step_by(OFFSET_INTERVAL)
                .map(|(at, _)| at as u32)
                .collect()
        };
        Self { source, stored_offsets }
    }

    /// Returns the byte offset of a character, or the end of the text.
    pub fn byte_offset(&self, character: usize) -> usize {
        if self.stored_offsets.is_empty() {
            return character.min(self.source.len());
        }
        let Some(start) = self.stored_offsets.get(character / OFFSET_INTERVAL) else {
            return self.source.len();
        };
        let from = *start as usize;
        let rest = self.source.get(from..).unwrap_or_default();
        rest.char_indices()
            .nth(character % OFFSET_INTERVAL)
            .map_or(self.source.len(), |(at, _)| from + at)
    }
}

#[cfg(test)]
mod tests {
    use super::CharacterOffsets;

    #[test]
    fn character_offsets_become_byte_offsets() {
        for text in ["", "plain", "é", &"aé😀\n".repeat(50)] {
            let places = CharacterOffsets::new(text);
            for (number, (at, _)) in text.char_indices().enumerate() {
                assert_eq!(places.byte_offset(number), at);
            }
            assert_eq!(places.byte_offset(text.chars().count()), text.len());
            assert_eq!(places.byte_offset(usize::MAX), text.len());
        }
    }
}
