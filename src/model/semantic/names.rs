//! Names in dbt's semantic layer.

/// Names reserved by `MetricFlow`.
const RESERVED: &[&str] = &[
    "metric_time",
    "mf_internal_uuid",
    "nanosecond",
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
];

/// Returns a name that `MetricFlow` accepts in place of a reserved name.
pub fn replacement_name(name: &str) -> Option<String> {
    let mut good = String::with_capacity(name.len());
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if !(c == '_' && (good.ends_with('_') || good.is_empty())) {
            good.push(c);
        }
    }
    let good = good
        .trim_start_matches(|c: char| !c.is_ascii_lowercase())
        .trim_end_matches('_');
    if good == name && good.len() > 1 && !RESERVED.contains(&good) {
        return None;
    }
    Some(if good.len() < 2 || RESERVED.contains(&good) {
        format!("{}_value", if good.is_empty() { "the" } else { good })
    } else {
        good.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::replacement_name;

    #[test]
    fn reserved_names_are_replaced() {
        for (name, other) in [
            ("revenue", None),
            ("mrr_2024", None),
            ("Net Revenue", Some("net_revenue")),
            ("a__b", Some("a_b")),
            ("_a1_", Some("a1")),
            ("x", Some("x_value")),
            ("month", Some("month_value")),
            ("2nd_half", Some("nd_half")),
            ("__", Some("the_value")),
        ] {
            assert_eq!(replacement_name(name).as_deref(), other, "{name}");
        }
    }
}
