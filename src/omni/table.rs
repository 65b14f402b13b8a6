//! Tables in a dbt project, with the names of the tables and columns in Omni.

use std::str::FromStr;

use rustc_hash::{FxHashMap, FxHashSet};

use super::existing::ExistingView;
use super::keys::{self, TableKey};
use super::locations::{ViewLocation, view_locations};
use super::names::{UsedOmniNames, to_omni_name};
use super::relations::RelationNodes;
use super::table_tests::TestsByNode;
use super::test_status::{self, TableTestStatus};
use super::{Artifacts, OmniOptions};
use crate::Type;
use crate::artifacts::{CatalogTable, ManifestNode, NodeColumn};
use crate::parallel;
use crate::schema::{is_looker_table, omni_references};

/// Table in the warehouse, which becomes a view in Omni.
#[derive(Debug)]
pub(super) struct DbtTable<'a> {
    pub node: &'a ManifestNode,
    /// Index of the node in the manifest.
    pub node_index: usize,
    /// Other nodes of the same table, such as a source that is declared over a seed, each with its index.
    pub duplicate_nodes: Vec<(usize, &'a ManifestNode)>,
    pub location: ViewLocation,
    /// Name of the table in the warehouse.
    pub name: &'a str,
    pub catalog: Option<&'a CatalogTable>,
    pub fields: Vec<TableField<'a>>,
    pub key: Option<TableKey>,
    pub state: TableTestStatus,
}

/// Column of a table, which becomes a dimension in Omni.
#[derive(Debug)]
pub(super) struct TableField<'a> {
    /// Name of the field in Omni.
    pub name: String,
    /// Name of the column in the warehouse.
    pub column: &'a str,
    pub documented: Option<&'a NodeColumn>,
    pub comment: Option<&'a str>,
    /// Data type, as spelled by the warehouse or the contract.
    pub data_type: Option<&'a str>,
    /// SQL name of the column. `None` if Omni can derive it from the name of the field.
    pub sql: Option<String>,
}

impl<'a> DbtTable<'a> {
    /// Returns the tables of all models, seeds, snapshots and sources, ordered by the id of the node.
    pub fn build_tables(
        artifacts: Artifacts<'a>,
        groups: &[RelationNodes<'a>],
        omni_options: &OmniOptions,
        tests: &TestsByNode<'a>,
    ) -> Vec<Self> {
        let nodes: Vec<&ManifestNode> = groups.iter().map(|group| group.node).collect();
        let locations = view_locations(&nodes, &omni_options.existing, omni_options.virtual_schema.as_deref());
        let by_path: FxHashMap<&str, &ExistingView> = omni_options
            .existing
            .iter()
            .map(|view| (&*view.path, &**view))
            .collect();
        let of_group = |number: usize| {
            let (group, location) = (groups.get(number)?, locations.get(number)?.clone());
            let RelationNodes {
                node,
                node_index,
                ref duplicate_nodes,
            } = *group;
            let catalog = artifacts.catalog.and_then(|catalog| catalog.table(&node.unique_id));
            let of_node = tests.for_node(node_index);
            let view = by_path.get(&*location.path).copied();
            Some(Self {
                node,
                node_index,
                duplicate_nodes: duplicate_nodes.clone(),
                location,
                name: node.table_name(),
                catalog,
                fields: fields(node, duplicate_nodes, catalog, view, omni_options),
                key: keys::table_key(node, of_node),
                state: test_status::table_test_status(of_node),
            })
        };
        parallel::map_range(groups.len(), of_group)
            .into_iter()
            .flatten()
            .collect()
    }

    /// Returns the name by which other views refer to the view.
    pub fn view_name(&self) -> String {
        self.location.view.clone()
    }

    /// Returns the description of the table.
    pub fn description(&self) -> &'a str {
        let descriptions = self.nodes().map(|(_, node)| &*node.description);
        let mut descriptions = descriptions.filter(|text| !text.trim().is_empty());
        descriptions.next().unwrap_or_default()
    }

    /// Returns all nodes of the table, each with its index in the manifest.
    pub fn nodes(&self) -> impl Iterator<Item = (usize, &'a ManifestNode)> {
        [(self.node_index, self.node)]
            .into_iter()
            .chain(self.duplicate_nodes.iter().copied())
    }

    /// Returns the dimensions whose SQL in the existing view contains Looker's `${TABLE}`, each with the view's file.
    pub fn looker_dimensions(&self) -> impl Iterator<Item = (String, String)> {
        let has_reference = |sql: &str| omni_references(sql).any(|(_, name)| is_looker_table(name));
        let fields = self.fields.iter();
        let fields = fields.filter(move |field| field.sql.as_deref().is_some_and(has_reference));
        fields.map(|field| (self.location.path.clone(), field.name.clone()))
    }

