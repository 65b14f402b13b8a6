//! Reports calendar offsets and calendar ranges whose unit does not fit the periods of the sort key. For example, a
//! table with one row per month has no row for the previous week.

use crate::ast::Ast;
use crate::catalog::{self, internal};
use crate::check::{CheckScope, DefinitionRole, find_sort_key_to_shift};
use crate::diag::{Code, Diagnostic};
use crate::ir::{CalendarRangeEnd, CalendarUnit, Ir, IrId, Program, WindowFrame};
use crate::span::Span;

/// Lower-case name of an input column that is truncated to calendar periods, with the unit of the truncation.
pub type ColumnPeriod = (String, CalendarUnit);

/// Reports each unit that does not fit the periods of the sort key, and marks the definitions as failed. Runs after the
/// types of all keys are known.
pub(in crate::check) fn check_period_units(
    ast: &Ast,
    source: &str,
    scope: &CheckScope<'_>,
    program: &mut Program,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let lowered = ast.definitions.iter().zip(&program.definitions);
    let ordered = lowered.filter(|(d, lowered)| scope.role(d.part) == DefinitionRole::OrderBy && !lowered.failed);
    let order: Vec<IrId> = ordered.map(|(_, lowered)| lowered.root).collect();
    let key = find_sort_key_to_shift(program, order.into_iter());
    let Some((key, frame)) = key.and_then(|key| Some((key, key_period(program, key, scope.column_periods)?))) else {
        return;
    };
    let key = program.meta(key).span;
    let key_text = key.excerpt(source);
    for position in 0..program.order.len() {
        let Some(index) = program.order.get(position).map(|index| *index as usize) else {
            break;
        };
        let definition = &program.definitions[index];
        if definition.failed {
            continue;
        }
        let mut failed = false;
        for id in (definition.first.0..=definition.root.0).map(IrId) {
            if let Ir::Definition(definition_index) = program.node(id) {
                // A definition also fails if a definition that it uses fails.
                failed |= program.definitions[definition_index as usize].failed;
            }
            let Some(unit) = find_window_unit(program, id) else {
                continue;
            };
            let span = program.meta(id).span;
            if !unit.fits_period(frame) {
                diagnostics.push(period_unit_error(unit, span, frame, (key, &key_text)));
                failed = true;
            } else if unit.moves_weeks_by_months(frame) {
                diagnostics.push(period_unit_warning(unit, span, (key, &key_text)));
            }
        }
        program.definitions[index].failed = failed;
    }
}

/// Unit of a calendar offset or a calendar range.
#[derive(Clone, Copy, Debug)]
pub struct WindowUnit {
    pub unit: CalendarUnit,
    /// Number of units of an offset. `None` for a range.
    offset: Option<i64>,
}

impl WindowUnit {
    /// Returns whether two rows can be this many units apart if the table has one row per `frame`. Weekly rows are
    /// never one to four years apart, because one to four years are never a whole number of weeks.
    pub fn fits_period(self, frame: CalendarUnit) -> bool {
        let is_few_years = |months: u64| months.is_multiple_of(12) && (1..=4).contains(&(months / 12));
        let moves_weeks_by_years = frame == CalendarUnit::Week && self.months().is_some_and(is_few_years);
        self.unit >= frame && !moves_weeks_by_years
    }

    /// Returns whether an offset shifts weekly rows by months. Only a few rows then have a matching row, because a
    /// number of months is rarely a whole number of weeks. Whole years are excluded: [`Self::fits_period`] rejects one
    /// to four years, and a longer time may be a whole number of weeks.
    pub fn moves_weeks_by_months(self, frame: CalendarUnit) -> bool {
        frame == CalendarUnit::Week && self.months().is_some_and(|months| !months.is_multiple_of(12))
    }

    /// Returns the length of an offset in months. `None` for a range and for offsets in shorter units.
    fn months(self) -> Option<u64> {
        let (length, is_in_months) = self.unit.unit_length();
        let count = self.offset.filter(|_| is_in_months)?;
        Some(count.unsigned_abs().saturating_mul(length.unsigned_abs()))
    }
}

/// Builds the warning about an offset that shifts weekly rows by months.
pub fn period_unit_warning(unit: WindowUnit, span: Span, (key, key_text): (Span, &str)) -> Diagnostic {
    let offset = unit.offset.unwrap_or_default();
    let weeks = if unit.unit == CalendarUnit::Quarter { 13 } else { 4 };
    let unit = unit.unit.name();
    let message = format!(
        "`PERIODOFFSET` moves by {unit}s, but `{key_text}` has only one value per week, so only a few rows have a match"
    );
    Diagnostic::new(Code::MonthsOfWeeks, span, message)
        .with_secondary_label(key, "one value per week")
        .with_help(format!(
            "a {unit} is not a whole number of weeks: move by {} weeks, or group and order by the {unit}",
            offset.saturating_mul(weeks)
        ))
}

