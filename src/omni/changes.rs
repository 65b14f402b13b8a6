//! Changes to dbt since the last pull.

use std::collections::{BTreeMap, BTreeSet};

use formulac_syntax::text::collapse_whitespace;
use serde::Serialize;

use super::pull_state::PullRecord;
use crate::schema::{COMPOUND_KEY_SETTING, OmniFile};
use crate::yaml::{self, Node};
use crate::yaml_edit::{self, YamlValue};

/// Kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeKind {
    /// The item is new.
    New,
    /// The item has changed.
    Changed,
    /// The item was removed.
    Removed,
}

impl ChangeKind {
    /// Returns the name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// Kind of item that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChangeSubject {
    /// Model, seed, snapshot or source.
    Model,
    /// Topic.
    Topic,
    /// Access grant.
    Grant,
    /// Column.
    Column,
    /// Type of a column.
    Type,
    /// Key of a table.
    Key,
    /// Test.
    Test,
    /// Metadata of a table or one of its fields: descriptions, labels, tags, test status and measures.
    Text,
    /// Join.
    Join,
}

impl ChangeSubject {
    /// Returns the name of the kind of item.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Topic => "topic",
            Self::Grant => "access grant",
            Self::Column => "column",
            Self::Type => "type",
            Self::Key => "key",
            Self::Test => "test",
            Self::Text => "text",
            Self::Join => "join",
        }
    }
}

/// Change to one item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct PullChange {
    /// View to which the change belongs. For a join, the view with the foreign key.
    pub view: String,
    /// Kind of item that changed.
    pub of: ChangeSubject,
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Name of the column, field, test, join or grant. `None` if the whole view or topic changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Value before the change. `None` if the item was added or has no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Value after the change. `None` if the item was removed or has no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl PullChange {
    fn new(view: &str, subject: ChangeSubject, kind: ChangeKind) -> Self {
        Self {
            view: view.to_owned(),
            of: subject,
            kind,
            name: None,
            before: None,
            after: None,
        }
    }

    fn with_name(self, name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..self
        }
    }
}

/// Returns the changes to a view or topic. `before` is `None` if the view or topic is new, and `after` is `None` if it
/// was removed.
pub(super) fn view_changes(view: &str, before: Option<&PullRecord>, after: Option<&PullRecord>) -> Vec<PullChange> {
    // For a topic, `view` is the name of its record.
    let view = view.strip_suffix(".topic").unwrap_or(view);
    let subject = if [before, after].into_iter().flatten().any(PullRecord::is_topic) {
        ChangeSubject::Topic
    } else {
        ChangeSubject::Model
    };
    let new = |kind: ChangeKind| vec![PullChange::new(view, subject, kind)];
    let (before, after) = match (
        before.filter(|pull_record| !pull_record.is_removed_from_dbt),
        after.filter(|pull_record| !pull_record.is_removed_from_dbt),
    ) {
        (None, None) => return Vec::new(),
        (None, Some(_)) => return new(ChangeKind::New),
        (Some(_), None) => return new(ChangeKind::Removed),
        (Some(before), Some(after)) => (before, after),
    };
    let mut changes = Vec::new();
    let types = |record: &PullRecord| -> BTreeMap<String, Option<String>> { record.columns.iter().cloned().collect() };
    let (old, now) = (types(before), types(after));
    for (name, kind) in added_and_removed_names(old.keys(), now.keys()) {
        changes.push(PullChange::new(view, ChangeSubject::Column, kind).with_name(name));
    }
    for (name, was) in &old {
        let is = now.get(name).cloned().flatten();
        // If the type is known only before or only after the change, the catalogs differ, but the column may be the
        // same.
        if let Some((was, is)) = was.clone().zip(is).filter(|(was, is)| was != is) {
            let change = PullChange::new(view, ChangeSubject::Type, ChangeKind::Changed).with_name(name);
            changes.push(PullChange {
                before: Some(was),
                after: Some(is),
                ..change
            });
        }
    }
    for (name, kind) in added_and_removed_names(before.tests.iter(), after.tests.iter()) {
        changes.push(PullChange::new(view, ChangeSubject::Test, kind).with_name(name));
    }
    if before.key != after.key {
        let text = |key: &[String]| (!key.is_empty()).then(|| key.join(", "));
        let (was, is) = (text(&before.key), text(&after.key));
        let kind = match (&was, &is) {
            (None, _) => ChangeKind::New,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        };
        changes.push(PullChange {
            before: was,
            after: is,
            ..PullChange::new(view, ChangeSubject::Key, kind)
        });
    }
    if before.view != after.view {
        if subject == ChangeSubject::Model {
            changes.extend(metadata_changes(view, before, after));
        }
        let is_same = || match [before, after].map(|record| yaml_edit::parse_value(&record.view)) {
            [Some(was), Some(is)] => was.is_same_value(&is),
            _ => false,
        };
        if changes.is_empty() && !is_same() {
            let change_subject = if subject == ChangeSubject::Topic {
                subject
            } else {
                ChangeSubject::Text
            };
            changes.push(PullChange::new(view, change_subject, ChangeKind::Changed));
        }
    }
    changes
}

