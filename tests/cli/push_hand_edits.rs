//! Tests hand edits to generated files in real git repositories: moved files, formatted files and readable conflicts.

use std::fs;

use crate::repository::{begin, commit, edit, git};
use crate::run::TestProject;

const SPEC: &str = "\
model: revenue
from: orders
where: status <> \"test\"
group_by: country
definitions: |
  revenue = SUM(amount)
  customers = COUNT(DISTINCT(customer_id))
columns:
  country: {data_tests: [not_null]}
";

fn create_project(name: &str) -> TestProject {
    let project = TestProject::new(name);
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write("metrics/revenue.yml", SPEC);
    project.write("dbt_project.yml", "name: shop\nmodel-paths: [models]\n");
    begin(&project);
    project.succeed(&["push", "--yes"]);
    project
}

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
    crate::repository::snapshot(&project, "push_hand_edits__a_conflict_shows_the_differences");
}

#[test]
fn generate_keeps_layout_and_a_config_line_and_refuses_other_edits() {
    let project = create_project("push_generate");
    let path = "models/formulac/revenue.sql";
    let text = project.read(path);
    let formatted = text
        .replace("select", "SELECT")
        .replace("as customers\n", "as customers -- people\n");
    project.write(
        path,
        formatted.replacen("#}\n", "#}\n{{ config(tags=['daily']) }}\n", 1),
    );
    project.succeed(&["generate", "--check"]);
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "SUM(amount - tax)");
    project.succeed(&["generate"]);
    let now = project.read(path);
    for kept in ["SELECT", "-- people", "config(tags=['daily'])", "sum(amount - tax)"] {
        assert!(now.contains(kept), "{kept}: {now}");
    }
    project.write(path, now.replace("customer_id", "account_id"));
    edit(&project, "metrics/revenue.yml", "SUM(amount - tax)", "SUM(amount)");
    assert_eq!(project.run(&["generate"]).exit, 3);
    assert!(project.read(path).contains("account_id"));
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
    project.succeed(&["push", "--yes"]);
    for command in ["check", "generate", "plan", "status"] {
        let run = project.run(&[command]);
        assert!(!run.err.contains("outside of the folders"), "{command}: {}", run.err);
    }
    let run = project.run(&["model", "metrics/revenue.yml", "--out", "models/formulac"]);
    assert_eq!(
        (run.exit, project.files("models/formulac")),
        (0, Vec::new()),
        "{}",
        run.err
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
        "the SQL of `twice` would read the edited column `revenue`, but the spec does not name it there\n",
        "next    formulac resolve revenue.revenue --ours\n",
        "or name `revenue` in `twice` in metrics/revenue.yml to use the edited SQL there\n",
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

/// A push reports the files that would be missing from a clone.
#[test]
fn settings_that_are_not_committed_are_named() {
    let project = TestProject::new("push_settings");
    project
        .write("metrics/revenue.yml", SPEC)
        .write("dbt_project.yml", "name: shop\nmodel-paths: [models]\n");
    begin(&project);
    project
        .write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n")
        .write(".gitignore", "target/\n");
    let run = project.run(&["push", "--yes"]);
    assert!(
        run.err.contains("`.gitignore` and `formulac.yml` are not committed"),
        "{}",
        run.err
    );
    assert!(
        run.err.contains("`git add .gitignore formulac.yml && git commit -m "),
        "{}",
        run.err
    );
    commit(&project, "settings");
    edit(&project, "metrics/revenue.yml", "SUM(amount)", "MAX(amount)");
    let run = project.run(&["push", "--yes"]);
    assert!(run.exit == 0 && !run.err.contains("not committed"), "{}", run.err);
}

/// An edit that the spec cannot express remains in the file. Like `push`, `generate` accepts the file.
#[test]
fn generate_accepts_kept_edits() {
    let project = create_project("push_kept_generate");
    edit(
        &project,
        "models/formulac/revenue.sql",
        "status <> 'test'",
        "status <> 'test' and amount % 7 < 3",
    );
    commit(&project, "No gifts");
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    let sql = project.read("models/formulac/revenue.sql");
    for args in [&["generate"][..], &["generate", "--check"]] {
        let run = project.run(args);
        assert_eq!(
            (run.exit, project.read("models/formulac/revenue.sql")),
            (0, sql.clone()),
            "{args:?}: {}",
            run.err
        );
    }
}

/// `generate` merges a change to the spec with the SQL of a formatter and with edits that no spec can express, as a
/// push does.
#[test]
fn generate_merges_changes_into_edited_files() {
    let project = create_project("push_merged_generate");
    let sql = "models/formulac/revenue.sql";
    edit(&project, sql, "coalesce(sum(amount), 0)", "ifnull(sum(amount), 0)");
    edit(&project, sql, "status <> 'test'", "status <> 'test' and amount % 7 < 3");
    commit(&project, "formatted");
    edit(
        &project,
        "metrics/revenue.yml",
        "COUNT(DISTINCT(customer_id))",
        "COUNT(customer_id)",
    );
    let run = project.run(&["generate"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let text = project.read(sql);
    for kept in ["ifnull(sum(amount), 0)", "amount % 7 < 3", "count(customer_id)"] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    project.succeed(&["generate", "--check"]);
    project.succeed(&["push", "--yes"]);
    assert_eq!(project.read(sql), text);
    // `generate` rejects edits that a push would copy to the spec.
    edit(&project, sql, "count(customer_id)", "count(account_id)");
    let run = project.run(&["generate"]);
    assert!(run.exit == 3 && run.err.contains("`formulac adopt`"), "{}", run.err);
}

/// Edits to comments and to the case of keywords are also kept: `status` names the file, and a push commits the file
/// once.
#[test]
fn edits_of_comments_alone_are_committed() {
    let mut project = create_project("push_comments");
    edit(
        &project,
        "models/formulac/revenue.sql",
        "select\n",
        "SELECT -- seen by Bob\n",
    );
    project
        .show(&["status"])
        .show(&["plan"])
        .show(&["push", "--yes"])
        .show(&["plan"]);
    crate::repository::snapshot(&project, "push_hand_edits__edits_of_comments_alone_are_committed");
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    // An edit that no spec can express is treated in the same way.
    edit(
        &project,
        "models/formulac/revenue.sql",
        "status <> 'test'",
        "status <> 'test' and amount % 7 < 3",
    );
    project.succeed(&["push", "--yes"]);
    assert_eq!(git(&project, &["status", "--porcelain"]), "");
    assert!(project.run(&["plan"]).out.ends_with("1 hand edit kept\n"));
}

/// A description that could be parsed as a formula is not used as the column's formula.
#[test]
fn a_description_never_becomes_a_formula() {
    let project = create_project("push_base_of_description");
    edit(
        &project,
        "metrics/revenue.yml",
        "  revenue =",
        "  /// amount\n  revenue =",
    );
    project.succeed(&["push", "--yes"]);
    edit(&project, "metrics/revenue.yml", "/// amount", "/// net amount");
    edit(
        &project,
        "models/formulac/revenue.yml",
        "description: amount",
        "description: gross amount",
    );
    let spec = project.read("metrics/revenue.yml");
    let plan = project.run(&["plan"]).out;
    assert!(
        plan.contains("resolve revenue.revenue --ours\n          or --theirs, --base instead"),
        "{plan}"
    );
    let mut command = project.command(&["resolve", "revenue.revenue", "--edit"]);
    command.env("EDITOR", "true").env_remove("VISUAL");
    assert_eq!(crate::run::finish(command).exit, 3);
    assert_eq!(project.read("metrics/revenue.yml"), spec);
    assert_eq!(project.run(&["resolve", "revenue.revenue", "--base"]).exit, 0);
    let base = spec.replace("/// net amount", "/// amount");
    assert_eq!(project.read("metrics/revenue.yml"), base);
}

/// The SQL of a step with `since` consists of several steps, but edits are transferred to the definitions of the spec.
#[test]
fn edits_of_a_step_with_since_become_part_of_the_spec() {
    let project = create_project("push_since");
    let spec = SPEC
        .replace(
            "group_by: country",
            "group_by: [country, \"ordered_at[month]\"]\norder_by: ordered_at[month]\nsince: 2024-01-01",
        )
        .replace("columns:", "  before = PERIODOFFSET(revenue, -1, \"month\")\ncolumns:");
    project.write("metrics/revenue.yml", &spec);
    project.succeed(&["push", "--yes"]);
    let sql = "models/formulac/revenue.sql";
    assert!(
        project
            .read(sql)
            .contains("where ordered_at_month >= date '2024-01-01'"),
        "{}",
        project.read(sql)
    );
    let mut edited = spec;
    for (from, to, formula, new_formula) in [
        ("coalesce(sum(amount), 0)", "max(amount)", "SUM(amount)", "MAX(amount)"),
        (
            "prior_month.revenue",
            "prior_month.customers",
            "PERIODOFFSET(revenue",
            "PERIODOFFSET(customers",
        ),
        ("<> 'test'", "<> 'trial'", "\"test\"", "\"trial\""),
    ] {
        edit(&project, sql, from, to);
        let run = project.run(&["push", "--yes"]);
        assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
        edited = edited.replace(formula, new_formula);
        assert_eq!(project.read("metrics/revenue.yml"), edited);
    }
    // The spec cannot express the edit, because its SQL requires the first day of a month.
    edit(&project, sql, "date '2024-01-01'", "date '2024-03-01'");
    let run = project.run(&["push", "--yes"]);
    assert!(
        run.exit == 0 && run.out.contains("1 hand edit kept"),
        "{}{}",
        run.out,
        run.err
    );
}

/// The state of the last push is the base of each comparison. If somebody removes or changes the state, it is restored
/// from the git history.
#[test]
fn a_removed_or_changed_state_is_restored() {
    let state = ".formulac/state/revenue.yml";
    let project = create_project("push_restored_state");
    let pushed = project.read(state);
    let harms: [(&dyn Fn(), &str); 3] = [
        (&|| fs::remove_file(project.path(state)).unwrap(), "is missing"),
        (
            &|| edit(&project, state, "SUM(amount)", "MAX(amount)"),
            "was changed by hand",
        ),
        (
            &|| {
                edit(&project, state, "SUM(amount)", "MAX(amount)");
                commit(&project, "false base");
            },
            "was changed by hand",
        ),
    ];
    for (harm, what) in harms {
        harm();
        // A hand edit and another change in the spec, which are merged with the restored base.
        edit(
            &project,
            "models/formulac/revenue.sql",
            "status <> 'test'",
            "status <> 'draft'",
        );
        edit(
            &project,
            "metrics/revenue.yml",
            "COUNT(DISTINCT(customer_id))",
            "COUNT(customer_id)",
        );
        let plan = project.run(&["plan"]);
        let message = format!("warning: `{state}` {what}; the changes are compared with the version that log entry ");
        assert!(plan.err.contains(&message), "{}", plan.err);
        assert!(
            plan.out
                .contains("Plan: 0 to create, 1 to update, 0 to delete, 0 conflicts"),
            "{}",
            plan.out
        );
        let run = project.run(&["push", "--yes"]);
        assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
        let spec = project.read("metrics/revenue.yml");
        assert!(
            spec.contains("status <> \"draft\"") && spec.contains("= COUNT(customer_id)"),
            "{spec}"
        );
        assert_eq!(git(&project, &["status", "--porcelain"]), "");
        let run = project.run(&["plan"]);
        assert!(
            run.out.contains("agree") && !run.err.contains(state),
            "{}{}",
            run.out,
            run.err
        );
        // Return to the first state.
        project.succeed(&["rollback", "1", "--yes"]);
        assert_eq!(project.read(state), pushed);
        assert!(!project.run(&["plan"]).err.contains(state));
    }
    // Without other changes, a push only restores the file, and commits edits to comments.
    fs::remove_file(project.path(state)).unwrap();
    edit(
        &project,
        "models/formulac/revenue.sql",
        "as customers\n",
        "as customers -- people\n",
    );
    let run = project.succeed(&["push", "--yes"]);
    let edited = "models/formulac/revenue.sql  edited manually, not committed yet";
    assert!(run.out.contains(edited), "{}", run.out);
    assert_eq!(
        (project.read(state), git(&project, &["status", "--porcelain"])),
        (pushed, String::new())
    );
}

/// States that git merged or took from another branch are not changed by hand.
#[test]
fn merged_states_are_kept() {
    let project = create_project("push_merged_state");
    let push = || {
        let run = project.run(&["push", "--yes"]);
        assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    };
    git(&project, &["switch", "--quiet", "-c", "side"]);
    edit(
        &project,
        "metrics/revenue.yml",
        "status <> \"test\"",
        "status <> \"draft\"",
    );
    push();
    git(&project, &["switch", "--quiet", "main"]);
    edit(
        &project,
        "metrics/revenue.yml",
        "COUNT(DISTINCT(customer_id))",
        "COUNT(customer_id)",
    );
    push();
    let merge = |strategy: &str| {
        let args = ["merge", "--quiet", "--no-edit", strategy, "side"];
        crate::repository::git_may_fail(&project, &args);
    };
    merge("--strategy-option=theirs");
    let plan = project.run(&["plan"]);
    assert!(!plan.err.contains(".formulac/state"), "{}", plan.err);
    git(&project, &["reset", "--quiet", "--hard", "HEAD^"]);
    merge("--strategy=ours");
    let plan = project.run(&["plan"]);
    assert!(!plan.err.contains(".formulac/state"), "{}", plan.err);
    // The other branch has the state that an entry before the last push wrote.
    edit(&project, "metrics/revenue.yml", "COUNT(customer_id)", "COUNT()");
    git(&project, &["switch", "--quiet", "-c", "late"]);
    git(&project, &["stash", "--quiet"]);
    project.write("metrics/other.yml", SPEC.replace("model: revenue", "model: other"));
    push();
    git(&project, &["switch", "--quiet", "main"]);
    git(&project, &["stash", "pop", "--quiet"]);
    push();
    git(&project, &["merge", "--quiet", "--no-commit", "--no-ff", "late"]);
    git(&project, &["checkout", "MERGE_HEAD", "--", "models", ".formulac/state"]);
    commit(&project, "merge");
    let plan = project.run(&["plan"]);
    assert!(!plan.err.contains(".formulac/state"), "{}", plan.err);
    assert!(
        plan.out.contains("1 to update, 0 to delete, 0 conflicts"),
        "{}",
        plan.out
    );
}

/// `plan` offers exactly the sides that `resolve` accepts.
#[test]
fn every_offered_resolution_is_possible() {
    const SQL: &str = "models/formulac/revenue.sql";
    const YML: &str = "models/formulac/revenue.yml";
    type TextEdit = (&'static str, &'static str);
    /// Name, the edits to the spec and to a generated file, and the sides that `plan` offers.
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

/// The files of a model with a new name keep the comments that users wrote in the files with the former name.
#[test]
fn comments_move_to_a_new_name() {
    let project = create_project("push_renamed_comments");
    edit(
        &project,
        "models/formulac/revenue.yml",
        "    columns:\n",
        "    # seen by Bob\n    columns:\n",
    );
    edit(
        &project,
        "models/formulac/revenue.sql",
        "as customers\n",
        "as customers -- people\n",
    );
    commit(&project, "comments");
    edit(&project, "metrics/revenue.yml", "model: revenue", "model: income");
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    let (yml, sql) = (
        project.read("models/formulac/income.yml"),
        project.read("models/formulac/income.sql"),
    );
    assert!(
        yml.contains("name: income") && yml.contains("    # seen by Bob\n    columns:\n"),
        "{yml}"
    );
    assert!(sql.contains("as customers -- people\n"), "{sql}");
    assert!(!project.path("models/formulac/revenue.yml").exists());
    let plan = project.run(&["plan"]);
    assert!(plan.out.contains("agree"), "{}", plan.out);
}

/// `plan` explains why it lists a model without changed files, and a commit does not contain hand edits that are kept.
#[test]
fn a_new_layout_of_a_spec_is_named() {
    let project = create_project("push_spec_layout");
    let with_edit = SPEC.replace("model: revenue", "model: other");
    project.write("metrics/other.yml", &with_edit);
    commit(&project, "other");
    project.succeed(&["push", "--yes"]);
    edit(
        &project,
        "models/formulac/other.sql",
        "status <> 'test'",
        "status <> 'test' and amount % 7 < 3",
    );
    project.succeed(&["push", "--yes"]);
    edit(
        &project,
        "metrics/revenue.yml",
        "from: orders",
        "# All of them.\nfrom: orders",
    );
    let plan = project.run(&["plan"]);
    let line = "    the spec changed, but no generated file changes\n";
    assert_eq!(plan.out.matches(line).count(), 1, "{}", plan.out);
    assert!(plan.out.contains("remains a hand edit"), "{}", plan.out);
    project.succeed(&["push", "--yes"]);
    let message = git(&project, &["log", "-1", "--format=%B"]);
    assert!(message.starts_with("Update revenue\n\nupdate revenue\n"), "{message}");
    assert!(!message.contains("keep"), "{message}");
    let log = project.run(&["log"]).out;
    let last = log.lines().take_while(|line| !line.starts_with("   3 "));
    assert_eq!(last.skip(1).collect::<Vec<_>>(), ["        update revenue"], "{log}");
}

/// An edit without the guards of generated SQL becomes a formula. `plan` and `adopt` show the new SQL, and a comment
/// keeps the edited SQL.
#[test]
fn an_edit_without_guards_becomes_a_formula_unless_a_comment_keeps_it() {
    let project = create_project("push_guards");
    let path = "models/formulac/revenue.sql";
    edit(&project, path, "coalesce(sum(amount), 0)", "round(avg(amount), 2)");
    let written = project.read(path);
    let plan = project.run(&["plan"]);
    for part in [
        "revenue: SUM(amount) → ROUND(AVERAGE(amount), 2)",
        "copied into the spec: formula of revenue, models/formulac/revenue.sql:",
        "      the new SQL is `",
        "`, which differs from the edited SQL only in a default for NULL and a conversion of types; \
         the comment `-- formulac: keep` keeps the edited SQL\n",
    ] {
        assert!(plan.out.contains(part), "{part}: {}", plan.out);
    }
    let json: serde_json::Value = serde_json::from_str(&project.run(&["adopt", "--dry-run", "--json"]).out).unwrap();
    let adds = &json["adopted"][0]["rewritten"]["adds"];
    assert_eq!(adds, "a default for NULL and a conversion of types", "{json:#}");
    // The user rejects the formula.
    edit(
        &project,
        path,
        "round(avg(amount), 2) as revenue,",
        "round(avg(amount), 2) as revenue, -- formulac: keep",
    );
    let plan = project.run(&["plan"]);
    for kept in [
        "remains a hand edit: formula of revenue, models/formulac/revenue.sql:",
        "\n      the comment `formulac: keep` keeps it\n",
    ] {
        assert!(plan.out.contains(kept), "{}", plan.out);
    }
    let run = project.run(&["push", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    assert!(
        project
            .read(path)
            .contains("round(avg(amount), 2) as revenue, -- formulac: keep")
    );
    assert_eq!(project.read("metrics/revenue.yml"), SPEC);
    // The user accepts the formula.
    project.write(path, written);
    let run = project.run(&["adopt"]);
    assert!(run.err.contains("the new SQL is `"), "{}{}", run.out, run.err);
    assert!(
        project
            .read("metrics/revenue.yml")
            .contains("revenue = ROUND(AVERAGE(amount), 2)")
    );
    assert!(!project.read(path).contains("round(avg(amount), 2)"));
}

/// No command that discards the edits is proposed.
#[test]
fn yaml_that_is_not_valid_is_reported_with_its_line() {
    let project = create_project("push_invalid_yaml");
    let yml = "models/formulac/revenue.yml";
    edit(
        &project,
        yml,
        "description: SUM(amount)",
        "description: Sum: of amounts",
    );
    let line = 1 + project
        .read(yml)
        .lines()
        .position(|line| line.contains("Sum: of"))
        .unwrap();
    let run = project.run(&["plan"]);
    assert_eq!(run.exit, 3, "{}{}", run.out, run.err);
    for expected in [
        "the text is not valid YAML",
        &format!("next    correct line {line} of {yml}\n"),
    ] {
        assert!(run.out.contains(expected), "{}", run.out);
    }
    assert!(!run.out.contains("--ours"), "{}", run.out);
}
