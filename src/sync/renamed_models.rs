//! Models that were renamed in their spec. Their new files keep the layout and the comments of the former files.

use std::collections::BTreeMap;

use super::manual_edits::ModelFileKind;
use super::merge_files::{TextChange, with_line_endings_of};
use super::merge_generated_file::merge_generated_file;
use super::plan::{ModelPlan, PlannedModel};
use super::reconcile::ModelVersions;
use super::state::normalize_line_endings;
use crate::dialect::Dialect;
use crate::yaml_edit::{Edit, Path, YamlValue, apply_edits};

/// Writes the new files of renamed models in the layout of the former files. `plans` contains the plans of `models`.
pub(super) fn restore_former_layout(models: &[PlannedModel<'_>], plans: &mut [ModelPlan]) {
    let mut former_models: BTreeMap<&str, ModelVersions<'_>> = BTreeMap::new();
    for former in models.iter().filter(|model| model.sides.ours.is_none()) {
        if let Some(base) = former.sides.bases.first() {
            former_models.entry(&base.spec).or_insert(former.sides);
        }
    }
    for (model, plan) in models.iter().zip(plans) {
        let sides = model.sides;
        let Some(ours) = sides.ours.filter(|_| sides.bases.is_empty()) else {
            continue;
        };
        if let Some(former) = former_models.get(ours.spec.as_str()) {
            let is_new = |file: &&mut TextChange| file.before.is_none() && ours.files.contains_key(&file.path);
            let new = plan.files.iter_mut().filter(is_new);
            let dialect = ours.compiled.dialect();
            new.for_each(|file| with_former_layout(file, (sides.model, dialect), *former));
        }
    }
}

/// Writes a new file in the layout of the former model's file of the same kind, if there is one.
fn with_former_layout(file: &mut TextChange, (model, dialect): (&str, Dialect), former: ModelVersions<'_>) {
    let kind = ModelFileKind::new(&file.path, model);
    let is_same_kind = |path: &&String| kind != ModelFileKind::Test && ModelFileKind::new(path, former.model) == kind;
    let layout = || {
        let base = former.bases.first()?;
        let path = base.files.keys().find(is_same_kind)?;
        let theirs = former.files.get(path)?;
        let texts = [base.files.get(path)?.clone(), normalize_line_endings(theirs)];
        let [base, text] = match kind {
            ModelFileKind::Properties => [
                with_model_name(&texts[0], former.model, model)?,
                with_model_name(&texts[1], former.model, model)?,
            ],
            _ => texts,
        };
        let texts = [base.as_str(), file.after.as_deref()?, text.as_str()];
        let merged = merge_generated_file(&file.path, model, dialect, texts)?;
        with_line_endings_of(Some(merged), Some(theirs))
    };
    if let Some(text) = layout() {
        file.after = Some(text);
    }
}

/// Returns a properties file in which a model has a new name.
fn with_model_name(text: &str, before: &str, after: &str) -> Option<String> {
    let rename = Edit::Set {
        at: Path::root().key("models").item("name", before).key("name"),
        value: YamlValue::text(after),
        after: Vec::new(),
    };
    apply_edits(text, &[rename]).ok()
}
