//! For every form that the generator writes, converts the SQL back to a formula. The test generates the file from a
//! different formula and treats the SQL of the definition as a manual edit.

use std::sync::OnceLock;

use formulac::decompile::{Decompiler, SqlEdits, is_equivalent_sql, with_formula};
use formulac::{Compiler, Dialect};

use crate::corpus::{Cell, functions, specs};
use crate::skipped_cases::is_left_out;

/// All suites share the decompiler and its caches.
static DECOMPILER: OnceLock<Decompiler> = OnceLock::new();

/// Result for a cell in a dialect.
enum Outcome {
    Back,
    Lost(String),
}

/// Replacement formulas for the definition. The first formula that compiles and gives different SQL is used.
const OTHERS: [&str; 6] = ["1", "COUNT()", "TODAY()", "\"x\"", "1.5", "TRUE"];

/// Cells that are not converted back yet, each with its dialect, its formula and a part of its spec. A cell that is
/// converted back must not be listed here.
const LOST: &[(&str, &str, &str)] = &[
    // The SQL is NULL for every value of `x`.
    ("*", "TEXTSPLIT(x, \"\", 1)", ""),
    ("*", "TEXTSPLIT(x, \"-\", 0)", ""),
    // If these arguments are literals, the interest compiles to a conditional logarithm.
    ("*", "IPMT(rate, 2, 10, 1000)", ""),
    // A random value that is computed once becomes a column, and no name in the formula refers to this column.
    ("*", "LET(drawn, RAND(), drawn = drawn)", ""),
    // The position is computed from a key.
    ("*", "SMALL(price, amount / 10 + 1)", ""),
    // Only positions with a few digits are tried.
    ("duckdb", "SMALL(on, 1000000)", ""),
    ("duckdb", "SMALL(x, 1000000)", ""),
    ("duckdb", "LARGE(x, 1000000)", ""),
    // For dates on BigQuery, only years that are columns or literals are tried.
    ("bigquery", "DATE(SUM(y), 2, 1)", ""),
    // For numbers of unknown type, Snowflake's SQL contains a CASE that is read as IF.
    ("snowflake", "MOD(id, 7)", ""),
    ("snowflake", "MOD(largest + total, 7)", ""),
    ("snowflake", "MOD(MOD(amount, 100), 7)", ""),
    // On BigQuery, a number with more than nine decimal places is a text that is converted.
    ("bigquery", "x * 1.08345678912", ""),
    // Only delimiters that are literals are tried.
    ("*", "TEXTJOIN(\"a\" & CHAR(10) & UNICHAR(8364) & 1, TRUE, x)", ""),
    ("duckdb", "TEXTJOIN(LOWER(\"A\"), TRUE, x)", ""),
    ("postgres", "TEXTJOIN(LOWER(\"A\"), TRUE, x)", ""),
    // The SQL contains unusual aliases from the template.
    ("bigquery", "SUBSTITUTE(part_, \"-\", \"+\", number_)", ""),
    ("postgres", "SUBSTITUTE(part_, \"-\", \"+\", number_)", ""),
    // A text with a literal next to it becomes `&`, whose SQL replaces NULL.
    ("*", "TEXT(x, \"@\"\" !\"\"\")", ""),
    ("*", "TEXT(x, \"0;-0;0;(@)\")", ""),
    ("duckdb", "TEXT(x, \"0.00 [$€-407]\")", ""),
    // For elapsed times, only common number formats are tried.
    ("*", "TEXT(x, \"[h] \"\"h\"\" mm \"\"min\"\"\")", ""),
    // For scientific notation, only common number formats are tried, too.
    ("*", "TEXT(x, \"0.0E-0\"\" m\"\"\")", ""),
    ("*", "TEXT(x, \"0.0E+0;(0.0E+0)\")", ""),
    // For floats on Snowflake and DuckDB, only common number formats are tried.
    ("snowflake", "TEXT(x, \"000%;(#.0%)\")", ""),
    ("duckdb", "TEXT(x, \"000%;(#.0%)\")", ""),
    ("duckdb", "TEXT(x, \"(0.0)\")", ""),
    ("duckdb", "TEXT(x, \"+0;-0.0;\"\"none\"\"\")", ""),
    (
        "duckdb",
        "TEXT(x, \"0.000\") & \" \" & TEXT(x, \"#,##0\") & \" \" & TEXT(x, \"00000.0\") & \" \" & TEXT(x, \"0.0%\")",
        "",
    ),
    // The day to which the time is added is not an argument.
    ("snowflake", "TEXT(TIME(h, m, s), \"hh:mm:ss AM/PM\")", ""),
    // Both dates are literals, so their holidays are counted once for all rows.
    ("*", "NETWORKDAYS(\"2024-12-23\", \"2025-01-03\", 'Holidays'!A:A)", ""),
    ("*", "NETWORKDAYS(\"2024-12-23\", \"2025-01-03\", 'None'!A:A)", ""),
    // The column comes from a metric set. The tests in `tests/sync/set_edits` cover edits to metric sets.
    ("*", "IF(ISBLANK(segment), \"Unassigned\", segment)", ""),
    // The SQL adds an interval to the constant, so the constant itself is not an operand of the comparison.
    ("duckdb", "seen_at[hour] <= \"2024-02-01 12:00\"", ""),
    // The SQL reads the relation under an alias, because an output column has the same name as the relation.
    ("bigquery", "COUNT(DISTINCT(customers.id))", "orders = COUNT()"),
    // The quotient in the SQL of the remainder is converted to FLOOR and ROUND.
    ("snowflake", "ROUND(MOD(amount * 2, 7), 1)", ""),
    // The first step of the union has no such column.
    ("*", "MAX(best)", "scored"),
    ("*", "SUM(paid)", "scored"),
    // The SQL compares arrays of the keys that may be NULL.
    (
        "postgres",
        "=XLOOKUP(C1 - 1, C:C, B:B, \"none\", -1)",
        "partition_by: half",
    ),
];

