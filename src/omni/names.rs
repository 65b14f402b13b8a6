//! Names in Omni's format: lower-case letters, digits and `_`.

use rustc_hash::FxHashSet;

/// Converts a string to a name. For example, `Insurer Code` becomes `insurer_code`. The name is never empty.
pub(super) fn to_omni_name(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    let kept = out.trim_end_matches('_').len();
    // Keep a trailing `_` only if the string ends with `_`.
    if !text.ends_with('_') {
        out.truncate(kept);
    }
    match out.chars().next() {
        None => "unnamed".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{out}"),
        Some(_) => out,
    }
}

/// Set of used names.
#[derive(Debug, Default)]
pub(super) struct UsedOmniNames(FxHashSet<String>);

impl UsedOmniNames {
    /// Reserves and returns the first unused name. If all names are used, appends a number to the last name.
    pub fn choose(&mut self, wanted: impl IntoIterator<Item = String>) -> String {
        let mut last = String::new();
        for name in wanted {
            if self.0.insert(name.clone()) {
                return name;
            }
            last = name;
        }
        let mut number = 2;
        loop {
            let name = format!("{last}_{number}");
            if self.0.insert(name.clone()) {
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
    fn names_are_plain() {
        for (text, expected) in [
            ("orders", "orders"),
            ("AMOUNT", "amount"),
            ("Insurer Code", "insurer_code"),
            ("Größe (cm)", "gr_e_cm"),
            ("2024", "_2024"),
            ("a_", "a_"),
            ("", "unnamed"),
            ("客户", "unnamed"),
            ("../../etc", "etc"),
        ] {
            assert_eq!(to_omni_name(text), expected);
        }
        let mut taken = UsedOmniNames::default();
        let mut choose = |names: &[&str]| taken.choose(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(
            [choose(&["a"]), choose(&["a", "b"]), choose(&["a", "b"])],
            ["a", "b", "b_2"]
        );
    }
}
