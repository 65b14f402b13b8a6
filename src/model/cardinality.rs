//! Join cardinality: determines whether known keys prove that a join finds at most one row.

use formulac_syntax::diag::lists::join_names;
use rustc_hash::FxHashMap;

use super::compile::SpecCompilation;
use super::join_scope::JoinedStepInput;
use super::load::Step;
use crate::Type;
use crate::catalog::{self, internal};
use crate::check::DefinitionRole;
use crate::diag::{Code, Diagnostic};
use crate::dialect::Dialect;
use crate::ir::{Ir, IrId, Program};
use crate::plan::StepPlan;
use crate::schema::Column;
use crate::sql::JoinKind;

/// Conditions that a join places on the joined relation.
#[derive(Clone, Debug, Default)]
pub(super) struct JoinedRelationConditions {
    /// Columns of the joined relation that must equal a value from other relations.
    pub equal: Vec<u32>,
    /// Conditions that depend only on the joined relation.
    pub conditions_on_joined_relation: Vec<IrId>,
    /// Whether there are other conditions.
    pub has_other_conditions: bool,
    /// Whether at least one condition equates a value from the joined relation with a value from other relations.
    pub has_equality: bool,
}

impl SpecCompilation<'_> {
    /// Returns the joins that are declared, but not proven, to find at most one row. Adds a warning for each such join.
    pub(super) fn unverified_joins(
        &self,
        plan: &StepPlan<'_>,
        step: &Step<'_>,
        first: &str,
        joined: &JoinedStepInput<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<(usize, JoinedRelationConditions)> {
        let mut unverified = Vec::new();
        let conditions = JoinConditions::from_plan(plan);
        for (index, join) in step.joins.iter().enumerate() {
            let single = joined.single.get(index).copied().unwrap_or_default();
            let key = joined.keys.get(index).map(Vec::as_slice).unwrap_or_default();
            let on_condition = conditions.join_condition(index);
            if join.many || single || (on_condition.is_none() && join.kind != JoinKind::Cross) {
                continue;
            }
            let relation = join.name();
            let cardinality_query = on_condition
                .map(|root| collect_conditions(plan.program, root, relation))
                .unwrap_or_default();
            let name = |column: &u32| plan.program.columns.try_get(*column as usize).map_or("", |c| &*c.name);
            let equal: Vec<&str> = cardinality_query.equal.iter().map(name).collect();
            let missing: Vec<&str> = key
                .iter()
                .map(String::as_str)
                .filter(|k| !equal.iter().any(|e| e.eq_ignore_ascii_case(k)))
                .collect();
            if !key.is_empty() && missing.is_empty() {
                continue;
            }
            let is_step = matches!(join.to, crate::dbt::RelationReference::Table(_)) && self.has_step(join.to.name());
            // If the join has other conditions, such as a condition on the period or the current version, it may
            // already select one version.
            let is_whole = cardinality_query.conditions_on_joined_relation.is_empty()
                && !cardinality_query.has_other_conditions
                && !equal.is_empty();
            let columns = joined.input.relations.get(index + 1).map_or(&[][..], |r| r.columns());
            let start = columns.iter().map(Column::name).find(|name| is_valid_from_column(name));
            let start = start.filter(|_| is_whole && missing.len() == key.len());
            let is_history = start.is_some() || (is_whole && missing.len() < key.len());
            let why = match (start, key, equal.as_slice()) {
                (Some(start), ..) => {
                    format!("the column `{start}` shows that `{relation}` may contain several versions of a row")
                }
                (None, [], []) => "no known key guarantees at most one match".to_owned(),
                (None, [], equal) => format!("{} is not known to be unique", join_names(equal, "and")),
                (None, key, _) => format!(
                    "the key of the joined relation is {}, but the join does not compare {}",
                    join_names(key, "and"),
                    join_names(&missing, "and")
                ),
            };
            let key_columns = if key.is_empty() {
                equal.join(", ")
            } else {
                missing.join(", ")
            };
            let proof = match (join.kind, start, key, key_columns.as_str()) {
                (JoinKind::Cross, ..) => {
                    "join a step that returns only one row, such as one with aggregates but no `group_by`".to_owned()
                }
                (_, Some(start), ..) => format!("add a condition that selects one version by `{start}`"),
                (_, None, [], "") => "join on a key of the joined relation".to_owned(),
                (_, None, [], columns) if is_step => {
                    format!("write `group_by: [{columns}]` in step `{}`", join.to.name())
                }
                (_, None, [], columns) => format!(
                    "write `primary_key: [{columns}]` for `{}` in the schema",
                    join.to.name()
                ),
                (_, None, _, columns) => format!("join on `{columns}` as well"),
            };
            // A metric set does not accept `cardinality: many`, so the help suggests a model that contains the joined
            // rows.
            let is_in_set = self
                .generated_from
                .steps_of_sets
                .contains(step.name.map_or("", |name| name.text));
            let several_rows = match is_in_set {
                true => "build the set on a model that contains the joined rows",
                false => "write `cardinality: many` in this join",
            };
            diagnostics.push(
                Diagnostic::new(
                    if is_history {
                        Code::PartialKeyJoin
                    } else {
                        Code::JoinMayMultiply
                    },
                    join.to_text.node.span,
                    format!("a row of `{first}` may match several rows of `{relation}`: {why}"),
                )
                .with_help(format!("{proof}, or {several_rows}")),
            );
            unverified.push((index, cardinality_query));
        }
        unverified
    }

    fn has_step(&self, name: &str) -> bool {
        self.spec
            .steps
            .iter()
            .any(|s| s.name.is_some_and(|n| n.text.eq_ignore_ascii_case(name)))
    }
}

