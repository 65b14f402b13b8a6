//! Tests long and deeply nested SQL: no stack overflows, and the time is linear.

use std::time::{Duration, Instant};

use formulac::lineage::{KnownRelationColumns, lineage_of_sql};

fn nothing(_: &[String]) -> KnownRelationColumns {
    KnownRelationColumns::default()
}

/// Lineage of deep SQL is either computed or rejected with a reason, within a time limit. The stack must not overflow.
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

fn check(what: &str, sql: &str) {
    let start = Instant::now();
    let _ = lineage_of_sql(sql, "postgres".parse().ok(), &nothing);
    let spent = start.elapsed();
    assert!(spent < Duration::from_secs(60), "{what}: {spent:?}");
}

fn seconds(sql: &str) -> f64 {
    let run = || {
        let start = Instant::now();
        lineage_of_sql(sql, "postgres".parse().ok(), &nothing).unwrap();
        start.elapsed().as_secs_f64()
    };
    (0..7).map(|_| run()).fold(f64::MAX, f64::min)
}

#[test]
fn time_is_linear_in_the_length() {
    for (what, build) in [
        (
            "columns",
            (|n| {
                format!(
                    "select {} 1 as z from t",
                    (0..n).map(|i| format!("a{i} + b{i} as c{i}, ")).collect::<String>()
                )
            }) as fn(usize) -> String,
        ),
        ("expressions", |n| {
            let ctes: String = (0..n)
                .map(|i| format!("c{} as (select a, b + 1 as b from c{i}), ", i + 1))
                .collect();
            format!("with c0 as (select a, b from t), {ctes} z as (select 1 as x) select a, b from c{n}")
        }),
        ("unions", |n| {
            format!("select a from t{}", " union all select a from t".repeat(n))
        }),
        ("joins", |n| {
            format!(
                "select t.a from t{}",
                (0..n)
                    .map(|i| format!(" left join u{i} on t.k = u{i}.k"))
                    .collect::<String>()
            )
        }),
        ("cases", |n| {
            format!("select case {} end as x from t", " when a = 1 then b".repeat(n))
        }),
    ] {
        let (small, large) = (seconds(&build(400)), seconds(&build(3_200)));
        // The input is eight times as large, so quadratic time would be 64 times as long. The limit is higher than
        // eight because the machine may be busy.
        assert!(large < small.max(0.002) * 32.0, "{what}: {small} s, then {large} s");
    }
}

#[test]
fn stars_that_double_are_refused() {
    let ctes: String = (0..40)
        .map(|i| format!("c{} as (select *, * from c{i}), ", i + 1))
        .collect();
    let sql = format!("with c0 as (select 1 as a, 2 as b), {ctes} z as (select 1 as x) select * from c40");
    let fault = lineage_of_sql(&sql, None, &nothing).unwrap_err();
    assert_eq!(fault.to_string(), "the relations have too many columns");
}
