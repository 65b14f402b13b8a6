//! Keys of the project file, `formulac.yml`.

use super::dbt::{SEMANTIC_MODEL, SEMANTIC_MODEL_DOC};
use super::{Key, KeyShape, KeyTable};

pub static PROJECT: KeyTable = KeyTable {
    title: "project",
    doc: "Settings for all specs of a project, in `formulac.yml` next to `dbt_project.yml`.",
    open: false,
    keys: &[
        Key::new("dialect", KeyShape::Dialect, "Dialect of all SQL.").synonyms(&[
            "warehouse",
            "database",
            "adapter",
            "engine",
        ]),
        Key::new(
            "requires",
            KeyShape::Text,
            "Versions of formulac that may be used, such as `\">=0.2,<0.3\"`. Other versions stop with an error.",
        ),
        Key::new("specs", KeyShape::Text, "Folder of the specs, such as `metrics/`."),
        Key::new(
            "timezone",
            KeyShape::TimeZone,
            "Time zone in which instants become dates, such as `Europe/Berlin`.",
        ),
        Key::new(
            "blanks",
            KeyShape::Choice(&["zero"]),
            "`zero`: NULL is treated as 0 in `+ - *` and in numerators.",
        ),
        Key::new(
            "week_start",
            KeyShape::Weekday,
            "First day of the week. Default: `monday`.",
        ),
        Key::new(
            "fiscal_month_offset",
            KeyShape::Count("fiscal_month_offset: 3"),
            "Number of months from January to the first month of the fiscal year: 3 if the fiscal year starts in \
            April. `fiscal_quarter` and `fiscal_year` need it.",
        ),
        Key::new(
            "lint",
            KeyShape::Lint,
            "Warnings to turn off: a list of codes, or a mapping from code to `off`.",
        ),
        Key::new(
            "models",
            KeyShape::Text,
            "Folder of the generated models, such as `models/formulac/`.",
        ),
        Key::new(
            "tests",
            KeyShape::Text,
            "Folder of the generated tests, such as `tests/formulac/`.",
        ),
        Key::new("semantic_model", SEMANTIC_MODEL, SEMANTIC_MODEL_DOC),
        Key::new(
            "omni",
            KeyShape::Either(&KeyShape::Text, &KeyShape::Keys(&OMNI)),
            "Folder of Omni's model files: in the project, or `{path: ../omni-model}`, the root of another git repository.",
        ),
        Key::new(
            "pull",
            KeyShape::Keys(&PULL),
            "Files that `pull` writes in addition to views and joins.",
        ),
        Key::new(
            "environments",
            KeyShape::Each(&KeyShape::Keys(&ENVIRONMENT)),
            "The environments, by name.",
        ),
        Key::new(
            "inherit",
            KeyShape::Texts,
            "Tags that a column inherits from the columns that it is derived from.",
        ),
        Key::new("groups", KeyShape::Each(&KeyShape::Texts), "Members of each group."),
        Key::new("roles", KeyShape::Each(&ROLE), "Role of each person or group."),
        Key::new("default_role", ROLE, "Role of everyone who is not listed in `roles`."),
        Key::new(
            "approvals",
            KeyShape::Each(&KeyShape::Keys(&APPROVALS)),
            "Number of approvals that a push to an environment needs from each role.",
        ),
    ],
};

const ROLE: KeyShape = KeyShape::Choice(&["analyst", "engineer", "business", "admin"]);

static APPROVALS: KeyTable = KeyTable {
    title: "approvals",
    doc: "Number of people per role who must approve a change. Approvals by the authors of the change do not count.",
    open: false,
    keys: &[
        Key::new(
            "business",
            KeyShape::Count("business: 1"),
            "Number of people with the role `business`.",
        ),
        Key::new(
            "analyst",
            KeyShape::Count("analyst: 1"),
            "Number of people with the role `analyst`.",
        ),
        Key::new(
            "engineer",
            KeyShape::Count("engineer: 1"),
            "Number of people with the role `engineer`.",
        ),
        Key::new(
            "admin",
            KeyShape::Count("admin: 1"),
            "Number of people with the role `admin`.",
        ),
    ],
};

