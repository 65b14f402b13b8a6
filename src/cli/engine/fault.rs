//! Error messages of engines, with the positions in the SQL to which they point.

use formulac_syntax::text::is_word_char;

use crate::cli::exit::{Failure, FileDiagnostics};
use formulac::diag::{Code, Diagnostic};
use formulac::span::Span;

/// Maximum number of characters to show from an engine's message.
const MAX_MESSAGE_LENGTH: usize = 1000;

/// SQL that was sent to the engine, and the prefix before it.
#[derive(Clone, Copy, Debug)]
pub struct EngineSql<'s> {
    pub sql: &'s str,
    pub before: &'s str,
    /// Help message if the SQL refers to a table that does not exist.
    pub missing: &'static str,
}

/// Returns a failure for an engine error in this SQL: the first paragraph of the engine's message, at the position to
/// which the message points.
pub fn from_sql(engine: &str, message: &str, sent_sql: EngineSql<'_>) -> Failure {
    let span = message_span(message, sent_sql);
    let mut diagnostic = engine_diagnostic(engine, message, span.unwrap_or_default());
    if diagnostic.help().is_none() && is_missing_table_error(message) {
        diagnostic = diagnostic.with_help(sent_sql.missing);
    }
    if span.is_some() {
        diagnostic = diagnostic.with_label("here");
    }
    // The SQL is quoted only if the position is known.
    let text = if span.is_some() {
        sent_sql.sql.to_owned()
    } else {
        String::new()
    };
    Failure::Found(vec![FileDiagnostics {
        file: "<query>".to_owned(),
        text,
        diagnostics: vec![diagnostic],
    }])
}

/// Returns a failure for an engine error that occurred while reading this file.
pub fn from_file(engine: &str, message: &str, file: &str) -> Failure {
    let diagnostics = vec![engine_diagnostic(engine, message, Span::default())];
    Failure::Found(vec![FileDiagnostics {
        file: file.to_owned(),
        text: String::new(),
        diagnostics,
    }])
}

fn engine_diagnostic(engine: &str, message: &str, span: Span) -> Diagnostic {
    let reason = first_paragraph(message);
    let diagnostic = Diagnostic::new(Code::EngineFailed, span, format!("{engine} failed: {reason}"));
    match message_hint(message) {
        Some(hint) => diagnostic.with_help(hint),
        None => diagnostic,
    }
}

