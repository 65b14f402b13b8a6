//! Relations from dbt's manifest, with types from its catalog.

use std::sync::Arc;

use super::KnownFacts;
use crate::artifacts::{
    ArtifactError, ArtifactFault, Catalog, CatalogTable, Constraint, ConstraintKind, DataTest, Manifest, ManifestNode,
    ManifestReadOptions, MetaValue, NodeColumn, ResourceType, TestCheck, ValueFields,
};
use crate::diag::Diagnostic;
use crate::dialect::Dialect;
use crate::parallel;
use crate::schema::dbt::{ColumnMetadata, RelationMetadata, is_case_sensitive_name, unquote_column};
use crate::schema::read::unsupported_schema_error;
use crate::schema::{Access, Relation, RelationOrigin, Schema};
use crate::span::Span;

/// Returns the tables in dbt's manifest: models, seeds, snapshots and sources. Column types come from the catalog. If
/// the catalog has no type, the declared `data_type` is used. Enforced constraints and reliable tests determine which
/// columns are never NULL and which columns are unique. The given dialect is used only if the manifest does not specify
/// its adapter.
///
/// ```
/// use formulac_dbt::artifacts::{ManifestReadOptions, Manifest};
/// use formulac_catalog::Dialect;
/// use formulac_sync::known;
/// let text = r#"{"nodes": {"model.shop.orders": {"name": "orders", "columns": {"id": {"data_type": "integer"}}},
///     "test.shop.1": {"test_metadata": {"name": "not_null"}, "attached_node": "model.shop.orders", "column_name": "id"}}}"#;
/// let manifest = Manifest::from_text(text, ManifestReadOptions::default()).unwrap();
/// let schema = known::from_dbt(&manifest, None, Dialect::default());
/// assert!(!schema.relation("orders").unwrap().column("id").unwrap().is_nullable());
/// ```
#[must_use]
pub fn from_dbt(manifest: &Manifest, catalog: Option<&Catalog>, dialect: Dialect) -> Schema {
    let mut schema = Schema::new();
    add_relations(manifest, catalog, dialect, &mut schema);
    schema
}

/// Reads a schema like [`Schema::from_text`], but also accepts dbt's manifest.
#[must_use]
pub fn from_text(text: &str, dialect: Dialect) -> (Schema, Vec<Diagnostic>) {
    let (schema, faults) = from_texts(&[("", text)], dialect);
    (schema, faults.into_iter().map(|(_, fault)| fault).collect())
}

/// Reads schemas like [`Schema::from_texts`], but also accepts dbt's manifest and catalog.
#[must_use]
pub fn from_texts(files: &[(&str, &str)], dialect: Dialect) -> (Schema, Vec<(usize, Diagnostic)>) {
    let mut schema = Schema::new();
    let mut faults = Vec::new();
    let rest = read(files, dialect, &mut schema, &mut faults);
    schema.read_texts(files, rest, dialect, &mut faults);
    (schema, faults)
}

