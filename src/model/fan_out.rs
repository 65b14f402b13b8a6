//! Reports fan-out: if a join finds several rows, aggregates over columns of the other relations count the same values
//! several times.

use super::join_scope::JoinedStepInput;
use super::load::Step;
use crate::Type;
use crate::catalog::{self, OverloadId, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, Program};
use crate::plan::StepPlan;
use crate::schema::Relation;
use crate::span::Span;
use crate::sql::JoinKind;

/// Origin of a value, relative to the `many` relation, whose rows repeat the rows of the other relations.
#[derive(Clone, Copy, Default)]
struct FanOutProvenance {
    /// Whether a column of the `many` relation affects the value, even if only in a condition.
    depends_on_many: bool,
    /// Whether a column of the `many` relation is part of the value.
    many: bool,
    /// Column of another relation, if the value may be computed from that column without any column of the `many`
    /// relation.
    other_column: Option<IrId>,
}

/// Reports aggregates over columns whose values are repeated by a `many` relation.
pub(super) fn check_fan_out(
    plan: &StepPlan<'_>,
    step: &Step<'_>,
    joined: &JoinedStepInput<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let joins = step.joins.iter().zip(joined.input.relations.iter().skip(1));
    for (join, many) in joins.filter(|(join, _)| join.many) {
        // In a join without unmatched rows, each joined row belongs to a different row of the `many` relation.
        let unmatched = matches!(join.kind, JoinKind::Left | JoinKind::Full);
        check_fan_out_of_join(plan, many, unmatched, joined, diagnostics);
    }
}

fn check_fan_out_of_join(
    plan: &StepPlan<'_>,
    many: &Relation,
    unmatched: bool,
    joined: &JoinedStepInput<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let program = plan.program;
    let fan_out_provenances = fan_out_provenances(program, many.name());
    let provenance_of = |id: &IrId| fan_out_provenances.get(id.index()).copied().unwrap_or_default();
    for definition in program.definitions.iter().filter(|d| !d.failed) {
        for id in (definition.first.0..=definition.root.0).map(IrId) {
            let args = match program.node(id) {
                Ir::Aggregate { args, .. } => program.args(args),
                Ir::CountRows => &[],
                // Windows of a grouped step read groups, which are not repeated.
                Ir::Window { call, .. } if !plan.grouped => match program.node(call) {
                    Ir::Apply { overload, args } if catalog::is_aggregate(overload) => program.args(args),
                    _ => continue,
                },
                _ => continue,
            };
            let provenance = combine_fan_out_provenances(args.iter().map(provenance_of));
            let span = program.meta(id).span;
            match provenance.other_column {
                Some(other) => diagnostics.push(repeated_rows_diagnostic(program, other, span, many.name(), joined)),
                None if unmatched && !provenance.many && !provenance.depends_on_many => {
                    diagnostics.push(unmatched_rows_diagnostic(span, many));
                }
                None => {}
            }
        }
    }
}

fn repeated_rows_diagnostic(
    program: &Program,
    other: IrId,
    span: Span,
    many: &str,
    joined: &JoinedStepInput<'_>,
) -> Diagnostic {
    let other_column = match program.node(other) {
        Ir::Column(column) => program.columns.try_get(column as usize),
        _ => None,
    };
    let name = other_column.map_or("", |column| &*column.name);
    let relation = other_column.and_then(|column| column.relation.as_deref());
    let Some(relation) = relation else {
        let owners: Vec<&str> = joined.input.relations.iter().map(Relation::name).collect();
        let first = owners.first().copied().unwrap_or_default();
        return Diagnostic::new(
            Code::FanOut,
            span,
            format!("an aggregate must specify the relation of `{name}`, because several rows of `{many}` may match"),
        )
        .with_help(format!(
            "write `{many}.{name}`, or aggregate `{first}.{name}` in a step before the join"
        ));
    };
    Diagnostic::new(
        Code::FanOut,
        span,
        format!("`{relation}.{name}` is repeated for each matching row of `{many}`"),
    )
    .with_secondary_label(program.meta(other).span, format!("a column of `{relation}`"))
    .with_help(format!(
        "aggregate `{many}` to one row per row of `{relation}` in a separate step, and join that step \
            instead"
    ))
}

fn unmatched_rows_diagnostic(span: Span, many: &Relation) -> Diagnostic {
    let name = many.name();
    let key = many
        .key()
        .first()
        .map(String::as_str)
        .or_else(|| many.columns().first().map(formulac_core::Column::name));
    Diagnostic::new(
        Code::FanOut,
        span,
        format!("this call counts the joined rows, including rows without a match in `{name}`"),
    )
    .with_help(format!(
        "count only the rows of `{name}` with `COUNT({name}.{})`",
        key.unwrap_or("id")
    ))
}

