//! Reads views: their fields, and the columns and fields that each field reads.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::field_sql::{FieldSql, field_references, without_timeframe};
use super::{OmniField, OmniObjectKind, OmniTable, OmniView, field_consumers, resolve_name, view_sql};
use crate::dialect::Dialect;
use crate::schema::{OmniRowSource, ParsedOmniModel, ParsedOmniView, ViewField};
use crate::yaml::Node;

/// Returns the table of a view. `None` if the view is defined by SQL or a saved query.
pub(super) fn table_of_view(view: &ParsedOmniView) -> Option<OmniTable> {
    let table = &view.table;
    (view.rows == OmniRowSource::Table).then(|| OmniTable {
        // For a dbt model, Omni may write the name of a virtual schema, which does not exist in the warehouse.
        schema: table
            .schema
            .as_ref()
            .filter(|_| table.dbt_model.is_none())
            .map(|schema| schema.to_lowercase()),
        name: table.table_name.to_lowercase(),
    })
}

/// Returns the columns of a query view. The columns come from fields of other views, and the query's filters determine
/// the view's rows.
fn columns_of_query(query: &Node) -> Vec<OmniField> {
    let mut columns = Vec::new();
    let rows: BTreeSet<String> = field_consumers::fields_of_query(query)
        .into_iter()
        .filter(|field| field.contains('.'))
        .collect();
    let filters = query
        .get("filters")
        .map(|filters| filters.pairs().unwrap_or_default())
        .unwrap_or_default();
    let filters: BTreeSet<String> = filters
        .iter()
        .filter_map(|(key, _)| key.text())
        .map(|name| without_timeframe(name).to_lowercase())
        .collect();
    let mut column = |name: &str, mut fields: BTreeSet<String>, reason: Option<String>| {
        fields.extend(filters.iter().cloned());
        columns.push(OmniField {
            name: name.to_owned(),
            kind: OmniObjectKind::Column,
            fields,
            reason_for_whole_table: reason,
            ..OmniField::default()
        });
    };
    for (field_node, name) in query.pairs_at("fields") {
        if let (Some(field), Some(name)) = (field_node.text(), name.text()) {
            column(name, BTreeSet::from([without_timeframe(field).to_lowercase()]), None);
        }
    }
    for (name, calculation) in query.pairs_at("calculations") {
        let sql = calculation.text().or_else(|| calculation.text_at("sql"));
        let name = name.text().unwrap_or_default();
        match sql.filter(|sql| sql.contains("${")) {
            Some(sql) => column(name, field_references(sql).collect(), None),
            None => {
                let why = "the formula refers to cells, which may be any column of the query".to_owned();
                column(name, rows.clone(), Some(why));
            }
        }
    }
    columns
}

pub(super) fn read_view(
    model: &ParsedOmniModel<'_>,
    index: usize,
    source: &ParsedOmniView,
    dialect: Option<Dialect>,
) -> OmniView {
    let mut view = OmniView {
        name: model.view_reference_name(index),
        file: model
            .files
            .get(source.file)
            .map(|file| file.path.to_owned())
            .unwrap_or_default(),
        fields: Vec::new(),
    };
    let view_table = table_of_view(source);
    let rows_node = model.rows_node(source).map(|(_, node)| node);
    if let (OmniRowSource::Query, Some(query)) = (source.rows, rows_node) {
        view.fields = columns_of_query(query);
    }
    let mut places: FxHashMap<String, usize> = view
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| (field.name.to_lowercase(), index))
        .collect();
    for field in source.fields().iter().filter(|field| !field.is_ignored()) {
        let name = field.name.as_str();
        let (mut parsed_field, columns) = read_field(model, &view.name, field, dialect);
        match &view_table {
            Some(table) => {
                parsed_field
                    .columns
                    .extend(columns.into_iter().map(|column| (table.clone(), Some(column))));
                // Every field, even a row count, also depends on the rows of the table.
                parsed_field.columns.insert((table.clone(), None));
            }
            None => {
                let columns = columns.into_iter().filter(|column| !column.eq_ignore_ascii_case(name));
                parsed_field
                    .fields
                    .extend(columns.map(|column| format!("{}.{column}", view.name.to_lowercase())));
            }
        }
        match places
            .get(&name.to_lowercase())
            .and_then(|index| view.fields.get_mut(*index))
        {
            Some(omni_field) => omni_field.fields.extend(parsed_field.fields),
            None => {
                places.insert(name.to_lowercase(), view.fields.len());
                view.fields.push(parsed_field);
            }
        }
    }
    if let (OmniRowSource::Sql, Some(sql)) = (source.rows, rows_node.and_then(Node::text)) {
        view_sql::trace_columns(&mut view, sql, model, dialect);
    }
    if let Some(missing) = &source.missing_view {
        let why = format!("the view extends `{missing}`, which is not among the files");
        for field in &mut view.fields {
            field.reason_for_whole_table.get_or_insert_with(|| why.clone());
        }
    }
    view
}

/// Reads a field and the columns to which its SQL refers.
fn read_field(
    model: &ParsedOmniModel<'_>,
    view: &str,
    field: &ViewField,
    dialect: Option<Dialect>,
) -> (OmniField, BTreeSet<String>) {
    let (name, kind) = (field.name.as_str(), OmniObjectKind::from(field.kind));
    let field = &field.node;
    let mut parsed_field = OmniField {
        name: name.to_owned(),
        kind,
        ..OmniField::default()
    };
    let mut columns = BTreeSet::new();
    let text = |key: &str| field.text_at(key);
    let duration = field.get("duration");
    let of_duration = ["sql_start", "sql_end"]
        .into_iter()
        .filter_map(|key| duration?.text_at(key));
    let sqls: Vec<&str> = text("sql")
        .into_iter()
        .chain(text("custom_primary_key_sql"))
        .chain(of_duration)
        .collect();
    if sqls.is_empty() && kind == OmniObjectKind::Dimension {
        columns.insert(name.to_lowercase());
    }
    let mut fields = BTreeSet::new();
    for sql in &sqls {
        let sql = FieldSql::read(sql, dialect);
        fields.extend(sql.fields);
        columns.extend(sql.columns);
        if sql.is_guessed {
            parsed_field.reason_for_whole_table =
                Some("the SQL cannot be analyzed, so every word in the SQL is treated as a column".to_owned());
        }
    }
    parsed_field.has_sql = !sqls.is_empty();
    let filters = field.pairs_at("filters");
    fields.extend(
        filters
            .iter()
            .filter_map(|(name, _)| name.text())
            .map(|name| without_timeframe(name).to_lowercase()),
    );
    let full = |field: String| match field.contains('.') {
        true => resolve_name(model, &field),
        false => format!("{view}.{field}"),
    };
    parsed_field.fields = fields.into_iter().map(full).collect();
    // A field that refers to its own name reads the column with that name.
    if parsed_field.fields.remove(&format!("{view}.{}", name.to_lowercase())) {
        columns.insert(name.to_lowercase());
    }
    (parsed_field, columns)
}
