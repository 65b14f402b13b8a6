//! Records of generated views and topics. A record contains the text and the metadata from the last pull. A merge
//! compares the record with the file to detect changes that users made by hand.

use super::pull::OmniFiles;
use super::topics::Topic;
use super::view::ViewFile;
use crate::yaml::{self, Node, YamlValue, write_text, write_value};
use crate::yaml_edit::{self, Edit, Path};

/// First line of a record.
const HEADER: &str = "# State of the last `formulac pull`; formulac updates this file.\n";

/// Record that describes a view or topic as of the last pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PullRecord {
    /// Unique id of the dbt node.
    pub node: String,
    /// Path of the file, relative to the folder of the Omni model.
    pub path: String,
    /// Whether the table no longer exists in dbt.
    pub is_removed_from_dbt: bool,
    /// Columns, each with its type if known.
    pub columns: Vec<(String, Option<String>)>,
    /// Names of the tests.
    pub tests: Vec<String>,
    /// Key columns.
    pub key: Vec<String>,
    /// Text that the last pull generated.
    pub view: String,
    /// Columns that are marked as removed in the file because only earlier generated versions contain them. Each column
    /// has its last generated definition, including the mark.
    pub removed_columns: Vec<(String, YamlValue)>,
}

impl PullRecord {
    /// Returns whether the record belongs to a topic.
    pub(super) fn is_topic(&self) -> bool {
        self.path.ends_with(".topic.yaml")
    }

    /// Keeps the last generated definitions of columns that are missing from the current text, because these columns
    /// may appear again.
    pub(super) fn keep_removed_columns(&mut self, before: &Self, mark: &str) {
        let now = parse_columns(&self.view);
        let is_gone = |name: &str| now.iter().all(|(present_name, _)| present_name != name);
        let marked = parse_columns(&before.view)
            .into_iter()
            .map(|(name, fields)| (name, with_tag(fields, mark)));
        let candidates = marked.chain(before.removed_columns.iter().cloned());
        self.removed_columns = candidates.filter(|(name, _)| is_gone(name)).collect();
    }

    /// Keeps the previous descriptions of the view and its dimensions if they have since changed both in dbt and in the
    /// Omni file `file`. A push that compares the file with this record then reports a conflict instead of overwriting
    /// dbt's description. Returns whether there is such a description.
    pub(super) fn keep_conflicting_descriptions(&mut self, before: &Self, file: &str) -> bool {
        if before.view == self.view || before.view == file {
            return false;
        }
        // If a removed column exists in dbt again, the description in the file may come from an earlier pull.
        let base = before.merge_base_text(&self.view, file);
        let Some(file) = yaml::parse_root(file) else {
            return false;
        };
        self.keep_descriptions(&base, |dimension, base, new| {
            let file = description(&file, dimension).map(str::trim_end);
            file.is_some() && base != file && file != new
        })
    }

    /// Keeps the descriptions that a push wrote to dbt's files and that dbt has not read yet, because the manifest
    /// still contains the earlier descriptions.
    pub(super) fn keep_unread_descriptions(&mut self, before: &Self, files: &impl OmniFiles) {
        if before.view == self.view {
            return;
        }
        // Column dimensions come first, in column order.
        let view = yaml::parse_root(&self.view);
        let names = view
            .iter()
            .flat_map(|root| root.pairs_at("dimensions"))
            .map(|(name, _)| name.text());
        let columns = self.columns.iter().map(|(column, _)| column.as_str());
        let columns: Vec<(Option<String>, String)> = names
            .zip(columns)
            .map(|(name, column)| (name.map(str::to_owned), column.to_owned()))
            .collect();
        let node = self.node.clone();
        self.keep_descriptions(&before.view, |dimension, base, _| {
            let column = columns.iter().find(|(name, _)| name.as_deref() == dimension);
            let column = column.map(|(_, column)| column.as_str());
            let is_described = dimension.is_none() || column.is_some();
            is_described && base.is_some_and(|text| files.has_dbt_description(&node, column, text))
        });
    }

    /// Keeps the descriptions of a previous version for the view and its dimensions if they have changed and `is_kept`
    /// returns `true`. `is_kept` is called with the dimension, the previous description and the new description.
    /// Returns whether any description is kept.
    fn keep_descriptions(
        &mut self,
        base: &str,
        is_kept: impl Fn(Option<&str>, Option<&str>, Option<&str>) -> bool,
    ) -> bool {
        let (Some(base), Some(new)) = (yaml::parse_root(base), yaml::parse_root(&self.view)) else {
            return false;
        };
        let dimensions = new.pairs_at("dimensions").iter().filter_map(|(name, _)| name.text());
        let nodes = std::iter::once(None).chain(dimensions.map(Some));
        let kept_descriptions = nodes.filter_map(|dimension| {
            let texts = [&base, &new].map(|root| description(root, dimension));
            let [was, is] = texts.map(|text| text.map(str::trim_end));
            (was != is && is_kept(dimension, was, is)).then_some((dimension, texts[0]))
        });
        let descriptions: Vec<(Option<&str>, Option<&str>)> = kept_descriptions.collect();
        self.set_descriptions(&descriptions);
        !descriptions.is_empty()
    }

