//! Runs all formula cases in all dialects.

use formulac::Dialect;

use crate::batch::Batch;
use crate::case::{Case, CaseFile, Expected, Untyped, read_file};
use crate::engine::{Run, announce_missing, run_all};
use crate::files;
use crate::formula::{Plan, Question, Variant, check_answer, plan};
use crate::report::{Failure, fail_on};
use crate::scoreboard::{Mark, Scoreboard};

const SUITE: &str = "functions";

/// Check of one case in one dialect, with and without types.
struct Check<'a> {
    file: &'a CaseFile,
    case: &'a Case,
    dialect: Dialect,
    attempts: Vec<(Variant, Plan, usize)>,
}

pub fn run() {
    let files = read_all();
    let dialects: Vec<Dialect> = Dialect::verified().collect();
    let mut batches = Vec::new();
    let mut checks = Vec::new();
    for dialect in &dialects {
        let mut batch = Batch::default();
        for file in &files {
            for case in file
                .cases
                .iter()
                .filter(|case| files::is_picked(&file.path, &case.name))
            {
                checks.push(prepare(file, case, *dialect, &mut batch));
            }
        }
        batches.push((*dialect, batch));
    }
    assert!(
        !checks.is_empty(),
        "no case ran; FORMULAC_CASES is {:?}",
        files::filter()
    );
    let runs = run_all(SUITE, &batches);
    for (dialect, run) in dialects.iter().zip(&runs) {
        if let Run::Missing(reason) = run {
            let count = checks.iter().filter(|check| check.dialect == *dialect).count();
            announce_missing(*dialect, reason, count);
        }
    }
    let mut scoreboard = Scoreboard::default();
    let mut failures = Vec::new();
    for check in &checks {
        let run = dialects
            .iter()
            .zip(&runs)
            .find(|(dialect, _)| **dialect == check.dialect);
        let run = run.map(|(_, run)| run).expect("every dialect was run");
        let mark = judge(check, run, &mut failures);
        scoreboard.add(&check.file.function, check.dialect, mark);
    }
    scoreboard.show(SUITE, "function");
    let attempts = checks.iter().map(|check| check.attempts.len()).sum();
    fail_on(SUITE, &failures, attempts);
}

pub fn read_all() -> Vec<CaseFile> {
    let mut good = Vec::new();
    let mut faults = Vec::new();
    for path in files::files_below("cases") {
        match read_file(&path) {
            Ok(file) => good.push(file),
            Err(fault) => faults.push(format!("{}: {fault}", files::short_name(&path))),
        }
    }
    assert!(faults.is_empty(), "case files with faults:\n{}", faults.join("\n"));
    good
}

fn prepare<'a>(file: &'a CaseFile, case: &'a Case, dialect: Dialect, batch: &mut Batch) -> Check<'a> {
    let is_row_level = matches!(case.expected, Expected::Rows(_));
    let has_columns = case.table.columns.len() > 1;
    let mut variants = vec![Variant::Typed];
    if has_columns && (is_row_level || case.untyped == Untyped::Error) {
        variants.push(Variant::Untyped);
    }
    let attempt = |variant| {
        let plan = plan(case, dialect, variant);
        let index = match &plan {
            Plan::Ask(question) => batch.add(&question.query, &[case.table.to_json()]),
            _ => 0,
        };
        (variant, plan, index)
    };
    let attempts = variants.into_iter().map(attempt).collect();
    Check {
        file,
        case,
        dialect,
        attempts,
    }
}

fn judge(check: &Check<'_>, run: &Run, failures: &mut Vec<Failure>) -> Mark {
    let mut worst = Mark::Agreed;
    for (variant, plan, index) in &check.attempts {
        let mark = match plan {
            Plan::Agreed => Mark::Agreed,
            Plan::Unsupported => Mark::Unsupported,
            Plan::Written => Mark::Written,
            Plan::Failed { sql, fault } => {
                failures.push(failure(check, *variant, sql, fault.clone()));
                Mark::Failed
            }
            Plan::Ask(question) => match ask(check, *variant, question, *index, run) {
                Ok(mark) => mark,
                Err(fault) => {
                    failures.push(failure(check, *variant, &question.sql, fault));
                    Mark::Failed
                }
            },
        };
        worst = worst.max(mark);
    }
    worst
}

fn ask(check: &Check<'_>, variant: Variant, question: &Question, index: usize, run: &Run) -> Result<Mark, String> {
    let Run::Done(answers) = run else {
        return Ok(Mark::Skipped);
    };
    let answer = answers.get(index).ok_or("the engine gave no answer")?;
    match check_answer(check.case, check.dialect, variant, question, answer) {
        None => Ok(Mark::Agreed),
        Some(fault) => Err(fault),
    }
}

fn failure(check: &Check<'_>, variant: Variant, sql: &str, fault: String) -> Failure {
    let path = files::short_name(&check.file.path);
    let untyped = if variant == Variant::Untyped {
        " [without schema]"
    } else {
        ""
    };
    Failure {
        case: format!("{path}:{}: {}{untyped}", check.case.line, check.case.name),
        dialect: check.dialect.name().to_owned(),
        formula: check.case.formula.clone(),
        sql: sql.to_owned(),
        fault,
    }
}
