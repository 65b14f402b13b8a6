//! Compares the diagnostics of every case file with the reports in the same file.

use std::fmt::Write as _;

use formulac::Diagnostic;
use formulac::span::LineIndex;

use crate::setting::cases;

/// Formats a diagnostic as `line:column: code name: message | help | the text at this position`, followed by the other
/// labels and the fix.
fn render(text: &str, diagnostic: &Diagnostic) -> String {
    let index = LineIndex::new(text);
    let position = index.position(diagnostic.span().start);
    let mut out = format!(
        "{}:{}: {} {}: {} | {} | {:?}",
        position.line,
        position.column,
        diagnostic.code(),
        diagnostic.name(),
        diagnostic.message(),
        diagnostic.help().unwrap_or("(no help)"),
        diagnostic.span().text(text),
    );
    for label in diagnostic.labels() {
        let position = index.position(label.span.start);
        let _ = write!(
            out,
            "\n    {}:{}: {} {:?}",
            position.line,
            position.column,
            label.text,
            label.span.text(text)
        );
    }
    if let Some(fix) = diagnostic.fix() {
        let _ = write!(out, "\n    fix: {:?} becomes {:?}", fix.span.text(text), fix.text);
    }
    out
}

/// If `INSTA_UPDATE=always` is set, the test writes changed reports into the case files.
#[test]
fn every_case() {
    let cases = cases();
    assert!(cases.len() >= 80, "only {} cases", cases.len());
    let accept = std::env::var("INSTA_UPDATE").is_ok_and(|mode| mode == "always");
    let mut differences = String::new();
    for case in cases {
        let outcome = case.setting.run(&case.text);
        let reports: String = outcome
            .diagnostics
            .iter()
            .map(|d| render(&case.text, d) + "\n")
            .collect();
        if reports == case.reports {
            continue;
        }
        if accept {
            case.write_reports(&reports);
        } else {
            let _ = write!(
                differences,
                "\n{}\nexpected:\n{}found:\n{reports}",
                case.name, case.reports
            );
        }
    }
    assert!(
        differences.is_empty(),
        "the reports differ; accept them with `tests/run.sh accept diagnostics`\n{differences}"
    );
}

/// Checks that every message follows the rules for messages in `docs/style.md`.
#[test]
fn messages_keep_to_the_style() {
    for case in cases() {
        for diagnostic in case.setting.run(&case.text).diagnostics {
            let message = diagnostic.message();
            let context = format!("{}: {} {message:?}", case.name, diagnostic.code());
            assert!(!message.contains('\n'), "a line break: {context}");
            assert!(!message.ends_with('.'), "a full stop: {context}");
            // A message may begin with an acronym such as YAML.
            let is_sentence = message.starts_with(char::is_uppercase) && message[1..].starts_with(char::is_lowercase);
            assert!(!is_sentence, "a capital: {context}");
            assert!(
                !message.split_whitespace().any(|w| w == "you" || w == "your"),
                "an address: {context}"
            );
            // Text in backticks comes from the user.
            let own = message.split('`').step_by(2).collect::<String>();
            assert!(!own.contains("::"), "a Rust name: {context}");
            assert_ne!(message.matches('`').count() % 2, 1, "an odd backtick: {context}");
            assert!(diagnostic.help().is_some(), "no help: {context}");
            let span = diagnostic.span().range();
            assert!(
                span.start <= span.end && span.end <= case.text.len(),
                "a place outside of the text: {context}"
            );
            assert!(
                case.text.is_char_boundary(span.start) && case.text.is_char_boundary(span.end),
                "half a character: {context}"
            );
        }
    }
}

/// Each code that an input can trigger occurs in at least one snapshot, or is triggered in `triggers.rs`.
#[test]
fn every_code_is_covered() {
    let mut seen: Vec<&str> = crate::triggers::codes();
    for case in cases() {
        seen.extend(case.setting.run(&case.text).diagnostics.iter().map(Diagnostic::code));
    }
    let missing: Vec<&str> = formulac::Code::ALL
        .iter()
        .map(|c| c.code())
        .filter(|c| !seen.contains(c) && *c != "F0901")
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
