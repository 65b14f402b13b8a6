//! Precision and scale of decimals. A type with the precision and scale of a node can store its values without
//! rounding.

use super::Emitter;
use crate::Type;
use crate::arena::Arena;
use crate::catalog::{self, internal};
use crate::dialect::Dialect;
use crate::ir::{Ir, IrId, Program};
use crate::schema::DecimalDigits;

/// Computes the precision and scale of the nodes up to `last`. Operands precede the nodes that use them, and
/// definitions follow the definitions that they use.
fn compute_node_digits(program: &Program, dialect: Dialect, digits: &mut Arena<Option<DecimalDigits>>, last: IrId) {
    let product_scale = dialect.facts().product_scale.parse().ok();
    for node_index in digits.len()..last.index() + 1 {
        let of_node = compute_digits_of_node(program, product_scale, digits, IrId(node_index as u32));
        digits.push(of_node);
    }
}

fn compute_digits_of_node(
    program: &Program,
    product_scale: Option<u32>,
    digits: &Arena<Option<DecimalDigits>>,
    id: IrId,
) -> Option<DecimalDigits> {
    let node = program.node(id);
    match (node, program.meta(id).ty) {
        (Ir::Null, _) => return Some(DecimalDigits::NULL),
        (Ir::Number(text), Type::Integer | Type::Decimal) => return DecimalDigits::from_literal(program.text(text)),
        (_, Type::Integer) => return Some(DecimalDigits::INTEGER),
        (_, Type::Decimal) => {}
        _ => return None,
    }
    let digits_of = |id: IrId| digits.try_get(id.index()).copied().flatten();
    if let Some(value) = program.unchanged_operand(id) {
        return digits_of(value);
    }
    match node {
        Ir::Column(column) => {
            let column = &program.columns[column as usize];
            // The precision and scale of a merged column are unknown, because the columns that a full join merges may
            // have different scales.
            column.digits.filter(|_| column.merged.is_empty())
        }
        Ir::Case(arms) | Ir::Switch { arms, .. } => union_digits(program.branches(arms).map(digits_of)),
        Ir::Coalesce(args) => union_digits(program.args(args).iter().map(|id| digits_of(*id))),
        Ir::Apply { overload, args } | Ir::Aggregate { overload, args, .. } => {
            let args = program.args(args);
            let value = digits_of(*args.first()?);
            let mut operand_digits = args.iter().map(|id| digits_of(*id));
            match catalog::overload_owner(overload) {
                internal::SUM => union_digits(operand_digits).map(DecimalDigits::sum_of_rows),
                internal::ADD | internal::SUBTRACT | internal::ROW_SUM => {
                    let first = operand_digits.next()?;
                    operand_digits.fold(first, |sum, next| sum?.sum(next?))
                }
                internal::MULTIPLY => {
                    let first = operand_digits.next()?;
                    operand_digits.fold(first, |product, next| product?.product(next?, product_scale))
                }
                internal::MIN | internal::MAX | internal::ROW_MIN | internal::ROW_MAX | internal::MOD => {
                    union_digits(operand_digits)
                }
                // Rounding up may need another digit before the decimal point.
                internal::ROUND | internal::ROUNDUP => value?.sum(value?),
                internal::MODE
                | internal::LARGE
                | internal::SMALL
                | internal::FIRST_VALUE
                | internal::LAST_VALUE
                | internal::NTH_VALUE
                | internal::LAG
                | internal::LEAD
                | internal::NEGATE
                | internal::ABS
                | internal::ROUNDDOWN => value,
                _ => None,
            }
        }
        _ => None,
    }
}

fn union_digits(mut values: impl Iterator<Item = Option<DecimalDigits>>) -> Option<DecimalDigits> {
    values.try_fold(DecimalDigits::NULL, |total, value| total.union(value?))
}

impl Emitter<'_> {
    /// Returns the precision and scale of a decimal node, if they are known.
    pub fn decimal_digits(&mut self, id: IrId) -> Option<DecimalDigits> {
        if self.program.meta(id).ty != Type::Decimal {
            return None;
        }
        compute_node_digits(self.program, self.dialect, &mut self.buffers.digits, id);
        self.buffers.digits[id.index()]
    }
}
