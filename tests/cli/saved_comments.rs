//! Tests that a command saves uncommitted comments before it removes them.

use std::fs;

use crate::repository::{begin, commit, edit};
use crate::run::TestProject;

const SPEC: &str =
    "model: revenue\nfrom: orders\ngroup_by: country\ndefinitions: |\n  amount = SUM(price)\n  lines = COUNT()\n";
const SQL: &str = "models/formulac/revenue.sql";
const YML: &str = "models/formulac/revenue.yml";
const COPIES: &str = ".formulac/local/undone";

fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("metrics/revenue.yml", SPEC)
        .write("metrics/other.yml", SPEC.replace("revenue", "other"));
    begin(&project);
    assert_eq!(project.run(&["push", "--yes"]).exit, 0);
    project
}

/// Adds a comment to each file of the model.
fn add_comments(project: &TestProject) {
    edit(project, SQL, "as lines\n", "as lines -- important\n");
    edit(
        project,
        YML,
        "      - name: lines\n",
        "      - name: lines\n        # agreed\n",
    );
}

#[test]
fn comments_in_files_of_deleted_specs_are_saved() {
    for command in [["push", "--yes"].as_slice(), &["generate"]] {
        let project = create_project(&format!("saved_comments_{}", command[0]));
        add_comments(&project);
        let texts = [SQL, YML].map(|file| project.read(file));
        fs::remove_file(project.path("metrics/revenue.yml")).unwrap();
        let run = project.run(command);
        assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
        assert!(!project.path(SQL).exists() && !project.path(YML).exists());
        let mut copies = project.files(COPIES);
        copies.retain(|name| !name.starts_with('.'));
        assert_eq!(copies.len(), 2, "{command:?}: {copies:?}");
        for (file, text) in [SQL, YML].iter().zip(texts) {
            let name = file.rsplit('/').next().unwrap();
            let copy = copies.iter().find(|copy| copy.ends_with(name)).unwrap();
            assert_eq!(project.read(&format!("{COPIES}/{copy}")), text);
            assert!(
                run.err
                    .contains(&format!("{file} loses comments that no commit contains")),
                "{}",
                run.err
            );
            assert!(
                run.err
                    .contains(&format!("the previous version is saved to {COPIES}/{copy}")),
                "{}",
                run.err
            );
        }
    }
}

/// The comment of a removed column does not affect the comments of other columns, and is saved.
#[test]
fn the_comment_of_a_removed_column_is_saved() {
    let project = create_project("saved_comments_column");
    add_comments(&project);
    edit(
        &project,
        YML,
        "      - name: amount\n",
        "      - name: amount\n        # net\n",
    );
    edit(&project, "metrics/revenue.yml", "  lines = COUNT()\n", "");
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    let yml = project.read(YML);
    assert!(yml.contains("# net\n") && !yml.contains("lines"), "{yml}");
    assert!(run.err.contains(&format!("{YML} loses comments")), "{}", run.err);
}

/// Committed comments and comments that move to another file are not saved.
#[test]
fn comments_that_exist_elsewhere_are_not_saved() {
    let project = create_project("saved_comments_kept");
    add_comments(&project);
    edit(&project, "metrics/revenue.yml", "model: revenue", "model: income");
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(project.read("models/formulac/income.sql").contains("-- important"));
    edit(
        &project,
        "models/formulac/other.sql",
        "as lines\n",
        "as lines -- committed\n",
    );
    commit(&project, "comment");
    fs::remove_file(project.path("metrics/other.yml")).unwrap();
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert_eq!(project.files(COPIES), Vec::<String>::new());
}
