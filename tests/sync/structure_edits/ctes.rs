//! Edits to the CTEs of generated SQL: new names, merged CTEs, and edits that no longer supply a column.

use crate::test_project::{SPEC, SQL, TestProject, compiler, sub};

/// Groups the rows and computes a column from a sum.
const GROUPED: &str = "\
model: m
from: ref('orders')
where: NOT(is_test)
group_by: customer_id
definitions: |
  total = SUM(amount)
  doubled = total * 2
";
const STEPS: &str = "\
model: m
from: ref('orders')
steps:
  - name: per_customer
    where: amount > 0
    group_by: customer_id
    having: total > 10
    definitions: total = SUM(amount)
  - name: per_total
    group_by: total
    definitions: n = COUNT()
";
const UNION: &str = "\
model: m
from: ref('orders')
steps:
  - name: sales
    where: NOT(is_test)
    keep: [customer_id, amount]
  - name: returns
    from: ref('refunds')
    where: refund > 0
    keep: customer_id
    definitions: amount = -refund
  - name: both
    union: [sales, returns]
    group_by: customer_id
    definitions: total = SUM(amount)
";
const FILLED: &str = "\
model: m
from: ref('orders')
where: amount > 0
group_by: ordered_on[month]
fill: month
definitions: |
  total = SUM(amount)
  doubled = total * 2
";

/// Edits the SQL of a model.
type Edit<'e> = &'e dyn Fn(&str) -> String;

/// Returns the query without the comment before it.
fn body(sql: &str) -> &str {
    sql.split_once("#}\n").map_or(sql, |(_, body)| body)
}

fn pushed(spec: &str) -> TestProject {
    TestProject::from_spec(spec).push(&compiler())
}

/// Returns the names of the CTEs that a push of the spec generates.
fn cte_names(sql: &str) -> Vec<String> {
    let lines = sql.lines().filter_map(|line| line.strip_suffix(" as ("));
    lines.map(|line| line.trim_start_matches("with ").to_owned()).collect()
}

/// Replaces the names of CTEs, but not parts of longer names.
fn with_new_name(sql: &str, old: &str, new: &str) -> String {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut word = String::new();
    for c in sql.chars().chain(['\n']) {
        if is_name(c) {
            word.push(c);
            continue;
        }
        out.push_str(if word == old { new } else { &word });
        word.clear();
        out.push(c);
    }
    out.pop();
    out
}

#[test]
fn new_names_of_ctes_change_nothing_else() {
    let compiler = compiler();
    for spec in [GROUPED, STEPS, UNION, FILLED] {
        let project = pushed(spec);
        let sql = project.text(SQL).to_owned();
        let names = cte_names(&sql);
        let names: Vec<&String> = names
            .iter()
            .filter(|name| !sql.contains(&format!("ref('{name}')")))
            .collect();
        assert!(!names.is_empty(), "{sql}");
        for name in &names {
            let edited = with_new_name(&sql, name, "by_customer");
            for edited in [edited.clone(), sub(&edited, "select", "SELECT")] {
                let mut project = project.clone();
                project.set(SQL, edited.clone());
                let after = project.push(&compiler);
                assert_eq!(after.spec(), spec, "{name}");
                assert_eq!(after.text(SQL), edited, "{name}");
                // A later change of the spec keeps the name.
                let mut changed = after.clone();
                changed.set(SPEC, spec.replacen("SUM(amount)", "SUM(amount * 3)", 1));
                let changed = changed.push(&compiler);
                let text = changed.text(SQL);
                assert!(
                    text.contains("amount * 3") && text.contains("by_customer as ("),
                    "{name}\n{text}"
                );
                assert!(cte_names(text).iter().all(|other| other != *name), "{name}\n{text}");
                assert!(changed.plan(&compiler).models.is_empty());
            }
        }
    }
}

/// Other edits to a renamed CTE are transferred to the spec.
#[test]
fn edits_in_renamed_ctes_are_transferred() {
    let compiler = compiler();
    let mut project = pushed(GROUPED);
    let sql = with_new_name(project.text(SQL), "orders_by_customer_id", "by_customer");
    project.set(SQL, sub(&sql, "sum(amount)", "sum(amount - tax)"));
    let after = project.push(&compiler);
    assert_eq!(after.spec(), GROUPED.replace("SUM(amount)", "SUM(amount - tax)"));
    assert_eq!(body(after.text(SQL)), body(project.text(SQL)));
    assert!(after.plan(&compiler).models.is_empty());
}

