//! Lowering of PERIODOFFSET, which returns the value in another calendar period.

use crate::ast::{Ast, ExprId};
use crate::check::lower::Lowerer;
use crate::check::{CheckScope, DefinitionRole};
use crate::diag::{Code, Diagnostic, suggest};
use crate::ir::{CalendarOffset, CalendarUnit, Ir, IrId, NodeMeta, Program};
use crate::span::Span;
use crate::{Level, Type};

/// Maximum distance between two dates, in years.
const MAX_YEAR_DISTANCE: i64 = 9_998;
const MAX_SECONDS_PER_YEAR: i64 = 366 * 86_400;

impl Lowerer<'_> {
    pub(in crate::check) fn lower_period_offset(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let [value, count, unit] = *values.as_slice() else {
            return self.add_error(span);
        };
        self.recycle_list(values);
        let Some((count, unit)) = self.parse_period_arguments(count, unit) else {
            return self.add_error(span);
        };
        if count == 0 {
            return value;
        }
        let meta = self.program.meta(value);
        if !self.check_window_allowed("PERIODOFFSET", Some(value), span) || !self.has_order("PERIODOFFSET", span) {
            return self.add_error(span);
        }
        self.convert_decimal_literal_to_float(value);
        let ty = if meta.ty == Type::Point { Type::Float } else { meta.ty };
        if is_outside_calendar(count, unit) {
            return self.program.add_null(ty, span);
        }
        let period = self.add_calendar_offset(count, unit, span);
        let meta = NodeMeta {
            nullable: true,
            level: Level::Window,
            volatile: meta.volatile,
            ..NodeMeta::constant(ty, span)
        };
        self.program.add(Ir::PeriodLookup { value, period }, meta)
    }

    /// Returns the offset of a PERIODOFFSET as a number of units and the unit, both of which must be constants. Reports
    /// other expressions.
    pub(in crate::check) fn parse_period_arguments(&mut self, count: IrId, unit: IrId) -> Option<(i64, CalendarUnit)> {
        if self.is_error(count) || self.is_error(unit) {
            return None;
        }
        let Some(number) = self.literal_integer(count) else {
            self.report_non_constant(count, "PERIODOFFSET", "count", "PERIODOFFSET(x, -1, \"month\")");
            return None;
        };
        Some((number, self.resolve_unit(unit)?))
    }

    /// Resolves a calendar unit from its singular or plural name.
    fn resolve_unit(&mut self, id: IrId) -> Option<CalendarUnit> {
        let span = self.program.meta(id).span;
        let Some(text) = self.literal_text(id).map(str::to_ascii_lowercase) else {
            self.report_non_constant(id, "PERIODOFFSET", "unit", "PERIODOFFSET(x, -1, \"month\")");
            return None;
        };
        if let Some(unit) = parse_unit(&text) {
            return Some(unit);
        }
        let singular = singular_unit(&text);
        let near = suggest_calendar_unit(singular)
            .or_else(|| suggest::nearest_name(singular, CalendarUnit::ALL.iter().map(|unit| unit.name())));
        let unit_text = self.source_text(span);
        let diagnostic = Diagnostic::new(
            Code::UnknownUnit,
            span,
            format!("`PERIODOFFSET` does not support the unit `{unit_text}`"),
        );
        self.report(match near {
            Some(near) => diagnostic.with_help(format!("write \"{near}\"")),
            None => diagnostic.with_help("write \"day\", \"week\", \"month\", \"quarter\" or \"year\""),
        });
        None
    }

    /// Adds a node for a calendar offset, with the arguments that SQL templates need. Quarters are converted to months,
    /// which every engine supports.
    fn add_calendar_offset(&mut self, count: i64, unit: CalendarUnit, span: Span) -> u32 {
        let period = self.build_calendar_offset(count, unit, span);
        self.program.periods.push(period);
        self.program.periods.len() as u32 - 1
    }

    /// Adds the distance between the current row and a bound of a window frame to the program, unless the program
    /// already contains this distance.
    pub(in crate::check) fn add_frame_distance(&mut self, count: i64, unit: CalendarUnit, span: Span) {
        if self.program.distance(count, unit).is_none() {
            let distance = self.build_calendar_offset(count, unit, span);
            self.program.distances.push(distance);
        }
    }

    fn build_calendar_offset(&mut self, count: i64, unit: CalendarUnit, span: Span) -> CalendarOffset {
        let (base_unit, each) = if unit == CalendarUnit::Quarter {
            (CalendarUnit::Month, 3)
        } else {
            (unit, 1)
        };
        let words = self.build_distance_literals(count.unsigned_abs().saturating_mul(each), base_unit, span);
        let words = self.program.add_args(&words);
        CalendarOffset { count, unit, words }
    }

    /// Returns the number of units, the unit, and both together as a string: `3`, `month`, `3 months`.
    pub(in crate::check) fn build_distance_literals(
        &mut self,
        count: u64,
        unit: CalendarUnit,
        span: Span,
    ) -> [IrId; 3] {
        let many = count.to_string();
        let full_phrase = unit.format_count(count);
        let many = self.program.add_integer(&many, span);
        let [word, phrase] = [unit.name(), full_phrase.as_str()].map(|text| {
            let text = self.program.add_text(text);
            self.program.add(Ir::Text(text), NodeMeta::constant(Type::Text, span))
        });
        [many, word, phrase]
    }
}

