//! Keys that specify conditions on a model: rules, comparisons with other models, and examples.

use super::{Key, KeyShape, KeyTable};

pub static RULE: KeyTable = KeyTable {
    title: "rule",
    doc: "A condition that every row of the model must meet.",
    open: false,
    keys: &[
        Key::new("name", KeyShape::Text, "The rule's name.").required("the rule's name, such as `name: never_negative`"),
        Key::new(
            "check",
            KeyShape::Formula,
            "Condition on the model's columns. A row passes if the condition is TRUE or NULL. With `found_in`: the column to look up.",
        )
        .required("the condition, such as `check: revenue >= 0`"),
        Key::new(
            "found_in",
            KeyShape::Keys(&FOUND_IN),
            "Relation that must contain each value of the column.",
        ),
        Key::new("where", KeyShape::Formula, "Filter for the rows to check."),
        Key::new(
            "severity",
            KeyShape::Choice(&["error", "warn"]),
            "Severity of a violation.",
        ),
        Key::new("message", KeyShape::Text, "Message for violations."),
        Key::new(
            "nulls",
            KeyShape::Choice(&["pass", "fail"]),
            "Whether rows pass if the condition is NULL. Default: `pass`.",
        ),
    ],
};

static FOUND_IN: KeyTable = KeyTable {
    title: "relation",
    doc: "Relation that must contain each value of a column, as in dbt's `relationships` test.",
    open: false,
    keys: &[
        Key::new(
            "to",
            KeyShape::Text,
            "The relation: a table, `ref('…')` or `source('…', '…')`.",
        )
        .required("the relation, such as `to: ref('customers')`"),
        Key::new(
            "field",
            KeyShape::Text,
            "Column of the relation. Default: the column with the same name.",
        ),
    ],
};

pub(super) static COMPARE: KeyTable = KeyTable {
    title: "comparison",
    doc: "Another relation that must contain the same rows.",
    open: false,
    keys: &[
        Key::new(
            "with",
            KeyShape::Text,
            "The other relation: a table, `ref('…')` or `source('…', '…')`.",
        )
        .required("the other relation, such as `with: ref('old_revenue')`"),
        Key::new("keys", KeyShape::Names, "Columns that identify a row on both sides.")
            .required("the columns that identify rows, such as `keys: month`"),
        Key::new(
            "columns",
            KeyShape::Names,
            "Columns to compare. Default: all columns except the keys.",
        ),
        Key::new(
            "tolerance",
            KeyShape::Number,
            "Largest allowed difference between two numbers.",
        ),
        Key::new(
            "where",
            KeyShape::Formula,
            "Filter for the rows to compare, on both sides.",
        ),
    ],
};

pub(super) static EXAMPLE: KeyTable = KeyTable {
    title: "example",
    doc: "A unit test, in the format of dbt's unit tests.",
    open: false,
    keys: &[
        Key::new("name", KeyShape::Text, "The example's name.")
            .required("the example's name, such as `name: two_months`"),
        Key::new(
            "given",
            KeyShape::List(&KeyShape::Keys(&GIVEN)),
            "Input rows of each relation that the model reads.",
        )
        .required("a list with the rows of each relation, such as `- {input: ref('orders'), rows: […]}`"),
        Key::new(
            "today",
            KeyShape::Text,
            "The current date in this example, in the form `YYYY-MM-DD`.",
        ),
        Key::new("expect", KeyShape::Keys(&EXPECT), "Expected rows.")
            .required("the expected rows, such as `expect: {rows: […]}`"),
    ],
};

const ROWS: KeyShape = KeyShape::Either(&KeyShape::Text, &KeyShape::List(&KeyShape::Mapping));
const FORMAT: KeyShape = KeyShape::Choice(&["dict", "csv", "sql"]);

static GIVEN: KeyTable = KeyTable {
    title: "given",
    doc: "The rows of one relation.",
    open: false,
    keys: &[
        Key::new(
            "input",
            KeyShape::Text,
            "The relation: `ref('…')`, `source('…', '…')` or `this`.",
        )
        .required("the relation, such as `input: ref('orders')`"),
        Key::new(
            "rows",
            ROWS,
            "Rows of the relation. A column that is not named is NULL.",
        ),
        Key::new("format", FORMAT, "Format of the rows. Default: `dict`."),
        Key::new("fixture", KeyShape::Text, "dbt's fixture file with the rows."),
    ],
};

static EXPECT: KeyTable = KeyTable {
    title: "expected",
    doc: "Expected rows.",
    open: false,
    keys: &[
        Key::new("rows", ROWS, "The rows."),
        Key::new("format", FORMAT, "Format of the rows. Default: `dict`."),
        Key::new("fixture", KeyShape::Text, "dbt's fixture file with the rows."),
    ],
};
