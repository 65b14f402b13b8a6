//! The `.yml` beside a model: descriptions of the model and of every column.

use std::fmt::Write as _;

/// A column of a model, described.
#[derive(Clone, Debug)]
pub(crate) struct ColumnDoc {
    pub name: String,
    pub description: String,
    /// Tests that take no arguments.
    pub tests: Vec<&'static str>,
}

/// The properties file of one model. `key` is an expression that is different in every row, where no column is.
pub(crate) fn properties(model: &str, description: Option<&str>, key: Option<&str>, columns: &[ColumnDoc]) -> String {
    let mut out = String::from("version: 2\n\nmodels:\n");
    let _ = writeln!(out, "  - name: {}", scalar(model, 4));
    if let Some(description) = description.filter(|d| !d.is_empty()) {
        let _ = writeln!(out, "    description: {}", text(description, 6));
    }
    if let Some(key) = key {
        // dbt's own way for several columns; a test of a package would need the package.
        let key = text(key, 14);
        let _ = write!(out, "    data_tests:\n      - unique:\n          arguments:\n            column_name: {key}\n");
    }
    if columns.is_empty() {
        return out;
    }
    out.push_str("    columns:\n");
    for column in columns {
        let _ = writeln!(out, "      - name: {}", scalar(&column.name, 8));
        if !column.description.is_empty() {
            let _ = writeln!(out, "        description: {}", text(&column.description, 10));
        }
        if !column.tests.is_empty() {
            out.push_str("        data_tests:\n");
            for test in &column.tests {
                let _ = writeln!(out, "          - {test}");
            }
        }
    }
    out
}

/// A text that dbt renders, kept as it is.
fn text(value: &str, indent: usize) -> String {
    let protected = if ["{{", "{%", "{#"].iter().any(|m| value.contains(m)) {
        format!("{{% raw %}}{}{{% endraw %}}", value.replace("{% endraw %}", "{ % endraw % }"))
    } else {
        value.to_owned()
    };
    scalar(&protected, indent)
}

/// A scalar as the emitter writes it: bare where that is safe, a literal block for several lines, else quoted.
fn scalar(value: &str, indent: usize) -> String {
    // What PyYAML, which reads it for dbt, takes for no text, or for the end of a line.
    let kept = |c: &char| (!c.is_control() || *c == '\n' || *c == '\t') && !matches!(c, '\u{fffe}' | '\u{ffff}');
    let blank = |c: char| if matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c };
    let clean: String = value.chars().filter(kept).map(blank).collect();
    if clean.contains('\n') {
        let pad = " ".repeat(indent);
        let lines: Vec<String> = clean
            .lines()
            .map(|l| if l.trim().is_empty() { String::new() } else { format!("{pad}{}", l.trim_end()) })
            .collect();
        return format!("|-\n{}", lines.join("\n").trim_end());
    }
    if is_plain(&clean) {
        clean
    } else {
        format!("\"{}\"", clean.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t"))
    }
}

/// Whether a text means itself without quotes in any YAML reader.
fn is_plain(value: &str) -> bool {
    let first = value.chars().next();
    let starts_well = first.is_some_and(|c| c.is_alphabetic() || c == '_');
    let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    starts_well
        && !words.contains(&value.to_ascii_lowercase().as_str())
        && !value.contains(": ")
        && !value.contains(" #")
        && !value.ends_with([':', ' '])
        && !value.contains(['\t', '{', '}'])
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn scalars_come_back() {
        for value in [
            "plain words",
            "yes",
            "a: b",
            "x #y",
            "- item",
            "\"quoted\"",
            "it's",
            "{{ x }}",
            "50%",
            "é à ü",
            "ends:",
            "12",
            "two\nlines",
            "a\\b",
            "*star",
            "@at",
            "tab\there",
        ] {
            let text = format!("k: {}\n", scalar(value, 2));
            let node = crate::yaml::read(&text, &mut Vec::new()).unwrap().unwrap();
            assert_eq!(node.get("k").unwrap().text(), Some(value), "{text}");
        }
    }
}
