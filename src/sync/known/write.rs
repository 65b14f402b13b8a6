//! Writes the known facts about relations and columns as YAML and for messages.

use std::fmt::Write as _;

use crate::schema::{Column, Relation};
use crate::yaml;

pub(super) fn write_relation(output: &mut String, relation: &Relation) {
    if !relation.is_marked_incomplete() {
        output.push_str("    complete: true\n");
    }
    for fact in relation_facts(relation) {
        let _ = writeln!(output, "    {fact}");
    }
    let mut columns: Vec<&Column> = relation.columns().iter().collect();
    if relation.is_marked_incomplete() {
        columns.sort_by_key(|column| column.name());
    }
    output.push_str(if columns.is_empty() {
        "    columns: {}\n"
    } else {
        "    columns:\n"
    });
    for column in columns {
        let _ = writeln!(
            output,
            "      {}: {}",
            yaml::key_text(column.name()),
            column_yaml(column)
        );
    }
}

/// Returns the facts about a relation, except its columns, as YAML pairs.
pub(super) fn relation_facts(relation: &Relation) -> Vec<String> {
    let mut facts = Vec::new();
    if relation.name() != relation.schema_name() {
        facts.push(format!("name: {}", yaml::format_flow_scalar(relation.name())));
    }
    facts.extend(relation.access().map(|access| format!("access: {}", access.name())));
    facts.extend(
        relation
            .group()
            .map(|group| format!("group: {}", yaml::format_flow_scalar(group))),
    );
    if !relation.key().is_empty() {
        facts.push(format!("primary_key: {}", flow_list(relation.key())));
    }
    facts
}

/// Returns the facts about a column as a YAML value.
fn column_yaml(column: &Column) -> String {
    let description = column.description_text().map(yaml::format_flow_scalar);
    column_yaml_with_description(column, description.map(|text| format!("description: {text}")))
}

/// Returns the facts about a column that can change the SQL or the tests of a model: all facts except the description.
pub(super) fn sql_relevant_column_yaml(column: &Column) -> String {
    column_yaml_with_description(column, None)
}

fn column_yaml_with_description(column: &Column, description: Option<String>) -> String {
    let ty = column.type_text();
    let mut facts = Vec::new();
    if !column.is_nullable() {
        facts.push("nullable: false".to_owned());
    }
    // A quoted YAML key implies a quoted name, so `quoted` is written only if the key would imply the wrong value.
    if column.is_quoted() != yaml::key_text(column.name()).starts_with('"') {
        facts.push(format!("quoted: {}", column.is_quoted()));
    }
    facts.extend(
        column
            .known_values()
            .map(|values| format!("values: {}", flow_list(values))),
    );
    if !column.tags().is_empty() {
        facts.push(format!("tags: {}", flow_list(column.tags())));
    }
    facts.extend(description);
    let ty_in_flow = yaml::format_flow_scalar(&ty);
    if facts.is_empty() {
        ty
    } else {
        format!("{{type: {ty_in_flow}, {}}}", facts.join(", "))
    }
}

/// Returns the facts about a column for messages.
pub(super) fn display_column_facts(column: &Column) -> String {
    let facts = column_yaml(column);
    let inner = facts.strip_prefix("{type: ").and_then(|facts| facts.strip_suffix('}'));
    let inner = inner.unwrap_or(&facts);
    match inner.strip_prefix("unknown") {
        Some(rest) if column.type_text() == "unknown" => format!("column of unknown type{rest}"),
        _ => inner.to_owned(),
    }
}

fn flow_list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| yaml::format_flow_scalar(item)).collect();
    format!("[{}]", items.join(", "))
}
