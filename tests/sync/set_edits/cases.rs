//! Metric sets, models built on them, and edits to the models' SQL.

pub const ORDERS: &str = "\
metric_set: orders
from: orders
joins: [{to: customers, using: customer_id}]
where: status <> \"test\"
time: ordered_on
definitions: |
  revenue = SUM(amount)
  order_count = COUNT(order_id)
  aov = revenue /
    order_count
  growth = revenue / PERIODOFFSET(revenue, -1, \"month\") - 1
  twice_before = PERIODOFFSET(revenue, -1, \"month\") * 2
  is_large = amount > 100
  segment = customers.segment
  large_share = SUM(IF(is_large, amount, 0)) / revenue
";
pub const REFUNDS: &str = "metric_set: refunds\nfrom: refunds\ntime: refunded_on\ndefinitions: |\n  refunded = SUM(refund)\n  half = SUM(refund - tax) / 2\n  mean = refunded / COUNT(refund_id)\n  twice_refunded = SUM(refund) * 2\n";
pub const HEALTH: &str = "metric_set: health\nsets: [orders, refunds]\ndefinitions: |\n  net = orders.revenue - refunds.refunded\n  rate = refunds.mean / orders.aov\n";

/// A metric set that reads dbt relations. The names of these relations are written differently in the spec and in
/// generated SQL.
pub const VISITS: &str = "\
metric_set: visits
from: source('raw','visits')
joins: [{to: 'ref(\"stg_users\")', as: users, on: visits.user_id = users.id}]
where: AND(score > 0, pages < 100)
time: visited_on
definitions: |
  visit_count = COUNT(visit_id)
  plan = users.plan
";

pub const BY_MONTH: &str = "model: m\nmetrics: [orders.revenue, orders.aov]\ngroup_by: [month, region]\ndefinitions: |\n  share = revenue / SUM(revenue:revenue)\n";
pub const PER_ORDER: &str =
    "model: m\nmetrics: [orders.revenue]\ngroup_by: month\ndefinitions: |\n  per_order = revenue / order_count\n";
const FILTERED: &str = "model: m\nmetrics: [orders.revenue]\ngroup_by: region\nhaving: order_count > 3\n";
const ALL: &str = "model: m\nmetrics: [orders.*]\ngroup_by: month\n";
const RATE: &str = "model: m\nmetrics: [health.rate]\ngroup_by: month\n";
pub const GROWTH: &str = "model: m\nmetrics: [orders.order_count, orders.growth]\ngroup_by: month\n";
pub const RENAMED: &str = "model: m\nmetrics: [{sales: orders.revenue}, orders.aov]\ngroup_by: region\n";
const LARGE: &str = "model: m\nmetrics: [orders.large_share]\ngroup_by: [is_large]\n";
pub const REGIONS: &str = "model: m\nmetrics: [orders.revenue, orders.growth]\ngroup_by: [month, is_large, segment]\nwhere: amount > 3\ndefinitions: last_year = PERIODOFFSET(revenue, -12, \"month\")\n";
pub const HELPER: &str = "model: m\nmetrics: [orders.growth, orders.twice_before]\ngroup_by: month\n";
pub const SIZES: &str = "model: m\nmetrics: [orders.revenue]\ngroup_by: is_large\n";
pub const PLANS: &str = "model: m\nmetrics: [visits.visit_count]\ngroup_by: plan\nwhere: pages > 3\n";
const FILLED: &str = "model: m\nmetrics: [orders.revenue, orders.aov]\ngroup_by: [month, region]\nfill: month\n";
const SHARED: &str = "model: m\nmetrics: [orders.revenue, refunds.twice_refunded]\ngroup_by: month\ndefinitions: net = revenue - refunded\n";
const RUNNING: &str = "model: m\nmetrics: [orders.revenue, refunds.refunded]\ngroup_by: month\norder_by: month\ndefinitions: running = SUM(FIRST(revenue):revenue)\n";
pub const SEVERAL: &str = "model: m\nmetrics: [orders.revenue, refunds.half, health.net]\ngroup_by: month\n";

/// Edits: the model, the SQL before and after the edit, the name of the definition in its metric set, the metric set's
/// new formula, and the formula that overrides the metric in the model. Text in brackets is part of the reason why no
/// formula exists.
pub const CASES: &[(&str, &str, &str, &str, &str, &str)] = &[
    (
        BY_MONTH,
        "coalesce(sum(amount), 0) as revenue",
        "coalesce(sum(amount - tax), 0) as revenue",
        "orders.revenue",
        "SUM(amount - tax)",
        "[cannot aggregate rows itself]",
    ),
    (
        BY_MONTH,
        "coalesce(sum(amount), 0) as revenue",
        "coalesce(sum(amount), 0) * 2 as revenue",
        "orders.revenue",
        "SUM(amount) * 2",
        "revenue * 2",
    ),
    (
        BY_MONTH,
        "revenue / nullif(order_count, 0) as aov",
        "revenue / nullif(order_count, 0) * 1.5 as aov",
        "orders.aov",
        "revenue / order_count * 1.5",
        "aov * 1.5",
    ),
    // A model with `fill` computes its aggregates before it adds the missing months.
    (
        FILLED,
        "coalesce(sum(amount), 0) as revenue",
        "coalesce(sum(amount - tax), 0) as revenue",
        "orders.revenue",
        "SUM(amount - tax)",
        "[cannot aggregate rows itself]",
    ),
    (
        FILLED,
        "coalesce(sum(amount), 0) as revenue",
        "sum(amount - tax) as revenue",
        "orders.revenue",
        "SUM(amount - tax)",
        "[cannot aggregate rows itself]",
    ),
    (
        FILLED,
        "count(order_id) as aov_count",
        "count(distinct order_id) as aov_count",
        "orders.order_count",
        "COUNTUNIQUE(order_id)",
        "[does not list `orders.order_count`]",
    ),
    (
        FILLED,
        "nullif(aov_count, 0) as aov",
        "nullif(aov_count, 0) * 100 as aov",
        "orders.aov",
        "revenue / order_count * 100",
        "aov * 100",
    ),
    (
        FILLED,
        "coalesce(max(revenue), 0) as revenue",
        "max(revenue) as revenue",
        "orders.revenue",
        "[would return `0`, but the edited SQL returns NULL]",
        "[would return `0`, but the edited SQL returns NULL]",
    ),
    // A definition that the model does not list.
    (
        GROWTH,
        "coalesce(sum(amount), 0) as revenue",
        "coalesce(sum(amount - tax), 0) as revenue",
        "orders.revenue",
        "SUM(amount - tax)",
        "[does not list `orders.revenue`]",
    ),
    // If the compiler has inlined a metric into a definition and added a column for the metric, an edit to the column
    // is an edit to the metric.
    (
        BY_MONTH,
        "count(order_id) as order_count",
        "count(distinct order_id) as order_count",
        "orders.order_count",
        "COUNTUNIQUE(order_id)",
        "[does not list `orders.order_count`]",
    ),
    (
        BY_MONTH,
        "count(order_id) as order_count",
        "count(order_id) + 1 as order_count",
        "orders.order_count",
        "COUNT(order_id) + 1",
        "[does not list `orders.order_count`]",
    ),
    (
        PER_ORDER,
        "count(order_id) as order_count",
        "count(distinct order_id) as order_count",
        "orders.order_count",
        "COUNTUNIQUE(order_id)",
        "[does not list `orders.order_count`]",
    ),
    (
        FILTERED,
        "count(order_id) as order_count",
        "count(distinct order_id) as order_count",
        "orders.order_count",
        "COUNTUNIQUE(order_id)",
        "[does not list `orders.order_count`]",
    ),
    (
        ALL,
        "coalesce(sum(amount), 0) as revenue",
        "coalesce(sum(amount - tax), 0) as revenue",
        "orders.revenue",
        "SUM(amount - tax)",
        "[cannot aggregate rows itself]",
    ),
    // A metric that the model reads only through a metric set that is built on other metric sets.
    (
        RATE,
        "count(order_id) as order_count",
        "count(distinct order_id) as order_count",
        "orders.order_count",
        "COUNTUNIQUE(order_id)",
        "[does not list `orders.order_count`]",
    ),
    (
        RATE,
        "count(refund_id)",
        "count(distinct refund_id)",
        "refunds.mean",
        "refunded / COUNTUNIQUE(refund_id)",
        "[does not list `refunds.mean`]",
    ),
    (
        RATE,
        "refunded / nullif(mean_count, 0)",
        "refunded / nullif(mean_count, 0) * 2",
        "refunds.mean",
        "refunded / COUNT(refund_id) * 2",
        "[does not list `refunds.mean`]",
    ),
    (
        GROWTH,
        "nullif(prior_month.revenue, 0)",
        "nullif(prior_month.revenue, 0) * 100",
        "orders.growth",
        "revenue / PERIODOFFSET(revenue, -1, \"month\") * 100 - 1",
        "revenue / PERIODOFFSET(revenue, -1, \"month\") * 100 - 1",
    ),
    (
        RENAMED,
        "coalesce(sum(amount), 0) as sales",
        "coalesce(sum(amount), 0) + 1 as sales",
        "orders.revenue",
        "SUM(amount) + 1",
        "sales + 1",
    ),
    (
        RENAMED,
        "sales / nullif(order_count, 0) as aov",
        "round(sales / nullif(order_count, 0), 2) as aov",
        "orders.aov",
        "ROUND(revenue / order_count, 2)",
        "ROUND(aov, 2)",
    ),
    (
        LARGE,
        "amount > 100",
        "amount > 200",
        "orders.is_large",
        "amount > 200",
        "[is a dimension]",
    ),
    // The rows of each metric set are aggregated separately.
    (
        SEVERAL,
        "coalesce(sum(amount), 0) as revenue",
        "coalesce(sum(amount - tax), 0) as revenue",
        "orders.revenue",
        "SUM(amount - tax)",
        "[cannot aggregate rows itself]",
    ),
    (
        SEVERAL,
        "coalesce(sum(refund - tax), 0) as half_sum",
        "coalesce(sum(refund * 2), 0) as half_sum",
        "refunds.half",
        "SUM(refund * 2) / 2",
        "[cannot aggregate rows itself]",
    ),
    // The last select only passes the column on.
    (
        RUNNING,
        "    revenue,\n    refunded,\n    sum(",
        "    revenue * 1.2 as revenue,\n    refunded,\n    sum(",
        "orders.revenue",
        "[",
        "[",
    ),
    // The column is part of another metric, too.
    (
        SHARED,
        "coalesce(sum(refund), 0) as refunded",
        "coalesce(sum(refund * 2), 0) as refunded",
        "refunds.refunded",
        "[the metric `twice_refunded` also contains this aggregate]",
        "[the metric `twice_refunded` also contains this aggregate]",
    ),
    (
        SEVERAL,
        "revenue - refunded as net",
        "revenue - refunded * 2 as net",
        "health.net",
        "orders.revenue - refunds.refunded * 2",
        "revenue - refunded * 2",
    ),
    // The condition of the metric set.
    (
        BY_MONTH,
        "where status <> 'test'",
        "where status <> 'draft'",
        "orders.where",
        "status <> \"draft\"",
        "[cannot override the `where`]",
    ),
    (
        BY_MONTH,
        "where status <> 'test'",
        "where status <> 'test' and not is_gift",
        "orders.where",
        "[change `where` in the set]",
        "[cannot override the `where`]",
    ),
    (
        SEVERAL,
        "where status <> 'test'",
        "where status <> 'draft'",
        "orders.where",
        "status <> \"draft\"",
        "[cannot override the `where`]",
    ),
    // The join that looks up the previous month.
    (
        GROWTH,
        "- interval '1 month'",
        "- interval '2 months'",
        "orders.growth",
        "[the nearest formula is `revenue / PERIODOFFSET(revenue, -2, \"month\") - 1`]",
        "[the nearest formula is `revenue / PERIODOFFSET(revenue, -2, \"month\") - 1`]",
    ),
    (
        GROWTH,
        "left join orders_by_ordered_on_month as prior_month",
        "inner join orders_by_ordered_on_month as prior_month",
        "orders.growth",
        "[]",
        "[]",
    ),
    // The relation that the metric set joins.
    (
        REGIONS,
        "on orders.customer_id = customers.customer_id",
        "on orders.customer_id = customers.id",
        "orders.joins",
        "[change `joins` in the set]",
        "[cannot override the `joins`]",
    ),
    // The metric set's condition, combined with a condition of the model.
    (
        REGIONS,
        "status <> 'test'",
        "status <> 'draft'",
        "orders.where",
        "status <> \"draft\"",
        "[cannot override the `where`]",
    ),
    // The `group by` item without its column, and the column without the item.
    (
        SIZES,
        "group by amount > 100",
        "group by amount > 200",
        "orders.is_large",
        "[produces exactly this SQL]",
        "[]",
    ),
    (
        SIZES,
        "amount > 100 as is_large",
        "amount > 200 as is_large",
        "orders.is_large",
        "[the formula `amount > 200` also changes `group by` to `amount > 200`]",
        "[]",
    ),
    // dbt relations.
    (
        PLANS,
        "source('raw', 'visits')",
        "source('raw', 'visits_v2')",
        "visits.from",
        "[change `from` in the set]",
        "[cannot override the `from`]",
    ),
    (
        PLANS,
        "ref('stg_users')",
        "ref('stg_users_v2')",
        "visits.joins",
        "[change `joins` in the set]",
        "[cannot override the `joins`]",
    ),
    // Additions inside SQL that the metric set defines.
    (
        PLANS,
        "on visits.user_id = users.id",
        "on visits.user_id = users.id and users.is_active",
        "visits.joins",
        "[change `joins` in the set]",
        "[cannot override the `joins`]",
    ),
    (
        PLANS,
        "on visits.user_id",
        "on users.is_active and visits.user_id",
        "visits.joins",
        "[change `joins` in the set]",
        "[cannot override the `joins`]",
    ),
    (
        PLANS,
        "score > 0 and",
        "score > 0 and not is_gift and",
        "visits.where",
        "[change `where` in the set]",
        "[cannot override the `where`]",
    ),
    // The edit lacks the guards of the formula's SQL, or is spelled differently.
    (
        BY_MONTH,
        "coalesce(sum(amount), 0) as revenue",
        "sum(amount - tax) as revenue",
        "orders.revenue",
        "SUM(amount - tax)",
        "[cannot aggregate rows itself]",
    ),
    (
        BY_MONTH,
        "coalesce(sum(amount), 0) as revenue",
        "sum(case when tax is null then 0 else tax end) as revenue",
        "orders.revenue",
        "SUM(IFNA(tax, 0))",
        "[cannot aggregate rows itself]",
    ),
    // No formula expresses the edit.
    (
        BY_MONTH,
        "coalesce(sum(amount), 0) as revenue",
        "my_udf(amount) as revenue",
        "orders.revenue",
        "[no formula expresses]",
        "[no formula expresses]",
    ),
];
