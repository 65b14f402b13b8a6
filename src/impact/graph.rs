//! A project as a graph: what dbt knows, and models of specs that dbt does not know yet.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::omni::OmniFields;
use super::raw_code;
use crate::artifacts::{Catalog, Manifest, ManifestNode, ResourceType};
use crate::dbt::From;
use crate::dbt::relation_parts;
use crate::dialect::Dialect;
use crate::lineage::{self, KnownRelations, Lineages, NotFollowed, SqlLineage};
use crate::model::CompiledSpec;

/// A spec with the model that it makes.
#[derive(Clone, Debug)]
pub struct SpecModel {
    /// The model's name.
    pub name: String,
    /// The spec's path, as seen from the project.
    pub path: String,
    /// What was made of it.
    pub compiled: CompiledSpec,
}

/// All that is known of a project.
#[derive(Clone, Copy, Debug)]
pub struct GraphSources<'a> {
    /// What dbt says, with the code of models.
    pub manifest: &'a Manifest,
    /// What the warehouse holds, where that is known.
    pub catalog: Option<&'a Catalog>,
    /// The specs of the project.
    pub specs: &'a [SpecModel],
    /// The Omni model.
    pub omni: &'a OmniFields,
    /// The dialect of the SQL; `None` if it is one that formulac does not write.
    pub dialect: Option<Dialect>,
}

/// A thing that reads others or is read.
#[derive(Clone, Copy, Debug)]
pub struct GraphPart<'a> {
    /// What dbt knows of it; none for a model of a spec that dbt does not know yet.
    pub node: Option<&'a ManifestNode>,
    /// Its spec, where it has one.
    pub spec: Option<&'a SpecModel>,
    /// Whether the spec says something else than dbt knows.
    pub is_newer: bool,
}

impl<'a> GraphPart<'a> {
    /// Its unique id; of a model that dbt does not know yet what it will be like.
    #[must_use]
    pub fn id(&self) -> String {
        match (self.node, self.spec) {
            (Some(node), _) => node.unique_id.to_string(),
            (None, Some(spec)) => format!("spec.{}", spec.name),
            (None, None) => String::new(),
        }
    }

    /// What people call it: `orders`, `raw.orders` of a source, `customers.v2` of a version.
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

    /// What it is, in dbt's words.
    #[must_use]
    pub fn kind(&self) -> ResourceType {
        self.node.map_or(ResourceType::Model, |node| node.resource_type)
    }

    /// Whether its SQL is the spec's: dbt does not know it, knows an earlier state, or has not compiled it.
    fn is_of_spec(&self) -> bool {
        let is_compiled = self.node.is_some_and(|node| node.compiled_code.is_some());
        self.spec.is_some() && (self.is_newer || !is_compiled)
    }

    /// Its SQL, as far as it can be read without dbt: that of the spec, or what dbt compiled.
    pub(super) fn known_sql(&self) -> Option<&'a str> {
        match self.spec.filter(|_| self.is_of_spec()) {
            Some(spec) => spec.compiled.query(),
            None => self.node?.compiled_code.as_deref(),
        }
    }

    /// Whether it has SQL, be it with Jinja that only dbt can run.
    pub(super) fn has_sql(&self) -> bool {
        self.known_sql().is_some() || self.raw_sql().is_some()
    }

    /// Its SQL with Jinja, where there is no other.
    fn raw_sql(&self) -> Option<&'a str> {
        let node = self.node.filter(|node| !self.is_of_spec() && node.compiled_code.is_none() && !is_python(node))?;
        let holds_sql = matches!(node.resource_type, ResourceType::Model | ResourceType::Snapshot | ResourceType::Test);
        node.raw_code.as_deref().filter(|_| holds_sql)
    }

    /// Whether other SQL may read it.
    #[must_use]
    pub fn is_relation(&self) -> bool {
        self.kind().is_referred() || self.kind() == ResourceType::Source
    }
}

/// The graph. Nodes are places in `parts`.
#[derive(Debug)]
pub struct Graph<'a> {
    /// What it is made of.
    pub sources: GraphSources<'a>,
    /// The nodes.
    pub parts: Vec<GraphPart<'a>>,
    /// What each reads.
    pub parents: Vec<Vec<usize>>,
    /// What reads each.
    pub children: Vec<Vec<usize>>,
    relations: FxHashMap<Vec<String>, usize>,
    /// The SQL of nodes that dbt has not compiled, or why it cannot be read.
    read: Vec<OnceLock<Result<String, NotFollowed>>>,
    lineages: Vec<OnceLock<Of>>,
    /// What is known of queries from before.
    kept: Lineages,
    /// What tells the known columns of each node apart.
    prints: Vec<OnceLock<u64>>,
}

