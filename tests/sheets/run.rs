//! Draws sheets, compiles them for each dialect, asks the engines and compares.

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use formulac::{Compiler, Dialect, Schema};
use serde_json::Value as Json;

use crate::batch::Batch;
use crate::compare::same;
use crate::draw;
use crate::engine::{Answer, Run, announce_missing, is_emulator, run_all, say};
use crate::quiet::quietly;
use crate::random::Random;
use crate::share;
use crate::sheet::Sheet;
use crate::shown::Shown;
use crate::shrink::smaller;
use crate::tab::Tab;
use crate::table::Table;
use crate::value::Value;

const SUITE: &str = "random-sheets";

/// How many tables the sheets share: engines load each once.
const TABLES: u64 = 97;

/// How many failures are shrunk and shown.
const SHOWN: usize = 3;

pub struct Case {
    seed: u64,
    pub sheet: Sheet,
    table: Table,
}

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A fifth of the sheets is pivoted, a quarter has another tab and looks things up.
fn draw(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let is_pivot = random.percent(20);
    let table = if is_pivot { Table::crossed(seed % TABLES) } else { Table::draw(seed % TABLES) };
    let tab = random.percent(28).then(|| Tab::draw(&mut random, &table));
    let sheet = draw::sheet(&mut random, &table, tab, is_pivot);
    Case { seed, sheet, table }
}

impl Case {
    fn tables(&self) -> Vec<&Table> {
        let tab = self.sheet.tab.iter().map(|tab| &tab.table).filter(|table| table.name != self.table.name);
        [&self.table].into_iter().chain(tab).collect()
    }

    fn tables_json(&self) -> Vec<Json> {
        self.tables().into_iter().map(Table::json).collect()
    }
}

pub fn run() {
    let count = number("FORMULAC_RANDOM_SHEETS", 5000);
    // A seed that was shown is one sheet's own; a small one begins another series.
    let first = match number("FORMULAC_SEED", 1) {
        shown @ 1_000_000.. => shown,
        series => series * 1_000_000,
    };
    // The slower engines take a part of them: of the 5,000 of a test run 500.
    let of = |dialect: &Dialect| match dialect.name() {
        "duckdb" | "postgres" => count,
        _ => count.div_ceil(10),
    };
    let chosen = env::var("FORMULAC_ENGINES").ok();
    let dialects: Vec<Dialect> =
        Dialect::all().filter(|d| chosen.as_ref().is_none_or(|c| c.split(',').any(|name| name == d.name()))).collect();
    let cases: Vec<Case> = (0..count).map(|at| draw(first + at)).collect();
    if number("FORMULAC_SHOW", 0) != 0 {
        cases.iter().for_each(|case| say(&format!("seed {}:\n{}", case.seed, case.sheet)));
    }
    let expected: Vec<Shown> = cases.iter().map(|case| Shown::of(&case.sheet, &case.table)).collect();
    say(&format!("{SUITE} {}", share::told(&cases, &expected)));
    let mut batches = Vec::new();
    let mut places = Vec::new();
    let mut refused: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for dialect in &dialects {
        let mut batch = Batch::default();
        let mut place = Vec::new();
        for case in cases.iter().take(of(dialect) as usize) {
            let panicked = || Err("a panic of the compiler".to_owned());
            match catch_unwind(AssertUnwindSafe(|| compiled(case, *dialect))).unwrap_or_else(|_| panicked()) {
                Ok(query) => place.push(Some(batch.add(&query, &case.tables_json()))),
                Err(fault) => {
                    refused.entry(format!("{} {fault}", dialect.name())).or_default().push(case.seed);
                    place.push(None);
                }
            }
        }
        batches.push((*dialect, batch));
        places.push(place);
    }
    // Two series at a time keep their batches apart.
    let runs = run_all(&format!("{SUITE}-{first}"), &batches);
    let mut failures = Vec::new();
    for ((dialect, run), place) in dialects.iter().zip(&runs).zip(&places) {
        let answers = match run {
            Run::Missing(reason) => {
                announce_missing(*dialect, reason, place.len());
                continue;
            }
            Run::Done(answers) => answers,
        };
        let (mut agreed, mut overflowed) = (0, 0);
        for ((case, rows), place) in cases.iter().zip(&expected).zip(place) {
            let Some(place) = place else { continue };
            // The contract leaves that to the engine.
            if matches!(&answers[*place], Err(error) if error.contains("Overflow in multiplication of DECIMAL")) {
                overflowed += 1;
                continue;
            }
            match fault(*dialect, case, rows, &answers[*place]) {
                None => agreed += 1,
                Some(_) => failures.push((*dialect, case)),
            }
        }
        let asked = place.iter().flatten().count();
        say(&format!("{SUITE} {}: {agreed} of {asked} random sheets agree, {overflowed} overflow", dialect.name()));
    }
    for (fault, seeds) in &refused {
        let sheet = draw(seeds[0]).sheet;
        say(&format!("{SUITE}: {} refused: {fault}, such as seed {}:\n{sheet}", seeds.len(), seeds[0]));
    }
    let shown: Vec<String> = failures.iter().take(SHOWN).map(|(dialect, case)| shrunk(*dialect, case)).collect();
    let seeds: Vec<String> = failures.iter().take(20).map(|(d, case)| format!("{} {}", d.name(), case.seed)).collect();
    let count = failures.len();
    assert!(count == 0, "{count} answers differ: {}\n\n{}", seeds.join(", "), shown.join("\n\n"));
    assert!(refused.is_empty(), "what is drawn must compile: {refused:#?}");
}

