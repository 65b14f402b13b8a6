//! Generates `docs/differences.md` from `differences.yml`: the differences between warehouses, and the differences that
//! formulac eliminates. The engines run every cell that they support.

mod checks;
mod read;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use formulac::{Dialect, Type};
use serde_json::Value as Json;

use crate::engine::is_emulator;
use crate::files;
use crate::generated;
use crate::{function_cases, spec_case};

const SUITE: &str = "differences";

/// Text for a cell without a source.
const UNKNOWN: &str = "unknown";

/// Word after a value that is derived from the generated SQL.
const INFERRED: &str = "inferred";

/// Formula or spec that reads a table with a few rows.
struct Question {
    line: usize,
    /// Text of the first column. Empty for a formula that is displayed with its values.
    shown: String,
    formula: String,
    spec: String,
    columns: Vec<(String, Type)>,
    rows: Vec<Vec<Json>>,
}

/// Expected result from an engine.
#[derive(Clone)]
enum Expected {
    Value(Json),
    /// The statement fails. The string is a part of the message.
    Error(String),
}

/// SQL of a warehouse, independent of formulac.
struct Statement {
    dialect: String,
    sql: String,
    expected: Expected,
}

#[derive(Default)]
struct Cell {
    ran: Option<Expected>,
    /// Code of the error with which the compiler rejects the formula.
    refused: String,
    says: String,
    /// Address with its date, or `unknown`. Empty if the value was computed without an error.
    source: String,
    also: Vec<Statement>,
}

struct Difference {
    question: Question,
    cells: BTreeMap<String, Cell>,
    formulac: String,
}

struct Equal {
    question: Question,
    is: Json,
    alone: Vec<Statement>,
}

struct Page {
    sections: Vec<(String, Vec<Difference>)>,
    equal: Vec<Equal>,
}

pub fn run() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/differences.yml");
    let page = read::read(&files::read(&path)).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    page.lists_known_differences();
    checks::check(&page);
    generated::check(&[("differences.md".to_owned(), page_text(&page))]);
}

impl Page {
    /// Fails if a case specifies that a real engine differs but the page has no corresponding row.
    fn lists_known_differences(&self) {
        let rows = || {
            self.sections
                .iter()
                .flat_map(|(title, rows)| rows.iter().map(move |row| (title, row)))
        };
        let is_listed = |subject: &str, dialect: &str| {
            rows().any(|(title, row)| {
                let is_about = row.question.text().contains(subject) || title.eq_ignore_ascii_case(subject);
                is_about && row.cells.contains_key(dialect)
            })
        };
        let functions = function_cases::read_all();
        let functions = functions
            .iter()
            .flat_map(|file| file.cases.iter().map(|case| (&file.function, case.differs.keys())));
        let specs = spec_case::read_all().iter();
        let specs = specs.flat_map(|file| file.cases.iter().map(|case| (&file.topic, case.differs.keys())));
        let known: Vec<(&String, Vec<&String>)> = functions
            .map(|(subject, dialects)| (subject, dialects.collect()))
            .chain(specs.map(|(subject, dialects)| (subject, dialects.collect())))
            .collect();
        for (subject, dialects) in known {
            let is_run = |name: &&String| name.parse().is_ok_and(|dialect| !is_emulator(dialect));
            for dialect in dialects.into_iter().filter(is_run) {
                assert!(
                    is_listed(subject, dialect),
                    "differences.yml has no row about {subject}, whose cases differ on {dialect}"
                );
            }
        }
    }
}

impl Question {
    /// Returns the first column of the page: the formula, with literals in place of the columns.
    fn text(&self) -> String {
        if !self.shown.is_empty() {
            return self.shown.clone();
        }
        let mut text = String::new();
        let mut word = String::new();
        let row = self.rows.first().map(Vec::as_slice).unwrap_or_default();
        for c in self.formula.chars().chain(['\0']) {
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
            match self.columns.iter().zip(row).find(|((name, _), _)| *name == word) {
                Some((_, value)) => text.push_str(&literal(value)),
                None => text.push_str(&word),
            }
            word.clear();
            text.extend(Some(c).filter(|c| *c != '\0'));
        }
        format!("`{text}`")
    }
}

