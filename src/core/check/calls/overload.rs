//! Overload resolution: chooses the overload of a function that matches the arguments, and converts the arguments to
//! its parameters.

use super::convert::SameTypeReason;
use super::operands::{Operands, kind};
use crate::Type;
use crate::catalog::{self, Function, FunctionId, Nulls, Overload, OverloadId, Param, ParamType, ResultType};
use crate::check::lower::Lowerer;
use crate::ir::{Ir, IrId, PoolRange};
use crate::span::Span;

/// Ranks that describe how well an argument matches a parameter. A lower rank is better.
const EXACT_MATCH_RANK: u8 = 0;
const WIDENING_RANK: u8 = 1;
const CONVERSION_RANK: u8 = 2;
const LOSSY_CONVERSION_RANK: u8 = 3;

/// Chosen overload with the converted arguments and the type of the result.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct ChosenOverload {
    pub args: PoolRange,
    pub choice: CachedOverload,
    /// Whether the arguments are unchanged.
    pub arguments_unchanged: bool,
}

/// Overload, with the type and nullability of its result.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct CachedOverload {
    pub overload: OverloadId,
    pub ty: Type,
    pub nulls: Nulls,
    /// Whether each call to the function can return a different value.
    pub volatile: bool,
    /// Type assigned to decimal literals among the arguments.
    point: Type,
}

/// Cache of chosen overloads. The key contains the function, the kinds of its arguments and, in some cases, the value
/// of a literal. The cache contains only choices that are determined by the key and require no conversions.
#[derive(Debug, Default)]
pub(in crate::check) struct OverloadCache {
    /// Slots with cached choices, indexed by the hash of the call. A newer entry replaces the older entry in its slot.
    slots: Vec<(u64, CachedOverload)>,
}

impl OverloadCache {
    const CACHE_SLOTS: usize = 1024;

    fn cache_slot(call: u64) -> usize {
        (call.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - Self::CACHE_SLOTS.ilog2())) as usize
    }

    #[inline]
    fn find(&self, call: u64) -> Option<CachedOverload> {
        let (cached_call, choice) = self.slots.get(Self::cache_slot(call))?;
        (*cached_call == call).then_some(*choice)
    }

    fn store_cached_overload(&mut self, call: u64, choice: CachedOverload) {
        if self.slots.is_empty() {
            // Fill the slots with `u64::MAX`, which is not the key of any call.
            self.slots.resize(Self::CACHE_SLOTS, (u64::MAX, choice));
        }
        if let Some(slot) = self.slots.get_mut(Self::cache_slot(call)) {
            *slot = (call, choice);
        }
    }
}

