//! Hashes in a properties file that show whether somebody edited it by hand, compared by values.
//!
//! dbt's `state:modified` compares the `config.meta` of a model. So the hash there is only of what marks the model as
//! modified anyway. The hash of the rest, descriptions among it, is in the `config.meta` of the first column, which dbt
//! does not compare.

use super::header::hash;
use super::yaml::YamlOutput;
use crate::yaml::{self, Node, NodeKind};

/// The keys of `meta` that lead to a hash.
const NOTED_AT: [&str; 2] = ["formulac", "hash"];

/// A hash in a properties file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotedHash {
    /// The column that has it; `None` for the model.
    pub column: Option<String>,
    /// The keys from the column or model to the hash.
    pub keys: Vec<&'static str>,
    pub hash: String,
}

impl NotedHash {
    fn new(node: &Node, is_column: bool) -> Option<Self> {
        let places: [&[&str]; 2] = [&["config", "meta"], &["meta"]];
        places.into_iter().take(if is_column { 2 } else { 1 }).find_map(|place| {
            let keys: Vec<&str> = place.iter().chain(&NOTED_AT).copied().collect();
            let hash = keys.iter().try_fold(node, |node, key| node.get(key))?.text()?.to_owned();
            let column = if is_column { Some(node.get("name")?.text()?.to_owned()) } else { None };
            Some(Self { column, keys, hash })
        })
    }
}

/// The hashes that a properties file notes: of its model, and of the rest.
#[cfg(feature = "sync")]
pub(crate) fn noted_hashes(text: &str) -> Vec<NotedHash> {
    let hashes = PropertyHashes::from_text(text);
    hashes.into_iter().flat_map(|hashes| [hashes.noted_of_model, hashes.noted_of_rest]).flatten().collect()
}

/// Whether two properties files have the same values, but for the hashes that they note.
#[cfg(feature = "sync")]
pub(crate) fn have_same_values(one: &str, other: &str) -> bool {
    match (PropertyHashes::from_text(one), PropertyHashes::from_text(other)) {
        (Some(one), Some(other)) => one.model == other.model && one.rest == other.rest,
        _ => one == other,
    }
}

/// Whether a key below another one is that of a hash.
#[cfg(feature = "sync")]
pub(crate) fn is_hash(above: &str, key: &str) -> bool {
    [above, key] == NOTED_AT
}

/// The values of a properties file, as far as they are hashed, and the hashes that the file notes.
#[derive(Debug, Default)]
pub(super) struct PropertyHashes {
    /// What marks the model as modified for dbt.
    model: String,
    rest: String,
    has_columns: bool,
    noted_of_model: Option<NotedHash>,
    noted_of_rest: Option<NotedHash>,
}

impl PropertyHashes {
    /// Reads a file; `None` if it cannot be a properties file.
    pub fn from_text(text: &str) -> Option<Self> {
        if !text.contains("models:") {
            return None;
        }
        let root = yaml::read(text, &mut Vec::new()).ok()??;
        let mut hashes = Self::default();
        for (key, value) in sorted(&root)? {
            match (key, value.items()) {
                ("version", _) => {}
                ("models", Some(models)) => models.iter().for_each(|model| hashes.model(model)),
                _ => write_pair(&mut hashes.rest, key, value),
            }
        }
        Some(hashes)
    }

    /// Whether the hashes that the file notes are those of its values.
    pub fn are_noted(&self) -> bool {
        let noted = |noted: &Option<NotedHash>| noted.as_ref().map(|noted| noted.hash.clone());
        noted(&self.noted_of_model) == Some(self.model_hash()) && noted(&self.noted_of_rest) == self.rest_hash()
    }

    /// Whether both files have the same values.
    pub fn has_values_of(&self, other: &Self) -> bool {
        (&self.model, &self.rest) == (&other.model, &other.rest)
    }

    fn model_hash(&self) -> String {
        if self.has_columns { hash(&self.model) } else { hash(&format!("{}{}", self.model, self.rest)) }
    }

    fn rest_hash(&self) -> Option<String> {
        self.has_columns.then(|| hash(&self.rest))
    }

    fn model(&mut self, model: &Node) {
        self.noted_of_model = NotedHash::new(model, false);
        for (key, value) in sorted(model).unwrap_or_default() {
            match key {
                "columns" => value.items().unwrap_or_default().iter().for_each(|column| self.column(column)),
                "name" | "access" | "config" | "constraints" | "data_tests" | "deprecation_date" | "latest_version"
                | "tests" | "versions" => write_pair(&mut self.model, key, value),
                _ => write_pair(&mut self.rest, key, value),
            }
        }
    }

