//! Warns about formulas that treat rows as periods. OFFSET and ranges count rows, so their results are wrong if a
//! period has no row.

use crate::Type;
use crate::catalog::{self, internal};
use crate::check::{ColumnPeriod, DatePart, DefinitionRole, date_part, key_period};
use crate::diag::{Code, Diagnostic};
use crate::ir::{CalendarPeriod, CalendarUnit, FrameBound, Ir, IrId, Program, WindowFrame};
use crate::plan::{StepInput, StepPlan, split_timeframe, used_definitions};

/// Reference to other rows that counts rows instead of periods.
enum RowCountingKind {
    /// OFFSET by a number of rows, or INDEX of a row next to another row. `sign` is `-` for earlier rows.
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

/// Key that orders the rows, with the names that messages use for it.
struct RowOrderKey<'k> {
    text: &'k str,
    unit: &'k str,
    /// Timeframe for the key `fill` in help text.
    timeframe: &'k str,
    /// Whether the step groups by a plain column. `fill` can name a timeframe only if the step groups by the timeframe
    /// instead.
    is_column: bool,
    /// Whether the formula belongs to a metric set. The models that use the metric set may group by other calendar
    /// units.
    is_of_set: bool,
}

impl RowOrderKey<'_> {
    /// Returns the condition under which rows are not periods.
    fn missing_periods_description(&self) -> String {
        match self.is_of_set {
            true => format!("a period of `{}` is missing", self.text),
            false => format!("a value of `{}` is missing", self.text),
        }
    }

    /// Returns help text for adding the missing periods.
    fn fill_help(&self) -> String {
        match (self.is_of_set, CalendarPeriod::from_name(self.unit)) {
            (true, _) => "add `fill` to the models that use the metric".to_owned(),
            (false, Some(_)) if self.is_column => {
                format!(
                    "group and order by `{0}[{1}]`, and add `fill: {1}`",
                    self.text, self.timeframe
                )
            }
            // Only periods of at least a day can be filled.
            (false, Some(_)) => format!(
                "add `fill: {}` to the step that groups by `{}`",
                self.timeframe, self.text
            ),
            (false, None) => format!("add a row for each {} in an earlier step", self.unit),
        }
    }

    /// Returns help text that suggests a formula. `formula` returns the formula for a calendar unit.
    fn calendar_help(&self, formula: impl Fn(&str) -> String, purpose: &str) -> String {
        let (unit, which) = match self.is_of_set {
            true => (
                "unit".to_owned(),
                ", where `unit` is the period by which the models group, such as `\"month\"`",
            ),
            false => (format!("\"{}\"", self.unit), ""),
        };
        format!("write `{}` {purpose}{which}, or {}", formula(&unit), self.fill_help())
    }
}

