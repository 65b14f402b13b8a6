//! Access settings in Omni that apply to promoted fields. dbt has no users, so the spec stores the settings in
//! `meta.omni`, from which `pull` writes them to the view and the topic of the model.

use super::spec_text::flow_list;
use crate::schema::{OmniReference, ParsedOmniModel};
use crate::yaml::{Node, format_flow_scalar};

/// Access settings of a view and of the topics that contain the view.
#[derive(Default)]
pub(super) struct ViewAccess<'m> {
    pub notices: Vec<AccessNotice<'m>>,
    /// Names of the grants that a user needs to query the view.
    pub grants: Vec<String>,
    pub filters: Vec<AccessFilter>,
}

/// Setting of a view or topic that the user has to check.
pub(super) struct AccessNotice<'m> {
    /// Index of the file.
    pub file: usize,
    pub node: &'m Node,
    pub what: String,
    pub reason: String,
    /// Whether the spec contains the setting.
    pub is_carried: bool,
}

/// Field by which a view or topic filters the rows that a user can see.
pub(super) struct AccessFilter {
    /// View or topic with the filter.
    pub of: String,
    pub field: OmniReference,
    user_attribute: Option<String>,
    values_for_unfiltered: Vec<String>,
}

impl<'m> ViewAccess<'m> {
    /// Returns the access settings that apply to a view, in one topic or in all topics. A user who can see the view in
    /// one topic needs only the grants of this topic, so only the grants that all topics require apply to the view.
    pub fn find(model: &'m ParsedOmniModel<'_>, view: usize, only: Option<&str>) -> Self {
        let mut access = Self::default();
        let name = model.view_reference_name(view);
        if let Some(of_view) = model.views.get(view)
            && let Some(file) = model.files.get(of_view.file)
        {
            let subject = format!("view `{name}`");
            access.add_settings(model, of_view.file, &file.root, &subject, [&name, &name]);
            access.grants = required_grants_of(&file.root);
        }
        let mut of_topics: Option<Vec<String>> = None;
        let topics = model.topics_by_name().into_iter();
        for (name_of_topic, topic) in topics.filter(|(name, _)| only.is_none_or(|only| only.eq_ignore_ascii_case(name)))
        {
            let Some(root) = model.files.get(topic.file).map(|file| &file.root) else {
                continue;
            };
            let base = model.canonical_name(&topic.base_view);
            if base == name
                || model
                    .topic_joins(topic)
                    .iter()
                    .any(|(_, view)| model.canonical_name(view) == name)
            {
                let subject = format!("topic `{name_of_topic}`");
                access.add_settings(model, topic.file, root, &subject, [&base, &name]);
                let grants = required_grants_of(root);
                match &mut of_topics {
                    Some(common) => common.retain(|grant| grants.contains(grant)),
                    None => of_topics = Some(grants),
                }
            }
        }
        let of_topics = of_topics.unwrap_or_default().into_iter();
        let more: Vec<String> = of_topics.filter(|grant| !access.grants.contains(grant)).collect();
        access.grants.extend(more);
        access
    }

