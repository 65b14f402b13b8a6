//! Tests a new user's first session in the lender's project.

use serde_json::json;

use crate::evening::Evening;

const REPAYMENTS: &str = r#"model: repayments_by_month
description: What borrowers owe in each month, and what they paid of it
from: ref('fct_repayments')
group_by: due_on[month]
order_by: due_on[month]
definitions: |
  /// Instalments that are due, in euros
  due = SUM(amount)
  /// The part of the instalments that was paid, early or late
  paid = SUMIF(NOT(ISBLANK(paid_on)), amount)
  /// Share that was paid
  paid_share = ROUND(paid / due, 4)
  /// Days from the due day to the payment, in the mean
  mean_delay = ROUND(AVERAGE(DATEDIF(due_on, paid_on, "D")), 2)
  /// Instalments that were paid late
  late_count = COUNT(IF(is_late, repayment_id))
  /// Due in the calendar month before
  prior_due = PERIODOFFSET(due, -1, "month")
columns:
  due_on_month: {description: First day of the month}
rules:
  - nobody_pays_more_than_is_due: paid <= due
  - name: late_is_rare
    check: late_count <= 20
    severity: warn
"#;

/// Handwritten SQL that returns the rows of this model.
const REPAYMENTS_SQL: &str = "
    with months as (
        select date_trunc('month', due_on)::date as month, sum(amount) as due,
            coalesce(sum(amount) filter (paid_on is not null), 0) as paid, avg(paid_on - due_on) as delay,
            count(*) filter (is_late) as late
        from dev_marts.fct_repayments group by all
    )
    select m.month, m.due, m.paid, round(m.paid::double / m.due, 4), round(m.delay, 2), m.late, p.due
    from months as m left join months as p on p.month + interval 1 month = m.month";

const REPAYMENTS_COLUMNS: &str = "due_on_month::date, due, paid, paid_share, mean_delay, late_count, prior_due";

const COUNTRIES: &str = r#"model: loans_by_country
description: Loans by the country of the borrower
from: ref('fct_loans')
joins:
  - {to: "ref('dim_borrowers', v=2)", as: borrowers, using: borrower_id}
group_by: country
definitions: |
  country = IF(ISBLANK(borrowers.country), "unknown", borrowers.country)
  /// Loans
  loan_count = COUNT(loan_id)
  /// Sum of the principals
  lent = SUM(principal)
  /// Share of loans that were written off
  loss_rate = ROUND(COUNT(IF(status = "written off", loan_id)) / loan_count, 4)
exposures:
  - name: country_review
    type: dashboard
    owner: {name: Finance, email: finance@example.com}
"#;

const COUNTRIES_SQL: &str = "
    select coalesce(country, 'unknown'), count(*), sum(principal),
        round(count(*) filter (status = 'written off') / count(*), 4)
    from dev_marts.fct_loans join dev_marts.dim_borrowers_v2 using (borrower_id) group by all";

const COUNTRIES_COLUMNS: &str = "country, loan_count, lent, loss_rate";

/// A model that reads a source whose table has a different name and whose identifiers are quoted.
const RATES: &str = r"model: loans_by_rate
description: Loans by their yearly rate
from: source('core', 'loan_book')
group_by: yearly_rate
definitions: |
  loan_count = COUNT(id)
  lent = SUM(principal)
";

/// A model that reads a private model.
const LOSSES: &str = r"model: losses
description: Borrowers with losses
from: ref('int_borrower_scores')
definitions: |
  borrower_count = COUNT(borrower_id)
  with_losses = COUNT(IF(losses > 0, borrower_id))
";

const MODEL: &str = "dbt/models/formulac/repayments_by_month.sql";

