//! Tests an Omni model in a repository of its own: `push`, `release` and `rollback` commit dbt's repository first and
//! the Omni model's repository second. If a command fails or is killed between the two commits, the next command
//! completes the change.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::repository::{git_in, git_init};
use crate::run::{Run, TestProject, finish};

const SPEC: &str = "model: revenue\nfrom: ref('orders')\nkeep: all\ndefinitions: |\n  net = amount - tax\n";
pub const VIEW: &str = "omni-model/main/orders.view.yaml";

/// Returns a manifest whose model has a column with this description.
fn manifest(description: &str) -> String {
    let column = |name: &str, text: &str| json!({"name": name, "data_type": "integer", "description": text});
    let orders = json!({
        "unique_id": "model.shop.orders", "name": "orders", "resource_type": "model", "package_name": "shop",
        "path": "orders.sql", "original_file_path": "models/orders.sql", "fqn": ["shop", "orders"], "database": "db",
        "schema": "main", "alias": "orders", "relation_name": "db.main.orders",
        "columns": {"amount": column("amount", description), "tax": column("tax", "")},
        "config": {"materialized": "table"}, "depends_on": {"nodes": []},
    });
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "project_name": "shop",
            "adapter_type": "duckdb",
        },
        "nodes": {"model.shop.orders": orders}, "sources": {},
    })
    .to_string()
}

pub fn git(project: &TestProject, folder: &str, args: &[&str]) -> String {
    git_in(&project.path(folder), args)
}

pub fn command(project: &TestProject, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.current_dir(project.path("project"));
    command
}

pub fn run(project: &TestProject, args: &[&str]) -> Run {
    finish(command(project, args))
}

pub fn run_well(project: &TestProject, args: &[&str]) -> Run {
    let run = run(project, args);
    assert_eq!(run.exit, 0, "{args:?}: {}{}", run.out, run.err);
    run
}

fn pull(project: &TestProject, description: &str) {
    project.write("project/target/manifest.json", manifest(description));
    run_well(project, &["pull"]);
}

/// Creates both repositories. The Omni model has one file that no pull wrote, and this file has an uncommitted change.
pub fn project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    let settings = "dialect: duckdb\nomni: {path: ../omni-model}\nenvironments:\n  dev: {}\n  prod: {branch: main, \
                    protected: true}\n";
    project
        .write("project/formulac.yml", settings)
        .write("project/dbt_project.yml", "name: shop\nprofile: shop\n");
    project
        .write("project/.gitignore", "target/\n.formulac/local/\n")
        .write("project/metrics/revenue.yml", SPEC);
    project.write("omni-model/own.topic.yaml", "base_view: orders\n");
    for folder in ["project", "omni-model"] {
        git_init(&project.path(folder));
        git(&project, folder, &["add", "--all"]);
        git(&project, folder, &["commit", "--quiet", "--message", "start"]);
    }
    project.write("omni-model/own.topic.yaml", "base_view: orders\nlabel: not finished\n");
    project
}

/// Creates a project that was pushed once, and then pulled and changed again.
pub fn create_pushed_project(name: &str) -> TestProject {
    let project = project(name);
    pull(&project, "Before tax.");
    run_well(&project, &["push", "--yes"]);
    pull(&project, "Before all taxes.");
    project.write(
        "project/metrics/revenue.yml",
        SPEC.replace("amount - tax", "amount - tax * 2"),
    );
    project
}

pub fn last_message(project: &TestProject, folder: &str) -> String {
    git(project, folder, &["log", "-1", "--format=%B"])
}

pub fn trailer(message: &str, key: &str) -> String {
    let found = message.lines().find_map(|line| line.strip_prefix(&format!("{key}: ")));
    found.unwrap_or_else(|| panic!("no {key} in {message}")).to_owned()
}

/// Returns the titles of the commits and the uncommitted files of both repositories.
pub fn state(project: &TestProject) -> [String; 4] {
    let of = |folder: &str| {
        let titles = git(project, folder, &["log", "--format=%s"]);
        [titles, git(project, folder, &["status", "--porcelain"])]
    };
    let [[dbt, dbt_status], [omni, omni_status]] = ["project", "omni-model"].map(of);
    [dbt, dbt_status, omni, omni_status]
}

