//! Redefines an Omni field to read the model column that replaces it.
//!
//! A field is changed only if its values remain the same. In Omni, a field can be grouped by any dimension of its view,
//! but a model column has only one value per row of the model's grain. The grain must therefore be the view's own key,
//! and a second aggregation of the column must not change the result. For example, a sum of sums is a sum. A query view
//! has the same rows as the model and reads them directly.

use super::omni_model::read_model;
use super::provenance::PromotedSpecs;
use super::request::{fields_of_query, is_computed_from_query};
use super::retarget_checks::{
    RetargetError, check_aggregation, check_relationship, check_same_grain, missing_field_error,
};
use crate::model::CompiledSpec;
use crate::schema::{OmniFieldKind, OmniRowSource, ParsedOmniModel, ParsedOmniView, ViewField};
use crate::yaml::Node;
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits};

/// Field or query view that will read a model.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetargetSource {
    /// Path of the Omni file.
    pub file: String,
    /// Name of the field. `None` for a query view.
    pub field: Option<String>,
}

impl RetargetSource {
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
    pub fn find(
        specs: &[(String, String)],
        omni: &[(String, String)],
        retarget_source: &RetargetSource,
    ) -> Result<Self, RetargetError> {
        Self::find_in(specs, &PromotedSpecs::read(specs), &read_model(omni).0, retarget_source)
    }

    fn find_in(
        specs: &[(String, String)],
        promoted: &PromotedSpecs,
        model: &ParsedOmniModel<'_>,
        retarget_source: &RetargetSource,
    ) -> Result<Self, RetargetError> {
        let (mut target_models, from) = Self::find_all(specs, promoted, model, retarget_source)?;
        match (target_models.len(), target_models.pop()) {
            (1, Some(target_model)) => Ok(target_model),
            (0, _) => Err(RetargetError::with_remedy(
                format!("no spec was promoted from `{from}`"),
                format!("add `promoted_from: {from}` to the `meta` of the column"),
            )),
            _ => Err(Self::several_models_error(&from)),
        }
    }

    fn several_models_error(from: &str) -> RetargetError {
        RetargetError::with_remedy(
            format!("several specs were promoted from `{from}`"),
            "remove `promoted_from` from all but one of these specs",
        )
    }

    /// Returns the edits that make a field read the model of a spec that was promoted from the field. If several specs
    /// were promoted from the field, returns an error: the reason why the field can never read this model or, if there
    /// is none, a request to remove `promoted_from` from all but one of these specs.
    pub(super) fn edits_to_read_spec_model(
        spec: usize,
        specs: &[(String, String)],
        promoted: &PromotedSpecs,
        model: &ParsedOmniModel<'_>,
        retarget_source: &RetargetSource,
        compiled: &CompiledSpec,
    ) -> Result<(Vec<Edit>, String), RetargetError> {
        let (target_models, from) = Self::find_all(specs, promoted, model, retarget_source)?;
        let is_alone = target_models.len() == 1;
        let Some(target_model) = target_models.into_iter().find(|target| target.spec == spec) else {
            return Err(Self::several_models_error(&from));
        };
        match retarget_edits(model, retarget_source, &target_model, compiled) {
            Err(error) if is_alone || error.remedy.is_none() => Err(error),
            _ if !is_alone => Err(Self::several_models_error(&from)),
            edits => edits,
        }
    }

