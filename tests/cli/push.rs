//! Tests `formulac plan`, `push`, `log` and `rollback` in real git repositories.

use std::fs;

use crate::repository::{self, begin, commit, edit, git, switch_user};
use crate::run::{TestProject, finish};

pub const PROJECT: &str = "dialect: duckdb\nspecs: metrics/\nenvironments:\n  dev: {connection: dev}\n  prod: {connection: prod, branch: main, protected: true}\n";
pub const REVENUE: &str = "\
model: revenue
description: Revenue by country.
from: orders
group_by: country
definitions: |
  /// Before tax.
  revenue = SUM(amount)
  // counted once
  customers = COUNT(DISTINCT(customer_id))
columns:
  country: {data_tests: [not_null]}
";
const SHARE: &str = "model: share\nfrom: ref('revenue')\nkeep: all\ndefinitions: share = revenue / SUM(revenue:revenue)\ncolumns:\n  country: {data_tests: [not_null]}\n";

/// Creates a project in its own repository, with its specs committed.
pub fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", PROJECT)
        .write("metrics/revenue.yml", REVENUE)
        .write("metrics/share.yml", SHARE);
    begin(&project);
    project
}

pub fn snapshot(project: &TestProject, name: &str) {
    repository::snapshot(project, &format!("push__push__{name}"));
}

#[test]
fn specs_become_a_commit() {
    let mut project = create_project("push");
    project.write("notes.txt", "mine").write("staged.txt", "mine too");
    git(&project, &["add", "staged.txt"]);
    project
        .show(&["plan"])
        .show(&["push"])
        .show(&["push", "--yes"])
        .show(&["plan"])
        .show(&["push", "--yes"]);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    project
        .show(&["push", "--yes", "--message", "Revenue after tax"])
        .show(&["log"])
        .show(&["log", "share", "--json"]);
    snapshot(&project, "specs_become_a_commit");
    // The commits contain no unrelated files, and staged files remain staged.
    assert_eq!(
        git(&project, &["status", "--porcelain"]),
        "A  staged.txt\n?? notes.txt\n"
    );
    let names = git(&project, &["show", "--name-only", "--format=%an <%ae>%n%B", "HEAD~1"]);
    insta::with_settings!({filters => [(r"\b[0-9a-f]{64}\b", "[hash]"), (r"\d{8}T\d{12}Z-[0-9a-f]{12}", "[entry]")]}, {
        insta::assert_snapshot!(names);
    });
}

#[test]
fn one_sided_edits_are_merged_and_conflicts_are_reported() {
    let mut project = create_project("push_merge");
    project.run(&["push", "--yes"]);
    // A colleague adds a description and tests to dbt's file while an analyst works on the spec.
    edit(
        &project,
        "models/formulac/revenue.yml",
        "Before tax.",
        "Before tax, in euros.",
    );
    edit(
        &project,
        "models/formulac/revenue.yml",
        "      - name: customers\n",
        "      - name: customers\n        data_tests:\n          - not_null\n",
    );
    edit(
        &project,
        "models/formulac/revenue.yml",
        "models:",
        "# looked through by Bob\nmodels:",
    );
    commit(&project, "Say what the revenue is in");
    edit(
        &project,
        "metrics/revenue.yml",
        "COUNT(DISTINCT(customer_id))",
        "COUNT(customer_id)",
    );
    project.show(&["plan"]).show(&["push", "--yes"]).show(&["plan"]);
    let spec = project.read("metrics/revenue.yml");
    assert!(
        spec.contains("/// Before tax, in euros.\n") && spec.contains("// counted once"),
        "{spec}"
    );
    // Next, both people change the same text in different ways.
    edit(&project, "models/formulac/revenue.yml", "in euros", "in dollars");
    commit(&project, "Dollars, I think");
    edit(&project, "metrics/revenue.yml", "in euros", "in pounds");
    project.show(&["push", "--yes"]).show(&["plan", "--json"]);
    snapshot(&project, "one_sided_edits_are_merged_and_conflicts_are_reported");
    assert!(project.read("metrics/revenue.yml").contains("in pounds"));
    assert!(project.read("models/formulac/revenue.yml").contains("in dollars"));
}

