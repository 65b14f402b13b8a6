//! Limits on the size of the input, above which the compiler returns a diagnostic.

/// Size limits. If one is exceeded, the compiler returns a diagnostic instead of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum size of a source text in bytes (16 MiB).
    pub source: usize,
    /// Maximum nesting of brackets (1,000). A chain of one operator is one level.
    pub nesting: usize,
    /// Maximum size in bytes of all SQL of one compilation (64 MiB).
    pub output: usize,
    /// Maximum size in bytes to which an expression may grow because it repeats an argument (64 KiB).
    pub repetition: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source: 16 << 20,
            nesting: 1_000,
            output: 64 << 20,
            repetition: 64 << 10,
        }
    }
}

impl Limits {
    /// Sets the limit on the size of a source, in bytes.
    #[must_use]
    pub fn with_source(mut self, bytes: usize) -> Self {
        self.source = bytes;
        self
    }

    /// Sets the limit on nesting.
    #[must_use]
    pub fn with_nesting(mut self, levels: usize) -> Self {
        self.nesting = levels;
        self
    }

    /// Sets the limit on the size of the output, in bytes.
    #[must_use]
    pub fn with_output(mut self, bytes: usize) -> Self {
        self.output = bytes;
        self
    }
}
