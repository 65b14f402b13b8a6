use super::{Additivity, NonAdditiveReason};
use formulac_catalog::Type;
use formulac_core::{Column, Relation, Schema};

use crate::Compiler;

fn compiler() -> Compiler {
    let orders = Relation::new("orders")
        .with(Column::new("id", Type::Integer).nullable(false))
        .with(Column::new("day", Type::Date).nullable(false))
        .with(Column::new("shop", Type::Text).nullable(false))
        .with(Column::new("amount", Type::Decimal))
        .with(Column::new("fee", Type::Decimal))
        .primary_key(["id"]);
    let shops = Relation::new("shops")
        .with(Column::new("shop", Type::Text).nullable(false))
        .with(Column::new("region", Type::Text))
        .with(Column::new("size", Type::Integer))
        .primary_key(["shop"]);
    Compiler::builder()
        .schema(Schema::new().with(orders).with(shops))
        .build()
}

/// Returns the behavior of each column in the form `column: behavior`.
fn column_behaviours(spec: &str) -> Vec<String> {
    let compiled = compiler().compile_spec(spec);
    assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics());
    let names: Vec<&str> = compiled.columns().iter().map(Column::name).collect();
    assert_eq!(
        compiled
            .additivity()
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        names
    );
    let behavior_text = |additivity: &Additivity| match additivity {
        Additivity::Dimension { unit: None } => "dimension".to_owned(),
        Additivity::Dimension { unit: Some(unit) } => unit.to_string(),
        Additivity::Ratio { numerator, denominator } => format!("{numerator} per {denominator}"),
        Additivity::Formula(formula) => format!("{} of {}", formula.sql(), formula.columns().join(" ")),
        Additivity::NonAdditive(NonAdditiveReason::Aggregate(name) | NonAdditiveReason::Part(name)) => {
            format!("lost {name}")
        }
        other => format!("{other:?}"),
    };
    compiled
        .additivity()
        .iter()
        .map(|(name, additivity)| format!("{name}: {}", behavior_text(additivity)))
        .collect()
}

/// Returns the behavior of a formula in a model that is grouped by month and shop and also has the columns `a` and `b`.
fn formula_behaviour(formula: &str) -> String {
    let spec = format!(
        "model: m\nfrom: orders\ngroup_by: ['day[month]', shop]\norder_by: day[month]\ndefinitions: |\n  \
         a = SUM(amount)\n  b = COUNT()\n  least = MIN(amount)\n  f = {formula}\n"
    );
    column_behaviours(&spec).pop().expect("a column").split_off(3)
}

#[test]
fn grouped_formulas_are_classified() {
    for (formula, expected) in [
        ("SUM(amount)", "Sum"),
        ("SUM(amount * fee)", "Sum"),
        ("SUMIF(shop = \"x\", amount)", "Sum"),
        ("COUNT(amount)", "Sum"),
        ("COUNTIF(shop, \"x\")", "Sum"),
        ("COUNTBLANK(amount)", "Sum"),
        ("MIN(amount)", "Min"),
        ("MAX(day)", "Max"),
        ("AVERAGE(amount)", "NonAdditive(Average)"),
        ("COUNT(DISTINCT(amount))", "NonAdditive(Distinct)"),
        ("COUNTUNIQUE(amount)", "NonAdditive(Distinct)"),
        ("MEDIAN(amount)", "lost MEDIAN"),
        ("STDEV(amount)", "lost STDEV"),
        ("a + b", "Sum"),
        ("a - b", "Sum"),
        ("-a", "Sum"),
        ("a * 2", "Sum"),
        ("2 * a - b * 3", "Sum"),
        ("SUM(amount) - SUM(fee)", "Sum"),
        // Both operands may be NULL in a group, which makes the result NULL only in that group.
        ("a + least", "a + least of a least"),
        ("a + 1", "a + 1 of a"),
        ("a / b", "a per b"),
        ("a / 2", "1.0 * a / nullif(2, 0) of a"),
        ("(a - 1) / (b - 2)", "1.0 * (a - 1) / nullif(b - 2, 0) of a b"),
        ("a - (b - least)", "a - (b - least) of a b least"),
        ("a - b - least", "a - b - least of a b least"),
        ("(a + 1) * least", "(a + 1) * least of a least"),
        ("a * b", "a * b of a b"),
        ("a / SUM(fee)", "lost SUM(fee)"),
        ("ROUND(a, 0)", "NonAdditive(Function)"),
        ("IF(a > 0, b, 0)", "NonAdditive(Condition)"),
        ("a > 0", "NonAdditive(Condition)"),
        ("a / SUM(a:a)", "NonAdditive(OtherRows)"),
        ("OFFSET(a, -1)", "NonAdditive(OtherRows)"),
        ("SUM(FIRST(a):a)", "NonAdditive(OtherRows)"),
        ("PERIODOFFSET(a, -1, \"month\")", "NonAdditive(OtherRows)"),
        ("RANK(a)", "NonAdditive(OtherRows)"),
        ("a / b - PERIODOFFSET(a, -1, \"month\")", "NonAdditive(OtherRows)"),
    ] {
        assert_eq!(formula_behaviour(formula), expected, "{formula}");
    }
}

