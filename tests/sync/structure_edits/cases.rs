//! Edits to the structure of SQL that become changes to the spec.

use super::specs::{
    BLOCK, INCREMENTAL, INNER, JOINED, KEPT_ALL, KEPT_LIST, LARGEST, MANY, MANY_KEYS, MANY_KEYS_OF_A_STEP, MAPPING,
    NESTED, ORDERED, PREPARED, RANKED, WORKSHEET,
};

/// Spec, the SQL before and after the edit, and the changed parts of the spec. Text that begins with `!` is not in the
/// spec anymore.
pub type Case = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

pub const CASES: &[Case] = &[
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
    // The generated SQL of the added column has a default for NULL in the CTE.
    (
        NESTED,
        &[
            (
                "max(amount) as largest,",
                "max(amount) as largest,\n        sum(tax) as taxes,",
            ),
            ("largest,\n    largest * 2", "largest,\n    taxes,\n    largest * 2"),
        ],
        &["  largest = MAX(amount)\n  taxes = SUM(tax)\n  twice = largest * 2\n"],
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
