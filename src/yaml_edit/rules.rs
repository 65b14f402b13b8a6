//! What a merge has to know of the texts it merges.

use super::path::{Path, PathPattern};
use super::value::YamlValue;

/// What a merge has to know of the texts it merges.
///
/// ```
/// use formulac_yaml_edit::{RuleMark, Rules, YamlValue};
///
/// let rules = Rules::new()
///     .list("models", &["name"])
///     .list("models.*.columns", &["name"])
///     .mark("dimensions.*", RuleMark::new("dbt_removed").adds("tags", "dbt_removed").sets("hidden", YamlValue::Bare("true".into())));
/// # let _ = rules;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules {
    lists: Vec<(PathPattern, Vec<String>)>,
    marks: Vec<(PathPattern, RuleMark)>,
    prune: bool,
}

impl Rules {
    /// No list has items that are told by keys, and what vanished is removed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The items of these lists are told by these keys. An empty pattern is a list that is the whole text.
    #[must_use]
    pub fn list(mut self, pattern: &str, keys: &[&str]) -> Self {
        self.lists.push((
            PathPattern::new(pattern),
            keys.iter().map(|key| (*key).to_owned()).collect(),
        ));
        self
    }

    /// What vanished there is not removed but marked.
    #[must_use]
    pub fn mark(mut self, pattern: &str, mark: RuleMark) -> Self {
        self.marks.push((PathPattern::new(pattern), mark));
        self
    }

    /// Whether what would be marked, or was, is removed.
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

    /// Whether the comment is the note of a mark.
    pub(super) fn is_note(&self, comment: &str) -> bool {
        let text = comment.trim_start_matches('#').trim();
        self.marks.iter().any(|(_, mark)| mark.note == text)
    }

    pub(super) fn prunes(&self) -> bool {
        self.prune
    }
}

/// How a mapping is marked whose origin is gone.
#[derive(Clone, Debug)]
pub struct RuleMark {
    pub(super) note: String,
    pub(super) items: Vec<(String, YamlValue)>,
    pub(super) pairs: Vec<(String, YamlValue)>,
}

impl RuleMark {
    /// A mark that adds nothing yet. The note stands as a comment behind each key that the mark sets, which tells it from
    /// the same key set by a person.
    #[must_use]
    pub fn new(note: &str) -> Self {
        Self {
            note: note.to_owned(),
            items: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// The list under the key gets this item. By it a marked mapping is known.
    #[must_use]
    pub fn add_to_list(mut self, key: &str, item: &str) -> Self {
        self.items.push((key.to_owned(), YamlValue::text(item)));
        self
    }

    /// The key gets this value, unless it is there.
    #[must_use]
    pub fn set_if_missing(mut self, key: &str, value: YamlValue) -> Self {
        self.pairs.push((key.to_owned(), value));
        self
    }
}
