//! Runs cases that consist of a whole model, which is a spec or a worksheet, in all dialects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formulac::{CompiledSpec, Compiler, Dialect, Schema};
use serde_json::Value as Json;

use crate::batch::Batch;
use crate::engine::{Answer, Run, announce_missing, print_directly, run_all};
use crate::files;
use crate::report::{Failure, fail_on};
use crate::scoreboard::{Mark, Scoreboard};
use crate::warehouse_rules::without_constraints;
use crate::yaml;

/// A spec, the tables that it reads, and the expected result.
pub trait ModelCase {
    fn name(&self) -> &str;
    /// Returns the line of the case in its file.
    fn line(&self) -> usize;
    fn spec(&self) -> String;
    /// Compiles the spec.
    fn compile(&self, compiler: &Compiler) -> CompiledSpec {
        compiler.compile_spec(&self.spec())
    }
    /// Returns the schema that the compiler receives.
    fn schema(&self) -> Schema;
    /// Returns the tables in the form that the engine loads.
    fn tables(&self) -> Vec<Json>;
    /// Returns the code of the error with which every dialect rejects the case.
    fn rejection_code(&self) -> Option<&str>;
    /// Returns the codes of the errors for the dialects that do not support the case.
    fn unsupported_codes(&self) -> &BTreeMap<String, String>;
    /// Returns the error in the result, if there is one.
    fn check_answer(&self, dialect: Dialect, answer: &Answer) -> Option<String>;
}

/// The cases of one file.
pub struct ModelFile<C> {
    /// Path of the file, relative to the repository.
    pub path: String,
    /// Group under which the scoreboard lists the cases.
    pub topic: String,
    pub cases: Vec<C>,
}

struct Check<'a, C> {
    file: &'a ModelFile<C>,
    case: &'a C,
    plan: Plan,
}

enum Plan {
    Ask {
        query: String,
        index: usize,
    },
    /// The engine must run the query, but the rows are not compared.
    Try {
        query: String,
        index: usize,
    },
    Settled(Mark),
    Failed(String),
}

/// Reads the files of a folder. An error in any file ends the run.
pub fn read_all<C>(folder: &str, read: impl Fn(&Path) -> yaml::Result<(String, Vec<C>)>) -> Vec<ModelFile<C>> {
    let mut good = Vec::new();
    let mut faults = Vec::new();
    for path in files::files_below(folder) {
        let name = files::short_name(&path);
        match read(&path) {
            Ok((topic, cases)) => good.push(ModelFile {
                path: name,
                topic,
                cases,
            }),
            Err(fault) => faults.push(format!("{name}: {fault}")),
        }
    }
    assert!(faults.is_empty(), "case files with faults:\n{}", faults.join("\n"));
    good
}

/// Runs the selected cases. `kind` is the word for one of these cases in messages.
pub fn run<C: ModelCase>(suite: &str, kind: &str, files: &[ModelFile<C>]) {
    let mut batches = Vec::new();
    let mut checks: Vec<Vec<Check<'_, C>>> = Vec::new();
    for dialect in Dialect::verified() {
        let mut batch = Batch::default();
        let mut list = Vec::new();
        for file in files {
            let path = PathBuf::from(&file.path);
            for case in file.cases.iter().filter(|case| files::is_picked(&path, case.name())) {
                let plans = [
                    Some(plan(case, dialect, &mut batch)),
                    plan_without_facts(case, dialect, &mut batch),
                ];
                list.extend(plans.into_iter().flatten().map(|plan| Check { file, case, plan }));
            }
        }
        batches.push((dialect, batch));
        checks.push(list);
    }
    let total: usize = checks.iter().map(Vec::len).sum();
    if total == 0 {
        // The filter may select only cases of another kind.
        assert!(files::filter().is_some(), "no {kind} case ran");
        return print_directly(&format!("no {kind} case is picked by FORMULAC_CASES"));
    }
    let runs = run_all(suite, &batches);
    let mut scoreboard = Scoreboard::default();
    let mut failures = Vec::new();
    for (((dialect, _), run), checks) in batches.iter().zip(&runs).zip(&checks) {
        if let Run::Missing(reason) = run {
            announce_missing(*dialect, reason, checks.len());
        }
        for check in checks {
            let mark = verdict(check, *dialect, run).unwrap_or_else(|(sql, fault)| {
                failures.push(failure(check, *dialect, sql, fault));
                Mark::Failed
            });
            scoreboard.add(&check.file.topic, *dialect, mark);
        }
    }
    scoreboard.show(suite, kind);
    fail_on(suite, &failures, total);
}