    /// Returns the models of all specs that were promoted from a field or query view, and the name of that field or
    /// view in Omni.
    fn find_all(
        specs: &[(String, String)],
        promoted: &PromotedSpecs,
        model: &ParsedOmniModel<'_>,
        retarget_source: &RetargetSource,
    ) -> Result<(Vec<Self>, String), RetargetError> {
        let (view_index, view) = view_of_file(model, &retarget_source.file)?;
        let from = match &retarget_source.field {
            Some(field)
                if view.rows != OmniRowSource::Query
                    || model.field(view_index, field).is_some_and(is_computed_from_query) =>
            {
                format!("{}.{field}", model.view_reference_name(view_index))
            }
            _ => view.name.clone(),
        };
        let of_model = |(spec, root, column): (usize, &Node, Option<&str>)| {
            let name = root.text_at("model")?.to_owned();
            let has_gaps = specs
                .get(spec)
                .is_some_and(|(_, text)| text.contains(", not converted: "));
            let is_filtered = has_filters_or_limit(root);
            Some(Self {
                spec,
                name,
                column: column.map(str::to_owned),
                from: from.clone(),
                has_gaps,
                is_filtered,
            })
        };
        let target_models = promoted.promoted_from(&from).filter_map(of_model).collect();
        Ok((target_models, from))
    }
}

/// Changes the field so that it reads the model's column, and returns the changed file.
///
/// # Errors
///
/// Returns an error with the reason if the result would differ, or if a view or relationship is missing.
pub fn repoint(
    omni: &[(String, String)],
    retarget_source: &RetargetSource,
    target_model: &TargetModel,
    compiled: &CompiledSpec,
) -> Result<RetargetedFile, RetargetError> {
    let (model, _) = read_model(omni);
    let (edits, description) = retarget_edits(&model, retarget_source, target_model, compiled)?;
    let (path, text) = omni
        .iter()
        .find(|(path, _)| *path == retarget_source.file)
        .ok_or_else(|| RetargetError::without_remedy("the file does not exist"))?;
    let text = apply_edits(text, &edits).map_err(|error| {
        RetargetError::with_remedy(
            format!("the file cannot be changed in place: {error}"),
            "change the layout of the file",
        )
    })?;
    Ok(RetargetedFile {
        file: path.clone(),
        text,
        what: description,
    })
}

/// Returns the edits to the file, and a description of the change. The values are compared first, because a difference
/// in values cannot be resolved.
fn retarget_edits(
    model: &ParsedOmniModel<'_>,
    retarget_source: &RetargetSource,
    target_model: &TargetModel,
    compiled: &CompiledSpec,
) -> Result<(Vec<Edit>, String), RetargetError> {
    let (view_index, view) = view_of_file(model, &retarget_source.file)?;
    let field = match (&target_model.column, retarget_source.field.as_deref()) {
        (Some(_), Some(name)) => Some(model.field(view_index, name).ok_or_else(missing_field_error)?),
        (Some(_), None) => return Err(missing_field_error()),
        (None, _) => None,
    };
    if let Some(field) = field {
        if target_model.is_filtered {
            return Err(RetargetError::without_remedy(format!(
                "`{}` removes rows with `where`, `having` or `limit`, but the field does not",
                target_model.name
            )));
        }
        check_same_grain(view, target_model, compiled, field)?;
        check_aggregation(field)?;
    }
    if target_model.has_gaps {
        return Err(RetargetError::with_remedy(
            "the spec has gaps, so the model lacks a part of the query",
            "complete the spec and remove its `# gap:` lines",
        ));
    }
    let Some((target_index, made_view)) = model.views_of_table(&target_model.name).next() else {
        return Err(RetargetError::with_remedy(
            format!("no Omni view reads `{}` yet", target_model.name),
            format!("build `{}` with dbt and run `formulac pull`", target_model.name),
        ));
    };
    let (Some(column), Some(field)) = (&target_model.column, field) else {
        return retarget_query_view(model, view, made_view, target_model, compiled);
    };
    if model.field(target_index, column).is_none() {
        return Err(RetargetError::with_remedy(
            format!("the view `{}` has no `{column}`", made_view.name),
            format!("build `{}` with dbt and run `formulac pull`", target_model.name),
        ));
    }
    check_relationship(model, view_index, target_index)?;
    let path = if field.kind == OmniFieldKind::Measure {
        "measures"
    } else {
        "dimensions"
    };
    let path = Path::root().key(path).key(&field.name);
    let reference = format!("${{{}.{column}}}", reference_name(model, target_index));
    let edits = retarget_field(field, &path, &reference);
    Ok((edits, format!("{} reads {reference}", target_model.from)))
}

