//! Operands of arithmetic with `blanks: zero`: a blank is 0, but the NULL of an error remains NULL.

use crate::Level;
use crate::arithmetic::{chosen_branch_index, evaluate_binary};
use crate::catalog::{self, Nulls, Overload, Param, ParamType};
use crate::expr::{InterpreterExpr, InterpreterOp, Window};
use crate::temporal::result_argument_indices;
use crate::value::Value;
use crate::{functions, uncertainty};

/// Possible meanings of NULL as the value of an expression, with `blanks: zero`. Both fields are `false` if the
/// expression is never NULL.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct NullSources {
    pub blank: bool,
    /// Whether NULL may represent an error, such as a division by 0.
    pub error: bool,
}

impl NullSources {
    pub const BLANK: Self = Self {
        blank: true,
        error: false,
    };
    pub const ERROR: Self = Self {
        blank: false,
        error: true,
    };

    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            blank: self.blank || other.blank,
            error: self.error || other.error,
        }
    }
}

/// Returns the arguments that a function such as IF can return, and the meaning of NULL if the function returns none of
/// them. `None` for functions that do not choose an argument.
pub fn selectable_arguments<'x>(
    name: &str,
    args: &'x [InterpreterExpr],
) -> Option<(Vec<&'x InterpreterExpr>, NullSources)> {
    let is_true = |x: &InterpreterExpr| matches!(x, InterpreterExpr::Literal(Value::Bool(true)));
    let has_default = match (name, args) {
        ("IF", _) => args.len() == 3,
        ("IFS", [.., last, _]) => args.len().is_multiple_of(2) && is_true(last) || !args.len().is_multiple_of(2),
        ("SWITCH", _) => args.len().is_multiple_of(2),
        ("CHOOSE" | "IFS", _) => false,
        ("COALESCE" | "IFERROR" | "IFNA", [.., last]) => return Some((vec![last], NullSources::default())),
        _ => return None,
    };
    let nothing = match (name, has_default) {
        (_, true) => NullSources::default(),
        ("IF", false) => NullSources::BLANK,
        _ => NullSources::ERROR,
    };
    let result_indexes = result_argument_indices(name, args.len()).unwrap_or_default();
    Some((
        result_indexes
            .into_iter()
            .filter_map(|arg_index| args.get(arg_index))
            .collect(),
        nothing,
    ))
}

/// Returns whether a spreadsheet shows an error for an aggregate of no values.
pub fn fails_without_values(name: &str) -> bool {
    catalog::lookup(name).is_some_and(|function| function.empty_is_error)
}

/// Returns whether a spreadsheet may show an error for a call with arguments that are not blank.
pub fn can_return_error(name: &str, args: &[InterpreterExpr]) -> bool {
    let Some(function) = catalog::lookup(name) else {
        return false;
    };
    let number = |arg: &InterpreterExpr| match arg {
        InterpreterExpr::Literal(value) => value.number(),
        _ => None,
    };
    let safe = function.safe_last.zip(args.last().and_then(number));
    let rule = |overload: &Overload| overload.nulls.unwrap_or(function.nulls);
    let overloads = || {
        let accepts = |overload: &&Overload| {
            overload.repeated || (overload.min_arguments..=overload.params.len()).contains(&args.len())
        };
        function.overloads.iter().filter(accepts)
    };
    // Some overloads that accept only literals cannot fail.
    let is_safe_literal = overloads()
        .filter(|overload| overload.has_literal_params)
        .any(|overload| {
            let literal = |arg_index: usize| args.get(arg_index).and_then(number);
            let accepts = |(arg_index, param): (usize, &Param)| match param.ty {
                ParamType::Literal(least, most) => match args.get(arg_index).map(number) {
                    Some(arg_number) => {
                        arg_number.is_some_and(|literal_value| (least as f64..=most as f64).contains(&literal_value))
                    }
                    None => param.optional,
                },
                ParamType::Positive => literal(arg_index).is_some_and(|value| value > 0.0),
                ParamType::Negative => literal(arg_index).is_some_and(|value| value < 0.0),
                _ => true,
            };
            matches!(rule(overload), Nulls::Any | Nulls::Never) && overload.params.iter().enumerate().all(accepts)
        });
    let mut others = overloads().filter(|overload| !overload.has_literal_params).peekable();
    let fails = function.nulls == Nulls::Error
        || others.peek().is_some() && others.all(|overload| rule(overload) == Nulls::Error);
    fails && !is_safe_literal && !safe.is_some_and(|(safe, last)| safe.includes(last))
}

/// Function that returns the possible meanings of NULL as the value of an expression. `None` if blank operands do not
/// count as 0.
pub type NullSourcesFn<'a> = &'a dyn Fn(&InterpreterExpr) -> Option<NullSources>;

