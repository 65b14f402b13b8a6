//! Tests `formulac extract`: which definitions move to a metric set, which specs are skipped and why, and that either
//! all files are written or none.

use std::fs;
use std::io;

use formulac::sync::{Disk, FileChange, prepare};
use insta::assert_snapshot;
use serde_json::Value;

use crate::run::Place;

/// Three specs with the same revenue, one of them with different names, layout and case.
const BY_MONTH: &str = "\
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
const BY_REGION: &str = "\
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
const TOTALS: &str = "\
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

fn project(name: &str, specs: &[(&str, &str)]) -> Place {
    let place = Place::new(&format!("extract/{name}"));
    place.write("formulac.yml", "dialect: duckdb\nspecs: metrics/\n");
    for (name, text) in specs {
        place.write(&format!("metrics/{name}.yml"), text);
    }
    place
}

/// Returns the SQL of all specs.
fn sql(place: &Place, specs: &[&str]) -> Vec<String> {
    let of = |command: &str, name: &&str| {
        let run = place.run(&[command, &format!("metrics/{name}.yml")]);
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
    let place = project("without_a_confirmation", &specs);
    for (args, exit, said) in [
        (&["extract"][..], 2, "pass `--yes` to confirm"),
        (&["extract", "--no-input"], 2, "pass `--yes` to confirm"),
        (&["extract", "--dry-run"], 0, "no file is written"),
        (&["extract", "--dry-run", "--json"], 0, ""),
    ] {
        let run = place.run(args);
        assert_eq!(run.exit, exit, "{args:?}: {}", run.err);
        assert!(run.err.contains(said), "{args:?}: {}", run.err);
        assert!(run.out.contains("metric_set: orders"), "{args:?}: {}", run.out);
        assert_eq!(place.files("metrics"), ["by_month.yml", "totals.yml"]);
        assert_eq!(place.read("metrics/by_month.yml"), BY_MONTH);
    }
}

/// Runs `extract` on a terminal, where somebody answers the question.
#[cfg(target_os = "linux")]
fn answered(place: &Place, answer: &str) -> String {
    use std::io::Write as _;

    let mut command = std::process::Command::new("script");
    let call = format!("{} extract", env!("CARGO_BIN_EXE_formulac"));
    command.args(["--quiet", "--return", "--command", &call, "/dev/null"]);
    command.current_dir(place.path("")).env_remove("NO_COLOR");
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
fn the_question_decides() {
    let place = project("question", &[("by_month", BY_MONTH), ("totals", TOTALS)]);
    for answer in ["n\n", "\n", "never\n"] {
        let said = answered(&place, answer);
        assert!(
            said.contains("Write 3 files? [y/N]") && said.contains("no file is written"),
            "{said}"
        );
        assert_eq!(place.files("metrics"), ["by_month.yml", "totals.yml"], "{answer:?}");
        assert_eq!(place.read("metrics/totals.yml"), TOTALS, "{answer:?}");
    }
    assert!(answered(&place, "y\n").contains("wrote metrics/orders.yml"));
    assert_eq!(place.files("metrics"), ["by_month.yml", "orders.yml", "totals.yml"]);
}

#[test]
fn json_lists_sets_and_specs() {
    let place = project("json", &[("by_month", BY_MONTH), ("by_region", BY_REGION)]);
    let run = place.run(&["extract", "--yes", "--json", "--name", "sales"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    crate::json_output::check(&["extract", "--json"], &run.out);
    let told = run.json();
    assert_eq!(told["sets"][0]["name"], "sales");
    assert_eq!(told["sets"][0]["path"], "metrics/sales.yml");
    assert_eq!(told["sets"][0]["text"], place.read("metrics/sales.yml"));
    assert_eq!(told["specs"].as_array().map(Vec::len), Some(2));
    assert_eq!(told["written"], Value::Bool(true));
}

/// Each case contains two specs without their model and relation, and part of the message that reports why the specs
/// cannot share a set.
const NOT_SHARED: &[(&str, &str, &str)] = &[
    // Different filters select different rows.
    (
        "where: paid\ndefinitions: n = SUM(x)\n",
        "definitions: n = SUM(x)\n",
        "no definition is in two specs",
    ),
    // Names with two formulas are never merged.
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
    // Settings determine the meaning of a formula.
    (
        "blanks: zero\ndefinitions: n = SUM(x + y)\n",
        "definitions: n = SUM(x + y)\n",
        "no definition is in two specs",
    ),
    // Joins.
    (
        "joins: [{to: people, using: id, type: inner}]\ndefinitions: n = SUM(x)\n",
        "definitions: n = SUM(x)\n",
        "no definition is in two specs",
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
    // Steps that a set cannot replace.
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
    // A condition of a spec on columns that are not available in the set.
    (
        "having: SUM(y) > 1\ngroup_by: k\ndefinitions: n = SUM(x)\n",
        "group_by: k\ndefinitions: n = SUM(x)\n",
        "the spec would have an error if it read the set",
    ),
];

#[test]
fn specs_that_share_no_set_are_left_out() {
    for (number, (one, other, said)) in NOT_SHARED.iter().enumerate() {
        let texts = [one, other].map(|text| format!("from: orders\n{text}"));
        let specs = [
            ("one", format!("model: one\n{}", texts[0])),
            ("other", format!("model: other\n{}", texts[1])),
        ];
        let specs: Vec<(&str, &str)> = specs.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let place = project(&format!("not_shared_{number}"), &specs);
        let run = place.run(&["extract", "--yes"]);
        assert_eq!((run.exit, run.out.as_str()), (0, ""), "{one}\n{other}\n{}", run.err);
        assert!(run.err.contains(said), "{one}\n{other}\n{}", run.err);
        assert_eq!(place.files("metrics"), ["one.yml", "other.yml"], "{one}\n{other}");
    }
}

/// Each case contains two specs without their model and relation, and lines that the set and the specs contain
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
    // Settings that both specs have become settings of the set.
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
    // If the specs use columns with different dates, none of these columns becomes the time of the set.
    (
        "group_by: a[month]\norder_by: a[month] desc\ndefinitions: n = SUM(x)\n",
        "group_by: b[month]\ndefinitions: n = SUM(x)\n",
        &["group_by: a[month]", "order_by: a_month desc", "group_by: b[month]"],
    ),
    // Definitions before a moved definition also move, because metrics are the first columns.
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
    // Tests and properties that differ remain in their spec.
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
        let place = project(&format!("shared_{number}"), &specs);
        let before = sql(&place, &["one", "other"]);
        let run = place.run(&["extract", "--yes"]);
        assert_eq!(run.exit, 0, "{one}\n{other}\n{}", run.err);
        assert_eq!(
            place.files("metrics"),
            ["one.yml", "orders.yml", "other.yml"],
            "{one}\n{other}\n{}",
            run.err
        );
        assert_eq!(sql(&place, &["one", "other"]), before);
        let texts = ["orders", "one", "other"].map(|name| place.read(&format!("metrics/{name}.yml")));
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
    let place = project("named", &specs);
    let run = place.run(&["extract", "metrics/by_month.yml", "metrics/totals.yml", "--dry-run"]);
    // The name `orders` and the file are taken.
    assert!(run.out.contains("+++ metrics/orders_revenue.yml"), "{}", run.out);
    assert!(!run.out.contains("by_region"), "{}", run.out);
    for (args, said) in [
        (&["extract", "elsewhere.yml"][..], "elsewhere.yml"),
        (&["extract", "formulac.yml"], "is not a spec of the project"),
        (&["extract", "--name", "a b"], "is not a valid name for a metric set"),
    ] {
        let run = place.run(args);
        assert!(run.exit != 0 && run.err.contains(said), "{args:?}: {}", run.err);
    }
    place.write("metrics/a.yml", "model: a\nfrom: payments\ndefinitions: n = SUM(y)\n");
    place.write("metrics/b.yml", "model: b\nfrom: payments\ndefinitions: n = SUM(y)\n");
    let run = place.run(&["extract", "--name", "sales", "--yes"]);
    assert_eq!(run.exit, 2, "{}", run.err);
    assert!(
        run.err
            .contains("`--name` names a single set, but these specs result in 2 sets"),
        "{}",
        run.err
    );
}

/// Files in a folder, for a transaction.
struct FolderDisk<'p>(&'p Place);

impl Disk for FolderDisk<'_> {
    fn read(&mut self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(fs::read(self.0.path(path)).ok())
    }
    fn write(&mut self, path: &str, bytes: &[u8], _: Option<&str>) -> io::Result<()> {
        fs::write(self.0.path(path), bytes)
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.path(from), self.0.path(to))
    }
    fn remove(&mut self, path: &str) -> io::Result<()> {
        fs::remove_file(self.0.path(path))
    }
    fn has_folder(&mut self, path: &str) -> bool {
        self.0.path(path).is_dir()
    }
    fn make_folder(&mut self, path: &str) -> io::Result<()> {
        fs::create_dir(self.0.path(path))
    }
    fn remove_folder(&mut self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.0.path(path))
    }
    fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        Ok(self.0.files(path))
    }
    fn flush_folder(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_extraction_killed_between_two_files_is_completed() {
    let specs = [("by_month", BY_MONTH), ("by_region", BY_REGION)];
    let complete = project("complete", &specs);
    assert_eq!(complete.run(&["extract", "--yes"]).exit, 0);
    let files = ["metrics/orders.yml", "metrics/by_month.yml", "metrics/by_region.yml"];
    let after = files.map(|file| complete.read(file));
    // Number of files that the process writes between the journal and the kill.
    for written in 0..=files.len() {
        let place = project("killed", &specs);
        place.write(".formulac/local/.gitignore", "*\n");
        let changes = files.iter().zip(&after).map(|(file, text)| FileChange {
            path: (*file).to_owned(),
            before: fs::read(place.path(file)).ok(),
            after: Some(text.clone().into_bytes()),
        });
        let changes: Vec<FileChange> = changes.collect();
        prepare(&mut FolderDisk(&place), &changes, Value::Null).unwrap();
        for (file, text) in files.iter().zip(&after).take(written) {
            place.write(file, text);
        }
        let run = place.run(&["extract", "--yes"]);
        assert_eq!(run.exit, 0, "{}", run.err);
        assert_eq!(files.map(|file| place.read(file)), after, "after {written} files");
        assert!(run.err.contains("no definition is in two specs"), "{}", run.err);
    }
}

#[test]
fn an_extraction_that_fails_writes_nothing() {
    let specs = [("by_month", BY_MONTH), ("by_region", BY_REGION)];
    let place = project("fails", &specs);
    // The folder of the journal cannot be created, because a file with the same name exists.
    place.write(".formulac/local/journal", "");
    let run = place.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 5, "{}", run.err);
    assert_eq!(place.read("metrics/by_month.yml"), BY_MONTH);
    assert_eq!(place.files("metrics"), ["by_month.yml", "by_region.yml"]);
}

