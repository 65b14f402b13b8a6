//! Resolves a column's expression to the names that its formula may use. The columns of earlier helper CTEs are
//! replaced with their expressions. Joined values are identified by their rows and their join condition, not by the
//! names of the CTEs.

use std::collections::HashMap;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::file::{FilePartKind, SqlFile, is_same_name};
use super::from_clause::{FromClauseRelation, from_clause_relations};
use super::parse::{parse, parse_list};
use super::tree::{SqlLabel, SqlNodeId, Trees};
use crate::dbt::tokens::{SqlToken, SqlTokenKind};

/// Words that can appear next to column names in expressions.
pub(super) const KEYWORDS: [&str; 44] = [
    "current_date",
    "current_time",
    "current_timestamp",
    "localtimestamp",
    "order",
    "by",
    "partition",
    "desc",
    "asc",
    "nulls",
    "last",
    "first",
    "rows",
    "between",
    "and",
    "unbounded",
    "preceding",
    "following",
    "current",
    "row",
    "over",
    "null",
    "distinct",
    "interval",
    "as",
    "true",
    "false",
    "date",
    "timestamp",
    "text",
    "numeric",
    "bigint",
    "double",
    "precision",
    "integer",
    "int64",
    "float64",
    "string",
    "datetime",
    "varchar",
    "*",
    "within",
    "group",
    "filter",
];

/// Maximum depth to which expressions are resolved, across all CTEs.
pub(super) const HIGHEST: u32 = 400;
/// Maximum number of CTEs in a chain.
const MAX_CTE_CHAIN: usize = 100;

pub(super) struct ColumnResolver<'f, 's> {
    file: &'f SqlFile<'s>,
    /// Names that formulas may use, in lower case.
    pub kept: FxHashSet<String>,
    /// CTEs whose columns formulas may use, in lower case.
    pub bounds: FxHashSet<String>,
    /// Relations that are tabs of the sheet, in lower case. Columns joined from these relations may come from
    /// lookups.
    pub tabs: FxHashSet<String>,
    /// Whether the step has a row for every period. formulac computes the columns of such a step before it adds the rows.
    pub is_filled: bool,
    /// Definition whose formula the search is for. The name of the definition is replaced with its expression.
    pub own: String,
    reads: HashMap<Option<String>, Vec<FromClauseRelation>>,
    /// Position of each CTE. A CTE reads only CTEs that precede it.
    places: FxHashMap<String, usize>,
    /// CTEs that select `*` or `alias.*`, each with its aliases before `*`. The alias is `None` for a `*` without an
    /// alias.
    passing: FxHashMap<String, Vec<Option<String>>>,
    /// Clauses of each CTE that determine its rows.
    clauses: FxHashMap<String, Vec<(String, Range<usize>)>>,
    /// Relation whose rows the step describes.
    base: String,
    /// Columns of the step's own relation that are joined under another name.
    pub aliases: Vec<(SqlNodeId, SqlNodeId)>,
    done: HashMap<(Option<String>, SqlNodeId, RowRelationship), SqlNodeId>,
    rows: FxHashMap<String, SqlNodeId>,
    /// Tokens of the columns, joins and windows in the resolved expressions.
    pub visited: Vec<Range<usize>>,
    /// Tokens that determine the rows of CTEs, each with the CTE.
    visited_rows: Vec<(String, Range<usize>)>,
}

/// A column's expression, with the CTE that computes it.
pub(super) struct ColumnExpression {
    pub cte: Option<String>,
    pub tokens: Range<usize>,
}

/// Context in which an expression is resolved.
#[derive(Clone, Copy)]
struct ResolutionContext<'l> {
    cte: Option<&'l str>,
    within: RowRelationship,
    depth: u32,
}

impl ResolutionContext<'_> {
    fn with_more_depth(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

/// Relationship between the rows of a CTE and the rows of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RowRelationship {
    /// The rows that the step describes.
    Step,
    /// Rows that are joined to the rows of the step.
    Joined,
    /// Rows to which a select's join condition refers, identified by the position of the join.
    Condition(usize),
}

