//! Writes the graph as Mermaid or DOT.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::diag::render::is_hidden;
use crate::summary::display_kind_name;
use crate::{ChangeSeverity, Impact};

/// Node of a drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrawnNode {
    /// Id of the node.
    pub id: String,
    /// Label of the node, which may contain several lines.
    pub label: String,
    /// Style of the node: `changed`, `breaking`, `changing`, `harmless`, or empty.
    pub class: &'static str,
}

impl DrawnNode {
    /// Creates a node.
    #[must_use]
    pub fn new(id: String, label: String, class: &'static str) -> Self {
        Self { id, label, class }
    }
}

/// Drawing of a graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GraphDrawing {
    /// Nodes of the graph.
    pub nodes: Vec<DrawnNode>,
    /// Edges, from the node that is read to the node that reads it.
    pub edges: Vec<(String, String)>,
}

/// Returns the graph of the changed and affected nodes.
#[must_use]
pub fn from_impact(impact: &Impact) -> GraphDrawing {
    let mut changed: Vec<(&str, Vec<&str>)> = Vec::new();
    for change in &impact.changed {
        match changed.iter_mut().find(|(id, _)| *id == change.id) {
            Some((_, names)) => names.push(&change.name),
            None => changed.push((&change.id, vec![&change.name])),
        }
    }
    let changed = changed
        .into_iter()
        .map(|(id, names)| DrawnNode::new(id.to_owned(), names.join("\n"), "changed"));
    let reached = impact.effects.iter().map(|effect| {
        DrawnNode::new(
            effect.id.clone(),
            format!("{}\n{}", effect.name, display_kind_name(&effect.kind)),
            severity_class(effect.severity),
        )
    });
    let dots: Vec<DrawnNode> = changed.chain(reached).collect();
    let ids: BTreeSet<&str> = dots.iter().map(|dot| dot.id.as_str()).collect();
    let is_known = |from: &str, to: &str| ids.contains(from) && ids.contains(to);
    let edges = impact.edges.iter().filter(|edge| is_known(&edge.from, &edge.to));
    let edges = edges.map(|edge| (edge.from.clone(), edge.to.clone())).collect();
    GraphDrawing { nodes: dots, edges }
}

pub(super) fn severity_class(severity: ChangeSeverity) -> &'static str {
    match severity {
        ChangeSeverity::Breaking => "breaking",
        ChangeSeverity::Changing => "changing",
        ChangeSeverity::Harmless => "harmless",
    }
}

const STYLES: [(&str, &str, &str); 4] = [
    ("changed", "#dbeafe", "#1d4ed8"),
    ("breaking", "#fee2e2", "#b91c1c"),
    ("changing", "#fef3c7", "#b45309"),
    ("harmless", "#f3f4f6", "#6b7280"),
];

impl GraphDrawing {
    /// Adds another graph to the drawing, without the styles of its nodes.
    pub(crate) fn add_unstyled(&mut self, other: Self) {
        let nodes = other.nodes.into_iter();
        self.nodes.extend(nodes.map(|node| DrawnNode { class: "", ..node }));
        self.edges.extend(other.edges);
    }

    /// Removes duplicate edges, and all but the first of the nodes with the same id.
    pub(crate) fn remove_duplicates(&mut self) {
        let mut ids = BTreeSet::new();
        self.nodes.retain(|node| ids.insert(node.id.clone()));
        let mut edges = BTreeSet::new();
        self.edges.retain(|edge| edges.insert(edge.clone()));
    }

    fn node_numbers(&self) -> BTreeMap<&str, usize> {
        self.nodes
            .iter()
            .enumerate()
            .map(|(number, dot)| (dot.id.as_str(), number))
            .collect()
    }

    /// Returns the graph as a flowchart in Mermaid syntax.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let numbers = self.node_numbers();
        let mut out = "flowchart LR\n".to_owned();
        for (number, dot) in self.nodes.iter().enumerate() {
            let lines: Vec<String> = dot.label.lines().map(escape_mermaid).collect();
            let class = if dot.class.is_empty() {
                String::new()
            } else {
                format!(":::{}", dot.class)
            };
            let _ = writeln!(out, "    n{number}[\"{}\"]{class}", lines.join("<br/>"));
        }
        for (from, to) in &self.edges {
            if let (Some(from), Some(to)) = (numbers.get(from.as_str()), numbers.get(to.as_str())) {
                let _ = writeln!(out, "    n{from} --> n{to}");
            }
        }
        for (class, fill, line) in STYLES {
            if self.nodes.iter().any(|dot| dot.class == class) {
                let _ = writeln!(out, "    classDef {class} fill:{fill},stroke:{line},color:#111827");
            }
        }
        out
    }

    /// Returns the graph in Graphviz's DOT format.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let numbers = self.node_numbers();
        let mut out = "digraph {\n    rankdir=LR;\n    node [shape=box, style=filled, fillcolor=white];\n".to_owned();
        for (number, dot) in self.nodes.iter().enumerate() {
            let lines: Vec<String> = dot.label.lines().map(escape_dot).collect();
            let style = STYLES.iter().find(|(class, ..)| *class == dot.class);
            let style = style
                .map(|(_, fill, line)| format!(", fillcolor=\"{fill}\", color=\"{line}\""))
                .unwrap_or_default();
            let _ = writeln!(out, "    n{number} [label=\"{}\"{style}];", lines.join("\\n"));
        }
        for (from, to) in &self.edges {
            if let (Some(from), Some(to)) = (numbers.get(from.as_str()), numbers.get(to.as_str())) {
                let _ = writeln!(out, "    n{from} -> n{to};");
            }
        }
        out + "}\n"
    }
}

/// Escapes text for a Mermaid label. Each character with a special meaning in Mermaid or in the resulting HTML is
/// replaced with a character code.
fn escape_mermaid(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | ',' | '-' | '→') {
            out.push(c);
        } else if c.is_control() || is_hidden(c) {
            out.push(' ');
        } else {
            let _ = write!(out, "#{};", c as u32);
        }
    }
    out
}

/// Escapes text for a quoted DOT label.
fn escape_dot(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() || is_hidden(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
