//! Tests the generated dbt tests for joins for which no key guarantees a single match. A test must fail if and only if
//! a row has several matches.

use formulac::{Compiler, Dialect, Schema, Type};
use serde_json::{Value as Json, json};

use crate::batch::Batch;
use crate::engine::{Run, announce_missing, run_all};
use crate::expect::{TestColumn, TestTable};
use crate::files;
use crate::report::{Failure, fail_on};

const SUITE: &str = "join-tests";

/// A spec that reads `a` and joins `b`, the rows of both tables, and the number of rows that the generated test
/// returns.
struct Case {
    it: &'static str,
    spec: &'static str,
    /// Rows with the columns `k` and `d`.
    a: &'static [[Option<i64>; 2]],
    /// Rows with the columns `k`, `low` and `high`.
    b: &'static [[Option<i64>; 3]],
    faults: usize,
}

const BY_KEY: &str = "model: m\nfrom: a\njoins:\n  - {to: b, using: k}\ndefinitions: n = low\n";
const BY_KEY_AND_OWN: &str =
    "model: m\nfrom: a\njoins:\n  - {to: b, as: c, on: 'AND(c.k = a.k, c.high = 1)'}\ndefinitions: n = low\n";
const BY_RANGE: &str =
    "model: m\nfrom: a\njoins:\n  - {to: b, on: 'AND(b.k = a.k, d >= low, d < high)'}\ndefinitions: n = low\n";
const AFTER_MANY: &str = "model: m\nfrom: a\njoins:\n  - {to: b, as: others, using: k, cardinality: many}\n  \
                          - {to: b, on: 'AND(b.k = a.k, b.low > others.low)', type: inner}\ndefinitions: n = b.low\n";
const EACH: &str = "model: m\nfrom: a\njoins:\n  - {to: b, type: cross}\ndefinitions: n = low\n";
const STEP_JOIN: &str = "model: m\nfrom: b\nsteps:\n  - {name: lows, group_by: 'k, low'}\n  \
                       - {name: keys, group_by: k}\n  - name: joined\n    joins:\n      - {to: lows, using: k}\n    keep: low\n";

const CASES: &[Case] = &[
    Case {
        it: "every key once",
        spec: BY_KEY,
        a: &[[Some(1), None]],
        b: &[[Some(1), None, None], [Some(2), None, None]],
        faults: 0,
    },
    Case {
        it: "a key twice",
        spec: BY_KEY,
        a: &[[Some(1), None]],
        b: &[[Some(1), None, None], [Some(1), None, None]],
        faults: 1,
    },
    Case {
        it: "empty keys find nothing",
        spec: BY_KEY,
        a: &[[None, None]],
        b: &[[None, None, None], [None, None, None]],
        faults: 0,
    },
    Case {
        it: "nothing to find",
        spec: BY_KEY,
        a: &[[Some(1), None]],
        b: &[],
        faults: 0,
    },
    Case {
        it: "a key twice, of which one is asked for",
        spec: BY_KEY_AND_OWN,
        a: &[],
        b: &[[Some(1), None, Some(1)], [Some(1), None, Some(2)]],
        faults: 0,
    },
    Case {
        it: "a key twice, both asked for",
        spec: BY_KEY_AND_OWN,
        a: &[],
        b: &[[Some(1), None, Some(1)], [Some(1), None, Some(1)]],
        faults: 1,
    },
    Case {
        it: "ranges side by side",
        spec: BY_RANGE,
        a: &[[Some(1), Some(5)]],
        b: &[[Some(1), Some(0), Some(5)], [Some(1), Some(5), Some(9)]],
        faults: 0,
    },
    Case {
        it: "ranges that overlap where a row is",
        spec: BY_RANGE,
        a: &[[Some(1), Some(5)]],
        b: &[[Some(1), Some(0), Some(6)], [Some(1), Some(5), Some(9)]],
        faults: 1,
    },
    Case {
        it: "ranges that overlap where no row is",
        spec: BY_RANGE,
        a: &[[Some(1), Some(1)], [Some(1), Some(8)], [Some(2), Some(5)]],
        b: &[[Some(1), Some(0), Some(6)], [Some(1), Some(5), Some(9)]],
        faults: 0,
    },
    Case {
        it: "no rows that could find any",
        spec: BY_RANGE,
        a: &[],
        b: &[[Some(1), Some(0), Some(6)], [Some(1), Some(0), Some(6)]],
        faults: 0,
    },
    // Of the pairs (1, 1), (1, 2) and (1, 3), the first pair has two matches.
    Case {
        it: "after a join of many",
        spec: AFTER_MANY,
        a: &[[Some(1), None]],
        b: &[
            [Some(1), Some(1), None],
            [Some(1), Some(2), None],
            [Some(1), Some(3), None],
        ],
        faults: 1,
    },
    // Of the pairs (1, 1) and (1, 2), the first pair has one match and the second pair has none.
    Case {
        it: "after a join of many, one each",
        spec: AFTER_MANY,
        a: &[[Some(1), None]],
        b: &[[Some(1), Some(1), None], [Some(1), Some(2), None]],
        faults: 0,
    },
    Case {
        it: "one row for each",
        spec: EACH,
        a: &[[Some(1), None], [Some(2), None]],
        b: &[[Some(1), None, None]],
        faults: 0,
    },
    Case {
        it: "two rows for each",
        spec: EACH,
        a: &[[Some(1), None]],
        b: &[[Some(1), None, None], [Some(2), None, None]],
        faults: 1,
    },
    Case {
        it: "a step by a part of its key",
        spec: STEP_JOIN,
        a: &[],
        b: &[
            [Some(1), Some(1), None],
            [Some(1), Some(1), None],
            [Some(2), Some(1), None],
        ],
        faults: 0,
    },
    Case {
        it: "a step by a part of its key, twice",
        spec: STEP_JOIN,
        a: &[],
        b: &[
            [Some(1), Some(1), None],
            [Some(1), Some(2), None],
            [Some(2), Some(1), None],
        ],
        faults: 1,
    },
];