/// Converts the SQL of a cell back to a formula. Returns `None` if the dialect rejects the spec, or if no replacement
/// formula gives different SQL.
fn outcome(cell: &Cell, dialect: Dialect, decompiler: &Decompiler) -> Option<Outcome> {
    let compiler = Compiler::builder().dialect(dialect).schema(cell.schema.clone()).build();
    let compiled = compiler.compile_spec(&cell.spec);
    let found = compiled.model_sql()?;
    let step = cell.step.as_deref();
    let base = OTHERS.iter().find_map(|other| {
        let spec = with_formula(&cell.spec, step, &cell.definition, other).ok()?;
        let written = compiler.compile_spec(&spec).model_sql()?.to_owned();
        (!SqlEdits::from_texts(&written, found, dialect).is_empty()).then_some(spec)
    })?;
    Some(
        match decompiler.find_formula(&compiler, &base, None, found, step, &cell.definition) {
            Ok(formula) => {
                let back = with_formula(&base, step, &cell.definition, &formula).unwrap();
                let again = compiler.compile_spec(&back);
                let again = again
                    .model_sql()
                    .unwrap_or_else(|| panic!("{formula} does not compile"));
                let edits = SqlEdits::from_texts(again, found, dialect);
                // The helper columns of an equivalent formula may have other names.
                assert!(
                    edits.is_empty() || is_equivalent_sql(again, found, dialect),
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

/// Returns `true` if the decompiler tries no formula for a cell, so that an edit to its SQL remains a manual edit. Such
/// cells contain calendar ranges, FIRST or LAST with a unit, values of a step with `since` or `until`, or `1/0` for
/// NULL, and calls with more than 100 arguments.
fn is_not_decompiled(cell: &Cell) -> bool {
    let with_unit = ["FIRST(x, \"month\")", "LAST(x, \"month\")"];
    // `FIRST(x, "year"):x` is a calendar range, too.
    let is_range =
        cell.formula.contains("PERIODOFFSET(") && cell.formula.contains("):") || cell.formula.contains("\"):");
    let keys = ["since:", "until:"];
    let mut lines = cell.spec.lines().map(str::trim_start);
    let has_periods = lines.any(|line| keys.iter().any(|key| line.trim_start_matches("- ").starts_with(key)));
    cell.group.contains("ranges by the calendar")
        || cell.group.contains("many arguments")
        || with_unit.contains(&cell.formula.as_str())
        || is_range
        || has_periods
        || cell.formula.replace(' ', "").contains("1/0")
        // If an offset leads outside of all dates or rows, the SQL is NULL.
        || ["-99999999999", "INDEX(B:B, -1)"].iter().any(|part| cell.formula.contains(part))
}

/// Checks that the cells of a suite are converted back in a dialect.
///
/// To save time, each cell is checked in only one dialect. `FORMULAC_EIGHTH=0` to `FORMULAC_EIGHTH=7` limits the run
/// to an eighth of these cells. `FORMULAC_CASES` selects cells that are checked in every dialect, and prints the reason
/// if a cell is not converted back. An empty string selects all cells.
fn check(cells: &[Cell], dialect: Dialect) {
    let filter = std::env::var("FORMULAC_CASES").ok();
    let turn = Dialect::all().position(|other| other == dialect).unwrap_or_default();
    let decompiler = DECOMPILER.get_or_init(Decompiler::default);
    let mut lost = Vec::new();
    let mut count = 0;
    for (at, cell) in cells.iter().enumerate() {
        if is_not_decompiled(cell) {
            continue;
        }
        let name = format!("{}\t{}", cell.group, cell.formula);
        let is_picked = filter
            .as_ref()
            .map_or(at % 4 == turn && !is_left_out(at / 4, cells.len() / 4), |filter| {
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
        filter.is_some() || count > cells.len() / 64,
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
