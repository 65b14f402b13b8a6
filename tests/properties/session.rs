//! Checks that a session returns the same results as a compilation of all specs from scratch, after any series of
//! edits.

use std::sync::Arc;

use formulac::{Column, Compiler, Relation, Schema, SpecSession, SpecText, Type};
use proptest::prelude::*;

/// Versions of each file of a project. An empty string means that the file does not exist.
const FILES: &[&[&str]] = &[
    &[
        "model: daily\nfrom: orders\ngroup_by: ordered_on\ndefinitions: |\n  revenue = SUM(amount)\n  orders = COUNT()\n",
        "model: daily\nfrom: orders\ngroup_by: ordered_on\ndefinitions: |\n  revenue = SUM(amount)\n",
        "model: daily\nfrom: orders\ngroup_by: ordered_on\ndefinitions: |\n  revenue = SUM(amuont)\n",
        "model: daily\nfrom: monthly\nkeep: all\n",
        "",
    ],
    &[
        "model: monthly\nfrom: daily\ngroup_by: ordered_on[month]\ndefinitions: |\n  revenue = SUM(revenue)\n",
        "model: monthly\nfrom: daily\ngroup_by: ordered_on[month]\ndefinitions: |\n  revenue = SUM(revenue)\n  orders = SUM(orders)\n",
        "model: Daily\nfrom: daily\nkeep: all\n",
        "model: monthly\nfrom: daily\ngroup_by: [\n",
        "",
    ],
    &[
        "model: with_region\nfrom: orders\njoins:\n  - {to: customers, using: customer_id}\ndefinitions: |\n  region = customers.region\n",
        "model: with_region\nfrom: orders\njoins:\n  - {to: daily, using: ordered_on}\ndefinitions: |\n  of_day = amount / daily.revenue\n",
        "model: with_region\nfrom: orders\nkeep: all\ncompare: [{with: daily, keys: ordered_on}]\nrules: [known: {found_in: {to: customers, field: customer_id}, check: customer_id}]\n",
        "",
    ],
    &[
        "metric_set: sales\nfrom: orders\ntime: ordered_on\njoins:\n  - {to: customers, using: customer_id}\ndefinitions: |\n  revenue = SUM(amount)\n  orders = COUNT()\n  region = customers.region\n",
        "metric_set: sales\nfrom: orders\ntime: ordered_on\ndefinitions: |\n  revenue = SUM(amount) - COUNT()\n  orders = COUNT()\n  region = \"none\"\n",
        "metric_set: sales\nfrom: daily\ntime: ordered_on\ndefinitions: |\n  revenue = MAX(revenue)\n  orders = COUNT()\n",
        "metric_set: sales\nfrom: with_region\ndefinitions: |\n  revenue = SUM(region)\n  orders = COUNT()\n",
        "metric_set: sales\nfrom: orders\ntime: ordered_on\ndefinitions: |\n  revenue = SUM(amount\n  orders = COUNT()\n",
        "metric_set: sales\nfrom: orders\ntime: ordered_on\ncolumns:\n  revenue: {deprecated: {use: orders, until: 2026-06-30}}\n  orders: {renamed_from: order_count}\ndefinitions: |\n  revenue = SUM(amount)\n  orders = COUNT()\n",
        "",
    ],
    &[
        "metric_set: people\nfrom: customers\ndefinitions: |\n  customers = COUNT()\n",
        "metric_set: Sales\nfrom: customers\ndefinitions: |\n  revenue = COUNT()\n",
        "",
    ],
    &[
        "metric_set: ratios\nsets: [sales, people]\ndefinitions: |\n  per_customer = sales.revenue / people.customers\n",
        "metric_set: ratios\nsets: [sales]\ndefinitions: |\n  average = sales.revenue / sales.orders\n",
        "",
    ],
    &[
        "model: sales_by_month\nmetrics: [sales.revenue, sales.orders]\ngroup_by: [month]\n",
        "model: sales_by_month\nmetrics: [sales.revenue, sales.order_count]\ngroup_by: [region]\n",
        "model: sales_by_month\nmetrics: [ratios.average]\ngroup_by: [month]\n",
        "model: sales_by_month\nmetrics: [sales.*, people.customers]\n",
        "model: sales_by_month\nmetrics: [sales.revenue]\ngroup_by: [month]\nfill: month\n",
    ],
    &[
        "model: totals\nfrom: sales_by_month\ndefinitions: |\n  revenue = SUM(revenue)\n",
        "model: totals\nfrom: with_region\ngroup_by: region\ndefinitions: |\n  orders = COUNT()\n",
        "model: totals\nsteps:\n  - {name: daily, group_by: ordered_on}\nfrom: orders\n",
    ],
];

/// Number of versions of the schema.
const SCHEMA_COUNT: usize = 6;

