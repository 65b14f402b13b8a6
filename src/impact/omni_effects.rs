//! Adds the effects of table changes on the Omni model to the report.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::graph::Graph;
use super::omni::OmniItemKind;
use super::propagate::{ChangeGrade, Propagation};
use super::report::{Effect, GraphEdge, Impact, StepNames};
use crate::lineage::ColumnChange;

/// Adds the Omni fields, topics and joins that depend on changed tables.
#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
pub(super) fn add_omni_effects(
    graph: &Graph<'_>,
    spread: &Propagation,
    steps: &mut StepNames<'_>,
    impact: &mut Impact,
) {
    if graph.sources.omni.is_empty() {
        return;
    }
    // Position of the first effect on each field.
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    for (place, state) in spread.states.iter() {
        let Some(part) = graph.parts.get(place).filter(|part| part.is_relation()) else {
            continue;
        };
        let table = part
            .node
            .and_then(|node| node.alias.as_deref())
            .map_or_else(|| part.name(), str::to_owned);
        let schema = part.node.and_then(|node| node.schema.as_deref());
        let columns: BTreeSet<String> = state.columns.keys().cloned().collect();
        let whole = state.rows.is_some() || state.fails.is_some();
        let reached = graph
            .sources
            .omni
            .fields_affected_by_table(schema, &table, &columns, whole);
        let ids: BTreeMap<String, String> = reached
            .iter()
            .map(|field| {
                (
                    format!("{}.{}", field.view, field.field),
                    format!("omni.{}.{}", field.view, field.field),
                )
            })
            .collect();
        let before = steps.effect_path(place, state);
        for field in &reached {
            let name = format!("{}.{}", field.view, field.field);
            let change = field
                .column
                .as_ref()
                .and_then(|column| state.columns.get(column))
                .map(|(change, _)| *change);
            let (grade, reason) = match change {
                _ if state.fails.is_some() => (
                    ChangeGrade::Breaking,
                    format!("the view shows `{}`, which fails or was removed", part.name()),
                ),
                Some(ColumnChange::Gone) if field.by_field => (
                    ChangeGrade::Breaking,
                    format!("the field reads `{}`, which depends on a removed column", field.by),
                ),
                Some(ColumnChange::Gone) => (
                    ChangeGrade::Breaking,
                    format!("the field reads the removed column `{}`", field.by),
                ),
                Some(ColumnChange::Type) if field.in_sql => (
                    ChangeGrade::Breaking,
                    format!("the SQL reads `{}`, whose type changes", field.by),
                ),
                Some(ColumnChange::Type) => (ChangeGrade::Changing, format!("the type of `{}` changes", field.by)),
                Some(ColumnChange::Values) | None => (ChangeGrade::Changing, format!("the field reads `{}`", field.by)),
            };
            let mut path = before.clone();
            if let (Some(last), Some(column)) = (path.last_mut(), &field.column) {
                *last = format!("{last}.{column}").into();
            }
            if field.by_field {
                path.push(format!("Omni {}", field.by).into());
            }
            path.push(format!("Omni {name}").into());
            let whole = field.whole.clone();
            let from = ids
                .get(&field.by)
                .filter(|_| field.by_field)
                .cloned()
                .unwrap_or_else(|| part.id());
            impact.edges.push(GraphEdge {
                from: from.clone(),
                to: format!("omni.{name}"),
            });
            places.entry(format!("omni.{name}")).or_insert(impact.effects.len());
            impact.effects.push(Effect {
                id: format!("omni.{name}"),
                name,
                kind: format!("omni {}", field.kind),
                columns: Vec::new(),
                path,
                via: Some(from),
                grade,
                reason,
                whole,
                gaps: Vec::new(),
                owner: None,
                status: None,
                file: Some(field.file.clone()),
            });
        }
        for (kind, name, file, field) in graph.sources.omni.field_users(&reached) {
            let of = places
                .get(&format!("omni.{field}"))
                .and_then(|at| impact.effects.get(*at));
            let Some(of) = of else { continue };
            let mut path = of.path.clone();
            path.push(format!("Omni {kind} {name}").into());
            let via = Some(of.id.clone());
            let (verb, grade) = if kind == OmniItemKind::Join {
                ("the join uses", of.grade)
            } else {
                ("the topic shows", ChangeGrade::Changing.min(of.grade))
            };
            impact.edges.push(GraphEdge {
                from: of.id.clone(),
                to: format!("omni {kind} {name}"),
            });
            impact.effects.push(Effect {
                id: format!("omni {kind} {name}"),
                name,
                kind: format!("omni {kind}"),
                columns: Vec::new(),
                path,
                via,
                grade,
                reason: format!("{verb} `{field}`"),
                whole: None,
                gaps: Vec::new(),
                owner: None,
                status: None,
                file: Some(file),
            });
        }
    }
    // If two tables affect the same field, report only the more severe effect.
    let mut worst: FxHashMap<&str, usize> = FxHashMap::default();
    for (at, effect) in impact.effects.iter().enumerate() {
        let known = worst.entry(&effect.id).or_insert(at);
        if impact
            .effects
            .get(*known)
            .is_some_and(|known| known.grade < effect.grade)
        {
            *known = at;
        }
    }
    let mut is_told = vec![false; impact.effects.len()];
    for at in worst.into_values() {
        if let Some(is_told) = is_told.get_mut(at) {
            *is_told = true;
        }
    }
    let mut is_told = is_told.into_iter();
    impact.effects.retain(|_| is_told.next().unwrap_or_default());
}
