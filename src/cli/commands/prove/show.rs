//! Prints the outcome of `formulac prove`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ProofOutcome;
use super::report::{ProofCounts, ProofProblem, RowSource};
use crate::cli::args::ProveArgs;
use crate::cli::exit::Failure;
use crate::cli::session::Session;

/// Maximum number of problems that are printed in full.
const MAX_PRINTED_PROBLEMS: usize = 20;

/// Message about what a query plan cannot prove.
const PLAN_LIMITS_MESSAGE: &str = "\
The warehouse planned each statement without running it. A plan does not show
- whether the values are right
- whether a statement fails on a value, such as a division by zero
- whether the role may create tables, and how formulas behave on stored columns
- session parameters and the version of the warehouse
";

pub fn print(session: &Session, args: &ProveArgs, outcome: &ProofOutcome) -> Result<(), Failure> {
    if args.json {
        let mut report = serde_json::to_value(&outcome.report).unwrap_or_default();
        let models: Vec<Value> = outcome
            .unproven
            .iter()
            .map(|(model, reason)| json!({"model": model, "reason": reason}))
            .collect();
        if let Value::Object(fields) = &mut report {
            fields.insert("problems".to_owned(), json!(outcome.problems));
            fields.insert("wrong_parameters".to_owned(), json!(outcome.wrong_parameters));
            fields.insert("dry_run".to_owned(), json!(outcome.is_dry));
            fields.insert("models_without_proof".to_owned(), models.into());
        }
        return session.print_json(&report);
    }
    session.print_data(&text(outcome))
}

fn text(outcome: &ProofOutcome) -> String {
    let report = &outcome.report;
    let mut out = String::new();
    let counts = report.counts();
    let _ = write!(out, "{}", report.engine);
    if !report.warehouse.is_empty() {
        let _ = write!(out, ", {}", report.warehouse);
    }
    out.push('\n');
    let line = if outcome.is_dry {
        planned_counts_line
    } else {
        proof_counts_line
    };
    for (noun, counts) in [("cases", counts), ("examples of models", report.models)] {
        if counts.total() > 0 {
            let _ = writeln!(out, "{}", line(noun, counts));
        }
    }
    if !outcome.is_dry && report.rows_from == RowSource::Literals {
        out.push_str("not proven: formulas over stored columns, because the role is not permitted to create tables\n");
    }
    for (model, reason) in &outcome.unproven {
        let _ = writeln!(out, "not proven: {model}: {reason}");
    }
    let (not_proven, problems): (Vec<&ProofProblem>, Vec<&ProofProblem>) = outcome
        .problems
        .iter()
        .partition(|problem| problem.verdict == "not_proven");
    for problem in not_proven
        .iter()
        .take(if outcome.is_dry { 0 } else { MAX_PRINTED_PROBLEMS })
    {
        let message = problem.message.as_deref().unwrap_or_default();
        let _ = writeln!(out, "not proven: {}: {}: {message}", problem.subject, problem.case);
    }
    for problem in problems.iter().take(MAX_PRINTED_PROBLEMS) {
        out.push_str(&proof_problem_text(problem));
    }
    let more = [&not_proven, &problems]
        .map(|list| list.len().saturating_sub(MAX_PRINTED_PROBLEMS))
        .iter()
        .sum::<usize>();
    if more > 0 && !outcome.is_dry {
        let _ = writeln!(out, "\n{more} more; `--json` shows all");
    }
    if outcome.is_dry {
        let _ = write!(out, "\n{PLAN_LIMITS_MESSAGE}");
    }
    out
}

fn proof_counts_line(noun: &str, counts: ProofCounts) -> String {
    let mut line = format!("{} of {} {noun} proven", counts.proven, counts.total());
    let differ = if counts.differs == 1 { "differs" } else { "differ" };
    for (count, text) in [
        (counts.differs, differ),
        (counts.refused, "refused by the warehouse"),
        (counts.not_proven, "not proven"),
    ] {
        if count > 0 {
            let _ = write!(line, ", {count} {text}");
        }
    }
    line
}

fn planned_counts_line(noun: &str, counts: ProofCounts) -> String {
    let refused = match counts.refused {
        0 => String::new(),
        count => format!(", {count} refused by the warehouse"),
    };
    format!(
        "{} of {} {noun} planned{refused}",
        counts.total() - counts.refused,
        counts.total()
    )
}

fn proof_problem_text(problem: &ProofProblem) -> String {
    let verdict = problem.verdict.replace('_', " ");
    let mut out = format!("\n{verdict}: {}: {}\n", problem.subject, problem.case);
    let mut indented = |title: &str, text: &str| {
        let _ = write!(out, "  {title}");
        let lines: Vec<&str> = text.trim_end().lines().collect();
        match lines.as_slice() {
            [line] => {
                let _ = writeln!(out, " {line}");
            }
            lines => {
                let _ = writeln!(out, "\n    {}", lines.join("\n    "));
            }
        }
    };
    indented("formula", &problem.source);
    if let (Some(expected), Some(actual)) = (&problem.expected, &problem.got) {
        indented("expected", &expected.to_string());
        indented("got     ", &actual.to_string());
    }
    if let Some(message) = &problem.message {
        indented("message", message);
    }
    indented("SQL", &problem.sql);
    out
}
