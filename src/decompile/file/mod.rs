//! Splits a model's SQL into parts: the columns and the clauses of each CTE and of the last select.

use std::ops::Range;

use super::columns::KEYWORDS;
use super::parse::{is_keyword, parse};
use super::tree::{SqlLabel, SqlNodeId, Trees};
use crate::dbt::tokens::{SqlToken, SqlTokenKind, tokens};
use crate::dialect::Dialect;

/// Kind of a part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum FilePartKind {
    /// The expression of a column.
    Column(String),
    /// `*`, `relation.*`, or anything else that is not a named column.
    Unnamed,
    /// `from`, `where`, `group by` and so on, without these keywords. The keywords are the name of the clause.
    Clause(String),
    /// Text before `with` or `select`: the configuration.
    Config,
    /// Text that is not part of a query.
    Other,
}

/// Position of a part in a file: its CTE, the position of its select in a `union` (`branch`), its kind, and the number
/// of preceding parts with the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FilePartPosition {
    /// Name of the CTE that contains the part. `None` for the last select.
    pub(super) cte: Option<String>,
    pub(super) branch: usize,
    pub(super) kind: FilePartKind,
    pub(super) nth: usize,
}

impl FilePartPosition {
    /// Returns the name of an output column of the query: a column of the last select, or of the CTE `output`, all of
    /// whose columns the last select returns. `None` if the part is something else, or if the select has several
    /// columns with this name.
    #[must_use]
    pub fn output_column_name(&self, output: Option<&str>) -> Option<&str> {
        self.column_of_select()
            .filter(|_| self.cte.is_none() || self.cte.as_deref() == output)
    }

    /// Returns whether the part is a column of the last select without a known name, such as `*`.
    #[must_use]
    pub fn is_unnamed_in_last_select(&self) -> bool {
        self.cte.is_none() && self.kind == FilePartKind::Unnamed
    }

    /// Returns the name of the CTE whose `from` clause this part is. `None` if the part is something else.
    #[must_use]
    pub fn cte_of_from_clause(&self) -> Option<&str> {
        self.cte.as_deref().filter(|_| self.is_from_clause())
    }

    /// Returns whether the part is the `from` clause of a select.
    #[must_use]
    pub fn is_from_clause(&self) -> bool {
        self.clause() == Some("from") && self.branch == 0
    }

    /// Returns the name of a column of any select. `None` if the part is something else.
    #[must_use]
    pub fn column_of_select(&self) -> Option<&str> {
        match &self.kind {
            FilePartKind::Column(name) if self.branch == 0 && self.nth == 0 => Some(name),
            _ => None,
        }
    }

    /// Returns whether the part is a `group by`.
    #[must_use]
    pub fn is_group_by(&self) -> bool {
        self.clause() == Some("group by") && self.branch == 0
    }

    /// Returns `where` or `having` if the part is the condition of this clause. `None` if the part is something else.
    #[must_use]
    pub fn condition_clause(&self) -> Option<&'static str> {
        ["where", "having"]
            .into_iter()
            .find(|name| self.clause() == Some(*name) && self.branch == 0)
    }

    /// Returns the name of the clause. `None` if the part is not a clause.
    pub(super) fn clause(&self) -> Option<&str> {
        match &self.kind {
            FilePartKind::Clause(clause) => Some(clause),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct FilePart {
    pub position: FilePartPosition,
    /// Tokens of the part, as a range of indices in the file's tokens.
    pub tokens: Range<usize>,
    /// End of the part, including the name of a column after its expression.
    pub end: usize,
}

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
    columns: std::collections::HashMap<(Option<String>, String), usize>,
}

const CLAUSES: [&str; 13] = [
    "from",
    "where",
    "group by",
    "having",
    "window",
    "qualify",
    "order by",
    "limit",
    "offset",
    "fetch",
    "union",
    "intersect",
    "except",
];

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
            columns: std::collections::HashMap::default(),
        };
        Splitter {
            counts: std::collections::HashMap::new(),
            file: &mut file,
        }
        .split_file();
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

    /// Returns the name of a column if the tokens are only this name, which may be qualified.
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
        let same = |(a, b): (&SqlToken, &SqlToken)| {
            a.kind == b.kind && a.comparison_key(self.source) == b.comparison_key(other.source)
        };
        mine.len() == theirs.len() && mine.iter().zip(theirs).all(same)
    }

    /// Returns the end of the part with these tokens, including the name of a column after its expression.
    pub fn end_with_name(&self, tokens: &Range<usize>) -> usize {
        let first = self.parts.partition_point(|part| part.tokens.start < tokens.start);
        let mut parts = self.parts.iter().skip(first);
        parts
            .find(|part| part.tokens == *tokens)
            .map_or(tokens.end, |part| part.end)
    }

    /// Returns the tokens between the parts.
    pub fn tokens_between_parts(&self) -> Vec<String> {
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
        let is_it = |part: &&FilePart| matches!(&part.position.kind, FilePartKind::Clause(clause) if clause == name);
        self.select_parts(cte).find(is_it).map(|part| part.tokens.clone())
    }
}

