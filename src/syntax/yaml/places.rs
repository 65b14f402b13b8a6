//! Characters, which the YAML parser counts, to bytes.

/// How many characters lie between two places that are kept.
const EVERY: usize = 64;

/// Where the characters of a text stand.
pub struct YamlPlaces<'s> {
    source: &'s str,
    /// The byte of every 64th character; empty where each character is a byte.
    kept: Vec<u32>,
}

impl<'s> YamlPlaces<'s> {
    /// The places of this text.
    pub fn new(source: &'s str) -> Self {
        let kept = if source.is_ascii() {
            Vec::new()
        } else {
            source.char_indices().step_by(EVERY).map(|(at, _)| at as u32).collect()
        };
        Self { source, kept }
    }

    /// The byte at which a character begins, or the text's end.
    pub fn byte(&self, character: usize) -> usize {
        if self.kept.is_empty() {
            return character.min(self.source.len());
        }
        let Some(start) = self.kept.get(character / EVERY) else { return self.source.len() };
        let from = *start as usize;
        let rest = self.source.get(from..).unwrap_or_default();
        rest.char_indices().nth(character % EVERY).map_or(self.source.len(), |(at, _)| from + at)
    }
}

#[cfg(test)]
mod tests {
    use super::YamlPlaces;

    #[test]
    fn characters_become_bytes() {
        for text in ["", "plain", "é", &"aé😀\n".repeat(50)] {
            let places = YamlPlaces::new(text);
            for (number, (at, _)) in text.char_indices().enumerate() {
                assert_eq!(places.byte(number), at);
            }
            assert_eq!(places.byte(text.chars().count()), text.len());
            assert_eq!(places.byte(usize::MAX), text.len());
        }
    }
}
