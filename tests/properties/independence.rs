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

/// Uses of `x`, `y` and `z`, whose types no schema declares. Each group contains uses that some type accepts.
const USES_OF_UNKNOWN_TYPES: &[&[&str]] = &[
    // Instants, timestamps and dates.
    &["YEAR(x)", "x > NOW()", "x = TODAY()", "x[month]", "EDATE(x, 1)"],
    &[
        "DATEDIF(x, TODAY(), \"D\")",
        "x - DATE(2024, 1, 1)",
        "MAX(x, NOW())",
        "x[hour]",
    ],
    &["x > \"2024-01-31\"", "x + 1", "HOUR(x)", "IF(x = NOW(), 1, 2)"],
    &["x > \"2024-01-31 12:00\"", "YEAR(x)", "TEXT(x, \"yyyy-mm-dd\")"],
    &["YEAR(IF(z, x, y))", "y > NOW()", "COALESCE(x, TODAY())", "z + 1"],
    &["SWITCH(z, x, 1, TODAY(), 2)", "x = y", "y[hour]", "y <> TODAY()"],
    // Numbers and conditions.
    &["IF(x, 1, 2)", "x + 1.5", "x & \"\"", "AND(x, TRUE)"],
    &["IF(x, 1, 2)", "x + TIME(1, 0, 0)", "NOT(x)", "ROUND(x, 1)"],
    &["IF(x, 1, 2)", "x - y", "OR(y, z)", "IFS(z, y, TRUE, x)"],
    &["IF(x, y, z)", "x = TRUE", "y * 2", "z + 1"],
    // Sums and differences of unknown types.
    &["x - y", "y - z", "YEAR(z)", "(x - y) * 2"],
    &["x + y", "y - z", "MONTH(x)", "z / 2", "x > NOW()"],
    &["YEAR(x - y)", "y + z", "x & z"],
    &["x - y - z", "x = NOW()", "SQRT(z)"],
    // Text.
    &["x = \"2024-01-31\"", "UPPER(x)", "x = y", "LEN(y)"],
    &["x = \"open\"", "y = x", "y & z", "IF(z = y, z, \"none\")"],
];

/// Checks that definitions give the same SQL and types in every order if their uses determine the types.
#[test]
fn inferred_types_do_not_depend_on_the_order() {
    fn permutations(lines: &[String]) -> Vec<Vec<String>> {
        let Some((first, rest)) = lines.split_first() else {
            return vec![Vec::new()];
        };
        let insert = |rest: &Vec<String>, at: usize| {
            let mut lines = rest.clone();
            lines.insert(at, first.clone());
            lines
        };
        let rest = permutations(rest);
        rest.iter()
            .flat_map(|rest| (0..=rest.len()).map(|at| insert(rest, at)))
            .collect()
    }
    for dialect in Dialect::all() {
        let builder = || {
            Compiler::builder()
                .dialect(dialect)
                .timezone("Europe/Berlin")
                .context(Context::Row)
        };
        let compiler = builder().build();
        for uses in USES_OF_UNKNOWN_TYPES {
            let lines: Vec<String> = uses
                .iter()
                .enumerate()
                .map(|(i, used)| format!("d{i} = {used}"))
                .collect();
            let wanted = sql_in_order(&compiler, &lines);
            assert_eq!(
                wanted.len(),
                lines.len(),
                "{lines:?}: {:?}",
                compiler.compile(&lines.join("\n")).diagnostics()
            );
            for lines in permutations(&lines) {
                assert_eq!(sql_in_order(&compiler, &lines), wanted, "{lines:?}");
            }
        }
    }
}

/// Checks that conflicting uses are reported at the second use in the text, whichever definition uses the other.
#[test]
fn conflicting_uses_are_reported_in_the_order_of_the_text() {
    let conflicting = [
        ["a = YEAR(x)", "b = UPPER(x)"],
        ["a = SUM(x)", "b = UPPER(x)"],
        ["a = IF(b = \"A\", x * 2)", "b = UPPER(x)"],
        ["a = IF(x, 1, 2)", "b = YEAR(x)"],
        ["a = x + 1", "b = UPPER(x)"],
        ["a = x = \"open\"", "b = SUM(x)"],
        ["a = x > NOW()", "b = x = \"open\""],
    ];
    let compiler = Compiler::builder().context(Context::Measure).build();
    for [first, second] in conflicting {
        for text in [format!("{first}\n{second}"), format!("{second}\n{first}")] {
            let compiled = compiler.compile(&text);
            let errors: Vec<_> = compiled.diagnostics().iter().filter(|d| d.is_error()).collect();
            let line_break = text.find('\n').expect("two lines");
            assert!(
                errors.len() == 1 && errors[0].span().start as usize > line_break,
                "{text}: {errors:?}"
            );
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
