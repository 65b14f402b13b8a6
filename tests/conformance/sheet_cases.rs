//! All sheet cases on all dialects.

use std::path::Path;

use formulac::{Compiler, Dialect, Schema};

use crate::batch::Batch;
use crate::engine::{Run, announce_missing, run_all, say};
use crate::files;
use crate::report::{Failure, fail_on};
use crate::scoreboard::{Mark, Scoreboard};
use crate::sheet_case::{Sheet, SheetCase, read_file};

const SUITE: &str = "sheets";

struct Check<'a> {
    path: &'a str,
    sheet: &'a Sheet,
    case: &'a SheetCase,
    plan: Plan,
}

enum Plan {
    Ask { query: String, place: usize },
    Settled(Mark),
    Failed(String),
}

pub fn run() {
    let files = read_all();
    let mut scoreboard = Scoreboard::default();
    let mut batches = Vec::new();
    let mut checks: Vec<Vec<Check<'_>>> = Vec::new();
    for dialect in Dialect::all() {
        let mut batch = Batch::default();
        let mut list = Vec::new();
        for (path, sheet, cases) in &files {
            for case in cases.iter().filter(|case| files::is_picked(Path::new(path), &case.name)) {
                list.push(Check { path, sheet, case, plan: plan(sheet, case, dialect, &mut batch) });
            }
        }
        batches.push((dialect, batch));
        checks.push(list);
    }
    let total: usize = checks.iter().map(Vec::len).sum();
    if total == 0 {
        assert!(files::filter().is_some(), "no sheet case ran");
        return say("no sheet case is picked by FORMULAC_CASES");
    }
    let runs = run_all(SUITE, &batches);
    let mut failures = Vec::new();
    for (((dialect, _), run), checks) in batches.iter().zip(&runs).zip(&checks) {
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
            scoreboard.add(&check.sheet.topic, *dialect, mark);
        }
    }
    scoreboard.show(SUITE, "sheet");
    fail_on(SUITE, &failures, total);
}

fn read_all() -> Vec<(String, Sheet, Vec<SheetCase>)> {
    let mut good = Vec::new();
    let mut faults = Vec::new();
    for path in files::below("sheets") {
        match read_file(&path) {
            Ok((sheet, cases)) => good.push((files::short_name(&path), sheet, cases)),
            Err(fault) => faults.push(format!("{}: {fault}", files::short_name(&path))),
        }
    }
    assert!(faults.is_empty(), "sheet files with faults:\n{}", faults.join("\n"));
    good
}

fn plan(sheet: &Sheet, case: &SheetCase, dialect: Dialect, batch: &mut Batch) -> Plan {
    let table = sheet.table();
    let schema = Schema::new().with(table.relation());
    let compiled = Compiler::builder().dialect(dialect).schema(schema).build().compile_spec(&sheet.spec(case));
    let errors: Vec<String> = (compiled.diagnostics().iter())
        .filter(|diagnostic| diagnostic.is_error())
        .map(|diagnostic| format!("{} {}", diagnostic.code(), diagnostic.message()))
        .collect();
    let refusal = match &case.refused {
        Some(code) => Some((code, Mark::Agreed)),
        None => case.unsupported.get(dialect.name()).map(|code| (code, Mark::Unsupported)),
    };
    match (refusal, compiled.query()) {
        (Some((code, mark)), _) if errors.iter().any(|error| error.starts_with(code.as_str())) => Plan::Settled(mark),
        (Some((code, _)), _) => Plan::Failed(format!("must be refused with {code}: {errors:?}")),
        (None, Some(query)) if errors.is_empty() => {
            Plan::Ask { query: query.to_owned(), place: batch.add(query, &[table.to_json()]) }
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
            match answer.and_then(|answer| check.sheet.fault(check.case, dialect, answer)) {
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
        formula: check.sheet.spec(check.case),
        sql,
        fault,
    }
}
