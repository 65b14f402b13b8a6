//! Compares the direct parents of each output column with sqlglot's lineage, for queries in four dialects.
//!
//! `sqlglot/queries.txt` contains the queries. Each has a line `-- title [dialects]`, followed by the SQL.
//! `sqlglot/settled.txt` records for each disagreement which side is right and why: `title | column | dialects | who |
//! reason`, with `*` for every column or every dialect. The test needs Python with sqlglot, at the path in
//! `FORMULAC_PYTHON`. If the variable is not set, the test reports that it is skipped. If `FORMULAC_REQUIRE_ENGINES` is
//! set, the test fails instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use formulac::Dialect;
use formulac::lineage::{ColumnSource, RelationColumnList, lineage_of_sql};
use serde_json::{Value, json};

const TABLES: &[(&str, &[&str])] = &[
    (
        "orders",
        &[
            "id",
            "customer_id",
            "store_id",
            "status",
            "kind",
            "amount",
            "tax",
            "ordered_at",
            "note",
        ],
    ),
    ("customers", &["id", "name", "region", "parent_id"]),
    (
        "items",
        &["id", "order_id", "sku", "quantity", "price", "tags", "attrs"],
    ),
    ("stores", &["id", "name", "city", "opened_at"]),
    ("events", &["id", "customer_id", "at", "kind", "payload", "value"]),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lineage/sqlglot")
}

/// A query in a dialect.
struct Case {
    title: String,
    dialect: Dialect,
    sql: String,
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(folder().join("queries.txt")).unwrap();
    let mut cases = Vec::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let (title, sql) = block.trim().strip_prefix("-- ").unwrap().split_once('\n').unwrap();
        let (title, dialects) = match title.split_once(" [") {
            Some((title, list)) => {
                let list = list.trim_end_matches(']').split_whitespace();
                (title, list.map(|name| name.parse().unwrap()).collect::<Vec<Dialect>>())
            }
            None => (title, Dialect::verified().collect()),
        };
        cases.extend(dialects.into_iter().map(|dialect| Case {
            title: title.to_owned(),
            dialect,
            sql: sql.to_owned(),
        }));
    }
    cases
}

/// Returns the type that makes sqlglot treat struct fields as fields.
fn column_type(column: &str, dialect: Dialect) -> &'static str {
    match (column, dialect.name()) {
        ("attrs", "bigquery") => "struct<color string, size int64>",
        ("attrs", "duckdb") => "struct(color varchar, size integer)",
        ("tags", "bigquery") => "array<string>",
        ("tags", "duckdb" | "postgres") => "varchar[]",
        ("tags", _) => "array",
        _ => "text",
    }
}

/// The parents that sqlglot reports, by column. An error if sqlglot reports no lineage.
type Answer = Result<BTreeMap<String, BTreeSet<String>>, String>;

fn answers(cases: &[Case]) -> Option<Vec<Answer>> {
    let Some(python) = std::env::var_os("FORMULAC_PYTHON").filter(|path| !path.is_empty()) else {
        assert!(
            std::env::var_os("FORMULAC_REQUIRE_ENGINES").is_none(),
            "FORMULAC_PYTHON is not set"
        );
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED comparison of lineage with sqlglot: FORMULAC_PYTHON is not set"
        );
        return None;
    };
    let lines = cases.iter().map(|case| {
        let tables = TABLES.iter().map(|(table, columns)| {
            let columns = columns
                .iter()
                .map(|name| ((*name).to_owned(), json!(column_type(name, case.dialect))));
            ((*table).to_owned(), Value::Object(columns.collect()))
        });
        let schema = Value::Object(tables.collect());
        json!({"dialect": case.dialect.name(), "sql": case.sql, "schema": schema}).to_string() + "\n"
    });
    let input: String = lines.collect();
    let mut child = Command::new(python)
        .arg(folder().join("parents.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answer = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap();
        if let Some(fault) = answer["fault"].as_str() {
            return Err(fault.to_owned());
        }
        let columns = answer["columns"].as_array().unwrap().iter().map(|column| {
            let parents = column[1]
                .as_array()
                .unwrap()
                .iter()
                .map(|parent| parent.as_str().unwrap().to_owned());
            (column[0].as_str().unwrap().to_owned(), parents.collect())
        });
        Ok(columns.collect())
    };
    Some(String::from_utf8(output.stdout).unwrap().lines().map(answer).collect())
}

