//! Hashes of the values in a properties file. The file contains the hashes, so that manual edits can be detected.
//!
//! dbt's `state:modified` compares the `config.meta` of a model. The hash in `config.meta` therefore covers only
//! properties whose changes already make dbt select the model as modified. The hash of all other properties, such as
//! descriptions, is in the `config.meta` of the first column, which dbt does not compare.

use super::header::hash;
use super::jinja::escaped_text;
use crate::yaml::{self, CollectionStyle, Node, NodeKind, YamlValue};
use formulac_syntax::diag::Code;

/// Path of a hash in `meta`.
const HASH_PATH: [&str; 2] = ["formulac", "hash"];

/// Hash in a properties file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedHash {
    /// Column that contains the hash. `None` for the model.
    pub column: Option<String>,
    /// Path from the column or model to the hash, as keys.
    pub keys: Vec<&'static str>,
    pub hash: String,
}

impl RecordedHash {
    fn new(node: &Node, is_column: bool) -> Option<Self> {
        let places: [&[&str]; 2] = [&["config", "meta"], &["meta"]];
        places.into_iter().take(if is_column { 2 } else { 1 }).find_map(|path| {
            let keys: Vec<&str> = path.iter().chain(&HASH_PATH).copied().collect();
            let hash = keys
                .iter()
                .try_fold(node, |node, key| node.get(key))?
                .text()?
                .to_owned();
            let column = if is_column {
                Some(node.text_at("name")?.to_owned())
            } else {
                None
            };
            Some(Self { column, keys, hash })
        })
    }
}

/// Returns the hashes that a properties file contains: the hash of the model and the hash of the other properties.
pub fn recorded_hashes(text: &str) -> Vec<RecordedHash> {
    let hashes = PropertyHashes::from_text(text);
    hashes
        .into_iter()
        .flat_map(|hashes| [hashes.noted_of_model, hashes.noted_of_rest])
        .flatten()
        .collect()
}

/// Returns whether two properties files have the same values, apart from their hashes.
pub fn have_same_values(file_text: &str, other: &str) -> bool {
    match (PropertyHashes::from_text(file_text), PropertyHashes::from_text(other)) {
        (Some(hashes), Some(other)) => hashes.has_same_values_as(&other),
        _ => file_text == other,
    }
}

/// Returns whether a key and its parent key are the last two keys in the path of a hash.
pub fn is_hash_key(parent_key: &str, key: &str) -> bool {
    [parent_key, key] == HASH_PATH
}

/// Hashed values of a properties file, and the hashes that the file contains.
#[derive(Clone, Debug, Default)]
pub(super) struct PropertyHashes {
    /// Properties that dbt compares to detect modified models.
    model: String,
    rest: String,
    has_columns: bool,
    noted_of_model: Option<RecordedHash>,
    noted_of_rest: Option<RecordedHash>,
}

impl PropertyHashes {
    /// Parses a properties file. Returns `None` if the text is not a properties file, or has values that no hash
    /// covers: those of a duplicate key or of a second document.
    pub fn from_text(text: &str) -> Option<Self> {
        if !text.contains("models:") {
            return None;
        }
        let mut faults = Vec::new();
        let root = yaml::read(text, &mut faults).ok()??;
        if faults.iter().any(|fault| fault.code() == Code::InvalidYaml.code()) {
            return None;
        }
        let mut hashes = Self::default();
        for (key, value) in sorted_pairs(&root)? {
            match (key, value.items()) {
                ("version", _) => {}
                ("models", Some(models)) => models.iter().for_each(|model| hashes.model(model)),
                _ => write_pair(&mut hashes.rest, key, value),
            }
        }
        Some(hashes)
    }

    /// Returns whether the hashes in the file match its values. The hashes may also match the values without the final
    /// line breaks of block scalars.
    pub fn has_matching_hashes(&self) -> bool {
        self.hashes_match() || self.without_final_breaks().hashes_match()
    }

    fn hashes_match(&self) -> bool {
        let noted = |noted: &Option<RecordedHash>| noted.as_ref().map(|noted| noted.hash.clone());
        noted(&self.noted_of_model) == Some(self.model_hash())
            && noted(&self.noted_of_rest) == self.hash_of_other_properties()
    }

    /// Returns whether both files have the same values, apart from the line breaks with which block scalars end.
    pub fn has_same_values_as(&self, other: &Self) -> bool {
        let [own_hashes, other] = [self, other].map(Self::without_final_breaks);
        (own_hashes.model, own_hashes.rest) == (other.model, other.rest)
    }

    fn without_final_breaks(&self) -> Self {
        let [model, rest] = [&self.model, &self.rest].map(|text| text.replace("\n\u{1}", "\u{1}"));
        Self {
            model,
            rest,
            ..self.clone()
        }
    }

    fn model_hash(&self) -> String {
        if self.has_columns {
            hash(&self.model)
        } else {
            hash(&format!("{}{}", self.model, self.rest))
        }
    }

    fn hash_of_other_properties(&self) -> Option<String> {
        self.has_columns.then(|| hash(&self.rest))
    }

