//! Derives column names from the names of Omni's fields.

use rustc_hash::FxHashSet;

/// Converts a string to lower-case letters, digits and `_`. For example, `Net Revenue` becomes `net_revenue`. The
/// result is never empty and never begins with a digit.
pub(super) fn to_snake_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_');
    match out.chars().next() {
        None => "unnamed".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{out}"),
        Some(_) => out.to_owned(),
    }
}

/// Set of used names.
#[derive(Debug, Default)]
pub(super) struct UsedSpecNames(FxHashSet<String>);

impl UsedSpecNames {
    /// Reserves and returns the first unused name. If all names are used, appends a number to the last name.
    pub fn reserve(&mut self, candidates: &[&str]) -> String {
        for name in candidates {
            if self.0.insert(name.to_lowercase()) {
                return (*name).to_owned();
            }
        }
        let last = candidates.last().copied().unwrap_or("unnamed");
        let mut number = 2;
        loop {
            let name = format!("{last}_{number}");
            if self.0.insert(name.to_lowercase()) {
                return name;
            }
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_converted() {
        for (text, expected) in [
            ("revenue", "revenue"),
            ("Net Revenue (EUR)", "net_revenue_eur"),
            ("2024", "_2024"),
            ("客户", "unnamed"),
        ] {
            assert_eq!(to_snake_case(text), expected);
        }
    }
}
