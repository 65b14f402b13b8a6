//! Checks that commands print the same output with and without results from earlier calls.

use std::fs;

use crate::run::TestProject;
use crate::skipped_cases::is_left_out;

const SET: &str = "\
metric_set: orders
from: stg_orders
time: ordered_on
definitions: |
  revenue = SUM(amount)
  order_count = COUNT()
  aov = revenue / order_count
";

const SCHEMA: &str = "\
relations:
  stg_orders:
    columns: {order_id: integer, ordered_on: date, amount: decimal, region: text}
";

/// Edits to the project, each with the changed file and its new content. Empty content removes the file.
const EDITS: &[(&str, &str, &str)] = &[
    ("nothing", "README.md", "Shop\n"),
    (
        "a metric",
        "specs/orders.yml",
        "metric_set: orders\nfrom: stg_orders\ntime: ordered_on\ndefinitions: |\n  revenue = 2 * SUM(amount)\n  order_count = COUNT()\n  aov = revenue / order_count\n",
    ),
    (
        "a model",
        "specs/daily.yml",
        "model: daily\nfrom: stg_orders\ngroup_by: ordered_on\ndefinitions: revenue = MAX(amount)\n",
    ),
    (
        "an error",
        "specs/daily.yml",
        "model: daily\nfrom: stg_orders\ngroup_by: ordered_on\ndefinitions: revenue = MAX(amuont)\n",
    ),
    ("a missing model", "specs/daily.yml", ""),
    (
        "the same model in another file",
        "specs/later/daily.yml",
        "model: daily\nfrom: stg_orders\ngroup_by: ordered_on\ndefinitions: revenue = SUM(amount)\n",
    ),
    ("the dialect", "formulac.yml", "dialect: snowflake\nspecs: specs/\n"),
    (
        "the type of a column",
        "schema.yml",
        "relations:\n  stg_orders:\n    columns: {order_id: integer, ordered_on: date, amount: float, region: text}\n",
    ),
];

/// Creates a project with so many specs that results are cached.
fn project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project.write("formulac.yml", "dialect: duckdb\nspecs: specs/\n");
    project.write("dbt_project.yml", "name: shop\nmodel-paths: [models]\n");
    for folder in ["models", "tests"] {
        project.write(&format!("{folder}/.gitkeep"), "");
    }
    project.write("schema.yml", SCHEMA);
    project.write("specs/orders.yml", SET);
    project.write(
        "specs/daily.yml",
        "model: daily\nfrom: stg_orders\ngroup_by: ordered_on\ndefinitions: revenue = SUM(amount)\n",
    );
    for number in 0..100 {
        let text = match number % 3 {
            0 => format!("model: m_{number}\nmetrics: [orders.revenue, orders.aov]\ngroup_by: [month, region]\n"),
            1 => format!(
                "model: m_{number}\nfrom: daily\ngroup_by: ordered_on[month]\ndefinitions: revenue = SUM(revenue) + {number}\n"
            ),
            _ => format!(
                "model: m_{number}\nfrom: stg_orders\ngroup_by: region\ndefinitions: days = COUNT(DISTINCT(ordered_on)) + {number}\n"
            ),
        };
        project.write(&format!("specs/m_{number}.yml"), text);
    }
    project
}

/// Returns the names of the files that contain cached results.
fn kept_files(project: &TestProject) -> Vec<String> {
    let mut files = project.files(".formulac/local");
    files.retain(|file| file.starts_with("specs_"));
    files
}

/// Runs commands, and returns their output and the generated files.
fn results(project: &TestProject) -> Vec<String> {
    let mut all = Vec::new();
    for args in [
        ["generate", "--schema", "schema.yml"].as_slice(),
        &["generate", "--check", "--schema", "schema.yml"],
        &["query", "m_0", "--schema", "schema.yml"],
        &["check"],
    ] {
        let run = project.run(args);
        all.push(format!("{args:?} {}\n{}{}", run.exit, run.out, run.err));
    }
    for file in project.files("models/formulac") {
        all.push(project.read(&format!("models/formulac/{file}")));
    }
    all
}