/// A conflict in a file with a renamed CTE can be resolved by restoring the generated SQL.
#[test]
fn conflicts_in_renamed_ctes_are_restored() {
    let compiler = compiler();
    let mut project = pushed(GROUPED);
    let generated = project.text(SQL).to_owned();
    let sql = with_new_name(&generated, "orders_by_customer_id", "c");
    project.set(SQL, sub(&sql, "total * 2 as", "total * 3 as"));
    project.set(SPEC, GROUPED.replace("total * 2", "total * 4"));
    let plan = project.plan(&compiler);
    let conflict = &plan.models[0].conflicts[0];
    let restored = formulac::sync::restore_conflicting_sql(project.text(SQL), &conflict.restored);
    assert_eq!(restored.as_deref(), Some(generated.as_str()));
}

/// Two CTEs become one, so the columns of the remaining CTE are not the generated columns of the same name.
#[test]
fn merged_ctes_are_kept() {
    let compiler = compiler();
    let mut project = pushed(STEPS);
    let sql = project.text(SQL).to_owned();
    let (before, rest) = sql.split_once("),\n\nper_customer as (").unwrap();
    let (_, after) = rest.split_once("where total > 10").unwrap();
    let merged = format!("{}\n    having sum(amount) > 10\n{after}", before.trim_end());
    let merged = merged.replace("per_customer_grouped", "per_customer");
    project.set(SQL, merged.clone());
    let plan = project.plan(&compiler);
    let reasons: Vec<_> = plan.models[0]
        .kept
        .iter()
        .filter_map(formulac::sync::ManualEdit::reason_to_keep)
        .collect();
    let reason = "this select reads `orders` instead of `per_customer_grouped`";
    assert!(reasons.iter().any(|why| why == reason), "{reasons:#?}");
    let after = project.apply_plan(&plan);
    assert_eq!((after.spec(), after.text(SQL)), (STEPS, merged.as_str()));
}

/// A manual edit and a later change of the spec do not fit together: the SQL would read a column that does not exist.
#[test]
fn changes_that_do_not_fit_a_manual_edit_are_conflicts() {
    let compiler = compiler();
    let new_column = ("  doubled", "  n = COUNT()\n  doubled");
    let new_helper = ("  doubled", "  most = MAX(qty)\n  doubled");
    let cases: [(&str, Edit<'_>, &str, (&str, &str)); 4] = [
        (
            "a select around the last select",
            &|sql| {
                let (ctes, select) = sql.rsplit_once(")\n\nselect\n").unwrap();
                format!("{ctes}),\n\nfinal as (\n\nselect\n{select}\n)\n\nselect * from final\n")
            },
            "`n`",
            new_column,
        ),
        (
            "a list of columns",
            &|sql| sub(sql, "select * from", "select customer_id, amount, is_test from"),
            "`qty`",
            new_helper,
        ),
        (
            "a condition",
            &|sql| format!("{sql}where total > 50\n"),
            "`total`",
            ("total", "revenue"),
        ),
        (
            "a condition on the result of a window",
            &|sql| format!("{sql}qualify row_number() over (order by total) = 1\n"),
            "`total`",
            ("total", "revenue"),
        ),
    ];
    for (name, edit, unresolved, (from, to)) in cases {
        let mut project = pushed(GROUPED);
        let edited = edit(project.text(SQL));
        project.set(SQL, edited.clone());
        let mut project = project.push(&compiler);
        assert_eq!(
            (project.spec(), project.text(SQL)),
            (GROUPED, edited.as_str()),
            "{name}"
        );
        project.set(SPEC, GROUPED.replace(from, to));
        let plan = project.plan(&compiler);
        let clashes = plan
            .models
            .iter()
            .flat_map(|model| &model.conflicts)
            .flat_map(|conflict| &conflict.clashes);
        let clashes: Vec<String> = clashes.map(|clash| clash.description.clone()).collect();
        let is_reported = clashes
            .iter()
            .any(|clash| clash.contains(&format!("would read {unresolved}")));
        assert!(
            is_reported,
            "{name}: {clashes:#?}\n{}",
            project.apply_plan(&plan).text(SQL)
        );
    }
}
