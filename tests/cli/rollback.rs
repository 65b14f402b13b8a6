//! Tests which changes `formulac rollback` undoes: the changes of later pushes, and no other changes.

use crate::push::{PROJECT, REVENUE};
use crate::repository::{begin, commit, edit, git};
use crate::run::Place;

const SQL: &str = "models/revenue.sql";
const SPEC: &str = "metrics/revenue.yml";

/// Creates a project whose generated and handwritten models are in the same folder, and pushes it.
fn create_pushed_project(name: &str) -> Place {
    let place = Place::new(name);
    place
        .write("formulac.yml", format!("{PROJECT}models: models/\ntests: tests/\n"))
        .write(SPEC, REVENUE)
        .write("models/orders.sql", "select 1 as id\n")
        .write("tests/no_orders.sql", "select 1\n");
    begin(&place);
    push(&place);
    place
}

fn push(project: &Place) {
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
}

/// Returns the messages of a rollback to the first entry.
fn roll_back(project: &Place) -> String {
    let run = project.run(&["rollback", "1", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert_eq!(git(project, &["status", "--porcelain"]), "");
    run.err
}

#[test]
fn handwritten_files_in_the_same_folders_are_kept() {
    let place = create_pushed_project("rollback_handwritten");
    let first = [SPEC, SQL].map(|file| place.read(file));
    place
        .write("models/orders.sql", "select 2 as id\n")
        .write("models/customers.sql", "select 3 as id\n")
        .write("metrics/README.md", "Specs\n");
    git(&place, &["rm", "--quiet", "tests/no_orders.sql"]);
    edit(&place, SPEC, "SUM(amount)", "SUM(amount - tax)");
    commit(&place, "by hand");
    push(&place);
    place.write("tests/no_customers.sql", "select 4\n");
    commit(&place, "later");
    assert!(!roll_back(&place).contains("warning"));
    assert_eq!([SPEC, SQL].map(|file| place.read(file)), first);
    assert_eq!(place.read("models/orders.sql"), "select 2 as id\n");
    for kept in ["models/customers.sql", "metrics/README.md", "tests/no_customers.sql"] {
        assert!(place.path(kept).is_file(), "{kept}");
    }
    assert!(!place.path("tests/no_orders.sql").exists());
    assert!(place.run(&["plan"]).out.contains("agree"));
}

#[test]
fn hand_edits_of_generated_files_and_later_changes_of_specs_are_kept() {
    let place = create_pushed_project("rollback_hand_edits");
    // The push of the second formula keeps these edits but does not make them, so a rollback does not undo them.
    edit(
        &place,
        SQL,
        "group by country",
        "group by country\nhaving count(*) % 7 < 3",
    );
    edit(&place, SQL, "select\n", "-- checked by Bob\nselect\n");
    commit(&place, "Large countries only");
    edit(&place, SPEC, "SUM(amount)", "SUM(amount - tax)");
    // A user may commit the generated files before the push.
    commit(&place, "Revenue after tax");
    push(&place);
    edit(&place, SPEC, "Revenue by country.", "Revenue of each country.");
    commit(&place, "Describe the model");
    let said = roll_back(&place);
    assert!(!said.contains("warning"), "{said}");
    let (spec, sql) = (place.read(SPEC), place.read(SQL));
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
    let plan = place.run(&["plan"]).out;
    assert!(
        plan.contains("0 to create, 1 to update, 0 to delete, 0 conflicts; 1 hand edit kept"),
        "{plan}"
    );
}

#[test]
fn a_file_whose_lines_changed_again_keeps_its_contents() {
    let place = create_pushed_project("rollback_same_lines");
    edit(&place, SPEC, "SUM(amount)", "SUM(amount - tax)");
    push(&place);
    edit(&place, SPEC, "SUM(amount - tax)", "SUM(amount - fee)");
    commit(&place, "Fees");
    let said = roll_back(&place);
    let kept = format!("warning: `{SPEC}` keeps its contents, because later commits changed the lines");
    assert!(said.contains(&kept), "{said}");
    assert!(place.read(SPEC).contains("SUM(amount - fee)"));
    assert!(place.read(SQL).contains("sum(amount)"));
}

/// Changes of metric sets that a push read are undone although another commit contains them.
#[test]
fn metric_sets_that_were_pushed_are_undone() {
    let place = create_pushed_project("rollback_sets");
    place.write(
        "metrics/orders.yml",
        "metric_set: orders\nfrom: orders\ntime: day\ndefinitions: |\n  total = SUM(amount)\n  // per order\n  average = total / COUNT()\n  fees = SUM(fee)\n",
    );
    place.write(
        "metrics/daily.yml",
        "model: daily\nmetrics: [orders.total]\ngroup_by: [day]\n",
    );
    push(&place);
    let set = place.read("metrics/orders.yml");
    edit(&place, "metrics/orders.yml", "SUM(amount)", "SUM(amount) - SUM(tax)");
    edit(&place, SPEC, "SUM(amount)", "SUM(amount - tax)");
    assert_eq!(place.run(&["generate"]).exit, 0);
    commit(&place, "generated");
    push(&place);
    edit(&place, "metrics/orders.yml", "SUM(fee)", "SUM(fee * 2)");
    commit(&place, "later");
    let run = place.run(&["rollback", "2", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert_eq!(
        place.read("metrics/orders.yml"),
        set.replace("SUM(fee)", "SUM(fee * 2)")
    );
    assert!(place.read(SPEC).contains("SUM(amount)") && place.read(SQL).contains("sum(amount)"));
    let plan = place.run(&["plan"]).out;
    assert!(
        plan.contains("1 metric set to commit") || plan.contains("agree"),
        "{plan}"
    );
    // The files of models that later pushes created are removed.
    roll_back(&place);
    assert!(!place.path("metrics/daily.yml").exists() && !place.path("models/daily.sql").exists());
}

/// If only pushes changed a generated file, it has its former bytes again. Otherwise, the layout of other commits is kept.
#[test]
fn generated_files_have_their_former_layout() {
    for (name, is_formatted_later) in [("rollback_layout", false), ("rollback_later_layout", true)] {
        let place = create_pushed_project(name);
        edit(&place, SQL, "sum(amount)", "SUM(amount)");
        push(&place);
        let sql = place.read(SQL);
        edit(&place, SPEC, "SUM(amount)", "SUM(amount - tax)");
        push(&place);
        if is_formatted_later {
            edit(&place, SQL, "sum(amount - tax)", "Sum(amount - tax)");
            edit(&place, SQL, "group by", "GROUP BY");
            commit(&place, "formatted");
        }
        let run = place.run(&["rollback", "2", "--yes"]);
        assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
        match is_formatted_later {
            false => assert_eq!(place.read(SQL), sql),
            true => assert!(place.read(SQL).contains("GROUP BY"), "{}", place.read(SQL)),
        }
        assert!(place.run(&["plan"]).out.contains("agree"));
    }
}
