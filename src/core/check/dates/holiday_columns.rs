//! NETWORKDAYS and WORKDAY with holidays in a column of another tab.
//!
//! NETWORKDAYS subtracts the number of holidays between the two dates. WORKDAY converts the start to a working day
//! number by subtracting the number of holidays up to the start. Working day number q follows all holidays that have
//! fewer than q working days before them.

use crate::ast::ExprId;
use crate::catalog::{Function, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Holidays, Ir, IrId, LookupMatchMode, LookupSpec, NodeMeta};
use crate::span::Span;
use crate::{Level, Type};

impl Lowerer<'_> {
    /// Returns whether a value is a column of another tab.
    pub(in crate::check) fn is_tab_column(&self, id: IrId) -> bool {
        let first = self.first_range(id);
        matches!(first, Some(Ir::Range { x, .. }) if matches!(self.program.node(x), Ir::TabColumn { .. }))
    }

    /// Returns the first range of a group of ranges, or the node itself.
    pub(in crate::check) fn first_range(&self, id: IrId) -> Option<Ir> {
        match self.program.node(id) {
            Ir::Ranges(columns) => self
                .program
                .args(columns)
                .first()
                .map(|column| self.program.node(*column)),
            node => Some(node),
        }
    }

    /// Lowers a call whose holidays are in a column of a tab.
    pub(in crate::check) fn lower_workdays_with_tab(
        &mut self,
        function: &'static Function,
        args: &[ExprId],
        plain: IrId,
        [start, other]: [IrId; 2],
        span: Span,
    ) -> Option<IrId> {
        let [_, _, column] = *args else {
            let message = format!(
                "`{}` accepts holidays as one column or as individual dates, but not both",
                function.name
            );
            let help = "add the dates to the table of that column, or write all holidays as individual dates";
            self.report(Diagnostic::new(Code::TabNotLookedUp, span, message).with_help(help));
            return None;
        };
        let column_span = self.ast.span(column);
        let (tab, column) = self.resolve_tab_column(column, function)?;
        if self.is_error(plain) || self.is_null(plain) {
            return Some(plain);
        }
        self.program.has_unused_nodes = true;
        let holidays = self.find_or_add_holidays(function, tab, column, column_span)?;
        match Self::is_internal(function, internal::NETWORKDAYS) {
            true => self.build_networkdays_with_tab(function, holidays, plain, [start, other], span),
            false => self.build_workday_with_tab(function, holidays, plain, [start, other], span),
        }
    }

    /// Returns the index of the entry for the holidays in a column. Calls with the same column share an entry.
    fn find_or_add_holidays(&mut self, function: &'static Function, tab: u32, column: u32, span: Span) -> Option<u32> {
        let known_index = self
            .program
            .holidays
            .iter()
            .position(|holidays| (holidays.tab, holidays.column) == (tab, column));
        if let Some(index) = known_index {
            return Some(index as u32);
        }
        let column_node = self.lower_tab_column(tab, column, span);
        let date = self.convert_to(column_node, Type::Date);
        let weekday = self.add_scalar_call(internal::DAY_OF_WEEK_NUM, &[date], span, function.name);
        if self.is_error(weekday) {
            return None;
        }
        let friday = self.program.add_integer("5", span);
        let on_weekday = self.add_call(internal::LESS_EQUAL, &[weekday, friday], span);
        let index = self.program.holidays.len() as u32;
        let day = self.build_holiday_column(index, Holidays::HOLIDAY_DATE_COLUMN, span);
        let weekdays = self.add_call(internal::WEEKDAY_COUNT, &[day], span);
        self.program.holidays.push(Holidays {
            tab,
            column,
            column_node,
            date,
            on_weekday,
            day,
            weekdays,
        });
        Some(index)
    }

    /// Returns a column of the holidays table, by its column number.
    fn build_holiday_column(&mut self, holidays: u32, column: u32, span: Span) -> IrId {
        let ty = if column == Holidays::HOLIDAY_DATE_COLUMN {
            Type::Date
        } else {
            Type::Integer
        };
        let meta = NodeMeta {
            level: Level::Row,
            ..NodeMeta::constant(ty, span)
        };
        self.program.add(
            Ir::TabColumn {
                tab: Holidays::FIRST_HOLIDAY_TAB + holidays,
                column,
            },
            meta,
        )
    }

    /// Builds an expression that counts holidays. The counted holidays satisfy a condition on one or two values and a
    /// column of the holidays table.
    fn build_holiday_count(
        &mut self,
        function: &'static Function,
        holidays: u32,
        [column, test]: [IrId; 2],
        values: &[IrId],
        span: Span,
    ) -> Option<IrId> {
        if self.is_error(test)
            || !values
                .iter()
                .all(|value| self.check_window_allowed(function.name, Some(*value), span))
        {
            return None;
        }
        let day = self.build_holiday_column(holidays, Holidays::HOLIDAY_DATE_COLUMN, span);
        let args: Vec<IrId> = match *values {
            [value, other] => vec![value, column, day, other],
            _ => values.iter().copied().chain([column, day]).collect(),
        };
        let volatile = values.iter().any(|value| self.program.meta(*value).volatile);
        let meta = NodeMeta {
            nullable: true,
            level: Level::Window,
            volatile,
            ..NodeMeta::constant(Type::Integer, span)
        };
        let tab = Some(Holidays::FIRST_HOLIDAY_TAB + holidays);
        self.program.lookups.push(LookupSpec {
            tab,
            by_number: false,
            matching: LookupMatchMode::Count,
            test,
        });
        let lookup = self.program.lookups.len() as u32 - 1;
        let count = self
            .program
            .add_node_with_args(|args| Ir::RowLookup { args, lookup }, &args, meta);
        let none = self.program.add_integer("0", span);
        let mut counts = self.singleton_list(count);
        counts.push(none);
        Some(self.build_coalesce(counts, span, function.name))
    }

    fn build_networkdays_with_tab(
        &mut self,
        function: &'static Function,
        holidays: u32,
        plain: IrId,
        dates: [IrId; 2],
        span: Span,
    ) -> Option<IrId> {
        let [start, end] = dates.map(|date| self.convert_to(date, Type::Date));
        let in_order = self.add_scalar_call(internal::LESS_EQUAL, &[start, end], span, function.name);
        let day = self.build_holiday_column(holidays, Holidays::HOLIDAY_DATE_COLUMN, span);
        let test = self.add_call(internal::IS_HOLIDAY_BETWEEN, &[start, end, day], span);
        let between = self.build_holiday_count(function, holidays, [day, test], &[start, end], span)?;
        let one = self.program.add_integer("1", span);
        let back = self.add_call(internal::NEGATE, &[one], span);
        let sign = self.build_case(&[in_order], &mut [one, back], span, function.name);
        let left_out = self.add_call(internal::MULTIPLY, &[sign, between], span);
        Some(self.add_call(internal::SUBTRACT, &[plain, left_out], span))
    }

    fn build_workday_with_tab(
        &mut self,
        function: &'static Function,
        holidays: u32,
        plain: IrId,
        [start, days]: [IrId; 2],
        span: Span,
    ) -> Option<IrId> {
        let days = match self.program.meta(days).ty {
            Type::Integer => days,
            _ => self.add_scalar_call(internal::TO_INTEGER, &[days], span, function.name),
        };
        let start = self.convert_to(start, Type::Date);
        let [one, zero] = ["1", "0"].map(|number| self.program.add_integer(number, span));
        // Count forward from the start, or backward from the day before it.
        let day_before = self.add_call(internal::SUBTRACT, &[start, one], span);
        let literal = self.literal_integer(days);
        let (from, further) = match literal {
            Some(0) => return Some(plain),
            Some(1..) => (start, None),
            Some(_) => (day_before, Some(one)),
            None => {
                let later = self.add_call(internal::GREATER, &[days, zero], span);
                let from = self.build_case(&[later], &mut [start, day_before], span, function.name);
                (
                    from,
                    Some(self.build_case(&[later], &mut [zero, one], span, function.name)),
                )
            }
        };
        let weekdays = self.add_call(internal::WEEKDAY_COUNT, &[from], span);
        let [day, before] = [Holidays::HOLIDAY_DATE_COLUMN, Holidays::WORKING_DAYS_COLUMN]
            .map(|column| self.build_holiday_column(holidays, column, span));
        let is_passed = self.add_call(internal::LESS_EQUAL, &[day, from], span);
        let passed = self.build_holiday_count(function, holidays, [day, is_passed], &[from], span)?;
        let working_days = self.add_call(internal::SUBTRACT, &[weekdays, passed], span);
        let target = self.add_call(internal::ADD, &[working_days, days], span);
        let target = further.map_or(target, |further| self.add_call(internal::ADD, &[target, further], span));
        let comes_before = self.add_call(internal::LESS, &[before, target], span);
        let on_the_way = self.build_holiday_count(function, holidays, [before, comes_before], &[target], span)?;
        let index = self.add_call(internal::ADD, &[target, on_the_way], span);
        let reached = self.add_call(internal::WEEKDAY_AT, &[index], span);
        if literal.is_some() {
            return Some(reached);
        }
        let stays = self.add_call(internal::EQUAL, &[days, zero], span);
        Some(self.build_case(&[stays], &mut [start, reached], span, function.name))
    }
}
