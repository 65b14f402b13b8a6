//! Tests long and deeply nested SQL: the stack must not overflow.

use formulac::lineage::{RelationColumnList, lineage_of_sql};

use super::large::QUERIES;

fn no_known_columns(_: &[String]) -> RelationColumnList {
    RelationColumnList::default()
}

/// Lineage of deep SQL is either computed or rejected with a reason.
#[test]
fn deep_sql_is_followed_or_refused() {
    let nest = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    for times in [10, 40, 150, 1_000, 100_000] {
        for (what, expr) in [
            ("brackets", nest("(", "a", ")", times)),
            ("functions", nest("f(", "a", ")", times)),
            ("two arguments", nest("coalesce(a, ", "a", ")", times)),
            ("cases", nest("case when a then ", "a", " end", times)),
            ("cases in conditions", nest("case when ", "a", " then b end", times)),
            ("casts", nest("cast(", "a", " as int)", times)),
            ("signs", format!("{}a", "- ".repeat(times))),
            ("not", format!("{}a", "not ".repeat(times))),
            ("chain", format!("a{}", " + a".repeat(times))),
            ("and", format!("a{}", " and a".repeat(times))),
            ("casts behind", format!("a{}", "::int".repeat(times))),
            ("is null", format!("a{}", " is null".repeat(times))),
            ("arrays", nest("array[", "a", "]", times)),
            ("subscripts", format!("a{}", "[1]".repeat(times))),
            ("subqueries", nest("(select ", "a", " from t)", times)),
            ("brackets that do not close", "(".repeat(times)),
            ("functions that do not close", "f(".repeat(times)),
        ] {
            check(&format!("{times} {what}"), &format!("select {expr} as x from t"));
        }
        check(
            &format!("{times} derived"),
            &nest("select * from (", "select a from t", ") as x", times),
        );
        check(
            &format!("{times} brackets around tables"),
            &format!("select a from {}t{}", "(".repeat(times), ")".repeat(times)),
        );
        check(&format!("{times} queries"), &nest("(", "select a from t", ")", times));
        check(
            &format!("{times} unions"),
            &format!("select a from t{}", " union all select a from t".repeat(times)),
        );
        check(
            &format!("{times} with"),
            &nest("with x as (", "select a from t", ") select a from x", times),
        );
    }
}

/// A stack overflow ends the process, so the name is printed first.
fn check(description: &str, sql: &str) {
    eprintln!("{description}");
    let _ = lineage_of_sql(sql, "postgres".parse().ok(), &no_known_columns);
}

#[test]
fn large_queries() {
    for (name, query) in QUERIES {
        let lineage = lineage_of_sql(&query(3_200), "postgres".parse().ok(), &no_known_columns);
        assert!(lineage.is_ok(), "{name}: {:?}", lineage.err());
    }
}

#[test]
fn stars_that_double_the_columns_are_rejected() {
    let ctes: String = (0..40)
        .map(|i| format!("c{} as (select *, * from c{i}), ", i + 1))
        .collect();
    let sql = format!("with c0 as (select 1 as a, 2 as b), {ctes} z as (select 1 as x) select * from c40");
    let fault = lineage_of_sql(&sql, None, &no_known_columns).unwrap_err();
    assert_eq!(fault.to_string(), "the relations have too many columns");
}
