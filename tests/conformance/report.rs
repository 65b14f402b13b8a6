//! Collects failures and describes them in a single report.

use std::fmt::Write as _;
use std::fs;

use crate::files::output_folder;

pub struct Failure {
    /// File and line, followed by the name of the case.
    pub case: String,
    pub dialect: String,
    pub formula: String,
    pub sql: String,
    pub fault: String,
}

/// Fails the test with a list of all failures. Stores the report next to the batches.
pub fn fail_on(suite: &str, failures: &[Failure], checks: usize) {
    let path = output_folder().join(format!("{suite}-failures.txt"));
    let mut report = String::new();
    for failure in failures {
        let Failure {
            case,
            dialect,
            formula,
            sql,
            fault,
        } = failure;
        let formula = indented(formula);
        let fault = indented(fault);
        let _ = writeln!(report, "{dialect}: {case}\n  formula  {formula}");
        if !sql.is_empty() {
            let _ = writeln!(report, "  sql      {}", indented(sql));
        }
        let _ = writeln!(report, "  fault    {fault}\n");
    }
    fs::write(&path, &report).expect("the report can be written");
    let (count, display) = (failures.len(), path.display());
    assert!(
        count == 0,
        "{count} of {checks} checks fail (also in {display}):\n\n{report}"
    );
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n           ")
}

/// Returns the first lines, followed by the number of omitted lines.
pub fn first_lines_and_rest_count(most: usize, lines: &[String]) -> String {
    let mut shown = lines.iter().take(most).cloned().collect::<Vec<_>>().join("\n");
    if lines.len() > most {
        let _ = write!(shown, "\nand {} more", lines.len() - most);
    }
    shown
}
