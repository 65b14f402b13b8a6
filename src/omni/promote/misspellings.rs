//! Finds misspelled keys and fields in Omni's files. Omni has more keys than the lists contain, so a key is reported
//! only if it is similar to a listed key.

use super::fields::{COUNT_MEASURE, FieldKey};
use crate::diag::suggest::nearest_name_within;
use crate::schema::ParsedOmniModel;
use crate::yaml::Node;

/// Keys of views.
pub(super) const VIEW_KEYS: [&str; 23] = [
    "catalog",
    "schema",
    "table_name",
    "sql",
    "query",
    "dbt",
    "dimensions",
    "measures",
    "filters",
    "custom_compound_primary_key_sql",
    "extends",
    "template",
    "label",
    "description",
    "hidden",
    "ignored",
    "tags",
    "aliases",
    "display_order",
    "default_drill_fields",
    "required_access_grants",
    "ai_context",
    "materialized_query",
];

/// Keys of queries.
pub(super) const QUERY_KEYS: [&str; 16] = [
    "base_view",
    "table",
    "topic",
    "fields",
    "filters",
    "sorts",
    "calculations",
    "limit",
    "pivots",
    "bind",
    "bind_all_filters",
    "fill_fields",
    "join_via_map",
    "default_group_by",
    "description",
    "label",
];

/// Maximum number of letters that differ between a misspelled key and the intended key.
const MAX_EDIT_DISTANCE: usize = 2;

/// Returns the listed name that was probably intended by a misspelled name. `None` if the name is listed or similar to
/// no listed name.
pub(super) fn correct_spelling<'n>(name: &str, names: impl IntoIterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let is_listed = names
        .clone()
        .into_iter()
        .any(|listed| listed.eq_ignore_ascii_case(name));
    match is_listed {
        true => None,
        false => nearest_name_within(name, MAX_EDIT_DISTANCE, names),
    }
}

/// Returns the misspelled keys of a node: the YAML node of each key, the key, and the reason why it has no effect.
pub(super) fn misspelled_keys<'m>(node: &'m Node, keys: &'static [&'static str]) -> Vec<(&'m Node, String, String)> {
    let pairs = node.pairs().unwrap_or_default().iter();
    let misspelled = pairs.filter_map(|(key, _)| {
        let name = key.text()?;
        let intended = correct_spelling(name, keys.iter().copied())?;
        Some((
            key,
            name.to_owned(),
            format!("`{name}` is not a key of Omni; did you mean `{intended}`?"),
        ))
    });
    misspelled.collect()
}

/// Returns a note if a field that a view does not define is similar to a field of the view. Without a definition, the
/// field is a column of the view's table, or the count that every view has.
pub(super) fn undefined_field_note(model: &ParsedOmniModel<'_>, (view, field): &FieldKey) -> Option<String> {
    let index = model.view_by_name_or_alias(view)?;
    if field == COUNT_MEASURE || model.field(index, field).is_some() {
        return None;
    }
    let source = model.views.get(index)?;
    let intended = correct_spelling(field, source.named_fields().map(|field| field.name.as_str()))?;
    Some(format!(
        "`{view}.{field}` is read as a column of the table, because the view does not define it; did you mean `{intended}`?"
    ))
}