/// Two specs that read the same rows, with comments in formulas.
fn with_comments(model: &str, amount: &str) -> String {
    format!(
        "model: {model}\nfrom: orders\nwhere: |\n  // no tests of {model}\n  status <> \"test\"\ngroup_by: [status]\n\
         definitions: |\n  revenue =\n    // in euros\n    SUM({amount})\n"
    )
}

#[test]
fn comments_in_formulas_stay() {
    let specs = [("a", with_comments("a", "amount")), ("b", with_comments("b", "amount"))];
    let texts = specs.each_ref().map(|(name, text)| (*name, text.as_str()));
    let place = project("comments_in_formulas", &texts);
    let run = place.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let set = place.read("metrics/orders.yml");
    assert!(set.contains("// no tests of a") && set.contains("// in euros"), "{set}");
    assert!(!place.read("metrics/a.yml").contains("no tests"));
    let other = place.read("metrics/b.yml");
    assert!(
        other.contains("# no tests of b\nmetrics:") && !other.contains("in euros"),
        "{other}"
    );
}

/// A comment directly above a definition describes this definition, so it moves to the set. Other comments stay.
#[test]
fn comments_above_definitions_move_with_them() {
    let spec = |model: &str, own: &str| {
        format!(
            "model: {model}\nfrom: orders\ngroup_by: [status]\ndefinitions:\n  # All of them.\n\n  # In euros.\n  # Net.\n  \
             revenue: SUM(amount)\n  # Only in {model}.\n  {own}\n"
        )
    };
    let specs = [
        ("a", spec("a", "largest: MAX(amount)")),
        ("b", spec("b", "least: MIN(amount)")),
    ];
    let texts = specs.each_ref().map(|(name, text)| (*name, text.as_str()));
    let place = project("comments_above_definitions", &texts);
    let run = place.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let set = place.read("metrics/orders.yml");
    assert!(
        set.contains("  // In euros.\n  // Net.\n  revenue = SUM(amount)\n"),
        "{set}"
    );
    let text = place.read("metrics/a.yml");
    assert!(!text.contains("In euros") && !text.contains("Net"), "{text}");
    assert!(text.contains("# All of them."), "{text}");
    assert!(
        set.contains("// Only in a.\n  largest = MAX(amount)") || text.contains("# Only in a.\n  largest: MAX(amount)"),
        "{set}{text}"
    );
}

