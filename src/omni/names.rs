//! Names in Omni's format: lower-case letters, digits and `_`.

use rustc_hash::FxHashSet;

pub(super) use crate::schema::to_omni_name;

/// Set of used names.
#[derive(Debug, Default)]
pub(super) struct UsedOmniNames(FxHashSet<String>);

impl UsedOmniNames {
    /// Reserves and returns the first unused name. If all names are used, appends a number to the last name.
    pub fn reserve(&mut self, candidates: impl IntoIterator<Item = String>) -> String {
        let mut last = String::new();
        for name in candidates {
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
    fn used_names_are_not_chosen_again() {
        let mut used_names = UsedOmniNames::default();
        let mut reserve = |names: &[&str]| used_names.reserve(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(
            [reserve(&["a"]), reserve(&["a", "b"]), reserve(&["a", "b"])],
            ["a", "b", "b_2"]
        );
    }
}
