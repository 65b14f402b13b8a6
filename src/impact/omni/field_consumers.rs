//! Reads topics and joins, and the views and fields that they use.

use std::collections::BTreeSet;

use super::OmniObjectKind;
use super::field_sql::{field_references, fields_referenced_in_sql, without_timeframe};
use crate::yaml::Node;

/// Topic or join that uses views and fields.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldConsumer {
    pub name: String,
    pub kind: OmniObjectKind,
    pub file: String,
    /// Views that are used with all their fields.
    pub views: BTreeSet<String>,
    /// Fields that are used, each qualified with its view.
    pub fields: BTreeSet<String>,
}

/// Reads a relationship. `None` if the relationship does not specify both views.
pub(super) fn read_join(file: &str, join: &Node) -> Option<FieldConsumer> {
    let text = |key: &str| join.text_at(key);
    let (from, to) = (text("join_from_view")?, text("join_to_view")?);
    let conditions = ["on_sql", "where_sql"].into_iter().filter_map(text);
    // Replace aliases with the names of the views.
    let real = |field: String| {
        let aliases = [(text("join_from_view_as"), from), (text("join_to_view_as"), to)];
        let alias_match = aliases
            .into_iter()
            .find_map(|(alias, view)| Some((field.strip_prefix(alias?)?.strip_prefix('.')?, view)));
        alias_match.map_or(field.clone(), |(rest, view)| format!("{}.{rest}", view.to_lowercase()))
    };
    let fields = conditions.flat_map(fields_referenced_in_sql).map(real).collect();
    let name = format!("{from} → {to}");
    Some(FieldConsumer {
        name,
        kind: OmniObjectKind::Join,
        file: file.to_owned(),
        views: BTreeSet::new(),
        fields,
    })
}

pub(super) fn read_topic_consumer(name: &str, file: &str, root: &Node) -> FieldConsumer {
    let base = root.text_at("base_view").unwrap_or(name).to_lowercase();
    let mut views = BTreeSet::from([base.clone()]);
    let mut stack: Vec<&Node> = root.get("joins").into_iter().collect();
    while let Some(node) = stack.pop() {
        for (view, child) in node.pairs().unwrap_or_default() {
            views.extend(view.text().map(str::to_lowercase));
            stack.push(child);
        }
    }
    let mut fields = BTreeSet::new();
    for key in ["always_where_sql", "always_having_sql"] {
        fields.extend(root.text_at(key).map(fields_referenced_in_sql).into_iter().flatten());
    }
    for key in [
        "default_filters",
        "always_where_filters",
        "always_having_filters",
        "access_filters",
    ] {
        fields.extend(root.get(key).map(mapping_keys).unwrap_or_default());
    }
    // A topic may override fields of views.
    for (view, view_node) in root.pairs_at("views") {
        let view = view.text().unwrap_or_default().to_lowercase();
        for (_, field) in ["dimensions", "measures"]
            .into_iter()
            .flat_map(|key| view_node.pairs_at(key))
        {
            let sql = field.text_at("sql").unwrap_or_default();
            fields.extend(field_references(sql).map(|field| qualified_field_name(&view, field)));
        }
    }
    for (_, sample) in root.pairs_at("sample_queries") {
        fields.extend(fields_of_query(sample.get("query").unwrap_or(sample)));
    }
    for sample in root.items_at("sample_queries") {
        fields.extend(fields_of_query(sample.get("query").unwrap_or(sample)));
    }
    // A topic with a list of fields shows only these fields of its views.
    let field_names = root.texts_at("fields");
    let is_whole = field_names.is_empty()
        || field_names
            .iter()
            .any(|field| field.contains('*') || field.contains(':'));
    if !is_whole {
        views.clear();
        let included = field_names.iter().filter(|field| !field.starts_with('-'));
        fields.extend(included.map(|field| without_timeframe(field).to_lowercase()));
    }
    let fields = fields
        .into_iter()
        .map(|field| qualified_field_name(&base, field))
        .collect();
    FieldConsumer {
        name: name.to_owned(),
        kind: OmniObjectKind::Topic,
        file: file.to_owned(),
        views,
        fields,
    }
}

fn qualified_field_name(view: &str, field: String) -> String {
    if field.contains('.') {
        field
    } else {
        format!("{view}.{field}")
    }
}

/// Returns the fields that a query refers to: its columns, pivots, filters and sort keys, and the fields that its
/// calculations read.
pub(super) fn fields_of_query(query: &Node) -> BTreeSet<String> {
    let mut users = BTreeSet::new();
    for key in ["fields", "filters", "sorts", "pivots"] {
        users.extend(query.get(key).map(mapping_keys).unwrap_or_default());
    }
    for (_, calculation) in query.pairs_at("calculations") {
        let sql = calculation.text().or_else(|| calculation.text_at("sql"));
        users.extend(sql.map(field_references).into_iter().flatten());
    }
    users
}

/// Returns the field names in a node: the keys of a mapping, the items of a list, or the `field` keys in a list of
/// mappings.
fn mapping_keys(node: &Node) -> BTreeSet<String> {
    let of_map = node
        .pairs()
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, _)| key.text());
    let of_item = |item| {
        Node::text(item).or_else(|| {
            ["field", "column_name", "name"]
                .into_iter()
                .find_map(|key| item.text_at(key))
        })
    };
    let of_list = node.items().unwrap_or_default().iter().filter_map(of_item);
    let names = of_map.chain(of_list).chain(node.text());
    names
        .map(|name| without_timeframe(name.trim_start_matches('-')).to_lowercase())
        .collect()
}
