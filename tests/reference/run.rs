//! Draws specs, compiles them for each dialect, asks the engines and compares.

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use formulac::{Compiler, Dialect};
use serde_json::Value as Json;

use crate::batch::Batch;
use crate::compare::same;
use crate::database::Database;
use crate::draw_specs;
use crate::engine::{Answer, Run, announce_missing, is_emulator, run_all, say};
use crate::interpret::{Rows, interpret};
use crate::quiet::quietly;
use crate::random::Random;
use crate::shrink::smaller;
use crate::spec::Spec;

const SUITE: &str = "reference";

/// How many tables the specs share: engines load each once.
const DATABASES: u64 = 97;

/// How many failures are shrunk and shown.
const SHOWN: usize = 3;

struct Case {
    seed: u64,
    spec: Spec,
    database: Database,
}

pub fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn draw(seed: u64) -> Case {
    let database = Database::draw(seed % DATABASES);
    let spec = draw_specs::spec(&mut Random::new(seed), &database.tables);
    Case { seed, spec, database }
}

pub fn run() {
    let count = number("FORMULAC_RANDOM_SPECS", 5000);
    // A seed that was shown is one spec's own; a small one begins another series.
    let first = match number("FORMULAC_SEED", 1) {
        shown @ 1_000_000.. => shown,
        series => series * 1_000_000,
    };
    // The slower engines take a part of them: of the 5,000 of a test run 1,000.
    let of = |dialect: &Dialect| match dialect.name() {
        "duckdb" | "postgres" => count,
        _ => count.div_ceil(5),
    };
    let chosen = env::var("FORMULAC_ENGINES").ok();
    let dialects: Vec<Dialect> =
        Dialect::all().filter(|d| chosen.as_ref().is_none_or(|c| c.split(',').any(|name| name == d.name()))).collect();
    let cases: Vec<Case> = (0..count).map(|at| draw(first + at)).collect();
    if number("FORMULAC_SHOW", 0) != 0 {
        cases.iter().for_each(|case| say(&format!("seed {}:\n{}", case.seed, case.spec)));
    }
    let expected: Vec<Rows> = cases.iter().map(|case| interpret(&case.spec, &case.database)).collect();
    let mut batches = Vec::new();
    let mut places = Vec::new();
    let mut refused: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for dialect in &dialects {
        let mut batch = Batch::default();
        let mut place = Vec::new();
        let mut left = of(dialect);
        for case in &cases {
            if left == 0 {
                break;
            }
            if is_emulator(*dialect) && measures_joined_text(&case.spec) {
                place.push(None);
                continue;
            }
            let panicked = || Err("a panic of the compiler".to_owned());
            match catch_unwind(AssertUnwindSafe(|| compiled(case, *dialect))).unwrap_or_else(|_| panicked()) {
                Ok(query) => {
                    left -= 1;
                    place.push(Some(batch.add(&query, &case.database.json())));
                }
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
        let mut agreed = 0;
        let asked = place.iter().flatten().count();
        for ((case, rows), place) in cases.iter().zip(&expected).zip(place) {
            let Some(place) = place else { continue };
            match fault(*dialect, case, rows, &answers[*place]) {
                None => agreed += 1,
                Some(_) => failures.push((*dialect, case)),
            }
        }
        say(&format!("{SUITE} {}: {agreed} of {asked} random specs agree", dialect.name()));
    }
    for (fault, seeds) in &refused {
        let spec = draw(seeds[0]).spec;
        say(&format!("{SUITE}: {} refused: {fault}, such as seed {}:\n{spec}", seeds.len(), seeds[0]));
    }
    let shown: Vec<String> = failures.iter().take(SHOWN).map(|(dialect, case)| shrunk(*dialect, case)).collect();
    let seeds: Vec<String> = failures.iter().take(20).map(|(d, case)| format!("{} {}", d.name(), case.seed)).collect();
    let count = failures.len();
    assert!(count == 0, "{count} answers differ: {}\n\n{}", seeds.join(", "), shown.join("\n\n"));
    assert!(refused.is_empty(), "what is drawn must compile: {refused:#?}");
}

/// Whether a length may be that of a sum in a text, which the emulator writes with `.0`.
fn measures_joined_text(spec: &Spec) -> bool {
    let text = spec.to_string();
    text.contains("LEN(") && text.contains(" & ")
}

/// The query, or why there is none.
fn compiled(case: &Case, dialect: Dialect) -> Result<String, String> {
    let compiler = Compiler::builder().dialect(dialect).schema(case.database.schema()).build();
    let compiled = compiler.compile_spec(&case.spec.to_string());
    match compiled.query() {
        Some(query) => Ok(query.to_owned()),
        None => {
            let errors = compiled.diagnostics().iter().filter(|d| d.is_error());
            Err(errors.map(|d| format!("{} {}", d.code(), d.message())).collect::<Vec<_>>().join("; "))
        }
    }
}

/// How an answer differs from the rows that are right.
fn fault(dialect: Dialect, case: &Case, rows: &Rows, answer: &Answer) -> Option<String> {
    let table = match answer {
        Ok(table) => table,
        Err(error) => return Some(format!("error: {error}")),
    };
    let names: Vec<String> = table.columns.iter().map(|c| c.to_lowercase()).collect();
    let wanted: Vec<String> = rows.columns.iter().map(|c| c.to_lowercase()).collect();
    if names != wanted {
        return Some(format!("columns {names:?}, expected {:?}", rows.columns));
    }
    let wanted: Vec<Vec<Json>> =
        rows.values().iter().map(|row| row.iter().map(crate::value::Value::json).collect()).collect();
    // The emulator sums integers as floats, and writes them so in texts (`tests/oracle/README.md`).
    let alike = |a: &Json, b: &Json| match (a, b) {
        (Json::String(a), Json::String(b)) if is_emulator(dialect) => a == &b.replace(".0", ""),
        // Some of its quotients have six digits, as those of NUMBER have in the warehouse.
        (Json::Number(a), Json::Number(b)) if is_emulator(dialect) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            (a - b).abs() <= 1e-6 * a.abs().max(1.0)
        }
        _ => same(a, b),
    };
    let equal = |a: &Vec<Json>, b: &Vec<Json>| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b));
    let ordered = case.spec.steps.last().is_some_and(|s| !s.order_by.is_empty());
    let right = wanted.len() == table.rows.len()
        && if ordered {
            wanted.iter().zip(&table.rows).all(|(a, b)| equal(a, b))
        } else {
            let mut left: Vec<&Vec<Json>> = table.rows.iter().collect();
            wanted
                .iter()
                .all(|row| left.iter().position(|other| equal(row, other)).map(|at| left.swap_remove(at)).is_some())
        };
    (!right).then(|| format!("gives    {}\nexpected {}", lines(&table.rows), lines(&wanted)))
}

