//! dbt properties of the model and its columns.

use super::{SpannedText, SpecLoader};
use crate::diag::{Code, Diagnostic, suggest};
use crate::keys::{CONFIG_KEYS, SQL_CONFIG_KEYS};
use crate::yaml::Node;

/// Keys of the model that are copied to the properties file.
#[derive(Clone, Debug, Default)]
pub struct DbtKeys<'y> {
    pub config: Option<&'y Node>,
    pub contract: Option<&'y Node>,
    pub access: Option<&'y Node>,
    pub group: Option<&'y Node>,
    pub tags: Option<&'y Node>,
    pub meta: Option<&'y Node>,
    pub owner: Option<&'y Node>,
    pub versions: Option<&'y Node>,
    pub latest_version: Option<&'y Node>,
    pub data_tests: Option<&'y Node>,
}

/// Properties of a model's column.
#[derive(Clone, Debug)]
pub struct ColumnKeys<'y> {
    pub name: SpannedText<'y>,
    pub description: Option<String>,
    pub data_type: Option<&'y Node>,
    pub constraints: Option<&'y Node>,
    pub tags: Option<&'y Node>,
    pub meta: Option<&'y Node>,
    pub omni: Option<&'y Node>,
    pub data_tests: Option<&'y Node>,
}

/// Column properties that are next to the column's formula.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefinitionKeys<'y> {
    pub meta: Option<&'y Node>,
    pub data_tests: Option<&'y Node>,
}

impl<'y> SpecLoader<'y, '_> {
    pub(super) fn dbt_keys(&self, root: &'y Node) -> DbtKeys<'y> {
        DbtKeys {
            config: non_empty_value(root, "config"),
            contract: non_empty_value(root, "contract"),
            access: non_empty_value(root, "access"),
            group: non_empty_value(root, "group"),
            tags: non_empty_value(root, "tags"),
            meta: non_empty_value(root, "meta"),
            owner: non_empty_value(root, "owner"),
            versions: non_empty_value(root, "versions"),
            latest_version: non_empty_value(root, "latest_version"),
            data_tests: tests(root),
        }
    }

    /// Reports keys with the `+` of `dbt_project.yml`, and probable misspellings. Other unknown keys are not reported,
    /// because macros may read them.
    pub(super) fn check_config(&mut self, config: &'y Node) {
        let known_keys = || SQL_CONFIG_KEYS.iter().chain(CONFIG_KEYS).copied();
        for (key, _) in config.pairs().unwrap_or_default() {
            let Some(text) = key.text() else { continue };
            if let Some(name) = text.strip_prefix('+') {
                let diagnostic = Diagnostic::new(Code::UnknownKey, key.span, format!("unknown key `{text}`"));
                let help = format!("write `{name}`, because dbt reads a `+` only in dbt_project.yml");
                self.report(diagnostic.with_help(help).with_fix(key.span, name));
                continue;
            }
            if known_keys().any(|name| name == text) {
                continue;
            }
            // Allow fewer differences in short keys, because a short key for macros is often similar to a setting, such
            // as `region` to `begin`.
            let most = if text.len() < 8 { 1 } else { 2 };
            if let Some(near) = suggest::nearest_name_within(text, most, known_keys()) {
                let message = format!("dbt has no setting `{text}`, so only macros can read it");
                let diagnostic = Diagnostic::new(Code::KeyWithoutEffect, key.span, message);
                self.report(diagnostic.with_help(suggest::similar_name_help(near)));
            }
        }
    }

    pub(super) fn columns(&self, root: &'y Node) -> Vec<ColumnKeys<'y>> {
        // A formula instead of a mapping is reported already, so do not also report that the column is missing.
        let is_mapping = |(_, value): &&'y (Node, Node)| value.is_null() || value.text().is_none();
        let pairs = root.pairs_at("columns").iter().filter(is_mapping);
        let column = |(key, value): &'y (Node, Node)| {
            Some(ColumnKeys {
                name: SpannedText {
                    text: key.text()?,
                    node: key,
                },
                description: self.description(value),
                data_type: non_empty_value(value, "data_type"),
                constraints: non_empty_value(value, "constraints"),
                tags: non_empty_value(value, "tags"),
                meta: non_empty_value(value, "meta"),
                omni: non_empty_value(value, "omni"),
                data_tests: tests(value),
            })
        };
        pairs.filter_map(column).collect()
    }

    pub(super) fn definition_keys(&self, definition: &'y Node) -> DefinitionKeys<'y> {
        DefinitionKeys {
            meta: non_empty_value(definition, "meta"),
            data_tests: tests(definition),
        }
    }
}

fn non_empty_value<'y>(node: &'y Node, key: &str) -> Option<&'y Node> {
    node.get(key).filter(|value| !value.is_null())
}

fn tests(node: &Node) -> Option<&Node> {
    non_empty_value(node, "data_tests").or_else(|| non_empty_value(node, "tests"))
}
