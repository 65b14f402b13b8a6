//! Manual edits to the structure of the SQL in models built on metric sets: conditions that restrict the rows of a
//! metric set in one model, and columns that are computed from its metrics.

use super::candidates::SpecWithStructureEdit;
use super::conditions::CONDITION_PLACEHOLDER_COLUMN;
use super::spec_edits::{edits_that_remove_output_keys, last_step, with_definition};
use crate::decompile::{DecompiledFormula, EditedDefinitionSource, EditedModel, with_relations};
use crate::manual_edits::ManualEdit;
use crate::model::ColumnLineage;
use crate::model_reconciler::ModelReconciler;
use crate::yaml_edit::{CollectionStyle, Edit, Path, YamlValue, apply_edits, parse_value};

impl ModelReconciler<'_> {
    /// Returns whether a metric set defines the SQL that an edit to the structure changes, so that the edit is a
    /// conflict.
    pub fn is_metric_set_edit(&self, edit: &ManualEdit) -> bool {
        let edited = self.edited_model.zip(edit.position.as_ref());
        edited.is_some_and(|(edited, position)| edited.metric_set_edit(self.tools.decompiler, position).is_some())
    }

    /// Returns versions of a model's spec in which the condition of its only metric set, or of one of its metric sets,
    /// is replaced.
    pub fn with_metric_set_condition(&self, condition: &str) -> Vec<SpecWithStructureEdit> {
        let source = &self.ours.source;
        let sets: Vec<(String, String)> = self
            .ours
            .compiled
            .metric_set_files()
            .filter_map(|(_, text)| metric_set_rows_spec(text))
            .collect();
        let Some((at, step)) = parse_value(source)
            .as_ref()
            .and_then(step_with_metrics)
            .map(|(at, step)| (at, step.clone()))
        else {
            return Vec::new();
        };
        let mut specs = Vec::new();
        for (set, rows) in &sets {
            let found_formula = self
                .formula_over_rows_of_spec(rows, condition)
                .map(|formula| formula.or_else(|error| self.formula_without_joins(rows, condition).ok_or(error)));
            let DecompiledFormula { formula, rewritten, .. } = match found_formula {
                Some(Ok(found)) => found,
                Some(Err(error)) => {
                    specs.push(Err(error));
                    continue;
                }
                None => continue,
            };
            let text = YamlValue::text(formula);
            let edit = match (step.get("where"), sets.len()) {
                (Some(YamlValue::Map(..)), _) => set_key(at.clone().key("where").key(set), text),
                (_, 1) => set_key(at.clone().key("where"), text),
                (None, _) => {
                    let map = YamlValue::Map(vec![(set.clone(), text)], CollectionStyle::Flow);
                    set_key(at.clone().key("where"), map)
                }
                (Some(_), _) => continue,
            };
            specs.extend(apply_edits(source, &[edit]).ok().map(|spec| Ok((spec, rewritten))));
        }
        specs
    }

    /// Returns the formula for a condition on the rows of a metric set, for SQL that omits unused joins. The names in
    /// the formula are qualified, because a joined relation may have columns with the same names.
    fn formula_without_joins(&self, rows: &str, condition: &str) -> Option<DecompiledFormula> {
        let at = Path::root().key("joins");
        let rows = apply_edits(rows, &[Edit::Remove { at }]).ok()?;
        let mut formula = self.formula_over_rows_of_spec(&rows, condition)?.ok()?;
        let spec = with_definition(&rows, CONDITION_PLACEHOLDER_COLUMN, &formula.formula)?;
        let lineage = self.tools.compile(&self.ours.spec, &spec)?.compiled.lineage();
        let sources = lineage.iter().flat_map(ColumnLineage::sources);
        let columns: Vec<(&str, &str)> = sources.map(|source| (source.column(), source.relation())).collect();
        formula.formula = with_relations(&formula.formula, &columns);
        Some(formula)
    }

    /// Adds a definition for an added column to the spec of a model built on metric sets, and returns the spec.
    pub fn with_metric_column(&self, name: &str, text: &str) -> Option<SpecWithStructureEdit> {
        let source = &self.ours.source;
        let listed = self.edited_model?.first_listed_metric()?;
        let before = with_definition(source, name, &format!("{listed} * 7919"))?;
        let path = Some(self.ours.spec.as_str());
        let decompiler = self.tools.decompiler;
        let edited = EditedModel::new(self.tools.compiler, &before, path, text)?;
        let EditedDefinitionSource::Model(formulas) = edited.find_source_of_edited_column(decompiler, None, name)?
        else {
            return None;
        };
        let column = (None, name);
        let formula =
            formulas.and_then(|formulas| edited.first_matching_formula(decompiler, &before, None, column, &formulas));
        Some(match formula {
            Ok(found_formula) => Ok((
                with_definition(source, name, &found_formula.formula)?,
                found_formula.rewritten,
            )),
            Err(error) => Err(error),
        })
    }
}

/// Returns the spec in which a metric that the last step lists has a different name. `None` if the step does not list
/// the metric under the old name.
pub(super) fn with_renamed_metric(source: &str, old: &str, new: &str) -> Option<String> {
    let root = parse_value(source)?;
    let (path, step) = last_step(&root)?;
    let Some(YamlValue::List(metrics, _)) = step.get("metrics") else {
        return None;
    };
    let metric_of = |listed: &YamlValue| match listed {
        YamlValue::Map(pairs, _) => match pairs.as_slice() {
            [(name, metric)] if name == old => Some(metric.clone()),
            _ => None,
        },
        listed => {
            let (_, name) = listed.as_text()?.rsplit_once('.')?;
            (name == old).then(|| listed.clone())
        }
    };
    let (number, metric) = metrics
        .iter()
        .enumerate()
        .find_map(|(number, listed)| Some((number, metric_of(listed)?)))?;
    let edit = Edit::Set {
        at: path.key("metrics").position(number),
        value: YamlValue::Map(vec![(new.to_owned(), metric)], CollectionStyle::Flow),
        after: Vec::new(),
    };
    apply_edits(source, &[edit]).ok()
}

fn set_key(path: Path, value: YamlValue) -> Edit {
    let after = ["metrics"].map(str::to_owned).to_vec();
    Edit::Set { at: path, value, after }
}

/// Returns the path of the step that lists metrics, and its value. `None` if the step has no name.
fn step_with_metrics(root: &YamlValue) -> Option<(Path, &YamlValue)> {
    let Some(YamlValue::List(steps, _)) = root.get("steps") else {
        return Some((Path::root(), root));
    };
    let step = steps.first()?;
    let name = step.get("name").and_then(YamlValue::as_text)?;
    Some((Path::root().key("steps").item("name", name), step))
}

/// Returns the name of a metric set, and a spec that selects its rows. `None` if the metric set has no rows of its own.
fn metric_set_rows_spec(text: &str) -> Option<(String, String)> {
    let root = parse_value(text)?;
    let name = root.get("metric_set").and_then(YamlValue::as_text)?;
    root.get("from")?;
    let model = Edit::Set {
        at: Path::root().key("model"),
        value: YamlValue::text(format!("rows_of_{name}")),
        after: Vec::new(),
    };
    let mut edits = edits_that_remove_output_keys(&Path::root(), &root);
    edits.push(model);
    Some((name.to_owned(), apply_edits(text, &edits).ok()?))
}