/// Where what a node's columns are made of stands.
#[derive(Debug)]
enum Of {
    Read(Box<Result<SqlLineage, NotFollowed>>),
    Kept(usize),
}

impl<'a> Graph<'a> {
    /// The graph of a project.
    #[must_use]
    pub fn new(sources: GraphSources<'a>) -> Self {
        let manifest = sources.manifest;
        let mut parts: Vec<GraphPart<'a>> =
            manifest.nodes.iter().map(|node| GraphPart { node: Some(node), spec: None, is_newer: false }).collect();
        let mut parents = manifest.parents();
        let mut by_name: FxHashMap<String, usize> = FxHashMap::default();
        for (place, node) in manifest.nodes.iter().enumerate().filter(|(_, n)| n.resource_type.is_referred()) {
            let is_own = Some(&*node.package) == manifest.metadata.project_name.as_deref();
            if is_own || node.is_latest() {
                by_name.entry(node.name.to_lowercase()).or_insert(place);
            }
        }
        let mut of_spec = Vec::new();
        for spec in sources.specs {
            let place = match by_name.get(&spec.name.to_lowercase()) {
                Some(place) => *place,
                None => {
                    parts.push(GraphPart { node: None, spec: None, is_newer: true });
                    parents.push(Vec::new());
                    by_name.insert(spec.name.to_lowercase(), parts.len() - 1);
                    parts.len() - 1
                }
            };
            of_spec.push(place);
            if let Some(part) = parts.get_mut(place) {
                let known = part.node.and_then(|node| node.raw_code.as_deref()).map(str::trim);
                part.is_newer = known != spec.compiled.model_sql().map(str::trim);
                part.spec = Some(spec);
            }
        }
        for (spec, place) in sources.specs.iter().zip(of_spec) {
            let is_newer = parts.get(place).is_some_and(|part| part.is_newer);
            if let Some(parents) = parents.get_mut(place).filter(|_| is_newer) {
                let read = spec.compiled.reads().iter().filter_map(|from| match from {
                    From::Source { group, table } => {
                        let source = manifest.source(group, table)?;
                        manifest.index_of(&source.unique_id)
                    }
                    from => by_name.get(&from.name().to_lowercase()).copied(),
                });
                *parents = read.filter(|parent| *parent != place).collect();
                parents.sort_unstable();
                parents.dedup();
            }
        }
        let mut children = vec![Vec::new(); parts.len()];
        for (place, read) in parents.iter().enumerate() {
            for parent in read {
                if let Some(children) = children.get_mut(*parent) {
                    children.push(place);
                }
            }
        }
        let relations = manifest.nodes.iter().enumerate();
        let relations = relations.filter_map(|(at, node)| Some((relation_parts(node.relation_name.as_deref()?), at)));
        let relations = relations.filter(|(parts, at)| {
            !parts.is_empty()
                && manifest
                    .nodes
                    .get(*at)
                    .is_some_and(|n| n.resource_type.is_referred() || n.resource_type == ResourceType::Source)
        });
        let relations = relations.collect();
        let read = (0..parts.len()).map(|_| OnceLock::new()).collect();
        let lineages = (0..parts.len()).map(|_| OnceLock::new()).collect();
        let prints = (0..parts.len()).map(|_| OnceLock::new()).collect();
        Self { sources, parts, parents, children, relations, read, lineages, kept: Lineages::default(), prints }
    }

    /// With what is known of queries from before: SQL that is the same is not read again.
    #[must_use]
    pub fn with_lineages(self, kept: Lineages) -> Self {
        Self { kept, ..self }
    }

    /// What is known of queries by now, for [`Lineages::from_stored`]; `None` if fewer than so many were read.
    #[must_use]
    pub fn lineages_to_store(&self, many: usize) -> Option<Vec<u8>> {
        let is_read = |of: &&OnceLock<Of>| matches!(of.get(), Some(Of::Read(read)) if read.is_ok());
        if self.lineages.iter().filter(is_read).count() < many {
            return None;
        }
        let queries = (0..self.parts.len()).filter_map(|place| {
            let sql = self.sql(place).ok()?;
            let print = lineage::print_of_sql(sql, self.sources.dialect);
            let known = |parts: &[String]| self.print_of(place, parts);
            // Of what was not asked for this time, what is still so.
            let lineage = match self.lineages.get(place)?.get() {
                Some(Of::Read(read)) => (**read).as_ref().ok()?,
                Some(Of::Kept(at)) => self.kept.get(*at)?,
                None => self.kept.get(self.kept.find(print, known)?)?,
            };
            Some((print, lineage.relations().iter().map(|parts| known(parts)).collect(), lineage))
        });
        Some(Lineages::to_stored(queries))
    }

