//! Conflicts over manual edits that no spec can express. Without the conflict, a push would keep these edits in the
//! files.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use super::conflict::Conflict;
use super::current_spec::CurrentSpec;
use super::manual_edits::ManualEdit;
use super::model_reconciler::is_edit_of_model_sql;
use super::reconcile::{ModelVersions, ReconcileResult, ReconcileTools, reconcile_with_base};
use super::state::{PushState, normalize_line_endings};
use crate::Level;
use crate::decompile::{FilePartPosition, column_readers, uses_name};
use crate::yaml::{self, Node};

/// Reason to keep an edit that does not change the values of a metric.
pub(super) const SAME_VALUES_REASON: &str = "the edited SQL computes the same values";

/// Adds a conflict for each kept edit to SQL that a metric set defines now but did not define at the last push.
/// Otherwise, only the next push would report these conflicts.
pub(super) fn add_conflicts_of_new_metrics<'t>(
    sides: ModelVersions<'_>,
    done: &mut ReconcileResult,
    tools: impl Fn() -> ReconcileTools<'t>,
) {
    let (Some(base), Some(ours), true) = (sides.bases.first(), sides.ours, done.conflicts.is_empty()) else {
        return;
    };
    let reads_sets = ours.compiled.metric_set_files().next().is_some();
    if !reads_sets
        || base.source == normalize_line_endings(&ours.source)
        || !done.kept.iter().any(is_edit_of_model_sql(sides.model))
    {
        return;
    }
    let transferred = done
        .source
        .as_deref()
        .and_then(|source| tools().compile(&ours.spec, source));
    let ours = transferred.as_ref().unwrap_or(ours);
    let pushed = PushState::from_pushed(sides.model, ours);
    let sides = ModelVersions {
        bases: std::slice::from_ref(&pushed),
        ours: Some(ours),
        ..sides
    };
    let again = reconcile_with_base(sides, Vec::new(), tools);
    for conflict in again.conflicts.into_iter().filter(|conflict| conflict.set.is_some()) {
        let count = done.kept.len();
        done.kept
            .retain(|edit| conflict.edit.as_ref().is_none_or(|other| !other.is_same_sql_edit(edit)));
        if done.kept.len() < count {
            done.conflicts.push(conflict);
        }
    }
}

/// Adds a conflict for each kept edit to a column that a new or changed definition uses although its formula does not
/// name the column. The SQL computes the common expression only once, so the edit would also change the definition.
pub(super) fn add_conflicts_of_shared_columns<'t>(
    sides: ModelVersions<'_>,
    reconciled: &mut ReconcileResult,
    tools: impl Fn() -> ReconcileTools<'t>,
) {
    let (Some(base), Some(ours), true) = (sides.bases.first(), sides.ours, reconciled.conflicts.is_empty()) else {
        return;
    };
    let is_column = |edit: &&ManualEdit| {
        let column = edit.position.as_ref().and_then(FilePartPosition::column_name_if_column);
        let is_changed = edit.before.is_some() && edit.why.as_deref() != Some(SAME_VALUES_REASON);
        is_edit_of_model_sql(sides.model)(edit) && column.is_some() && is_changed
    };
    let edits: Vec<ManualEdit> = reconciled.kept.iter().filter(is_column).cloned().collect();
    if edits.is_empty() {
        return;
    }
    let transferred = reconciled
        .source
        .as_deref()
        .and_then(|source| tools().compile(&ours.spec, source));
    let ours = transferred.as_ref().unwrap_or(ours);
    let last_spec = LazyCell::new(|| tools().compile_base(base));
    for edit in edits {
        let sql = [&base.files, &ours.files].map(|files| files.get(&edit.file));
        let ([Some(before), Some(now)], Some(position)) = (sql, &edit.position) else {
            continue;
        };
        let dialect = ours.compiled.dialect();
        let readers = column_readers(now, dialect, position);
        if before == now || readers.is_empty() {
            continue;
        }
        let last_readers = column_readers(before, dialect, position);
        let is_same = |reader: &(FilePartPosition, String)| match reader.0.column_name_if_column() {
            Some(column) => {
                let is_reader = |(other, _): &(FilePartPosition, String)| other.column_name_if_column() == Some(column);
                let formula = |spec: &CurrentSpec| spec.definition(column, None).map(|(_, formula)| formula);
                last_readers.iter().any(is_reader) && last_spec.as_ref().and_then(formula) == formula(ours)
            }
            None => last_readers.contains(reader),
        };
        let names = ColumnReferences::new(ours, position.column_name_if_column().unwrap_or_default());
        let parts = readers.iter().filter(|reader| !is_same(reader));
        let parts: BTreeSet<String> = parts
            .filter_map(|(part, _)| names.unnamed_dependent_definition(part))
            .collect();
        if !parts.is_empty() {
            let mut conflict = shared_column_conflict(ours, &edit, parts.into_iter().collect());
            let edited_sql = sides.files.get(&edit.file).map(|text| normalize_line_endings(text));
            conflict.restored = edited_sql.map_or_else(Vec::new, |sql| {
                edit.substitutions_that_restore_column(before, &sql, dialect)
            });
            reconciled.kept.retain(|other| *other != edit);
            reconciled.conflicts.push(conflict);
        }
    }
}

