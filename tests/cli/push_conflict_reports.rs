//! Tests what conflicts report: the differences, the author of an edit, and the possible resolutions.

use crate::push_manual_edits::create_project;
use crate::repository::{commit, edit, git};
use crate::run::TestProject;

#[test]
fn a_conflict_shows_the_differences() {
    let mut project = create_project("push_clash");
    edit(
        &project,
        "models/formulac/revenue.sql",
        "status <> 'test'",
        "status <> 'test' and amount % 7 < 3",
    );
    commit(&project, "No gifts");
    project.succeed(&["push", "--yes"]);
    edit(
        &project,
        "metrics/revenue.yml",
        "status <> \"test\"",
        "status = \"paid\"",
    );
    project.show(&["plan"]);
    let shown = project.transcript();
    assert!(!shown.contains("formulac: edit"), "{shown}");
    crate::repository::snapshot(&project, "push_conflict_reports__a_conflict_shows_the_differences");
}

/// A conflict names the user who edited a line of a long column instead of the user who wrote the column. Uncommitted
/// edits are also considered.
#[test]
fn a_conflict_names_who_changed_the_line() {
    let project = create_project("push_clash_who");
    let long = "SUM(IF(amount_without_any_tax > 100, amount_without_any_tax - discount_of_customer, amount_of_refund))";
    edit(&project, "metrics/revenue.yml", "SUM(amount)", long);
    commit(&project, "longer");
    project.succeed(&["push", "--yes"]);
    edit(
        &project,
        "models/formulac/revenue.sql",
        "then amount_without_any_tax - discount_of_customer",
        "then rebate",
    );
    edit(&project, "metrics/revenue.yml", "> 100", "> 200");
    let theirs = |shown: &str| {
        let line = shown
            .lines()
            .find(|line| line.trim_start().starts_with("theirs"))
            .unwrap()
            .to_owned();
        (line.contains("not committed"), line.contains("By hand"))
    };
    assert_eq!(
        theirs(&project.run(&["plan"]).out),
        (true, false),
        "{}",
        project.run(&["plan"]).out
    );
    commit(&project, "By hand");
    assert_eq!(
        theirs(&project.run(&["plan"]).out),
        (false, true),
        "{}",
        project.run(&["plan"]).out
    );
}

#[test]
fn a_conflict_names_who_changed_the_description() {
    let project = create_project("push_description_who");
    project.succeed(&["push", "--yes"]);
    let spec = project.read("metrics/revenue.yml");
    let line = spec.lines().position(|line| line.contains("revenue = ")).unwrap();
    edit(
        &project,
        "metrics/revenue.yml",
        "  revenue = ",
        "  /// Net amount\n  revenue = ",
    );
    commit(&project, "Net");
    edit(
        &project,
        "models/formulac/revenue.yml",
        "description: SUM(amount)",
        "description: gross amount",
    );
    let plan = project.run(&["plan"]).out;
    let ours = plan.lines().find(|line| line.trim_start().starts_with("ours")).unwrap();
    assert!(ours.contains(&format!("metrics/revenue.yml:{} ", line + 1)), "{plan}");
    assert!(ours.contains("\"Net\""), "{plan}");
    edit(
        &project,
        "metrics/revenue.yml",
        "Net amount",
        "Net amount of all orders",
    );
    let plan = project.run(&["plan"]).out;
    let ours = plan.lines().find(|line| line.trim_start().starts_with("ours")).unwrap();
    assert!(ours.ends_with("not committed"), "{plan}");
}

/// The conflict names the definition that would read the edited column, and both possible resolutions.
#[test]
fn a_conflict_names_the_definitions_that_would_read_an_edit() {
    let project = create_project("push_shared_column");
    edit(
        &project,
        "metrics/revenue.yml",
        "columns:",
        "  half = revenue / 2\ncolumns:",
    );
    project.succeed(&["push", "--yes"]);
    let total = "coalesce(sum(amount), 0) as revenue";
    edit(
        &project,
        "models/formulac/revenue.sql",
        total,
        "my_total(amount) as revenue",
    );
    project.succeed(&["push", "--yes"]);
    edit(
        &project,
        "metrics/revenue.yml",
        "columns:",
        "  twice = SUM(amount) * 2\ncolumns:",
    );
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 3, "{}", run.out);
    for expected in [
        "the SQL of `twice` would use the edited column `revenue`, although the spec does not refer to it in `twice`\n",
        "next    formulac resolve revenue.revenue --ours\n",
        "or refer to `revenue` in `twice` in metrics/revenue.yml to use the edited SQL there\n",
    ] {
        assert!(run.out.contains(expected), "{}", run.out);
    }
    assert_eq!(project.run(&["resolve", "revenue.revenue", "--theirs"]).exit, 3);
    edit(&project, "metrics/revenue.yml", "SUM(amount) * 2", "revenue * 2");
    project.succeed(&["push", "--yes"]);
    edit(&project, "metrics/revenue.yml", "revenue * 2", "SUM(amount) * 3");
    project.succeed(&["resolve", "revenue.revenue", "--ours"]);
    project.succeed(&["push", "--yes"]);
    let sql = project.read("models/formulac/revenue.sql");
    assert!(sql.contains(total) && sql.contains("revenue * 3 as twice"), "{sql}");
}

