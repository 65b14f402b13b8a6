//! Tests row functions with every combination of selected values (`grid.yml`). The results on all engines are compared
//! with the interpreter's results.
//!
//! `FORMULAC_CASES=datedif` selects the formulas that contain this text, and `FORMULAC_ENGINES=duckdb,postgres` selects
//! engines. This test covers all pairs of arguments, because random formulas rarely contain the pair for which an
//! engine differs.

use std::collections::BTreeMap;

use formulac::parse::parse;
use formulac::{Column, Compiler, Dialect, Relation, Schema, Type};
use serde_json::{Value as Json, json};

use crate::batch::Batch;
use crate::compare::values_equal;
use crate::engine::{Run, announce_missing, is_emulator, print_directly, run_all};
use crate::files;
use crate::formula_text::{cell, value as value_of};
use crate::json::ToJson;
use crate::skipped_cases::select_cases;
use crate::value::Value;
use crate::yaml::{self, Node, Result};

/// Maximum number of combinations. If there are more combinations, an evenly spaced selection is used.
const MOST_ROWS: usize = 300;
/// Number of combinations for the slower engines.
const MOST_SLOW_ROWS: usize = 60;
/// Maximum number of incorrect rows that are displayed per formula.
const SHOWN: usize = 4;

struct Pool {
    name: String,
    ty: Type,
    values: Vec<Json>,
}

/// A formula, with all combinations of the values for its names.
struct Probe {
    formula: String,
    columns: Vec<(String, Type)>,
    rows: Vec<Vec<Json>>,
    expected: Vec<Value>,
}

struct Grid {
    probes: Vec<Probe>,
    /// Known differences by formula and engine, with the reason.
    known_differences: BTreeMap<(String, String), String>,
}

