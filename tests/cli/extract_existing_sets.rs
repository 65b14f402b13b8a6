//! Tests `formulac extract` in projects that have metric sets: which specs and models read an existing metric set.

use insta::assert_snapshot;
use serde_json::Value;

use crate::extract::{BY_MONTH, BY_REGION, TOTALS, project, sql};

/// A metric set with the same rows as the three specs, and a model that reads the metric set.
const SET: &str = "\
metric_set: orders
description: Facts about orders   # by hand
from: ref('orders')
where: status <> \"test\"
time: ordered_on
definitions: |
  // In euros.
  /// Revenue.
  Revenue = SUM(amount)
  largest = MAX(amount)
# Display of numbers.
columns:
  Revenue: {meta: {unit: euro}}   # all shops
";
const OVER_SET: &str = "model: largest_of_day\nmetrics: [orders.largest]\ngroup_by: day\n";

#[test]
fn definitions_are_added_to_a_set_over_the_same_rows() {
    let names = ["by_month", "by_region", "totals", "largest"];
    let specs = [
        ("by_month", BY_MONTH),
        ("by_region", BY_REGION),
        ("totals", TOTALS),
        ("largest", OVER_SET),
        ("set", SET),
    ];
    let mut place = project("added_to_a_set", &specs);
    let before = sql(&place, &names);
    place.succeed(&["extract", "--dry-run"]);
    assert_eq!(place.read("metrics/set.yml"), SET);
    place.show(&["extract", "--yes"]);
    assert_eq!(sql(&place, &names), before);
    place.succeed(&["check"]);
    place.show(&["extract", "--yes"]);
    assert_snapshot!(place.transcript());
}

/// Each case: a metric set and a spec without their name and relation, lines that both contain afterwards, and a part
/// of the message.
const ADDED: &[(&str, &str, &[&str], &str)] = &[
    // A metric set that has all definitions stays unchanged.
    (
        "definitions: n = SUM(x)\n",
        "definitions: total = sum(x)\n",
        &["definitions: n = SUM(x)", "metrics: [{total: orders.n}]"],
        "1 definition of 1 spec; the set already has all of these definitions",
    ),
    // The definitions of a metric set, as text on one line and as a mapping.
    (
        "definitions: n = SUM(x)\n",
        "definitions: |\n  n = SUM(x)\n  // rows\n  m = COUNT()\n",
        &[
            "  n = SUM(x)",
            "  // rows",
            "  m = COUNT()",
            "metrics: [orders.n, orders.m]",
        ],
        "1 definition of 1 spec, and 1 other that the specs need; 1 of these definitions is added to the set",
    ),
    (
        "definitions:\n  n: SUM(x)   # all\n",
        "definitions:\n  n: SUM(x)\n  m: {formula: n / COUNT(), description: Mean.}\n",
        &[
            "  n: SUM(x)   # all",
            "    formula: n / COUNT()",
            "    description: Mean.",
        ],
        "1 of these definitions is added to the set",
    ),
    // The left joins and properties of a definition move with it.
    (
        "definitions: n = SUM(x)\n",
        "joins: [{to: people, using: id}]\ngroup_by: people.name\ndefinitions: |\n  n = SUM(x)\n  m = MAX(people.y)\n\
         columns: {m: {tags: [a]}}\n",
        &["  - {to: people, using: id}", "  m = MAX(people.y)", "  m: {tags: [a]}"],
        "1 of these definitions is added to the set",
    ),
    (
        "joins:\n  - {to: places, on: orders.place = places.id}\ndefinitions: n = SUM(x)\n",
        "joins: [{to: people, on: orders.person = people.id}]\ngroup_by: people.name\ndefinitions: n = SUM(x)\n",
        &[
            "  - {to: places, on: orders.place = places.id}",
            "  - {to: people, \"on\": orders.person = people.id}",
            "metrics: [orders.n]",
        ],
        "the set already has all of these definitions",
    ),
    // The metric set has no condition, so the spec keeps its own condition, which may use a dimension.
    (
        "definitions: n = SUM(x)\n",
        "where: paid   # only these\ngroup_by: k\ndefinitions: total = SUM(x)\n",
        &[
            "metrics: [{total: orders.n}]",
            "where: paid   # only these",
            "group_by: k",
        ],
        "1 definition of 1 spec; the set already has all of these definitions",
    ),
    (
        "definitions: |\n  n = SUM(x)\n",
        "where: AND(large, paid)\ndefinitions: |\n  large = x > 10\n  n = SUM(x)\n",
        &["  large = x > 10", "where: AND(large, paid)", "metrics: [orders.n]"],
        "1 of these definitions is added to the set",
    ),
    // The spec keeps a description that differs from the description in the metric set.
    (
        "definitions: |\n  /// The sum.\n  n = SUM(x)\n",
        "definitions: |\n  /// Another sum.\n  n = SUM(x)\n",
        &["  /// The sum.", "  \"n\": {description: Another sum.}"],
        "the set already has all of these definitions",
    ),
];

