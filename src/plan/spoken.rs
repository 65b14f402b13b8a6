//! Names for values from their formulas.

use crate::catalog;
use crate::ir::{Ir, IrId, Program};

/// What a value is called by its formula.
pub(super) fn spoken_name(program: &Program, id: IrId, source: &str) -> Option<String> {
    let text = program.meta(id).span.text(source);
    let of_range = || {
        let Ir::Window { call, .. } = program.node(id) else { return None };
        let Ir::Apply { overload, .. } = program.node(call) else { return None };
        // Of several ranges in a call each stands alone.
        let function =
            catalog::shown(catalog::owner(overload)).filter(|_| text.contains(':') && !text.ends_with(')'))?;
        name_of_range(&format!("{function}({text})"))
    };
    name_of_offset(text).or_else(|| name_of_range(text)).or_else(of_range).or_else(|| name_of_text(text))
}

/// `SUM(amount)` is called `sum_amount`; none when the text is too long to be a name.
fn name_of_text(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || c == '_' {
            name.extend(c.to_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    let name = name.trim_end_matches('_').to_owned();
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
