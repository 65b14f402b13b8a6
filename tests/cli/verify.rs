//! Tests `formulac verify` on files, with DuckDB. `tests/example_project/verify.rs` runs the command with dbt.

use insta::assert_snapshot;
use serde_json::json;

use crate::preview::has_tool;
use crate::repository::{git, git_init};
use crate::run::{Run, TestProject, finish};

const PROJECT: &str = "dialect: duckdb\nspecs: metrics/\ninherit: [secret]\n";
const REVENUE: &str = "\
model: revenue
from: orders
where: status <> \"open\"
group_by: region
definitions: |
  revenue = SUM(amount)
  mean = AVERAGE(amount)
  last_note = MAX(note)
compare:
  - {with: finance, keys: region, columns: revenue, tolerance: 0.01}
";
const ORDERS: &str = "\
id,region,status,amount,note
1,north,paid,10.50,a
2,north,paid,2.25,b
3,south,paid,1.00,c
4,,paid,7.00,d
5,west,paid,3.00,e
6,west,open,99.00,f
";
const BUILT: &str = "region,revenue,mean,last_note\nnorth,12.75,6.375,b\nsouth,1.00,1,c\n,7.00,7,d\nwest,3.00,3,e\n";
const FINANCE: &str = "region,revenue\nnorth,12.76\nsouth,1.00\n,7.00\nwest,3.00\n";

fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", PROJECT)
        .write("metrics/revenue.yml", REVENUE);
    project
        .write("data/orders.csv", ORDERS)
        .write("data/revenue.csv", BUILT)
        .write("data/finance.csv", FINANCE);
    git_init(&project.path(""));
    project
}

fn verify(project: &TestProject, more: &[&str]) -> Run {
    project.run(&[&["verify", "--data", "data"], more].concat())
}

/// Returns settings for snapshots that hide times and versions, which differ in each run.
fn mask_settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (from, to) in [
        (r"DuckDB [0-9.]+", "DuckDB [version]"),
        (r"\d+\.\d\d s", "[seconds]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
        (r#""formula": [0-9.e-]+"#, r#""formula": [seconds]"#),
        (r#""last": [0-9.e-]+"#, r#""last": [seconds]"#),
    ] {
        settings.add_filter(from, to);
    }
    settings
}

#[test]
fn agreement_is_reported_and_saved() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let mut project = create_project("verify");
    project
        .show(&["verify", "--data", "data"])
        .show(&["verify", "revenue", "--data", "data", "--quiet"]);
    let evidence = project.read(".formulac/evidence/revenue.yml");
    mask_settings().bind(|| {
        assert_snapshot!("verify_agrees", project.transcript());
        assert_snapshot!("verify_evidence", evidence);
    });
    // The evidence has the same bytes for every user and at any time, because times are stored separately in a file
    // that git ignores.
    git(&project, &["add", "--all"]);
    git(&project, &["commit", "--quiet", "--message", "evidence"]);
    git(&project, &["config", "user.name", "Eve"]);
    let run = verify(&project, &["--budget", "600"]);
    assert!(run.out.contains(" last time"), "{}", run.out);
    git(&project, &["update-index", "--refresh"]);
    git(&project, &["diff", "--exit-code"]);
    assert_eq!(project.read(".formulac/evidence/revenue.yml"), evidence);
    assert!(
        project
            .read(".formulac/local/timings/revenue.yml")
            .contains("formula_seconds: ")
    );
    project.write("data/finance.csv", FINANCE.replace("12.76", "13"));
    assert_eq!(verify(&project, &[]).exit, 1);
    assert_ne!(
        project.read(".formulac/evidence/revenue.yml"),
        evidence,
        "what it says has changed"
    );
}

#[test]
fn metric_sets_are_not_models() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = create_project("verify_sets");
    project.write(
        "metrics/orders.yml",
        "metric_set: paid_orders\nfrom: orders\ndefinitions: paid = SUM(amount)\n",
    );
    let run = verify(&project, &[]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(!run.out.contains("paid_orders"), "{}", run.out);
    let run = verify(&project, &["metrics/orders.yml"]);
    assert_eq!(run.exit, 2, "{}{}", run.out, run.err);
    assert!(run.err.contains("has no rows to verify"), "{}", run.err);
}

#[test]
fn differences_are_reported_with_the_largest_rows() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let mut project = create_project("verify_differs");
    // Edit a value and a note by hand, duplicate a row, remove a row and add a row.
    project.write(
        "data/revenue.csv",
        "region,revenue,mean,last_note\nnorth,20.00,6.375,b\nsouth,1.00,1,\"it's\"\n,7.00,7,d\n,7.00,7,d\neast,1.00,1,z\n",
    );
    project
        .show(&["verify", "--data", "data"])
        .show(&["verify", "--data", "data", "--limit", "1", "--quiet"]);
    project.show(&["verify", "--data", "data", "--markdown", "--quiet"]);
    project.show(&["verify", "--data", "data", "--json"]);
    mask_settings().bind(|| assert_snapshot!(project.transcript()));
}

