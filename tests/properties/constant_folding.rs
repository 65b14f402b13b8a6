//! Checks that a simplified formula returns as many rows as the original. A total still returns one row, even if the
//! simplification removes its aggregate.

use formulac::{Column, Compiler, Context, Definition, Dialect, Level, Relation, Schema, Type};
use proptest::prelude::*;

use crate::fuzz::orders;

/// Totals, and formulas whose constants alone determine the result. `{}` stands for a total.
const TOTALS: [&str; 4] = ["SUM(amount)", "COUNT()", "MAX(id) - 1", "AVERAGE(amount)"];
const FOLDINGS: [&str; 12] = [
    "{} / 0",
    "({}) + 1/0",
    "1/0 * ({})",
    "ROUND({}, 1/0)",
    "IFERROR(({}) / 0, 0)",
    "COALESCE(1, {})",
    "CHOOSE(2, {}, 7)",
    "CHOOSE(1, 1/0, {})",
    "IF(({}) > 1, 1/0, 1/0)",
    "IFS(TRUE, 7, ({}) > 1, 8)",
    "SWITCH(1/0, {}, 1, 2)",
    "N({} > 1/0)",
];

fn foldable_formula() -> impl Strategy<Value = String> {
    let total = prop::sample::select(&TOTALS[..]);
    let around = prop::collection::vec(prop::sample::select(&FOLDINGS[..]), 1..4);
    (total, around).prop_map(|(total, around)| {
        around
            .into_iter()
            .fold(total.to_owned(), |formula, folding| folding.replace("{}", &formula))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_folded_total_still_returns_one_row(formula in foldable_formula(), having in any::<bool>()) {
        let having = if having { "having: COUNT() > 0\n" } else { "" };
        let spec = format!("model: m\nfrom: orders\n{having}definitions: {{v: '{formula}'}}\n");
        for dialect in Dialect::all() {
            let compiler = Compiler::builder().dialect(dialect).schema(orders()).build();
            let model = compiler.compile_spec(&spec);
            let sql = model.query().unwrap_or_else(|| panic!("{spec}{:?}", model.diagnostics()));
            let items = sql.split("\nfrom ").next().unwrap_or_default();
            let has_aggregate = ["sum(", "count(", "max(", "avg("].iter().any(|call| items.contains(call));
            prop_assert!(has_aggregate, "{spec}{sql}");
            let compiled = compiler.compile(&formula);
            prop_assert!(compiled.definitions().iter().all(|d| d.level() != Level::Row), "{formula}");
        }
    }
}

/// Formulas with constants, and their SQL on Postgres without the operations that the constants decide.
#[test]
fn constants_leave_no_operations_behind() {
    let relation = Relation::new("orders")
        .with(Column::new("amount", Type::Decimal))
        .with(Column::new("code", Type::Text))
        .with(Column::new("ordered_on", Type::Date));
    let compiler = Compiler::builder()
        .dialect("postgres".parse().unwrap())
        .context(Context::Row)
        .schema(Schema::new().with(relation))
        .from("orders")
        .build();
    for (formula, sql) in [
        ("ordered_on + 1.5", "ordered_on + 1"),
        ("ordered_on - 2.0", "ordered_on - 2"),
        (
            "POWER(amount, 0.25)",
            "case when amount >= 0 then power(cast(amount as double precision), cast(0.25 as double precision)) end",
        ),
        (
            "amount ^ (1 / 3)",
            "case when amount >= 0 then power(cast(amount as double precision), cast(1 as double precision) / 3) end",
        ),
        (
            r#"LEFT(code, FIND("-", code) - 1)"#,
            "left(code, nullif(strpos(code, '-'), 0) - 1)",
        ),
    ] {
        let compiled = compiler.compile(formula);
        assert_eq!(
            compiled.definitions().first().map(Definition::sql),
            Some(sql),
            "{formula}"
        );
    }
}
