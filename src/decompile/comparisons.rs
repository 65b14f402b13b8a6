//! Parses `in` and `between` as the comparisons that they abbreviate, because formulas express them as comparisons. For
//! example, `x in (1, 2)` and `x = 1 or x = 2` have the same tree. Both forms also return the same result if a value is
//! NULL.

use std::sync::OnceLock;

use rustc_hash::FxHashSet;

use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::catalog::functions;
use crate::dialect::part::TemplatePart;
use crate::dialect::{Cell, Dialect};

/// Maximum number of values in a list that is parsed as comparisons.
const MAX_LIST_VALUES: usize = 100;

/// Adds `x in (list)` or `x not in (list)` to the trees, as comparisons. `None` if no comparisons have the same result.
pub(super) fn expand_in_list(
    trees: &mut SqlTrees,
    x: SqlNodeId,
    list: &[SqlNodeId],
    negated: bool,
) -> Option<SqlNodeId> {
    let (compare, combine) = if negated { ("<>", "and") } else { ("=", "or") };
    let comparisons = list.iter().map(|value| (compare, *value)).collect();
    let is_comparable_value = is_comparable_list(trees, list) && is_comparable_value(trees, x);
    is_comparable_value.then(|| add_comparisons(trees, x, comparisons, combine))?
}

/// Adds `x between low and high` or `x not between low and high` to the trees, as comparisons. `None` if no comparisons
/// have the same result.
pub(super) fn add_between(
    trees: &mut SqlTrees,
    x: SqlNodeId,
    ends: [SqlNodeId; 2],
    negated: bool,
) -> Option<SqlNodeId> {
    let [low, high] = ends;
    let (comparisons, combine) = match negated {
        true => (vec![("<", low), (">", high)], "or"),
        false => (vec![(">=", low), ("<=", high)], "and"),
    };
    is_comparable_value(trees, x).then(|| add_comparisons(trees, x, comparisons, combine))?
}

/// Adds comparisons of a value to the trees, combined with `and` or `or`. `None` if there are no comparisons.
fn add_comparisons(
    trees: &mut SqlTrees,
    x: SqlNodeId,
    comparisons: Vec<(&str, SqlNodeId)>,
    combine: &str,
) -> Option<SqlNodeId> {
    let conditions: Vec<SqlNodeId> = comparisons
        .into_iter()
        .map(|(op, value)| trees.add(SqlLabel::Op(op.to_owned()), vec![x, value]))
        .collect();
    conditions
        .into_iter()
        .reduce(|combination, next| trees.add(SqlLabel::Op(combine.to_owned()), vec![combination, next]))
}

/// Returns whether `in` and `between` are replaced with comparisons if they test this value. `in` and `between` are
/// kept for string and date literals, because generated SQL also tests such literals with `between`. An example is the
/// holidays of NETWORKDAYS: the formula with the holidays is easier to read than comparisons.
fn is_comparable_value(trees: &SqlTrees, x: SqlNodeId) -> bool {
    !matches!(trees.label(x), SqlLabel::Text(..) | SqlLabel::Typed) && is_non_volatile(trees, x)
}

/// Returns `false` for subqueries, for lists of tuples, and for lists that mix strings with numbers. Databases first
/// convert the values of such a mixed list to one type.
fn is_comparable_list(trees: &SqlTrees, list: &[SqlNodeId]) -> bool {
    let labels = || list.iter().map(|id| trees.label(*id));
    let is_value = |label: &SqlLabel| !matches!(label, SqlLabel::Row | SqlLabel::Group | SqlLabel::Nothing);
    let is_mixed = labels().any(|label| matches!(label, SqlLabel::Text(..)))
        && labels().any(|label| matches!(label, SqlLabel::Number(_) | SqlLabel::Negative));
    (1..=MAX_LIST_VALUES).contains(&list.len()) && labels().all(is_value) && !is_mixed
}

/// Returns whether a value is the same each time it is evaluated. A volatile function returns a different value in each
/// comparison.
fn is_non_volatile(trees: &SqlTrees, x: SqlNodeId) -> bool {
    let calls = trees.called_functions(x);
    *trees.label(x) != SqlLabel::Group && calls.iter().all(|name| !volatile_functions().contains(name))
}

/// Returns the SQL functions, such as `random`, that only the catalogue's volatile functions compile to.
fn volatile_functions() -> &'static FxHashSet<&'static str> {
    static NAMES: OnceLock<FxHashSet<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let callees = |is_volatile: bool| {
            let mut names = FxHashSet::default();
            let overloads = functions().filter(|function| function.volatile == is_volatile);
            for overload in overloads.flat_map(|function| function.overloads) {
                for dialect in Dialect::all() {
                    if let Cell::Template(template) = dialect.cell(overload.id) {
                        names.extend(template.parts.iter().filter_map(|part| match part {
                            TemplatePart::Call { name, .. } => name.rsplit('.').next(),
                            _ => None,
                        }));
                    }
                }
            }
            names
        };
        let others = callees(false);
        let mut names = callees(true);
        names.retain(|name| !others.contains(name));
        names
    })
}