#[test]
fn properties_that_no_spec_can_express_are_kept() {
    let mut project = create_project("push_keep");
    project.run(&["push", "--yes"]);
    edit(
        &project,
        "models/formulac/revenue.sql",
        "group by country",
        "group by country\nhaving count(*) % 7 < 3",
    );
    commit(&project, "Large countries only");
    project.show(&["plan"]).show(&["push", "--yes"]);
    // A change elsewhere in the model is merged with the edit, but a change that rewrites the same lines is not.
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount - tax)");
    project.show(&["push", "--yes"]);
    assert!(
        project
            .read("models/formulac/revenue.sql")
            .contains("having count(*) % 7 < 3")
    );
    assert!(
        project
            .read("models/formulac/revenue.sql")
            .contains("sum(amount - tax)")
    );
    fs::remove_file(project.path("metrics/revenue.yml")).unwrap();
    fs::remove_file(project.path("metrics/share.yml")).unwrap();
    project.show(&["push", "--yes"]);
    snapshot(&project, "properties_that_no_spec_can_express_are_kept");
    assert!(project.path("models/formulac/revenue.sql").is_file());
}

#[test]
fn deleting_a_spec_deletes_its_files() {
    let mut project = create_project("push_delete");
    project.run(&["push", "--yes"]);
    git(&project, &["rm", "--quiet", "metrics/share.yml"]);
    project
        .show(&["plan"])
        .show(&["push", "--yes"])
        .show(&["rollback"])
        .show(&["rollback", "1", "--yes"])
        .show(&["plan"])
        .show(&["log", "--limit", "2"]);
    snapshot(&project, "deleting_a_spec_deletes_its_files");
    assert!(project.path("metrics/share.yml").is_file() && project.path("models/formulac/share.sql").is_file());
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
}

/// `generate` removes the files of deleted specs and tests. The push commits their removal.
#[test]
fn a_push_commits_what_generate_has_removed() {
    let project = create_project("push_generated_delete");
    edit(
        &project,
        "metrics/revenue.yml",
        "columns:",
        "rules: [positive: revenue >= 0, some: customers > 0]\ncolumns:",
    );
    project.succeed(&["push", "--yes"]);
    let test = "tests/formulac/assert_revenue_positive.sql";
    assert!(project.path(test).is_file(), "{:?}", project.files("tests/formulac"));
    let steps: [(&str, &dyn Fn()); 3] = [
        ("a test", &|| {
            edit(&project, "metrics/revenue.yml", "positive: revenue >= 0, ", "");
        }),
        ("the name of a model", &|| {
            edit(&project, "metrics/share.yml", "model: share", "model: part");
        }),
        ("a model", &|| {
            fs::remove_file(project.path("metrics/share.yml")).unwrap();
        }),
    ];
    for (what, change) in steps {
        change();
        assert_eq!(project.run(&["generate"]).exit, 0, "{what}");
        let run = project.run(&["push", "--yes"]);
        assert_eq!(run.exit, 0, "{what}: {}", run.err);
        assert_eq!(git(&project, &["status", "--porcelain"]), "", "{what}");
        assert_eq!(project.run(&["generate", "--check"]).exit, 0, "{what}");
    }
    let files = git(&project, &["ls-files", "models", "tests"]);
    assert!(
        !files.contains("share") && !files.contains("part") && !files.contains("positive"),
        "{files}"
    );
}

/// A wrong folder in `specs` would otherwise delete all models.
#[test]
fn models_are_not_deleted_because_of_a_wrong_specs_folder() {
    let project = create_project("push_wrong_specs");
    project.succeed(&["push", "--yes"]);
    fs::create_dir(project.path("other")).unwrap();
    for (folder, message) in [
        ("nowhere/", "the folder `nowhere/` does not exist"),
        (
            "other/",
            "`metrics/revenue.yml`, the spec of `revenue`, is not in the folder `other/`",
        ),
    ] {
        edit(&project, "formulac.yml", "specs: metrics/", &format!("specs: {folder}"));
        for command in [
            &["plan"][..],
            &["push", "--yes"],
            &["generate"],
            &["generate", "--check"],
        ] {
            let run = project.run(command);
            assert!(run.err.contains(message), "{command:?}: {}", run.err);
        }
        assert!(project.path("models/formulac/revenue.sql").is_file());
        edit(&project, "formulac.yml", &format!("specs: {folder}"), "specs: metrics/");
    }
    // The same folder, with a path that is written differently.
    edit(&project, "formulac.yml", "specs: metrics/", "specs: ././metrics");
    edit(&project, "metrics/share.yml", "model: share", "model: part");
    let run = project.run(&["plan"]);
    assert_eq!(run.exit, 0, "{}", run.err);
}

