//! Queries that can be generated in any size.

/// Function that returns a query of the given size.
type Query = fn(usize) -> String;

/// Names of queries, and functions that return them.
pub const QUERIES: &[(&str, Query)] = &[
    ("columns", |n| {
        let columns: String = (0..n).map(|i| format!("a{i} + b{i} as c{i}, ")).collect();
        format!("select {columns} 1 as z from t")
    }),
    ("CTEs", |n| {
        let ctes: String = (0..n)
            .map(|i| format!("c{} as (select a, b + 1 as b from c{i}), ", i + 1))
            .collect();
        format!("with c0 as (select a, b from t), {ctes} z as (select 1 as x) select a, b from c{n}")
    }),
    ("unions", |n| {
        format!("select a from t{}", " union all select a from t".repeat(n))
    }),
    ("joins", |n| {
        let joins: String = (0..n).map(|i| format!(" left join u{i} on t.k = u{i}.k")).collect();
        format!("select t.a from t{joins}")
    }),
    ("cases", |n| {
        format!("select case {} end as x from t", " when a = 1 then b".repeat(n))
    }),
];
