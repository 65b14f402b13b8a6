//! Keys of a metric set, and the keys of a model that reads metric sets.

use super::dbt::{COLUMN_KEYS, SEMANTIC_MODEL, SEMANTIC_MODEL_DOC};
use super::{Key, KeyShape, KeyTable};
use crate::ir::CalendarPeriod;

pub static METRIC_SET: KeyTable = KeyTable {
    title: "metric set",
    doc: "Metrics and dimensions of one relation and the relations joined to it. The models that read the set choose \
        the grain.",
    open: false,
    keys: &[
        Key::new("metric_set", KeyShape::Name, "The set's name: letters, digits and `_`.")
            .required("the set's name, such as `metric_set: orders`"),
        Key::new("description", KeyShape::Text, "Description of the set.")
        .synonyms(&["desc", "doc", "docs", "comment"]),
        Key::new(
            "from",
            KeyShape::Text,
            "Source of the rows: a table, `ref('…')` or `source('raw', 'events')`.",
        )
        .synonyms(&["table", "source", "input", "base_table", "relation"]),
        Key::new(
            "sets",
            KeyShape::Names,
            "Other metric sets, in place of `from`. The formulas of the set use the metrics of these sets.",
        ),
        Key::new(
            "joins",
            KeyShape::Joins,
            "Relations to join. Each row may have at most one match.",
        ),
        Key::new("where", KeyShape::Formula, "Filter for the rows of all metrics."),
        Key::new(
            "time",
            KeyShape::Either(&KeyShape::Text, &KeyShape::Keys(&TIME)),
            "The date or time of a row. The keys `day`, `week`, `month`, `quarter` and `year` of a model are periods of this date or time.",
        )
        .synonyms(&["time_dimension", "agg_time_dimension", "date", "timestamp"]),
        Key::new(
            "definitions",
            KeyShape::Definitions,
            "Dimensions (one value per row) and metrics (aggregates and windows).",
        )
        .required("the metrics of the set, such as `definitions: {revenue: SUM(amount)}`"),
        Key::new(
            "columns",
            KeyShape::Each(&KeyShape::Keys(&METRIC)),
            "Properties of the metrics and dimensions, by name.",
        ),
        Key::new("timezone", KeyShape::TimeZone, "Time zone in which instants become dates."),
        Key::new(
            "blanks",
            KeyShape::Choice(&["zero"]),
            "`zero`: NULL is treated as 0 in `+ - *` and in numerators.",
        ),
        Key::new("week_start", KeyShape::Weekday, "First day of the week."),
        Key::new(
            "fiscal_month_offset",
            KeyShape::Count("fiscal_month_offset: 3"),
            "Number of months from January to the first month of the fiscal year.",
        ),
        Key::new("semantic_model", SEMANTIC_MODEL, SEMANTIC_MODEL_DOC),
        Key::new("owner", KeyShape::Text, "Owner of the set."),
        Key::new(
            "approvers",
            KeyShape::Texts,
            "People and groups, one of whom must approve each change to the set.",
        ),
        Key::new("tags", KeyShape::Texts, "Tags of the set."),
        Key::new("meta", KeyShape::Mapping, "The set's `meta`: any further properties."),
    ],
};

static TIME: KeyTable = KeyTable {
    title: "time",
    doc: "The date or time of a row.",
    open: false,
    keys: &[
        Key::new("column", KeyShape::Text, "The column or dimension.")
            .required("the column with the date, such as `column: ordered_at`"),
        Key::new(
            "grain",
            KeyShape::Choice(&CalendarPeriod::NAMES),
            "The period that a row represents. A model cannot use shorter periods.",
        ),
    ],
};

static METRIC: KeyTable = KeyTable {
    title: "metric",
    doc: "Properties of a metric or dimension.",
    open: false,
    keys: &[
        COLUMN_KEYS[0],
        COLUMN_KEYS[1],
        COLUMN_KEYS[2],
        COLUMN_KEYS[3],
        COLUMN_KEYS[4],
        COLUMN_KEYS[5],
        COLUMN_KEYS[6],
        COLUMN_KEYS[7],
        Key::new(
            "format",
            KeyShape::Text,
            "Format of the values in Omni, such as `usdcurrency_0`.",
        ),
        Key::new("label", KeyShape::Text, "Label in Omni."),
        Key::new("owner", KeyShape::Text, "Owner of the metric."),
        Key::new(
            "renamed_from",
            KeyShape::Text,
            "Former name of the metric or dimension. Models may still use this name.",
        ),
        Key::new(
            "deprecated",
            KeyShape::Keys(&DEPRECATED),
            "Marks the metric or dimension as deprecated.",
        ),
        Key::new(
            "non_additive",
            KeyShape::Keys(&NON_ADDITIVE),
            "Marks the metric as non-additive over time: formulac aggregates only the last or the first rows of each \
             group.",
        ),
    ],
};

