//! Drafts unit tests for every metric. dbt runs the drafts on the models, where all drafts pass, and on models with one
//! error each, where at least one draft fails.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::project;
use crate::skipped_cases::select_cases;
use crate::tools::{Server, run, tool, write};
use crate::{PROJECT, artifact, build, create_project, dbt_settings, generate, spec_path};

/// Specs with worksheets, which the interpreter does not support.
const NOT_DRAFTED: [&str; 4] = [
    "invoice_countries",
    "market_share",
    "revenue_sheet",
    "second_quarter_by_market",
];

#[test]
fn drafted_unit_tests_pass_on_duckdb_and_detect_faults() {
    let Some(dbt) = tool("FORMULAC_DBT") else { return };
    let project = create_project("drafts");
    assert_eq!(
        draft(&project, "duckdb", &[]),
        draft(&project, "duckdb", &[]),
        "a second draft is the same"
    );
    draft_all_and_generate(&project, "duckdb");
    build(&dbt, &project, &[]);
    let passed = unit_tests(&project);
    for model in drafted_models() {
        assert!(
            passed.iter().any(|(of, status)| *of == model && status == "pass"),
            "no unit test of {model} ran"
        );
    }
    select_cases(&FAULTS).for_each(|faults| check_faults_are_reported(&dbt, &project, faults));
}

#[test]
fn drafted_unit_tests_pass_on_postgres() {
    let (Some(dbt), Some(python)) = (tool("FORMULAC_DBT"), tool("FORMULAC_PYTHON")) else {
        return;
    };
    let server = Server::start(&python);
    let project = create_project("drafts_postgres");
    draft_all_and_generate(&project, "postgres");
    build(
        &dbt,
        &project,
        &[("DBT_TARGET", "pg"), ("PGHOST", &server.folder), ("PGUSER", "oracle")],
    );
    assert!(unit_tests(&project).len() >= drafted_models().len());
}

fn drafted_models() -> Vec<String> {
    project::models()
        .into_iter()
        .filter(|model| !NOT_DRAFTED.contains(&model.as_str()))
        .collect()
}

/// Drafts examples for all specs, in place of their existing examples, and generates their models.
fn draft_all_and_generate(project: &Path, dialect: &str) {
    for model in drafted_models() {
        let path = project.join(spec_path(&model));
        let mut inside = false;
        let rest = |line: &&str| {
            inside = line.starts_with("examples:") || (inside && line.starts_with([' ', '\n']));
            !inside
        };
        let text: String = project::read(&path).split_inclusive('\n').filter(rest).collect();
        write(&path, &text);
    }
    draft(project, dialect, &["--out", "models/formulac"]);
    generate(project, dialect);
}

fn draft(project: &Path, dialect: &str, args: &[&str]) -> String {
    let specs: Vec<String> = drafted_models().iter().map(|model| spec_path(model)).collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_formulac"));
    command
        .args(["model", "--unit-tests", "--dialect", dialect, "--schema", "schema.yml"])
        .args(args)
        .args(&specs);
    let output = run(command.current_dir(project).env_remove("FORMULAC_ENV"));
    String::from_utf8(output.stdout).expect("SQL is UTF-8")
}

/// Returns the models and the statuses of the unit tests in the last run.
fn unit_tests(project: &Path) -> Vec<(String, String)> {
    let results = artifact(project, "run_results.json");
    let of = |result: &Value| {
        let id = project::text(&result["unique_id"]);
        let model = id
            .strip_prefix(&format!("unit_test.{PROJECT}."))?
            .split('.')
            .next()?
            .to_owned();
        Some((model, project::text(&result["status"])))
    };
    results["results"]
        .as_array()
        .expect("results")
        .iter()
        .filter_map(of)
        .collect()
}

