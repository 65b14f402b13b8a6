//! Tests pushes after generated files or their folder have moved.

use std::fs;

use crate::push_manual_edits::create_project;
use crate::repository::{commit, edit, git};
use crate::run::TestProject;

#[test]
fn a_moved_file_is_not_moved_back() {
    let project = create_project("push_moved");
    fs::create_dir_all(project.path("models/marts")).unwrap();
    git(
        &project,
        &["mv", "models/formulac/revenue.sql", "models/marts/revenue.sql"],
    );
    git(
        &project,
        &["mv", "models/formulac/revenue.yml", "models/marts/revenue.yml"],
    );
    // Edits in the moved file are still transferred to the spec.
    edit(
        &project,
        "models/marts/revenue.sql",
        "coalesce(sum(amount), 0)",
        "max(amount)",
    );
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(project.read("metrics/revenue.yml").contains("revenue = MAX(amount)"));
    edit(&project, "metrics/revenue.yml", "MAX(amount)", "MIN(amount)");
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(project.read("models/marts/revenue.sql").contains("min(amount)"));
    let left: Vec<String> = project.files("models/formulac");
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    let run = project.run(&["generate"]);
    assert_eq!(
        (run.exit, project.files("models/formulac")),
        (0, Vec::new()),
        "{}",
        run.err
    );
}

/// A push moves the files to the new folders that formulac.yml specifies, and keeps the edits in the files. Other files
/// stay.
#[test]
fn files_follow_a_changed_folder() {
    let project = create_project("push_folder");
    project.write("models/formulac/orders.sql", "select 1 as id\n");
    edit(
        &project,
        "metrics/revenue.yml",
        "columns:",
        "rules:\n  - positive: revenue >= 0\ncolumns:",
    );
    commit(&project, "more");
    project.succeed(&["push", "--yes"]);
    let test = project.files("tests/formulac").pop().unwrap();
    edit(
        &project,
        "models/formulac/revenue.sql",
        "group by country",
        "group by country\nhaving count(*) % 7 < 3 -- large countries",
    );
    commit(&project, "by hand");
    project.write(
        "formulac.yml",
        "dialect: duckdb\nspecs: metrics/\nmodels: models/marts\ntests: tests/marts\n",
    );
    let generated = project.run(&["generate"]);
    assert_eq!(generated.exit, 0, "{}", generated.err);
    assert!(
        generated.err.contains("`formulac push` moves them"),
        "{}",
        generated.err
    );
    assert_eq!(project.files("models/marts"), Vec::<String>::new());
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount - tax)");
    let plan = project.run(&["plan"]);
    for shown in [
        "models/formulac/revenue.sql → models/marts/revenue.sql  moved\n".to_owned(),
        "models/formulac/revenue.yml → models/marts/revenue.yml  moved\n".to_owned(),
        format!("tests/formulac/{test} → tests/marts/{test}  moved\n"),
    ] {
        assert!(plan.out.contains(&shown), "{shown}\n{}", plan.out);
    }
    assert!(!plan.err.contains("outside the folders"), "{}", plan.err);
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert_eq!(project.files("models/formulac"), ["orders.sql"]);
    assert_eq!(
        (project.files("tests/formulac"), project.files("tests/marts")),
        (Vec::new(), vec![test])
    );
    let sql = project.read("models/marts/revenue.sql");
    assert!(
        sql.contains("sum(amount - tax)") && sql.contains("having count(*) % 7 < 3 -- large countries"),
        "{sql}"
    );
    assert_eq!(git(&project, &["status", "--porcelain"]), " M formulac.yml\n");
    for command in ["plan", "status"] {
        let run = project.run(&[command]);
        assert!(!run.err.contains("outside the folders"), "{}", run.err);
    }
    assert!(
        project
            .run(&["plan"])
            .out
            .contains("Plan: 0 to create, 0 to update, 0 to delete, 0 conflicts")
    );
    // If `models:` changes again, this folder also becomes a former folder.
    commit(&project, "folders");
    project.write(
        "formulac.yml",
        "dialect: duckdb\nspecs: metrics/\nmodels: models/core\n",
    );
    project.succeed(&["push", "--yes"]);
    assert_eq!(project.files("models/core"), ["revenue.sql", "revenue.yml"]);
    assert_eq!(project.files("tests/formulac").len(), 1);
}

