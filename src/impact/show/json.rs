//! As JSON.

use serde_json::{Value, json};

use super::picture::{Picture, class};
use crate::impact::{Difference, Impact};

/// The report.
#[must_use]
pub fn impact(impact: &Impact, differences: &[Difference]) -> Value {
    let changed = impact.changed.iter().map(|changed| {
        json!({"name": changed.name, "id": changed.id, "what": changed.what, "grade": class(changed.grade), "reason": changed.reason})
    });
    let effects = impact.effects.iter().map(|effect| {
        json!({
            "name": effect.name,
            "id": effect.id,
            "kind": effect.kind,
            "level": if effect.whole.is_some() { "model" } else { "column" },
            "columns": effect.columns,
            "path": effect.path.iter().map(|step| &**step).collect::<Vec<_>>(),
            "via": effect.via,
            "grade": class(effect.grade),
            "reason": effect.reason,
            "why_model_level": effect.whole,
            "gaps": effect.gaps,
            "owner": effect.owner,
            "status": effect.status,
            "file": effect.file,
        })
    });
    let differences = differences
        .iter()
        .map(|d| json!({"name": d.name, "what": d.what, "before": d.before, "now": d.now, "why_model_level": d.whole}));
    let unaffected = impact.unaffected.iter().map(|(id, name)| json!({"id": id, "name": name}));
    let edges = impact.edges.iter().map(|edge| json!({"from": edge.from, "to": edge.to}));
    json!({
        "summary": impact.sentence(),
        "worst": class(impact.worst()),
        "differences": differences.collect::<Vec<_>>(),
        "changed": changed.collect::<Vec<_>>(),
        "effects": effects.collect::<Vec<_>>(),
        "unaffected": unaffected.collect::<Vec<_>>(),
        "edges": edges.collect::<Vec<_>>(),
    })
}

/// A graph.
#[must_use]
pub fn lineage(name: &str, root: &str, pictures: &[&Picture], notes: &[String]) -> Value {
    let mut nodes: Vec<Value> = Vec::new();
    let mut edges: Vec<Value> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for picture in pictures {
        for dot in picture.dots.iter().filter(|dot| seen.insert(dot.id.as_str())) {
            nodes.push(json!({"id": dot.id, "name": dot.label}));
        }
        edges.extend(picture.edges.iter().map(|(from, to)| json!({"from": from, "to": to})));
    }
    json!({"name": name, "id": root, "nodes": nodes, "edges": edges, "notes": notes})
}
