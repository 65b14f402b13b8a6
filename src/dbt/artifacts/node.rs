//! Nodes of a manifest, such as models, tests, sources and exposures, with their properties.

use std::sync::Arc;

use super::chunks::ChunkFingerprint;
use super::freshness::FreshnessCriteria;
use super::references::Ref;
use super::semantic::{DbtSemanticModel, Metric};
use super::value::{MetaValue, ValueFields};

/// Resource type of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ResourceType {
    /// Model.
    Model,
    /// Seed.
    Seed,
    /// Snapshot.
    Snapshot,
    /// Data test, generic or singular.
    Test,
    /// Analysis.
    Analysis,
    /// Hook (dbt's resource type `operation`).
    Operation,
    /// Table of a source.
    Source,
    /// Exposure.
    Exposure,
    /// Metric.
    Metric,
    /// Semantic model.
    SemanticModel,
    /// Saved query.
    SavedQuery,
    /// Unit test.
    UnitTest,
    /// Function in the warehouse, supported since dbt 1.11.
    Function,
    /// Unknown resource type.
    #[default]
    Other,
}

impl ResourceType {
    const ALL: [Self; 13] = [
        Self::Model,
        Self::Seed,
        Self::Snapshot,
        Self::Test,
        Self::Analysis,
        Self::Operation,
        Self::Source,
        Self::Exposure,
        Self::Metric,
        Self::SemanticModel,
        Self::SavedQuery,
        Self::UnitTest,
        Self::Function,
    ];

    /// Returns dbt's name for the resource type, which is also the prefix of unique ids.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Test => "test",
            Self::Analysis => "analysis",
            Self::Operation => "operation",
            Self::Source => "source",
            Self::Exposure => "exposure",
            Self::Metric => "metric",
            Self::SemanticModel => "semantic_model",
            Self::SavedQuery => "saved_query",
            Self::UnitTest => "unit_test",
            Self::Function => "function",
            Self::Other => "",
        }
    }

    /// Returns the resource type with this name in dbt, or `Other` if the name is unknown.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|resource_type| resource_type.name() == name)
            .unwrap_or_default()
    }

    /// Returns whether `ref` can refer to nodes of this type: models, seeds and snapshots, which share one namespace.
    #[must_use]
    pub fn is_referenceable(self) -> bool {
        matches!(self, Self::Model | Self::Seed | Self::Snapshot)
    }
}

