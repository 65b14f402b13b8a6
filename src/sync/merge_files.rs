//! Merges the files of a model with the files that its spec now generates.

use std::collections::BTreeMap;

use super::conflict::Conflict;
use super::lines;
use super::manual_edits::{ManualEdit, ModelFileKind, Property};
use super::merge_generated_file::{file_merge_conflicts, merge_generated_file};
use super::reconcile::ModelVersions;
use super::renamed_ctes::SqlWithRenamedCtes;
use super::renamed_definitions::{RenamedDefinition, with_current_column_names};
use super::state::normalize_line_endings;
use crate::dbt::{is_same_except_path, is_unmodified};
use crate::decompile::{
    FilePartPosition, MergeConflict, apply_replacements, restore_edited_column, unresolved_name_conflicts,
    with_column_order_of,
};
use crate::dialect::Dialect;

/// Change to a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextChange {
    /// Path of the file, relative to the project's folder.
    pub path: String,
    /// Current contents. `None` if the file does not exist.
    pub before: Option<String>,
    /// Contents to write. `None` if the file is removed.
    pub after: Option<String>,
}

impl TextChange {
    /// Creates a change to a file.
    #[must_use]
    pub fn new(path: &str, before: Option<String>, after: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            before,
            after,
        }
    }

    /// Undoes this change in the current text of the file, and keeps other changes. Returns `None` if another change
    /// affected the same lines. If the file is generated for a model, `before` and `after` are treated as generated
    /// contents, so that manual edits are kept, as in a push.
    ///
    /// ```
    /// use formulac_sync::TextChange;
    ///
    /// let change = TextChange::new("a.md", Some("a\nb\nc\n".to_owned()), Some("A\nb\nc\n".to_owned()));
    /// assert_eq!(change.undo_in_current_text(Some("A\nb\nC\n"), None), Some(Some("a\nb\nC\n".to_owned())));
    /// assert_eq!(change.undo_in_current_text(Some("AA\nb\nc\n"), None), None);
    /// ```
    #[must_use]
    pub fn undo_in_current_text(
        &self,
        theirs: Option<&str>,
        generated_for: Option<(&str, Dialect)>,
    ) -> Option<Option<String>> {
        let is_same = |one: Option<&str>, other: Option<&str>| {
            one.map(normalize_line_endings) == other.map(normalize_line_endings)
        };
        let (before, after) = (self.before.as_deref(), self.after.as_deref());
        if is_same(before, after) || is_same(theirs, before) {
            return Some(theirs.map(str::to_owned));
        }
        let is_unmodified = generated_for.is_some() && theirs.is_some_and(is_unmodified);
        let undone = match (before, after, theirs) {
            _ if is_same(theirs, after) => before.map(str::to_owned),
            (Some(before), Some(after), Some(theirs)) => {
                let texts = [after, before, theirs].map(normalize_line_endings);
                let texts = texts.each_ref().map(String::as_str);
                match generated_for {
                    Some((model, dialect)) => merge_generated_file(&self.path, model, dialect, texts)
                        .or_else(|| is_unmodified.then(|| before.to_owned())),
                    // If possible, merge without changing the line endings.
                    None => lines::merge(after, before, theirs).or_else(|| lines::merge(texts[0], texts[1], texts[2])),
                }
                .map(Some)?
            }
            (None, Some(_), Some(_)) if is_unmodified => None,
            _ => return None,
        };
        let is_crlf = theirs.is_some_and(|text| text.contains("\r\n"));
        Some(undone.map(|text| match is_crlf && !text.contains('\r') {
            true => text.replace('\n', "\r\n"),
            false => text,
        }))
    }
}

