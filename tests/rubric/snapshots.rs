//! Snapshots of all SQL for review, with one snapshot per spec. Each snapshot lists all dialects.

use std::fmt::Write as _;

use formulac::Dialect;

use crate::corpus::{compiler, specs};

#[test]
fn every_spec() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots");
    for (name, spec, schema) in specs() {
        let mut shown = spec.clone();
        for dialect in Dialect::verified() {
            let compiled = compiler(dialect, &schema).compile_spec(&spec);
            let _ = write!(shown, "\n-- {dialect}\n");
            for diagnostic in compiled.diagnostics() {
                let _ = writeln!(shown, "-- {} {}", diagnostic.code(), diagnostic.message());
            }
            shown.push_str(compiled.query().unwrap_or_default());
        }
        settings.bind(|| insta::assert_snapshot!(name.as_str(), shown));
    }
}

/// Checks that every spec of the corpus compiles in at least one dialect, and most specs in every dialect.
#[test]
fn specs_compile() {
    for (name, spec, schema) in specs() {
        let mut refused = Vec::new();
        for dialect in Dialect::verified() {
            let compiled = compiler(dialect, &schema).compile_spec(&spec);
            for d in compiled.diagnostics().iter().filter(|d| d.is_error()) {
                refused.push(format!("{dialect}: {} {}", d.code(), d.message()));
            }
        }
        assert!(refused.is_empty(), "{name}: {}", refused.join("\n"));
    }
}
