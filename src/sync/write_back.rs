//! Transfers manual edits from generated files to the spec that generates them.

use std::collections::HashMap;
use std::ops::Range;

use super::manual_edits::{ManualEdit, Property};
use super::properties::render_yaml_strings;
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits, parse_value};

/// Maximum number of data tests in a list that are examined for the test that a user removed.
const MAX_TRIED_TESTS: usize = 20;

/// Edit to a spec that may transfer a manual edit.
pub(super) enum SpecEdit {
    /// Edit to a value of the spec.
    Value(Edit),
    /// New `///` comment above a definition in a text block. It replaces the existing `///` comment.
    Comment { definition: String, text: String },
}

/// Returns versions of the spec that may contain the edit, best first. The caller must compile a version to check
/// whether it contains the edit. Empty if no spec can express the edit.
pub(super) fn specs_with_transferred_edit(source: &str, manual_edit: &ManualEdit) -> Vec<String> {
    let edits = spec_edits(source, parse_value(source).as_ref(), manual_edit);
    let candidates = edits.into_iter().map(|edit| apply_spec_edits(source, vec![edit]));
    candidates.flatten().collect()
}

/// Returns edits to the spec, each of which may transfer a manual edit, best first. `root` is the value of the spec.
pub(super) fn spec_edits(source: &str, root: Option<&YamlValue>, manual_edit: &ManualEdit) -> Vec<SpecEdit> {
    let (before, after) = &manual_edit.values;
    let column = manual_edit.definition.as_deref();
    match (manual_edit.property, after) {
        (Property::Description, Some(value)) => match render_yaml_strings(value) {
            Some(YamlValue::Text(text)) => description_edits(source, root, column, &text),
            _ => Vec::new(),
        },
        (Property::Tests, _) => {
            let edits = match (before, after) {
                (None, Some(item)) => add_test_edits(root, column, item),
                (Some(item), None) => remove_test_edits(source, root, column, item),
                _ => return Vec::new(),
            };
            edits.into_iter().map(SpecEdit::Value).collect()
        }
        (Property::Config, after) => {
            let places: Vec<Vec<String>> = match &manual_edit.definition {
                Some(column) => {
                    let in_definition = ["definitions", column, &manual_edit.detail].map(str::to_owned).to_vec();
                    let exists = value_at_key_path(root, &in_definition).is_some();
                    let in_definition = Some(in_definition).filter(|_| exists);
                    let in_columns = column_key_path(column, &manual_edit.detail);
                    in_definition.into_iter().chain([in_columns]).collect()
                }
                None => vec![
                    vec![manual_edit.detail.clone()],
                    vec!["config".to_owned(), manual_edit.detail.clone()],
                ],
            };
            // Some keys of a spec contain text, and others contain Jinja for dbt, so try both forms of the value.
            let text = after
                .as_ref()
                .and_then(render_yaml_strings)
                .filter(|text| Some(text) != after.as_ref());
            let edits = places.iter().flat_map(|keys| match after {
                Some(value) => [Some(value), text.as_ref()]
                    .into_iter()
                    .flatten()
                    .flat_map(|value| edits_that_set_key(root, keys, value))
                    .collect(),
                None => vec![Edit::Remove {
                    at: yaml_key_path(keys),
                }],
            });
            edits.map(SpecEdit::Value).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the spec with edits. `None` if an edit is refused, or if two edits concern the same value.
pub(super) fn apply_spec_edits(source: &str, edits: Vec<SpecEdit>) -> Option<String> {
    let (mut values, mut comments) = (Vec::new(), Vec::new());
    // Several edits may create the same key.
    let mut created: HashMap<Path, usize> = HashMap::new();
    for edit in edits {
        match edit {
            SpecEdit::Comment { definition, text } => comments.push((definition, text)),
            SpecEdit::Value(Edit::Set { at, value, after }) => match created.get(&at) {
                Some(index) => match values.get_mut(*index) {
                    Some(Edit::Set { value: first, .. }) => merge_yaml_values(first, value)?,
                    _ => return None,
                },
                None => {
                    created.insert(at.clone(), values.len());
                    values.push(Edit::Set { at, value, after });
                }
            },
            SpecEdit::Value(edit) => values.push(edit),
        }
    }
    let text = match values.as_slice() {
        [] => source.to_owned(),
        values => apply_edits(source, values).ok()?,
    };
    comments.iter().try_fold(text, |text, (definition, comment)| {
        with_comment_above(&text, definition, comment)
    })
}

/// Merges a YAML value into another: adds the keys of mappings, including nested mappings, and appends the items of
/// lists. `None` if the values are not both mappings or both lists.
fn merge_yaml_values(first: &mut YamlValue, other: YamlValue) -> Option<()> {
    match (first, other) {
        (YamlValue::Map(pairs, _), YamlValue::Map(others, _)) => {
            others
                .into_iter()
                .try_for_each(|(key, value)| match pairs.iter_mut().find(|(own, _)| *own == key) {
                    Some((_, own)) => merge_yaml_values(own, value),
                    None => {
                        pairs.push((key, value));
                        Some(())
                    }
                })
        }
        (YamlValue::List(items, _), YamlValue::List(others, _)) => {
            items.extend(others);
            Some(())
        }
        _ => None,
    }
}

/// Returns an edit for each possible way to describe a column or the model.
fn description_edits(source: &str, root: Option<&YamlValue>, column: Option<&str>, text: &str) -> Vec<SpecEdit> {
    let value = YamlValue::text(text);
    let Some(column) = column else {
        let at = Path::root().key("description");
        let after = vec!["model".to_owned()];
        return vec![SpecEdit::Value(Edit::Set { at, value, after })];
    };
    // Try the current location of the description first.
    let in_definitions = ["definitions".to_owned(), column.to_owned(), "description".to_owned()];
    let in_definition = || {
        let is_mapping = matches!(
            value_at_key_path(root, in_definitions.get(..2)?),
            Some(YamlValue::Map(..))
        );
        is_mapping.then(|| {
            SpecEdit::Value(Edit::Set {
                at: yaml_key_path(&in_definitions),
                value: value.clone(),
                after: vec!["formula".to_owned()],
            })
        })
    };
    let comment_lines = comment_lines(source, column);
    let has_comment = comment_lines.as_ref().is_some_and(|lines| !lines.is_empty());
    let comment = comment_lines.map(|_| SpecEdit::Comment {
        definition: column.to_owned(),
        text: text.to_owned(),
    });
    let (replaced, added) = if has_comment { (comment, None) } else { (None, comment) };
    let has_description = value_at_key_path(root, &in_definitions).is_some();
    // If the spec has the key `columns`, prefer this key, so that the properties of a column stay together.
    let is_listed = value_at_key_path(root, &["columns".to_owned()]).is_some();
    let mut edits: Vec<SpecEdit> = replaced.into_iter().collect();
    edits.extend(in_definition().filter(|_| has_description));
    edits.extend(added.filter(|_| !is_listed));
    let in_columns = edits_that_set_key(root, &column_key_path(column, "description"), &value);
    edits.extend(in_columns.into_iter().map(SpecEdit::Value));
    edits.extend(in_definition());
    edits
}

/// Returns the value at a path of keys.
fn value_at_key_path<'v>(root: Option<&'v YamlValue>, keys: &[String]) -> Option<&'v YamlValue> {
    keys.iter().try_fold(root?, |value, key| value.get(key))
}

/// Returns the line numbers, starting at 0, of the `///` comment above a definition in a text block. The range is empty
/// if there is no comment.
fn comment_lines(source: &str, name: &str) -> Option<Range<usize>> {
    let is_definition = |line: &str| {
        let rest = line.trim_start().strip_prefix(name).map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with('=') && !rest.starts_with("=="))
    };
    let mut start = 0;
    for (number, line) in source.lines().enumerate() {
        if is_definition(line) {
            return Some(start..number);
        }
        if !line.trim_start().starts_with("///") {
            start = number + 1;
        }
    }
    None
}

