//! Runs every template separately with hostile arguments of the types that it accepts. No engine may raise an error or
//! return NaN.
//!
//! The test calls each form of each catalogue function with columns. `totality.yml` contains formulas for the other
//! functions, and lists the contract's exemptions.

use std::path::Path;

use formulac::catalog;
use formulac::{Dialect, Level, Type};
use serde_json::{Value as Json, json};

use crate::batch::Batch;
use crate::calls::{calls, compile, query as query_of};
use crate::case::{ROW_ID, TABLE};
use crate::engine::{Run, announce_missing, run_all};
use crate::expect::{TestColumn, TestTable, neutral_type};
use crate::files;
use crate::report::{Failure, fail_on};
use crate::skipped_cases::select_cases;
use crate::yaml::{self, Result};

const SUITE: &str = "totality";
/// Maximum number of rows in a table.
const ROWS: usize = 45;

/// A formula, the columns that it reads, and the range of its numbers.
struct Probe {
    formula: String,
    columns: Vec<(String, Type)>,
    level: Level,
    moderate: bool,
    /// Dialects whose emulator does not support very large or very small numbers.
    moderate_on: Vec<Dialect>,
}

struct Asked<'a> {
    probe: &'a Probe,
    dialect: Dialect,
    sql: String,
    index: usize,
}

/// Contents of `totality.yml`.
struct Exempt {
    /// Names of functions whose results would overflow or leave the calendar if their arguments were extreme.
    moderate: Vec<String>,
    /// Names of functions for which an emulator does not support very large or very small numbers, by dialect.
    moderate_on: Vec<(Dialect, Vec<String>)>,
    /// Names of functions that no single expression can compute.
    elsewhere: Vec<String>,
    probes: Vec<Probe>,
}

pub fn run() {
    let probes = probes();
    let dialects: Vec<Dialect> = Dialect::verified().collect();
    let mut batches = Vec::new();
    let mut asked = Vec::new();
    for dialect in &dialects {
        let mut batch = Batch::default();
        for probe in select_cases(&probes) {
            let Ok(written) = compile(&probe.formula, &probe.columns, probe.level, *dialect) else {
                let query = Some(probe).filter(|p| p.level == Level::Aggregate);
                if let Some(query) = query.and_then(|p| query_of(&p.formula, &p.columns, *dialect)) {
                    let index = batch.add(&query, &[table(probe, *dialect).to_json()]);
                    asked.push(Asked {
                        probe,
                        dialect: *dialect,
                        sql: query,
                        index,
                    });
                }
                continue;
            };
            let group = if written.level == Level::Aggregate {
                format!(" group by mod({ROW_ID}, 11)")
            } else {
                String::new()
            };
            let query = format!("select {} as answer from {TABLE}{group}", written.sql);
            let index = batch.add(&query, &[table(probe, *dialect).to_json()]);
            asked.push(Asked {
                probe,
                dialect: *dialect,
                sql: written.sql,
                index,
            });
        }
        batches.push((*dialect, batch));
    }
    let runs = run_all(SUITE, &batches);
    let mut failures = Vec::new();
    for (dialect, run) in dialects.iter().zip(&runs) {
        let mine = || asked.iter().filter(|a| a.dialect == *dialect);
        let Run::Done(answers) = run else {
            if let Run::Missing(reason) = run {
                announce_missing(*dialect, reason, mine().count());
            }
            continue;
        };
        for asked in mine() {
            let fault = match answers.get(asked.index) {
                Some(Ok(answer)) => odd_number(&answer.rows),
                Some(Err(error)) => Some(format!("raises: {}", error.chars().take(400).collect::<String>())),
                None => Some("no answer".to_owned()),
            };
            let types: Vec<String> = asked.probe.columns.iter().map(|(n, t)| format!("{n}: {t}")).collect();
            failures.extend(fault.map(|fault| Failure {
                case: types.join(", "),
                dialect: dialect.name().to_owned(),
                formula: asked.probe.formula.clone(),
                sql: asked.sql.clone(),
                fault,
            }));
        }
    }
    fail_on(SUITE, &failures, asked.len());
}

