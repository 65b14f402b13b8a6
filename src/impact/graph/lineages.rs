//! Column lineage of the graph's nodes, from their SQL or from an earlier run.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::node::{DBT_COMPILE_HINT, no_sql_reason};
use super::{Graph, ImpactGraphNode};
use crate::dbt::{call_arguments, jinja_string, split_arguments};
use crate::lineage::{self, LineageCache, LineageError, RelationColumnList, SqlLineage};
use crate::raw_code;

/// Column lineage of a node: either parsed in this run, or the index of a stored lineage.
#[derive(Debug)]
pub(super) enum NodeLineage {
    Parsed(Box<Result<SqlLineage, LineageError>>),
    Stored(usize),
}

/// Prefix that dbt adds to the name of an ephemeral model in the SQL of the models that read it.
pub(super) const EPHEMERAL_CTE_PREFIX: &str = "__dbt__cte__";

impl Graph<'_> {
    /// Adds the lineage of queries from an earlier run to the graph, so that unchanged SQL is not parsed again.
    #[must_use]
    pub fn with_stored_lineages(self, stored_lineages: LineageCache) -> Self {
        Self {
            stored_lineages,
            ..self
        }
    }

    /// Returns the current lineage of all queries in the format that [`LineageCache::from_stored`] reads. `None` if
    /// fewer than `many` queries were parsed in this run.
    #[must_use]
    pub fn lineages_to_store(&self, many: usize) -> Option<Vec<u8>> {
        let is_parsed =
            |lineage: &&OnceLock<NodeLineage>| matches!(lineage.get(), Some(NodeLineage::Parsed(read)) if read.is_ok());
        if self.lineages.iter().filter(is_parsed).count() < many {
            return None;
        }
        let queries = (0..self.nodes.len()).filter_map(|index| {
            let sql = self.sql(index).ok()?;
            let fingerprint = lineage::sql_fingerprint(sql, self.sources.dialect);
            let fingerprint_of_columns = |parts: &[String]| self.columns_fingerprint(index, parts);
            // Keep the stored lineage of a query that was not needed in this run, if the lineage is still valid.
            let lineage = match self.lineages.get(index)?.get() {
                Some(NodeLineage::Parsed(read)) => (**read).as_ref().ok()?,
                Some(NodeLineage::Stored(at)) => self.stored_lineages.get(*at)?,
                None => self
                    .stored_lineages
                    .get(self.stored_lineages.find(fingerprint, fingerprint_of_columns)?)?,
            };
            Some((
                fingerprint,
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
        let relation_fingerprint = |index: usize| {
            let fingerprint = || self.columns_from_metadata(index).columns_fingerprint();
            self.fingerprints
                .get(index)
                .map_or_else(fingerprint, |stored| *stored.get_or_init(fingerprint))
        };
        self.find_relation(reader, parts).map_or_else(
            || RelationColumnList::default().columns_fingerprint(),
            relation_fingerprint,
        )
    }

    /// Returns the column lineage of a node. The lineage is computed once and then reused. The caller must provide
    /// [stack space](lineage::with_large_stack).
    pub fn lineage(&self, index: usize) -> Option<Result<&SqlLineage, &LineageError>> {
        let lineage = self.lineages.get(index)?.get_or_init(|| self.find_lineage(index));
        Some(match lineage {
            NodeLineage::Parsed(lineage) => (**lineage).as_ref(),
            NodeLineage::Stored(at) => Ok(self.stored_lineages.get(*at)?),
        })
    }

    /// Returns the column lineage of a node as if its inputs still had their removed columns. The lists of columns in
    /// specs and in the catalog may be newer than the SQL of the nodes that read a removed column. `removed` returns
    /// the removed columns of an input. The caller must provide [stack space](lineage::with_large_stack).
    pub fn lineage_with_removed_columns(
        &self,
        index: usize,
        removed: impl Fn(usize) -> Vec<String> + Sync,
    ) -> Option<Result<Cow<'_, SqlLineage>, Cow<'_, LineageError>>> {
        let lacks_removed_column = |input: &usize| {
            let removed = removed(*input);
            let known = (!removed.is_empty()).then(|| self.columns_from_metadata(*input));
            known.is_some_and(|known| known.is_complete && removed.iter().any(|name| !known.contains(name)))
        };
        let inputs = self.parents.get(index).map(Vec::as_slice).unwrap_or_default();
        if !inputs.iter().any(lacks_removed_column) {
            let lineage = self.lineage(index)?;
            return Some(lineage.map(Cow::Borrowed).map_err(Cow::Borrowed));
        }
        let columns = |parts: &[String]| {
            let mut columns = self.relation_columns(index, parts);
            let removed = self.find_relation(index, parts).map(&removed);
            removed.iter().flatten().for_each(|name| columns.add(name));
            columns
        };
        let lineage = self
            .sql(index)
            .and_then(|sql| lineage::read(sql, self.sources.dialect, &columns));
        Some(lineage.map(Cow::Owned).map_err(Cow::Owned))
    }

    /// Returns the SQL of a node.
    fn sql(&self, index: usize) -> Result<&str, LineageError> {
        let part = self
            .nodes
            .get(index)
            .ok_or_else(|| LineageError::new("there is no such node"))?;
        match (part.sql_without_jinja(), part.raw_sql(), self.uncompiled_sql.get(index)) {
            (Some(sql), ..) => Ok(sql),
            (None, Some(code), Some(read)) => {
                let read = read.get_or_init(|| {
                    let sql = raw_code::model_sql(code, |call| {
                        self.sql_name_of_reference(part, call)
                            .or_else(|| self.numeric_variable_value(part, call))
                    });
                    sql.map_err(|jinja| {
                        LineageError::new(format!("only dbt can evaluate the Jinja {jinja} {DBT_COMPILE_HINT}"))
                    })
                });
                read.as_deref().map_err(Clone::clone)
            }
            _ => Err(LineageError::new(no_sql_reason(part))),
        }
    }

    /// Returns the SQL name of the relation to which a Jinja call in a node refers.
    fn sql_name_of_reference(&self, part: &ImpactGraphNode<'_>, call: &str) -> Option<String> {
        let node = part.node.filter(|_| raw_code::reads_relation(call))?;
        let node = if call == "this" {
            node
        } else {
            self.sources.manifest.resolve_reference(node, call)?
        };
        let ephemeral = || format!("{EPHEMERAL_CTE_PREFIX}{}", node.name);
        Some(node.relation_name.as_deref().map_or_else(ephemeral, str::to_owned))
    }

    /// Returns the value of `var(…)` in a model of the project, if `dbt_project.yml` sets the variable to a number.
    fn numeric_variable_value(&self, part: &ImpactGraphNode<'_>, call: &str) -> Option<String> {
        let arguments = call_arguments(call, "var")?;
        let name = jinja_string(split_arguments(arguments).next()?)?;
        let project = self.sources.manifest.metadata.project_name.as_deref();
        part.node.filter(|node| Some(&*node.package) == project)?;
        let (_, value) = self.sources.variables.iter().find(|(variable, _)| variable == name)?;
        raw_code::is_number(value).then(|| value.clone())
    }

    fn find_lineage(&self, index: usize) -> NodeLineage {
        let sql = match self.sql(index) {
            Ok(sql) => sql,
            Err(why) => return NodeLineage::Parsed(Box::new(Err(why))),
        };
        let dialect = self.sources.dialect;
        if !self.stored_lineages.is_empty() {
            let fingerprint = |parts: &[String]| self.columns_fingerprint(index, parts);
            if let Some(stored) = self
                .stored_lineages
                .find(lineage::sql_fingerprint(sql, dialect), fingerprint)
            {
                return NodeLineage::Stored(stored);
            }
        }
        NodeLineage::Parsed(Box::new(lineage::read(sql, dialect, &|parts: &[String]| {
            self.relation_columns(index, parts)
        })))
    }
}
