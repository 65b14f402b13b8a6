//! Arithmetic over totals: determines which results can be summed again, and derives formulas over columns for the
//! other results.

use super::NonAdditiveReason;
use super::classes::{AggregationClass, TotalClass, TotalKind, truncation_unit};
use crate::catalog::{self, internal};
use crate::ir::{Ir, IrId, Program};

/// Maximum length of a formula.
const MAX_FORMULA_LENGTH: usize = 300;

/// Precedence of the outermost operator of an SQL expression.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OperatorPrecedence {
    Sum,
    Product,
    Name,
}

#[derive(Clone)]
pub(super) struct AggregateSql {
    pub sql: String,
    pub columns: Vec<String>,
    pub binds: OperatorPrecedence,
    pub ratio: Option<(String, String)>,
}

/// Returns the class of a value that combines other values. The class is `NonAdditive` if an operand is a total or
/// `NonAdditive`. Otherwise, the class is `Row` if an operand is a row value.
pub(super) fn combine_classes(
    values: &mut dyn Iterator<Item = AggregationClass>,
    non_additive_reason: NonAdditiveReason,
) -> AggregationClass {
    let mut class = AggregationClass::Constant;
    for value in values {
        class = match (class, value) {
            (AggregationClass::NonAdditive(non_additive_reason), _)
            | (_, AggregationClass::NonAdditive(non_additive_reason)) => {
                AggregationClass::NonAdditive(non_additive_reason)
            }
            (AggregationClass::Total(_), _) | (_, AggregationClass::Total(_)) => {
                return AggregationClass::NonAdditive(non_additive_reason);
            }
            (AggregationClass::Row, _) | (_, AggregationClass::Row) => AggregationClass::Row,
            (AggregationClass::Dimension(_), _) | (_, AggregationClass::Dimension(_)) => {
                AggregationClass::Dimension(None)
            }
            (AggregationClass::Constant, AggregationClass::Constant) => AggregationClass::Constant,
        };
    }
    class
}

/// Returns the class of COALESCE. A default of zero does not change a sum.
pub(super) fn classify_coalesce(program: &Program, args: &[IrId], values: &[AggregationClass]) -> AggregationClass {
    let class_of = |id: &IrId| {
        values
            .get(id.index())
            .cloned()
            .unwrap_or(AggregationClass::NonAdditive(NonAdditiveReason::Function))
    };
    let is_zero = |id: &IrId| match program.node(*id) {
        Ir::Number(digits) => program.text(digits).parse::<f64>() == Ok(0.0),
        _ => false,
    };
    match args {
        [operand, zero] if is_zero(zero) => match class_of(operand) {
            AggregationClass::Total(TotalClass {
                kind: TotalKind::Sum,
                aggregate_sql: sql,
            }) => AggregationClass::Total(TotalClass {
                kind: TotalKind::Sum,
                aggregate_sql: sql.map(|aggregate| wrap_in_function_call("coalesce", aggregate, "0")),
            }),
            AggregationClass::Total(TotalClass { aggregate_sql: sql, .. }) => AggregationClass::Total(TotalClass {
                kind: TotalKind::Formula,
                aggregate_sql: sql.map(|aggregate| wrap_in_function_call("coalesce", aggregate, "0")),
            }),
            other => other,
        },
        args => combine_classes(&mut args.iter().map(class_of), NonAdditiveReason::Function),
    }
}

fn wrap_in_function_call(name: &str, aggregate: AggregateSql, second: &str) -> AggregateSql {
    AggregateSql {
        sql: format!("{name}({}, {second})", aggregate.sql),
        binds: OperatorPrecedence::Name,
        ratio: None,
        ..aggregate
    }
}

/// Returns the class of `+ - * /` with totals and numbers as operands.
pub(super) fn classify_arithmetic(
    program: &Program,
    id: IrId,
    function: catalog::FunctionId,
    args: &[IrId],
    values: &[AggregationClass],
) -> AggregationClass {
    let class_of = |id: &IrId| {
        values
            .get(id.index())
            .cloned()
            .unwrap_or(AggregationClass::NonAdditive(NonAdditiveReason::Function))
    };
    let classes: Vec<AggregationClass> = args.iter().map(class_of).collect();
    let has_total = classes.iter().any(|value| matches!(value, AggregationClass::Total(_)));
    if !has_total {
        return match combine_classes(&mut classes.into_iter(), NonAdditiveReason::Function) {
            // The call itself may truncate the value, which determines the calendar unit.
            AggregationClass::Dimension(_) => AggregationClass::Dimension(truncation_unit(program, id)),
            other => other,
        };
    }
    if let Some(non_additive_reason) = find_non_additive_reason(&classes) {
        return AggregationClass::NonAdditive(non_additive_reason);
    }
    let nullable = |id: &IrId| program.meta(*id).nullable;
    let adds_up = |value: &AggregationClass| {
        matches!(
            value,
            AggregationClass::Total(TotalClass {
                kind: TotalKind::Sum,
                ..
            })
        )
    };
    let is_number = |id: &IrId| matches!(program.node(*id), Ir::Number(_));
    let (sign, binds) = match (function, classes.len()) {
        (internal::ADD, 2) => (" + ", OperatorPrecedence::Sum),
        (internal::SUBTRACT, 2) => (" - ", OperatorPrecedence::Sum),
        (internal::MULTIPLY, 2) => (" * ", OperatorPrecedence::Product),
        (internal::DIVIDE, 2) => (" / ", OperatorPrecedence::Product),
        // The conversion does not change the value of a number.
        (internal::TO_FLOAT | internal::TO_DECIMAL, 1) => {
            return classes.into_iter().next().unwrap_or(AggregationClass::Row);
        }
        (internal::NEGATE, 1) => {
            return match classes.into_iter().next() {
                Some(AggregationClass::Total(total)) => AggregationClass::Total(negate_total(total)),
                _ => AggregationClass::NonAdditive(NonAdditiveReason::Function),
            };
        }
        (
            internal::EQUAL
            | internal::NOT_EQUAL
            | internal::LESS
            | internal::LESS_EQUAL
            | internal::GREATER
            | internal::GREATER_EQUAL,
            _,
        ) => return AggregationClass::NonAdditive(NonAdditiveReason::Condition),
        _ => return AggregationClass::NonAdditive(NonAdditiveReason::Function),
    };
    // A sum or difference with a nullable operand cannot be summed. A NULL operand makes the result NULL in its own
    // row, but would be treated as 0 in the sum of all rows.
    let kind = match function {
        internal::ADD | internal::SUBTRACT if classes.iter().all(adds_up) && !args.iter().any(nullable) => {
            TotalKind::Sum
        }
        internal::MULTIPLY if classes.iter().any(adds_up) && args.iter().any(is_number) => TotalKind::Sum,
        _ => TotalKind::Formula,
    };
    let mut sides = classes.into_iter().zip(args).map(|(value, id)| match value {
        AggregationClass::Total(total) => total.aggregate_sql,
        _ => aggregate_sql_of_number(program, *id),
    });
    let (Some(left), Some(right)) = (sides.next(), sides.next()) else {
        return AggregationClass::NonAdditive(NonAdditiveReason::Function);
    };
    let sql = match (left, right) {
        (Err(non_additive_reason), _) | (_, Err(non_additive_reason)) => Err(non_additive_reason),
        (Ok(left), Ok(right)) => combine_aggregates(left, right, sign, binds, function == internal::DIVIDE),
    };
    AggregationClass::Total(TotalClass {
        kind,
        aggregate_sql: sql,
    })
}