/// Returns an error message if a value is NaN or infinite, because such numbers do not exist in the formula language.
fn odd_number(rows: &[Vec<Json>]) -> Option<String> {
    let odd = |v: &&Json| matches!(v.as_str(), Some("NaN" | "Infinity" | "-Infinity"));
    rows.iter().flatten().find(odd).map(|v| format!("gives {v}"))
}

fn probes() -> Vec<Probe> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/totality.yml");
    let exempt = read(&files::read(&path)).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    let on_stand_ins = exempt.moderate_on.iter().flat_map(|(_, names)| names);
    for name in exempt.moderate.iter().chain(on_stand_ins).chain(&exempt.elsewhere) {
        assert!(
            catalog::lookup(name).is_some(),
            "totality.yml exempts `{name}`, which is not a function"
        );
    }
    let mut probes = exempt.probes;
    for function in catalog::functions() {
        let moderate = function.level == Level::Aggregate || exempt.moderate.iter().any(|n| n == function.name);
        let is_on = |(dialect, names): &(Dialect, Vec<String>)| {
            names.iter().any(|name| name == function.name).then_some(*dialect)
        };
        let moderate_on: Vec<Dialect> = exempt.moderate_on.iter().filter_map(is_on).collect();
        let calls = calls(function);
        let called = |p: &Probe| p.formula.contains(&format!("{}(", function.name));
        assert!(
            !calls.is_empty()
                || probes.iter().any(called)
                || function.unverified.is_some()
                || exempt.elsewhere.iter().any(|name| name == function.name),
            "no form of `{}` compiles with columns alone: give formulas of it in totality.yml",
            function.name
        );
        if function.unverified.is_some() || exempt.elsewhere.iter().any(|name| name == function.name) {
            continue;
        }
        let probe = |call: crate::calls::Call| Probe {
            formula: call.formula,
            columns: call.columns,
            level: function.level,
            moderate,
            moderate_on: moderate_on.clone(),
        };
        probes.extend(calls.into_iter().map(probe));
    }
    let filter = files::filter();
    probes.retain(|p| {
        filter
            .as_ref()
            .is_none_or(|f| format!("totality {}", p.formula).to_lowercase().contains(f))
    });
    probes
}

fn read(text: &str) -> Result<Exempt> {
    let mut map = yaml::parse(text)?.map()?;
    let reasons = |node: yaml::Node| -> Result<Vec<String>> {
        let mut names = Vec::new();
        for (name, why) in node.map()?.into_entries() {
            if why.text()?.is_empty() {
                return why.error("say why");
            }
            names.push(name);
        }
        Ok(names)
    };
    let (moderate, elsewhere) = (reasons(map.need("moderate")?)?, reasons(map.need("elsewhere")?)?);
    let mut moderate_on = Vec::new();
    for (name, functions) in map.need("moderate_on")?.map()?.into_entries() {
        let Ok(dialect) = name.parse() else {
            return functions.error("there is no such dialect");
        };
        moderate_on.push((dialect, reasons(functions)?));
    }
    let mut exempt = Exempt {
        moderate,
        moderate_on,
        elsewhere,
        probes: Vec::new(),
    };
    for node in map.need("formulas")?.list()? {
        let mut map = node.map()?;
        let mut columns = Vec::new();
        for (name, kind) in map.need("types")?.map()?.into_entries() {
            columns.push((name, neutral_type(&kind, kind.text()?)?));
        }
        let moderate = map.take("moderate").is_some();
        let level = if map.take("window").is_some() {
            Level::Window
        } else {
            Level::Row
        };
        for formula in map.need("formula")?.texts()? {
            let columns = columns.clone();
            exempt.probes.push(Probe {
                formula,
                columns,
                level,
                moderate,
                moderate_on: Vec::new(),
            });
        }
        map.finish()?;
    }
    map.finish()?;
    Ok(exempt)
}