/// Returns the disagreements: the column (`*` for the whole query), and the result of each side.
fn disagreements(case: &Case, answer: &Answer) -> Vec<(String, String)> {
    let known = |parts: &[String]| {
        let table = TABLES
            .iter()
            .find(|(table, _)| parts.last().is_some_and(|last| last == table));
        let columns = table.map(|(_, columns)| columns.iter().map(|name| (*name).to_owned()).collect());
        RelationColumnList {
            is_complete: columns.is_some(),
            columns: columns.unwrap_or_default(),
        }
    };
    let (lineage, answer) = match (lineage_of_sql(&case.sql, Some(case.dialect), &known), answer) {
        (Ok(lineage), Ok(answer)) => (lineage, answer),
        (Ok(_), Err(fault)) => return vec![("*".to_owned(), format!("sqlglot: {fault}"))],
        (Err(fault), _) => return vec![("*".to_owned(), format!("formulac: {fault}"))],
    };
    let set = |columns: &[ColumnSource]| columns.iter().map(ToString::to_string).collect::<BTreeSet<String>>();
    let mut found = Vec::new();
    let names: BTreeSet<String> = answer
        .keys()
        .cloned()
        .chain(lineage.names().map(str::to_lowercase))
        .filter(|name| name != "*")
        .collect();
    for name in names {
        let (own, by) = match lineage.column(&name) {
            Some(column) => (set(&column.source_columns), set(&column.window_columns)),
            None => {
                found.push((name, "formulac: no such column".to_owned()));
                continue;
            }
        };
        let Some(theirs) = answer.get(&name) else {
            found.push((name, format!("formulac: {own:?}, sqlglot: no such column")));
            continue;
        };
        // sqlglot does not distinguish the columns by which windows are partitioned and ordered from the columns that
        // select the rows of a subquery.
        let both: BTreeSet<String> = own.union(&by).cloned().collect();
        if !(own.is_subset(theirs) && theirs.is_subset(&both)) {
            found.push((name, format!("formulac: {own:?} by {by:?}, sqlglot: {theirs:?}")));
        }
    }
    found
}

#[test]
fn lineage_agrees_with_sqlglot() {
    let cases = cases();
    let Some(answers) = answers(&cases) else { return };
    assert_eq!(cases.len(), answers.len());
    let settled = fs::read_to_string(folder().join("settled.txt")).unwrap();
    let settled: Vec<Vec<&str>> = settled
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(" | ").map(str::trim).collect())
        .collect();
    let mut used = BTreeSet::new();
    let mut open = Vec::new();
    let mut columns = 0;
    for (case, answer) in cases.iter().zip(&answers) {
        columns += answer.as_ref().map_or(0, BTreeMap::len);
        for (column, what) in disagreements(case, answer) {
            let index = settled.iter().position(|line| {
                line[0] == case.title
                    && (line[1] == "*" || line[1] == column)
                    && (line[2] == "*" || line[2].split_whitespace().any(|name| name == case.dialect.name()))
            });
            match index {
                Some(index) => {
                    used.insert(index);
                }
                None => open.push(format!(
                    "{} | {column} | {} | {what}\n    {}",
                    case.title, case.dialect, case.sql
                )),
            }
        }
    }
    assert!(
        open.is_empty(),
        "{} of {} queries, {columns} columns\n{}",
        open.len(),
        cases.len(),
        open.join("\n")
    );
    let unused: Vec<&Vec<&str>> = settled
        .iter()
        .enumerate()
        .filter(|(index, _)| !used.contains(index))
        .map(|(_, line)| line)
        .collect();
    assert!(unused.is_empty(), "these are settled and agree by now: {unused:?}");
    assert!(
        settled
            .iter()
            .all(|line| line.len() == 5 && ["formulac", "both", "neither"].contains(&line[3]))
    );
    assert!(
        cases.len() > 300 && columns > 800,
        "{} queries, {columns} columns",
        cases.len()
    );
}
