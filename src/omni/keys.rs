//! Keys of tables.

use super::table_tests::ExecutedTest;
use crate::artifacts::{ConstraintKind, ManifestNode, TestCheck};

/// Source of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySource {
    /// `primary_key` constraint. Omni also reads these constraints.
    Constraint,
    /// Tests of columns. Omni does not read tests.
    Tests,
}

/// Key of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableKey {
    /// Key columns, as spelled in dbt.
    pub columns: Vec<String>,
    /// Source of the key.
    pub source: KeySource,
}

/// Returns the key of a table: its primary key or, if it has none, columns that are unique and not NULL according to
/// tests.
pub(super) fn table_key(node: &ManifestNode, tests: &[ExecutedTest<'_>]) -> Option<TableKey> {
    key_from_constraints(node).or_else(|| key_from_tests(node, tests))
}

fn key_from_constraints(node: &ManifestNode) -> Option<TableKey> {
    let is_key = |kind: ConstraintKind| kind == ConstraintKind::PrimaryKey;
    let of_table = node
        .constraints
        .iter()
        .find(|constraint| is_key(constraint.kind) && !constraint.columns.is_empty());
    let columns = match of_table {
        Some(constraint) => constraint
            .columns
            .iter()
            .map(std::string::ToString::to_string)
            .collect(),
        None => {
            let column = node
                .columns
                .iter()
                .find(|column| column.constraints.iter().any(|constraint| is_key(constraint.kind)))?;
            vec![column.name.to_string()]
        }
    };
    Some(TableKey {
        columns,
        source: KeySource::Constraint,
    })
}

fn key_from_tests(node: &ManifestNode, tests: &[ExecutedTest<'_>]) -> Option<TableKey> {
    let never_null = |name: &str| is_never_null_column(node, tests, name);
    let mut single: Vec<&str> = unique_columns(node, tests)
        .into_iter()
        .filter(|name| never_null(name))
        .collect();
    if !single.is_empty() {
        // If several columns qualify, prefer `id` or the column named after the table. Otherwise, use the first column.
        let table = node.name.trim_end_matches('s');
        let of_table = format!("{table}_id");
        let rank = |name: &str| {
            let lower = name.to_lowercase();
            let index = node
                .columns
                .iter()
                .position(|column| column.name.eq_ignore_ascii_case(name));
            (lower != "id" && !of_table.ends_with(&lower), index)
        };
        single.sort_by_key(|name| rank(name));
        let columns = single.first().map(|name| vec![(*name).to_owned()])?;
        return Some(TableKey {
            columns,
            source: KeySource::Tests,
        });
    }
    let together = tests.iter().find_map(|test| match &test.data.as_ref()?.check {
        TestCheck::UniqueTogether(columns) if columns.iter().all(|name| never_null(name)) && !columns.is_empty() => {
            test.is_reliable()
                .then(|| columns.iter().map(std::string::ToString::to_string).collect())
        }
        _ => None,
    })?;
    Some(TableKey {
        columns: together,
        source: KeySource::Tests,
    })
}

/// Returns whether a test or constraint guarantees that a column is never NULL.
pub(super) fn is_never_null_column(node: &ManifestNode, tests: &[ExecutedTest<'_>], name: &str) -> bool {
    let tested = tests
        .iter()
        .any(|test| is_test_for_column(test, name, &TestCheck::NotNull) && test.is_reliable());
    let is_constrained = |kind: ConstraintKind| matches!(kind, ConstraintKind::NotNull | ConstraintKind::PrimaryKey);
    tested
        || node.column(name).is_some_and(|column| {
            column
                .constraints
                .iter()
                .any(|constraint| is_constrained(constraint.kind))
        })
        || node
            .constraints
            .iter()
            .any(|constraint| is_constrained(constraint.kind) && has_column_name(&constraint.columns, name))
}

/// Returns whether a test or constraint guarantees that the values of a column are unique.
pub(super) fn is_unique_column(node: &ManifestNode, tests: &[ExecutedTest<'_>], name: &str) -> bool {
    unique_columns(node, tests)
        .iter()
        .any(|unique| unique.eq_ignore_ascii_case(name))
        || node.column(name).is_some_and(|column| {
            column
                .constraints
                .iter()
                .any(|constraint| is_unique_constraint(constraint.kind))
        })
        || node.constraints.iter().any(|constraint| {
            is_unique_constraint(constraint.kind)
                && constraint.columns.len() == 1
                && has_column_name(&constraint.columns, name)
        })
}

fn is_unique_constraint(kind: ConstraintKind) -> bool {
    matches!(kind, ConstraintKind::Unique | ConstraintKind::PrimaryKey)
}

fn has_column_name(columns: &[std::sync::Arc<str>], name: &str) -> bool {
    columns.iter().any(|column| column.eq_ignore_ascii_case(name))
}

fn is_test_for_column(test: &ExecutedTest<'_>, name: &str, check: &TestCheck<'_>) -> bool {
    let data = test.data.as_ref();
    data.is_some_and(|data| {
        data.check == *check
            && data
                .column
                .as_ref()
                .is_some_and(|column| column.eq_ignore_ascii_case(name))
    })
}

/// Returns the columns that are unique according to column constraints or tests.
fn unique_columns<'t>(node: &'t ManifestNode, tests: &'t [ExecutedTest<'_>]) -> Vec<&'t str> {
    let of_tests = tests.iter().filter_map(|test| {
        let data = test.data.as_ref()?;
        let column = match &data.check {
            TestCheck::Unique => data.column.as_deref(),
            TestCheck::UniqueTogether(columns) => match columns.as_slice() {
                [column] => Some(&**column),
                _ => None,
            },
            _ => None,
        };
        column.filter(|_| test.is_reliable())
    });
    let of_tests: Vec<&str> = of_tests.collect();
    let constrained = node.columns.iter().filter(|column| {
        column
            .constraints
            .iter()
            .any(|constraint| is_unique_constraint(constraint.kind))
    });
    constrained.map(|column| &*column.name).chain(of_tests).collect()
}
