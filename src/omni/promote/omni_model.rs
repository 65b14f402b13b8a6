//! Parses Omni model files for promotion: views with their fields, joins, topics and queries.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::fields::is_column;

use crate::artifacts::Manifest;
use crate::dbt::RelationReference;
use crate::diag::Diagnostic;
use crate::existing::ExistingView;
use crate::locations::view_relations;
use crate::parallel;
pub(super) use crate::schema::{OmniFieldKind, OmniRowSource};
use crate::schema::{OmniFile, OmniFileKind, OmniViewIndex, OmniViewNames, omni_references};
use crate::yaml::{self, Node};

/// File of the Omni model.
pub(super) struct ParsedOmniFile<'t> {
    pub path: &'t str,
    pub text: &'t str,
    pub root: Node,
}

impl ParsedOmniFile<'_> {
    /// Returns the line of a node, starting at 1.
    pub fn line(&self, node: &Node) -> usize {
        let before = self.text.get(..node.span.start as usize).unwrap_or_default();
        before.matches('\n').count() + 1
    }
}

pub(super) struct ParsedOmniView {
    pub file: usize,
    /// Name of the view's file. `ParsedOmniModel::view_reference_name` returns the name that references use.
    pub name: String,
    pub table: OmniTable,
    pub rows: OmniRowSource,
    /// Names of the views from which the view inherits fields.
    extends: Vec<String>,
    /// Fields by name, in lower case.
    fields: FxHashMap<String, ViewField>,
    /// Names of the fields, in the order in which the file lists the fields.
    pub order: Vec<String>,
    /// Measures that have the same name as a computed dimension.
    pub clashes: Vec<ViewField>,
    /// Names of the fields that form the primary key.
    pub key: Vec<String>,
}

/// Table of the warehouse that a view shows.
#[derive(Clone)]
pub(super) struct OmniTable {
    /// Index of the file that specifies the table: the file of the view, or of a view that it extends.
    file: usize,
    pub catalog: Option<String>,
    pub schema: Option<String>,
    pub table_name: String,
    /// Name of the dbt model or, if it is unknown, of the table.
    pub name: String,
    /// Relation in dbt, if it is known.
    pub relation: Option<RelationReference>,
}

#[derive(Clone, Debug)]
pub(super) struct ViewField {
    pub name: String,
    pub kind: OmniFieldKind,
    /// YAML node of the field's name.
    pub at: Node,
    /// YAML node with the field's settings.
    pub node: Node,
    pub file: usize,
}

impl ViewField {
    pub fn text(&self, key: &str) -> Option<&str> {
        self.node.text_at(key)
    }
}

/// Join of two views, defined in a relationships file or a topic.
#[derive(Clone, Debug)]
pub(super) struct Relationship {
    pub from: String,
    pub to: String,
    /// Name that conditions use for the first view. `to_as` is the name for the second view.
    pub from_as: String,
    pub to_as: String,
    pub join_type: String,
    pub on: Option<String>,
    pub condition: Option<String>,
    pub cardinality: String,
    pub reversible: bool,
    pub file: usize,
    pub node: Node,
}

/// Saved query of the Omni model.
pub(super) struct OmniSavedQuery<'m> {
    pub name: String,
    pub file: usize,
    /// Content of the query, with keys such as `fields`, `sorts` and `filters`.
    pub query: &'m Node,
    /// YAML node that contains the description and the label.
    pub about: &'m Node,
    /// Name of the query's topic.
    pub topic: Option<String>,
    pub is_view: bool,
}

/// Parsed files of an Omni model.
pub(super) struct ParsedOmniModel<'t> {
    pub files: Vec<ParsedOmniFile<'t>>,
    pub views: Vec<ParsedOmniView>,
    /// Names of the views.
    pub names: OmniViewIndex,
    pub relationships: Vec<Relationship>,
    /// File index of each topic, by name.
    topics: FxHashMap<String, usize>,
}

