//! Readable names for values, derived from their formulas.

mod cells;
mod from_text;

pub(super) use cells::row_range_name;

use std::iter;

use formulac_syntax::text::split_words;

use super::names::snake_case;
use crate::Level;
use crate::catalog::{self, internal};
use crate::check::split_truncation;
use crate::ir::{Ir, IrId, Program};
use cells::{cell_name, column_name_not_in_text};
use from_text::{name_from_aggregate, name_from_expression, name_from_offset, name_from_range};

/// Maximum length in bytes of a formula from which a name is derived. The limit avoids quadratic time for nested calls,
/// because a name is derived for each nested expression.
const MAX_FORMULA_BYTES: usize = 300;

/// Maximum length in bytes of a name with a condition.
const MAX_NAME_LENGTH: usize = 48;

/// Returns a name for a value, derived from its formula.
pub(super) fn name_from_formula(program: &Program, id: IrId, source: &str) -> Option<String> {
    if matches!(program.node(id), Ir::CountRows) {
        return Some("row_count".to_owned());
    }
    let text = program.meta(id).span.text(source);
    let of_range = || {
        let Ir::Window { call, .. } = program.node(id) else {
            return None;
        };
        let Ir::Apply { overload, .. } = program.node(call) else {
            return None;
        };
        // If a call contains several ranges, each range is named separately.
        let function = catalog::display_name(catalog::overload_owner(overload))
            .filter(|_| text.contains(':') && !text.ends_with(')'))?;
        name_from_range(&format!("{function}({text})"))
    };
    // Only windows are named after the text of a range, because the partition and sort keys of the range have the same
    // text.
    let is_window = program.meta(id).level == Level::Window;
    cell_name(program, id, text)
        .or_else(|| name_from_offset(text).filter(|_| is_window))
        .or_else(|| name_from_range(text).filter(|_| is_window))
        .or_else(of_range)
        .or_else(|| name_from_truncation(program, id))
        .or_else(|| name_from_wall_clock(program, id))
        .or_else(|| call_name(program, id, source))
}

/// Returns the name of a truncated time: the name of the column and the calendar unit, such as `ordered_on_month`.
fn name_from_truncation(program: &Program, id: IrId) -> Option<String> {
    let (mut time, unit) = split_truncation(program, id);
    let unit = unit?.name();
    while let (inner, Some(_)) = split_truncation(program, time) {
        time = inner;
    }
    let column = column_name_not_in_text(program, time, "")?;
    Some(format!("{column}_{unit}")).filter(|name| name.len() <= MAX_NAME_LENGTH)
}

/// Returns a name for an instant that is converted to the project's time zone, such as `ordered_at_local_time`.
fn name_from_wall_clock(program: &Program, id: IrId) -> Option<String> {
    match program.node(id) {
        Ir::Apply { overload, args } if catalog::overload_owner(overload) == internal::TO_WALL_CLOCK => {
            let column = column_name_not_in_text(program, *program.args(args).first()?, "")?;
            Some(format!("{column}_local_time")).filter(|name| name.len() <= MAX_NAME_LENGTH)
        }
        _ => None,
    }
}

/// Returns a name for `IF(condition, value)` or `IF(condition, value, default)`: the column that the value reads, and
/// the condition, such as `amount_if_status_paid`.
fn name_from_condition(program: &Program, arms: &[IrId], source: &str) -> Option<String> {
    let ([condition, value] | [condition, value, _]) = arms else {
        return None;
    };
    let column = iter::successors(Some(*value), |id| program.operands(*id).next())
        .find(|id| matches!(program.node(*id), Ir::Column(_) | Ir::Definition(_)))?;
    let column = column_name_not_in_text(program, column, "")?;
    let condition = name_from_expression(program.meta(*condition).span.text(source))?;
    Some(format!("{column}_if_{condition}")).filter(|name| name.len() <= MAX_NAME_LENGTH)
}

