//! Tests a new user's first session in the coffee shop's project.

use serde_json::json;

use crate::evening::Evening;

const TAKINGS: &str = r#"model: takings_by_month
description: What the shops take in each month, and how that grows
from: ref('tickets')
group_by: paid_at[month]
order_by: paid_at[month]
definitions: |
  /// All that guests paid, with tax
  takings = SUM(ticket_total)
  /// Paid tickets
  ticket_count = COUNT()
  /// Takings per ticket
  average_ticket = ROUND(takings / ticket_count, 2)
  /// Share of tickets with a drink
  drink_share = ROUND(SUM(IF(has_drink, 1, 0)) / COUNT(), 3)
  /// Takings of the calendar month before
  prior_takings = PERIODOFFSET(takings, -1, "month")
  /// Growth since the calendar month before
  growth = ROUND(takings / prior_takings - 1, 3)
columns:
  paid_at_month: {description: First day of the month}
"#;

const TAKINGS_RULES: &str = r"rules:
  - takings_are_positive: takings > 0
  - name: drink_share_is_a_share
    check: AND(drink_share >= 0, drink_share <= 1)
    message: The share of tickets with a drink is between 0 and 1
";

/// Handwritten SQL that returns the rows of this model.
const TAKINGS_SQL: &str = "
    with months as (
        select date_trunc('month', paid_at)::date as month, sum(ticket_total) as takings, count(*) as n,
            count(*) filter (has_drink) as drinks
        from dev_ann.tickets group by all
    )
    select m.month, m.takings, m.n, round(m.takings::double / m.n, 2), round(m.drinks::double / m.n, 3), p.takings,
        round(m.takings::double / p.takings - 1, 3)
    from months as m left join months as p on p.month + interval 1 month = m.month";

const TAKINGS_COLUMNS: &str = "paid_at_month::date, takings, ticket_count, average_ticket, \
                               drink_share, prior_takings, growth";

const RETURNS: &str = r#"model: guest_returns
description: How soon guests come back, and what they spend
from: ref('tickets')
joins:
  - {to: ref('guests'), as: guests, using: guest_id}
where: NOT(ISBLANK(guest_id))
group_by: [guest_id, guests.guest_kind]
definitions: |
  /// When the guest came first
  first_visit = MIN(paid_at)
  /// Days from the first visit to the second
  days_to_second = MINIFS(paid_at, guest_ticket_number, 2) - MIN(paid_at)
  /// All that the guest has spent
  spent = SUM(ticket_total)
  /// Size of the guest by what was spent
  size = IFS(SUM(ticket_total) < 60, "small", SUM(ticket_total) < 120, "middle", TRUE, "large")
columns:
  guest_kind: {data_tests: [not_null]}
rules:
  - name: every_guest_is_known
    check: guest_id
    found_in: {to: ref('guests'), field: guest_id}
"#;

fn returns_sql(small: u32) -> String {
    format!(
        "select t.guest_id, any_value(g.guest_kind), min(t.paid_at),
            round(epoch(min(t.paid_at) filter (guest_ticket_number = 2) - min(t.paid_at)) / 86400, 6),
            sum(ticket_total),
            case when sum(ticket_total) < {small} then 'small' when sum(ticket_total) < 120 then 'middle' else 'large' end
        from dev_ann.tickets as t join dev_ann.guests as g using (guest_id) group by t.guest_id"
    )
}

const RETURNS_COLUMNS: &str = "guest_id, guest_kind, first_visit, round(days_to_second, 6), spent, size";

