//! Graph of a project: the nodes in dbt's manifest, and the models that have a spec but are not in the manifest yet.

mod filter_parents;
mod lineages;
mod named_parents;
mod node;
mod traversal;

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::omni::OmniFields;
use crate::artifacts::{Catalog, Manifest, ManifestNode};
use crate::dbt::{RelationReference, relation_name_parts};
use crate::dialect::Dialect;
use crate::lineage::{LineageCache, LineageError, RelationColumnList};
use crate::schema::{Relation, Schema};

use filter_parents::add_parents_of_metric_filters;
use lineages::{EPHEMERAL_CTE_PREFIX, NodeLineage};
use named_parents::add_named_parents;
use traversal::topological_order;

pub(crate) use node::DBT_COMPILE_HINT;
pub use node::{ImpactGraphNode, SpecModel};

/// Inputs for the graph: all known data about a project.
#[derive(Clone, Copy, Debug)]
pub struct GraphSources<'a> {
    /// dbt's manifest, including the code of models.
    pub manifest: &'a Manifest,
    /// dbt's catalog of the warehouse. `None` if it is not available.
    pub catalog: Option<&'a Catalog>,
    /// Columns that `known.yml` records.
    pub known: &'a Schema,
    /// Specs in the project.
    pub specs: &'a [SpecModel],
    /// Fields, topics and joins in the Omni model.
    pub omni: &'a OmniFields,
    /// Dialect of the SQL. `None` if formulac does not support the dialect.
    pub dialect: Option<Dialect>,
    /// Names and values of the variables that `dbt_project.yml` sets for the project. If a name occurs twice, the first
    /// value is used.
    pub variables: &'a [(String, String)],
}

/// Graph of a project. Nodes are indices into `nodes`.
#[derive(Debug)]
pub struct Graph<'a> {
    /// Inputs of the graph.
    pub sources: GraphSources<'a>,
    /// Nodes of the graph.
    pub nodes: Vec<ImpactGraphNode<'a>>,
    /// Nodes that each node reads.
    pub parents: Vec<Vec<usize>>,
    /// Nodes that read each node.
    pub children: Vec<Vec<usize>>,
    /// Nodes of each relation. For example, a seed and a source may be the same table.
    relations: FxHashMap<Vec<String>, Vec<usize>>,
    /// SQL of nodes that dbt has not compiled, or the reason why the SQL cannot be read.
    uncompiled_sql: Vec<OnceLock<Result<String, LineageError>>>,
    lineages: Vec<OnceLock<NodeLineage>>,
    /// Lineage of queries that an earlier run stored.
    stored_lineages: LineageCache,
    /// Fingerprint of the known columns of each node.
    fingerprints: Vec<OnceLock<u64>>,
}

