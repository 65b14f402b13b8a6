//! Tests manual edits to generated files if the spec renames a definition.

use crate::repository::{begin, edit, git};
use crate::run::TestProject;

const SPEC: &str = "\
model: revenue
from: orders
group_by: country
definitions: |
  /// Before tax.
  amount = SUM(price)
  lines = COUNT()
  average = amount / lines
columns:
  country: {data_tests: [not_null]}
";
const PATH: &str = "metrics/revenue.yml";
const SQL: &str = "models/formulac/revenue.sql";
const YML: &str = "models/formulac/revenue.yml";

fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write(PATH, SPEC);
    begin(&project);
    push(&project);
    project
}

fn push(project: &TestProject) -> String {
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert_eq!(git(project, &["status", "--porcelain"]), "");
    run.err
}

/// Renames `amount` in the spec.
fn rename(project: &TestProject) {
    edit(project, PATH, "amount = SUM", "total = SUM");
    edit(project, PATH, "amount / lines", "total / lines");
}

#[test]
fn comments_and_tests_move_to_the_new_name() {
    let project = create_project("push_rename_tests");
    rename(&project);
    let of_amount = "        description: Before tax.\n";
    let edited = "        # agreed with finance\n        description: Before tax, in euros.\n        data_tests:\n          - not_null\n";
    edit(&project, YML, of_amount, edited);
    edit(
        &project,
        YML,
        "      - name: lines\n",
        "      # all of them\n      - name: lines\n",
    );
    let said = push(&project);
    assert!(!said.contains("loses comments"), "{said}");
    let (yml, spec) = (project.read(YML), project.read(PATH));
    assert!(yml.contains(&format!("      - name: total\n{edited}")), "{yml}");
    assert!(yml.contains("      # all of them\n"), "{yml}");
    assert!(
        spec.contains("  /// Before tax, in euros.\n  total = SUM(price)\n"),
        "{spec}"
    );
    assert!(spec.contains("  total:\n    data_tests:\n      - not_null\n"), "{spec}");
    assert!(project.run(&["plan"]).out.contains("agree"));
}

#[test]
fn edited_sql_moves_to_the_new_name() {
    let project = create_project("push_rename_sql");
    rename(&project);
    edit(
        &project,
        SQL,
        "coalesce(sum(price), 0) as amount",
        "max(price) as amount",
    );
    edit(
        &project,
        SQL,
        "amount / nullif(lines, 0) as average",
        "2 * amount / nullif(lines, 0) as average",
    );
    push(&project);
    let spec = project.read(PATH);
    assert!(spec.contains("total = MAX(price)"), "{spec}");
    assert!(spec.contains("average = 2 * total / lines"), "{spec}");
    let sql = project.read(SQL);
    assert!(sql.contains("max(price) as total") && !sql.contains("amount"), "{sql}");
}

/// If both sides changed the same property of a renamed definition, the conflict names the property, and every offered
/// resolution leads to a spec without errors.
#[test]
fn conflicts_name_the_property_and_the_new_name() {
    for (side, text) in [("--ours", "Ours."), ("--theirs", "Theirs."), ("--base", "Before tax.")] {
        let project = create_project("push_rename_conflict");
        rename(&project);
        edit(&project, PATH, "Before tax.", "Ours.");
        edit(&project, YML, "Before tax.", "Theirs.");
        let plan = project.run(&["plan"]);
        assert_eq!(plan.exit, 3, "{}{}", plan.out, plan.err);
        let conflict: Vec<&str> = plan.out.lines().filter(|line| line.starts_with("conflict")).collect();
        assert_eq!(
            conflict,
            ["conflict 1 of 1: revenue.total (description)"],
            "{}",
            plan.out
        );
        for shown in ["Before tax.", "Ours.", "Theirs.", "--theirs", "--base"] {
            assert!(plan.out.contains(shown), "{shown}: {}", plan.out);
        }
        let run = project.run(&["resolve", "revenue.total", side]);
        assert_eq!(run.exit, 0, "{side}: {}{}", run.out, run.err);
        push(&project);
        assert!(
            project.read(PATH).contains(&format!("/// {text}\n  total =")),
            "{side}: {}",
            project.read(PATH)
        );
        assert!(project.read(YML).contains(&format!("description: {text}\n")), "{side}");
    }
}

/// The base formula of a conflict contains the current names of other definitions.
#[test]
fn the_base_formula_has_the_new_name() {
    let project = create_project("push_rename_base");
    rename(&project);
    edit(&project, PATH, "average = total / lines", "average = total / lines + 1");
    edit(
        &project,
        SQL,
        "amount / nullif(lines, 0) as average",
        "2 * amount / nullif(lines, 0) as average",
    );
    let run = project.run(&["resolve", "revenue.average", "--base"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(
        project.read(PATH).contains("average = total / lines\n"),
        "{}",
        project.read(PATH)
    );
    push(&project);
}

/// A base formula that names a removed definition cannot be restored.
#[test]
fn a_base_formula_that_does_not_compile_is_refused() {
    let project = create_project("push_rename_removed");
    edit(&project, PATH, "  lines = COUNT()\n", "");
    edit(&project, PATH, "average = amount / lines", "average = amount / 2");
    edit(
        &project,
        SQL,
        "amount / nullif(lines, 0) as average",
        "2 * amount / nullif(lines, 0) as average",
    );
    let plan = project.run(&["plan"]).out;
    assert!(
        plan.contains("revenue.average (formula)") && !plan.contains("--base"),
        "{plan}"
    );
    let run = project.run(&["resolve", "revenue.average", "--base"]);
    assert_eq!(run.exit, 3, "{}{}", run.out, run.err);
    assert!(
        run.err.contains("the spec with `amount / lines` has an error"),
        "{}",
        run.err
    );
}

/// `plan` and `adopt` name only the edits that they copy. `generate` has written the other differences from the last
/// push.
#[test]
fn only_copied_edits_are_named() {
    let project = create_project("push_rename_generated");
    rename(&project);
    assert_eq!(project.run(&["generate"]).exit, 0);
    edit(&project, SQL, "count(*) as lines", "count(distinct id) as lines");
    let plan = project.run(&["plan"]).out;
    let copied: Vec<&str> = plan
        .lines()
        .filter(|line| line.contains("copied into the spec"))
        .collect();
    assert_eq!(
        copied,
        ["    copied into the spec: formula of lines, models/formulac/revenue.sql:13"],
        "{plan}"
    );
    let run = project.run(&["adopt"]);
    let adopted: Vec<&str> = run.err.lines().filter(|line| line.starts_with("adopted")).collect();
    assert_eq!(
        adopted,
        ["adopted the formula of revenue.lines: COUNTUNIQUE(id)"],
        "{}",
        run.err
    );
    push(&project);
}
