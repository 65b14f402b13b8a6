//! Formats a differing row as one line.

use formulac::diag::render::escape_hidden;
use formulac::sync::ComparisonEvidence;
use formulac::verify::RowDifference;

/// Maximum number of characters shown per value.
const MAX_VALUE_LENGTH: usize = 60;
/// Placeholder for a hidden value.
const HIDDEN_PLACEHOLDER: &str = "(hidden)";

/// Formats a row, such as `month 2024-01-01: revenue 12.5, not 10 (2.5 apart)`. `columns` are the compared columns.
pub fn format_row(
    row: &RowDifference,
    comparison_evidence: &ComparisonEvidence,
    columns: &[String],
    is_hidden: impl Fn(&str) -> bool,
) -> String {
    let value = |column: &str, value: &Option<String>| {
        if is_hidden(column) {
            HIDDEN_PLACEHOLDER.to_owned()
        } else {
            display_value(value.as_deref())
        }
    };
    let keys = comparison_evidence
        .keys
        .iter()
        .zip(&row.key)
        .map(|(name, key)| format!("{} {}", escape_hidden(name), value(name, key)));
    let keys: Vec<String> = keys.collect();
    let key = if keys.is_empty() {
        "the row".to_owned()
    } else {
        keys.join(", ")
    };
    let (ours, theirs) = (comparison_evidence.relation_name(), comparison_evidence.compared_name());
    let description = match row.rows {
        [1, 1] => {
            let difference_text = |differing: &formulac::verify::ValueDifference| {
                let name = columns.get(differing.column).map_or("", String::as_str);
                let [our_value, their_value] = differing.values.each_ref().map(|cell| value(name, cell));
                let apart = differing.difference.as_ref().filter(|_| !is_hidden(name));
                let apart = apart
                    .map(|distance| format!(" ({} apart)", shorten_text(distance)))
                    .unwrap_or_default();
                format!("{} {our_value}, not {their_value}{apart}", escape_hidden(name))
            };
            row.values.iter().map(difference_text).collect::<Vec<_>>().join("; ")
        }
        [1, 0] => format!("only in {ours}"),
        [0, 1] => format!("only in {theirs}"),
        [our_count, their_count] => format!("{our_count} rows in {ours}, {their_count} in {theirs}"),
    };
    format!("{key}: {description}")
}

/// Formats a value on one line, without control characters that a terminal would interpret.
fn display_value(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_owned(),
        Some("") => "\"\"".to_owned(),
        Some("NULL") => "\"NULL\"".to_owned(),
        Some(text) => shorten_text(text),
    }
}

fn shorten_text(text: &str) -> String {
    let text = escape_hidden(text).replace('\n', "↵").replace('\t', " ");
    match text.char_indices().nth(MAX_VALUE_LENGTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
