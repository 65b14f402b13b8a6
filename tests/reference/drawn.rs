//! Runs random cases: compiles each case for every dialect, runs it on the engines, and compares the results with those
//! of an interpreter.

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use formulac::{CompiledSpec, Compiler, Dialect, Schema, SpecText};
use serde_json::Value as Json;

use crate::batch::Batch;
use crate::compare::values_equal;
use crate::engine::{Answer, Run, Table, announce_missing, is_emulator, print_directly, run_all};
use crate::quiet::quietly;
use crate::skipped_cases::select_cases;

/// Maximum number of rounds in which a failing case is shrunk.
const SHRUNK: usize = 40;

/// A random case that is generated from a seed and has an expected result.
pub trait Drawn: Sized {
    /// The interpreter's result.
    type Right;
    const SUITE: &'static str;
    /// Plural noun for these cases.
    const KIND: &'static str;
    /// Environment variable that sets the number of cases.
    const COUNT: &'static str;
    /// Number of cases if the variable is not set.
    const OTHERWISE: u64 = 5000;
    /// Maximum percentage of the cases that the compiler may reject.
    const REFUSED: usize = 0;
    /// Slower engines run one of every `ONE_OF` cases.
    const ONE_OF: usize;

    fn draw(seed: u64) -> Self;
    fn seed(&self) -> u64;
    /// Returns the case as the text for the compiler.
    fn text(&self) -> String;
    /// Returns the texts of the metric sets that the case reads.
    fn sets(&self) -> Vec<String> {
        Vec::new()
    }
    fn schema(&self) -> Schema;
    fn tables(&self) -> Vec<Json>;
    /// Returns the interpreter's result. `None` if the case is too large for the interpreter.
    fn right(&self) -> Option<Self::Right>;
    /// Returns all cases that result from removing one element of this case.
    fn smaller_cases(&self) -> Vec<Self>;
    /// Returns the difference between a result and the expected result.
    fn find_difference(&self, dialect: Dialect, right: &Self::Right, table: &Table) -> Option<String>;

    /// Returns `true` if the dialect's engine can run the case.
    fn is_asked(&self, _: Dialect) -> bool {
        true
    }

    /// Returns `true` if the contract allows the engine to fail with this message.
    fn may_fail(_: &str) -> bool {
        false
    }

    /// Returns a summary of all generated cases.
    fn summarize(_: &[Self], _: &[Self::Right]) -> Option<String> {
        None
    }
}

/// Returns the seed of the first case. A large `FORMULAC_SEED`, as displayed with a failure, generates exactly this
/// case. A small seed starts a different series of cases.
pub fn first_seed(series: u64) -> u64 {
    match number("FORMULAC_SEED", series) {
        shown @ 1_000_000.. => shown,
        series => series * 1_000_000,
    }
}

pub fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// Returns the dialects to be tested.
pub fn dialects() -> Vec<Dialect> {
    let chosen = env::var("FORMULAC_ENGINES").ok();
    Dialect::verified()
        .filter(|d| {
            chosen
                .as_ref()
                .is_none_or(|c| c.split(',').any(|name| name == d.name()))
        })
        .collect()
}

/// Compiles a spec that may read these metric sets. Returns the query, or the codes and messages of the errors. A model
/// built on one metric set must compile like the equivalent spec that contains the definitions of the metric set.
pub fn compile_query(
    sets: &[String],
    text: &str,
    schema: Schema,
    dialect: Dialect,
) -> Result<String, Vec<(String, String)>> {
    let compile = || {
        let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
        let sets: Vec<SpecText<'_>> = sets.iter().map(|text| SpecText { text, path: None }).collect();
        let sets = compiler.compile_specs(&sets);
        let faults = sets.iter().flat_map(CompiledSpec::diagnostics).filter(|d| d.is_error());
        let faults: Vec<_> = faults.map(|d| (d.code().to_owned(), d.message().to_owned())).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let compiled = compiler.with_models(&sets).compile_spec(text);
        if let Some(expanded) = compiled.expanded() {
            let written = compiler.compile_spec(expanded);
            if written.query() != compiled.query() || written.model_sql() != compiled.model_sql() {
                return Err(vec![("expanded".to_owned(), format!("other SQL than\n{expanded}"))]);
            }
        }
        compiled.query().map(str::to_owned).ok_or_else(|| {
            let errors = compiled.diagnostics().iter().filter(|d| d.is_error());
            errors.map(|d| (d.code().to_owned(), d.message().to_owned())).collect()
        })
    };
    let panicked = || Err(vec![("a panic".to_owned(), "of the compiler".to_owned())]);
    catch_unwind(AssertUnwindSafe(compile)).unwrap_or_else(|_| panicked())
}