impl<'f, 's> ColumnResolver<'f, 's> {
    pub fn new(file: &'f SqlFile<'s>) -> Self {
        let mut columns = Self {
            file,
            kept: FxHashSet::default(),
            bounds: FxHashSet::default(),
            tabs: FxHashSet::default(),
            is_filled: false,
            own: String::new(),
            reads: HashMap::new(),
            places: file
                .ctes
                .iter()
                .enumerate()
                .map(|(at, cte)| (cte.clone(), at))
                .collect(),
            passing: FxHashMap::default(),
            clauses: FxHashMap::default(),
            base: String::new(),
            aliases: Vec::new(),
            done: HashMap::new(),
            rows: FxHashMap::default(),
            visited: Vec::new(),
            visited_rows: Vec::new(),
        };
        for part in file.parts.iter().filter(|part| part.place.branch == 0) {
            match (&part.place.what, &part.place.cte) {
                (FilePartKind::Clause(clause), cte) if clause == "from" => {
                    columns
                        .reads
                        .insert(cte.clone(), from_clause_relations(file, part.tokens.clone()));
                }
                (FilePartKind::Clause(clause), Some(cte)) if clause != "window" => {
                    let clauses = columns.clauses.entry(cte.clone()).or_default();
                    clauses.push((clause.clone(), part.tokens.clone()));
                }
                (FilePartKind::Unnamed, Some(cte)) => {
                    let tokens = file.tokens.get(part.tokens.clone()).unwrap_or_default();
                    let alias = tokens.first().filter(|_| tokens.len() > 1);
                    let alias = alias.and_then(|token| super::file::token_name(*token, file));
                    columns.passing.entry(cte.clone()).or_default().push(alias);
                }
                _ => {}
            }
        }
        columns
    }

    /// Finds the place where a column of a CTE is computed, skipping CTEs that only forward it.
    pub fn find_site(&self, cte: Option<&str>, column: &str) -> Option<ColumnExpression> {
        let mut site = ColumnExpression {
            cte: cte.map(str::to_owned),
            tokens: self.file.column(cte, column)?,
        };
        for _ in 0..MAX_CTE_CHAIN {
            let below = self.follow_column_reference(&site, column);
            let Some(below) = below.or_else(|| self.site_before_fill(&site, column)) else {
                return Some(site);
            };
            site = below;
        }
        None
    }

    /// Returns the place that computes a column of a step with `fill` before the step adds rows: after the union with the
    /// added rows, the column is `max(column)` or `coalesce(max(column), 0)`. `None` if the site has another form.
    fn site_before_fill(&self, site: &ColumnExpression, column: &str) -> Option<ColumnExpression> {
        let tokens = self.file.tokens.get(site.tokens.clone()).filter(|_| self.is_filled)?;
        let keys: Vec<_> = tokens
            .iter()
            .map(|token| token.comparison_key(self.file.source))
            .collect();
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        let tokens = match keys.as_slice() {
            ["max", "(", .., ")"] => tokens,
            ["coalesce", "(", "max", "(", _, ")", ",", .., ")"] => tokens.get(2..6)?,
            _ => return None,
        };
        let [_, _, name, _] = tokens else { return None };
        let name = super::file::token_name(*name, self.file).filter(|name| is_same_name(name, column))?;
        let [read] = self.relations_read(site.cte.as_deref()) else {
            return None;
        };
        let union = read.relation.as_str();
        let mut parts = self.file.parts.iter();
        parts.find(|part| part.place.branch > 0 && part.place.cte.as_deref() == Some(union))?;
        let tokens = self.file.column(Some(union), &name)?;
        Some(ColumnExpression {
            cte: Some(union.to_owned()),
            tokens,
        })
    }

    /// Returns the preceding place that defines a column if this site only refers to the column. `None` if this site
    /// computes the column itself.
    fn follow_column_reference(&self, site: &ColumnExpression, column: &str) -> Option<ColumnExpression> {
        let tokens = self.file.tokens.get(site.tokens.clone())?;
        let qualifier = match tokens {
            [_] => None,
            [relation, _, _] => Some(relation.comparison_key(self.file.source).into_owned()),
            _ => return None,
        };
        let name = super::file::token_name(*tokens.last()?, self.file)?;
        if !is_same_name(&name, column) {
            return None;
        }
        // A column of a joined relation is treated as if this CTE computed it.
        self.find_source(site.cte.as_deref(), qualifier.as_deref(), &name)
            .filter(|(at, _)| *at == 0)
            .map(|(_, site)| site)
    }

