//! Warnings about criteria that compare each row with its own value, such as `SUMIFS(x, day, ">=" & day[month])`.
//! Outside of a range, the criterion is computed in the row that is tested, so all rows give the same result. In a
//! spreadsheet, such a criterion compares other rows with the row of the formula.

use std::cmp::Ordering;

use crate::Type;
use crate::ast::{BinaryOp, Expr, ExprId};
use crate::catalog::Function;
use crate::check::lower::Lowerer;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Ir, IrId};

/// Value that is computed from a column of the same row.
#[derive(Clone, Copy)]
enum SameRowValue {
    /// The column itself.
    Same,
    /// Start of the column's period.
    PeriodStart(&'static str),
    /// The column plus a number.
    Shifted(i64),
}

impl SameRowValue {
    /// Returns the result of comparing the column with the value, if all rows have the same result.
    fn constant_result(self, op: BinaryOp) -> Option<bool> {
        // Order of the column relative to the value.
        let (order, may_be_equal) = match self {
            Self::Same => (Ordering::Equal, true),
            Self::PeriodStart(_) => (Ordering::Greater, true),
            Self::Shifted(shift) => (0_i64.cmp(&shift), false),
        };
        let is_same = order == Ordering::Equal;
        match op {
            BinaryOp::Equal | BinaryOp::NotEqual if may_be_equal && !is_same => None,
            BinaryOp::Equal => Some(is_same),
            BinaryOp::NotEqual => Some(!is_same),
            BinaryOp::GreaterEqual if order.is_ge() => Some(true),
            BinaryOp::LessEqual if order.is_le() => Some(true),
            BinaryOp::Less if order.is_ge() => Some(false),
            BinaryOp::Greater if order.is_le() => Some(false),
            BinaryOp::Greater if !may_be_equal => Some(true),
            BinaryOp::Less if !may_be_equal => Some(true),
            BinaryOp::GreaterEqual | BinaryOp::LessEqual if !may_be_equal => Some(false),
            _ => None,
        }
    }
}

impl Lowerer<'_> {
    /// Warns about a criterion whose result is the same in every row because its value comes from the row that is
    /// tested.
    pub(in crate::check) fn warn_of_same_row_value(
        &mut self,
        range: IrId,
        value: IrId,
        expr: ExprId,
        function: &Function,
    ) {
        let meta = self.program.meta(value);
        let is_condition = meta.ty == Type::Boolean && !matches!(self.program.node(value), Ir::Column(_));
        if is_condition || self.is_error(range) || self.is_error(value) {
            return;
        }
        let (op, right) = self.split_operator_criterion(expr).unwrap_or((BinaryOp::Equal, expr));
        let Some(own_value) = self.classify_same_row_value(range, right) else {
            return;
        };
        let Some(result) = own_value.constant_result(op) else {
            return;
        };
        let column = self.source_text(self.program.meta(range).span);
        // In spreadsheets, "not equal" includes blank cells.
        let result = match (result, op) {
            (true, BinaryOp::NotEqual) => "true for every row".to_owned(),
            (false, BinaryOp::NotEqual) => format!("true only for rows in which `{column}` is NULL"),
            (true, _) => format!("true for every row in which `{column}` is not NULL"),
            (false, _) => "never true".to_owned(),
        };
        let message = format!(
            "the criterion `{}` is {result}, because each row is compared with its own `{column}`",
            self.source_text(meta.span)
        );
        let help = same_row_value_help(own_value, op, &column, function);
        self.report(Diagnostic::new(Code::NeverVaries, meta.span, message).with_help(help));
    }

    /// Returns how a value depends on a column of the same row. `None` for other values.
    fn classify_same_row_value(&self, column: IrId, value: ExprId) -> Option<SameRowValue> {
        if self.is_same_value(column, self.lowered_node(value)) {
            return Some(SameRowValue::Same);
        }
        if let Some(unit) = self.unit_of_period_start(column, value) {
            return Some(SameRowValue::PeriodStart(unit));
        }
        let Expr::Binary { op, left, right } = self.ast.expr(value) else {
            return None;
        };
        let shift = self.literal_integer(self.lowered_node(right))?;
        let is_own = self.is_same_value(column, self.lowered_node(left));
        match op {
            BinaryOp::Add if is_own && shift != 0 => Some(SameRowValue::Shifted(shift)),
            BinaryOp::Subtract if is_own && shift != 0 => Some(SameRowValue::Shifted(shift.checked_neg()?)),
            _ => None,
        }
    }
}

/// Returns the help that suggests a range over the rows that the author probably means.
#[cold]
fn same_row_value_help(own_value: SameRowValue, op: BinaryOp, column: &str, function: &Function) -> String {
    let name = function.name.split("IF").next().unwrap_or(function.name);
    match (own_value, op) {
        (SameRowValue::Same, BinaryOp::Equal) => {
            format!("to aggregate the rows with the same `{column}`, group by `{column}`")
        }
        (SameRowValue::PeriodStart(unit), _) => format!(
            "to compare other rows with this row, sort by `{column}` and write a range, such as \
             `{name}(FIRST(x, \"{unit}\"):x)`"
        ),
        _ => format!(
            "to compare other rows with this row, sort by `{column}` and write a range, such as `{name}(FIRST(x):x)`"
        ),
    }
}
