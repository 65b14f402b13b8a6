//! Resolves a column's expression to the names that its formula may use. The columns of earlier helper CTEs are
//! replaced with their expressions. Joined values are identified by their rows and their join condition, not by the
//! names of the CTEs.

mod column_expressions;
mod join_condition;
mod window_names;

use std::collections::HashMap;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

pub(super) use column_expressions::ColumnExpression;
use join_condition::put_joined_column_first;

use super::file::{FilePartKind, SqlFile, is_same_name};
use super::from_clause::{FromClauseRelation, from_clause_relations};
use super::parse::{parse, parse_list};
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};

/// Words in expressions that are keywords, not column names.
pub(super) const EXPRESSION_KEYWORDS: [&str; 44] = [
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
pub(super) const MAX_RESOLUTION_DEPTH: u32 = 400;
/// Maximum number of CTEs in a chain.
const MAX_CTE_CHAIN: usize = 100;

pub(super) struct ColumnResolver<'f, 's> {
    file: &'f SqlFile<'s>,
    /// Names that formulas may use, in lower case.
    pub allowed_names: FxHashSet<String>,
    /// CTEs whose columns formulas may use, in lower case.
    pub visible_ctes: FxHashSet<String>,
    /// Relations that are tabs of the sheet, in lower case. Columns joined from these relations may come from
    /// lookups.
    pub tabs: FxHashSet<String>,
    /// Whether the step has a row for every period. formulac computes the columns of such a step before it adds the
    /// rows.
    pub is_filled: bool,
    /// Definition whose formula is being searched for. The name of the definition is replaced with its expression.
    pub definition_name: String,
    reads: HashMap<Option<String>, Vec<FromClauseRelation>>,
    /// Position of each CTE. A CTE reads only CTEs that precede it.
    cte_positions: FxHashMap<String, usize>,
    /// CTEs that select `*` or `alias.*`, each with the aliases before its `*`. The alias is `None` for a `*` without
    /// an alias.
    passthrough_columns: FxHashMap<String, Vec<Option<String>>>,
    /// Clauses of each CTE that determine its rows.
    clauses: FxHashMap<String, Vec<(String, Range<usize>)>>,
    /// Relation that supplies the rows of the step.
    base_relation: String,
    /// Columns that are looked up in the step's own relation or in a tab. Each joined value is paired with its
    /// qualified name, because the spec may also join the relation explicitly.
    pub aliases: Vec<(SqlNodeId, SqlNodeId)>,
    resolved_columns: HashMap<(Option<String>, SqlNodeId, RowRelationship), SqlNodeId>,
    rows: FxHashMap<String, SqlNodeId>,
    /// Tokens of the columns, joins and windows in the resolved expressions.
    pub visited: Vec<Range<usize>>,
    /// Tokens that determine which rows a CTE returns, each paired with its CTE.
    visited_row_tokens: Vec<(String, Range<usize>)>,
}

/// Context in which an expression is resolved.
#[derive(Clone, Copy)]
struct ResolutionContext<'l> {
    cte: Option<&'l str>,
    row_relationship: RowRelationship,
    depth: u32,
}

impl ResolutionContext<'_> {
    fn one_level_deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

/// Relationship between the rows of a CTE and the rows of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum RowRelationship {
    /// The step's own rows.
    Step,
    /// Rows that are joined to the rows of the step.
    Joined,
    /// Rows that the join condition of a select refers to, identified by the position of the join.
    Condition(usize),
}

