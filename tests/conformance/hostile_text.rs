//! Checks that every engine returns strings unchanged, even if they contain characters that could end the literal.

use formulac::{Column, Compiler, Dialect, Relation, Schema, Type};
use serde_json::{Value as Json, json};

use crate::batch::Batch;
use crate::engine::{Answer, Run, announce_missing, run_all};
use crate::files;
use crate::report::{Failure, fail_on};

const SUITE: &str = "hostile-text";

const TEXTS: &[&str] = &[
    "",
    " ",
    "  two blanks at both ends  ",
    "'",
    "''",
    "'''",
    "\"",
    "say \"hi\"",
    "`",
    "\\",
    "\\\\",
    "\\'",
    "'\\",
    "ends in a backslash\\",
    "\\n is not a line break",
    "\\u0041\\x41\\101\\0",
    "a line\nbreak",
    "windows\r\nbreak",
    "a\ttab",
    "-- a comment",
    "/* a comment */",
    "*/",
    "# a comment",
    "// a comment",
    "'; drop table t; --",
    "' or '1' = '1",
    "') or ('1' = '1",
    ";",
    "{{ config() }}",
    "{% endraw %}",
    "{# note #}",
    "#}",
    "${users.count}",
    "$$",
    "$body$ text $body$",
    "$1",
    ":name",
    "?",
    "@variable",
    "%",
    "%s",
    "100%_",
    "~",
    "*",
    "=1+1",
    "<>",
    ">5",
    "NULL",
    "TRUE",
    "2024-01-31",
    "12",
    "E'\\n'",
    "r'raw'",
    "'''triple'''",
    "&amp; &#39;",
    "ünïcödé ßẞ İı",
    "日本語のテキスト",
    "عربي עברית",
    "e\u{301} and é",
    "\u{200b}zero\u{200d}width\u{feff}",
    "\u{202e}turned",
    "\u{2028}line\u{2029}paragraph\u{85}",
    "\u{a0}no break",
    "‘typographic’ “quotes”",
    "ʼ＇＂＼",
    "🙂 👩‍👩‍👧‍👦 🇩🇪",
    "\u{10ffff}",
    "\u{1}\u{7f}",
];

/// Returns a string of ten thousand bytes with many kinds of characters.
fn long_text() -> String {
    let text = "It's \"long\" \\ 100% {{ x }} -- 🙂 ".repeat(400);
    let end = (0..=10_000).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

struct Check {
    text: String,
    formula: String,
    /// The SQL and the index of its result, or the reason why no SQL exists.
    query: Result<(String, usize), String>,
    expected: Json,
}

pub fn run() {
    let mut texts: Vec<String> = TEXTS.iter().map(|&text| text.to_owned()).collect();
    texts.push(long_text());
    let mut batches = Vec::new();
    let mut checks = Vec::new();
    for dialect in Dialect::verified() {
        let mut batch = Batch::default();
        checks.push(
            texts
                .iter()
                .flat_map(|text| prepare(dialect, text, &mut batch))
                .collect(),
        );
        batches.push((dialect, batch));
    }
    let checks: Vec<Vec<Check>> = checks;
    let runs = run_all(SUITE, &batches);
    let mut failures = Vec::new();
    for (((dialect, _), run), checks) in batches.iter().zip(&runs).zip(&checks) {
        let no_answers = Vec::new();
        let answers = match run {
            Run::Done(answers) => answers,
            Run::Missing(reason) => {
                announce_missing(*dialect, reason, checks.len());
                &no_answers
            }
        };
        for check in checks {
            failures.extend(failure(*dialect, check, answers));
        }
    }
    fail_on(SUITE, &failures, checks.iter().map(Vec::len).sum());
}

/// Prepares queries that return the string, compare a column with it, and join on it.
fn prepare(dialect: Dialect, text: &str, batch: &mut Batch) -> Vec<Check> {
    let literal = format!("\"{}\"", text.replace('"', "\"\""));
    let twice = format!("{text}{text}");
    let formulas = [
        (format!("={literal}"), Json::from(text)),
        (format!("=x = {literal}"), Json::from(true)),
        (format!("=x & {literal}"), Json::from(twice)),
        (format!("=IF(x <> {literal}, \"other\", {literal})"), Json::from(text)),
    ];
    let table = json!({
        "name": "t", "columns": [{"name": "x", "type": "text"}], "rows": [[text]],
    });
    let relation = Relation::new("t").with(Column::new("x", Type::Text));
    let compiler = Compiler::builder()
        .dialect(dialect)
        .schema(Schema::new().with(relation))
        .from("t")
        .build();
    let check = |(formula, expected): (String, Json)| {
        let compiled = compiler.compile(&formula);
        let asked = match compiled.definitions().last() {
            Some(definition) => {
                let sql = definition.sql().to_owned();
                let query = format!("select {sql} as answer from t");
                let index = batch.add(&query, std::slice::from_ref(&table));
                Ok((sql, index))
            }
            None => {
                let messages = compiled.diagnostics().iter();
                Err(messages.map(|d| format!("{} {}", d.code(), d.message())).collect())
            }
        };
        Check {
            text: text.to_owned(),
            formula,
            query: asked,
            expected,
        }
    };
    formulas.into_iter().map(check).collect()
}

fn failure(dialect: Dialect, check: &Check, answers: &[Answer]) -> Option<Failure> {
    let (sql, fault) = match &check.query {
        Err(errors) => ("", format!("does not compile: {errors}")),
        Ok((sql, index)) => match answers.get(*index)? {
            Err(error) => (sql.as_str(), format!("the engine fails: {error}")),
            Ok(table) => {
                let got = table.rows.first().and_then(|row| row.first()).unwrap_or(&Json::Null);
                if *got == check.expected {
                    return None;
                }
                (sql.as_str(), format!("expected {}, got {got}", check.expected))
            }
        },
    };
    Some(Failure {
        case: format!(
            "{}: {:?}",
            files::short_name(file!().as_ref()),
            shorten_text(&check.text)
        ),
        dialect: dialect.name().to_owned(),
        formula: shorten_text(&check.formula),
        sql: shorten_text(sql),
        fault: shorten_text(&fault),
    })
}

fn shorten_text(text: &str) -> String {
    let mut shown: String = text.chars().take(200).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
