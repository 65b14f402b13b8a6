//! Keys of a model.

use super::dbt::{COLUMN, CONTRACT, DATA_TESTS_DOC, SEMANTIC_MODEL, SEMANTIC_MODEL_DOC, TESTS, VERSION};
use super::exposure::EXPOSURE;
use super::proofs::{COMPARE, EXAMPLE};
use super::{Key, Keys, Shape};

pub static MODEL: Keys = Keys {
    title: "spec",
    doc: "dbt model or query, defined by formulas in steps.",
    open: false,
    keys: &[
        Key::new("model", Shape::Name, "The model's name: letters, digits and `_`.")
            .required("the model's name, such as `model: monthly_revenue`"),
        Key::new("description", Shape::Text, "Description of the model, for its readers."),
        Key::new(
            "from",
            Shape::Text,
            "Source of the rows: a table, `ref('…')`, `ref('package', 'model', v=2)` or `source('raw', 'events')`.",
        )
        .required("the table that the rows come from, such as `from: orders`"),
        Key::new(
            "steps",
            Shape::Steps,
            "Steps in order: each reads the rows of the step before.",
        ),
        Key::new(
            "columns",
            Shape::Either(&Shape::Each(&Shape::Keys(&COLUMN)), &Shape::Names),
            "Properties of the model's columns, by name. In a spec with one step that is a worksheet: the list of its columns.",
        ),
        Key::new("data_tests", TESTS, DATA_TESTS_DOC),
        Key::new("tests", TESTS, "The same as `data_tests`.").same_as("data_tests"),
        Key::new(
            "rules",
            Shape::List(&Shape::Rule),
            "Conditions on the model's columns that every row must meet.",
        ),
        Key::new(
            "compare",
            Shape::List(&Shape::Keys(&COMPARE)),
            "Other relations that must contain the same rows.",
        ),
        Key::new(
            "examples",
            Shape::List(&Shape::Keys(&EXAMPLE)),
            "Unit tests: input rows and expected rows.",
        ),
        Key::new(
            "exposures",
            Shape::List(&Shape::Keys(&EXPOSURE)),
            "Dashboards and programs that use the model.",
        ),
        Key::new("semantic_model", SEMANTIC_MODEL, SEMANTIC_MODEL_DOC),
        Key::new(
            "config",
            Shape::Mapping,
            "dbt's configuration of the model, passed on to dbt.",
        ),
        Key::new("contract", Shape::Keys(&CONTRACT), "dbt's contract of the model."),
        Key::new(
            "access",
            Shape::Choice(&["private", "protected", "public"]),
            "Which models may read this model, as in dbt.",
        ),
        Key::new("group", Shape::Text, "The dbt group that the model belongs to."),
        Key::new(
            "versions",
            Shape::List(&Shape::Keys(&VERSION)),
            "dbt's versions of the model. The spec generates the latest version.",
        ),
        Key::new("latest_version", Shape::Text, "The version that the spec generates."),
        Key::new("tags", Shape::Texts, "dbt's tags of the model."),
        Key::new("meta", Shape::Mapping, "The model's dbt `meta`."),
        Key::new("owner", Shape::Text, "Owner of the model, written to `meta.owner`."),
        Key::new(
            "approvers",
            Shape::Texts,
            "People and groups. One of them must approve each change of the spec.",
        ),
        Key::new(
            "timezone",
            Shape::Text,
            "Time zone in which instants become dates, such as `Europe/Berlin`.",
        ),
        Key::new(
            "blanks",
            Shape::Choice(&["zero"]),
            "`zero`: NULL counts as 0 in `+ - *` and in numerators.",
        ),
        Key::new(
            "today",
            Shape::Either(&Shape::Text, &Shape::Keys(&TODAY)),
            "Replacement for the current date: a date, `var('run_date')`, or SQL.",
        ),
        Key::new(
            "week_start",
            Shape::Weekday,
            "First day of the week. Default: `monday`.",
        ),
        Key::new(
            "fiscal_month_offset",
            Shape::Count("fiscal_month_offset: 3"),
            "Months from January to the first month of the fiscal year: 3 if it starts in April. `fiscal_quarter` \
            and `fiscal_year` need it.",
        ),
    ],
};

static TODAY: Keys = Keys {
    title: "today",
    doc: "A variable of dbt that replaces the current date.",
    open: false,
    keys: &[
        Key::new("var", Shape::Text, "The variable's name.")
            .required("the name of a dbt variable, such as `var: today`"),
        Key::new(
            "default",
            Shape::Text,
            "The date if the variable is not set, `YYYY-MM-DD`. A plain query uses this date.",
        ),
    ],
};