/// Warns once per definition about an OFFSET or range if the rows are ordered by a date and each row or group
/// represents a period. If a period has no row, the previous row is not the row of the previous period. `before`
/// contains the truncated columns of the previous step. `is_of_set` is `true` if the formulas are those of a metric
/// set.
pub(super) fn check_missing_periods(
    plan: &StepPlan<'_>,
    input: &StepInput<'_>,
    before: &[ColumnPeriod],
    (in_sheet, is_of_set): (bool, bool),
    text: &str,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let program = plan.program;
    let dated = |index: usize| {
        let root = program.definitions[index].root;
        let is_period = match (program.node(root), plan.grouped) {
            (Ir::Definition(definition_index), true) => plan.keys[definition_index as usize],
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
    let with_role = |role: DefinitionRole| {
        let indexes = 0..program.definitions.len();
        indexes.filter(move |i| plan.roles[*i] == role && !program.definitions[*i].failed)
    };
    let text_of = |i: usize| program.definitions[i].span.text(text).trim();
    // A partition key has the same value in all rows of a partition, so it does not order them.
    let is_constant = |i: usize| {
        with_role(DefinitionRole::PartitionBy)
            .any(|partition_index| text_of(partition_index).eq_ignore_ascii_case(text_of(i)))
    };
    let mut ordered = with_role(DefinitionRole::OrderBy).filter(|i| !is_constant(*i));
    let Some(order) = ordered.next().filter(|order| dated(*order)) else {
        return;
    };
    // With the keys `[ordered_at[year], ordered_at[month_num]]`, each row is a month and not a year.
    let part = |i: usize| date_part(program, program.definitions[i].root);
    let of_key = part(order);
    let is_shorter = |part: DatePart| {
        of_key.is_some_and(|key| {
            part != key && part.date == key.date && !part.is_within(key, program.fiscal_month_offset)
        })
    };
    if ordered.any(|i| part(i).is_some_and(is_shorter)) {
        return;
    }
    let live = used_definitions(plan);
    let key = program.definitions[order].span.text(text).trim();
    let root = program.definitions[order].root;
    let period = key_period(program, root, before);
    let unit = period.map_or_else(|| key_calendar_unit(key), CalendarUnit::name);
    // In the help, `fill` needs the name of the key's timeframe.
    let fiscal = format!("fiscal_{unit}");
    let is_fiscal = key.to_ascii_lowercase().contains(&fiscal);
    let order_key = RowOrderKey {
        text: if is_of_set { split_timeframe(key).0 } else { key },
        unit,
        timeframe: if is_fiscal { &fiscal } else { unit },
        is_column: plan.grouped && period.is_none() && matches!(program.node(root), Ir::Column(_)),
        is_of_set,
    };
    // OFFSET of the key itself, as in `ordered_on - OFFSET(ordered_on, -1)`, intentionally reads the date of the
    // previous row.
    let is_of_key = |counting_kind: &RowCountingKind| match counting_kind {
        RowCountingKind::Offset { value, .. } => {
            let of_value = date_part(program, *value);
            of_value.zip(of_key).is_some_and(|(value, key)| value.date == key.date)
        }
        RowCountingKind::Range { .. } => false,
    };
    let definitions = program
        .definitions
        .iter()
        .zip(&live)
        .filter(|(d, live)| **live && !d.failed);
    for (definition, _) in definitions {
        let mut ids = (definition.first.0..=definition.root.0).map(IrId);
        let row_counting = ids.find_map(|id| {
            Some((
                id,
                row_counting_kind(program, id).filter(|counting_kind| !is_of_key(counting_kind))?,
            ))
        });
        diagnostics.extend(row_counting.and_then(|(id, counting_kind)| {
            missing_period_warning(program, id, counting_kind, &order_key, in_sheet, text)
        }));
    }
}

fn missing_period_warning(
    program: &Program,
    id: IrId,
    counting_kind: RowCountingKind,
    key: &RowOrderKey<'_>,
    in_sheet: bool,
    text: &str,
) -> Option<Diagnostic> {
    let (message, help) = match counting_kind {
        RowCountingKind::Offset { .. } if in_sheet => (
            format!(
                "the cell is in another row, and that row belongs to the wrong period if {}",
                key.missing_periods_description()
            ),
            key.fill_help(),
        ),
        RowCountingKind::Offset { value, sign, rows } => {
            let value_text = program.meta(value).span.excerpt(text);
            let Ir::Number(digits) = program.node(rows) else {
                return None;
            };
            let rows = program.text(digits);
            (
                format!(
                    "`OFFSET` counts rows, so it reads the wrong period if {}",
                    key.missing_periods_description()
                ),
                key.calendar_help(
                    |unit| format!("PERIODOFFSET({value_text}, {sign}{rows}, {unit})"),
                    "to move by calendar periods",
                ),
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
            let argument_text = parts
                .filter(|part| !part.is_empty() && !part.contains(['(', '!']))
                .find(|_| !in_sheet);
            (
                match key.is_of_set {
                    true => format!(
                        "the range covers {rows}, so it spans more periods than rows if {}",
                        key.missing_periods_description()
                    ),
                    false => format!(
                        "the range covers {rows}, so it spans more {1}s than rows if `{0}` has no row for some {1}",
                        key.text, key.unit
                    ),
                },
                match argument_text.filter(|_| ends_here) {
                    Some(value_text) => key.calendar_help(
                        |unit| format!("PERIODOFFSET({value_text}, -{back}, {unit}):{value_text}"),
                        "for a range of calendar periods",
                    ),
                    None => key.fill_help(),
                },
            )
        }
    };
    Some(Diagnostic::new(Code::RowsNotPeriods, program.meta(id).span, message).with_help(help))
}

fn row_counting_kind(program: &Program, id: IrId) -> Option<RowCountingKind> {
    let (call, over) = match program.node(id) {
        Ir::Window { call, over } => (call, over),
        Ir::RowLookup { args, lookup } => return row_counting_kind_of_index(program, program.args(args), lookup),
        _ => return None,
    };
    // A range across the columns of a pivot stays in the same row, so it counts no rows.
    if let WindowFrame::Across(_) = program.window_frame(over) {
        return None;
    }
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

/// Returns the counted rows of an INDEX whose row number is relative to a row of the sheet, such as `ROW() - 1` or
/// `MATCH(A1, A:A, 0) - 1`.
fn row_counting_kind_of_index(program: &Program, args: &[IrId], lookup: u32) -> Option<RowCountingKind> {
    let [number, _, value] = *args else { return None };
    let lookup = program.lookups.try_get(lookup as usize)?;
    let Ir::Apply { overload, args } = program.node(program.resolve_references(number)) else {
        return None;
    };
    let (sign, [left, right]) = match (catalog::overload_owner(overload), program.args(args)) {
        (internal::SUBTRACT, [left, right]) => ("-", [*left, *right]),
        (internal::ADD, [left, right]) => ("", [*left, *right]),
        _ => return None,
    };
    let is_position = |id: IrId| match program.node(program.resolve_references(id)) {
        Ir::Window { call, .. } => matches!(program.node(call), Ir::Apply { overload, .. }
            if catalog::overload_owner(overload) == internal::ROW_NUMBER),
        Ir::RowLookup { args, .. } => program.args(args).len() == 2,
        _ => false,
    };
    let rows = match (program.node(left), program.node(right)) {
        (_, Ir::Number(_)) if is_position(left) => right,
        (Ir::Number(_), _) if is_position(right) => left,
        _ => return None,
    };
    (lookup.by_number && lookup.tab.is_none()).then_some(RowCountingKind::Offset { value, sign, rows })
}

/// Returns the calendar unit in a key's timeframe or name, or `day` if neither contains a unit.
fn key_calendar_unit(key: &str) -> &'static str {
    let key = key.to_ascii_lowercase();
    let unit_text = key.split_once('[').map_or(key.as_str(), |(_, frame)| frame);
    let units = ["day", "week", "month", "quarter", "year"].into_iter();
    // If the name contains several units, as in `birthday_month`, use the last one.
    let last = units.filter_map(|unit| Some((unit_text.rfind(unit)?, unit))).max();
    last.map_or("day", |(_, unit)| unit)
}