/// A moved model causes no further warnings, and `model --out` does not write it a second time.
#[test]
fn a_moved_file_causes_no_warning() {
    let project = create_project("push_moved_quiet");
    fs::create_dir_all(project.path("models/marts")).unwrap();
    for end in ["sql", "yml"] {
        git(
            &project,
            &[
                "mv",
                &format!("models/formulac/revenue.{end}"),
                &format!("models/marts/revenue.{end}"),
            ],
        );
    }
    let plan = project.succeed(&["plan"]).out;
    let moved = "~ update  revenue  (metrics/revenue.yml)\n  models/formulac/revenue.sql → models/marts/revenue.sql  \
                 moved\n  models/formulac/revenue.yml → models/marts/revenue.yml  moved\n\n";
    assert!(plan.contains(moved), "{plan}");
    project.succeed(&["push", "--yes"]);
    for command in ["check", "generate", "plan", "status"] {
        let run = project.run(&[command]);
        assert!(!run.err.contains("outside the folders"), "{command}: {}", run.err);
    }
    let run = project.run(&["model", "metrics/revenue.yml", "--out", "models/formulac"]);
    assert_eq!(
        (run.exit, project.files("models/formulac")),
        (0, Vec::new()),
        "{}",
        run.err
    );
    // The next push removes the files of a removed spec from their new folder.
    fs::remove_file(project.path("metrics/revenue.yml")).unwrap();
    for command in ["check", "generate", "plan", "status"] {
        let run = project.run(&[command]);
        assert!(!run.err.contains("outside the folders"), "{command}: {}", run.err);
    }
    assert!(
        project
            .run(&["plan"])
            .out
            .contains("  models/marts/revenue.sql  removed\n")
    );
}

/// A file that was moved after the last push still belongs to its model if the spec is renamed or deleted.
#[test]
fn a_moved_file_is_removed_with_its_model() {
    let project = create_project("push_moved_removed");
    fs::create_dir_all(project.path("models/marts")).unwrap();
    for end in ["sql", "yml"] {
        let [from, to] = ["formulac", "marts"].map(|folder| format!("models/{folder}/revenue.{end}"));
        git(&project, &["mv", &from, &to]);
    }
    commit(&project, "moved");
    let sql = project.read("models/marts/revenue.sql");
    let new_name = |project: &TestProject| edit(project, "metrics/revenue.yml", "model: revenue", "model: sales");
    // Without a conflict, this edit would be lost.
    edit(
        &project,
        "models/marts/revenue.sql",
        "group by",
        "having count(*) > 2\n    group by",
    );
    new_name(&project);
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 3, "{}{}", run.out, run.err);
    assert!(run.out.contains("theirs  models/marts/revenue.sql"), "{}", run.out);
    project.write("models/marts/revenue.sql", sql);
    project.succeed(&["push", "--yes"]);
    assert_eq!(project.files("models/marts"), Vec::<String>::new());
    assert_eq!(project.files("models/formulac"), ["sales.sql", "sales.yml"]);
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    // The rollback does not undo the move.
    let run = project.run(&["rollback", "1", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert_eq!(project.files("models/marts"), ["revenue.sql", "revenue.yml"]);
    assert_eq!(project.files("models/formulac"), Vec::<String>::new());
    git(&project, &["rm", "--quiet", "metrics/revenue.yml"]);
    fs::create_dir_all(project.path("metrics")).unwrap();
    project.succeed(&["push", "--yes"]);
    assert_eq!(project.files("models/marts"), Vec::<String>::new());
}
