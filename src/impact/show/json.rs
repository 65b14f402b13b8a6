//! Report and graph as JSON.

use serde::Serialize;
use serde_json::{Value, json};

use super::picture::{GraphDrawing, class};
use crate::{Impact, RevisionDifference};

/// JSON form of the report. The struct borrows the strings, because they may be long.
#[derive(Serialize)]
struct JsonReport<'i> {
    summary: String,
    worst: &'static str,
    differences: Vec<OfDifference<'i>>,
    changed: Vec<OfChanged<'i>>,
    effects: Vec<OfEffect<'i>>,
    unaffected: Vec<Unaffected<'i>>,
    edges: Vec<Way<'i>>,
}

#[derive(Serialize)]
struct OfDifference<'i> {
    name: &'i str,
    what: &'i str,
    before: &'i str,
    now: &'i str,
    why_model_level: Option<&'i str>,
}

#[derive(Serialize)]
struct OfChanged<'i> {
    name: &'i str,
    id: &'i str,
    what: &'i str,
    grade: &'static str,
    reason: Option<&'i str>,
}

#[derive(Serialize)]
struct OfEffect<'i> {
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
struct Unaffected<'i> {
    id: &'i str,
    name: &'i str,
}

#[derive(Serialize)]
struct Way<'i> {
    from: &'i str,
    to: &'i str,
}

/// Returns the report as JSON.
#[must_use]
pub fn impact<'i>(impact: &'i Impact, differences: &'i [RevisionDifference]) -> impl Serialize + 'i {
    let changed = impact.changed.iter().map(|changed| OfChanged {
        name: &changed.name,
        id: &changed.id,
        what: &changed.what,
        grade: class(changed.grade),
        reason: changed.reason.as_deref(),
    });
    let effects = impact.effects.iter().map(|effect| OfEffect {
        name: &effect.name,
        id: &effect.id,
        kind: &effect.kind,
        level: if effect.whole.is_some() { "model" } else { "column" },
        columns: &effect.columns,
        path: effect.path.iter().map(|step| &**step).collect(),
        via: effect.via.as_deref(),
        grade: class(effect.grade),
        reason: &effect.reason,
        why_model_level: effect.whole.as_deref(),
        gaps: &effect.gaps,
        owner: effect.owner.as_deref(),
        status: effect.status.as_deref(),
        file: effect.file.as_deref(),
    });
    let differences = differences.iter().map(|it| OfDifference {
        name: &it.name,
        what: it.what,
        before: &it.before,
        now: &it.now,
        why_model_level: it.whole.as_deref(),
    });
    JsonReport {
        summary: impact.sentence(),
        worst: class(impact.worst_grade()),
        differences: differences.collect(),
        changed: changed.collect(),
        effects: effects.collect(),
        unaffected: impact
            .unaffected
            .iter()
            .map(|(id, name)| Unaffected { id, name })
            .collect(),
        edges: impact
            .edges
            .iter()
            .map(|edge| Way {
                from: &edge.from,
                to: &edge.to,
            })
            .collect(),
    }
}

/// Returns a graph as JSON.
#[must_use]
pub fn lineage(name: &str, root: &str, pictures: &[&GraphDrawing], notes: &[String]) -> Value {
    let mut nodes: Vec<Value> = Vec::new();
    let mut edges: Vec<Value> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for picture in pictures {
        for dot in picture.nodes.iter().filter(|dot| seen.insert(dot.id.as_str())) {
            nodes.push(json!({"id": dot.id, "name": dot.label}));
        }
        edges.extend(picture.edges.iter().map(|(from, to)| json!({"from": from, "to": to})));
    }
    json!({"name": name, "id": root, "nodes": nodes, "edges": edges, "notes": notes})
}