/// Returns why a total cannot be combined with the other operands. `None` if all of them are totals or constants.
fn find_non_additive_reason(operands: &[AggregationClass]) -> Option<NonAdditiveReason> {
    let non_additive_reason = operands.iter().find_map(|value| match value {
        AggregationClass::NonAdditive(non_additive_reason) => Some(non_additive_reason.clone()),
        _ => None,
    });
    let is_of_row = |value: &AggregationClass| matches!(value, AggregationClass::Row | AggregationClass::Dimension(_));
    non_additive_reason.or_else(|| operands.iter().any(is_of_row).then_some(NonAdditiveReason::Mixed))
}

fn negate_total(total: TotalClass) -> TotalClass {
    let negated = |aggregate: AggregateSql| AggregateSql {
        sql: format!("-{}", bracket_if_needed(&aggregate, OperatorPrecedence::Name)),
        binds: OperatorPrecedence::Sum,
        ratio: None,
        ..aggregate
    };
    TotalClass {
        kind: match total.kind {
            TotalKind::Sum => TotalKind::Sum,
            _ => TotalKind::Formula,
        },
        aggregate_sql: total.aggregate_sql.map(negated),
    }
}

fn aggregate_sql_of_number(program: &Program, id: IrId) -> Result<AggregateSql, NonAdditiveReason> {
    match program.node(id) {
        Ir::Number(digits) => {
            let sql = program.text(digits).to_owned();
            let binds = if sql.starts_with('-') {
                OperatorPrecedence::Sum
            } else {
                OperatorPrecedence::Name
            };
            Ok(AggregateSql {
                sql,
                columns: Vec::new(),
                binds,
                ratio: None,
            })
        }
        _ => Err(NonAdditiveReason::Function),
    }
}

fn bracket_if_needed(aggregate: &AggregateSql, least: OperatorPrecedence) -> String {
    if aggregate.binds < least {
        format!("({})", aggregate.sql)
    } else {
        aggregate.sql.clone()
    }
}

fn combine_aggregates(
    left: AggregateSql,
    right: AggregateSql,
    sign: &str,
    binds: OperatorPrecedence,
    divides: bool,
) -> Result<AggregateSql, NonAdditiveReason> {
    let is_name = |aggregate: &AggregateSql| {
        aggregate.binds == OperatorPrecedence::Name
            && aggregate.columns.len() == 1
            && aggregate.columns.contains(&aggregate.sql)
    };
    let ratio = (divides && is_name(&left) && is_name(&right)).then(|| (left.sql.clone(), right.sql.clone()));
    let sql = if divides {
        // The factor prevents integer division, and `nullif` makes division by zero return NULL.
        format!(
            "1.0 * {} / nullif({}, 0)",
            bracket_if_needed(&left, OperatorPrecedence::Product),
            right.sql
        )
    } else {
        // The right operand of `-` needs brackets, as in `a - (b - c)`, but the right operand of `+` does not, as in `a
        // + b - c`.
        let tighter = if binds == OperatorPrecedence::Sum && sign == " + " {
            OperatorPrecedence::Sum
        } else {
            next(binds)
        };
        format!(
            "{}{sign}{}",
            bracket_if_needed(&left, binds),
            bracket_if_needed(&right, tighter)
        )
    };
    if sql.len() > MAX_FORMULA_LENGTH {
        return Err(NonAdditiveReason::TooLong);
    }
    let mut columns = left.columns;
    columns.extend(
        right
            .columns
            .into_iter()
            .filter(|name| !columns.contains(name))
            .collect::<Vec<_>>(),
    );
    Ok(AggregateSql {
        sql,
        columns,
        binds,
        ratio,
    })
}

fn next(binds: OperatorPrecedence) -> OperatorPrecedence {
    if binds == OperatorPrecedence::Sum {
        OperatorPrecedence::Product
    } else {
        OperatorPrecedence::Name
    }
}
