//! Tests the specs to which models built on one metric set are expanded.

use super::compile_last;
use crate::Compiler;

const ORDERS: &str = "\
metric_set: sales
from: orders
joins: [{to: customers, using: customer_id, type: inner}]
time: ordered_at
fiscal_month_offset: 3
definitions: |
  revenue = SUM(amount)
  order_count = COUNT()
  aov = revenue / order_count
  growth = revenue / PERIODOFFSET(revenue, -1, \"month\") - 1
  balance = SUM(amount)
  net = revenue - balance
  sale_month = ordered_at[month]
  is_large = amount > 100
columns: {balance: {non_additive: {over: ordered_at, take: last, per: customer_id}}}
";

const PLANS: &str = "\
metric_set: plans
from: plans
time: {column: target_month, grain: month}
fiscal_month_offset: 3
definitions: planned = SUM(amount)
";

/// Returns the text of the expanded model, which compiles to the same files as the model.
fn expand_model(model: &str) -> String {
    expanded_over(ORDERS, model)
}

fn expanded_over(set: &str, model: &str) -> String {
    expanded_over_sets(&[set], model)
}

fn expanded_over_sets(sets: &[&str], model: &str) -> String {
    let model_text = format!("model: m\n{model}");
    let texts: Vec<&str> = sets.iter().copied().chain([model_text.as_str()]).collect();
    let compiled = compile_last(&texts);
    assert!(!compiled.has_errors(), "{model}{:#?}", compiled.diagnostics());
    let text = compiled.expanded().expect("a model built on sets");
    let expanded_spec = Compiler::default().compile_spec(text);
    assert!(!expanded_spec.has_errors(), "{text}{:#?}", expanded_spec.diagnostics());
    assert_eq!(expanded_spec.query(), compiled.query(), "{text}");
    assert_eq!(expanded_spec.model_sql(), compiled.model_sql(), "{text}");
    assert_eq!(expanded_spec.model_yml(), compiled.model_yml(), "{text}");
    text.to_owned()
}

#[test]
fn filled_models_compile_like_their_expansion() {
    for fill in [
        "month",
        "{by: month, from: 2024-01-01, to: TODAY()}",
        "{by: \"ordered_at[month]\", from: \"DATE(2024, 1, 1)\", within: each}",
    ] {
        for rest in [
            "metrics: [sales.revenue, sales.aov]\ngroup_by: [month, is_large]\n",
            "metrics: [sales.growth]\ngroup_by: month\nsince: 2024-02-01\nuntil: 2024-09-30\n",
            "metrics: [sales.balance]\ngroup_by: [is_large, month]\nuntil: TODAY()\n",
            "metrics: [{sold: sales.revenue}]\ngroup_by: month\nhaving: order_count > 1\norder_by: sold desc\nlimit: 5\n",
            "metrics: [sales.revenue]\ngroup_by: month\ndefinitions: |\n  share = revenue / SUM(revenue:revenue)\n  \
             running = SUM(FIRST(revenue):revenue)\n  rank = RANK(running)\n",
            "metrics: [sales.revenue]\ngroup_by: [month, \"shipped_at[month]\"]\nwhere: is_large\n",
            "metrics: [sales.revenue]\ngroup_by: month\nhaving: growth > 0\nsince: 2024-02-01\n",
            "metrics: [sales.growth, sales.revenue]\ngroup_by: month\noverrides: revenue\n\
             definitions: revenue = revenue * 2\n",
        ] {
            let text = expand_model(&format!("{rest}fill: {fill}\n"));
            assert!(text.contains("fill: "), "{text}");
        }
    }
}

#[test]
fn the_rows_of_several_sets_and_rules_are_united() {
    let keys = "group_by: [month, is_large]\n";
    for rest in [
        "",
        "since: 2024-02-01\nuntil: 2024-09-30\n",
        "having: net > 1\norder_by: [is_large, month desc]\nlimit: 5\n",
        "definitions: share = net / SUM(net:net)\n",
    ] {
        let text = expand_model(&format!("metrics: [sales.net, sales.revenue]\n{keys}{rest}"));
        assert!(text.contains("union: [sales_by_"), "{text}");
    }
    let several = "metrics: [sales.revenue, plans.planned, sales.net]\ngroup_by: month\n";
    for rest in [
        "",
        "since: 2024-02-01\n",
        "definitions: attainment = revenue / planned\n",
    ] {
        let text = expanded_over_sets(&[ORDERS, PLANS], &format!("{several}{rest}"));
        assert!(text.contains("from: plans"), "{text}");
    }
}

#[test]
fn the_filled_key_may_have_any_form() {
    for (keys, fill) in [
        ("sale_month", "month"),
        ("sale_month", "sale_month"),
        ("\n  - start: {sales: \"ordered_at[month]\"}", "month"),
        ("[month, \"shipped_at[week]\"]", "week"),
        ("[month, year]", "year"),
        ("fiscal_quarter", "fiscal_quarter"),
    ] {
        for bounds in ["", "since: 2024-02-01\n", "until: 2024-09-30\n"] {
            let rest = format!("group_by: {keys}\nfill: {fill}\n{bounds}");
            expand_model(&format!("metrics: [sales.revenue]\n{rest}"));
            expand_model(&format!("metrics: [sales.balance]\n{rest}"));
            let running = "definitions: running = SUM(FIRST(revenue):revenue)\n";
            expand_model(&format!(
                "metrics: [sales.revenue]\n{rest}order_by: {}\n{running}",
                "revenue"
            ));
        }
    }
}

/// If a model that is built on a metric set compiles without `fill`, it must also compile with `fill`.
#[test]
fn sets_of_any_form_may_be_filled() {
    let head = "metric_set: sales\nfrom: orders\n";
    let definitions = "definitions: |\n  at = COALESCE(ordered_at, paid_at)\n  at_month = at[month]\n  revenue = SUM(amount)\n  \
                       growth = revenue / PERIODOFFSET(revenue, -1, \"month\")\n  last = MAX(amount)\n\
                       columns: {at_month: {renamed_from: old_month}, last: {non_additive: {over: at, take: first}}}\n";
    for time in [
        "time: ordered_at\njoins: [{to: customers, using: customer_id}]\n",
        "time: orders.ordered_at\njoins: [{to: customers, as: c, using: customer_id}]\nwhere: c.region = \"north\"\n",
        "time: at\ntimezone: Europe/Berlin\nweek_start: sunday\n",
        "time: {column: ordered_at, grain: day}\nblanks: zero\nwhere: amount > 0\n",
        "time: {column: at, grain: month}\nfiscal_month_offset: 3\n",
    ] {
        for keys in [
            "group_by: month\nfill: month\n",
            "group_by: [at_month, region]\nfill: at_month\n",
            "group_by: [old_month, region]\nfill: old_month\n",
            "group_by:\n  - m: {sales: at_month}\n  - region\nfill: m\n",
            "group_by: [quarter, year, month]\nfill: {by: month, from: 2020-01-01}\n",
            "group_by: [region, fiscal_quarter, month]\nfill: fiscal_quarter\nfiscal_month_offset: 3\n",
            "group_by: [region, month]\nfill: {by: month, from: 2020-01-01}\nconfig: {materialized: incremental}\n",
        ] {
            for metric in ["growth", "last"] {
                for rest in [
                    "",
                    "since: 2021-01-01\nuntil: 2021-12-31\n",
                    "having: METRIC > 1\norder_by: METRIC desc\n",
                ] {
                    let model = format!("metrics: [sales.{metric}]\n{keys}{}", rest.replace("METRIC", metric));
                    let unfilled: String = model
                        .lines()
                        .filter(|line| !line.starts_with("fill"))
                        .map(|line| format!("{line}\n"))
                        .collect();
                    let set = format!("{head}{time}{definitions}");
                    match compile_last(&[&set, &format!("model: m\n{unfilled}")]).has_errors() {
                        true => {}
                        false => {
                            expanded_over(&set, &model);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn names_may_contain_spaces() {
    let set = "metric_set: sales\nfrom: orders\ntime: Paid At\ndefinitions:\n  last net: SUM(amount)\n  \
               sale month: ${Paid At}[month]\n  big one: amount > 3\n\
               columns: {last net: {non_additive: {over: Paid At, take: last, per: [Account No]}}}\n";
    for key in ["month", "\"${Paid At}[month]\"", "\"${sale month}\""] {
        for rest in ["", "order_by: [\"${last net}\"]\n", "since: 2024-01-01\n"] {
            let keys = format!("group_by: [{key}, \"${{big one}}\"]\nfill: {key}\n{rest}");
            expanded_over(set, &format!("metrics: [\"sales.last net\"]\n{keys}"));
        }
    }
}

#[test]
fn windows_of_later_steps_see_the_periods_before_since() {
    let keys = "group_by: month\nfill: month\nsince: 2024-02-01\n";
    let one_step = expand_model(&format!("metrics: [sales.growth, sales.revenue]\n{keys}"));
    assert!(one_step.contains("since: 2024-02-01"), "{one_step}");
    let filtered = expand_model(&format!("metrics: [sales.growth]\n{keys}having: order_count > 1\n"));
    let (windows, filter) = filtered.split_once("PERIODOFFSET").expect("a window");
    assert!(!windows.contains("2024"), "{filtered}");
    assert!(
        filter.contains("where: ordered_at_month >= DATE(2024, 2, 1)"),
        "{filtered}"
    );
}

#[test]
fn later_steps_of_an_expanded_model_may_be_filled() {
    let first = "steps:\n  - name: days\n    metrics: sales.revenue\n    group_by: [day, is_large]\n";
    let last = "  - name: months\n    group_by: \"ordered_at_day[month]\"\n    definitions: total = SUM(revenue)\n";
    for first in [first.to_owned(), format!("{first}    fill: day\n")] {
        for periods in ["", "    fill: month\n", "    fill: month\n    since: 2024-02-01\n"] {
            let text = expand_model(&format!("{first}{last}{periods}"));
            assert!(text.contains("name: days"), "{text}");
        }
    }
}

#[test]
fn periods_of_several_sets_and_rules_are_a_series() {
    for model in [
        "metrics: [sales.revenue, plans.planned]\ngroup_by: month\nfill: month\n",
        "metrics: [sales.revenue, plans.planned]\ngroup_by: quarter\nfill: {by: quarter, from: 2024-02-03, to: TODAY()}\n",
        "metrics: [sales.net]\ngroup_by: month\nfill: month\n",
        "metrics: [sales.net]\ngroup_by: [month, is_large]\nfill: {by: month, within: each}\nuntil: 2024-05-01\n",
        "metrics: [sales.revenue]\ngroup_by: fiscal_year\nfill: fiscal_year\n",
        "metrics: [plans.planned]\ngroup_by: target_month\nfill: target_month\n",
    ] {
        let text = expanded_over_sets(&[ORDERS, PLANS], model);
        assert!(text.contains("series: {name: "), "{text}");
    }
}