    /// Returns whether a relation is a CTE whose expressions can be resolved: a CTE that precedes the given CTE and
    /// reads a relation.
    fn is_resolvable_cte(&self, relation: &str, cte: Option<&str>) -> bool {
        let place = |cte: &str| self.places.get(cte).copied();
        let Some(at) = place(relation) else { return false };
        !self.bounds.contains(&relation.to_ascii_lowercase())
            && cte.and_then(place).is_none_or(|reader| at < reader)
            && self
                .reads
                .get(&Some(relation.to_owned()))
                .is_some_and(|reads| !reads.is_empty())
    }

    fn relations_read(&self, cte: Option<&str>) -> &[FromClauseRelation] {
        self.reads.get(&cte.map(str::to_owned)).map_or(&[], Vec::as_slice)
    }

    /// Finds the relation from which a CTE reads a name, if that relation is a helper CTE. Returns the position of
    /// the relation in the `from` clause of the CTE, and the place that defines the name.
    fn find_source(&self, cte: Option<&str>, qualifier: Option<&str>, name: &str) -> Option<(usize, ColumnExpression)> {
        let mut seen = FxHashSet::default();
        for (at, read) in self.relations_read(cte).iter().enumerate() {
            if qualifier.is_some_and(|q| !is_same_name(q, &read.alias)) || !self.is_resolvable_cte(&read.relation, cte)
            {
                continue;
            }
            let mut left = vec![read.relation.as_str()];
            while let Some(relation) = left.pop().filter(|_| seen.len() < MAX_CTE_CHAIN) {
                if !seen.insert(relation) {
                    continue;
                }
                if let Some(tokens) = self.file.column(Some(relation), name) {
                    return Some((
                        at,
                        ColumnExpression {
                            cte: Some(relation.to_owned()),
                            tokens,
                        },
                    ));
                }
                for alias in self.passing.get(relation).into_iter().flatten().rev() {
                    let is_it = |read: &&FromClauseRelation| {
                        alias.as_ref().is_none_or(|alias| is_same_name(alias, &read.alias))
                    };
                    let below = self
                        .relations_read(Some(relation))
                        .iter()
                        .filter(is_it)
                        .map(|read| read.relation.as_str());
                    let below = below
                        .filter(|below| self.is_resolvable_cte(below, Some(relation)))
                        .collect::<Vec<_>>();
                    left.extend(below.into_iter().rev());
                }
            }
        }
        None
    }

    /// Returns the relation from which a CTE's rows come, skipping helper CTEs.
    pub fn base_relation_of(&self, cte: Option<&str>) -> String {
        let mut cte = cte.map(str::to_owned);
        for _ in 0..MAX_CTE_CHAIN {
            let Some(read) = self.relations_read(cte.as_deref()).first() else {
                break;
            };
            if !self.is_resolvable_cte(&read.relation, cte.as_deref()) {
                return read.relation.clone();
            }
            cte = Some(read.relation.clone());
        }
        cte.unwrap_or_default()
    }

    /// Returns the tokens that determine which rows the resolved expressions look up. Omits the rows of the CTE itself
    /// and of earlier CTEs, because these rows are not looked up.
    pub fn visited_rows(&self, cte: Option<&str>) -> Vec<Range<usize>> {
        let mut own = Vec::new();
        let mut next = cte.map(str::to_owned);
        for _ in 0..MAX_CTE_CHAIN {
            own.extend(next.clone());
            next = self
                .relations_read(next.as_deref())
                .first()
                .map(|read| read.relation.clone());
            if next.as_ref().is_none_or(|next| own.contains(next)) {
                break;
            }
        }
        let of_others = self.visited_rows.iter().filter(|(cte, _)| !own.contains(cte));
        of_others.map(|(_, tokens)| tokens.clone()).collect()
    }