#[test]
fn a_spec_reads_a_set_over_its_rows() {
    for (number, (set, spec, lines, expected)) in ADDED.iter().enumerate() {
        let set = format!("metric_set: orders\nfrom: orders\n{set}");
        let spec = format!("model: one\nfrom: orders\n{spec}");
        let project = project(&format!("added_{number}"), &[("one", &spec), ("set", &set)]);
        let before = sql(&project, &["one"]);
        let run = project.run(&["extract", "--yes"]);
        assert_eq!(run.exit, 0, "{spec}\n{}", run.err);
        assert!(run.err.contains(expected), "{spec}\n{}", run.err);
        assert_eq!(sql(&project, &["one"]), before);
        assert_eq!(project.files("metrics"), ["one.yml", "set.yml"]);
        let texts = ["one", "set"].map(|name| project.read(&format!("metrics/{name}.yml")));
        for line in *lines {
            assert!(
                texts.iter().any(|text| text.lines().any(|own| own == *line)),
                "{line}\n{}",
                texts.join("\n")
            );
        }
    }
}

/// Each case: a metric set and a spec without their name and relation, and a part of the message that reports why the
/// spec does not read the metric set.
const NOT_ADDED: &[(&str, &str, &str)] = &[
    (
        "definitions: |\n  n = SUM(x)\n  m = COUNT()\n",
        "definitions: |\n  n = SUM(x) + 1\n  m = COUNT()\n",
        "`n` has a different formula in the set orders",
    ),
    (
        "definitions: n = SUM(x)\n",
        "definitions: n = SUM(y)\n",
        "metrics/set.yml: SUM(x)",
    ),
    (
        "joins: [{to: places, as: p, using: id}]\ndefinitions: n = SUM(x)\n",
        "joins: [{to: people, as: p, using: id}]\ngroup_by: p.name\ndefinitions: n = SUM(x)\n",
        "the join `p` differs from the join in the set orders",
    ),
    // The formula is the same, but the metric in the metric set is not additive.
    (
        "definitions: n = SUM(x)\ncolumns: {n: {non_additive: {over: day, take: last}}}\n",
        "group_by: k\ndefinitions: n = SUM(x)\n",
        "the SQL would change",
    ),
    // Different rows and settings.
    (
        "where: paid\ndefinitions: n = SUM(x)\n",
        "definitions: n = SUM(x)\n",
        "no definition occurs twice",
    ),
    (
        "blanks: zero\ndefinitions: n = SUM(x)\n",
        "definitions: n = SUM(x)\n",
        "no definition occurs twice",
    ),
];

#[test]
fn a_spec_that_cannot_read_a_set_is_left_out() {
    for (number, (set, spec, expected)) in NOT_ADDED.iter().enumerate() {
        let set = format!("metric_set: orders\nfrom: orders\n{set}");
        let spec = format!("model: one\nfrom: orders\n{spec}");
        let project = project(&format!("not_added_{number}"), &[("one", &spec), ("set", &set)]);
        let run = project.run(&["extract", "--yes"]);
        assert_eq!((run.exit, run.out.as_str()), (0, ""), "{spec}\n{}", run.err);
        assert!(run.err.contains(expected), "{spec}\n{}", run.err);
        assert_eq!(project.read("metrics/set.yml"), set);
    }
}

