//! Writes the report and the graph as JSON.

use serde::Serialize;
use serde_json::{Value, json};

use super::graph_drawing::{GraphDrawing, severity_class};
use crate::{Impact, RevisionDifference};

/// JSON representation of the report. The struct borrows strings from the report because they may be long.
#[derive(Serialize)]
struct JsonReport<'i> {
    summary: String,
    worst: &'static str,
    differences: Vec<DifferenceJson<'i>>,
    changed: Vec<ChangedNodeJson<'i>>,
    effects: Vec<EffectJson<'i>>,
    unaffected: Vec<UnaffectedJson<'i>>,
    edges: Vec<GraphEdgeJson<'i>>,
}

#[derive(Serialize)]
struct DifferenceJson<'i> {
    name: &'i str,
    what: &'i str,
    before: &'i str,
    now: &'i str,
    models: &'i [String],
    why_model_level: Option<&'i str>,
}

#[derive(Serialize)]
struct ChangedNodeJson<'i> {
    name: &'i str,
    id: &'i str,
    what: &'i str,
    grade: &'static str,
    reason: Option<&'i str>,
}

#[derive(Serialize)]
struct EffectJson<'i> {
    name: &'i str,
    id: &'i str,
    kind: &'i str,
    level: &'static str,
    columns: &'i [String],
    path: Vec<&'i str>,
    via: Option<&'i str>,
    grade: &'static str,
    reason: &'i str,
    why_model_level: Option<&'i str>,
    gaps: &'i [String],
    owner: Option<&'i str>,
    status: Option<&'i str>,
    file: Option<&'i str>,
}

#[derive(Serialize)]
struct UnaffectedJson<'i> {
    id: &'i str,
    name: &'i str,
}

#[derive(Serialize)]
struct GraphEdgeJson<'i> {
    from: &'i str,
    to: &'i str,
}

/// Returns the report as JSON.
#[must_use]
pub fn impact_json<'i>(impact: &'i Impact, differences: &'i [RevisionDifference]) -> impl Serialize + 'i {
    let changed = impact.changed.iter().map(|changed| ChangedNodeJson {
        name: &changed.name,
        id: &changed.id,
        what: &changed.description,
        grade: severity_class(changed.severity),
        reason: changed.reason.as_deref(),
    });
    let effects = impact.effects.iter().map(|effect| EffectJson {
        name: &effect.name,
        id: &effect.id,
        kind: &effect.kind,
        level: if effect.reason_for_whole_node.is_some() {
            "model"
        } else {
            "column"
        },
        columns: &effect.columns,
        path: effect.path.iter().map(|step| &**step).collect(),
        via: effect.via.as_deref(),
        grade: severity_class(effect.severity),
        reason: &effect.reason,
        why_model_level: effect.reason_for_whole_node.as_deref(),
        gaps: &effect.gaps,
        owner: effect.owner.as_deref(),
        status: effect.status.as_deref(),
        file: effect.file.as_deref(),
    });
    let differences = differences.iter().map(|revision_difference| DifferenceJson {
        name: &revision_difference.name,
        what: revision_difference.what,
        before: &revision_difference.before,
        now: &revision_difference.now,
        models: &revision_difference.models,
        why_model_level: revision_difference.reason_for_unknown_difference.as_deref(),
    });
    JsonReport {
        summary: impact.summary_sentence(),
        worst: severity_class(impact.worst_severity()),
        differences: differences.collect(),
        changed: changed.collect(),
        effects: effects.collect(),
        unaffected: impact
            .unaffected
            .iter()
            .map(|(id, name)| UnaffectedJson { id, name })
            .collect(),
        edges: impact
            .edges
            .iter()
            .map(|edge| GraphEdgeJson {
                from: &edge.from,
                to: &edge.to,
            })
            .collect(),
    }
}

/// Returns a graph as JSON.
#[must_use]
pub fn lineage_json(name: &str, root: &str, drawings: &[&GraphDrawing], notes: &[String]) -> Value {
    let mut nodes: Vec<Value> = Vec::new();
    let mut edges: Vec<Value> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for drawing in drawings {
        for dot in drawing.nodes.iter().filter(|dot| seen.insert(dot.id.as_str())) {
            nodes.push(json!({"id": dot.id, "name": dot.label}));
        }
        edges.extend(drawing.edges.iter().map(|(from, to)| json!({"from": from, "to": to})));
    }
    json!({"name": name, "id": root, "nodes": nodes, "edges": edges, "notes": notes})
}
