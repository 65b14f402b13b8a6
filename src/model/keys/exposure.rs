//! Keys of an exposure: a use of the model outside of dbt.

use super::{Key, KeyShape, KeyTable};

pub(super) static EXPOSURE: KeyTable = KeyTable {
    title: "exposure",
    doc: "A dashboard, notebook or program that uses the model. dbt shows it in the lineage graph.",
    open: false,
    keys: &[
        Key::new("name", KeyShape::Text, "Name of the exposure: letters, digits and `_`.")
            .required("the exposure's name, such as `name: weekly_revenue`"),
        Key::new("label", KeyShape::Text, "Display name of the exposure."),
        Key::new(
            "type",
            KeyShape::Choice(&["dashboard", "notebook", "analysis", "ml", "application"]),
            "Type of the exposure.",
        )
        .required("the type of the exposure, such as `type: dashboard`"),
        Key::new(
            "maturity",
            KeyShape::Choice(&["high", "medium", "low"]),
            "Maturity of the exposure.",
        ),
        Key::new("url", KeyShape::Text, "URL of the exposure."),
        Key::new("description", KeyShape::Text, "Description of the exposure."),
        Key::new(
            "owner",
            KeyShape::Keys(&OWNER),
            "Owner of the exposure. Default: the spec's `owner`.",
        ),
        Key::new(
            "depends_on",
            KeyShape::Texts,
            "Other models and sources that the exposure uses: `orders`, `ref('orders')`, `source('raw', 'events')`.",
        ),
        Key::new("tags", KeyShape::Texts, "dbt tags of the exposure."),
        Key::new("meta", KeyShape::Mapping, "The exposure's `meta` in dbt."),
    ],
};

static OWNER: KeyTable = KeyTable {
    title: "owner",
    doc: "Owner of an exposure: a name, an email address, or both.",
    open: false,
    keys: &[
        Key::new("name", KeyShape::Text, "The name of a person or a team."),
        Key::new("email", KeyShape::Text, "The email address."),
    ],
};
