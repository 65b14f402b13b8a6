//! Keys of an exposure: a use of the model outside of dbt.

use super::{Key, Keys, Shape};

pub(super) static EXPOSURE: Keys = Keys {
    title: "exposure",
    doc: "A dashboard, notebook or program that uses the model, for dbt's lineage.",
    open: false,
    keys: &[
        Key::new("name", Shape::Text, "Name of the exposure: letters, digits and `_`.")
            .required("the exposure's name, such as `name: weekly_revenue`"),
        Key::new("label", Shape::Text, "Name of the exposure, for people."),
        Key::new(
            "type",
            Shape::Choice(&["dashboard", "notebook", "analysis", "ml", "application"]),
            "Kind of the exposure.",
        )
        .required("the type of the exposure, such as `type: dashboard`"),
        Key::new(
            "maturity",
            Shape::Choice(&["high", "medium", "low"]),
            "Maturity of the exposure.",
        ),
        Key::new("url", Shape::Text, "Address of the exposure."),
        Key::new("description", Shape::Text, "Description of the exposure."),
        Key::new(
            "owner",
            Shape::Keys(&OWNER),
            "Owner of the exposure. Default: the spec's `owner`.",
        ),
        Key::new(
            "depends_on",
            Shape::Texts,
            "Other models and sources that the exposure uses: `orders`, `ref('orders')`, `source('raw', 'events')`.",
        ),
        Key::new("tags", Shape::Texts, "dbt's tags of the exposure."),
        Key::new("meta", Shape::Mapping, "dbt's `meta` of the exposure."),
    ],
};

static OWNER: Keys = Keys {
    title: "owner",
    doc: "Owner of an exposure, by name, by e-mail address, or both.",
    open: false,
    keys: &[
        Key::new("name", Shape::Text, "The name of a person or a team."),
        Key::new("email", Shape::Text, "The e-mail address."),
    ],
};
