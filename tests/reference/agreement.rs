//! Compares the results of the compiler's SQL on the engines with the results of the interpreter, for random formulas
//! over the whole catalogue.
//!
//! Many formulas share a query, in which each formula is a column. `FORMULAC_FORMULAS=2000` sets the number of
//! formulas, `FORMULAC_SEED=7` generates different formulas, `FORMULAC_FUNCTION=MOD` generates only formulas with this
//! function, and `FORMULAC_ENGINES=duckdb` runs only one engine. If a formula fails, its shrunk form is displayed.

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use formulac::Dialect;
use serde_json::Value as Json;

use crate::batch::Batch;
use crate::database::Database;
use crate::drawn::{self, number};
use crate::engine::{Answer, Run, Table, announce_missing, is_emulator, print_directly, run_all};
use crate::expr::{InterpreterExpr, Window};
use crate::forms::{Gap, Known, load_known};
use crate::formula_sheets::{Formula, Sheet, draw, every_function_is_drawn, expected_values};
use crate::json::ToJson;
use crate::quiet::quietly;
use crate::shrink::smaller_cases;
use crate::spec::InterpreterSpec;
use crate::written::yaml;

const SUITE: &str = "agreement";
const SHOWN: usize = 6;

/// A query, with the formulas that it evaluates.
struct Asked<'a> {
    sheet: &'a Sheet,
    formulas: Vec<&'a Formula>,
    index: usize,
}

pub enum Refusal {
    /// The dialect does not have the function, as documented in the matrix.
    Unsupported,
    Fault(String),
}

pub fn compile_spec(database: &Database, spec: &InterpreterSpec, dialect: Dialect) -> Result<String, Refusal> {
    drawn::compile_query(&[], &yaml(spec), database.schema(), dialect).map_err(|errors| {
        if errors.iter().all(|(code, _)| code == "F0501") {
            Refusal::Unsupported
        } else {
            Refusal::Fault(drawn::messages(&errors))
        }
    })
}

/// Results of the formulas in one dialect.
#[derive(Default)]
struct Tally {
    agreed: usize,
    cells: usize,
    unsettled: usize,
    unsupported: usize,
    gaps: BTreeMap<String, usize>,
}

struct Failure<'a> {
    dialect: Dialect,
    sheet: &'a Sheet,
    formula: &'a Formula,
    message: String,
}

