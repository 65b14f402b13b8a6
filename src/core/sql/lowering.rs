//! Lowers relational plans to selects.

use super::relational_plan::{Item, Join, NamedWindow, Operator, OptionalCondition, RowPlan, Scan, Star};
use super::tree::SqlId;

/// SELECT: the operators of one branch of a plan, by clause.
#[derive(Debug, Default)]
pub(super) struct Select<'p> {
    pub star: Option<&'p Star>,
    pub items: &'p [Item],
    pub distinct: bool,
    pub from: Option<&'p Scan>,
    pub joins: Vec<&'p Join>,
    pub filter: Option<SqlId>,
    /// Condition in addition to `filter`.
    pub optional_filter: Option<OptionalCondition>,
    pub group_by: &'p [SqlId],
    pub having: Option<SqlId>,
    pub window: Option<&'p NamedWindow>,
    pub order_by: &'p [SqlId],
    pub limit: Option<u64>,
}

impl RowPlan {
    /// Returns the selects of the plan, which `union all` combines. A select evaluates its clauses in the order of
    /// [`Operator`], with at most one operator per clause, and then a filter of groups after the aggregation. A builder
    /// that needs another order adds a CTE with the rows so far, and scans this CTE.
    pub(super) fn lower(&self) -> impl Iterator<Item = Select<'_>> {
        self.branches().map(lower_branch)
    }
}

fn lower_branch(operators: &[Operator]) -> Select<'_> {
    let mut select = Select::default();
    let mut is_grouped = false;
    for operator in operators {
        if let Some(list) = operator.list() {
            (select.star, select.items, select.window) = (list.star.as_ref(), &list.items, list.window.as_ref());
        }
        match operator {
            Operator::Scan(scan) => select.from = Some(scan),
            Operator::Join(join) => select.joins.push(join),
            Operator::Filter(condition) if is_grouped => select.having = Some(*condition),
            Operator::Filter(condition) => select.filter = Some(*condition),
            Operator::Macro(optional) => select.optional_filter = Some(*optional),
            Operator::Aggregate { keys, .. } => (select.group_by, is_grouped) = (keys, true),
            Operator::Distinct => select.distinct = true,
            Operator::Sort(keys) => select.order_by = keys,
            Operator::Limit(rows) => select.limit = Some(*rows),
            Operator::Values(_) | Operator::Project(_) | Operator::Union => {}
        }
    }
    select
}

#[cfg(test)]
mod tests {
    use super::super::query::SelectSource;
    use super::super::tree::SqlTree;
    use super::*;

    #[test]
    fn a_filter_before_groups_is_where_and_a_filter_after_groups_is_having() {
        let mut tree = SqlTree::default();
        let [row_filter, group_filter] = ["a", "b"].map(|text| tree.add_raw_text(text));
        let plan = RowPlan::scan(SelectSource::Input(0))
            .filter(row_filter)
            .aggregate(Vec::new(), [])
            .filter(group_filter);
        let conditions: Vec<_> = plan.lower().map(|select| (select.filter, select.having)).collect();
        assert_eq!(conditions, [(Some(row_filter), Some(group_filter))]);
    }
}
