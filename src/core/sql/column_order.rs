//! Order of columns in CTEs: plain columns come before calculations.

use super::query::{Cte, Select};
use super::tree::{Sql, SqlId, SqlTree};

/// Moves plain columns to the front of each CTE and of its GROUP BY. The columns of a `union` keep their order, because
/// `union` matches columns by position. All columns keep their order if a `union` or the final select contains `*`.
pub fn put_plain_columns_first(tree: &SqlTree, ctes: &mut [Cte], body: &Select) {
    let is_union = |select: &Select| !select.unions.is_empty();
    let has_star = |select: &Select| select.star || select.unions.iter().any(|member| member.star);
    if has_star(body) || ctes.iter().any(|cte| is_union(&cte.body) && has_star(&cte.body)) {
        return;
    }
    for cte in ctes.iter_mut().filter(|cte| !is_union(&cte.body)) {
        cte.body.items.sort_by_key(|item| !is_plain_expr(tree, item.expr));
        cte.body.group_by.sort_by_key(|key| !is_plain_expr(tree, *key));
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
