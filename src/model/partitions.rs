//! Lint for partitions in which windows find no other rows, or not all rows of the periods that they read.

use super::load::{SpecKind, Step};
use super::window_extent::WindowExtent;
use crate::check::{DatePart, DefinitionRole, date_part, find_sort_key_to_shift, split_truncation};
use crate::diag::{Code, Diagnostic};
use crate::ir::{CalendarUnit, Ir, IrId, Program, WindowFrame};
use crate::plan::{StepPlan, used_definitions};
use crate::span::Span;
use crate::yaml;
use formulac_syntax::diag::lists::join_names;

/// Warns once per step about windows that read only a single row because each group is a separate partition. Also warns
/// about windows that would have to read periods outside the partition, and about windows that count periods of a date
/// if `order_by` also contains a shorter timeframe of this date.
pub(super) fn check_partitions(
    plan: &StepPlan<'_>,
    step: &Step<'_>,
    text: &str,
    kind: SpecKind,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let program = plan.program;
    let keys: Vec<IrId> = plan.roots_with_role(DefinitionRole::GroupBy).collect();
    let order: Vec<IrId> = plan.roots_with_role(DefinitionRole::OrderBy).collect();
    let is_explicit = step.partition_by.is_some();
    let text_of = |id: IrId| program.meta(id).span.text(text).trim();
    let is_among = |id: IrId, ids: &[IrId]| {
        ids.iter().any(|other| {
            let is_same = matches!(program.node(id), Ir::Column(_) | Ir::Definition(_))
                && program.node(id) == program.node(*other);
            is_same || text_of(id).eq_ignore_ascii_case(text_of(*other))
        })
    };
    let partition: Vec<IrId> = if is_explicit {
        plan.roots_with_role(DefinitionRole::PartitionBy).collect()
    } else if order.is_empty() {
        Vec::new()
    } else {
        keys.iter().copied().filter(|key| !is_among(*key, &order)).collect()
    };
    let live = used_definitions(plan);
    let definitions = program
        .definitions
        .iter()
        .zip(&live)
        .filter(|(d, live)| **live && !d.failed);
    let nodes: Vec<IrId> = definitions
        .flat_map(|(d, _)| (d.first.0..d.root.0 + 1).map(IrId))
        .collect();
    if plan.grouped && !keys.is_empty() && !partition.is_empty() && keys.iter().all(|key| is_among(*key, &partition)) {
        let is_window = |id: &IrId| match program.node(*id) {
            Ir::Window { over, .. } => is_explicit || !matches!(program.window_frame(over), WindowFrame::Ranked { .. }),
            _ => false,
        };
        if let Some(window) = nodes.iter().copied().find(is_window) {
            let names = keys.iter().map(|key| text_of(*key));
            let span = program.meta(window).span;
            diagnostics.push(single_row_partition_warning(
                names,
                &span.excerpt(text),
                span,
                is_explicit,
            ));
        }
    }
    let keys = StepWindowKeys {
        program,
        nodes: &nodes,
        partition: &partition,
        order: &order,
        is_explicit,
        text,
    };
    let fault = keys.offset_outside_partition_warning();
    // The default partition of expanded steps is checked before they are expanded.
    let is_checked = plan.grouped && !is_explicit && kind == SpecKind::Written;
    let fault = fault.or_else(|| keys.partition_period_warning().filter(|_| is_checked));
    diagnostics.extend(fault.or_else(|| keys.shorter_sort_key_warning().filter(|_| kind == SpecKind::Written)));
}

/// Reports a window that is partitioned by all keys, so that each partition contains only one row. `is_explicit` is
/// `true` if the step has `partition_by`.
pub(super) fn single_row_partition_warning<'k>(
    keys: impl Iterator<Item = &'k str>,
    window: &str,
    span: Span,
    is_explicit: bool,
) -> Diagnostic {
    let keys: Vec<&str> = keys.collect();
    let names = join_names(&keys, "and");
    let value = if keys.len() == 1 { "value" } else { "combination" };
    let message = format!("each {value} of {names} is a separate partition, so `{window}` reads only one row");
    let help = if is_explicit {
        format!("remove {names} from `partition_by`, or write `partition_by: []` to include all groups")
    } else {
        format!("write `partition_by: []` to include all groups, or order by only one of the keys {names}")
    };
    Diagnostic::new(Code::PartitionOfOne, span, message).with_help(help)
}

/// Keys of a step's windows.
struct StepWindowKeys<'s> {
    program: &'s Program,
    /// Nodes of the definitions that the step computes.
    nodes: &'s [IrId],
    partition: &'s [IrId],
    order: &'s [IrId],
    /// Whether the step has `partition_by`.
    is_explicit: bool,
    text: &'s str,
}

