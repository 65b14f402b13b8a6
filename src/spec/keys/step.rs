//! The keys of a step and of its definitions.

use super::dbt::{DATA_TESTS_DOC, TESTS};
use super::{Key, Keys, Shape};

pub(crate) static STEP: Keys = Keys {
    title: "step",
    doc: "One step: it reads the rows of the step before and gives rows of its own.",
    open: false,
    keys: &[
        Key::new("name", Shape::Text, "The step's name, which becomes the name of its CTE."),
        Key::new(
            "definitions",
            Shape::Definitions,
            "The formulas of the step: a text block (`|`) with a line `name = formula` each, or a mapping `name: formula`.",
        ),
        Key::new(
            "group_by",
            Shape::Names,
            "What the rows are grouped by: columns, definitions of single rows, or timeframes such as `billing_date[month]`.",
        ),
        Key::new(
            "order_by",
            Shape::Names,
            "The order of rows, for what looks at other rows and for `limit`: names, each with `asc` or `desc`.",
        ),
        Key::new(
            "partition_by",
            Shape::Names,
            "Where what looks at other rows begins anew; `[]` for nowhere. Not said: the names of `group_by` that are not in `order_by`.",
        ),
        Key::new(
            "keep",
            Shape::Names,
            "Columns of the step before that are passed on, or `all`; not in a grouped step.",
        ),
        Key::new("where", Shape::Formula, "Only rows for which this condition holds are read."),
        Key::new("having", Shape::Formula, "Only groups for which this condition holds are kept."),
        Key::new("limit", Shape::Count("limit: 100"), "How many rows are kept, in the order of `order_by`."),
        Key::new("joins", Shape::Joins, "Other relations whose columns can be used."),
        Key::new(
            "columns",
            Shape::Names,
            "The columns of a worksheet, A, B, C and so on, in order: columns of the step before, or timeframes of them.",
        ),
        Key::new(
            "calculations",
            Shape::Definitions,
            "The formulas of a worksheet, which look at its cells: `growth = B1 / B0 - 1`. They are columns behind its own.",
        ),
        Key::new(
            "row",
            Shape::Count("row: 3"),
            "The row of the sheet for which a worksheet's formulas are written; 1 when not said.",
        ),
        Key::new(
            "pivot_by",
            Shape::Names,
            "What the columns of a pivoted worksheet are of: each value is a column of the pivot, in which cells follow each other.",
        ),
        Key::new(
            "values",
            Shape::Texts,
            "The values of `pivot_by`, for the wide form: one row for each row of the pivot, a column for each measure and value.",
        ),
        Key::new(
            "tabs",
            Shape::Each(&Shape::Keys(&TAB)),
            "Other sheets of a worksheet, by the names that formulas have for them: `'Targets'!A:B` reads the tab `Targets`.",
        ),
    ],
};

pub(crate) static TAB: Keys = Keys {
    title: "tab",
    doc: "Another model, or an earlier step, in which lookups find rows.",
    open: false,
    keys: &[
        Key::new("model", Shape::Text, "The model, table or earlier step: a name, `ref('…')` or `source('…', '…')`.")
            .required("the model that the tab is, such as `targets`"),
        Key::new(
            "columns",
            Shape::Names,
            "Its columns A, B, C and so on, in order; those of the schema when not said.",
        ),
        Key::new(
            "order_by",
            Shape::Names,
            "The order of its rows, of which a lookup takes the first: names, each with `asc` or `desc`.",
        ),
    ],
};

pub(crate) static JOIN: Keys = Keys {
    title: "join",
    doc: "Another relation whose columns can be used.",
    open: false,
    keys: &[
        Key::new("to", Shape::Text, "The other relation, or an earlier step.")
            .required("the relation or the earlier step that is joined, such as `customers`"),
        Key::new("as", Shape::Text, "The name by which its columns are read."),
        Key::new("on", Shape::Formula, "The condition on which rows belong together."),
        Key::new("true", Shape::Formula, "What a tool that takes YAML 1.1 for YAML makes of `on`.").same_as("on"),
        Key::new("using", Shape::Names, "Columns of one name in both, on which rows belong together."),
        Key::new("type", Shape::Choice(&["left", "inner", "full", "cross"]), "The kind of join; `left` when not said."),
        Key::new(
            "cardinality",
            Shape::Choice(&["one", "many"]),
            "How many rows of the other relation belong to one; `one` when not said.",
        ),
    ],
};

pub(crate) static DEFINITION: Keys = Keys {
    title: "definition",
    doc: "A formula with what is said of it.",
    open: false,
    keys: &[
        Key::new("formula", Shape::Formula, "The formula.").required("the definition's formula"),
        Key::new("description", Shape::Text, "What the column holds, for the readers of the model."),
        Key::new("data_tests", TESTS, DATA_TESTS_DOC),
        Key::new("tests", TESTS, "The same as `data_tests`.").same_as("data_tests"),
        Key::new("meta", Shape::Mapping, "Facts about the column that dbt keeps beside it."),
    ],
};