    fn column(&mut self, column: &Node) {
        self.has_columns = true;
        self.noted_of_rest = self.noted_of_rest.take().or_else(|| NotedHash::new(column, true));
        for (key, value) in sorted(column).unwrap_or_default() {
            match key {
                "name" => {
                    write_pair(&mut self.model, key, value);
                    write_pair(&mut self.rest, key, value);
                }
                "quote" | "data_type" | "constraints" | "data_tests" | "tests" => {
                    write_pair(&mut self.model, key, value);
                }
                _ => write_pair(&mut self.rest, key, value),
            }
        }
    }
}

/// The pairs of a mapping by their keys.
fn sorted(mapping: &Node) -> Option<Vec<(&str, &Node)>> {
    let pairs = mapping.pairs()?.iter().map(|(key, value)| (key.text().unwrap_or_default(), value));
    let mut pairs: Vec<(&str, &Node)> = pairs.collect();
    pairs.sort_by_key(|(key, _)| *key);
    Some(pairs)
}

/// Writes a pair so that equal values give equal texts. A mapping without values is as good as none.
fn write_pair(out: &mut String, key: &str, value: &Node) {
    let start = out.len();
    out.push_str(key);
    out.push('\0');
    let empty = out.len();
    write(out, value, key);
    if out.len() == empty {
        out.truncate(start);
    }
}

/// Writes a value that has this key. The depth of a file is limited when it is read, and so is the recursion.
fn write(out: &mut String, value: &Node, of: &str) {
    match &value.kind {
        NodeKind::Sequence(items) => {
            out.push('[');
            items.iter().for_each(|item| {
                write(out, item, "");
                out.push('\u{1}');
            });
            out.push(']');
        }
        NodeKind::Mapping(_) => {
            let start = out.len();
            out.push('{');
            let empty = out.len();
            for (key, value) in sorted(value).unwrap_or_default() {
                if [of, key] != NOTED_AT {
                    write_pair(out, key, value);
                }
            }
            if out.len() == empty {
                out.truncate(start);
            } else {
                out.push('}');
            }
        }
        NodeKind::Scalar { .. } if value.is_null() => out.push('~'),
        NodeKind::Scalar { value: text, .. } => {
            let is_text = value.is_quoted() || yaml::non_text_type(text).is_none();
            out.push(if is_text { 't' } else { 'b' });
            match yaml::parse_boolean(text).filter(|_| !is_text) {
                Some(truth) => out.push_str(if truth { "true" } else { "false" }),
                None => out.push_str(text),
            }
            out.push('\u{1}');
        }
    }
}

/// Notes the hashes in the properties of a model. `write` gives the text of the file with these pairs; `flat` means
/// that the configuration of a column is beside its name.
pub(super) fn note(
    model: &mut Vec<(String, YamlOutput)>,
    flat: bool,
    write: impl Fn(&[(String, YamlOutput)]) -> String,
) {
    let Some(hashes) = PropertyHashes::from_text(&write(model)) else { return };
    let columns = model.iter_mut().find(|(key, _)| key == "columns").map(|(_, value)| value);
    if let (Some(YamlOutput::List(columns)), Some(rest)) = (columns, hashes.rest_hash())
        && let Some(YamlOutput::Map(column)) = columns.first_mut()
    {
        let keys: &[&str] = if flat { &["meta"] } else { &["config", "meta"] };
        set(column, keys, rest, &["name", "description", "quote", "data_type", "constraints"]);
    }
    set(model, &["config", "meta"], hashes.model_hash(), &["name", "description", "latest_version"]);
}

/// Sets the hash below some keys, the first of which comes after others.
fn set(pairs: &mut Vec<(String, YamlOutput)>, keys: &[&str], hash: String, after: &[&str]) {
    let mut pairs = pairs;
    let mut at = pairs.iter().take_while(|(key, _)| after.contains(&key.as_str())).count();
    for key in keys.iter().chain(NOTED_AT.split_last().map_or(&[][..], |(_, above)| above)) {
        if !pairs.iter().any(|(other, _)| other == key) {
            pairs.insert(at.min(pairs.len()), ((*key).to_owned(), YamlOutput::Map(Vec::new())));
        }
        let found = pairs.iter_mut().find(|(other, _)| other == key);
        let Some((_, YamlOutput::Map(inner) | YamlOutput::Flow(inner))) = found else { return };
        pairs = inner;
        at = usize::MAX;
    }
    pairs.push(("hash".to_owned(), YamlOutput::Text(hash)));
}
