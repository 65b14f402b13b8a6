//! Lineage of `*` in a select list, with the options that omit, rename and replace columns.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};
use sqlparser::ast::{ExcludeSelectItem, ObjectName, RenameSelectItem, WildcardAdditionalOptions};

use super::query::{QueryAnalyzer, name_parts};
use super::relation::{LineageRelation, RelationColumn, UnknownColumns};
use super::scope::{QueryScope, ScopeRelation};
use super::values::LineageLeaf;

/// Changes that the options of a `*` make to the columns, by column name in lower case.
struct StarChanges<'o> {
    excluded: FxHashSet<String>,
    renames: FxHashMap<String, &'o str>,
    replaced_columns: FxHashMap<String, RelationColumn>,
}

impl QueryAnalyzer<'_> {
    /// Expands `*` or `orders.*`.
    pub(super) fn expand_star(
        &mut self,
        scope: &mut QueryScope<'_>,
        qualifier: Option<&ObjectName>,
        options: &WildcardAdditionalOptions,
        output: &mut LineageRelation,
    ) {
        let changes = self.star_changes(options, scope);
        let path: Vec<String> = qualifier.map(name_parts).unwrap_or_default();
        if qualifier.is_some() && scope.item(&path).is_none() {
            // `address.*` expands the fields of a struct.
            let expression_inputs = self.column(&path, scope);
            output.unnamed_values.extend(expression_inputs.values);
            output.unnamed_values.extend(expression_inputs.window_values);
            return;
        }
        let items: Vec<ScopeRelation> = match qualifier {
            Some(_) => scope.item(&path).cloned().into_iter().collect(),
            None => scope.items.clone(),
        };
        let mut merged_given: FxHashSet<String> = FxHashSet::default();
        for item in items {
            for column in &item.relation.columns {
                let name = column.name.to_lowercase();
                let merged = scope.merged_columns.get(&name).filter(|_| qualifier.is_none());
                if changes.excluded.contains(&name) || (merged.is_some() && !merged_given.insert(name.clone())) {
                    continue;
                }
                let mut output_column = changes.replaced_columns.get(&name).or(merged).unwrap_or(column).clone();
                if let Some(new) = changes.renames.get(&name) {
                    output_column.name = (*new).into();
                }
                self.push(output, output_column);
            }
            self.expand_unknown_columns(&item.relation, &changes, output);
            output.unnamed_values.extend(&item.relation.unnamed_values);
        }
        if let Some(alias) = &options.opt_alias {
            self.record_overestimate_reason(format!(
                "`* as {}` is assumed to mean the columns of the relation",
                alias.value
            ));
        }
    }

    fn star_changes<'o>(&mut self, options: &'o WildcardAdditionalOptions, scope: &QueryScope<'_>) -> StarChanges<'o> {
        if options.opt_ilike.is_some() {
            self.record_lineage_error("`* ilike` is not supported");
        }
        let renames = match &options.opt_rename {
            Some(RenameSelectItem::Single(rename)) => std::slice::from_ref(rename),
            Some(RenameSelectItem::Multiple(renames)) => renames.as_slice(),
            None => &[],
        };
        let renames = renames
            .iter()
            .map(|rename| (rename.ident.value.to_lowercase(), rename.alias.value.as_str()))
            .collect();
        let mut replaced: FxHashMap<String, RelationColumn> = FxHashMap::default();
        for element in options.opt_replace.iter().flat_map(|replace| &replace.items) {
            let name = &element.column_name.value;
            let column = self.expression_value(name, &element.expr, scope);
            replaced.insert(name.to_lowercase(), column);
        }
        StarChanges {
            excluded: excluded_columns(options),
            renames,
            replaced_columns: replaced,
        }
    }

    /// Adds to `output` the columns of a relation whose names are unknown.
    fn expand_unknown_columns(
        &mut self,
        relation: &LineageRelation,
        changes: &StarChanges<'_>,
        output: &mut LineageRelation,
    ) {
        for unknown in &relation.unknown_column_tables {
            let mut excluded_names: FxHashSet<String> = (*unknown.excluded).clone();
            let changed_names = changes.renames.keys().chain(changes.replaced_columns.keys());
            excluded_names.extend(changes.excluded.iter().chain(changed_names).cloned());
            // If the SQL renames a column of a relation with unknown columns, the column is known by its new name.
            for (name, new) in &changes.renames {
                if relation.column(name).is_none() {
                    let value = self.add_leaf(LineageLeaf {
                        table: unknown.table,
                        column: Some(name.as_str().into()),
                    });
                    self.values.mark_value_as_named(value);
                    self.push(output, RelationColumn::new(*new, value));
                }
            }
            output.unknown_column_tables.push(UnknownColumns {
                table: unknown.table,
                excluded: Rc::new(excluded_names),
            });
        }
        if !relation.is_complete() {
            let mut of_unknown: Vec<&RelationColumn> = changes
                .replaced_columns
                .iter()
                .filter(|(name, _)| relation.column(name).is_none())
                .map(|(_, column)| column)
                .collect();
            of_unknown.sort_unstable_by_key(|column| Rc::clone(&column.name));
            of_unknown
                .into_iter()
                .for_each(|column| self.push(output, column.clone()));
        }
    }
}

/// Returns the columns that `* exclude (…)` or `* except (…)` omits, in lower case.
fn excluded_columns(options: &WildcardAdditionalOptions) -> FxHashSet<String> {
    let mut excluded: FxHashSet<String> = FxHashSet::default();
    match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => excluded.extend(lowercase_last_part(name)),
        Some(ExcludeSelectItem::Multiple(names)) => excluded.extend(names.iter().filter_map(lowercase_last_part)),
        None => {}
    }
    if let Some(except) = &options.opt_except {
        let names = std::iter::once(&except.first_element).chain(&except.additional_elements);
        excluded.extend(names.map(|name| name.value.to_lowercase()));
    }
    excluded
}

fn lowercase_last_part(name: &ObjectName) -> Option<String> {
    name_parts(name).pop()
}
