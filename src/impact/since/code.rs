//! Compares code at two revisions: the compiled SQL of specs, and the SQL of models and snapshots.

use formulac_syntax::text::is_word_char;

use super::{RevisionDifference, new_difference};
use crate::dbt::tokens::canonical_text;
use crate::dbt::{JinjaKind, RelationReference, jinja_parts, normalized_jinja};
use crate::graph::{Graph, SpecModel};
use crate::lineage::{self, ColumnChange, RelationColumnList, SqlLineage};
use crate::propagate::NodeChanges;
use crate::raw_code::{model_sql, reads_relation};

/// Compares what a spec's SQL computes at two revisions. A rewritten formula with the same meaning is therefore not a
/// change.
pub(super) fn compare_specs(
    graph: &Graph<'_>,
    old: &SpecModel,
    new: &SpecModel,
    start: &mut NodeChanges,
    differences: &mut Vec<RevisionDifference>,
) {
    let name = &new.name;
    let metrics = new.compiled.metric_changes_since(&old.compiled);
    let is_metric_change = |was: &crate::model::SpecDefinition, is: &crate::model::SpecDefinition| {
        let formulas = [Some(was.formula()), Some(is.formula())];
        metrics
            .iter()
            .any(|change| change.is_reflected_in(&new.compiled, is.name(), formulas))
    };
    for definition in new.compiled.definitions() {
        let has_same_name = |other: &&crate::model::SpecDefinition| {
            other.name().eq_ignore_ascii_case(definition.name()) && other.step() == definition.step()
        };
        let label = format!("{name}.{}", definition.name());
        match old.compiled.definitions().iter().find(has_same_name) {
            None => differences.push(new_difference(&label, "added", "", definition.formula())),
            // `compare_metrics` reports a changed metric only once for all models that use it.
            Some(was) if is_metric_change(was, definition) => {}
            Some(was) if was.formula() != definition.formula() => {
                differences.push(new_difference(&label, "formula", was.formula(), definition.formula()));
            }
            Some(was) if was.description() != definition.description() => {
                let description = |d: &crate::model::SpecDefinition| d.description().unwrap_or_default().to_owned();
                differences.push(new_difference(
                    &label,
                    "description",
                    &description(was),
                    &description(definition),
                ));
            }
            Some(_) => {}
        }
    }
    for was in old.compiled.definitions() {
        let is_same =
            |d: &crate::model::SpecDefinition| d.name().eq_ignore_ascii_case(was.name()) && d.step() == was.step();
        if !new.compiled.definitions().iter().any(is_same) {
            differences.push(new_difference(
                &format!("{name}.{}", was.name()),
                "removed",
                was.formula(),
                "",
            ));
        }
    }
    for column in old.compiled.columns() {
        match new
            .compiled
            .columns()
            .iter()
            .find(|now| now.name().eq_ignore_ascii_case(column.name()))
        {
            None => {
                start
                    .columns
                    .insert(column.name().to_lowercase(), ColumnChange::Removed);
                let label = format!("{name}.{}", column.name());
                if !differences.iter().any(|d| d.name == label) {
                    differences.push(new_difference(&label, "removed", "", ""));
                }
            }
            Some(now) if now.ty() != column.ty() => {
                start.columns.insert(column.name().to_lowercase(), ColumnChange::Type);
                let label = format!("{name}.{}", column.name());
                differences.push(new_difference(
                    &label,
                    "type",
                    &column.ty().to_string(),
                    &now.ty().to_string(),
                ));
            }
            Some(_) => {}
        }
    }
    match (old.compiled.query(), new.compiled.query()) {
        (Some(was), Some(now)) if was == now => {
            if old.compiled.model_yml() != new.compiled.model_yml()
                && !differences.iter().any(|d| d.name.starts_with(name.as_str()))
            {
                differences.push(new_difference(name, "description", "", ""));
            }
        }
        (Some(was), Some(now)) => compare_sql(graph, name, was, now, start, differences),
        _ => {
            start.rows = true;
            let whole_reason = Some("the spec has errors before or after the change".to_owned());
            differences.push(RevisionDifference {
                reason_for_unknown_difference: whole_reason,
                ..new_difference(name, "sql", "", "")
            });
        }
    }
}

/// Compares two SQL strings. Reports the columns whose computation changes, and changes in the selection of rows.
fn compare_sql(
    graph: &Graph<'_>,
    name: &str,
    was: &str,
    now: &str,
    start: &mut NodeChanges,
    differences: &mut Vec<RevisionDifference>,
) {
    let known_columns = |parts: &[String]| {
        let last = parts.last();
        let index = graph.nodes.iter().position(|part| {
            part.is_relation()
                && last.is_some_and(|l| {
                    part.node.is_some_and(|node| node.name.eq_ignore_ascii_case(l))
                        || part.name().eq_ignore_ascii_case(l)
                })
        });
        index.map_or_else(RelationColumnList::default, |index| graph.columns_from_metadata(index))
    };
    let dialect = graph.sources.dialect;
    let lineages = (
        lineage::read(was, dialect, &known_columns),
        lineage::read(now, dialect, &known_columns),
    );
    let (old, new) = match lineages {
        (Ok(old), Ok(new)) => (old, new),
        (Err(why), _) | (_, Err(why)) => return report_uncomparable_sql(name, &why.to_string(), start, differences),
    };
    compare_lineages(name, &old, &new, start, differences);
}

