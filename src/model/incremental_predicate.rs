//! Conditions for incremental runs. One condition is in the first select of the model. If that select reads further
//! back than the run writes, another condition follows the last select.

use super::compile::SpecCompilation;
use super::incremental::IncrementalPlan;
use super::lookback::is_nested;
use super::time_range::CalendarDuration;
use crate::Type;
use crate::catalog::{self, ParamType, internal};
use crate::dbt;
use crate::diag::{Code, Diagnostic};
use crate::dialect::op::Op;
use crate::emit::{self, Emitter};
use crate::ir::{CalendarUnit, IrId, Program};
use crate::schema::Column;
use crate::span::Span;
use crate::sql::{Item, OptionalCondition, Query, RowPlan, Sql, SqlId, SqlTree};

/// Date before all other dates. Used as the bound if the table has no rows.
const EARLIEST_DATE: &str = "0001-01-01";
/// Alias of the existing table in the subquery of an incremental condition.
const EXISTING_TABLE_ALIAS: &str = "so_far";
/// Name of the bound in the subquery.
const BOUND_COLUMN: &str = "late_from";

impl SpecCompilation<'_> {
    /// Adds the conditions of an incremental run to the model's query.
    pub(super) fn add_incremental_conditions(
        &mut self,
        incremental: &IncrementalPlan,
        mut query: Query,
        columns: &[Column],
        work: &mut emit::EmitBuffers,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Query {
        let dialect = self.compiler.options.dialect;
        let first = self
            .first_times
            .iter()
            .find(|time| time.name.eq_ignore_ascii_case(&incremental.of_first))
            .cloned();
        let select = match self.first_select {
            Some(index) => query.ctes.get_mut(index).map(|cte| &mut cte.body),
            None => Some(&mut query.body),
        };
        let (Some(first), Some(select)) = (first, select) else {
            // Report an internal error, because the traced column should always be a time column of the first select.
            let message = format!("no filter applies to the input rows of `{}`", incremental.time.name());
            diagnostics.push(
                Diagnostic::new(Code::Internal, self.spec.model.node.span, message)
                    .with_help("write `materialized: table`, and report this problem"),
            );
            return query;
        };
        let bound = self.time_bound_expression(incremental, incremental.read_distance, first.ty, work);
        if let Some(filter) = select.filter_mut() {
            *filter = bracket_condition(&mut work.tree, *filter);
        }
        select.filter_optionally(incremental_condition(&mut work.tree, first.value, bound));
        let Some(distance) = incremental.write_distance else {
            return query;
        };
        let name = dialect.name_text(&self.names.choose_name("final"), true);
        let time = work.tree.add_raw_text(&incremental.time.sql_name(dialect));
        let bound = self.time_bound_expression(incremental, distance, incremental.time.ty(), work);
        let mut rows = RowPlan::scan_cte(name.clone());
        rows.filter_optionally(incremental_condition(&mut work.tree, time, bound));
        let item = |column: &Column| Item::unnamed(work.tree.add_raw_text(&column.sql_name(dialect)));
        let body = match self.is_contract_enforced() {
            true => rows.project(columns.iter().map(item)),
            false => rows.select_star(),
        };
        query.wrap_body_in_cte(name, body);
        query
    }

    /// Returns the bound, as an expression over the rows of the existing table: the latest time in the table minus an
    /// interval, or the earliest date if the table is empty.
    fn time_bound_expression(
        &self,
        incremental: &IncrementalPlan,
        back: CalendarDuration,
        compared: Type,
        work: &mut emit::EmitBuffers,
    ) -> SqlId {
        let options = &self.compiler.options;
        let dialect = options.dialect;
        let ty = incremental.time.ty();
        let time_sql = incremental.time.sql_name(dialect);
        let mut program = Program::default();
        let newest = program.add_null(ty, Span::default());
        let steps: Vec<(catalog::OverloadId, Vec<IrId>)> = split_calendar_duration(back, incremental.unit, ty)
            .into_iter()
            .filter_map(|(count, unit)| {
                let interval_text = unit.format_count(count);
                let mut args = vec![program.add_integer(&count.to_string(), Span::default())];
                let function = if ty == Type::Timestamptz {
                    internal::SUBTRACT
                } else {
                    internal::EARLIER
                };
                if ty != Type::Timestamptz {
                    for word in [unit.name(), interval_text.as_str()] {
                        args.push(program.add_text_literal(word, Span::default()));
                    }
                }
                let takes = |index: usize, ty: Type| {
                    move |o: &&catalog::Overload| o.params.get(index).is_some_and(|p| p.ty == ParamType::Is(ty))
                };
                let overloads = catalog::get(function).overloads;
                let overload = overloads.iter().filter(takes(0, ty)).find(takes(1, Type::Integer))?;
                Some((overload.id, args))
            })
            .collect();
        let mut emitter = Emitter::new(&program, dialect, &options.limits, work);
        let name = emitter.tree().add_field(EXISTING_TABLE_ALIAS, &time_sql);
        let mut value = emitter.tree().add_call("max", &[name], Span::default());
        for (overload, args) in steps {
            emitter.set_sql(newest, value);
            args.iter().for_each(|arg| emitter.emit(*arg));
            let args: Vec<IrId> = std::iter::once(newest).chain(args).collect();
            value = emitter.emit_call(overload, &args, Span::default());
        }
        let forms = dialect.forms();
        let first_day = emitter.tree().add_text(Span::default(), |out| match ty {
            Type::Timestamp => forms.timestamp.push(out, &format!("{EARLIEST_DATE} 00:00:00")),
            Type::Timestamptz => forms.timestamptz.push(out, &format!("{EARLIEST_DATE} 00:00:00+00")),
            _ => forms.date.push(out, EARLIEST_DATE),
        });
        let bound = emitter
            .tree()
            .add_call("coalesce", &[value, first_day], Span::default());
        if compared == ty || !compared.is_temporal() {
            return bound;
        }
        emitter.tree().add(
            Sql::Cast {
                name: "cast",
                x: bound,
                ty: dialect.type_name(compared),
            },
            Span::default(),
        )
    }
}

