//! Inserts hostile strings into every field of dbt's artifacts and searches all outputs for these strings. No string
//! may act as markup, a command, a path or a terminal control character.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use crate::repository::{begin, commit, edit, git};
use crate::run::{Run, TestProject, artifact, finish};
use crate::skipped_cases::select_cases;

const ARTIFACTS: [&str; 4] = ["manifest.json", "catalog.json", "run_results.json", "sources.json"];
/// Strings that have a special meaning in some kind of output. Each string is identified by its number.
const PAYLOADS: [&str; 9] = [
    "\"><script>alert(1)</script><img src=x onerror=alert(1)>",
    "](javascript:alert(1)) **bold** | cell | `tick` @everyone",
    "line\n# injected\n\n- injected: true\n<!-- injected -->",
    "\u{1b}[31mred\u{1b}]0;title\u{7}\u{8}\r\u{9b}31m",
    "\u{202e}desrever\u{2066}\u{200b}",
    "x: y\n  injected: {a: b}\n\"'#",
    "{{ 7 * 7 }}{% do injected() %}{# x #}",
    "'; drop table injected; --\" */",
    "../../pwned",
];
/// Fields that link entries of the artifacts, or that can have only a few values in dbt.
const STRUCTURAL: [&str; 15] = [
    "unique_id",
    "resource_type",
    "dbt_schema_version",
    "dbt_version",
    "generated_at",
    "adapter_type",
    "started_at",
    "completed_at",
    "execute",
    "materialized",
    "access",
    "which",
    "patch_path",
    "max_loaded_at",
    "snapshotted_at",
];
/// Names that occur in several parts of the artifacts. Each name is replaced wherever it occurs, including in SQL and
/// ids.
const NAMES: [&str; 8] = [
    "dim_customers",
    "fct_orders",
    "lifetime_value",
    "landing",
    "web_events",
    "weekly_revenue_dashboard",
    "finance",
    "acme_analytics",
];

/// Replaces every string with the payload, except in fields that link entries.
fn insert_payload(value: &mut Value, key: &str, payload: &str, count: &mut usize) {
    match value {
        Value::String(text) if !STRUCTURAL.contains(&key) && !text.contains('.') => {
            *count += 1;
            *text = format!("{payload}{count}");
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| insert_payload(item, key, payload, count)),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                // The keys or values of these fields are ids.
                let joins =
                    ["depends_on", "parent_map", "child_map", "group_map", "refs", "sources"].contains(&name.as_str());
                if !joins || value.as_object().is_some() && name == "sources" {
                    insert_payload(value, name, payload, count);
                }
            }
        }
        _ => {}
    }
}

/// Creates a project whose artifacts `change` has modified.
fn create_project(name: &str, change: impl Fn(&str) -> String) -> TestProject {
    let project = TestProject::new(name);
    for file in ARTIFACTS {
        project.write(&format!("target/{file}"), change(&artifact(file)));
    }
    project.write("dbt_project.yml", "name: acme_analytics\nprofile: acme\n");
    project.write(
        "formulac.yml",
        "dialect: duckdb\nenvironments: {production: {branch: main, protected: true, schema: analytics}}\n",
    );
    project.write(".gitignore", "target/\n.formulac/local/\n");
    project.write(
        "metrics/own.yml",
        "model: own\nfrom: ref('stg_orders')\nkeep: all\ndefinitions: twice = order_total * 2\n",
    );
    begin(&project);
    git(&project, &["switch", "--quiet", "-c", "work"]);
    edit(&project, "metrics/own.yml", "* 2", "* 3");
    commit(&project, "three times");
    project
}

/// Writes a fake dbt that finds every relation and includes the payload in all of its output.
fn write_fake_dbt(project: &TestProject, payload: &str) {
    let event = |name: &str, data: Value| {
        serde_json::json!({"info": {"name": name, "level": "info"}, "data": data}).to_string()
    };
    let columns = serde_json::json!([true, [["order_id", payload], [payload, "text"], ["twice", "numeric"]]]);
    let row = serde_json::json!([{"compared": "3", "rows_ours": payload, "key_0_text": payload, "done": 1}]);
    let mut log_lines = vec![
        event("MainReportVersion", serde_json::json!({"version": payload})),
        event("AdapterRegistered", serde_json::json!({"adapter_name": payload})),
    ];
    log_lines.extend((0..2).map(|_| {
        event(
            "JinjaLogInfo",
            serde_json::json!({"msg": format!("formulac {columns}")}),
        )
    }));
    log_lines.push(event("ShowNode", serde_json::json!({"preview": row.to_string()})));
    project.write("said.txt", log_lines.join("\n") + "\n");
    project.program("dbt", "#!/bin/sh\ncat \"$(dirname \"$0\")/said.txt\"\n");
}

