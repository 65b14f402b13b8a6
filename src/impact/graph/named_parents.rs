//! Tables that SQL names without `ref` or `source`.

use rustc_hash::FxHashMap;

use super::ImpactGraphNode;
use crate::artifacts::ResourceType;
use crate::dialect::Dialect;
use crate::named_tables;
use crate::parallel;

/// Adds the tables that SQL names without `ref` or `source` to the parents of each node. A name that matches several
/// tables is ignored.
pub(super) fn add_named_parents(
    parts: &[ImpactGraphNode<'_>],
    relations: &FxHashMap<Vec<String>, Vec<usize>>,
    dialect: Dialect,
    parents: &mut [Vec<usize>],
) {
    let mut by_table: FxHashMap<&str, Vec<&Vec<String>>> = FxHashMap::default();
    for name in relations.keys() {
        let table = name.last().map(String::as_str).unwrap_or_default();
        by_table.entry(table).or_default().push(name);
    }
    let named = parallel::map_range(parts.len(), |index| {
        let part = parts.get(index)?;
        let has_tables = matches!(part.kind(), ResourceType::Model | ResourceType::Snapshot) && !part.has_spec_sql();
        let sql = part
            .sql_without_jinja()
            .or_else(|| part.raw_sql())
            .filter(|_| has_tables)?;
        let known_parents = parents.get(index)?;
        let is_unread = |name: &&Vec<String>| {
            let mut nodes = relations.get(*name).into_iter().flatten();
            !nodes.any(|node| *node == index || known_parents.contains(node))
        };
        let is_table = |table: &str| by_table.get(table).into_iter().flatten().any(&is_unread);
        named_tables::may_name_table(sql, is_table).then(|| named_tables::table_names(sql, dialect))
    });
    for ((index, named), read) in named.into_iter().enumerate().zip(parents) {
        for name in named.into_iter().flatten() {
            let tables = name.last().and_then(|table| by_table.get(table.as_str()));
            let mut matches = tables.into_iter().flatten().filter(|table| table.ends_with(&name));
            let (Some(table), None) = (matches.next(), matches.next()) else {
                continue;
            };
            let nodes = relations.get(*table).map(Vec::as_slice).unwrap_or_default();
            if !nodes.iter().any(|node| *node == index || read.contains(node)) {
                read.extend(nodes.last());
            }
        }
        read.sort_unstable();
    }
}