fn plan(case: &impl ModelCase, dialect: Dialect, batch: &mut Batch) -> Plan {
    let compiler = Compiler::builder().dialect(dialect).schema(case.schema()).build();
    let compiled = case.compile(&compiler);
    let errors: Vec<String> = (compiled.diagnostics().iter())
        .filter(|diagnostic| diagnostic.is_error())
        .map(|diagnostic| format!("{} {}", diagnostic.code(), diagnostic.message()))
        .collect();
    let refusal = match case.rejection_code() {
        Some(code) => Some((code, Mark::Agreed)),
        None => case
            .unsupported_codes()
            .get(dialect.name())
            .map(|code| (code.as_str(), Mark::Unsupported)),
    };
    match (refusal, compiled.query()) {
        (Some((code, mark)), _) if errors.iter().any(|error| error.starts_with(code)) => Plan::Settled(mark),
        (Some((code, _)), _) => Plan::Failed(format!("must be refused with {code}: {errors:?}")),
        (None, Some(query)) if errors.is_empty() => Plan::Ask {
            query: query.to_owned(),
            index: batch.add(query, &case.tables()),
        },
        (None, _) => Plan::Failed(format!("does not compile: {}", errors.join("; "))),
    }
}

/// Compiles the case without declared keys and NOT NULL columns, because most dbt projects do not declare them, and
/// because a join on keys that may be NULL has a different condition. The rows of the result can depend on the key.
/// Returns `None` if the spec needs a key.
fn plan_without_facts(case: &impl ModelCase, dialect: Dialect, batch: &mut Batch) -> Option<Plan> {
    let schema = without_constraints(&case.schema());
    let compiled = case.compile(&Compiler::builder().dialect(dialect).schema(schema).build());
    let failed = compiled.diagnostics().iter().any(formulac::Diagnostic::is_error);
    let query = compiled.query().filter(|_| !failed)?.to_owned();
    let index = batch.add(&query, &case.tables());
    Some(Plan::Try { query, index })
}

fn verdict<C: ModelCase>(check: &Check<'_, C>, dialect: Dialect, run: &Run) -> Result<Mark, (String, String)> {
    match (&check.plan, run) {
        (Plan::Settled(mark), _) => Ok(*mark),
        (Plan::Failed(fault), _) => Err((String::new(), fault.clone())),
        (Plan::Ask { .. } | Plan::Try { .. }, Run::Missing(_)) => Ok(Mark::Skipped),
        (Plan::Try { query, index }, Run::Done(answers)) => {
            let failed = answers.get(*index).filter(|answer| answer.is_err());
            match failed.and_then(|answer| check.case.check_answer(dialect, answer)) {
                None => Ok(Mark::Agreed),
                Some(fault) => Err((query.clone(), format!("with no key and no NOT NULL known, {fault}"))),
            }
        }
        (Plan::Ask { query, index }, Run::Done(answers)) => {
            let answer = answers.get(*index);
            match answer.and_then(|answer| check.case.check_answer(dialect, answer)) {
                None => Ok(Mark::Agreed),
                Some(fault) => Err((query.clone(), fault)),
            }
        }
    }
}

fn failure<C: ModelCase>(check: &Check<'_, C>, dialect: Dialect, sql: String, fault: String) -> Failure {
    Failure {
        case: format!("{}:{}: {}", check.file.path, check.case.line(), check.case.name()),
        dialect: dialect.name().to_owned(),
        formula: check.case.spec(),
        sql,
        fault,
    }
}
