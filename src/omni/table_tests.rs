//! Tests of each table, with their last results.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::Artifacts;
use super::relations::RelationNodes;
use super::test_status::PreviousStatusFile;
use crate::artifacts::{DataTest, LastResult, ManifestNode, ResourceType, Status, last_results};

/// Enabled tests, by the index of the node that they test.
#[derive(Debug)]
pub(super) struct TestsByNode<'a> {
    of_nodes: FxHashMap<usize, Vec<ExecutedTest<'a>>>,
    pub last: BTreeMap<&'a str, LastResult<'a>>,
}

/// Test of a table.
#[derive(Clone, Debug)]
pub(super) struct ExecutedTest<'a> {
    pub node: &'a ManifestNode,
    /// Definition of the data test on the table. `None` for singular tests and unit tests.
    pub data: Option<DataTest<'a>>,
    /// Latest result of the test in the available runs.
    pub last: Option<LastResult<'a>>,
    /// Latest status of the test, from the available runs or from the previous status file.
    pub status: Option<Status>,
}

impl<'a> TestsByNode<'a> {
    pub fn new(artifacts: Artifacts<'a>, groups: &[RelationNodes<'a>], before: &PreviousStatusFile) -> Self {
        let manifest = artifacts.manifest;
        let last = last_results(artifacts.runs);
        let mut of_nodes: FxHashMap<usize, Vec<ExecutedTest<'a>>> = FxHashMap::default();
        let mut add = |unique_id: &str, test: ExecutedTest<'a>| {
            if let Some(node_index) = manifest.index_of(unique_id) {
                of_nodes.entry(node_index).or_default().push(test);
            }
        };
        let to_executed = |node: &'a ManifestNode, data: Option<DataTest<'a>>| {
            let last = last.get(&*node.unique_id).copied();
            let status = last
                .map(|last| last.result.status.clone())
                .or_else(|| before.status(&node.name));
            ExecutedTest {
                node,
                data,
                last,
                status,
            }
        };
        for data in manifest.data_tests() {
            let node = data.node;
            match data.on {
                Some(target) => add(&target.unique_id, to_executed(node, Some(data.clone()))),
                // A singular test applies to all nodes that it reads.
                None => node.depends_on.iter().for_each(|id| add(id, to_executed(node, None))),
            }
        }
        for node in manifest.with_type(ResourceType::UnitTest) {
            node.depends_on.iter().for_each(|id| add(id, to_executed(node, None)));
        }
        let mut tests = Self { of_nodes, last };
        tests.merge_tests_of_duplicate_nodes(groups);
        tests
    }

    /// Adds the tests of all nodes of a table to the first of these nodes.
    fn merge_tests_of_duplicate_nodes(&mut self, groups: &[RelationNodes<'a>]) {
        for RelationNodes {
            node_index,
            duplicate_nodes,
            ..
        } in groups
        {
            for (duplicate, _) in duplicate_nodes {
                let duplicate_tests = self.for_node(*duplicate).to_vec();
                let node_tests = self.of_nodes.entry(*node_index).or_default();
                node_tests.extend(duplicate_tests);
            }
        }
    }

    /// Returns the tests of the node with this index in the manifest.
    pub fn for_node(&self, index: usize) -> &[ExecutedTest<'a>] {
        self.of_nodes.get(&index).map_or(&[], Vec::as_slice)
    }
}

impl ExecutedTest<'_> {
    /// Returns whether users can rely on the tested condition: a failure would stop dbt, and the last run did not fail.
    pub fn is_reliable(&self) -> bool {
        self.data.as_ref().is_some_and(DataTest::proves_condition_for_all_rows) && !self.has_failed_last_run()
    }

    /// Returns whether the last run of the test failed, warned, or stopped with an error.
    pub fn has_failed_last_run(&self) -> bool {
        matches!(self.status, Some(Status::Fail | Status::Error | Status::Warn))
    }
}