impl<'a> Graph<'a> {
    /// Builds the graph of a project.
    #[must_use]
    pub fn new(sources: GraphSources<'a>) -> Self {
        let manifest = sources.manifest;
        let mut nodes: Vec<ImpactGraphNode<'a>> = manifest
            .nodes
            .iter()
            .map(|node| ImpactGraphNode {
                node: Some(node),
                spec: None,
                has_newer_spec_sql: false,
            })
            .collect();
        let mut parents = manifest.parents();
        let project = manifest.metadata.project_name.as_deref();
        let mut ranked: FxHashMap<String, ((bool, bool), usize)> = FxHashMap::default();
        for (index, node) in manifest.nodes.iter().enumerate() {
            // A name without a version refers to the project's own model in preference to a package's model, and to the
            // latest version of that model.
            let rank = (Some(&*node.package) == project, node.is_latest());
            if rank == (false, false) || !node.resource_type.is_referenceable() {
                continue;
            }
            let best = ranked.entry(node.name.to_lowercase()).or_insert((rank, index));
            if rank > best.0 {
                *best = (rank, index);
            }
        }
        let by_rank = ranked.into_iter().map(|(name, (_, index))| (name, index));
        let mut by_name: FxHashMap<String, usize> = by_rank.collect();
        let mut spec_indexes = Vec::new();
        for spec in sources.specs {
            let index = match by_name.get(&spec.name.to_lowercase()) {
                Some(index) => *index,
                None => {
                    nodes.push(ImpactGraphNode {
                        node: None,
                        spec: None,
                        has_newer_spec_sql: true,
                    });
                    parents.push(Vec::new());
                    by_name.insert(spec.name.to_lowercase(), nodes.len() - 1);
                    nodes.len() - 1
                }
            };
            spec_indexes.push(index);
            if let Some(part) = nodes.get_mut(index) {
                let raw_code = part.node.and_then(|node| node.raw_code.as_deref()).map(str::trim);
                part.has_newer_spec_sql = raw_code != spec.compiled.model_sql().map(str::trim);
                part.spec = Some(spec);
            }
        }
        for (spec, index) in sources.specs.iter().zip(spec_indexes) {
            let has_newer_sql = nodes.get(index).is_some_and(|part| part.has_newer_spec_sql);
            if let Some(parents) = parents.get_mut(index).filter(|_| has_newer_sql) {
                let read = spec.compiled.reads().iter().filter_map(|from| match from {
                    RelationReference::Source { group, table } => {
                        let source = manifest.source(group, table)?;
                        manifest.index_of(&source.unique_id)
                    }
                    from => find_version(manifest, from).or_else(|| by_name.get(&from.name().to_lowercase()).copied()),
                });
                *parents = read.filter(|parent| *parent != index).collect();
                parents.sort_unstable();
                parents.dedup();
            }
        }
        let mut relations: FxHashMap<Vec<String>, Vec<usize>> = FxHashMap::default();
        for (at, part) in nodes.iter().enumerate().filter(|(_, part)| part.is_relation()) {
            let name = part.node.and_then(|node| node.relation_name.as_deref());
            let name = name.map(relation_name_parts).filter(|name| !name.is_empty());
            name.into_iter()
                .for_each(|name| relations.entry(name).or_default().push(at));
        }
        add_named_parents(&nodes, &relations, sources.dialect.unwrap_or_default(), &mut parents);
        add_parents_of_metric_filters(&nodes, &mut parents);
        let mut children = vec![Vec::new(); nodes.len()];
        for (index, read) in parents.iter().enumerate() {
            for parent in read {
                if let Some(children) = children.get_mut(*parent) {
                    children.push(index);
                }
            }
        }
        Self {
            uncompiled_sql: uninitialized_cells(nodes.len()),
            lineages: uninitialized_cells(nodes.len()),
            fingerprints: uninitialized_cells(nodes.len()),
            sources,
            nodes,
            parents,
            children,
            relations,
            stored_lineages: LineageCache::default(),
        }
    }

    /// Returns the index of the node with this id.
    #[must_use]
    pub fn index_of(&self, id: &str) -> Option<usize> {
        let node_index = self.sources.manifest.index_of(id);
        node_index.or_else(|| {
            self.nodes
                .iter()
                .position(|part| part.node.is_none() && part.id() == id)
        })
    }

    /// Returns the display name of a node.
    pub(super) fn node_name(&self, index: usize) -> String {
        self.nodes.get(index).map(ImpactGraphNode::name).unwrap_or_default()
    }

    /// Returns the node to which a relation name in a node's SQL refers.
    pub fn find_relation(&self, reader: usize, parts: &[String]) -> Option<usize> {
        let has_spec_sql = self.nodes.get(reader)?.has_spec_sql();
        if let Some(places) = self.relations.get(parts).filter(|_| !has_spec_sql) {
            // The node in `ref` or `source` takes precedence over another node of the same table.
            let is_parent = |index: &usize| self.parents.get(reader).is_some_and(|read| read.contains(index));
            return places.iter().find(|index| is_parent(index)).or(places.last()).copied();
        }
        // Names may be spelled as in a spec, or have fewer parts than the names that dbt writes.
        let last = parts.last()?;
        let is_named = |index: &&usize| {
            self.nodes.get(**index).is_some_and(|part| match part.node {
                Some(node) if !has_spec_sql => match node.relation_name.as_deref() {
                    Some(name) => relation_name_parts(name).ends_with(parts),
                    None => last
                        .strip_prefix(EPHEMERAL_CTE_PREFIX)
                        .is_some_and(|last| node.name.eq_ignore_ascii_case(last)),
                },
                Some(node) => {
                    node.name.eq_ignore_ascii_case(last)
                        || node.alias.as_deref().is_some_and(|a| a.eq_ignore_ascii_case(last))
                }
                None => part.name().eq_ignore_ascii_case(last),
            })
        };
        self.parents.get(reader)?.iter().find(is_named).copied()
    }

    fn relation_columns(&self, reader: usize, parts: &[String]) -> RelationColumnList {
        self.find_relation(reader, parts)
            .map(|index| self.columns_from_metadata(index))
            .unwrap_or_default()
    }

