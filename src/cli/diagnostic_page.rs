//! Reference page for a diagnostic: the meaning, an example with the error, and a corrected example.

use serde_json::{Value, json};

use formulac::diag::{Code, Example, Severity};

/// Returns the page as plain text.
pub fn diagnostic_page_text(code: Code) -> String {
    let page = code.page();
    let severity = severity_name(code.severity());
    let mut out = format!("{severity}[{}]: {}\n\n", code.code(), code.name());
    for line in wrap_text(page.text, 80) {
        out.push_str(&line);
        out.push('\n');
    }
    for (title, example) in [("Wrong", page.wrong), ("Right", page.right)] {
        out.push_str(&format!("\n{title}{}:\n\n", example_kind(example)));
        for line in example.text().lines() {
            out.push_str(&format!("    {line}\n"));
        }
    }
    out
}

/// Returns the page as JSON.
pub fn diagnostic_page_json(code: Code) -> Value {
    let page = code.page();
    json!({
        "code": code.code(),
        "name": code.name(),
        "severity": severity_name(code.severity()),
        "text": page.text,
        "wrong": page.wrong.text(),
        "right": page.right.text(),
    })
}

fn severity_name(severity: Severity) -> &'static str {
    if severity == Severity::Error {
        "error"
    } else {
        "warning"
    }
}

fn example_kind(example: Example) -> &'static str {
    match example {
        Example::BigQuery(_) => ", in BigQuery",
        Example::Row(_) => ", as a dimension",
        Example::Spec(_) => ", in a spec",
        Example::Schema(_) => ", in a schema file",
        _ => "",
    }
}

/// Wraps a string into lines of at most `width` characters, broken at spaces.
pub fn wrap_text(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line_width = lines.last().map_or(0, |l| l.chars().count());
        if line_width > 0 && line_width + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
