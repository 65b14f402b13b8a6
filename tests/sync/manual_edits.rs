//! Tests forty manual edits to generated files. After each edit, another part of the model's spec changes.

use formulac::Compiler;

use crate::test_project::{SPEC, SQL, TestProject, YML, compiler, sub};

pub const MODEL: &str = "\
model: m
description: Orders by country and month.
from: orders
where: AND(status <> \"test\", quantity > 0)
group_by: country, ordered_at[month]
having: orders > 1
definitions: |
  kind = IF(revenue > 100, \"large\", \"small\")
  /// All that was paid.
  revenue = SUM(amount)
  orders = COUNT(order_id)
  largest = MAX(amount)
  share = revenue / SUM(revenue:revenue)
columns:
  country: {data_tests: [not_null]}
  revenue: {data_tests: [not_null]}
";

/// Later changes to the spec: a changed formula, a new definition, and a removed definition.
pub const CHANGES: [(&str, &str); 3] = [
    ("largest = MAX(amount)", "largest = MAX(amount - refund)"),
    ("  share =", "  smallest = MIN(amount)\n  share ="),
    ("  largest = MAX(amount)\n", ""),
];

/// Result of a manual edit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// The change is not an edit, and the file stays byte-for-byte identical after the spec changes.
    Bytes,
    /// After the spec changes, the edit is still in the file or in the spec.
    Merged,
    /// The edit is reported as a conflict with this name.
    Conflict(&'static str),
}
use Outcome::{Bytes, Conflict, Merged};

type Edit = (&'static str, fn(&str) -> String, &'static str, Outcome);

/// Returns the text with keywords in upper case, as a formatter would write them.
fn upper(text: &str) -> String {
    let words = [
        "with", "as", "select", "from", "where", "group by", "having", "and", "case", "when", "then", "else", "end",
    ];
    let mut out = format!(" {}", text.replace('\n', "\n "));
    for word in words {
        for (before, after) in [(" ", " "), (" ", "\n"), ("(", " ")] {
            out = out.replace(
                &format!("{before}{word}{after}"),
                &format!("{before}{}{after}", word.to_uppercase()),
            );
        }
    }
    out.replace("\n ", "\n").trim_start().to_owned()
}

const SQL_EDITS: [Edit; 30] = [
    (
        "keywords in upper case",
        |s| upper(s),
        "SELECT * FROM {{ ref('orders') }}",
        Bytes,
    ),
    (
        "two blanks for four",
        |s| s.replace("    ", "  "),
        "\n    count(order_id) as orders",
        Bytes,
    ),
    (
        "leading commas",
        |s| s.replace(",\n        ", "\n        , "),
        "\n        , count(order_id) as orders",
        Bytes,
    ),
    (
        "a comment behind a column",
        |s| sub(s, "as orders,", "as orders, -- paid ones"),
        "-- paid ones\n",
        Bytes,
    ),
    (
        "a comment above a column",
        |s| sub(s, "        count(", "        -- paid ones\n        count("),
        "-- paid ones\n        count(",
        Bytes,
    ),
    (
        "a comment above a CTE",
        |s| sub(s, "with orders", "with /* raw */ orders"),
        "with /* raw */ orders",
        Bytes,
    ),
    (
        "a comment at the end",
        |s| format!("{s}-- the end\n"),
        "-- the end\n",
        Bytes,
    ),
    (
        "a Jinja comment",
        |s| sub(s, "with orders", "{# {{ why }} #}\nwith orders"),
        "{# {{ why }} #}\nwith",
        Bytes,
    ),
    (
        "a trailing comma",
        |s| sub(s, "as share\n", "as share,\n"),
        "as share,\n",
        Bytes,
    ),
    (
        "blank lines",
        |s| sub(s, "    group by", "\n\n    group by"),
        "\n\n    group by",
        Bytes,
    ),
    ("no line break at the end", |s| s.trim_end().to_owned(), "select", Bytes),
    (
        "Windows line ends",
        |s| s.replace('\n', "\r\n"),
        "with orders as (\r\n",
        Bytes,
    ),
    (
        "a condition on lines of its own",
        |s| sub(s, "'test' and", "'test'\n      and"),
        "'test'\n      and quantity",
        Bytes,
    ),
    (
        "a `config` line",
        |s| sub(s, "#}\n", "#}\n{{ config(tags=['daily']) }}\n"),
        "{{ config(tags=['daily']) }}\n",
        Merged,
    ),
    (
        "a `config` line above the header",
        |s| format!("{{{{ config(materialized='table') }}}}\n{s}"),
        "{{ config(materialized='table') }}\n{#",
        Merged,
    ),
    (
        "columns moved",
        |s| {
            sub(
                &sub(s, "        count(order_id) as orders,\n", ""),
                "        coalesce(sum",
                "        count(order_id) as orders,\n        coalesce(sum",
            )
        },
        "count(order_id) as orders,\n        coalesce(sum",
        Bytes,
    ),
    (
        "another filter",
        |s| sub(s, "quantity > 0", "quantity > 0 and not is_gift"),
        "and not is_gift",
        Merged,
    ),
    (
        "another number in a filter",
        |s| sub(s, "quantity > 0", "quantity > 1"),
        "quantity > 1",
        Merged,
    ),
    ("another text", |s| sub(s, "'large'", "'big'"), "'big'", Merged),
    ("another threshold", |s| sub(s, "> 100", "> 200"), "> 200", Merged),
    (
        "another function",
        |s| sub(s, "sum(amount)", "sum(amount - tax)"),
        "sum(amount - tax)",
        Merged,
    ),
    (
        "a function that no formula has",
        |s| sub(s, "count(order_id)", "approx_count_distinct(order_id)"),
        "approx_count_distinct(order_id)",
        Merged,
    ),
    (
        "a column more",
        |s| {
            sub(
                s,
                "        count(order_id) as orders,\n",
                "        count(order_id) as orders,\n        sum(tax) as taxes,\n",
            )
        },
        "sum(tax) as taxes",
        Merged,
    ),
    (
        "a column more at the end",
        |s| {
            sub(
                s,
                "        max(amount) as largest\n",
                "        max(amount) as largest,\n        sum(tax) as taxes\n",
            )
        },
        "sum(tax) as taxes",
        Merged,
    ),
    (
        "a column less",
        |s| sub(s, "        count(order_id) as orders,\n", ""),
        "as revenue",
        Merged,
    ),
    (
        "an optimizer hint",
        |s| sub(s, "select\n        country", "select /*+ hint */\n        country"),
        "/*+ hint */",
        Merged,
    ),
    (
        "Jinja in a comment",
        |s| sub(s, "with orders", "-- {{ run_started_at }}\nwith orders"),
        "-- {{ run_started_at }}",
        Merged,
    ),
    (
        "Jinja in the filter",
        |s| {
            sub(
                s,
                "quantity > 0",
                "quantity > 0 {% if target.name == 'dev' %} and amount < 9 {% endif %}",
            )
        },
        "{% if target.name == 'dev' %}",
        Merged,
    ),
    (
        "a CTE more",
        |s| {
            sub(
                s,
                "with orders as (",
                "with extra as (\n    select 1 as one\n),\n\norders as (",
            )
        },
        "select 1 as one",
        Merged,
    ),
    (
        "group by numbers",
        |s| {
            let at = s.find("group by").unwrap();
            let end = s.find("\n\n)\n\nselect").unwrap();
            format!("{}group by 1, 2{}", &s[..at], &s[end..])
        },
        "group by 1, 2",
        Bytes,
    ),
];

const YML_EDITS: [Edit; 10] = [
    (
        "another description",
        |s| sub(s, "All that was paid.", "All that was paid, in euros."),
        "in euros",
        Merged,
    ),
    (
        "another description of the model",
        |s| sub(s, "Orders by country and month.", "Orders, by country."),
        "Orders, by country.",
        Merged,
    ),
    (
        "a comment",
        |s| sub(s, "    columns:", "    # looked through\n    columns:"),
        "# looked through",
        Bytes,
    ),
    (
        "texts in quotes",
        |s| sub(s, "name: revenue", "name: \"revenue\""),
        "name: \"revenue\"",
        Bytes,
    ),
    (
        "other indentation",
        |s| s.replace("\n          - not_null", "\n        - not_null"),
        "\n        - not_null",
        Bytes,
    ),
    (
        "keys in another order",
        |s| {
            sub(
                s,
                "      - name: revenue\n        description: All that was paid.\n",
                "      - description: All that was paid.\n        name: revenue\n",
            )
        },
        "- description: All that was paid.\n        name: revenue",
        Bytes,
    ),
    (
        "a list in one line",
        |s| sub(s, "data_tests:\n          - not_null", "data_tests: [not_null]"),
        "data_tests: [not_null]",
        Bytes,
    ),
    (
        "a test more",
        |s| {
            sub(
                s,
                "      - name: orders\n",
                "      - name: orders\n        data_tests: [not_null]\n",
            )
        },
        "data_tests: [not_null]",
        Merged,
    ),
    (
        "a test less",
        |s| {
            let at = s.find("name: revenue").unwrap();
            let (a, b) = s.split_at(at);
            format!("{a}{}", sub(b, "        data_tests:\n          - not_null\n", ""))
        },
        "revenue",
        Merged,
    ),
    (
        "tags",
        |s| sub(s, "    config:\n", "    config:\n      tags: [daily]\n"),
        "daily",
        Merged,
    ),
];

/// Edits a file, then changes the spec and pushes. Returns the result of the push, and the project after the push.
fn outcome(compiler: &Compiler, file: &str, edit: &Edit, (from, to): (&str, &str)) -> (Outcome, TestProject) {
    let (name, change, expected, _) = edit;
    let mut project = TestProject::from_spec(MODEL).push(compiler);
    let edited = change(project.text(file));
    assert_ne!(edited, project.text(file), "{name}");
    project.set(file, edited.clone());
    // No check reports a change that is not an edit.
    let quiet = project.plan(compiler);
    assert_eq!(quiet.conflicts(), 0, "{name}: {:#}", quiet.json());
    let is_layout = quiet.models.is_empty();
    // The hash depends on the order of the tokens.
    if is_layout && !["columns moved", "group by numbers"].contains(name) {
        assert!(formulac::dbt::is_unmodified(&edited), "{name}: {edited}");
    }
    if !is_layout {
        project = project.apply_plan(&quiet);
    }
    let spec = project.spec().replacen(from, to, 1);
    assert_ne!(spec, project.spec(), "{name}");
    project.set(SPEC, spec);
    let plan = project.plan(compiler);
    if plan.conflicts() > 0 {
        return (Conflict(if file == SQL { "sql" } else { "yml" }), project);
    }
    let after = project.apply_plan(&plan);
    let current_spec = crate::test_project::compile_current(compiler, after.spec()).unwrap();
    let text = after.text(file);
    // If the spec no longer generates a column, edits to that column are also removed.
    let is_there = text.contains(expected) || current_spec.files[file].contains(expected);
    assert!(is_there, "{name}: {expected}\n{text}");
    let again = after.plan(compiler);
    assert!(again.is_empty() && again.conflicts() == 0, "{name}: {:#}", again.json());
    (
        if is_layout && text.contains(expected) {
            Bytes
        } else {
            Merged
        },
        after,
    )
}

#[test]
fn forty_manual_edits_survive_the_next_change_of_the_spec() {
    let compiler = compiler();
    let mut table = String::new();
    for (file, edits) in [(SQL, &SQL_EDITS[..]), (YML, &YML_EDITS[..])] {
        for edit in edits {
            let got: Vec<Outcome> = CHANGES
                .iter()
                .map(|change| outcome(&compiler, file, edit, *change).0)
                .collect();
            let (name, .., outcome) = edit;
            let mark = if got.iter().all(|one| one == outcome) {
                "  "
            } else {
                "! "
            };
            table.push_str(&format!("{mark}{name}: {got:?}\n"));
        }
    }
    insta::assert_snapshot!(table);
}

/// A data test that was added by hand, and the data tests of the column after a second edit by hand.
#[test]
fn tests_with_arguments_are_replaced_and_removed_by_hand() {
    let compiler = compiler();
    let values = "accepted_values: {arguments: {values: [1, 2, 3]}}";
    let blocks = "accepted_values:\n              arguments:\n                values:\n                  - 1\n                  - 3";
    let column = "      - name: orders\n";
    for added in [
        format!("[{{{values}}}]"),
        format!("\n          - {values}"),
        format!("\n          - {blocks}"),
    ] {
        for (kept, replaced) in [
            ("", ""),
            ("", " [not_null]"),
            ("", "\n          - not_null"),
            (
                "",
                " [accepted_values: {arguments: {values: [1, 2]}, config: {severity: warn}}]",
            ),
            ("not_null", " [not_null]"),
        ] {
            let mut project = TestProject::from_spec(MODEL).push(&compiler);
            let tests = match added.strip_prefix('[') {
                Some(added) if !kept.is_empty() => format!("[{kept}, {added}"),
                None if !kept.is_empty() => format!("\n          - {kept}{added}"),
                _ => added.clone(),
            };
            let before = format!("{column}        data_tests: {tests}\n");
            let generated = project.text(YML).to_owned();
            project.set(YML, sub(&generated, column, &before));
            project = project.push(&compiler);
            assert!(project.spec().contains("accepted_values"), "{}", project.spec());
            let yml = project.text(YML).to_owned();
            let after = match replaced {
                "" => column.to_owned(),
                _ => format!("{column}        data_tests:{replaced}\n"),
            };
            project.set(YML, sub(&yml, &before, &after));
            let plan = project.plan(&compiler);
            assert_eq!(plan.conflicts(), 0, "{tests} {replaced}: {:#?}", plan.json());
            assert!(
                plan.models.iter().all(|model| model.kept.is_empty()),
                "{tests} {replaced}: {:#?}",
                plan.json()
            );
            let after = project.apply_plan(&plan);
            let is_left = |text: &str| text.contains("3]") || text.contains("- 3");
            assert!(
                !is_left(after.spec()) && !is_left(after.text(YML)),
                "{}\n{}",
                after.spec(),
                after.text(YML)
            );
            assert!(!after.spec().contains("[]"), "{}", after.spec());
            assert!(after.plan(&compiler).is_empty(), "{:#?}", after.plan(&compiler).json());
        }
    }
}

/// The last test is removed with its list, unless a comment would be lost.
#[test]
fn the_last_test_is_removed_with_its_list() {
    let compiler = compiler();
    for (columns, left) in [
        ("columns: {orders: {data_tests: [unique]}}\n", ""),
        (
            "columns:\n  orders: {tags: [a], data_tests: [unique]}\n",
            "columns:\n  orders: {tags: [a]}\n",
        ),
        (
            "columns:\n  orders:\n    # by finance\n    data_tests: [unique]\n",
            "columns:\n  orders:\n    # by finance\n    data_tests: []\n",
        ),
        ("data_tests: [unique: {column_name: orders}]\n", ""),
    ] {
        let spec = "model: m\nfrom: orders\ngroup_by: country\ndefinitions: orders = COUNT()\n";
        let mut project = TestProject::from_spec(&format!("{spec}{columns}")).push(&compiler);
        let yml = project.text(YML).to_owned();
        // The list is the last key of its column, or of the model.
        let of_column = yml.find("name: orders\n").filter(|_| columns.starts_with("columns"));
        let start = of_column.unwrap_or_default();
        let at = start + yml[start..].find("data_tests:\n").unwrap();
        let indent = at - yml[..at].rfind('\n').unwrap() - 1;
        let is_inside = |line: &&str| line.len() - line.trim_start().len() > indent;
        let inside = yml[at..].split_inclusive('\n').skip(1).take_while(is_inside);
        let end = at + "data_tests:\n".len() + inside.map(str::len).sum::<usize>();
        project.set(YML, [&yml[..at - indent], &yml[end..]].concat());
        let plan = project.plan(&compiler);
        assert_eq!(plan.conflicts(), 0, "{:#?}", plan.json());
        assert_eq!(
            project.apply_plan(&plan).spec(),
            format!("{spec}{left}"),
            "{:#?}",
            plan.json()
        );
    }
}
