//! Statements of `formulac prove`: the table with the rows of all cases, and each case, once with this table and once
//! with literals.

use std::sync::OnceLock;

use formulac::dbt::STATEMENTS_TABLE;
use formulac::{Column, Dialect, Relation, Schema};

use crate::prove::cases::{ConformanceCases, ProofCase};
use crate::prove::rows::{StoredRows, drop_stored_rows_statement, query_over_literals};
use crate::warehouse_rules::Statements;

pub fn look_up(statements: &mut Statements, dialect: Dialect) {
    look_up_proofs(statements, dialect, proofs(dialect));
}

/// Returns the proofs of all cases, which are compiled once per process. Fails if a case does not compile.
pub fn proofs(dialect: Dialect) -> &'static [ProofCase] {
    static ALL: OnceLock<Vec<OnceLock<Vec<ProofCase>>>> = OnceLock::new();
    let all = ALL.get_or_init(|| Dialect::all().map(|_| OnceLock::new()).collect());
    let index = Dialect::all()
        .position(|it| it == dialect)
        .expect("all dialects are listed");
    all[index].get_or_init(|| {
        let cases = ConformanceCases::new(dialect);
        let count = cases.subjects().count();
        let proofs = cases.proofs(|_| true);
        let is_complete = proofs.len() == count || dialect.unverified().is_some();
        assert!(is_complete, "{dialect}: each case compiles");
        proofs
    })
}

/// Looks up the SQL constructs of the statements that `prove` generates for these proofs.
pub fn look_up_proofs(statements: &mut Statements, dialect: Dialect, proofs: &[ProofCase]) {
    let stored = StoredRows::new(proofs);
    let table = Relation::new(STATEMENTS_TABLE);
    let columns = stored.columns().into_iter();
    let table = columns.fold(table, |table, (name, ty)| table.with(Column::new(name, ty)));
    let schema = Schema::new().with(table);
    for sql in stored
        .statements(dialect)
        .into_iter()
        .chain([drop_stored_rows_statement()])
    {
        statements.look_up("the table of `prove`", dialect, &sql, &schema);
    }
    for proof in proofs {
        let from = format!("`prove`, {}: {}", proof.subject, proof.case);
        for sql in [stored.query(proof, dialect), query_over_literals(proof, dialect)] {
            statements.look_up(&from, dialect, &sql, &schema);
        }
    }
}