/// Specs with different conditions, or without one, can read a metric set without a condition.
#[test]
fn specs_with_their_own_conditions_read_one_set() {
    let set = "metric_set: orders\nfrom: orders\ndefinitions: n = SUM(x)\n";
    let specs = [
        ("whole", "model: whole\nfrom: orders\ndefinitions: n = SUM(x)\n"),
        (
            "open",
            "model: open\nfrom: orders\nwhere: NOT(paid)\ngroup_by: k\ndefinitions: |\n  n = SUM(x)\n  m = MAX(x)\n",
        ),
        (
            "paid",
            "model: paid\nfrom: orders\nsteps:\n  - name: keys\n    where: paid\n    group_by: k\n    definitions: |\n      \
             n = SUM(x)\n      m = MAX(x)\n  - name: last\n    definitions: top = MAX(m)\n",
        ),
        ("set", set),
    ];
    let names = ["whole", "open", "paid"];
    let project = project("own_conditions", &specs);
    let before = sql(&project, &names);
    let run = project.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_eq!(sql(&project, &names), before, "{}", run.err);
    let wanted = "metric set orders: 2 definitions of 3 specs; 1 of these definitions is added to the set";
    assert!(run.err.contains(wanted), "{}", run.err);
    for (name, line) in [
        ("set", "  m = MAX(x)"),
        ("whole", "metrics: [orders.n]"),
        ("open", "metrics: [orders.n, orders.m]"),
        ("open", "where: NOT(paid)"),
        ("paid", "    metrics: [orders.n, orders.m]"),
        ("paid", "    where: paid"),
    ] {
        let text = project.read(&format!("metrics/{name}.yml"));
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
}

/// Models that are built on a metric set read its metrics instead of repeating their formulas. They share formulas with
/// other models and with specs that read the relation.
#[test]
fn models_over_a_set_share_metrics() {
    let specs = [
        (
            "equal",
            "model: equal\nmetrics: [{sales: orders.revenue}, orders.order_count]  # both\ngroup_by: k\ndefinitions: mean = sales / order_count\n",
        ),
        (
            "one",
            "model: one\nmetrics: [orders.revenue]\ngroup_by: month\ndefinitions: |\n  /// Twice.\n  double = revenue * 2\n  \
             growth = revenue / PERIODOFFSET(revenue, -1, \"month\") - 1\n",
        ),
        (
            "other",
            "model: other\nmetrics: orders.order_count\ngroup_by: k\ndefinitions:\n  double: revenue*2\n  half: double / 4\n",
        ),
        (
            "rows",
            "model: rows\nfrom: orders\ngroup_by: k\ndefinitions: doubled = SUM(x) * 2\n",
        ),
        (
            "set",
            "metric_set: orders\nfrom: orders\ntime: day\ndefinitions: |\n  revenue = SUM(x)\n  order_count = COUNT()\n  \
             aov = revenue / order_count\n",
        ),
    ];
    let names = ["equal", "one", "other", "rows"];
    let project = project("models_over_a_set", &specs);
    let before = sql(&project, &names);
    let run = project.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_eq!(sql(&project, &names), before, "{}", run.err);
    let wanted = "metric set orders: 2 definitions of 4 specs; 1 of these definitions is added to the set";
    assert!(run.err.contains(wanted), "{}", run.err);
    for (name, line) in [
        ("set", "  /// Twice."),
        ("set", "  double = revenue * 2"),
        (
            "equal",
            "metrics: [{sales: orders.revenue}, orders.order_count, {mean: orders.aov}]  # both",
        ),
        ("one", "metrics: [orders.revenue, orders.double]"),
        ("other", "metrics: [orders.order_count, orders.double]"),
        ("other", "  half: double / 4"),
        ("rows", "metrics: [{doubled: orders.double}]"),
    ] {
        let text = project.read(&format!("metrics/{name}.yml"));
        assert!(text.lines().any(|own| own == line), "{line}\n{text}{}", run.err);
    }
    let again = project.run(&["extract", "--yes"]);
    assert!(again.err.contains("no definition occurs twice"), "{}", again.err);
}

#[test]
fn a_set_does_not_change_for_the_models_that_read_it() {
    let set = "metric_set: orders\nfrom: orders\ndefinitions: n = SUM(x)\n";
    let specs = [
        (
            "more",
            "model: more\nfrom: orders\ndefinitions: |\n  n = SUM(x)\n  m = COUNT()\n",
        ),
        (
            "same",
            "model: same\nfrom: orders\ngroup_by: k\ndefinitions: n = SUM(x)\n",
        ),
        ("whole", "model: whole\nmetrics: [orders.*]\ngroup_by: k\n"),
        ("set", set),
    ];
    let project = project("readers_of_the_set", &specs);
    let before = sql(&project, &["more", "same", "whole"]);
    let run = project.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let wanted =
        "metrics/more.yml is skipped: moving definitions of the spec to the set orders would change metrics/whole.yml";
    assert!(run.err.contains(wanted), "{}", run.err);
    assert!(
        project.read("metrics/same.yml").contains("metrics: [orders.n]"),
        "{}",
        run.err
    );
    assert_eq!(project.read("metrics/set.yml"), set);
    assert_eq!(sql(&project, &["more", "same", "whole"]), before);
}

/// The new metric `share` of one spec would break a model that defines `share`, but the new metric of another spec
/// would not.
#[test]
fn only_the_spec_that_would_break_a_model_is_left_out() {
    let specs = [
        (
            "largest",
            "model: largest\nfrom: orders\ngroup_by: k\ndefinitions: |\n  n = SUM(x)\n  m = MAX(x)\n",
        ),
        (
            "shares",
            "model: shares\nfrom: orders\ngroup_by: k\ndefinitions: |\n  n = SUM(x)\n  share = n / COUNT()\n",
        ),
        (
            "whole",
            "model: whole\nmetrics: [orders.n]\ngroup_by: k\ndefinitions: share = n / SUM(n:n)\n",
        ),
        ("set", "metric_set: orders\nfrom: orders\ndefinitions: n = SUM(x)\n"),
    ];
    let names = ["largest", "shares", "whole"];
    let project = project("one_reader_of_the_set", &specs);
    let before = sql(&project, &names);
    let run = project.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let skipped = "metrics/shares.yml is skipped: moving definitions of the spec to the set orders would change \
                   metrics/whole.yml: the spec would have an error if it read the set: `share` is a metric";
    assert!(run.err.contains(skipped), "{}", run.err);
    assert!(!run.err.contains("metrics/largest.yml is skipped"), "{}", run.err);
    for (name, text) in [
        ("largest", "metrics: [orders.n, orders.m]"),
        ("shares", "from: orders"),
        ("set", "  m = MAX(x)"),
    ] {
        let spec = project.read(&format!("metrics/{name}.yml"));
        assert!(spec.lines().any(|line| line == text), "{text}\n{spec}");
    }
    assert_eq!(sql(&project, &names), before);
}

#[test]
fn the_name_selects_the_set() {
    let spec = "from: orders\ndefinitions: |\n  n = SUM(x)\n  m = COUNT()\n";
    let [one, other] = ["one", "other"].map(|name| format!("model: {name}\n{spec}"));
    let [first, second] = [("first", "n = SUM(x)"), ("second", "m = COUNT()")]
        .map(|(name, formula)| format!("metric_set: {name}\nfrom: orders\ndefinitions: {formula}\n"));
    let specs = [("one", one), ("other", other), ("set_1", first), ("set_2", second)];
    let specs = specs.each_ref().map(|(name, text)| (*name, text.as_str()));
    let project = project("named_set", &specs);
    for (args, expected) in [
        (
            &["extract", "--dry-run"][..],
            "metric set first: 2 definitions of 2 specs; 1 of these definitions is added",
        ),
        (
            &["extract", "--dry-run", "--name", "Second"],
            "metric set second: 2 definitions of 2 specs; 1 of these definitions",
        ),
        (
            &["extract", "--dry-run", "--name", "third"],
            "metric set third: 2 definitions of 2 specs\n",
        ),
    ] {
        let run = project.run(args);
        assert!(run.exit == 0 && run.err.contains(expected), "{args:?}: {}", run.err);
    }
    let run = project.run(&["extract", "--json", "--dry-run"]);
    crate::json_output::check(&["extract", "--json"], &run.out);
    let report = run.json();
    assert_eq!(report["sets"][0]["is_new"], Value::Bool(false));
    assert_eq!(report["sets"][0]["added"], serde_json::json!(["m"]));
}

#[test]
fn names_of_sets_are_checked() {
    let specs = [("by_month", BY_MONTH), ("totals", TOTALS)];
    let project = project("names_of_sets", &specs);
    let run = project.run(&["extract", "--dry-run", "--name", "1st"]);
    assert!(
        run.exit == 2 && run.err.contains("and begin with a letter"),
        "{}",
        run.err
    );
    // `null` is a value in YAML, so the name is quoted.
    let run = project.run(&["extract", "--dry-run", "--name", "null"]);
    assert!(
        run.exit == 0 && run.out.contains("metric_set: \"null\""),
        "{}{}",
        run.out,
        run.err
    );
}
