//! Model properties that commands read: tags and scalar configuration values for `--select`, and the labels and formats
//! of columns.

use super::compiled_spec::ColumnFormat;
use super::load::{ColumnKeys, DbtKeys};
use crate::yaml::Node;

/// Returns the model's tags, including the tags in `config`.
pub(super) fn tags(dbt: &DbtKeys<'_>) -> Vec<String> {
    let nodes = [dbt.config.and_then(|config| config.get("tags")), dbt.tags];
    nodes.into_iter().flatten().flat_map(Node::texts).collect()
}

/// Returns the settings with scalar values: the keys of `config`, and `access` and `group`.
pub(super) fn config(dbt: &DbtKeys<'_>) -> Vec<(String, String)> {
    let pairs = dbt.config.and_then(Node::pairs).unwrap_or_default().iter();
    let inside = pairs
        .filter_map(|(key, value)| Some((key.text()?, value)))
        .filter(|(key, _)| *key != "tags");
    let keys = [("access", dbt.access), ("group", dbt.group)];
    let keys = keys.into_iter().filter_map(|(key, value)| Some((key, value?)));
    inside
        .chain(keys)
        .filter_map(|(key, value)| Some((key.to_owned(), value.text()?.to_owned())))
        .collect()
}

/// Returns the tags of columns by name.
pub(super) fn column_tags(columns: &[ColumnKeys<'_>]) -> Vec<(String, Vec<String>)> {
    columns
        .iter()
        .filter_map(|column| Some((column.name.text.to_owned(), column.tags?.texts())))
        .collect()
}

/// Returns the label and the format of each column that has one.
pub(super) fn column_formats(columns: &[ColumnKeys<'_>]) -> Vec<(String, ColumnFormat)> {
    let column_format = |column: &ColumnKeys<'_>| {
        let omni = column.omni.or_else(|| column.meta?.get("omni"))?;
        let text = |key: &str| omni.text_at(key).map(str::to_owned);
        let format = ColumnFormat {
            label: text("label"),
            format: text("format"),
        };
        Some((column.name.text.to_owned(), format))
    };
    columns.iter().filter_map(column_format).collect()
}

/// Returns the time limit in seconds from `meta: {formulac: {budget: 30}}`, as written in the spec.
pub(super) fn budget(dbt: &DbtKeys<'_>) -> Option<String> {
    let nodes = [dbt.meta, dbt.config.and_then(|config| config.get("meta"))];
    let budget = nodes
        .into_iter()
        .flatten()
        .find_map(|meta| meta.get("formulac")?.text_at("budget"));
    budget.map(str::to_owned)
}