/// Node of a manifest. Missing properties are empty.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ManifestNode {
    /// Unique id: `model.shop.orders`, `model.shop.orders.v2`.
    pub unique_id: Arc<str>,
    /// Name of the node, without the version.
    pub name: Arc<str>,
    /// Resource type of the node.
    pub resource_type: ResourceType,
    /// Package that contains the node.
    pub package: Arc<str>,
    /// Path of the file relative to the folder of its resource type, with `/` as the separator.
    pub path: Arc<str>,
    /// Path of the file relative to the project folder.
    pub original_file_path: Arc<str>,
    /// Path of the properties file, relative to the folder of the project named in `patch_package`.
    pub patch_path: Option<Arc<str>>,
    /// Project that contains the properties file.
    pub patch_package: Option<Arc<str>>,
    /// Fully qualified name: package, folders and name.
    pub fqn: Vec<Arc<str>>,
    /// Database of the node's table.
    pub database: Option<Arc<str>>,
    /// Schema of the node's table.
    pub schema: Option<Arc<str>>,
    /// Name of the node's table. For a source table, this is its identifier.
    pub alias: Option<Arc<str>>,
    /// Relation as quoted by the adapter; `None` if the node has no table, for example because it is an ephemeral
    /// model.
    pub relation_name: Option<Arc<str>>,
    /// Description, with docs blocks rendered.
    pub description: Arc<str>,
    /// Ids of the docs blocks that the description uses.
    pub doc_blocks: Vec<Arc<str>>,
    /// Documented columns, in file order.
    pub columns: Vec<NodeColumn>,
    /// Tags from the configuration and from the node itself.
    pub tags: Vec<Arc<str>>,
    /// Meta from the configuration or, if the configuration has none, from the node itself.
    pub meta: ValueFields,
    /// Configuration, without nulls, empty values and settings with separate fields.
    pub config: ValueFields,
    /// Access level: `private`, `protected`, `public`.
    pub access: Option<Arc<str>>,
    /// Group to which the node belongs.
    pub group: Option<Arc<str>>,
    /// Version of a versioned model.
    pub version: Option<Arc<str>>,
    /// Version to which a `ref` without a version resolves.
    pub latest_version: Option<Arc<str>>,
    /// Date on which the model will be deprecated, as written.
    pub deprecation_date: Option<Arc<str>>,
    /// Whether the node's properties define it as a time spine of the semantic layer.
    pub has_time_spine: bool,
    /// Constraints on the table. Constraints on a column are in [`NodeColumn::constraints`].
    pub constraints: Vec<Constraint>,
    /// Primary key that dbt infers from constraints and tests, even if they are not enforced.
    pub primary_key: Vec<Arc<str>>,
    /// Whether the model contract is enforced.
    pub contract_enforced: bool,
    /// Checksum of the node's file. For a unit test, the checksum of the test's definition.
    pub checksum: Option<Arc<str>>,
    /// Code of the node, if [`ManifestReadOptions`](super::ManifestReadOptions) includes it.
    pub raw_code: Option<Arc<str>>,
    /// Compiled SQL of the node, if [`ManifestReadOptions`](super::ManifestReadOptions) includes it and dbt has
    /// compiled the node.
    pub compiled_code: Option<Arc<str>>,
    /// Ids of the nodes that the node reads. Some nodes may be missing from the manifest.
    pub depends_on: Vec<Arc<str>>,
    /// Ids of the macros that the node calls.
    pub macros: Vec<Arc<str>>,
    /// `ref` and `source` calls to the node, as written.
    pub refs: Vec<Ref>,
    /// Properties specific to this resource type.
    pub detail: NodeDetail,
    /// Fingerprint of the node's JSON text.
    pub(super) fingerprint: ChunkFingerprint,
}

impl ManifestNode {
    /// Returns the value of a setting if it is a string, a number or a boolean.
    #[must_use]
    pub fn config_text(&self, key: &str) -> Option<&str> {
        self.config.get(key)?.scalar()
    }

    /// Returns the materialization: `table`, `view`, `incremental`, `ephemeral`.
    #[must_use]
    pub fn materialized(&self) -> Option<&str> {
        self.config_text("materialized")
    }

    /// Returns the columns of the configured `unique_key`.
    #[must_use]
    pub fn unique_key(&self) -> Vec<&str> {
        self.config
            .get("unique_key")
            .map(MetaValue::scalar_texts)
            .unwrap_or_default()
    }

