//! Lint that reports averaged rates, because the mean of rates is not the overall rate.

use std::sync::Arc;

use crate::Level;
use crate::catalog::{self, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, Program};
use crate::plan::{StepInput, StepPlan, used_definitions};
use crate::schema::{ColumnProvenance, Relation};

/// Returns the relations that a step reads.
pub(super) fn input_relations<'i>(input: &'i StepInput<'_>) -> &'i [Relation] {
    match input.joined {
        Some(joined) => &joined.relations,
        None => input.relation.map_or(&[], std::slice::from_ref),
    }
}

/// Returns whether the provenance of the step's values is needed: if a later step reads the values, or if an input
/// column is a rate.
pub(super) fn is_provenance_needed(relations: &[Relation], last: bool) -> bool {
    !last
        || relations
            .iter()
            .flat_map(Relation::columns)
            .any(|column| matches!(column.provenance(), ColumnProvenance::Ratio(_)))
}

/// Warns about sums and averages of rates. A rate is a quotient of aggregates from an earlier step.
pub(super) fn check_rate_aggregates(
    plan: &StepPlan<'_>,
    column_provenances: &[ColumnProvenance],
    relations: &[Relation],
    text: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if !plan.grouped || diagnostics.iter().any(Diagnostic::is_error) {
        return;
    }
    let program = plan.program;
    let live = used_definitions(plan);
    for (definition, _) in program
        .definitions
        .iter()
        .zip(live)
        .filter(|(d, live)| *live && !d.failed)
    {
        for id in (definition.first.0..=definition.root.0).map(IrId) {
            let Ir::Aggregate { overload, args, .. } = program.node(id) else {
                continue;
            };
            let aggregate_name = match catalog::overload_owner(overload) {
                internal::AVERAGE => "mean",
                internal::SUM => "sum",
                _ => continue,
            };
            let Some(value) = program.args(args).first() else {
                continue;
            };
            let Some(ColumnProvenance::Ratio(parts)) = column_provenances.get(value.index()) else {
                continue;
            };
            let span = program.meta(id).span;
            if diagnostics
                .iter()
                .any(|d| d.kind() == Code::RateAveraged && d.span() == span)
            {
                continue;
            }
            let is_input_column = |name: &&str| relations.iter().any(|r| r.column(name).is_some());
            let help = match [
                Some(&*parts.0).filter(is_input_column),
                Some(&*parts.1).filter(is_input_column),
            ] {
                [Some(a), Some(b)] => format!("divide the sums: `SUM({a}) / SUM({b})`"),
                _ => "return the numerator and the denominator as columns of the previous step, and divide their sums \
                    here"
                    .to_owned(),
            };
            diagnostics.push(
                Diagnostic::new(
                    Code::RateAveraged,
                    span,
                    format!(
                        "`{}` returns the {aggregate_name} of rates, which is not the overall rate",
                        span.excerpt(text)
                    ),
                )
                .with_help(help),
            );
        }
    }
}

/// Returns the provenance of each node. Operands come before the nodes that use them.
pub(super) fn column_provenances(program: &Program, relations: &[Relation]) -> Vec<ColumnProvenance> {
    let mut column_provenances: Vec<ColumnProvenance> = Vec::with_capacity(program.len());
    for node in program.nodes() {
        let provenance_of = |id: IrId| column_provenances.get(id.index()).cloned().unwrap_or_default();
        let constant = |id: IrId| program.meta(id).level == Level::Const;
        let parts = |ids: &mut dyn Iterator<Item = IrId>| {
            combine_provenances(ids.filter(|id| !constant(*id)).map(provenance_of))
        };
        let provenance = match node {
            Ir::Column(column) => column_provenance(program, column, relations),
            Ir::Definition(definition_index) => match program.definitions.try_get(definition_index as usize) {
                Some(definition) if !definition.failed => provenance_of(definition.root),
                _ => ColumnProvenance::Other,
            },
            Ir::Aggregate { .. } | Ir::CountRows => ColumnProvenance::Aggregate,
            Ir::Apply { overload, args } => match (catalog::overload_owner(overload), program.args(args)) {
                (internal::DIVIDE, [a, b]) if !constant(*b) => match (provenance_of(*a), provenance_of(*b)) {
                    (ColumnProvenance::Aggregate, ColumnProvenance::Aggregate) => {
                        ColumnProvenance::Ratio(Arc::new((value_name(program, *a), value_name(program, *b))))
                    }
                    _ => ColumnProvenance::Other,
                },
                // The product of a rate and its denominator is a total again.
                (internal::MULTIPLY, [a, b]) if !constant(*a) && !constant(*b) => {
                    match (provenance_of(*a), provenance_of(*b)) {
                        (ColumnProvenance::Ratio(_), ColumnProvenance::Aggregate)
                        | (ColumnProvenance::Aggregate, ColumnProvenance::Ratio(_)) => ColumnProvenance::Aggregate,
                        _ => ColumnProvenance::Other,
                    }
                }
                (_, args) => parts(&mut args.iter().copied()),
            },
            Ir::Case(arms) | Ir::Switch { arms, .. } => parts(&mut program.branches(arms)),
            Ir::Coalesce(args) => parts(&mut program.args(args).iter().copied()),
            _ => ColumnProvenance::Other,
        };
        column_provenances.push(provenance);
    }
    column_provenances
}

fn column_provenance(program: &Program, column: u32, relations: &[Relation]) -> ColumnProvenance {
    let Some(input_column) = program.columns.try_get(column as usize) else {
        return ColumnProvenance::Other;
    };
    let is_of = |r: &&Relation| input_column.relation.as_deref().is_none_or(|name| name == r.name());
    let relation_column = relations
        .iter()
        .filter(is_of)
        .find_map(|r| r.column(&input_column.name));
    relation_column
        .map(|column| column.provenance().clone())
        .unwrap_or_default()
}

/// Combines the provenance of several values. The result is a total if all values are totals, and a rate if all values
/// are rates.
fn combine_provenances(mut parts: impl Iterator<Item = ColumnProvenance>) -> ColumnProvenance {
    let Some(first) = parts.next() else {
        return ColumnProvenance::Other;
    };
    let has_same_kind = |part: ColumnProvenance| {
        matches!(
            (&first, part),
            (ColumnProvenance::Aggregate, ColumnProvenance::Aggregate)
                | (ColumnProvenance::Ratio(_), ColumnProvenance::Ratio(_))
        )
    };
    if parts.all(has_same_kind) {
        first
    } else {
        ColumnProvenance::Other
    }
}

/// Returns the name of a value if the value is a column or a definition. Returns an empty string for other values.
fn value_name(program: &Program, id: IrId) -> String {
    match program.node(id) {
        Ir::Column(column) => program.columns.try_get(column as usize).map(|c| c.name.to_string()),
        Ir::Definition(definition_index) => program
            .definitions
            .try_get(definition_index as usize)
            .and_then(|d| d.name.as_deref())
            .map(str::to_owned),
        // Use the name of the operand, because a cast or guard does not change the number.
        Ir::Apply { args, .. } => match program.args(args) {
            [operand] => return column_or_definition_name(program, *operand),
            _ => None,
        },
        _ => None,
    }
    .unwrap_or_default()
}

fn column_or_definition_name(program: &Program, id: IrId) -> String {
    match program.node(id) {
        Ir::Column(_) | Ir::Definition(_) => value_name(program, id),
        _ => String::new(),
    }
}
