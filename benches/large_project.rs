//! Measures commands on a large generated project: a manifest with 10,000 models, 200,000 columns and 40,000 tests. The
//! bench runs `pull` without caches, without changes, and after one model changed. The bench also runs `impact` on a
//! model in the middle of the graph and on a model that all other models read. Each run is repeated without caches and
//! with the data that the command caches from the manifest. On a project with many metric sets, the bench runs
//! `generate`, and `plan` after a metric changed.
//!
//!     cargo bench --bench large_project              the report
//!     cargo bench --bench large_project -- --sets    only the project with metric sets
//!     cargo bench --bench large_project -- --check   exit status 1 if a goal is missed

#![allow(missing_docs, reason = "this is a program")]
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a benchmark that cannot run should stop"
)]

mod corpus;
mod manifest;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use formulac::KnownFacts;

/// Goals in seconds for a first pull, a pull after one model changed, an impact analysis, a plan of all specs, and the
/// time that unchanged artifacts add to a command.
const GOALS: [f64; 5] = [5.0, 1.0, 0.5, 1.0, 0.5];
/// Goals in seconds: `generate` for all models built on metric sets, and `plan` after one metric changed.
const SET_GOALS: [f64; 2] = [2.0, 0.3];
const SPECS: usize = 1_000;
/// Number of metric sets, each with ten metrics. `METRIC_SET_MODELS` is the number of models built on them.
const SETS: usize = 200;
const METRIC_SET_MODELS: usize = 500;
/// Number of calls per command. Only the fastest call counts.
const CALLS: usize = 5;

/// Returns the seconds that a command takes and the bytes that it prints.
fn call(folder: &Path, args: &[&str]) -> (f64, usize) {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_formulac"))
        .args(args)
        .current_dir(folder)
        .output();
    let output = output.expect("the command must run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (start.elapsed().as_secs_f64(), output.stdout.len())
}

/// Measures commands on many specs. Returns each command with two times in seconds: without dbt's artifacts, and with
/// them.
fn specs(large: &Path, manifest: &str) -> Vec<(&'static str, f64, f64)> {
    const COMMANDS: [&str; 4] = ["check", "generate", "plan", "status"];
    let folder = large.with_file_name("many_specs");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("metrics")).expect("the folder must be made");
    fs::create_dir_all(folder.join("target")).expect("the folder must be made");
    fs::write(folder.join("dbt_project.yml"), "name: shop\nprofile: shop\n").expect("the file must be written");
    fs::write(folder.join("formulac.yml"), "dialect: snowflake\n").expect("the file must be written");
    for number in 0..SPECS {
        let spec = format!(
            "model: metric_{number}\nfrom: ref('model_{number}')\ngroup_by: [column_1, column_2]\n\ndefinitions:\n  \
             total: SUM(column_0)\n  mean: AVERAGE(column_3)\n  ratio: total / COUNT(column_4)\n"
        );
        fs::write(folder.join(format!("metrics/metric_{number}.yml")), spec).expect("the file must be written");
    }
    let best = |command| {
        (0..CALLS)
            .map(|_| call(&folder, &[command]).0)
            .fold(f64::INFINITY, f64::min)
    };
    let without = COMMANDS.map(best);
    fs::write(folder.join("target/manifest.json"), manifest).expect("the file must be written");
    fs::write(folder.join("target/catalog.json"), manifest::catalog(manifest::MODELS))
        .expect("the file must be written");
    let with = COMMANDS.map(best);
    (0..COMMANDS.len())
        .map(|at| (COMMANDS[at], without[at], with[at]))
        .collect()
}

/// Runs git in a folder.
fn git(folder: &Path, args: &[&str]) {
    let status = Command::new("git").args(args).current_dir(folder).status();
    assert!(status.is_ok_and(|status| status.success()), "git {args:?} must succeed");
}

/// Writes a project with metric sets, and returns the text of the first metric set.
fn write_metric_sets(folder: &Path) -> String {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder.join("metrics")).expect("the folder must be made");
    fs::create_dir_all(folder.join(".formulac/state")).expect("the folder must be made");
    let known = KnownFacts::from(corpus::schema()).text();
    let files = [
        ("dbt_project.yml", "name: shop\nprofile: shop\n"),
        ("formulac.yml", "dialect: snowflake\n"),
        (".gitignore", ".formulac/local/\n"),
        (".formulac/state/known.yml", &known),
    ];
    for (path, text) in files {
        fs::write(folder.join(path), text).expect("the file must be written");
    }
    let specs = corpus::models_over_sets(SETS, METRIC_SET_MODELS);
    for (number, spec) in specs.iter().enumerate() {
        fs::write(folder.join(format!("metrics/spec_{number}.yml")), spec).expect("the file must be written");
    }
    git(folder, &["init", "--quiet", "--initial-branch", "main"]);
    git(folder, &["config", "user.name", "bench"]);
    git(folder, &["config", "user.email", "bench@example.com"]);
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", "Specs"]);
    specs.into_iter().next().expect("there must be a set")
}

