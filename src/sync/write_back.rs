//! Transfers hand edits from generated files to the spec that generates them.

use super::hand_edits::{HandEdit, Property};
use super::properties::rendered_value;
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits, value as yaml_value};

/// Maximum number of data tests in a list that are examined for the test that a user removed.
const MAX_TRIED_TESTS: usize = 20;

/// Returns versions of the spec that may contain the edit, best first. The caller must compile a version to check
/// whether it contains the edit. Empty if no spec can express the edit.
pub(super) fn spec_candidates(source: &str, hand: &HandEdit) -> Vec<String> {
    let (before, after) = &hand.values;
    match (hand.property, after) {
        (Property::Description, Some(value)) => match rendered_value(value) {
            Some(YamlValue::Text(text)) => description_candidates(source, hand.definition.as_deref(), &text),
            _ => Vec::new(),
        },
        (Property::Tests, _) => {
            let edits = match (before, after) {
                (None, Some(item)) => add_test_edits(source, hand.definition.as_deref(), item),
                (Some(item), None) => remove_test_edits(source, hand.definition.as_deref(), item),
                _ => return Vec::new(),
            };
            edits
                .into_iter()
                .filter_map(|one| apply_edits(source, &[one]).ok())
                .collect()
        }
        (Property::Config, after) => {
            let places: Vec<Vec<String>> = match &hand.definition {
                Some(column) => {
                    let in_definition = ["definitions", column, &hand.detail].map(str::to_owned).to_vec();
                    let is_there = has_key(source, &in_definition);
                    let in_definition = Some(in_definition).filter(|_| is_there);
                    let in_columns = column_key_path(column, &hand.detail);
                    in_definition.into_iter().chain([in_columns]).collect()
                }
                None => vec![
                    vec![hand.detail.clone()],
                    vec!["config".to_owned(), hand.detail.clone()],
                ],
            };
            // Some keys of a spec contain text, others contain Jinja for dbt.
            let text = after
                .as_ref()
                .and_then(rendered_value)
                .filter(|text| Some(text) != after.as_ref());
            let edits = places.iter().flat_map(|keys| match after {
                Some(value) => [Some(value), text.as_ref()]
                    .into_iter()
                    .flatten()
                    .flat_map(|value| set_edits(source, keys, value))
                    .collect(),
                None => vec![Edit::Remove { at: key_path(keys) }],
            });
            edits.filter_map(|one| apply_edits(source, &[one]).ok()).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the spec with each possible way to describe a column or the model.
fn description_candidates(source: &str, column: Option<&str>, text: &str) -> Vec<String> {
    let value = YamlValue::text(text);
    let Some(column) = column else {
        let at = Path::root().key("description");
        let first = Edit::Set {
            at,
            value,
            after: vec!["model".to_owned()],
        };
        return apply_edits(source, &[first]).into_iter().collect();
    };
    // Try the current location of the description first.
    let in_definitions = ["definitions".to_owned(), column.to_owned(), "description".to_owned()];
    let in_definition = apply_edits(
        source,
        &[Edit::Set {
            at: key_path(&in_definitions),
            value: value.clone(),
            after: vec!["formula".to_owned()],
        }],
    );
    let comment = with_comment_above(source, column, text);
    let has_comment = comment.as_ref().is_some_and(|(_, replaces)| *replaces);
    let comment = comment.map(|(text, _)| text);
    let mut texts: Vec<String> = comment.clone().into_iter().filter(|_| has_comment).collect();
    let is_there = has_key(source, &in_definitions);
    texts.extend(in_definition.clone().into_iter().filter(|_| is_there));
    let keys = column_key_path(column, "description");
    // If the spec has the key `columns`, prefer this key, so that the properties of a column stay together.
    let is_listed = has_key(source, &["columns".to_owned()]);
    texts.extend(comment.into_iter().filter(|_| !has_comment && !is_listed));
    texts.extend(
        set_edits(source, &keys, &value)
            .into_iter()
            .filter_map(|one| apply_edits(source, &[one]).ok()),
    );
    texts.extend(in_definition);
    texts
}

/// Returns whether a YAML file contains the key at a path.
fn has_key(source: &str, keys: &[String]) -> bool {
    let root = yaml_value(source);
    let value_at_keys = keys.iter().try_fold(root.as_ref(), |value, key| Some(value?.get(key)));
    value_at_keys.flatten().is_some()
}

/// Returns the spec with a new `///` comment above a definition in its text block, and whether the new comment replaces
/// an existing `///` comment.
fn with_comment_above(source: &str, name: &str, text: &str) -> Option<(String, bool)> {
    let is_definition = |line: &str| {
        let rest = line.trim_start().strip_prefix(name).map(str::trim_start);
        rest.is_some_and(|rest| rest.starts_with('=') && !rest.starts_with("=="))
    };
    let lines: Vec<&str> = source.split_inclusive('\n').collect();
    let at = lines.iter().position(|line| is_definition(line))?;
    let above = lines
        .get(..at)?
        .iter()
        .rev()
        .take_while(|line| line.trim_start().starts_with("///"))
        .count();
    let line = lines.get(at)?;
    let indent = line.get(..line.len() - line.trim_start().len())?;
    let end = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
    let comment: String = text
        .lines()
        .map(|line| format!("{indent}/// {line}").trim_end().to_owned() + end)
        .collect();
    let text = [lines.get(..at - above)?.concat(), comment, lines.get(at..)?.concat()].concat();
    Some((text, above > 0))
}

fn column_key_path(column: &str, key: &str) -> Vec<String> {
    ["columns", column, key].map(str::to_owned).to_vec()
}

fn key_path<'k>(keys: impl IntoIterator<Item = &'k String>) -> Path {
    keys.into_iter().fold(Path::root(), formulac_yaml_edit::Path::key)
}

/// Returns the edits that may set a key: an edit at the key itself and, for each missing parent key, an edit that adds
/// the parent key with the keys under it.
fn set_edits(source: &str, keys: &[String], value: &YamlValue) -> Vec<Edit> {
    let wrapped = |from: usize| {
        let below = keys.get(from..).unwrap_or_default();
        below
            .iter()
            .rev()
            .fold(value.clone(), |value, key| YamlValue::map([(key.clone(), value)]))
    };
    let mut edits: Vec<Edit> = (1..=keys.len())
        .rev()
        .map(|count| Edit::Set {
            at: key_path(keys.iter().take(count)),
            value: wrapped(count),
            after: Vec::new(),
        })
        .collect();
    // An edit with a shorter path would replace existing values, so this edit is kept only if the key at that path is
    // missing.
    edits.retain(|one| match one {
        Edit::Set { at, .. } if at.steps().len() < keys.len() => {
            apply_edits(source, &[Edit::Remove { at: at.clone() }]).is_err()
        }
        _ => true,
    });
    edits
}

/// Returns the paths of the lists that may contain the data tests of a column or of the model, the preferred path
/// first.
fn test_lists(column: Option<&str>) -> Vec<Vec<String>> {
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
fn add_test_edits(source: &str, column: Option<&str>, item: &YamlValue) -> Vec<Edit> {
    let lists = test_lists(column);
    let mut edits: Vec<Edit> = lists
        .iter()
        .map(|keys| Edit::Add {
            to: key_path(keys),
            value: item.clone(),
        })
        .collect();
    let preferred = lists.first().map(Vec::as_slice).unwrap_or_default();
    let created = set_edits(source, preferred, &YamlValue::list(vec![item.clone()]));
    edits.extend(created.into_iter().filter(|one| match one {
        Edit::Set { at, .. } => apply_edits(source, &[Edit::Remove { at: at.clone() }]).is_err(),
        _ => false,
    }));
    edits
}

/// Returns the edits that remove one data test, equal items first. The arguments of a test may be written differently
/// in the spec and in the file.
fn remove_test_edits(source: &str, column: Option<&str>, item: &YamlValue) -> Vec<Edit> {
    let Some(root) = yaml_value(source) else {
        return Vec::new();
    };
    let (mut equal, mut others) = (Vec::new(), Vec::new());
    for keys in test_lists(column) {
        let list = keys.iter().try_fold(&root, |value, key| value.get(key));
        let Some(YamlValue::List(items, _)) = list else {
            continue;
        };
        if items.len() == 1 {
            equal.extend(remove_list_edit(source, &root, &keys));
        }
        for (position, own) in items.iter().enumerate().take(MAX_TRIED_TESTS) {
            let at = key_path(&keys).position(position);
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
    let root = yaml_value(source);
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
    let at = key_path(keys.iter().take(count.unwrap_or(keys.len())));
    let edit = Edit::Remove { at };
    let removed = apply_edits(source, std::slice::from_ref(&edit)).ok()?;
    let comments = |text: &str| text.matches('#').count();
    (comments(&removed) == comments(source)).then_some(edit)
}