    /// Sets the descriptions of dimensions, or of the view if the name is `None`. Removes a description if the text is
    /// `None`.
    pub fn set_descriptions(&mut self, descriptions: &[(Option<&str>, Option<&str>)]) {
        let edits = descriptions.iter().map(|(dimension, text)| {
            let node = match dimension {
                None => Path::root(),
                Some(name) => Path::root().key("dimensions").key(*name),
            };
            let path = node.key("description");
            match text {
                Some(text) => Edit::Set {
                    at: path,
                    value: YamlValue::text(*text),
                    after: ["label", "primary_key", "sql", "table_name"].map(str::to_owned).into(),
                },
                None => Edit::Remove { at: path },
            }
        });
        if let Ok(view) = yaml_edit::apply_edits(&self.view, &edits.collect::<Vec<_>>()) {
            self.view = view;
        }
    }

    /// Returns the base for a three-way merge: the last generated text, plus the removed columns that exist in both the
    /// new text and the file.
    pub(super) fn merge_base_text(&self, new: &str, file: &str) -> String {
        if self.removed_columns.is_empty() {
            return self.view.clone();
        }
        let (had, texts_columns) = (parse_columns(&self.view), [parse_columns(new), parse_columns(file)]);
        let back = self.removed_columns.iter().filter(|(name, _)| {
            texts_columns
                .iter()
                .all(|in_it| in_it.iter().any(|(column_name, _)| column_name == name))
        });
        let back: Vec<(String, YamlValue)> = back.cloned().collect();
        let dimensions = Path::root().key("dimensions");
        let set = |path: Path, value: YamlValue| Edit::Set {
            at: path,
            value,
            after: Vec::new(),
        };
        let edits: Vec<Edit> = if had.is_empty() {
            if back.is_empty() {
                Vec::new()
            } else {
                vec![set(dimensions, YamlValue::map(back))]
            }
        } else {
            back.into_iter()
                .map(|(name, fields)| set(dimensions.clone().key(name), fields))
                .collect()
        };
        yaml_edit::apply_edits(&self.view, &edits).unwrap_or_else(|_| self.view.clone())
    }

    /// Returns the text of the record's file.
    #[must_use]
    pub fn text(&self) -> String {
        let Self {
            node,
            path,
            is_removed_from_dbt,
            columns,
            tests,
            key,
            view,
            removed_columns,
        } = self;
        BorrowedPullRecord {
            node,
            path,
            is_removed_from_dbt: *is_removed_from_dbt,
            columns,
            tests,
            key,
            view,
            removed_columns,
        }
        .text()
    }

    /// Returns the path of the view in the text of a record's file without parsing the text. `None` if the text has to
    /// be parsed.
    #[must_use]
    pub fn view_path_in_record(text: &str) -> Option<&str> {
        let path = text.lines().take(3).find_map(|line| line.strip_prefix("path: "))?;
        let mut written = String::new();
        write_text(&mut written, "path", path, 0);
        (written.strip_prefix("path: ")?.trim_end() == path).then_some(path)
    }

    /// Returns whether the text of a record's file contains exactly this text of the view, without parsing the file.
    /// May return `false` for a record that a user edited.
    #[must_use]
    pub fn is_recorded_view(text: &str, view: &str) -> bool {
        let mut written = "\n".to_owned();
        write_text(&mut written, "view", view.trim_end(), 0);
        let rest = text.split_once(&written).map(|(_, rest)| rest);
        let is_whole = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("vanished:"));
        is_whole && view.strip_suffix('\n') == Some(view.trim_end())
    }

    /// Parses the text of a record's file. `None` if the text is not a record.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let root = yaml::parse_root(text)?;
        let pairs = root.pairs_at("columns");
        let columns = pairs.iter().filter_map(|(name, ty)| {
            Some((
                name.text()?.to_owned(),
                ty.text().filter(|ty| !ty.is_empty()).map(str::to_owned),
            ))
        });
        Some(Self {
            node: root.string_at("node")?,
            path: root.string_at("path")?,
            is_removed_from_dbt: root.is_true_at("gone"),
            columns: columns.collect(),
            tests: root.texts_at("tests"),
            key: root.texts_at("key"),
            view: format!("{}\n", root.text_at("view")?),
            removed_columns: root.text_at("vanished").map(parse_fields).unwrap_or_default(),
        })
    }
}

