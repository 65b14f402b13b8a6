//! Lists the data that was read from artifacts, in a human-readable form.

use std::collections::BTreeMap;
use std::fmt::Write;

use formulac::Schema;
use formulac::artifacts::{LastResult, Manifest, ManifestNode, NodeDetail, TestCheck};

/// Formats a name and its text as ` name=text`. Returns an empty string if the text is empty.
fn format_part(name: &str, text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    if text.is_empty() {
        text
    } else {
        format!(" {name}={text}")
    }
}

fn join_texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    texts
        .into_iter()
        .map(|text| text.as_ref().to_owned())
        .collect::<Vec<_>>()
        .join(",")
}

/// Lists all nodes with their columns, and all groups, docs blocks and macros.
pub fn manifest(manifest: &Manifest) -> String {
    let mut out = String::new();
    manifest.nodes.iter().for_each(|node| write_node(&mut out, node));
    for node in &manifest.disabled {
        let _ = writeln!(out, "disabled {} {}", node.resource_type.name(), node.unique_id);
    }
    for dbt_group in &manifest.groups {
        let owner = [&dbt_group.owner.name, &dbt_group.owner.email].map(|text| text.as_deref().unwrap_or_default());
        let _ = writeln!(out, "group {} {} {owner:?}", dbt_group.unique_id, dbt_group.name);
    }
    for doc_block in &manifest.docs {
        let _ = writeln!(out, "docs {} {:?}", doc_block.unique_id, doc_block.text);
    }
    let _ = writeln!(out, "macros {}", join_texts(&manifest.macros));
    out
}

fn write_node(output: &mut String, node: &ManifestNode) {
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
    let config = node
        .config
        .iter()
        .filter(|(key, _)| !["enabled", "docs", "contract", "freshness"].contains(key));
    // Settings that dbt 1.12 adds by default and that dbt 1.10 does not have.
    let config =
        config.filter(|(key, _)| !["latest_version_pointer", "lookback", "on_error", "quote_args"].contains(key));
    let parts = [
        format_part("at", &node.original_file_path),
        format_part("described", text(&node.patch_path)),
        format_part("table", text(&node.relation_name)),
        format_part("about", format!("{:?}", node.description).trim_matches('"')),
        format_part("docs", join_texts(&node.doc_blocks)),
        format_part("tags", join_texts(&node.tags)),
        format_part(
            "meta",
            join_texts(node.meta.iter().map(|(key, value)| format!("{key}:{value}"))),
        ),
        format_part(
            "config",
            join_texts(config.map(|(key, value)| format!("{key}:{value}"))),
        ),
        format_part("access", text(&node.access)),
        format_part("group", text(&node.group)),
        format_part("version", text(&node.version)),
        format_part("latest", text(&node.latest_version)),
        format_part("contract", if node.contract_enforced { "enforced" } else { "" }),
        format_part("key", join_texts(&node.primary_key)),
        format_part("reads", join_texts(&node.depends_on)),
    ];
    let _ = writeln!(output, "{}{}", node.unique_id, parts.concat());
    for constraint in &node.constraints {
        let _ = writeln!(
            output,
            "    {:?} {}{}{}",
            constraint.kind,
            join_texts(&constraint.columns),
            format_part(
                "to",
                format!("{}({})", text(&constraint.to), join_texts(&constraint.to_columns)).trim_end_matches("()")
            ),
            format_part("expression", text(&constraint.expression)),
        );
    }
    for column in &node.columns {
        let parts = [
            format_part("type", text(&column.data_type)),
            format_part("about", format!("{:?}", column.description).trim_matches('"')),
            format_part("docs", join_texts(&column.doc_blocks)),
            format_part("tags", join_texts(&column.tags)),
            format_part(
                "meta",
                join_texts(column.meta.iter().map(|(key, value)| format!("{key}:{value}"))),
            ),
            format_part("quote", column.quote.map(|quote| quote.to_string()).unwrap_or_default()),
            format_part("granularity", text(&column.granularity)),
            format_part(
                "constraints",
                join_texts(
                    column
                        .constraints
                        .iter()
                        .map(|constraint| format!("{:?}", constraint.kind)),
                ),
            ),
        ];
        let _ = writeln!(output, "  . {}{}", column.name, parts.concat());
    }
    match &node.detail {
        NodeDetail::None => {}
        // The function `tests` lists data tests, grouped by the node that they test.
        NodeDetail::Test(_) => {}
        other => {
            let _ = writeln!(output, "  {other:?}");
        }
    }
}

/// Lists the columns and the condition that each data test checks.
pub fn tests(manifest: &Manifest) -> String {
    let mut out = String::new();
    for test in manifest.data_tests() {
        let on = test.on.map_or("", |node| &node.unique_id);
        let check = match &test.check {
            TestCheck::AcceptedValues(values) => {
                format!("one of {}", join_texts(values.iter().map(ToString::to_string)))
            }
            TestCheck::Relationships { to, field } => format!("in {} . {field}", to.unwrap_or("?")),
            TestCheck::UniqueTogether(names) => format!("unique together {}", join_texts(names)),
            other => format!("{other:?}"),
        };
        let proves = if test.proves_condition_for_all_rows() {
            ""
        } else {
            "  (proves nothing)"
        };
        let _ = writeln!(
            out,
            "{on} . {} : {check}{proves}",
            test.column.as_deref().unwrap_or_default()
        );
    }
    out
}

/// Lists the key and the columns of each relation. `!` marks a column that is never NULL.
pub fn schema(schema: &Schema) -> String {
    let mut out = String::new();
    for relation in schema.relations() {
        let access = relation.access().map(formulac::Access::name).unwrap_or_default();
        let _ = writeln!(
            out,
            "{}{}{}",
            relation.schema_name(),
            format_part("key", join_texts(relation.key())),
            format_part("access", access)
        );
        for column in relation.columns() {
            let (quote, null) = (
                if column.is_quoted() { "\"" } else { "" },
                if column.is_nullable() { "" } else { "!" },
            );
            let values = format_part("values", join_texts(column.known_values().unwrap_or_default()));
            let _ = writeln!(out, "  {quote}{}{quote} {}{null}{values}", column.name(), column.ty());
        }
    }
    out
}

/// Lists the last result of each node.
pub fn results(results: &BTreeMap<&str, LastResult<'_>>) -> String {
    let mut out = String::new();
    for (id, last) in results {
        let failures = last.result.failures.map(|count| count.to_string()).unwrap_or_default();
        let ran = if last.result.execute.is_some() {
            ""
        } else {
            " (did not run)"
        };
        let _ = writeln!(
            out,
            "{id} {}{}{ran}",
            last.result.status.name(),
            format_part("failures", failures)
        );
    }
    out
}
