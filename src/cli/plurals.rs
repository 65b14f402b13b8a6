//! Formats nouns with numbers for reports.

/// Formats a number with its noun, such as `1 file` or `3 files`.
pub fn format_count(number: usize, singular: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { singular } else { many })
}
