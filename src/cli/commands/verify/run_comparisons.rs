//! Runs comparisons on the engine, with as many queries per engine call as possible. Queries the counts first and, if
//! there are differences, the rows with the largest differences.

use std::collections::BTreeSet;

use formulac::Schema;
use formulac::sync::{ComparisonEvidence, ComparisonVerdict};
use formulac::verify::{Comparison, ComparisonReader, Counts, RowDifference};

use super::row_line;
use crate::cli::engine::{Engine, EngineRequest, QueryResult};
use crate::cli::exit::Failure;

/// Result of a comparison: the columns, and the rows that differ.
#[derive(Default)]
pub struct ComparisonDetails {
    /// Compared columns.
    pub columns: Vec<String>,
    pub rows: Vec<RowDifference>,
    /// Whether `rows` contains only some of the differing rows.
    pub more: bool,
}

/// Two relations that are compared.
pub struct RelationPair {
    pub comparison: Comparison,
    /// Proof, initially with only the information that needs no query.
    pub comparison_evidence: ComparisonEvidence,
    /// Relations in the query, as written in the query.
    pub tables: Vec<String>,
    /// Columns whose values are never written to a file.
    pub hidden: BTreeSet<String>,
    /// Additional query whose duration is measured.
    pub timed: Option<String>,
}

/// Result of a comparison.
#[derive(Default)]
pub struct ComparisonResult {
    pub comparison_evidence: ComparisonEvidence,
    pub compared: ComparisonDetails,
    /// Engine that ran the comparison. Empty if no engine ran it.
    pub engine: String,
    /// Duration of the measured query, in seconds.
    pub seconds: Option<f64>,
}

/// Names of the queries, for messages.
const COUNTS_SUBJECT: &str = "row counts, sums and differences";
const ROWS_SUBJECT: &str = "the rows that differ";

/// Runs comparisons on an engine.
pub struct ComparisonRunner<'j> {
    pub engine: &'j Engine,
    pub typed: Option<&'j Schema>,
    /// Maximum number of differing rows to return.
    pub limit: u32,
}

impl ComparisonRunner<'_> {
    /// Runs the comparisons and returns their results in order. Calls `on_progress` after each comparison.
    pub fn run_comparisons(
        &self,
        pairs: Vec<RelationPair>,
        on_progress: impl Fn(),
    ) -> Result<Vec<ComparisonResult>, Failure> {
        let reader = self.comparison_reader();
        let counts: Vec<String> = pairs.iter().map(|pair| pair.comparison.counts_sql(reader)).collect();
        let requests = pairs
            .iter()
            .zip(&counts)
            .map(|(pair, sql)| self.comparison_queries(pair, sql, COUNTS_SUBJECT, 1, pair.timed.as_deref()));
        let answers = self
            .engine
            .answers(&requests.collect::<Vec<_>>(), self.typed, on_progress)?;
        let mut results: Vec<ComparisonResult> = pairs
            .iter()
            .zip(answers)
            .map(|(pair, answer)| compare_counts(pair, map_failure_to_message(answer)))
            .collect();
        let differing: Vec<(&RelationPair, &mut ComparisonResult)> = pairs
            .iter()
            .zip(&mut results)
            .filter(|(_, result)| self.needs_differing_rows(result))
            .collect();
        let rows: Vec<String> = differing
            .iter()
            .map(|(pair, _)| pair.comparison.rows_sql(reader))
            .collect();
        let requests = differing
            .iter()
            .zip(&rows)
            .map(|((pair, _), sql)| self.comparison_queries(pair, sql, ROWS_SUBJECT, self.limit, None));
        let answers = self.engine.answers(&requests.collect::<Vec<_>>(), self.typed, || ())?;
        for ((pair, result), answer) in differing.into_iter().zip(answers) {
            // The counts are valid even if no rows can be shown.
            if let Ok(answer) = map_failure_to_message(answer) {
                result.add_differing_rows(pair, &answer);
            }
        }
        Ok(results)
    }

    pub fn comparison_reader(&self) -> ComparisonReader {
        if self.engine.runs_models() {
            ComparisonReader::Dbt
        } else {
            ComparisonReader::Tables
        }
    }

    fn comparison_queries<'a>(
        &self,
        pair: &'a RelationPair,
        sql: &'a str,
        subject: &'static str,
        limit: u32,
        timed: Option<&'a str>,
    ) -> EngineRequest<'a> {
        EngineRequest {
            sql,
            what: subject,
            columns: &[],
            tables: &pair.tables,
            own_limit: None,
            limit,
            timed,
        }
    }

    fn needs_differing_rows(&self, result: &ComparisonResult) -> bool {
        let is_known = result.comparison_evidence.verdict != ComparisonVerdict::NotCompared;
        is_known && !result.comparison_evidence.counts.is_agreement() && self.limit > 0
    }
}

