//! What the last pull wrote of a view or a topic, and what it knew then: by it a person's edits are told from what is generated.

use super::topics::Topic;
use super::view::View;
use crate::dbt::{Value, write_value};
use crate::yaml::{self, Node};
use crate::yaml_edit::{self, Edit, Path, Value as Fields};

/// The first line of a record.
const HEADER: &str = "# What the last `formulac pull` made of this; it keeps this file itself.\n";

/// What the last pull knew of a view or a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The id of the node that it shows.
    pub node: String,
    /// The file, seen from the folder of the Omni model.
    pub path: String,
    /// Whether dbt has no such table any more.
    pub gone: bool,
    /// The columns with their types.
    pub columns: Vec<(String, Option<String>)>,
    /// The tests.
    pub tests: Vec<String>,
    /// The columns that tell the rows apart.
    pub key: Vec<String>,
    /// The text that was generated.
    pub view: String,
    /// Columns that earlier texts had and that are marked in the file, as they were generated last, with their mark.
    pub vanished: Vec<(String, Fields)>,
}

impl Record {
    /// What is known of a view now.
    #[must_use]
    pub fn of(view: &View) -> Self {
        Self {
            node: view.node.clone(),
            path: view.path.clone(),
            gone: false,
            columns: view.columns.clone(),
            tests: view.tests.clone(),
            key: view.key.as_ref().map(|key| key.columns.clone()).unwrap_or_default(),
            view: view.text.clone(),
            vanished: Vec::new(),
        }
    }

    /// What is known of a topic now.
    #[must_use]
    pub fn of_topic(topic: &Topic) -> Self {
        let Topic { path, node, text, .. } = topic.clone();
        Self { node, path, view: text, ..Self::default() }
    }

    /// Whether it is of a topic.
    pub(super) fn is_topic(&self) -> bool {
        self.path.ends_with(".topic.yaml")
    }

    /// Keeps how columns were generated last that this text has no more: they may come back.
    pub(super) fn keep_vanished(&mut self, before: &Self, mark: &str) {
        let now = columns(&self.view);
        let is_gone = |name: &str| now.iter().all(|(it, _)| it != name);
        let marked = columns(&before.view).into_iter().map(|(name, fields)| (name, with_tag(fields, mark)));
        let all = marked.chain(before.vanished.iter().cloned());
        self.vanished = all.filter(|(name, _)| is_gone(name)).collect();
    }

    /// What was generated last, with the vanished columns that a newer text has again and that people left in the file.
    pub(super) fn base(&self, new: &str, file: &str) -> String {
        if self.vanished.is_empty() {
            return self.view.clone();
        }
        let (had, all) = (columns(&self.view), [columns(new), columns(file)]);
        let back =
            self.vanished.iter().filter(|(name, _)| all.iter().all(|in_it| in_it.iter().any(|(it, _)| it == name)));
        let back: Vec<(String, Fields)> = back.cloned().collect();
        let dimensions = Path::root().key("dimensions");
        let set = |at: Path, value: Fields| Edit::Set { at, value, after: Vec::new() };
        let edits: Vec<Edit> = if had.is_empty() {
            if back.is_empty() { Vec::new() } else { vec![set(dimensions, Fields::map(back))] }
        } else {
            back.into_iter().map(|(name, fields)| set(dimensions.clone().key(name), fields)).collect()
        };
        yaml_edit::edit(&self.view, &edits).unwrap_or_else(|_| self.view.clone())
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> String {
        let words = |items: &[String]| Value::Words(items.iter().map(|item| Value::Dbt(item.clone())).collect());
        let columns = self.columns.iter().map(|(name, ty)| (name.clone(), Value::Dbt(ty.clone().unwrap_or_default())));
        let mut pairs = vec![("node", Value::Dbt(self.node.clone())), ("path", Value::Dbt(self.path.clone()))];
        if self.gone {
            pairs.push(("gone", Value::Bare("true".to_owned())));
        }
        pairs.extend([
            ("columns", Value::Map(columns.collect())),
            ("tests", words(&self.tests)),
            ("key", words(&self.key)),
            ("view", Value::Dbt(self.view.trim_end().to_owned())),
        ]);
        if !self.vanished.is_empty() {
            let set = |(name, value): &(String, Fields)| {
                let at = Path::root().key(name.clone());
                Edit::Set { at, value: value.clone(), after: Vec::new() }
            };
            let edits: Vec<Edit> = self.vanished.iter().map(set).collect();
            if let Ok(text) = yaml_edit::edit("", &edits) {
                pairs.push(("vanished", Value::Dbt(text.trim_end().to_owned())));
            }
        }
        let pairs = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        format!("{HEADER}{}", write_value(&Value::Map(pairs)))
    }

    /// Reads the text of its file; none where it is no record.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let root = yaml::read(text, &mut Vec::new()).ok()??;
        let scalar = |key: &str| root.get(key).and_then(Node::text).map(str::to_owned);
        let list = |key: &str| -> Vec<String> {
            let items = root.get(key).and_then(Node::items).unwrap_or_default();
            items.iter().filter_map(Node::text).map(str::to_owned).collect()
        };
        let pairs = root.get("columns").and_then(Node::pairs).unwrap_or_default();
        let columns = pairs.iter().filter_map(|(name, ty)| {
            Some((name.text()?.to_owned(), ty.text().filter(|ty| !ty.is_empty()).map(str::to_owned)))
        });
        Some(Self {
            node: scalar("node")?,
            path: scalar("path")?,
            gone: root.get("gone").and_then(Node::boolean) == Some(true),
            columns: columns.collect(),
            tests: list("tests"),
            key: list("key"),
            view: format!("{}\n", scalar("view")?),
            vanished: scalar("vanished").as_deref().map(fields).unwrap_or_default(),
        })
    }
}

/// The columns of a view's text.
fn columns(view: &str) -> Vec<(String, Fields)> {
    match yaml_edit::value(view).as_ref().and_then(|root| root.get("dimensions")) {
        Some(Fields::Map(pairs, _)) => pairs.clone(),
        _ => Vec::new(),
    }
}

fn fields(text: &str) -> Vec<(String, Fields)> {
    match yaml_edit::value(text) {
        Some(Fields::Map(pairs, _)) => pairs,
        _ => Vec::new(),
    }
}

/// A column with one more tag.
fn with_tag(fields: Fields, tag: &str) -> Fields {
    let Fields::Map(mut pairs, form) = fields else { return fields };
    match pairs.iter_mut().find(|(key, _)| key == "tags") {
        Some((_, Fields::List(tags, _))) => tags.push(Fields::text(tag)),
        Some(_) => {}
        None => pairs.push(("tags".to_owned(), Fields::list(vec![Fields::text(tag)]))),
    }
    Fields::Map(pairs, form)
}