#[test]
fn the_first_evening_at_the_lender() {
    let Some(mut evening) = Evening::begin("lending", "analytics", "lending.duckdb") else {
        return;
    };

    evening.first_command(&["dbt --quiet seed && dbt --quiet build --exclude-resource-type seed > /dev/null"]);
    let folders = [
        "models: dbt/models/formulac/",
        "tests: dbt/tests/formulac/",
        "dialect: duckdb",
        "protected: true",
    ];
    evening.check_file("formulac.yml", &folders);
    evening.runs("formulac check", 0, &["1 file checked"]);
    evening.runs(
        "rm metrics/*.yml && git add --all && git commit --quiet --message 'Formulac'",
        0,
        &[],
    );

    evening.part("A first model; the warehouse tells its columns");
    evening.write_file("metrics/repayments_by_month.yml", REPAYMENTS);
    evening.runs(
        "formulac check",
        0,
        &["warning[W0316]", "is_late", "formulac schema fetch"],
    );
    evening.runs("formulac schema fetch", 0, &[]);
    let output = evening.runs("formulac check", 0, &["1 file checked: no problems found"]);
    evening.check_absent(&output, &["warning["]);
    evening.runs(
        "formulac preview metrics/repayments_by_month.yml --limit 3",
        0,
        &["mean_delay", "2023-06-01"],
    );

    evening.part("A versioned model, a quoted source, a private model");
    evening.write_file("metrics/loans_by_country.yml", COUNTRIES);
    evening.write_file("metrics/loans_by_rate.yml", RATES);
    evening.write_file("metrics/losses.yml", &format!("{LOSSES}group: finance\n"));
    evening.runs(
        "formulac schema fetch --json",
        0,
        &["\"version\": 1", "\"fault\": null"],
    );
    evening.runs(
        "formulac check",
        1,
        &["`int_borrower_scores` is private to the group `risk`", "group: risk"],
    );
    evening.write_file("metrics/losses.yml", LOSSES);
    evening.runs("formulac check", 0, &["4 files checked"]);
    evening.runs("formulac generate", 0, &["created, 0 changed, 0 removed"]);
    evening.runs_quietly("formulac generate --check", 0, &[]);
    evening.check_file(
        "dbt/models/formulac/loans_by_country.sql",
        &["{{ ref('dim_borrowers', v=2) }}"],
    );
    evening.check_file(
        "dbt/models/formulac/loans_by_rate.sql",
        &["{{ source('core', 'loan_book') }}"],
    );
    evening.check_file("dbt/models/formulac/losses.yml", &["group: risk", "access: private"]);
    let status = "git status --short --untracked-files=all .";
    evening.runs(status, 0, &["dbt/tests/formulac/", MODEL, ".formulac/state/known.yml"]);

    evening.part("Build");
    evening.runs(
        "dbt --quiet build --select path:dbt/models/formulac > /dev/null",
        0,
        &[],
    );
    evening.ran_all_of("build/dbt", "dbt/tests/formulac/");
    evening.ran_all_of("build/dbt", "dbt/models/formulac/");
    evening.equals_by_hand("dev.repayments_by_month", REPAYMENTS_COLUMNS, REPAYMENTS_SQL);
    evening.equals_by_hand("dev.loans_by_country", COUNTRIES_COLUMNS, COUNTRIES_SQL);
    evening.previews_what_was_built("repayments_by_month", "due_on_month", "dev");
    evening.previews_what_was_built("loans_by_country", "country", "dev");
    evening.previews_what_was_built("loans_by_rate", "yearly_rate", "dev");
    evening.runs(
        "formulac push --yes --message 'Repayments, loans and losses'",
        0,
        &["committed to main"],
    );
    evening.runs("git status --short", 0, &[]);

    evening.part("A manual edit that no formula expresses, and then a change of the spec");
    evening.runs(
        &format!("sed -i '0,/^with /s//{{{{ config(tags=[\"board\"]) }}}}\\n&/' {MODEL}"),
        0,
        &[],
    );
    evening.runs("formulac plan", 0, &["0 conflicts"]);
    evening.runs(
        "sed -i 's/late_count <= 20/late_count <= 25/; s/, \"D\")), 2)/, \"D\")), 1)/' metrics/*.yml",
        0,
        &[],
    );
    evening.runs(
        "formulac plan",
        0,
        &["mean_delay", "0 to create, 1 to update, 0 to delete, 0 conflicts"],
    );
    evening.runs(
        "formulac push --yes --message 'One decimal of delay is enough'",
        0,
        &["committed to main"],
    );
    evening.check_file(MODEL, &["{{ config(tags=[\"board\"]) }}", "            1\n"]);
    evening.runs(
        "formulac plan",
        0,
        &["0 to create, 0 to update, 0 to delete, 0 conflicts"],
    );

    evening.part("Build, verify, release");
    evening.runs("dbt --quiet build --exclude-resource-type seed > /dev/null", 0, &[]);
    let by_hand = REPAYMENTS_SQL.replace("round(m.delay, 2)", "round(m.delay, 1)");
    evening.equals_by_hand("dev.repayments_by_month", REPAYMENTS_COLUMNS, &by_hand);
    evening.runs(
        "formulac verify",
        0,
        &["repayments_by_month", "loans_by_country", "loans_by_rate", "losses"],
    );
    evening.runs("git add --all && git commit --quiet --message Evidence", 0, &[]);
    evening.runs("formulac release --yes v1.0.0", 0, &["v1.0.0"]);
    evening.runs("git tag", 0, &["v1.0.0"]);
    evening.runs("formulac status", 0, &["✓ specs and dbt"]);
    let left = evening.runs("git status --short", 0, &[]);
    evening.check_value("nothing is left uncommitted", &json!(left), &json!(""));
    evening.end();
}
