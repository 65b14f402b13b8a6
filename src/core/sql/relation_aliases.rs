//! Aliases for relations that an output column hides. In some dialects, `orders.region` in GROUP BY is a field of the
//! output column `orders`, even if the select reads the relation `orders`.

use rustc_hash::{FxHashMap, FxHashSet};

use super::query::{Join, Query, QueryInput, Select, SelectSource};
use super::tree::{Sql, SqlId, SqlTree};

/// Returns a copy of the query in which each relation that an output column hides has an alias. `None` if there is no
/// such relation.
pub(super) fn alias_shadowed_relations(
    tree: &SqlTree,
    query: &Query,
    inputs: &[QueryInput<'_>],
) -> Option<(SqlTree, Query)> {
    let mut hidden: Vec<String> = selects(query)
        .flat_map(|select| shadowed_relations(tree, select))
        .collect();
    hidden.sort_unstable();
    hidden.dedup();
    if hidden.is_empty() {
        return None;
    }
    let mut query = query.clone();
    let mut used_names: FxHashSet<String> = inputs.iter().map(|input| input.name.to_lowercase()).collect();
    used_names.extend(query.ctes.iter().map(|cte| cte.name.to_lowercase()));
    used_names.extend(
        selects(&query)
            .flat_map(|select| output_names(tree, select))
            .map(str::to_lowercase),
    );
    let mut aliases = FxHashMap::default();
    for name in hidden {
        let alias = unused_alias(&name, &mut used_names);
        let bodies = query.ctes.iter_mut().map(|cte| &mut cte.body).chain([&mut query.body]);
        for body in bodies {
            add_alias(tree, body, inputs, (&name, &alias));
            body.unions
                .iter_mut()
                .for_each(|select| add_alias(tree, select, inputs, (&name, &alias)));
        }
        aliases.insert(name, alias);
    }
    Some((with_renamed_qualifiers(tree, &aliases), query))
}

fn selects(query: &Query) -> impl Iterator<Item = &Select> {
    let bodies = query.ctes.iter().map(|cte| &cte.body).chain([&query.body]);
    bodies.flat_map(Select::branches)
}

fn output_names<'t>(tree: &'t SqlTree, select: &'t Select) -> impl Iterator<Item = &'t str> {
    let name = |expr: SqlId| match *tree.node(expr) {
        Sql::Field { name, .. } => text(tree, name),
        _ => text(tree, expr),
    };
    select
        .items
        .iter()
        .filter_map(move |item| item.alias.as_deref().or_else(|| name(item.expr)))
}

fn text(tree: &SqlTree, id: SqlId) -> Option<&str> {
    match *tree.node(id) {
        Sql::Text { first, len } => Some(tree.str(first, len)),
        _ => None,
    }
}

/// Returns the relations that an output column hides in the clauses after the select list.
fn shadowed_relations(tree: &SqlTree, select: &Select) -> Vec<String> {
    let roots = select.group_by.iter().chain(&select.having).copied();
    let used_qualifiers = qualifiers(tree, roots.chain(select.order_by.iter().copied()));
    if used_qualifiers.is_empty() {
        return Vec::new();
    }
    let outputs: FxHashSet<String> = output_names(tree, select).map(str::to_ascii_lowercase).collect();
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

/// Adds the alias to a relation of a select if columns are qualified with its name.
fn add_alias(tree: &SqlTree, select: &mut Select, inputs: &[QueryInput<'_>], (name, alias): (&str, &str)) {
    let is_star = select.star && select.star_of.as_deref() == Some(name);
    if !is_star && !qualifiers(tree, select.expressions()).contains(name) {
        return;
    }
    let reads = |source: &SelectSource| match source {
        SelectSource::Input(index) => inputs.get(*index as usize).map(QueryInput::qualifier) == Some(name),
        SelectSource::Name(source_name) => source_name == name,
    };
    if select.from.as_ref().is_some_and(reads) {
        select.from_alias = Some(alias.to_owned());
    }
    let is_joined = |join: &&mut Join| match &join.alias {
        Some(known_alias) => known_alias == name,
        None => reads(&join.source),
    };
    select
        .joins
        .iter_mut()
        .filter(is_joined)
        .for_each(|join| join.alias = Some(alias.to_owned()));
    if is_star {
        select.star_of = Some(alias.to_owned());
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
