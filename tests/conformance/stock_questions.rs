//! Twelve questions that every shop asks, each at three grains, in `stock_questions.yml`. A query of metrics must answer
//! with the rows of SQL that was written by hand.

use std::path::Path;

use formulac::{CompiledSpec, Compiler, Diagnostic, Dialect, Schema, SpecText};
use serde_json::Value as Json;

use crate::batch::Batch;
use crate::engine::{Answer, Run, Table, announce_missing, run_all};
use crate::expect::TestTable;
use crate::files;
use crate::report::{Failure, fail_on};
use crate::spec_case::{Output, read_tables, table_fault};
use crate::yaml::{self, Node, Result};

const SUITE: &str = "stock_questions";

/// Dialects on which the hand-written SQL runs. The rows on the first one are the expected rows of all dialects.
const HAND_WRITTEN: [&str; 2] = ["duckdb", "postgres"];

/// Tables of the shop, the metric sets over them, and the questions.
struct Shop {
    tables: Vec<TestTable>,
    sets: Vec<String>,
    questions: Vec<Question>,
}

/// A question at one grain.
struct Question {
    name: String,
    line: usize,
    /// Query of metrics.
    spec: String,
    /// SQL that was written by hand.
    sql: String,
    /// Reason why the query of metrics cannot answer yet.
    open: Option<String>,
}

/// One of the two queries of a question.
struct Check<'q> {
    question: &'q Question,
    is_hand_written: bool,
    /// Query and its position in the dialect's batch, or the errors of the compiler.
    asked: std::result::Result<(String, usize), String>,
}

fn read_all() -> Result<Shop> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/stock_questions.yml");
    let root = yaml::parse(&files::read(&path))?;
    let mut map = root.map()?;
    let tables = read_tables(&map.need("tables")?)?;
    let sets = map.need("sets")?.texts()?;
    let list = map.need("questions")?;
    map.finish()?;
    let mut questions = Vec::new();
    for node in list.list()? {
        questions.append(&mut read_question(node)?);
    }
    assert_eq!(questions.len(), 36, "twelve questions at three grains");
    Ok(Shop {
        tables,
        sets,
        questions,
    })
}

/// Reads a question, and writes each of its grains in place of `{grain}` and the other names in braces.
fn read_question(node: &Node) -> Result<Vec<Question>> {
    let mut map = node.map()?;
    let name = map.need("question")?.text()?.to_owned();
    let (spec, sql) = (map.need("spec")?, map.need("sql")?);
    let open = map
        .take("open")
        .map(|node| node.text().map(str::to_owned))
        .transpose()?;
    let grains = map.need("at")?;
    map.finish()?;
    let at_grain = |grain: &Node| {
        let (mut spec, mut sql) = (spec.text()?.to_owned(), sql.text()?.to_owned());
        let mut shown = Vec::new();
        for (key, value) in grain.map()?.into_entries() {
            let value = value.text()?;
            let placeholder = format!("{{{key}}}");
            spec = spec.replace(&placeholder, value);
            sql = sql.replace(&placeholder, value);
            shown.push(value.to_owned());
        }
        Ok(Question {
            name: format!("{name} ({})", shown.join(", ")),
            line: node.line,
            spec,
            sql,
            open: open.clone(),
        })
    };
    grains.list()?.iter().map(at_grain).collect()
}

impl Shop {
    /// Compiles the queries of metrics for a dialect. Adds all queries to the batch.
    fn checks(&self, dialect: Dialect, batch: &mut Batch) -> Vec<Check<'_>> {
        let relations = self.tables.iter().map(TestTable::relation);
        let schema = relations.fold(Schema::new(), Schema::with);
        let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
        let texts: Vec<SpecText<'_>> = self.sets.iter().map(|text| SpecText { text, path: None }).collect();
        let compiler = compiler.with_models(&compiler.compile_specs(&texts));
        let tables: Vec<Json> = self.tables.iter().map(TestTable::to_json).collect();
        let mut checks = Vec::new();
        for question in &self.questions {
            let by_hand = HAND_WRITTEN
                .contains(&dialect.name())
                .then(|| (true, Ok(question.sql.clone())));
            let compiled = (false, query_of(&compiler.compile_spec(&question.spec)));
            checks.extend(
                by_hand
                    .into_iter()
                    .chain([compiled])
                    .map(|(is_hand_written, query)| Check {
                        question,
                        is_hand_written,
                        asked: query.map(|query| (query.clone(), batch.add(&query, &tables))),
                    }),
            );
        }
        checks
    }
}

