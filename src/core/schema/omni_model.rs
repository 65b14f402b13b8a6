//! Omni model: its files, its views with the fields that they inherit, its topics and its relationships.
//!
//! A view or topic inherits the settings of the views or topics in `extends`, and each of its fields inherits the
//! settings of the field with the same name. A value in the file itself takes precedence. If several names are listed,
//! the first name takes precedence, with everything that it inherits. Omni documents this order for the `extends` of
//! fields, so formulac applies it to views and topics, too. Sources:
//! <https://docs.omni.co/modeling/views/parameters/extends>,
//! <https://docs.omni.co/modeling/dimensions/parameters/extends>

use rustc_hash::{FxHashMap, FxHashSet};

use super::omni::{OmniViewIndex, OmniViewNames};
use super::omni_file::{OmniFile, OmniFileKind, OmniRowSource};
use super::omni_view::{OmniViewFields, OmniViewTable, ParsedOmniView, ViewField};
use crate::diag::Diagnostic;
use crate::yaml::{self, Node};

/// Parsed file of an Omni model.
#[derive(Clone, Debug)]
pub struct ParsedOmniFile<'t> {
    /// Path of the file.
    pub path: &'t str,
    /// Text of the file.
    pub text: &'t str,
    /// YAML in the file.
    pub root: Node,
}

impl<'t> ParsedOmniFile<'t> {
    /// Parses a file. Returns no file if the text is empty or is not valid YAML. The diagnostics include faults that do
    /// not prevent parsing.
    #[must_use]
    pub fn parse(path: &'t str, text: &'t str) -> (Option<Self>, Vec<Diagnostic>) {
        let mut faults = Vec::new();
        let root = yaml::read(text, &mut faults).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        (root.map(|root| Self { path, text, root }), faults)
    }

    /// Returns the line of a node, starting at 1.
    #[must_use]
    pub fn line(&self, node: &Node) -> usize {
        let before = self.text.get(..node.span.start as usize).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    /// Returns the typed access to the file.
    #[must_use]
    pub fn omni_file(&self) -> OmniFile<'_> {
        OmniFile::new(self.path, &self.root)
    }
}

/// Topic of an Omni model.
#[derive(Clone, Debug)]
pub struct OmniTopic {
    /// Index of the topic's file.
    pub file: usize,
    /// Name of the topic.
    pub name: String,
    /// Name of the base view. By default, it is the name of the topic.
    pub base_view: String,
    /// Whether the topic exists only to be extended.
    pub is_template: bool,
    /// Indices of the files that define the topic: its own file, then the files of the topics that it extends.
    files: Vec<usize>,
}

/// Join of two views.
#[derive(Clone, Debug)]
pub struct OmniRelationship {
    /// First view.
    pub from: String,
    /// Second view.
    pub to: String,
    /// Name that conditions use for the first view.
    pub from_as: String,
    /// Name that conditions use for the second view.
    pub to_as: String,
    /// Type of the join, such as `always_left`.
    pub join_type: String,
    /// Join condition.
    pub on: Option<String>,
    /// Additional condition on the rows.
    pub condition: Option<String>,
    /// Cardinality, such as `many_to_one`.
    pub cardinality: String,
    /// Whether the join can also start from the second view.
    pub reversible: bool,
    /// Index of the file.
    pub file: usize,
    /// YAML of the join.
    pub node: Node,
}

impl OmniRelationship {
    fn read(join: &Node, file: usize) -> Option<Self> {
        let (from, to) = (join.string_at("join_from_view")?, join.string_at("join_to_view")?);
        let text_or = |key: &str, default: &str| join.text_at(key).unwrap_or(default).to_owned();
        Some(Self {
            from_as: text_or("join_from_view_as", &from),
            to_as: text_or("join_to_view_as", &to),
            from,
            to,
            join_type: text_or("join_type", "always_left"),
            on: join.string_at("on_sql"),
            condition: join.string_at("where_sql"),
            cardinality: text_or("relationship_type", "assumed_many_to_one"),
            reversible: join.is_true_at("reversible"),
            file,
            node: join.clone(),
        })
    }

