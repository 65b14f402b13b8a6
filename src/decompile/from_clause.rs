//! Reads the relations, aliases and join conditions in `from` clauses.

use std::ops::Range;

use super::file::{SqlFile, token_name};

/// A relation that a select reads.
#[derive(Debug)]
pub(super) struct FromClauseRelation {
    pub relation: String,
    pub alias: String,
    /// Type of the join, such as `left join`, without the optional words `inner` and `outer`. Empty for the first
    /// relation.
    pub join_type: String,
    /// The tokens of the join condition.
    pub condition: Range<usize>,
    /// All tokens of the relation: the type of the join, the name, the alias and the condition.
    pub tokens: Range<usize>,
}

/// Returns the relations that the tokens of a `from` clause read, in order. Anything that is not a name is skipped.
pub(super) fn from_clause_relations(file: &SqlFile<'_>, tokens: Range<usize>) -> Vec<FromClauseRelation> {
    let mut outside = Vec::new();
    let mut depth = 0usize;
    for token_index in tokens.clone() {
        let key = file.key(token_index);
        match key.as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 => outside.push((token_index, key)),
            _ => {}
        }
    }
    // For each relation, the positions of the join's first word and of the relation's name.
    let mut places: Vec<(usize, usize)> = vec![(0, 0)];
    for (position, (_, key)) in outside.iter().enumerate() {
        if matches!(key.as_str(), "join" | ",") {
            let words = outside.iter().take(position).rev();
            let words = words.take_while(|(_, word)| {
                matches!(word.as_str(), "left" | "right" | "full" | "inner" | "cross" | "outer")
            });
            places.push((position - words.count(), position + 1));
        }
    }
    let mut clause_relations: Vec<FromClauseRelation> = Vec::new();
    for (index, (words, name)) in places.iter().enumerate() {
        let end = places.get(index + 1).map_or(outside.len(), |(words, _)| *words);
        let key = |position: usize| outside.get(position).map_or("", |(_, key)| key.as_str());
        let name_at = |position: usize| {
            outside
                .get(position)
                .and_then(|(token_index, _)| token_name(file.tokens.get(*token_index).copied()?, file))
        };
        let Some(relation) = name_at(*name) else { continue };
        let alias = match key(name + 1) {
            "as" => name_at(name + 2),
            "" | "on" | "using" | "natural" | "lateral" | "tablesample" => None,
            _ => (name + 1 < end).then(|| name_at(name + 1)).flatten(),
        };
        let place_of = |position: usize| {
            outside
                .get(position)
                .map_or(tokens.end, |(token_index, _)| *token_index)
        };
        let condition = (*name..end)
            .find(|position| key(*position) == "on")
            .map_or(0..0, |position| place_of(position) + 1..place_of(end));
        let kind_words = outside.get(*words..*name).unwrap_or_default().iter();
        let join_words = kind_words.filter(|(_, word)| !matches!(word.as_str(), "inner" | "outer"));
        let join_kind = join_words.map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" ");
        clause_relations.push(FromClauseRelation {
            alias: alias.unwrap_or_else(|| relation.clone()),
            relation,
            join_type: join_kind,
            condition,
            tokens: place_of(*words)..place_of(end),
        });
    }
    clause_relations
}
