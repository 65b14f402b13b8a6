//! Replaces functions that generated SQL never calls with synonyms. For example, `stddev(x)` is parsed as
//! `stddev_samp(x)`, and `year(x)` as `extract(year from x)`.

use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::check::sql_functions::{extracted_unit, synonym};
use crate::dialect::Dialect;

/// Adds a call to a function, given the name of the function and its arguments.
pub(super) fn add_call(trees: &mut SqlTrees, dialect: Dialect, name: SqlNodeId, mut args: Vec<SqlNodeId>) -> SqlNodeId {
    let SqlLabel::Word(word) = trees.label(name) else {
        return trees.add(SqlLabel::Call, [name].into_iter().chain(args).collect());
    };
    let text = args.first().and_then(|first| match trees.label(*first) {
        SqlLabel::Text(text, "") => Some(text.as_str()),
        _ => None,
    });
    let unit = extracted_unit(word, dialect, args.len(), text);
    if let (Some(unit), Some(x)) = (unit, args.last()) {
        let parts = vec![trees.add_word(&unit), trees.add_word("from"), *x];
        let row = trees.add(SqlLabel::Row, parts);
        let extract = trees.add_word("extract");
        return trees.add(SqlLabel::Call, vec![extract, row]);
    }
    if word == "count" && matches!(args.as_slice(), [one] if matches!(trees.label(*one), SqlLabel::Number(_))) {
        let star = trees.add_word("*");
        return trees.add(SqlLabel::Call, vec![name, star]);
    }
    // `lag` and `lead` read the previous and the next row by default.
    if matches!(word.as_str(), "lag" | "lead") && args.len() == 1 {
        args.push(trees.add_leaf(SqlLabel::Number("1".to_owned())));
        return trees.add(SqlLabel::Call, [name].into_iter().chain(args).collect());
    }
    // `round(x)` also rounds to an integer, so omit a second argument of 0.
    let is_zero = |arg: &SqlNodeId| *trees.label(*arg) == SqlLabel::Number("0".to_owned());
    if matches!(word.as_str(), "round" | "trunc") && args.len() == 2 && args.last().is_some_and(is_zero) {
        args.truncate(1);
    }
    let name = match synonym(word, dialect, args.len()) {
        Some(other) => trees.add_word(other),
        None => name,
    };
    trees.add(SqlLabel::Call, [name].into_iter().chain(args).collect())
}
