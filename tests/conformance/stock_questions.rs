//! Twelve questions that every shop asks, each at three grains, in `stock_questions.yml`. A metric query must return
//! the same rows as handwritten SQL. Every question is also run with `formulac query --metrics`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use formulac::{CompiledSpec, Compiler, Diagnostic, Dialect, Schema, SpecText};
use serde_json::{Value as Json, json};

use crate::batch::Batch;
use crate::engine::{Answer, Run, Table, announce_missing, run_all};
use crate::expect::TestTable;
use crate::files;
use crate::report::{Failure, fail_on};
use crate::spec_case::{Output, read_tables, table_fault};
use crate::yaml::{self, Node, Result};

const SUITE: &str = "stock_questions";

/// Dialects on which the handwritten SQL runs. The rows from the first dialect are the expected rows of all dialects.
const HAND_WRITTEN: [&str; 2] = ["duckdb", "postgres"];

/// Tables of the shop, the metric sets that read them, and the questions.
struct Shop {
    tables: Vec<TestTable>,
    sets: Vec<String>,
    questions: Vec<Question>,
}

/// A question at one grain.
struct Question {
    name: String,
    line: usize,
    /// Metric query.
    spec: String,
    /// Equivalent options of `formulac query`.
    options: Vec<String>,
    /// For a question with two aggregations: the model that contains the first aggregation, and the metric set that
    /// reads this model and that the options use. Both are files of the project.
    between: Option<ModelBetween>,
    /// Handwritten SQL.
    sql: String,
}

/// Model between two aggregations, and the metric set that reads the model.
#[derive(Clone)]
struct ModelBetween {
    model: String,
    set: String,
}

/// Kind of a query that answers a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QueryKind {
    HandWritten,
    Spec,
    /// `formulac query --metrics`.
    Command,
}

/// One of a question's queries.
struct Check<'q> {
    question: &'q Question,
    /// Index of the question.
    number: usize,
    kind: QueryKind,
    /// Query and its position in the dialect's batch, or the errors from the compiler.
    query: std::result::Result<(String, usize), String>,
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

/// Reads a question, and creates a version of it for each grain. Replaces `{grain}` and the other names in braces.
fn read_question(node: &Node) -> Result<Vec<Question>> {
    let mut map = node.map()?;
    let name = map.need("question")?.text()?.to_owned();
    let (spec, sql) = (map.need("spec")?, map.need("sql")?);
    let options = map.need("query")?.texts()?;
    let between = match map.take("model") {
        Some(model) => Some(ModelBetween {
            model: model.text()?.to_owned(),
            set: map.need("set")?.text()?.to_owned(),
        }),
        None => None,
    };
    let grains = map.need("at")?;
    map.finish()?;
    let at_grain = |grain: &Node| {
        let entries = grain.map()?.into_entries();
        let values = entries
            .iter()
            .map(|(key, value)| Ok((format!("{{{key}}}"), value.text()?)));
        let values: Vec<(String, &str)> = values.collect::<Result<_>>()?;
        let fill_in = |text: &str| {
            values.iter().fold(text.to_owned(), |text, (placeholder, value)| {
                text.replace(placeholder, value)
            })
        };
        let shown: Vec<&str> = values.iter().map(|(_, value)| *value).collect();
        Ok(Question {
            name: format!("{name} ({})", shown.join(", ")),
            line: node.line,
            spec: fill_in(spec.text()?),
            options: options.iter().map(|option| fill_in(option)).collect(),
            between: between.as_ref().map(|between| ModelBetween {
                model: fill_in(&between.model),
                set: fill_in(&between.set),
            }),
            sql: fill_in(sql.text()?),
        })
    };
    grains.list()?.iter().map(at_grain).collect()
}

impl Question {
    /// Returns a query that first computes the model between the two aggregations.
    fn over_model(&self, compiler: &Compiler, query: String) -> std::result::Result<String, String> {
        let Some(between) = &self.between else {
            return Ok(query);
        };
        let compiled = compiler.compile_spec(&between.model);
        let name = compiled.name().ok_or("the model has no name")?;
        let rows = query_of(&compiled)?;
        Ok(format!(
            "with {name} as (\n{rows}\n)\nselect * from (\n{query}\n) as answer"
        ))
    }
}

