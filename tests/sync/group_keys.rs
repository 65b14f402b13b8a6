//! Tests group keys that a user adds to generated SQL: a column of the select and an item of its `group by`.

use formulac::Compiler;

use crate::test_project::{SPEC, SQL, TestProject, compiler};

const GROUPED: &str = "\
model: m
from: orders
where: amount > 5
group_by: country
definitions: |
  n = COUNT()
  largest = MAX(amount)
";
const LISTED: &str = "\
model: m
from: orders
group_by: [country]
definitions:
  n: COUNT()
";
/// A CTE groups the rows.
const NESTED: &str = "\
model: m
from: orders
group_by: country
definitions: |
  largest = MAX(amount)
  twice = largest * 2
";
const STEPS: &str = "\
model: m
from: orders
steps:
  - name: by_order
    group_by: order_id, country, region
    definitions: revenue = SUM(amount)
  - name: totals
    group_by: country
    definitions: n = COUNT()
";

const SELECT: (&str, &str) = ("    country,\n", "    country,\n    region,\n");

/// Spec, replacements in its SQL, and parts of the new spec.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    (
        GROUPED,
        &[SELECT, ("group by country", "group by country, region")],
        &["group_by: country, region\n"],
    ),
    (
        GROUPED,
        &[SELECT, ("group by country", "group by region, country")],
        &["group_by: country, region\n"],
    ),
    (
        GROUPED,
        &[SELECT, ("group by country", "group by 1, 2")],
        &["group_by: country, region\n"],
    ),
    (
        GROUPED,
        &[SELECT, ("group by country", "group by all")],
        &["group_by: country, region\n"],
    ),
    (
        GROUPED,
        &[
            (
                "    country,\n",
                "    country,\n    upper(region) as big_region,\n    min(amount) as smallest,\n",
            ),
            ("group by country", "group by all"),
        ],
        &["group_by: country, big_region\n", "  smallest = MIN(amount)\n"],
    ),
    (
        LISTED,
        &[SELECT, ("group by country", "group by country, region")],
        &["group_by: [country, region]\n"],
    ),
    (
        NESTED,
        &[
            ("country,\n", "country,\n    region,\n"),
            ("group by country", "group by country, region"),
        ],
        &["group_by: country, region\n"],
    ),
    (
        STEPS,
        &[
            (
                "select\n    country,\n    count(*)",
                "select\n    country,\n    region,\n    count(*)",
            ),
            ("\ngroup by country", "\ngroup by country, region"),
        ],
        &["    group_by: country, region\n"],
    ),
    // A key becomes a definition if its SQL is an expression and not just a column.
    (
        GROUPED,
        &[
            ("    country,\n", "    country,\n    upper(region) as big_region,\n"),
            ("group by country", "group by country, upper(region)"),
        ],
        &["group_by: country, big_region\n", "  big_region = UPPER(region)\n"],
    ),
    (
        GROUPED,
        &[
            ("    country,\n", "    country,\n    city as town,\n    region,\n"),
            ("group by country", "group by country, town, region"),
        ],
        &["group_by: country, town, region\n", "  town = city\n"],
    ),
    // The edit also adds a new aggregate.
    (
        GROUPED,
        &[
            (
                "    country,\n",
                "    country,\n    region,\n    min(amount) as smallest,\n",
            ),
            ("group by country", "group by country, region"),
        ],
        &["group_by: country, region\n", "  smallest = MIN(amount)\n"],
    ),
];

fn edit_project(compiler: &Compiler, spec: &str, replaced: &[(&str, &str)]) -> TestProject {
    let mut project = TestProject::from_spec(spec).push(compiler);
    let mut sql = project.text(SQL).to_owned();
    for (from, to) in replaced {
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        sql = sql.replace(from, to);
    }
    project.set(SQL, sql);
    project
}

/// Returns an error if the edit does not become these parts of the spec.
fn check_case(compiler: &Compiler, (spec, replaced, expected): &Case) -> Option<String> {
    let project = edit_project(compiler, spec, replaced);
    let plan = project.plan(compiler);
    let after = project.apply_plan(&plan);
    let left = |model: &formulac::sync::ModelPlan| model.kept.len() + model.conflicts.len();
    let left: usize = plan.models.iter().map(left).sum();
    let is_done = expected.iter().all(|part| after.spec().contains(part));
    let is_stable = after.plan(compiler).models.is_empty();
    (left > 0 || !is_done || !is_stable)
        .then(|| format!("{replaced:?}: {left} left\n{}{}\n", after.spec(), after.text(SQL)))
}

#[test]
fn added_keys_become_keys_of_the_spec() {
    let mut faults = String::new();
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let compiler = Compiler::builder().dialect(dialect.parse().unwrap()).build();
        for case in CASES {
            let fault = check_case(&compiler, case).map(|fault| format!("{dialect}: {fault}"));
            faults.push_str(&fault.unwrap_or_default());
        }
    }
    assert_eq!(faults, "");
}

/// DuckDB's functions on lists are not aggregates, although the function `list` is one.
#[test]
fn a_list_function_becomes_a_key() {
    let compiler = Compiler::builder().dialect("duckdb".parse().unwrap()).build();
    const COLUMN: &str =
        "    country,\n    list_median(list_value(cast(amount as double), cast(tax as double))) as middle,\n";
    let case: Case = (
        GROUPED,
        &[("    country,\n", COLUMN), ("group by country", "group by all")],
        &["group_by: country, middle\n", "  middle = MEDIAN(amount, tax)\n"],
    );
    assert_eq!(check_case(&compiler, &case), None);
}

