//! Graph of a project: the nodes in dbt's manifest, and the models that have a spec but are not in the manifest yet.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::omni::OmniFields;
use super::{named_tables, raw_code};
use crate::artifacts::{Catalog, Manifest, ManifestNode, ResourceType};
use crate::dbt::RelationReference;
use crate::dbt::relation_parts;
use crate::dialect::Dialect;
use crate::lineage::{self, KnownRelationColumns, LineageCache, LineageError, SqlLineage};
use crate::model::CompiledSpec;
use crate::parallel;

/// Spec and the model compiled from it.
#[derive(Clone, Debug)]
pub struct SpecModel {
    /// Name of the model.
    pub name: String,
    /// Path of the spec, relative to the project.
    pub path: String,
    /// Compiled spec.
    pub compiled: CompiledSpec,
}

/// Inputs for the graph: all known data about a project.
#[derive(Clone, Copy, Debug)]
pub struct GraphSources<'a> {
    /// dbt's manifest, including the code of models.
    pub manifest: &'a Manifest,
    /// dbt's catalog of the warehouse. `None` if it is not available.
    pub catalog: Option<&'a Catalog>,
    /// Specs in the project.
    pub specs: &'a [SpecModel],
    /// Fields, topics and joins in the Omni model.
    pub omni: &'a OmniFields,
    /// Dialect of the SQL. `None` if formulac does not support the dialect.
    pub dialect: Option<Dialect>,
}

/// Node of the graph: a resource that reads other resources or is read by them.
#[derive(Clone, Copy, Debug)]
pub struct ImpactGraphNode<'a> {
    /// Node in dbt's manifest. `None` if the node is the model of a spec that is not in the manifest yet.
    pub node: Option<&'a ManifestNode>,
    /// Spec of the node, if it has one.
    pub spec: Option<&'a SpecModel>,
    /// Whether the SQL of the spec differs from the SQL in dbt's manifest.
    pub is_newer: bool,
}

impl<'a> ImpactGraphNode<'a> {
    /// Returns the unique id, or `spec.<name>` for a model that is not in dbt's manifest yet.
    #[must_use]
    pub fn id(&self) -> String {
        match (self.node, self.spec) {
            (Some(node), _) => node.unique_id.to_string(),
            (None, Some(spec)) => format!("spec.{}", spec.name),
            (None, None) => String::new(),
        }
    }

    /// Returns the display name, such as `orders`, `raw.orders` for a source, or `customers.v2` for a version.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.node, self.spec) {
            (Some(node), _) => match (node.source(), &node.version) {
                (Some(source), _) => format!("{}.{}", source.source_name, node.name),
                (None, Some(version)) => format!("{}.v{version}", node.name),
                (None, None) => node.name.to_string(),
            },
            (None, Some(spec)) => spec.name.clone(),
            (None, None) => String::new(),
        }
    }

    /// Returns the resource type in dbt's terms.
    #[must_use]
    pub fn kind(&self) -> ResourceType {
        self.node.map_or(ResourceType::Model, |node| node.resource_type)
    }

    /// Returns whether the SQL comes from the spec, because the model is missing, outdated or not compiled in dbt's
    /// manifest.
    fn has_spec_sql(&self) -> bool {
        let is_compiled = self.node.is_some_and(|node| node.compiled_code.is_some());
        self.spec.is_some() && (self.is_newer || !is_compiled)
    }

    /// Returns the SQL without Jinja: the query of the spec, or the code that dbt has compiled.
    pub(super) fn known_sql(&self) -> Option<&'a str> {
        match self.spec.filter(|_| self.has_spec_sql()) {
            Some(spec) => spec.compiled.query(),
            None => self.node?.compiled_code.as_deref(),
        }
    }

    /// Returns whether the node has SQL, with or without Jinja.
    pub(super) fn has_sql(&self) -> bool {
        self.known_sql().is_some() || self.raw_sql().is_some()
    }

    /// Returns the SQL with Jinja. `None` if the SQL without Jinja is known.
    fn raw_sql(&self) -> Option<&'a str> {
        let node = self
            .node
            .filter(|node| !self.has_spec_sql() && node.compiled_code.is_none() && !is_python(node))?;
        let holds_sql = matches!(
            node.resource_type,
            ResourceType::Model | ResourceType::Snapshot | ResourceType::Test
        );
        node.raw_code.as_deref().filter(|_| holds_sql)
    }

    /// Returns whether other nodes can read the node in SQL.
    #[must_use]
    pub fn is_relation(&self) -> bool {
        self.kind().is_referenceable() || self.kind() == ResourceType::Source
    }
}

