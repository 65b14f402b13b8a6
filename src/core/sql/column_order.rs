//! Order of columns in CTEs: plain columns come before calculations.

use super::query::Cte;
use super::relational_plan::{Operator, RowPlan};
use super::tree::{Sql, SqlId, SqlTree};

/// Moves plain columns to the front of each CTE and of its GROUP BY. The columns of a `union` keep their order, because
/// `union` matches columns by position. All columns keep their order if a `union` or the final select contains `*`.
pub fn put_plain_columns_first(tree: &SqlTree, ctes: &mut [Cte], body: &RowPlan) {
    let has_star = |plan: &RowPlan| {
        let mut lists = plan.operators.iter().filter_map(Operator::list);
        lists.any(|list| list.star.is_some())
    };
    if has_star(body) || ctes.iter().any(|cte| cte.body.is_union() && has_star(&cte.body)) {
        return;
    }
    let plans = ctes.iter_mut().map(|cte| &mut cte.body).filter(|plan| !plan.is_union());
    for operator in plans.flat_map(|plan| &mut plan.operators) {
        if let Some(list) = operator.list_mut() {
            list.items.sort_by_key(|item| !is_plain_expr(tree, item.expr));
        }
        if let Operator::Aggregate { keys, .. } = operator {
            keys.sort_by_key(|key| !is_plain_expr(tree, *key));
        }
    }
}

/// Returns whether an expression is a name, a literal or a conversion.
fn is_plain_expr(tree: &SqlTree, id: SqlId) -> bool {
    match *tree.node(id) {
        Sql::Field { .. } | Sql::Macro { .. } | Sql::Cast { name: "cast", .. } => true,
        Sql::Text { first, len } => {
            !tree.str(first, len).contains(['(', ' ']) || tree.str(first, len).starts_with('\'')
        }
        _ => false,
    }
}
