//! Splits a model's SQL into parts: the columns and the clauses of each CTE and of the last select.

mod column_removal;
mod part;
mod splitter;

use std::collections::HashMap;
use std::ops::Range;

use crate::dbt::tokens::{SqlToken, SqlTokenKind, tokens, unquote_token};
use crate::dialect::Dialect;

use splitter::Splitter;

pub use part::FilePartPosition;
pub(super) use part::{FilePart, FilePartKind};

/// Text of a file, usually a model's SQL, split into tokens and parts.
#[derive(Debug)]
pub(super) struct SqlFile<'s> {
    pub source: &'s str,
    pub dialect: Dialect,
    pub tokens: Vec<SqlToken>,
    pub parts: Vec<FilePart>,
    /// Tokens that connect the parts but do not belong to any part.
    pub between: Vec<usize>,
    /// Names of the CTEs, in order.
    pub ctes: Vec<String>,
    /// Tokens of each CTE, from its name to its closing bracket.
    pub cte_tokens: Vec<Range<usize>>,
    /// Tokens of the last select. Empty if the text is not a query.
    pub last: Range<usize>,
    lines: Vec<usize>,
    /// Part index of each column in the first select of each CTE, by column name in lower case.
    columns: HashMap<(Option<String>, String), usize>,
}

impl<'s> SqlFile<'s> {
    pub fn read(source: &'s str, dialect: Dialect) -> Self {
        let lines = std::iter::once(0)
            .chain(source.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        let tokens = tokens(source, dialect);
        let mut file = Self {
            source,
            dialect,
            tokens,
            parts: Vec::new(),
            between: Vec::new(),
            ctes: Vec::new(),
            cte_tokens: Vec::new(),
            last: 0..0,
            lines,
            columns: HashMap::default(),
        };
        Splitter {
            counts: HashMap::new(),
            file: &mut file,
        }
        .split_file_into_parts();
        file
    }

    pub fn key(&self, token: usize) -> String {
        self.tokens
            .get(token)
            .map_or_else(String::new, |token| token.comparison_key(self.source).into_owned())
    }

    /// Returns the text of tokens, including the text between them.
    pub fn text(&self, tokens: &Range<usize>) -> &'s str {
        let Some(tokens) = self.tokens.get(tokens.clone()) else {
            return "";
        };
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
            return "";
        };
        self.source.get(first.start..last.end).unwrap_or_default()
    }

    /// Returns the name of a column if the tokens consist of nothing but the name, with or without a qualifier.
    pub fn column_name(&self, tokens: &Range<usize>) -> Option<String> {
        match *self.tokens.get(tokens.clone())? {
            [name] => token_name(name, self),
            [_, dot, name] if dot.text(self.source) == "." => token_name(name, self),
            _ => None,
        }
    }

    /// Returns the byte range of tokens. If there are no tokens, the range is at the end of the text.
    pub fn byte_range(&self, tokens: &Range<usize>) -> Range<usize> {
        match self.tokens.get(tokens.clone()) {
            Some([first, .., last]) => first.start..last.end,
            Some([one]) => one.start..one.end,
            _ => self.source.len()..self.source.len(),
        }
    }

    /// Returns the line of a token, starting at 1. After the last token, returns the last line.
    pub fn line(&self, token: usize) -> usize {
        let at = self.tokens.get(token).map_or(self.source.len(), |token| token.start);
        self.lines.partition_point(|line| *line <= at)
    }

    pub fn has_same_tokens(&self, tokens: &Range<usize>, other: &SqlFile<'_>, others: &Range<usize>) -> bool {
        let mine = self.tokens.get(tokens.clone()).unwrap_or_default();
        let theirs = other.tokens.get(others.clone()).unwrap_or_default();
        are_equivalent_tokens((self.source, mine), (other.source, theirs))
    }

    /// Returns the end of the part that consists of these tokens. For a column, the part includes the name after the
    /// expression.
    pub fn end_including_name(&self, tokens: &Range<usize>) -> usize {
        let first = self.parts.partition_point(|part| part.tokens.start < tokens.start);
        let mut parts = self.parts.iter().skip(first);
        parts
            .find(|part| part.tokens == *tokens)
            .map_or(tokens.end, |part| part.end)
    }

    /// Returns the tokens between the parts.
    pub fn tokens_outside_parts(&self) -> Vec<String> {
        self.between.iter().map(|token| self.key(*token)).collect()
    }

    /// Returns the parts of a select. If a `union` combines several selects, returns the parts of the first select.
    pub fn select_parts<'a>(&'a self, cte: Option<&'a str>) -> impl Iterator<Item = &'a FilePart> {
        self.parts
            .iter()
            .filter(move |part| part.position.branch == 0 && part.position.cte.as_deref() == cte)
    }

    /// Returns the tokens of a column.
    pub fn column(&self, cte: Option<&str>, name: &str) -> Option<Range<usize>> {
        let at = self.columns.get(&(cte.map(str::to_owned), name.to_ascii_lowercase()))?;
        self.parts.get(*at).map(|part| part.tokens.clone())
    }

    /// Returns the selects with one of these clauses. Each result contains the CTE (`None` for the last select) and the
    /// name of the clause.
    pub fn clauses<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = (Option<&'a str>, &'a str)> {
        let parts = self.parts.iter().filter(|part| part.position.branch == 0);
        parts.filter_map(move |part| match &part.position.kind {
            FilePartKind::Clause(clause) if names.contains(&clause.as_str()) => {
                Some((part.position.cte.as_deref(), clause.as_str()))
            }
            _ => None,
        })
    }

    /// Returns the index of the part at a position.
    pub fn part_position(&self, position: &FilePartPosition) -> Option<usize> {
        self.parts.iter().position(|part| part.position == *position)
    }

    /// Returns the tokens of the part at a position.
    pub fn part_tokens(&self, position: &FilePartPosition) -> Option<Range<usize>> {
        let at = self.part_position(position)?;
        self.parts.get(at).map(|part| part.tokens.clone())
    }

    /// Splits tokens at the commas outside brackets.
    pub fn split_at_commas(&self, tokens: Range<usize>) -> Vec<Range<usize>> {
        let (mut items, mut start, mut depth) = (Vec::new(), tokens.start, 0usize);
        for at in tokens.clone() {
            match self.key(at).as_str() {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                "," if depth == 0 => {
                    items.push(start..at);
                    start = at + 1;
                }
                _ => {}
            }
        }
        items.push(start..tokens.end);
        items
    }

    /// Returns the tokens of a clause.
    pub fn clause(&self, cte: Option<&str>, name: &str) -> Option<Range<usize>> {
        let is_clause =
            |part: &&FilePart| matches!(&part.position.kind, FilePartKind::Clause(clause) if clause == name);
        self.select_parts(cte).find(is_clause).map(|part| part.tokens.clone())
    }
}

