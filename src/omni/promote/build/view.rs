//! Plans a promotion of fields of a view.

use super::super::access::ViewAccess;
use super::super::misspellings::{VIEW_KEYS, misspelled_keys};
use super::super::names::to_snake_case;
use super::{PromotionPlan, SpecOutput, field_key};
use crate::schema::{OmniFieldKind, OmniReference, ParsedOmniModel, ParsedOmniView};

pub(super) fn plan_view_promotion<'m>(
    model: &'m ParsedOmniModel<'_>,
    view: usize,
    file: usize,
    references: Vec<OmniReference>,
    of_rows: bool,
    drop_access: bool,
) -> PromotionPlan<'m> {
    let view_name = model.view_reference_name(view);
    let output = |reference: OmniReference| SpecOutput {
        key: field_key(model, &view_name, &reference),
        reference,
        requested_name: None,
    };
    let mut outputs: Vec<SpecOutput> = references.into_iter().map(output).collect();
    let hidden_measures = model
        .views
        .get(view)
        .into_iter()
        .flat_map(ParsedOmniView::hidden_measures);
    let clashes = hidden_measures.map(|field| {
        let reason = "a dimension of the view has the same name; rename the measure or the dimension in Omni";
        (&field.at, format!("{view_name}.{}", field.name), reason.to_owned())
    });
    let mut gaps: Vec<_> = clashes.collect();
    if let Some(view_file) = model.files.get(file) {
        gaps.extend(misspelled_keys(&view_file.root, &VIEW_KEYS));
    }
    let access = ViewAccess::find(model, view, None);
    let mut notes = match of_rows || drop_access {
        true => Vec::new(),
        false => {
            let first_measure = outputs.iter().position(|output| is_measure(model, output));
            let position = first_measure.unwrap_or(outputs.len());
            add_access_keys(model, &view_name, &access, &mut outputs, position)
        }
    };
    if !of_rows && outputs.iter().all(|output| is_measure(model, output)) {
        notes.push(format!(
            "a single row for all of {}; use `--grain` to group the rows, for example `--grain 'created_at[month]'`",
            model.views.get(view).map_or(&*view_name, |view| &view.name)
        ));
    }
    PromotionPlan {
        base: view,
        name: default_model_name(model, &view_name, &outputs, of_rows),
        outputs,
        of_rows,
        filters: Vec::new(),
        calculation_filters: Vec::new(),
        conditions: Vec::new(),
        sorts: Vec::new(),
        sorts_at: None,
        limit: None,
        calculations: Vec::new(),
        partitions: Vec::new(),
        omni_columns: Vec::new(),
        topic: None,
        file,
        description: None,
        promoted_from: None,
        takes_over: true,
        gaps,
        field_gaps: Vec::new(),
        own_fields: Vec::new(),
        access,
        notes,
    }
}

/// Adds the columns of access filters as keys, at a position in the list of columns. Returns a note on each added key.
pub(super) fn add_access_keys(
    model: &ParsedOmniModel<'_>,
    base: &str,
    access: &ViewAccess<'_>,
    outputs: &mut Vec<SpecOutput>,
    position: usize,
) -> Vec<String> {
    let mut notes = Vec::new();
    for filter in &access.filters {
        let key = field_key(model, base, &filter.field);
        if outputs.iter().any(|spec_output| spec_output.key == key) {
            continue;
        }
        notes.push(format!(
            "`{}` is a key of the model, because the {} filters the rows of each user by it; use \
             `--drop-access` to omit the key",
            filter.field.field, filter.of
        ));
        let output = SpecOutput {
            reference: filter.field.clone(),
            key,
            requested_name: None,
        };
        outputs.insert(position + notes.len() - 1, output);
    }
    notes
}

/// Returns whether an output column is a measure.
pub(super) fn is_measure(model: &ParsedOmniModel<'_>, output: &SpecOutput) -> bool {
    let view = model.view_by_name_or_alias(&output.key.0);
    let field = view.and_then(|view| model.field(view, &output.key.1));
    field.is_some_and(|field| field.kind == OmniFieldKind::Measure)
}

/// Returns the default name of the model, such as `revenue_by_month`, `orders_by_region_and_month` or
/// `orders_with_is_large`.
fn default_model_name(model: &ParsedOmniModel<'_>, view: &str, outputs: &[SpecOutput], of_rows: bool) -> String {
    let (measures, grain): (Vec<&SpecOutput>, Vec<&SpecOutput>) =
        outputs.iter().partition(|output| is_measure(model, output));
    let of_file = model.view(view).and_then(|index| model.views.get(index));
    let view = to_snake_case(of_file.map_or(view, |view| &view.name));
    if of_rows {
        return match outputs {
            [output] => format!("{view}_with_{}", to_snake_case(&output.reference.field)),
            _ => format!("{view}_with_dimensions"),
        };
    }
    let begin = match measures.as_slice() {
        [output] => measure_name(model, output),
        _ => view,
    };
    let grain_names: Vec<String> = grain
        .iter()
        .map(|output| match output.reference.frame.as_deref() {
            Some("raw") | None => to_snake_case(&output.reference.field),
            Some(frame) => frame.to_owned(),
        })
        .collect();
    if grain_names.is_empty() {
        format!("{begin}_in_total")
    } else {
        format!("{begin}_by_{}", grain_names.join("_and_"))
    }
}

/// Returns the column name for a measure. The name contains the view if other views have a measure with the same name,
/// such as `count`.
fn measure_name(model: &ParsedOmniModel<'_>, measure: &SpecOutput) -> String {
    let name = to_snake_case(&measure.reference.field);
    let view_index = model.view_by_name_or_alias(&measure.key.0);
    let is_same = |index: usize| {
        let field = model.field(index, &measure.key.1);
        field.is_some_and(|field| field.kind == OmniFieldKind::Measure)
    };
    let is_shared = (0..model.views.len()).any(|index| Some(index) != view_index && is_same(index));
    match view_index
        .and_then(|index| model.views.get(index))
        .filter(|_| is_shared)
    {
        Some(view) => format!("{}_{name}", to_snake_case(&view.name)),
        None => name,
    }
}