fn table<const N: usize>(name: &str, columns: [&str; N], rows: &[[Option<i64>; N]]) -> TestTable {
    let column = |name: &str| TestColumn {
        name: name.to_owned(),
        ty: Type::Integer,
        nullable: true,
    };
    TestTable {
        name: name.to_owned(),
        columns: columns.into_iter().map(column).collect(),
        key: Vec::new(),
        quoted: Vec::new(),
        rows: rows
            .iter()
            .map(|row| row.iter().map(|value| json!(value)).collect())
            .collect(),
    }
}

/// Returns the specs and the schema of their tables.
pub fn specs() -> (impl Iterator<Item = &'static str>, Schema) {
    let schema = Schema::new()
        .with(table("a", ["k", "d"], &[]).relation())
        .with(table("b", ["k", "low", "high"], &[]).relation());
    (CASES.iter().map(|case| case.spec), schema)
}

/// Returns the generated test as SQL that reads tables, with dbt's Jinja already rendered.
fn sql_of(case: &Case, dialect: Dialect) -> Result<String, String> {
    let compiled = Compiler::builder()
        .dialect(dialect)
        .schema(specs().1)
        .build()
        .compile_spec(case.spec);
    match compiled.model_tests() {
        [test] => {
            let (_, sql) = test.sql().split_once("#}\n").unwrap_or_default();
            Ok(sql
                .replace("{{ ref('a') }}", "a_rows")
                .replace("{{ ref('b') }}", "b_rows"))
        }
        tests => Err(format!("{} tests, {:?}", tests.len(), compiled.diagnostics())),
    }
}

pub fn run() {
    if files::filter().is_some_and(|filter| !SUITE.contains(&filter)) {
        return;
    }
    let dialects: Vec<Dialect> = Dialect::verified().collect();
    let mut failures = Vec::new();
    let mut fail = |case: &Case, dialect: Dialect, sql: &str, fault: String| {
        failures.push(Failure {
            case: case.it.to_owned(),
            dialect: dialect.name().to_owned(),
            formula: case.spec.to_owned(),
            sql: sql.to_owned(),
            fault,
        });
    };
    let mut batches = Vec::new();
    let mut asked = Vec::new();
    for dialect in &dialects {
        let mut batch = Batch::default();
        for case in CASES {
            match sql_of(case, *dialect) {
                Ok(sql) => {
                    let tables: Vec<Json> = vec![
                        table("a_rows", ["k", "d"], case.a).to_json(),
                        table("b_rows", ["k", "low", "high"], case.b).to_json(),
                    ];
                    asked.push((case, *dialect, batch.add(&sql, &tables), sql));
                }
                Err(fault) => fail(case, *dialect, "", fault),
            }
        }
        batches.push((*dialect, batch));
    }
    let runs = run_all(SUITE, &batches);
    for (dialect, run) in dialects.iter().zip(&runs) {
        let own = asked.iter().filter(|(_, of, ..)| of == dialect);
        match run {
            Run::Missing(reason) => announce_missing(*dialect, reason, own.count()),
            Run::Done(answers) => {
                for (case, _, index, sql) in own {
                    match answers.get(*index) {
                        Some(Ok(table)) if table.rows.len() == case.faults => {}
                        Some(Ok(table)) => {
                            fail(
                                case,
                                *dialect,
                                sql,
                                format!("{} rows expected, got {:?}", case.faults, table.rows),
                            );
                        }
                        Some(Err(error)) => fail(case, *dialect, sql, format!("the engine fails: {error}")),
                        None => fail(case, *dialect, sql, "no answer".to_owned()),
                    }
                }
            }
        }
    }
    fail_on(SUITE, &failures, asked.len());
}
