//! Every form that the generator writes, back to a formula: the definition is taken for another, its SQL for a hand edit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
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

/// How the cells of a suite fare in a dialect: counts by group, and each that is lost with the reason.
///
/// Each cell is looked at in one dialect, in turn: all in all dialects take long. `FORMULAC_CASES` shows those of a name
/// in all of them.
fn check(suite: &str, cells: &[Cell], dialect: Dialect) {
    let filter = std::env::var("FORMULAC_CASES").ok();
    let turn = Dialect::all().position(|other| other == dialect).unwrap_or_default();
    let decompiler = DECOMPILER.get_or_init(Decompiler::default);
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut lost = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        let name = format!("{}\t{}\t", cell.group, cell.formula.replace(['\t', '\n'], " "));
        let is_picked = filter.as_ref().map_or(at % 4 == turn, |filter| name.contains(filter.as_str()));
        let Some(outcome) = is_picked.then(|| outcome(cell, dialect, decompiler)).flatten() else { continue };
        let counts = counts.entry(&cell.group).or_default();
        counts.1 += 1;
        match outcome {
            Outcome::Back => counts.0 += 1,
            Outcome::Lost(reason) => lost.push(format!("{name}{}", reason.replace(['\t', '\n'], " "))),
        }
    }
    lost.sort();
    lost.dedup();
    let (back, all) = counts.values().fold((0, 0), |(back, all), c| (back + c.0, all + c.1));
    if filter.is_some() {
        println!("{dialect}: {back} of {all} come back\n{}", lost.join("\n"));
        return;
    }
    let mut text = String::from("group\tback\tof\n");
    for (group, (back, all)) in &counts {
        let _ = writeln!(text, "{group}\t{back}\t{all}");
    }
    let _ = write!(text, "all\t{back}\t{all}\n\nlost\tformula\twhy\n{}\n", lost.join("\n"));
    let path = root().join(format!("tests/decompile/back/{suite}_{dialect}.tsv"));
    if std::env::var("FORMULAC_WRITE").is_ok() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let new: Vec<&str> = text.lines().filter(|line| !kept.lines().any(|kept| kept == *line)).collect();
    assert!(kept == text, "{} is no longer true, see FORMULAC_WRITE=1; new:\n{}", path.display(), new.join("\n"));
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