/// Merges the existing files of a model with the files that its spec now generates. Edits that no spec can express
/// (`kept`) remain. The generated SQL replaces edits that were transferred to the spec (`carried`). Comments and edits
/// of definitions that the spec renames (`renamed`) move to the current names.
#[must_use]
pub(super) fn merge_files(
    sides: ModelVersions<'_>,
    [kept, carried]: [&[ManualEdit]; 2],
    renamed: &[RenamedDefinition],
) -> (Vec<TextChange>, Vec<Conflict>) {
    let nothing = BTreeMap::new();
    let ours = sides.ours.map_or(&nothing, |ours| &ours.files);
    let mut paths: Vec<&String> = ours
        .keys()
        .chain(sides.bases.iter().flat_map(|base| base.files.keys()))
        .collect();
    paths.sort();
    paths.dedup();
    let (mut changes, mut conflicts) = (Vec::new(), Vec::new());
    for path in paths {
        let base = sides.bases.first().and_then(|base| base.files.get(path));
        let theirs = sides.files.get(path);
        match merge_file(sides, path, [base, ours.get(path), theirs], [kept, carried], renamed) {
            Ok(after)
                if after.as_deref().map(normalize_line_endings) != theirs.map(|text| normalize_line_endings(text)) =>
            {
                changes.push(TextChange {
                    path: path.clone(),
                    before: theirs.cloned(),
                    after: with_line_endings_of(after, theirs),
                });
            }
            Ok(_) => {}
            Err(clashes) => conflicts.push(Conflict {
                definition: None,
                step: None,
                property: Property::Text,
                detail: String::new(),
                base: base.cloned(),
                ours: ours.get(path).cloned(),
                spec: sides.ours.map(|ours| ours.spec.clone()).unwrap_or_default(),
                spec_line: None,
                theirs: theirs.cloned(),
                theirs_formula: None,
                file: path.clone(),
                line: clashes.first().map_or(1, |clash| clash.line),
                edit: None,
                clashes,
                readers: Vec::new(),
                restored: Vec::new(),
                set: None,
            }),
        }
    }
    (changes, conflicts)
}

/// Returns the new contents of a file, or the conflicting parts.
fn merge_file(
    sides: ModelVersions<'_>,
    path: &str,
    [base, ours, theirs]: [Option<&String>; 3],
    [kept, carried]: [&[ManualEdit]; 2],
    renamed: &[RenamedDefinition],
) -> Result<Option<String>, Vec<MergeConflict>> {
    let Some(found) = theirs else { return Ok(ours.cloned()) };
    let renamed_ctes = SqlWithRenamedCtes::read(sides, path);
    let found = match &renamed_ctes {
        Some(sql) => sql.sql.clone(),
        None => normalize_line_endings(found),
    };
    let merged = merge_existing_file(sides, path, ([base, ours], found), [kept, carried], renamed)?;
    Ok(merged.map(|merged| match &renamed_ctes {
        Some(sql) => sql.with_edited_names(&merged),
        None => merged,
    }))
}

