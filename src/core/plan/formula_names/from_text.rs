//! Names derived from the text of a formula.

use super::{MAX_FORMULA_BYTES, MAX_NAME_LENGTH};
use crate::plan::names::snake_case;

/// Converts source text to a name: `SUM(amount)` becomes `sum_amount`. `None` if the source is too long for a name.
pub(super) fn name_from_text(text: &str) -> Option<String> {
    if text.len() > MAX_FORMULA_BYTES {
        return None;
    }
    let name = snake_case(text);
    (!name.is_empty() && name.len() <= 32 && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

/// Replaces the operators in a formula with words. Also returns the number of operators.
pub(super) fn spell_out_operators(text: &str) -> (String, usize) {
    const OPERATOR_WORDS: [(&str, &str); 10] = [
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
        match OPERATOR_WORDS.iter().find(|(operator, _)| rest.starts_with(operator)) {
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
pub(super) fn name_from_expression(text: &str) -> Option<String> {
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

/// Returns whether a name ends with a number, which readers would mistake for a counter: `amount_2` looks like the
/// second of several columns.
pub(super) fn has_counter_suffix(name: &str) -> bool {
    name.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with('_')
}

/// Converts an aggregate to a name: `SUM(amount)` becomes `total_amount`, `COUNT(order_id)` becomes
/// `order_count`, and `MINIFS(price, region, "EU")` becomes `min_price_if_region_eu`. If the conditions are too
/// long, the name ends in `_with_conditions`.
pub(super) fn name_from_aggregate(text: &str) -> Option<String> {
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
pub(super) fn name_from_offset(text: &str) -> Option<String> {
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
pub(super) fn name_from_range(text: &str) -> Option<String> {
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
