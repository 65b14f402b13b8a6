//! Manual edits in selects that only pass columns on: the selects of later steps, and columns of `group_by`.

use crate::test_project::{SPEC, SQL, TestProject, compiler};

const THREE_STEPS: &str = "\
model: m
from: orders
steps:
  - name: by_customer
    group_by: [customer_id, 'ordered_at[month]']
    definitions: |
      revenue = SUM(amount)
      orders = COUNT()
  - name: ranked
    keep: all
    order_by: ordered_at_month
    definitions: growth = revenue - OFFSET(revenue, -1)
  - name: shares
    keep: all
    definitions: mean = growth / orders
";

/// Returns the reasons why the edits remain in the file. The edits must not change the spec or get lost.
fn reasons(edits: &[(&str, &str, usize)]) -> Vec<String> {
    reasons_in(THREE_STEPS, edits)
}

fn reasons_in(spec: &str, edits: &[(&str, &str, usize)]) -> Vec<String> {
    let compiler = compiler();
    let mut project = TestProject::from_spec(spec).push(&compiler);
    let mut sql = project.text(SQL).to_owned();
    for (before, after, occurrence) in edits {
        let (at, _) = sql
            .match_indices(before)
            .nth(*occurrence)
            .unwrap_or_else(|| panic!("{before}: {sql}"));
        sql.replace_range(at..at + before.len(), after);
    }
    project.set(SQL, sql.clone());
    let plan = project.plan(&compiler);
    let kept = &plan.models[0].kept;
    let pushed = project.apply_plan(&plan);
    assert_eq!(pushed.text(SPEC), spec);
    assert_eq!(pushed.text(SQL), sql);
    kept.iter()
        .filter_map(formulac::sync::ManualEdit::reason_to_keep)
        .collect()
}

#[test]
fn an_edit_of_a_column_that_a_later_step_reads_is_not_lost() {
    let reason = "the CTE `by_customer` computes `revenue`, and the edited select only reads it; edit `by_customer`, or \
                  add a column with a new name";
    for select in [0, 1] {
        assert_eq!(
            reasons(&[("    revenue,\n", "    revenue * 2 as revenue,\n", select)]),
            [reason]
        );
    }
    // The formula of the CTE would remove the second edit.
    let twice = [
        ("coalesce(sum(amount), 0) as revenue", "max(amount) as revenue", 0),
        ("    revenue,\n", "    revenue * 2 as revenue,\n", 1),
    ];
    assert_eq!(reasons(&twice), [reason, reason]);
}

#[test]
fn an_edit_of_a_key_names_the_key() {
    let edit = ("    customer_id,\n", "    upper(customer_id) as customer_id,\n", 2);
    assert_eq!(
        reasons(&[edit]),
        ["the column is a key of `group_by`; change the key in the spec"]
    );
}

#[test]
fn a_new_column_of_an_earlier_step_can_only_be_added_in_the_spec() {
    let edits = [
        (
            "count(*) as orders",
            "count(*) as orders,\n        max(amount) as top",
            0,
        ),
        ("        orders,\n", "        orders,\n        top,\n", 0),
    ];
    let reason = "`push` copies new and removed columns only from the last select; change the step in the spec";
    assert_eq!(reasons(&edits), [reason, reason]);
}

#[test]
fn an_edit_of_a_helper_column_names_the_columns_that_it_helps_to_compute() {
    let spec = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: |\n  margin = SUM(profit) / SUM(cost)\n  index = SUM(profit) / SUM(cost) + AVERAGE(score)\n";
    let edit = ("coalesce(sum(cost), 0) as", "sum(cost) as", 0);
    assert_eq!(
        reasons_in(spec, &[edit]),
        ["the column helps to compute `index` and `margin`; change their formulas in the spec"]
    );
}
