//! Group keys that a user added to the SQL of a model. These group keys become keys of the spec.

use formulac_syntax::text::collapse_whitespace;

use super::StructureEdit;
use super::spec_edits::{last_step, with_definition};
use crate::decompile::{AddedGroupKey, FilePartPosition, GroupKeyDifferences, added_group_keys, compare_group_keys};
use crate::dialect::Dialect;
use crate::manual_edits::ManualEdit;
use crate::model_reconciler::ModelReconciler;
use crate::yaml_edit::{Edit, YamlValue, apply_edits, parse_value};

impl ModelReconciler<'_> {
    /// Returns the edit that adds group keys, with the positions of its manual edits: the columns of the keys, and the
    /// `group by`.
    pub fn find_added_group_keys(&self, edits: &[ManualEdit], text: &str) -> Option<(StructureEdit, Vec<usize>)> {
        let is_grouping = |edit: &&ManualEdit| edit.position.as_ref().is_some_and(FilePartPosition::is_group_by);
        edits.iter().find(is_grouping)?;
        let sql = self.ours.compiled.model_sql()?;
        let keys = added_group_keys(sql, text, self.ours.compiled.dialect());
        let is_key = |name: &str| keys.iter().any(|key| key.column.eq_ignore_ascii_case(name));
        let is_part = |edit: &ManualEdit| {
            let position = edit.position.as_ref();
            position
                .is_some_and(|position| position.is_group_by() || position.column_name_if_column().is_some_and(is_key))
        };
        let edit_indices = edits.iter().enumerate().filter(|(_, edit)| is_part(edit));
        let edit_indices: Vec<usize> = edit_indices.map(|(at, _)| at).collect();
        (!keys.is_empty()).then_some((StructureEdit::GroupKeys(keys), edit_indices))
    }

    /// Returns the spec that also groups by the added keys. A key is a column or timeframe of that name, or a
    /// definition.
    pub fn with_group_keys(&self, keys: &[AddedGroupKey]) -> Option<String> {
        let mut source = self.ours.source.clone();
        for AddedGroupKey { column, sql, .. } in keys {
            let formula = self.formula_over_last_step_rows(sql)?.ok()?.formula;
            let key = match formula.strip_suffix(']').and_then(|text| text.split_once('[')) {
                Some((name, frame)) if format!("{name}_{frame}") == *column => formula,
                _ if formula == *column => formula,
                _ => {
                    source = with_definition(&source, column, &formula)?;
                    column.clone()
                }
            };
            source = with_group_key(&source, &key)?;
        }
        Some(source)
    }
}

/// Returns a spec whose last step also groups by a key.
fn with_group_key(spec: &str, key: &str) -> Option<String> {
    let root = parse_value(spec)?;
    let (at, step) = last_step(&root)?;
    let at = at.key("group_by");
    let edit = match step.get("group_by")? {
        YamlValue::List(..) => Edit::Add {
            to: at,
            value: YamlValue::text(key),
        },
        YamlValue::Text(text) => Edit::Set {
            at,
            value: YamlValue::text(format!("{}, {key}", text.trim_end())),
            after: Vec::new(),
        },
        _ => return None,
    };
    apply_edits(spec, &[edit]).ok()
}

/// Compares the groups of generated and edited SQL after keys were added to the spec. `None` if the groups differ, or
/// if there is a difference that did not exist before and is not in the keys.
pub(super) fn verify_added_group_keys(
    keys: &[AddedGroupKey],
    after: &[(String, String)],
    before: &[(String, String)],
    (generated, edited): (&str, &str),
    dialect: Dialect,
) -> Option<GroupKeyDifferences> {
    let names: Vec<&str> = keys.iter().map(|key| key.column.as_str()).collect();
    let same = compare_group_keys(generated, edited, &names, dialect)?;
    let is_key = |(ours, _): &(String, String)| {
        let mut rewritten = same
            .columns
            .iter()
            .map(|(_, rewritten_sql)| rewritten_sql)
            .chain(&same.group_by);
        rewritten.any(|rewritten_sql| collapse_whitespace(&rewritten_sql.sql) == collapse_whitespace(ours))
    };
    after
        .iter()
        .all(|one| before.contains(one) || is_key(one))
        .then_some(same)
}
