//! Byte ranges in source text, and their conversion to lines and columns.

/// Half-open range of bytes in source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// Creates the span from `start` (inclusive) to `end` (exclusive).
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// Returns the smallest span that contains both spans.
    #[inline]
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// Returns `true` if all bytes of the other span are in this span.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Returns `true` if the span contains no bytes and therefore marks a position between two bytes.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Returns the text of the span, or an empty string if the span is not valid in `source`.
    #[inline]
    #[must_use]
    pub fn text(self, source: &str) -> &str {
        source.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Returns the bytes of the span. For comparisons, this function is faster than [`Self::text`] because it does not
    /// check character boundaries.
    #[inline]
    pub fn bytes(self, source: &str) -> &[u8] {
        source
            .as_bytes()
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Returns the first 40 characters of the span's text on one line, for messages.
    pub fn excerpt(self, source: &str) -> String {
        let text = self.text(source);
        let end = text.char_indices().nth(40).map_or(text.len(), |(at, _)| at);
        let mut short = text.get(..end).unwrap_or_default().replace('\n', " ");
        if end < text.len() {
            short.push('…');
        }
        short
    }

    /// Returns the span as a range for slicing.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Returns the span shifted by `by` bytes to the right.
    #[must_use]
    pub fn shift_right(self, by: u32) -> Self {
        Self {
            start: self.start.saturating_add(by),
            end: self.end.saturating_add(by),
        }
    }
}

/// Line and column numbers, both starting at 1. The column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line number.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

/// Index for looking up the line and column of an offset without scanning the whole text.
#[derive(Clone, Debug)]
pub struct LineIndex<'s> {
    source: &'s str,
    starts: Vec<u32>,
    /// Number of characters before each block of bytes. The counts make it possible to compute the column of an offset
    /// in a long line without scanning the whole line.
    blocks: Vec<u32>,
}

const BLOCK_BYTES: usize = 1024;

/// Counts characters by their first bytes. Continuation bytes have the form 10xxxxxx.
fn count_characters(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|b| **b & 0xC0 != 0x80).count() as u32
}

impl<'s> LineIndex<'s> {
    /// Builds the index in one pass over the text.
    #[must_use]
    pub fn new(source: &'s str) -> Self {
        let starts = std::iter::once(0)
            .chain(
                source
                    .bytes()
                    .enumerate()
                    .filter(|(_, b)| *b == b'\n')
                    .map(|(i, _)| i as u32 + 1),
            )
            .collect();
        let mut blocks = Vec::with_capacity(source.len() / BLOCK_BYTES + 1);
        let mut before = 0;
        for block in source.as_bytes().chunks(BLOCK_BYTES) {
            blocks.push(before);
            before += count_characters(block);
        }
        Self { source, starts, blocks }
    }

    /// Returns the line and column of an offset. An offset after the end of the text has the position of the end.
    ///
    /// ```
    /// use formulac_syntax::span::LineIndex;
    /// let index = LineIndex::new("é\nab");
    /// let place = index.position(4);
    /// assert_eq!((place.line, place.column), (2, 2));
    /// ```
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let offset = offset.min(self.source.len() as u32);
        let line = self.starts.partition_point(|s| *s <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let column = self.characters_before(offset) - self.characters_before(start) + 1;
        Position {
            line: line as u32 + 1,
            column,
        }
    }

    fn characters_before(&self, offset: u32) -> u32 {
        let block = offset as usize / BLOCK_BYTES;
        let Some(before) = self.blocks.get(block) else {
            return self
                .blocks
                .last()
                .map_or(0, |b| b + count_characters(self.text_after_last_block()));
        };
        let bytes = self
            .source
            .as_bytes()
            .get(block * BLOCK_BYTES..offset as usize)
            .unwrap_or_default();
        before + count_characters(bytes)
    }

    fn text_after_last_block(&self) -> &[u8] {
        let start = self.blocks.len().saturating_sub(1) * BLOCK_BYTES;
        self.source.as_bytes().get(start..).unwrap_or_default()
    }

    /// Returns the offset at which a line starts. Line numbers start at 1.
    #[must_use]
    pub fn line_start(&self, line: u32) -> u32 {
        self.starts
            .get(line.saturating_sub(1) as usize)
            .copied()
            .unwrap_or(self.source.len() as u32)
    }
}
