//! `group by 1, 2`, `order by 1` and `group by all`, which refer to columns without their expressions. Comparisons
//! replace each position with its column.

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::FxHashSet;

use super::file::{FilePart, FilePartKind, SqlFile};
use super::parse::parse_list;
use super::substitute::{Substitution, apply_replacements};
use super::tree::{SqlNodeId, SqlTrees};
use crate::dbt::tokens::{SqlToken, SqlTokenKind};

/// Words that may follow a position in `order by`.
const SORT_WORDS: [&str; 3] = ["asc", "desc", "nulls"];

/// Token that is the position of a column, and the tokens of the column: the expression in `group by`, and the name in
/// `order by`.
pub(super) type ColumnPosition = (usize, Range<usize>);

/// Kinds and comparison keys of tokens.
type TokenKeys<'a> = Vec<(SqlTokenKind, Cow<'a, str>)>;

impl SqlFile<'_> {
    /// Returns the positions of columns in a `group by` or an `order by`, in the order of the tokens. Empty for other
    /// parts.
    pub fn column_positions(&self, tokens: &Range<usize>) -> Vec<ColumnPosition> {
        let Some((index, part)) = self.clause_at(tokens) else {
            return Vec::new();
        };
        let is_grouping = part.position.clause() == Some("group by");
        let is_number = |token: usize| {
            let token = self.tokens.get(token);
            token.is_some_and(|token| token.kind == SqlTokenKind::Number)
        };
        let is_position = |item: &Range<usize>| {
            let is_sorted = !is_grouping && SORT_WORDS.contains(&self.key(item.start + 1).as_str());
            is_number(item.start) && (item.len() == 1 || is_sorted)
        };
        let mut items = self.split_at_commas(part.tokens.clone());
        items.retain(is_position);
        let columns = match items.is_empty() {
            true => None,
            false => self.columns_before(index),
        };
        let column = |item: Range<usize>| {
            let number: usize = self.key(item.start).parse().ok()?;
            let (_, column) = columns.as_ref()?.get(number.checked_sub(1)?)?;
            let tokens = match is_grouping {
                true => column.tokens.clone(),
                false => column.end.checked_sub(1)?..column.end,
            };
            // A number in place of the position would be another position.
            (!is_number(tokens.start)).then_some((item.start, tokens))
        };
        items.into_iter().filter_map(column).collect()
    }

    /// Returns whether a `group by all` groups by the items of the other file's `group by`. The other select must have
    /// all columns of this select, because a new column may be another key.
    pub fn is_equivalent_group_by_all(
        &self,
        tokens: &Range<usize>,
        other: &SqlFile<'_>,
        others: &Range<usize>,
    ) -> bool {
        let columns = self.clause_at(tokens).and_then(|(index, _)| self.columns_before(index));
        let grouping = other.clause_at(others);
        let other_columns = grouping.and_then(|(index, _)| other.columns_before(index));
        let (Some(columns), Some((_, grouping)), Some(other_columns)) = (columns, grouping, other_columns) else {
            return false;
        };
        let lower_names = |columns: &[(&str, &FilePart)]| -> FxHashSet<String> {
            let names = columns.iter().map(|(name, _)| name.to_ascii_lowercase());
            names.collect()
        };
        if !lower_names(&columns).is_subset(&lower_names(&other_columns)) {
            return false;
        }
        // Each expression is read once, because a select may have hundreds of columns and keys.
        let mut trees = SqlTrees::default();
        let (mut column_keys, mut expressions) = (FxHashSet::default(), FxHashSet::default());
        for (_, column) in &columns {
            let (keys, expression) = self.comparison_keys(&column.tokens, &[], &mut trees);
            column_keys.insert(keys);
            expressions.extend(expression);
        }
        let positions = other.column_positions(&grouping.tokens);
        let items = other.split_at_commas(grouping.tokens.clone());
        items.iter().all(|item| {
            let (keys, expression) = other.comparison_keys(item, &positions, &mut trees);
            column_keys.contains(&keys) || expression.is_some_and(|expression| expressions.contains(&expression))
        })
    }

    /// Returns the keys of a part's tokens, and its expressions. `None` if the expressions are not readable. As in
    /// [`Self::are_equivalent_ranges`], parts with the same keys or the same expressions are the same SQL.
    fn comparison_keys(
        &self,
        tokens: &Range<usize>,
        positions: &[ColumnPosition],
        trees: &mut SqlTrees,
    ) -> (TokenKeys<'_>, Option<Vec<SqlNodeId>>) {
        let tokens = self.without_optional_words(tokens, positions);
        let key = |token: &SqlToken| (token.kind, token.comparison_key(self.source));
        let keys = tokens.iter().map(key).collect();
        (keys, parse_list(self.source, &tokens, self.dialect, trees).ok())
    }

    /// Returns whether tokens are the `group by` of a select that groups by all columns without an aggregate.
    pub fn is_group_by_all(&self, tokens: &Range<usize>) -> bool {
        let grouping = self.clause_at(tokens).map(|(_, part)| part);
        grouping.is_some_and(|part| {
            part.position.clause() == Some("group by") && part.tokens.len() == 1 && self.key(part.tokens.start) == "all"
        })
    }

    /// Returns the text with columns in place of their positions. `None` if the text has no positions.
    pub fn without_column_positions(&self) -> Option<String> {
        let positions = self.parts.iter().flat_map(|part| self.column_positions(&part.tokens));
        let replacements: Vec<Substitution> = positions
            .map(|(token, column)| (self.byte_range(&(token..token + 1)), self.text(&column).to_owned()))
            .collect();
        let text = apply_replacements(self.source, replacements.iter().collect());
        text.filter(|_| !replacements.is_empty())
    }

    /// Returns the `group by` or `order by` that consists of these tokens, with its index. The tokens may include the
    /// two keywords.
    fn clause_at(&self, tokens: &Range<usize>) -> Option<(usize, &FilePart)> {
        let index = self.parts.partition_point(|part| part.tokens.start < tokens.start);
        let part = self.parts.get(index)?;
        let is_whole = part.tokens.start <= tokens.start + 2 && part.tokens.end == tokens.end;
        let is_clause = matches!(part.position.clause(), Some("group by" | "order by"));
        (is_whole && is_clause).then_some((index, part))
    }

    /// Returns the columns of the select that contains a clause, with their names, given the index of the clause.
    /// `None` if the positions of the columns are unknown, as after `*`.
    fn columns_before(&self, index: usize) -> Option<Vec<(&str, &FilePart)>> {
        let select = &self.parts.get(index)?.position;
        let before = self.parts.get(..index)?.iter().rev();
        let of_select =
            before.take_while(|part| (&part.position.cte, part.position.branch) == (&select.cte, select.branch));
        let mut columns = Vec::new();
        for part in of_select {
            match &part.position.kind {
                FilePartKind::Column(name) => columns.push((name.as_str(), part)),
                FilePartKind::Unnamed => return None,
                FilePartKind::Clause(_) | FilePartKind::Config | FilePartKind::Other => {}
            }
        }
        columns.reverse();
        Some(columns)
    }
}

/// Returns the tokens of the column whose position a token is. `None` if the token is not a position.
pub(super) fn column_at(positions: &[ColumnPosition], token: usize) -> Option<Range<usize>> {
    let found = positions.binary_search_by_key(&token, |(position, _)| *position);
    let (_, column) = positions.get(found.ok()?)?;
    Some(column.clone())
}
