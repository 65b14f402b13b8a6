//! Readable names for values, derived from their formulas.

use std::iter;

use formulac_syntax::text::split_words;

use super::names::snake_case;
use crate::Level;
use crate::catalog::{self, internal};
use crate::check::split_truncation;
use crate::ir::{CellFrame, FrameBound, Ir, IrId, Program, WindowFrame};

/// Maximum length in bytes of a formula from which a name is derived. The limit avoids quadratic time for nested calls,
/// because a name is derived for each nested part.
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
    // The partition and sort keys of a range have the same source as the range.
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
        of: owner,
    } = call;
    let fallback = || match (function, param) {
        (Some(function), _) if is_first && function.starts_with("ROUND") => format!("unrounded_{owner}"),
        (Some(function), _) if is_first => format!("{owner}_before_{}", snake_case(function)),
        (_, "left" | "right") => format!("{param}_side_of_{owner}"),
        _ => format!("{param}_for_{owner}"),
    };
    // A name that already occurs in the text, as in `region & " "`, is the name of a column.
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
    pub of: &'c str,
}

/// Returns a name for a value, derived from its formula or, if the formula is too long, from its function and the
/// definition that reads the value.
pub(super) fn value_name(program: &Program, id: IrId, source: &str, owner: &str) -> String {
    name_from_formula(program, id, source).unwrap_or_else(|| function_based_name(program, id, source, owner))
}