fn compare_lineages(
    name: &str,
    old: &SqlLineage,
    new: &SqlLineage,
    start: &mut NodeChanges,
    differences: &mut Vec<RevisionDifference>,
) {
    let ((old_columns, old_rows), (new_columns, new_rows)) = (old.fingerprints(), new.fingerprints());
    let mut is_layout = true;
    for (column, fingerprint) in &old_columns {
        match new_columns.iter().find(|(name, _)| name == column) {
            Some((_, now)) if now == fingerprint => {}
            Some(_) => {
                is_layout = false;
                start.columns.entry(column.clone()).or_insert(ColumnChange::Values);
            }
            None if new.is_complete() => {
                is_layout = false;
                start.columns.insert(column.clone(), ColumnChange::Removed);
            }
            None => {}
        }
    }
    let added = new_columns
        .iter()
        .filter(|(column, _)| !old_columns.iter().any(|(name, _)| name == column))
        .count();
    if old_rows != new_rows {
        is_layout = false;
        start.rows = true;
        differences.push(new_difference(name, "rows", "", ""));
    }
    if is_layout && added == 0 {
        differences.push(new_difference(name, "layout", "", ""));
    }
    start.redefined |= !is_layout;
}

/// Compares a model's file at two revisions. `ref` and `source` are replaced with plain names.
pub(super) fn compare_models(
    graph: &Graph<'_>,
    name: &str,
    old: &str,
    new: &str,
    start: &mut NodeChanges,
    differences: &mut Vec<RevisionDifference>,
) {
    let (was, now) = match (ComparableSql::new(old), ComparableSql::new(new)) {
        (Ok(was), Ok(now)) => (was, now),
        // The files differ only in layout and comments, so the Jinja that only dbt can evaluate is the same.
        _ if canonical_text(old) == canonical_text(new) => {
            return differences.push(new_difference(name, "layout", "", ""));
        }
        (Err(jinja), _) | (_, Err(jinja)) => return report_unresolved_jinja(name, &jinja, start, differences),
    };
    // If the Jinja is the same in both revisions, its result is assumed to be the same.
    if was.unresolved_jinja != now.unresolved_jinja {
        let changed = now
            .unresolved_jinja
            .iter()
            .find(|jinja| !was.unresolved_jinja.contains(jinja));
        let jinja = changed
            .or(was.unresolved_jinja.first())
            .map(String::as_str)
            .unwrap_or_default();
        return report_unresolved_jinja(name, &format!("`{{{{ {jinja} }}}}`"), start, differences);
    }
    if !differences.iter().any(|d| d.name == name) {
        differences.push(new_difference(name, "sql", "", ""));
    }
    compare_sql(graph, name, &was.sql, &now.sql, start, differences);
}

/// Code of a model as SQL, in which names replace `ref`, `source` and the Jinja that only dbt can evaluate.
struct ComparableSql {
    sql: String,
    /// Jinja expressions that only dbt can evaluate, in order.
    unresolved_jinja: Vec<String>,
}

impl ComparableSql {
    /// Returns an error with the first Jinja expression that cannot be replaced with a name.
    fn new(code: &str) -> Result<Self, String> {
        let mut unresolved_jinja: Vec<String> = Vec::new();
        let sql = model_sql(code, |call| {
            let name = match RelationReference::read(call).filter(|_| reads_relation(call)) {
                Some(relation) => relation.name().to_owned(),
                None if call == "this" => "this".to_owned(),
                None => {
                    let jinja = normalized_jinja(call);
                    let index = unresolved_jinja
                        .iter()
                        .position(|other| *other == jinja)
                        .unwrap_or(unresolved_jinja.len());
                    unresolved_jinja.push(jinja);
                    format!("jinja_{index}")
                }
            };
            Some(name.replace(|c| !is_word_char(c), "_"))
        })?;
        Ok(Self { sql, unresolved_jinja })
    }
}

/// Reports changed code that cannot be compared column by column. All values of the node may therefore change.
pub(super) fn report_uncomparable_sql(
    name: &str,
    reason: &str,
    start: &mut NodeChanges,
    differences: &mut Vec<RevisionDifference>,
) {
    start.rows = true;
    start.redefined = true;
    differences.push(RevisionDifference {
        reason_for_unknown_difference: Some(reason.to_owned()),
        ..new_difference(name, "sql", "", "")
    });
}

fn report_unresolved_jinja(
    name: &str,
    jinja: &str,
    start: &mut NodeChanges,
    differences: &mut Vec<RevisionDifference>,
) {
    report_uncomparable_sql(
        name,
        &format!("only dbt can evaluate the Jinja: {jinja}"),
        start,
        differences,
    );
}

/// Returns the names of the models that a file reads with `ref`.
pub(super) fn model_refs(text: &str) -> Vec<String> {
    let calls = jinja_parts(text).filter(|part| part.kind == JinjaKind::Expression);
    let reads = calls.filter_map(|call| RelationReference::read(call.code));
    reads
        .filter(|from| matches!(from, RelationReference::Ref { .. }))
        .map(|from| from.name().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn models_in_comments_are_not_read() {
        let code =
            "{{ config(a={'b': {'c': 1}}) }}{# {{ ref('old') }} #}select 1 from {{- ref('p', 'a') -}}, {{ ref('b') }}";
        assert_eq!(super::model_refs(code), ["a", "b"]);
    }
}