impl<'t> ParsedOmniModel<'t> {
    /// Parses files, each with its path and text. Also returns the errors in files that are not valid YAML. The model
    /// does not contain these files.
    pub fn read(texts: &'t [(String, String)]) -> (Self, Vec<(usize, Diagnostic)>) {
        let mut model = Self {
            files: Vec::new(),
            views: Vec::new(),
            names: OmniViewIndex::default(),
            relationships: Vec::new(),
            topics: FxHashMap::default(),
        };
        let mut faults = Vec::new();
        let parse = |number: usize| Some(yaml::read(&texts.get(number)?.1, &mut Vec::new()));
        let parsed = parallel::map_range(texts.len(), parse).into_iter().flatten();
        for (number, (parsed, (path, text))) in parsed.zip(texts).enumerate() {
            match parsed {
                Ok(Some(root)) => model.add(path, text, root),
                Ok(None) => {}
                Err(fault) => faults.push((number, fault)),
            }
        }
        model.inherit_tables();
        (model, faults)
    }

    /// If a view does not specify its rows, sets its table to the table of the view that it extends.
    ///
    /// Source: <https://docs.omni.co/modeling/views/parameters/extends>
    fn inherit_tables(&mut self) {
        let has_rows = |view: &ParsedOmniView| {
            let root = self.files.get(view.file).map(|file| &file.root);
            let keys = ["dbt", "schema", "table_name", "sql", "query"];
            root.is_none_or(|root| keys.iter().any(|key| root.get(key).is_some()))
        };
        let inherited = |index: usize| {
            let view = self.with_extended_views(index).find(|view| has_rows(view))?;
            Some((index, view.table.clone(), view.rows))
        };
        let inherited: Vec<_> = (0..self.views.len()).filter_map(inherited).collect();
        for (index, table, rows) in inherited {
            if let Some(view) = self.views.get_mut(index) {
                (view.table, view.rows) = (table, rows);
            }
        }
    }

    /// Sets the relation in dbt's manifest that each view shows. `paths` maps the path of a file to its path in the
    /// Omni model's folder.
    pub fn set_relations(&mut self, manifest: &Manifest, paths: &FxHashMap<String, String>) {
        let path_of = |file: &ParsedOmniFile<'t>| paths.get(file.path).map_or(file.path, String::as_str).to_owned();
        let files = self.files.iter();
        let views = files.filter_map(|file| ExistingView::read(&path_of(file), file.text, &file.root));
        let relations = view_relations(manifest, &views.collect::<Vec<_>>());
        for view in &mut self.views {
            let file = self.files.get(view.table.file);
            if let Some(relation) = file.and_then(|file| relations.get(&path_of(file))) {
                relation.name().clone_into(&mut view.table.name);
                view.table.relation = Some(relation.clone());
            }
        }
    }

    fn add(&mut self, path: &'t str, text: &'t str, root: Node) {
        let number = self.files.len();
        let file = OmniFile::new(path, &root);
        let joins = file.joins().iter();
        self.relationships
            .extend(joins.filter_map(|join| read_relationship(join, number)));
        match file.kind() {
            OmniFileKind::Topic => drop(self.topics.insert(file.topic_name().to_lowercase(), number)),
            OmniFileKind::View => {
                let names = OmniViewNames::new(path, text, &root);
                self.views.push(read_view(&names.short, file, number));
                self.names.add(names);
            }
            OmniFileKind::Other => {}
        }
        self.files.push(ParsedOmniFile { path, text, root });
    }

    pub fn view(&self, name: &str) -> Option<usize> {
        self.names.find(name)
    }

    /// Returns the name that references to the view use, in lower case.
    pub fn view_reference_name(&self, view: usize) -> String {
        self.names.name_of(view).unwrap_or_default()
    }

    /// Returns the canonical form of a view name. Returns a join alias in lower case.
    pub fn canonical_name(&self, name: &str) -> String {
        self.names.canonical_name(name)
    }

    /// Returns the index of the view with this name or with this join alias.
    pub fn view_by_name_or_alias(&self, name: &str) -> Option<usize> {
        let of_join = || {
            let view_name = self.relationships.iter().find_map(|join| {
                let aliases = [(&join.to_as, &join.to), (&join.from_as, &join.from)];
                aliases
                    .into_iter()
                    .find(|(alias, _)| alias.eq_ignore_ascii_case(name))
                    .map(|(_, view)| view)
            });
            self.view(view_name?)
        };
        self.view(name).or_else(of_join)
    }

    pub fn view_in_file(&self, file: usize) -> Option<usize> {
        self.views.iter().position(|view| view.file == file)
    }