    /// Returns whether a `ref` without a version resolves to the node. Returns `true` if the node has no version or the
    /// latest version.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.version.is_none() || self.version == self.latest_version
    }

    /// Returns the longer name that the node's relation has in a schema if another relation has the short name.
    #[must_use]
    pub fn distinguishing_name(&self) -> String {
        match (&self.version, self.source()) {
            (_, Some(source)) => format!("{}.{}", source.source_name, self.name),
            (Some(version), None) => format!("{}_v{version}", self.name),
            (None, None) => format!("{}.{}", self.package, self.name),
        }
    }

    /// Returns whether a `ref` call may refer to the node. A call without a version refers to the latest version.
    #[must_use]
    pub fn matches_ref(&self, package: Option<&str>, model: &str, version: Option<&str>) -> bool {
        self.resource_type.is_referenceable()
            && self.name.eq_ignore_ascii_case(model)
            && package.is_none_or(|package| package == &*self.package)
            && match version {
                Some(version) => self.version.as_deref() == Some(version),
                None => self.is_latest(),
            }
    }

    /// Returns the name of the node's table.
    #[must_use]
    pub fn table_name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.name)
    }

    /// Returns the documented column with this name. An exact match takes precedence over a case-insensitive match.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&NodeColumn> {
        find_by_name(&self.columns, name, |column| &column.name)
    }

    /// Returns whether the node is a time spine of the semantic layer: either its properties define a time spine, or it
    /// has the legacy name `metricflow_time_spine`, which needs no properties.
    #[must_use]
    pub fn is_time_spine(&self) -> bool {
        self.has_time_spine || &*self.name == "metricflow_time_spine"
    }

    /// Returns whether constraints are enforced. dbt creates constraints only for tables, and only if the contract is
    /// enforced.
    #[must_use]
    pub fn enforces_constraints(&self) -> bool {
        self.contract_enforced && !matches!(self.materialized(), Some("view" | "ephemeral"))
    }

    /// Returns the properties of a data test.
    #[must_use]
    pub fn test(&self) -> Option<&TestNode> {
        if let NodeDetail::Test(test) = &self.detail {
            Some(test)
        } else {
            None
        }
    }

    /// Returns the properties of a source.
    #[must_use]
    pub fn source(&self) -> Option<&SourceNode> {
        if let NodeDetail::Source(source) = &self.detail {
            Some(source)
        } else {
            None
        }
    }
}

/// Properties specific to one resource type.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum NodeDetail {
    /// No additional properties.
    #[default]
    None,
    /// Properties of a data test.
    Test(Box<TestNode>),
    /// Properties of a source.
    Source(Box<SourceNode>),
    /// Properties of an exposure.
    Exposure(Box<Exposure>),
    /// Properties of a metric.
    Metric(Box<Metric>),
    /// Properties of a semantic model.
    SemanticModel(Box<DbtSemanticModel>),
    /// Properties of a saved query.
    SavedQuery(Box<SavedQuery>),
    /// Properties of a unit test.
    UnitTest(Box<UnitTest>),
    /// Properties of a function.
    Function(Box<FunctionNode>),
}

/// Documented column.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NodeColumn {
    /// Name of the column, without quotes.
    pub name: Arc<str>,
    /// Description, with docs blocks rendered.
    pub description: Arc<str>,
    /// Documented data type.
    pub data_type: Option<Arc<str>>,
    /// Meta from the configuration or, if the configuration has none, from the column itself.
    pub meta: ValueFields,
    /// Tags from the configuration and from the column itself.
    pub tags: Vec<Arc<str>>,
    /// Constraints on the column.
    pub constraints: Vec<Constraint>,
    /// Value of the property `quote`; `None` if the property is missing.
    pub quote: Option<bool>,
    /// Granularity of a time spine's column, such as `day`.
    pub granularity: Option<Arc<str>>,
    /// Ids of the docs blocks that the description uses.
    pub doc_blocks: Vec<Arc<str>>,
}

/// Kind of a constraint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConstraintKind {
    /// The column is never NULL.
    NotNull,
    /// The value, or the combination of values, is unique.
    Unique,
    /// The column or columns are the primary key.
    PrimaryKey,
    /// Each value occurs in another table.
    ForeignKey,
    /// Each row satisfies a condition.
    Check,
    /// Another constraint, which is specific to an adapter.
    #[default]
    Custom,
}

impl ConstraintKind {
    pub(super) fn from_name(name: &str) -> Self {
        match name {
            "not_null" => Self::NotNull,
            "unique" => Self::Unique,
            "primary_key" => Self::PrimaryKey,
            "foreign_key" => Self::ForeignKey,
            "check" => Self::Check,
            _ => Self::Custom,
        }
    }
}

/// Constraint on a column or a table.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Constraint {
    /// Kind of the constraint.
    pub kind: ConstraintKind,
    /// Name of the constraint.
    pub name: Option<Arc<str>>,
    /// Condition of a check. For a foreign key in the old format, the referenced table and columns.
    pub expression: Option<Arc<str>>,
    /// Columns of a constraint on a table.
    pub columns: Vec<Arc<str>>,
    /// Referenced table of a foreign key: `ref('customers')`, or the table's name after compilation. See
    /// [`Manifest::resolve_reference`](super::Manifest::resolve_reference).
    pub to: Option<Arc<str>>,
    /// Referenced columns of a foreign key.
    pub to_columns: Vec<Arc<str>>,
}

