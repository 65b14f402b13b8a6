//! Compares two versions of a model that compute the same columns in different selects. For example, a user may write
//! a window function in the select that groups the rows, whereas formulac writes it in a later select.

use std::cell::LazyCell;
use std::ops::Range;

use super::column_positions::{ColumnPosition, column_at};
use super::columns::{ColumnExpression, ColumnResolver};
use super::file::{FilePart, FilePartKind, SqlFile, are_equivalent_tokens, token_name};
use super::parse::{parse, parse_list};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::dbt::tokens::{SqlToken, tokens};
use crate::dialect::Dialect;

/// Returns whether two versions of a model's SQL return the same columns of the same rows, even if the columns are
/// computed in other selects. Returns `false` if several selects determine the rows.
///
/// ```
/// use formulac_decompile::is_equivalent_sql;
/// let together = "select a, sum(x) as n, rank() over (order by sum(x)) as r from t group by a";
/// let apart = "with g as (select a, sum(x) as n from t group by a) select a, n, rank() over (order by n) as r from g";
/// assert!(is_equivalent_sql(together, apart, "duckdb".parse().unwrap()));
/// ```
#[must_use]
pub fn is_equivalent_sql(first_sql: &str, other: &str, dialect: Dialect) -> bool {
    let (first_file, other) = (SqlFile::read(first_sql, dialect), SqlFile::read(other, dialect));
    are_equivalent_files(&first_file, &other, &mut SqlTrees::default())
}

/// Returns whether two SQL expressions differ only in redundant brackets or in equivalent SQL, such as `x in (1, 2)`
/// and `x = 1 or x = 2`.
///
/// ```
/// use formulac_decompile::is_same_expression;
/// let dialect = "duckdb".parse().unwrap();
/// assert!(is_same_expression("x not between 1 and 5", "(x < 1 or x > 5)", dialect));
/// assert!(!is_same_expression("x in (1, 2)", "x in (1, 3)", dialect));
/// ```
#[must_use]
pub fn is_same_expression(first_sql: &str, other: &str, dialect: Dialect) -> bool {
    let mut trees = SqlTrees::default();
    let mut parse_sql = |sql: &str| parse(sql, &tokens(sql, dialect), dialect, &mut trees).ok();
    let first_node = parse_sql(first_sql);
    first_node.is_some() && first_node == parse_sql(other)
}