    /// Collects the access settings of the view or topic that `subject` describes. `base` is the base view of the
    /// topic, and `view` is the promoted view.
    fn add_settings(
        &mut self,
        model: &'m ParsedOmniModel<'_>,
        file: usize,
        root: &'m Node,
        subject: &str,
        [base, view]: [&str; 2],
    ) {
        self.add_grants(file, root, subject);
        let filters = root.get("access_filters");
        for filter in filters.and_then(Node::items).unwrap_or_default() {
            let Some(field) = filter.string_at("field") else {
                continue;
            };
            let mut field = OmniReference::read(&field);
            let of_view = field
                .view
                .as_deref()
                .map_or_else(|| base.to_owned(), |name| model.canonical_name(name));
            let attribute = filter
                .string_at("user_attribute")
                .map_or_else(String::new, |name| format!(" by the user's `{name}`"));
            self.notices.push(AccessNotice {
                file,
                node: filter,
                what: format!("access filter of the {subject}"),
                reason: format!(
                    "the {subject} filters `{of_view}.{}`{attribute}, but the model contains the rows of all users",
                    field.field
                ),
                is_carried: true,
            });
            // A key column from another view would repeat the rows, unless the promoted view is the base view of the
            // topic.
            if of_view == view || base == view {
                field.view = Some(of_view);
                self.filters.push(AccessFilter {
                    of: subject.to_owned(),
                    field,
                    user_attribute: filter.string_at("user_attribute"),
                    values_for_unfiltered: filter.texts_at("values_for_unfiltered"),
                });
            }
        }
        if let Some(node) = root.get("default_filters") {
            self.notices.push(AccessNotice {
                file,
                node,
                what: format!("default filters of the {subject}"),
                reason: format!("the {subject} filters rows by default, but the model contains all rows"),
                is_carried: true,
            });
        }
    }

    /// Records the settings of a query's topic that a spec cannot express.
    pub fn add_topic_issues(&mut self, model: &'m ParsedOmniModel<'_>, topic: &str) {
        let file = model.topic(topic).map(|topic| topic.file);
        let Some((file, root)) = file.and_then(|file| Some((file, &model.files.get(file)?.root))) else {
            return;
        };
        let settings = [
            (
                "extends",
                root.get("extends"),
                "formulac does not convert the conditions and access settings of the extended topic",
            ),
            (
                "views",
                root.get("views").filter(|views| changes_field_values(views)),
                "the spec ignores the topic's changes to fields, and uses the views' fields",
            ),
        ];
        for (key, node, reason) in settings {
            if let Some(node) = node {
                self.notices.push(AccessNotice {
                    file,
                    node,
                    what: format!("{key} of the topic `{topic}`"),
                    reason: reason.to_owned(),
                    is_carried: false,
                });
            }
        }
    }

    fn add_grants(&mut self, file: usize, root: &'m Node, subject: &str) {
        let Some(node) = root.get("required_access_grants") else {
            return;
        };
        let names = required_grants_of(root).join("`, `");
        self.notices.push(AccessNotice {
            file,
            node,
            what: format!("access grants of the {subject}"),
            reason: format!(
                "the {subject} requires the access grants `{names}` in Omni; the grants do not restrict who can read the \
                 model in the warehouse"
            ),
            is_carried: true,
        });
    }
}

impl AccessFilter {
    /// Returns the filter as an entry of `access_filters`, for a column of the model.
    pub fn entry(&self, column: &str) -> String {
        let mut keys = vec![format!("field: {}", format_flow_scalar(column))];
        keys.extend(
            self.user_attribute
                .as_ref()
                .map(|name| format!("user_attribute: {}", format_flow_scalar(name))),
        );
        if !self.values_for_unfiltered.is_empty() {
            keys.push(format!(
                "values_for_unfiltered: {}",
                flow_list(&self.values_for_unfiltered)
            ));
        }
        format!("{{{}}}", keys.join(", "))
    }
}

/// Returns whether the views of a topic change the values of fields, and not only labels and formats.
fn changes_field_values(views: &Node) -> bool {
    let views = views.pairs().unwrap_or_default().iter();
    let kinds = views.flat_map(|(_, view)| ["dimensions", "measures", "filters"].map(|kind| view.pairs_at(kind)));
    let has_value = |field: &Node| {
        let keys = ["sql", "aggregate_type", "filters", "ignored"];
        keys.iter().any(|key| field.get(key).is_some())
    };
    kinds.flatten().any(|(_, field)| has_value(field))
}

/// Returns the names of the access grants that a view, topic or field requires.
pub(super) fn required_grants_of(node: &Node) -> Vec<String> {
    node.texts_at("required_access_grants")
}
