//! Checks that any number of pulls preserve edits to the files that pulls wrote, regardless of changes to dbt's
//! artifacts.

use std::collections::BTreeMap;
use std::sync::RwLock;

use formulac::artifacts::{Manifest, ManifestReadOptions};
use formulac::omni::{Artifacts, OmniFiles, OmniModel, OmniOptions, Pull, PullOptions, PulledFileLocation};
use formulac::yaml_edit::{Edit, Path, YamlValue, apply_edits};
use proptest::prelude::*;
use serde_json::json;

use super::mapping::read;

/// Random dbt project: models with columns, each with the properties that can change.
#[derive(Clone, Debug, Default)]
struct Project {
    models: BTreeMap<usize, Model>,
    grants: bool,
}

#[derive(Clone, Debug, Default)]
struct Model {
    text: usize,
    label: usize,
    private: bool,
    topic: bool,
    columns: BTreeMap<usize, Column>,
}

#[derive(Clone, Debug, Default)]
struct Column {
    text: usize,
    ty: usize,
    unique: bool,
    parent: bool,
    tags: usize,
}

const TEXTS: [&str; 7] = [
    "",
    "One row each.",
    "With: colon",
    "two\nlines",
    "# no comment",
    "it's {{ odd }}",
    "said to be long enough to be folded by whoever folds long texts, though nobody ever does that here",
];
const TYPES: [&str; 4] = ["", "integer", "date", "timestamp"];
const TAGS: [&[&str]; 4] = [&[], &["pii"], &["pii", "core"], &["core"]];

/// Random choices, taken from a list of numbers. After the end of the list, all choices are 0.
struct Dice<'n>(std::slice::Iter<'n, u8>);

impl Dice<'_> {
    fn random_below(&mut self, n: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or_default()) % n
    }
}

impl Project {
    /// Changes some parts of the project at random.
    fn change(&mut self, dice: &mut Dice<'_>) {
        for _ in 0..=dice.random_below(5) {
            let (model, column) = (dice.random_below(3), dice.random_below(4));
            match dice.random_below(12) {
                0 => drop(self.models.remove(&model)),
                1 => self.grants ^= true,
                2 => self.models.entry(model).or_default().text = dice.random_below(TEXTS.len()),
                3 => self.models.entry(model).or_default().label = dice.random_below(TEXTS.len()),
                4 => self.models.entry(model).or_default().private ^= true,
                5 => self.models.entry(model).or_default().topic ^= true,
                6 => drop(self.models.entry(model).or_default().columns.remove(&column)),
                kind => {
                    let column = self.models.entry(model).or_default().columns.entry(column).or_default();
                    match kind {
                        7 => column.ty = dice.random_below(TYPES.len()),
                        8 => column.unique ^= true,
                        9 => column.parent ^= true,
                        10 => column.tags = dice.random_below(TAGS.len()),
                        _ => column.text = dice.random_below(TEXTS.len()),
                    }
                }
            }
        }
    }

    fn model(&self) -> OmniModel {
        let mut nodes = serde_json::Map::new();
        for (number, model) in &self.models {
            let (id, name) = (format!("model.p.m{number}"), format!("m{number}"));
            let mut omni = serde_json::Map::new();
            if model.label > 0 {
                omni.insert("label".into(), json!(TEXTS[model.label]));
            }
            if model.topic {
                omni.insert("topic".into(), json!(true));
            }
            let columns: serde_json::Map<String, serde_json::Value> = model
                .columns
                .iter()
                .map(|(number, column)| {
                    let name = format!("c{number}");
                    let ty = Some(TYPES[column.ty]).filter(|ty| !ty.is_empty());
                    let mut constraints = Vec::new();
                    if column.unique {
                        constraints.push(json!({"type": "primary_key"}));
                    }
                    if column.parent {
                        constraints.push(json!({"type": "foreign_key", "to": "ref('m0')", "to_columns": ["c0"]}));
                    }
                    let column = json!({"name": name, "description": TEXTS[column.text], "data_type": ty, "tags": TAGS[column.tags], "constraints": constraints});
                    (name, column)
                })
                .collect();
            let node = json!({
                "resource_type": "model", "package_name": "p", "name": name, "alias": name, "schema": "s", "unique_id": id,
                "relation_name": format!("s.{name}"), "description": TEXTS[model.text], "columns": columns, "meta": {"omni": omni},
                "access": if model.private { "private" } else { "protected" }, "group": "g", "depends_on": {"nodes": ["model.p.m0"]},
            });
            nodes.insert(id, node);
        }
        let manifest =
            Manifest::from_text(&json!({"nodes": nodes}).to_string(), ManifestReadOptions::default()).unwrap();
        OmniModel::new(
            Artifacts::from_manifest(&manifest),
            &OmniOptions::default().access_grants(self.grants),
            None,
        )
    }
}

