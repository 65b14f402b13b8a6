//! The tables that dbt knows, with the names that they and their columns have in Omni.

use std::str::FromStr;

use rustc_hash::FxHashMap;

use super::keys::{self, TableKey};
use super::names::{UsedOmniNames, plain};
use super::table_tests::Tests;
use super::test_status::{self, TestState};
use super::{Artifacts, Wanted};
use crate::Type;
use crate::artifacts::{CatalogTable, ManifestNode, NodeColumn, ResourceType};
use crate::parallel;

/// A table of the warehouse, which is a view of Omni.
#[derive(Debug)]
pub(super) struct DbtTable<'a> {
    pub node: &'a ManifestNode,
    /// The node's place in the manifest.
    pub place: usize,
    /// The folder of its file.
    pub folder: String,
    /// The name of its file, without its end.
    pub file: String,
    pub schema: &'a str,
    /// Its name in the warehouse.
    pub name: &'a str,
    pub catalog: Option<&'a CatalogTable>,
    pub fields: Vec<TableField<'a>>,
    pub key: Option<TableKey>,
    pub state: TestState,
}

/// A column of a table, which is a dimension.
#[derive(Debug)]
pub(super) struct TableField<'a> {
    /// What it is called in Omni.
    pub name: String,
    /// What the warehouse calls it.
    pub column: &'a str,
    pub documented: Option<&'a NodeColumn>,
    pub comment: Option<&'a str>,
    /// Its type as the warehouse or the contract spells it.
    pub data_type: Option<&'a str>,
    /// Its name in SQL, where Omni would not find the column by the field's name.
    pub sql: Option<String>,
}

impl<'a> DbtTable<'a> {
    /// All models, seeds, snapshots and sources that have a table, in the order of their ids.
    pub fn all(artifacts: Artifacts<'a>, wanted: &Wanted, tests: &Tests<'a>) -> Vec<Self> {
        let mut taken = UsedOmniNames::default();
        let nodes = artifacts.manifest.nodes.iter().enumerate();
        let named = nodes.filter(|(_, node)| is_table(node)).map(|(place, node)| {
            let schema = node.schema.as_deref().unwrap_or_default();
            let name = node.alias.as_deref().unwrap_or(&node.name);
            let folder = plain(schema);
            let database = node.database.as_deref().map_or_else(String::new, |it| format!("{}__", plain(it)));
            let short = plain(name);
            // The same table may be a source of one project and a model of another; and no two views have one name, in
            // which the folder stands too.
            let view = taken.choose([
                format!("{folder}__{short}"),
                format!("{folder}__{database}{short}"),
                format!("{folder}__{}__{short}", plain(&node.package)),
            ]);
            let file = view.get(folder.len() + 2..).unwrap_or_default().to_owned();
            (node, place, schema, name, folder, file)
        });
        let named: Vec<_> = named.collect();
        let of_named = |number: usize| {
            let (node, place, schema, name, folder, file) = named.get(number)?.clone();
            let catalog = artifacts.catalog.and_then(|catalog| catalog.table(&node.unique_id));
            let of_node = tests.for_node(place);
            Some(Self {
                node,
                place,
                folder,
                file,
                schema,
                name,
                catalog,
                fields: fields(node, catalog, wanted),
                key: keys::key_of_node(node, of_node),
                state: test_status::state(of_node),
            })
        };
        parallel::each(named.len(), of_named).into_iter().flatten().collect()
    }

    /// How other views name it.
    pub fn view(&self) -> String {
        format!("{}__{}", self.folder, self.file)
    }

    /// The field of a column.
    pub fn field(&self, column: &str) -> Option<&TableField<'a>> {
        let exact = self.fields.iter().find(|field| field.column == column);
        exact.or_else(|| self.fields.iter().find(|field| field.column.eq_ignore_ascii_case(column)))
    }
}

impl TableField<'_> {
    pub fn ty(&self) -> Type {
        self.data_type.and_then(|text| Type::from_str(text).ok()).unwrap_or_default()
    }
}

fn is_table(node: &ManifestNode) -> bool {
    let is_of_kind = node.resource_type.is_referred() || node.resource_type == ResourceType::Source;
    is_of_kind && node.relation_name.as_deref().is_some_and(|name| !name.is_empty())
}

/// The columns that the warehouse has; those that are documented, where it was not asked.
fn fields<'a>(node: &'a ManifestNode, catalog: Option<&'a CatalogTable>, wanted: &Wanted) -> Vec<TableField<'a>> {
    let mut taken = UsedOmniNames::default();
    let mut field = |column: &'a str, known: KnownTables<'a>| {
        let KnownTables { documented, comment, data_type, is_exact } = known;
        let name = taken.choose([plain(column)]);
        // Omni finds a column by the field's name; where its case is its own, or another's too, it is told.
        let is_other = !name.eq_ignore_ascii_case(column) || is_exact && wanted.dialect.folds(column);
        let sql = is_other.then(|| wanted.dialect.name_text(column, false));
        TableField { name, column, documented, comment, data_type, sql }
    };
    match catalog.filter(|table| !table.columns.is_empty()) {
        Some(table) => {
            let of_warehouse = table.columns.iter().map(|column| {
                let documented = node.column(&column.name);
                let data_type = column.data_type.as_deref().or_else(|| documented?.data_type.as_deref());
                let comment = column.comment.as_deref();
                field(&column.name, KnownTables { documented, comment, data_type, is_exact: true })
            });
            with_distinct_names(of_warehouse.collect(), wanted)
        }
        None => {
            let of_node = node.columns.iter().map(|it| {
                // What somebody wrote without quotes says nothing of the case.
                let is_exact = it.quote == Some(true);
                let data_type = it.data_type.as_deref();
                field(&it.name, KnownTables { documented: Some(it), comment: None, data_type, is_exact })
            });
            of_node.collect()
        }
    }
}

/// What is known of a column.
struct KnownTables<'a> {
    documented: Option<&'a NodeColumn>,
    comment: Option<&'a str>,
    data_type: Option<&'a str>,
    /// Whether the case of its name is the warehouse's.
    is_exact: bool,
}

/// Of columns that differ in their case only each says which it is.
fn with_distinct_names<'a>(mut fields: Vec<TableField<'a>>, wanted: &Wanted) -> Vec<TableField<'a>> {
    let mut counts: FxHashMap<String, usize> = FxHashMap::default();
    for field in &fields {
        *counts.entry(field.column.to_ascii_lowercase()).or_default() += 1;
    }
    if counts.len() == fields.len() {
        return fields;
    }
    for field in fields.iter_mut().filter(|field| counts.get(&field.column.to_ascii_lowercase()) != Some(&1)) {
        field.sql = Some(wanted.dialect.name_text(field.column, false));
    }
    fields
}
