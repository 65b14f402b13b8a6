//! Compares the values of a formula with the values of the same formula in a different form.
//!
//! Each sheet of formulas is rewritten in one of several ways, which are used in turn. `FORMULAC_WAY=renamed` rewrites
//! all sheets in the same way. The variables that select formulas are in `metamorphic.rs`.

use std::env;

use formulac::{Dialect, Level, Schema, Type};
use serde_json::Value as Json;

use crate::agreement::{self, find_difference, share};
use crate::batch::Batch;
use crate::drawn::{self, number};
use crate::engine::{Run, announce_missing, print_directly, run_all};
use crate::expr::InterpreterExpr;
use crate::forms::Known;
use crate::formula_sheets::{Formula, Sheet};
use crate::formula_tables::{GROUP, KEY};
use crate::metamorphic::{PART, compiler, fail_on, names, renamed_part, sheets, with_named_part};
use crate::random::Random;
use crate::rewritten::{rename_columns, rewritten};
use crate::skipped_cases;
use crate::value::Value;
use crate::warehouse_rules::without_constraints;
use crate::written::yaml;

/// Number of formulas, beyond 5 % of all formulas, that may be impossible to rewrite if a run tests a small sample.
const SAMPLING_MARGIN: usize = 6;

/// A rewritten sheet: its query, its tables, and the formulas with their expected values.
struct Other {
    query: String,
    tables: Vec<Json>,
    formulas: Vec<Formula>,
}

/// Rewrites a sheet. Returns an error with the reason if the sheet cannot be rewritten in this way.
type Way = fn(&Sheet, Dialect, &mut Random) -> Result<Other, String>;

const WAYS: [(&str, Way); 5] = [
    ("renamed", with_other_names),
    ("parts", with_parts),
    ("literals", with_literals),
    ("compiled", by_compile),
    ("unknown", with_nothing_known),
];

fn rewritten_query(sheet: &Sheet, schema: Schema, text: &str, dialect: Dialect) -> Result<Other, String> {
    let query = drawn::compile_query(&[], text, schema, dialect).map_err(|errors| drawn::messages(&errors))?;
    Ok(Other {
        query,
        tables: sheet.database.json(),
        formulas: sheet.formulas.clone(),
    })
}

fn with_other_names(sheet: &Sheet, dialect: Dialect, random: &mut Random) -> Result<Other, String> {
    let sheet = rename_columns(sheet, &names(sheet, random));
    rewritten_query(&sheet, sheet.database.schema(), &sheet.text(), dialect)
}

/// Rewrites the sheet so that a part of each formula has a separate definition.
fn with_parts(sheet: &Sheet, dialect: Dialect, random: &mut Random) -> Result<Other, String> {
    let mut spec = sheet.spec(&sheet.formulas);
    let definitions = std::mem::take(&mut spec.steps[0].definitions);
    spec.steps[0].definitions = definitions
        .into_iter()
        .flat_map(|(name, x)| match with_named_part(&x, random) {
            Some((part, whole)) => {
                let whole = renamed_part(&whole, &name);
                vec![(format!("{PART}{name}"), part), (name, whole)]
            }
            None => vec![(name, x)],
        })
        .collect();
    rewritten_query(sheet, sheet.database.schema(), &yaml(&spec), dialect)
}

/// Rewrites the sheet so that its table has only one of the rows, and the formulas contain that row's values as
/// literals.
fn with_literals(sheet: &Sheet, dialect: Dialect, random: &mut Random) -> Result<Other, String> {
    let rows = sheet.database.tables[0].rows.len();
    if sheet.level != Level::Row || rows == 0 {
        return with_other_names(sheet, dialect, random);
    }
    let mut sheet = sheet.clone();
    let at = random.random_below(rows);
    // The expected values are in key order.
    let table = &mut sheet.database.tables[0];
    table.rows.sort_by_key(|row| row[0].number().map(|n| n as i64));
    table.rows = vec![table.rows.swap_remove(at)];
    let value = |name: &str| {
        let at = table
            .columns
            .iter()
            .position(|column| column.name == name && column.name != KEY)?;
        // NULL and times have no literals, and a literal with a decimal point is not a float.
        let has_literal =
            table.columns[at].ty != Type::Float && !matches!(table.rows[0][at], Value::Null | Value::Time(_));
        has_literal.then(|| table.rows[0][at].clone())
    };
    for formula in &mut sheet.formulas {
        formula.expected = vec![formula.expected[at].clone()];
        formula.expr = rewritten(&formula.expr, &mut |x| match x {
            InterpreterExpr::Name(name) => value(name).map(InterpreterExpr::Literal),
            _ => None,
        });
    }
    rewritten_query(&sheet, sheet.database.schema(), &sheet.text(), dialect)
}