    /// Returns the two names that conditions use, each with the name of its view.
    fn aliases(&self) -> [(&str, &str); 2] {
        [(&self.to_as, &self.to), (&self.from_as, &self.from)]
    }

    /// Returns the view to which a name in the conditions refers.
    #[must_use]
    pub fn view_of_alias(&self, name: &str) -> Option<&str> {
        let mut aliases = self.aliases().into_iter();
        Some(aliases.find(|(alias, _)| alias.eq_ignore_ascii_case(name))?.1)
    }
}

/// Parsed Omni model.
#[derive(Clone, Debug, Default)]
pub struct ParsedOmniModel<'t> {
    /// Files that contain YAML.
    pub files: Vec<ParsedOmniFile<'t>>,
    /// Views, in the order of the files.
    pub views: Vec<ParsedOmniView>,
    /// Names of the views.
    pub names: OmniViewIndex,
    /// Topics, in the order of the files.
    pub topics: Vec<OmniTopic>,
    /// Relationships, in the order of the files.
    pub relationships: Vec<OmniRelationship>,
    /// Index of the topic to which a name refers. The names are in lower case.
    topics_by_name: FxHashMap<String, usize>,
    /// Index of the view to which the alias of a join refers. The aliases are in lower case.
    views_by_alias: FxHashMap<String, usize>,
}

impl<'t> ParsedOmniModel<'t> {
    /// Builds the model from the results of [`ParsedOmniFile::parse`]. Also returns the errors in the files.
    #[must_use]
    pub fn new(
        parsed: impl IntoIterator<Item = (Option<ParsedOmniFile<'t>>, Vec<Diagnostic>)>,
    ) -> (Self, Vec<(usize, Diagnostic)>) {
        let (mut model, mut faults) = (Self::default(), Vec::new());
        for (number, (file, diagnostics)) in parsed.into_iter().enumerate() {
            model.files.extend(file);
            let errors = diagnostics.into_iter().filter(Diagnostic::is_error);
            faults.extend(errors.map(|fault| (number, fault)));
        }
        let (mut view_files, mut topic_files) = (Vec::new(), Vec::new());
        for (number, file) in model.files.iter().enumerate() {
            let omni_file = file.omni_file();
            let joins = omni_file.joins().iter();
            let joins = joins.filter_map(|join| OmniRelationship::read(join, number));
            model.relationships.extend(joins);
            match omni_file.kind() {
                OmniFileKind::View => {
                    view_files.push(number);
                    model.names.add(OmniViewNames::new(file.path, file.text, &file.root));
                }
                OmniFileKind::Topic => {
                    let name = omni_file.topic_name().to_lowercase();
                    model.topics_by_name.insert(name, topic_files.len());
                    topic_files.push(number);
                }
                OmniFileKind::Other => {}
            }
        }
        let file_of_view = |name: &str| view_files.get(model.names.find(name)?).copied();
        let views = view_files
            .iter()
            .filter_map(|file| model.read_view(*file, file_of_view));
        let views: Vec<_> = views.collect();
        let file_of_topic = |name: &str| {
            topic_files
                .get(*model.topics_by_name.get(&name.to_lowercase())?)
                .copied()
        };
        let topics = topic_files
            .iter()
            .filter_map(|file| model.read_topic(*file, file_of_topic));
        let topics: Vec<_> = topics.collect();
        (model.views, model.topics) = (views, topics);
        for join in &model.relationships {
            for (alias, view) in join.aliases() {
                if let Some(view) = model.names.find(view) {
                    model.views_by_alias.entry(alias.to_lowercase()).or_insert(view);
                }
            }
        }
        (model, faults)
    }

    fn read_view(&self, file: usize, file_of_view: impl Fn(&str) -> Option<usize>) -> Option<ParsedOmniView> {
        let omni_file = self.files.get(file)?.omni_file();
        let (files, missing_view) = self.with_extended(file, file_of_view);
        let (table, rows) = self.table(&files);
        let keys = self.omni_files(&files).map(|(_, file)| file.primary_key());
        Some(ParsedOmniView {
            file,
            name: omni_file.view_name(),
            rows,
            table,
            key: keys.into_iter().find(|key| !key.is_empty()).unwrap_or_default(),
            is_template: omni_file.is_template(),
            missing_view,
            fields: OmniViewFields::read(self.omni_files(&files)),
        })
    }

    fn read_topic(&self, file: usize, file_of_topic: impl Fn(&str) -> Option<usize>) -> Option<OmniTopic> {
        let omni_file = self.files.get(file)?.omni_file();
        let (files, _) = self.with_extended(file, file_of_topic);
        let base_view = self.setting(&files, "base_view").and_then(|(_, node)| node.text());
        Some(OmniTopic {
            file,
            name: omni_file.topic_name().to_owned(),
            base_view: base_view.unwrap_or(omni_file.topic_name()).to_owned(),
            is_template: omni_file.is_template(),
            files,
        })
    }

    fn omni_files<'m>(&'m self, files: &'m [usize]) -> impl Iterator<Item = (usize, OmniFile<'m>)> {
        let files = files.iter();
        files.filter_map(|number| Some((*number, self.files.get(*number)?.omni_file())))
    }

