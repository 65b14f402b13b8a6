//! Files, names and schemas of the views in the Omni model.
//!
//! A table whose view exists keeps the file of the view. Omni shows dbt models in virtual schemas such as
//! `omni_dbt_marts`, which do not exist in the warehouse. Omni records the dbt model of such a view in the view's file.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::existing::{DEFAULT_VIRTUAL_SCHEMA, ExistingView, virtual_schema_of};
use super::names::{UsedOmniNames, to_omni_name};
use super::relations::group_by_relation;
use crate::artifacts::{Manifest, ManifestNode};
use crate::dbt::RelationReference;
use crate::schema::omni_view_name;

/// File and name of a view, and the keys that specify its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ViewLocation {
    /// Path of the view file, relative to the folder of the Omni model.
    pub path: String,
    /// Name by which other views refer to the view.
    pub view: String,
    /// Database of the table, if the schema and name of the table do not identify it.
    pub catalog: Option<String>,
    /// Schema of the table in Omni.
    pub schema: String,
    pub table_name: String,
}

/// Returns the location of each table's view. `virtual_schema` is the common prefix of the names of Omni's virtual
/// schemas.
pub(super) fn view_locations(
    nodes: &[&ManifestNode],
    existing: &[Arc<ExistingView>],
    virtual_schema: Option<&str>,
) -> Vec<ViewLocation> {
    let catalogs = tables_needing_catalog(nodes);
    let view_indices = match_views_to_tables(
        nodes,
        &catalogs,
        existing,
        virtual_schema.unwrap_or(DEFAULT_VIRTUAL_SCHEMA),
    );
    let locations = nodes.iter().zip(&view_indices).map(|(node, view)| {
        let view = existing.get((*view)?)?;
        Some(location_of_view(node, view))
    });
    let view_locations: Vec<Option<ViewLocation>> = locations.collect();
    let schemas = virtual_schemas(nodes, &view_locations);
    let inferred = common_virtual_schema(nodes, &view_locations);
    let ending = most_common_extension(existing);
    let mut used_names = UsedOmniNames::default();
    for location in view_locations.iter().flatten() {
        used_names.reserve([location.view.clone()]);
    }
    let claimed: FxHashSet<usize> = view_indices.iter().flatten().copied().collect();
    let by_path: FxHashMap<&str, usize> = existing
        .iter()
        .enumerate()
        .map(|(index, view)| (&*view.path, index))
        .collect();
    let folders = folders_by_schema(existing);
    let mut used_paths: FxHashSet<String> = FxHashSet::default();
    let of_one = |((node, view_location), needs_catalog): ((&&ManifestNode, Option<ViewLocation>), bool)| {
        if let Some(view_location) = view_location {
            return view_location;
        }
        let node_schema = node.schema.as_deref().unwrap_or_default();
        let known_schema = schemas.get(node_schema).filter(|_| virtual_schema.is_none());
        let first = virtual_schema.or(inferred.as_deref());
        let schema = match (known_schema, first.filter(|_| node.resource_type.is_referenceable())) {
            (Some(schema), _) => schema.clone(),
            (None, Some(first)) => virtual_schema_of(node, first),
            (None, None) => node_schema.to_owned(),
        };
        let catalog = node.database.as_deref().filter(|_| needs_catalog);
        let folder = folders.get(&(catalog, schema.to_lowercase())).copied();
        // A view without a record of its dbt model may come from an earlier pull, so its path can be used for the
        // table.
        let is_free = |path: &str| match by_path.get(path).and_then(|index| Some((index, existing.get(*index)?))) {
            Some((index, view)) => !claimed.contains(index) && !view.shows_any_model() && view.may_be_in_database(node),
            None => true,
        };
        let new_view_folder = NewViewFolder {
            schema: &schema,
            folder,
            ending,
        };
        let mut location = new_view_location(node, catalog, new_view_folder, &mut used_names, &|path| {
            is_free(path) && !used_paths.contains(path)
        });
        if let Some(view) = by_path.get(&*location.path).and_then(|index| existing.get(*index)) {
            location.view = view.name(location.catalog.as_deref(), &schema);
        }
        used_paths.insert(location.path.clone());
        location
    };
    nodes.iter().zip(view_locations).zip(catalogs).map(of_one).collect()
}

/// Rule that identifies an existing view as the view of a table.
#[derive(Clone, Copy)]
enum ViewMatchRule {
    /// Omni recorded the dbt model in the view.
    Model,
    /// The view has the default path that `pull` uses for the table.
    Path,
    /// The keys of the view specify the table.
    Table,
    /// The keys of the view specify the table of a dbt model in a virtual schema.
    VirtualTable,
}