#[test]
fn every_combination_matches_the_interpreter() {
    let grid = read(include_str!("grid.yml")).unwrap_or_else(|fault| panic!("grid.yml: {fault}"));
    let chosen = std::env::var("FORMULAC_ENGINES").ok();
    let dialects: Vec<Dialect> = Dialect::verified()
        .filter(|d| {
            chosen
                .as_ref()
                .is_none_or(|c| c.split(',').any(|name| name == d.name()))
        })
        .collect();
    let mut faults = Vec::new();
    let mut batches = Vec::new();
    let mut asked = Vec::new();
    let mut probes: Vec<&Probe> = grid.probes.iter().collect();
    match files::filter() {
        Some(text) => probes.retain(|probe| probe.formula.to_lowercase().contains(&text)),
        None => probes = select_cases(probes).collect(),
    }
    for dialect in &dialects {
        let mut batch = Batch::default();
        for probe in &probes {
            match probe.query(*dialect) {
                Ok((sql, query)) => asked.push((*dialect, probe, sql, batch.add(&query, &[probe.table(*dialect)]))),
                Err(fault) => faults.push(format!("{} {}: {fault}", dialect.name(), probe.formula)),
            }
        }
        batches.push((*dialect, batch));
    }
    let runs = run_all("grid", &batches);
    for (dialect, run) in dialects.iter().zip(&runs) {
        let mine: Vec<_> = asked.iter().filter(|(of, ..)| of == dialect).collect();
        let answers = match run {
            Run::Done(answers) => answers,
            Run::Missing(reason) => {
                announce_missing(*dialect, reason, mine.len());
                continue;
            }
        };
        let (mut agreed, mut values) = (0, 0);
        for (_, probe, sql, index) in mine {
            let fault = probe.find_difference(*dialect, answers.get(*index));
            let known = grid
                .known_differences
                .get(&(probe.formula.clone(), dialect.name().to_owned()));
            match (fault, known) {
                (None, None) => (agreed, values) = (agreed + 1, values + probe.rows(*dialect).len()),
                (Some(fault), None) => {
                    faults.push(format!("{} {}\n  {sql}\n{fault}", dialect.name(), probe.formula));
                }
                (None, Some(why)) => {
                    faults.push(format!(
                        "{} {} agrees, though it is said to differ: {why}",
                        dialect.name(),
                        probe.formula
                    ));
                }
                (Some(_), Some(_)) => {}
            }
        }
        print_directly(&format!(
            "grid {}: {agreed} formulas agree over {values} rows",
            dialect.name()
        ));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn read(text: &str) -> Result<Grid> {
    let mut map = yaml::parse(text)?.map()?;
    let pools = map
        .need("values")?
        .map()?
        .into_entries()
        .iter()
        .map(pool)
        .collect::<Result<Vec<Pool>>>()?;
    let mut probes = Vec::new();
    for group in map.need("formulas")?.list()? {
        for formula in group.texts()? {
            probes.push(probe(formula, &pools).or_else(|fault| group.error(fault))?);
        }
    }
    let mut differs = BTreeMap::new();
    for (formula, node) in map.need("differs")?.map()?.into_entries() {
        let formula = format!("={formula}");
        if !probes.iter().any(|probe| probe.formula == formula) {
            return node.error(format!("`{formula}` is none of the formulas"));
        }
        for (engine, why) in node.map()?.into_entries() {
            differs.insert((formula.clone(), engine), why.text()?.to_owned());
        }
    }
    map.finish()?;
    Ok(Grid {
        probes,
        known_differences: differs,
    })
}

fn pool((name, node): &(String, Node)) -> Result<Pool> {
    let mut map = node.map()?;
    let ty = map.need("type")?;
    let ty = ty.text()?.parse().or_else(|_| ty.error("no type"))?;
    let values = map
        .need("values")?
        .list()?
        .iter()
        .map(|v| v.scalar().cloned())
        .collect::<Result<_>>()?;
    map.finish()?;
    Ok(Pool {
        name: name.clone(),
        ty,
        values,
    })
}

fn probe(formula: String, pools: &[Pool]) -> Result<Probe> {
    let words: Vec<&str> = formula
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let named: Vec<&Pool> = pools
        .iter()
        .filter(|pool| words.contains(&pool.name.as_str()))
        .collect();
    let count: usize = named.iter().map(|pool| pool.values.len()).product();
    // A step based on the golden ratio spreads any number of rows evenly. A step that has no divisor in common with the
    // number of combinations reaches all combinations.
    let step = ((count as f64 * 0.618) as usize + 1..)
        .find(|step| greatest_common_divisor(*step, count) == 1)
        .unwrap_or(1);
    let mut rows = Vec::new();
    for at in 0..count.min(MOST_ROWS) {
        let mut combination = at * step % count;
        let mut row = Vec::new();
        for pool in &named {
            row.push(pool.values[combination % pool.values.len()].clone());
            combination /= pool.values.len();
        }
        rows.push(row);
    }
    let columns: Vec<(String, Type)> = named.iter().map(|pool| (pool.name.clone(), pool.ty)).collect();
    // Start the formula with `=`, because `day = finish` would otherwise be parsed as a definition.
    let formula = format!("={formula}");
    let (parsed, _) = parse(&formula);
    let value = |row: &Vec<Json>| {
        let cells = columns
            .iter()
            .zip(row)
            .map(|((_, ty), json)| cell(*ty, json))
            .collect::<Result<Vec<Value>>>()?;
        value_of(&parsed, &columns, &cells)
    };
    let expected = rows
        .iter()
        .map(value)
        .collect::<Result<_>>()
        .map_err(|why| format!("{formula}: {why}"))?;
    Ok(Probe {
        formula,
        columns,
        rows,
        expected,
    })
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

impl Probe {
    /// Returns the formula in SQL, and the complete query.
    fn query(&self, dialect: Dialect) -> std::result::Result<(String, String), String> {
        let relation = self
            .columns
            .iter()
            .fold(Relation::new("t"), |t, (name, ty)| t.with(Column::new(name, *ty)));
        let compiler = Compiler::builder()
            .dialect(dialect)
            .schema(Schema::new().with(relation))
            .from("t")
            .build();
        let compiled = compiler.compile(&self.formula);
        match compiled.definitions() {
            [one] => Ok((
                one.sql().to_owned(),
                format!("select {} as answer from t order by row_id", one.sql()),
            )),
            _ => Err(compiled
                .diagnostics()
                .iter()
                .map(|d| format!("{} {}", d.code(), d.message()))
                .collect()),
        }
    }

    fn rows(&self, dialect: Dialect) -> &[Vec<Json>] {
        let most = if matches!(dialect.name(), "duckdb" | "postgres") {
            MOST_ROWS
        } else {
            MOST_SLOW_ROWS
        };
        &self.rows[..self.rows.len().min(most)]
    }

    fn table(&self, dialect: Dialect) -> Json {
        let column = |(name, ty): &(String, Type)| json!({"name": name, "type": ty.to_string()});
        let mut columns = vec![json!({"name": "row_id", "type": "integer"})];
        columns.extend(self.columns.iter().map(column));
        let row = |(at, row): (usize, &Vec<Json>)| [vec![json!(at)], row.clone()].concat();
        json!({"name": "t", "columns": columns, "rows": self.rows(dialect).iter().enumerate().map(row).collect::<Vec<_>>()})
    }

    fn find_difference(&self, dialect: Dialect, answer: Option<&crate::engine::Answer>) -> Option<String> {
        let table = match answer {
            Some(Ok(table)) => table,
            Some(Err(error)) => return Some(format!("  the engine fails: {error}")),
            None => return Some("  no answer".to_owned()),
        };
        let rows = self.rows(dialect);
        if table.rows.len() != rows.len() {
            return Some(format!("  {} rows of {}", table.rows.len(), rows.len()));
        }
        let mut wrong = Vec::new();
        for ((row, expected), got) in rows.iter().zip(&self.expected).zip(&table.rows) {
            let (expected, got) = (expected.json(), got.last().cloned().unwrap_or_default());
            if !values_agree(dialect, &expected, &got) {
                wrong.push(format!(
                    "  {} gives {got}, the interpreter {expected}",
                    Json::from(row.clone())
                ));
            }
        }
        let more = if wrong.len() > SHOWN {
            format!("\n  … {} rows", wrong.len())
        } else {
            String::new()
        };
        let shown: Vec<String> = wrong.into_iter().take(SHOWN).collect();
        (!shown.is_empty()).then(|| shown.join("\n") + &more)
    }
}

/// Returns `true` if two values are equal. In the emulator, some quotients have six decimal places, like quotients of
/// NUMBER in the warehouse.
fn values_agree(dialect: Dialect, expected: &Json, got: &Json) -> bool {
    match (expected.as_f64(), got.as_f64()) {
        (Some(a), Some(b)) if is_emulator(dialect) => (a - b).abs() <= 1e-6 * a.abs().max(1.0),
        _ => values_equal(expected, got),
    }
}
