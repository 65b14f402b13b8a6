//! Rules for merging files.

use std::collections::BTreeSet;

use super::path::{Path, PathPattern};
use crate::yaml::YamlValue;

/// Rules for a merge. The rules specify how list items are identified, and which values are marked when they are no
/// longer generated.
///
/// ```
/// use formulac_yaml_edit::{RemovalMark, Rules, YamlValue};
///
/// let rules = Rules::new()
///     .list("models", &["name"])
///     .list("models.*.columns", &["name"])
///     .with_mark("dimensions.*", RemovalMark::new("dbt_removed").add_to_list("tags", "dbt_removed").set_if_missing("hidden", YamlValue::Bare("true".into())));
/// # let _ = rules;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rules {
    lists: Vec<(PathPattern, Vec<String>)>,
    marks: Vec<(PathPattern, RemovalMark)>,
    atomic: Vec<PathPattern>,
    prune: bool,
    removes_commented_values: bool,
    handwritten: BTreeSet<String>,
}

impl Rules {
    /// Creates rules that do not identify list items by keys, and that remove values that are no longer generated.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the keys that identify the items of matching lists. An empty pattern matches a document that is a list.
    #[must_use]
    pub fn list(mut self, pattern: &str, keys: &[&str]) -> Self {
        self.lists.push((
            PathPattern::new(pattern),
            keys.iter().map(|key| (*key).to_owned()).collect(),
        ));
        self
    }

    /// Merges each matching list or mapping as one value, so that generated items are not added to a list that users
    /// wrote.
    #[must_use]
    pub fn atomic(mut self, pattern: &str) -> Self {
        self.atomic.push(PathPattern::new(pattern));
        self
    }

    /// Marks matching values that are no longer generated, instead of removing them.
    #[must_use]
    pub fn with_mark(mut self, pattern: &str, mark: RemovalMark) -> Self {
        self.marks.push((PathPattern::new(pattern), mark));
        self
    }

    /// Sets whether to remove values that are marked or would be marked.
    #[must_use]
    pub fn prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }

    /// Removes values that are no longer generated, even if users added comments to them.
    #[must_use]
    pub fn remove_commented_values(mut self) -> Self {
        self.removes_commented_values = true;
        self
    }

    /// Sets the values that users wrote before these values were generated. A merge does not remove them. These values
    /// are the [`MergedText::handwritten`](super::MergedText::handwritten) of the previous merge.
    #[must_use]
    pub fn handwritten(mut self, paths: BTreeSet<String>) -> Self {
        self.handwritten = paths;
        self
    }

    /// Returns the handwritten values.
    pub(super) fn handwritten_paths(&self) -> &BTreeSet<String> {
        &self.handwritten
    }

    /// Returns `true` if users wrote this value or a value inside it before it was generated.
    pub(super) fn is_handwritten(&self, path: &Path) -> bool {
        paths_within(&self.handwritten, &path.text()).next().is_some()
    }

    pub(super) fn list_item_identity(&self, path: &Path) -> Option<&[String]> {
        self.lists
            .iter()
            .find(|(pattern, _)| pattern.matches(path))
            .map(|(_, keys)| keys.as_slice())
    }

    pub(super) fn is_atomic(&self, path: &Path) -> bool {
        self.atomic.iter().any(|pattern| pattern.matches(path))
    }

    pub(super) fn removal_mark(&self, path: &Path) -> Option<&RemovalMark> {
        self.marks
            .iter()
            .find(|(pattern, _)| pattern.matches(path))
            .map(|(_, mark)| mark)
    }

    pub(super) fn has_mark_below(&self, path: &Path) -> bool {
        self.marks.iter().any(|(pattern, _)| pattern.reaches_into(path))
    }

    /// Returns `true` if the comment is the note of a mark.
    pub(super) fn is_mark_note(&self, comment: &str) -> bool {
        let text = comment.trim_start_matches('#').trim();
        self.marks.iter().any(|(_, mark)| mark.note == text)
    }

    pub(super) fn removes_commented_values(&self) -> bool {
        self.removes_commented_values
    }

    pub(super) fn is_pruning(&self) -> bool {
        self.prune
    }
}

/// Returns the given path, if `paths` contains it, and all paths to values inside it.
pub(super) fn paths_within<'p>(paths: &'p BTreeSet<String>, path: &'p str) -> impl Iterator<Item = &'p String> {
    let from = paths
        .range(path.to_owned()..)
        .take_while(move |other| other.starts_with(path));
    from.filter(move |other| matches!(other.as_bytes().get(path.len()), None | Some(b'.' | b'[')))
}

/// Mark for a mapping whose origin no longer exists.
#[derive(Clone, Debug)]
pub struct RemovalMark {
    pub(super) note: String,
    pub(super) items: Vec<(String, YamlValue)>,
    pub(super) pairs: Vec<(String, YamlValue)>,
}

impl RemovalMark {
    /// Creates a mark that changes nothing except for the note. The note is added as a comment after each key that the
    /// mark sets. The note distinguishes the key from keys that users set.
    #[must_use]
    pub fn new(note: &str) -> Self {
        Self {
            note: note.to_owned(),
            items: Vec::new(),
            pairs: Vec::new(),
        }
    }

    /// Adds an item to the list under a key. The item identifies the marked mappings.
    #[must_use]
    pub fn add_to_list(mut self, key: &str, item: &str) -> Self {
        self.items.push((key.to_owned(), YamlValue::text(item)));
        self
    }

    /// Sets a key to this value, unless the key already exists.
    #[must_use]
    pub fn set_if_missing(mut self, key: &str, value: YamlValue) -> Self {
        self.pairs.push((key.to_owned(), value));
        self
    }
}