/// Rules that find the view of a table. Earlier rules take precedence.
const RULES_FOR_TABLES: [ViewMatchRule; 4] = [
    ViewMatchRule::Model,
    ViewMatchRule::Path,
    ViewMatchRule::Table,
    ViewMatchRule::VirtualTable,
];

/// Rules that find the table of a view. Earlier rules take precedence.
const RULES_FOR_VIEWS: [ViewMatchRule; 4] = [
    ViewMatchRule::Model,
    ViewMatchRule::Table,
    ViewMatchRule::VirtualTable,
    ViewMatchRule::Path,
];

impl ViewMatchRule {
    /// Returns whether the rule identifies a view as the view of a node's table. `virtual_schema` is the common prefix
    /// of the names of Omni's virtual schemas.
    fn accepts(self, node: &ManifestNode, needs_catalog: bool, view: &ExistingView, virtual_schema: &str) -> bool {
        let is_other = view.shows_any_model() || needs_catalog && view.catalog.is_none();
        match self {
            Self::Model => view.shows_model(node),
            Self::Path => view.path == default_view_path(node) && view.may_be_in_database(node) && !is_other,
            Self::Table => view.shows_table(node) && !is_other,
            Self::VirtualTable => view.shows_virtual_table(node, virtual_schema) && !is_other,
        }
    }
}

/// Returns the index of each table's view. The records of dbt models take precedence over the names of files, and these
/// names take precedence over the keys of the table.
fn match_views_to_tables(
    nodes: &[&ManifestNode],
    catalogs: &[bool],
    existing: &[Arc<ExistingView>],
    virtual_schema: &str,
) -> Vec<Option<usize>> {
    let mut view_indices = vec![None; nodes.len()];
    let mut claimed: FxHashSet<usize> = FxHashSet::default();
    let mut by_name: FxHashMap<String, Vec<usize>> = FxHashMap::default();
    for (index, view) in existing.iter().enumerate() {
        let table = view.table_name.as_deref().map(str::to_lowercase);
        let name = omni_view_name(&view.path).to_lowercase();
        let table = table.filter(|table| *table != name);
        for name in [name, view.path.to_lowercase()].into_iter().chain(table) {
            by_name.entry(name).or_default().push(index);
        }
    }
    for rule in RULES_FOR_TABLES {
        let open = nodes.iter().zip(catalogs).zip(&mut view_indices);
        for ((node, needs_catalog), index_of_view) in open.filter(|(_, view_index)| view_index.is_none()) {
            let names = [
                node.name.to_lowercase(),
                node.table_name().to_lowercase(),
                default_view_path(node).to_lowercase(),
            ];
            let places = names.iter().filter_map(|name| by_name.get(name)).flatten();
            let fitting = places.filter_map(|index| Some((*index, existing.get(*index)?)));
            let fitting = fitting.filter(|(index, view)| {
                !claimed.contains(index) && rule.accepts(node, *needs_catalog, view, virtual_schema)
            });
            // If several views fit equally well, choose the view with the first path.
            let best = fitting.max_by(|(_, view), (_, other)| {
                (view.match_score(node), &other.path).cmp(&(other.match_score(node), &view.path))
            });
            if let Some((index, _)) = best {
                claimed.insert(index);
                *index_of_view = Some(index);
            }
        }
    }
    view_indices
}