    fn model(&mut self, model: &Node) {
        self.noted_of_model = RecordedHash::new(model, false);
        for (key, value) in sorted_pairs(model).unwrap_or_default() {
            match key {
                "columns" => value
                    .items()
                    .unwrap_or_default()
                    .iter()
                    .for_each(|column| self.column(column)),
                "name" | "access" | "config" | "constraints" | "data_tests" | "deprecation_date" | "latest_version"
                | "tests" | "versions" => write_pair(&mut self.model, key, value),
                _ => write_pair(&mut self.rest, key, value),
            }
        }
    }

    fn column(&mut self, column: &Node) {
        self.has_columns = true;
        self.noted_of_rest = self.noted_of_rest.take().or_else(|| RecordedHash::new(column, true));
        for (key, value) in sorted_pairs(column).unwrap_or_default() {
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

/// Returns the pairs of a mapping, sorted by key.
fn sorted_pairs(mapping: &Node) -> Option<Vec<(&str, &Node)>> {
    let pairs = mapping
        .pairs()?
        .iter()
        .map(|(key, value)| (key.text().unwrap_or_default(), value));
    let mut pairs: Vec<(&str, &Node)> = pairs.collect();
    pairs.sort_by_key(|(key, _)| *key);
    Some(pairs)
}

/// Writes a pair in a canonical form, so that equal values give equal strings. An empty mapping is treated as missing.
fn write_pair(output: &mut String, key: &str, value: &Node) {
    let start = output.len();
    output.push_str(key);
    output.push('\0');
    let empty = output.len();
    write(output, value, key);
    if output.len() == empty {
        output.truncate(start);
    }
}

/// Writes the value of a key. The YAML parser limits the nesting depth, which limits the recursion.
fn write(output: &mut String, value: &Node, parent_key: &str) {
    match &value.kind {
        NodeKind::Sequence(items) => {
            output.push('[');
            items.iter().for_each(|item| {
                write(output, item, "");
                output.push('\u{1}');
            });
            output.push(']');
        }
        NodeKind::Mapping(_) => {
            let start = output.len();
            output.push('{');
            let empty = output.len();
            for (key, value) in sorted_pairs(value).unwrap_or_default() {
                if [parent_key, key] != HASH_PATH {
                    write_pair(output, key, value);
                }
            }
            if output.len() == empty {
                output.truncate(start);
            } else {
                output.push('}');
            }
        }
        NodeKind::Scalar { .. } if value.is_null() => output.push('~'),
        NodeKind::Scalar { value: text, .. } => {
            let is_text = value.is_quoted() || yaml::non_text_type(text).is_none();
            output.push(if is_text { 't' } else { 'b' });
            match yaml::parse_boolean(text).filter(|_| !is_text) {
                Some(truth) => output.push_str(if truth { "true" } else { "false" }),
                None => output.push_str(text),
            }
            output.push('\u{1}');
        }
    }
}

/// Inserts the hashes in the properties of a model. `write` returns the text of the file with the given pairs. If
/// `flat` is set, the configuration of a column is at the same level as the column's name.
pub(super) fn insert_hashes(
    model: &mut Vec<(String, YamlValue)>,
    flat: bool,
    write: impl Fn(&[(String, YamlValue)]) -> String,
) {
    let Some(hashes) = PropertyHashes::from_text(&write(model)) else {
        return;
    };
    let columns = model
        .iter_mut()
        .find(|(key, _)| key == "columns")
        .map(|(_, value)| value);
    if let (Some(YamlValue::List(columns, _)), Some(rest)) = (columns, hashes.hash_of_other_properties())
        && let Some(YamlValue::Map(column, _)) = columns.first_mut()
    {
        let keys: &[&str] = if flat { &["meta"] } else { &["config", "meta"] };
        set_hash(
            column,
            keys,
            rest,
            &["name", "description", "quote", "data_type", "constraints"],
        );
    }
    set_hash(
        model,
        &["config", "meta"],
        hashes.model_hash(),
        &["name", "description", "latest_version"],
    );
}

/// Sets the hash at a path of keys. The first key is inserted after the keys in `after`.
fn set_hash(pairs: &mut Vec<(String, YamlValue)>, keys: &[&str], hash: String, after: &[&str]) {
    let mut pairs = pairs;
    let mut position = pairs
        .iter()
        .take_while(|(key, _)| after.contains(&key.as_str()))
        .count();
    for key in keys
        .iter()
        .chain(HASH_PATH.split_last().map_or(&[][..], |(_, parent_keys)| parent_keys))
    {
        if !pairs.iter().any(|(other, _)| other == key) {
            pairs.insert(
                position.min(pairs.len()),
                ((*key).to_owned(), YamlValue::Map(Vec::new(), CollectionStyle::Block)),
            );
        }
        let entry = pairs.iter_mut().find(|(other, _)| other == key);
        let Some((_, YamlValue::Map(inner, _))) = entry else {
            return;
        };
        pairs = inner;
        position = usize::MAX;
    }
    pairs.push(("hash".to_owned(), escaped_text(hash)));
}