    /// Returns a file and the files that it extends, in the order of their precedence, and the first extended name that
    /// does not exist. `find` returns the file of a name.
    fn with_extended(&self, first: usize, find: impl Fn(&str) -> Option<usize>) -> (Vec<usize>, Option<String>) {
        let (mut files, mut seen, mut missing) = (Vec::new(), FxHashSet::default(), None);
        let mut open = vec![first];
        while let Some(number) = open.pop() {
            let Some(file) = self.files.get(number).filter(|_| seen.insert(number)) else {
                continue;
            };
            files.push(number);
            let extends = file.omni_file().extends();
            open.extend(extends.iter().rev().filter_map(|name| find(name)));
            missing = missing.or_else(|| extends.into_iter().find(|name| find(name).is_none()));
        }
        (files, missing)
    }

    /// Returns the first value of a setting in these files, with the index of its file.
    fn setting<'m>(&'m self, files: &'m [usize], key: &str) -> Option<(usize, &'m Node)> {
        files
            .iter()
            .find_map(|file| Some((*file, self.files.get(*file)?.root.get(key)?)))
    }

    /// Returns the table and the source of the rows of a view, which is defined by these files.
    ///
    /// The first file with a key that specifies rows determines the table. Without such a file, the table has the name
    /// of the first extended view that extends no other view. A template without these keys has no table.
    fn table(&self, files: &[usize]) -> (OmniViewTable, OmniRowSource) {
        let has = |file: OmniFile<'_>, keys: &[&str]| keys.iter().any(|key| file.root.get(key).is_some());
        let specifies_rows = |(_, file): &(usize, OmniFile<'_>)| {
            has(*file, &["dbt", "table_name", "sql", "query"]) || !file.is_template() && has(*file, &["schema"])
        };
        let is_plain = |(_, file): &(usize, OmniFile<'_>)| !file.is_template() && !has(*file, &["extends"]);
        let source = self.omni_files(files).find(specifies_rows);
        let source = source.or_else(|| self.omni_files(files).skip(1).find(is_plain));
        let Some((file, omni_file)) = source.or_else(|| self.omni_files(files).next()) else {
            return (OmniViewTable::default(), OmniRowSource::Table);
        };
        let text = |key: &str| Some(self.setting(files, key)?.1.text()?.to_owned());
        let table_name = omni_file.root.string_at("table_name");
        let table = OmniViewTable {
            file,
            catalog: text("catalog"),
            schema: text("schema"),
            table_name: table_name.unwrap_or_else(|| omni_file.view_name()),
            dbt_model: omni_file.root.get("dbt").and_then(|dbt| dbt.string_at("name")),
        };
        (table, omni_file.rows())
    }

    /// Returns the index of the view with this name.
    #[must_use]
    pub fn view(&self, name: &str) -> Option<usize> {
        self.names.find(name)
    }

    /// Returns the index of the view with this name or with this join alias.
    #[must_use]
    pub fn view_by_name_or_alias(&self, name: &str) -> Option<usize> {
        let by_alias = || self.views_by_alias.get(&name.to_lowercase()).copied();
        self.view(name).or_else(by_alias)
    }

    /// Returns the index of the view in a file.
    #[must_use]
    pub fn view_in_file(&self, file: usize) -> Option<usize> {
        self.views.binary_search_by_key(&file, |view| view.file).ok()
    }

    /// Returns the views that show the table with this name.
    pub fn views_of_table<'m>(&'m self, name: &'m str) -> impl Iterator<Item = (usize, &'m ParsedOmniView)> {
        let views = self.views.iter().enumerate();
        views.filter(move |(_, view)| {
            let is_table = view.rows == OmniRowSource::Table && !view.is_template;
            is_table && view.table.name().eq_ignore_ascii_case(name)
        })
    }

    /// Returns the name that references to the view use, in lower case.
    #[must_use]
    pub fn view_reference_name(&self, view: usize) -> String {
        self.names.name_of(view).unwrap_or_default()
    }

    /// Returns the canonical form of a view name. Returns a join alias in lower case.
    #[must_use]
    pub fn canonical_name(&self, name: &str) -> String {
        self.names.canonical_name(name)
    }

    /// Returns the YAML of the SQL or query that defines a view's rows, with the index of its file.
    #[must_use]
    pub fn rows_node(&self, view: &ParsedOmniView) -> Option<(usize, &Node)> {
        let key = match view.rows {
            OmniRowSource::Table => return None,
            OmniRowSource::Sql => "sql",
            OmniRowSource::Query => "query",
        };
        let file = view.table.file;
        Some((file, self.files.get(file)?.root.get(key)?))
    }

    /// Returns a field of a view. `None` if the field is ignored.
    #[must_use]
    pub fn field(&self, view: usize, name: &str) -> Option<&ViewField> {
        self.field_including_ignored(view, name)
            .filter(|field| !field.is_ignored())
    }

    /// Returns whether a view has a field with `ignored: true`.
    #[must_use]
    pub fn is_ignored(&self, view: usize, name: &str) -> bool {
        self.field_including_ignored(view, name)
            .is_some_and(ViewField::is_ignored)
    }

    fn field_including_ignored(&self, view: usize, name: &str) -> Option<&ViewField> {
        let fields = &self.views.get(view)?.fields;
        fields.all.get(*fields.by_name.get(&name.trim().to_lowercase())?)
    }

    /// Returns the fields in the file of a view, in the order of the file, without ignored fields.
    pub fn fields_in_file(&self, view: usize) -> impl Iterator<Item = &ViewField> {
        let view = self.views.get(view);
        let fields = view
            .into_iter()
            .flat_map(|view| view.named_fields().filter(|field| field.file == view.file));
        fields.filter(|field| !field.is_ignored())
    }

    /// Returns the topic with this name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&OmniTopic> {
        self.topics.get(*self.topics_by_name.get(&name.to_lowercase())?)
    }

    /// Returns the topics to which names refer, ordered by name. Each name is in lower case.
    #[must_use]
    pub fn topics_by_name(&self) -> Vec<(&str, &OmniTopic)> {
        let topics = self.topics_by_name.iter();
        let topics = topics.filter_map(|(name, index)| Some((name.as_str(), self.topics.get(*index)?)));
        let mut topics: Vec<_> = topics.collect();
        topics.sort_unstable_by_key(|(name, _)| *name);
        topics
    }

    /// Returns the topic in a file.
    #[must_use]
    pub fn topic_in_file(&self, file: usize) -> Option<&OmniTopic> {
        let index = self.topics.binary_search_by_key(&file, |topic| topic.file).ok()?;
        self.topics.get(index)
    }

    /// Returns a setting of a topic, with the index of the file that contains it.
    #[must_use]
    pub fn topic_setting<'m>(&'m self, topic: &'m OmniTopic, key: &str) -> Option<(usize, &'m Node)> {
        self.setting(&topic.files, key)
    }

    /// Returns the joins in the join tree of a topic, each as the names or aliases of both views.
    #[must_use]
    pub fn topic_joins<'m>(&'m self, topic: &'m OmniTopic) -> Vec<(&'m str, &'m str)> {
        let (mut joins, tree) = (Vec::new(), self.topic_setting(topic, "joins"));
        let mut open: Vec<_> = tree
            .into_iter()
            .map(|(_, node)| (topic.base_view.as_str(), node))
            .collect();
        while let Some((from, node)) = open.pop() {
            for (to, child) in node.pairs().unwrap_or_default() {
                let Some(to) = to.text() else { continue };
                joins.push((from, to));
                open.push((to, child));
            }
        }
        joins
    }

    /// Returns the YAML of a topic, then the YAML of the topics that it extends.
    pub fn topic_roots<'m>(&'m self, topic: &'m OmniTopic) -> impl Iterator<Item = &'m Node> {
        topic.files.iter().filter_map(|file| Some(&self.files.get(*file)?.root))
    }
}