#[test]
fn additivity_passes_through_steps() {
    let first = "model: m\nfrom: orders\nsteps:\n  - name: by_month\n    group_by: ['day[quarter]', shop]\n    \
                 definitions: |\n      a = SUM(amount)\n      b = COUNT()\n      mean = AVERAGE(amount)\n      \
                 per = a / b\n";
    let with = |step: &str| column_behaviours(&format!("{first}  - name: next\n{step}"));
    assert_eq!(
        with(
            "    keep: all\n    definitions: |\n      c = a - b\n      d = a / b\n      e = UPPER(shop)\n      g = per\n      h = per * 2\n"
        ),
        [
            "day_quarter: quarter",
            "shop: dimension",
            "a: Sum",
            "b: Sum",
            "mean: NonAdditive(Average)",
            "per: a per b",
            "c: Sum",
            "d: a per b",
            "e: dimension",
            "g: a per b",
            "h: per * 2 of per",
        ]
    );
    // The columns in a formula must exist in the model.
    assert_eq!(
        with("    keep: [shop, a, per]\n"),
        ["shop: dimension", "a: Sum", "per: lost b"]
    );
    // Totals do not include rows that the model drops, or rows of other shops, which are not part of the model.
    assert_eq!(
        with("    keep: [shop, a]\n    where: a > 5\n"),
        ["shop: dimension", "a: NonAdditive(RowsLeftOut)"]
    );
    assert_eq!(
        with("    keep: [shop, a]\n    where: shop = \"x\"\n"),
        ["shop: dimension", "a: Sum"]
    );
    assert_eq!(
        with("    keep: [shop, a]\n    order_by: a\n    limit: 3\n"),
        ["shop: dimension", "a: NonAdditive(RowsLeftOut)"]
    );
    // The columns of a joined relation are row values. Existing columns keep their additivity if the join finds at most
    // one row.
    assert_eq!(
        with(
            "    keep: [shop, a]\n    joins: [{to: shops, using: shop}]\n    definitions: |\n      region = shops.region\n      size = shops.size\n      z = a * shops.size\n"
        ),
        [
            "shop: dimension",
            "a: Sum",
            "region: dimension",
            "size: NonAdditive(SingleRows)",
            "z: NonAdditive(Mixed)"
        ]
    );
    assert_eq!(
        with("    keep: [shop, a]\n    joins: [{to: shops, using: shop, type: inner}]\n"),
        ["shop: dimension", "a: NonAdditive(Joined)"]
    );
    // If a later step groups again, only its own aggregates determine the additivity.
    assert_eq!(
        with(
            "    group_by: shop\n    definitions: |\n      most = MAX(a)\n      all = SUM(mean)\n    having: all > 0\n"
        ),
        [
            "shop: dimension",
            "most: NonAdditive(RowsLeftOut)",
            "all: NonAdditive(RowsLeftOut)"
        ]
    );
}

#[test]
fn row_level_and_sheet_columns_are_classified() {
    assert_eq!(
        column_behaviours("model: m\nfrom: orders\nkeep: [id, day, shop, amount]\ndefinitions: net = amount - fee\n"),
        [
            "id: dimension",
            "day: dimension",
            "shop: dimension",
            "amount: NonAdditive(SingleRows)",
            "net: NonAdditive(SingleRows)",
        ]
    );
    let first = "model: m\nfrom: orders\nsteps:\n  - name: by_month\n    group_by: ['day[month]', shop]\n    \
                 definitions: a = SUM(amount)\n  - name: sheet\n    columns: [day_month, shop, a]\n    order_by: day_month\n";
    let long = "    pivot_by: shop\n    calculations: |\n      twice = C1 * 2\n      growth = C1 / C0 - 1\n";
    assert_eq!(
        column_behaviours(&format!("{first}{long}")),
        [
            "day_month: month",
            "shop: dimension",
            "a: Sum",
            "twice: Sum",
            "growth: NonAdditive(OtherRows)"
        ]
    );
    assert_eq!(
        column_behaviours(&format!("{first}    values: [x, y]\n{long}")),
        [
            "day_month: month",
            "a_x: NonAdditive(WidePivot)",
            "a_y: NonAdditive(WidePivot)",
            "twice_x: NonAdditive(WidePivot)",
            "twice_y: NonAdditive(WidePivot)",
            "growth_x: NonAdditive(WidePivot)",
            "growth_y: NonAdditive(WidePivot)",
        ]
    );
}
