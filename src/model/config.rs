//! dbt configuration of the model. Keys that affect the SQL are written to the top of the `.sql` file, and all other
//! keys to the properties file.

use super::access::InheritedAccess;
use super::compile::SpecCompilation;
use super::incremental::IncrementalPlan;
use super::keys::SQL_CONFIG_KEYS;
use super::load::DbtKeys;
use super::properties_yaml::{StringSyntax, yaml_list, yaml_pairs, yaml_value};
use crate::dbt::{escaped_text, has_jinja};
use crate::schema::Column;
use crate::yaml::{Node, YamlValue};

/// Returns the settings in `config:`, merged with the keys of the spec that have the same meaning.
fn config(dbt: &DbtKeys<'_>) -> Vec<(String, YamlValue)> {
    let mut config = yaml_pairs(dbt.config, StringSyntax::Dbt);
    for (name, node) in [("contract", dbt.contract), ("access", dbt.access), ("group", dbt.group)] {
        config.extend(node.map(|node| (name.to_owned(), yaml_value(node, StringSyntax::Dbt))));
    }
    let mut add = |name: &str, more: YamlValue| {
        let entry = config.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value);
        match (entry, more) {
            (Some(YamlValue::Map(pairs, _)), YamlValue::Map(more, _)) => pairs.extend(more),
            (Some(YamlValue::List(items, _)), YamlValue::List(more, _)) => items.extend(more),
            // `config` may contain a single tag as a string.
            (Some(entry), YamlValue::List(more, _)) => {
                let first = std::mem::replace(entry, YamlValue::list(Vec::new()));
                *entry = YamlValue::list([vec![first], more].concat());
            }
            (_, more) => config.push((name.to_owned(), more)),
        }
    };
    if let Some(tags) = dbt.tags {
        add("tags", YamlValue::list(yaml_list(tags, StringSyntax::Text)));
    }
    let mut meta = yaml_pairs(dbt.meta, StringSyntax::Text);
    meta.extend(
        dbt.owner
            .map(|owner| ("owner".to_owned(), yaml_value(owner, StringSyntax::Text))),
    );
    if !meta.is_empty() {
        add("meta", YamlValue::map(meta));
    }
    config
}

/// Returns whether a setting belongs in the `.sql` file. Settings whose values contain Jinja remain in the properties
/// file, because dbt renders these values only in YAML.
fn is_sql_setting((name, value): &(String, YamlValue)) -> bool {
    SQL_CONFIG_KEYS.contains(&name.as_str()) && !contains_jinja(value)
}

/// Returns whether a string in the value contains Jinja. The spec parser limits the nesting depth, which limits the
/// recursion.
fn contains_jinja(value: &YamlValue) -> bool {
    match value {
        YamlValue::Text(text) => has_jinja(text),
        YamlValue::List(items, _) => items.iter().any(contains_jinja),
        YamlValue::Map(pairs, _) => pairs.iter().any(|(_, value)| contains_jinja(value)),
        YamlValue::Bare(_) | YamlValue::Verbatim(_) => false,
    }
}

impl SpecCompilation<'_> {
    /// Returns the configuration at the top of the `.sql` file, in the usual order.
    pub(super) fn config_block_settings(
        &self,
        columns: &[Column],
        incremental: Option<&IncrementalPlan>,
    ) -> Vec<(String, YamlValue)> {
        let mut settings: Vec<(String, YamlValue)> =
            config(&self.spec.dbt).into_iter().filter(is_sql_setting).collect();
        // Quote names if necessary, because dbt inserts them into SQL unchanged.
        let dialect = self.compiler.options.dialect;
        let column_text = |name: &str| {
            let column = columns.iter().find(|column| column.name().eq_ignore_ascii_case(name))?;
            Some(YamlValue::Text(dialect.name_text(column.name(), !column.is_quoted())))
        };
        for (_, value) in settings.iter_mut().filter(|(name, _)| name == "cluster_by") {
            let items: &mut [YamlValue] = match value {
                YamlValue::List(items, _) => items,
                other => std::slice::from_mut(other),
            };
            for item in items {
                if let YamlValue::Bare(text) = item
                    && let Some(quoted) = column_text(text)
                {
                    *item = quoted;
                }
            }
        }
        if let Some(incremental) = incremental {
            let key_text = |name: &String| column_text(name).unwrap_or_else(|| YamlValue::text(name));
            let keys: Vec<YamlValue> = incremental.unique_key.iter().map(key_text).collect();
            let key = match keys.as_slice() {
                [key_name] => key_name.clone(),
                _ => YamlValue::list(keys),
            };
            settings.retain(|(name, _)| name != "unique_key");
            settings.push(("unique_key".to_owned(), key));
            // If a contract is enforced, dbt requires `append_new_columns` or `fail`. Prefer `append_new_columns`,
            // which keeps the existing rows.
            if self.is_contract_enforced() && !settings.iter().any(|(name, _)| name == "on_schema_change") {
                settings.push(("on_schema_change".to_owned(), YamlValue::text("append_new_columns")));
            }
        }
        settings.sort_by_key(|(name, _)| SQL_CONFIG_KEYS.iter().position(|key| key == name));
        settings
    }
}

/// Returns the configuration in the properties file.
pub(super) fn properties_config(dbt: &DbtKeys<'_>, granted: &InheritedAccess) -> Vec<(String, YamlValue)> {
    let mut settings: Vec<(String, YamlValue)> = config(dbt).into_iter().filter(|pair| !is_sql_setting(pair)).collect();
    let access = granted.access.map(|access| access.name().to_owned());
    for (name, text) in [("access", access), ("group", granted.group.clone())] {
        settings.extend(text.map(|text| (name.to_owned(), escaped_text(text))));
    }
    settings
}

/// Returns the value of a key in `config:`, as written in the spec, possibly with Jinja for dbt.
pub(super) fn config_value<'y>(dbt: &DbtKeys<'y>, key: &str) -> Option<&'y Node> {
    dbt.config?.get(key).filter(|node| !node.is_null())
}

/// Returns the value of a key in `config:` as a string without Jinja.
pub(super) fn config_text<'y>(dbt: &DbtKeys<'y>, key: &str) -> Option<&'y str> {
    config_value(dbt, key)?.text().filter(|text| !text.contains(['{', '}']))
}