static DEPRECATED: KeyTable = KeyTable {
    title: "deprecated",
    doc: "The replacement for a deprecated metric or dimension, and the date from which the deprecated name is an \
        error.",
    open: false,
    keys: &[
        Key::new(
            "use",
            KeyShape::Text,
            "The metric or dimension that replaces the deprecated one.",
        ),
        Key::new(
            "until",
            KeyShape::Text,
            "First date on which formulac reports uses of the deprecated name as errors, in the form `YYYY-MM-DD`.",
        ),
    ],
};

static NON_ADDITIVE: KeyTable = KeyTable {
    title: "non_additive",
    doc: "Selection of the rows that formulac aggregates in each group.",
    open: false,
    keys: &[
        Key::new(
            "over",
            KeyShape::Text,
            "The date or time whose last or first value selects the rows.",
        )
        .required("the column with the date, such as `over: snapshot_date`"),
        Key::new(
            "take",
            KeyShape::Choice(&["last", "first"]),
            "Whether formulac aggregates the last or the first rows.",
        )
        .required("`take`, which selects the rows to aggregate, such as `take: last`"),
        Key::new(
            "per",
            KeyShape::Names,
            "Columns such as `account_id`: formulac takes the last or first row for each combination of their \
             values. Default: the last or first row of the whole group.",
        ),
    ],
};

pub(super) static FILL: KeyTable = KeyTable {
    title: "fill",
    doc: "Periods for which the step gets a row even if its input has none. A key that the filled period determines, \
        such as `ordered_at[year]` if `ordered_at[month]` is filled, is computed from this period.",
    open: false,
    keys: &[
        Key::new(
            "by",
            KeyShape::Text,
            "The key whose periods are filled, such as `ordered_at[month]`. Its timeframe is day, week, month, quarter, \
             year, fiscal_quarter or fiscal_year.",
        )
        .required("the key whose periods are filled, such as `by: month`"),
        Key::new(
            "from",
            KeyShape::Text,
            "A date in the first period to fill: `YYYY-MM-DD` or a constant formula. Default: the first period of \
             the step.",
        ),
        Key::new(
            "to",
            KeyShape::Text,
            "A date in the last period to fill, such as `TODAY()`. Default: the last period of the step.",
        ),
        Key::new(
            "within",
            KeyShape::Choice(&["each"]),
            "`each`: for each combination of the other keys, fills only the periods between the first and the last \
             period with rows of that combination.",
        ),
    ],
};

/// Keys that are valid only in the first step of a model built on metric sets, or that have a different shape there
/// than in other steps.
pub static METRIC_SET_STEP: KeyTable = KeyTable {
    title: "model built on metric sets",
    doc: "Metrics of metric sets, in place of `from` and `joins`.",
    open: false,
    keys: &[
        Key::new(
            "metrics",
            KeyShape::Either(
                &KeyShape::Text,
                &KeyShape::List(&KeyShape::Either(&KeyShape::Text, &KeyShape::Each(&KeyShape::Text))),
            ),
            "Metrics of metric sets: `orders.revenue`, `orders.*`, or `{new_name: orders.revenue}`.",
        ),
        Key::new(
            "overrides",
            KeyShape::Names,
            "Metrics that the model's own definitions replace.",
        ),
        Key::new(
            "group_by",
            KeyShape::Either(
                &KeyShape::Text,
                &KeyShape::List(&KeyShape::Either(
                    &KeyShape::Text,
                    &KeyShape::Each(&KeyShape::Each(&KeyShape::Text)),
                )),
            ),
            "Keys: columns, dimensions, timeframes, or `month` for the month of each set's `time`. With several sets, \
            a key may name the column of each set: `month: {orders: \"ordered_at[month]\", refunds: \"refunded_on[month]\"}`.",
        ),
        Key::new(
            "where",
            KeyShape::Either(&KeyShape::Text, &KeyShape::Each(&KeyShape::Text)),
            "Filter for the rows of all sets, or one filter for each set: `where: {orders: …}`.",
        ),
        Key::new("from", KeyShape::Text, "A model built on metric sets has no `from`."),
    ],
};