fn schema(version: usize) -> Schema {
    let amount = [Type::Decimal, Type::Float, Type::Integer][version % 3];
    let mut orders = Relation::new("orders")
        .with(Column::new("order_id", Type::Integer).nullable(false))
        .with(Column::new("customer_id", Type::Integer))
        .with(Column::new("ordered_on", Type::Date).nullable(version != 1))
        .with(Column::new("amount", amount));
    if version == 2 {
        orders = orders.with(Column::new("region", Type::Text));
    }
    let customers = Relation::new("customers")
        .with(Column::new("customer_id", Type::Integer))
        .with(Column::new(
            "region",
            if version == 3 { Type::Integer } else { Type::Text },
        ));
    let customers = match version {
        1 => customers,
        _ => customers.primary_key(["customer_id"]),
    };
    match version {
        4 => Schema::new().with(orders),
        5 => Schema::new(),
        _ => Schema::new().with(orders).with(customers),
    }
}

/// Number of versions of the options.
const OPTIONS: usize = 4;

fn compiler(options: usize, schema: Schema) -> Compiler {
    let builder = Compiler::builder().schema(schema);
    match options {
        1 => builder.dialect("snowflake".parse().unwrap()).build(),
        2 => builder.timezone("Europe/Berlin").build(),
        3 => builder.current_date("2026-11-27").build(),
        _ => builder.build(),
    }
}

/// Version of each file, and of the schema and the options.
#[derive(Clone, Debug)]
struct Edit {
    position: usize,
    version: usize,
}

fn edit() -> impl Strategy<Value = Edit> {
    (0..FILES.len() + 2, 0..6usize).prop_map(|(index, version)| Edit {
        position: index,
        version,
    })
}

fn compile_edits(edits: &[Edit]) -> Result<(usize, usize), TestCaseError> {
    let (mut files, mut schema_version, mut options) = ([0; FILES.len()], 0, 0);
    let mut session = SpecSession::default();
    let mut stored = SpecSession::default().to_bytes().unwrap();
    let mut before: Vec<Arc<formulac::CompiledSpec>> = Vec::new();
    let (mut compiled, mut reused) = (0, 0);
    for Edit {
        position: index,
        version,
    } in edits
    {
        match FILES.get(*index) {
            Some(versions) => files[*index] = version % versions.len(),
            None if *index == FILES.len() => schema_version = version % SCHEMA_COUNT,
            None => options = version % OPTIONS,
        }
        let paths: Vec<String> = (0..FILES.len()).map(|number| format!("metrics/{number}.yml")).collect();
        let texts = FILES
            .iter()
            .zip(files)
            .zip(&paths)
            .map(|((versions, version), path)| SpecText {
                text: versions[version],
                path: Some(path),
            });
        let texts: Vec<SpecText<'_>> = texts.filter(|spec| !spec.text.is_empty()).collect();
        let compiler = compiler(options, schema(schema_version));
        let fresh = compiler.compile_specs(&texts);
        let results = session.compile_specs(&compiler, &texts);
        prop_assert_eq!(fresh.len(), results.len());
        for ((fresh, result), spec) in fresh.iter().zip(&results).zip(&texts) {
            prop_assert_eq!(format!("{:?}", fresh), format!("{:?}", result), "{}", spec.text);
        }
        let mut restored = SpecSession::from_bytes(&stored).unwrap();
        for ((fresh, result), spec) in fresh.iter().zip(&restored.compile_specs(&compiler, &texts)).zip(&texts) {
            prop_assert_eq!(format!("{:?}", fresh), format!("{:?}", result));
            prop_assert!(serde_json::to_string(fresh).is_ok(), "{}", spec.text);
        }
        stored = restored.to_bytes().unwrap();
        compiled += results.len();
        let is_reused = |result: &&Arc<formulac::CompiledSpec>| before.iter().any(|before| Arc::ptr_eq(before, result));
        reused += results.iter().filter(is_reused).count();
        before = results;
    }
    Ok((compiled, reused))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_fresh_compilation(edits in prop::collection::vec(edit(), 1..15)) {
        compile_edits(&edits)?;
    }
}

/// Checks that a change compiles only the specs that depend on it.
#[test]
fn only_dependents_are_compiled_again() {
    let edit = |index, version| Edit {
        position: index,
        version,
    };
    let all = FILES.len();
    for (what, change, expected) in [
        ("nothing", edit(0, 0), all),
        ("a column of `daily`", edit(0, 1), all - 2),
        ("a spec that no other reads", edit(7, 1), all - 1),
        ("a metric", edit(3, 1), all - 4),
        ("the nullability of a relation that all read", edit(all, 1), 0),
        ("an option", edit(all + 1, 1), 0),
    ] {
        let (_, reused) = compile_edits(&[edit(0, 0), change]).unwrap();
        assert_eq!(reused, expected, "{what}");
    }
}
