//! Formats the results of a verification as text, Markdown and JSON.

use formulac::markdown;
use formulac::sync::{ComparisonEvidence, ComparisonVerdict};
use formulac::verify::{ColumnCounts, RowDifference};
use formulac_syntax::text::format_count;
use serde_json::{Map, Value, json};

use super::freshness::BuildState;
use super::run_comparisons::ComparisonDetails;
use super::{VerificationResult, row_line};
use crate::cli::args::VerifyArgs;
use crate::cli::artifacts::format_timestamp;
use crate::cli::engine::Engine;
use crate::cli::exit::{Failure, FileDiagnostics};
use crate::cli::session::{Session, diagnostics_json};
use formulac::diag::render::escape_hidden;

pub fn print_verification_results(
    session: &Session,
    args: &VerifyArgs,
    engine: &Engine,
    results: &[VerificationResult],
    faulty: &[FileDiagnostics],
) -> Result<(), Failure> {
    if args.json {
        let models: Vec<Value> = results.iter().map(verification_result_json).collect();
        let diagnostics = diagnostics_json(faulty);
        return session.print_json(&json!({"engine": engine.name(), "models": models, "diagnostics": diagnostics}));
    }
    session.print_data(&if args.markdown {
        to_markdown(results)
    } else {
        format_verification_results(results)
    })?;
    session.report_action(&verify_summary(results, faulty));
    Ok(())
}

/// Label for a model that is not built. Only the formula of such a model can be compared.
const UNBUILT_LABEL: &str = "not built here";

/// Formats one line per comparison, followed by its differing rows, and then lines about problems and other
/// environments.
fn format_verification_results(results: &[VerificationResult]) -> String {
    let width = results
        .iter()
        .map(|result| result.evidence.model.chars().count())
        .max()
        .unwrap_or_default();
    let mut out = String::new();
    for verified in results {
        let name = escape_hidden(&verified.evidence.model);
        let (own_facts, others) = timing_and_build_lines(verified);
        let mut own_text = own_facts
            .into_iter()
            .map(|fact| format!(" · {fact}"))
            .collect::<String>();
        if verified.is_unbuilt {
            out.push_str(&format!("- {name:width$}  its formula: {UNBUILT_LABEL}\n"));
        }
        for (comparison_evidence, compared) in comparisons_with_details(verified) {
            // The lines about durations follow the line of the first comparison.
            let suffix = std::mem::take(&mut own_text);
            out.push_str(&format!(
                "{} {name:width$}  {}{suffix}\n",
                comparison_verdict_symbol(comparison_evidence),
                comparison_line(comparison_evidence)
            ));
            let rows = compared
                .rows
                .iter()
                .map(|row| row_line::format_row(row, comparison_evidence, &compared.columns, |_| false));
            rows.for_each(|row| out.push_str(&format!("      {row}\n")));
            if compared.more {
                out.push_str("      and more\n");
            }
        }
        for fault in problem_lines(verified) {
            out.push_str(&format!("✗ {name:width$}  {fault}\n"));
        }
        for fact in others {
            out.push_str(&format!("      {fact}\n"));
        }
    }
    out
}

fn comparisons_with_details(
    verified: &VerificationResult,
) -> impl Iterator<Item = (&ComparisonEvidence, &ComparisonDetails)> {
    verified.evidence.proofs.iter().zip(&verified.compared)
}

fn comparison_verdict_symbol(comparison_evidence: &ComparisonEvidence) -> &'static str {
    match comparison_evidence.verdict {
        ComparisonVerdict::Agrees => "✓",
        ComparisonVerdict::Differs => "✗",
        ComparisonVerdict::NotCompared => "-",
    }
}

/// Formats the names of both relations in a comparison, and the result of the comparison.
fn comparison_line(comparison_evidence: &ComparisonEvidence) -> String {
    let ours = if comparison_evidence.of_formula {
        "its formula, because nothing is built, and "
    } else {
        ""
    };
    format!("{ours}{}", comparison_label(comparison_evidence))
}

/// Formats the name of the relation with which the model is compared, and the result of the comparison.
fn comparison_label(comparison_evidence: &ComparisonEvidence) -> String {
    let message = comparison_evidence.message();
    // One line of the engine's message is sufficient here.
    format!(
        "{}: {}",
        escape_hidden(comparison_evidence.compared_name()),
        escape_hidden(message.lines().next().unwrap_or_default())
    )
}

