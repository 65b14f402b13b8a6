//! Compares code at two revisions: the compiled SQL of specs, and the SQL of models and snapshots.

use super::{RevisionDifference, new_difference};
use crate::dbt::{JinjaKind, jinja_parts};
use crate::graph::{Graph, SpecModel};
use crate::lineage::{self, ColumnChange, KnownRelationColumns, SqlLineage};
use crate::propagate::NodeChanges;
use crate::raw_code::model_sql;

/// Compares the results of a spec's SQL at two revisions. A rewritten formula with the same meaning is not a change.
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
            // A metric of a set is reported once for all models.
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
                start.columns.insert(column.name().to_lowercase(), ColumnChange::Gone);
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
                whole: whole_reason,
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
        let index = graph.parts.iter().position(|part| {
            part.is_relation()
                && last.is_some_and(|l| {
                    part.node.is_some_and(|node| node.name.eq_ignore_ascii_case(l))
                        || part.name().eq_ignore_ascii_case(l)
                })
        });
        index.map_or_else(KnownRelationColumns::default, |index| {
            graph.columns_known_without_sql(index)
        })
    };
    let dialect = graph.sources.dialect;
    let lineages = (
        lineage::read(was, dialect, &known_columns),
        lineage::read(now, dialect, &known_columns),
    );
    let (old, new) = match lineages {
        (Ok(old), Ok(new)) => (old, new),
        (Err(why), _) | (_, Err(why)) => {
            start.rows = true;
            start.redefined = true;
            differences.push(RevisionDifference {
                whole: Some(why.to_string()),
                ..new_difference(name, "sql", "", "")
            });
            return;
        }
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
    for (column, print) in &old_columns {
        match new_columns.iter().find(|(name, _)| name == column) {
            Some((_, now)) if now == print => {}
            Some(_) => {
                is_layout = false;
                start.columns.entry(column.clone()).or_insert(ColumnChange::Values);
            }
            None if new.is_complete() => {
                is_layout = false;
                start.columns.insert(column.clone(), ColumnChange::Gone);
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
    let names = |call: &str| {
        let name = crate::dbt::RelationReference::read(call).map_or("this".to_owned(), |from| from.name().to_owned());
        Some(name.replace(|c: char| !c.is_alphanumeric() && c != '_', "_"))
    };
    match (model_sql(old, names), model_sql(new, names)) {
        (Ok(was), Ok(now)) => {
            if !differences.iter().any(|d| d.name == name) {
                differences.push(new_difference(name, "sql", "", ""));
            }
            compare_sql(graph, name, &was, &now, start, differences);
        }
        (Err(jinja), _) | (_, Err(jinja)) => {
            start.rows = true;
            start.redefined = true;
            let whole_reason = Some(format!("only dbt can evaluate the Jinja: {jinja}"));
            differences.push(RevisionDifference {
                whole: whole_reason,
                ..new_difference(name, "sql", "", "")
            });
        }
    }
}

/// Returns the names of the models that a file reads with `ref`.
pub(super) fn model_refs(text: &str) -> Vec<String> {
    let calls = jinja_parts(text).filter(|part| part.kind == JinjaKind::Expression);
    let reads = calls.filter_map(|call| crate::dbt::RelationReference::read(call.code));
    reads
        .filter(|from| matches!(from, crate::dbt::RelationReference::Ref { .. }))
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
