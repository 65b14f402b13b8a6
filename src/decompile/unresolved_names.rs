//! Finds names of columns and relations in merged SQL that no input of their select supplies.

use std::collections::{HashMap, HashSet};

use super::column_readers::column_name_at;
use super::columns::EXPRESSION_KEYWORDS;
use super::edits::describe_file_part;
use super::file::{FilePart, FilePartKind, FilePartPosition, SqlFile};
use super::from_clause::{FromClauseRelation, from_clause_relations};
use super::layout::MergeConflict;
use super::parse::is_keyword;
use crate::dialect::Dialect;

/// Columns of each CTE, in lower case. `None` if the columns are not known, as for `select *` from a table.
type CteColumns = HashMap<String, Option<HashSet<String>>>;

/// A name that no input of its select supplies.
struct UnresolvedName {
    position: FilePartPosition,
    /// Name of the relation before the dot, if any.
    relation: Option<String>,
    name: String,
    /// Position of the name among the tokens of the part.
    token: usize,
    /// SQL of the part that contains the name.
    sql: String,
}

impl UnresolvedName {
    /// Returns whether a part of the edited file contains the name. The CTE of the part may have another name there.
    fn is_in_part(&self, file: &SqlFile<'_>, part: &FilePart) -> bool {
        part.position.kind == self.position.kind && file.text(&part.tokens) == self.sql
    }
}

/// Names that may be names of columns or CTEs, in lower case.
#[derive(Default)]
struct KnownNames {
    columns: HashSet<String>,
    ctes: HashSet<String>,
}

/// Returns the names of columns and relations in merged SQL that no input of their select supplies, each as a conflict.
/// Names that are not resolved in the file's or in the spec's SQL either are omitted. Only names that are columns or
/// CTEs in one of the `versions`, or words of the spec, are examined, because the reader does not know all keywords.
#[must_use]
pub fn unresolved_name_conflicts(
    merged: &str,
    versions @ [_, ours, actual]: [&str; 3],
    spec: &str,
    dialect: Dialect,
) -> Vec<MergeConflict> {
    let mut known = KnownNames::default();
    for version in versions.map(|text| SqlFile::read(text, dialect)) {
        known
            .ctes
            .extend(version.ctes.iter().map(|cte| cte.to_ascii_lowercase()));
        known.columns.extend(version.parts.iter().filter_map(column_name));
    }
    let words = spec.split(|c: char| !c.is_alphanumeric() && c != '_');
    known.columns.extend(words.map(str::to_ascii_lowercase));
    let unresolved = |sql: &str| unresolved_names(&SqlFile::read(sql, dialect), &known);
    let found = unresolved(merged);
    if found.is_empty() {
        return Vec::new();
    }
    let (of_spec, of_file) = (unresolved(ours), unresolved(actual));
    let is_in_spec = |name: &UnresolvedName| of_spec.iter().any(|other| other.name == name.name);
    let is_in_file = |name: &UnresolvedName| {
        let key = |name: &UnresolvedName| (name.position.cte.clone(), name.relation.clone(), name.name.clone());
        of_file.iter().any(|other| key(other) == key(name))
    };
    let new = found.into_iter().filter(|name| !is_in_spec(name) && !is_in_file(name));
    let file = SqlFile::read(actual, dialect);
    new.map(|name| {
        let full_name = name.relation.iter().chain([&name.name]);
        let full_name = full_name.map(String::as_str).collect::<Vec<_>>().join(".");
        let part = describe_file_part(&name.position);
        let description = format!("with this edit, {part} would read `{full_name}`, which its inputs do not supply");
        let (line, ours, theirs) = match file.parts.iter().find(|part| name.is_in_part(&file, part)) {
            Some(part) => (file.line(part.tokens.start + name.token), String::new(), name.sql),
            None => (1, name.sql, String::new()),
        };
        MergeConflict::new(description, line, [String::new(), ours, theirs])
    })
    .collect()
}

/// Returns the name of a part that is a column, in lower case.
fn column_name(part: &FilePart) -> Option<String> {
    match &part.position.kind {
        FilePartKind::Column(name) => Some(name.trim_matches('"').to_ascii_lowercase()),
        _ => None,
    }
}

