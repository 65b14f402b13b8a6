//! Omni integration that converts dbt metadata to Omni models, and Omni fields to model specs.
//!
//! [`OmniModel`] converts dbt artifacts to the texts of Omni's files: one view per table, joins, topics, access
//! settings and test status. [`promote`] converts fields, saved queries and their calculations to a spec. Parts that a
//! spec cannot express are reported as gaps.
//!
//! | direction | input | output |
//! |---|---|---|
//! | pull | `manifest.json`, `catalog.json`, `run_results.json`, `sources.json` | `*.view.yaml`, `relationships.yaml`, topics |
//! | promote | `*.view.yaml`, `*.query.view.yaml` | a spec, and gaps |
//!
//! Both directions only convert text, without any input or output. The caller writes the files, and uses
//! `formulac-yaml-edit` to preserve hand edits. The format follows Omni's documentation for view files and for the dbt
//! integration. Descriptions, labels and permissions that were changed in Omni are kept, and changes from dbt are
//! merged.
//!
//! `promote` compiles the generated spec. Definitions that do not compile are also omitted and reported as gaps.

#![forbid(unsafe_code)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented
)]

mod access;
mod changes;
mod context;
mod existing;
mod expression;
mod joins;
mod keys;
mod locations;
mod measures;
mod meta;
mod names;
pub mod promote;
mod pull;
mod pull_state;
mod relations;
mod relationships;
mod renamed;
mod run_trends;
mod semantic;
mod table;
mod table_tests;
mod test_status;
mod topics;
mod view;

use formulac_catalog::{Type, catalog, dialect};
use formulac_core::{calendar, schema};
use formulac_dbt::{self as dbt, artifacts};
use formulac_grammar as parse;
use formulac_lineage as lineage;
use formulac_model::{self as model, compiler};
use formulac_runtime::parallel;
use formulac_syntax::{ast, diag, span, yaml};
use formulac_yaml_edit as yaml_edit;

use crate::artifacts::{Catalog, Manifest, RunResults, SourceResults};
use crate::dialect::Dialect;

pub use changes::{ChangeKind, ChangeSubject, PullChange};
pub use joins::{Cardinality, JoinSource, TableJoin};
pub use keys::{KeySource, TableKey};
pub use measures::MeasureGap;
pub use pull::{OmniFiles, Pull, PullOptions, PulledFileLocation, shared_file_paths};
pub use pull_state::PullRecord;
pub use run_trends::{RunTrend, StaleSource, TableHealth};
pub use test_status::TestState;
pub use topics::Topic;
pub use view::ViewFile;

use existing::ExistingView;
use table::DbtTable;
use table_tests::TestsByNode;

/// Name of the file in the Omni model's folder that stores the data that changes with each run.
pub const STATUS_FILE: &str = "dbt_status.json";

/// dbt artifacts of a project.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Artifacts<'a> {
    /// Manifest of the project.
    pub manifest: &'a Manifest,
    /// Catalog of the tables in the warehouse.
    pub catalog: Option<&'a Catalog>,
    /// Run results, in any order.
    pub runs: &'a [RunResults],
    /// Freshness results of the sources.
    pub freshness: Option<&'a SourceResults>,
}

impl<'a> Artifacts<'a> {
    /// Creates artifacts that contain only a manifest.
    #[must_use]
    pub fn from_manifest(manifest: &'a Manifest) -> Self {
        Self {
            manifest,
            catalog: None,
            runs: &[],
            freshness: None,
        }
    }
}

/// Options for generating an Omni model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OmniOptions {
    /// Dialect of the warehouse, which determines how names are quoted.
    pub dialect: Dialect,
    /// Whether to omit the test status.
    pub strip_status: bool,
    /// Whether to generate a topic for every visible model with joins. By default, topics are generated only for models
    /// with `meta.omni.topic`.
    pub topics: bool,
    /// Whether private models require the access grant of their group. By default, only models with
    /// `meta.omni.access_grant` require a grant.
    pub access_grants: bool,
    /// First part of the names of the virtual schemas in which Omni shows dbt's models. By default, a view that does not
    /// exist yet has the schema of its table.
    pub virtual_schema: Option<String>,
    /// Views that the Omni model contains.
    existing: Vec<ExistingView>,
}

impl OmniOptions {
    /// Returns the default options for a dialect.
    #[must_use]
    pub fn from_dialect(dialect: Dialect) -> Self {
        Self {
            dialect,
            ..Self::default()
        }
    }

    /// Sets whether to omit the test status.
    #[must_use]
    pub fn strip_status(mut self, strip: bool) -> Self {
        self.strip_status = strip;
        self
    }

    /// Sets whether to generate a topic for every visible model with joins.
    #[must_use]
    pub fn topics(mut self, all: bool) -> Self {
        self.topics = all;
        self
    }

    /// Sets the first part of the names of Omni's virtual schemas, such as `omni_dbt`.
    #[must_use]
    pub fn virtual_schema(mut self, schema: Option<&str>) -> Self {
        self.virtual_schema = schema.map(str::to_owned);
        self
    }