/// Returns the relation that each view shows, by the path of the view's file. Views without a known relation are
/// omitted.
///
/// The relation is the dbt node that `pull` would recognize. If there is none, the name of the view's table determines
/// the relation. A view without a schema shows the only dbt node with this name. A view with a schema shows a table
/// that is unknown to dbt, provided that another view shows the dbt node with this name.
pub(super) fn view_relations(manifest: &Manifest, views: &[ExistingView]) -> FxHashMap<String, RelationReference> {
    let groups = group_by_relation(manifest);
    let nodes: Vec<&ManifestNode> = groups.iter().map(|group| group.node).collect();
    let catalogs = tables_needing_catalog(&nodes);
    let mut by_name: FxHashMap<String, Vec<usize>> = FxHashMap::default();
    for (index, node) in nodes.iter().enumerate() {
        let mut names = vec![node.name.to_lowercase(), node.table_name().to_lowercase()];
        names.dedup();
        for name in names {
            by_name.entry(name).or_default().push(index);
        }
    }
    let nodes_named = |name: String| {
        let places = by_name.get(&name.to_lowercase()).into_iter().flatten();
        places.filter_map(|index| Some((*index, *nodes.get(*index)?)))
    };
    let node_of = |view: &ExistingView| {
        let candidates = || view.table_names().into_iter().flat_map(&nodes_named);
        RULES_FOR_VIEWS.into_iter().find_map(|rule| {
            let needs_catalog = |index: usize| catalogs.get(index).copied().unwrap_or_default();
            let fitting = candidates()
                .filter(|(index, node)| rule.accepts(node, needs_catalog(*index), view, DEFAULT_VIRTUAL_SCHEMA));
            fitting.max_by_key(|(index, node)| (view.match_score(node), std::cmp::Reverse(*index)))
        })
    };
    let nodes_by_view: Vec<_> = views.iter().map(|view| (view, node_of(view))).collect();
    let located_nodes: FxHashSet<usize> = nodes_by_view
        .iter()
        .filter_map(|(_, node)| Some(node.as_ref()?.0))
        .collect();
    let relation = |(view, node): &(&ExistingView, Option<(usize, &ManifestNode)>)| {
        let candidate_nodes = || view.table_names().into_iter().flat_map(&nodes_named);
        let reference = match (node, view.schema.as_deref()) {
            (Some((_, node)), _) => manifest.reference(node),
            (None, None) => {
                let mut candidates = candidate_nodes();
                let (_, single) = candidates.next().filter(|_| candidates.next().is_none())?;
                manifest.reference(single)
            }
            (None, Some(schema)) => {
                candidate_nodes()
                    .next()
                    .filter(|(index, _)| located_nodes.contains(index))?;
                let table = view.table_names().into_iter().last()?;
                let parts = view.catalog.as_deref().into_iter().chain([schema, &table]);
                RelationReference::Table(parts.collect::<Vec<_>>().join("."))
            }
        };
        Some((view.path.clone(), reference))
    };
    nodes_by_view.iter().filter_map(relation).collect()
}

/// Returns the path of a view file that `pull` writes if no view of the table exists.
fn default_view_path(node: &ManifestNode) -> String {
    let schema = to_omni_name(node.schema.as_deref().unwrap_or_default());
    format!("{schema}/{}.view.yaml", to_omni_name(node.table_name()))
}

fn location_of_view(node: &ManifestNode, view: &ExistingView) -> ViewLocation {
    let schema = view.schema.as_deref().or(node.schema.as_deref()).unwrap_or_default();
    ViewLocation {
        path: view.path.clone(),
        view: view.name(view.catalog.as_deref(), schema),
        catalog: view.catalog.clone(),
        schema: schema.to_owned(),
        table_name: view.table_name.as_deref().unwrap_or(node.table_name()).to_owned(),
    }
}

/// Maps schemas of the warehouse to virtual schemas. A schema is included if Omni shows all models of the schema in the
/// same virtual schema.
fn virtual_schemas(nodes: &[&ManifestNode], view_locations: &[Option<ViewLocation>]) -> FxHashMap<String, String> {
    let mut schemas: FxHashMap<&str, Vec<&str>> = FxHashMap::default();
    for (node, location) in nodes.iter().zip(view_locations) {
        if let (Some(node_schema), Some(location)) = (node.schema.as_deref(), location) {
            schemas.entry(node_schema).or_default().push(&location.schema);
        }
    }
    let single = schemas.into_iter().filter_map(|(node_schema, mut existing_schemas)| {
        existing_schemas.sort_unstable();
        existing_schemas.dedup();
        match existing_schemas.as_slice() {
            [existing_schema] => Some((node_schema.to_owned(), (*existing_schema).to_owned())),
            _ => None,
        }
    });
    single.collect()
}

/// Returns the common prefix of the virtual schemas, such as `omni_dbt`. `None` if Omni shows a dbt model in a schema
/// without this prefix.
fn common_virtual_schema(nodes: &[&ManifestNode], view_locations: &[Option<ViewLocation>]) -> Option<String> {
    let of_models = nodes.iter().zip(view_locations).filter_map(|(node, location)| {
        let location = location.as_ref().filter(|_| node.resource_type.is_referenceable())?;
        let is_physical = node
            .schema
            .as_deref()
            .is_some_and(|schema| schema.eq_ignore_ascii_case(&location.schema));
        let first = match node.config_text("schema") {
            Some(custom) => location
                .schema
                .strip_suffix(custom)
                .and_then(|first| first.strip_suffix('_')),
            None => Some(location.schema.as_str()),
        };
        Some(first.filter(|_| !is_physical))
    });
    let mut firsts = of_models.collect::<FxHashSet<Option<&str>>>().into_iter();
    match (firsts.next(), firsts.next()) {
        (Some(first), None) => first.map(str::to_owned),
        _ => None,
    }
}

