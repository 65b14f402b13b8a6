//! Infers the types of the arguments and results of calls.

use super::{TypeInference, TypeTerm, unify_terms};
use crate::Type;
use crate::ast::{BinaryOp, Call, Expr, ExprId};
use crate::catalog::{self, Function, Lowering, ParamType, ResultType};
use crate::check::names::text_value;

impl TypeInference<'_> {
    pub(in crate::check) fn infer_call(&mut self, function: &Function, call: Call) -> TypeTerm {
        let ast = self.ast;
        let args = ast.arguments(call);
        match function.lower {
            Some(Lowering::Let) => args.last().map_or(TypeTerm::Any, |a| self.node_term(*a)),
            Some(Lowering::Ifs) => {
                self.infer_test_value_pairs(args, |pass, condition, _| pass.infer_condition(condition))
            }
            Some(Lowering::Switch) => {
                let Some((subject, rest)) = args.split_first() else {
                    return TypeTerm::Any;
                };
                let subject = *subject;
                self.infer_test_value_pairs(rest, |pass, case, _| {
                    pass.unify_types(subject, case);
                })
            }
            Some(
                Lowering::SumIf
                | Lowering::AverageIf
                | Lowering::SumIfs
                | Lowering::AverageIfs
                | Lowering::MinIfs
                | Lowering::MaxIfs
                | Lowering::CountIf
                | Lowering::CountIfs,
            ) => self.infer_conditional(function, args),
            Some(Lowering::And | Lowering::Or | Lowering::Xor | Lowering::Not) => {
                args.iter().for_each(|a| self.infer_condition(*a));
                TypeTerm::Type(Type::Boolean)
            }
            Some(Lowering::PeriodOffset) => {
                let unit = args.get(2).and_then(|unit| text_value(self.ast, self.source, *unit));
                let timed = unit.is_some_and(|unit| crate::check::dates::period::is_time_unit(&unit));
                let before = self.buffers.calendar.filter(|term| *term != TypeTerm::Temporal);
                let term = if timed {
                    TypeTerm::Type(Type::Timestamp)
                } else {
                    TypeTerm::Temporal
                };
                self.buffers.calendar = Some(before.unwrap_or(term));
                self.infer_signature(function, args)
            }
            Some(Lowering::Text) => {
                let mask = args.get(1).and_then(|mask| text_value(self.ast, self.source, *mask));
                let of_dates = mask.as_deref().is_some_and(crate::check::text::mask::is_date_mask);
                if let [value, mask] = args {
                    self.require_type(
                        *value,
                        if of_dates {
                            TypeTerm::Temporal
                        } else {
                            TypeTerm::Type(Type::Number)
                        },
                    );
                    self.require_type(*mask, TypeTerm::Type(Type::Text));
                }
                TypeTerm::Type(Type::Text)
            }
            Some(Lowering::Xlookup) => {
                if let [key, lookup, ..] = args {
                    self.unify_types(*key, *lookup);
                }
                match args {
                    // An empty argument counts as missing.
                    [_, _, result, missing, ..] if ast.expr(*missing) != Expr::Blank => {
                        self.unify_types(*result, *missing)
                    }
                    [_, _, result, ..] => self.node_term(*result),
                    _ => TypeTerm::Any,
                }
            }
            Some(Lowering::Match) => {
                if let [key, range, ..] = args {
                    self.unify_types(*key, *range);
                }
                TypeTerm::Type(Type::Number)
            }
            Some(Lowering::Vlookup) => match args {
                [key, range, column, ..] => {
                    self.unify_types(*key, *range);
                    self.numbered_column_type(*range, *column)
                }
                _ => TypeTerm::Any,
            },
            Some(Lowering::Index) => {
                if let [_, row, ..] = args {
                    self.require_type(*row, TypeTerm::Type(Type::Number));
                }
                match args {
                    [range, _] => self.node_term(*range),
                    [range, _, column] => self.numbered_column_type(*range, *column),
                    _ => TypeTerm::Any,
                }
            }
            Some(Lowering::Distinct) => args.first().map_or(TypeTerm::Any, |a| self.node_term(*a)),
            _ => self.infer_signature(function, args),
        }
    }

    /// Infers types for arguments that alternate between tests and values. If the number of arguments is odd, the last
    /// argument is the default value.
    fn infer_test_value_pairs(&mut self, args: &[ExprId], mut test: impl FnMut(&mut Self, ExprId, usize)) -> TypeTerm {
        let mut value: Option<ExprId> = None;
        let mut result = TypeTerm::Any;
        for (i, pair) in args.chunks(2).enumerate() {
            let branch = match pair {
                [condition, branch] => {
                    test(self, *condition, i);
                    *branch
                }
                [branch] => *branch,
                _ => continue,
            };
            result = match value {
                Some(first) => self.unify_types(first, branch),
                None => self.node_term(branch),
            };
            value.get_or_insert(branch);
        }
        result
    }

    /// Infers types for SUMIF and similar functions: the summed values are numbers, and a criterion has the type of
    /// its range.
    fn infer_conditional(&mut self, function: &Function, args: &[ExprId]) -> TypeTerm {
        let number = TypeTerm::Type(Type::Number);
        let numeric = !matches!(function.lower, Some(Lowering::MinIfs | Lowering::MaxIfs));
        let mut rest = args;
        match function.lower {
            Some(Lowering::SumIfs | Lowering::AverageIfs | Lowering::MinIfs | Lowering::MaxIfs) => {
                if let Some((value, more)) = args.split_first() {
                    if numeric {
                        self.require_type(*value, number);
                    }
                    rest = more;
                }
            }
            Some(Lowering::SumIf | Lowering::AverageIf) => match args {
                [condition, value]
                    if self.is_condition(*condition) || self.may_be_condition_of_value(*condition, *value) =>
                {
                    self.require_type(*value, number);
                    self.infer_condition(*condition);
                    return number;
                }
                [range, _] => {
                    self.require_type(*range, number);
                }
                [pair @ .., value] if pair.len() == 2 => {
                    self.require_type(*value, number);
                    rest = pair;
                }
                _ => {}
            },
            _ => {}
        }
        if let [condition] = rest {
            self.infer_condition(*condition);
        }
        for pair in rest.chunks(2) {
            if let [range, criterion] = pair {
                match text_value(self.ast, self.source, *criterion) {
                    Some(text) => {
                        if let Some(ty) = crate::check::criteria::criterion_text::criterion_value_type(&text) {
                            self.require_type(*range, TypeTerm::Type(ty));
                        }
                    }
                    None if self.is_condition(*criterion) => {}
                    None if self.is_computed_text(*criterion) => {}
                    None => {
                        self.unify_types(*range, *criterion);
                    }
                }
            }
        }
        match (function.lower, args.first()) {
            (Some(Lowering::MinIfs | Lowering::MaxIfs), Some(value)) => self.node_term(*value),
            _ => number,
        }
    }

    /// Returns `true` if the first argument of SUMIF is a column of unknown type and the second argument is an
    /// expression. The arguments may then be a condition and a value. A criterion is usually a literal.
    fn may_be_condition_of_value(&self, first: ExprId, second: ExprId) -> bool {
        let is_name = |expr| matches!(expr, Expr::Name | Expr::Field);
        let is_value = match self.ast.expr(second) {
            Expr::Binary { op, .. } => matches!(
                op,
                BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide
            ),
            other => is_name(other) || matches!(other, Expr::Call(_)),
        };
        is_value && is_name(self.ast.expr(first)) && matches!(self.node_term(first), TypeTerm::Var(_))
    }

    fn is_condition(&self, id: ExprId) -> bool {
        self.node_term(id) == TypeTerm::Type(Type::Boolean)
    }

    /// Returns `true` if a criterion is computed text, which does not determine the type of its range. For example, the
    /// criterion `">" & x` compares numbers.
    fn is_computed_text(&self, criterion: ExprId) -> bool {
        self.node_term(criterion) == TypeTerm::Type(Type::Text)
            && matches!(self.ast.expr(criterion), Expr::Binary { .. } | Expr::Call(_))
    }

    /// Binds each argument to the type on which all overloads agree, and returns the type of the result.
    fn infer_signature(&mut self, function: &Function, args: &[ExprId]) -> TypeTerm {
        let mut same_arg: Option<ExprId> = None;
        let across = args.len() > 1 && function.across.is_some();
        // Arguments that are combined within a row have the same type only if the signature of the function requires
        // this. For example, COUNT accepts values of different types.
        let unifies = |id| {
            catalog::get(id)
                .overloads
                .iter()
                .flat_map(|o| o.params)
                .any(|p| p.ty == ParamType::Same)
        };
        let across_same = across && function.across.is_some_and(unifies);
        for (i, arg) in args.iter().enumerate() {
            let mut expected: Option<TypeTerm> = None;
            let mut agreed = true;
            let mut is_same = false;
            for overload in function.overloads {
                let param_index = if across {
                    0
                } else {
                    i.min(overload.params.len().saturating_sub(1))
                };
                let Some(param) = overload.params.get(param_index) else {
                    continue;
                };
                let term = match param.ty {
                    ParamType::Is(ty) if ty.is_number() => TypeTerm::Type(Type::Number),
                    ParamType::Is(ty) => TypeTerm::Type(ty),
                    ParamType::Number | ParamType::Literal(..) | ParamType::Positive | ParamType::Negative => {
                        TypeTerm::Type(Type::Number)
                    }
                    ParamType::Temporal => TypeTerm::Temporal,
                    ParamType::Any => TypeTerm::Any,
                    ParamType::Same => {
                        is_same = true;
                        TypeTerm::Any
                    }
                };
                match expected {
                    None => expected = Some(term),
                    Some(before) => match unify_terms(before, term) {
                        Some(common_term) if before != TypeTerm::Any && term != TypeTerm::Any => {
                            expected = Some(common_term);
                        }
                        _ => agreed = false,
                    },
                }
            }
            // A text function treats an empty argument as empty text.
            let gives_text = function
                .overloads
                .iter()
                .all(|o| o.result == ResultType::Is(Type::Text));
            if expected == Some(TypeTerm::Any) && gives_text && self.ast.expr(*arg) == Expr::Blank {
                self.require_type(*arg, TypeTerm::Type(Type::Text));
            }
            if let (Some(expected_term), true) = (expected, agreed) {
                if expected_term == TypeTerm::Type(Type::Boolean) {
                    self.infer_condition(*arg);
                } else {
                    self.require_type(*arg, expected_term);
                }
            }
            if is_same || (across_same && expected == Some(TypeTerm::Any)) {
                if let Some(first) = same_arg {
                    self.unify_types(first, *arg);
                }
                same_arg.get_or_insert(*arg);
            }
        }
        let Some(overload) = function.overloads.first() else {
            return TypeTerm::Any;
        };
        match overload.result {
            ResultType::Is(ty) if ty.is_number() => TypeTerm::Type(Type::Number),
            ResultType::Is(ty) => TypeTerm::Type(ty),
            ResultType::Param(i) => args.get(i as usize).map_or(TypeTerm::Any, |a| self.node_term(*a)),
            ResultType::Same => same_arg.map_or(TypeTerm::Any, |s| self.node_term(s)),
            ResultType::Lowered => TypeTerm::Any,
        }
    }
}