/// Combines values of each column with values of the other columns, in a fixed order. The table contains all
/// combinations, up to the maximum number of rows.
fn table(probe: &Probe, dialect: Dialect) -> TestTable {
    let mut columns = vec![TestColumn {
        name: ROW_ID.to_owned(),
        ty: Type::Integer,
        nullable: false,
    }];
    let moderate = probe.moderate || probe.moderate_on.contains(&dialect);
    let values: Vec<Vec<Json>> = probe
        .columns
        .iter()
        .map(|(_, ty)| extreme_values(*ty, moderate))
        .collect();
    columns.extend(probe.columns.iter().map(|(name, ty)| TestColumn {
        name: name.clone(),
        ty: *ty,
        nullable: true,
    }));
    let all = values.iter().map(Vec::len).product::<usize>().max(1);
    let count = all.min(ROWS);
    let mut rows = Vec::new();
    for number in 0..count {
        // The stride has no factor in common with the number of combinations, so that the rows are spread over all
        // combinations.
        let mut at = if all <= ROWS {
            number
        } else {
            (number * 7919 + number / 13) % all
        };
        let mut row = vec![Json::from(number)];
        for list in &values {
            row.push(list[at % list.len()].clone());
            at /= list.len();
        }
        rows.push(row);
    }
    TestTable {
        name: TABLE.to_owned(),
        columns,
        key: Vec::new(),
        quoted: Vec::new(),
        rows,
    }
}

/// The largest numbers are chosen so that they are not rounded up to a power of ten that exceeds the range of their
/// type.
fn extreme_values(ty: Type, moderate: bool) -> Vec<Json> {
    let list = match (ty, moderate) {
        (Type::Boolean, _) => json!([true, false, null]),
        (Type::Integer, true) => json!([0, 1, -1, 2, 13, -400, 1200, null]),
        (Type::Integer, false) => json!([
            0,
            1,
            -1,
            2,
            13,
            -400,
            2_147_483_647,
            -2_147_483_648_i64,
            2_147_483_648_i64,
            9_007_199_254_740_993_i64,
            4_611_686_018_427_387_904_i64,
            -4_611_686_018_427_387_904_i64,
            null
        ]),
        (Type::Decimal, true) => json!(["0", "0.5", "-0.5", "2.5", "-1.005", "0.000000001", "1234.56", null]),
        (Type::Decimal, false) => json!([
            "0",
            "0.5",
            "-0.5",
            "2.5",
            "-1.005",
            "0.000000001",
            "3000000000",
            "12345678901234567890123456789.123456789",
            "-12345678901234567890123456789.123456789",
            null
        ]),
        (Type::Float, true) => json!([0.0, 0.5, -0.5, 2.5, -1.005, 1e-9, 1234.56, null]),
        (Type::Float, false) => {
            json!([
                0.0, 0.5, -0.5, 2.5, -1.005, 1e-300, -1e-300, 1e10, 1e22, -1e22, 1.7e308, -1.7e308, null
            ])
        }
        (Type::Date, true) => json!(["1900-03-01", "1970-01-01", "2023-12-31", "2024-02-29", null]),
        (Type::Date, false) => json!([
            "0001-01-01",
            "1582-10-10",
            "1970-01-01",
            "2024-02-29",
            "9999-12-31",
            null
        ]),
        (Type::Timestamp | Type::Timestamptz, true) => json!(["1970-01-01 00:00:00", "2024-02-29 23:59:59", null]),
        (Type::Timestamp | Type::Timestamptz, false) => {
            json!([
                "0001-01-01 00:00:00",
                "1970-01-01 00:00:00",
                "2024-02-29 23:59:59",
                "9999-12-31 23:59:59",
                null
            ])
        }
        _ => json!([
            "",
            " ",
            "a",
            "Ab c",
            "é",
            "日本",
            "😀",
            "%_\\",
            "'",
            "(",
            "[a",
            "*+?",
            "\n\t",
            "0",
            "-5",
            "1e400",
            "12,5",
            "2024-02-30",
            "2024-02-29",
            "nan",
            "true",
            "ß".repeat(60),
            null
        ]),
    };
    list.as_array().cloned().unwrap_or_default()
}