/// Reads the strings that are dbt artifacts, and returns the indices of the other strings.
fn read(
    files: &[(&str, &str)],
    dialect: Dialect,
    schema: &mut Schema,
    faults: &mut Vec<(usize, Diagnostic)>,
) -> Vec<usize> {
    let mut rest = Vec::new();
    let mut manifests = Vec::new();
    let mut catalogs = Vec::new();
    for (number, (_, text)) in files.iter().enumerate() {
        if !text.trim_start().starts_with('{') {
            rest.push(number);
            continue;
        }
        let error = match Manifest::from_text(text, ManifestReadOptions::default()) {
            Ok(manifest) => {
                manifests.push(manifest);
                continue;
            }
            Err(error) if matches!(error.as_fault(), ArtifactFault::Other(kind) if kind == "catalog") => {
                match Catalog::from_text(text) {
                    Ok(catalog) => {
                        catalogs.push((number, catalog));
                        continue;
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        match error.as_fault() {
            // The file may be a schema in JSON, or YAML that begins with a bracket.
            ArtifactFault::NotAnArtifact => rest.push(number),
            ArtifactFault::Broken if !text.contains("dbt_schema_version") => rest.push(number),
            _ => faults.push((number, artifact_diagnostic(text, &error))),
        }
    }
    if let ([], Some((number, _))) = (manifests.as_slice(), catalogs.first()) {
        // A catalog is useless without a manifest.
        if rest.is_empty() && faults.is_empty() {
            let fault = unsupported_schema_error(
                Span::default(),
                "the file is dbt's catalog, which lists types but no models",
                None,
            );
            faults.push((
                *number,
                fault.with_help("pass the manifest.json; the catalog.json next to it is found automatically"),
            ));
        }
    }
    let catalog = catalogs.pop().map(|(_, catalog)| catalog);
    for manifest in &manifests {
        add_relations(manifest, catalog.as_ref(), dialect, schema);
    }
    rest
}

fn artifact_diagnostic(text: &str, error: &ArtifactError) -> Diagnostic {
    let at = error.offset(text) as u32;
    let what = match error.as_fault() {
        ArtifactFault::Broken => error.reason().to_owned(),
        ArtifactFault::Other(kind) => {
            return unsupported_schema_error(Span::default(), &format!("the file is dbt's {kind}"), None);
        }
        _ => error.to_string(),
    };
    unsupported_schema_error(Span::new(at, at), &what, None).with_help(error.help())
}

fn add_relations(manifest: &Manifest, catalog: Option<&Catalog>, dialect: Dialect, schema: &mut Schema) {
    let dialect = manifest.metadata.dialect().unwrap_or(dialect);
    let tests = manifest.tests_by_node();
    // The project's own relations take precedence over package relations and sources with the same name.
    let project = manifest.metadata.project_name.as_deref();
    let is_own = |node: &ManifestNode| project.is_some_and(|project| project == &*node.package);
    let mut nodes: Vec<&ManifestNode> = manifest
        .nodes
        .iter()
        .filter(|node| node.resource_type.is_referenceable())
        .collect();
    nodes.sort_by_key(|node| (!is_own(node), !node.is_latest()));
    nodes.extend(manifest.with_type(ResourceType::Source));
    let is_current = catalog.is_some_and(|catalog| is_current(catalog, manifest));
    let relations = parallel::map(&nodes, |node| {
        let table = catalog.and_then(|catalog| catalog.table(&node.unique_id));
        let tests = tests.get(&*node.unique_id).map(Vec::as_slice).unwrap_or_default();
        relation_facts(node, (table, is_current), tests, dialect).into_relation(dialect)
    });
    for (node, relation) in nodes.into_iter().zip(relations) {
        let longer = || node.distinguishing_name();
        let has_own_name = node.alias.as_ref().is_none_or(|alias| *alias == node.name);
        let relation = relation
            .with_origin(relation_origin(node))
            .with_warehouse_schema(node.schema.clone().filter(|_| has_own_name));
        if node.is_latest() {
            schema.add(relation, longer);
        } else {
            schema.add(relation.with_schema_name(longer()), || node.unique_id.to_string());
        }
    }
}

fn relation_origin(node: &ManifestNode) -> RelationOrigin {
    match node.source() {
        Some(source) => RelationOrigin::Source(source.source_name.clone()),
        None => RelationOrigin::Node {
            package: node.package.clone(),
            version: node.version.clone(),
        },
    }
}

impl KnownFacts {
    /// Returns the name under which the schema contains a node's relation. The schema must come from dbt's manifest.
    /// Empty if the schema does not contain the relation.
    pub(crate) fn relation_name(&self, node: &ManifestNode) -> &str {
        let longer = self.schema.relation(&node.distinguishing_name());
        let relation = longer.or_else(|| self.schema.relation(&node.name).filter(|_| node.is_latest()));
        relation.map_or("", Relation::schema_name)
    }
}

/// Returns whether a catalog is at least as new as the manifest. If so, a column that is missing from the catalog was
/// not added after the catalog was written.
fn is_current(catalog: &Catalog, manifest: &Manifest) -> bool {
    let listed = catalog.metadata.generated_at();
    listed
        .zip(manifest.metadata.generated_at())
        .is_some_and(|(listed, parsed)| listed >= parsed)
}

/// Returns the columns in the warehouse with their documentation, then the documented columns that are missing from the
/// catalog, because they may have been added later. If `is_current` is `true`, the catalog is complete, so these
/// columns are excluded.
fn relation_facts(
    node: &ManifestNode,
    (table, is_current): (Option<&CatalogTable>, bool),
    tests: &[DataTest<'_>],
    dialect: Dialect,
) -> RelationMetadata {
    let mut facts = RelationMetadata {
        name: node.name.to_string(),
        ..RelationMetadata::default()
    };
    if node.resource_type == ResourceType::Model {
        facts.access = node.access.as_deref().and_then(Access::from_name);
        facts.group = node.group.as_deref().map(str::to_owned);
    }
    facts.columns.extend(
        table
            .into_iter()
            .flat_map(|table| &table.columns)
            .map(|column| ColumnMetadata {
                name: column.name.to_string(),
                quoted: is_case_sensitive_name(&column.name, dialect),
                data_type: column.data_type.as_deref().map(str::to_owned),
                ..ColumnMetadata::default()
            }),
    );
    // An enforced contract lists all columns.
    facts.partial = table.is_none() && !node.contract_enforced;
    let holds = node.enforces_constraints();
    let is_whole = is_current && !node.contract_enforced && table.is_some_and(|table| !table.columns.is_empty());
    for column in &node.columns {
        // A catalog may list a struct without its fields.
        if is_whole && !column.name.contains('.') && facts.column_mut(&column.name).is_none() {
            continue;
        }
        add_column_documentation(&mut facts, column, table.is_some());
        for constraint in column.constraints.iter().filter(|_| holds) {
            add_constraint(&mut facts, constraint, std::slice::from_ref(&column.name));
        }
    }
    if node.resource_type == ResourceType::Seed {
        add_seed_types(&mut facts, node, (table.is_some(), is_whole));
    }
    for constraint in node.constraints.iter().filter(|_| holds) {
        add_constraint(&mut facts, constraint, &constraint.columns);
    }
    for test in tests.iter().filter(|test| test.proves_condition_for_all_rows()) {
        add_tested_properties(&mut facts, test);
    }
    facts
}

fn add_column_documentation(facts: &mut RelationMetadata, column: &NodeColumn, is_physical: bool) {
    if facts.column_mut(&column.name).is_none() {
        let quoted = column.quote == Some(true);
        facts.columns.push(ColumnMetadata {
            name: column.name.to_string(),
            quoted,
            ..ColumnMetadata::default()
        });
    }
    let Some(column_metadata) = facts.column_mut(&column.name) else {
        return;
    };
    if is_physical && !column_metadata.quoted {
        // Use the documented spelling of the name, because case is not significant.
        column_metadata.name = column.name.to_string();
    }
    column_metadata.description = (!column.description.is_empty()).then(|| column.description.to_string());
    column_metadata.data_type = column_metadata
        .data_type
        .take()
        .or_else(|| column.data_type.as_deref().map(str::to_owned));
    column_metadata.tags = column.tags.iter().map(ToString::to_string).collect();
}

/// Adds the types to which dbt casts the columns of a seed: its configuration `column_types`. The types in a catalog
/// take precedence.
fn add_seed_types(facts: &mut RelationMetadata, node: &ManifestNode, (has_catalog, is_whole): (bool, bool)) {
    let types = node.config.get("column_types").and_then(MetaValue::as_map);
    for (name, ty) in types.into_iter().flat_map(ValueFields::iter) {
        let Some(ty) = ty.as_str() else { continue };
        let name = &*unquote_column(name);
        if facts.column_mut(name).is_none() && !is_whole {
            facts.columns.push(ColumnMetadata {
                name: name.to_owned(),
                ..ColumnMetadata::default()
            });
        }
        if let Some(column) = facts
            .column_mut(name)
            .filter(|column| !has_catalog || column.data_type.is_none())
        {
            column.data_type = Some(ty.to_owned());
        }
    }
}

/// Adds a constraint to the metadata of its columns, for example that they are never NULL.
fn add_constraint(facts: &mut RelationMetadata, constraint: &Constraint, columns: &[Arc<str>]) {
    let mut each = |mark: fn(&mut ColumnMetadata)| {
        columns
            .iter()
            .for_each(|name| facts.column_mut(&unquote_column(name)).map(mark).unwrap_or_default());
    };
    match (constraint.kind, columns) {
        (ConstraintKind::NotNull, _) => each(|column| column.not_null = true),
        (ConstraintKind::PrimaryKey, _) => each(|column| column.key = true),
        (ConstraintKind::Unique, [_]) => each(|column| column.unique = true),
        (ConstraintKind::Unique, [_, _, ..]) => {
            facts
                .unique_together
                .push(columns.iter().map(ToString::to_string).collect());
        }
        _ => {}
    }
}

/// Adds to a relation's metadata the properties that a passing test proves, for example that a column is unique.
fn add_tested_properties(facts: &mut RelationMetadata, test: &DataTest<'_>) {
    if let TestCheck::UniqueTogether(names) = &test.check {
        facts
            .unique_together
            .push(names.iter().map(ToString::to_string).collect());
    }
    let Some(column) = test.column.as_deref().and_then(|name| facts.column_mut(name)) else {
        return;
    };
    match &test.check {
        TestCheck::NotNull => column.not_null = true,
        TestCheck::Unique => column.unique = true,
        TestCheck::AcceptedValues(values) => column.values = values.iter().map(MetaValue::to_string).collect(),
        _ => {}
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