fn function_based_name(program: &Program, id: IrId, source: &str, owner: &str) -> String {
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

/// Returns a name for a cell or a cell range, derived from its column, because the source does not contain the
/// column's name.
fn cell_name(program: &Program, id: IrId, text: &str) -> Option<String> {
    let (call, over) = match program.node(id) {
        Ir::Window { call, over } => (call, program.window_frame(over)),
        Ir::Apply { overload, args } if catalog::overload_owner(overload) == internal::JOINED_LISTS => {
            let list = program.operands(*program.args(args).first()?).next()?;
            let name = column_name_not_in_text(program, program.operands(list).next()?, "")?;
            return Some(format!("{name}_values_in_range"));
        }
        _ => return None,
    };
    let Ir::Apply { overload, args } = program.node(call) else {
        return None;
    };
    let args = program.args(args);
    let function = catalog::overload_owner(overload);
    if function == internal::PLACE {
        return Some("pivot_index".to_owned());
    }
    if let WindowFrame::Across(across) = over {
        return across_row_name(program, function, args, across);
    }
    if function == internal::ROW_NUMBER {
        return (!text.contains('(')).then(|| "row_number".to_owned());
    }
    if function == internal::DENSE_RANK {
        return column_name_not_in_text(program, *args.first()?, "").map(|name| format!("place_of_{name}"));
    }
    if function == internal::LISTED {
        let name = column_name_not_in_text(program, *args.first()?, "")?;
        let so_far = matches!(
            over,
            WindowFrame::Rows {
                from: FrameBound::First,
                to: FrameBound::At(0)
            }
        );
        return Some(if so_far {
            format!("{name}_values_so_far")
        } else {
            format!("{name}_values_of_some_rows")
        });
    }
    // A value from a single row has the same name regardless of the notation in the formula.
    let is_of_row = [
        internal::LAG,
        internal::LEAD,
        internal::FIRST_VALUE,
        internal::LAST_VALUE,
        internal::NTH_VALUE,
    ];
    let name = column_name_not_in_text(
        program,
        *args.first()?,
        if is_of_row.contains(&function) { "" } else { text },
    )?;
    let rows = args.get(1).and_then(|rows| match program.node(*rows) {
        Ir::Number(digits) => Some(program.text(digits)),
        _ => None,
    });
    Some(match (function, rows, over) {
        (internal::LAG, Some("1"), _) => format!("previous_{name}"),
        (internal::LEAD, Some("1"), _) => format!("next_{name}"),
        (internal::LAG, Some(rows), _) => format!("{name}_{rows}_rows_before"),
        (internal::LEAD, Some(rows), _) => format!("{name}_{rows}_rows_after"),
        (internal::FIRST_VALUE, ..) => format!("first_{name}"),
        (internal::LAST_VALUE, ..) => format!("last_{name}"),
        (internal::NTH_VALUE, Some(row), _) => format!("{name}_in_row_{row}"),
        _ => {
            let function = name_from_text(catalog::display_name(function)?)?;
            match over {
                WindowFrame::Rows {
                    from: FrameBound::First,
                    to: FrameBound::At(0),
                } => {
                    format!("running_{function}_{name}")
                }
                WindowFrame::Rows { .. } => format!("moving_{function}_{name}"),
                _ => format!("{function}_of_all_{name}"),
            }
        }
    })
}

/// Returns a name for a value that reads only some rows of a column, such as `revenue_from_row_3` or
/// `revenue_in_rows_2_to_5`.
pub(super) fn row_range_name(program: &Program, id: IrId) -> Option<String> {
    let Ir::Case(arms) = program.node(id) else { return None };
    let [only, value] = program.args(arms) else { return None };
    let name = column_name_not_in_text(program, *value, "")?;
    let bound = |id: IrId| {
        let Ir::Apply { overload, args } = program.node(id) else {
            return None;
        };
        let [row, number] = program.args(args) else { return None };
        let Ir::Window { call, .. } = program.node(*row) else {
            return None;
        };
        let Ir::Apply {
            overload: counter_overload,
            ..
        } = program.node(call)
        else {
            return None;
        };
        let Ir::Number(digits) = program.node(*number) else {
            return None;
        };
        let counts = catalog::overload_owner(counter_overload) == internal::ROW_NUMBER;
        counts.then(|| (catalog::overload_owner(overload), program.text(digits)))
    };
    let bounds: Vec<_> = match program.node(*only) {
        Ir::And(conjuncts) => program.args(conjuncts).iter().filter_map(|id| bound(*id)).collect(),
        _ => bound(*only).into_iter().collect(),
    };
    Some(match bounds.as_slice() {
        [(internal::GREATER_EQUAL, first), (internal::LESS_EQUAL, last)] => {
            format!("{name}_in_rows_{first}_to_{last}")
        }
        [(internal::GREATER_EQUAL, first)] => format!("{name}_from_row_{first}"),
        [(internal::LESS_EQUAL, last)] => format!("{name}_to_row_{last}"),
        _ => return None,
    })
}

/// Returns a name for a cell in another column of a pivot, such as `revenue_to_the_left`, or for all cells in a
/// row, such as `row_sum_revenue`.
fn across_row_name(
    program: &Program,
    function: crate::catalog::FunctionId,
    args: &[IrId],
    across: CellFrame,
) -> Option<String> {
    let name = column_name_not_in_text(program, *args.first()?, "")?;
    let columns = args.get(1).and_then(|columns| match program.node(*columns) {
        Ir::Number(digits) => Some(program.text(digits)),
        _ => None,
    });
    Some(match (function, columns) {
        (internal::LAG, Some("1")) => format!("{name}_to_the_left"),
        (internal::LEAD, Some("1")) => format!("{name}_to_the_right"),
        (internal::LAG, Some(columns)) => format!("{name}_{columns}_to_the_left"),
        (internal::LEAD, Some(columns)) => format!("{name}_{columns}_to_the_right"),
        (internal::LISTED, _) if across == CellFrame::All => format!("{name}_values_in_row"),
        (internal::LISTED, _) => format!("{name}_values_beside"),
        _ => {
            let function = name_from_text(catalog::display_name(function)?)?;
            let part = if across == CellFrame::All { "row" } else { "beside" };
            format!("{part}_{function}_{name}")
        }
    })
}

/// Returns the name of the column to which a value refers. `None` if the source already contains the name.
fn column_name_not_in_text(program: &Program, value: IrId, text: &str) -> Option<String> {
    let name = match program.node(value) {
        Ir::Column(column) => program.columns.try_get(column as usize)?.name.to_string(),
        Ir::Definition(definition) => program
            .definitions
            .try_get(definition as usize)?
            .name
            .as_deref()?
            .to_owned(),
        // A literal marks the rows that exist.
        Ir::Number(_) if text.is_empty() => "row".to_owned(),
        _ => return None,
    };
    let is_in_text = !text.is_empty() && text.to_lowercase().contains(&name.to_lowercase());
    name_from_text(&name).filter(|_| !is_in_text)
}

/// Converts source text to a name: `SUM(amount)` becomes `sum_amount`. `None` if the source is too long for a name.
fn name_from_text(text: &str) -> Option<String> {
    if text.len() > MAX_FORMULA_BYTES {
        return None;
    }
    let name = snake_case(text);
    (!name.is_empty() && name.len() <= 32 && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

/// Replaces the operators in a formula with words. Also returns the number of operators.
fn spell_out_operators(text: &str) -> (String, usize) {
    const WORDS: [(&str, &str); 10] = [
        ("<>", "not"),
        (">=", "at_least"),
        ("<=", "at_most"),
        (">", "over"),
        ("<", "under"),
        ("=", ""),
        ("+", "plus"),
        ("-", "minus"),
        ("*", "times"),
        ("/", "per"),
    ];
    let (mut words, mut count, mut rest) = (String::with_capacity(text.len()), 0, text);
    while let Some(next) = rest.chars().next() {
        match WORDS.iter().find(|(operator, _)| rest.starts_with(operator)) {
            Some((operator, word)) => {
                words.extend([" ", word, " "]);
                count += 1;
                rest = rest.get(operator.len()..).unwrap_or_default();
            }
            None => {
                words.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
    }
    (words, count)
}

/// Converts an expression to a name: `revenue / orders` becomes `revenue_per_orders`. `None` for an expression
/// with several operators.
fn name_from_expression(text: &str) -> Option<String> {
    if text.len() > MAX_FORMULA_BYTES {
        return None;
    }
    let (words, operators) = spell_out_operators(text);
    if operators > 1 {
        None
    } else {
        name_from_text(&words).filter(|name| !has_counter_suffix(name))
    }
}

/// Returns whether a name ends with a number. Readers would mistake the number for a counter: `amount_2` looks like the
/// second of several columns.
fn has_counter_suffix(name: &str) -> bool {
    name.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with('_')
}

/// Converts an aggregate to a name: `SUM(amount)` becomes `total_amount`, `COUNT(order_id)` becomes
/// `order_count`, and `MINIFS(price, region, "EU")` becomes `min_price_if_region_eu`. If the conditions are too
/// long, the name ends in `_with_conditions`.
fn name_from_aggregate(text: &str) -> Option<String> {
    let (function, inside) = text.strip_suffix(')')?.split_once('(')?;
    let function = function.trim().to_ascii_lowercase();
    let (base, has_many) = match function.strip_suffix("ifs") {
        Some(base) => (base, true),
        None => (function.strip_suffix("if").unwrap_or(&function), false),
    };
    let conditional = base != function;
    // The value is the last argument of `SUMIF(condition, value)` and `SUMIF(column, criterion, value)`, and the
    // first argument of `…IFS`.
    let (value, condition) = match (conditional, base) {
        (false, _) => (inside, None),
        (true, "count") => ("", Some(inside)),
        (true, _) if has_many => inside.split_once(',').map(|(value, rest)| (value, Some(rest)))?,
        (true, _) => inside.rsplit_once(',').map(|(rest, value)| (value, Some(rest)))?,
    };
    let (value, distinct) = match value.trim().strip_suffix(')').and_then(|v| v.split_once('(')) {
        Some((word, argument)) if word.trim().eq_ignore_ascii_case("distinct") => (argument, true),
        _ => (value.trim(), false),
    };
    let name = if value.is_empty() {
        String::new()
    } else {
        name_from_expression(value)?
    };
    let name = match base {
        "sum" => format!("total_{name}"),
        "count" | "counta" if name.is_empty() => "count".to_owned(),
        "count" | "counta" => {
            let noun = name.strip_suffix("_id").unwrap_or(&name);
            format!("{}{noun}_count", if distinct { "distinct_" } else { "" })
        }
        _ => format!("{base}_{name}"),
    };
    let Some(condition) = condition else {
        return Some(name).filter(|name| name.len() <= MAX_NAME_LENGTH);
    };
    let full = format!("{name}_if_{}", snake_case(&spell_out_operators(condition).0));
    let short = || Some(format!("{name}_with_conditions")).filter(|name| name.len() <= MAX_NAME_LENGTH);
    if full.len() <= MAX_NAME_LENGTH && !has_counter_suffix(&full) {
        Some(full)
    } else {
        short()
    }
}

/// Converts an OFFSET to a name: `OFFSET(revenue, -1)` becomes `previous_revenue`, and `OFFSET(revenue, 3)`
/// becomes `revenue_3_rows_after`.
fn name_from_offset(text: &str) -> Option<String> {
    let inside = text
        .strip_suffix(')')?
        .split_once('(')
        .filter(|(f, _)| f.trim().eq_ignore_ascii_case("offset"))?
        .1;
    let (value, rows) = inside.rsplit_once(',')?;
    let value = name_from_text(value.trim()).filter(|_| !value.contains('('))?;
    let rows: i64 = rows.trim().parse().ok()?;
    Some(match rows {
        -1 => format!("previous_{value}"),
        1 => format!("next_{value}"),
        _ => format!(
            "{value}_{}_rows_{}",
            rows.unsigned_abs(),
            if rows < 0 { "before" } else { "after" }
        ),
    })
}

/// Converts a range to a name: `SUM(revenue:revenue)` becomes `sum_of_all_revenue`, and
/// `AVERAGE(FIRST(revenue):revenue)` becomes `running_average_revenue`.
fn name_from_range(text: &str) -> Option<String> {
    let (function, inside) = text.strip_suffix(')')?.split_once('(')?;
    let (from, to) = inside.split_once(':').filter(|(_, to)| !to.contains(','))?;
    let (function, from, to) = (name_from_text(function)?, from.trim(), to.trim());
    let is_name = |end: &str| !end.contains(['(', '[', ':']);
    let argument_of = |end: &str, word: &str| {
        let (callee_name, name) = end.strip_suffix(')')?.split_once('(')?;
        callee_name
            .trim()
            .eq_ignore_ascii_case(word)
            .then(|| name.trim().to_owned())
    };
    if from.eq_ignore_ascii_case(to) && is_name(from) {
        return Some(format!("{function}_of_all_{}", name_from_text(from)?));
    }
    if is_name(to) && argument_of(from, "first").is_some() {
        return Some(format!("running_{function}_{}", name_from_text(to)?));
    }
    if is_name(to) && argument_of(from, "offset").is_some() {
        return Some(format!("moving_{function}_{}", name_from_text(to)?));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{name_from_aggregate, name_from_expression, name_from_offset, name_from_range, name_from_text};

    #[test]
    fn range_names_describe_their_rows() {
        assert_eq!(
            name_from_range("SUM(revenue:revenue)").as_deref(),
            Some("sum_of_all_revenue")
        );
        assert_eq!(
            name_from_range("SUM(FIRST(revenue):revenue)").as_deref(),
            Some("running_sum_revenue")
        );
        assert_eq!(
            name_from_range("AVERAGE(OFFSET(a, -2):a)").as_deref(),
            Some("moving_average_a")
        );
        assert_eq!(name_from_range("SUMIFS(a:a, b:b, \"x\")"), None);
        assert_eq!(name_from_range("SUM(a)"), None);
    }

    #[test]
    fn row_names_describe_their_position() {
        assert_eq!(
            name_from_offset("OFFSET(revenue, -1)").as_deref(),
            Some("previous_revenue")
        );
        assert_eq!(name_from_offset("offset( revenue ,1)").as_deref(), Some("next_revenue"));
        assert_eq!(
            name_from_offset("OFFSET(revenue, -12)").as_deref(),
            Some("revenue_12_rows_before")
        );
        assert_eq!(
            name_from_offset("OFFSET(a / b, 2)").as_deref(),
            Some("a_b_2_rows_after")
        );
        assert_eq!(name_from_offset("OFFSET(MAX(a), 2)"), None);
        assert_eq!(name_from_offset("SUM(a)"), None);
    }

    #[test]
    fn aggregate_names_describe_value_and_condition() {
        for (text, name) in [
            ("SUM(amount)", Some("total_amount")),
            ("COUNT(order_id)", Some("order_count")),
            ("COUNT(DISTINCT(customer_id))", Some("distinct_customer_count")),
            ("AVERAGE(a * b)", Some("average_a_times_b")),
            (
                "SUMIF(amount > shipping, amount)",
                Some("total_amount_if_amount_over_shipping"),
            ),
            ("MINIFS(ordered_at, place, 2)", Some("min_ordered_at_with_conditions")),
            ("COUNTIF(status = \"open\")", Some("count_if_status_open")),
            (
                "SUMIFS(amount, a_rather_long_column, \"x\", another_long_column, \"y\")",
                Some("total_amount_with_conditions"),
            ),
            ("SUM(a * b / c)", None),
        ] {
            assert_eq!(name_from_aggregate(text).as_deref(), name, "{text}");
        }
    }

    #[test]
    fn names_describe_the_computation() {
        assert_eq!(
            name_from_expression("revenue / orders").as_deref(),
            Some("revenue_per_orders")
        );
        assert_eq!(name_from_expression("(a - b) / b").as_deref(), None);
        assert_eq!(name_from_text("YEAR(MAX(day))").as_deref(), Some("year_max_day"));
        assert_eq!(
            name_from_text("AND(a_rather_long_name, another_rather_long_name)"),
            None
        );
    }
}