/// Typical mistake in SQL: the model, the correct text, and the incorrect replacement.
type Fault = (&'static str, &'static str, &'static str);

const FAULTS: [&[Fault]; 4] = [
    &[
        ("customer_ltv", "segment is null or ", ""),
        (
            "customer_ltv_by_segment",
            "count(distinct invoices.customer_id)",
            "count(invoices.customer_id)",
        ),
        ("churn_rate", "count(churned_customers)", "count(*)"),
        ("monthly_churn_rate", "and signup_date < current_date - 30", ""),
        (
            "monthly_retention",
            "previous_month_active > 0",
            "previous_month_active > 1",
        ),
        ("revenue_by_country", "full join", "left join"),
        (
            "quarterly_growth_rate",
            "lag(monthly_recurring_revenue, 3)",
            "lag(monthly_recurring_revenue, 2)",
        ),
        ("quarterly_growth_rate_by_market", "partition by market", ""),
        ("monthly_recurring_revenue", "and billing_frequency = 'Monthly'", ""),
        (
            "revenue_growth_by_calendar",
            "interval '1 month'",
            "interval '2 months'",
        ),
    ],
    &[
        ("customer_ltv", "count(distinct customer_id)", "count(customer_id)"),
        (
            "customer_ltv_by_segment",
            "coalesce(sum(invoices.revenue), 0)",
            "sum(invoices.revenue) * 2",
        ),
        ("churn_rate", "where snapshot_date is not null", ""),
        (
            "monthly_churn_rate",
            "last_activity < current_date - 30",
            "last_activity > current_date - 30",
        ),
        ("monthly_retention", "else 0", "else 1"),
        (
            "revenue_by_country",
            "where customer_id is not null",
            "where customer_id is null",
        ),
        (
            "quarterly_growth_rate",
            "(monthly_recurring_revenue - prior_quarter_mrr)",
            "monthly_recurring_revenue",
        ),
        (
            "quarterly_growth_rate_by_market",
            "nullif(prior_quarter_mrr, 0)",
            "coalesce(prior_quarter_mrr, 1)",
        ),
        (
            "monthly_recurring_revenue",
            "subscription_status = 'Active'",
            "subscription_status <> 'Active'",
        ),
        (
            "revenue_growth_by_calendar",
            "interval '3 months'",
            "interval '1 month'",
        ),
    ],
    &[
        ("customer_ltv", " / nullif(count", " * nullif(count"),
        (
            "customer_ltv_by_segment",
            "coalesce(invoices.segment, 'Unassigned')",
            "invoices.segment",
        ),
        (
            "churn_rate",
            "nullif(count(total_customers), 0)",
            "nullif(count(churned_customers), 0)",
        ),
        (
            "monthly_churn_rate",
            "count(distinct customer_id)",
            "count(distinct signup_date)",
        ),
        (
            "monthly_retention",
            "lag(current_month_active, 1)",
            "lead(current_month_active, 1)",
        ),
        (
            "revenue_by_country",
            "left join subscriptions",
            "inner join subscriptions",
        ),
        ("quarterly_growth_rate", "where billing_date is not null", ""),
        (
            "monthly_recurring_revenue",
            "date_trunc('month'",
            "date_trunc('quarter'",
        ),
        (
            "revenue_growth_by_calendar",
            "prior_month.monthly_recurring_revenue as",
            "prior_month.prior_quarter_mrr as",
        ),
    ],
    &[
        ("customer_ltv", "coalesce(sum(revenue), 0)", "sum(revenue) + 0.01"),
        (
            "customer_ltv_by_segment",
            "invoices.segment <> 'Owner''s tests'",
            "invoices.segment <> 'Owners tests'",
        ),
        ("monthly_churn_rate", "max(activity_date)", "min(activity_date)"),
        (
            "monthly_retention",
            "current_month_active / nullif(previous_month_active, 0)",
            "current_month_active * 1.0",
        ),
        ("revenue_by_country", "date '2024-06-01'", "date '2024-05-01'"),
        ("revenue_growth_by_calendar", "where billing_date is not null", ""),
    ],
];

/// Each model with an error has a unit test that fails.
fn check_faults_are_reported(dbt: &Path, project: &Path, faults: &[Fault]) {
    let models: Vec<&str> = faults.iter().map(|(model, ..)| *model).collect();
    let path = |model: &str| project.join(format!("models/formulac/{model}.sql"));
    let sound: Vec<String> = models.iter().map(|model| project::read(&path(model))).collect();
    for (model, right, wrong) in faults {
        let sql = project::read(&path(model));
        assert!(sql.contains(right), "{model} has no `{right}`:\n{sql}");
        write(&path(model), &sql.replace(right, wrong));
    }
    let mut command = Command::new(dbt);
    dbt_settings(
        command.args(["--no-use-colors", "test", "--select", "test_type:unit"]),
        project,
    );
    let output = command.output().expect("dbt runs");
    let results = unit_tests(project);
    for (model, right, wrong) in faults {
        let is_told = results.iter().any(|(of, status)| of == model && status != "pass");
        let log = String::from_utf8_lossy(&output.stdout);
        assert!(
            is_told,
            "no unit test of {model} fails with `{wrong}` for `{right}`\n{log}"
        );
    }
    models
        .iter()
        .zip(sound)
        .for_each(|(model, sql)| write(&path(model), &sql));
}
