//! Upper bounds for numbers, which matter on engines where the result of an operation has the width of its operands.
//!
//! Formulas use 64-bit integers and decimals that keep all their digits. Some engines compute operations on two 32-bit
//! integers in 32 bits, or return decimals with so many digits that no digits remain for the scale of another decimal.
//! For these engines, operands are widened only if their values may require it, so that `end - start + 1` remains
//! unchanged. The size of a float encodes how the engine rounds it (see `rounded`).

use super::rounded::float_size;
use super::{Emitter, find_template};
use crate::arena::Arena;
use crate::catalog::{self, FunctionId, OverloadId, ParamType, ResultType, internal};
use crate::dialect::Dialect;
use crate::ir::{Ir, IrId, PoolRange, Program};
use crate::sql::Sql;
use crate::{MAX_DECIMAL_DIGITS, Type};

/// Largest 32-bit integer. Integers with a size from 1 to this number are narrow. Other integers have size 0.
const MAX_NARROW_INTEGER: u32 = i32::MAX as u32;

/// Computes the sizes of the nodes up to `last`. Operands precede the nodes that use them, and definitions follow the
/// definitions that they use.
fn compute_node_sizes(program: &Program, dialect: Dialect, sizes: &mut Arena<u32>, last: IrId) {
    let facts = dialect.facts();
    for node_index in sizes.len()..last.index() + 1 {
        let id = IrId(node_index as u32);
        let size = match program.meta(id).ty {
            Type::Integer if facts.narrow_integers => integer_size(program, dialect, sizes, id),
            Type::Decimal if !facts.wide_decimal.is_empty() => decimal_size(program, dialect, sizes, id),
            Type::Float | Type::Time if dialect.has_rounded_decimals() => float_size(program, dialect, sizes, id),
            _ => 0,
        };
        sizes.push(size);
    }
}

fn max_size(dialect: Dialect, node: Ir) -> u32 {
    find_template(dialect, node).map_or(0, |template| template.max_value)
}

fn decimal_size(program: &Program, dialect: Dialect, sizes: &Arena<u32>, id: IrId) -> u32 {
    let node = program.node(id);
    let wide =
        |id: IrId| program.meta(id).ty == Type::Decimal && sizes.try_get(id.index()) == Some(&MAX_DECIMAL_DIGITS);
    let is_wide = match node {
        Ir::Column(column) => program.columns[column as usize].size == MAX_DECIMAL_DIGITS,
        Ir::Definition(definition_index) => wide(program.definition_root(definition_index)),
        _ => max_size(dialect, node) == MAX_DECIMAL_DIGITS || program.operands(id).any(wide),
    };
    if is_wide { MAX_DECIMAL_DIGITS } else { 0 }
}

fn integer_size(program: &Program, dialect: Dialect, sizes: &Arena<u32>, id: IrId) -> u32 {
    let node = program.node(id);
    let size = |id: &IrId| sizes.try_get(id.index()).copied().unwrap_or(0);
    // Returns the largest size of several nodes, or 0 if the size of at least one node is unknown.
    let largest = |ids: &mut dyn Iterator<Item = IrId>| {
        let sizes = ids
            .filter(|id| !matches!(program.node(*id), Ir::Null))
            .map(|id| size(&id));
        sizes
            .reduce(|a, b| if a == 0 || b == 0 { 0 } else { a.max(b) })
            .unwrap_or(0)
    };
    if let Some(value) = program.unchanged_operand(id) {
        return size(&value);
    }
    match node {
        Ir::Number(slice) => match program.text(slice).trim_start_matches('-').parse::<u32>() {
            Ok(value @ 0..=MAX_NARROW_INTEGER) => value.max(1),
            _ => 0,
        },
        Ir::Column(column) => program.columns[column as usize].size,
        Ir::Case(arms) | Ir::Switch { arms, .. } => largest(&mut program.branches(arms)),
        Ir::Coalesce(args) => largest(&mut program.args(args).iter().copied()),
        // An aggregate inside a window is an `Apply` node.
        Ir::Aggregate { overload, args, .. } | Ir::Apply { overload, args } if catalog::is_aggregate(overload) => {
            match catalog::overload_owner(overload) {
                internal::MIN | internal::MAX => largest(&mut program.args(args).iter().copied()),
                _ => 0,
            }
        }
        Ir::Apply { overload, args } => {
            let known_size = max_size(dialect, node);
            if known_size > 0 {
                return known_size;
            }
            let (function, args) = (catalog::overload_owner(overload), program.args(args));
            match (args, catalog::overload(overload).map(|o| (o.result, o.params))) {
                ([left, right], _) if is_arithmetic(function) => match (size(left), size(right)) {
                    (0, _) | (_, 0) => 0,
                    (left, right) => integer_result_size(function, left, right).unwrap_or(0),
                },
                // The result of MOD is smaller than the divisor.
                ([_, divisor], _) if function == internal::MOD => size(divisor),
                (_, Some((ResultType::Param(index), _))) => args.get(index as usize).map_or(0, size),
                (_, Some((ResultType::Same, params))) => {
                    let is_same_param = |index: usize| {
                        params
                            .get(index)
                            .or(params.last())
                            .is_some_and(|p| p.ty == ParamType::Same)
                    };
                    largest(
                        &mut args
                            .iter()
                            .enumerate()
                            .filter(|(index, _)| is_same_param(*index))
                            .map(|(_, id)| *id),
                    )
                }
                ([value], _) if function == internal::NEGATE => size(value),
                _ => 0,
            }
        }
        _ => 0,
    }
}