static OMNI: KeyTable = KeyTable {
    title: "omni repository",
    doc: "Git repository of Omni's model files.",
    open: false,
    keys: &[Key::new(
        "path",
        KeyShape::Text,
        "Root of the repository's work tree, relative to the project's folder.",
    )
    .required("the root of the repository of Omni's model files, such as `path: ../omni-model`")],
};

static PULL: KeyTable = KeyTable {
    title: "pull",
    doc: "Files that `pull` writes in addition to views and joins.",
    open: false,
    keys: &[
        Key::new(
            "topics",
            KeyShape::Boolean,
            "Whether to write a topic for every model that is not private and joins other models. Default: only for models with `meta.omni.topic`.",
        ),
        Key::new(
            "access_grants",
            KeyShape::Boolean,
            "Whether to write an access grant for every private model. Default: only for models with `meta.omni.access_grant`.",
        ),
        Key::new(
            "metrics",
            KeyShape::Choice(&["formulac", "dbt"]),
            "Which definition Omni uses if both a semantic model that formulac generated and a dbt metric define a \
             measure of a model. Default: a simple metric replaces the measure, and other metrics are added under a \
             different name.",
        ),
        Key::new(
            "virtual_schema",
            KeyShape::Text,
            "First part of the names of Omni's virtual schemas, such as `omni_dbt`. New views of dbt models are written to these schemas. Default: the schemas of the existing views.",
        ),
    ],
};

/// The following settings belong to an environment, and users can override them.
const CONNECTION: Key = Key::new(
    "connection",
    KeyShape::Text,
    "Output of the dbt profile that this environment uses.",
);
const SCHEMA: Key = Key::new(
    "schema",
    KeyShape::Text,
    "Schema in which models are built. `${user}` is the current user, `${branch}` is the current Git branch, and `${env.NAME}` is an environment variable. Each value is converted to an identifier.",
);
const VARS: Key = Key::new(
    "vars",
    KeyShape::Mapping,
    "Variables for dbt, with the same placeholders as `schema`.",
);
const PREVIEW_DIALECT: Key = Key::new("dialect", KeyShape::Dialect, "Dialect of previews.");
const ARTIFACTS: Key = Key::new(
    "artifacts",
    KeyShape::Text,
    "Folder of dbt's artifacts for this connection. Default: `target/<name>/`.",
);

static ENVIRONMENT: KeyTable = KeyTable {
    title: "environment",
    doc: "An environment in which models are built. Secrets belong in dbt's profile, never here.",
    open: false,
    keys: &[
        CONNECTION,
        SCHEMA,
        Key::new("branch", KeyShape::Text, "Branch that a push commits to."),
        Key::new(
            "protected",
            KeyShape::Boolean,
            "Whether a push creates a new branch, which a person has to merge.",
        ),
        VARS,
        PREVIEW_DIALECT,
        ARTIFACTS,
        Key::new(
            "signed",
            KeyShape::Boolean,
            "Whether authors must sign the commits that are merged into the branch.",
        ),
    ],
};

pub static LOCAL: KeyTable = KeyTable {
    title: "local",
    doc: "Settings for one person, in `formulac.local.yml` next to `formulac.yml`. Git ignores this file.",
    open: false,
    keys: &[
        Key::new(
            "user",
            KeyShape::Text,
            "Value of `${user}`. Default: the part before the `@` of the email address that git uses.",
        ),
        Key::new(
            "environments",
            KeyShape::Each(&KeyShape::Keys(&LOCAL_ENVIRONMENT)),
            "This person's settings for environments.",
        ),
    ],
};

static LOCAL_ENVIRONMENT: KeyTable = KeyTable {
    title: "local environment",
    doc: "Settings of an environment for one person.",
    open: false,
    keys: &[CONNECTION, SCHEMA, VARS, PREVIEW_DIALECT, ARTIFACTS],
};