/// Users may move generated files, for example to follow one of dbt's usual layouts.
#[test]
fn moved_and_renamed_files_are_not_written_twice() {
    for (name, moves) in [
        (
            "test",
            &[(
                "tests/formulac/assert_revenue_positive.sql",
                "tests/sub/assert_revenue_positive.sql",
            )][..],
        ),
        (
            "ending",
            &[("models/formulac/revenue.yml", "models/formulac/revenue.yaml")],
        ),
        (
            "model",
            &[
                ("models/formulac/revenue.sql", "models/marts/revenue.sql"),
                ("models/formulac/revenue.yml", "models/marts/_marts__revenue.yml"),
            ],
        ),
    ] {
        let project = create_project(&format!("push_moved_{name}"));
        project.write("dbt_project.yml", "name: shop\nprofile: shop\n");
        edit(
            &project,
            "metrics/revenue.yml",
            "columns:",
            "rules: [positive: revenue >= 0]\ncolumns:",
        );
        project.succeed(&["push", "--yes", "--no-parse"]);
        for (from, to) in moves {
            fs::create_dir_all(project.path(to).parent().unwrap()).unwrap();
            git(&project, &["mv", from, to]);
        }
        edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
        let run = project.run(&["generate"]);
        assert_eq!(run.exit, 0, "{name}: {}", run.err);
        for (from, to) in moves {
            assert!(
                !project.path(from).exists() && project.path(to).exists(),
                "{name}: {from}"
            );
        }
    }
}

#[test]
fn a_saved_plan_is_applied_exactly_or_not_at_all() {
    let mut project = create_project("push_plan");
    project
        .show(&["plan", "-o", "kept.json"])
        .run(&["push", "--yes", "kept.json"]);
    assert_eq!(
        project.run(&["plan"]).out.lines().last(),
        Some("Plan: 0 to create, 0 to update, 0 to delete, 0 conflicts")
    );
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
    project.show(&["plan", "-o", "kept.json", "--json"]);
    edit(&project, "metrics/revenue.yml", "SUM(tax)", "SUM(fee)");
    project
        .show(&["push", "--yes", "kept.json"])
        .show(&["push", "--yes", "formulac.yml"])
        .show(&["push", "--yes", "none.json"]);
    snapshot(&project, "a_saved_plan_is_applied_exactly_or_not_at_all");
}

#[test]
fn protected_environments_get_a_branch() {
    let mut project = create_project("push_protected");
    project.show(&["--env", "prod", "push", "--yes"]);
    assert!(git(&project, &["branch", "--show-current"]).starts_with("formulac/prod-"));
    assert_eq!(git(&project, &["log", "--format=%s", "main"]), "specs\n");
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(tax)");
    project.show(&["--env", "prod", "push", "--yes"]);
    snapshot(&project, "protected_environments_get_a_branch");
}

#[test]
fn generated_files_without_a_push_are_adopted() {
    let mut project = create_project("push_generated");
    project.run(&["generate"]);
    commit(&project, "generated");
    edit(
        &project,
        "models/formulac/revenue.sql",
        "coalesce(sum(amount), 0)",
        "coalesce(sum(amount - tax), 0)",
    );
    edit(&project, "models/formulac/revenue.yml", "Before tax.", "After tax.");
    project
        .show(&["generate"])
        .show(&["plan"])
        .show(&["adopt"])
        .show(&["generate"]);
    let spec = project.read("metrics/revenue.yml");
    assert!(
        spec.contains("/// After tax.\n  revenue = SUM(amount - tax)\n"),
        "{spec}"
    );
    // A changed spec is compared with its committed version, from which the files were generated.
    commit(&project, "after tax");
    edit(&project, "metrics/revenue.yml", "SUM(amount - tax)", "SUM(amount)");
    edit(&project, "models/formulac/revenue.yml", "After tax.", "After all.");
    project.show(&["adopt"]);
    let spec = project.read("metrics/revenue.yml");
    assert!(spec.contains("/// After all.\n  revenue = SUM(amount)\n"), "{spec}");
    // A version that was never committed cannot be found.
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(2 * amount)");
    project.run(&["generate"]);
    edit(&project, "metrics/revenue.yml", "SUM(2 * amount)", "SUM(3 * amount)");
    edit(&project, "models/formulac/revenue.yml", "After all.", "Of all.");
    project.show(&["adopt"]);
    snapshot(&project, "generated_files_without_a_push_are_adopted");
}

