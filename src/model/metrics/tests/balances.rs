use super::{compile_last, sql};

#[test]
fn steps_of_similar_balances_are_named_by_their_accounts() {
    let set = "\
metric_set: bal
from: balances
time: day
definitions: |
  closing = SUM(amt)
  closing_all = SUM(amt)
  closing_branch = SUM(amt)
columns:
  closing: {non_additive: {over: day, take: last, per: acc}}
  closing_all: {non_additive: {over: day, take: last}}
  closing_branch: {non_additive: {over: day, take: last, per: [acc, branch]}}
";
    let text = sql(&[set, "model: m\nmetrics: [bal.*]\ngroup_by: month\n"]);
    for name in [
        "bal_with_last_day as (",
        "bal_with_last_day_per_acc as (",
        "bal_with_last_day_per_acc_and_branch as (",
        "last_bal_by_day_month as (",
        "last_bal_by_day_month_per_acc as (",
        "last_bal_by_day_month_per_acc_and_branch as (",
    ] {
        assert!(text.contains(name), "no {name}: {text}");
    }
    // A model with only one of the balances uses the short names.
    let text = sql(&[set, "model: m\nmetrics: [bal.closing]\ngroup_by: month\n"]);
    assert!(text.contains("bal_with_last_day as ("), "{text}");
    let set_alone = compile_last(&[set]);
    assert!(!set_alone.has_errors(), "{:?}", set_alone.diagnostics());
}

#[test]
fn a_balance_per_joined_column_needs_the_join() {
    let set = "\
metric_set: bal
from: balances
joins: [{to: branches, on: balances.branch_id = branches.id}]
time: day
definitions: by_city = SUM(balances.amt)
columns: {by_city: {non_additive: {over: day, take: last, per: branches.city}}}
";
    let text = sql(&[set, "model: m\nmetrics: [bal.by_city]\ngroup_by: month\n"]);
    assert!(text.contains("left join branches"), "{text}");
}

#[test]
fn names_of_the_accounts_ignore_case() {
    let set = "\
metric_set: bal
from: balances
time: day
definitions: |
  closing = SUM(amt)
  count_of_last = COUNT(amt)
columns:
  closing: {non_additive: {over: day, take: last, per: acc}}
  count_of_last: {non_additive: {over: DAY, take: last, per: ACC}}
";
    let text = sql(&[set, "model: m\nmetrics: [bal.*]\ngroup_by: month\n"]);
    assert_eq!(
        text.matches("bal_with_last_day").count(),
        2,
        "one step, read once: {text}"
    );
}

#[test]
fn rows_that_several_rules_read_are_computed_once() {
    let set = "metric_set: policies\nfrom: policy\ntime: start_date\ndefinitions: |\n  age_band = IF(age < 30, \"young\", \
        \"old\")\n  policies = COUNT(policy_id)\n  premium_at_end = SUM(premium)\n  premium_at_start = SUM(premium)\ncolumns:\n  \
        premium_at_end: {non_additive: {over: start_date, take: last, per: [make]}}\n  premium_at_start: {non_additive: {over: start_date, \
        take: first, per: [driver]}}\n";
    let model = "model: m\nmetrics: [policies.*]\ngroup_by: [age_band, make]\n";
    let text = sql(&[set, model]);
    assert_eq!(text.matches("case when age < 30").count(), 1, "{text}");
    assert_eq!(text.matches("from with_age_band\n").count(), 3, "{text}");
    // A key is not repeated in the partition.
    assert!(text.contains("partition by age_band, make)"), "{text}");
    assert!(text.contains("partition by age_band, make, driver\n"), "{text}");
    // Each row has its own random number in each step.
    let set = set.replace("age < 30", "RAND() < 0.5");
    assert!(sql(&[&set, model]).contains("policy_with_age_band"));
}

#[test]
fn balances_have_no_metric_in_the_semantic_layer() {
    let set = "\
metric_set: bal
from: balances
time: counted_on
definitions: |
  closing = SUM(amt)
  turnover = SUM(moved)
columns: {closing: {non_additive: {over: counted_on, take: last, per: acc}}}
";
    let metrics = |metric: &str| {
        let model = format!("model: daily\nmetrics: [bal.{metric}]\ngroup_by: day\nsemantic_model: legacy\n");
        let compiled = compile_last(&[set, &model]);
        compiled.semantic_model().unwrap().metrics().to_vec()
    };
    assert_eq!(metrics("closing"), Vec::<String>::new());
    assert_eq!(metrics("turnover"), ["daily_turnover"]);
}
