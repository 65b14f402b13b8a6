//! State of a model after the last push. The current spec and the current files are compared with this state.

use std::collections::BTreeMap;

use super::current_spec::CurrentSpec;
use crate::dbt::has_same_generated_content;
use crate::yaml::{self, YamlValue, write_value};
use crate::{Compiler, parallel};

/// Folder for the state files of models, relative to the project's folder.
pub const STATE_FOLDER: &str = ".formulac/state";

/// Returns the path of a model's state file, relative to the project's folder.
#[must_use]
pub fn state_path(model: &str) -> String {
    format!("{STATE_FOLDER}/{}", PushState::file_name(model))
}

/// First line of a state file.
const STATE_FILE_HEADER: &str = "# State of this model after the last `formulac push`; formulac updates this file.\n";

/// State of a model after a push: the base of the next merge.
///
/// ```
/// use formulac_sync::PushState;
///
/// let mut state = PushState::new("revenue", "metrics/revenue.yml", "model: revenue\n");
/// state.files.insert("models/formulac/revenue.sql".to_owned(), "select 1\n".to_owned());
/// assert_eq!(PushState::versions(&state.text()), [state]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushState {
    /// Name of the model.
    pub model: String,
    /// Path of the model's spec, relative to the project's folder.
    pub spec: String,
    /// Contents of the model's spec.
    pub source: String,
    /// Extracts of the metric sets that the model reads, by path relative to the project's folder.
    pub sets: BTreeMap<String, String>,
    /// Contents of the generated files, by path relative to the project's folder.
    pub files: BTreeMap<String, String>,
}

/// Base name of `known.yml`, which is stored in the same folder as the states. A model with this name stores its state
/// under a different file name.
const RESERVED_MODEL_NAME: &str = "known";

impl PushState {
    /// Returns the file name of a model's state, relative to the folder of states.
    #[must_use]
    pub fn file_name(model: &str) -> String {
        if model.eq_ignore_ascii_case(RESERVED_MODEL_NAME) {
            format!("{model}.model.yml")
        } else {
            format!("{model}.yml")
        }
    }

    /// Returns the model whose state a file contains. `None` if the file is not a state file.
    ///
    /// ```
    /// use formulac_sync::PushState;
    /// for model in ["revenue", "known"] {
    ///     assert_eq!(PushState::model_of_state_file(&PushState::file_name(model)), Some(model));
    /// }
    /// assert_eq!(PushState::model_of_state_file("known.yml"), None);
    /// assert_eq!(PushState::model_of_state_file("omni/orders.yml"), None);
    /// ```
    #[must_use]
    pub fn model_of_state_file(file_name: &str) -> Option<&str> {
        // Subfolders contain other files, such as the records of pulls.
        let stem = file_name.strip_suffix(".yml").filter(|stem| !stem.contains('/'))?;
        let model = stem.strip_suffix(".model").unwrap_or(stem);
        (!stem.eq_ignore_ascii_case(RESERVED_MODEL_NAME)).then_some(model)
    }

    /// Returns the model whose state is at a path relative to the project's folder. `None` if the file is not a state.
    ///
    /// ```
    /// use formulac_sync::{PushState, state_path};
    /// assert_eq!(PushState::model_of_path(&state_path("revenue")), Some("revenue"));
    /// assert_eq!(PushState::model_of_path(".formulac/state/omni/orders.yml"), None);
    /// assert_eq!(PushState::model_of_path("metrics/revenue.yml"), None);
    /// ```
    #[must_use]
    pub fn model_of_path(path: &str) -> Option<&str> {
        Self::model_of_state_file(path.strip_prefix(STATE_FOLDER)?.strip_prefix('/')?)
    }