#[test]
fn files_keep_their_line_ends() {
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let specs = ["a", "b"].map(|name| (name, crlf(&format!("# {name}\n{}", with_comments(name, "amount")))));
    let texts = specs.each_ref().map(|(name, text)| (*name, text.as_str()));
    let place = project("line_ends", &texts);
    let run = place.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let text = place.read("metrics/b.yml");
    assert!(text.contains("# no tests of b\r\nmetrics:"), "{text:?}");
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count(), "{text:?}");
}

#[test]
fn the_relation_before_a_column_does_not_matter() {
    let (one, other) = (with_comments("a", "amount"), with_comments("b", "orders.amount"));
    let place = project("qualified", &[("a", &one), ("b", &other)]);
    place.write(
        "schema.yml",
        "relations: {orders: {columns: {status: text, amount: decimal}}}\n",
    );
    let run = place.run(&["extract", "--yes", "--schema", "schema.yml"]);
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
    let place = project("existing_set", &[("a", one), ("b", other), ("set", set)]);
    let run = place.run(&["extract", "--dry-run"]);
    let wanted = "orders also reads the relation of orders_revenue, but has other rows, joins or settings";
    assert!(run.exit == 0 && run.err.contains(wanted), "{}", run.err);
}

/// A metric set over the rows of the three specs, and a model that reads it.
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
    assert_eq!(place.run(&["extract", "--dry-run"]).exit, 0);
    assert_eq!(place.read("metrics/set.yml"), SET);
    place.show(&["extract", "--yes"]);
    assert_eq!(sql(&place, &names), before);
    assert_eq!(place.run(&["check"]).exit, 0);
    place.show(&["extract", "--yes"]);
    assert_snapshot!(place.transcript());
}

