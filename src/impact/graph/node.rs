//! Nodes of the graph.

use crate::artifacts::{ManifestNode, ResourceType};
use crate::model::CompiledSpec;

/// Spec and the model compiled from it.
#[derive(Clone, Debug)]
pub struct SpecModel {
    /// Name of the model.
    pub name: String,
    /// Path of the spec, relative to the project.
    pub path: String,
    /// Compiled spec.
    pub compiled: CompiledSpec,
}

/// Node of the graph: a resource that reads other resources or is read by them.
#[derive(Clone, Copy, Debug)]
pub struct ImpactGraphNode<'a> {
    /// Node in dbt's manifest. `None` if the node is the model of a spec that is not in the manifest yet.
    pub node: Option<&'a ManifestNode>,
    /// Spec of the node, if it has one.
    pub spec: Option<&'a SpecModel>,
    /// Whether the SQL of the spec differs from the SQL in dbt's manifest.
    pub has_newer_spec_sql: bool,
}

impl<'a> ImpactGraphNode<'a> {
    /// Returns the unique id, or `spec.<name>` for a model that is not in dbt's manifest yet.
    #[must_use]
    pub fn id(&self) -> String {
        match (self.node, self.spec) {
            (Some(node), _) => node.unique_id.to_string(),
            (None, Some(spec)) => format!("spec.{}", spec.name),
            (None, None) => String::new(),
        }
    }

    /// Returns the display name, such as `orders`, `raw.orders` for a source, or `customers.v2` for a version.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.node, self.spec) {
            (Some(node), _) => match (node.source(), &node.version) {
                (Some(source), _) => format!("{}.{}", source.source_name, node.name),
                (None, Some(version)) => format!("{}.v{version}", node.name),
                (None, None) => node.name.to_string(),
            },
            (None, Some(spec)) => spec.name.clone(),
            (None, None) => String::new(),
        }
    }

    /// Returns the resource type in dbt's terms.
    #[must_use]
    pub fn kind(&self) -> ResourceType {
        self.node.map_or(ResourceType::Model, |node| node.resource_type)
    }

    /// Returns `true` if the SQL comes from the spec: if the model is missing, outdated or not compiled in dbt's
    /// manifest.
    pub(super) fn has_spec_sql(&self) -> bool {
        let is_compiled = self.node.is_some_and(|node| node.compiled_code.is_some());
        self.spec.is_some() && (self.has_newer_spec_sql || !is_compiled)
    }

    /// Returns the SQL without Jinja: the query of the spec, or the code that dbt has compiled.
    pub(crate) fn sql_without_jinja(&self) -> Option<&'a str> {
        match self.spec.filter(|_| self.has_spec_sql()) {
            Some(spec) => spec.compiled.query(),
            None => self.node?.compiled_code.as_deref(),
        }
    }

    /// Returns whether the node has SQL, with or without Jinja.
    pub(crate) fn has_sql(&self) -> bool {
        self.sql_without_jinja().is_some() || self.raw_sql().is_some()
    }

    /// Returns the SQL with Jinja. `None` if the SQL without Jinja is known.
    pub(super) fn raw_sql(&self) -> Option<&'a str> {
        let node = self
            .node
            .filter(|node| !self.has_spec_sql() && node.compiled_code.is_none() && !is_python(node))?;
        let holds_sql = matches!(
            node.resource_type,
            ResourceType::Model | ResourceType::Snapshot | ResourceType::Test
        );
        node.raw_code.as_deref().filter(|_| holds_sql)
    }

    /// Returns whether other nodes can read the node in SQL.
    #[must_use]
    pub fn is_relation(&self) -> bool {
        self.kind().is_referenceable() || self.kind() == ResourceType::Source
    }
}

/// End of the reason why a node has no column-level lineage, if dbt can provide the missing SQL.
pub(crate) const DBT_COMPILE_HINT: &str = "(`dbt compile`)";

/// Returns the reason why a node has no SQL.
pub(super) fn no_sql_reason(part: &ImpactGraphNode<'_>) -> String {
    match part.kind() {
        _ if part.has_spec_sql() => "the spec has errors".to_owned(),
        ResourceType::Seed => "a seed has no SQL".to_owned(),
        _ if part.node.is_some_and(is_python) => "the code is Python".to_owned(),
        _ => format!("dbt has not compiled the code {DBT_COMPILE_HINT}"),
    }
}

fn is_python(node: &ManifestNode) -> bool {
    node.original_file_path.ends_with(".py")
}