pub fn run() {
    let known = load_known();
    let count = number("FORMULAC_FORMULAS", 20_000);
    let seed = number("FORMULAC_SEED", 1);
    let sheets = draw(&known, count, seed);
    if number("FORMULAC_SHOW", 0) != 0 {
        for sheet in &sheets {
            sheet
                .formulas
                .iter()
                .for_each(|f| print_directly(&format!("{:?} {} = {}", sheet.level, f.name, f.expr)));
        }
    }
    let formulas: Vec<(&Sheet, &Formula)> = sheets
        .iter()
        .flat_map(|s| s.formulas.iter().map(move |f| (s, f)))
        .collect();
    let telling = formulas.iter().filter(|(_, f)| f.says_something()).count();
    print_directly(&format!(
        "{SUITE}: {} formulas in {} sheets; the results of {telling} differ by row",
        formulas.len(),
        sheets.len()
    ));
    assert!(
        telling * 2 >= formulas.len(),
        "of {} formulas only {telling} say something",
        formulas.len()
    );
    if env::var_os("FORMULAC_FUNCTION").is_none() {
        every_function_is_drawn(&known, &formulas);
    }

    let dialects = drawn::dialects();
    let mut tallies: Vec<Tally> = dialects.iter().map(|_| Tally::default()).collect();
    let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut batches = Vec::new();
    let mut asked: Vec<Vec<Asked<'_>>> = Vec::new();
    for (dialect, tally) in dialects.iter().zip(&mut tallies) {
        let (batch, mine) = ask(*dialect, &known, &sheets, tally, &mut refused);
        batches.push((*dialect, batch));
        asked.push(mine);
    }
    let runs = run_all(&format!("{SUITE}-{seed}"), &batches);
    let mut failures: Vec<Failure<'_>> = Vec::new();
    for (((dialect, tally), run), asked) in dialects.iter().zip(&mut tallies).zip(&runs).zip(&asked) {
        let answers = match run {
            Run::Missing(reason) => {
                announce_missing(*dialect, reason, asked.len());
                continue;
            }
            Run::Done(answers) => answers,
        };
        judge(*dialect, &known, asked, answers, tally, &mut failures);
        let left_out: usize = tally.gaps.values().sum();
        print_directly(&format!(
            "{SUITE} {}: {} formulas agree in {} cells; {} cells hang on last bits; {} formulas need what the dialect has \
             not, {left_out} what its stand-in has not",
            dialect.name(),
            tally.agreed,
            tally.cells,
            tally.unsettled,
            tally.unsupported
        ));
        for (why, count) in &tally.gaps {
            print_directly(&format!("  {count}: {why}"));
        }
    }
    for (fault, formulas) in &refused {
        print_directly(&format!(
            "{SUITE}: {} refused: {fault}, such as {}",
            formulas.len(),
            formulas[0]
        ));
    }
    if failures.is_empty() {
        assert!(
            refused.is_empty(),
            "what is drawn must compile: {} faults",
            refused.len()
        );
        return;
    }
    let mut by_function: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    failures
        .iter()
        .for_each(|f| *by_function.entry((f.dialect.name(), f.formula.function)).or_default() += 1);
    let mut shown_functions = BTreeSet::new();
    let shown: Vec<String> = failures
        .iter()
        .filter(|f| shown_functions.insert((f.dialect.name(), f.formula.function)))
        .take(number("FORMULAC_SHOWN", SHOWN as u64) as usize)
        .map(|failure| shrunk(failure, &known))
        .collect();
    panic!(
        "{} answers differ: {by_function:?}\n\n{}",
        failures.len(),
        shown.join("\n\n")
    );
}

/// Returns the number of sheets to run on a dialect's engine: all sheets, or a third of them if the engine is slow.
pub fn share(dialect: Dialect, sheets: usize) -> usize {
    match dialect.name() {
        "duckdb" | "postgres" => sheets,
        _ => sheets.div_ceil(3),
    }
}

fn ask<'a>(
    dialect: Dialect,
    facts: &Known,
    sheets: &'a [Sheet],
    tally: &mut Tally,
    refused: &mut BTreeMap<String, Vec<String>>,
) -> (Batch, Vec<Asked<'a>>) {
    let mut batch = Batch::default();
    let mut asked = Vec::new();
    for sheet in sheets.iter().take(share(dialect, sheets.len())) {
        let mut formulas: Vec<&Formula> = Vec::new();
        for formula in &sheet.formulas {
            match facts.gap(dialect, formula) {
                Some(why) => *tally.gaps.entry(why.to_owned()).or_default() += 1,
                None => formulas.push(formula),
            }
        }
        let mut query = compile_spec(&sheet.database, &sheet.spec(formulas.iter().copied()), dialect);
        if query.is_err() {
            // Formulas that this dialect does not support are skipped. All other formulas are run.
            formulas.retain(
                |formula| match compile_spec(&sheet.database, &sheet.spec([*formula]), dialect) {
                    Ok(_) => true,
                    Err(Refusal::Unsupported) => {
                        tally.unsupported += 1;
                        false
                    }
                    Err(Refusal::Fault(fault)) => {
                        let key = format!("{} {}: {fault}", dialect.name(), formula.function);
                        refused
                            .entry(key)
                            .or_default()
                            .push(format!("{} = {}", formula.name, formula.expr));
                        false
                    }
                },
            );
            query = compile_spec(&sheet.database, &sheet.spec(formulas.iter().copied()), dialect);
        }
        match query {
            Ok(_) if formulas.is_empty() => {}
            Ok(query) => {
                let index = batch.add(&query, &sheet.database.json());
                asked.push(Asked { sheet, formulas, index });
            }
            Err(Refusal::Unsupported) => {
                refused
                    .entry("together unsupported".to_owned())
                    .or_default()
                    .push(String::new());
            }
            Err(Refusal::Fault(fault)) => {
                let key = format!("{} together: {fault}", dialect.name());
                refused.entry(key).or_default().push(yaml(&sheet.spec(formulas)));
            }
        }
    }
    (batch, asked)
}

