//! Lowering of timeframes in square brackets, such as `billing_date[month]`.

use super::Lowerer;
use crate::check::dates::timeframe::{self, CalendarShift};
use crate::check::names::{GroupingKey, NameTarget};
use crate::ir::{CalendarUnit, Ir, IrId};
use crate::span::Span;

impl Lowerer<'_> {
    pub(super) fn lower_timeframe(&mut self, base: IrId, frame: Span, span: Span) -> IrId {
        if self.is_error(base) {
            return base;
        }
        let name = frame.text(self.source);
        let id = self.build_timeframe_call(base, name, frame, span);
        let target = match self.program.node(base) {
            Ir::Column(column) => NameTarget::Column(column),
            Ir::Definition(definition) => NameTarget::Definition(definition),
            _ => return id,
        };
        let is_key = self.names.keys.iter().any(|key| {
            matches!(key, GroupingKey::Timeframe(base, frame) if *base == target && frame.text(self.source).eq_ignore_ascii_case(name))
        });
        if is_key {
            self.program.meta_mut(id).reads_only_keys = true;
        }
        id
    }

    /// Builds the call that computes a timeframe. `name_span` is the position of the timeframe's name.
    pub(in crate::check) fn build_timeframe_call(
        &mut self,
        base: IrId,
        name: &str,
        name_span: Span,
        span: Span,
    ) -> IrId {
        let timeframe = match timeframe::find_timeframe(name, self.scope.calendar, name_span) {
            Ok(Some(known_frame)) => known_frame,
            Ok(None) => return base,
            Err(diagnostic) => {
                self.report(diagnostic);
                return self.add_error(span);
            }
        };
        let mut args = self.singleton_list(base);
        match timeframe.shift {
            CalendarShift::None => {}
            CalendarShift::Week(days) => {
                args.push(self.program.add_integer(&days.to_string(), span));
                let first_day = self.scope.calendar.week_start.name();
                args.push(self.program.add_text_literal(first_day, span));
            }
            CalendarShift::Days(days) => args.push(self.program.add_integer(&days.to_string(), span)),
            CalendarShift::Months(months) => {
                args.extend(self.build_distance_literals(u64::from(months), CalendarUnit::Month, span));
            }
        }
        let id = self.add_scalar_call(timeframe.function, &args, span, name);
        self.recycle_list(args);
        id
    }
}
