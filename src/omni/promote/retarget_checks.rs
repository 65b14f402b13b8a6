//! Checks whether an Omni field can read a model's column without changing the field's values.

use super::retarget::TargetModel;
use crate::model::CompiledSpec;
use crate::schema::{OmniFieldKind, OmniRelationship, ParsedOmniModel, ParsedOmniView, ViewField};

/// Reason why a field or query view cannot read a model.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetargetError {
    /// Reason, without a final period.
    pub reason: String,
    /// Instruction for the user. Once the user has followed it, the field can read the model. `None` if the values of
    /// the field would always be different.
    pub remedy: Option<String>,
    /// Alternative to the field, as an instruction.
    pub alternative: Option<String>,
}

impl RetargetError {
    /// Creates an error without an instruction, because the values would always be different.
    pub(super) fn without_remedy(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            remedy: None,
            alternative: None,
        }
    }

    /// Creates an error that an instruction resolves.
    #[must_use]
    pub fn with_remedy(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..Self::without_remedy(reason)
        }
    }

    /// Returns the instruction that the user can follow.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.remedy.as_deref().or(self.alternative.as_deref())
    }
}

#[cold]
pub(super) fn missing_field_error() -> RetargetError {
    RetargetError::without_remedy("the view does not have this field")
}

/// Checks that the model has exactly one row for each row of the view.
pub(super) fn check_same_grain(
    view: &ParsedOmniView,
    target_model: &TargetModel,
    compiled: &CompiledSpec,
    field: &ViewField,
) -> Result<(), RetargetError> {
    let (view_key, grain) = (sorted_names(&view.key), sorted_names(compiled.key()));
    if view_key.is_empty() {
        return Err(RetargetError::without_remedy(format!(
            "the view `{}` has no primary key, so its rows cannot be identified",
            view.name
        )));
    }
    if view_key == grain {
        return Ok(());
    }
    let grain_note = if grain.is_empty() {
        "a single row".to_owned()
    } else {
        format!("one row per `{}`", grain.join(", "))
    };
    let reason = format!(
        "`{}` has {grain_note}, but `{}.{}` can be grouped by all fields of `{}`, so the values of the field would be wrong",
        target_model.name, view.name, field.name, view.name
    );
    Err(RetargetError {
        alternative: Some(format!(
            "query the view of `{}` if its grain is sufficient",
            target_model.name
        )),
        ..RetargetError::without_remedy(reason)
    })
}

/// Returns the names in lower case and in alphabetical order.
fn sorted_names(names: &[String]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    names.sort();
    names
}

/// Checks that a relationship joins the view to one row of the model.
pub(super) fn check_relationship(
    model: &ParsedOmniModel<'_>,
    index: usize,
    target_view: usize,
) -> Result<(), RetargetError> {
    let joins = |join: &&OmniRelationship| {
        let (from, to) = (model.view(&join.from), model.view(&join.to));
        let finds_one = match join.cardinality.as_str() {
            "one_to_one" => {
                (from, to) == (Some(index), Some(target_view)) || (from, to) == (Some(target_view), Some(index))
            }
            "many_to_one" => (from, to) == (Some(index), Some(target_view)),
            _ => false,
        };
        finds_one && join.on.is_some()
    };
    let (Some(view), Some(made_view)) = (model.views.get(index), model.views.get(target_view)) else {
        return Err(missing_field_error());
    };
    match model.relationships.iter().find(joins) {
        Some(_) => Ok(()),
        None => Err(RetargetError::with_remedy(
            format!(
                "there is no relationship from `{}` to one row of `{}`",
                view.name, made_view.name
            ),
            format!("add a relationship on {}", sorted_names(&view.key).join(", ")),
        )),
    }
}

/// Checks that a second aggregation of the column does not change the values of the field.
pub(super) fn check_aggregation(field: &ViewField) -> Result<(), RetargetError> {
    if field.kind != OmniFieldKind::Measure {
        return Ok(());
    }
    match field.text("aggregate_type") {
        Some("sum" | "min" | "max" | "count") => Ok(()),
        Some(kind) => Err(RetargetError::without_remedy(format!(
            "`{kind}` of already aggregated values would be a different number"
        ))),
        None => Err(RetargetError::without_remedy(
            "the SQL already aggregates, and a second aggregation gives a different number",
        )),
    }
}
