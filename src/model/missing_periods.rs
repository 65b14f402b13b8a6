//! Warns about formulas that treat rows as periods. OFFSET and ranges count rows, so their results are wrong if a
//! period has no row. Also reports calendar offsets that are shorter than a period.

use super::additivity::StepColumns;
use crate::Type;
use crate::catalog::{self, internal};
use crate::check::{DefinitionRole, find_sort_key_to_shift};
use crate::diag::{Code, Diagnostic};
use crate::ir::{CalendarEnd, CalendarUnit, FrameBound, Ir, IrId, Program, WindowFrame};
use crate::plan::{StepInput, StepPlan, split_truncation, used_definitions};
use crate::span::Span;

/// Way in which a value reads other rows by counting rows.
enum RowCountingKind {
    /// OFFSET by a number of rows. `sign` is `-` for earlier rows.
    Offset {
        value: IrId,
        sign: &'static str,
        rows: IrId,
    },
    /// Range of rows, with the number of rows if known.
    Range {
        value: Option<IrId>,
        rows: Option<i64>,
        ends_here: bool,
    },
}

/// Warns once per definition about an OFFSET or range if the rows are ordered by a date and each row or group
/// represents a period. If a period has no row, the previous row is not the row of the previous period. `before`
/// contains the columns of the previous step.
pub(super) fn check_gaps(
    plan: &StepPlan<'_>,
    input: &StepInput<'_>,
    before: Option<&StepColumns>,
    in_sheet: bool,
    text: &str,
    found: &mut Vec<Diagnostic>,
) {
    let program = plan.program;
    let dated = |index: usize| {
        let root = program.definitions[index].root;
        let is_period = match (program.node(root), plan.grouped) {
            (Ir::Definition(used), true) => plan.keys[used as usize],
            // In a grouped step, `order_by` must refer to a key.
            (Ir::Column(_) | Ir::Apply { .. }, true) => true,
            (Ir::Column(column), false) => {
                let name = &program.columns[column as usize].name;
                input.grain.iter().any(|g| g.eq_ignore_ascii_case(name))
            }
            _ => false,
        };
        is_period && program.meta(root).ty == Type::Date
    };
    let count = program.definitions.len();
    let Some(order) = (0..count).find(|i| plan.roles[*i] == DefinitionRole::OrderBy && !program.definitions[*i].failed)
    else {
        return;
    };
    if !dated(order) {
        return;
    }
    let live = used_definitions(plan);
    let key = program.definitions[order].span.text(text).trim();
    let root = program.definitions[order].root;
    let unit = key_period(program, root, before).map_or_else(|| key_unit(key), CalendarUnit::name);
    let definitions = program
        .definitions
        .iter()
        .zip(&live)
        .filter(|(d, live)| **live && !d.failed);
    for (definition, _) in definitions {
        let mut ids = (definition.first.0..=definition.root.0).map(IrId);
        let counted = ids.find_map(|id| counted_rows(program, id).map(|counted| (id, counted)));
        found.extend(counted.and_then(|(id, counted)| gap_warning(program, id, counted, (key, unit), in_sheet, text)));
    }
}

fn gap_warning(
    program: &Program,
    id: IrId,
    counted: RowCountingKind,
    (key, unit): (&str, &str),
    in_sheet: bool,
    text: &str,
) -> Option<Diagnostic> {
    let (message, help) = match counted {
        RowCountingKind::Offset { .. } if in_sheet => (
            format!(
                "the cell is in another row, and that row belongs to the wrong period if a value of `{key}` is missing"
            ),
            format!("add a row for each {unit} in an earlier step"),
        ),
        RowCountingKind::Offset { value, sign, rows } => {
            let of = program.meta(value).span.excerpt(text);
            let Ir::Number(digits) = program.node(rows) else {
                return None;
            };
            let rows = program.text(digits);
            (
                format!("`OFFSET` counts rows, so it reads the wrong period if a value of `{key}` is missing"),
                format!("write `PERIODOFFSET({of}, {sign}{rows}, \"{unit}\")` to move by calendar periods"),
            )
        }
        RowCountingKind::Range { value, rows, ends_here } => {
            let back = rows.map_or(1, |rows| rows - 1);
            let rows = rows.map_or_else(|| "rows".to_owned(), |rows| format!("{rows} rows"));
            let range = value
                .map(|value| program.meta(value).span.excerpt(text))
                .unwrap_or_default();
            let parts = [range.rsplit(':').next(), range.split(':').next()]
                .into_iter()
                .flatten()
                .map(str::trim);
            let of = parts
                .filter(|part| !part.is_empty() && !part.contains(['(', '!']))
                .find(|_| !in_sheet);
            (
                format!("the range covers {rows}, so it spans a longer time if `{key}` has no row for some {unit}"),
                match of.filter(|_| ends_here) {
                    Some(of) => format!(
                        "write `PERIODOFFSET({of}, -{back}, \"{unit}\"):{of}` for a range of calendar periods, or add \
                            a row for each missing {unit} in an earlier step"
                    ),
                    None => format!("add a row for each missing {unit} in an earlier step"),
                },
            )
        }
    };
    Some(Diagnostic::new(Code::RowsNotPeriods, program.meta(id).span, message).with_help(help))
}

