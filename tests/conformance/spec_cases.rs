//! All spec cases on all dialects.

use std::path::Path;

use formulac::{Compiler, Dialect, Schema};

use crate::batch::Batch;
use crate::engine::{Run, announce_missing, run_all, say};
use crate::files;
use crate::report::{Failure, fail_on};
use crate::scoreboard::{Mark, Scoreboard};
use crate::spec_case::{SpecCase, fault, read_file};

const SUITE: &str = "specs";

struct Check<'a> {
    topic: &'a str,
    path: &'a str,
    case: &'a SpecCase,
    plan: Plan,
}

enum Plan {
    Ask { query: String, place: usize },
    Settled(Mark),
    Failed(String),
}

pub fn run() {
    let files = read_all();
    let dialects: Vec<Dialect> = Dialect::all().collect();
    let mut batches = Vec::new();
    let mut checks: Vec<Vec<Check<'_>>> = Vec::new();
    for dialect in &dialects {
        let mut batch = Batch::default();
        let mut list = Vec::new();
        for (path, topic, cases) in &files {
            for case in cases.iter().filter(|case| files::is_picked(Path::new(path), &case.name)) {
                let plan = plan(case, *dialect, &mut batch);
                list.push(Check { topic, path, case, plan });
            }
        }
        batches.push((*dialect, batch));
        checks.push(list);
    }
    let total: usize = checks.iter().map(Vec::len).sum();
    if total == 0 {
        // the filter may pick formula cases only
        assert!(files::filter().is_some(), "no spec case ran");
        say("no spec case is picked by FORMULAC_CASES");
        return;
    }
    let runs = run_all(SUITE, &batches);
    let mut scoreboard = Scoreboard::default();
    let mut failures = Vec::new();
    for ((dialect, run), checks) in dialects.iter().zip(&runs).zip(&checks) {
        if let Run::Missing(reason) = run {
            announce_missing(*dialect, reason, checks.len());
        }
        for check in checks {
            let mark = match verdict(check, *dialect, run) {
                Ok(mark) => mark,
                Err((sql, fault)) => {
                    failures.push(failure(check, *dialect, sql, fault));
                    Mark::Failed
                }
            };
            scoreboard.add(check.topic, *dialect, mark);
        }
    }
    scoreboard.show(SUITE, "spec");
    fail_on(SUITE, &failures, total);
}

pub fn read_all() -> Vec<(String, String, Vec<SpecCase>)> {
    let mut good = Vec::new();
    let mut faults = Vec::new();
    for path in files::below("specs") {
        match read_file(&path) {
            Ok((topic, cases)) => good.push((files::short_name(&path), topic, cases)),
            Err(fault) => faults.push(format!("{}: {fault}", files::short_name(&path))),
        }
    }
    assert!(faults.is_empty(), "spec files with faults:\n{}", faults.join("\n"));
    good
}

fn plan(case: &SpecCase, dialect: Dialect, batch: &mut Batch) -> Plan {
    let known = if case.untyped { &[] } else { case.tables.as_slice() };
    let schema = known.iter().fold(Schema::new(), |schema, table| schema.with(table.relation()));
    let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
    let compiled = compiler.compile_spec(&case.spec);
    let errors: Vec<String> = (compiled.diagnostics().iter())
        .filter(|diagnostic| diagnostic.code().starts_with('F'))
        .map(|diagnostic| format!("{} {}", diagnostic.code(), diagnostic.message()))
        .collect();
    if let (Some(code), true) = (&case.later, errors.is_empty()) {
        return Plan::Failed(format!("compiles now: take `later: {code}` away"));
    }
    let refusal = match (&case.refused, &case.later) {
        (Some(code), _) => Some((code, Mark::Agreed)),
        (None, Some(code)) => Some((code, Mark::Unsupported)),
        (None, None) => case.unsupported.get(dialect.name()).map(|code| (code, Mark::Unsupported)),
    };
    match (refusal, compiled.query()) {
        (Some((code, mark)), _) if errors.iter().any(|error| error.starts_with(code.as_str())) => Plan::Settled(mark),
        (Some((code, _)), _) => Plan::Failed(format!("must be refused with {code}: {errors:?}")),
        (None, Some(query)) if errors.is_empty() => {
            let tables: Vec<_> = case.tables.iter().map(|table| table.to_json()).collect();
            Plan::Ask { query: query.to_owned(), place: batch.add(query, &tables) }
        }
        (None, _) => Plan::Failed(format!("does not compile: {}", errors.join("; "))),
    }
}

fn verdict(check: &Check<'_>, dialect: Dialect, run: &Run) -> Result<Mark, (String, String)> {
    match (&check.plan, run) {
        (Plan::Settled(mark), _) => Ok(*mark),
        (Plan::Failed(fault), _) => Err((String::new(), fault.clone())),
        (Plan::Ask { .. }, Run::Missing(_)) => Ok(Mark::Skipped),
        (Plan::Ask { query, place }, Run::Done(answers)) => {
            let answer = answers.get(*place);
            match answer.and_then(|answer| fault(check.case, dialect, answer)) {
                None => Ok(Mark::Agreed),
                Some(fault) => Err((query.clone(), fault)),
            }
        }
    }
}

fn failure(check: &Check<'_>, dialect: Dialect, sql: String, fault: String) -> Failure {
    Failure {
        case: format!("{}:{}: {}", check.path, check.case.line, check.case.name),
        dialect: dialect.name().to_owned(),
        formula: check.case.spec.clone(),
        sql,
        fault,
    }
}