    fn print_of(&self, reader: usize, parts: &[String]) -> u64 {
        let print = |place: usize| {
            let known = || self.known_columns(place).print();
            self.prints.get(place).map_or_else(known, |print| *print.get_or_init(known))
        };
        self.relation(reader, parts).map_or_else(|| KnownRelations::default().print(), print)
    }

    /// The node of an id.
    #[must_use]
    pub fn index_of(&self, id: &str) -> Option<usize> {
        let known = self.sources.manifest.index_of(id);
        known.or_else(|| self.parts.iter().position(|part| part.node.is_none() && part.id() == id))
    }

    /// What the columns of a node are made of. Read once; the stack is to have [room](lineage::with_room).
    pub(crate) fn lineage(&self, place: usize) -> Option<Result<&SqlLineage, &NotFollowed>> {
        let of = self.lineages.get(place)?.get_or_init(|| self.find_lineage(place));
        Some(match of {
            Of::Read(lineage) => (**lineage).as_ref(),
            Of::Kept(at) => Ok(self.kept.get(*at)?),
        })
    }

    /// The SQL of a node.
    fn sql(&self, place: usize) -> Result<&str, NotFollowed> {
        let part = self.parts.get(place).ok_or_else(|| NotFollowed::new("it is not there"))?;
        match (part.known_sql(), part.raw_sql(), self.read.get(place)) {
            (Some(sql), ..) => Ok(sql),
            (None, Some(code), Some(read)) => {
                let read = read.get_or_init(|| {
                    let sql = raw_code::sql_of(code, |call| self.name_read(part, call));
                    sql.map_err(|jinja| NotFollowed::new(format!("only dbt can run its Jinja {jinja} (`dbt compile`)")))
                });
                read.as_deref().map_err(Clone::clone)
            }
            _ => Err(NotFollowed::new(without_sql(part))),
        }
    }

    /// The name in SQL of what a call of Jinja in a node reads.
    fn name_read(&self, part: &GraphPart<'_>, call: &str) -> Option<String> {
        let node = part.node?;
        let read = if call == "this" { node } else { self.sources.manifest.referred(node, call)? };
        let ephemeral = || format!("{EPHEMERAL}{}", read.name);
        Some(read.relation_name.as_deref().map_or_else(ephemeral, str::to_owned))
    }

    fn find_lineage(&self, place: usize) -> Of {
        let sql = match self.sql(place) {
            Ok(sql) => sql,
            Err(why) => return Of::Read(Box::new(Err(why))),
        };
        let dialect = self.sources.dialect;
        if !self.kept.is_empty() {
            let known = |parts: &[String]| self.print_of(place, parts);
            if let Some(kept) = self.kept.find(lineage::print_of_sql(sql, dialect), known) {
                return Of::Kept(kept);
            }
        }
        Of::Read(Box::new(lineage::read(sql, dialect, &|parts: &[String]| self.columns_of(place, parts))))
    }

