//! CTEs that a user renamed in a model's SQL. New names do not change any values, so the SQL is compared and merged
//! with the generated names. The merged SQL has the user's names again.

use std::collections::BTreeMap;

use super::conflict::Conflict;
use super::manual_edits::ModelFileKind;
use super::reconcile::ModelVersions;
use super::state::normalize_line_endings;
use crate::decompile::{
    RenamedCte, Substitution, apply_replacements, renamed_ctes, substitutions_to_generated_cte_names,
    with_edited_cte_names,
};
use crate::dialect::Dialect;

/// SQL of a model in which a user renamed CTEs.
#[derive(Debug)]
pub(super) struct SqlWithRenamedCtes {
    path: String,
    edited_sql: String,
    dialect: Dialect,
    renamed: Vec<RenamedCte>,
    /// Replacements in the edited SQL that restore the generated names.
    substitutions: Vec<Substitution>,
    /// The edited SQL with the generated names.
    pub sql: String,
}

impl SqlWithRenamedCtes {
    /// Reads the SQL of a file. `None` if the file is not a model's SQL, or if no CTE was renamed.
    pub fn read(sides: ModelVersions<'_>, path: &str) -> Option<Self> {
        let generated = sides.bases.first()?.files.get(path)?;
        let edited_sql = normalize_line_endings(sides.files.get(path)?);
        if ModelFileKind::new(path, sides.model) != ModelFileKind::Model || edited_sql == *generated {
            return None;
        }
        let ours = sides.ours?;
        let (dialect, spec_sql) = (ours.compiled.dialect(), ours.files.get(path).map_or("", String::as_str));
        let renamed = renamed_ctes(&edited_sql, generated, spec_sql, dialect);
        let mut substitutions = substitutions_to_generated_cte_names(&edited_sql, &renamed, dialect);
        substitutions.sort_by_key(|(range, _)| range.start);
        let sql = apply_replacements(&edited_sql, substitutions.iter().collect())?;
        (!renamed.is_empty()).then(|| Self {
            path: path.to_owned(),
            edited_sql,
            dialect,
            renamed,
            substitutions,
            sql,
        })
    }

    /// Reads the SQL of a model.
    pub fn of_model(sides: ModelVersions<'_>) -> Option<Self> {
        let mut paths = sides.bases.first()?.files.keys();
        paths.find_map(|path| Self::read(sides, path))
    }

    /// Returns the model's files with the generated names of CTEs.
    pub fn files_with_generated_names(&self, files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut files = files.clone();
        files.insert(self.path.clone(), self.sql.clone());
        files
    }

    /// Returns SQL with generated names in which the renamed CTEs have the user's names.
    pub fn with_edited_names(&self, sql: &str) -> String {
        if sql == self.sql {
            return self.edited_sql.clone();
        }
        with_edited_cte_names(sql, &self.renamed, self.dialect)
    }

    /// Converts a conflict in the SQL with generated names to a conflict in the user's file. If the conflict is
    /// resolved by restoring generated SQL, the generated names are restored, too.
    pub fn convert_conflict(&self, conflict: &mut Conflict) {
        if conflict.file != self.path {
            return;
        }
        if let Some(edit) = conflict.edit.as_mut().filter(|edit| edit.concerns_whole_file()) {
            for text in [&mut edit.before, &mut edit.after].into_iter().flatten() {
                *text = self.with_edited_names(text);
            }
        }
        if conflict.restored.is_empty() {
            return;
        }
        for (range, _) in &mut conflict.restored {
            *range = self.edited_offset(range.start)..self.edited_offset(range.end);
        }
        for (range, name) in &self.substitutions {
            let overlaps = |(other, _): &Substitution| other.start < range.end && range.start < other.end;
            if !conflict.restored.iter().any(overlaps) {
                conflict.restored.push((range.clone(), name.clone()));
            }
        }
    }

    /// Converts an offset in the SQL with generated names to the offset in the user's file.
    fn edited_offset(&self, offset: usize) -> usize {
        let (mut edited, mut generated) = (0, 0);
        for (range, name) in &self.substitutions {
            let start = generated + (range.start - edited);
            if offset <= start {
                break;
            }
            (edited, generated) = (range.end, start + name.len());
        }
        (edited + offset).saturating_sub(generated)
    }
}
