//! Removes, duplicates and swaps words in SQL. The code must not panic, and lineage must be consistent in both
//! directions.

use std::fs;
use std::path::Path;

use formulac::Dialect;
use formulac::lineage::{ColumnChange, RelationColumnList, SqlLineage, lineage_of_sql};
use proptest::prelude::*;

/// Returns the SQL of all cases, without comments.
fn corpus() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lineage/cases/forms.txt");
    let text = fs::read_to_string(path).unwrap();
    let sql = text.split("\n\n\n").filter_map(|case| case.split("\n=>").next());
    sql.map(|sql| {
        sql.lines()
            .filter(|line| !line.starts_with("--"))
            .collect::<Vec<_>>()
            .join(" ")
    })
    .collect()
}

fn words(sql: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut last = ' ';
    for c in sql.chars() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if !(is_word(c) && is_word(last)) {
            words.push(String::new());
        }
        words.last_mut().unwrap().push(c);
        last = c;
    }
    words
}

/// Checks that `affected` reports a column if and only if the column is computed from the changed column.
fn agrees(lineage: &SqlLineage) {
    let columns = lineage.columns();
    let mut all: Vec<_> = columns
        .iter()
        .flat_map(|c| c.source_columns.iter().chain(&c.window_columns))
        .cloned()
        .collect();
    all.extend(lineage.rows());
    all.sort();
    all.dedup();
    for of in all {
        let change = |parts: &[String], column: Option<&str>| {
            (parts == of.relation && column == Some(of.column.as_str())).then_some(ColumnChange::Values)
        };
        let affected = lineage.affected_columns(change);
        assert_eq!(affected.rows.is_some(), lineage.rows().contains(&of), "{of}");
        let mut found: Vec<String> = affected.columns.into_iter().map(|(name, ..)| name).collect();
        let made = columns
            .iter()
            .filter(|c| c.source_columns.contains(&of) || c.window_columns.contains(&of));
        let mut expected: Vec<String> = made.map(|column| column.name.to_lowercase()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{of}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(at in any::<prop::sample::Index>(), edits in prop::collection::vec((0u8..4, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4), dialect in 0usize..5) {
        let corpus = corpus();
        let mut words = words(&corpus[at.index(corpus.len())]);
        for (kind, one, other) in edits {
            let (one, other) = (one.index(words.len()), other.index(words.len()));
            match kind {
                0 if words.len() > 1 => {
                    words.remove(one);
                }
                1 => {
                    let word = words[one].clone();
                    words.insert(other, word);
                }
                2 => words.swap(one, other),
                _ => words[one] = words[other].clone(),
            }
        }
        let dialect = Dialect::all().nth(dialect);
        if let Ok(lineage) = lineage_of_sql(&words.concat(), dialect, &|_| RelationColumnList::default()) {
            agrees(&lineage);
        }
    }
}
