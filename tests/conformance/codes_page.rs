//! Generates `docs/diagnostics.md`, which lists every code with its meaning, an example, and how to turn it off.

use std::fmt::Write as _;

use formulac::diag::Example;
use formulac::{Code, Severity};

use crate::generated;

const HEAD: &str = "# Diagnostics

This page is generated from the registry of codes (`src/syntax/diag/codes.rs`). The command `formulac explain W0470` shows
a single code.

formulac generates no SQL for a formula or spec with an error (F). A warning (W) does not affect the SQL. To turn off a warning:

- On one line, add a comment at the end: `// noqa: W0470`, or `// noqa: not-a-known-value` with the name. `// noqa` turns
  off all warnings on its line. The comment can be in any formula, including formulas in specs.
- In a whole project, add `lint: [W0470]` or `lint: {W0470: off}` to `formulac.yml`.
- In the library, call `Builder::without_warnings`.
";

pub fn run() {
    let mut text = HEAD.to_owned();
    for (title, severity) in [("Warnings", Severity::Warning), ("Errors", Severity::Error)] {
        let codes = || Code::ALL.iter().filter(move |code| code.severity() == severity);
        let _ = write!(text, "\n## {title}\n\n");
        for code in codes() {
            let (code, name) = (code.code(), code.name());
            let _ = writeln!(text, "- [{code} {name}](#{}-{name})", code.to_lowercase());
        }
        for code in codes() {
            let page = code.page();
            let _ = write!(text, "\n### {} {}\n\n{}\n", code.code(), code.name(), page.text);
            let kind = if matches!(page.wrong, Example::Spec(_) | Example::Model(_) | Example::Schema(_)) {
                "yaml"
            } else {
                "text"
            };
            for (title, example) in [("Wrong", page.wrong), ("Right", page.right)] {
                let _ = write!(text, "\n{title}:\n\n```{kind}\n{}\n```\n", example.text().trim_end());
            }
        }
    }
    generated::check(&[("diagnostics.md".to_owned(), text)]);
}
