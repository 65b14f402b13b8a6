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

/// Returns whether formulas can contain a name without quotes. The name must be a single word and must not look like
/// a cell, such as `q1`.
pub(super) fn is_plain(name: &str) -> bool {
    let letters = name.chars().take_while(char::is_ascii_alphabetic).count();
    let is_cell = (1..=3).contains(&letters)
        && name
            .get(letters..)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_total = name.to_ascii_uppercase().ends_with("_TOTAL");
    begins && is_word && !is_cell && !is_total && !["true", "false"].contains(&name.to_ascii_lowercase().as_str())
}

/// Set of used names.
#[derive(Debug, Default)]
pub(super) struct UsedSpecNames(FxHashSet<String>);

impl UsedSpecNames {
    /// Reserves and returns the first unused name. If all names are used, appends a number to the last name.
    pub fn choose(&mut self, candidates: &[&str]) -> String {
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
        assert_eq!(
            ["q1", "a", "revenue", "Net Revenue", "true", "b_total", "abcd1"].map(is_plain),
            [false, true, true, false, false, false, true]
        );
    }
}
