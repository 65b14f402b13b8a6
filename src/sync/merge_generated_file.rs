//! Merges a newly generated file with the existing file. The merge keeps the existing file's layout and the edits that
//! no spec can express.

use super::manual_edits::ModelFileKind;
use super::{lines, state};
use crate::dbt::{copy_header, recorded_hashes, strip_added_config};
use crate::decompile::{self, MergeConflict, SqlEdits};
use crate::dialect::Dialect;
use crate::yaml::{self, Node};
use crate::yaml_edit::{Edit, Path, Rules, YamlValue, apply_edits, merge};
use std::ops::Range;

/// Merges three versions of a file: the text that formulac wrote last, the newly generated text, and the text in the
/// file. Returns `None` if both sides changed the same part.
pub(super) fn merge_generated_file(path: &str, model: &str, dialect: Dialect, texts: [&str; 3]) -> Option<String> {
    let [base, ours, found] = texts;
    match ModelFileKind::new(path, model) {
        ModelFileKind::Properties => merge_properties(model, texts),
        ModelFileKind::Docs => lines::merge(base, ours, found),
        ModelFileKind::Model | ModelFileKind::Test => decompile::merge(base, ours, found, dialect).or_else(|| {
            let [base, found] = [base, found].map(|text| copy_header(text, ours));
            let merged = lines::merge(&base, ours, &found)?;
            Some(decompile::restore_missing_comments(merged, &found, dialect))
        }),
    }
}

/// Returns the parts that [`merge_generated_file`] cannot merge: parts of the query, or lines if no part of the query
/// is affected.
pub(super) fn file_merge_conflicts(
    path: &str,
    model: &str,
    dialect: Dialect,
    [base, ours, found]: [&str; 3],
) -> Vec<MergeConflict> {
    let of_query = match ModelFileKind::new(path, model) {
        ModelFileKind::Model | ModelFileKind::Test => decompile::query_merge_conflicts(base, ours, found, dialect),
        ModelFileKind::Properties | ModelFileKind::Docs => Vec::new(),
    };
    if !of_query.is_empty() {
        return of_query;
    }
    let [base, found] = [base, found].map(|text| copy_header(text, ours));
    let line = |theirs: &str| 1 + found.find(theirs).map_or(0, |at| found[..at].matches('\n').count());
    let of_lines = lines::conflicts(&base, ours, &found).into_iter();
    of_lines
        .map(|[base, ours, theirs]| MergeConflict::new("these lines", line(&theirs), [base, ours, theirs]))
        .collect()
}

/// Formats a generated file with the layout and the comments of the existing file. Returns `None` if somebody made
/// other edits to the existing file, because formulac would undo those edits.
///
/// ```
/// use formulac_catalog::Dialect;
/// use formulac_model::Compiler;
/// use formulac_sync::with_layout_from;
///
/// let made = |formula: &str| {
///     let spec = format!("model: m\nfrom: t\ngroup_by: g\ndefinitions: |\n  a = {formula}\n  b = MIN(y)\n");
///     Compiler::default().compile_spec(&spec).model_sql().unwrap().to_owned()
/// };
/// let found = made("MAX(x)").replace("min(y) as b", "MIN(y) AS b -- the first");
/// let new = with_layout_from("m.sql", &found, &made("MIN(x)"), Dialect::default()).unwrap();
/// assert!(new.contains("min(x) as a") && new.contains("MIN(y) AS b -- the first"), "{new}");
/// assert_eq!(with_layout_from("m.sql", &found.replace("y", "z"), &made("MIN(x)"), Dialect::default()), None);
/// ```
#[must_use]
pub fn with_layout_from(path: &str, actual: &str, generated: &str, dialect: Dialect) -> Option<String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let model = name.split_once('.').map_or(name, |(model, _)| model);
    let text = state::normalize_line_endings(actual);
    let made = state::normalize_line_endings(generated);
    // A formatter may move columns, but must not change anything else.
    let in_order = || strip_added_config(&decompile::with_column_order_of(&text, &made, dialect)?);
    let merged = match strip_added_config(&text).or_else(in_order) {
        Some(was) => merge_generated_file(path, model, dialect, [&was, &made, &text])?,
        // A user may have made the same edit by hand.
        None if made == text || path.ends_with(".sql") && SqlEdits::from_texts(&made, &text, dialect).is_empty() => {
            text
        }
        None => return None,
    };
    Some(if actual.contains("\r\n") {
        merged.replace('\n', "\r\n")
    } else {
        merged
    })
}