/// `date_trunc` returns a timestamp, and the generated SQL converts it to a date.
#[test]
fn truncated_dates_become_timeframes() {
    let truncated = "date_trunc('month', ordered_at)";
    let mut faults = String::new();
    for (column, item, expected) in [
        (
            "month",
            truncated,
            &["group_by: country, month\n", "  month = ordered_at[month]\n"][..],
        ),
        ("month", "month", &["group_by: country, month\n"]),
        (
            "ordered_at_month",
            truncated,
            &["group_by: country, ordered_at[month]\n"],
        ),
        ("ordered_at_month", "2", &["group_by: country, ordered_at[month]\n"]),
    ] {
        let select = format!("    country,\n    {truncated} as {column},\n");
        let group = format!("group by country, {item}");
        for dialect in ["snowflake", "postgres", "duckdb"] {
            let compiler = Compiler::builder().dialect(dialect.parse().unwrap()).build();
            let project = edit_project(
                &compiler,
                GROUPED,
                &[("    country,\n", &select), ("group by country", &group)],
            );
            let plan = project.plan(&compiler);
            let after = project.apply_plan(&plan);
            let is_done = expected.iter().all(|part| after.spec().contains(part));
            if !is_done || !after.plan(&compiler).models.is_empty() {
                faults.push_str(&format!(
                    "{dialect}: {column} {item}\n{}{}\n",
                    after.spec(),
                    after.text(SQL)
                ));
            }
        }
    }
    assert_eq!(faults, "");
}

/// Another edit, which no spec can express, remains in the same file.
#[test]
fn other_edits_of_the_file_are_kept() {
    let compiler = compiler();
    let truncated = "date_trunc('month', ordered_at)";
    for (column, item, own) in [
        ("region", "region", "region"),
        ("month", truncated, "date_trunc('month', ordered_at) as month"),
    ] {
        let select = format!("    country,\n    {own},\n");
        let group = format!("group by country, {item}\nlimit 5");
        let project = edit_project(
            &compiler,
            GROUPED,
            &[("    country,\n", &select), ("group by country", &group)],
        );
        let plan = project.plan(&compiler);
        let kept: Vec<&str> = plan.models[0].kept.iter().map(|edit| edit.detail.as_str()).collect();
        assert_eq!((plan.conflicts(), kept), (0, vec!["`limit`"]), "{:#?}", plan.json());
        let after = project.apply_plan(&plan);
        let keys = format!("group_by: country, {column}\n");
        assert!(after.spec().contains(&keys), "{}", after.spec());
        assert!(after.text(SQL).contains("limit 5"), "{}", after.text(SQL));
        assert_eq!(after.plan(&compiler).conflicts(), 0);
    }
}

/// The rows are grouped differently than in a spec with the column as a key.
#[test]
fn different_groups_are_not_keys() {
    let compiler = compiler();
    for replaced in [
        // `group by` does not contain the new column.
        &[SELECT][..],
        // The select lacks the column.
        &[("group by country", "group by country, region")],
        // A key was removed, too.
        &[SELECT, ("group by country", "group by region")],
        &[SELECT, ("group by country", "group by rollup(country, region)")],
        // The item may be the column of the relation or the column of the select.
        &[
            ("    country,\n", "    country,\n    upper(region) as region,\n"),
            ("group by country", "group by country, region"),
        ],
    ] {
        let project = edit_project(&compiler, GROUPED, replaced);
        let plan = project.plan(&compiler);
        let after = project.apply_plan(&plan);
        assert_eq!(after.spec(), GROUPED, "{replaced:?}");
        assert_eq!(after.text(SQL), project.text(SQL), "{replaced:?}");
    }
}

/// Positions of columns in `group by` are no edit, and a change of the spec keeps them if they still refer to the keys.
#[test]
fn positions_of_keys_are_kept() {
    const POSITION: (&str, &str) = ("group by country", "group by 1");
    const ALL: (&str, &str) = ("group by country", "group by all");
    const MOVED: [(&str, &str); 2] = [
        (
            "    country,\n    count(*) as n,\n",
            "    count(*) as n,\n    country,\n",
        ),
        ("group by country", "group by 2"),
    ];
    let compiler = compiler();
    let new = ("  n = COUNT()\n", "  n = COUNT()\n  smallest = MIN(amount)\n");
    let key = ("group_by: country", "group_by: [region, country]");
    for (replaced, change, expected) in [
        (&[POSITION][..], new, "group by 1"),
        (&[POSITION], key, "group by region, country"),
        (&[ALL], new, "group by all"),
        (&[ALL], key, "group by region, country"),
        // The new column moves the key to another position.
        (&MOVED, new, "group by country"),
    ] {
        let mut project = edit_project(&compiler, GROUPED, replaced);
        let plan = project.plan(&compiler);
        assert!(plan.models.is_empty(), "{replaced:?}: {:#}", plan.json());
        project.set(SPEC, project.spec().replacen(change.0, change.1, 1));
        let after = project.push(&compiler);
        assert!(
            after.text(SQL).trim_end().ends_with(expected),
            "{replaced:?}\n{}",
            after.text(SQL)
        );
        assert!(after.plan(&compiler).models.is_empty(), "{replaced:?}");
    }
}
