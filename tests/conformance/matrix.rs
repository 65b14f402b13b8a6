//! Generates `docs/matrix.md`, which shows how each function is verified in each dialect. The numbers are counts of the
//! cases in the case files.
//!
//! This test binary also runs the cases and fails if a case fails, so the matrix lists only verified cases.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use formulac::catalog::{self, Function};
use formulac::{Dialect, Level};
use serde_json::Value as Json;

use crate::calls::{Call, calls_with_sql, query};
use crate::case::{Case, CaseFile, Expected};
use crate::complete::CASES;
use crate::engine::{describe_engine, is_emulator};
use crate::evidence;
use crate::generated;
use crate::spec_case::{self, SpecCase};

pub fn run() {
    let files = crate::function_cases::read_all();
    generated::check(&[("matrix.md".to_owned(), matrix(&files))]);
}

/// Verification of a function in one dialect.
pub enum Cell {
    /// Number of cases that agree, and the requirements that no case covers: a value, NULL, or an edge case.
    Shown(usize, Vec<&'static str>),
    /// No test engine runs the function.
    Unverified,
    Unsupported,
    NoCase,
}

fn matrix(files: &[CaseFile]) -> String {
    let functions: Vec<&Function> = catalog::functions().collect();
    let mut rows: BTreeMap<(&str, &str), Vec<(&str, String)>> = BTreeMap::new();
    let cell_of = |function, file, dialect| {
        let (word, text) = cell(function, file, dialect).verdict(dialect);
        let suffix = match word {
            "unsupported" => String::new(),
            _ => evidence::suffix(function, dialect),
        };
        (word, text + &suffix)
    };
    for function in &functions {
        let file = files.iter().find(|f| f.function == function.name);
        rows.insert(
            (function.category, function.name),
            Dialect::all().map(|d| cell_of(*function, file, d)).collect(),
        );
        // Alias with separate cases.
        for file in files.iter().filter(|f| function.aliases.contains(&f.function.as_str())) {
            rows.insert(
                (function.category, &file.function),
                Dialect::all().map(|d| cell_of(*function, Some(file), d)).collect(),
            );
        }
    }
    for file in files.iter().filter(|f| catalog::lookup(&f.function).is_none()) {
        let cell = |dialect: Dialect| match dialect.unverified() {
            None => render_cell(facts(&file.cases), dialect, true),
            Some(_) => Cell::Unverified,
        };
        let cells = Dialect::all().map(|d| cell(d).verdict(d)).collect();
        rows.insert(("operators and timeframes", &file.function), cells);
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut body = String::new();
    let mut category = "";
    for ((of, name), cells) in &rows {
        if *of != category {
            category = of;
            let _ = writeln!(body, "\n## {category}\n");
            let names: Vec<&str> = Dialect::all().map(formulac::Dialect::name).collect();
            let _ = writeln!(
                body,
                "| function | {} |\n|---|{}",
                names.join(" | "),
                "---|".repeat(names.len())
            );
        }
        let mut line = format!("| {} ", name.replace('|', "\\|"));
        for (word, text) in cells {
            *counts.entry(word).or_default() += 1;
            let _ = write!(line, "| {text} ");
        }
        let _ = writeln!(body, "{line}|");
    }
    let mut head = String::from(
        "# Verification of each function in each dialect\n\n\
         This page is generated from the catalogue and `tests/conformance/cases`; `FORMULAC_WRITE=1 cargo test --test conformance docs` \
         updates it.\n\n\
         - *verified n*: n cases ran on the engine, or on its evaluator, and returned the expected values.\n\
         - *emulated n*: n cases ran on an emulator of the warehouse and returned the expected values.\n\
         - *n cases, no …*: the cases pass, but a required case is missing: a case with a value, with NULL or with an edge case, or a third case.\n\
         - *unverified*: no test engine runs the function, or the tests have no engine for the dialect. The function's page gives the reason.\n\
         - *unsupported*: formulac reports an error, and its help shows an alternative.\n\
         - *SQL cited*, *SQL emulated*, *SQL unsure*: the weakest evidence for a construct of the function's SQL \
         ([warehouses](warehouses.md)). Without these words, every construct ran on the warehouse's own engine or \
         evaluator.\n\n\
         [Differences between warehouses](differences.md) lists the formulas whose values differ between \
         warehouses.\n\n",
    );
    let known = differences(files);
    if !known.is_empty() {
        let _ = write!(body, "\n## known differences\n\n{known}");
    }
    let summary: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let _ = writeln!(head, "Cells: {}.", summary.join(", "));
    head + &body
}

/// Lists the cases in which a test engine is known to give a different result. A case fails if the engine agrees after
/// all.
fn differences(files: &[CaseFile]) -> String {
    let mut lines = String::new();
    let mut add = |of: &str, case: &str, dialect: &str, why: &str| {
        let _ = writeln!(lines, "| {} | {case} | {dialect} | {why} |", of.replace('|', "\\|"));
    };
    for file in files {
        for case in &file.cases {
            case.differs
                .iter()
                .for_each(|(dialect, d)| add(&file.function, &case.name, dialect, &d.why));
        }
    }
    for file in spec_case::read_all() {
        for case in &file.cases {
            case.differs
                .iter()
                .for_each(|(dialect, d)| add(&file.topic, &case.name, dialect, &d.why));
        }
    }
    let head = "| function or topic | case | dialect | reason for the difference |\n|---|---|---|---|\n";
    if lines.is_empty() {
        lines
    } else {
        format!("{head}{lines}")
    }
}

/// Returns the cell of a function in the catalogue.
pub fn cell(function: &'static Function, file: Option<&CaseFile>, dialect: Dialect) -> Cell {
    let takes_arguments = function.arity().1 != Some(0);
    let mut cases = file.map(|file| facts(&file.cases)).unwrap_or_default();
    // A function that some dialects cannot compute in a single expression also has spec cases under its name.
    let topics = if function.level == Level::Window {
        spec_case::read_all()
    } else {
        &[]
    };
    let call = format!("{}(", function.name);
    for file in topics {
        if file.topic == function.name {
            cases.extend(spec_facts(file.cases.iter()));
        } else if file.topic.split(' ').any(|word| word == function.name) {
            // A topic can cover several functions. A case belongs to each function that it calls.
            cases.extend(spec_facts(file.cases.iter().filter(|case| case.spec.contains(&call))));
        }
    }
    if !cases.is_empty() && dialect.unverified().is_none() {
        return render_cell(cases, dialect, takes_arguments);
    }
    let forms = calls_with_sql(function);
    let is_in_query = |call: &Call| query(&call.formula, &call.columns, dialect).is_some();
    let compiles = forms.iter().any(|(call, each)| {
        let is_written = each.iter().any(|(d, result)| *d == dialect && result.is_ok());
        is_written || dialect.unverified().is_some() && is_in_query(call)
    });
    if dialect.unverified().is_some() && (compiles || forms.is_empty()) {
        return Cell::Unverified;
    }
    match (function.unverified, compiles || forms.is_empty()) {
        (_, false) => Cell::Unsupported,
        (Some(_), true) => Cell::Unverified,
        (None, true) => Cell::NoCase,
    }
}

/// Properties of a case.
struct Facts<'c> {
    /// Dialects in which the case is rejected, or in which the engine is known to return a different result.
    not: Vec<&'c str>,
    value: bool,
    null: bool,
    edge: bool,
}

fn facts(cases: &[Case]) -> Vec<Facts<'_>> {
    let runs = |case: &&Case| !matches!(case.expected, Expected::Refused(_) | Expected::Written(_));
    cases.iter().filter(runs).map(facts_of).collect()
}