    /// Returns the columns of a node that are known without parsing its SQL.
    #[must_use]
    pub fn columns_from_metadata(&self, index: usize) -> RelationColumnList {
        let Some(part) = self.nodes.get(index) else {
            return RelationColumnList::default();
        };
        if let Some(spec) = part
            .spec
            .filter(|spec| part.has_spec_sql() && !spec.compiled.columns().is_empty())
        {
            let columns = spec.compiled.columns().iter().map(|column| column.name().to_owned());
            return RelationColumnList {
                columns: columns.collect(),
                is_complete: true,
            };
        }
        let Some(node) = part.node else {
            return RelationColumnList::default();
        };
        if let Some(table) = self.sources.catalog.and_then(|catalog| catalog.table(&node.unique_id)) {
            let columns = table.columns.iter().map(|column| column.name.to_string());
            return RelationColumnList {
                columns: columns.collect(),
                is_complete: true,
            };
        }
        let mut relation_columns = RelationColumnList {
            columns: node.columns.iter().map(|column| column.name.to_string()).collect(),
            is_complete: node.contract_enforced && !node.columns.is_empty(),
        };
        let recorded = self.known_yml_relation(node).map(Relation::columns).unwrap_or_default();
        recorded.iter().for_each(|column| relation_columns.add(column.name()));
        relation_columns
    }

    /// Returns the relation of a node in `known.yml`. If several nodes have the same name, the short name refers to the
    /// project's own model if there is one, then to a model of a package, and last to a source.
    fn known_yml_relation(&self, node: &ManifestNode) -> Option<&'a Relation> {
        let GraphSources { manifest, known, .. } = self.sources;
        let project = manifest.metadata.project_name.as_deref();
        let is_own = |node: &ManifestNode| Some(&*node.package) == project;
        let is_source = node.source().is_some();
        let has_longer_name = is_source || !is_own(node) || !node.is_latest();
        let longer = has_longer_name
            .then(|| known.relation(&node.distinguishing_name()))
            .flatten();
        let precedes = |other: &ManifestNode| {
            other.resource_type.is_referenceable()
                && other.is_latest()
                && other.name.eq_ignore_ascii_case(&node.name)
                && (is_source || is_own(other) && !is_own(node))
        };
        let has_short_name = || node.is_latest() && !manifest.nodes.iter().any(precedes);
        longer.or_else(|| known.relation(&node.name).filter(|_| has_short_name()))
    }

    /// Returns all known columns of a node, including columns from its SQL, and whether the list is complete.
    pub fn columns(&self, index: usize) -> RelationColumnList {
        let mut relation_columns = self.columns_from_metadata(index);
        if relation_columns.is_complete {
            return relation_columns;
        }
        if let Some(Ok(lineage)) = self.lineage(index) {
            lineage.names().for_each(|name| relation_columns.add(name));
            relation_columns.is_complete = lineage.is_complete();
        }
        relation_columns
    }

    /// Returns the nodes downstream of other nodes, in dependency order. A start node is included only if it is
    /// downstream of another start node. Nodes in a cycle come last.
    #[must_use]
    pub fn downstream(&self, from: &[usize]) -> Vec<usize> {
        topological_order(from, &self.children)
    }

    /// Returns the nodes upstream of other nodes. Each node comes after the upstream nodes that read it.
    #[must_use]
    pub fn upstream(&self, from: &[usize]) -> Vec<usize> {
        topological_order(from, &self.parents)
    }
}

/// Returns the node of a `ref` call that names a package or a version. Without a package, the function prefers the
/// project's own node.
fn find_version(manifest: &Manifest, reference: &RelationReference) -> Option<usize> {
    let RelationReference::Ref {
        package,
        model,
        version,
    } = reference
    else {
        return None;
    };
    if package.is_none() && version.is_none() {
        return None;
    }
    let project = manifest.metadata.project_name.as_deref();
    let (package, version) = (package.as_deref(), version.as_deref());
    let is_meant = |node: &ManifestNode| node.matches_ref(package, model, version);
    let is_own = |node: &ManifestNode| Some(&*node.package) == project && is_meant(node);
    let position = |is_found: &dyn Fn(&ManifestNode) -> bool| manifest.nodes.iter().position(is_found);
    position(&is_own).or_else(|| position(&is_meant))
}

fn uninitialized_cells<T>(count: usize) -> Vec<OnceLock<T>> {
    (0..count).map(|_| OnceLock::new()).collect()
}
