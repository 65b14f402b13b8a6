//! Specs whose generated SQL is edited.

pub const BLOCK: &str = "\
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
pub const NESTED: &str = "\
model: m
from: orders
group_by: country
definitions: |
  largest = MAX(amount)
  twice = largest * 2
  smallest = MIN(amount)
";
pub const MAPPING: &str = "\
model: m
from: source('raw', 'orders')
keep: [id]
definitions:
  net: amount - tax
  half: {formula: net / 2, description: Half}
  code: UPPER(country)
";
pub const JOINED: &str = "\
model: m
from: orders
joins: [{to: ref('customers'), using: customer_id}]
where: amount > 5
keep: [id]
definitions: segment = customers.segment
";
pub const INNER: &str = "\
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
pub const RANKED: &str = "\
model: m
from: orders
group_by: country
definitions: |
  n = COUNT()
  largest = MAX(amount)
";
/// formulac numbers groups in the grouped select, but users number them in a later select.
pub const ORDERED: &str = "\
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
pub const MANY_KEYS: &str = "\
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
pub const INCREMENTAL: &str = "\
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
pub const PREPARED: &str = "\
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
pub const FILLED: &str = "\
model: m
from: orders
group_by: ordered_on[month]
fill: month
definitions: |
  revenue = SUM(amount)
  n = COUNT()
";
pub const MANY_KEYS_OF_A_STEP: &str = "\
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
pub const KEPT_ALL: &str = "\
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
pub const LARGEST: &str = "\
model: m
from: orders
group_by: country
having: revenue > 5
order_by: revenue desc
limit: 10
definitions: |
  revenue = SUM(amount)
";
pub const KEPT_LIST: &str = "\
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
pub const MANY: &str = "\
model: m
from: ref('customers')
joins: [{to: ref('orders'), as: orders, using: customer_id, cardinality: many}]
group_by: customers.kind
definitions: |
  spend = SUM(orders.amount)
";
/// The last step is a worksheet.
pub const WORKSHEET: &str = "\
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