    /// The node that a relation of a node's SQL is.
    pub(crate) fn relation(&self, reader: usize, parts: &[String]) -> Option<usize> {
        let of_spec = self.parts.get(reader)?.is_of_spec();
        if let Some(place) = self.relations.get(parts).filter(|_| !of_spec) {
            return Some(*place);
        }
        // As it is spelled in a spec, or with fewer parts than dbt writes.
        let last = parts.last()?;
        let is_meant = |place: &&usize| {
            self.parts.get(**place).is_some_and(|part| match part.node {
                Some(node) if !of_spec => match node.relation_name.as_deref() {
                    Some(name) => relation_parts(name).ends_with(parts),
                    None => last.strip_prefix(EPHEMERAL).is_some_and(|last| node.name.eq_ignore_ascii_case(last)),
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

    fn columns_of(&self, reader: usize, parts: &[String]) -> KnownRelations {
        self.relation(reader, parts).map(|place| self.known_columns(place)).unwrap_or_default()
    }

    /// The columns of a node, as far as they are known without its SQL.
    #[must_use]
    pub fn known_columns(&self, place: usize) -> KnownRelations {
        let Some(part) = self.parts.get(place) else { return KnownRelations::default() };
        if let Some(spec) = part.spec.filter(|spec| part.is_of_spec() && !spec.compiled.columns().is_empty()) {
            let columns = spec.compiled.columns().iter().map(|column| column.name().to_owned());
            return KnownRelations { columns: columns.collect(), is_complete: true };
        }
        let Some(node) = part.node else { return KnownRelations::default() };
        if let Some(table) = self.sources.catalog.and_then(|catalog| catalog.table(&node.unique_id)) {
            let columns = table.columns.iter().map(|column| column.name.to_string());
            return KnownRelations { columns: columns.collect(), is_complete: true };
        }
        let columns = node.columns.iter().map(|column| column.name.to_string()).collect();
        KnownRelations { columns, is_complete: node.contract_enforced && !node.columns.is_empty() }
    }

    /// All names of columns of a node that are known, those of its SQL too, and whether there are no others.
    pub(crate) fn columns(&self, place: usize) -> KnownRelations {
        let mut known = self.known_columns(place);
        if known.is_complete {
            return known;
        }
        if let Some(Ok(lineage)) = self.lineage(place) {
            for name in lineage.names() {
                if !known.columns.iter().any(|column| column.eq_ignore_ascii_case(name)) {
                    known.columns.push(name.to_owned());
                }
            }
            known.is_complete = lineage.is_complete();
        }
        known
    }

    /// What is downstream of nodes, each behind all that it reads of them; the nodes themselves where they are downstream
    /// of each other. What stands in a circle comes last.
    #[must_use]
    pub fn downstream(&self, from: &[usize]) -> Vec<usize> {
        order(from, &self.children)
    }

    /// The same upstream.
    #[must_use]
    pub fn upstream(&self, from: &[usize]) -> Vec<usize> {
        order(from, &self.parents)
    }
}

/// What dbt writes before the name of a model that is part of the SQL of those that read it.
const EPHEMERAL: &str = "__dbt__cte__";

/// Why there is none.
fn without_sql(part: &GraphPart<'_>) -> &'static str {
    match part.kind() {
        _ if part.is_of_spec() => "its spec has errors",
        ResourceType::Seed => "it is a seed",
        _ if part.node.is_some_and(is_python) => "it is Python",
        _ => "dbt has not compiled it (`dbt compile`)",
    }
}

fn is_python(node: &ManifestNode) -> bool {
    node.original_file_path.ends_with(".py")
}

/// What is reached over edges, in an order in which each comes behind all that leads to it.
fn order(from: &[usize], edges: &[Vec<usize>]) -> Vec<usize> {
    let mut reached = vec![false; edges.len()];
    let mut stack = from.to_vec();
    let mut waiting = vec![0usize; edges.len()];
    while let Some(at) = stack.pop() {
        if reached.get(at).copied() != Some(false) {
            continue;
        }
        reached[at] = true;
        for next in edges.get(at).into_iter().flatten() {
            waiting[*next] += 1;
            stack.push(*next);
        }
    }
    let mut ready: Vec<usize> = (0..edges.len()).filter(|at| reached[*at] && waiting[*at] == 0).collect();
    // Nothing leads to these, so that they are of those that it begins with.
    let first = ready.len();
    let mut order = Vec::new();
    let mut next = 0;
    while let Some(at) = ready.get(next).copied() {
        next += 1;
        reached[at] = false;
        order.push(at);
        for child in edges.get(at).into_iter().flatten() {
            waiting[*child] -= 1;
            if waiting[*child] == 0 {
                ready.push(*child);
            }
        }
    }
    order.drain(..first);
    order.extend((0..edges.len()).filter(|at| reached[*at] && !from.contains(at)));
    order
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn each_comes_behind_what_leads_to_it() {
        // 0 → 1 → 3, 0 → 2 → 3 → 4, and 5 ⇄ 6 behind 4.
        let edges = [vec![1, 2], vec![3], vec![3], vec![4], vec![5], vec![6], vec![5]];
        assert_eq!(order(&[0], &edges), [1, 2, 3, 4, 5, 6]);
        assert_eq!(order(&[2], &edges), [3, 4, 5, 6]);
        assert_eq!(order(&[5], &edges), [6]);
        assert_eq!(order(&[3, 0], &edges), [1, 2, 3, 4, 5, 6]);
    }
}