/// Evaluates an operand of arithmetic. With `blanks: zero`, a blank is 0, even in a branch or an argument, but the NULL
/// of an error remains NULL.
pub fn operand_value(
    x: &InterpreterExpr,
    sources: NullSourcesFn<'_>,
    value: &mut dyn FnMut(&InterpreterExpr) -> Value,
) -> Value {
    let plain_value = value(x);
    let Some(sources_of_x) = sources(x).filter(|_| plain_value.is_null()) else {
        return plain_value;
    };
    let Some(_deeper) = uncertainty::enter_recursion() else {
        return plain_value;
    };
    match (sources_of_x, x) {
        (NullSources { error: false, .. }, _) => return Value::Int(0),
        (NullSources { blank: false, .. }, _) => {}
        (_, InterpreterExpr::Call("COALESCE" | "IFERROR" | "IFNA", args)) => {
            return args
                .last()
                .map_or(Value::Null, |last| operand_value(last, sources, value));
        }
        (_, InterpreterExpr::Call(name @ ("IF" | "IFS" | "SWITCH" | "CHOOSE"), args)) => {
            let values: Vec<Value> = args.iter().map(&mut *value).collect();
            return match chosen_argument_index(name, &values).and_then(|arg_index| args.get(arg_index)) {
                Some(branch) => operand_value(branch, sources, value),
                None if *name == "IF" => Value::Int(0),
                None => Value::Null,
            };
        }
        (_, InterpreterExpr::Call(name, args)) if !skips_nulls(name) => {
            let is_blank = |x: &InterpreterExpr| sources(x).is_some_and(|sources| !sources.error);
            let mut values = Vec::new();
            for (arg_index, arg) in args.iter().enumerate() {
                match value(arg) {
                    Value::Null if !is_number_argument(name, arg_index) => match is_blank(arg) {
                        true => return Value::Int(0),
                        false => values.push(Value::Null),
                    },
                    Value::Null => values.push(operand_value(arg, sources, value)),
                    arg_value => values.push(arg_value),
                }
            }
            return functions::call(name, &values).unwrap_or(Value::Null);
        }
        (_, InterpreterExpr::Binary(InterpreterOp::Power, a, b)) => {
            let [a, b] = [a, b].map(|x| operand_value(x, sources, value));
            return evaluate_binary(InterpreterOp::Power, &a, &b);
        }
        (_, InterpreterExpr::Window(Window::Offset(_, n))) => {
            return zero_if_no_row(|operand| Window::Offset(operand, *n), value);
        }
        (_, InterpreterExpr::Window(Window::Period(_, n, unit))) => {
            return zero_if_no_row(|operand| Window::Period(operand, *n, *unit), value);
        }
        (_, InterpreterExpr::Window(Window::InPeriod(_, frame, is_last))) => {
            return zero_if_no_row(|operand| Window::InPeriod(operand, *frame, *is_last), value);
        }
        _ => {}
    }
    plain_value
}

/// Returns whether a function skips NULL arguments.
fn skips_nulls(name: &str) -> bool {
    catalog::lookup(name).is_some_and(|function| function.level == Level::Aggregate)
}

/// Returns whether the argument at this index is a number, for a function that can return a number.
fn is_number_argument(name: &str, arg_index: usize) -> bool {
    match name {
        "VALUE" | "NUMBERVALUE" | "FIND" | "CODE" | "DATEDIF" | "LEN" => false,
        "SEARCH" => arg_index == 2,
        "YEAR" | "MONTH" | "DAY" | "WEEKDAY" | "WEEKNUM" | "HOUR" | "MINUTE" | "SECOND" | "DAYS" => arg_index == 1,
        _ => true,
    }
}

/// Returns 0 if a window finds no row. Otherwise, returns NULL, because a NULL in an existing row is an error.
fn zero_if_no_row(
    window: impl FnOnce(Box<InterpreterExpr>) -> Window,
    value: &mut dyn FnMut(&InterpreterExpr) -> Value,
) -> Value {
    let literal_one = Box::new(InterpreterExpr::Literal(Value::Int(1)));
    match value(&InterpreterExpr::Window(window(literal_one))) {
        Value::Null => Value::Int(0),
        _ => Value::Null,
    }
}

/// Returns the index of the argument that a conditional function returns.
fn chosen_argument_index(name: &str, args: &[Value]) -> Option<usize> {
    let (first, count) = match name {
        "CHOOSE" => {
            let index = args.first()?.number()?.trunc();
            return (index >= 1.0 && index < args.len() as f64).then_some(index as usize);
        }
        "SWITCH" => (1, args.len().saturating_sub(1)),
        _ => (0, args.len()),
    };
    let branch = chosen_branch_index(name, args)?;
    match name {
        "IF" => Some(branch + 1),
        _ if 2 * branch + 1 < count => Some(first + 2 * branch + 1),
        _ if count % 2 == 1 => Some(args.len() - 1),
        _ => None,
    }
    .filter(|arg_index| *arg_index < args.len())
}