#[test]
fn a_spec_that_was_edited_after_the_build_is_found() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = create_project("verify_edited");
    assert_eq!(verify(&project, &[]).exit, 0);
    // Test a changed formula, a column that is not built, and a built column that is no longer in the spec.
    project.write(
        "metrics/revenue.yml",
        REVENUE
            .replace("SUM(amount)", "SUM(amount) * 2")
            .replace("last_note = MAX(note)", "orders = COUNT()"),
    );
    let run = verify(&project, &[]);
    assert_eq!(run.exit, 1, "{}{}", run.out, run.err);
    for part in [
        "0 of 4 rows; 4 differ; `orders` is not built; `last_note` is built, but the spec does not contain this column",
        "region north: revenue 12.75, not 25.50 (12.75 apart)",
    ] {
        assert!(run.out.contains(part), "{part}\n{}", run.out);
    }
    // Without the key column, no rows can be compared, and no rows are reported as matching.
    project.write("data/revenue.csv", "revenue\n12.75\n");
    let run = verify(&project, &["--json"]);
    assert_eq!(run.exit, 5, "{}", run.out);
    let comparison = &run.json()["models"][0]["comparisons"][0];
    assert_eq!(comparison["verdict"], "not compared");
    assert_eq!(comparison["told"], "the key column `region` is not built");
}

#[test]
fn a_verification_that_compares_nothing_fails() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let mut project = create_project("verify_nothing");
    project.write(
        "metrics/lines.yml",
        "model: lines\nfrom: orders\ngroup_by: region\ndefinitions: n = COUNT()\n",
    );
    // The model has not been built, and its spec has no `compare`.
    project.show(&["verify", "lines", "--data", "data"]);
    // The relation that the spec names is compared with the formula's rows.
    std::fs::remove_file(project.path("data/revenue.csv")).unwrap();
    project.show(&["verify", "revenue", "--data", "data"]);
    std::fs::remove_file(project.path("data/finance.csv")).unwrap();
    project.show(&["verify", "revenue", "--data", "data"]);
    project.show(&["verify", "revenues", "--data", "data"]);
    std::fs::remove_dir_all(project.path("metrics")).unwrap();
    project.show(&["verify", "--data", "data"]);
    mask_settings().bind(|| assert_snapshot!(project.transcript()));
    assert!(
        !project.path(".formulac/evidence/lines.yml").exists(),
        "of nothing there is no evidence"
    );
}

#[test]
fn specs_with_errors_are_skipped_and_reported() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = create_project("verify_faulty");
    project.write(
        "metrics/broken.yml",
        "model: broken\nfrom: orders\ndefinitions: a = SUMM(amount)\n",
    );
    let run = verify(&project, &[]);
    assert_eq!(run.exit, 1, "{}", run.out);
    assert!(
        run.out.contains("its formula: 4 of 4 rows") && run.err.contains("F0301"),
        "{}{}",
        run.out,
        run.err
    );
    let run = verify(&project, &["--json"]);
    assert_eq!(
        (run.json()["diagnostics"][0]["code"].clone(), run.err.contains("F0301")),
        (json!("F0301"), false)
    );
}

