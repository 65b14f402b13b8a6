//! Checks that `dialects/facts` lists each function that generated statements call.

use std::collections::BTreeSet;

use formulac::{ConstructFact, Dialect};

/// Returns the names before brackets in a statement, outside of quotes. Keywords have a space before their bracket. A name
/// after `as` is the alias of a relation with columns, as in `as parts_(part_)`.
pub fn called(sql: &str, dialect: Dialect) -> BTreeSet<String> {
    let escapes = dialect.text_literal("\\").len() > 3;
    let mut names = BTreeSet::new();
    let (mut name, mut before, mut quote, mut escaped) = (String::new(), String::new(), None, false);
    for c in sql.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('\''), '\\') => escaped = escapes,
            (Some(open), c) => quote = Some(open).filter(|open| *open != c),
            (None, '\'' | '"' | '`') => {
                quote = Some(c);
                name.clear();
            }
            (None, '(') => {
                let called = std::mem::take(&mut name);
                names.extend(Some(called).filter(|called| !called.is_empty() && before != "as"));
            }
            (None, c) if c.is_alphanumeric() || matches!(c, '_' | '.') => name.push(c),
            (None, _) if name.is_empty() => {}
            (None, _) => before = std::mem::take(&mut name),
        }
    }
    names
}

/// Fails if a statement calls a function of which `dialects/facts` says nothing.
pub fn check_statement(from: &str, dialect: Dialect, sql: &str, unknown: &mut BTreeSet<String>) {
    let facts = dialect.facts();
    let series = [facts.series, facts.series_value].map(|text| called(text, dialect));
    let known = |name: &str| {
        let is_of = |fact: &ConstructFact| fact.text.split('(').next() == Some(name);
        dialect.construct_facts().iter().any(is_of) || series.iter().any(|names| names.contains(name))
    };
    for name in called(sql, dialect).into_iter().filter(|name| !known(name)) {
        unknown.insert(format!("{dialect}: `{name}(…)` in {from}"));
    }
}
