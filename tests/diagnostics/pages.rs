//! Tests the examples on every page of `formulac explain`: the incorrect example causes the diagnostic, and the
//! corrected example does not.

use formulac::Code;
use formulac::diag::Example;

use crate::setting::Setting;

/// Returns the words that specify the setting of an example, and the example's text. `None` if the example is not
/// compiled alone.
pub fn setting(example: Example) -> Option<(&'static str, &'static str)> {
    Some(match example {
        Example::Formula(text) => ("measure", text),
        Example::Orders(text) => ("orders", text),
        Example::Row(text) => ("row", text),
        Example::BigQuery(text) => ("orders bigquery", text),
        Example::Spec(text) => ("spec", text),
        Example::Model(text) => ("spec model", text),
        Example::Schema(_) | Example::Shown(_) => return None,
        _ => panic!("an example of a kind that this test does not know"),
    })
}

/// Returns the codes of the diagnostics that the example causes. `None` if the example is only displayed.
fn codes(example: Example) -> Option<Vec<&'static str>> {
    if let Example::Schema(text) = example {
        return crate::triggers::schema_codes(text);
    }
    let (words, text) = setting(example)?;
    let diagnostics = Setting::from_words(words).run(text).diagnostics;
    Some(diagnostics.iter().map(formulac::Diagnostic::code).collect())
}

#[test]
fn wrong_examples_cause_their_code_and_correct_examples_cause_none() {
    let mut faults = Vec::new();
    for code in Code::ALL {
        let page = code.page();
        if let Some(found) = codes(page.wrong) {
            if !found.contains(&code.code()) {
                faults.push(format!("{}: the wrong example gives {found:?}", code.code()));
            }
            let others: Vec<_> = found.iter().filter(|c| **c != code.code()).collect();
            if !others.is_empty() {
                faults.push(format!("{}: the wrong example gives {others:?} as well", code.code()));
            }
        }
        if let Some(found) = codes(page.right)
            && !found.is_empty()
        {
            faults.push(format!("{}: the right example gives {found:?}", code.code()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn diagnostic_pages_follow_the_style() {
    let mut names = std::collections::HashSet::new();
    let mut numbers = std::collections::HashSet::new();
    for code in Code::ALL {
        assert!(names.insert(code.name()), "{} twice", code.name());
        assert!(numbers.insert(code.code()), "{} twice", code.code());
        assert!(
            code.name()
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{}",
            code.name()
        );
        let letter = if code.severity() == formulac::Severity::Error {
            'F'
        } else {
            'W'
        };
        assert!(code.code().starts_with(letter), "{}", code.code());
        assert!(code.page().text.ends_with('.'), "{}", code.code());
        assert_eq!(Code::parse(code.code()), Some(*code));
        assert_eq!(Code::parse(code.name()), Some(*code));
    }
    assert!(
        Code::ALL.is_sorted_by_key(|c| &c.code()[1..]),
        "pages are in the order of their numbers"
    );
}

/// Every kind of warning has a message for several models on one line, such as `13 models have a key that may be NULL:
/// add …`.
#[test]
fn warnings_have_a_line_for_several() {
    for code in Code::ALL {
        let is_warning = code.severity() == formulac::Severity::Warning;
        assert_eq!(code.grouped().is_some(), is_warning, "{}", code.code());
        if let Some((fact, advice)) = code.grouped() {
            let is_clause = |text: &str| text.starts_with(char::is_lowercase) && !text.ends_with('.');
            assert!(
                is_clause(fact) && is_clause(advice),
                "{}: {fact}: {advice}",
                code.code()
            );
        }
    }
}
