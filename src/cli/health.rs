//! Reports of `status` and `doctor`: a line for each part, with what is wrong and the command that fixes it.

use serde_json::json;

use super::exit::{Exit, Failure};
use super::session::Session;

/// How many names are listed before the others are counted.
const NAMED: usize = 3;

/// Sign of a part that is not as it could be, which stops nothing.
pub const OPTIONAL: char = '○';

/// One line of a report on a project: what was looked at, and what is wrong with it.
#[derive(Default)]
pub struct HealthPart {
    pub name: &'static str,
    /// What is wrong; empty if nothing is.
    pub found: Vec<String>,
    /// What is shown if nothing is wrong.
    pub well: String,
    /// The command that fixes it.
    pub fix: String,
    /// Whether formulac works without it.
    pub is_optional: bool,
}

/// Prints the parts, or one JSON object with them.
pub fn show(session: &Session, as_json: bool, parts: &[HealthPart]) -> Result<Exit, Failure> {
    if as_json {
        let part = |part: &HealthPart| {
            let fix = (!part.found.is_empty()).then_some(&part.fix);
            json!({"part": part.name, "in_step": part.found.is_empty(), "found": part.found, "fix": fix})
        };
        session.json(&json!({"parts": parts.iter().map(part).collect::<Vec<_>>()}))?;
        return Ok(Exit::Done);
    }
    let width = parts.iter().map(|part| part.name.len()).max().unwrap_or_default();
    let mut out = String::new();
    for part in parts {
        if part.found.is_empty() {
            let sign = if part.is_optional { OPTIONAL } else { '✓' };
            out.push_str(&format!("{sign} {:width$}  {}\n", part.name, part.well));
            continue;
        }
        for (number, line) in part.found.iter().enumerate() {
            let sign = if part.is_optional { OPTIONAL } else { '✗' };
            let name = if number == 0 { format!("{sign} {:width$}", part.name) } else { " ".repeat(width + 2) };
            out.push_str(&format!("{name}  {line}\n"));
        }
        out.push_str(&format!("{}  → {}\n", " ".repeat(width + 2), part.fix));
    }
    session.print_escaped(&out)?;
    Ok(Exit::Done)
}

/// The first names, and how many others there are.
pub fn named(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let listed = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}
