//! Warns about conditions on the time key that remove earlier periods although a formula reads them. The key `since`
//! hides periods without removing them.

use crate::Type;
use crate::catalog::{self, internal};
use crate::check::{self, DefinitionRole, find_sort_key_to_shift, split_truncation};
use crate::diag::{Code, Diagnostic};
use crate::ir::{CalendarRangeEnd, CalendarUnit, FrameBound, Ir, IrId, Program, WindowFrame};
use crate::plan::{StepPlan, used_definitions};
use crate::span::Span;
use formulac_syntax::diag::lists::join_names;

/// Operand of the `AND` in a condition on rows, or the whole condition if it is not an `AND`.
#[derive(Clone, Debug)]
pub struct RowCondition {
    /// Position in the formula text.
    pub span: Span,
    /// Names of the columns on which the condition depends, in lower case.
    pub columns: Vec<String>,
    selection: RowSelection,
}

/// Rows that a condition selects.
#[derive(Clone, Debug)]
enum RowSelection {
    /// Rows for which a condition other than a comparison of the time with a constant is true.
    Other,
    /// Rows whose time is in a range that does not consist of whole days.
    Times,
    Days(SelectedDays),
}

/// Range of days that a condition selects.
#[derive(Clone, Debug)]
struct SelectedDays {
    /// First day: an ISO date or a constant formula.
    since: String,
    /// First day after the range, if the range has an end.
    end: Option<String>,
    /// Unit to which the condition truncates the time.
    period: Option<CalendarUnit>,
}

impl RowCondition {
    /// Returns the step keys that show the same rows as the condition, such as `since: 2024-01-01`. `unit` is the unit
    /// of the step's time key. The result is empty if no such keys exist: `since` shows whole periods, so both ends of
    /// the range must be ends of periods.
    pub fn equivalent_keys(&self, unit: Option<CalendarUnit>) -> Vec<String> {
        let is_first = |day: &str, unit| begins_period(day, unit);
        let (RowSelection::Days(SelectedDays { since, end, period }), Some(unit)) = (&self.selection, unit) else {
            return Vec::new();
        };
        let begins = is_first(since, unit) && is_first(since, period.unwrap_or(CalendarUnit::Day));
        if !begins || !end.as_deref().is_none_or(|end| is_first(end, unit)) {
            return Vec::new();
        }
        let until = end.as_deref().and_then(|end| check::shift_date(end, 0, -1));
        let since = format!("since: {since}");
        std::iter::once(since)
            .chain(until.map(|until| format!("until: {until}")))
            .collect()
    }

    /// Returns whether the condition compares the time with a constant, so that the selected rows have a time.
    pub const fn compares_time(&self) -> bool {
        !matches!(self.selection, RowSelection::Other)
    }
}

/// Returns whether a day is certainly the first day of a period. The first day of a week depends on settings, and the
/// value of a formula is not known.
fn begins_period(day: &str, unit: CalendarUnit) -> bool {
    let ends = |ends: &[&str]| check::is_iso_date(day) && ends.iter().any(|end| day.ends_with(end));
    match unit {
        CalendarUnit::Second | CalendarUnit::Minute | CalendarUnit::Hour | CalendarUnit::Day => true,
        CalendarUnit::Week => false,
        CalendarUnit::Month => ends(&["-01"]),
        CalendarUnit::Quarter => ends(&["-01-01", "-04-01", "-07-01", "-10-01"]),
        CalendarUnit::Year => ends(&["-01-01"]),
    }
}

/// Splits a condition at `AND`, and returns the operands that may remove earlier rows. Upper bounds and tests for NULL
/// are omitted.
pub fn row_conditions(program: &Program, root: IrId, text: &str) -> Vec<RowCondition> {
    let mut conditions = Vec::new();
    let mut stack = vec![root];
    while let Some(id) = stack.pop() {
        match program.node(id) {
            Ir::And(args) => {
                stack.extend(program.args(args));
                continue;
            }
            Ir::IsNull { .. } => continue,
            _ => {}
        }
        let Some(selection) = row_selection(program, id, text) else {
            continue;
        };
        conditions.push(RowCondition {
            span: program.meta(id).span,
            columns: columns_read(program, id),
            selection,
        });
    }
    conditions.sort_by_key(|condition| condition.span.start);
    conditions
}

