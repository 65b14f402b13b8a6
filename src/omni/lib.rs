//! Omni's side: Omni models from dbt metadata, and model specs from Omni fields.
//!
//! [`OmniModel`] converts dbt artifacts to strings of Omni's files: a view per table, joins, topics, access and the
//! status of tests. [`promote`] converts fields, saved queries and their calculations to a spec, and reports what a
//! spec cannot express as gaps.
//!
//! | direction | input | output |
//! |---|---|---|
//! | pull | `manifest.json`, `catalog.json`, `run_results.json`, `sources.json` | `*.view.yaml`, `relationships.yaml`, topics |
//! | promote | `*.view.yaml`, `*.query.view.yaml` | a spec, and gaps |
//!
//! Both directions are pure: strings in, strings out. The caller that writes the files preserves the edits of users, with
//! `formulac-yaml-edit`. The format follows Omni's documentation of view files and of its dbt integration.
//! Descriptions, labels and permissions that somebody changed in Omni stay; dbt's changes are merged.
//!
//! `promote` compiles the spec that it writes. A definition that does not compile becomes a gap, too.

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
mod expression;
mod joins;
mod keys;
mod measures;
mod meta;
mod names;
pub mod promote;
mod pull;
mod pull_state;
mod relationships;
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

pub use changes::{ChangeKind, ChangeOf, PullChange};
pub use joins::{Cardinality, JoinSource, TableJoin};
pub use keys::{KeySource, TableKey};
pub use measures::MeasureGap;
pub use pull::{OmniFiles, Pull, PulledPlace, Ways};
pub use pull_state::PullRecord;
pub use run_trends::{Health, RunTrend, StaleSource};
pub use test_status::TestState;
pub use topics::Topic;
pub use view::ViewFile;

use table::DbtTable;
use table_tests::Tests;

/// File in the folder of the Omni model with data that changes with each run.
pub const STATUS_FILE: &str = "dbt_status.json";

/// dbt artifacts of a project.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Artifacts<'a> {
    /// Manifest of the project.
    pub manifest: &'a Manifest,
    /// Catalog of the warehouse's tables.
    pub catalog: Option<&'a Catalog>,
    /// Results of runs, in any order.
    pub runs: &'a [RunResults],
    /// Freshness of the sources.
    pub freshness: Option<&'a SourceResults>,
}

impl<'a> Artifacts<'a> {
    /// Uses a manifest without other artifacts.
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
pub struct Wanted {
    /// Dialect of the warehouse, for quoting names.
    pub dialect: Dialect,
    /// Whether to leave out the test status.
    pub strip_status: bool,
    /// Whether every visible model with joins gets a topic. By default, only models with `meta.omni.topic` get one.
    pub topics: bool,
    /// Whether private models require the access grant of their group. By default, only models with
    /// `meta.omni.access_grant` require one.
    pub access_grants: bool,
}

impl Wanted {
    /// Returns the default options for a dialect.
    #[must_use]
    pub fn from_dialect(dialect: Dialect) -> Self {
        Self {
            dialect,
            ..Self::default()
        }
    }

    /// Sets whether to leave out the test status.
    #[must_use]
    pub fn strip_status(mut self, strip: bool) -> Self {
        self.strip_status = strip;
        self
    }

    /// Sets whether every visible model with joins gets a topic.
    #[must_use]
    pub fn topics(mut self, all: bool) -> Self {
        self.topics = all;
        self
    }

    /// Sets whether every private model requires an access grant of its group.
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
    /// Requested topics, ordered by file.
    pub topics: Vec<Topic>,
    /// Text of the model file, which contains the access grants; `None` if there are no grants.
    pub model: Option<String>,
    /// Text of the relationships file; `None` if there are no joins.
    pub relationships: Option<String>,
    /// Joins, including uncertain ones.
    pub joins: Vec<TableJoin>,
    /// Items of the semantic layer without an equivalent in Omni, with the reasons.
    pub gaps: Vec<MeasureGap>,
    /// Data that changes with each run, as JSON; `None` if nothing has run.
    pub status: Option<String>,
    /// Health of the tables according to the runs.
    pub health: Health,
}

impl OmniModel {
    /// Returns the number of keys and joins that Omni doesn't infer itself, because it reads constraints but not
    /// tests.
    #[must_use]
    pub fn unseen_constraints(&self) -> (usize, usize) {
        let keys = self.views.iter().filter_map(|view| view.key.as_ref());
        let joins = self
            .joins
            .iter()
            .filter(|join| join.doubt.is_none() && join.source != JoinSource::Constraint);
        (keys.filter(|key| key.source == KeySource::Tests).count(), joins.count())
    }

    /// The model of a project. `before` is the text of the status file that was written last: run times are carried on.
    ///
    /// ```
    /// use formulac_dbt::artifacts::{KeptParts, Manifest};
    /// use formulac_omni::{Artifacts, OmniModel, Wanted};
    /// let text = r#"{"nodes": {"model.shop.orders": {"name": "orders", "resource_type": "model", "schema": "analytics",
    ///     "alias": "orders", "relation_name": "analytics.orders", "columns": {"id": {"name": "id", "description": "Its number."}}}}}"#;
    /// let manifest = Manifest::from_text(text, KeptParts::default()).unwrap();
    /// let model = OmniModel::new(Artifacts::from_manifest(&manifest), &Wanted::default(), None);
    /// assert_eq!(model.views[0].path, "analytics/orders.view.yaml");
    /// assert!(model.views[0].text.contains("  id:\n    description: Its number.\n"));
    /// ```
    #[must_use]
    pub fn new(artifacts: Artifacts<'_>, wanted: &Wanted, before: Option<&str>) -> Self {
        let before = test_status::Recorded::read(before);
        let tests = Tests::new(artifacts, &before);
        let tables = DbtTable::all(artifacts, wanted, &tests);
        let places = semantic::index_by_relation(&tables);
        let semantic = semantic::all(artifacts.manifest, &places);
        let joins = joins::all(&tables, &places, &semantic, artifacts.manifest, &tests);
        let (measures, mut gaps) = measures::all(&tables, &semantic, artifacts.manifest);
        let children = artifacts.manifest.children();
        let freshness = test_status::freshness(artifacts, &children);
        let grants = access::Grants::new(&tables, wanted.access_grants, &mut gaps);
        let topics = topics::all(&tables, &joins, &grants, wanted.topics, &mut gaps);
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
            .then(|| test_status::file(&tables, artifacts, &tests, &freshness, before))
            .flatten();
        let health = run_trends::run_trends(status.as_ref(), artifacts, &children, &freshness);
        let status = status.and_then(|file| file.text());
        views.sort_by(|one, other| one.path.cmp(&other.path));
        Self {
            views,
            topics,
            model: grants.text(),
            relationships: relationships::text(&joins),
            joins,
            gaps,
            status,
            health,
        }
    }
}
