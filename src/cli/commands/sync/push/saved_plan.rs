//! Plans that `plan -o` saves and a later push applies.

use std::path::{Path, PathBuf};

use formulac::sync::Plan;
use serde_json::{Value, json};

use crate::cli::args::Selection;
use crate::cli::exit::{Exit, Failure};
use crate::cli::json;
use crate::cli::source::SourceText;

/// Returns a plan as JSON for a later push, including the selection that the plan covers. Effects are omitted, because
/// they depend on dbt's manifest, which does not influence the push.
pub fn saved_plan_json(plan: &Plan, selection: &Selection) -> Value {
    let mut saved = plan.json();
    let models = saved
        .get_mut("models")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten();
    for model in models.filter_map(Value::as_object_mut) {
        model.remove("effects");
    }
    if let (false, Value::Object(fields)) = (selection.selects_all_models(), &mut saved) {
        let Selection { select, exclude, state } = selection;
        fields.insert(
            "selection".to_owned(),
            json!({"select": select, "exclude": exclude, "state": state}),
        );
    }
    saved
}

/// Returns the selection of a saved plan.
pub fn saved_selection(plan: &Value) -> Selection {
    let selection = &plan["selection"];
    let texts = |key: &str| {
        selection[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
    };
    Selection {
        select: texts("select").collect(),
        exclude: texts("exclude").collect(),
        state: selection["state"].as_str().map(PathBuf::from),
    }
}

/// Reads a plan.
pub fn read_saved_plan(path: &Path) -> Result<Value, Failure> {
    let source = SourceText::read_with_size_limit(path, usize::MAX >> 1);
    if source.fault.is_some() {
        return Err(Failure::from_source(source));
    }
    let saved: Value = serde_json::from_str(&source.text).unwrap_or_default();
    if saved.get("formulac_plan").is_none() {
        return Err(Failure::new(Exit::Usage, format!("`{}` is not a plan", path.display()))
            .with_help("run `formulac plan -o FILE` to write one"));
    }
    Ok(saved)
}

/// Returns an error if a saved plan differs from the plan that would be computed now.
pub fn require_same_plan(path: &Path, saved: &Value, now: &Value) -> Result<(), Failure> {
    if *saved == json!(json::VersionedJson::from_object(now)) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Conflict,
        format!(
            "`{}` is out of date: something has changed since it was written",
            path.display()
        ),
    )
    .with_help("check `formulac plan`, and save the plan again"))
}
