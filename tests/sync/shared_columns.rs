//! Manual edits to columns that the SQL of other definitions reads. A push keeps these edits.

use crate::test_project::{SPEC, SQL, TestProject, compiler};

const BY_CHANNEL: &str = "\
model: m
from: orders
group_by: channel
definitions: |
  gross = SUM(amount)
  net = SUM(amount) - SUM(discount)
  quantity = AVERAGE(pieces)
";

/// Returns the pushed project with a manual edit that no formula expresses, and that the last push kept.
fn project_with_kept_edit((before, after): (&str, &str)) -> TestProject {
    let mut project = TestProject::from_spec(BY_CHANNEL).push(&compiler());
    let sql = project.text(SQL).to_owned();
    assert!(sql.contains(before), "{sql}");
    project.set(SQL, sql.replace(before, after));
    let pushed = project.push(&compiler());
    assert_eq!(pushed.spec(), project.spec());
    pushed
}

/// A definition that does not name an edited column computes its own formula, so it cannot read the edited SQL.
#[test]
fn new_definitions_do_not_read_edited_columns_without_their_name() {
    let gross = ("coalesce(sum(amount), 0)", "coalesce(sum(distinct amount), 0)");
    let discount = ("coalesce(sum(discount), 0)", "coalesce(sum(distinct discount), 0)");
    let quantity = ("avg(pieces)", "max_by(pieces, day)");
    let compiler = compiler();
    for (edit, added, readers) in [
        (gross, "twice = SUM(amount) * 2", &["twice"][..]),
        (gross, "twice = gross * 2", &[]),
        (gross, "a = gross + 1\n  twice = a * 2", &[]),
        (gross, "smallest = MIN(amount)", &[]),
        (gross, "a = SUM(amount) + 1\n  b = SUM(amount) + 2", &["a", "b"]),
        (quantity, "more = net + AVERAGE(pieces)", &["more"]),
        (quantity, "more = net + quantity", &[]),
        (discount, "share = SUM(discount) / MAX(amount)", &["share"]),
        (gross, "n = COUNT()\nhaving: SUM(amount) > 10", &["where"]),
        (gross, "n = COUNT()\nhaving: gross > 10", &[]),
    ] {
        let mut project = project_with_kept_edit(edit);
        project.set(SPEC, format!("{}  {added}\n", project.spec()));
        let plan = project.plan(&compiler);
        let found: Vec<&[String]> = plan.models[0]
            .conflicts
            .iter()
            .map(|conflict| &*conflict.readers)
            .collect();
        if readers.is_empty() {
            assert_eq!(plan.conflicts(), 0, "{added}: {:#?}", plan.json());
            let pushed = project.apply_plan(&plan);
            assert!(pushed.text(SQL).contains(edit.1), "{added}");
            continue;
        }
        assert_eq!(found, [readers], "{added}: {:#?}", plan.json());
        // Without the edit, the file has the generated SQL.
        let conflict = &plan.models[0].conflicts[0];
        let restored = formulac::sync::restore_conflicting_sql(project.text(SQL), &conflict.restored).unwrap();
        project.set(SQL, restored);
        let pushed = project.push(&compiler);
        assert!(pushed.text(SQL).contains(edit.0), "{added}");
        assert_eq!(pushed.plan(&compiler).models.len(), 0);
    }
}

/// A comment that keeps an edit is removed with the edit.
#[test]
fn comments_that_keep_an_edit_are_removed_with_it() {
    let compiler = compiler();
    for after in [
        "        -- formulac: keep\n        max(amount) as gross,\n",
        "        max(amount) as gross,  -- formulac: keep\n",
    ] {
        let generated = "        coalesce(sum(amount), 0) as gross,\n";
        let mut project = project_with_kept_edit((generated, after));
        project.set(
            SPEC,
            project.spec().replace("gross = SUM(amount)", "gross = MIN(amount)"),
        );
        let plan = project.plan(&compiler);
        assert_eq!(plan.conflicts(), 1, "{:#?}", plan.json());
        let restored =
            formulac::sync::restore_conflicting_sql(project.text(SQL), &plan.models[0].conflicts[0].restored).unwrap();
        assert!(restored.contains(generated), "{restored}");
        assert!(!restored.contains("keep"), "{restored}");
    }
}