/// Files in memory.
#[derive(Debug, Default)]
struct Folder {
    omni: RwLock<BTreeMap<String, String>>,
    records: RwLock<BTreeMap<String, String>>,
}

impl OmniFiles for Folder {
    fn read_omni_file(&self, path: &str) -> Option<String> {
        self.omni.read().unwrap().get(path).cloned()
    }

    fn read_record(&self, name: &str) -> Option<String> {
        self.records.read().unwrap().get(name).cloned()
    }

    fn record_names(&self) -> Vec<String> {
        self.records.read().unwrap().keys().cloned().collect()
    }
}

impl Folder {
    /// Returns `true` if the last pull generated a value at this path.
    fn generated_last(&self, path: &str, steps: &[String]) -> bool {
        let name = path
            .trim_end_matches(".yaml")
            .trim_end_matches(".view")
            .replace('/', "__");
        let record = self.read_record(&name).map(|text| read(&text));
        let text = record.and_then(|record| record["view"].as_str().map(read));
        text.is_some_and(|root| steps.iter().try_fold(&root, |node, step| node.get(step)).is_some())
    }

    fn plan(&self, model: &OmniModel, prune: bool) -> Pull {
        Pull::plan(model, self, PullOptions::default().prune(prune))
    }

    fn pull(&self, model: &OmniModel, prune: bool) -> Result<(), TestCaseError> {
        let pull = self.plan(model, prune);
        prop_assert!(pull.uneditable_files.is_empty(), "{:?}", pull.uneditable_files);
        for (location, text) in pull.files_to_write {
            match location {
                PulledFileLocation::Omni(path) => self.omni.write().unwrap().insert(path, text),
                PulledFileLocation::Record(name) => self.records.write().unwrap().insert(name, text),
                _ => None,
            };
        }
        for location in pull.files_to_remove {
            match location {
                PulledFileLocation::Omni(path) => self.omni.write().unwrap().remove(&path),
                PulledFileLocation::Record(name) => self.records.write().unwrap().remove(&name),
                _ => None,
            };
        }
        Ok(())
    }
}

/// Result of a user's edit that must be preserved: a comment, a value, a missing value, or line endings.
#[derive(Clone, Debug)]
enum Left {
    Comment(String, String),
    Value(String, Vec<String>, serde_json::Value),
    Nothing(String, Vec<String>),
    Crlf(String),
}

