//! dbt configuration of the model. Keys that affect the SQL are written to the top of the `.sql` file, and all other
//! keys to the properties file.

use super::access::InheritedAccess;
use super::compile::SpecCompilation;
use super::incremental::IncrementalPlan;
use super::keys::SQL_CONFIG_KEYS;
use super::load::DbtKeys;
use super::yaml_output::{StringSyntax, yaml_list, yaml_pairs, yaml_value};
use crate::dbt::YamlOutput;
use crate::schema::Column;
use crate::yaml::Node;

/// Returns the settings in `config:`, merged with the keys of the spec that have the same meaning.
fn config(dbt: &DbtKeys<'_>) -> Vec<(String, YamlOutput)> {
    let mut config = yaml_pairs(dbt.config, StringSyntax::Dbt);
    for (name, node) in [("contract", dbt.contract), ("access", dbt.access), ("group", dbt.group)] {
        config.extend(node.map(|node| (name.to_owned(), yaml_value(node, StringSyntax::Dbt))));
    }
    let mut add = |name: &str, more: YamlOutput| {
        let entry = config.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value);
        match (entry, more) {
            (Some(YamlOutput::Map(pairs)), YamlOutput::Map(more)) => pairs.extend(more),
            (Some(YamlOutput::List(items)), YamlOutput::List(more)) => items.extend(more),
            // `config` may contain a single tag as a string.
            (Some(entry), YamlOutput::List(more)) => {
                let first = std::mem::replace(entry, YamlOutput::List(Vec::new()));
                *entry = YamlOutput::List([vec![first], more].concat());
            }
            (_, more) => config.push((name.to_owned(), more)),
        }
    };
    if let Some(tags) = dbt.tags {
        add("tags", YamlOutput::List(yaml_list(tags, StringSyntax::Text)));
    }
    let mut meta = yaml_pairs(dbt.meta, StringSyntax::Text);
    meta.extend(
        dbt.owner
            .map(|owner| ("owner".to_owned(), yaml_value(owner, StringSyntax::Text))),
    );
    if !meta.is_empty() {
        add("meta", YamlOutput::Map(meta));
    }
    config
}

/// Returns whether a setting belongs in the `.sql` file. Settings whose values contain Jinja remain in the properties
/// file, because dbt renders these values only in YAML.
fn is_sql_setting((name, value): &(String, YamlOutput)) -> bool {
    SQL_CONFIG_KEYS.contains(&name.as_str()) && !value.has_jinja()
}

impl SpecCompilation<'_> {
    /// Returns the configuration at the top of the `.sql` file, in the usual order.
    pub(super) fn config_block_settings(
        &self,
        columns: &[Column],
        incremental: Option<&IncrementalPlan>,
    ) -> Vec<(String, YamlOutput)> {
        let mut settings: Vec<(String, YamlOutput)> =
            config(&self.spec.dbt).into_iter().filter(is_sql_setting).collect();
        // Quote names if necessary, because dbt inserts them into SQL unchanged.
        let dialect = self.compiler.options.dialect;
        let column_text = |name: &str| {
            let column = columns.iter().find(|column| column.name().eq_ignore_ascii_case(name))?;
            Some(YamlOutput::Text(dialect.name_text(column.name(), !column.is_quoted())))
        };
        for (_, value) in settings.iter_mut().filter(|(name, _)| name == "cluster_by") {
            let items: &mut [YamlOutput] = match value {
                YamlOutput::List(items) | YamlOutput::Words(items) => items,
                other => std::slice::from_mut(other),
            };
            for item in items {
                if let YamlOutput::Text(text) | YamlOutput::Bare(text) = item
                    && let Some(quoted) = column_text(text)
                {
                    *item = quoted;
                }
            }
        }
        if let Some(incremental) = incremental {
            let key_text = |name: &String| column_text(name).unwrap_or_else(|| YamlOutput::text(name));
            let keys: Vec<YamlOutput> = incremental.unique_key.iter().map(key_text).collect();
            let key = match keys.as_slice() {
                [key_name] => key_name.clone(),
                _ => YamlOutput::List(keys),
            };
            settings.retain(|(name, _)| name != "unique_key");
            settings.push(("unique_key".to_owned(), key));
            // If a contract is enforced, dbt requires `append_new_columns` or `fail`. Prefer `append_new_columns`,
            // which keeps the existing rows.
            if self.is_contract_enforced() && !settings.iter().any(|(name, _)| name == "on_schema_change") {
                settings.push(("on_schema_change".to_owned(), YamlOutput::text("append_new_columns")));
            }
        }
        settings.sort_by_key(|(name, _)| SQL_CONFIG_KEYS.iter().position(|key| key == name));
        settings
    }
}

/// Returns the configuration in the properties file.
pub(super) fn properties_config(dbt: &DbtKeys<'_>, granted: &InheritedAccess) -> Vec<(String, YamlOutput)> {
    let mut settings: Vec<(String, YamlOutput)> =
        config(dbt).into_iter().filter(|pair| !is_sql_setting(pair)).collect();
    let access = granted.access.map(|access| access.name().to_owned());
    for (name, text) in [("access", access), ("group", granted.group.clone())] {
        settings.extend(text.map(|text| (name.to_owned(), YamlOutput::Text(text))));
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