/// Returns whether a spec filters rows or groups, or limits the number of rows.
fn has_filters_or_limit(root: &Node) -> bool {
    let steps = root.items_at("steps");
    let mut parts = steps.iter().chain([root]);
    parts.any(|part| ["where", "having", "limit"].iter().any(|key| part.get(key).is_some()))
}

/// Returns the view that a file defines, with its index.
fn view_of_file<'m>(model: &'m ParsedOmniModel<'_>, file: &str) -> Result<(usize, &'m ParsedOmniView), RetargetError> {
    let number = model.files.iter().position(|other| other.path == file);
    let index = number.and_then(|number| model.view_in_file(number));
    let view = index.and_then(|index| Some((index, model.views.get(index)?)));
    view.ok_or_else(|| {
        RetargetError::without_remedy(format!(
            "only fields in view files can read columns, and `{file}` is not a view file"
        ))
    })
}

/// Returns the name by which other views refer to a view. If the file of the view does not contain this name, a
/// relationship determines whether the name includes the schema.
fn reference_name(model: &ParsedOmniModel<'_>, index: usize) -> String {
    let Some(names) = model.names.names_of_view(index) else {
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
    view: &ParsedOmniView,
    view_source: &ParsedOmniView,
    target_model: &TargetModel,
    compiled: &CompiledSpec,
) -> Result<(Vec<Edit>, String), RetargetError> {
    let query = model.files.get(view.file).and_then(|file| file.root.get("query"));
    let query = query.ok_or_else(|| RetargetError::without_remedy("the view is not a query view"))?;
    let calculations = query.pairs_at("calculations");
    let columns = fields_of_query(query).into_iter().filter_map(|(_, column)| column);
    for column in columns.chain(calculations.iter().filter_map(|(name, _)| name.text())) {
        let is_named = fields_of_query(query)
            .iter()
            .any(|(field, table)| *field == column && table.is_some());
        if !is_named
            && !compiled
                .columns()
                .iter()
                .any(|output_column| output_column.name().eq_ignore_ascii_case(column))
        {
            return Err(RetargetError::with_remedy(
                format!("the query view has a column `{column}`, but the model does not"),
                format!("add a definition `{column}` to the spec"),
            ));
        }
    }
    let set = |key: &str, value: &str| Edit::Set {
        at: Path::root().key(key),
        value: YamlValue::text(value),
        after: vec!["schema".to_owned()],
    };
    let of_table = [
        ("catalog", &view_source.table.catalog),
        ("schema", &view_source.table.schema),
    ];
    let of_table = of_table
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let mut edits: Vec<Edit> = of_table.map(|(key, value)| set(key, value)).collect();
    edits.push(set("table_name", &view_source.table.table_name));
    edits.push(Edit::Remove {
        at: Path::root().key("query"),
    });
    Ok((
        edits,
        format!("{} reads the rows of {}", target_model.from, target_model.name),
    ))
}

/// Returns the edits to a field whose values stay the same.
fn retarget_field(field: &ViewField, path: &Path, reference: &str) -> Vec<Edit> {
    let set = |key: &str, value: &str| Edit::Set {
        at: path.clone().key(key),
        value: YamlValue::text(value),
        after: vec!["sql".to_owned()],
    };
    let mut edits = vec![set("sql", reference)];
    if field.kind == OmniFieldKind::Measure && field.text("aggregate_type") == Some("count") {
        edits.push(set("aggregate_type", "sum"));
    }
    let removed = ["filters", "groups", "else", "bin_boundaries", "custom_primary_key_sql"];
    let removed = removed.into_iter().filter(|key| field.node.get(key).is_some());
    edits.extend(removed.map(|key| Edit::Remove {
        at: path.clone().key(key),
    }));
    edits
}