fn literal(value: &Json) -> String {
    match value {
        Json::Null => "NULL".to_owned(),
        Json::Bool(value) => value.to_string().to_uppercase(),
        Json::String(text) if text.parse::<f64>().is_ok() => text.clone(),
        Json::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}

fn expected_text(expected: &Expected) -> String {
    match expected {
        Expected::Value(Json::String(text)) => format!("`{text}`"),
        Expected::Value(value) => format!("`{}`", literal(value)),
        Expected::Error(_) => "an error".to_owned(),
    }
}

fn cell_value(cell: &Cell) -> String {
    match &cell.ran {
        Some(expected) => expected_text(expected),
        None if !cell.refused.is_empty() => format!("not supported ({})", cell.refused),
        None => String::new(),
    }
}

fn cell_text(cell: &Cell) -> String {
    let mut parts = vec![cell_value(cell), cell.says.clone()];
    parts.retain(|part| !part.is_empty());
    let text = parts.join("; ");
    match cell.source.split_once(" (") {
        Some((address, note)) if address.starts_with("https://") => {
            format!("{text} ([source]({address}), {note}")
        }
        _ if cell.source == UNKNOWN && text.is_empty() => UNKNOWN.to_owned(),
        _ if cell.source == UNKNOWN => format!("{text} (no source)"),
        _ if cell.source == INFERRED => format!("{text} ({INFERRED})"),
        _ => text,
    }
}

fn page_text(page: &Page) -> String {
    let mut text = String::from(HEAD);
    let names: Vec<&str> = Dialect::verified().map(display_name).collect();
    for (title, rows) in &page.sections {
        let _ = writeln!(
            text,
            "\n## {title}\n\n| formula | {} | what formulac does |\n|---|{}---|",
            names.join(" | "),
            "---|".repeat(names.len())
        );
        for row in rows {
            let cells: Vec<String> = Dialect::verified()
                .map(|dialect| cell_text(&row.cells[dialect.name()]))
                .collect();
            let line = format!("| {} | {} | {} |", row.question.text(), cells.join(" | "), row.formulac);
            let _ = writeln!(text, "{line}");
        }
    }
    text.push_str(EQUAL);
    for it in &page.equal {
        let alone = it.alone.iter().map(|statement| {
            let dialect: Dialect = statement.dialect.parse().expect("a dialect");
            let result = expected_text(&statement.expected);
            let sql = statement.sql.trim_start_matches("select ").replace('|', "\\|");
            format!("{}: `{sql}` is {result}", display_name(dialect))
        });
        let alone = alone.collect::<Vec<_>>().join("; ");
        let _ = writeln!(text, "| {} | `{}` | {alone} |", it.question.text(), literal(&it.is));
    }
    text
}

/// Returns the name of a warehouse as written in prose.
fn display_name(dialect: Dialect) -> &'static str {
    match dialect.name() {
        "bigquery" => "BigQuery",
        "snowflake" => "Snowflake",
        "postgres" => "Postgres",
        "duckdb" => "DuckDB",
        other => other,
    }
}

const HEAD: &str = "\
# Differences between warehouses

This page is generated from `tests/conformance/differences.yml`. To update it, run `FORMULAC_WRITE=1 cargo test --test conformance docs`.

The same formula returns the same value on every warehouse, except for the formulas on this page. formulac keeps these differences
because SQL with equal results would be slower or too long to read, or because users expect their warehouse's own rule.

A value without a source was computed by the engine: by Postgres, by DuckDB, or for BigQuery by the GoogleSQL reference evaluator. A
test computes all these values, with columns in place of the literals. No formula on this page was run on Snowflake. *Inferred* means that the
value follows from the generated SQL, and *unknown* means that no source was found.
[`formulac prove`](prove.md) shows the values of your warehouse. [Warehouses](warehouses.md) lists versions and session parameters.
";

const EQUAL: &str = "
## Formulas with equal values

For these formulas, the warehouses' own functions return different values, but the generated SQL returns the same value on every warehouse. The last
column shows SQL that formulac did not generate.

| formula | value everywhere | without formulac |
|---|---|---|
";
