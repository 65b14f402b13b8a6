//! Topics for Omni. A topic contains a base table and all tables that can be joined without repeating the base table's
//! rows.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::{FxHashMap, FxHashSet};

use super::access::{self, AccessGrants};
use super::joins::TableJoin;
use super::measures::UnsupportedElement;
use super::meta::{self, plain_text};
use super::names::{UsedOmniNames, to_omni_name};
use super::table::DbtTable;
use crate::artifacts::{MetaValue, ResourceType, ValueFields};
use crate::yaml::{CollectionStyle, YamlValue, write_value};

/// Maximum length of a chain of joins in a topic. Each join in a chain is nested in the previous join.
const MAX_JOIN_CHAIN: usize = 8;
/// Maximum number of joined views in a topic.
const MAX_TOPIC_VIEWS: usize = 100;

/// Keys of a topic that are copied from `meta.omni.topic`.
const TOPIC_KEYS: &[&str] = &[
    "fields",
    "hidden",
    "group_label",
    "default_filters",
    "default_row_limit",
    "always_where_sql",
    "always_where_filters",
    "access_filters",
    "required_access_grants",
    "ai_context",
];

/// Topic of an Omni model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Topic {
    /// Path of the topic file, relative to the folder of the Omni model.
    pub path: String,
    /// Name of the topic.
    pub name: String,
    /// Unique id of the base view's node.
    pub node: String,
    /// Text of the topic file.
    pub text: String,
}

/// Requested topic, with the index of its base table.
struct RequestedTopic<'a> {
    base: usize,
    /// Name of the topic in `meta.omni.topic`. `None` if no name is specified.
    name: Option<&'a str>,
    fields: Option<&'a ValueFields>,
}

/// View in a topic. `to` is the index of the view to which this view is joined, or `None` for the base view.
struct TopicJoin<'j> {
    name: &'j str,
    to: Option<usize>,
}

/// Returns the topics of a project. If `is_project_default` is `true`, the result includes a topic for every visible
/// model with joins.
pub(super) fn build_topics(
    tables: &[DbtTable<'_>],
    joins: &[TableJoin],
    grants: &AccessGrants<'_>,
    is_project_default: bool,
    gaps: &mut Vec<UnsupportedElement>,
) -> Vec<Topic> {
    let mut joins_by_view: FxHashMap<&str, Vec<&TableJoin>> = FxHashMap::default();
    for join in joins.iter().filter(|join| join.doubt.is_none()) {
        joins_by_view.entry(&join.from).or_default().push(join);
    }
    let mut topics_by_name: BTreeMap<&str, Vec<RequestedTopic<'_>>> = BTreeMap::new();
    let mut unnamed = Vec::new();
    for (base, table) in tables.iter().enumerate() {
        let Some(requested_topic) = requested_topic(
            base,
            table,
            is_project_default && joins_by_view.contains_key(table.view_name().as_str()),
        ) else {
            continue;
        };
        match requested_topic.name {
            Some(name) => topics_by_name.entry(name).or_default().push(requested_topic),
            None => unnamed.push(requested_topic),
        }
    }
    let mut used_names = UsedOmniNames::default();
    let mut topics = Vec::new();
    for (name, several) in topics_by_name {
        let topic_request = select_topic_base(several, name, tables, &joins_by_view, gaps);
        topics.extend(topic_request.and_then(|requested_topic| {
            build_topic(&requested_topic, tables, &joins_by_view, grants, &mut used_names, gaps)
        }));
    }
    topics.extend(unnamed.iter().filter_map(|requested_topic| {
        build_topic(requested_topic, tables, &joins_by_view, grants, &mut used_names, gaps)
    }));
    topics.sort_by(|topic, other| topic.path.cmp(&other.path));
    topics
}

/// Reads the topic setting of a table: `true`, a name, or a mapping with more settings. The table has no topic if the
/// setting is `false`.
fn requested_topic<'a>(base: usize, table: &DbtTable<'a>, is_project_default: bool) -> Option<RequestedTopic<'a>> {
    let to_request = |name: Option<&'a str>, fields| {
        Some(RequestedTopic {
            base,
            name: name.map(str::trim).filter(|name| !name.is_empty()),
            fields,
        })
    };
    match meta::omni_meta(&table.node.meta).and_then(|omni| omni.get("topic")) {
        Some(MetaValue::Bool(false)) => None,
        Some(MetaValue::Bool(true)) => to_request(None, None),
        Some(MetaValue::Text(name)) => to_request(Some(name), None),
        Some(MetaValue::Map(fields)) => to_request(fields.get("name").and_then(MetaValue::as_str), Some(fields)),
        _ => {
            let is_seen = table.node.resource_type == ResourceType::Model && !access::is_hidden(table.node);
            (is_seen && is_project_default).then_some(RequestedTopic {
                base,
                name: None,
                fields: None,
            })
        }
    }
}

