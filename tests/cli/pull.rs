//! Tests `formulac pull`.

use crate::run::{TestProject, artifact};

/// Creates a dbt project with dbt's artifacts.
fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("dbt_project.yml", "name: acme_analytics\nprofile: acme\n")
        .write("formulac.yml", "omni: bi/omni/\n");
    for name in ["manifest.json", "catalog.json", "run_results.json", "sources.json"] {
        project.write(&format!("target/{name}"), artifact(name));
    }
    project
}

/// Replaces a string that occurs exactly once in a file.
fn change(project: &TestProject, file: &str, from: &str, to: &str) {
    let text = project.read(file);
    assert_eq!(text.matches(from).count(), 1, "{from} in {file}");
    project.write(file, text.replace(from, to));
}

/// Returns the path and the contents of every file in the project's folders.
fn files(project: &TestProject) -> Vec<(String, String)> {
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

/// Removes the ages of artifacts and sources, because the ages depend on the time of the test.
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
    let mut project = create_project("pull");
    project.show(&["pull"]);
    let before = files(&project);
    project.show(&["pull"]).show(&["pull", "--check"]);
    assert_eq!(files(&project), before);
    change(
        &project,
        CUSTOMERS,
        "    description: Legal name.",
        "    description: The name  # agreed\n    label: Name",
    );
    project.write(
        ORDERS,
        format!("# ours\r\n{}", project.read(ORDERS).replace('\n', "\r\n")),
    );
    std::fs::remove_file(project.path("bi/omni/analytics_raw/sessions.view.yaml")).unwrap();
    change(
        &project,
        "target/manifest.json",
        "\"Day the account was opened.\"",
        "\"Day of the contract.\"",
    );
    change(
        &project,
        "target/manifest.json",
        "\"Legal name.\"",
        "\"Name as registered.\"",
    );
    project.write(
        "target/catalog.json",
        remove_json_key(
            &artifact("catalog.json"),
            &["nodes", "model.acme_analytics.stg_orders", "columns", "discount_rate"],
        ),
    );
    project
        .show(&["pull", "--check"])
        .show(&["pull", "--dry-run", "--json"]);
    let unchanged = files(&project);
    project.show(&["pull"]).show(&["pull"]);
    assert_ne!(files(&project), unchanged);
    insta::assert_snapshot!(without_ages(project.transcript()));
    insta::assert_snapshot!(project.read(CUSTOMERS));
    insta::assert_snapshot!(project.read(ORDERS).replace('\r', "␍"));
    assert!(!project.path("bi/omni/analytics_raw/sessions.view.yaml").exists());
    project.run(&["pull", "--prune"]);
    assert!(
        !project.read(ORDERS).contains("discount_rate"),
        "{}",
        project.read(ORDERS)
    );
}

