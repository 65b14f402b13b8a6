//! Omni model: the columns that the fields of views read, and the topics and joins that use these fields.

mod codec;
mod extends;
mod field_consumers;
mod field_sql;
#[cfg(test)]
mod tests;
mod view;
mod view_sql;

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use self::extends::{is_extension_template, merge_extended};
use self::field_consumers::FieldConsumer;
use self::view::{ViewTables, read_view, view_table};
use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::parallel;
use crate::schema::{OmniFieldKind, OmniFile, OmniFileKind, OmniViewIndex, OmniViewNames};
use crate::yaml::{self, Node};

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
        let mut model = Self::default();
        let mut faults = Vec::new();
        let mut roots: Vec<(&str, &str, Node)> = Vec::new();
        let parse_file = |number: usize| {
            let mut diagnostics = Vec::new();
            let root = files.get(number).map(|(_, text)| yaml::read(text, &mut diagnostics));
            let root = root.and_then(|root| {
                root.unwrap_or_else(|fault| {
                    diagnostics.push(fault);
                    None
                })
            });
            (root, diagnostics)
        };
        for (number, (root, file_diagnostics)) in parallel::map_range(files.len(), parse_file).into_iter().enumerate() {
            let (file, text) = files
                .get(number)
                .map(|(file, text)| (file.as_str(), text.as_str()))
                .unwrap_or_default();
            roots.extend(root.map(|root| (file, text, root)));
            faults.extend(
                file_diagnostics
                    .into_iter()
                    .filter(Diagnostic::is_error)
                    .map(|fault| (number, fault)),
            );
        }
        model.read(&roots, dialect);
        model.build_index();
        model.index_field_consumers();
        (model, faults)
    }

    /// Returns whether there are no views, topics or joins.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views.is_empty() && self.users.is_empty()
    }

    /// Reads files, each with its path, text and YAML.
    fn read(&mut self, roots: &[(&str, &str, Node)], dialect: Option<Dialect>) {
        let (mut views, mut topics) = (Vec::new(), FxHashMap::default());
        let mut names = OmniViewIndex::default();
        for (file, text, root) in roots {
            let omni_file = OmniFile::new(file, root);
            match omni_file.kind() {
                OmniFileKind::View => {
                    names.add(OmniViewNames::new(file, text, root));
                    views.push((*file, root));
                }
                OmniFileKind::Topic => drop(topics.insert(omni_file.topic_name().to_lowercase(), root)),
                OmniFileKind::Other => {}
            }
        }
        let mut merged_views = Vec::new();
        let view = |name: &str| {
            let index = names.find(name)?;
            Some((names.names_of_view(index)?.short.clone(), views.get(index)?.1))
        };
        for (index, (file, root)) in views.iter().enumerate() {
            if let (false, Some(name)) = (is_extension_template(root), names.name_of(index)) {
                merged_views.push((merge_extended(&name, root, &view), name, *file));
            }
        }
        let topic = |name: &str| Some((name.to_owned(), *topics.get(name)?));
        for (file, _, root) in roots {
            let omni_file = OmniFile::new(file, root);
            match omni_file.kind() {
                OmniFileKind::Topic if !is_extension_template(root) => {
                    let topic = merge_extended(omni_file.topic_name(), root, &topic);
                    self.users.push(field_consumers::read_topic_consumer(
                        omni_file.topic_name(),
                        file,
                        &topic.root,
                    ));
                    self.read_joins(file, &topic.root);
                }
                OmniFileKind::View | OmniFileKind::Topic => {}
                OmniFileKind::Other => self.read_joins(file, root),
            }
        }
        let tables = merged_views
            .iter()
            .map(|(view, name, file)| (name.clone(), view_table(file, &view.root)))
            .collect();
        let tables = ViewTables { names: &names, tables };
        for (view, name, file) in &merged_views {
            self.views.push(read_view(name, file, view, &tables, dialect));
            self.read_joins(file, &view.root);
        }
        self.use_canonical_names(&names);
    }

    /// Replaces the views' names in all references with the canonical names.
    fn use_canonical_names(&mut self, names: &OmniViewIndex) {
        let canonical = |references: &mut BTreeSet<String>| {
            *references = std::mem::take(references)
                .into_iter()
                .map(|name| match name.rsplit_once('.') {
                    Some((view, field)) => format!("{}.{field}", names.canonical_name(view)),
                    None => names.canonical_name(&name),
                })
                .collect();
        };
        for view in &mut self.views {
            view.fields.iter_mut().for_each(|field| canonical(&mut field.fields));
        }
        for user in &mut self.users {
            canonical(&mut user.views);
            canonical(&mut user.fields);
        }
    }

    fn read_joins(&mut self, file: &str, root: &Node) {
        let joins = OmniFile::new(file, root).joins().iter();
        self.users
            .extend(joins.filter_map(|join| field_consumers::read_join(file, join)));
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