/// Selects the base table for a topic that several tables request. The base is the table from which joins lead to the
/// largest number of these tables.
fn select_topic_base<'a>(
    several: Vec<RequestedTopic<'a>>,
    name: &str,
    tables: &[DbtTable<'_>],
    joins_by_view: &FxHashMap<&str, Vec<&TableJoin>>,
    gaps: &mut Vec<UnsupportedElement>,
) -> Option<RequestedTopic<'a>> {
    let views: Vec<String> = several
        .iter()
        .filter_map(|requested_topic| Some(tables.get(requested_topic.base)?.view_name()))
        .collect();
    let members: FxHashSet<&str> = views.iter().map(String::as_str).collect();
    let reached = |view: &str| -> FxHashSet<String> {
        let (joined, _) = reachable_views(view, joins_by_view);
        joined
            .iter()
            .map(|topic_join| topic_join.name)
            .filter(|name| members.contains(name))
            .map(str::to_owned)
            .collect()
    };
    let (mut best, mut of_best) = (0, FxHashSet::default());
    for (number, view) in views.iter().enumerate() {
        let reached = reached(view);
        if reached.len() > of_best.len() {
            (best, of_best) = (number, reached);
        }
    }
    let base = views.get(best).cloned().unwrap_or_default();
    let other_views = views
        .iter()
        .zip(&several)
        .filter(|(view, _)| !of_best.contains(view.as_str()));
    for (_, requested_topic) in other_views {
        if let Some(table) = tables.get(requested_topic.base) {
            let reason = format!(
                "the table requests the topic `{name}` with the base {base}, but no join that is known to be \
                 correct connects {base} to the table"
            );
            gaps.push(UnsupportedElement {
                name: table.node.name.to_string(),
                reason,
            });
        }
    }
    several.into_iter().nth(best)
}

