//! Finds the CTE that computes a column, and the relation from which the rows come. Skips CTEs that only pass the
//! column on.

use std::ops::Range;

use rustc_hash::FxHashSet;

use super::super::file::is_same_name;
use super::super::from_clause::FromClauseRelation;
use super::{ColumnResolver, MAX_CTE_CHAIN};

/// A column's expression, with the CTE that computes it.
pub struct ColumnExpression {
    pub cte: Option<String>,
    pub tokens: Range<usize>,
}

impl ColumnResolver<'_, '_> {
    /// Finds the expression that computes a column of a CTE. If the CTE only passes the column on, the expression is in
    /// an earlier CTE.
    pub fn find_column_expression(&self, cte: Option<&str>, column: &str) -> Option<ColumnExpression> {
        let mut column_expression = ColumnExpression {
            cte: cte.map(str::to_owned),
            tokens: self.file.column(cte, column)?,
        };
        for _ in 0..MAX_CTE_CHAIN {
            let input_site = self.resolve_column_reference(&column_expression, column);
            let Some(source_site) = input_site.or_else(|| self.expression_before_fill(&column_expression, column))
            else {
                return Some(column_expression);
            };
            column_expression = source_site;
        }
        None
    }

    /// For a step with `fill`, returns the expression of a column before rows are added. After the `union` with the
    /// added rows, the column is `max(column)` or `coalesce(max(column), 0)`. `None` if the expression has a different
    /// form.
    pub(super) fn expression_before_fill(
        &self,
        column_expression: &ColumnExpression,
        column: &str,
    ) -> Option<ColumnExpression> {
        let tokens = self
            .file
            .tokens
            .get(column_expression.tokens.clone())
            .filter(|_| self.is_filled)?;
        let keys: Vec<_> = tokens
            .iter()
            .map(|token| token.comparison_key(self.file.source))
            .collect();
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        let tokens = match keys.as_slice() {
            ["max", "(", .., ")"] => tokens,
            ["coalesce", "(", "max", "(", _, ")", ",", .., ")"] => tokens.get(2..6)?,
            _ => return None,
        };
        let [_, _, name, _] = tokens else { return None };
        let name = super::super::file::token_name(*name, self.file).filter(|name| is_same_name(name, column))?;
        let [source] = self.relations_of_select(column_expression.cte.as_deref()) else {
            return None;
        };
        let union = source.relation.as_str();
        let mut parts = self.file.parts.iter();
        parts.find(|part| part.position.branch > 0 && part.position.cte.as_deref() == Some(union))?;
        let tokens = self.file.column(Some(union), &name)?;
        Some(ColumnExpression {
            cte: Some(union.to_owned()),
            tokens,
        })
    }

    /// If an expression only refers to a column of an earlier CTE, returns the expression of that column. `None` if the
    /// expression computes the column itself.
    fn resolve_column_reference(&self, column_expression: &ColumnExpression, column: &str) -> Option<ColumnExpression> {
        let tokens = self.file.tokens.get(column_expression.tokens.clone())?;
        let qualifier = match tokens {
            [_] => None,
            [relation, _, _] => Some(relation.comparison_key(self.file.source).into_owned()),
            _ => return None,
        };
        let name = super::super::file::token_name(*tokens.last()?, self.file)?;
        if !is_same_name(&name, column) {
            return None;
        }
        // A column of a joined relation is treated as if this CTE computed it.
        self.find_source_of_name(column_expression.cte.as_deref(), qualifier.as_deref(), &name)
            .filter(|(source_index, _)| *source_index == 0)
            .map(|(_, column_expression)| column_expression)
    }

    /// Returns whether a relation is a CTE whose expressions can be resolved: a CTE that precedes the given CTE and
    /// reads a relation.
    pub(super) fn is_resolvable_cte(&self, relation: &str, cte: Option<&str>) -> bool {
        let cte_index = |cte: &str| self.cte_positions.get(cte).copied();
        let Some(position) = cte_index(relation) else {
            return false;
        };
        !self.visible_ctes.contains(&relation.to_ascii_lowercase())
            && cte.and_then(cte_index).is_none_or(|reader| position < reader)
            && self
                .reads
                .get(&Some(relation.to_owned()))
                .is_some_and(|reads| !reads.is_empty())
    }

    pub(super) fn relations_of_select(&self, cte: Option<&str>) -> &[FromClauseRelation] {
        self.reads.get(&cte.map(str::to_owned)).map_or(&[], Vec::as_slice)
    }

    /// Finds the relation that supplies a name to a CTE, if this relation is a helper CTE. Returns the position of the
    /// relation in the CTE's `from` clause, and the expression that defines the name.
    pub fn find_source_of_name(
        &self,
        cte: Option<&str>,
        qualifier: Option<&str>,
        name: &str,
    ) -> Option<(usize, ColumnExpression)> {
        let mut seen = FxHashSet::default();
        for (source_index, from_relation) in self.relations_of_select(cte).iter().enumerate() {
            if qualifier.is_some_and(|q| !is_same_name(q, &from_relation.alias))
                || !self.is_resolvable_cte(&from_relation.relation, cte)
            {
                continue;
            }
            let mut left = vec![from_relation.relation.as_str()];
            while let Some(relation) = left.pop().filter(|_| seen.len() < MAX_CTE_CHAIN) {
                if !seen.insert(relation) {
                    continue;
                }
                if let Some(tokens) = self.file.column(Some(relation), name) {
                    return Some((
                        source_index,
                        ColumnExpression {
                            cte: Some(relation.to_owned()),
                            tokens,
                        },
                    ));
                }
                for alias in self.passthrough_columns.get(relation).into_iter().flatten().rev() {
                    let is_it = |source: &&FromClauseRelation| {
                        alias.as_ref().is_none_or(|alias| is_same_name(alias, &source.alias))
                    };
                    let inputs = self
                        .relations_of_select(Some(relation))
                        .iter()
                        .filter(is_it)
                        .map(|source| source.relation.as_str());
                    let input_names = inputs
                        .filter(|input_name| self.is_resolvable_cte(input_name, Some(relation)))
                        .collect::<Vec<_>>();
                    left.extend(input_names.into_iter().rev());
                }
            }
        }
        None
    }

    /// Returns the relation from which a CTE's rows come, skipping helper CTEs.
    pub fn base_relation_of(&self, cte: Option<&str>) -> String {
        let mut cte = cte.map(str::to_owned);
        for _ in 0..MAX_CTE_CHAIN {
            let Some(source) = self.relations_of_select(cte.as_deref()).first() else {
                break;
            };
            if !self.is_resolvable_cte(&source.relation, cte.as_deref()) {
                return source.relation.clone();
            }
            cte = Some(source.relation.clone());
        }
        cte.unwrap_or_default()
    }
}
