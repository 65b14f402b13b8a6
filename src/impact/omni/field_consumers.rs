//! Reads topics and joins, and the views and fields that they use.

use std::collections::BTreeSet;

use super::OmniObjectKind;
use super::field_sql::{field_references, fields_referenced_in_sql, without_timeframe};
use crate::schema::{OmniRelationship, OmniTopic, ParsedOmniModel};
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

/// Reads a relationship.
pub(super) fn read_join(model: &ParsedOmniModel<'_>, join: &OmniRelationship) -> FieldConsumer {
    let conditions = [&join.on, &join.condition].into_iter().flatten();
    // Replace aliases with the names of the views.
    let real = |name: String| {
        let (alias, field) = name.rsplit_once('.')?;
        Some(format!("{}.{field}", join.view_of_alias(alias)?.to_lowercase()))
    };
    let fields = conditions.flat_map(|sql| fields_referenced_in_sql(sql));
    let fields = fields.map(|name| real(name.clone()).unwrap_or(name)).collect();
    FieldConsumer {
        name: format!("{} → {}", join.from, join.to),
        kind: OmniObjectKind::Join,
        file: path_of_file(model, join.file),
        views: BTreeSet::new(),
        fields,
    }
}

fn path_of_file(model: &ParsedOmniModel<'_>, file: usize) -> String {
    model
        .files
        .get(file)
        .map(|file| file.path.to_owned())
        .unwrap_or_default()
}

pub(super) fn read_topic_consumer(model: &ParsedOmniModel<'_>, topic: &OmniTopic) -> FieldConsumer {
    let setting = |key: &str| model.topic_setting(topic, key).map(|(_, node)| node);
    let base = topic.base_view.to_lowercase();
    let joined = model
        .topic_joins(topic)
        .into_iter()
        .map(|(_, view)| view.to_lowercase());
    let mut views: BTreeSet<String> = joined.chain([base.clone()]).collect();
    let mut fields = BTreeSet::new();
    for key in ["always_where_sql", "always_having_sql"] {
        let sql = setting(key).and_then(Node::text);
        fields.extend(sql.map(fields_referenced_in_sql).into_iter().flatten());
    }
    for key in [
        "default_filters",
        "always_where_filters",
        "always_having_filters",
        "access_filters",
    ] {
        fields.extend(setting(key).map(mapping_keys).unwrap_or_default());
    }
    // A topic may override fields of views. The first SQL of a field takes precedence.
    let mut overridden = BTreeSet::new();
    for (view, view_node) in model.topic_roots(topic).flat_map(|root| root.pairs_at("views")) {
        let view = view.text().unwrap_or_default().to_lowercase();
        for (name, field) in ["dimensions", "measures"]
            .into_iter()
            .flat_map(|key| view_node.pairs_at(key))
        {
            let name = name.text().unwrap_or_default().to_lowercase();
            let sql = field.text_at("sql");
            let sql = sql
                .filter(|_| overridden.insert((view.clone(), name)))
                .unwrap_or_default();
            fields.extend(field_references(sql).map(|field| qualified_field_name(&view, field)));
        }
    }
    let samples = setting("sample_queries");
    let named = samples
        .and_then(Node::pairs)
        .unwrap_or_default()
        .iter()
        .map(|(_, sample)| sample);
    for sample in named.chain(samples.and_then(Node::items).unwrap_or_default()) {
        fields.extend(fields_of_query(sample.get("query").unwrap_or(sample)));
    }
    // A topic with a list of fields shows only these fields of its views.
    let field_names = setting("fields").map(Node::texts).unwrap_or_default();
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
        name: topic.name.clone(),
        kind: OmniObjectKind::Topic,
        file: path_of_file(model, topic.file),
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
