//! Values that look at other rows: OFFSET, FIRST, LAST, ROW, ranks, and aggregates of ranges of names.

use super::Context;
use super::lower::Lower;
use super::names::{Key, Target};
use super::overload::Chosen;
use super::ranges::{self, End, EndAt};
use crate::ast::{Call, Expr, ExprId};
use crate::catalog::{self, Function, FunctionId, Lowering, Nulls, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, Meta, Over, Place};
use crate::span::Span;
use crate::types::{Level, Type};

impl Lower<'_> {
    pub(super) fn lower_offset(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.values(args) else { return self.error(span) };
        let Some(rows) = self.rows(values[1]) else { return self.error(span) };
        if let Some(columns) = values.get(2)
            && self.literal_integer(*columns) != Some(0)
        {
            let at = self.program.meta(*columns).span;
            self.report(
                Diagnostic::new(Code::NeedsWorksheet, at, "OFFSET to another column needs a worksheet")
                    .with_help("name that column, `OFFSET(other, -1)`"),
            );
            return self.error(span);
        }
        let value = values[0];
        let rows_span = self.program.meta(values[1]).span;
        self.give_back(values);
        if rows == 0 {
            return value;
        }
        if !self.may_look("OFFSET", Some(value), span) || !self.has_order("OFFSET", span) {
            return self.error(span);
        }
        self.alone(value);
        let count = self.integer(&rows.unsigned_abs().to_string(), rows_span);
        let function = if rows < 0 { internal::LAG } else { internal::LEAD };
        self.row_of(function, &[value, count], Over::Ordered, true, span)
    }

    /// The number of rows that OFFSET goes, a constant.
    fn rows(&mut self, id: IrId) -> Option<i32> {
        let Some(rows) = self.literal_integer(id) else {
            self.constant_expected(id, "OFFSET", "rows", "OFFSET(x, -1)");
            return None;
        };
        // No engine counts further, and neither does a sheet.
        let rows = i32::try_from(rows).ok().filter(|rows| *rows != i32::MIN);
        if rows.is_none() {
            let span = self.program.meta(id).span;
            self.report(
                Diagnostic::new(Code::ConstantExpected, span, "`OFFSET` goes at most 2147483647 rows")
                    .with_help("write a smaller number, or `FIRST(x)` or `LAST(x)`"),
            );
        }
        rows
    }

    pub(super) fn constant_expected(&mut self, id: IrId, function: &str, param: &str, example: &str) -> IrId {
        let span = self.program.meta(id).span;
        let text = self.source_text(span);
        self.report(
            Diagnostic::new(
                Code::ConstantExpected,
                span,
                format!("`{param}` of `{function}` must be a constant, found `{text}`"),
            )
            .with_help(format!("write it out, `{example}`")),
        );
        self.error(span)
    }

    /// FIRST and LAST: the value of one end of the partition, NULL where it is NULL there.
    pub(super) fn lower_end(&mut self, arg: ExprId, function: &Function, place: Place, span: Span) -> IrId {
        let value = self.value(arg);
        if self.is_error(value) || !self.may_look(function.name, Some(value), span) {
            return self.error(span);
        }
        if !self.has_order(function.name, span) {
            return self.error(span);
        }
        self.alone(value);
        let meta = self.program.meta(value);
        if meta.level == Level::Const && !meta.volatile {
            return value;
        }
        // All rows up to the current one are enough to know the first, and are what engines take by themselves.
        let (entry, over) = match place {
            Place::Last => (internal::LAST_VALUE, Over::Rows { from: Place::First, to: Place::Last }),
            _ => (internal::FIRST_VALUE, Over::Ordered),
        };
        self.row_of(entry, &[value], over, meta.nullable, span)
    }

    pub(super) fn lower_row(&mut self, function: &Function, span: Span) -> IrId {
        if !self.may_look(function.name, None, span) || !self.has_order(function.name, span) {
            return self.error(span);
        }
        self.row_of(internal::ROW_NUMBER, &[], Over::Ordered, false, span)
    }

    /// A window call of an entry with one form: of the type of its first argument, or a number of rows.
    fn row_of(&mut self, entry: FunctionId, args: &[IrId], over: Over, nullable: bool, span: Span) -> IrId {
        let overload = catalog::get(entry).overloads[0].id;
        let of = args.first().map(|value| self.program.meta(*value));
        let ty = match of.map_or(Type::Integer, |meta| meta.ty) {
            Type::Point => Type::Float,
            ty => ty,
        };
        let volatile = of.is_some_and(|meta| meta.volatile);
        let meta = Meta { ty, nullable, level: Level::Window, keyed: true, volatile, span };
        let call = self.add_all(|args| Ir::Apply { overload, args }, args, meta);
        self.over(call, over, meta)
    }

    fn over(&mut self, call: IrId, over: Over, meta: Meta) -> IrId {
        let over = self.program.add_over(over);
        self.program.add(Ir::Window { call, over }, meta)
    }

    /// `RANK(x)`, `RANK(x, x:x, direction)`: the place of the row's value among all that are there.
    pub(super) fn lower_rank(&mut self, args: &[ExprId], function: &'static Function, span: Span) -> IrId {
        let Some((first, mut rest)) = args.split_first() else { return self.error(span) };
        let value = self.value(*first);
        if let Some((range, more)) = rest.split_first() {
            let is_direction = more.is_empty() && self.is_direction(*range);
            if !is_direction {
                if !self.check_all_of(*range, value, function) {
                    return self.error(span);
                }
                rest = more;
            }
        }
        let mut descending = true;
        if let Some(direction) = rest.first() {
            let id = self.value(*direction);
            let set = match (self.program.node(id), self.literal_integer(id)) {
                (Ir::Error, _) => return self.error(span),
                (Ir::Bool(value), _) => value,
                (_, Some(number)) => number != 0,
                _ if function.lower == Some(Lowering::OmniRank) => {
                    return self.constant_expected(id, function.name, "in_row_direction", "OMNI_RANK(x, x:x, 0)");
                }
                _ => return self.constant_expected(id, function.name, "direction", "RANK(x, x:x, 1)"),
            };
            if set && function.lower == Some(Lowering::OmniRank) {
                let at = self.program.meta(id).span;
                self.report(
                    Diagnostic::new(Code::NeedsWorksheet, at, "a rank across the columns of a row needs a worksheet")
                        .with_help(format!("leave the argument out: `{}(x)` ranks among rows", function.name)),
                );
                return self.error(span);
            }
            descending = !set;
        }
        self.ranked(internal::RANK_OF, value, Over::Ranked { descending, apart: false, within: false }, function, span)
    }

    fn is_direction(&self, expr: ExprId) -> bool {
        let id = self.lowered(expr);
        matches!(self.program.node(id), Ir::Bool(_)) || self.literal_integer(id).is_some()
    }

    /// `PERCENTRANK(x)`, `PERCENTRANK(x:x, x)`: the share of the other values that are smaller.
    pub(super) fn lower_percent_rank(&mut self, args: &[ExprId], function: &'static Function, span: Span) -> IrId {
        let (range, value) = match args {
            [range, value] => (Some(*range), *value),
            [one] => (None, *one),
            _ => return self.error(span),
        };
        // `PERCENTRANK(x:x)` says all that `PERCENTRANK(x)` does.
        let id = match self.program.node(self.lowered(value)) {
            Ir::Range { x, .. } if range.is_none() => {
                if !self.check_all_of(value, x, function) {
                    return self.error(span);
                }
                x
            }
            _ => self.value(value),
        };
        if let Some(range) = range
            && !self.check_all_of(range, id, function)
        {
            return self.error(span);
        }
        self.ranked(
            internal::PERCENT_RANK_OF,
            id,
            Over::Ranked { descending: false, apart: true, within: false },
            function,
            span,
        )
    }

    /// Whether an argument is `x:x` of this value; a column's bare name stands for all of it, as in criteria.
    fn check_all_of(&mut self, range: ExprId, value: IrId, function: &Function) -> bool {
        let id = self.lowered(range);
        if self.is_error(id) || self.is_error(value) {
            self.failed = true;
            return false;
        }
        let (of, whole) = match self.program.node(id) {
            Ir::Range { x, over } => (x, self.program.over(over) == Over::Partition),
            _ => (id, self.program.meta(id).level != Level::Const),
        };
        let all = whole && self.same_value(of, value);
        self.program.folded |= all;
        if !all {
            let (text, of) = (self.source_text(self.ast.span(range)), self.source_text(self.program.meta(value).span));
            let message = format!("`{}` ranks each row's value among all of that name, found `{text}`", function.name);
            self.report(
                Diagnostic::new(Code::BadRange, self.ast.span(range), message)
                    .with_help(format!("write `{of}:{of}`, or leave it out; `partition_by` says among which rows")),
            );
        }
        all
    }

    fn ranked(&mut self, entry: FunctionId, value: IrId, over: Over, function: &Function, span: Span) -> IrId {
        if self.is_error(value) || !self.may_look(function.name, Some(value), span) {
            return self.error(span);
        }
        self.alone(value);
        let operands = self.operands(&[value], span);
        let Some(Chosen { args, choice, .. }) = self.choose(entry, &[value], &operands, function.name) else {
            return self.error(span);
        };
        let of = self.program.meta(value);
        if of.level == Level::Const && !of.volatile {
            // All rows are alike.
            self.program.folded = true;
            let first = if entry == internal::RANK_OF { "1" } else { "0" };
            return if self.is_null(value) {
                self.null(choice.ty, span)
            } else {
                self.number_of(first, choice.ty, span)
            };
        }
        let ty = choice.ty;
        let meta = Meta { ty, nullable: false, level: Level::Window, keyed: true, volatile: of.volatile, span };
        let call = self.program.add(Ir::Apply { overload: choice.overload, args }, meta);
        let window = self.over(call, over, meta);
        if !of.nullable {
            return window;
        }
        let there = Meta { ty: Type::Boolean, nullable: false, span, ..of };
        let there = self.program.add(Ir::IsNull { x: value, negated: true }, there);
        self.add_all(Ir::Case, &[there, window], Meta { nullable: true, ..meta })
    }

    fn number_of(&mut self, digits: &str, ty: Type, span: Span) -> IrId {
        let text = self.program.add_text(digits);
        self.program.add(Ir::Number(text), Self::constant(ty, span))
    }

    /// Whether a value that looks at other rows may stand here, and look at this one.
    pub(super) fn may_look(&mut self, shown: &str, value: Option<IrId>, span: Span) -> bool {
        if self.late(Level::Window, span) || !self.aggregates_allowed(span) {
            return false;
        }
        let Some(meta) = value.map(|value| self.program.meta(value)) else { return true };
        if meta.level == Level::Window && !self.scope.strata {
            self.report(
                Diagnostic::new(Code::NeedsQuery, span, "a window over a window cannot be one expression")
                    .with_help("write a spec and compile it with `formulac query`, which computes one after the other"),
            );
            return false;
        }
        if meta.level == Level::Row && self.grouped && !meta.keyed {
            let text = self.source_text(meta.span);
            self.report(
                Diagnostic::new(
                    Code::MixedLevels,
                    meta.span,
                    format!("`{shown}` looks at groups, and `{text}` is a value per row"),
                )
                .with_label("one value per row")
                .with_help("aggregate it, or add it to `group_by`"),
            );
            return false;
        }
        true
    }

    /// Whether the step says the order of rows, which this needs.
    pub(super) fn has_order(&mut self, shown: &str, span: Span) -> bool {
        if self.scope.ordered || self.scope.context == Context::Worksheet {
            return true;
        }
        let help = if self.scope.strata {
            match self.key_to_order_by() {
                Some(key) => format!("add `order_by: {key}` to the step"),
                None => "add `order_by:` to the step, for example `order_by: month`".to_owned(),
            }
        } else {
            "say the order, for example `--order-by month`".to_owned()
        };
        let message = format!("`{shown}` looks at other rows and nothing says their order");
        self.report(Diagnostic::new(Code::OrderNeeded, span, message).with_help(help));
        false
    }

    /// The key that groups follow each other by: the first that is a date, else the only one.
    fn key_to_order_by(&self) -> Option<String> {
        let target = |target: Target| match target {
            Target::Column(column) => {
                let column = &self.program.columns[column as usize];
                (column.name.to_string(), column.ty.is_temporal())
            }
            Target::Definition(index) => {
                let definition = &self.program.definitions[index as usize];
                let dated = !definition.failed && self.program.meta(definition.root).ty.is_temporal();
                (definition.name.as_deref().unwrap_or_default().to_owned(), dated)
            }
            _ => (String::new(), false),
        };
        let named = |key: &Key| match *key {
            Key::Column(column) => target(Target::Column(column)),
            Key::Definition(index) => target(Target::Definition(index)),
            Key::Timeframe(of, frame) => (format!("{}[{}]", target(of).0, frame.text(self.source)), true),
        };
        let keys: Vec<(String, bool)> = self.names.keys.iter().map(named).collect();
        let dated = keys.iter().find(|(_, dated)| *dated);
        dated.or(keys.first().filter(|_| keys.len() == 1)).map(|(name, _)| name.clone())
    }

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
        let mut found: Option<(Over, ExprId)> = None;
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
                continue;
            };
            distinct |= inner != lowered;
            let over = self.program.over(over);
            match found {
                Some((other, at)) if other != over => {
                    failed = true;
                    self.uneven(function, at, *arg);
                }
                _ => found = Some((over, *arg)),
            }
            values.push(x);
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
                _ => {
                    let name = function.name;
                    let message = format!("`{name}` takes one range of names, found {} arguments", values.len());
                    self.bad_range(
                        span,
                        &message,
                        &format!("call it for each, `{name}(a:a) + {name}(b:b)`, or define `c = a + b`"),
                    )
                }
            },
            (Some(_), Some(Lowering::TextJoin)) => {
                let message = format!("`{}` joins the rows of a group, not those of a range", function.name);
                self.bad_range(span, &message, "join the texts in a step with `group_by`, and read them in the next")
            }
            (Some((over, _)), Some(lowering)) => self.conditional(lowering, function, args, &values, Some(over), span),
        };
        self.give_back(values);
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
