//! Compares the SQL of every function in each dialect with snapshots, one for each category.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use formulac::catalog;
use formulac::{Dialect, Level};

use crate::calls::{Written, calls_with_sql, compile};

pub fn run() {
    let mut categories: BTreeMap<&str, String> = BTreeMap::new();
    for function in catalog::functions() {
        let text = categories.entry(function.category).or_default();
        let _ = writeln!(text, "{}\n", function.signature());
        text.push_str(&sql_of(function));
        text.push('\n');
    }
    for (category, text) in categories {
        insta::assert_snapshot!(format!("sql_{category}"), text.trim_end());
    }
}

/// Returns each form with its SQL. SQL that several dialects share is listed only once.
pub fn sql_of(function: &'static catalog::Function) -> String {
    let mut text = String::new();
    let forms = calls_with_sql(function);
    for (call, in_each) in &forms {
        let _ = writeln!(text, "  {}", call.describe());
        push(&mut text, in_each);
    }
    // A function that accepts only constants is represented by an example.
    if forms.is_empty() {
        let example = function
            .examples
            .iter()
            .find_map(|e| e.rsplit_once(" = "))
            .map_or("", |(call, _)| call);
        let level = if function.level == Level::Window {
            Level::Window
        } else {
            Level::Row
        };
        let in_each: Vec<_> = Dialect::verified()
            .map(|d| (d, compile(example, &[], level, d)))
            .collect();
        if example.is_empty() || in_each.iter().all(|(_, result)| result.is_err()) {
            text.push_str("  no single expression: a query computes it in steps\n");
            return text;
        }
        let _ = writeln!(text, "  {example}");
        push(&mut text, &in_each);
    }
    text
}

fn push(text: &mut String, in_each: &[(Dialect, Result<Written, String>)]) {
    // The SQL of unverified dialects is not reviewed.
    let in_each: Vec<_> = in_each
        .iter()
        .filter(|(dialect, _)| dialect.unverified().is_none())
        .collect();
    let sql_of = |result: &Result<Written, String>| match result {
        Ok(written) => written.sql.clone(),
        Err(reason) => format!("not available: {reason}"),
    };
    let mut done: Vec<String> = Vec::new();
    for (_, result) in &in_each {
        let sql = sql_of(result);
        if done.contains(&sql) {
            continue;
        }
        let same: Vec<&str> = in_each
            .iter()
            .filter(|(_, r)| sql_of(r) == sql)
            .map(|(d, _)| d.name())
            .collect();
        let who = if same.len() == in_each.len() {
            "all".to_owned()
        } else {
            same.join(", ")
        };
        let _ = writeln!(text, "    {who}: {sql}");
        done.push(sql);
    }
}
