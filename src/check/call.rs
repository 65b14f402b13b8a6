//! Function calls: the number of arguments, the overload, the type and null rule of the result.

use super::convert::What;
use super::lower::Lower;
use crate::ast::Call;
use crate::catalog::{self, Function, FunctionId, Nulls, Overload, Param, ParamType, ResultType, internal};
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};
use crate::span::Span;
use crate::types::{Level, Type};

/// How well an argument fits a parameter; the less the better.
const EXACT: u8 = 0;
const WIDENS: u8 = 1;
const CONVERTS: u8 = 2;

impl Lower<'_> {
    pub(super) fn call(&mut self, id: FunctionId, call: Call, span: Span) -> IrId {
        let function = catalog::get(id);
        if !self.check_count(function, call, span) {
            return self.error(span);
        }
        if let Some(lowering) = function.lower {
            return self.special(lowering, function, call, span);
        }
        let exprs = self.ast.arguments(call);
        if function.level == Level::Aggregate && exprs.len() == 1 {
            return self.aggregate_call(id, exprs[0], span);
        }
        let mut args = self.list();
        for expr in exprs {
            args.push(self.value(*expr));
        }
        let id = function.across.filter(|_| function.level == Level::Aggregate).unwrap_or(id);
        let node = self.apply_checked(id, &args, span, function.name);
        self.give_back(args);
        node
    }

    fn check_count(&mut self, function: &'static Function, call: Call, span: Span) -> bool {
        let (least, most) = function.arity();
        let count = call.count as usize;
        if count >= least && most.is_none_or(|m| count <= m) {
            return true;
        }
        // The rest of the arguments may be what a missing bracket swallowed.
        if call.unclosed && self.failed {
            return false;
        }
        let wanted = match most {
            Some(most) if most == least => plural(least),
            Some(most) if most == least + 1 => format!("{least} or {}", plural(most)),
            Some(most) => format!("{least} to {}", plural(most)),
            None => format!("at least {}", plural(least)),
        };
        let found = if count == 0 { "none".to_owned() } else { count.to_string() };
        self.report(
            Diagnostic::new(Code::ArgumentCount, span, format!("`{}` takes {wanted}, found {found}", function.name))
                .with_help(format!("its signature is `{}`", function.signature())),
        );
        false
    }

    /// An aggregate of one argument.
    pub(super) fn aggregate_call(&mut self, id: FunctionId, expr: crate::ast::ExprId, span: Span) -> IrId {
        let function = catalog::get(id);
        let lowered = self.lowered(expr);
        if let Ir::Distinct(inner) = self.program.node(lowered) {
            if [internal::SUM, internal::AVERAGE].contains(&id) {
                return self.aggregate(id, &[inner], true, span);
            }
            if Self::is_internal(function, internal::COUNTUNIQUE) {
                return self.aggregate(id, &[inner], false, span);
            }
        }
        let x = self.value(expr);
        self.aggregate(id, &[x], false, span)
    }

    /// An aggregate node, its argument checked to be of row level.
    pub(super) fn aggregate(&mut self, id: FunctionId, args: &[IrId], distinct: bool, span: Span) -> IrId {
        let function = catalog::get(id);
        for arg in args {
            if self.is_error(*arg) {
                return self.error(span);
            }
            let meta = self.program.meta(*arg);
            if meta.level >= Level::Aggregate {
                return self.nested(function, meta, span);
            }
            self.alone(*arg);
        }
        if self.late(Level::Aggregate, span) || !self.aggregates_allowed(span) {
            return self.error(span);
        }
        let Some((overload, args)) = self.choose(function, args, span, function.name) else { return self.error(span) };
        let ty = self.result_type(function, overload, &args);
        let nullable = match function.empty {
            // The sum of nothing is NULL in SQL; whoever writes the SQL makes it the value of `empty`.
            Some(_) => false,
            None => function.nulls != Nulls::Never,
        };
        let volatile = args.iter().any(|a| self.program.meta(*a).volatile);
        let meta = crate::ir::Meta { ty, nullable, level: Level::Aggregate, keyed: true, volatile, span };
        let window = function.window.map(|window| self.window_form(window, args[0], span));
        self.program.folded |= window.is_some();
        let slice = self.program.add_args(&args);
        self.give_back(args);
        let aggregate = self.program.add(Ir::Aggregate { overload: overload.id, args: slice, distinct }, meta);
        self.program.window_forms.extend(window.map(|window| (aggregate, window)));
        aggregate
    }

    /// An aggregate of what is computed later than values of rows.
    #[cold]
    pub(super) fn nested(&mut self, function: &Function, inner: crate::ir::Meta, span: Span) -> IrId {
        let text = self.source_text(inner.span);
        let diagnostic = if inner.level == Level::Aggregate {
            Diagnostic::new(
                Code::NestedAggregate,
                span,
                format!("`{}` of `{text}`: an aggregate of an aggregate", function.name),
            )
            .with_other(inner.span, "one value per group already")
            .with_help("compute the inner one in an earlier step, grouped, and aggregate it in the next")
        } else {
            Diagnostic::new(
                Code::WindowNotAllowed,
                span,
                format!("`{}` of `{text}`, which looks at other rows", function.name),
            )
            .with_other(inner.span, "computed after grouping")
            .with_help("compute it in this step and aggregate it in the next one")
        };
        self.report(diagnostic);
        self.error(span)
    }

    /// The aggregate as a window over each group, kept beside it for dialects that need it.
    fn window_form(&mut self, function: FunctionId, x: IrId, span: Span) -> IrId {
        let overload = catalog::get(function).overloads[0].id;
        let meta =
            crate::ir::Meta { ty: Type::Float, nullable: true, level: Level::Row, keyed: false, volatile: false, span };
        let call = self.add_all(|args| Ir::Apply { overload, args }, &[x], meta);
        self.program.add(Ir::GroupWindow { call }, meta)
    }

    /// A call of an internal function whose arguments are known to fit.
    pub(super) fn apply(&mut self, id: FunctionId, args: &[IrId], span: Span) -> IrId {
        let name = catalog::get(id).name;
        self.apply_checked(id, args, span, name)
    }

    /// A call of a function that is no aggregate.
    pub(super) fn apply_checked(&mut self, id: FunctionId, args: &[IrId], span: Span, shown: &str) -> IrId {
        let function = catalog::get(id);
        if args.iter().any(|a| self.is_error(*a)) {
            return self.error(span);
        }
        let Some((overload, args)) = self.choose(function, args, span, shown) else { return self.error(span) };
        let ty = self.result_type(function, overload, &args);
        // What takes NULL to NULL need not be asked; engines want a type of a bare NULL.
        let rule = overload.nulls.unwrap_or(function.nulls);
        if rule == Nulls::Any && args.iter().any(|a| matches!(self.program.node(*a), Ir::Null)) {
            self.program.folded = true;
            return self.null(ty, span);
        }
        let any = args.iter().any(|a| self.program.meta(*a).nullable);
        let nullable = match rule {
            Nulls::Any => any,
            Nulls::Always => any || !self.never_null_division(id, &args),
            Nulls::Never => false,
            Nulls::All => args.iter().all(|a| self.program.meta(*a).nullable),
        };
        let Some(mut meta) = self.joined(&args, span, ty, nullable) else { return self.error(span) };
        meta.volatile |= function.volatile;
        if function.volatile {
            meta.level = meta.level.max(Level::Row);
            meta.keyed = false;
        }
        let slice = self.program.add_args(&args);
        self.give_back(args);
        self.program.add(Ir::Apply { overload: overload.id, args: slice }, meta)
    }

    /// Division by a literal that is not zero is NULL only when its numerator is.
    fn never_null_division(&self, id: FunctionId, args: &[IrId]) -> bool {
        id == internal::DIVIDE && matches!(args.get(1).map(|a| self.program.node(*a)), Some(Ir::Number(_)))
    }

    /// The overload that serves these arguments, and the arguments as it takes them.
    fn choose(
        &mut self,
        function: &'static Function,
        args: &[IrId],
        span: Span,
        shown: &str,
    ) -> Option<(&'static Overload, Vec<IrId>)> {
        let mut list = self.list();
        list.extend_from_slice(args);
        let mut args = list;
        self.settle_points(function, &mut args);
        let loose = args.iter().any(|a| self.program.meta(*a).ty == Type::Number);
        // Overloads for literals first, then exact fits, then the first that fits; of two forms the one with just so
        // many parameters. A number of unknown kind takes the last, which serves every kind.
        let mut best: Option<(u8, &'static Overload)> = None;
        for overload in function.overloads {
            // The best that it could be, were all to fit.
            let least = if overload.literal { 0 } else { 2 } + u8::from(overload.repeated);
            if !loose && best.is_some_and(|(before, _)| before <= least) {
                continue;
            }
            let Some(fit) = self.fit(overload, &args) else { continue };
            let rank = match (fit, overload.literal) {
                (EXACT, true) => 0,
                (EXACT, false) => 2,
                (WIDENS, true) => 4,
                (WIDENS, false) => 6,
                _ => 8,
            } + u8::from(overload.repeated);
            if best.is_none_or(|(before, _)| rank < before || (loose && rank == before)) {
                best = Some((rank, overload));
            }
        }
        if let Some((_, overload)) = best {
            let args = self.fitted(overload, args, shown)?;
            return Some((overload, args));
        }
        self.mismatched(function, &args, span, shown);
        None
    }

    /// A literal with a point is a decimal beside decimals and else a float; it stays bare where its neighbour decides.
    fn settle_points(&mut self, function: &'static Function, args: &mut [IrId]) {
        let is_point = |id: &IrId| self.program.meta(*id).ty == Type::Point;
        if !args.iter().any(is_point) {
            return;
        }
        let compares = function.overloads.iter().all(|o| o.result == ResultType::Is(Type::Boolean));
        let others: Vec<Type> = args.iter().map(|a| self.program.meta(*a).ty).filter(|t| *t != Type::Point).collect();
        let ty = if compares || others.iter().any(|t| matches!(t, Type::Float | Type::Number)) {
            return;
        } else if others.contains(&Type::Decimal) {
            Type::Decimal
        } else {
            Type::Float
        };
        for id in args {
            let is_literal = matches!(self.program.node(*id), Ir::Number(_));
            if is_literal && self.program.meta(*id).ty == Type::Point {
                self.program.meta[id.index()].ty = ty;
            }
        }
    }

    /// A text literal that was meant as a date: numbers between separators.
    fn is_date_like(&self, id: IrId) -> bool {
        self.literal_text(id).is_some_and(|text| {
            let separators = text.bytes().filter(|b| matches!(b, b'-' | b'/' | b'.')).count();
            separators == 2 && text.bytes().filter(u8::is_ascii_digit).count() >= 4
        })
    }

    fn param(overload: &Overload, index: usize) -> Option<&Param> {
        match overload.params.get(index) {
            Some(param) => Some(param),
            None if overload.repeated => overload.params.last(),
            None => None,
        }
    }

    /// How well all arguments fit, by the worst of them.
    fn fit(&self, overload: &Overload, args: &[IrId]) -> Option<u8> {
        if args.len() < overload.needed || (args.len() > overload.params.len() && !overload.repeated) {
            return None;
        }
        let mut worst = EXACT;
        for (index, arg) in args.iter().enumerate() {
            let param = Self::param(overload, index)?;
            worst = worst.max(self.fit_one(param.ty, *arg)?);
        }
        // A default that must be a literal of a range is one.
        for param in overload.params.get(args.len()..).unwrap_or_default() {
            if let (ParamType::Literal(low, high), Some(default)) = (param.ty, param.default) {
                default.parse::<i64>().ok().filter(|d| (low..=high).contains(d))?;
            }
        }
        Some(worst)
    }

    fn fit_one(&self, param: ParamType, arg: IrId) -> Option<u8> {
        let ty = self.program.meta(arg).ty;
        use Type::{Boolean, Date, Decimal, Float, Integer, Number, Point, Text, Timestamp, Timestamptz, Unknown};
        match param {
            ParamType::Any | ParamType::Same => Some(EXACT),
            ParamType::Literal(low, high) => {
                self.literal_integer(arg).filter(|n| (low..=high).contains(n)).map(|_| EXACT)
            }
            ParamType::Number if ty.is_number() || ty == Unknown => Some(EXACT),
            ParamType::Temporal => match ty {
                Date | Timestamp | Unknown => Some(EXACT),
                Timestamptz => Some(WIDENS),
                Text if self.is_date_like(arg) => Some(CONVERTS),
                _ => None,
            },
            ParamType::Is(wanted) => match (ty, wanted) {
                (ty, wanted) if ty == wanted => Some(EXACT),
                (Unknown, Boolean | Date | Timestamp | Timestamptz) => Some(WIDENS),
                (Unknown, _) => Some(EXACT),
                // A number of unknown kind is best served by what serves every kind.
                (Number, Float) | (Point, Decimal | Float) => Some(EXACT),
                (Number, Integer | Decimal) => Some(WIDENS),
                (Integer, Decimal | Float) | (Decimal, Float) | (Date | Timestamptz, Timestamp) => Some(WIDENS),
                (Timestamp | Timestamptz, Date) | (Decimal | Float | Point, Integer) => Some(CONVERTS),
                (Text, Date | Timestamp) if self.is_date_like(arg) => Some(CONVERTS),
                (ty, Boolean) if ty.is_number() => Some(CONVERTS),
                _ => None,
            },
            _ => None,
        }
    }

    /// The arguments converted, defaults filled in, those of type T brought together.
    fn fitted(&mut self, overload: &'static Overload, mut args: Vec<IrId>, shown: &str) -> Option<Vec<IrId>> {
        let mut same = 0;
        for (index, arg) in args.iter_mut().enumerate() {
            let Some(param) = Self::param(overload, index) else { break };
            match param.ty {
                ParamType::Is(wanted) if !wanted.is_number() || wanted == Type::Integer => {
                    *arg = self.converted(*arg, wanted);
                }
                ParamType::Temporal => {
                    let ty = self.program.meta(*arg).ty;
                    if matches!(ty, Type::Timestamptz) {
                        *arg = self.converted(*arg, Type::Timestamp);
                    } else if ty == Type::Text {
                        *arg = self.converted(*arg, Type::Date);
                    }
                }
                ParamType::Same => same += 1,
                _ => {}
            }
            if self.is_error(*arg) {
                return None;
            }
        }
        if same > 1 {
            let is_same = |index: &usize| Self::param(overload, *index).is_some_and(|p| p.ty == ParamType::Same);
            let mut shared = self.list();
            shared.extend((0..args.len()).filter(is_same).map(|i| args[i]));
            let compare = overload.result == ResultType::Is(Type::Boolean);
            self.unify(&mut shared, What::Values(shown), compare)?;
            if shared.iter().any(|a| self.is_error(*a)) {
                return None;
            }
            for (index, id) in (0..args.len()).filter(is_same).zip(&shared) {
                args[index] = *id;
            }
            self.give_back(shared);
        }
        for param in overload.params.get(args.len()..).unwrap_or_default() {
            if let Some(default) = param.default {
                let id = self.integer(default, Span::default());
                args.push(id);
            }
        }
        Some(args)
    }

    pub(super) fn result_type(&self, function: &Function, overload: &Overload, args: &[IrId]) -> Type {
        let loose = args.iter().any(|a| self.program.meta(*a).ty == Type::Number);
        match overload.result {
            // A number of unknown kind stays one where the kinds differ in their results.
            ResultType::Is(ty)
                if loose
                    && ty.is_number()
                    && function.overloads.iter().any(|o| o.result != overload.result && is_number(o.result)) =>
            {
                Type::Number
            }
            ResultType::Is(ty) => ty,
            ResultType::Param(index) => {
                let ty = args.get(index as usize).map_or(Type::Unknown, |a| self.program.meta(*a).ty);
                if ty == Type::Point { Type::Float } else { ty }
            }
            ResultType::Same | ResultType::Lowered => args
                .iter()
                .enumerate()
                .filter(|(i, _)| matches!(Self::param(overload, *i).map(|p| p.ty), Some(ParamType::Same)))
                .map(|(_, a)| self.program.meta(*a).ty)
                .fold(Type::Unknown, |a, b| Self::unified(a, b).unwrap_or(a)),
        }
    }

    /// No overload takes these arguments: says which one is wrong, and what would be right.
    #[cold]
    fn mismatched(&mut self, function: &'static Function, args: &[IrId], span: Span, shown: &str) {
        let wrong = args.iter().enumerate().find(|(index, arg)| {
            !function
                .overloads
                .iter()
                .any(|o| Self::param(o, *index).is_some_and(|p| self.fit_one(p.ty, **arg).is_some()))
        });
        let is_operator = function.internal;
        let Some((index, arg)) = wrong else {
            // Each fits by itself and they do not fit together: an operator on a date and a date, say.
            let types: Vec<&str> = args.iter().map(|a| self.program.meta(*a).ty.described()).collect();
            let help = match shown {
                "+" => "add days to a date, or numbers to numbers; join texts with `&`".to_owned(),
                "-" => "subtract days or dates from dates, numbers from numbers".to_owned(),
                _ => format!("its signature is `{}`", function.signature()),
            };
            self.report(
                Diagnostic::new(
                    Code::TypeMismatch,
                    span,
                    format!("`{shown}` does not go with {}", types.join(" and ")),
                )
                .with_help(help),
            );
            return;
        };
        let meta = self.program.meta(*arg);
        let text = self.source_text(meta.span);
        let beside_date = args.iter().any(|a| self.program.meta(*a).ty.is_temporal());
        if beside_date && matches!(self.program.node(*arg), Ir::Text(_)) {
            self.date_literal(*arg);
            return;
        }
        let mut wanted: Vec<&str> = Vec::new();
        for overload in function.overloads {
            if let Some(param) = Self::param(overload, index) {
                let name = match param.ty {
                    ParamType::Is(ty) if ty.is_number() => "a number",
                    ParamType::Number | ParamType::Literal(..) => "a number",
                    ParamType::Is(ty) => ty.described(),
                    ParamType::Temporal => "a date",
                    ParamType::Any | ParamType::Same => continue,
                };
                if !wanted.contains(&name) {
                    wanted.push(name);
                }
            }
        }
        let arithmetic = match shown {
            "+" if Self::is_internal(function, internal::ADD) => Some("`+` adds numbers, or days to a date"),
            "-" if Self::is_internal(function, internal::SUBTRACT) => {
                Some("`-` subtracts numbers, or days or dates from dates")
            }
            _ => None,
        };
        let help = match (meta.ty, wanted.first().copied().unwrap_or_default(), shown) {
            (Type::Text, _, "+") => "join texts with `&`".to_owned(),
            (Type::Boolean, "a number", _) => format!("turn the condition into a number, `IF({text}, 1, 0)`"),
            (ty, "text", _) if ty != Type::Text => format!("make it a text, `{text} & \"\"`"),
            (_, "a date", _) => "give a date column, `DATE(2024, 1, 31)` or a text `\"2024-01-31\"`".to_owned(),
            _ if is_operator => "correct the type of this side".to_owned(),
            _ => format!("its signature is `{}`", function.signature()),
        };
        let is = meta.ty.described();
        let message = match (arithmetic, Self::is_internal(function, internal::NEGATE)) {
            (_, true) => format!("`{shown}` needs a number; `{text}` is {is}"),
            (Some(rule), _) => format!("{rule}; `{text}` is {is}"),
            _ => format!("`{shown}` expects {}, found `{text}`, which is {is}", wanted.join(" or ")),
        };
        self.report(Diagnostic::new(Code::TypeMismatch, meta.span, message).with_help(help));
    }
}

fn is_number(result: ResultType) -> bool {
    matches!(result, ResultType::Is(ty) if ty.is_number())
}

fn plural(count: usize) -> String {
    match count {
        0 => "no argument".to_owned(),
        1 => "1 argument".to_owned(),
        n => format!("{n} arguments"),
    }
}
