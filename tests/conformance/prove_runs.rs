//! Runs statements of `formulac prove` with their rows as literals on every engine: one statement per type, and one
//! that reads a table without rows. `tests/example_project` runs all of them through dbt.

use formulac::{Dialect, Type};

use crate::batch::Batch;
use crate::engine::{Run, announce_missing, run_all};
use crate::files;
use crate::prove::cases::{CaseTable, ProofCase};
use crate::prove::rows::{TEST_COLUMN_TYPES, query_over_literals};
use crate::prove_statements::proofs;
use crate::report::{Failure, fail_on};
use crate::spec_case::{Output, table_fault};

const SUITE: &str = "prove";

pub fn run() {
    if files::filter().is_some_and(|filter| !SUITE.contains(&filter)) {
        return;
    }
    let (mut batches, mut asked) = (Vec::new(), Vec::new());
    for dialect in Dialect::verified() {
        let mut batch = Batch::default();
        for proof in choose_proofs(proofs(dialect)) {
            let sql = query_over_literals(proof, dialect);
            asked.push((proof, dialect, batch.add(&sql, &[]), sql));
        }
        batches.push((dialect, batch));
    }
    let mut failures = Vec::new();
    for ((dialect, _), run) in batches.iter().zip(&run_all(SUITE, &batches)) {
        let own = asked.iter().filter(|(_, of, ..)| of == dialect);
        let answers = match run {
            Run::Missing(reason) => {
                announce_missing(*dialect, reason, own.count());
                continue;
            }
            Run::Done(answers) => answers,
        };
        for (proof, _, index, sql) in own {
            let fault = match answers.get(*index) {
                Some(Ok(table)) => {
                    let (columns, rows) = (table.columns.clone(), proof.expected.rows.clone());
                    table_fault(&Output { columns, rows }, proof.expected.unordered, table)
                }
                Some(Err(error)) => Some(format!("the engine fails: {error}")),
                None => Some("no answer".to_owned()),
            };
            failures.extend(fault.map(|fault| Failure {
                case: proof.case.clone(),
                dialect: dialect.name().to_owned(),
                formula: proof.source.clone(),
                sql: sql.clone(),
                fault,
            }));
        }
    }
    fail_on(SUITE, &failures, asked.len());
}

/// Returns the first proof with a value of each type, and the first proof that reads a table without rows.
fn choose_proofs(proofs: &[ProofCase]) -> Vec<&ProofCase> {
    // `None` represents a table without rows.
    let mut ties: Vec<Option<Type>> = TEST_COLUMN_TYPES.into_iter().map(Some).chain([None]).collect();
    let has = |table: &CaseTable, kind: Option<Type>| {
        let Some(ty) = kind else { return table.rows.is_empty() };
        let at = table.columns().position(|(_, own)| own == ty);
        at.is_some_and(|at| table.rows.iter().any(|row| !row[at].is_null()))
    };
    let mut chosen = Vec::new();
    for proof in proofs {
        let before = ties.len();
        ties.retain(|kind| !proof.tables.iter().any(|table| has(table, *kind)));
        if ties.len() < before {
            chosen.push(proof);
        }
    }
    assert!(ties.is_empty(), "no proof has a table of {ties:?}");
    chosen
}