/// Returns whether a column with this name usually holds the start of the period in which a version of a row is valid,
/// as in dbt's snapshots.
fn is_valid_from_column(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["valid_from", "effective_from"].iter().any(|end| name.ends_with(end))
}

/// Conditions of a step's joins, by join index.
pub(super) struct JoinConditions(FxHashMap<u32, IrId>);

impl JoinConditions {
    pub fn from_plan(plan: &StepPlan<'_>) -> Self {
        let mut conditions = FxHashMap::default();
        for (role, definition) in plan.roles.iter().zip(&plan.program.definitions) {
            if let (DefinitionRole::On(index), false) = (role, definition.failed) {
                conditions.entry(*index).or_insert(definition.root);
            }
        }
        Self(conditions)
    }

    pub fn join_condition(&self, index: usize) -> Option<IrId> {
        self.0.get(&(index as u32)).copied()
    }
}

/// Returns the columns of a joined relation that the join condition equates with values from other relations.
pub(super) fn columns_equated_by_join<'p>(
    plan: &StepPlan<'p>,
    conditions: &JoinConditions,
    index: usize,
    relation: &str,
) -> Vec<&'p str> {
    let root = conditions
        .join_condition(index)
        .filter(|root| !plan.program.meta(*root).volatile);
    let cardinality_query = root
        .map(|root| collect_conditions(plan.program, root, relation))
        .unwrap_or_default();
    cardinality_query
        .equal
        .iter()
        .filter_map(|column| plan.program.columns.try_get(*column as usize))
        .map(|c| &*c.name)
        .collect()
}

/// Returns the conditions that an expression places on a relation.
fn collect_conditions(program: &Program, root: IrId, relation: &str) -> JoinedRelationConditions {
    let is_equal = |overload| catalog::overload_owner(overload) == internal::EQUAL;
    let mut cardinality_query = JoinedRelationConditions::default();
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        match program.node(id) {
            Ir::And(args) => stack.extend(program.args(args).iter().rev()),
            Ir::Definition(definition_index) => {
                stack.extend(program.definitions.try_get(definition_index as usize).map(|d| d.root));
            }
            node => {
                let (has_own_columns, others) = depends_on_relation_and_others(program, id, relation);
                let pair = match node {
                    Ir::Apply { overload, args } if is_equal(overload) => program.args(args),
                    _ => &[],
                };
                let column = match pair {
                    [a, b] => [(*a, *b), (*b, *a)].into_iter().find_map(|(a, b)| {
                        match program.node(strip_timestamp_conversion(program, a)) {
                            Ir::Column(column) => (depends_on_relation_and_others(program, a, relation).0
                                && !depends_on_relation_and_others(program, b, relation).0)
                                .then_some(column),
                            _ => None,
                        }
                    }),
                    _ => None,
                };
                if let [a, b] = pair {
                    let (a, b) = (
                        depends_on_relation_and_others(program, *a, relation),
                        depends_on_relation_and_others(program, *b, relation),
                    );
                    cardinality_query.has_equality |=
                        matches!((a, b), ((true, false), (false, true)) | ((false, true), (true, false)));
                }
                match column {
                    Some(column) => cardinality_query.equal.push(column),
                    None if has_own_columns && !others => cardinality_query.conditions_on_joined_relation.push(id),
                    None => cardinality_query.has_other_conditions = true,
                }
            }
        }
    }
    cardinality_query
}

/// If a value converts a date to a timestamp, returns the date, because different dates become different timestamps.
/// Otherwise, returns the value itself.
fn strip_timestamp_conversion(program: &Program, value: IrId) -> IrId {
    match program.node(value) {
        Ir::Apply { overload, args } if catalog::overload_owner(overload) == internal::TO_TIMESTAMP => program
            .args(args)
            .first()
            .copied()
            .filter(|date| program.meta(*date).ty == Type::Date)
            .unwrap_or(value),
        _ => value,
    }
}

