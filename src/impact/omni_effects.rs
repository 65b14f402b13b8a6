//! Adds the effects of table changes on the Omni model to the report.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::graph::{Graph, ImpactGraphNode};
use super::omni::{AffectedField, OmniObjectKind};
use super::propagate::{ChangeSeverity, NodeState, Propagation};
use super::report::{Effect, GraphEdge, Impact, PathStepNames};
use crate::lineage::ColumnChange;

/// Adds the Omni fields, topics and joins that depend on changed tables.
pub(super) fn add_omni_effects(
    graph: &Graph<'_>,
    spread: &Propagation,
    steps: &mut PathStepNames<'_>,
    impact: &mut Impact,
) {
    if graph.sources.omni.is_empty() {
        return;
    }
    // Position of the first effect on each field.
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    for (index, state) in spread.states.iter() {
        let Some(part) = graph.nodes.get(index).filter(|part| part.is_relation()) else {
            continue;
        };
        let table = part
            .node
            .and_then(|node| node.alias.as_deref())
            .map_or_else(|| part.name(), str::to_owned);
        let schema = part.node.and_then(|node| node.schema.as_deref());
        let columns: BTreeSet<String> = state.columns.keys().cloned().collect();
        let has_row_change = state.rows.is_some() || state.fails.is_some();
        let reached = graph
            .sources
            .omni
            .fields_affected_by_table(schema, &table, &columns, has_row_change);
        let ids: BTreeSet<String> = reached.iter().map(full_name).collect();
        let before = steps.path_to_affected_node(index, state);
        for field in &reached {
            // A field that is reached through another field depends on that field instead of the table.
            let from = match field.by_field && ids.contains(&field.reached_by) {
                true => format!("omni.{}", field.reached_by),
                false => part.id(),
            };
            places
                .entry(format!("omni.{}", full_name(field)))
                .or_insert(impact.effects.len());
            add_field_effect(field, assess_effect_on_field(field, part, state), &before, from, impact);
        }
        for user in graph.sources.omni.field_consumers(&reached) {
            add_topic_or_join_effect(user, &places, impact);
        }
    }
    keep_most_severe_effects(&mut impact.effects);
}

fn full_name(field: &AffectedField) -> String {
    format!("{}.{}", field.view, field.field)
}

/// Returns the severity of the effect on a field, and the reason.
fn assess_effect_on_field(
    field: &AffectedField,
    table: &ImpactGraphNode<'_>,
    state: &NodeState,
) -> (ChangeSeverity, String) {
    let change = field
        .column
        .as_ref()
        .and_then(|column| state.columns.get(column))
        .map(|(change, _)| *change);
    match change {
        _ if state.fails.is_some() => (
            ChangeSeverity::Breaking,
            format!("the view shows `{}`, which fails or was removed", table.name()),
        ),
        Some(ColumnChange::Removed) if field.by_field => (
            ChangeSeverity::Breaking,
            format!(
                "the field reads `{}`, which depends on a removed column",
                field.reached_by
            ),
        ),
        Some(ColumnChange::Removed) => (
            ChangeSeverity::Breaking,
            format!("the field reads the removed column `{}`", field.reached_by),
        ),
        Some(ColumnChange::Type) if field.in_sql => (
            ChangeSeverity::Breaking,
            format!("the SQL reads `{}`, whose type changes", field.reached_by),
        ),
        Some(ColumnChange::Type) => (
            ChangeSeverity::Changing,
            format!("the type of `{}` changes", field.reached_by),
        ),
        Some(ColumnChange::Values) | None => (
            ChangeSeverity::Changing,
            format!("the field reads `{}`", field.reached_by),
        ),
    }
}

/// Adds the effect on a field to the report. `before` is the path to its table, and `from` is the id of the table or
/// field that the field reads.
fn add_field_effect(
    field: &AffectedField,
    (severity, reason): (ChangeSeverity, String),
    before: &[Arc<str>],
    from: String,
    impact: &mut Impact,
) {
    let name = full_name(field);
    let mut path = before.to_vec();
    if let (Some(last), Some(column)) = (path.last_mut(), &field.column) {
        *last = format!("{last}.{column}").into();
    }
    if field.by_field {
        path.push(format!("Omni {}", field.reached_by).into());
    }
    path.push(format!("Omni {name}").into());
    impact.edges.push(GraphEdge {
        from: from.clone(),
        to: format!("omni.{name}"),
    });
    impact.effects.push(Effect {
        id: format!("omni.{name}"),
        name,
        kind: format!("omni {}", field.kind),
        columns: Vec::new(),
        path,
        via: Some(from),
        severity,
        reason,
        reason_for_whole_node: field.reason_for_whole_table.clone(),
        gaps: Vec::new(),
        owner: None,
        status: None,
        file: Some(field.file.clone()),
    });
}

/// Reports the effect on a topic or join that uses an affected field.
fn add_topic_or_join_effect(
    (kind, name, file, field): (OmniObjectKind, String, String, String),
    places: &FxHashMap<String, usize>,
    impact: &mut Impact,
) {
    let source_effect = places
        .get(&format!("omni.{field}"))
        .and_then(|effect_index| impact.effects.get(*effect_index));
    let Some(field_effect) = source_effect else { return };
    let mut path = field_effect.path.clone();
    path.push(format!("Omni {kind} {name}").into());
    let via = Some(field_effect.id.clone());
    let (verb, severity) = if kind == OmniObjectKind::Join {
        ("the join uses", field_effect.severity)
    } else {
        ("the topic shows", ChangeSeverity::Changing.min(field_effect.severity))
    };
    impact.edges.push(GraphEdge {
        from: field_effect.id.clone(),
        to: format!("omni {kind} {name}"),
    });
    impact.effects.push(Effect {
        id: format!("omni {kind} {name}"),
        name,
        kind: format!("omni {kind}"),
        columns: Vec::new(),
        path,
        via,
        severity,
        reason: format!("{verb} `{field}`"),
        reason_for_whole_node: None,
        gaps: Vec::new(),
        owner: None,
        status: None,
        file: Some(file),
    });
}

/// Removes all effects on a field except for the most severe one, because two tables can affect the same field.
fn keep_most_severe_effects(effects: &mut Vec<Effect>) {
    let mut worst: FxHashMap<&str, usize> = FxHashMap::default();
    for (effect_index, effect) in effects.iter().enumerate() {
        let worst_index = worst.entry(&effect.id).or_insert(effect_index);
        if effects
            .get(*worst_index)
            .is_some_and(|existing_effect| existing_effect.severity < effect.severity)
        {
            *worst_index = effect_index;
        }
    }
    let mut is_reported = vec![false; effects.len()];
    for effect_index in worst.into_values() {
        if let Some(is_reported) = is_reported.get_mut(effect_index) {
            *is_reported = true;
        }
    }
    let mut is_reported = is_reported.into_iter();
    effects.retain(|_| is_reported.next().unwrap_or_default());
}
