//! The tests of each table with what came of them last.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::Artifacts;
use super::test_status::Recorded;
use crate::artifacts::{DataTest, LastResult, ManifestNode, ResourceType, Status, last_results};

/// All tests that run, by the place of the node that they are of.
#[derive(Debug)]
pub(super) struct Tests<'a> {
    of_nodes: FxHashMap<usize, Vec<RunTest<'a>>>,
    pub last: BTreeMap<&'a str, LastResult<'a>>,
}

/// A test of a table.
#[derive(Clone, Debug)]
pub(super) struct RunTest<'a> {
    pub node: &'a ManifestNode,
    /// What it says, of a generic test.
    pub data: Option<DataTest<'a>>,
    /// What came of it in the runs that are known.
    pub last: Option<LastResult<'a>>,
    /// How it ended last, in these runs or as it was recorded before.
    pub status: Option<Status>,
}

impl<'a> Tests<'a> {
    pub fn new(artifacts: Artifacts<'a>, before: &Recorded) -> Self {
        let manifest = artifacts.manifest;
        let last = last_results(artifacts.runs);
        let mut of_nodes: FxHashMap<usize, Vec<RunTest<'a>>> = FxHashMap::default();
        let mut add = |unique_id: &str, test: RunTest<'a>| {
            if let Some(place) = manifest.index_of(unique_id) {
                of_nodes.entry(place).or_default().push(test);
            }
        };
        let ran = |node: &'a ManifestNode, data: Option<DataTest<'a>>| {
            let last = last.get(&*node.unique_id).copied();
            let status = last.map(|last| last.result.status.clone()).or_else(|| before.status(&node.name));
            RunTest { node, data, last, status }
        };
        for data in manifest.data_tests() {
            let node = data.node;
            match data.on {
                Some(on) => add(&on.unique_id, ran(node, Some(data.clone()))),
                // A singular test is of all that it reads.
                None => node.depends_on.iter().for_each(|id| add(id, ran(node, None))),
            }
        }
        for node in manifest.with_type(ResourceType::UnitTest) {
            node.depends_on.iter().for_each(|id| add(id, ran(node, None)));
        }
        Self { of_nodes, last }
    }

    /// The tests of the node at a place of the manifest.
    pub fn for_node(&self, place: usize) -> &[RunTest<'a>] {
        self.of_nodes.get(&place).map_or(&[], Vec::as_slice)
    }
}

impl RunTest<'_> {
    /// Whether what it says may be relied on: dbt stops at it, and it did not fail last.
    pub fn holds(&self) -> bool {
        self.data.as_ref().is_some_and(DataTest::proves) && !self.failed_last()
    }

    /// Whether it found something, or could not run, when it ran last.
    pub fn failed_last(&self) -> bool {
        matches!(self.status, Some(Status::Fail | Status::Error | Status::Warn))
    }
}
