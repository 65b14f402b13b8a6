//! Omni model: the columns that the fields of views read, and the topics and joins that use these fields.

mod codec;
mod field_consumers;
mod field_sql;
#[cfg(test)]
mod tests;
mod view;
mod view_sql;

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use self::field_consumers::{FieldConsumer, read_join, read_topic_consumer};
use self::view::read_view;
use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::parallel;
use crate::schema::{OmniFieldKind, ParsedOmniFile, ParsedOmniModel};

/// Fields in a folder of Omni files, together with the columns that the fields read and the topics and joins that use
/// the fields.
#[derive(Clone, Debug, Default)]
pub struct OmniFields {
    views: Vec<OmniView>,
    users: Vec<FieldConsumer>,
    /// Maps the name of a table to the fields that read the table. Each field is identified by the index of its view
    /// and its index within the view.
    by_table: FxHashMap<String, Vec<(usize, usize)>>,
    /// Maps the name of a field to the fields that read it. Each field is identified by the same indices as in
    /// `by_table`.
    by_field: FxHashMap<String, Vec<(usize, usize)>>,
    /// Maps the name of a view or field to the indices of the topics and joins that use it.
    users_by_name: FxHashMap<String, Vec<usize>>,
}

/// Table of the warehouse, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OmniTable {
    schema: Option<String>,
    name: String,
}

/// Omni view.
#[derive(Clone, Debug, Default)]
struct OmniView {
    name: String,
    file: String,
    fields: Vec<OmniField>,
}

/// Omni field with the columns and fields that it reads.
#[derive(Clone, Debug, Default)]
struct OmniField {
    name: String,
    kind: OmniObjectKind,
    /// Table columns that the field reads, in lower case. If the column is `None`, the field depends on the whole
    /// table, for example because it counts rows.
    columns: BTreeSet<(OmniTable, Option<String>)>,
    /// Fields that this field reads, each qualified with its view.
    fields: BTreeSet<String>,
    /// Whether the field is defined by SQL and not only by a column name.
    has_sql: bool,
    /// Reason why the lineage may contain more columns than the field reads.
    reason_for_whole_table: Option<String>,
}

/// Field that a change affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AffectedField {
    pub view: String,
    pub field: String,
    pub kind: OmniObjectKind,
    pub file: String,
    /// Column or field through which the change reaches this field.
    pub reached_by: String,
    /// Whether `reached_by` is a field.
    pub by_field: bool,
    /// Column that changes. `None` if the rows change.
    pub column: Option<String>,
    /// Whether the field is computed by SQL, which can fail if the type of the column changes. Always `true` if
    /// `by_field` is set.
    pub in_sql: bool,
    /// Reason why the lineage may contain more columns than the field reads.
    pub reason_for_whole_table: Option<String>,
}

/// Kind of a field, or of a topic or join that uses fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OmniObjectKind {
    #[default]
    Column,
    Dimension,
    Measure,
    Filter,
    Topic,
    Join,
}

impl OmniObjectKind {
    fn name(self) -> &'static str {
        match self {
            Self::Column => "column",
            Self::Dimension => "dimension",
            Self::Measure => "measure",
            Self::Filter => "filter",
            Self::Topic => "topic",
            Self::Join => "join",
        }
    }
}

impl From<OmniFieldKind> for OmniObjectKind {
    fn from(kind: OmniFieldKind) -> Self {
        match kind {
            OmniFieldKind::Dimension => Self::Dimension,
            OmniFieldKind::Measure => Self::Measure,
            OmniFieldKind::Filter => Self::Filter,
        }
    }
}

impl std::fmt::Display for OmniObjectKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl OmniFields {
    /// Reads Omni files, each given by its name and text. Files that are not Omni YAML are skipped and reported.
    #[must_use]
    pub fn from_texts(files: &[(String, String)], dialect: Option<Dialect>) -> (Self, Vec<(usize, Diagnostic)>) {
        let parse = |number: usize| files.get(number).map(|(path, text)| ParsedOmniFile::parse(path, text));
        let parsed = parallel::map_range(files.len(), parse).into_iter().flatten();
        let (model, faults) = ParsedOmniModel::new(parsed);
        let mut fields = Self::default();
        fields.read(&model, dialect);
        fields.build_index();
        fields.index_field_consumers();
        (fields, faults)
    }