fn lines(rows: &[Vec<Json>]) -> String {
    let row = |row: &Vec<Json>| Json::Array(row.clone()).to_string();
    rows.iter().map(row).collect::<Vec<_>>().join("\n         ")
}

/// The smallest case found that still fails, with its query and its fault.
fn shrunk(dialect: Dialect, case: &Case) -> String {
    let mut least = Case { seed: case.seed, spec: case.spec.clone(), database: case.database.clone() };
    let mut told = String::new();
    for _ in 0..40 {
        let mut tried = vec![(least.spec.clone(), least.database.clone())];
        if number("FORMULAC_SHRINK", 1) != 0 {
            tried.extend(smaller(&least.spec, &least.database));
        }
        let cases: Vec<Case> =
            tried.into_iter().map(|(spec, database)| Case { seed: case.seed, spec, database }).collect();
        let mut batch = Batch::default();
        let asked: Vec<(&Case, Rows, String, usize)> = cases
            .iter()
            .filter_map(|case| {
                let query = compiled(case, dialect).ok()?;
                let rows = quietly(|| interpret(&case.spec, &case.database))?;
                let place = batch.add(&query, &case.database.json());
                Some((case, rows, query, place))
            })
            .collect();
        let runs = run_all(&format!("{SUITE}-shrink-{}", case.seed), &[(dialect, batch)]);
        let Some(Run::Done(answers)) = runs.first() else { break };
        let mut failing = asked.iter().filter_map(|(case, rows, query, place)| {
            let found = fault(dialect, case, rows, &answers[*place])?;
            Some((*case, format!("{}\n{query}\n{found}", case.spec)))
        });
        // The first is the case as it is.
        let Some((_, as_it_is)) = failing.next() else { break };
        told = as_it_is;
        let Some((next, smaller)) = failing.next() else { break };
        told = smaller;
        least = Case { seed: next.seed, spec: next.spec.clone(), database: next.database.clone() };
    }
    let tables: Vec<String> = least.database.json().iter().map(Json::to_string).collect();
    format!("{} seed {}:\n{told}\n{}", dialect.name(), case.seed, tables.join("\n"))
}