impl StepWindowKeys<'_> {
    fn name_of(&self, id: IrId) -> &str {
        self.program.meta(id).span.text(self.text).trim()
    }

    /// Returns the sort key from which windows count periods, with its date and timeframe.
    fn date_sort_key(&self) -> Option<(IrId, DatePart)> {
        let key = find_sort_key_to_shift(self.program, self.order.iter().copied())?;
        Some((key, date_part(self.program, key)?))
    }

    /// Returns a warning if a calendar offset always leads out of the partition. For example, no row of a partition by
    /// year is one year earlier than another row.
    fn offset_outside_partition_warning(&self) -> Option<Diagnostic> {
        let program = self.program;
        let key = find_sort_key_to_shift(program, self.order.iter().copied())?;
        let (moved, _) = key_column_and_unit(program, key)?;
        let frames = self.partition.iter().filter_map(|id| {
            let (column, unit) = key_column_and_unit(program, *id)?;
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
                // An offset in months always moves outside the current day or week. An offset in days may remain within
                // a month, so it is not reported.
                ((_, of_months), months) => months && !of_months,
            })?;
            Some((id, *frame))
        };
        let (lookup, (frame, unit)) = self.nodes.iter().copied().find_map(leaves)?;
        let span = program.meta(lookup).span;
        let (name, key) = (self.name_of(frame), self.name_of(key));
        let message = format!(
            "`{}` reads another {}, but a partition contains only rows with the same `{name}`",
            span.excerpt(self.text),
            unit.name()
        );
        Some(
            Diagnostic::new(Code::PeriodOutsidePartition, span, message)
                .with_secondary_label(program.meta(frame).span, "the same in all rows of a partition")
                .with_help(format!(
                    "remove `{name}` from `group_by` and `partition_by`, and compute it from `{key}` in a later step"
                )),
        )
    }

    /// Returns a warning if a partition key is a longer period or a label of the date by which the rows are ordered, so
    /// that a window would have to read periods outside the default partition.
    fn partition_period_warning(&self) -> Option<Diagnostic> {
        let program = self.program;
        let (key, of_key) = self.date_sort_key()?;
        let timeframe = |id: &IrId| {
            let part = date_part(program, *id).filter(|part| part.is_within(of_key, program.fiscal_month_offset))?;
            Some((*id, part.timeframe?))
        };
        let parts: Vec<(IrId, &str)> = self.partition.iter().filter_map(timeframe).collect();
        // PERIODOFFSET also compares the other keys in `order_by`.
        let ordered: Vec<(IrId, &str)> = self
            .order
            .iter()
            .filter(|id| **id != key)
            .filter_map(timeframe)
            .collect();
        let limiting_part = |id: IrId| {
            let extent = WindowExtent::from_node(program, id)?;
            let compared = ordered.iter().filter(|_| matches!(extent, WindowExtent::Offset { .. }));
            let mut parts = parts.iter().chain(compared);
            let part =
                parts.find(|(_, timeframe)| !extent.stays_within_timeframe(timeframe, program.fiscal_month_offset))?;
            Some((id, part.0))
        };
        let (window, part) = self.nodes.iter().copied().find_map(limiting_part)?;
        let is_part = |id: &IrId| parts.iter().any(|(part, _)| part == id);
        let others = self.partition.iter().filter(|id| !is_part(id));
        let others: Vec<String> = others.map(|id| yaml::format_flow_scalar(self.name_of(*id))).collect();
        let span = program.meta(window).span;
        let (name, key) = (self.name_of(part), self.name_of(key));
        Some(
            Diagnostic::new(
                Code::PeriodOutsidePartition,
                span,
                format!(
                    "`{}` reads only rows of the same `{name}`, because the rows are also partitioned by `{name}`, which depends on `{key}`",
                    span.excerpt(self.text)
                ),
            )
            .with_secondary_label(program.meta(part).span, "the same in all rows that the look-back reads")
            .with_help(format!(
                "write `partition_by: [{}]`, or remove `{name}` from `group_by` and compute it from `{key}` in a later step",
                others.join(", ")
            )),
        )
    }

    /// Returns a warning if a window counts periods of a date in `order_by` and `order_by` also contains a shorter
    /// timeframe of the same date, unless all rows that the window reads have the same value of the shorter timeframe.
    fn shorter_sort_key_warning(&self) -> Option<Diagnostic> {
        let program = self.program;
        let (key, of_key) = self.date_sort_key()?;
        let is_shorter = |part: DatePart| {
            let is_weekday = part.timeframe.is_some_and(|name| name.starts_with("day_of_week"));
            part != of_key
                && part.date == of_key.date
                && !is_weekday
                && !part.is_within(of_key, program.fiscal_month_offset)
        };
        let shorter = self
            .order
            .iter()
            .find(|id| date_part(program, **id).is_some_and(is_shorter))?;
        let of_shorter = date_part(program, *shorter)?;
        // The rows of a partition agree on its keys. Without `partition_by`, PERIODOFFSET also compares the other keys
        // in `order_by`.
        let is_compared = |extent| {
            self.partition.contains(shorter) || (!self.is_explicit && matches!(extent, WindowExtent::Offset { .. }))
        };
        let limited = |id: IrId| {
            let extent = WindowExtent::from_node(program, id).filter(|extent| extent.counts_from_current_key())?;
            let stays = of_shorter
                .timeframe
                .is_some_and(|name| extent.stays_within_timeframe(name, program.fiscal_month_offset));
            (!stays || !is_compared(extent)).then(|| (id, is_compared(extent)))
        };
        let (window, is_compared) = self.nodes.iter().copied().find_map(limited)?;
        let span = program.meta(window).span;
        let (key, name) = (self.name_of(key), self.name_of(*shorter));
        let effect = match is_compared {
            true => format!("but reads only rows of the same `{name}`"),
            false => format!("so `{name}` has no effect"),
        };
        let is_period = of_key.is_within(of_shorter, program.fiscal_month_offset);
        let help = match is_period {
            true => format!("begin `order_by` with `{name}`"),
            false => format!("group and order by a shorter timeframe than `{key}`"),
        };
        Some(
            Diagnostic::new(
                Code::PeriodOutsidePartition,
                span,
                format!(
                    "`{}` counts periods of `{key}`, the first date in `order_by`, {effect}",
                    span.excerpt(self.text)
                ),
            )
            .with_help(help),
        )
    }
}

/// Returns the column of a key, and the calendar unit if the key is truncated.
fn key_column_and_unit(program: &Program, id: IrId) -> Option<(u32, Option<CalendarUnit>)> {
    let (operand, unit) = split_truncation(program, id);
    match program.node(operand) {
        Ir::Column(column) => Some((column, unit)),
        _ => None,
    }
}
