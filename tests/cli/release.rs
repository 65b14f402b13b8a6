//! Tests `formulac release`, and `rollback` to a release.

use crate::repository::{commit, edit, git, snapshot, switch_user};
use crate::roles::create_project;
use crate::run::TestProject;

/// Creates a project with a change that was merged according to the rules: the specs were approved and the models were
/// pushed.
fn create_merged_project(name: &str) -> TestProject {
    let project = create_project(name);
    git(&project, &["switch", "--quiet", "-c", "after-tax"]);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    commit(&project, "after tax");
    project.succeed(&["change", "propose", "Revenue after tax"]);
    for name in ["fay", "dan"] {
        switch_user(&project, name);
        project.succeed(&["change", "approve", "rev"]);
    }
    switch_user(&project, "eve");
    project.succeed(&["push", "--yes", "--quiet"]);
    merge(&project, "after-tax");
    project
}

fn merge(project: &TestProject, branch: &str) {
    git(project, &["switch", "--quiet", "main"]);
    git(
        project,
        &[
            "merge",
            "--quiet",
            "--no-ff",
            "--message",
            &format!("Merge {branch}"),
            branch,
        ],
    );
}

#[test]
fn a_tested_and_approved_project_can_be_released() {
    let mut project = create_merged_project("release");
    project
        .show(&["release", "--dry-run"])
        .show(&["release"])
        .show(&["release", "--yes", "--message", "Revenue is after tax now."])
        .show(&["release", "--yes"])
        .show(&["release", "7"])
        .show(&["release", "--env", "development", "--yes", "--json"]);
    snapshot(&project, "release__made");
    assert_eq!(git(&project, &["tag"]), "v1\n");
    assert!(git(&project, &["tag", "--list", "--format=%(contents)"]).contains("Formulac-Release: production"));
    // The next release lists the changes since the previous release.
    git(&project, &["switch", "--quiet", "-c", "more"]);
    switch_user(&project, "ann");
    edit(&project, "metrics/revenue.yml", "SUM(tax)", "SUM(vat)");
    commit(&project, "vat");
    for (name, args) in [
        ("ann", ["change", "propose", "Value added tax"]),
        ("fay", ["change", "approve", "value"]),
        ("eve", ["change", "approve", "value"]),
    ] {
        switch_user(&project, name);
        project.succeed(&args);
    }
    project.succeed(&["push", "--yes", "--quiet"]);
    merge(&project, "more");
    switch_user(&project, "dan");
    let report = project.run(&["release", "--yes", "--json"]).json();
    assert_eq!(
        (report["release"].as_str(), report["after"].as_str()),
        (Some("v2"), Some("v1")),
        "{report}"
    );
    let text = report["text"].as_str().unwrap();
    let expected = "\nSince v1:\n  update revenue\n    revenue: SUM(amount) - SUM(tax) → SUM(amount) - SUM(vat)\n";
    assert!(text.ends_with(expected), "{text}");
    // Roll back to the first release. Production is protected, so the rollback creates a commit on a separate branch.
    project.run(&["rollback", "v1", "--env", "production", "--yes"]);
    assert!(project.read("metrics/revenue.yml").contains("SUM(tax)"));
    assert!(project.read("models/formulac/revenue.sql").contains("sum(tax)"));
    assert!(git(&project, &["branch", "--show-current"]).starts_with("formulac/production-"));
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
}

#[test]
fn all_obstacles_are_reported_in_one_run() {
    let mut project = create_merged_project("release_refused");
    switch_user(&project, "eve");
    // The change was committed directly on the branch without approval, and the files were not regenerated.
    edit(&project, "metrics/revenue.yml", "SUM(tax)", "SUM(fee)");
    project.show(&["release", "--yes"]);
    commit(&project, "quick fix");
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    commit(&project, "dbt");
    project.show(&["release", "--yes"]).show(&["rollback", "v9", "--yes"]);
    snapshot(&project, "release__refused");
    assert_eq!(git(&project, &["tag"]), "");
}

/// A commit that was made directly on the protected branch can be approved on a branch that is created from the commit.
#[test]
fn a_commit_without_approval_can_be_approved_later() {
    let project = create_merged_project("release_approved_later");
    switch_user(&project, "eve");
    edit(&project, "metrics/revenue.yml", "SUM(tax)", "SUM(fee)");
    commit(&project, "quick fix");
    let short = git(&project, &["rev-parse", "--short=7", "HEAD"]).trim().to_owned();
    let lacks = format!("{short} \"quick fix\" lacks");
    let refused = project.run(&["release", "--yes"]);
    assert!(refused.out.contains(&lacks), "{}", refused.out);
    let (branch, base) = (format!("approve-{short}"), format!("{short}~1"));
    let fix = format!("git switch -c {branch} {short} && formulac change propose TITLE --base {base}, then");
    assert!(refused.out.contains(&fix), "{}", refused.out);
    git(&project, &["switch", "--quiet", "-c", &branch, &short]);
    project.succeed(&["change", "propose", "Quick fix", "--base", &base]);
    for name in ["fay", "dan"] {
        switch_user(&project, name);
        project.succeed(&["change", "approve", "quick"]);
    }
    merge(&project, &branch);
    let released = project.run(&["release", "--yes"]);
    assert!(!released.out.contains("lacks"), "{}", released.out);
}