    /// Returns whether there are no views, topics or joins.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views.is_empty() && self.users.is_empty()
    }

    fn read(&mut self, model: &ParsedOmniModel<'_>, dialect: Option<Dialect>) {
        let topics = model.topics.iter().filter(|topic| !topic.is_template);
        self.users = topics.map(|topic| read_topic_consumer(model, topic)).collect();
        self.users
            .extend(model.relationships.iter().map(|join| read_join(model, join)));
        let views = model.views.iter().enumerate().filter(|(_, view)| !view.is_template);
        self.views = views
            .map(|(index, view)| read_view(model, index, view, dialect))
            .collect();
        let resolve = |references: &mut BTreeSet<String>| {
            let names = std::mem::take(references).into_iter();
            *references = names.map(|name| resolve_name(model, &name)).collect();
        };
        for view in &mut self.views {
            view.fields.iter_mut().for_each(|field| resolve(&mut field.fields));
        }
        for user in &mut self.users {
            resolve(&mut user.views);
            resolve(&mut user.fields);
        }
    }

    fn build_index(&mut self) {
        for (view_index, view) in self.views.iter().enumerate() {
            for (number, field) in view.fields.iter().enumerate() {
                let tables: BTreeSet<&String> = field.columns.iter().map(|(table, _)| &table.name).collect();
                for table in tables {
                    self.by_table
                        .entry(table.clone())
                        .or_default()
                        .push((view_index, number));
                }
                for source_field in &field.fields {
                    self.by_field
                        .entry(source_field.clone())
                        .or_default()
                        .push((view_index, number));
                }
            }
        }
    }

    fn index_field_consumers(&mut self) {
        for (user_index, user) in self.users.iter().enumerate() {
            for reference in user.views.iter().chain(&user.fields) {
                self.users_by_name
                    .entry(reference.clone())
                    .or_default()
                    .push(user_index);
            }
        }
    }

    fn field(&self, (view, field): (usize, usize)) -> Option<(&OmniView, &OmniField)> {
        let view = self.views.get(view)?;
        Some((view, view.fields.get(field)?))
    }

    /// Returns the fields that a change to a table affects, without duplicates, and for each field the column or field
    /// through which the change reaches it. `columns` contains the changed columns in lower case. `rows` is `true` if
    /// the rows change, which affects all fields of the table.
    pub(super) fn fields_affected_by_table(
        &self,
        schema: Option<&str>,
        table: &str,
        columns: &BTreeSet<String>,
        rows: bool,
    ) -> Vec<AffectedField> {
        let is_it = |omni_table: &OmniTable| match (omni_table.schema.as_deref(), schema) {
            (Some(table_schema), Some(schema)) => table_schema.eq_ignore_ascii_case(schema),
            _ => true,
        };
        let name = table.to_lowercase();
        let mut affected_fields: Vec<AffectedField> = Vec::new();
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for position in self.by_table.get(&name).into_iter().flatten() {
            let Some((view, field)) = self.field(*position) else {
                continue;
            };
            let table_columns = || {
                field
                    .columns
                    .iter()
                    .filter(|(omni_table, _)| omni_table.name == name && is_it(omni_table))
                    .map(|(_, column)| column)
            };
            let column = table_columns().flatten().find(|column| columns.contains(*column));
            // Any changed column affects a field whose lineage is known only for the whole table.
            let is_whole =
                field.reason_for_whole_table.is_some() && !columns.is_empty() && table_columns().any(Option::is_none);
            if column.is_none() && !is_whole && !(rows && table_columns().next().is_some()) {
                continue;
            }
            if seen.insert(qualified_name(view, field)) {
                let origin = column.map_or_else(|| name.clone(), |column| format!("{name}.{column}"));
                affected_fields.push(affected_field(view, field, origin, column.cloned(), false));
            }
        }
        // Also add the fields of all views that read a field in the list.
        let mut next = 0;
        while let Some((name, column)) = affected_fields.get(next).map(|reached_field| {
            (
                format!("{}.{}", reached_field.view, reached_field.field),
                reached_field.column.clone(),
            )
        }) {
            next += 1;
            for position in self.by_field.get(&name.to_lowercase()).into_iter().flatten() {
                let Some((view, field)) = self.field(*position) else {
                    continue;
                };
                if seen.insert(qualified_name(view, field)) {
                    affected_fields.push(affected_field(view, field, name.clone(), column.clone(), true));
                }
            }
        }
        affected_fields
    }

    /// Returns the topics and joins that use these fields, without duplicates: kind, name, file, and the first field
    /// that is used.
    pub(super) fn field_consumers(&self, fields: &[AffectedField]) -> Vec<(OmniObjectKind, String, String, String)> {
        // The first field that each topic or join uses.
        let mut first_fields: BTreeMap<usize, usize> = BTreeMap::new();
        for (field_index, field) in fields.iter().enumerate() {
            let view = field.view.to_lowercase();
            let full = format!("{view}.{}", field.field.to_lowercase());
            for user in [view, full]
                .iter()
                .filter_map(|reference| self.users_by_name.get(reference))
                .flatten()
            {
                first_fields.entry(*user).or_insert(field_index);
            }
        }
        let user = |(user, field): (usize, usize)| {
            let (user, field) = (self.users.get(user)?, fields.get(field)?);
            Some((
                user.kind,
                user.name.clone(),
                user.file.clone(),
                format!("{}.{}", field.view, field.field),
            ))
        };
        first_fields.into_iter().filter_map(user).collect()
    }
}

/// Returns the name of a view or field with the canonical name of its view. A view can also be named by the alias of a
/// join.
fn resolve_name(model: &ParsedOmniModel<'_>, name: &str) -> String {
    let view = |name: &str| match model.view_by_name_or_alias(name) {
        Some(view) => model.view_reference_name(view),
        None => model.canonical_name(name),
    };
    match name.rsplit_once('.') {
        Some((name, field)) => format!("{}.{field}", view(name)),
        None => view(name),
    }
}

fn qualified_name(view: &OmniView, field: &OmniField) -> String {
    format!("{}.{}", view.name, field.name).to_lowercase()
}

fn affected_field(
    view: &OmniView,
    field: &OmniField,
    origin: String,
    column: Option<String>,
    by_field: bool,
) -> AffectedField {
    AffectedField {
        by_field,
        in_sql: by_field || field.has_sql,
        view: view.name.clone(),
        field: field.name.clone(),
        kind: field.kind,
        file: view.file.clone(),
        reached_by: origin,
        column,
        reason_for_whole_table: field.reason_for_whole_table.clone(),
    }
}
