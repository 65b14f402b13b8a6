//! Every form that the generator writes, back to a formula: the definition is taken for another, its SQL for a hand edit.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use formulac::decompile::{Decompiler, Edits, with_formula};
use formulac::{Compiler, Dialect};

use crate::corpus::{Cell, functions, root, specs};

/// What was learned serves all suites.
static DECOMPILER: OnceLock<Decompiler> = OnceLock::new();

/// What came of a cell in a dialect.
enum Outcome {
    Back,
    Lost(String),
}

/// Formulas that the definition is taken for: the first that compiles and gives other SQL.
const OTHERS: [&str; 6] = ["1", "COUNT()", "TODAY()", "\"x\"", "1.5", "TRUE"];

/// None where the dialect refuses the spec, or where there is no SQL that differs.
fn outcome(cell: &Cell, dialect: Dialect, decompiler: &Decompiler) -> Option<Outcome> {
    let compiler = Compiler::builder().dialect(dialect).schema(cell.schema.clone()).build();
    let compiled = compiler.compile_spec(&cell.spec);
    let found = compiled.model_sql()?;
    let step = cell.step.as_deref();
    let base = OTHERS.iter().find_map(|other| {
        let spec = with_formula(&cell.spec, step, &cell.definition, other).ok()?;
        let written = compiler.compile_spec(&spec).model_sql()?.to_owned();
        (!Edits::between(&written, found, dialect).is_empty()).then_some(spec)
    })?;
    Some(match decompiler.formula(&compiler, &base, None, found, step, &cell.definition) {
        Ok(formula) => {
            let back = with_formula(&base, step, &cell.definition, &formula).unwrap();
            let again = compiler.compile_spec(&back);
            let again = again.model_sql().unwrap_or_else(|| panic!("{formula} does not compile"));
            let edits = Edits::between(again, found, dialect);
            assert!(edits.is_empty(), "{dialect}: {} became {formula}: {edits:?}", cell.formula);
            Outcome::Back
        }
        Err(reason) => {
            if std::env::var("FORMULAC_CASES").is_ok() {
                println!("{dialect}: {}: {reason}\n{found}", cell.formula);
            }
            Outcome::Lost(reason.to_string())
        }
    })
}

/// The table of a suite names the cells that are lost in a dialect, each with the reason; all others come back.
///
/// Each cell is looked at in one dialect, in turn: all in all dialects take long. `FORMULAC_CASES` shows those of a name
/// in all of them, and `FORMULAC_WRITE` looks at all cells and writes the table anew.
fn check(suite: &str, cells: &[Cell], dialect: Dialect) {
    let filter = std::env::var("FORMULAC_CASES").ok();
    let writes = std::env::var("FORMULAC_WRITE").is_ok();
    let turn = Dialect::all().position(|other| other == dialect).unwrap_or_default();
    let decompiler = DECOMPILER.get_or_init(Decompiler::default);
    let (mut lost, mut back) = (BTreeSet::new(), BTreeSet::new());
    let mut count = 0;
    for (at, cell) in cells.iter().enumerate() {
        let name = format!("{}\t{}\t", cell.group, cell.formula.replace(['\t', '\n'], " "));
        let is_picked = filter.as_ref().map_or(writes || at % 4 == turn, |filter| name.contains(filter.as_str()));
        let Some(outcome) = is_picked.then(|| outcome(cell, dialect, decompiler)).flatten() else { continue };
        count += 1;
        match outcome {
            Outcome::Back => back.insert(name),
            Outcome::Lost(reason) => lost.insert(format!("{name}{}", reason.replace(['\t', '\n'], " "))),
        };
    }
    let lines: Vec<&str> = lost.iter().map(String::as_str).collect();
    if filter.is_some() {
        println!("{dialect}: {} of {count} come back\n{}", count - lost.len(), lines.join("\n"));
        return;
    }
    let path = root().join(format!("tests/decompile/back/{suite}_{dialect}.tsv"));
    if writes {
        println!("{suite} {dialect}: {} of {count} come back", count - lost.len());
        let table: String = ["group\tformula\twhy"].iter().chain(&lines).map(|line| format!("{line}\n")).collect();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, table).unwrap();
        return;
    }
    assert!(count > cells.len() / 8, "{count} of {} cells were looked at", cells.len());
    let known = std::fs::read_to_string(&path).unwrap();
    let known: BTreeSet<&str> = known.lines().skip(1).collect();
    let new: Vec<&&str> = lines.iter().filter(|line| !known.contains(**line)).collect();
    let is_back = |line: &&&str| back.iter().any(|name| line.starts_with(name.as_str()));
    let gone: Vec<&&str> = known.iter().filter(is_back).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "{} is no longer true, see FORMULAC_WRITE=1; lost: {new:#?}, back: {gone:#?}",
        path.display()
    );
}

macro_rules! suites {
    ($($name:ident $suite:literal $cells:ident $dialect:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            check($suite, &$cells(), $dialect.parse().unwrap());
        })*
    };
}

suites! {
    functions_of_bigquery "functions" functions "bigquery",
    functions_of_snowflake "functions" functions "snowflake",
    functions_of_postgres "functions" functions "postgres",
    functions_of_duckdb "functions" functions "duckdb",
    specs_of_bigquery "specs" specs "bigquery",
    specs_of_snowflake "specs" specs "snowflake",
    specs_of_postgres "specs" specs "postgres",
    specs_of_duckdb "specs" specs "duckdb",
}