    /// Returns the field for a column.
    pub fn field(&self, column: &str) -> Option<&TableField<'a>> {
        let exact = self.fields.iter().find(|field| field.column == column);
        exact.or_else(|| {
            self.fields
                .iter()
                .find(|field| field.column.eq_ignore_ascii_case(column))
        })
    }
}

impl TableField<'_> {
    pub fn ty(&self) -> Type {
        self.data_type
            .and_then(|text| Type::from_str(text).ok())
            .unwrap_or_default()
    }
}

/// Returns the columns of the table in the warehouse. If the catalog does not contain the table, returns the documented
/// columns. If the node does not describe a column, the description comes from another node of the same table.
fn fields<'a>(
    node: &'a ManifestNode,
    duplicate_nodes: &[(usize, &'a ManifestNode)],
    catalog: Option<&'a CatalogTable>,
    view: Option<&ExistingView>,
    omni_options: &OmniOptions,
) -> Vec<TableField<'a>> {
    let nodes = || [node].into_iter().chain(duplicate_nodes.iter().map(|(_, node)| *node));
    // Use the first column with a description. If there is none, use the first column.
    let documented = |name: &str| {
        let mut columns = nodes().filter_map(|node| node.column(name));
        let first = columns.next()?;
        let has_text = |column: &&NodeColumn| !column.description.trim().is_empty();
        Some([first].into_iter().chain(columns).find(has_text).unwrap_or(first))
    };
    let mut used_names = UsedOmniNames::default();
    let mut field = |column: &'a str, column_properties: DbtColumnProperties<'a>| {
        let DbtColumnProperties {
            documented,
            comment,
            data_type,
            is_exact,
        } = column_properties;
        let usual = to_omni_name(column);
        let (name, sql_of_view) = match view {
            Some(view) => view.dimension(column, usual),
            None => (usual, None),
        };
        let name = used_names.reserve([name]);
        // Omni derives the column from the name of the field. If the name or case of the column differs, `sql`
        // specifies the column.
        let is_other = !name.eq_ignore_ascii_case(column) || is_exact && omni_options.dialect.would_change_case(column);
        let sql = is_other.then(|| match sql_of_view {
            Some(sql) => sql.to_owned(),
            None => omni_options.dialect.name_text(column, false),
        });
        TableField {
            name,
            column,
            documented,
            comment,
            data_type,
            sql,
        }
    };
    match catalog.filter(|table| !table.columns.is_empty()) {
        Some(table) => {
            let of_warehouse = table.columns.iter().map(|column| {
                let documented = documented(&column.name);
                let data_type = column.data_type.as_deref().or_else(|| documented?.data_type.as_deref());
                let comment = column.comment.as_deref();
                field(
                    &column.name,
                    DbtColumnProperties {
                        documented,
                        comment,
                        data_type,
                        is_exact: true,
                    },
                )
            });
            set_sql_for_case_conflicts(of_warehouse.collect(), omni_options)
        }
        None => {
            let mut seen: FxHashSet<String> = FxHashSet::default();
            let columns = nodes().flat_map(|node| &node.columns);
            let columns =
                columns.filter(|column| duplicate_nodes.is_empty() || seen.insert(column.name.to_lowercase()));
            let columns = columns.map(|column| match duplicate_nodes {
                [] => column,
                _ => documented(&column.name).unwrap_or(column),
            });
            let of_node = columns.map(|node_column| {
                // A documented name without quotes does not specify the case of the column.
                let is_exact = node_column.quote == Some(true);
                let data_type = node_column.data_type.as_deref();
                field(
                    &node_column.name,
                    DbtColumnProperties {
                        documented: Some(node_column),
                        comment: None,
                        data_type,
                        is_exact,
                    },
                )
            });
            of_node.collect()
        }
    }
}

/// Properties of a column from dbt and the catalog.
struct DbtColumnProperties<'a> {
    documented: Option<&'a NodeColumn>,
    comment: Option<&'a str>,
    data_type: Option<&'a str>,
    /// Whether the name has the same case as in the warehouse.
    is_exact: bool,
}

/// Sets `sql` for columns whose names differ only by case.
fn set_sql_for_case_conflicts<'a>(mut fields: Vec<TableField<'a>>, omni_options: &OmniOptions) -> Vec<TableField<'a>> {
    let mut counts: FxHashMap<String, usize> = FxHashMap::default();
    for field in &fields {
        *counts.entry(field.column.to_ascii_lowercase()).or_default() += 1;
    }
    if counts.len() == fields.len() {
        return fields;
    }
    for field in fields
        .iter_mut()
        .filter(|field| counts.get(&field.column.to_ascii_lowercase()) != Some(&1))
    {
        field.sql = Some(omni_options.dialect.name_text(field.column, false));
    }
    fields
}