/// Returns the rows that a condition selects. Returns `None` for an upper bound, which removes no earlier rows.
fn row_selection(program: &Program, id: IrId, text: &str) -> Option<RowSelection> {
    let Ir::Apply { overload, args } = program.node(id) else {
        return Some(RowSelection::Other);
    };
    let [left, right] = *program.args(args) else {
        return Some(RowSelection::Other);
    };
    let function = catalog::overload_owner(overload);
    let (time, constant, is_turned) = match (
        compared_time_column(program, left),
        compared_time_column(program, right),
    ) {
        (Some(time), None) => (time, right, false),
        (None, Some(time)) => (time, left, true),
        _ => return Some(RowSelection::Other),
    };
    let (from, after, before, until) = match is_turned {
        false => (
            internal::GREATER_EQUAL,
            internal::GREATER,
            internal::LESS,
            internal::LESS_EQUAL,
        ),
        true => (
            internal::LESS_EQUAL,
            internal::LESS,
            internal::GREATER,
            internal::GREATER_EQUAL,
        ),
    };
    if function == before || function == until {
        return None;
    }
    let Some((since, has_time)) = constant_text(program, constant, text) else {
        return Some(RowSelection::Other);
    };
    let period = time.period;
    let is_day = time.ty == Type::Date && period.is_none();
    let days = match function {
        _ if has_time => None,
        _ if function == from => Some(SelectedDays {
            since,
            end: None,
            period,
        }),
        _ if function == after && is_day => {
            let next = || format!("{} + 1", program.meta(constant).span.text(text));
            Some(SelectedDays {
                since: check::next_day(&since).unwrap_or_else(next),
                end: None,
                period,
            })
        }
        _ if function == internal::EQUAL && (is_day || period.is_some()) => {
            end_of_period(&since, period).map(|end| SelectedDays {
                since,
                end: Some(end),
                period,
            })
        }
        _ => None,
    };
    let compares = [from, after, internal::EQUAL].contains(&function);
    let without_days = if compares {
        RowSelection::Times
    } else {
        RowSelection::Other
    };
    Some(days.map_or(without_days, RowSelection::Days))
}

/// Column, or timeframe of a column, on one side of a comparison.
struct ComparedTimeColumn {
    ty: Type,
    /// Unit to which the time is truncated.
    period: Option<CalendarUnit>,
}

/// Returns the first day after the period that begins on a date. `None` if the day is not known before the query runs.
fn end_of_period(first: &str, period: Option<CalendarUnit>) -> Option<String> {
    let (months, days) = match period {
        None | Some(CalendarUnit::Day) => (0, 1),
        Some(CalendarUnit::Week) => (0, 7),
        Some(CalendarUnit::Month) => (1, 0),
        Some(CalendarUnit::Quarter) => (3, 0),
        Some(CalendarUnit::Year) => (12, 0),
        Some(_) => return None,
    };
    check::shift_date(first, months, days)
}

fn compared_time_column(program: &Program, id: IrId) -> Option<ComparedTimeColumn> {
    let ty = program.meta(id).ty;
    let mut period = None;
    let mut node_id = program.resolve_references(id);
    loop {
        match (program.node(node_id), split_truncation(program, node_id)) {
            (Ir::Column(_), _) => return Some(ComparedTimeColumn { ty, period }),
            (_, (operand, Some(unit))) => (node_id, period) = (operand, period.or(Some(unit))),
            (Ir::Apply { args, .. }, _) => node_id = conversion_operand(program, node_id, program.args(args))?,
            _ => return None,
        }
    }
}

/// Returns the operand of a conversion that the compiler has added. The conversion has the span of its operand.
fn conversion_operand(program: &Program, id: IrId, args: &[IrId]) -> Option<IrId> {
    let first = *args.first()?;
    (program.meta(first).span == program.meta(id).span).then(|| program.resolve_references(first))
}

/// Returns a constant in the form used by step keys, an ISO date or a formula, and whether it may have a time of day.
fn constant_text(program: &Program, id: IrId, text: &str) -> Option<(String, bool)> {
    let mut node_id = id;
    loop {
        match program.node(node_id) {
            Ir::Date(iso) => {
                let iso = program.text(iso);
                return Some((iso.to_owned(), !check::is_iso_date(iso)));
            }
            Ir::Apply { args, .. } => match conversion_operand(program, node_id, program.args(args)) {
                Some(inner) => node_id = inner,
                None => break,
            },
            _ => break,
        }
    }
    let is_constant = columns_read(program, id).is_empty() && !matches!(program.node(id), Ir::Definition(_));
    let has_time = program.meta(node_id).ty != Type::Date;
    is_constant.then(|| (program.meta(id).span.text(text).to_owned(), has_time))
}