/// Rewrites the sheet as a query of expressions that `compile` returns.
fn by_compile(sheet: &Sheet, dialect: Dialect, _: &mut Random) -> Result<Other, String> {
    let lines: Vec<String> = sheet
        .formulas
        .iter()
        .map(|f| format!("{} = {}", f.name, f.expr))
        .collect();
    let compiled = compiler(sheet, dialect).compile(&lines.join("\n"));
    if let Some(error) = compiled.diagnostics().iter().find(|d| d.is_error()) {
        return Err(format!("{} {}", error.code(), error.message()));
    }
    let answer = |d: &formulac::Definition| format!("{} as {}", d.sql(), d.name().unwrap_or_default());
    let answers: Vec<String> = compiled.definitions().iter().map(answer).collect();
    let (key, group) = match sheet.level {
        Level::Aggregate => (GROUP, format!("group by {GROUP}")),
        _ => (KEY, String::new()),
    };
    let (answers, table) = (answers.join(", "), &sheet.database.tables[0].name);
    let order = format!("order by case when {key} is null then 1 else 0 end, {key}");
    let query = format!("select {key}, {answers} from {table} {group} {order}");
    Ok(Other {
        query,
        tables: sheet.database.json(),
        formulas: sheet.formulas.clone(),
    })
}

fn with_nothing_known(sheet: &Sheet, dialect: Dialect, _: &mut Random) -> Result<Other, String> {
    rewritten_query(
        sheet,
        without_constraints(&sheet.database.schema()),
        &sheet.text(),
        dialect,
    )
}

/// Returns a copy of the sheet that contains only formulas that the dialect supports and that its test engine computes
/// like the warehouse.
fn supported_sheet(sheet: &Sheet, dialect: Dialect, facts: &Known) -> Sheet {
    let mut sheet = sheet.clone();
    let has = |formulas: &[Formula], sheet: &Sheet| {
        agreement::compile_spec(&sheet.database, &sheet.spec(formulas), dialect).is_ok()
    };
    sheet.formulas.retain(|formula| facts.gap(dialect, formula).is_none());
    if !has(&sheet.formulas, &sheet) {
        let all = sheet.clone();
        sheet
            .formulas
            .retain(|formula| has(std::slice::from_ref(formula), &all));
    }
    sheet
}

/// Returns one sheet for each formula.
fn single_formula_sheets(sheet: &Sheet) -> Vec<Sheet> {
    let of = |formula: &Formula| Sheet {
        formulas: vec![formula.clone()],
        ..sheet.clone()
    };
    sheet.formulas.iter().map(of).collect()
}

/// Query for a dialect's engine: the number of a sheet, the sheet, its rewritten form, and the index of the result.
type Asked = (usize, Sheet, Other, usize);

struct Asking {
    dialect: Dialect,
    ways: Vec<(&'static str, Way)>,
    batch: Batch,
    queries: Vec<Asked>,
}

impl Asking {
    fn rewriting(&self, at: usize) -> (&'static str, Way) {
        self.ways[at % self.ways.len()]
    }

