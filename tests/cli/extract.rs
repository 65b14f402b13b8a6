//! Tests `formulac extract`: which definitions move to a new metric set, and which specs are skipped and why.

use insta::assert_snapshot;
use serde_json::Value;

use crate::run::TestProject;

/// Three specs with the same revenue, one of them with different names, layout and case.
pub const BY_MONTH: &str = "\
# Revenue of each month.
model: revenue_by_month
description: Revenue per month
from: orders   # all orders
where: status <> \"test\"
group_by: [\"ordered_on[month]\"]
order_by: ordered_on[month]
definitions: |
  /// Revenue before refunds.
  revenue = SUM(amount)
  // Orders without a customer count, too.
  order_count = COUNT(order_id)
  aov = revenue / order_count
  // By rows.
  before = OFFSET(revenue, -1)  // noqa: W0421
# The end.
columns:
  ordered_on_month: {description: First day of the month.}
  aov: {description: Average value of an order.}
";
pub const BY_REGION: &str = "\
model: revenue_by_region
from: ref('orders')
where: STATUS <> \"test\"
group_by: region
definitions:
  # The same as revenue.
  sales: sum( Amount )
  aov: sum(amount)/count(order_id)
columns:
  aov: {description: Average value of an order., data_tests: [not_null]}
";
pub const TOTALS: &str = "\
model: totals
from: orders
steps:
  - name: regions
    where: status <> \"test\"
    group_by: region
    definitions: |
      /// Revenue before refunds.
      revenue = SUM(amount)
  - name: total
    definitions: largest = MAX(revenue)
";

pub fn project(name: &str, specs: &[(&str, &str)]) -> TestProject {
    let project = TestProject::new(&format!("extract/{name}"));
    project.write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n");
    for (name, text) in specs {
        project.write(&format!("metrics/{name}.yml"), text);
    }
    project
}

/// Two specs that read the same rows, with comments in formulas.
pub fn with_comments(model: &str, amount: &str) -> String {
    format!(
        "model: {model}\nfrom: orders\nwhere: |\n  // no tests of {model}\n  status <> \"test\"\ngroup_by: [status]\n\
         definitions: |\n  revenue =\n    // in euros\n    SUM({amount})\n"
    )
}

/// Returns the SQL of all specs.
pub fn sql(project: &TestProject, specs: &[&str]) -> Vec<String> {
    let of = |command: &str, name: &&str| {
        let run = project.run(&[command, &format!("metrics/{name}.yml")]);
        assert_eq!(run.exit, 0, "{command} {name}: {}", run.err);
        match run.out.split_once("# ") {
            Some((sql, _)) if command == "model" => sql.to_owned(),
            _ => run.out,
        }
    };
    let queries = specs.iter().map(|name| of("query", name));
    queries.chain(specs.iter().map(|name| of("model", name))).collect()
}

#[test]
fn definitions_of_several_specs_become_a_set() {
    let names = ["by_month", "by_region", "totals"];
    let mut place = project(
        "becomes_a_set",
        &[("by_month", BY_MONTH), ("by_region", BY_REGION), ("totals", TOTALS)],
    );
    let before = sql(&place, &names);
    place.show(&["extract", "--yes"]);
    assert_eq!(sql(&place, &names), before);
    place.show(&["check"]).show(&["extract", "--yes"]);
    assert_snapshot!(place.transcript());
}

#[test]
fn nothing_is_written_without_a_confirmation() {
    let specs = [("by_month", BY_MONTH), ("totals", TOTALS)];
    let project = project("without_a_confirmation", &specs);
    for (args, exit, expected) in [
        (&["extract"][..], 2, "pass `--yes` to confirm"),
        (&["extract", "--no-input"], 2, "pass `--yes` to confirm"),
        (&["extract", "--dry-run"], 0, "no file is written"),
        (&["extract", "--dry-run", "--json"], 0, ""),
    ] {
        let run = project.run(args);
        assert_eq!(run.exit, exit, "{args:?}: {}", run.err);
        assert!(run.err.contains(expected), "{args:?}: {}", run.err);
        assert!(run.out.contains("metric_set: orders"), "{args:?}: {}", run.out);
        assert_eq!(project.files("metrics"), ["by_month.yml", "totals.yml"]);
        assert_eq!(project.read("metrics/by_month.yml"), BY_MONTH);
    }
}

/// Runs `extract` in a terminal, and enters `answer` at its prompt.
#[cfg(target_os = "linux")]
fn extract_with_answer(project: &TestProject, answer: &str) -> String {
    use std::io::Write as _;

    let mut command = std::process::Command::new("script");
    let call = format!("{} extract", env!("CARGO_BIN_EXE_formulac"));
    command.args(["--quiet", "--return", "--command", &call, "/dev/null"]);
    command.current_dir(project.path("")).env_remove("NO_COLOR");
    command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn extract_writes_only_after_confirmation() {
    let project = project("question", &[("by_month", BY_MONTH), ("totals", TOTALS)]);
    for answer in ["n\n", "\n", "never\n"] {
        let output = extract_with_answer(&project, answer);
        assert!(
            output.contains("Write 3 files? [y/N]") && output.contains("no file is written"),
            "{output}"
        );
        assert_eq!(project.files("metrics"), ["by_month.yml", "totals.yml"], "{answer:?}");
        assert_eq!(project.read("metrics/totals.yml"), TOTALS, "{answer:?}");
    }
    assert!(extract_with_answer(&project, "y\n").contains("wrote metrics/orders.yml"));
    assert_eq!(project.files("metrics"), ["by_month.yml", "orders.yml", "totals.yml"]);
}

#[test]
fn json_lists_sets_and_specs() {
    let project = project("json", &[("by_month", BY_MONTH), ("by_region", BY_REGION)]);
    let run = project.run(&["extract", "--yes", "--json", "--name", "sales"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    crate::json_output::check(&["extract", "--json"], &run.out);
    let report = run.json();
    assert_eq!(report["sets"][0]["name"], "sales");
    assert_eq!(report["sets"][0]["path"], "metrics/sales.yml");
    assert_eq!(report["sets"][0]["text"], project.read("metrics/sales.yml"));
    assert_eq!(report["specs"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["written"], Value::Bool(true));
}

/// Each case contains two specs without their model and relation, and part of the message that reports why the specs
/// cannot share a metric set.
const NOT_SHARED: &[(&str, &str, &str)] = &[
    // Different filters select different rows.
    (
        "where: paid\ndefinitions: n = SUM(x)\n",
        "definitions: n = SUM(x)\n",
        "no definition occurs twice",
    ),
    // A name that has different formulas in the two specs is never merged.
    (
        "definitions: |\n  n = SUM(x)\n  m = COUNT()\n",
        "definitions: |\n  n = SUM(x) + 1\n  m = COUNT()\n",
        "`n` has a different formula in other specs",
    ),
    (
        "definitions: n = SUM(x)\n",
        "definitions: n = SUM(y)\n",
        "the same name, different formulas: `n` of orders",
    ),
    // The meaning of a formula depends on settings.
    (
        "blanks: zero\ndefinitions: n = SUM(x + y)\n",
        "definitions: n = SUM(x + y)\n",
        "no definition occurs twice",
    ),
    // Different joins.
    (
        "joins: [{to: people, using: id, type: inner}]\ndefinitions: n = SUM(x)\n",
        "definitions: n = SUM(x)\n",
        "no definition occurs twice",
    ),
    (
        "joins: [{to: people, as: p, using: id}]\ngroup_by: p.name\ndefinitions: n = SUM(x)\n",
        "joins: [{to: places, as: p, using: id}]\ngroup_by: p.name\ndefinitions: n = SUM(x)\n",
        "the join `p` differs from the join in other specs",
    ),
    (
        "joins: [{to: people, using: id, cardinality: many}]\ndefinitions: n = SUM(people.x)\n",
        "definitions: n = SUM(x)\n",
        "a metric set can contain only left and inner joins that match at most one row",
    ),
    // Steps that a metric set cannot replace.
    (
        "columns: [x, y]\norder_by: x\ncalculations: n = A1\n",
        "definitions: n = SUM(x)\n",
        "the first step is a worksheet",
    ),
    (
        "keep: all\ndefinitions: n = x + 1\n",
        "definitions: n = x + 1\nkeep: all\n",
        "the first step has no aggregates",
    ),
    (
        "definitions: n = SUM(\n",
        "definitions: n = SUM(x)\n",
        "the spec has errors; `formulac check` shows the errors",
    ),
    // A condition in a spec on columns that the metric set does not have.
    (
        "having: SUM(y) > 1\ngroup_by: k\ndefinitions: n = SUM(x)\n",
        "group_by: k\ndefinitions: n = SUM(x)\n",
        "the spec would have an error if it read the set",
    ),
];

/// A metric set contains each formula only once, so `extract` skips specs that define a formula under two names.
#[test]
fn specs_with_a_repeated_formula_are_left_out() {
    let spec = |model: &str, more: &str| {
        format!(
            "model: {model}\nfrom: ref('fct')\ngroup_by: [team]\ndefinitions: |\n  issues = COUNT(DISTINCT(issue_id))\n  lead_time = MEDIAN(days)\n{more}"
        )
    };
    let repeated = spec("a", "  servers = COUNT(DISTINCT(issue_id))\n");
    let project = project("repeated_formula", &[("a", &repeated), ("b", &spec("b", ""))]);
    let run = project.run(&["extract", "--dry-run"]);
    let lines = "without the skipped specs, no definition occurs twice: in two specs, or in a spec and a set, that read the same relation with the same filter\nmetrics/a.yml is skipped: `servers` repeats the formula of `issues`, so the SQL would need another step\n";
    assert_eq!(run.err, lines);
    // Other specs still share the definitions.
    project.write("metrics/c.yml", spec("c", ""));
    let run = project.run(&["extract", "--dry-run"]);
    assert!(
        run.err.contains("metric set fct: 2 definitions of 2 specs"),
        "{}",
        run.err
    );
    assert!(run.err.contains("metrics/a.yml is skipped"), "{}", run.err);
}

#[test]
fn specs_that_share_no_set_are_left_out() {
    for (number, (one, other, expected)) in NOT_SHARED.iter().enumerate() {
        let texts = [one, other].map(|text| format!("from: orders\n{text}"));
        let specs = [
            ("one", format!("model: one\n{}", texts[0])),
            ("other", format!("model: other\n{}", texts[1])),
        ];
        let specs: Vec<(&str, &str)> = specs.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let project = project(&format!("not_shared_{number}"), &specs);
        let run = project.run(&["extract", "--yes"]);
        assert_eq!((run.exit, run.out.as_str()), (0, ""), "{one}\n{other}\n{}", run.err);
        assert!(run.err.contains(expected), "{one}\n{other}\n{}", run.err);
        assert_eq!(project.files("metrics"), ["one.yml", "other.yml"], "{one}\n{other}");
    }
}

/// Each case contains two specs without their model and relation, and lines that the metric set and the specs contain
/// afterwards.
const SHARED: &[(&str, &str, &[&str])] = &[
    // Left joins are combined, because a model omits the joins that it does not use.
    (
        "joins: [{to: people, using: id}]\ngroup_by: people.name\ndefinitions: n = SUM(x)\n",
        "group_by: k\ndefinitions: n = SUM(x)\n",
        &[
            "  - {to: people, using: id}",
            "group_by: people.name",
            "metrics: [orders.n]",
        ],
    ),
    // Settings in both specs become settings of the metric set.
    (
        "blanks: zero\ngroup_by: k\ndefinitions: n = SUM(x + y)\n",
        "blanks: zero\ngroup_by: l\ndefinitions: n = SUM(x + y)\n",
        &["blanks: zero", "metrics: [orders.n]"],
    ),
    // A key that is a definition is a dimension.
    (
        "group_by: large\ndefinitions: |\n  large = x > 10\n  n = SUM(x)\n",
        "definitions: n = SUM(x)\n",
        &["  large = x > 10", "group_by: large"],
    ),
    // If the specs group by different date columns, none of these columns becomes the time column of the metric set.
    (
        "group_by: a[month]\norder_by: a[month] desc\ndefinitions: n = SUM(x)\n",
        "group_by: b[month]\ndefinitions: n = SUM(x)\n",
        &["group_by: a[month]", "order_by: a_month desc", "group_by: b[month]"],
    ),
    // Definitions that precede a moved definition also move, because the columns of metrics come first.
    (
        "definitions: |\n  n = SUM(x)\n  twice = n * 2\n  m = COUNT()\n  half = m / 2\n",
        "definitions: n = SUM(x)\n",
        &[
            "  twice = n * 2",
            "metrics: [orders.n, orders.twice, orders.m]",
            "  half = m / 2",
        ],
    ),
    // Definitions with different names.
    (
        "definitions: |\n  a = SUM(x)\n  b = a / COUNT()\n",
        "definitions: |\n  a = SUM(x)\n  c = SUM(x) / COUNT()\n",
        &["  b = a / COUNT()", "metrics: [orders.a, {c: orders.b}]"],
    ),
    // Tests and properties that differ between the specs remain in their spec.
    (
        "definitions:\n  sum: {formula: SUM(x), data_tests: [not_null]}\ncolumns: {sum: {tags: [a]}}\n",
        "definitions: sum = SUM(x)\ncolumns: {sum: {tags: [a], description: The sum.}}\n",
        &[
            "  /// The sum.",
            "  sum: {tags: [a]}",
            "columns: {sum: {data_tests: [not_null]}}",
        ],
    ),
];

#[test]
fn specs_share_a_set() {
    for (number, (one, other, lines)) in SHARED.iter().enumerate() {
        let specs = [
            ("one", format!("model: one\nfrom: orders\n{one}")),
            ("other", format!("model: other\nfrom: orders\n{other}")),
        ];
        let specs: Vec<(&str, &str)> = specs.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let project = project(&format!("shared_{number}"), &specs);
        let before = sql(&project, &["one", "other"]);
        let run = project.run(&["extract", "--yes"]);
        assert_eq!(run.exit, 0, "{one}\n{other}\n{}", run.err);
        assert_eq!(
            project.files("metrics"),
            ["one.yml", "orders.yml", "other.yml"],
            "{one}\n{other}\n{}",
            run.err
        );
        assert_eq!(sql(&project, &["one", "other"]), before);
        let texts = ["orders", "one", "other"].map(|name| project.read(&format!("metrics/{name}.yml")));
        for line in *lines {
            assert!(
                texts.iter().any(|text| text.lines().any(|own| own == *line)),
                "{line}\n{}",
                texts.join("\n")
            );
        }
    }
}

#[test]
fn named_specs_and_sets() {
    let orders = "metric_set: orders\nfrom: payments\ndefinitions: paid = SUM(x)\n";
    let specs = [
        ("by_month", BY_MONTH),
        ("by_region", BY_REGION),
        ("totals", TOTALS),
        ("orders", orders),
    ];
    let project = project("named", &specs);
    let run = project.run(&["extract", "metrics/by_month.yml", "metrics/totals.yml", "--dry-run"]);
    // The name `orders` and the file name are already in use.
    assert!(run.out.contains("+++ metrics/orders_revenue.yml"), "{}", run.out);
    assert!(!run.out.contains("by_region"), "{}", run.out);
    for (args, expected) in [
        (&["extract", "elsewhere.yml"][..], "elsewhere.yml"),
        (&["extract", "formulac.yml"], "is not a spec of the project"),
        (&["extract", "--name", "a b"], "is not a valid name for a metric set"),
    ] {
        let run = project.run(args);
        assert!(run.exit != 0 && run.err.contains(expected), "{args:?}: {}", run.err);
    }
    project.write("metrics/a.yml", "model: a\nfrom: payments\ndefinitions: n = SUM(y)\n");
    project.write("metrics/b.yml", "model: b\nfrom: payments\ndefinitions: n = SUM(y)\n");
    let run = project.run(&["extract", "--name", "sales", "--yes"]);
    assert_eq!(run.exit, 2, "{}", run.err);
    assert!(
        run.err
            .contains("`--name` names a single set, but these specs result in 2 sets"),
        "{}",
        run.err
    );
}

#[test]
fn the_relation_before_a_column_does_not_matter() {
    let (one, other) = (with_comments("a", "amount"), with_comments("b", "orders.amount"));
    let project = project("qualified", &[("a", &one), ("b", &other)]);
    project.write(
        "schema.yml",
        "relations: {orders: {columns: {status: text, amount: decimal}}}\n",
    );
    let run = project.run(&["extract", "--yes", "--schema", "schema.yml"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert!(
        run.err.contains("metric set orders: 1 definition of 2 specs"),
        "{}",
        run.err
    );
}

#[test]
fn a_set_over_the_same_relation_is_named() {
    let specs = ["a", "b"].map(|name| (name, with_comments(name, "amount")));
    let [(_, one), (_, other)] = &specs;
    let set = "metric_set: orders\nfrom: orders\ndefinitions: largest = MAX(amount)\n";
    let project = project("existing_set", &[("a", one), ("b", other), ("set", set)]);
    let run = project.run(&["extract", "--dry-run"]);
    let wanted = "metric set orders_revenue is new, because orders, which reads the same relation, differs in rows, \
                  joins or settings, or has errors";
    assert!(run.exit == 0 && run.err.contains(wanted), "{}", run.err);
}

/// A manual edit to a definition that moves to a metric set is a conflict at the first push, as it is at later pushes.
#[test]
fn manual_edits_of_moved_definitions_are_conflicts() {
    let project = project("hand_edits", &[("revenue_by_month", BY_MONTH), ("totals", TOTALS)]);
    crate::repository::begin(&project);
    project.succeed(&["push", "--yes"]);
    let sql = "models/formulac/revenue_by_month.sql";
    crate::repository::edit(
        &project,
        sql,
        "coalesce(sum(amount), 0) as revenue",
        "my_total(amount) as revenue",
    );
    let run = project.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}{}", run.out, run.err);
    for _ in 0..2 {
        let run = project.run(&["push", "--yes"]);
        assert_eq!(run.exit, 3, "{}{}", run.out, run.err);
        assert!(run.out.contains("in a metric set"), "{}", run.out);
    }
    project.succeed(&["resolve", "revenue_by_month", "--ours"]);
    project.succeed(&["push", "--yes"]);
    assert!(project.read(sql).contains("coalesce(sum(amount), 0) as revenue"));
}
