//! Views that are defined by SQL.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::field_sql::replace_field_references;
use super::view::table_of_view;
use super::{OmniField, OmniObjectKind, OmniTable, OmniView};
use crate::definitions::find_identifiers;
use crate::dialect::Dialect;
use crate::lineage::{self, ColumnSource, RelationColumnList, SqlLineage};
use crate::schema::ParsedOmniModel;

/// Table columns and view fields from which a column is computed.
#[derive(Clone, Debug, Default)]
struct ViewColumnSources {
    columns: BTreeSet<(OmniTable, Option<String>)>,
    fields: BTreeSet<String>,
}

/// Traces the columns of a view's SQL to table columns and to fields of other views. If the SQL cannot be parsed,
/// every field of the view depends on all tables in the SQL.
pub(super) fn trace_columns(view: &mut OmniView, sql: &str, model: &ParsedOmniModel<'_>, dialect: Option<Dialect>) {
    // Replace `${other}` with a placeholder table for the view, and `${other.field}` with the field's name.
    let mut names = BTreeSet::new();
    let plain = replace_field_references(sql, |name| match name.rsplit_once('.') {
        Some((_, field)) => {
            names.insert(name.to_lowercase());
            field.to_owned()
        }
        None => placeholder_name(name),
    });
    match lineage::lineage_of_sql(&plain, dialect, &|_| RelationColumnList::default()) {
        Ok(lineage) => apply_view_lineage(view, &lineage, model, names),
        Err(why) => {
            // Make each field depend on all columns of every table to which the SQL may refer.
            let why = format!("formulac analyzes the SQL of the view only as a whole: {why}");
            let tables = find_identifiers(&plain)
                .into_iter()
                .filter_map(|word| table_of_relation_name(&[word], model));
            let sources = ViewColumnSources {
                columns: tables.map(|table| (table, None)).collect(),
                fields: names,
            };
            for field in &mut view.fields {
                add_sources_to_field(field, &sources);
                field.reason_for_whole_table.get_or_insert_with(|| why.clone());
            }
        }
    }
}

/// Returns the table to which a relation name refers. `None` for a view that has no table.
fn table_of_relation_name(parts: &[String], model: &ParsedOmniModel<'_>) -> Option<OmniTable> {
    let last = parts.last()?;
    match view_of_placeholder(last) {
        Some(view) => table_of_view(model.views.get(model.view(view)?)?),
        None => {
            let schema = parts
                .len()
                .checked_sub(2)
                .and_then(|schema_index| parts.get(schema_index))
                .cloned();
            Some(OmniTable {
                schema,
                name: last.clone(),
            })
        }
    }
}

fn collect_column_sources(source: &ColumnSource, model: &ParsedOmniModel<'_>, sources: &mut ViewColumnSources) {
    let view = source.relation.last().and_then(|last| view_of_placeholder(last));
    match (table_of_relation_name(&source.relation, model), view) {
        (Some(table), _) => drop(sources.columns.insert((table, Some(source.column.clone())))),
        // If another view is defined by SQL, its columns are fields of that view.
        (None, Some(view)) => drop(sources.fields.insert(format!("{view}.{}", source.column))),
        (None, None) => {}
    }
}

fn apply_view_lineage(
    view: &mut OmniView,
    lineage: &SqlLineage,
    model: &ParsedOmniModel<'_>,
    field_names: BTreeSet<String>,
) {
    let view_name = view.name.to_lowercase();
    // Output columns of the SQL, and columns that the fields of the view read.
    let mut names: BTreeSet<String> = lineage.names().map(str::to_lowercase).collect();
    let before = format!("{view_name}.");
    let read_columns = view
        .fields
        .iter()
        .flat_map(|field| &field.fields)
        .filter_map(|name| name.strip_prefix(&before));
    names.extend(read_columns.map(str::to_owned));
    let plain = view
        .fields
        .iter()
        .filter(|field| field.kind == OmniObjectKind::Dimension && !field.has_sql);
    names.extend(plain.map(|field| field.name.to_lowercase()));
    // A column in a filter, join or group of the view's SQL affects all fields.
    let mut rows = ViewColumnSources {
        columns: BTreeSet::new(),
        fields: field_names,
    };
    lineage
        .rows()
        .iter()
        .for_each(|source| collect_column_sources(source, model, &mut rows));
    rows.columns.extend(
        lineage
            .relations()
            .iter()
            .filter_map(|parts| Some((table_of_relation_name(parts, model)?, None))),
    );
    let gap = lineage.gaps().first();
    let places: FxHashMap<String, usize> = view
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| (field.name.to_lowercase(), index))
        .collect();
    for name in names {
        let Some(column) = lineage.column(&name) else { continue };
        let mut column_sources = ViewColumnSources::default();
        for source in column.source_columns.iter().chain(&column.window_columns) {
            collect_column_sources(source, model, &mut column_sources);
        }
        // Add the columns to the field, because a field with its own SQL may have the same name as a column but read
        // other columns.
        let index = places.get(&name).copied().unwrap_or_else(|| {
            view.fields.push(OmniField {
                name,
                kind: OmniObjectKind::Column,
                has_sql: true,
                ..OmniField::default()
            });
            view.fields.len() - 1
        });
        if let Some(field) = view.fields.get_mut(index) {
            add_sources_to_field(field, &column_sources);
            field.reason_for_whole_table = field.reason_for_whole_table.take().or_else(|| gap.cloned());
        }
    }
    for field in &mut view.fields {
        add_sources_to_field(field, &rows);
        field
            .fields
            .remove(&format!("{view_name}.{}", field.name.to_lowercase()));
    }
}

fn add_sources_to_field(field: &mut OmniField, sources: &ViewColumnSources) {
    field.columns.extend(sources.columns.iter().cloned());
    field.fields.extend(sources.fields.iter().cloned());
}

const VIEW_PLACEHOLDER_PREFIX: &str = "omni_view__";

/// Returns the placeholder table that represents a view in the SQL to parse.
fn placeholder_name(view: &str) -> String {
    format!("{VIEW_PLACEHOLDER_PREFIX}{}", view.to_lowercase())
}

fn view_of_placeholder(table: &str) -> Option<&str> {
    table.strip_prefix(VIEW_PLACEHOLDER_PREFIX)
}