/// Returns the unit for an abbreviation or adjective.
pub(in crate::check) fn suggest_calendar_unit(word: &str) -> Option<&'static str> {
    match word {
        "d" => Some("day"),
        "m" => Some("month"),
        "y" | "annual" | "annum" => Some("year"),
        "q" => Some("quarter"),
        "w" => Some("week"),
        "h" => Some("hour"),
        _ => None,
    }
}

/// Returns whether an offset is longer than the calendar, which means that no row can be at this distance.
pub(in crate::check) fn is_outside_calendar(count: i64, unit: CalendarUnit) -> bool {
    let (length, months) = unit.unit_length();
    let most = if months {
        MAX_YEAR_DISTANCE * 12
    } else {
        MAX_YEAR_DISTANCE * MAX_SECONDS_PER_YEAR
    };
    count.unsigned_abs().saturating_mul(length.unsigned_abs()) > most.unsigned_abs()
}

fn singular_unit(name: &str) -> &str {
    name.trim().strip_suffix('s').unwrap_or(name.trim())
}

fn parse_unit(text: &str) -> Option<CalendarUnit> {
    CalendarUnit::ALL
        .into_iter()
        .find(|unit| unit.name().eq_ignore_ascii_case(singular_unit(text)))
}

/// Returns whether a string is the name of a unit that is shorter than a day.
pub(in crate::check) fn is_time_unit(text: &str) -> bool {
    parse_unit(text).is_some_and(CalendarUnit::is_shorter_than_day)
}

/// Returns the sort key that period lookups shift: the first key that is a date or a time. If there is no such
/// key, returns the first key of unknown type.
pub fn find_sort_key_to_shift(program: &Program, order: impl Iterator<Item = IrId> + Clone) -> Option<IrId> {
    let is = |has_type: fn(Type) -> bool| order.clone().find(|id| has_type(program.meta(*id).ty));
    is(Type::is_temporal).or_else(|| is(|ty| ty == Type::Unknown))
}

/// Reports period lookups whose sort key cannot be shifted. Runs after the types of all keys are known.
pub(in crate::check) fn check_periods(
    ast: &Ast,
    source: &str,
    scope: &CheckScope<'_>,
    program: &mut Program,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let definitions_with_role = |role: DefinitionRole| {
        let roles = ast.definitions.iter().map(move |d| scope.role(d.part));
        roles
            .enumerate()
            .filter(move |(_, r)| *r == role)
            .map(|(index, _)| index)
    };
    let ordered = definitions_with_role(DefinitionRole::OrderBy).filter_map(|i| program.definitions.try_get(i));
    let order: Vec<IrId> = ordered.clone().filter(|d| !d.failed).map(|d| d.root).collect();
    if order.is_empty() {
        // The sort key has an error, or the missing sort key has already been reported.
        return;
    }
    let key = find_sort_key_to_shift(program, order.iter().copied());
    for index in std::mem::take(&mut program.order) {
        program.order.push(index);
        let definition = &program.definitions[index as usize];
        if definition.failed {
            continue;
        }
        let mut failed = false;
        for node_index in definition.first.0..=definition.root.0 {
            match program.node(IrId(node_index)) {
                Ir::PeriodLookup { period, .. } => {
                    let span = program.meta(IrId(node_index)).span;
                    let unit = program.periods[period as usize].unit;
                    let fault = find_period_key_error(program, key, &order, unit, span, source);
                    failed |= fault.is_some();
                    diagnostics.extend(fault);
                }
                // A definition also fails if a definition that it uses fails.
                Ir::Definition(definition_index) => failed |= program.definitions[definition_index as usize].failed,
                _ => {}
            }
        }
        program.definitions[index as usize].failed = failed;
    }
}

fn find_period_key_error(
    program: &Program,
    key: Option<IrId>,
    order: &[IrId],
    unit: CalendarUnit,
    span: Span,
    source: &str,
) -> Option<Diagnostic> {
    let report = |node_id: IrId, message: String| {
        let meta = program.meta(node_id);
        Diagnostic::new(Code::PeriodKey, span, message).with_secondary_label(meta.span, meta.ty.describe())
    };
    let Some(key) = key else {
        let first = *order.first()?;
        let text = program.meta(first).span.excerpt(source);
        let message = "`PERIODOFFSET` moves by calendar periods, but `order_by` has no date";
        return Some(report(first, message.to_owned()).with_help(format!(
            "order by a date, such as `created_at[month]`, or use OFFSET to move by rows of `{text}`"
        )));
    };
    let meta = program.meta(key);
    let text = meta.span.excerpt(source);
    match meta.ty {
        Type::Timestamptz => {
            let message = format!("`{text}` is a timestamp with time zone, so its date depends on the time zone");
            let frame = if unit.is_shorter_than_day() {
                unit.name()
            } else {
                "date"
            };
            Some(report(key, message).with_help(format!(
                "order by `{text}[{frame}]`, which is in the configured time zone"
            )))
        }
        Type::Date if unit.is_shorter_than_day() => {
            let message = format!(
                "`{text}` is a date without a time, so it cannot be moved by {}s",
                unit.name()
            );
            Some(report(key, message).with_help("use the unit \"day\", or order by a column that contains a time"))
        }
        _ => None,
    }
}
