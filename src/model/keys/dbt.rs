//! Keys that dbt defines and that are copied to the properties of the model.

use super::{Key, KeyShape, KeyTable};

/// dbt data tests. Each item is the name of a test, or a mapping from the name to arguments.
pub(super) const TESTS: KeyShape = KeyShape::List(&KeyShape::DataTest);
pub(super) const DATA_TESTS_DOC: &str = "dbt's data tests: the names of the tests. A test with arguments is a \
    mapping from its name to the arguments.";

/// Value that determines whether to generate a dbt semantic model, and in which YAML format.
pub(super) const SEMANTIC_MODEL: KeyShape =
    KeyShape::Either(&KeyShape::Boolean, &KeyShape::Choice(&["legacy", "latest"]));
pub(super) const SEMANTIC_MODEL_DOC: &str = "Whether to write a semantic model and metrics: `true` for the format of the project's dbt version, `legacy` for dbt up to 1.11, `latest` for dbt 1.12 or later.";

/// Keys of dbt's `config` that affect the SQL of the model or the statement that creates it. These keys are written to
/// the top of the `.sql` file. All other keys describe the model and are written to the properties file.
pub const SQL_CONFIG_KEYS: &[&str] = &[
    "materialized",
    "unique_key",
    "incremental_strategy",
    "on_schema_change",
    "event_time",
    "batch_size",
    "lookback",
    "begin",
    "concurrent_batches",
    "merge_update_columns",
    "merge_exclude_columns",
    "incremental_predicates",
    "partition_by",
    "partitions",
    "partition_expiration_days",
    "require_partition_filter",
    "hours_to_expiration",
    "cluster_by",
    "automatic_clustering",
    "transient",
    "target_lag",
    "snowflake_warehouse",
    "indexes",
    "unlogged",
    "table_format",
    "sql_header",
];

/// Other well-known keys of dbt's `config`, so that misspelled keys can be reported.
pub const CONFIG_KEYS: &[&str] = &[
    "access",
    "alias",
    "auto_refresh",
    "backup",
    "bind",
    "contract",
    "copy_grants",
    "database",
    "dataset",
    "delete_condition",
    "dist",
    "docs",
    "enabled",
    "full_refresh",
    "grants",
    "group",
    "initialize",
    "kms_key_name",
    "labels",
    "meta",
    "on_configuration_change",
    "packages",
    "persist_docs",
    "post-hook",
    "post_hook",
    "pre-hook",
    "pre_hook",
    "project",
    "query_tag",
    "refresh_mode",
    "resource_tags",
    "schema",
    "secure",
    "sort",
    "sort_type",
    "static_analysis",
    "tags",
    "tmp_relation_type",
];

pub(super) static COLUMN: KeyTable = KeyTable {
    title: "column",
    doc: "Properties of a column of the model.",
    open: false,
    keys: &COLUMN_KEYS,
};

pub(super) static COLUMN_KEYS: [Key; 8] = [
    Key::new(
        "description",
        KeyShape::Text,
        "Description of the column, for the readers of the model.",
    ),
    Key::new(
        "data_type",
        KeyShape::Text,
        "Type of the column in the warehouse, which an enforced contract checks.",
    ),
    Key::new(
        "constraints",
        KeyShape::List(&KeyShape::Keys(&CONSTRAINT)),
        "dbt constraints on the column.",
    ),
    Key::new("data_tests", TESTS, DATA_TESTS_DOC),
    Key::new("tests", TESTS, "dbt's former name for `data_tests`.").alias_of("data_tests"),
    Key::new("tags", KeyShape::Texts, "dbt tags of the column."),
    Key::new("meta", KeyShape::Mapping, "The column's `meta` in dbt."),
    Key::new(
        "omni",
        KeyShape::Mapping,
        "Properties of the column in Omni, written to `meta.omni`.",
    ),
];

static CONSTRAINT: KeyTable = KeyTable {
    title: "constraint",
    doc: "A dbt constraint.",
    open: true,
    keys: &[Key::new(
        "type",
        KeyShape::Choice(&["not_null", "unique", "primary_key", "foreign_key", "check", "custom"]),
        "Type of the constraint.",
    )
    .required("the type of the constraint, such as `type: not_null`")],
};

pub static CONTRACT: KeyTable = KeyTable {
    title: "contract",
    doc: "The model's contract in dbt.",
    open: false,
    keys: &[
        Key::new(
            "enforced",
            KeyShape::Boolean,
            "Whether dbt enforces the names and types of the columns.",
        ),
        Key::new(
            "alias_types",
            KeyShape::Boolean,
            "Whether dbt translates type names for the warehouse.",
        ),
    ],
};

pub(super) static VERSION: KeyTable = KeyTable {
    title: "version",
    doc: "A version of the model.",
    open: true,
    keys: &[
        Key::new("v", KeyShape::Text, "The version's number or name.").required("the version's number, such as `v: 2`"),
        Key::new(
            "defined_in",
            KeyShape::Text,
            "Name of the file with the SQL of the version, without `.sql`.",
        ),
    ],
};

/// Keys under `formulac` in a model's `meta`.
pub static FORMULAC_META: KeyTable = KeyTable {
    title: "formulac",
    doc: "formulac's settings in the model's `meta`.",
    open: true,
    keys: &[Key::new(
        "budget",
        KeyShape::Text,
        "Time limit in seconds for the query of the formulas and for building the model, which `verify` checks.",
    )],
};