#[cfg(test)]
mod tests {
    use super::super::omni_file::OmniFieldKind;
    use super::*;

    fn model<'t>(files: &[(&'t str, &'t str)]) -> ParsedOmniModel<'t> {
        let (model, faults) = ParsedOmniModel::new(files.iter().map(|(path, text)| ParsedOmniFile::parse(path, text)));
        assert_eq!(faults, []);
        model
    }

    fn setting<'m>(model: &'m ParsedOmniModel<'_>, view: &str, field: &str, key: &str) -> Option<&'m str> {
        model.field(model.view(view).unwrap(), field)?.text(key)
    }

    #[test]
    fn fields_inherit_each_setting_from_the_first_name() {
        let model = model(&[
            ("a.view", "extends: [root]\ndimensions: {x: {sql: a}}\n"),
            ("b.view", "dimensions: {x: {sql: b, label: B}, gone: {sql: b}}\n"),
            (
                "root.view",
                "dimensions: {x: {label: Root, format: number}, y: {}, z: {sql: '1'}}\n",
            ),
            (
                "child.view",
                "extends: ['${a}', b, nowhere, never]\ndimensions: {X: {description: Own}, gone: {ignored: true}}\nmeasures: {z: {sql: z}}\n",
            ),
        ]);
        let of_child = |field: &str, key: &str| setting(&model, "child", field, key);
        assert_eq!(of_child("x", "sql"), Some("a"));
        assert_eq!(of_child("x", "label"), Some("Root"));
        assert_eq!(of_child("x", "format"), Some("number"));
        assert_eq!(of_child("x", "description"), Some("Own"));
        assert_eq!(of_child("z", "sql"), Some("z"));
        let child = model.view("child").unwrap();
        let field = |name: &str| model.field(child, name);
        assert!(field("gone").is_none() && model.is_ignored(child, "gone") && field("y").is_some());
        let file = |name: &str| model.files[field(name).unwrap().file].path;
        assert_eq!([file("x"), file("y")], ["child.view", "root.view"]);
        assert_eq!(model.views[child].missing_view.as_deref(), Some("nowhere"));
        let in_file = model.fields_in_file(child).map(|field| field.name.as_str());
        assert_eq!(in_file.collect::<Vec<_>>(), ["X", "z"]);
    }

