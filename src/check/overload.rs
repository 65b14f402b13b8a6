//! Which overload of a function serves its arguments, and the arguments as it takes them.

use super::convert::What;
use super::lower::Lower;
use crate::catalog::{self, Function, FunctionId, Nulls, Overload, OverloadId, Param, ParamType, ResultType, tables};
use crate::ir::{Ir, IrId, Meta, Slice};
use crate::span::Span;
use crate::types::Type;

/// How well an argument fits a parameter; the less the better.
const EXACT: u8 = 0;
const WIDENS: u8 = 1;
const CONVERTS: u8 = 2;

/// The overload that was found, its arguments and what it makes of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    pub args: Slice,
    pub choice: Choice,
    /// The arguments are those that were given.
    pub as_given: bool,
}

/// An overload, the type of its value and when that is NULL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub overload: OverloadId,
    pub ty: Type,
    pub nulls: Nulls,
    /// The type that literals with a point are given.
    point: Type,
}

/// Choices that were made before, by function and types of arguments: where these alone decide and the arguments are
/// taken as they are.
#[derive(Debug, Default)]
pub(super) struct Choices {
    known: Vec<Option<Choice>>,
}

/// As many as there are types, and no argument, and a literal integer so short that it is in every range of literals
/// that is not a narrow one.
const KINDS: usize = Type::COUNT + 2;
const NO_ARGUMENT: usize = Type::COUNT;
const SHORT_INTEGER: usize = Type::COUNT + 1;

/// What arguments are together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operands {
    /// Level and the like of what is made of them.
    pub meta: Meta,
    /// Some may be NULL; all may.
    pub any_null: bool,
    pub all_null: bool,
    /// Some is a literal NULL; some has an error.
    pub null: bool,
    pub error: bool,
    /// The place of a choice for them, in those of a function.
    kinds: usize,
    /// Some is a literal whose value or neighbours may decide; some is a short one.
    integer: bool,
    short: bool,
    text: bool,
    /// Some is a literal with a point; some is so typed and is none.
    point: bool,
    pointed: bool,
    /// All are texts.
    texts: bool,
}

