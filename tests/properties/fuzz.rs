//! Checks that no input causes a panic and that every result is complete.

use formulac::diag::Diagnostic;
use formulac::{Compiler, Context, Dialect, Schema};
use proptest::prelude::*;

use crate::cells::{formula, worksheet};
use crate::mutations::{faulty_formula, faulty_spec, random_fragments};

pub fn orders() -> Schema {
    Schema::new().with(crate::orders::orders())
}

/// Returns compilers for every dialect and context, with and without a schema.
fn compilers() -> Vec<Compiler> {
    let mut all = Vec::new();
    for dialect in Dialect::all() {
        for context in [Context::Row, Context::Measure, Context::Worksheet] {
            let builder = || Compiler::builder().dialect(dialect).context(context);
            all.push(builder().build());
            all.push(
                builder()
                    .schema(orders())
                    .from("orders")
                    .order_by(["id desc"])
                    .group_by(["status"])
                    .build(),
            );
        }
    }
    all
}

fn check_diagnostics(text: &str, diagnostics: &[Diagnostic]) -> Result<(), TestCaseError> {
    for d in diagnostics {
        let spans = std::iter::once(d.span())
            .chain(d.labels().iter().map(|l| l.span))
            .chain(d.fix().map(|f| f.span));
        for span in spans {
            let range = span.range();
            prop_assert!(range.start <= range.end && range.end <= text.len(), "{text:?}: {d:?}");
            prop_assert!(
                text.is_char_boundary(range.start) && text.is_char_boundary(range.end),
                "{text:?}: {d:?}"
            );
        }
        prop_assert!(
            !d.message().is_empty() && !d.message().contains('\n'),
            "{text:?}: {d:?}"
        );
        prop_assert_ne!(d.code(), "F0901", "{:?}: {:?}", text, d);
    }
    prop_assert!(diagnostics.is_sorted_by_key(Diagnostic::span), "{text:?}: not sorted");
    let mut fixes: Vec<_> = diagnostics.iter().filter_map(|d| d.fix().map(|f| f.span)).collect();
    fixes.sort();
    for pair in fixes.windows(2) {
        prop_assert!(
            pair[0].end <= pair[1].start && pair[0] != pair[1],
            "{text:?}: fixes overlap: {diagnostics:?}"
        );
    }
    Ok(())
}

/// Inputs in which fuzzing found errors earlier.
#[test]
fn inputs_of_earlier_failures() {
    let ordered = Compiler::builder()
        .schema(orders())
        .from("orders")
        .order_by(["id desc"]);
    let compilers = [Compiler::default(), ordered.build()];
    for text in [
        "=/*",
        "NOT",
        "x DISTINCT",
        "{{ a }} b",
        "CAST(a AS",
        "a OVER (",
        "a FROM\nb = 1",
        "EXTRACT(FROM a",
        "FIRST(1, day)",
        "SUM(FIRST(id, \"year\"):id)",
    ] {
        check_no_panic(text, &compilers).unwrap();
    }
}

fn check_no_panic(text: &str, compilers: &[Compiler]) -> Result<(), TestCaseError> {
    let mut diagnostics = Vec::new();
    let _ = formulac::lex::lex(text, &mut diagnostics);
    let (_, found) = formulac::parse::parse(text);
    check_diagnostics(text, &found)?;
    for compiler in compilers {
        let compiled = compiler.compile(text);
        check_diagnostics(text, compiled.diagnostics())?;
        for definition in compiled.definitions() {
            prop_assert!(
                !definition.sql().is_empty() && !definition.sql().contains('\n') || text.contains('\n'),
                "{text:?}"
            );
        }
        let again = compiler.compile(text);
        let sql = |c: &formulac::Compiled| c.definitions().iter().map(|d| d.sql().to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(sql(&compiled), sql(&again), "the same input gives the same bytes");
        prop_assert_eq!(compiled.diagnostics(), again.diagnostics());
    }
    Ok(())
}

fn survives_as_spec(text: &str) -> Result<(), TestCaseError> {
    for dialect in Dialect::all() {
        for schema in [Schema::new(), orders()] {
            let compiler = Compiler::builder().dialect(dialect).schema(schema).build();
            let compiled = compiler.compile_spec(text);
            check_diagnostics(text, compiled.diagnostics())?;
            prop_assert_eq!(compiled.query().is_some(), !compiled.has_errors(), "{:?}", text);
            let again = compiler.compile_spec(text);
            prop_assert_eq!(compiled.query(), again.query());
            prop_assert_eq!(compiled.model_sql(), again.model_sql());
            prop_assert_eq!(compiled.model_yml(), again.model_yml());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        check_no_panic(&text, &compilers()[..4])?;
        survives_as_spec(&text)?;
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let text = String::from_utf8_lossy(&bytes);
        check_no_panic(&text, &compilers()[..4])?;
        survives_as_spec(&text)?;
    }

    #[test]
    fn pieces_in_any_order(text in random_fragments()) {
        check_no_panic(&text, &compilers())?;
        survives_as_spec(&text)?;
        survives_as_spec(&format!("model: m\nfrom: orders\ndefinitions: |\n  a = {}\n", text.replace('\n', "\n  ")))?;
    }

    #[test]
    fn formulas_with_faults(text in faulty_formula()) {
        check_no_panic(&text, &compilers())?;
    }

    #[test]
    fn worksheets_of_any_cells(text in worksheet(), formula in formula()) {
        survives_as_spec(&text)?;
        check_no_panic(&formula, &compilers()[..6])?;
    }

    #[test]
    fn specs_with_faults(text in faulty_spec()) {
        survives_as_spec(&text)?;
        check_no_panic(&text, &compilers()[..2])?;
    }
}
