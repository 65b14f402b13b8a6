//! Lowering of XOR, CHOOSE, GCD and LCM to nested calls or to a simpler function.

use super::convert::SameTypeReason;
use crate::Type;
use crate::ast::ExprId;
use crate::catalog::{Function, FunctionId, internal};
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId, NodeMeta};
use crate::span::Span;

impl Lowerer<'_> {
    /// Lowers XOR to a chain of `<>`, which is true if an odd number of conditions is true.
    pub(in crate::check) fn lower_xor(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(mut conditions) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        for condition in &mut conditions {
            *condition = self.convert_to_condition(*condition);
        }
        let node = self.fold_into_nested_calls(internal::NOT_EQUAL, &conditions, span, "XOR");
        self.recycle_list(conditions);
        node
    }

    /// Lowers GCD and LCM to nested calls with two arguments: `GCD(a, b, c)` is `GCD(GCD(a, b), c)`.
    pub(in crate::check) fn lower_gcd_or_lcm(
        &mut self,
        pair: FunctionId,
        args: &[ExprId],
        span: Span,
        function: &'static Function,
    ) -> IrId {
        let Some(mut values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        for value in &mut values {
            *value = self.add_scalar_call(internal::NOT_NEGATIVE, &[*value], span, function.name);
        }
        let node = self.fold_into_nested_calls(pair, &values, span, function.name);
        self.recycle_list(values);
        node
    }

    fn fold_into_nested_calls(&mut self, pair: FunctionId, values: &[IrId], span: Span, display_name: &str) -> IrId {
        let mut values = values.iter().copied();
        let first = values.next();
        let folded = first.map(|first| {
            values.fold(first, |left, right| {
                self.add_scalar_call(pair, &[left, right], span, display_name)
            })
        });
        folded.unwrap_or_else(|| self.add_error(span))
    }

    /// Lowers `CHOOSE(n, a, b)` to `SWITCH(n, 1, a, 2, b)`. A literal `n` selects the value at compile time.
    pub(in crate::check) fn lower_choose(&mut self, args: &[ExprId], span: Span) -> IrId {
        let Some(values) = self.lower_arguments(args) else {
            return self.add_error(span);
        };
        let Some((index, choices)) = values.split_first().filter(|(_, choices)| !choices.is_empty()) else {
            return self.add_error(span);
        };
        if let Some(number) = self.literal_integer(*index) {
            let chosen_branch = usize::try_from(number)
                .ok()
                .and_then(|number| choices.get(number.checked_sub(1)?));
            self.program.has_unused_nodes = true;
            let Some(branch) = chosen_branch else {
                let index_span = self.program.meta(*index).span;
                let values = match choices.len() {
                    1 => "one value".to_owned(),
                    count => format!("{count} values"),
                };
                let message = format!("`CHOOSE` has only {values}, so index {number} always returns NULL");
                let help = match choices.len() {
                    1 => "write the index 1, or write only the value".to_owned(),
                    count => format!("write an index from 1 to {count}"),
                };
                self.report(Diagnostic::new(Code::NoSuchChoice, index_span, message).with_help(help));
                return self.build_null_for_branches(&mut choices.to_vec(), span, "CHOOSE");
            };
            return self.single_branch(*branch);
        }
        let index = self.truncate_to_integer(*index, span);
        if self.is_error(index) {
            return index;
        }
        if self.is_null(index) {
            return self.build_null_for_branches(&mut choices.to_vec(), span, "CHOOSE");
        }
        let mut cases = self.take_list();
        cases.push(index);
        for number in 1..=choices.len() {
            let number = self.program.add_integer(&number.to_string(), span);
            cases.push(number);
        }
        let mut branches = self.take_list();
        branches.extend_from_slice(choices);
        let node = self.build_switch(&mut cases, &mut branches, span, "CHOOSE");
        [values, cases, branches]
            .into_iter()
            .for_each(|list| self.recycle_list(list));
        node
    }

    /// Returns NULL with the common type of the branches, for a call that never chooses any of them.
    pub(in crate::check) fn build_null_for_branches(
        &mut self,
        branches: &mut [IrId],
        span: Span,
        display_name: &str,
    ) -> IrId {
        if self
            .unify_values(branches, SameTypeReason::Branches(display_name), false)
            .is_none()
        {
            return self.add_error(span);
        }
        self.program.has_unused_nodes = true;
        // A CASE whose condition is never true returns NULL with the type of its value.
        let never = self
            .program
            .add(Ir::Bool(false), NodeMeta::constant(Type::Boolean, span));
        self.build_case(&[never], branches.get_mut(..1).unwrap_or_default(), span, display_name)
    }

    /// Truncates a number to an integer.
    pub(in crate::check) fn truncate_to_integer(&mut self, id: IrId, span: Span) -> IrId {
        match self.program.meta(id).ty {
            Type::Integer | Type::Unknown => id,
            _ if matches!(self.program.node(id), Ir::Error | Ir::Null) => id,
            _ => self.add_scalar_call(internal::CUT_OFF, &[id], span, "CHOOSE"),
        }
    }
}