/// Returns the provenance of each node. Operands come before the nodes that use them.
fn fan_out_provenances(program: &Program, many: &str) -> Vec<FanOutProvenance> {
    let mut fan_out_provenances: Vec<FanOutProvenance> = Vec::with_capacity(program.len());
    for (index, node) in program.nodes().enumerate() {
        let id = IrId(index as u32);
        let provenance_of = |id: IrId| fan_out_provenances.get(id.index()).copied().unwrap_or_default();
        let provenance = match node {
            Ir::Column(column) => {
                let relation = program
                    .columns
                    .try_get(column as usize)
                    .and_then(|c| c.relation.as_deref());
                let is_many = relation == Some(many);
                FanOutProvenance {
                    depends_on_many: is_many,
                    many: is_many,
                    other_column: (!is_many).then_some(id),
                }
            }
            Ir::Definition(definition_index) => match program.definitions.try_get(definition_index as usize) {
                Some(definition) if !definition.failed => provenance_of(definition.root),
                _ => FanOutProvenance::default(),
            },
            // A column in any operand may determine the branch. The branches are separate values.
            Ir::Case(arms) | Ir::Switch { arms, .. } => {
                let depends_on_many = program
                    .operands(id)
                    .any(|operand| provenance_of(operand).depends_on_many);
                FanOutProvenance {
                    depends_on_many,
                    ..combine_alternative_provenances(program.branches(arms).map(provenance_of))
                }
            }
            Ir::Coalesce(args) => combine_alternative_provenances(program.args(args).iter().map(|a| provenance_of(*a))),
            // A join does not repeat a value that is already aggregated.
            Ir::Aggregate { .. } | Ir::CountRows => FanOutProvenance::default(),
            // A condition on columns of the `many` relation selects rows of this relation.
            _ if program.meta(id).ty == Type::Boolean => {
                let provenance = combine_fan_out_provenances(program.operands(id).map(provenance_of));
                FanOutProvenance {
                    other_column: provenance.other_column.filter(|_| !provenance.many),
                    ..provenance
                }
            }
            Ir::Apply { overload, args } if contains_each_operand(program, overload, program.args(args)) => {
                combine_alternative_provenances(program.args(args).iter().map(|a| provenance_of(*a)))
            }
            _ => combine_fan_out_provenances(program.operands(id).map(provenance_of)),
        };
        fan_out_provenances.push(provenance);
    }
    fan_out_provenances
}

/// Returns whether the result of a call contains each operand unchanged, so that an aggregate of the result counts
/// every operand. This is the case for the operands of a sum or a concatenation, but not for the factors of a product
/// or the dates of a difference.
fn contains_each_operand(program: &Program, overload: OverloadId, args: &[IrId]) -> bool {
    match catalog::overload_owner(overload) {
        internal::ADD | internal::SUBTRACT => args.iter().all(|a| !program.meta(*a).ty.is_temporal()),
        internal::CONCAT
        | internal::TEXT_LIST
        | internal::ROW_SUM
        | internal::ROW_AVERAGE
        | internal::ROW_MIN
        | internal::ROW_MAX
        | internal::ROW_MEDIAN
        | internal::ROW_COUNT => true,
        _ => false,
    }
}

/// Combines the provenance of values that together form one value. The result is not repeated if one of the values
/// comes only from the `many` relation.
fn combine_fan_out_provenances(parts: impl Iterator<Item = FanOutProvenance>) -> FanOutProvenance {
    let mut provenance = FanOutProvenance::default();
    let mut clean = false;
    for part in parts {
        provenance.depends_on_many |= part.depends_on_many;
        provenance.many |= part.many;
        clean |= part.many && part.other_column.is_none();
        provenance.other_column = provenance.other_column.or(part.other_column);
    }
    FanOutProvenance {
        other_column: provenance.other_column.filter(|_| !clean),
        ..provenance
    }
}

/// Combines the provenance of alternative values, such as the branches of a CASE.
fn combine_alternative_provenances(parts: impl Iterator<Item = FanOutProvenance>) -> FanOutProvenance {
    parts.fold(FanOutProvenance::default(), |provenance, part| FanOutProvenance {
        depends_on_many: provenance.depends_on_many | part.depends_on_many,
        many: provenance.many | part.many,
        other_column: provenance.other_column.or(part.other_column),
    })
}
