//! Keys of the project file, `formulac.yml`.

use super::dbt::{SEMANTIC_MODEL, SEMANTIC_MODEL_DOC};
use super::{Key, Keys, Shape};

pub static PROJECT: Keys = Keys {
    title: "project",
    doc: "Settings for all specs of a project, in `formulac.yml` next to `dbt_project.yml`.",
    open: false,
    keys: &[
        Key::new("dialect", Shape::Dialect, "Dialect of all SQL."),
        Key::new("specs", Shape::Text, "Folder of the specs, such as `metrics/`."),
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
        Key::new(
            "lint",
            Shape::Lint,
            "Warnings to turn off: a list of codes, or a mapping from code to `off`.",
        ),
        Key::new(
            "models",
            Shape::Text,
            "Folder of the generated models, such as `models/formulac/`.",
        ),
        Key::new(
            "tests",
            Shape::Text,
            "Folder of the generated tests, such as `tests/formulac/`.",
        ),
        Key::new("semantic_model", SEMANTIC_MODEL, SEMANTIC_MODEL_DOC),
        Key::new(
            "omni",
            Shape::Either(&Shape::Text, &Shape::Keys(&OMNI)),
            "Folder of Omni's model files: in the project, or `{path: ../omni-model}`, the root of another git repository.",
        ),
        Key::new(
            "pull",
            Shape::Keys(&PULL),
            "What `pull` writes in addition to views and joins.",
        ),
        Key::new(
            "environments",
            Shape::Each(&Shape::Keys(&ENVIRONMENT)),
            "The environments, by name.",
        ),
        Key::new(
            "inherit",
            Shape::Texts,
            "Tags that a column inherits from the columns that it is derived from.",
        ),
        Key::new("groups", Shape::Each(&Shape::Texts), "Members of each group."),
        Key::new("roles", Shape::Each(&ROLE), "Role of each person or group."),
        Key::new("default_role", ROLE, "Role of everybody whom `roles` does not name."),
        Key::new(
            "approvals",
            Shape::Each(&Shape::Keys(&APPROVALS)),
            "Number of approvals from each role that a push needs, by environment.",
        ),
    ],
};

const ROLE: Shape = Shape::Choice(&["analyst", "engineer", "business", "admin"]);

static APPROVALS: Keys = Keys {
    title: "approvals",
    doc: "Number of people per role who must approve a change. Approvals by the authors of the change do not count.",
    open: false,
    keys: &[
        Key::new(
            "business",
            Shape::Count("business: 1"),
            "Number of people with the role `business`.",
        ),
        Key::new(
            "analyst",
            Shape::Count("analyst: 1"),
            "Number of people with the role `analyst`.",
        ),
        Key::new(
            "engineer",
            Shape::Count("engineer: 1"),
            "Number of people with the role `engineer`.",
        ),
        Key::new(
            "admin",
            Shape::Count("admin: 1"),
            "Number of people with the role `admin`.",
        ),
    ],
};

static OMNI: Keys = Keys {
    title: "omni repository",
    doc: "Git repository of Omni's model files.",
    open: false,
    keys: &[Key::new(
        "path",
        Shape::Text,
        "Root of the repository's work tree, relative to the project's folder.",
    )
    .required("the root of the repository of Omni's model files, such as `path: ../omni-model`")],
};

static PULL: Keys = Keys {
    title: "pull",
    doc: "What `pull` writes in addition to views and joins.",
    open: false,
    keys: &[
        Key::new(
            "topics",
            Shape::Boolean,
            "Whether to write a topic for every model that is not private and joins others. Default: only for models with `meta.omni.topic`.",
        ),
        Key::new(
            "access_grants",
            Shape::Boolean,
            "Whether to write an access grant for every private model. Default: only for models with `meta.omni.access_grant`.",
        ),
    ],
};

/// The next settings belong to an environment, and users can override them.
const CONNECTION: Key = Key::new("connection", Shape::Text, "An output of the dbt profile.");
const SCHEMA: Key = Key::new(
    "schema",
    Shape::Text,
    "Schema in which models are built. `${user}`, `${branch}` and `${env.NAME}` are replaced by the user, git's branch and a variable, each as an identifier.",
);
const VARS: Key = Key::new(
    "vars",
    Shape::Mapping,
    "Variables for dbt, with the same placeholders as `schema`.",
);
const PREVIEWS: Key = Key::new("dialect", Shape::Dialect, "Dialect of previews.");
const ARTIFACTS: Key = Key::new(
    "artifacts",
    Shape::Text,
    "Folder of dbt's artifacts for this connection. Default: `target/<name>/`.",
);

static ENVIRONMENT: Keys = Keys {
    title: "environment",
    doc: "An environment in which models are built. Secrets belong in dbt's profile, never here.",
    open: false,
    keys: &[
        CONNECTION,
        SCHEMA,
        Key::new("branch", Shape::Text, "Branch that a push commits to."),
        Key::new(
            "protected",
            Shape::Boolean,
            "Whether a push creates a new branch for people to merge.",
        ),
        VARS,
        PREVIEWS,
        ARTIFACTS,
        Key::new(
            "signed",
            Shape::Boolean,
            "Whether authors must sign the commits that are merged into the branch.",
        ),
    ],
};

pub static LOCAL: Keys = Keys {
    title: "local",
    doc: "Settings for one person, in `formulac.local.yml` next to `formulac.yml`. Git ignores this file.",
    open: false,
    keys: &[
        Key::new(
            "user",
            Shape::Text,
            "Value of `${user}`. Default: git's e-mail address up to the `@`.",
        ),
        Key::new(
            "environments",
            Shape::Each(&Shape::Keys(&LOCAL_ENVIRONMENT)),
            "Settings of environments for this person.",
        ),
    ],
};

static LOCAL_ENVIRONMENT: Keys = Keys {
    title: "local environment",
    doc: "Settings of an environment for one person.",
    open: false,
    keys: &[CONNECTION, SCHEMA, VARS, PREVIEWS, ARTIFACTS],
};
