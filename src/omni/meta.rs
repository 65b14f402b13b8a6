//! Settings for Omni that users specify in dbt, under `meta.omni`.

use crate::artifacts::{MetaValue, ValueFields};
use crate::yaml::YamlValue;

/// Keys of a view that are copied from `meta.omni`.
pub(super) const VIEW_KEYS: &[&str] = &[
    "label",
    "hidden",
    "group_label",
    "required_access_grants",
    "aliases",
    "display_order",
    "default_drill_fields",
    "extends",
];

/// Keys of a dimension that are copied from `meta.omni`.
pub(super) const DIMENSION_KEYS: &[&str] = &[
    "label",
    "hidden",
    "group_label",
    "view_label",
    "format",
    "synonyms",
    "sample_values",
    "all_values",
    "timeframes",
    "convert_tz",
    "bin_boundaries",
    "order_by_field",
    "drill_fields",
    "links",
    "suggest_from_field",
    "suggestion_list",
    "aliases",
    "required_access_grants",
    "display_order",
    "colors",
    "ai_context",
];

/// Returns the content of `meta.omni`.
pub(super) fn omni_meta(meta: &ValueFields) -> Option<&ValueFields> {
    meta.get("omni").and_then(MetaValue::as_map)
}

/// Returns the given keys that are set in `meta.omni`, in the given order.
pub(super) fn meta_pairs(meta: &ValueFields, keys: &[&str]) -> Vec<(String, YamlValue)> {
    let Some(omni) = omni_meta(meta) else { return Vec::new() };
    keys.iter()
        .filter_map(|key| Some(((*key).to_owned(), meta_value(omni.get(key)?))))
        .collect()
}

/// Removes a key from the pairs, and returns its value.
pub(super) fn remove_pair(pairs: &mut Vec<(String, YamlValue)>, name: &str) -> Option<YamlValue> {
    let index = pairs.iter().position(|(key, _)| key == name)?;
    Some(pairs.remove(index).1)
}

/// Converts a value for a YAML file. Recursion is safe because the artifact parser limits the nesting depth.
pub(super) fn meta_value(meta: &MetaValue) -> YamlValue {
    match meta {
        MetaValue::Null => YamlValue::Bare("null".to_owned()),
        MetaValue::Bool(_) | MetaValue::Number(_) => YamlValue::Bare(meta.to_string()),
        MetaValue::Text(text) => plain_text(text),
        MetaValue::List(items) if items.iter().all(|item| item.scalar().is_some()) => {
            YamlValue::short_list(items.iter().map(meta_value).collect())
        }
        MetaValue::List(items) => YamlValue::list(items.iter().map(meta_value).collect()),
        MetaValue::Map(fields) => YamlValue::map(fields.iter().map(|(key, value)| (key.to_owned(), meta_value(value)))),
    }
}

/// Formats a string without escaping Jinja because Omni, unlike dbt, does not render Jinja.
pub(super) fn plain_text(text: &str) -> YamlValue {
    YamlValue::Text(text.trim_end().to_owned())
}
