//! Tests which dbt tests are generated for metric sets.

use crate::metric_sets::{ORDERS, project};

#[test]
fn a_set_with_balances_has_one_test_per_join() {
    let project = project("sets_a_set_with_balances_has_one_test_per_join");
    let balances = "columns: {last_order: {non_additive: {over: ordered_at, take: last}}}\n";
    project.write(
        "specs/orders.yml",
        ORDERS.replace(
            "definitions: |\n",
            &format!("{balances}definitions: |\n  last_order = SUM(amount)\n"),
        ),
    );
    let run = project.run(&["generate"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let mut tests = project.files("tests/formulac");
    tests.retain(|name| name.contains("finds_one_of"));
    assert_eq!(tests, ["assert_orders_metrics_finds_one_of_customers.sql"]);
}

#[test]
fn one_model_of_a_set_has_the_tests_of_the_set() {
    let project = project("sets_one_model_of_a_set_has_the_tests_of_the_set");
    let test = "assert_orders_metrics_finds_one_of_customers.sql";
    for spec in ["specs/total.yml", "specs/by_month.yml"] {
        let run = project.run(&["model", spec, "--out", "models/formulac"]);
        let has_test = run.err.contains(&format!("wrote tests/formulac/{test}\n")) || spec.ends_with("by_month.yml");
        assert!(run.exit == 0 && has_test, "{spec}: {}", run.err);
    }
    let text = project.read(&format!("tests/formulac/{test}"));
    assert!(
        text.replace("\n-- ", " ")
            .contains("because the metric set orders expects at most one match"),
        "{text}"
    );
    project.succeed(&["generate"]);
    assert_eq!(project.read(&format!("tests/formulac/{test}")), text);
}

#[test]
fn set_over_a_relation_with_the_name_of_its_tests_has_join_tests() {
    let project = project("sets_set_over_a_relation_with_the_name_of_its_tests_has_join_tests");
    project.write(
        "specs/sales.yml",
        "metric_set: sales\nfrom: sales_metrics\njoins: [{to: customers, using: customer_id}]\n\
         definitions: n = COUNT(customers.country)\n",
    );
    project.write("specs/all_sales.yml", "model: all_sales\nmetrics: [sales.n]\n");
    let run = project.run(&["generate"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let tests = project.files("tests/formulac");
    let test = "assert_sales_metrics_finds_one_of_customers.sql";
    assert!(tests.contains(&test.to_owned()), "{tests:?}");
}
