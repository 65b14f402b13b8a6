//! Tests edits whose calls lack the guards of generated SQL. Such edits become formulas, and the formulas' SQL replaces
//! them in the file, unless a comment keeps them.

use crate::test_project::{SPEC, SQL, TestProject, compiler};

const GROUPED: &str = "\
model: m
from: orders
group_by: country
definitions: |
  revenue = COUNT()
  largest = MAX(amount)
";

/// Returns the pushed project after an edit to its SQL.
fn edit_project(replaced: &[(&str, &str)]) -> TestProject {
    let mut project = TestProject::from_spec(GROUPED).push(&compiler());
    let mut sql = project.text(SQL).to_owned();
    for (from, to) in replaced {
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        sql = sql.replace(from, to);
    }
    project.set(SQL, sql);
    project
}

#[test]
fn the_generated_sql_replaces_the_edit() {
    let compiler = compiler();
    let project = edit_project(&[("count(*)", "round(sum(amount) / count(*), 2)")]);
    let plan = project.plan(&compiler);
    let edit = &plan.models[0].carried[0];
    let message = edit.describe_rewritten_sql().unwrap();
    assert!(
        message.contains(
            "differs from the edited SQL only in a default for NULL, a conversion of types and NULL for a division by 0"
        ),
        "{message}"
    );
    let after = project.apply_plan(&plan);
    assert!(
        after.spec().contains("revenue = ROUND(SUM(amount) / COUNT(), 2)"),
        "{}",
        after.spec()
    );
    assert!(after.plan(&compiler).models.is_empty());
}

/// A new column without guards becomes a definition.
#[test]
fn new_columns_become_definitions() {
    let compiler = compiler();
    let column = (
        "max(amount) as largest",
        "max(amount) as largest,\n    sum(tax) as taxes",
    );
    let project = edit_project(&[column]);
    let plan = project.plan(&compiler);
    assert!(plan.models[0].kept.is_empty(), "{:#?}", plan.json());
    let after = project.apply_plan(&plan);
    assert!(after.spec().contains("taxes = SUM(tax)"), "{}", after.spec());
    assert!(
        after.text(SQL).contains("coalesce(sum(tax), 0) as taxes"),
        "{}",
        after.text(SQL)
    );
    assert!(after.plan(&compiler).models.is_empty());
}

/// Another edit, which no spec can express, remains in the same file.
#[test]
fn other_edits_of_the_file_are_kept() {
    let compiler = compiler();
    for column in [
        ("count(*)", "sum(amount)"),
        (
            "max(amount) as largest",
            "max(amount) as largest,\n    sum(amount) as total",
        ),
    ] {
        let project = edit_project(&[column, ("group by country", "group by country\nqualify true")]);
        let plan = project.plan(&compiler);
        let model = &plan.models[0];
        assert_eq!((plan.conflicts(), model.kept.len()), (0, 1), "{:#?}", plan.json());
        let after = project.apply_plan(&plan);
        assert!(after.spec().contains("= SUM(amount)"), "{}", after.spec());
        let sql = after.text(SQL);
        assert!(
            sql.contains("coalesce(sum(amount), 0) as") && sql.contains("qualify true"),
            "{sql}"
        );
        assert_eq!(after.plan(&compiler).conflicts(), 0);
    }
}

/// A comment next to the column or above it keeps the edited SQL, and the spec does not change.
#[test]
fn a_comment_keeps_the_edited_sql() {
    let compiler = compiler();
    for edit in [
        ("count(*) as revenue,", "sum(amount) as revenue, -- formulac: keep"),
        ("count(*) as revenue,", "-- formulac: keep\n    sum(amount) as revenue,"),
        (
            "max(amount) as largest",
            "max(amount) as largest,\n    sum(tax) as taxes -- formulac: keep",
        ),
        // Without the comment, this would be a formula with exactly this SQL.
        ("count(*) as revenue,", "max(tax) as revenue, -- formulac: keep"),
    ] {
        let project = edit_project(&[edit]);
        let plan = project.plan(&compiler);
        let model = &plan.models[0];
        assert!(model.carried.is_empty(), "{edit:?}: {:#?}", plan.json());
        assert!(model.kept[0].is_edit_kept_by_comment(), "{edit:?}: {:#?}", plan.json());
        let mut after = project.apply_plan(&plan);
        assert_eq!((after.spec(), after.text(SQL)), (GROUPED, project.text(SQL)));
        // The spec may change at the same time.
        after.set(SPEC, GROUPED.replace("MAX(amount)", "MIN(amount)"));
        let after = after.push(&compiler);
        assert!(after.text(SQL).contains("formulac: keep") && after.text(SQL).contains("min(amount)"));
    }
}

/// If the spec changes the same formula, the edit is a conflict, which shows the formula of the edit.
#[test]
fn a_changed_spec_is_a_conflict() {
    let mut project = edit_project(&[("count(*)", "sum(amount)")]);
    project.set(SPEC, GROUPED.replace("COUNT()", "COUNTUNIQUE(id)"));
    let plan = project.plan(&compiler());
    let conflict = &plan.models[0].conflicts[0];
    assert_eq!(conflict.theirs_formula.as_deref(), Some("SUM(amount)"));
}

/// Conditions without guards, and conditions with equivalent SQL, become conditions of the spec.
#[test]
fn conditions_without_guards_become_conditions() {
    let compiler = compiler();
    for (edit, condition, sql) in [
        (
            "group by country\n    having sum(amount) / count(*) > 5",
            "having: SUM(amount) / COUNT() > 5",
            "having",
        ),
        (
            "where amount / nullif(tax, 0) > 2 and country like 'D%'\ngroup by country",
            "where: AND(amount / tax > 2, STARTSWITH(country, \"D\"))",
            "nullif(tax, 0) > 2",
        ),
        (
            "where tax / amount > 2\ngroup by country",
            "where: tax / amount > 2",
            "nullif(amount, 0) > 2",
        ),
    ] {
        let project = edit_project(&[("group by country", edit)]);
        let plan = project.plan(&compiler);
        assert!(plan.models[0].kept.is_empty(), "{:#?}", plan.json());
        assert!(plan.models[0].carried[0].rewritten.is_some(), "{edit}");
        let after = project.apply_plan(&plan);
        assert!(after.spec().contains(condition), "{}", after.spec());
        assert!(after.text(SQL).contains(sql), "{}", after.text(SQL));
        assert!(after.plan(&compiler).models.is_empty());
    }
    // The comment keeps the condition.
    let where_clause = "-- formulac: keep\nwhere tax / amount > 2\ngroup by country";
    let project = edit_project(&[("group by country", where_clause)]);
    let plan = project.plan(&compiler);
    assert!(plan.models[0].carried.is_empty(), "{:#?}", plan.json());
}