/// Record that borrows its data. Most records are only compared, so their data does not have to be copied.
#[derive(Clone, Copy)]
pub(super) struct BorrowedPullRecord<'r> {
    node: &'r str,
    pub path: &'r str,
    is_removed_from_dbt: bool,
    columns: &'r [(String, Option<String>)],
    tests: &'r [String],
    key: &'r [String],
    view: &'r str,
    removed_columns: &'r [(String, YamlValue)],
}

impl<'r> BorrowedPullRecord<'r> {
    /// Returns the current data of a view.
    pub fn from_view(view: &'r ViewFile) -> Self {
        let ViewFile {
            path,
            node,
            text,
            key,
            columns,
            tests,
            ..
        } = view;
        let key = key.as_ref().map_or(&[][..], |key| &key.columns);
        Self {
            node,
            path,
            is_removed_from_dbt: false,
            columns,
            tests,
            key,
            view: text,
            removed_columns: &[],
        }
    }

    /// Returns the current data of a topic.
    pub fn from_topic(topic: &'r Topic) -> Self {
        let Topic { path, node, text, .. } = topic;
        Self {
            node,
            path,
            is_removed_from_dbt: false,
            columns: &[],
            tests: &[],
            key: &[],
            view: text,
            removed_columns: &[],
        }
    }

    /// Converts the data to an owned record.
    pub fn to_record(self) -> PullRecord {
        let Self {
            node,
            path,
            is_removed_from_dbt,
            columns,
            tests,
            key,
            view,
            removed_columns,
        } = self;
        PullRecord {
            node: node.to_owned(),
            path: path.to_owned(),
            is_removed_from_dbt,
            columns: columns.to_vec(),
            tests: tests.to_vec(),
            key: key.to_vec(),
            view: view.to_owned(),
            removed_columns: removed_columns.to_vec(),
        }
    }

    /// Returns the text of the record's file.
    pub fn text(self) -> String {
        let mut out = String::with_capacity(2 * self.view.len() + 1_000);
        out.push_str(HEADER);
        write_text(&mut out, "node", self.node, 0);
        write_text(&mut out, "path", self.path, 0);
        if self.is_removed_from_dbt {
            out.push_str("gone: true\n");
        }
        out.push_str(if self.columns.is_empty() {
            "columns: {}\n"
        } else {
            "columns:\n"
        });
        for (name, ty) in self.columns {
            write_text(&mut out, name, ty.as_deref().unwrap_or_default(), 2);
        }
        let words =
            |items: &[String]| YamlValue::short_list(items.iter().map(|item| YamlValue::Text(item.clone())).collect());
        let lists = YamlValue::map([("tests", words(self.tests)), ("key", words(self.key))]);
        out.push_str(&write_value(&lists));
        write_text(&mut out, "view", self.view.trim_end(), 0);
        if !self.removed_columns.is_empty() {
            let set = |(name, value): &(String, YamlValue)| {
                let path = Path::root().key(name.clone());
                Edit::Set {
                    at: path,
                    value: value.clone(),
                    after: Vec::new(),
                }
            };
            let edits: Vec<Edit> = self.removed_columns.iter().map(set).collect();
            if let Ok(text) = yaml_edit::apply_edits("", &edits) {
                write_text(&mut out, "vanished", text.trim_end(), 0);
            }
        }
        out
    }
}

/// Returns the description of a view or of one of its dimensions.
fn description<'n>(view: &'n Node, dimension: Option<&str>) -> Option<&'n str> {
    let node = match dimension {
        None => view,
        Some(name) => view.get("dimensions")?.get(name)?,
    };
    node.text_at("description")
}

/// Returns the columns in the text of a view.
fn parse_columns(view: &str) -> Vec<(String, YamlValue)> {
    match yaml_edit::parse_value(view)
        .as_ref()
        .and_then(|root| root.get("dimensions"))
    {
        Some(YamlValue::Map(pairs, _)) => pairs.clone(),
        _ => Vec::new(),
    }
}

fn parse_fields(text: &str) -> Vec<(String, YamlValue)> {
    match yaml_edit::parse_value(text) {
        Some(YamlValue::Map(pairs, _)) => pairs,
        _ => Vec::new(),
    }
}

/// Adds a tag to a column.
fn with_tag(fields: YamlValue, tag: &str) -> YamlValue {
    let YamlValue::Map(mut pairs, form) = fields else {
        return fields;
    };
    match pairs.iter_mut().find(|(key, _)| key == "tags") {
        Some((_, YamlValue::List(tags, _))) => tags.push(YamlValue::text(tag)),
        Some(_) => {}
        None => pairs.push(("tags".to_owned(), YamlValue::list(vec![YamlValue::text(tag)]))),
    }
    YamlValue::Map(pairs, form)
}
