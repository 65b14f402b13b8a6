//! What dbt knows of a project as an Omni model: a view for each table, joins, the state of the tests.
//!
//! Pure: artifacts in, texts out. What people wrote into the files since stays; that is the business of whoever writes
//! them. Facts after Omni's documentation of view files and of its dbt integration.

mod access;
mod changes;
mod context;
mod expression;
mod joins;
mod keys;
mod measures;
mod meta;
mod names;
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

use crate::artifacts::{Catalog, Manifest, RunResults, SourceResults};
use crate::dialect::Dialect;
use crate::parallel;

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

/// The file in the folder of the Omni model that holds what changes by the run.
pub const STATUS_FILE: &str = "dbt_status.json";

/// What dbt left of a project.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Artifacts<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// What the warehouse says of its tables.
    pub catalog: Option<&'a Catalog>,
    /// The results of runs, in any order.
    pub runs: &'a [RunResults],
    /// How fresh the sources are.
    pub freshness: Option<&'a SourceResults>,
}

impl<'a> Artifacts<'a> {
    /// What a manifest alone says.
    #[must_use]
    pub fn from_manifest(manifest: &'a Manifest) -> Self {
        Self { manifest, catalog: None, runs: &[], freshness: None }
    }
}

/// What is written of them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Wanted {
    /// The dialect of the warehouse, for names that need quotes.
    pub dialect: Dialect,
    /// Without the state of the tests.
    pub strip_status: bool,
    /// A topic for every model that is seen and joins others, and not only where `meta.omni.topic` asks for one.
    pub topics: bool,
    /// Private models need the access grant of their group, and not only where `meta.omni.access_grant` asks for one.
    pub access_grants: bool,
}

impl Wanted {
    /// For a dialect.
    #[must_use]
    pub fn from_dialect(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    /// Without the state of the tests, or with it.
    #[must_use]
    pub fn strip_status(mut self, strip: bool) -> Self {
        self.strip_status = strip;
        self
    }

    /// With a topic for every model that is seen and joins others, or only for those that ask for one.
    #[must_use]
    pub fn topics(mut self, all: bool) -> Self {
        self.topics = all;
        self
    }

    /// With an access grant for the group of every private model, or only for those that ask for one.
    #[must_use]
    pub fn access_grants(mut self, all: bool) -> Self {
        self.access_grants = all;
        self
    }
}

/// An Omni model as dbt's artifacts give it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OmniModel {
    /// The views, by their files.
    pub views: Vec<ViewFile>,
    /// The topics that are asked for, by their files.
    pub topics: Vec<Topic>,
    /// What the model file says of access grants; `None` if nothing needs one.
    pub model: Option<String>,
    /// The text of the relationships file; `None` if nothing is joined.
    pub relationships: Option<String>,
    /// The joins, those that are not certain too.
    pub joins: Vec<TableJoin>,
    /// What of the semantic layer has no like in Omni, and why.
    pub gaps: Vec<MeasureGap>,
    /// What changes by the run, as JSON; `None` if nothing ran.
    pub status: Option<String>,
    /// How the tables stand by that.
    pub health: Health,
}

impl OmniModel {
    /// How many keys and joins there are that Omni does not see by itself: it reads constraints, and no tests.
    #[must_use]
    pub fn unseen(&self) -> (usize, usize) {
        let keys = self.views.iter().filter_map(|view| view.key.as_ref());
        let joins = self.joins.iter().filter(|join| join.doubt.is_none() && join.source != JoinSource::Constraint);
        (keys.filter(|key| key.source == KeySource::Tests).count(), joins.count())
    }

    /// The model of a project. `before` is the text of the status file that was written last: run times are carried on.
    ///
    /// ```
    /// use formulac::artifacts::{KeptParts, Manifest};
    /// use formulac::omni::{Artifacts, OmniModel, Wanted};
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
            Some(view::new(table, measures, &grants, artifacts.manifest, children, &tests, wanted))
        };
        let mut views: Vec<ViewFile> = parallel::each(tables.len(), of_table).into_iter().flatten().collect();
        let status =
            (!wanted.strip_status).then(|| test_status::file(&tables, artifacts, &tests, &freshness, before)).flatten();
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