    /// Returns the expression at a site, with its names resolved.
    pub fn resolve_expression(&mut self, site: &ColumnExpression, trees: &mut Trees) -> Result<SqlNodeId, String> {
        self.base = self.base_relation_of(site.cte.as_deref());
        let id = self.parse_tokens(site.cte.as_deref(), site.tokens.clone(), trees)?;
        self.inlined(
            ResolutionContext {
                cte: site.cte.as_deref(),
                within: RowRelationship::Step,
                depth: 0,
            },
            id,
            trees,
        )
    }

    /// Returns the expression of a clause, with only the names that formulas may use.
    pub fn resolve_clause(&mut self, cte: Option<&str>, clause: &str, trees: &mut Trees) -> Result<SqlNodeId, String> {
        let tokens = self
            .file
            .clause(cte, clause)
            .ok_or_else(|| format!("the file has no `{clause}`"))?;
        self.resolve_expression(
            &ColumnExpression {
                cte: cte.map(str::to_owned),
                tokens,
            },
            trees,
        )
    }

    /// Parses tokens of a CTE as an expression. The result contains the names that this CTE uses.
    fn parse_tokens(
        &mut self,
        cte: Option<&str>,
        tokens: Range<usize>,
        trees: &mut Trees,
    ) -> Result<SqlNodeId, String> {
        self.visited.push(tokens.clone());
        let tokens = self.file.tokens.get(tokens).unwrap_or_default();
        let (count, tokens) = (tokens.len(), self.replace_window_names(cte, tokens));
        if tokens.len() > count {
            self.visited.extend(self.file.clause(cte, "window"));
        }
        parse(self.file.source, &tokens, self.file.dialect, trees)
    }

