//! Relational operators. Selects are built only with these functions, each of which adds an operator.

use super::query::{Cte, Item, Join, JoinKind, Query, Select, SelectSource};
use super::tree::{SqlId, SqlTree};
use crate::dialect::op::Op;
use crate::span::Span;

impl Item {
    #[must_use]
    pub fn new(expr: SqlId, alias: Option<String>) -> Self {
        Self { expr, alias }
    }

    /// Returns a column that needs no alias, because its expression already has the column's name.
    #[must_use]
    pub fn unnamed(expr: SqlId) -> Self {
        Self { expr, alias: None }
    }

    #[must_use]
    pub fn named(expr: SqlId, alias: impl Into<String>) -> Self {
        Self {
            expr,
            alias: Some(alias.into()),
        }
    }
}

impl Join {
    #[must_use]
    pub fn cross(source: SelectSource) -> Self {
        Self::new(JoinKind::Cross, source, None)
    }

    /// Returns a join with a condition. The condition is `None` for a cross join, or if it is unknown after an error.
    #[must_use]
    pub fn new(kind: JoinKind, source: SelectSource, condition: Option<SqlId>) -> Self {
        Self {
            kind,
            source,
            alias: None,
            on: condition,
        }
    }

    /// Gives the joined relation an alias, as written in SQL.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<Option<String>>) -> Self {
        self.alias = alias.into();
        self
    }
}

impl Select {
    /// Reads all rows of a relation. The select has no columns until [`Self::project`] or [`Self::select_star`] adds
    /// them.
    #[must_use]
    pub fn scan(source: SelectSource) -> Self {
        Self {
            from: Some(source),
            ..Self::default()
        }
    }

    /// Reads a CTE. `name` is the name as written in SQL.
    #[must_use]
    pub fn scan_cte(name: impl Into<String>) -> Self {
        Self::scan(SelectSource::Name(name.into()))
    }

    /// Returns a single row whose values are in the query itself.
    #[must_use]
    pub fn values(items: Vec<Item>) -> Self {
        Self {
            items,
            ..Self::default()
        }
    }

    /// Returns the rows of all selects. Without selects, returns no columns.
    #[must_use]
    pub fn union_all(selects: impl IntoIterator<Item = Self>) -> Self {
        let mut selects = selects.into_iter();
        let mut first = selects.next().unwrap_or_default();
        first.unions = selects.collect();
        first
    }

    #[must_use]
    pub fn join(mut self, joins: impl IntoIterator<Item = Join>) -> Self {
        self.joins.extend(joins);
        self
    }

    /// Keeps the rows that satisfy the condition, or all rows if it is `None`.
    #[must_use]
    pub fn filter(mut self, condition: impl Into<Option<SqlId>>) -> Self {
        self.filter = condition.into();
        self
    }

    /// Combines the rows of each group, or all rows if there are no keys.
    #[must_use]
    pub fn group_by(mut self, keys: Vec<SqlId>) -> Self {
        self.group_by = keys;
        self.grouped = true;
        self
    }

    /// Keeps the groups that satisfy the condition.
    #[must_use]
    pub fn having(mut self, condition: SqlId) -> Self {
        self.having = Some(condition);
        self
    }

    /// Returns the keys that occur in several rows, with the number of these rows.
    #[must_use]
    pub fn select_duplicate_keys(self, keys: Vec<SqlId>, count_name: impl Into<String>, tree: &mut SqlTree) -> Self {
        let count = tree.add_row_count(Span::default());
        let one_literal = tree.add_raw_text("1");
        let several = tree.add_binary(Op::Greater, count, one_literal, Span::default());
        self.project(keys.iter().copied().map(Item::unnamed))
            .project([Item::named(count, count_name)])
            .group_by(keys)
            .having(several)
    }

    /// Appends columns.
    #[must_use]
    pub fn project(mut self, items: impl IntoIterator<Item = Item>) -> Self {
        self.items.extend(items);
        self
    }

    /// Keeps all columns of the relations that the select reads.
    #[must_use]
    pub fn select_star(mut self) -> Self {
        self.star = true;
        self
    }

    /// Keeps all columns of one of the relations that the select reads. `relation` is the relation's name as written in
    /// SQL.
    #[must_use]
    pub fn select_star_of_relation(mut self, relation: impl Into<String>) -> Self {
        self.star_of = Some(relation.into());
        self.select_star()
    }

    /// Removes repeated rows.
    #[must_use]
    pub fn distinct(mut self) -> Self {
        self.distinct = true;
        self
    }

    #[must_use]
    pub fn sort(mut self, keys: Vec<SqlId>) -> Self {
        self.order_by = keys;
        self
    }

    /// Keeps the first rows, or all rows if the number is `None`.
    #[must_use]
    pub fn limit(mut self, rows: Option<u64>) -> Self {
        self.limit = rows;
        self
    }
}

impl Cte {
    #[must_use]
    pub fn new(name: impl Into<String>, body: Select) -> Self {
        Self {
            name: name.into(),
            body,
        }
    }
}

impl Query {
    /// Replaces the final select, and turns the previous one into a CTE that the new select can read.
    pub fn wrap_body_in_cte(&mut self, name: String, body: Select) {
        let body = std::mem::replace(&mut self.body, body);
        self.ctes.push(Cte { name, body });
    }
}

impl SqlTree {
    /// Adds the conjunction of conditions. `None` if there are no conditions.
    pub fn add_conjunction(&mut self, conditions: impl IntoIterator<Item = SqlId>) -> Option<SqlId> {
        conditions
            .into_iter()
            .reduce(|a, b| self.add_binary(Op::And, a, b, Span::default()))
    }
}