    #[test]
    fn measures_with_the_name_of_a_dimension() {
        let model = model(&[(
            "v.view",
            "dimensions: {a: {sql: '\"A\"'}, b: {sql: a + 1}, c: {sql: '${c}', bin_boundaries: [1]}}\n\
             measures: {a: {sql: a}, b: {sql: a}, c: {sql: a}}\n",
        )]);
        let kind = |name: &str| model.field(0, name).unwrap().kind;
        use OmniFieldKind::{Dimension, Measure};
        assert_eq!([kind("a"), kind("b"), kind("c")], [Measure, Dimension, Dimension]);
        let hidden = model.views[0].hidden_measures().map(|field| field.name.as_str());
        assert_eq!(hidden.collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn tables_of_views_that_extend_others() {
        let table = |files: &[(&str, &str)]| {
            let model = model(files);
            let view = &model.views[model.view("child").unwrap()];
            let rows = model
                .rows_node(view)
                .and_then(|(_, node)| node.text())
                .map(str::to_owned);
            let schema = view.table.schema.clone().unwrap_or_default();
            (rows.unwrap_or_else(|| view.table.name().to_owned()), schema)
        };
        let orders = ("orders.view", "schema: s\n");
        for (child, others, expected) in [
            ("extends: [orders]", vec![orders], ("orders", "s")),
            // The view in the middle has no keys of its own.
            (
                "extends: [middle]",
                vec![("middle.view", "extends: [orders]\n"), orders],
                ("orders", "s"),
            ),
            (
                "extends: [t, orders]",
                vec![("t.view", "template: true\nschema: other\n"), orders],
                ("orders", "other"),
            ),
            (
                "extends: [t]",
                vec![("t.view", "template: true\nschema: s\n")],
                ("child", "s"),
            ),
            (
                "extends: [t]",
                vec![("t.view", "template: true\ntable_name: u\n")],
                ("u", ""),
            ),
            (
                "extends: [plain]",
                vec![("plain.view", "dimensions: {}\n")],
                ("plain", ""),
            ),
            ("extends: [orders]\nschema: other", vec![orders], ("child", "other")),
            ("extends: [orders]\nsql: select 1", vec![orders], ("select 1", "s")),
            (
                "extends: [q]\ntable_name: u",
                vec![("q.query.view", "query: {}\n")],
                ("u", ""),
            ),
            (
                "extends: [d]",
                vec![("d.view", "schema: s\ndbt: {name: stg_d}\n")],
                ("stg_d", "s"),
            ),
            ("extends: [child]", vec![], ("child", "")),
        ] {
            let child_text = format!("{child}\n");
            let files = [vec![("child.view", child_text.as_str())], others].concat();
            let (name, schema) = table(&files);
            assert_eq!((name.as_str(), schema.as_str()), expected, "{child}");
        }
    }

    #[test]
    fn keys_have_no_quotes_and_are_inherited() {
        let model = model(&[
            (
                "one.view",
                "dimensions: {id: {primary_key: true}, old: {primary_key: true, tags: [dbt_removed]}}\n",
            ),
            ("two.view", "custom_compound_primary_key_sql: ['\"ID\"', day]\n"),
            ("child.view", "extends: [two, one]\n"),
        ]);
        let keys: Vec<_> = model.views.iter().map(|view| view.key.join(" ")).collect();
        assert_eq!(keys, ["id", "ID day", "ID day"]);
    }

    #[test]
    fn topics_and_aliases() {
        let model = model(&[
            ("users.view", "schema: s\n"),
            ("base.topic", "base_view: users\nfields: [users.id]\ntemplate: true\n"),
            ("middle.topic", "extends: [\"${base}\", other]\n"),
            ("Child.topic", "extends: [MIDDLE]\n"),
            ("other.topic", "fields: [users.name]\nextends: [child]\n"),
            (
                "relationships",
                "- {join_from_view: orders, join_to_view: users, join_to_view_as: Buyers}\n",
            ),
        ]);
        let child = model.topic("child").unwrap();
        assert_eq!(
            (child.name.as_str(), child.base_view.as_str(), child.is_template),
            ("Child", "users", false)
        );
        let (file, fields) = model.topic_setting(child, "fields").unwrap();
        assert_eq!((file, fields.texts()), (1, vec!["users.id".to_owned()]));
        assert_eq!(model.topic_in_file(2).unwrap().name, "middle");
        assert_eq!(model.view_by_name_or_alias("buyers"), Some(0));
        assert_eq!(model.view_by_name_or_alias("orders"), None);
    }
}