impl SqlFile<'_> {
    /// Returns whether parts of two files are the same SQL. Redundant brackets and words, equivalent SQL such as
    /// `x::date` and `cast(x as date)`, and positions such as `group by 1` are not differences.
    pub fn are_equivalent_ranges(&self, tokens: &Range<usize>, other: &SqlFile<'_>, others: &Range<usize>) -> bool {
        let positions = [self.column_positions(tokens), other.column_positions(others)];
        if positions.iter().all(Vec::is_empty) && self.has_same_tokens(tokens, other, others) {
            return true;
        }
        match (self.is_group_by_all(tokens), other.is_group_by_all(others)) {
            (true, false) => return self.is_equivalent_group_by_all(tokens, other, others),
            (false, true) => return other.is_equivalent_group_by_all(others, self, tokens),
            _ => {}
        }
        let [own, theirs] = &positions;
        let (own, theirs) = (
            self.without_optional_words(tokens, own),
            other.without_optional_words(others, theirs),
        );
        if are_equivalent_tokens((self.source, &own), (other.source, &theirs)) {
            return true;
        }
        let mut trees = SqlTrees::default();
        let mut parse_part =
            |file: &SqlFile<'_>, tokens: &[SqlToken]| parse_list(file.source, tokens, file.dialect, &mut trees).ok();
        let first_node = parse_part(self, &own);
        first_node.is_some() && first_node == parse_part(other, &theirs)
    }

    /// Returns whether two files have the same parts in the same order.
    pub fn is_same_query(&self, other: &SqlFile<'_>) -> bool {
        let is_same = |(first_part, two): (&FilePart, &FilePart)| {
            first_part.position == two.position && self.are_equivalent_ranges(&first_part.tokens, other, &two.tokens)
        };
        self.parts.len() == other.parts.len()
            && self.parts.iter().zip(&other.parts).all(is_same)
            && self.tokens_outside_parts() == other.tokens_outside_parts()
    }

    /// Returns whether two files have the same CTEs with the same clauses, and the same expressions for the CTE columns
    /// that exist in both files. One of the files may compute more columns in its CTEs.
    fn has_equivalent_selects(&self, other: &SqlFile<'_>) -> bool {
        let is_union = |file: &SqlFile<'_>| {
            let mut positions = file.parts.iter().map(|part| &part.position);
            positions.any(|position| position.branch > 0 || position.clause() == Some("distinct"))
        };
        let has_parts_of = |first_file: &SqlFile<'_>, other: &SqlFile<'_>| {
            let of_rows = first_file
                .parts
                .iter()
                .filter(|part| !matches!(part.position.kind, FilePartKind::Column(_)));
            of_rows
                .map(|part| &part.position)
                .all(|position| other.part_position(position).is_some())
        };
        let mut in_both = self.parts.iter().filter_map(|part| {
            let tokens = other.part_tokens(&part.position)?;
            let is_output = part.position.cte.is_none() && part.position.column_name_if_column().is_some();
            (!is_output).then_some((&part.tokens, tokens))
        });
        self.ctes == other.ctes
            && ![self, other].into_iter().any(is_union)
            && has_parts_of(self, other)
            && has_parts_of(other, self)
            && in_both.all(|(first_tokens, two)| self.are_equivalent_ranges(first_tokens, other, &two))
    }

    /// Returns tokens without the optional words `inner`, `outer` and `as` outside brackets, and with columns in place
    /// of their positions.
    pub fn without_optional_words(&self, tokens: &Range<usize>, positions: &[ColumnPosition]) -> Vec<SqlToken> {
        let mut depth = 0usize;
        let is_required = |token_index: &usize| {
            match self.key(*token_index).as_str() {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                "inner" | "outer" => return self.key(*token_index + 1) != "join",
                "as" => return depth > 0,
                _ => {}
            }
            true
        };
        let with_column =
            |token_index: usize| column_at(positions, token_index).unwrap_or(token_index..token_index + 1);
        let tokens = tokens.clone().flat_map(with_column);
        tokens
            .filter(is_required)
            .filter_map(|token_index| self.tokens.get(token_index).copied())
            .collect()
    }
}

/// Returns whether both files return the same columns of the same rows. In both files, a single select must determine
/// the rows, and all later selects must only compute columns.
pub(super) fn are_equivalent_files(first_file: &SqlFile<'_>, other: &SqlFile<'_>, trees: &mut SqlTrees) -> bool {
    are_equivalent_files_with(first_file, other, trees, &mut |_, _, first_node, other| {
        first_node == other
    })
}

/// Like [`are_equivalent_files`], but a function compares the expressions of each column, given the name of the column.
pub(super) fn are_equivalent_files_with(
    first_file: &SqlFile<'_>,
    other: &SqlFile<'_>,
    trees: &mut SqlTrees,
    is_same: &mut dyn FnMut(&SqlTrees, &str, SqlNodeId, SqlNodeId) -> bool,
) -> bool {
    let dialect = first_file.dialect;
    let has_same = |(a, b): (&Range<usize>, &Range<usize>)| first_file.are_equivalent_ranges(a, other, b);
    let is_same_rows = match (RowDeterminingParts::find(first_file), RowDeterminingParts::find(other)) {
        (Some(first), Some(second)) => {
            first.tokens.len() == second.tokens.len()
                && first.names == second.names
                && first.tokens.iter().zip(&second.tokens).all(has_same)
        }
        _ => false,
    };
    let (Some(first), Some(second)) = (last_select_columns(first_file), last_select_columns(other)) else {
        return false;
    };
    if !(is_same_rows || first_file.has_equivalent_selects(other)) || first.len() != second.len() {
        return false;
    }
    let mut trees_of = |file: &SqlFile<'_>, columns: &[(String, Range<usize>)]| -> Option<Vec<SqlNodeId>> {
        let mut resolver = ColumnResolver::new(file);
        let mut expression = |tokens: &Range<usize>| {
            let (cte, tokens) = (None, tokens.clone());
            resolver
                .resolve_expression(&ColumnExpression { cte, tokens }, trees)
                .ok()
        };
        columns.iter().map(|(_, tokens)| expression(tokens)).collect()
    };
    let names = first.iter().zip(&second);
    let is_same_names = names.into_iter().all(|((a, _), (b, _))| a == b);
    let (Some(trees_of_one), Some(trees_of_other)) = (trees_of(first_file, &first), trees_of(other, &second)) else {
        return false;
    };
    // Two calls of a random function return different values, so a column with such a call must have the same SQL in
    // both files.
    let volatile = LazyCell::new(|| dialect.volatile_calls());
    let mut columns = first
        .iter()
        .zip(&second)
        .zip(trees_of_one.into_iter().zip(trees_of_other));
    is_same_names
        && columns.all(|(((name, tokens), (_, others)), (a, b))| {
            let is_drawn_again = || [a, b].into_iter().any(|column| has_call(trees, column, &volatile));
            is_same(trees, name, a, b) && (first_file.are_equivalent_ranges(tokens, other, others) || !is_drawn_again())
        })
}