/// Returns a name for a call or an operation, derived from its source. If a node is only part of a function's
/// implementation, the source is the call to the function.
fn call_name(program: &Program, id: IrId, source: &str) -> Option<String> {
    let text = program.meta(id).span.text(source);
    let (overload, args) = match program.node(id) {
        Ir::Aggregate { overload, args, .. } | Ir::Apply { overload, args } => (overload, args),
        Ir::IsNull { .. } | Ir::Not(_) => return name_from_expression(text),
        Ir::Case(arms) => return name_from_condition(program, program.args(arms), source),
        _ => return None,
    };
    let function = catalog::get(catalog::overload_owner(overload));
    let name_from = |text: &str| match program.node(id) {
        Ir::Aggregate { .. } => name_from_aggregate(text).or_else(|| name_from_expression(text)),
        _ => name_from_expression(text),
    };
    if called_function(program, id, text).is_some() {
        return name_from(text);
    }
    let callee = text.split_once('(').map_or("", |(callee_name, _)| callee_name.trim());
    if function.internal && (callee.is_empty() || callee.contains(OPERATORS)) {
        return name_from_expression(text).filter(|_| text.contains(OPERATORS));
    }
    let [operand] = program.args(args) else { return None };
    name_from(&format!(
        "{}({})",
        function.name,
        column_name_not_in_text(program, *operand, "")?
    ))
}

/// Returns the function whose call in the source computes exactly this value. `None` for operators, and for the parts
/// of a function's implementation.
fn called_function(program: &Program, id: IrId, text: &str) -> Option<&'static str> {
    let (Ir::Aggregate { overload, .. } | Ir::Apply { overload, .. }) = program.node(id) else {
        return None;
    };
    let function = catalog::get(catalog::overload_owner(overload));
    let callee = catalog::lookup(text.split_once('(')?.0.trim())?;
    let base = callee
        .name
        .trim_end_matches('S')
        .strip_suffix("IF")
        .unwrap_or(callee.name);
    // The last node of a call computes the whole call, because operands come first.
    let next = IrId(id.0 + 1);
    let is_last = next.index() >= program.len() || program.meta(next).span != program.meta(id).span;
    let is_operator = catalog::overload(overload).is_some_and(|o| o.params.iter().any(|param| param.name == "left"));
    let is_call = if function.internal {
        is_last && text.ends_with(')') && !is_operator
    } else {
        [callee.name, base].contains(&function.name)
    };
    is_call.then_some(callee.name)
}

const OPERATORS: [char; 8] = ['+', '-', '*', '/', '<', '>', '=', '&'];

/// Returns a name for an argument that is computed in a separate column. The name is derived from the argument's
/// formula or, if this is not possible, from the call that uses the argument.
pub(super) fn argument_name(program: &Program, id: IrId, source: &str, call: NamedCall<'_>) -> String {
    let NamedCall {
        function,
        param,
        is_first,
        owner,
    } = call;
    let fallback = || match (function, param) {
        (Some(function), _) if is_first && function.starts_with("ROUND") => format!("unrounded_{owner}"),
        (Some(function), _) if is_first => format!("{owner}_before_{}", snake_case(function)),
        (_, "left" | "right") => format!("{param}_side_of_{owner}"),
        _ => format!("{param}_for_{owner}"),
    };
    // If a derived name also occurs in the formula, as `region` does in `region & " "`, a column already has that name.
    let text = program.meta(id).span.text(source);
    let is_in_text = |name: &String| {
        let mut words = split_words(text);
        words.any(|word| word.eq_ignore_ascii_case(name))
    };
    name_from_formula(program, id, source)
        .filter(|name| !is_in_text(name))
        .unwrap_or_else(fallback)
}

/// Call that uses an argument.
#[derive(Clone, Copy)]
pub(super) struct NamedCall<'c> {
    /// Name of the function in formulas. `None` for operators.
    pub function: Option<&'static str>,
    pub param: &'static str,
    pub is_first: bool,
    /// Name of the definition that contains the call.
    pub owner: &'c str,
}

/// Returns a name for a value, derived from its formula or, if the formula is too long, from its function and the
/// definition that reads the value.
pub(super) fn value_name(program: &Program, id: IrId, source: &str, owner: &str) -> String {
    name_from_formula(program, id, source).unwrap_or_else(|| name_from_function(program, id, source, owner))
}

fn name_from_function(program: &Program, id: IrId, source: &str, owner: &str) -> String {
    if let Some(function) = called_function(program, id, program.meta(id).span.text(source)) {
        return format!("{}_for_{owner}", snake_case(function));
    }
    let call = match program.node(id) {
        Ir::Window { call, .. } => program.node(call),
        node => node,
    };
    let (Ir::Apply { overload, .. } | Ir::Aggregate { overload, .. }) = call else {
        return format!("value_for_{owner}");
    };
    let function = catalog::display_name(catalog::overload_owner(overload)).map(snake_case);
    format!("{}_for_{owner}", function.as_deref().unwrap_or("value"))
}
