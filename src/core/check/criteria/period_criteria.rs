//! Help for criteria that select the rows from the start of the current row's period up to the current row, such as the
//! month to date. A range with a calendar unit selects the same rows: `SUM(FIRST(x, "month"):x)`.

use crate::ast::{BinaryOp, Expr, ExprId};
use crate::catalog::{self, Function, internal};
use crate::check::lower::Lowerer;
use crate::ir::{Ir, IrId};

/// Call to a conditional aggregate.
#[derive(Clone, Copy)]
pub(in crate::check) struct CriteriaCall<'c> {
    pub function: &'static Function,
    /// Value that is aggregated. `None` if the function counts rows.
    pub value: Option<IrId>,
    /// Pairs of a column and its criterion.
    pub exprs: &'c [ExprId],
    pub lowered: &'c [IrId],
}

impl Lowerer<'_> {
    /// Returns the help for a criterion that compares a column with the start of the current row's period, if another
    /// criterion selects the rows up to the current row.
    pub(in crate::check) fn period_to_date_help(
        &self,
        range: IrId,
        expr: ExprId,
        call: CriteriaCall<'_>,
    ) -> Option<String> {
        let (op, right) = self.split_operator_criterion(expr)?;
        let unit = match op {
            BinaryOp::GreaterEqual => self.unit_of_period_start(range, right),
            BinaryOp::Greater => self.is_end_of_previous_month(range, right).then_some("month"),
            _ => None,
        }?;
        let mut pairs = call.lowered.chunks_exact(2).zip(call.exprs.chunks_exact(2));
        let is_up_to_row = pairs.any(|(pair, exprs)| {
            let (&[other_range, _], &[_, criterion]) = (pair, exprs) else {
                return false;
            };
            let compared = self.split_operator_criterion(criterion);
            let is_row = |(op, value)| op == BinaryOp::LessEqual && self.is_same_value(range, self.lowered_node(value));
            self.is_same_value(range, other_range) && compared.is_some_and(is_row)
        });
        let text = |id: IrId| self.source_text(self.program.meta(id).span);
        let (key, value) = (text(range), text(call.value.unwrap_or(range)));
        let name = call.function.name.split("IF").next().filter(|_| is_up_to_row)?;
        // Formulas in a worksheet refer to cells, which FIRST does not accept.
        (!key.contains(':') && !value.contains(':')).then(|| {
            format!(
                "sort by `{key}` and write `{name}(FIRST({value}, \"{unit}\"):{value})` for the rows from the start of the \
                    {unit} up to the current row"
            )
        })
    }

    /// If the value is the start of a period, and the period contains the current row's value of the column, returns
    /// the period.
    pub(in crate::check) fn unit_of_period_start(&self, column: IrId, value: ExprId) -> Option<&'static str> {
        if let Expr::Binary {
            op: BinaryOp::Add,
            left,
            right,
        } = self.ast.expr(value)
        {
            let is_next_day = self.literal_integer(self.lowered_node(right)) == Some(1);
            return (is_next_day && self.is_end_of_previous_month(column, left)).then_some("month");
        }
        let node = self.lowered_node(value);
        let Ir::Apply { overload, args } = self.program.node(node) else {
            return None;
        };
        let operand = *self.program.args(args).first()?;
        let unit = match catalog::overload_owner(overload) {
            internal::TRUNC_WEEK | internal::TRUNC_WEEK_FROM => "week",
            internal::TRUNC_MONTH => "month",
            internal::TRUNC_QUARTER => "quarter",
            internal::TRUNC_YEAR => "year",
            _ => return None,
        };
        self.is_same_value(column, operand).then_some(unit)
    }

    /// Returns whether a value is `EOMONTH(column, -1)`.
    fn is_end_of_previous_month(&self, column: IrId, value: ExprId) -> bool {
        let Expr::Call(call) = self.ast.expr(value) else {
            return false;
        };
        let call = self.ast.call(call);
        let is_eomonth = call.name.text(self.source).eq_ignore_ascii_case("eomonth");
        match self.ast.arguments(call) {
            [date, months] if is_eomonth => {
                let months = self.ast.span(*months).text(self.source).replace(' ', "");
                self.is_same_value(column, self.lowered_node(*date)) && months == "-1"
            }
            _ => false,
        }
    }
}
