//! Runs the pages in `docs` whose commands build on each other, on DuckDB and on Postgres. On DuckDB, the output must
//! equal the output on the page. If `FORMULAC_WRITE=1` is set, the output is written to the page.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::page::{Run, Step, steps};
use crate::project::read;
use crate::shell::Shell;
use crate::tools::{Server, run, scratch, tool, write};

const FROM_OMNI: &str = "docs/from_omni_to_dbt.md";
const FROM_A_PROPOSAL: &str = "docs/from_proposal_to_production.md";
/// Replacements on Postgres: the environments, and the SQL of the whole project.
const ON_POSTGRES: [(&str, &str); 2] = [
    ("connection: dev,", "connection: pg,"),
    ("dialect: duckdb", "dialect: postgres"),
];
/// Final rows of the model: the month, its revenue, and the revenue of the three calendar months before.
const ROWS: [(&str, f64, Option<f64>); 10] = [
    ("2023-09-01", 150.5, None),
    ("2023-10-01", 100.0, None),
    ("2023-11-01", 0.0, None),
    ("2023-12-01", 170.25, Some(150.5)),
    ("2024-02-01", 180.25, Some(0.0)),
    ("2024-03-01", 120.0, Some(170.25)),
    ("2024-04-01", -60.0, None),
    ("2024-05-01", 200.0, Some(180.25)),
    ("2024-06-01", 130.0, Some(120.0)),
    ("2024-07-01", 200.0, Some(-60.0)),
];

/// Checks the rows of the model in dbt's output.
fn check_rows_of_model(story: &mut Run) {
    story.command("dbt --quiet build --select mrr_growth");
    let shown = story.command("dbt --quiet show --select mrr_growth --limit 100 --output json");
    let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|e| panic!("{e}: {shown}"));
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let row = |row: &Value| {
        let month = row["billing_month"]
            .as_str()
            .unwrap_or_default()
            .get(..10)
            .unwrap_or_default()
            .to_owned();
        let (revenue, prior) = (
            number(&row["monthly_recurring_revenue"]),
            number(&row["prior_quarter_mrr"]),
        );
        let growth = number(&row["quarterly_growth_rate"]);
        let expected = prior
            .filter(|it| *it != 0.0)
            .zip(revenue)
            .map(|(prior, now)| (now - prior) / prior);
        let is_right = match (growth, expected) {
            (Some(growth), Some(expected)) => (growth - expected).abs() < 1e-6,
            (None, None) => true,
            _ => false,
        };
        assert!(is_right, "{row}");
        json!([month, revenue, prior])
    };
    let mut rows: Vec<Value> = shown["show"].as_array().expect("rows").iter().map(row).collect();
    rows.sort_by_key(ToString::to_string);
    assert_eq!(rows, ROWS.map(|(month, revenue, prior)| json!([month, revenue, prior])));
}

/// Runs a page on DuckDB and compares the output of its commands, or writes the output to the page.
fn run_page_on_duckdb(page_path: &str, folder: &str) -> Option<Run> {
    let dbt = tool("FORMULAC_DBT")?;
    let mut story = Run {
        shell: Shell::begin(scratch(folder), dbt, Vec::new()),
        replaced: Vec::new(),
    };
    story.run_page(page_path);
    Some(story)
}

/// Runs a page on Postgres. Its commands must have the same exit status as on DuckDB.
fn run_page_on_postgres(page_path: &str, folder: &str) -> Option<(Run, Server)> {
    let (dbt, python) = (tool("FORMULAC_DBT")?, tool("FORMULAC_PYTHON")?);
    let server = Server::start(&python);
    let environment = vec![
        ("DBT_TARGET", "pg".to_owned()),
        ("PGHOST", server.folder.clone()),
        ("PGUSER", "oracle".to_owned()),
    ];
    let mut story = Run {
        shell: Shell::begin(scratch(folder), dbt, environment),
        replaced: ON_POSTGRES.to_vec(),
    };
    for step in &steps(&read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(page_path))) {
        match step {
            Step::Run { command, printed, .. } => {
                let now = story.command(command);
                let exit = |printed: &str| {
                    printed
                        .lines()
                        .find(|line| line.starts_with("[exit "))
                        .map(str::to_owned)
                };
                assert_eq!(exit(&now), exit(printed), "`{command}` prints\n{now}");
                if command.contains("formulac init") {
                    let settings = story.shell.folder.join("formulac.yml");
                    let text = read(&settings);
                    write(&settings, &text.replace("dialect: duckdb", "dialect: postgres"));
                    run(Command::new("grep").arg("dialect: postgres").arg(&settings));
                }
            }
            Step::Put { file, is_added, text } => story.put(file, *is_added, text),
            Step::Told(_) => {}
        }
    }
    Some((story, server))
}

#[test]
fn from_omni_to_dbt_on_duckdb() {
    let Some(mut story) = run_page_on_duckdb(FROM_OMNI, "story_duckdb") else {
        return;
    };
    check_rows_of_model(&mut story);
}

#[test]
fn from_omni_to_dbt_on_postgres() {
    let Some((mut story, _server)) = run_page_on_postgres(FROM_OMNI, "story_postgres") else {
        return;
    };
    check_rows_of_model(&mut story);
}

/// Checks that the final rows of the page's model in production equal finance's rows.
fn production_agrees(story: &mut Run) {
    let query = "select m.billing_month, m.revenue, f.revenue as theirs from {{ ref('monthly_revenue') }} m full join {{ ref('finance_mrr') }} f on f.billing_month = m.billing_month";
    let shown = story.command(&format!(
        "dbt --quiet show --limit 100 --output json --inline \"{query}\""
    ));
    let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|e| panic!("{e}: {shown}"));
    let rows = shown["show"].as_array().expect("rows");
    assert!(rows.len() >= 9, "{rows:?}");
    for row in rows {
        assert!(!row["revenue"].is_null() && row["revenue"] == row["theirs"], "{row}");
    }
}

#[test]
fn from_a_proposal_to_production_on_duckdb() {
    let Some(mut story) = run_page_on_duckdb(FROM_A_PROPOSAL, "proposal_duckdb") else {
        return;
    };
    production_agrees(&mut story);
}

#[test]
fn from_a_proposal_to_production_on_postgres() {
    let Some((mut story, _server)) = run_page_on_postgres(FROM_A_PROPOSAL, "proposal_postgres") else {
        return;
    };
    production_agrees(&mut story);
}