fn unresolved_names(file: &SqlFile<'_>, known: &KnownNames) -> Vec<UnresolvedName> {
    let mut ctes = CteColumns::new();
    let mut unresolved = Vec::new();
    // All parts of a select are adjacent, and CTEs precede the selects that read them.
    let selects = file.parts.chunk_by(|one, other| {
        (&one.position.cte, one.position.branch) == (&other.position.cte, other.position.branch)
    });
    for parts in selects {
        let from = parts.iter().find(|part| part.position.clause() == Some("from"));
        let relations = from.map_or_else(Vec::new, |from| from_clause_relations(file, from.tokens.clone()));
        let is_cte = |name: &str| ctes.contains_key(&name.to_ascii_lowercase());
        let unresolved_at = |part: &FilePart, token: usize, relation: Option<String>, name: String| UnresolvedName {
            position: part.position.clone(),
            relation,
            name,
            token: token.saturating_sub(part.tokens.start),
            sql: file.text(&part.tokens).to_owned(),
        };
        if let Some(from) = from {
            let removed = relations.iter().filter(|relation| {
                !is_cte(&relation.relation) && known.ctes.contains(&relation.relation.to_ascii_lowercase())
            });
            unresolved.extend(
                removed.map(|relation| unresolved_at(from, relation.tokens.start, None, relation.relation.clone())),
            );
        }
        if !relations.is_empty() && relations.iter().all(|relation| is_cte(&relation.relation)) {
            let select = Select {
                parts,
                relations: &relations,
                ctes: &ctes,
                known,
            };
            for part in parts {
                let names = select.unresolved_names_of_part(file, part).into_iter();
                unresolved.extend(names.map(|(token, relation, name)| unresolved_at(part, token, relation, name)));
            }
        }
        if let Some(first) = parts.first()
            && let (Some(cte), 0) = (&first.position.cte, first.position.branch)
        {
            let columns = columns_of_select(file, parts, &relations, &ctes);
            ctes.insert(cte.to_ascii_lowercase(), columns);
        }
    }
    unresolved
}

/// A select that reads only CTEs.
struct Select<'a> {
    parts: &'a [FilePart],
    relations: &'a [FromClauseRelation],
    ctes: &'a CteColumns,
    known: &'a KnownNames,
}

impl Select<'_> {
    /// Returns the unresolved names of a part, each with its token and its relation. Returns no names of a part that
    /// contains a subquery, because the names may belong to the subquery.
    fn unresolved_names_of_part(&self, file: &SqlFile<'_>, part: &FilePart) -> Vec<(usize, Option<String>, String)> {
        let is_examined = matches!(part.position.kind, FilePartKind::Column(_) | FilePartKind::Clause(_))
            && part.position.clause() != Some("window")
            && !part.tokens.clone().any(|token| file.key(token) == "select");
        let tokens = match part.position.clause() {
            _ if !is_examined => Vec::new(),
            Some("from") => self
                .relations
                .iter()
                .map(|relation| relation.condition.clone())
                .collect(),
            _ => vec![part.tokens.clone()],
        };
        let names = tokens.into_iter().flatten().filter_map(|token| {
            let follows_type_or_alias = token
                .checked_sub(1)
                .is_some_and(|previous| matches!(file.key(previous).as_str(), "as" | "::" | "over" | "interval"));
            let (relation, name) = column_name_at(file, token).filter(|_| !follows_type_or_alias)?;
            let key = name.to_ascii_lowercase();
            let is_resolved = match &relation {
                Some(relation) => self.is_qualified_name_resolved(relation, &key),
                None => {
                    let is_word = is_keyword(&key) || EXPRESSION_KEYWORDS.contains(&key.as_str());
                    is_word || !self.known.columns.contains(&key) || self.is_name_resolved(part, &key)
                }
            };
            (!is_resolved).then_some((token, relation, name))
        });
        names.collect()
    }

    fn columns_of(&self, relation: &FromClauseRelation) -> Option<&HashSet<String>> {
        self.ctes.get(&relation.relation.to_ascii_lowercase())?.as_ref()
    }

    /// Returns whether an input supplies a name, or another column of the select has the name.
    fn is_name_resolved(&self, part: &FilePart, name: &str) -> bool {
        let is_supplied = |relation| self.columns_of(relation).is_none_or(|columns| columns.contains(name));
        let mut others = self.parts.iter().filter(|other| other.position != part.position);
        self.relations.iter().any(is_supplied) || others.any(|other| column_name(other).as_deref() == Some(name))
    }

    fn is_qualified_name_resolved(&self, relation: &str, name: &str) -> bool {
        let mut inputs = self.relations.iter();
        match inputs.find(|input| input.alias.eq_ignore_ascii_case(relation)) {
            Some(input) => self.columns_of(input).is_none_or(|columns| columns.contains(name)),
            // The name before the dot may also be a column.
            None => !self.known.ctes.contains(&relation.to_ascii_lowercase()),
        }
    }
}

/// Returns the columns of a select. `None` if they are not known.
fn columns_of_select(
    file: &SqlFile<'_>,
    parts: &[FilePart],
    relations: &[FromClauseRelation],
    ctes: &CteColumns,
) -> Option<HashSet<String>> {
    let mut columns = HashSet::new();
    for part in parts {
        if part.position.kind == FilePartKind::Unnamed {
            let text = file.text(&part.tokens);
            let alias = match text {
                "*" => None,
                _ => Some(text.strip_suffix(".*")?),
            };
            let inputs = relations
                .iter()
                .filter(|relation| alias.is_none_or(|alias| relation.alias.eq_ignore_ascii_case(alias)));
            let inputs: Vec<&FromClauseRelation> = inputs.collect();
            if inputs.is_empty() {
                return None;
            }
            for input in inputs {
                columns.extend(ctes.get(&input.relation.to_ascii_lowercase())?.clone()?);
            }
        }
        columns.extend(column_name(part));
    }
    Some(columns)
}