    /// Returns a field of a view or of the views that it extends. `None` if the field is ignored.
    pub fn field(&self, view: usize, name: &str) -> Option<&ViewField> {
        self.field_including_ignored(view, name)
            .filter(|field| !field.node.is_true_at("ignored"))
    }

    /// Returns the fields in the file of a view, in the order of the file, without ignored fields.
    pub fn fields_of_view(&self, view: usize) -> impl Iterator<Item = &ViewField> {
        let names = self.views.get(view).map(|view| view.order.as_slice());
        let names = names.unwrap_or_default().iter();
        names.filter_map(move |name| self.field(view, name))
    }

    /// Returns whether a view has a field with `ignored: true`.
    pub fn is_ignored(&self, view: usize, name: &str) -> bool {
        self.field_including_ignored(view, name)
            .is_some_and(|field| field.node.is_true_at("ignored"))
    }

    fn field_including_ignored(&self, view: usize, name: &str) -> Option<&ViewField> {
        let name = name.trim().to_lowercase();
        self.with_extended_views(view).find_map(|view| view.fields.get(&name))
    }

    /// Returns a view and the views that it extends. Each view precedes the views that it extends.
    fn with_extended_views(&self, view: usize) -> impl Iterator<Item = &ParsedOmniView> {
        let extended = |view: &usize| {
            let names = self.views.get(*view).map(|view| view.extends.as_slice());
            names
                .unwrap_or_default()
                .iter()
                .filter_map(|name| self.view(name))
                .collect()
        };
        depth_first(view, extended).filter_map(|view| self.views.get(view))
    }

    /// Returns the index of a topic's file, and its YAML.
    pub fn topic(&self, name: &str) -> Option<(usize, &Node)> {
        let file = *self.topics.get(&name.to_lowercase())?;
        Some((file, &self.files.get(file)?.root))
    }

    /// Returns the base view of a topic. A topic may inherit its base view from a topic that it extends.
    pub fn base_view_of_topic(&self, name: &str) -> Option<&str> {
        let root = |topic: &String| Some(self.topic(topic)?.1);
        let extended = |topic: &String| {
            let names = root(topic).map(|root| root.texts_at("extends")).unwrap_or_default();
            names.iter().map(|name| name.to_lowercase()).collect()
        };
        let mut topics = depth_first(name.to_lowercase(), extended);
        topics.find_map(|topic| root(&topic)?.text_at("base_view"))
    }

    /// Returns the names of the topics with the indices of their files, ordered by name.
    pub fn topics_by_name(&self) -> Vec<(&str, usize)> {
        let mut topics: Vec<(&str, usize)> = self.topics.iter().map(|(name, file)| (name.as_str(), *file)).collect();
        topics.sort_unstable();
        topics
    }

    pub fn topic_in_file(&self, file: usize) -> Option<&str> {
        self.topics
            .iter()
            .find(|(_, path)| **path == file)
            .map(|(name, _)| name.as_str())
    }

    /// Returns the queries in a file: the query of a query view, or the sample queries of a topic or of the model.
    pub fn queries_in_file(&self, file: usize) -> Vec<OmniSavedQuery<'_>> {
        let Some(root) = self.files.get(file).map(|file| &file.root) else {
            return Vec::new();
        };
        let topic = self.topic_in_file(file);
        if let (Some(view), Some(query)) = (self.view_in_file(file), root.get("query")) {
            let name = self.views.get(view).map(|view| view.name.clone()).unwrap_or_default();
            let topic = query.string_at("topic");
            return vec![OmniSavedQuery {
                name,
                file,
                query,
                about: root,
                topic,
                is_view: true,
            }];
        }
        let samples = root.pairs_at("sample_queries");
        let samples = samples
            .iter()
            .filter(|(name, sample)| name.text().is_some() && sample.pairs().is_some());
        let samples = samples.map(|(name, sample)| {
            let query = sample.get("query").unwrap_or(sample);
            let query_topic = query.text_at("topic").or(topic).map(str::to_owned);
            let name = name.text().unwrap_or_default().to_owned();
            OmniSavedQuery {
                name,
                file,
                query,
                about: sample,
                topic: query_topic,
                is_view: false,
            }
        });
        samples.collect()
    }
}

