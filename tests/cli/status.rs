//! Tests `formulac status`.

use crate::run::{TestProject, artifact};

/// Removes the age of the artifacts, because the age depends on the time of the test.
fn without_age(transcript: &str) -> String {
    transcript
        .lines()
        .map(|line| {
            if line.contains(" old") {
                "✓ dbt artifacts  (age)\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

#[test]
fn status_fits_on_one_screen() {
    let mut project = TestProject::new("status");
    project
        .write("dbt_project.yml", "name: acme_analytics\nprofile: acme\n")
        .write("formulac.yml", "dialect: duckdb\n");
    project.show(&["status"]);
    project.write("target/manifest.json", artifact("manifest.json"));
    let spec =
        "model: revenue\nfrom: ref('fct_orders')\ngroup_by: customer_id\ndefinitions: revenue = SUM(order_total)\n";
    project.write("metrics/revenue.yml", spec).write(
        "metrics/broken.yml",
        "model: broken\nfrom: x\ndefinitions: a = SUMM(b)\n",
    );
    project.show(&["status"]);
    for name in ["catalog.json", "run_results.json", "sources.json"] {
        project.write(&format!("target/{name}"), artifact(name));
    }
    std::fs::remove_file(project.path("metrics/broken.yml")).unwrap();
    project.run(&["generate"]);
    project.run(&["pull"]);
    project.show(&["status"]);
    let failing = artifact("run_results.json").replacen("\"status\": \"pass\"", "\"status\": \"fail\"", 2);
    project.write("target/run_results.json", failing);
    project
        .write("models/formulac/revenue.sql", "select 1\n")
        .write("metrics/revenue.yml", spec.replace("SUM(", "MAX("));
    project.show(&["status"]).show(&["status", "--json"]);
    insta::assert_snapshot!(without_age(project.transcript()));
}

/// Columns that `schema fetch` found are known, so the catalog is not reported as missing.
#[test]
fn fetched_columns_are_known() {
    let project = TestProject::new("status_fetched");
    project
        .write("dbt_project.yml", "name: acme_analytics\nprofile: acme\n")
        .write("formulac.yml", "dialect: duckdb\n");
    project.write("target/manifest.json", artifact("manifest.json"));
    assert!(project.run(&["status"]).out.contains("catalog.json is missing"));
    project.write(".formulac/local/catalog.json", artifact("catalog.json"));
    let run = project.run(&["status"]);
    assert!(!run.out.contains("catalog.json is missing"), "{}", run.out);
}

/// The warehouse has no relation for an ephemeral model, so `schema fetch` does not query its columns.
#[test]
fn columns_of_ephemeral_models_are_not_fetched() {
    let project = TestProject::new("fetch_ephemeral");
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("formulac.yml", "dialect: duckdb\n")
        .write(
            "metrics/m.yml",
            "model: m\nfrom: ref('eph')\ndefinitions: n = COUNT()\n",
        );
    let node = r#""model.shop.eph": {"name": "eph", "resource_type": "model", "package_name": "shop", "config": {"materialized": "ephemeral"}}"#;
    let manifest = format!(r#"{{"metadata": {{"project_name": "shop"}}, "nodes": {{{node}}}}}"#);
    project.write("target/manifest.json", manifest);
    let run = project.run(&["schema", "fetch", "--json"]);
    let fault = run.json()["relations"][0]["fault"].clone();
    assert!(
        fault.as_str().is_some_and(|it| it.starts_with("`eph` is ephemeral")),
        "{fault}"
    );
    assert_eq!(run.exit, 0, "{}", run.err);
}

/// `status` reads the run results in the environment's own target folder, as `env show` and `release` do. If this
/// folder does not exist, `status` reads dbt's target folder.
#[test]
fn status_reads_the_run_results_of_the_environment() {
    let project = TestProject::new("status_env");
    project
        .write("dbt_project.yml", "name: acme_analytics\nprofile: acme\n")
        .write(
            "formulac.yml",
            "dialect: duckdb\nenvironments:\n  dev: {}\n  prod: {connection: live}\n",
        );
    for name in ["manifest.json", "run_results.json"] {
        project.write(&format!("target/{name}"), artifact(name));
    }
    let status = |env: &str| project.run(&["status", "--env", env]).out;
    // An environment without its own artifacts folder uses dbt's target folder.
    assert!(status("prod").contains("no failures"), "{}", status("prod"));
    project.write("target/prod/manifest.json", artifact("manifest.json"));
    assert!(status("prod").contains("no run is known"), "{}", status("prod"));
    let failing = artifact("run_results.json").replacen("\"status\": \"pass\"", "\"status\": \"fail\"", 1);
    project.write("target/prod/run_results.json", failing);
    let prod = status("prod");
    assert!(prod.contains("1 node failed"), "{prod}");
    assert!(prod.contains("→ dbt build --target live --target-path "), "{prod}");
    assert!(status("dev").contains("no failures"), "{}", status("dev"));
    std::fs::remove_file(project.path("target/prod/manifest.json")).unwrap();
    let prod = status("prod");
    assert!(
        prod.contains("there is no ") && prod.contains("target/prod/manifest.json"),
        "{prod}"
    );
}
