//! Manual edits to the structure of a model's SQL, which become changes to the spec: added, renamed and removed
//! columns, and changed relations or periods. Each edit is tested in each dialect.

use formulac::Compiler;

use crate::test_project::{SQL, TestProject};

const BLOCK: &str = "\
model: m
from: orders
group_by: month
definitions: |
  month = ordered_on[month]
  revenue = SUM(amount)  // all of it
  // The largest order.
  largest = MAX(amount)
  smallest = MIN(amount)
columns:
  smallest: {description: Smallest order}
";
/// The columns are computed in a CTE.
const NESTED: &str = "\
model: m
from: orders
group_by: country
definitions: |
  largest = MAX(amount)
  twice = largest * 2
  smallest = MIN(amount)
";
const MAPPING: &str = "\
model: m
from: source('raw', 'orders')
keep: [id]
definitions:
  net: amount - tax
  half: {formula: net / 2, description: Half}
  code: UPPER(country)
";
const JOINED: &str = "\
model: m
from: orders
joins: [{to: ref('customers'), using: customer_id}]
where: amount > 5
keep: [id]
definitions: segment = customers.segment
";
const INNER: &str = "\
model: m
from: orders
joins:
  - {to: ref('countries'), on: orders.country = countries.country}
  - to: ref('customers')
    type: inner
    on: orders.customer_id = customers.customer_id
keep: [id]
definitions: |
  segment = customers.segment
  continent = countries.continent
";

/// formulac ranks groups in a select after the grouped select, but users rank them in the grouped select itself.
const RANKED: &str = "\
model: m
from: orders
group_by: country
definitions: |
  n = COUNT()
  largest = MAX(amount)
";
/// formulac numbers groups in the grouped select, but users number them in a later select.
const ORDERED: &str = "\
model: m
from: orders
where: NOT(ISBLANK(country))
group_by: country
order_by: n desc
partition_by: []
definitions: |
  n = COUNT()
  twice = n * 2
  fourfold = twice * 2
";
/// Spec with many keys that apply to the rows that `where` keeps.
const MANY_KEYS: &str = "\
model: m
timezone: Europe/Berlin
from: orders
where: amount > 5
group_by: \"ordered_on[month]\"
since: 2024-01-01
until: 2024-12-31
definitions: revenue = SUM(amount)
columns: {revenue: {description: Revenue, data_type: numeric}}
tests: [{dbt_utils.expression_is_true: {arguments: {expression: revenue > 0}}}]
rules: [{positive: revenue > 0}]
compare: [{with: old_revenue, keys: ordered_on_month}]
exposures: [{name: board, type: dashboard, owner: {email: a@example.com}}]
examples:
  - name: one
    given: [{input: ref('orders'), rows: [{ordered_on: 2024-02-03, amount: 7}]}]
    expect: {rows: [{ordered_on_month: 2024-02-01, revenue: 7}]}