/// Each case: a set and a spec without their name and relation, lines that the set and the spec contain afterwards, and a
/// part of the message.
const ADDED: &[(&str, &str, &[&str], &str)] = &[
    // A set that has all definitions stays unchanged.
    (
        "definitions: n = SUM(x)\n",
        "definitions: total = sum(x)\n",
        &["definitions: n = SUM(x)", "metrics: [{total: orders.n}]"],
        "1 definition of 1 spec; the set already has all of these definitions",
    ),
    // The definitions of a set, as text on one line and as a mapping.
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
    // Left joins and properties come with the definitions.
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
    // The set has all rows, so the spec keeps its condition, which may use a dimension.
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
    // The spec keeps a description that differs from that of the set.
    (
        "definitions: |\n  /// The sum.\n  n = SUM(x)\n",
        "definitions: |\n  /// Another sum.\n  n = SUM(x)\n",
        &["  /// The sum.", "  \"n\": {description: Another sum.}"],
        "the set already has all of these definitions",
    ),
];

#[test]
fn a_spec_reads_a_set_over_its_rows() {
    for (number, (set, spec, lines, said)) in ADDED.iter().enumerate() {
        let set = format!("metric_set: orders\nfrom: orders\n{set}");
        let spec = format!("model: one\nfrom: orders\n{spec}");
        let place = project(&format!("added_{number}"), &[("one", &spec), ("set", &set)]);
        let before = sql(&place, &["one"]);
        let run = place.run(&["extract", "--yes"]);
        assert_eq!(run.exit, 0, "{spec}\n{}", run.err);
        assert!(run.err.contains(said), "{spec}\n{}", run.err);
        assert_eq!(sql(&place, &["one"]), before);
        assert_eq!(place.files("metrics"), ["one.yml", "set.yml"]);
        let texts = ["one", "set"].map(|name| place.read(&format!("metrics/{name}.yml")));
        for line in *lines {
            assert!(
                texts.iter().any(|text| text.lines().any(|own| own == *line)),
                "{line}\n{}",
                texts.join("\n")
            );
        }
    }
}

/// Each case: a set and a spec without their name and relation, and a part of the message that reports why the spec does
/// not read the set.
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
    // The formula is the same, but the set does not add up all rows.
    (
        "definitions: n = SUM(x)\ncolumns: {n: {non_additive: {over: day, take: last}}}\n",
        "group_by: k\ndefinitions: n = SUM(x)\n",
        "the SQL would change",
    ),
    // Rows and settings.
    (
        "where: paid\ndefinitions: n = SUM(x)\n",
        "definitions: n = SUM(x)\n",
        "no definition is in two specs",
    ),
    (
        "blanks: zero\ndefinitions: n = SUM(x)\n",
        "definitions: n = SUM(x)\n",
        "no definition is in two specs",
    ),
];

