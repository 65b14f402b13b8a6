//! Tests merges of two branches that both pushed changes to the same model.

use crate::repository::{begin, commit, edit, git, git_may_fail};
use crate::run::TestProject;

const SALES: &str = "\
model: sales
from: orders
group_by: region
definitions: |
  /// Revenue of all orders
  revenue = SUM(amount)

  /// Number of orders
  orders = COUNT(id)

  /// Revenue per order
  mean = revenue / orders
columns:
  region: {data_tests: [not_null]}
";

/// Creates a project whose model `sales` is pushed on `main` and, with different changes, on the branches `one` and
/// `two`. `two` is checked out.
fn create_project(name: &str, one: &[(&str, &str)], two: &[(&str, &str)]) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write(".gitignore", "target/\n.formulac/local/\n")
        .write("metrics/sales.yml", SALES);
    begin(&project);
    push(&project);
    for (branch, changes) in [("one", one), ("two", two)] {
        git(&project, &["switch", "--quiet", "--create", branch, "main"]);
        for (from, to) in changes {
            edit(&project, "metrics/sales.yml", from, to);
        }
        commit(&project, branch);
        push(&project);
    }
    project
}

fn push(project: &TestProject) {
    let run = project.run(&["push", "--yes", "--no-parse", "--quiet"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
}

/// Returns the generated files and the state of the last push.
fn generated_files(project: &TestProject) -> [String; 3] {
    [
        "models/formulac/sales.sql",
        "models/formulac/sales.yml",
        ".formulac/state/sales.yml",
    ]
    .map(|file| project.read(file))
}

/// Merges `one` as the manual describes: takes the generated files and the state of one side, commits the merge, and
/// pushes. Returns the generated files.
fn merge(project: &TestProject, side: &str) -> [String; 3] {
    git(
        project,
        &["switch", "--quiet", "--create", &format!("merged_{side}"), "two"],
    );
    let merge = git_may_fail(project, &["merge", "--quiet", "one"]);
    assert!(merge.out.contains("CONFLICT") && merge.exit == 1, "{}", merge.out);
    // A push fails while the merge is incomplete.
    assert_eq!(project.run(&["push", "--yes", "--no-parse"]).exit, 5);
    git(project, &["checkout", side, "--", "models/formulac", ".formulac/state"]);
    commit(project, "merge");
    let plan = project.run(&["plan"]);
    assert_eq!(plan.exit, 0, "{}{}", plan.out, plan.err);
    push(project);
    assert!(project.run(&["plan"]).out.contains("Specs and dbt agree."));
    assert_eq!(git(project, &["status", "--porcelain"]), "");
    generated_files(project)
}

/// Returns the generated files of a project in which the merged spec was pushed.
fn pushed_at_once(project: &TestProject, name: &str) -> [String; 3] {
    let other = TestProject::new(name);
    for file in ["formulac.yml", "dbt_project.yml", ".gitignore", "metrics/sales.yml"] {
        other.write(file, project.read(file));
    }
    begin(&other);
    push(&other);
    generated_files(&other)
}

/// The branches change different definitions, so git merges the spec, but not the generated files and the state.
#[test]
fn either_side_of_the_generated_files_leads_to_the_same_model() {
    let one = [
        ("SUM(amount)", "SUM(amount - tax)"),
        ("Revenue of all orders", "Net revenue"),
    ];
    let two = [
        ("COUNT(id)", "COUNT(DISTINCT(id))"),
        ("Number of orders", "Number of distinct orders"),
    ];
    let project = create_project("branches_formulas", &one, &two);
    let ours = merge(&project, "HEAD");
    let theirs = merge(&project, "MERGE_HEAD");
    assert_eq!(ours, theirs);
    assert_eq!(ours, pushed_at_once(&project, "branches_formulas_at_once"));
    assert!(ours[0].contains("coalesce(sum(amount - tax), 0) as revenue,\n        count(distinct id) as orders"));
}

/// The branches add and remove definitions. Each changes the columns of the model.
#[test]
fn added_and_removed_definitions_are_merged() {
    let one = [
        ("COUNT(id)\n", "COUNT(id)\n  largest = MAX(amount)\n"),
        (
            "data_tests: [not_null]",
            "data_tests: [not_null], description: Sales region",
        ),
    ];
    let two = [(
        "  /// Revenue of all orders\n",
        "  smallest = MIN(amount)\n\n  /// Revenue\n",
    )];
    let project = create_project("branches_columns", &one, &two);
    let ours = merge(&project, "HEAD");
    assert_eq!(ours, merge(&project, "MERGE_HEAD"));
    assert_eq!(ours, pushed_at_once(&project, "branches_columns_at_once"));
}