/// Returns `true` if the expression calls a function in `of` inside a call to a function in `inside`.
fn calls(x: &InterpreterExpr, of: &[String], inside: &[String], is_inside: bool) -> bool {
    let name = match x {
        InterpreterExpr::Call(name, _) | InterpreterExpr::Aggregate(name, _) => Some(*name),
        InterpreterExpr::Window(Window::Rank(name, ..)) => Some(*name),
        InterpreterExpr::Window(Window::PercentRank(_)) => Some("PERCENTRANK"),
        _ => None,
    };
    let among = |names: &[String]| name.is_some_and(|name| names.iter().any(|n| n == name));
    let below = is_inside || among(inside);
    (is_inside && among(of)) || x.children().into_iter().any(|child| calls(child, of, inside, below))
}

impl Known {
    /// Returns the reason why the emulator cannot evaluate the formula. `None` if it can.
    pub fn gap(&self, dialect: Dialect, formula: &Formula) -> Option<&str> {
        let holds = |gap: &&Gap| calls(&formula.expr, &gap.of, &gap.inside, gap.inside.is_empty());
        Some(&self.gaps.get(dialect.name())?.iter().find(holds)?.why)
    }

    pub fn tolerance(&self, formula: &Formula) -> f64 {
        let of = |name: &str| self.tolerances.get(name).map_or(1e-9, |(relative, _)| *relative);
        formula.functions().into_iter().map(of).fold(1e-9, f64::max)
    }
}

fn judge<'a>(
    dialect: Dialect,
    facts: &Known,
    asked: &[Asked<'a>],
    answers: &[Answer],
    tally: &mut Tally,
    failures: &mut Vec<Failure<'a>>,
) {
    // If one formula of a query fails, each formula is run separately.
    let mut again = Batch::default();
    let mut alone: Vec<(&Sheet, &Formula, usize)> = Vec::new();
    for asked in asked {
        match &answers[asked.index] {
            Ok(table) => {
                for formula in &asked.formulas {
                    verdict(dialect, facts, asked.sheet, formula, table, tally, failures);
                }
            }
            Err(_) => {
                for formula in &asked.formulas {
                    if let Ok(query) = compile_spec(&asked.sheet.database, &asked.sheet.spec([*formula]), dialect) {
                        alone.push((asked.sheet, formula, again.add(&query, &asked.sheet.database.json())));
                    }
                }
            }
        }
    }
    if alone.is_empty() {
        return;
    }
    let runs = run_all(&format!("{SUITE}-alone"), &[(dialect, again)]);
    let Some(Run::Done(answers)) = runs.first() else {
        panic!("{} answered before", dialect.name())
    };
    for (sheet, formula, index) in alone {
        match &answers[index] {
            Ok(table) => verdict(dialect, facts, sheet, formula, table, tally, failures),
            Err(error) => failures.push(Failure {
                dialect,
                sheet,
                formula,
                message: format!("error: {error}"),
            }),
        }
    }
}

fn verdict<'a>(
    dialect: Dialect,
    facts: &Known,
    sheet: &'a Sheet,
    formula: &'a Formula,
    table: &Table,
    tally: &mut Tally,
    failures: &mut Vec<Failure<'a>>,
) {
    match find_difference(dialect, facts.tolerance(formula), formula, table) {
        None => {
            tally.agreed += 1;
            let settled = formula.expected.iter().flatten().count();
            tally.cells += settled;
            tally.unsettled += formula.expected.len() - settled;
        }
        Some(message) => failures.push(Failure {
            dialect,
            sheet,
            formula,
            message,
        }),
    }
}