/// Merges properties by value. Columns that are no longer generated are removed with their comments. The hashes of the
/// newly generated properties are written to all three versions, so that the hashes never cause a conflict.
fn merge_properties(model: &str, [base, ours, found]: [&str; 3]) -> Option<String> {
    // The name of the file can differ from the name of the model.
    let described =
        yaml::parse_root(ours).and_then(|root| root.items_at("models").first()?.text_at("name").map(str::to_owned));
    let model = described.as_deref().unwrap_or(model);
    let rules = Rules::new()
        .list("models", &["name"])
        .list("models.*.columns", &["name"])
        .list("unit_tests", &["name"])
        .remove_commented_values();
    let [base, found] =
        [base, found].map(|text| with_hashes_from(&with_test_keys_from(text, ours, model), ours, model));
    let merged = merge(Some(&base), &found, ours, &rules).ok()?;
    merged.kept.is_empty().then(|| copy_header(&merged.text, ours))
}

/// Replaces the key `tests` of the model and its columns with `data_tests` if the new file uses `data_tests`, because
/// dbt rejects files with both keys.
fn with_test_keys_from(text: &str, other: &str, model: &str) -> String {
    fn entry<'n>(list: &'n Node, name: &str) -> Option<&'n Node> {
        list.items()?.iter().find(|entry| entry.text_at("name") == Some(name))
    }
    let roots = yaml::parse_root(text).zip(yaml::parse_root(other));
    let models = roots
        .as_ref()
        .map(|(node, new)| [node, new].map(|root| entry(root.get("models")?, model)));
    let Some([Some(found), Some(new)]) = models else {
        return text.to_owned();
    };
    let columns = found.items_at("columns").iter().filter_map(|column| {
        let new = entry(new.get("columns")?, column.text_at("name")?)?;
        Some((column, new))
    });
    let mut keys: Vec<Range<usize>> = std::iter::once((found, new))
        .chain(columns)
        .filter(|(node, new)| new.get("data_tests").is_some() && node.get("data_tests").is_none())
        .filter_map(|(node, _)| {
            let (key, _) = node.pairs()?.iter().find(|(key, _)| key.text() == Some("tests"))?;
            Some(key.span.start as usize..key.span.end as usize)
        })
        .collect();
    keys.sort_by_key(|range| range.start);
    let mut out = text.to_owned();
    keys.into_iter()
        .rev()
        .for_each(|key| out.replace_range(key, "data_tests"));
    out
}

/// Replaces the hashes in a properties file with the hashes recorded in `other`.
fn with_hashes_from(text: &str, other: &str, model: &str) -> String {
    recorded_hashes(other).into_iter().fold(text.to_owned(), |text, noted| {
        let node = Path::root().key("models").item("name", model);
        let node = match noted.column {
            Some(column) => node.key("columns").item("name", column),
            None => node,
        };
        // Some of the parent keys may be missing, so the most specific path is tried first.
        let set = |count: usize| {
            let (above, below) = noted.keys.split_at(count);
            let at = above.iter().fold(node.clone(), |path, key| path.key(*key));
            let value = below.iter().rev().fold(YamlValue::text(&noted.hash), |value, key| {
                YamlValue::map([(*key, value)])
            });
            apply_edits(
                &text,
                &[Edit::Set {
                    at,
                    value,
                    after: vec!["description".to_owned(), "name".to_owned()],
                }],
            )
            .ok()
        };
        (1..=noted.keys.len()).rev().find_map(set).unwrap_or(text)
    })
}
