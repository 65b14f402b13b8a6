//! Keys that specify conditions on a model: rules, comparisons with other models, and examples.

use super::{Key, Keys, Shape};

pub static RULE: Keys = Keys {
    title: "rule",
    doc: "A condition that every row of the model must meet.",
    open: false,
    keys: &[
        Key::new("name", Shape::Text, "The rule's name.").required("the rule's name, such as `name: never_negative`"),
        Key::new(
            "check",
            Shape::Formula,
            "Condition on the model's columns. A row passes if it is TRUE or NULL. With `found_in`: the column to look up.",
        )
        .required("the condition, such as `check: revenue >= 0`"),
        Key::new(
            "found_in",
            Shape::Keys(&FOUND_IN),
            "Relation that must contain each value of the column.",
        ),
        Key::new("where", Shape::Formula, "Filter for the rows to check."),
        Key::new(
            "severity",
            Shape::Choice(&["error", "warn"]),
            "Severity of a violation.",
        ),
        Key::new("message", Shape::Text, "Message for violations."),
        Key::new(
            "nulls",
            Shape::Choice(&["pass", "fail"]),
            "Whether rows pass if the condition is NULL. Default: `pass`.",
        ),
    ],
};

static FOUND_IN: Keys = Keys {
    title: "relation",
    doc: "Relation that must contain each value of a column, as in dbt's test `relationships`.",
    open: false,
    keys: &[
        Key::new(
            "to",
            Shape::Text,
            "The relation: a table, `ref('…')` or `source('…', '…')`.",
        )
        .required("the relation, such as `to: ref('customers')`"),
        Key::new(
            "field",
            Shape::Text,
            "Column of the relation. Default: the column with the same name.",
        ),
    ],
};

pub(super) static COMPARE: Keys = Keys {
    title: "comparison",
    doc: "Another relation that must contain the same rows.",
    open: false,
    keys: &[
        Key::new(
            "with",
            Shape::Text,
            "The other relation: a table, `ref('…')` or `source('…', '…')`.",
        )
        .required("the other relation, such as `with: ref('old_revenue')`"),
        Key::new("keys", Shape::Names, "Columns that identify a row on both sides.")
            .required("the columns that identify rows, such as `keys: month`"),
        Key::new(
            "columns",
            Shape::Names,
            "Columns to compare. Default: all columns except the keys.",
        ),
        Key::new(
            "tolerance",
            Shape::Number,
            "Largest allowed difference between two numbers.",
        ),
        Key::new(
            "where",
            Shape::Formula,
            "Filter for the rows to compare, on both sides.",
        ),
    ],
};

pub(super) static EXAMPLE: Keys = Keys {
    title: "example",
    doc: "A unit test, in the form of dbt's unit tests.",
    open: false,
    keys: &[
        Key::new("name", Shape::Text, "The example's name.").required("the example's name, such as `name: two_months`"),
        Key::new(
            "given",
            Shape::List(&Shape::Keys(&GIVEN)),
            "Input rows of each relation that the model reads.",
        )
        .required("a list with the rows of each relation, such as `- {input: ref('orders'), rows: […]}`"),
        Key::new("today", Shape::Text, "The current date in this example, `YYYY-MM-DD`."),
        Key::new("expect", Shape::Keys(&EXPECT), "Expected rows.")
            .required("the expected rows, such as `expect: {rows: […]}`"),
    ],
};

const ROWS: Shape = Shape::Either(&Shape::Text, &Shape::List(&Shape::Mapping));
const FORMAT: Shape = Shape::Choice(&["dict", "csv", "sql"]);

static GIVEN: Keys = Keys {
    title: "given",
    doc: "The rows of one relation.",
    open: false,
    keys: &[
        Key::new(
            "input",
            Shape::Text,
            "The relation: `ref('…')`, `source('…', '…')` or `this`.",
        )
        .required("the relation, such as `input: ref('orders')`"),
        Key::new(
            "rows",
            ROWS,
            "Rows of the relation. A column that is not named is NULL.",
        ),
        Key::new("format", FORMAT, "Format of the rows. Default: `dict`."),
        Key::new("fixture", Shape::Text, "dbt's fixture file with the rows."),
    ],
};

static EXPECT: Keys = Keys {
    title: "expected",
    doc: "Expected rows.",
    open: false,
    keys: &[
        Key::new("rows", ROWS, "The rows."),
        Key::new("format", FORMAT, "Format of the rows. Default: `dict`."),
        Key::new("fixture", Shape::Text, "dbt's fixture file with the rows."),
    ],
};