    /// Replaces the window name in `over w` and `over (w rows …)` with the definition of `w` in the select.
    fn replace_window_names(&self, cte: Option<&str>, tokens: &[SqlToken]) -> Vec<SqlToken> {
        let Some(window) = self
            .file
            .clause(cte, "window")
            .and_then(|range| self.file.tokens.get(range))
        else {
            return tokens.to_vec();
        };
        let [name, _as, open, inner @ .., close] = window else {
            return tokens.to_vec();
        };
        let key = |token: &SqlToken| token.comparison_key(self.file.source).into_owned();
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
                [bracket, used, tail @ ..] if bracket.kind == SqlTokenKind::Sign && key(used) == name => {
                    out.push(*bracket);
                    out.extend_from_slice(inner);
                    rest = tail;
                }
                _ => {}
            }
        }
        out
    }

    fn inlined(&mut self, look: ResolutionContext<'_>, id: SqlNodeId, trees: &mut Trees) -> Result<SqlNodeId, String> {
        if trees.height(id) + look.depth > HIGHEST {
            return Err(too_deep());
        }
        let key = (look.cte.map(str::to_owned), id, look.within);
        if let Some(done) = self.done.get(&key) {
            return Ok(*done);
        }
        let done = if trees.column(id).is_some() {
            self.resolve_column(look, id, trees)?
        } else {
            self.inline(look, id, trees)?
        };
        self.done.insert(key, done);
        Ok(done)
    }

    fn inline(&mut self, look: ResolutionContext<'_>, id: SqlNodeId, trees: &mut Trees) -> Result<SqlNodeId, String> {
        let is_call = *trees.label(id) == SqlLabel::Call;
        let kids = trees.children(id).to_vec();
        if kids.is_empty() {
            return Ok(id);
        }
        let mut new = Vec::with_capacity(kids.len());
        for (at, kid) in kids.iter().enumerate() {
            // The name of a function is not a column.
            let is_name = is_call && at == 0;
            new.push(if is_name {
                *kid
            } else {
                self.inlined(look.with_more_depth(), *kid, trees)?
            });
        }
        let label = trees.label(id).clone();
        Ok(trees.add(label, new))
    }

    fn resolve_column(
        &mut self,
        look: ResolutionContext<'_>,
        id: SqlNodeId,
        trees: &mut Trees,
    ) -> Result<SqlNodeId, String> {
        let ResolutionContext { cte, within, depth } = look;
        let Some((relation, name)) = trees.column(id) else {
            return Ok(id);
        };
        let (relation, name) = (relation.map(str::to_owned), name.to_owned());
        let relation = relation.as_deref();
        let Some((at, site)) = self.find_source(cte, relation, &name) else {
            let looked_up = relation
                .filter(|_| within == RowRelationship::Step)
                .and_then(|alias| self.lookup_join(cte, alias));
            return Ok(match looked_up {
                Some(at) => self.looked_up_value(look, at, id, trees).unwrap_or(id),
                None => self.leaf_expression(look, id, relation, trees),
            });
        };
        let is_known = !is_same_name(&name, &self.own)
            && self.kept.contains(&name.to_ascii_lowercase())
            && !self.is_other_column(cte, &name);
        let is_joined = match within {
            RowRelationship::Condition(own) if at > own => return Ok(id),
            RowRelationship::Condition(own) => at != 0 && at != own,
            _ => at != 0,
        };
        if is_joined {
            let known = is_known.then_some(name.as_str());
            return Ok(self
                .joined_value(look.with_more_depth(), at, &site, known, trees)
                .unwrap_or(id));
        }
        let is_of_step = within == RowRelationship::Step || self.base_relation_of(site.cte.as_deref()) == self.base;
        if is_known && is_of_step {
            // The columns of the select's own rows do not need a relation name.
            return Ok(trees.without_relation(id));
        }
        let site = self.site_before_fill(&site, &name).unwrap_or(site);
        let inner = self.parse_tokens(site.cte.as_deref(), site.tokens.clone(), trees)?;
        let within = if within == RowRelationship::Step {
            RowRelationship::Step
        } else {
            RowRelationship::Joined
        };
        self.inlined(
            ResolutionContext {
                cte: site.cte.as_deref(),
                within,
                depth: depth + 1,
            },
            inner,
            trees,
        )
    }

    /// Returns whether a select has a column with the given name that is not the input column with that name.
    fn is_other_column(&self, cte: Option<&str>, name: &str) -> bool {
        let tokens = self
            .file
            .column(cte, name)
            .and_then(|tokens| self.file.tokens.get(tokens));
        let Some([token] | [_, _, token]) = tokens else {
            return false;
        };
        super::file::token_name(*token, self.file).is_some_and(|read| !is_same_name(&read, name))
    }

    /// Returns the position of the join with an alias, if the join looks up rows in the step's relation or in a tab.
    fn lookup_join(&self, cte: Option<&str>, alias: &str) -> Option<usize> {
        let is_it = |read: &FromClauseRelation| {
            is_same_name(alias, &read.alias)
                && match self.is_resolvable_cte(&read.relation, cte) {
                    true => self.base_relation_of(Some(&read.relation)) == self.base,
                    false => {
                        read.relation == self.base && read.alias != read.relation
                            || self.tabs.contains(&read.relation.to_ascii_lowercase())
                    }
                }
        };
        self.relations_read(cte).iter().position(is_it).filter(|at| *at > 0)
    }

    /// Returns the expression for a column of rows that are looked up in the step's relation or in a tab.
    fn looked_up_value(
        &mut self,
        look: ResolutionContext<'_>,
        at: usize,
        id: SqlNodeId,
        trees: &mut Trees,
    ) -> Result<SqlNodeId, String> {
        let on = self.join_condition(look, at, trees)?;
        let Some(read) = self.relations_read(look.cte).get(at) else {
            return Ok(id);
        };
        let (relation, how) = (read.relation.clone(), read.how.clone());
        let rows = match self.is_resolvable_cte(&relation, look.cte) {
            true => self.row_operations(&relation, look.depth + 1, trees)?,
            false => trees.add_leaf(SqlLabel::Rows),
        };
        let name = trees.without_relation(id);
        let value = match self.tabs.contains(&relation.to_ascii_lowercase()) {
            true => {
                let relation = trees.add_word(&relation);
                trees.add(SqlLabel::Field, vec![relation, name])
            }
            false => name,
        };
        let joined = trees.add(SqlLabel::Joined(how), vec![value, on, rows]);
        // The spec may also join this relation explicitly, so keep the qualified name of the column.
        self.aliases.push((joined, id));
        Ok(joined)
    }

    /// Returns the expression for a column that is not computed anywhere in the file.
    fn leaf_expression(
        &self,
        ResolutionContext { cte, within, .. }: ResolutionContext<'_>,
        id: SqlNodeId,
        relation: Option<&str>,
        trees: &mut Trees,
    ) -> SqlNodeId {
        let reads = self.relations_read(cte);
        let at = relation.map_or(Some(0), |alias| {
            reads.iter().position(|read| is_same_name(alias, &read.alias))
        });
        let Some((at, read)) = at.and_then(|at| Some((at, reads.get(at)?))) else {
            return id;
        };
        if within == RowRelationship::Step {
            // If only helper CTEs are joined, names cannot come from another relation.
            let is_of_step =
                |read: &FromClauseRelation| self.is_resolvable_cte(&read.relation, cte) || read.relation == self.base;
            let is_alone = reads.len() > 1 && reads.iter().skip(1).all(is_of_step);
            return if at == 0 && is_alone {
                trees.without_relation(id)
            } else {
                id
            };
        }
        let base = match self.is_resolvable_cte(&read.relation, cte) {
            true => self.base_relation_of(Some(&read.relation)),
            false => read.relation.clone(),
        };
        let name = trees.without_relation(id);
        let is_keyword = matches!(trees.label(id), SqlLabel::Word(word) if KEYWORDS.contains(&word.as_str()));
        if base == self.base || is_keyword {
            return name;
        }
        let base = trees.add_word(&base);
        trees.add(SqlLabel::Field, vec![base, name])
    }

    /// Returns the expression for a value of a joined relation. The value is replaced with its name if formulas may use
    /// that name.
    fn joined_value(
        &mut self,
        look: ResolutionContext<'_>,
        at: usize,
        site: &ColumnExpression,
        known: Option<&str>,
        trees: &mut Trees,
    ) -> Result<SqlNodeId, String> {
        let Some(read) = self.relations_read(look.cte).get(at) else {
            return Err("the file has no join at this position".to_owned());
        };
        let (relation, how) = (read.relation.clone(), read.how.clone());
        let value = match known.filter(|_| self.base_relation_of(Some(&relation)) == self.base) {
            Some(name) => trees.add_word(name),
            None => {
                let value = self.parse_tokens(site.cte.as_deref(), site.tokens.clone(), trees)?;
                let inside = ResolutionContext {
                    cte: site.cte.as_deref(),
                    within: RowRelationship::Joined,
                    depth: look.depth + 1,
                };
                self.inlined(inside, value, trees)?
            }
        };
        let on = self.join_condition(look, at, trees)?;
        let rows = self.row_operations(&relation, look.depth + 1, trees)?;
        Ok(trees.add(SqlLabel::Joined(how), vec![value, on, rows]))
    }

    /// Returns the condition of a select's join.
    fn join_condition(
        &mut self,
        look: ResolutionContext<'_>,
        at: usize,
        trees: &mut Trees,
    ) -> Result<SqlNodeId, String> {
        let (on, join) = self
            .relations_read(look.cte)
            .get(at)
            .map_or((0..0, 0..0), |read| (read.on.clone(), read.tokens.clone()));
        match (look.within, look.cte) {
            (RowRelationship::Joined, Some(cte)) => self.visited_rows.push((cte.to_owned(), join)),
            _ => self.visited.push(join),
        }
        if on.is_empty() {
            return Ok(trees.add_leaf(SqlLabel::Nothing));
        }
        let on = self.parse_tokens(look.cte, on, trees)?;
        let alias = self
            .relations_read(look.cte)
            .get(at)
            .map_or("", |read| read.alias.as_str());
        let on = put_joined_column_first(on, alias, trees);
        self.inlined(
            ResolutionContext {
                within: RowRelationship::Condition(at),
                ..look.with_more_depth()
            },
            on,
            trees,
        )
    }

    /// Returns the operations that determine which rows a helper CTE has: all operations that remove rows or combine
    /// several rows into a single row.
    fn row_operations(&mut self, relation: &str, depth: u32, trees: &mut Trees) -> Result<SqlNodeId, String> {
        if depth > HIGHEST {
            return Err(too_deep());
        }
        if let Some(done) = self.rows.get(relation) {
            return Ok(*done);
        }
        let look = ResolutionContext {
            cte: Some(relation),
            within: RowRelationship::Joined,
            depth,
        };
        let mut parts = Vec::new();
        for at in 0..self.relations_read(look.cte).len() {
            let Some(read) = self.relations_read(look.cte).get(at) else {
                break;
            };
            let (below, how) = (read.relation.clone(), read.how.clone());
            // Left joins and cross joins do not remove rows.
            if matches!(how.as_str(), "left join" | "cross join") {
                continue;
            }
            let of_below = match self.is_resolvable_cte(&below, look.cte) {
                true => Some(self.row_operations(&below, depth + 1, trees)?),
                false => None,
            };
            if at == 0 {
                parts.extend(of_below.map(|rows| trees.children(rows).to_vec()).unwrap_or_default());
                continue;
            }
            let on = self.join_condition(look, at, trees)?;
            let kids = [on].into_iter().chain(of_below).collect();
            parts.push(trees.add(SqlLabel::Joined(how), kids));
        }
        for (clause, tokens) in self.clauses.get(relation).cloned().unwrap_or_default() {
            self.visited_rows.push((relation.to_owned(), tokens.clone()));
            if clause == "distinct" {
                parts.push(trees.add_leaf(SqlLabel::Clause(clause)));
                continue;
            }
            let tokens = self.file.tokens.get(tokens).unwrap_or_default();
            let mut kids = parse_list(self.file.source, tokens, self.file.dialect, trees)?;
            for kid in &mut kids {
                *kid = self.inlined(look.with_more_depth(), *kid, trees)?;
            }
            parts.push(trees.add(SqlLabel::Clause(clause), kids));
        }
        let rows = trees.add(SqlLabel::Rows, parts);
        self.rows.insert(relation.to_owned(), rows);
        Ok(rows)
    }
}

