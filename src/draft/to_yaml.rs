//! Formats a draft as YAML for the spec.

use std::fmt::Write as _;

use super::coverage::uncovered_outcomes;
use super::deterministic_rows::DraftedExample;
use super::mutation_score::MutationScorer;
use super::{Draft, DraftedRows, GivenRows, rows::RelationRows};
use crate::interpret::expr::InterpreterExpr;
use crate::interpret::trace::CoverageEvents;
use crate::interpret::value::Value;
use crate::model::interpreter_input::InterpreterInput;
use formulac_syntax::yaml;

/// Maximum line length of a row in flow style. Longer rows use one line per value.
const MAX_ROW_WIDTH: usize = 150;

pub fn write_draft(
    scorer: &MutationScorer<'_>,
    main: &InterpreterInput,
    examples: &[DraftedExample],
    today: Option<i64>,
) -> Draft {
    let mut text = String::new();
    let mut covered = CoverageEvents::new();
    examples
        .iter()
        .for_each(|example| covered.extend(example.events.iter().cloned()));
    if !main.has_examples {
        text.push_str("examples:\n");
    }
    let mut notes: Vec<String> = scorer
        .unknown
        .iter()
        .map(|(name, why)| format!("`{name}` is not covered: {why}"))
        .collect();
    let day = (InterpreterExpr::Literal(Value::Date(main.today)).to_string(), "TODAY()");
    let replace_day = |note: String| note.replace(&day.0, day.1);
    notes.extend(
        scorer
            .specs
            .first()
            .into_iter()
            .flat_map(|spec| uncovered_outcomes(spec, &covered))
            .map(replace_day),
    );
    for (example_index, example) in examples.iter().enumerate() {
        let left_out = example
            .omissions
            .iter()
            .map(|(name, why)| format!("`{name}` is not covered: {why}"));
        let general_notes = if example_index == 0 { notes.clone() } else { Vec::new() };
        for note in general_notes.into_iter().chain(left_out) {
            write_comment(&mut text, &note);
        }
        let name = example_name(main, &example.data, example_index);
        let _ = writeln!(text, "  - name: {name}");
        if let Some(today) = today {
            let _ = writeln!(text, "    today: \"{}\"", Value::Date(today).text());
        }
        text.push_str("    given:\n");
        for ((relation_input, slots), rows) in main.relations.iter().zip(scorer.slots).zip(&example.data) {
            let names: Vec<&str> = slots.iter().map(|slot| slot.written_name.as_str()).collect();
            let _ = write!(text, "      - input: {}\n        rows:", relation_input.input);
            write_rows(&mut text, &names, rows, true);
        }
        text.push_str("    expect:\n      rows:");
        let names: Vec<String> = example
            .columns
            .iter()
            .map(|column| column_to_yaml(scorer, column))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        write_rows(&mut text, &names, &example.rows, false);
    }
    Draft {
        text,
        appends: !main.has_examples,
        examples: examples
            .iter()
            .map(|example| drafted_rows(scorer, main, example))
            .collect(),
    }
}

fn drafted_rows(scorer: &MutationScorer<'_>, main: &InterpreterInput, example: &DraftedExample) -> DraftedRows {
    let values = |rows: &[Vec<Value>]| rows.iter().map(|row| row.iter().map(Into::into).collect()).collect();
    let relations = main.relations.iter().zip(scorer.slots).zip(&example.data);
    DraftedRows {
        given: relations
            .map(|((relation_input, slots), rows)| GivenRows {
                input: relation_input.input.clone(),
                columns: slots.iter().map(|slot| (slot.written_name.clone(), slot.ty)).collect(),
                rows: values(rows),
            })
            .collect(),
        columns: example
            .columns
            .iter()
            .map(|name| column_to_yaml(scorer, name))
            .collect(),
        rows: values(&example.rows),
    }
}