#[test]
fn nothing_is_written_if_no_commit_is_possible() {
    let mut project = create_project("push_refused");
    project.show(&["rollback", "7", "--yes"]);
    git(&project, &["checkout", "--quiet", "--detach"]);
    project.show(&["push", "--yes"]);
    git(&project, &["switch", "--quiet", "main"]);
    project.write(".git/MERGE_HEAD", git(&project, &["rev-parse", "HEAD"]));
    project.show(&["push", "--yes"]);
    fs::remove_file(project.path(".git/MERGE_HEAD")).unwrap();
    project.write(".gitignore", "models/formulac/\n");
    project.show(&["push", "--yes"]);
    fs::remove_file(project.path(".gitignore")).unwrap();
    project.program(
        ".git/hooks/pre-commit",
        "#!/bin/sh\necho the hook says no >&2\nexit 1\n",
    );
    project.show(&["push", "--yes"]);
    fs::remove_file(project.path(".git/hooks/pre-commit")).unwrap();
    fs::create_dir_all(project.path("models")).unwrap();
    std::os::unix::fs::symlink("/tmp", project.path("models/formulac")).unwrap();
    project.show(&["push", "--yes"]);
    fs::remove_file(project.path("models/formulac")).unwrap();
    project.write("models/formulac/Revenue.sql", "select 1");
    project.show(&["push", "--yes"]);
    fs::remove_file(project.path("models/formulac/Revenue.sql")).unwrap();
    snapshot(&project, "nothing_is_written_if_no_commit_is_possible");
    assert_eq!(project.files("models/formulac"), Vec::<String>::new());
    assert_eq!(git(&project, &["log", "--format=%s"]), "specs\n");
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    let none = TestProject::new("push_without_git");
    none.write("formulac.yml", PROJECT)
        .write("metrics/revenue.yml", REVENUE);
    // The tests' folder is itself inside a repository, which does not track `target`.
    let run = finish({
        let mut command = none.command(&["push", "--yes"]);
        command.env("GIT_CEILING_DIRECTORIES", none.path("").parent().unwrap());
        command
    });
    assert_eq!(
        (run.exit, run.err.lines().next()),
        (5, Some("error: the project is not in a git repository"))
    );
}

#[test]
fn line_endings_and_entries_of_other_branches_are_kept() {
    let mut project = create_project("push_crlf");
    project.run(&["push", "--yes"]);
    for file in [
        "metrics/revenue.yml",
        "models/formulac/revenue.sql",
        "models/formulac/revenue.yml",
    ] {
        project.write(file, project.read(file).replace('\n', "\r\n"));
    }
    commit(&project, "line ends");
    project.succeed(&["plan"]);
    edit(
        &project,
        "models/formulac/revenue.yml",
        "Before tax.",
        "Before tax, in euros.",
    );
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount + fee)");
    project.run(&["push", "--yes"]);
    for file in [
        "metrics/revenue.yml",
        "models/formulac/revenue.sql",
        "models/formulac/revenue.yml",
    ] {
        let text = project.read(file);
        assert_eq!(
            text.matches('\n').count(),
            text.matches("\r\n").count(),
            "{file}: {text:?}"
        );
    }
    assert!(
        project
            .read("metrics/revenue.yml")
            .contains("/// Before tax, in euros.\r\n")
    );
    assert!(
        project
            .read("models/formulac/revenue.sql")
            .contains("sum(amount + fee)")
    );
    // Two branches are pushed and merged: the log contains both pushes, and the next push follows both.
    git(&project, &["switch", "--quiet", "-c", "other"]);
    edit(
        &project,
        "metrics/share.yml",
        "SUM(revenue:revenue)",
        "SUM(revenue:revenue) * 100",
    );
    project.run(&["push", "--yes"]);
    git(&project, &["switch", "--quiet", "main"]);
    edit(&project, "metrics/revenue.yml", "amount + fee", "amount - fee");
    project.run(&["push", "--yes"]);
    git(&project, &["merge", "--quiet", "--no-edit", "other"]);
    assert_eq!(
        project.run(&["log", "--json"]).json()["entries"]
            .as_array()
            .unwrap()
            .len(),
        3 + 1
    );
    project.show(&["plan"]).show(&["rollback", "3", "--yes"]);
    edit(&project, "metrics/share.yml", "* 100", "* 1000");
    project
        .show(&["push", "--yes"])
        .show(&["log", "--limit", "1", "--json"]);
    snapshot(&project, "line_endings_and_entries_of_other_branches_are_kept");
}