contract: {enforced: true}
";
/// The condition is next to a condition for incremental runs, and the last select returns all columns of a CTE.
const INCREMENTAL: &str = "\
model: m
from: orders
where: country <> \"x\"
config: {materialized: incremental, event_time: ordered_on_month, unique_key: ordered_on_month}
group_by: ordered_on[month]
order_by: ordered_on[month]
definitions: |
  revenue = SUM(amount)
  n = COUNT()
  growth = revenue / PERIODOFFSET(revenue, -1, \"month\") - 1
";
/// The first step filters the rows that it passes on.
const PREPARED: &str = "\
model: m
from: orders
steps:
  - name: prepared
    keep: [id, amount]
    where: amount > 5
    definitions: is_big = amount > 20
  - name: grouped
    where: amount < 100
    group_by: is_big
    definitions: n = COUNT()
";
const FILLED: &str = "\
model: m
from: orders
group_by: ordered_on[month]
fill: month
definitions: |
  revenue = SUM(amount)
  n = COUNT()
";
const MANY_KEYS_OF_A_STEP: &str = "\
model: m
from: orders
steps:
  - name: by_country
    group_by: country
    definitions: revenue = SUM(amount)
  - name: large
    where: revenue > 5
    keep: [country]
    order_by: revenue desc
    limit: 10
    definitions: share = revenue / 100
rules: [{positive: share > 0}]
";

/// A later step has all columns of the step that defines them.
const KEPT_ALL: &str = "\
model: m
from: orders
steps:
  - name: monthly
    group_by: month
    definitions: |
      month = ordered_on[month]
      settled = SUM(amount)
  - name: trend
    keep: all
    order_by: month
    definitions: |
      avg3 = AVERAGE(PERIODOFFSET(settled, -2, \"month\"):settled)
columns:
  settled: {description: Paid}
";
const LARGEST: &str = "\
model: m
from: orders
group_by: country
having: revenue > 5
order_by: revenue desc
limit: 10
definitions: |
  revenue = SUM(amount)
";
const KEPT_LIST: &str = "\
model: m
from: orders
steps:
  - name: by_country
    group_by: country
    definitions: |
      settled = SUM(amount)
      twice = settled * 2
  - name: large
    keep: [country, settled]
    where: settled > 5
    order_by: \"settled desc\"
    definitions: share = settled / 100
";

/// `COUNT()` does not compile, because the join multiplies the rows.
const MANY: &str = "\
model: m
from: ref('customers')
joins: [{to: ref('orders'), as: orders, using: customer_id, cardinality: many}]
group_by: customers.kind
definitions: |
  spend = SUM(orders.amount)
";
/// The last step is a worksheet.
const WORKSHEET: &str = "\
model: m
from: ref('orders')
steps:
  - name: monthly
    group_by: month
    definitions: |
      month = ordered_on[month]
      revenue = SUM(amount)
  - name: sheet
    columns: [month, revenue]
    order_by: month
    calculations: |
      running = SUM(B$1:B1)
";

/// Spec, the SQL before and after the edit, and the changed parts of the spec. Text that begins with `!` is not in the
/// spec anymore.
type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    (
        MANY,
        &[("as spend", "as spend,\n    max(orders.amount) as mx")],
        &["  mx = MAX(orders.amount)\n"],
    ),
    (
        WORKSHEET,
        &[("as running", "as running,\n    revenue * 2 as dbl")],
        &["      running = SUM(B$1:B1)\n      dbl = revenue * 2\n"],
    ),
    (
        BLOCK,
        &[("as smallest", "as lowest")],
        &["  lowest = MIN(amount)\n", "  lowest: {description: Smallest order}"],
    ),
    (
        BLOCK,
        &[(
            "    min(amount) as smallest",
            "    max(tax) as smallest,\n    min(tax) as low",
        )],
        &["smallest = MAX(tax)", "  low = MIN(tax)\n"],
    ),
    (
        BLOCK,
        &[(",\n    min(amount) as smallest", "")],
        &["!smallest", "largest = MAX(amount)"],
    ),
    (BLOCK, &[("ref('orders')", "ref('orders_v2')")], &["from: orders_v2\n"]),
    (
        BLOCK,
        &[("ref('orders')", "source('raw', 'all_orders')")],
        &["from: source('raw', 'all_orders')\n"],
    ),
    (NESTED, &[("smallest", "lowest")], &["  lowest = MIN(amount)\n"]),
    (
        KEPT_ALL,
        &[("settled", "paid_out")],
        &[
            "      paid_out = SUM(amount)\n",
            "PERIODOFFSET(paid_out, -2, \"month\"):paid_out)",
            "  paid_out: {description: Paid}\n",
        ],
    ),
    (
        LARGEST,
        &[("revenue", "paid_out")],
        &["order_by: paid_out desc\n", "paid_out = SUM(amount)\n"],
    ),
    (KEPT_ALL, &[("avg3", "mean")], &["      mean = AVERAGE("]),
    (
        KEPT_LIST,
        &[("settled", "paid_out")],
        &[
            "      paid_out = SUM(amount)\n      twice = paid_out * 2\n",
            "    keep: [country, paid_out]\n    where: paid_out > 5\n    order_by: \"paid_out desc\"\n",
            "    definitions: share = paid_out / 100\n",
        ],
    ),
    (
        NESTED,
        &[("largest", "most")],
        &["  most = MAX(amount)\n  twice = most * 2\n"],
    ),
    (
        NESTED,
        &[(",\n        min(amount) as smallest", ""), (",\n    smallest", "")],
        &["!smallest", "  twice = largest * 2\n"],
    ),
    (
        NESTED,
        &[
            (
                "min(amount) as smallest",
                "min(amount) as smallest,\n        max(tax) as most_tax",
            ),
            ("\n    smallest", "\n    smallest,\n    most_tax"),
        ],
        &["  most_tax = MAX(tax)\n"],
    ),
    (
        MAPPING,
        &[("as code", "as country_code")],
        &["  country_code: UPPER(country)\n"],
    ),
    (
        MAPPING,
        &[(
            "upper(country) as code",
            "upper(country) as code,\n    lower(country) as small",
        )],
        &["  small: LOWER(country)\n"],
    ),
    (
        MAPPING,
        &[(",\n    upper(country) as code", "")],
        &["!code", "  half: {formula: net / 2, description: Half}\n"],
    ),
    (
        MAPPING,
        &[("source('raw', 'orders')", "ref('stg_orders')")],
        &["from: ref('stg_orders')\n"],
    ),
    (
        BLOCK,
        &[("\ngroup by", "\nwhere amount > 10 and tax is not null\ngroup by")],
        &[
            "from: orders\nwhere: AND(amount > 10, NOT(ISBLANK(tax)))\n",
            "group_by: month\n",
        ],
    ),
    (
        NESTED,
        &[(
            "group by country",
            "group by country\n    having count(*) > 3 and max(tax) < 100",
        )],
        &["group_by: country\nhaving: AND(COUNT() > 3, MAX(tax) < 100)\n"],
    ),
    (
        MANY_KEYS,
        &[("amount > 5", "amount > 5 and customer_id is not null")],
        &[
            "where: AND(amount > 5, NOT(ISBLANK(customer_id)))\n",
            "since: 2024-01-01\n",
        ],
    ),
    (
        MANY_KEYS_OF_A_STEP,
        &[("where revenue > 5", "where revenue > 5 and country <> 'x'")],
        &["    where: AND(revenue > 5, country <> \"x\")\n", "    limit: 10\n"],
    ),
    (
        RANKED,
        &[(
            "count(*) as n",
            "count(*) as n,\n    rank() over (order by count(*) desc) as place",
        )],
        &["place = RANK("],
    ),
    (
        RANKED,
        &[(
            "max(amount) as largest",
            "rank() over (order by count(*) desc) as largest",
        )],
        &["largest = RANK("],
    ),
    (
        PREPARED,
        &[("amount > 5", "amount > 5\n    and country = 'de'")],
        &[
            "    where: AND(amount > 5, country = \"de\")\n    definitions: is_big",
            "    where: amount < 100\n",
        ],
    ),
    (
        PREPARED,
        &[("    where amount > 5\n", "")],
        &["!amount > 5", "    where: amount < 100\n"],
    ),
    (
        PREPARED,
        &[("where amount < 100", "where amount < 200")],
        &["    where: amount > 5\n", "    where: amount < 200\n"],
    ),
    (
        ORDERED,
        &[(
            "twice * 2 as fourfold",
            "row_number() over (order by n desc, country asc) as fourfold",
        )],
        &["fourfold = ROW()"],
    ),
    (
        JOINED,
        &[("left join", "inner join")],
        &["joins: [{to: ref('customers'), type: inner, using: customer_id}]\n"],
    ),
    (
        INNER,
        &[("inner join", "left join")],
        &[
            "  - to: ref('customers')\n    on: orders.customer_id",
            "!type",
            "- {to: ref('countries'), on: ",
        ],
    ),
    (JOINED, &[("\nwhere amount > 5", "")], &["!where", "keep: [id]\n"]),
    (
        JOINED,
        &[("amount > 5", "amount > 5 and customers.segment <> 'x'")],
        &["amount > 5", "customers.segment", "!where: amount > 5\n"],
    ),
    (
        JOINED,
        &[("ref('orders')", "ref('orders', v=2)")],
        &["from: ref('orders', v=2)\n", "to: ref('customers')"],
    ),
    (
        MANY_KEYS,
        &[("amount > 5", "amount in (6, 7, 8)")],
        &["where: OR(amount = 6, amount = 7, amount = 8)\n"],
    ),
    (
        MANY_KEYS,
        &[("amount > 5", "amount > 5 and country not in ('x', 'y')")],
        &["where: AND(amount > 5, country <> \"x\", country <> \"y\")\n"],
    ),
    (
        MANY_KEYS,
        &[("amount > 5", "amount - tax between 5 and 10")],
        &["where: AND(amount - tax >= 5, amount - tax <= 10)\n"],
    ),
    (
        INCREMENTAL,
        &[("country <> 'x'", "country in ('a', 'b') and amount > 5")],
        &["where: AND(OR(country = \"a\", country = \"b\"), amount > 5)\n"],
    ),
    (
        INCREMENTAL,
        &[(
            "        orders_by_ordered_on_month.n,",
            "        orders_by_ordered_on_month.n,\n        orders_by_ordered_on_month.n > 3 as many,",
        )],
        &["  many = n > 3\n"],
    ),
    (
        INCREMENTAL,
        &[
            ("        orders_by_ordered_on_month.n,\n", ""),
            (",\n        count(*) as n", ""),
        ],
        &["!n = COUNT()"],
    ),
    (
        MANY_KEYS,
        &[("amount > 5", "amount not between 5 and 10")],
        &["where: OR(amount < 5, amount > 10)\n"],
    ),
    (
        NESTED,
        &[(
            "group by country",
            "group by country\n    having count(*) between 2 and 900",
        )],
        &["having: AND(COUNT() >= 2, COUNT() <= 900)\n"],
    ),
    (
        MAPPING,
        &[(
            "upper(country) as code",
            "case when country in ('a', 'b') then 1 when tax not between 1 and 2 then 2 else 3 end as code",
        )],
        &["  code: IFS(OR(country = \"a\", country = \"b\"), 1, OR(tax < 1, tax > 2), 2, TRUE, 3)\n"],
    ),
    (
        MAPPING,
        &[(
            "upper(country) as code",
            "case when amount < 6 then 'small' when amount < 10 then 'mid' when amount < 20 then 'big' else 'large' end as code",
        )],
        &["  code: IFS(amount < 6, \"small\", amount < 10, \"mid\", amount < 20, \"big\", TRUE, \"large\")\n"],
    ),
    (
        MAPPING,
        &[("upper(country) as code", "amount > 5 or tax is null as code")],
        &["  code: OR(amount > 5, ISBLANK(tax))\n"],
    ),
    (
        MAPPING,
        &[(
            "upper(country) as code",
            "amount between tax and 10 as code,\n    country not in ('a', 'b', 'c', 'd', 'e', 'f', 'g') as other",
        )],
        &[
            "  code: AND(amount >= tax, amount <= 10)\n",
            "  other: AND(country <> \"a\", country <> \"b\", country <> \"c\", country <> \"d\", country <> \"e\", \
             country <> \"f\", country <> \"g\")\n",
        ],
    ),
];

fn create_pushed_project(compiler: &Compiler, spec: &str) -> TestProject {
    TestProject::from_spec(spec).push(compiler)
}

#[test]
fn edits_of_the_structure_become_specs_in_all_dialects() {
    let mut wrong = String::new();
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let compiler = Compiler::builder().dialect(dialect.parse().unwrap()).build();
        for (spec, replaced, expected) in CASES {
            let mut project = create_pushed_project(&compiler, spec);
            let mut sql = project.text(SQL).to_owned();
            for (from, to) in *replaced {
                assert!(sql.contains(from), "{dialect}: {from} is not in\n{sql}");
                sql = sql.replace(from, to);
            }
            project.set(SQL, sql.clone());
            let plan = project.plan(&compiler);
            let after = project.apply_plan(&plan);
            let is_there = |part: &&str| match part.strip_prefix('!') {
                Some(part) => !after.spec().contains(part),
                None => after.spec().contains(part),
            };
            let kept: usize = plan
                .models
                .iter()
                .map(|model| model.kept.len() + model.conflicts.len())
                .sum();
            if kept > 0 || !expected.iter().all(is_there) || !after.plan(&compiler).models.is_empty() {
                wrong.push_str(&format!(
                    "{dialect}: {replaced:?}: {kept} kept\n{}{sql}\n",
                    after.spec()
                ));
            }
        }
    }
    assert_eq!(wrong, "");
}

/// The file keeps the equivalent SQL of a condition, even if the file contains another edit that is kept.
#[test]
fn spellings_of_a_condition_are_not_edits() {
    let compiler = crate::test_project::compiler();
    let spec = BLOCK.replace("group_by", "where: OR(amount = 6, amount = 7)\ngroup_by");
    let from = "where amount = 6 or amount = 7";
    for (to, kept) in [
        ("where amount in (6, 7)", ""),
        ("where amount in (6, 8)", "qualify true"),
    ] {
        let mut project = create_pushed_project(&compiler, &spec);
        let sql = project.text(SQL).to_owned();
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        project.set(SQL, sql.replace(from, to) + kept);
        let plan = project.plan(&compiler);
        assert_eq!(plan.conflicts(), 0, "{:#?}", plan.json());
        let left: usize = plan.models.iter().map(|model| model.kept.len()).sum();
        assert_eq!(left, usize::from(!kept.is_empty()), "{:#?}", plan.json());
        let after = project.apply_plan(&plan);
        assert!(after.text(SQL).contains(to), "{}", after.text(SQL));
        assert!(after.text(SQL).contains(kept), "{}", after.text(SQL));
        assert_eq!(after.plan(&compiler).conflicts(), 0);
    }
}

/// A new column stays where the user wrote it.
#[test]
fn new_columns_keep_their_positions() {
    let compiler = crate::test_project::compiler();
    for (spec, from, to) in [
        (
            BLOCK,
            "max(amount) as largest,",
            "max(amount) as largest,\n    count(*) as n,",
        ),
        (
            NESTED,
            "    largest * 2 as twice,",
            "    largest * 3 as thrice,\n    largest * 2 as twice,",
        ),
        (
            MAPPING,
            "upper(country) as code",
            "tax + 1 as more,\n    upper(country) as code",
        ),
    ] {
        let mut project = create_pushed_project(&compiler, spec);
        let sql = project.text(SQL).to_owned();
        let names = |sql: &str| -> Vec<String> {
            let (_, select) = sql.rsplit_once("select").unwrap();
            let columns = select.split("\nfrom").next().unwrap().split(',');
            columns
                .filter_map(|column| Some(column.split_whitespace().last()?.to_owned()))
                .collect()
        };
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        let edited = sql.replacen(from, to, 1);
        project.set(SQL, edited.clone());
        let plan = project.plan(&compiler);
        let after = project.apply_plan(&plan);
        let position = |text: &str| after.spec().find(text).unwrap_or(usize::MAX);
        let (added, next) = match spec {
            BLOCK => ("  n = COUNT()", "  smallest = "),
            NESTED => ("  thrice = largest * 3", "  twice = "),
            _ => ("  more: tax + 1", "  code: "),
        };
        assert!(position(added) < position(next), "{}", after.spec());
        assert_eq!(names(after.text(SQL)), names(&edited), "{}", after.text(SQL));
        assert!(
            after.plan(&compiler).models.is_empty() && after.spec() != spec,
            "{}",
            after.spec()
        );
    }
}

/// The spec has another change at the same time.
#[test]
fn other_changes_of_the_spec_are_kept() {
    let compiler = crate::test_project::compiler();
    let mut project = create_pushed_project(&compiler, BLOCK);
    let sql = project.text(SQL).replace("as smallest", "as lowest");
    project.set(SQL, sql);
    project.set(
        crate::test_project::SPEC,
        BLOCK.replace("SUM(amount)", "SUM(amount - tax)"),
    );
    let after = project.push(&compiler);
    assert!(after.spec().contains("revenue = SUM(amount - tax)") && after.spec().contains("lowest = MIN(amount)"));
    assert!(after.text(SQL).contains("sum(amount - tax)") && after.text(SQL).contains("as lowest"));
}

/// The spec has the same new name, so there is nothing left to resolve.
#[test]
fn edits_that_the_spec_already_contains_are_not_conflicts() {
    let compiler = crate::test_project::compiler();
    let renamed = |text: &str| text.replace("settled", "paid_out");
    for spec in [KEPT_ALL, KEPT_LIST] {
        let mut project = create_pushed_project(&compiler, spec);
        let sql = renamed(project.text(SQL));
        project.set(SQL, sql);
        project.set(crate::test_project::SPEC, renamed(spec));
        let plan = project.plan(&compiler);
        let kept: usize = plan.models.iter().map(|model| model.kept.len()).sum();
        assert_eq!((plan.conflicts(), kept), (0, 0), "{:#?}", plan.json());
        assert_eq!(project.apply_plan(&plan).spec(), renamed(spec));
    }
}

/// A conflict in another column is still reported.
#[test]
fn conflicts_of_other_columns_remain() {
    let compiler = crate::test_project::compiler();
    let mut project = create_pushed_project(&compiler, BLOCK);
    let sql = project.text(SQL).replace("as smallest", "as lowest");
    project.set(SQL, sql.replace("max(amount)", "max(tax)"));
    project.set(crate::test_project::SPEC, BLOCK.replace("MAX(amount)", "MAX(fee)"));
    let plan = project.plan(&compiler);
    let conflicts: Vec<_> = plan.models[0]
        .conflicts
        .iter()
        .map(|conflict| conflict.definition.as_deref())
        .collect();
    assert_eq!(conflicts, [Some("largest")]);
}

/// A column that other definitions need cannot be removed, and the removal of a relation is not a change to another
/// relation.
#[test]
fn edits_that_no_spec_expresses_are_kept() {
    let compiler = crate::test_project::compiler();
    for (spec, from, to) in [
        (NESTED, ",\n    largest", ""),
        (JOINED, "{{ ref('customers') }}", "raw.customers"),
        (MANY_KEYS, "amount > 5", "amount in (select 6)"),
        (
            INCREMENTAL,
            "count(*) as n",
            "count(*) as n,\n        max(amount) as largest",
        ),
        (INCREMENTAL, "country <> 'x'", "country <> '{{ var(\"x\") }}'"),
        // The value of the months that `fill` adds.
        (FILLED, "coalesce(max(revenue), 0)", "max(revenue)"),
        (FILLED, "coalesce(max(revenue), 0)", "coalesce(max(revenue), 1)"),
        // `RAND()` returns a different value for each comparison.
        (
            MAPPING,
            "upper(country) as code",
            "random() between 0.2 and 0.7 as code",
        ),
    ] {
        let mut project = create_pushed_project(&compiler, spec);
        let sql = project.text(SQL).to_owned();
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        project.set(SQL, sql.replacen(from, to, 1));
        let plan = project.plan(&compiler);
        let kept: usize = plan.models.iter().map(|model| model.kept.len()).sum();
        assert!(kept > 0, "{}", project.apply_plan(&plan).spec());
        for edit in plan.models.iter().flat_map(|model| &model.kept) {
            let why = edit.reason_to_keep().unwrap_or_default();
            assert!(!why.is_empty() && !why.contains("… …"), "{to}: {why}");
        }
        assert_eq!(project.apply_plan(&plan).spec(), spec);
    }
}

/// The query contains the spec's `having` in the last select, so a new `having` in a CTE must not replace it.
#[test]
fn a_second_condition_does_not_replace_the_first() {
    let compiler = crate::test_project::compiler();
    let spec = format!("{NESTED}having: largest > 1\n");
    let pushed = create_pushed_project(&compiler, &spec);
    let second = ("group by country", "group by country\n    having count(*) > 3");
    for (edits, now) in [
        (vec![second], spec.clone()),
        (
            vec![second, ("largest > 1", "largest > 2")],
            spec.replace("largest > 1", "largest > 2"),
        ),
    ] {
        let mut project = pushed.clone();
        let mut sql = project.text(SQL).to_owned();
        for (from, to) in edits {
            assert!(sql.contains(from), "{sql}");
            sql = sql.replacen(from, to, 1);
        }
        project.set(SQL, sql.clone());
        let plan = project.plan(&compiler);
        let kept = &plan.models[0].kept;
        let advice = "AND(largest > ";
        let is_explained = kept[0].reason_to_keep().is_some_and(|why| why.contains(advice));
        assert!(kept.len() == 1 && is_explained, "{kept:#?}");
        let after = project.apply_plan(&plan);
        assert_eq!(after.spec(), now);
        let body = |text: &str| text.split_once("#}\n").unwrap().1.to_owned();
        assert_eq!(body(after.text(SQL)), body(&sql));
    }
}

/// The reason for an edit that stays in the file names the cause: another clause that the condition would change, a
/// hint, or a comment with Jinja.
#[test]
fn kept_edits_have_a_true_reason() {
    const PERIODS: &str = "\
model: m
from: orders
group_by: [\"ordered_on[month]\", country]
order_by: ordered_on[month]
definitions: |
  revenue = SUM(amount)
  last_revenue = PERIODOFFSET(revenue, -1, \"month\")
";
    let other_clause = "in the spec, this condition also changes `from`, so `push` does not copy it; write the condition \
                        in the spec";
    let hint = "a spec cannot contain an optimizer hint or a comment with Jinja";
    let compiler = crate::test_project::compiler();
    for (spec, from, to, expected) in [
        (
            PERIODS,
            "from orders\n",
            "from orders\n    where country = 'x'\n",
            other_clause,
        ),
        (
            NESTED,
            "select\n    country",
            "select /*+ PARALLEL(4) */\n    country",
            hint,
        ),
        // The hint is in front of a key with an expression.
        (
            PERIODS,
            "select\n        cast(",
            "select /*+ no_merge */\n        cast(",
            hint,
        ),
        (NESTED, "    group by", "    /* {{ x }} */\n    group by", hint),
    ] {
        let mut project = create_pushed_project(&compiler, spec);
        let sql = project.text(SQL).to_owned();
        assert!(sql.contains(from), "{from} is not in\n{sql}");
        project.set(SQL, sql.replacen(from, to, 1));
        let plan = project.plan(&compiler);
        let kept = plan.models.iter().flat_map(|model| &model.kept);
        let reasons: Vec<String> = kept.map(|edit| edit.reason_to_keep().unwrap_or_default()).collect();
        assert!(
            !reasons.is_empty() && reasons.iter().all(|why| why == expected),
            "{to}: {reasons:#?}"
        );
    }
}

/// The names of CTEs depend on the relation. A user may rename none, some or all of them. A column may have the name of
/// the relation.
#[test]
fn another_relation_may_change_the_names_of_ctes() {
    const SPEC: &str = "\
model: m
from: ref('orders')
where: NOT(ISBLANK(country))
group_by: country
definitions: |
  revenue = SUM(amount)
  orders = COUNT()
  aov = revenue / orders
";
    let compiler = crate::test_project::compiler();
    let pushed = create_pushed_project(&compiler, SPEC);
    let now = SPEC.replace("ref('orders')", "ref('stg_orders')");
    let relation = ("ref('orders')", "ref('stg_orders')");
    let first = ("with orders as", "with stg_orders as");
    let from = ("    from orders\n", "    from stg_orders\n");
    let second = ("orders_by_country", "stg_orders_by_country");
    for edits in [
        vec![relation],
        vec![relation, first, from],
        vec![relation, first, from, second],
    ] {
        let mut project = pushed.clone();
        let mut sql = project.text(SQL).to_owned();
        for (from, to) in &edits {
            assert!(sql.contains(from), "{sql}");
            sql = sql.replace(from, to);
        }
        project.set(SQL, sql);
        let after = project.push(&compiler);
        assert_eq!(after.spec(), now, "{edits:?}");
        let generated = TestProject::from_spec(&now).push(&compiler);
        assert_eq!(after.text(SQL), generated.text(SQL), "{edits:?}");
        assert!(after.plan(&compiler).models.is_empty(), "{edits:?}");
    }
}

/// The columns of a new CTE differ from the columns that the formulas read, even if the names match, and `*` may return
/// the columns that seem to be missing. Jinja in a string is code. The spec and the file stay as they are.
#[test]
fn selects_that_formulac_cannot_read_are_kept() {
    const SELECTS: [&str; 8] = [
        "agg as (\n\n{select}\n)\n\nselect * from agg",
        "agg as (\n\n{select}\n)\n\nselect\n    country,\n    n,\n    largest\nfrom agg\nwhere n > 0",
        "agg as (\n\n{select}\n)\n\nselect\n    country,\n    n,\n    n * 2 as twice\nfrom agg",
        "\"Agg\" as (\n\n{select}\n)\n\nselect\n    country,\n    n,\n    largest\nfrom \"Agg\"",
        "agg as (\n\n{select}\n)\n\nselect\n    country,\n    amount as n,\n    largest\nfrom (select *, 1 as amount from agg) as a",
        "select * from (\n{select}\n) as f",
        "select\n    country,\n    count(*) n,\n    max(amount) as largest\nfrom orders\ngroup by country",
        "select\n    country,\n    {{ columns() }}\nfrom orders\ngroup by country",
    ];
    const TEXTS: [(&str, &str); 3] = [
        (
            "max(amount)",
            "max(case when code = '{{ var(\"code\", 'a') }}' then amount end)",
        ),
        (
            "max(amount)",
            "max(case when code = '{% if x %}a{% endif %}' then amount end)",
        ),
        (
            "max(amount) as largest",
            "max(amount) as largest,\n    '{{ target.name }}' as target",
        ),
    ];
    for dialect in ["bigquery", "snowflake", "postgres", "duckdb"] {
        let compiler = Compiler::builder().dialect(dialect.parse().unwrap()).build();
        let pushed = create_pushed_project(&compiler, RANKED);
        let sql = pushed.text(SQL);
        let (ctes, select) = sql.rsplit_once(")\n\nselect").unwrap();
        let quote = if dialect == "bigquery" { "`" } else { "\"" };
        let nested = |text: &str| {
            // A plain select directly follows the CTEs. All other replacements begin with another CTE.
            let separator = if text.starts_with("select") { ")" } else { ")," };
            let text = text.replace("{select}", &format!("select{select}")).replace('"', quote);
            format!("{ctes}{separator}\n\n{text}\n")
        };
        let texts = TEXTS.iter().map(|(from, to)| sql.replacen(from, to, 1));
        for edited in SELECTS.iter().map(|text| nested(text)).chain(texts) {
            assert_ne!(edited, sql);
            let mut project = pushed.clone();
            project.set(SQL, edited.clone());
            let plan = project.plan(&compiler);
            let after = project.apply_plan(&plan);
            assert_eq!(after.spec(), RANKED, "{dialect}: {edited}");
            assert_eq!(after.text(SQL), edited, "{dialect}");
        }
    }
}

/// Both sides changed the same condition, or added a column with the same name. Each side can be kept.
#[test]
fn conflicts_of_conditions_and_new_columns_have_formulas() {
    const SPEC: &str = r#"model: m
from: orders
where: country <> "x"
group_by: country
definitions: |
  n = COUNT()
having: n > 0
"#;
    let compiler = crate::test_project::compiler();
    let added = "count(*) as n,\n    max(amount) as big";
    for (sql, spec, target, theirs, base) in [
        (
            ("country <> 'x'", "country <> 'x' and amount > 20"),
            ("country <> \"x\"", "country <> \"y\""),
            ("where", "where: AND(country <> \"x\", amount > 20)"),
            "AND(country <> \"x\", amount > 20)",
            Some("country <> \"x\""),
        ),
        (
            ("n > 0", "n > 2"),
            ("n > 0", "n > 1"),
            ("having", "having: n > 2"),
            "n > 2",
            Some("n > 0"),
        ),
        (
            ("count(*) as n", added),
            ("n = COUNT()\n", "n = COUNT()\n  big = MIN(amount)\n"),
            ("big", "big = MAX(amount)"),
            "MAX(amount)",
            None,
        ),
    ] {
        // Without `having`, the query has one select.
        let of_spec = match base {
            Some(_) => SPEC.to_owned(),
            None => SPEC.replace("having: n > 0\n", ""),
        };
        let mut project = create_pushed_project(&compiler, &of_spec);
        let text = project.text(SQL).to_owned();
        assert!(text.contains(sql.0), "{text}");
        project.set(SQL, text.replacen(sql.0, sql.1, 1));
        project.set(crate::test_project::SPEC, of_spec.replacen(spec.0, spec.1, 1));
        let plan = project.plan(&compiler);
        let conflicts = &plan.models[0].conflicts;
        assert_eq!(conflicts.len(), 1, "{:#?}", plan.json());
        let conflict = &conflicts[0];
        assert_eq!(conflict.clause().or(conflict.definition.as_deref()), Some(target.0));
        let name = conflict.clause().unwrap_or("formula");
        assert_eq!(plan.json()["models"][0]["conflicts"][0]["property"], name);
        assert_eq!(conflict.theirs_formula.as_deref(), Some(theirs));
        assert_eq!(conflict.base.as_deref(), base);
        assert!(!conflict.restored.is_empty());
        let ours = crate::test_project::compile_current(&compiler, project.spec()).unwrap();
        let resolved = formulac::sync::with_formula_in_conflict(conflict, &ours, theirs).unwrap();
        assert!(resolved.contains(target.1), "{resolved}");
        // With the resolved spec, the edit is no longer a conflict.
        project.set(crate::test_project::SPEC, resolved);
        let plan = project.plan(&compiler);
        let kept: usize = plan.models.iter().map(|model| model.kept.len()).sum();
        assert_eq!((plan.conflicts(), kept), (0, 0), "{:#?}", plan.json());
    }
}

/// Quotes change the case of a column's name only where the warehouse changes the case of names without quotes.
#[test]
fn quotes_that_change_a_name_are_kept() {
    for (dialect, alias, is_edit) in [
        ("snowflake", "\"largest\"", true),
        ("snowflake", "\"Largest\"", true),
        ("postgres", "\"largest\"", false),
        ("postgres", "\"Largest\"", true),
        ("duckdb", "\"largest\"", false),
        ("bigquery", "`largest`", false),
    ] {
        let compiler = Compiler::builder().dialect(dialect.parse().unwrap()).build();
        let mut project = create_pushed_project(&compiler, RANKED);
        let sql = project.text(SQL).to_owned();
        project.set(SQL, sql.replace("as largest", &format!("as {alias}")));
        let plan = project.plan(&compiler);
        let kept = plan.models.iter().flat_map(|model| &model.kept);
        assert_eq!(kept.count() > 0, is_edit, "{dialect}, {alias}: {:#?}", plan.json());
        let spec = format!("{RANKED}  smallest = MIN(amount)\n");
        project.set(crate::test_project::SPEC, spec.clone());
        let pushed = project.push(&compiler);
        assert_eq!(pushed.spec(), spec, "{dialect}, {alias}");
        let text = pushed.text(SQL);
        assert!(text.contains("min(amount) as smallest"), "{text}");
        assert!(!is_edit || text.contains(&format!("max(amount) as {alias}")), "{text}");
    }
}