impl Shop {
    /// Compiles the metric queries for a dialect. Adds all queries to the batch.
    fn checks(&self, dialect: Dialect, folder: &Path, batch: &mut Batch) -> Vec<Check<'_>> {
        let relations = self.tables.iter().map(TestTable::relation);
        let schema = relations.fold(Schema::new(), Schema::with);
        let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
        let texts: Vec<SpecText<'_>> = self.sets.iter().map(|text| SpecText { text, path: None }).collect();
        let compiler = compiler.with_models(&compiler.compile_specs(&texts));
        let tables: Vec<Json> = self.tables.iter().map(TestTable::to_json).collect();
        let mut checks = Vec::new();
        for (number, question) in self.questions.iter().enumerate() {
            let mut add = |kind, query: std::result::Result<String, String>| {
                let asked = query.map(|query| (query.clone(), batch.add(&query, &tables)));
                checks.push(Check {
                    question,
                    number,
                    kind,
                    query: asked,
                });
            };
            if HAND_WRITTEN.contains(&dialect.name()) {
                add(QueryKind::HandWritten, Ok(question.sql.clone()));
            }
            add(QueryKind::Spec, query_of(&compiler.compile_spec(&question.spec)));
            // The runs with planted faults build only the library, not the command.
            if cfg!(feature = "cli") {
                let query = query_of_command(folder, dialect, &question.options);
                add(
                    QueryKind::Command,
                    query.and_then(|query| question.over_model(&compiler, query)),
                );
            }
        }
        checks
    }

    /// Writes a project with the metric sets and the schema of the shop. Returns the project's folder.
    fn write_project(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance").join(SUITE);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("metrics")).expect("the folder can be created");
        let write = |path: &str, text: String| fs::write(folder.join(path), text).expect("the file can be written");
        write("formulac.yml", "specs: metrics/\n".to_owned());
        let between = self.questions.iter().filter_map(|question| question.between.as_ref());
        let specs = between.flat_map(|between| [&between.model, &between.set]);
        for (number, spec) in self.sets.iter().chain(specs).enumerate() {
            write(&format!("metrics/spec_{number}.yml"), spec.clone());
        }
        let relation = |table: &TestTable| {
            let columns = table.columns.iter();
            let columns: serde_json::Map<String, Json> = columns
                .map(|column| (column.name.clone(), column.ty.to_string().into()))
                .collect();
            (table.name.clone(), json!({"columns": columns}))
        };
        let relations: serde_json::Map<String, Json> = self.tables.iter().map(relation).collect();
        write("schema.yml", json!({"relations": relations}).to_string());
        folder
    }
}

/// Returns the query that the command prints.
fn query_of_command(folder: &Path, dialect: Dialect, options: &[String]) -> std::result::Result<String, String> {
    let command = option_env!("CARGO_BIN_EXE_formulac").ok_or("the command is not built")?;
    let output = Command::new(command)
        .current_dir(folder)
        .args([
            "query",
            "--quiet",
            "--schema",
            "schema.yml",
            "--dialect",
            dialect.name(),
        ])
        .args(options)
        .output()
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => String::from_utf8(output.stdout).map_err(|error| error.to_string()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn query_of(compiled: &CompiledSpec) -> std::result::Result<String, String> {
    let errors = compiled.diagnostics().iter().filter(|diagnostic| diagnostic.is_error());
    let errors: Vec<String> = errors
        .map(|error: &Diagnostic| format!("{} {}", error.code(), error.message()))
        .collect();
    match compiled.query() {
        Some(query) if errors.is_empty() => Ok(query.to_owned()),
        _ => Err(format!("does not compile: {}", errors.join("; "))),
    }
}

/// Returns the rows of the handwritten SQL for each question. A column without values would test nothing.
fn expected_rows(checks: &[Check<'_>], answers: &[Answer]) -> Vec<std::result::Result<Output, String>> {
    let by_hand = checks.iter().filter(|check| check.kind == QueryKind::HandWritten);
    let rows = |check: &Check<'_>| {
        let (_, index) = check.query.as_ref().map_err(String::clone)?;
        let Table { columns, rows, .. } = answers[*index].clone()?;
        let is_empty = |column: &usize| rows.iter().all(|row| row[*column].is_null());
        match (0..columns.len()).find(is_empty) {
            Some(column) => Err(format!("the hand-written SQL gives no value of `{}`", columns[column])),
            None => Ok(Output { columns, rows }),
        }
    };
    by_hand.map(rows).collect()
}

/// Returns the difference between a result and the expected rows.
fn find_difference(check: &Check<'_>, answers: &[Answer], expected: &Output) -> Option<String> {
    match &check.query {
        Ok((_, index)) => match &answers[*index] {
            Ok(table) => table_fault(expected, true, table),
            Err(error) => Some(format!("the engine fails: {error}")),
        },
        Err(errors) => Some(errors.clone()),
    }
}

pub fn run() {
    if files::filter().is_some_and(|filter| !SUITE.contains(&filter)) {
        return;
    }
    let shop = read_all().unwrap_or_else(|error| panic!("stock_questions.yml: {error}"));
    let mut dialects: Vec<Dialect> = Dialect::verified().collect();
    dialects.sort_by_key(|dialect| dialect.name() != HAND_WRITTEN[0]);
    let folder = shop.write_project();
    let (mut batches, mut checks) = (Vec::new(), Vec::new());
    for dialect in dialects {
        let mut batch = Batch::default();
        checks.push(shop.checks(dialect, &folder, &mut batch));
        batches.push((dialect, batch));
    }
    let runs = run_all(SUITE, &batches);
    let total = checks.iter().map(Vec::len).sum();
    // Results cannot be checked without the engine that returns the expected rows.
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
        for check in checks {
            let found = match &expected[check.number] {
                Ok(expected) => find_difference(check, answers, expected),
                Err(error) => Some(error.clone()),
            };
            failures.extend(found.map(|fault| failure(check, *dialect, fault)));
        }
    }
    fail_on(SUITE, &failures, total);
}

fn failure(check: &Check<'_>, dialect: Dialect, fault: String) -> Failure {
    let question = check.question;
    let kind = match check.kind {
        QueryKind::HandWritten => "by hand",
        QueryKind::Spec => "metrics",
        QueryKind::Command => "query",
    };
    Failure {
        case: format!("stock_questions.yml:{}: {}, {kind}", question.line, question.name),
        dialect: dialect.name().to_owned(),
        formula: question.spec.clone(),
        sql: check.query.as_ref().map(|(sql, _)| sql.clone()).unwrap_or_default(),
        fault,
    }
}
