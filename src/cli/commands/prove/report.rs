//! Report of a run of `formulac prove`. The report contains no data, names or formulas of the project, so it can be
//! shared with others.

use std::collections::BTreeMap;
use std::path::Path;

use formulac_syntax::text::is_word_char;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cases::ProofCase;
use super::compare_results::ProofVerdict;
use crate::cli::source::read_text;

/// Folder of the reports, relative to the project.
pub const REPORTS_FOLDER: &str = ".formulac/proofs";

/// Source of the rows for the cases.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowSource {
    /// The run created a table.
    Table,
    /// The query contains the rows as literals, because the role is not permitted to create tables.
    Literals,
}

/// Verdict counts for one function, operator or topic.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ProofCounts {
    pub proven: usize,
    pub differs: usize,
    pub refused: usize,
    pub not_proven: usize,
}

impl ProofCounts {
    pub fn add(&mut self, verdict: &ProofVerdict) {
        *match verdict {
            ProofVerdict::Proven => &mut self.proven,
            ProofVerdict::Differs(_) => &mut self.differs,
            ProofVerdict::Refused(_) => &mut self.refused,
            ProofVerdict::NotProven(_) => &mut self.not_proven,
        } += 1;
    }

    pub fn total(self) -> usize {
        self.proven + self.differs + self.refused + self.not_proven
    }
}

/// A case that is not proven.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ProofProblem {
    pub subject: String,
    pub case: String,
    /// Verdict: `differs`, `refused` or `not_proven`.
    pub verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    pub source: String,
    pub sql: String,
}

/// Result of a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ProofReport {
    pub formulac: String,
    pub dialect: String,
    /// Versions of dbt and the adapter.
    pub engine: String,
    /// Version that the warehouse reports.
    pub warehouse: String,
    /// Name of the environment in the project.
    pub environment: String,
    pub at: String,
    pub id: String,
    pub rows_from: RowSource,
    /// Session parameters that could change values.
    pub session: BTreeMap<String, String>,
    /// Counts by function, operator or topic.
    pub subjects: BTreeMap<String, ProofCounts>,
    pub problems: Vec<ProofProblem>,
    /// Counts for the project's own models, without their names.
    pub models: ProofCounts,
}

impl ProofReport {
    /// Returns the path of the report for an environment, relative to the project.
    pub fn path(environment: &str) -> String {
        let is_plain = |c: char| is_word_char(c) || c == '-';
        let name = environment.replace(|c| !is_plain(c), "_");
        format!("{REPORTS_FOLDER}/{name}.json")
    }

    /// Reads the reports of a project. A file in a different format is ignored.
    pub fn read_all(root: &Path) -> Vec<Self> {
        let files = std::fs::read_dir(root.join(REPORTS_FOLDER))
            .into_iter()
            .flatten()
            .flatten();
        let mut paths: Vec<_> = files.map(|file| file.path()).collect();
        paths.sort();
        let read_report = |path: std::path::PathBuf| serde_json::from_str(&read_text(path).ok()?).ok();
        paths.into_iter().filter_map(read_report).collect()
    }

    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Returns the counts for all conformance cases.
    pub fn counts(&self) -> ProofCounts {
        let mut sum = ProofCounts::default();
        for subject_counts in self.subjects.values() {
            sum.proven += subject_counts.proven;
            sum.differs += subject_counts.differs;
            sum.refused += subject_counts.refused;
            sum.not_proven += subject_counts.not_proven;
        }
        sum
    }
}

impl ProofProblem {
    /// Returns `None` for a case that is proven.
    pub fn new(proof: &ProofCase, sql: impl FnOnce() -> String, verdict: &ProofVerdict) -> Option<Self> {
        let expected = || proof.expected.rows.iter().cloned().map(Value::from).collect();
        let (name, expected, actual_rows, message) = match verdict {
            ProofVerdict::Proven => return None,
            ProofVerdict::Differs(actual) => ("differs", Some(expected()), Some(actual.clone()), None),
            ProofVerdict::Refused(message) => ("refused", None, None, Some(message.clone())),
            ProofVerdict::NotProven(message) => ("not_proven", None, None, Some(message.clone())),
        };
        Some(Self {
            subject: proof.subject.clone(),
            case: proof.case.clone(),
            verdict: name.to_owned(),
            expected,
            got: actual_rows,
            message,
            source: proof.source.clone(),
            sql: sql(),
        })
    }
}
