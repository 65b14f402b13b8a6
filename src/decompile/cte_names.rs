//! Names of CTEs: CTEs that a user renamed in generated SQL, and SQL with other names for its CTEs.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::file::{FilePart, FilePartKind, SqlFile, is_same_name, token_name};
use super::substitute::{Substitution, apply_replacements};
use crate::dbt::tokens::unquote_token;
use crate::dialect::Dialect;

/// CTE that a user renamed in generated SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenamedCte {
    /// Name of the CTE in the generated SQL, with its quotes.
    pub generated: String,
    /// Name of the CTE in the edited SQL, with its quotes.
    pub edited: String,
}

/// Returns the CTEs that a user renamed: CTEs that read the same relations as a CTE that exists only in the generated
/// SQL, and that have a column in common with it. The spec's SQL, `spec_sql`, has no CTEs with the new names.
///
/// ```
/// use formulac_decompile::renamed_ctes;
/// let generated = "with orders_by_day as (select day, sum(x) as n from t where ok group by day)\nselect n from orders_by_day";
/// let edited = generated.replace("orders_by_day", "daily").replace("sum(x)", "sum(y)");
/// let renamed = renamed_ctes(&edited, generated, generated, "duckdb".parse().unwrap());
/// assert_eq!((renamed[0].generated.as_str(), renamed[0].edited.as_str()), ("orders_by_day", "daily"));
/// ```
#[must_use]
pub fn renamed_ctes(edited_sql: &str, generated_sql: &str, spec_sql: &str, dialect: Dialect) -> Vec<RenamedCte> {
    let [file, generated, of_spec] = [edited_sql, generated_sql, spec_sql].map(|sql| SqlFile::read(sql, dialect));
    let is_missing = |name: &str, file: &SqlFile<'_>| !file.ctes.iter().any(|cte| is_same_name(cte, name));
    let removed: Vec<(&str, &str)> = generated
        .ctes
        .iter()
        .map(String::as_str)
        .zip(cte_name_texts(&generated))
        .filter(|(name, _)| is_missing(name, &file))
        .collect();
    if removed.is_empty() {
        return Vec::new();
    }
    // The SQL may read a table that has the name of a removed CTE.
    let relations: HashSet<String> = relation_tokens(&file)
        .into_iter()
        .map(|index| file.key(index))
        .collect();
    let mut new_names: HashMap<String, String> = HashMap::new();
    let mut renamed: Vec<RenamedCte> = Vec::new();
    for (name, text) in file.ctes.iter().zip(cte_name_texts(&file)) {
        if !is_missing(name, &generated) || !is_missing(name, &of_spec) {
            continue;
        }
        let inputs = input_keys(&file, name, &new_names);
        let is_free = |(old, text): &&(&str, &str)| {
            !relations.contains(*old) && !renamed.iter().any(|other| other.generated == *text)
        };
        let same_inputs = removed
            .iter()
            .filter(is_free)
            .filter(|(old, _)| inputs.is_some() && input_keys(&generated, old, &HashMap::new()) == inputs);
        let with_count = same_inputs.map(|old| (count_common_columns((&file, name), (&generated, old.0)), old));
        let best = with_count
            .filter(|(count, _)| *count > 0)
            .min_by_key(|(count, _)| Reverse(*count));
        if let Some((_, (old, old_text))) = best {
            new_names.insert(name.clone(), (*old).to_owned());
            renamed.push(RenamedCte {
                generated: (*old_text).to_owned(),
                edited: text.to_owned(),
            });
        }
    }
    renamed
}

/// Returns the replacements in edited SQL that give the renamed CTEs their generated names.
#[must_use]
pub fn substitutions_to_generated_cte_names(
    edited_sql: &str,
    renamed: &[RenamedCte],
    dialect: Dialect,
) -> Vec<Substitution> {
    let file = SqlFile::read(edited_sql, dialect);
    let names = renamed.iter().map(|cte| (cte.edited.as_str(), cte.generated.as_str()));
    substitute_cte_names(&file, names)
}

/// Returns SQL in which the renamed CTEs have the names that the user gave them. A CTE keeps its generated name if
/// another relation of the query has the user's name.
#[must_use]
pub fn with_edited_cte_names(sql: &str, renamed: &[RenamedCte], dialect: Dialect) -> String {
    let file = SqlFile::read(sql, dialect);
    let relations: HashSet<String> = relation_tokens(&file)
        .into_iter()
        .filter_map(|index| token_name(*file.tokens.get(index)?, &file))
        .collect();
    let is_free = |cte: &&RenamedCte| {
        let name = without_quotes(&cte.edited, dialect);
        !relations.iter().any(|relation| is_same_name(relation, &name))
    };
    let names = renamed.iter().filter(is_free);
    let changes = substitute_cte_names(&file, names.map(|cte| (cte.generated.as_str(), cte.edited.as_str())));
    apply_replacements(sql, changes.iter().collect()).unwrap_or_else(|| sql.to_owned())
}

/// Returns SQL in which each CTE has the name of the CTE at the same position in other SQL. `None` if the number of
/// CTEs differs.
#[must_use]
pub fn with_cte_names_from(sql: &str, other: &str, dialect: Dialect) -> Option<String> {
    let (file, other) = (SqlFile::read(sql, dialect), SqlFile::read(other, dialect));
    if file.ctes.len() != other.ctes.len() {
        return None;
    }
    let names = cte_name_texts(&file).zip(cte_name_texts(&other));
    let changes = substitute_cte_names(&file, names.filter(|(name, other)| name != other));
    apply_replacements(sql, changes.iter().collect())
}

