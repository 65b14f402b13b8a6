//! Redefines an Omni field to read the model column that replaces it.
//!
//! A field is changed only if its values remain the same. In Omni, a field can be grouped by any dimension of its view,
//! but a model column has only one value per row of the model's grain. The grain must therefore be the view's own key,
//! and a second aggregation of the column must not change the result. For example, a sum of sums is a sum. A query view
//! has the same rows as the model and reads them directly.

use super::omni_model::{FieldKind, OmniViewSource, ParsedOmniModel, Relationship, ViewField, ViewRowSource};
use super::provenance::promoted_specs;
use super::request::{is_computed, query_fields};
use crate::model::CompiledSpec;
use crate::yaml::Node;
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits};

/// Field or query view that will read a model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetargetedItem {
    /// Path of the Omni file.
    pub file: String,
    /// Name of the field. `None` for a query view.
    pub field: Option<String>,
}

impl RetargetedItem {
    /// Selects a field in a file or, if `field` is `None`, the query view in the file.
    #[must_use]
    pub fn new(file: &str, field: Option<&str>) -> Self {
        Self {
            file: file.to_owned(),
            field: field.map(str::to_owned),
        }
    }
}

/// Model that replaces a field or query view.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetModel {
    /// Index of the spec that defines the model.
    pub spec: usize,
    /// Name of the model.
    pub name: String,
    /// Column that replaces the field. `None` for a query view.
    pub column: Option<String>,
    /// Name that the promoted field or view has in Omni.
    pub from: String,
    has_gaps: bool,
    /// Whether the spec filters or limits rows.
    is_filtered: bool,
}

/// Changed file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetargetedFile {
    /// Path of the file.
    pub file: String,
    /// New text of the file.
    pub text: String,
    /// Description of the change for the user.
    pub what: String,
}

impl TargetModel {
    /// Uses the promotion records in the specs to find the model that replaces a field.
    ///
    /// # Errors
    ///
    /// Returns an error if no spec or several specs were promoted from the field.
    pub fn find(specs: &[(String, String)], omni: &[(String, String)], what: &RetargetedItem) -> Result<Self, String> {
        let (model, _) = ParsedOmniModel::read(omni);
        let place = file_index(&model, &what.file)?;
        let view = model.views.get(place).ok_or("the view does not exist")?;
        let from = match &what.field {
            Some(field) if view.rows != ViewRowSource::Query || model.field(place, field).is_some_and(is_computed) => {
                format!("{}.{field}", model.name_of(place))
            }
            _ => view.name.clone(),
        };
        let found = promoted_specs(specs, &from);
        let of_model = |(spec, root, column): (usize, Node, Option<String>)| {
            let name = root.get("model").and_then(Node::text)?.to_owned();
            let has_gaps = specs
                .get(spec)
                .is_some_and(|(_, text)| text.contains(", not converted: "));
            let is_filtered = has_filters_or_limit(&root);
            Some(Self {
                spec,
                name,
                column,
                from: from.clone(),
                has_gaps,
                is_filtered,
            })
        };
        let mut found: Vec<Self> = found.into_iter().filter_map(of_model).collect();
        match (found.len(), found.pop()) {
            (1, Some(one)) => Ok(one),
            (0, _) => Err(format!(
                "no spec was promoted from `{from}`: none has `promoted_from: {from}`"
            )),
            _ => Err(format!(
                "several specs were promoted from `{from}`; remove `promoted_from` from all but one"
            )),
        }
    }
}