/// Properties of a data test. [`Manifest::data_tests`](super::Manifest::data_tests) resolves the tested node and
/// column.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TestNode {
    /// Name of the generic test, such as `not_null`; `None` for a singular test.
    pub name: Option<Arc<str>>,
    /// Package of the generic test; `None` for tests that belong to dbt or to the project itself.
    pub namespace: Option<Arc<str>>,
    /// Arguments of the test.
    pub kwargs: ValueFields,
    /// Id of the node whose properties define the test; `None` for tests on sources.
    pub attached_node: Option<Arc<str>>,
    /// Tested column as written, possibly with quotes.
    pub column_name: Option<Arc<str>>,
}

/// Properties of a source table.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceNode {
    /// Name of the source that contains the table.
    pub source_name: Arc<str>,
    /// Description of the source.
    pub source_description: Arc<str>,
    /// Tool that loads the source.
    pub loader: Option<Arc<str>>,
    /// Column with the time at which a row was loaded.
    pub loaded_at_field: Option<Arc<str>>,
    /// Freshness criteria of the source.
    pub freshness: FreshnessCriteria,
}

/// Owner of an exposure or a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// Name of the owner.
    pub name: Option<Arc<str>>,
    /// Email address of the owner.
    pub email: Option<Arc<str>>,
}

/// Properties of an exposure.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Exposure {
    /// Type of the exposure: `dashboard`, `notebook`, `analysis`, `ml`, `application`.
    pub kind: Option<Arc<str>>,
    /// Title of the exposure.
    pub label: Option<Arc<str>>,
    /// Maturity: `high`, `medium`, `low`.
    pub maturity: Option<Arc<str>>,
    /// URL of the exposure.
    pub url: Option<Arc<str>>,
    /// Owner of the exposure.
    pub owner: Owner,
}

/// Properties of a saved query.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SavedQuery {
    /// Title of the saved query.
    pub label: Option<Arc<str>>,
    /// Metrics of the saved query.
    pub metrics: Vec<Arc<str>>,
    /// Group-by items of the saved query.
    pub group_by: Vec<Arc<str>>,
}

/// Properties of a unit test.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UnitTest {
    /// Name of the tested model, not its id.
    pub model: Arc<str>,
}

/// Properties of a function.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FunctionNode {
    /// Arguments, each with a name and a type.
    pub arguments: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// Return type of the function.
    pub returns: Option<Arc<str>>,
}

/// Group of nodes with a common owner.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DbtGroup {
    /// Unique id, such as `group.shop.finance`.
    pub unique_id: Arc<str>,
    /// Name of the group.
    pub name: Arc<str>,
    /// Package that contains the group.
    pub package: Arc<str>,
    /// Description of the group.
    pub description: Arc<str>,
    /// Owner of the group.
    pub owner: Owner,
}

/// Docs block.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DocBlock {
    /// Unique id, such as `doc.shop.orders`.
    pub unique_id: Arc<str>,
    /// Name of the docs block.
    pub name: Arc<str>,
    /// Package that contains the docs block.
    pub package: Arc<str>,
    /// Path of the file relative to the project folder.
    pub original_file_path: Arc<str>,
    /// Text of the docs block.
    pub text: Arc<str>,
}

/// Returns the column with a name. An exact match takes precedence over a case-insensitive match.
pub(super) fn find_by_name<'c, C>(columns: &'c [C], name: &str, name_of: impl Fn(&C) -> &str) -> Option<&'c C> {
    let exact = columns.iter().find(|column| name_of(column) == name);
    exact.or_else(|| columns.iter().find(|column| name_of(column).eq_ignore_ascii_case(name)))
}
