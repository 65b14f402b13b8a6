//! Group keys that a user added to generated SQL: a column of a select, and an item in its `group by`.

use formulac_syntax::text::collapse_whitespace;

use super::file::{FilePartKind, SqlFile, is_same_name};
use super::guard_positions::is_aggregate;
use super::guarded_formula::RewrittenSql;
use super::guards::{GuardDifference, GuardRecognizer};
use super::parse::parse;
use super::tree::{SqlLabel, SqlNodeId, SqlTrees};
use crate::dialect::Dialect;

/// Column by which only the edited select groups its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddedGroupKey {
    /// Name of the column.
    pub column: String,
    /// Edited SQL of the column.
    pub sql: String,
}

/// Returns the keys that a user added to a `group by` of the SQL. Empty if nothing was added, if a key was removed, or
/// if an added key is not a column.
///
/// ```
/// use formulac_decompile::added_group_keys;
/// let written = "select a, sum(x) as n from t group by a";
/// let found = "select a, b as c, sum(x) as n from t group by 1, 2";
/// let keys = added_group_keys(written, found, "duckdb".parse().unwrap());
/// assert_eq!((keys[0].column.as_str(), keys[0].sql.as_str()), ("c", "b"));
/// ```
#[must_use]
pub fn added_group_keys(generated_sql: &str, text: &str, dialect: Dialect) -> Vec<AddedGroupKey> {
    let mut trees = SqlTrees::default();
    let (generated_file, file) = (SqlFile::read(generated_sql, dialect), SqlFile::read(text, dialect));
    let mut guards = GuardRecognizer::new(dialect);
    let selects = file.clauses(&["group by"]).map(|(cte, _)| cte);
    for cte in selects {
        let (Some(before), Some(after)) = (
            Grouping::read(&generated_file, cte, &mut trees),
            Grouping::read(&file, cte, &mut trees),
        ) else {
            continue;
        };
        let mut added = after.items.clone();
        let has_all_keys = before.items.iter().all(|item| {
            let is_same = |other: &SqlNodeId| guards.added_guards(&trees, *item, *other).is_some();
            let index = added.iter().position(is_same);
            index.map(|key_index| added.remove(key_index)).is_some()
        });
        if added.is_empty() || !has_all_keys {
            continue;
        }
        let key = |item: &SqlNodeId| {
            let is_new = |name: &str| generated_file.column(cte, name).is_none();
            let mut columns = after.columns.iter();
            let (name, sql, _) = columns.find(|(name, _, tree)| tree == item && is_new(name))?;
            Some(AddedGroupKey {
                column: name.clone(),
                sql: sql.clone(),
            })
        };
        return added.iter().map(key).collect::<Option<Vec<_>>>().unwrap_or_default();
    }
    Vec::new()
}

/// Differences between the generated and the edited SQL of group keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupKeyDifferences {
    /// Generated SQL of each key whose edited SQL is different, by column name.
    pub columns: Vec<(String, RewrittenSql)>,
    /// Generated `group by`, if the edited `group by` is different.
    pub group_by: Option<RewrittenSql>,
}

/// Compares the `group by` clauses of generated and edited SQL, and the expressions of the given columns. Both versions
/// must contain these columns. Items may be in a different order, and may be names or positions of columns. Returns the
/// differences, or `None` if the rows are grouped differently.
#[must_use]
pub fn compare_group_keys(
    generated: &str,
    text: &str,
    columns: &[&str],
    dialect: Dialect,
) -> Option<GroupKeyDifferences> {
    let mut trees = SqlTrees::default();
    let (generated, file) = (SqlFile::read(generated, dialect), SqlFile::read(text, dialect));
    let mut guards = GuardRecognizer::new(dialect);
    let mut shared_grouping = GroupKeyDifferences::default();
    let selects: Vec<Option<&str>> = generated.clauses(&["group by"]).map(|(cte, _)| cte).collect();
    for cte in selects {
        let ours = Grouping::read(&generated, cte, &mut trees)?;
        let theirs = Grouping::read(&file, cte, &mut trees)?;
        let mut left = theirs.items.clone();
        let mut guard_set = GuardDifference::default();
        for item in &ours.items {
            let mut added = |other: &SqlNodeId| guards.added_guards(&trees, *item, *other);
            let (index, added) = left
                .iter()
                .enumerate()
                .find_map(|(item_index, other)| Some((item_index, added(other)?)))?;
            left.remove(index);
            guard_set = guard_set.union(added);
        }
        if !left.is_empty() {
            return None;
        }
        if ours.sql != theirs.sql {
            shared_grouping.group_by = Some(RewrittenSql::new(ours.sql.clone(), guard_set));
        }
        for (name, sql, tree) in &ours.columns {
            if !columns.iter().any(|column| is_same_name(column, name)) {
                continue;
            }
            let is_it = |(other, ..): &&(String, String, SqlNodeId)| is_same_name(other, name);
            let (.., edited) = theirs.columns.iter().find(is_it)?;
            let added = guards.added_guards(&trees, *tree, *edited)?;
            if added.count > 0 {
                shared_grouping
                    .columns
                    .push((name.clone(), RewrittenSql::new(sql.clone(), added)));
            }
        }
    }
    Some(shared_grouping)
}

