//! The `config` call at the top of a model, with values as Jinja literals. The call contains the settings that affect
//! the SQL.

use crate::yaml::YamlValue;

/// Maximum length of a line.
const MAX_LINE_WIDTH: usize = 80;

/// Returns the `config` block followed by a blank line, or an empty string if there are no arguments.
pub fn config_block(arguments: &[(String, YamlValue)]) -> String {
    if arguments.is_empty() {
        return String::new();
    }
    if let [(name, value)] = arguments {
        let line = format!("{{{{ config({name}={}) }}}}", format_one_line(value));
        if line.len() <= MAX_LINE_WIDTH {
            return line + "\n\n";
        }
    }
    let mut out = String::from("{{\n    config(\n");
    for (number, (name, value)) in arguments.iter().enumerate() {
        out.push_str(&format!("        {name}="));
        write_value(&mut out, value, 8, name.len() + 1);
        out.push_str(if number + 1 < arguments.len() { ",\n" } else { "\n" });
    }
    out + "    )\n}}\n\n"
}

/// Writes a value on several lines if it is too long for one line. `before` is the number of characters before the
/// value on its line. The spec parser limits the nesting depth, which limits the recursion.
fn write_value(output: &mut String, value: &YamlValue, indent: usize, before: usize) {
    let line = format_one_line(value);
    if indent + before + line.len() < MAX_LINE_WIDTH {
        output.push_str(&line);
        return;
    }
    let pad = " ".repeat(indent + 4);
    let mut parts = |open: char, close: char, items: &mut dyn FnMut(&mut String, usize) -> bool| {
        output.push(open);
        output.push('\n');
        let mut number = 0;
        let mut part = String::new();
        while items(&mut part, number) {
            output.push_str(if number > 0 { ",\n" } else { "" });
            output.push_str(&pad);
            output.push_str(&part);
            part.clear();
            number += 1;
        }
        output.push('\n');
        output.push_str(&" ".repeat(indent));
        output.push(close);
    };
    match value {
        YamlValue::List(items, _) if !items.is_empty() => parts('[', ']', &mut |part, number| {
            items
                .get(number)
                .inspect(|item| write_value(part, item, indent + 4, 0))
                .is_some()
        }),
        YamlValue::Map(pairs, _) if !pairs.is_empty() => {
            parts('{', '}', &mut |part, number| {
                let Some((key, value)) = pairs.get(number) else {
                    return false;
                };
                let key = string_literal(key) + ": ";
                part.push_str(&key);
                write_value(part, value, indent + 4, key.len());
                true
            });
        }
        _ => output.push_str(&line),
    }
}

fn format_one_line(value: &YamlValue) -> String {
    match value {
        YamlValue::Text(value) | YamlValue::Verbatim(value) => string_literal(value),
        YamlValue::Bare(value) => scalar_literal(value),
        YamlValue::List(items, _) => {
            format!("[{}]", items.iter().map(format_one_line).collect::<Vec<_>>().join(", "))
        }
        YamlValue::Map(pairs, _) => {
            let pairs = pairs
                .iter()
                .map(|(key, value)| format!("{}: {}", string_literal(key), format_one_line(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Returns the Jinja literal for a plain YAML scalar. A number that Jinja cannot parse or would parse differently
/// becomes a string.
fn scalar_literal(value: &str) -> String {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (integer_part, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "true".to_owned(),
        "false" | "no" | "off" => "false".to_owned(),
        "null" | "~" | "" => "none".to_owned(),
        _ if all_digits(integer_part)
            && all_digits(fraction)
            && (integer_part == "0" || !integer_part.starts_with('0')) =>
        {
            value.to_owned()
        }
        _ => string_literal(value),
    }
}

/// Returns a string as a Jinja literal. Quotes and backslashes in the string are escaped if necessary.
fn string_literal(value: &str) -> String {
    let quote = if value.contains('\'') && !value.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {}
            c if c == quote || c == '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::{YamlValue, config_block};

    fn pairs(pairs: &[(&str, YamlValue)]) -> Vec<(String, YamlValue)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn single_argument_is_on_one_line() {
        assert_eq!(config_block(&[]), "");
        assert_eq!(
            config_block(&pairs(&[("materialized", YamlValue::text("table"))])),
            "{{ config(materialized='table') }}\n\n"
        );
    }

    #[test]
    fn several_arguments_have_own_lines() {
        let partition = YamlValue::map(pairs(&[
            ("field", YamlValue::text("ordered_on_month_of_the_year")),
            ("data_type", YamlValue::text("date")),
            ("granularity", YamlValue::text("month")),
        ]));
        let keys = YamlValue::list(vec![YamlValue::text("\"Net Revenue\""), YamlValue::text("it's")]);
        let block = config_block(&pairs(&[
            ("materialized", YamlValue::text("incremental")),
            ("unique_key", keys),
            ("partition_by", partition),
            ("full_refresh", YamlValue::Bare("no".to_owned())),
            ("lookback", YamlValue::Bare("3".to_owned())),
            ("begin", YamlValue::Bare("2024-01-01".to_owned())),
        ]));
        assert_eq!(
            block,
            r#"{{
    config(
        materialized='incremental',
        unique_key=['"Net Revenue"', "it's"],
        partition_by={
            'field': 'ordered_on_month_of_the_year',
            'data_type': 'date',
            'granularity': 'month'
        },
        full_refresh=false,
        lookback=3,
        begin='2024-01-01'
    )
}}

"#
        );
    }

    #[test]
    fn texts_are_escaped_in_literals() {
        let evil = YamlValue::text("'\"\\') }}{{ evil }}\n");
        assert_eq!(
            config_block(&pairs(&[("cluster_by", evil)])),
            "{{ config(cluster_by='\\'\"\\\\\\') }}{{ evil }}\\n') }}\n\n"
        );
    }
}
