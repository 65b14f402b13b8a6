//! Lints for misleading aggregates: averages of ratios, sums that skip duplicate values, and counts that include zeros.

use super::Lints;
use crate::Level;
use crate::catalog::{self, FunctionId, internal};
use crate::diag::Code;
use crate::ir::{Ir, IrId};

impl Lints<'_> {
    pub(super) fn check_aggregate(&mut self, id: IrId, function: FunctionId, args: &[IrId], distinct: bool) {
        let Some(value) = args.first().copied() else { return };
        self.warn_of_quoted_name(value);
        if distinct && [internal::SUM, internal::AVERAGE].contains(&function) {
            let (name, excerpt) = (self.excerpt(value), self.excerpt(id));
            let aggregate_name = if function == internal::SUM { "SUM" } else { "AVERAGE" };
            let message =
                format!("`{excerpt}` includes equal values only once: of two rows with the value 10, it ignores one");
            let help = format!(
                "aggregate all values with `{aggregate_name}({name})`; if a join repeats rows, aggregate in a step before \
                    the join"
            );
            self.warn(Code::SumOfDistinct, id, message, help);
        } else if function == internal::AVERAGE {
            self.warn_of_mean_of_ratios(id, value);
        } else if function == internal::COUNTA {
            self.warn_of_count_of_zeros(id, value);
        }
    }

    /// Warns about `AVERAGE(a / b)`, which gives each row's ratio the same weight.
    fn warn_of_mean_of_ratios(&mut self, id: IrId, value: IrId) {
        let program = self.program;
        // AVERAGEIF becomes the average of a CASE with one branch.
        let value = match program.node(value) {
            Ir::Case(arms) => match *program.args(arms) {
                [_, value] => value,
                _ => return,
            },
            _ => value,
        };
        let Ir::Apply { overload, args } = program.node(self.resolve_name(value)) else {
            return;
        };
        let [a, b] = *program.args(args) else { return };
        let varies = |id: IrId| program.meta(id).level > Level::Const && program.meta(id).ty.is_number();
        if catalog::overload_owner(overload) != internal::DIVIDE || !varies(a) || !varies(b) {
            return;
        }
        let (over, under) = (self.excerpt(a), self.excerpt(b));
        let help = match program.meta(id).level {
            Level::Window => {
                "divide the sum of the numerators by the sum of the denominators over the same rows".to_owned()
            }
            _ => format!("divide the sums: `SUM({over}) / SUM({under})`"),
        };
        let message = format!(
            "`{}` returns the average of rates, which is not the overall rate",
            self.excerpt(id)
        );
        self.warn(Code::RateAveraged, id, message, help);
    }

    /// Warns about `COUNT(IF(x > 3, 1, 0))`, which also counts the zeros.
    fn warn_of_count_of_zeros(&mut self, id: IrId, value: IrId) {
        let program = self.program;
        // Report only literals, because the name of a column or definition shows what the author intended to count.
        let literal = |id: &IrId| {
            matches!(program.node(*id), Ir::Number(_) | Ir::Text(_) | Ir::Bool(_)) && !program.meta(*id).nullable
        };
        let Ir::Case(arms) = program.node(value) else { return };
        let condition = match program.args(arms) {
            [condition, then, other] if literal(then) && literal(other) => self.excerpt(*condition),
            _ => return,
        };
        let message = format!(
            "`COUNT` counts every row here, because the IF returns a value whether or not `{condition}` is \
            TRUE"
        );
        let help = format!("use `COUNTIF({condition})` to count only the rows where the condition is TRUE");
        self.warn(Code::CountOfCondition, id, message, help);
    }
}