/// Returns the CTE of `select * from cte` in the last select. `None` if the last select has a different form.
#[must_use]
pub fn output_cte(sql: &str, dialect: Dialect) -> Option<String> {
    let file = SqlFile::read(sql, dialect);
    let is_unnamed = |part: &&FilePart| part.position.kind == FilePartKind::Unnamed;
    let all = file.select_parts(None).find(is_unnamed)?;
    let from = file.clause(None, "from")?;
    let name = token_name(*file.tokens.get(from.start)?, &file)?;
    (file.text(&all.tokens) == "*" && file.ctes.contains(&name)).then_some(name)
}

/// Returns the columns before a column that the query returns.
#[must_use]
pub fn columns_before(sql: &str, name: &str, dialect: Dialect) -> Vec<String> {
    let output = output_cte(sql, dialect);
    let file = SqlFile::read(sql, dialect);
    let names = file
        .select_parts(output.as_deref())
        .filter_map(|part| part.position.column_of_select());
    names
        .take_while(|other| !is_same_name(other, name))
        .map(str::to_owned)
        .collect()
}

/// Compares two column names without regard to case.
pub(super) fn is_same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

struct Splitter<'f, 's> {
    counts: std::collections::HashMap<(Option<String>, usize, FilePartKind), usize>,
    file: &'f mut SqlFile<'s>,
}

impl Splitter<'_, '_> {
    fn is_word(&self, token: usize, word: &str) -> bool {
        let Some(t) = self.file.tokens.get(token) else {
            return false;
        };
        matches!(t.kind, SqlTokenKind::Word | SqlTokenKind::Sign) && t.text(self.file.source).eq_ignore_ascii_case(word)
    }

    fn add_part(&mut self, cte: Option<&str>, branch: usize, what: FilePartKind, tokens: Range<usize>) {
        let end = tokens.end;
        self.add_named_part(cte, branch, what, tokens, end);
    }

    fn add_named_part(
        &mut self,
        cte: Option<&str>,
        branch: usize,
        what: FilePartKind,
        tokens: Range<usize>,
        end: usize,
    ) {
        let cte = cte.map(str::to_owned);
        if let (FilePartKind::Column(name), 0) = (&what, branch) {
            let at = self.file.parts.len();
            self.file
                .columns
                .entry((cte.clone(), name.to_ascii_lowercase()))
                .or_insert(at);
        }
        let count = self.counts.entry((cte.clone(), branch, what.clone())).or_default();
        let position = FilePartPosition {
            cte,
            branch,
            kind: what,
            nth: *count,
        };
        *count += 1;
        self.file.parts.push(FilePart { position, tokens, end });
    }

    fn split_file(mut self) {
        let count = self.file.tokens.len();
        let mut at = 0;
        while at < count && !self.is_word(at, "with") && !self.is_word(at, "select") {
            at += 1;
        }
        if at > 0 {
            let what = if at == count {
                FilePartKind::Other
            } else {
                FilePartKind::Config
            };
            self.add_part(None, 0, what, 0..at);
        }
        if at == count {
            return;
        }
        if self.is_word(at, "with") {
            at = self.split_ctes(at);
        }
        self.file.last = at..count;
        self.split_select(None, at..count);
    }