fn build_topic(
    requested_topic: &RequestedTopic<'_>,
    tables: &[DbtTable<'_>],
    joins_by_view: &FxHashMap<&str, Vec<&TableJoin>>,
    grants: &AccessGrants<'_>,
    used_names: &mut UsedOmniNames,
    gaps: &mut Vec<UnsupportedElement>,
) -> Option<Topic> {
    let table = tables.get(requested_topic.base)?;
    let view = table.view_name();
    let (joined, is_all) = reachable_views(&view, joins_by_view);
    let short = requested_topic
        .name
        .map_or_else(|| to_omni_name(table.name), to_omni_name);
    let name = used_names.reserve([short.clone(), view.clone()]);
    if !is_all {
        let reason = format!(
            "the topic would join more than {MAX_TOPIC_VIEWS} views, or {MAX_JOIN_CHAIN} joins in a row, so it contains \
             only the nearest views"
        );
        gaps.push(UnsupportedElement {
            name: name.clone(),
            reason,
        });
    }
    let mut pairs = vec![("base_view".to_owned(), plain_text(&view))];
    let setting = |key: &str| {
        requested_topic
            .fields
            .and_then(|fields| fields.get(key))
            .filter(|meta_value| !meta_value.is_empty_value())
    };
    let of_view = meta::omni_meta(&table.node.meta)
        .and_then(|omni| omni.get("label"))
        .and_then(MetaValue::as_str);
    let label = setting("label")
        .and_then(MetaValue::as_str)
        .or(requested_topic.name.filter(|name| *name != short))
        .or(of_view);
    pairs.extend(label.map(|label| ("label".to_owned(), plain_text(label))));
    let table_description = Some(table.description()).filter(|text| !text.trim().is_empty());
    let description = setting("description").and_then(MetaValue::as_str).or(table_description);
    pairs.extend(description.map(|text| ("description".to_owned(), plain_text(text))));
    let keys: Vec<(String, YamlValue)> = TOPIC_KEYS
        .iter()
        .filter_map(|key| {
            let value = match *key {
                "access_filters" => access_filters(setting(key)?, &view),
                _ => meta::meta_value(setting(key)?),
            };
            Some(((*key).to_owned(), value))
        })
        .collect();
    // A topic must not be visible to users who cannot see its base view.
    let of_view = meta::meta_pairs(&table.node.meta, &["hidden", "required_access_grants"]).into_iter();
    let of_view = of_view.filter(|(_, value)| *value != YamlValue::Bare("false".to_owned()));
    let closing = grants.keys(table.node).into_iter().chain(of_view);
    pairs.extend(closing.filter(|(key, _)| !keys.iter().any(|(name, _)| name == key)));
    pairs.extend(keys);
    pairs.push(("joins".to_owned(), nested_joins(&joined)));
    let path = format!("{name}.topic.yaml");
    Some(Topic {
        path,
        name,
        node: table.node.unique_id.to_string(),
        text: write_value(&YamlValue::map(pairs)),
    })
}

/// Returns the access filters of a topic. A field name without a view name refers to a field of the base view.
fn access_filters(value: &MetaValue, view: &str) -> YamlValue {
    let filter = |filter: &MetaValue| {
        let pairs = filter.as_map().map(ValueFields::iter).into_iter().flatten();
        let pairs = pairs.map(|(key, value)| match (key, value.as_str()) {
            ("field", Some(field)) if !field.contains('.') => (key.to_owned(), plain_text(&format!("{view}.{field}"))),
            _ => (key.to_owned(), meta::meta_value(value)),
        });
        YamlValue::map(pairs)
    };
    match value {
        MetaValue::List(filters) => YamlValue::list(filters.iter().map(filter).collect()),
        other => meta::meta_value(other),
    }
}

/// Returns the views to which joins lead from a view, without duplicates. The view itself comes first, then the nearest
/// views. The flag is `false` if a limit excluded further views.
fn reachable_views<'j>(
    view: &'j str,
    joins_by_view: &FxHashMap<&str, Vec<&'j TableJoin>>,
) -> (Vec<TopicJoin<'j>>, bool) {
    let mut views = vec![TopicJoin { name: view, to: None }];
    let mut visited = FxHashSet::from_iter([view]);
    let mut waiting = VecDeque::from([(0, 0)]);
    let mut is_all = true;
    while let Some((index, depth)) = waiting.pop_front() {
        let Some(from) = views.get(index).map(|topic_join| topic_join.name) else {
            break;
        };
        for join in joins_by_view.get(from).into_iter().flatten() {
            let name = join.alias.as_deref().unwrap_or(&join.to);
            if visited.contains(name) {
                continue;
            }
            if depth == MAX_JOIN_CHAIN || views.len() > MAX_TOPIC_VIEWS {
                is_all = false;
                break;
            }
            visited.insert(name);
            // A view with an alias has no further joins, because joins start from views rather than aliases.
            if join.alias.is_none() {
                waiting.push_back((views.len(), depth + 1));
            }
            views.push(TopicJoin { name, to: Some(index) });
        }
    }
    (views, is_all)
}

/// Returns the nested map of joins below the base view. In `joined`, each view comes after the view to which it is
/// joined.
fn nested_joins(joined: &[TopicJoin<'_>]) -> YamlValue {
    let mut children: Vec<Vec<(String, YamlValue)>> = joined.iter().map(|_| Vec::new()).collect();
    for (index, topic_join) in joined.iter().enumerate().rev() {
        let mut view_pairs = children.get_mut(index).map(std::mem::take).unwrap_or_default();
        view_pairs.reverse();
        match topic_join.to {
            Some(to) => children.get_mut(to).into_iter().for_each(|pairs| {
                pairs.push((
                    topic_join.name.to_owned(),
                    YamlValue::map(std::mem::take(&mut view_pairs)),
                ));
            }),
            None => return YamlValue::map(view_pairs),
        }
    }
    YamlValue::Map(Vec::new(), CollectionStyle::Block)
}