#[test]
fn the_first_evening_in_the_coffee_shop() {
    let Some(mut evening) = Evening::begin("coffee_shop", "", "coffee_shop.duckdb") else {
        return;
    };

    evening.first_command(&[
        "dbt --quiet deps",
        "dbt --quiet seed && dbt --quiet build --exclude-resource-type seed",
    ]);
    evening.check_file(
        "formulac.yml",
        &[
            "models: models/formulac/",
            "tests: data-tests/formulac/",
            "dialect: duckdb",
        ],
    );
    evening.runs("formulac check", 0, &["no problems found"]);

    evening.part("A first model");
    evening.runs(
        "rm metrics/*.yml && git add --all && git commit --quiet --message 'Formulac'",
        0,
        &[],
    );
    evening.write_file("metrics/takings_by_month.yml", TAKINGS);
    let output = evening.runs(
        "formulac check",
        0,
        &["warning[W0316]", "has_drink", "dbt docs generate"],
    );
    evening.check_absent(&output, &["error["]);
    evening.runs("dbt --quiet docs generate", 0, &[]);
    let output = evening.runs("formulac check", 0, &["1 file checked: no problems found"]);
    evening.check_absent(&output, &["warning["]);
    evening.runs(
        "formulac preview metrics/takings_by_month.yml --limit 5",
        0,
        &["takings", "2024-01-01"],
    );

    evening.part("Rules, and a second model");
    evening.write_file("metrics/takings_by_month.yml", &format!("{TAKINGS}{TAKINGS_RULES}"));
    evening.write_file("metrics/guest_returns.yml", RETURNS);
    evening.runs("formulac check", 0, &["2 files checked: no problems found"]);
    evening.runs("formulac generate", 0, &["created, 0 changed, 0 removed"]);
    evening.runs_quietly("formulac generate --check", 0, &[]);
    evening.runs(
        "git status --short --untracked-files=all",
        0,
        &[
            "data-tests/formulac/",
            "models/formulac/guest_returns.sql",
            "models/formulac/takings_by_month.yml",
            ".formulac/state/known.yml",
        ],
    );
    evening.runs("dbt --quiet build --select guest_returns takings_by_month", 0, &[]);
    evening.ran_all_of("target", "data-tests/formulac/");
    evening.ran_all_of("target", "models/formulac/");
    evening.equals_by_hand("dev_ann.takings_by_month", TAKINGS_COLUMNS, TAKINGS_SQL);
    evening.equals_by_hand("dev_ann.guest_returns", RETURNS_COLUMNS, &returns_sql(60));
    for (model, key) in [("takings_by_month", "paid_at_month"), ("guest_returns", "guest_id")] {
        evening.previews_what_was_built(model, key, "dev_ann");
    }
    evening.runs(
        "formulac push --yes --message 'Takings and guests'",
        0,
        &["committed to main"],
    );
    evening.runs(
        "formulac plan",
        0,
        &["0 to create, 0 to update, 0 to delete, 0 conflicts"],
    );

    evening.part("Manual edits to generated SQL: one of layout, one of a number");
    evening.runs(
        "sed -i 's/^select$/SELECT/; s/^from /FROM /' models/formulac/takings_by_month.sql",
        0,
        &[],
    );
    evening.runs(
        "formulac plan",
        0,
        &["0 to create, 0 to update, 0 to delete, 0 conflicts"],
    );
    evening.runs("sed -i 's/< 60 /< 50 /' models/formulac/guest_returns.sql", 0, &[]);
    evening.runs("formulac plan", 0, &["guest_returns", "< 50", "0 conflicts"]);
    evening.runs(
        "formulac push --yes --message 'Small guests spend less than 50'",
        0,
        &["committed to main"],
    );
    evening.check_file("metrics/guest_returns.yml", &["SUM(ticket_total) < 50, \"small\""]);
    evening.check_file("models/formulac/takings_by_month.sql", &["SELECT\n"]);

    evening.part("A new definition");
    evening.runs(
        r"sed -i 's|^rules:|  running_takings = SUM(FIRST(takings):takings)\n&|' metrics/takings_by_month.yml && sed -i '/^columns:/,/^  paid_at_month/d' metrics/takings_by_month.yml",
        0,
        &[],
    );
    evening.runs("formulac check", 0, &["2 files checked: no problems found"]);
    evening.runs(
        "formulac plan",
        0,
        &["running_takings", "0 to create, 1 to update, 0 to delete, 0 conflicts"],
    );
    evening.runs(
        "formulac push --yes --message 'Running takings'",
        0,
        &["committed to main"],
    );
    evening.runs(
        "formulac plan",
        0,
        &["0 to create, 0 to update, 0 to delete, 0 conflicts"],
    );
    evening.runs("git status --short", 0, &[]);

    evening.part("Build, verify, release");
    evening.runs(
        "dbt --quiet build --exclude-resource-type seed && dbt --quiet docs generate",
        0,
        &[],
    );
    evening.equals_by_hand("dev_ann.guest_returns", RETURNS_COLUMNS, &returns_sql(50));
    evening.runs("formulac verify", 0, &["guest_returns", "takings_by_month"]);
    evening.runs("git add --all && git commit --quiet --message Evidence", 0, &[]);
    evening.runs("formulac release --yes v1.0.0", 0, &["v1.0.0"]);
    evening.runs("git tag", 0, &["v1.0.0"]);
    evening.runs("formulac status", 0, &["✓ specs and dbt"]);
    let left = evening.runs("git status --short", 0, &[]);
    evening.check_value("nothing is left uncommitted", &json!(left), &json!(""));
    evening.end();
}