    fn ask(&mut self, at: usize, sheet: &Sheet) -> Result<(), String> {
        let other = self.rewriting(at).1(sheet, self.dialect, &mut Random::new(at as u64))?;
        let index = self.batch.add(&other.query, &other.tables);
        self.queries.push((at, sheet.clone(), other, index));
        Ok(())
    }
}

/// Checks that formulas return the same values in each of these forms: with other column names, with a separate
/// definition for a part, with literals instead of columns, through `compile` instead of a spec, and without declared
/// keys and NOT NULL columns.
pub fn run() {
    let (known, sheets) = sheets();
    let chosen = env::var("FORMULAC_WAY").ok();
    let ways = WAYS
        .into_iter()
        .filter(|(name, _)| chosen.as_ref().is_none_or(|chosen| chosen == name));
    let ways: Vec<(&str, Way)> = ways.collect();
    let mut faults = Vec::new();
    let mut failed: Vec<(Dialect, Sheet, String)> = Vec::new();
    let mut askings = Vec::new();
    for dialect in drawn::dialects() {
        let mut asking = Asking {
            dialect,
            ways: ways.clone(),
            batch: Batch::default(),
            queries: Vec::new(),
        };
        let mut left_out = 0;
        for (at, sheet) in sheets.iter().enumerate().take(share(dialect, sheets.len())) {
            let sheet = supported_sheet(sheet, dialect, known);
            if sheet.formulas.is_empty() || asking.ask(at, &sheet).is_ok() {
                continue;
            }
            // Some formulas cannot be rewritten in this way. For example, a literal cannot replace an argument that
            // must be a column.
            for sheet in single_formula_sheets(&sheet) {
                let Err(why) = asking.ask(at, &sheet) else { continue };
                left_out += 1;
                if number("FORMULAC_SHOW", 0) != 0 {
                    print_directly(&format!(
                        "{} {}: {why}: {}",
                        dialect.name(),
                        asking.rewriting(at).0,
                        sheet.formulas[0].expr
                    ));
                }
            }
        }
        let all: usize = sheets.iter().map(|sheet| sheet.formulas.len()).sum();
        let margin = skipped_cases::number().map_or(0, |_| SAMPLING_MARGIN);
        assert!(
            left_out * 20 <= all + margin * 20,
            "{left_out} of {all} formulas cannot be written otherwise on {}",
            dialect.name()
        );
        askings.push(asking);
    }
    // If one of many formulas fails, each formula is run separately.
    for round in ["", " alone"] {
        let batches: Vec<(Dialect, Batch)> = askings
            .iter_mut()
            .map(|asking| (asking.dialect, std::mem::take(&mut asking.batch)))
            .collect();
        for (asking, run) in askings.iter_mut().zip(run_all(
            &format!("metamorphic-{}", number("FORMULAC_SEED", 3)),
            &batches,
        )) {
            let asked = std::mem::take(&mut asking.queries);
            let answers = match run {
                Run::Missing(reason) => {
                    announce_missing(asking.dialect, &reason, asked.len());
                    continue;
                }
                Run::Done(answers) => answers,
            };
            let (name, mut agreed) = (asking.dialect.name(), 0);
            for (at, sheet, other, index) in asked {
                let way = asking.rewriting(at).0;
                let table = match &answers[index] {
                    Ok(table) => table,
                    Err(error) if sheet.formulas.len() == 1 => {
                        let fault = format!("{name} {way}: {}\n{error}\n{}", sheet.formulas[0].expr, other.query);
                        failed.push((asking.dialect, sheet, fault));
                        continue;
                    }
                    Err(_) => {
                        faults.extend(
                            single_formula_sheets(&sheet)
                                .iter()
                                .filter_map(|sheet| asking.ask(at, sheet).err()),
                        );
                        continue;
                    }
                };
                for formula in &other.formulas {
                    match find_difference(asking.dialect, known.tolerance(formula), formula, table) {
                        None => agreed += 1,
                        Some(difference) => {
                            faults.push(format!("{name} {way}: {}\n{difference}\n{}", formula.expr, other.query));
                        }
                    }
                }
            }
            print_directly(&format!(
                "metamorphic {name}: {agreed} formulas have the same values{round}"
            ));
        }
    }
    faults.extend(
        failed
            .into_iter()
            .filter_map(|(dialect, sheet, fault)| runs_as_it_is(&sheet, dialect).then_some(fault)),
    );
    fail_on(&faults);
}

/// Returns `true` if the engine can run the original sheet. Otherwise, the rewritten sheets cannot be compared.
fn runs_as_it_is(sheet: &Sheet, dialect: Dialect) -> bool {
    let Ok(as_it_is) = rewritten_query(sheet, sheet.database.schema(), &sheet.text(), dialect) else {
        return false;
    };
    let mut batch = Batch::default();
    batch.add(&as_it_is.query, &as_it_is.tables);
    let runs = run_all(
        &format!("metamorphic-{}-as-it-is", number("FORMULAC_SEED", 3)),
        &[(dialect, batch)],
    );
    matches!(runs.first(), Some(Run::Done(answers)) if answers.iter().all(Result::is_ok))
}