/// Returns whether an expression calls one of these functions.
fn has_call(trees: &SqlTrees, expression: SqlNodeId, names: &[&str]) -> bool {
    trees
        .descendants(expression)
        .into_iter()
        .any(|part| match (trees.label(part), trees.children(part)) {
            (SqlLabel::Call, [name, ..]) => trees.column(*name).is_some_and(|(_, name)| names.contains(&name)),
            _ => false,
        })
}

/// Returns the expression for a column of the last select, after replacing the columns of CTEs with the columns of
/// relations.
pub(super) fn resolve_output_column(file: &SqlFile<'_>, column: &str, trees: &mut SqlTrees) -> Option<SqlNodeId> {
    let (cte, tokens) = (None, file.column(None, column)?);
    let mut resolver = ColumnResolver::new(file);
    resolver
        .resolve_expression(&ColumnExpression { cte, tokens }, trees)
        .ok()
}

/// Returns the columns of the last select, with their expressions. `None` if the name of a column is not known.
fn last_select_columns(file: &SqlFile<'_>) -> Option<Vec<(String, Range<usize>)>> {
    let columns = file.parts.iter().filter(|part| part.position.cte.is_none());
    let mut column_list = Vec::new();
    for part in columns {
        match &part.position.kind {
            FilePartKind::Column(name) => column_list.push((name.clone(), part.tokens.clone())),
            FilePartKind::Unnamed => return None,
            FilePartKind::Config | FilePartKind::Other | FilePartKind::Clause(_) => {}
        }
    }
    Some(column_list)
}

/// Parts of a file that determine the rows of its last select.
#[derive(Debug, Default)]
struct RowDeterminingParts {
    /// Names of imported CTEs and of clauses, in order.
    names: Vec<String>,
    /// Tokens of these parts.
    tokens: Vec<Range<usize>>,
}

impl RowDeterminingParts {
    /// Finds the parts that determine the rows of the last select. `None` if several selects determine the rows, or if
    /// a select has a different form.
    fn find(file: &SqlFile<'_>) -> Option<Self> {
        let is_keyword = |token_index: usize, word: &str| file.key(token_index) == word;
        // `distinct` is not a clause of its own, so look for it after `select`.
        let words = || (1..file.tokens.len()).filter(|token_index| is_keyword(token_index - 1, "select"));
        if words().any(|token_index| {
            is_keyword(token_index, "distinct") || is_keyword(token_index, "all") || is_keyword(token_index, "top")
        }) {
            return None;
        }
        let mut row_selects = Self::default();
        // Name of the CTE that has the rows of the result.
        let mut rows: Option<&str> = None;
        let selects = file.ctes.iter().map(|cte| Some(cte.as_str())).chain([None]);
        for cte in selects {
            let parts: Vec<&FilePart> = file
                .parts
                .iter()
                .filter(|part| part.position.cte.as_deref() == cte)
                .collect();
            if parts.iter().any(|part| part.position.branch > 0) {
                return None;
            }
            let clauses = || {
                parts
                    .iter()
                    .filter_map(|part| Some((part.position.clause()?, part.tokens.clone())))
            };
            let is_unnamed = |part: &&&FilePart| part.position.kind == FilePartKind::Unnamed;
            let is_import = cte.is_some()
                && clauses().all(|(name, _)| name == "from")
                && parts
                    .iter()
                    .all(|part| is_unnamed(&part) || part.position.clause().is_some());
            match rows {
                None => {
                    row_selects.names.extend(cte.filter(|_| is_import).map(str::to_owned));
                    for (name, tokens) in clauses() {
                        row_selects.names.push(name.to_owned());
                        row_selects.tokens.push(tokens);
                    }
                    rows = cte.filter(|_| !is_import);
                }
                // Later selects read these rows, and have no other clauses.
                Some(before) => {
                    let from: Vec<(&str, Range<usize>)> = clauses().collect();
                    let [("from", tokens)] = from.as_slice() else {
                        return None;
                    };
                    let [token] = file.tokens.get(tokens.clone())? else {
                        return None;
                    };
                    if token_name(*token, file)? != before {
                        return None;
                    }
                    rows = cte;
                }
            }
            let is_unreadable = |part: &&FilePart| match &part.position.kind {
                FilePartKind::Clause(name) => name == "window",
                _ => false,
            };
            if parts.iter().any(is_unreadable) {
                return None;
            }
            for part in parts.iter().filter(|_| cte.is_none()) {
                if matches!(part.position.kind, FilePartKind::Config | FilePartKind::Other) {
                    row_selects.names.push(String::new());
                    row_selects.tokens.push(part.tokens.clone());
                }
            }
        }
        Some(row_selects)
    }
}

