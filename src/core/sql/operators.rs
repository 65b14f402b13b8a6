//! Builders of relational plans. Each function adds or changes an operator.

use super::query::{Cte, Query, SelectSource};
use super::relational_plan::{Item, Join, JoinKind, Operator, OptionalCondition, RowPlan, Scan, SelectList, Star};
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
            scan: Scan { source, alias: None },
            on: condition,
        }
    }

    /// Gives the joined relation an alias, as written in SQL.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<Option<String>>) -> Self {
        self.scan.alias = alias.into();
        self
    }
}

impl SelectList {
    #[must_use]
    pub fn new(star: Option<Star>, items: impl IntoIterator<Item = Item>) -> Self {
        Self {
            star,
            items: items.into_iter().collect(),
            window: None,
        }
    }
}

impl RowPlan {
    /// Reads all rows of a relation. The plan has no columns until a projection or an aggregation adds them.
    #[must_use]
    pub fn scan(source: SelectSource) -> Self {
        Self::default().with(Operator::Scan(Scan { source, alias: None }))
    }

    /// Reads a CTE. `name` is the name as written in SQL.
    #[must_use]
    pub fn scan_cte(name: impl Into<String>) -> Self {
        Self::scan(SelectSource::Name(name.into()))
    }

    /// Returns a single row whose values are in the query itself.
    #[must_use]
    pub fn values(items: impl IntoIterator<Item = Item>) -> Self {
        Self::default().with(Operator::Values(SelectList::new(None, items)))
    }

    /// Returns the rows of all plans.
    #[must_use]
    pub fn union_all(plans: impl IntoIterator<Item = Self>) -> Self {
        let operators: Vec<Operator> = plans.into_iter().flat_map(|plan| plan.operators).collect();
        let plan = Self { operators };
        match plan.branches().count() {
            0 | 1 => plan,
            _ => plan.with(Operator::Union),
        }
    }

    fn with(mut self, operator: impl Into<Option<Operator>>) -> Self {
        self.operators.extend(operator.into());
        self
    }

    #[must_use]
    pub fn join(mut self, joins: impl IntoIterator<Item = Join>) -> Self {
        self.operators.extend(joins.into_iter().map(Operator::Join));
        self
    }

    /// Keeps the rows, or the groups after an aggregation, that satisfy the condition. Keeps all rows if the condition
    /// is `None`.
    #[must_use]
    pub fn filter(self, condition: impl Into<Option<SqlId>>) -> Self {
        self.with(condition.into().map(Operator::Filter))
    }

    /// Combines the rows of each group, or all rows if there are no keys.
    #[must_use]
    pub fn aggregate(self, keys: Vec<SqlId>, items: impl IntoIterator<Item = Item>) -> Self {
        self.aggregate_list(keys, SelectList::new(None, items))
    }

    #[must_use]
    pub fn aggregate_list(self, keys: Vec<SqlId>, list: SelectList) -> Self {
        self.with(Operator::Aggregate { keys, list })
    }

    /// Returns the keys that occur in several rows, with the number of these rows.
    #[must_use]
    pub fn select_duplicate_keys(self, keys: Vec<SqlId>, count_name: impl Into<String>, tree: &mut SqlTree) -> Self {
        let count = tree.add_row_count(Span::default());
        let one_literal = tree.add_raw_text("1");
        let several = tree.add_binary(Op::Greater, count, one_literal, Span::default());
        let mut items: Vec<Item> = keys.iter().copied().map(Item::unnamed).collect();
        items.push(Item::named(count, count_name));
        self.aggregate(keys, items).filter(several)
    }

    /// Selects columns.
    #[must_use]
    pub fn project(self, items: impl IntoIterator<Item = Item>) -> Self {
        self.project_list(SelectList::new(None, items))
    }

    #[must_use]
    pub fn project_list(self, list: SelectList) -> Self {
        self.with(Operator::Project(list))
    }

    /// Keeps all columns of the relations that the plan reads.
    #[must_use]
    pub fn select_star(self) -> Self {
        self.project_list(SelectList::new(Some(Star(None)), []))
    }

    /// Removes repeated rows.
    #[must_use]
    pub fn distinct(self) -> Self {
        self.with(Operator::Distinct)
    }

    /// Sorts the rows. Keeps their order if there are no keys.
    #[must_use]
    pub fn sort(self, keys: Vec<SqlId>) -> Self {
        self.with((!keys.is_empty()).then_some(Operator::Sort(keys)))
    }

    /// Keeps the first rows, or all rows if the number is `None`.
    #[must_use]
    pub fn limit(self, rows: Option<u64>) -> Self {
        self.with(rows.map(Operator::Limit))
    }

    /// Removes the sort order and the limit at the end of the plan, and returns them.
    pub fn remove_order(&mut self) -> (Vec<SqlId>, Option<u64>) {
        let (mut keys, mut limit) = (Vec::new(), None);
        let is_order = |operator: &mut Operator| matches!(operator, Operator::Sort(_) | Operator::Limit(_));
        while let Some(operator) = self.operators.pop_if(is_order) {
            match operator {
                Operator::Limit(rows) => limit = Some(rows),
                Operator::Sort(sort_keys) => keys = sort_keys,
                _ => {}
            }
        }
        (keys, limit)
    }

    /// Returns a join of the first branch by its index, and the rows to which it joins a relation.
    #[must_use]
    pub fn split_at_join(&self, index: usize) -> Option<(Self, Join)> {
        let (rows, rest) = self.operators.split_at_checked(index + 1)?;
        match rest {
            [Operator::Join(join), ..] => Some((
                Self {
                    operators: rows.to_vec(),
                },
                join.clone(),
            )),
            _ => None,
        }
    }

    /// Returns the condition on the rows of the relations that the first branch reads.
    pub fn filter_mut(&mut self) -> Option<&mut SqlId> {
        let index = self.after_joins();
        match self.operators.get_mut(index) {
            Some(Operator::Filter(condition)) => Some(condition),
            _ => None,
        }
    }

    /// Returns the number of scans and joins with which the first branch starts.
    fn after_joins(&self) -> usize {
        let is_scan = |operator: &&Operator| operator.scan().is_some();
        self.operators.iter().take_while(is_scan).count()
    }

    /// Adds an optional condition on the rows of the relations that the first branch reads.
    pub fn filter_optionally(&mut self, condition: OptionalCondition) {
        let index = self.after_joins() + usize::from(self.filter_mut().is_some());
        self.operators.insert(index, Operator::Macro(condition));
    }

    /// Returns the select list of the first branch.
    pub fn list_mut(&mut self) -> Option<&mut SelectList> {
        self.operators.iter_mut().find_map(Operator::list_mut)
    }

    /// Returns the columns of the rows. `None` if the plan selects `*`, or if its union or its removal of repeated rows
    /// reads the columns.
    pub fn items_mut(&mut self) -> Option<&mut Vec<Item>> {
        let reads_columns = |operator: &Operator| matches!(operator, Operator::Union | Operator::Distinct);
        if self.operators.iter().any(reads_columns) {
            return None;
        }
        let list = self.list_mut()?;
        list.star.is_none().then_some(&mut list.items)
    }
}

impl Cte {
    #[must_use]
    pub fn new(name: impl Into<String>, body: RowPlan) -> Self {
        Self {
            name: name.into(),
            body,
        }
    }
}

impl Query {
    /// Replaces the final select, and turns the previous one into a CTE that the new select can read.
    pub fn wrap_body_in_cte(&mut self, name: String, body: RowPlan) {
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
