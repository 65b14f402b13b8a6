//! Keys of a step and of its definitions.

use super::dbt::{DATA_TESTS_DOC, TESTS};
use super::metric_set::FILL;
use super::{Key, KeyShape, KeyTable};

/// Keys for the input of a step after the first one. The first step reads the `from` of the model.
pub static STEP_INPUT: KeyTable = KeyTable {
    title: "input of a step",
    doc: "What a step after the first one reads in place of the rows of the previous step.",
    open: false,
    keys: &[
        Key::new(
            "from",
            KeyShape::Text,
            "Relation or earlier step that the step reads in place of the previous step.",
        )
        .determines_rows(),
        Key::new(
            "union",
            KeyShape::Names,
            "Earlier steps whose rows the step concatenates. Columns with the same name become one \
            column; if a step does not have a column, the column is NULL in \
            this step's rows.",
        )
        .synonyms(&["union_all", "stack", "append"])
        .determines_rows(),
        Key::new(
            "series",
            KeyShape::Keys(&SERIES),
            "Replaces each row of the input with a row for every period between two dates in the row. Besides \
             `series`, the step can have only `name` and `keep`, and it cannot be the last step. To add missing \
             periods to groups, use `fill` instead.",
        )
        .synonyms(&["generate_series", "date_spine", "time_spine"])
        .determines_rows(),
    ],
};

static SERIES: KeyTable = KeyTable {
    title: "series",
    doc: "Periods from one date of a row to another, including both.",
    open: false,
    keys: &[
        Key::new(
            "name",
            KeyShape::Text,
            "Name of the column with the first day of each period.",
        )
        .required("the column with the periods, such as `name: month`"),
        Key::new(
            "unit",
            KeyShape::Choice(&[
                "day",
                "week",
                "month",
                "quarter",
                "year",
                "fiscal_quarter",
                "fiscal_year",
            ]),
            "Length of the periods.",
        )
        .required("the length of the periods, such as `unit: month`"),
        Key::new(
            "first",
            KeyShape::Text,
            "Column of the input with the first day of the first period. Unless the unit is `day` or `week`, the value \
             must be the first day of a month.",
        )
        .required("the column with the first period, such as `first: first_month`"),
        Key::new(
            "last",
            KeyShape::Text,
            "Column of the input with the first day of the last period.",
        )
        .required("the column with the last period, such as `last: last_month`"),
    ],
};

pub static STEP: KeyTable = KeyTable {
    title: "step",
    doc: "A step of the spec, which reads the rows of the previous step.",
    open: false,
    keys: &[
        Key::new(
            "name",
            KeyShape::Text,
            "The step's name, which becomes the name of its CTE.",
        )
        .determines_rows(),
        Key::new(
            "definitions",
            KeyShape::Definitions,
            "The formulas of the step: a text block (`|`) with one `name = formula` per line, or a mapping `name: formula`.",
        )
        .synonyms(&["fields", "formulas", "measures", "select", "expressions"]),
        Key::new(
            "group_by",
            KeyShape::Names,
            "Names to group by: columns, definitions with one value per row, or timeframes such as `billing_date[month]`.",
        )
        .synonyms(&["dimensions", "group", "groups", "grain"]),
        Key::new(
            "order_by",
            KeyShape::Names,
            "Order of the rows, for formulas that read other rows and for `limit`: names, each optionally followed \
             by `asc` or `desc`.",
        )
        .synonyms(&["sort", "sorts", "sort_by", "order"]),
        Key::new(
            "partition_by",
            KeyShape::Names,
            "Names that partition the rows for formulas that read other rows; `[]` for one partition. Default: the \
             names in `group_by` that are not in `order_by`; without `order_by`, one partition.",
        )
        .synonyms(&["partition", "over"]),
        Key::new(
            "keep",
            KeyShape::Names,
            "Columns of the previous step to pass on, or `all`. A grouped step has no `keep`.",
        ),
        Key::new("where", KeyShape::Formula, "Filter for the rows before they are grouped.")
            .synonyms(&["filter", "filters"])
            .determines_rows(),
        Key::new(
            "fill",
            KeyShape::Either(&KeyShape::Text, &KeyShape::Keys(&FILL)),
            "Adds a row for every period of a key that is a timeframe of at least a day: `fill: month`.",
        ),
        Key::new(
            "since",
            KeyShape::Text,
            "First day to show: a date `YYYY-MM-DD`, or a constant formula such as `TODAY() - 90`. The period that \
             contains this day is shown as a whole. If the step reads a relation, one of its keys must be a \
             timeframe. Windows and `fill` still read earlier periods.",
        )
        .synonyms(&["from_date", "start", "start_date"]),
        Key::new(
            "until",
            KeyShape::Text,
            "Last day to show. The period that contains this day is shown as a whole. Formulas do not read later \
             periods.",
        )
        .synonyms(&["to_date", "end", "end_date"]),
        Key::new("having", KeyShape::Formula, "Filter for the groups, such as `revenue > 0`."),
        Key::new(
            "limit",
            KeyShape::Count("limit: 100"),
            "Maximum number of rows, in the order of `order_by`.",
        )
        .synonyms(&["top", "rows"]),
        Key::new("joins", KeyShape::Joins, "Other relations to join.").determines_rows(),
        Key::new(
            "columns",
            KeyShape::Names,
            "Columns A, B, C and so on of a worksheet: columns of the previous step, or timeframes of these columns.",
        ),
        Key::new(
            "calculations",
            KeyShape::Definitions,
            "Formulas that read the cells of a worksheet, such as `growth = B1 / B0 - 1`. The results follow the \
             columns in `columns`.",
        ),
        Key::new(
            "row",
            KeyShape::Count("row: 3"),
            "Row of the sheet for which the formulas of a worksheet are written. Default: 1.",
        ),
        Key::new(
            "pivot_by",
            KeyShape::Names,
            "Columns whose values become the columns of a pivoted worksheet.",
        ),
        Key::new(
            "values",
            KeyShape::Texts,
            "Values of `pivot_by` that become columns: the result has a column for each measure and value, and a \
             single row for each row key. Without `values`, the result has one row for each row of the input.",
        ),
        Key::new(
            "tabs",
            KeyShape::Each(&KeyShape::Keys(&TAB)),
            "Other sheets that lookups read, by name: `'Targets'!A:B` reads the tab `Targets`.",
        ),
    ],
};