impl<'f, 's> ColumnResolver<'f, 's> {
    pub fn new(file: &'f SqlFile<'s>) -> Self {
        let mut columns = Self {
            file,
            allowed_names: FxHashSet::default(),
            visible_ctes: FxHashSet::default(),
            tabs: FxHashSet::default(),
            is_filled: false,
            definition_name: String::new(),
            reads: HashMap::new(),
            cte_positions: file
                .ctes
                .iter()
                .enumerate()
                .map(|(cte_index, cte)| (cte.clone(), cte_index))
                .collect(),
            passthrough_columns: FxHashMap::default(),
            clauses: FxHashMap::default(),
            base_relation: String::new(),
            aliases: Vec::new(),
            resolved_columns: HashMap::new(),
            rows: FxHashMap::default(),
            visited: Vec::new(),
            visited_row_tokens: Vec::new(),
        };
        for part in file.parts.iter().filter(|part| part.position.branch == 0) {
            match (&part.position.kind, &part.position.cte) {
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
                    columns.passthrough_columns.entry(cte.clone()).or_default().push(alias);
                }
                _ => {}
            }
        }
        columns
    }

    /// Returns the tokens that determine which rows the resolved expressions look up. Omits the rows of the CTE itself
    /// and of earlier CTEs, because these rows are not looked up.
    pub fn visited_row_tokens(&self, cte: Option<&str>) -> Vec<Range<usize>> {
        let mut own_rows = Vec::new();
        let mut next = cte.map(str::to_owned);
        for _ in 0..MAX_CTE_CHAIN {
            own_rows.extend(next.clone());
            next = self
                .relations_of_select(next.as_deref())
                .first()
                .map(|source| source.relation.clone());
            if next.as_ref().is_none_or(|next| own_rows.contains(next)) {
                break;
            }
        }
        let of_others = self
            .visited_row_tokens
            .iter()
            .filter(|(cte, _)| !own_rows.contains(cte));
        of_others.map(|(_, tokens)| tokens.clone()).collect()
    }

    /// Returns the expression of a column, with its names resolved.
    pub fn resolve_expression(
        &mut self,
        column_expression: &ColumnExpression,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        self.base_relation = self.base_relation_of(column_expression.cte.as_deref());
        let id = self.parse_tokens(
            column_expression.cte.as_deref(),
            column_expression.tokens.clone(),
            trees,
        )?;
        self.inline_columns(
            ResolutionContext {
                cte: column_expression.cte.as_deref(),
                row_relationship: RowRelationship::Step,
                depth: 0,
            },
            id,
            trees,
        )
    }

    /// Returns the expression of a clause, rewritten to contain only names that formulas may use.
    pub fn resolve_clause(
        &mut self,
        cte: Option<&str>,
        clause: &str,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
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
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        self.visited.push(tokens.clone());
        let tokens = self.file.tokens.get(tokens).unwrap_or_default();
        let (count, tokens) = (tokens.len(), self.replace_window_names(cte, tokens));
        if tokens.len() > count {
            self.visited.extend(self.file.clause(cte, "window"));
        }
        parse(self.file.source, &tokens, self.file.dialect, trees)
    }

    fn inline_columns(
        &mut self,
        context: ResolutionContext<'_>,
        id: SqlNodeId,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        if trees.height(id) + context.depth > MAX_RESOLUTION_DEPTH {
            return Err(resolution_depth_error());
        }
        let key = (context.cte.map(str::to_owned), id, context.row_relationship);
        if let Some(resolved_id) = self.resolved_columns.get(&key) {
            return Ok(*resolved_id);
        }
        let resolved_id = if trees.column(id).is_some() {
            self.resolve_column(context, id, trees)?
        } else {
            self.inline(context, id, trees)?
        };
        self.resolved_columns.insert(key, resolved_id);
        Ok(resolved_id)
    }

    fn inline(
        &mut self,
        context: ResolutionContext<'_>,
        id: SqlNodeId,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        let is_call = *trees.label(id) == SqlLabel::Call;
        let kids = trees.children(id).to_vec();
        if kids.is_empty() {
            return Ok(id);
        }
        let mut new = Vec::with_capacity(kids.len());
        for (kid_index, kid) in kids.iter().enumerate() {
            // The name of a function is not a column.
            let is_name = is_call && kid_index == 0;
            new.push(if is_name {
                *kid
            } else {
                self.inline_columns(context.one_level_deeper(), *kid, trees)?
            });
        }
        let label = trees.label(id).clone();
        Ok(trees.add(label, new))
    }

    fn resolve_column(
        &mut self,
        context: ResolutionContext<'_>,
        id: SqlNodeId,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        let ResolutionContext {
            cte,
            row_relationship: within,
            depth,
        } = context;
        let Some((relation, name)) = trees.column(id) else {
            return Ok(id);
        };
        let (relation, name) = (relation.map(str::to_owned), name.to_owned());
        let relation = relation.as_deref();
        let Some((source_index, column_expression)) = self.find_source_of_name(cte, relation, &name) else {
            let looked_up = relation
                .filter(|_| within == RowRelationship::Step)
                .and_then(|alias| self.lookup_join(cte, alias));
            return Ok(match looked_up {
                Some(join_index) => self
                    .looked_up_column_expression(context, join_index, id, trees)
                    .unwrap_or(id),
                None => self.uncomputed_column_expression(context, id, relation, trees),
            });
        };
        let is_known = !is_same_name(&name, &self.definition_name)
            && self.allowed_names.contains(&name.to_ascii_lowercase())
            && !self.renames_input_column(cte, &name);
        let is_joined = match within {
            RowRelationship::Condition(condition_index) if source_index > condition_index => return Ok(id),
            RowRelationship::Condition(condition_index) => source_index != 0 && source_index != condition_index,
            _ => source_index != 0,
        };
        if is_joined {
            let known_name = is_known.then_some(name.as_str());
            return Ok(self
                .joined_column_expression(
                    context.one_level_deeper(),
                    source_index,
                    &column_expression,
                    known_name,
                    trees,
                )
                .unwrap_or(id));
        }
        let is_of_step = within == RowRelationship::Step
            || self.base_relation_of(column_expression.cte.as_deref()) == self.base_relation;
        if is_known && is_of_step {
            // The columns of the select's own rows do not need a relation name.
            return Ok(trees.without_relation(id));
        }
        let column_expression = self
            .expression_before_fill(&column_expression, &name)
            .unwrap_or(column_expression);
        let inner = self.parse_tokens(
            column_expression.cte.as_deref(),
            column_expression.tokens.clone(),
            trees,
        )?;
        let within = if within == RowRelationship::Step {
            RowRelationship::Step
        } else {
            RowRelationship::Joined
        };
        self.inline_columns(
            ResolutionContext {
                cte: column_expression.cte.as_deref(),
                row_relationship: within,
                depth: depth + 1,
            },
            inner,
            trees,
        )
    }

    /// Returns whether a select gives this name to a different input column.
    fn renames_input_column(&self, cte: Option<&str>, name: &str) -> bool {
        let tokens = self
            .file
            .column(cte, name)
            .and_then(|tokens| self.file.tokens.get(tokens));
        let Some([token] | [_, _, token]) = tokens else {
            return false;
        };
        super::file::token_name(*token, self.file).is_some_and(|source_name| !is_same_name(&source_name, name))
    }

    /// Returns the position of the join with this alias, if the join looks up rows in the step's relation or in a tab.
    fn lookup_join(&self, cte: Option<&str>, alias: &str) -> Option<usize> {
        let is_it = |source: &FromClauseRelation| {
            is_same_name(alias, &source.alias)
                && match self.is_resolvable_cte(&source.relation, cte) {
                    true => self.base_relation_of(Some(&source.relation)) == self.base_relation,
                    false => {
                        source.relation == self.base_relation && source.alias != source.relation
                            || self.tabs.contains(&source.relation.to_ascii_lowercase())
                    }
                }
        };
        self.relations_of_select(cte)
            .iter()
            .position(is_it)
            .filter(|join_index| *join_index > 0)
    }

    /// Returns the expression for a column that is looked up in the step's relation or in a tab.
    fn looked_up_column_expression(
        &mut self,
        context: ResolutionContext<'_>,
        join_index: usize,
        id: SqlNodeId,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        let condition = self.join_condition(context, join_index, trees)?;
        let Some(source) = self.relations_of_select(context.cte).get(join_index) else {
            return Ok(id);
        };
        let (relation, join_kind) = (source.relation.clone(), source.join_type.clone());
        let rows = match self.is_resolvable_cte(&relation, context.cte) {
            true => self.operations_that_determine_rows(&relation, context.depth + 1, trees)?,
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
        let joined = trees.add(SqlLabel::Joined(join_kind), vec![value, condition, rows]);
        // The spec may also join this relation explicitly, so keep the qualified name of the column.
        self.aliases.push((joined, id));
        Ok(joined)
    }

    /// Returns the expression for a column that is not computed anywhere in the file.
    fn uncomputed_column_expression(
        &self,
        ResolutionContext {
            cte,
            row_relationship: within,
            ..
        }: ResolutionContext<'_>,
        id: SqlNodeId,
        relation: Option<&str>,
        trees: &mut SqlTrees,
    ) -> SqlNodeId {
        let reads = self.relations_of_select(cte);
        let at = relation.map_or(Some(0), |alias| {
            reads.iter().position(|source| is_same_name(alias, &source.alias))
        });
        let Some((join_index, from_relation)) =
            at.and_then(|source_index| Some((source_index, reads.get(source_index)?)))
        else {
            return id;
        };
        if within == RowRelationship::Step {
            // If only helper CTEs are joined, names cannot come from another relation.
            let is_of_step = |source: &FromClauseRelation| {
                self.is_resolvable_cte(&source.relation, cte) || source.relation == self.base_relation
            };
            let is_alone = reads.len() > 1 && reads.iter().skip(1).all(is_of_step);
            return if join_index == 0 && is_alone {
                trees.without_relation(id)
            } else {
                id
            };
        }
        let base = match self.is_resolvable_cte(&from_relation.relation, cte) {
            true => self.base_relation_of(Some(&from_relation.relation)),
            false => from_relation.relation.clone(),
        };
        let name = trees.without_relation(id);
        let is_keyword =
            matches!(trees.label(id), SqlLabel::Word(word) if EXPRESSION_KEYWORDS.contains(&word.as_str()));
        if base == self.base_relation || is_keyword {
            return name;
        }
        let base = trees.add_word(&base);
        trees.add(SqlLabel::Field, vec![base, name])
    }

    /// Returns the expression for a value of a joined relation. The value is replaced with its name if formulas may use
    /// that name.
    fn joined_column_expression(
        &mut self,
        context: ResolutionContext<'_>,
        join_index: usize,
        column_expression: &ColumnExpression,
        known_name: Option<&str>,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        let Some(source) = self.relations_of_select(context.cte).get(join_index) else {
            return Err("the file has no join at this position".to_owned());
        };
        let (relation, join_kind) = (source.relation.clone(), source.join_type.clone());
        let value = match known_name.filter(|_| self.base_relation_of(Some(&relation)) == self.base_relation) {
            Some(name) => trees.add_word(name),
            None => {
                let value = self.parse_tokens(
                    column_expression.cte.as_deref(),
                    column_expression.tokens.clone(),
                    trees,
                )?;
                let inside = ResolutionContext {
                    cte: column_expression.cte.as_deref(),
                    row_relationship: RowRelationship::Joined,
                    depth: context.depth + 1,
                };
                self.inline_columns(inside, value, trees)?
            }
        };
        let condition = self.join_condition(context, join_index, trees)?;
        let rows = self.operations_that_determine_rows(&relation, context.depth + 1, trees)?;
        Ok(trees.add(SqlLabel::Joined(join_kind), vec![value, condition, rows]))
    }

    /// Returns the condition of a join in a select.
    fn join_condition(
        &mut self,
        context: ResolutionContext<'_>,
        join_index: usize,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        let (condition_tokens, join) = self
            .relations_of_select(context.cte)
            .get(join_index)
            .map_or((0..0, 0..0), |source| (source.condition.clone(), source.tokens.clone()));
        match (context.row_relationship, context.cte) {
            (RowRelationship::Joined, Some(cte)) => self.visited_row_tokens.push((cte.to_owned(), join)),
            _ => self.visited.push(join),
        }
        if condition_tokens.is_empty() {
            return Ok(trees.add_leaf(SqlLabel::Nothing));
        }
        let condition_id = self.parse_tokens(context.cte, condition_tokens, trees)?;
        let alias = self
            .relations_of_select(context.cte)
            .get(join_index)
            .map_or("", |source| source.alias.as_str());
        let condition = put_joined_column_first(condition_id, alias, trees);
        self.inline_columns(
            ResolutionContext {
                row_relationship: RowRelationship::Condition(join_index),
                ..context.one_level_deeper()
            },
            condition,
            trees,
        )
    }

    /// Returns the operations that determine which rows a helper CTE has: all operations that remove rows or combine
    /// several rows into a single row.
    fn operations_that_determine_rows(
        &mut self,
        relation: &str,
        depth: u32,
        trees: &mut SqlTrees,
    ) -> Result<SqlNodeId, String> {
        if depth > MAX_RESOLUTION_DEPTH {
            return Err(resolution_depth_error());
        }
        if let Some(cached_node) = self.rows.get(relation) {
            return Ok(*cached_node);
        }
        let context = ResolutionContext {
            cte: Some(relation),
            row_relationship: RowRelationship::Joined,
            depth,
        };
        let mut parts = Vec::new();
        for source_index in 0..self.relations_of_select(context.cte).len() {
            let Some(source) = self.relations_of_select(context.cte).get(source_index) else {
                break;
            };
            let (input_name, join_kind) = (source.relation.clone(), source.join_type.clone());
            // Left joins and cross joins do not remove rows.
            if matches!(join_kind.as_str(), "left join" | "cross join") {
                continue;
            }
            let of_below = match self.is_resolvable_cte(&input_name, context.cte) {
                true => Some(self.operations_that_determine_rows(&input_name, depth + 1, trees)?),
                false => None,
            };
            if source_index == 0 {
                parts.extend(of_below.map(|rows| trees.children(rows).to_vec()).unwrap_or_default());
                continue;
            }
            let condition = self.join_condition(context, source_index, trees)?;
            let kids = [condition].into_iter().chain(of_below).collect();
            parts.push(trees.add(SqlLabel::Joined(join_kind), kids));
        }
        for (clause, tokens) in self.clauses.get(relation).cloned().unwrap_or_default() {
            self.visited_row_tokens.push((relation.to_owned(), tokens.clone()));
            if clause == "distinct" {
                parts.push(trees.add_leaf(SqlLabel::Clause(clause)));
                continue;
            }
            let tokens = self.file.tokens.get(tokens).unwrap_or_default();
            let mut kids = parse_list(self.file.source, tokens, self.file.dialect, trees)?;
            for kid in &mut kids {
                *kid = self.inline_columns(context.one_level_deeper(), *kid, trees)?;
            }
            parts.push(trees.add(SqlLabel::Clause(clause), kids));
        }
        let rows = trees.add(SqlLabel::Rows, parts);
        self.rows.insert(relation.to_owned(), rows);
        Ok(rows)
    }
}

fn resolution_depth_error() -> String {
    format!("the SQL is nested more than {MAX_RESOLUTION_DEPTH} levels deep")
}
