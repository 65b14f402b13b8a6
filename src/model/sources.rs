//! Inputs of a spec: the relation in `from`, joined relations and tabs, without duplicates.

use rustc_hash::{FxHashMap, FxHashSet};

use super::load::{Spec, Step};
use crate::dbt::{self, RelationReference};
use crate::dialect::Dialect;
use crate::plan::CteNames;
use crate::sql::{self, Query, QueryInput, SqlText, SqlTree};

/// Input relation of a spec.
#[derive(Debug)]
pub(super) struct SourceRelation {
    pub from: RelationReference,
    /// Name of the input in a plain query.
    pub table_name: String,
    /// Name of the input in a plain query, as written in SQL.
    pub table: String,
    /// Qualifier of the input's columns in a plain query. `None` if the qualifier is the last part of the name.
    pub alias: Option<String>,
    /// Name of the CTE that imports the input into a model.
    pub name: String,
    /// Name of the CTE in SQL, with quotes if necessary.
    pub import: String,
    /// Body of the CTE, with Jinja that dbt renders.
    pub select: String,
}

/// All inputs of a spec. The relation in `from` comes first.
#[derive(Debug, Default)]
pub(super) struct SpecSources {
    pub sources: Vec<SourceRelation>,
    /// Index of each input, by the relation that dbt would read.
    index_by_relation: FxHashMap<String, usize>,
    /// Lower-case names of all inputs.
    names_in_use: FxHashSet<String>,
}

/// Target of a join or tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinTarget {
    /// An earlier step.
    Step(usize),
    /// One of the inputs.
    Source(usize),
    /// A later step, which cannot be joined because it is not computed yet.
    Later,
}

impl SpecSources {
    /// Returns the inputs of a spec, and reserves names for their CTEs.
    pub fn new(spec: &Spec<'_>, dialect: Dialect, names: &mut CteNames) -> Self {
        let mut sources = Self::default();
        sources.add_input_relation(&spec.from, dialect, names);
        for (index, step) in spec.steps.iter().enumerate() {
            if let Some((from, _)) = &step.from {
                sources.add_input_relation(from, dialect, names);
            }
            for joined in &step.joins {
                if find_named_step(spec, index, &joined.to).is_none() {
                    sources.add_input_relation(&joined.to, dialect, names);
                }
            }
            for tab in step.sheet.iter().flat_map(|sheet| &sheet.tabs) {
                if find_named_step(spec, index, &tab.model).is_none() {
                    sources.add_input_relation(&tab.model, dialect, names);
                }
            }
        }
        sources
    }

    /// Distinguishes inputs with the same name in a plain query. A table of a source is qualified with the source's
    /// schema, and a version of a model has the name that dbt assigns to the version by default.
    pub fn disambiguate_tables(&mut self, dialect: Dialect) {
        let mut counts: FxHashMap<String, usize> = FxHashMap::default();
        for source in &self.sources {
            *counts.entry(source.table.to_lowercase()).or_default() += 1;
        }
        let is_shared = |table: &str| counts.get(&table.to_lowercase()).is_some_and(|count| *count > 1);
        for source in self.sources.iter_mut().filter(|source| is_shared(&source.table)) {
            if let RelationReference::Source { group, .. } = &source.from {
                source.table = format!("{}.{}", dialect.name_text(group, true), source.table);
                source.table_name = format!("{group}.{}", source.table_name);
            } else if let Some(name) = source.from.versioned_name() {
                source.alias = Some(std::mem::replace(&mut source.table, dialect.name_text(&name, true)));
                source.table_name = name;
            }
        }
    }

    /// Resolves the relation named by a join or tab in the step at this index.
    pub fn resolve_join_target(&self, spec: &Spec<'_>, step: usize, from: &RelationReference) -> JoinTarget {
        match find_named_step(spec, step, from) {
            Some(step_index) if step_index < step => JoinTarget::Step(step_index),
            Some(_) => JoinTarget::Later,
            None => JoinTarget::Source(self.source_position(from).unwrap_or_default()),
        }
    }

    pub fn source_position(&self, from: &RelationReference) -> Option<usize> {
        self.index_by_relation.get(&relation_key(from)).copied()
    }

    pub(super) fn add_input_relation(&mut self, from: &RelationReference, dialect: Dialect, names: &mut CteNames) {
        if self.source_position(from).is_some() {
            return;
        }
        let table = from.relation_sql(dialect);
        // If two tables in different schemas have the same name, the CTE of the second table includes the schema in its
        // name.
        let first = self.names_in_use.insert(from.name().to_lowercase());
        let preferred_name = if first {
            from.name().to_owned()
        } else {
            from.distinguishing_name()
        };
        let name = names.choose_name(&preferred_name);
        let select = dbt::import_cte_body(from, &table);
        self.index_by_relation.insert(relation_key(from), self.sources.len());
        self.sources.push(SourceRelation {
            from: from.clone(),
            table_name: from.display_name().into_owned(),
            table,
            alias: None,
            import: dialect.name_text(&name, true),
            name,
            select,
        });
    }
}

impl SpecSources {
    /// Returns the inputs of a query for dbt, which imports each input once.
    pub fn dbt_imports(&self) -> Vec<QueryInput<'_>> {
        let inputs = self.sources.iter().map(|source| QueryInput {
            name: &source.import,
            alias: None,
            import: Some(&source.select),
        });
        inputs.collect()
    }
}

/// Returns the SQL of a query for dbt. `dbt_imports` contains the inputs of the spec.
pub(super) fn dbt_sql(tree: &SqlTree, query: &Query, dbt_imports: &[QueryInput<'_>], dialect: Dialect) -> String {
    let mut sql = SqlText::default();
    sql::write_query(tree, query, dbt_imports, dialect.facts().alias_hides_relation, &mut sql);
    sql.to_template(dbt::escape_jinja)
}

impl SourceRelation {
    /// Returns whether the input is the same relation as `other`. For example, `orders` is the same model as
    /// `ref('orders')`.
    pub fn is_same_relation(&self, other: &RelationReference) -> bool {
        relation_key(&self.from) == relation_key(other)
    }
}

/// Returns a string that identifies a relation. For example, the string is the same for `orders` and `ref('orders')`.
fn relation_key(from: &RelationReference) -> String {
    let table = match from {
        RelationReference::Table(table) => table,
        _ => "",
    };
    dbt::import_cte_body(from, table)
}

/// Returns the index of the step named by a join or tab, if the name refers to a step. The step may be earlier or
/// later.
fn find_named_step(spec: &Spec<'_>, step: usize, from: &RelationReference) -> Option<usize> {
    let RelationReference::Table(table) = from else {
        return None;
    };
    let has_name = |s: &Step<'_>| s.name.is_some_and(|name| name.text.eq_ignore_ascii_case(table));
    // If two steps have the same name, use the nearest earlier step. The duplicate name is reported elsewhere.
    let earlier = spec.steps.iter().take(step).rposition(has_name);
    earlier.or_else(|| spec.steps.iter().position(has_name))
}
