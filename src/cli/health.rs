//! Reports of `status` and `doctor`: one line per part of the project, with its problems and the command that
//! fixes them.

use formulac::diag::lists::join_words_up_to;
use serde_json::json;

use super::exit::Failure;
use super::session::Session;

/// Maximum number of names listed. The remaining names are only counted.
const MAX_LISTED_NAMES: usize = 3;

/// Symbol for a part with a problem that does not prevent formulac from working.
pub const OPTIONAL_SYMBOL: char = '○';

/// Line of a health report: the part of the project that was checked, and the problems found.
#[derive(Default)]
pub struct HealthCheck {
    pub name: &'static str,
    /// Problems of the part. Empty if there are no problems.
    pub problems: Vec<String>,
    /// Message to print if the part has no problems.
    pub success_message: String,
    /// Command that fixes the problems.
    pub fix: String,
    /// Whether formulac works without this part.
    pub is_optional: bool,
}

/// Prints the parts, or one JSON object with them.
pub fn print_health(session: &Session, as_json: bool, parts: &[HealthCheck]) -> Result<(), Failure> {
    if as_json {
        let part = |part: &HealthCheck| {
            let fix = (!part.problems.is_empty()).then_some(&part.fix);
            json!({"part": part.name, "in_step": part.problems.is_empty(), "found": part.problems, "fix": fix})
        };
        return session.print_json(&json!({"parts": parts.iter().map(part).collect::<Vec<_>>()}));
    }
    session.print_escaped(&format_health_checks(parts, longest_check_name(parts)))
}

/// Returns the length of the longest name.
pub fn longest_check_name(parts: &[HealthCheck]) -> usize {
    parts.iter().map(|part| part.name.len()).max().unwrap_or_default()
}

/// Formats the parts, with names of this width.
pub fn format_health_checks(parts: &[HealthCheck], width: usize) -> String {
    let mut out = String::new();
    for part in parts {
        if part.problems.is_empty() {
            let sign = if part.is_optional { OPTIONAL_SYMBOL } else { '✓' };
            out.push_str(&format!("{sign} {:width$}  {}\n", part.name, part.success_message));
            continue;
        }
        for (number, line) in part.problems.iter().enumerate() {
            let sign = if part.is_optional { OPTIONAL_SYMBOL } else { '✗' };
            let name = if number == 0 {
                format!("{sign} {:width$}", part.name)
            } else {
                " ".repeat(width + 2)
            };
            out.push_str(&format!("{name}  {line}\n"));
        }
        out.push_str(&format!("{}  → {}\n", " ".repeat(width + 2), part.fix));
    }
    out
}

/// Lists the first few names and the number of remaining names.
pub fn summarize_names(names: &[String]) -> String {
    join_words_up_to(names, MAX_LISTED_NAMES)
}
