//! Views that the settings of Omni's model file exclude from the model.

use super::view::ViewFile;
use crate::yaml;

/// Keys of the model file that name schemas or views. The flag is `true` if the model contains only the named schemas
/// or views.
const SCHEMA_AND_VIEW_FILTERS: [(&str, bool); 4] = [
    ("ignored_schemas", false),
    ("included_schemas", true),
    ("ignored_views", false),
    ("included_views", true),
];

/// Views that Omni does not show because of a setting in the model file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExcludedViews {
    /// Key of the model file, such as `ignored_schemas`.
    pub key: &'static str,
    /// Names of the views.
    pub views: Vec<String>,
}

/// Returns the views that each setting of the model file excludes. `model` is the text of the file.
pub(super) fn excluded_views<'v>(model: &str, views: impl Iterator<Item = &'v ViewFile> + Clone) -> Vec<ExcludedViews> {
    let Some(root) = yaml::parse_root(model) else {
        return Vec::new();
    };
    let of_key = |(key, is_included): (&'static str, bool)| {
        let patterns = root.texts_at(key);
        if patterns.is_empty() {
            return None;
        }
        let is_excluded = |view: &&ViewFile| {
            let name = if key.ends_with("schemas") {
                &view.schema
            } else {
                &view.name
            };
            patterns.iter().any(|pattern| matches_name_pattern(pattern, name)) != is_included
        };
        let views: Vec<String> = views
            .clone()
            .filter(is_excluded)
            .map(|view| view.name.clone())
            .collect();
        (!views.is_empty()).then_some(ExcludedViews { key, views })
    };
    SCHEMA_AND_VIEW_FILTERS.into_iter().filter_map(of_key).collect()
}

/// Returns whether a pattern in the model file matches the name of a schema or a view. The pattern may contain `*`.
fn matches_name_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    match pattern.split_once('*') {
        Some((start, end)) => name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end),
        None => pattern == name,
    }
}