/// Returns the part of a message that describes the error. If the message has no such part, returns a sentence saying
/// that no reason was reported.
pub fn first_paragraph(message: &str) -> String {
    let lines = message.lines().map(str::trim).skip_while(|line| line.is_empty());
    let lines: Vec<&str> = lines.take_while(|line| !is_message_end(line)).collect();
    let text = lines.join("\n");
    // Remove psql's line number, which refers to the script on its standard input, because the user never sees the
    // script.
    let text = match text.split_once(": ERROR:") {
        Some((script, rest)) if script.starts_with("psql:") => rest.trim_start().to_owned(),
        _ => text
            .strip_prefix("ERROR:")
            .map_or(text.clone(), |rest| rest.trim_start().to_owned()),
    };
    if text.is_empty() {
        return "no reason was reported".to_owned();
    }
    match text.char_indices().nth(MAX_MESSAGE_LENGTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Returns whether the part of the message that is intended for the user ends before this line.
fn is_message_end(line: &str) -> bool {
    let begins = |text: &str| line.starts_with(text);
    // The line `compiled code at` contains the name of the file with dbt's compiled SQL.
    line.is_empty()
        || begins("Possible ")
        || begins("compiled code at ")
        || is_error_position_line(line)
        || is_hint(line)
}

fn message_hint(message: &str) -> Option<String> {
    let hints = message.lines().map(str::trim).filter(|line| is_hint(line));
    let hints: Vec<&str> = hints.filter_map(|line| Some(line.split_once(':')?.1.trim())).collect();
    (!hints.is_empty()).then(|| hints.join("; "))
}

/// Returns whether an engine's message reports that a table does not exist.
pub fn is_missing_table_error(message: &str) -> bool {
    let message = message.to_lowercase();
    message.contains("does not exist")
        && ["table", "relation", "schema"]
            .iter()
            .any(|phrase| message.contains(phrase))
}

fn is_hint(line: &str) -> bool {
    ["HINT:", "DETAIL:"].iter().any(|word| line.starts_with(word))
}

/// Returns whether a line is a position such as `LINE 3: amout`, which DuckDB and Postgres print above the line with
/// the caret.
fn is_error_position_line(line: &str) -> bool {
    line_number(line).is_some()
}

fn line_number(line: &str) -> Option<(usize, &str)> {
    let (number, text) = line.strip_prefix("LINE ")?.split_once(": ")?;
    Some((number.parse().ok()?, text))
}

/// Returns the position that a message points to. Engines truncate long lines on both sides.
fn message_span(message: &str, sent_sql: EngineSql<'_>) -> Option<Span> {
    let mut lines = message
        .lines()
        .map(str::trim_start)
        .skip_while(|line| !is_error_position_line(line));
    let quoted_line = lines.next()?;
    let caret_line = message
        .lines()
        .skip_while(|line| !is_error_position_line(line.trim_start()))
        .nth(1)?;
    let indent = message
        .lines()
        .find(|line| is_error_position_line(line.trim_start()))
        .map(|l| l.len() - l.trim_start().len())?;
    let (number, excerpt) = line_number(quoted_line)?;
    let prefix = quoted_line.len() - excerpt.len() + indent;
    let caret = caret_line.chars().position(|c| c == '^')?.checked_sub(prefix)?;
    let full_sql = format!("{}{}", sent_sql.before, sent_sql.sql);
    let start = full_sql
        .split_inclusive('\n')
        .take(number.checked_sub(1)?)
        .map(str::len)
        .sum::<usize>();
    let line = full_sql.get(start..)?.lines().next().unwrap_or_default();
    let cut = excerpt.trim_end_matches("...");
    let core = cut.strip_prefix("...").unwrap_or(cut);
    // If the excerpt is not in this line, search the whole SQL, because dbt sends SQL with different line numbers to
    // the engine.
    let only = |core: &str| {
        full_sql
            .find(core)
            .filter(|offset| full_sql.rfind(core) == Some(*offset))
    };
    let core_start = line
        .find(core)
        .map(|offset| start + offset)
        .or_else(|| only(core).filter(|_| core.len() > 1))?;
    let inside = core
        .char_indices()
        .nth(caret.checked_sub(cut.chars().count() - core.chars().count())?)?
        .0;
    let from = (core_start + inside).checked_sub(sent_sql.before.len())?;
    let rest = sent_sql.sql.get(from..)?;
    let word = rest.find(|c| !is_word_char(c)).filter(|length| *length > 0);
    let length = word.unwrap_or_else(|| rest.chars().next().map_or(0, char::len_utf8));
    Some(Span::new(from as u32, (from + length) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted_name(message: &str, before: &str, sql: &str) -> Option<String> {
        message_span(
            message,
            EngineSql {
                sql,
                before,
                missing: "",
            },
        )
        .map(|span| span.text(sql).to_owned())
    }

    #[test]
    fn position_in_engine_message_is_found() {
        let sql = "select id,\n  amout as \"é\", broken\nfrom t";
        let duckdb = "Binder Error: no!\n\nLINE 2:   amout as \"é\", broken\n          ^\n";
        assert_eq!(quoted_name(duckdb, "describe ", sql).as_deref(), Some("amout"));
        let cut = "ERROR:  no\nLINE 2: ...t as \"é\", broken\n                     ^";
        assert_eq!(quoted_name(cut, "", sql).as_deref(), Some("broken"));
        let by_dbt = "  no\n  LINE 7:   amout as \"é\", broken\n            ^^^^^\n";
        assert_eq!(quoted_name(by_dbt, "", sql).as_deref(), Some("amout"));
        let first = "LINE 1: describe select id,\n                        ^";
        assert_eq!(quoted_name(first, "describe ", sql).as_deref(), Some("id"));
        for nowhere in [
            "",
            "LINE 9: xyz\n        ^",
            "LINE 1: describe\n        ^",
            "LINE 2: amout",
            "LINE x: y\n^",
        ] {
            assert_eq!(quoted_name(nowhere, "describe ", sql), None, "{nowhere}");
        }
    }

    #[test]
    fn only_first_paragraph_is_reported() {
        let message = "\npsql:<stdin>:4: ERROR:  relation \"t\" does not exist\nLINE 1: select\n  ^\nHINT:  Make it.\n";
        assert_eq!(first_paragraph(message), "relation \"t\" does not exist");
        assert_eq!(message_hint(message).as_deref(), Some("Make it."));
        assert_eq!(first_paragraph("IO Error: a\nb\n\nLINE 1: c"), "IO Error: a\nb");
        assert_eq!(first_paragraph("\n"), "no reason was reported");
        assert!(first_paragraph(&"é".repeat(3000)).len() < 2100);
    }
}
