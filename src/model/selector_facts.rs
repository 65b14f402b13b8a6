//! What a spec says of its model for those who select models: tags, and plain values of its configuration.

use super::load::{ColumnKeys, DbtKeys};
use crate::yaml::Node;

/// The model's tags, those of `config` among them.
pub(super) fn tags(dbt: &DbtKeys<'_>) -> Vec<String> {
    let said = [dbt.config.and_then(|config| config.get("tags")), dbt.tags];
    said.into_iter().flatten().flat_map(Node::texts).collect()
}

/// What is one value each: keys of `config`, `access` and `group`.
pub(super) fn config(dbt: &DbtKeys<'_>) -> Vec<(String, String)> {
    let pairs = dbt.config.and_then(Node::pairs).unwrap_or_default().iter();
    let inside = pairs.filter_map(|(key, value)| Some((key.text()?, value))).filter(|(key, _)| *key != "tags");
    let beside = [("access", dbt.access), ("group", dbt.group)];
    let beside = beside.into_iter().filter_map(|(key, value)| Some((key, value?)));
    inside.chain(beside).filter_map(|(key, value)| Some((key.to_owned(), value.text()?.to_owned()))).collect()
}

/// The tags of columns, by their names.
pub(super) fn column_tags(columns: &[ColumnKeys<'_>]) -> Vec<(String, Vec<String>)> {
    columns.iter().filter_map(|column| Some((column.name.text.to_owned(), column.tags?.texts()))).collect()
}

/// The seconds that the model may take, `meta: {formulac: {budget: 30}}`, as they are written.
pub(super) fn budget(dbt: &DbtKeys<'_>) -> Option<String> {
    let said = [dbt.meta, dbt.config.and_then(|config| config.get("meta"))];
    let budget = said.into_iter().flatten().find_map(|meta| meta.get("formulac")?.get("budget")?.text());
    budget.map(str::to_owned)
}
