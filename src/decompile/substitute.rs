//! Transfers changes to words, numbers and signs from a model's SQL to the model's spec.
//!
//! Users often change only a bound, a status, a column, or `<` to `<=`. The spec then does not have to be derived from
//! the SQL. Instead, the same change is made at the corresponding position in the spec, and the spec is compiled to
//! check whether it produces the edited SQL.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::file::SqlFile;
use super::spec_edit::EditableSpec;
use crate::compiler::Compiler;
use crate::dbt::tokens::{SqlToken, SqlTokenKind, tokens};

/// Maximum number of distinct replacements in the SQL.
const MAX_REPLACEMENTS: usize = 4;
/// Maximum number of specs to compile before the search stops.
const MAX_COMPILED_SPECS: usize = 64;

/// A replacement of bytes in a string.
pub type Substitution = (Range<usize>, String);

/// Returns the spec that produces the edited SQL of a model. The edited and the generated SQL may differ only in words,
/// numbers, strings or signs that occur in formulas, `where`, `having`, `order_by` or `limit`. `None` if no spec is
/// found.
///
/// The returned spec always compiles to this SQL, except for the names of helper columns, which are derived
/// from formulas.
///
/// ```
/// use formulac_model::Compiler;
/// use formulac_decompile::find_spec_for_sql;
///
/// let spec = "model: m\nfrom: orders\nwhere: amount > 5\ngroup_by: country\ndefinitions: revenue = SUM(amount)\n";
/// let compiler = Compiler::default();
/// let written = compiler.compile_spec(spec).model_sql().unwrap().to_owned();
/// let found = written.replace("amount > 5", "amount >= 7");
/// assert_eq!(find_spec_for_sql(&compiler, spec, None, &found).unwrap(), spec.replace("> 5", ">= 7"));
/// ```
#[must_use]
pub fn find_spec_for_sql(compiler: &Compiler, spec: &str, path: Option<&str>, text: &str) -> Option<String> {
    spec_with_replaced_words(compiler, &EditableSpec::new(spec).ok()?, path, text)
}

/// Returns the text of the spec with words replaced so that the spec produces the edited SQL of a model.
pub(super) fn spec_with_replaced_words(
    compiler: &Compiler,
    editable_spec: &EditableSpec<'_>,
    path: Option<&str>,
    actual: &str,
) -> Option<String> {
    let spec = editable_spec.source;
    let compiled = |text: &str| editable_spec.compile_sql(compiler, text, path);
    let generated_sql = compiled(spec)?;
    let dialect = compiler.options.dialect;
    let (generated_file, file) = (SqlFile::read(&generated_sql, dialect), SqlFile::read(actual, dialect));
    let pairs = find_replaced_words(&generated_file, &file)?;
    let defined_names = editable_spec.defined_names();
    let words: Vec<SqlToken> = tokens(spec, dialect);
    let places = editable_spec.formula_ranges();
    let words: Vec<SqlToken> = words
        .into_iter()
        .filter(|sql_token| {
            places
                .iter()
                .any(|formula_range| formula_range.start <= sql_token.start && sql_token.end <= formula_range.end)
        })
        .collect();
    let choices: Vec<Vec<Vec<Substitution>>> = pairs
        .iter()
        .map(|(a, b)| possible_spec_substitutions(spec, &words, a, b))
        .collect();
    // A word that does not occur in the spec's formulas or clauses cannot be changed there.
    if choices.iter().any(|options| options.first().is_none_or(Vec::is_empty)) {
        return None;
    }
    let most: usize = choices.iter().map(Vec::len).product();
    for number in 0..most.min(MAX_COMPILED_SPECS) {
        let mut changes: Vec<&Substitution> = Vec::new();
        let mut rest = number;
        for options in &choices {
            changes.extend(options.get(rest % options.len()).into_iter().flatten());
            rest /= options.len();
        }
        let Some(text) = apply_replacements(spec, changes) else {
            continue;
        };
        if compiled(&text).is_some_and(|sql| is_equivalent(&SqlFile::read(&sql, dialect), &file, &defined_names)) {
            return Some(text);
        }
    }
    None
}

/// Returns the replaced words, each with its replacement. `None` if the strings have other differences.
fn find_replaced_words<'s>(
    generated_file: &SqlFile<'s>,
    file: &SqlFile<'s>,
) -> Option<Vec<(SqlTokenText<'s>, SqlTokenText<'s>)>> {
    if generated_file.tokens.len() != file.tokens.len() {
        return None;
    }
    let mut pairs = Vec::new();
    for (a, b) in generated_file.tokens.iter().zip(&file.tokens) {
        if a.comparison_key(generated_file.source) == b.comparison_key(file.source) {
            continue;
        }
        if a.kind != b.kind || matches!(a.kind, SqlTokenKind::Jinja | SqlTokenKind::Quoted) {
            return None;
        }
        let pair = (
            SqlTokenText::new(*a, generated_file.source),
            SqlTokenText::new(*b, file.source),
        );
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    (1..=MAX_REPLACEMENTS).contains(&pairs.len()).then_some(pairs)
}

/// Token and its text without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SqlTokenText<'s> {
    kind: SqlTokenKind,
    text: &'s str,
}

