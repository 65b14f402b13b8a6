//! Definitions and display settings of a field as text.

use formulac_syntax::text::collapse_whitespace;

use super::misspellings::correct_spelling;
use crate::diag::suggest;
use crate::schema::ViewField;
use crate::yaml::Node;

/// Display settings for fields in Omni. The `omni` key of a column in the spec contains these settings.
const DISPLAY_SETTINGS: [&str; 8] = [
    "label",
    "format",
    "synonyms",
    "group_label",
    "view_label",
    "sample_values",
    "all_values",
    "ai_context",
];

/// Settings that become part of the formula, the grain or other properties of the column, or that are reported as
/// separate gaps.
const CONVERTED_SETTINGS: [&str; 16] = [
    "sql",
    "aggregate_type",
    "filters",
    "percentile",
    "custom_primary_key_sql",
    "groups",
    "else",
    "bin_boundaries",
    "level_of_detail",
    "dynamic_top_n",
    "duration",
    "timeframes",
    "primary_key",
    "description",
    "tags",
    "required_access_grants",
];

/// Settings that refer to fields. These fields are not necessarily columns of the model.
const SETTINGS_WITH_FIELDS: [&str; 4] = ["drill_fields", "links", "order_by_field", "suggest_from_field"];

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
    let pairs = keys
        .iter()
        .filter_map(|key| Some(format!("{key}: {}", yaml_line(field.node.get(key)?))));
    let pairs: Vec<String> = pairs.collect();
    if pairs.is_empty() {
        field.name.clone()
    } else {
        pairs.join(", ")
    }
}

/// Formats a YAML value on one line. Recursion is safe because the YAML parser limits the nesting depth.
pub(super) fn yaml_line(node: &Node) -> String {
    if let Some(items) = node.items() {
        return format!("[{}]", items.iter().map(yaml_line).collect::<Vec<_>>().join(", "));
    }
    if let Some(pairs) = node.pairs() {
        let pairs = pairs
            .iter()
            .map(|(key, value)| format!("{}: {}", yaml_line(key), yaml_line(value)));
        return format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "));
    }
    collapse_whitespace(node.text().unwrap_or("null"))
}

/// Returns a field's settings that the spec does not contain: the name, the setting on one line, and the reason.
pub(super) fn omitted_settings(node: &Node) -> Vec<(&str, String, String)> {
    let pairs = node.pairs().unwrap_or_default().iter();
    let omitted = pairs.filter_map(|(key, value)| {
        let key = key.text()?;
        let known = CONVERTED_SETTINGS.iter().chain(&DISPLAY_SETTINGS).copied();
        let reason = match key {
            _ if known.clone().any(|setting| setting == key) => return None,
            _ if SETTINGS_WITH_FIELDS.contains(&key) => {
                "the setting depends on fields that the model may not contain".to_owned()
            }
            _ => match correct_spelling(key, known) {
                Some(intended) => suggest::similar_name_help(intended),
                None => "add the setting to `omni` of the column if the view of the model needs it".to_owned(),
            },
        };
        Some((key, format!("{key}: {}", yaml_line(value)), reason))
    });
    omitted.collect()
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