fn facts_of(case: &Case) -> Facts<'_> {
    let Case {
        unsupported,
        differs,
        table,
        formula,
        expected,
        ..
    } = case;
    let not = unsupported.keys().chain(differs.keys()).map(String::as_str).collect();
    // A row has NULL in its arguments, or the formula contains NULL.
    let null = table.rows.iter().flatten().any(Json::is_null) || formula.contains("1/0");
    Facts {
        not,
        value: expected.values().any(|v| !v.is_null()),
        null,
        edge: case.edge,
    }
}

fn spec_facts<'c>(cases: impl Iterator<Item = &'c SpecCase>) -> Vec<Facts<'c>> {
    cases.filter(|case| case.refused.is_none()).map(spec_facts_of).collect()
}

fn spec_facts_of(case: &SpecCase) -> Facts<'_> {
    let SpecCase {
        unsupported,
        differs,
        tables,
        expected,
        ..
    } = case;
    let not = unsupported.keys().chain(differs.keys()).map(String::as_str).collect();
    let null = tables.iter().flat_map(|t| t.rows.iter().flatten()).any(Json::is_null);
    Facts {
        not,
        value: expected.values().any(|v| !v.is_null()),
        null,
        edge: case.edge,
    }
}

fn render_cell(cases: Vec<Facts<'_>>, dialect: Dialect, takes_arguments: bool) -> Cell {
    if cases.is_empty() {
        return Cell::NoCase;
    }
    let agree: Vec<&Facts<'_>> = cases
        .iter()
        .filter(|case| !case.not.contains(&dialect.name()))
        .collect();
    if agree.is_empty() {
        return Cell::Unsupported;
    }
    let mut missing = Vec::new();
    if !agree.iter().any(|case| case.value) {
        missing.push("value");
    }
    if takes_arguments && !agree.iter().any(|case| case.null) {
        missing.push("NULL");
    }
    if !agree.iter().any(|case| case.edge) {
        missing.push("edge");
    }
    if agree.len() < CASES {
        missing.push("third case");
    }
    Cell::Shown(agree.len(), missing)
}

impl Cell {
    /// Returns the word for the count, and the text of the cell.
    pub fn verdict(&self, dialect: Dialect) -> (&'static str, String) {
        match self {
            Self::Shown(count, missing) if missing.is_empty() => {
                let word = if is_emulator(dialect) { "emulated" } else { "verified" };
                (word, format!("{word} {count}"))
            }
            Self::Shown(count, missing) => ("incomplete", format!("{count} cases, no {}", missing.join(", "))),
            Self::Unverified => ("unverified", "unverified".to_owned()),
            Self::Unsupported => ("unsupported", "unsupported".to_owned()),
            Self::NoCase => ("without a case", "no case".to_owned()),
        }
    }

    /// Returns the cell in the wording of the function's page.
    pub fn sentence(&self, dialect: Dialect) -> String {
        match self {
            Self::Shown(count, missing) if missing.is_empty() => {
                let cases = if *count == 1 { "case passes" } else { "cases pass" };
                format!("{count} {cases} on {}", describe_engine(dialect))
            }
            Self::Unverified => "not run by any test engine".to_owned(),
            _ => self.verdict(dialect).1,
        }
    }
}
