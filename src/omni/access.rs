//! Converts dbt's access levels and groups to Omni's access settings for tables.
//!
//! Access levels in dbt restrict which models may read a model. Access settings in Omni restrict which users may query
//! a table. The conversion never grants more access than dbt. Private models are hidden, and if access grants are
//! requested, only users in the model's group can query the model.

use std::collections::BTreeMap;

use super::measures::UnsupportedElement;
use super::meta::{self, plain_text};
use super::names::{UsedOmniNames, to_omni_name};
use super::table::DbtTable;
use crate::artifacts::{ManifestNode, MetaValue};
use crate::yaml::{YamlValue, write_value};

/// Name of the pull record for the model file.
pub(super) const MODEL_FILE: &str = "model";

/// Omni user attribute that is checked by access grants. The attribute contains the user's groups.
const USER_GROUPS_ATTRIBUTE: &str = "omni_user_groups";

/// Access grants in a project. `names` maps each group of Omni users to the name of the group's grant.
#[derive(Debug, Default)]
pub(super) struct AccessGrants<'a> {
    names: BTreeMap<&'a str, String>,
    is_project_default: bool,
}

impl<'a> AccessGrants<'a> {
    /// Collects the grants that the tables need. If `is_project_default` is `true`, private models need the grant of
    /// their group even if they do not request it.
    pub fn new(tables: &[DbtTable<'a>], is_project_default: bool, gaps: &mut Vec<UnsupportedElement>) -> Self {
        let mut grants = Self {
            names: BTreeMap::new(),
            is_project_default,
        };
        for table in tables {
            match grants.user_group(table.node) {
                Ok(Some(group)) => drop(grants.names.entry(group).or_default()),
                Ok(None) => {}
                Err(reason) => gaps.push(UnsupportedElement {
                    name: table.node.name.to_string(),
                    reason,
                }),
            }
        }
        let mut used_names = UsedOmniNames::default();
        for (group, name) in &mut grants.names {
            *name = used_names.reserve([format!("group_{}", to_omni_name(group))]);
        }
        grants
    }

    /// Returns the group of users who have access to a table. `None` if the table needs no grant.
    fn user_group(&self, node: &'a ManifestNode) -> Result<Option<&'a str>, String> {
        let omni = meta::omni_meta(&node.meta);
        let says = |key: &str| omni.and_then(|omni| omni.get(key));
        if says("required_access_grants").is_some() {
            // Keep other grants that the user has specified explicitly.
            return Ok(None);
        }
        match says("access_grant") {
            None | Some(MetaValue::Null) => {
                let is_private = node.access.as_deref() == Some("private");
                Ok(node.group.as_deref().filter(|_| is_private && self.is_project_default))
            }
            Some(MetaValue::Bool(false)) => Ok(None),
            Some(MetaValue::Bool(true)) => match node.group.as_deref() {
                Some(group) => Ok(Some(group)),
                None => Err("the table requests the access grant of its group, but belongs to no group".to_owned()),
            },
            Some(MetaValue::Text(group)) if !group.trim().is_empty() => Ok(Some(group.trim())),
            Some(_) => Err("`access_grant` must be `true` or the name of a group of Omni users".to_owned()),
        }
    }

    /// Returns the name of the grant that a table needs.
    fn name(&self, node: &'a ManifestNode) -> Option<&str> {
        self.names.get(self.user_group(node).ok()??).map(String::as_str)
    }

    /// Returns the keys that restrict access to a view or topic, except keys that `meta.omni` sets explicitly.
    pub fn keys(&self, node: &'a ManifestNode) -> Vec<(String, YamlValue)> {
        let mut pairs = Vec::new();
        if is_hidden(node) {
            pairs.push(("hidden".to_owned(), YamlValue::Bare("true".to_owned())));
        }
        if let Some(name) = self.name(node) {
            pairs.push((
                "required_access_grants".to_owned(),
                YamlValue::short_list(vec![plain_text(name)]),
            ));
        }
        pairs
    }

    /// Returns the text of the model file. `None` if there are no grants.
    pub fn text(&self) -> Option<String> {
        let grant = |(group, name): (&&str, &String)| {
            let keys = vec![
                ("user_attribute".to_owned(), plain_text(USER_GROUPS_ATTRIBUTE)),
                (
                    "allowed_values".to_owned(),
                    YamlValue::short_list(vec![plain_text(group)]),
                ),
            ];
            (name.clone(), YamlValue::map(keys))
        };
        let grants: Vec<(String, YamlValue)> = self.names.iter().map(grant).collect();
        (!grants.is_empty()).then(|| write_value(&YamlValue::map([("access_grants", YamlValue::map(grants))])))
    }
}

/// Returns whether a table is hidden by default: it is private, and `meta.omni` does not set `hidden`.
pub(super) fn is_hidden(node: &ManifestNode) -> bool {
    let says = meta::omni_meta(&node.meta).is_some_and(|omni| omni.get("hidden").is_some());
    node.access.as_deref() == Some("private") && !says
}
