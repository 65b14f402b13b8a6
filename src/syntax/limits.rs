//! How much input the compiler takes before it answers with a diagnostic.

/// Sizes past which the compiler answers with a diagnostic in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one source text (16 MiB).
    pub source: usize,
    /// Brackets inside brackets (1,000); a chain of one operator is one level.
    pub nesting: usize,
    /// Bytes of all SQL of one compilation (64 MiB).
    pub output: usize,
    /// Bytes to which one expression may grow because an argument is repeated in it (64 KiB).
    pub repetition: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { source: 16 << 20, nesting: 1_000, output: 64 << 20, repetition: 64 << 10 }
    }
}

impl Limits {
    /// The same with another limit of the source's bytes.
    #[must_use]
    pub fn with_source(mut self, bytes: usize) -> Self {
        self.source = bytes;
        self
    }

    /// The same with another limit of nesting.
    #[must_use]
    pub fn with_nesting(mut self, levels: usize) -> Self {
        self.nesting = levels;
        self
    }

    /// The same with another limit of the output's bytes.
    #[must_use]
    pub fn with_output(mut self, bytes: usize) -> Self {
        self.output = bytes;
        self
    }
}
