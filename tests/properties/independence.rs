//! Checks that a definition's SQL depends only on the definitions that it uses. The SQL must not depend on neighboring
//! definitions or on the compiler's earlier inputs.

use formulac::{Compiler, Context, Dialect, ReadColumn, Schema};
use proptest::prelude::*;

use crate::formulas::{calls_with_literals, dimension, measure};
use crate::fuzz::orders;
use crate::mutations::{faulty_formula, faulty_spec, random_fragments};

fn sql_by_name(compiler: &Compiler, text: &str) -> Vec<(Option<String>, String)> {
    let compiled = compiler.compile(text);
    compiled
        .definitions()
        .iter()
        .map(|d| (d.name().map(str::to_owned), d.sql().to_owned()))
        .collect()
}

fn check(definitions: &[String], added: &str, at: usize, context: Context) -> Result<(), TestCaseError> {
    for dialect in Dialect::all() {
        let compiler = Compiler::builder()
            .dialect(dialect)
            .schema(orders())
            .context(context)
            .build();
        let mut lines: Vec<String> = definitions
            .iter()
            .enumerate()
            .map(|(i, d)| format!("d{i}d = {d}"))
            .collect();
        let before = sql_by_name(&compiler, &lines.join("\n"));
        lines.insert(at.min(lines.len()), format!("added = {added}"));
        let mut after = sql_by_name(&compiler, &lines.join("\n"));
        after.retain(|(name, _)| name.as_deref() != Some("added"));
        prop_assert_eq!(before, after, "adding {}", added);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_measures(definitions in prop::collection::vec(measure(), 1..5), added in measure(), at in 0..5usize) {
        check(&definitions, &added, at, Context::Measure)?;
    }

    #[test]
    fn of_dimensions(definitions in prop::collection::vec(dimension(), 1..5), added in dimension(), at in 0..5usize) {
        check(&definitions, &added, at, Context::Row)?;
    }
}

/// Returns the SQL of the definitions, sorted by name.
fn sql_in_order(compiler: &Compiler, definitions: &[String]) -> Vec<(Option<String>, String)> {
    let mut sql = sql_by_name(compiler, &definitions.join("\n"));
    sql.sort();
    sql
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Checks that definitions give the same SQL in either order, and separately.
    #[test]
    fn of_order(calls in calls_with_literals()) {
        for dialect in Dialect::all() {
            let make = || Compiler::builder().dialect(dialect).schema(orders()).context(Context::Row).build();
            let mut lines: Vec<String> = calls.iter().enumerate().map(|(i, call)| format!("d{i} = {call}")).collect();
            let forwards = sql_in_order(&make(), &lines);
            let mut alone: Vec<_> = lines.iter().flat_map(|line| sql_by_name(&make(), line)).collect();
            alone.sort();
            lines.reverse();
            prop_assert_eq!(&forwards, &sql_in_order(&make(), &lines));
            prop_assert_eq!(forwards, alone);
        }
    }
}

/// Returns all results for a source, so that a used compiler can be compared with a new compiler.
fn outcome(compiler: &Compiler, text: &str) -> String {
    let (compiled, spec) = (compiler.compile(text), compiler.compile_spec(text));
    let columns: Vec<Vec<String>> = compiled
        .definitions()
        .iter()
        .map(|d| d.columns().map(ReadColumn::path).collect())
        .collect();
    format!(
        "{compiled:#?}\n{columns:?}\n{:?}\n{:?}",
        spec.query(),
        spec.diagnostics()
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Checks that a compiler, which reuses its working memory, does not keep any state from one source to the next.
    #[test]
    fn results_do_not_depend_on_earlier_texts(
        good in prop::collection::vec(measure(), 1..4),
        faulty in faulty_formula(),
        soup in random_fragments(),
        spec in faulty_spec(),
    ) {
        let good: String = good.iter().enumerate().map(|(i, d)| format!("d{i} = {d}\n")).collect();
        for dialect in Dialect::all() {
            for schema in [Schema::new(), orders()] {
                let make = || Compiler::builder().dialect(dialect).schema(schema.clone()).group_by(["status"]).build();
                let used = make();
                for text in [&good, &faulty, &good, &spec, &soup, &good, &spec] {
                    prop_assert_eq!(outcome(&used, text), outcome(&make(), text), "{:?}", text);
                }
            }
        }
    }
}

/// Checks that an error in one definition does not change the SQL of definitions that do not use it.
#[test]
fn errors_do_not_affect_other_definitions() {
    let good = "a = SUM(amount)\nb = COUNT(DISTINCT(customer_id))\nc = a / b";
    let faults = [
        "x = SUMM(amount)",
        "x = SUM(amount",
        "x = \"open",
        "x = ",
        "x = SUM(amount) + status",
        "x = AVERAGE(SUM(amount))",
        "x = 1 2",
        "x = y\ny = x",
    ];
    for dialect in Dialect::all() {
        let compiler = Compiler::builder().dialect(dialect).schema(orders()).build();
        let wanted = sql_by_name(&compiler, good);
        assert_eq!(wanted.len(), 3);
        for fault in faults {
            for text in [
                format!("{fault}\n{good}"),
                format!("{good}\n{fault}"),
                good.replace("\nb", &format!("\n{fault}\nb")),
            ] {
                assert_eq!(sql_by_name(&compiler, &text), wanted, "{text}");
            }
        }
    }
}
