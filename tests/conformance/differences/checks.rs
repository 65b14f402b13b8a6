//! Runs the cells of the page that an engine can run.

use formulac::{Column, Compiler, Dialect, Relation, Schema};
use serde_json::{Value as Json, json};

use super::{Expected, Page, Question, SUITE, Statement};
use crate::batch::Batch;
use crate::case::TABLE;
use crate::engine::is_emulator;
use crate::engine::{Answer, Run, announce_missing, run_all};
use crate::report::{Failure, fail_on};

/// Statement of a batch, with the result that it must return.
struct Check<'p> {
    case: String,
    formula: String,
    sql: String,
    index: usize,
    expected: &'p Expected,
}

pub fn check(page: &Page) {
    let mut batches = Vec::new();
    let mut checks: Vec<Vec<Check<'_>>> = Vec::new();
    let mut failures = Vec::new();
    let equal: Vec<Expected> = page.equal.iter().map(|it| Expected::Value(it.is.clone())).collect();
    for dialect in Dialect::verified().filter(|dialect| !is_emulator(*dialect)) {
        let mut batch = Batch::default();
        let mut asked = Vec::new();
        for (_, rows) in &page.sections {
            for row in rows {
                let cell = &row.cells[dialect.name()];
                let expected = cell.ran.as_ref();
                row.question
                    .ask(dialect, expected, &cell.refused, &mut batch, &mut asked, &mut failures);
                add_statements(&cell.also, dialect, &row.question, &mut batch, &mut asked);
            }
        }
        for (it, expected) in page.equal.iter().zip(&equal) {
            it.question
                .ask(dialect, Some(expected), "", &mut batch, &mut asked, &mut failures);
            add_statements(&it.alone, dialect, &it.question, &mut batch, &mut asked);
        }
        checks.push(asked);
        batches.push((dialect, batch));
    }
    let mut count = 0;
    for (((dialect, _), run), asked) in batches.iter().zip(run_all(SUITE, &batches)).zip(&checks) {
        let answers = match run {
            Run::Done(answers) => answers,
            Run::Missing(reason) => {
                announce_missing(*dialect, &reason, asked.len());
                continue;
            }
        };
        count += asked.len();
        for check in asked {
            if let Some(fault) = find_difference(check.expected, &answers[check.index]) {
                failures.push(Failure {
                    case: check.case.clone(),
                    dialect: dialect.name().to_owned(),
                    formula: check.formula.clone(),
                    sql: check.sql.clone(),
                    fault,
                });
            }
        }
    }
    fail_on(SUITE, &failures, count);
}

fn add_statements<'p>(
    statements: &'p [Statement],
    dialect: Dialect,
    question: &Question,
    batch: &mut Batch,
    checks: &mut Vec<Check<'p>>,
) {
    for statement in statements
        .iter()
        .filter(|statement| statement.dialect == dialect.name())
    {
        checks.push(Check {
            case: format!("differences.yml:{}", question.line),
            formula: question.formula.clone(),
            sql: statement.sql.clone(),
            index: batch.add(&statement.sql, &[]),
            expected: &statement.expected,
        });
    }
}

impl Question {
    /// Adds the SQL of the question to the batch, or a failure if the compiler's behavior differs from the cell.
    fn ask<'p>(
        &self,
        dialect: Dialect,
        expected: Option<&'p Expected>,
        refused: &str,
        batch: &mut Batch,
        checks: &mut Vec<Check<'p>>,
        failures: &mut Vec<Failure>,
    ) {
        if expected.is_none() && refused.is_empty() {
            return;
        }
        let relation = self.columns.iter().fold(Relation::new(TABLE), |relation, (name, ty)| {
            relation.with(Column::new(name.as_str(), *ty))
        });
        let compiler = Compiler::builder()
            .dialect(dialect)
            .schema(Schema::new().with(relation))
            .build();
        let spec = if self.spec.is_empty() {
            format!(
                "model: m\nfrom: {TABLE}\ndefinitions:\n  answer: {}\n",
                Json::from(self.formula.as_str())
            )
        } else {
            self.spec.clone()
        };
        let compiled = compiler.compile_spec(&spec);
        let code = compiled
            .diagnostics()
            .iter()
            .find(|d| d.is_error())
            .map(formulac::Diagnostic::code);
        let case = format!("differences.yml:{}", self.line);
        match (compiled.query(), code, expected) {
            (Some(sql), None, Some(expected)) => {
                let columns = self
                    .columns
                    .iter()
                    .map(|(name, ty)| json!({"name": name, "type": ty.name()}));
                let table = json!({"name": TABLE, "columns": columns.collect::<Vec<_>>(), "rows": self.rows});
                checks.push(Check {
                    case,
                    formula: self.formula.clone(),
                    sql: sql.to_owned(),
                    index: batch.add(sql, &[table]),
                    expected,
                });
            }
            (_, Some(code), None) if code == refused => {}
            (_, code, _) => failures.push(Failure {
                case,
                dialect: dialect.name().to_owned(),
                formula: self.formula.clone(),
                sql: String::new(),
                fault: format!("expected {refused:?}, but the compiler reports {code:?}"),
            }),
        }
    }
}

/// Returns the difference between a result and the expected result. Numbers are compared by their digits, because the
/// last digits may differ between warehouses.
fn find_difference(expected: &Expected, answer: &Answer) -> Option<String> {
    match (expected, answer) {
        (Expected::Error(part), Err(message)) if message.to_lowercase().contains(&part.to_lowercase()) => None,
        (Expected::Value(expected), Ok(table)) => {
            let first = table.rows.first().and_then(|row| row.last());
            let is_equal = match (expected.as_f64(), first.and_then(Json::as_f64)) {
                (Some(expected), Some(found)) => expected == found,
                _ => first == Some(expected),
            };
            (!is_equal).then(|| format!("expected {expected}, got {:?}", table.rows))
        }
        (Expected::Value(expected), Err(message)) => Some(format!("expected {expected}, got the error: {message}")),
        (Expected::Error(part), answer) => Some(format!("expected an error with `{part}`, got {answer:?}")),
    }
}
