//! Floats that the engine keeps as decimals, rounded to a limited number of digits.
//!
//! Some engines return the average or the quotient of decimals as a decimal with about 16 digits. Spreadsheets compute
//! with floats, so `1 / 3 * 3` is exactly 1. With decimals, the result is 0.9999999999999999. The difference matters
//! only for comparisons and rounding, in which a tiny difference can change the result significantly. These operations
//! cast the decimal to a float. All other operations keep the decimal, which ROUND can round directly.

use super::{Emitter, find_template};
use crate::Type;
use crate::arena::Arena;
use crate::catalog::{self, OverloadId, internal};
use crate::dialect::Dialect;
use crate::ir::{Ir, IrId, Program};
use crate::sql::{Sql, SqlId};

/// Size of a float that is a rounded decimal. Its decimal expansion terminates (as in `0.125`) if and only if the
/// expansion of the true value terminates.
pub(super) const ROUNDED_SIZE: u32 = 1;
/// Size of a float that was computed with rounded decimals, so that its last digits may differ from the true value.
pub(super) const INEXACT_SIZE: u32 = 2;
/// Size of an exact number.
const EXACT_SIZE: u32 = 0;

/// Returns the size of a float: [`ROUNDED_SIZE`], [`INEXACT_SIZE`], or 0 if the engine computes it as a float.
pub(super) fn float_size(program: &Program, dialect: Dialect, sizes: &Arena<u32>, id: IrId) -> u32 {
    let node = program.node(id);
    // `None` for a number that the engine computes as a float.
    let size = |id: IrId| match program.meta(id).ty.sql_type() {
        Type::Float if program.node(id) != Ir::Null => {
            sizes.try_get(id.index()).copied().filter(|size| *size != EXACT_SIZE)
        }
        _ => Some(EXACT_SIZE),
    };
    let largest = |ids: &mut dyn Iterator<Item = IrId>| {
        let mut sizes = ids.map(size);
        sizes.try_fold(EXACT_SIZE, |a, b| Some(a.max(b?))).unwrap_or(EXACT_SIZE)
    };
    if let Some(value) = program.unchanged_operand(id) {
        return size(value).unwrap_or(EXACT_SIZE);
    }
    match node {
        Ir::Column(column) => program.columns[column as usize].size,
        Ir::Case(arms) | Ir::Switch { arms, .. } => largest(&mut program.branches(arms)),
        Ir::Coalesce(args) => largest(&mut program.args(args).iter().copied()),
        Ir::Apply { overload, args } | Ir::Aggregate { overload, args, .. } => {
            let args = program.args(args);
            let (mut rounded, mut largest) = (0, EXACT_SIZE);
            for id in args {
                let Some(size) = size(*id) else { return EXACT_SIZE };
                rounded += u32::from(size != EXACT_SIZE);
                largest = largest.max(size);
            }
            if find_template(dialect, node).is_some_and(|template| template.result_type.is_some()) {
                return if rounded == 0 { ROUNDED_SIZE } else { INEXACT_SIZE };
            }
            if rounded == 0 {
                return EXACT_SIZE;
            }
            match catalog::overload_owner(overload) {
                internal::NEGATE | internal::ABS | internal::MIN | internal::MAX => largest,
                internal::ADD | internal::SUBTRACT if rounded == 1 => largest,
                internal::MULTIPLY
                    if rounded == 1 && args.iter().any(|id| has_only_factors_two_and_five(program, *id)) =>
                {
                    largest
                }
                internal::ADD
                | internal::SUBTRACT
                | internal::MULTIPLY
                | internal::DIVIDE
                | internal::PERCENT
                | internal::SUM
                | internal::ROW_SUM => INEXACT_SIZE,
                _ => EXACT_SIZE,
            }
        }
        _ => EXACT_SIZE,
    }
}

/// Returns whether the node is a literal such as 100 or 0.5. If `x` has infinitely many decimal places, the product of
/// `x` and such a literal also has infinitely many decimal places.
fn has_only_factors_two_and_five(program: &Program, id: IrId) -> bool {
    let Ir::Number(slice) = program.node(id) else {
        return false;
    };
    let digits = program.text(slice).trim_start_matches('-').replace('.', "");
    let Ok(mut number) = digits.parse::<u64>() else {
        return false;
    };
    for factor in [2, 5] {
        while number != 0 && number % factor == 0 {
            number /= factor;
        }
    }
    number == 1
}

impl Emitter<'_> {
    /// Returns the size of a float. Most floats are columns, for which the sizes of the other nodes are not needed.
    fn resolve_float_size(&mut self, id: IrId) -> u32 {
        match self.program.node(id) {
            Ir::Column(column) => self.program.columns[column as usize].size,
            _ => self.size(id),
        }
    }

    /// Casts arguments of a discontinuous function to float if they are rounded decimals whose last digits may be
    /// wrong. Returns the SQL of the arguments before the casts, for [`Emitter::restore_argument_sql`].
    #[inline]
    pub(super) fn cast_rounded_arguments(&mut self, overload: OverloadId, args: &[IrId]) -> Vec<(IrId, SqlId)> {
        let is_discontinuous = catalog::get(catalog::overload_owner(overload)).discontinuous;
        if !is_discontinuous || !self.dialect.has_rounded_decimals() {
            return Vec::new();
        }
        self.cast_rounded_floats(args)
    }

    #[inline(never)]
    fn cast_rounded_floats(&mut self, args: &[IrId]) -> Vec<(IrId, SqlId)> {
        let program = self.program;
        let is_float = |id: &&IrId| program.meta(**id).ty.sql_type() == Type::Float;
        let (mut floats, mut are_rounded) = (0, true);
        for id in args.iter().filter(is_float) {
            floats += 1;
            are_rounded &= self.resolve_float_size(*id) != EXACT_SIZE;
        }
        if floats == 0 {
            return Vec::new();
        }
        // Two quotients may be rounded to different numbers of digits.
        let least = if are_rounded && floats > 1 {
            ROUNDED_SIZE
        } else {
            INEXACT_SIZE
        };
        let mut replaced = Vec::new();
        for id in args.iter().filter(is_float) {
            if self.resolve_float_size(*id) >= least {
                replaced.push((*id, self.buffers.sql[id.index()]));
                self.emit_cast(*id, Type::Float);
            }
        }
        replaced
    }

    /// Restores the SQL of arguments after the call that uses the arguments is emitted.
    #[inline]
    pub(super) fn restore_argument_sql(&mut self, replaced: Vec<(IrId, SqlId)>) {
        for (id, sql) in replaced {
            self.buffers.sql[id.index()] = sql;
        }
    }

    /// Returns whether the SQL is a cast to float.
    pub(super) fn is_cast_to_float(&self, sql: SqlId) -> bool {
        let float = self.dialect.type_name(Type::Float);
        matches!(*self.buffers.tree.node(sql), Sql::Cast { ty, .. } if ty == float)
    }
}
