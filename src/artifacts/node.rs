//! What a manifest holds: models and tests, sources, exposures, and what is known of each.

use std::sync::Arc;

use super::chunks::Print;
use super::freshness::Criteria;
use super::references::Ref;
use super::semantic::{DbtSemanticModel, Metric};
use super::value::{MetaValue, ValueFields};

/// What a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ResourceType {
    /// A model.
    Model,
    /// A seed.
    Seed,
    /// A snapshot.
    Snapshot,
    /// A data test, generic or singular.
    Test,
    /// An analysis.
    Analysis,
    /// A hook.
    Operation,
    /// A table of a source.
    Source,
    /// An exposure.
    Exposure,
    /// A metric.
    Metric,
    /// A semantic model.
    SemanticModel,
    /// A saved query.
    SavedQuery,
    /// A unit test.
    UnitTest,
    /// A function of the warehouse, from dbt 1.11 on.
    Function,
    /// One that is not known here.
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

    /// dbt's word for it, with which unique ids begin.
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

    /// What dbt's word means; `Other` for words that are not known.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|known| known.name() == name).unwrap_or_default()
    }

    /// Whether `ref` finds it: models, seeds and snapshots share their names.
    #[must_use]
    pub fn is_referred(self) -> bool {
        matches!(self, Self::Model | Self::Seed | Self::Snapshot)
    }
}

/// A node of a manifest. What it does not have is empty.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ManifestNode {
    /// `model.shop.orders`, `model.shop.orders.v2`.
    pub unique_id: Arc<str>,
    /// Its name, without the version.
    pub name: Arc<str>,
    /// What it is.
    pub resource_type: ResourceType,
    /// The package that it is of.
    pub package: Arc<str>,
    /// The file, seen from the folder of its kind, with `/` between folders.
    pub path: Arc<str>,
    /// The file, seen from the project.
    pub original_file_path: Arc<str>,
    /// The file that describes it, seen from the project `patch_package`.
    pub patch_path: Option<Arc<str>>,
    /// The project whose file describes it.
    pub patch_package: Option<Arc<str>>,
    /// The package, folders and name.
    pub fqn: Vec<Arc<str>>,
    /// The database.
    pub database: Option<Arc<str>>,
    /// The schema.
    pub schema: Option<Arc<str>>,
    /// The name of its table, of a source the identifier.
    pub alias: Option<Arc<str>>,
    /// The table as the adapter quotes it; `None` if there is no table, as of an ephemeral model.
    pub relation_name: Option<Arc<str>>,
    /// What it is, docs blocks rendered.
    pub description: Arc<str>,
    /// The docs blocks that the description uses, by their ids.
    pub doc_blocks: Vec<Arc<str>>,
    /// The columns that are documented, in the order written.
    pub columns: Vec<NodeColumn>,
    /// Its tags, of either place.
    pub tags: Vec<Arc<str>>,
    /// Its meta: that of the configuration, else its own.
    pub meta: ValueFields,
    /// Its configuration, without what stands in fields of their own here and what is nothing or empty.
    pub config: ValueFields,
    /// Who may read it: `private`, `protected`, `public`.
    pub access: Option<Arc<str>>,
    /// The group that it belongs to.
    pub group: Option<Arc<str>>,
    /// The version, of a model that has some.
    pub version: Option<Arc<str>>,
    /// The version that a plain `ref` takes.
    pub latest_version: Option<Arc<str>>,
    /// When it is to be gone, as it is written.
    pub deprecation_date: Option<Arc<str>>,
    /// Whether it says that it is the calendar which the semantic layer goes by.
    pub has_time_spine: bool,
    /// Constraints of the whole table; those of columns stand there.
    pub constraints: Vec<Constraint>,
    /// The key that dbt takes from constraints and tests, whether those hold always or not.
    pub primary_key: Vec<Arc<str>>,
    /// Whether a contract is enforced.
    pub contract_enforced: bool,
    /// The checksum of its file, of a unit test that of its definition.
    pub checksum: Option<Arc<str>>,
    /// Its code, where [`Keep`](super::KeptParts) says so.
    pub raw_code: Option<Arc<str>>,
    /// Its SQL as it runs, where [`Keep`](super::KeptParts) says so and dbt compiled it.
    pub compiled_code: Option<Arc<str>>,
    /// The ids of the nodes that it reads; some may not be there.
    pub depends_on: Vec<Arc<str>>,
    /// The ids of the macros that it uses.
    pub macros: Vec<Arc<str>>,
    /// Its `ref`s and `source`s as they are written.
    pub refs: Vec<Ref>,
    /// What only nodes of its kind have.
    pub detail: NodeDetail,
    /// What tells its text from others.
    pub(super) print: Print,
}

impl ManifestNode {
    /// A setting that is a text, a number or a truth value.
    #[must_use]
    pub fn config_text(&self, key: &str) -> Option<&str> {
        self.config.get(key)?.scalar()
    }

    /// How it is built: `table`, `view`, `incremental`, `ephemeral`.
    #[must_use]
    pub fn materialized(&self) -> Option<&str> {
        self.config_text("materialized")
    }

    /// The columns of the configured `unique_key`.
    #[must_use]
    pub fn unique_key(&self) -> Vec<&str> {
        self.config.get("unique_key").map(MetaValue::to_words).unwrap_or_default()
    }

