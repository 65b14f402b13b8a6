//! Tests the text of formulas that come from manual edits to the SQL.

use crate::test_project::{SQL, TestProject, compiler};

/// Returns the spec after a push that finds edited SQL.
fn adopt_edit(spec: &str, from: &str, to: &str) -> String {
    let compiler = compiler();
    let mut project = TestProject::from_spec(spec).push(&compiler);
    let sql = project.text(SQL).to_owned();
    assert!(sql.contains(from), "{sql}");
    project.set(SQL, sql.replace(from, to));
    let plan = project.plan(&compiler);
    assert!(
        plan.conflicts() == 0 && plan.models.iter().all(|model| model.kept.is_empty()),
        "{:#}",
        plan.json()
    );
    project.apply_plan(&plan).spec().to_owned()
}

/// Checks that a default in IFS is written as a condition that is always true, because IFS has no other default in
/// spreadsheets.
#[test]
fn ifs_keeps_true_as_its_default() {
    let spec = "model: m\nfrom: orders\nkeep: [id]\ndefinitions: |\n  \
                size = IFS(amount < 10, \"small\", amount < 100, \"middle\", TRUE, \"large\")\n";
    let more = adopt_edit(spec, "then 'middle'", "then 'middle' when amount < 500 then 'upper'");
    assert!(more.contains("amount < 500, \"upper\", TRUE, \"large\")"), "{more}");
    let less = adopt_edit(spec, "else 'large'", "else 'huge'");
    assert!(less.contains("amount < 100, \"middle\", TRUE, \"huge\")"), "{less}");
}

/// If the fiscal year begins in January, calendar and fiscal timeframes have the same SQL. No formula in this test
/// requires a fiscal timeframe.
#[test]
fn the_calendar_comes_before_the_fiscal_year() {
    let step = [
        "keep: [id]\ndefinitions: period = ordered_at[month]\n",
        "group_by: [period]\ndefinitions: |\n  period = ordered_at[month]\n  revenue = SUM(amount)\n",
    ];
    for (step, offset) in step
        .iter()
        .flat_map(|step| ["", "fiscal_month_offset: 0\n"].map(|offset| (step, offset)))
    {
        let spec = format!("model: m\nfrom: orders\n{offset}{step}");
        for frame in ["quarter", "year"] {
            let text = adopt_edit(&spec, "date_trunc('month'", &format!("date_trunc('{frame}'"));
            assert!(text.contains(&format!("period = ordered_at[{frame}]")), "{text}");
        }
    }
}
