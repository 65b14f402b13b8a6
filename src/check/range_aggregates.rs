//! Aggregates of ranges of names, `SUM(FIRST(x):x)`: of the rows that a window sees.

use super::lower::Lower;
use super::names::Target;
use super::overload::Chosen;
use super::ranges::{self, End, EndAt};
use crate::ast::{Call, Expr, ExprId};
use crate::catalog::{self, Function, FunctionId, Lowering, Nulls, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, Meta, Over, Place};
use crate::span::Span;
use crate::types::{Level, Type};

impl Lower<'_> {
    /// `FIRST(x)` where a range begins or ends: the range says which row is meant.
    pub(super) fn range_end(&mut self, call: Call, span: Span) -> IrId {
        // The number of rows is part of no value.
        self.program.folded = true;
        match self.ast.arguments(call).first() {
            Some(name) => self.value(*name),
            None => self.error(span),
        }
    }

    pub(super) fn range(&mut self, from: ExprId, to: ExprId, span: Span) -> IrId {
        let is_cell = |id: ExprId| {
            let unknown = self.names.targets[id.index()] == Target::Error;
            match self.ast.expr(id) {
                Expr::Cell | Expr::Tab { .. } => true,
                Expr::Name => unknown && ranges::reads_as_cell(self.ast.span(id).text(self.source)),
                _ => false,
            }
        };
        if is_cell(from) || is_cell(to) {
            return self.needs_worksheet(span, "ranges of cells need a worksheet");
        }
        if [from, to].iter().any(|end| self.is_error(self.lowered(*end))) {
            return self.error(span);
        }
        let ends = [from, to].map(|end| ranges::end_of(self.ast, self.names, end));
        let [Some(first), Some(last)] = ends else {
            let text = self.source_text(span);
            let message =
                format!("`{text}` is no range: it begins and ends with a name, or FIRST, LAST or OFFSET of it");
            return self.bad_range(span, &message, "define what is looked at, and give its name: `FIRST(name):name`");
        };
        if !ranges::same_name(self.ast, self.source, self.names, first.name, last.name) {
            let [a, b] = [first.name, last.name].map(|name| self.source_text(self.ast.span(name)));
            let message = format!("a range holds rows of one name, found `{a}` and `{b}`");
            return self.bad_range(
                span,
                &message,
                &format!("write `{a}:{a}` for all rows, `FIRST({a}):{a}` for those so far"),
            );
        }
        let bare = |end: &End| matches!(end.at, EndAt::Bare);
        let over = if bare(&first) && bare(&last) {
            Over::Partition
        } else {
            let text = self.source_text(span);
            if !self.has_order(&text, span) {
                return self.error(span);
            }
            let (Some(a), Some(b)) = (self.place(first), self.place(last)) else { return self.error(span) };
            match (a.min(b), a.max(b)) {
                (Place::First, Place::Last) => Over::Partition,
                (from, to) if from == to && !matches!(from, Place::At(_)) => {
                    let end = if from == Place::First { "FIRST" } else { "LAST" };
                    let name = self.source_text(self.ast.span(first.name));
                    let message = format!("`{text}` is one row");
                    return self.bad_range(
                        span,
                        &message,
                        &format!("write `{end}({name})` without the function around it"),
                    );
                }
                (from, to) => Over::Rows { from, to },
            }
        };
        self.markers = true;
        // Of the two names one is read.
        self.program.folded = true;
        let x = self.lowered(first.name);
        let meta = Meta { span, ..self.program.meta(x) };
        let over = self.program.add_over(over);
        self.program.add(Ir::Range { x, over }, meta)
    }

    fn place(&mut self, end: End) -> Option<Place> {
        match end.at {
            EndAt::Bare => Some(Place::At(0)),
            EndAt::Place(place) => Some(place),
            EndAt::Offset { rows } => self.rows(self.lowered(rows)).map(Place::At),
        }
    }

    fn bad_range(&mut self, span: Span, message: &str, help: &str) -> IrId {
        self.report(Diagnostic::new(Code::BadRange, span, message).with_help(help));
        self.error(span)
    }

    /// A range where a value is asked for.
    #[cold]
    pub(super) fn misplaced_range(&mut self, span: Span) -> IrId {
        let text = self.source_text(span);
        let name = text.split(':').next_back().unwrap_or_default().to_owned();
        let message = format!("`{text}` is a range of rows, which only an aggregate takes");
        self.bad_range(
            span,
            &message,
            &format!(
                "write `SUM({text})`; to compute with each row first, name that, `y = {name} * 2`, and take `y:y`"
            ),
        )
    }

    /// An aggregate of ranges: of the rows that they hold, for each row.
    pub(super) fn range_call(&mut self, id: FunctionId, call: Call, span: Span) -> IrId {
        let function = catalog::get(id);
        let args = self.ast.arguments(call);
        let mut values = self.list();
        let mut ranges: Vec<Option<(Over, Span)>> = Vec::with_capacity(args.len());
        let mut found: Option<(Over, ExprId)> = None;
        // Of several ranges each is aggregated by itself; conditions look at the rows of what they choose.
        let alone = args.len() > 1 && matches!(function.lower, None | Some(Lowering::Count));
        let mut distinct = false;
        let mut failed = false;
        for arg in args {
            let lowered = self.lowered(*arg);
            let inner = match self.program.node(lowered) {
                Ir::Distinct(inner) => inner,
                _ => lowered,
            };
            let Ir::Range { x, over } = self.program.node(inner) else {
                let value = self.value(*arg);
                failed |= self.is_error(value);
                values.push(value);
                ranges.push(None);
                continue;
            };
            distinct |= inner != lowered;
            let over = self.program.over(over);
            match found {
                Some((other, at)) if other != over && !alone => {
                    failed = true;
                    self.uneven(function, at, *arg);
                }
                _ => found = Some((over, *arg)),
            }
            values.push(x);
            ranges.push(Some((over, self.ast.span(*arg))));
        }
        let node = match (found, function.lower) {
            _ if failed => self.error(span),
            (None, _) => self.error(span),
            (Some(_), lower) if distinct && !self.counts_distinct(id, lower) => {
                let message = format!("`{}` cannot take each value of a range once", function.name);
                self.report(
                    Diagnostic::new(Code::MisplacedDistinct, span, message)
                        .with_help("group by the value in an earlier step, so that each is one row there"),
                );
                self.error(span)
            }
            (Some((over, _)), None | Some(Lowering::Count)) => match *values.as_slice() {
                [x] => {
                    let id = match function.lower {
                        Some(_) if distinct => internal::COUNTUNIQUE,
                        Some(_) => internal::COUNTA,
                        None => id,
                    };
                    self.window_aggregate(id, x, over, function, span)
                }
                _ => self.several_ranges(id, &values, &ranges, distinct, span),
            },
            (Some((over, _)), Some(lowering)) => self.conditional(lowering, function, args, &values, Some(over), span),
        };
        self.give_back(values);
        node
    }

    /// One value of what several ranges give: sums and counts are added up, of the least and largest the least and largest
    /// are taken. A value beside them is this row's.
    fn several_ranges(
        &mut self,
        id: FunctionId,
        values: &[IrId],
        ranges: &[Option<(Over, Span)>],
        distinct: bool,
        span: Span,
    ) -> IrId {
        let function = catalog::get(id);
        let (entry, across) = match id {
            internal::SUM => (id, internal::ROW_SUM),
            internal::MIN => (id, internal::ROW_MIN),
            internal::MAX => (id, internal::ROW_MAX),
            internal::COUNT | internal::COUNTA if !distinct && ranges.iter().all(Option::is_some) => {
                (internal::COUNTA, internal::ROW_SUM)
            }
            _ => {
                let name = function.name;
                let message = format!("`{name}` takes one range of names, found {} arguments", values.len());
                let help = if id == internal::AVERAGE {
                    "divide their sum by their count, `SUM(a:a, b:b) / COUNT(a:a, b:b)`".to_owned()
                } else {
                    format!("call it for each, `{name}(a:a)`, or define the range's values first, `c = a + b`")
                };
                return self.bad_range(span, &message, &help);
            }
        };
        let mut each = self.list();
        for (value, over) in values.iter().zip(ranges) {
            each.push(match over {
                Some((over, at)) => self.window_aggregate(entry, *value, *over, function, *at),
                None => *value,
            });
        }
        let failed = each.iter().any(|id| self.is_error(*id));
        let node = if failed { self.error(span) } else { self.apply_checked(across, &each, span, function.name) };
        self.give_back(each);
        node
    }

    fn counts_distinct(&self, id: FunctionId, lower: Option<Lowering>) -> bool {
        id == internal::COUNTUNIQUE || lower == Some(Lowering::Count)
    }

    fn uneven(&mut self, function: &Function, first: ExprId, second: ExprId) {
        let [a, b] = [first, second].map(|arg| self.source_text(self.ast.span(arg)));
        let message = format!("`{}` looks at the same rows of each range, found `{a}` and `{b}`", function.name);
        self.report(
            Diagnostic::new(Code::BadRange, self.ast.span(second), message)
                .with_other(self.ast.span(first), "other rows")
                .with_help("give both ranges the same ends"),
        );
    }

    /// An aggregate of the rows that a window sees.
    pub(super) fn window_aggregate(
        &mut self,
        id: FunctionId,
        x: IrId,
        over: Over,
        shown: &Function,
        span: Span,
    ) -> IrId {
        let function = catalog::get(id);
        if self.is_error(x) || !self.may_look(shown.name, Some(x), span) {
            return self.error(span);
        }
        self.alone(x);
        let counts = function.nulls == Nulls::Never;
        let entry = match over {
            Over::Partition => function.over,
            _ => function.framed,
        };
        let operands = self.operands(&[x], span);
        let chosen = self.choose(entry.unwrap_or(id), &[x], &operands, shown.name);
        let Some(Chosen { args, choice, .. }) = chosen else { return self.error(span) };
        if self.is_null(x) {
            // Nothing but NULLs is as good as no rows.
            self.program.folded = true;
            return match function.empty {
                Some(digits) => self.number_of(digits, choice.ty, span),
                None => self.null(choice.ty, span),
            };
        }
        let of = operands.meta;
        let nullable = !counts && (self.program.meta(x).nullable || !over.holds_own_row());
        let meta = Meta { ty: choice.ty, nullable, level: Level::Window, keyed: true, volatile: of.volatile, span };
        // It stands before the window, whose place it may take.
        let other = if over == Over::Partition { self.other_form(id, x, meta) } else { None };
        let call = self.program.add(Ir::Apply { overload: choice.overload, args }, meta);
        let window = self.over(call, over, meta);
        self.program.other_forms.extend(other.map(|other| (window, other)));
        match function.empty.filter(|_| nullable) {
            Some(digits) => {
                let empty = self.number_of(digits, Type::Integer, span);
                self.add_all(Ir::Coalesce, &[window, empty], Meta { nullable: false, ..meta })
            }
            None => window,
        }
    }

    /// What a window of a window makes of all rows of a partition, where the dialect has no such aggregate: the largest of
    /// the places that different values have, or the mean of the values in the middle.
    fn other_form(&mut self, id: FunctionId, x: IrId, meta: Meta) -> Option<IrId> {
        if !self.scope.strata || ![internal::COUNTUNIQUE, internal::MEDIAN].contains(&id) {
            return None;
        }
        self.program.folded = true;
        let span = meta.span;
        let there = self.program.meta(x).nullable;
        let number = Meta { ty: Type::Integer, nullable: false, ..meta };
        let ranks = Over::Ranked { descending: false, apart: false, within: true };
        let window = |pass: &mut Self, entry: FunctionId, arg: IrId, over: Over, meta: Meta| {
            let overload = catalog::get(entry).overloads[0].id;
            let call = pass.add_all(|args| Ir::Apply { overload, args }, &[arg], meta);
            pass.over(call, over, meta)
        };
        if id == internal::COUNTUNIQUE {
            let mut place = window(self, internal::DENSE_RANK, x, ranks, number);
            if there {
                let condition = Meta { ty: Type::Boolean, ..number };
                let condition = self.program.add(Ir::IsNull { x, negated: true }, condition);
                place = self.add_all(Ir::Case, &[condition, place], Meta { nullable: true, ..number });
            }
            let most = window(self, internal::MAX, place, Over::Partition, Meta { nullable: there, ..number });
            if !there {
                return Some(most);
            }
            let none = self.integer("0", span);
            return Some(self.add_all(Ir::Coalesce, &[most, none], number));
        }
        let place = window(self, internal::ROW_NUMBER, x, ranks, number);
        let count = window(self, internal::COUNTA, x, Over::Partition, number);
        let is_middle = self.apply(internal::IS_MIDDLE, &[place, count], span);
        let value = Meta { nullable: true, level: Level::Window, keyed: true, span, ..self.program.meta(x) };
        let middle = self.add_all(Ir::Case, &[is_middle, x], value);
        let operands = self.operands(&[middle], span);
        let Chosen { args, choice, .. } = self.choose(internal::AVERAGE, &[middle], &operands, "MEDIAN")?;
        let call = self.program.add(Ir::Apply { overload: choice.overload, args }, meta);
        Some(self.over(call, Over::Partition, meta))
    }
}
