//! Definitions and display settings of a field as text.

use super::omni_model::ViewField;
use crate::yaml::Node;

/// Display settings for fields in Omni. The `omni` key of a column in the spec contains these settings.
const DISPLAY_SETTINGS: [&str; 6] = ["label", "format", "synonyms", "group_label", "view_label", "ai_context"];

/// Value of a display setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DisplaySettingValue {
    Text(String),
    Texts(Vec<String>),
}

/// Returns a field's original definition in Omni, formatted on one line.
pub(super) fn original_definition(field: &ViewField) -> String {
    let keys = [
        "sql",
        "aggregate_type",
        "filters",
        "groups",
        "bin_boundaries",
        "level_of_detail",
        "dynamic_top_n",
        "duration",
    ];
    let said = keys
        .iter()
        .filter_map(|key| Some(format!("{key}: {}", one_line(field.node.get(key)?))));
    let said: Vec<String> = said.collect();
    if said.is_empty() {
        field.name.clone()
    } else {
        said.join(", ")
    }
}

/// Formats a YAML value on one line. Recursion is safe because the YAML parser limits the nesting depth.
pub(super) fn one_line(node: &Node) -> String {
    if let Some(items) = node.items() {
        return format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", "));
    }
    if let Some(pairs) = node.pairs() {
        let pairs = pairs
            .iter()
            .map(|(key, value)| format!("{}: {}", one_line(key), one_line(value)));
        return format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "));
    }
    node.text()
        .unwrap_or("null")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the display settings that a field has in Omni.
pub(super) fn display_settings(node: &Node) -> Vec<(String, DisplaySettingValue)> {
    let value = |key: &str| {
        let value = node.get(key)?;
        Some(match value.items() {
            Some(_) => DisplaySettingValue::Texts(value.texts()),
            None => DisplaySettingValue::Text(value.text()?.to_owned()),
        })
    };
    DISPLAY_SETTINGS
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), value(key)?)))
        .collect()
}
