//! Infers joins from relationships tests, foreign keys, and the entities of semantic models.

use rustc_hash::FxHashMap;

use super::keys::is_unique_column;
use super::semantic::TableSemanticModel;
use super::table::DbtTable;
use super::table_tests::{ExecutedTest, TestsByNode};
use crate::artifacts::{ConstraintKind, Manifest, ManifestNode, TestCheck};
use crate::parallel;

/// Source of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum JoinSource {
    /// `foreign_key` constraint. Omni also reads these constraints.
    Constraint,
    /// `relationships` test. Omni does not read tests.
    Test,
    /// Entities of semantic models.
    Entity,
}

/// Cardinality of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cardinality {
    /// Both columns are unique.
    OneToOne,
    /// The target column is unique.
    ManyToOne,
    /// The target column may not be unique, so the join may repeat rows.
    Unknown,
}

/// Join between two views.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableJoin {
    /// View with the foreign key.
    pub from: String,
    /// Foreign key field.
    pub from_field: String,
    /// Target view.
    pub to: String,
    /// Field of the target view that is compared with the foreign key.
    pub to_field: String,
    /// Alias of the target view in this join, if the view is joined more than once.
    pub alias: Option<String>,
    /// Cardinality of the join.
    pub cardinality: Cardinality,
    /// Source of the join.
    pub source: JoinSource,
    /// Reason why the join is uncertain and therefore written only as a comment. `None` if the join is certain.
    pub doubt: Option<String>,
}

/// Candidate join whose columns are not yet resolved to fields.
struct JoinCandidate<'a> {
    /// Indexes of the two tables.
    ends: [usize; 2],
    columns: [&'a str; 2],
    source: JoinSource,
    doubt: Option<String>,
}

/// Returns the joins of all tables, ordered by node id. If several sources define a join between the same two columns,
/// only the join from the most reliable source is returned.
pub(super) fn collect_joins<'a>(
    tables: &'a [DbtTable<'a>],
    table_indexes: &FxHashMap<&str, usize>,
    semantic: &[TableSemanticModel<'a>],
    manifest: &'a Manifest,
    tests: &'a TestsByNode<'a>,
) -> Vec<TableJoin> {
    let mut join_candidates = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        joins_from_constraints(index, table.node, manifest, table_indexes, &mut join_candidates);
        for test in tests.for_node(table.node_index) {
            joins_from_tests(index, test, table_indexes, &mut join_candidates);
        }
    }
    joins_from_entities(semantic, &mut join_candidates);
    let mut joins: Vec<(usize, TableJoin)> = Vec::new();
    let mut join_indices: FxHashMap<([usize; 2], [String; 2]), usize> = FxHashMap::default();
    let joined = parallel::map_range(join_candidates.len(), |number| {
        resolve_join_columns(join_candidates.get(number)?, tables, tests)
    });
    for (join_candidate, join) in join_candidates.iter().zip(joined) {
        let Some(join) = join else { continue };
        let key = (join_candidate.ends, [join.from_field.clone(), join.to_field.clone()]);
        match join_indices.get(&key).and_then(|index| joins.get_mut(*index)) {
            Some((_, before)) => {
                if (join.doubt.is_some(), join.source) < (before.doubt.is_some(), before.source) {
                    *before = join;
                }
            }
            None => {
                join_indices.insert(key, joins.len());
                joins.push((join_candidate.ends[0], join));
            }
        }
    }
    joins.sort_by_key(|(index, _)| *index);
    let mut joins: Vec<TableJoin> = joins.into_iter().map(|(_, join)| join).collect();
    set_join_aliases(&mut joins);
    joins
}

fn joins_from_constraints<'a>(
    index: usize,
    node: &'a ManifestNode,
    manifest: &'a Manifest,
    table_indexes: &FxHashMap<&str, usize>,
    join_candidates: &mut Vec<JoinCandidate<'a>>,
) {
    let of_columns = node.columns.iter().flat_map(|column| {
        column
            .constraints
            .iter()
            .map(move |constraint| (constraint, Some(&*column.name)))
    });
    let of_table = node.constraints.iter().map(|constraint| (constraint, None));
    for (constraint, column) in of_columns.chain(of_table) {
        if constraint.kind != ConstraintKind::ForeignKey {
            continue;
        }
        let Some(column) = column.or_else(|| single_column(&constraint.columns)) else {
            continue;
        };
        let old = constraint.expression.as_deref().and_then(parse_legacy_foreign_key);
        let (to, field) = match (&constraint.to, single_column(&constraint.to_columns), old) {
            (Some(to), Some(field), _) => (&**to, field),
            (_, _, Some(old)) => old,
            _ => continue,
        };
        let referred = manifest
            .resolve_reference(node, to)
            .and_then(|node| table_indexes.get(&*node.unique_id));
        if let Some(other) = referred {
            join_candidates.push(JoinCandidate {
                ends: [index, *other],
                columns: [column, field],
                source: JoinSource::Constraint,
                doubt: None,
            });
        }
    }
}

/// Parses a foreign key in the format that dbt used before version 1.9: `other_table (id)`.
fn parse_legacy_foreign_key(expression: &str) -> Option<(&str, &str)> {
    let (table, rest) = expression.split_once('(')?;
    let column = rest.trim_end().strip_suffix(')')?.trim();
    (!column.contains(',')).then_some((table.trim().trim_start_matches("references").trim(), column))
}

