//! Every form that the generator writes, back to a formula: the definition is taken for another, its SQL for a hand edit.

use std::sync::OnceLock;

use formulac::decompile::{Decompiler, Edits, with_formula};
use formulac::{Compiler, Dialect};

use crate::corpus::{Cell, functions, specs};

/// What was learned serves all suites.
static DECOMPILER: OnceLock<Decompiler> = OnceLock::new();

/// What came of a cell in a dialect.
enum Outcome {
    Back,
    Lost(String),
}

/// Formulas that the definition is taken for: the first that compiles and gives other SQL.
const OTHERS: [&str; 6] = ["1", "COUNT()", "TODAY()", "\"x\"", "1.5", "TRUE"];

/// Cells that do not come back yet: the dialect, the formula, and a part of the spec. A cell that comes back must not be
/// listed.
const LOST: [(&str, &str, &str); 14] = [
    // The key is in no output of its own.
    ("postgres", "sold_on[week] + 1", "order_by: later\ndefinitions"),
    // Two counts of different values share a helper column.
    ("postgres", "COUNT(DISTINCT(kind:kind))", ""),
    // A place that is computed from a key.
    ("*", "SMALL(price, amount / 10 + 1)", ""),
    // Aliases of the template have other names than usual.
    ("bigquery", "SUBSTITUTE(part_, \"-\", \"+\", number_)", ""),
    ("postgres", "SUBSTITUTE(part_, \"-\", \"+\", number_)", ""),
    // Of elapsed times only the usual masks are tried.
    ("*", "TEXT(x, \"[h] \"\"h\"\" mm \"\"min\"\"\")", ""),
    // Of numbers with a power of ten, too.
    ("*", "TEXT(x, \"0.0E-0\"\" m\"\"\")", ""),
    ("*", "TEXT(x, \"0.0E+0;(0.0E+0)\")", ""),
    // The day that the time is added to is no argument.
    ("snowflake", "TEXT(TIME(h, m, s), \"hh:mm:ss AM/PM\")", ""),
    // A number of days that a column has goes both ways, so that four columns of helpers stand for it.
    ("*", "WORKDAY(ordered_on, days, 'Holidays'!B:B)", ""),
    ("*", "WORKDAY(seen_at, share, 'Closings'!A:A)", ""),
    // Two literals whose holidays are counted once for all rows.
    ("*", "NETWORKDAYS(\"2024-12-23\", \"2025-01-03\", 'Holidays'!A:A)", ""),
    ("*", "NETWORKDAYS(\"2024-12-23\", \"2025-01-03\", 'None'!A:A)", ""),
    // Numbers past 32 bits.
    (
        "duckdb",
        "REPLACE(x, 5, 2147483648, \"x\") & REPLACE(x, -2147483649, 1, \"x\")",
        "",
    ),
];

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
    Some(
        match decompiler.formula(&compiler, &base, None, found, step, &cell.definition) {
            Ok(formula) => {
                let back = with_formula(&base, step, &cell.definition, &formula).unwrap();
                let again = compiler.compile_spec(&back);
                let again = again
                    .model_sql()
                    .unwrap_or_else(|| panic!("{formula} does not compile"));
                let edits = Edits::between(again, found, dialect);
                assert!(
                    edits.is_empty(),
                    "{dialect}: {} became {formula}: {edits:?}",
                    cell.formula
                );
                Outcome::Back
            }
            Err(reason) => {
                if std::env::var("FORMULAC_CASES").is_ok() {
                    println!("{dialect}: {}: {reason}\n{found}", cell.formula);
                }
                Outcome::Lost(reason.to_string())
            }
        },
    )
}

/// Checks that the cells of a suite come back in a dialect.
///
/// To save time, each cell is checked in one dialect only, and `FORMULAC_HALF=0` or `FORMULAC_HALF=1` limits the run to half
/// of these cells. `FORMULAC_CASES` names cells that are checked in every dialect, with the reason if one is lost; an empty
/// string names all cells.
fn check(cells: &[Cell], dialect: Dialect) {
    let filter = std::env::var("FORMULAC_CASES").ok();
    let half: Option<usize> = std::env::var("FORMULAC_HALF").ok().and_then(|half| half.parse().ok());
    let turn = Dialect::all().position(|other| other == dialect).unwrap_or_default();
    let decompiler = DECOMPILER.get_or_init(Decompiler::default);
    let mut lost = Vec::new();
    let mut count = 0;
    for (at, cell) in cells.iter().enumerate() {
        let name = format!("{}\t{}", cell.group, cell.formula);
        let is_picked = filter
            .as_ref()
            .map_or(at % 4 == turn && half.is_none_or(|half| at / 4 % 2 == half), |filter| {
                name.contains(filter.as_str())
            });
        let Some(outcome) = is_picked.then(|| outcome(cell, dialect, decompiler)).flatten() else {
            continue;
        };
        count += 1;
        let is_listed = LOST.iter().any(|(of, formula, part)| {
            (*of == "*" || *of == dialect.name()) && *formula == cell.formula && cell.spec.contains(part)
        });
        match outcome {
            Outcome::Lost(reason) if !is_listed => lost.push(format!("{name}\t{reason}")),
            Outcome::Back if is_listed => lost.push(format!("{name}\tcomes back, and is listed as lost")),
            _ => {}
        }
    }
    println!("{dialect}: {} of {count} come back", count - lost.len());
    assert!(lost.is_empty(), "{dialect}: {lost:#?}");
    assert!(
        filter.is_some() || count > cells.len() / 16,
        "{count} of {} cells were looked at",
        cells.len()
    );
}

macro_rules! suites {
    ($($name:ident $cells:ident $dialect:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            check(&$cells(), $dialect.parse().unwrap());
        })*
    };
}

suites! {
    functions_of_bigquery functions "bigquery",
    functions_of_snowflake functions "snowflake",
    functions_of_postgres functions "postgres",
    functions_of_duckdb functions "duckdb",
    specs_of_bigquery specs "bigquery",
    specs_of_snowflake specs "snowflake",
    specs_of_postgres specs "postgres",
    specs_of_duckdb specs "duckdb",
}
