//! Keys of a model.

use super::dbt::{COLUMN, CONTRACT, DATA_TESTS_DOC, SEMANTIC_MODEL, SEMANTIC_MODEL_DOC, TESTS, VERSION};
use super::exposure::EXPOSURE;
use super::spec_tests::{COMPARE, EXAMPLE};
use super::{Key, KeyShape, KeyTable};

pub static MODEL: KeyTable = KeyTable {
    title: "spec",
    doc: "A dbt model or a query, defined by formulas in steps.",
    open: false,
    keys: &[
        Key::new("model", KeyShape::Name, "The model's name: letters, digits and `_`.")
            .determines_rows()
            .required("the model's name, such as `model: monthly_revenue`"),
        Key::new(
            "description",
            KeyShape::Text,
            "Description of the model, for its readers.",
        )
        .synonyms(&["desc", "doc", "docs", "comment"]),
        Key::new(
            "from",
            KeyShape::Text,
            "Source of the rows: a table, `ref('…')`, `ref('package', 'model', v=2)` or `source('raw', 'events')`.",
        )
        .synonyms(&["table", "source", "input", "base_table", "relation"])
        .determines_rows()
        .required("the table that the rows come from, such as `from: orders`"),
        Key::new(
            "steps",
            KeyShape::Steps,
            "The steps, in order. Each step reads the rows of the previous step.",
        )
        .determines_rows(),
        Key::new(
            "columns",
            KeyShape::Either(&KeyShape::Each(&KeyShape::Keys(&COLUMN)), &KeyShape::Names),
            "Properties of the model's columns, by name. If the spec has a single step that is a worksheet: the list \
             of the worksheet's columns.",
        ),
        Key::new("data_tests", TESTS, DATA_TESTS_DOC),
        Key::new("tests", TESTS, "dbt's former name for `data_tests`.").alias_of("data_tests"),
        Key::new(
            "rules",
            KeyShape::List(&KeyShape::SpecRule),
            "Conditions on the model's columns that every row must meet.",
        ),
        Key::new(
            "compare",
            KeyShape::List(&KeyShape::Keys(&COMPARE)),
            "Other relations that must contain the same rows.",
        ),
        Key::new(
            "examples",
            KeyShape::List(&KeyShape::Keys(&EXAMPLE)),
            "Unit tests, with input rows and expected rows.",
        ),
        Key::new(
            "exposures",
            KeyShape::List(&KeyShape::Keys(&EXPOSURE)),
            "Dashboards and programs that use the model.",
        ),
        Key::new("semantic_model", SEMANTIC_MODEL, SEMANTIC_MODEL_DOC),
        Key::new(
            "config",
            KeyShape::Mapping,
            "Configuration of the model, which formulac passes on to dbt.",
        )
        .synonyms(&[
            "materialized",
            "materialization",
            "schema",
            "database",
            "alias",
            "pre_hook",
            "post_hook",
            "cluster_by",
            "full_refresh",
            "persist_docs",
        ]),
        Key::new("contract", KeyShape::Keys(&CONTRACT), "The model's contract in dbt."),
        Key::new(
            "access",
            KeyShape::Choice(&["private", "protected", "public"]),
            "Which models may read this model, as in dbt.",
        ),
        Key::new("group", KeyShape::Text, "The dbt group that the model belongs to."),
        Key::new(
            "versions",
            KeyShape::List(&KeyShape::Keys(&VERSION)),
            "Versions of the model, in dbt's format. The spec generates the latest version.",
        ),
        Key::new("latest_version", KeyShape::Text, "The version that the spec generates."),
        Key::new("tags", KeyShape::Texts, "dbt tags of the model."),
        Key::new("meta", KeyShape::Mapping, "The model's `meta` in dbt."),
        Key::new("owner", KeyShape::Text, "Owner of the model, written to `meta.owner`."),
        Key::new(
            "approvers",
            KeyShape::Texts,
            "People and groups, one of whom must approve each change to the spec.",
        ),
        Key::new(
            "timezone",
            KeyShape::TimeZone,
            "Time zone in which instants become dates, such as `Europe/Berlin`.",
        )
        .determines_rows(),
        Key::new(
            "blanks",
            KeyShape::Choice(&["zero"]),
            "`zero`: NULL is treated as 0 in `+ - *` and in numerators.",
        )
        .determines_rows(),
        Key::new(
            "today",
            KeyShape::Either(&KeyShape::Text, &KeyShape::Keys(&TODAY)),
            "Replacement for the current date: a date, `var('run_date')`, or SQL.",
        )
        .determines_rows(),
        Key::new(
            "week_start",
            KeyShape::Weekday,
            "First day of the week. Default: `monday`.",
        )
        .determines_rows(),
        Key::new(
            "fiscal_month_offset",
            KeyShape::Count("fiscal_month_offset: 3"),
            "Number of months from January to the first month of the fiscal year: 3 if the fiscal year starts in \
            April. `fiscal_quarter` and `fiscal_year` need it.",
        )
        .determines_rows(),
    ],
};

static TODAY: KeyTable = KeyTable {
    title: "today",
    doc: "A dbt variable that replaces the current date.",
    open: false,
    keys: &[
        Key::new("var", KeyShape::Text, "The variable's name.")
            .required("the name of a dbt variable, such as `var: today`"),
        Key::new(
            "default",
            KeyShape::Text,
            "The date to use if the variable is not set, in the form `YYYY-MM-DD`. A plain query uses this date.",
        ),
    ],
};