/// The query, or why there is none.
fn compiled(case: &Case, dialect: Dialect) -> Result<String, String> {
    let schema = case.tables().into_iter().fold(Schema::new(), |schema, table| schema.with(table.relation()));
    let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
    let compiled = compiler.compile_spec(&case.sheet.to_string());
    match compiled.query() {
        Some(query) => Ok(query.to_owned()),
        None => {
            let errors = compiled.diagnostics().iter().filter(|d| d.is_error());
            Err(errors.map(|d| format!("{} {}", d.code(), d.message())).collect::<Vec<_>>().join("; "))
        }
    }
}

/// How an answer differs from the rows that are right, which come in the order of the sheet.
fn fault(dialect: Dialect, case: &Case, shown: &Shown, answer: &Answer) -> Option<String> {
    let table = match answer {
        Ok(table) => table,
        Err(error) => return Some(format!("error: {error}")),
    };
    let names: Vec<String> = table.columns.iter().map(|c| c.to_lowercase()).collect();
    let (wanted, rows) = shown.expected(&case.sheet, &names);
    if names != wanted {
        return Some(format!("columns {names:?}, expected {wanted:?}"));
    }
    let wanted: Vec<Vec<Json>> = rows.iter().map(|row| row.iter().map(Value::json).collect()).collect();
    let alike = |a: &Json, b: &Json| match (a, b) {
        // Some quotients of the emulator have six digits, as those of NUMBER have in the warehouse.
        (Json::Number(a), Json::Number(b)) if is_emulator(dialect) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= 1e-5 * a.abs().max(1.0)
        }
        _ => same(a, b),
    };
    let equal = |a: &Vec<Json>, b: &Vec<Json>| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b));
    let right = wanted.len() == table.rows.len() && wanted.iter().zip(&table.rows).all(|(a, b)| equal(a, b));
    (!right).then(|| format!("gives    {}\nexpected {}", lines(&table.rows), lines(&wanted)))
}

fn lines(rows: &[Vec<Json>]) -> String {
    let row = |row: &Vec<Json>| Json::Array(row.clone()).to_string();
    rows.iter().map(row).collect::<Vec<_>>().join("\n         ")
}

/// The smallest case found that still fails, with its query and its fault.
fn shrunk(dialect: Dialect, case: &Case) -> String {
    let mut least = Case { seed: case.seed, sheet: case.sheet.clone(), table: case.table.clone() };
    let mut told = String::new();
    for _ in 0..40 {
        let mut tried = vec![(least.sheet.clone(), least.table.clone())];
        if number("FORMULAC_SHRINK", 1) != 0 {
            tried.extend(smaller(&least.sheet, &least.table));
        }
        let cases: Vec<Case> = tried.into_iter().map(|(sheet, table)| Case { seed: case.seed, sheet, table }).collect();
        let mut batch = Batch::default();
        let asked: Vec<(&Case, Shown, String, usize)> = cases
            .iter()
            .filter_map(|case| {
                let query = compiled(case, dialect).ok()?;
                let rows = quietly(|| Shown::of(&case.sheet, &case.table))?;
                let place = batch.add(&query, &case.tables_json());
                Some((case, rows, query, place))
            })
            .collect();
        let runs = run_all(&format!("{SUITE}-shrink-{}", case.seed), &[(dialect, batch)]);
        let Some(Run::Done(answers)) = runs.first() else { break };
        let mut failing = asked.iter().filter_map(|(case, rows, query, place)| {
            let found = fault(dialect, case, rows, &answers[*place])?;
            Some((*case, format!("{}\n{query}\n{found}", case.sheet)))
        });
        // The first is the case as it is.
        let Some((_, as_it_is)) = failing.next() else { break };
        told = as_it_is;
        let Some((next, smaller)) = failing.next() else { break };
        told = smaller;
        least = Case { seed: next.seed, sheet: next.sheet.clone(), table: next.table.clone() };
    }
    let tables: Vec<String> = least.tables_json().iter().map(Json::to_string).collect();
    format!("{} seed {}:\n{told}\n{}", dialect.name(), case.seed, tables.join("\n"))
}