pub fn messages(errors: &[(String, String)]) -> String {
    errors
        .iter()
        .map(|(code, message)| format!("{code} {message}"))
        .collect::<Vec<_>>()
        .join("; ")
}

/// Returns the case in human-readable form.
fn describe_case<C: Drawn>(case: &C) -> String {
    let mut texts = case.sets();
    texts.push(case.text());
    texts.join("\n")
}

fn query<C: Drawn>(case: &C, dialect: Dialect) -> Result<String, String> {
    compile_query(&case.sets(), &case.text(), case.schema(), dialect).map_err(|errors| messages(&errors))
}

fn check_answer<C: Drawn>(case: &C, dialect: Dialect, right: &C::Right, answer: &Answer) -> Option<String> {
    match answer {
        Ok(table) => case.find_difference(dialect, right, table),
        Err(error) => Some(format!("error: {error}")),
    }
}

#[allow(
    clippy::too_many_lines,
    reason = "this is one list of cases, to be split when a case is added"
)]
pub fn run<C: Drawn>() {
    let count = number(C::COUNT, C::OTHERWISE);
    let first = first_seed(1);
    let dialects = dialects();
    let cases = select_cases(first..first + count).map(C::draw);
    let (cases, rights): (Vec<C>, Vec<C::Right>) =
        cases.filter_map(|case| case.right().map(|right| (case, right))).unzip();
    if number("FORMULAC_SHOW", 0) != 0 {
        cases
            .iter()
            .for_each(|case| print_directly(&format!("seed {}:\n{}", case.seed(), describe_case(case))));
    }
    C::summarize(&cases, &rights)
        .iter()
        .for_each(|name| print_directly(&format!("{} {name}", C::SUITE)));
    let mut batches = Vec::new();
    let mut asked_by_dialect = Vec::new();
    let mut refused: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for dialect in &dialects {
        let share = match dialect.name() {
            "duckdb" | "postgres" => cases.len(),
            _ => cases.len().div_ceil(C::ONE_OF),
        };
        let mut batch = Batch::default();
        let mut asked: Vec<(usize, usize)> = Vec::new();
        let mut unsupported = 0;
        for (at, case) in cases.iter().enumerate().filter(|(_, case)| case.is_asked(*dialect)) {
            if asked.len() == share {
                break;
            }
            match query(case, *dialect) {
                Ok(query) => asked.push((at, batch.add(&query, &case.tables()))),
                Err(fault) if is_shift_within_period(&fault) => {}
                Err(fault) if is_unsupported(&fault) => unsupported += 1,
                Err(fault) => refused
                    .entry(format!("{} {fault}", dialect.name()))
                    .or_default()
                    .push(case.seed()),
            }
        }
        if unsupported > 0 {
            let dialect = dialect.name();
            print_directly(&format!(
                "{} {dialect}: {unsupported} have no SQL in the dialect (F0501)",
                C::SUITE
            ));
        }
        batches.push((*dialect, batch));
        asked_by_dialect.push(asked);
    }
    // The name includes the seed, so that two series that run at the same time keep separate batches.
    let runs = run_all(&format!("{}-{first}", C::SUITE), &batches);
    let mut failures: Vec<(Dialect, &C)> = Vec::new();
    for ((dialect, run), asked) in dialects.iter().zip(&runs).zip(&asked_by_dialect) {
        let answers = match run {
            Run::Missing(reason) => {
                announce_missing(*dialect, reason, asked.len());
                continue;
            }
            Run::Done(answers) => answers,
        };
        let (mut agreed, mut left_to_engine) = (0, 0);
        for (at, index) in asked {
            let answer = &answers[*index];
            if answer.as_ref().err().is_some_and(|error| C::may_fail(error)) {
                left_to_engine += 1;
            } else if check_answer(&cases[*at], *dialect, &rights[*at], answer).is_none() {
                agreed += 1;
            } else {
                failures.push((*dialect, &cases[*at]));
            }
        }
        let exempt = if left_to_engine > 0 {
            format!(", {left_to_engine} overflow")
        } else {
            String::new()
        };
        print_directly(&format!(
            "{} {}: {agreed} of {} {} agree{exempt}",
            C::SUITE,
            dialect.name(),
            asked.len(),
            C::KIND
        ));
    }
    for (fault, seeds) in &refused {
        let text = describe_case(&C::draw(seeds[0]));
        print_directly(&format!(
            "{}: {} refused: {fault}, such as seed {}:\n{text}",
            C::SUITE,
            seeds.len(),
            seeds[0]
        ));
    }
    let shown: Vec<String> = failures
        .iter()
        .take(number("FORMULAC_SHOWN", 3) as usize)
        .map(|(dialect, case)| shrunk(*dialect, *case))
        .collect();
    let seeds: Vec<String> = failures
        .iter()
        .take(20)
        .map(|(d, case)| format!("{} {}", d.name(), case.seed()))
        .collect();
    let count = failures.len();
    assert!(
        count == 0,
        "{count} answers differ: {}\n\n{}",
        seeds.join(", "),
        shown.join("\n\n")
    );
    let most = cases.len() * dialects.len() * C::REFUSED / 100;
    let count: usize = refused.values().map(Vec::len).sum();
    assert!(
        count <= most,
        "{count} cases are refused, at most {most} may be: {refused:#?}"
    );
}

