//! Names for values from their formulas.

use super::names::snake_case;
use crate::catalog::{self, internal};
use crate::ir::{Across, Ir, IrId, Over, Place, Program};

/// What a value is called by its formula.
pub(super) fn spoken_name(program: &Program, id: IrId, source: &str) -> Option<String> {
    if matches!(program.node(id), Ir::CountRows) {
        return Some("row_count".to_owned());
    }
    let text = program.meta(id).span.text(source);
    let of_range = || {
        let Ir::Window { call, .. } = program.node(id) else { return None };
        let Ir::Apply { overload, .. } = program.node(call) else { return None };
        // Of several ranges in a call each stands alone.
        let function =
            catalog::shown(catalog::owner(overload)).filter(|_| text.contains(':') && !text.ends_with(')'))?;
        name_of_range(&format!("{function}({text})"))
    };
    of_cell(program, id, text)
        .or_else(|| name_of_offset(text))
        .or_else(|| name_of_range(text))
        .or_else(of_range)
        .or_else(|| name_of_text(text))
}

/// What a cell or a range of cells gives is called by its column, whose name stands nowhere in the text.
fn of_cell(program: &Program, id: IrId, text: &str) -> Option<String> {
    let (call, over) = match program.node(id) {
        Ir::Window { call, over } => (call, program.over(over)),
        _ => return None,
    };
    let Ir::Apply { overload, args } = program.node(call) else { return None };
    let args = program.args(args);
    let function = catalog::owner(overload);
    if function == internal::PLACE {
        return Some("pivot_index".to_owned());
    }
    if let Over::Across(across) = over {
        return across_row(program, function, args, across);
    }
    if function == internal::ROW_NUMBER {
        return (!text.contains('(')).then(|| "row_number".to_owned());
    }
    if function == internal::DENSE_RANK {
        return column_beside(program, *args.first()?, "").map(|name| format!("place_of_{name}"));
    }
    if function == internal::LISTED {
        let name = column_beside(program, *args.first()?, "")?;
        let so_far = matches!(over, Over::Rows { from: Place::First, to: Place::At(0) });
        return Some(if so_far { format!("{name}_values_so_far") } else { format!("{name}_values_of_some_rows") });
    }
    let name = column_beside(program, *args.first()?, text)?;
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
            let function = name_of_text(catalog::shown(function)?)?;
            match over {
                Over::Rows { from: Place::First, to: Place::At(0) } => format!("running_{function}_{name}"),
                Over::Rows { .. } => format!("moving_{function}_{name}"),
                _ => format!("{function}_of_all_{name}"),
            }
        }
    })
}

