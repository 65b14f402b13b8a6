//! Tests `formulac pull`.

use crate::run::{Place, artifact};

/// Creates a dbt project with dbt's artifacts.
fn create_project(name: &str) -> Place {
    let place = Place::new(name);
    place
        .write("dbt_project.yml", "name: acme_analytics\nprofile: acme\n")
        .write("formulac.yml", "omni: bi/omni/\n");
    for name in ["manifest.json", "catalog.json", "run_results.json", "sources.json"] {
        place.write(&format!("target/{name}"), artifact(name));
    }
    place
}

/// Replaces a string that occurs exactly once in a file.
fn change(project: &Place, file: &str, from: &str, to: &str) {
    let text = project.read(file);
    assert_eq!(text.matches(from).count(), 1, "{from} in {file}");
    project.write(file, text.replace(from, to));
}

/// Returns the path and the contents of every file in the project's folders.
fn files(project: &Place) -> Vec<(String, String)> {
    let folders = [
        "bi/omni",
        "bi/omni/analytics",
        "bi/omni/analytics_raw",
        ".formulac/state/omni",
    ];
    let in_folder = |folder: &&str| {
        let files = project.files(folder).into_iter().map(|name| format!("{folder}/{name}"));
        files.filter(|file| project.path(file).is_file()).collect::<Vec<_>>()
    };
    folders
        .iter()
        .flat_map(in_folder)
        .map(|file| (file.clone(), project.read(&file)))
        .collect()
}

/// Removes the ages of artifacts and sources, which depend on the time of the test.
fn without_ages(transcript: &str) -> String {
    let is_age = |line: &&str| !(line.starts_with("! target/manifest.json is ") || line.contains("manifest.json is "));
    let lines: String = transcript
        .lines()
        .filter(is_age)
        .map(|line| format!("{line}\n"))
        .collect();
    mask_between(&mask_between(&lines, "loaded ", " ago"), "\"age_in_seconds\":", ",")
}