impl Lower<'_> {
    /// Looks once at all arguments.
    pub(super) fn operands(&self, args: &[IrId], span: Span) -> Operands {
        let mut all = Operands {
            meta: Self::constant(Type::Unknown, span),
            any_null: false,
            all_null: true,
            null: false,
            error: false,
            kinds: 0,
            integer: false,
            short: false,
            text: false,
            point: false,
            pointed: false,
            texts: true,
        };
        for arg in args {
            let (node, meta) = self.program.entry(*arg);
            let mut kind = meta.ty as usize;
            match node {
                Ir::Error => all.error = true,
                Ir::Null => all.null = true,
                Ir::Number(digits) if meta.ty == Type::Integer && digits.count < 10 => {
                    all.short = true;
                    kind = SHORT_INTEGER;
                }
                Ir::Number(_) => {
                    all.integer |= meta.ty == Type::Integer;
                    all.point |= meta.ty == Type::Point;
                }
                Ir::Text(_) => all.text = true,
                _ => all.pointed |= meta.ty == Type::Point,
            }
            all.texts &= meta.ty == Type::Text;
            all.any_null |= meta.nullable;
            all.all_null &= meta.nullable;
            all.meta.take(meta);
            all.kinds = all.kinds.wrapping_mul(KINDS).wrapping_add(kind);
        }
        all
    }

    /// The overload that serves these arguments; none where it is reported that none does.
    pub(super) fn choose(
        &mut self,
        id: FunctionId,
        args: &[IrId],
        operands: &Operands,
        span: Span,
        shown: &str,
    ) -> Option<Chosen> {
        let function = catalog::get(id);
        let key = Self::key(id, function, args, operands);
        if let Some(choice) = key.and_then(|key| self.choices().known.get(key).copied().flatten()) {
            if operands.point {
                for arg in args {
                    let meta = self.program.meta_mut(*arg);
                    meta.ty = if meta.ty == Type::Point { choice.point } else { meta.ty };
                }
            }
            return Some(Chosen { args: self.program.add_args(args), choice, as_given: true });
        }
        let point = args.iter().copied().find(|a| operands.point && self.program.meta(*a).ty == Type::Point);
        let Some((index, taken)) = self.search(function, args, shown) else {
            self.mismatched(function, args, span, shown);
            return None;
        };
        let overload = &function.overloads[index];
        let taken = taken?;
        let ty = self.result_type(function, overload, &taken);
        let point = point.map_or(Type::Point, |p| self.program.meta(p).ty);
        let choice = Choice { overload: overload.id, ty, nulls: overload.nulls.unwrap_or(function.nulls), point };
        let as_given = taken == args;
        if let (Some(key), true) = (key, as_given) {
            let known = &mut self.choices().known;
            if known.is_empty() {
                known.resize(tables::FUNCTIONS.len() * KINDS * KINDS, None);
            }
            known[key] = Some(choice);
        }
        let args = self.program.add_args(&taken);
        self.give_back(taken);
        Some(Chosen { args, choice, as_given })
    }

    /// The place of the choice among those made before, where types alone decide.
    fn key(id: FunctionId, function: &Function, args: &[IrId], operands: &Operands) -> Option<usize> {
        // A text may be a date; beside texts it is not. A literal NULL is of any type.
        let decides = operands.pointed
            || operands.null
            || (operands.integer && function.literals)
            || (operands.short && function.narrow_literals)
            || (operands.text && (function.literal_dates || !operands.texts));
        let kinds = match args.len() {
            1 => operands.kinds * KINDS + NO_ARGUMENT,
            2 => operands.kinds,
            _ => return None,
        };
        (!decides).then_some(usize::from(id.0) * KINDS * KINDS + kinds)
    }

    /// The place of the overload that fits best, and the arguments as it takes them; none for these when what is wrong
    /// with them was reported.
    #[allow(clippy::type_complexity, reason = "two ways to fail, of which one is reported")]
    fn search(
        &mut self,
        function: &'static Function,
        args: &[IrId],
        shown: &str,
    ) -> Option<(usize, Option<Vec<IrId>>)> {
        let mut list = self.list();
        list.extend_from_slice(args);
        self.settle_points(function, &mut list);
        let loose = list.iter().any(|a| self.program.meta(*a).ty == Type::Number);
        // Overloads for literals first, then exact fits, then the first that fits; of two forms the one with just so
        // many parameters, and the one for this type before the one for every type. A number of unknown kind takes the
        // last, which serves every kind.
        let mut best: Option<(u8, usize)> = None;
        for (index, overload) in function.overloads.iter().enumerate() {
            // The best that it could be, were all to fit.
            let least = if overload.literal { 0 } else { 2 } + u8::from(overload.repeated);
            if !loose && best.is_some_and(|(before, _)| before <= least) {
                continue;
            }
            let Some(fit) = self.fit(overload, &list) else { continue };
            let rank = match (fit, overload.literal) {
                (EXACT, true) => 0,
                (EXACT, false) => 2,
                (WIDENS, true) => 4,
                (WIDENS, false) => 6,
                _ => 8,
            } + u8::from(overload.repeated || overload.params.iter().any(|p| p.ty == ParamType::Same));
            if best.is_none_or(|(before, _)| rank < before || (loose && rank == before)) {
                best = Some((rank, index));
            }
        }
        let (_, index) = best?;
        Some((index, self.fitted(&function.overloads[index], list, shown)))
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
                self.program.meta_mut(*id).ty = ty;
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

    /// `1/0`, which stands for NULL of every type.
    pub(super) fn is_null(&self, id: IrId) -> bool {
        matches!(self.program.node(id), Ir::Null)
    }

    pub(super) fn param(overload: &Overload, index: usize) -> Option<&Param> {
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

    pub(super) fn fit_one(&self, param: ParamType, arg: IrId) -> Option<u8> {
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
                _ => self.is_null(arg).then_some(CONVERTS),
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
                _ => self.is_null(arg).then_some(CONVERTS),
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

    fn result_type(&self, function: &Function, overload: &Overload, args: &[IrId]) -> Type {
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
                .filter(|(_, a)| args.len() == 1 || !self.is_null(**a))
                .map(|(_, a)| self.program.meta(*a).ty)
                .fold(Type::Unknown, |a, b| Self::unified(a, b).unwrap_or(a)),
        }
    }
}

fn is_number(result: ResultType) -> bool {
    matches!(result, ResultType::Is(ty) if ty.is_number())
}