#[test]
fn a_push_commits_both_repositories() {
    let project = project("omni_repository/push");
    pull(&project, "Before tax.");
    let output = run_well(&project, &["status"]).out;
    assert!(
        output.contains("1 file is not committed in ../omni-model: main/orders.view.yaml"),
        "{output}"
    );
    let plan = run_well(&project, &["plan"]).out;
    assert!(
        plan.contains("commits in ../omni-model:\n  main/orders.view.yaml\n"),
        "{plan}"
    );
    assert!(plan.contains("1 file to commit in ../omni-model"), "{plan}");
    let start = git(&project, "omni-model", &["rev-parse", "HEAD"]);
    run_well(&project, &["push", "--yes"]);
    let [dbt, omni] = ["project", "omni-model"].map(|folder| last_message(&project, folder));
    assert_eq!(trailer(&dbt, "Formulac-Entry"), trailer(&omni, "Formulac-Entry"));
    assert_eq!(
        trailer(&dbt, "Formulac-Omni"),
        format!("../omni-model, the commit after {}", &start[..12])
    );
    let head = git(&project, "project", &["rev-parse", "HEAD"]);
    assert_eq!(
        trailer(&omni, "Formulac-Dbt"),
        format!("project, commit {}", head.trim())
    );
    // A file that no pull wrote is not part of the commit.
    assert_eq!(
        state(&project)[1..],
        ["", "create revenue\nstart\n", " M own.topic.yaml\n"]
            .map(str::to_owned)
            .map(|text| text.replace("create revenue", "Create revenue"))
    );
    let output = run_well(&project, &["status"]).out;
    assert!(
        output.contains("✓ repositories") && output.contains("../omni-model on main ("),
        "{output}"
    );
    // Only the Omni model has changed since the push.
    project.write(VIEW, project.read(VIEW) + "# Reviewed.\n");
    let pushed = run_well(&project, &["push", "--yes", "--json"]).json();
    assert_eq!(pushed["omni"]["files"], json!(["main/orders.view.yaml"]));
    assert_eq!(pushed["pushed"]["omni"]["repository"], "../omni-model");
    assert_eq!(git(&project, "project", &["status", "--porcelain"]), "");
    assert!(last_message(&project, "project").starts_with("Files of the Omni model\n"));
    assert!(
        run_well(&project, &["push", "--yes"])
            .out
            .contains("Specs, dbt and Omni agree.")
    );
}

/// Pulls a model that a properties file describes.
fn pull_described(project: &TestProject, description: &str) {
    let with_patch = manifest(description).replace(
        r#""original_file_path":"models/orders.sql""#,
        r#""original_file_path":"models/orders.sql","patch_path":"shop://models/orders.yml""#,
    );
    project.write("project/target/manifest.json", with_patch);
    run_well(project, &["pull"]);
}

/// Creates a project that was pushed once, and whose model is described in a properties file.
fn create_described_project(name: &str) -> TestProject {
    let project = project(name);
    let properties =
        "models:\n  - name: orders\n    columns:\n      - name: amount\n        description: Before tax.\n";
    project.write("project/models/orders.yml", properties);
    pull_described(&project, "Before tax.");
    git(&project, "project", &["add", "--all"]);
    git(&project, "project", &["commit", "--quiet", "--message", "columns"]);
    run_well(&project, &["push", "--yes"]);
    project
}

/// A description that was edited in Omni is written to dbt's file, and the edited view is committed to the Omni model's
/// repository.
#[test]
fn a_push_commits_an_edited_description_in_both_repositories() {
    for is_committed in [false, true] {
        let project = create_described_project(&format!("omni_repository/description_{is_committed}"));
        project.write(VIEW, project.read(VIEW).replace("Before tax.", "Without tax."));
        if is_committed {
            git(
                &project,
                "omni-model",
                &["commit", "--quiet", "--message", "text", "main"],
            );
        }
        run_well(&project, &["push", "--yes"]);
        assert!(project.read("project/models/orders.yml").contains("Without tax."));
        assert_eq!(state(&project)[1], "");
        assert_eq!(state(&project)[3], " M own.topic.yaml\n");
    }
}

