//! Tests errors, notes and help about metric sets.

use crate::metric_sets::{ORDERS, project};
use crate::repository;

#[test]
fn help_of_queries_names_options() {
    let project = project("sets_help_of_queries_names_options");
    project.write(
        "specs/refunds.yml",
        "metric_set: refunds\nfrom: refunds\ntime: refunded_on\ndefinitions: refunded = SUM(amount)\n",
    );
    let both = "orders.revenue,refunds.refunded";
    let before = "before = PERIODOFFSET(revenue, -1, \"month\")";
    let previous = "previous = OFFSET(revenue, -1)";
    let revenue = ["--metrics", "orders.revenue", "--by", "month"];
    let mapped = "day: {orders: ordered_at, refunds: refunded_on}";
    let cases: [(&[&str], &str); 6] = [
        (
            &["--metrics", both, "--by", mapped],
            "the key `day: {orders: ordered_at, refunds: refunded_on}` is a string instead of a mapping; help: write the \
             key as a mapping: `- day: {orders: ordered_at, refunds: refunded_on}` in a spec",
        ),
        (
            &["--metrics", "orders.revenue,orders.revenue"],
            "rename one of the columns: `orders.revenue as other_name`",
        ),
        (
            &["--metrics", both, "--by", "region"],
            "specify the column of each set: `- region: {orders: …, refunds: …}` in a spec",
        ),
        (
            &["--metrics", both, "--where", "stg_orders.status = \"open\""],
            "the metric set `refunds` has no relation `stg_orders`; help: to filter only `orders`, write `where: {orders: …}` \
             in a spec",
        ),
        (
            &[
                &revenue[..],
                &["--define", before, "--where", "ordered_at >= DATE(2024, 2, 1)"],
            ]
            .concat(),
            "write `--since 2024-02-01` instead of the condition",
        ),
        (
            &[&revenue[..], &["--define", previous, "--order-by", "revenue desc"]].concat(),
            "write `partition_by: []` in a spec to include all groups",
        ),
    ];
    for (options, help) in cases {
        let run = project.run(&[&["query", "--output-format", "concise"], options].concat());
        assert!(run.err.contains(help), "{help}: {}", run.err);
    }
}

#[test]
fn two_sets_of_one_name_are_an_error() {
    let project = project("sets_two_sets_of_one_name_are_an_error");
    project.write(
        "specs/other.yml",
        "metric_set: Orders\nfrom: t\ndefinitions: n = COUNT()\n",
    );
    let calls: [&[&str]; 6] = [
        &["check"],
        &["check", "specs/total.yml"],
        &["query", "specs/total.yml"],
        &["model", "specs/total.yml"],
        &["query", "--metrics", "orders.order_count"],
        &["generate"],
    ];
    for call in calls {
        let run = project.run(call);
        let output = format!("{}{}", run.out, run.err);
        assert!(
            run.exit == 1 && output.contains("two metric sets are named `orders`"),
            "{call:?}: {output}"
        );
    }
    let run = project.run(&["query", "specs/total.yml"]);
    assert!(
        run.err.contains("`specs/orders.yml` and `specs/other.yml`"),
        "{}",
        run.err
    );
}

#[test]
fn an_error_of_a_set_is_printed_once() {
    let project = project("sets_an_error_of_a_set_is_printed_once");
    project.write("specs/orders.yml", ORDERS.replace("SUM(amount)", "SUMM(amount)"));
    project.write(
        "specs/by_region.yml",
        "model: by_region\nmetrics: [orders.revenue]\ngroup_by: customers.region\n",
    );
    let errors = |text: &str| text.matches("error[").count();
    let run = project.run(&["check"]);
    assert_eq!((run.exit, errors(&run.out)), (1, 1), "{}", run.out);
    assert!(
        run.out.contains("unknown function `SUMM`") && run.out.contains("orders.yml:7"),
        "{}",
        run.out
    );
    let note =
        "note: 2 other specs read metrics with these errors and have no SQL: specs/by_month.yml, specs/by_region.yml";
    assert!(run.err.contains(note), "{}", run.err);
    assert!(run.err.contains("4 files checked: 1 error"), "{}", run.err);
    let run = project.run(&["generate"]);
    assert_eq!((run.exit, errors(&run.err)), (1, 1), "{}", run.err);
    // `model` shows the metric set's error, because the command reports only on the model and not on the metric set
    // itself.
    let run = project.run(&["model", "specs/by_month.yml"]);
    assert_eq!((run.exit, errors(&run.err)), (1, 1), "{}", run.err);
    // JSON contains all errors.
    let run = project.run(&["check", "--output-format", "json"]);
    assert_eq!(run.out.matches("\"severity\": \"error\"").count(), 3, "{}", run.out);
}

/// If not all columns of a relation are known, `year` is a period of the set's time. A note says so, because a column
/// `year` would take precedence. After the first `generate`, `known.yml` lists the columns that the specs read.
#[test]
fn keys_that_would_be_columns_are_noted() {
    let project = project("sets_keys_that_would_be_columns");
    let note = "note: formulac reads these keys as periods: `ordered_at[month]` of `stg_orders`, `ordered_at[year]` \
                of `stg_orders`. Not all columns of the relations are known, and a column with the name of a key \
                would take precedence. Write the period in `group_by`, or run `dbt docs generate` or `formulac \
                schema fetch` to list all columns\n";
    let columns = "order_id: integer, customer_id: integer, amount: decimal, ordered_at: timestamp, year: integer";
    project.write(
        "schema.yml",
        format!(
            "relations:\n  customers: {{columns: {{customer_id: integer, region: text}}}}\n  \
             stg_orders: {{columns: {{{columns}}}}}\n"
        ),
    );
    repository::begin(&project);
    let commands: [&[&str]; 6] = [
        &["check"],
        &["generate"],
        &["generate"],
        &["check"],
        &["plan"],
        &["push", "--yes", "--no-parse"],
    ];
    for args in commands {
        let run = project.succeed(args);
        assert_eq!(run.err.matches(note).count(), 1, "{args:?}: {}", run.err);
        assert!(!run.out.contains("W0859"), "{args:?}: {}", run.out);
    }
    let run = project.run(&["check", "--schema", "schema.yml"]);
    assert!(
        run.out.contains("W0859") && !run.err.contains("note: keys"),
        "{}{}",
        run.out,
        run.err
    );
}