#[cfg(test)]
mod tests {
    use super::is_equivalent_sql;

    const IMPORT: &str = "with orders as (select * from {{ ref('orders') }})";

    fn is_same(left_sql: &str, other: &str) -> bool {
        let [first_sql, other] = [left_sql, other].map(|sql| {
            if sql.starts_with("select") {
                format!("{IMPORT} {sql}")
            } else {
                format!("{IMPORT}, {sql}")
            }
        });
        is_equivalent_sql(&first_sql, &other, "duckdb".parse().unwrap())
    }

    #[test]
    fn windows_may_be_in_a_later_select() {
        let together =
            "select region, sum(x) as total, rank() over (order by sum(x) desc) as place from orders group by region";
        let apart = "totals as (select region, sum(x) as total from orders group by region) \
                     select region, total, rank() over (order by total desc) as place from totals";
        assert!(is_same(together, apart) && is_same(apart, together));
        for (from, to) in [
            ("desc", ""),
            ("group by region)", "where x > 1 group by region)"),
            ("from totals", "from totals where total > 1"),
            ("from totals", "from totals limit 5"),
            ("select region, total", "select distinct region, total"),
            ("sum(x) as total", "max(x) as total"),
            ("as place", "as rank"),
            ("from orders", "from orders join customers on true"),
            ("region, total,", "total, region,"),
        ] {
            assert!(apart.contains(from), "{from}");
            assert!(!is_same(together, &apart.replacen(from, to, 1)), "{to}");
        }
    }

    /// A value may be computed in a different select if both selects have the same rows.
    #[test]
    fn values_may_be_in_other_selects_with_the_same_rows() {
        let before = "days as (select day, sum(x) as n, current_date as today from orders group by day) \
                      select days.day, days.n - old.n as change, days.today from days left join days as old on days.day = old.day + 1";
        let after = before
            .replace(", current_date as today", "")
            .replace("days.today", "current_date as today");
        assert!(is_same(before, &after) && is_same(&after, before));
        for (from, to) in [
            ("left join", "join"),
            ("sum(x)", "max(x)"),
            ("as today from days", "as today from days, orders"),
            ("group by day", "group by day having n > 1"),
            ("current_date as today", "n as today"),
        ] {
            assert!(after.contains(from), "{from}");
            assert!(!is_same(before, &after.replacen(from, to, 1)), "{to}");
        }
    }

    /// The window includes all rows, because the condition is applied later.
    #[test]
    fn windows_before_a_condition_are_different() {
        let after = "select x, rank() over (order by x) as place from orders where x > 5";
        let before = "ranked as (select x, rank() over (order by x) as place from orders) select x, place from ranked where x > 5";
        assert!(!is_same(after, before));
        let nested = "ranked as (select x, rank() over (order by x) as place from orders where x > 5) select x, place from ranked";
        assert!(is_same(after, nested));
    }
}