fn counted_rows(program: &Program, id: IrId) -> Option<RowCountingKind> {
    let Ir::Window { call, over } = program.node(id) else {
        return None;
    };
    if let WindowFrame::Rows { from, to } = program.window_frame(over) {
        let rows = match (from, to) {
            (FrameBound::At(0), FrameBound::At(0)) => return None,
            (FrameBound::At(from), FrameBound::At(to)) => Some(i64::from(to) - i64::from(from) + 1),
            // Missing rows do not affect a range over all rows up to the current row, as in a running sum.
            (FrameBound::First, FrameBound::At(0)) | (FrameBound::At(0), FrameBound::Last) => return None,
            (FrameBound::At(_), _) | (_, FrameBound::At(_)) => None,
            _ => return None,
        };
        let value = match program.node(call) {
            Ir::Apply { args, .. } | Ir::Aggregate { args, .. } => program.args(args).first().copied(),
            _ => None,
        };
        // Only a range that ends at the current row has a simple calendar counterpart.
        let ends_here = to == FrameBound::At(0);
        return Some(RowCountingKind::Range { value, rows, ends_here });
    }
    let Ir::Apply { overload, args } = program.node(call) else {
        return None;
    };
    let sign = match catalog::overload_owner(overload) {
        internal::LAG => "-",
        internal::LEAD => "",
        _ => return None,
    };
    match program.args(args) {
        [value, rows] => Some(RowCountingKind::Offset {
            value: *value,
            sign,
            rows: *rows,
        }),
        _ => None,
    }
}

