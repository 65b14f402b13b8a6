//! Finds the tables that SQL names directly, without `ref` or `source`.

use rustc_hash::FxHashSet;

use crate::dbt::{relation_name_parts, tokens};
use crate::dialect::Dialect;

/// Returns whether the last part of a name after `from` or `join` may be a table. This check is faster than reading the
/// tokens of the SQL, but only recognizes keywords and names that are separated by whitespace.
pub(super) fn may_name_table(sql: &str, is_table: impl Fn(&str) -> bool) -> bool {
    let mut words = sql.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if !word.eq_ignore_ascii_case("from") && !word.eq_ignore_ascii_case("join") {
            continue;
        }
        let name = words
            .clone()
            .next()
            .unwrap_or_default()
            .trim_end_matches([')', ',', ';']);
        let table = name.rsplit('.').next().unwrap_or_default();
        if is_table(&table.trim_matches(['"', '`', '[', ']']).to_lowercase()) {
            return true;
        }
    }
    false
}

/// Returns the parts of the names after `from` and `join`, without the CTEs of the SQL and without functions.
pub(super) fn table_names(sql: &str, dialect: Dialect) -> FxHashSet<Vec<String>> {
    let tokens = tokens::tokens(sql, dialect);
    let text = |token_index: usize| tokens.get(token_index).map_or("", |token| token.text(sql));
    let is = |token_index: usize, word: &str| text(token_index).eq_ignore_ascii_case(word);
    let mut ctes = FxHashSet::default();
    let mut names = FxHashSet::default();
    for token_index in 0..tokens.len() {
        if is(token_index + 1, "as")
            && ["(", "not", "materialized"]
                .iter()
                .any(|word| is(token_index + 2, word))
        {
            ctes.insert(relation_name_parts(text(token_index)));
        }
        if !is(token_index, "from") && !is(token_index, "join") {
            continue;
        }
        let mut last = token_index + 1;
        while text(last + 1) == "." {
            last += 2;
        }
        let range = tokens.get(token_index + 1).zip(tokens.get(last));
        let name = range.and_then(|(first, last)| sql.get(first.start..last.end));
        names.extend(name.filter(|_| text(last + 1) != "(").map(relation_name_parts));
    }
    names.retain(|name| !name.is_empty() && !ctes.contains(name));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_without_ctes_and_functions() {
        let sql = "with a as (select * from main.\"Orders\"), b as materialized (select 1) -- from comment\n\
                   select 'from text' from a join b using (id) left join db.main.c on true JOIN d cross join f(1)";
        let mut names: Vec<String> = table_names(sql, Dialect::default())
            .iter()
            .map(|parts| parts.join("."))
            .collect();
        names.sort();
        assert_eq!(names, ["d", "db.main.c", "main.orders"]);
    }
}