#[test]
fn a_spec_that_cannot_read_a_set_is_left_out() {
    for (number, (set, spec, said)) in NOT_ADDED.iter().enumerate() {
        let set = format!("metric_set: orders\nfrom: orders\n{set}");
        let spec = format!("model: one\nfrom: orders\n{spec}");
        let place = project(&format!("not_added_{number}"), &[("one", &spec), ("set", &set)]);
        let run = place.run(&["extract", "--yes"]);
        assert_eq!((run.exit, run.out.as_str()), (0, ""), "{spec}\n{}", run.err);
        assert!(run.err.contains(said), "{spec}\n{}", run.err);
        assert_eq!(place.read("metrics/set.yml"), set);
    }
}

/// Specs with different conditions, or without one, can read a set that has all rows.
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
    let place = project("own_conditions", &specs);
    let before = sql(&place, &names);
    let run = place.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_eq!(sql(&place, &names), before, "{}", run.err);
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
        let text = place.read(&format!("metrics/{name}.yml"));
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
}

/// Models over a set read metrics of the set instead of repeating their formulas, and share formulas with other models
/// and with specs that read the relation.
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
    let place = project("models_over_a_set", &specs);
    let before = sql(&place, &names);
    let run = place.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    assert_eq!(sql(&place, &names), before, "{}", run.err);
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
        let text = place.read(&format!("metrics/{name}.yml"));
        assert!(text.lines().any(|own| own == line), "{line}\n{text}{}", run.err);
    }
    let again = place.run(&["extract", "--yes"]);
    assert!(again.err.contains("no definition is in two specs"), "{}", again.err);
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
    let place = project("readers_of_the_set", &specs);
    let before = sql(&place, &["more", "same", "whole"]);
    let run = place.run(&["extract", "--yes"]);
    assert_eq!(run.exit, 0, "{}", run.err);
    let wanted =
        "metrics/more.yml is skipped: moving definitions of the spec to the set orders would change metrics/whole.yml";
    assert!(run.err.contains(wanted), "{}", run.err);
    assert!(
        place.read("metrics/same.yml").contains("metrics: [orders.n]"),
        "{}",
        run.err
    );
    assert_eq!(place.read("metrics/set.yml"), set);
    assert_eq!(sql(&place, &["more", "same", "whole"]), before);
}

#[test]
fn the_name_selects_the_set() {
    let spec = "from: orders\ndefinitions: |\n  n = SUM(x)\n  m = COUNT()\n";
    let [one, other] = ["one", "other"].map(|name| format!("model: {name}\n{spec}"));
    let [first, second] = [("first", "n = SUM(x)"), ("second", "m = COUNT()")]
        .map(|(name, formula)| format!("metric_set: {name}\nfrom: orders\ndefinitions: {formula}\n"));
    let specs = [("one", one), ("other", other), ("set_1", first), ("set_2", second)];
    let specs = specs.each_ref().map(|(name, text)| (*name, text.as_str()));
    let place = project("named_set", &specs);
    for (args, said) in [
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
        let run = place.run(args);
        assert!(run.exit == 0 && run.err.contains(said), "{args:?}: {}", run.err);
    }
    let run = place.run(&["extract", "--json", "--dry-run"]);
    crate::json_output::check(&["extract", "--json"], &run.out);
    let told = run.json();
    assert_eq!(told["sets"][0]["is_new"], Value::Bool(false));
    assert_eq!(told["sets"][0]["added"], serde_json::json!(["m"]));
}

#[test]
fn names_of_sets_are_checked() {
    let specs = [("by_month", BY_MONTH), ("totals", TOTALS)];
    let place = project("names_of_sets", &specs);
    let run = place.run(&["extract", "--dry-run", "--name", "1st"]);
    assert!(
        run.exit == 2 && run.err.contains("and begin with a letter"),
        "{}",
        run.err
    );
    // `null` is a value in YAML, so the name is quoted.
    let run = place.run(&["extract", "--dry-run", "--name", "null"]);
    assert!(
        run.exit == 0 && run.out.contains("metric_set: \"null\""),
        "{}{}",
        run.out,
        run.err
    );
}