fn is_arithmetic(function: FunctionId) -> bool {
    [internal::ADD, internal::SUBTRACT, internal::MULTIPLY].contains(&function)
}

/// Returns the size of the sum, difference or product of two narrow numbers. `None` if the result is not narrow.
fn integer_result_size(function: FunctionId, left: u32, right: u32) -> Option<u32> {
    let size = if function == internal::MULTIPLY {
        left.checked_mul(right)
    } else {
        left.checked_add(right)
    };
    size.filter(|size| *size <= MAX_NARROW_INTEGER)
}

impl Emitter<'_> {
    /// Returns the size of a node's numbers, or 0 if the size is unknown. The sizes are computed on first use, because
    /// most programs do not need them.
    pub fn size(&mut self, id: IrId) -> u32 {
        self.sizes(id)[id.index()]
    }

    /// Returns the sizes of the nodes up to `last`.
    fn sizes(&mut self, last: IrId) -> &Arena<u32> {
        compute_node_sizes(self.program, self.dialect, &mut self.buffers.sizes, last);
        &self.buffers.sizes
    }

    /// Skips the sizes of a definition that no other definition uses, after the definition is emitted.
    pub fn skip_sizes(&mut self, first: IrId, root: IrId) {
        let sizes = &mut self.buffers.sizes;
        if (first.index()..=root.index()).contains(&sizes.len()) {
            sizes.resize(root.index() + 1, 0);
        }
    }

    /// Widens an operand of an arithmetic operation if the engine would compute the operation in 32 bits and the result
    /// may not fit. Must be called before the operation is emitted.
    #[inline]
    pub(super) fn widen_operand(&mut self, overload: OverloadId, args: &[IrId]) {
        let function = catalog::overload_owner(overload);
        let function = match function {
            internal::ROW_SUM => internal::ADD,
            internal::ROW_PRODUCT => internal::MULTIPLY,
            _ => function,
        };
        if self.dialect.facts().narrow_integers && is_arithmetic(function) {
            self.widen_integers(function, args);
        }
    }

    #[inline(never)]
    fn widen_integers(&mut self, function: FunctionId, args: &[IrId]) {
        let integer = |id: &IrId| self.program.meta(*id).ty == Type::Integer;
        let Some(last) = args.iter().max().filter(|_| args.iter().all(integer)) else {
            return;
        };
        let sizes = self.sizes(*last);
        let mut narrow = args.iter().map(|id| sizes[id.index()]);
        if !narrow.clone().all(|size| (1..=MAX_NARROW_INTEGER).contains(&size)) {
            return;
        }
        let fits = narrow.next().is_none_or(|first| {
            narrow
                .try_fold(first, |a, b| integer_result_size(function, a, b))
                .is_some()
        });
        if !fits {
            let literal = |id: &&IrId| matches!(self.program.node(**id), Ir::Number(_));
            let first = args.iter().find(|id| !literal(id)).or(args.first());
            // A sum of more than two operands is computed from left to right, so widen the first operand.
            let widened = if args.len() == 2 { first } else { args.first() };
            if let Some(id) = widened {
                self.emit_cast(*id, Type::Integer);
            }
        }
    }

    /// Casts values to the same scale if the engine combines them into one decimal type and the widest value would
    /// leave no digits for the scale of the other values.
    pub(super) fn cast_to_same_scale(&mut self, ids: &[IrId]) {
        let wide_decimal = self.dialect.facts().wide_decimal;
        let decimal = |id: &IrId| self.program.meta(*id).ty == Type::Decimal;
        let is_known = |id: &IrId| !matches!(self.program.node(*id), Ir::Null | Ir::Number(_));
        let scales = |id: &&IrId| decimal(id) && !matches!(self.program.node(**id), Ir::Null);
        if wide_decimal.is_empty()
            || ids.iter().filter(scales).count() < 2
            || !ids.iter().any(|id| decimal(id) && self.size(*id) == MAX_DECIMAL_DIGITS)
        {
            return;
        }
        for id in ids {
            if is_known(id) && decimal(id) {
                let x = self.buffers.sql[id.index()];
                let span = self.program.meta(*id).span;
                self.buffers.sql[id.index()] = self.buffers.tree.add(
                    Sql::Cast {
                        name: "cast",
                        x,
                        ty: wide_decimal,
                    },
                    span,
                );
            }
        }
    }

    /// Casts the branches of a CASE to the same scale, as `cast_to_same_scale` does.
    pub(super) fn cast_branches_to_same_scale(&mut self, arms: PoolRange) {
        let program = self.program;
        self.cast_long_literals(program.branches(arms));
        if !self.dialect.facts().wide_decimal.is_empty()
            && program.branches(arms).any(|id| self.size(id) == MAX_DECIMAL_DIGITS)
        {
            let values: Vec<IrId> = self.program.branches(arms).collect();
            self.cast_to_same_scale(&values);
        }
    }

    pub(super) fn emit_cast(&mut self, id: IrId, ty: Type) {
        let span = self.program.meta(id).span;
        self.buffers.sql[id.index()] = self.add_cast(self.buffers.sql[id.index()], ty, span);
    }
}