/// Returns `true` if every error reports a PERIODOFFSET whose unit is shorter than the periods of the key. The compiler
/// rejects such offsets.
fn is_shift_within_period(fault: &str) -> bool {
    fault
        .split("; ")
        .all(|fault| fault.starts_with("F0430 ") && fault.contains(" has only one value per "))
}

/// Returns `true` if every error reports that the dialect has no SQL for a formula.
fn is_unsupported(fault: &str) -> bool {
    fault.split("; ").all(|fault| fault.starts_with("F0501 "))
}

/// Returns the smallest case that still fails, with its query and its error.
fn shrunk<C: Drawn>(dialect: Dialect, case: &C) -> String {
    let mut least: Option<C> = None;
    let mut output = String::new();
    for round in 0..SHRUNK {
        let mut tried: Vec<C> = Vec::new();
        if round == 0 {
            tried.push(C::draw(case.seed()));
        }
        if number("FORMULAC_SHRINK", 1) != 0 {
            tried.extend(least.as_ref().unwrap_or(case).smaller_cases());
        }
        let mut batch = Batch::default();
        let asked: Vec<(C, C::Right, String, usize)> = tried
            .into_iter()
            .filter_map(|case| {
                let query = query(&case, dialect).ok()?;
                let right = quietly(|| case.right())??;
                let index = batch.add(&query, &case.tables());
                Some((case, right, query, index))
            })
            .collect();
        let runs = run_all(&format!("{}-shrink-{}", C::SUITE, case.seed()), &[(dialect, batch)]);
        let Some(Run::Done(answers)) = runs.first() else { break };
        let failing = asked.into_iter().filter_map(|(case, right, query, index)| {
            let found = check_answer(&case, dialect, &right, &answers[index])?;
            Some((format!("{}\n{query}\n{found}", describe_case(&case)), case))
        });
        // The first case in the first round is the original case. Any other case that fails is smaller than the
        // original case.
        let Some((found, smaller)) = failing.take(if round == 0 { 2 } else { 1 }).last() else {
            break;
        };
        output = found;
        least = Some(smaller);
    }
    let tables = least.as_ref().unwrap_or(case).tables();
    let tables: Vec<String> = tables.iter().map(Json::to_string).collect();
    format!(
        "{} seed {}:\n{output}\n{}",
        dialect.name(),
        case.seed(),
        tables.join("\n")
    )
}

/// Returns the difference between the rows of a result and the expected rows.
pub fn rows_fault(
    wanted: &[Vec<Json>],
    got: &[Vec<Json>],
    ordered: bool,
    alike: impl Fn(&Json, &Json) -> bool,
) -> Option<String> {
    let equal = |a: &Vec<Json>, b: &Vec<Json>| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b));
    let mut left: Vec<&Vec<Json>> = got.iter().collect();
    let right = wanted.len() == got.len()
        && match ordered {
            true => wanted.iter().zip(got).all(|(a, b)| equal(a, b)),
            false => wanted.iter().all(|row| {
                left.iter()
                    .position(|other| equal(row, other))
                    .map(|at| left.swap_remove(at))
                    .is_some()
            }),
        };
    (!right).then(|| format!("gives    {}\nexpected {}", lines(got), lines(wanted)))
}

/// Returns `true` if two values are equal. Numbers from an emulator are compared with `tolerance`, because its
/// quotients have six decimal places, like quotients of NUMBER in the warehouse.
pub fn values_near(dialect: Dialect, a: &Json, b: &Json, tolerance: f64) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) if is_emulator(dialect) => (a - b).abs() <= tolerance * a.abs().max(1.0),
        _ => values_equal(a, b),
    }
}

fn lines(rows: &[Vec<Json>]) -> String {
    let row = |row: &Vec<Json>| Json::Array(row.clone()).to_string();
    rows.iter().map(row).collect::<Vec<_>>().join("\n         ")
}