/// Measures commands on a project with metric sets. Returns whether the goals are met.
fn metric_sets(folder: &Path) -> bool {
    let set = write_metric_sets(folder);
    println!("{SETS} metric sets, {} metrics, {METRIC_SET_MODELS} models:", SETS * 10);
    let best = |args: &[&str]| {
        let calls = (0..CALLS).map(|_| call(folder, args).0);
        calls.fold(f64::INFINITY, f64::min)
    };
    let generated = (0..CALLS)
        .map(|_| {
            let _ = fs::remove_dir_all(folder.join("models"));
            let _ = fs::remove_dir_all(folder.join("tests"));
            call(folder, &["generate"]).0
        })
        .fold(f64::INFINITY, f64::min);
    let (pushed, _) = call(folder, &["push", "--yes", "--no-parse"]);
    let unchanged = best(&["plan"]);
    let changed = set.replacen("metric_0 = ", "metric_0 = 2 * ", 1);
    assert_ne!(changed, set, "the set must have the metric");
    fs::write(folder.join("metrics/spec_0.yml"), changed).expect("the file must be written");
    let planned = best(&["plan"]);
    println!(
        "generate {generated:.2} s, push {pushed:.2} s, plan {unchanged:.2} s, after one metric changed {planned:.2} s"
    );
    generated <= SET_GOALS[0] && planned <= SET_GOALS[1]
}

fn main() -> ExitCode {
    let is_given = |name: &str| std::env::args().any(|argument| argument == name);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let is_missed =
        !metric_sets(&folder.join("metric_sets")) | (!is_given("--sets") && !measure_large_manifest(folder));
    if is_given("--check") && is_missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Measures commands on a project with a large manifest. Returns whether the goals are met.
fn measure_large_manifest(folder: &Path) -> bool {
    let folder = folder.join("large_project");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("target")).expect("the folder must be made");
    fs::write(folder.join("dbt_project.yml"), "name: shop\nprofile: shop\n").expect("the file must be written");
    let text = manifest::generate_manifest(manifest::MODELS);
    fs::write(folder.join("target/manifest.json"), &text).expect("the file must be written");
    println!("a manifest of {:.0} MB", text.len() as f64 / 1e6);
    let [of_first, of_changed, of_impact, of_plan, of_artifacts] = GOALS;
    let (first, _) = call(&folder, &["pull"]);
    println!("pull: cold {first:.2} s");
    let mut is_missed = first > of_first;
    let again = (0..CALLS)
        .map(|_| call(&folder, &["pull"]).0)
        .fold(f64::INFINITY, f64::min);
    println!("pull where nothing changed: {again:.2} s");
    let changed = (0..CALLS).map(|number| {
        let one = text.replacen(
            "Column 3 of model 777:",
            &format!("Column 3, changed {number} times:"),
            1,
        );
        fs::write(folder.join("target/manifest.json"), one).expect("the file must be written");
        call(&folder, &["pull"]).0
    });
    let changed = changed.fold(f64::INFINITY, f64::min);
    println!("pull where one model changed: {changed:.2} s");
    is_missed |= changed > of_changed;
    fs::write(folder.join("target/manifest.json"), &text).expect("the file must be written");
    // Move the pulled Omni files away, so that the impact analysis does not include Omni's fields.
    fs::rename(folder.join("omni"), folder.join("pulled")).expect("the folder must be moved");
    for (name, form) in [
        ("model_9000.column_3", "tree"),
        ("model_100.column_3", "tree"),
        ("model_1.column_3", "tree"),
        ("model_1", "tree"),
        ("model_1.column_3", "json"),
        ("model_1.column_3", "html"),
    ] {
        let format = if form == "json" {
            vec!["--json"]
        } else {
            vec!["--format", form]
        };
        let args = [&["impact", name], &*format].concat();
        let _ = fs::remove_dir_all(folder.join(".formulac"));
        let (cold, bytes) = call(&folder, &args);
        let warm = (0..CALLS).map(|_| call(&folder, &args).0).fold(f64::INFINITY, f64::min);
        println!(
            "impact {name} as {form}: {:.1} kB, cold {cold:.2} s, then {warm:.2} s",
            bytes as f64 / 1e3
        );
        is_missed |= warm > of_impact;
    }
    for (name, without, with) in specs(&folder, &text) {
        println!("{name} of {SPECS} specs: {without:.2} s, with the artifacts {with:.2} s");
        is_missed |= name == "plan" && without > of_plan || with - without > of_artifacts;
    }
    !is_missed
}