/// A removed column and the file of a renamed model have no author, so the conflict names the last change to the file.
#[test]
fn conflicts_of_removed_parts_name_who_edited_the_file() {
    let project = create_project("push_removed_who");
    let theirs = |project: &TestProject| {
        let plan = project.run(&["plan"]).out;
        let line = plan.lines().find(|line| line.trim_start().starts_with("theirs"));
        line.unwrap_or_else(|| panic!("{plan}")).to_owned()
    };
    for (spec_edit, sql_edit) in [
        (
            ("COUNT(DISTINCT(customer_id))", "COUNT(customer_id)"),
            (",\n    count(distinct customer_id) as customers\n", "\n"),
        ),
        (("model: revenue", "model: sales"), ("sum(amount)", "sum(amount * 2)")),
    ] {
        edit(&project, "metrics/revenue.yml", spec_edit.0, spec_edit.1);
        edit(&project, "models/formulac/revenue.sql", sql_edit.0, sql_edit.1);
        assert!(theirs(&project).ends_with("not committed"), "{}", theirs(&project));
        commit(&project, "Edited by hand");
        assert!(theirs(&project).ends_with("\"Edited by hand\""), "{}", theirs(&project));
        git(&project, &["reset", "--quiet", "--hard", "HEAD~1"]);
    }
}

/// `plan` offers exactly the sides that `resolve` accepts.
#[test]
fn every_offered_resolution_is_possible() {
    const SQL: &str = "models/formulac/revenue.sql";
    const YML: &str = "models/formulac/revenue.yml";
    type TextEdit = (&'static str, &'static str);
    /// Name of the case, the edits to the spec and to a generated file, and the sides that `plan` offers.
    type ConflictCase = (
        &'static str,
        TextEdit,
        (&'static str, TextEdit),
        &'static [&'static str],
    );
    let conflicts: [ConflictCase; 3] = [
        (
            "formula",
            ("SUM(amount)", "SUM(amount - tax)"),
            (SQL, ("coalesce(sum(amount), 0)", "max(amount)")),
            &["--ours", "--theirs", "--edit", "--base"],
        ),
        (
            "where",
            ("status <> \"test\"", "status = \"paid\""),
            (SQL, ("status <> 'test'", "status <> 'test' and amount % 7 < 3")),
            &["--ours", "--theirs", "--edit", "--base"],
        ),
        (
            "description",
            ("  revenue = SUM", "  /// net amount\n  revenue = SUM"),
            (YML, ("description: SUM(amount)", "description: gross amount")),
            &["--ours", "--theirs"],
        ),
    ];
    for (name, (before, after), (file, (generated, edited)), offered) in conflicts {
        let project = create_project(&format!("push_offered_{name}"));
        edit(&project, "metrics/revenue.yml", before, after);
        edit(&project, file, generated, edited);
        let found = ["metrics/revenue.yml", file].map(|path| (path, project.read(path)));
        let plan = project.run(&["plan"]);
        assert_eq!(plan.exit, 3, "{name}: {}{}", plan.out, plan.err);
        let next = &plan.out[plan.out.find("  next ").unwrap()..plan.out.find("Plan:").unwrap()];
        let conflict = next.split_whitespace().nth(3).unwrap();
        for side in ["--ours", "--theirs", "--edit", "--base", "--to-set", "--to-model"] {
            let mut command = project.command(&["resolve", conflict, side]);
            command.env("EDITOR", "true").env_remove("VISUAL");
            let run = crate::run::finish(command);
            let is_offered = next.contains(side);
            assert_eq!(is_offered, run.exit == 0, "{name} {side}: {next}{}", run.err);
            assert_eq!(is_offered, offered.contains(&side), "{name} {side}: {next}");
            for (path, text) in &found {
                project.write(path, text);
            }
        }
    }
}