#[test]
fn results_equal_those_of_a_first_call() {
    let (place, fresh) = (project("kept_results"), project("kept_results_fresh"));
    assert_eq!(results(&place), results(&fresh));
    assert_eq!(place.files("models/formulac").len(), 202, "all models are generated");
    assert!(!kept_files(&place).is_empty());
    // Each run makes half of the edits, because an edit can depend on earlier edits.
    let edits = EDITS.iter().enumerate().filter(|(number, _)| !is_left_out(*number, 2));
    for (_, (what, file, content)) in edits {
        for place in [&place, &fresh] {
            match content.is_empty() {
                true => drop(fs::remove_file(place.path(file))),
                false => drop(place.write(file, content)),
            }
        }
        fs::remove_dir_all(fresh.path(".formulac/local")).unwrap();
        let (kept, expected) = (results(&place), results(&fresh));
        for (kept, expected) in kept.iter().zip(&expected) {
            assert_eq!(kept, expected, "{what}");
        }
        assert_eq!(kept.len(), expected.len(), "{what}");
    }
}

#[test]
fn damaged_results_are_ignored() {
    let project = project("kept_results_damaged");
    let expected = results(&project);
    for damage in ["cut", "empty", "a byte"] {
        for file in kept_files(&project) {
            let path = project.path(&format!(".formulac/local/{file}"));
            let whole = fs::read(&path).unwrap();
            let middle = whole.len() / 2;
            let damaged = match damage {
                "cut" => whole[..middle].to_vec(),
                "empty" => Vec::new(),
                _ => whole
                    .iter()
                    .enumerate()
                    .map(|(at, byte)| byte ^ u8::from(at == middle))
                    .collect(),
            };
            fs::write(&path, damaged).unwrap();
        }
        project.run(&["check"]);
        let repaired = results(&project);
        assert_eq!(expected[1..], repaired[1..], "{damage}");
    }
}

/// Creates a dbt project with so many models that the parsed views of its Omni model are cached.
fn pulled_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    project.write("target/manifest.json", manifest("Its name."));
    project
}

/// Returns a manifest with 120 models, in which one column has the given description.
fn manifest(description: &str) -> String {
    let model = |number: usize| {
        let text = if number == 7 { description } else { "A name." };
        format!(
            r#""model.shop.m_{number}": {{"name": "m_{number}", "resource_type": "model", "schema": "marts",
            "alias": "m_{number}", "relation_name": "marts.m_{number}",
            "columns": {{"name": {{"name": "name", "description": "{text}"}}}}}}"#
        )
    };
    let models: Vec<String> = (0..120).map(model).collect();
    format!(r#"{{"nodes": {{{}}}}}"#, models.join(", "))
}

/// Pulls, and returns the output and all files of the Omni model.
fn pull_results(project: &TestProject) -> Vec<String> {
    let run = project.run(&["pull"]);
    let files = project.files("omni/marts").into_iter();
    let texts = files.map(|file| format!("{file}\n{}", project.read(&format!("omni/marts/{file}"))));
    [format!("{}\n{}{}", run.exit, run.out, run.err)]
        .into_iter()
        .chain(texts)
        .collect()
}

/// Checks that `pull` parses a view again after an edit that keeps the length of the file, and that a cache file with
/// results for other file contents is ignored.
#[test]
fn edited_views_are_parsed_again() {
    let (place, fresh) = (pulled_project("kept_views"), pulled_project("kept_views_fresh"));
    assert_eq!(pull_results(&place), pull_results(&fresh));
    assert_eq!(pull_results(&place).len(), 121);
    let kept = ".formulac/local/omni_files";
    let view = "omni/marts/m_7.view.yaml";
    let text = place.read(view);
    let renamed = text.replace("  name:\n", "  call:\n    sql: '\"name\"'\n");
    let other_name = renamed.replace("  call:\n", "  word:\n");
    let broken = renamed.replace("  call:\n", "  call;\n");
    assert!(
        renamed.len() == other_name.len() && renamed.len() == broken.len() && renamed != text,
        "{text}"
    );
    for (what, view_text, description) in [
        ("nothing", Some(&text), "Its name."),
        ("another dimension", Some(&renamed), "Its new name."),
        ("another name", Some(&other_name), "Its last name."),
        ("a mistake", Some(&broken), "Its name."),
        ("no mistake", Some(&other_name), "Its name."),
        ("a description", None, "Its first name."),
    ] {
        for place in [&place, &fresh] {
            view_text.map(|text| place.write(view, text));
            place.write("target/manifest.json", manifest(description));
        }
        assert!(place.path(kept).is_file(), "{what}");
        drop(fs::remove_file(fresh.path(kept)));
        assert_eq!(pull_results(&place), pull_results(&fresh), "{what}");
    }
    fs::write(place.path(kept), "damaged").unwrap();
    assert_eq!(pull_results(&place), pull_results(&fresh));
}