/// Returns the names of the columns on which a value depends, in lower case.
fn columns_read(program: &Program, id: IrId) -> Vec<String> {
    let nodes = program.dependencies(id);
    let columns = nodes.filter_map(|id| match program.node(id) {
        Ir::Column(column) => program.columns.try_get(column as usize),
        _ => None,
    });
    columns.map(|column| column.name.to_lowercase()).collect()
}

/// Returns the position of the first node from `first` to `root` that reads earlier periods: OFFSET, PERIODOFFSET or a
/// range.
pub fn find_earlier_period_read(program: &Program, first: IrId, root: IrId) -> Option<Span> {
    let looks_back = |id: &IrId| match program.node(*id) {
        Ir::PeriodLookup { period, .. } => program
            .periods
            .try_get(period as usize)
            .is_some_and(|period| period.count < 0),
        Ir::Window { call, over } => match (program.window_frame(over), program.node(call)) {
            (WindowFrame::Ordered, Ir::Apply { overload, .. }) => catalog::overload_owner(overload) == internal::LAG,
            (WindowFrame::Rows { .. }, Ir::Apply { overload, .. })
                if catalog::overload_owner(overload) == internal::LAST_VALUE =>
            {
                false
            }
            (WindowFrame::Rows { from, .. }, _) => match from {
                FrameBound::First => true,
                FrameBound::At(rows) => rows < 0,
                FrameBound::Last => false,
            },
            (WindowFrame::Calendar(range), _) => {
                !matches!(range.from, CalendarRangeEnd::Moved(0.., _) | CalendarRangeEnd::After)
            }
            _ => false,
        },
        _ => false,
    };
    let id = (first.0..=root.0).map(IrId).find(looks_back)?;
    Some(program.meta(id).span)
}

/// Warns about conditions on the time key of a grouped step in which a formula reads earlier periods.
pub(super) fn check_hidden_periods(plan: &StepPlan<'_>, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let program = plan.program;
    let mut conditions = plan
        .roots_with_role(DefinitionRole::Where)
        .flat_map(|root| row_conditions(program, root, text))
        .peekable();
    if !plan.grouped || conditions.peek().is_none() {
        return;
    }
    let Some(key) = find_sort_key_to_shift(program, plan.roots_with_role(DefinitionRole::OrderBy)) else {
        return;
    };
    // The help suggests `since`, which needs a key that is a timeframe.
    if matches!(program.node(program.resolve_references(key)), Ir::Column(_)) {
        return;
    }
    let live = used_definitions(plan);
    let live_definitions = program
        .definitions
        .iter()
        .zip(&live)
        .filter(|(d, live)| **live && !d.failed);
    let look_back = live_definitions
        .map(|(definition, _)| find_earlier_period_read(program, definition.first, definition.root))
        .find_map(|span| span);
    let Some(look_back) = look_back else { return };
    let times = columns_read(program, key);
    let (_, unit) = split_truncation(program, key);
    for condition in
        conditions.filter(|row_condition| row_condition.columns.iter().any(|column| times.contains(column)))
    {
        diagnostics.push(hidden_periods(
            (condition.span, &condition.span.excerpt(text)),
            (look_back, &look_back.excerpt(text)),
            &condition.equivalent_keys(unit),
        ));
    }
}

/// Builds the warning about a condition that removes periods that a formula reads. `keys` are the entries that select
/// the same periods, such as `since: 2024-01-01`.
pub fn hidden_periods(
    (condition, condition_text): (Span, &str),
    (look_back, reads): (Span, &str),
    keys: &[String],
) -> Diagnostic {
    let message = format!("`{condition_text}` removes earlier periods, so `{reads}` does not include them");
    let help = match keys {
        [] => "select whole periods with `since` and `until` instead of the condition; windows still read the earlier periods"
            .to_owned(),
        keys => format!(
            "write {} instead of the condition; windows still read the earlier periods",
            join_names(keys, "and")
        ),
    };
    Diagnostic::new(Code::HiddenPeriods, condition, message)
        .with_secondary_label(look_back, "reads earlier periods")
        .with_help(help)
}
