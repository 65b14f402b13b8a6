//! dbt's manifest.json as a graph: the nodes of a project, what they are called and what they read.
//!
//! Every field may be missing: versions of dbt differ. Facts after `manifest.json` v10 to v12.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::selection;

/// What a manifest says of a project.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Manifest {
    /// The project's name.
    pub project: Option<String>,
    /// The adapter that it was made for.
    pub adapter: Option<String>,
    /// The version of dbt that made it.
    pub dbt_version: Option<String>,
    /// When, as it is written: `2026-11-20T10:00:00.000000Z`.
    pub generated_at: Option<String>,
    /// The data tests that it has of packages: `dbt_utils.accepted_range`.
    pub generic_tests: Vec<String>,
    /// Its nodes, sources and exposures, those that are switched off too, by their unique ids.
    pub nodes: Vec<ManifestNode>,
    /// Its docs blocks and semantic models, which no selection chooses.
    pub declared: Vec<ManifestNode>,
    /// Whether a model of it is the calendar that the semantic layer goes by.
    pub has_time_spine: bool,
}

/// A node of a manifest.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ManifestNode {
    /// `model.shop.orders`.
    pub unique_id: String,
    /// What selections look at.
    pub node: selection::Node,
    /// Whether it is switched off.
    pub disabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Artifact {
    #[serde(deserialize_with = "or_default")]
    metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    nodes: BTreeMap<String, Raw>,
    #[serde(deserialize_with = "or_default")]
    sources: BTreeMap<String, Raw>,
    #[serde(deserialize_with = "or_default")]
    exposures: BTreeMap<String, Raw>,
    #[serde(deserialize_with = "or_default")]
    metrics: BTreeMap<String, Raw>,
    #[serde(deserialize_with = "or_default")]
    docs: BTreeMap<String, Raw>,
    #[serde(deserialize_with = "or_default")]
    semantic_models: BTreeMap<String, Raw>,
    #[serde(deserialize_with = "or_default")]
    macros: BTreeMap<String, IgnoredAny>,
    #[serde(deserialize_with = "or_default")]
    disabled: BTreeMap<String, Vec<Raw>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    project_name: Option<String>,
    adapter_type: Option<String>,
    dbt_version: Option<String>,
    generated_at: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    name: Option<String>,
    resource_type: Option<String>,
    package_name: Option<String>,
    original_file_path: Option<String>,
    patch_path: Option<String>,
    #[serde(deserialize_with = "or_default")]
    fqn: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    tags: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    config: Map<String, Value>,
    access: Option<String>,
    group: Option<String>,
    time_spine: Option<IgnoredAny>,
    #[serde(deserialize_with = "or_default")]
    depends_on: DependsOn,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DependsOn {
    #[serde(deserialize_with = "or_default")]
    nodes: Vec<String>,
}

fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// The text is no JSON object, or a field has another shape than in any version.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        let artifact: Artifact = serde_json::from_str(text)?;
        // The name of old, which needs no properties.
        let is_spine = |node: &Raw| node.time_spine.is_some() || node.name.as_deref() == Some("metricflow_time_spine");
        let has_time_spine = artifact.nodes.values().any(is_spine);
        let declared = [(artifact.docs, "doc"), (artifact.semantic_models, "semantic_model")];
        let declared = declared.into_iter().flat_map(|(nodes, kind)| {
            nodes.into_iter().map(move |(unique_id, raw)| {
                let mut node = raw.node(&FxHashMap::default());
                node.kind = kind.to_owned();
                ManifestNode { unique_id, node, disabled: false }
            })
        });
        let declared = declared.collect();
        let enabled = [artifact.nodes, artifact.sources, artifact.exposures, artifact.metrics];
        let mut raw: Vec<(String, Raw, bool)> =
            enabled.into_iter().flatten().map(|(id, node)| (id, node, false)).collect();
        let disabled = artifact.disabled.into_iter();
        raw.extend(disabled.flat_map(|(id, nodes)| nodes.into_iter().map(move |node| (id.clone(), node, true))));
        let places: FxHashMap<String, usize> = raw.iter().enumerate().map(|(at, (id, ..))| (id.clone(), at)).collect();
        let nodes = raw.into_iter().map(|(unique_id, raw, disabled)| ManifestNode {
            unique_id,
            node: raw.node(&places),
            disabled,
        });
        Ok(Self {
            project: artifact.metadata.project_name,
            adapter: artifact.metadata.adapter_type,
            dbt_version: artifact.metadata.dbt_version,
            generated_at: artifact.metadata.generated_at,
            generic_tests: artifact.macros.keys().filter_map(|id| generic_test(id)).collect(),
            nodes: nodes.collect(),
            declared,
            has_time_spine,
        })
    }
}

/// `dbt_utils.accepted_range` of `macro.dbt_utils.test_accepted_range`.
fn generic_test(id: &str) -> Option<String> {
    let (package, name) = id.strip_prefix("macro.")?.split_once('.')?;
    Some(format!("{package}.{}", name.strip_prefix("test_")?))
}

impl Raw {
    fn node(self, places: &FxHashMap<String, usize>) -> selection::Node {
        // `shop://models/orders.yml`
        let patch =
            self.patch_path.map(|path| path.split_once("://").map_or(path.clone(), |(_, path)| path.to_owned()));
        let said = [("access", self.access), ("group", self.group)];
        let said = said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let scalar = |(key, value): (String, Value)| match value {
            Value::String(text) => Some((key, text)),
            Value::Bool(_) | Value::Number(_) => Some((key, value.to_string())),
            _ => None,
        };
        let config: Vec<(String, String)> = self.config.into_iter().filter_map(scalar).chain(said).collect();
        let paths = self.original_file_path.into_iter().chain(patch).map(|path| path.replace('\\', "/"));
        selection::Node {
            name: self.name.unwrap_or_default(),
            kind: self.resource_type.unwrap_or_default(),
            package: self.package_name.unwrap_or_default(),
            fqn: self.fqn,
            paths: paths.collect(),
            tags: self.tags,
            config,
            parents: self.depends_on.nodes.iter().filter_map(|id| places.get(id).copied()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_with_what_they_read() {
        let text = r#"{"metadata": {"project_name": "shop", "generated_at": "2026-11-20T10:00:00Z"},
            "nodes": {"model.shop.b": {"name": "b", "resource_type": "model", "fqn": ["shop", "b"], "access": "private",
                "original_file_path": "models\\b.sql", "patch_path": "shop://models/b.yml", "tags": null,
                "config": {"materialized": "table", "enabled": true, "meta": {}},
                "depends_on": {"nodes": ["source.shop.raw.a", "model.gone.x"]}}},
            "sources": {"source.shop.raw.a": {"name": "a", "fqn": ["shop", "raw", "a"]}},
            "disabled": {"model.shop.c": [{"name": "c"}]}}"#;
        let manifest = Manifest::from_text(text).unwrap();
        let ids: Vec<_> = manifest.nodes.iter().map(|n| (n.unique_id.as_str(), n.disabled)).collect();
        assert_eq!(ids, [("model.shop.b", false), ("source.shop.raw.a", false), ("model.shop.c", true)]);
        let b = &manifest.nodes[0].node;
        assert_eq!(
            (b.paths.as_slice(), b.parents.as_slice()),
            (&["models/b.sql".into(), "models/b.yml".into()][..], &[1][..])
        );
        assert!(b.config.contains(&("access".into(), "private".into())));
        assert!(Manifest::from_text("{").is_err() && Manifest::from_text("{}").unwrap().nodes.is_empty());
    }
}