/// Returns the spec with a new `///` comment above a definition in its text block, in place of the existing `///`
/// comment.
fn with_comment_above(source: &str, name: &str, text: &str) -> Option<String> {
    let above = comment_lines(source, name)?;
    let lines: Vec<&str> = source.split_inclusive('\n').collect();
    let line = lines.get(above.end)?;
    let indent = line.get(..line.len() - line.trim_start().len())?;
    let end = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
    let comment: String = text
        .lines()
        .map(|line| format!("{indent}/// {line}").trim_end().to_owned() + end)
        .collect();
    Some(
        [
            lines.get(..above.start)?.concat(),
            comment,
            lines.get(above.end..)?.concat(),
        ]
        .concat(),
    )
}

fn column_key_path(column: &str, key: &str) -> Vec<String> {
    ["columns", column, key].map(str::to_owned).to_vec()
}

fn yaml_key_path<'k>(keys: impl IntoIterator<Item = &'k String>) -> Path {
    keys.into_iter().fold(Path::root(), formulac_yaml_edit::Path::key)
}

/// Returns the possible edits that set a key: an edit at the key itself or, if a parent key is missing, an edit that
/// adds the parent key with the keys under it.
fn edits_that_set_key(root: Option<&YamlValue>, keys: &[String], value: &YamlValue) -> Vec<Edit> {
    let wrapped = |from: usize| {
        let below = keys.get(from..).unwrap_or_default();
        below
            .iter()
            .rev()
            .fold(value.clone(), |value, key| YamlValue::map([(key.clone(), value)]))
    };
    // An edit with a shorter path would replace existing values, so this edit is used only if the key at that path is
    // missing.
    let is_possible = |count: &usize| {
        let has_parent = value_at_key_path(root, keys.get(..count - 1).unwrap_or_default()).is_some();
        has_parent
            && (*count == keys.len() || value_at_key_path(root, keys.get(..*count).unwrap_or_default()).is_none())
    };
    let counts = (1..=keys.len()).rev().filter(is_possible);
    let edit = |count: usize| Edit::Set {
        at: yaml_key_path(keys.iter().take(count)),
        value: wrapped(count),
        after: Vec::new(),
    };
    counts.map(edit).collect()
}