fn column_to_yaml(scorer: &MutationScorer<'_>, column: &str) -> String {
    let output_name = scorer.output_names.iter().find(|(name, _)| name == column);
    output_name
        .map_or(column, |(_, original_name)| original_name)
        .to_owned()
}

fn example_name(main: &InterpreterInput, data: &RelationRows, example_index: usize) -> String {
    let base_name = match data.iter().all(Vec::is_empty) {
        true => "drafted_of_no_rows".to_owned(),
        false if example_index == 0 => "drafted".to_owned(),
        false => format!("drafted_{}", example_index + 1),
    };
    let is_taken = |name: &str| {
        main.examples
            .iter()
            .any(|existing_name| existing_name.eq_ignore_ascii_case(name))
    };
    let others = (2..).map(|number: u32| format!("{base_name}_{number}"));
    [base_name.clone()]
        .into_iter()
        .chain(others)
        .find(|name| !is_taken(name))
        .unwrap_or(base_name)
}

fn write_comment(text: &mut String, note: &str) {
    let clean: String = note.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(text, "  # {clean}");
}

/// Writes rows. NULLs are omitted if `omit_nulls` is set, as for input rows. Expected rows contain NULLs.
fn write_rows(text: &mut String, names: &[&str], rows: &[Vec<Value>], omit_nulls: bool) {
    if rows.is_empty() {
        text.push_str(" []\n");
        return;
    }
    text.push('\n');
    let indent = if omit_nulls { 10 } else { 8 };
    let pairs = |row: &Vec<Value>| {
        let cells = names
            .iter()
            .zip(row)
            .filter(|(_, value)| !(omit_nulls && value.is_null()));
        let mut pairs: Vec<String> = cells
            .map(|(name, value)| format!("{}: {}", flow_string(name), scalar_text(value)))
            .collect();
        if pairs.is_empty() {
            // A row of NULLs needs at least one column.
            pairs.extend(names.first().map(|name| format!("{}: null", flow_string(name))));
        }
        pairs
    };
    let rows: Vec<Vec<String>> = rows.iter().map(pairs).collect();
    let width = |pairs: &Vec<String>| pairs.iter().map(|pair| pair.chars().count() + 2).sum::<usize>() + indent + 2;
    let is_narrow = rows.iter().all(|pairs| width(pairs) <= MAX_ROW_WIDTH);
    for pairs in rows {
        let _ = match is_narrow {
            true => writeln!(text, "{:indent$}- {{{}}}", "", pairs.join(", ")),
            false => writeln!(text, "{:indent$}- {}", "", pairs.join(&format!("\n{:indent$}  ", ""))),
        };
    }
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Number(number) => (number + 0.0).to_string(),
        // Keep trailing zeros, because dbt compares printed decimals.
        Value::Decimal(exact) if exact.scale > 0 => format!("\"{exact}\""),
        Value::Decimal(exact) => exact.to_string(),
        Value::Text(text) => flow_string(text),
        Value::Date(_) | Value::Time(_) => format!("\"{}\"", value.text()),
    }
}

/// Formats a string for a one-line mapping.
fn flow_string(text: &str) -> String {
    if !text.contains(['\r', '\0']) {
        return yaml::format_flow_scalar(text);
    }
    // `format_flow_scalar` removes NUL characters and the `\r` of `\r\n`.
    yaml::quote_scalar(text)
}

#[cfg(test)]
mod tests {
    use super::flow_string;
    use formulac_syntax::yaml;

    #[test]
    fn texts_round_trip_in_mappings() {
        for text in [
            "open", "a, b", "[x]", "a: b", "yes", "2024", "", "a\r\nb", "nul\0", "it's", "x #y",
        ] {
            let mapping = format!("rows: [{{{}: {}}}]\n", flow_string("a, b"), flow_string(text));
            let root = yaml::parse_root(&mapping).unwrap();
            let row = root.items_at("rows").first().and_then(|row| row.text_at("a, b"));
            assert_eq!(row, Some(text), "{mapping}");
        }
    }
}