/// Returns whether a value depends on columns of the relation, and whether it depends on columns of other relations.
fn depends_on_relation_and_others(program: &Program, root: IrId, relation: &str) -> (bool, bool) {
    let (mut has_own_columns, mut others) = (false, false);
    for column in value_columns(program, root) {
        match program
            .columns
            .try_get(column as usize)
            .and_then(|c| c.relation.as_deref())
        {
            Some(column_relation) if column_relation == relation => has_own_columns = true,
            _ => others = true,
        }
    }
    (has_own_columns, others)
}

/// Returns the columns on which a value depends, directly or through definitions.
fn value_columns(program: &Program, root: IrId) -> Vec<u32> {
    let mut columns = Vec::new();
    for id in program.dependencies(root) {
        if let Ir::Column(column) = program.node(id) {
            match program.columns.try_get(column as usize) {
                Some(input_column) if !input_column.merged.is_empty() => columns.extend(&input_column.merged),
                _ => columns.push(column),
            }
        }
    }
    columns
}

/// Reports joins that the dialect does not support.
pub(super) fn check_join_dialect_support(
    plan: &StepPlan<'_>,
    step: &Step<'_>,
    joined: &JoinedStepInput<'_>,
    dialect: Dialect,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let facts = dialect.facts();
    let conditions = JoinConditions::from_plan(plan);
    for (index, join) in step.joins.iter().enumerate() {
        let name = join.name();
        let single = joined.single.get(index).copied().unwrap_or_default();
        let Some(root) = conditions.join_condition(index) else {
            continue;
        };
        if collect_conditions(plan.program, root, name).has_equality {
            continue;
        }
        let refused = |unsupported_join: &str| {
            format!(
                "{dialect} supports {unsupported_join} join only with an equality condition, but the join of `{name}` has \
                none"
            )
        };
        let equality = format!(
            "add a condition that a column of `{name}` equals a column of another relation, or write `type: \
                inner`"
        );
        let (message, help) = match join.kind {
            JoinKind::Full if facts.full_join_needs_equality => (refused("a full"), equality),
            JoinKind::Left if facts.left_join_needs_equality => (refused("a left"), equality),
            // The generated test, which checks that the join finds at most one row, would need a left join without an
            // equality.
            JoinKind::Inner if facts.left_join_needs_equality && !join.many && !single => (
                format!(
                    "{dialect} cannot test that at most one row of `{name}` matches, because the join has no equality \
                    condition"
                ),
                "write `cardinality: many`, or add an equality condition to the join".to_owned(),
            ),
            _ => continue,
        };
        diagnostics.push(Diagnostic::new(Code::UnsupportedJoin, plan.program.meta(root).span, message).with_help(help));
    }
}

/// Reports join conditions that refer to relations joined later, and join conditions that use random values from
/// definitions.
pub(super) fn check_join_visibility(
    plan: &StepPlan<'_>,
    joined: &JoinedStepInput<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let program = plan.program;
    for (role, definition) in plan.roles.iter().zip(&program.definitions) {
        let DefinitionRole::On(index) = role else { continue };
        if definition.failed {
            continue;
        }
        let joined_name = joined.input.relations.get(*index as usize + 1).map_or("", |r| r.name());
        let later = value_columns(program, definition.root).into_iter().find_map(|column| {
            let relation = program.columns.try_get(column as usize)?.relation.as_deref()?;
            joined
                .input
                .relations
                .iter()
                .skip(*index as usize + 2)
                .find(|r| r.name() == relation)
        });
        if let Some(later) = later {
            let later = later.name();
            diagnostics.push(
                Diagnostic::new(
                    Code::JoinedLater,
                    definition.span,
                    format!("the join condition of `{joined_name}` cannot refer to `{later}`, which is joined later"),
                )
                .with_help(format!("move the join of `{later}` before the join of `{joined_name}`")),
            );
        }
        let meta = program.meta(definition.root);
        if meta.volatile && depends_on_definition(program, definition.first, definition.root) {
            diagnostics.push(
                Diagnostic::new(
                    Code::VolatileRepeated,
                    definition.span,
                    "a random value would be computed once for the join and again for the column",
                )
                .with_help("define the value in an earlier step"),
            );
        }
    }
}

fn depends_on_definition(program: &Program, first: IrId, root: IrId) -> bool {
    (first.0..=root.0).map(IrId).any(|id| match program.node(id) {
        Ir::Definition(_) => program.meta(id).volatile,
        _ => false,
    })
}
