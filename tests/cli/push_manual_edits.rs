//! Tests manual edits to generated files in real git repositories: formatted files, comments, and edits that become
//! formulas.

use crate::repository::{begin, commit, edit, git};
use crate::run::TestProject;

pub const SPEC: &str = "\
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

pub fn create_project(name: &str) -> TestProject {
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
    crate::repository::snapshot(&project, "push_manual_edits__edits_of_comments_alone_are_committed");
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
    assert!(project.run(&["plan"]).out.ends_with("1 manual edit kept\n"));
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
    // The spec cannot express this edit of the date, so the edit remains a manual edit.
    edit(&project, sql, "date '2024-01-01'", "date '2024-03-01'");
    let run = project.run(&["push", "--yes"]);
    assert!(
        run.exit == 0 && run.out.contains("1 manual edit kept"),
        "{}{}",
        run.out,
        run.err
    );
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

/// `plan` explains why it lists a model without changed files, and a commit does not contain manual edits that are
/// kept.
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
    assert!(plan.out.contains("remains a manual edit"), "{}", plan.out);
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
        "remains a manual edit: formula of revenue, models/formulac/revenue.sql:",
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

/// The messages suggest no command that would discard the edits.
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

/// Without this check, the definitions after an unclosed bracket would be removed from the spec.
#[test]
fn sql_that_cannot_be_split_is_reported_with_its_line() {
    let project = create_project("push_invalid_sql");
    let sql = "models/formulac/revenue.sql";
    let spec = project.read("metrics/revenue.yml");
    let generated = project.read(sql);
    for (old, new, reason) in [
        ("sum(amount)", "sum((amount)", "`(` is never closed"),
        ("'test'", "'test", "`'` is never closed"),
        (
            "\nselect",
            "\n<<<<<<< HEAD\nselect",
            "the file contains a Git conflict marker",
        ),
    ] {
        assert!(generated.contains(old), "{old}: {generated}");
        let edited = generated.replacen(old, new, 1);
        let start = edited.find(new).unwrap() + usize::from(new.starts_with('\n'));
        let line = 1 + edited[..start].matches('\n').count();
        project.write(sql, edited);
        for command in [&["plan"][..], &["adopt"], &["push", "--yes"]] {
            let run = project.run(command);
            assert_eq!(run.exit, 3, "{new} {command:?} {}{}", run.out, run.err);
            let text = format!("{}{}", run.out, run.err);
            let next = format!("next    correct line {line} of {sql}\n");
            assert!(text.contains(reason) && text.contains(&next), "{command:?} {text}");
            // Only git's versions of a generated file may be replaced without a look at them.
            assert_eq!(text.contains("--ours"), new.contains("<<<<"), "{command:?} {text}");
        }
        assert_eq!(project.read("metrics/revenue.yml"), spec);
    }
}

/// A merge in git may leave markers in several generated files, but the specs already contain the result.
#[test]
fn files_with_conflict_markers_can_be_written_from_the_spec() {
    let project = create_project("push_conflict_markers");
    let files = ["models/formulac/revenue.sql", "models/formulac/revenue.yml"];
    let generated = files.map(|file| project.read(file));
    for (file, text) in files.iter().zip(&generated) {
        project.write(file, format!("<<<<<<< HEAD\n{text}"));
    }
    let plan = project.run(&["plan"]);
    assert_eq!(plan.exit, 3, "{}{}", plan.out, plan.err);
    for file in files {
        let next = format!(
            "  next    correct line 1 of {file}\n          or formulac resolve revenue:{file} --ours, which writes the \
             file from the spec and saves a copy of the edited file\n"
        );
        assert!(plan.out.contains(&next), "{}", plan.out);
    }
    let status = project.run(&["status"]);
    let found = "2 conflicts are to resolve: revenue\n";
    let fix = format!(
        "correct line 1 of {0} (or formulac resolve revenue:{0} --ours)",
        files[0]
    );
    assert!(
        status.out.contains(found) && status.out.contains(&fix),
        "{}",
        status.out
    );
    project.succeed(&["resolve", &format!("revenue:{}", files[0]), "--ours"]);
    project.succeed(&["resolve", "revenue", "--ours"]);
    assert_eq!(files.map(|file| project.read(file)), generated);
}

/// In the SQL, a column is renamed and gets an expression that no formula can express. Meanwhile, other parts of the
/// spec change.
#[test]
fn a_renamed_column_without_a_formula_undoes_no_change_of_the_spec() {
    let project = create_project("push_renamed_without_formula");
    let (path, spec) = ("models/formulac/revenue.sql", "metrics/revenue.yml");
    edit(
        &project,
        path,
        "coalesce(sum(amount), 0) as revenue",
        "my_udf(amount) as paid",
    );
    commit(&project, "edit the SQL");
    let changed = SPEC
        .replace("\"test\"", "\"trial\"")
        .replace("columns:\n", "  largest = MAX(amount)\ncolumns:\n");
    project.write(spec, &changed);
    commit(&project, "edit the spec");
    let plan = project.run(&["plan"]);
    for part in [
        "removed from the spec: the column `revenue`",
        "remains a manual edit: the column `paid`",
    ] {
        assert!(plan.out.contains(part), "{part}: {}", plan.out);
    }
    project.succeed(&["push", "--yes"]);
    assert_eq!(project.read(spec), changed.replace("  revenue = SUM(amount)\n", ""));
    let sql = project.read(path);
    for part in ["my_udf(amount) as paid", "max(amount) as largest", "'trial'"] {
        assert!(sql.contains(part), "{part}: {sql}");
    }
}
