//! Byte ranges of a source text, and their lines and columns.

/// A half-open range of bytes in one source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The range from `start` up to, not including, `end`.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The smallest span that holds both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Whether it holds no byte: a place between two.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The text that the span covers; empty when the span is not one of `source`.
    #[must_use]
    pub fn text(self, source: &str) -> &str {
        source.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The bytes that the span covers: for what is only compared, which need not look where characters begin.
    #[inline]
    pub fn bytes(self, source: &str) -> &[u8] {
        source.as_bytes().get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The beginning of the text, in one line, as messages show it.
    pub fn excerpt(self, source: &str) -> String {
        let text = self.text(source);
        let mut short: String = text.chars().take(40).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        short.replace('\n', " ")
    }

    /// The span as a range for slicing.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Moved `by` bytes to the right.
    #[must_use]
    pub fn shifted(self, by: u32) -> Self {
        Self { start: self.start.saturating_add(by), end: self.end.saturating_add(by) }
    }
}

/// A line and a column, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// Finds the line and column of an offset without reading the text again for each.
#[derive(Clone, Debug)]
pub struct LineIndex<'s> {
    source: &'s str,
    starts: Vec<u32>,
    /// Characters before each block of bytes, so that a long line is not counted from its start each time.
    blocks: Vec<u32>,
}

const BLOCK: usize = 1024;

/// A character is counted by its first byte; the rest are 10xxxxxx.
fn characters(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|b| **b & 0xC0 != 0x80).count() as u32
}

impl<'s> LineIndex<'s> {
    /// Reads the text once.
    #[must_use]
    pub fn new(source: &'s str) -> Self {
        let starts = std::iter::once(0)
            .chain(source.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i as u32 + 1))
            .collect();
        let mut blocks = Vec::with_capacity(source.len() / BLOCK + 1);
        let mut before = 0;
        for block in source.as_bytes().chunks(BLOCK) {
            blocks.push(before);
            before += characters(block);
        }
        Self { source, starts, blocks }
    }

    /// The place of an offset; past the end it is the end.
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
        Position { line: line as u32 + 1, column }
    }

    fn characters_before(&self, offset: u32) -> u32 {
        let block = offset as usize / BLOCK;
        let Some(before) = self.blocks.get(block) else {
            return self.blocks.last().map_or(0, |b| b + characters(self.tail()));
        };
        let bytes = self.source.as_bytes().get(block * BLOCK..offset as usize).unwrap_or_default();
        before + characters(bytes)
    }

    fn tail(&self) -> &[u8] {
        let start = self.blocks.len().saturating_sub(1) * BLOCK;
        self.source.as_bytes().get(start..).unwrap_or_default()
    }

    /// The offset at which a line, counted from 1, begins.
    #[must_use]
    pub fn line_start(&self, line: u32) -> u32 {
        self.starts.get(line.saturating_sub(1) as usize).copied().unwrap_or(self.source.len() as u32)
    }
}