/// A pull reports every change to a view, not only the first kind of change.
#[test]
fn all_changes_of_a_view_are_reported() {
    let project = create_project("pull_changes");
    project.run(&["pull"]);
    for (from, to) in [
        ("\"Day the account was opened.\"", "\"Day of the contract.\""),
        ("\"Legal name.\"", "\"Name as registered.\""),
        (
            "\"Customer dimension with an enforced contract.\"",
            "\"All customers.\"",
        ),
    ] {
        change(&project, "target/manifest.json", from, to);
    }
    let mut catalog: serde_json::Value = serde_json::from_str(&artifact("catalog.json")).unwrap();
    let columns = &mut catalog["nodes"]["model.acme_analytics.dim_customers"]["columns"];
    columns["signup_date"]["type"] = "TIMESTAMP".into();
    columns["shoe_size"] = serde_json::json!({"type": "INTEGER", "index": 99, "name": "shoe_size", "comment": null});
    columns.as_object_mut().unwrap().remove("customer_segment");
    project.write("target/catalog.json", catalog.to_string());
    let run = project.run(&["pull", "--check"]);
    let of_view = |line: &&str| line.contains("dim_customers");
    let lines: Vec<String> = run
        .out
        .lines()
        .filter(of_view)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// Returns JSON text without the value at a path of keys.
fn remove_json_key(text: &str, keys: &[&str]) -> String {
    let mut root: serde_json::Value = serde_json::from_str(text).unwrap();
    let (last, above) = keys.split_last().unwrap();
    let parent = above.iter().fold(&mut root, |value, key| value.get_mut(*key).unwrap());
    parent.as_object_mut().unwrap().remove(*last).unwrap();
    root.to_string()
}

#[test]
fn a_removed_table_is_marked_until_it_is_pruned() {
    let mut project = create_project("pull_gone");
    project.run(&["pull"]);
    let view = "bi/omni/analytics/stg_sessions.view.yaml";
    let before = project.read(view);
    let gone = remove_json_key(
        &artifact("manifest.json"),
        &["nodes", "model.acme_analytics.stg_sessions"],
    );
    project.write("target/manifest.json", &gone);
    project.show(&["pull", "--markdown"]).show(&["pull"]);
    insta::assert_snapshot!(project.read(view));
    // The view is restored unchanged.
    project
        .write("target/manifest.json", artifact("manifest.json"))
        .run(&["pull"]);
    assert_eq!(project.read(view), before);
    project.write("target/manifest.json", &gone).run(&["pull"]);
    project.show(&["pull", "--prune"]);
    assert!(!project.path(view).exists());
    insta::assert_snapshot!(without_ages(project.transcript()));
}

#[test]
fn a_file_that_cannot_be_edited_stops_everything() {
    let mut project = create_project("pull_refused");
    project.write(CUSTOMERS, "schema: analytics\nschema: other\n");
    project.show(&["pull"]);
    assert_eq!(project.files("bi/omni/analytics"), ["dim_customers.view.yaml"]);
    project
        .write("target/run_results.json", "{\"results\": [")
        .write(CUSTOMERS, "");
    project.show(&["pull"]);
    std::fs::remove_file(project.path("target/manifest.json")).unwrap();
    project.show(&["pull"]);
    std::fs::remove_file(project.path("dbt_project.yml")).unwrap();
    project.show(&["pull"]);
    insta::assert_snapshot!(without_ages(project.transcript()));
}

#[test]
fn the_state_of_the_tests_is_kept_until_it_changes_or_is_stripped() {
    let project = create_project("pull_status");
    project.run(&["pull"]);
    let tag = |project: &TestProject| {
        project
            .read(CUSTOMERS)
            .lines()
            .find(|line| line.starts_with("tags:"))
            .map(str::to_owned)
    };
    assert_eq!(tag(&project).as_deref(), Some("tags: [dbt_tests_pass]"));
    // A run of other nodes contains no information about these nodes.
    let mut run: serde_json::Value = serde_json::from_str(&artifact("run_results.json")).unwrap();
    run["results"].as_array_mut().unwrap().clear();
    project.write("target/run_results.json", run.to_string()).run(&["pull"]);
    assert_eq!(tag(&project).as_deref(), Some("tags: [dbt_tests_pass]"));
    let failing = artifact("run_results.json");
    let mut run: serde_json::Value = serde_json::from_str(&failing).unwrap();
    for result in run["results"].as_array_mut().unwrap() {
        if result["unique_id"].as_str().unwrap().contains("unique_dim_customers") {
            result["status"] = "fail".into();
            result["failures"] = 3.into();
        }
    }
    project.write("target/run_results.json", run.to_string()).run(&["pull"]);
    assert_eq!(tag(&project).as_deref(), Some("tags: [dbt_tests_fail]"));
    project.run(&["pull", "--strip-status"]);
    assert_eq!(tag(&project), None);
    assert!(!project.path("bi/omni/dbt_status.json").exists());
}

/// `dbt docs generate` overwrites the results of a build, but `pull` finds them in dbt's log, as `status` does.
#[test]
fn pull_reads_overwritten_test_results_from_the_log() {
    let project = create_project("pull_log");
    let built: serde_json::Value = serde_json::from_str(&artifact("run_results.json")).unwrap();
    let generated = serde_json::json!({"metadata": built["metadata"], "args": {"which": "generate"}, "results": []});
    let mut results = built["results"].as_array().unwrap().iter();
    let test = results.find_map(|it| {
        it["unique_id"]
            .as_str()
            .filter(|id| id.contains("unique_dim_customers"))
    });
    project
        .write("target/run_results.json", generated.to_string())
        .write("target/run/acme_analytics/models/dim_customers.sql", "select 1");
    let status = |project: &TestProject| {
        let file: serde_json::Value = serde_json::from_str(&project.read("bi/omni/dbt_status.json")).unwrap();
        let tests = file["views"]["analytics__dim_customers"]["tests"]
            .as_array()
            .unwrap()
            .clone();
        let one = tests
            .into_iter()
            .find(|it| it["test"].as_str().unwrap().starts_with("unique"));
        one.unwrap()["status"].as_str().unwrap().to_owned()
    };
    project.run(&["pull"]);
    assert_eq!(status(&project), "not run");
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
    project.write("logs/dbt.log", entries.iter().map(line).collect::<String>());
    // `status` also reports the pull as pending, because both commands read the same results.
    assert!(project.run(&["status"]).out.contains("formulac pull"));
    project.run(&["pull"]);
    assert_eq!(status(&project), "pass");
    project.succeed(&["pull", "--check"]);
    // The saved results of a build are more precise than those in the log.
    let mut built = built.clone();
    built["metadata"]["generated_at"] = "2100-01-01T00:00:00Z".into();
    project
        .write("target/run_results.json", built.to_string())
        .run(&["pull"]);
    let after_build = project.read("bi/omni/dbt_status.json");
    project.write("target/run_results.json", generated.to_string());
    project.succeed(&["pull", "--check"]);
    assert_eq!(project.read("bi/omni/dbt_status.json"), after_build);
}

#[test]
fn topics_and_grants_are_written_on_request() {
    let mut project = create_project("pull_topics");
    project.write(
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
    project.write("target/manifest.json", manifest.to_string());
    project.run(&["pull"]);
    let read = |project: &TestProject, names: &[&str]| -> String {
        names
            .iter()
            .map(|name| format!("==> {name}\n{}\n", project.read(&format!("bi/omni/{name}"))))
            .collect()
    };
    let topics: Vec<String> = project
        .files("bi/omni")
        .into_iter()
        .filter(|name| name.ends_with(".topic.yaml"))
        .collect();
    let mut names: Vec<&str> = topics.iter().map(String::as_str).collect();
    names.push("model.yaml");
    insta::assert_snapshot!(read(&project, &names));
    // Edits that users make in these files are kept.
    change(
        &project,
        "bi/omni/sales.topic.yaml",
        "label: Sales",
        "label: Our sales  # agreed",
    );
    change(&project, "bi/omni/model.yaml", "[finance]", "[Finance Team]");
    project.write(
        "bi/omni/model.yaml",
        format!("week_start_day: sunday\n{}", project.read("bi/omni/model.yaml")),
    );
    project.succeed(&["pull", "--check"]);
    close(&mut manifest["nodes"]["model.acme_analytics.dim_customers"], "board");
    manifest["nodes"]["model.acme_analytics.fct_orders"]["description"] = "Orders, one row each.".into();
    project.write("target/manifest.json", manifest.to_string());
    project.show(&["pull"]).show(&["pull"]);
    insta::assert_snapshot!(read(&project, &["sales.topic.yaml", "model.yaml"]));
    // The project file no longer requests topics and grants.
    project.write("formulac.yml", "omni: bi/omni/\n");
    project.show(&["pull"]).show(&["pull", "--prune"]);
    assert_eq!(
        project
            .files("bi/omni")
            .iter()
            .filter(|name| name.ends_with(".topic.yaml"))
            .count(),
        3,
        "{:?}",
        project.files("bi/omni")
    );
    insta::assert_snapshot!(without_ages(project.transcript()));
    assert_eq!(
        project.read("bi/omni/model.yaml").lines().next(),
        Some("week_start_day: sunday")
    );
}

#[test]
fn slower_runs_and_stale_sources_are_reported() {
    let mut project = create_project("pull_health");
    project.run(&["pull"]);
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
        project.write("target/run_results.json", run.to_string());
        project.run(&["pull"]);
    }
    project
        .show(&["pull"])
        .show(&["pull", "--markdown"])
        .show(&["pull", "--json"]);
    insta::assert_snapshot!(without_ages(project.transcript()));
}

/// `check` reports a formula that uses a column that no longer exists in dbt or whose type changed. `check` compares
/// the formula with dbt's artifacts and with the record of the last pull.
#[test]
fn check_reports_columns_removed_since_the_pull() {
    let mut project = create_project("pull_check");
    project.write("metrics/orders.yml", "model: order_totals\nfrom: stg_orders\ngroup_by: [order_status]\ndefinitions: |\n  rate = AVERAGE(discount_rate)\n  total = SUM(order_total)\n  lates = COUNTIF(stg_orders.discount_rate > 0.1)\n");
    project.write("notes.txt", "sum_of_it = SUM(discount_rate)\n");
    project.run(&["pull"]);
    project.show(&["check"]);
    let gone = remove_json_key(
        &artifact("catalog.json"),
        &["nodes", "model.acme_analytics.stg_orders", "columns", "discount_rate"],
    );
    project.write("target/catalog.json", gone.replace("DECIMAL(12,2)", "DATE"));
    project.show(&["check", "--output-format", "concise"]).show(&["check"]);
    // Standard input is read only once, even if other files are checked again.
    let run = project.run_with(
        &["check", "metrics/orders.yml", "-", "--output-format", "concise"],
        "x = NOSUCH(1)\n",
    );
    assert!(run.out.contains("<stdin>:1:5: error[F0301]"), "{}", run.out);
    // Formulas in a text file do not belong to any relation.
    project.show(&["check", "notes.txt"]);
    // `check` ignores a column that the pulled model marks as missing.
    project.run(&["pull"]);
    project.show(&["check", "--schema", "bi/omni", "--output-format", "concise"]);
    insta::assert_snapshot!(without_ages(project.transcript()));
}

/// `pull` refuses to write to a folder outside of the project, unless the folder is a separate repository.
#[test]
fn an_omni_folder_beside_the_project_is_refused_with_help() {
    let project = create_project("pull_beside");
    std::fs::create_dir_all(project.path("../pull_beside_omni")).unwrap();
    project.write(
        "metrics/orders.yml",
        "model: order_count\nfrom: stg_orders\ndefinitions: n = COUNT()\n",
    );
    let outside = "`../pull_beside_omni`, specified under `omni:`, is outside the project";
    let no_repository = "`../pull_beside_omni`, specified under `omni:`, must be the root of a separate git repository";
    for (setting, message) in [
        ("../pull_beside_omni", outside),
        ("{path: ../pull_beside_omni}", no_repository),
    ] {
        project.write("formulac.yml", format!("omni: {setting}\n"));
        for args in [
            &["pull"][..],
            &["pull", "--dry-run"],
            &["pull", "--check"],
            &["check"],
            &["plan"],
        ] {
            let run = project.run(args);
            let error = format!("error: {message}\nhelp: ");
            assert!(
                run.exit == 5 && run.err.contains(&error),
                "{setting} {args:?}: {}",
                run.err
            );
            assert!(run.err.contains("the model path"), "{}", run.err);
        }
        let status = project.run(&["status"]).out;
        assert!(
            status.contains(message) && !status.contains("formulac pull"),
            "{status}"
        );
    }
}

/// The Omni model file may exclude views that `pull` writes.
#[test]
fn views_that_the_omni_model_excludes_are_reported() {
    let project = create_project("pull_excluded");
    project.write(
        "bi/omni/model.yaml",
        "ignored_schemas: [analytics_r*]\nincluded_views: ['*']\n",
    );
    let run = project.run(&["pull"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let lines: Vec<&str> = run
        .err
        .lines()
        .filter(|line| line.contains("ignored_schemas"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(!run.err.contains("included_views"), "{}", run.err);
    assert!(!project.run(&["pull"]).err.contains("ignored_schemas"));
}

/// `pull` reports Looker's `${TABLE}`, in any case, also as JSON. The dimension still belongs to its column.
#[test]
fn references_to_looker_tables_are_reported() {
    let project = create_project("pull_looker");
    project.write(
        ORDERS,
        "schema: analytics\ntable_name: stg_orders\ndimensions:\n  my_status: {sql: '${table}.\"order_status\"'}\n",
    );
    let run = project.run(&["pull"]);
    let note = format!("{ORDERS}: the SQL of `my_status` contains Looker's `${{TABLE}}`, which Omni does not support");
    assert!(run.err.contains(note.trim_start_matches("bi/omni/")), "{}", run.err);
    assert!(
        !project.read(ORDERS).contains("\n  order_status:"),
        "{}",
        project.read(ORDERS)
    );
    let run = project.run(&["pull", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    let expected = serde_json::json!([{"file": "analytics/stg_orders.view.yaml", "dimension": "my_status"}]);
    assert_eq!(json["looker_tables"], expected, "{}", run.out);
}
