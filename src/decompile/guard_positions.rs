//! Positions of guards. A position represents how the enclosing expression treats the values that the guard adds.

use super::guards::SqlGuard;
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};

/// Prefixes of the names of aggregates.
const AGGREGATE_PREFIXES: [&str; 24] = [
    "any_value",
    "approx",
    "array_agg",
    "avg",
    "bit_",
    "bool_",
    "corr",
    "count",
    "covar",
    "first",
    "group_concat",
    "last",
    "list",
    "logical_",
    "max",
    "median",
    "min",
    "mode",
    "percentile",
    "quantile",
    "stddev",
    "string_agg",
    "sum",
    "var",
];

/// Functions and types whose names begin like those of aggregates.
const ROW_FUNCTIONS: [&str; 5] = ["bit_count", "bit_length", "last_day", "minute", "varchar"];

/// Prefix of the names of functions on the values of one row, such as `list_median(list_value(a, b))`.
const LIST_PREFIX: &str = "list_";

/// Position of an expression in its enclosing expression. The position determines which guards are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ExpressionPosition {
    pub role: ExpressionPlace,
    nulls: NullContext,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ExpressionPlace {
    Argument,
    Dividend,
    Divisor,
    Other,
}

/// How an enclosing expression treats NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum NullContext {
    /// NULL results in NULL or in the default of a guard.
    Plain,
    /// An aggregate skips NULL, so replacing NULL with a value changes the aggregate.
    Skipped,
    /// The argument of a sum, in which replacing NULL with 0 changes nothing unless all values are NULL.
    Summed,
    /// `x is null` or `coalesce(x, y)` tests for NULL, so every guard may change the result.
    Tested,
}

impl ExpressionPosition {
    pub const WHOLE_EXPRESSION: Self = Self {
        role: ExpressionPlace::Other,
        nulls: NullContext::Plain,
    };

    /// Returns the position of a child of an expression. `child_index` is the index among the arguments if the
    /// expression is a call, or among all children otherwise.
    pub fn of_child(self, trees: &SqlTrees, parent: SqlNodeId, label: &SqlLabel, child_index: usize) -> Self {
        let role = match label {
            SqlLabel::Call => ExpressionPlace::Argument,
            SqlLabel::Op(op) if op == "/" && child_index == 0 => ExpressionPlace::Dividend,
            SqlLabel::Op(op) if op == "/" => ExpressionPlace::Divisor,
            // A conversion in a product also determines the type of a quotient that contains the product.
            SqlLabel::Op(op) if self.is_inside_quotient() && matches!(op.as_str(), "+" | "-" | "*") => {
                ExpressionPlace::Dividend
            }
            SqlLabel::Negative if self.is_inside_quotient() => ExpressionPlace::Dividend,
            SqlLabel::Row => self.role,
            _ => ExpressionPlace::Other,
        };
        let around = match self.nulls {
            NullContext::Summed => NullContext::Skipped,
            nulls => nulls,
        };
        let nulls = null_context(trees, parent, child_index).unwrap_or(around);
        Self { role, nulls }
    }

    fn is_inside_quotient(self) -> bool {
        matches!(self.role, ExpressionPlace::Dividend | ExpressionPlace::Divisor)
    }

    /// Returns whether a default of 0 for the expression in this position changes only the rows in which the default is
    /// used.
    pub fn accepts_zero_default(self) -> bool {
        self.nulls == NullContext::Summed || self.accepts_guard(SqlGuard::Default)
    }

    /// Returns whether a guard in this position changes only the rows that the guard describes.
    pub fn accepts_guard(self, guard: SqlGuard) -> bool {
        match self.nulls {
            NullContext::Plain => true,
            NullContext::Skipped | NullContext::Summed => guard != SqlGuard::Default,
            NullContext::Tested => guard == SqlGuard::Conversion,
        }
    }
}

/// Returns whether all guards can be added to one child of an expression. Assumes that no enclosing expression skips
/// NULL or tests for it.
pub(super) fn accepts_guards_in_child(trees: &SqlTrees, parent: SqlNodeId, child: usize, guards: &[SqlGuard]) -> bool {
    // The first child of a call is its name.
    let child_index = match trees.label(parent) {
        SqlLabel::Call => child.saturating_sub(1),
        _ => child,
    };
    let inside = ExpressionPosition::WHOLE_EXPRESSION.of_child(trees, parent, trees.label(parent), child_index);
    guards.iter().all(|guard| inside.accepts_guard(*guard))
}

/// Returns whether a function of SQL is an aggregate.
pub(super) fn is_aggregate(name: &str) -> bool {
    let is_row_function = ROW_FUNCTIONS.contains(&name) || name.starts_with(LIST_PREFIX);
    !is_row_function && AGGREGATE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns how an expression treats NULL in one of its children. `None` if NULL results in NULL.
fn null_context(trees: &SqlTrees, parent: SqlNodeId, child_index: usize) -> Option<NullContext> {
    match (trees.label(parent), trees.children(parent)) {
        (SqlLabel::Op(op), _) if op.starts_with("is ") => Some(NullContext::Tested),
        (SqlLabel::Call, [name, args @ ..]) => {
            let SqlLabel::Word(name) = trees.label(*name) else {
                return None;
            };
            let tests_null = ["coalesce", "ifnull", "nvl", "nvl2", "zeroifnull"].contains(&name.as_str());
            let skips_null = is_aggregate(name) || name == "concat_ws" || name.starts_with(LIST_PREFIX);
            match (tests_null && child_index + 1 < args.len().max(2), skips_null) {
                (true, _) => Some(NullContext::Tested),
                (_, true) if name == "sum" => Some(NullContext::Summed),
                (_, true) => Some(NullContext::Skipped),
                _ => None,
            }
        }
        _ => None,
    }
}
