//! Finds the functions that a statement calls.

use std::collections::BTreeSet;

use formulac::Dialect;

/// Returns the names directly before brackets in a statement, outside of quotes. Keywords are not included, because
/// they have a space before the bracket. A name after `as` is not included, because it is the alias of a relation, as
/// in `as parts_(part_)`.
pub fn called_names(sql: &str, dialect: Dialect) -> BTreeSet<String> {
    let escapes = dialect.has_backslash_escapes();
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
