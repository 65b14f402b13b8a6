//! Tests `--watch`, which repeats a command after each change.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::run::TestProject;

/// Maximum time until a change is noticed, on a machine that also runs other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Command that waits for changes.
struct Watch {
    process: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(project: &TestProject, args: &[&str]) -> Self {
        let mut command = project.command(args);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(process.stdout.take().unwrap()),
            Box::new(process.stderr.take().unwrap()),
        ];
        for stream in streams {
            let sender = sender.clone();
            thread::spawn(move || {
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                lines.for_each(|line| drop(sender.send(line)));
            });
        }
        Self { process, lines }
    }

    /// Waits until a run that prints `text` has finished. Returns the lines that were printed.
    fn wait_for(&self, text: &str) -> Vec<String> {
        // The streams are read in parallel, so their lines can arrive in any order.
        let mut missing = vec![text, "waiting for changes"];
        let mut seen = Vec::new();
        while !missing.is_empty() {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    missing.retain(|text| !line.contains(text));
                    seen.push(line);
                }
                Err(error) => panic!("no line contains {missing:?}: {error}\n{}", seen.join("\n")),
            }
        }
        seen
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project.write("formulac.yml", "dialect: duckdb\nspecs: specs/\n");
    project.write("dbt_project.yml", "name: shop\nmodel-paths: [models]\n");
    project.write("models/.gitkeep", "");
    project.write(
        "specs/sales.yml",
        "model: sales\nfrom: orders\ndefinitions: revenue = SUM(amount)\n",
    );
    project
}

#[test]
fn check_reports_errors_after_each_change() {
    const CORRECT: &str = "model: sales\nfrom: orders\ndefinitions: revenue = SUM(amount)\n";
    let project = project("watch_check");
    let watch = Watch::start(&project, &["check", "--watch"]);
    watch.wait_for("no problems");
    project.write("specs/sales.yml", CORRECT.replace("SUM", "SUMM"));
    watch.wait_for("F0301");
    project.write("formulac.yml", "dialect: [\n");
    watch.wait_for("formulac.yml");
    project.write("formulac.yml", "dialect: duckdb\nspecs: specs/\n");
    watch.wait_for("F0301");
    // Editors write swap files next to the edited file.
    project.write("specs/.sales.yml.swp", "");
    project.write("specs/sales.yml", CORRECT);
    watch.wait_for("no problems");
}

/// A run also reads `known.yml`, the dbt profile and Omni's files.
#[test]
fn changes_to_all_files_that_a_run_reads_are_detected() {
    let project = project("watch_facts");
    let profile = |adapter: &str| format!("shop: {{target: dev, outputs: {{dev: {{type: {adapter}}}}}}}\n");
    project
        .write("formulac.yml", "specs: specs/\n")
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("profiles.yml", profile("duckdb"));
    let watch = Watch::start(&project, &["check", "--watch"]);
    watch.wait_for("no problems");
    project.write(
        ".formulac/state/known.yml",
        "relations:\n  orders:\n    columns:\n      amount: text\n",
    );
    watch.wait_for("F04");
    std::fs::remove_dir_all(project.path(".formulac")).unwrap();
    watch.wait_for("no problems");
    project.write(
        "omni/sales.view.yaml",
        "table_name: sales\ndimensions:\n  revenue: {sql: \"${amount} * 2\"}\n",
    );
    watch.wait_for("W0712");
    std::fs::remove_dir_all(project.path("omni")).unwrap();
    watch.wait_for("no problems");
    project.write("profiles.yml", profile("bigquery"));
    watch.wait_for("no problems");
}

/// The files that a run writes do not cause another run.
#[test]
fn a_run_is_not_triggered_by_its_own_files() {
    let project = project("watch_own_files");
    project.write("target/manifest.json", r#"{"metadata": {"adapter_type": "duckdb"}, "nodes": {"model.shop.orders": {"name": "orders", "resource_type": "model", "package_name": "shop", "unique_id": "model.shop.orders", "columns": {"amount": {"name": "amount", "data_type": "integer"}}}}}"#);
    project.write(
        "specs/sales.yml",
        "model: sales\nfrom: ref('orders')\ndefinitions: revenue = SUM(amount)\n",
    );
    let watch = Watch::start(&project, &["generate", "--watch"]);
    watch.wait_for("sales.sql");
    assert!(project.path(".formulac/state/known.yml").is_file());
    assert!(watch.lines.recv_timeout(Duration::from_secs(2)).is_err());
}

/// Each run reads the project several times.
#[test]
fn each_run_prints_a_warning_once() {
    let project = project("watch_warnings");
    project.write(
        "dbt_project.yml",
        "name: shop\nmodel-paths: [\"{{ folder_of('models') }}\"]\n",
    );
    let watch = Watch::start(&project, &["check", "--watch"]);
    for function in ["MIN", "MAX"] {
        let lines = watch.wait_for("1 file checked").join("\n");
        assert_eq!(lines.matches("cannot resolve the Jinja").count(), 1, "{lines}");
        let spec = format!("model: sales\nfrom: orders\ndefinitions: revenue = {function}(amount)\n");
        project.write("specs/sales.yml", spec);
    }
}

#[test]
fn generate_writes_files_after_each_change() {
    let project = project("watch_generate");
    let watch = Watch::start(&project, &["generate", "--watch"]);
    watch.wait_for("sales.sql");
    project.write("specs/new.yml", "model: new\nfrom: sales\nkeep: all\n");
    watch.wait_for("new.sql");
    assert!(project.read("models/formulac/new.sql").contains("revenue"));
}

#[test]
fn watch_ends_if_nobody_reads_the_output() {
    let project = project("watch_closed");
    project.write(
        "specs/sales.yml",
        "model: sales\nfrom: orders\ndefinitions: revenue = SUMM(amount)\n",
    );
    let mut command = project.command(&["check", "--watch"]);
    // Close the reader before the command starts. Otherwise, the command could print all its errors before the reader
    // is closed.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut process = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..600 {
        if process.try_wait().unwrap().is_some() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    let _ = process.kill();
    panic!("the command must end");
}

#[test]
fn watch_needs_files_and_prints_no_json() {
    let mut place = project("watch_usage");
    place
        .show(&["check", "--watch", "-"])
        .show(&["check", "--watch", "--json"])
        .show(&["generate", "--watch", "--check"])
        .show(&["generate", "--watch", "--validate"]);
    insta::assert_snapshot!("watch__usage", place.transcript());
}