/// Returns the counts of a comparison, or the reason why counts are not available.
fn compare_counts(pair: &RelationPair, answer: Result<QueryResult, String>) -> ComparisonResult {
    let unproven = |why: String| {
        let mut result = ComparisonResult {
            comparison_evidence: pair.comparison_evidence.clone(),
            ..ComparisonResult::default()
        };
        result.comparison_evidence.why = Some(why);
        result
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return unproven(why),
    };
    let comparison = &pair.comparison;
    let counts = answer
        .rows
        .first()
        .and_then(|row| comparison.parse_counts(|name| answer.value(row, name)));
    let Some(counts) = counts else {
        let unproven = unproven("the engine's answer has an unexpected form".to_owned());
        return ComparisonResult {
            engine: answer.engine,
            seconds: answer.seconds,
            ..unproven
        };
    };
    let mut comparison_evidence = pair.comparison_evidence.clone();
    comparison_evidence.keys = comparison.keys().into_iter().map(str::to_owned).collect();
    comparison_evidence.tolerance = comparison.tolerance().map(str::to_owned);
    comparison_evidence.verdict = if counts.is_agreement() && comparison_evidence.lacking.is_empty() {
        ComparisonVerdict::Agrees
    } else {
        ComparisonVerdict::Differs
    };
    comparison_evidence.counts = remove_hidden_column_differences(counts, &pair.hidden);
    let columns = comparison.columns().into_iter().map(str::to_owned).collect();
    let compared = ComparisonDetails {
        columns,
        ..ComparisonDetails::default()
    };
    ComparisonResult {
        comparison_evidence,
        compared,
        engine: answer.engine,
        seconds: answer.seconds,
    }
}

/// Removes the largest differences of hidden columns, because these differences must not be written to a file.
fn remove_hidden_column_differences(mut counts: Counts, hidden: &BTreeSet<String>) -> Counts {
    for column in counts
        .columns
        .iter_mut()
        .filter(|counts| hidden.contains(&counts.column.to_lowercase()))
    {
        column.greatest = None;
    }
    counts
}

impl ComparisonResult {
    fn add_differing_rows(&mut self, pair: &RelationPair, answer: &QueryResult) {
        let row = |row: &Vec<Option<String>>| pair.comparison.parse_row(|name| answer.value(row, name));
        self.compared.rows = answer.rows.iter().filter_map(row).collect();
        self.compared.more = answer.more;
        let is_hidden = |column: &str| pair.hidden.contains(&column.to_lowercase());
        let format_line = |row: &RowDifference| {
            row_line::format_row(row, &self.comparison_evidence, &self.compared.columns, is_hidden)
        };
        self.comparison_evidence.worst = self.compared.rows.iter().map(format_line).collect();
    }
}

/// Returns the result, or the error message as a string.
fn map_failure_to_message(answer: Result<QueryResult, Failure>) -> Result<QueryResult, String> {
    answer.map_err(|failure| match failure {
        Failure::Found(diagnostics) => {
            let message = diagnostics
                .iter()
                .flat_map(|file_diagnostics| &file_diagnostics.diagnostics)
                .map(|diagnostic| diagnostic.message().to_owned())
                .next();
            message.unwrap_or_else(|| "the engine failed".to_owned())
        }
        // The query was not sent, because it is too long.
        Failure::Message(message) => message.text,
    })
}
