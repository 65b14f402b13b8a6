//! Transfers hand edits from generated files to the spec that generates them.

use super::hand_edits::{HandEdit, Property};
use super::properties::bare_name;
use crate::yaml_edit::{Edit, Path, YamlValue, edit};

/// Returns versions of the spec that may contain the edit, best first. The caller must compile a version to check it.
/// Empty if no spec can express the edit.
pub(super) fn candidates(source: &str, hand: &HandEdit) -> Vec<String> {
    let (before, after) = &hand.values;
    match (hand.property, after) {
        (Property::Description, Some(YamlValue::Text(text))) => {
            descriptions(source, hand.definition.as_deref(), bare_name(text))
        }
        (Property::Tests, after) => {
            let Some(column) = &hand.definition else {
                return Vec::new();
            };
            let tests = below_column(column, "data_tests");
            let edits = match (before, after) {
                (None, Some(item)) => added(source, &tests, item),
                (Some(YamlValue::Text(item)), None) => vec![Edit::Remove {
                    at: path(&tests).scalar(item),
                }],
                _ => return Vec::new(),
            };
            edits.into_iter().filter_map(|one| edit(source, &[one]).ok()).collect()
        }
        (Property::Config, after) => {
            let places: Vec<Vec<String>> = match &hand.definition {
                Some(column) => vec![below_column(column, &hand.detail)],
                None => vec![
                    vec![hand.detail.clone()],
                    vec!["config".to_owned(), hand.detail.clone()],
                ],
            };
            let edits = places.iter().flat_map(|keys| match after {
                Some(value) => set(source, keys, value),
                None => vec![Edit::Remove { at: path(keys) }],
            });
            edits.filter_map(|one| edit(source, &[one]).ok()).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the spec with each possible way to describe a column or the model.
fn descriptions(source: &str, column: Option<&str>, text: &str) -> Vec<String> {
    let value = YamlValue::text(text);
    let Some(column) = column else {
        let at = Path::root().key("description");
        let first = Edit::Set {
            at,
            value,
            after: vec!["model".to_owned()],
        };
        return edit(source, &[first]).into_iter().collect();
    };
    // The place of the current description is tried first.
    let mut texts: Vec<String> = comment_above(source, column, text).into_iter().collect();
    let keys = below_column(column, "description");
    texts.extend(
        set(source, &keys, &value)
            .into_iter()
            .filter_map(|one| edit(source, &[one]).ok()),
    );
    let in_definitions = ["definitions".to_owned(), column.to_owned(), "description".to_owned()];
    texts.extend(edit(
        source,
        &[Edit::Set {
            at: path(&in_definitions),
            value,
            after: vec!["formula".to_owned()],
        }],
    ));
    texts
}

/// Returns the spec with a new `///` comment above a definition in its text block, if the definition already has
/// such a comment.
fn comment_above(source: &str, name: &str, text: &str) -> Option<String> {
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

fn below_column(column: &str, key: &str) -> Vec<String> {
    ["columns", column, key].map(str::to_owned).to_vec()
}

fn path(keys: &[String]) -> Path {
    keys.iter().fold(Path::root(), formulac_yaml_edit::Path::key)
}

/// Returns the edits that set a key: one edit per path whose remaining keys may be missing.
fn set(source: &str, keys: &[String], value: &YamlValue) -> Vec<Edit> {
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
            at: path(&keys[..count]),
            value: wrapped(count),
            after: Vec::new(),
        })
        .collect();
    // Edits with shorter paths would replace existing values, so they are kept only if the key at that path is missing.
    edits.retain(|one| match one {
        Edit::Set { at, .. } if at.steps().len() < keys.len() => {
            edit(source, &[Edit::Remove { at: at.clone() }]).is_err()
        }
        _ => true,
    });
    edits
}

/// Returns the edits that add an item to a list, or that create the list if it is missing.
fn added(source: &str, keys: &[String], item: &YamlValue) -> Vec<Edit> {
    let mut edits = vec![Edit::Add {
        to: path(keys),
        value: item.clone(),
    }];
    edits.extend(
        set(source, keys, &YamlValue::list(vec![item.clone()]))
            .into_iter()
            .filter(|one| match one {
                Edit::Set { at, .. } => edit(source, &[Edit::Remove { at: at.clone() }]).is_err(),
                _ => false,
            }),
    );
    edits
}
