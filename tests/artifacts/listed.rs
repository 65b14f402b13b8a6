//! Lists the data that was read from artifacts, in a form that people can review.

use std::collections::BTreeMap;
use std::fmt::Write;

use formulac::Schema;
use formulac::artifacts::{LastResult, Manifest, ManifestNode, NodeDetail, TestCheck};

/// Formats a part as ` name=text`. Returns an empty string if the text is empty.
fn told(name: &str, text: impl std::fmt::Display) -> String {
    let text = text.to_string();
    if text.is_empty() {
        text
    } else {
        format!(" {name}={text}")
    }
}

fn joined<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    texts
        .into_iter()
        .map(|text| text.as_ref().to_owned())
        .collect::<Vec<_>>()
        .join(",")
}

/// Lists all nodes with their columns, and all groups, docs blocks and macros.
pub fn manifest(manifest: &Manifest) -> String {
    let mut out = String::new();
    manifest.nodes.iter().for_each(|it| node(&mut out, it));
    for it in &manifest.disabled {
        let _ = writeln!(out, "disabled {} {}", it.resource_type.name(), it.unique_id);
    }
    for it in &manifest.groups {
        let owner = [&it.owner.name, &it.owner.email].map(|text| text.as_deref().unwrap_or_default());
        let _ = writeln!(out, "group {} {} {owner:?}", it.unique_id, it.name);
    }
    for it in &manifest.docs {
        let _ = writeln!(out, "docs {} {:?}", it.unique_id, it.text);
    }
    let _ = writeln!(out, "macros {}", joined(&manifest.macros));
    out
}

fn node(out: &mut String, node: &ManifestNode) {
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
    let config = node
        .config
        .iter()
        .filter(|(key, _)| !["enabled", "docs", "contract", "freshness"].contains(key));
    // Settings that dbt 1.12 adds by default and that dbt 1.10 does not have.
    let config =
        config.filter(|(key, _)| !["latest_version_pointer", "lookback", "on_error", "quote_args"].contains(key));
    let parts = [
        told("at", &node.original_file_path),
        told("described", text(&node.patch_path)),
        told("table", text(&node.relation_name)),
        told("about", format!("{:?}", node.description).trim_matches('"')),
        told("docs", joined(&node.doc_blocks)),
        told("tags", joined(&node.tags)),
        told(
            "meta",
            joined(node.meta.iter().map(|(key, value)| format!("{key}:{value}"))),
        ),
        told("config", joined(config.map(|(key, value)| format!("{key}:{value}")))),
        told("access", text(&node.access)),
        told("group", text(&node.group)),
        told("version", text(&node.version)),
        told("latest", text(&node.latest_version)),
        told("contract", if node.contract_enforced { "enforced" } else { "" }),
        told("key", joined(&node.primary_key)),
        told("reads", joined(&node.depends_on)),
    ];
    let _ = writeln!(out, "{}{}", node.unique_id, parts.concat());
    for constraint in &node.constraints {
        let _ = writeln!(
            out,
            "    {:?} {}{}{}",
            constraint.kind,
            joined(&constraint.columns),
            told(
                "to",
                format!("{}({})", text(&constraint.to), joined(&constraint.to_columns)).trim_end_matches("()")
            ),
            told("expression", text(&constraint.expression)),
        );
    }
    for column in &node.columns {
        let parts = [
            told("type", text(&column.data_type)),
            told("about", format!("{:?}", column.description).trim_matches('"')),
            told("docs", joined(&column.doc_blocks)),
            told("tags", joined(&column.tags)),
            told(
                "meta",
                joined(column.meta.iter().map(|(key, value)| format!("{key}:{value}"))),
            ),
            told("quote", column.quote.map(|quote| quote.to_string()).unwrap_or_default()),
            told("granularity", text(&column.granularity)),
            told(
                "constraints",
                joined(column.constraints.iter().map(|it| format!("{:?}", it.kind))),
            ),
        ];
        let _ = writeln!(out, "  . {}{}", column.name, parts.concat());
    }
    match &node.detail {
        NodeDetail::None => {}
        // The function `tests` lists data tests, grouped by the node that they test.
        NodeDetail::Test(_) => {}
        other => {
            let _ = writeln!(out, "  {other:?}");
        }
    }
}

/// Lists the columns and the condition that each data test checks.
pub fn tests(manifest: &Manifest) -> String {
    let mut out = String::new();
    for test in manifest.data_tests() {
        let on = test.on.map_or("", |node| &node.unique_id);
        let check = match &test.check {
            TestCheck::AcceptedValues(values) => format!("one of {}", joined(values.iter().map(ToString::to_string))),
            TestCheck::Relationships { to, field } => format!("in {} . {field}", to.unwrap_or("?")),
            TestCheck::UniqueTogether(names) => format!("unique together {}", joined(names)),
            other => format!("{other:?}"),
        };
        let proves = if test.is_conclusive() { "" } else { "  (proves nothing)" };
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
            told("key", joined(relation.key())),
            told("access", access)
        );
        for column in relation.columns() {
            let (quote, null) = (
                if column.is_quoted() { "\"" } else { "" },
                if column.is_nullable() { "" } else { "!" },
            );
            let values = told("values", joined(column.known_values().unwrap_or_default()));
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
            told("failures", failures)
        );
    }
    out
}