/// Returns an item and the items that it extends, without duplicates. Each item precedes the items that it extends
/// itself.
fn depth_first<T: Clone + PartialEq>(first: T, extended: impl Fn(&T) -> Vec<T>) -> impl Iterator<Item = T> {
    let (mut open, mut seen) = (vec![first], Vec::new());
    std::iter::from_fn(move || {
        let next = std::iter::from_fn(|| open.pop()).find(|item| !seen.contains(item))?;
        open.extend(extended(&next).into_iter().rev());
        seen.push(next.clone());
        Some(next)
    })
}

fn read_view(name: &str, omni_file: OmniFile<'_>, file: usize) -> ParsedOmniView {
    let root = omni_file.root;
    // Omni records the dbt model of a view in the view's file. The name of the table may differ from the name of the
    // model.
    let dbt_model = root.get("dbt").and_then(|dbt| dbt.text_at("name")).map(str::to_owned);
    let mut view = ParsedOmniView {
        file,
        table: OmniTable {
            file,
            catalog: root.string_at("catalog"),
            schema: root.string_at("schema"),
            table_name: root.string_at("table_name").unwrap_or_else(|| name.to_owned()),
            name: dbt_model
                .or_else(|| root.string_at("table_name"))
                .unwrap_or_else(|| name.to_owned()),
            relation: None,
        },
        name: name.to_owned(),
        rows: omni_file.rows(),
        extends: omni_file.extends(),
        fields: FxHashMap::default(),
        order: Vec::new(),
        clashes: Vec::new(),
        key: root.texts_at("custom_compound_primary_key_sql"),
    };
    for (kind, name_node, node) in omni_file.fields() {
        let Some(name) = name_node.text() else { continue };
        if view.key.is_empty() && node.is_true_at("primary_key") {
            view.key.push(name.to_owned());
        }
        let field = ViewField {
            name: name.to_owned(),
            kind,
            at: name_node.clone(),
            node: node.clone(),
            file,
        };
        match view.fields.entry(name.to_lowercase()) {
            Entry::Vacant(entry) => {
                view.order.push(name.to_owned());
                entry.insert(field);
            }
            // The column of a dimension can also be read without the dimension, so the measure replaces the dimension.
            Entry::Occupied(mut entry) if kind == OmniFieldKind::Measure && is_column(entry.get()) => {
                entry.insert(field);
            }
            Entry::Occupied(_) if kind == OmniFieldKind::Measure => view.clashes.push(field),
            Entry::Occupied(_) => {}
        }
    }
    view
}

fn read_relationship(join: &Node, file: usize) -> Option<Relationship> {
    let (from, to) = (join.string_at("join_from_view")?, join.string_at("join_to_view")?);
    Some(Relationship {
        from_as: join.string_at("join_from_view_as").unwrap_or_else(|| from.clone()),
        to_as: join.string_at("join_to_view_as").unwrap_or_else(|| to.clone()),
        from,
        to,
        join_type: join.string_at("join_type").unwrap_or_else(|| "always_left".to_owned()),
        on: join.string_at("on_sql"),
        condition: join.string_at("where_sql"),
        cardinality: join
            .string_at("relationship_type")
            .unwrap_or_else(|| "assumed_many_to_one".to_owned()),
        reversible: join.is_true_at("reversible"),
        file,
        node: join.clone(),
    })
}

/// Reference to a field, such as `orders.created_at[month]` or `created_at`, with or without `${…}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct OmniReference {
    pub view: Option<String>,
    pub field: String,
    pub frame: Option<String>,
}

impl OmniReference {
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        let text = text
            .strip_prefix("${")
            .and_then(|inner| inner.strip_suffix('}'))
            .unwrap_or(text)
            .trim();
        let (name, frame) = match text.split_once('[') {
            Some((name, frame)) => (name, Some(frame.trim_end_matches(']').trim().to_lowercase())),
            None => (text, None),
        };
        let (view, field) = match name.rsplit_once('.') {
            Some((view, field)) => (Some(view.trim().to_owned()), field),
            None => (None, name),
        };
        Self {
            view,
            field: field.trim().to_owned(),
            frame,
        }
    }
}

/// Returns the references in SQL.
pub(super) fn find_references(sql: &str) -> impl Iterator<Item = &str> {
    omni_references(sql).map(|(_, name)| name)
}
