//! Data tests, with the node and column that each test checks.

use std::borrow::Cow;

use formulac_core::schema::dbt::unquote_column;

use super::manifest::Manifest;
use super::node::{ManifestNode, ResourceType, TestNode};
use super::value::MetaValue;

/// Enabled data test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DataTest<'m> {
    /// Node that represents the test.
    pub node: &'m ManifestNode,
    /// Tested node. `None` for a singular test, which reads nodes but has no tested node.
    pub on: Option<&'m ManifestNode>,
    /// Tested column, without quotes.
    pub column: Option<Cow<'m, str>>,
    /// Condition that the test checks.
    pub check: TestCheck<'m>,
}

/// Condition that a data test checks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TestCheck<'m> {
    /// The column is never NULL.
    NotNull,
    /// The values of the column are unique.
    Unique,
    /// The column contains only these values or NULL.
    AcceptedValues(&'m [MetaValue]),
    /// Each value of the column occurs in a column of another table.
    Relationships {
        /// Unique id of the other table's node. `None` if the node is not in the manifest.
        to: Option<&'m str>,
        /// Column of the other table, without quotes.
        field: Cow<'m, str>,
    },
    /// The combination of these columns is unique. The names have no quotes.
    UniqueTogether(Vec<Cow<'m, str>>),
    /// Any other generic test. The field is the test's name.
    Other(&'m str),
    /// Singular test, whose SQL defines the condition.
    Singular,
}

impl Manifest {
    /// Returns the enabled data tests, ordered by id. As in dbt, tests of disabled nodes are skipped.
    #[must_use]
    pub fn data_tests(&self) -> Vec<DataTest<'_>> {
        self.with_type(ResourceType::Test)
            .filter_map(|node| self.data_test(node, node.test()?))
            .collect()
    }

    fn data_test<'m>(&'m self, node: &'m ManifestNode, test: &'m TestNode) -> Option<DataTest<'m>> {
        let Some(name) = test.name.as_deref() else {
            return Some(DataTest {
                node,
                on: None,
                column: None,
                check: TestCheck::Singular,
            });
        };
        // Tests on sources have no attached node. The argument `model` specifies the source instead.
        let tested_node = match test.attached_node.as_deref() {
            Some(id) => self.node(id),
            None => self.resolve_reference(node, test.kwargs.get("model")?.as_str()?),
        }?;
        let text = |key: &str| test.kwargs.get(key).and_then(MetaValue::scalar);
        let column = test.column_name.as_deref().or_else(|| text("column_name"));
        Some(DataTest {
            node,
            on: Some(tested_node),
            column: column.map(unquote_column),
            check: self.parse_check(node, test, name),
        })
    }

    fn parse_check<'m>(&'m self, node: &'m ManifestNode, test: &'m TestNode, name: &'m str) -> TestCheck<'m> {
        let list_argument = |key: &str| test.kwargs.get(key).and_then(MetaValue::as_list);
        let text = |key: &str| test.kwargs.get(key).and_then(MetaValue::as_str);
        let to = || {
            text("to")
                .and_then(|to| self.resolve_reference(node, to))
                .map(|to| &*to.unique_id)
        };
        match (name, text("field")) {
            ("not_null", _) => TestCheck::NotNull,
            ("unique", _) => TestCheck::Unique,
            ("accepted_values", _) => list_argument("values").map_or(TestCheck::Other(name), TestCheck::AcceptedValues),
            ("relationships", Some(field)) => TestCheck::Relationships {
                to: to(),
                field: unquote_column(field),
            },
            // The name identifies the test from the package `dbt_utils`, or a copy of that test.
            ("unique_combination_of_columns", _) => {
                let names = list_argument("combination_of_columns")
                    .unwrap_or_default()
                    .iter()
                    .filter_map(MetaValue::scalar);
                TestCheck::UniqueTogether(names.map(unquote_column).collect())
            }
            _ => TestCheck::Other(name),
        }
    }
}

impl DataTest<'_> {
    /// Returns whether a passing test guarantees that the condition is true for all rows. The test must be enabled,
    /// have severity `error` and the default thresholds, and have no `where`.
    #[must_use]
    pub fn proves_condition_for_all_rows(&self) -> bool {
        let config_text = |key: &str| self.node.config_text(key).map(str::trim);
        let is_usual = |key: &str, usual: &[&str]| config_text(key).is_none_or(|value| usual.contains(&value));
        config_text("where").is_none_or(str::is_empty)
            && !config_text("severity").is_some_and(|severity| severity.eq_ignore_ascii_case("warn"))
            && config_text("enabled") != Some("false")
            && is_usual("error_if", &["!= 0", "!=0", "> 0", ">0", ">= 1", ">=1"])
            && is_usual("fail_calc", &["count(*)"])
    }
}
