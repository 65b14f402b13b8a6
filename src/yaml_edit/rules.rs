//! Rules for merging files.

use super::path::{Path, PathPattern};
use super::value::YamlValue;

/// Rules for a merge: how list items are identified, and which vanished values are marked.
///
/// ```
/// use formulac_yaml_edit::{RuleMark, Rules, YamlValue};
///
/// let rules = Rules::new()
///     .list("models", &["name"])
///     .list("models.*.columns", &["name"])
///     .mark("dimensions.*", RuleMark::new("dbt_removed").add_to_list("tags", "dbt_removed").set_if_missing("hidden", YamlValue::Bare("true".into())));
/// # let _ = rules;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules {
    lists: Vec<(PathPattern, Vec<String>)>,
    marks: Vec<(PathPattern, RuleMark)>,
    prune: bool,
}

impl Rules {
    /// Creates rules that identify no list items by keys and remove vanished values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Identifies the items of matching lists by these keys. An empty pattern matches a list that is the whole
    /// document.
    #[must_use]
    pub fn list(mut self, pattern: &str, keys: &[&str]) -> Self {
        self.lists.push((
            PathPattern::new(pattern),
            keys.iter().map(|key| (*key).to_owned()).collect(),
        ));
        self
    }

    /// Marks vanished values that match the pattern instead of removing them.
    #[must_use]
    pub fn mark(mut self, pattern: &str, mark: RuleMark) -> Self {
        self.marks.push((PathPattern::new(pattern), mark));
        self
    }

    /// Sets whether values are removed that would be marked or are already marked.
    #[must_use]
    pub fn prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }

    pub(super) fn item_identity(&self, path: &Path) -> Option<&[String]> {
        self.lists
            .iter()
            .find(|(pattern, _)| pattern.matches(path))
            .map(|(_, keys)| keys.as_slice())
    }

    pub(super) fn mark_of(&self, path: &Path) -> Option<&RuleMark> {
        self.marks
            .iter()
            .find(|(pattern, _)| pattern.matches(path))
            .map(|(_, mark)| mark)
    }

    pub(super) fn marks_inside(&self, path: &Path) -> bool {
        self.marks.iter().any(|(pattern, _)| pattern.reaches_into(path))
    }

    /// Returns whether the comment is the note of a mark.
    pub(super) fn is_note(&self, comment: &str) -> bool {
        let text = comment.trim_start_matches('#').trim();
        self.marks.iter().any(|(_, mark)| mark.note == text)
    }

    pub(super) fn prunes(&self) -> bool {
        self.prune
    }
}

/// Mark for a mapping whose origin no longer exists.
#[derive(Clone, Debug)]
pub struct RuleMark {
    pub(super) note: String,
    pub(super) items: Vec<(String, YamlValue)>,
    pub(super) pairs: Vec<(String, YamlValue)>,
}

impl RuleMark {
    /// Creates a mark without any changes. The note is added as a comment after each key that the mark sets, to
    /// distinguish the key from the same key set by a person.
    #[must_use]
    pub fn new(note: &str) -> Self {
        Self {
            note: note.to_owned(),
            items: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// Adds this item to the list under the key. The item identifies marked mappings.
    #[must_use]
    pub fn add_to_list(mut self, key: &str, item: &str) -> Self {
        self.items.push((key.to_owned(), YamlValue::text(item)));
        self
    }

    /// Sets the value of a key, unless the key already exists.
    #[must_use]
    pub fn set_if_missing(mut self, key: &str, value: YamlValue) -> Self {
        self.pairs.push((key.to_owned(), value));
        self
    }
}
