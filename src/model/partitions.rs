//! Lint for partitions in which windows find no other rows.

use super::load::Step;
use crate::check::{DefinitionRole, find_sort_key_to_shift, split_truncation};
use crate::diag::{Code, Diagnostic};
use crate::ir::{CalendarUnit, Ir, IrId, Program, WindowFrame};
use crate::plan::{StepPlan, used_definitions};

/// Warns once per step about windows that read only a single row because each group is a separate partition. Also warns
/// about calendar offsets that always point outside the partition.
pub(super) fn check_partitions(plan: &StepPlan<'_>, step: &Step<'_>, text: &str, found: &mut Vec<Diagnostic>) {
    let program = plan.program;
    let people_with_role = |role: DefinitionRole| -> Vec<IrId> {
        let places = (0..program.definitions.len()).filter(|i| plan.roles[*i] == role);
        places
            .filter(|i| !program.definitions[*i].failed)
            .map(|i| program.definitions[i].root)
            .collect()
    };
    let (keys, order) = (
        people_with_role(DefinitionRole::GroupBy),
        people_with_role(DefinitionRole::OrderBy),
    );
    let said = step.partition_by.is_some();
    let named = |id: IrId| program.meta(id).span.text(text).trim();
    let is_among = |id: IrId, ids: &[IrId]| {
        ids.iter().any(|other| {
            let same = matches!(program.node(id), Ir::Column(_) | Ir::Definition(_))
                && program.node(id) == program.node(*other);
            same || named(id).eq_ignore_ascii_case(named(*other))
        })
    };
    let partition: Vec<IrId> = if said {
        people_with_role(DefinitionRole::PartitionBy)
    } else if order.is_empty() {
        Vec::new()
    } else {
        keys.iter().copied().filter(|key| !is_among(*key, &order)).collect()
    };
    if partition.is_empty() {
        return;
    }
    let live = used_definitions(plan);
    let definitions = program
        .definitions
        .iter()
        .zip(&live)
        .filter(|(d, live)| **live && !d.failed);
    let nodes: Vec<IrId> = definitions
        .flat_map(|(d, _)| (d.first.0..d.root.0 + 1).map(IrId))
        .collect();
    if plan.grouped && !keys.is_empty() && keys.iter().all(|key| is_among(*key, &partition)) {
        let looks = |id: &IrId| match program.node(*id) {
            Ir::Window { over, .. } => said || !matches!(program.window_frame(over), WindowFrame::Ranked { .. }),
            _ => false,
        };
        if let Some(window) = nodes.iter().copied().find(looks) {
            let names: Vec<String> = keys.iter().map(|key| format!("`{}`", named(*key))).collect();
            let names = names.join(" and ");
            let span = program.meta(window).span;
            let message = format!(
                "each combination of {names} is a separate partition, so `{}` reads only one row",
                span.excerpt(text)
            );
            let help = if said {
                format!("remove {names} from `partition_by`, or write `partition_by: []` to include all groups")
            } else {
                format!("write `partition_by: []` to include all groups, or order by only one of the keys {names}")
            };
            found.push(Diagnostic::new(Code::PartitionOfOne, span, message).with_help(help));
        }
    }
    check_frames(program, &nodes, &partition, &order, text, found);
}

/// Warns about calendar offsets that always lead out of the partition. For example, no row of a partition by year is
/// one year earlier than another row.
fn check_frames(
    program: &Program,
    nodes: &[IrId],
    partition: &[IrId],
    order: &[IrId],
    text: &str,
    found: &mut Vec<Diagnostic>,
) {
    let Some(key) = find_sort_key_to_shift(program, order.iter().copied()) else {
        return;
    };
    let Some((moved, _)) = key_timeframe(program, key) else {
        return;
    };
    let frames = partition.iter().filter_map(|id| {
        let (column, unit) = key_timeframe(program, *id)?;
        Some((*id, unit.filter(|_| column == moved)?))
    });
    let frames: Vec<(IrId, CalendarUnit)> = frames.collect();
    let leaves = |id: IrId| {
        let Ir::PeriodLookup { period, .. } = program.node(id) else {
            return None;
        };
        let (distance, months) = program.periods[period as usize].distance();
        let frame = frames.iter().find(|(_, unit)| match (unit.unit_length(), months) {
            ((length, of_months), _) if of_months == months => distance.abs() >= length,
            // An offset in months always leads out of a day or a week. An offset in days may remain within a month, so
            // it is not reported.
            ((_, of_months), months) => months && !of_months,
        })?;
        Some((id, *frame))
    };
    let Some((lookup, (frame, unit))) = nodes.iter().copied().find_map(leaves) else {
        return;
    };
    let span = program.meta(lookup).span;
    let named = |id: IrId| program.meta(id).span.text(text).trim();
    let (name, key) = (named(frame), named(key));
    let unit = unit.name();
    let message = format!(
        "`{}` reads another {unit}, but a partition contains only rows with the same `{name}`",
        span.excerpt(text)
    );
    let diagnostic = Diagnostic::new(Code::PeriodOutsidePartition, span, message)
        .with_secondary_label(program.meta(frame).span, "the same in all rows of a partition")
        .with_help(format!(
            "remove `{name}` from `group_by` and `partition_by`, and compute it from `{key}` in a later step"
        ));
    found.push(diagnostic);
}

/// Returns the column of a key, and the unit if the key is truncated.
fn key_timeframe(program: &Program, id: IrId) -> Option<(u32, Option<CalendarUnit>)> {
    let (of, unit) = split_truncation(program, id);
    match program.node(of) {
        Ir::Column(column) => Some((column, unit)),
        _ => None,
    }
}
