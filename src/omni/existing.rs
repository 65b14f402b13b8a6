//! Views that the Omni model contains before a pull.

use std::sync::Arc;

use crate::artifacts::ManifestNode;
use crate::schema::{
    OmniFile, OmniFileKind, OmniRowSource, OmniViewNames, column_of_sql, omni_view_name, without_looker_tables,
};
use crate::yaml::Node;

/// Default prefix of the names of the virtual schemas in which Omni shows dbt models. An Omni user can choose another
/// prefix.
pub(super) const DEFAULT_VIRTUAL_SCHEMA: &str = "omni_dbt";

/// View file of the Omni model that shows a table.
#[derive(Clone, Debug)]
pub(super) struct ExistingView {
    /// Path of the file, relative to the folder of the Omni model.
    pub path: String,
    /// Name of the view. `None` if the name depends on the schema that `pull` writes.
    pub(super) header: Option<String>,
    pub catalog: Option<String>,
    pub schema: Option<String>,
    pub table_name: Option<String>,
    /// dbt model that Omni shows in the view.
    pub(super) dbt: Option<OmniDbtModel>,
    /// Names of the dimensions, each with its SQL, if it has any.
    pub(super) dimensions: Vec<(Arc<str>, Option<Arc<str>>)>,
    pub(super) measures: Vec<Arc<str>>,
}

/// dbt model of a view, as recorded by Omni under the key `dbt`.
#[derive(Clone, Debug)]
pub(super) struct OmniDbtModel {
    pub(super) name: String,
    pub(super) target_schema: Option<String>,
    /// Custom schema in the configuration of the model.
    pub(super) custom_schema: Option<String>,
}

impl ExistingView {
    /// Reads the view in a file. `None` if the file contains no view, or if a query defines the view.
    pub fn read(path: &str, text: &str, root: &Node) -> Option<Self> {
        let file = OmniFile::new(path, root);
        if file.kind() != OmniFileKind::View || file.rows() != OmniRowSource::Table || file.is_template() {
            return None;
        }
        let names = OmniViewNames::new(path, text, root);
        let dbt = root.get("dbt").and_then(|dbt| {
            Some(OmniDbtModel {
                name: dbt.string_at("name")?,
                target_schema: dbt.string_at("target_schema"),
                custom_schema: dbt.get("config").and_then(|config| config.string_at("schema")),
            })
        });
        let schema = root.string_at("schema");
        let dimensions = root.pairs_at("dimensions").iter();
        let dimensions =
            dimensions.filter_map(|(name, keys)| Some((Arc::from(name.text()?), keys.text_at("sql").map(Arc::from))));
        let measures = root.pairs_at("measures").iter();
        let measures = measures.filter_map(|(name, _)| name.text().map(Arc::from));
        Some(Self {
            path: path.to_owned(),
            header: (names.is_certain && schema.is_some()).then_some(names.full),
            catalog: root.string_at("catalog"),
            schema,
            table_name: root.string_at("table_name"),
            dbt,
            dimensions: dimensions.collect(),
            measures: measures.collect(),
        })
    }

    /// Sets the database and the schema.
    pub fn in_schema(mut self, catalog: Option<String>, schema: Option<String>) -> Self {
        (self.catalog, self.schema) = (catalog, schema);
        self
    }

    /// Returns the name of the dimension for a column, and its SQL if the view specifies it. `name` is the usual name.
    /// If no dimension has the usual name but another dimension reads the column, that dimension is kept. No dimension
    /// gets the name of a measure.
    pub fn dimension(&self, column: &str, name: String) -> (String, Option<&str>) {
        let is_name = |other: &str| other.eq_ignore_ascii_case(&name);
        if self.dimensions.iter().any(|(other, _)| is_name(other)) {
            return (name, None);
        }
        let of_column = self.dimensions.iter().find_map(|(other, sql)| {
            let sql = sql.as_deref()?;
            let (_, sql_column) = column_of_sql(&without_looker_tables(sql))?;
            let reads_column = sql_column.eq_ignore_ascii_case(column);
            reads_column.then(|| (other.to_string(), Some(sql)))
        });
        match of_column {
            Some(of_column) => of_column,
            None if self.measures.iter().any(|other| is_name(other)) => (format!("{name}_column"), None),
            None => (name, None),
        }
    }

