//! Limits on the size of the input. If the input exceeds a limit, the compiler returns a diagnostic.

/// Size limits. If the input exceeds a limit, the compiler returns a diagnostic instead of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Maximum size of source text, in bytes (16 MiB by default).
    pub source: usize,
    /// Maximum nesting depth of brackets (1,000 by default). A chain of operands with the same operator is one level.
    pub nesting: usize,
    /// Maximum total size of the SQL from one compilation, in bytes (64 MiB by default).
    pub output: usize,
    /// Maximum size to which an expression may grow by repeating an argument, in bytes (64 KiB by default).
    pub repetition: usize,
}

/// Formats a number of bytes, in MiB if the number is a multiple of one MiB.
#[must_use]
pub fn format_bytes(bytes: usize) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        _ if bytes > 0 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ => format!("{bytes} bytes"),
    }
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
    /// Sets the maximum size of source text, in bytes.
    #[must_use]
    pub fn with_source(mut self, bytes: usize) -> Self {
        self.source = bytes;
        self
    }

    /// Sets the maximum nesting depth.
    #[must_use]
    pub fn with_nesting(mut self, levels: usize) -> Self {
        self.nesting = levels;
        self
    }

    /// Sets the maximum size of the output, in bytes.
    #[must_use]
    pub fn with_output(mut self, bytes: usize) -> Self {
        self.output = bytes;
        self
    }
}
