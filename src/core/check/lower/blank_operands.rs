//! With `blanks: zero`, replaces blank operands with 0. A NULL that represents an error remains NULL.

use super::Lowerer;
use crate::catalog::{self, Nulls, internal};
use crate::ir::{Ir, IrId, NodeMeta, PoolRange, WindowFrameId};
use crate::{Level, Type};

/// Maximum nesting depth up to which blanks are replaced separately in the branches of conditions and in the operands
/// of calls.
const MAX_DEPTH: u8 = 64;

impl Lowerer<'_> {
    /// Replaces an operand's NULL with 0 if the NULL represents a blank.
    pub(in crate::check) fn replace_blank_with_zero(&mut self, id: IrId) -> IrId {
        self.replace_blanks_to_depth(id, MAX_DEPTH)
    }

    fn replace_blanks_to_depth(&mut self, id: IrId, depth: u8) -> IrId {
        let meta = self.program.meta(id);
        if !meta.nullable || !meta.ty.is_number() {
            return id;
        }
        let meaning = self.program.null_interpretation(id);
        if !meaning.may_be_error {
            let zero = self.program.add_integer("0", meta.span);
            return self.program.add_node_with_args(
                Ir::Coalesce,
                &[id, zero],
                NodeMeta {
                    nullable: false,
                    ..meta
                },
            );
        }
        match depth.checked_sub(1) {
            Some(depth) if meaning.may_be_blank => self.replace_inner_blanks(id, depth),
            _ => id,
        }
    }

    /// Replaces blanks in the operands of a node whose NULL may be a blank or an error. The value of a definition
    /// does not show whether its NULL is a blank or an error, so the NULL counts as an error.
    fn replace_inner_blanks(&mut self, id: IrId, depth: u8) -> IrId {
        let meta = self.program.meta(id);
        match self.program.node(id) {
            Ir::Case(arms) => {
                let mut arms = self.replace_blanks_in_branches(arms, depth);
                if arms.count.is_multiple_of(2) {
                    let zero = self.program.add_integer("0", meta.span);
                    self.program.extend_args(&mut arms, zero);
                }
                self.program.add(Ir::Case(arms), meta)
            }
            Ir::Switch { subject, arms } => {
                let arms = self.replace_blanks_in_branches(arms, depth);
                self.program.add(Ir::Switch { subject, arms }, meta)
            }
            Ir::Coalesce(args) => {
                let mut values = self.program.args(args).to_vec();
                if let Some(last) = values.last_mut() {
                    *last = self.replace_blanks_to_depth(*last, depth);
                }
                self.program.add_node_with_args(Ir::Coalesce, &values, meta)
            }
            Ir::Apply { overload, args } => {
                let function = catalog::get(catalog::overload_owner(overload));
                if !matches!(catalog::null_rule(overload), Nulls::Any | Nulls::Always | Nulls::Error)
                    || function.level > Level::Row
                {
                    return id;
                }
                let mut values = self.program.args(args).to_vec();
                for value in &mut values {
                    *value = self.replace_blanks_to_depth(*value, depth);
                }
                let args = self.program.add_args(&values);
                let call = self.program.add(Ir::Apply { overload, args }, meta);
                self.build_zero_if_blank(&values, call)
            }
            Ir::Window { call, over } => self.replace_blank_of_window(id, call, over),
            Ir::PeriodLookup { period, .. } => self.replace_blank_of_period(id, period),
            Ir::RowLookup { args, lookup } => self.replace_blank_of_row(id, args, lookup),
            _ => id,
        }
    }

    /// Replaces a blank that `LAG` or `LEAD` returns. If there is no row to read, the NULL remains.
    fn replace_blank_of_window(&mut self, id: IrId, call: IrId, over: WindowFrameId) -> IrId {
        let meta = self.program.meta(id);
        let Ir::Apply { overload, args } = self.program.node(call) else {
            return id;
        };
        if !matches!(catalog::overload_owner(overload), internal::LAG | internal::LEAD) {
            return id;
        }
        let one = self.program.add_integer("1", meta.span);
        let mut values = self.program.args(args).to_vec();
        values.iter_mut().take(1).for_each(|value| *value = one);
        let args = self.program.add_args(&values);
        let marker = NodeMeta {
            ty: Type::Integer,
            ..meta
        };
        let call = self.program.add(Ir::Apply { overload, args }, marker);
        let marker = self.program.add(Ir::Window { call, over }, marker);
        self.build_zero_if_blank(&[marker], id)
    }

    /// Replaces a blank that PERIODOFFSET returns from another period. If there is no row for the period, the NULL
    /// remains.
    fn replace_blank_of_period(&mut self, id: IrId, period: u32) -> IrId {
        let meta = self.program.meta(id);
        let value = self.build_found_row_marker(meta.span);
        let ty = self.program.meta(value).ty;
        let marker = Ir::PeriodLookup { value, period };
        let marker = self.program.add(marker, NodeMeta { ty, ..meta });
        self.build_zero_if_blank(&[marker], id)
    }

    /// Replaces a blank in a row that was found by its key. If no row was found, the NULL remains.
    fn replace_blank_of_row(&mut self, id: IrId, args: PoolRange, lookup: u32) -> IrId {
        let meta = self.program.meta(id);
        let by_number = self
            .program
            .lookups
            .try_get(lookup as usize)
            .is_none_or(|lookup| lookup.by_number);
        let [lookup_value, key, gives] = *self.program.args(args) else {
            return id;
        };
        if by_number || self.program.null_interpretation(gives).may_be_error {
            return id;
        }
        // The key of a row that was found is never blank.
        let of_key = NodeMeta {
            ty: self.program.meta(key).ty,
            ..meta
        };
        let found_key =
            self.program
                .add_node_with_args(|args| Ir::RowLookup { args, lookup }, &[lookup_value, key, key], of_key);
        let zero = self.program.add_integer("0", meta.span);
        let of_value = NodeMeta {
            nullable: false,
            ..meta
        };
        let value = self.program.add_node_with_args(Ir::Coalesce, &[id, zero], of_value);
        self.program.shares_nodes = true;
        let found_test = self.build_not_null(found_key, meta.span);
        let mut branches = [value, self.program.add_null(meta.ty, meta.span)];
        self.build_case(&[found_test], &mut branches, meta.span, "")
    }

    fn replace_blanks_in_branches(&mut self, arms: PoolRange, depth: u8) -> PoolRange {
        let mut arms = self.program.args(arms).to_vec();
        for branch in arms.chunks_mut(2).filter_map(|pair| pair.last_mut()) {
            *branch = self.replace_blanks_to_depth(*branch, depth);
        }
        self.program.add_args(&arms)
    }

    /// Builds a CASE that returns 0 if any of the `tested` nodes is blank, and `value` otherwise.
    fn build_zero_if_blank(&mut self, tested: &[IrId], value: IrId) -> IrId {
        let meta = self.program.meta(value);
        let mut arms = Vec::new();
        for x in tested {
            let node_meta = self.program.meta(*x);
            if node_meta.nullable && !self.program.null_interpretation(*x).may_be_error {
                let test = Ir::IsNull { x: *x, negated: false };
                let ty = Type::Boolean;
                arms.push(self.program.add(
                    test,
                    NodeMeta {
                        ty,
                        nullable: false,
                        ..node_meta
                    },
                ));
                arms.push(self.program.add_integer("0", meta.span));
            }
        }
        if arms.is_empty() {
            return value;
        }
        // The value and the tests use the same node.
        self.program.shares_nodes = true;
        arms.push(value);
        self.program.add_node_with_args(Ir::Case, &arms, meta)
    }
}
