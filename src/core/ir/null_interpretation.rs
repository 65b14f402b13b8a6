//! Meaning of NULL with `blanks: zero`: a blank, which is 0 in arithmetic, or an error, which remains NULL.

use super::{Ir, IrId, PoolRange, Program};
use crate::Level;
use crate::catalog::{self, FunctionId, Nulls, OverloadId, internal};

/// Possible meanings of a node's NULL. If the node is never NULL, `may_be_error` is the meaning of a missing value, for
/// example after a join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NullInterpretation {
    pub may_be_blank: bool,
    /// Whether NULL may represent an error, such as a division by 0. Spreadsheets return the error of an operand.
    pub may_be_error: bool,
}

const BLANK: NullInterpretation = NullInterpretation {
    may_be_blank: true,
    may_be_error: false,
};
const ERROR: NullInterpretation = NullInterpretation {
    may_be_blank: false,
    may_be_error: true,
};

impl NullInterpretation {
    fn or(self, other: Self) -> Self {
        Self {
            may_be_blank: self.may_be_blank || other.may_be_blank,
            may_be_error: self.may_be_error || other.may_be_error,
        }
    }
}

impl Program {
    /// Returns the meaning of a node's NULL. Also evaluates all earlier nodes, because operands precede their
    /// operators.
    pub fn null_interpretation(&mut self, id: IrId) -> NullInterpretation {
        for index in self.null_interpretations.len()..=id.index() {
            let id = IrId(index as u32);
            let meaning = self.compute_null_interpretation(id);
            // A value that is never NULL may be missing after a join. Whether the missing value is an error must not
            // depend on what is known of NULLs.
            let may_be_blank = meaning.may_be_blank && self.meta(id).nullable;
            self.null_interpretations.push(NullInterpretation {
                may_be_blank,
                ..meaning
            });
        }
        self.cached_null_interpretation(id)
    }

    fn cached_null_interpretation(&self, id: IrId) -> NullInterpretation {
        self.null_interpretations.get(id.index()).copied().unwrap_or_default()
    }

    fn compute_null_interpretation(&self, id: IrId) -> NullInterpretation {
        let nullable = self.meta(id).nullable;
        let any = |ids: &mut dyn Iterator<Item = IrId>| {
            ids.fold(NullInterpretation::default(), |meaning, id| {
                meaning.or(self.cached_null_interpretation(id))
            })
        };
        match self.node(id) {
            // A NULL node represents an error such as `1/0`.
            Ir::Null => ERROR,
            Ir::Column(column) => match self.columns.try_get(column as usize) {
                Some(column) if column.null_is_error => ERROR,
                _ => BLANK,
            },
            Ir::Definition(definition_index) => self.cached_null_interpretation(self.definition_root(definition_index)),
            Ir::Apply { overload, args } => self.null_interpretation_of_call(overload, args, nullable),
            // IF without a third argument returns a blank. SWITCH and CHOOSE return an error if nothing matches.
            Ir::Case(arms) if self.args(arms).len().is_multiple_of(2) => BLANK.or(any(&mut self.branches(arms))),
            Ir::Switch { arms, .. } if self.args(arms).len().is_multiple_of(2) => {
                ERROR.or(any(&mut self.branches(arms)))
            }
            Ir::Case(arms) | Ir::Switch { arms, .. } => any(&mut self.branches(arms)),
            Ir::Coalesce(args) => any(&mut self.args(args).last().copied().into_iter()),
            Ir::Window { call, .. } => self.cached_null_interpretation(call),
            // The value of a period without a row is blank.
            Ir::PeriodLookup { value, .. } => BLANK.or(self.cached_null_interpretation(value)),
            // A lookup that finds no row returns an error. A row that is found may contain a blank cell.
            Ir::RowLookup { args, .. } => ERROR.or(any(&mut self.args(args).get(2).copied().into_iter())),
            Ir::Aggregate { overload, .. } if catalog::get(catalog::overload_owner(overload)).empty_is_error => ERROR,
            Ir::Aggregate { overload, .. } if is_never_null(overload) => NullInterpretation::default(),
            Ir::Aggregate { args, .. } | Ir::GroupWindow { args, .. } => {
                any(&mut self.args(args).first().copied().into_iter())
            }
            _ => match any(&mut self.operands(id)) {
                NullInterpretation { may_be_error: true, .. } => ERROR,
                _ => BLANK,
            },
        }
    }

    fn null_interpretation_of_call(&self, overload: OverloadId, args: PoolRange, nullable: bool) -> NullInterpretation {
        let function = catalog::overload_owner(overload);
        let args = self.args(args);
        let of_args = args.iter().fold(NullInterpretation::default(), |meaning, id| {
            meaning.or(self.cached_null_interpretation(*id))
        });
        match function {
            // A blank has no rank.
            internal::RANK_OF | internal::PERCENT_RANK_OF => ERROR,
            _ if is_never_null(overload) => NullInterpretation::default(),
            internal::DIVIDE if nullable => ERROR,
            // These operations treat blank numbers as 0.
            internal::ADD | internal::SUBTRACT | internal::MULTIPLY if of_args.may_be_error => ERROR,
            // An offset outside the partition finds no row.
            internal::LAG | internal::LEAD | internal::NTH_VALUE => BLANK.or(of_args),
            // NULL arguments are skipped, so NULL means that there are too few values.
            _ if catalog::get(function).empty_is_error => ERROR,
            _ if nullable && self.can_return_error(overload, function, args) => ERROR.or(of_args),
            _ if catalog::get(function).level == Level::Aggregate && !of_args.may_be_error => BLANK,
            _ if of_args == NullInterpretation::default() => BLANK,
            _ => of_args,
        }
    }

    /// Returns whether a call may return NULL because of an error even if no argument is NULL.
    fn can_return_error(&self, overload: OverloadId, function: FunctionId, args: &[IrId]) -> bool {
        let last = args.last().and_then(|last| match self.node(*last) {
            Ir::Number(digits) => self.text(digits).parse::<f64>().ok(),
            _ => None,
        });
        let safe = catalog::get(function).safe_last;
        let is_safe = safe.zip(last).is_some_and(|(safe, last)| safe.includes(last));
        catalog::null_rule(overload) == Nulls::Error && !is_safe
    }
}

/// Returns whether a call is never NULL, even if it has no rows.
fn is_never_null(overload: OverloadId) -> bool {
    catalog::null_rule(overload) == Nulls::Never || catalog::get(catalog::overload_owner(overload)).empty.is_some()
}
