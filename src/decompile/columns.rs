//! A column's expression in the names that its formula may use: what helper columns of CTEs before hold is put in their place.

use std::collections::HashMap;
use std::ops::Range;

use rustc_hash::FxHashSet;

use super::file::{File, What, same_name};
use super::lexer::{Kind, Token};
use super::parse::parse;
use super::tree::{Id, Label, Trees};

/// More levels than this are not looked into, over all CTEs together.
pub(super) const HIGHEST: u32 = 400;
/// So many CTEs may stand behind one another.
const LONGEST: usize = 100;

/// What a CTE reads.
struct Read {
    relation: String,
    alias: String,
}

pub(super) struct Columns<'f, 's> {
    file: &'f File<'s>,
    /// Names, in small letters, that formulas may use.
    pub kept: FxHashSet<String>,
    /// CTEs, in small letters, whose columns formulas may use.
    pub bounds: FxHashSet<String>,
    /// The definition whose formula is looked for: behind its own name stands what it is computed from.
    pub own: String,
    reads: HashMap<Option<String>, Vec<Read>>,
    done: HashMap<(Option<String>, Id), Id>,
}

/// A column, with the CTE that computes it.
pub(super) struct Site {
    pub cte: Option<String>,
    pub tokens: Range<usize>,
}

impl<'f, 's> Columns<'f, 's> {
    pub fn new(file: &'f File<'s>) -> Self {
        let mut reads = HashMap::new();
        for part in &file.parts {
            if part.place.branch == 0 && part.place.what == What::Clause("from".to_owned()) {
                reads.insert(part.place.cte.clone(), read(file, part.tokens.clone()));
            }
        }
        Self {
            file,
            kept: FxHashSet::default(),
            bounds: FxHashSet::default(),
            own: String::new(),
            reads,
            done: HashMap::new(),
        }
    }

    /// Where a column of a CTE is computed, which CTEs behind it only pass on.
    pub fn site(&self, cte: Option<&str>, column: &str) -> Option<Site> {
        let mut site = Site { cte: cte.map(str::to_owned), tokens: self.file.column(cte, column)? };
        for _ in 0..LONGEST {
            let Some(below) = self.passed_on(&site, column) else { return Some(site) };
            site = below;
        }
        None
    }

    /// Where the column is computed that a site only names; none where it is computed there.
    fn passed_on(&self, site: &Site, column: &str) -> Option<Site> {
        let tokens = self.file.tokens.get(site.tokens.clone())?;
        let qualifier = match tokens {
            [_] => None,
            [relation, _, _] => Some(relation.key(self.file.source).into_owned()),
            _ => return None,
        };
        let name = super::file::name_of(*tokens.last()?, self.file)?;
        if !same_name(&name, column) {
            return None;
        }
        self.source(site.cte.as_deref(), qualifier.as_deref(), &name, 0)
    }

    /// Where a name of a CTE comes from, if that is a CTE which may be looked into.
    fn source(&self, cte: Option<&str>, qualifier: Option<&str>, name: &str, depth: usize) -> Option<Site> {
        if depth > LONGEST {
            return None;
        }
        let reads = self.reads.get(&cte.map(str::to_owned))?;
        for read in reads {
            if qualifier.is_some_and(|q| !same_name(q, &read.alias)) || self.bounds.contains(&read.relation) {
                continue;
            }
            let relation = Some(read.relation.as_str());
            if !self.file.ctes.contains(&read.relation) || relation == cte {
                continue;
            }
            if let Some(tokens) = self.file.column(relation, name) {
                return Some(Site { cte: Some(read.relation.clone()), tokens });
            }
            let passes_all = self.file.of(relation).any(|part| part.place.what == What::Unnamed);
            if passes_all && let Some(site) = self.source(relation, None, name, depth + 1) {
                return Some(site);
            }
        }
        None
    }

    /// The expression of a site.
    pub fn expression(&mut self, site: &Site, trees: &mut Trees) -> Result<Id, String> {
        let id = self.parsed(site.cte.as_deref(), site.tokens.clone(), trees)?;
        self.inlined(site.cte.as_deref(), id, trees, 0)
    }

    /// Tokens of a CTE as an expression, in the names of that CTE.
    pub fn parsed(&self, cte: Option<&str>, tokens: Range<usize>, trees: &mut Trees) -> Result<Id, String> {
        let tokens = self.file.tokens.get(tokens).unwrap_or_default();
        let tokens = self.with_windows(cte, tokens);
        parse(self.file.source, &tokens, self.file.dialect, trees)
    }