/// `group by` of a select.
struct Grouping {
    /// Text of the clause on one line.
    sql: String,
    /// Expressions of the items.
    items: Vec<SqlNodeId>,
    /// Name, SQL and expression of each column of the select.
    columns: Vec<(String, String, SqlNodeId)>,
}

impl Grouping {
    /// Parses the `group by` of a select. `None` if the select has no `group by`, or if the clause cannot be parsed.
    fn read(file: &SqlFile<'_>, cte: Option<&str>, trees: &mut SqlTrees) -> Option<Self> {
        let clause = file.clause(cte, "group by")?;
        let mut parse_tokens = |tokens: &std::ops::Range<usize>| {
            let tokens = file.tokens.get(tokens.clone())?;
            parse(file.source, tokens, file.dialect, trees).ok()
        };
        let mut columns = Vec::new();
        for part in file.select_parts(cte) {
            match &part.position.kind {
                FilePartKind::Column(name) => {
                    columns.push((
                        name.clone(),
                        file.text(&part.tokens).to_owned(),
                        parse_tokens(&part.tokens)?,
                    ));
                }
                // The position of an item after `*` is unknown.
                FilePartKind::Unnamed => return None,
                _ => {}
            }
        }
        let items = match file.is_group_by_all(&clause) {
            true => {
                let trees_of_columns = columns.iter().map(|(.., tree)| *tree);
                trees_of_columns.filter(|tree| !has_aggregate(trees, *tree)).collect()
            }
            false => {
                let ranges = file.split_at_commas(clause.clone());
                let items: Vec<SqlNodeId> = ranges.iter().map(&mut parse_tokens).collect::<Option<_>>()?;
                let expressions = items
                    .into_iter()
                    .map(|item| group_by_item_expression(item, &columns, trees));
                expressions.collect::<Option<_>>()?
            }
        };
        Some(Self {
            sql: collapse_whitespace(file.text(&clause)),
            items,
            columns,
        })
    }
}

/// Returns whether an expression contains an aggregate.
fn has_aggregate(trees: &SqlTrees, expression: SqlNodeId) -> bool {
    let is_call_of_aggregate = |part: SqlNodeId| match (trees.label(part), trees.children(part)) {
        (SqlLabel::Call, [name, ..]) => matches!(trees.label(*name), SqlLabel::Word(name) if is_aggregate(name)),
        _ => false,
    };
    trees.descendants(expression).into_iter().any(is_call_of_aggregate)
}

/// Returns the expression of an item. The item may be the position or the name of a column. `None` if the name may also
/// be a column of the relation.
fn group_by_item_expression(
    item: SqlNodeId,
    columns: &[(String, String, SqlNodeId)],
    trees: &SqlTrees,
) -> Option<SqlNodeId> {
    if let SqlLabel::Number(number) = trees.label(item) {
        let column_index = number.parse::<usize>().ok()?.checked_sub(1)?;
        return columns.get(column_index).map(|(.., tree)| *tree);
    }
    let Some((None, name)) = trees.column(item) else {
        return Some(item);
    };
    let Some((.., tree)) = columns.iter().find(|(column, ..)| is_same_name(column, name)) else {
        return Some(item);
    };
    let is_ambiguous = *tree != item && trees.descendants(*tree).contains(&item);
    (!is_ambiguous).then_some(*tree)
}