/// Changes that were pushed and rolled back are not listed. Changes that were pushed twice are listed once.
#[test]
fn release_notes_list_the_net_change() {
    let project = TestProject::new("release_net");
    let spec = |name: &str, formula: &str| {
        format!("model: {name}\nfrom: orders\nkeep: [id]\ndefinitions: |\n  {name}_value = {formula}\n")
    };
    let push = |file: &str, text: Option<String>| {
        match text {
            Some(text) => drop(project.write(file, text)),
            None => std::fs::remove_file(project.path(file)).unwrap(),
        }
        commit(&project, file);
        project.succeed(&["push", "--yes", "--quiet"]);
    };
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("metrics/a.yml", spec("a", "amount"));
    project
        .write("metrics/b.yml", spec("b", "amount * 2"))
        .write("metrics/gone.yml", spec("gone", "tax"));
    crate::repository::begin(&project);
    project.succeed(&["push", "--yes", "--quiet"]);
    let first = project.run(&["release", "--yes"]);
    assert_eq!(
        first.out, "v1\n\nThe first release, of 3 models:\n  a\n  b\n  gone\n",
        "{}",
        first.err
    );
    push("metrics/a.yml", Some(spec("a", "amount * 3")));
    push("metrics/new.yml", Some(spec("new", "amount - tax")));
    project.succeed(&["rollback", "1", "--yes"]);
    push("metrics/b.yml", Some(spec("b", "amount * 4")));
    push("metrics/b.yml", Some(spec("b", "amount * 5")));
    push("metrics/more.yml", Some(spec("more", "amount\n    + tax")));
    push("metrics/gone.yml", None);
    let next = project.run(&["release", "--yes"]);
    let expected = "v2\n\nSince v1:\n  update b\n    b_value: amount * 2 → amount * 5\n  delete gone\n  create more\n    \
                    more_value: amount + tax\n";
    assert_eq!(next.out, expected, "{}", next.err);
    // The log entry of a rollback contains its target and the models that it changed.
    let log = project.run(&["log", "new"]).out;
    assert!(
        log.contains("  rollback  ") && log.contains("        back to entry 1, ") && log.contains("delete new"),
        "{log}"
    );
    let is_long = |word: &str| word.len() > 40 && word.chars().all(|c| c.is_ascii_hexdigit());
    assert!(!project.run(&["log"]).out.split_whitespace().any(is_long));
}

/// Release notes compare the current specs with those of the last release. The specs of the last release may be in
/// another folder, and may read models that no longer exist.
#[test]
fn release_notes_read_the_specs_of_the_last_release() {
    let project = TestProject::new("release_moved_specs");
    let spec = |name: &str, from: &str, formula: &str| {
        format!("model: {name}\nfrom: {from}\nkeep: [id]\ndefinitions: |\n  {name}_value = {formula}\n")
    };
    let write = |folder: &str, specs: &[(&str, &str, &str)]| {
        project.write("formulac.yml", format!("dialect: duckdb\nspecs: {folder}/\n"));
        for (name, from, formula) in specs {
            project.write(&format!("{folder}/{name}.yml"), spec(name, from, formula));
        }
    };
    write(
        "metrics",
        &[("a", "ref('base')", "base_value"), ("base", "orders", "amount")],
    );
    crate::repository::begin(&project);
    project.succeed(&["push", "--yes", "--quiet"]);
    project.succeed(&["release", "--yes", "--quiet"]);
    std::fs::remove_dir_all(project.path("metrics")).unwrap();
    write("other", &[("a", "orders", "amount * 2")]);
    commit(&project, "another folder");
    project.succeed(&["push", "--yes", "--quiet"]);
    let run = project.run(&["release", "--yes"]);
    let expected = "v2\n\nSince v1:\n  update a\n    a_value: base_value → amount * 2\n  delete base\n";
    assert_eq!(run.out, expected, "{}", run.err);
}