    /// Splits the CTEs after `with` and returns the position where the last select begins.
    fn split_ctes(&mut self, with: usize) -> usize {
        self.file.between.push(with);
        let mut at = with + 1;
        loop {
            let Some(token) = self.file.tokens.get(at).copied() else {
                return at;
            };
            let name = token_name(token, self.file);
            let open = at + 2;
            let (Some(name), true, true) = (name, self.is_word(at + 1, "as"), self.is_word(open, "(")) else {
                return at;
            };
            let Some(close) = self.closing_bracket(open) else {
                return at;
            };
            self.file.between.extend(at..=open);
            self.file.ctes.push(name.clone());
            self.split_select(Some(&name), open + 1..close);
            self.file.between.push(close);
            self.file.cte_tokens.push(at..close + 1);
            at = close + 1;
            if !self.is_word(at, ",") {
                return at;
            }
            self.file.between.push(at);
            at += 1;
        }
    }

    /// Returns the position of the bracket that closes the bracket at `open`.
    fn closing_bracket(&self, open: usize) -> Option<usize> {
        let mut depth = 0usize;
        for at in open..self.file.tokens.len() {
            if self.is_word(at, "(") {
                depth += 1;
            } else if self.is_word(at, ")") {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        None
    }

    /// Returns the clause that begins at a token, and the number of words in its name.
    fn clause_at(&self, at: usize) -> Option<(&'static str, usize)> {
        let found = CLAUSES.into_iter().find_map(|clause| match clause.split_once(' ') {
            Some((a, b)) => (self.is_word(at, a) && self.is_word(at + 1, b)).then_some((clause, 2)),
            None => self.is_word(at, clause).then_some((clause, 1)),
        })?;
        // `a is distinct from b`
        let compares = found.0 == "from"
            && at > 1
            && self.is_word(at - 1, "distinct")
            && (self.is_word(at - 2, "is") || self.is_word(at - 2, "not"));
        // A word such as `limit` may also be a name. It begins a clause only if a word or a number follows.
        let may_be_name = matches!(found.0, "window" | "qualify" | "limit" | "offset" | "fetch");
        let next = self.file.tokens.get(at + found.1);
        let goes_on = next.is_some_and(|t| {
            matches!(
                t.kind,
                SqlTokenKind::Word | SqlTokenKind::Quoted | SqlTokenKind::Number | SqlTokenKind::Jinja
            )
        });
        (!compares && (!may_be_name || goes_on && !self.is_word(at + 1, "as"))).then_some(found)
    }

    fn split_select(&mut self, cte: Option<&str>, tokens: Range<usize>) {
        let (mut at, mut branch) = (tokens.start, 0);
        loop {
            if !self.is_word(at, "select") {
                if at < tokens.end {
                    self.add_part(cte, branch, FilePartKind::Other, at..tokens.end);
                }
                return;
            }
            self.file.between.push(at);
            at += 1;
            if self.is_word(at, "distinct") {
                self.add_part(cte, branch, FilePartKind::Clause("distinct".to_owned()), at..at + 1);
                at += 1;
            }
            at = self.split_columns(cte, branch, at..tokens.end);
            loop {
                let Some((clause, words)) = (at < tokens.end).then(|| self.clause_at(at)).flatten() else {
                    if at < tokens.end {
                        self.add_part(cte, branch, FilePartKind::Other, at..tokens.end);
                    }
                    return;
                };
                self.file.between.extend(at..at + words);
                at += words;
                if matches!(clause, "union" | "intersect" | "except") {
                    while matches!(self.file.key(at).as_str(), "all" | "distinct") {
                        self.file.between.push(at);
                        at += 1;
                    }
                    branch += 1;
                    break;
                }
                let end =
                    self.find_token_outside_brackets(at, tokens.end, |splitter, at| splitter.clause_at(at).is_some());
                self.add_part(cte, branch, FilePartKind::Clause(clause.to_owned()), at..end);
                at = end;
            }
        }
    }

    /// Returns the position of the first token outside brackets for which `stops` is true.
    fn find_token_outside_brackets(&self, from: usize, until: usize, stops: impl Fn(&Self, usize) -> bool) -> usize {
        let mut depth = 0usize;
        for at in from..until {
            if self.is_word(at, "(") || self.is_word(at, "[") {
                depth += 1;
            } else if self.is_word(at, ")") || self.is_word(at, "]") {
                depth = depth.saturating_sub(1);
            } else if depth == 0 && stops(self, at) {
                return at;
            }
        }
        until
    }

    fn split_columns(&mut self, cte: Option<&str>, branch: usize, tokens: Range<usize>) -> usize {
        let mut at = tokens.start;
        while at < tokens.end {
            let end = self
                .find_token_outside_brackets(at, tokens.end, |s, at| s.is_word(at, ",") || s.clause_at(at).is_some());
            self.split_column(cte, branch, at..end);
            if !self.is_word(end, ",") || end >= tokens.end {
                return end;
            }
            self.file.between.push(end);
            at = end + 1;
        }
        at
    }

    fn split_column(&mut self, cte: Option<&str>, branch: usize, tokens: Range<usize>) {
        let named = tokens.end.checked_sub(1).filter(|last| *last >= tokens.start);
        let named = named.and_then(|last| Some((last, self.file.tokens.get(last).copied()?)));
        let name = named.and_then(|(last, token)| Some((last, token_name(token, self.file)?)));
        let Some((last, name)) = name else {
            return self.add_part(cte, branch, FilePartKind::Unnamed, tokens);
        };
        let column = FilePartKind::Column(name);
        if last >= tokens.start + 2 && self.is_word(last - 1, "as") {
            self.add_named_part(cte, branch, column, tokens.start..last - 1, last + 1);
        } else if last == tokens.start || (last == tokens.start + 2 && self.is_word(last - 1, ".")) {
            self.add_part(cte, branch, column, tokens);
        } else if self.ends_with_name(&tokens) {
            self.add_named_part(cte, branch, column, tokens.start..last, last + 1);
        } else {
            self.add_part(cte, branch, FilePartKind::Unnamed, tokens);
        }
    }

    /// Returns whether a column consists of an expression and its name, without `as`: `count(*) n`.
    fn ends_with_name(&self, tokens: &Range<usize>) -> bool {
        let Some(tokens) = self.file.tokens.get(tokens.clone()) else {
            return false;
        };
        let mut trees = Trees::default();
        let Ok(row) = parse(self.file.source, tokens, self.file.dialect, &mut trees) else {
            return false;
        };
        let is_name = |part: &SqlNodeId| match trees.label(*part) {
            SqlLabel::Word(word) => !KEYWORDS.contains(&word.as_str()) && !is_keyword(word),
            label => matches!(label, SqlLabel::Quoted(_)),
        };
        match (trees.label(row), trees.children(row)) {
            (SqlLabel::Row, [value, name]) => {
                is_name(name) && (is_name(value) || !matches!(trees.label(*value), SqlLabel::Word(_)))
            }
            _ => false,
        }
    }
}

/// Returns the name that a token represents, in the form used for comparisons. Unquoted names, and names that are
/// quoted only because they are reserved words, are converted to lower case.
pub(super) fn token_name(token: SqlToken, file: &SqlFile<'_>) -> Option<String> {
    match token.kind {
        SqlTokenKind::Word => Some(token.comparison_key(file.source).into_owned()),
        SqlTokenKind::Quoted => {
            let name = crate::dbt::tokens::token_value(token.text(file.source), file.dialect)?;
            let bare = name.to_ascii_lowercase();
            let is_bare =
                file.dialect.has_quotes_around(&bare, true) && file.dialect.name_in_quotes(&bare, true) == name;
            Some(if is_bare { bare } else { name })
        }
        _ => None,
    }
}
