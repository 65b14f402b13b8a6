//! Rewrites join conditions so that the column of the joined relation is on the left of each comparison.

use super::super::file::is_same_name;
use super::super::tree::{SqlLabel, SqlNodeId, SqlTrees};

/// Rewrites a join condition so that each comparison with a column of the joined relation has that column on the left,
/// without changing its meaning.
pub(super) fn put_joined_column_first(condition: SqlNodeId, joined: &str, trees: &mut SqlTrees) -> SqlNodeId {
    let and = SqlLabel::Op("and".to_owned());
    let mut last_first = Vec::new();
    let mut rest = condition;
    while let (true, [before, last]) = (*trees.label(rest) == and, trees.children(rest)) {
        last_first.push(*last);
        rest = *before;
    }
    last_first.push(rest);
    let is_joined = |trees: &SqlTrees, id: SqlNodeId| {
        trees
            .column(id)
            .and_then(|(relation, _)| relation)
            .is_some_and(|relation| is_same_name(relation, joined))
    };
    let turned = |trees: &mut SqlTrees, part: SqlNodeId| {
        let (SqlLabel::Op(op), [left, right]) = (trees.label(part), trees.children(part)) else {
            return part;
        };
        let (left, right) = (*left, *right);
        match swapped_operator(op).filter(|_| is_joined(trees, right) && !is_joined(trees, left)) {
            Some(op) => trees.add(SqlLabel::Op(op.to_owned()), vec![right, left]),
            None => part,
        }
    };
    let parts: Vec<SqlNodeId> = last_first.into_iter().rev().map(|part| turned(trees, part)).collect();
    parts
        .into_iter()
        .reduce(|conjunction, next| trees.add(and.clone(), vec![conjunction, next]))
        .unwrap_or(condition)
}

/// Returns the equivalent operator for a comparison whose operands are swapped.
fn swapped_operator(op: &str) -> Option<&'static str> {
    Some(match op {
        "=" => "=",
        "<>" => "<>",
        "<=>" => "<=>",
        "is distinct from" => "is distinct from",
        "is not distinct from" => "is not distinct from",
        "<" => ">",
        ">" => "<",
        "<=" => ">=",
        ">=" => "<=",
        _ => return None,
    })
}
