//! Writes the impact as a single HTML file: the summary sentence, the table of effects (worst first), and the graph
//! with a list next to it.
//!
//! The page is readable without JavaScript, except for the graph. The script draws the graph from JSON data that
//! contains no `<`, and inserts names only as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use formulac_syntax::diag::lists::join_words_up_to;
use serde_json::json;

use super::graph_drawing::{DrawnNode, GraphDrawing, from_impact, severity_class};
use crate::summary::display_kind_name;
use crate::{ChangeSeverity, Effect, Graph, Impact};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Maximum number of nodes in the graph. The table contains all nodes.
const MAX_NODES: usize = 300;
/// Maximum number of bytes of a model's SQL that the page shows.
const MAX_SQL_BYTES: usize = 20_000;

/// Details that the page shows for a selected node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HtmlNodeDetails {
    /// Names and formulas of the definitions in the node's spec.
    pub formulas: Vec<(String, String)>,
    /// SQL of the node.
    pub sql: Option<String>,
    /// Tests of the node, each with its last status.
    pub tests: Vec<(String, String)>,
    /// Description of the node.
    pub description: String,
}

/// Returns the details of the nodes with these ids.
#[must_use]
pub fn node_details(
    graph: &Graph<'_>,
    ids: &BTreeSet<String>,
    status: &BTreeMap<String, String>,
) -> BTreeMap<String, HtmlNodeDetails> {
    let mut details: BTreeMap<String, HtmlNodeDetails> = BTreeMap::new();
    for part in &graph.nodes {
        let id = part.id();
        if !ids.contains(&id) {
            continue;
        }
        let formulas = part.spec.into_iter().flat_map(|spec| spec.compiled.definitions());
        let sql = part
            .node
            .and_then(|node| node.raw_code.as_deref().or(node.compiled_code.as_deref()))
            .or(part.sql_without_jinja());
        let cut = |sql: &str| {
            let mut end = sql.len().min(MAX_SQL_BYTES);
            while !sql.is_char_boundary(end) {
                end -= 1;
            }
            let more = if end < sql.len() { "\n…" } else { "" };
            format!("{}{more}", sql.get(..end).unwrap_or_default())
        };
        let detail = HtmlNodeDetails {
            formulas: formulas
                .map(|d| (d.name().to_owned(), d.formula().to_owned()))
                .collect(),
            sql: sql.map(str::trim).filter(|sql| !sql.is_empty()).map(cut),
            tests: Vec::new(),
            description: part.node.map(|node| node.description.to_string()).unwrap_or_default(),
        };
        details.insert(id, detail);
    }
    for test in graph.sources.manifest.data_tests() {
        let Some(detail) = test.on.and_then(|tested_node| details.get_mut(&*tested_node.unique_id)) else {
            continue;
        };
        let status = status
            .get(&*test.node.unique_id)
            .cloned()
            .unwrap_or_else(|| "not run".to_owned());
        detail.tests.push((test.node.name.to_string(), status));
    }
    details
}