/// Splits a length of time into numbers of calendar units, in the order in which they are subtracted. An instant is
/// shifted by days, because all engines support day intervals.
fn split_calendar_duration(
    length: CalendarDuration,
    cut_to: Option<CalendarUnit>,
    ty: Type,
) -> Vec<(i64, CalendarUnit)> {
    let CalendarDuration {
        mut months,
        mut days,
        mut seconds,
        clamped_days,
    } = length;
    if ty == Type::Date || ty == Type::Timestamptz {
        days = days.saturating_add(seconds.saturating_add(86_399).div_euclid(86_400));
        seconds = 0;
    }
    // Subtracting months from the first day of a month always leads to the first day of a month.
    let is_month_start = days == 0 && seconds == 0 && cut_to.is_some_and(|unit| is_nested(CalendarUnit::Month, unit));
    if !is_month_start {
        days = days.saturating_add(clamped_days);
    }
    if ty == Type::Timestamptz {
        days = days.saturating_add(months.saturating_mul(31));
        months = 0;
    }
    let clock = match seconds {
        s if s % 86_400 == 0 => (s / 86_400, CalendarUnit::Day),
        s if s % 3_600 == 0 => (s / 3_600, CalendarUnit::Hour),
        s if s % 60 == 0 => (s / 60, CalendarUnit::Minute),
        s => (s, CalendarUnit::Second),
    };
    let mut lengths = vec![(days, CalendarUnit::Day)];
    match lengths.last_mut() {
        Some(last) if clock.1 == CalendarUnit::Day => last.0 = last.0.saturating_add(clock.0),
        _ => lengths.push(clock),
    }
    lengths.push(match months % 12 {
        0 => (months / 12, CalendarUnit::Year),
        _ => (months, CalendarUnit::Month),
    });
    lengths.retain(|(count, _)| *count > 0);
    lengths
}

/// Returns the condition that a row is not before a bound. A subquery selects the bound from the existing table. The
/// condition applies only to incremental runs.
fn incremental_condition(tree: &mut SqlTree, time: SqlId, bound: SqlId) -> OptionalCondition {
    let span = Span::default();
    let table = tree.add_macro(dbt::THIS_RELATION, None, span);
    let (word, alias) = (tree.add_word("as", span), tree.add_word(EXISTING_TABLE_ALIAS, span));
    let from = tree.add_slice(&[table, word, alias]);
    let from = tree.add(Sql::Spaced(from), span);
    let subquery = Sql::Subquery {
        value: bound,
        name: BOUND_COLUMN,
        from,
    };
    let subquery = tree.add(subquery, span);
    OptionalCondition {
        begin: tree.add_macro(dbt::IF_INCREMENTAL_TAG, None, span),
        condition: tree.add_binary(Op::GreaterEqual, time, subquery, span),
        end: tree.add_macro(dbt::END_IF_TAG, None, span),
    }
}

/// Adds brackets to a condition if it needs them as an operand of `and`.
fn bracket_condition(tree: &mut SqlTree, filter: SqlId) -> SqlId {
    match tree.node(filter) {
        Sql::Binary { op: Op::Or, .. } => tree.add(Sql::Paren(filter), Span::default()),
        _ => filter,
    }
}