/// Returns the new contents of the existing file `found`, or the conflicting parts.
fn merge_existing_file(
    sides: ModelVersions<'_>,
    path: &str,
    ([base, ours], found): ([Option<&String>; 2], String),
    [kept, carried]: [&[ManualEdit]; 2],
    renamed: &[RenamedDefinition],
) -> Result<Option<String>, Vec<MergeConflict>> {
    // The file has no manual edits, so its layout and comments also come from formulac.
    if sides.bases.iter().any(|base| base.files.get(path) == Some(&found)) || ours == Some(&found) {
        return Ok(ours.map(|ours| {
            if is_same_except_path(&found, ours) {
                found
            } else {
                ours.clone()
            }
        }));
    }
    let is_properties = ModelFileKind::new(path, sides.model) == ModelFileKind::Properties;
    let with_new_names = |text: &str| match is_properties {
        true => with_current_column_names(text, sides.model, renamed),
        false => text.to_owned(),
    };
    let found = with_new_names(&found);
    let base = base.map(|base| with_new_names(base));
    let base = base.as_ref();
    let is_kept = kept
        .iter()
        .any(|edit| edit.file == path || has_same_model_properties(&edit.file, path));
    let dialect = sides.ours.map(|ours| ours.compiled.dialect()).unwrap_or_default();
    // The spec generates different SQL for these edits, so the merge ignores the file's SQL for them.
    let rewritten = carried
        .iter()
        .filter(|edit| edit.file == path && edit.rewritten.is_some());
    let rewritten = rewritten.filter_map(|edit| edit.position.as_ref());
    let found = replace_columns_with_generated_sql(&found, [ours, base], dialect, rewritten).unwrap_or(found);
    let mut in_order = None;
    let was = match base {
        Some(base) if is_kept => base,
        // The spec contains all edits, so the file contributes only the layout and the order of columns.
        Some(base) => in_order.insert(with_column_order_of(&found, base, dialect).unwrap_or_else(|| found.clone())),
        None if is_unmodified(&found) => &found,
        // The file was not generated, so a user must have written it.
        None => return Err(Vec::new()),
    };
    let Some(ours) = ours else {
        return if is_unmodified(&found) {
            Ok(None)
        } else {
            Err(Vec::new())
        };
    };
    // A new column keeps its position in the file, unless the spec moves columns.
    let is_new = |edit: &ManualEdit| edit.file == path && edit.before.as_deref().is_none_or(str::is_empty);
    let keeps_order = base.is_some_and(|base| with_column_order_of(ours, base, dialect).is_none());
    let keeps_order = keeps_order && carried.iter().any(is_new);
    let in_file_order = keeps_order
        .then(|| with_column_order_of(ours, &found, dialect))
        .flatten();
    let ours = in_file_order.as_ref().unwrap_or(ours);
    let texts = [was.as_str(), ours, &found];
    let merged = merge_generated_file(path, sides.model, dialect, texts);
    // If there are no edits to keep, discard a layout that cannot be merged instead of reporting a conflict.
    match merged {
        None if !is_kept => Ok(Some(ours.clone())),
        None => Err(file_merge_conflicts(path, sides.model, dialect, texts)),
        // New SQL next to a kept edit may read a column that the edit removed, and the edit may read a column that the
        // spec removed.
        Some(merged) if is_kept && ModelFileKind::new(path, sides.model) == ModelFileKind::Model => {
            let spec = sides.ours.map_or("", |ours| ours.source.as_str());
            let unresolved = unresolved_name_conflicts(&merged, texts, spec, dialect);
            if unresolved.is_empty() {
                Ok(Some(merged))
            } else {
                Err(unresolved)
            }
        }
        Some(merged) => Ok(Some(merged)),
    }
}

/// Returns the SQL of a file in which generated SQL replaces the edits to some columns. The generated SQL comes from
/// the first version that has the column at the same position. `None` if there are no such columns.
pub(super) fn replace_columns_with_generated_sql<'p>(
    actual: &str,
    versions: [Option<&String>; 2],
    dialect: Dialect,
    columns: impl Iterator<Item = &'p FilePartPosition>,
) -> Option<String> {
    let mut text = None;
    for position in columns {
        let current = text.as_deref().unwrap_or(actual);
        let versions = versions.into_iter().flatten();
        let mut restored = versions.map(|version| restore_edited_column(version, current, dialect, position));
        if let Some(restored) = restored.find(|restored| !restored.is_empty()) {
            // Ranges may overlap, because restoring a column also restores its item in `group by`.
            text = apply_replacements(current, restored.iter().collect()).or(text);
        }
    }
    text
}

/// Returns `true` if the two files contain a model's properties and docs blocks. The value of a property may be in a
/// docs block.
fn has_same_model_properties(one: &str, other: &str) -> bool {
    let stem = |path: &str| {
        path.strip_suffix(".md")
            .or_else(|| path.strip_suffix(".yml"))
            .or_else(|| path.strip_suffix(".yaml"))
            .map(str::to_owned)
    };
    stem(one).is_some() && stem(one) == stem(other)
}

/// Converts the line endings of a string to the line endings of the existing file.
pub(super) fn with_line_endings_of(text: Option<String>, original: Option<&String>) -> Option<String> {
    let crlf = original.is_some_and(|original| original.contains("\r\n"));
    text.map(|text| if crlf { text.replace('\n', "\r\n") } else { text })
}