    /// `over w` and `over (w rows …)` as what the select says that `w` is.
    fn with_windows(&self, cte: Option<&str>, tokens: &[Token]) -> Vec<Token> {
        let Some(window) = self.file.clause(cte, "window").and_then(|range| self.file.tokens.get(range)) else {
            return tokens.to_vec();
        };
        let [name, _as, open, inner @ .., close] = window else { return tokens.to_vec() };
        let key = |token: &Token| token.key(self.file.source).into_owned();
        let name = key(name);
        let mut out = Vec::with_capacity(tokens.len());
        let mut rest = tokens;
        while let [token, tail @ ..] = rest {
            out.push(*token);
            rest = tail;
            if key(token) != "over" {
                continue;
            }
            match tail {
                [used, tail @ ..] if key(used) == name => {
                    out.push(*open);
                    out.extend_from_slice(inner);
                    out.push(*close);
                    rest = tail;
                }
                [bracket, used, tail @ ..] if bracket.kind == Kind::Sign && key(used) == name => {
                    out.push(*bracket);
                    out.extend_from_slice(inner);
                    rest = tail;
                }
                _ => {}
            }
        }
        out
    }

    fn inlined(&mut self, cte: Option<&str>, id: Id, trees: &mut Trees, depth: u32) -> Result<Id, String> {
        if trees.height(id) + depth > HIGHEST {
            return Err(format!("it is nested more than {HIGHEST} levels deep"));
        }
        let key = (cte.map(str::to_owned), id);
        if let Some(done) = self.done.get(&key) {
            return Ok(*done);
        }
        let done = self.inline(cte, id, trees, depth)?;
        self.done.insert(key, done);
        Ok(done)
    }

    fn inline(&mut self, cte: Option<&str>, id: Id, trees: &mut Trees, depth: u32) -> Result<Id, String> {
        let column = trees.column(id).map(|(relation, name)| (relation.map(str::to_owned), name.to_owned()));
        if let Some((relation, name)) = column {
            let Some(site) = self.source(cte, relation.as_deref(), &name, 0) else { return Ok(id) };
            let is_own = same_name(&name, &self.own);
            if !is_own && self.kept.contains(&name.to_ascii_lowercase()) {
                // Of the rows that the select is about, the relation need not be said.
                let main = self.reads.get(&cte.map(str::to_owned)).and_then(|reads| reads.first());
                let is_main = relation.is_none_or(|q| main.is_some_and(|main| same_name(&main.alias, &q)));
                return match trees.kids(id) {
                    [_, last] if is_main => Ok(*last),
                    _ => Ok(id),
                };
            }
            let inner = self.parsed(site.cte.as_deref(), site.tokens.clone(), trees)?;
            return self.inlined(site.cte.as_deref(), inner, trees, depth + 1);
        }
        let is_call = *trees.label(id) == Label::Call;
        let kids = trees.kids(id).to_vec();
        if kids.is_empty() {
            return Ok(id);
        }
        let mut new = Vec::with_capacity(kids.len());
        for (at, kid) in kids.iter().enumerate() {
            // The name of a function is no column.
            new.push(if is_call && at == 0 { *kid } else { self.inlined(cte, *kid, trees, depth + 1)? });
        }
        let label = trees.label(id).clone();
        Ok(trees.add(label, new))
    }
}

/// What a `from` clause reads.
fn read(file: &File<'_>, tokens: Range<usize>) -> Vec<Read> {
    let tokens = file.tokens.get(tokens).unwrap_or_default();
    let key = |at: usize| tokens.get(at).map_or_else(String::new, |token| token.key(file.source).into_owned());
    let name = |at: usize| tokens.get(at).and_then(|token| super::file::name_of(*token, file));
    let mut found = Vec::new();
    let mut depth = 0usize;
    for at in 0..tokens.len() {
        match key(at).as_str() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let begins = at == 0 || (depth == 0 && matches!(key(at - 1).as_str(), "join" | ","));
        if !begins {
            continue;
        }
        let Some(relation) = name(at) else { continue };
        let alias = match key(at + 1).as_str() {
            "as" => name(at + 2).unwrap_or_else(|| relation.clone()),
            _ => relation.clone(),
        };
        found.push(Read { relation, alias });
    }
    found
}