/// Returns the changes to descriptions, labels, tags and measures of a view: one change for the view itself, and one
/// per field. Changes to columns, types and keys are not included.
fn metadata_changes(view: &str, before: &PullRecord, after: &PullRecord) -> Vec<PullChange> {
    let parse_view = |record: &PullRecord| yaml_edit::parse_value(&record.view);
    let (Some(old), Some(now)) = (parse_view(before), parse_view(after)) else {
        return Vec::new();
    };
    let changed = || PullChange::new(view, ChangeSubject::Text, ChangeKind::Changed);
    let fields = ["dimensions", "measures"];
    let parts_of_key = [COMPOUND_KEY_SETTING];
    let mut changes = Vec::new();
    if !is_equal_except_keys(Some(&old), Some(&now), &[fields.as_slice(), &parts_of_key].concat()) {
        changes.push(changed());
    }
    for section in fields {
        let (old, now) = (old.get(section), now.get(section));
        let names: BTreeSet<&str> = [old, now].into_iter().flat_map(mapping_keys).collect();
        for name in names {
            let (was, is) = (column_type(before, name), column_type(after, name));
            if section == "dimensions" && was.is_some() != is.is_some() {
                continue;
            }
            // The timeframes of a field depend on the type of its column, so ignore them if the type has changed.
            let derived: &[&str] = if was == is {
                &["primary_key"]
            } else {
                &["primary_key", "timeframes"]
            };
            let (old, now) = (
                old.and_then(|fields| fields.get(name)),
                now.and_then(|fields| fields.get(name)),
            );
            if !is_equal_except_keys(old, now, derived) {
                changes.push(changed().with_name(name));
            }
        }
    }
    changes
}

/// Returns the type of a column, if known. `None` if the table does not have this column.
fn column_type<'r>(record: &'r PullRecord, name: &str) -> Option<Option<&'r str>> {
    let mut columns = record.columns.iter();
    columns
        .find(|(column_name, _)| column_name == name)
        .map(|(_, ty)| ty.as_deref())
}

/// Returns the keys of a mapping. Empty for other values.
fn mapping_keys(value: Option<&YamlValue>) -> impl Iterator<Item = &str> {
    let pairs = match value {
        Some(YamlValue::Map(pairs, _)) => pairs.as_slice(),
        _ => &[],
    };
    pairs.iter().map(|(key, _)| key.as_str())
}

/// Returns whether two mappings have the same values, except for some keys.
fn is_equal_except_keys(old: Option<&YamlValue>, now: Option<&YamlValue>, without: &[&str]) -> bool {
    let (Some(old), Some(now)) = (old, now) else {
        return old.is_none() && now.is_none();
    };
    let mut keys = mapping_keys(Some(old)).chain(mapping_keys(Some(now)));
    keys.all(|key| {
        without.contains(&key)
            || match (old.get(key), now.get(key)) {
                (Some(old), Some(now)) => old.is_same_value(now),
                _ => false,
            }
    })
}

