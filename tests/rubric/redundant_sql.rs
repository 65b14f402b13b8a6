//! Checks that values are not computed twice, that the SQL has no useless parts, and that names describe their
//! contents.

use std::collections::HashSet;

use sqlparser::tokenizer::Token;

use crate::layout::apply_rule;
use crate::sql_text::tokens;

const AGGREGATES: &[&str] = &[
    "sum",
    "count",
    "avg",
    "min",
    "max",
    "median",
    "count_if",
    "countif",
    "any_value",
    "percentile_cont",
    "sumif",
];

/// Returns the calls in an SQL statement: the function's name and the complete call with single spaces. A call to a
/// window function includes its window.
fn calls(dialect: formulac::Dialect, sql: &str) -> Vec<(String, String)> {
    let all = tokens(dialect, sql);
    let word = |index: usize| match all.get(index) {
        Some((Token::Word(w), range)) if w.quote_style.is_none() => Some((w.value.to_lowercase(), range.start)),
        _ => None,
    };
    let mut open: Vec<Option<(String, usize)>> = Vec::new();
    let mut found = Vec::new();
    // Calls whose arguments have ended, and whose `over (…)` follows or is still open.
    let mut windows: Vec<(usize, (String, usize))> = Vec::new();
    for (index, (token, range)) in all.iter().enumerate() {
        let text = |start: usize| sql[start..range.end].split_whitespace().collect::<Vec<_>>().join(" ");
        match token {
            Token::LParen => open.push(index.checked_sub(1).and_then(word)),
            Token::RParen => {
                let ended = open.pop().flatten();
                if windows.last().is_some_and(|(depth, _)| *depth == open.len())
                    && ended.as_ref().is_some_and(|e| e.0 == "over")
                {
                    let (_, (name, start)) = windows.pop().unwrap();
                    found.push((name, text(start)));
                } else if let Some((name, start)) = ended {
                    if word(index + 1).is_some_and(|(next, _)| next == "over") {
                        windows.push((open.len(), (name, start)));
                    } else {
                        found.push((name, text(start)));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Checks that a long expression occurs only once in a select. Templates may repeat short calls, and GROUP BY may
/// repeat a key.
#[test]
fn long_calls_are_not_repeated() {
    apply_rule(|w, sql| {
        let mut faults = Vec::new();
        for select in sql.split("\n)").filter_map(|select| select.split("group by").next()) {
            let mut seen = HashSet::new();
            for (_, text) in calls(w.dialect, select) {
                if text.matches('(').count() > 3 && !seen.insert(text.clone()) {
                    faults.push(format!("twice: {text}"));
                }
            }
        }
        faults
    });
}

/// Checks that an aggregate occurs only once in a query, unless the query reads it from two different steps. Values
/// from other rows also occur only once.
#[test]
fn aggregates_and_windows_once() {
    apply_rule(|w, sql| {
        let mut faults = Vec::new();
        for select in sql.split("\n)") {
            let mut seen = HashSet::new();
            for (name, text) in calls(w.dialect, select) {
                let counts = AGGREGATES.contains(&name.as_str()) || text.contains(" over (");
                if counts && !seen.insert(text.clone()) {
                    faults.push(format!("twice: {text}"));
                }
            }
        }
        faults
    });
}

/// Checks that a generated column does not repeat another column of the query.
#[test]
fn equal_columns_are_computed_once() {
    apply_rule(|w, sql| {
        let mut faults = Vec::new();
        let mut seen = HashSet::new();
        for line in sql.lines().map(|l| l.trim_end_matches(',')) {
            let Some((made, name)) = line.trim().rsplit_once(" as ") else {
                continue;
            };
            let is_column = line.len() - line.trim_start().len() <= 8 && !name.contains([' ', ')']);
            let generated = is_column && !w.spec.contains(name.trim_matches('"'));
            if made.ends_with(')') && made.contains('(') && !seen.insert(made.to_owned()) && generated {
                faults.push(format!("{name} again: {made}"));
            }
        }
        faults
    });
}

/// Checks that a `case` inside an `else` is merged into the outer `case`.
#[test]
fn no_case_in_else() {
    apply_rule(|_, sql| {
        let text = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        text.match_indices("else case when")
            .map(|(at, _)| text[at..].chars().take(60).collect())
            .collect()
    });
}

/// Checks that a literal is written in the type that it needs. Only expressions of unknown type are cast.
#[test]
fn literals_are_not_cast() {
    apply_rule(|w, sql| {
        let literal = |inside: &str| inside.starts_with("date '") || inside.starts_with("timestamp '");
        let calls = calls(w.dialect, sql).into_iter();
        calls
            .filter(|(_, text)| text.strip_prefix("cast(").is_some_and(literal))
            .map(|(_, text)| text)
            .collect()
    });
}

/// Checks that an expression that cannot be NULL has no fallback. These expressions are columns declared as not NULL,
/// literals, counts and fallbacks.
#[test]
fn no_redundant_fallbacks() {
    apply_rule(|w, sql| {
        let mut faults = Vec::new();
        for (name, text) in calls(w.dialect, sql) {
            // A division by 0 or NULL returns NULL.
            if name == "safe_divide" && text.ends_with(", 0))") && text.contains(", coalesce(") {
                faults.push(format!("0 is as good as NULL: {text}"));
            }
            let Some(inside) = text.strip_prefix("coalesce(").filter(|_| name == "coalesce") else {
                continue;
            };
            let never = [
                "id",
                "subscription_id",
                "invoice_id",
                "market",
                "count(*)",
                "current_date",
                "'",
                "0",
                "1",
            ];
            let first = inside.split([',', ')']).next().unwrap_or_default();
            if never
                .iter()
                .any(|n| first == *n || (n.len() == 1 && first.starts_with(n)))
                || inside.starts_with("count(")
                || inside.starts_with("coalesce(")
            {
                faults.push(format!("cannot be NULL: {text}"));
            }
        }
        faults
    });
}

/// Checks that no column is cast to its own type, that no cast is repeated, and that no function is cast to its result
/// type.
#[test]
fn no_redundant_casts() {
    const COLUMNS: &[(&str, &[&str])] = &[
        ("id", &["integer", "int64", "bigint", "number(38, 0)"]),
        ("customer_id", &["integer", "int64", "bigint"]),
        ("status", &["text", "string", "varchar"]),
        ("ordered_on", &["date"]),
        ("current_date", &["date"]),
        ("current_date()", &["date"]),
        ("amount", &["numeric", "decimal", "decimal(38, 9)"]),
    ];
    apply_rule(|w, sql| {
        let mut faults = Vec::new();
        for (name, text) in calls(w.dialect, sql) {
            let Some(inside) = text
                .strip_prefix("cast(")
                .and_then(|t| t.strip_suffix(')'))
                .filter(|_| name == "cast")
            else {
                continue;
            };
            let Some((value, ty)) = inside.rsplit_once(" as ") else {
                continue;
            };
            // In the specs whose names begin with `founding`, columns with these names may have a different type.
            let own = !w.name.starts_with("founding");
            if own
                && COLUMNS
                    .iter()
                    .any(|(column, types)| *column == value && types.contains(&ty))
            {
                faults.push(format!("has the type already: {text}"));
            }
            if value.starts_with("cast(")
                && value.ends_with(&format!(" as {ty})"))
                && calls(w.dialect, value).len() == 1
            {
                faults.push(format!("cast twice: {text}"));
            }
        }
        faults
    });
}

/// Returns the names that `with` defines, without named windows. Named windows are not relations.
fn cte_names(sql: &str) -> Vec<&str> {
    let opened = sql.lines().filter_map(|l| l.strip_suffix(" as ("));
    opened
        .filter(|l| !l.trim().starts_with("window "))
        .map(|l| l.trim_start_matches("with ").trim())
        .collect()
}

#[test]
fn ctes_distinct_and_used() {
    for sql_of in [
        |w: &crate::corpus::Written| w.query.clone(),
        |w: &crate::corpus::Written| w.model.clone(),
    ] {
        apply_rule(|w, _| {
            let sql = sql_of(w);
            let names = cte_names(&sql);
            let mut faults = Vec::new();
            let mut seen = HashSet::new();
            for name in &names {
                if !seen.insert(name.to_lowercase()) {
                    faults.push(format!("two CTEs are called {name}"));
                }
                // A model has a CTE for each relation that it reads.
                if sql == w.query && w.tables.iter().any(|table| table.eq_ignore_ascii_case(name)) {
                    faults.push(format!("the CTE {name} is called like a table that it reads"));
                }
                let reads = |line: &str| {
                    let (read, _) = line
                        .trim_end_matches(';')
                        .trim()
                        .split_once(" as ")
                        .unwrap_or((line, ""));
                    ["from", "join"]
                        .iter()
                        .any(|word| read.trim().ends_with(&format!("{word} {name}")))
                };
                if !sql.lines().any(reads) {
                    faults.push(format!("the CTE {name} is never read"));
                }
            }
            faults
        });
    }
}

/// Checks that a generated name describes its contents, unlike `_1`, `cte2` or `t0`.
#[test]
fn no_counters_in_names() {
    apply_rule(|w, sql| {
        let counted = |name: &str| {
            let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
            stem != name
                && (stem.ends_with('_')
                    || ["cte", "t", "q", "x", "s", "step", "sub", "tmp", "col", "expr"].contains(&stem))
        };
        let word = |t: Token| match t {
            Token::Word(word) => Some(word.value),
            _ => None,
        };
        // In the wide form of a pivot by days, the columns are named after the days that the spec lists.
        let of_day = |name: &str| {
            let day = name.len().checked_sub("2024-01-31".len()).and_then(|at| name.get(at..));
            day.is_some_and(|day| w.spec.contains(&day.replace('_', "-")))
        };
        let names = tokens(w.dialect, sql).into_iter().filter_map(|(t, _)| word(t));
        names
            .filter(|n| counted(&n.to_lowercase()) && !w.spec.contains(n.as_str()) && !of_day(n))
            .collect()
    });
}
