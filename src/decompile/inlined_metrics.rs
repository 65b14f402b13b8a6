//! Metrics whose formulas are inlined in a model. A metric is inlined if the model uses it only once and does not list
//! it.

use std::ops::Range;

use super::file::{FilePartKind, SqlFile};
use super::formula_names::replacement_for_formula_range;
use super::metric_edits::EditedModel;
use crate::model::MetricSetFormula;
use crate::model::outline::DefinitionWithPosition;

impl EditedModel<'_> {
    /// Returns the inlined definition that contains all changes to a formula in the expanded model, and its new
    /// formula. `None` if the changes are elsewhere.
    pub(super) fn changed_inlined_metric(
        &self,
        placed: &DefinitionWithPosition,
        formula: &str,
    ) -> Option<(MetricSetFormula<'_>, String)> {
        let before = self.definition_formula_text(placed)?;
        let mut inlined = self.expanded_model.inlined_formulas(placed.formula_span);
        // The innermost definition is the first one.
        inlined.sort_by_key(|(_, range)| range.len());
        inlined
            .into_iter()
            .find_map(|(definition, range)| Some((definition, replacement_for_formula_range(before, formula, &range)?)))
    }

    /// Returns the formulas that are inlined in a definition of the expanded model, each with the name of its metric.
    pub(super) fn inlined_formulas(&self, placed: &DefinitionWithPosition) -> Vec<(&str, String)> {
        let Some(text) = self.definition_formula_text(placed) else {
            return Vec::new();
        };
        let mut inlined = self.expanded_model.inlined_formulas(placed.formula_span);
        inlined.sort_by_key(|(_, range)| std::cmp::Reverse(range.len()));
        let formula_with_name = |(definition, range): (MetricSetFormula<'_>, Range<usize>)| {
            Some((text.get(range)?, definition.name().to_owned()))
        };
        inlined.into_iter().filter_map(formula_with_name).collect()
    }

    fn definition_formula_text(&self, definition: &DefinitionWithPosition) -> Option<&str> {
        self.expanded_model
            .text()
            .get(definition.formula_span.start as usize..definition.formula_span.end as usize)
    }
}

/// Returns the name of a helper column in a newer version of the SQL. The compiler names helper columns after their
/// formulas, so the columns at the same position are compared. `None` if the column still has its name.
pub(super) fn find_renamed_helper_column(
    (generated_file, file): (&SqlFile<'_>, &SqlFile<'_>),
    cte: Option<&str>,
    column: &str,
) -> Option<String> {
    if file.column(cte, column).is_some() {
        return None;
    }
    let position = column_names(generated_file, cte).position(|name| name.eq_ignore_ascii_case(column))?;
    let new = column_names(file, cte).nth(position)?;
    generated_file.column(cte, new).is_none().then(|| new.to_owned())
}

fn column_names<'f>(file: &'f SqlFile<'_>, cte: Option<&'f str>) -> impl Iterator<Item = &'f str> {
    file.select_parts(cte).filter_map(|part| match &part.position.kind {
        FilePartKind::Column(name) => Some(name.as_str()),
        _ => None,
    })
}