/// `dbt docs generate` overwrites the results of the build, so the message suggests an order of commands that works.
#[test]
fn overwritten_test_results_are_reported() {
    let project = TestProject::new("release_results");
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write(".gitignore", "target/\n");
    project.write(
        "metrics/a.yml",
        "model: a\nfrom: orders\nkeep: [id]\ndefinitions: b = amount * 2\n",
    );
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    crate::repository::begin(&project);
    project.succeed(&["push", "--yes", "--quiet"]);
    let left_by = |which: &str, status: &str| {
        let metadata = |kind: &str| {
            format!(
                r#""metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/{kind}.json", "generated_at": "2100-01-01T00:00:00Z"}}"#
            )
        };
        project.write(
            "target/manifest.json",
            format!("{{{}, \"nodes\": {{}}}}", metadata("manifest/v12")),
        );
        let results = format!(
            r#"{{{}, "args": {{"which": "{which}"}}, "results": [{{"unique_id": "test.shop.t.1", "status": "{status}"}}]}}"#,
            metadata("run-results/v6")
        );
        project.write("target/run_results.json", results);
        project.run(&["release", "--dry-run"])
    };
    let run = left_by("generate", "success");
    let expected = "error: no test results are known: `dbt docs generate` has overwritten the results of the last build in \
                    target/run_results.json\n  fix it with: dbt build && dbt docs generate --no-compile\n";
    assert!(run.exit == 1 && run.out.contains(expected), "{}{}", run.out, run.err);
    for status in ["fail", "pass"] {
        // formulac saves the results of an earlier build that it has read, and uses these results.
        let exit = i32::from(status == "fail");
        let run = left_by("build", status);
        assert_eq!(run.exit, exit, "{}{}", run.out, run.err);
        let run = left_by("generate", "success");
        assert_eq!(run.exit, exit, "{}{}", run.out, run.err);
    }
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
}

/// `release` finds the results of a build in dbt's log, so they do not have to be read before `dbt docs generate`.
#[test]
fn overwritten_test_results_are_read_from_the_log() {
    let project = TestProject::new("release_log");
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write(".gitignore", "target/\nlogs/\n");
    project.write(
        "metrics/a.yml",
        "model: a\nfrom: orders\nkeep: [id]\ndefinitions: b = amount * 2\n",
    );
    project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
    crate::repository::begin(&project);
    project.succeed(&["push", "--yes", "--quiet"]);
    let metadata = |kind: &str| {
        format!(
            r#""metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/{kind}.json", "generated_at": "2100-01-01T00:00:00Z"}}"#
        )
    };
    project.write(
        "target/manifest.json",
        format!("{{{}, \"nodes\": {{}}}}", metadata("manifest/v12")),
    );
    let results = r#""args": {"which": "generate"}, "results": [{"unique_id": "test.shop.t.1", "status": "success"}]"#;
    project.write(
        "target/run_results.json",
        format!("{{{}, {results}}}", metadata("run-results/v6")),
    );
    project.write("target/run/shop/models/t.sql", "select 1");
    let left_by = |target: &str, node: &str| {
        let entries = [
            ("MainThread", "Running with dbt=1.12.6".to_owned()),
            (
                "MainThread",
                format!("running dbt with arguments {{'target_path': '{target}'}}"),
            ),
            ("Thread-1 (", format!("1 of 1 {node} t ......... [{node} in 0.90s]")),
            ("Thread-1 (", "Finished running node test.shop.t.1".to_owned()),
            (
                "MainThread",
                "Command `dbt build` succeeded at 16:36:34.742795 after 28.11 seconds".to_owned(),
            ),
        ];
        let log: String = entries
            .iter()
            .map(|(thread, text)| format!("16:36:33.656652 [info ] [{thread}]: {text}\n"))
            .collect();
        project.write("logs/dbt.log", log);
        project.run(&["release", "--dry-run"])
    };
    let run = left_by("None", "PASS");
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    let run = left_by("None", "FAIL 3");
    assert!(
        run.exit == 1 && run.out.contains("1 failed in dbt's last run: t"),
        "{}{}",
        run.out,
        run.err
    );
    let run = left_by("target/other", "PASS");
    assert!(
        run.exit == 1 && run.out.contains("no test results are known"),
        "{}{}",
        run.out,
        run.err
    );
    // Files that changed after the build are considered untested, including files that formulac wrote.
    project.write("models/other.sql", "select 1").write(
        "models/own.sql",
        "{# formulac: edit metrics/own.yml, not this file. 831165ade6473aa2 #}\nselect 2\n",
    );
    crate::repository::commit(&project, "another model");
    let run = left_by("None", "PASS");
    assert!(
        run.out
            .contains("2 files are newer than dbt's last run: models/other.sql, models/own.sql"),
        "{}{}",
        run.out,
        run.err
    );
}