fn query_of(compiled: &CompiledSpec) -> std::result::Result<String, String> {
    let errors = compiled.diagnostics().iter().filter(|found| found.is_error());
    let errors: Vec<String> = errors
        .map(|error: &Diagnostic| format!("{} {}", error.code(), error.message()))
        .collect();
    match compiled.query() {
        Some(query) if errors.is_empty() => Ok(query.to_owned()),
        _ => Err(format!("does not compile: {}", errors.join("; "))),
    }
}

/// Returns the rows that the hand-written SQL of each question gives. A column without a value would show nothing.
fn expected_rows(checks: &[Check<'_>], answers: &[Answer]) -> Vec<std::result::Result<Output, String>> {
    let by_hand = checks.iter().filter(|check| check.is_hand_written);
    let rows = |check: &Check<'_>| {
        let (_, place) = check.asked.as_ref().map_err(String::clone)?;
        let Table { columns, rows, .. } = answers[*place].clone()?;
        let is_empty = |column: &usize| rows.iter().all(|row| row[*column].is_null());
        match (0..columns.len()).find(is_empty) {
            Some(column) => Err(format!("the hand-written SQL gives no value of `{}`", columns[column])),
            None => Ok(Output { columns, rows }),
        }
    };
    by_hand.map(rows).collect()
}

/// Returns the difference between an answer and the expected rows. The answer to an open question must differ.
fn fault(check: &Check<'_>, answers: &[Answer], expected: &Output) -> Option<String> {
    let found = match &check.asked {
        Ok((_, place)) => match &answers[*place] {
            Ok(table) => table_fault(expected, true, table),
            Err(error) => Some(format!("the engine fails: {error}")),
        },
        Err(errors) => Some(errors.clone()),
    };
    match (&check.question.open, found) {
        (None, found) => found,
        (Some(_), found) if check.is_hand_written => found,
        (Some(_), Some(_)) => None,
        (Some(reason), None) => Some(format!("the rows are equal now; remove `open: {reason}`")),
    }
}

pub fn run() {
    if files::filter().is_some_and(|filter| !SUITE.contains(&filter)) {
        return;
    }
    let shop = read_all().unwrap_or_else(|error| panic!("stock_questions.yml: {error}"));
    let mut dialects: Vec<Dialect> = Dialect::all().collect();
    dialects.sort_by_key(|dialect| dialect.name() != HAND_WRITTEN[0]);
    let (mut batches, mut checks) = (Vec::new(), Vec::new());
    for dialect in dialects {
        let mut batch = Batch::default();
        checks.push(shop.checks(dialect, &mut batch));
        batches.push((dialect, batch));
    }
    let runs = run_all(SUITE, &batches);
    let total = checks.iter().map(Vec::len).sum();
    // Without the engine that gives the expected rows, no answer can be checked.
    let expected = match &runs[0] {
        Run::Done(answers) => expected_rows(&checks[0], answers),
        Run::Missing(reason) => return announce_missing(batches[0].0, reason, total),
    };
    let mut failures = Vec::new();
    for (((dialect, _), run), checks) in batches.iter().zip(&runs).zip(&checks) {
        let answers = match run {
            Run::Done(answers) => answers,
            Run::Missing(reason) => {
                announce_missing(*dialect, reason, checks.len());
                continue;
            }
        };
        let per_question = checks.len() / shop.questions.len();
        for (checks, expected) in checks.chunks(per_question).zip(&expected) {
            for check in checks {
                let found = match expected {
                    Ok(expected) => fault(check, answers, expected),
                    Err(error) => Some(error.clone()),
                };
                failures.extend(found.map(|fault| failure(check, *dialect, fault)));
            }
        }
    }
    fail_on(SUITE, &failures, total);
}

fn failure(check: &Check<'_>, dialect: Dialect, fault: String) -> Failure {
    let question = check.question;
    let kind = if check.is_hand_written { "by hand" } else { "metrics" };
    Failure {
        case: format!("stock_questions.yml:{}: {}, {kind}", question.line, question.name),
        dialect: dialect.name().to_owned(),
        formula: question.spec.clone(),
        sql: check.asked.as_ref().map(|(sql, _)| sql.clone()).unwrap_or_default(),
        fault,
    }
}
