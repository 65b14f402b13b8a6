//! Splits a model's SQL into parts.

use std::collections::HashMap;
use std::ops::Range;

use super::part::{FilePart, FilePartKind, FilePartPosition};
use super::{SqlFile, alias_name, token_name};
use crate::columns::EXPRESSION_KEYWORDS;
use crate::dbt::tokens::SqlTokenKind;
use crate::parse::{is_keyword, parse};
use crate::tree::{SqlLabel, SqlNodeId, SqlTrees};

/// Words that begin a clause or another select.
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

/// Splits the text of a file into parts, and adds the parts to the file.
pub(super) struct Splitter<'f, 's> {
    /// Number of parts per name.
    pub counts: HashMap<(Option<String>, usize, FilePartKind), usize>,
    pub file: &'f mut SqlFile<'s>,
}

impl Splitter<'_, '_> {
    fn is_word(&self, token: usize, word: &str) -> bool {
        let Some(t) = self.file.tokens.get(token) else {
            return false;
        };
        matches!(t.kind, SqlTokenKind::Word | SqlTokenKind::Sign) && t.text(self.file.source).eq_ignore_ascii_case(word)
    }

    fn add_part(&mut self, cte: Option<&str>, branch: usize, kind: FilePartKind, tokens: Range<usize>) {
        let end = tokens.end;
        self.add_part_with_alias(cte, branch, kind, tokens, end);
    }

    fn add_part_with_alias(
        &mut self,
        cte: Option<&str>,
        branch: usize,
        kind: FilePartKind,
        tokens: Range<usize>,
        end: usize,
    ) {
        let cte = cte.map(str::to_owned);
        if let (FilePartKind::Column(name), 0) = (&kind, branch) {
            let at = self.file.parts.len();
            self.file
                .columns
                .entry((cte.clone(), name.trim_matches('"').to_ascii_lowercase()))
                .or_insert(at);
        }
        let count = self.counts.entry((cte.clone(), branch, kind.clone())).or_default();
        let position = FilePartPosition {
            cte,
            branch,
            kind,
            nth: *count,
        };
        *count += 1;
        self.file.parts.push(FilePart { position, tokens, end });
    }

    pub fn split_file_into_parts(mut self) {
        let count = self.file.tokens.len();
        let mut at = 0;
        while at < count && !self.is_word(at, "with") && !self.is_word(at, "select") {
            at += 1;
        }
        if at > 0 {
            let kind = if at == count {
                FilePartKind::Other
            } else {
                FilePartKind::Config
            };
            self.add_part(None, 0, kind, 0..at);
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
        let (clause, words) = CLAUSES.into_iter().find_map(|clause| match clause.split_once(' ') {
            Some((a, b)) => (self.is_word(at, a) && self.is_word(at + 1, b)).then_some((clause, 2)),
            None => self.is_word(at, clause).then_some((clause, 1)),
        })?;
        // `a is distinct from b`
        let is_comparison = clause == "from"
            && at > 1
            && self.is_word(at - 1, "distinct")
            && (self.is_word(at - 2, "is") || self.is_word(at - 2, "not"));
        // A word such as `limit` may also be a name. The word begins a clause only if a word or a number follows.
        let may_be_name = matches!(clause, "window" | "qualify" | "limit" | "offset" | "fetch");
        let next = self.file.tokens.get(at + words);
        let continues = next.is_some_and(|t| {
            matches!(
                t.kind,
                SqlTokenKind::Word | SqlTokenKind::Quoted | SqlTokenKind::Number | SqlTokenKind::Jinja
            )
        });
        (!is_comparison && (!may_be_name || continues && !self.is_word(at + 1, "as"))).then_some((clause, words))
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
        let is_reference = last == tokens.start || (last == tokens.start + 2 && self.is_word(last - 1, "."));
        let column = FilePartKind::Column(match named.filter(|_| !is_reference) {
            Some((_, token)) => alias_name(token, name, self.file),
            None => name,
        });
        if last >= tokens.start + 2 && self.is_word(last - 1, "as") {
            self.add_part_with_alias(cte, branch, column, tokens.start..last - 1, last + 1);
        } else if is_reference {
            self.add_part(cte, branch, column, tokens);
        } else if self.has_alias_without_as(&tokens) {
            self.add_part_with_alias(cte, branch, column, tokens.start..last, last + 1);
        } else {
            self.add_part(cte, branch, FilePartKind::Unnamed, tokens);
        }
    }

    /// Returns whether a column consists of an expression and its name, without `as`: `count(*) n`.
    fn has_alias_without_as(&self, tokens: &Range<usize>) -> bool {
        let Some(tokens) = self.file.tokens.get(tokens.clone()) else {
            return false;
        };
        let mut trees = SqlTrees::default();
        let Ok(row) = parse(self.file.source, tokens, self.file.dialect, &mut trees) else {
            return false;
        };
        let is_name = |part: &SqlNodeId| match trees.label(*part) {
            SqlLabel::Word(word) => !EXPRESSION_KEYWORDS.contains(&word.as_str()) && !is_keyword(word),
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