/// Returns all problems except differing values.
fn problem_lines(verified: &VerificationResult) -> Vec<String> {
    let stale = verified
        .build_states
        .first()
        .filter(|build| build.is_stale())
        .and_then(|build| build.source.as_ref());
    let stale = stale.map(|source| {
        format!(
            "the data of the source {} is older than the source's freshness limit",
            source.name
        )
    });
    verified.over_budget.iter().cloned().chain(stale).collect()
}

/// Returns messages about the duration and the build in the current environment, and messages about other environments.
fn timing_and_build_lines(verified: &VerificationResult) -> (Vec<String>, Vec<String>) {
    let mut facts = Vec::new();
    if let Some(seconds) = verified.timing.formula_seconds {
        let last = verified
            .previous_query_seconds
            .map(|last| format!(", {last:.2} s last time"))
            .unwrap_or_default();
        facts.push(format!("takes {seconds:.2} s{last}"));
    }
    let mut build_states = verified.build_states.iter();
    facts.extend(build_states.next().and_then(|state| state.message(true)));
    let others = build_states
        .filter_map(|state| state.message(false))
        .chain(outdated_builds_message(&verified.build_states));
    (facts, others.collect())
}

/// Returns a message about the environment with the oldest build, if the builds differ in age.
fn outdated_builds_message(build_states: &[BuildState]) -> Option<String> {
    let built = build_states
        .iter()
        .filter_map(|build| Some((build.last_build.as_ref()?.0, build.environment.as_deref()?)));
    let mut built: Vec<_> = built.collect();
    built.sort();
    match built.as_slice() {
        [(first, oldest), .., (last, _)] if first < last => Some(format!("{oldest} has the oldest build")),
        _ => None,
    }
}

fn verify_summary(results: &[VerificationResult], faulty: &[FileDiagnostics]) -> String {
    let with = |verdict: ComparisonVerdict| {
        results
            .iter()
            .filter(|result| result.evidence.verdict() == verdict)
            .count()
    };
    let proofs: usize = results.iter().map(|result| result.evidence.proofs.len()).sum();
    let mut parts = vec![format_count(
        with(ComparisonVerdict::Agrees),
        "model agrees",
        "models agree",
    )];
    if with(ComparisonVerdict::Differs) > 0 {
        parts.push(format_count(
            with(ComparisonVerdict::Differs),
            "model differs",
            "models differ",
        ));
    }
    if with(ComparisonVerdict::NotCompared) > 0 {
        parts.push(format_count(
            with(ComparisonVerdict::NotCompared),
            "model is not verified",
            "models are not verified",
        ));
    }
    if !faulty.is_empty() {
        parts.push(format!(
            "{} errors",
            format_count(faulty.len(), "spec has", "specs have")
        ));
    }
    format!(
        "{}: {}",
        format_count(proofs, "comparison", "comparisons"),
        parts.join(", ")
    )
}

/// Formats a section for each model: a list of comparisons with their rows, and the durations.
fn to_markdown(results: &[VerificationResult]) -> String {
    let mut out = String::new();
    for verified in results {
        let evidence = &verified.evidence;
        let environment = Some(&evidence.environment)
            .filter(|environment_name| !environment_name.is_empty())
            .into_iter();
        let about: Vec<String> = environment
            .chain([&evidence.engine])
            .map(|part| markdown::escape_markdown(part))
            .collect();
        let about = about
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ");
        out.push_str(&format!(
            "### {}: {}\n\n",
            markdown::escape_markdown(&evidence.model),
            evidence.verdict().name()
        ));
        if verified.is_unbuilt {
            out.push_str(&format!("- {UNBUILT_LABEL}; compared by its formula\n"));
        }
        for (comparison_evidence, compared) in comparisons_with_details(verified) {
            let mark = match comparison_evidence.verdict {
                ComparisonVerdict::Agrees => "agrees with ",
                ComparisonVerdict::Differs => "**differs** from ",
                ComparisonVerdict::NotCompared => "**not compared** with ",
            };
            out.push_str(&format!(
                "- {mark}{}\n",
                markdown::escape_sentence(&comparison_label(comparison_evidence))
            ));
            for row in &compared.rows {
                let row = row_line::format_row(row, comparison_evidence, &compared.columns, |_| false);
                out.push_str(&format!("  - {}\n", markdown::escape_markdown(&row)));
            }
            if compared.more {
                out.push_str("  - and more\n");
            }
        }
        for fault in problem_lines(verified) {
            out.push_str(&format!("- **{}**\n", markdown::escape_markdown(&fault)));
        }
        let (own_facts, others) = timing_and_build_lines(verified);
        let facts: Vec<String> = own_facts
            .iter()
            .chain(&others)
            .map(|fact| markdown::escape_markdown(fact))
            .collect();
        let about = Some(about).filter(|part| !part.is_empty()).into_iter();
        out.push_str(&format!("\n{}\n\n", about.chain(facts).collect::<Vec<_>>().join(" · ")));
    }
    out
}

