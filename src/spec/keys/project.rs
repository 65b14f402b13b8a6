//! The keys of the project file, `formulac.yml`.

use super::dbt::{SEMANTIC_MODEL, SEMANTIC_MODEL_DOC};
use super::{Key, Keys, Shape};

pub(crate) static PROJECT: Keys = Keys {
    title: "project",
    doc: "What holds for all specs of a project: `formulac.yml` beside `dbt_project.yml`.",
    open: false,
    keys: &[
        Key::new("dialect", Shape::Dialect, "The dialect of all SQL."),
        Key::new("specs", Shape::Text, "The folder of the specs, such as `metrics/`."),
        Key::new("timezone", Shape::Text, "The time zone in which instants become dates, such as `Europe/Berlin`."),
        Key::new("blanks", Shape::Choice(&["zero"]), "`zero`: blank operands of `+ - *` and of numerators count as 0."),
        Key::new("week_start", Shape::Weekday, "The day on which weeks begin; `monday` when not said."),
        Key::new(
            "fiscal_month_offset",
            Shape::Count("fiscal_month_offset: 3"),
            "Months from January to the first month of the fiscal year: 3 if it begins in April. `fiscal_quarter` and `fiscal_year` need it.",
        ),
        Key::new(
            "lint",
            Shape::Lint,
            "Warnings that are turned off: a list of codes, or a mapping from code to `off`.",
        ),
        Key::new("models", Shape::Text, "The folder of the generated models, such as `models/formulac/`."),
        Key::new("tests", Shape::Text, "The folder of the generated tests, such as `tests/formulac/`."),
        Key::new("semantic_model", SEMANTIC_MODEL, SEMANTIC_MODEL_DOC),
        Key::new(
            "omni",
            Shape::Either(&Shape::Text, &Shape::Keys(&OMNI)),
            "The folder of Omni's model files: in the project, or `{path: ../omni-model}`, the root of another git repository.",
        ),
        Key::new("pull", Shape::Keys(&PULL), "What `pull` writes beside views and joins."),
        Key::new("environments", Shape::Each(&Shape::Keys(&ENVIRONMENT)), "The environments, by name."),
        Key::new("inherit", Shape::Texts, "Tags that every column made from a tagged column keeps."),
        Key::new("groups", Shape::Each(&Shape::Texts), "Who belongs to which group."),
        Key::new("roles", Shape::Each(&ROLE), "The role of each person or group."),
        Key::new("default_role", ROLE, "The role of those whom `roles` does not name."),
        Key::new(
            "approvals",
            Shape::Each(&Shape::Keys(&APPROVALS)),
            "How many of each role approve a push, by environment.",
        ),
    ],
};

const ROLE: Shape = Shape::Choice(&["analyst", "engineer", "business", "admin"]);

static APPROVALS: Keys = Keys {
    title: "approvals",
    doc: "How many people of each role approve a change, never its authors.",
    open: false,
    keys: &[
        Key::new("business", Shape::Count("business: 1"), "How many of the role `business`."),
        Key::new("analyst", Shape::Count("analyst: 1"), "How many of the role `analyst`."),
        Key::new("engineer", Shape::Count("engineer: 1"), "How many of the role `engineer`."),
        Key::new("admin", Shape::Count("admin: 1"), "How many of the role `admin`."),
    ],
};

static OMNI: Keys = Keys {
    title: "omni repository",
    doc: "Where Omni's model files are in a git repository of their own.",
    open: false,
    keys: &[Key::new("path", Shape::Text, "The root of that repository's work tree, seen from the project's folder.")
        .required("the root of the repository of Omni's model files")],
};

static PULL: Keys = Keys {
    title: "pull",
    doc: "What `pull` writes beside views and joins.",
    open: false,
    keys: &[
        Key::new(
            "topics",
            Shape::Boolean,
            "A topic for every model that is not private and from which certain joins lead to others; without it only where `meta.omni.topic` of a model asks for one.",
        ),
        Key::new(
            "access_grants",
            Shape::Boolean,
            "An access grant for the group of every private model; without it only where `meta.omni.access_grant` of a model asks for one.",
        ),
    ],
};

/// What one person may have otherwise than the project says.
const CONNECTION: Key = Key::new("connection", Shape::Text, "An output of the dbt profile.");
const SCHEMA: Key = Key::new(
    "schema",
    Shape::Text,
    "The schema that models are built in. `${user}`, `${branch}` and `${env.NAME}` stand for who uses it, for git's branch and for a variable, each cleaned to an identifier.",
);
const VARS: Key = Key::new("vars", Shape::Mapping, "Variables for dbt, with the same placeholders as `schema`.");
const PREVIEWS: Key = Key::new("dialect", Shape::Dialect, "The dialect of previews.");
const ARTIFACTS: Key = Key::new(
    "artifacts",
    Shape::Text,
    "The folder of what dbt left when it was run with this connection; `target/<name>/` when not said.",
);

static ENVIRONMENT: Keys = Keys {
    title: "environment",
    doc: "Where models are built; secrets stand in dbt's profile, never here.",
    open: false,
    keys: &[
        CONNECTION,
        SCHEMA,
        Key::new("branch", Shape::Text, "The branch that a push commits to."),
        Key::new("protected", Shape::Boolean, "Whether a push makes a branch of its own, to be merged by people."),
        VARS,
        PREVIEWS,
        ARTIFACTS,
        Key::new("signed", Shape::Boolean, "Whether commits that are merged into it must be signed by their authors."),
    ],
};

pub(crate) static LOCAL: Keys = Keys {
    title: "local",
    doc: "What holds for one person: `formulac.local.yml` beside `formulac.yml`, ignored by git.",
    open: false,
    keys: &[
        Key::new("user", Shape::Text, "What stands for `${user}`; the begin of git's address when not said."),
        Key::new(
            "environments",
            Shape::Each(&Shape::Keys(&LOCAL_ENVIRONMENT)),
            "What environments of the project are for this person.",
        ),
    ],
};

static LOCAL_ENVIRONMENT: Keys = Keys {
    title: "local environment",
    doc: "What an environment of the project is for one person.",
    open: false,
    keys: &[CONNECTION, SCHEMA, VARS, PREVIEWS, ARTIFACTS],
};
