//! Record of the parts of Omni's files that people wrote before a pull generated the same parts. A pull does not remove
//! these parts.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::{COMPOUND_KEY_SETTING, OmniFile};
use crate::yaml::{self, Node, YamlValue, write_value};
use crate::yaml_edit::{Edit, Path, apply_edits};

/// Name of the record. Names of views contain no `.`, so no view has a record with this name.
pub(super) const HANDWRITTEN_RECORD: &str = "handwritten.parts";

/// First line of the record.
const HEADER: &str = "# Parts that people wrote before `formulac pull` generated them; formulac updates this file.\n";

/// Paths of the handwritten parts, by the path of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HandwrittenPaths(BTreeMap<String, BTreeSet<String>>);

impl HandwrittenPaths {
    /// Parses the record. A missing record contains no parts.
    pub fn from_text(text: Option<&str>) -> Self {
        let root = text.and_then(yaml::parse_root);
        let pairs = root.as_ref().and_then(Node::pairs).unwrap_or_default();
        let files = pairs.iter().filter_map(|(file, parts)| {
            let parts = parts.items()?.iter().filter_map(Node::text);
            Some((file.text()?.to_owned(), parts.map(str::to_owned).collect()))
        });
        Self(files.collect())
    }

    /// Returns the text of the record. `None` if there are no parts.
    pub fn text(&self) -> Option<String> {
        let text = |text: &String| YamlValue::Text(text.clone());
        let files = self.0.iter().filter(|(_, parts)| !parts.is_empty());
        let files = files.map(|(file, parts)| {
            let parts = YamlValue::list(parts.iter().map(text).collect());
            (file.clone(), parts)
        });
        let files: Vec<(String, YamlValue)> = files.collect();
        (!files.is_empty()).then(|| format!("{HEADER}{}", write_value(&YamlValue::map(files))))
    }

    /// Returns the parts of one file.
    pub fn of_file(&self, file: &str) -> Self {
        let parts = self.0.get(file);
        Self(
            parts
                .map(|parts| (file.to_owned(), parts.clone()))
                .into_iter()
                .collect(),
        )
    }

    /// Removes and returns the paths of a file's parts.
    pub fn remove_file_paths(&mut self, file: &str) -> BTreeSet<String> {
        self.0.remove(file).unwrap_or_default()
    }

    /// Sets the paths of a file's parts.
    pub fn insert(&mut self, file: &str, parts: BTreeSet<String>) {
        self.0.insert(file.to_owned(), parts);
    }

    /// Replaces the parts of the files that `other` contains.
    pub fn replace_file_paths(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns whether people wrote a part of the file.
    pub fn has_handwritten_paths(&self, file: &str) -> bool {
        self.0.get(file).is_some_and(|parts| !parts.is_empty())
    }

    /// Returns whether people wrote the part with this path, or a part inside it.
    pub fn is_path_handwritten(&self, file: &str, path: &str) -> bool {
        let parts = self.0.get(file);
        parts.is_some_and(|parts| parts.iter().any(|part| part.starts_with(path)))
    }

    /// Records that people wrote the primary key of the view, because it differs from the generated key.
    pub fn add_primary_key(&mut self, file: &str) {
        self.0
            .entry(file.to_owned())
            .or_default()
            .insert(COMPOUND_KEY_SETTING.to_owned());
    }

    /// Returns whether people wrote the primary key of a view.
    pub fn has_primary_key(&self, file: &str) -> bool {
        let is_key = |part: &String| part.starts_with(COMPOUND_KEY_SETTING) || part.ends_with(".primary_key");
        self.0.get(file).is_some_and(|parts| parts.iter().any(is_key))
    }
}

/// Returns whether the text of a view has a primary key that differs from the generated key and that no pull wrote.
/// `previous` is the text that the last pull generated. `None` if people had already written the key before that pull.
pub(super) fn has_handwritten_key(file: &str, new: &str, previous: Option<&str>) -> bool {
    let lower_key =
        |view: &str| -> BTreeSet<String> { key_fields(view).iter().map(|name| name.to_lowercase()).collect() };
    let (key, generated) = (lower_key(file), lower_key(new));
    let previous = previous.map(lower_key);
    let is_of_pull = |previous: &BTreeSet<String>| *previous == key || *previous == generated;
    !key.is_empty() && !generated.is_empty() && key != generated && !previous.as_ref().is_some_and(is_of_pull)
}

/// Returns the fields of a view's primary key, without columns that no longer exist in dbt.
fn key_fields(view: &str) -> BTreeSet<String> {
    let Some(root) = yaml::parse_root(view) else {
        return BTreeSet::new();
    };
    OmniFile::new("", &root).primary_key().into_iter().collect()
}

/// Returns the generated text of a view without its primary key, because a view has only one key.
pub(super) fn strip_primary_key(view: &str) -> String {
    let fields: Vec<String> = key_fields(view).into_iter().collect();
    let at = match fields.as_slice() {
        [field] => Path::root().key("dimensions").key(field).key("primary_key"),
        _ => Path::root().key(COMPOUND_KEY_SETTING),
    };
    apply_edits(view, &[Edit::Remove { at }]).unwrap_or_else(|_| view.to_owned())
}
