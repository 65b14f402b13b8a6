//! dbt's manifest.json, with types from the catalog.json beside it.
//!
//! Every field may be missing: versions of dbt differ, and what is not known is only not known.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::dbt::{ColumnFacts, RelationFacts, is_cased};
use super::read::not_a_schema;
use super::{Access, Schema};
use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::span::{LineIndex, Span};

/// A manifest or a catalog; both have nodes and sources by unique id.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Artifact {
    #[serde(deserialize_with = "or_default")]
    metadata: Metadata,
    nodes: Option<BTreeMap<String, Node>>,
    #[serde(deserialize_with = "or_default")]
    sources: BTreeMap<String, Node>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "or_default")]
    dbt_schema_version: String,
    project_name: Option<String>,
    adapter_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Node {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    resource_type: String,
    package_name: Option<String>,
    source_name: Option<String>,
    version: Option<Value>,
    latest_version: Option<Value>,
    /// In the order written.
    #[serde(deserialize_with = "or_default")]
    columns: Map<String, Value>,
    #[serde(deserialize_with = "or_default")]
    contract: Contract,
    access: Option<Value>,
    group: Option<Value>,
    // Of tests only:
    test_metadata: Option<TestMetadata>,
    attached_node: Option<String>,
    column_name: Option<String>,
    #[serde(deserialize_with = "or_default")]
    config: NodeConfig,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Contract {
    #[serde(deserialize_with = "or_default")]
    enforced: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TestMetadata {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    kwargs: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeConfig {
    access: Option<Value>,
    group: Option<Value>,
    // Of tests only:
    r#where: Option<Value>,
    severity: Option<Value>,
    enabled: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Documented {
    name: Option<String>,
    description: Option<String>,
    data_type: Option<String>,
    quote: Option<bool>,
    tags: Option<Value>,
    config: Option<Value>,
    #[serde(deserialize_with = "or_default")]
    constraints: Vec<Constraint>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Constraint {
    r#type: Option<String>,
}

/// A column of the warehouse, in the catalog.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Physical {
    name: Option<String>,
    r#type: Option<String>,
    index: Option<i64>,
}

fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// Reads the texts that are artifacts of dbt; the places of the others come back.
pub(super) fn read(
    files: &[(&str, &str)],
    dialect: Dialect,
    schema: &mut Schema,
    faults: &mut Vec<(usize, Diagnostic)>,
) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..files.len()).collect();
    let mut manifests = Vec::new();
    let mut catalogs = Vec::new();
    rest.retain(|number| {
        let Some((_, text)) = files.get(*number).filter(|(_, text)| text.trim_start().starts_with('{')) else {
            return true;
        };
        match serde_json::from_str::<Artifact>(text) {
            Ok(it) if it.metadata.dbt_schema_version.contains("/catalog/") => catalogs.push((*number, it)),
            Ok(it) if it.nodes.is_some() => manifests.push(it),
            Ok(it) if !it.metadata.dbt_schema_version.is_empty() => {
                let kind = it.metadata.dbt_schema_version.rsplit('/').nth(1).unwrap_or_default().to_owned();
                faults.push((*number, not_a_schema(Span::default(), &format!("this is dbt's {kind}"), None)));
            }
            // A schema file may be written as JSON, and YAML may begin with a bracket.
            Ok(_) => return true,
            Err(error) if text.contains("dbt_schema_version") => faults.push((*number, broken(text, &error))),
            Err(_) => return true,
        }
        false
    });
    if let ([], Some((number, _))) = (manifests.as_slice(), catalogs.first()) {
        // Beside something else a catalog says nothing.
        if rest.is_empty() && faults.is_empty() {
            let fault = not_a_schema(Span::default(), "this is dbt's catalog, which has types and no models", None);
            faults.push((*number, fault.with_help("give the manifest.json; the catalog.json beside it is found")));
        }
    }
    let catalog = catalogs.pop().map(|(_, catalog)| catalog).unwrap_or_default();
    for manifest in manifests {
        add_relations(manifest, &catalog, dialect, schema);
    }
    rest
}

fn broken(text: &str, error: &serde_json::Error) -> Diagnostic {
    let start = LineIndex::new(text).line_start(error.line() as u32) + error.column().saturating_sub(1) as u32;
    let start = start.min(text.len() as u32);
    not_a_schema(Span::new(start, start), &error.to_string(), None)
        .with_help("let dbt write the file anew, `dbt docs generate`")
}

fn add_relations(manifest: Artifact, catalog: &Artifact, dialect: Dialect, schema: &mut Schema) {
    let Artifact { metadata, nodes, sources } = manifest;
    let nodes = nodes.unwrap_or_default();
    let dialect = metadata.adapter_type.as_deref().and_then(|name| name.parse().ok()).unwrap_or(dialect);
    let in_catalog = catalog.nodes.as_ref();
    let tests: Vec<&Node> = nodes.values().filter(|n| n.resource_type == "test" && n.holds_always()).collect();
    // The project's own relations have the first right to a name; packages' and sources' come behind.
    let rank = |node: &Node| (node.package_name != metadata.project_name, !node.is_latest());
    let is_relation = |node: &Node| ["model", "seed", "snapshot"].contains(&node.resource_type.as_str());
    let mut own: Vec<(&String, &Node)> = nodes.iter().filter(|(_, n)| is_relation(n)).collect();
    own.sort_by_key(|(_, node)| rank(node));
    for (id, node) in own {
        let physical = in_catalog.and_then(|nodes| nodes.get(id));
        let longer = || match &node.version {
            Some(version) => format!("{}_v{}", node.name, plain(version)),
            None => format!("{}.{}", node.package_name.as_deref().unwrap_or_default(), node.name),
        };
        let facts = node.facts(id, physical, &tests, dialect);
        if node.is_latest() {
            schema.add(facts.relation(dialect), longer);
        } else {
            schema.add(RelationFacts { name: longer(), ..facts }.relation(dialect), || id.clone());
        }
    }
    for (id, source) in &sources {
        let facts = source.facts(id, catalog.sources.get(id), &tests, dialect);
        let longer = || format!("{}.{}", source.source_name.as_deref().unwrap_or_default(), source.name);
        schema.add(facts.relation(dialect), longer);
    }
}

impl Node {
    fn is_latest(&self) -> bool {
        let version = |v: &Option<Value>| v.as_ref().filter(|v| !v.is_null()).map(plain);
        version(&self.version) == version(&self.latest_version) || version(&self.version).is_none()
    }

    /// Of a test: not switched off, not for some rows only, not a mere warning.
    fn holds_always(&self) -> bool {
        let config = &self.config;
        config.r#where.as_ref().is_none_or(Value::is_null)
            && !config.severity.as_ref().is_some_and(|s| plain(s).eq_ignore_ascii_case("warn"))
            && config.enabled != Some(Value::Bool(false))
    }

    /// The warehouse's columns with what is documented of them, then documented ones that it does not have.
    fn facts(&self, id: &str, physical: Option<&Self>, tests: &[&Self], dialect: Dialect) -> RelationFacts {
        let mut facts = RelationFacts { name: self.name.clone(), ..RelationFacts::default() };
        if self.resource_type == "model" {
            let said = |config: &Option<Value>, own: &Option<Value>| {
                [config, own].into_iter().flatten().find_map(|value| value.as_str().map(str::to_owned))
            };
            let access = said(&self.config.access, &self.access);
            facts.access = access.and_then(|name| Access::from_name(&name));
            facts.group = said(&self.config.group, &self.group);
        }
        if let Some(physical) = physical {
            let columns = physical.columns.iter().map(|(key, value)| (key, part::<Physical>(value)));
            let mut columns: Vec<_> = columns.collect();
            columns.sort_by_key(|(_, column)| column.index);
            facts.columns.extend(columns.into_iter().map(|(key, column)| {
                let name = column.name.unwrap_or_else(|| key.clone());
                let quoted = is_cased(&name, dialect);
                ColumnFacts { quoted, name, data_type: column.r#type, ..ColumnFacts::default() }
            }));
        }
        for (key, value) in &self.columns {
            self.document(&mut facts, key, part(value), physical.is_some());
        }
        for test in tests.iter().filter(|t| t.attached_node.as_deref() == Some(id)) {
            test.prove(&mut facts);
        }
        facts
    }

    fn document(&self, facts: &mut RelationFacts, key: &str, column: Documented, is_physical: bool) {
        let name = column.name.unwrap_or_else(|| key.to_owned());
        if facts.column_mut(&name).is_none() {
            let quoted = column.quote == Some(true);
            facts.columns.push(ColumnFacts { name: name.clone(), quoted, ..ColumnFacts::default() });
        }
        let Some(it) = facts.column_mut(&name) else { return };
        if is_physical && !it.quoted {
            // The case says nothing, so the name is the one that people wrote.
            it.name = name;
        }
        it.description = column.description.filter(|d| !d.is_empty());
        it.data_type = it.data_type.take().or(column.data_type);
        // dbt says them in the one place, in the other, or in both.
        for tags in [column.config.as_ref().and_then(|config| config.get("tags")), column.tags.as_ref()] {
            let tags = tags.map(|tags| tags.as_array().map_or(std::slice::from_ref(tags), Vec::as_slice));
            for tag in tags.unwrap_or_default().iter().filter_map(Value::as_str) {
                if !it.tags.iter().any(|known| known == tag) {
                    it.tags.push(tag.to_owned());
                }
            }
        }
        for constraint in column.constraints.iter().filter(|_| self.contract.enforced) {
            match constraint.r#type.as_deref() {
                Some("not_null") => it.not_null = true,
                Some("primary_key") => it.key = true,
                _ => {}
            }
        }
    }

    /// Of a test: what it proves of the relation that it is attached to.
    fn prove(&self, facts: &mut RelationFacts) {
        let Some(test) = &self.test_metadata else { return };
        if test.name == "unique_combination_of_columns" {
            let names = test.kwargs.get("combination_of_columns").and_then(Value::as_array);
            facts.unique_together.extend(names.map(|n| n.iter().map(plain).collect()));
        }
        let Some(column) = self.column_name.as_deref().and_then(|name| facts.column_mut(name)) else { return };
        column.not_null |= test.name == "not_null";
        column.unique |= test.name == "unique";
        if let Some(values) = test.kwargs.get("values").and_then(Value::as_array)
            && test.name == "accepted_values"
        {
            column.values = values.iter().map(plain).collect();
        }
    }
}

/// A part that is not as expected is as if it were not there.
fn part<'v, T: Default + Deserialize<'v>>(value: &'v Value) -> T {
    T::deserialize(value).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