/// Changes the field so that it reads the model's column, and returns the changed file.
///
/// # Errors
///
/// Returns an error with the reason if the result would differ.
pub fn repoint(
    omni: &[(String, String)],
    what: &RetargetedItem,
    taken_by: &TargetModel,
    compiled: &CompiledSpec,
) -> Result<RetargetedFile, String> {
    let (model, _) = ParsedOmniModel::read(omni);
    let place = file_index(&model, &what.file)?;
    let view = model.views.get(place).ok_or("the view does not exist")?;
    let made = model
        .views
        .iter()
        .position(|view| view.rows == ViewRowSource::Table && view.table.eq_ignore_ascii_case(&taken_by.name));
    let Some(made) = made else {
        return Err(format!(
            "no Omni view reads `{}` yet: `formulac pull` writes a view when the model is in dbt's manifest",
            taken_by.name
        ));
    };
    let made_view = model.views.get(made).ok_or("the view does not exist")?;
    if taken_by.has_gaps {
        return Err("the spec has gaps, so the model lacks a part of the query".to_owned());
    }
    let (edits, done) = match &taken_by.column {
        None => retarget_query_view(&model, place, made_view, taken_by, compiled)?,
        Some(column) => {
            let field = what.field.as_deref().and_then(|name| model.field(place, name));
            let field = field.ok_or("the view does not have this field")?;
            model
                .field(made, column)
                .ok_or_else(|| format!("the view `{}` has no `{column}`", made_view.name))?;
            if taken_by.is_filtered {
                return Err(format!(
                    "`{}` removes rows with `where`, `having` or `limit`, but the field does not",
                    taken_by.name
                ));
            }
            let path = if field.kind == FieldKind::Measure {
                "measures"
            } else {
                "dimensions"
            };
            let path = Path::root().key(path).key(&field.name);
            let reference = format!("${{{}.{column}}}", reference_name(&model, made));
            check_same_grain(&model, place, made, taken_by, compiled, field)?;
            let edits = retarget_field(field, &path, &reference)?;
            (edits, format!("{} reads {reference}", taken_by.from))
        }
    };
    let (_, text) = omni
        .iter()
        .find(|(path, _)| *path == what.file)
        .ok_or("the file does not exist")?;
    let text =
        apply_edits(text, &edits).map_err(|refusal| format!("the file cannot be changed in place: {refusal}"))?;
    let file = model
        .files
        .get(view.file)
        .map(|file| file.path.to_owned())
        .unwrap_or_default();
    Ok(RetargetedFile { file, text, what: done })
}

/// Returns whether a spec filters rows or groups, or limits the number of rows.
fn has_filters_or_limit(root: &Node) -> bool {
    let steps = root.get("steps").and_then(Node::items).unwrap_or_default();
    let mut parts = steps.iter().chain([root]);
    parts.any(|part| ["where", "having", "limit"].iter().any(|key| part.get(key).is_some()))
}

fn file_index(model: &ParsedOmniModel<'_>, file: &str) -> Result<usize, String> {
    let place = model
        .views
        .iter()
        .position(|view| model.files.get(view.file).is_some_and(|it| it.path == file));
    place.ok_or_else(|| format!("only fields in view files can read columns, and `{file}` is not a view file"))
}

/// Returns the name by which other views refer to a view. If the file of the view does not contain this name, the name
/// includes the schema if a relationship does so.
fn reference_name(model: &ParsedOmniModel<'_>, place: usize) -> String {
    let Some(names) = model.names.names_of(place) else {
        return String::new();
    };
    let mut joins = model.relationships.iter();
    let is_full = names.is_certain || joins.any(|join| join.to == names.full || join.from == names.full);
    if is_full {
        names.full.clone()
    } else {
        names.short.clone()
    }
}

