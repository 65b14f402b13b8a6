//! Lint for comparisons of a timestamp with a date. The date is converted to midnight, so the comparison ignores the
//! rest of the day.

use formulac_syntax::text::is_word_char;

use super::{Lints, swap_comparison_operands};
use crate::Type;
use crate::ast::BinaryOp;
use crate::catalog::{self, internal};
use crate::check::dates::next_day;
use crate::diag::Code;
use crate::ir::{Ir, IrId};

impl Lints<'_> {
    /// Warns about comparisons such as `created_at <= DATE(2024, 1, 31)`, with the date on either side.
    pub(super) fn warn_of_time_comparison(&mut self, id: IrId, comparison: BinaryOp, a: IrId, b: IrId) {
        let (time, day, comparison) = match (
            self.date_before_midnight_conversion(a),
            self.date_before_midnight_conversion(b),
        ) {
            (None, Some(day)) => (a, day, comparison),
            (Some(day), None) => (b, day, swap_comparison_operands(comparison)),
            _ => return,
        };
        let iso = match self.program.node(day) {
            Ir::Date(slice) => Some(self.program.text(slice)),
            _ => None,
        };
        // With the last day of a month, `>` is usually intended to select the next month. With any other
        // day, the author may intend to include the rest of the day.
        let is_month_end = iso.is_some_and(|iso| next_day(iso).is_some_and(|next| next.ends_with("-01")));
        match comparison {
            BinaryOp::Less | BinaryOp::GreaterEqual => return,
            BinaryOp::Greater if !is_month_end => return,
            _ => {}
        }
        let (time_text, date) = (self.excerpt(self.value_before_conversion(time)), self.excerpt(day));
        // The text of a criterion contains the whole comparison: `"<=2024-01-31"`.
        let is_criterion = self.program.meta(day).span == self.program.meta(id).span;
        let next = match iso.and_then(next_day) {
            Some(next) if is_criterion => next,
            Some(next) if date.starts_with('"') => format!("\"{next}\""),
            Some(next) => {
                let mut parts = next.split('-').map(|part| part.trim_start_matches('0'));
                let mut part = || parts.next().unwrap_or_default();
                format!("DATE({}, {}, {})", part(), part(), part())
            }
            None => format!("{date} + 1"),
        };
        let symbol = comparison.symbol();
        let is_name = time_text.chars().all(is_word_char);
        let whole_day = match (is_criterion, is_name) {
            (true, true) => format!("test the date, `{time_text}[date]`, instead of `{time_text}`"),
            // A range of a worksheet, such as `A:A`, has no timeframes.
            (true, false) => format!("add a column with the dates of `{time_text}`, and use it here"),
            (false, true) => format!("compare the date: `{time_text}[date] {symbol} {date}`"),
            (false, false) => format!("write `AND({time_text} >= {date}, {time_text} < {next})`"),
        };
        let comparison_help = |symbol: &str| match is_criterion {
            true => format!("write the criterion `\"{symbol}{next}\"`"),
            false => format!("write `{time_text} {symbol} {next}`"),
        };
        let (effect, help) = match comparison {
            BinaryOp::LessEqual => ("excludes the whole day except midnight", comparison_help("<")),
            BinaryOp::Greater => ("includes the whole day except midnight", comparison_help(">=")),
            BinaryOp::NotEqual => ("excludes only midnight", whole_day),
            _ => ("matches only midnight", whole_day),
        };
        let test = match is_criterion {
            true => format!("the criterion `{date}`"),
            false => format!("the comparison `{symbol} {date}`"),
        };
        self.warn(
            Code::EndOfDay,
            id,
            format!("`{time_text}` contains a time of day, so {test} {effect}"),
            help,
        );
    }

    /// Returns the date that was converted to midnight. `None` for timestamps, and for the sum of a date and a number
    /// of days, which the author shifted deliberately.
    fn date_before_midnight_conversion(&self, id: IrId) -> Option<IrId> {
        match self.program.node(id) {
            Ir::Date(iso) => crate::check::dates::is_iso_date(self.program.text(iso)).then_some(id),
            Ir::Apply { overload, args } if catalog::overload_owner(overload) == internal::TO_TIMESTAMP => {
                let [x] = *self.program.args(args) else { return None };
                let moved = matches!(self.program.node(x), Ir::Apply { overload, .. }
                    if catalog::overload_owner(overload) == internal::ADD);
                (self.program.meta(x).ty == Type::Date && !moved).then_some(x)
            }
            _ => None,
        }
    }

    /// Returns the instant before its conversion to wall-clock time, or the node itself.
    fn value_before_conversion(&self, id: IrId) -> IrId {
        match self.program.node(id) {
            Ir::Apply { overload, args }
                if [internal::TO_TIMESTAMP, internal::TO_WALL_CLOCK].contains(&catalog::overload_owner(overload)) =>
            {
                self.program.args(args).first().copied().unwrap_or(id)
            }
            _ => id,
        }
    }
}
