//! Generates windows for random specs whose rows are in a total order.

use crate::calendar::{InterpreterCalendarUnit, PeriodFrame};
use crate::draw_joins::Many;
use crate::draw_specs::{COMPARED, GROUPED, Maker, Scope};
use crate::expr::{InterpreterExpr, InterpreterLevel, InterpreterOp, RangeEndPosition, RangeWindowRows, Window};
use crate::kind::Kind;
use crate::spec::KeyColumn;

impl Maker<'_> {
    pub fn draw_order(&mut self, leaves: &[(InterpreterExpr, Kind)]) {
        if let Some(entry) = self.calendar.clone() {
            let descending = self.random.chance(20);
            self.step.order_by.push((entry, descending));
        }
        if !self.random.chance(if self.calendar.is_some() { 25 } else { 65 }) {
            return;
        }
        for _ in 0..1 + self.random.random_below(2) {
            let (leaf, kind) = self.random.pick(leaves).clone();
            let entry = match leaf {
                InterpreterExpr::Name(name) => KeyColumn { name, frame: None },
                InterpreterExpr::Period(name, frame) => KeyColumn {
                    name,
                    frame: Some(frame),
                },
                _ => continue,
            };
            if COMPARED.contains(&kind) && self.step.order_by.iter().all(|(e, _)| *e != entry) {
                let descending = self.random.chance(35);
                self.step.order_by.push((entry, descending));
            }
        }
        if !self.step.order_by.is_empty() && self.random.chance(15) {
            let keys = if self.step.group_by.is_empty() {
                leaves
                    .iter()
                    .filter(|(_, k)| GROUPED.contains(k))
                    .map(|(x, _)| x.clone())
                    .collect()
            } else {
                self.step
                    .group_by
                    .iter()
                    .filter(|e| e.frame.is_none())
                    .map(KeyColumn::expr)
                    .collect::<Vec<_>>()
            };
            let names: Vec<String> = keys
                .into_iter()
                .filter_map(|x| {
                    if let InterpreterExpr::Name(name) = x {
                        Some(name)
                    } else {
                        None
                    }
                })
                .filter(|name| self.step.order_by.iter().all(|(e, _)| e.name != *name))
                .collect();
            let count = self.random.random_below(names.len().min(2) + 1);
            self.step.partition_by = Some(names.into_iter().take(count).collect());
        }
    }

    pub fn windows(&mut self, scope: &Scope) {
        let mut scope = Scope {
            windowed: scope.leaves.clone(),
            ..scope.clone()
        };
        // If there are two dates, lookups shift the first date. The interpreter cannot determine which date is first if
        // a date is NULL in all rows.
        let dates = [Kind::Date, Kind::Time];
        let is_date = |entry: &KeyColumn| {
            scope
                .leaves
                .iter()
                .any(|(x, kind)| *x == entry.expr() && dates.contains(kind))
        };
        let chance = if self.calendar.is_some() { 65 } else { 30 };
        let dated = self.step.order_by.iter().filter(|(entry, _)| is_date(entry)).count() == 1;
        for _ in 0..usize::from(self.calendar.is_some()) + self.random.random_below(3) {
            let (inner, kind) = self.random.pick(&scope.windowed).clone();
            // A helper that uses only keys is not a column, but lookups need columns.
            let is_column = |maker: &Self, x: &InterpreterExpr| {
                let key = maker.step.group_by.iter().any(|e| e.expr() == *x);
                !maker.step.is_grouped() || key || maker.step.level(x, None) != InterpreterLevel::Row
            };
            let drawn = if dated && is_column(self, &inner) && self.random.chance(chance) {
                let shift = *self.random.pick(&[-1, -1, -2, -3, 1, 2]);
                let frame = self
                    .calendar
                    .as_ref()
                    .and_then(|entry| entry.frame)
                    .filter(|_| self.random.chance(80));
                let unit = frame.map_or_else(|| *self.random.pick(&InterpreterCalendarUnit::ALL), PeriodFrame::unit);
                if self.random.chance(40) {
                    self.by_calendar(&inner, kind, (shift, unit), &scope)
                } else {
                    Some((
                        InterpreterExpr::Window(Window::Period(Box::new(inner.clone()), shift, unit)),
                        kind,
                    ))
                }
            } else {
                self.window(&inner, kind, &scope)
            };
            let Some((mut x, mut made)) = drawn else { continue };
            let kind = if made.is_number() { kind } else { made };
            if kind.is_number() && self.random.chance(50) {
                let op = *self
                    .random
                    .pick(&[InterpreterOp::Subtract, InterpreterOp::Divide, InterpreterOp::Add]);
                x = InterpreterExpr::Binary(op, Box::new(inner), Box::new(x));
                made = if op == InterpreterOp::Divide || made == Kind::Float {
                    Kind::Float
                } else {
                    kind
                };
            }
            let name = self.name();
            // A window over another window must be computed in a later stratum, which is a separate layer of the query.
            scope.windowed.push((InterpreterExpr::name(&name), made));
            self.define(name, made, x);
        }
    }

    /// Generates a value that depends on other rows, and returns the value with its kind. Returns `None` if `inner`
    /// cannot be used in this way.
    pub fn window(&mut self, inner: &InterpreterExpr, kind: Kind, scope: &Scope) -> Option<(InterpreterExpr, Kind)> {
        let boxed = || Box::new(inner.clone());
        let ordered = !self.step.order_by.is_empty();
        let (window, made) = match self.random.random_below(if ordered { 10 } else { 5 }) {
            0 if matches!(kind, Kind::Int | Kind::Exact | Kind::Date | Kind::Time) => {
                (Window::Rank("RANK", boxed(), self.random.chance(60)), Kind::Int)
            }
            1 if matches!(kind, Kind::Int | Kind::Exact | Kind::Date | Kind::Time) => {
                (Window::PercentRank(boxed()), Kind::Float)
            }
            0 | 1 => return None,
            2..=4 => return self.range(inner, kind, RangeWindowRows::All, scope),
            5 => (Window::First(boxed()), kind),
            6 => (Window::Last(boxed()), kind),
            7 if self.random.chance(30) => (Window::Row, Kind::Int),
            7 => {
                let shift = *self.random.pick(&[-1, -1, -2, -3, 1, 2]);
                (Window::Offset(boxed(), shift), kind)
            }
            _ => {
                let places = [
                    RangeEndPosition::First,
                    RangeEndPosition::First,
                    RangeEndPosition::At(-2),
                    RangeEndPosition::At(-1),
                    RangeEndPosition::At(1),
                    RangeEndPosition::Last,
                ];
                let (from, to) = (
                    *self.random.pick(&places),
                    *self
                        .random
                        .pick(&[RangeEndPosition::At(0), RangeEndPosition::At(2), RangeEndPosition::Last]),
                );
                if from == to {
                    return None;
                }
                let (from, to) = if self.random.chance(10) { (to, from) } else { (from, to) };
                return self.range(inner, kind, RangeWindowRows::Between(from, to), scope);
            }
        };
        Some((InterpreterExpr::Window(window), made))
    }

    /// Generates a calendar range, or the first or last value of a period.
    fn by_calendar(
        &mut self,
        inner: &InterpreterExpr,
        kind: Kind,
        (shift, unit): (i64, InterpreterCalendarUnit),
        scope: &Scope,
    ) -> Option<(InterpreterExpr, Kind)> {
        let period = *self
            .random
            .pick(&[PeriodFrame::Quarter, PeriodFrame::Year, PeriodFrame::Year]);
        let is_last = self.random.chance(30);
        if self.random.chance(30) {
            let window = Window::InPeriod(Box::new(inner.clone()), period, is_last);
            return Some((InterpreterExpr::Window(window), kind));
        }
        let (from, to) = match self.random.random_below(6) {
            // These ranges reach beyond the period at one of their ends.
            4 => (
                RangeEndPosition::Moved(-shift.abs(), unit),
                RangeEndPosition::InPeriod(period, true),
            ),
            5 => (
                RangeEndPosition::InPeriod(period, false),
                RangeEndPosition::Moved(shift.abs(), unit),
            ),
            0 => (RangeEndPosition::InPeriod(period, false), RangeEndPosition::At(0)),
            1 => (
                RangeEndPosition::InPeriod(period, false),
                RangeEndPosition::InPeriod(period, true),
            ),
            2 => (RangeEndPosition::At(0), RangeEndPosition::InPeriod(period, true)),
            _ => (RangeEndPosition::Moved(-shift.abs(), unit), RangeEndPosition::At(0)),
        };
        self.range(inner, kind, RangeWindowRows::Between(from, to), scope)
    }

    pub fn range(
        &mut self,
        inner: &InterpreterExpr,
        kind: Kind,
        rows: RangeWindowRows,
        scope: &Scope,
    ) -> Option<(InterpreterExpr, Kind)> {
        if !matches!(inner, InterpreterExpr::Name(_) | InterpreterExpr::Period(..)) {
            return None;
        }
        // If a row can match several rows of a joined relation, only the rows of this relation occur exactly once.
        let is_repeated = |many: &Many| many.leaves.iter().all(|(x, _)| x != inner);
        if !self.step.is_grouped() && self.input.many.iter().any(is_repeated) {
            return None;
        }
        let has_lists = match rows {
            RangeWindowRows::All => true,
            RangeWindowRows::Between(from, to) => from.is_calendar_position() || to.is_calendar_position(),
        };
        let (aggregate, made) = match self.random.random_below(9) {
            7 if has_lists && kind != Kind::Float => ("COUNTUNIQUE", Kind::Int),
            8 if has_lists && kind.is_number() => ("MEDIAN", Kind::Float),
            0 | 1 if kind.is_number() => ("SUM", kind),
            2 if kind.is_number() => ("AVERAGE", Kind::Float),
            3 if kind.is_number() => ("SUMIF", kind),
            4 if kind.is_number() => ("AVERAGEIF", Kind::Float),
            5 => ("COUNT", Kind::Int),
            _ if kind == Kind::Bool => ("COUNTIF", Kind::Int),
            _ => (*self.random.pick(&["MIN", "MAX"]), kind),
        };
        let conditional = matches!(aggregate, "SUMIF" | "AVERAGEIF");
        let mut args: Vec<InterpreterExpr> = Vec::new();
        if conditional {
            args.push(self.with_name(Kind::Bool, scope));
        }
        args.push(InterpreterExpr::Range(Box::new(inner.clone()), rows));
        Some((InterpreterExpr::Aggregate(aggregate, args), made))
    }
}
