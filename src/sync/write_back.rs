//! Transfers hand edits from generated files to the spec that generates them.

use super::hand_edits::{HandEdit, Property};
use super::properties::bare_name;
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits};

/// Returns versions of the spec that may contain the edit, best first. The caller must compile a version to check
/// whether it contains the edit. Empty if no spec can express the edit.
pub(super) fn spec_candidates(source: &str, hand: &HandEdit) -> Vec<String> {
    let (before, after) = &hand.values;
    match (hand.property, after) {
        (Property::Description, Some(YamlValue::Text(text))) => {
            description_candidates(source, hand.definition.as_deref(), bare_name(text))
        }
        (Property::Tests, after) => {
            let Some(column) = &hand.definition else {
                return Vec::new();
            };
            let tests = column_key_path(column, "data_tests");
            let edits = match (before, after) {
                (None, Some(item)) => add_item_edits(source, &tests, item),
                (Some(YamlValue::Text(item)), None) => vec![Edit::Remove {
                    at: key_path(&tests).scalar(item),
                }],
                _ => return Vec::new(),
            };
            edits
                .into_iter()
                .filter_map(|one| apply_edits(source, &[one]).ok())
                .collect()
        }
        (Property::Config, after) => {
            let places: Vec<Vec<String>> = match &hand.definition {
                Some(column) => vec![column_key_path(column, &hand.detail)],
                None => vec![
                    vec![hand.detail.clone()],
                    vec!["config".to_owned(), hand.detail.clone()],
                ],
            };
            let edits = places.iter().flat_map(|keys| match after {
                Some(value) => set_edits(source, keys, value),
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
    let mut texts: Vec<String> = with_comment_above(source, column, text).into_iter().collect();
    let keys = column_key_path(column, "description");
    texts.extend(
        set_edits(source, &keys, &value)
            .into_iter()
            .filter_map(|one| apply_edits(source, &[one]).ok()),
    );
    let in_definitions = ["definitions".to_owned(), column.to_owned(), "description".to_owned()];
    texts.extend(apply_edits(
        source,
        &[Edit::Set {
            at: key_path(&in_definitions),
            value,
            after: vec!["formula".to_owned()],
        }],
    ));
    texts
}

/// Returns the spec with a new `///` comment above a definition in its text block, if the definition already has
/// such a comment.
fn with_comment_above(source: &str, name: &str, text: &str) -> Option<String> {
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
    if above == 0 {
        return None;
    }
    let line = lines.get(at)?;
    let indent = line.get(..line.len() - line.trim_start().len())?;
    let end = if line.ends_with("\r\n") { "\r\n" } else { "\n" };
    let comment: String = text
        .lines()
        .map(|line| format!("{indent}/// {line}").trim_end().to_owned() + end)
        .collect();
    Some([lines.get(..at - above)?.concat(), comment, lines.get(at..)?.concat()].concat())
}

fn column_key_path(column: &str, key: &str) -> Vec<String> {
    ["columns", column, key].map(str::to_owned).to_vec()
}

fn key_path(keys: &[String]) -> Path {
    keys.iter().fold(Path::root(), formulac_yaml_edit::Path::key)
}

/// Returns the edits that set a key, one edit for each path whose remaining keys may be missing.
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
            at: key_path(&keys[..count]),
            value: wrapped(count),
            after: Vec::new(),
        })
        .collect();
    // Edits with shorter paths would replace existing values, so they are kept only if the key at that path is missing.
    edits.retain(|one| match one {
        Edit::Set { at, .. } if at.steps().len() < keys.len() => {
            apply_edits(source, &[Edit::Remove { at: at.clone() }]).is_err()
        }
        _ => true,
    });
    edits
}

/// Returns the edits that add an item to a list, or that create the list if it is missing.
fn add_item_edits(source: &str, keys: &[String], item: &YamlValue) -> Vec<Edit> {
    let mut edits = vec![Edit::Add {
        to: key_path(keys),
        value: item.clone(),
    }];
    edits.extend(
        set_edits(source, keys, &YamlValue::list(vec![item.clone()]))
            .into_iter()
            .filter(|one| match one {
                Edit::Set { at, .. } => apply_edits(source, &[Edit::Remove { at: at.clone() }]).is_err(),
                _ => false,
            }),
    );
    edits
}