fn verification_result_json(verified: &VerificationResult) -> Value {
    let evidence = &verified.evidence;
    let comparisons: Vec<Value> = comparisons_with_details(verified)
        .map(|(comparison_evidence, compared)| comparison_json(comparison_evidence, compared))
        .collect();
    let state_json = |state: &BuildState| {
        let time =
            |system_time: std::time::SystemTime| jiff::Timestamp::try_from(system_time).map(format_timestamp).ok();
        let source = state.source.as_ref().map(|source| {
            json!({"source": source.name, "status": source.status.name(), "loaded_at": source.loaded.and_then(time)})
        });
        json!({
            "environment": state.environment,
            "built_at": state.last_build.as_ref().and_then(|(at, _)| time(*at)),
            "status": state.last_build.as_ref().map(|(_, status)| status),
            "source": source,
        })
    };
    json!({
        "model": evidence.model,
        "spec": evidence.spec,
        "content": evidence.content,
        "environment": Some(&evidence.environment).filter(|it| !it.is_empty()),
        "engine": evidence.engine,
        "verdict": evidence.verdict().name(),
        "is_built": !verified.is_unbuilt,
        "comparisons": comparisons,
        "seconds": {
            "formula": verified.timing.formula_seconds,
            "last": verified.previous_query_seconds,
            "build": verified.timing.build_seconds,
            "budget": verified.budget_seconds,
        },
        "faults": problem_lines(verified),
        "standings": verified.build_states.iter().map(state_json).collect::<Vec<_>>(),
    })
}

/// Returns a comparison as JSON.
pub fn comparison_json(comparison_evidence: &ComparisonEvidence, compared: &ComparisonDetails) -> Value {
    let counts = &comparison_evidence.counts;
    let column = |column: &ColumnCounts| {
        let mut object = json!({"column": column.column, "differing": column.differing, "greatest": column.greatest});
        if let ([ours, theirs], Some(object)) = (&column.sums, object.as_object_mut())
            && column.sums != [None, None]
        {
            object.insert("sums".to_owned(), json!({"model": ours, "other": theirs}));
        }
        object
    };
    let columns = counts.columns.iter().map(column);
    let row = |row: &RowDifference| {
        let key: Map<String, Value> = comparison_evidence
            .keys
            .iter()
            .zip(&row.key)
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let values = row.values.iter().map(|value| {
            let [ours, theirs] = &value.values;
            let column = compared.columns.get(value.column);
            json!({"column": column, "model": ours, "other": theirs, "difference": value.difference})
        });
        json!({
            "key": key,
            "rows": {"model": row.rows[0], "other": row.rows[1]},
            "values": values.collect::<Vec<_>>(),
        })
    };
    let counts_json = |count_pair: [u64; 2]| json!({"model": count_pair[0], "other": count_pair[1]});
    json!({
        "with": comparison_evidence.with,
        "verdict": comparison_evidence.verdict.name(),
        "told": comparison_evidence.message(),
        "formula_for_model": comparison_evidence.of_formula,
        "keys": comparison_evidence.keys,
        "tolerance": comparison_evidence.tolerance,
        "rows": counts_json(counts.rows),
        "agreeing": counts.agreeing_rows(),
        "differing": counts.differing,
        "only": counts_json(counts.only_on_side),
        "repeated": counts_json(counts.repeated),
        "columns": columns.collect::<Vec<_>>(),
        "lacking": comparison_evidence.lacking,
        "worst": compared.rows.iter().map(row).collect::<Vec<_>>(),
        "more": compared.more,
    })
}
