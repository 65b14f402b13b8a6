//! Effects of a change to a model: whether its table needs a full refresh, whether a contract is broken, and which
//! exposures depend on the model.

use serde_json::{Value, json};

use super::manual_edits::Property;
use super::model_properties::ModelProperties;
use super::properties::PropertyKey;
use crate::CompiledSpec;
use crate::artifacts::{Manifest, ResourceType};

/// Effects of a changed model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelEffects {
    /// `true` if the model needs a full refresh: its table is incremental, and existing rows would keep their old
    /// values.
    pub full_refresh: bool,
    /// Columns that are removed from the enforced contract or change their type, each as a phrase such as "loses
    /// `region`".
    pub contract: Vec<String>,
    /// Exposures that read the model, directly or through other models, sorted.
    pub exposures: Exposures,
}

/// Exposures that read a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Exposures {
    /// No manifest exists.
    #[default]
    NoManifest,
    /// The manifest does not contain the model.
    NotInManifest,
    /// Names of the exposures.
    Known(Vec<String>),
}

impl ModelEffects {
    /// Determines the effects of changing a model from `base` to `ours`. `properties` contains the properties of the
    /// two versions. Returns `None` if the query is the same and no contract is broken.
    pub(super) fn new(base: &CompiledSpec, ours: &CompiledSpec, properties: &[ModelProperties; 2]) -> Option<Self> {
        let contract = match base.enforces_contract() {
            true if !ours.enforces_contract() => vec!["the contract is no longer enforced".to_owned()],
            true => broken_contract_columns(&properties[0], &properties[1]),
            false => Vec::new(),
        };
        if base.query() == ours.query() && contract.is_empty() {
            return None;
        }
        let is_incremental = |spec: &CompiledSpec| {
            let mut config = spec.config().iter();
            config.any(|(key, value)| key == "materialized" && value == "incremental")
        };
        Some(Self {
            full_refresh: is_incremental(base) && is_incremental(ours) && base.query() != ours.query(),
            contract,
            exposures: Exposures::default(),
        })
    }

    /// Returns the effects of deleting a model.
    pub(super) fn deletion_effects() -> Self {
        Self::default()
    }

    /// Returns the effects as phrases, with names in backticks.
    #[must_use]
    pub fn effect_phrases(&self) -> Vec<String> {
        let mut effect_phrases = Vec::new();
        if self.full_refresh {
            effect_phrases.push("needs `dbt build --full-refresh`, because its table is incremental".to_owned());
        }
        if !self.contract.is_empty() {
            effect_phrases.push(format!("breaks its contract: {}", self.contract.join(", ")));
        }
        if let Exposures::Known(names) = &self.exposures
            && !names.is_empty()
        {
            let noun = if names.len() == 1 { "exposure" } else { "exposures" };
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            effect_phrases.push(format!("feeds the {noun} {}", names.join(", ")));
        }
        effect_phrases
    }

    pub(super) fn json(&self) -> Value {
        let exposures = match &self.exposures {
            Exposures::Known(names) => Some(names),
            _ => None,
        };
        json!({"full_refresh": self.full_refresh, "contract": self.contract, "exposures": exposures})
    }
}

/// Returns the columns that are removed from a contract or whose type changes.
fn broken_contract_columns(base: &ModelProperties, ours: &ModelProperties) -> Vec<String> {
    let is_type = |target: &PropertyKey| target.property == Property::Text && target.detail == "data_type";
    let mut breaks = Vec::new();
    for (target, was) in base.iter().filter(|(target, _)| is_type(target)) {
        let Some(column) = &target.column else { continue };
        match ours.get(target) {
            Some(is) if is.text() == was.text() => {}
            Some(is) => breaks.push(format!("changes `{column}` from {} to {}", was.text(), is.text())),
            None if ours.keys().any(|other| other.column.as_ref() == Some(column)) => {
                breaks.push(format!("removes the type {} of `{column}`", was.text()));
            }
            None => breaks.push(format!("removes `{column}`")),
        }
    }
    breaks
}

/// Graph of a manifest. Used to find the exposures that depend on models.
#[derive(Debug)]
pub struct ExposureGraph<'m> {
    manifest: &'m Manifest,
    children: Vec<Vec<usize>>,
}

impl<'m> ExposureGraph<'m> {
    /// Reads the graph of a manifest.
    #[must_use]
    pub fn new(manifest: &'m Manifest) -> Self {
        Self {
            manifest,
            children: manifest.children(),
        }
    }

    /// Returns whether the manifest contains exposures.
    #[must_use]
    pub fn has_exposures(&self) -> bool {
        self.manifest.with_type(ResourceType::Exposure).next().is_some()
    }

    /// Returns the exposures that read a model of the project, directly or through other nodes.
    #[must_use]
    pub fn exposures_reading_model(&self, model: &str) -> Exposures {
        let package = self.manifest.metadata.project_name.as_deref();
        let is_it = |id: &str, name: &str| {
            let mut parts = id.split('.');
            parts.next() == Some("model")
                && package.is_none_or(|package| parts.next() == Some(package))
                && name.eq_ignore_ascii_case(model)
        };
        let model_nodes = self.manifest.nodes.iter();
        let nodes = model_nodes
            .enumerate()
            .filter(|(_, node)| is_it(&node.unique_id, &node.name));
        let mut next: Vec<usize> = nodes.map(|(index, _)| index).collect();
        if next.is_empty() {
            return Exposures::NotInManifest;
        }
        let mut seen = vec![false; self.manifest.nodes.len()];
        let mut names = Vec::new();
        while let Some(index) = next.pop() {
            let (Some(seen), Some(node)) = (seen.get_mut(index), self.manifest.nodes.get(index)) else {
                continue;
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            if node.resource_type == ResourceType::Exposure {
                names.push(node.name.to_string());
            }
            next.extend(self.children.get(index).into_iter().flatten());
        }
        names.sort();
        Exposures::Known(names)
    }
}