/// Reports calendar offsets and calendar ranges that do not fit the key's period. For example, rows per month have no
/// row for the previous week. `before` contains the columns of the previous step, which may be truncated
/// to periods.
pub(super) fn check_units(plan: &StepPlan<'_>, before: Option<&StepColumns>, text: &str, found: &mut Vec<Diagnostic>) {
    let program = plan.program;
    let ordered = program
        .definitions
        .iter()
        .zip(&plan.roles)
        .filter(|(d, role)| **role == DefinitionRole::OrderBy && !d.failed);
    let order: Vec<IrId> = ordered.map(|(d, _)| d.root).collect();
    let Some(key) = find_sort_key_to_shift(program, order.into_iter()) else {
        return;
    };
    let Some(frame) = key_period(program, key, before) else {
        return;
    };
    for definition in program.definitions.iter().filter(|d| !d.failed) {
        for id in (definition.first.0..=definition.root.0).map(IrId) {
            let Some(unit) = calendar_unit(program, id).filter(|unit| !unit.fits(frame)) else {
                continue;
            };
            let key = program.meta(key).span;
            found.push(unit_fault(
                unit,
                program.meta(id).span,
                frame,
                (key, &key.excerpt(text)),
            ));
        }
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
    /// Returns whether rows with one value per `frame` can be this far apart. The start of a week moved by one to four
    /// years is never the start of a week, because so many years are never a whole number of weeks.
    pub fn fits(self, frame: CalendarUnit) -> bool {
        let moves_weeks_by_years = frame == CalendarUnit::Week
            && self.unit == CalendarUnit::Year
            && self.offset.is_some_and(|years| (1..=4).contains(&years.unsigned_abs()));
        self.unit >= frame && !moves_weeks_by_years
    }
}

/// Builds the error about a unit that does not fit the periods of the key.
pub fn unit_fault(unit: WindowUnit, span: Span, frame: CalendarUnit, (key, named): (Span, &str)) -> Diagnostic {
    let is_longer = unit.unit > frame;
    let (offset, unit, frame) = (unit.offset, unit.unit.name(), frame.name());
    let (message, help) = match offset {
        Some(years) if is_longer => (
            format!("`PERIODOFFSET` moves by years, but `{named}` has only one value per week, so no row matches"),
            format!(
                "a year is not a whole number of weeks: move by {} weeks",
                years.saturating_mul(52)
            ),
        ),
        Some(_) => (
            format!("`PERIODOFFSET` moves by {unit}s, but `{named}` has only one value per {frame}, so no row matches"),
            format!("move by \"{frame}\", or group and order by the {unit}"),
        ),
        None => (
            format!("the range is measured in {unit}s, but `{named}` has only one value per {frame}"),
            format!("use \"{frame}\" or a longer unit, or group and order by the {unit}"),
        ),
    };
    Diagnostic::new(Code::PeriodKey, span, message)
        .with_secondary_label(key, format!("one value per {frame}"))
        .with_help(help)
}

/// Returns the unit of a calendar offset, or the shorter unit of a calendar range.
pub fn calendar_unit(program: &Program, id: IrId) -> Option<WindowUnit> {
    match program.node(id) {
        Ir::PeriodLookup { period, .. } => program.periods.get(period as usize).map(|period| WindowUnit {
            unit: period.unit,
            offset: Some(period.count),
        }),
        Ir::Window { call, over } => {
            let of_end = |end: CalendarEnd| match end {
                CalendarEnd::Partition(_) | CalendarEnd::Moved(0, _) | CalendarEnd::After => None,
                CalendarEnd::Moved(_, unit) => Some(unit),
                CalendarEnd::Period(period, _) => Some(period.unit()),
            };
            let unit = match program.window_frame(over) {
                WindowFrame::Calendar(range) => [range.from, range.to].into_iter().filter_map(of_end).min(),
                // `FIRST(x, "year")` is the first value of a partition by year.
                _ => is_first_or_last_call(program, call)
                    .then(|| program.partition_keys(over).first().copied())
                    .flatten()
                    .and_then(|start| truncation(program, start)),
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

/// Returns the period to which a key is truncated, in this step or the previous step.
fn key_period(program: &Program, key: IrId, before: Option<&StepColumns>) -> Option<CalendarUnit> {
    if let Ir::Column(column) = program.node(program.resolve_names(key)) {
        let name = &program.columns.get(column as usize)?.name;
        let unit = before?.unit(name)?;
        return CalendarUnit::ALL.into_iter().find(|one| one.name() == unit);
    }
    truncation(program, key)
}

/// Returns the unit to which a value is truncated.
fn truncation(program: &Program, id: IrId) -> Option<CalendarUnit> {
    let root = program.resolve_names(id);
    match (split_truncation(program, root).1, program.node(root)) {
        (None, Ir::Apply { overload, args }) => match (catalog::overload_owner(overload), program.args(args)) {
            (internal::FISCAL_QUARTER, _) => Some(CalendarUnit::Quarter),
            (internal::FISCAL_YEAR, _) => Some(CalendarUnit::Year),
            // The same day of each fiscal year.
            (internal::DATE_FROM_PARTS, [year, month, day]) => {
                let is_number = |part: &IrId| matches!(program.node(*part), Ir::Number(_));
                truncation(program, *year).filter(|_| is_number(month) && is_number(day))
            }
            _ => None,
        },
        (unit, _) => unit,
    }
}

/// Returns the calendar unit in a key's timeframe or name, or `day` if neither contains a unit.
fn key_unit(key: &str) -> &'static str {
    let key = key.to_ascii_lowercase();
    let named = key.split_once('[').map_or(key.as_str(), |(_, frame)| frame);
    let units = ["day", "week", "month", "quarter", "year"].into_iter();
    // If the name contains several units, as in `birthday_month`, use the last one.
    let last = units.filter_map(|unit| Some((named.rfind(unit)?, unit))).max();
    last.map_or("day", |(_, unit)| unit)
}
