//! Relational plans: the operators of a CTE or of the final select.

use std::fmt;

use super::query::SelectSource;
use super::tree::SqlId;

/// Relational operators of a CTE or of the final select, each after its inputs. Every operator reads the rows of the
/// operator before it. A scan starts a new branch, and the union at the end combines all branches.
#[derive(Clone, Debug, Default)]
pub struct RowPlan {
    pub(super) operators: Vec<Operator>,
}

/// Relational operator. Windows are not operators of their own, because they are parts of the expressions that a select
/// list contains.
#[derive(Clone, Debug)]
pub(super) enum Operator {
    /// Reads all rows of a relation.
    Scan(Scan),
    /// Returns a single row whose values are in the query itself.
    Values(SelectList),
    Join(Join),
    /// Keeps the rows that satisfy the condition.
    Filter(SqlId),
    /// Keeps the rows that satisfy the condition between two macros.
    Macro(OptionalCondition),
    /// Combines the rows of each group, or all rows if there are no keys.
    Aggregate {
        keys: Vec<SqlId>,
        list: SelectList,
    },
    /// Computes and selects columns.
    Project(SelectList),
    /// Removes repeated rows.
    Distinct,
    Sort(Vec<SqlId>),
    /// Keeps the first rows.
    Limit(u64),
    /// Combines the rows of all branches.
    Union,
}

/// Relation that a plan reads.
#[derive(Clone, Debug)]
pub struct Scan {
    pub source: SelectSource,
    /// Alias as written in SQL.
    pub alias: Option<String>,
}

/// Join of another relation to the rows so far.
#[derive(Clone, Debug)]
pub struct Join {
    pub kind: JoinKind,
    pub scan: Scan,
    /// Join condition. `None` for a cross join, or if the condition is unknown after an error.
    pub on: Option<SqlId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Left,
    Inner,
    Full,
    Cross,
}

impl JoinKind {
    /// Returns the word before `join`.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Inner => "inner",
            Self::Full => "full",
            Self::Cross => "cross",
        }
    }
}

/// Condition between two macros. The tool that renders the macros decides whether the condition applies. A query
/// without macros does not contain the condition.
#[derive(Clone, Copy, Debug)]
pub struct OptionalCondition {
    pub begin: SqlId,
    pub condition: SqlId,
    pub end: SqlId,
}

/// Columns of a select.
#[derive(Clone, Debug, Default)]
pub struct SelectList {
    /// `*` before the items.
    pub star: Option<Star>,
    pub items: Vec<Item>,
    /// Named window that several items use.
    pub window: Option<NamedWindow>,
}

/// All columns of the relations that a select reads, or of the relation with the given name as written in SQL.
#[derive(Clone, Debug)]
pub struct Star(pub Option<String>);

impl fmt::Display for Star {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(relation) => write!(f, "{relation}.*"),
            None => f.write_str("*"),
        }
    }
}

/// Column of a select.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Item {
    pub expr: SqlId,
    /// Alias as written in SQL. `None` if the expression already has that name.
    pub alias: Option<String>,
}

/// Named window: `window by_month as (partition by … order by …)`.
#[derive(Clone, Debug)]
pub struct NamedWindow {
    /// Name as written in SQL.
    pub name: String,
    pub partition: Vec<SqlId>,
    pub order: Vec<SqlId>,
}

impl Operator {
    /// Returns the relation that the operator reads, if it is a scan or a join.
    pub(super) fn scan(&self) -> Option<&Scan> {
        match self {
            Self::Scan(scan) | Self::Join(Join { scan, .. }) => Some(scan),
            _ => None,
        }
    }

    pub(super) fn scan_mut(&mut self) -> Option<&mut Scan> {
        match self {
            Self::Scan(scan) | Self::Join(Join { scan, .. }) => Some(scan),
            _ => None,
        }
    }

    /// Returns the columns that the operator computes.
    pub(super) fn list(&self) -> Option<&SelectList> {
        match self {
            Self::Values(list) | Self::Aggregate { list, .. } | Self::Project(list) => Some(list),
            _ => None,
        }
    }

    pub(super) fn list_mut(&mut self) -> Option<&mut SelectList> {
        match self {
            Self::Values(list) | Self::Aggregate { list, .. } | Self::Project(list) => Some(list),
            _ => None,
        }
    }

    pub(super) fn is_join(&self) -> bool {
        matches!(self, Self::Join(_))
    }

    /// Returns whether the operator reads no rows of the operator before it.
    pub(super) fn starts_branch(&self) -> bool {
        matches!(self, Self::Scan(_) | Self::Values(_))
    }

    /// Returns the expressions of the operator.
    pub(super) fn expressions(&self) -> impl Iterator<Item = SqlId> {
        let (single, keys): (Option<SqlId>, &[SqlId]) = match self {
            Self::Join(join) => (join.on, &[]),
            Self::Filter(condition) => (Some(*condition), &[]),
            Self::Macro(optional) => (Some(optional.condition), &[]),
            Self::Aggregate { keys, .. } | Self::Sort(keys) => (None, keys),
            _ => (None, &[]),
        };
        let items = self.list().into_iter().flat_map(|list| &list.items);
        let windows = self.list().and_then(|list| list.window.as_ref()).into_iter();
        let window_keys = windows.flat_map(|window| window.partition.iter().chain(&window.order));
        let expressions = single.into_iter().chain(keys.iter().chain(window_keys).copied());
        expressions.chain(items.map(|item| item.expr))
    }
}

impl RowPlan {
    /// Returns the relations that the plan reads.
    pub fn sources(&self) -> impl Iterator<Item = &SelectSource> {
        let scans = self.operators.iter().filter_map(Operator::scan);
        scans.map(|scan| &scan.source)
    }

    /// Returns the indexes of the inputs that the plan reads, possibly with duplicates.
    pub(super) fn inputs(&self) -> impl Iterator<Item = u32> {
        self.sources().filter_map(|source| match source {
            SelectSource::Input(index) => Some(*index),
            SelectSource::Name(_) => None,
        })
    }

    /// Returns the operators of each branch of the union. A plan without a union has one branch.
    pub(super) fn branches(&self) -> impl Iterator<Item = &[Operator]> {
        self.operators.chunk_by(|_, next| !next.starts_branch())
    }

    pub(super) fn branches_mut(&mut self) -> impl Iterator<Item = &mut [Operator]> {
        self.operators.chunk_by_mut(|_, next| !next.starts_branch())
    }

    pub(super) fn is_union(&self) -> bool {
        matches!(self.operators.last(), Some(Operator::Union))
    }
}