/// Returns every command that reads artifacts, in every output format.
fn calls(id: &str) -> Vec<Vec<String>> {
    let call = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut calls: Vec<Vec<String>> = [
        "status",
        "status --json",
        "pull --dry-run",
        "pull --dry-run --markdown",
        "pull --dry-run --json",
        "check",
        "check --json",
        "plan",
        "plan --json",
        "plan --markdown",
        "generate",
        "env show production",
        "env check",
        "pull",
        "status",
        "check",
        "log",
    ]
    .map(call)
    .to_vec();
    for (command, formats) in [
        ("impact", &["tree", "markdown", "mermaid", "dot", "html"][..]),
        ("lineage", &["tree", "mermaid", "dot"]),
    ] {
        for format in formats {
            calls.push(vec![
                command.to_owned(),
                id.to_owned(),
                "--format".to_owned(),
                (*format).to_owned(),
            ]);
        }
        calls.push(vec![command.to_owned(), id.to_owned(), "--json".to_owned()]);
    }
    calls
}

fn is_terminal_control_character(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Collects the errors in the output of a call.
fn faults(call: &[String], run: &Run, results: &mut Vec<String>) {
    let named = call.join(" ");
    let has = |word: &str| call.iter().any(|it| it == word);
    let mut add_fault = |what: &str, text: &str| {
        results.push(format!(
            "{named}: {what}: {}",
            text.escape_debug().to_string().chars().take(300).collect::<String>()
        ));
    };
    if run.exit == 101 || run.err.contains("panicked") {
        add_fault("panic", &run.err);
    }
    if let Some(line) = run
        .err
        .lines()
        .find(|line| line.contains(is_terminal_control_character))
    {
        add_fault("a message that a terminal obeys", line);
    }
    let is_json = has("--json");
    if is_json {
        if !run.out.is_empty() && serde_json::from_str::<Value>(&run.out).is_err() {
            add_fault("no JSON", &run.out);
        }
        return;
    }
    if let Some(line) = run
        .out
        .lines()
        .find(|line| line.contains(is_terminal_control_character))
    {
        add_fault("what a terminal or page obeys", line);
    }
    if has("html") && (run.out.matches("<script").count() > 2 || run.out.contains("<img")) {
        add_fault("markup in the page", "");
    }
    if has("--markdown") || has("markdown") {
        for line in run.out.lines() {
            let plain = line.replace("\\\\", "").replace("\\]", "");
            let is_code = line.starts_with(['+', '-', ' ', '@']);
            let bad = ["<script", "<img", "<!--", "](javascript"]
                .iter()
                .any(|it| plain.contains(it));
            if (bad && !is_code && !has_html_only_in_backticks(&plain)) || plain.starts_with("# injected") {
                add_fault("markup in Markdown", line);
            }
        }
    }
    if (has("mermaid") || has("dot")) && run.out.lines().any(|line| line.trim_start().starts_with("# injected")) {
        add_fault("a line of its own", &run.out);
    }
}

/// Returns `true` if dangerous strings occur only between backticks.
fn has_html_only_in_backticks(line: &str) -> bool {
    let outside: String = line.split('`').step_by(2).collect();
    !["<script", "<img", "<!--", "](javascript"]
        .iter()
        .any(|it| outside.contains(it))
}

/// Collects the keys of a YAML file, at any depth.
fn keys(node: &Yaml<'_>, names: &mut BTreeSet<String>) {
    if let Some(pairs) = node.as_mapping() {
        for (key, value) in pairs {
            names.extend(key.as_str().map(str::to_owned));
            keys(value, names);
        }
    }
    node.as_vec().into_iter().flatten().for_each(|item| keys(item, names));
}

/// Collects the errors in the files that were written.
fn files(project: &TestProject, results: &mut Vec<String>) {
    let root = project.path("");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let inside = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if inside.contains("pwned") && !inside.starts_with("omni") && !inside.starts_with(".formulac") {
                results.push(format!("{inside} was written"));
            }
            if inside.chars().any(is_terminal_control_character) {
                results.push(format!("{inside:?} is the name of a file"));
            }
            if path.is_dir() && !inside.starts_with(".git") && !inside.starts_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") && inside != "formulac.yml" {
                let text = fs::read_to_string(&path).unwrap();
                let Ok(documents) = Yaml::load_from_str(&text) else {
                    results.push(format!("{inside} is not valid YAML"));
                    continue;
                };
                let mut all = BTreeSet::new();
                documents.iter().for_each(|yaml| keys(yaml, &mut all));
                if documents.len() > 1 || all.contains("injected") {
                    results.push(format!("{inside} has more than was meant"));
                }
            }
        }
    }
    let beside = root.parent().unwrap();
    for name in ["pwned", "pwned.view.yaml"] {
        for folder in [beside, beside.parent().unwrap_or_else(|| Path::new("/"))] {
            if folder.join(name).exists() {
                results.push(format!("{name} was written outside of the project"));
            }
        }
    }
}