    /// Whether a plain `ref` finds it: it has no versions, or is the latest.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.version.is_none() || self.version == self.latest_version
    }

    /// The documented column of this name: as spelled, else in any case.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&NodeColumn> {
        let exact = self.columns.iter().find(|column| &*column.name == name);
        exact.or_else(|| self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
    }

    /// Whether it is the calendar that the semantic layer goes by: it says so, or has the name of old, which needs no
    /// properties.
    #[must_use]
    pub fn is_time_spine(&self) -> bool {
        self.has_time_spine || &*self.name == "metricflow_time_spine"
    }

    /// Whether constraints hold: they are only made where a contract is enforced and a table is.
    #[must_use]
    pub fn enforces_constraints(&self) -> bool {
        self.contract_enforced && !matches!(self.materialized(), Some("view" | "ephemeral"))
    }

    /// What a test has.
    #[must_use]
    pub fn test(&self) -> Option<&TestNode> {
        if let NodeDetail::Test(test) = &self.detail { Some(test) } else { None }
    }

    /// What a source has.
    #[must_use]
    pub fn source(&self) -> Option<&SourceNode> {
        if let NodeDetail::Source(source) = &self.detail { Some(source) } else { None }
    }
}

/// What only nodes of one kind have.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum NodeDetail {
    /// Nothing.
    #[default]
    None,
    /// Of a data test.
    Test(Box<TestNode>),
    /// Of a source.
    Source(Box<SourceNode>),
    /// Of an exposure.
    Exposure(Box<Exposure>),
    /// Of a metric.
    Metric(Box<Metric>),
    /// Of a semantic model.
    SemanticModel(Box<DbtSemanticModel>),
    /// Of a saved query.
    SavedQuery(Box<SavedQuery>),
    /// Of a unit test.
    UnitTest(Box<UnitTest>),
    /// Of a function.
    Function(Box<FunctionNode>),
}

/// A documented column.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NodeColumn {
    /// Its name, without quotes.
    pub name: Arc<str>,
    /// What it is, docs blocks rendered.
    pub description: Arc<str>,
    /// The type that is written of it.
    pub data_type: Option<Arc<str>>,
    /// Its meta: that of the configuration, else its own.
    pub meta: ValueFields,
    /// Its tags, of either place.
    pub tags: Vec<Arc<str>>,
    /// Its constraints.
    pub constraints: Vec<Constraint>,
    /// Whether it is quoted, where that is said.
    pub quote: Option<bool>,
    /// The granularity of a time spine's column: `day`.
    pub granularity: Option<Arc<str>>,
    /// The docs blocks that the description uses, by their ids.
    pub doc_blocks: Vec<Arc<str>>,
}

/// What a constraint says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConstraintKind {
    /// Never NULL.
    NotNull,
    /// No value, or no row of values, stands twice.
    Unique,
    /// The primary key.
    PrimaryKey,
    /// Each value stands in another table.
    ForeignKey,
    /// A condition of each row.
    Check,
    /// One of the adapter's own.
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

/// A constraint of a column or a table.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Constraint {
    /// What it says.
    pub kind: ConstraintKind,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// The condition; of an old foreign key what it refers to.
    pub expression: Option<Arc<str>>,
    /// The columns, of a table's constraint.
    pub columns: Vec<Arc<str>>,
    /// What a foreign key refers to: `ref('customers')`, once compiled the table's name. See
    /// [`Manifest::referred`](super::Manifest::referred).
    pub to: Option<Arc<str>>,
    /// The columns there.
    pub to_columns: Vec<Arc<str>>,
}

/// What a data test has. [`Manifest::data_tests`](super::Manifest::data_tests) says what it is about.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TestNode {
    /// The generic test, `not_null`; none for a singular one.
    pub name: Option<Arc<str>>,
    /// The package of the generic test; none for dbt's own and the project's.
    pub namespace: Option<Arc<str>>,
    /// Its arguments.
    pub kwargs: ValueFields,
    /// The id of the node that it is written at; none for tests of sources.
    pub attached_node: Option<Arc<str>>,
    /// The column as it is written, perhaps with quotes.
    pub column_name: Option<Arc<str>>,
}

/// What a source has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SourceNode {
    /// The source that the table is of.
    pub source_name: Arc<str>,
    /// What that is.
    pub source_description: Arc<str>,
    /// What loads it.
    pub loader: Option<Arc<str>>,
    /// The column that tells when a row was loaded.
    pub loaded_at_field: Option<Arc<str>>,
    /// When it is stale.
    pub freshness: Criteria,
}

/// Who answers for something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// A name.
    pub name: Option<Arc<str>>,
    /// An e-mail address.
    pub email: Option<Arc<str>>,
}

/// What an exposure has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Exposure {
    /// `dashboard`, `notebook`, `analysis`, `ml`, `application`.
    pub kind: Option<Arc<str>>,
    /// Its title.
    pub label: Option<Arc<str>>,
    /// `high`, `medium`, `low`.
    pub maturity: Option<Arc<str>>,
    /// Where it is.
    pub url: Option<Arc<str>>,
    /// Who answers for it.
    pub owner: Owner,
}

/// What a saved query has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SavedQuery {
    /// Its title.
    pub label: Option<Arc<str>>,
    /// The metrics that it asks for.
    pub metrics: Vec<Arc<str>>,
    /// By what.
    pub group_by: Vec<Arc<str>>,
}

/// What a unit test has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UnitTest {
    /// The model's name, no id.
    pub model: Arc<str>,
}

/// What a function has.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FunctionNode {
    /// Its arguments, each a name and a type.
    pub arguments: Vec<(Arc<str>, Option<Arc<str>>)>,
    /// The type of what it gives.
    pub returns: Option<Arc<str>>,
}

/// A group.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DbtGroup {
    /// `group.shop.finance`.
    pub unique_id: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The package that it is of.
    pub package: Arc<str>,
    /// What it is.
    pub description: Arc<str>,
    /// Who answers for it.
    pub owner: Owner,
}

/// A docs block.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DocBlock {
    /// `doc.shop.orders`.
    pub unique_id: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The package that it is of.
    pub package: Arc<str>,
    /// The file, seen from the project.
    pub original_file_path: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
}
