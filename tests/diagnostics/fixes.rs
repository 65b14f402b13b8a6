//! Checks that a fix removes its error and causes no other errors.

use formulac::Diagnostic;
use formulac::diag::apply_fixes;

use crate::setting::cases;

fn errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|d| d.is_error()).count()
}

#[test]
fn every_fix_removes_its_error() {
    let mut wrong = Vec::new();
    for case in cases() {
        let before = case.setting.run(&case.text);
        for diagnostic in &before.diagnostics {
            let Some(fix) = diagnostic.fix() else { continue };
            let mut text = case.text.clone();
            text.replace_range(fix.span.range(), &fix.text);
            let after = case.setting.run(&text);
            let same = |d: &&Diagnostic| d.code() == diagnostic.code() && d.message() == diagnostic.message();
            let count = |all: &[Diagnostic]| all.iter().filter(same).count();
            if count(&after.diagnostics) >= count(&before.diagnostics) {
                wrong.push(format!(
                    "{}: {} is still there after its fix: {text:?}",
                    case.name,
                    diagnostic.code()
                ));
            }
            if errors(&after.diagnostics) > errors(&before.diagnostics) - usize::from(diagnostic.is_error()) {
                let messages: Vec<String> = after
                    .diagnostics
                    .iter()
                    .map(|d| format!("{} {}", d.code(), d.message()))
                    .collect();
                wrong.push(format!(
                    "{}: the fix of {} brings other errors: {text:?}: {messages:?}",
                    case.name,
                    diagnostic.code()
                ));
            }
            if after.compiled < before.compiled {
                wrong.push(format!(
                    "{}: the fix of {} loses a definition: {text:?}",
                    case.name,
                    diagnostic.code()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_fixes_of_a_compilation_apply_together() {
    let mut wrong = Vec::new();
    for case in cases() {
        let before = case.setting.run(&case.text).diagnostics;
        let fixed: Vec<&Diagnostic> = before.iter().filter(|d| d.fix().is_some()).collect();
        if fixed.len() < 2 {
            continue;
        }
        let text = apply_fixes(&case.text, &before);
        let after = case.setting.run(&text);
        // The fix may reveal errors in names and types, but must not cause more syntax errors.
        let unreadable = |all: &[&Diagnostic]| all.iter().filter(|d| d.is_error() && d.is_syntax()).count();
        let (all, diagnostics): (Vec<_>, Vec<_>) = (before.iter().collect(), after.diagnostics.iter().collect());
        if unreadable(&diagnostics) + unreadable(&fixed) > unreadable(&all) {
            wrong.push(format!("{}: {text:?}: {:?}", case.name, after.diagnostics));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