    /// Creates a state without files.
    #[must_use]
    pub fn new(model: &str, spec: &str, source: &str) -> Self {
        Self {
            model: model.to_owned(),
            spec: spec.to_owned(),
            source: normalize_line_endings(source),
            sets: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }

    /// Returns a compiler with the metric sets of the last push.
    #[must_use]
    pub fn compiler(&self, compiler: &Compiler) -> Compiler {
        let sets = self.sets.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        compiler.with_metric_sets(sets)
    }

    /// Returns the contents of the state's file.
    #[must_use]
    pub fn text(&self) -> String {
        // The block does not end with a line break, so that git merges it line by line.
        let block = |text: &str| YamlValue::Text(normalize_line_endings(text).trim_end_matches('\n').to_owned());
        let blocks = |texts: &BTreeMap<String, String>| {
            let blocks = texts.iter().map(|(path, text)| (path.clone(), block(text)));
            YamlValue::map(blocks)
        };
        let pairs = [
            ("model", Some(YamlValue::Text(self.model.clone()))),
            ("spec", Some(YamlValue::Text(self.spec.clone()))),
            ("source", Some(block(&self.source))),
            ("sets", (!self.sets.is_empty()).then(|| blocks(&self.sets))),
            ("files", Some(blocks(&self.files))),
        ];
        let pairs = pairs.into_iter().filter_map(|(key, value)| Some((key, value?)));
        format!("{STATE_FILE_HEADER}{}", write_value(&YamlValue::map(pairs)))
    }

    /// Reads the contents of the state files of models, in order. Each file is paired with the name of its model. Skips
    /// parsing a file if its content matches the state of the current spec.
    #[must_use]
    pub fn read_state_versions(files: &[(String, String)], ours: &BTreeMap<String, CurrentSpec>) -> Vec<Vec<Self>> {
        let versions = |number: usize| {
            let (model, text) = files.get(number)?;
            let current = ours.get(model).map(|ours| Self::from_pushed(model, ours));
            let current = current.filter(|state| state.text() == *text);
            Some(current.map_or_else(|| Self::versions(text), |state| vec![state]))
        };
        parallel::map_range(files.len(), versions)
            .into_iter()
            .flatten()
            .collect()
    }

    /// Reads the contents of a state file. Returns one version, or the versions of both branches if git could not merge
    /// them. Returns an empty list for other files.
    #[must_use]
    pub fn versions(text: &str) -> Vec<Self> {
        read_versions(text, read)
    }

    /// Returns a base for a model that was never pushed. Returns `None` unless users edited the model's files and the
    /// spec still generates the unedited files.
    #[must_use]
    pub fn base_from_unpushed_files(model: &str, ours: &CurrentSpec, texts: &BTreeMap<String, String>) -> Option<Self> {
        let pairs = || {
            texts
                .iter()
                .filter_map(|(path, text)| Some((text, ours.files.get(path)?)))
        };
        let is_edited = pairs().any(|(text, ours)| normalize_line_endings(text) != normalize_line_endings(ours));
        if !is_edited || !pairs().all(|(text, ours)| has_same_generated_content(text, ours)) {
            return None;
        }
        Some(Self::from_pushed(model, ours))
    }

    /// Returns the base that is stored when a spec is pushed.
    #[must_use]
    pub fn from_pushed(model: &str, ours: &CurrentSpec) -> Self {
        let mut state = Self::new(model, &ours.spec, &ours.source);
        state.files.clone_from(&ours.files);
        let sets = ours.compiled.metric_set_extracts(&ours.source).into_iter();
        state.sets = sets.map(|(path, text)| (path, normalize_line_endings(&text))).collect();
        state
    }
}

fn read(text: &str) -> Option<PushState> {
    let root = yaml::parse_root(text)?;
    let texts = |key: &str| {
        let texts = root.pairs_at(key).iter();
        let texts =
            texts.filter_map(|(path, text)| Some((path.text()?.to_owned(), normalize_line_endings(text.text()?))));
        texts.collect()
    };
    Some(PushState {
        model: root.string_at("model")?,
        spec: root.string_at("spec")?,
        source: normalize_line_endings(root.text_at("source")?),
        sets: texts("sets"),
        files: texts("files"),
    })
}

/// Reads one version of a file, or the versions of both branches if git could not merge them.
pub(super) fn read_versions<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
    match split_conflict_branches(text) {
        None => read(text).into_iter().collect(),
        Some(texts) => texts.iter().filter_map(|text| read(text)).collect(),
    }
}

/// Splits a file with git's conflict markers into the versions of the two branches. Returns `None` if the file has no
/// markers.
pub(super) fn split_conflict_branches(text: &str) -> Option<[String; 2]> {
    if !text.lines().any(|line| line.starts_with("<<<<<<< ")) {
        return None;
    }
    let (mut ours, mut theirs) = (String::new(), String::new());
    // If git is configured to show the common base of both branches, the base is between `|||||||` and `=======`.
    let (mut in_ours, mut in_theirs) = (true, true);
    for line in text.lines() {
        match line.get(..7) {
            Some("<<<<<<<") => (in_ours, in_theirs) = (true, false),
            Some("|||||||") => (in_ours, in_theirs) = (false, false),
            Some("=======") if !(in_ours && in_theirs) => (in_ours, in_theirs) = (false, true),
            Some(">>>>>>>") => (in_ours, in_theirs) = (true, true),
            _ => {
                for (text, is_in) in [(&mut ours, in_ours), (&mut theirs, in_theirs)] {
                    if is_in {
                        text.push_str(line);
                        text.push('\n');
                    }
                }
            }
        }
    }
    Some([ours, theirs])
}

/// Normalizes the line endings of a string for comparison, and ends the string with one line break. Other carriage
/// returns are kept, because they end a comment in some engines.
pub(super) fn normalize_line_endings(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    format!("{}\n", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_round_trip() {
        let mut state = PushState::new(
            "m",
            "metrics/m.yml",
            "model: m\r\ndefinitions: |\r\n  a = 1\r\n\r\n\r\n",
        );
        for (path, text) in [
            ("models/m.sql", "{# x #}\nselect\n    1 as a  \n"),
            ("models/m.yml", "# y\nmodels:\n  - name: m\n    description: 'a: b'\n"),
            ("tests/t.sql", "\tselect"),
            ("tests/carriage_return.sql", "select a -- b\r * 2\n"),
            ("tests/empty.sql", ""),
        ] {
            state.files.insert(path.to_owned(), normalize_line_endings(text));
        }
        let set = normalize_line_endings("metric_set: s\nfrom: t\ndefinitions: n = COUNT()");
        state.sets.insert("metrics/s.yml".to_owned(), set);
        assert_eq!(PushState::versions(&state.text()), [state]);
    }

    #[test]
    fn conflicted_state_has_both_versions() {
        let of = |formula: &str| {
            let mut state = PushState::new(
                "m",
                "m.yml",
                &format!("model: m\ndefinitions: |\n  a = {formula}\n  b = 2"),
            );
            state.files.insert(
                "m.sql".to_owned(),
                normalize_line_endings(&format!("select\n    {formula} as a,\n    2 as b")),
            );
            state
        };
        let (one, other) = (of("1"), of("3"));
        let mut marked = String::new();
        for (left, right) in one.text().lines().zip(other.text().lines()) {
            if left == right {
                marked.push_str(&format!("{left}\n"));
            } else {
                marked.push_str(&format!(
                    "<<<<<<< HEAD\n{left}\n||||||| 1234567\n0\n=======\n{right}\n>>>>>>> theirs\n"
                ));
            }
        }
        assert_eq!(PushState::versions(&marked), [one, other]);
        assert_eq!(PushState::versions("no state"), []);
    }
}