pub static TAB: KeyTable = KeyTable {
    title: "tab",
    doc: "Another model or an earlier step that lookups read.",
    open: false,
    keys: &[
        Key::new(
            "model",
            KeyShape::Text,
            "The model, table or earlier step: a name, `ref('…')` or `source('…', '…')`.",
        )
        .required("the model of the tab, such as `model: targets`"),
        Key::new(
            "columns",
            KeyShape::Names,
            "Columns A, B, C and so on of the tab. Default: the columns that the schema lists for the model.",
        ),
        Key::new(
            "order_by",
            KeyShape::Names,
            "Order of the rows of the tab: names, each optionally followed by `asc` or `desc`. A lookup returns the \
             first matching row.",
        ),
    ],
};

pub static JOIN: KeyTable = KeyTable {
    title: "join",
    doc: "Another relation to join.",
    open: false,
    keys: &[
        Key::new("to", KeyShape::Text, "The other relation, or an earlier step.")
            .required("the relation or earlier step to join, such as `to: customers`")
            .synonyms(&["table", "model", "with", "relation", "join", "name"]),
        Key::new("as", KeyShape::Text, "Name that formulas use for the relation.").synonyms(&["alias"]),
        Key::new("on", KeyShape::Formula, "Condition of the join."),
        Key::new(
            "true",
            KeyShape::Formula,
            "The key `on`, which some YAML tools rewrite as `true`.",
        )
        .alias_of("on"),
        Key::new(
            "using",
            KeyShape::Names,
            "Columns that exist on both sides and must have equal values.",
        )
        .synonyms(&["keys", "key", "by"]),
        Key::new(
            "type",
            KeyShape::Choice(&["left", "inner", "full", "cross"]),
            "Type of the join. Default: `left`.",
        )
        .synonyms(&["kind", "how"]),
        Key::new(
            "cardinality",
            KeyShape::Choice(&["one", "many"]),
            "Number of rows of the other relation that a row can match: at most one, or many. Default: `one`.",
        ),
    ],
};

pub static DEFINITION: KeyTable = KeyTable {
    title: "definition",
    doc: "A formula and the properties of its column.",
    open: false,
    keys: &[
        Key::new("formula", KeyShape::Formula, "The formula.")
            .required("the definition's formula, such as `formula: SUM(amount)`")
            .synonyms(&["sql", "expr", "expression"]),
        Key::new(
            "description",
            KeyShape::Text,
            "Description of the column, for the readers of the model.",
        ),
        Key::new("data_tests", TESTS, DATA_TESTS_DOC),
        Key::new("tests", TESTS, "dbt's former name for `data_tests`.").alias_of("data_tests"),
        Key::new("meta", KeyShape::Mapping, "The column's `meta` in dbt."),
    ],
};