/// Returns the paths of the lists that may contain the data tests of a column or of the model, the preferred path
/// first.
fn possible_test_list_paths(column: Option<&str>) -> Vec<Vec<String>> {
    let lists = |above: &[&str]| {
        let list = |key| above.iter().chain([&key]).map(|key| (*key).to_owned()).collect();
        ["data_tests", "tests"].map(list)
    };
    match column {
        Some(column) => [lists(&["columns", column]), lists(&["definitions", column])].concat(),
        None => lists(&[]).to_vec(),
    }
}

/// Returns the edits that add a data test to an existing list, or that create the list.
fn add_test_edits(root: Option<&YamlValue>, column: Option<&str>, item: &YamlValue) -> Vec<Edit> {
    let lists = possible_test_list_paths(column);
    let is_there = |keys: &&Vec<String>| value_at_key_path(root, keys).is_some();
    let mut edits: Vec<Edit> = lists
        .iter()
        .filter(is_there)
        .map(|keys| Edit::Add {
            to: yaml_key_path(keys),
            value: item.clone(),
        })
        .collect();
    if let Some(preferred) = lists.first().filter(|keys| !is_there(keys)) {
        edits.extend(edits_that_set_key(
            root,
            preferred,
            &YamlValue::list(vec![item.clone()]),
        ));
    }
    edits
}

/// Returns the edits that remove one data test, equal items first. The arguments of a test may be written differently
/// in the spec and in the file.
fn remove_test_edits(source: &str, root: Option<&YamlValue>, column: Option<&str>, item: &YamlValue) -> Vec<Edit> {
    let Some(root) = root else { return Vec::new() };
    let (mut equal, mut others) = (Vec::new(), Vec::new());
    for keys in possible_test_list_paths(column) {
        let Some(YamlValue::List(items, _)) = value_at_key_path(Some(root), &keys) else {
            continue;
        };
        if items.len() == 1 {
            equal.extend(remove_list_edit(source, root, &keys));
        }
        for (position, own) in items.iter().enumerate().take(MAX_TRIED_TESTS) {
            let at = yaml_key_path(&keys).position(position);
            let edits = if own.is_same_value(item) {
                &mut equal
            } else {
                &mut others
            };
            edits.push(Edit::Remove { at });
        }
    }
    equal.extend(others);
    equal
}

/// Returns versions of the spec in which one of its rules has a different severity.
pub(super) fn with_rule_severity(source: &str, severity: Option<&str>) -> Vec<String> {
    let root = parse_value(source);
    let Some(YamlValue::List(rules, _)) = root.as_ref().and_then(|root| root.get("rules")) else {
        return Vec::new();
    };
    let with_severity = |number: usize| {
        let at = Path::root().key("rules").position(number).key("severity");
        let edit = match severity {
            Some(severity) => Edit::Set {
                at,
                value: YamlValue::text(severity),
                after: vec!["check".to_owned(), "name".to_owned()],
            },
            None => Edit::Remove { at },
        };
        apply_edits(source, &[edit]).ok()
    };
    (0..rules.len().min(MAX_TRIED_TESTS))
        .filter_map(with_severity)
        .collect()
}

/// Returns the edit that removes a list, with the mappings that contain nothing else. `None` if a comment would be
/// lost.
fn remove_list_edit(source: &str, root: &YamlValue, keys: &[String]) -> Option<Edit> {
    let has_one_key = |count: usize| {
        let mapping = keys.iter().take(count).try_fold(root, |value, key| value.get(key));
        matches!(mapping, Some(YamlValue::Map(pairs, _)) if pairs.len() == 1)
    };
    let count = (1..keys.len()).rev().take_while(|count| has_one_key(*count)).last();
    let at = yaml_key_path(keys.iter().take(count.unwrap_or(keys.len())));
    let edit = Edit::Remove { at };
    let removed = apply_edits(source, std::slice::from_ref(&edit)).ok()?;
    let comments = |text: &str| text.matches('#').count();
    (comments(&removed) == comments(source)).then_some(edit)
}
