//! The keys of an exposure: what uses the model outside of dbt.

use super::{Key, Keys, Shape};

pub(super) static EXPOSURE: Keys = Keys {
    title: "exposure",
    doc: "A dashboard, notebook or program that uses the model, for dbt's lineage.",
    open: false,
    keys: &[
        Key::new("name", Shape::Text, "Its name for dbt: letters, digits and `_`.")
            .required("the exposure's name, such as `name: weekly_revenue`"),
        Key::new("label", Shape::Text, "Its name for people."),
        Key::new("type", Shape::Choice(&["dashboard", "notebook", "analysis", "ml", "application"]), "What it is.")
            .required("what it is, such as `type: dashboard`"),
        Key::new("maturity", Shape::Choice(&["high", "medium", "low"]), "How far it can be relied on."),
        Key::new("url", Shape::Text, "Where it is."),
        Key::new("description", Shape::Text, "What it shows, for those who change what it is made of."),
        Key::new("owner", Shape::Keys(&OWNER), "Who answers for it; the spec's `owner` when not said."),
        Key::new(
            "depends_on",
            Shape::Texts,
            "What it uses besides this model: `orders`, `ref('orders')`, `source('raw', 'events')`.",
        ),
        Key::new("tags", Shape::Texts, "dbt's tags of the exposure."),
        Key::new("meta", Shape::Mapping, "Facts about it that dbt keeps beside it."),
    ],
};

static OWNER: Keys = Keys {
    title: "owner",
    doc: "Who answers for it, by name, by e-mail address, or both.",
    open: false,
    keys: &[
        Key::new("name", Shape::Text, "The name of a person or a team."),
        Key::new("email", Shape::Text, "The e-mail address."),
    ],
};