fn retarget_query_view(
    model: &ParsedOmniModel<'_>,
    place: usize,
    made: &OmniViewSource,
    taken_by: &TargetModel,
    compiled: &CompiledSpec,
) -> Result<(Vec<Edit>, String), String> {
    let file = model
        .views
        .get(place)
        .and_then(|view| model.files.get(view.file))
        .ok_or("the view does not exist")?;
    let query = file.root.get("query").ok_or("the view is not a query view")?;
    let calculations = query.get("calculations").and_then(Node::pairs).unwrap_or_default();
    let columns = query_fields(query).into_iter().filter_map(|(_, column)| column);
    for column in columns.chain(calculations.iter().filter_map(|(name, _)| name.text())) {
        let is_named = query_fields(query)
            .iter()
            .any(|(field, named)| *field == column && named.is_some());
        if !is_named
            && !compiled
                .columns()
                .iter()
                .any(|it| it.name().eq_ignore_ascii_case(column))
        {
            return Err(format!(
                "the query view has a column `{column}`, but the model does not"
            ));
        }
    }
    let set = |key: &str, value: &str| Edit::Set {
        at: Path::root().key(key),
        value: YamlValue::text(value),
        after: vec!["schema".to_owned()],
    };
    let of_table = [("catalog", &made.catalog), ("schema", &made.schema)];
    let of_table = of_table
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let mut edits: Vec<Edit> = of_table.map(|(key, value)| set(key, value)).collect();
    edits.push(set("table_name", &made.table_name));
    edits.push(Edit::Remove {
        at: Path::root().key("query"),
    });
    Ok((edits, format!("{} reads the rows of {}", taken_by.from, taken_by.name)))
}

/// Checks that the model has exactly one row for each row of the view, and that a relationship joins the view to the
/// model.
fn check_same_grain(
    model: &ParsedOmniModel<'_>,
    place: usize,
    made: usize,
    taken_by: &TargetModel,
    compiled: &CompiledSpec,
    field: &ViewField,
) -> Result<(), String> {
    let view = model.views.get(place).ok_or("the view does not exist")?;
    let lower = |names: &[String]| {
        let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        names.sort();
        names
    };
    let (own, grain) = (lower(&view.key), lower(compiled.key()));
    if own.is_empty() {
        return Err(format!(
            "the view `{}` has no primary key, so its rows cannot be identified",
            view.name
        ));
    }
    if own != grain {
        let known = if grain.is_empty() {
            "a single row".to_owned()
        } else {
            format!("one row per `{}`", grain.join(", "))
        };
        return Err(format!(
            "`{}` has {known}, but `{}.{}` can be grouped by all fields of `{}`, so the values of the field would be \
             wrong. Query \
             the view of `{}` if its grain is sufficient",
            taken_by.name, view.name, field.name, view.name, taken_by.name
        ));
    }
    let made_view = model.views.get(made).ok_or("the view does not exist")?;
    let joins = |join: &&Relationship| {
        let (from, to) = (model.view(&join.from), model.view(&join.to));
        let finds_one = match join.cardinality.as_str() {
            "one_to_one" => (from, to) == (Some(place), Some(made)) || (from, to) == (Some(made), Some(place)),
            "many_to_one" => (from, to) == (Some(place), Some(made)),
            _ => false,
        };
        finds_one && join.on.is_some()
    };
    match model.relationships.iter().find(joins) {
        Some(_) => Ok(()),
        None => Err(format!(
            "there is no relationship from `{}` to one row of `{}`: add one on {}",
            view.name,
            made_view.name,
            own.join(", ")
        )),
    }
}

fn retarget_field(field: &ViewField, path: &Path, reference: &str) -> Result<Vec<Edit>, String> {
    let set = |key: &str, value: &str| Edit::Set {
        at: path.clone().key(key),
        value: YamlValue::text(value),
        after: vec!["sql".to_owned()],
    };
    let mut edits = vec![set("sql", reference)];
    if field.kind == FieldKind::Measure {
        match field.text("aggregate_type") {
            Some("sum" | "min" | "max") => {}
            Some("count") => edits.push(set("aggregate_type", "sum")),
            Some(kind) => {
                return Err(format!(
                    "`{kind}` of already aggregated values would be a different number, so the field is unchanged"
                ));
            }
            None => {
                return Err(
                    "the SQL already aggregates, and a second aggregation gives a different number; the field is \
                     unchanged"
                        .to_owned(),
                );
            }
        }
    }
    let gone = ["filters", "groups", "else", "bin_boundaries", "custom_primary_key_sql"];
    let gone = gone.into_iter().filter(|key| field.node.get(key).is_some());
    edits.extend(gone.map(|key| Edit::Remove {
        at: path.clone().key(key),
    }));
    Ok(edits)
}