/// Rewrites a join condition so that each comparison with a column of the joined relation has that column on the left,
/// without changing its meaning.
fn put_joined_column_first(on: SqlNodeId, joined: &str, trees: &mut Trees) -> SqlNodeId {
    let and = SqlLabel::Op("and".to_owned());
    let mut last_first = Vec::new();
    let mut rest = on;
    while let (true, [before, last]) = (*trees.label(rest) == and, trees.children(rest)) {
        last_first.push(*last);
        rest = *before;
    }
    last_first.push(rest);
    let is_joined = |trees: &Trees, id: SqlNodeId| {
        trees
            .column(id)
            .and_then(|(relation, _)| relation)
            .is_some_and(|relation| is_same_name(relation, joined))
    };
    let turned = |trees: &mut Trees, part: SqlNodeId| {
        let (SqlLabel::Op(op), [left, right]) = (trees.label(part), trees.children(part)) else {
            return part;
        };
        let (left, right) = (*left, *right);
        match swapped_operator(op).filter(|_| is_joined(trees, right) && !is_joined(trees, left)) {
            Some(op) => trees.add(SqlLabel::Op(op.to_owned()), vec![right, left]),
            None => part,
        }
    };
    let parts: Vec<SqlNodeId> = last_first.into_iter().rev().map(|part| turned(trees, part)).collect();
    parts
        .into_iter()
        .reduce(|all, next| trees.add(and.clone(), vec![all, next]))
        .unwrap_or(on)
}

/// Returns the equivalent operator for a comparison whose operands are swapped.
fn swapped_operator(op: &str) -> Option<&'static str> {
    Some(match op {
        "=" => "=",
        "<>" => "<>",
        "<=>" => "<=>",
        "is distinct from" => "is distinct from",
        "is not distinct from" => "is not distinct from",
        "<" => ">",
        ">" => "<",
        "<=" => ">=",
        ">=" => "<=",
        _ => return None,
    })
}

fn too_deep() -> String {
    format!("the SQL is nested more than {HIGHEST} levels deep")
}