fn single_column(columns: &[std::sync::Arc<str>]) -> Option<&str> {
    match columns {
        [column] => Some(column),
        _ => None,
    }
}

fn joins_from_tests<'a>(
    index: usize,
    test: &'a ExecutedTest<'a>,
    table_indexes: &FxHashMap<&str, usize>,
    join_candidates: &mut Vec<JoinCandidate<'a>>,
) {
    let Some(data) = &test.data else { return };
    let (TestCheck::Relationships { to: Some(to), field }, Some(column)) = (&data.check, data.column.as_deref()) else {
        return;
    };
    let Some(other) = table_indexes.get(to) else { return };
    let setting = |key: &str| {
        data.node
            .config_text(key)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    // Ignore a filter that removes NULLs, because the test never fails for NULL.
    let says_nothing = |filter: &str| filter.eq_ignore_ascii_case(&format!("{column} is not null"));
    let filter = setting("where").filter(|filter| !says_nothing(filter));
    let only_warns = setting("severity").is_some_and(|severity| severity.eq_ignore_ascii_case("warn"));
    let is_usual = data.proves_condition_for_all_rows() || setting("where").is_some_and(says_nothing);
    let doubt = match (filter, &test.status) {
        (Some(filter), _) => Some(format!(
            "the test `{}` checks only the rows that meet `where: {filter}`",
            data.node.name
        )),
        (None, _) if only_warns => Some(format!("the test `{}` has `severity: warn`", data.node.name)),
        (None, _) if !is_usual => Some(format!("the test `{}` allows some rows to fail", data.node.name)),
        (None, Some(status)) if test.has_failed_last_run() => Some(format!(
            "the last run of the test `{}` ended with {}",
            data.node.name,
            status.name()
        )),
        _ => None,
    };
    join_candidates.push(JoinCandidate {
        ends: [index, *other],
        columns: [column, field],
        source: JoinSource::Test,
        doubt,
    });
}

/// Matches entities by name. A foreign entity refers to the primary or unique entity with the same name.
fn joins_from_entities<'a>(semantic: &[TableSemanticModel<'a>], join_candidates: &mut Vec<JoinCandidate<'a>>) {
    let column = |entity: &'a crate::artifacts::Entity| entity.expr.as_deref().unwrap_or(&entity.name);
    let mut keys: FxHashMap<&str, Vec<(usize, &'a str)>> = FxHashMap::default();
    for TableSemanticModel { model, table, .. } in semantic {
        for entity in model
            .entities
            .iter()
            .filter(|entity| matches!(&*entity.kind, "primary" | "unique"))
        {
            keys.entry(&*entity.name).or_default().push((*table, column(entity)));
        }
    }
    for TableSemanticModel { model, table, .. } in semantic {
        for entity in model.entities.iter().filter(|entity| &*entity.kind == "foreign") {
            for (other, field) in keys
                .get(&*entity.name)
                .into_iter()
                .flatten()
                .filter(|(other, _)| other != table)
            {
                join_candidates.push(JoinCandidate {
                    ends: [*table, *other],
                    columns: [column(entity), field],
                    source: JoinSource::Entity,
                    doubt: None,
                });
            }
        }
    }
}

/// Resolves the columns of a join to fields. `None` if one of the tables does not have its join column.
fn resolve_join_columns(
    join_candidate: &JoinCandidate<'_>,
    tables: &[DbtTable<'_>],
    tests: &TestsByNode<'_>,
) -> Option<TableJoin> {
    let [from, to] = [tables.get(join_candidate.ends[0])?, tables.get(join_candidate.ends[1])?];
    let [column, field] = join_candidate.columns;
    let unique =
        |table: &DbtTable<'_>, name: &str| is_unique_column(table.node, tests.for_node(table.node_index), name);
    let cardinality = match (unique(to, field), unique(from, column)) {
        (true, true) => Cardinality::OneToOne,
        (true, false) => Cardinality::ManyToOne,
        (false, _) => Cardinality::Unknown,
    };
    let to_field = to.field(field)?;
    let doubt = join_candidate.doubt.clone().or_else(|| {
        let may_repeat = cardinality == Cardinality::Unknown;
        may_repeat.then(|| {
            format!(
                "`{}` is not known to be unique in {}, so rows might be repeated",
                to_field.name,
                to.view_name()
            )
        })
    });
    Some(TableJoin {
        from: from.view_name(),
        from_field: from.field(column)?.name.clone(),
        to: to.view_name(),
        to_field: to_field.name.clone(),
        alias: None,
        cardinality,
        source: join_candidate.source,
        doubt,
    })
}

/// Sets aliases for self-joins and for views that are joined several times. The alias contains the name of the
/// foreign key column.
fn set_join_aliases(joins: &mut [TableJoin]) {
    let mut counts: FxHashMap<(String, String), usize> = FxHashMap::default();
    for join in joins.iter().filter(|join| join.doubt.is_none()) {
        *counts.entry((join.from.clone(), join.to.clone())).or_default() += 1;
    }
    for join in joins {
        let several = counts
            .get(&(join.from.clone(), join.to.clone()))
            .is_some_and(|count| *count > 1);
        if several || join.from == join.to {
            let role = join.from_field.strip_suffix("_id").unwrap_or(&join.from_field);
            join.alias = Some(format!("{}_as_{role}", join.to));
        }
    }
}