/// Returns the names of the CTEs as written in the file.
fn cte_name_texts<'f>(file: &'f SqlFile<'_>) -> impl Iterator<Item = &'f str> {
    let names = file.cte_tokens.iter().map(|tokens| tokens.start..tokens.start + 1);
    names.map(|token| file.text(&token))
}

fn without_quotes(name: &str, dialect: Dialect) -> String {
    unquote_token(name, dialect).unwrap_or_else(|| name.to_owned())
}

/// Returns the replacements that give the CTEs of a file new names: pairs of the name in the file and the new name,
/// both with their quotes.
fn substitute_cte_names<'n>(file: &SqlFile<'_>, names: impl Iterator<Item = (&'n str, &'n str)>) -> Vec<Substitution> {
    let names: Vec<(String, &str)> = names
        .map(|(name, new)| (without_quotes(name, file.dialect), new))
        .collect();
    let mut indices: Vec<usize> = relation_tokens(file).into_iter().collect();
    indices.sort_unstable();
    let changes = indices.into_iter().filter_map(|index| {
        let token = *file.tokens.get(index)?;
        let name = token_name(token, file)?;
        let (_, new) = names.iter().find(|(old, _)| is_same_name(&name, old))?;
        Some((token.start..token.end, (*new).to_owned()))
    });
    changes.collect()
}

/// Part of a query to which the tokens of a bracket belong.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum QueryPart {
    /// Columns or clauses of a select.
    Select,
    /// A `from` clause.
    From,
    /// Anything else, such as the arguments of a function.
    #[default]
    Other,
}

/// Meaning of the next token of a `from` clause.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum NextToken {
    Relation,
    Alias,
    #[default]
    Other,
}

/// Returns the tokens that name a relation: the names of CTEs, the relations and aliases of `from` clauses, and the
/// names before a dot. A column may have the same name as a CTE.
fn relation_tokens(file: &SqlFile<'_>) -> HashSet<usize> {
    let mut found: HashSet<usize> = file.cte_tokens.iter().map(|tokens| tokens.start).collect();
    let mut outer_parts = Vec::new();
    let mut part = QueryPart::default();
    let mut next = NextToken::default();
    for index in 0..file.tokens.len() {
        let key = file.key(index);
        let current = std::mem::take(&mut next);
        match key.as_str() {
            "(" => {
                outer_parts.push(part);
                part = QueryPart::Other;
                if current == NextToken::Relation {
                    (part, next) = (QueryPart::From, NextToken::Relation);
                }
            }
            ")" => {
                part = outer_parts.pop().unwrap_or_default();
                if part == QueryPart::From {
                    next = NextToken::Alias;
                }
            }
            "select" => part = QueryPart::Select,
            "from" if part == QueryPart::Select => (part, next) = (QueryPart::From, NextToken::Relation),
            "where" | "group" | "having" | "qualify" | "order" | "window" | "limit" if part == QueryPart::From => {
                part = QueryPart::Select;
            }
            "join" | "," if part == QueryPart::From => next = NextToken::Relation,
            "as" if current == NextToken::Alias => next = current,
            _ => {
                let is_field = index.checked_sub(1).is_some_and(|previous| file.key(previous) == ".");
                if current != NextToken::Other || file.key(index + 1) == "." && !is_field {
                    found.insert(index);
                }
                if current == NextToken::Relation {
                    next = NextToken::Alias;
                }
            }
        }
    }
    found
}

/// Returns the tokens of a CTE's `from` clause, with the new names of CTEs. `None` if the CTE has no such clause.
fn input_keys(file: &SqlFile<'_>, cte: &str, new_names: &HashMap<String, String>) -> Option<Vec<String>> {
    let tokens = file.clause(Some(cte), "from")?;
    let keys = tokens.map(|index| {
        let key = file.key(index);
        new_names.get(&key).cloned().unwrap_or(key)
    });
    Some(keys.collect())
}

/// Returns the number of columns that the first selects of two CTEs have in common. `*` counts as a column.
fn count_common_columns(one: (&SqlFile<'_>, &str), other: (&SqlFile<'_>, &str)) -> usize {
    let is_column = |part: &&FilePart| matches!(part.position.kind, FilePartKind::Column(_) | FilePartKind::Unnamed);
    let others = other.0.select_parts(Some(other.1)).filter(is_column);
    let others: HashSet<&FilePartKind> = others.map(|part| &part.position.kind).collect();
    let columns = one.0.select_parts(Some(one.1)).filter(is_column);
    columns.filter(|part| others.contains(&part.position.kind)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_names_are_renamed_and_restored() {
        let generated = "with \"group\" as (select a, sum(x) as n from t group by a)\nselect n from \"group\"";
        let edited = generated.replace("\"group\"", "\"by a\"");
        let dialect = Dialect::default();
        let renamed = renamed_ctes(&edited, generated, generated, dialect);
        let substitutions = substitutions_to_generated_cte_names(&edited, &renamed, dialect);
        let restored = apply_replacements(&edited, substitutions.iter().collect());
        assert_eq!(restored.as_deref(), Some(generated));
        assert_eq!(with_edited_cte_names(generated, &renamed, dialect), edited);
    }
}