/// Returns the change that the first pull makes to a view that already exists in Omni: a new key if the view has none,
/// otherwise a change to its text.
pub(super) fn first_pull_changes(view: &str, file: &str, after: &PullRecord) -> Vec<PullChange> {
    let view = view.strip_suffix(".topic").unwrap_or(view);
    if after.is_topic() {
        return vec![PullChange::new(view, ChangeSubject::Topic, ChangeKind::Changed)];
    }
    let root = yaml::parse_root(file);
    let has_key = root.is_some_and(|root| !OmniFile::new("", &root).primary_key().is_empty());
    if has_key || after.key.is_empty() {
        return vec![PullChange::new(view, ChangeSubject::Text, ChangeKind::Changed)];
    }
    let key = PullChange::new(view, ChangeSubject::Key, ChangeKind::New);
    vec![PullChange {
        after: Some(after.key.join(", ")),
        ..key
    }]
}

/// Returns the changes to the joins. The `on_sql` of a join identifies the join.
pub(super) fn join_changes(before: Option<&str>, after: Option<&str>) -> Vec<PullChange> {
    let joins = |text: Option<&str>| -> BTreeMap<String, String> {
        let root = text.and_then(yaml::parse_root);
        let items = root.as_ref().and_then(Node::items).unwrap_or_default();
        let join_views = items.iter().filter_map(|join| {
            let join_condition = join.text_at("on_sql")?;
            let condition = collapse_whitespace(join_condition);
            Some((condition, join.text_at("join_from_view")?.to_owned()))
        });
        join_views.collect()
    };
    let (old, now) = (joins(before), joins(after));
    let change = |(condition, kind): (&String, ChangeKind)| {
        let view = old
            .get(condition)
            .or_else(|| now.get(condition))
            .map(String::as_str)
            .unwrap_or_default();
        PullChange::new(view, ChangeSubject::Join, kind).with_name(condition)
    };
    added_and_removed_names(old.keys(), now.keys())
        .into_iter()
        .map(change)
        .collect()
}

/// Returns the changes to the access grants.
pub(super) fn grant_changes(before: Option<&str>, after: Option<&str>) -> Vec<PullChange> {
    let grants = |text: Option<&str>| -> BTreeMap<String, String> {
        let root = text.and_then(yaml::parse_root);
        let pairs = root
            .as_ref()
            .and_then(|root| root.get("access_grants")?.pairs())
            .unwrap_or_default();
        let fields = pairs.iter().filter_map(|(name, grant)| {
            let values = grant.texts_at("allowed_values");
            Some((name.text()?.to_owned(), values.join(", ")))
        });
        fields.collect()
    };
    let (old, now) = (grants(before), grants(after));
    let change = |(name, kind): (&String, ChangeKind)| PullChange {
        before: old.get(name).cloned(),
        after: now.get(name).cloned(),
        ..PullChange::new(super::access::MODEL_FILE, ChangeSubject::Grant, kind).with_name(name)
    };
    added_and_removed_names(old.keys(), now.keys())
        .into_iter()
        .map(change)
        .collect()
}

/// Returns the names that exist on only one of the two sides, each with the kind of change.
fn added_and_removed_names<'s>(
    old: impl Iterator<Item = &'s String> + Clone,
    now: impl Iterator<Item = &'s String> + Clone,
) -> Vec<(&'s String, ChangeKind)> {
    let set =
        |names: &mut dyn Iterator<Item = &'s String>| -> std::collections::BTreeSet<&'s String> { names.collect() };
    let (before, after) = (set(&mut old.clone()), set(&mut now.clone()));
    let new = after.difference(&before).map(|name| (*name, ChangeKind::New));
    new.chain(before.difference(&after).map(|name| (*name, ChangeKind::Removed)))
        .collect()
}