/// What is left of a column where only some rows of a sheet count: `revenue_from_row_3`, `revenue_in_rows_2_to_5`.
pub(super) fn name_of_some_rows(program: &Program, id: IrId) -> Option<String> {
    let Ir::Case(arms) = program.node(id) else { return None };
    let [only, value] = program.args(arms) else { return None };
    let name = column_beside(program, *value, "")?;
    let bound = |id: IrId| {
        let Ir::Apply { overload, args } = program.node(id) else { return None };
        let [row, number] = program.args(args) else { return None };
        let Ir::Window { call, .. } = program.node(*row) else { return None };
        let Ir::Apply { overload: counted, .. } = program.node(call) else { return None };
        let Ir::Number(digits) = program.node(*number) else { return None };
        let counts = catalog::owner(counted) == internal::ROW_NUMBER;
        counts.then(|| (catalog::owner(overload), program.text(digits)))
    };
    let bounds: Vec<_> = match program.node(*only) {
        Ir::And(all) => program.args(all).iter().filter_map(|id| bound(*id)).collect(),
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

/// What a cell of another column of a pivot gives, or all cells of a row: `revenue_to_the_left`, `row_sum_revenue`.
fn across_row(
    program: &Program,
    function: crate::catalog::FunctionId,
    args: &[IrId],
    across: Across,
) -> Option<String> {
    let name = column_beside(program, *args.first()?, "")?;
    let columns = args.get(1).and_then(|columns| match program.node(*columns) {
        Ir::Number(digits) => Some(program.text(digits)),
        _ => None,
    });
    Some(match (function, columns) {
        (internal::LAG, Some("1")) => format!("{name}_to_the_left"),
        (internal::LEAD, Some("1")) => format!("{name}_to_the_right"),
        (internal::LAG, Some(columns)) => format!("{name}_{columns}_to_the_left"),
        (internal::LEAD, Some(columns)) => format!("{name}_{columns}_to_the_right"),
        _ => {
            let function = name_of_text(catalog::shown(function)?)?;
            let part = if across == Across::All { "row" } else { "beside" };
            format!("{part}_{function}_{name}")
        }
    })
}

/// The name of the column that a value is, where the text does not say it.
fn column_beside(program: &Program, value: IrId, text: &str) -> Option<String> {
    let name = match program.node(value) {
        Ir::Column(column) => program.columns.get(column as usize)?.name.to_string(),
        Ir::Definition(definition) => program.definitions.get(definition as usize)?.name.as_deref()?.to_owned(),
        _ => return None,
    };
    let said = !text.is_empty() && text.to_lowercase().contains(&name.to_lowercase());
    name_of_text(&name).filter(|_| !said)
}

/// `SUM(amount)` is called `sum_amount`; none when the text is too long to be a name.
fn name_of_text(text: &str) -> Option<String> {
    let name = snake_case(text);
    (!name.is_empty() && name.len() <= 32 && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

/// `OFFSET(revenue, -1)` is called `previous_revenue`, `OFFSET(revenue, 3)` `revenue_3_rows_after`.
fn name_of_offset(text: &str) -> Option<String> {
    let inside = text.strip_suffix(')')?.split_once('(').filter(|(f, _)| f.trim().eq_ignore_ascii_case("offset"))?.1;
    let (value, rows) = inside.rsplit_once(',')?;
    let value = name_of_text(value.trim()).filter(|_| !value.contains('('))?;
    let rows: i64 = rows.trim().parse().ok()?;
    Some(match rows {
        -1 => format!("previous_{value}"),
        1 => format!("next_{value}"),
        _ => format!("{value}_{}_rows_{}", rows.unsigned_abs(), if rows < 0 { "before" } else { "after" }),
    })
}

/// `SUM(revenue:revenue)` is called `sum_of_all_revenue`, `AVERAGE(FIRST(revenue):revenue)` `running_average_revenue`.
fn name_of_range(text: &str) -> Option<String> {
    let (function, inside) = text.strip_suffix(')')?.split_once('(')?;
    let (from, to) = inside.split_once(':').filter(|(_, to)| !to.contains(','))?;
    let (function, from, to) = (name_of_text(function)?, from.trim(), to.trim());
    let is_name = |end: &str| !end.contains(['(', '[', ':']);
    let of = |end: &str, word: &str| {
        let (called, name) = end.strip_suffix(')')?.split_once('(')?;
        called.trim().eq_ignore_ascii_case(word).then(|| name.trim().to_owned())
    };
    if from.eq_ignore_ascii_case(to) && is_name(from) {
        return Some(format!("{function}_of_all_{}", name_of_text(from)?));
    }
    if is_name(to) && of(from, "first").is_some() {
        return Some(format!("running_{function}_{}", name_of_text(to)?));
    }
    if is_name(to) && of(from, "offset").is_some() {
        return Some(format!("moving_{function}_{}", name_of_text(to)?));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{name_of_offset, name_of_range, name_of_text};

    #[test]
    fn ranges_are_called_by_what_they_hold() {
        assert_eq!(name_of_range("SUM(revenue:revenue)").as_deref(), Some("sum_of_all_revenue"));
        assert_eq!(name_of_range("SUM(FIRST(revenue):revenue)").as_deref(), Some("running_sum_revenue"));
        assert_eq!(name_of_range("AVERAGE(OFFSET(a, -2):a)").as_deref(), Some("moving_average_a"));
        assert_eq!(name_of_range("SUMIFS(a:a, b:b, \"x\")"), None);
        assert_eq!(name_of_range("SUM(a)"), None);
    }

    #[test]
    fn rows_are_called_by_where_they_stand() {
        assert_eq!(name_of_offset("OFFSET(revenue, -1)").as_deref(), Some("previous_revenue"));
        assert_eq!(name_of_offset("offset( revenue ,1)").as_deref(), Some("next_revenue"));
        assert_eq!(name_of_offset("OFFSET(revenue, -12)").as_deref(), Some("revenue_12_rows_before"));
        assert_eq!(name_of_offset("OFFSET(a / b, 2)").as_deref(), Some("a_b_2_rows_after"));
        assert_eq!(name_of_offset("OFFSET(MAX(a), 2)"), None);
        assert_eq!(name_of_offset("SUM(a)"), None);
    }

    #[test]
    fn names_say_what_is_computed() {
        assert_eq!(name_of_text("SUM(amount)").as_deref(), Some("sum_amount"));
        assert_eq!(name_of_text("COUNT(DISTINCT(customer_id))").as_deref(), Some("count_distinct_customer_id"));
        assert_eq!(name_of_text("SUMIF(AND(a = \"x\", b = \"y\"), a_rather_long_amount)"), None);
    }
}