/// Edits a file at random, as a user would.
fn person(folder: &Folder, dice: &mut Dice<'_>, number: usize, left: &mut Vec<Left>) {
    let paths: Vec<String> = folder.omni.read().unwrap().keys().cloned().collect();
    if paths.is_empty() {
        return;
    }
    let path = paths[dice.random_below(paths.len())].clone();
    let text = folder.read_omni_file(&path).unwrap();
    let is_crlf = text.contains('\r');
    let root = read(&text);
    let is_list = !root.is_object();
    let fields: Vec<String> = root["dimensions"]
        .as_object()
        .map(|fields| fields.keys().cloned().collect())
        .unwrap_or_default();
    let field = (!fields.is_empty()).then(|| fields[dice.random_below(fields.len())].clone());
    let mut new = None;
    let mut of = |steps: &[&str], value: Option<&str>, left: &mut Vec<Left>| {
        let at = steps.iter().fold(Path::root(), |path, step| path.key(*step));
        let steps: Vec<String> = steps.iter().map(|step| (*step).to_owned()).collect();
        let change = match value {
            Some(value) => Edit::Set {
                at,
                value: YamlValue::text(value),
                after: Vec::new(),
            },
            None => Edit::Remove { at },
        };
        let Ok(edited) = apply_edits(&text, &[change]) else {
            return;
        };
        // This edit replaces earlier edits at its path, and at the paths above and below that path.
        left.retain(|it| match it {
            Left::Value(file, other, _) | Left::Nothing(file, other) => {
                *file != path || !(other.starts_with(&steps) || steps.starts_with(other))
            }
            _ => true,
        });
        // Comments inside a removed value are removed with it.
        left.retain(|it| !matches!(it, Left::Comment(file, comment) if *file == path && !edited.contains(comment)));
        match value {
            Some(value) => left.push(Left::Value(path.clone(), steps, json!(value))),
            // If a user added and then removed a value, a later pull may generate the value again.
            None if folder.generated_last(&path, &steps) => left.push(Left::Nothing(path.clone(), steps)),
            None => {}
        }
        new = Some(edited);
    };
    let word = format!("mine {number}");
    match (dice.random_below(8), field) {
        (0, _) if !is_crlf && text.contains('\n') => {
            left.push(Left::Crlf(path.clone()));
            new = Some(text.replace('\n', "\r\n"));
        }
        (1, _) if !is_list => of(&["label"], Some(&word), left),
        (2, _) if !is_list => of(&["description"], Some(&word), left),
        (3, Some(field)) => of(&["dimensions", &field, "label"], Some(&word), left),
        (4, Some(field)) if root["dimensions"][&field]["description"].is_string() => {
            of(&["dimensions", &field, "description"], None, left);
        }
        (5, Some(_)) => of(&["dimensions", &format!("own_{number}"), "sql"], Some(&word), left),
        (6, _) if !is_list && root["description"].is_string() => of(&["description"], None, left),
        _ => {
            // Add a comment before a line, or after a key whose value is on one line.
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            let comment = format!("# person {number}");
            let end = if is_crlf { "\r\n" } else { "\n" };
            let is_plain =
                |line: &str| line.trim_end().ends_with(':') || line.contains(": true") || line.contains(": [");
            let at = dice.random_below(lines.len().max(1));
            let is_top = lines
                .get(at)
                .is_some_and(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
            let in_text = text.contains("|-") && !is_top;
            if lines.is_empty() || in_text || text.contains("# >>>") {
                return;
            }
            let mut out: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            match lines.get(at) {
                Some(line) if dice.random_below(2) == 0 && is_plain(line) => {
                    out[at] = format!("{} {comment}{end}", line.trim_end());
                }
                _ => out.insert(at, format!("{comment}{end}")),
            }
            left.push(Left::Comment(path.clone(), comment));
            new = Some(out.concat());
        }
    }
    if let Some(new) = new {
        folder.omni.write().unwrap().insert(path, new);
    }
}

fn is_generated(model: &OmniModel, path: &str, steps: &[String]) -> bool {
    let views = model.views.iter().map(|view| (&view.path, &view.text));
    let mut all = views.chain(model.topics.iter().map(|topic| (&topic.path, &topic.text)));
    let text = all.find(|(of, _)| *of == path).map(|(_, text)| read(text));
    text.is_some_and(|root| steps.iter().try_fold(&root, |node, step| node.get(step)).is_some())
}

fn is_no_longer_generated(model: &OmniModel, path: &str) -> bool {
    model.views.iter().all(|view| view.path != path) && model.topics.iter().all(|topic| topic.path != path)
}

fn is_of_marked(left: &Left, files: &BTreeMap<String, String>) -> bool {
    let (Left::Value(path, steps, _) | Left::Nothing(path, steps)) = left else {
        return false;
    };
    let (Some(text), Some(field)) = (files.get(path), steps.get(1)) else {
        return false;
    };
    let tags = &read(text)["dimensions"][field]["tags"];
    tags.as_array().is_some_and(|tags| tags.contains(&json!("dbt_removed")))
}

fn check(folder: &Folder, left: &[Left]) -> Result<(), TestCaseError> {
    let files = folder.omni.read().unwrap();
    for it in left {
        let (Left::Comment(path, _) | Left::Value(path, ..) | Left::Nothing(path, _) | Left::Crlf(path)) = it;
        let Some(text) = files.get(path) else {
            return Err(TestCaseError::fail(format!("{path} is gone: {it:?}")));
        };
        let found = |steps: &[String]| steps.iter().try_fold(read(text), |node, step| node.get(step).cloned());
        match it {
            Left::Comment(_, comment) => prop_assert!(text.contains(comment.as_str()), "{comment} in {path}:\n{text}"),
            Left::Value(_, steps, value) => {
                prop_assert_eq!(found(steps), Some(value.clone()), "{:?} in {}", steps, text);
            }
            Left::Nothing(_, steps) => prop_assert_eq!(found(steps), None, "{:?} in {}", steps, text),
            Left::Crlf(_) => {
                let bare = text.matches('\n').count() - text.matches("\r\n").count();
                prop_assert_eq!(bare, 0, "{:?}", text);
            }
        }
    }
    Ok(())
}

fn case(numbers: &[u8]) -> Result<(), TestCaseError> {
    let mut dice = Dice(numbers.iter());
    let (folder, mut project, mut left) = (Folder::default(), Project::default(), Vec::new());
    project.models.insert(
        0,
        Model {
            columns: BTreeMap::from([(0, Column::default())]),
            ..Model::default()
        },
    );
    for pull in 0..4 {
        project.change(&mut dice);
        let model = project.model();
        // A value that is temporarily missing from dbt counts as new when it appears again. If dbt no longer has the
        // model of a file, a pull writes only the keys that mark the file: `hidden` and `tags`.
        left.retain(|it| match it {
            Left::Nothing(path, steps) if is_no_longer_generated(&model, path) => {
                !matches!(steps[0].as_str(), "hidden" | "tags")
            }
            Left::Nothing(path, steps) => is_generated(&model, path, steps),
            _ => true,
        });
        let prune = pull == 3 && dice.random_below(4) == 0;
        if prune {
            // A pull that prunes also removes columns that are marked, including their edits.
            let files = folder.omni.read().unwrap();
            left.retain(|it| !is_of_marked(it, &files));
        }
        folder.pull(&model, prune)?;
        // The kind of line ending is unknown if a file has no line breaks.
        left.retain(|it| !matches!(it, Left::Crlf(path) if folder.read_omni_file(path).is_some_and(|text| !text.contains('\n'))));
        check(&folder, &left)?;
        // A second plan is empty, because the pull applied the first plan completely.
        let again = folder.plan(&model, false);
        prop_assert!(again.is_empty(), "{:?}", again);
        // The contents of an unedited file are the generated contents.
        if left.is_empty() {
            let files = folder.omni.read().unwrap();
            let all = model.views.iter().map(|view| (&view.path, &view.text));
            for (path, text) in all.chain(model.topics.iter().map(|topic| (&topic.path, &topic.text))) {
                if pull == 0 {
                    prop_assert_eq!(files.get(path), Some(text));
                } else {
                    let (ours, theirs) = (read(text), read(files.get(path).unwrap()));
                    check_contains(&ours, &theirs)?;
                }
            }
        }
        for number in 0..dice.random_below(4) {
            person(&folder, &mut dice, pull * 10 + number, &mut left);
        }
        check(&folder, &left)?;
    }
    Ok(())
}

/// Checks that the file contains all generated values. The file may also contain marked columns.
fn check_contains(ours: &serde_json::Value, theirs: &serde_json::Value) -> Result<(), TestCaseError> {
    match (ours, theirs) {
        (serde_json::Value::Object(ours), serde_json::Value::Object(theirs)) => {
            for (key, value) in ours {
                prop_assert!(theirs.contains_key(key), "{} is missing", key);
                check_contains(value, &theirs[key])?;
            }
        }
        _ => prop_assert_eq!(ours, theirs),
    }
    Ok(())
}

/// Returns the number of random models. `FORMULAC_OMNI_CASES` sets another number.
fn cases() -> u32 {
    std::env::var("FORMULAC_OMNI_CASES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn edits_survive_any_pull(numbers in prop::collection::vec(any::<u8>(), 0..120)) {
        case(&numbers)?;
    }
}

/// Cases in which random edits have found errors in the past.
#[test]
fn inputs_of_earlier_failures() {
    let all: [&[u8]; 3] = [
        &[
            14, 3, 0, 79, 0, 0, 0, 70, 0, 21, 0, 18, 176, 0, 218, 8, 0, 1, 200, 12, 187, 46, 0, 80, 0, 0, 30, 63, 0,
            24, 233, 11, 246, 133, 0, 0, 4, 0, 0, 218, 0, 92, 0, 252, 189, 0, 16, 12, 57, 0, 0, 132, 0, 0, 40, 65, 0,
            74, 1, 0,
        ],
        &[
            152, 203, 109, 34, 9, 0, 0, 0, 0, 0, 187, 0, 188, 54, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 86, 0, 0, 0, 136,
            88, 39, 0, 0, 72, 0, 0, 48, 17, 0, 12, 0, 0, 4, 53, 0, 4, 12, 98, 0, 0, 34, 0, 0, 0, 100, 0, 0, 4, 146,
            105, 190, 235,
        ],
        &[
            38, 33, 0, 156, 45, 71, 251, 22, 9, 108, 58, 0, 0, 0, 193, 105, 0, 0, 100, 4, 114, 0, 5, 102, 7, 0, 6, 3,
            0, 20, 0, 13, 54, 0, 0, 237, 41, 16, 0, 88, 112, 47, 0, 52, 78, 0, 180, 69, 0, 126, 30, 28, 0, 212, 32, 0,
            75, 0, 6, 0, 0, 24, 42, 59, 107, 2, 0, 0, 0, 0, 0, 0, 0,
        ],
    ];
    for numbers in all {
        case(numbers).unwrap();
    }
}
