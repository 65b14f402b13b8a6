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
            "Months from January to the first month of the fiscal year; 0 when not said.",
        ),
        Key::new(
            "lint",
            Shape::Lint,
            "Warnings that are turned off: a list of codes, or a mapping from code to `off`.",
        ),
        Key::new("models", Shape::Text, "The folder of the generated models, such as `models/formulac/`."),
        Key::new("tests", Shape::Text, "The folder of the generated tests, such as `tests/formulac/`."),
        Key::new("semantic_model", SEMANTIC_MODEL, SEMANTIC_MODEL_DOC),
        Key::new("omni", Shape::Text, "The folder of Omni's model files."),
        Key::new("pull", Shape::Keys(&PULL), "What `pull` writes beside views and joins."),
        Key::new("environments", Shape::Each(&Shape::Keys(&ENVIRONMENT)), "The environments, by name."),
        Key::new("inherit", Shape::Texts, "Tags that every column made from a tagged column keeps."),
        Key::new("groups", Shape::Each(&Shape::Texts), "Who belongs to which group."),
        Key::new("roles", Shape::Each(&ROLE), "The role of each person or group."),
        Key::new("default_role", ROLE, "The role of those whom `roles` does not name."),
        Key::new(
            "approvals",
            Shape::Each(&Shape::Each(&APPROVALS)),
            "How many of each role approve a push, by environment.",
        ),
    ],
};

const ROLE: Shape = Shape::Choice(&["analyst", "engineer", "business", "admin"]);
const APPROVALS: Shape = Shape::Count("engineer: 1");

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

static ENVIRONMENT: Keys = Keys {
    title: "environment",
    doc: "Where models are built; secrets stand in dbt's profile, never here.",
    open: false,
    keys: &[
        Key::new("connection", Shape::Text, "An output of the dbt profile."),
        Key::new("schema", Shape::Text, "The schema that models are built in."),
        Key::new("branch", Shape::Text, "The branch that a push commits to."),
        Key::new("protected", Shape::Boolean, "Whether a push makes a branch of its own, to be merged by people."),
        Key::new("vars", Shape::Mapping, "Variables for dbt."),
        Key::new("dialect", Shape::Dialect, "The dialect of previews."),
    ],
};
