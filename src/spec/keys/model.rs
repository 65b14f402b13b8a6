//! The keys of a model.

use super::dbt::{COLUMN, CONTRACT, DATA_TESTS_DOC, SEMANTIC_MODEL, SEMANTIC_MODEL_DOC, TESTS, VERSION};
use super::exposure::EXPOSURE;
use super::proofs::{COMPARE, EXAMPLE};
use super::{Key, Keys, Shape};

pub(crate) static MODEL: Keys = Keys {
    title: "spec",
    doc: "One dbt model or query, made of formulas in steps.",
    open: false,
    keys: &[
        Key::new("model", Shape::Name, "The model's name: letters, digits and `_`.")
            .required("a name, such as `model: monthly_revenue`"),
        Key::new("description", Shape::Text, "What a row of the model is, for its readers."),
        Key::new(
            "from",
            Shape::Text,
            "Where the rows come from: a table, `ref('…')`, `ref('package', 'model', v=2)` or `source('raw', 'events')`.",
        )
        .required("the table that the rows come from, such as `from: orders`"),
        Key::new("steps", Shape::Steps, "Steps that each read the one before; a spec of one step may have its keys at the top."),
        Key::new(
            "columns",
            Shape::Either(&Shape::Each(&Shape::Keys(&COLUMN)), &Shape::Names),
            "What is said of the model's columns, by name; in a spec of one step that is a worksheet, the list of its columns.",
        ),
        Key::new("data_tests", TESTS, DATA_TESTS_DOC),
        Key::new("tests", TESTS, "The same as `data_tests`.").same_as("data_tests"),
        Key::new("rules", Shape::List(&Shape::Rule), "Conditions over the model's columns that every row meets."),
        Key::new("compare", Shape::List(&Shape::Keys(&COMPARE)), "Relations that must hold the same rows."),
        Key::new("examples", Shape::List(&Shape::Keys(&EXAMPLE)), "Rows that go in and the rows that must come out."),
        Key::new("exposures", Shape::List(&Shape::Keys(&EXPOSURE)), "Dashboards and programs that use the model."),
        Key::new("semantic_model", SEMANTIC_MODEL, SEMANTIC_MODEL_DOC),
        Key::new("config", Shape::Mapping, "dbt's configuration of the model, passed on."),
        Key::new("contract", Shape::Keys(&CONTRACT), "dbt's contract: whether names and types of the columns are enforced."),
        Key::new("access", Shape::Choice(&["private", "protected", "public"]), "Which models of dbt may read this one."),
        Key::new("group", Shape::Text, "The dbt group that the model belongs to."),
        Key::new("versions", Shape::List(&Shape::Keys(&VERSION)), "dbt's versions of the model; the spec makes the latest."),
        Key::new("latest_version", Shape::Text, "The version that the spec makes."),
        Key::new("tags", Shape::Texts, "dbt's tags of the model."),
        Key::new("meta", Shape::Mapping, "Facts about the model that dbt keeps beside it."),
        Key::new("owner", Shape::Text, "Who answers for the model; kept as `meta.owner`."),
        Key::new("approvers", Shape::Texts, "People and groups, one of whom approves each change of the spec."),
        Key::new("timezone", Shape::Text, "The time zone in which instants become dates, such as `Europe/Berlin`."),
        Key::new("blanks", Shape::Choice(&["zero"]), "`zero`: blank operands of `+ - *` and of numerators count as 0."),
        Key::new(
            "today",
            Shape::Either(&Shape::Text, &Shape::Keys(&TODAY)),
            "What stands in place of the current date: a date, `var('run_date')`, or SQL.",
        ),
        Key::new("week_start", Shape::Weekday, "The day on which weeks begin; `monday` when not said."),
        Key::new(
            "fiscal_month_offset",
            Shape::Count("fiscal_month_offset: 3"),
            "Months from January to the first month of the fiscal year: 3 if it begins in April. `fiscal_quarter` and `fiscal_year` need it.",
        ),
    ],
};

static TODAY: Keys = Keys {
    title: "today",
    doc: "A variable of dbt that holds the date in place of the current one.",
    open: false,
    keys: &[
        Key::new("var", Shape::Text, "The variable's name.").required("the name of a variable of dbt"),
        Key::new("default", Shape::Text, "The date where nobody sets it, `YYYY-MM-DD`; a plain query has this one."),
    ],
};