/// The author of a committed description is found in the Omni model's repository.
#[test]
fn a_conflict_names_the_author_in_the_omni_model() {
    let project = create_described_project("omni_repository/author");
    project.write(VIEW, project.read(VIEW).replace("Before tax.", "Without tax."));
    let plan = run_well(&project, &["plan"]).out;
    assert!(!plan.contains("conflict 1"), "{plan}");
    git(
        &project,
        "omni-model",
        &["commit", "--quiet", "--message", "Analyst's text", "main"],
    );
    let properties = project.read("project/models/orders.yml");
    project.write("project/models/orders.yml", properties.replace("Before tax.", "Net."));
    let plan = run(&project, &["plan"]).out;
    let ours = plan.lines().find(|line| line.trim_start().starts_with("ours")).unwrap();
    assert!(ours.contains("Ann") && ours.contains("\"Analyst's text\""), "{plan}");
}

#[test]
fn a_protected_environment_has_the_same_branch_in_both_repositories() {
    let project = create_pushed_project("omni_repository/protected");
    let pushed = run_well(&project, &["push", "--yes", "--env", "prod"]);
    let branches = ["project", "omni-model"].map(|folder| git(&project, folder, &["branch", "--show-current"]));
    assert!(
        branches[0].starts_with("formulac/prod-") && branches[0] == branches[1],
        "{branches:?}"
    );
    // Somebody has to merge the branches of both repositories.
    let branch = branches[0].trim();
    let message = format!("merge the branch {branch} of ../omni-model at the same time");
    assert!(pushed.err.contains(&message), "{}", pushed.err);
    let request = project.read("project/.formulac/local/merge_request.md");
    assert!(
        request.contains("**Merge together**: the branch with the same name in `../omni-model`"),
        "{request}"
    );
    for folder in ["project", "omni-model"] {
        git(&project, folder, &["switch", "--quiet", "main"]);
    }
    git(&project, "project", &["merge", "--quiet", "--ff-only", branch]);
    let plan = run_well(&project, &["plan"]);
    assert!(
        plan.err.contains(&format!("run `git -C ../omni-model merge {branch}`")),
        "{}",
        plan.err
    );
}

/// A clone of the Omni model that lacks the commit of the last push contains older descriptions, which nobody edited.
#[test]
fn older_files_of_the_omni_model_are_not_edits() {
    let project = create_described_project("omni_repository/behind");
    git(&project, "omni-model", &["branch", "old"]);
    let properties = project.read("project/models/orders.yml");
    project.write("project/models/orders.yml", properties.replace("Before", "Without"));
    git(
        &project,
        "project",
        &["commit", "--quiet", "--all", "--message", "text"],
    );
    pull_described(&project, "Without tax.");
    run_well(&project, &["push", "--yes"]);
    let now = git(&project, "omni-model", &["rev-parse", "HEAD"]);
    // This local branch is not the branch `main` of a remote.
    git(&project, "omni-model", &["branch", "--force", "feature/main"]);
    git(&project, "omni-model", &["reset", "--quiet", "--keep", "old"]);
    assert!(project.read(VIEW).contains("Before tax."));
    let warning = "lacks the commit that corresponds to";
    for args in [["plan", "--json"], ["push", "--yes"]] {
        let run = run_well(&project, &args);
        assert!(run.err.contains(warning), "{}", run.err);
        assert!(
            run.err.contains("run `git -C ../omni-model merge feature/main`"),
            "{}",
            run.err
        );
    }
    // A pull would interpret the older files as edits, too.
    for args in [&["pull"][..], &["pull", "--check"]] {
        let pull = run(&project, args);
        let fix = "run `git -C ../omni-model merge feature/main`";
        assert!(
            pull.exit == 5 && pull.err.contains(warning) && pull.err.contains(fix),
            "{}",
            pull.err
        );
    }
    assert!(project.read(VIEW).contains("Before tax."));
    let status = run(&project, &["status"]);
    assert!(
        status.out.contains(warning) && !status.out.contains("formulac pull"),
        "{}",
        status.out
    );
    assert!(project.read("project/models/orders.yml").contains("Without tax."));
    assert_eq!(state(&project)[1], "");
    let release = run(&project, &["release", "--yes"]);
    assert!(release.exit == 1 && release.out.contains(warning), "{}", release.out);
    // A squash merge leaves the trailer in the middle of the message.
    let entry = trailer(&last_message(&project, "project"), "Formulac-Entry");
    let message = format!("Merge\n\n* Update\n\nFormulac-Entry: {entry}\n\n* more\n");
    git(
        &project,
        "omni-model",
        &["commit", "--quiet", "--allow-empty", "--message", &message],
    );
    assert!(!run_well(&project, &["plan"]).err.contains(warning));
    git(&project, "omni-model", &["reset", "--quiet", "--keep", now.trim()]);
    assert!(run_well(&project, &["plan"]).out.contains("Specs, dbt and Omni agree."));
}