    /// Sets the view files that the Omni model contains, each with its path and text. A table whose view exists keeps
    /// the file and the name of the view.
    #[must_use]
    pub fn existing_views(mut self, files: &[(String, String)]) -> Self {
        self.existing = ExistingView::read_all(files);
        self
    }

    /// Sets whether every private model requires the access grant of its group.
    #[must_use]
    pub fn access_grants(mut self, all: bool) -> Self {
        self.access_grants = all;
        self
    }
}

/// Omni model generated from dbt's artifacts.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OmniModel {
    /// Views, ordered by file.
    pub views: Vec<ViewFile>,
    /// Topics, ordered by file.
    pub topics: Vec<Topic>,
    /// Text of the model file, which contains the access grants. `None` if there are no grants.
    pub model: Option<String>,
    /// Text of the relationships file. `None` if there are no joins.
    pub relationships: Option<String>,
    /// All joins, including uncertain joins.
    pub joins: Vec<TableJoin>,
    /// Items of the semantic layer that have no equivalent in Omni, with the reasons.
    pub gaps: Vec<MeasureGap>,
    /// Data that changes with each run, as JSON. `None` if there are no run results or if the status is omitted.
    pub status: Option<String>,
    /// Health of the tables, based on run results.
    pub health: TableHealth,
}

impl OmniModel {
    /// Returns the number of keys and the number of joins that come from tests. Omni cannot infer these keys and joins
    /// because it reads only constraints.
    #[must_use]
    pub fn count_constraints_from_tests(&self) -> (usize, usize) {
        let keys = self.views.iter().filter_map(|view| view.key.as_ref());
        let joins = self
            .joins
            .iter()
            .filter(|join| join.doubt.is_none() && join.source != JoinSource::Constraint);
        (keys.filter(|key| key.source == KeySource::Tests).count(), joins.count())
    }

    /// Returns the Omni model of a project. `before` is the text of the last status file, which contains earlier run
    /// times.
    ///
    /// ```
    /// use formulac_dbt::artifacts::{KeptParts, Manifest};
    /// use formulac_omni::{Artifacts, OmniModel, OmniOptions};
    /// let text = r#"{"nodes": {"model.shop.orders": {"name": "orders", "resource_type": "model", "schema": "analytics",
    ///     "alias": "orders", "relation_name": "analytics.orders", "columns": {"id": {"name": "id", "description": "Its number."}}}}}"#;
    /// let manifest = Manifest::from_text(text, KeptParts::default()).unwrap();
    /// let model = OmniModel::new(Artifacts::from_manifest(&manifest), &OmniOptions::default(), None);
    /// assert_eq!(model.views[0].path, "analytics/orders.view.yaml");
    /// assert!(model.views[0].text.contains("  id:\n    description: Its number.\n"));
    /// ```
    #[must_use]
    pub fn new(artifacts: Artifacts<'_>, wanted: &OmniOptions, before: Option<&str>) -> Self {
        let before = test_status::RecordedStatus::read(before);
        let groups = relations::group_by_relation(artifacts.manifest);
        let tests = TestsByNode::new(artifacts, &groups, &before);
        let tables = DbtTable::all_tables(artifacts, &groups, wanted, &tests);
        let places = semantic::index_by_relation(&tables);
        let semantic = semantic::all_semantic_models(artifacts.manifest, &places);
        let joins = joins::all_joins(&tables, &places, &semantic, artifacts.manifest, &tests);
        let (measures, mut gaps) = measures::all_measures(&tables, &semantic, artifacts.manifest);
        let children = artifacts.manifest.children();
        let freshness = test_status::node_freshness(artifacts, &children);
        let grants = access::Grants::new(&tables, wanted.access_grants, &mut gaps);
        let topics = topics::all_topics(&tables, &joins, &grants, wanted.topics, &mut gaps);
        let of_table = |place: usize| {
            let (table, measures) = (tables.get(place)?, measures.get(place)?);
            let children = children.get(table.place).map_or(&[][..], Vec::as_slice);
            Some(view::new(
                table,
                measures,
                &grants,
                artifacts.manifest,
                children,
                &tests,
                wanted,
            ))
        };
        let mut views: Vec<ViewFile> = parallel::map_range(tables.len(), of_table)
            .into_iter()
            .flatten()
            .collect();
        let status = (!wanted.strip_status)
            .then(|| test_status::status_file(&tables, artifacts, &tests, &freshness, before))
            .flatten();
        let health = run_trends::run_trends(status.as_ref(), artifacts, &children, &freshness);
        let status = status.and_then(|file| file.text());
        views.sort_by(|one, other| one.path.cmp(&other.path));
        Self {
            views,
            topics,
            model: grants.text(),
            relationships: relationships::relationships_text(&joins),
            joins,
            gaps,
            status,
            health,
        }
    }
}
