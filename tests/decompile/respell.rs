//! Tests that words, numbers and operators that a user replaces in generated SQL are also replaced in the spec.

use formulac::decompile::{SqlEdits, find_spec_for_sql};
use formulac::{Compiler, Dialect};

const GROUPED: &str = "model: m\nfrom: orders\nwhere: status = \"paid\"\nhaving: COUNT() > 5\ngroup_by: country\ndefinitions: |\n  /// Over 3 it counts.\n  large = SUM(IF(amount > 3, amount)) / COUNT(DISTINCT(customer_id)) // 3\n  small = SUM(IF(amount <= 3, amount))\n  average = SUM(amount) / COUNT(DISTINCT(customer_id))\n";
const SERIES: &str = "model: m\nfrom: orders\nsteps:\n  - name: by_month\n    group_by: month\n    definitions:\n      month: ordered_at[month]\n      revenue: SUM(amount)\n  - name: last\n    order_by: month\n    limit: 10\n    calculations: |\n      before = PERIODOFFSET(revenue, -1, \"quarter\")\n      rows = OFFSET(revenue, -2)\n      mean = AVERAGE(OFFSET(B1, -2, 0, 3, 1))\n";

/// Each case contains a name, a spec, a part of the spec's SQL, the replacement for that part, and the corresponding
/// change to the spec. The last string is empty if the spec cannot be changed.
const CASES: &[(&str, &str, &str, &str, &str)] = &[
    ("a text in where", GROUPED, "'paid'", "'sent'", "\"paid\" => \"sent\""),
    (
        "a sign in where",
        GROUPED,
        "status =",
        "status <>",
        "status = => status <>",
    ),
    (
        "a bound of groups",
        GROUPED,
        "count(*) > 5",
        "count(*) >= 7",
        "COUNT() > 5 => COUNT() >= 7",
    ),
    (
        "a number of one formula, where others have it",
        GROUPED,
        "<= 3",
        "<= 4",
        "amount <= 3 => amount <= 4",
    ),
    (
        "a column in a helper of two formulas",
        GROUPED,
        "distinct customer_id",
        "distinct order_id",
        "customer_id => order_id",
    ),
    (
        "a function",
        GROUPED,
        "sum(case when amount > 3",
        "max(case when amount > 3",
        "",
    ),
    ("periods", SERIES, "'3 months'", "'12 months'", ""),
    (
        "rows before",
        SERIES,
        "lag(by_month.revenue, 2)",
        "lag(by_month.revenue, 4)",
        "OFFSET(revenue, -2) => OFFSET(revenue, -4)",
    ),
    (
        "how many rows",
        SERIES,
        "limit 10",
        "limit 20",
        "limit: 10 => limit: 20",
    ),
    ("a helper's name", GROUPED, "countunique_customer_id", "customers", ""),
    ("a definition's name", GROUPED, "as average", "as mean", ""),
    ("a relation", GROUPED, "ref('orders')", "ref('refunds')", ""),
    ("what is longer", GROUPED, "'paid'", "'paid' or status = 'sent'", ""),
    ("what YAML takes for a comment", GROUPED, "'paid'", "'a # b'", ""),
];

#[test]
fn words_replaced_in_sql_are_replaced_in_the_spec() {
    let compiler = Compiler::builder().dialect(Dialect::default()).build();
    for (name, spec, from, to, expected) in CASES {
        let compiled = compiler.compile_spec(spec);
        let written = compiled
            .model_sql()
            .unwrap_or_else(|| panic!("{name}: {:?}", compiled.diagnostics()));
        assert!(written.contains(from), "{name}: no {from} in\n{written}");
        let found = written.replace(from, to);
        let now = find_spec_for_sql(&compiler, spec, None, &found);
        let wanted = expected.split_once(" => ").map(|(a, b)| spec.replace(a, b));
        assert_eq!(now, wanted, "{name}\n{found}");
        let Some(now) = now else { continue };
        let again = compiler.compile_spec(&now);
        let edits = SqlEdits::from_texts(again.model_sql().unwrap(), &found, Dialect::default());
        assert!(edits.items.len() < 3, "{name}: {edits:?}");
    }
}