#[test]
fn tolerances_are_as_specified() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = create_project("verify_tolerance");
    project.write("data/revenue.csv", BUILT.replace("12.75,6.375", "12.76,6.375"));
    assert_eq!(verify(&project, &[]).exit, 1);
    let run = verify(&project, &["--tolerance", "0.01"]);
    assert_eq!(run.exit, 0, "{}", run.out);
    assert!(run.out.contains("its formula: 4 of 4 rows within 0.01"), "{}", run.out);
    // The tolerance in the spec takes precedence.
    project.write("data/finance.csv", FINANCE.replace("12.76", "12.78"));
    let run = verify(&project, &["--tolerance", "5"]);
    assert_eq!(run.exit, 1, "{}", run.out);
    assert!(
        run.out.contains("finance: 3 of 4 rows within 0.01; 1 differs"),
        "{}",
        run.out
    );
    for wrong in ["-1", "x", "1e", "inf", "1; drop table orders", "", "."] {
        assert_eq!(verify(&project, &["--tolerance", wrong]).exit, 2, "{wrong}");
    }
}

#[test]
fn exceeded_budgets_are_reported() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = create_project("verify_budget");
    let run = verify(&project, &["--budget", "0"]);
    assert_eq!(run.exit, 1, "{}", run.out);
    assert!(
        run.out.contains("the formula takes") && run.out.contains("more than the budget of 0 s"),
        "{}",
        run.out
    );
    assert_eq!(verify(&project, &["--budget", "600"]).exit, 0);
    project.write(
        "metrics/revenue.yml",
        format!("{REVENUE}meta: {{formulac: {{budget: 0}}}}\n"),
    );
    let run = verify(&project, &["--json"]);
    assert_eq!(
        (run.exit, &run.json()["models"][0]["seconds"]["budget"]),
        (1, &json!(0.0)),
        "{}",
        run.out
    );
    assert_eq!(
        verify(&project, &["--budget", "600"]).exit,
        0,
        "what is asked for goes before what the spec says"
    );
    project.write(
        "metrics/revenue.yml",
        format!("{REVENUE}meta: {{formulac: {{budget: soon}}}}\n"),
    );
    let run = verify(&project, &[]);
    assert_eq!(run.exit, 2, "{}", run.err);
}

#[test]
fn personal_values_are_shown_but_not_stored() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = create_project("verify_personal");
    project.write(
        "metrics/revenue.yml",
        format!("{REVENUE}columns:\n  region: {{tags: [secret]}}\n  revenue: {{tags: [PII]}}\n"),
    );
    project.write("data/revenue.csv", BUILT.replace("12.75", "77.75"));
    let run = verify(&project, &[]);
    assert!(
        run.out.contains("region north: revenue 77.75, not 12.75 (65 apart)"),
        "{}",
        run.out
    );
    let kept = project.read(".formulac/evidence/revenue.yml");
    assert!(
        kept.contains("region (hidden): revenue (hidden), not (hidden)"),
        "{kept}"
    );
    for value in ["north", "77.75", "12.75", "65"] {
        assert!(!kept.contains(value), "{value}\n{kept}");
    }
    // A column that is computed from personal data is personal data, whether or not the tag is inherited in the
    // project.
    project.write("metrics/revenue.yml", REVENUE).write(
        "schema.yml",
        "relations:\n  orders:\n    columns:\n      id: integer\n      region: text\n      status: text\n      \
         amount: {type: decimal, tags: [pii]}\n      note: text\n",
    );
    verify(&project, &["--schema", "schema.yml"]);
    let kept = project.read(".formulac/evidence/revenue.yml");
    assert!(kept.contains("region north: revenue (hidden), not (hidden)"), "{kept}");
    assert!(!kept.contains("77.75") && !kept.contains("12.75"), "{kept}");
}