/// Builds the error about a unit that does not fit the periods of the key.
pub fn period_unit_error(
    unit: WindowUnit,
    span: Span,
    frame: CalendarUnit,
    (key, key_text): (Span, &str),
) -> Diagnostic {
    let is_longer = unit.unit > frame;
    let years = unit.offset.unwrap_or_default().signum() * unit.months().map_or(0, |months| (months / 12) as i64);
    let (offset, unit, frame) = (unit.offset, unit.unit.name(), frame.name());
    let (message, help) = match offset {
        Some(_) if is_longer => (
            format!("`PERIODOFFSET` moves by {unit}s, but `{key_text}` has only one value per week, so no row matches"),
            format!(
                "a year is not a whole number of weeks: move by {} weeks",
                years.saturating_mul(52)
            ),
        ),
        Some(_) => (
            format!(
                "`PERIODOFFSET` moves by {unit}s, but `{key_text}` has only one value per {frame}, so no row matches"
            ),
            format!("use \"{frame}\" as the unit, or group and order by the {unit}"),
        ),
        None => (
            format!("the range is measured in {unit}s, but `{key_text}` has only one value per {frame}"),
            format!("use \"{frame}\" or a longer unit, or group and order by the {unit}"),
        ),
    };
    Diagnostic::new(Code::PeriodKey, span, message)
        .with_secondary_label(key, format!("one value per {frame}"))
        .with_help(help)
}

/// Returns the unit of a calendar offset, or the shorter of the units at the two ends of a calendar range.
pub fn find_window_unit(program: &Program, id: IrId) -> Option<WindowUnit> {
    match program.node(id) {
        Ir::PeriodLookup { period, .. } => program.periods.try_get(period as usize).map(|period| WindowUnit {
            unit: period.unit,
            offset: Some(period.count),
        }),
        Ir::Window { call, over } => {
            let of_end = |end: CalendarRangeEnd| match end {
                CalendarRangeEnd::Partition(_) | CalendarRangeEnd::Moved(0, _) | CalendarRangeEnd::After => None,
                CalendarRangeEnd::Moved(_, unit) => Some(unit),
                CalendarRangeEnd::Period(period, _) => Some(period.unit()),
            };
            let unit = match program.window_frame(over) {
                WindowFrame::Calendar(range) => [range.from, range.to].into_iter().filter_map(of_end).min(),
                // `FIRST(x, "year")` becomes the first value of a partition by year.
                _ => is_first_or_last_call(program, call)
                    .then(|| program.window_keys(over).first().copied())
                    .flatten()
                    .and_then(|start| truncation_unit(program, start)),
            };
            unit.map(|unit| WindowUnit { unit, offset: None })
        }
        _ => None,
    }
}

fn is_first_or_last_call(program: &Program, call: IrId) -> bool {
    let Ir::Apply { overload, .. } = program.node(call) else {
        return false;
    };
    [internal::FIRST_VALUE, internal::LAST_VALUE].contains(&catalog::overload_owner(overload))
}

/// Returns the period to which a key is truncated, in this step or, for a column in `columns`, in the input.
pub fn key_period(program: &Program, key: IrId, columns: &[ColumnPeriod]) -> Option<CalendarUnit> {
    if let Ir::Column(column) = program.node(program.resolve_references(key)) {
        let name = &program.columns.try_get(column as usize)?.name;
        return columns
            .iter()
            .find(|(column, _)| column.eq_ignore_ascii_case(name))
            .map(|(_, unit)| *unit);
    }
    truncation_unit(program, key)
}

/// Returns the unit to which a value is truncated.
fn truncation_unit(program: &Program, id: IrId) -> Option<CalendarUnit> {
    let root = program.resolve_references(id);
    match (split_truncation(program, root).1, program.node(root)) {
        (None, Ir::Apply { overload, args }) => match (catalog::overload_owner(overload), program.args(args)) {
            (internal::FISCAL_QUARTER, _) => Some(CalendarUnit::Quarter),
            (internal::FISCAL_YEAR, _) => Some(CalendarUnit::Year),
            // If the month and the day are constants, the date changes only with the year.
            (internal::DATE_FROM_PARTS, [year, month, day]) => {
                let is_number = |part: &IrId| matches!(program.node(*part), Ir::Number(_));
                truncation_unit(program, *year).filter(|_| is_number(month) && is_number(day))
            }
            _ => None,
        },
        (unit, _) => unit,
    }
}

/// Returns the operand of a truncated time, and the calendar unit of the truncation. For other nodes, returns the node
/// without a unit.
pub fn split_truncation(program: &Program, id: IrId) -> (IrId, Option<CalendarUnit>) {
    let id = program.resolve_references(id);
    let Ir::Apply { overload, args } = program.node(id) else {
        return (id, None);
    };
    let unit = match catalog::overload_owner(overload) {
        internal::TRUNC_SECOND => CalendarUnit::Second,
        internal::TRUNC_MINUTE => CalendarUnit::Minute,
        internal::TRUNC_HOUR => CalendarUnit::Hour,
        internal::TRUNC_DAY => CalendarUnit::Day,
        internal::TRUNC_WEEK | internal::TRUNC_WEEK_FROM => CalendarUnit::Week,
        internal::TRUNC_MONTH => CalendarUnit::Month,
        internal::TRUNC_QUARTER => CalendarUnit::Quarter,
        internal::TRUNC_YEAR => CalendarUnit::Year,
        _ => return (id, None),
    };
    match program.args(args).first() {
        Some(operand) => (program.resolve_references(*operand), Some(unit)),
        None => (id, None),
    }
}
