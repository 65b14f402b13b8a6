//! Removes columns and CTEs from the text of a file.

use std::collections::HashSet;

use super::{FilePart, FilePartKind, FilePartPosition, SqlFile};
use crate::separated_list::ranges_to_remove;
use crate::substitute::{Substitution, apply_replacements};

impl SqlFile<'_> {
    /// Returns the text without some columns, and with only these CTEs. `None` if a select has no other columns.
    pub fn without_columns(&self, ctes: &[String], columns: &HashSet<&FilePartPosition>) -> Option<String> {
        let is_column =
            |part: &&FilePart| matches!(part.position.kind, FilePartKind::Column(_) | FilePartKind::Unnamed);
        let parts: Vec<&FilePart> = self.parts.iter().filter(is_column).collect();
        let is_same_select =
            |a: &&FilePart, b: &&FilePart| (&a.position.cte, a.position.branch) == (&b.position.cte, b.position.branch);
        let item = |part: &&FilePart| {
            let tokens = part.tokens.start..part.end;
            (self.byte_range(&tokens), columns.contains(&part.position))
        };
        let selects = parts.chunk_by(is_same_select);
        let is_kept = |select: &&[&FilePart]| {
            let cte = select.first().and_then(|part| part.position.cte.as_ref());
            cte.is_none_or(|cte| ctes.contains(cte))
        };
        let mut lists: Vec<Vec<_>> = selects
            .filter(is_kept)
            .map(|select| select.iter().map(item).collect())
            .collect();
        let items = self.ctes.iter().zip(&self.cte_tokens);
        lists.push(
            items
                .map(|(name, tokens)| (self.byte_range(tokens), !ctes.contains(name)))
                .collect(),
        );
        let is_empty = |list: &Vec<_>| !list.is_empty() && list.iter().all(|(_, is_removed)| *is_removed);
        if lists.iter().any(is_empty) {
            return None;
        }
        let ranges = lists.iter().flat_map(|list| ranges_to_remove(list));
        let removals: Vec<Substitution> = ranges.map(|range| (range, String::new())).collect();
        apply_replacements(self.source, removals.iter().collect())
    }
}