#[test]
fn a_merge_request_quotes_the_evidence_of_exactly_its_spec() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = create_project("verify_request");
    let values = || {
        let request = project.run(&["plan", "--markdown"]);
        let section = |start: &str| {
            request
                .out
                .lines()
                .find(|line| line.starts_with(start))
                .unwrap_or_default()
                .to_owned()
        };
        format!("{}\n{}\n", section("**Values**"), section("**Checks**"))
    };
    let mut output = values();
    verify(&project, &[]);
    output.push_str(&values());
    project.write("data/revenue.csv", BUILT.replace("12.75", "77.75"));
    verify(&project, &[]);
    output.push_str(&values());
    // A spec with different contents is a different spec, even if its meaning is the same.
    project.write("metrics/revenue.yml", format!("# new\n{REVENUE}"));
    output.push_str(&values());
    mask_settings().bind(|| assert_snapshot!(output));
}

#[test]
fn hostile_names_and_values_remain_text() {
    if !has_tool("FORMULAC_DUCKDB") {
        return;
    }
    let project = create_project("verify_hostile");
    let value = "\"{{ evil }} `x` | <b> \u{1b}[31m\nnext\"";
    project.write("data/revenue.csv", BUILT.replace("b\n", &format!("{value}\n")));
    for args in [&[][..], &["--markdown"][..]] {
        let run = verify(&project, args);
        assert_eq!(run.exit, 1, "{}", run.out);
        assert!(!run.out.contains('\u{1b}') && run.out.contains("evil"), "{}", run.out);
        assert!(args.is_empty() || !run.out.contains("<b>"), "{}", run.out);
    }
    let kept = project.read(".formulac/evidence/revenue.yml");
    assert!(!kept.contains('\u{1b}'), "{kept}");
    assert_eq!(formulac::sync::VerificationEvidence::versions(&kept).len(), 1, "{kept}");
}

/// Stand-in for dbt, which reports that every relation exists and that all rows match.
const DBT: &str = r#"#!/bin/sh
echo "$*" >> asked.txt
case "$*" in
*load_relation*)
    echo '{"info":{"name":"JinjaLogInfo","level":"info"},"data":{"msg":"formulac [true, [[\"CUSTOMER_ID\",\"INTEGER\"],[\"events\",\"INTEGER\"]]]"}}'
    echo '{"info":{"name":"ShowNode","level":"info"},"data":{"preview":"[{\"done\": 1}]"}}' ;;
*)
    echo '{"info":{"name":"MainReportVersion","level":"info"},"data":{"version":"=1.12.6"}}'
    echo '{"info":{"name":"AdapterRegistered","level":"info"},"data":{"adapter_name":"duckdb"}}'
    echo '{"info":{"name":"JinjaLogInfo","level":"info"},"data":{"msg":"formulac 1.25"}}'
    echo '{"info":{"name":"ShowNode","level":"info"},"data":{"preview":"[{\"COMPARED\":\"2\",\"ROWS_OURS\":\"2\",\"ROWS_THEIRS\":\"2\",\"ONLY_OURS\":\"0\",\"ONLY_THEIRS\":\"0\",\"MATCHED\":\"2\",\"REPEATED_OURS\":\"0\",\"REPEATED_THEIRS\":\"0\",\"UNMATCHED\":\"0\",\"DIFFERING\":\"0\",\"DIFFERING_0\":\"0\"}]"}}' ;;
esac
"#;
const EVENTS: &str = "model: stg_web_events\nfrom: source('landing', 'web_events')\ngroup_by: customer_id\ndefinitions: events = COUNT()\n";

#[cfg(unix)]
fn dbt_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project.write(
        "formulac.yml",
        "dialect: duckdb\nspecs: metrics/\nenvironments:\n  development: {connection: dev, vars: {day: 1}}\n  production: {connection: prod, protected: true}\n",
    );
    project
        .write("dbt_project.yml", "name: acme_analytics\nprofile: p\n")
        .write("metrics/events.yml", EVENTS);
    project.write("target/manifest.json", crate::run::artifact("manifest.json"));
    project.program("dbt", DBT);
    project
}

