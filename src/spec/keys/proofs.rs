//! Keys that say what must hold of a model: rules, comparisons with other models, worked examples.

use super::{Key, Keys, Shape};

pub(crate) static RULE: Keys = Keys {
    title: "rule",
    doc: "A condition that every row of the model meets.",
    open: false,
    keys: &[
        Key::new("name", Shape::Text, "The rule's name.").required("the rule's name"),
        Key::new(
            "check",
            Shape::Formula,
            "The condition over the model's columns, which holds where it is TRUE or NULL; beside `found_in` the column whose values are looked for.",
        )
            .required("the condition, such as `check: revenue >= 0`"),
        Key::new("found_in", Shape::Keys(&FOUND_IN), "The relation in which each value of the column must be."),
        Key::new("where", Shape::Formula, "Only rows for which this holds are checked."),
        Key::new("severity", Shape::Choice(&["error", "warn"]), "How bad a row is that breaks the rule."),
        Key::new("message", Shape::Text, "What is said of rows that break the rule."),
        Key::new(
            "nulls",
            Shape::Choice(&["pass", "fail"]),
            "Whether a condition that is NULL holds; `pass` when not said.",
        ),
    ],
};

static FOUND_IN: Keys = Keys {
    title: "relation",
    doc: "The relation in which each value of a column must be: a test `relationships` of dbt.",
    open: false,
    keys: &[
        Key::new("to", Shape::Text, "The relation: a table, `ref('…')` or `source('…', '…')`.")
            .required("the relation, such as `to: ref('customers')`"),
        Key::new("field", Shape::Text, "Its column; the one of the same name when not said."),
    ],
};

pub(super) static COMPARE: Keys = Keys {
    title: "comparison",
    doc: "Another relation that must hold the same rows.",
    open: false,
    keys: &[
        Key::new("with", Shape::Text, "The other relation: a table, `ref('…')` or `source('…', '…')`.")
            .required("the other relation, such as `with: ref('old_revenue')`"),
        Key::new("keys", Shape::Names, "The columns that tell the rows apart in both.")
            .required("the columns that tell the rows apart, such as `keys: month`"),
        Key::new("columns", Shape::Names, "The columns that are compared; all but the keys when not said."),
        Key::new("tolerance", Shape::Number, "How far two numbers may lie apart."),
        Key::new("where", Shape::Formula, "Only rows for which this holds are compared."),
    ],
};

pub(super) static EXAMPLE: Keys = Keys {
    title: "example",
    doc: "Rows that go in and the rows that must come out, in the shape of dbt's unit tests.",
    open: false,
    keys: &[
        Key::new("name", Shape::Text, "The example's name.").required("the example's name"),
        Key::new("given", Shape::List(&Shape::Keys(&GIVEN)), "The rows of each relation that the model reads.")
            .required("a list with the rows of each relation, `- {input: ref('orders'), rows: […]}`"),
        Key::new("today", Shape::Text, "The current date in this example, `YYYY-MM-DD`."),
        Key::new("expect", Shape::Keys(&EXPECT), "The rows that come out.")
            .required("the rows that come out, `{rows: […]}`"),
    ],
};

const ROWS: Shape = Shape::Either(&Shape::Text, &Shape::List(&Shape::Mapping));
const FORMAT: Shape = Shape::Choice(&["dict", "csv", "sql"]);

static GIVEN: Keys = Keys {
    title: "given",
    doc: "The rows of one relation.",
    open: false,
    keys: &[
        Key::new("input", Shape::Text, "The relation: `ref('…')`, `source('…', '…')` or `this`.")
            .required("the relation, such as `input: ref('orders')`"),
        Key::new("rows", ROWS, "Its rows; a column that is not named is NULL."),
        Key::new("format", FORMAT, "How the rows are written; `dict` when not said."),
        Key::new("fixture", Shape::Text, "A file of dbt that holds the rows."),
    ],
};

static EXPECT: Keys = Keys {
    title: "expected",
    doc: "The rows that come out.",
    open: false,
    keys: &[
        Key::new("rows", ROWS, "The rows."),
        Key::new("format", FORMAT, "How the rows are written; `dict` when not said."),
        Key::new("fixture", Shape::Text, "A file of dbt that holds the rows."),
    ],
};