#[test]
fn a_changed_entry_of_the_log_is_detected() {
    let project = create_project("push_forged");
    project.run(&["push", "--yes"]);
    let entry = format!(".formulac/log/{}", project.files(".formulac/log")[0]);
    edit(&project, &entry, "Ann", "Bob");
    let run = project.run(&["log"]);
    assert_eq!(run.exit, 1);
    assert!(
        run.err.ends_with("the entry was changed after it was written\n"),
        "{}",
        run.err
    );
}

#[test]
fn one_push_at_a_time() {
    let project = create_project("push_lock");
    fs::create_dir_all(project.path(".formulac/local")).unwrap();
    let held = fs::File::create(project.path(".formulac/local/lock")).unwrap();
    held.lock().unwrap();
    let run = project.run(&["push", "--yes"]);
    assert_eq!(
        (run.exit, run.err.lines().next()),
        (5, Some("error: another formulac process is writing to this project"))
    );
    drop(held);
    project.succeed(&["push", "--yes"]);
}

/// A spec that was moved but not committed exists at only one path after the push.
#[test]
fn a_push_commits_the_removal_of_a_moved_spec() {
    let project = create_project("push_moved_by_hand");
    project.succeed(&["push", "--yes", "--quiet"]);
    for (from, to, is_staged) in [("revenue", "monthly", true), ("share", "part", false)] {
        let (old, new) = (format!("metrics/{from}.yml"), format!("metrics/sub/{to}.yml"));
        fs::create_dir_all(project.path("metrics/sub")).unwrap();
        match is_staged {
            true => drop(git(&project, &["mv", &old, &new])),
            false => fs::rename(project.path(&old), project.path(&new)).unwrap(),
        }
        edit(&project, &new, "definitions:", "tags: [moved]\ndefinitions:");
        let run = project.run(&["push", "--yes"]);
        assert_eq!(run.exit, 0, "{}", run.err);
        assert_eq!(git(&project, &["status", "--porcelain"]), "");
        let committed = git(&project, &["ls-tree", "-r", "--name-only", "HEAD"]);
        assert!(committed.contains(&new) && !committed.contains(&old), "{committed}");
    }
}

/// A moved spec does not change the SQL of its model or the header, and needs no push.
#[test]
fn a_spec_that_moves_changes_no_sql() {
    let project = crate::roles::create_project("push_moved_spec");
    switch_user(&project, "eve");
    git(&project, &["switch", "--quiet", "-c", "work"]);
    project.succeed(&["push", "--yes", "--quiet"]);
    let sql = project.read("models/formulac/revenue.sql");
    git(&project, &["mv", "metrics/revenue.yml", "metrics/monthly.yml"]);
    commit(&project, "another name");
    project.succeed(&["push", "--yes", "--quiet"]);
    assert_eq!(project.read("models/formulac/revenue.sql"), sql);
    assert!(
        project.run(&["push", "--yes"]).out.contains("agree"),
        "{}",
        project.run(&["push", "--yes"]).out
    );
    project.succeed(&["generate", "--check"]);
    assert_eq!(
        project.run(&["authorize", "--base", "main", "--json"]).json()["generated_by_hand"],
        serde_json::json!([])
    );
}
