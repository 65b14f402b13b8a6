//! Aliases for relations that an output column hides. In some dialects, `orders.region` in GROUP BY is a field of the
//! output column `orders`, even if the select reads the relation `orders`.

use rustc_hash::{FxHashMap, FxHashSet};

use super::lowering::Select;
use super::query::{Query, QueryInput, SelectSource};
use super::relational_plan::{Item, Operator, RowPlan};
use super::tree::{Sql, SqlId, SqlTree};

/// Returns a copy of the query in which each relation that an output column hides has an alias. `None` if there is no
/// such relation.
pub(super) fn alias_shadowed_relations(
    tree: &SqlTree,
    query: &Query,
    inputs: &[QueryInput<'_>],
) -> Option<(SqlTree, Query)> {
    let selects = || query.plans().flat_map(RowPlan::lower);
    let mut hidden: Vec<String> = selects().flat_map(|select| shadowed_relations(tree, &select)).collect();
    hidden.sort_unstable();
    hidden.dedup();
    if hidden.is_empty() {
        return None;
    }
    let mut used_names: FxHashSet<String> = inputs.iter().map(|input| input.name.to_lowercase()).collect();
    used_names.extend(query.ctes.iter().map(|cte| cte.name.to_lowercase()));
    let names = selects().flat_map(|select| output_names(tree, select.items));
    used_names.extend(names.map(str::to_lowercase));
    let mut query = query.clone();
    let mut aliases = FxHashMap::default();
    for name in hidden {
        let alias = unused_alias(&name, &mut used_names);
        for branch in query.plans_mut().flat_map(RowPlan::branches_mut) {
            add_alias(tree, branch, inputs, (&name, &alias));
        }
        aliases.insert(name, alias);
    }
    Some((with_renamed_qualifiers(tree, &aliases), query))
}

fn output_names<'t>(tree: &'t SqlTree, items: &'t [Item]) -> impl Iterator<Item = &'t str> {
    let name = |expr: SqlId| match *tree.node(expr) {
        Sql::Field { name, .. } => text(tree, name),
        _ => text(tree, expr),
    };
    let item_name = move |item: &'t Item| item.alias.as_deref().or_else(|| name(item.expr));
    items.iter().filter_map(item_name)
}

fn text(tree: &SqlTree, id: SqlId) -> Option<&str> {
    match *tree.node(id) {
        Sql::Text { first, len } => Some(tree.str(first, len)),
        _ => None,
    }
}

/// Returns the relations that an output column hides in the clauses after the select list.
fn shadowed_relations(tree: &SqlTree, select: &Select<'_>) -> Vec<String> {
    let roots = select.group_by.iter().chain(&select.having).chain(select.order_by);
    let used_qualifiers = qualifiers(tree, roots.copied());
    if used_qualifiers.is_empty() {
        return Vec::new();
    }
    let outputs: FxHashSet<String> = output_names(tree, select.items).map(str::to_ascii_lowercase).collect();
    used_qualifiers
        .into_iter()
        .filter(|name| outputs.contains(&name.to_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}

/// Returns the qualifiers of the columns in expressions.
fn qualifiers(tree: &SqlTree, roots: impl Iterator<Item = SqlId>) -> FxHashSet<&str> {
    let qualifier = |id: SqlId| match *tree.node(id) {
        Sql::Field { qualifier, .. } => text(tree, qualifier),
        _ => None,
    };
    tree.reachable_nodes(roots).into_iter().filter_map(qualifier).collect()
}

/// Adds the alias to a relation of a branch if columns are qualified with its name.
fn add_alias(tree: &SqlTree, branch: &mut [Operator], inputs: &[QueryInput<'_>], (name, alias): (&str, &str)) {
    let lists = branch.iter_mut().filter_map(Operator::list_mut);
    let mut stars = lists.filter_map(|list| list.star.as_mut()?.0.as_mut());
    let star = stars.find(|relation| *relation == name);
    let is_star = star.is_some();
    if let Some(relation) = star {
        alias.clone_into(relation);
    }
    if !is_star && !qualifiers(tree, branch.iter().flat_map(Operator::expressions)).contains(name) {
        return;
    }
    for scan in branch.iter_mut().filter_map(Operator::scan_mut) {
        let qualifier = match (&scan.alias, &scan.source) {
            (Some(known_alias), _) => Some(known_alias.as_str()),
            (None, SelectSource::Input(index)) => inputs.get(*index as usize).map(QueryInput::qualifier),
            (None, SelectSource::Name(source_name)) => Some(source_name.as_str()),
        };
        if qualifier == Some(name) {
            scan.alias = Some(alias.to_owned());
        }
    }
}

fn unused_alias(name: &str, used_names: &mut FxHashSet<String>) -> String {
    // A name in quotes ends with a quote.
    let (start, quote) = name.split_at(name.trim_end_matches(['`', '"']).len());
    let mut alias = format!("{start}_rows{quote}");
    while !used_names.insert(alias.to_lowercase()) {
        alias.insert_str(alias.len() - quote.len(), "_rows");
    }
    alias
}

/// Returns a copy of the tree in which the qualifiers of columns are replaced by their aliases. The ids stay the same.
fn with_renamed_qualifiers(tree: &SqlTree, aliases: &FxHashMap<String, String>) -> SqlTree {
    let ids = || (0..tree.len() as u32).map(SqlId);
    let renamed_qualifiers: FxHashMap<SqlId, &String> = ids()
        .filter_map(|id| match *tree.node(id) {
            Sql::Field { qualifier, .. } => Some((qualifier, aliases.get(text(tree, qualifier)?)?)),
            _ => None,
        })
        .collect();
    let mut renamed = tree.without_nodes();
    // Adding the nodes to a new tree measures their widths again.
    for id in ids() {
        let span = tree.meta(id).span;
        match renamed_qualifiers.get(&id) {
            Some(alias) => renamed.add_text(span, |out| out.push_str(alias)),
            None => renamed.add(*tree.node(id), span),
        };
    }
    renamed
}
