//! Describes a table's role in dbt, for users and for AI assistants that query the Omni model.

use super::meta;
use super::table::DbtTable;
use crate::artifacts::{ConstraintKind, Manifest, ManifestNode, MetaValue, NodeDetail, ResourceType};

/// Settings for the physical layout of a table, each with its display name.
const LAYOUT_SETTINGS: &[(&str, &str)] = &[
    ("unique_key", "unique key"),
    ("partition_by", "partitioned by"),
    ("cluster_by", "clustered by"),
    ("indexes", "indexes"),
];

/// Returns the text for the `ai_context` of a view, with one fact per line.
pub(super) fn table_ai_context(table: &DbtTable<'_>, manifest: &Manifest, children: &[usize]) -> String {
    let node = table.node;
    let mut lines = Vec::new();
    if let Some(context_text) = meta::omni_meta(&node.meta)
        .and_then(|omni| omni.get("ai_context"))
        .and_then(MetaValue::as_str)
    {
        lines.push(context_text.trim().to_owned());
    }
    let table_kind = node
        .materialized()
        .filter(|_| node.resource_type == ResourceType::Model);
    let materialization = table_kind.map_or_else(String::new, |kind| format!(", materialized as {kind}"));
    lines.push(format!(
        "dbt {} {}{materialization}.",
        node.resource_type.name(),
        qualified_name(node)
    ));
    for (key, words) in LAYOUT_SETTINGS {
        if let Some(value) = node.config.get(key).filter(|value| !value.is_empty_value()) {
            lines.push(format!("{}: {}.", capitalize(words), setting_text(value)));
        }
    }
    let constraints = describe_constraints(node);
    if !constraints.is_empty() {
        let heading = if node.enforces_constraints() {
            "Constraints"
        } else {
            "Constraints, not enforced"
        };
        lines.push(format!("{heading}: {}.", constraints.join("; ")));
    }
    let sources: Vec<String> = node
        .depends_on
        .iter()
        .filter_map(|id| Some(qualified_name(manifest.node(id)?)))
        .collect();
    if !sources.is_empty() {
        lines.push(format!("Built from {}.", sources.join(", ")));
    }
    let exposures = children
        .iter()
        .filter_map(|index| manifest.nodes.get(*index))
        .filter_map(|node| match &node.detail {
            NodeDetail::Exposure(exposure) => Some((node, exposure)),
            _ => None,
        });
    for (node, exposure) in exposures {
        let owner = exposure.owner.name.as_deref().or(exposure.owner.email.as_deref());
        let owner = owner.map_or_else(String::new, |owner| format!(" (owner: {owner})"));
        let kind = exposure.kind.as_deref().unwrap_or("exposure");
        lines.push(format!(
            "Used by the {kind} {}{owner}.",
            exposure.label.as_deref().unwrap_or(&node.name)
        ));
    }
    lines.join("\n")
}

/// Returns the display name of a node, such as `orders`, or `raw.orders` for a source.
fn qualified_name(node: &ManifestNode) -> String {
    match node.source() {
        Some(source) => format!("{}.{}", source.source_name, node.name),
        None => match &node.version {
            Some(version) => format!("{} v{version}", node.name),
            None => node.name.to_string(),
        },
    }
}

fn capitalize(words: &str) -> String {
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Formats a setting as text. Recursion is safe because the artifact parser limits the nesting depth.
fn setting_text(value: &MetaValue) -> String {
    match value {
        MetaValue::List(items) => items.iter().map(setting_text).collect::<Vec<_>>().join(", "),
        // A BigQuery partition, such as `{field: day, data_type: date, granularity: month}`.
        MetaValue::Map(fields) if fields.get("field").is_some() => {
            let part = |name: &str| fields.get(name).map(setting_text);
            let unit = part("granularity").map_or_else(String::new, |unit| format!(" by {unit}"));
            format!("{}{unit}", part("field").unwrap_or_default())
        }
        MetaValue::Map(fields) => fields
            .iter()
            .map(|(key, value)| format!("{key} {}", setting_text(value)))
            .collect::<Vec<_>>()
            .join(" "),
        scalar => scalar.to_string(),
    }
}

fn describe_constraints(node: &ManifestNode) -> Vec<String> {
    let word = |kind: ConstraintKind| match kind {
        ConstraintKind::NotNull => "not null",
        ConstraintKind::Unique => "unique",
        ConstraintKind::PrimaryKey => "primary key",
        ConstraintKind::ForeignKey => "foreign key",
        ConstraintKind::Check => "check",
        _ => "constraint",
    };
    let of_columns = node.columns.iter().flat_map(|column| {
        column
            .constraints
            .iter()
            .map(move |constraint| (constraint, column.name.to_string()))
    });
    let of_table = node.constraints.iter().map(|constraint| {
        let columns: Vec<&str> = constraint.columns.iter().map(|name| &**name).collect();
        (constraint, columns.join(", "))
    });
    let text = of_columns.chain(of_table).map(|(constraint, columns)| {
        let expression = constraint
            .expression
            .as_deref()
            .map_or_else(String::new, |sql| format!(" ({sql})"));
        let columns = if columns.is_empty() {
            columns
        } else {
            format!(" {columns}")
        };
        format!("{}{columns}{expression}", word(constraint.kind))
    });
    text.collect()
}