fn shared_column_conflict(ours: &CurrentSpec, edit: &ManualEdit, readers: Vec<String>) -> Conflict {
    let formula = edit.definition.as_deref();
    let formula = formula.and_then(|name| ours.definition(name, edit.cte.as_deref()));
    let formula = formula.map(|(_, formula)| formula).or_else(|| edit.before.clone());
    Conflict {
        definition: edit.definition.clone(),
        step: edit.cte.clone(),
        property: edit.property,
        detail: edit.detail.clone(),
        base: formula.clone(),
        ours: formula,
        spec: ours.spec.clone(),
        spec_line: edit.definition.as_deref().and_then(|name| ours.line(name)),
        theirs: edit.after.clone(),
        theirs_formula: None,
        file: edit.file.clone(),
        line: edit.line,
        edit: Some(edit.clone()),
        clashes: Vec::new(),
        readers,
        restored: Vec::new(),
        set: None,
    }
}

/// Definitions and conditions of a spec that name a column, directly or through other definitions.
struct ColumnReferences<'s> {
    ours: &'s CurrentSpec,
    column: &'s str,
    /// The spec's YAML.
    root: Option<Node>,
    /// Names of the column and of the definitions that name it.
    names: BTreeSet<&'s str>,
}

impl<'s> ColumnReferences<'s> {
    fn new(ours: &'s CurrentSpec, column: &'s str) -> Self {
        let mut spec = Self {
            ours,
            column,
            root: yaml::parse_root(&ours.source),
            names: BTreeSet::from([column]),
        };
        loop {
            let definitions = ours.compiled.definitions().iter();
            let is_new = |definition: &&crate::model::SpecDefinition| {
                let is_window = definition.level() == Level::Window;
                let is_named = spec.contains_name(definition.formula())
                    || is_window && spec.is_column_named_in_keys(&["order_by", "partition_by"]);
                !spec.names.contains(definition.name()) && is_named
            };
            let new: Vec<&str> = definitions
                .filter(is_new)
                .map(crate::model::SpecDefinition::name)
                .collect();
            if new.is_empty() {
                return spec;
            }
            spec.names.extend(new);
        }
    }

    fn contains_name(&self, formula: &str) -> bool {
        self.names.iter().any(|name| uses_name(formula, name))
    }

    fn is_column_named_in_keys(&self, keys: &[&str]) -> bool {
        let steps = self
            .root
            .iter()
            .flat_map(|root| root.items_at("steps").iter().chain([root]));
        let mut texts = steps.flat_map(|step| keys.iter().flat_map(|key| step.texts_at(key)));
        texts.any(|text| self.contains_name(&text))
    }

    /// Returns the definition or condition that this part of the SQL computes from the column. `None` if its formula
    /// names the column, or if the part only passes the column on or helps to compute another part.
    fn unnamed_dependent_definition(&self, part: &FilePartPosition) -> Option<String> {
        if part.is_from_clause() || part.is_group_by() {
            return None;
        }
        let Some(name) = part.column_name_if_column() else {
            let is_named = self.is_column_named_in_keys(&["where", "having", "limit", "order_by"]);
            return (!is_named)
                .then(|| part.clause_name_if_condition())
                .flatten()
                .map(str::to_owned);
        };
        let is_definition = self.ours.definition(name, None).is_some();
        let is_output = part.output_column_name(None).is_some();
        let is_other = !name.eq_ignore_ascii_case(self.column) && !self.names.contains(name);
        (is_other && (is_definition || is_output)).then(|| name.to_owned())
    }
}
