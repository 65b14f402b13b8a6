//! Conflicts between a manual edit that removes or renames a column and a change to the same definition in the spec.

use crate::test_project::{SPEC, SQL, TestProject, YML, compile_current, compiler};

const ROWS: &str = "\
model: m
from: orders
keep: [id]
definitions: |
  /// Without the tax
  net = amount - tax
  size = IF(amount > 50, \"big\", \"small\")
";
const GROUPS: &str = "\
model: m
from: orders
group_by: country
definitions: |
  n = COUNT(id)
  net = SUM(IF(n_open > 0, amount))
  total = SUM(amount) - SUM(tax)
having: n > 0
";

/// Returns a pushed project in which the given files, such as the spec and the SQL, have been changed since the push.
fn edited_project(spec: &str, changes: &[(&str, &str, &str)]) -> TestProject {
    let mut project = TestProject::from_spec(spec).push(&compiler());
    for (path, before, after) in changes {
        let text = project.text(path).to_owned();
        assert!(text.contains(before), "`{before}` is not in\n{text}");
        project.set(path, text.replace(before, after));
    }
    project
}

/// Neither side loses its edit. The user can keep either side.
#[test]
fn removed_and_renamed_columns_are_conflicts_with_new_formulas() {
    let compiler = compiler();
    let rows = ("net = amount - tax", "net = amount - IFNA(tax, 0)");
    let groups = ("SUM(IF(n_open > 0, amount))", "SUM(IF(n_open > 1, amount))");
    let sum = "        coalesce(sum(case when n_open > 0 then amount end), 0) as net,\n";
    for (spec, (before, after), edits, theirs) in [
        (ROWS, rows, &[("    amount - tax as net,\n", "")][..], ""),
        (ROWS, rows, &[(" as net", " as without_tax")], "without_tax"),
        (GROUPS, groups, &[(sum, ""), ("    net,\n", "")], ""),
        (
            GROUPS,
            groups,
            &[("as net,", "as paid,"), ("    net,", "    paid,")],
            "paid",
        ),
    ] {
        let in_sql = edits.iter().map(|(before, after)| (SQL, *before, *after));
        let changes: Vec<_> = in_sql.chain([(SPEC, before, after)]).collect();
        let mut project = edited_project(spec, &changes);
        let plan = project.plan(&compiler);
        let conflicts = &plan.models[0].conflicts;
        assert_eq!(conflicts.len(), 1, "{edits:?}: {:#?}", plan.json());
        let conflict = &conflicts[0];
        assert_eq!(conflict.definition.as_deref(), Some("net"), "{edits:?}");
        assert!(
            conflict.ours.as_deref().is_some_and(|ours| after.contains(ours)),
            "{edits:?}"
        );
        // Resolve the conflict in favor of the spec by restoring the column in the file.
        let mut ours = project.clone();
        let edit = conflict.edit.as_ref().unwrap();
        let restored = formulac::sync::replace_edit_with_generated_text(edit, "m", project.text(SQL)).unwrap();
        ours.set(SQL, restored);
        let pushed = ours.push(&compiler);
        assert_eq!(pushed.spec(), project.spec(), "{edits:?}");
        assert!(
            pushed.plan(&compiler).models.iter().all(|model| model.kept.is_empty()),
            "{edits:?}"
        );
        // Resolve the conflict in favor of the file: restore the last formula in the spec, and then transfer the edit.
        let current = compile_current(&compiler, project.spec()).unwrap();
        let formula = conflict.base.as_deref().unwrap();
        let spec = formulac::sync::with_formula_in_conflict(conflict, &current, formula).unwrap();
        project.set(SPEC, spec);
        let pushed = project.push(&compiler);
        let is_expected = match theirs {
            "" => !pushed.spec().contains("net ="),
            new => pushed.spec().contains(&format!("{new} = {formula}")) && !pushed.spec().contains("net ="),
        };
        assert!(is_expected, "{edits:?}: {}", pushed.spec());
    }
}

/// A definition that the spec renames or removes cannot also be renamed differently in the SQL.
#[test]
fn different_names_are_conflicts() {
    let compiler = compiler();
    for (spec_edit, sql_edit, count) in [
        (("net =", "nett ="), (" as net", " as without_tax"), 1),
        (
            ("  /// Without the tax\n  net = amount - tax\n", ""),
            (" as net", " as without_tax"),
            1,
        ),
        (("net =", "nett ="), ("    amount - tax as net,\n", ""), 1),
        (("net =", "without_tax ="), (" as net", " as without_tax"), 0),
        (
            ("  net = amount - tax\n", "  net = amount-tax\n"),
            (" as net", " as without_tax"),
            0,
        ),
    ] {
        let project = edited_project(ROWS, &[(SPEC, spec_edit.0, spec_edit.1), (SQL, sql_edit.0, sql_edit.1)]);
        let plan = project.plan(&compiler);
        assert_eq!(
            plan.conflicts(),
            count,
            "{spec_edit:?}, {sql_edit:?}: {:#?}",
            plan.json()
        );
        for conflict in &plan.models[0].conflicts {
            assert_eq!(conflict.definition.as_deref(), Some("net"));
        }
    }
}

/// The properties file describes a column that the SQL adds or renames. Only one side has changed.
#[test]
fn descriptions_of_new_and_renamed_columns_are_transferred() {
    let compiler = compiler();
    let added = (SQL, " as net,", " as net,\n    amount * 2 as twice,");
    let renamed = (SQL, " as net,", " as without_tax,");
    for (changes, line) in [
        (
            &[
                added,
                (
                    YML,
                    "      - name: net\n",
                    "      - name: twice\n        description: Two\n      - name: net\n",
                ),
            ][..],
            "  /// Two\n  twice = amount * 2\n",
        ),
        (
            &[
                renamed,
                (
                    YML,
                    "name: net\n        description: Without the tax",
                    "name: without_tax\n        description: Net",
                ),
            ],
            "  /// Net\n  without_tax = amount - tax\n",
        ),
        (
            &[renamed, (YML, "description: Without the tax", "description: Net")],
            "  /// Net\n  without_tax = amount - tax\n",
        ),
        // The formula is the default description.
        (
            &[
                (SPEC, "amount > 50", "amount > 60"),
                (YML, "IF(amount > 50, \"big\", \"small\")", "Two sizes"),
            ],
            "  /// Two sizes\n  size = IF(amount > 60, \"big\", \"small\")\n",
        ),
    ] {
        let project = edited_project(ROWS, changes);
        let plan = project.plan(&compiler);
        assert_eq!(plan.conflicts(), 0, "{changes:?}: {:#?}", plan.json());
        let pushed = project.apply_plan(&plan);
        assert!(pushed.spec().contains(line), "{changes:?}: {}", pushed.spec());
        assert!(
            pushed.plan(&compiler).models.iter().all(|model| model.files.is_empty()),
            "{changes:?}"
        );
    }
}

/// It is a conflict if both sides change a description. Either side can be kept, even if the SQL renames the column.
#[test]
fn conflicts_in_descriptions_of_renamed_columns_are_resolved() {
    let compiler = compiler();
    for name in ["net", "without_tax"] {
        let after = format!("name: {name}\n        description: Net");
        let mut project = edited_project(
            ROWS,
            &[
                (SQL, " as net,", " as without_tax,"),
                (YML, "name: net\n        description: Without the tax", &after),
                (SPEC, "/// Without the tax", "/// No tax"),
            ],
        );
        let plan = project.plan(&compiler);
        assert_eq!(plan.conflicts(), 1, "{:#?}", plan.json());
        let conflict = &plan.models[0].conflicts[0];
        assert_eq!(conflict.definition.as_deref(), Some("net"));
        let spec = project.theirs(&compiler, conflict);
        project.set(SPEC, spec);
        let pushed = project.push(&compiler);
        assert!(
            pushed.spec().contains("  /// Net\n  without_tax = amount - tax\n"),
            "{}",
            pushed.spec()
        );
    }
}

/// The SQL of a column contains the formula of a helper. An edit to this SQL and a change to the helper's formula
/// affect the same SQL.
#[test]
fn a_helper_that_both_sides_change_is_a_conflict() {
    const HELPER: &str = "\
model: m
from: orders
group_by: country
definitions: |
  is_big = amount > 20
  n = COUNT(id)
  big = COUNTIF(is_big)
";
    let compiler = compiler();
    let edit = |after| (SQL, "amount > 20", after);
    // A change to another definition in the spec is not a conflict.
    let project = edited_project(HELPER, &[edit("amount > 30"), (SPEC, "COUNT(id)", "COUNT()")]);
    let pushed = project.push(&compiler);
    assert!(
        pushed.spec().contains("is_big = amount > 30\n  n = COUNT()\n"),
        "{}",
        pushed.spec()
    );
    // Both sides make the same change.
    let project = edited_project(HELPER, &[edit("amount > 30"), (SPEC, "amount > 20", "amount > 30")]);
    assert_eq!(project.push(&compiler).spec(), project.spec());
    for (after, formula) in [("amount > 30", Some("amount > 30")), ("amount > my_limit(id)", None)] {
        let mut project = edited_project(HELPER, &[edit(after), (SPEC, "amount > 20", "amount > 40")]);
        let plan = project.plan(&compiler);
        assert_eq!(plan.conflicts(), 1, "{after}: {:#?}", plan.json());
        let conflict = &plan.models[0].conflicts[0];
        assert_eq!(conflict.definition.as_deref(), Some("is_big"));
        assert_eq!(conflict.base.as_deref(), Some("amount > 20"));
        assert_eq!(conflict.ours.as_deref(), Some("amount > 40"));
        assert_eq!(conflict.theirs_formula.as_deref(), formula, "{after}");
        // Resolve the conflict in favor of the spec.
        let mut ours = project.clone();
        ours.set(
            SQL,
            formulac::sync::restore_conflicting_sql(project.text(SQL), &conflict.restored).unwrap(),
        );
        assert!(ours.push(&compiler).text(SQL).contains("amount > 40"));
        // Resolve the conflict in favor of the file.
        let spec = project.theirs(&compiler, conflict);
        project.set(SPEC, spec);
        let pushed = project.push(&compiler);
        assert!(pushed.text(SQL).contains(after), "{}", pushed.text(SQL));
        assert!(!pushed.spec().contains("amount > 40"), "{}", pushed.spec());
    }
}

/// The edit renames a column, and no formula expresses it. Meanwhile, the spec changes elsewhere. Neither change is
/// lost.
#[test]
fn columns_without_a_formula_keep_all_changes_of_the_spec() {
    const GROUPED: &str = "\
model: m
from: orders
where: tax > 0
group_by: country
definitions: |
  amt = SUM(amount)
  n1 = COUNTIF(country = \"Ab\")
  mx = MAX(tax)
columns:
  n1: {description: Number}
";
    const SUM: &str = "coalesce(sum(amount), 0) as amt";
    let removed = |spec: &str| spec.replace("  amt = SUM(amount)\n", "");
    let same = |spec: &str| spec.to_owned();
    type Edit<'e> = (&'e str, &'e str, &'e dyn Fn(&str) -> String);
    let edits: [Edit<'_>; 5] = [
        (SUM, "my_udf(amount) as amt2", &removed),
        (SUM, "my_udf(amount) as \"my amt\"", &removed),
        ("max(tax) as mx", "max(tax) as \"Mx\"", &same),
        (SUM, "coalesce(sum(amount), 0) as \"Amt\"", &same),
        (SUM, "my_udf(amount) as amt", &same),
    ];
    let changes = [
        ("\"Ab\"", "\"Zb\"", "country = 'Zb'"),
        (
            "  mx =",
            "  /// Largest\n  zz = MAX(amount)\n  mx =",
            "max(amount) as zz",
        ),
        ("n1 =", "n2 =", " as n2"),
        ("tax > 0", "tax > 1", "where tax > 1"),
        ("{description: Number}", "{description: Count}", " as n1"),
    ];
    let compiler = compiler();
    for (sql, edited, in_spec) in edits {
        for (before, after, generated) in changes {
            // Both the definition and the property contain the column's name.
            let change = match before {
                "n1 =" => ("n1", "n2"),
                _ => (before, after),
            };
            let project = edited_project(GROUPED, &[(SPEC, change.0, change.1), (SQL, sql, edited)]);
            let pushed = project.push(&compiler);
            let case = format!("{edited}, {after}");
            assert_eq!(pushed.spec(), in_spec(&GROUPED.replace(change.0, change.1)), "{case}");
            let text = pushed.text(SQL);
            assert!(text.contains(edited) && text.contains(generated), "{case}\n{text}");
            let plan = pushed.plan(&compiler);
            assert_eq!(plan.conflicts(), 0, "{case}");
            assert!(
                plan.models.iter().all(|model| model.files.is_empty()),
                "{case}: {:#?}",
                plan.json()
            );
        }
    }
}