    /// Returns the name of the view. `catalog` and `schema` are the values that the file will contain.
    pub fn name(&self, catalog: Option<&str>, schema: &str) -> String {
        OmniViewNames::from_parts(&self.path, self.header.as_deref(), catalog, Some(schema)).full
    }

    /// Returns the folder of the file.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Returns the names that the view's table may have in dbt: the dbt model that Omni recorded, and the table.
    pub fn table_names(&self) -> Vec<String> {
        let dbt_names = self.dbt.iter().map(|dbt| dbt.name.clone());
        let mut names: Vec<String> = dbt_names.chain([self.table()]).collect();
        names.dedup();
        names
    }

    /// Returns the name of the view's table. If the file does not specify the table, returns the name of the file.
    fn table(&self) -> String {
        self.table_name.clone().unwrap_or_else(|| omni_view_name(&self.path))
    }

    /// Returns whether Omni recorded this dbt model in the view.
    pub fn shows_model(&self, node: &ManifestNode) -> bool {
        self.dbt.as_ref().is_some_and(|dbt| dbt.name == *node.name)
    }

    /// Returns whether Omni recorded a dbt model in the view.
    pub fn shows_any_model(&self) -> bool {
        self.dbt.is_some()
    }

    /// Returns how well the view fits a dbt model that [`shows_model`](Self::shows_model) accepts. A view in a virtual
    /// schema fits better than a view in a schema of the warehouse, because people query the virtual schema.
    pub fn match_score(&self, node: &ManifestNode) -> u8 {
        let Some(dbt) = &self.dbt else { return 0 };
        let schema = node.schema.as_deref().unwrap_or_default();
        let target = dbt.target_schema.as_deref();
        let custom = dbt.custom_schema.as_deref();
        let joined = target.zip(custom).map(|(target, custom)| format!("{target}_{custom}"));
        let is_schema = |name: Option<&str>| name.is_some_and(|name| name.eq_ignore_ascii_case(schema));
        let is_target = is_schema(target) || is_schema(custom) || is_schema(joined.as_deref());
        u8::from(is_target) * 2 + u8::from(!is_schema(self.schema.as_deref()))
    }

    /// Returns whether the view shows this table of the warehouse.
    pub fn shows_table(&self, node: &ManifestNode) -> bool {
        let is = |view_name: Option<&str>, of_node: Option<&str>| match (view_name, of_node) {
            (Some(view_part), Some(of_node)) => view_part.eq_ignore_ascii_case(of_node),
            _ => false,
        };
        self.may_be_in_database(node)
            && is(self.schema.as_deref(), node.schema.as_deref())
            && is(self.table_name.as_deref(), Some(node.table_name()))
    }

    /// Returns whether the view shows this dbt model in one of Omni's virtual schemas. `virtual_schema` is the common
    /// prefix of their names.
    pub fn shows_virtual_table(&self, node: &ManifestNode, virtual_schema: &str) -> bool {
        let schema = virtual_schema_of(node, virtual_schema);
        let is_schema = |name: &str| name.eq_ignore_ascii_case(&schema);
        node.resource_type.is_referenceable()
            && self.may_be_in_database(node)
            && self.schema.as_deref().is_some_and(is_schema)
            && self.table().eq_ignore_ascii_case(node.table_name())
    }

    /// Returns whether the view may show a table in the database of the node.
    pub fn may_be_in_database(&self, node: &ManifestNode) -> bool {
        match (self.catalog.as_deref(), node.database.as_deref()) {
            (Some(view_database), Some(database)) => view_database.eq_ignore_ascii_case(database),
            _ => true,
        }
    }
}

/// Returns the virtual schema in which Omni shows a dbt model: `first`, or `<first>_<custom schema>`.
pub(super) fn virtual_schema_of(node: &ManifestNode, first: &str) -> String {
    match node.config_text("schema") {
        Some(custom) => format!("{first}_{custom}"),
        None => first.to_owned(),
    }
}