#[test]
fn a_missing_or_unfinished_repository_is_reported_before_anything_changes() {
    let project = create_pushed_project("omni_repository/missing");
    let before = state(&project);
    let cases: [(&dyn Fn(), &str); 3] = [
        (
            &|| drop(git(&project, "omni-model", &["switch", "--quiet", "--detach"])),
            "../omni-model: HEAD is detached",
        ),
        (
            &|| {
                project.write("omni-model/.git/MERGE_HEAD", "");
            },
            "../omni-model: a merge is not finished",
        ),
        (
            &|| fs::rename(project.path("omni-model/.git"), project.path("kept")).unwrap(),
            "must be the root of a separate git",
        ),
    ];
    for (harm, expected) in cases {
        harm();
        let run = run(&project, &["push", "--yes"]);
        assert!(
            run.exit == 5 && run.err.contains(expected),
            "{expected}: {}{}",
            run.out,
            run.err
        );
        let output = run_well(&project, &["status"]).out;
        assert!(
            expected.contains("detached") || output.contains("✗ repositories"),
            "{output}"
        );
    }
    fs::rename(project.path("kept"), project.path("omni-model/.git")).unwrap();
    fs::remove_file(project.path("omni-model/.git/MERGE_HEAD")).unwrap();
    git(&project, "omni-model", &["switch", "--quiet", "main"]);
    assert_eq!(state(&project), before);
}

/// Git sets variables such as `GIT_DIR` and `GIT_INDEX_FILE` for hooks and aliases. They select dbt's repository, so
/// git in the Omni model's repository must not use them.
#[cfg(unix)]
#[test]
fn variables_of_hooks_apply_only_to_the_repository_of_the_hook() {
    let project = project("omni_repository/hook");
    git(
        &project,
        "project",
        &["worktree", "add", "--quiet", "../work", "-b", "work"],
    );
    project.write("work/target/manifest.json", manifest("Before tax."));
    let hook = format!(
        "#!/bin/sh\n[ -n \"$IN_HOOK\" ] && exit\nexport IN_HOOK=1\n{0} pull && {0} push --yes --no-parse\n",
        env!("CARGO_BIN_EXE_formulac")
    );
    project.program("project/.git/hooks/post-commit", &hook);
    project.write("work/metrics/revenue.yml", format!("{SPEC}# Reviewed.\n"));
    git(&project, "work", &["commit", "--quiet", "--all", "--message", "review"]);
    let files = |folder: &str| {
        git(
            &project,
            folder,
            &["log", "--name-only", "--format=", "work", "--", "main"],
        )
    };
    assert_eq!(files("work"), "");
    assert_eq!(git(&project, "work", &["status", "--porcelain"]), "");
    let omni = git(&project, "omni-model", &["log", "-1", "--name-only", "--format="]);
    assert_eq!(omni.trim(), "main/orders.view.yaml");
    // A foreign `GIT_DIR` does not redirect the commits of dbt's repository either.
    let before = git(&project, "omni-model", &["rev-parse", "HEAD"]);
    project.write("project/target/manifest.json", manifest("Before all taxes."));
    let mut push = command(&project, &["push", "--yes", "--json"]);
    push.env("GIT_DIR", project.path("omni-model/.git"));
    let run = finish(push);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(last_message(&project, "project").contains("Formulac-Entry"));
    let after = git(&project, "omni-model", &["rev-parse", "HEAD"]);
    assert_eq!(after, before, "only dbt's repository has changed files");
}
