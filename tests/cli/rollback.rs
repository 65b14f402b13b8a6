//! Tests which changes `formulac rollback` undoes: the changes of later pushes, and no other changes.

use crate::push::{PROJECT, REVENUE};
use crate::repository::{begin, commit, edit, git};
use crate::run::TestProject;

const SQL: &str = "models/revenue.sql";
const SPEC: &str = "metrics/revenue.yml";

/// Creates a project whose generated and handwritten models are in the same folder, and pushes it.
fn create_pushed_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", format!("{PROJECT}models: models/\ntests: tests/\n"))
        .write(SPEC, REVENUE)
        .write("models/orders.sql", "select 1 as id\n")
        .write("tests/no_orders.sql", "select 1\n");
    begin(&project);
    push(&project);
    project
}

fn push(project: &TestProject) {
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
}

/// Returns the messages from a rollback to the first entry.
fn roll_back(project: &TestProject) -> String {
    let run = project.run(&["rollback", "1", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert_eq!(git(project, &["status", "--porcelain"]), "");
    run.err
}

#[test]
fn handwritten_files_in_the_same_folders_are_kept() {
    let project = create_pushed_project("rollback_handwritten");
    let first = [SPEC, SQL].map(|file| project.read(file));
    project
        .write("models/orders.sql", "select 2 as id\n")
        .write("models/customers.sql", "select 3 as id\n")
        .write("metrics/README.md", "Specs\n");
    git(&project, &["rm", "--quiet", "tests/no_orders.sql"]);
    edit(&project, SPEC, "SUM(amount)", "SUM(amount - tax)");
    commit(&project, "by hand");
    push(&project);
    project.write("tests/no_customers.sql", "select 4\n");
    commit(&project, "later");
    assert!(!roll_back(&project).contains("warning"));
    assert_eq!([SPEC, SQL].map(|file| project.read(file)), first);
    assert_eq!(project.read("models/orders.sql"), "select 2 as id\n");
    for kept in ["models/customers.sql", "metrics/README.md", "tests/no_customers.sql"] {
        assert!(project.path(kept).is_file(), "{kept}");
    }
    assert!(!project.path("tests/no_orders.sql").exists());
    assert!(project.run(&["plan"]).out.contains("agree"));
}

#[test]
fn manual_edits_of_generated_files_and_later_changes_of_specs_are_kept() {
    let project = create_pushed_project("rollback_hand_edits");
    // These edits were made by hand, and the push of the second formula only keeps them, so a rollback does not undo
    // them.
    edit(
        &project,
        SQL,
        "group by country",
        "group by country\nhaving count(*) % 7 < 3",
    );
    edit(&project, SQL, "select\n", "-- checked by Bob\nselect\n");
    commit(&project, "Large countries only");
    edit(&project, SPEC, "SUM(amount)", "SUM(amount - tax)");
    // A user may commit the generated files before the push.
    commit(&project, "Revenue after tax");
    push(&project);
    edit(&project, SPEC, "Revenue by country.", "Revenue of each country.");
    commit(&project, "Describe the model");
    let output = roll_back(&project);
    assert!(!output.contains("warning"), "{output}");
    let (spec, sql) = (project.read(SPEC), project.read(SQL));
    assert!(
        spec.contains("Revenue of each country.") && spec.contains("SUM(amount)"),
        "{spec}"
    );
    assert!(
        sql.contains("having count(*) % 7 < 3") && sql.contains("-- checked by Bob"),
        "{sql}"
    );
    assert!(sql.contains("sum(amount)"), "{sql}");
    // The next push contains only the later change to the spec.
    let plan = project.run(&["plan"]).out;
    assert!(
        plan.contains("0 to create, 1 to update, 0 to delete, 0 conflicts; 1 manual edit kept"),
        "{plan}"
    );
}

#[test]
fn a_file_whose_lines_changed_again_keeps_its_contents() {
    let project = create_pushed_project("rollback_same_lines");
    edit(&project, SPEC, "SUM(amount)", "SUM(amount - tax)");
    push(&project);
    edit(&project, SPEC, "SUM(amount - tax)", "SUM(amount - fee)");
    commit(&project, "Fees");
    let output = roll_back(&project);
    let kept = format!("warning: `{SPEC}` keeps its contents, because later commits changed the lines");
    assert!(output.contains(&kept), "{output}");
    assert!(project.read(SPEC).contains("SUM(amount - fee)"));
    assert!(project.read(SQL).contains("sum(amount)"));
}

/// Changes to metric sets that a push read are undone although another commit contains them.
#[test]
fn metric_sets_that_were_pushed_are_undone() {
    let project = create_pushed_project("rollback_sets");
    project.write(
        "metrics/orders.yml",
        "metric_set: orders\nfrom: orders\ntime: day\ndefinitions: |\n  total = SUM(amount)\n  // per order\n  average = total / COUNT()\n  fees = SUM(fee)\n",
    );
    project.write(
        "metrics/daily.yml",
        "model: daily\nmetrics: [orders.total]\ngroup_by: [day]\n",
    );
    push(&project);
    let set = project.read("metrics/orders.yml");
    edit(&project, "metrics/orders.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    edit(&project, SPEC, "SUM(amount)", "SUM(amount - tax)");
    project.succeed(&["generate"]);
    commit(&project, "generated");
    push(&project);
    edit(&project, "metrics/orders.yml", "SUM(fee)", "SUM(fee * 2)");
    commit(&project, "later");
    let run = project.run(&["rollback", "2", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert_eq!(
        project.read("metrics/orders.yml"),
        set.replace("SUM(fee)", "SUM(fee * 2)")
    );
    assert!(project.read(SPEC).contains("SUM(amount)") && project.read(SQL).contains("sum(amount)"));
    let plan = project.run(&["plan"]).out;
    assert!(
        plan.contains("1 metric set to commit") || plan.contains("agree"),
        "{plan}"
    );
    // The files of models that later pushes created are removed.
    roll_back(&project);
    assert!(!project.path("metrics/daily.yml").exists() && !project.path("models/daily.sql").exists());
}

/// If only pushes changed a generated file, its former contents are restored byte for byte. Otherwise, layout changes
/// from other commits are kept.
#[test]
fn generated_files_have_their_former_layout() {
    for (name, is_formatted_later) in [("rollback_layout", false), ("rollback_later_layout", true)] {
        let project = create_pushed_project(name);
        edit(&project, SQL, "sum(amount)", "SUM(amount)");
        push(&project);
        let sql = project.read(SQL);
        edit(&project, SPEC, "SUM(amount)", "SUM(amount - tax)");
        push(&project);
        if is_formatted_later {
            edit(&project, SQL, "sum(amount - tax)", "Sum(amount - tax)");
            edit(&project, SQL, "group by", "GROUP BY");
            commit(&project, "formatted");
        }
        let run = project.run(&["rollback", "2", "--yes"]);
        assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
        match is_formatted_later {
            false => assert_eq!(project.read(SQL), sql),
            true => assert!(project.read(SQL).contains("GROUP BY"), "{}", project.read(SQL)),
        }
        assert!(project.run(&["plan"]).out.contains("agree"));
    }
}

/// A squash merge adds several log entries in one commit. The state after each entry is in the original commit of its
/// push.
#[test]
fn one_of_several_squashed_pushes_is_undone() {
    let squashed = |name: &str| {
        let project = create_pushed_project(name);
        git(&project, &["switch", "--quiet", "-c", "work"]);
        edit(&project, SPEC, "SUM(amount)", "SUM(amount - tax)");
        push(&project);
        edit(&project, SPEC, "SUM(amount - tax)", "SUM(amount - fee)");
        push(&project);
        git(&project, &["switch", "--quiet", "main"]);
        git(&project, &["merge", "--quiet", "--squash", "work"]);
        git(&project, &["commit", "--quiet", "--message", "squash"]);
        git(&project, &["branch", "--quiet", "-D", "work"]);
        project
    };
    let project = squashed("rollback_squash");
    let run = project.run(&["rollback", "2", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(run.err.contains("restored entry 2"), "{}", run.err);
    assert!(project.read(SPEC).contains("SUM(amount - tax)") && project.read(SQL).contains("sum(amount - tax)"));
    assert!(project.run(&["plan"]).out.contains("agree"));
    // The original commits no longer exist, only the commit of the squash merge.
    let project = squashed("rollback_squash_alone");
    git(&project, &["reflog", "expire", "--expire=now", "--all"]);
    let run = project.run(&["rollback", "2", "--yes"]);
    assert_eq!(run.exit, 5, "{}{}", run.out, run.err);
    assert!(
        run.err
            .contains("added the entries 2 and 3, so the state after entry 2 is not known")
            && run.err.contains("help: roll back to entry 1 or 3"),
        "{}",
        run.err
    );
    assert_eq!(project.run(&["rollback", "3", "--yes"]).exit, 0);
    roll_back(&project);
    assert!(project.read(SPEC).contains("SUM(amount)") && project.read(SQL).contains("sum(amount)"));
}

/// The current branch has a push that the squashed branch does not have, so no commit has the state after the first
/// squashed push.
#[test]
fn a_push_before_a_squash_merge_is_not_undone() {
    let project = create_pushed_project("rollback_squash_beside");
    project.write("metrics/other.yml", REVENUE.replace("model: revenue", "model: other"));
    git(&project, &["switch", "--quiet", "-c", "work"]);
    git(&project, &["stash", "--quiet", "--include-untracked"]);
    edit(&project, SPEC, "SUM(amount)", "SUM(amount - tax)");
    push(&project);
    edit(&project, SPEC, "SUM(amount - tax)", "SUM(amount - fee)");
    push(&project);
    git(&project, &["switch", "--quiet", "main"]);
    git(&project, &["stash", "pop", "--quiet"]);
    push(&project);
    git(&project, &["merge", "--quiet", "--squash", "work"]);
    git(&project, &["commit", "--quiet", "--message", "squash"]);
    let log = project.run(&["log", "--json"]).json();
    let entries = log["entries"].as_array().unwrap();
    let first = |entry: &&serde_json::Value| {
        entry["number"] == 2 && entry["files"].get(".formulac/state/revenue.yml").is_some()
    };
    let id = entries.iter().find(first).unwrap()["id"].as_str().unwrap().to_owned();
    let run = project.run(&["rollback", &id, "--yes"]);
    assert_eq!(run.exit, 5, "{}{}", run.out, run.err);
    assert!(project.path("models/other.sql").exists());
}

/// A commit that only moves the generated files does not change their lines.
#[test]
fn generated_files_that_were_moved_after_the_push_are_restored() {
    let project = create_pushed_project("rollback_moved");
    edit(&project, SPEC, "SUM(amount)", "SUM(amount - tax)");
    push(&project);
    edit(
        &project,
        SQL,
        "group by country",
        "group by country\nhaving count(*) % 7 < 3",
    );
    project
        .write("dbt_project.yml", "name: shop\nprofile: shop\n")
        .write("models/marts/.gitkeep", "");
    for file in ["revenue.sql", "revenue.yml"] {
        let [from, to] = ["models", "models/marts"].map(|folder| format!("{folder}/{file}"));
        git(&project, &["mv", &from, &to]);
    }
    commit(&project, "Move the model");
    let output = roll_back(&project);
    assert!(!output.contains("warning"), "{output}");
    assert!(!project.path(SQL).exists());
    let sql = project.read("models/marts/revenue.sql");
    assert!(
        sql.contains("sum(amount)") && !sql.contains("tax") && sql.contains("having count(*) % 7 < 3"),
        "{sql}"
    );
    let plan = project.run(&["plan"]).out;
    assert!(!plan.contains("tax"), "{plan}");
    assert!(project.read(SPEC).contains("SUM(amount)"));
}