impl Lowerer<'_> {
    /// Chooses the overload for the arguments. Reports an error and returns `None` if no overload matches.
    #[inline(always)]
    pub(in crate::check) fn choose_overload(
        &mut self,
        id: FunctionId,
        args: &[IrId],
        operands: &Operands,
        display_name: &str,
    ) -> Option<ChosenOverload> {
        let call = Self::encode_call(id, args, operands);
        match call.and_then(|call| self.overload_cache().find(call)) {
            Some(choice) => Some(self.use_cached_overload(choice, args, operands)),
            None => self.search_and_cache_overload(id, args, operands, call, display_name),
        }
    }

    #[inline]
    fn use_cached_overload(&mut self, choice: CachedOverload, args: &[IrId], operands: &Operands) -> ChosenOverload {
        if operands.has_decimal_literal() {
            self.convert_decimal_literals_to(args, choice.point);
        }
        ChosenOverload {
            args: self.program.add_args(args),
            choice,
            arguments_unchanged: true,
        }
    }

    #[cold]
    fn convert_decimal_literals_to(&mut self, args: &[IrId], ty: Type) {
        for arg in args {
            let meta = self.program.meta_mut(*arg);
            meta.ty = if meta.ty == Type::Point { ty } else { meta.ty };
        }
    }

    #[cold]
    fn search_and_cache_overload(
        &mut self,
        id: FunctionId,
        args: &[IrId],
        operands: &Operands,
        call: Option<u64>,
        display_name: &str,
    ) -> Option<ChosenOverload> {
        let function = catalog::get(id);
        let call = call.and_then(|call| self.overload_cache_key(call, function, args, operands));
        if let Some(choice) = call.and_then(|call| self.overload_cache().find(call)) {
            return Some(self.use_cached_overload(choice, args, operands));
        }
        let has_point = operands.has_decimal_literal();
        let point = args
            .iter()
            .copied()
            .find(|a| has_point && self.program.meta(*a).ty == Type::Point);
        let Some((overload, taken_args)) = self.search_overloads(function, args, display_name) else {
            self.report_overload_mismatch(function, args, operands.meta.span, display_name);
            return None;
        };
        let converted_args = taken_args?;
        let ty = self.result_type(function, overload, &converted_args);
        let point = point.map_or(Type::Point, |p| self.program.meta(p).ty);
        let nulls = overload.nulls.unwrap_or(function.nulls);
        let choice = CachedOverload {
            overload: overload.id,
            ty,
            nulls,
            volatile: function.volatile,
            point,
        };
        let as_given = converted_args == args;
        if let Some(call) = call.filter(|_| as_given) {
            self.overload_cache().store_cached_overload(call, choice);
        }
        let args = self.program.add_args(&converted_args);
        self.recycle_list(converted_args);
        Some(ChosenOverload {
            args,
            choice,
            arguments_unchanged: as_given,
        })
    }

    /// Encodes the function and the kinds of its arguments as a cache key. `None` for more than two arguments.
    #[inline]
    fn encode_call(id: FunctionId, args: &[IrId], operands: &Operands) -> Option<u64> {
        let digits = match args {
            [] => kind::NO_ARGUMENT * kind::COUNT + kind::NO_ARGUMENT,
            [_] => operands.digits * kind::COUNT + kind::NO_ARGUMENT,
            [_, _] => operands.digits,
            _ => return None,
        };
        Some(u64::from(u32::from(id.0) * kind::COUNT * kind::COUNT + digits))
    }

    /// Returns the cache key of a call: the function, the kinds of its arguments, and the value of a short literal if
    /// the overload can depend on the value. `None` if the key does not determine the overload.
    fn overload_cache_key(&self, call: u64, function: &Function, args: &[IrId], operands: &Operands) -> Option<u64> {
        // The kinds of the arguments do not determine the overload in the following cases. A text literal may be a
        // date, unless all arguments are text values. NULL literals and expressions with the type of a decimal literal
        // have no definite type. The sign of a decimal literal matters if a parameter is `positive`.
        if operands.has_null()
            || (operands.has_decimal_literal() && function.rejects_short_literals)
            || operands.has_kind(Type::Point as u32)
            || (operands.has_kind(kind::LONG_INTEGER) && function.has_literal_params)
            || (operands.has_kind(kind::TEXT_LITERAL) && (function.literal_dates || !operands.are_all_texts()))
        {
            return None;
        }
        if !(operands.has_kind(kind::SHORT_INTEGER) && function.rejects_short_literals) {
            return Some(call);
        }
        let mut values = args.iter().filter_map(|a| self.literal_integer(*a));
        match (values.next(), values.next()) {
            // The lowest bit of the upper half is 1, so that the key differs from all keys without a value.
            (Some(value), None) => Some(call | (value.wrapping_mul(2) as u64 | 1) << u32::BITS),
            _ => None,
        }
    }

    /// Returns the index of the best match and the converted arguments. The arguments are `None` if a conversion
    /// reported an error.
    #[allow(
        clippy::type_complexity,
        reason = "there are two possible errors, but only one is reported"
    )]
    fn search_overloads(
        &mut self,
        function: &'static Function,
        args: &[IrId],
        display_name: &str,
    ) -> Option<(&'static Overload, Option<Vec<IrId>>)> {
        let mut list = self.take_list();
        list.extend_from_slice(args);
        self.assign_decimal_literal_types(function, &mut list);
        let loose = list.iter().any(|a| self.program.meta(*a).ty == Type::Number);
        // Prefer overloads for literals, then exact matches, then the first match. If two overloads match equally well,
        // prefer a fixed number of parameters over a repeated parameter, and a specific type over a generic type. For a
        // number of unknown type, choose the last match, which accepts every numeric type.
        let is_generic = |ty: ParamType| matches!(ty, ParamType::Same | ParamType::Any);
        let mut best: Option<(u8, &'static Overload)> = None;
        for overload in function.overloads {
            // Best possible rank of this overload.
            let least = if overload.has_literal_params { 0 } else { 2 } + u8::from(overload.repeated);
            if !loose && best.is_some_and(|(before, _)| before <= least) {
                continue;
            }
            let Some(fit) = self.rank_overload(overload, &list) else {
                continue;
            };
            let rank = match (fit, overload.has_literal_params) {
                (EXACT_MATCH_RANK, true) => 0,
                (EXACT_MATCH_RANK, false) => 2,
                (WIDENING_RANK, true) => 4,
                (WIDENING_RANK, false) => 6,
                (CONVERSION_RANK, _) => 8,
                _ => 10,
            } + u8::from(overload.repeated || overload.params.iter().any(|p| is_generic(p.ty)));
            if best.is_none_or(|(before, _)| rank < before || (loose && rank == before)) {
                best = Some((rank, overload));
            }
        }
        let (_, overload) = best?;
        Some((overload, self.convert_arguments(overload, list, display_name)))
    }

    /// Assigns a type to decimal literals: decimal if another argument is a decimal, float otherwise. The literals
    /// remain unchanged if another argument determines their type.
    fn assign_decimal_literal_types(&mut self, function: &'static Function, args: &mut [IrId]) {
        let is_point = |id: &IrId| self.program.meta(*id).ty == Type::Point;
        if !args.iter().any(is_point) {
            return;
        }
        let compares = function
            .overloads
            .iter()
            .all(|o| o.result == ResultType::Is(Type::Boolean));
        let others: Vec<Type> = args
            .iter()
            .map(|a| self.program.meta(*a).ty)
            .filter(|t| *t != Type::Point)
            .collect();
        let ty = if compares
            || others
                .iter()
                .any(|t| matches!(t.sql_type(), Type::Float | Type::Number))
        {
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

    /// Returns whether a text literal looks like a date: numbers between separators.
    fn is_date_like(&self, id: IrId) -> bool {
        self.literal_text(id).is_some_and(|text| {
            let separators = text.bytes().filter(|b| matches!(b, b'-' | b'/' | b'.')).count();
            separators == 2 && text.bytes().filter(u8::is_ascii_digit).count() >= 4
        })
    }

    /// Returns whether a node is a NULL literal of any type, which formulas write as `1/0`.
    pub(in crate::check) fn is_null(&self, id: IrId) -> bool {
        matches!(self.program.node(id), Ir::Null)
    }

    pub(in crate::check) fn overload_param(overload: &Overload, index: usize) -> Option<&Param> {
        match overload.params.get(index) {
            Some(param) => Some(param),
            None if overload.repeated => overload.params.last(),
            None => None,
        }
    }

    /// Ranks how well the arguments match an overload. The result is the rank of the worst match.
    fn rank_overload(&self, overload: &Overload, args: &[IrId]) -> Option<u8> {
        if args.len() < overload.min_arguments || (args.len() > overload.params.len() && !overload.repeated) {
            return None;
        }
        let mut worst = EXACT_MATCH_RANK;
        for (index, arg) in args.iter().enumerate() {
            let param = Self::overload_param(overload, index)?;
            worst = worst.max(self.rank_argument(param.ty, *arg)?);
        }
        // The default of a literal parameter must be in the parameter's range.
        for param in overload.params.get(args.len()..).unwrap_or_default() {
            if let (ParamType::Literal(low, high), Some(default)) = (param.ty, param.default) {
                default.parse::<i64>().ok().filter(|d| (low..=high).contains(d))?;
            }
        }
        Some(worst)
    }

    pub(in crate::check) fn rank_argument(&self, param: ParamType, arg: IrId) -> Option<u8> {
        let ty = self.program.meta(arg).ty.sql_type();
        use Type::{Boolean, Date, Decimal, Float, Integer, Number, Point, Text, Timestamp, Timestamptz, Unknown};
        match param {
            ParamType::Any | ParamType::Same => Some(EXACT_MATCH_RANK),
            ParamType::Literal(low, high) => self
                .literal_integer(arg)
                .filter(|n| (low..=high).contains(n))
                .map(|_| EXACT_MATCH_RANK),
            ParamType::Positive => self.literal_number(arg).filter(|n| *n > 0.0).map(|_| EXACT_MATCH_RANK),
            ParamType::Negative => self.literal_number(arg).filter(|n| *n < 0.0).map(|_| EXACT_MATCH_RANK),
            ParamType::Number if ty.is_number() || ty == Unknown => Some(EXACT_MATCH_RANK),
            ParamType::Temporal => match ty {
                Date | Timestamp | Unknown => Some(EXACT_MATCH_RANK),
                Timestamptz => Some(WIDENING_RANK),
                Text if self.is_date_like(arg) => Some(CONVERSION_RANK),
                _ => self.is_null(arg).then_some(CONVERSION_RANK),
            },
            ParamType::Is(wanted_type) => match (ty, wanted_type) {
                (ty, expected_type) if ty == expected_type => Some(EXACT_MATCH_RANK),
                (Unknown, Boolean | Date | Timestamp | Timestamptz) => Some(WIDENING_RANK),
                (Unknown, _) => Some(EXACT_MATCH_RANK),
                // For a number of unknown type, the best match is a parameter that accepts every numeric type.
                (Number, Float) | (Point, Decimal | Float) => Some(EXACT_MATCH_RANK),
                (Number, Integer | Decimal) => Some(WIDENING_RANK),
                (Integer, Decimal | Float) | (Decimal, Float) | (Date | Timestamptz, Timestamp) => Some(WIDENING_RANK),
                (Timestamp | Timestamptz, Date) => Some(LOSSY_CONVERSION_RANK),
                (Decimal | Float | Point, Integer) => Some(CONVERSION_RANK),
                (Text, Date | Timestamp) if self.is_date_like(arg) => Some(CONVERSION_RANK),
                (ty, Boolean) if ty.is_number() => Some(CONVERSION_RANK),
                // Accept an integer as text, as the operator `&` does, because codes and order numbers are often
                // integers.
                (Integer, Text) => Some(WIDENING_RANK),
                _ => self.is_null(arg).then_some(CONVERSION_RANK),
            },
            _ => None,
        }
    }

    /// Converts the arguments to the parameters of an overload, adds defaults, and unifies the types of arguments
    /// with the generic type T.
    fn convert_arguments(
        &mut self,
        overload: &'static Overload,
        mut args: Vec<IrId>,
        display_name: &str,
    ) -> Option<Vec<IrId>> {
        let mut same_count = 0;
        for (index, arg) in args.iter_mut().enumerate() {
            let Some(param) = Self::overload_param(overload, index) else {
                break;
            };
            match param.ty {
                ParamType::Is(expected_type) if !expected_type.is_number() || expected_type == Type::Integer => {
                    *arg = self.convert_to(*arg, expected_type);
                }
                ParamType::Temporal => {
                    let ty = self.program.meta(*arg).ty;
                    if matches!(ty, Type::Timestamptz) {
                        *arg = self.convert_to(*arg, Type::Timestamp);
                    } else if ty == Type::Text {
                        *arg = self.convert_date_literal(*arg, true);
                    }
                }
                ParamType::Same => same_count += 1,
                // Leave the type of the literal open, because the other argument determines it.
                ParamType::Positive | ParamType::Negative if self.program.meta(*arg).ty == Type::Float => {
                    self.program.meta_mut(*arg).ty = Type::Point;
                }
                _ => {}
            }
            if self.is_error(*arg) {
                return None;
            }
        }
        if same_count > 1 {
            let is_same = |index: usize| Self::overload_param(overload, index).is_some_and(|p| p.ty == ParamType::Same);
            let mut shared = self.take_list();
            shared.extend(args.iter().enumerate().filter(|(i, _)| is_same(*i)).map(|(_, id)| *id));
            let compare = overload.result == ResultType::Is(Type::Boolean);
            self.unify_values(&mut shared, SameTypeReason::Values(display_name), compare)?;
            if shared.iter().any(|a| self.is_error(*a)) {
                return None;
            }
            let unified = args.iter_mut().enumerate().filter(|(i, _)| is_same(*i));
            for ((_, arg), id) in unified.zip(&shared) {
                *arg = *id;
            }
            self.recycle_list(shared);
        }
        for param in overload.params.get(args.len()..).unwrap_or_default() {
            if let Some(default) = param.default {
                let id = self.program.add_integer(default, Span::default());
                args.push(id);
            }
        }
        Some(args)
    }

    fn result_type(&self, function: &Function, overload: &Overload, args: &[IrId]) -> Type {
        let loose = args.iter().any(|a| self.program.meta(*a).ty == Type::Number);
        match overload.result {
            // Keep the unknown numeric type if the result type depends on it.
            ResultType::Is(ty)
                if loose
                    && ty.is_number()
                    && function
                        .overloads
                        .iter()
                        .any(|o| o.result != overload.result && is_number(o.result)) =>
            {
                Type::Number
            }
            ResultType::Is(ty) => ty,
            ResultType::Param(index) => {
                let ty = args
                    .get(index as usize)
                    .map_or(Type::Unknown, |a| self.program.meta(*a).ty);
                if ty == Type::Point { Type::Float } else { ty }
            }
            ResultType::Same | ResultType::Lowered => args
                .iter()
                .enumerate()
                .filter(|(i, _)| matches!(Self::overload_param(overload, *i).map(|p| p.ty), Some(ParamType::Same)))
                .filter(|(_, a)| args.len() == 1 || !self.is_null(**a))
                .map(|(_, a)| self.program.meta(*a).ty)
                .fold(Type::Unknown, |a, b| super::convert::common_type(a, b).unwrap_or(a)),
        }
    }
}

fn is_number(result: ResultType) -> bool {
    matches!(result, ResultType::Is(ty) if ty.is_number())
}