/// On each line, replaces the text between two strings with a placeholder.
fn mask_between(text: &str, before: &str, after: &str) -> String {
    let line = |line: &str| match line
        .split_once(before)
        .and_then(|(start, rest)| Some((start, rest.split_once(after)?)))
    {
        Some((start, (_, rest))) => format!("{start}{before}(age){after}{rest}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

const CUSTOMERS: &str = "bi/omni/analytics/dim_customers.view.yaml";
const ORDERS: &str = "bi/omni/analytics/stg_orders.view.yaml";

#[test]
fn handwritten_text_is_kept() {
    let mut place = create_project("pull");
    place.show(&["pull"]);
    let before = files(&place);
    place.show(&["pull"]).show(&["pull", "--check"]);
    assert_eq!(files(&place), before);
    change(
        &place,
        CUSTOMERS,
        "    description: Legal name.",
        "    description: The name  # agreed\n    label: Name",
    );
    place.write(
        ORDERS,
        format!("# ours\r\n{}", place.read(ORDERS).replace('\n', "\r\n")),
    );
    std::fs::remove_file(place.path("bi/omni/analytics_raw/sessions.view.yaml")).unwrap();
    change(
        &place,
        "target/manifest.json",
        "\"Day the account was opened.\"",
        "\"Day of the contract.\"",
    );
    change(
        &place,
        "target/manifest.json",
        "\"Legal name.\"",
        "\"Name as registered.\"",
    );
    place.write(
        "target/catalog.json",
        remove_json_key(
            &artifact("catalog.json"),
            &["nodes", "model.acme_analytics.stg_orders", "columns", "discount_rate"],
        ),
    );
    place.show(&["pull", "--check"]).show(&["pull", "--dry-run", "--json"]);
    let unchanged = files(&place);
    place.show(&["pull"]).show(&["pull"]);
    assert_ne!(files(&place), unchanged);
    insta::assert_snapshot!(without_ages(place.transcript()));
    insta::assert_snapshot!(place.read(CUSTOMERS));
    insta::assert_snapshot!(place.read(ORDERS).replace('\r', "␍"));
    assert!(!place.path("bi/omni/analytics_raw/sessions.view.yaml").exists());
    place.run(&["pull", "--prune"]);
    assert!(!place.read(ORDERS).contains("discount_rate"), "{}", place.read(ORDERS));
}

/// A pull reports every change of a view, not only the first kind of change.
#[test]
fn all_changes_of_a_view_are_reported() {
    let place = create_project("pull_changes");
    place.run(&["pull"]);
    for (from, to) in [
        ("\"Day the account was opened.\"", "\"Day of the contract.\""),
        ("\"Legal name.\"", "\"Name as registered.\""),
        (
            "\"Customer dimension with an enforced contract.\"",
            "\"All customers.\"",
        ),
    ] {
        change(&place, "target/manifest.json", from, to);
    }
    let mut catalog: serde_json::Value = serde_json::from_str(&artifact("catalog.json")).unwrap();
    let columns = &mut catalog["nodes"]["model.acme_analytics.dim_customers"]["columns"];
    columns["signup_date"]["type"] = "TIMESTAMP".into();
    columns["shoe_size"] = serde_json::json!({"type": "INTEGER", "index": 99, "name": "shoe_size", "comment": null});
    columns.as_object_mut().unwrap().remove("customer_segment");
    place.write("target/catalog.json", catalog.to_string());
    let run = place.run(&["pull", "--check"]);
    let of_view = |line: &&str| line.contains("dim_customers");
    let lines: Vec<String> = run
        .out
        .lines()
        .filter(of_view)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// Returns a JSON text without the value at a path of keys.
fn remove_json_key(text: &str, keys: &[&str]) -> String {
    let mut root: serde_json::Value = serde_json::from_str(text).unwrap();
    let (last, above) = keys.split_last().unwrap();
    let parent = above.iter().fold(&mut root, |value, key| value.get_mut(*key).unwrap());
    parent.as_object_mut().unwrap().remove(*last).unwrap();
    root.to_string()
}

#[test]
fn a_removed_table_is_marked_until_it_is_pruned() {
    let mut place = create_project("pull_gone");
    place.run(&["pull"]);
    let view = "bi/omni/analytics/stg_sessions.view.yaml";
    let before = place.read(view);
    let gone = remove_json_key(
        &artifact("manifest.json"),
        &["nodes", "model.acme_analytics.stg_sessions"],
    );
    place.write("target/manifest.json", &gone);
    place.show(&["pull", "--markdown"]).show(&["pull"]);
    insta::assert_snapshot!(place.read(view));
    // The view is restored unchanged.
    place
        .write("target/manifest.json", artifact("manifest.json"))
        .run(&["pull"]);
    assert_eq!(place.read(view), before);
    place.write("target/manifest.json", &gone).run(&["pull"]);
    place.show(&["pull", "--prune"]);
    assert!(!place.path(view).exists());
    insta::assert_snapshot!(without_ages(place.transcript()));
}

#[test]
fn a_file_that_cannot_be_edited_stops_everything() {
    let mut place = create_project("pull_refused");
    place.write(CUSTOMERS, "schema: analytics\nschema: other\n");
    place.show(&["pull"]);
    assert_eq!(place.files("bi/omni/analytics"), ["dim_customers.view.yaml"]);
    place
        .write("target/run_results.json", "{\"results\": [")
        .write(CUSTOMERS, "");
    place.show(&["pull"]);
    std::fs::remove_file(place.path("target/manifest.json")).unwrap();
    place.show(&["pull"]);
    std::fs::remove_file(place.path("dbt_project.yml")).unwrap();
    place.show(&["pull"]);
    insta::assert_snapshot!(without_ages(place.transcript()));
}

#[test]
fn the_state_of_the_tests_is_kept_until_it_changes_or_is_stripped() {
    let place = create_project("pull_status");
    place.run(&["pull"]);
    let tag = |place: &Place| {
        place
            .read(CUSTOMERS)
            .lines()
            .find(|line| line.starts_with("tags:"))
            .map(str::to_owned)
    };
    assert_eq!(tag(&place).as_deref(), Some("tags: [dbt_tests_pass]"));
    // A run with other nodes contains no information about these nodes.
    let mut run: serde_json::Value = serde_json::from_str(&artifact("run_results.json")).unwrap();
    run["results"].as_array_mut().unwrap().clear();
    place.write("target/run_results.json", run.to_string()).run(&["pull"]);
    assert_eq!(tag(&place).as_deref(), Some("tags: [dbt_tests_pass]"));
    let failing = artifact("run_results.json");
    let mut run: serde_json::Value = serde_json::from_str(&failing).unwrap();
    for result in run["results"].as_array_mut().unwrap() {
        if result["unique_id"].as_str().unwrap().contains("unique_dim_customers") {
            result["status"] = "fail".into();
            result["failures"] = 3.into();
        }
    }
    place.write("target/run_results.json", run.to_string()).run(&["pull"]);
    assert_eq!(tag(&place).as_deref(), Some("tags: [dbt_tests_fail]"));
    place.run(&["pull", "--strip-status"]);
    assert_eq!(tag(&place), None);
    assert!(!place.path("bi/omni/dbt_status.json").exists());
}

/// `dbt docs generate` overwrites the results of a build, but `pull` finds them in dbt's log, as `status` does.
#[test]
fn pull_reads_overwritten_test_results_from_the_log() {
    let place = create_project("pull_log");
    let built: serde_json::Value = serde_json::from_str(&artifact("run_results.json")).unwrap();
    let generated = serde_json::json!({"metadata": built["metadata"], "args": {"which": "generate"}, "results": []});
    let mut results = built["results"].as_array().unwrap().iter();
    let test = results.find_map(|it| {
        it["unique_id"]
            .as_str()
            .filter(|id| id.contains("unique_dim_customers"))
    });
    place
        .write("target/run_results.json", generated.to_string())
        .write("target/run/acme_analytics/models/dim_customers.sql", "select 1");
    let status = |place: &Place| {
        let file: serde_json::Value = serde_json::from_str(&place.read("bi/omni/dbt_status.json")).unwrap();
        let tests = file["views"]["analytics__dim_customers"]["tests"]
            .as_array()
            .unwrap()
            .clone();
        let one = tests
            .into_iter()
            .find(|it| it["test"].as_str().unwrap().starts_with("unique"));
        one.unwrap()["status"].as_str().unwrap().to_owned()
    };
    place.run(&["pull"]);
    assert_eq!(status(&place), "not run");
    let entries = [
        ("MainThread", "Running with dbt=1.12.6".to_owned()),
        (
            "MainThread",
            "running dbt with arguments {'target_path': 'None'}".to_owned(),
        ),
        ("Thread-1 (", "1 of 1 PASS unique ......... [PASS in 0.90s]".to_owned()),
        ("Thread-1 (", format!("Finished running node {}", test.unwrap())),
        (
            "MainThread",
            "Command `dbt build` succeeded at 16:36:34.742795 after 28.11 seconds".to_owned(),
        ),
    ];
    let line = |(thread, text): &(&str, String)| format!("16:36:33.656652 [info ] [{thread}]: {text}\n");
    place.write("logs/dbt.log", entries.iter().map(line).collect::<String>());
    // `status` also reports the pull as pending, because both commands read the same results.
    assert!(place.run(&["status"]).out.contains("formulac pull"));
    place.run(&["pull"]);
    assert_eq!(status(&place), "pass");
    assert_eq!(place.run(&["pull", "--check"]).exit, 0);
    // The saved results of a build are more precise than those in the log.
    let mut built = built.clone();
    built["metadata"]["generated_at"] = "2100-01-01T00:00:00Z".into();
    place.write("target/run_results.json", built.to_string()).run(&["pull"]);
    let after_build = place.read("bi/omni/dbt_status.json");
    place.write("target/run_results.json", generated.to_string());
    assert_eq!(place.run(&["pull", "--check"]).exit, 0);
    assert_eq!(place.read("bi/omni/dbt_status.json"), after_build);
}

#[test]
fn topics_and_grants_are_written_on_request() {
    let mut place = create_project("pull_topics");
    place.write(
        "formulac.yml",
        "omni: bi/omni/\npull: {topics: true, access_grants: true}\n",
    );
    let mut manifest: serde_json::Value = serde_json::from_str(&artifact("manifest.json")).unwrap();
    let orders = &mut manifest["nodes"]["model.acme_analytics.fct_orders"];
    let close = |node: &mut serde_json::Value, group: &str| {
        for key in ["access", "group"] {
            node[key] = if key == "access" { "private" } else { group }.into();
            node["config"][key] = node[key].clone();
        }
    };
    close(orders, "finance");
    orders["meta"] = serde_json::json!({"omni": {"topic": {"name": "Sales", "fields": ["all_views.*"]}}});
    orders["config"]["meta"] = orders["meta"].clone();
    place.write("target/manifest.json", manifest.to_string());
    place.run(&["pull"]);
    let read = |place: &Place, names: &[&str]| -> String {
        names
            .iter()
            .map(|name| format!("==> {name}\n{}\n", place.read(&format!("bi/omni/{name}"))))
            .collect()
    };
    let topics: Vec<String> = place
        .files("bi/omni")
        .into_iter()
        .filter(|name| name.ends_with(".topic.yaml"))
        .collect();
    let mut names: Vec<&str> = topics.iter().map(String::as_str).collect();
    names.push("model.yaml");
    insta::assert_snapshot!(read(&place, &names));
    // Edits that users make in these files are kept.
    change(
        &place,
        "bi/omni/sales.topic.yaml",
        "label: Sales",
        "label: Our sales  # agreed",
    );
    change(&place, "bi/omni/model.yaml", "[finance]", "[Finance Team]");
    place.write(
        "bi/omni/model.yaml",
        format!("week_start_day: sunday\n{}", place.read("bi/omni/model.yaml")),
    );
    assert_eq!(place.run(&["pull", "--check"]).exit, 0);
    close(&mut manifest["nodes"]["model.acme_analytics.dim_customers"], "board");
    manifest["nodes"]["model.acme_analytics.fct_orders"]["description"] = "Orders, one row each.".into();
    place.write("target/manifest.json", manifest.to_string());
    place.show(&["pull"]).show(&["pull"]);
    insta::assert_snapshot!(read(&place, &["sales.topic.yaml", "model.yaml"]));
    // The project file no longer requests topics and grants.
    place.write("formulac.yml", "omni: bi/omni/\n");
    place.show(&["pull"]).show(&["pull", "--prune"]);
    assert_eq!(
        place
            .files("bi/omni")
            .iter()
            .filter(|name| name.ends_with(".topic.yaml"))
            .count(),
        3,
        "{:?}",
        place.files("bi/omni")
    );
    insta::assert_snapshot!(without_ages(place.transcript()));
    assert_eq!(
        place.read("bi/omni/model.yaml").lines().next(),
        Some("week_start_day: sunday")
    );
}

#[test]
fn slower_runs_and_stale_sources_are_reported() {
    let mut place = create_project("pull_health");
    place.run(&["pull"]);
    let mut run: serde_json::Value = serde_json::from_str(&artifact("run_results.json")).unwrap();
    for (day, seconds) in [(21, 4.0), (22, 4.2), (23, 12.6)] {
        run["metadata"]["generated_at"] = format!("2026-11-{day}T06:30:00Z").into();
        for result in run["results"].as_array_mut().unwrap() {
            let seconds = if result["unique_id"] == "model.acme_analytics.fct_orders" {
                seconds
            } else {
                0.5
            };
            result["execution_time"] = seconds.into();
            result["timing"] = serde_json::json!([
                {"name": "execute", "started_at": format!("2026-11-{day}T06:00:00Z"), "completed_at": format!("2026-11-{day}T06:00:{:06.3}Z", seconds)}
            ]);
        }
        place.write("target/run_results.json", run.to_string());
        place.run(&["pull"]);
    }
    place
        .show(&["pull"])
        .show(&["pull", "--markdown"])
        .show(&["pull", "--json"]);
    insta::assert_snapshot!(without_ages(place.transcript()));
}

/// `check` reports a formula that uses a column that no longer exists in dbt or whose type changed. `check` compares
/// the formula with dbt's artifacts and with the record of the last pull.
#[test]
fn check_reports_columns_removed_since_the_pull() {
    let mut place = create_project("pull_check");
    place.write("metrics/orders.yml", "model: order_totals\nfrom: stg_orders\ngroup_by: [order_status]\ndefinitions: |\n  rate = AVERAGE(discount_rate)\n  total = SUM(order_total)\n  lates = COUNTIF(stg_orders.discount_rate > 0.1)\n");
    place.write("notes.txt", "sum_of_it = SUM(discount_rate)\n");
    place.run(&["pull"]);
    place.show(&["check"]);
    let gone = remove_json_key(
        &artifact("catalog.json"),
        &["nodes", "model.acme_analytics.stg_orders", "columns", "discount_rate"],
    );
    place.write("target/catalog.json", gone.replace("DECIMAL(12,2)", "DATE"));
    place.show(&["check", "--output-format", "concise"]).show(&["check"]);
    // Standard input is read only once, even if other files are checked again.
    let run = place.run_with(
        &["check", "metrics/orders.yml", "-", "--output-format", "concise"],
        "x = NOSUCH(1)\n",
    );
    assert!(run.out.contains("<stdin>:1:5: error[F0301]"), "{}", run.out);
    // Formulas in a text file do not belong to any relation.
    place.show(&["check", "notes.txt"]);
    // A column that is marked as missing in the pulled model is not a column.
    place.run(&["pull"]);
    place.show(&["check", "--schema", "bi/omni", "--output-format", "concise"]);
    insta::assert_snapshot!(without_ages(place.transcript()));
}