/// Graph of a project. Nodes are indices into `parts`.
#[derive(Debug)]
pub struct Graph<'a> {
    /// Inputs of the graph.
    pub sources: GraphSources<'a>,
    /// Nodes of the graph.
    pub parts: Vec<ImpactGraphNode<'a>>,
    /// Nodes that each node reads.
    pub parents: Vec<Vec<usize>>,
    /// Nodes that read each node.
    pub children: Vec<Vec<usize>>,
    /// Nodes of each relation: a seed and a source may be one table.
    relations: FxHashMap<Vec<String>, Vec<usize>>,
    /// SQL of nodes that dbt has not compiled, or the reason why the SQL cannot be read.
    uncompiled_sql: Vec<OnceLock<Result<String, LineageError>>>,
    lineages: Vec<OnceLock<NodeLineage>>,
    /// Lineage of queries that an earlier run stored.
    stored_lineages: LineageCache,
    /// Fingerprint of the known columns of each node.
    fingerprints: Vec<OnceLock<u64>>,
}

/// Column lineage of a node: either parsed in this run, or the index of a stored lineage.
#[derive(Debug)]
enum NodeLineage {
    Read(Box<Result<SqlLineage, LineageError>>),
    Kept(usize),
}

impl<'a> Graph<'a> {
    /// Builds the graph of a project.
    #[must_use]
    pub fn new(sources: GraphSources<'a>) -> Self {
        let manifest = sources.manifest;
        let mut parts: Vec<ImpactGraphNode<'a>> = manifest
            .nodes
            .iter()
            .map(|node| ImpactGraphNode {
                node: Some(node),
                spec: None,
                is_newer: false,
            })
            .collect();
        let mut parents = manifest.parents();
        let mut by_name: FxHashMap<String, usize> = FxHashMap::default();
        for (index, node) in manifest
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, n)| n.resource_type.is_referenceable())
        {
            let is_own = Some(&*node.package) == manifest.metadata.project_name.as_deref();
            if is_own || node.is_latest() {
                by_name.entry(node.name.to_lowercase()).or_insert(index);
            }
        }
        let mut of_spec = Vec::new();
        for spec in sources.specs {
            let index = match by_name.get(&spec.name.to_lowercase()) {
                Some(index) => *index,
                None => {
                    parts.push(ImpactGraphNode {
                        node: None,
                        spec: None,
                        is_newer: true,
                    });
                    parents.push(Vec::new());
                    by_name.insert(spec.name.to_lowercase(), parts.len() - 1);
                    parts.len() - 1
                }
            };
            of_spec.push(index);
            if let Some(part) = parts.get_mut(index) {
                let raw_code = part.node.and_then(|node| node.raw_code.as_deref()).map(str::trim);
                part.is_newer = raw_code != spec.compiled.model_sql().map(str::trim);
                part.spec = Some(spec);
            }
        }
        for (spec, index) in sources.specs.iter().zip(of_spec) {
            let is_newer = parts.get(index).is_some_and(|part| part.is_newer);
            if let Some(parents) = parents.get_mut(index).filter(|_| is_newer) {
                let read = spec.compiled.reads().iter().filter_map(|from| match from {
                    RelationReference::Source { group, table } => {
                        let source = manifest.source(group, table)?;
                        manifest.index_of(&source.unique_id)
                    }
                    from => by_name.get(&from.name().to_lowercase()).copied(),
                });
                *parents = read.filter(|parent| *parent != index).collect();
                parents.sort_unstable();
                parents.dedup();
            }
        }
        let mut relations: FxHashMap<Vec<String>, Vec<usize>> = FxHashMap::default();
        for (at, part) in parts.iter().enumerate().filter(|(_, part)| part.is_relation()) {
            let name = part.node.and_then(|node| node.relation_name.as_deref());
            let name = name.map(relation_parts).filter(|name| !name.is_empty());
            name.into_iter()
                .for_each(|name| relations.entry(name).or_default().push(at));
        }
        add_named_parents(&parts, &relations, sources.dialect.unwrap_or_default(), &mut parents);
        let mut children = vec![Vec::new(); parts.len()];
        for (index, read) in parents.iter().enumerate() {
            for parent in read {
                if let Some(children) = children.get_mut(*parent) {
                    children.push(index);
                }
            }
        }
        let uncompiled_sql = (0..parts.len()).map(|_| OnceLock::new()).collect();
        let lineages = (0..parts.len()).map(|_| OnceLock::new()).collect();
        let prints = (0..parts.len()).map(|_| OnceLock::new()).collect();
        Self {
            sources,
            parts,
            parents,
            children,
            relations,
            uncompiled_sql,
            lineages,
            stored_lineages: LineageCache::default(),
            fingerprints: prints,
        }
    }

    /// Adds lineage of queries from an earlier run, so that unchanged SQL is not parsed again.
    #[must_use]
    pub fn with_stored_lineages(self, kept: LineageCache) -> Self {
        Self {
            stored_lineages: kept,
            ..self
        }
    }

    /// Returns the current lineage of all queries in the format that [`LineageCache::from_stored`] reads. `None` if
    /// fewer than `many` queries were parsed in this run.
    #[must_use]
    pub fn lineages_to_store(&self, many: usize) -> Option<Vec<u8>> {
        let is_read = |of: &&OnceLock<NodeLineage>| matches!(of.get(), Some(NodeLineage::Read(read)) if read.is_ok());
        if self.lineages.iter().filter(is_read).count() < many {
            return None;
        }
        let queries = (0..self.parts.len()).filter_map(|index| {
            let sql = self.sql(index).ok()?;
            let print = lineage::sql_fingerprint(sql, self.sources.dialect);
            let fingerprint_of_columns = |parts: &[String]| self.columns_fingerprint(index, parts);
            // Keep the stored lineage of a query that was not needed in this run, if the lineage is still valid.
            let lineage = match self.lineages.get(index)?.get() {
                Some(NodeLineage::Read(read)) => (**read).as_ref().ok()?,
                Some(NodeLineage::Kept(at)) => self.stored_lineages.get(*at)?,
                None => self
                    .stored_lineages
                    .get(self.stored_lineages.find(print, fingerprint_of_columns)?)?,
            };
            Some((
                print,
                lineage
                    .relations()
                    .iter()
                    .map(|parts| fingerprint_of_columns(parts))
                    .collect(),
                lineage,
            ))
        });
        Some(LineageCache::to_stored(queries))
    }

    fn columns_fingerprint(&self, reader: usize, parts: &[String]) -> u64 {
        let print = |index: usize| {
            let fingerprint = || self.columns_known_without_sql(index).columns_fingerprint();
            self.fingerprints
                .get(index)
                .map_or_else(fingerprint, |print| *print.get_or_init(fingerprint))
        };
        self.find_relation(reader, parts)
            .map_or_else(|| KnownRelationColumns::default().columns_fingerprint(), print)
    }

    /// Returns the index of the node with this id.
    #[must_use]
    pub fn index_of(&self, id: &str) -> Option<usize> {
        let node_index = self.sources.manifest.index_of(id);
        node_index.or_else(|| {
            self.parts
                .iter()
                .position(|part| part.node.is_none() && part.id() == id)
        })
    }

    /// Returns the column lineage of a node. The lineage is computed once and then reused. The caller must provide
    /// [stack space](lineage::with_large_stack).
    pub fn lineage(&self, index: usize) -> Option<Result<&SqlLineage, &LineageError>> {
        let of = self.lineages.get(index)?.get_or_init(|| self.find_lineage(index));
        Some(match of {
            NodeLineage::Read(lineage) => (**lineage).as_ref(),
            NodeLineage::Kept(at) => Ok(self.stored_lineages.get(*at)?),
        })
    }

    /// Returns the SQL of a node.
    fn sql(&self, index: usize) -> Result<&str, LineageError> {
        let part = self
            .parts
            .get(index)
            .ok_or_else(|| LineageError::new("the node does not exist"))?;
        match (part.known_sql(), part.raw_sql(), self.uncompiled_sql.get(index)) {
            (Some(sql), ..) => Ok(sql),
            (None, Some(code), Some(read)) => {
                let read = read.get_or_init(|| {
                    let sql = raw_code::model_sql(code, |call| self.sql_name_of_reference(part, call));
                    sql.map_err(|jinja| {
                        LineageError::new(format!("only dbt can evaluate the Jinja {jinja} (`dbt compile`)"))
                    })
                });
                read.as_deref().map_err(Clone::clone)
            }
            _ => Err(LineageError::new(no_sql_reason(part))),
        }
    }

    /// Returns the SQL name of the relation to which a Jinja call in a node refers.
    fn sql_name_of_reference(&self, part: &ImpactGraphNode<'_>, call: &str) -> Option<String> {
        let node = part.node?;
        let read = if call == "this" {
            node
        } else {
            self.sources.manifest.resolve_reference(node, call)?
        };
        let ephemeral = || format!("{EPHEMERAL}{}", read.name);
        Some(read.relation_name.as_deref().map_or_else(ephemeral, str::to_owned))
    }

    fn find_lineage(&self, index: usize) -> NodeLineage {
        let sql = match self.sql(index) {
            Ok(sql) => sql,
            Err(why) => return NodeLineage::Read(Box::new(Err(why))),
        };
        let dialect = self.sources.dialect;
        if !self.stored_lineages.is_empty() {
            let fingerprint = |parts: &[String]| self.columns_fingerprint(index, parts);
            if let Some(kept) = self
                .stored_lineages
                .find(lineage::sql_fingerprint(sql, dialect), fingerprint)
            {
                return NodeLineage::Kept(kept);
            }
        }
        NodeLineage::Read(Box::new(lineage::read(sql, dialect, &|parts: &[String]| {
            self.known_columns_of_relation(index, parts)
        })))
    }

    /// Returns the node to which a relation name in a node's SQL refers.
    pub fn find_relation(&self, reader: usize, parts: &[String]) -> Option<usize> {
        let of_spec = self.parts.get(reader)?.has_spec_sql();
        if let Some(places) = self.relations.get(parts).filter(|_| !of_spec) {
            // The node in `ref` or `source` takes precedence over another node of the same table.
            let is_parent = |index: &usize| self.parents.get(reader).is_some_and(|read| read.contains(index));
            return places.iter().find(|index| is_parent(index)).or(places.last()).copied();
        }
        // Names may be spelled as in a spec, or have fewer parts than the names that dbt writes.
        let last = parts.last()?;
        let is_meant = |index: &&usize| {
            self.parts.get(**index).is_some_and(|part| match part.node {
                Some(node) if !of_spec => match node.relation_name.as_deref() {
                    Some(name) => relation_parts(name).ends_with(parts),
                    None => last
                        .strip_prefix(EPHEMERAL)
                        .is_some_and(|last| node.name.eq_ignore_ascii_case(last)),
                },
                Some(node) => {
                    node.name.eq_ignore_ascii_case(last)
                        || node.alias.as_deref().is_some_and(|a| a.eq_ignore_ascii_case(last))
                }
                None => part.name().eq_ignore_ascii_case(last),
            })
        };
        self.parents.get(reader)?.iter().find(is_meant).copied()
    }

    fn known_columns_of_relation(&self, reader: usize, parts: &[String]) -> KnownRelationColumns {
        self.find_relation(reader, parts)
            .map(|index| self.columns_known_without_sql(index))
            .unwrap_or_default()
    }

    /// Returns the columns of a node that are known without parsing its SQL.
    #[must_use]
    pub fn columns_known_without_sql(&self, index: usize) -> KnownRelationColumns {
        let Some(part) = self.parts.get(index) else {
            return KnownRelationColumns::default();
        };
        if let Some(spec) = part
            .spec
            .filter(|spec| part.has_spec_sql() && !spec.compiled.columns().is_empty())
        {
            let columns = spec.compiled.columns().iter().map(|column| column.name().to_owned());
            return KnownRelationColumns {
                columns: columns.collect(),
                is_complete: true,
            };
        }
        let Some(node) = part.node else {
            return KnownRelationColumns::default();
        };
        if let Some(table) = self.sources.catalog.and_then(|catalog| catalog.table(&node.unique_id)) {
            let columns = table.columns.iter().map(|column| column.name.to_string());
            return KnownRelationColumns {
                columns: columns.collect(),
                is_complete: true,
            };
        }
        let columns = node.columns.iter().map(|column| column.name.to_string()).collect();
        KnownRelationColumns {
            columns,
            is_complete: node.contract_enforced && !node.columns.is_empty(),
        }
    }

    /// Returns all known columns of a node, including columns from its SQL, and whether the list is complete.
    pub fn columns(&self, index: usize) -> KnownRelationColumns {
        let mut relation_columns = self.columns_known_without_sql(index);
        if relation_columns.is_complete {
            return relation_columns;
        }
        if let Some(Ok(lineage)) = self.lineage(index) {
            for name in lineage.names() {
                if !relation_columns
                    .columns
                    .iter()
                    .any(|column| column.eq_ignore_ascii_case(name))
                {
                    relation_columns.columns.push(name.to_owned());
                }
            }
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

    /// Returns the nodes upstream of other nodes, each after all upstream nodes that read it.
    #[must_use]
    pub fn upstream(&self, from: &[usize]) -> Vec<usize> {
        topological_order(from, &self.parents)
    }
}

/// Prefix that dbt adds to the name of an ephemeral model in the SQL of the models that read it.
const EPHEMERAL: &str = "__dbt__cte__";

/// Adds the tables that SQL names without `ref` or `source` to the parents of each node. A name that matches several
/// tables is ignored.
fn add_named_parents(
    parts: &[ImpactGraphNode<'_>],
    relations: &FxHashMap<Vec<String>, Vec<usize>>,
    dialect: Dialect,
    parents: &mut [Vec<usize>],
) {
    let mut by_table: FxHashMap<&str, Vec<&Vec<String>>> = FxHashMap::default();
    for name in relations.keys() {
        let table = name.last().map(String::as_str).unwrap_or_default();
        by_table.entry(table).or_default().push(name);
    }
    let named = parallel::map_range(parts.len(), |index| {
        let part = parts.get(index)?;
        let has_tables = matches!(part.kind(), ResourceType::Model | ResourceType::Snapshot) && !part.has_spec_sql();
        let sql = part.known_sql().or_else(|| part.raw_sql()).filter(|_| has_tables)?;
        let read = parents.get(index)?;
        let is_unread = |name: &&Vec<String>| {
            let mut nodes = relations.get(*name).into_iter().flatten();
            !nodes.any(|node| *node == index || read.contains(node))
        };
        let is_table = |table: &str| by_table.get(table).into_iter().flatten().any(&is_unread);
        named_tables::may_name_table(sql, is_table).then(|| named_tables::table_names(sql, dialect))
    });
    for ((index, named), read) in named.into_iter().enumerate().zip(parents) {
        for name in named.into_iter().flatten() {
            let tables = name.last().and_then(|table| by_table.get(table.as_str()));
            let mut fitting = tables.into_iter().flatten().filter(|table| table.ends_with(&name));
            let (Some(table), None) = (fitting.next(), fitting.next()) else {
                continue;
            };
            let nodes = relations.get(*table).map(Vec::as_slice).unwrap_or_default();
            if !nodes.iter().any(|node| *node == index || read.contains(node)) {
                read.extend(nodes.last());
            }
        }
        read.sort_unstable();
    }
}

/// Returns the reason why a node has no SQL.
fn no_sql_reason(part: &ImpactGraphNode<'_>) -> &'static str {
    match part.kind() {
        _ if part.has_spec_sql() => "the spec has errors",
        ResourceType::Seed => "a seed has no SQL",
        _ if part.node.is_some_and(is_python) => "the code is Python",
        _ => "dbt has not compiled the code (`dbt compile`)",
    }
}

fn is_python(node: &ManifestNode) -> bool {
    node.original_file_path.ends_with(".py")
}

/// Returns the nodes that are reachable along edges, in topological order.
fn topological_order(from: &[usize], edges: &[Vec<usize>]) -> Vec<usize> {
    let mut reached = vec![false; edges.len()];
    let mut stack = from.to_vec();
    let mut waiting = vec![0usize; edges.len()];
    while let Some(at) = stack.pop() {
        let Some(new) = reached.get_mut(at).filter(|reached| !**reached) else {
            continue;
        };
        *new = true;
        for next in edges.get(at).into_iter().flatten() {
            if let Some(waiting) = waiting.get_mut(*next) {
                *waiting += 1;
            }
            stack.push(*next);
        }
    }
    let state = reached.iter().zip(&waiting).enumerate();
    let mut ready: Vec<usize> = state
        .filter(|(_, (reached, waiting))| **reached && **waiting == 0)
        .map(|(at, _)| at)
        .collect();
    // Nodes without incoming edges are start nodes.
    let first = ready.len();
    let mut order = Vec::new();
    let mut next = 0;
    while let Some(at) = ready.get(next).copied() {
        next += 1;
        if let Some(reached) = reached.get_mut(at) {
            *reached = false;
        }
        order.push(at);
        for child in edges.get(at).into_iter().flatten() {
            let Some(waiting) = waiting.get_mut(*child) else {
                continue;
            };
            *waiting -= 1;
            if *waiting == 0 {
                ready.push(*child);
            }
        }
    }
    order.drain(..first);
    let in_cycles = reached.iter().enumerate().filter(|(_, reached)| **reached);
    order.extend(in_cycles.map(|(at, _)| at).filter(|at| !from.contains(at)));
    order
}

#[cfg(test)]
mod tests {
    use super::topological_order;

    #[test]
    fn nodes_follow_their_parents() {
        // 0 → 1 → 3, 0 → 2 → 3 → 4, then 5 ⇄ 6 after 4.
        let edges = [vec![1, 2], vec![3], vec![3], vec![4], vec![5], vec![6], vec![5]];
        assert_eq!(topological_order(&[0], &edges), [1, 2, 3, 4, 5, 6]);
        assert_eq!(topological_order(&[2], &edges), [3, 4, 5, 6]);
        assert_eq!(topological_order(&[5], &edges), [6]);
        assert_eq!(topological_order(&[3, 0], &edges), [1, 2, 3, 4, 5, 6]);
    }
}