/// Returns the file name ending of most view files: `.view` if Omni's repository omits `.yaml`.
fn most_common_extension(existing: &[Arc<ExistingView>]) -> &'static str {
    const VIEW_FILE_EXTENSIONS: [&str; 3] = [".view.yaml", ".view.yml", ".view"];
    let count = |ending: &&str| existing.iter().filter(|view| view.path.ends_with(*ending)).count();
    // `max_by_key` returns the last of equally frequent endings, so the reversed list prefers the first.
    VIEW_FILE_EXTENSIONS
        .into_iter()
        .rev()
        .max_by_key(count)
        .unwrap_or(VIEW_FILE_EXTENSIONS[0])
}

/// Returns, for each table, whether its view must specify the database. This is the case if another table has the same
/// schema and name, except for tables in the database that contains most models.
fn tables_needing_catalog(nodes: &[&ManifestNode]) -> Vec<bool> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut databases: FxHashMap<(String, String), FxHashSet<&str>> = FxHashMap::default();
    let relation = |node: &ManifestNode| {
        (
            to_omni_name(node.schema.as_deref().unwrap_or_default()),
            to_omni_name(node.table_name()),
        )
    };
    for node in nodes {
        let Some(database) = node.database.as_deref() else {
            continue;
        };
        databases.entry(relation(node)).or_default().insert(database);
        if node.resource_type.is_referenceable() {
            *sizes.entry(database).or_default() += 1;
        }
    }
    let main = sizes
        .iter()
        .rev()
        .max_by_key(|(_, size)| **size)
        .map(|(database, _)| *database);
    let needs = |node: &&ManifestNode| {
        let is_ambiguous = databases.get(&relation(node)).is_some_and(|names| names.len() > 1);
        is_ambiguous && node.database.as_deref() != main
    };
    nodes.iter().map(needs).collect()
}

/// Returns the folder that contains most views of each schema, by the database and the schema in lower case. If several
/// folders contain the same number of views, returns the first of them.
fn folders_by_schema(existing: &[Arc<ExistingView>]) -> FxHashMap<(Option<&str>, String), &str> {
    let mut sizes: FxHashMap<(Option<&str>, String), BTreeMap<&str, usize>> = FxHashMap::default();
    for view in existing {
        if let Some(schema) = view.schema.as_deref().filter(|_| !view.folder().is_empty()) {
            let folders = sizes
                .entry((view.catalog.as_deref(), schema.to_lowercase()))
                .or_default();
            *folders.entry(view.folder()).or_default() += 1;
        }
    }
    let largest = sizes.into_iter().filter_map(|(schema, folders)| {
        let (folder, _) = folders.into_iter().rev().max_by_key(|(_, size)| *size)?;
        Some((schema, folder))
    });
    largest.collect()
}

/// Location of a new view file.
#[derive(Clone, Copy)]
struct NewViewFolder<'p> {
    schema: &'p str,
    folder: Option<&'p str>,
    ending: &'static str,
}

fn new_view_location(
    node: &ManifestNode,
    catalog: Option<&str>,
    new_view_folder: NewViewFolder<'_>,
    used_names: &mut UsedOmniNames,
    is_free: &dyn Fn(&str) -> bool,
) -> ViewLocation {
    let NewViewFolder { schema, folder, ending } = new_view_folder;
    let table = node.table_name();
    let (of_schema, short) = (to_omni_name(schema), to_omni_name(table));
    let of_catalog = catalog.map(to_omni_name);
    let first = match &of_catalog {
        Some(catalog) => format!("{catalog}_{of_schema}__"),
        None => format!("{of_schema}__"),
    };
    let default = match &of_catalog {
        Some(catalog) => format!("{catalog}.{of_schema}"),
        None => of_schema,
    };
    let folder = folder.unwrap_or(&default);
    // The names of two tables may differ only in characters that Omni's names cannot contain, so other names are also
    // tried.
    let database = node.database.as_deref().map(|name| format!("{}__", to_omni_name(name)));
    let files = [
        short.clone(),
        format!("{}{short}", database.unwrap_or_default()),
        format!("{}__{short}", to_omni_name(&node.package)),
    ];
    let path = |view: &str| format!("{folder}/{}{ending}", view.get(first.len()..).unwrap_or_default());
    let mut names: Vec<String> = files.iter().map(|file| format!("{first}{file}")).collect();
    names.retain(|view| is_free(&path(view)));
    if names.is_empty() {
        names.push(format!("{first}{short}"));
    }
    let view = used_names.reserve(names);
    let path = path(&view);
    ViewLocation {
        path,
        view,
        catalog: catalog.map(str::to_owned),
        schema: schema.to_owned(),
        table_name: table.to_owned(),
    }
}
