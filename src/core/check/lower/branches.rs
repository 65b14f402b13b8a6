//! Conditional and logical functions: IF, IFS, SWITCH, COALESCE, AND, OR, NOT.

use super::Lowerer;
use crate::Type;
use crate::ast::ExprId;
use crate::catalog::{self, Function, internal};
use crate::check::calls::convert::SameTypeReason;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta, PoolRange};
use crate::span::Span;

impl Lowerer<'_> {
    /// Returns whether two nodes refer to the same column or definition, or are both `TODAY()`.
    pub(in crate::check) fn is_same_value(&self, a: IrId, b: IrId) -> bool {
        match (self.program.node(a), self.program.node(b)) {
            (
                Ir::Apply { overload, args },
                Ir::Apply {
                    overload: other,
                    args: others,
                },
            ) => {
                let alone = self.program.args(args).is_empty() && self.program.args(others).is_empty();
                overload == other && alone && !self.program.meta(a).volatile
            }
            (Ir::Column(a), Ir::Column(b)) => a == b,
            (Ir::Definition(a), Ir::Definition(b)) => a == b,
            _ => false,
        }
    }

    pub(in crate::check) fn lower_if(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(mut values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let [condition, if_met, ..] = *values.as_slice() else {
            return self.add_error(span);
        };
        let condition = self.convert_to_condition(condition);
        if self.is_error(condition) {
            return condition;
        }
        // In the definition of a function, the condition often depends only on literal arguments, so its result is
        // known.
        if self.is_in_function_definition()
            && let Some(met) = self.constant_condition(condition)
        {
            self.program.has_unused_nodes = true;
            let ty = self.program.meta(if_met).ty;
            let branch = values.get(if met { 1 } else { 2 }).copied();
            self.recycle_list(values);
            return branch.unwrap_or_else(|| self.program.add_null(ty, span));
        }
        // `IF(ISBLANK(x), d, x)` is the spreadsheet form of `COALESCE(x, d)`.
        if let (Ir::IsNull { x, negated }, [_, a, b]) = (self.program.node(condition), values.as_slice()) {
            let (kept_branch, other) = if negated { (*a, *b) } else { (*b, *a) };
            if self.is_same_value(x, kept_branch) {
                values.clear();
                values.extend([kept_branch, other]);
                return self.build_coalesce(values, span, "IF");
            }
            // `IF(ISBLANK(x), 1/0, y)` returns `y` if `x` is not NULL, and NULL otherwise.
            if !negated && self.is_null(*a) && !self.scope.blank_zero {
                let meta = self.program.meta(condition);
                let id = self.program.add(Ir::IsNull { x, negated: true }, meta);
                self.program.has_unused_nodes = true;
                let node = self.build_case(&[id], values.get_mut(2..).unwrap_or_default(), span, "IF");
                self.recycle_list(values);
                return node;
            }
        }
        if self.scope.blank_zero && self.is_in_function_definition() && values.len() == 2 {
            // In the definition of a function, an IF without a third argument returns a NULL that represents an error.
            values.push(self.program.add_null(Type::Unknown, span));
        }
        let node = self.build_case(&[condition], values.get_mut(1..).unwrap_or_default(), span, "IF");
        self.recycle_list(values);
        node
    }

    /// Returns whether a condition is met, or `None` if the condition does not consist of literals.
    fn constant_condition(&self, condition: IrId) -> Option<bool> {
        match self.program.node(condition) {
            Ir::Bool(met) => Some(met),
            Ir::IsNull { x, negated } => {
                matches!(self.program.node(x), Ir::Bool(_) | Ir::Text(_) | Ir::Null).then(|| self.is_null(x) != negated)
            }
            Ir::Apply { overload, args } => {
                let [a, b] = *self.program.args(args) else { return None };
                let order = match (self.program.node(a), self.program.node(b)) {
                    (Ir::Text(a), Ir::Text(b)) => Some(self.program.text(a).cmp(self.program.text(b))),
                    (Ir::Number(a), Ir::Number(b)) => {
                        let number = |digits| self.program.text(digits).parse::<f64>().ok();
                        number(a)?.partial_cmp(&number(b)?)
                    }
                    _ => None,
                }?;
                match catalog::overload_owner(overload) {
                    internal::EQUAL => Some(order.is_eq()),
                    internal::NOT_EQUAL => Some(order.is_ne()),
                    internal::GREATER => Some(order.is_gt()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    pub(in crate::check) fn lower_ifs(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        if let ([first @ .., last], 1) = (values.as_slice(), values.len() % 2) {
            let ty = |id: &IrId| self.program.meta(*id).ty;
            let mut others = first.iter().skip(1).step_by(2);
            if ty(last) == Type::Boolean && others.all(|v| !matches!(ty(v), Type::Boolean | Type::Unknown)) {
                let last_span = self.program.meta(*last).span;
                self.report(
                    Diagnostic::new(Code::ArgumentCount, last_span, "`IFS` needs a value for each condition")
                        .with_label("a condition without a value")
                        .with_help("add the missing value: `IFS(condition, value, condition, value)`"),
                );
                return self.add_error(span);
            }
        }
        let (mut conditions, mut branches) = (self.take_list(), self.take_list());
        for pair in values.chunks(2) {
            match pair {
                [condition, branch] => {
                    let condition = self.convert_to_condition(*condition);
                    if self.is_error(condition) {
                        return condition;
                    }
                    // `TRUE, default` is the portable way to write the default branch of `IFS`.
                    if matches!(self.program.node(condition), Ir::Bool(true)) {
                        branches.push(*branch);
                        self.program.has_unused_nodes = true;
                        break;
                    }
                    conditions.push(condition);
                    branches.push(*branch);
                }
                [branch] => branches.push(*branch),
                _ => {}
            }
        }
        if let (true, Some(branch)) = (conditions.is_empty(), branches.first()) {
            return self.single_branch(*branch);
        }
        if self.scope.blank_zero && branches.len() == conditions.len() {
            // IFS returns an error if no condition is met. The added NULL represents this error.
            branches.push(self.program.add_null(Type::Unknown, span));
        }
        let node = self.build_case(&conditions, &mut branches, span, "IFS");
        [values, conditions, branches]
            .into_iter()
            .for_each(|list| self.recycle_list(list));
        node
    }

    /// Builds a CASE: one branch per condition, and an optional default branch.
    pub(in crate::check) fn build_case(
        &mut self,
        conditions: &[IrId],
        branches: &mut [IrId],
        span: Span,
        display_name: &str,
    ) -> IrId {
        branches
            .iter_mut()
            .for_each(|branch| *branch = self.cast_uuid_to_text(*branch));
        let mut values = self.summarize_operands(branches, span);
        let ty = match self.common_type_unconverted(branches, &values) {
            Some(ty) => ty,
            None => {
                let Some(ty) = self.unify_values(branches, SameTypeReason::Branches(display_name), false) else {
                    return self.add_error(span);
                };
                values = self.summarize_operands(branches, span);
                ty
            }
        };
        if values.has_error() {
            return self.add_error(span);
        }
        let has_else = branches.len() > conditions.len();
        let nullable = !has_else || values.meta.nullable;
        let mut arms = self.program.add_args(&[]);
        for (index, branch) in branches.iter().enumerate() {
            match conditions.get(index) {
                Some(condition) => self.program.extend_args(&mut arms, *condition),
                // `ELSE NULL` is redundant, unless its NULL represents an error.
                None if self.is_null(*branch) && !self.scope.blank_zero => break,
                None => {}
            }
            self.program.extend_args(&mut arms, *branch);
        }
        let ty = if ty == Type::Point { Type::Float } else { ty };
        let Some(meta) = self.combine_meta(arms, span, ty, nullable) else {
            return self.add_error(span);
        };
        if values.has_decimal_literal() {
            self.set_decimal_type(branches, ty);
        }
        // If all branches are NULL (`1/0`), the result is NULL for every condition.
        let nothing = values.are_all_null();
        self.program.has_unused_nodes |= nothing;
        self.program.add(if nothing { Ir::Null } else { Ir::Case(arms) }, meta)
    }

    /// Assigns the given type to decimal literals.
    pub(in crate::check) fn set_decimal_type(&mut self, ids: &[IrId], ty: Type) {
        for id in ids {
            if self.program.meta(*id).ty == Type::Point
                && matches!(self.program.node(*id), Ir::Number(_))
                && ty != Type::Number
            {
                self.program.meta_mut(*id).ty = ty;
            }
        }
    }

    /// Returns a branch that is always taken, with the type that it would have in a CASE.
    pub(in crate::check) fn single_branch(&mut self, branch: IrId) -> IrId {
        self.set_decimal_type(&[branch], Type::Float);
        branch
    }

    pub(in crate::check) fn lower_switch(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let Some((subject, pairs)) = values.split_first() else {
            return self.add_error(span);
        };
        let (mut cases, mut branches) = (self.take_list(), self.take_list());
        cases.push(*subject);
        for pair in pairs.chunks(2) {
            match pair {
                [case, branch] => {
                    cases.push(*case);
                    branches.push(*branch);
                }
                [branch] => branches.push(*branch),
                _ => {}
            }
        }
        if matches!(self.program.node(*subject), Ir::Null) {
            // A NULL subject matches no case, so only the default branch remains.
            self.program.has_unused_nodes = true;
            return match branches.last() {
                Some(default) if branches.len() >= cases.len() => self.single_branch(*default),
                _ => self.build_null_for_branches(&mut branches, span, "SWITCH"),
            };
        }
        let node = self.build_switch(&mut cases, &mut branches, span, "SWITCH");
        [values, cases, branches]
            .into_iter()
            .for_each(|list| self.recycle_list(list));
        node
    }

    /// Builds a SWITCH. `cases` contains the subject and the values to compare with the subject. `branches` contains
    /// one result per value and an optional default.
    pub(in crate::check) fn build_switch(
        &mut self,
        cases: &mut [IrId],
        branches: &mut [IrId],
        span: Span,
        display_name: &str,
    ) -> IrId {
        let texts = cases.iter_mut().chain(branches.iter_mut());
        texts.for_each(|value| *value = self.cast_uuid_to_text(*value));
        if self
            .unify_values(cases, SameTypeReason::Values(display_name), true)
            .is_none()
        {
            return self.add_error(span);
        }
        let Some(ty) = self.unify_values(branches, SameTypeReason::Branches(display_name), false) else {
            return self.add_error(span);
        };
        if cases.iter().chain(branches.iter()).any(|v| self.is_error(*v)) {
            return self.add_error(span);
        }
        let ty = if ty == Type::Point { Type::Float } else { ty };
        self.set_decimal_type(branches, ty);
        let has_else = branches.len() >= cases.len();
        let nullable = !has_else || branches.iter().any(|b| self.program.meta(*b).nullable);
        let Some(subject) = cases.first().copied() else {
            return self.add_error(span);
        };
        let mut all_args = self.program.add_args(&[subject]);
        for (index, branch) in branches.iter().enumerate() {
            if let Some(case) = cases.get(index + 1) {
                self.program.extend_args(&mut all_args, *case);
            }
            self.program.extend_args(&mut all_args, *branch);
        }
        let Some(meta) = self.combine_meta(all_args, span, ty, nullable) else {
            return self.add_error(span);
        };
        let arms = PoolRange {
            first: all_args.first + 1,
            count: all_args.count - 1,
        };
        self.program.add(Ir::Switch { subject, arms }, meta)
    }

    pub(in crate::check) fn lower_coalesce(
        &mut self,
        args: &[ExprId],
        span: Span,
        function: &'static Function,
    ) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        self.build_coalesce(values, span, function.name)
    }

    pub(in crate::check) fn build_coalesce(&mut self, mut values: Vec<IrId>, span: Span, display_name: &str) -> IrId {
        values
            .iter_mut()
            .for_each(|value| *value = self.cast_uuid_to_text(*value));
        let Some(ty) = self.unify_values(&mut values, SameTypeReason::Values(display_name), false) else {
            return self.add_error(span);
        };
        if values.iter().any(|v| self.is_error(*v)) {
            return self.add_error(span);
        }
        // Drop arguments after an argument that is never NULL, unless the level of the call depends on them. The level
        // determines which expressions become columns.
        let level = |values: &[IrId]| values.iter().map(|v| self.program.meta(*v).level).max();
        if let Some(last) = values.iter().position(|v| !self.program.meta(*v).nullable)
            && level(values.get(..=last).unwrap_or_default()) == level(&values)
        {
            self.program.has_unused_nodes |= last + 1 < values.len();
            values.truncate(last + 1);
        }
        values.retain(|v| !matches!(self.program.node(*v), Ir::Null));
        let ty = if ty == Type::Point { Type::Float } else { ty };
        self.set_decimal_type(&values, ty);
        match values.as_slice() {
            [] => return self.program.add_null(ty, span),
            [single_value] => return *single_value,
            _ => {}
        }
        let nullable = values.iter().all(|v| self.program.meta(*v).nullable);
        let args = self.program.add_args(&values);
        self.recycle_list(values);
        let Some(meta) = self.combine_meta(args, span, ty, nullable) else {
            return self.add_error(span);
        };
        self.program.add(Ir::Coalesce(args), meta)
    }

    pub(in crate::check) fn lower_and_or(&mut self, args: &[ExprId], span: Span, and: bool) -> IrId {
        let Some(mut conditions) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        for condition in &mut conditions {
            *condition = self.convert_to_condition(*condition);
            if self.is_error(*condition) {
                return *condition;
            }
        }
        let node = self.build_and_or(&conditions, span, and);
        self.recycle_list(conditions);
        node
    }

    pub(in crate::check) fn build_and_or(&mut self, conditions: &[IrId], span: Span, and: bool) -> IrId {
        if let [condition] = conditions {
            return *condition;
        }
        let nullable = conditions.iter().any(|c| self.program.meta(*c).nullable);
        let args = self.program.add_args(conditions);
        let Some(meta) = self.combine_meta(args, span, Type::Boolean, nullable) else {
            return self.add_error(span);
        };
        self.program.add(if and { Ir::And(args) } else { Ir::Or(args) }, meta)
    }

    pub(in crate::check) fn lower_not(&mut self, arg: ExprId, span: Span) -> IrId {
        let value = self.lower_value(arg);
        let condition = self.convert_to_condition(value);
        let meta = NodeMeta {
            span,
            ..self.program.meta(condition)
        };
        match self.program.node(condition) {
            Ir::Error | Ir::Null => condition,
            Ir::Not(inner) => inner,
            _ => {
                let node = self.program.find_negation(condition).unwrap_or(Ir::Not(condition));
                let ty = Type::Boolean;
                self.program.add(node, NodeMeta { ty, ..meta })
            }
        }
    }
}