/// Returns the name of the CTE `cte` if the last select is `select * from cte`. Otherwise, returns `None`.
#[must_use]
pub fn output_cte(sql: &str, dialect: Dialect) -> Option<String> {
    let file = SqlFile::read(sql, dialect);
    let is_unnamed = |part: &&FilePart| part.position.kind == FilePartKind::Unnamed;
    let columns = file.select_parts(None).find(is_unnamed)?;
    let from = file.clause(None, "from")?;
    let name = token_name(*file.tokens.get(from.start)?, &file)?;
    (file.text(&columns.tokens) == "*" && file.ctes.contains(&name)).then_some(name)
}

/// Returns the output columns of the query that precede the column with this name.
#[must_use]
pub fn columns_before(sql: &str, name: &str, dialect: Dialect) -> Vec<String> {
    let output = output_cte(sql, dialect);
    let file = SqlFile::read(sql, dialect);
    let names = file
        .select_parts(output.as_deref())
        .filter_map(|part| part.position.column_name_if_column());
    names
        .take_while(|other| !is_same_name(other, name))
        .map(str::to_owned)
        .collect()
}

/// Returns whether the tokens of two sources are equivalent.
pub(super) fn are_equivalent_tokens(
    (source, tokens): (&str, &[SqlToken]),
    (other_source, others): (&str, &[SqlToken]),
) -> bool {
    let same =
        |(a, b): (&SqlToken, &SqlToken)| a.kind == b.kind && a.comparison_key(source) == b.comparison_key(other_source);
    tokens.len() == others.len() && tokens.iter().zip(others).all(same)
}

/// Compares two column names without regard to case.
pub(super) fn is_same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Returns the name that a token represents, in the form used for comparisons. Unquoted names, and names that are
/// quoted only because they are reserved words, are converted to lower case.
pub(super) fn token_name(token: SqlToken, file: &SqlFile<'_>) -> Option<String> {
    match token.kind {
        SqlTokenKind::Word => Some(token.comparison_key(file.source).into_owned()),
        SqlTokenKind::Quoted => {
            let name = unquote_token(token.text(file.source), file.dialect)?;
            let bare = name.to_ascii_lowercase();
            let is_bare =
                file.dialect.requires_quotes(&bare, true) && file.dialect.escape_quoted_name(&bare, true) == name;
            Some(if is_bare { bare } else { name })
        }
        _ => None,
    }
}

/// Returns the name of a column after `as`, given the name that the token represents. In Snowflake, the unquoted name
/// `amt` means `AMT`. The name `"amt"` is therefore a different name, and is returned with its quotes.
fn alias_name(token: SqlToken, name: String, file: &SqlFile<'_>) -> String {
    let text = token.text(file.source);
    let is_exact = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) == Some(&name);
    let is_other =
        is_exact && name == name.to_ascii_lowercase() && file.dialect.escape_quoted_name(&name, true) != name;
    if is_other { text.to_owned() } else { name }
}