/// Returns the HTML page. `messages` contains lines that follow the summary sentence, such as the base revision of the
/// comparison.
#[must_use]
pub fn html_page(impact: &Impact, graph: &Graph<'_>, status: &BTreeMap<String, String>, messages: &[String]) -> String {
    let drawing = impact_graph_with_inputs(impact, graph);
    let mut out = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    // This policy prevents the page from loading other resources, even if a name contains a URL.
    out.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n");
    let _ = writeln!(
        out,
        "<title>{} – formulac impact</title>\n<style>\n{STYLE}</style>\n</head>\n<body>",
        escape_text(&page_title(impact))
    );
    let _ = writeln!(
        out,
        "<header>\n<p class=\"said\">{}</p>",
        escape_text(&describe_graph_source(graph))
    );
    let _ = writeln!(
        out,
        "<h1 class=\"{}\">{}</h1>",
        severity_class(impact.worst_severity()),
        escape_text(&impact.summary_sentence())
    );
    for line in messages {
        let _ = writeln!(out, "<p class=\"said\">{}</p>", sentence_to_html(line));
    }
    out.push_str("<ul class=\"changes\">\n");
    for changed in &impact.changed {
        let reason = changed.reason.as_ref().map(|reason| {
            format!(
                " <span class=\"grade {}\">{}</span> {}",
                severity_class(changed.severity),
                changed.severity.name(),
                sentence_to_html(reason)
            )
        });
        let _ = writeln!(
            out,
            "<li><code>{}</code>: {}{}</li>",
            escape_text(&changed.name),
            escape_text(&changed.description),
            reason.unwrap_or_default()
        );
    }
    out.push_str("</ul>\n</header>\n<main>\n");
    write_effects_table(impact, &mut out);
    write_notes(impact, &mut out);
    out.push_str("<section aria-labelledby=\"graph-title\">\n<h2 id=\"graph-title\">Graph</h2>\n");
    out.push_str(
        "<p class=\"said\">The changed nodes are blue. Their inputs are on the left, everything that they \
        affect is on the right. Select a node with the mouse, or in the list with Tab, arrow keys and Enter.</p>\n",
    );
    out.push_str("<div class=\"work\">\n<nav aria-label=\"Nodes of the graph\"><ol id=\"list\">\n");
    let drawn_count = drawing.nodes.len().min(MAX_NODES);
    for (number, dot) in drawing.nodes.iter().take(drawn_count).enumerate() {
        let label: Vec<String> = dot.label.lines().map(escape_text).collect();
        let _ = writeln!(
            out,
            "<li><button type=\"button\" data-node=\"{number}\" class=\"{}\">{}</button></li>",
            dot.class,
            label.join("<br>")
        );
    }
    out.push_str("</ol>\n");
    write_unaffected(impact, &mut out);
    out.push_str("</nav>\n<div id=\"graph\" class=\"graph\"></div>\n<aside id=\"detail\" aria-live=\"polite\" tabindex=\"-1\"><p>Nothing is selected.</p></aside>\n</div>\n");
    if drawn_count < drawing.nodes.len() {
        let _ = writeln!(
            out,
            "<p class=\"said\">The graph shows {drawn_count} of {} nodes; the table shows all.</p>",
            drawing.nodes.len()
        );
    }
    out.push_str("</section>\n</main>\n");
    write_script_data(impact, &drawing, graph, status, drawn_count, &mut out);
    let _ = write!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// Returns the title: the name of the first change and the number of other changes.
fn page_title(impact: &Impact) -> String {
    match impact.changed.as_slice() {
        [] => "No change".to_owned(),
        [changed_node] => format!("Impact of {}", changed_node.name),
        [first, others @ ..] => format!("Impact of {} and {} more", first.name, others.len()),
    }
}

/// Returns the line that identifies the source of the page: the tool, the project, and the time of the manifest.
fn describe_graph_source(graph: &Graph<'_>) -> String {
    let metadata = &graph.sources.manifest.metadata;
    let project = metadata
        .project_name
        .as_ref()
        .map(|name| format!(" · dbt project {name}"))
        .unwrap_or_default();
    let time = metadata.generated_at.as_deref().and_then(|time| {
        let (date, clock) = time.split_once('T')?;
        Some(format!(" · manifest of {date} {} UTC", clock.get(..5)?))
    });
    format!("formulac impact{project}{}", time.unwrap_or_default())
}

/// Returns the impact graph and the nodes that the changed nodes read, so that the page shows the changed nodes between
/// their inputs and the affected nodes.
fn impact_graph_with_inputs(impact: &Impact, graph: &Graph<'_>) -> GraphDrawing {
    let mut drawing = from_impact(impact);
    let mut ids: BTreeSet<String> = drawing.nodes.iter().map(|dot| dot.id.clone()).collect();
    let changed: BTreeSet<&str> = impact.changed.iter().map(|changed| changed.id.as_str()).collect();
    let mut upstream = Vec::new();
    for index in changed.iter().filter_map(|id| graph.index_of(id)) {
        let (Some(part), Some(parents)) = (graph.nodes.get(index), graph.parents.get(index)) else {
            continue;
        };
        for parent in parents.iter().filter_map(|parent| graph.nodes.get(*parent)) {
            if ids.insert(parent.id()) {
                upstream.push(DrawnNode::new(
                    parent.id(),
                    format!("{}\n{}", parent.name(), display_kind_name(parent.kind().name())),
                    "upstream",
                ));
            }
            drawing.edges.push((parent.id(), part.id()));
        }
    }
    // Insert the upstream nodes after the changed nodes, so that the changed nodes come first.
    let insert_position = changed.len().min(drawing.nodes.len());
    drawing.nodes.splice(insert_position..insert_position, upstream);
    drawing.remove_duplicates();
    drawing
}

fn write_effects_table(impact: &Impact, output: &mut String) {
    output.push_str(
        "<section aria-labelledby=\"table-title\">\n<h2 id=\"table-title\">Affected, most severe first</h2>\n",
    );
    if impact.effects.is_empty() {
        output.push_str("<p>Nothing.</p>\n</section>\n");
        return;
    }
    output.push_str("<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\">What</th><th scope=\"col\">How it is reached</th><th scope=\"col\">Severity</th><th scope=\"col\">Owner</th><th scope=\"col\">Last status</th></tr></thead>\n<tbody>\n");
    for effect in &impact.effects {
        let steps: Vec<String> = effect
            .path
            .iter()
            .map(|step| format!("<code>{}</code>", escape_text(step)))
            .collect();
        let text_or_dash = |text: &Option<String>| text.as_deref().map_or_else(|| "–".to_owned(), escape_text);
        let model_level_note = effect
            .reason_for_whole_node
            .as_ref()
            .map(|why| format!("<br><small>no column-level lineage: {}</small>", sentence_to_html(why)));
        let gap = effect
            .gaps
            .first()
            .map(|gap| format!("<br><small>possibly overstated: {}</small>", sentence_to_html(gap)));
        let columns = match effect.columns.as_slice() {
            [] => String::new(),
            columns => {
                let names = columns
                    .iter()
                    .map(|column| format!("<code>{}</code>", escape_text(column)));
                format!("<br><small>{}</small>", join_words_up_to(&names.collect::<Vec<_>>(), 6))
            }
        };
        let _ = writeln!(
            output,
            "<tr class=\"{grade}\"><th scope=\"row\"><code>{}</code> <small>{}</small>{columns}</th><td data-label=\"How it is reached\">{}</td><td data-label=\"Severity\"><span class=\"grade {grade}\">{}</span> {}{}{}</td><td data-label=\"Owner\">{}</td><td data-label=\"Last status\">{}</td></tr>",
            escape_text(&effect.name),
            escape_text(&display_kind_name(&effect.kind)),
            steps.join(" → "),
            effect.severity.name(),
            sentence_to_html(&effect.reason),
            model_level_note.unwrap_or_default(),
            gap.unwrap_or_default(),
            text_or_dash(&effect.owner),
            text_or_dash(&effect.status),
            grade = severity_class(effect.severity),
        );
    }
    output.push_str("</tbody>\n</table></div>\n</section>\n");
}

/// Writes the section about models without column-level lineage.
fn write_notes(impact: &Impact, output: &mut String) {
    let is_model = |kind: &str| matches!(kind, "model" | "snapshot");
    let untraced_models: Vec<_> = impact
        .effects
        .iter()
        .filter(|effect| is_model(&effect.kind))
        .filter_map(|e| Some((&e.name, e.reason_for_whole_node.as_ref()?)))
        .collect();
    let count = impact.effects.iter().filter(|effect| is_model(&effect.kind)).count();
    output.push_str("<section aria-labelledby=\"level-title\">\n<h2 id=\"level-title\">Precision</h2>\n");
    if untraced_models.is_empty() {
        let _ = writeln!(
            output,
            "<p>Column-level lineage is available for all {count} models. For exposures, only the models that they read are known.</p>"
        );
    } else {
        let _ = writeln!(
            output,
            "<p>{} of {count} models have no column-level lineage, so all of their columns are treated as changed:</p>\n<ul>",
            untraced_models.len()
        );
        for (name, why) in untraced_models {
            let _ = writeln!(
                output,
                "<li><code>{}</code>: {}</li>",
                escape_text(name),
                sentence_to_html(why)
            );
        }
        output.push_str("</ul>\n");
    }
    output.push_str("</section>\n");
}

fn write_unaffected(impact: &Impact, output: &mut String) {
    if impact.unaffected.is_empty() {
        return;
    }
    let _ = writeln!(
        output,
        "<details><summary>{} not affected</summary><ul>",
        impact.unaffected.len()
    );
    for (_, name) in impact.unaffected.iter().take(MAX_NODES) {
        let _ = writeln!(output, "<li>{}</li>", escape_text(name));
    }
    output.push_str("</ul></details>\n");
}

/// Writes the data for the script.
fn write_script_data(
    impact: &Impact,
    drawing: &GraphDrawing,
    graph: &Graph<'_>,
    status: &BTreeMap<String, String>,
    drawn_count: usize,
    output: &mut String,
) {
    let ids: BTreeSet<String> = drawing
        .nodes
        .iter()
        .take(drawn_count)
        .map(|dot| dot.id.clone())
        .collect();
    let details = node_details(graph, &ids, status);
    let numbers: BTreeMap<&str, usize> = drawing
        .nodes
        .iter()
        .take(drawn_count)
        .enumerate()
        .map(|(number, dot)| (dot.id.as_str(), number))
        .collect();
    let effects: BTreeMap<&str, &Effect> = impact
        .effects
        .iter()
        .map(|effect| (effect.id.as_str(), effect))
        .collect();
    let nodes = drawing.nodes.iter().take(drawn_count).map(|dot| {
        let detail = details.get(&dot.id).cloned().unwrap_or_default();
        let effect = effects.get(dot.id.as_str());
        let grade = effect.map(|effect| effect.severity);
        json!({
            "label": dot.label,
            "class": dot.class,
            "grade": grade.map(ChangeSeverity::name),
            "reason": effect.map(|effect| effect.reason.clone()),
            "path": effect.map(|effect| effect.path.iter().map(|step| &**step).collect::<Vec<_>>()),
            "file": effect.and_then(|effect| effect.file.clone()),
            "description": detail.description,
            "formulas": detail.formulas,
            "sql": detail.sql,
            "tests": detail.tests,
        })
    });
    let edges = drawing
        .edges
        .iter()
        .filter_map(|(from, to)| Some([numbers.get(from.as_str())?, numbers.get(to.as_str())?]));
    let data = json!({"nodes": nodes.collect::<Vec<_>>(), "edges": edges.collect::<Vec<_>>()});
    // Escape every `<`, so that the data cannot end the script element.
    let data = crate::diag::render::json_text(&data).replace('<', "\\u003c");
    let _ = writeln!(output, "<script type=\"application/json\" id=\"data\">{data}</script>");
}

/// Escapes text for HTML.
fn escape_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if crate::diag::render::is_hidden(c) => {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// Converts a sentence to HTML and escapes special characters. Text between backticks becomes a `<code>` element.
fn sentence_to_html(sentence: &str) -> String {
    let parts: Vec<&str> = sentence.split('`').collect();
    let mut out = String::new();
    for (number, part) in parts.iter().enumerate() {
        if number % 2 == 1 && number + 1 < parts.len() {
            let _ = write!(out, "<code>{}</code>", escape_text(part));
        } else {
            out.push_str(&escape_text(part));
        }
    }
    out
}