/// Returns the difference between a column of the result and the expected values.
pub fn find_difference(dialect: Dialect, tolerance: f64, formula: &Formula, table: &Table) -> Option<String> {
    let Some(at) = table
        .columns
        .iter()
        .position(|name| name.eq_ignore_ascii_case(&formula.name))
    else {
        return Some(format!("no column {} in {:?}", formula.name, table.columns));
    };
    if table.rows.len() != formula.expected.len() {
        return Some(format!(
            "{} rows, expected {}",
            table.rows.len(),
            formula.expected.len()
        ));
    }
    let mut message = Vec::new();
    for (row, expected) in table.rows.iter().zip(&formula.expected) {
        let Some(expected) = expected else { continue };
        if !json_agrees(dialect, tolerance, &expected.json(), &row[at]) {
            message.push(format!("{}: gives {}, expected {}", row[0], row[at], expected.json()));
        }
    }
    (!message.is_empty()).then(|| message.join("\n"))
}

fn json_agrees(dialect: Dialect, tolerance: f64, expected: &Json, got: &Json) -> bool {
    match (expected, got) {
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            // In the emulator, some quotients have six decimal places, like quotients of NUMBER in the warehouse.
            let tolerance = if is_emulator(dialect) {
                tolerance.max(1e-6)
            } else {
                tolerance
            };
            a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0)
        }
        // The emulator computes sums of integers as floats, and also writes these sums as floats when they are
        // converted to strings.
        (Json::String(a), Json::String(b)) if is_emulator(dialect) => a.replace(".0", "") == b.replace(".0", ""),
        _ => expected == got,
    }
}

/// Returns the smallest formula and table that still fail.
fn shrunk(failure: &Failure<'_>, facts: &Known) -> String {
    let (dialect, sheet) = (failure.dialect, failure.sheet);
    let name = failure.formula.name.clone();
    let mut least = (sheet.spec([failure.formula]), sheet.database.clone());
    let mut message = format!("{}\n{}", yaml(&least.0), failure.message);
    let original = format!("{} = {}", name, failure.formula.expr);
    for _ in 0..30 {
        if number("FORMULAC_SHRINK", 1) == 0 {
            break;
        }
        let mut tried = smaller_cases(&least.0, &least.1);
        tried.retain(|(spec, _)| spec.steps.len() == 1 && spec.steps[0].definitions.len() == 1);
        let mut batch = Batch::default();
        let mut asked = Vec::new();
        for (spec, database) in tried {
            let Ok(query) = compile_spec(&database, &spec, dialect) else {
                continue;
            };
            let expr = spec.steps[0].definitions[0].1.clone();
            let Some(Some(expected)) = quietly(|| expected_values(&database, sheet.level, &expr)) else {
                continue;
            };
            let formula = Formula {
                name: name.clone(),
                function: failure.formula.function,
                expr,
                expected,
            };
            let index = batch.add(&query, &database.json());
            asked.push((spec, database, formula, query, index));
        }
        let runs = run_all(&format!("{SUITE}-shrink"), &[(dialect, batch)]);
        let Some(Run::Done(answers)) = runs.first() else { break };
        let mut found = None;
        for (spec, database, formula, query, index) in asked {
            let fault = match &answers[index] {
                Ok(table) => find_difference(dialect, facts.tolerance(&formula), &formula, table),
                Err(error) => Some(format!("error: {error}")),
            };
            if let Some(fault) = fault {
                found = Some((spec, database, format!("{query}\n{fault}")));
                break;
            }
        }
        let Some((spec, database, fault)) = found else { break };
        message = format!("{}\n{fault}", yaml(&spec));
        least = (spec, database);
    }
    let rows: Vec<String> = least.1.json().iter().map(Json::to_string).collect();
    format!("{} {original}\n{message}\n{}", dialect.name(), rows.join("\n"))
}