#[cfg(unix)]
fn with_dbt(project: &TestProject, args: &[&str]) -> Run {
    let mut command = project.command(args);
    command.env("FORMULAC_DBT", project.path("dbt"));
    finish(command)
}

#[cfg(unix)]
#[test]
fn builds_and_sources_of_environments_are_reported() {
    let project = dbt_project("verify_freshness");
    let (runs, sources) = (
        crate::run::artifact("run_results.json"),
        crate::run::artifact("sources.json"),
    );
    project
        .write("target/run_results.json", &runs)
        .write("target/sources.json", &sources);
    project.write(
        "target/production/run_results.json",
        runs.replace("2026-11-20T", "2026-10-20T"),
    );
    let run = with_dbt(&project, &["verify"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    for part in [
        "✓ stg_web_events  its formula: 2 of 2 rows · takes 1.25 s · built in ",
        "the source landing.web_events was loaded ",
        "in production built in ",
        "production has the oldest build",
    ] {
        assert!(run.out.contains(part), "{part}\n{}", run.out);
    }
    // dbt uses the output and variables of the environment, and does not overwrite the artifacts of the build.
    let asked = project.read("asked.txt");
    for line in asked.lines().filter(|line| line.contains("--inline")) {
        assert!(
            line.contains("--no-write-json show") && line.contains("--target dev --vars"),
            "{line}"
        );
    }
    assert_eq!(project.read("target/run_results.json"), runs);
    // A source that exceeds its freshness limit causes an error, unless it belongs to another environment.
    let stale = |text: &str| {
        let mut all: serde_json::Value = serde_json::from_str(text).unwrap();
        for result in all["results"].as_array_mut().unwrap() {
            result["status"] = json!("error");
        }
        all.to_string()
    };
    project.write("target/production/sources.json", stale(&sources));
    assert_eq!(with_dbt(&project, &["verify"]).exit, 0);
    project.write("target/sources.json", stale(&sources));
    let run = with_dbt(&project, &["verify"]);
    assert_eq!(run.exit, 1, "{}{}", run.out, run.err);
    assert!(
        run.out.contains(
            "✗ stg_web_events  the data of the source landing.web_events is older than the source's freshness limit"
        ),
        "{}",
        run.out
    );
    // The budget also applies to builds.
    project.write("target/sources.json", &sources);
    let run = with_dbt(&project, &["verify", "--budget", "1"]);
    assert_eq!(run.exit, 1, "{}", run.out);
    assert!(
        run.out.contains("the formula takes 1.2 s, more than the budget of 1 s"),
        "{}",
        run.out
    );
    assert_eq!(with_dbt(&project, &["verify", "--env", "nowhere"]).exit, 2);
}

#[cfg(unix)]
#[test]
fn an_invalid_answer_does_not_count_as_agreement() {
    let project = dbt_project("verify_no_answer");
    for (says, expected) in [
        // Stand-ins for dbt that return no rows, rows with a different shape, or no result.
        (
            r#"echo '{"info":{"name":"ShowNode"},"data":{"preview":"[]"}}'"#,
            "the engine's answer has an unexpected form",
        ),
        (
            r#"echo '{"info":{"name":"ShowNode"},"data":{"preview":"[{\"x\": 1}]"}}'"#,
            "the engine's answer has an unexpected form",
        ),
        ("exit 1", "dbt failed"),
    ] {
        let (head, _) = DBT
            .split_once("*)\n    echo '{\"info\":{\"name\":\"MainReport")
            .unwrap();
        project.program("dbt", &format!("{head}*)\n    {says} ;;\nesac\n"));
        let run = with_dbt(&project, &["verify"]);
        assert_eq!(run.exit, 5, "{says}: {}{}", run.out, run.err);
        assert!(
            run.out.contains(expected) && run.out.starts_with('-'),
            "{says}: {}",
            run.out
        );
        assert!(!project.path(".formulac/evidence").exists());
    }
}