impl<'s> SqlTokenText<'s> {
    fn new(token: SqlToken, source: &'s str) -> Self {
        let text = token.text(source);
        let is_quoted = matches!(token.kind, SqlTokenKind::Text | SqlTokenKind::Quoted);
        let inside = || text.get(1..text.len().checked_sub(1)?);
        Self {
            kind: token.kind,
            text: if is_quoted { inside().unwrap_or(text) } else { text },
        }
    }

    /// Returns the number in a string, such as the text of an interval, with the text before and after the number.
    fn split_around_number(self) -> Option<(&'s str, &'s str, &'s str)> {
        let begin = self.text.find(|c: char| c.is_ascii_digit())?;
        let rest = self.text.get(begin..)?;
        let end = begin + rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some((
            self.text.get(..begin)?,
            self.text.get(begin..end)?,
            self.text.get(end..)?,
        ))
    }
}

/// Returns the possible substitutions in the spec for a replacement in the SQL: all occurrences, or only one of them.
fn possible_spec_substitutions(
    spec: &str,
    words: &[SqlToken],
    a: &SqlTokenText<'_>,
    b: &SqlTokenText<'_>,
) -> Vec<Vec<Substitution>> {
    let mut occurrences: Vec<Substitution> = Vec::new();
    for token in words {
        let word = SqlTokenText::new(*token, spec);
        let text = match (a.kind, word.kind) {
            // Strings in formulas have the quotes that SQL uses for names.
            (SqlTokenKind::Text, SqlTokenKind::Quoted) if word.text == a.text => format!("\"{}\"", b.text),
            (SqlTokenKind::Text, SqlTokenKind::Number) => match (a.split_around_number(), b.split_around_number()) {
                (Some((x, n, y)), Some((z, m, w))) if (x, y) == (z, w) && n == word.text => m.to_owned(),
                _ => continue,
            },
            (SqlTokenKind::Number | SqlTokenKind::Sign, kind) if kind == a.kind && word.text == a.text => {
                b.text.to_owned()
            }
            (SqlTokenKind::Word, SqlTokenKind::Word) if word.text.eq_ignore_ascii_case(a.text) => {
                let is_upper = word.text.chars().all(|c| !c.is_lowercase());
                if is_upper {
                    b.text.to_ascii_uppercase()
                } else {
                    b.text.to_owned()
                }
            }
            _ => continue,
        };
        // Reject text that YAML might interpret as syntax.
        if text
            .chars()
            .any(|c| c.is_control() || matches!(c, '\\' | '#' | '\'' | ':'))
        {
            continue;
        }
        occurrences.push((token.start..token.end, text));
    }
    let mut choices: Vec<Vec<Substitution>> = vec![occurrences.clone()];
    if occurrences.len() > 1 {
        choices.extend(occurrences.into_iter().map(|occurrence| vec![occurrence]));
    }
    choices
}

/// Returns a string with some of its bytes replaced. Duplicate replacements are applied once. `None` if replacements
/// overlap.
pub fn apply_replacements(spec: &str, mut changes: Vec<&Substitution>) -> Option<String> {
    changes.sort_by_key(|(range, _)| (range.start, range.end));
    changes.dedup();
    let mut out = String::with_capacity(spec.len());
    let mut from = 0;
    for (range, text) in changes {
        out.push_str(spec.get(from..range.start)?);
        out.push_str(text);
        from = range.end;
    }
    out.push_str(spec.get(from..)?);
    Some(out)
}

/// Returns whether two files are equivalent, regardless of the names of their helper columns.
fn is_equivalent(sql_file: &SqlFile<'_>, edited_file: &SqlFile<'_>, defined_names: &HashSet<String>) -> bool {
    if sql_file.tokens.len() != edited_file.tokens.len() {
        return false;
    }
    let helpers = |file: &SqlFile<'_>| -> HashSet<String> {
        let pairs = file.tokens.iter().zip(file.tokens.iter().skip(1));
        let alias_pairs = pairs.filter(|(a, b)| a.comparison_key(file.source) == "as" && b.kind == SqlTokenKind::Word);
        alias_pairs
            .map(|(_, b)| b.comparison_key(file.source).into_owned())
            .filter(|name| !defined_names.contains(name))
            .collect()
    };
    let (ours, theirs) = (helpers(sql_file), helpers(edited_file));
    let (mut forward_names, mut back): (HashMap<String, String>, HashMap<String, String>) = Default::default();
    sql_file.tokens.iter().zip(&edited_file.tokens).all(|(a, b)| {
        let (a, b) = (
            a.comparison_key(sql_file.source).into_owned(),
            b.comparison_key(edited_file.source).into_owned(),
        );
        if !ours.contains(&a) && !theirs.contains(&b) {
            return a == b;
        }
        ours.contains(&a)
            && theirs.contains(&b)
            && *forward_names.entry(a.clone()).or_insert_with(|| b.clone()) == b
            && *back.entry(b).or_insert_with(|| a.clone()) == a
    })
}
