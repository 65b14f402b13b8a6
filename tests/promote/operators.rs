//! Tests Omni's filter operators. Each operator is converted to a condition or rejected with a reason.

use formulac::promote::{PromotionRequest, promote};
use formulac::{Compiler, Schema};

/// A field, Omni's filter on it, and the resulting condition. A result that begins with `!` contains the first words of
/// the reason for a rejection.
const OPERATORS: &[(&str, &str, &str)] = &[
    ("text", "is: a", r#"text = "a""#),
    ("text", "is: 94110", r#"text = "94110""#),
    ("number", "is: 5", "number = 5"),
    ("unknown", "is: 5", "unknown = 5"),
    ("unknown", "is: '5'", r#"unknown = "5""#),
    (
        "text",
        "is: [a, \"it's \\\"b\\\"\"]",
        r#"OR(text = "a", text = "it's ""b""")"#,
    ),
    ("text", "is: [a, null]", r#"OR(text = "a", ISBLANK(text))"#),
    ("text", "is: null", "ISBLANK(text)"),
    ("flag", "is: true", "flag"),
    ("flag", "is: false", "NOT(flag)"),
    ("flag", "is: falsey", "OR(NOT(flag), ISBLANK(flag))"),
    ("flag", "true", "flag"),
    ("text", "not: a", r#"OR(text <> "a", ISBLANK(text))"#),
    ("key", "not: 5", "key <> 5"),
    (
        "text",
        "not: [a, b]",
        r#"OR(AND(text <> "a", text <> "b"), ISBLANK(text))"#,
    ),
    ("text", "not: [a, null]", r#"text <> "a""#),
    ("text", "not: null", "NOT(ISBLANK(text))"),
    ("flag", "not: true", "OR(NOT(flag), ISBLANK(flag))"),
    ("flag", "not: falsey", "flag"),
    (
        "number",
        "and: [{greater_than: 1}, {less_than: 5}]",
        "AND(number > 1, number < 5)",
    ),
    (
        "number",
        "or: [{greater_than: 5}, {is: null}]",
        "OR(number > 5, ISBLANK(number))",
    ),
    ("number", "greater_than: 1, less_than: 5", "AND(number > 1, number < 5)"),
    ("number", "greater_than: -1.5", "number > -1.5"),
    ("number", "greater_than_or_equal_to: 5", "number >= 5"),
    ("number", "less_than: 5", "number < 5"),
    ("number", "less_than_or_equal_to: 5", "number <= 5"),
    ("number", "between: [1, 5]", "AND(number >= 1, number <= 5)"),
    (
        "number",
        "not_between: [1, 5]",
        "OR(NOT(AND(number >= 1, number <= 5)), ISBLANK(number))",
    ),
    (
        "number",
        "greater_than: many",
        "!the operator `greater_than`: `many` is not a number",
    ),
    ("text", "contains: 'a%'", r#"CONTAINS(text, "a%")"#),
    (
        "text",
        "contains: [a, b]",
        r#"OR(CONTAINS(text, "a"), CONTAINS(text, "b"))"#,
    ),
    (
        "text",
        "contains: Ab, case_insensitive: true",
        r#"CONTAINS(LOWER(text), "ab")"#,
    ),
    ("text", "is: Ab, case_insensitive: true", r#"LOWER(text) = "ab""#),
    (
        "text",
        "not_contains: a",
        r#"OR(NOT(CONTAINS(text, "a")), ISBLANK(text))"#,
    ),
    ("text", "starts_with: ab", r#"LEFT(text, 2) = "ab""#),
    (
        "text",
        "not_starts_with: ab",
        r#"OR(NOT(LEFT(text, 2) = "ab"), ISBLANK(text))"#,
    ),
    ("text", "ends_with: ab", r#"RIGHT(text, 2) = "ab""#),
    ("text", "is_empty: true", "LEN(text) = 0"),
    ("text", "is_empty: false", "OR(NOT(LEN(text) = 0), ISBLANK(text))"),
    ("text", "not_is_empty: true", "OR(NOT(LEN(text) = 0), ISBLANK(text))"),
    ("text", "sql_like: 'a%'", r#"LEFT(text, 1) = "a""#),
    ("text", "sql_like: 'a_c'", r#"REGEXMATCH(text, "^a(.|\s)c$")"#),
    (
        "text",
        "not_sql_like: '%a'",
        r#"OR(NOT(RIGHT(text, 1) = "a"), ISBLANK(text))"#,
    ),
    ("time", "before: 2024-01-31", "time < DATE(2024, 1, 31)"),
    (
        "time",
        "not_before: 2024-01-31",
        "OR(NOT(time < DATE(2024, 1, 31)), ISBLANK(time))",
    ),
    (
        "text",
        "is_not: a",
        "!the operator `is_not`: Omni has no such operator; use `not`",
    ),
    ("text", "is: '{{ x }}'", "!the value is a template"),
    ("time", "on_or_after: 30 days ago", "time >= TODAY() - 29"),
    (
        "time",
        "before: 3 complete months ago",
        "time < EDATE((TODAY())[month], -3)",
    ),
    (
        "time",
        "between_dates: [2024-01-01, 2024-01-31]",
        "AND(time >= DATE(2024, 1, 1), time < DATE(2024, 1, 31) + 1)",
    ),
    (
        "time",
        "time_for_duration: [7 complete days ago, 7 days]",
        "AND(time >= TODAY() - 7, time < TODAY())",
    ),
    (
        "time",
        "time_for_duration: [2 quarters ago, 1 quarter]",
        "AND(time >= EDATE((TODAY())[quarter], -3), time < (TODAY())[quarter])",
    ),
    (
        "time",
        "not_time_for_duration: [2024-06-01, 30 days]",
        "OR(NOT(AND(time >= DATE(2024, 6, 1), time < DATE(2024, 6, 1) + 30)), ISBLANK(time))",
    ),
    (
        "time",
        "time_for_duration: [5 hours ago, 5 hours]",
        "!the operator `time_for_duration`: the unit of `5 hours ago`",
    ),
    (
        "time",
        "is: 2024-02-29",
        "AND(time >= DATE(2024, 2, 29), time < DATE(2024, 2, 29) + 1)",
    ),
    (
        "time",
        "not: 2024-02-29",
        "OR(OR(time < DATE(2024, 2, 29), time >= DATE(2024, 2, 29) + 1), ISBLANK(time))",
    ),
    (
        "time",
        "is: last month",
        "AND(time >= EDATE((TODAY())[month], -1), time < (TODAY())[month])",
    ),
    (
        "time",
        "date_offset_from_query: 1 year",
        "!the operator `date_offset_from_query` cannot be converted: the operator shifts",
    ),
    ("time", "day_of_week: Wednesday", "WEEKDAY(time, 1) = 4"),
    (
        "time",
        "day_of_week: [0, 6]",
        "OR(WEEKDAY(time, 1) = 1, WEEKDAY(time, 1) = 7)",
    ),
    (
        "time",
        "not_day_of_week: Sun",
        "OR(NOT(WEEKDAY(time, 1) = 1), ISBLANK(time))",
    ),
    ("time", "day_of_month: 31", "DAY(time) = 31"),
    ("time", "day_of_quarter: 1", "time[day_of_quarter] = 1"),
    ("time", "day_of_year: 366", "time[day_of_year] = 366"),
    ("time", "hour_of_day: \"1\"", "HOUR(time) = 1"),
    (
        "time",
        "month_of_year: [January, 2]",
        "OR(MONTH(time) = 1, MONTH(time) = 2)",
    ),
    ("time", "quarter_of_year: 4", "QUARTER(time) = 4"),
    (
        "time",
        "day_of_week: someday",
        "!the operator `day_of_week`: `someday` is not a part",
    ),
    (
        "text",
        "cancel_query_filter: true",
        "!the operator `cancel_query_filter` cannot be converted: the operator removes",
    ),
    (
        "text",
        "field_name_in_query: q",
        "!the operator `field_name_in_query` cannot be converted: the operator looks up rows",
    ),
    (
        "text",
        "field_name_not_in_query: q",
        "!the operator `field_name_not_in_query` cannot be converted: the operator looks up rows",
    ),
    (
        "text",
        "resembles: q",
        "!the operator `resembles`: the operator is unknown",
    ),
    ("text", "not_is: q", "!`not_is` is not an operator"),
];

/// Operators in Omni's list. Each occurs at least once in the tests. `case_insensitive` is a modifier instead of an
/// operator.
const ALL: &[&str] = &[
    "is",
    "not",
    "and",
    "or",
    "greater_than",
    "greater_than_or_equal_to",
    "less_than",
    "less_than_or_equal_to",
    "between",
    "contains",
    "starts_with",
    "ends_with",
    "is_empty",
    "sql_like",
    "case_insensitive",
    "before",
    "on_or_after",
    "between_dates",
    "time_for_duration",
    "date_offset_from_query",
    "day_of_week",
    "day_of_month",
    "day_of_quarter",
    "day_of_year",
    "hour_of_day",
    "month_of_year",
    "quarter_of_year",
    "cancel_query_filter",
    "field_name_in_query",
    "field_name_not_in_query",
];

#[test]
fn every_operator_is_converted_or_rejected_by_name() {
    let schema = "relations: {t: {columns: {text: text, number: decimal, flag: boolean, time: timestamp, unknown: unknown, key: {type: integer, nullable: false}}}}\n";
    let (schema, faults) = Schema::from_text(schema, "duckdb".parse().unwrap());
    assert_eq!(faults, []);
    let compiler = Compiler::builder()
        .dialect("duckdb".parse().unwrap())
        .schema(schema)
        .build();
    let mut failed = Vec::new();
    for (field, filter, expected) in OPERATORS {
        let filter = if filter.contains(':') {
            format!("{{{filter}}}")
        } else {
            (*filter).to_owned()
        };
        let view = format!("measures:\n  n:\n    aggregate_type: count\n    filters:\n      {field}: {filter}\n");
        let promotion = promote(
            &[("t.view".to_owned(), view)],
            &PromotionRequest::from_file("t.view"),
            &compiler,
        )
        .unwrap();
        match expected.strip_prefix('!') {
            Some(reason) => {
                let gap = promotion.gaps.first().unwrap_or_else(|| panic!("{filter} is carried"));
                assert!(
                    gap.reason.contains(reason) && !gap.is_carried,
                    "{filter}: {}",
                    gap.reason
                );
                assert!(
                    promotion.spec.contains("# gap: t.n, t.view:2, not converted: "),
                    "{}",
                    promotion.spec
                );
            }
            None => {
                let line = format!("  n = COUNTIF({expected})\n");
                if !promotion.spec.contains(&line) {
                    failed.push(format!("{filter}:\n{}{:?}", promotion.spec, promotion.gaps));
                }
                assert!(
                    !promotion.diagnostics.iter().any(formulac::Diagnostic::is_error),
                    "{filter}"
                );
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    for operator in ALL {
        let is_there = OPERATORS
            .iter()
            .any(|(_, filter, _)| filter.contains(&format!("{operator}:")));
        assert!(is_there, "{operator}");
    }
}