/// Proposes, verifies and releases the project, with the payload in the users' messages and in dbt's output.
fn run_change_commands(project: &TestProject, payload: &str, results: &mut Vec<String>) {
    let mut call = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut command = project.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.env("FORMULAC_DBT", project.path("dbt"));
        let run = finish(command);
        faults(&words, &run, results);
        run
    };
    call(&[
        "change",
        "propose",
        &format!("T{payload}"),
        "--message",
        payload,
        "--env",
        "production",
    ]);
    let listed = call(&["change", "list", "--json"]).json();
    let id = listed["changes"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("nothing is proposed: {listed}"))
        .to_owned();
    for words in [
        &["change", "comment", id.as_str(), payload][..],
        &["change", "list"],
        &["change", "show", &id],
        &["authorize", "--base", "main"],
        &["verify"],
        &["verify", "--markdown"],
        &["verify", "--json"],
        &["env", "diff", "production"],
    ] {
        call(words);
    }
    git(project, &["add", "--all"]);
    git(project, &["commit", "--quiet", "--message", "all"]);
    git(project, &["switch", "--quiet", "-C", "main"]);
    call(&["release", "--env", "production", "--yes"]);
    call(&["release", "v1", "--env", "production", "--json"]);
}

fn check(name: &str, id: &str, payload: &str, change: impl Fn(&str) -> String) -> Vec<String> {
    let project = create_project(name, change);
    let mut found = Vec::new();
    for call in calls(id) {
        let args: Vec<&str> = call.iter().map(String::as_str).collect();
        faults(&call, &project.run(&args), &mut found);
    }
    write_fake_dbt(&project, payload);
    run_change_commands(&project, payload, &mut found);
    files(&project, &mut found);
    found.into_iter().map(|it| format!("{name}: {it}")).collect()
}

#[test]
fn hostile_texts_in_every_field_are_escaped() {
    let mut found = Vec::new();
    for (number, payload) in select_cases(PAYLOADS.iter().enumerate()) {
        found.extend(check(
            &format!("hostile_text_{number}"),
            "model.acme_analytics.stg_orders",
            payload,
            |text| {
                let mut value: Value = serde_json::from_str(text).unwrap();
                let mut count = 0;
                insert_payload(&mut value, "", payload, &mut count);
                assert!(count > 10, "{count} texts were replaced");
                value.to_string()
            },
        ));
    }
    assert!(found.is_empty(), "{} faults\n{}", found.len(), found.join("\n"));
}

#[test]
fn hostile_node_names_are_escaped_in_all_outputs() {
    let mut found = Vec::new();
    for (number, payload) in select_cases(PAYLOADS.iter().enumerate()) {
        let quoted = Value::from(*payload).to_string();
        let inside = quoted.trim_matches('"').to_owned();
        let id = "model.acme_analytics.stg_orders".replace("acme_analytics", &format!("{payload}7"));
        found.extend(check(&format!("hostile_name_{number}"), &id, payload, |text| {
            let names = NAMES.iter().enumerate();
            names.fold(text.to_owned(), |text, (at, name)| {
                text.replace(name, &format!("{inside}{at}"))
            })
        }));
    }
    assert!(found.is_empty(), "{} faults\n{}", found.len(), found.join("\n"));
}
